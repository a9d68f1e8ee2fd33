// frame.c - interpreter frames: slots read and written, inlined frames made when somebody could
// see them, and the checks that belong to a loop turn and to a call of unknown code.
#include "stencil.h"
#include "../runtime/base/helpers.h"

// A slot of the root frame.
UOP(SLOT_LOAD, (), OBJ, PURE, (IMM32 offset))
{
    result = *(OBJ *)((char *)act->frame + offset);
}

// The object that a variable of the root frame loses, given another; None if it has no value yet, for
// dropping that does nothing. So it is the same to a trace whether the variable is bound.
UOP(SLOT_LOAD_OLD, (), OBJ, PURE, (IMM32 offset))
{
    OBJ old = *(OBJ *)((char *)act->frame + offset);
    result = old != NULL ? old : Py_None;
}

// A slot of the root frame that holds an int or float, which may not exist as an object: then
// memory is NULL and the value is the input. Never emitted; snapshots and SLOT_ENSURE know it.
UOP(SLOT_BOX, (I64 value), OBJ, VIRTUAL, (IMM32 offset))
{
    result = NULL;
}

// As SLOT_BOX, for a float.
UOP(SLOT_BOX_FLOAT, (F64 value), OBJ, VIRTUAL, (IMM32 offset))
{
    result = NULL;
}

// The object of a SLOT_BOX, made now if it does not exist. The slot keeps the reference.
UOP(SLOT_ENSURE, (I64 value), OBJ, CALLS | RAISES | EFFECT, (IMM32 offset))
{
    OBJ *slot = (OBJ *)((char *)act->frame + offset);
    if (*slot == NULL) {
        *slot = PyLong_FromLongLong(value);
        ERROR_IF(*slot == NULL);
    }
    result = *slot;
}

// As SLOT_ENSURE, for a float.
UOP(SLOT_ENSURE_FLOAT, (F64 value), OBJ, CALLS | RAISES | EFFECT, (IMM32 offset))
{
    OBJ *slot = (OBJ *)((char *)act->frame + offset);
    if (*slot == NULL) {
        *slot = PyFloat_FromDouble(value);
        ERROR_IF(*slot == NULL);
    }
    result = *slot;
}

// A local of an inlined frame that exists in memory.
UOP(FRAME_LOAD, (I64 frame), OBJ, READS(FRAME), (IMM32 offset))
{
    result = *(OBJ *)((char *)(uintptr_t)frame + offset);
}

// As SLOT_LOAD_OLD, of an inlined frame that exists in memory.
UOP(FRAME_LOAD_OLD, (I64 frame), OBJ, READS(FRAME), (IMM32 offset))
{
    OBJ old = *(OBJ *)((char *)(uintptr_t)frame + offset);
    result = old != NULL ? old : Py_None;
}

// The root frame.
UOP(ROOT_FRAME, (), I64, PURE, ())
{
    result = (I64)(uintptr_t)act->frame;
}

// Write a slot of a frame in memory. Its old content is not looked at.
UOP(FRAME_STORE, (I64 frame, OBJ value), VOID, EFFECT | WRITES(FRAME), (IMM32 offset))
{
    *(OBJ *)((char *)(uintptr_t)frame + offset) = value;
}

// Make a slot of a frame in memory NULL.
UOP(FRAME_CLEAR, (I64 frame), VOID, EFFECT | WRITES(FRAME), (IMM32 offset))
{
    *(OBJ *)((char *)(uintptr_t)frame + offset) = NULL;
}

// Set a frame's instruction pointer.
UOP(FRAME_IP, (I64 frame), VOID, EFFECT, (IMM64 ip, IMM32 offset))
{
    *(uintptr_t *)((char *)(uintptr_t)frame + offset) = (uintptr_t)ip;
}

// Make an inlined frame exist in memory: locals NULL, current from now on.
UOP(FRAME_PUSH, (OBJ function), I64, EFFECT | CALLS | RAISES, (IMM64 ip))
{
    result = (I64)(uintptr_t)help_frame_push(act, function, (void *)(uintptr_t)ip);
    ERROR_IF(result == 0);
}

// Run a compiled loop in an inlined frame that is wholly in memory, standing at the loop's head
// with `depth` values on its stack.
UOP(RUN_LOOP, (I64 frame), VOID, EFFECT | CALLS | ESCAPES, (IMM64 executor, IMM32 depth))
{
    help_run_loop(act, (void *)(uintptr_t)frame, (void *)(uintptr_t)executor, (I64)depth);
}

// Exits unless a loop that was run left its frame at `ip`.
UOP(GUARD_IP, (I64 frame), VOID, EXITS | EFFECT, (IMM64 ip, IMM32 offset))
{
    EXIT_IF(*(uintptr_t *)((char *)(uintptr_t)frame + offset) != (uintptr_t)ip);
}

// The end of a frame made by FRAME_PUSH. What its locals held belongs to the trace.
UOP(FRAME_POP, (I64 frame), VOID, EFFECT | CALLS, ())
{
    help_frame_pop(act, (void *)(uintptr_t)frame);
}

// Exits if a frame object was made for the frame: its locals may have been seen and changed.
UOP(GUARD_UNSEEN, (I64 frame), VOID, EXITS | EFFECT, (IMM32 offset))
{
    EXIT_IF(*(OBJ *)((char *)(uintptr_t)frame + offset) != NULL);
}

// After a call of unknown code: exits if an assumption broke, or a tool or another evaluator was installed.
UOP(GUARD_VALID, (), VOID, EXITS | EFFECT, (IMM64 invalid, IMM64 evaluator))
{
    EXIT_IF(*(volatile uint8_t *)(uintptr_t)invalid);
    EXIT_IF((act->tstate->eval_breaker & ~(uintptr_t)0xff) != act->version);
    EXIT_IF(*(void *volatile *)(uintptr_t)evaluator != NULL);
}

// The thread's state.
UOP(TSTATE, (), I64, PURE, ())
{
    result = (I64)(uintptr_t)act->tstate;
}

// Loop turn: exits if a signal, another thread, a pending call or gc waits.
UOP(CHECK_BREAKER, (I64 tstate), VOID, EXITS | EFFECT, ())
{
    EXIT_IF(*(volatile uint8_t *)&((PyThreadState *)(uintptr_t)tstate)->eval_breaker);
}

// A turn of a loop that calls C has ended, and has spared so many instructions. Only for entries that are judged.
UOP(LOOP_TURN, (), VOID, EFFECT, (IMM32 gain))
{
    act->spared += (I64)gain;
}

// Before a native call, which does what RESUME does: exits if the eval breaker is set, or if the
// call is to be left to the interpreter because one of the two stacks comes to its end.
UOP(GUARD_ROOM, (), VOID, EXITS | EFFECT, ())
{
    EXIT_IF(*(volatile uint8_t *)&act->tstate->eval_breaker);
    EXIT_IF(act->tstate->py_recursion_remaining <= RECURSION_RESERVE);
    EXIT_IF((uintptr_t)act < act->floor);
}

// Before the frame that the trace was entered with is ended: exits where it is to stand at its return.
UOP(GUARD_RETURNS, (), VOID, EXITS | EFFECT, ())
{
    EXIT_IF(act->stays);
}

// Marks the place where the frames must be in memory, as its snapshot says. Lowered to FRAME_*.
UOP(SYNC, (), VOID, VIRTUAL | EFFECT, ())
{
}
