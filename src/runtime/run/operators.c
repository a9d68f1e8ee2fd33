// operators.c - see operators.h.
#include "run/operators.h"
#include "python/compat.h"

// --- names ------------------------------------------------------------------------------------

typedef struct { const char *forward, *reflected, *inplace, *sign; } Names;
#define NAMES(name, sign) {"__" name "__", "__r" name "__", "__i" name "__", sign}
static const Names names[] = {
    [OP_ADD] = NAMES("add", "+"), [OP_AND] = NAMES("and", "&"),
    [OP_FLOORDIV] = NAMES("floordiv", "//"), [OP_LSHIFT] = NAMES("lshift", "<<"),
    [OP_MATMUL] = NAMES("matmul", "@"), [OP_MUL] = NAMES("mul", "*"), [OP_MOD] = NAMES("mod", "%"),
    [OP_OR] = NAMES("or", "|"), [OP_POW] = NAMES("pow", "**"), [OP_RSHIFT] = NAMES("rshift", ">>"),
    [OP_SUB] = NAMES("sub", "-"), [OP_TRUEDIV] = NAMES("truediv", "/"), [OP_XOR] = NAMES("xor", "^")};

const char *const compare_methods[6] = {
    [Py_LT] = "__lt__", [Py_LE] = "__le__", [Py_EQ] = "__eq__", [Py_NE] = "__ne__",
    [Py_GT] = "__gt__", [Py_GE] = "__ge__"};

const char *
binary_method(int op, int by)
{
    const Names *n = &names[op % OP_INPLACE];
    return by == OP_BY_INPLACE ? n->inplace : by == OP_BY_REFLECTED ? n->reflected : n->forward;
}

// --- the rest of the protocol -----------------------------------------------------------------

// self.name(other); NotImplemented if its class has no such method.
static PyObject *
call_method(PyObject *self, PyObject *other, const char *name)
{
    PyObject *key = PyUnicode_InternFromString(name);
    if (key == NULL) {
        return NULL;
    }
    PyObject *method = Py_XNewRef(compat_type_lookup(Py_TYPE(self), key));
    Py_DECREF(key);
    if (method == NULL) {
        return Py_NewRef(Py_NotImplemented);
    }
    descrgetfunc bind = Py_TYPE(method)->tp_descr_get;
    if (bind != NULL) {
        Py_SETREF(method, bind(method, self, (PyObject *)Py_TYPE(self)));
        if (method == NULL) {
            return NULL;
        }
    }
    PyObject *result = PyObject_CallOneArg(method, other);
    Py_DECREF(method);
    return result;
}

PyObject *
rest_of_binary(PyObject *x, PyObject *y, int op)
{
    int oparg = op & 31;
    PyObject *result = Py_NewRef(Py_NotImplemented);
    if (op & OP_BY_INPLACE) {
        Py_SETREF(result, call_method(x, y, binary_method(oparg, 0)));
    }
    if (result == Py_NotImplemented && !(op & OP_BY_REFLECTED) && Py_TYPE(x) != Py_TYPE(y)) {
        Py_SETREF(result, call_method(y, x, binary_method(oparg, OP_BY_REFLECTED)));
    }
    if (result != Py_NotImplemented) {
        return result;
    }
    Py_DECREF(result);
    const char *equals = oparg >= OP_INPLACE ? "=" : oparg == OP_POW ? " or pow()" : "";
    PyErr_Format(PyExc_TypeError, "unsupported operand type(s) for %s%s: '%.100s' and '%.100s'",
                 names[oparg % OP_INPLACE].sign, equals, Py_TYPE(x)->tp_name, Py_TYPE(y)->tp_name);
    return NULL;
}

static PyObject *
truth(PyObject *result, bool negate)
{
    if (result == NULL || (PyBool_Check(result) && !negate)) {
        return result;
    }
    int yes = PyObject_IsTrue(result);
    Py_DECREF(result);
    return yes < 0 ? NULL : PyBool_FromLong(yes != negate);
}

PyObject *
rest_of_compare(PyObject *x, PyObject *y, int op)
{
    static const int swapped[] = {[Py_LT] = Py_GT, [Py_LE] = Py_GE, [Py_EQ] = Py_EQ,
                                  [Py_NE] = Py_NE, [Py_GT] = Py_LT, [Py_GE] = Py_LE};
    static const char *const signs[] = {[Py_LT] = "<", [Py_LE] = "<=", [Py_GT] = ">", [Py_GE] = ">="};
    int which = op & 7;
    richcmpfunc compare = Py_TYPE(y)->tp_richcompare;
    PyObject *result = compare != NULL ? compare(y, x, swapped[which]) : Py_NewRef(Py_NotImplemented);
    if (result == Py_NotImplemented) {
        Py_DECREF(result);
        if (which != Py_EQ && which != Py_NE) {
            PyErr_Format(PyExc_TypeError,
                         "'%s' not supported between instances of '%.100s' and '%.100s'",
                         signs[which], Py_TYPE(x)->tp_name, Py_TYPE(y)->tp_name);
            return NULL;
        }
        result = PyBool_FromLong((x == y) == (which == Py_EQ));
    }
    return op & OP_TO_BOOL ? truth(result, false) : result;
}

// --- results ----------------------------------------------------------------------------------

static PyObject *
length(PyObject *result)
{
    Py_SETREF(result, PyNumber_Index(result));
    if (result == NULL) {
        return NULL;
    }
    int overflow;
    Py_ssize_t n = -1;
    long long value = PyLong_AsLongLongAndOverflow(result, &overflow);      // -1, too, if it is too large
    if (overflow < 0 || (overflow == 0 && value < 0)) {
        PyErr_SetString(PyExc_ValueError, "__len__() should return >= 0");
    }
    else {
        n = PyNumber_AsSsize_t(result, PyExc_OverflowError);
    }
    Py_DECREF(result);
    return n < 0 ? NULL : PyLong_FromSsize_t(n);
}

PyObject *
finish_operator(FrameKind kind, int op, PyObject *const *operands, PyObject *result)
{
    switch (kind) {
        case FRAME_BINARY:
        case FRAME_COMPARE:
            if (result == Py_NotImplemented) {
                Py_DECREF(result);
                return kind == FRAME_BINARY ? rest_of_binary(operands[0], operands[1], op)
                                            : rest_of_compare(operands[0], operands[1], op);
            }
            return kind == FRAME_COMPARE && (op & OP_TO_BOOL) ? truth(result, false) : result;
        case FRAME_CONTAINS:
            return truth(result, op == 1);
        case FRAME_BOOL:
            if (!PyBool_Check(result)) {
                PyErr_Format(PyExc_TypeError, "__bool__ should return bool, returned %s",
                             Py_TYPE(result)->tp_name);
                Py_CLEAR(result);
            }
            return result;
        case FRAME_LEN:
            return length(result);
        default:
            return result;
    }
}
