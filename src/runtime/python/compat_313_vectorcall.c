// compat_313_vectorcall.c - the seam to CPython 3.13: the pointer by which a function is called, and its version.
//
// PyFunction_SetVectorcall() sets the version to 0, after which no call site and no property is specialised for the
// function, whatever its vectorcall: whoever gives the pointer back must give back the version as well.

#include "python/compat_313.h"

// All forms of the two: one that does not fit is left for CALL itself, its byte staying what it is.
const uint8_t compat_opcode_is_call[256] = {
    [CALL] = COMPAT_CALL, [CALL_KW] = COMPAT_CALL, [INSTRUMENTED_CALL] = COMPAT_CALL,
    [INSTRUMENTED_CALL_KW] = COMPAT_CALL, [CALL_ALLOC_AND_ENTER_INIT] = COMPAT_CALL,
    [CALL_BOUND_METHOD_EXACT_ARGS] = COMPAT_CALL, [CALL_BOUND_METHOD_GENERAL] = COMPAT_CALL,
    [CALL_BUILTIN_CLASS] = COMPAT_CALL, [CALL_BUILTIN_FAST] = COMPAT_CALL,
    [CALL_BUILTIN_FAST_WITH_KEYWORDS] = COMPAT_CALL, [CALL_BUILTIN_O] = COMPAT_CALL,
    [CALL_ISINSTANCE] = COMPAT_CALL, [CALL_LEN] = COMPAT_CALL, [CALL_LIST_APPEND] = COMPAT_CALL,
    [CALL_METHOD_DESCRIPTOR_FAST] = COMPAT_CALL, [CALL_METHOD_DESCRIPTOR_FAST_WITH_KEYWORDS] = COMPAT_CALL,
    [CALL_METHOD_DESCRIPTOR_NOARGS] = COMPAT_CALL, [CALL_METHOD_DESCRIPTOR_O] = COMPAT_CALL,
    [CALL_NON_PY_GENERAL] = COMPAT_CALL, [CALL_PY_EXACT_ARGS] = COMPAT_CALL, [CALL_PY_GENERAL] = COMPAT_CALL,
    [CALL_STR_1] = COMPAT_CALL, [CALL_TUPLE_1] = COMPAT_CALL, [CALL_TYPE_1] = COMPAT_CALL,
    [INSTRUMENTED_LINE] = COMPAT_LOOK, [INSTRUMENTED_INSTRUCTION] = COMPAT_LOOK,
    [CALL_FUNCTION_EX] = COMPAT_STAR, [INSTRUMENTED_CALL_FUNCTION_EX] = COMPAT_STAR,
};

bool
compat_call_is_hidden(PyCodeObject *code, const _Py_CODEUNIT *at)
{
    Instr in;
    PyObject *exc = PyErr_GetRaisedException();
    bool yes = compat_decode(code, (int)(at - compat_code_start(code)), &in) == 0
        && (in.op == BC_CALL || in.op == BC_CALL_KW);
    PyErr_SetRaisedException(exc);
    return yes;
}

// The arguments are the items of a tuple that is on the caller's stack for this call, and nowhere else: what the evaluator
// would drop before the callee runs. (The lowest slot with the tuple is the call's; what is above may be long gone.)
bool
compat_gives_tuple(Frame *caller, PyObject *func, PyObject *const *args, Py_ssize_t n)
{
    PyCodeObject *code = _PyFrame_GetCode(caller);
    PyObject *tuple = (PyObject *)((uintptr_t)args - offsetof(PyTupleObject, ob_item));
    PyObject **bottom = caller->localsplus + code->co_nlocalsplus, **end = bottom + code->co_stacksize, **at = bottom;
    while (at < end && *at != tuple) {
        at++;
    }
    return n > 0 && at < end && at >= bottom + 2 && at[-2] == func && at[-1] == NULL && Py_REFCNT(tuple) == 1
        && PyTuple_CheckExact(tuple) && PyTuple_GET_SIZE(tuple) == n;
}

vectorcallfunc
compat_plain_vectorcall(void)
{
    static vectorcallfunc plain;
    if (plain != NULL) {
        return plain;
    }
    PyObject *exc = PyErr_GetRaisedException();
    PyCodeObject *code = PyCode_NewEmpty("<jitpatch>", "plain", 1);
    PyObject *globals = code == NULL ? NULL : PyDict_New();
    PyObject *func = globals == NULL ? NULL : PyFunction_New((PyObject *)code, globals);
    if (func != NULL) {
        plain = ((PyFunctionObject *)func)->vectorcall;
    }
    Py_XDECREF(func);
    Py_XDECREF(globals);
    Py_XDECREF(code);
    PyErr_SetRaisedException(exc);      // out of memory: another time
    return plain;
}

uint32_t
compat_function_version(PyObject *func)
{
    return ((PyFunctionObject *)func)->func_version;
}

void
compat_set_vectorcall(PyObject *func, vectorcallfunc call)
{
    PyFunction_SetVectorcall((PyFunctionObject *)func, call);
}

void
compat_give_back_vectorcall(PyObject *func, vectorcallfunc call, uint32_t version)
{
    PyFunction_SetVectorcall((PyFunctionObject *)func, call);
    _PyFunction_SetVersion((PyFunctionObject *)func, version);
}
