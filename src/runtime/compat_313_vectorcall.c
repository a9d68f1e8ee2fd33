// compat_313_vectorcall.c - the seam to CPython 3.13: the pointer by which a function is called, and its version.
//
// PyFunction_SetVectorcall() sets the version to 0, after which no call site and no property is specialised for the
// function, whatever its vectorcall: whoever gives the pointer back must give back the version as well.

#include "compat_313.h"

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

bool
compat_takes_plain_calls(const PyCodeObject *code)
{
    const int refuse = CO_VARARGS | CO_VARKEYWORDS | CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR;
    const int needed = CO_OPTIMIZED | CO_NEWLOCALS;
    return (code->co_flags & refuse) == 0 && (code->co_flags & needed) == needed && code->co_kwonlyargcount == 0
        && code->co_ncellvars == 0;
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
