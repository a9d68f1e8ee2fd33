// record_call.c - record functions: calls.
//
// A Python function is followed into (record_follow.c). Known C functions become typed uops
// (record_builtin.c); other callables are called as unknown code.
#include "front/record_call.h"
#include "policy/policy.h"
#include "run/anchors.h"
#include "run/switches.h"

static bool
read_call(Recorder *r, int oparg, Call *c)
{
    if (oparg + 1 > MAX_ARGS) {
        return false;
    }
    c->callable = peek(r, oparg + 1);
    c->callable_obj = concrete(r, oparg + 1);
    Ref self = peek(r, oparg);
    c->has_self = self != NO_REF;
    c->opaque = !c->has_self && concrete(r, oparg) != NULL;
    c->n = c->starred = 0;
    if (c->has_self) {
        PyObject *self_obj = concrete(r, oparg);
        if (self_obj == NULL) {         // the interpreter has made a bound method of the two
            PyMethodObject *bound = (PyMethodObject *)c->callable_obj;
            c->callable_obj = bound->im_func;
            self_obj = bound->im_self;
        }
        c->args[c->n] = self;
        c->objects[c->n++] = self_obj;
    }
    for (int i = oparg - 1; i >= 0; i--) {
        c->args[c->n] = peek(r, i);
        c->objects[c->n++] = concrete(r, i);
    }
    return true;
}

void
pop_call(Recorder *r, int oparg, bool release_args)
{
    for (int i = 0; i < oparg + 1; i++) {
        Ref arg = pop(r);
        if (release_args) {
            release(r, arg);
        }
    }
    release(r, pop(r));
}

void
finish_call(Recorder *r, int oparg, Ref result)
{
    pop_call(r, oparg, true);
    push_owned(r, result);
}

// --- anything else ----------------------------------------------------------------------------

// By vectorcall; the last arguments have the names `kwnames` (NULL: none has).
static void
call_vector(Recorder *r, int oparg, Call *c, PyObject *names, Ref names_ref)
{
    Builder *b = &r->b;
    Ref callable = real(r, c->callable);
    r->interp -= policy_uninlined_call(c->callable_obj);
    for (int i = 0; i < c->n; i++) {
        c->args[i] = real(r, c->args[i]);
    }
    sync_frames(r);
    for (int i = 0; i < c->n; i++) {
        build_raw(b, UOP_ARG, c->args[i], 0, 0, arg_offset(i), 0);
    }
    int n_pos = c->n - (names == NULL ? 0 : (int)PyTuple_GET_SIZE(names));
    Ref result = build_raw(b, UOP_VECTORCALL, callable, names_ref, 0, (uint64_t)n_pos, 0);
    after_unknown(r);
    if (names != NULL) {
        release(r, pop(r));
    }
    finish_call(r, oparg, result);
}

// A function in which a loop has a trace is called by its own trace: followed, it would need its frame in memory for that
// loop all the same, and the loop would have to be entered and left at this place.
static bool
call_looping(Recorder *r, int oparg, Call *c, PyObject *names, PyObject *function)
{
    if (names != NULL || c->starred || !PyFunction_Check(function)) {
        return false;
    }
    PyCodeObject *code = (PyCodeObject *)PyFunction_GET_CODE(function);
    return code->co_ncellvars == 0 && hook_has_loop(code) && call_native(r, oparg, c, (PyFunctionObject *)function);
}

// Calls of Python code that the trace follows.
static bool
call_followed(Recorder *r, int oparg, Call *c, PyObject *names)
{
    PyObject *f = c->callable_obj;
    PyObject *function = Py_TYPE(f) == &PyMethod_Type ? PyMethod_GET_FUNCTION(f) : f;
    if (PyFunction_Check(function) && switches_in((PyCodeObject *)PyFunction_GET_CODE(function))) {
        end_here(r, ABORT_STACK_SWITCH);
        return true;
    }
    if (call_looping(r, oparg, c, names, function)) {
        return true;
    }
    if (PyFunction_Check(f)) {
        return call_python(r, oparg, c, names, (PyFunctionObject *)f);
    }
    if (Py_TYPE(f) == &PyMethod_Type) {
        return call_bound_method(r, oparg, c, names);
    }
    return PyType_Check(f) && call_python_class(r, oparg, c, names);
}

// Python functions that are not followed, and bound methods of them.
static bool
call_function(Recorder *r, int oparg, Call *c)
{
    PyObject *f = c->callable_obj;
    PyObject *function = Py_TYPE(f) == &PyMethod_Type ? PyMethod_GET_FUNCTION(f) : f;
    return PyFunction_Check(function) && call_native(r, oparg, c, (PyFunctionObject *)function);
}

RECORD(CALL)
{
    Call c;
    if (!read_call(r, in->oparg, &c)) {
        end_here(r, ABORT_CALL);
        return;
    }
    PyObject *f = c.callable_obj;
    bool done = false;
    if (c.opaque) {
        done = false;
    }
    else if (PyType_Check(f) && (call_builtin_class(r, in->oparg, &c) || call_exception_class(r, in->oparg, &c))) {
        done = true;
    }
    else if (Py_TYPE(f) == &PyCFunction_Type) {
        done = !c.has_self && (call_bound_list_method(r, in->oparg, &c)
                               || call_known_builtin(r, in->oparg, &c));
    }
    else if (Py_TYPE(f) == &PyMethodDescr_Type) {
        done = call_method_descriptor(r, in->oparg, &c);
    }
    else if (r->b.abort == ABORT_NONE) {
        done = call_followed(r, in->oparg, &c, NULL)
            || (r->b.abort == ABORT_NONE && call_function(r, in->oparg, &c))
            || (!c.has_self && r->b.abort == ABORT_NONE
                && record_call_method(r, in->oparg, f, c.args, c.n));
    }
    if (done || r->b.abort != ABORT_NONE || r->ended) {
        return;
    }
    call_vector(r, in->oparg, &c, NULL, konst_obj(&r->b, NULL));
}

RECORD(CALL_KW)
{
    PyObject *names = concrete(r, 0);
    Ref names_ref = peek(r, 0);
    Call c;
    // read_call() looks below the names.
    RFrame *f = top_frame(r);
    f->depth--;
    bool ok = read_call(r, in->oparg, &c);
    f->depth++;
    if (!ok || !ref_is_const(names_ref)) {
        end_here(r, ABORT_CALL);
        return;
    }
    if (!c.opaque && call_followed(r, in->oparg, &c, names)) {
        return;
    }
    if (r->b.abort == ABORT_NONE && !r->ended) {
        call_vector(r, in->oparg, &c, names, names_ref);
    }
}

// A new tuple of the dict's keys, if all are plain strs; else NULL: a name of another kind would be asked for its ==.
static PyObject *
plain_keys(PyObject *dict)
{
    PyObject *keys = PyDict_CheckExact(dict) ? PySequence_Tuple(dict) : NULL;
    for (Py_ssize_t i = 0; keys != NULL && i < PyTuple_GET_SIZE(keys); i++) {
        if (!PyUnicode_CheckExact(PyTuple_GET_ITEM(keys, i))) {
            Py_CLEAR(keys);
        }
    }
    PyErr_Clear();
    return keys;
}

// f(*args, **kwargs) of Python code, with a tuple and a dict: taken apart like any call. What they
// hold is guarded. names: the keys of the dict (new reference), or NULL.
static bool
read_starred(Recorder *r, bool has_kwargs, Call *c, PyObject **names)
{
    Builder *b = &r->b;
    int at = has_kwargs;
    PyObject *f = concrete(r, at + 2), *items = concrete(r, at), *dict = has_kwargs ? concrete(r, 0) : NULL;
    Py_ssize_t n = PyTuple_CheckExact(items) ? PyTuple_GET_SIZE(items) : MAX_ARGS;
    Py_ssize_t n_names = dict == NULL ? 0 : PyDict_GET_SIZE(dict);
    if (n + n_names >= MAX_ARGS || !(PyFunction_Check(f) || Py_TYPE(f) == &PyMethod_Type || PyType_Check(f))) {
        return false;
    }
    *c = (Call){.starred = has_kwargs ? 2 : 1, .callable = peek(r, at + 2), .callable_obj = f};
    Ref tuple = peek(r, at), kwargs = has_kwargs ? peek(r, 0) : NO_REF;
    guard_type(b, tuple, &PyTuple_Type);
    build2(b, UOP_GUARD_INT_EQ, build1(b, UOP_TUPLE_LEN, tuple), konst_i64(b, n));
    for (int i = 0; i < n; i++) {
        c->objects[c->n] = PyTuple_GET_ITEM(items, i);
        c->args[c->n++] = build2(b, UOP_TUPLE_ITEM, tuple, konst_i64(b, i));
    }
    if (has_kwargs && n_names == 0) {
        build2(b, UOP_GUARD_INT_EQ, build1(b, UOP_DICT_LEN, kwargs), konst_i64(b, 0));
    }
    if (n_names == 0) {
        return true;
    }
    PyObject *keys = plain_keys(dict);
    if (keys == NULL) {
        return false;
    }
    Ref same = build_raw(b, UOP_DICT_SPREAD, kwargs, konst_obj(b, keys), 0, fn((void *)compat_dict_spread), 0);
    build2(b, UOP_GUARD_INT_NE, same, konst_i64(b, 0));
    Py_ssize_t place = 0;
    for (int i = 0; i < n_names; i++) {
        (void)PyDict_Next(dict, &place, NULL, &c->objects[c->n]);
        c->args[c->n++] = build_raw(b, UOP_ARG_TAKE, 0, 0, 0, arg_offset(i), 0);
    }
    *names = keys;
    return true;
}

RECORD(CALL_FUNCTION_EX)
{
    bool has_kwargs = in->oparg & 1;
    int at = has_kwargs ? 1 : 0;
    Call c;
    PyObject *names = NULL;
    bool done = read_starred(r, has_kwargs, &c, &names) && call_followed(r, 0, &c, names);
    Py_XDECREF(names);
    if (done || r->b.abort != ABORT_NONE || r->ended) {
        return;
    }
    Ref kwargs = has_kwargs ? peek(r, 0) : konst_obj(&r->b, NULL);
    r->interp -= policy_uninlined_call(concrete(r, at + 2));
    Ref result = call_unknown(r, UOP_CALL3, peek(r, at + 2), peek(r, at), kwargs,
                              (void *)compat_call_starred, 0);
    if (has_kwargs) {
        release(r, pop(r));
    }
    release(r, pop(r));
    (void)pop(r);                       // NULL
    release(r, pop(r));
    push_owned(r, result);
}
