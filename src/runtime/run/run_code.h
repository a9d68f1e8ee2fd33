// run_code.h - the last steps into compiled code, in line. For enter.c and vectorcall.c, which have seen to it that `ex`
// may be run for `frame`.
#ifndef JITPATCH_RUN_CODE_H
#define JITPATCH_RUN_CODE_H

#include "back/emit.h"
#include "policy/policy.h"
#include "run/enter.h"

static inline void
before_code(Activation *act, PyThreadState *tstate, Frame *frame, Executor *ex)
{
    act->floor = native_last.floor;     // fitting_executor() has just looked
    act->tstate = tstate;
    act->frame = frame;
    act->version = compat_monitoring_version(tstate);
    act->depth = 0;
    ex->entered++;
    ex->tally.entered++;
    jit.stats.entered++;
    ex->inside++;
}

// An entry that is not judged (act->verdict is NULL), of a frame whose depth is -1.
static inline void
run_unjudged(Activation *act, PyThreadState *tstate, Frame *frame, Executor *ex)
{
    before_code(act, tstate, frame, ex);
    emit_enter(act, ex->machine_code);
    if (compat_has_request(tstate)) {
        policy_in_code();
    }
}

static inline void
run_code(Activation *act, PyThreadState *tstate, Frame *frame, Executor *ex)
{
    compat_frame_set_depth(frame, -1);
    before_code(act, tstate, frame, ex);
    if (act->verdict != NULL) {
        policy_started(act->verdict);
        emit_enter(act, ex->machine_code);
        policy_stopped(act->verdict);
    }
    else {
        emit_enter(act, ex->machine_code);
    }
    if (compat_has_request(tstate)) {
        policy_in_code();
    }
}

#endif
