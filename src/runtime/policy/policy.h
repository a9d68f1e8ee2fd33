// policy.h - every rule about what is worth compiling, and what is worth entering.
#ifndef JITPATCH_POLICY_H
#define JITPATCH_POLICY_H

#include "back/executor.h"
#include "base/aborts.h"
#include "policy/turns.h"
#include "python/compat.h"

// --- the budget: time spent recording and compiling ---------------------------------------------
void policy_begin(void);                // the JIT is switched on
bool policy_may_compile(void);          // may another recording begin?
void policy_charge(uint64_t ns);        // time was spent on optimising and emitting
void policy_charge_bytecodes(int n);    // so many were recorded, compiled or not
// The clock has struck (sampler.h).
void policy_sample(void);
// Compiled code was left with a request to the interpreter waiting: it is where time is spent.
void policy_in_code(void);

// --- prices -------------------------------------------------------------------------------------
// Instructions of the interpreter's for one bytecode, as it is specialised most of the time; what C functions do
// in both worlds left out. frames: of the path that is recorded, before and after it.
uint32_t policy_interpreter_cost(Bytecode op, int frames_before, int frames_after);
// The count at which an exit is looked at first, and then: is it taken often enough, in time, for a side trace? If not,
// its `retry` says when to ask again.
uint32_t policy_first_look(void);
bool policy_is_hot(Exit *exit);
// What less is spared if the trace calls `callable` as a whole.
uint32_t policy_uninlined_call(PyObject *callable);
// What more is spared if compiled code, of a function or else of a loop, is run by this trace: the interpreter's way into
// it takes longer.
uint32_t policy_inner_entry(bool function);
// What less is spared if it calls tp_iternext of an iterator of `type`.
uint32_t policy_uninlined_next(const PyTypeObject *type);
// A trace has its stencils: what it spares is known for each exit. interp: of the recorded path.
// ABORT_DOES_NOT_PAY: a loop of which each iteration would be slower than interpreted.
AbortReason policy_price(Executor *ex, Assignment *a, const Trace *t, uint32_t interp, const Executor *parent,
                  uint32_t parent_exit);

// --- whether entering pays ----------------------------------------------------------------------
// One entry that is being judged; the activation points at it.
typedef struct Verdict {
    const Executor *root;       // what was entered (borrowed)
    uint64_t ns;                // spent in compiled code
    Turns seen;                 // the loop's iterator
    int32_t gain;               // instructions spared in one iteration, as the exit or the return says
    int64_t turns;              // further iterations
    bool counted;               // turns: the iterator has told; else it is a guess from the time
    int64_t spared;             // in the iterations that the trace counts itself
    bool told;                  // it has said so
    bool left;                  // by an exit
    bool growing;               // it was left where a side trace is going to grow
} Verdict;

// Is the next entry of this root trace to be judged? Most are not: a compare.
static inline bool policy_judges(const Executor *ex) { return ex->entered >= ex->judge_from; }
void policy_entering(Verdict *verdict, const Executor *root, Frame *frame);
// Right before compiled code is entered, and right after it was left.
void policy_started(Verdict *verdict);
void policy_stopped(Verdict *verdict);
// Compiled code was left at this exit, and `frame`, with which it was entered, is up to date again.
// growing: one that gets a side trace when it is hot.
void policy_left(Verdict *verdict, const Exit *exit, Frame *frame, bool growing);
// Or the function has returned, at the end of this trace.
void policy_returned(Verdict *verdict, const Executor *ex);
// How compiled code was entered: by an event; as the next value of a generator that C code asked for, which costs the
// interpreter about as much; by the function's own vectorcall.
typedef enum { ENTRY_BY_EVENT, ENTRY_BY_RESUMPTION, ENTRY_BY_CALL } EntryWay;
// The entry has ended. true: this root trace does not pay, and is to be left alone from now on. may_have_door: its
// function could be entered by its own vectorcall.
bool policy_judge(Executor *ex, const Verdict *verdict, EntryWay way, bool may_have_door);
// Is it worth while to have functions of this trace entered by their own vectorcall?
bool policy_wants_door(const Executor *ex);
// Adds what was spared since the last judgement to the statistics.
void policy_book(Executor *ex);
// When entries of a new root trace are judged first.
uint64_t policy_first_judged(void);

#endif
