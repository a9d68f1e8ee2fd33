// hook.h - what hook.c offers to module.c and executor.c; the rest of the runtime uses jit.h.
#ifndef JITPATCH_HOOK_H
#define JITPATCH_HOOK_H

#include "jit.h"

// Take sys.monitoring's OPTIMIZER_ID and its events. -1 with RuntimeError if another tool has it.
int hook_enable(void);
// Give them back. Compiled code that is running goes on until its next check.
void hook_disable(void);
// Now and then, from anywhere outside of compiled code: is it time to listen to cold functions again?
void hook_look_at_clock(void);
// Something has been left alone for now: all events are to be switched on again in time.
void hook_listen_later(void);
// Runs of this code object (NULL: of none any more) are timed: have it reported when they end.
void hook_report_ends(PyCodeObject *code);
// Take a root trace out of its loop's chain (drops the chain's reference).
void hook_uninstall_root(Executor *ex);

// A generator is about to be resumed by C code, and will come to `key` (anchor_key): the newest trace
// for that place, or NULL: a turn is counted, and a recording begun when it is hot. *key becomes -1 if
// there will never be one.
Executor *hook_resumed(PyThreadState *tstate, Frame *frame, PyCodeObject *code, int *key);

// --- generators.c -----------------------------------------------------------------------------
// Take generators' tp_iternext, and give it back.
void generators_enable(void);
void generators_disable(void);
// The next value of a generator as tp_iternext returns it. A trace may hand values to the consumer
// instead of returning them; NULL: there is none.
PyObject *generator_next(PyObject *generator, Consumer *consumer);
// --- consumers.c: the same for builtins that consume generators ---------------------------------
void consumers_enable(void);
void consumers_disable(void);

#endif
