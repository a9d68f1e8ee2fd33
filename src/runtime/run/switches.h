// switches.h - code in which the C stack is switched (switches.c).
#ifndef JITPATCH_SWITCHES_H
#define JITPATCH_SWITCHES_H

#include "back/executor.h"
#include "base/state.h"
#include "python/compat.h"


static inline uint64_t switches_count(const PyThreadState *tstate) { return tstate->context_ver; }
// Has the C stack been switched, since switches_count() was `before`, and back?
bool switches_since(const PyThreadState *tstate, uint64_t before);
// It has been while `code` was in a trace, or called from one. true: from now on switches_in().
bool switches_note(PyCodeObject *code);
bool switches_in(PyCodeObject *code);   // often enough to keep it out of traces

#endif
