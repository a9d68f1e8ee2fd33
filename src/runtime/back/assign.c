// assign.c - from IR to a list of stencils: which register or slot holds each value, and which
// variant of each uop that asks for.
//
// In:   an optimised trace. Passes are over; sunk and virtual instructions are not emitted.
// Out:  stencils in order (Placed), for each exit where its snapshot's values are, and what must
//       be where at LOOP_ENTRY.
//
// One forward scan. At each instruction: bring its inputs into registers, choose the output's,
// look the variant up, note the exit, forget what is not needed any more. When registers run out
// the value wanted latest goes to its slot. What the scan knows of the future (next uses, last
// uses) comes from a backward pass, assign_live.c; loops are in assign_loop.c.
//
// Three rules hold throughout:
//  1. At an exit every value its snapshot needs is intact: an output may overwrite an input
//     only if nothing behind the instruction and not its own exit needs it.
//  2. A call keeps r0..r2 only. What is needed behind it, or by its exit, is moved before.
//  3. A constant is never stored: it is made again.
#include "back/assign_state.h"

#include <stdlib.h>
#include <string.h>
#include "back/patch.h"

// One instruction while it is being assigned.
typedef struct {
    const Ins *ins;
    const UopInfo *info;
    bool exits;
    int choice[MAX_INPUTS];             // register, or IN_CODE
    int out;                            // register, or NO_REG
    uint32_t stencil;
} Step;

enum { IN_CODE = REGS };                // an input that is a constant in the code

// --- variants -----------------------------------------------------------------------------------

static unsigned
choice_digit(int reg)
{
    return reg == IN_CODE ? INT_REGS : reg % INT_REGS;
}

// The variant for the step's choices and output `out`, or NO_STENCIL.
static uint32_t
variant(const State *s, const Step *step, int out)
{
    const UopInfo *info = step->info;
    uint32_t index = 0;
    for (int k = 0; k < info->n_inputs && !(info->flags & CALLS); k++) {
        index = index * (INT_REGS + (info->konst >> k & 1)) + choice_digit(step->choice[k]);
    }
    if (info->output != TY_VOID) {
        index = index * INT_REGS + choice_digit(out);
    }
    uint32_t n = stencil_variants[info->first_variant + index];
    if (n == NO_STENCIL || !info->konst) {
        return n;
    }
    const Stencil *stencil = &stencils[n];
    for (unsigned i = 0; i < stencil->n_holes; i++) {
        const Hole *hole = &stencil_holes[stencil->first_hole + i];
        if (hole->value < HOLE_INPUT0 || hole->value > HOLE_INPUT3) {
            continue;
        }
        uint64_t bits = s->t->konsts[step->ins->in[hole->value - HOLE_INPUT0] & ~KREF].bits
                        + (int64_t)hole->addend;
        if (!patch_fits(hole->kind, bits)) {
            return NO_STENCIL;
        }
    }
    return n;
}

static bool
may_be_in_code(const State *s, const Step *step, int k)
{
    Ref ref = step->ins->in[k];
    return (step->info->konst >> k & 1) && ref_is_const(ref)
           && may_fit(s->t->konsts[ref & ~KREF].bits);
}

// --- exits --------------------------------------------------------------------------------------

static void
note_locs(State *s, AssignedExit *exit)
{
    RefLoc *at = &s->out->locs[exit->first_loc], *end = at + exit->n_locs;
    const Val *vals = s->vals;
    uint32_t touched = 0;
    for (; at < end; at++) {
        const Val *v = &vals[at->ref];          // no constants
        bool choose_slot = s->random && v->slot >= 0 && (next_random(s) & 1);
        if (v->reg >= 0 && !choose_slot) {
            at->loc = reg_loc(v->reg);
            touched |= 1u << v->reg;
        }
        else if (v->slot >= 0) {
            at->loc = LOC_SPILL + v->slot;
        }
        else {
            s->w.abort = ABORT_ASSIGN_LOST;
        }
    }
    s->touched |= touched;
}

// The step's exit, as the registers are now. Exits that share a snapshot need the same refs.
static uint16_t
add_exit(State *s, const Step *step)
{
    Assignment *out = s->out;
    uint16_t snap = step->ins->snap;
    if (out->n_exits == MAX_EXITS || snap == NO_SNAP) {
        s->w.abort = snap == NO_SNAP ? ABORT_ASSIGN_LOST : ABORT_ASSIGN_EXITS;
        return NO_EXIT;
    }
    AssignedExit *exit = &out->exits[out->n_exits];
    exit->snap = snap;
    exit->ref = s->pos;
    exit->first_loc = out->n_locs;
    RefLoc *locs = &out->locs[out->n_locs];
    unsigned room = MAX_EXIT_LOCS - out->n_locs;
    if (s->snap_exit[snap]) {
        const AssignedExit *same = &out->exits[s->snap_exit[snap] - 1];
        if (same->n_locs > room) {
            s->w.abort = ABORT_ASSIGN_LOCS;
            return NO_EXIT;
        }
        exit->n_locs = same->n_locs;
        memcpy(locs, &out->locs[same->first_loc], same->n_locs * sizeof(RefLoc));
    }
    else {
        exit->n_locs = live_snapshot(s, snap, locs, room);
    }
    out->n_locs += exit->n_locs;
    note_locs(s, exit);
    s->snap_exit[snap] = ++out->n_exits;
    return out->n_exits - 1;
}

// --- inputs and output, the usual way -----------------------------------------------------------

static void
bring_inputs(State *s, Step *step)
{
    const Ins *ins = step->ins;
    uint32_t pinned = 0;
    for (int k = 0; k < step->info->n_inputs; k++) {
        int reg = val_of(s, ins->in[k])->reg;
        if (reg >= 0) {
            pinned |= 1u << reg;
        }
    }
    for (int k = 0; k < step->info->n_inputs; k++) {
        if (may_be_in_code(s, step, k)) {
            step->choice[k] = IN_CODE;
            continue;
        }
        int reg = val_of(s, ins->in[k])->reg;
        if (reg < 0) {
            reg = load(s, ins->in[k], class_mask(step->info->inputs[k]) & ~pinned);
            pinned |= 1u << reg;
        }
        step->choice[k] = reg;
        s->touched |= 1u << reg;
    }
}

// Registers of a class that the output may overwrite.
static uint32_t
open_registers(const State *s, const Step *step, uint32_t class)
{
    uint32_t open = class & ~s->occupied;
    for (uint32_t m = class & s->occupied; m; m &= m - 1) {
        int reg = __builtin_ctz(m);
        if (!ref_is_const(s->in_reg[reg])
            && !needed_by_exit(s, val_of(s, s->in_reg[reg]), step->exits)) {
            open |= 1u << reg;
        }
    }
    return open;
}

// Of the open registers the one to try first: the hint, then an input's (two-operand machine
// instructions like that), then any.
static int
best_output(State *s, const Step *step, uint32_t open, const Val *v)
{
    int reg = prefer(s, open, v);
    if (s->random || reg == v->hint) {
        return reg;
    }
    for (int k = 0; k < step->info->n_inputs; k++) {
        int input = step->choice[k];
        if (input != IN_CODE && (open >> input & 1) && (input < CALL_SAVED_REGS
                                                        || reg >= CALL_SAVED_REGS)) {
            return input;
        }
    }
    return reg;
}

static bool
choose_output(State *s, Step *step)
{
    step->out = NO_REG;
    if (step->info->output == TY_VOID) {
        step->stencil = variant(s, step, NO_REG);
        return step->stencil != NO_STENCIL;
    }
    Val *v = val_of(s, s->pos);
    uint32_t class = class_mask(step->info->output);
    uint32_t open = open_registers(s, step, class);
    if (!open) {
        uint32_t inputs = 0;
        for (int k = 0; k < step->info->n_inputs; k++) {
            inputs |= step->choice[k] == IN_CODE ? 0 : 1u << step->choice[k];
        }
        open = 1u << take_reg(s, class & ~inputs, v);
    }
    while (open) {
        step->out = best_output(s, step, open, v);
        step->stencil = variant(s, step, step->out);
        if (step->stencil != NO_STENCIL) {
            return true;
        }
        open &= ~(1u << step->out);
    }
    return false;
}

// --- placing values in chosen registers: calls, and variants that were not built ----------------

// Keep what `reg` holds for later, out of the way of the registers in `wanted`.
static void
save(State *s, int reg, uint32_t wanted, bool exits)
{
    Ref ref = s->in_reg[reg];
    Val *v = val_of(s, ref);
    if (ref_is_const(ref) || v->slot >= 0 || !needed_by_exit(s, v, exits)) {
        return;
    }
    uint32_t class = reg < INT_REGS ? INT_MASK : FLOAT_MASK;
    uint32_t idle = class & ~s->occupied & ~wanted;
    if (!idle || next_use(s, v, s->pos + 1) == NEVER) {
        spill(s, ref);
        return;
    }
    int to = prefer(s, idle, v);
    place_move(&s->w, to, reg);
    s->touched |= 1u << reg;
    let_go(s, reg);
    hold(s, to, ref);
}

static uint32_t
chosen_mask(const Step *step)
{
    uint32_t chosen = 0;
    for (int k = 0; k < step->info->n_inputs; k++) {
        chosen |= step->choice[k] == IN_CODE ? 0 : 1u << step->choice[k];
    }
    return chosen;
}

// Inputs to the registers chosen for them, all at once. `before`: what was where at first.
static void
move_inputs(State *s, const Step *step, const Ref *before, uint32_t keep)
{
    Move moves[MAX_INPUTS];
    unsigned n = 0;
    uint32_t done = 0;
    for (int k = 0; k < step->info->n_inputs; k++) {
        int to = step->choice[k];
        Ref ref = step->ins->in[k];
        if (to == IN_CODE || before[to] == ref || (done >> to & 1)) {
            continue;
        }
        done |= 1u << to;
        moves[n] = move_to(s, reg_loc(to), ref);
        if (val_of(s, ref)->reg >= 0) {
            s->touched |= 1u << val_of(s, ref)->reg;
        }
        n++;
    }
    place_parallel(&s->w, moves, n, keep);
}

// Bring the inputs to their chosen registers whatever is there now. What the registers in `lost`
// held is afterwards somewhere else, if it is needed. A register of `lost` that the step chose
// for an input may be a copy only.
static void
place_inputs(State *s, const Step *step, uint32_t lost)
{
    Ref before[REGS];
    memcpy(before, s->in_reg, sizeof(before));
    uint32_t chosen = chosen_mask(step), occupied = s->occupied;
    for (uint32_t m = lost & occupied; m; m &= m - 1) {
        save(s, __builtin_ctz(m), lost | chosen, step->exits);
    }
    move_inputs(s, step, before, occupied | s->occupied | chosen);
    for (int k = 0; k < step->info->n_inputs; k++) {
        int reg = step->choice[k];
        if (reg != IN_CODE && before[reg] == step->ins->in[k]) {
            s->touched |= 1u << reg;
        }
    }
    for (uint32_t m = lost & s->occupied; m; m &= m - 1) {
        int reg = __builtin_ctz(m);
        if (needed_by_exit(s, val_of(s, s->in_reg[reg]), step->exits)) {
            evict(s, reg);
        }
        else {
            let_go(s, reg);
        }
    }
}

// Registers that a step with choices made at will overwrites: all but inputs where they are.
static uint32_t
overwritten(const State *s, const Step *step)
{
    uint32_t lost = step->out == NO_REG ? 0 : 1u << step->out;
    for (int k = 0; k < step->info->n_inputs; k++) {
        int reg = step->choice[k];
        if (reg != IN_CODE && s->in_reg[reg] != step->ins->in[k]) {
            lost |= 1u << reg;
        }
    }
    return lost;
}

// Moves and stores that the step's choices would cost.
static unsigned
cost_of(State *s, const Step *step)
{
    unsigned cost = 0;
    for (int k = 0; k < step->info->n_inputs; k++) {
        int reg = step->choice[k];
        cost += reg != IN_CODE && s->in_reg[reg] != step->ins->in[k];
        for (int other = 0; other < k; other++) {
            if (step->choice[other] == reg && reg != IN_CODE
                && step->ins->in[other] != step->ins->in[k]) {
                return NEVER;
            }
        }
    }
    for (uint32_t m = overwritten(s, step) & s->occupied; m; m &= m - 1) {
        Ref ref = s->in_reg[__builtin_ctz(m)];
        cost += 2 * (!ref_is_const(ref) && needed_by_exit(s, val_of(s, ref), step->exits));
    }
    return s->random ? next_random(s) % (NEVER - 1) : cost;
}

// Try all choices of input k and those behind it, then of the output; keep the cheapest step.
static void
try_choices(State *s, Step *step, int k, Step *best, unsigned *least)
{
    if (k < step->info->n_inputs) {
        if (may_be_in_code(s, step, k)) {
            step->choice[k] = IN_CODE;
            try_choices(s, step, k + 1, best, least);
        }
        int first = is_float(step->info->inputs[k]) ? INT_REGS : 0;
        for (int reg = first; reg < first + INT_REGS; reg++) {
            step->choice[k] = reg;
            try_choices(s, step, k + 1, best, least);
        }
        return;
    }
    bool has_output = step->info->output != TY_VOID;
    int first = is_float(step->info->output) ? INT_REGS : 0;
    for (int reg = first; reg < first + (has_output ? INT_REGS : 1); reg++) {
        step->out = has_output ? reg : NO_REG;
        step->stencil = variant(s, step, step->out);
        if (step->stencil == NO_STENCIL) {
            continue;
        }
        unsigned cost = cost_of(s, step);
        if (cost < *least) {
            *least = cost;
            *best = *step;
        }
    }
}

// The usual choices have no stencil: take the cheapest that has one.
static void
assign_somehow(State *s, Step *step)
{
    Step best;
    unsigned least = NEVER;
    try_choices(s, step, 0, &best, &least);
    if (least == NEVER) {
        s->w.abort = ABORT_ASSIGN_STENCIL;
        return;
    }
    *step = best;
    place_inputs(s, step, overwritten(s, step));
    for (int k = 0; k < step->info->n_inputs; k++) {
        int reg = step->choice[k];
        if (reg != IN_CODE && reg != step->out && s->in_reg[reg] == 0
            && val_of(s, step->ins->in[k])->reg == NO_REG) {
            hold(s, reg, step->ins->in[k]);
        }
    }
}

// --- one instruction ----------------------------------------------------------------------------

// Forget what is not needed behind this instruction.
static void
expire(State *s)
{
    for (uint32_t m = s->occupied; m; m &= m - 1) {
        int reg = __builtin_ctz(m);
        Ref ref = s->in_reg[reg];
        if (!ref_is_const(ref) && val_of(s, ref)->last <= s->pos) {
            let_go(s, reg);
        }
    }
}

static void
finish(State *s, Step *step, uint16_t exit)
{
    Placed *placed = place(&s->w, step->stencil);
    if (!placed) {
        return;
    }
    placed->exit = exit;
    memcpy(placed->operand, step->ins->operand, sizeof(placed->operand));
    for (int k = 0; step->info->konst >> k; k++) {
        if (ref_is_const(step->ins->in[k])) {
            placed->input[k] = s->t->konsts[step->ins->in[k] & ~KREF].bits;
        }
    }
    expire(s);
    if (step->out != NO_REG) {
        if (s->in_reg[step->out]) {
            let_go(s, step->out);       // a constant
        }
        if (val_of(s, s->pos)->last > s->pos) {
            hold(s, step->out, s->pos);
        }
    }
}

static void
assign_call(State *s, Step *step)
{
    const uint32_t lost = (INT_MASK | FLOAT_MASK) & ~((1u << CALL_SAVED_REGS) - 1);
    int n_int = 0, n_float = 0;
    for (int k = 0; k < step->info->n_inputs; k++) {
        step->choice[k] = is_float(step->info->inputs[k]) ? INT_REGS + n_float++
                                                          : CALL_ARG_REG[n_int++];
    }
    place_inputs(s, step, lost);
    uint16_t exit = step->exits ? add_exit(s, step) : NO_EXIT;
    if (!choose_output(s, step)) {
        s->w.abort = ABORT_ASSIGN_STENCIL;
    }
    finish(s, step, exit);
}

static void
assign_plain(State *s, Step *step)
{
    bool hostile = s->random && next_random(s) % 8 == 0;
    bool usual = false;
    if (!hostile) {
        bring_inputs(s, step);
        usual = choose_output(s, step);
    }
    if (!usual) {
        assign_somehow(s, step);
    }
    uint16_t exit = step->exits ? add_exit(s, step) : NO_EXIT;
    finish(s, step, exit);
}

static void
assign_ins(State *s, Ref pos)
{
    const Ins *ins = &s->t->ins[pos];
    s->pos = s->w.ref = pos;
    if (ins->op == UOP_LOOP_ENTRY) {
        assign_loop_entry(s);
        return;
    }
    if (ins->op == UOP_LOOP) {
        loop_head(s);
        return;
    }
    const UopInfo *info = &uop_table[ins->op];
    if (!has_place(ins) || ins->op == UOP_INHERIT) {
        return;
    }
    if (s->random && s->occupied && next_random(s) % 4 == 0) {
        int reg = next_random(s) % REGS;
        if (s->in_reg[reg]) {
            evict(s, reg);
        }
    }
    bool checks = (info->flags & EXITS) && !(info->flags & CALLS) && info->output == TY_VOID;
    if (checks && s->loop_end == pos + 1) {
        loop_back_early(s);
    }
    if (ins->op == UOP_LOOP_END) {
        loop_back(s);
    }
    else if (ins->op == UOP_JUMP) {
        loop_jump(s);
    }
    Step step = { .ins = ins, .info = info, .out = NO_REG,
                  .exits = (info->flags & (EXITS | RAISES)) != 0 };
    if (info->flags & CALLS) {
        assign_call(s, &step);
    }
    else {
        assign_plain(s, &step);
    }
}

// --- the whole ----------------------------------------------------------------------------------

// Memory for the arrays, kept from trace to trace: taking it from the system each time would cost
// page faults that take as long as the assignment.
static void *
scratch(size_t size)
{
    static void *block;
    static size_t room;
    if (size > room) {
        free(block);
        block = malloc(size);
        room = block ? size : 0;
    }
    return block;
}

// One block for all arrays; sizes depend on the trace.
static bool
state_init(State *s, const Trace *t, const AssignOptions *options, Assignment *out)
{
    Ref end = t->end ? t->end : t->n_ins - 1;
    size_t n_vals = t->n_ins + t->n_konsts;
    size_t n_uses = (size_t)MAX_INPUTS * t->n_ins + t->n_phis + t->n_jump + 1;
    size_t size = n_vals * sizeof(Val) + n_uses * sizeof(Use)
                  + (t->n_ins + t->n_snaps) * sizeof(uint16_t);
    *s = (State){ .t = t, .out = out, .end = end, .n_uses = 1, .random = options->random,
                  .options = options };
    s->w = (Writer){ .t = t, .out = out, .spills = options->first_spill };
    if (t->loop && t->ins[end].op == UOP_LOOP_END) {
        s->loop_end = end;
    }
    s->vals = scratch(size);
    if (!s->vals) {
        return false;
    }
    s->uses = (Use *)(s->vals + n_vals);
    s->calls_after = (uint16_t *)(s->uses + n_uses);
    s->snap_exit = s->calls_after + t->n_ins;
    Val none = { .reg = NO_REG, .home = NO_REG, .hint = NO_REG, .slot = NO_SLOT, .phi = NO_PHI };
    for (size_t i = 0; i < n_vals; i++) {
        s->vals[i] = none;
    }
    for (Ref ref = 1; ref < t->n_ins; ref++) {
        s->vals[ref].flags = has_place(&t->ins[ref]) ? 0 : VAL_NOWHERE;
    }
    memset(s->snap_exit, 0, t->n_snaps * sizeof(uint16_t));
    return true;
}

int
assign_trace(const Trace *t, const AssignOptions *options, Assignment *out)
{
    State s;
    out->n_code = out->n_exits = out->n_locs = out->n_entry_locs = 0;
    out->loop_entry_at = out->loop_at = 0;
    if (!state_init(&s, t, options, out)) {
        return ABORT_ASSIGN_MEMORY;
    }
    live_find(&s);
    loop_inherit(&s);
    for (Ref pos = 1; pos <= s.end && !s.w.abort; pos++) {
        if (!(t->ins[pos].flags & INS_DEAD)) {
            assign_ins(&s, pos);
        }
    }
    loop_late_spills(&s);
    out->spills = s.w.spills;
    return s.w.abort;
}
