// uop.h - what is known of every uop: the shape of the table that buildtool generates from the
// UOP(...) declarations in src/stencils/.
#ifndef JITPATCH_UOP_H
#define JITPATCH_UOP_H

#include <stdint.h>
#include <stdbool.h>

// Types of IR values. TY_OBJ is a PyObject *, TY_I64 an unboxed int or truth value, TY_F64 an
// unboxed float.
typedef enum { TY_VOID, TY_OBJ, TY_I64, TY_F64 } IRType;

// Effects of a uop; the third part of its declaration.
enum {
    PURE = 1 << 0,      // result depends on inputs and operands alone: may be shared and dropped
    EXITS = 1 << 1,     // may leave the trace, before it has had any effect
    RAISES = 1 << 2,    // may leave with an exception set
    CALLS = 1 << 3,     // calls C: inputs in the C argument registers, call-clobbered ones are lost
    ESCAPES = 1 << 4,   // may run any Python code: all that is known of memory is forgotten
    ALLOC = 1 << 5,     // returns a new object that nobody else has seen
    GUARD = 1 << 6,     // checks something: stays even when its result is unused (the exit may be
                        //   the way to an exception); a second one on the same inputs is dropped
    EFFECT = 1 << 7,    // must stay even when its result is unused
    VIRTUAL = 1 << 8,   // exists in the IR only; never emitted (the build makes no stencil)
    CONTROL = 1 << 9,   // entry, loop, exit stub: placed by emit.c, never chosen by the recorder
};

// Memory that loads and stores touch: READS(x) and WRITES(x) in the flags. LENGTH is that of lists
// and arrays: storing an item does not change it (build.c knows what does).
typedef enum {
    MEM_NONE, MEM_FRAME, MEM_LIST, MEM_TUPLE, MEM_ITER, MEM_ITER_SEQ, MEM_FIELD, MEM_CELL, MEM_DICT,
    MEM_REFCNT, MEM_ARRAY, MEM_SET, MEM_LENGTH, MEM_GLOBAL, MEM_COUNT
} MemClass;
#define READS(x) (MEM_##x << 16)
#define WRITES(x) (MEM_##x << 20)
#define UOP_READS(flags) (((flags) >> 16) & 15)
#define UOP_WRITES(flags) (((flags) >> 20) & 15)

enum { MAX_INPUTS = 4, MAX_OPERANDS = 2 };

typedef enum { OPERAND_NONE, OPERAND_IMM32, OPERAND_IMM64 } OperandKind;

typedef struct {
    const char *name;
    uint32_t flags;
    uint8_t output;                     // IRType
    uint8_t n_inputs, n_operands;
    uint8_t inputs[MAX_INPUTS];         // IRType
    uint8_t konst;                      // bit k: input k may be a 32-bit constant (I64K)
    uint8_t operands[MAX_OPERANDS];     // OperandKind
    uint32_t first_variant;             // into stencil_variants[]; see stencil_table.h
    const char *source;                 // where it is declared: file:line, or "" (NOP may be undeclared)
    const char *help;                   // the comment above the declaration
} UopInfo;

extern const UopInfo uop_table[];

#endif
