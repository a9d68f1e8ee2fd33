// ir.h - a trace: linear SSA instructions, constants, and snapshots.
//
// A root trace is   entry part | LOOP_ENTRY | peeled iteration | LOOP | loop body,   the body
// ending in a jump back to LOOP; or it stops with an unconditional exit. A side trace has no
// entry part and ends in a jump to some root's LOOP_ENTRY, or in an exit.
//
// An instruction is a uop with refs as inputs; uop_table says everything else about it.
#ifndef JITPATCH_IR_H
#define JITPATCH_IR_H

#include <Python.h>
#include <stdbool.h>
#include <stdint.h>
#include "python/codeunit.h"
#include "ir/uop.h"
#include "../../../generated/uops.h"       // enum Uop

// Ref: index of an instruction, or, with KREF set, of a constant. 0 is no ref (ins[0] is a NOP).
typedef uint16_t Ref;
#define KREF 0x8000
#define NO_REF 0
static inline bool ref_is_const(Ref ref) { return (ref & KREF) != 0; }

enum { MAX_INS = 6000, MAX_KONSTS = 2000, MAX_SNAPS = 1500, MAX_SNAP_ENTRIES = 30000,
       MAX_SNAP_FRAMES = 6000, MAX_INLINE = 12, NO_SNAP = 0xffff };

typedef struct {
    uint16_t op;                        // enum Uop
    uint8_t type;                       // IRType of the result
    uint8_t flags;                      // INS_*
    Ref in[MAX_INPUTS];
    uint16_t snap;                      // snapshot of its exit, or NO_SNAP
    Ref chain;                          // previous instruction of the same op, for CSE
    uint64_t operand[MAX_OPERANDS];
} Ins;

enum {
    INS_DEAD = 1,                       // removed by a pass
    INS_SUNK = 2,                       // an allocation made only at the exits that need it
    INS_MARK = 4,                       // scratch bit of the pass that runs
    INS_ENTRY = 8,                      // belongs to the entry part, before LOOP_ENTRY
    INS_KNOWN = 16,                     // of a side trace: done by a trace before it, dead here; in[3]
                                        // is the ref that has its value, or NO_REF (side_facts.h)
};

typedef struct {
    uint8_t type;                       // IRType
    uint64_t bits;                      // PyObject *, int64_t or double, as bits
} Konst;

// Where a value is at run time. assign.c decides; exit.c and side traces read.
typedef uint16_t Loc;
enum { LOC_NONE = 0, LOC_REG = 0x100, LOC_FREG = 0x200, LOC_SPILL = 0x1000 };  // + number

// A snapshot: how to rebuild every frame for the interpreter at one exit.
// Frames from the outermost (0: the frame the root was entered with) inwards.
typedef struct {
    PyObject *code;                     // code object (kept alive by the executor)
    Ref func;                           // the function object, frames > 0
    uint16_t depth;                     // operand stack depth
    uint16_t return_offset;             // as in the caller's CALL; how far to go on after return
    uint8_t kind;                       // FrameKind: what happens with the returned value
    uint8_t extra_how;                  // SLOT_TAKE or SLOT_NEW: whose reference `extra` is
    uint8_t n_kept, op;                 // operators: see FrameKind and operators.h
    Ref memory;                         // its address if it exists in memory, else NO_REF; of a
                                        // generator: if it is linked
    uint16_t end_offset;                // FRAME_GENERATOR: as return_offset, when it ends
    _Py_CODEUNIT *ip;                   // instruction to execute next; in callers: the call
    Ref extra;                          // FRAME_INIT: the new object
} SnapFrame;

typedef enum {
    FRAME_ROOT,                         // the frame on which the trace was entered
    FRAME_CALL,                         // returned value is pushed in the caller
    FRAME_INIT,                         // __init__: check for None, push `extra` instead
    FRAME_GENERATOR,                    // that of the generator `extra`: what it yields is pushed in
                                        // the caller, a `for` loop; it exists, but see `memory`
    // The rest implement operators. What they work on stays on the caller's stack meanwhile
    // (n_kept entries) and gives way to the result; operators.h says which that is.
    FRAME_KEEPING,                      // __call__, __neg__: what was returned
    FRAME_DISCARD,                      // __setitem__: none
    FRAME_BINARY,                       // __add__ and the like: what was returned, or what others do
    FRAME_COMPARE,                      // __eq__ and the like: the same
    FRAME_CONTAINS,                     // __contains__: the truth of what was returned
    FRAME_BOOL,                         // __bool__: a bool
    FRAME_LEN,                          // __len__: a number
} FrameKind;

// One slot that memory does not hold yet. Slots not listed are in memory as they should be.
typedef struct {
    uint8_t frame;                      // which frame
    uint8_t how;                        // SlotHow
    uint16_t slot;                      // index in localsplus
    Ref ref;
} SnapEntry;

typedef enum {
    SLOT_TAKE,                          // the slot takes over the trace's reference
    SLOT_NEW,                           // the slot needs a new reference
    SLOT_NULL,                          // the slot becomes NULL
    SLOT_PARAM,                         // ref is a SLOT_BOX: if memory is NULL, box its input
    SLOT_DROP,                          // no slot: a reference to drop after all else is done
    SLOT_STORE,                         // no slot: a store to an object's field, held back (slot:
                                        //   the sunk store's instruction)
} SlotHow;

typedef enum {
    EXIT_GUARD,                         // a guard failed; state is before its bytecode
    EXIT_ERROR,                         // exception set; raise it at frame[last].ip
    EXIT_END,                           // the trace ends here on purpose
} ExitKind;

typedef struct {
    uint32_t first, count;              // entries
    uint32_t first_frame;
    uint8_t n_frames;
    uint8_t yields;                     // the trace ends here because its generator yields (1) or returns
                                        // None (2)
    uint8_t no_side;                    // 1: never grow a side trace here
    uint8_t decided;                    // 1: the state after its guard has failed, not before it
    uint8_t seen;                       // 1: frame objects exist though nobody may have seen locals (Recorder.seen)
    uint8_t handled;                    // exceptions that the trace has raised, and is handling (Recorder.handled)
    uint32_t interp;                    // instructions of the interpreter's from the trace's start to here
    _Py_CODEUNIT *drop_ip;              // where the innermost frame stands while SLOT_DROPs go
} Snapshot;

typedef struct { Ref left, right; } Phi;        // value at LOOP -> value at the jump back
typedef struct { Ref ref; Loc to; } Carry;      // a value brought to a place

// One trace while it is being made; arrays grow nowhere, limits abort (aborts.def).
typedef struct Trace {
    uint16_t n_ins, n_konsts, n_snaps;
    uint32_t n_entries, n_frames;
    bool is_side;                       // starts from an exit: no entry part
    uint16_t null_from, null_to;        // slots of the outermost frame that are NULL at the start
    Ref loop_entry;                     // ref of LOOP_ENTRY, or 0
    Ref loop;                           // ref of LOOP, or 0
    Ref end;                            // ref of the last instruction
    uint16_t n_copies;                  // a peeled loop: copy_of[] of how many instructions is known
    uint16_t n_phis;
    Phi phis[256];
    uint16_t n_jump;                    // side traces that end in JUMP: values the target wants,
    Carry jump[256];                    // and where
    Ref chain[UOP_COUNT];               // newest instruction of each op
    Ins ins[MAX_INS];
    Konst konsts[MAX_KONSTS];
    Snapshot snaps[MAX_SNAPS];
    SnapEntry entries[MAX_SNAP_ENTRIES];
    SnapFrame frames[MAX_SNAP_FRAMES];
    Ref copy_of[MAX_INS];               // what an instruction's value is a turn later (opt_loop.c), or NO_REF
} Trace;

static inline IRType ref_type(const Trace *t, Ref ref) {
    return ref_is_const(ref) ? t->konsts[ref & ~KREF].type : t->ins[ref].type;
}

#endif
