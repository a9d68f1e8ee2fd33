// hook.c - where the interpreter enters us: sys.monitoring events under OPTIMIZER_ID.
//
// JUMP comes before each iteration of a loop: it counts, enters the loop's executor, or starts a
// recording. PY_START comes when a function starts and does the same for it. INSTRUCTION comes while a
// recording is under way, for the code objects it asked for, and goes to the recorder. Callbacks are C
// functions and never raise; what is not meant for us (an event that a C extension fires for an object
// that is no code object, say) is passed over.
//
// JUMP and PY_START are local events of the code objects that nominate.c hears: all other code runs as
// without the JIT. With option sample=0 they are global, and every iteration and call is counted from the
// first on.
//
// Counters and traces are in anchors.c. A jump that is of no use to us (forward, or to a loop given up for good)
// answers DISABLE and costs nothing from then on.
//
// In a callback tstate->current_frame is the running frame with its stack saved; what the
// callback leaves in instr_ptr and stack is where the interpreter goes on.

#include "entry/hook.h"
#include "entry/nominate.h"
#include "entry/sampler.h"
#include "entry/vectorcall.h"
#include "policy/policy.h"
#include "run/anchors.h"
#include "run/enter.h"
#include "run/entries.h"
#include "run/executor_life.h"
#include "run/recorder.h"

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
    CallbackState saved;
    compat_leave_callback(tstate, &saved);
    bool entered = run_executor(tstate, frame, ex, false);
    if (tstate->current_exception != NULL) {
        compat_raise_here(tstate, frame);
    }
    executor_sweep();
    compat_reenter_callback(tstate, &saved);
    return entered;
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

// Somebody may call the callback who is not the interpreter.
static bool
stands_in(Frame *frame, PyCodeObject *code)
{
    return frame != NULL && !compat_frame_is_c_entry(frame) && compat_frame_code(frame) == code
        && compat_frame_depth(frame) >= 0;
}

// A backward jump to `to` is about to be taken. true: never tell us again.
static bool
loop_turn(PyCodeObject *code, int to)
{
    Anchor *anchor = anchor_need(code, to);
    if (anchor == NULL || anchor->blacklisted || anchor->resting) {
        return anchor != NULL;
    }
    // The usual turn of a cold loop ends here.
    if (anchor->newest == NULL && ++anchor->count < anchor->threshold) {
        return false;
    }
    PyThreadState *tstate = PyThreadState_GET();
    Frame *frame = compat_current_frame(tstate);
    if (jit.recorder != NULL && is_watched(code)
        && !recorder_calls.waits_for(compat_current_frame(PyThreadState_GET()))) {
        return false;           // the recorder sees the jump as an instruction
    }
    if (anchor->newest != NULL && anchor_drop_invalid(code, to)) {
        anchor = anchor_need(code, to);
        if (anchor == NULL || anchor->newest == NULL) {
            return false;
        }
    }
    if (!stands_in(frame, code)) {
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
            if (jit.recorder != NULL) {
                recorder_calls.loop_left(frame);
            }
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
    if (jit.recorder != NULL || !policy_may_compile() || recorder_calls.start_root(tstate, frame, code, to) < 0) {
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
    PyThreadState *tstate = PyThreadState_GET();
    Frame *frame = compat_current_frame(tstate);
    if (anchor->blacklisted || anchor->resting) {
        return true;
    }
    // Somebody may call the callback who is not the interpreter.
    if (frame == NULL || compat_frame_is_c_entry(frame) || compat_frame_code(frame) != code
        || compat_frame_depth(frame) != 0
        || compat_frame_ip(frame) != compat_code_start(code) + anchor->offset) {
        return false;
    }
    if (jit.recorder != NULL && recorder_calls.follows(frame, code)) {
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
        if (enter(tstate, frame, anchor->newest)) {
            vectorcall_met(info, compat_frame_func(frame));
            return anchor->blacklisted || anchor->resting;
        }
        // No trace of it is for this frame's globals.
        if (anchor_count_versions(anchor) >= jit.params.max_versions || ++anchor->count < anchor->threshold) {
            return false;
        }
    }
    if (jit.recorder != NULL || !policy_may_compile()
        || recorder_calls.start_function(tstate, frame, code, anchor->offset) < 0) {
        anchor->count = anchor->threshold > RETRY_TURNS ? anchor->threshold - RETRY_TURNS : 0;
        PyErr_Clear();
    }
    return false;
}

// The code object of an event; NULL: the event is not for us.
static PyCodeObject *
code_of(PyObject *const *args, Py_ssize_t nargs, Py_ssize_t wanted)
{
    return nargs == wanted && PyCode_Check(args[0]) ? (PyCodeObject *)args[0] : NULL;
}

// An offset in bytes as one in code units; -1: it is none in `code`.
static int
unit_of(const PyCodeObject *code, PyObject *offset)
{
    if (!PyLong_CheckExact(offset) || !PyUnstable_Long_IsCompact((PyLongObject *)offset)) {
        return -1;
    }
    Py_ssize_t bytes = PyUnstable_Long_CompactValue((PyLongObject *)offset);
    Py_ssize_t unit = bytes / (Py_ssize_t)sizeof(_Py_CODEUNIT);
    return bytes >= 0 && unit < Py_SIZE(code) ? (int)unit : -1;
}

// PY_START(code, offset): offset in bytes.
static PyObject *
on_start(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t nargs)
{
    PyCodeObject *code = code_of(args, nargs, 2);
    CodeInfo *info = jit.enabled && code != NULL ? info_need(code) : NULL;
    if (info == NULL) {
        Py_RETURN_NONE;
    }
    Anchor *function = &info->function;
    if (function->offset < 0) {
        anchor_first_start(info);
    }
    // The usual start of an interpreted function ends here.
    if (function->newest == NULL && !function->blacklisted
        && ++function->count < function->threshold) {
        Py_RETURN_NONE;
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
    if (anchor->newest != NULL && !anchor->blacklisted && !anchor->resting) {
        return anchor->newest;
    }
    if (anchor->blacklisted || anchor->resting) {
        *key = -1;
        return NULL;
    }
    if (++anchor->count < anchor->threshold || compat_watched_by_others(tstate, code)) {
        return NULL;
    }
    if (jit.recorder != NULL || !policy_may_compile() || recorder_calls.start_resumed(tstate, frame, code, *key) < 0) {
        anchor->count = anchor->threshold > RETRY_TURNS ? anchor->threshold - RETRY_TURNS : 0;
        PyErr_Clear();
    }
    return NULL;
}

static __attribute__((noinline)) PyObject *
unusual_jump(PyObject *const *args, Py_ssize_t nargs)
{
    PyCodeObject *code = code_of(args, nargs, 3);
    int from = code == NULL ? -1 : unit_of(code, args[1]);
    int to = from < 0 ? -1 : unit_of(code, args[2]);
    if (!jit.enabled || to < 0) {
        Py_RETURN_NONE;
    }
    return Py_NewRef(to > from || loop_turn(code, to) ? hook.disable : Py_None);
}

// JUMP(code, from, to): offsets in bytes.
static inline PyObject *
on_jump(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t nargs)
{
    // The usual event of a loop that has a trace ends here.
    const Anchor *anchor = nargs == 3 && jit.recorder == NULL ? anchor_last_at(args[0], args[2]) : NULL;
    if (anchor != NULL && anchor->newest != NULL && !anchor->blacklisted && !anchor->resting
        && run_loop((PyCodeObject *)args[0], anchor->newest)) {
        Py_RETURN_NONE;
    }
    return unusual_jump(args, nargs);
}

// The same as the callback's vectorcall: an event is not for us if it has keywords.
static PyObject *
call_on_jump(PyObject *Py_UNUSED(callback), PyObject *const *args, size_t nargs, PyObject *names)
{
    return on_jump(NULL, args, names == NULL ? PyVectorcall_NARGS(nargs) : 0);
}

// INSTRUCTION(code, offset): offset in bytes.
static PyObject *
on_instruction(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t nargs)
{
    PyCodeObject *code = code_of(args, nargs, 2);
    int offset = code == NULL ? -1 : unit_of(code, args[1]);
    PyThreadState *tstate = PyThreadState_GET();
    Frame *frame = compat_current_frame(tstate);
    if (jit.recorder != NULL && offset >= 0 && frame != NULL && !compat_frame_is_c_entry(frame)
        && compat_frame_code(frame) == code && compat_frame_ip(frame) == compat_code_start(code) + offset
        && !compat_after_prefix(code, offset)) {
        PyObject *exc = PyErr_GetRaisedException();
        recorder_calls.instruction(tstate, frame, code, offset);
        PyErr_SetRaisedException(exc);
        recorder_calls.drop_leftovers();
    }
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

// What the code object is to report: to the recorder, and what nominate.c hears.
static int
events_of(PyCodeObject *code)
{
    const CodeInfo *info = info_need(code);
    uint8_t heard = info == NULL ? 0 : info->heard;
    return (is_watched(code) ? EVENT(INSTRUCTION) : 0) | (heard & HEAR_LOOPS ? EVENT(JUMP) : 0)
           | (heard & HEAR_STARTS ? EVENT(PY_START) : 0);
}

void
hook_update_events(CodeInfo *info)
{
    PyObject *exc = PyErr_GetRaisedException();
    if (hook.installed) {
        set_local_events(info->code, events_of(info->code));
    }
    PyErr_SetRaisedException(exc);
}

bool
hook_is_recording(PyCodeObject *code)
{
    return is_watched(code);
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
    if (event == EVENT(JUMP) && def != NULL) {      // CPython's own, between, costs some forty instructions
        ((PyCFunctionObject *)callback)->vectorcall = call_on_jump;
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

// Who asks for a low threshold wants code compiled at that iteration, not at some sample behind it.
enum {
#define PARAM(name, value, least, most, help) DEFAULT_##name = value,
#include "base/params.def"
#undef PARAM
};

static bool
wants_sampler(void)
{
    return jit.params.sample == 2 || (jit.params.sample == 1 && jit.params.threshold >= DEFAULT_threshold);
}

// There are no more samples.
static void
count_instead(void)
{
    PyObject *exc = PyErr_GetRaisedException();
    nominate_forget_all();
    nominate_switch(false);
    if (hook.installed && still_ours()) {
        set_events(EVENT(JUMP) | EVENT(PY_START));
    }
    PyErr_Clear();
    PyErr_SetRaisedException(exc);
}

void
hook_init(void)
{
    entry_calls = (EntryCalls){
        .refresh = nominate_refresh, .ask = nominate_ask, .forget = nominate_forget, .update_events = hook_update_events,
        .may_open = vectorcall_may_open, .close_code = vectorcall_close_code,
        .function_changed = vectorcall_function_changed};
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
        || register_callback(&callbacks[2], EVENT(INSTRUCTION)) < 0
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
    policy_begin();
    nominate_switch(wants_sampler() && sampler_start(nominate_sample, count_instead));
    // Those were for the check only, if there is a sampler.
    if (jit.nominates && set_events(0) < 0) {
        hook_disable();
        return -1;
    }
    return 0;
}

void
hook_disable(void)
{
    if (!hook.installed) {
        return;
    }
    sampler_stop();
    nominate_forget_all();
    nominate_switch(false);
    hook_unwatch_all();
    vectorcall_close_all();
    compat_drop_spare_frame_object();
    hook.installed = false;
    if (still_ours()) {
        give_up_tool_id();
    }
}
