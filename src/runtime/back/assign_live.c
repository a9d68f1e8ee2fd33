// assign_live.c - the backward pass before registers are assigned: for every value, where it is
// needed last, and the chain of positions that want it in a register.
//
// A value that a snapshot needs may be anywhere; what an instruction takes must be in a register.
// What is defined before LOOP and needed behind it is needed until the jump back, for the next
// turn; but the left of a phi only until its last use, since it has a new value then.
#include "back/assign_state.h"

// --- the refs that a snapshot needs -------------------------------------------------------------

typedef struct {
    State *s;
    RefLoc *refs;
    unsigned n, room;
} Collector;

static inline void
collect(Collector *c, Ref ref)
{
    if (ref == NO_REF || ref_is_const(ref)) {
        return;
    }
    Val *v = val_of(c->s, ref);
    if (v->stamp == c->s->stamp) {
        return;
    }
    v->stamp = c->s->stamp;
    if (v->flags & VAL_NOWHERE) {
        const Ins *ins = &c->s->t->ins[ref];
        for (int k = 0; k < uop_table[ins->op].n_inputs; k++) {
            collect(c, ins->in[k]);
        }
    }
    else if (c->n == c->room) {
        c->s->w.abort = ABORT_ASSIGN_LOCS;
    }
    else {
        c->refs[c->n++].ref = ref;
    }
}

unsigned
live_snapshot(State *s, uint16_t n, RefLoc *refs, unsigned room)
{
    const Trace *t = s->t;
    const Snapshot *snap = &t->snaps[n];
    Collector c = { .s = s, .refs = refs, .room = room };
    s->stamp++;
    const SnapEntry *end = &t->entries[snap->first + snap->count];
    for (const SnapEntry *e = &t->entries[snap->first]; e < end; e++) {
        collect(&c, e->ref);
        if (e->how == SLOT_STORE) {
            collect(&c, e->slot);
        }
    }
    for (unsigned i = 0; i < snap->n_frames; i++) {
        const SnapFrame *frame = &t->frames[snap->first_frame + i];
        collect(&c, frame->func);
        collect(&c, frame->memory);
        collect(&c, frame->extra);
    }
    return c.n;
}

// --- uses ---------------------------------------------------------------------------------------

static void
need(State *s, Ref ref, Val *v, Ref pos)
{
    bool carried = s->loop_end && pos > s->t->loop && ref < s->t->loop;
    Ref last = carried && !(v->flags & VAL_PHI) ? s->loop_end : pos;
    if (last > v->last) {
        v->last = last;
    }
}

static void
need_in_snapshot(State *s, uint16_t snap, Ref pos)
{
    RefLoc *refs = s->out->locs;        // free until the forward pass
    unsigned n = live_snapshot(s, snap, refs, MAX_EXIT_LOCS);
    for (unsigned i = 0; i < n; i++) {
        Val *v = val_of(s, refs[i].ref);
        need(s, refs[i].ref, v, pos);
        if (pos > v->last_snap) {
            v->last_snap = pos;
        }
    }
}

static void
need_in_reg(State *s, Ref ref, Ref pos, int hint)
{
    Val *v = val_of(s, ref);
    if (!ref_is_const(ref)) {
        if (!has_place(&s->t->ins[ref])) {
            s->w.abort = ABORT_ASSIGN_LOST;
            return;
        }
        need(s, ref, v, pos);
    }
    if (v->last_use == 0) {
        v->last_use = v->last > pos && v->last == s->loop_end ? v->last : pos;
    }
    v->hint = hint;
    s->uses[s->n_uses] = (Use){ .next = v->next, .pos = pos };
    v->next = s->n_uses++;
}

static void
need_inputs(State *s, const Ins *ins, const UopInfo *info, Ref pos)
{
    int n_int = 0, n_float = 0;
    for (int k = 0; k < info->n_inputs; k++) {
        Ref ref = ins->in[k];
        int hint = NO_REG;
        if (info->flags & CALLS) {
            hint = is_float(info->inputs[k]) ? INT_REGS + n_float++ : CALL_ARG_REG[n_int++];
        }
        else if ((info->konst >> k & 1) && ref_is_const(ref)
                 && may_fit(s->t->konsts[ref & ~KREF].bits)) {
            continue;
        }
        need_in_reg(s, ref, pos, hint);
    }
}

// The rights of phis are wanted at the jump back.
static void
need_phis(State *s)
{
    const Trace *t = s->t;
    for (unsigned i = 0; i < t->n_phis; i++) {
        Ref left = t->phis[i].left, right = t->phis[i].right;
        if (left == right || ref_is_const(left) || !has_place(&t->ins[left])) {
            continue;
        }
        Val *v = val_of(s, left);
        v->flags |= VAL_PHI;
        v->phi = i;
    }
    for (unsigned i = 0; i < t->n_phis; i++) {
        Ref left = t->phis[i].left, right = t->phis[i].right;
        if (!ref_is_const(left) && val_of(s, left)->flags & VAL_PHI && !ref_is_const(right)
            && has_place(&t->ins[right])) {
            need_in_reg(s, right, s->loop_end, NO_REG);
        }
    }
}

static void
need_jump(State *s, Ref pos)
{
    const Trace *t = s->t;
    for (unsigned i = 0; i < t->n_jump; i++) {
        Ref ref = t->jump[i].ref;
        Loc to = t->jump[i].to;
        if (ref_is_const(ref)) {
            continue;
        }
        if (to >= LOC_SPILL) {
            need(s, ref, val_of(s, ref), pos);
        }
        else {
            need_in_reg(s, ref, pos, to >= LOC_FREG ? to - LOC_FREG + INT_REGS : to - LOC_REG);
        }
    }
}

void
live_find(State *s)
{
    const Trace *t = s->t;
    uint16_t calls = 0;
    if (s->loop_end) {
        need_phis(s);
    }
    for (Ref pos = s->end; pos > 0 && !s->w.abort; pos--) {
        const Ins *ins = &t->ins[pos];
        const UopInfo *info = &uop_table[ins->op];
        s->calls_after[pos] = calls;
        if ((ins->flags & INS_DEAD) || !has_place(ins)) {
            continue;
        }
        if (ins->op == UOP_JUMP) {
            need_jump(s, pos);
        }
        need_inputs(s, ins, info, pos);
        calls += (info->flags & CALLS) != 0;
        if ((info->flags & (EXITS | RAISES)) && ins->snap != NO_SNAP && !s->snap_exit[ins->snap]) {
            s->snap_exit[ins->snap] = 1;
            need_in_snapshot(s, ins->snap, pos);
        }
    }
    s->calls_after[0] = calls;
    for (unsigned i = 0; i < t->n_snaps; i++) {
        s->snap_exit[i] = 0;            // from here on: exits
    }
}
