// opt_loop.c - peel the loop: write the recorded iteration a second time.
//
// In:   the entry part and one recorded iteration, and the snapshot at the loop head.
// Out:  the same, then LOOP, then a copy of entry part and iteration in which each variable is
//       what the first iteration left in it, written through build(). What the first iteration
//       has computed, guarded or loaded, and what no later instruction can change, is found there
//       instead of being made again: it has left the loop.
//
// After the copy, a value of the first iteration that the copy uses, and whose own copy is another
// value, changes from turn to turn: these pairs are the phis (opt_dce.c finds them, when dead
// code is known). The method is LuaJIT's (Mike Pall's note on copy-substitution, lj_opt_loop.c).
//
// Why forwarding over the loop's end is right: between an instruction of the first iteration and
// its copy stands every instruction of the loop once, so whatever could spoil the value in a later
// turn has been seen.
#include "ir/build.h"
#include <string.h>

typedef struct {
    Builder *b;
    Trace *t;
    Ref end;                            // first ref behind the recorded iteration
    uint16_t loop_snap;
    Ref at_end[2048];                   // slot of the outermost frame -> its value at the loop head
    bool has[2048];
    uint16_t listed[2048], copies;      // slot -> the last copied snapshot that lists it; their number
    uint16_t snap_copy[MAX_SNAPS];
} Peel;

static Ref
subst(const Peel *p, Ref ref)
{
    return ref == NO_REF || ref_is_const(ref) ? ref : p->t->copy_of[ref];
}

static bool
is_slot_box_op(int op)
{
    return op == UOP_SLOT_BOX || op == UOP_SLOT_BOX_FLOAT;
}

static void
add_entry(Peel *p, SnapEntry e)
{
    Trace *t = p->t;
    if (t->n_entries >= MAX_SNAP_ENTRIES) {
        p->b->abort = ABORT_TOO_MANY_SNAPSHOTS;
        return;
    }
    if (e.how == SLOT_PARAM && (ref_is_const(e.ref) || !is_slot_box_op(t->ins[e.ref].op))) {
        e.how = SLOT_TAKE;              // the variable has been given a value in the first turn
    }
    t->entries[t->n_entries++] = e;
}

// The snapshot of a copied instruction: the recorded one, and every variable that the first
// iteration left changed and the recorded snapshot did not know yet.
static uint16_t
copy_snapshot(Peel *p, uint16_t old)
{
    Trace *t = p->t;
    if (old == NO_SNAP) {
        return NO_SNAP;
    }
    if (p->snap_copy[old] != NO_SNAP) {
        return p->snap_copy[old];
    }
    const Snapshot from = t->snaps[old], loop = t->snaps[p->loop_snap];
    if (t->n_snaps >= MAX_SNAPS || t->n_frames + from.n_frames > MAX_SNAP_FRAMES) {
        p->b->abort = ABORT_TOO_MANY_SNAPSHOTS;
        return NO_SNAP;
    }
    Snapshot *to = &t->snaps[t->n_snaps];
    *to = (Snapshot){.first = t->n_entries, .first_frame = t->n_frames, .n_frames = from.n_frames,
                     .yields = from.yields, .decided = from.decided,
                     .interp = from.interp, .drop_ip = from.drop_ip};
    for (int k = 0; k < from.n_frames; k++) {
        SnapFrame f = t->frames[from.first_frame + (uint32_t)k];
        f.func = subst(p, f.func);
        f.extra = subst(p, f.extra);
        f.memory = subst(p, f.memory);
        t->frames[t->n_frames++] = f;
    }
    p->copies++;
    for (uint32_t i = 0; i < from.count; i++) {
        SnapEntry e = t->entries[from.first + i];
        if (e.frame == 0 && e.how != SLOT_DROP) {
            p->listed[e.slot] = p->copies;
        }
        e.ref = subst(p, e.ref);
        add_entry(p, e);
    }
    int n_slots = compat_code_nlocalsplus((PyCodeObject *)t->frames[from.first_frame].code)
        + t->frames[from.first_frame].depth;
    for (uint32_t i = 0; i < loop.count; i++) {
        SnapEntry e = t->entries[loop.first + i];
        if (p->listed[e.slot] != p->copies && e.slot < n_slots) {
            add_entry(p, e);
        }
    }
    to->count = t->n_entries - to->first;
    p->snap_copy[old] = t->n_snaps;
    return t->n_snaps++;
}

// What stands for a variable's load in the copy: its value at the loop head.
static Ref
variable(Peel *p, const Ins *ins, Ref self)
{
    uint64_t slot = (ins->operand[0] - compat_frame_slots_offset()) / sizeof(PyObject *);
    if (!p->has[slot]) {
        return self;                    // never written: the load itself
    }
    PyObject *none = ins->op == UOP_SLOT_LOAD_OLD ? Py_None : NULL;
    return p->at_end[slot] == NO_REF ? konst_obj(p->b, none) : p->at_end[slot];
}

static Ref
copy_instruction(Peel *p, Ref ref)
{
    Builder *b = p->b;
    Ins ins = p->t->ins[ref];
    if (ins.flags & INS_ENTRY) {
        if (ins.op == UOP_SLOT_LOAD || ins.op == UOP_SLOT_LOAD_OLD || is_slot_box_op(ins.op)) {
            return variable(p, &ins, ref);
        }
    }
    if (ins.op == UOP_SLOT_ENSURE || ins.op == UOP_SLOT_ENSURE_FLOAT) {
        Ref object = subst(p, ins.in[1]);
        return !ref_is_const(object) && is_slot_box_op(p->t->ins[object].op) ? ref : object;
    }
    if (ins.op == UOP_DECREF_SLOT) {
        Ref object = subst(p, ins.in[0]);
        if (!ref_is_const(object) && is_slot_box_op(p->t->ins[object].op)) {
            b->abort = ABORT_INTERNAL;
            return NO_REF;
        }
        return build1(b, ref_is_const(object) ? UOP_DECREF_SHARED : UOP_DECREF_SIMPLE, object);
    }
    if (ins.op == UOP_SYNC && ins.snap == NO_SNAP) {
        return NO_REF;
    }
    Ref in[MAX_INPUTS] = {NO_REF, NO_REF, NO_REF, NO_REF};
    for (int k = 0; k < MAX_INPUTS; k++) {
        in[k] = subst(p, ins.in[k]);
    }
    b->snap = copy_snapshot(p, ins.snap);
    if (in[3] != NO_REF) {
        Ref copy = build_raw(b, ins.op, in[0], in[1], in[2], ins.operand[0], ins.operand[1]);
        if (copy != NO_REF) {
            p->t->ins[copy].in[3] = in[3];
        }
        return copy;
    }
    return build(b, ins.op, in[0], in[1], in[2], ins.operand[0], ins.operand[1]);
}

AbortReason
opt_loop(Builder *b, uint16_t loop_snap)
{
    static Peel p;
    Trace *t = b->t;
    p.b = b;
    p.t = t;
    p.end = t->n_ins;
    p.loop_snap = loop_snap;
    p.copies = 0;
    memset(p.has, 0, sizeof(p.has));
    memset(p.listed, 0, sizeof(p.listed));
    memset(p.snap_copy, 0xff, t->n_snaps * sizeof(uint16_t));
    memset(t->copy_of, 0, p.end * sizeof(Ref));
    t->n_copies = p.end;
    const Snapshot loop = t->snaps[loop_snap];
    for (uint32_t i = 0; i < loop.count; i++) {
        const SnapEntry *e = &t->entries[loop.first + i];
        if (e->how == SLOT_DROP) {
            return ABORT_INTERNAL;
        }
        p.has[e->slot] = true;
        p.at_end[e->slot] = e->how == SLOT_NULL ? NO_REF : e->ref;
    }
    b->snap = NO_SNAP;
    t->loop = build_raw(b, UOP_LOOP, 0, 0, 0, 0, 0);
    // The entry part first, as it will stand in the end: every snapshot may name its variables.
    for (int part = INS_ENTRY; part >= 0; part -= INS_ENTRY) {
        for (Ref ref = 1; ref < p.end && b->abort == ABORT_NONE; ref++) {
            if ((t->ins[ref].flags & INS_ENTRY) != part) {
                continue;
            }
            t->copy_of[ref] = copy_instruction(&p, ref);
            if (t->copy_of[ref] != NO_REF && !ref_is_const(t->copy_of[ref])
                && ref_type(t, t->copy_of[ref]) != t->ins[ref].type) {
                return ABORT_TYPE_UNSTABLE;
            }
        }
    }
    b->snap = NO_SNAP;
    build_raw(b, UOP_LOOP_END, 0, 0, 0, 0, 0);
    return b->abort;
}
