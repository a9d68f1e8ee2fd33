// trial.h - whether it pays to enter the compiled code of a code object, found out by timing.
#ifndef JITPATCH_TRIAL_H
#define JITPATCH_TRIAL_H

#include "anchors.h"

// The one trial under way. While `refusing`, `info`'s traces are not entered from the interpreter.
typedef struct {
    CodeInfo *info;             // NULL: none
    bool refusing;
    uint32_t events;            // of ours that the interpreter reported meanwhile, for nothing
} Trial;

extern Trial trial;

// A run of the code starts: of a function, or of a generator. `caller`: the frame it is called from, or
// NULL. Called only if trial_wanted().
void trial_arrive(CodeInfo *info, Frame *caller);
// A root trace of the code has been installed.
void trial_prepare(CodeInfo *info);
// The code object dies, or (NULL) nothing is entered any more: a trial of it ends without a verdict.
void trial_forget(const CodeInfo *info);
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
    if (trial.refusing && trial.info == info) {
        trial.events++;
        return true;
    }
    return false;
}

#endif
