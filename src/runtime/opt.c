// opt.c - the list of passes. What build() did while recording comes before it.
#include "build.h"
#include <stdio.h>
#include <stdlib.h>

AbortReason
optimise(Builder *b, uint16_t loop_snap, ForceExit force, Trace *out)
{
    AbortReason reason = ABORT_NONE;
    if (loop_snap != NO_SNAP) {
        reason = opt_loop(b, loop_snap);
    }
    if (reason != ABORT_NONE || b->abort != ABORT_NONE) {
        return reason != ABORT_NONE ? reason : b->abort;
    }
    // From here on instructions are only removed.
    opt_refs(b->t);
    reason = opt_dce(b->t);
    if (reason != ABORT_NONE) {
        return reason;
    }
    opt_rebox(b->t);
    // From here on the trace is in its final order, and refs mean something else.
    reason = opt_lower(b->t, force, out);
    const char *wrong = reason == ABORT_NONE ? trace_verify(out) : NULL;
    if (wrong != NULL) {
#ifdef JITPATCH_DEBUG
        char *text = trace_text(out);
        fprintf(stderr, "%s\njitpatch: the optimiser is wrong: %s\n", text, wrong);
        abort();
#endif
        return ABORT_INTERNAL;
    }
    return reason;
}
