// enter.h - into compiled code (enter.c), and from an exit back (exit.c); how much of the C stack it may use (native.c).
#ifndef JITPATCH_ENTER_H
#define JITPATCH_ENTER_H

#include "back/executor.h"
#include "base/activation.h"
#include "base/state.h"
#include "python/compat.h"

// --- enter.c ----------------------------------------------------------------------------------
// Run compiled code for `frame`, which stands at ex's anchor: by ex, or another version of it. On return the
// frame says where the interpreter goes on (instr_ptr, stack, depth), or an exception is set up to be raised
// there. false: none was entered, and nothing has happened. in_compiled: called by compiled code (RUN_LOOP).
bool run_executor(PyThreadState *tstate, Frame *frame, Executor *ex, bool in_compiled);

// The same from the callback of a loop of `code`, which may be anybody's call. false, too, where the long way must
// be gone.
bool run_loop(PyCodeObject *code, Executor *ex);

// Runs ex for the frame of a call (compat_push_bound), which is gone afterwards, and judges the entry: what the function
// returns, or NULL with an exception.
PyObject *run_judged(PyThreadState *tstate, Frame *frame, Executor *ex);
// The same for an activation that has left its trace: the interpreter finishes the frame.
PyObject *finish_called(Activation *act, Executor *ex);

// The version that may be run for `frame`, or NULL.
Executor *fitting_executor(PyThreadState *tstate, Frame *frame, Executor *ex);
// Of `newest` and the older versions, the first one for this stack depth that will not leave before its loop
// begins, for its variables are of other types; or NULL.
Executor *version_that_fits(Executor *newest, Frame *frame, int depth);
// Runs a fitting executor for the frame of a generator. The value, when it stopped at YIELD_VALUE with
// everything else in the frame (which stands there, the value not on its stack). NULL: left somewhere
// else, as by run_executor; *ended: it has come to returning None, its stack empty.
PyObject *run_to_yield(PyThreadState *tstate, Frame *frame, Executor *ex, Consumer *consumer, bool *ended);

// --- exit.c -----------------------------------------------------------------------------------
// exit.c: the frame of `act` as an exit wants it; the interpreter is to go on there.
void leave_executor(Activation *act);
// The same for an activation that counts in root->inside. in_compiled: it was entered by compiled code (RUN_LOOP).
void leave_tree(Activation *act, Executor *root, bool in_compiled);
// The exit was taken, and all is in the frame but what a yield yields: that value (a new reference), and how deep
// the stack is below it. exit_note() only counts the exit.
PyObject *exit_value(Activation *act, int *depth);
void exit_note(Executor *ex, uint32_t n);
bool exit_is_yield(const Executor *ex, uint32_t n);     // it stands before a YIELD_VALUE

// --- native.c ---------------------------------------------------------------------------------
// native.c: addresses below are too near to the end of this thread's C stack for compiled code to be
// entered, or for a native call.
typedef struct { uint64_t thread; uintptr_t floor; } NativeFloor;
OURS NativeFloor native_last;           // found last
uintptr_t native_find_floor(PyThreadState *tstate);
static inline uintptr_t
native_floor(PyThreadState *tstate)
{
    return native_last.thread == tstate->id ? native_last.floor : native_find_floor(tstate);
}

#endif
