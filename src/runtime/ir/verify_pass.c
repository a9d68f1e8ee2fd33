// verify_pass.c - is a trace well-formed between two passes? Called after each of them in debug builds, and by
// the tests of passes; verify.c is what all builds ask of the last one's outcome.
//
// Checked is what every pass may take for granted of its input: instructions are as their rows say and stand
// behind what they use; what can leave has a snapshot, and all that a snapshot names is there, in range and
// an object; the loop's parts come in their order, and one instruction ends the trace; phis pair a value
// from before LOOP with one of the same type; the lists of equal instructions are whole.
#if defined(JITPATCH_DEBUG) || defined(JITPATCH_TOOL)
#include "ir/build.h"
#include <stdio.h>

typedef struct {
    const Trace *t;
    VerifyStage stage;
    char *message;                      // what is wrong, in room bytes; empty: nothing
    size_t room;
    Ref end;                            // the instruction that ends the trace, or NO_REF
    Ref loop_entry, loop;
} Verify;

// Returns false, for the caller to hand on.
static bool
wrong(Verify *v, Ref at, const char *what, long which)
{
    if (v->message[0] == '\0') {
        uint16_t op = v->t->ins[at].op;
        snprintf(v->message, v->room, "%04d %s: %s (%ld)", at, op < UOP_COUNT ? uop_table[op].name : "?", what, which);
    }
    return false;
}

static bool
is_dead(const Ins *ins)
{
    return (ins->flags & INS_DEAD) != 0;
}

// Can `ref` be used at `at`?
static bool
is_there(const Verify *v, Ref ref, Ref at)
{
    if (ref_is_const(ref)) {
        return (ref & ~KREF) < v->t->n_konsts;
    }
    if (ref == NO_REF || ref >= v->t->n_ins) {
        return false;
    }
    const Ins *ins = &v->t->ins[ref];
    uint8_t flags = at < v->t->n_ins ? v->t->ins[at].flags : 0;
    if (flags & INS_KNOWN) {            // what it names may have been made again, later, or have died
        return true;
    }
    if (ref >= at && !(v->stage != VERIFY_FINAL && (ins->flags & INS_ENTRY) && !(flags & INS_ENTRY))) {
        return false;                   // the entry part comes first, wherever it was recorded
    }
    return !is_dead(ins);
}

static bool
check_inputs(Verify *v, Ref at)
{
    const Ins *ins = &v->t->ins[at];
    const UopInfo *info = &uop_table[ins->op];
    int n = ins->op == UOP_TUPLE_PACK ? (int)ins->operand[0] : info->n_inputs;
    if (n > info->n_inputs) {
        return wrong(v, at, "it has too many inputs", n);
    }
    for (int k = 0; k < n; k++) {
        Ref ref = ins->in[k];
        if (!is_there(v, ref, at)) {
            return wrong(v, at, "an input is not there", ref);
        }
        if (ref_type(v->t, ref) != info->inputs[k]) {
            return wrong(v, at, "an input has another type", ref);
        }
        if ((ins->flags & INS_ENTRY) && !ref_is_const(ref) && !(v->t->ins[ref].flags & INS_ENTRY)) {
            return wrong(v, at, "the entry part uses what comes behind it", ref);
        }
    }
    // The peeler reads what such a variable's box was; when it has run, the box itself may be gone.
    bool of_variable = ins->op == UOP_DECREF_SLOT || ins->op == UOP_SLOT_ENSURE || ins->op == UOP_SLOT_ENSURE_FLOAT;
    for (int k = n; k < MAX_INPUTS && !(ins->flags & INS_KNOWN); k++) {
        if (ins->in[k] != NO_REF && !(k == n && of_variable && ins->in[k] < at)) {
            return wrong(v, at, "it has an input that its row does not know", ins->in[k]);
        }
    }
    return true;
}

static bool
check_type(Verify *v, Ref at)
{
    const Ins *ins = &v->t->ins[at];
    IRType type = uop_table[ins->op].output;
    bool inherits = ins->op == UOP_INHERIT && ins->type != TY_VOID;    // what the parent's value was
    return inherits || ins->type == type || wrong(v, at, "its type is not its row's", ins->type);
}

// --- snapshots ----------------------------------------------------------------------------------

static bool
check_frames(Verify *v, Ref at, const Snapshot *s)
{
    if (s->n_frames == 0 || s->first_frame + s->n_frames > v->t->n_frames) {
        return wrong(v, at, "its snapshot's frames are out of range", s->n_frames);
    }
    for (int k = 0; k < s->n_frames; k++) {
        const SnapFrame *f = &v->t->frames[s->first_frame + (uint32_t)k];
        if (f->code == NULL) {
            return wrong(v, at, "a frame of its snapshot has no code", k);
        }
        const Ref refs[] = {f->func, f->memory, f->kind == FRAME_INIT ? f->extra : NO_REF};
        for (int i = 0; i < 3; i++) {
            bool needed = (i == 0 && k > 0) || (i == 2 && f->kind == FRAME_INIT);
            if ((needed || refs[i] != NO_REF) && !is_there(v, refs[i], at)) {
                return wrong(v, at, "its snapshot names a frame's value that is not there", k);
            }
        }
    }
    return true;
}

static bool
check_slot(Verify *v, Ref at, const Snapshot *s, const SnapEntry *e)
{
    if (e->frame >= s->n_frames) {
        return wrong(v, at, "its snapshot names a frame that it does not have", e->frame);
    }
    const SnapFrame *f = &v->t->frames[s->first_frame + e->frame];
    if (e->slot >= compat_code_nlocalsplus((PyCodeObject *)f->code) + f->depth) {
        return wrong(v, at, "its snapshot names a slot that the frame does not have", e->slot);
    }
    for (const SnapEntry *before = &v->t->entries[s->first]; before < e; before++) {
        if (before->frame == e->frame && before->slot == e->slot && before->how < SLOT_DROP) {
            return wrong(v, at, "its snapshot fills a slot twice", e->slot);
        }
    }
    return true;
}

static bool
check_entry(Verify *v, Ref at, const Snapshot *s, const SnapEntry *e)
{
    const Trace *t = v->t;
    if (e->how > SLOT_STORE) {
        return wrong(v, at, "its snapshot has an entry of no kind", e->how);
    }
    if (e->how == SLOT_STORE) {
        return (is_there(v, e->slot, at) && !ref_is_const(e->slot) && (t->ins[e->slot].flags & INS_SUNK))
            || wrong(v, at, "its snapshot names a store that is not held back", e->slot);
    }
    if (e->how != SLOT_DROP && !check_slot(v, at, s, e)) {
        return false;
    }
    if (e->how == SLOT_NULL) {
        return true;
    }
    if (!is_there(v, e->ref, at)) {
        return wrong(v, at, "its snapshot names a value that is not there", e->ref);
    }
    if (ref_type(t, e->ref) != TY_OBJ) {
        return wrong(v, at, "its snapshot names a value that is no object", e->ref);
    }
    bool boxed = !ref_is_const(e->ref)
        && (t->ins[e->ref].op == UOP_SLOT_BOX || t->ins[e->ref].op == UOP_SLOT_BOX_FLOAT);
    return e->how != SLOT_PARAM || boxed || wrong(v, at, "its snapshot calls param what is none", e->ref);
}

// A box or pack without a snapshot has one that cannot fail, once it is lowered.
static bool
may_lack_snapshot(const Verify *v, const Ins *ins)
{
    const uint32_t flags = uop_table[ins->op].flags;
    return (ins->flags & (INS_SUNK | INS_KNOWN)) != 0 || (v->stage != VERIFY_FINAL && (flags & ALLOC) && !(flags & EFFECT));
}

static bool
check_snapshot(Verify *v, Ref at)
{
    const Ins *ins = &v->t->ins[at];
    bool leaves = (uop_table[ins->op].flags & (EXITS | RAISES)) != 0;
    if (ins->snap == NO_SNAP) {
        return !leaves || may_lack_snapshot(v, ins) || wrong(v, at, "it can leave and has no snapshot", 0);
    }
    if (ins->snap >= v->t->n_snaps) {
        return wrong(v, at, "its snapshot does not exist", ins->snap);
    }
    const Snapshot *s = &v->t->snaps[ins->snap];
    if (!check_frames(v, at, s)) {
        return false;
    }
    if (s->first + s->count > v->t->n_entries) {
        return wrong(v, at, "its snapshot's entries are out of range", (long)s->count);
    }
    for (uint32_t i = 0; i < s->count; i++) {
        if (!check_entry(v, at, s, &v->t->entries[s->first + i])) {
            return false;
        }
    }
    return true;
}

// --- the trace as a whole -----------------------------------------------------------------------

static bool
check_place(Verify *v, Ref at)
{
    const Ins *ins = &v->t->ins[at];
    if (v->end != NO_REF) {
        return wrong(v, at, "it stands behind the end of the trace", v->end);
    }
    switch (ins->op) {
        case UOP_LOOP_ENTRY:
            if (v->loop_entry != NO_REF || v->loop != NO_REF) {
                return wrong(v, at, "there is another one, or LOOP, before it", v->loop_entry);
            }
            v->loop_entry = at;
            return true;
        case UOP_LOOP:
            v->loop = v->loop == NO_REF ? at : NO_REF;
            return v->loop == at || wrong(v, at, "there are two of it", 0);
        case UOP_LOOP_END: case UOP_JUMP: case UOP_TRACE_END: case UOP_TRACE_RETURN:
            v->end = at;
            return ins->op != UOP_LOOP_END || v->loop != NO_REF || wrong(v, at, "there is no LOOP before it", 0);
        default:
            return v->stage != VERIFY_FINAL || v->loop_entry == NO_REF || !(ins->flags & INS_ENTRY)
                || wrong(v, at, "the entry part is over", v->loop_entry);
    }
}

static bool
check_whole(Verify *v)
{
    const Trace *t = v->t;
    if (v->end == NO_REF && v->stage != VERIFY_RECORDED) {
        return wrong(v, t->n_ins - 1, "the trace does not end", 0);
    }
    if (v->loop != t->loop || v->loop_entry != t->loop_entry) {
        return wrong(v, v->loop, "the trace does not know where its loop is", t->loop);
    }
    if (v->loop != NO_REF && t->ins[v->end].op != UOP_LOOP_END) {
        return wrong(v, v->end, "the loop does not end", v->loop);
    }
    for (int i = 0; i < t->n_jump; i++) {
        if (t->ins[v->end].op != UOP_JUMP || !is_there(v, t->jump[i].ref, t->n_ins)) {
            return wrong(v, v->end, "a value for a jump is not there", t->jump[i].ref);
        }
    }
    return true;
}

static bool
check_phis(Verify *v)
{
    const Trace *t = v->t;
    for (int i = 0; i < t->n_phis; i++) {
        Ref left = t->phis[i].left, right = t->phis[i].right;
        if (ref_is_const(left) || !is_there(v, left, t->n_ins) || !is_there(v, right, t->n_ins)) {
            return wrong(v, v->loop, "a phi's side is not there", left);
        }
        if (left >= v->loop) {
            return wrong(v, v->loop, "a phi begins with a value of the loop's", left);
        }
        if (ref_type(t, left) != ref_type(t, right)) {
            return wrong(v, v->loop, "a phi's sides are of two types", left);
        }
        for (int k = 0; k < i; k++) {
            if (t->phis[k].left == left) {
                return wrong(v, v->loop, "two phis begin with one value", left);
            }
        }
    }
    return true;
}

// The list of each op's instructions, and what each will be a turn later: passes before the last go by them.
static bool
check_lists(Verify *v)
{
    const Trace *t = v->t;
    for (int op = 0; v->stage != VERIFY_FINAL && op < UOP_COUNT; op++) {
        Ref before = t->n_ins;
        for (Ref ref = t->chain[op]; ref != NO_REF; ref = t->ins[ref].chain) {
            if (ref >= before) {
                return wrong(v, 0, "a list of equal instructions goes forward", ref);
            }
            before = ref;
        }
    }
    for (Ref ref = 1; ref < t->n_copies; ref++) {
        Ref copy = t->copy_of[ref];
        if (copy != NO_REF && (ref_is_const(copy) ? (copy & ~KREF) >= t->n_konsts : copy >= t->n_ins)) {
            return wrong(v, ref, "its copy does not exist", copy);
        }
        if (copy != NO_REF && ref_type(t, copy) != t->ins[ref].type) {
            return wrong(v, ref, "its copy has another type", copy);
        }
    }
    return true;
}

bool
verify_pass(const Trace *t, VerifyStage stage, char *message, size_t room)
{
    Verify v = {.t = t, .stage = stage, .message = message, .room = room};
    message[0] = '\0';
    for (Ref at = 1; at < t->n_ins; at++) {
        const Ins *ins = &t->ins[at];
        if (ins->op >= UOP_COUNT) {
            return wrong(&v, at, "there is no such uop", ins->op);
        }
        if (is_dead(ins) && !(ins->flags & INS_KNOWN)) {
            continue;
        }
        if (!check_type(&v, at) || !check_inputs(&v, at) || !check_snapshot(&v, at) || !check_place(&v, at)) {
            return false;
        }
    }
    if (!check_whole(&v) || !check_phis(&v) || !check_lists(&v)) {
        return false;
    }
    const char *fault = stage == VERIFY_FINAL ? trace_verify(t) : NULL;
    snprintf(message, room, "%s", fault == NULL ? "" : fault);
    return fault == NULL;
}

#endif
