// moves.c - moves, spills, reloads and constants as stencils, one by one or many at once.
//
// A parallel move is the heart: at a call, a jump back or a jump to another trace many values
// change places at once. A move may be placed when nobody still has to read what it overwrites.
// When none may, what is left is cycles: one place of a cycle is copied to a temporary, its
// readers read there, and the cycle is a chain. Since every place is written once, a cycle is
// dissolved completely before the next one stalls us: one temporary is enough.
#include "back/moves.h"

#include <stddef.h>
#include "base/aborts.h"
#include "back/stencil_table.h"

enum { PLACES = REGS + ACT_SPILLS };

Placed *
place(Writer *w, uint32_t stencil)
{
    Assignment *out = w->out;
    if (w->abort) {
        return NULL;
    }
    if (out->n_code == MAX_CODE || stencil == NO_STENCIL) {
        w->abort = stencil == NO_STENCIL ? ABORT_ASSIGN_STENCIL : ABORT_ASSIGN_CODE;
        return NULL;
    }
    // emit.c will want it: the tables are too large to stay in the caches from trace to trace.
    __builtin_prefetch(&stencils[stencil]);
    Placed *placed = &out->code[out->n_code++];
    placed->stencil = stencil;
    placed->exit = NO_EXIT;
    placed->ref = w->ref;
    return placed;
}

static void
place_stencil(Writer *w, enum Uop op, uint32_t choice, uint64_t operand)
{
    Placed *placed = place(w, stencil_variants[uop_table[op].first_variant + choice]);
    if (placed) {
        placed->operand[0] = operand;
    }
}

static uint64_t
slot_offset(unsigned slot)
{
    return offsetof(Activation, spills) + 8 * (uint64_t)slot;
}

void
place_move(Writer *w, int to, int from)
{
    if (to < INT_REGS) {
        place_stencil(w, UOP_MOVE_I, from * INT_REGS + to, 0);
    }
    else {
        place_stencil(w, UOP_MOVE_F, (from - INT_REGS) * FLOAT_REGS + to - INT_REGS, 0);
    }
}

void
place_spill(Writer *w, int reg, unsigned slot)
{
    if (reg < INT_REGS) {
        place_stencil(w, UOP_SPILL_I, reg, slot_offset(slot));
    }
    else {
        place_stencil(w, UOP_SPILL_F, reg - INT_REGS, slot_offset(slot));
    }
}

void
place_reload(Writer *w, int reg, unsigned slot)
{
    if (reg < INT_REGS) {
        place_stencil(w, UOP_RELOAD_I, reg, slot_offset(slot));
    }
    else {
        place_stencil(w, UOP_RELOAD_F, reg - INT_REGS, slot_offset(slot));
    }
}

void
place_const(Writer *w, int reg, Ref konst)
{
    uint64_t bits = w->t->konsts[konst & ~KREF].bits;
    if (reg >= INT_REGS) {
        place_stencil(w, bits ? UOP_CONST_F : UOP_CONST_F_ZERO, reg - INT_REGS, bits);
    }
    else if ((int64_t)bits == (int32_t)bits) {
        place_stencil(w, bits ? UOP_CONST_I32 : UOP_CONST_ZERO, reg, bits);
    }
    else {
        place_stencil(w, UOP_CONST_I, reg, bits);
    }
}

// --- parallel moves ---------------------------------------------------------------------------

// State of one parallel move.
typedef struct {
    Writer *w;
    Move *moves;
    unsigned n;                         // moves not placed yet, at the front
    uint32_t taken;                     // registers that cannot be temporaries
    uint16_t reads[PLACES];             // moves that still read each place
} Parallel;

static unsigned
place_of(Loc loc)
{
    if (loc >= LOC_SPILL) {
        return REGS + loc - LOC_SPILL;
    }
    return loc >= LOC_FREG ? INT_REGS + loc - LOC_FREG : loc - LOC_REG;
}

static bool
in_memory(Loc loc)
{
    return loc >= LOC_SPILL;
}

// One of the two slots kept for parallel moves; given out on first need.
static unsigned
spare_slot(Writer *w, unsigned which)
{
    if (w->spare == 0) {                // 0 means none: slot 0 is never spare
        uint16_t spare = w->spills ? w->spills : 1;
        if (spare + 2 > ACT_SPILLS) {
            w->abort = ABORT_ASSIGN_SPILLS;
            return 0;
        }
        w->spare = spare;
        w->spills = spare + 2;
    }
    return w->spare + which;
}

// Carry one value to a place in memory, through any register: the bits are all that counts.
static void
store_through(Parallel *p, unsigned slot, const Move *move)
{
    uint32_t idle = ~p->taken & (INT_MASK | FLOAT_MASK);
    int reg = idle ? __builtin_ctz(idle) : 0;
    if (!idle) {
        place_spill(p->w, reg, spare_slot(p->w, 1));
    }
    if (move->from) {
        place_reload(p->w, reg, move->from - LOC_SPILL);
    }
    else {
        place_const(p->w, reg, move->konst);
    }
    place_spill(p->w, reg, slot);
    if (!idle) {
        place_reload(p->w, reg, spare_slot(p->w, 1));
    }
}

static void
place_one(Parallel *p, const Move *move)
{
    int to = place_of(move->to);
    if (in_memory(move->to)) {
        if (move->from && !in_memory(move->from)) {
            place_spill(p->w, place_of(move->from), move->to - LOC_SPILL);
        }
        else {
            store_through(p, move->to - LOC_SPILL, move);
        }
    }
    else if (!move->from) {
        place_const(p->w, to, move->konst);
    }
    else if (in_memory(move->from)) {
        place_reload(p->w, to, move->from - LOC_SPILL);
    }
    else {
        place_move(p->w, to, place_of(move->from));
    }
}

// Only cycles are left: copy what one of their places holds, and let its readers read there.
static void
break_cycle(Parallel *p)
{
    unsigned pick = 0;
    for (unsigned i = 0; i < p->n; i++) {
        if (!in_memory(p->moves[i].to)) {
            pick = i;
            break;
        }
    }
    Loc cut = p->moves[pick].to, copy;
    uint32_t idle = 0;
    if (!in_memory(cut)) {
        idle = ~p->taken & (cut >= LOC_FREG ? FLOAT_MASK : INT_MASK);
    }
    if (idle) {
        int reg = __builtin_ctz(idle);
        copy = reg_loc(reg);
        p->taken |= 1u << reg;
    }
    else {
        copy = LOC_SPILL + spare_slot(p->w, 0);
    }
    place_one(p, &(Move){ .to = copy, .from = cut });
    for (unsigned i = 0; i < p->n; i++) {
        if (p->moves[i].from == cut) {
            p->moves[i].from = copy;
        }
    }
    p->reads[place_of(copy)] = p->reads[place_of(cut)];
    p->reads[place_of(cut)] = 0;
}

void
place_parallel(Writer *w, Move *moves, unsigned n, uint32_t keep)
{
    Parallel p = { .w = w, .moves = moves, .taken = keep };
    for (unsigned i = 0; i < n; i++) {
        if (!in_memory(moves[i].to)) {
            p.taken |= 1u << place_of(moves[i].to);
        }
        if (moves[i].from && !in_memory(moves[i].from)) {
            p.taken |= 1u << place_of(moves[i].from);
        }
        if (moves[i].from != moves[i].to) {
            if (moves[i].from) {
                p.reads[place_of(moves[i].from)]++;
            }
            moves[p.n++] = moves[i];
        }
    }
    while (p.n && !w->abort) {
        unsigned left = 0, before = p.n;
        for (unsigned i = 0; i < before; i++) {
            Move *move = &moves[i];
            if (p.reads[place_of(move->to)]) {
                moves[left++] = *move;
                continue;
            }
            place_one(&p, move);
            if (move->from) {
                p.reads[place_of(move->from)]--;
            }
        }
        p.n = left;
        if (left == before) {
            break_cycle(&p);
        }
    }
}
