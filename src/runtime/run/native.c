// native.c - a function's own trace called from compiled code, with no interpreter in between.
//
// The callee gets a real frame on the thread's data stack, and an activation of its own on the C stack.
// So whatever looks at frames sees what the interpreter would have made, and an exit in the callee
// concerns nobody else: its frame is brought up to date, the interpreter finishes it, and the result is
// returned to the caller's trace as if the callee had not left.
//
// Before the call GUARD_ROOM has looked at the recursion limit, the C stack and the eval breaker; where
// one of them says no, the interpreter makes the call.
#include "back/emit.h"
#include "back/executor.h"
#include "base/helpers.h"
#include "base/os.h"
#include "base/state.h"
#include "python/compat.h"
#include "run/anchors.h"
#include "run/enter.h"
#include "run/entries.h"
#include "run/executor_life.h"
#include "run/invalidate.h"
#include "run/switches.h"

// --- the C stack ------------------------------------------------------------------------------

enum { C_UNITS = 4 };                   // of c_recursion_remaining that a native call stands for

// Compiled code may use the upper half of the thread's C stack for calls; the rest is for what it calls.
NativeFloor native_last = {UINT64_MAX, UINTPTR_MAX};

uintptr_t
native_find_floor(PyThreadState *tstate)
{
    uintptr_t low, high;
    native_last.thread = tstate->id;
    native_last.floor = os_stack(&low, &high) ? low + (high - low) / 2 : UINTPTR_MAX;   // unknown: none
    return native_last.floor;
}

// --- the call ---------------------------------------------------------------------------------

// The callee was suspended with this call's activation on the C stack.
static void
note_switch(PyObject *function)
{
    if (switches_note((PyCodeObject *)((PyFunctionObject *)function)->func_code)) {
        assume_function_broken(function);   // traces that call it natively, or follow it
    }
}

// The callee has left its trace: the interpreter finishes it.
static PyObject *
finish(Activation *act)
{
    leave_executor(act);
    // (A recording that has begun there wants to see it return.)
    PyObject *result = jit.recorder != NULL ? NULL : compat_returned(act->tstate, act->frame);
    return result != NULL ? result : compat_finish_frame(act->tstate, act->frame, false);
}

enum { OFTEN = 64 };                    // calls without a trace after which one is wanted

// A call that the interpreter makes, for the function has no trace: its starts may have to be heard for it to get one.
static void
note_traceless(CodeInfo *info)
{
    Anchor *function = &info->function;
    if (jit.nominates && function->newest == NULL && !function->blacklisted && ++function->count % OFTEN == 0) {
        entry_calls.ask(info, HEAR_STARTS);
    }
}

static PyObject *
call(Activation *act, PyObject *function, void *entry, int64_t count)
{
    PyThreadState *tstate = act->tstate;
    Executor *ex = info_function_trace(entry, (PyFunctionObject *)function);
    Activation callee;
    if (ex == NULL) {
        note_traceless(entry);
    }
    if (ex == NULL || !executor_may_run(tstate, ex) || !compat_push_call(&callee, act, function, (int)count)) {
        return compat_call_function(tstate, function, act->args + 1, (int)count);
    }
    callee.verdict = NULL;
    callee.stays = false;
    ex->entered++;
    ex->tally.entered++;
    ex->inside++;
    tstate->c_recursion_remaining -= C_UNITS;
    emit_enter(&callee, ex->machine_code);
    ex->inside--;
    PyObject *result = callee.returned;
    if (callee.exit == EXIT_RETURNED) {
        ex->tally.returned++;
        compat_pop_call(tstate, callee.frame);
    }
    else {
        result = finish(&callee);
    }
    tstate->c_recursion_remaining += C_UNITS;
    return result;
}

PyObject *
help_call_native(Activation *act, PyObject *function, void *entry, int64_t count)
{
    uint64_t switches = switches_count(act->tstate);
    jit.stats.native_calls++;
    PyObject *result = call(act, function, entry, count);
    if (switches_since(act->tstate, switches)) {
        note_switch(function);
    }
    return result;
}
