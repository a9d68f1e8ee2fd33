// assign_loop.c - the places of a trace where control arrives or departs, and where every value
// must therefore be: INHERIT, LOOP_ENTRY, LOOP, LOOP_END, JUMP.
//
// LOOP is reached from the peeled iteration and from LOOP_END. What the first finds in registers
// there (loop_reg) and in slots the second restores. A value that does not change needs nothing
// while it stays where it is; a slot holds it for good. A phi's left has exactly one place at
// LOOP, its home, and its right is brought there.
#include "back/assign_state.h"

#include <string.h>

enum { SPARE_REGS = 2 };                // left free when constants are loaded ahead of a loop

// --- a side trace's incoming values -------------------------------------------------------------

// Two refs inherit one register: the second gets a copy.
static void
inherit_copy(State *s, Ref ref, int from)
{
    uint32_t idle = class_mask(s->t->ins[ref].type) & ~s->occupied;
    if (idle) {
        int reg = prefer(s, idle, val_of(s, ref));
        place_move(&s->w, reg, from);
        hold(s, reg, ref);
        return;
    }
    Val *v = val_of(s, ref);
    v->reg = from;
    spill(s, ref);
    v->reg = NO_REG;
}

// All other slots of the parent are free: what this trace needs it inherits. Of two refs in one
// slot the one needed longer keeps it.
static void
inherit_slot(State *s, Ref ref, unsigned slot)
{
    Ref other = s->slot_ref[slot];
    if (other == 0 || val_of(s, other)->last < val_of(s, ref)->last) {
        s->slot_ref[slot] = ref;
    }
    val_of(s, ref)->slot = slot;
    if (slot >= s->w.spills) {
        s->w.spills = slot + 1;
    }
}

void
loop_inherit(State *s)
{
    const Trace *t = s->t;
    Ref end = 1;
    while (end <= s->end && ((t->ins[end].flags & (INS_DEAD | INS_SUNK))
                             || (uop_table[t->ins[end].op].flags & VIRTUAL))) {
        end++;
    }
    for (int copies = 0; copies < 2; copies++) {        // first every register has its one ref
        for (Ref ref = 1; ref < end; ref++) {
            const Ins *ins = &t->ins[ref];
            Val *v = val_of(s, ref);
            if (ins->op != UOP_INHERIT || (ins->flags & INS_DEAD) || v->last == 0) {
                continue;
            }
            Loc loc = (Loc)ins->operand[0];
            if (loc >= LOC_SPILL) {
                inherit_slot(s, ref, loc - LOC_SPILL);
                continue;
            }
            int reg = loc >= LOC_FREG ? loc - LOC_FREG + INT_REGS : loc - LOC_REG;
            if (!copies && !s->in_reg[reg]) {
                hold(s, reg, ref);
            }
            else if (copies && v->reg == NO_REG && v->slot == NO_SLOT) {
                inherit_copy(s, ref, reg);
            }
        }
    }
}

// --- LOOP_ENTRY ---------------------------------------------------------------------------------

static void
add_entry(State *s, Ref ref, Loc loc)
{
    Assignment *out = s->out;
    if (out->n_entry_locs == sizeof(out->entry_locs) / sizeof(out->entry_locs[0])) {
        s->w.abort = ABORT_ASSIGN_ENTRY;
        return;
    }
    out->entry_locs[out->n_entry_locs++] = (RefLoc){ ref, loc };
}

// Each value is in one place from here on, as traces that jump here will bring it there only.
void
assign_loop_entry(State *s)
{
    for (int reg = 0; reg < REGS; reg++) {
        Ref ref = s->in_reg[reg];
        if (ref == 0) {
            continue;
        }
        Val *v = val_of(s, ref);
        if (ref_is_const(ref) || v->last <= s->pos
            || (v->slot >= 0 && next_use(s, v, s->pos) == NEVER)) {
            let_go(s, reg);
        }
        else {
            if (v->slot >= 0) {
                s->slot_ref[v->slot] = 0;
                v->slot = NO_SLOT;
            }
            add_entry(s, ref, reg_loc(reg));
        }
    }
    for (unsigned slot = 0; slot < s->w.spills; slot++) {
        if (s->slot_ref[slot] && val_of(s, s->slot_ref[slot])->last > s->pos) {
            add_entry(s, s->slot_ref[slot], LOC_SPILL + slot);
        }
    }
    s->out->loop_entry_at = s->out->n_code;
}

// --- LOOP ---------------------------------------------------------------------------------------

// The value wanted soonest in the loop that is in no register: of those in slots, or constants.
static Ref
soonest(State *s, uint32_t class, bool konsts)
{
    Ref best = 0;
    unsigned soon = NEVER;
    unsigned n = konsts ? s->t->n_konsts : s->w.spills;
    for (unsigned i = 0; i < n; i++) {
        Ref ref = konsts ? KREF | i : s->slot_ref[i];
        if (ref == 0 || class_mask(ref_type(s->t, ref)) != class) {
            continue;
        }
        Val *v = val_of(s, ref);
        if (v->reg == NO_REG && next_use(s, v, s->pos) < soon) {
            best = ref;
            soon = next_use(s, v, s->pos);
        }
    }
    return best;
}

// Registers of a class that hold nothing the loop takes from a register.
static uint32_t
idle_in_loop(State *s, uint32_t class)
{
    uint32_t idle = class & ~s->occupied;
    for (uint32_t m = class & s->occupied; m; m &= m - 1) {
        int reg = __builtin_ctz(m);
        if (next_use(s, val_of(s, s->in_reg[reg]), s->pos) == NEVER) {
            idle |= 1u << reg;
        }
    }
    return idle;
}

static void
fill_registers(State *s, uint32_t class)
{
    for (int konsts = 0; konsts < 2; konsts++) {
        for (;;) {
            uint32_t idle = idle_in_loop(s, class);
            if (__builtin_popcount(idle) <= (konsts ? SPARE_REGS : 0)) {
                break;
            }
            Ref ref = soonest(s, class, konsts);
            if (ref == 0 || s->w.abort) {
                break;
            }
            load(s, ref, idle);
        }
    }
}

static void
settle_phi(State *s, unsigned i)
{
    Ref left = s->t->phis[i].left, right = s->t->phis[i].right;
    if (ref_is_const(left)) {
        return;
    }
    Val *v = val_of(s, left);
    if (!(v->flags & VAL_PHI) || v->phi != i || v->last <= s->pos) {
        return;
    }
    if (v->reg == NO_REG) {
        v->flags |= VAL_HOME_SLOT;
        return;
    }
    if (v->slot >= 0) {                 // would be stale on the second turn
        s->slot_ref[v->slot] = 0;
        v->slot = NO_SLOT;
    }
    if (!ref_is_const(right) && right > s->t->loop) {
        val_of(s, right)->hint = v->reg;
    }
}

void
loop_head(State *s)
{
    for (int reg = 0; reg < REGS; reg++) {
        Ref ref = s->in_reg[reg];
        if (ref && (ref_is_const(ref) ? next_use(s, val_of(s, ref), s->pos) == NEVER
                                      : val_of(s, ref)->last <= s->pos)) {
            let_go(s, reg);
        }
    }
    fill_registers(s, INT_MASK);
    fill_registers(s, FLOAT_MASK);
    for (unsigned i = 0; i < s->t->n_phis; i++) {
        settle_phi(s, i);
    }
    for (int reg = 0; reg < REGS; reg++) {
        s->loop_reg[reg] = s->in_reg[reg];
        if (s->in_reg[reg]) {
            val_of(s, s->in_reg[reg])->home = reg;
        }
    }
    s->touched = 0;
    s->in_loop = true;
    s->out->loop_at = s->out->n_code;
}

// --- the ends -----------------------------------------------------------------------------------

void
loop_back(State *s)
{
    const Trace *t = s->t;
    Move moves[REGS + ACT_SPILLS];
    unsigned n = 0;
    for (int reg = 0; reg < REGS; reg++) {
        Ref ref = s->loop_reg[reg];
        if (ref) {
            const Val *v = val_of(s, ref);
            Ref from = v->flags & VAL_PHI ? t->phis[v->phi].right : ref;
            if (ref_is_const(from) && s->in_reg[reg] == from) {
                moves[n++] = (Move){ reg_loc(reg), reg_loc(reg), 0 };
                continue;
            }
            moves[n++] = move_to(s, reg_loc(reg), from);
        }
    }
    for (unsigned i = 0; i < t->n_phis; i++) {
        if (ref_is_const(t->phis[i].left)) {
            continue;
        }
        const Val *v = val_of(s, t->phis[i].left);
        if ((v->flags & VAL_HOME_SLOT) && v->phi == i) {
            Ref right = t->phis[i].right;
            if (ref_is_const(right) || val_of(s, right)->slot != v->slot) {
                moves[n++] = move_to(s, LOC_SPILL + v->slot, right);
            }
        }
    }
    place_parallel(&s->w, moves, n, 0);
}

// The moves of loop_back() before the check that ends the turn: then this check itself can jump back
// (emit.c). Only if each value comes to one place, and none that the check's exit needs is lost.
void
loop_back_early(State *s)
{
    const Trace *t = s->t;
    Move moves[REGS];
    int from_reg[REGS], to_reg[REGS];
    unsigned n = 0;
    uint32_t written = 0;
    for (unsigned i = 0; i < t->n_phis; i++) {
        Ref left = t->phis[i].left, right = t->phis[i].right;
        if (!ref_is_const(left) && (val_of(s, left)->flags & VAL_HOME_SLOT)
            && val_of(s, left)->phi == i
            && (ref_is_const(right) || val_of(s, right)->slot != val_of(s, left)->slot)) {
            return;
        }
    }
    s->stamp++;
    for (int reg = 0; reg < REGS; reg++) {
        Ref ref = s->loop_reg[reg];
        if (ref == 0) {
            continue;
        }
        const Val *v = val_of(s, ref);
        Ref from = v->flags & VAL_PHI ? t->phis[v->phi].right : ref;
        Val *source = val_of(s, from);
        if (source->stamp == s->stamp) {
            return;                     // wanted in two places
        }
        source->stamp = s->stamp;
        if (source->reg == reg) {
            continue;
        }
        if (ref_is_const(from) || source->reg == NO_REG) {
            return;
        }
        from_reg[n] = source->reg;
        to_reg[n] = reg;
        moves[n++] = (Move){ reg_loc(reg), reg_loc(source->reg), 0 };
        written |= 1u << reg;
    }
    for (uint32_t m = written & s->occupied; m; m &= m - 1) {
        int reg = __builtin_ctz(m);
        Ref ref = s->in_reg[reg];
        const Val *v = val_of(s, ref);
        bool moved = false;
        for (unsigned i = 0; i < n; i++) {
            moved |= from_reg[i] == reg;
        }
        if (!moved && !ref_is_const(ref) && v->slot < 0 && v->last >= s->pos) {
            return;
        }
    }
    Ref ref[REGS];
    for (unsigned i = 0; i < n; i++) {
        ref[i] = s->in_reg[from_reg[i]];
    }
    place_parallel(&s->w, moves, n, s->occupied);
    for (unsigned i = 0; i < n; i++) {
        if (s->in_reg[from_reg[i]]) {
            let_go(s, from_reg[i]);
        }
    }
    for (unsigned i = 0; i < n; i++) {
        if (s->in_reg[to_reg[i]]) {
            let_go(s, to_reg[i]);
        }
        hold(s, to_reg[i], ref[i]);
    }
}

void
loop_jump(State *s)
{
    const Trace *t = s->t;
    Move moves[sizeof(t->jump) / sizeof(t->jump[0])];
    for (unsigned i = 0; i < t->n_jump; i++) {
        Loc to = t->jump[i].to;
        moves[i] = move_to(s, to, t->jump[i].ref);
        if (to >= LOC_SPILL + s->w.spills) {
            s->w.spills = to - LOC_SPILL + 1;   // no temporary may lie among the targets
        }
    }
    s->w.spare = 0;
    place_parallel(&s->w, moves, t->n_jump, 0);
}

// Insert the spills that turned out to belong before LOOP.
void
loop_late_spills(State *s)
{
    Assignment *out = s->out;
    unsigned n = s->n_late;
    if (n == 0 || s->w.abort) {
        return;
    }
    if (out->n_code + n > MAX_CODE) {
        s->w.abort = ABORT_ASSIGN_CODE;
        return;
    }
    Placed *head = &out->code[out->loop_at];
    uint32_t end = out->n_code;
    memmove(head + n, head, (end - out->loop_at) * sizeof(Placed));
    out->n_code = out->loop_at;
    for (unsigned i = 0; i < n; i++) {
        s->w.ref = s->late[i].ref;
        place_spill(&s->w, s->late[i].reg, s->late[i].slot);
    }
    out->loop_at += n;
    out->n_code = end + n;
}
