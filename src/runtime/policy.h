// policy.h - every rule about what is worth compiling, and what is worth entering.
#ifndef JITPATCH_POLICY_H
#define JITPATCH_POLICY_H

#include "anchors.h"

// --- the budget: time spent recording and compiling ---------------------------------------------
void policy_begin(void);                // the JIT is switched on
bool policy_may_compile(void);          // may another recording begin?
void policy_charge(uint64_t ns);        // time was spent on optimising and emitting
void policy_charge_bytecodes(int n);    // so many were recorded, compiled or not
// The clock has struck (sampler.h). The thread that runs has just been asked.
void policy_sample(PyThreadState *tstate, bool late);
// Compiled code was left so that the interpreter sees to a request: it is where time is spent.
void policy_left_by_request(const Frame *frame);

#endif
