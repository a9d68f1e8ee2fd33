// executor_life.h - what executor.c, executor_view.c, invalidate.c and module.c share.
#ifndef JITPATCH_EXECUTOR_LIFE_H
#define JITPATCH_EXECUTOR_LIFE_H

#include "jit.h"

extern PyTypeObject Executor_Type;              // executor_view.c

Py_ssize_t executor_count_live(void);
size_t executor_count_inside(void);             // activations in compiled code, all threads
// Of the traces that are retired: what they have been entered and left. (The others' are in jit.executors.)
Tally executor_tally_retired(void);
void executor_reset_tallies(void);              // reset_stats(); who is inside now counts as entered
// The code object of a root is being freed: nothing may look at it any more.
void executor_lose_code(Executor *root);
// An assumption broke. Marks only; safe in watcher callbacks.
void executor_invalidate(Executor *ex);
void executor_retire_all(void);
// A full garbage collection has ended: retire traces that have been of no use for long.
void executor_grow_old(void);
// Retire these, which somebody else holds; what nobody is inside of is freed when all are out of service.
void executor_retire_together(Executor *const *roots, size_t n);
// orphans.c: retire the trees whose code nobody can call any more. May run Python code.
void orphans_retire(void);
// invalidate.c: the watchers, for as long as the JIT is enabled. -1 with an exception.
int invalidate_enable(void);
void invalidate_disable(void);
// Facts known, and dependents of all of them together (for tests of leaks).
void invalidate_count(size_t *facts, size_t *dependents);
void executor_free_memory(Executor *ex);        // tp_dealloc's part that is not Python's

#endif
