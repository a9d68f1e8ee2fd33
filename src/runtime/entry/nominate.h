// nominate.h - from samples to code objects whose loops and starts are heard.
#ifndef JITPATCH_NOMINATE_H
#define JITPATCH_NOMINATE_H

#include "run/anchors.h"

// A SampleFunction (sampler.h): looks where the thread that runs stands, and hears what was met repeatedly.
void nominate_sample(uint64_t n, bool late);
// The code object's events are to be as its anchors want them now. Called after a trace was installed, left
// alone or taken out.
void nominate_refresh(CodeInfo *info);
// Compiled code comes to this code object again and again, and finds no trace to go on in.
void nominate_ask(CodeInfo *info, uint8_t what);        // HEAR_*
// The code object dies: nothing may look at it any more.
void nominate_forget(CodeInfo *info);
// All code objects lose their events.
void nominate_forget_all(void);
// Is code heard by nomination (jit.nominates), not all of it by counting?
void nominate_switch(bool on);

// What a generator that C code resumes asks: is it of no interest?
static inline bool
nominate_is_cold(const CodeInfo *info)
{
    return jit.nominates && (info == NULL || !info->heard);
}

#endif
