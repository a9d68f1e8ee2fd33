// box.c - between Python objects and unboxed values; what kind of object something is.
#include "stencil.h"
#include "../runtime/base/helpers.h"

// Exits unless the object's type is exactly `type`.
UOP(GUARD_TYPE, (OBJ o), VOID, GUARD | EXITS, (IMM64 type))
{
    EXIT_IF((uintptr_t)Py_TYPE(o) != (uintptr_t)type);
}

// Exits unless o is the object given.
UOP(GUARD_IS, (OBJ o), VOID, GUARD | EXITS, (IMM64 object))
{
    EXIT_IF((uintptr_t)o != (uintptr_t)object);
}

// Exits if o is the object given.
UOP(GUARD_IS_NOT, (OBJ o), VOID, GUARD | EXITS, (IMM64 object))
{
    EXIT_IF((uintptr_t)o == (uintptr_t)object);
}

// Exits unless a is b.
UOP(GUARD_SAME, (OBJ a, OBJ b), VOID, GUARD | EXITS, ())
{
    EXIT_IF(a != b);
}

// Exits if a is b.
UOP(GUARD_NOT_SAME, (OBJ a, OBJ b), VOID, GUARD | EXITS, ())
{
    EXIT_IF(a == b);
}

// 1 if a is b, else 0.
UOP(SAME, (OBJ a, OBJ b), I64, PURE, ())
{
    result = a == b;
}

// Exits if o is NULL.
UOP(GUARD_BOUND, (OBJ o), VOID, GUARD | EXITS, ())
{
    EXIT_IF(o == NULL);
}

// The value of an exact int; exits when it does not fit 64 bits.
UOP(UNBOX_INT, (OBJ o), I64, PURE | EXITS, ())
{
    PyLongObject *v = (PyLongObject *)o;
    uintptr_t tag = v->long_value.lv_tag;
    COLD_IF(tag >= (2 << 3));
    result = (1 - (I64)(tag & 3)) * (I64)v->long_value.ob_digit[0];
}
COLD
{
    PyLongObject *v = (PyLongObject *)o;
    uintptr_t tag = v->long_value.lv_tag;
    EXIT_IF(tag >= (3 << 3));
    I64 magnitude = (I64)v->long_value.ob_digit[0] | ((I64)v->long_value.ob_digit[1] << 30);
    result = (1 - (I64)(tag & 3)) * magnitude;
}

// The value of an exact bool.
UOP(UNBOX_BOOL, (OBJ o), I64, PURE, ())
{
    result = ((PyLongObject *)o)->long_value.ob_digit[0];
}

// The value of an exact float.
UOP(UNBOX_FLOAT, (OBJ o), F64, PURE, ())
{
    result = ((PyFloatObject *)o)->ob_fval;
}

// A new int object (small ones are shared).
UOP(BOX_INT, (I64 v), OBJ, ALLOC | CALLS | RAISES, ())
{
    result = PyLong_FromLongLong(v);
    ERROR_IF(result == NULL);
}

// A new float object, from the interpreter's list of free ones if there is one.
UOP(BOX_FLOAT, (F64 v), OBJ, ALLOC | RAISES, (IMM64 freelist))
{
    help_float_freelist *list = (help_float_freelist *)(uintptr_t)freelist;
    PyObject *o = list->items;
    COLD_IF(o == NULL);
    list->items = (PyObject *)o->ob_type;
    list->numfree--;
    o->ob_refcnt = 1;
    o->ob_type = &PyFloat_Type;
    ((PyFloatObject *)o)->ob_fval = v;
    result = o;
}
COLD
{
    result = PyFloat_FromDouble(v);
    ERROR_IF(result == NULL);
}

// As BOX_INT, where no exception can be raised (a box that a side trace's parent left unmade).
UOP(BOX_INT_SURE, (I64 v), OBJ, ALLOC | CALLS, ())
{
    result = help_box_int(v);
}

// As BOX_FLOAT, where no exception can be raised.
UOP(BOX_FLOAT_SURE, (F64 v), OBJ, ALLOC | CALLS, ())
{
    result = help_box_float(v);
}

// True or False.
UOP(BOX_BOOL, (I64 v), OBJ, PURE, ())
{
    result = v ? Py_True : Py_False;
}
