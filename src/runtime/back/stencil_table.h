// stencil_table.h - stencils as data: the shape of the tables that buildtool generates
// (generated/stencil_tables.h), read by assign.c (which variant) and emit.c (copy and patch).
//
// A uop's variants stand together in stencil_variants[], from uop_table[op].first_variant on.
// The index within them is a mixed-radix number over the choices, most significant first:
//   each input, in order: its register number; an I64K input has one choice more, the last,
//     which means "32-bit constant";
//   then the output's register number, if there is an output.
// Inputs of uops with CALLS add no digit: the k-th integer or object input is in the k-th C
// argument register, the k-th double in the k-th float one. The generated header also defines
// CALL_ARG_REG[] (r number of each C argument register).
// An entry of NO_STENCIL says that this choice was not built.
#ifndef JITPATCH_STENCIL_TABLE_H
#define JITPATCH_STENCIL_TABLE_H

#include <stdint.h>

#define NO_STENCIL 0xffffffffu

// Where in a stencil a hole lies.
typedef enum { PART_HOT, PART_COLD, PART_DATA } StencilPart;

// How the bytes of a hole are encoded (from the relocation). See patch_*.c. A machine has ABS64
// and those of its own; the fields of AArch64 are in a 4-byte instruction that the hole begins at.
typedef enum {
    PATCH_ABS64,        // 8 bytes, absolute
    PATCH_ABS32,        // 4 bytes, absolute, zero-extended: 0 .. 2^32-1
    PATCH_ABS32S,       // 4 bytes, absolute, sign-extended
    PATCH_REL32,        // 4 bytes, relative to the hole's address; addend -4 as in ELF
    PATCH_BRANCH26,     // AArch64 b, bl: 128 MiB either way
    PATCH_REL19,        // b.cond, cbz, cbnz, ldr of a literal: 1 MiB either way
    PATCH_ADR21,        // adr: 1 MiB either way
    PATCH_PAGE21,       // adrp: the 4 KiB page, 4 GiB either way
    PATCH_ADD12,        // add: the low 12 bits
    PATCH_LOAD12,       // ldr, str: the low 12 bits, counted in units of the access
    PATCH_MOVW0,        // movz, movk: bits 0-15 of the value
    PATCH_MOVW1,        // bits 16-31
    PATCH_MOVW2,        // bits 32-47
    PATCH_MOVW3,        // bits 48-63
    PATCH_MOVW1S,       // movz or movn by the sign: bits 16-31 of a value of 32 bits with its sign
    PATCH_KINDS
} PatchKind;

// What is written into a hole: symbol in templates -> value at run time.
typedef enum {
    HOLE_OPERAND0, HOLE_OPERAND1,       // the instruction's operands
    HOLE_INPUT0, HOLE_INPUT1, HOLE_INPUT2, HOLE_INPUT3, // constant of an I64K input
    HOLE_CONTINUE,                      // the instruction that follows
    HOLE_EXIT, HOLE_ERROR,              // this instruction's exit stub (EXIT_IF, ERROR_IF)
    HOLE_HOT, HOLE_COLD, HOLE_DATA,     // start of the stencil's own parts
    HOLE_SYMBOL,                        // a C function or object: stencil_symbols[hole.symbol]
} HoleValue;

typedef struct {
    uint16_t offset;                    // from the start of its part
    uint8_t part;                       // StencilPart
    uint8_t kind;                       // PatchKind
    uint8_t value;                      // HoleValue
    uint8_t symbol;                     // for HOLE_SYMBOL
    int32_t addend;
} Hole;

typedef struct {
    uint32_t bytes;                     // offset in stencil_bytes: hot, then cold, then data
    uint16_t hot_size, cold_size, data_size;
    uint16_t n_holes;
    uint32_t first_hole;                // into stencil_holes[]
} Stencil;

extern const uint8_t stencil_bytes[];
extern const Hole stencil_holes[];
extern const Stencil stencils[];
extern const uint32_t stencil_variants[];
extern void *const stencil_symbols[];
extern const char *const stencil_symbol_names[];
extern const uint8_t CALL_ARG_REG[];    // r numbers of the C argument registers, in order
extern const char stencil_digest[];     // of what the stencils were made from
extern const char stencil_target[];     // such as x86_64-unknown-linux-gnu
// How long the arrays are (tables.c).
extern const uint32_t stencil_count, stencil_variant_count, stencil_call_args;

#endif
