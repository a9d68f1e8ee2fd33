// compat_313_exceptions.c - the seam to CPython 3.13: exceptions that are raised and dropped in traces.
//
// In:   an exception, and frames in memory.
// Out:  its traceback grown, as the evaluator does it; and whether dropping it would run anything of the program's.
#include "python/compat_313.h"

// --- frame objects ----------------------------------------------------------------------------
//
// A loop that runs unknown code and handles an exception each turn lets its frame object go, and needs it again, each time.
// So the last one that went is kept, for any frame of its size; nobody can find it meanwhile: objects of frames that
// run are not known to the collector.

static PyFrameObject *spare;
static int spare_slots;                 // there is room in it for so many

static int
slots_of(const Frame *frame)
{
    const PyCodeObject *code = (PyCodeObject *)frame->f_executable;
    return code->co_nlocalsplus + code->co_stacksize;
}

bool
compat_forget_frame_object(Frame *frame)
{
    PyFrameObject *f = frame->frame_obj;
    if (f == NULL) {
        return true;
    }
    if (Py_REFCNT(f) > 1 || f->f_trace != NULL || f->f_extra_locals != NULL) {
        return false;
    }
    frame->frame_obj = NULL;
    bool as_new = f->f_back == NULL && f->f_lineno == 0 && f->f_trace_lines == 1 && f->f_trace_opcodes == 0
        && f->f_locals_cache == NULL;
    if (as_new && !PyObject_GC_IsTracked((PyObject *)f)) {
        PyFrameObject *older = spare;
        spare = f;
        spare_slots = slots_of(frame);
        f = older;
    }
    Py_XDECREF(f);
    return true;
}

void
compat_drop_spare_frame_object(void)
{
    PyFrameObject *f = spare;
    spare = NULL;
    Py_XDECREF(f);
}

// The frame's object, a new reference; NULL: without memory, with no exception set.
static PyFrameObject *
object_of(PyThreadState *tstate, Frame *frame)
{
    PyFrameObject *f = frame->frame_obj;
    if (f == NULL && spare != NULL && spare_slots == slots_of(frame)) {
        f = spare;
        spare = NULL;
        f->f_frame = frame;
        frame->frame_obj = f;
    }
    return f != NULL ? (PyFrameObject *)Py_NewRef(f) : PyThreadState_GetFrame(tstate);
}

// --- tracebacks -------------------------------------------------------------------------------

PyObject *
compat_add_traceback(PyThreadState *tstate, PyObject *exc)
{
    Frame *frame = tstate->current_frame;
    PyFrameObject *object = object_of(tstate, frame);
    PyTracebackObject *entry = object != NULL ? PyObject_GC_New(PyTracebackObject, &PyTraceBack_Type) : NULL;
    if (entry == NULL) {                // without memory: what the interpreter makes of it
        PyErr_Clear();
        PyErr_SetRaisedException(exc);
        if (object != NULL) {
            PyTraceBack_Here(object);
            Py_DECREF(object);
        }
        return PyErr_GetRaisedException();
    }
    PyBaseExceptionObject *e = (PyBaseExceptionObject *)exc;
    entry->tb_next = (PyTracebackObject *)e->traceback;
    entry->tb_frame = object;
    entry->tb_lasti = _PyInterpreterFrame_LASTI(frame) * (int)sizeof(_Py_CODEUNIT);
    entry->tb_lineno = -1;              // found out when somebody asks
    PyObject_GC_Track(entry);
    e->traceback = (PyObject *)entry;
    return exc;
}

// --- classes ----------------------------------------------------------------------------------

bool
compat_is_plain_exception(PyTypeObject *type)
{
    if (!(type->tp_flags & Py_TPFLAGS_BASE_EXC_SUBCLASS) || type->tp_flags & Py_TPFLAGS_HEAPTYPE
        || type->tp_finalize != NULL || type->tp_del != NULL) {
        return false;
    }
    PyObject *const known[] = {PyExc_BaseException, PyExc_StopIteration, PyExc_OSError, PyExc_ImportError,
                               PyExc_AttributeError, PyExc_NameError, PyExc_SyntaxError, PyExc_SystemExit,
                               PyExc_UnicodeDecodeError, PyExc_UnicodeEncodeError};
    for (size_t i = 0; i < Py_ARRAY_LENGTH(known); i++) {
        if (type->tp_dealloc == ((PyTypeObject *)known[i])->tp_dealloc) {
            return true;
        }
    }
    return false;
}

// How many references an instance has besides those of every exception; -1: not known, or its end may make a sound.
static int
count_fields(PyTypeObject *type)
{
    PyTypeObject *base = type;
    while (base->tp_flags & Py_TPFLAGS_HEAPTYPE) {
        base = base->tp_base;
    }
    PyObject *const known[] = {PyExc_BaseException, PyExc_StopIteration, PyExc_ImportError, PyExc_AttributeError,
                               PyExc_NameError};
    // (What weak references need stands before the object.)
    if (type->tp_basicsize != base->tp_basicsize || type->tp_weaklistoffset > 0
        || !(base == type ? compat_is_plain_exception(type) : compat_is_plain_class(type))) {
        return -1;
    }
    for (size_t i = 0; i < Py_ARRAY_LENGTH(known); i++) {
        if (base->tp_dealloc == ((PyTypeObject *)known[i])->tp_dealloc) {
            return (int)((base->tp_basicsize - (Py_ssize_t)sizeof(PyBaseExceptionObject)) / (Py_ssize_t)sizeof(PyObject *));
        }
    }
    return -1;
}

// The same, remembered: it is asked each time an exception is dropped.
static int
fields_of(PyTypeObject *type)
{
    static struct { PyTypeObject *type; unsigned version; int n; } known[64];
    size_t at = ((uintptr_t)type >> 5) % Py_ARRAY_LENGTH(known);
    unsigned version = type->tp_version_tag;
    if (known[at].type == type && known[at].version == version && version != 0) {
        return known[at].n;
    }
    if (!(type->tp_flags & Py_TPFLAGS_BASE_EXC_SUBCLASS)) {
        return -1;
    }
    known[at].type = type;
    known[at].version = version;
    known[at].n = count_fields(type);
    return known[at].n;
}

// --- what goes with an exception ----------------------------------------------------------------

// What the exception and all that surely goes with it refer to.
enum { MAX_HELD = 40, MAX_CHAIN = 3 };
typedef struct { int n; PyObject *held[MAX_HELD]; } Ends;

static inline bool
add_held(Ends *ends, PyObject *o)
{
    if (o == NULL || _Py_IsImmortal(o) || PyLong_CheckExact(o) || PyUnicode_CheckExact(o) || PyFloat_CheckExact(o)) {
        return true;
    }
    if (ends->n == MAX_HELD) {
        return false;
    }
    ends->held[ends->n++] = o;
    return true;
}

static bool
add_items(Ends *ends, PyObject **items, Py_ssize_t n)
{
    for (Py_ssize_t i = 0; i < n; i++) {
        if (!add_held(ends, items[i])) {
            return false;
        }
    }
    return true;
}

// A frame that has ended, and is kept by its object: `before` is that of the traceback's entry before it.
static bool
add_dead_frame(Ends *ends, const PyFrameObject *f, const PyFrameObject *before)
{
    const Frame *frame = f->f_frame;
    bool known_back = f->f_back == NULL || f->f_back == before
        || f->f_back->f_frame->owner != FRAME_OWNED_BY_FRAME_OBJECT;
    return known_back && f->f_trace == NULL && f->f_extra_locals == NULL && f->f_locals_cache == NULL
        && add_held(ends, frame->f_executable) && add_held(ends, frame->f_funcobj) && add_held(ends, frame->f_locals)
        && add_items(ends, (PyObject **)frame->localsplus, frame->stacktop);
}

static bool
add_traceback(Ends *ends, const PyTracebackObject *entry)
{
    const PyFrameObject *before = NULL;
    for (; entry != NULL && Py_REFCNT(entry) == 1; entry = entry->tb_next) {
        const PyFrameObject *f = entry->tb_frame;
        // One that runs has its object for itself, too.
        if (f->f_frame->owner == FRAME_OWNED_BY_FRAME_OBJECT && !add_dead_frame(ends, f, before)) {
            return false;
        }
        before = f;
    }
    return true;
}

static bool
add_exception(Ends *ends, PyObject *exc, int depth)
{
    const PyBaseExceptionObject *e = (PyBaseExceptionObject *)exc;
    PyTypeObject *type = Py_TYPE(exc);
    int n = fields_of(type);
    if (n < 0 || e->dict != NULL || e->notes != NULL || depth > MAX_CHAIN
        || (type->tp_weaklistoffset != 0 && *(PyObject **)((char *)exc + type->tp_weaklistoffset) != NULL)) {
        return false;
    }
    if (Py_REFCNT(e->args) == 1 ? !add_items(ends, ((PyTupleObject *)e->args)->ob_item, PyTuple_GET_SIZE(e->args))
                                : !add_held(ends, e->args)) {
        return false;
    }
    return add_items(ends, (PyObject **)(void *)((char *)exc + sizeof *e), n)
        && add_traceback(ends, (PyTracebackObject *)e->traceback)
        && (e->context == NULL || add_exception(ends, e->context, depth + 1))
        && (e->cause == NULL || e->cause == e->context || add_exception(ends, e->cause, depth + 1));
}

static bool
outlives(const Ends *ends, PyObject *o)
{
    Py_ssize_t n = Py_REFCNT(o);
    for (int i = 0; i < ends->n && n > 0; i++) {
        n -= ends->held[i] == o;
    }
    return n > 0;
}

bool
compat_exception_ends_quietly(PyObject *exc)
{
    Ends ends;                          // not cleared: this runs often
    ends.n = 0;
    if (!add_exception(&ends, exc, 0)) {
        return false;
    }
    for (int i = 0; i < ends.n; i++) {
        PyObject *o = ends.held[i];
        if (Py_REFCNT(o) <= ends.n && !outlives(&ends, o)) {
            return false;
        }
    }
    return true;
}
