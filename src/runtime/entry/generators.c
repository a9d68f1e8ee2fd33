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
#include "entry/hook.h"
#include "entry/nominate.h"
#include "run/anchors.h"
#include "run/enter.h"
#include "run/executor_life.h"

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

int
generator_entry(PyCodeObject *code, int offset)
{
    Instr in;
    int first = compat_code_first_traceable(code);
    bool begun = offset >= first;
    if (compat_decode(code, begun ? offset : first, &in) < 0 || in.op != BC_RESUME
        || (begun && (compat_decode(code, in.next, &in) < 0 || in.op != BC_POP_TOP))) {
        PyErr_Clear();
        return -1;
    }
    int entry = in.next;
    for (int jumps = 0; begun && jumps < 4; jumps++) {
        if (compat_decode(code, entry, &in) < 0) {
            PyErr_Clear();
            return -1;
        }
        if (in.op != BC_JUMP_BACKWARD && in.op != BC_JUMP_FORWARD) {
            break;
        }
        entry = in.target;
    }
    return entry;
}

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

// No sample has met its code, and no trace of it is there. Remembered by the code object's address.
static bool
generator_is_cold(Frame *frame)
{
    enum { REMEMBERED = 256 };
    static struct { PyCodeObject *code; uint64_t changes; } cold[REMEMBERED];
    if (!jit.nominates) {
        return false;
    }
    PyCodeObject *code = compat_frame_code(frame);
    size_t i = ((uintptr_t)code >> 5) % REMEMBERED;
    if (cold[i].code == code && cold[i].changes == jit.changes) {
        return true;
    }
    if (!nominate_is_cold(info_find(code))) {
        return false;
    }
    cold[i].code = code;
    cold[i].changes = jit.changes;
    return true;
}

bool
generator_is_taken(PyObject *generator)
{
    return compat_generator_waits(generator) && !generator_is_cold(compat_generator_frame(generator));
}

PyObject *
generator_next(PyObject *generator, Consumer *consumer)
{
    PyThreadState *tstate = PyThreadState_GET();
    Frame *frame = compat_generator_frame(generator);
    if (!jit.enabled || tstate->interp != served || !compat_generator_may_run(tstate, generator)) {
        return interpreter_next(generator);
    }
    if (generator_is_cold(frame)) {
        return interpreter_next(generator);
    }
    Executor *ex = trace_for(tstate, frame, consumer == NULL ? CONSUMER_NONE : consumer->kind);
    if (ex == NULL || compat_watched_now(tstate, compat_frame_code(frame))) {
        return interpreter_next(generator);
    }
    return resume(tstate, generator, frame, ex, consumer);
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
