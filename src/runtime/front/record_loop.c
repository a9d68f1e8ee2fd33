// record_loop.c - record functions: iteration.
#include "front/record.h"
#include "front/snapshot.h"
#include "policy/policy.h"
#include "run/invalidate.h"

RECORD(GET_ITER)
{
    (void)in;
    Ref ref = peek(r, 0);
    PyObject *o = concrete(r, 0);
    PyTypeObject *type = Py_TYPE(o);
    if (PyIter_Check(o) && type->tp_iter == PyObject_SelfIter && assume_type(type) == 0) {
        guard_type(&r->b, ref, type);
        return;
    }
    bool quiet = type == &PyList_Type || type == &PyTuple_Type || type == &PyRange_Type
        || type == &PyDict_Type || type == &PyUnicode_Type || type == &PySet_Type
        || type == &PyDictKeys_Type || type == &PyDictValues_Type || type == &PyDictItems_Type;
    Ref iter;
    if (quiet) {
        guard_type(&r->b, ref, type);
        iter = build_raw(&r->b, UOP_C_FROM1, real(r, ref), 0, 0, fn((void *)PyObject_GetIter), 0);
    }
    else {
        iter = call_unknown(r, UOP_CALL1, ref, 0, 0, (void *)PyObject_GetIter, 0);
    }
    release(r, pop(r));
    push_owned(r, iter);
}

// --- the end of a loop --------------------------------------------------------------------------

// The path on which an iterator is exhausted: it goes, and the loop is left.
static void
leave_loop(Recorder *r, const Instr *in)
{
    release(r, pop(r));
    r->expect = in->target;
}

// --- iterators that are looked into -------------------------------------------------------------
//
// The next item of a list, tuple or range iterator, and of enumerate and zip over such, is found
// without a call. First come all guards and loads, then all iterators move on.

enum { MAX_STEPS = 6, MAX_ZIPPED = MAX_INPUTS };

typedef struct {
    int n;
    struct { int uop; Ref iter, a, b; uint64_t offset; } moves[MAX_STEPS];
    int n_bases;
    Ref bases[MAX_STEPS];               // the iterators that are no enumerate or zip
} Steps;

static void
add_move(Steps *steps, int uop, Ref iter, Ref a, Ref b, uint64_t offset)
{
    steps->moves[steps->n].uop = uop;
    steps->moves[steps->n].iter = iter;
    steps->moves[steps->n].a = a;
    steps->moves[steps->n].b = b;
    steps->moves[steps->n++].offset = offset;
}

// Two of the iterators may be one and the same: then they would have to move one after the other.
static bool
is_another_base(Recorder *r, Steps *steps, Ref iter)
{
    for (int i = 0; i < steps->n_bases; i++) {
        if (steps->bases[i] == iter) {
            return false;
        }
        build2(&r->b, UOP_GUARD_NOT_SAME, iter, steps->bases[i]);
    }
    steps->bases[steps->n_bases++] = iter;
    return true;
}

typedef struct { PyObject_HEAD long start, step, len; } RangeIter;

// Step 1 or -1: where it ends does not change from turn to turn, so one counter is enough. The
// iterator's invariant, start + len * step fits a long (range_iter() makes no other), is why the
// additions cannot overflow.
static Ref
item_of_unit_range(Recorder *r, Steps *steps, Ref iter, const RangeIter *range)
{
    Builder *b = &r->b;
    bool up = range->step == 1;
    build2(b, UOP_GUARD_INT_EQ, build1(b, UOP_RANGE_STEP, iter), konst_i64(b, range->step));
    Ref end = build(b, UOP_RANGE_END, iter, 0, 0, (uint64_t)range->step, 0);
    Ref start = build1(b, UOP_RANGE_START, iter);
    build2(b, up ? UOP_GUARD_INT_LT : UOP_GUARD_INT_GT, start, end);
    Ref next = build2(b, UOP_INT_ADD_SURE, start, konst_i64(b, range->step));
    add_move(steps, UOP_RANGE_SET_START, iter, next, end, (uint64_t)range->step);
    return start;
}

static Ref
item_of_range(Recorder *r, Steps *steps, Ref iter, PyObject *object)
{
    Builder *b = &r->b;
    RangeIter *range = (RangeIter *)object;
    if (range->len <= 0 || !is_another_base(r, steps, iter)) {
        return NO_REF;
    }
    guard_type(b, iter, &PyRangeIter_Type);
    if (range->step == 1 || range->step == -1) {
        return item_of_unit_range(r, steps, iter, range);
    }
    Ref len = build1(b, UOP_RANGE_LEN, iter);
    build2(b, UOP_GUARD_INT_GT, len, konst_i64(b, 0));
    Ref start = build1(b, UOP_RANGE_START, iter);
    Ref step = build1(b, UOP_RANGE_STEP, iter);
    Ref next = build2(b, UOP_INT_ADD_SURE, start, step);
    Ref left = build2(b, UOP_INT_ADD_SURE, len, konst_i64(b, -1));
    add_move(steps, UOP_RANGE_SET, iter, next, left, 0);
    return start;
}

typedef struct { PyObject_HEAD Py_ssize_t it_index; PyObject *it_seq; } SeqIter;

static Ref
item_of_sequence(Recorder *r, Steps *steps, Ref iter, PyObject *object, bool is_list)
{
    Builder *b = &r->b;
    SeqIter *it = (SeqIter *)object;
    if (it->it_seq == NULL || it->it_index >= Py_SIZE(it->it_seq)
        || Py_TYPE(it->it_seq) != (is_list ? &PyList_Type : &PyTuple_Type)
        || !is_another_base(r, steps, iter)) {
        return NO_REF;
    }
    guard_type(b, iter, Py_TYPE(object));
    Ref seq = build1(b, UOP_ITER_SEQ, iter);
    build1(b, UOP_GUARD_BOUND, seq);
    guard_type(b, seq, Py_TYPE(it->it_seq));
    Ref index = build1(b, UOP_ITER_INDEX, iter);
    build2(b, UOP_GUARD_INDEX, index, build1(b, is_list ? UOP_LIST_LEN : UOP_TUPLE_LEN, seq));
    Ref item = build2(b, is_list ? UOP_LIST_ITEM : UOP_TUPLE_ITEM, seq, index);
    add_move(steps, UOP_ITER_SET_INDEX, iter, build2(b, UOP_INT_ADD, index, konst_i64(b, 1)), NO_REF, 0);
    return item;
}

// The next item of an iterator: an object that is not owned, or the value of an int (I64). NO_REF:
// it is exhausted, or not looked into.
static Ref
item_of_base(Recorder *r, Steps *steps, Ref iter, PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    if (steps->n >= MAX_STEPS - 1) {
        return NO_REF;
    }
    if (type == &PyRangeIter_Type) {
        return item_of_range(r, steps, iter, object);
    }
    if (type == &PyListIter_Type || type == &PyTupleIter_Type) {
        return item_of_sequence(r, steps, iter, object, type == &PyListIter_Type);
    }
    return NO_REF;
}

static int
items_of_zip(Recorder *r, Steps *steps, Ref iter, PyObject *object, Ref *items)
{
    Builder *b = &r->b;
    size_t offset = compat_zip_iterators();
    PyObject *iterators = offset == 0 ? NULL : *(PyObject **)((char *)object + offset);
    int n = iterators == NULL ? 0 : (int)PyTuple_GET_SIZE(iterators);
    if (n == 0 || n > MAX_ZIPPED) {
        return 0;
    }
    guard_type(b, iter, &PyZip_Type);
    Ref tuple = build(b, UOP_FIELD_LOAD, iter, 0, 0, offset, 0);
    learn_type(b, tuple, &PyTuple_Type);
    build2(b, UOP_GUARD_INT_EQ, build1(b, UOP_TUPLE_LEN, tuple), konst_i64(b, n));
    for (int i = 0; i < n; i++) {
        Ref inner = build2(b, UOP_TUPLE_ITEM, tuple, konst_i64(b, i));
        items[i] = item_of_base(r, steps, inner, PyTuple_GET_ITEM(iterators, i));
        if (items[i] == NO_REF) {
            return 0;
        }
    }
    return n;
}

// An item that goes into a tuple, with a reference for it.
static Ref
boxed_item(Recorder *r, Ref item)
{
    if (item == NO_REF || ref_type(r->t, item) == TY_OBJ) {
        return item;
    }
    push_int(r, item);
    return pop(r);
}

static Ref
tuple_of(Recorder *r, Ref *items, int n)
{
    for (int i = 0; i < n; i++) {
        items[i] = boxed_item(r, items[i]);
    }
    return make_tuple(r, items, n);
}

static bool
finish_steps(Recorder *r, const Steps *steps, Ref *items, int n)
{
    for (int i = 0; i < steps->n; i++) {
        build_raw(&r->b, steps->moves[i].uop, steps->moves[i].iter, steps->moves[i].a,
                  steps->moves[i].b, steps->moves[i].offset, 0);
    }
    push(r, tuple_of(r, items, n));
    return true;
}

static bool
next_of_zip(Recorder *r, Ref iter, PyObject *object)
{
    Steps steps = {0};
    Ref items[MAX_ZIPPED];
    int n = items_of_zip(r, &steps, iter, object, items);
    return n > 0 && finish_steps(r, &steps, items, n);
}

static bool
next_of_enumerate(Recorder *r, Ref iter, PyObject *object)
{
    Builder *b = &r->b;
    const EnumLayout *layout = compat_enum_layout();
    if (layout == NULL || *(PyObject **)((char *)object + layout->long_index) != NULL) {
        return false;
    }
    Steps steps = {0};
    PyObject *inner_object = *(PyObject **)((char *)object + layout->inner);
    guard_type(b, iter, &PyEnum_Type);
    Ref inner = build(b, UOP_FIELD_LOAD, iter, 0, 0, layout->inner, 0);
    Ref items[2], zipped[MAX_ZIPPED];
    int n_zipped = 0;
    if (Py_TYPE(inner_object) == &PyZip_Type) {
        n_zipped = items_of_zip(r, &steps, inner, inner_object, zipped);
    }
    else {
        items[1] = item_of_base(r, &steps, inner, inner_object);
    }
    if (n_zipped == 0 && (Py_TYPE(inner_object) == &PyZip_Type || items[1] == NO_REF)) {
        return false;
    }
    Ref big = build(b, UOP_FIELD_LOAD, iter, 0, 0, layout->long_index, 0);
    build(b, UOP_GUARD_IS, big, 0, 0, 0, 0);
    items[0] = build(b, UOP_ITER_WORD, iter, 0, 0, layout->index, 0);
    Ref next = build2(b, UOP_INT_ADD, items[0], konst_i64(b, 1));
    add_move(&steps, UOP_ITER_SET_WORD, iter, next, NO_REF, layout->index);
    if (n_zipped > 0) {
        items[1] = tuple_of(r, zipped, n_zipped);
    }
    return finish_steps(r, &steps, items, 2);
}

// false: exhausted, or not looked into.
static bool
next_looked_into(Recorder *r, Ref iter, PyObject *object)
{
    if (Py_TYPE(object) == &PyEnum_Type) {
        return next_of_enumerate(r, iter, object);
    }
    if (Py_TYPE(object) == &PyZip_Type) {
        return next_of_zip(r, iter, object);
    }
    Steps steps = {0};
    Ref item = item_of_base(r, &steps, iter, object);
    if (item == NO_REF) {
        return false;
    }
    build_raw(&r->b, steps.moves[0].uop, iter, steps.moves[0].a, steps.moves[0].b,
              steps.moves[0].offset, 0);
    if (ref_type(r->t, item) == TY_I64) {
        push_int(r, item);
    }
    else {
        push_borrowed(r, item);
    }
    return true;
}

static void
exhausted_range(Recorder *r, const Instr *in, Ref iter, const RangeIter *range)
{
    Builder *b = &r->b;
    guard_type(b, iter, &PyRangeIter_Type);
    if (range->step == 1 || range->step == -1) {
        build2(b, UOP_GUARD_INT_EQ, build1(b, UOP_RANGE_STEP, iter), konst_i64(b, range->step));
        Ref end = build(b, UOP_RANGE_END, iter, 0, 0, (uint64_t)range->step, 0);
        build2(b, range->step == 1 ? UOP_GUARD_INT_GE : UOP_GUARD_INT_LE,
               build1(b, UOP_RANGE_START, iter), end);
    }
    else {
        build2(b, UOP_GUARD_INT_LE, build1(b, UOP_RANGE_LEN, iter), konst_i64(b, 0));
    }
    leave_loop(r, in);
}

// --- any iterator -----------------------------------------------------------------------------

// After FOR_ITER called tp_iternext: which way did it go? The other way leaves the trace in the
// state behind FOR_ITER, because the iterator has moved on.
static void
after_next(Recorder *r, int offset)
{
    Builder *b = &r->b;
    RFrame *f = top_frame(r);
    const Instr in = r->now;
    Ref item = r->after_ref;
    bool exhausted = offset == in.target && in.target != in.next;
    _Py_CODEUNIT *start = compat_code_start(f->code), *here = f->ip;
    if (!exhausted) {
        Ref iter = pop(r);              // the state in which it was exhausted
        r->drop_ip = here;
        f->ip = start + in.target;
        int n = r->n_pending;
        if (!ref_is_const(iter) && holders(r, iter) == 0) {
            for (int i = 0; i < r->own[iter]; i++) {
                r->pending[r->n_pending++] = iter;
            }
        }
        b->snap = snapshot_take_decided(r);
        f->ip = here;
        r->n_pending = n;
        push(r, iter);
        build_raw(b, UOP_GUARD_BOUND, item, 0, 0, 0, 0);
        push_owned(r, item);
        r->expect = in.next;
        return;
    }
    push_owned(r, item);                // the state in which it was not
    f->ip = start + in.next;
    b->snap = snapshot_take_decided(r);
    f->ip = here;
    build_raw(b, UOP_GUARD_IS, item, 0, 0, 0, 0);
    (void)pop(r);
    r->own[item] = 0;
    leave_loop(r, &in);
}

static void
next_of_any(Recorder *r, Ref iter, PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    guard_type(&r->b, iter, type);
    bool quiet = type == &PyListIter_Type || type == &PyTupleIter_Type || type == &PyRangeIter_Type
        || type == &PyDictIterKey_Type || type == &PyDictIterValue_Type
        || type == &PyDictIterItem_Type || type == &PyUnicodeIter_Type
        || type == &PyLongRangeIter_Type || type == &PyListRevIter_Type;
    if (!quiet) {
        sync_frames(r);
        after_unknown(r);
    }
    r->interp -= policy_uninlined_next(type);
    r->after_ref = build_raw(&r->b, UOP_ITER_NEXT, iter, 0, 0, fn((void *)type->tp_iternext), 0);
    r->after = after_next;
    r->expect = -1;
}

RECORD(FOR_ITER)
{
    Ref iter = peek(r, 0);
    PyObject *object = concrete(r, 0);
    PyTypeObject *type = Py_TYPE(object);
    if (next_looked_into(r, iter, object) || r->b.abort != ABORT_NONE) {
        return;
    }
    if (type == &PyRangeIter_Type) {
        exhausted_range(r, in, iter, (RangeIter *)object);
        return;
    }
    if (type == &PyGen_Type && resume_generator(r, in, iter, object)) {
        return;
    }
    if (type->tp_iternext == NULL || (type->tp_flags & Py_TPFLAGS_HEAPTYPE && assume_type(type) < 0)) {
        end_here(r, ABORT_BYTECODE);
        return;
    }
    next_of_any(r, iter, object);
}
