// trial.h - whether it pays to enter the compiled code of a code object, found out by timing.
#ifndef JITPATCH_TRIAL_H
#define JITPATCH_TRIAL_H

#include "anchors.h"

enum { TRIAL_PAIRS = 16 };      // of rounds, at most: one with traces, one without

// The trial of one code object. While `refusing`, its traces are not entered from the interpreter.
typedef struct Trial {
    CodeInfo *info;             // NULL: free for another
    Frame *frame;               // whose run is being timed, or NULL
    bool consumed;              // that run ends when its consumer says so
    bool refusing;
    // The rest is trial.c's.
    unsigned round, in_round, lost;
    uint64_t arrivals;          // of all code, when the round began
    uint64_t spent;             // in runs of this round, in ns
    double ns[2][TRIAL_PAIRS];          // per run, [without traces]
    // When the run began:
    uint64_t start;             // in ns
    uint64_t events, runs, recordings;  // until then
    const PyThreadState *thread;
} Trial;

// A run of the code starts in `frame`, called from `caller` (or NULL). Called only if trial_wanted().
// `consumed`: it is a new generator, and runs until its consumer has all values (trial_consumed).
void trial_arrive(CodeInfo *info, Frame *frame, Frame *caller, bool consumed);
void trial_end_run(CodeInfo *info, Frame *frame, bool reported);
// A consumer takes no more values of this generator.
void trial_consumed(PyObject *generator);
// An event came of which the interpreter could be spared, were the code left alone.
void trial_needless_event(void);
// A root trace of the code has been installed.
void trial_prepare(CodeInfo *info);
// Nothing of it is to be entered any more: a trial of it ends without a verdict.
void trial_stop(CodeInfo *info);
// Likewise of all code; or of code that dies.
void trial_stop_all(void);
void trial_forget(CodeInfo *dead);
// All events are switched on again: what did not pay may pay now.
void trial_new_chance(void);
// It has been tried, and does not pay: for now, the interpreter need not tell us of it any more.
bool trial_lost(CodeInfo *info);

static inline bool
trial_wanted(const CodeInfo *info)
{
    return info->verdict == VERDICT_OPEN && info->has_traces;
}

// Are traces of this code not to be entered now?
static inline bool
trial_refuses(const CodeInfo *info)
{
    return info->trial != NULL && info->trial->refusing;
}

static inline bool
trial_times(const CodeInfo *info, const Frame *frame)
{
    return info->trial != NULL && info->trial->frame == frame;
}

// A run may be over: the function returns, the generator yields. `reported`: by an event.
static inline void
trial_depart(CodeInfo *info, Frame *frame, bool reported)
{
    if (info != NULL && info->trial != NULL) {
        trial_end_run(info, frame, reported);
    }
}

#endif
