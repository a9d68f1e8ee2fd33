// jit.h - the main line.
#ifndef JITPATCH_JIT_H
#define JITPATCH_JIT_H

#include "front/record.h"

// A RecordCompile: optimise, assign, emit, install.
AbortReason compile_trace(Recorder *r, const Executor *target, uint16_t loop_snap);

#endif
