// consumers.c - the builtins that take all values of a generator: list, tuple, set, frozenset, sum,
// any, all, sorted, str.join.
//
// In:   a call of one of them with a generator; everything else goes on to CPython's own function.
// Out:  what that function would have made of it.
//
// Their entry points in CPython's tables are exchanged for those here. Each does what CPython's does,
// value by value and in the same order; what differs is who runs the generator: generator_next(),
// which may have a trace do a consumer's work as well, as long as that cannot run Python code.
// Functions that put all values into a list before they begin (tuple, sorted, join) are called with
// such a list.
#include "entry/hook.h"

#include <math.h>

// The next value, or NULL: no exception is set at the end.
static PyObject *
next_of(PyObject *generator, Consumer *consumer)
{
    PyObject *value = generator_next(generator, consumer);
    if (value == NULL && PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_StopIteration)) {
        PyErr_Clear();
    }
    return value;
}

static bool
takes_generator(PyObject *const *args, Py_ssize_t n, Py_ssize_t wanted, PyObject *kwnames)
{
    return n == wanted && kwnames == NULL && PyGen_CheckExact(args[0]) && jit.enabled
        && generator_is_taken(args[0]);
}

// --- list, and what begins with one -------------------------------------------------------------

// An empty list with room for as many values as list() makes room for when it cannot know.
static PyObject *
list_with_room(void)
{
    PyObject *list = PyList_New(8);
    if (list != NULL) {
        Py_SET_SIZE(list, 0);
    }
    return list;
}

static PyObject *
list_of(PyObject *generator)
{
    Consumer consumer = {.kind = CONSUMER_LIST, .object = list_with_room()};
    PyObject *value;
    while (consumer.object != NULL && (value = next_of(generator, &consumer)) != NULL) {
        if (PyList_Append(consumer.object, value) < 0) {
            Py_CLEAR(consumer.object);
        }
        Py_DECREF(value);
    }
    if (PyErr_Occurred()) {
        Py_CLEAR(consumer.object);
    }
    return consumer.object;
}

static vectorcallfunc plain_list, plain_tuple, plain_set, plain_frozenset;

static PyObject *
call_list(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (type != (PyObject *)&PyList_Type
        || !takes_generator(args, PyVectorcall_NARGS(nargsf), 1, kwnames)) {
        return plain_list(type, args, nargsf, kwnames);
    }
    PyObject *list = list_of(args[0]);
    if (list == NULL || PyList_GET_SIZE(list) >= 2) {
        return list;
    }
    PyObject *cut = PyList_New(0);      // list() gives the room back
    if (cut != NULL && PyList_GET_SIZE(list) == 1 && PyList_Append(cut, PyList_GET_ITEM(list, 0)) < 0) {
        Py_CLEAR(cut);
    }
    Py_DECREF(list);
    return cut;
}

static PyObject *
call_tuple(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (type != (PyObject *)&PyTuple_Type
        || !takes_generator(args, PyVectorcall_NARGS(nargsf), 1, kwnames)) {
        return plain_tuple(type, args, nargsf, kwnames);
    }
    PyObject *list = list_of(args[0]);
    PyObject *tuple = list == NULL ? NULL : PyList_AsTuple(list);
    Py_XDECREF(list);
    return tuple;
}

// --- set ----------------------------------------------------------------------------------------

// Fills an empty set or frozenset (takes the reference).
static PyObject *
fill_set(PyObject *set, PyObject *generator)
{
    Consumer consumer = {.kind = CONSUMER_SET, .object = set};
    PyObject *value;
    while (consumer.object != NULL && (value = next_of(generator, &consumer)) != NULL) {
        // Once such a value is in the set, adding another may ask it whether they are equal.
        if (!PyLong_CheckExact(value) && !PyUnicode_CheckExact(value) && !PyFloat_CheckExact(value)
            && !PyBytes_CheckExact(value) && !PyBool_Check(value) && value != Py_None) {
            consumer.kind = CONSUMER_NONE;
        }
        if (PySet_Add(consumer.object, value) < 0) {
            Py_CLEAR(consumer.object);
        }
        Py_DECREF(value);
    }
    if (PyErr_Occurred()) {
        Py_CLEAR(consumer.object);
    }
    return consumer.object;
}

static PyObject *
call_set(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (type != (PyObject *)&PySet_Type
        || !takes_generator(args, PyVectorcall_NARGS(nargsf), 1, kwnames)) {
        return plain_set(type, args, nargsf, kwnames);
    }
    return fill_set(PySet_New(NULL), args[0]);
}

static PyObject *
call_frozenset(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (type != (PyObject *)&PyFrozenSet_Type
        || !takes_generator(args, PyVectorcall_NARGS(nargsf), 1, kwnames)) {
        return plain_frozenset(type, args, nargsf, kwnames);
    }
    return fill_set(PyFrozenSet_New(NULL), args[0]);
}

// --- sum ----------------------------------------------------------------------------------------

static PyObject *
float_sum(const Consumer *c)
{
    return PyFloat_FromDouble(c->lost != 0.0 && isfinite(c->lost) ? c->total + c->lost : c->total);
}

static PyObject *
add_and_drop(PyObject *sum, PyObject *value)
{
    PyObject *next = sum == NULL ? NULL : PyNumber_Add(sum, value);
    Py_XDECREF(sum);
    Py_DECREF(value);
    return next;
}

// From here on any object, added by its own rules.
static PyObject *
sum_objects(PyObject *generator, PyObject *sum)
{
    Consumer consumer = {.kind = CONSUMER_NONE};
    PyObject *value;
    while (sum != NULL && (value = next_of(generator, &consumer)) != NULL) {
        sum = add_and_drop(sum, value);
    }
    if (PyErr_Occurred()) {
        Py_CLEAR(sum);
    }
    return sum;
}

static PyObject *
sum_floats(PyObject *generator, double start)
{
    Consumer c = {.kind = CONSUMER_SUM_FLOAT, .total = start};
    PyObject *value;
    while ((value = next_of(generator, &c)) != NULL) {
        int overflow = 0;
        if (PyFloat_CheckExact(value)) {
            double x = PyFloat_AS_DOUBLE(value), next = c.total + x;
            bool big = fabs(c.total) >= fabs(x);
            c.lost += big ? (c.total - next) + x : (x - next) + c.total;
            c.total = next;
            Py_DECREF(value);
            continue;
        }
        long n = PyLong_Check(value) ? PyLong_AsLongAndOverflow(value, &overflow) : 0;
        if (!PyLong_Check(value) || overflow) {
            return sum_objects(generator, add_and_drop(float_sum(&c), value));
        }
        c.total += (double)n;
        Py_DECREF(value);
    }
    return PyErr_Occurred() ? NULL : float_sum(&c);
}

static PyObject *
sum_of(PyObject *generator)
{
    Consumer c = {.kind = CONSUMER_SUM};
    PyObject *value;
    while ((value = next_of(generator, &c)) != NULL) {
        int overflow = 1;
        long n = 0;
        int64_t next;
        if (PyLong_CheckExact(value) || PyBool_Check(value)) {
            n = PyLong_AsLongAndOverflow(value, &overflow);
        }
        if (!overflow && !__builtin_add_overflow(c.sum, n, &next)) {
            c.sum = next;
            Py_DECREF(value);
            continue;
        }
        PyObject *sum = add_and_drop(PyLong_FromLongLong(c.sum), value);
        if (sum == NULL || !PyFloat_CheckExact(sum)) {
            return sum_objects(generator, sum);
        }
        double start = PyFloat_AS_DOUBLE(sum);
        Py_DECREF(sum);
        return sum_floats(generator, start);
    }
    return PyErr_Occurred() ? NULL : PyLong_FromLongLong(c.sum);
}

// --- any, all -----------------------------------------------------------------------------------

static PyObject *
first_that_is(PyObject *generator, bool wanted)
{
    Consumer consumer = {.kind = wanted ? CONSUMER_ANY : CONSUMER_ALL};
    PyObject *value;
    while ((value = next_of(generator, &consumer)) != NULL) {
        int truth = PyObject_IsTrue(value);
        Py_DECREF(value);
        if (truth < 0) {
            return NULL;
        }
        if ((truth != 0) == wanted) {
            return PyBool_FromLong(wanted);
        }
    }
    return PyErr_Occurred() ? NULL : PyBool_FromLong(!wanted);
}

// --- functions and methods in method tables -----------------------------------------------------

typedef PyObject *(*FastFunction)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);

static PyCFunction plain_sum, plain_any, plain_all, plain_sorted, plain_join;

static FastFunction
as_fast(PyCFunction function)
{
    return (FastFunction)(void (*)(void))function;
}

static PyObject *
builtin_sum(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    return takes_generator(args, n, 1, kwnames) ? sum_of(args[0])
                                                : as_fast(plain_sum)(module, args, n, kwnames);
}

static PyObject *
builtin_any(PyObject *module, PyObject *arg)
{
    return takes_generator(&arg, 1, 1, NULL) ? first_that_is(arg, true) : plain_any(module, arg);
}

static PyObject *
builtin_all(PyObject *module, PyObject *arg)
{
    return takes_generator(&arg, 1, 1, NULL) ? first_that_is(arg, false) : plain_all(module, arg);
}

static PyObject *
builtin_sorted(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    if (n != 1 || !takes_generator(args, n, 1, NULL)) {
        return as_fast(plain_sorted)(module, args, n, kwnames);
    }
    PyObject *list = list_of(args[0]);
    PyObject *sort = list == NULL ? NULL : PyObject_GetAttrString(list, "sort");
    PyObject *done = sort == NULL ? NULL : PyObject_Vectorcall(sort, args + 1, 0, kwnames);
    Py_XDECREF(sort);
    if (done == NULL) {
        Py_CLEAR(list);
    }
    Py_XDECREF(done);
    return list;
}

static PyObject *
str_join(PyObject *self, PyObject *arg)
{
    if (!takes_generator(&arg, 1, 1, NULL)) {
        return plain_join(self, arg);
    }
    PyObject *list = list_of(arg);
    PyObject *joined = list == NULL ? NULL : plain_join(self, list);
    Py_XDECREF(list);
    return joined;
}

// --- exchanging them ----------------------------------------------------------------------------

typedef struct {
    const char *name;                   // in builtins, or of a method of str
    int flags;                          // how it must be called
    PyCFunction ours;
    PyCFunction *plain;
    PyMethodDef *def;                   // found when the JIT is switched on
} Exchange;

#define FAST(f) (PyCFunction)(void (*)(void))f
static Exchange exchanges[] = {
    {"sum", METH_FASTCALL | METH_KEYWORDS, FAST(builtin_sum), &plain_sum, NULL},
    {"sorted", METH_FASTCALL | METH_KEYWORDS, FAST(builtin_sorted), &plain_sorted, NULL},
    {"any", METH_O, builtin_any, &plain_any, NULL},
    {"all", METH_O, builtin_all, &plain_all, NULL},
    {"join", METH_O, str_join, &plain_join, NULL},
};
#undef FAST

// The table entry of a builtin function, or of a method of str; NULL if it is not as expected.
static PyMethodDef *
find_def(const Exchange *e)
{
    PyMethodDef *def = NULL;
    PyObject *builtins = PyEval_GetBuiltins();      // borrowed
    PyObject *function = builtins == NULL ? NULL : PyDict_GetItemString(builtins, e->name);
    if (function != NULL && PyCFunction_CheckExact(function)) {
        def = ((PyCFunctionObject *)function)->m_ml;
    }
    for (PyMethodDef *m = PyUnicode_Type.tp_methods; def == NULL && m->ml_name != NULL; m++) {
        def = strcmp(m->ml_name, e->name) == 0 ? m : NULL;
    }
    return def != NULL && strcmp(def->ml_name, e->name) == 0 && def->ml_flags == e->flags ? def : NULL;
}

static const struct { PyTypeObject *type; vectorcallfunc ours, *plain; } types[] = {
    {&PyList_Type, call_list, &plain_list},
    {&PyTuple_Type, call_tuple, &plain_tuple},
    {&PySet_Type, call_set, &plain_set},
    {&PyFrozenSet_Type, call_frozenset, &plain_frozenset},
};

void
consumers_enable(void)
{
    for (size_t i = 0; i < Py_ARRAY_LENGTH(types); i++) {
        if (types[i].type->tp_vectorcall != NULL && types[i].type->tp_vectorcall != types[i].ours) {
            *types[i].plain = types[i].type->tp_vectorcall;
            types[i].type->tp_vectorcall = types[i].ours;
        }
    }
    for (size_t i = 0; i < Py_ARRAY_LENGTH(exchanges); i++) {
        Exchange *e = &exchanges[i];
        e->def = find_def(e);
        if (e->def != NULL && e->def->ml_meth != e->ours) {
            *e->plain = e->def->ml_meth;
            e->def->ml_meth = e->ours;
        }
    }
}

void
consumers_disable(void)
{
    for (size_t i = 0; i < Py_ARRAY_LENGTH(types); i++) {
        if (types[i].type->tp_vectorcall == types[i].ours) {
            types[i].type->tp_vectorcall = *types[i].plain;
        }
    }
    for (size_t i = 0; i < Py_ARRAY_LENGTH(exchanges); i++) {
        if (exchanges[i].def != NULL && exchanges[i].def->ml_meth == exchanges[i].ours) {
            exchanges[i].def->ml_meth = *exchanges[i].plain;
        }
    }
}
