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
    char owner;
    PyObject *localsplus[1];
} CompatFrame;

enum { COMPAT_OWNER_THREAD = 0, COMPAT_OWNER_GENERATOR = 1, COMPAT_OWNER_CSTACK = 3, COMPAT_EVENTS_MASK = 0xff, COMPAT_CALLS_TO_DO = 1 << 2 };

// Is it a CALL or CALL_KW? COMPAT_STAR: CALL_FUNCTION_EX. COMPAT_LOOK: the byte of a tool's event stands there.
enum { COMPAT_NO_CALL, COMPAT_CALL, COMPAT_LOOK, COMPAT_STAR };
extern const uint8_t compat_opcode_is_call[256];
bool compat_call_is_hidden(PyCodeObject *code, const _Py_CODEUNIT *at);
bool compat_gives_tuple(Frame *caller, PyObject *func, PyObject *const *args, Py_ssize_t n);

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
compat_push_exact(PyThreadState *tstate, PyObject *func, PyObject *const *args, Py_ssize_t n, bool given)
{
    const PyFunctionObject *f = (PyFunctionObject *)func;
    PyCodeObject *code = (PyCodeObject *)f->func_code;
    CompatFrame *frame = (CompatFrame *)tstate->datastack_top;
    if (n != code->co_argcount || frame == NULL || code->co_nfreevars != 0
        || code->co_framesize >= tstate->datastack_limit - (PyObject **)frame) {
        return NULL;
    }
    tstate->datastack_top += code->co_framesize;
    *frame = (CompatFrame){.executable = Py_NewRef(code), .previous = tstate->current_frame, .func = Py_NewRef(func),
                           .globals = f->func_globals, .builtins = f->func_builtins,
                           .instr_ptr = compat_code_start(code) + code->_co_firsttraceable,
                           .owner = COMPAT_OWNER_THREAD};
    int i = 0;
    for (; i < n; i++) {
        frame->localsplus[i] = compat_take_argument(args, i, given);
    }
    for (; i < code->co_nlocalsplus; i++) {
        frame->localsplus[i] = NULL;
    }
    tstate->current_frame = (Frame *)(void *)frame;
    tstate->py_recursion_remaining--;
    return (Frame *)(void *)frame;
}

static inline void
compat_end_called(PyThreadState *tstate, Frame *of)
{
    CompatFrame *frame = compat_view(of);
    if (frame->frame_obj != NULL || (char *)frame == (char *)tstate->datastack_chunk + offsetof(_PyStackChunk, data)) {
        compat_pop_call(tstate, of);
        return;
    }
    PyObject *code = frame->executable, *func = frame->func;
    int n = ((PyCodeObject *)code)->co_nlocalsplus;
    tstate->py_recursion_remaining++;
    tstate->current_frame = frame->previous;
    frame->stacktop = n;
    for (int i = 0; i < n; i++) {
        Py_XDECREF(frame->localsplus[i]);
    }
    Py_DECREF(func);
    Py_DECREF(code);
    tstate->datastack_top = (PyObject **)frame;
}

// What PyUnstable_Code_SetExtra makes; not in any header. compat_learn_extras() compares.
typedef struct {
    Py_ssize_t size;
    void *extras[];
} CompatExtras;

extern bool compat_extras_are_known;

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

static inline uint64_t
compat_monitoring_version(PyThreadState *tstate)
{
    return tstate->eval_breaker & ~(uintptr_t)COMPAT_EVENTS_MASK;
}

static inline uint64_t compat_breaker(PyThreadState *tstate) { return tstate->eval_breaker; }

static inline int
compat_c_depth(PyThreadState *tstate)
{
    return Py_C_RECURSION_LIMIT - tstate->c_recursion_remaining;
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
