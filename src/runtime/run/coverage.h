// coverage.h - see coverage.c. Each function returns at once unless JITPATCH_COVERAGE names a file.
#ifndef JITPATCH_COVERAGE_H
#define JITPATCH_COVERAGE_H

#include "back/executor.h"
#include "base/state.h"
#include "python/compat.h"


extern bool coverage_is_on;
void coverage_init(void);               // once, before anything is compiled
// A trace was installed: `recorded` is what passes began with, `final` what was emitted as `a`.
void coverage_trace(const Trace *recorded, const Trace *final, const Assignment *a,
                    const Executor *ex);
void coverage_exit(const Executor *ex, const Exit *exit, bool raised);
void coverage_abort(AbortReason reason);
// {kind: [every name that can appear]}; NULL with an exception.
PyObject *coverage_names(void);

#endif
