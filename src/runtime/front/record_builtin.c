// record_builtin.c - calls of builtin classes, functions and methods that are known by name.
#include "front/record_call.h"
#include "run/invalidate.h"
#include <math.h>

// --- classes ----------------------------------------------------------------------------------

static PyObject *
make_range(PyObject *start, PyObject *stop, PyObject *step)
{
    PyObject *args[3] = {start, stop, step};
    size_t n = step != NULL ? 3 : stop != NULL ? 2 : 1;
    return PyObject_Vectorcall((PyObject *)&PyRange_Type, args, n, NULL);
}

static bool
all_exact(const Call *c, PyTypeObject *type)
{
    for (int i = 0; i < c->n; i++) {
        if (Py_TYPE(c->objects[i]) != type) {
            return false;
        }
    }
    return true;
}

// type(x), range(ints), int(x), float(x), bool, str of builtin values.
bool
call_builtin_class(Recorder *r, int oparg, Call *c)
{
    Builder *b = &r->b;
    PyObject *cls = c->callable_obj;
    if (c->has_self || c->n < 1) {
        return false;
    }
    PyObject *x = c->objects[0];
    if (cls == (PyObject *)&PyType_Type && c->n == 1) {
        must_be(r, c->callable, cls);
        guard_type(b, c->args[0], Py_TYPE(x));
        finish_call(r, oparg, konst_obj(b, (PyObject *)Py_TYPE(x)));
        return true;
    }
    if (cls == (PyObject *)&PyRange_Type && c->n <= 3 && all_exact(c, &PyLong_Type)) {
        must_be(r, c->callable, cls);
        Ref args[3] = {konst_obj(b, NULL), konst_obj(b, NULL), konst_obj(b, NULL)};
        for (int i = 0; i < c->n; i++) {
            guard_type(b, c->args[i], &PyLong_Type);
            args[i] = real(r, c->args[i]);
        }
        Ref range = build_raw(b, UOP_C_FROM3, args[0], args[1], args[2], fn((void *)make_range), 0);
        learn_type(b, range, &PyRange_Type);
        finish_call(r, oparg, range);
        return true;
    }
    bool small_int = (PyLong_CheckExact(x) && fits_i64(x)) || PyBool_Check(x);
    if (c->n == 1 && cls == (PyObject *)&PyFloat_Type && (PyFloat_CheckExact(x) || small_int)) {
        must_be(r, c->callable, cls);
        if (PyFloat_CheckExact(x)) {    // float(x) is x
            guard_type(b, c->args[0], &PyFloat_Type);
            Ref same = c->args[0];
            pop_call(r, oparg, true);
            push(r, same);
            return true;
        }
        Ref v = as_float(r, c->args[0], x);
        pop_call(r, oparg, true);
        push_float(r, v);
        return true;
    }
    if (c->n == 1 && cls == (PyObject *)&PyLong_Type && (PyFloat_CheckExact(x) || small_int)) {
        must_be(r, c->callable, cls);
        if (PyFloat_CheckExact(x)) {
            if (!(fabs(PyFloat_AS_DOUBLE(x)) < 9e18)) {
                return false;
            }
            Ref v = build1(b, UOP_FLOAT_TO_INT, as_float(r, c->args[0], x));
            pop_call(r, oparg, true);
            push_int(r, v);
            return true;
        }
        if (PyLong_CheckExact(x)) {
            guard_type(b, c->args[0], &PyLong_Type);
            Ref same = c->args[0];
            pop_call(r, oparg, true);
            push(r, same);
            return true;
        }
        Ref v = as_int(r, c->args[0], x);
        pop_call(r, oparg, true);
        push_int(r, v);
        return true;
    }
    return false;
}

// --- C functions ------------------------------------------------------------------------------

static Ref
len_of(Recorder *r, Ref ref, PyObject *o)
{
    static PyTypeObject *const types[] = {&PyList_Type, &PyTuple_Type, &PyUnicode_Type, &PyDict_Type,
                                          &PyBytes_Type, &PyByteArray_Type};
    static const int uops[] = {UOP_LIST_LEN, UOP_TUPLE_LEN, UOP_STR_LEN, UOP_DICT_LEN, UOP_TUPLE_LEN,
                               UOP_ARRAY_LEN};
    for (size_t i = 0; i < Py_ARRAY_LENGTH(types); i++) {
        if (Py_TYPE(o) == types[i]) {
            guard_type(&r->b, ref, types[i]);
            return build1(&r->b, uops[i], ref);
        }
    }
    if (PySet_CheckExact(o) || PyFrozenSet_CheckExact(o)) {
        guard_type(&r->b, ref, Py_TYPE(o));
        return build_raw(&r->b, UOP_C_NUMBER1, ref, 0, 0, fn((void *)PyObject_Size), 0);
    }
    return NO_REF;
}

static bool
call_len(Recorder *r, int oparg, Call *c)
{
    Ref n = c->n == 1 ? len_of(r, c->args[0], c->objects[0]) : NO_REF;
    if (n == NO_REF) {
        return c->n == 1 && record_len_method(r, oparg, c->objects[0]);
    }
    pop_call(r, oparg, true);
    push_int(r, n);
    return true;
}

static bool
call_abs(Recorder *r, int oparg, Call *c)
{
    Builder *b = &r->b;
    PyObject *x = c->n == 1 ? c->objects[0] : NULL;
    if (x != NULL && PyFloat_CheckExact(x)) {
        Ref v = build1(b, UOP_FLOAT_ABS, as_float(r, c->args[0], x));
        pop_call(r, oparg, true);
        push_float(r, v);
        return true;
    }
    if (x != NULL && PyLong_CheckExact(x) && fits_i64(x)) {
        bool negative = PyLong_AsLongLong(x) < 0;
        Ref v = as_int(r, c->args[0], x);
        build2(b, negative ? UOP_GUARD_INT_LT : UOP_GUARD_INT_GE, v, konst_i64(b, 0));
        Ref same = c->args[0];
        pop_call(r, oparg, true);
        if (negative) {
            push_int(r, build1(b, UOP_INT_NEG, v));
        }
        else {
            push(r, same);
        }
        return true;
    }
    return false;
}

// min and max of two numbers of one type: which one it is, is guarded.
static bool
call_min_max(Recorder *r, int oparg, Call *c, bool is_max)
{
    Builder *b = &r->b;
    if (c->n != 2) {
        return false;
    }
    PyObject *x = c->objects[0], *y = c->objects[1];
    bool ints = PyLong_CheckExact(x) && fits_i64(x) && PyLong_CheckExact(y) && fits_i64(y);
    bool floats = PyFloat_CheckExact(x) && PyFloat_CheckExact(y);
    if (!ints && !floats) {
        return false;
    }
    bool second;                        // min(x, y) is y only if y < x; max(x, y) if y > x
    if (ints) {
        int64_t vx = PyLong_AsLongLong(x), vy = PyLong_AsLongLong(y);
        Ref p = as_int(r, c->args[0], x), q = as_int(r, c->args[1], y);
        second = is_max ? vy > vx : vy < vx;
        if (is_max) {
            build2(b, second ? UOP_GUARD_INT_GT : UOP_GUARD_INT_LE, q, p);
        }
        else {
            build2(b, second ? UOP_GUARD_INT_LT : UOP_GUARD_INT_GE, q, p);
        }
    }
    else {
        double vx = PyFloat_AS_DOUBLE(x), vy = PyFloat_AS_DOUBLE(y);
        Ref p = as_float(r, c->args[0], x), q = as_float(r, c->args[1], y);
        second = is_max ? vy > vx : vy < vx;
        Ref low = is_max ? p : q, high = is_max ? q : p;
        build2(b, second ? UOP_GUARD_FLOAT_LT : UOP_GUARD_FLOAT_NLT, low, high);
    }
    Ref chosen = c->args[second];
    for (int i = 0; i < oparg + 1; i++) {
        release(r, pop(r));
    }
    release(r, pop(r));
    push(r, chosen);
    return true;
}

// Is __class__ of its instances their class? A class may have a property, or the like, of that name.
static bool
tells_its_class(PyTypeObject *type)
{
    static PyObject *name;
    name = name != NULL ? name : PyUnicode_InternFromString("__class__");
    PyErr_Clear();
    return name != NULL && type->tp_getattro == PyObject_GenericGetAttr && compat_type_is_plain(type)
        && compat_type_lookup(type, name) == compat_type_lookup(&PyBaseObject_Type, name);
}

// isinstance(x, cls) where both are plain: the answer is known once x's type is.
static bool
call_isinstance(Recorder *r, int oparg, Call *c)
{
    if (c->n != 2 || !PyType_Check(c->objects[1]) || Py_TYPE(c->objects[1]) != &PyType_Type) {
        return false;
    }
    PyTypeObject *type = Py_TYPE(c->objects[0]), *cls = (PyTypeObject *)c->objects[1];
    bool yes = PyType_IsSubtype(type, cls);
    if ((!yes && !tells_its_class(type)) || assume_type(type) < 0) {
        return false;
    }
    guard_type(&r->b, c->args[0], type);
    must_be(r, c->args[1], c->objects[1]);
    pop_call(r, oparg, true);
    push(r, konst_obj(&r->b, yes ? Py_True : Py_False));
    return true;
}

// One-argument functions of math, called directly on the unboxed float.
static bool
call_math(Recorder *r, int oparg, Call *c, const char *name)
{
    static const struct { const char *name; double (*function)(double); } table[] = {
        {"sin", sin}, {"cos", cos}, {"exp", exp}, {"atan", atan}, {"tanh", tanh}, {"sinh", sinh},
        {"cosh", cosh}, {"asinh", asinh}, {"cbrt", cbrt}, {"erf", erf}};
    Builder *b = &r->b;
    PyObject *x = c->n == 1 ? c->objects[0] : NULL;
    if (x == NULL || !(PyFloat_CheckExact(x) || (PyLong_CheckExact(x) && fits_i64(x)))) {
        return false;
    }
    double v = PyFloat_CheckExact(x) ? PyFloat_AS_DOUBLE(x) : PyLong_AsDouble(x);
    Ref result = NO_REF;
    if (strcmp(name, "sqrt") == 0) {
        if (!(v >= 0.0)) {
            return false;
        }
        result = build1(b, UOP_FLOAT_SQRT, as_float(r, c->args[0], x));
    }
    else if (strcmp(name, "fabs") == 0) {
        result = build1(b, UOP_FLOAT_ABS, as_float(r, c->args[0], x));
    }
    for (size_t i = 0; result == NO_REF && i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(name, table[i].name) == 0 && isfinite(table[i].function(v))) {
            result = build(b, UOP_FLOAT_CALL1, as_float(r, c->args[0], x), 0, 0,
                           fn((void *)table[i].function), 0);
        }
    }
    if (result == NO_REF) {
        return false;
    }
    pop_call(r, oparg, true);
    push_float(r, result);
    return true;
}

// The name of the function's module in C, if it still goes by that name; "" else. Its __name__ alone may be anything,
// and another package's module may have been given the same one in C.
static const char *
module_made_with(const PyCFunctionObject *f)
{
    static PyObject *key;
    key = key != NULL ? key : PyUnicode_InternFromString("__name__");
    PyObject *module = f->m_self, *name = NULL;
    PyModuleDef *def = key != NULL && module != NULL && PyModule_Check(module) ? PyModule_GetDef(module) : NULL;
    PyErr_Clear();
    if (def == NULL || compat_dict_find(PyModule_GetDict(module), key, &name) != LOOKUP_FOUND
        || !PyUnicode_CheckExact(name) || PyUnicode_CompareWithASCIIString(name, def->m_name) != 0) {
        return "";
    }
    return def->m_name;
}

// A builtin that is known by the module and name it was made with.
bool
call_known_builtin(Recorder *r, int oparg, Call *c)
{
    PyCFunctionObject *f = (PyCFunctionObject *)c->callable_obj;
    const char *name = f->m_ml->ml_name, *module = module_made_with(f);
    if (strcmp(module, "math") == 0) {
        must_be(r, c->callable, c->callable_obj);
        return call_math(r, oparg, c, name);
    }
    if (strcmp(module, "builtins") != 0) {
        return false;
    }
    must_be(r, c->callable, c->callable_obj);
    if (strcmp(name, "len") == 0) {
        return call_len(r, oparg, c);
    }
    if (strcmp(name, "abs") == 0) {
        return call_abs(r, oparg, c);
    }
    if (strcmp(name, "min") == 0 || strcmp(name, "max") == 0) {
        return call_min_max(r, oparg, c, name[1] == 'a');
    }
    if (strcmp(name, "isinstance") == 0) {
        return call_isinstance(r, oparg, c);
    }
    return false;
}

static bool
is_method(PyObject *descr, const char *name)
{
    return strcmp(((PyMethodDescrObject *)descr)->d_method->ml_name, name) == 0;
}

// Methods of lists that run no Python code for these arguments: args[first..] of the call.
static bool
call_list_method(Recorder *r, int oparg, Call *c, const PyMethodDef *method, Ref list, int first)
{
    Builder *b = &r->b;
    int n = c->n - first;
    const char *name = method->ml_name;
    bool by_index = n > 0 && PyLong_CheckExact(c->objects[first]) && fits_i64(c->objects[first]);
    bool quiet = (strcmp(name, "pop") == 0 && (n == 0 || (n == 1 && by_index)))
        || (strcmp(name, "insert") == 0 && n == 2 && by_index);
    if (!quiet || (method->ml_flags & ~METH_STATIC) != METH_FASTCALL) {
        return false;
    }
    Ref args[2] = {konst_obj(b, NULL), konst_obj(b, NULL)};
    for (int i = 0; i < n; i++) {
        args[i] = real(r, c->args[first + i]);
    }
    if (by_index) {
        guard_type(b, args[0], &PyLong_Type);
    }
    Ref result = build_raw(b, UOP_LIST_METHOD, list, args[0], args[1], fn((void *)method->ml_meth), (uint64_t)n);
    if (n == 2) {                       // insert() returns None
        learn_type(b, result, Py_TYPE(Py_None));
    }
    finish_call(r, oparg, result);
    return true;
}

// A method of a list that was looked up before: append = items.append.
bool
call_bound_list_method(Recorder *r, int oparg, Call *c)
{
    Builder *b = &r->b;
    PyCFunctionObject *f = (PyCFunctionObject *)c->callable_obj;
    if (f->m_self == NULL || !PyList_CheckExact(f->m_self)) {
        return false;
    }
    guard_type(b, c->callable, &PyCFunction_Type);
    build(b, UOP_GUARD_CFUNCTION, c->callable, 0, 0, fn(f->m_ml), 0);
    Ref list = build1(b, UOP_CFUNCTION_SELF, c->callable);
    guard_type(b, list, &PyList_Type);
    if (strcmp(f->m_ml->ml_name, "append") == 0 && c->n == 1) {
        Ref value = real(r, c->args[0]);
        (void)pop(r);
        (void)pop(r);                   // NULL
        release(r, pop(r));
        give(r, value);
        build_raw(b, UOP_LIST_APPEND, list, value, 0, 0, 0);
        push(r, konst_obj(b, Py_None));
        return true;
    }
    return call_list_method(r, oparg, c, f->m_ml, list, 0);
}

// Methods of builtin types.
bool
call_method_descriptor(Recorder *r, int oparg, Call *c)
{
    PyMethodDescrObject *d = (PyMethodDescrObject *)c->callable_obj;
    Builder *b = &r->b;
    if (!c->has_self || Py_TYPE(c->objects[0]) != PyDescr_TYPE(d)) {
        return false;
    }
    must_be(r, c->callable, (PyObject *)d);
    guard_type(b, c->args[0], PyDescr_TYPE(d));
    int flags = d->d_method->ml_flags & ~METH_STATIC;
    if (PyDescr_TYPE(d) == &PyList_Type && c->n == 2 && is_method((PyObject *)d, "append")) {
        Ref list = c->args[0], value = real(r, c->args[1]);
        for (int i = 0; i < oparg; i++) {
            (void)pop(r);
        }
        if (oparg == 1) {
            release(r, pop(r));         // self
            release(r, pop(r));         // the method
        }
        give(r, value);
        build_raw(b, UOP_LIST_APPEND, list, value, 0, 0, 0);
        push(r, konst_obj(b, Py_None));
        return true;
    }
    if (PyDescr_TYPE(d) == &PyList_Type && call_list_method(r, oparg, c, d->d_method, c->args[0], 1)) {
        return true;
    }
    if (call_lookup_method(r, oparg, c, d->d_method->ml_name)) {
        return true;
    }
    void *function = (void *)d->d_method->ml_meth;
    bool quiet = PyDescr_TYPE(d) == &PyUnicode_Type;
    for (int i = 1; i < c->n; i++) {
        quiet = quiet && PyUnicode_CheckExact(c->objects[i]);
    }
    if ((flags == METH_O && c->n == 2) || (flags == METH_NOARGS && c->n == 1)) {
        Ref self = real(r, c->args[0]);
        Ref arg = c->n == 2 ? real(r, c->args[1]) : konst_obj(b, NULL);
        Ref result;
        if (quiet) {
            for (int i = 1; i < c->n; i++) {
                guard_type(b, c->args[i], &PyUnicode_Type);
            }
            result = build_raw(b, UOP_C_FROM2, self, arg, 0, fn(function), 0);
        }
        else {
            result = call_unknown(r, UOP_CALL2, self, arg, 0, function, 0);
        }
        finish_call(r, oparg, result);
        return true;
    }
    return false;
}
