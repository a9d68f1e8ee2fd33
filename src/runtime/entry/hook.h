// hook.h - what hook.c offers, and the other ways in.
#ifndef JITPATCH_HOOK_H
#define JITPATCH_HOOK_H

#include "back/executor.h"
#include "base/activation.h"
#include "base/state.h"
#include "python/compat.h"

// Once, when the extension is loaded: what stands below entry/ can ask it (run/entries.h).
void hook_init(void);
// Take sys.monitoring's OPTIMIZER_ID and its events. -1 with RuntimeError if another tool has it.
int hook_enable(void);
// Give them back. Compiled code that is running goes on until its next check.
void hook_disable(void);
// The code object's events as nominate.c and the recorder want them now.
struct CodeInfo;
void hook_update_events(struct CodeInfo *info);
// Is the code object on the path of the recording under way?
bool hook_is_recording(PyCodeObject *code);
// Have INSTRUCTION events delivered for this code object (nests by set, not by count).
int hook_watch_code(PyCodeObject *code);
void hook_unwatch_all(void);

// A generator is about to be resumed by C code, and will come to `key` (anchor_key): the newest trace
// for that place, or NULL: a turn is counted, and a recording begun when it is hot. *key becomes -1 if
// there will never be one.
Executor *hook_resumed(PyThreadState *tstate, Frame *frame, PyCodeObject *code, int *key);

// Where a trace begins for a generator that waits at `offset`: behind RESUME, the None that the yield
// gives, and jumps. -1: nowhere.
int generator_entry(PyCodeObject *code, int offset);

// --- generators.c -----------------------------------------------------------------------------
// Take generators' tp_iternext, and give it back.
void generators_enable(void);
void generators_disable(void);
// The next value of a generator as tp_iternext returns it. A trace may hand values to the consumer
// instead of returning them; NULL: there is none.
// Is the generator one that generator_next would count for, or enter compiled code for?
bool generator_is_taken(PyObject *generator);
PyObject *generator_next(PyObject *generator, Consumer *consumer);
// --- lookers.c: the same for functions by which other tools ask for events of a code object ------
void lookers_enable(void);
void lookers_disable(void);
// --- consumers.c: the same for builtins that consume generators ---------------------------------
void consumers_enable(void);
void consumers_disable(void);

#endif
