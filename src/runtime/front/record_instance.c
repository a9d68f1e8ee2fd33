// record_instance.c - attributes of instances: where they are, reading and writing them.
//
// Which place that is depends on the class, under a watcher, and on the instance: inline values,
// members of __slots__, or a dictionary. What the class has is a constant of the trace.
#include "front/record.h"
#include "run/invalidate.h"
#include <structmember.h>

// --- instances --------------------------------------------------------------------------------

// FIELD: inline values; SLOT: a member of __slots__; DICT: the instance's dictionary.
typedef enum { WHERE_UNKNOWN, WHERE_FIELD, WHERE_SLOT, WHERE_DICT, WHERE_CLASS } Where;

typedef struct {
    Where where;
    Ref base;                           // what the value is `offset` bytes into
    size_t offset, valid_offset;
    int index;
    PyObject *now;                      // the value, borrowed; NULL: none yet (not WHERE_CLASS)
    Ref dict;                           // DICT: the dictionary
    PyObject *descr;                    // what the class has (borrowed), or NULL
} Found;

static bool
is_data_descriptor(PyObject *o)
{
    return Py_TYPE(o)->tp_descr_set != NULL;
}

// Whether an object found in a class is a descriptor is up to its own class, which may change.
bool
kind_stays(Recorder *r, PyObject *descr)
{
    if (descr == NULL) {
        return true;
    }
    PyTypeObject *type = Py_TYPE(descr);
    return assume_type(type) == 0 && (!may_change_class(type) || guard_type(&r->b, konst_obj(&r->b, descr), type));
}

PyObject *
held_by(Recorder *r, PyObject *descr, const char *member)
{
    Builder *b = &r->b;
    size_t offset = compat_member_offset(Py_TYPE(descr), member);
    PyObject *held = offset == 0 ? NULL : *(PyObject **)((char *)descr + offset);
    if (held != NULL) {
        must_be(r, build(b, UOP_FIELD_LOAD, konst_obj(b, descr), 0, 0, offset, 0), held);
    }
    return b->abort == ABORT_NONE ? held : NULL;
}

// A member of __slots__: its offset.
static bool
is_object_slot(PyObject *descr, PyTypeObject *type, size_t *offset)
{
    if (Py_TYPE(descr) != &PyMemberDescr_Type || !PyType_IsSubtype(type, PyDescr_TYPE(descr))) {
        return false;
    }
    PyMemberDef *m = ((PyMemberDescrObject *)descr)->d_member;
    if (m->type != Py_T_OBJECT_EX || m->flags != 0) {
        return false;
    }
    *offset = (size_t)m->offset;
    return true;
}

// Instances have no dictionary at all.
static bool
has_no_dict(PyTypeObject *type)
{
    return type->tp_dictoffset == 0 && !(type->tp_flags & Py_TPFLAGS_MANAGED_DICT);
}

// The instance's dictionary, if it is plainly one; dict_offset: of the pointer to it.
static PyObject *
instance_dict(PyObject *object, size_t *dict_offset)
{
    if (!compat_dict_pointer(Py_TYPE(object), dict_offset)) {
        return NULL;
    }
    PyObject *dict = *(PyObject **)((char *)object + (Py_ssize_t)*dict_offset);
    return dict != NULL && PyDict_CheckExact(dict) ? dict : NULL;
}

// Can the instance have attributes of its own that are not in `dict` (NULL: in none)?
static bool
values_elsewhere(PyObject *object, PyObject *dict)
{
    if (compat_inline_valid(object)) {
        return true;
    }
    size_t offset;
    bool has_pointer = compat_dict_pointer(Py_TYPE(object), &offset);
    return has_pointer ? *(PyObject **)((char *)object + (Py_ssize_t)offset) != dict
                       : !has_no_dict(Py_TYPE(object));
}

// As find_attribute, without guards.
static Found
look_for(PyObject *object, PyObject *name)
{
    PyTypeObject *type = Py_TYPE(object);
    Found found = {.where = WHERE_UNKNOWN};
    size_t dict_offset;
    if (!compat_type_is_plain(type)) {
        return found;
    }
    found.descr = compat_type_lookup(type, name);
    if (found.descr != NULL && is_data_descriptor(found.descr)) {
        if (is_object_slot(found.descr, type, &found.offset)) {
            found.where = WHERE_SLOT;
        }
        else if (Py_TYPE(found.descr)->tp_descr_get != NULL) {
            found.where = WHERE_CLASS;  // property and the like
        }
        // With __set__ alone, reading looks into the instance first: left to the general path.
        return found;
    }
    if (compat_inline_valid(object)) {
        if (compat_inline_attr(type, name, &found.offset, &found.valid_offset, &found.index)) {
            found.where = WHERE_FIELD;
        }
        else if (found.descr != NULL
                 && compat_shared_keys_count(type, &found.valid_offset) != NULL) {
            found.where = WHERE_CLASS;
        }
        return found;
    }
    PyObject *dict = instance_dict(object, &dict_offset);
    if (values_elsewhere(object, dict)) {
        return found;
    }
    DictPlace place = DICT_LACKS;
    uint64_t which;
    if (dict != NULL) {
        place = compat_dict_place(dict, name, &which, &found.offset);
    }
    if (place == DICT_ENTRY || place == DICT_SHARED) {
        found.where = WHERE_DICT;
    }
    else if (place == DICT_LACKS && found.descr != NULL) {
        found.where = WHERE_CLASS;
    }
    return found;
}

// The dictionary that the instance has now, whichever that is at run time.
static Ref
dict_of(Recorder *r, Ref owner, size_t dict_offset)
{
    Ref dict = build(&r->b, UOP_FIELD_LOAD, owner, 0, 0, dict_offset, 0);
    build1(&r->b, UOP_GUARD_BOUND, dict);
    return dict;
}

// That the instance's values, if it has inline ones, are not in use: it has a dictionary instead.
static void
guard_no_inline(Recorder *r, Ref owner, PyTypeObject *type)
{
    size_t valid;
    if (compat_shared_keys_count(type, &valid) != NULL) {
        build(&r->b, UOP_GUARD_NOT_INLINE, owner, 0, 0, valid, 0);
    }
}

static void
guard_dict_place(Recorder *r, Ref owner, PyObject *object, PyObject *name, Found *found)
{
    Builder *b = &r->b;
    size_t dict_offset;
    uint64_t which;
    PyObject *dict = instance_dict(object, &dict_offset);
    found->dict = dict_of(r, owner, dict_offset);
    guard_no_inline(r, owner, Py_TYPE(object));
    if (compat_dict_place(dict, name, &which, &found->offset) == DICT_SHARED) {
        found->base = build(b, UOP_DICT_VALUES, found->dict, 0, 0, which, 0);
        return;
    }
    (void)konst_obj(b, name);           // lives as long as the trace
    found->base = build(b, UOP_DICT_ENTRIES, found->dict, 0, 0, fn(name), which);
}

// The instance has no attribute of this name that would hide what the class has.
static void
guard_not_hidden(Recorder *r, Ref owner, PyObject *object, PyObject *name)
{
    Builder *b = &r->b;
    PyTypeObject *type = Py_TYPE(object);
    size_t valid, dict_offset;
    if (has_no_dict(type)) {
        return;
    }
    if (compat_inline_valid(object)) {
        // The names that instances share are as many as now.
        int64_t *count = compat_shared_keys_count(type, &valid);
        build(b, UOP_GUARD_INLINE, owner, 0, 0, valid, 0);
        build(b, UOP_GUARD_WORD, 0, 0, 0, fn(count), (uint64_t)*count);
        return;
    }
    PyObject *dict = instance_dict(object, &dict_offset);
    guard_no_inline(r, owner, type);
    if (dict == NULL) {
        Ref none = build(b, UOP_FIELD_LOAD, owner, 0, 0, dict_offset, 0);
        build(b, UOP_GUARD_IS, none, 0, 0, 0, 0);
        return;
    }
    (void)konst_obj(b, name);
    build(b, UOP_GUARD_DICT_LACKS, dict_of(r, owner, dict_offset), 0, 0, fn(name), 0);
}

// Where attribute `name` of the object is found. Guards that it stays so are emitted.
static Found
find_attribute(Recorder *r, Ref owner, PyObject *object, PyObject *name)
{
    PyTypeObject *type = Py_TYPE(object);
    Found found = look_for(object, name);
    if (found.where == WHERE_UNKNOWN || assume_type(type) < 0 || !kind_stays(r, found.descr)) {
        found.where = WHERE_UNKNOWN;
        return found;
    }
    guard_type(&r->b, owner, type);
    found.base = owner;
    if (found.where == WHERE_FIELD) {
        build(&r->b, UOP_GUARD_INLINE, owner, 0, 0, found.valid_offset, 0);
    }
    else if (found.where == WHERE_DICT) {
        guard_dict_place(r, owner, object, name, &found);
        size_t dict_offset;
        (void)compat_dict_find(instance_dict(object, &dict_offset), name, &found.now);  // of str keys
    }
    else if (found.where == WHERE_CLASS && !is_data_descriptor(found.descr)) {
        guard_not_hidden(r, owner, object, name);
    }
    if (found.where == WHERE_FIELD || found.where == WHERE_SLOT) {
        found.now = *(PyObject **)((char *)object + found.offset);
    }
    return found;
}

void
push_attribute(Recorder *r, Ref value, bool borrowed, bool with_null)
{
    if (borrowed) {
        own_borrowed(r, value);
    }
    else {
        owned(r, value);
    }
    release(r, pop(r));
    push(r, value);
    if (with_null) {
        push(r, NO_REF);
    }
}

bool
load_from_instance(Recorder *r, Ref owner, PyObject *object, PyObject *name, bool method)
{
    Builder *b = &r->b;
    if (Py_TYPE(object)->tp_getattro != PyObject_GenericGetAttr) {
        return false;
    }
    Found found = find_attribute(r, owner, object, name);
    if (found.where != WHERE_UNKNOWN && found.where != WHERE_CLASS) {
        if (found.now == NULL) {
            return false;
        }
        Ref value = build(b, UOP_FIELD_LOAD, found.base, 0, 0, found.offset, 0);
        build1(b, UOP_GUARD_BOUND, value);
        push_attribute(r, value, true, method);
        return true;
    }
    if (found.where != WHERE_CLASS) {
        return false;
    }
    PyObject *descr = found.descr;
    if (Py_TYPE(descr)->tp_flags & Py_TPFLAGS_METHOD_DESCRIPTOR) {
        if (!method && !PyFunction_Check(descr)) {
            return false;
        }
        if (!method) {
            Ref bound = build_raw(b, UOP_C_FROM2, konst_obj(b, descr), real(r, owner), 0,
                                  fn((void *)PyMethod_New), 0);
            push_attribute(r, bound, false, false);
            return true;
        }
        Ref self = pop(r);
        push(r, konst_obj(b, descr));
        push(r, self);
        return true;
    }
    if (Py_TYPE(descr) == &PyProperty_Type) {
        return record_property(r, descr, owner, object, method);
    }
    if (Py_TYPE(descr) == &PyStaticMethod_Type) {
        PyObject *value = held_by(r, descr, "__func__");
        if (value == NULL) {
            return false;
        }
        push_attribute(r, konst_obj(b, value), true, method);
        return true;
    }
    if (Py_TYPE(descr)->tp_descr_get == NULL) {
        push_attribute(r, konst_obj(b, descr), true, method);
        return true;
    }
    return false;
}

// --- stores -----------------------------------------------------------------------------------

// A dictionary is about to be written: its version, and whether the garbage collector has to look
// at it. Watched ones are left to the general path.
static void
note_dict_change(Recorder *r, Ref dict, Ref value, PyObject *value_now)
{
    build(&r->b, UOP_DICT_CHANGES, dict, 0, 0, fn(compat_dict_versions()), 0);
    if (PyObject_IS_GC(value_now)) {
        build2(&r->b, UOP_DICT_TRACK, dict, value);
    }
}

bool
store_to_instance(Recorder *r, Ref owner, PyObject *object, PyObject *name)
{
    Builder *b = &r->b;
    if (Py_TYPE(object)->tp_setattro != PyObject_GenericSetAttr) {
        return false;
    }
    Found found = find_attribute(r, owner, object, name);
    if (found.where == WHERE_UNKNOWN || found.where == WHERE_CLASS
        || (found.where == WHERE_DICT && found.now == NULL)) {
        return false;
    }
    if (found.where == WHERE_FIELD) {
        size_t dict_offset = compat_managed_dict_offset();
        Ref dict = build(b, UOP_FIELD_LOAD, owner, 0, 0, dict_offset, 0);
        if (*(PyObject **)((char *)object + (Py_ssize_t)dict_offset) != NULL) {
            build1(b, UOP_GUARD_BOUND, dict);
            found.dict = dict;          // it shows the inline values
        }
        else {
            build(b, UOP_GUARD_IS, dict, 0, 0, 0, 0);
        }
    }
    Ref old = build(b, UOP_FIELD_LOAD, found.base, 0, 0, found.offset, 0);
    Ref value = real(r, peek(r, 1));
    if (found.now == NULL) {
        build(b, UOP_GUARD_IS, old, 0, 0, 0, 0);
    }
    else {
        build1(b, UOP_GUARD_BOUND, old);
    }
    if (found.dict != NO_REF) {
        note_dict_change(r, found.dict, value, concrete(r, 1));
    }
    if (found.now == NULL && found.where == WHERE_FIELD) {
        build_raw(b, UOP_INLINE_ADD, owner, 0, 0, (uint64_t)found.index, 0);
    }
    release(r, pop(r));
    (void)pop(r);
    give(r, value);
    build_raw(b, UOP_FIELD_STORE, found.base, value, 0, found.offset, 0);
    if (found.now != NULL) {
        take_back(r, old);
    }
    return true;
}
