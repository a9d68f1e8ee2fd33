// opt_refs.c - reference counts that go up and down again with nobody looking in between.
//
// In:   a trace in recorded order.
// Out:  INCREF v ... DECREF v removed where everything between them neither runs unknown code nor
//       lets anything go that could have been what kept v alive. Snapshots in between, which
//       counted on the trace's reference, take a new one instead.
#include "ir/build.h"
#include <string.h>

// May `ins` end the life of an object that only a container keeps alive?
static bool
may_release(const Ins *ins)
{
    uint32_t flags = uop_table[ins->op].flags;
    switch (ins->op) {
        case UOP_DECREF: case UOP_SYNC: case UOP_LOOP: case UOP_LOOP_END: case UOP_JUMP:
        case UOP_FRAME_POP: case UOP_FRAME_STORE: case UOP_FRAME_CLEAR: case UOP_DECREF_SLOT:
        case UOP_TRACEBACK: case UOP_FRAME_UNWIND: case UOP_FRAME_FORGET: case UOP_EXC_RAISE: case UOP_EXC_RAISE_FROM:
        case UOP_EXC_PUSH: case UOP_EXC_POP:
            return true;
        case UOP_RANGE_SET: case UOP_RANGE_SET_START: case UOP_ITER_SET_INDEX: case UOP_ITER_SET_WORD:
            return false;
        default:
            return (flags & ESCAPES) || UOP_WRITES(flags);
    }
}

static bool
is_decref_of(const Ins *ins, Ref ref)
{
    return (ins->op == UOP_DECREF || ins->op == UOP_DECREF_SIMPLE || ins->op == UOP_DECREF_SHARED
            || ins->op == UOP_DECREF_FLOAT)
        && ins->in[0] == ref;
}

// Does what is done with the first input depend on how many references there are to it? If it is the only one,
// the object is changed or emptied in place.
static bool
counts_first(int op)
{
    return op == UOP_STR_APPEND || op == UOP_JOIN_MOVING;
}

// By ref, how many references the instructions since an INCREF have made, less those they have given up.
static struct { Ref since; uint16_t count; } made[MAX_INS];

static void
count_made(const Trace *t, Ref incref, Ref i)
{
    Ref ref = t->ins[i].op == UOP_INCREF ? t->ins[i].in[0] : i;
    if (ref_is_const(ref) || (ref == i && !(uop_table[t->ins[i].op].flags & ALLOC))) {
        return;
    }
    made[ref].count = made[ref].since == incref ? made[ref].count + 1 : 1;
    made[ref].since = incref;
}

// Does `ins` give up a reference that may be the one that keeps `ref` alive, or ask whether there is another one
// than that? Two refs can be one object, as after `a = b` in a parent trace, so any other ref counts, but for boxes,
// which are made here, and references that are younger than `incref`: without those the object lived, too.
static bool
may_drop_alias(const Trace *t, const Ins *ins, Ref ref, Ref incref)
{
    if (ins->op != UOP_DECREF_SIMPLE && ins->op != UOP_DECREF_SHARED && ins->op != UOP_DECREF_FLOAT
        && !counts_first(ins->op)) {
        return false;
    }
    Ref other = ins->in[0];
    if (other == ref || ref_is_const(other) || t->ins[other].op == UOP_BOX_INT || t->ins[other].op == UOP_BOX_FLOAT) {
        return false;
    }
    if (made[other].since != incref || made[other].count == 0) {
        return true;
    }
    made[other].count--;
    return false;
}

// `ref`, and the packs that it was moved into.
enum { MAX_PACKED = 16 };
typedef struct { Ref refs[MAX_PACKED]; int n; } Packed;

static bool
is_among(const Packed *p, Ref ref)
{
    for (int i = 0; i < p->n; i++) {
        if (p->refs[i] == ref) {
            return true;
        }
    }
    return false;
}

// Does what happens to input `k` depend on how many references there are to it? Because the reference moves
// into what is made or is used up, or because the count says whether the object may be changed in place.
static bool
counts_input(int op, int k)
{
    return op == UOP_ARG || is_pack(op) || (k == 0 && counts_first(op));
}

// Would leaving here make one of the packs?
static bool
exit_makes(const Trace *t, const Ins *ins, const Packed *p)
{
    if (p->n == 1 || ins->snap == NO_SNAP || (ins->flags & INS_ENTRY)) {
        return false;
    }
    const Snapshot *s = &t->snaps[ins->snap];
    for (uint32_t i = 0; i < s->count; i++) {
        Ref ref = t->entries[s->first + i].ref;
        if (ref != p->refs[0] && is_among(p, ref)) {
            return true;
        }
    }
    return false;
}

// The matching DECREF, or NO_REF.
static Ref
find_match(const Trace *t, Ref incref)
{
    Ref ref = t->ins[incref].in[0];
    Packed packed = {.refs = {ref}, .n = 1};
    for (Ref i = incref + 1; i < t->n_ins; i++) {
        const Ins *ins = &t->ins[i];
        if (ins->flags & INS_DEAD) {
            continue;
        }
        if (is_decref_of(ins, ref)) {
            return i;
        }
        count_made(t, incref, i);
        if (may_release(ins) || may_drop_alias(t, ins, ref, incref) || exit_makes(t, ins, &packed)) {
            return NO_REF;              // a pack that is made takes the reference over
        }
        for (int k = 0; k < uop_table[ins->op].n_inputs; k++) {
            if (!is_among(&packed, ins->in[k]) || (ins->in[k] == ref && !counts_input(ins->op, k))) {
                continue;
            }
            if (!is_pack(ins->op) || packed.n == MAX_PACKED) {
                return NO_REF;          // moved into something that is being built, or counted
            }
            packed.refs[packed.n++] = i;
        }
    }
    return NO_REF;
}

// One reference to `ref` less that the snapshot can hand on.
static void
weaken(Trace *t, uint16_t snap, Ref ref)
{
    Snapshot *s = &t->snaps[snap];
    SnapEntry *take = NULL;
    for (uint32_t i = 0; i < s->count; i++) {
        SnapEntry *e = &t->entries[s->first + i];
        if (e->ref != ref) {
            continue;
        }
        if (e->how == SLOT_DROP) {
            *e = t->entries[s->first + s->count - 1];
            s->count--;
            return;
        }
        if (e->how == SLOT_TAKE) {
            take = e;
        }
    }
    if (take != NULL) {
        take->how = SLOT_NEW;
        return;
    }
    for (int k = 0; k < s->n_frames; k++) {
        SnapFrame *f = &t->frames[s->first_frame + (uint32_t)k];
        if (f->kind == FRAME_INIT && f->extra == ref && f->extra_how == SLOT_TAKE) {
            f->extra_how = SLOT_NEW;
            return;
        }
    }
}

AbortReason
opt_refs(Trace *t)
{
    static Ref done_for[MAX_SNAPS];     // the INCREF for which a snapshot was last weakened
    memset(done_for, 0, t->n_snaps * sizeof(Ref));
    memset(made, 0, t->n_ins * sizeof(made[0]));
    for (Ref ref = 1; ref < t->n_ins; ref++) {
        Ins *ins = &t->ins[ref];
        if ((ins->flags & INS_DEAD) || ins->op != UOP_INCREF) {
            continue;
        }
        Ref match = find_match(t, ref);
        if (match == NO_REF) {
            continue;
        }
        for (Ref i = ref + 1; i < match; i++) {
            const Ins *between = &t->ins[i];
            if (!(between->flags & (INS_DEAD | INS_ENTRY)) && between->snap != NO_SNAP
                && done_for[between->snap] != ref) {
                weaken(t, between->snap, ins->in[0]);
                done_for[between->snap] = ref;
            }
        }
        ins->flags |= INS_DEAD;
        t->ins[match].flags |= INS_DEAD;
    }
    return ABORT_NONE;
}
