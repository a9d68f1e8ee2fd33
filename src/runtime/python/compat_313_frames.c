// compat_313_frames.c - the seam to CPython 3.13: frames made, finished, popped; exceptions
// raised where the interpreter would have raised them.
//
// A frame made here is one the interpreter would have made for a Python-to-Python call: it lives
// on the thread's data stack and counts once against py_recursion_remaining from
// compat_push_frame until compat_pop_frame or compat_finish_frame.
//
// Raising never goes through the evaluator's throwflag: with it 3.13 looks the handler up one
// code unit before instr_ptr, which is right for a caller at its CALL and wrong at the first
// instruction of a try block and at the first one after it. So the handler is found here; where
// the frame has none, the evaluator is sent to a static RERAISE stub outside of the code object,
// where no handler can be hit (see raise_unhandled).

#include "python/compat_313.h"

// --- what is in a frame -----------------------------------------------------------------------

#define SAME(ours, theirs) \
    _Static_assert(offsetof(CompatFrame, ours) == offsetof(_PyInterpreterFrame, theirs), #ours)
SAME(executable, f_executable);
SAME(previous, previous);
SAME(func, f_funcobj);
SAME(globals, f_globals);
SAME(builtins, f_builtins);
SAME(locals, f_locals);
SAME(frame_obj, frame_obj);
SAME(instr_ptr, instr_ptr);
SAME(stacktop, stacktop);
SAME(owner, owner);
SAME(localsplus, localsplus);
_Static_assert(offsetof(_PyInterpreterFrame, localsplus) == offsetof(CompatFrame, unused) + 1, "a gap before the slots");
#undef SAME
_Static_assert((int)COMPAT_OWNER_THREAD == (int)FRAME_OWNED_BY_THREAD && (int)COMPAT_OWNER_GENERATOR == (int)FRAME_OWNED_BY_GENERATOR
               && (int)COMPAT_OWNER_CSTACK == (int)FRAME_OWNED_BY_CSTACK, "owners of frames");
_Static_assert((int)COMPAT_EVENTS_MASK == (int)_PY_EVAL_EVENTS_MASK, "the eval breaker's events");

void
compat_set_current_frame(PyThreadState *tstate, Frame *frame)
{
    tstate->current_frame = frame;
}

size_t
compat_frame_obj_offset(void)
{
    return offsetof(_PyInterpreterFrame, frame_obj);
}

size_t
compat_frame_globals_offset(void)
{
    return offsetof(_PyInterpreterFrame, f_globals);
}

size_t
compat_frame_builtins_offset(void)
{
    return offsetof(_PyInterpreterFrame, f_builtins);
}

// --- making and ending frames -----------------------------------------------------------------

// A function whose frame is at least `slots` wide, called with no argument. Its frame is only
// ever made to have the evaluator open a new chunk of the data stack.
static PyObject *
spacer_function(int slots)
{
    static PyObject *spacer;        // wide enough for all but freak code objects; kept
    static int spacer_slots;
    if (spacer != NULL && spacer_slots >= slots) {
        return Py_NewRef(spacer);
    }
    // A chunk of the usual size holds a frame of 1000 slots and the evaluator's reserve.
    slots = slots < 1000 ? 1000 : slots;
    PyObject *result = NULL, *code = NULL, *args = NULL, *kwargs = NULL, *replace = NULL;
    PyObject *globals = NULL;
    PyCodeObject *empty = PyCode_NewEmpty("<jitpatch>", "spacer", 1);
    if (empty == NULL) {
        goto done;
    }
    replace = PyObject_GetAttrString((PyObject *)empty, "replace");
    args = PyTuple_New(0);
    kwargs = Py_BuildValue("{s:i}", "co_stacksize", slots);
    globals = PyDict_New();
    if (replace == NULL || args == NULL || kwargs == NULL || globals == NULL) {
        goto done;
    }
    code = PyObject_Call(replace, args, kwargs);
    if (code == NULL) {
        goto done;
    }
    result = PyFunction_New(code, globals);
    if (result != NULL) {
        Py_XSETREF(spacer, Py_NewRef(result));
        spacer_slots = slots;
    }
done:
    Py_XDECREF(globals);
    Py_XDECREF(code);
    Py_XDECREF(kwargs);
    Py_XDECREF(args);
    Py_XDECREF(replace);
    Py_XDECREF(empty);
    return result;
}

// Memory for a frame of `slots`, from a new chunk: the function that opens chunks is not
// exported, so the spacer's frame is pushed by an exported one, emptied, and its place taken.
static Frame *
space_in_new_chunk(PyThreadState *tstate, int slots)
{
    PyObject *spacer = spacer_function(slots);
    if (spacer == NULL) {
        return NULL;
    }
    // Steals the reference to `spacer`.
    _PyInterpreterFrame *frame =
        _PyEvalFramePushAndInit(tstate, (PyFunctionObject *)spacer, NULL, NULL, 0, NULL);
    if (frame == NULL) {
        return NULL;
    }
    Py_DECREF(frame->f_funcobj);
    Py_DECREF(frame->f_executable);
    tstate->datastack_top = (PyObject **)frame + slots;
    return frame;
}

// A tool may have asked for events while this code ran compiled, without a frame of its own that
// sys.monitoring could have seen. Setting and clearing a local event brings its bytecode up to
// date, as its RESUME would have done.
static void
instrument_now(PyThreadState *tstate, PyCodeObject *code)
{
    if (code->_co_instrumentation_version == compat_monitoring_version(tstate)) {
        return;
    }
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *monitoring = PySys_GetObject("monitoring");
    const int tool = PY_MONITORING_OPTIMIZER_ID;
    PyObject *old = PyObject_CallMethod(monitoring, "get_local_events", "iO", tool, code);
    if (old != NULL) {
        long events = PyLong_AsLong(old);
        const long steps[] = {events ^ 1 << PY_MONITORING_EVENT_STOP_ITERATION, events};
        for (size_t i = 0; i < Py_ARRAY_LENGTH(steps); i++) {
            Py_XDECREF(PyObject_CallMethod(monitoring, "set_local_events", "iOl", tool, code,
                                           steps[i]));
        }
        Py_DECREF(old);
    }
    // Out of memory, or the tool id is no longer ours: the frame's next RESUME sees to it.
    PyErr_Clear();
    PyErr_SetRaisedException(exc);
}

Frame *
compat_push_frame(PyThreadState *tstate, PyObject *func, Frame *previous, _Py_CODEUNIT *ip,
                  int depth)
{
    PyCodeObject *code = (PyCodeObject *)((PyFunctionObject *)func)->func_code;
    assert(depth >= 0 && depth <= code->co_stacksize);
    instrument_now(tstate, code);
    _PyInterpreterFrame *frame;
    if (_PyThreadState_HasStackSpace(tstate, code->co_framesize)) {
        frame = (_PyInterpreterFrame *)tstate->datastack_top;
        tstate->datastack_top += code->co_framesize;
    }
    else {
        PyObject *exc = PyErr_GetRaisedException();
        frame = space_in_new_chunk(tstate, code->co_framesize);
        if (frame == NULL) {
            Py_XDECREF(exc);
            return NULL;
        }
        PyErr_SetRaisedException(exc);
    }
    _PyFrame_Initialize(frame, (PyFunctionObject *)Py_NewRef(func), NULL, code, 0);
    for (int i = 0; i < depth; i++) {
        frame->localsplus[code->co_nlocalsplus + i] = NULL;
    }
    frame->stacktop = code->co_nlocalsplus + depth;
    frame->instr_ptr = ip;
    frame->previous = previous;
    tstate->current_frame = frame;
    tstate->py_recursion_remaining--;
    return frame;
}

void
compat_pop_frame(PyThreadState *tstate, Frame *frame)
{
    assert(tstate->current_frame == frame);
    if (frame->stacktop < 0) {
        frame->stacktop = _PyFrame_GetCode(frame)->co_nlocalsplus;
    }
    tstate->py_recursion_remaining++;
    // Unlinked before it is cleared: finalizers must not see it.
    tstate->current_frame = frame->previous;
    _PyEval_FrameClearAndPop(tstate, frame);
}

PyObject *
compat_finish_frame(PyThreadState *tstate, Frame *frame, bool raise)
{
    assert(tstate->current_frame == frame);
    if (raise) {
        compat_raise_here(tstate, frame);
    }
    // The evaluator counts the frame itself, and links it after an entry frame of its own.
    tstate->py_recursion_remaining++;
    tstate->current_frame = frame->previous;
    return _PyEval_EvalFrameDefault(tstate, frame, 0);
}

// --- native calls -----------------------------------------------------------------------------

bool
compat_push_call(Activation *callee, const Activation *act, PyObject *func, int n)
{
    PyThreadState *tstate = act->tstate;
    PyCodeObject *code = (PyCodeObject *)((PyFunctionObject *)func)->func_code;
    if (!_PyThreadState_HasStackSpace(tstate, code->co_framesize) || code->co_ncellvars > 0) {
        return false;
    }
    _PyInterpreterFrame *frame = (_PyInterpreterFrame *)tstate->datastack_top;
    tstate->datastack_top += code->co_framesize;
    _PyFrame_Initialize(frame, (PyFunctionObject *)Py_NewRef(func), NULL, code, n);
    for (int i = 0; i < n; i++) {
        frame->localsplus[i] = act->args[i + 1];
    }
    for (int i = 0, first = code->co_nlocalsplus - code->co_nfreevars; i < code->co_nfreevars; i++) {
        PyObject *closure = ((PyFunctionObject *)func)->func_closure;
        frame->localsplus[first + i] = Py_NewRef(PyTuple_GET_ITEM(closure, i));
    }
    frame->stacktop = -1;
    frame->instr_ptr = _PyCode_CODE(code) + code->_co_firsttraceable;
    frame->previous = tstate->current_frame;
    tstate->current_frame = frame;
    tstate->py_recursion_remaining--;
    callee->tstate = tstate;
    callee->frame = frame;
    callee->version = act->version;
    callee->depth = 0;
    callee->floor = act->floor;
    return true;
}

PyObject *
compat_call_giving(PyThreadState *tstate, PyObject *func, PyObject *const *args, size_t n, PyObject *names)
{
    size_t all = n + (names == NULL ? 0 : (size_t)PyTuple_GET_SIZE(names));
    PyObject *local[16], **given = all <= Py_ARRAY_LENGTH(local) ? local : PyMem_New(PyObject *, all);
    if (given == NULL) {
        return PyErr_NoMemory();
    }
    for (size_t i = 0; i < all; i++) {
        given[i] = compat_take_argument(args, (Py_ssize_t)i, true);
    }
    _PyInterpreterFrame *frame =
        _PyEvalFramePushAndInit(tstate, (PyFunctionObject *)Py_NewRef(func), NULL, given, n, names);
    if (given != local) {
        PyMem_Free(given);
    }
    return frame == NULL ? NULL : _PyEval_EvalFrameDefault(tstate, frame, 0);
}

PyObject *
compat_call_function(PyThreadState *tstate, PyObject *func, PyObject *const *args, int n)
{
    _PyInterpreterFrame *frame = _PyEvalFramePushAndInit(
        tstate, (PyFunctionObject *)Py_NewRef(func), NULL, args, (size_t)n, NULL);
    return frame == NULL ? NULL : _PyEval_EvalFrameDefault(tstate, frame, 0);
}

void
compat_pop_call(PyThreadState *tstate, Frame *frame)
{
    PyCodeObject *code = _PyFrame_GetCode(frame);
    tstate->py_recursion_remaining++;
    // Unlinked before it is cleared: finalizers must not see it.
    tstate->current_frame = frame->previous;
    frame->stacktop = code->co_nlocalsplus;
    if (frame->frame_obj != NULL) {
        _PyEval_FrameClearAndPop(tstate, frame);
        return;
    }
    for (int i = 0; i < code->co_nlocalsplus; i++) {
        Py_XDECREF(frame->localsplus[i]);
    }
    Py_DECREF(frame->f_funcobj);
    Py_DECREF(code);
    // The chunk's first frame goes with the chunk.
    if ((PyObject **)frame == &tstate->datastack_chunk->data[0]) {
        _PyThreadState_PopFrame(tstate, frame);
    }
    else {
        tstate->datastack_top = (PyObject **)frame;
    }
}

PyObject *
compat_returned(PyThreadState *tstate, Frame *frame)
{
    PyCodeObject *code = _PyFrame_GetCode(frame);
    if (frame->instr_ptr->op.code != RETURN_VALUE || frame->stacktop != code->co_nlocalsplus + 1) {
        return NULL;
    }
    PyObject *result = _PyFrame_StackPop(frame);
    compat_pop_call(tstate, frame);
    return result;
}

void
compat_return_from(Frame *frame, PyObject *result)
{
    static const uint8_t stub[] = {RETURN_VALUE, 0};
    frame->stacktop = _PyFrame_GetCode(frame)->co_nlocalsplus;
    _PyFrame_StackPush(frame, result);
    frame->instr_ptr = (_Py_CODEUNIT *)(uintptr_t)stub;
}

// --- raising ----------------------------------------------------------------------------------

static const unsigned char *
read_varint(const unsigned char *at, int *value)
{
    int result = *at & 63;
    while (*at & 64) {
        at++;
        result = result << 6 | (*at & 63);
    }
    *value = result;
    return at + 1;
}

// The handler of code->co_exceptiontable that covers the instruction at `index`.
bool
compat_find_handler(PyCodeObject *code, int index, CompatHandler *out)
{
    const unsigned char *at = (const unsigned char *)PyBytes_AS_STRING(code->co_exceptiontable);
    const unsigned char *end = at + PyBytes_GET_SIZE(code->co_exceptiontable);
    while (at < end) {
        int start, size, handler, depth_and_lasti;
        at = read_varint(at, &start);
        at = read_varint(at, &size);
        at = read_varint(at, &handler);
        at = read_varint(at, &depth_and_lasti);
        if (start > index) {
            break;
        }
        if (start + size > index) {
            *out = (CompatHandler){depth_and_lasti >> 1, handler, depth_and_lasti & 1};
            return true;
        }
    }
    return false;
}

// The evaluator computes the stub's "offset in the code object" as an int and looks that up in
// the exception table. The difference of two addresses, cut to 32 bits, falls into the code
// object once in a million programs; of these two stubs one, far from the other, is then used.
static const uint8_t stub_bytes[] = {RERAISE, 0, RERAISE, 1};
static uint8_t *far_stub;

static _Py_CODEUNIT *
reraise_stub(PyCodeObject *code, int oparg)
{
    const uint8_t *stub = stub_bytes;
    int index = (int)((const _Py_CODEUNIT *)(const void *)stub - _PyCode_CODE(code));
    if (index >= -2 && index < Py_SIZE(code)) {
        if (far_stub == NULL) {
            far_stub = PyMem_RawMalloc(sizeof stub_bytes);
        }
        if (far_stub != NULL) {
            stub = memcpy(far_stub, stub_bytes, sizeof stub_bytes);
        }
    }
    return (_Py_CODEUNIT *)(uintptr_t)(stub + 2 * oparg);
}

// Drop what is on the operand stack above `level`, as the interpreter unwinds.
static void
cut_stack(Frame *frame, int level)
{
    int bottom = _PyFrame_GetCode(frame)->co_nlocalsplus + level;
    while (frame->stacktop > bottom) {
        PyObject *value = _PyFrame_StackPop(frame);
        Py_XDECREF(value);
    }
}

static void
add_traceback(PyThreadState *tstate, Frame *frame)
{
    PyFrameObject *object = (PyFrameObject *)Py_XNewRef(frame->frame_obj);
    if (object == NULL) {
        // Makes the object, or fails without an exception and loses the one that is set.
        PyObject *exc = PyErr_GetRaisedException();
        object = PyThreadState_GetFrame(tstate);
        PyErr_SetRaisedException(exc);
    }
    if (object != NULL) {
        PyTraceBack_Here(object);
        Py_DECREF(object);
    }
}

// No handler: leave the exception to RERAISE in a stub. Run with the operand 1 it also sets
// instr_ptr back to where the exception was raised, so that the dead frame's f_lineno is right;
// that takes a second stack slot. A frame of stack size 1 borrows the slot after it, which the
// data stack always has; a generator's frame has none (then f_lineno of the dead frame is None).
static void
raise_unhandled(PyThreadState *tstate, Frame *frame)
{
    PyCodeObject *code = _PyFrame_GetCode(frame);
    bool reraise_watched = tstate->interp->monitors.tools[PY_MONITORING_EVENT_RERAISE] != 0;
    bool room = code->co_stacksize >= 2
                || (frame->owner == FRAME_OWNED_BY_THREAD && !reraise_watched);
    cut_stack(frame, 0);
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *lasti = room ? PyLong_FromLong(_PyInterpreterFrame_LASTI(frame)) : NULL;
    if (lasti == NULL) {
        PyErr_Clear();
    }
    else {
        _PyFrame_StackPush(frame, lasti);
    }
    _PyFrame_StackPush(frame, exc);
    frame->instr_ptr = reraise_stub(code, lasti != NULL);
}

// Tell tools that the handler at `offset` begins with `exc`. -1: one of them raised.
static int
monitor_handled(PyThreadState *tstate, PyCodeObject *code, int offset, PyObject *exc)
{
    PyMonitoringState state = {
        .active = tstate->interp->monitors.tools[PY_MONITORING_EVENT_EXCEPTION_HANDLED]};
    if (!state.active) {
        return 0;
    }
    PyErr_SetRaisedException(Py_NewRef(exc));
    if (_PyMonitoring_FireExceptionHandledEvent(&state, (PyObject *)code,
                                                offset * (int)sizeof(_Py_CODEUNIT)) < 0) {
        return -1;
    }
    Py_DECREF(PyErr_GetRaisedException());
    return 0;
}

static void
unwind_to_handler(PyThreadState *tstate, Frame *frame, int index)
{
    PyCodeObject *code = _PyFrame_GetCode(frame);
    for (;;) {
        CompatHandler handler;
        if (!compat_find_handler(code, index, &handler)) {
            raise_unhandled(tstate, frame);
            return;
        }
        cut_stack(frame, handler.level);
        PyObject *exc = PyErr_GetRaisedException();
        if (handler.with_lasti) {
            PyObject *lasti = PyLong_FromLong(_PyInterpreterFrame_LASTI(frame));
            if (lasti == NULL) {        // the MemoryError is raised here instead
                Py_DECREF(exc);
                continue;
            }
            _PyFrame_StackPush(frame, lasti);
        }
        _PyFrame_StackPush(frame, exc);
        if (monitor_handled(tstate, code, handler.offset, exc) == 0) {
            frame->instr_ptr = _PyCode_CODE(code) + handler.offset;
            return;
        }
        index = handler.offset - 1;     // where 3.13 looks then
    }
}

void
compat_raise_here(PyThreadState *tstate, Frame *frame)
{
    assert(tstate->current_frame == frame && frame->stacktop >= 0);
    assert(PyErr_Occurred());
    // Tools and finalizers run as the interpreter would run them: not inside a callback.
    CallbackState saved;
    compat_leave_callback(tstate, &saved);
    add_traceback(tstate, frame);
    _PyEval_MonitorRaise(tstate, frame, frame->instr_ptr);
    unwind_to_handler(tstate, frame, _PyInterpreterFrame_LASTI(frame));
    compat_reenter_callback(tstate, &saved);
}
