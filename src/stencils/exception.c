// exception.c - exceptions that are raised and handled inside a trace.
//
// An exception on its way is a value of the trace, with a reference that goes with it; none is set meanwhile. What the
// interpreter keeps of the exceptions being handled (exc_info) is memory, and always as the interpreter would have it.
#include "stencil.h"
#include "../runtime/base/helpers.h"

// First in a side trace of an instruction that raised: leaves as that instruction did if a frame object was made for the
// frame, whose locals may have been seen and changed.
UOP(RAISED_UNSEEN, (I64 frame), VOID, RAISES | EFFECT, (IMM32 offset))
{
    ERROR_IF(*(OBJ *)((char *)(uintptr_t)frame + offset) != NULL);
}

// Takes the exception that is set. Leaves as the instruction that raised it did, with GUARD_VALID's reasons.
UOP(CATCH, (), OBJ, EFFECT | CALLS | RAISES, (IMM64 invalid, IMM64 evaluator))
{
    ERROR_IF(*(volatile uint8_t *)(uintptr_t)invalid);
    ERROR_IF((act->tstate->eval_breaker & ~(uintptr_t)0xff) != act->version);
    ERROR_IF(*(void *volatile *)(uintptr_t)evaluator != NULL);
    result = PyErr_GetRaisedException();
}

// The exception passes the innermost frame, which is in memory: its traceback grows. Uses up the reference to it.
UOP(TRACEBACK, (OBJ exc), OBJ, EFFECT | CALLS, ())
{
    result = help_traceback(act, exc);
}

// An inlined frame in memory ends by an exception: what its locals hold belongs to it.
UOP(FRAME_UNWIND, (I64 frame), VOID, EFFECT | CALLS, ())
{
    help_frame_unwind(act, (void *)(uintptr_t)frame);
}

// Lets the frame object go that a traceback has made, if nobody else has it.
UOP(FRAME_FORGET, (I64 frame), VOID, EFFECT, (IMM32 offset))
{
    COLD_IF(*(OBJ *)((char *)(uintptr_t)frame + offset) != NULL);
}
COLD
{
    help_frame_forget((void *)(uintptr_t)frame);
}

// `raise exc`, an exception without context and cause (else exits): its context is what is being handled.
UOP(EXC_RAISE, (OBJ exc), OBJ, EFFECT | CALLS | EXITS, ())
{
    result = help_raise(exc, NULL);
    EXIT_IF(result == NULL);
}

// `raise exc from cause`, which is an exception or None.
UOP(EXC_RAISE_FROM, (OBJ exc, OBJ cause), OBJ, EFFECT | CALLS | EXITS, ())
{
    result = help_raise(exc, cause);
    EXIT_IF(result == NULL);
}

// `raise`: the exception that is being handled; exits if there is none.
UOP(EXC_AGAIN, (), OBJ, EFFECT | EXITS, ())
{
    OBJ handled = act->tstate->exc_info->exc_value;
    EXIT_IF(handled == NULL || handled == Py_None);
    Py_INCREF(handled);
    result = handled;
}

// `exc` is being handled from now on. What was before, whose reference goes along; None: nothing.
UOP(EXC_PUSH, (OBJ exc), OBJ, EFFECT, ())
{
    OBJ *handled = &act->tstate->exc_info->exc_value;
    result = *handled != NULL ? *handled : Py_None;
    Py_INCREF(exc);
    *handled = exc;
}

// What was being handled before is again. The one that is no longer, whose reference goes along.
UOP(EXC_POP, (OBJ before), OBJ, EFFECT, ())
{
    OBJ *handled = &act->tstate->exc_info->exc_value;
    result = *handled != NULL ? *handled : Py_None;
    *handled = before != Py_None ? before : NULL;
}
