// record_attr.c - record functions: attributes.
//
// What is looked up in a module's or class's dictionary is a constant of the trace, under a
// watcher (assume_*). Instance attributes are read and written where the instance keeps them.
#include "base/helpers.h"
#include "front/record.h"
#include "run/invalidate.h"

// --- modules and classes -----------------------------------------------------------------------------

PyObject *
constant_of_module(Recorder *r, Ref owner, PyObject *module, PyObject *name)
{
    PyObject *dict = PyModule_CheckExact(module) ? PyModule_GetDict(module) : NULL, *value = NULL;
    if (dict == NULL || compat_dict_find(dict, name, &value) != LOOKUP_FOUND
        || compat_type_lookup(&PyModule_Type, name) != NULL
        || is_variable(r, top_frame(r)->code, dict, name) || assume_dict_key(dict, name) < 0) {
        return NULL;
    }
    must_be(r, owner, module);
    return guard_type(&r->b, owner, &PyModule_Type) ? value : NULL;     // a module's class may be assigned
}

static bool
load_from_module(Recorder *r, Ref owner, PyObject *module, PyObject *name, bool with_null)
{
    PyObject *value = constant_of_module(r, owner, module, name);
    if (value != NULL) {
        push_attribute(r, konst_obj(&r->b, value), true, with_null);
    }
    return value != NULL;
}

// Attribute of a class whose metaclass is type.
static bool
load_from_class(Recorder *r, Ref owner, PyObject *object, PyObject *name, bool with_null)
{
    PyTypeObject *type = (PyTypeObject *)object;
    PyObject *value = compat_type_is_plain(type) ? compat_type_lookup(type, name) : NULL;
    if (Py_TYPE(object) != &PyType_Type || compat_type_lookup(&PyType_Type, name) != NULL
        || value == NULL) {
        return false;
    }
    bool is_static = Py_TYPE(value) == &PyStaticMethod_Type;
    if (!is_static && Py_TYPE(value)->tp_descr_get != NULL && !PyFunction_Check(value)
        && Py_TYPE(value) != &PyMethodDescr_Type) {
        return false;
    }
    if (assume_type(type) < 0 || !kind_stays(r, value)) {
        return false;
    }
    must_be(r, owner, object);
    if (is_static && (value = held_by(r, value, "__func__")) == NULL) {
        return false;
    }
    push_attribute(r, konst_obj(&r->b, value), true, with_null);
    return true;
}

RECORD(LOAD_ATTR)
{
    Ref owner = peek(r, 0);
    PyObject *object = concrete(r, 0), *name = name_at(r, in->oparg >> 1);
    bool method = in->oparg & 1;
    bool done;
    if (PyModule_CheckExact(object)) {
        done = load_from_module(r, owner, object, name, method);
    }
    else if (PyType_Check(object)) {
        done = load_from_class(r, owner, object, name, method);
    }
    else {
        done = load_from_instance(r, owner, object, name, method);
    }
    if (done || r->b.abort != ABORT_NONE || r->ended) {
        return;
    }
    Ref value = call_unknown(r, UOP_CALL2, owner, konst_obj(&r->b, name), 0,
                             (void *)PyObject_GetAttr, 0);
    push_attribute(r, value, false, method);
}

RECORD(STORE_ATTR)
{
    Ref owner = peek(r, 0);
    PyObject *object = concrete(r, 0), *name = name_at(r, in->oparg);
    if (!PyType_Check(object) && !PyModule_Check(object)
        && store_to_instance(r, owner, object, name)) {
        return;
    }
    if (r->b.abort != ABORT_NONE) {
        return;
    }
    (void)call_unknown(r, UOP_CALLI3, owner, konst_obj(&r->b, name), peek(r, 1),
                       (void *)PyObject_SetAttr, 0);
    release(r, pop(r));
    release(r, pop(r));
}

static int
delete_attr(PyObject *o, PyObject *name)
{
    return PyObject_SetAttr(o, name, NULL);
}

RECORD(DELETE_ATTR)
{
    (void)call_unknown(r, UOP_CALLI2, peek(r, 0), konst_obj(&r->b, name_at(r, in->oparg)), 0,
                       (void *)delete_attr, 0);
    release(r, pop(r));
}

// super().name where that is a method written in Python: looked up once, under the assumption that
// no class on the way changes.
static bool
load_super_function(Recorder *r, PyObject *name, bool method)
{
    Ref self = peek(r, 0);
    PyObject *object = concrete(r, 0), *cls = concrete(r, 1), *super = concrete(r, 2);
    // Of a class, super() looks into its own bases first.
    if (super != (PyObject *)&PySuper_Type || !PyType_Check(cls) || PyType_Check(object)
        || Py_TYPE(object)->tp_getattro != PyObject_GenericGetAttr) {
        return false;
    }
    PyTypeObject *type = Py_TYPE(object);
    PyObject *value = compat_type_is_plain(type) ? compat_lookup_behind(type, cls, name) : NULL;
    if (value == NULL || !PyFunction_Check(value) || assume_type(type) < 0) {
        return false;
    }
    guard_type(&r->b, self, type);
    must_be(r, peek(r, 1), cls);
    must_be(r, peek(r, 2), super);
    Ref bound = method ? NO_REF
        : build_raw(&r->b, UOP_C_FROM2, konst_obj(&r->b, value), real(r, self), 0,
                    fn((void *)PyMethod_New), 0);
    self = pop(r);
    release(r, pop(r));
    release(r, pop(r));
    if (method) {
        push(r, konst_obj(&r->b, value));
        push(r, self);
        return true;
    }
    release(r, self);
    push_owned(r, bound);
    return true;
}

static void
push_from_super(Recorder *r, Ref value, bool method)
{
    for (int i = 0; i < 3; i++) {
        release(r, pop(r));
    }
    push_owned(r, value);
    if (method) {
        push(r, NO_REF);
    }
}

RECORD(LOAD_SUPER_ATTR)
{
    PyObject *name = name_at(r, in->oparg >> 2);
    bool method = in->oparg & 1;
    if (load_super_function(r, name, method) || r->b.abort != ABORT_NONE) {
        return;
    }
    Ref name_ref = konst_obj(&r->b, name);
    if (concrete(r, 2) == (PyObject *)&PySuper_Type && PyType_Check(concrete(r, 1))) {
        must_be(r, peek(r, 2), (PyObject *)&PySuper_Type);
        must_be(r, peek(r, 1), concrete(r, 1));
        Ref value = call_unknown(r, UOP_CALL3, peek(r, 1), peek(r, 0), name_ref,
                                 (void *)compat_super_lookup, 0);
        push_from_super(r, value, method);
        return;
    }
    void *function = in->oparg & 2 ? (void *)compat_super_attr_of : (void *)compat_super_attr;
    push_from_super(r, call_with_args(r, 3, &name_ref, 1, function, false), method);
}
