// turns.h - how many iterations of a loop were run: its iterator knows.
#ifndef JITPATCH_TURNS_H
#define JITPATCH_TURNS_H

#include "back/executor.h"
#include "python/compat.h"

// A loop's iterator, as it was when compiled code was entered. Compared only: nobody holds it.
typedef struct {
    PyObject *iterator;         // NULL: it is no `for` loop, or one over something that does not tell
    int64_t ahead;              // values that were to come
} Turns;

#define TURNS_UNKNOWN (-1)

// `frame` stands where the loop of `ex` begins.
void turns_begin(Turns *turns, const Executor *ex, Frame *frame);
// Iterations begun since then, if the loop still stands where it stood; else TURNS_UNKNOWN.
int64_t turns_since(const Turns *turns, const Executor *ex, Frame *frame);

#endif
