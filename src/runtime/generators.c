// generators.c - generators that C code iterates over: their values from compiled code.
//
// In:   a call of PyGen_Type.tp_iternext (list, next(), a trace's ITER_NEXT ...), or a consumer that
//       takes all values (consumers.c).
// Out:  the value, or what the interpreter makes of it.
//
// The interpreter would call the evaluator for each value; here a trace is entered that begins where
// the generator goes on (generator_entry). With a consumer, such a trace hands the values over
// itself, and only leaves for what it does not know. Without one it ends at the next yield with
// everything in the frame, and the yield is done here. Whatever else happens the interpreter
// finishes, in the same frame.
//
// A `for` loop of the interpreter's does not come by here (FOR_ITER_GEN), nor does send().
#include "executor_life.h"
#include "hook.h"
#include "trial.h"

static iternextfunc interpreter_next;   // tp_iternext as CPython has it
static PyInterpreterState *served;

// What was found last, by where the generator waits. Good until a trace or code object comes or goes.
enum { CACHE_SIZE = 128 };
static struct {
    _Py_CODEUNIT *ip;
    int consumer, key;                  // key: anchor_key, -1 if no trace can begin there
    Executor *ex;                       // NULL: none yet
    uint64_t changes;
} cache[CACHE_SIZE];

// Compiled code for the place where the generator waits, or NULL.
static Executor *
trace_for(PyThreadState *tstate, Frame *frame, int consumer)
{
    _Py_CODEUNIT *ip = compat_frame_ip(frame);
    size_t i = (((uintptr_t)ip >> 1) + (size_t)consumer * 7) % CACHE_SIZE;
    if (cache[i].ip != ip || cache[i].changes != jit.changes || cache[i].consumer != consumer) {
        PyCodeObject *code = compat_frame_code(frame);
        int entry = generator_entry(code, (int)(ip - compat_code_start(code)));
        cache[i].ip = ip;
        cache[i].consumer = consumer;
        cache[i].key = entry < 0 ? -1 : anchor_key(entry, consumer);
        cache[i].ex = NULL;
        cache[i].changes = jit.changes;
    }
    if (cache[i].ex == NULL || jit.recorder != NULL) {
        int key = cache[i].key;
        Executor *ex = key < 0 ? NULL : hook_resumed(tstate, frame, compat_frame_code(frame), &key);
        if (cache[i].ip == ip && cache[i].consumer == consumer) {
            cache[i].ex = ex;
            cache[i].key = key;
        }
        if (ex == NULL) {
            return NULL;
        }
    }
    return fitting_executor(tstate, frame, cache[i].ex);
}

// Compiled code for it is about to be entered: may it be? Asked for one value, that is a run of its code;
// to a consumer, all values are.
static bool
may_enter(PyThreadState *tstate, CodeInfo *info, PyObject *generator, Frame *frame, bool consumed)
{
    if (trial_wanted(info) && (!consumed || compat_generator_is_new(generator))) {
        trial_arrive(info, frame, compat_current_frame(tstate), consumed);
    }
    if (trial_refuses(info)) {
        trial_needless_event();
        return false;
    }
    return true;
}

static PyObject *
resume(PyThreadState *tstate, PyObject *generator, Frame *frame, Executor *ex, Consumer *consumer)
{
    compat_generator_link(tstate, generator);
    bool ended;
    PyObject *value = run_to_yield(tstate, frame, ex, consumer, &ended);
    if (value != NULL) {
        compat_generator_suspend(tstate, generator);
        return value;
    }
    if (ended) {
        compat_generator_unlink(tstate, generator);
        compat_generator_end(tstate, generator);
        return NULL;
    }
    value = compat_generator_finish(tstate, generator);
    PyObject *exc = PyErr_GetRaisedException();
    executor_sweep();
    PyErr_SetRaisedException(exc);
    return value;
}

PyObject *
generator_next(PyObject *generator, Consumer *consumer)
{
    PyThreadState *tstate = PyThreadState_GET();
    Frame *frame = compat_generator_frame(generator);
    if (!jit.enabled || tstate->interp != served || !compat_generator_may_run(tstate, generator)) {
        return interpreter_next(generator);
    }
    Executor *ex = trace_for(tstate, frame, consumer == NULL ? CONSUMER_NONE : consumer->kind);
    if (ex == NULL || compat_watched_now(tstate, compat_frame_code(frame))) {
        return interpreter_next(generator);
    }
    PyCodeObject *code = compat_frame_code(frame);
    CodeInfo *info = info_need(code);
    bool enter = may_enter(tstate, info, generator, frame, consumer != NULL);
    PyCodeObject *timed = trial_times(info, frame) ? (PyCodeObject *)Py_NewRef(code) : NULL;
    PyObject *value = enter ? resume(tstate, generator, frame, ex, consumer) : interpreter_next(generator);
    if (timed != NULL) {
        trial_depart(info, frame, false);
        Py_DECREF(timed);
    }
    return value;
}

static PyObject *
next_value(PyObject *generator)
{
    return generator_next(generator, NULL);
}

void
generators_enable(void)
{
    if (PyGen_Type.tp_iternext != next_value) {
        interpreter_next = PyGen_Type.tp_iternext;
        PyGen_Type.tp_iternext = next_value;
    }
    served = PyInterpreterState_Get();
    consumers_enable();
}

void
generators_disable(void)
{
    if (PyGen_Type.tp_iternext == next_value) {
        PyGen_Type.tp_iternext = interpreter_next;
    }
    consumers_disable();
}
