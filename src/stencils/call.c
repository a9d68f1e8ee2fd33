// call.c - C functions called from a trace. `function` is the address.
//
// C_... : touches nothing that a trace remembers of memory. CALL_... : may change any memory; the
// recorder puts SYNC before and GUARD_VALID after it where the function may run Python code.
#include "stencil.h"
#include "../runtime/base/helpers.h"

typedef OBJ (*Fn1)(OBJ);
typedef OBJ (*Fn2)(OBJ, OBJ);
typedef OBJ (*Fn3)(OBJ, OBJ, OBJ);
typedef OBJ (*Fn4)(OBJ, OBJ, OBJ, OBJ);
typedef OBJ (*FnArgs)(OBJ *, I64);
typedef int (*FnI1)(OBJ);
typedef int (*FnI2)(OBJ, OBJ);
typedef int (*FnI3)(OBJ, OBJ, OBJ);

// New object from one object, without side effects.
UOP(C_FROM1, (OBJ a), OBJ, EFFECT | CALLS | RAISES | ALLOC, (IMM64 function))
{
    result = ((Fn1)(uintptr_t)function)(a);
    ERROR_IF(result == NULL);
}

// New object from two objects, without side effects.
UOP(C_FROM2, (OBJ a, OBJ b), OBJ, EFFECT | CALLS | RAISES | ALLOC, (IMM64 function))
{
    result = ((Fn2)(uintptr_t)function)(a, b);
    ERROR_IF(result == NULL);
}

// New object from three objects, without side effects.
UOP(C_FROM3, (OBJ a, OBJ b, OBJ c), OBJ, EFFECT | CALLS | RAISES | ALLOC, (IMM64 function))
{
    result = ((Fn3)(uintptr_t)function)(a, b, c);
    ERROR_IF(result == NULL);
}

// Rich comparison of two exact ints.
UOP(C_COMPARE, (OBJ a, OBJ b), OBJ, EFFECT | CALLS | RAISES, (IMM32 op))
{
    result = PyLong_Type.tp_richcompare(a, b, (int)op);
    ERROR_IF(result == NULL);
}

// Non-negative number from two objects, or -1 with an exception; without side effects.
UOP(C_INT2, (OBJ a, OBJ b), I64, EFFECT | CALLS | RAISES, (IMM64 function))
{
    result = ((FnI2)(uintptr_t)function)(a, b);
    ERROR_IF(result < 0);
}

// left + right of exact strings, in place where nothing else refers to left. The reference to left is used
// up, whether it succeeds or raises.
UOP(STR_APPEND, (OBJ left, OBJ right), OBJ, EFFECT | CALLS | RAISES, ())
{
    result = help_str_append(left, right);
    ERROR_IF(result == NULL);
}

// left + right of two exact lists or two exact tuples, as a new object. If nothing else refers to left, its
// items are moved and left is of no use any more but to be let go; it keeps its reference.
UOP(JOIN_MOVING, (OBJ left, OBJ right), OBJ, EFFECT | CALLS | RAISES, (IMM64 function))
{
    result = ((Fn2)(uintptr_t)function)(left, right);
    ERROR_IF(result == NULL);
}

// Number of one object that cannot fail, without side effects.
UOP(C_NUMBER1, (OBJ a), I64, EFFECT | CALLS, (IMM64 function))
{
    result = ((I64 (*)(OBJ))(uintptr_t)function)(a);
}

// Object of one object; any effect.
UOP(CALL1, (OBJ a), OBJ, EFFECT | CALLS | RAISES | ESCAPES, (IMM64 function))
{
    result = ((Fn1)(uintptr_t)function)(a);
    ERROR_IF(result == NULL);
}

// Object of two objects; any effect.
UOP(CALL2, (OBJ a, OBJ b), OBJ, EFFECT | CALLS | RAISES | ESCAPES, (IMM64 function))
{
    result = ((Fn2)(uintptr_t)function)(a, b);
    ERROR_IF(result == NULL);
}

// Object of three objects; any effect.
UOP(CALL3, (OBJ a, OBJ b, OBJ c), OBJ, EFFECT | CALLS | RAISES | ESCAPES, (IMM64 function))
{
    result = ((Fn3)(uintptr_t)function)(a, b, c);
    ERROR_IF(result == NULL);
}

// Object of four objects; any effect.
UOP(CALL4, (OBJ a, OBJ b, OBJ c, OBJ d), OBJ, EFFECT | CALLS | RAISES | ESCAPES, (IMM64 function))
{
    result = ((Fn4)(uintptr_t)function)(a, b, c, d);
    ERROR_IF(result == NULL);
}

// Object of two objects and a number; any effect.
UOP(CALL2N, (OBJ a, OBJ b), OBJ, EFFECT | CALLS | RAISES | ESCAPES, (IMM64 function, IMM32 number))
{
    result = ((OBJ (*)(OBJ, OBJ, int))(uintptr_t)function)(a, b, (int)number);
    ERROR_IF(result == NULL);
}

// Truth of an object; any effect.
UOP(CALLI1, (OBJ a), I64, EFFECT | CALLS | RAISES | ESCAPES, (IMM64 function))
{
    result = ((FnI1)(uintptr_t)function)(a);
    ERROR_IF(result < 0);
}

// 0 or 1, or -1 with an exception, of two objects; any effect.
UOP(CALLI2, (OBJ a, OBJ b), I64, EFFECT | CALLS | RAISES | ESCAPES, (IMM64 function))
{
    result = ((FnI2)(uintptr_t)function)(a, b);
    ERROR_IF(result < 0);
}

// 0, or -1 with an exception, of three objects; any effect.
UOP(CALLI3, (OBJ a, OBJ b, OBJ c), I64, EFFECT | CALLS | RAISES | ESCAPES, (IMM64 function))
{
    result = ((FnI3)(uintptr_t)function)(a, b, c);
    ERROR_IF(result < 0);
}

// Exits unless the builtin function or method is of the definition given.
UOP(GUARD_CFUNCTION, (OBJ f), VOID, GUARD | EXITS, (IMM64 definition))
{
    EXIT_IF((uintptr_t)((PyCFunctionObject *)f)->m_ml != (uintptr_t)definition);
}

// The object that a builtin method is bound to, borrowed.
UOP(CFUNCTION_SELF, (OBJ f), OBJ, PURE, ())
{
    result = ((PyCFunctionObject *)f)->m_self;
}

// Put an argument where VECTORCALL finds it (borrowed) or TUPLE_NEW takes it (moved).
UOP(ARG, (OBJ value), VOID, EFFECT, (IMM32 offset))
{
    *(OBJ *)((char *)act + offset) = value;
}

// Call a callable with the `count` arguments in act->args[1..]; kwnames may be NULL.
UOP(VECTORCALL, (OBJ callable, OBJ kwnames), OBJ, EFFECT | CALLS | RAISES | ESCAPES, (IMM32 count))
{
    result = help_vectorcall(act, callable, (I64)count, kwnames);
    ERROR_IF(result == NULL);
}

// Call a Python function with the `count` arguments in act->args[1..] (moved), one for each
// parameter, by its own trace; `entry` is where the hook finds that.
UOP(CALL_NATIVE, (OBJ function), OBJ, EFFECT | CALLS | RAISES | ESCAPES, (IMM64 entry, IMM32 count))
{
    result = help_call_native(act, function, (void *)(uintptr_t)entry, (I64)count);
    ERROR_IF(result == NULL);
}

// Object made from the `count` objects in act->args[1..] (borrowed), without side effects.
UOP(C_FROM_ARGS, (), OBJ, EFFECT | CALLS | RAISES | ALLOC, (IMM64 function, IMM32 count))
{
    result = ((FnArgs)(uintptr_t)function)(act->args + 1, (I64)count);
    ERROR_IF(result == NULL);
}

// As C_FROM_ARGS, with any effect.
UOP(CALL_ARGS, (), OBJ, EFFECT | CALLS | RAISES | ESCAPES, (IMM64 function, IMM32 count))
{
    result = ((FnArgs)(uintptr_t)function)(act->args + 1, (I64)count);
    ERROR_IF(result == NULL);
}

// Several objects made from one, in act->args[1..]; how many is up to function and `shape`.
UOP(SPREAD, (OBJ o), VOID, EFFECT | CALLS | RAISES | ESCAPES, (IMM64 function, IMM32 shape))
{
    ERROR_IF(((int (*)(OBJ, I64, OBJ *))(uintptr_t)function)(o, (I64)shape, act->args + 1) < 0);
}

// 1 if the values of exactly these keys could be put into act->args[1..], borrowed; else 0.
UOP(DICT_SPREAD, (OBJ dict, OBJ keys), I64, EFFECT | CALLS, (IMM64 function))
{
    result = ((int (*)(OBJ, OBJ, OBJ *))(uintptr_t)function)(dict, keys, act->args + 1);
}

// What SPREAD has left at this place, with its reference (or borrowed, as DICT_SPREAD has).
UOP(ARG_TAKE, (), OBJ, EFFECT, (IMM32 offset))
{
    result = *(OBJ *)((char *)act + offset);
}

// Next value of an iterator: NULL at its end (no exception set).
UOP(ITER_NEXT, (OBJ iter), OBJ, EFFECT | CALLS | RAISES | ESCAPES, (IMM64 function))
{
    result = ((Fn1)(uintptr_t)function)(iter);
    if (UNLIKELY(result == NULL)) {
        ERROR_IF(help_iter_failed(act));
    }
}

// f-string parts in act->args[1..], joined.
UOP(STR_JOIN, (), OBJ, EFFECT | CALLS | RAISES | ALLOC, (IMM32 count))
{
    result = help_str_join(act, (I64)count);
    ERROR_IF(result == NULL);
}
