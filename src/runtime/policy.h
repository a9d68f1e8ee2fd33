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

// --- prices -------------------------------------------------------------------------------------
// Instructions of the interpreter's for one bytecode, as it is specialised most of the time; what C functions do
// in both worlds left out.
uint32_t policy_interpreter_cost(Bytecode op);
// A trace has its stencils: what it spares is known for each exit. interp: of the recorded path.
void policy_price(Executor *ex, const Assignment *a, const Trace *t, uint32_t interp, const Executor *parent,
                  uint32_t parent_exit);

// --- whether entering pays ----------------------------------------------------------------------
// An entry of the anchor's traces is about to be made: is it to be judged?
bool policy_judge_next(Anchor *anchor);
// It has been made, or (entered: false) nothing fitted the frame. Traces that do not pay are left alone.
void policy_judge(PyCodeObject *code, int offset, bool entered);

// While an entry is judged, compiled code says how it was left. growing: at an exit that gets a side trace when
// it is hot.
extern bool policy_judging;
void policy_left(const Executor *ex, const Exit *exit, bool growing);
void policy_returned(uint64_t bytecodes);

#endif
