// int.c - arithmetic and comparison of unboxed ints.
//
// An I64 stands for a Python int that fits 64 bits. What does not fit leaves the trace before
// anything has happened; the interpreter then does it with big ints.
#include "stencil.h"

// a + b; exits when the sum does not fit.
UOP(INT_ADD, (I64 a, I64K b), I64, PURE | EXITS, ())
{
    EXIT_IF(__builtin_add_overflow(a, b, &result));
}

// a + b, known to fit.
UOP(INT_ADD_SURE, (I64 a, I64K b), I64, PURE, ())
{
    result = (I64)((uint64_t)a + (uint64_t)b);
}

// a - b; exits when the difference does not fit.
UOP(INT_SUB, (I64 a, I64K b), I64, PURE | EXITS, ())
{
    EXIT_IF(__builtin_sub_overflow(a, b, &result));
}

// a * b; exits when the product does not fit.
UOP(INT_MUL, (I64 a, I64 b), I64, PURE | EXITS, ())
{
    EXIT_IF(__builtin_mul_overflow(a, b, &result));
}

// -a; exits for the least int.
UOP(INT_NEG, (I64 a), I64, PURE | EXITS, ())
{
    EXIT_IF(__builtin_sub_overflow((I64)0, a, &result));
}

// ~a
UOP(INT_INVERT, (I64 a), I64, PURE, ())
{
    result = ~a;
}

// a & b
UOP(INT_AND, (I64 a, I64K b), I64, PURE, ())
{
    result = a & b;
}

// a | b
UOP(INT_OR, (I64 a, I64K b), I64, PURE, ())
{
    result = a | b;
}

// a ^ b
UOP(INT_XOR, (I64 a, I64K b), I64, PURE, ())
{
    result = a ^ b;
}

// a << b; exits when the result does not fit or b is not in 0..62.
UOP(INT_SHL, (I64 a, I64 b), I64, PURE | GUARD | EXITS, ())
{
    EXIT_IF((uint64_t)b > 62);
    I64 shifted = (I64)((uint64_t)a << b);
    EXIT_IF((shifted >> b) != a);
    result = shifted;
}

// a >> b; exits when b is negative.
UOP(INT_SHR, (I64 a, I64 b), I64, PURE | GUARD | EXITS, ())
{
    EXIT_IF(b < 0);
    result = a >> (b > 63 ? 63 : b);
}

// a // b, rounding down; exits when b is 0 or the quotient does not fit.
UOP(INT_FLOORDIV, (I64 a, I64 b), I64, PURE | GUARD | EXITS, ())
{
    EXIT_IF((uint64_t)b + 1 <= 1);              // 0 and -1
    I64 quotient = a / b;
    result = quotient - ((a % b != 0) & ((a ^ b) < 0));
}

// a % b with the sign of b; exits when b is 0 or -1.
UOP(INT_MOD, (I64 a, I64 b), I64, PURE | GUARD | EXITS, ())
{
    EXIT_IF((uint64_t)b + 1 <= 1);
    I64 remainder = a % b;
    result = remainder + (((remainder != 0) & ((remainder ^ b) < 0)) ? b : 0);
}

// a // 2**shift
UOP(INT_FLOORDIV_POW2, (I64 a), I64, PURE, (IMM32 shift))
{
    result = a >> (shift & 63);
}

// a / b as a float; exits when b is 0 or an operand is not exact as a double.
UOP(INT_TRUEDIV, (I64 a, I64 b), F64, PURE | GUARD | EXITS, ())
{
    EXIT_IF(b == 0);
    EXIT_IF((uint64_t)(a + (1LL << 53)) > (2ULL << 53));
    EXIT_IF((uint64_t)(b + (1LL << 53)) > (2ULL << 53));
    result = i64_to_f64(a) / i64_to_f64(b);
}

// float(a); exits when a is not exact as a double.
UOP(INT_TO_FLOAT, (I64 a), F64, PURE | EXITS, ())
{
    EXIT_IF((uint64_t)(a + (1LL << 53)) > (2ULL << 53));
    result = i64_to_f64(a);
}

// float(a), known to be exact.
UOP(INT_TO_FLOAT_SURE, (I64 a), F64, PURE, ())
{
    result = i64_to_f64(a);
}

// 1 if a < b, else 0.
UOP(INT_LT, (I64 a, I64K b), I64, PURE, ())
{
    result = a < b;
}

// 1 if a <= b, else 0.
UOP(INT_LE, (I64 a, I64K b), I64, PURE, ())
{
    result = a <= b;
}

// 1 if a == b, else 0.
UOP(INT_EQ, (I64 a, I64K b), I64, PURE, ())
{
    result = a == b;
}

// 1 if a != b, else 0.
UOP(INT_NE, (I64 a, I64K b), I64, PURE, ())
{
    result = a != b;
}

// 1 if a > b, else 0.
UOP(INT_GT, (I64 a, I64K b), I64, PURE, ())
{
    result = a > b;
}

// 1 if a >= b, else 0.
UOP(INT_GE, (I64 a, I64K b), I64, PURE, ())
{
    result = a >= b;
}

// Exits unless a < b.
UOP(GUARD_INT_LT, (I64 a, I64K b), VOID, GUARD | EXITS, ())
{
    EXIT_IF(!(a < b));
}

// Exits unless a <= b.
UOP(GUARD_INT_LE, (I64 a, I64K b), VOID, GUARD | EXITS, ())
{
    EXIT_IF(!(a <= b));
}

// Exits unless a == b.
UOP(GUARD_INT_EQ, (I64 a, I64K b), VOID, GUARD | EXITS, ())
{
    EXIT_IF(a != b);
}

// Exits unless a != b.
UOP(GUARD_INT_NE, (I64 a, I64K b), VOID, GUARD | EXITS, ())
{
    EXIT_IF(a == b);
}

// Exits unless a > b.
UOP(GUARD_INT_GT, (I64 a, I64K b), VOID, GUARD | EXITS, ())
{
    EXIT_IF(!(a > b));
}

// Exits unless a >= b.
UOP(GUARD_INT_GE, (I64 a, I64K b), VOID, GUARD | EXITS, ())
{
    EXIT_IF(!(a >= b));
}

// Exits unless 0 <= a < b.
UOP(GUARD_INDEX, (I64 a, I64K b), VOID, GUARD | EXITS, ())
{
    EXIT_IF((uint64_t)a >= (uint64_t)b);
}
