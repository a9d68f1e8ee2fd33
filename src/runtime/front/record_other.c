// record_other.c - record functions: with, match, intrinsics; the bytecodes that
// end a trace; the table of record functions.
#include "front/record.h"

#define ENDS_TRACE(name) RECORD(name) { (void)in; end_here(r, ABORT_BYTECODE); }

ENDS_TRACE(OTHER)
ENDS_TRACE(CALL_INTRINSIC_2)
ENDS_TRACE(RETURN_GENERATOR)
ENDS_TRACE(WITH_EXCEPT_START)
ENDS_TRACE(SEND)
ENDS_TRACE(LOAD_LOCALS)
ENDS_TRACE(SETUP_ANNOTATIONS)

// --- assert -----------------------------------------------------------------------------------

RECORD(LOAD_ASSERTION_ERROR)
{
    (void)in;
    push(r, konst_obj(&r->b, PyExc_AssertionError));
}

// --- with -------------------------------------------------------------------------------------

RECORD(BEFORE_WITH)
{
    (void)in;
    if (record_enter(r) || record_enter_builtin(r) || r->b.abort != ABORT_NONE) {
        return;
    }
    spread_top(r, (void *)compat_before_with, 0, 2, false);
}

// --- match ------------------------------------------------------------------------------------

// Is the subject a sequence, a mapping, as patterns ask? Of classes that can change, asked each time.
static void
match_kind(Recorder *r, int64_t (*matches)(PyObject *))
{
    Ref subject = peek(r, 0);
    PyObject *o = concrete(r, 0);
    if (Py_TYPE(o)->tp_flags & Py_TPFLAGS_IMMUTABLETYPE) {
        guard_type(&r->b, subject, Py_TYPE(o));
        push(r, konst_obj(&r->b, matches(o) ? Py_True : Py_False));
        return;
    }
    push_truth(r, build_raw(&r->b, UOP_C_NUMBER1, real(r, subject), 0, 0, fn((void *)matches), 0));
}

RECORD(MATCH_SEQUENCE) { (void)in; match_kind(r, compat_matches_sequence); }
RECORD(MATCH_MAPPING) { (void)in; match_kind(r, compat_matches_mapping); }

RECORD(MATCH_KEYS)
{
    (void)in;
    push_owned(r, call_unknown(r, UOP_CALL2, peek(r, 1), peek(r, 0), 0, (void *)compat_match_keys, 0));
}

RECORD(MATCH_CLASS)
{
    PyObject *count = PyLong_FromLong(in->oparg);
    if (count == NULL) {
        PyErr_Clear();
        give_up(r, ABORT_MEMORY);
        return;
    }
    Ref count_ref = konst_obj(&r->b, count);
    Py_DECREF(count);
    Ref found = call_with_args(r, 3, &count_ref, 1, (void *)compat_match_class, false);
    for (int i = 0; i < 3; i++) {
        release(r, pop(r));
    }
    push_owned(r, found);
}

static PyObject *
length_of(PyObject *o)
{
    Py_ssize_t n = PyObject_Size(o);
    return n < 0 ? NULL : PyLong_FromSsize_t(n);
}

RECORD(GET_LEN)
{
    (void)in;
    Ref ref = peek(r, 0);
    PyObject *o = concrete(r, 0);
    if (!PyList_CheckExact(o) && !PyTuple_CheckExact(o)) {
        push_owned(r, call_unknown(r, UOP_CALL1, ref, 0, 0, (void *)length_of, 0));
        return;
    }
    guard_type(&r->b, ref, Py_TYPE(o));
    push_int(r, build1(&r->b, PyList_CheckExact(o) ? UOP_LIST_LEN : UOP_TUPLE_LEN, ref));
}

// --- intrinsics -------------------------------------------------------------------------------

enum { INTRINSIC_POSITIVE = 5, INTRINSIC_LIST_TO_TUPLE = 6 };  // the others do not stand in loops

static void
positive(Recorder *r)
{
    Ref ref = peek(r, 0), result;
    PyObject *o = concrete(r, 0);
    if (PyLong_CheckExact(o) || PyFloat_CheckExact(o)) {
        guard_type(&r->b, ref, Py_TYPE(o));
        return;                         // +x is x
    }
    result = call_unknown(r, UOP_CALL1, ref, 0, 0, (void *)PyNumber_Positive, 0);
    release(r, pop(r));
    push_owned(r, result);
}

RECORD(CALL_INTRINSIC_1)
{
    if (in->oparg == INTRINSIC_POSITIVE) {
        positive(r);
        return;
    }
    if (in->oparg != INTRINSIC_LIST_TO_TUPLE) {
        end_here(r, ABORT_BYTECODE);
        return;
    }
    Ref tuple = build_raw(&r->b, UOP_C_FROM1, peek(r, 0), 0, 0, fn((void *)PyList_AsTuple), 0);
    learn_type(&r->b, tuple, &PyTuple_Type);
    release(r, pop(r));
    push_owned(r, tuple);
}

// --- the table --------------------------------------------------------------------------------

const RecordFunction record_functions[BC_COUNT] = {
#define BC(name) record_##name,
#include "python/bytecodes.def"
#undef BC
};
