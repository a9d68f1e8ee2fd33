// opt_fold.c - the rewrite rules of build(): one instruction about to be appended, in terms of
// what stands already. A rule returns a ref that has the same value, FOLD_DROPPED for a check
// that cannot fail, or NO_REF. Rules may also rewrite in[] (commuted inputs).
//
// Rules must hold for every value: -0.0, nan, the least int. The ones on ints rely on the
// instruction leaving the trace on overflow, so they fold only what does not overflow.
#include "build.h"
#include <stddef.h>                     // offsetof()
#include <math.h>

static bool
is_k(const Builder *b, Ref ref, int64_t v)
{
    return ref_is_const(ref) && (int64_t)trace_konst(b->t, ref) == v;
}

// --- integers ---------------------------------------------------------------------------------

static bool
int_constants(Builder *b, int op, int64_t x, int64_t y, int64_t *out)
{
    (void)b;
    switch (op) {
        case UOP_INT_ADD: case UOP_INT_ADD_SURE: return !__builtin_add_overflow(x, y, out);
        case UOP_INT_SUB: return !__builtin_sub_overflow(x, y, out);
        case UOP_INT_MUL: return !__builtin_mul_overflow(x, y, out);
        case UOP_INT_AND: *out = x & y; return true;
        case UOP_INT_OR: *out = x | y; return true;
        case UOP_INT_XOR: *out = x ^ y; return true;
        case UOP_INT_LT: *out = x < y; return true;
        case UOP_INT_LE: *out = x <= y; return true;
        case UOP_INT_EQ: *out = x == y; return true;
        case UOP_INT_NE: *out = x != y; return true;
        case UOP_INT_GT: *out = x > y; return true;
        case UOP_INT_GE: *out = x >= y; return true;
        default: return false;
    }
}

static bool
is_commutative(int op)
{
    switch (op) {
        case UOP_INT_ADD: case UOP_INT_ADD_SURE: case UOP_INT_MUL: case UOP_INT_AND:
        case UOP_INT_OR: case UOP_INT_XOR: case UOP_INT_EQ: case UOP_INT_NE: case UOP_GUARD_INT_EQ: case UOP_GUARD_INT_NE:
            return true;
        default:
            return false;
    }
}

static Ref
fold_int(Builder *b, int op, Ref in[])
{
    if (ref_is_const(in[0]) && !ref_is_const(in[1]) && is_commutative(op)) {
        Ref swap = in[0];
        in[0] = in[1];
        in[1] = swap;
    }
    if (ref_is_const(in[0]) && ref_is_const(in[1])) {
        int64_t v;
        if (int_constants(b, op, (int64_t)trace_konst(b->t, in[0]),
                          (int64_t)trace_konst(b->t, in[1]), &v)) {
            return konst_i64(b, v);
        }
        return NO_REF;
    }
    switch (op) {
        case UOP_INT_ADD: case UOP_INT_ADD_SURE: case UOP_INT_SUB: case UOP_INT_OR:
        case UOP_INT_XOR: case UOP_INT_SHR:
            return is_k(b, in[1], 0) ? in[0] : NO_REF;
        case UOP_INT_MUL:
            return is_k(b, in[1], 1) ? in[0] : NO_REF;
        case UOP_INT_AND:
            return is_k(b, in[1], -1) ? in[0] : NO_REF;
        default:
            return NO_REF;
    }
}

// x // 2**k and x % 2**k need no division.
static Ref
fold_divide(Builder *b, int op, Ref in[])
{
    if (!ref_is_const(in[1])) {
        return NO_REF;
    }
    int64_t y = (int64_t)trace_konst(b->t, in[1]);
    if (y > 0 && (y & (y - 1)) == 0) {
        if (op == UOP_INT_MOD) {
            return build2(b, UOP_INT_AND, in[0], konst_i64(b, y - 1));
        }
        if (y == 1) {
            return in[0];
        }
        return build(b, UOP_INT_FLOORDIV_POW2, in[0], 0, 0, (uint64_t)__builtin_ctzll((uint64_t)y), 0);
    }
    return NO_REF;
}

// x + 1 >= k where x >= k has been checked, and x + 1 is known to fit.
static bool
is_next_of_guarded(const Builder *b, const Ref in[])
{
    const Trace *t = b->t;
    const Ins *next = &t->ins[in[0]];
    if (ref_is_const(in[0]) || next->op != UOP_INT_ADD_SURE || !is_k(b, next->in[1], 1)) {
        return false;
    }
    for (Ref ref = t->chain[UOP_GUARD_INT_GE]; ref != NO_REF; ref = t->ins[ref].chain) {
        if (t->ins[ref].in[0] == next->in[0] && t->ins[ref].in[1] == in[1]) {
            return ref_is_const(in[1]);
        }
    }
    return false;
}

static Ref
fold_int_guard(Builder *b, int op, Ref in[])
{
    static const int compare[] = {UOP_INT_LT, UOP_INT_LE, UOP_INT_EQ, UOP_INT_NE, UOP_INT_GT,
                                  UOP_INT_GE};
    fold_int(b, UOP_NOP, in);
    if (op == UOP_GUARD_INT_GE && is_next_of_guarded(b, in)) {
        return FOLD_DROPPED;
    }
    if (is_commutative(op) && ref_is_const(in[0]) && !ref_is_const(in[1])) {
        Ref swap = in[0];
        in[0] = in[1];
        in[1] = swap;
    }
    if (ref_is_const(in[0]) && ref_is_const(in[1])) {
        int64_t v = 0;
        int_constants(b, compare[op - UOP_GUARD_INT_LT], (int64_t)trace_konst(b->t, in[0]),
                      (int64_t)trace_konst(b->t, in[1]), &v);
        if (v) {
            return FOLD_DROPPED;
        }
        b->abort = ABORT_CONTRADICTION;
    }
    return NO_REF;
}

// --- floats -----------------------------------------------------------------------------------

static Ref
fold_float(Builder *b, int op, Ref in[])
{
    if (!ref_is_const(in[0]) || !ref_is_const(in[1])) {
        return NO_REF;
    }
    double x = konst_as_f64(b->t, in[0]), y = konst_as_f64(b->t, in[1]);
    switch (op) {
        case UOP_FLOAT_ADD: return konst_f64(b, x + y);
        case UOP_FLOAT_SUB: return konst_f64(b, x - y);
        case UOP_FLOAT_MUL: return konst_f64(b, x * y);
        default: return NO_REF;
    }
}

// The value of a loop over range(): that it is exact as a double follows from where the range ends,
// which does not change, and from where it began.
static Ref
fold_to_float(Builder *b, Ref value)
{
    const Trace *t = b->t;
    const int64_t exact = 1LL << 53;
    for (Ref ref = t->chain[UOP_GUARD_INT_LT]; ref != NO_REF; ref = t->ins[ref].chain) {
        Ref end = t->ins[ref].in[1];
        if (t->ins[ref].in[0] != value) {
            continue;
        }
        if (ref_is_const(end) || t->ins[end].op != UOP_RANGE_END || (t->ins[end].flags & INS_KNOWN)) {
            return NO_REF;
        }
        build2(b, UOP_GUARD_INT_LE, end, konst_i64(b, exact));
        build2(b, UOP_GUARD_INT_GE, value, konst_i64(b, -exact));
        return build1(b, UOP_INT_TO_FLOAT_SURE, value);
    }
    return NO_REF;
}

// --- boxes ------------------------------------------------------------------------------------

static Ref
fold_unbox(Builder *b, int op, Ref in[])
{
    if (ref_is_const(in[0])) {
        PyObject *o = konst_as_obj(b->t, in[0]);
        if (op == UOP_UNBOX_FLOAT) {
            return konst_f64(b, PyFloat_AS_DOUBLE(o));
        }
        int overflow;
        int64_t v = PyLong_AsLongLongAndOverflow(o, &overflow);
        return overflow ? NO_REF : konst_i64(b, v);
    }
    const Ins *from = &b->t->ins[in[0]];
    switch (from->op) {
        case UOP_BOX_INT: case UOP_BOX_FLOAT: case UOP_BOX_BOOL:
        case UOP_SLOT_BOX: case UOP_SLOT_BOX_FLOAT: case UOP_SLOT_ENSURE: case UOP_SLOT_ENSURE_FLOAT:
            return from->in[0];
        default:
            return NO_REF;
    }
}

static Ref
fold_guard_type(Builder *b, Ref in[], const uint64_t operand[])
{
    PyTypeObject *known = known_type(b, in[0]);
    if (known == NULL) {
        learn_type(b, in[0], (PyTypeObject *)(uintptr_t)operand[0]);
        // learn first: the instruction is appended now, in any case
        return NO_REF;
    }
    if (known == (PyTypeObject *)(uintptr_t)operand[0]) {
        return FOLD_DROPPED;
    }
    b->abort = ABORT_CONTRADICTION;
    return NO_REF;
}

// Objects that were made in this trace are no object known before.
static bool
is_fresh(const Builder *b, Ref ref)
{
    return !ref_is_const(ref) && (uop_table[b->t->ins[ref].op].flags & ALLOC)
        && b->t->ins[ref].op != UOP_BOX_INT;
}

static Ref
fold_identity_guard(Builder *b, int op, Ref in[], const uint64_t operand[])
{
    bool same;
    if (op == UOP_GUARD_SAME || op == UOP_GUARD_NOT_SAME) {
        if (in[0] == in[1]) {
            same = true;
        }
        else if (ref_is_const(in[0]) && ref_is_const(in[1])) {
            same = false;
        }
        else {
            return NO_REF;
        }
        if (same == (op == UOP_GUARD_SAME)) {
            return FOLD_DROPPED;
        }
    }
    else {
        PyObject *o = (PyObject *)(uintptr_t)operand[0];
        if (ref_is_const(in[0])) {
            same = konst_as_obj(b->t, in[0]) == o;
        }
        else if (is_fresh(b, in[0])
                 || (known_type(b, in[0]) != NULL && o != NULL && known_type(b, in[0]) != Py_TYPE(o))) {
            same = false;
        }
        else {
            return NO_REF;
        }
        if (same == (op == UOP_GUARD_IS)) {
            return FOLD_DROPPED;
        }
    }
    b->abort = ABORT_CONTRADICTION;
    return NO_REF;
}

static Ref
fold_guard_bound(Builder *b, Ref in[])
{
    if (ref_is_const(in[0])) {
        if (konst_as_obj(b->t, in[0]) != NULL) {
            return FOLD_DROPPED;
        }
        b->abort = ABORT_CONTRADICTION;
        return NO_REF;
    }
    if (b->facts[in[0]] & FACT_NONNULL) {
        return FOLD_DROPPED;
    }
    b->facts[in[0]] |= FACT_NONNULL;
    if (known_type(b, in[0]) != NULL) {
        return FOLD_DROPPED;
    }
    return NO_REF;
}

// --- memory -----------------------------------------------------------------------------------

// A load after a store to the same place has the value stored. Stores to the same kind of place
// in another object may have changed it; so the search stops at the first store that is not
// known to be elsewhere.
static Ref
forward(const Builder *b, int store_op, Ref object, uint64_t operand, Ref index, int value_at)
{
    const Trace *t = b->t;
    for (Ref ref = t->chain[store_op]; ref > b->last_escape; ref = t->ins[ref].chain) {
        const Ins *ins = &t->ins[ref];
        if (ins->operand[0] != operand) {
            continue;                   // another field
        }
        bool same_index = ins->in[1] == index;
        if (store_op == UOP_LIST_SET && ref_is_const(index) && ref_is_const(ins->in[1])
            && !same_index) {
            continue;                   // another item of whatever list
        }
        if (ins->in[0] == object && (store_op != UOP_LIST_SET || same_index)) {
            return ins->in[value_at];
        }
        return NO_REF;
    }
    return NO_REF;
}

// A field load that no store since has touched: stores to other fields do not matter.
static Ref
reload_field(const Builder *b, Ref object, uint64_t operand)
{
    const Trace *t = b->t;
    Ref limit = b->last_escape;
    for (Ref ref = t->chain[UOP_FIELD_STORE]; ref > limit; ref = t->ins[ref].chain) {
        if (t->ins[ref].operand[0] == operand) {
            limit = ref;
        }
    }
    for (Ref ref = t->chain[UOP_FIELD_LOAD]; ref > limit; ref = t->ins[ref].chain) {
        if (t->ins[ref].in[0] == object && t->ins[ref].operand[0] == operand) {
            return ref;
        }
    }
    return NO_REF;
}

// What a slot of a generator's frame holds: what was stored there last, or was found there since.
// Another frame may be the same one under another ref: a store to its slot ends the search.
static Ref
reload_slot(Builder *b, Ref frame, uint64_t offset)
{
    const Trace *t = b->t;
    Ref limit = b->last_escape, content = NO_REF;
    for (Ref ref = t->chain[UOP_FRAME_STORE]; ref > limit; ref = t->ins[ref].chain) {
        if (t->ins[ref].operand[0] == offset) {
            limit = ref;
            content = t->ins[ref].in[0] == frame ? t->ins[ref].in[1] : NO_REF;
        }
    }
    for (Ref ref = t->chain[UOP_FRAME_CLEAR]; ref > limit; ref = t->ins[ref].chain) {
        if (t->ins[ref].operand[0] == offset) {
            limit = ref;
            content = t->ins[ref].in[0] == frame ? konst_obj(b, NULL) : NO_REF;
        }
    }
    for (Ref ref = t->chain[UOP_FRAME_LOAD]; ref > limit; ref = t->ins[ref].chain) {
        if (t->ins[ref].in[0] == frame && t->ins[ref].operand[0] == offset) {
            return ref;
        }
    }
    return content;
}

// A generator that this trace has left waiting waits there still, unless unknown code has run or
// another one, which may be the same under another ref, was resumed.
static Ref
fold_guard_waits(const Builder *b, Ref frame, uint64_t ip)
{
    Ref ref = b->t->chain[UOP_GENERATOR_WAITS];
    return ref > b->last_escape && b->t->ins[ref].in[0] == frame && b->t->ins[ref].operand[0] == ip
        ? FOLD_DROPPED : NO_REF;
}

// A field of a bound method or function that the trace has made: what it was made with.
static Ref
fold_made_field(const Builder *b, Ref object, uint64_t offset)
{
    const Ins *ins = &b->t->ins[object];
    if (ref_is_const(object)) {
        return NO_REF;
    }
    if (ins->op == UOP_C_FROM2 && ins->operand[0] == (uint64_t)(uintptr_t)PyMethod_New) {
        return offset == offsetof(PyMethodObject, im_func) ? ins->in[0]
            : offset == offsetof(PyMethodObject, im_self) ? ins->in[1] : NO_REF;
    }
    if (ins->op == UOP_FUNCTION_PACK) {
        return offset == offsetof(PyFunctionObject, func_globals) ? ins->in[1]
            : offset == offsetof(PyFunctionObject, func_code) && object > b->last_escape ? ins->in[0]
            : NO_REF;
    }
    return NO_REF;
}

// The newest of the instructions that move a list, tuple or range iterator, before `ref`.
static Ref
move_before(const Trace *t, Ref ref)
{
    static const int moves[] = {UOP_RANGE_SET, UOP_RANGE_SET_START, UOP_ITER_SET_INDEX};
    Ref newest = NO_REF;
    for (int i = 0; i < 3; i++) {
        Ref at = t->chain[moves[i]];
        while (at >= ref) {
            at = t->ins[at].chain;
        }
        newest = at > newest ? at : newest;
    }
    return newest;
}

static bool
is_known_other(const Trace *t, Ref x, Ref y)
{
    for (Ref at = t->chain[UOP_GUARD_NOT_SAME]; at != NO_REF; at = t->ins[at].chain) {
        const Ins *ins = &t->ins[at];
        if ((ins->in[0] == x && ins->in[1] == y) || (ins->in[0] == y && ins->in[1] == x)) {
            return true;
        }
    }
    return false;
}

// What an iterator's field holds, if the last write to it tells.
static Ref
fold_iter_load(const Builder *b, int op, Ref object)
{
    const Trace *t = b->t;
    Ref ref = move_before(t, t->n_ins);
    while (ref > b->last_escape && t->ins[ref].in[0] != object
           && is_known_other(t, t->ins[ref].in[0], object)) {
        ref = move_before(t, ref);
    }
    const Ins *set = &t->ins[ref];
    if (ref <= b->last_escape || set->in[0] != object) {
        return NO_REF;
    }
    switch (op) {
        case UOP_RANGE_START:
            return set->op == UOP_RANGE_SET || set->op == UOP_RANGE_SET_START ? set->in[1] : NO_REF;
        case UOP_RANGE_LEN:
            return set->op == UOP_RANGE_SET ? set->in[2] : NO_REF;
        case UOP_RANGE_END:             // an iterator has one step
            return set->op == UOP_RANGE_SET_START ? set->in[2] : NO_REF;
        default:
            return set->op == UOP_ITER_SET_INDEX ? set->in[1] : NO_REF;
    }
}

// A module's variable: stores to other names do not change it, other writes to dicts may.
static Ref
fold_global_load(const Builder *b, const Ref in[])
{
    const Trace *t = b->t;
    Ref limit = b->last_write[MEM_DICT] > b->last_escape ? b->last_write[MEM_DICT] : b->last_escape;
    for (Ref ref = t->chain[UOP_GLOBAL_STORE]; ref > limit; ref = t->ins[ref].chain) {
        if (t->ins[ref].in[0] == in[0] && t->ins[ref].in[1] == in[1]) {
            return t->ins[ref].in[2];
        }
    }
    for (Ref ref = t->chain[UOP_GLOBAL_LOAD]; ref > limit; ref = t->ins[ref].chain) {
        if (t->ins[ref].in[0] == in[0] && t->ins[ref].in[1] == in[1]) {
            return ref;
        }
    }
    return NO_REF;
}

static Ref
fold_tuple_item(const Builder *b, Ref tuple, Ref index)
{
    if (!ref_is_const(index)) {
        return NO_REF;
    }
    int64_t i = (int64_t)trace_konst(b->t, index);
    if (ref_is_const(tuple)) {
        return konst_obj((Builder *)b, PyTuple_GET_ITEM(konst_as_obj(b->t, tuple), i));
    }
    const Ins *ins = &b->t->ins[tuple];
    return ins->op == UOP_TUPLE_PACK ? ins->in[i] : NO_REF;
}

Ref
fold(Builder *b, int op, Ref in[MAX_INPUTS], const uint64_t operand[MAX_OPERANDS])
{
    switch (op) {
        case UOP_INT_ADD: case UOP_INT_ADD_SURE: case UOP_INT_SUB: case UOP_INT_MUL:
        case UOP_INT_AND: case UOP_INT_OR: case UOP_INT_XOR: case UOP_INT_SHR: case UOP_INT_LT: case UOP_INT_LE: case UOP_INT_EQ:
        case UOP_INT_NE: case UOP_INT_GT: case UOP_INT_GE:
            return fold_int(b, op, in);
        case UOP_INT_FLOORDIV: case UOP_INT_MOD:
            return fold_divide(b, op, in);
        case UOP_GUARD_INT_LT: case UOP_GUARD_INT_LE: case UOP_GUARD_INT_EQ: case UOP_GUARD_INT_NE:
        case UOP_GUARD_INT_GT: case UOP_GUARD_INT_GE:
            return fold_int_guard(b, op, in);
        case UOP_FLOAT_ADD: case UOP_FLOAT_SUB: case UOP_FLOAT_MUL:
            return fold_float(b, op, in);
        case UOP_INT_TO_FLOAT:
            if (ref_is_const(in[0])) {
                int64_t v = (int64_t)trace_konst(b->t, in[0]);
                return v > -(1LL << 53) && v < (1LL << 53) ? konst_f64(b, (double)v) : NO_REF;
            }
            return fold_to_float(b, in[0]);
        case UOP_UNBOX_INT: case UOP_UNBOX_FLOAT: case UOP_UNBOX_BOOL:
            return fold_unbox(b, op, in);
        case UOP_BOX_BOOL:
            return ref_is_const(in[0]) ? konst_obj(b, trace_konst(b->t, in[0]) ? Py_True : Py_False)
                                       : NO_REF;
        case UOP_GUARD_TYPE:
            return fold_guard_type(b, in, operand);
        case UOP_GUARD_IS: case UOP_GUARD_IS_NOT: case UOP_GUARD_SAME: case UOP_GUARD_NOT_SAME:
            return fold_identity_guard(b, op, in, operand);
        case UOP_GUARD_BOUND:
            return fold_guard_bound(b, in);
        case UOP_GUARD_INDEX:
            return ref_is_const(in[0]) && ref_is_const(in[1])
                && trace_konst(b->t, in[0]) < trace_konst(b->t, in[1]) ? FOLD_DROPPED : NO_REF;
        case UOP_INCREF: case UOP_DECREF: case UOP_DECREF_SIMPLE: case UOP_DECREF_SHARED:
        case UOP_DECREF_FLOAT:
            return ref_is_const(in[0]) && _Py_IsImmortal(konst_as_obj(b->t, in[0])) ? FOLD_DROPPED
                                                                                    : NO_REF;
        case UOP_FIELD_LOAD: {
            Ref part = fold_made_field(b, in[0], operand[0]);
            if (part != NO_REF) {
                return part;
            }
            Ref stored = forward(b, UOP_FIELD_STORE, in[0], operand[0], NO_REF, 1);
            return stored != NO_REF ? stored : reload_field(b, in[0], operand[0]);
        }
        case UOP_GLOBAL_LOAD:
            return fold_global_load(b, in);
        case UOP_GUARD_QUIET: {
            PyTypeObject *type = ref_is_const(in[0]) ? Py_TYPE(konst_as_obj(b->t, in[0]))
                                                     : known_type(b, in[0]);
            return type != NULL && build_is_quiet(type) ? FOLD_DROPPED : NO_REF;
        }
        case UOP_FRAME_LOAD:
            return reload_slot(b, in[0], operand[0]);
        case UOP_GUARD_UNWATCHED: {
            Ref last = b->t->chain[UOP_GUARD_UNWATCHED];
            return last > b->last_escape && b->t->ins[last].operand[0] == operand[0] ? FOLD_DROPPED
                                                                                    : NO_REF;
        }
        case UOP_GUARD_WAITS:
            return fold_guard_waits(b, in[0], operand[0]);
        case UOP_ITER_WORD:
            return forward(b, UOP_ITER_SET_WORD, in[0], operand[0], NO_REF, 1);
        case UOP_CELL_LOAD:
            return forward(b, UOP_CELL_STORE, in[0], 0, NO_REF, 1);
        case UOP_LIST_ITEM:
            return b->last_write[MEM_LIST] == b->t->chain[UOP_LIST_SET]
                ? forward(b, UOP_LIST_SET, in[0], 0, in[1], 2) : NO_REF;
        case UOP_RANGE_START: case UOP_RANGE_LEN: case UOP_RANGE_END: case UOP_ITER_INDEX:
            return fold_iter_load(b, op, in[0]);
        case UOP_TUPLE_LEN:
            if (ref_is_const(in[0])) {
                return konst_i64(b, Py_SIZE(konst_as_obj(b->t, in[0])));
            }
            return b->t->ins[in[0]].op == UOP_TUPLE_PACK
                ? konst_i64(b, (int64_t)b->t->ins[in[0]].operand[0]) : NO_REF;
        case UOP_STR_LEN:
            return ref_is_const(in[0]) && PyUnicode_CheckExact(konst_as_obj(b->t, in[0]))
                ? konst_i64(b, PyUnicode_GET_LENGTH(konst_as_obj(b->t, in[0]))) : NO_REF;
        case UOP_TUPLE_ITEM:
            return fold_tuple_item(b, in[0], in[1]);
        default:
            return NO_REF;
    }
}
