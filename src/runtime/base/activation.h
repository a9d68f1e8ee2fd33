// activation.h - the memory of one run of compiled code in one thread.
//
// It lives on the C stack of the function that enters a trace (enter.c) and is the one pinned
// register of every stencil. Compiled code spills here, passes argument arrays from here, and
// an exit stub dumps the allocatable registers here so that restore.c can read any location.
#ifndef JITPATCH_ACTIVATION_H
#define JITPATCH_ACTIVATION_H

#include <Python.h>
#include <stdint.h>

struct _PyInterpreterFrame;
struct Executor;

enum {
    INT_REGS = 8,        // allocatable integer registers r0..r7
    FLOAT_REGS = 8,      // allocatable double registers f0..f7
    CALL_SAVED_REGS = 3, // r0..r2 survive a C call; every other one is lost
    ACT_ARGS = 40,       // widest vectorcall compiled code makes, with its hidden slot
    RECURSION_RESERVE = 32, // Python calls that a trace may inline, and some
    ACT_SPILLS = 256,    // spill slots of a trace tree
};

// Who takes the values of a generator that a trace runs, and what is done with each in the trace
// itself, at its yield. CONSUMER_NONE: the trace leaves with the value.
typedef enum {
    CONSUMER_NONE,
    CONSUMER_LIST,       // appended to the list `object`
    CONSUMER_SET,        // added to the set `object`
    CONSUMER_SUM,        // added to `sum`
    CONSUMER_SUM_FLOAT,  // added to `total` and `lost`, as sum() adds floats
    CONSUMER_ANY,        // false: nothing; true: leaves
    CONSUMER_ALL,        // true: nothing; false: leaves
} ConsumerKind;

typedef struct Consumer {
    PyObject *object;
    int64_t sum;
    double total, lost;
    int kind;            // ConsumerKind
} Consumer;

typedef struct Activation {
    PyThreadState *tstate;
    struct _PyInterpreterFrame *frame;  // the frame the root trace was entered with
    struct Executor *executor;          // set on leaving: the trace that was left, or has returned
    uint64_t exit;                      // set on leaving: number of the exit in that trace
    uint64_t version;                   // monitoring version on entry
    uint64_t depth;                     // inlined frames that exist in memory now
    uint64_t regs[INT_REGS];            // dumped on leaving
    double fregs[FLOAT_REGS];           // dumped on leaving
    Consumer *consumer;                 // of the generator's values, if `frame` is a generator's
    double scratch;                     // a second result of a helper
    PyObject *returned;                 // set by TRACE_RETURN: what the function returns
    struct Verdict *verdict;            // of this entry, if it is judged (policy.h), or NULL
    uint64_t stays;                     // the frame is somebody's to go on in: no trace may end it (GUARD_RETURNS)
    int64_t spared;                     // instructions, in the turns of loops that count them (LOOP_TURN)
    uintptr_t floor;                    // no native call from an activation below this address
    PyObject *args[ACT_ARGS];           // outgoing arguments; [0] is the hidden slot
    uint64_t spills[ACT_SPILLS];
} Activation;

// Activation.exit
#define EXIT_RAISED 0x80000000u         // bit: an exception is set
#define EXIT_RETURNED 0x40000000u       // no exit: the function returned (returned)

#endif
