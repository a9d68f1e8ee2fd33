// record_operator.c - operators that a class implements in Python are followed like calls.
//
// The operands stay on the caller's stack while the function runs, as they do in the interpreter;
// when it returns they give way to the operator's result (operator_result here, operators.c at an
// exit). Which function runs is a matter of the operands' classes: they are guarded and watched.
#include "front/record_call.h"
#include "run/invalidate.h"
#include "run/operators.h"

// What the object's class has under `name`, or NULL.
static PyObject *
class_attribute(PyTypeObject *type, const char *name)
{
    PyObject *s = compat_type_is_plain(type) ? PyUnicode_InternFromString(name) : NULL;
    if (s == NULL) {
        PyErr_Clear();
        return NULL;
    }
    PyObject *found = compat_type_lookup(type, s);
    Py_DECREF(s);
    return found;
}

// The method `name` of the object's class, if it is a plain Python function; else NULL.
static PyFunctionObject *
python_method(PyObject *o, const char *name)
{
    if (!(Py_TYPE(o)->tp_flags & Py_TPFLAGS_HEAPTYPE)) {
        return NULL;
    }
    PyObject *m = class_attribute(Py_TYPE(o), name);
    return m != NULL && PyFunction_Check(m) ? (PyFunctionObject *)m : NULL;
}

// Follow `func` with these arguments. They stay on the stack, n_kept entries in all, until it returns;
// with FRAME_CALL it takes them over.
static bool
follow(Recorder *r, PyFunctionObject *func, const Ref *args, int n, FrameKind kind, int op, int n_kept)
{
    Ref locals[MAX_ARGS + 1];
    int argcount = ((PyCodeObject *)func->func_code)->co_argcount;
    if (argcount > MAX_ARGS || !can_follow(r, func) || !bind_arguments(r, func, args, n, locals)
        || assume_function((PyObject *)func) < 0) {
        return false;
    }
    if (kind == FRAME_CALL) {           // the function takes its arguments over
        for (int i = 0; i < n; i++) {
            (void)pop(r);
        }
    }
    int at = r->n_frames;
    (void)enter_call(r, func, konst_obj(&r->b, (PyObject *)func), locals, argcount, kind, NO_REF, NULL);
    if (r->n_frames > at) {
        top_frame(r)->n_kept = (uint8_t)n_kept;
        top_frame(r)->op = (uint8_t)op;
    }
    return true;
}

// The n-th operand from the top is of this class, for good.
static bool
class_stays(Recorder *r, int n)
{
    PyTypeObject *type = Py_TYPE(concrete(r, n));
    return assume_type(type) == 0 && guard_type(&r->b, peek(r, n), type);
}

// --- one operand, and subscripts --------------------------------------------------------------

bool
record_unary_method(Recorder *r, const char *name)
{
    PyFunctionObject *func = python_method(concrete(r, 0), name);
    Ref args[] = {peek(r, 0)};
    return func != NULL && class_stays(r, 0) && follow(r, func, args, 1, FRAME_KEEPING, 0, 1);
}

bool
record_bool_method(Recorder *r)
{
    PyFunctionObject *func = python_method(concrete(r, 0), "__bool__");
    Ref args[] = {peek(r, 0)};
    return func != NULL && class_stays(r, 0) && follow(r, func, args, 1, FRAME_BOOL, 0, 1);
}

// len(object): the call is on the stack.
bool
record_len_method(Recorder *r, int oparg, PyObject *object)
{
    PyFunctionObject *func = python_method(object, "__len__");
    Ref args[] = {peek(r, 0)};
    return oparg == 1 && func != NULL && class_stays(r, 0)
        && follow(r, func, args, 1, FRAME_LEN, 0, 3);
}

// object(args...): the call is on the stack.
bool
record_call_method(Recorder *r, int oparg, PyObject *object, const Ref *args, int n)
{
    PyFunctionObject *func = python_method(object, "__call__");
    Ref all[MAX_ARGS + 1] = {peek(r, oparg + 1)};
    if (func == NULL || n + 1 > MAX_ARGS || !class_stays(r, oparg + 1)) {
        return false;
    }
    memcpy(all + 1, args, (size_t)n * sizeof(Ref));
    return follow(r, func, all, n + 1, FRAME_KEEPING, 0, oparg + 2);
}

bool
record_getitem_method(Recorder *r)
{
    PyFunctionObject *func = python_method(concrete(r, 1), "__getitem__");
    Ref args[] = {peek(r, 1), peek(r, 0)};
    return func != NULL && class_stays(r, 1) && follow(r, func, args, 2, FRAME_CALL, 0, 0);
}

bool
record_setitem_method(Recorder *r)
{
    PyFunctionObject *func = python_method(concrete(r, 1), "__setitem__");
    Ref args[] = {peek(r, 1), peek(r, 0), peek(r, 2)};
    return func != NULL && class_stays(r, 1) && follow(r, func, args, 3, FRAME_DISCARD, 0, 3);
}

bool
record_property(Recorder *r, PyObject *property, Ref owner, PyObject *object, bool method)
{
    (void)object;
    PyObject *get = held_by(r, property, "fget");
    return !method && get != NULL && PyFunction_Check(get) && class_stays(r, 0)
        && follow(r, (PyFunctionObject *)get, &owner, 1, FRAME_CALL, 0, 0);
}

// --- two operands -----------------------------------------------------------------------------

// The sequence protocol is asked when the numbers' has no answer: those classes are left alone.
static bool
is_sequence(PyTypeObject *type)
{
    PySequenceMethods *m = type->tp_as_sequence;
    return m != NULL && (m->sq_concat != NULL || m->sq_repeat != NULL
                         || m->sq_inplace_concat != NULL || m->sq_inplace_repeat != NULL);
}

// Does the number on the left leave it to what is on the right?
static bool
leaves_it(PyObject *x, PyTypeObject *other)
{
    return (PyLong_CheckExact(x) || PyFloat_CheckExact(x) || PyBool_Check(x))
        && !PyType_IsSubtype(other, &PyLong_Type) && !PyType_IsSubtype(other, &PyFloat_Type)
        && !PyType_IsSubtype(other, &PyComplex_Type);
}

bool
record_binary_method(Recorder *r, int oparg)
{
    PyObject *x = concrete(r, 1), *y = concrete(r, 0);
    PyTypeObject *tx = Py_TYPE(x), *ty = Py_TYPE(y);
    Ref args[] = {peek(r, 1), peek(r, 0)};
    if (is_sequence(tx) || is_sequence(ty) || (tx != ty && PyType_IsSubtype(ty, tx))
        || !compat_type_is_plain(tx) || !compat_type_is_plain(ty)) {
        return false;                   // a subclass on the right may come first
    }
    PyFunctionObject *func = NULL;
    int by = 0;
    bool python_class = tx->tp_flags & Py_TPFLAGS_HEAPTYPE;
    if (oparg >= OP_INPLACE && python_class
        && class_attribute(tx, binary_method(oparg, OP_BY_INPLACE)) != NULL) {
        by = OP_BY_INPLACE;
        func = python_method(x, binary_method(oparg, by));
    }
    else if (python_class && class_attribute(tx, binary_method(oparg, 0)) != NULL) {
        func = python_method(x, binary_method(oparg, 0));
    }
    else if (tx != ty && (leaves_it(x, ty) || (python_class && tx->tp_base == &PyBaseObject_Type))) {
        by = OP_BY_REFLECTED;
        func = python_method(y, binary_method(oparg, by));
        Ref swap = args[0];
        args[0] = args[1];
        args[1] = swap;
    }
    return func != NULL && class_stays(r, 1) && class_stays(r, 0)
        && follow(r, func, args, 2, FRAME_BINARY, oparg | by, 2);
}

bool
record_compare_method(Recorder *r, int op, bool to_bool)
{
    PyTypeObject *tx = Py_TYPE(concrete(r, 1)), *ty = Py_TYPE(concrete(r, 0));
    PyFunctionObject *func = python_method(concrete(r, 1), compare_methods[op]);
    Ref args[] = {peek(r, 1), peek(r, 0)};
    if (func == NULL || (tx != ty && PyType_IsSubtype(ty, tx))) {
        return false;
    }
    return class_stays(r, 1) && class_stays(r, 0)
        && follow(r, func, args, 2, FRAME_COMPARE, op | (to_bool ? OP_TO_BOOL : 0), 2);
}

bool
record_contains_method(Recorder *r, bool negate)
{
    PyFunctionObject *func = python_method(concrete(r, 0), "__contains__");
    Ref args[] = {peek(r, 0), peek(r, 1)};
    return func != NULL && class_stays(r, 0) && follow(r, func, args, 2, FRAME_CONTAINS, negate, 2);
}

// --- the way back -----------------------------------------------------------------------------

Outcome
operator_guards(Recorder *r, const RFrame *f, Ref result, PyObject *value)
{
    Builder *b = &r->b;
    Outcome outcome = {.open = false};
    bool to_bool = f->kind == FRAME_CONTAINS || (f->kind == FRAME_COMPARE && (f->op & OP_TO_BOOL));
    if (f->kind == FRAME_BINARY || f->kind == FRAME_COMPARE) {
        outcome.open = value == Py_NotImplemented;
        build(b, outcome.open ? UOP_GUARD_IS : UOP_GUARD_IS_NOT, result, 0, 0,
              fn(Py_NotImplemented), 0);
    }
    if ((to_bool && !outcome.open && PyBool_Check(value)) || f->kind == FRAME_BOOL) {
        if (!PyBool_Check(value)) {
            give_up(r, ABORT_UNUSUAL_RETURN);
            return outcome;
        }
        guard_type(b, result, &PyBool_Type);
    }
    else if (to_bool && !outcome.open) {
        outcome.truth = true;
    }
    if (f->kind == FRAME_LEN) {
        if (!PyLong_CheckExact(value) || !fits_i64(value) || PyLong_AsLongLong(value) < 0) {
            give_up(r, ABORT_UNUSUAL_RETURN);
            return outcome;
        }
        outcome.number = as_int(r, result, value);
        build2(b, UOP_GUARD_INT_GE, outcome.number, konst_i64(b, 0));
    }
    return outcome;
}

// Dropped before the next bytecode; until then exits drop it.
static void
drop_later(Recorder *r, Ref ref)
{
    if (r->b.abort != ABORT_NONE || ref_is_const(ref) || r->own[ref] <= holders(r, ref)) {
        return;
    }
    r->own[ref]--;
    if (r->n_pending >= MAX_PENDING) {
        give_up(r, ABORT_TOO_LONG);
        return;
    }
    r->pending[r->n_pending++] = ref;
}

static void
drop_kept(Recorder *r, const RFrame *f)
{
    for (int i = f->n_kept - 1; i >= 0; i--) {
        release(r, peek(r, i));         // the lowest goes first
    }
    for (int i = 0; i < f->n_kept; i++) {
        (void)pop(r);
    }
}

void
operator_result(Recorder *r, const RFrame *f, Ref result, Outcome outcome)
{
    Builder *b = &r->b;
    if (outcome.open) {                 // result is NotImplemented
        drop_later(r, result);
        void *rest = f->kind == FRAME_BINARY ? (void *)rest_of_binary : (void *)rest_of_compare;
        result = call_unknown(r, UOP_CALL2N, peek(r, 1), peek(r, 0), 0, rest, f->op);
        if (f->kind == FRAME_COMPARE && (f->op & OP_TO_BOOL)) {
            learn_type(b, result, &PyBool_Type);
        }
        drop_kept(r, f);
        push_owned(r, result);
        return;
    }
    bool negate = f->kind == FRAME_CONTAINS && f->op;
    if (outcome.truth) {
        drop_later(r, result);
        Ref truth = call_unknown(r, UOP_CALLI1, result, 0, 0, (void *)PyObject_IsTrue, 0);
        drop_kept(r, f);
        push_truth(r, negate ? build2(b, UOP_INT_EQ, truth, konst_i64(b, 0)) : truth);
        return;
    }
    drop_kept(r, f);
    if (negate) {
        push_truth(r, build2(b, UOP_INT_EQ, as_int(r, result, Py_True), konst_i64(b, 0)));
        release(r, result);
    }
    else if (f->kind == FRAME_LEN) {
        push_int(r, outcome.number);
        release(r, result);
    }
    else if (f->kind == FRAME_DISCARD) {
        release(r, result);
    }
    else {
        push(r, result);
    }
}
