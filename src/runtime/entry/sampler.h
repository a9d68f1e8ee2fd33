// sampler.h - the clock that asks the interpreter, now and then, where it is.
#ifndef JITPATCH_SAMPLER_H
#define JITPATCH_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

// One sample, taken with the GIL held at an eval-breaker check (RESUME, a backward jump, behind a call).
// `late`: the interpreter was in C code when it was asked, so where it is now says nothing.
typedef void (*SampleFunction)(uint64_t n, bool late);

// Sampling was to go on after a pause, and cannot: no thread can be made any more.
typedef void (*SampleLostFunction)(void);

// Start sampling in this process. false, without an exception: no thread can be made here.
bool sampler_start(SampleFunction take, SampleLostFunction lost);
void sampler_stop(void);
bool sampler_is_running(void);
// The process is about to fork, or to do something that only a process of one thread may do; and has done so.
// Sampling goes on once the call is over.
void sampler_pause(void);
void sampler_resume_later(void);

#endif
