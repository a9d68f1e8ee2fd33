// assign_regs.c - which register holds what: taking, loading, spilling, evicting.
//
// A value is stored to its slot at most once, when its register is first wanted for something
// else. In the loop this would store a value that never changes on each turn: it is stored
// before LOOP instead, late (loop_late_spills). And if nobody had read its register since LOOP,
// it simply is not in that register at LOOP (evict).
#include "back/assign_state.h"

uint32_t
next_random(State *s)
{
    uint32_t x = s->random;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return s->random = x;
}

static int
random_reg(State *s, uint32_t mask)
{
    unsigned skip = next_random(s) % __builtin_popcount(mask);
    while (skip--) {
        mask &= mask - 1;
    }
    return __builtin_ctz(mask);
}

unsigned
next_use(State *s, Val *v, unsigned from)
{
    while (v->next && s->uses[v->next].pos < s->pos) {
        v->next = s->uses[v->next].next;
    }
    for (uint32_t use = v->next; use; use = s->uses[use].next) {
        if (s->uses[use].pos >= from) {
            return s->uses[use].pos;
        }
    }
    if (s->in_loop && v->home >= 0 && s->loop_reg[v->home] && !(v->flags & VAL_PHI)) {
        return s->loop_end;             // must be back by then
    }
    return NEVER;
}

bool
needed_by_exit(const State *s, const Val *v, bool exits)
{
    return v->last > s->pos || (exits && v->last_snap == s->pos);
}

void
hold(State *s, int reg, Ref ref)
{
    s->in_reg[reg] = ref;
    s->occupied |= 1u << reg;
    val_of(s, ref)->reg = reg;
}

void
let_go(State *s, int reg)
{
    val_of(s, s->in_reg[reg])->reg = NO_REG;
    s->in_reg[reg] = 0;
    s->occupied &= ~(1u << reg);
}

// --- spill slots --------------------------------------------------------------------------------

static bool
slot_is_free(const State *s, unsigned slot)
{
    Ref ref = s->slot_ref[slot];
    if (slot - s->w.spare < 2 && s->w.spare) {
        return false;
    }
    if (ref == 0) {
        return true;
    }
    const Val *v = val_of(s, ref);
    return v->last < s->pos && !(v->flags & VAL_HOME_SLOT);
}

static unsigned
new_slot(State *s)
{
    if (s->w.spills == ACT_SPILLS) {
        s->w.abort = ABORT_ASSIGN_SPILLS;
        return 0;
    }
    return s->w.spills++;
}

static unsigned
take_slot(State *s)
{
    for (unsigned slot = 0; slot < s->w.spills; slot++) {
        if (slot_is_free(s, slot)) {
            return slot;
        }
    }
    return new_slot(s);
}

void
spill(State *s, Ref ref)
{
    Val *v = val_of(s, ref);
    if (v->slot >= 0 || s->w.abort) {
        return;
    }
    unsigned slot;
    if (s->in_loop && ref < s->t->loop && !(v->flags & VAL_PHI)) {
        slot = new_slot(s);             // nothing else may have written it since LOOP
        s->late[s->n_late++] = (LateSpill){ v->home, slot, ref };
    }
    else {
        slot = take_slot(s);
        place_spill(&s->w, v->reg, slot);
    }
    v->slot = slot;
    s->slot_ref[slot] = ref;
}

void
evict(State *s, int reg)
{
    Ref ref = s->in_reg[reg];
    Val *v = val_of(s, ref);
    if (!ref_is_const(ref) && v->last >= s->pos) {
        spill(s, ref);
    }
    if (s->in_loop && s->loop_reg[reg] == ref && !(s->touched >> reg & 1)
        && !(v->flags & VAL_PHI)) {
        s->loop_reg[reg] = 0;
    }
    let_go(s, reg);
}

// --- choosing a register ------------------------------------------------------------------------

// Is there a call between here and the last use?
static bool
crosses_call(const State *s, const Val *v)
{
    return v->last_use > s->pos + 1
           && s->calls_after[s->pos] > s->calls_after[v->last_use - 1];
}

int
prefer(State *s, uint32_t mask, const Val *v)
{
    if (s->random) {
        return random_reg(s, mask);
    }
    const uint32_t saved = (1u << CALL_SAVED_REGS) - 1;
    bool crosses = crosses_call(s, v);
    if (v->hint >= 0 && (mask >> v->hint & 1) && (!crosses || v->hint < CALL_SAVED_REGS)) {
        return v->hint;
    }
    if (s->in_loop && !crosses) {       // what is put in a home must move out of it again
        uint32_t homes = 0;
        for (int reg = 0; reg < REGS; reg++) {
            homes |= (uint32_t)(s->loop_reg[reg] != 0) << reg;
        }
        mask = mask & ~homes ? mask & ~homes : mask;
    }
    uint32_t better = crosses ? mask & saved : mask & ~saved;
    return __builtin_ctz(better ? better : mask);
}

// The occupant wanted latest; among equals one that needs no store.
static int
pick_victim(State *s, uint32_t mask)
{
    if (s->random) {
        return random_reg(s, mask);
    }
    int best = NO_REG;
    unsigned latest = 0;
    for (uint32_t m = mask; m; m &= m - 1) {
        int reg = __builtin_ctz(m);
        Ref ref = s->in_reg[reg];
        Val *v = val_of(s, ref);
        unsigned rank = 2 * next_use(s, v, s->pos) + (ref_is_const(ref) || v->slot >= 0);
        if (best == NO_REG || rank > latest) {
            best = reg;
            latest = rank;
        }
    }
    return best;
}

int
take_reg(State *s, uint32_t mask, const Val *v)
{
    uint32_t idle = mask & ~s->occupied;
    if (idle) {
        return prefer(s, idle, v);
    }
    int reg = pick_victim(s, mask);
    evict(s, reg);
    return reg;
}

int
load(State *s, Ref ref, uint32_t mask)
{
    Val *v = val_of(s, ref);
    int reg = take_reg(s, mask, v);
    if (ref_is_const(ref)) {
        place_const(&s->w, reg, ref);
    }
    else if (v->slot >= 0) {
        place_reload(&s->w, reg, v->slot);
    }
    else {
        s->w.abort = ABORT_ASSIGN_LOST;
    }
    hold(s, reg, ref);
    return reg;
}

Move
move_to(State *s, Loc to, Ref ref)
{
    const Val *v = val_of(s, ref);
    Move move = { .to = to };
    if (ref_is_const(ref)) {
        move.konst = ref;
    }
    else if (v->reg >= 0) {
        move.from = reg_loc(v->reg);
    }
    else if (v->slot >= 0) {
        move.from = LOC_SPILL + v->slot;
    }
    else {
        s->w.abort = ABORT_ASSIGN_LOST;
    }
    return move;
}
