// enter.c - from the interpreter into compiled code.
//
// In:   a frame that stands where an executor begins, and that executor.
// Out:  the frame says where the interpreter goes on: exit.c has brought it up to date, or the function has
//       returned. Or nothing has happened, for the executor may not be run for this frame now.
#include "run/enter.h"
#include "back/executor.h"
#include "base/state.h"
#include "python/compat.h"
#include "run/anchors.h"
#include "run/coverage.h"
#include "run/entries.h"
#include "run/executor_life.h"
#include "run/recorder.h"
#include "run/restore.h"
#include "run/run_code.h"
#include "run/switches.h"

// --- which executor, and may it be run ----------------------------------------------------------

static inline bool
fits_frame(const Executor *ex, Frame *frame)
{
    return !ex->invalid && ex->globals == compat_frame_globals(frame)
        && ex->builtins == compat_frame_builtins(frame);
}

// Will the entry part of `ex` find what it wants in this frame?
static bool
entry_fits(const Executor *ex, Frame *frame)
{
    for (uint32_t i = 0; i < ex->n_wanted; i++) {
        PyObject *o = *(PyObject **)((char *)frame + ex->wanted[i].slot);
        if (o == NULL || (ex->wanted[i].type != NULL && Py_TYPE(o) != ex->wanted[i].type)) {
            return false;
        }
    }
    return true;
}

Executor *
version_that_fits(Executor *newest, Frame *frame, int depth)
{
    Executor *ex = newest;
    while (ex != NULL && (ex->stack_depth != depth || !fits_frame(ex, frame) || !entry_fits(ex, frame))) {
        ex = ex->next_version;
    }
    return ex;
}

// The version for this frame's globals that its variables want, if there are several.
static Executor *
version_for(Executor *newest, Frame *frame)
{
    Executor *ex = newest;
    while (ex != NULL && !fits_frame(ex, frame)) {
        ex = ex->next_version;
    }
    if (ex != NULL && ex->next_version != NULL) {
        Executor *best = version_that_fits(ex, frame, ex->stack_depth);
        ex = best != NULL ? best : ex;
    }
    return ex;
}

static inline Executor *
fitting(PyThreadState *tstate, Frame *frame, Executor *ex)
{
    if (ex->next_version != NULL || !fits_frame(ex, frame)) {
        ex = version_for(ex, frame);
    }
    // A frame object that somebody holds may read and write locals behind our back.
    if (ex == NULL || !executor_may_run(tstate, ex) || tstate->py_recursion_remaining <= RECURSION_RESERVE
        || (uintptr_t)__builtin_frame_address(0) < native_floor(tstate)
        || (compat_frame_has_object(frame) && !compat_forget_frame_object(frame))) {
        return NULL;
    }
    return ex;
}

Executor *
fitting_executor(PyThreadState *tstate, Frame *frame, Executor *ex)
{
    return fitting(tstate, frame, ex);
}

// --- running it -------------------------------------------------------------------------------

// An entry is about to be made, or has been: it is judged now and then whether they pay.
static void
begin_verdict(Activation *act, Executor *ex, Frame *frame, Verdict *verdict)
{
    act->verdict = NULL;
    act->stays = false;
    if (policy_judges(ex)) {
        act->verdict = verdict;
        Py_INCREF(ex);
        act->spared = 0;
        policy_entering(verdict, ex, frame);
    }
}

static __attribute__((noinline)) void
judge(Executor *ex, const Verdict *verdict, EntryWay way)
{
    bool may_have_door = ex->is_function && ex->code != NULL && entry_calls.may_open(ex->code);
    if (policy_judge(ex, verdict, way, may_have_door) && ex->code != NULL) {
        hook_leave_alone(ex->code, ex->anchor, ABORT_DOES_NOT_PAY);
    }
    Py_DECREF(ex);
}

static inline void
end_verdict(const Activation *act, Executor *ex, EntryWay way)
{
    if (act->verdict != NULL) {
        act->verdict->spared = act->spared;
        judge(ex, act->verdict, way);
    }
}

// run_to_yield(), the activation being ready.
static PyObject *
run_resumed(Activation *act, PyThreadState *tstate, Frame *frame, Executor *ex, bool *ended)
{
    run_code(act, tstate, frame, ex);
    Executor *left = act->executor;
    uint32_t n = (uint32_t)act->exit;
    if ((n & EXIT_RAISED) && exit_is_yield(left, n & ~EXIT_RAISED)) {
        PyErr_Clear();                  // the consumer had no memory: it tries again, and raises
        act->exit = n &= ~EXIT_RAISED;
    }
    const Exit *exit = n & EXIT_RAISED ? NULL : &left->exits[n];
    bool same = act->version == compat_monitoring_version(tstate);
    *ended = exit != NULL && exit->ended && same && compat_frame_at_return(frame);
    if (*ended) {
        ex->inside--;
        exit_note(left, n);
        compat_frame_set_depth(frame, 0);
        return NULL;
    }
    if (exit == NULL || !exit->yields || !same || !compat_frame_at_yield(frame)) {
        leave_tree(act, ex, false);
        return NULL;
    }
    // All else is in the frame.
    if (act->verdict != NULL) {
        policy_left(act->verdict, exit, frame, false);
    }
    int depth;
    ex->inside--;
    PyObject *value = exit_value(act, &depth);
    compat_frame_set_depth(frame, depth);
    return value;
}

PyObject *
run_to_yield(PyThreadState *tstate, Frame *frame, Executor *ex, Consumer *consumer, bool *ended)
{
    Activation act;
    Verdict verdict;
    act.consumer = consumer;
    begin_verdict(&act, ex, frame, &verdict);
    PyObject *value = run_resumed(&act, tstate, frame, ex, ended);
    end_verdict(&act, ex, ENTRY_BY_RESUMPTION);
    return value;
}

// Compiled when nothing switched the C stack yet (else record.c had given it up), and now more than one run in
// ten is suspended there: it is left to the interpreter.
enum { SWITCHED_RUN = 10, SWITCHED_LIMIT = 200 };

static void
note_switched_run(Executor *ex, PyThreadState *tstate, uint64_t switches)
{
    if (!switches_since(tstate, switches)) {
        ex->switched -= ex->switched > 0;
        return;
    }
    jit.stats.switches++;
    ex->switched += SWITCHED_RUN;
    if (ex->switched >= SWITCHED_LIMIT && ex->code != NULL) {
        ex->switched = 0;
        hook_leave_alone(ex->code, ex->anchor, ABORT_STACK_SWITCH);
    }
}

static void
run_fitting(PyThreadState *tstate, Frame *frame, Executor *ex, bool in_compiled)
{
    Activation act;
    Verdict verdict;
    if (in_compiled) {
        act.verdict = NULL;
    }
    else {
        begin_verdict(&act, ex, frame, &verdict);
    }
    act.stays = in_compiled || (jit.recorder != NULL && recorder_calls.waits_for(frame));
    run_code(&act, tstate, frame, ex);
    if (act.exit == EXIT_RETURNED) {
        compat_return_from(frame, act.returned);
        act.executor->tally.returned++;
        ex->inside--;
        if (act.verdict != NULL) {
            policy_returned(&verdict, act.executor);
        }
    }
    else {
        leave_tree(&act, ex, in_compiled);
    }
    end_verdict(&act, ex, ENTRY_BY_EVENT);
}

bool
run_executor(PyThreadState *tstate, Frame *frame, Executor *ex, bool in_compiled)
{
    ex = fitting(tstate, frame, ex);
    if (ex == NULL) {
        return false;
    }
    uint64_t switches = switches_count(tstate);
    Py_INCREF(ex);
    run_fitting(tstate, frame, ex, in_compiled);
    note_switched_run(ex, tstate, switches);
    Py_DECREF(ex);
    return true;
}

PyObject *
finish_called(Activation *act, Executor *ex)
{
    Py_INCREF(ex);
    leave_tree(act, ex, false);
    Py_DECREF(ex);
    // (A recording that has begun there wants to see it return.)
    PyObject *result = jit.recorder != NULL ? NULL : compat_returned(act->tstate, act->frame);
    return result != NULL ? result : compat_finish_frame(act->tstate, act->frame, false);
}

PyObject *
run_judged(PyThreadState *tstate, Frame *frame, Executor *ex)
{
    Activation act;
    Verdict verdict;
    begin_verdict(&act, ex, frame, &verdict);
    run_code(&act, tstate, frame, ex);
    bool returned = act.exit == EXIT_RETURNED;
    PyObject *result = act.returned;
    if (returned) {
        act.executor->tally.returned++;
        ex->inside--;
        policy_returned(&verdict, act.executor);
        compat_pop_call(tstate, frame);
    }
    else {
        leave_tree(&act, ex, false);
    }
    end_verdict(&act, ex, ENTRY_BY_CALL);
    return returned ? result : compat_finish_frame(tstate, frame, false);
}

// run_executor() for the callback of a loop, in the usual case all in one: there is one trace, nothing has changed
// since it was entered last, this entry is not judged, and the exit is a plain one. false: nothing has happened.
bool
run_loop(PyCodeObject *code, Executor *ex)
{
    PyThreadState *tstate = compat_thread();
    Frame *frame = compat_current_frame(tstate);
    CallbackState saved;                // lies about where the stack ends
    if (frame == NULL || compat_frame_code(frame) != code || !compat_frame_is_saved(frame)
        || ex->next_version != NULL || ex->good_epoch != jit.epoch
        || ex->good_version != compat_monitoring_version(tstate) || *jit.evaluator != NULL
        || ex->globals != compat_frame_globals(frame) || ex->builtins != compat_frame_builtins(frame)
        || tstate->py_recursion_remaining <= RECURSION_RESERVE || native_last.thread != tstate->id
        || (uintptr_t)&saved < native_last.floor || compat_frame_has_object(frame)
        || policy_judges(ex)) {
        return false;
    }
    Activation act;
    act.verdict = NULL;
    act.stays = false;
    compat_leave_callback(tstate, &saved);
    uint64_t switches = switches_count(tstate);
    compat_frame_set_depth(frame, -1);
    run_unjudged(&act, tstate, frame, ex);
    Executor *left = act.executor;
    Exit *exit = &left->exits[act.exit];
    if (act.exit < EXIT_RETURNED && exit->restore != NULL && exit->restore->is_plain
        && exit->count + 1 < exit->retry) {
        restore_plain(exit->restore, left, &act);
        exit->count++;
        left->tally.left++;
        jit.stats.exits++;
        if (switches_count(tstate) != switches || ex->switched > 0) {
            note_switched_run(ex, tstate, switches);
        }
        ex->inside--;                   // until now nobody has freed it
    }
    else if (act.exit == EXIT_RETURNED) {
        compat_return_from(frame, act.returned);
        left->tally.returned++;
        if (switches_count(tstate) != switches || ex->switched > 0) {
            note_switched_run(ex, tstate, switches);
        }
        ex->inside--;
    }
    else {
        Py_INCREF(ex);
        leave_tree(&act, ex, false);
        note_switched_run(ex, tstate, switches);
        Py_DECREF(ex);
    }
    executor_sweep();
    compat_reenter_callback(tstate, &saved);
    return true;
}
