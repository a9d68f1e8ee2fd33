// float.c - arithmetic and comparison of unboxed floats.
#include "stencil.h"
#include "../runtime/base/helpers.h"

// a + b
UOP(FLOAT_ADD, (F64 a, F64 b), F64, PURE, ())
{
    result = a + b;
}

// a - b
UOP(FLOAT_SUB, (F64 a, F64 b), F64, PURE, ())
{
    result = a - b;
}

// a * b
UOP(FLOAT_MUL, (F64 a, F64 b), F64, PURE, ())
{
    result = a * b;
}

// a / b; exits when b is 0.
UOP(FLOAT_DIV, (F64 a, F64 b), F64, PURE | GUARD | EXITS, ())
{
    EXIT_IF(b == 0.0);
    result = a / b;
}

// -a
UOP(FLOAT_NEG, (F64 a), F64, PURE, ())
{
    result = -a;
}

// abs(a)
UOP(FLOAT_ABS, (F64 a), F64, PURE, ())
{
    result = __builtin_fabs(a);
}

// math.sqrt(a); exits when a is negative or not a number.
UOP(FLOAT_SQRT, (F64 a), F64, PURE | GUARD | EXITS, ())
{
    EXIT_IF(!(a >= 0.0));
    result = __builtin_sqrt(a);
}

// a ** b of finite numbers with a finite result that is a float; exits otherwise.
UOP(FLOAT_POW, (F64 a, F64 b), F64, PURE | GUARD | EXITS | CALLS, ())
{
    EXIT_IF(!help_float_pow(act, a, b));
    result = act->scratch;
}

// a % b with the sign of b; exits when b is 0.
UOP(FLOAT_MOD, (F64 a, F64 b), F64, PURE | GUARD | EXITS | CALLS, ())
{
    EXIT_IF(b == 0.0);
    result = help_float_mod(a, b);
}

// a // b; exits when b is 0.
UOP(FLOAT_FLOORDIV, (F64 a, F64 b), F64, PURE | GUARD | EXITS | CALLS, ())
{
    EXIT_IF(b == 0.0);
    result = help_float_floordiv(a, b);
}

// A C math function of one double without error cases for finite results; exits on inf and nan.
UOP(FLOAT_CALL1, (F64 a), F64, PURE | GUARD | EXITS | CALLS, (IMM64 function))
{
    F64 value = ((F64 (*)(F64))(uintptr_t)function)(a);
    EXIT_IF(!(__builtin_fabs(value) <= 1.7976931348623157e308));
    result = value;
}

// int(a), towards zero; exits when it does not fit.
UOP(FLOAT_TO_INT, (F64 a), I64, PURE | GUARD | EXITS, ())
{
    EXIT_IF(!(a > -9.2e18 && a < 9.2e18));
    result = (I64)a;
}

// 1 if a < b, else 0.
UOP(FLOAT_LT, (F64 a, F64 b), I64, PURE, ())
{
    result = a < b;
}

// 1 if a <= b, else 0.
UOP(FLOAT_LE, (F64 a, F64 b), I64, PURE, ())
{
    result = a <= b;
}

// 1 if a == b, else 0.
UOP(FLOAT_EQ, (F64 a, F64 b), I64, PURE, ())
{
    result = a == b;
}

// 1 if a != b, else 0.
UOP(FLOAT_NE, (F64 a, F64 b), I64, PURE, ())
{
    result = a != b;
}

// Exits unless a < b.
UOP(GUARD_FLOAT_LT, (F64 a, F64 b), VOID, GUARD | EXITS, ())
{
    EXIT_IF(!(a < b));
}

// Exits unless a <= b.
UOP(GUARD_FLOAT_LE, (F64 a, F64 b), VOID, GUARD | EXITS, ())
{
    EXIT_IF(!(a <= b));
}

// Exits unless a == b.
UOP(GUARD_FLOAT_EQ, (F64 a, F64 b), VOID, GUARD | EXITS, ())
{
    EXIT_IF(!(a == b));
}

// Exits if a < b (stays for nan).
UOP(GUARD_FLOAT_NLT, (F64 a, F64 b), VOID, GUARD | EXITS, ())
{
    EXIT_IF(a < b);
}

// Exits if a <= b (stays for nan).
UOP(GUARD_FLOAT_NLE, (F64 a, F64 b), VOID, GUARD | EXITS, ())
{
    EXIT_IF(a <= b);
}

// Exits if a == b (stays for nan).
UOP(GUARD_FLOAT_NE, (F64 a, F64 b), VOID, GUARD | EXITS, ())
{
    EXIT_IF(a == b);
}
