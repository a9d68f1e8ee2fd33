// assign_state.h - what the files of the register assignment share (assign*.c only).
#ifndef JITPATCH_ASSIGN_STATE_H
#define JITPATCH_ASSIGN_STATE_H

#include "back/assign.h"
#include "back/moves.h"
#include "back/stencil_table.h"
#include "base/aborts.h"

enum { NO_SLOT = -1, NEVER = 0xffff, NO_PHI = 0xffff };

// Flags of a value.
enum {
    VAL_PHI = 1,                        // left of a phi: changes at the jump back
    VAL_HOME_SLOT = 2,                  // such a phi, in its spill slot at LOOP
    VAL_NOWHERE = 4,                    // has no place: its inputs stand for it
};

// What is known of one value: an instruction's result or a constant.
typedef struct {
    int8_t reg;                         // holds it now, or NO_REG
    int8_t home;                        // the register it is in at LOOP, or NO_REG
    int8_t hint;                        // the register that would save a move, or NO_REG
    uint8_t flags;                      // VAL_*
    int16_t slot;                       // spill slot that holds it, or NO_SLOT
    uint16_t last;                      // last position that needs it; 0: none
    uint16_t last_snap;                 // last position whose snapshot needs it
    uint16_t last_use;                  // last position that wants it in a register
    uint16_t phi;                       // VAL_PHI: which
    uint16_t stamp;                     // the last collection of snapshot refs that met it
    uint32_t next;                      // next position that wants it in a register: index in
} Val;                                  //   State.uses; 0: none

typedef struct { uint32_t next; uint16_t pos; } Use;

// A value spilled before LOOP after all, because a register was wanted in the loop.
typedef struct { int reg; unsigned slot; Ref ref; } LateSpill;

typedef struct {
    Writer w;
    const Trace *t;
    Assignment *out;
    const AssignOptions *options;
    Val *vals;                          // instructions, then constants
    Use *uses;
    uint16_t *calls_after;              // [pos]: instructions with CALLS behind pos
    uint16_t *snap_exit;                // [snap]: newest exit with this snapshot, + 1
    uint32_t n_uses;
    uint32_t random;                    // generator's state; 0: no random choices
    uint16_t stamp;
    Ref pos;                            // instruction being assigned
    Ref end, loop_end;                  // last instruction; the same if it is LOOP_END, else 0
    bool in_loop;                       // pos is behind LOOP
    uint32_t occupied;                  // registers that hold a value
    uint32_t touched;                   // registers of loop_reg read since LOOP
    Ref in_reg[REGS];                   // what each holds, or 0
    Ref loop_reg[REGS];                 // what each holds at LOOP, or 0
    Ref slot_ref[ACT_SPILLS];           // what each slot holds, or 0
    unsigned n_late;
    LateSpill late[REGS];
} State;

static inline Val *
val_of(const State *s, Ref ref)
{
    return &s->vals[ref_is_const(ref) ? s->t->n_ins + (ref & ~KREF) : ref];
}

// A value that sits in a register or slot; other results exist only in the IR, and what needs
// them needs their inputs.
static inline bool
has_place(const Ins *ins)
{
    return !(ins->flags & INS_SUNK)
           && (!(uop_table[ins->op].flags & VIRTUAL) || ins->op == UOP_INHERIT);
}

static inline bool
is_float(IRType type)
{
    return type == TY_F64;
}

static inline uint32_t
class_mask(IRType type)
{
    return is_float(type) ? FLOAT_MASK : INT_MASK;
}

// May a constant stand in the code of any stencil that takes 32-bit constants?
static inline bool
surely_fits(uint64_t bits)
{
    return bits <= INT32_MAX;
}

static inline bool
may_fit(uint64_t bits)
{
    return bits <= UINT32_MAX || (int64_t)bits >= INT32_MIN;
}

// --- assign_live.c: the backward pass -----------------------------------------------------------
void live_find(State *s);
// Every ref with a place that the snapshot needs, into refs (room for `room`); how many. Aborts.
unsigned live_snapshot(State *s, uint16_t snap, RefLoc *refs, unsigned room);

// --- assign_regs.c: registers and slots ---------------------------------------------------------
unsigned next_use(State *s, Val *v, unsigned from);    // wanted in a register; or NEVER
bool needed_by_exit(const State *s, const Val *v, bool exits);
void hold(State *s, int reg, Ref ref);          // reg holds ref from now on
void let_go(State *s, int reg);                 // reg holds nothing from now on
void spill(State *s, Ref ref);                  // ref is in a slot as well, if it was not
void evict(State *s, int reg);                  // let go, spilled if needed
int prefer(State *s, uint32_t mask, const Val *v);      // the best register of mask for v
int take_reg(State *s, uint32_t mask, const Val *v);    // one of mask, evicted if none is free
int load(State *s, Ref ref, uint32_t mask);     // bring ref into a register of mask
Move move_to(State *s, Loc to, Ref ref);        // from wherever ref is
uint32_t next_random(State *s);

// --- assign_loop.c: where control arrives and departs -------------------------------------------
void loop_inherit(State *s);
void assign_loop_entry(State *s);
void loop_head(State *s);
void loop_back(State *s);
void loop_back_early(State *s);         // before the last check of a turn, if that is possible
void loop_jump(State *s);
void loop_late_spills(State *s);

#endif
