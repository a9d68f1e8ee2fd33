// module.c - the extension jitpatch._jitpatch: the JIT's state, switched on and off, and what the
// Python side asks for. No logic of the JIT is here.

#include "back/codemem.h"
#include "back/emit.h"
#include "base/activation.h"
#include "entry/hook.h"
#include "face/dump.h"
#include "face/testhooks.h"
#include "jit.h"
#include "policy/policy.h"
#include "run/coverage.h"
#include "run/executor_life.h"
#include "run/restore.h"

#include <stddef.h>

// --- parameters -------------------------------------------------------------------------------

typedef struct {
    const char *name;
    size_t offset;
    long value, least, most;
    const char *help;
} ParamInfo;

static const ParamInfo param_table[] = {
#define PARAM(name, value, least, most, help) \
    {#name, offsetof(Params, name), value, least, most, help},
#include "base/params.def"
#undef PARAM
};

static long *
param_at(const ParamInfo *info)
{
    return (long *)((char *)&jit.params + info->offset);
}

static const ParamInfo *
find_param(const char *name)
{
    for (size_t i = 0; i < Py_ARRAY_LENGTH(param_table); i++) {
        if (strcmp(param_table[i].name, name) == 0) {
            return &param_table[i];
        }
    }
    PyErr_Format(PyExc_KeyError, "no option named '%s'", name);
    return NULL;
}

static PyObject *
mod_params(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < Py_ARRAY_LENGTH(param_table); i++) {
        const ParamInfo *info = &param_table[i];
        PyObject *row = Py_BuildValue("(sllls)", info->name, info->value, info->least, info->most,
                                      info->help);
        if (row == NULL || PyList_Append(list, row) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(row);
    }
    return list;
}

static PyObject *
mod_get_param(PyObject *Py_UNUSED(module), PyObject *arg)
{
    const char *name = PyUnicode_AsUTF8(arg);
    const ParamInfo *info = name == NULL ? NULL : find_param(name);
    return info == NULL ? NULL : PyLong_FromLong(*param_at(info));
}

static PyObject *
mod_set_param(PyObject *Py_UNUSED(module), PyObject *args)
{
    const char *name;
    PyObject *value;
    if (!PyArg_ParseTuple(args, "sO!:set_param", &name, &PyLong_Type, &value)) {
        return NULL;
    }
    const ParamInfo *info = find_param(name);
    if (info == NULL) {
        return NULL;
    }
    int overflow;
    long number = PyLong_AsLongAndOverflow(value, &overflow);
    if (overflow || number < info->least || number > info->most) {
        PyErr_Format(PyExc_ValueError, "%s: %S is not between %ld and %ld", name, value,
                     info->least, info->most);
        return NULL;
    }
    *param_at(info) = number;
    jit.keep_text = jit.params.text != 0;
    jit.watches_exits = jit.params.gc_exits != 0 || coverage_is_on;
    for (Py_ssize_t i = 0; jit.watches_exits && i < PyList_GET_SIZE(jit.executors); i++) {
        restore_none_is_plain((Executor *)PyList_GET_ITEM(jit.executors, i));
    }
    Py_RETURN_NONE;
}

// --- dumps ------------------------------------------------------------------------------------

static PyObject *
mod_set_dump(PyObject *Py_UNUSED(module), PyObject *arg)
{
    char *stages = NULL;
    if (arg != Py_None) {
        const char *text = PyUnicode_AsUTF8(arg);
        if (text == NULL) {
            return NULL;
        }
        stages = PyMem_RawMalloc(strlen(text) + 1);
        if (stages == NULL) {
            return PyErr_NoMemory();
        }
        strcpy(stages, text);
    }
    PyMem_RawFree(jit.dump);
    jit.dump = stages;
    Py_RETURN_NONE;
}

static PyObject *
mod_get_dump(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return jit.dump == NULL ? Py_NewRef(Py_None) : PyUnicode_FromString(jit.dump);
}

// --- on and off -------------------------------------------------------------------------------

static int
start_code_memory(void)
{
    static bool started;
    if (started) {
        return 0;
    }
    if (codemem_init((size_t)jit.params.code_limit << 20, (const void *)PyLong_FromLong) < 0) {
        PyErr_Format(PyExc_RuntimeError, "jitpatch cannot be enabled: %s", codemem_error());
        return -1;
    }
    started = true;
    return 0;
}

// In gc.callbacks: (phase, info).
static PyObject *
around_collection(PyObject *Py_UNUSED(self), PyObject *args)
{
    const char *phase;
    PyObject *info;
    if (!PyArg_ParseTuple(args, "sO!", &phase, &PyDict_Type, &info)) {
        return NULL;
    }
    PyObject *generation = PyDict_GetItemString(info, "generation");
    if (generation != NULL && PyLong_Check(generation) && PyLong_AsLong(generation) == 2) {
        if (strcmp(phase, "stop") == 0) {
            executor_grow_old();
        }
        else {
            orphans_retire();           // what they have kept this collection may free
        }
    }
    Py_RETURN_NONE;
}

static PyMethodDef around_collection_def = {"jitpatch", around_collection, METH_VARARGS, NULL};

// Puts our callback into gc.callbacks, or takes it out.
static int
listen_to_collections(bool listen)
{
    static PyObject *callback;
    PyObject *gc = PyImport_ImportModule("gc");
    PyObject *list = gc == NULL ? NULL : PyObject_GetAttrString(gc, "callbacks");
    Py_XDECREF(gc);
    if (list == NULL || (callback == NULL
                         && (callback = PyCFunction_New(&around_collection_def, NULL)) == NULL)) {
        Py_XDECREF(list);
        return -1;
    }
    int present = PySequence_Contains(list, callback);
    PyObject *done = present < 0         ? NULL
                     : listen == present ? Py_NewRef(Py_None)
                                         : PyObject_CallMethod(list, listen ? "append" : "remove",
                                                               "O", callback);
    Py_DECREF(list);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static PyObject *
mod_enable(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    if (jit.enabled) {
        Py_RETURN_NONE;
    }
    if (start_code_memory() < 0 || invalidate_enable() < 0) {
        return NULL;
    }
    if (listen_to_collections(true) < 0 || hook_enable() < 0) {
        PyObject *exc = PyErr_GetRaisedException();
        listen_to_collections(false);
        invalidate_disable();
        PyErr_SetRaisedException(exc);
        return NULL;
    }
    generators_enable();
    lookers_enable();
    jit.evaluator = compat_other_evaluator();
    jit.enabled = true;
    Py_RETURN_NONE;
}

static PyObject *
mod_disable(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    if (!jit.enabled) {
        Py_RETURN_NONE;
    }
    jit.enabled = false;
    generators_disable();
    lookers_disable();
    record_abort(ABORT_DISABLED);
    hook_disable();
    invalidate_disable();           // first: then nothing has to be taken out of the table
    executor_retire_all();
    if (listen_to_collections(false) < 0) {
        PyErr_Clear();              // somebody has removed it, or replaced the list
    }
    Py_RETURN_NONE;
}

static PyObject *
mod_is_enabled(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(jit.enabled);
}

static PyObject *
mod_is_active(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(executor_count_live() > 0 || executor_count_inside() > 0);
}

// Does something watch all code, so that none is compiled or entered?
static PyObject *
mod_is_watched(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(compat_all_code_is_watched(PyThreadState_GET()));
}

// --- what was done ----------------------------------------------------------------------------

static int
put_number(PyObject *dict, const char *name, uint64_t value)
{
    PyObject *number = PyLong_FromUnsignedLongLong(value);
    int done = number == NULL ? -1 : PyDict_SetItemString(dict, name, number);
    Py_XDECREF(number);
    return done;
}

// [(executor, entered, left, returned)] of the installed traces; *sum: of all there are and were.
static PyObject *
list_tallies(Tally *sum)
{
    PyObject *list = PyList_New(0);
    for (Py_ssize_t i = 0; list != NULL && i < PyList_GET_SIZE(jit.executors); i++) {
        Executor *ex = (Executor *)PyList_GET_ITEM(jit.executors, i);
        Tally t = ex->tally;
        policy_book(ex);
        sum->entered += t.entered;
        sum->left += t.left;
        sum->returned += t.returned;
        PyObject *row = Py_BuildValue("(OKKK)", ex, (unsigned long long)t.entered, (unsigned long long)t.left,
                                      (unsigned long long)t.returned);
        if (row == NULL || PyList_Append(list, row) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(row);
    }
    return list;
}

static int
put_tallies(PyObject *counters, Tally sum)
{
    return put_number(counters, "entered", sum.entered) < 0 || put_number(counters, "exits", sum.left) < 0
            || put_number(counters, "returned", sum.returned) < 0
            || put_number(counters, "inside", executor_count_inside()) < 0 ? -1 : 0;
}

// {counter: value}, {reason: times}, {(file, line, reason): times}, [(executor, entered, left, returned)]
static PyObject *
mod_stats(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    Tally sum = executor_tally_retired();
    PyObject *counters = PyDict_New(), *aborts = PyDict_New(), *tallies = list_tallies(&sum);
    if (counters == NULL || aborts == NULL || tallies == NULL) {
        goto error;
    }
#define STAT(name, text) \
    if (put_number(counters, #name, jit.stats.name) < 0) { \
        goto error; \
    }
#include "base/stats.def"
#undef STAT
    if (put_tallies(counters, sum) < 0) {
        goto error;
    }
    CodememStats memory;
    codemem_stats(&memory);
    if (put_number(counters, "code_memory", memory.used) < 0 || put_number(counters, "memory", jit.bytes) < 0
        || put_number(counters, "executors", (uint64_t)executor_count_live()) < 0) {
        goto error;
    }
#define ABORT(name, text) \
    if (jit.stats.aborts[ABORT_##name] > 0 \
        && put_number(aborts, text, jit.stats.aborts[ABORT_##name]) < 0) { \
        goto error; \
    }
#include "base/aborts.def"
#undef ABORT
    PyObject *log = PyDict_Copy(jit.abort_log);
    if (log == NULL) {
        goto error;
    }
    return Py_BuildValue("(NNNN)", counters, aborts, log, tallies);
error:
    Py_XDECREF(tallies);
    Py_XDECREF(counters);
    Py_XDECREF(aborts);
    return NULL;
}

static PyObject *
mod_stat_texts(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    PyObject *texts = Py_BuildValue("{ssssssssss}", "code_memory", "bytes of code memory in use",
                                    "memory", "bytes kept in all: code, exits, facts, books",
                                    "executors", "traces installed now",
                                    "returned", "times a function returned from it to its caller",
                                    "inside", "times it has been entered and runs now");
#define STAT(name, text) \
    if (texts != NULL) { \
        PyObject *s = PyUnicode_FromString(text); \
        if (s == NULL || PyDict_SetItemString(texts, #name, s) < 0) { \
            Py_CLEAR(texts); \
        } \
        Py_XDECREF(s); \
    }
#include "base/stats.def"
#undef STAT
    return texts;
}

static PyObject *
mod_reset_stats(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    // What is shown of these two are the tallies. The numbers themselves only go up: others compare them with
    // what they were.
    jit.stats = (Stats){.entered = jit.stats.entered, .exits = jit.stats.exits};
    executor_reset_tallies();
    PyDict_Clear(jit.abort_log);
    Py_RETURN_NONE;
}

// The live executors of a code object, roots and side traces; of all code objects for None.
static PyObject *
mod_executors(PyObject *Py_UNUSED(module), PyObject *code)
{
    if (code != Py_None && !PyCode_Check(code)) {
        PyErr_Format(PyExc_TypeError, "expected a code object or None, not %T", code);
        return NULL;
    }
    PyObject *list = PyList_New(0);
    for (Py_ssize_t i = 0; list != NULL && i < PyList_GET_SIZE(jit.executors); i++) {
        Executor *ex = (Executor *)PyList_GET_ITEM(jit.executors, i);
        bool wanted = code == Py_None || (PyObject *)ex->root->code == code;
        if (wanted && PyList_Append(list, (PyObject *)ex) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyMethodDef module_methods[] = {
    {"enable", mod_enable, METH_NOARGS, "Switch the JIT on."},
    {"disable", mod_disable, METH_NOARGS, "Switch it off and drop all traces."},
    {"is_enabled", mod_is_enabled, METH_NOARGS, NULL},
    {"is_active", mod_is_active, METH_NOARGS, NULL},
    {"is_watched", mod_is_watched, METH_NOARGS, "Does a tool watch all code?"},
    {"stats", mod_stats, METH_NOARGS, "Counters, abort reasons, abort log, tallies of traces."},
    {"stat_texts", mod_stat_texts, METH_NOARGS, "What each counter means."},
    {"reset_stats", mod_reset_stats, METH_NOARGS, "All counters to zero."},
    {"executors", mod_executors, METH_O, "Live executors of a code object, or all for None."},
    {"params", mod_params, METH_NOARGS, "List of (name, default, least, most, help)."},
    {"get_param", mod_get_param, METH_O, NULL},
    {"set_param", mod_set_param, METH_VARARGS, NULL},
    {"get_dump", mod_get_dump, METH_NOARGS, NULL},
    {"set_dump", mod_set_dump, METH_O, "Comma-separated stages to dump, or None."},
    {NULL, NULL, 0, NULL},
};

// --- the module -------------------------------------------------------------------------------

static int
module_exec(PyObject *module)
{
    const char *reason = compat_check();
    if (reason == NULL && PyInterpreterState_Get() != PyInterpreterState_Main()) {
        reason = "jitpatch works in the main interpreter only, not in subinterpreters";
    }
    if (reason != NULL) {
        PyErr_SetString(PyExc_ImportError, reason);
        return -1;
    }
    if (jit.executors == NULL) {
        hook_init();
        record_init(compile_trace);
        for (size_t i = 0; i < Py_ARRAY_LENGTH(param_table); i++) {
            *param_at(&param_table[i]) = param_table[i].value;
        }
        jit.keep_text = jit.params.text != 0;
        coverage_init();
        compat_learn_small_ints();
        jit.watches_exits = coverage_is_on;
        jit.executors = PyList_New(0);
        jit.abort_log = PyDict_New();
        if (jit.executors == NULL || jit.abort_log == NULL) {
            Py_CLEAR(jit.executors);
            Py_CLEAR(jit.abort_log);
            return -1;
        }
    }
    if (PyModule_AddType(module, &Executor_Type) < 0) {
        return -1;
    }
    return dump_add(module) < 0 || testhooks_add(module) < 0 ? -1 : origin_add(module);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
    {0, NULL},
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "jitpatch._jitpatch",
    .m_doc = "The machine behind jitpatch; use the functions of the package.",
    .m_methods = module_methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC
PyInit__jitpatch(void)
{
    return PyModuleDef_Init(&module_def);
}
