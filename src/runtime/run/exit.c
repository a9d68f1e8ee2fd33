// exit.c - from an exit of compiled code back to the interpreter.
//
// In:   the registers saved by an exit stub, and which exit it was.
// Out:  every frame as the interpreter would have left it before the bytecode that the exit's snapshot names.
//       Inlined frames are made and finished by the interpreter here; the outermost goes on when
//       the monitoring callback returns.
//
// The frames are brought up to date by the exit's program (restore.c). Nothing here reads bytecode to guess.
// What the snapshot does not say is the recorder's bug.
#include "back/executor.h"
#include "base/state.h"
#include "policy/policy.h"
#include "python/compat.h"
#include "run/anchors.h"
#include "run/coverage.h"
#include "run/enter.h"
#include "run/operators.h"
#include "run/recorder.h"
#include "run/restore.h"

enum { MAX_AT_SAME_PLACE = 12 };         // side traces in a row that start at one bytecode

// --- frames -----------------------------------------------------------------------------------

// An operator's function has returned: its operands on the caller's stack give way to the result.
// false: an exception is to be raised there.
static bool
end_operator(const SnapFrame *f, Frame *frame, const SnapFrame *caller, PyObject *result)
{
    PyObject **slots = compat_frame_slots(frame);
    int first = compat_code_nlocalsplus((PyCodeObject *)caller->code) + caller->depth - f->n_kept;
    result = finish_operator((FrameKind)f->kind, f->op, slots + first, result);
    if (result == NULL) {
        return false;
    }
    PyObject *kept[ACT_ARGS];
    memcpy(kept, slots + first, f->n_kept * sizeof *kept);
    int depth = caller->depth - f->n_kept;
    if (f->kind == FRAME_DISCARD) {
        Py_DECREF(result);
    }
    else {
        slots[first] = result;
        depth++;
    }
    compat_frame_set_depth(frame, depth);
    for (int i = 0; i < f->n_kept; i++) {
        Py_XDECREF(kept[i]);
    }
    compat_frame_set_ip(frame, caller->ip + caller->return_offset);
    return true;
}

static void
push_result(const SnapFrame *caller, Frame *frame, PyObject *result)
{
    int top = compat_code_nlocalsplus((PyCodeObject *)caller->code) + caller->depth;
    compat_frame_slots(frame)[top] = result;
    compat_frame_set_depth(frame, caller->depth + 1);
    compat_frame_set_ip(frame, caller->ip + caller->return_offset);
}

// The interpreter goes on in the frame of a generator that a `for` loop of `caller` has resumed. The value
// it yields, or NULL: *raise says whether an exception is set; if not, the loop has ended.
static PyObject *
finish_generator(PyThreadState *tstate, Frame *frame, Frame *caller, const SnapFrame *f, bool *raise)
{
    PyObject *generator = compat_generator_of(frame);
    if (*raise) {
        compat_raise_here(tstate, frame);
    }
    PyObject *value = compat_generator_finish(tstate, generator);
    if (value == NULL && PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_StopIteration)) {
        PyErr_Clear();                  // it has returned a value
    }
    *raise = value == NULL && PyErr_Occurred();
    if (value == NULL && !*raise) {
        const SnapFrame *loop = f - 1;
        int depth = loop->depth - 1;
        compat_frame_set_depth(caller, depth);
        compat_frame_set_ip(caller, loop->ip + f->end_offset);
        Py_DECREF(compat_frame_slots(caller)[compat_code_nlocalsplus((PyCodeObject *)loop->code) + depth]);
    }
    return value;
}

// The interpreter finishes the inlined frames, innermost first; each result goes on its caller's
// stack. Returns true if an exception is left to be raised in the outermost frame.
static bool
finish_inlined(Activation *act, const Executor *ex, const Snapshot *snap, Frame **frames,
               PyObject **extras, bool raise)
{
    for (int k = snap->n_frames - 1; k > 0; k--) {
        const SnapFrame *f = &ex->frames[snap->first_frame + (uint32_t)k];
        const SnapFrame *caller = f - 1;
        if (f->kind == FRAME_GENERATOR) {
            PyObject *value = finish_generator(act->tstate, frames[k], frames[k - 1], f, &raise);
            if (value != NULL) {
                push_result(caller, frames[k - 1], value);
            }
            continue;
        }
        PyObject *result = compat_finish_frame(act->tstate, frames[k], raise);
        if (result != NULL && f->kind == FRAME_INIT) {
            if (result != Py_None) {
                PyErr_Format(PyExc_TypeError, "__init__() should return None, not '%.200s'",
                             Py_TYPE(result)->tp_name);
                Py_CLEAR(result);
            }
            else {
                result = Py_NewRef(extras[k]);
            }
        }
        Py_XDECREF(extras[k]);
        if (result != NULL && f->kind >= FRAME_KEEPING) {
            raise = !end_operator(f, frames[k - 1], caller, result);
            continue;
        }
        raise = result == NULL;
        if (!raise) {
            push_result(caller, frames[k - 1], result);
        }
    }
    return raise;
}

// --- leaving ----------------------------------------------------------------------------------

// Would a side trace at this exit never be wanted?
static bool
grows_no_side(const Executor *ex, const Exit *exit)
{
    const Snapshot *snap = &ex->snaps[exit->snap];
    if (snap->yields || snap->no_side) {
        return true;
    }
    if (ex->at_same_place >= MAX_AT_SAME_PLACE && executor_exit_ip(ex, exit) == ex->start_ip) {
        return true;                    // one more trace would leave there as well
    }
    switch (executor_left_op(ex, exit)) {
        case UOP_CHECK_BREAKER: case UOP_GUARD_ROOM: case UOP_GUARD_VALID: case UOP_GUARD_UNSEEN:
        case UOP_GUARD_UNWATCHED: case UOP_GUARD_RETURNS:
            return true;                // not a path of the program's
        default:
            return false;
    }
}

// Could a side trace be recorded from this exit, if it were hot? raised: it was left with an exception.
static bool
may_grow(const Executor *ex, const Exit *exit, Frame *outermost, bool raised)
{
    return raised == executor_exit_raises(ex, exit) && (!raised || recorder_calls.may_catch(ex, exit, outermost))
        && exit->side == NULL && !ex->invalid && !ex->root->invalid
        && ex->root->n_sides < (uint32_t)jit.params.max_sides && !grows_no_side(ex, exit) && policy_may_compile();
}

enum { SOON = 100 };

// The exit is hot: a recording begins where it leads.
static void
record_from(Activation *act, Executor *ex, uint32_t n, Frame *outermost, Frame *innermost)
{
    Exit *exit = &ex->exits[n];
    if (ex->is_side || exit->ref >= ex->entry_end) {
        PyObject *raised = PyErr_GetRaisedException();
        (void)recorder_calls.start_side(act->tstate, innermost, ex, n);
        PyErr_SetRaisedException(raised);
        return;
    }
    // The variables have other types than this trace wants: another version of the loop.
    // (A path that leaves the loop is given up; the next one may be better.)
    bool soon = exit->count < SOON && hook_may_retry(ex->code, ex->anchor);
    exit->retry = soon ? exit->count + 8 : exit->count > UINT32_MAX / 8 ? UINT32_MAX : exit->count * 4 + 64;
    if (hook_count_versions(ex->code, ex->anchor) < jit.params.max_versions) {
        (void)(ex->resumed ? recorder_calls.start_resumed : recorder_calls.start_root)(act->tstate, outermost, ex->code, ex->anchor);
    }
}

static void
collect_garbage(void)
{
    PyObject *raising = PyErr_GetRaisedException();
    (void)PyGC_Collect();
    PyErr_SetRaisedException(raising);
}

// Frames are as the snapshot says: what else is to be done.
static void
leave_on(Activation *act, Executor *ex, uint32_t n, Frame **frames, PyObject **extras, bool raised)
{
    Exit *exit = &ex->exits[n];
    const Snapshot *snap = &ex->snaps[exit->snap];
    unsigned left_by = executor_left_op(ex, exit);
    jit.stats.errors += raised;
    if (jit.params.gc_exits) {
        collect_garbage();
    }
    coverage_exit(ex, exit, raised);
    if (act->verdict != NULL) {
        bool first_try = exit->retry <= (uint32_t)jit.params.side_threshold;    // none has been given up here
        policy_left(act->verdict, exit, frames[0], first_try && may_grow(ex, exit, frames[0], raised));
    }
    if (jit.recorder != NULL && (left_by == UOP_GUARD_IP || left_by == UOP_GUARD_VALID) && snap->n_frames > 1) {
        recorder_calls.left_after_loop(frames[snap->n_frames - 1]);
    }
    if (exit->count >= exit->retry && grows_no_side(ex, exit)) {
        exit->retry = UINT32_MAX;       // never asked again
    }
    else if (exit->count >= exit->retry && may_grow(ex, exit, frames[0], raised) && policy_is_hot(exit)) {
        record_from(act, ex, n, frames[0], frames[snap->n_frames - 1]);
    }
    if (snap->n_frames > 1) {
        raised = finish_inlined(act, ex, snap, frames, extras, raised);
    }
    if (raised) {
        compat_raise_here(act->tstate, frames[0]);
    }
}

static inline void
leave(Activation *act, Executor *ex)
{
    uint32_t n = (uint32_t)act->exit & ~EXIT_RAISED;
    bool raised = (act->exit & EXIT_RAISED) != 0;
    Exit *exit = &ex->exits[n];
    restore_keep_reserve();
    const Restore *program = restore_of(ex, n);
    Frame *frames[MAX_INLINE + 2];
    PyObject *extras[MAX_INLINE + 2];
    for (unsigned k = 1; k < program->n_frames; k++) {
        extras[k] = NULL;
    }
    PyObject *raising = raised ? PyErr_GetRaisedException() : NULL;
    restore_run(program, ex, act, frames, extras);      // from here on `program` may be gone
    if (raised) {
        PyErr_SetRaisedException(raising);
    }
    exit->count++;
    ex->tally.left++;
    jit.stats.exits++;
    leave_on(act, ex, n, frames, extras, raised);
}

void
leave_executor(Activation *act)
{
    Executor *left = (Executor *)Py_NewRef((PyObject *)act->executor);
    leave(act, left);
    Py_DECREF(left);
}

void
leave_tree(Activation *act, Executor *root, bool in_compiled)
{
    Executor *left = (Executor *)Py_NewRef((PyObject *)act->executor);
    Py_INCREF(root);
    root->inside--;
    leave(act, left);
    if (in_compiled && jit.recorder != NULL) {
        recorder_calls.left_in_compiled(act->frame);
    }
    Py_DECREF(left);
    Py_DECREF(root);
}

// --- yields -----------------------------------------------------------------------------------

bool
exit_is_yield(const Executor *ex, uint32_t n)
{
    Instr in;
    const Snapshot *snap = &ex->snaps[ex->exits[n].snap];
    const SnapFrame *f = &ex->frames[snap->first_frame];
    PyCodeObject *code = (PyCodeObject *)f->code;
    PyObject *exc = PyErr_GetRaisedException();
    bool yes = snap->n_frames == 1
        && compat_decode(code, (int)(f->ip - compat_code_start(code)), &in) == 0
        && in.op == BC_YIELD_VALUE;
    PyErr_SetRaisedException(exc);
    return yes;
}

void
exit_note(Executor *ex, uint32_t n)
{
    ex->exits[n].count++;
    ex->tally.left++;
    jit.stats.exits++;
    coverage_exit(ex, &ex->exits[n], false);
}

PyObject *
exit_value(Activation *act, int *depth)
{
    Executor *ex = act->executor;
    Exit *exit = &ex->exits[act->exit];
    const Snapshot *snap = &ex->snaps[exit->snap];
    *depth = ex->entries[snap->first].slot - compat_code_nlocalsplus(compat_frame_code(act->frame));
    exit_note(ex, (uint32_t)act->exit);
    return restore_value(restore_of(ex, (uint32_t)act->exit), ex, act);
}
