// record_inner.c - loops inside the path that is recorded: in called functions.
//
// Such a loop is run as a whole, by RUN_LOOP, if it has a trace. The recorder waits meanwhile. The
// interpreter comes to the loop's head at its second turn only, and never if the loop was found not to pay
// on its own; so the recorder follows how deep the stack is, and when the path leaves the loop it knows
// all there is to know, whoever ran it.
#include "front/record.h"
#include "front/snapshot.h"
#include "policy/policy.h"
#include "run/anchors.h"
#include "run/enter.h"

// --- running a loop as a whole ----------------------------------------------------------------

// The last backward jump to `anchor`: where the loop ends. -1: none.
int
loop_end(PyCodeObject *code, int anchor)
{
    static const Bytecode turn[] = {BC_JUMP_BACKWARD};
    Instr in;
    int end = -1;
    int found = compat_find(code, anchor, turn, 1, &in);
    for (; found > 0; found = compat_find(code, in.next, turn, 1, &in)) {
        if (in.target == anchor) {
            end = in.offset;
        }
    }
    if (found < 0) {
        PyErr_Clear();
        return -1;
    }
    return end;
}

// Everything the innermost frame holds goes to memory, which owns it from here on.
static void
hand_over_frame(Recorder *r)
{
    RFrame *f = top_frame(r);
    for (int i = 0; i < f->n_locals + f->depth && r->b.abort == ABORT_NONE; i++) {
        Slot *slot = &r->slots[f->base + i];
        if (slot->state == SLOT_UNTOUCHED) {
            continue;
        }
        Ref ref = slot->state == SLOT_HOLDS ? slot->ref : NO_REF;
        *slot = (Slot){NO_REF, SLOT_UNTOUCHED};
        if (i < f->n_locals) {          // SYNC has stored it
            if (ref != NO_REF && !ref_is_const(ref)) {
                r->own[ref]--;
                if (holders(r, ref) > 0) {
                    own_borrowed(r, ref);       // a frame outside holds it, too
                }
            }
            continue;
        }
        if (ref == NO_REF) {
            build_raw(&r->b, UOP_FRAME_CLEAR, f->memory, 0, 0, slot_offset(i), 0);
            continue;
        }
        give(r, ref);
        build_raw(&r->b, UOP_FRAME_STORE, f->memory, ref, 0, slot_offset(i), 0);
    }
}

// The path is at the head of a compiled loop in a called function: the trace runs that loop as a
// whole, in the frame, which must exist for it. Recording goes on where the loop is left.
bool
try_run_loop(Recorder *r, int offset)
{
    RFrame *f = top_frame(r);
    if (r->n_frames == 1 || f->kind == FRAME_GENERATOR) {
        return false;
    }
    Executor *newest = hook_executor_at(f->code, offset), *ex = version_that_fits(newest, f->frame, f->depth);
    if (ex == NULL) {                   // leaves at once; there, one that fits is recorded
        ex = newest;
        while (ex != NULL && (ex->invalid || ex->stack_depth != f->depth)) {
            ex = ex->next_version;
        }
    }
    int end = ex == NULL ? -1 : loop_end(f->code, offset);
    if (end < 0 || PyList_Append(r->b.keep, (PyObject *)ex) < 0) {
        PyErr_Clear();
        return false;
    }
    snapshot_need(r);
    for (int i = f->n_locals; i < f->n_locals + f->depth; i++) {
        real(r, slot_ref(r, f, i));
    }
    sync_frames(r);
    hand_over_frame(r);
    r->interp += policy_inner_entry(false);
    build_raw(&r->b, UOP_RUN_LOOP, f->memory, 0, 0, fn(ex), (uint64_t)f->depth);
    r->wait = (Wait){.on = true, .from = offset, .to = end, .at = offset, .depth = f->depth};
    return true;
}

// --- waiting for it ---------------------------------------------------------------------------

bool
record_waits_for(const Frame *frame)
{
    Recorder *r = jit.recorder;
    return r != NULL && r->wait.on && frame == top_frame(r)->frame;
}

void
record_loop_left(const Frame *frame)
{
    if (record_waits_for(frame)) {
        Wait *w = &jit.recorder->wait;
        w->by_code = true;
        w->depth = compat_frame_depth((Frame *)frame);
    }
}

// The interpreter has come from w->at to `offset`: how deep the stack is there. false: it came by an
// exception.
static bool
follow_depth(Wait *w, PyCodeObject *code, int offset)
{
    Instr in;
    if (compat_decode(code, w->at, &in) < 0) {
        PyErr_Clear();
        return false;
    }
    bool jumped = offset == in.target && in.target != in.next;
    w->depth += compat_stack_effect(code, &in, jumped);
    return jumped || offset == in.next;
}

static bool
is_return(PyCodeObject *code, int offset)
{
    Instr in;
    if (compat_decode(code, offset, &in) < 0) {
        PyErr_Clear();
        return false;
    }
    return in.op == BC_RETURN_VALUE || in.op == BC_RETURN_CONST;
}

enum { MAX_EVENTS = 5000 };

// A bytecode of the loop's frame is about to run. true: the loop has been left, or the recording given up.
bool
waited_enough(Recorder *r, int offset)
{
    Wait *w = &r->wait;
    PyCodeObject *code = top_frame(r)->code;
    if (w->by_code) {
        after_loop(r, offset);
        return true;
    }
    if (++w->events > MAX_EVENTS || (offset != w->at && !follow_depth(w, code, offset))) {
        give_up(r, w->events > MAX_EVENTS ? ABORT_LONG_CALL : ABORT_EXCEPTION);
        return true;
    }
    w->at = offset;
    if (offset >= w->from && offset <= w->to && !is_return(code, offset)) {
        return false;
    }
    after_loop(r, offset);
    return true;
}

// The loop that the trace waited for has been left, for `offset`.
void
after_loop(Recorder *r, int offset)
{
    Builder *b = &r->b;
    RFrame *f = top_frame(r);
    r->wait.on = false;
    _Py_CODEUNIT *ip = compat_code_start(f->code) + offset;
    f->depth = r->wait.depth;
    r->start_offset = -1;
    for (int i = 0; i < f->n_locals + f->depth; i++) {
        r->slots[f->base + i] = (Slot){NO_REF, SLOT_UNTOUCHED};
    }
    f->ip = NULL;                       // at an exit it stands wherever the loop was left
    b->snap = snapshot_take_decided(r);
    build_raw(b, UOP_GUARD_IP, f->memory, 0, 0, fn(ip), compat_frame_ip_offset());
    f->ip = ip;
    r->check_valid = true;
    r->expect = offset;
}
