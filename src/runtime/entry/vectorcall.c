// vectorcall.c - doors: functions whose traces pay are entered by their own vectorcall.
//
// In:   a call, from the interpreter or from C, of a function that has a *door*: our pointer where the interpreter's own
//       vectorcall was.
// Out:  what its trace returns, with no event and no evaluator in between; or what the interpreter's vectorcall returns,
//       where the arguments are for the interpreter to sort out, or the trace may not be run now. Result and errors are
//       the same.
//
// A function gets a door when its trace has been found to pay (policy.c) and the same function is met a second time: one
// made anew for each call never has one. Until then, and for calls that the interpreter makes in its own way
// (CALL_ALLOC_AND_ENTER_INIT), its code object's local PY_START events lead in.
//
// A door costs its function the version by which call sites and properties are specialised, and what is not taken runs
// in an evaluator of its own. So it is *closed* (pointer and version put back) when no trace may be entered any more, when
// too many calls are refused, when the function changes, on disable(), and where calls are nested deeply: the interpreter
// inlines calls of Python functions, and so goes as deep as the recursion limit allows, whereas each call through a door
// takes some of the C stack. A later event opens it again, unless there were many reasons to close.
//
// While a recording is under way every call goes to the interpreter, whose instructions the recorder follows.
#include "entry/vectorcall.h"
#include "run/anchors.h"
#include "run/enter.h"
#include "run/executor_life.h"
#include "run/run_code.h"
#include "run/switches.h"

enum {
    BUCKETS = 256,
    SEEN = 256,                 // functions remembered that were met once
    C_UNITS = 4,                // of the C recursion limit that a call through a door stands for
    DEEPEST = Py_C_RECURSION_LIMIT / 10,    // the same, for all that is nested: no call goes through a door beyond that
    SHALLOW = DEEPEST / 4,      // and none is opened beyond that,
    ROOM = 1 << 15,             // nor with less of the C stack left above what compiled code may use
    REFUSED = 64,               // calls after which it is asked whether there are too many of them
    SHORT_LIFE = 64,            // entries: who dies sooner has not been worth a door
};

typedef struct Door {
    struct Door *next;          // in its bucket
    PyObject *func;             // borrowed: the function watcher tells when it dies
    CodeInfo *info;             // of its code object
    uint32_t version;           // the function's, without the door
    uint64_t opened_at;         // `entered` of the trace
} Door;

static struct {
    Door *buckets[BUCKETS];
    size_t n;
    const PyObject *seen[SEEN]; // functions met; compared only
} doors;

static Door **
bucket_of(const PyObject *func)
{
    return &doors.buckets[(uintptr_t)func >> 4 & (BUCKETS - 1)];
}

// The link to its door, or to NULL.
static Door **
find_door(const PyObject *func)
{
    Door **at = bucket_of(func);
    while (*at != NULL && (*at)->func != func) {
        at = &(*at)->next;
    }
    return at;
}

bool
vectorcall_has_door(const PyObject *func)
{
    return *find_door(func) != NULL;
}

size_t
vectorcall_count(void)
{
    return doors.n;
}

static uint64_t
entered(const CodeInfo *info)
{
    return info->function.newest == NULL ? 0 : info->function.newest->entered;
}

// --- closing ----------------------------------------------------------------------------------

static void
close_door(Door **at)
{
    Door *door = *at;
    *at = door->next;
    if (((PyFunctionObject *)door->func)->vectorcall == vectorcall_enter) {     // else somebody else has set it
        compat_give_back_vectorcall(door->func, compat_plain_vectorcall(), door->version);
    }
    door->info->doors--;
    doors.n--;
    jit.bytes -= sizeof *door;
    PyMem_Free(door);
}

static void
close_doors(const CodeInfo *info)
{
    for (size_t i = 0; i < BUCKETS && doors.n > 0; i++) {
        for (Door **at = &doors.buckets[i]; *at != NULL;) {
            if (info == NULL || (*at)->info == info) {
                close_door(at);
            }
            else {
                at = &(*at)->next;
            }
        }
    }
}

void
vectorcall_close_code(CodeInfo *info)
{
    if (info->doors > 0) {
        close_doors(info);
    }
}

void
vectorcall_close_all(void)
{
    close_doors(NULL);
    memset(doors.seen, 0, sizeof doors.seen);
}

static void
strike(CodeInfo *info)
{
    info->door_strikes += info->door_strikes < DOOR_STRIKES;
}

void
vectorcall_function_changed(PyObject *func, bool dies)
{
    Door **at = doors.n > 0 ? find_door(func) : NULL;
    if (at == NULL || *at == NULL) {
        return;
    }
    if (dies && entered((*at)->info) - (*at)->opened_at < SHORT_LIFE) {
        strike((*at)->info);
    }
    close_door(at);
}

static void
close_of(PyObject *func)
{
    Door **at = find_door(func);
    if (*at != NULL) {
        close_door(at);
    }
}

// --- opening ----------------------------------------------------------------------------------

bool
vectorcall_may_open(PyCodeObject *code)
{
    const CodeInfo *info = code == NULL || !jit.params.doors || !compat_can_hurry() ? NULL : info_find(code);
    return info != NULL && info->door_strikes < DOOR_STRIKES && anchor_is_plain_function(code)
        && compat_can_bind(code) && !switches_in(code);
}

static bool
was_seen(const PyObject *func)
{
    const PyObject **at = &doors.seen[((uintptr_t)func >> 4) * 31 % SEEN];
    bool before = *at == func;
    *at = func;
    return before;
}

static bool
is_shallow(PyThreadState *tstate)
{
    uintptr_t floor = native_floor(tstate);
    return !compat_c_deeper(tstate, SHALLOW) && floor != UINTPTR_MAX
        && (uintptr_t)__builtin_frame_address(0) >= floor + ROOM;
}

// Functions of one code object that have doors share a trace: one of another module, say, has none then.
static bool
has_other_names(const CodeInfo *info, const PyFunctionObject *func)
{
    return info->doors > 0 && (info->door.globals != func->func_globals || info->door.builtins != func->func_builtins);
}

void
vectorcall_consider(CodeInfo *info, PyObject *func)
{
    const Executor *ex = info->function.newest;
    if (ex == NULL || !policy_wants_door(ex) || jit.recorder != NULL) {
        return;
    }
    if (!vectorcall_may_open(info->code)) {
        info->door_strikes = DOOR_STRIKES;
        return;
    }
    if (((PyFunctionObject *)func)->func_code != (PyObject *)info->code || !is_shallow(PyThreadState_GET())
        || ((PyFunctionObject *)func)->vectorcall != compat_plain_vectorcall() || !was_seen(func)) {
        return;
    }
    Door *door = has_other_names(info, (PyFunctionObject *)func) ? NULL : PyMem_Malloc(sizeof *door);
    if (door == NULL) {
        return;
    }
    *door = (Door){*bucket_of(func), func, info, compat_function_version(func), ex->entered};
    *bucket_of(func) = door;
    doors.n++;
    if (info->doors++ == 0) {
        info->door.globals = ((PyFunctionObject *)func)->func_globals;
        info->door.builtins = ((PyFunctionObject *)func)->func_builtins;
        info->door.epoch = 0;
        info->exact_arguments = compat_binds_exactly(info->code) ? info->code->co_argcount : -1;
        info->refused = 0;
        info->refused_from = ex->entered;
    }
    jit.bytes += sizeof *door;
    jit.stats.doors++;
    compat_set_vectorcall(func, vectorcall_enter);
}

// --- calls ------------------------------------------------------------------------------------

// Arguments that the interpreter has to sort out. Too many of them, and the door is closed for good.
static void
refuse(PyObject *func, CodeInfo *info)
{
    if (++info->refused < REFUSED) {
        return;
    }
    if (entered(info) - info->refused_from < 2 * REFUSED) {
        info->door_strikes = DOOR_STRIKES;
        close_doors(info);
    }
    info->refused = 0;
    info->refused_from = entered(info);
}

static bool
is_deep(PyThreadState *tstate)
{
    return compat_c_deeper(tstate, DEEPEST) || (uintptr_t)__builtin_frame_address(0) < native_floor(tstate);
}

// Nothing has changed since the last call through a door of this code, and there is room.
static inline bool
may_run(PyThreadState *tstate, const CodeInfo *info)
{
    return info->door.epoch == jit.epoch && info->door.breaker == compat_breaker(tstate)
        && *jit.evaluator == NULL && jit.recorder == NULL
        && tstate->py_recursion_remaining > RECURSION_RESERVE && !compat_c_deeper(tstate, DEEPEST)
        && native_last.thread == tstate->id && (uintptr_t)__builtin_frame_address(0) >= native_last.floor;
}

// The trace to run, or NULL: the interpreter makes the call.
static __attribute__((noinline)) Executor *
look_again(PyThreadState *tstate, PyFunctionObject *func, CodeInfo *info)
{
    if (may_run(tstate, info)) {
        return info->door.trace;
    }
    if (is_deep(tstate)) {
        strike(info);
        close_of((PyObject *)func);
        return NULL;
    }
    if (jit.recorder != NULL || compat_breaker(tstate) != compat_monitoring_version(tstate)
        || tstate->py_recursion_remaining <= RECURSION_RESERVE) {
        return NULL;
    }
    Executor *ex = info_function_trace(info, func);
    if (ex == NULL || !executor_may_run(tstate, ex)) {
        close_of((PyObject *)func);
        return NULL;
    }
    if (ex->good_epoch == jit.epoch) {  // else something must be asked each time
        info->door.trace = ex;
        info->door.epoch = jit.epoch;
        info->door.breaker = ex->good_version;
    }
    return ex;
}

// The C stack was switched meanwhile: what switches stacks is called by the interpreter.
static void
note_switch(PyThreadState *tstate, PyObject *func, uint64_t switches)
{
    CodeInfo *info = info_find((PyCodeObject *)PyFunction_GET_CODE(func));
    if (info != NULL && switches_since(tstate, switches)) {
        (void)switches_note(info->code);
        info->door_strikes = DOOR_STRIKES;
        close_doors(info);
    }
}

// What is seldom to be done afterwards.
static __attribute__((noinline)) void
after_run(PyThreadState *tstate, PyObject *callable, uint64_t switches)
{
    if (switches_count(tstate) != switches) {
        note_switch(tstate, callable, switches);
    }
    if (jit.to_sweep) {
        PyObject *exc = PyErr_GetRaisedException();
        executor_sweep();
        PyErr_SetRaisedException(exc);
    }
}

// The frame is gone afterwards.
static inline __attribute__((always_inline)) PyObject *
run(PyThreadState *tstate, PyObject *callable, Frame *frame, bool given, Executor *ex)
{
    Activation act;
    PyObject *result;
    uint64_t switches = switches_count(tstate);
    tstate->c_recursion_remaining -= C_UNITS;
    if (policy_judges(ex)) {
        compat_own_called(frame, given);
        result = run_judged(tstate, frame, ex);
    }
    else {
        act.verdict = NULL;
        act.stays = false;
        run_unjudged(&act, tstate, frame, ex);
        result = act.returned;
        if (act.exit == EXIT_RETURNED) {
            act.executor->tally.returned++;
            ex->inside--;               // from here on it may be freed
            compat_end_called(tstate, frame, given);
        }
        else {
            compat_own_called(frame, given);
            result = finish_called(&act, ex);
        }
    }
    tstate->c_recursion_remaining += C_UNITS;
    if (switches_count(tstate) != switches || jit.to_sweep) {
        after_run(tstate, callable, switches);
    }
    return result;
}

// The interpreter makes the call.
static __attribute__((noinline)) PyObject *
call_plainly(PyThreadState *tstate, PyObject *func, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Py_ssize_t n = PyVectorcall_NARGS(nargsf), all = n + (names == NULL ? 0 : PyTuple_GET_SIZE(names));
    if (*jit.evaluator == NULL && compat_gives_arguments(tstate, func, args, all)) {
        return compat_call_giving(tstate, func, args, (size_t)n, names);
    }
    return compat_plain_vectorcall()(func, args, nargsf, names);
}

// Where the call is not the usual one, or may_run() said no.
static __attribute__((noinline)) PyObject *
call_slowly(PyThreadState *tstate, PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *names)
{
    PyFunctionObject *func = (PyFunctionObject *)callable;
    CodeInfo *info = compat_extra_made((PyCodeObject *)func->func_code, jit.code_extra);
    Executor *ex = look_again(tstate, func, info);
    if (ex != NULL) {
        Py_ssize_t n = PyVectorcall_NARGS(nargsf), all = n + (names == NULL ? 0 : PyTuple_GET_SIZE(names));
        bool given = compat_gives_arguments(tstate, callable, args, all);
        Frame *frame = compat_push_bound(tstate, callable, args, n, names, given);
        if (frame != NULL) {
            return run(tstate, callable, frame, given, ex);
        }
        refuse(callable, info);
    }
    return call_plainly(tstate, callable, args, nargsf, names);
}

// A call of the usual kind.
static inline __attribute__((always_inline)) PyObject *
call_exactly(PyThreadState *tstate, PyObject *callable, PyObject *const *args, Py_ssize_t n, bool given, Executor *ex)
{
    Frame *frame = compat_push_exact(tstate, callable, args, n, given, false);
    return frame == NULL ? call_slowly(tstate, callable, args, (size_t)n, NULL)
                         : run(tstate, callable, frame, given, ex);
}

static inline bool
has_defaults(const PyFunctionObject *func, Py_ssize_t missing)
{
    return func->func_defaults != NULL && PyTuple_GET_SIZE(func->func_defaults) >= missing;
}

// A call that is usual but for arguments at the end, for which there are defaults.
static __attribute__((noinline)) PyObject *
call_with_defaults(PyThreadState *tstate, PyObject *callable, PyObject *const *args, Py_ssize_t n, Executor *ex)
{
    bool given = compat_gives_arguments(tstate, callable, args, n);
    Frame *frame = compat_push_exact(tstate, callable, args, n, given, true);
    return frame == NULL ? call_slowly(tstate, callable, args, (size_t)n, NULL)
                         : run(tstate, callable, frame, given, ex);
}

PyObject *
vectorcall_enter(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *names)
{
    PyThreadState *tstate = compat_thread_quickly();
    const CodeInfo *info = compat_extra_made((PyCodeObject *)PyFunction_GET_CODE(callable), jit.code_extra);
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (n != info->exact_arguments || names != NULL || !may_run(tstate, info)) {
        if (n < info->exact_arguments && names == NULL && may_run(tstate, info)
            && has_defaults((PyFunctionObject *)callable, info->exact_arguments - n)) {
            return call_with_defaults(tstate, callable, args, n, info->door.trace);
        }
        return call_slowly(tstate, callable, args, nargsf, names);
    }
    // (Two copies of what follows: it is asked once.)
    return compat_gives_arguments(tstate, callable, args, n)
        ? call_exactly(tstate, callable, args, n, true, info->door.trace)
        : call_exactly(tstate, callable, args, n, false, info->door.trace);
}
