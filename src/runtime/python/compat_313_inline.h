// compat_313_inline.h - what entering and leaving compiled code asks of CPython 3.13's structs each time, in
// line. Included by compat.h alone, which says what each function does.
//
// Frames are not in CPython's public headers: CompatFrame has the fields looked at here, in their places
// (compat_313_frames.c compares them with CPython's). Thread states and code objects are public.
#ifndef JITPATCH_COMPAT_313_INLINE_H
#define JITPATCH_COMPAT_313_INLINE_H

#include <stddef.h>

typedef struct {
    PyObject *executable;
    Frame *previous;
    PyObject *func, *globals, *builtins, *locals, *frame_obj;
    _Py_CODEUNIT *instr_ptr;
    int stacktop;
    uint16_t return_offset;
    char owner, unused;         // (what is between; set along, for then all from stacktop on is one store)
    PyObject *localsplus[1];
} CompatFrame;

enum { COMPAT_OWNER_THREAD = 0, COMPAT_OWNER_GENERATOR = 1, COMPAT_OWNER_CSTACK = 3, COMPAT_EVENTS_MASK = 0xff, COMPAT_CALLS_TO_DO = 1 << 2 };

// Is it a CALL or CALL_KW? COMPAT_STAR: CALL_FUNCTION_EX. COMPAT_LOOK: the byte of a tool's event stands there.
enum { COMPAT_NO_CALL, COMPAT_CALL, COMPAT_LOOK, COMPAT_STAR };
OURS const uint8_t compat_opcode_is_call[256];
bool compat_call_is_hidden(PyCodeObject *code, const _Py_CODEUNIT *at);
bool compat_gives_tuple(Frame *caller, PyObject *func, PyObject *const *args, Py_ssize_t n);

// Where the GIL has who took it last, a call of PyThreadState_Get() cheaper. NULL: it is not known (compat_check).
OURS PyThreadState **compat_gil_holder;

static inline PyThreadState *
compat_thread(void)
{
    PyThreadState *tstate = compat_gil_holder != NULL ? *compat_gil_holder : PyThreadState_GET();
    assert(tstate == PyThreadState_GET());
    return tstate;
}

static inline PyThreadState *
compat_thread_quickly(void)
{
    assert(*compat_gil_holder == PyThreadState_GET());
    return *compat_gil_holder;
}

static inline CompatFrame *compat_view(Frame *frame) { return (CompatFrame *)(void *)frame; }

static inline Frame *compat_current_frame(PyThreadState *tstate) { return tstate->current_frame; }
static inline Frame *compat_frame_previous(Frame *frame) { return compat_view(frame)->previous; }
static inline PyCodeObject *compat_frame_code(Frame *frame) { return (PyCodeObject *)compat_view(frame)->executable; }
static inline PyObject *compat_frame_func(Frame *frame) { return compat_view(frame)->func; }
static inline PyObject *compat_frame_globals(Frame *frame) { return compat_view(frame)->globals; }
static inline PyObject *compat_frame_builtins(Frame *frame) { return compat_view(frame)->builtins; }
static inline PyObject *compat_frame_locals(Frame *frame) { return compat_view(frame)->locals; }
static inline PyObject **compat_frame_slots(Frame *frame) { return compat_view(frame)->localsplus; }
static inline _Py_CODEUNIT *compat_frame_ip(Frame *frame) { return compat_view(frame)->instr_ptr; }
static inline void compat_frame_set_ip(Frame *frame, _Py_CODEUNIT *ip) { compat_view(frame)->instr_ptr = ip; }
static inline size_t compat_frame_slots_offset(void) { return offsetof(CompatFrame, localsplus); }
static inline size_t compat_frame_ip_offset(void) { return offsetof(CompatFrame, instr_ptr); }
static inline bool compat_frame_has_object(Frame *frame) { return compat_view(frame)->frame_obj != NULL; }

static inline bool
compat_frame_is_c_entry(Frame *frame)
{
    return compat_view(frame)->owner == COMPAT_OWNER_CSTACK;
}

static inline bool
compat_frame_is_generator(Frame *frame)
{
    return compat_view(frame)->owner == COMPAT_OWNER_GENERATOR;
}

static inline _Py_CODEUNIT *
compat_code_start(PyCodeObject *code)
{
    return (_Py_CODEUNIT *)(void *)code->co_code_adaptive;
}

static inline int compat_code_nlocalsplus(PyCodeObject *code) { return code->co_nlocalsplus; }

static inline int
compat_frame_depth(Frame *frame)
{
    int top = compat_view(frame)->stacktop;
    return top < 0 ? -1 : top - compat_frame_code(frame)->co_nlocalsplus;
}

static inline bool compat_frame_is_saved(Frame *frame) { return compat_view(frame)->stacktop >= 0; }

static inline void
compat_frame_set_depth(Frame *frame, int depth)
{
    compat_view(frame)->stacktop = depth < 0 ? -1 : compat_frame_code(frame)->co_nlocalsplus + depth;
}

static inline bool
compat_gives_arguments(PyThreadState *tstate, PyObject *func, PyObject *const *args, Py_ssize_t n)
{
    CompatFrame *caller = compat_view(tstate->current_frame);
    if (caller == NULL) {
        return false;
    }
    const uint8_t *at = (const uint8_t *)caller->instr_ptr;
    if ((uintptr_t)args - (uintptr_t)caller->localsplus
        >= sizeof *args * (size_t)((PyCodeObject *)caller->executable)->co_framesize) {
        return compat_opcode_is_call[at[0]] >= COMPAT_LOOK && compat_gives_tuple(tstate->current_frame, func, args, n);
    }
    int given = at[1];
    return ((n == given + 1 && args[-1] == func) || (n == given && args[-2] == func))
        && (compat_opcode_is_call[at[0]] == COMPAT_CALL
            || (compat_opcode_is_call[at[0]] == COMPAT_LOOK
                && compat_call_is_hidden((PyCodeObject *)caller->executable, caller->instr_ptr)));
}

static inline PyObject *
compat_take_argument(PyObject *const *args, Py_ssize_t i, bool given)
{
    PyObject *value = args[i];
    if (!given) {
        return Py_NewRef(value);
    }
    ((PyObject **)args)[i] = Py_None;   // which the evaluator drops in its place
    return value;
}

static inline __attribute__((always_inline)) Frame *
compat_push_exact(PyThreadState *tstate, PyObject *func, PyObject *const *args, Py_ssize_t n, bool given,
                  bool defaults)
{
    const PyFunctionObject *f = (PyFunctionObject *)func;
    PyCodeObject *code = (PyCodeObject *)f->func_code;
    CompatFrame *frame = (CompatFrame *)tstate->datastack_top;
    // By its offset: the struct declares one local, and a compiler may hold a loop to that.
    PyObject **slots = (PyObject **)((char *)frame + offsetof(CompatFrame, localsplus));
    PyObject **top = (PyObject **)frame + code->co_framesize;
    if (top >= tstate->datastack_limit) {
        return NULL;
    }
    tstate->datastack_top = top;
    frame->executable = Py_NewRef(code);
    frame->previous = tstate->current_frame;
    frame->func = given ? func : Py_NewRef(func);
    frame->globals = f->func_globals;
    frame->builtins = f->func_builtins;
    frame->locals = NULL;
    frame->frame_obj = NULL;
    frame->instr_ptr = compat_code_start(code) + code->_co_firsttraceable;
    frame->stacktop = -1;
    frame->return_offset = 0;
    frame->owner = COMPAT_OWNER_THREAD;
    frame->unused = 0;
    int i = 0, end = code->co_nlocalsplus;
    for (; i < (int)n; i++) {
        slots[i] = compat_take_argument(args, i, given);
    }
    for (int parameters = code->co_argcount; defaults && i < parameters; i++) {
        Py_ssize_t from_end = parameters - i;
        slots[i] = Py_NewRef(PyTuple_GET_ITEM(f->func_defaults, PyTuple_GET_SIZE(f->func_defaults) - from_end));
    }
    for (; i < end; i++) {
        *(PyObject *volatile *)&slots[i] = NULL;    // (as no call of memset)
    }
    for (int k = code->co_nfreevars; k-- > 0;) {
        slots[--i] = Py_NewRef(PyTuple_GET_ITEM(f->func_closure, k));
    }
    tstate->current_frame = (Frame *)(void *)frame;
    tstate->py_recursion_remaining--;
    return (Frame *)(void *)frame;
}

static inline void
compat_own_called(Frame *frame, bool given)
{
    if (given) {
        Py_INCREF(compat_view(frame)->func);
    }
}

// (Where there is room in a chunk of the data stack it has a frame already, and goes with that.)
static inline void
compat_end_called(PyThreadState *tstate, Frame *of, bool given)
{
    CompatFrame *frame = compat_view(of);
    if (frame->frame_obj != NULL) {
        compat_own_called(of, given);
        compat_pop_call(tstate, of);
        return;
    }
    PyObject *code = frame->executable, *func = frame->func;
    int n = ((PyCodeObject *)code)->co_nlocalsplus;
    tstate->py_recursion_remaining++;
    tstate->current_frame = frame->previous;
    for (int i = 0; i < n; i++) {
        Py_XDECREF(frame->localsplus[i]);
    }
    if (!given) {
        Py_DECREF(func);
    }
    Py_DECREF(code);
    tstate->datastack_top = (PyObject **)frame;
}

// What PyUnstable_Code_SetExtra makes; not in any header. compat_learn_extras() compares.
typedef struct {
    Py_ssize_t size;
    void *extras[];
} CompatExtras;

OURS bool compat_extras_are_known;

static inline void *
compat_get_extra(PyCodeObject *code, int index)
{
    const CompatExtras *extras = code->co_extra;
    void *extra = NULL;
    if (compat_extras_are_known) {
        return extras != NULL && index < extras->size ? extras->extras[index] : NULL;
    }
    if (PyUnstable_Code_GetExtra((PyObject *)code, index, &extra) < 0) {
        PyErr_Clear();
    }
    return extra;
}

static inline bool compat_can_hurry(void) { return compat_extras_are_known && compat_gil_holder != NULL; }

static inline void *
compat_extra_made(PyCodeObject *code, int index)
{
    const CompatExtras *extras = code->co_extra;
    assert(compat_extras_are_known && extras != NULL && index < extras->size);
    return extras->extras[index];
}

static inline uint64_t
compat_monitoring_version(PyThreadState *tstate)
{
    return tstate->eval_breaker & ~(uintptr_t)COMPAT_EVENTS_MASK;
}

static inline uint64_t compat_breaker(PyThreadState *tstate) { return tstate->eval_breaker; }

static inline bool
compat_c_deeper(PyThreadState *tstate, int than)
{
    return tstate->c_recursion_remaining < Py_C_RECURSION_LIMIT - than;
}

static inline bool
compat_has_request(PyThreadState *tstate)
{
    return (tstate->eval_breaker & COMPAT_CALLS_TO_DO) != 0;
}

static inline void
compat_leave_callback(PyThreadState *tstate, CallbackState *saved)
{
    saved->tracing = tstate->tracing;
    saved->what_event = tstate->what_event;
    tstate->tracing = 0;
    tstate->what_event = -1;
}

static inline void
compat_reenter_callback(PyThreadState *tstate, const CallbackState *saved)
{
    tstate->tracing = saved->tracing;
    tstate->what_event = saved->what_event;
}

#endif
