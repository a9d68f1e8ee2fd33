// generator.c - generators made, and what becomes of the values that they yield, when C code consumes
// them one by one (consumers.c) and the trace may do it in its place.
#include "stencil.h"
#include "../runtime/base/helpers.h"

// What calling a generator function with the `count` arguments in act->args[1..] makes. Behind these:
// the `cells` of its closure, or 0: the function has it.
UOP(MAKE_GENERATOR, (OBJ function), OBJ, EFFECT | CALLS | RAISES | ALLOC, (IMM32 count, IMM32 cells))
{
    result = help_make_generator(act, function, (I64)count, (I64)cells);
    ERROR_IF(result == NULL);
}

// A function of code, globals and the closure that is moved into it (None: it has none). Made only when
// something needs it as an object: then it is lowered to FUNCTION_NEW.
UOP(FUNCTION_PACK, (OBJ code, OBJ globals, OBJ closure), OBJ, ALLOC | VIRTUAL | RAISES, ())
{
    result = NULL;
}

// A new function; the reference to the closure moves into it.
UOP(FUNCTION_NEW, (OBJ code, OBJ globals, OBJ closure), OBJ, EFFECT | ALLOC | CALLS | RAISES, ())
{
    result = help_function(code, globals, closure);
    ERROR_IF(result == NULL);
}

// As FUNCTION_NEW, where no exception can be raised.
UOP(FUNCTION_NEW_SURE, (OBJ code, OBJ globals, OBJ closure), OBJ, EFFECT | ALLOC | CALLS, ())
{
    result = help_function_or_die(code, globals, closure);
}

// The list or set that the generator's values go into.
UOP(CONSUMER_OBJECT, (), OBJ, PURE, ())
{
    result = act->consumer->object;
}

// Add an int to the sum; exits when that is too big.
UOP(CONSUMER_SUM, (I64 value), VOID, EFFECT | EXITS, ())
{
    I64 sum;
    EXIT_IF(__builtin_add_overflow(act->consumer->sum, value, &sum));
    act->consumer->sum = sum;
}

// Add a float to the sum. What rounding loses is kept apart, as sum() does it (Neumaier's method).
UOP(CONSUMER_SUM_FLOAT, (F64 value), VOID, EFFECT, ())
{
    F64 total = act->consumer->total;
    F64 next = total + value;
    F64 high = __builtin_fabs(total) >= __builtin_fabs(value) ? total : value;
    F64 low = __builtin_fabs(total) >= __builtin_fabs(value) ? value : total;
    act->consumer->lost += (high - next) + low;
    act->consumer->total = next;
}

// The frame of a generator, which lies inside of it.
UOP(GENERATOR_FRAME, (OBJ generator), I64, PURE, ())
{
    result = (I64)(uintptr_t)((PyGenObject *)generator)->gi_iframe;
}

// Exits unless a generator's frame belongs to the function expected: a field of it that never changes.
UOP(GUARD_FRAME_IS, (I64 frame), VOID, GUARD | EXITS, (IMM64 value, IMM32 offset))
{
    EXIT_IF(*(uintptr_t *)((char *)(uintptr_t)frame + offset) != (uintptr_t)value);
}

// Exits if a tool other than ours has asked for events of a code object: ten bytes, a bit for each tool.
UOP(GUARD_UNWATCHED, (), VOID, EXITS | EFFECT, (IMM64 tools, IMM32 ours))
{
    const uint8_t *at = (const uint8_t *)(uintptr_t)tools;
    uint64_t others = 0x0101010101010101u * (uint8_t)~ours;
    uint64_t first;
    uint16_t last;
    __builtin_memcpy(&first, at, 8);
    __builtin_memcpy(&last, at + 8, 2);
    EXIT_IF(((first | last) & others) != 0);
}

// Exits unless the generator waits at `ip`, and nobody holds its frame.
UOP(GUARD_WAITS, (I64 frame), VOID, EXITS | EFFECT, (IMM64 ip))
{
    help_frame *f = (help_frame *)(uintptr_t)frame;
    EXIT_IF((uintptr_t)f->instr_ptr != (uintptr_t)ip);
    EXIT_IF(*help_generator_state(f) >= HELP_SUSPENDED_YIELD_FROM);
    EXIT_IF(f->frame_obj != NULL);
}

// The generator runs, and somebody could see that: its frame becomes current.
UOP(GENERATOR_LINK, (I64 frame), VOID, EFFECT | CALLS, ())
{
    help_generator_link(act, (void *)(uintptr_t)frame);
}

// The generator yields or ends; GENERATOR_LINK undone.
UOP(GENERATOR_UNLINK, (I64 frame), VOID, EFFECT | CALLS, ())
{
    help_generator_unlink(act, (void *)(uintptr_t)frame);
}

// The generator waits at `ip`, with `slots` slots of its frame in use.
UOP(GENERATOR_WAITS, (I64 frame), VOID, EFFECT, (IMM64 ip, IMM32 slots))
{
    help_frame *f = (help_frame *)(uintptr_t)frame;
    f->instr_ptr = (void *)(uintptr_t)ip;
    f->stacktop = (int)slots;
    *help_generator_state(f) = HELP_SUSPENDED;
}

// The generator has returned: its frame is cleared.
UOP(GENERATOR_END, (I64 frame), VOID, EFFECT | CALLS | ESCAPES, ())
{
    help_generator_end(act, (void *)(uintptr_t)frame);
}
