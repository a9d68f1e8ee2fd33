// compat_313_bytecodes.c - the seam to CPython 3.13: what single bytecodes do for which the public
// headers have no function. Called from compiled code.
//
// Each returns a new reference, or NULL (-1) with the exception that the bytecode would raise.

#include "python/compat_313.h"

// An interned name, made once.
static PyObject *
name_once(PyObject **name, const char *text)
{
    if (*name == NULL) {
        *name = PyUnicode_InternFromString(text);
    }
    return *name;
}

// --- containers -------------------------------------------------------------------------------

PyObject *
compat_dict_from_pairs(PyObject **items, int64_t count)
{
    return _PyDict_FromItems(items, 2, items + 1, 2, count / 2);
}

PyObject *
compat_dict_from_values(PyObject **items, int64_t count)
{
    PyObject *keys = items[count - 1];
    return _PyDict_FromItems(&PyTuple_GET_ITEM(keys, 0), 1, items, 1, count - 1);
}

PyObject *
compat_set_from_items(PyObject **items, int64_t count)
{
    PyObject *set = PySet_New(NULL);
    for (int64_t i = 0; set != NULL && i < count; i++) {
        if (PySet_Add(set, items[i]) < 0) {
            Py_CLEAR(set);
        }
    }
    return set;
}

int
compat_set_update(PyObject *set, PyObject *iterable)
{
    return _PySet_Update(set, iterable);
}

int
compat_dict_update(PyObject *dict, PyObject *mapping)
{
    int failed = PyDict_Update(dict, mapping);
    if (failed < 0 && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Format(PyExc_TypeError, "'%.200s' object is not a mapping",
                     Py_TYPE(mapping)->tp_name);
    }
    return failed;
}

int
compat_dict_spread(PyObject *dict, PyObject *keys, PyObject **values)
{
    PyObject *key;
    Py_ssize_t at = 0;
    int i = 0;
    if (PyDict_GET_SIZE(dict) != PyTuple_GET_SIZE(keys)) {
        return 0;
    }
    while (PyDict_Next(dict, &at, &key, &values[i])) {
        if (key != PyTuple_GET_ITEM(keys, i++)) {
            return 0;
        }
    }
    return 1;
}

int
compat_dict_merge(PyObject *dict, PyObject *mapping, PyObject *callable)
{
    int failed = _PyDict_MergeEx(dict, mapping, 2);
    if (failed < 0) {
        _PyEval_FormatKwargsError(PyThreadState_Get(), callable, mapping);
    }
    return failed;
}

PyObject *
compat_list_extend(PyObject *list, PyObject *iterable)
{
    PyObject *none = _PyList_Extend((PyListObject *)list, iterable);
    if (none == NULL && PyErr_ExceptionMatches(PyExc_TypeError) && Py_TYPE(iterable)->tp_iter == NULL
        && !PySequence_Check(iterable)) {
        PyErr_Clear();
        PyErr_Format(PyExc_TypeError, "Value after * must be an iterable, not %.200s",
                     Py_TYPE(iterable)->tp_name);
    }
    return none;
}

PyObject *
compat_str_join(PyObject **items, int64_t n)
{
    PyObject *empty = PyUnicode_New(0, 0);
    if (empty == NULL) {
        return NULL;
    }
    PyObject *joined = _PyUnicode_JoinArray(empty, items, n);
    Py_DECREF(empty);
    return joined;
}

// --- unpacking --------------------------------------------------------------------------------

int
compat_unpack(PyObject *iterable, int64_t shape, PyObject **items)
{
    int before = (int)(shape % COMPAT_UNPACK_STAR), after = (int)(shape / COMPAT_UNPACK_STAR) - 1;
    int n = before + (after < 0 ? 0 : after + 1);
    return _PyEval_UnpackIterable(PyThreadState_Get(), iterable, before, after, items + n) ? 0 : -1;
}

// --- with -------------------------------------------------------------------------------------

static PyObject *
special_method(PyObject *manager, PyObject *name, const char *more)
{
    PyObject *method = name == NULL ? NULL : _PyObject_LookupSpecial(manager, name);
    if (method == NULL && !PyErr_Occurred()) {
        PyErr_Format(PyExc_TypeError, "'%.200s' object does not support the context manager "
                     "protocol%s", Py_TYPE(manager)->tp_name, more);
    }
    return method;
}

int
compat_before_with(PyObject *manager, int64_t shape, PyObject **both)
{
    static PyObject *enter_name, *exit_name;
    PyObject *enter = special_method(manager, name_once(&enter_name, "__enter__"), "");
    if (enter == NULL) {
        return -1;
    }
    PyObject *leave = special_method(manager, name_once(&exit_name, "__exit__"), " (missed __exit__ method)");
    PyObject *entered = leave == NULL ? NULL : PyObject_CallNoArgs(enter);
    (void)shape;
    Py_DECREF(enter);
    if (entered == NULL) {
        Py_XDECREF(leave);
        return -1;
    }
    both[0] = leave;
    both[1] = entered;
    return 0;
}

// --- functions and calls ----------------------------------------------------------------------

PyObject *
compat_call_starred(PyObject *callable, PyObject *args, PyObject *kwargs)
{
    if (PyTuple_CheckExact(args)) {
        return PyObject_Call(callable, args, kwargs);
    }
    if (Py_TYPE(args)->tp_iter == NULL && !PySequence_Check(args)) {
        PyObject *name = _PyObject_FunctionStr(callable);
        if (name != NULL) {
            PyErr_Format(PyExc_TypeError, "%U argument after * must be an iterable, not %.200s",
                         name, Py_TYPE(args)->tp_name);
            Py_DECREF(name);
        }
        return NULL;
    }
    PyObject *tuple = PySequence_Tuple(args);
    PyObject *result = tuple == NULL ? NULL : PyObject_Call(callable, tuple, kwargs);
    Py_XDECREF(tuple);
    return result;
}

static PyObject *
attribute_of_super(PyObject *super, PyObject *name)
{
    PyObject *value = super == NULL ? NULL : PyObject_GetAttr(super, name);
    Py_XDECREF(super);
    return value;
}

PyObject *
compat_super_attr(PyObject **args, int64_t count)
{
    (void)count;
    return attribute_of_super(PyObject_Vectorcall(args[0], NULL, 0, NULL), args[3]);
}

PyObject *
compat_super_attr_of(PyObject **args, int64_t count)
{
    (void)count;
    return attribute_of_super(PyObject_Vectorcall(args[0], args + 1, 2, NULL), args[3]);
}

PyObject *
compat_super_lookup(PyObject *cls, PyObject *self, PyObject *name)
{
    return _PySuper_Lookup((PyTypeObject *)cls, self, name, NULL);
}

// --- names ------------------------------------------------------------------------------------

static void
raise_name_error(PyObject *name)
{
    _PyEval_FormatExcCheckArg(PyThreadState_Get(), PyExc_NameError, "name '%.200s' is not defined",
                              name);
}

int
compat_delete_global(PyObject *globals, PyObject *name)
{
    int found = PyDict_Pop(globals, name, NULL);
    if (found == 0) {
        raise_name_error(name);
    }
    return found <= 0 ? -1 : 0;
}

PyObject *
compat_import_name(PyObject **args, int64_t count)
{
    PyObject *level = args[0], *fromlist = args[1], *import = args[2];
    (void)count;
    if (PyCFunction_CheckExact(import) && PyCFunction_GET_SELF(import) != NULL
        && PyModule_Check(PyCFunction_GET_SELF(import))) {      // builtins.__import__
        return PyImport_ImportModuleLevelObject(args[3], args[4], args[5], fromlist,
                                                (int)PyLong_AsLong(level));
    }
    PyObject *call[] = {args[3], args[4], args[5], fromlist, level};
    return PyObject_Vectorcall(import, call, 5, NULL);
}

// --- match ------------------------------------------------------------------------------------

PyObject *
compat_match_class(PyObject **args, int64_t count)
{
    PyThreadState *tstate = PyThreadState_Get();
    (void)count;
    PyObject *found = _PyEval_MatchClass(tstate, args[0], args[1], PyLong_AsLong(args[3]), args[2]);
    return found == NULL && !PyErr_Occurred() ? Py_NewRef(Py_None) : found;
}

PyObject *
compat_match_keys(PyObject *subject, PyObject *keys)
{
    return _PyEval_MatchKeys(PyThreadState_Get(), subject, keys);
}

int64_t
compat_matches_sequence(PyObject *o)
{
    return (Py_TYPE(o)->tp_flags & Py_TPFLAGS_SEQUENCE) != 0;
}

int64_t
compat_matches_mapping(PyObject *o)
{
    return (Py_TYPE(o)->tp_flags & Py_TPFLAGS_MAPPING) != 0;
}
