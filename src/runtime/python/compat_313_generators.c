// compat_313_generators.c - the seam to CPython 3.13: generators resumed and suspended by compiled
// code, as gen_send_ex, FOR_ITER, YIELD_VALUE and RETURN_VALUE do it for the interpreter.
//
// A generator's frame lies inside of the generator object. While it runs it is linked into the
// thread's chain of frames, the generator's exception state into that of exceptions being handled,
// and the frame counts once against both recursion limits.

#include "python/compat_313.h"
#include "internal/pycore_genobject.h"
#include "base/helpers.h"

// Templates look into frames by a struct of their own.
#define SAME(ours, theirs) \
    _Static_assert(offsetof(help_frame, ours) == offsetof(_PyInterpreterFrame, theirs), #ours)
SAME(previous, previous);
SAME(frame_obj, frame_obj);
SAME(instr_ptr, instr_ptr);
SAME(stacktop, stacktop);
#undef SAME
_Static_assert((int)HELP_SUSPENDED == (int)FRAME_SUSPENDED
               && (int)HELP_SUSPENDED_YIELD_FROM == (int)FRAME_SUSPENDED_YIELD_FROM
               && FRAME_CREATED < FRAME_SUSPENDED && FRAME_EXECUTING > FRAME_SUSPENDED_YIELD_FROM,
               "states of generators");

// Of c_recursion_remaining. A call of the evaluator costs 2; an activation of compiled code is as big as
// some of them.
enum { C_UNITS = 6 };

Frame *
compat_generator_frame(PyObject *generator)
{
    return (Frame *)((PyGenObject *)generator)->gi_iframe;
}

PyObject *
compat_generator_of(Frame *frame)
{
    assert(frame->owner == FRAME_OWNED_BY_GENERATOR);
    return (PyObject *)((char *)frame - offsetof(PyGenObject, gi_iframe));
}

bool
compat_generator_waits(PyObject *generator)
{
    int state = ((PyGenObject *)generator)->gi_frame_state;
    return state == FRAME_SUSPENDED || state == FRAME_CREATED;
}

bool
compat_generator_may_run(PyThreadState *tstate, PyObject *generator)
{
    Frame *frame = compat_generator_frame(generator);
    return compat_generator_waits(generator)
        && tstate->eval_breaker == _PyFrame_GetCode(frame)->_co_instrumentation_version
        && tstate->tracing == 0 && tstate->c_recursion_remaining > 100;
}

void
compat_generator_link(PyThreadState *tstate, PyObject *generator)
{
    PyGenObject *gen = (PyGenObject *)generator;
    Frame *frame = compat_generator_frame(generator);
    gen->gi_exc_state.previous_item = tstate->exc_info;
    tstate->exc_info = &gen->gi_exc_state;
    gen->gi_frame_state = FRAME_EXECUTING;
    frame->previous = tstate->current_frame;
    tstate->current_frame = frame;
    tstate->py_recursion_remaining--;
    tstate->c_recursion_remaining -= C_UNITS;
}

static void
unlink_frame(PyThreadState *tstate, Frame *frame)
{
    assert(tstate->current_frame == frame);
    tstate->current_frame = frame->previous;
    tstate->py_recursion_remaining++;
    tstate->c_recursion_remaining += C_UNITS;
}

void
compat_generator_unlink(PyThreadState *tstate, PyObject *generator)
{
    PyGenObject *gen = (PyGenObject *)generator;
    Frame *frame = compat_generator_frame(generator);
    unlink_frame(tstate, frame);
    frame->previous = NULL;
    gen->gi_frame_state = FRAME_SUSPENDED;
    tstate->exc_info = gen->gi_exc_state.previous_item;
    gen->gi_exc_state.previous_item = NULL;
}

void
compat_generator_suspend(PyThreadState *tstate, PyObject *generator)
{
    compat_generator_unlink(tstate, generator);
    compat_generator_frame(generator)->instr_ptr++;
}

void
compat_generator_end(PyThreadState *tstate, PyObject *generator)
{
    PyGenObject *gen = (PyGenObject *)generator;
    gen->gi_exc_state.previous_item = tstate->exc_info;
    tstate->exc_info = &gen->gi_exc_state;
    _PyEval_FrameClearAndPop(tstate, compat_generator_frame(generator));
}

PyObject *
compat_generator_finish(PyThreadState *tstate, PyObject *generator)
{
    PyGenObject *gen = (PyGenObject *)generator;
    Frame *frame = compat_generator_frame(generator);
    unlink_frame(tstate, frame);        // the evaluator links and counts it itself
    PyObject *result = _PyEval_EvalFrameDefault(tstate, frame, 0);
    if (result == NULL || FRAME_STATE_SUSPENDED(gen->gi_frame_state)) {
        return result;
    }
    if (result != Py_None) {
        _PyGen_SetStopIterationValue(result);
    }
    Py_DECREF(result);
    return NULL;
}

bool
compat_frame_at_yield(Frame *frame)
{
    return frame->instr_ptr->op.code == YIELD_VALUE;
}

bool
compat_frame_at_return(Frame *frame)
{
    return frame->instr_ptr->op.code == RETURN_CONST;
}

PyObject *
compat_function_new(PyObject *code, PyObject *globals)
{
    PyObject *func = PyFunction_New(code, globals);
    if (func != NULL) {
        _PyFunction_SetVersion((PyFunctionObject *)func, ((PyCodeObject *)code)->co_version);
    }
    return func;
}

PyObject *
compat_generator_new(PyObject *func, PyObject *const *args, Py_ssize_t n, Py_ssize_t cells)
{
    PyCodeObject *code = (PyCodeObject *)((PyFunctionObject *)func)->func_code;
    PyGenObject *gen = (PyGenObject *)_Py_MakeCoro((PyFunctionObject *)func);
    if (gen == NULL) {
        return NULL;
    }
    Frame *frame = compat_generator_frame((PyObject *)gen);
    _PyFrame_Initialize(frame, (PyFunctionObject *)Py_NewRef(func), NULL, code, 0);
    for (Py_ssize_t i = 0; i < n; i++) {
        frame->localsplus[i] = Py_NewRef(args[i]);
    }
    PyObject *closure = ((PyFunctionObject *)func)->func_closure;
    for (int i = 0; i < code->co_nfreevars; i++) {
        frame->localsplus[code->co_nlocalsplus - code->co_nfreevars + i] =
            Py_NewRef(cells > 0 ? args[n + i] : PyTuple_GET_ITEM(closure, i));
    }
    frame->previous = NULL;
    frame->instr_ptr = _PyCode_CODE(code) + code->_co_firsttraceable - 1;   // POP_TOP
    frame->owner = FRAME_OWNED_BY_GENERATOR;
    gen->gi_frame_state = FRAME_CREATED;
    return (PyObject *)gen;
}
