// lookers.c - hears when a tool asks sys.monitoring for events of one code object.
//
// Such a request changes no monitoring version until the code object is run, and is told to nobody. But compiled
// code may not be entered then. So while the JIT is on, the functions by which tools do this are exchanged for
// ones that call the original and then count up jit.epoch; each tree is looked at anew when it is entered next
// (executor_may_run). Where a function is not as expected, trees are looked at each time.
#include "entry/hook.h"

typedef struct {
    const char *name;                   // in sys.monitoring
    PyCFunction ours, plain;
    PyMethodDef *def;                   // found when the JIT is switched on
    int flags;                          // how it must be called
} Looker;

enum { OPTIMIZER_ID = 5 };                // hook.c's

typedef PyObject *(*FastFunction)(PyObject *, PyObject *const *, Py_ssize_t);

static PyObject *set_local_events(PyObject *self, PyObject *const *args, Py_ssize_t n);
static PyObject *use_tool_id(PyObject *self, PyObject *const *args, Py_ssize_t n);

#define FAST(f) (PyCFunction)(void (*)(void))f
static Looker lookers[] = {
    {"set_local_events", FAST(set_local_events), NULL, NULL, METH_FASTCALL},
    {"use_tool_id", FAST(use_tool_id), NULL, NULL, METH_FASTCALL},
};
#undef FAST

static PyObject *
look(const Looker *looker, PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    PyObject *result = ((FastFunction)(void (*)(void))looker->plain)(self, args, n);
    bool is_ours = n > 0 && PyLong_CheckExact(args[0]) && PyUnstable_Long_IsCompact((PyLongObject *)args[0])
        && PyUnstable_Long_CompactValue((PyLongObject *)args[0]) == OPTIMIZER_ID;
    jit.epoch += !is_ours;
    return result;
}

static PyObject *
set_local_events(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    return look(&lookers[0], self, args, n);
}

static PyObject *
use_tool_id(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    return look(&lookers[1], self, args, n);
}

static PyMethodDef *
find_def(const Looker *looker)
{
    PyObject *function = PyObject_GetAttrString(jit.monitoring, looker->name);
    PyMethodDef *def = NULL;
    if (function != NULL && PyCFunction_CheckExact(function)) {
        def = ((PyCFunctionObject *)function)->m_ml;
        def = strcmp(def->ml_name, looker->name) == 0 && def->ml_flags == looker->flags ? def : NULL;
    }
    PyErr_Clear();
    Py_XDECREF(function);               // the table entry is the interpreter's
    return def;
}

void
lookers_enable(void)
{
    jit.hears_lookers = true;
    for (size_t i = 0; i < Py_ARRAY_LENGTH(lookers); i++) {
        Looker *looker = &lookers[i];
        looker->def = find_def(looker);
        if (looker->def != NULL && looker->def->ml_meth != looker->ours) {
            looker->plain = looker->def->ml_meth;
            looker->def->ml_meth = looker->ours;
        }
        jit.hears_lookers &= looker->def != NULL;
    }
    jit.epoch++;                        // nobody has listened until now
}

void
lookers_disable(void)
{
    for (size_t i = 0; i < Py_ARRAY_LENGTH(lookers); i++) {
        if (lookers[i].def != NULL && lookers[i].def->ml_meth == lookers[i].ours) {
            lookers[i].def->ml_meth = lookers[i].plain;
        }
    }
}
