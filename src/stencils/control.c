// control.c - what assign.c and emit.c place between the recorder's uops: moves, spills,
// constants, and the ends of a trace.
//
// NOP, LOOP_ENTRY, LOOP and INHERIT are markers and have no stencil. The stencils of JUMP and
// LOOP_END are empty: emit.c writes the jump. Leaving goes exit -> EXIT_STUB -> EXIT_COMMON ->
// one block shared by all traces, made of SPILLs into Activation.regs and .fregs (emit.c).
#include "stencil.h"

// Nothing; ins[0] of every trace.
UOP(NOP, (), VOID, VIRTUAL, ())
{
}

// A side trace's incoming value; operand: the Loc where the parent left it. Type: the ins's.
UOP(INHERIT, (), OBJ, VIRTUAL | EFFECT, (IMM32 loc))
{
}

// Where traces of the tree jump to: the entry part's checks are done.
UOP(LOOP_ENTRY, (), VOID, VIRTUAL | CONTROL | EFFECT, ())
{
}

// Head of the loop body; the peeled iteration ends here.
UOP(LOOP, (), VOID, VIRTUAL | CONTROL | EFFECT, ())
{
}

// Back to LOOP, phis in place.
UOP(LOOP_END, (), VOID, CONTROL | EFFECT, ())
{
}

// To the LOOP_ENTRY of the trace that this one joins.
UOP(JUMP, (), VOID, CONTROL | EFFECT, ())
{
}

// The trace ends: leaves by its exit, always.
UOP(TRACE_END, (), VOID, CONTROL | EFFECT | EXITS, ())
{
    EXIT_IF(true);
}

// The outermost frame's function returns `value`, a reference that goes with it. What its locals
// own, memory holds; whoever entered the trace ends the frame.
UOP(TRACE_RETURN, (OBJ value), VOID, CONTROL | EFFECT, (IMM64 executor))
{
    act->returned = value;
    act->executor = (struct Executor *)executor;
    act->exit = EXIT_RETURNED;
}

// Debugging (option force_exit): leaves each time that `every` of these have been reached.
UOP(FORCED_EXIT, (), VOID, EFFECT | EXITS, (IMM64 left, IMM32 every))
{
    I64 *count = (I64 *)(uintptr_t)left;
    bool now = --*count <= 0;
    if (now) {
        *count = every;
    }
    EXIT_IF(now);
}

// An integer or object register into another.
UOP(MOVE_I, (I64 a), I64, PURE | CONTROL, ())
{
    result = a;
}

// A double register into another.
UOP(MOVE_F, (F64 a), F64, PURE | CONTROL, ())
{
    result = a;
}

// Register to memory; offset: bytes from the start of the activation.
UOP(SPILL_I, (I64 a), VOID, CONTROL | EFFECT, (IMM32 offset))
{
    *(I64 *)((char *)act + offset) = a;
}

// Double register to memory.
UOP(SPILL_F, (F64 a), VOID, CONTROL | EFFECT, (IMM32 offset))
{
    *(F64 *)((char *)act + offset) = a;
}

// Memory to register.
UOP(RELOAD_I, (), I64, CONTROL, (IMM32 offset))
{
    result = *(I64 *)((char *)act + offset);
}

// Memory to double register.
UOP(RELOAD_F, (), F64, CONTROL, (IMM32 offset))
{
    result = *(F64 *)((char *)act + offset);
}

// Any 64-bit constant.
UOP(CONST_I, (), I64, PURE | CONTROL, (IMM64 bits))
{
    result = (I64)bits;
}

// A constant that fits 32 bits with its sign.
UOP(CONST_I32, (), I64, PURE | CONTROL, (IMM32 bits))
{
    result = (I64)bits;
}

// 0
UOP(CONST_ZERO, (), I64, PURE | CONTROL, ())
{
    result = 0;
}

// Any float; bits: of the double.
UOP(CONST_F, (), F64, PURE | CONTROL, (IMM64 bits))
{
    union { uint64_t u; F64 f; } both = { .u = (uint64_t)bits };
    result = both.f;
}

// 0.0
UOP(CONST_F_ZERO, (), F64, PURE | CONTROL, ())
{
    result = 0.0;
}

// Writes down the exit's number (bit 31: with an exception set). An IMM32 is sign-extended, the
// number is not.
UOP(EXIT_STUB, (), VOID, CONTROL | EFFECT, (IMM32 exit))
{
    act->exit = (uint32_t)exit;
}

// Writes down the trace that is left; once per trace.
UOP(EXIT_COMMON, (), VOID, CONTROL | EFFECT, (IMM64 executor))
{
    act->executor = (struct Executor *)executor;
}
