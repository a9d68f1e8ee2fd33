// assign.h - IR -> the list of stencils to copy, with every value in a register or spill slot.
#ifndef JITPATCH_ASSIGN_H
#define JITPATCH_ASSIGN_H

#include "ir/ir.h"

enum { MAX_CODE = 16000, MAX_EXITS = 2500, MAX_EXIT_LOCS = 40000, NO_EXIT = 0xffff };

// One stencil of the trace, in order.
typedef struct {
    uint32_t stencil;                   // index into stencils[]
    uint16_t exit;                      // its exit, or NO_EXIT
    Ref ref;                            // the IR instruction it belongs to (for dumps)
    uint64_t operand[MAX_OPERANDS];
    uint64_t input[MAX_INPUTS];         // constants of I64K inputs
} Placed;

// Where a ref is at one place of the code (an exit, or LOOP_ENTRY).
typedef struct { Ref ref; Loc loc; } RefLoc;

// An exit: one per instruction that can leave. Several may share a snapshot.
typedef struct {
    uint16_t snap;
    Ref ref;                            // the instruction that leaves
    uint32_t first_loc, n_locs;         // into locs[]: every ref the snapshot needs
} AssignedExit;

typedef struct {
    uint32_t n_code, n_exits, n_locs, n_entry_locs;
    uint16_t spills;                    // spill slots used, counting from 0
    uint32_t loop_entry_at, loop_at;    // index into code[] where LOOP_ENTRY and LOOP stand
    Placed code[MAX_CODE];
    AssignedExit exits[MAX_EXITS];
    RefLoc locs[MAX_EXIT_LOCS];
    RefLoc entry_locs[256];             // what must be where for a jump to LOOP_ENTRY
} Assignment;

// Options for tests: `random` != 0 seeds random register choice (hostile build).
typedef struct { uint16_t first_spill; uint32_t random; } AssignOptions;

// 0, or an abort reason (aborts.def): too many spills, code or exits; no stencil for a choice.
int assign_trace(const Trace *t, const AssignOptions *options, Assignment *out);

#endif
