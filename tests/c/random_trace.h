// random_trace.h - random traces and trees of traces for test_assign.c.
#ifndef RANDOM_TRACE_H
#define RANDOM_TRACE_H

#include "trace_tool.h"

// A root of about `size` instructions; the same for the same seed. Not compiled.
void random_root(Tool *tool, uint32_t seed, unsigned size);
// Make, run and grow one tree for each seed from..to-1; prints what was covered.
void random_trees(uint32_t from, uint32_t to);
// Changes every register that a C function may change (trash.c).
void trash(void);

#endif
