// trace_tool.h - building, interpreting and running traces in the C tests, without CPython frames.
#ifndef TRACE_TOOL_H
#define TRACE_TOOL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../../src/runtime/base/aborts.h"
#include "../../src/runtime/back/codemem.h"
#include "../../src/runtime/back/emit.h"
#include "../../src/runtime/back/stencil_table.h"

// A trace with all that belongs to it; traces of one tree link by `sides`.
typedef struct Tool {
    Trace *t;
    Assignment *a;
    Executor ex;
    struct Tool **sides;                // [exit]
    struct Tool *target;                // of its JUMP
} Tool;

Tool *tool_new(void);
void tool_free(Tool *tool);             // and its sides

// Appending. Each returns the ref.
Ref tool_ins(Tool *tool, enum Uop op, IRType type, Ref a, Ref b, Ref c);
Ref tool_int(Tool *tool, int64_t value);
Ref tool_float(Tool *tool, double value);
Ref tool_read(Tool *tool, IRType type, unsigned arg);           // act->args[arg]
void tool_write(Tool *tool, Ref ref, unsigned arg);
// The snapshot of the newest instruction from here on: these refs.
void tool_snap(Tool *tool, const Ref *refs, unsigned n);
void tool_frame(Tool *tool, Ref func, Ref memory, Ref extra);   // add to the newest snapshot
void tool_entry(Tool *tool, Ref ref, SlotHow how, uint16_t slot);

// Assign and emit, or die; false if there are too many values for the spill slots.
bool tool_compile(Tool *tool, uint32_t random, uint16_t first_spill);
void tool_link(Tool *from, uint32_t n, Tool *side);

// The same run twice: machine code, and interpreter. Dies when an exit, its values or memory
// differ. Returns where it ended: the exit's number with bit 31; *last: in which trace.
uint32_t tool_run(Tool *root, const Activation *start, Tool **last);

void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
extern const char *tool_where;          // said when a test dies

#endif
