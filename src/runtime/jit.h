// jit.h - the state of the JIT in one interpreter, and what the hook, recorder and exits ask of
// one another.
#ifndef JITPATCH_JIT_H
#define JITPATCH_JIT_H

#include "base/activation.h"
#include "base/aborts.h"
#include "base/activation.h"
#include "python/compat.h"
#include "run/executor.h"

// Tunables (params.def): PARAM(name, default, least, most, help).
typedef struct {
#define PARAM(name, value, least, most, help) long name;
#include "base/params.def"
#undef PARAM
} Params;

typedef struct {
#define STAT(name, text) uint64_t name;
#include "base/stats.def"
#undef STAT
    uint64_t aborts[ABORT_COUNT];
} Stats;

typedef struct Recorder Recorder;       // record.c

typedef struct Jit {
    bool enabled;
    Params params;
    Stats stats;
    Recorder *recorder;                 // the recording under way, or NULL
    PyObject *monitoring;               // sys.monitoring
    PyObject *executors;                // list of all live Executors
    PyObject *abort_log;                // dict (filename, line, reason) -> count
    int code_extra;                     // index of our per-code data (hook.c)
    uint64_t changes;                   // counts traces that came into service or went out of it
    size_t bytes;                       // of all that is kept: executors in service and their code, facts, books
    bool to_sweep;                      // executor_sweep() has work to do
    uint64_t epoch;                     // grows whenever it may have changed which trees may be entered
    bool watches_exits;                 // each exit is to be looked at (coverage, option gc_exits)
    bool hears_lookers;                 // lookers.c tells when a tool asks for events of a code object
    const void *const *evaluator;       // NULL there: frames are evaluated by CPython (PEP 523)
    int64_t force_left;                 // option force_exit: exits until the next one is forced
    bool keep_text;                     // executors keep their trace as it was recorded, for uops()
    bool keep_origins;                  // and what their code was put together from (origin.c)
    char *dump;                         // comma-separated stages to dump, or NULL
} Jit;

OURS Jit jit;                           // one interpreter for now: subinterpreters are refused

// --- hook.c -> record.c -----------------------------------------------------------------------
// Start recording a root trace at `anchor` (code units), the frame standing there about to run it
// next (stack saved in the frame). 0, or -1 when recording cannot start now.
int record_start_root(PyThreadState *tstate, Frame *frame, PyCodeObject *code, int anchor);
// The same for a function's trace: the frame stands at RESUME, the offset of its anchor.
int record_start_function(PyThreadState *tstate, Frame *frame, PyCodeObject *code, int anchor);
// Is this the frame that the recording under way follows, or goes on in now?
bool record_follows(Frame *frame, PyCodeObject *code);
// The same for a generator that is about to be resumed and will come to `key` at once (generator_entry).
int record_start_resumed(PyThreadState *tstate, Frame *frame, PyCodeObject *code, int key);
// Where a trace begins for a generator that waits at `offset`: behind RESUME, the None that the yield
// gives, and jumps. -1: nowhere.
int generator_entry(PyCodeObject *code, int offset);
// A loop of a generator has traces of its own for each kind of consumer: the offset of the anchor and
// the kind in one number, which hook.c knows as "offset".
static inline int anchor_key(int offset, int consumer) { return offset | consumer << 24; }
static inline int key_offset(int key) { return key & 0xffffff; }
static inline int key_consumer(int key) { return key >> 24; }
// INSTRUCTION event: the interpreter is about to execute `offset` (code units) of `frame`.
// Never sets an exception.
void record_instruction(PyThreadState *tstate, Frame *frame, PyCodeObject *code, int offset);
// exit.c -> record.c: start a side trace at exit n of ex; the frames are restored as the snapshot
// says. The innermost is about to run.
int record_start_side(PyThreadState *tstate, Frame *frame, Executor *ex, uint32_t n);
// May a side trace begin where this exit has left with an exception: is that handled in a frame of the snapshot?
bool record_may_catch(const Executor *ex, const Exit *exit, Frame *outermost);
// Lets go what recordings have kept alive; may run Python code.
void record_drop_leftovers(void);
// Gives the recording up (thread switch, disable, error): counted, nothing else happens.
void record_abort(AbortReason reason);

// --- record.c -> hook.c -----------------------------------------------------------------------
// A path ends at a loop of this code object, for it has no trace: its turns are to be counted.
void hook_want_loop(PyCodeObject *code);
// Have INSTRUCTION events delivered for this code object (nests by set, not by count).
int hook_watch_code(PyCodeObject *code);
void hook_unwatch_all(void);
// The newest executor for an anchor, or NULL (borrowed). Versions chain by next_version.
Executor *hook_executor_at(PyCodeObject *code, int anchor);
// The loop's compiled code does not pay when entered from the interpreter: it no longer is, until it is found
// hot anew.
void hook_leave_alone(PyCodeObject *code, int anchor, AbortReason why);
// What CALL_NATIVE names a function by: NULL if the code object has, and will have, no trace of its
// own. Lives as long as the code object.
void *hook_function_entry(PyCodeObject *code);
bool hook_is_short(PyCodeObject *code, int anchor);     // has a recording of this loop been given up, as it was left?
bool hook_has_loop(PyCodeObject *code);         // with a trace
long hook_count_versions(PyCodeObject *code, int anchor);
int hook_install_root(PyCodeObject *code, int anchor, Executor *ex);    // keeps a reference
// Count a reason, and what it was about ("" if nothing more is to say), under a source line.
void hook_log_abort(PyCodeObject *code, int line, AbortReason reason, const char *what);
// A recording for this anchor was given up: back off, or blacklist for good.
void hook_penalise(PyCodeObject *code, int anchor, AbortReason reason);
// A recording left its loop: may it be tried again soon, at another turn?
bool hook_may_retry(PyCodeObject *code, int offset);
void hook_retry_soon(PyCodeObject *code, int offset);

// --- hook.c -> exit.c -------------------------------------------------------------------------
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
// exit.c: the frame of `act` as an exit wants it; the interpreter is to go on there.
void leave_executor(Activation *act);
// The same for an activation that counts in root->inside. in_compiled: it was entered by compiled code (RUN_LOOP).
void leave_tree(Activation *act, Executor *root, bool in_compiled);
// The exit was taken, and all is in the frame but what a yield yields: that value (a new reference), and how deep
// the stack is below it. exit_note() only counts the exit.
PyObject *exit_value(Activation *act, int *depth);
void exit_note(Executor *ex, uint32_t n);
bool exit_is_yield(const Executor *ex, uint32_t n);     // it stands before a YIELD_VALUE

// The version that may be run for `frame`, or NULL.
Executor *fitting_executor(PyThreadState *tstate, Frame *frame, Executor *ex);
// Of `newest` and the older versions, the first one for this stack depth that will not leave before its loop
// begins, for its variables are of other types; or NULL.
Executor *version_that_fits(Executor *newest, Frame *frame, int depth);
// Runs a fitting executor for the frame of a generator. The value, when it stopped at YIELD_VALUE with
// everything else in the frame (which stands there, the value not on its stack). NULL: left somewhere
// else, as by run_executor; *ended: it has come to returning None, its stack empty.
PyObject *run_to_yield(PyThreadState *tstate, Frame *frame, Executor *ex, Consumer *consumer, bool *ended);
// hook.c -> record.c: is the recording waiting for a loop of this frame; the loop has been left.
bool record_waits_for(const Frame *frame);
void record_loop_left(const Frame *frame);
// helpers.c -> record.c: compiled code is done with an inlined frame.
void record_frame_gone(const Frame *frame);

// A loop that compiled code ran (RUN_LOOP) has left its frame: a recording begun there stands only
// if the next exit is the compiled code's own, which hands the frame to the interpreter.
void record_left_in_compiled(const Frame *frame);
void record_end_overtaken(void);        // compiled code has gone on: end such a recording

bool record_waits_for_exit(void);
// That exit (GUARD_IP, GUARD_VALID), whose innermost frame is the loop's and goes on in the interpreter.
void record_left_after_loop(const Frame *innermost);

// --- invalidate.c -----------------------------------------------------------------------------
// Assumptions: while recording they are noted (and the watcher armed), then attached to the
// executor. When one breaks, the executor's `invalid` becomes 1 and it is never entered again.
// Each returns 0, or -1 if it cannot be watched (no error set).
bool watched_by_others(PyObject *dict);                 // somebody else asked to hear of its changes
int assume_dict_key(PyObject *dict, PyObject *key);     // its value (or absence) stays as it is
int assume_type(PyTypeObject *type);                    // no attribute of it or its bases changes
int assume_type_lives(PyTypeObject *type);              // it may change, but its address is its own
int assume_function(PyObject *func);                    // code, defaults, kwdefaults, closure stay
void assume_function_broken(PyObject *func);            // it is as if it had been changed
bool assume_broken(void);                               // something noted holds no longer
void assume_begin(void);                                // forget what was noted
int assume_commit(Executor *ex);                        // attach what was noted; -1 on error or if
                                                        // one broke in the meantime
void assume_forget(Executor *ex);                       // executor dies

// --- executor.c -------------------------------------------------------------------------------
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

#endif
