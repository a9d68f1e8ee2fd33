// compat_313_objects.c - the seam to CPython 3.13: instances, types, what dies with an object.

#include "python/compat_313.h"
#include "base/helpers.h"
#include "internal/pycore_opcode_utils.h"

// --- attributes kept inside of instances ------------------------------------------------------

static PyDictKeysObject *
shared_keys(PyTypeObject *type)
{
    if (!(type->tp_flags & Py_TPFLAGS_HEAPTYPE) || !(type->tp_flags & Py_TPFLAGS_INLINE_VALUES)) {
        return NULL;
    }
    return ((PyHeapTypeObject *)type)->ht_cached_keys;
}

bool
compat_inline_attr(PyTypeObject *type, PyObject *name, size_t *offset, size_t *valid_offset,
                   int *index)
{
    PyDictKeysObject *keys = shared_keys(type);
    if (keys == NULL || !PyUnicode_CheckExact(name)) {
        return false;
    }
    // Shared keys hold at most SHARED_KEYS_MAX_SIZE (30) interned names and only ever grow.
    PyDictUnicodeEntry *entries = DK_UNICODE_ENTRIES(keys);
    for (Py_ssize_t i = 0; i < keys->dk_nentries; i++) {
        if (entries[i].me_key == name) {
            *offset = (size_t)type->tp_basicsize + offsetof(PyDictValues, values)
                      + (size_t)i * sizeof(PyObject *);
            *valid_offset = (size_t)type->tp_basicsize + offsetof(PyDictValues, valid);
            *index = (int)i;
            return true;
        }
    }
    return false;
}

bool
compat_inline_valid(PyObject *obj)
{
    return (Py_TYPE(obj)->tp_flags & Py_TPFLAGS_INLINE_VALUES)
           && _PyObject_InlineValues(obj)->valid;
}

int64_t *
compat_shared_keys_count(PyTypeObject *type, size_t *valid_offset)
{
    PyDictKeysObject *keys = shared_keys(type);
    if (keys == NULL) {
        return NULL;
    }
    *valid_offset = (size_t)type->tp_basicsize + offsetof(PyDictValues, valid);
    static_assert(sizeof(keys->dk_nentries) == sizeof(int64_t), "64-bit systems only");
    return (int64_t *)&keys->dk_nentries;
}

void
compat_inline_add(PyObject *obj, int64_t index)
{
    _PyDictValues_AddToInsertionOrder(_PyObject_InlineValues(obj), (Py_ssize_t)index);
    PyDictObject *dict = _PyObject_GetManagedDict(obj);
    if (dict != NULL) {
        dict->ma_used++;
        if (!_PyObject_GC_IS_TRACKED(dict)) {
            _PyObject_GC_TRACK(dict);
        }
    }
}

size_t
compat_managed_dict_offset(void)
{
    return (size_t)MANAGED_DICT_OFFSET;
}

// --- arrays and characters ----------------------------------------------------------------------

typedef struct {
    PyObject_VAR_HEAD
    char *items;
    Py_ssize_t allocated;
    const struct { char typecode; int itemsize; } *descr;
    PyObject *weakrefs;
    Py_ssize_t exports;
} ArrayObject;

// The struct is the array module's own, so each array is compared with what its buffer says.
char
compat_array_kind(PyObject *o, const void **descr)
{
    PyTypeObject *type = Py_TYPE(o);
    if (!(type->tp_flags & Py_TPFLAGS_IMMUTABLETYPE) || strcmp(type->tp_name, "array.array") != 0
        || type->tp_basicsize != sizeof(ArrayObject)) {
        return '\0';
    }
    const ArrayObject *array = (ArrayObject *)o;
    Py_buffer view;
    if (PyObject_GetBuffer(o, &view, PyBUF_FORMAT) < 0) {
        PyErr_Clear();
        return '\0';
    }
    char kind = '\0';
    if (view.len > 0 && view.buf == array->items && Py_SIZE(o) * view.itemsize == view.len
        && array->descr->itemsize == view.itemsize && array->descr->typecode == view.format[0]) {
        kind = array->descr->typecode;
        *descr = array->descr;
    }
    PyBuffer_Release(&view);
    return kind;
}

PyObject *const *
compat_char_strs(void)
{
    static PyObject *table[256];
    for (int c = 255; c >= 0 && table[0] == NULL; c--) {
        PyObject *s = PyUnicode_FromOrdinal((Py_UCS4)c);
        if (s == NULL || !_Py_IsImmortal(s)) {
            PyErr_Clear();
            Py_XDECREF(s);
            return NULL;
        }
        table[c] = s;
    }
    return table;
}

// --- dictionaries of instances ----------------------------------------------------------------

static_assert(offsetof(help_dict, used) == offsetof(PyDictObject, ma_used)
              && offsetof(help_dict, version) == offsetof(PyDictObject, ma_version_tag)
              && offsetof(help_dict, keys) == offsetof(PyDictObject, ma_keys)
              && offsetof(help_dict, values) == offsetof(PyDictObject, ma_values)
              && offsetof(help_dict_keys, log2_index_bytes)
                     == offsetof(PyDictKeysObject, dk_log2_index_bytes)
              && offsetof(help_dict_keys, kind) == offsetof(PyDictKeysObject, dk_kind)
              && offsetof(help_dict_keys, n_entries) == offsetof(PyDictKeysObject, dk_nentries)
              && offsetof(help_dict_keys, indices) == offsetof(PyDictKeysObject, dk_indices)
              && offsetof(help_dict_entry, value) == offsetof(PyDictUnicodeEntry, me_value)
              && sizeof(help_dict_entry) == sizeof(PyDictUnicodeEntry)
              && offsetof(help_gc_head, next) == offsetof(PyGC_Head, _gc_next)
              && sizeof(help_gc_head) == sizeof(PyGC_Head), "layouts in helpers.h");
static_assert((int)HELP_DICT_STR_KEYS == (int)DICT_KEYS_UNICODE && HELP_DICT_WATCHED == DICT_WATCHER_MASK
              && HELP_DICT_VERSION_STEP == DICT_VERSION_INCREMENT, "numbers in helpers.h");

bool
compat_dict_pointer(PyTypeObject *type, size_t *offset)
{
    if (type->tp_flags & Py_TPFLAGS_MANAGED_DICT) {
        *offset = compat_managed_dict_offset();
        return true;
    }
    *offset = (size_t)type->tp_dictoffset;
    return type->tp_dictoffset > 0;
}

DictPlace
compat_dict_place(PyObject *dict, PyObject *name, uint64_t *which, size_t *offset)
{
    if (compat_dict_lacks(dict, name)) {
        return DICT_LACKS;
    }
    PyDictObject *d = (PyDictObject *)dict;
    PyDictKeysObject *keys = d->ma_keys;
    if (keys->dk_kind == DICT_KEYS_GENERAL) {
        return DICT_OTHERWISE;
    }
    Py_ssize_t i = 0;
    while (i < keys->dk_nentries && DK_UNICODE_ENTRIES(keys)[i].me_key != name) {
        i++;
    }
    if (i == keys->dk_nentries) {
        return DICT_OTHERWISE;          // an equal str
    }
    if (d->ma_values != NULL) {
        *which = (uint64_t)(uintptr_t)keys;
        *offset = offsetof(PyDictValues, values) + (size_t)i * sizeof(PyObject *);
        return DICT_SHARED;
    }
    *which = (uint64_t)i;
    *offset = (size_t)i * sizeof(PyDictUnicodeEntry) + offsetof(PyDictUnicodeEntry, me_value);
    return DICT_ENTRY;
}

bool
compat_dict_lacks(PyObject *dict, PyObject *name)
{
    // Where all keys are exact strs no Python code runs.
    return PyUnicode_CheckExact(name)
           && ((PyDictObject *)dict)->ma_keys->dk_kind != DICT_KEYS_GENERAL
           && PyDict_Contains(dict, name) == 0;
}

uint64_t *
compat_dict_versions(void)
{
    // The interpreter counts up from 0 and will not come so far.
    static uint64_t last = (uint64_t)1 << 62;
    return &last;
}

// --- what dies with an object -----------------------------------------------------------------
//
// Dropping a last reference frees the object and all it alone holds. compat_quiet_to_free() plays
// that through without doing it: every object whose references all come from dying ones dies too.
// Nothing is noticed if each of them is of a type known to free without a sound.

// The decimal module's own class, not the one written in Python, nor a class derived from it.
static bool
is_decimal(PyTypeObject *type)
{
    return (type->tp_flags & Py_TPFLAGS_IMMUTABLETYPE) && type->tp_name[0] == 'd'
           && strcmp(type->tp_name, "decimal.Decimal") == 0;
}

// Static types without references to anything that could make a sound.
static bool
is_leaf_type(PyTypeObject *type)
{
    return type == &PyLong_Type || type == &PyFloat_Type || type == &PyUnicode_Type
           || type == &PyBool_Type || type == Py_TYPE(Py_None) || type == &PyBytes_Type
           || type == &PyComplex_Type || type == &PyRangeIter_Type;
}

static destructor
dealloc_of_python_classes(void)
{
    static destructor known;
    if (known == NULL) {
        PyObject *exc = PyErr_GetRaisedException();
        PyObject *type = PyObject_CallFunction((PyObject *)&PyType_Type, "s(){}", "jitpatch");
        if (type != NULL) {
            known = ((PyTypeObject *)type)->tp_dealloc;
            Py_DECREF(type);
        }
        PyErr_Clear();
        PyErr_SetRaisedException(exc);
    }
    return known;
}

// A class made by a class statement on top of object or of such an exception, without __del__.
bool
compat_is_plain_class(PyTypeObject *type)
{
    if (type->tp_finalize != NULL || type->tp_del != NULL) {
        return false;
    }
    destructor plain = dealloc_of_python_classes();
    for (; type->tp_flags & Py_TPFLAGS_HEAPTYPE; type = type->tp_base) {
        if (plain == NULL || type->tp_dealloc != plain) {
            return false;
        }
    }
    return type == &PyBaseObject_Type || compat_is_plain_exception(type);
}

// The frame object of a frame that is gone, as a traceback keeps it.
static bool
is_dead_frame(PyObject *o)
{
    return Py_TYPE(o) == &PyFrame_Type
        && ((PyFrameObject *)o)->f_frame->owner == FRAME_OWNED_BY_FRAME_OBJECT;
}

static bool
is_plain_container(PyTypeObject *type)
{
    return type == &PyTuple_Type || type == &PyList_Type || type == &PyDict_Type
           || type == &PySet_Type || type == &PyFrozenSet_Type || type == &PySlice_Type
           || type == &PyMethod_Type || type == &PyFunction_Type || type == &PyCFunction_Type
           || type == &PyCell_Type
           || type == &PyListIter_Type || type == &PyTupleIter_Type || type == &PyEnum_Type
           || type == &PyZip_Type || type == &PyDictKeys_Type || type == &PyDictValues_Type
           || type == &PyDictItems_Type || type == &PyDictIterKey_Type
           || type == &PyDictIterValue_Type || type == &PyDictIterItem_Type
           || type == &PyRange_Type || type == &PyReversed_Type || type == &PyListRevIter_Type
           || type == &PyMap_Type || type == &PyFilter_Type || type == &PySeqIter_Type
           || type == &PyCallIter_Type || type == &PySetIter_Type || type == &PyBytesIter_Type
           || type == &PyByteArrayIter_Type || type == &PyUnicodeIter_Type
           || type == &PyLongRangeIter_Type || type == &PyDictRevIterKey_Type
           || type == &PyDictRevIterValue_Type || type == &PyDictRevIterItem_Type
           || type == &PyStaticMethod_Type || type == &PyClassMethod_Type || type == &PyDictProxy_Type
           || type == &PyTraceBack_Type || compat_is_plain_exception(type);
}

// What kind a type is; remembered for static types, which are never freed. This is asked often.
typedef enum { KIND_LEAF = 1, KIND_CONTAINER, KIND_OTHER } TypeKind;

static TypeKind
kind_of(PyTypeObject *type)
{
    static struct { PyTypeObject *type; TypeKind kind; } known[256];
    if (type->tp_flags & Py_TPFLAGS_HEAPTYPE) {
        return is_decimal(type) ? KIND_LEAF : KIND_OTHER;
    }
    size_t at = ((uintptr_t)type >> 5) % Py_ARRAY_LENGTH(known);
    if (known[at].type == type) {
        return known[at].kind;
    }
    known[at].type = type;
    known[at].kind = is_leaf_type(type) ? KIND_LEAF : is_plain_container(type) ? KIND_CONTAINER : KIND_OTHER;
    return known[at].kind;
}

static inline bool
is_leaf(PyTypeObject *type)
{
    if (type == &PyLong_Type || type == &PyUnicode_Type || type == &PyFloat_Type || type == &PyBool_Type) {
        return true;
    }
    if (type == &PyTuple_Type || type == &PyDict_Type || type == &PyList_Type) {
        return false;
    }
    bool of_python = (type->tp_flags & (Py_TPFLAGS_HEAPTYPE | Py_TPFLAGS_IMMUTABLETYPE)) == Py_TPFLAGS_HEAPTYPE;
    return !of_python && kind_of(type) == KIND_LEAF;
}

// Closing it runs nothing of it: it has ended, not begun, or waits outside of any `try`.
static bool
closes_quietly(PyObject *o)
{
    PyGenObject *gen = (PyGenObject *)o;
    Frame *frame = (Frame *)gen->gi_iframe;
    if (gen->gi_frame_state == FRAME_CLEARED) {
        return true;
    }
    int opcode = frame->instr_ptr->op.code;
    bool at_resume = opcode == RESUME || opcode == RESUME_CHECK || opcode == INSTRUMENTED_RESUME;
    return frame->frame_obj == NULL
        && (gen->gi_frame_state == FRAME_CREATED
            || (gen->gi_frame_state == FRAME_SUSPENDED && at_resume
                && (frame->instr_ptr->op.arg & RESUME_OPARG_DEPTH1_MASK)));
}

static bool
frees_quietly(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    if (kind_of(type) != KIND_CONTAINER && !compat_is_plain_class(type)
        && !(type == &PyGen_Type && closes_quietly(o)) && !is_dead_frame(o)) {
        return false;
    }
    if (type->tp_weaklistoffset != 0
        && *(PyObject **)((char *)o + type->tp_weaklistoffset) != NULL) {
        return false;
    }
    return !(type == &PyDict_Type
             && ((PyDictObject *)o)->ma_version_tag & DICT_WATCHER_MASK);
}

enum { MAX_DYING = 128, MAX_FOUND = 192, FOUND_SIZE = 256 };
typedef struct {
    int n_found, n_dying;
    uint32_t number;
    PyObject *dying[MAX_DYING];
} Death;

// What dying objects refer to, and how often: a hash table, open addressing. Entries of an earlier
// death count as free. One serves all, for nothing that traverses an object asks again.
static struct { PyObject *object; Py_ssize_t held; uint32_t death; } found[FOUND_SIZE];

static size_t
find_held(const Death *death, const PyObject *o)
{
    size_t i = ((uintptr_t)o >> 4) ^ ((uintptr_t)o >> 12);
    while (found[i &= FOUND_SIZE - 1].death == death->number && found[i].object != o) {
        i++;
    }
    return i;
}

// A function as MAKE_FUNCTION makes it, with or without cells that others hold, too.
static bool
is_bare_function(PyObject *o)
{
    PyFunctionObject *f = (PyFunctionObject *)o;
    if (!PyFunction_Check(o) || f->func_weakreflist != NULL || f->func_dict != NULL
        || f->func_defaults != NULL || f->func_kwdefaults != NULL || f->func_annotations != NULL
        || f->func_typeparams != NULL || Py_REFCNT(f->func_code) == 1
        || Py_REFCNT(f->func_globals) == 1 || Py_REFCNT(f->func_builtins) == 1
        || !PyUnicode_CheckExact(f->func_name) || !PyUnicode_CheckExact(f->func_qualname)
        || (f->func_doc != NULL && !is_leaf(Py_TYPE(f->func_doc)))
        || (f->func_module != NULL && !is_leaf(Py_TYPE(f->func_module)))) {
        return false;
    }
    for (Py_ssize_t i = 0; f->func_closure != NULL && i < PyTuple_GET_SIZE(f->func_closure); i++) {
        if (Py_REFCNT(PyTuple_GET_ITEM(f->func_closure, i)) == 1) {
            return false;
        }
    }
    return true;
}

// Does `o` stay, or go without a sound, when something that refers to it at most n times goes? ANY_TIMES:
// others go, too.
enum { ANY_TIMES = -1 };

static inline bool
stays(PyObject *o, Py_ssize_t n)
{
    return (n != ANY_TIMES && Py_REFCNT(o) > n) || is_leaf(Py_TYPE(o));
}

static bool
set_frees_nothing(PySetObject *set, bool alone)
{
    if (set->weakreflist != NULL) {
        return false;
    }
    Py_ssize_t left = set->used;
    for (setentry *entry = set->table; left > 0; entry++) {
        if (entry->key == NULL || entry->hash == -1) {      // free, or a dummy
            continue;
        }
        if (!stays(entry->key, alone ? 1 : ANY_TIMES)) {
            return false;
        }
        left--;
    }
    return true;
}

static bool
dict_frees_nothing(PyObject *dict, bool alone)
{
    if (((PyDictObject *)dict)->ma_version_tag & DICT_WATCHER_MASK) {
        return false;
    }
    PyDictObject *d = (PyDictObject *)dict;
    Py_ssize_t at = 0, n = alone ? 2 * d->ma_used : ANY_TIMES;
    if (d->ma_values == NULL && DK_IS_UNICODE(d->ma_keys)) {
        PyDictUnicodeEntry *entries = DK_UNICODE_ENTRIES(d->ma_keys);
        for (; at < d->ma_keys->dk_nentries; at++) {
            if (entries[at].me_value != NULL && !stays(entries[at].me_value, n)) {
                return false;
            }
        }
        return true;
    }
    PyObject *key, *value;
    while (PyDict_Next(dict, &at, &key, &value)) {
        if (!stays(key, n) || !stays(value, n)) {
            return false;
        }
    }
    return true;
}

// Containers of nothing but numbers, strings and the like, and of what others hold, too: the usual case.
// `alone`: nothing else goes with it.
static bool
frees_nothing(PyObject *o, bool alone)
{
    PyObject **items;
    Py_ssize_t n;
    if (Py_TYPE(o) == &PyList_Type) {
        items = ((PyListObject *)o)->ob_item;
        n = Py_SIZE(o);
    }
    else if (Py_TYPE(o) == &PyTuple_Type) {
        items = ((PyTupleObject *)o)->ob_item;
        n = Py_SIZE(o);
    }
    else if (Py_TYPE(o) == &PySlice_Type) {
        items = &((PySliceObject *)o)->start;
        n = 3;
    }
    else if (Py_TYPE(o) == &PySet_Type || Py_TYPE(o) == &PyFrozenSet_Type) {
        return set_frees_nothing((PySetObject *)o, alone);
    }
    else if (Py_TYPE(o) == &PyDict_Type) {
        return dict_frees_nothing(o, alone);
    }
    else {
        return false;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        if (items[i] != NULL && !stays(items[i], alone ? n : ANY_TIMES)) {
            return false;
        }
    }
    return true;
}

static int
count_reference(PyObject *o, void *arg)
{
    Death *death = arg;
    if (_Py_IsImmortal(o) || is_leaf(Py_TYPE(o))) {
        return 0;
    }
    size_t i = find_held(death, o);
    if (found[i].death != death->number) {
        if (death->n_found++ == MAX_FOUND) {
            return 1;
        }
        found[i].object = o;
        found[i].held = 0;
        found[i].death = death->number;
    }
    if (++found[i].held == Py_REFCNT(o)) {
        if (frees_nothing(o, false)) {
            return 0;
        }
        if (!frees_quietly(o) || death->n_dying == MAX_DYING) {
            return 1;
        }
        death->dying[death->n_dying++] = o;
    }
    return 0;
}

// What an object refers to, all of it, survives it: the usual case.
typedef struct { Py_ssize_t references, least; } Survivors;

static int
count_survivor(PyObject *o, void *arg)
{
    Survivors *s = arg;
    s->references++;
    if (Py_REFCNT(o) < s->least && !is_leaf(Py_TYPE(o))) {
        s->least = Py_REFCNT(o);
    }
    return 0;
}

static bool
everything_survives(PyObject *o)
{
    Survivors s = {0, PY_SSIZE_T_MAX};
    traverseproc traverse = Py_TYPE(o)->tp_traverse;
    return traverse != NULL && traverse(o, count_survivor, &s) == 0 && s.least > s.references;
}

static inline bool
survives(PyObject *o, Py_ssize_t references)
{
    return o == NULL || Py_REFCNT(o) > references;
}

// What loops and method calls leave behind: all that it refers to is others', too, mostly.
static bool
frees_only_itself(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    if (type == &PyListIter_Type) {
        return survives((PyObject *)((_PyListIterObject *)o)->it_seq, 1);
    }
    if (type == &PyTupleIter_Type) {
        return survives((PyObject *)((_PyTupleIterObject *)o)->it_seq, 1);
    }
    if (type == &PyDictKeys_Type || type == &PyDictValues_Type || type == &PyDictItems_Type) {
        return survives((PyObject *)((_PyDictViewObject *)o)->dv_dict, 1);
    }
    if (type == &PyCFunction_Type) {
        PyCFunctionObject *f = (PyCFunctionObject *)o;
        return f->m_weakreflist == NULL && survives(f->m_self, 1 + (f->m_self == f->m_module))
            && survives(f->m_module, 1);
    }
    return false;
}

bool
compat_quiet_to_free(PyObject *o)
{
    if ((Py_TYPE(o)->tp_flags & Py_TPFLAGS_BASE_EXC_SUBCLASS) && compat_exception_ends_quietly(o)) {
        return true;
    }
    if (is_leaf(Py_TYPE(o)) || frees_only_itself(o) || frees_nothing(o, true) || is_bare_function(o)) {
        return true;
    }
    if (!frees_quietly(o)) {
        return false;
    }
    if (everything_survives(o)
        || (PyGen_CheckExact(o) && ((PyGenObject *)o)->gi_frame_state == FRAME_CLEARED)) {
        return true;
    }
    static uint32_t deaths;
    Death death;                        // not cleared as a whole: this runs often
    death.n_found = 0;
    death.number = ++deaths ? deaths : ++deaths;
    death.n_dying = 1;
    death.dying[0] = o;
    for (int i = 0; i < death.n_dying; i++) {
        // Of the types let through, those without it hold no references, or ints only.
        traverseproc traverse = Py_TYPE(death.dying[i])->tp_traverse;
        if (traverse != NULL && traverse(death.dying[i], count_reference, &death) != 0) {
            return false;
        }
    }
    return true;
}

// --- CPython functions that its public headers do not declare ---------------------------------

void *
compat_float_freelist(PyThreadState *tstate)
{
    return &tstate->interp->object_state.freelists.floats;
}

int
compat_str_equal(PyObject *a, PyObject *b)
{
    return _PyUnicode_Equal(a, b);
}

// --- iterators --------------------------------------------------------------------------------
//
// Their structs are not in any header. Each is written down here, and believed only if an iterator
// made for the purpose looks like it.

typedef struct {
    PyObject_HEAD
    Py_ssize_t index;
    PyObject *inner, *result, *long_index;
} EnumObject;

const EnumLayout *
compat_enum_layout(void)
{
    static const EnumLayout layout = {offsetof(EnumObject, index), offsetof(EnumObject, inner),
                                      offsetof(EnumObject, long_index)};
    static int known;                   // 1: it is so; -1: it is not
    if (known == 0) {
        EnumObject *e = (EnumObject *)PyObject_CallFunction((PyObject *)&PyEnum_Type, "()i", 77);
        known = e != NULL && PyEnum_Type.tp_basicsize >= (Py_ssize_t)sizeof(EnumObject)
            && e->index == 77 && Py_TYPE(e->inner) == &PyTupleIter_Type && e->long_index == NULL
            ? 1 : -1;
        Py_XDECREF(e);
        PyErr_Clear();
    }
    return known > 0 ? &layout : NULL;
}

typedef struct {
    PyObject_HEAD
    Py_ssize_t count;
    PyObject *iterators;
} ZipObject;

size_t
compat_zip_iterators(void)
{
    static int known;
    if (known == 0) {
        ZipObject *z = (ZipObject *)PyObject_CallFunction((PyObject *)&PyZip_Type, "()()()");
        known = z != NULL && PyZip_Type.tp_basicsize >= (Py_ssize_t)sizeof(ZipObject)
            && z->count == 3 && PyTuple_CheckExact(z->iterators)
            && PyTuple_GET_SIZE(z->iterators) == 3 ? 1 : -1;
        Py_XDECREF(z);
        PyErr_Clear();
    }
    return known > 0 ? offsetof(ZipObject, iterators) : 0;
}

// --- frames of natively called functions --------------------------------------------------------

void
compat_drop_pushed(PyThreadState *tstate, Frame *frame)
{
    assert(tstate->current_frame == frame);
    tstate->current_frame = frame->previous;
    tstate->py_recursion_remaining++;
    if (frame->frame_obj != NULL) {
        // Somebody holds it: it gets a frame without locals, as after clear().
        for (int i = 0; i < _PyFrame_GetCode(frame)->co_nlocalsplus; i++) {
            frame->localsplus[i] = NULL;
        }
        frame->stacktop = _PyFrame_GetCode(frame)->co_nlocalsplus;
        _PyEval_FrameClearAndPop(tstate, frame);
        return;
    }
    Py_DECREF(frame->f_funcobj);
    Py_DECREF(frame->f_executable);
    _PyThreadState_PopFrame(tstate, frame);
}

// --- types and functions ----------------------------------------------------------------------

PyObject *
compat_type_lookup(PyTypeObject *type, PyObject *name)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *value = _PyType_Lookup(type, name);
    PyErr_Clear();
    if (exc != NULL) {
        PyErr_SetRaisedException(exc);
    }
    return value;
}

static PyObject *
dict_of_type(PyTypeObject *type)
{
    PyObject *dict = PyType_GetDict(type);      // not tp_dict: builtin types have it elsewhere
    Py_XDECREF(dict);
    return dict;
}

bool
compat_type_is_plain(PyTypeObject *type)
{
    PyObject *mro = type->tp_mro;
    for (Py_ssize_t i = 0; mro != NULL && i < PyTuple_GET_SIZE(mro); i++) {
        PyObject *dict = dict_of_type((PyTypeObject *)PyTuple_GET_ITEM(mro, i));
        if (dict == NULL || ((PyDictObject *)dict)->ma_keys->dk_kind == DICT_KEYS_GENERAL) {
            return false;
        }
    }
    return mro != NULL;
}

PyObject *
compat_lookup_behind(PyTypeObject *type, PyObject *cls, PyObject *name)
{
    PyObject *mro = type->tp_mro, *value = NULL;
    Py_ssize_t i = 0, n = PyTuple_GET_SIZE(mro);
    while (i < n && PyTuple_GET_ITEM(mro, i) != cls) {
        i++;
    }
    for (i++; i < n && value == NULL; i++) {
        (void)compat_dict_find(dict_of_type((PyTypeObject *)PyTuple_GET_ITEM(mro, i)), name, &value);
    }
    return value;
}

size_t
compat_member_offset(PyTypeObject *type, const char *name)
{
    for (PyMemberDef *m = type->tp_members; m != NULL && m->name != NULL; m++) {
        if (strcmp(m->name, name) == 0) {
            return (size_t)m->offset;
        }
    }
    return 0;
}

bool
compat_dict_shows_instance(PyObject *dict)
{
    const PyDictValues *values = ((PyDictObject *)dict)->ma_values;
    return values != NULL && values->embedded;
}

bool
compat_int_is_compact(PyObject *value)
{
    return _PyLong_IsCompact((PyLongObject *)value);
}

unsigned
compat_assign_type_version(PyTypeObject *type)
{
    if (!PyUnstable_Type_AssignVersionTag(type)) {
        return 0;
    }
    return type->tp_version_tag;
}

CompatSmallInts compat_small_ints;

void
compat_learn_small_ints(void)
{
    compat_small_ints = (CompatSmallInts){NULL, 0};
    PyLongObject *first = (PyLongObject *)PyLong_FromLong(0);
    for (int i = 0; i < _PY_NSMALLPOSINTS; i++) {
        PyObject *o = PyLong_FromLong(i);
        bool next = o == (PyObject *)(first + i) && _Py_IsImmortal(o);
        Py_XDECREF(o);
        if (!next) {
            return;
        }
    }
    compat_small_ints = (CompatSmallInts){first, _PY_NSMALLPOSINTS};
}
