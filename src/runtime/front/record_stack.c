// record_stack.c - record functions: locals, constants, stack shuffling, jumps, truth.
#include "entry/nominate.h"
#include "front/record.h"
#include "front/snapshot.h"
#include "run/anchors.h"
#include "run/invalidate.h"

// --- locals -----------------------------------------------------------------------------------

static void
load_local(Recorder *r, int i)
{
    Ref ref = get_local(r, i);
    if (ref == NO_REF) {
        end_here(r, ABORT_UNBOUND);
        return;
    }
    push(r, ref);
}

RECORD(LOAD_FAST) { load_local(r, in->oparg); }
RECORD(LOAD_FAST_CHECK) { load_local(r, in->oparg); }

RECORD(LOAD_FAST_LOAD_FAST)
{
    if (get_local(r, in->oparg >> 4) == NO_REF || get_local(r, in->oparg & 15) == NO_REF) {
        end_here(r, ABORT_UNBOUND);
        return;
    }
    load_local(r, in->oparg >> 4);
    load_local(r, in->oparg & 15);
}

RECORD(LOAD_FAST_AND_CLEAR)
{
    // The reference moves from the local to the stack, or NULL does.
    Ref ref = get_local(r, in->oparg);
    push(r, ref);
    set_local(r, in->oparg, NO_REF);
    r->expect = in->next;
}

RECORD(STORE_FAST) { set_local(r, in->oparg, pop(r)); }

RECORD(STORE_FAST_STORE_FAST)
{
    set_local(r, in->oparg >> 4, pop(r));
    set_local(r, in->oparg & 15, pop(r));
}

RECORD(STORE_FAST_LOAD_FAST)
{
    set_local(r, in->oparg >> 4, pop(r));
    load_local(r, in->oparg & 15);
}

RECORD(DELETE_FAST)
{
    if (get_local(r, in->oparg) == NO_REF) {
        end_here(r, ABORT_UNBOUND);
        return;
    }
    set_local(r, in->oparg, NO_REF);
}

RECORD(LOAD_CONST)
{
    PyObject *consts = top_frame(r)->code->co_consts;
    push(r, konst_obj(&r->b, PyTuple_GET_ITEM(consts, in->oparg)));
}

// --- stack ------------------------------------------------------------------------------------

RECORD(NOP) { (void)r; (void)in; }
RECORD(RESUME) { (void)r; (void)in; }
RECORD(POP_TOP) { (void)in; release(r, pop(r)); }
RECORD(END_FOR) { (void)in; release(r, pop(r)); }
RECORD(PUSH_NULL) { (void)in; push(r, NO_REF); }
RECORD(COPY) { push(r, peek(r, in->oparg - 1)); }

RECORD(SWAP)
{
    RFrame *f = top_frame(r);
    (void)peek(r, 0);
    (void)peek(r, in->oparg - 1);       // both have been looked at now
    Slot *top = &r->slots[f->base + f->n_locals + f->depth - 1];
    Slot *other = top - (in->oparg - 1);
    Slot swap = *top;
    *top = *other;
    *other = swap;
}

// --- jumps ------------------------------------------------------------------------------------

RECORD(JUMP_FORWARD) { r->expect = in->target; }
RECORD(JUMP_BACKWARD_NO_INTERRUPT) { r->expect = in->target; }

// Turns of loops without a trace that are followed on one way through a tree, if such loops have been seen to end soon.
enum { MAX_UNROLLED = 4 };

// How often a loop goes round is told by time where it calls no C code, and next to nothing is counted in it.
static bool
must_count_turns(const Recorder *r)
{
    const Executor *root = r->parent != NULL ? r->parent->root : NULL;
    bool calls = root != NULL && (root->counts_turns || !root->loops);
    for (Ref ref = 1; !calls && ref < r->t->n_ins; ref++) {
        calls = (uop_table[r->t->ins[ref].op].flags & CALLS) != 0;
    }
    return calls && jit.nominates;
}

RECORD(JUMP_BACKWARD)
{
    RFrame *f = top_frame(r);
    // The loop that the trace belongs to, or one around it: the path comes to a trace again.
    bool around = r->n_frames == 1 && in->target <= r->anchor
        && (r->anchor < in->offset || (r->resumed && in->target == r->anchor));
    if (f->kind == FRAME_GENERATOR && f->jumped != in->target) {
        f->jumped = in->target;         // a loop with a yield in it: the first jump only goes on in it
    }
    else if (!around) {
        // A loop inside: it has a trace, or will have one first. Follow it only when there is a
        // trace to go on in; a loop of a called function ends the trace.
        int key = r->n_frames == 1 ? root_key(r, in->target) : in->target;
        if (hook_executor_at(f->code, key) == NULL && r->unrolled < MAX_UNROLLED && hook_is_short(f->code, key)) {
            r->unrolled++;
        }
        else if (hook_executor_at(f->code, key) == NULL) {
            hook_want_loop(f->code);
            if (r->function && r->parent == NULL) {
                give_up(r, ABORT_INNER_LOOP);
                return;
            }
            end_here(r, ABORT_INNER_LOOP);
            return;
        }
    }
    if (around && in->target < r->anchor && turns_elsewhere(r)) {
        give_up(r, ABORT_LEFT_LOOP);
        return;
    }
    if (around && in->target == r->anchor && must_count_turns(r)) {
        build_raw(&r->b, UOP_LOOP_TURN, 0, 0, 0, 0, 0);
    }
    build_raw(&r->b, UOP_CHECK_BREAKER, build0(&r->b, UOP_TSTATE), 0, 0, 0, 0);
    r->expect = in->target;
}

// The guard that keeps the path on the side it took. On the other side the interpreter runs the
// jump again, with the truth value that the guard found.
static void
guard_truth(Recorder *r, Ref cond, bool taken_value)
{
    static const int int_guards[][2] = {    // compare -> guard when true, when false
        {UOP_GUARD_INT_LT, UOP_GUARD_INT_GE}, {UOP_GUARD_INT_LE, UOP_GUARD_INT_GT},
        {UOP_GUARD_INT_EQ, UOP_GUARD_INT_NE}, {UOP_GUARD_INT_NE, UOP_GUARD_INT_EQ},
        {UOP_GUARD_INT_GT, UOP_GUARD_INT_LE}, {UOP_GUARD_INT_GE, UOP_GUARD_INT_LT}};
    static const int float_guards[][2] = {
        {UOP_GUARD_FLOAT_LT, UOP_GUARD_FLOAT_NLT}, {UOP_GUARD_FLOAT_LE, UOP_GUARD_FLOAT_NLE},
        {UOP_GUARD_FLOAT_EQ, UOP_GUARD_FLOAT_NE}, {UOP_GUARD_FLOAT_NE, UOP_GUARD_FLOAT_EQ}};
    Builder *b = &r->b;
    if (ref_is_const(cond)) {
        return;
    }
    Ins *box = &r->t->ins[cond];
    if (box->op != UOP_BOX_BOOL) {
        must_be(r, cond, taken_value ? Py_True : Py_False);
        return;
    }
    Ref truth = box->in[0];
    if (ref_is_const(truth)) {
        return;
    }
    const Ins cmp = r->t->ins[truth];
    int which = taken_value ? 0 : 1;
    if (cmp.op >= UOP_INT_LT && cmp.op <= UOP_INT_GE) {
        build2(b, int_guards[cmp.op - UOP_INT_LT][which], cmp.in[0], cmp.in[1]);
    }
    else if (cmp.op >= UOP_FLOAT_LT && cmp.op <= UOP_FLOAT_NE) {
        build2(b, float_guards[cmp.op - UOP_FLOAT_LT][which], cmp.in[0], cmp.in[1]);
    }
    else if (cmp.op == UOP_SAME) {
        build2(b, taken_value ? UOP_GUARD_SAME : UOP_GUARD_NOT_SAME, cmp.in[0], cmp.in[1]);
    }
    else {
        build2(b, taken_value ? UOP_GUARD_INT_NE : UOP_GUARD_INT_EQ, truth, konst_i64(b, 0));
    }
}

// The snapshot for a failing branch guard: as now, but with the other truth value on the stack.
static void
snapshot_with_top(Recorder *r, PyObject *value)
{
    RFrame *f = top_frame(r);
    Slot *top = &r->slots[f->base + f->n_locals + f->depth - 1];
    Slot keep = *top;
    *top = (Slot){konst_obj(&r->b, value), SLOT_HOLDS};
    r->b.snap = snapshot_take_decided(r);
    *top = keep;
}

static void
jump_if(Recorder *r, const Instr *in, bool when)
{
    Ref cond = peek(r, 0);
    bool value = concrete(r, 0) == Py_True;
    if (!ref_is_const(cond)) {
        snapshot_with_top(r, value ? Py_False : Py_True);
        guard_truth(r, cond, value);
    }
    release(r, pop(r));
    r->expect = value == when ? in->target : in->next;
}

RECORD(POP_JUMP_IF_TRUE) { jump_if(r, in, true); }
RECORD(POP_JUMP_IF_FALSE) { jump_if(r, in, false); }

static void
jump_if_none(Recorder *r, const Instr *in, bool when)
{
    Ref ref = peek(r, 0);
    bool is_none = concrete(r, 0) == Py_None;
    build(&r->b, is_none ? UOP_GUARD_IS : UOP_GUARD_IS_NOT, ref, 0, 0, fn(Py_None), 0);
    release(r, pop(r));
    r->expect = is_none == when ? in->target : in->next;
}

RECORD(POP_JUMP_IF_NONE) { jump_if_none(r, in, true); }
RECORD(POP_JUMP_IF_NOT_NONE) { jump_if_none(r, in, false); }

// --- truth ------------------------------------------------------------------------------------

// The truth of an object of a builtin type, as I64; NO_REF if only PyObject_IsTrue knows.
static Ref
truth_of(Recorder *r, Ref ref, PyObject *value)
{
    Builder *b = &r->b;
    if (PyLong_CheckExact(value) && fits_i64(value)) {
        return build2(b, UOP_INT_NE, as_int(r, ref, value), konst_i64(b, 0));
    }
    if (PyFloat_CheckExact(value)) {
        return build2(b, UOP_FLOAT_NE, as_float(r, ref, value), konst_f64(b, 0.0));
    }
    if (PyList_CheckExact(value)) {
        guard_type(b, ref, &PyList_Type);
        return build2(b, UOP_INT_NE, build1(b, UOP_LIST_LEN, ref), konst_i64(b, 0));
    }
    if (PyTuple_CheckExact(value)) {
        guard_type(b, ref, &PyTuple_Type);
        return build2(b, UOP_INT_NE, build1(b, UOP_TUPLE_LEN, ref), konst_i64(b, 0));
    }
    if (PyUnicode_CheckExact(value)) {
        guard_type(b, ref, &PyUnicode_Type);
        return build2(b, UOP_INT_NE, build1(b, UOP_STR_LEN, ref), konst_i64(b, 0));
    }
    if (PyDict_CheckExact(value)) {
        guard_type(b, ref, &PyDict_Type);
        return build2(b, UOP_INT_NE, build1(b, UOP_DICT_LEN, ref), konst_i64(b, 0));
    }
    return NO_REF;
}

// Instances of classes without __bool__ and __len__ are true.
static bool
always_true(Recorder *r, Ref ref, PyObject *value)
{
    PyTypeObject *type = Py_TYPE(value);
    bool plain = (type->tp_as_number == NULL || type->tp_as_number->nb_bool == NULL)
        && (type->tp_as_mapping == NULL || type->tp_as_mapping->mp_length == NULL)
        && (type->tp_as_sequence == NULL || type->tp_as_sequence->sq_length == NULL);
    if (!plain || assume_type(type) < 0) {
        return false;
    }
    guard_type(&r->b, ref, type);
    return true;
}

bool
tells_truth_quietly(PyObject *o)
{
    return o == Py_None || PyBool_Check(o) || PyLong_CheckExact(o) || PyFloat_CheckExact(o) || PyList_CheckExact(o)
        || PyTuple_CheckExact(o) || PyUnicode_CheckExact(o) || PyDict_CheckExact(o);
}

bool
guard_truth_of_top(Recorder *r)
{
    Ref ref = peek(r, 0);
    PyObject *value = concrete(r, 0);
    if (value == Py_None) {
        must_be(r, ref, Py_None);
        return true;
    }
    if (!PyBool_Check(value)) {
        Ref truth = tells_truth_quietly(value) ? truth_of(r, ref, value) : NO_REF;
        if (truth == NO_REF) {
            return false;
        }
        ref = build1(&r->b, UOP_BOX_BOOL, truth);
    }
    guard_truth(r, ref, PyObject_IsTrue(value));
    return true;
}

static void
to_bool(Recorder *r, bool negate)
{
    Builder *b = &r->b;
    Ref ref = peek(r, 0);
    PyObject *value = concrete(r, 0);
    if (PyBool_Check(value)) {
        if (!negate) {
            guard_type(b, ref, &PyBool_Type);
            return;
        }
        Ref truth = as_int(r, ref, value);
        release(r, pop(r));
        push_truth(r, build2(b, UOP_INT_EQ, truth, konst_i64(b, 0)));
        return;
    }
    if (!negate && (record_bool_method(r) || b->abort != ABORT_NONE)) {
        return;
    }
    Ref result = NO_REF;
    if (value == Py_None) {
        must_be(r, ref, Py_None);
        result = konst_i64(b, 0);
    }
    else {
        result = truth_of(r, ref, value);
        if (result == NO_REF && b->abort == ABORT_NONE) {
            result = always_true(r, ref, value)
                ? konst_i64(b, 1)
                : call_unknown(r, UOP_CALLI1, ref, 0, 0, (void *)PyObject_IsTrue, 0);
        }
    }
    release(r, pop(r));
    push_truth(r, negate ? build2(b, UOP_INT_EQ, result, konst_i64(b, 0)) : result);
}

RECORD(TO_BOOL) { (void)in; to_bool(r, false); }

RECORD(UNARY_NOT)
{
    (void)in;
    to_bool(r, true);                   // the operand is a bool
}
