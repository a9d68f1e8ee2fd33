// opt_dce.c - dead code; which boxes are never made (sunk); the loop's phis.
//
// In:   a trace, peeled or not.
// Out:  INS_DEAD on what nobody needs; INS_SUNK on boxes that only snapshots mention: they are
//       made at the exits (exit.c); Trace.phis filled.
//
// A box is needed as an object when an instruction takes it (not one that only counts
// references) or when a SYNC must put it into a frame. Everything else that holds a box is a
// snapshot, or a phi whose two sides are boxes that are not needed.
//
// A tuple that is let go lets go of its items, a function of its closure. So such a pack with a DECREF
// is needed, unless all its items are immortal.
#include "ir/build.h"
#include "base/mutation.h"
#include <string.h>

enum { LIVE = 1, IN_LOOP = 2, OBJECT = 4 };     // OBJECT: a box that must exist

typedef struct {
    Trace *t;
    uint8_t mark[MAX_INS];
    bool is_phi[MAX_INS];               // left side
    bool snap_done[MAX_SNAPS][2];
    Ref work[MAX_INS * 4];
    int n_work;
    Ref counts[MAX_INS];                // instructions that only count references, in order
    int n_counts;
    bool changed;
    bool holds_globals;                 // stores to globals wait: what they store need not exist
} Dce;

static bool
is_box(int op)
{
    return op == UOP_BOX_INT || op == UOP_BOX_FLOAT || is_pack(op);
}

static bool
counts_only(int op)
{
    return op == UOP_INCREF || op == UOP_DECREF_SIMPLE || op == UOP_DECREF_SHARED
        || op == UOP_DECREF || op == UOP_DECREF_FLOAT;
}

static bool
needs_no_object(const Dce *d, int op)
{
    return counts_only(op) || (d->holds_globals && op == UOP_GLOBAL_STORE);
}

static void
mark(Dce *d, Ref ref, int bits)
{
    if (ref == NO_REF || ref_is_const(ref) || (d->mark[ref] & bits) == bits) {
        return;
    }
    d->mark[ref] |= (uint8_t)bits;
    d->changed = true;
    d->work[d->n_work++] = ref;
}

static void
mark_snapshot(Dce *d, const Ins *ins, int bits)
{
    Trace *t = d->t;
    // A SYNC asks more of its snapshot than the call behind it, which shares it.
    bool is_sync = ins->op == UOP_SYNC;
    if (ins->snap == NO_SNAP || (d->snap_done[ins->snap][bits >> 1 & 1] && !is_sync)) {
        return;
    }
    d->snap_done[ins->snap][bits >> 1 & 1] = true;
    const Snapshot *s = &t->snaps[ins->snap];
    for (int k = 0; k < s->n_frames; k++) {
        const SnapFrame *f = &t->frames[s->first_frame + (uint32_t)k];
        mark(d, f->func, bits | OBJECT);
        mark(d, f->extra, bits | OBJECT);
        mark(d, f->memory, bits);
    }
    for (uint32_t i = 0; i < s->count; i++) {
        const SnapEntry *e = &t->entries[s->first + i];
        const SnapFrame *f = &t->frames[s->first_frame + e->frame];
        bool stored = is_sync && e->how != SLOT_DROP
            && e->slot < compat_code_nlocalsplus((PyCodeObject *)f->code);
        mark(d, e->ref, stored ? bits | OBJECT : bits);
    }
}

static void
drain(Dce *d)
{
    Trace *t = d->t;
    while (d->n_work > 0) {
        Ref ref = d->work[--d->n_work];
        const Ins *ins = &t->ins[ref];
        int bits = LIVE | (t->loop && ref > t->loop ? IN_LOOP : 0);
        // What a sunk box holds is needed wherever the box is.
        int inherit = (d->mark[ref] & IN_LOOP) && (is_box(ins->op) || (uop_table[ins->op].flags & VIRTUAL))
            ? IN_LOOP : 0;
        bool no_objects = needs_no_object(d, ins->op) || (is_pack(ins->op) && !(d->mark[ref] & OBJECT));
        for (int k = 0; k < uop_table[ins->op].n_inputs; k++) {
            mark(d, ins->in[k], bits | inherit | (no_objects ? 0 : OBJECT));
        }
        mark_snapshot(d, ins, bits);
        if (t->loop && ref < t->loop && (d->mark[ref] & IN_LOOP) && !d->is_phi[ref]) {
            Ref right = t->copy_of[ref];
            if (right != ref && right != NO_REF) {
                d->is_phi[ref] = true;
                mark(d, right, LIVE | IN_LOOP);
            }
        }
    }
}

// Can this pack die unmade, as if it had never held anything?
static bool
dies_quietly(const Dce *d, Ref pack)
{
    Ref items[MAX_INPUTS];
    int n = pack_items(&d->t->ins[pack], items);
    for (int k = 0; k < n; k++) {
        if (!ref_is_const(items[k]) || !_Py_IsImmortal(konst_as_obj(d->t, items[k]))) {
            return false;
        }
    }
    return true;
}

// A change of a pack's count: does it mean that the object must be made?
static bool
needs_pack(const Dce *d, const Ins *ins)
{
    Ref pack = ins->in[0];
    return !ref_is_const(pack) && is_pack(d->t->ins[pack].op) && !(d->mark[pack] & OBJECT) && !dies_quietly(d, pack);
}

// What globals hold at LOOP is needed in the loop: exits store it.
static void
mark_held_globals(Dce *d)
{
    const Trace *t = d->t;
    for (Ref ref = t->chain[UOP_GLOBAL_STORE]; d->holds_globals && ref != NO_REF;
         ref = t->ins[ref].chain) {
        if (ref < t->loop) {
            mark(d, t->ins[ref].in[2], LIVE | IN_LOOP);
        }
    }
    drain(d);
}

// A phi's sides are both unmade boxes or both objects.
static void
settle_phis(Dce *d)
{
    Trace *t = d->t;
    do {
        d->changed = false;
        for (Ref left = 1; t->loop && left < t->loop; left++) {
            if (!d->is_phi[left] || t->ins[left].type != TY_OBJ) {
                continue;
            }
            Ref right = t->copy_of[left];
            bool both_boxes = is_box(t->ins[left].op) && !ref_is_const(right)
                && t->ins[right].op == t->ins[left].op;
            if (!both_boxes || ((d->mark[left] | d->mark[right]) & OBJECT)) {
                mark(d, left, OBJECT);
                mark(d, right, OBJECT);
            }
        }
        drain(d);
    } while (d->changed);
}

static bool
is_sunk(const Dce *d, Ref ref)
{
    return !ref_is_const(ref) && is_box(d->t->ins[ref].op) && !(d->mark[ref] & OBJECT);
}

static AbortReason
write_phis(Dce *d)
{
    Trace *t = d->t;
    t->n_phis = 0;
    for (Ref left = 1; t->loop && left < t->loop; left++) {
        bool is_virtual = uop_table[t->ins[left].op].flags & VIRTUAL;
        if (!d->is_phi[left] || is_sunk(d, left) || (is_virtual && !is_box(t->ins[left].op))) {
            continue;                   // its input is the phi
        }
        if (t->n_phis >= sizeof(t->phis) / sizeof(t->phis[0])) {
            return ABORT_TOO_MANY_VARIABLES;
        }
        t->phis[t->n_phis].left = left;
        t->phis[t->n_phis++].right = t->copy_of[left];
    }
    t->n_phis -= MUTATED(lost_phi) && t->n_phis > 0;
    return ABORT_NONE;
}

static void
mark_roots(Dce *d)
{
    Trace *t = d->t;
    d->n_counts = 0;
    for (Ref ref = 1; ref < t->n_ins; ref++) {
        const Ins *ins = &t->ins[ref];
        if (ins->flags & INS_DEAD) {
            continue;
        }
        if (counts_only(ins->op)) {
            d->counts[d->n_counts++] = ref;
            if (!ref_is_const(ins->in[0]) && is_box(t->ins[ins->in[0]].op)) {
                continue;
            }
        }
        else if (!(uop_table[ins->op].flags & (EFFECT | GUARD | CONTROL))) {
            continue;
        }
        mark(d, ref, LIVE);
        drain(d);
    }
}

// Reference counts of boxes: live where the box is an object, nothing otherwise.
static void
settle_counts(Dce *d)
{
    bool again;
    do {
        again = false;
        for (int i = 0; i < d->n_counts; i++) {
            Ref ref = d->counts[i];
            const Ins *ins = &d->t->ins[ref];
            if (needs_pack(d, ins)) {
                mark(d, ins->in[0], LIVE | OBJECT);
                drain(d);
                again = true;
            }
            if (!(d->mark[ref] & LIVE) && (d->mark[ins->in[0]] & OBJECT)) {
                mark(d, ref, LIVE);
                drain(d);
                again = true;
            }
        }
        settle_phis(d);
    } while (again);
}

AbortReason
opt_dce(Trace *t)
{
    static Dce d;
    d.t = t;
    d.n_work = 0;
    d.holds_globals = may_hold_globals(t);
    memset(d.mark, 0, t->n_ins);
    memset(d.is_phi, 0, t->n_ins * sizeof(bool));
    memset(d.snap_done, 0, t->n_snaps * sizeof(d.snap_done[0]));
    mark_roots(&d);
    mark_held_globals(&d);
    for (int i = 0; i < t->n_jump; i++) {
        mark(&d, t->jump[i].ref, LIVE | OBJECT);
    }
    drain(&d);
    settle_phis(&d);
    settle_counts(&d);
    for (Ref ref = 1; ref < t->n_ins; ref++) {
        Ins *ins = &t->ins[ref];
        ins->flags &= (uint8_t)~INS_SUNK;
        if (!(d.mark[ref] & LIVE)) {
            ins->flags |= INS_DEAD;
        }
        else if (is_box(ins->op) && !(d.mark[ref] & OBJECT)) {
            ins->flags |= INS_SUNK;
        }
    }
    return write_phis(&d);
}
