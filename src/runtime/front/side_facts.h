// side_facts.h - what a side trace knows when it begins: all that the traces on the way to it have checked.
#ifndef JITPATCH_SIDE_FACTS_H
#define JITPATCH_SIDE_FACTS_H

#include "back/executor.h"
#include "base/state.h"
#include "ir/build.h"
#include "python/compat.h"

// Write what is known at exit `n` of `ex` into the trace of `b`, which begins there: instructions of `ex` and of
// the traces before it, dead here (INS_KNOWN), which build() finds as it finds its own. map[] says which ref of
// `b` has the value of a ref of `ex`; refs made here are added to it. To be called before `b` has any effect.
void side_facts_inherit(Builder *b, const Executor *ex, uint32_t n, Ref *map);

#endif
