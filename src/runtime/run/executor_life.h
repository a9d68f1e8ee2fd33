// executor_life.h - life and death of executors (executor.c), and what their kin share.
#ifndef JITPATCH_EXECUTOR_LIFE_H
#define JITPATCH_EXECUTOR_LIFE_H

#include "back/executor.h"
#include "base/state.h"
#include "python/compat.h"

// A new executor, all zero but for root = itself and the list jit.executors, which holds it until
// it is retired. NULL with an exception.
Executor *executor_new(void);
// A new executor is a side trace of that tree.
void executor_grows_in(Executor *ex, Executor *root);
// It ends in a jump to that root, or its entry part leads on to that one.
void executor_jumps_to(Executor *ex, Executor *target);
// Does the tree of `root`, or one that can be reached from it, mind a frame object that is there when its turn begins?
bool executor_minds_objects(Executor *root);
// There may be some from now on: what is recorded later reckons with them.
void executor_lets_objects_in(Executor *root);
// So many bytes more are kept for it, as long as it is in service.
void executor_charge(Executor *ex, size_t bytes);
void executor_code_is_full(void);       // the next sweep makes room
void executor_retire(Executor *ex);     // never enter again, unlink, drop when nobody is inside
// May this tree be entered? It is valid, and no tool watches what runs in it. Three words tell whether the last
// answer still holds: what else there is to know changes one of them. (Global events change the monitoring
// version; lookers.c hears of those of one code object.)
bool executor_look_again(PyThreadState *tstate, Executor *root);
static inline bool
executor_may_run(PyThreadState *tstate, Executor *root)
{
    return (root->good_epoch == jit.epoch && root->good_version == compat_monitoring_version(tstate)
            && *jit.evaluator == NULL)
           || executor_look_again(tstate, root);
}
// Retire what was invalidated; free what was retired and nobody can be inside of. Called by the
// hook after compiled code was left; may run Python code (finalizers of what traces kept).
void executor_sweep_now(void);
static inline void
executor_sweep(void)
{
    if (jit.to_sweep) {
        executor_sweep_now();
    }
}
// May unknown code have run before this exit, with no GUARD_VALID between?
bool executor_exit_is_unchecked(const Executor *ex, const Exit *exit);

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
