// emit.h - list of stencils -> machine code in code memory.
#ifndef JITPATCH_EMIT_H
#define JITPATCH_EMIT_H

#include "back/executor.h"
#include "base/activation.h"

// Copies and patches `a` into code memory and fills machine_code, code_size, loop_entry, links and
// every exits[].stub of `ex` (whose exits[] are allocated, a->n_exits of them). `target` is the
// root whose LOOP_ENTRY the trace's JUMP goes to, or NULL. 0 or an abort reason.
int emit_trace(const Trace *t, const Assignment *a, const Executor *target, Executor *ex);

// Run `ex` from its entry until it leaves: act->executor, act->exit say where (bit 31 of exit:
// with a Python exception set). The registers are in act->regs and act->fregs.
void emit_enter(Activation *act, const uint8_t *machine_code);

// From now on `from`'s exit n goes to `side`.
void emit_link(Executor *from, uint32_t n, const Executor *side);
// The exit leaves the trace again.
void emit_unlink(Executor *from, uint32_t n);
// Gives the memory back that emit_trace() took.
void emit_free(Executor *ex);

// Frees what all traces share; before codemem_fini, when no trace is left.
void emit_fini(void);

#endif
