// verify.c - is a lowered trace well-formed? Called before registers are assigned; a trace that
// is not is a bug of a pass, and is given up instead of being run (debug builds stop).
//
// Checked: every input is a constant or an earlier live instruction of the type the uop's row asks
// for; every snapshot names only such values, at the place of each instruction that uses it; what
// can leave has a snapshot; phis and jump values exist; no unmade variable (SLOT_BOX) is used after
// its slot in memory has been given to another value, nor is its one reference given twice.
#include "ir/build.h"
#include <stdio.h>
#include <string.h>

static char message[200];

static bool
is_ready(const Trace *t, Ref ref, Ref at)
{
    if (ref_is_const(ref)) {
        return (ref & ~KREF) < t->n_konsts;
    }
    return ref != NO_REF && ref < at && !(t->ins[ref].flags & INS_DEAD);
}

static const char *
fault(Ref at, const Trace *t, const char *what, Ref ref)
{
    snprintf(message, sizeof(message), "%04d %s: %s (%04d)", at, uop_table[t->ins[at].op].name, what,
             ref);
    return message;
}

static bool taken[2048];                // slots of the outermost frame written since the trace began
static uint16_t verified;               // the snapshot looked at last, nothing being taken since, or NO_SNAP

static unsigned
slot_index(const Ins *ins)
{
    return (unsigned)((ins->operand[0] - compat_frame_slots_offset()) / sizeof(PyObject *)) % 2048;
}

static bool
is_slot_box(const Ins *ins)
{
    return ins->op == UOP_SLOT_BOX || ins->op == UOP_SLOT_BOX_FLOAT;
}

// Does `at` ask memory for a variable whose slot holds something else now?
static bool
is_too_late(const Trace *t, Ref at)
{
    const Ins *ins = &t->ins[at];
    if (ins->op == UOP_SLOT_ENSURE || ins->op == UOP_SLOT_ENSURE_FLOAT || ins->op == UOP_DECREF_SLOT) {
        return taken[slot_index(ins)];
    }
    if ((ins->op == UOP_FRAME_STORE || ins->op == UOP_FRAME_CLEAR) && !ref_is_const(ins->in[0])
        && t->ins[ins->in[0]].op == UOP_ROOT_FRAME) {
        taken[slot_index(ins)] = true;
        verified = NO_SNAP;
    }
    return false;
}

static const char *
verify_snapshot(const Trace *t, Ref at)
{
    const Ins *ins = &t->ins[at];
    if (ins->snap >= t->n_snaps) {
        return fault(at, t, "has no snapshot", 0);
    }
    if (ins->snap == verified) {
        return NULL;                    // what was there earlier is there now
    }
    const Snapshot *s = &t->snaps[ins->snap];
    if (s->n_frames == 0) {
        return fault(at, t, "its snapshot has no frames", 0);
    }
    for (int k = 0; k < s->n_frames; k++) {
        const SnapFrame *f = &t->frames[s->first_frame + (uint32_t)k];
        if ((k > 0 && !is_ready(t, f->func, at)) || (f->memory && !is_ready(t, f->memory, at))
            || (f->kind == FRAME_INIT && !is_ready(t, f->extra, at))) {
            return fault(at, t, "its snapshot names a frame's value that is not there", (Ref)k);
        }
    }
    for (uint32_t i = 0; i < s->count; i++) {
        const SnapEntry *e = &t->entries[s->first + i];
        if (e->how == SLOT_STORE) {
            if (!is_ready(t, e->slot, at) || !(t->ins[e->slot].flags & INS_SUNK)) {
                return fault(at, t, "its snapshot names a store that is not held back", e->slot);
            }
            continue;
        }
        if (e->how != SLOT_NULL && (!is_ready(t, e->ref, at) || ref_type(t, e->ref) != TY_OBJ)) {
            return fault(at, t, "its snapshot names a value that is not there", e->ref);
        }
        if (e->how == SLOT_NULL || ref_is_const(e->ref) || !is_slot_box(&t->ins[e->ref])) {
            continue;
        }
        if (taken[slot_index(&t->ins[e->ref])]) {
            return fault(at, t, "its snapshot needs a variable whose slot is taken", e->ref);
        }
        for (uint32_t k = 0; k < i && e->how != SLOT_NEW; k++) {
            const SnapEntry *before = e - 1 - k;
            if (before->ref == e->ref && before->how != SLOT_NEW && before->how != SLOT_NULL) {
                return fault(at, t, "its snapshot hands a variable's one reference out twice", e->ref);
            }
        }
    }
    verified = ins->snap;
    return NULL;
}

const char *
trace_verify(const Trace *t)
{
    memset(taken, 0, sizeof(taken));
    verified = NO_SNAP;
    for (Ref at = 1; at < t->n_ins; at++) {
        const Ins *ins = &t->ins[at];
        const UopInfo *info = &uop_table[ins->op];
        if (ins->flags & INS_DEAD) {
            continue;
        }
        if (is_too_late(t, at)) {
            return fault(at, t, "its slot is taken by another value", 0);
        }
        for (int k = 0; k < info->n_inputs; k++) {
            if (ins->in[k] == NO_REF && ins->op == UOP_TUPLE_PACK) {
                continue;
            }
            if (!is_ready(t, ins->in[k], at)) {
                return fault(at, t, "an input is not there", ins->in[k]);
            }
            if (ref_type(t, ins->in[k]) != info->inputs[k]) {
                return fault(at, t, "an input has another type", ins->in[k]);
            }
        }
        if ((info->flags & (EXITS | RAISES)) && !(ins->flags & INS_SUNK)) {
            const char *wrong = verify_snapshot(t, at);
            if (wrong != NULL) {
                return wrong;
            }
        }
    }
    for (int i = 0; i < t->n_phis; i++) {
        if (!is_ready(t, t->phis[i].left, t->n_ins) || !is_ready(t, t->phis[i].right, t->n_ins)
            || ref_is_const(t->phis[i].left)) {
            return "a phi's side is not there";
        }
    }
    for (int i = 0; i < t->n_jump; i++) {
        if (!is_ready(t, t->jump[i].ref, t->n_ins)) {
            return "a value for a jump is not there";
        }
    }
    return NULL;
}
