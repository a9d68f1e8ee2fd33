// hook.c - where the interpreter enters us: sys.monitoring events under OPTIMIZER_ID.
//
// JUMP comes before every loop turn of interpreted code: it counts, enters the loop's executor,
// or starts a recording. INSTRUCTION comes while a recording is under way, for the code objects
// it asked for, and goes to the recorder. Callbacks are C functions and never raise.
//
// PY_START comes when a function starts: it counts, too, enters the function's trace, or has one
// recorded. PY_RETURN and PY_YIELD come for code objects whose runs are being timed (trial.c).
//
// Counters and traces are in anchors.c. A jump that is of no use to us (forward, or to a loop given up for good)
// answers DISABLE and costs nothing from then on.
//
// In a callback tstate->current_frame is the running frame with its stack saved; what the
// callback leaves in instr_ptr and stack is where the interpreter goes on (design.md 2).

#include "anchors.h"
#include "executor_life.h"
#include "hook.h"
#include "trial.h"

#include <stddef.h>

static struct {
    bool loaded;                // what follows is set
    bool installed;             // callbacks and events are ours
    PyObject *disable;          // sys.monitoring.DISABLE
    PyObject *set_local_events;
    PyCodeObject **watched;     // code objects with INSTRUCTION events on (strong)
    size_t n_watched, room;
} hook;

enum { OPTIMIZER_ID = 5, RETRY_TURNS = 16 };
static const char TOOL_NAME[] = "jitpatch";
#define EVENT(id) (1 << PY_MONITORING_EVENT_##id)

// --- events -----------------------------------------------------------------------------------

// By identity: equal code objects are not the same loop.
static bool
is_watched(PyCodeObject *code)
{
    for (size_t i = 0; i < hook.n_watched; i++) {
        if (hook.watched[i] == code) {
            return true;
        }
    }
    return false;
}

// Run `ex`, or another version of it, for the frame of this callback. false: none was entered.
static bool
enter(PyThreadState *tstate, Frame *frame, Executor *ex)
{
    uint64_t entered = jit.stats.entered;
    CallbackState saved;
    compat_leave_callback(tstate, &saved);
    Py_INCREF(ex);
    enter_executor(tstate, frame, ex);
    if (PyErr_Occurred()) {
        compat_raise_here(tstate, frame);
    }
    Py_DECREF(ex);
    executor_sweep();
    compat_reenter_callback(tstate, &saved);
    return jit.stats.entered != entered;
}

// --- when to listen ---------------------------------------------------------------------------
//
// An event costs an interpreted call 20 to 40 ns. So a function that starts is heard for some
// calls. If they take too long it is cold, and starts unheard until all events are switched on
// again, which is done less and less often.

enum { HEARD_CALLS = 64, COLD_NS = HEARD_CALLS * 4000, FIRST_PAUSE_MS = 100, LONGEST_PAUSE_MS = 10000 };

static struct {
    uint64_t end;               // of the pause that there is, in ns
    uint64_t length;            // of it, in ms
    bool any;                   // some function starts unheard
    unsigned turns;             // loop turns since the clock was last looked at
} quiet;

static uint64_t
cpu_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static void
end_pause(uint64_t now)
{
    if (quiet.end == 0) {
        quiet.length = FIRST_PAUSE_MS;
        quiet.end = now + quiet.length * 1000000;
    }
    if (!quiet.any || now < quiet.end || jit.recorder != NULL || !hook.installed) {
        return;
    }
    quiet.any = false;
    quiet.length = quiet.length * 3 < LONGEST_PAUSE_MS ? quiet.length * 3 : LONGEST_PAUSE_MS;
    quiet.end = now + quiet.length * 1000000;
    if (!compat_other_tools(PyThreadState_GET())) {     // theirs would be switched on, too
        PyObject *exc = PyErr_GetRaisedException();
        Py_XDECREF(PyObject_CallMethod(jit.monitoring, "restart_events", NULL));
        PyErr_Clear();
        PyErr_SetRaisedException(exc);
        trial_new_chance();
    }
}

void
hook_listen_later(void)
{
    quiet.any = true;
}

void
hook_look_at_clock(void)
{
    if (quiet.any) {
        end_pause(cpu_ns());
    }
}

// It begins to be heard, or has been for HEARD_CALLS. true: the function is cold.
static bool
is_cold(CodeInfo *info)
{
    uint64_t now = cpu_ns();
    if (info->since == 0) {
        info->since = now;
        info->heard_until = info->function.count + HEARD_CALLS;
        end_pause(now);
        return false;
    }
    if (now - info->since <= COLD_NS) {
        info->heard_until = UINT32_MAX;       // hot: heard until it is recorded
        return false;
    }
    info->since = 0;
    info->heard_until = 0;
    quiet.any = true;
    return true;
}

// Does a debugger, profiler or other tool watch this code?
static bool
is_observed(PyThreadState *tstate, CodeInfo *info)
{
    uint64_t version = compat_monitoring_version(tstate);
    if (info->checked == version) {     // what else there is to know changes it
        return compat_watched_locally(info->code) || compat_evaluator_is_replaced(tstate);
    }
    if (compat_watched_by_others(tstate, info->code)) {
        return true;
    }
    info->checked = version;
    return false;
}

// What a trial times: a run from its start on or, where starts are not heard, from its first turn on.
static void
run_begins(CodeInfo *info, bool has_started)
{
    Frame *frame = compat_current_frame(PyThreadState_GET());
    if (frame != NULL && !compat_frame_is_c_entry(frame) && compat_frame_code(frame) == info->code
        && (has_started || !trial_times(info, frame))) {
        trial_arrive(info, frame, compat_frame_previous(frame), false);
    }
}

// Compiled code has been left: with the function's result, or an exception that nothing handles there?
static void
run_may_be_over(CodeInfo *info, Frame *frame)
{
    if (trial_times(info, frame)) {
        ptrdiff_t offset = compat_frame_ip(frame) - compat_code_start(info->code);
        if (offset < 0 || offset >= Py_SIZE(info->code)) {
            trial_depart(info, frame, false);
        }
    }
}

// A backward jump to `to` is about to be taken. true: never tell us again.
static bool
loop_turn(PyCodeObject *code, int to)
{
    Anchor *anchor = anchor_need(code, to);
    if (anchor == NULL || anchor->blacklisted) {
        return anchor != NULL;
    }
    // The usual turn of a cold loop ends here.
    if (anchor->newest == NULL && ++anchor->count < anchor->threshold) {
        return false;
    }
    if (anchor->newest != NULL) {
        CodeInfo *info = info_need(code);
        if (trial_lost(info)) {
            return true;
        }
        if (trial_wanted(info) && (code->co_flags & CO_OPTIMIZED) != 0) {
            run_begins(info, false);
        }
        if (trial_refuses(info)) {
            trial_needless_event();
            return false;
        }
    }
    if ((++quiet.turns & 63) == 0) {
        hook_look_at_clock();
    }
    if (jit.recorder != NULL && is_watched(code)
        && !record_waits_for(compat_current_frame(PyThreadState_GET()))) {
        return false;           // the recorder sees the jump as an instruction
    }
    if (anchor->newest != NULL && anchor_drop_invalid(code, to)) {
        anchor = anchor_need(code, to);
        if (anchor == NULL || anchor->newest == NULL) {
            return false;
        }
    }
    PyThreadState *tstate = PyThreadState_GET();
    Frame *frame = compat_current_frame(tstate);
    // Somebody may call the callback who is not the interpreter.
    if (frame == NULL || compat_frame_is_c_entry(frame) || compat_frame_code(frame) != code
        || compat_frame_depth(frame) < 0) {
        return false;
    }
    if (is_observed(tstate, info_need(code))) {
        if (anchor->newest == NULL) {
            hook_log_abort(code, PyCode_Addr2Line(code, to * (int)sizeof(_Py_CODEUNIT)),
                           ABORT_WATCHED, "");
            anchor->count = 0;
        }
        return false;
    }
    if (anchor->newest != NULL) {
        if (enter(tstate, frame, anchor->newest)) {
            record_loop_left(frame);
            run_may_be_over(info_need(code), frame);
            return false;
        }
        // None of its traces is for this frame (another module's globals, say): as if there were
        // none, until there are too many.
        anchor = anchor_need(code, to);
        if (anchor == NULL || anchor_count_versions(anchor) >= jit.params.max_versions
            || ++anchor->count < anchor->threshold) {
            return false;
        }
    }
    if (jit.recorder != NULL || record_start_root(tstate, frame, code, to) < 0) {
        // Busy with another loop, or not now: soon again.
        anchor = anchor_need(code, to);
        if (anchor != NULL && anchor->count >= anchor->threshold) {
            anchor->count = anchor->threshold > RETRY_TURNS ? anchor->threshold - RETRY_TURNS : 0;
        }
        PyErr_Clear();
    }
    return false;
}

// --- functions --------------------------------------------------------------------------------

// A hot function starts. true: never tell us again.
static bool
function_start(CodeInfo *info)
{
    Anchor *anchor = &info->function;
    PyCodeObject *code = info->code;
    if (trial_lost(info)) {
        return true;
    }
    PyThreadState *tstate = PyThreadState_GET();
    Frame *frame = compat_current_frame(tstate);
    if (anchor->blacklisted) {
        return !trial_wanted(info) || !anchor_is_plain_function(code);
    }
    // Somebody may call the callback who is not the interpreter.
    if (frame == NULL || compat_frame_is_c_entry(frame) || compat_frame_code(frame) != code
        || compat_frame_depth(frame) != 0
        || compat_frame_ip(frame) != compat_code_start(code) + anchor->offset) {
        return false;
    }
    if (jit.recorder != NULL && record_follows(frame, code)) {
        return false;
    }
    if (anchor->newest != NULL && anchor_drop_invalid(code, anchor->offset) && anchor->newest == NULL) {
        return false;
    }
    if (is_observed(tstate, info)) {
        anchor->count = 0;
        return false;
    }
    if (anchor->newest != NULL) {
        if (trial_refuses(info)) {
            return false;
        }
        if (enter(tstate, frame, anchor->newest)) {
            run_may_be_over(info, frame);
            return anchor->blacklisted;
        }
        // No trace of it is for this frame's globals.
        if (anchor_count_versions(anchor) >= jit.params.max_versions || ++anchor->count < anchor->threshold) {
            return false;
        }
    }
    info->since = 0;            // if it comes to nothing, heard again
    info->heard_until = 0;
    if (jit.recorder != NULL || record_start_function(tstate, frame, code, anchor->offset) < 0) {
        anchor->count = anchor->threshold > RETRY_TURNS ? anchor->threshold - RETRY_TURNS : 0;
        PyErr_Clear();
    }
    return false;
}

// PY_START(code, offset): offset in bytes.
static PyObject *
on_start(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 2 || !PyCode_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "expected code, offset");
        return NULL;
    }
    CodeInfo *info = jit.enabled ? info_need((PyCodeObject *)args[0]) : NULL;
    if (info == NULL) {
        Py_RETURN_NONE;
    }
    Anchor *function = &info->function;
    if (function->offset < 0) {
        anchor_first_start(info);
    }
    if (trial_wanted(info) && anchor_is_plain_function(info->code)) {
        run_begins(info, true);
    }
    // The usual start of an interpreted function ends here.
    if (function->newest == NULL && !function->blacklisted
        && ++function->count < function->threshold) {
        return Py_NewRef(function->count >= info->heard_until && is_cold(info) ? hook.disable : Py_None);
    }
    return Py_NewRef(function_start(info) ? hook.disable : Py_None);
}

// --- generators -------------------------------------------------------------------------------

Executor *
hook_resumed(PyThreadState *tstate, Frame *frame, PyCodeObject *code, int *key)
{
    Anchor *anchor = anchor_need(code, *key);
    if (anchor == NULL || (jit.recorder != NULL && is_watched(code))) {
        return NULL;                    // the recorder watches the interpreter
    }
    if (anchor->newest != NULL && anchor_drop_invalid(code, *key)) {
        anchor = anchor_need(code, *key);
        if (anchor == NULL) {
            return NULL;
        }
    }
    CodeInfo *info = info_need(code);
    if (anchor->newest != NULL && !anchor->blacklisted && !trial_lost(info)) {
        return anchor->newest;
    }
    if (anchor->blacklisted || trial_lost(info)) {
        *key = -1;
        return NULL;
    }
    if (++anchor->count < anchor->threshold || compat_watched_by_others(tstate, code)) {
        return NULL;
    }
    if (jit.recorder != NULL || record_start_resumed(tstate, frame, code, *key) < 0) {
        anchor->count = anchor->threshold > RETRY_TURNS ? anchor->threshold - RETRY_TURNS : 0;
        PyErr_Clear();
    }
    return NULL;
}

// JUMP(code, from, to): offsets in bytes.
static PyObject *
on_jump(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 3 || !PyCode_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "expected code, from, to");
        return NULL;
    }
    long from = PyLong_AsLong(args[1]), to = PyLong_AsLong(args[2]);
    if (to > from) {
        return Py_NewRef(hook.disable);
    }
    if (!jit.enabled || to < 0) {
        Py_RETURN_NONE;
    }
    bool useless = loop_turn((PyCodeObject *)args[0], (int)(to / (long)sizeof(_Py_CODEUNIT)));
    return Py_NewRef(useless ? hook.disable : Py_None);
}

// INSTRUCTION(code, offset): offset in bytes.
static PyObject *
on_instruction(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 2 || !PyCode_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "expected code, offset");
        return NULL;
    }
    PyCodeObject *code = (PyCodeObject *)args[0];
    int offset = (int)(PyLong_AsLong(args[1]) / (long)sizeof(_Py_CODEUNIT));
    PyThreadState *tstate = PyThreadState_GET();
    Frame *frame = compat_current_frame(tstate);
    if (jit.recorder != NULL && frame != NULL && !compat_frame_is_c_entry(frame)
        && compat_frame_code(frame) == code && !compat_after_prefix(code, offset)) {
        PyObject *exc = PyErr_GetRaisedException();
        record_instruction(tstate, frame, code, offset);
        PyErr_SetRaisedException(exc);
    }
    Py_RETURN_NONE;
}

// PY_RETURN(code, offset, value), PY_YIELD(code, offset, value)
static PyObject *
on_end(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs < 1 || !PyCode_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "expected code, offset, value");
        return NULL;
    }
    trial_depart(info_need((PyCodeObject *)args[0]), compat_current_frame(PyThreadState_GET()), true);
    Py_RETURN_NONE;
}

static int
set_local_events(PyCodeObject *code, int events)
{
    PyObject *done = PyObject_CallFunction(hook.set_local_events, "iOi", OPTIMIZER_ID, code,
                                           events);
    Py_XDECREF(done);
    PyErr_Clear();              // out of memory, or the tool id was taken from us
    return done == NULL ? -1 : 0;
}

static int
events_of(PyCodeObject *code)
{
    const CodeInfo *info = info_need(code);
    return (is_watched(code) ? EVENT(INSTRUCTION) : 0)
           | (info != NULL && info->trial != NULL ? EVENT(PY_RETURN) | EVENT(PY_YIELD) : 0);
}

void
hook_report_ends(PyCodeObject *code)
{
    PyObject *exc = PyErr_GetRaisedException();
    set_local_events(code, events_of(code));
    PyErr_SetRaisedException(exc);
}

int
hook_watch_code(PyCodeObject *code)
{
    if (is_watched(code)) {
        return 0;
    }
    if (hook.n_watched == hook.room) {
        size_t room = hook.room * 2 + 8;
        PyCodeObject **watched = PyMem_Realloc(hook.watched, room * sizeof *watched);
        if (watched == NULL) {
            return -1;
        }
        hook.watched = watched;
        hook.room = room;
    }
    PyObject *exc = PyErr_GetRaisedException();
    int done = hook.installed ? set_local_events(code, EVENT(INSTRUCTION) | events_of(code)) : -1;
    PyErr_SetRaisedException(exc);
    if (done == 0) {
        hook.watched[hook.n_watched++] = (PyCodeObject *)Py_NewRef(code);
    }
    return done;
}

void
hook_unwatch_all(void)
{
    PyObject *exc = PyErr_GetRaisedException();
    while (hook.n_watched > 0) {
        PyCodeObject *code = hook.watched[--hook.n_watched];
        set_local_events(code, events_of(code));
        Py_DECREF(code);
    }
    PyErr_SetRaisedException(exc);
}

// --- on and off -------------------------------------------------------------------------------

static PyMethodDef callbacks[] = {
    {"on_jump", (PyCFunction)(void (*)(void))on_jump, METH_FASTCALL, NULL},
    {"on_start", (PyCFunction)(void (*)(void))on_start, METH_FASTCALL, NULL},
    {"on_end", (PyCFunction)(void (*)(void))on_end, METH_FASTCALL, NULL},
    {"on_instruction", (PyCFunction)(void (*)(void))on_instruction, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static int
register_callback(PyMethodDef *def, int event)
{
    PyObject *callback = def == NULL ? Py_NewRef(Py_None) : PyCFunction_New(def, NULL);
    if (callback == NULL) {
        return -1;
    }
    PyObject *old = PyObject_CallMethod(jit.monitoring, "register_callback", "iiO", OPTIMIZER_ID,
                                        event, callback);
    Py_DECREF(callback);
    Py_XDECREF(old);
    return old == NULL ? -1 : 0;
}

static int
set_events(int events)
{
    PyObject *done = PyObject_CallMethod(jit.monitoring, "set_events", "ii", OPTIMIZER_ID, events);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

// -1 with RuntimeError naming the tool that has the id.
static int
take_tool_id(void)
{
    PyObject *owner = PyObject_CallMethod(jit.monitoring, "get_tool", "i", OPTIMIZER_ID);
    if (owner == NULL) {
        return -1;
    }
    if (owner != Py_None) {
        PyErr_Format(PyExc_RuntimeError,
                     "jitpatch cannot be enabled: sys.monitoring.OPTIMIZER_ID is in use by %R; "
                     "have that tool call sys.monitoring.free_tool_id first", owner);
        Py_DECREF(owner);
        return -1;
    }
    Py_DECREF(owner);
    PyObject *done = PyObject_CallMethod(jit.monitoring, "use_tool_id", "is", OPTIMIZER_ID,
                                         TOOL_NAME);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

// free_tool_id would leave callbacks and events behind: each is taken back by itself.
static void
give_up_tool_id(void)
{
    PyObject *exc = PyErr_GetRaisedException();
    set_events(0);
    PyErr_Clear();
    register_callback(NULL, EVENT(JUMP));
    PyErr_Clear();
    register_callback(NULL, EVENT(PY_START));
    PyErr_Clear();
    register_callback(NULL, EVENT(INSTRUCTION));
    PyErr_Clear();
    register_callback(NULL, EVENT(PY_RETURN));
    PyErr_Clear();
    register_callback(NULL, EVENT(PY_YIELD));
    PyErr_Clear();
    Py_XDECREF(PyObject_CallMethod(jit.monitoring, "free_tool_id", "i", OPTIMIZER_ID));
    PyErr_Clear();
    PyErr_SetRaisedException(exc);
}

static bool
still_ours(void)
{
    PyObject *owner = PyObject_CallMethod(jit.monitoring, "get_tool", "i", OPTIMIZER_ID);
    bool ours = owner != NULL && PyUnicode_Check(owner)
                && PyUnicode_EqualToUTF8(owner, TOOL_NAME);
    Py_XDECREF(owner);
    PyErr_Clear();
    return ours;
}

static int
load_api(void)
{
    if (hook.loaded) {
        return 0;
    }
    jit.monitoring = Py_XNewRef(PySys_GetObject("monitoring"));
    if (jit.monitoring == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "jitpatch needs sys.monitoring");
        return -1;
    }
    if ((hook.disable = PyObject_GetAttrString(jit.monitoring, "DISABLE")) == NULL
        || (hook.set_local_events = PyObject_GetAttrString(jit.monitoring, "set_local_events"))
               == NULL) {
        return -1;
    }
    jit.code_extra = (int)PyUnstable_Eval_RequestCodeExtraIndex(anchors_free);
    if (jit.code_extra < 0) {
        PyErr_SetString(PyExc_RuntimeError, "jitpatch: no free slot for data of code objects");
        return -1;
    }
    PyCodeObject *code = PyCode_NewEmpty("<jitpatch>", "extra", 1);
    if (code == NULL) {
        return -1;
    }
    compat_learn_extras(code, jit.code_extra, info_need(code));
    Py_DECREF(code);
    hook.loaded = true;
    return 0;
}

int
hook_enable(void)
{
    if (hook.installed) {
        return 0;
    }
    if (load_api() < 0 || take_tool_id() < 0) {
        return -1;
    }
    if (register_callback(&callbacks[0], EVENT(JUMP)) < 0
        || register_callback(&callbacks[1], EVENT(PY_START)) < 0
        || register_callback(&callbacks[2], EVENT(PY_RETURN)) < 0
        || register_callback(&callbacks[2], EVENT(PY_YIELD)) < 0
        || register_callback(&callbacks[3], EVENT(INSTRUCTION)) < 0
        || set_events(EVENT(JUMP) | EVENT(PY_START)) < 0) {
        give_up_tool_id();
        return -1;
    }
    const char *mismatch = compat_check_monitoring(PyThreadState_GET());
    if (mismatch != NULL) {
        give_up_tool_id();
        PyErr_SetString(PyExc_RuntimeError, mismatch);
        return -1;
    }
    hook.installed = true;
    return 0;
}

void
hook_disable(void)
{
    if (!hook.installed) {
        return;
    }
    hook.installed = false;
    bool ours = still_ours();
    trial_stop_all();
    hook_unwatch_all();
    if (ours) {
        give_up_tool_id();
    }
}
