// record_exception.c - exceptions: raised, on their way to a handler, handled.
//
// In:   an instruction of a trace that raised (its side trace begins here), or a bytecode that raises.
// Out:  instructions that do what the interpreter does on the way to the handler; recording goes on there.
//
// The frames that the exception passes are made to exist, for its traceback names them. So each has a frame object
// afterwards, and what may be known of its locals in spite of that is a matter of Recorder.seen: no unknown code
// has run since. Before some does, the frame object is let go (FRAME_FORGET), which it can be when nobody has the
// exception any more; if somebody has, GUARD_UNSEEN leaves the trace behind that code.
//
// What is being handled stands on the operand stack, one below the other, as in the interpreter; the newest in
// memory, too (exc_info). Generators have an exc_info of their own: their frames are left to the interpreter.
#include "front/record.h"
#include "base/helpers.h"
#include "front/record_call.h"
#include "run/executor_life.h"
#include "run/invalidate.h"
#include "front/snapshot.h"

typedef struct { int frame; CompatHandler at; } Way;

static int
offset_of(const RFrame *f)
{
    return (int)(f->ip - compat_code_start(f->code));
}

// Where an exception of the innermost frame is handled. false: outside of the frames that are followed, or it
// passes a generator's.
static bool
find_way(const Recorder *r, Way *way)
{
    for (int k = r->n_frames - 1; k >= 0; k--) {
        const RFrame *f = &r->frames[k];
        if (f->kind == FRAME_GENERATOR || f->frame == NULL || compat_frame_is_generator(f->frame)) {
            return false;
        }
        way->frame = k;
        if (compat_find_handler(f->code, offset_of(f), &way->at)) {
            for (; k >= 0; k--) {
                if (r->frames[k].kind == FRAME_GENERATOR || compat_frame_is_generator(r->frames[k].frame)) {
                    return false;
                }
            }
            return true;
        }
    }
    return false;
}

// --- frame objects ----------------------------------------------------------------------------

static Ref
address_of(Recorder *r, int k)
{
    return k == 0 ? build0(&r->b, UOP_ROOT_FRAME) : r->frames[k].memory;
}

void
forget_frame_objects(Recorder *r)
{
    for (int k = r->seen ? r->n_frames - 1 : -1; k >= 0; k--) {
        Ref frame = address_of(r, k);
        if (frame != NO_REF && r->frames[k].kind != FRAME_GENERATOR) {
            build_raw(&r->b, UOP_FRAME_FORGET, frame, 0, 0, compat_frame_obj_offset(), 0);
        }
    }
}

void
guard_forgotten(Recorder *r)
{
    Ref frame = address_of(r, r->n_frames - 1);
    if (r->seen && frame != NO_REF) {
        build_raw(&r->b, UOP_FRAME_FORGET, frame, 0, 0, compat_frame_obj_offset(), 0);
        build_raw(&r->b, UOP_GUARD_UNSEEN, frame, 0, 0, compat_frame_obj_offset(), 0);
    }
}

// Letting go a frame object that the next exception needs again costs some 300 instructions; so it stays where no trace minds.
void
turn_with_objects(Recorder *r, Executor *root)
{
    if (!r->seen) {
        return;
    }
    bool own = root == NULL || (r->parent != NULL && r->parent->root == root);
    if ((own && r->minds) || (root != NULL && executor_minds_objects(root))) {
        guard_forgotten(r);
    }
    else if (root != NULL) {
        executor_lets_objects_in(root);
    }
    else {
        r->turns_seen = true;
    }
}

// --- the way to the handler -------------------------------------------------------------------

// May an object on the stack of a frame that ends be dropped a moment later, when the frame is gone?
static bool
may_go_later(Recorder *r, Ref ref)
{
    const PyTypeObject *type = known_type(&r->b, ref);
    return ref_is_const(ref) || r->own[ref] <= holders(r, ref) || is_slot_box(r, ref) || is_unmade(r, ref)
        || (type != NULL && (help_is_quiet((PyTypeObject *)type) || type == &PyListIter_Type
                             || type == &PyTupleIter_Type || type == &PyRangeIter_Type));
}

// The innermost frame ends by the exception. Its locals are the frame's, which memory has.
static void
end_frame(Recorder *r)
{
    RFrame f = *top_frame(r);
    r->n_frames--;
    for (int i = 0; i < f.n_locals; i++) {
        Slot *slot = &r->slots[f.base + i];
        if (slot->state == SLOT_HOLDS && !ref_is_const(slot->ref)) {
            r->own[slot->ref]--;
            if (holders(r, slot->ref) > 0) {
                own_borrowed(r, slot->ref);     // a frame outside holds it, too
            }
        }
        *slot = (Slot){NO_REF, SLOT_EMPTY};
    }
    for (int i = f.depth - 1; i >= 0; i--) {
        Slot *slot = &r->slots[f.base + f.n_locals + i];
        if (slot->state == SLOT_HOLDS) {
            if (!may_go_later(r, slot->ref)) {
                give_up(r, ABORT_EXCEPTION);
            }
            release(r, slot->ref);
        }
        *slot = (Slot){NO_REF, SLOT_EMPTY};
    }
    build_raw(&r->b, UOP_FRAME_UNWIND, f.memory, 0, 0, 0, 0);
    if (f.kind == FRAME_INIT) {
        release(r, f.extra);
    }
    release(r, f.func);
}

// The exception, whose reference goes with it, is on its way from the innermost frame, all frames being in memory.
// traced: it is raised there, not again.
static void
go_to_handler(Recorder *r, Ref exc, const Way *way, bool traced)
{
    r->seen = true;
    for (;; traced = true) {
        if (traced) {
            exc = build_raw(&r->b, UOP_TRACEBACK, exc, 0, 0, 0, 0);
        }
        if (r->n_frames - 1 == way->frame || r->b.abort != ABORT_NONE) {
            break;
        }
        end_frame(r);
    }
    RFrame *f = top_frame(r);
    while (f->depth > way->at.level && r->b.abort == ABORT_NONE) {
        release(r, pop(r));
    }
    if (way->at.with_lasti) {
        PyObject *lasti = PyLong_FromLong(offset_of(f));
        if (lasti == NULL) {
            PyErr_Clear();
            give_up(r, ABORT_MEMORY);
            return;
        }
        push(r, konst_obj(&r->b, lasti));
        Py_DECREF(lasti);
    }
    push_owned(r, exc);
    r->check_valid = false;
    r->expect = way->at.offset;
}

bool
record_may_catch(const Executor *ex, const Exit *exit, Frame *outermost)
{
    const Snapshot *snap = &ex->snaps[exit->snap];
    bool handled = false;
    for (int k = snap->n_frames - 1; k >= 0; k--) {
        const SnapFrame *f = &ex->frames[snap->first_frame + (uint32_t)k];
        PyCodeObject *code = (PyCodeObject *)f->code;
        CompatHandler handler;
        if (f->kind == FRAME_GENERATOR || f->ip == NULL) {
            return false;
        }
        handled = handled || compat_find_handler(code, (int)(f->ip - compat_code_start(code)), &handler);
    }
    return handled && !compat_frame_is_generator(outermost);
}

// A side trace begins where an instruction raised, which r->frames are about.
void
record_catch(Recorder *r, bool unknown)
{
    Builder *b = &r->b;
    Way way;
    if (!find_way(r, &way)) {
        give_up(r, ABORT_EXCEPTION);
        return;
    }
    b->snap = snapshot_take(r);
    r->minds |= unknown && !r->seen;
    for (int k = unknown ? r->n_frames - 1 : -1; k >= 0; k--) {
        Ref frame = address_of(r, k);
        if (frame != NO_REF) {
            build_raw(b, UOP_RAISED_UNSEEN, frame, 0, 0, compat_frame_obj_offset(), 0);
        }
    }
    store_frames(r);
    Ref exc = build_raw(b, UOP_CATCH, 0, 0, 0, 0, 0);   // operands: set when the executor exists
    go_to_handler(r, exc, &way, true);
}

// --- raise ------------------------------------------------------------------------------------

// Is a new exception made by calling the class, with no Python code run?
bool
is_quiet_exception_class(PyObject *o)
{
    if (!PyExceptionClass_Check(o) || Py_TYPE(o) != &PyType_Type) {
        return false;
    }
    PyTypeObject *type = (PyTypeObject *)o, *base = type;
    while (base->tp_flags & Py_TPFLAGS_HEAPTYPE) {
        base = base->tp_base;
    }
    return type->tp_init == base->tp_init && type->tp_new == base->tp_new && type->tp_alloc == base->tp_alloc
        && assume_type(type) == 0;
}

// Own(), Own(x): made without a look at frames.
bool
call_exception_class(Recorder *r, int oparg, Call *c)
{
    Builder *b = &r->b;
    if (c->has_self || c->n > 1 || !is_quiet_exception_class(c->callable_obj)) {
        return false;
    }
    must_be(r, c->callable, c->callable_obj);
    Ref arg = c->n == 1 ? real(r, c->args[0]) : konst_obj(b, NULL);
    Ref exc = build_raw(b, UOP_C_FROM2, konst_obj(b, c->callable_obj), arg, 0, fn((void *)help_new_exception), 0);
    learn_type(b, exc, (PyTypeObject *)c->callable_obj);
    finish_call(r, oparg, exc);
    return true;
}

static PyObject *
raise_new_from(PyObject *type, PyObject *cause)
{
    PyObject *exc = help_new_exception(type, NULL);
    PyObject *raised = exc != NULL ? help_raise(exc, cause) : NULL;
    Py_XDECREF(exc);
    return raised;
}

static PyObject *
raise_new(PyObject *type)
{
    return raise_new_from(type, NULL);
}

// `raise` of the object or class n-1 from the top: the exception, with a reference. NO_REF: left to the interpreter.
static Ref
raise_it(Recorder *r, int n, Ref cause)
{
    Builder *b = &r->b;
    Ref ref = peek(r, n - 1), exc;
    PyObject *object = concrete(r, n - 1);
    if (PyExceptionInstance_Check(object)) {
        guard_type(b, ref, Py_TYPE(object));
        store_frames(r);
        return n == 2 ? build_raw(b, UOP_EXC_RAISE_FROM, ref, cause, 0, 0, 0)
                      : build_raw(b, UOP_EXC_RAISE, ref, 0, 0, 0, 0);
    }
    if (!is_quiet_exception_class(object)) {
        return NO_REF;
    }
    must_be(r, ref, object);
    store_frames(r);
    exc = n == 2 ? build_raw(b, UOP_C_FROM2, ref, cause, 0, fn((void *)raise_new_from), 0)
                 : build_raw(b, UOP_C_FROM1, ref, 0, 0, fn((void *)raise_new), 0);
    learn_type(b, exc, (PyTypeObject *)object);
    return exc;
}

static void
raise_from_stack(Recorder *r, int n, const Way *way)
{
    PyObject *cause_object = n == 2 ? concrete(r, 0) : Py_None;
    Ref cause = n == 2 ? real(r, peek(r, 0)) : NO_REF;
    if (n == 2 && cause_object == Py_None) {
        must_be(r, cause, Py_None);
    }
    else if (n == 2 && PyExceptionInstance_Check(cause_object)) {
        guard_type(&r->b, cause, Py_TYPE(cause_object));
    }
    Ref exc = n == 1 || cause_object == Py_None || PyExceptionInstance_Check(cause_object) ? raise_it(r, n, cause)
                                                                                           : NO_REF;
    if (exc == NO_REF) {
        end_here(r, ABORT_BYTECODE);
        return;
    }
    for (int i = 0; i < n; i++) {
        release(r, pop(r));
    }
    go_to_handler(r, exc, way, true);
}

bool
is_handled_here(const Recorder *r)
{
    Way way;
    return find_way(r, &way);
}

static PyObject *
raise_with(PyObject *type, PyObject *arg)
{
    PyObject *exc = help_new_exception(type, arg);
    PyObject *raised = exc != NULL ? help_raise(exc, NULL) : NULL;
    Py_XDECREF(exc);
    return raised;
}

void
raise_made(Recorder *r, PyObject *type, Ref arg)
{
    Way way;
    if (!find_way(r, &way)) {
        give_up(r, ABORT_EXCEPTION);
        return;
    }
    store_frames(r);
    Ref exc = build_raw(&r->b, UOP_C_FROM2, konst_obj(&r->b, type), arg, 0, fn((void *)raise_with), 0);
    learn_type(&r->b, exc, (PyTypeObject *)type);
    go_to_handler(r, exc, &way, true);
}

RECORD(RAISE_VARARGS)
{
    Way way;
    if (!find_way(r, &way) || in->oparg > 2) {
        end_here(r, ABORT_BYTECODE);
        return;
    }
    if (in->oparg > 0) {
        raise_from_stack(r, in->oparg, &way);
        return;
    }
    store_frames(r);
    go_to_handler(r, build_raw(&r->b, UOP_EXC_AGAIN, 0, 0, 0, 0, 0), &way, false);
}

RECORD(RERAISE)
{
    Way way;
    RFrame *f = top_frame(r);
    Ref lasti = in->oparg > 0 ? peek(r, in->oparg) : NO_REF;
    if (!find_way(r, &way) || (lasti != NO_REF && !ref_is_const(lasti))) {
        end_here(r, ABORT_BYTECODE);
        return;
    }
    if (lasti != NO_REF) {
        f->ip = compat_code_start(f->code) + PyLong_AsLong(konst_as_obj(r->t, lasti));
    }
    store_frames(r);
    Ref exc = pop(r);
    give(r, exc);
    go_to_handler(r, exc, &way, false);
}

// --- handlers ---------------------------------------------------------------------------------

RECORD(PUSH_EXC_INFO)
{
    (void)in;
    if (compat_frame_is_generator(top_frame(r)->frame)) {
        end_here(r, ABORT_BYTECODE);
        return;
    }
    if (r->handled == UINT8_MAX) {
        give_up(r, ABORT_EXCEPTION);
        return;
    }
    r->handled++;
    Ref exc = pop(r);
    push_owned(r, build_raw(&r->b, UOP_EXC_PUSH, exc, 0, 0, 0, 0));
    push(r, exc);
}

RECORD(POP_EXCEPT)
{
    (void)in;
    if (compat_frame_is_generator(top_frame(r)->frame)) {
        end_here(r, ABORT_BYTECODE);
        return;
    }
    r->handled -= r->handled > 0;       // else it was raised before the trace began
    Ref before = pop(r);
    give(r, before);
    Ref handled = build_raw(&r->b, UOP_EXC_POP, before, 0, 0, 0, 0);
    owned(r, handled);
    release(r, handled);
}

// Are these classes of exceptions, which the trace can rely on?
static bool
guard_classes(Recorder *r, Ref ref, PyObject *classes)
{
    if (PyExceptionClass_Check(classes)) {
        must_be(r, ref, classes);
        return true;
    }
    if (!PyTuple_CheckExact(classes)) {
        return false;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(classes); i++) {
        if (!PyExceptionClass_Check(PyTuple_GET_ITEM(classes, i))) {
            return false;
        }
    }
    if (ref_is_const(ref) || r->t->ins[ref].op != UOP_TUPLE_PACK) {
        must_be(r, ref, classes);
        return true;
    }
    const Ins pack = r->t->ins[ref];
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(classes); i++) {
        must_be(r, pack.in[i], PyTuple_GET_ITEM(classes, i));
    }
    return true;
}

RECORD(CHECK_EXC_MATCH)
{
    (void)in;
    Ref classes = peek(r, 0), exc = peek(r, 1);
    PyObject *object = concrete(r, 1);
    if (!PyExceptionInstance_Check(object) || assume_type(Py_TYPE(object)) < 0
        || !guard_classes(r, classes, concrete(r, 0))) {
        end_here(r, ABORT_BYTECODE);
        return;
    }
    guard_type(&r->b, exc, Py_TYPE(object));
    bool matches = PyErr_GivenExceptionMatches(object, concrete(r, 0));
    release(r, pop(r));
    push(r, konst_obj(&r->b, matches ? Py_True : Py_False));
}
