// trial.h - whether it pays to enter the compiled code of a code object, found out by timing.
#ifndef JITPATCH_TRIAL_H
#define JITPATCH_TRIAL_H

#include "anchors.h"

// The one trial under way. While `refusing`, `info`'s traces are not entered from the interpreter.
typedef struct {
    CodeInfo *info;             // NULL: none
    Frame *frame;               // whose run is being timed, or NULL
    bool refusing;
    uint32_t events;            // of ours that the interpreter reported meanwhile, for nothing
} Trial;

extern Trial trial;

// A run of the code starts in `frame`, called from `caller` (or NULL). Called only if trial_wanted().
void trial_arrive(CodeInfo *info, Frame *frame, Frame *caller);
// It ends: the function returns, the generator yields. `reported`: by an event.
void trial_depart(Frame *frame, bool reported);
// A consumer is about to take all values of a new generator: timed as a whole. Called only if trial_wanted().
void trial_arrive_consumed(CodeInfo *info, Frame *caller);
// A root trace of the code has been installed.
void trial_prepare(CodeInfo *info);
// The code object dies, or (NULL) nothing is entered any more: a trial of it ends without a verdict.
void trial_forget(const CodeInfo *dead);
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
    return trial.refusing && trial.info == info;
}

#endif
