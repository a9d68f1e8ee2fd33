// stencil.h - all that a template may use.
//
// A template is the body of one UOP(...) declaration. buildtool reads the declarations of every
// file in this folder and generates, for each choice of registers, a C function that calls the
// body; clang's output for that function is the stencil. The same body, compiled into the
// extension as a plain C function, is what tests compare the machine code with.
//
//     // Comment: what the uop does, in one or two lines. It becomes the dump's description.
//     UOP(NAME, (inputs), OUTPUT, FLAGS, (operands))
//     {
//         ... C ...            `result` is the output; `act` the activation
//     }
//     COLD
//     {
//         ... C ...            optional: runs when COLD_IF was true, all registers preserved
//     }
//
// inputs    up to four of  I64 x | F64 x | OBJ x | I64K x (register, or 32-bit constant)
// output    VOID | I64 | F64 | OBJ
// flags     see below, joined by |
// operands  up to two of IMM64 x | IMM32 x: constants of the instruction, patched into the code
//
// In a body:
//   EXIT_IF(c)     leave the trace by this instruction's exit (state before the instruction)
//   ERROR_IF(c)    leave by the exit with a Python exception set
//   COLD_IF(c)     continue in the COLD block, out of line
// The statement order matters: EXIT_IF before any effect.
#ifndef JITPATCH_STENCIL_H
#define JITPATCH_STENCIL_H

#define Py_BUILD_CORE_MODULE 1
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>
#include "../runtime/base/activation.h"

typedef int64_t I64;
typedef double F64;
typedef PyObject *OBJ;

#define LIKELY(c) __builtin_expect(!!(c), 1)
#define UNLIKELY(c) __builtin_expect(!!(c), 0)

// (F64)a. x86's instruction leaves half of its register as it was, and so waits for whatever made
// that; a register made 0 first waits for nothing. (clang does the same within a function.)
static inline F64
i64_to_f64(I64 a)
{
#ifdef __x86_64__
    F64 f;
    __asm__("xorps %0, %0\n\tcvtsi2sdq %1, %0" : "=&x"(f) : "r"(a));
    return f;
#else
    return (F64)a;
#endif
}

// How a body ended. Every use is inlined, so that each becomes one jump.
typedef enum { UOP_NEXT, UOP_EXIT, UOP_ERROR, UOP_COLD } Outcome;
#define EXIT_IF(c) do { if (UNLIKELY(c)) return UOP_EXIT; } while (0)
#define ERROR_IF(c) do { if (UNLIKELY(c)) return UOP_ERROR; } while (0)
#define COLD_IF(c) do { if (UNLIKELY(c)) return UOP_COLD; } while (0)

#endif
