// opt.c - the list of passes. What build() did while recording comes before it.
#include "ir/build.h"
#include <stdio.h>
#include <stdlib.h>

const Pass opt_passes[] = {
    {"refs", opt_refs},
    {"dce", opt_dce},
    {"rebox", opt_rebox},
    {NULL, NULL},
};

// Debug builds stop at the pass that is wrong.
static void
check(const char *pass, const Trace *t, VerifyStage stage)
{
#ifdef JITPATCH_DEBUG
    char wrong[200];
    if (!verify_pass(t, stage, wrong, sizeof wrong)) {
        char *text = trace_text(t);
        fprintf(stderr, "%s\njitpatch: wrong after %s: %s\n", text, pass, wrong);
        abort();
    }
#else
    (void)pass, (void)t, (void)stage;
#endif
}

AbortReason
optimise(Builder *b, uint16_t loop_snap, ForceExit force, Trace *out)
{
    check("recording", b->t, VERIFY_RECORDED);
    AbortReason reason = loop_snap != NO_SNAP ? opt_loop(b, loop_snap) : b->abort;
    if (reason != ABORT_NONE) {
        return reason;
    }
    check("peel", b->t, VERIFY_OPTIMISED);
    for (const Pass *pass = opt_passes; pass->name != NULL; pass++) {
        reason = pass->run(b->t);
        if (reason != ABORT_NONE) {
            return reason;
        }
        check(pass->name, b->t, VERIFY_OPTIMISED);
    }
    // From here on the trace is in its final order, and refs mean something else.
    reason = opt_lower(b->t, force, out);
    if (reason == ABORT_NONE) {
        check("lower", out, VERIFY_FINAL);
        reason = trace_verify(out) == NULL ? ABORT_NONE : ABORT_INTERNAL;
    }
    return reason;
}
