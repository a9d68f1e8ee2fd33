// switches.c - programs that switch C stacks (greenlet, and so gevent, eventlet and others).
//
// A greenlet that is switched away from has its part of the C stack copied to the heap, and back again later.
// The interpreter needs none of that stack for calls of Python functions; a trace needs an activation (2.5 KB),
// and so does each native call. So code that is often suspended is left to the interpreter:
// - A recording in which a switch is seen is given up (record.c), and the functions it was inside of are noted.
// - A native call in which a switch is seen notes the function (native.c).
// - A function noted a few times is neither followed nor called natively any more: a trace ends before the call.
//   Traces that rely on it are given up.
//
// A switch leaves no trace in what it switches back to, except that greenlet must invalidate what the thread
// remembers of context variables: it counts context_ver up. So do Context.run() and asyncio; so the number is
// believed only where greenlet has been imported.
#include "run/switches.h"
#include "run/anchors.h"

enum { OFTEN = 4 };

static bool
may_switch(void)
{
    static PyObject *name;
    static bool loaded;
    if (loaded) {
        return true;
    }
    PyObject *exc = PyErr_GetRaisedException();
    if (name == NULL) {
        name = PyUnicode_InternFromString("greenlet");
    }
    PyObject *modules = PyImport_GetModuleDict();
    loaded = name != NULL && modules != NULL && PyDict_CheckExact(modules)
        && PyDict_Contains(modules, name) == 1;
    PyErr_Clear();
    PyErr_SetRaisedException(exc);
    return loaded;
}

bool
switches_since(const PyThreadState *tstate, uint64_t before)
{
    return tstate->context_ver != before && may_switch();
}

bool
switches_in(PyCodeObject *code)
{
    const CodeInfo *info = info_need(code);
    return info != NULL && info->switches >= OFTEN;
}

bool
switches_note(PyCodeObject *code)
{
    CodeInfo *info = info_need(code);
    if (info == NULL || info->switches >= OFTEN) {
        return false;
    }
    jit.stats.switches++;
    return ++info->switches == OFTEN;
}
