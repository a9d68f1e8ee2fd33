// record_follow.c - calls that the trace follows into Python code: functions, methods, __init__ of
// classes, __enter__; and the way back.
//
// Which function is called is a constant of the trace: the callable came from a global, a module or
// a class under a watcher, or its identity is guarded. A function that is defined within another one
// may be a new object each time: of it only the code and the globals are guarded.
#include "front/record_call.h"
#include "run/invalidate.h"

// --- arguments --------------------------------------------------------------------------------

// Where the arguments of a call go.
typedef struct {
    PyFunctionObject *func;
    Ref func_ref;                       // a constant, or a function of which only the code is known
    int n;                              // locals that are bound
    Ref locals[MAX_ARGS + 3];
    int star, n_extra;                  // *args: which local, and what is in it; -1: none
    Ref extra[MAX_ARGS];
    int dict, n_rest;                   // **kwargs: which local, and what is in it; -1: none
    PyObject *rest_names[MAX_ARGS];
    Ref rest[MAX_ARGS];
} Binding;

static PyCodeObject *
code_of(const PyFunctionObject *func)
{
    return (PyCodeObject *)func->func_code;
}

bool
can_follow(Recorder *r, PyFunctionObject *func)
{
    if (r->n_frames > jit.params.max_inline || r->n_frames > MAX_INLINE - 1) {
        return false;
    }
    // Recursion is not followed: a function calls its own trace (call_native).
    for (int k = 0; k < r->n_frames; k++) {
        if (r->frames[k].code == (PyCodeObject *)func->func_code) {
            return false;
        }
    }
    return !compat_watched_by_others(r->tstate, (PyCodeObject *)func->func_code);
}

// The callee's locals from positional arguments and defaults. false: not followed.
bool
bind_arguments(Recorder *r, PyFunctionObject *func, const Ref *args, int n, Ref *locals)
{
    PyCodeObject *code = (PyCodeObject *)func->func_code;
    PyObject *defaults = func->func_defaults;
    int n_defaults = defaults == NULL ? 0 : (int)PyTuple_GET_SIZE(defaults);
    int argcount = code->co_argcount;
    const int refuse = CO_VARARGS | CO_VARKEYWORDS | CO_GENERATOR | CO_COROUTINE
        | CO_ASYNC_GENERATOR;
    if ((code->co_flags & refuse) || !(code->co_flags & CO_OPTIMIZED) || code->co_kwonlyargcount
        || n > argcount || n < argcount - n_defaults) {
        return false;
    }
    for (int i = 0; i < argcount; i++) {
        locals[i] = i < n ? args[i]
            : konst_obj(&r->b, PyTuple_GET_ITEM(defaults, i - (argcount - n_defaults)));
    }
    return true;
}

// Functions defined in functions, and lambdas, are likely to be made anew.
bool
is_made_often(const PyFunctionObject *func)
{
    return (code_of(func)->co_flags & CO_NESTED)
        || PyUnicode_CompareWithASCIIString(code_of(func)->co_name, "<lambda>") == 0;
}

static bool
guard_field(Recorder *r, Ref object, size_t offset, PyObject *value)
{
    Ref field = build(&r->b, UOP_FIELD_LOAD, object, 0, 0, offset, 0);
    must_be(r, field, value);
    return r->b.abort == ABORT_NONE;
}

// From here on the trace knows what is called: which function, or which code in which globals.
static bool
know_function(Recorder *r, Ref ref, PyFunctionObject *func, Ref *func_ref)
{
    if (!ref_is_const(ref) && (is_made_often(func) || is_made_function(r, ref))) {
        guard_type(&r->b, ref, &PyFunction_Type);
        *func_ref = ref;
        return guard_field(r, ref, offsetof(PyFunctionObject, func_code), func->func_code)
            && guard_field(r, ref, offsetof(PyFunctionObject, func_globals), func->func_globals)
            && guard_field(r, ref, offsetof(PyFunctionObject, func_builtins), func->func_builtins);
    }
    if (assume_function((PyObject *)func) < 0) {
        return false;
    }
    must_be(r, ref, (PyObject *)func);
    *func_ref = konst_obj(&r->b, (PyObject *)func);
    return true;
}

// The default of positional parameter i, or NO_REF.
static Ref
default_of(Recorder *r, const Binding *bind, int i)
{
    Builder *b = &r->b;
    PyObject *defaults = bind->func->func_defaults;
    int n = defaults == NULL ? 0 : (int)PyTuple_GET_SIZE(defaults);
    int at = i - (code_of(bind->func)->co_argcount - n);
    if (at < 0) {
        return NO_REF;
    }
    if (ref_is_const(bind->func_ref)) {
        return konst_obj(b, PyTuple_GET_ITEM(defaults, at));
    }
    Ref tuple = build(b, UOP_FIELD_LOAD, bind->func_ref, 0, 0,
                      offsetof(PyFunctionObject, func_defaults), 0);
    build1(b, UOP_GUARD_BOUND, tuple);
    guard_type(b, tuple, &PyTuple_Type);
    build2(b, UOP_GUARD_INT_EQ, build1(b, UOP_TUPLE_LEN, tuple), konst_i64(b, n));
    Ref value = build2(b, UOP_TUPLE_ITEM, tuple, konst_i64(b, at));
    return value;
}

// The default of keyword-only parameter i, or NO_REF.
static Ref
keyword_default_of(Recorder *r, const Binding *bind, int i)
{
    PyObject *defaults = bind->func->func_kwdefaults;
    PyObject *name = PyTuple_GET_ITEM(code_of(bind->func)->co_localsplusnames, i);
    PyObject *value = NULL;
    if (defaults == NULL || !PyDict_CheckExact(defaults) || !ref_is_const(bind->func_ref)
        || compat_dict_find(defaults, name, &value) != LOOKUP_FOUND || assume_dict_key(defaults, name) < 0) {
        return NO_REF;
    }
    return konst_obj(&r->b, value);
}

// Which local the keyword argument `name`, a plain str, is for; -1: none.
static int
local_named(PyCodeObject *code, PyObject *name)
{
    for (int k = code->co_posonlyargcount; k < code->co_argcount + code->co_kwonlyargcount; k++) {
        if (compat_str_equal(PyTuple_GET_ITEM(code->co_localsplusnames, k), name)) {
            return k;
        }
    }
    return -1;
}

// Arguments that go into a tuple must exist as objects.
static void
make_real(Recorder *r, Ref *args, int n)
{
    for (int i = 0; i < n; i++) {
        Ref old = args[i], new = real(r, old);
        for (int k = i; k < n; k++) {
            args[k] = args[k] == old ? new : args[k];
        }
    }
}

// The callee's locals from n arguments, the last of them named (names: a tuple, or NULL).
// false: not followed.
static bool
bind_call(Recorder *r, Ref *args, int n, PyObject *names, Binding *bind)
{
    PyCodeObject *code = code_of(bind->func);
    int n_names = names == NULL ? 0 : (int)PyTuple_GET_SIZE(names), n_pos = n - n_names;
    int argcount = code->co_argcount, total = argcount + code->co_kwonlyargcount;
    bool has_star = code->co_flags & CO_VARARGS, has_dict = code->co_flags & CO_VARKEYWORDS;
    const int refuse = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR;
    if ((code->co_flags & refuse) || !(code->co_flags & CO_OPTIMIZED)) {
        return false;
    }
    if (total > MAX_ARGS || 2 * n_names > MAX_ARGS || (n_pos > argcount && !has_star)) {
        return false;
    }
    if (has_star || has_dict) {
        make_real(r, args, n);
    }
    for (int i = 0; i < total; i++) {
        bind->locals[i] = i < n_pos && i < argcount ? args[i] : NO_REF;
    }
    bind->n = total + has_star + has_dict;
    bind->star = has_star ? total : -1;
    bind->dict = has_dict ? total + has_star : -1;
    bind->n_extra = bind->n_rest = 0;
    for (int i = argcount; i < n_pos; i++) {
        bind->extra[bind->n_extra++] = args[i];
    }
    for (int i = 0; i < n_names; i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        int at = local_named(code, name);
        if (at < 0 ? !has_dict : bind->locals[at] != NO_REF) {
            return false;
        }
        if (at >= 0) {
            bind->locals[at] = args[n_pos + i];
            continue;
        }
        bind->rest_names[bind->n_rest] = name;
        bind->rest[bind->n_rest++] = args[n_pos + i];
    }
    for (int i = 0; i < total; i++) {
        if (bind->locals[i] == NO_REF) {
            bind->locals[i] = i < argcount ? default_of(r, bind, i) : keyword_default_of(r, bind, i);
        }
        if (bind->locals[i] == NO_REF) {
            return false;
        }
    }
    return true;
}

// What a call with *args and **kwargs makes of the rest. The arguments have left the stack.
static void
collect_rest(Recorder *r, Binding *bind)
{
    Builder *b = &r->b;
    if (bind->star >= 0 && bind->n_extra == 0) {
        PyObject *empty = PyTuple_New(0);
        bind->locals[bind->star] = konst_obj(b, empty);
        Py_XDECREF(empty);
    }
    else if (bind->star >= 0) {
        bind->locals[bind->star] = make_tuple(r, bind->extra, bind->n_extra);
    }
    if (bind->dict >= 0) {
        for (int i = 0; i < bind->n_rest; i++) {
            build_raw(b, UOP_ARG, konst_obj(b, bind->rest_names[i]), 0, 0, arg_offset(2 * i), 0);
            build_raw(b, UOP_ARG, bind->rest[i], 0, 0, arg_offset(2 * i + 1), 0);
            release(r, bind->rest[i]);
        }
        Ref dict = build_raw(b, UOP_C_FROM_ARGS, 0, 0, 0, fn((void *)compat_dict_from_pairs),
                             2 * (uint64_t)bind->n_rest);
        learn_type(b, dict, &PyDict_Type);
        owned(r, dict);
        bind->locals[bind->dict] = dict;
    }
}

// Take the call off the stack. The arguments' references go to the callee.
static void
take_off(Recorder *r, int oparg, const Call *c, PyObject *names)
{
    if (c->starred) {
        if (c->starred == 2) {
            release(r, pop(r));
        }
        release(r, pop(r));             // the tuple
        (void)pop(r);                   // NULL
        release(r, pop(r));
        return;
    }
    if (names != NULL) {
        release(r, pop(r));
    }
    pop_call(r, oparg, false);
}

static void
enter_bound(Recorder *r, Binding *bind, FrameKind kind, Ref extra)
{
    collect_rest(r, bind);
    for (int i = 0; i < bind->n; i++) {
        own_borrowed(r, bind->locals[i]);
    }
    own_borrowed(r, bind->func_ref);
    (void)enter_call(r, bind->func, bind->func_ref, bind->locals, bind->n, kind, extra, NULL);
}

// The call leaves the stack and bind->func, which `function` is, runs with these n arguments.
static bool
follow(Recorder *r, int oparg, Call *c, PyObject *names, Ref function, Ref *args, int n, Binding *bind)
{
    if (!know_function(r, function, bind->func, &bind->func_ref) || !bind_call(r, args, n, names, bind)) {
        return false;
    }
    take_off(r, oparg, c, names);
    enter_bound(r, bind, FRAME_CALL, NO_REF);
    return true;
}

// --- Python functions -------------------------------------------------------------------------

bool
call_python(Recorder *r, int oparg, Call *c, PyObject *names, PyFunctionObject *func)
{
    Binding bind = {.func = func};
    Ref generator = names != NULL || c->starred ? NO_REF
        : make_generator(r, func, c->callable, c->args, c->n);
    if (generator != NO_REF) {
        finish_call(r, oparg, generator);
        return true;
    }
    return can_follow(r, func) && follow(r, oparg, c, names, c->callable, c->args, c->n, &bind);
}

// A bound method object: its function with self in front.
bool
call_bound_method(Recorder *r, int oparg, Call *c, PyObject *names)
{
    PyMethodObject *m = (PyMethodObject *)c->callable_obj;
    if (!PyFunction_Check(m->im_func) || c->n + 1 > MAX_ARGS) {
        return false;
    }
    Binding bind = {.func = (PyFunctionObject *)m->im_func};
    Builder *b = &r->b;
    if (!can_follow(r, bind.func)) {
        return false;
    }
    guard_type(b, c->callable, &PyMethod_Type);
    Ref function = build(b, UOP_FIELD_LOAD, c->callable, 0, 0, offsetof(PyMethodObject, im_func), 0);
    Ref self = build(b, UOP_FIELD_LOAD, c->callable, 0, 0, offsetof(PyMethodObject, im_self), 0);
    Ref args[MAX_ARGS + 1];
    args[0] = self;
    for (int i = 0; i < c->n; i++) {
        args[i + 1] = c->args[i];
    }
    return follow(r, oparg, c, names, function, args, c->n + 1, &bind);
}

// --- classes ----------------------------------------------------------------------------------

// A class of Python whose instances are made by object.__new__.
bool
call_python_class(Recorder *r, int oparg, Call *c, PyObject *names)
{
    PyTypeObject *type = (PyTypeObject *)c->callable_obj;
    Builder *b = &r->b;
    if (Py_TYPE(type) != &PyType_Type || !(type->tp_flags & Py_TPFLAGS_HEAPTYPE) || !compat_type_is_plain(type)
        || type->tp_new != PyBaseObject_Type.tp_new || type->tp_alloc != PyType_GenericAlloc
        || (type->tp_flags & Py_TPFLAGS_IS_ABSTRACT) || c->has_self || c->n + 1 > MAX_ARGS) {
        return false;
    }
    PyObject *name = PyUnicode_InternFromString("__init__");
    PyObject *init = name == NULL ? NULL : compat_type_lookup(type, name);
    Py_XDECREF(name);
    bool plain = type->tp_init == PyBaseObject_Type.tp_init;
    if (plain ? c->n != 0 : (init == NULL || !PyFunction_Check(init))) {
        return false;
    }
    Binding bind = {.func = (PyFunctionObject *)init, .func_ref = konst_obj(b, init)};
    Ref args[MAX_ARGS + 1];
    args[0] = konst_obj(b, Py_None);    // stands for the instance until it is made
    for (int i = 0; i < c->n; i++) {
        args[i + 1] = c->args[i];
    }
    if (!plain && (!can_follow(r, bind.func) || code_of(bind.func)->co_argcount < 1
                   || assume_function(init) < 0
                   || !bind_call(r, args, c->n + 1, names, &bind))) {
        return false;
    }
    if (assume_type(type) < 0) {
        return false;
    }
    must_be(r, c->callable, (PyObject *)type);
    Ref instance = build_raw(b, UOP_INSTANCE_NEW, 0, 0, 0, fn(type), 0);
    if (instance == NO_REF) {
        return true;
    }
    learn_type(b, instance, type);
    owned(r, instance);
    if (plain) {
        take_off(r, oparg, c, names);
        push(r, instance);
        return true;
    }
    bind.locals[0] = instance;
    take_off(r, oparg, c, names);
    enter_bound(r, &bind, FRAME_INIT, instance);
    return true;
}

// --- with -------------------------------------------------------------------------------------

static PyObject *
method_named(PyTypeObject *type, const char *name)
{
    PyObject *s = compat_type_is_plain(type) ? PyUnicode_InternFromString(name) : NULL;
    if (s == NULL) {
        PyErr_Clear();
        return NULL;
    }
    PyObject *m = compat_type_lookup(type, s);
    Py_DECREF(s);
    return m;
}

// The method `name` of the object's class, if it is a plain Python function; else NULL.
static PyFunctionObject *
python_method(PyObject *o, const char *name)
{
    PyObject *m = method_named(Py_TYPE(o), name);
    return m != NULL && PyFunction_Check(m) ? (PyFunctionObject *)m : NULL;
}

// `with` of a builtin class whose methods are written in C, such as a lock.
bool
record_enter_builtin(Recorder *r)
{
    PyTypeObject *type = Py_TYPE(concrete(r, 0));
    Builder *b = &r->b;
    PyObject *enter = method_named(type, "__enter__"), *leave = method_named(type, "__exit__");
    if (may_change_class(type) || assume_type(type) < 0 || enter == NULL || leave == NULL
        || Py_TYPE(enter) != &PyMethodDescr_Type || Py_TYPE(leave) != &PyMethodDescr_Type) {
        return false;
    }
    (void)real(r, peek(r, 0));
    Ref self = peek(r, 0);
    guard_type(b, self, type);
    Ref bound = build_raw(b, UOP_C_FROM3, konst_obj(b, leave), self, konst_obj(b, (PyObject *)type),
                          fn((void *)PyMethodDescr_Type.tp_descr_get), 0);
    owned(r, bound);
    sync_frames(r);
    build_raw(b, UOP_ARG, self, 0, 0, arg_offset(0), 0);
    Ref entered = build_raw(b, UOP_VECTORCALL, konst_obj(b, enter), konst_obj(b, NULL), 0, 1, 0);
    after_unknown(r);
    release(r, pop(r));
    push(r, bound);
    push_owned(r, entered);
    return true;
}

// `with`: __enter__ is followed; __exit__, bound, waits on the stack below its result.
bool
record_enter(Recorder *r)
{
    PyObject *manager = concrete(r, 0);
    PyTypeObject *type = Py_TYPE(manager);
    PyFunctionObject *enter = python_method(manager, "__enter__");
    PyFunctionObject *leave = python_method(manager, "__exit__");
    if (enter == NULL || leave == NULL || !can_follow(r, enter)) {
        return false;
    }
    Builder *b = &r->b;
    Binding bind = {.func = enter, .func_ref = konst_obj(b, (PyObject *)enter)};
    (void)real(r, peek(r, 0));
    Ref self = peek(r, 0);
    if (assume_function((PyObject *)enter) < 0 || assume_type(type) < 0
        || !bind_call(r, &self, 1, NULL, &bind)) {
        return false;
    }
    guard_type(b, self, type);
    Ref method = build_raw(b, UOP_C_FROM2, konst_obj(b, (PyObject *)leave), self, 0,
                           fn((void *)PyMethod_New), 0);
    learn_type(b, method, &PyMethod_Type);
    (void)pop(r);
    push_owned(r, method);
    enter_bound(r, &bind, FRAME_CALL, NO_REF);
    return true;
}

// --- return -----------------------------------------------------------------------------------

RECORD(RETURN_VALUE)
{
    (void)in;
    if (r->n_frames == 1) {
        if (may_return(r)) {
            return_from_trace(r, NO_REF);
        }
        else {
            end_here(r, turns_elsewhere(r) ? ABORT_LEFT_LOOP : ABORT_RETURN);
        }
        return;
    }
    if (top_frame(r)->kind == FRAME_GENERATOR) {
        release(r, pop(r));
        end_generator(r);
        return;
    }
    PyObject *value = concrete(r, 0);
    leave_call(r, pop(r), value);
}

RECORD(RETURN_CONST)
{
    PyObject *value = PyTuple_GET_ITEM(top_frame(r)->code->co_consts, in->oparg);
    if (r->n_frames == 1 && may_return(r)) {
        return_from_trace(r, konst_obj(&r->b, value));
        return;
    }
    if (r->n_frames == 1) {
        end_here(r, turns_elsewhere(r) ? ABORT_LEFT_LOOP : ABORT_RETURN);
        if (value == Py_None && compat_frame_is_generator(r->frames[0].frame)) {
            sync_frames(r);             // see YIELD_VALUE
            r->end_reason = ABORT_GENERATOR_ENDS;
        }
        return;
    }
    if (top_frame(r)->kind == FRAME_GENERATOR) {
        end_generator(r);
        return;
    }
    leave_call(r, konst_obj(&r->b, value), value);
}
