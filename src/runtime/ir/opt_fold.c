// opt_fold.c - the rewrite rules of build(): one instruction about to be appended, in terms of
// what stands already. A rule returns a ref that has the same value, FOLD_DROPPED for a check
// that cannot fail, or NO_REF. Rules may also rewrite in[] (commuted inputs).
//
// Which rules apply to a uop says the table at the end; each rule has a name in fold_rules.def, and tests count
// that it is exercised: tests/passes/fold.ir has one for each.
//
// Rules must hold for every value: -0.0, nan, the least int. The ones on ints rely on the
// instruction leaving the trace on overflow, so they fold only what does not overflow.
#include "ir/build.h"
#include "base/mutation.h"
#include <stddef.h>                     // offsetof()
#include <math.h>

#if defined(JITPATCH_DEBUG) || defined(JITPATCH_TOOL)
unsigned long fold_fired[FOLD_RULE_COUNT];
const char *const fold_rule_names[FOLD_RULE_COUNT] = {
#define RULE(name, text) #name,
#include "ir/fold_rules.def"
#undef RULE
};
#endif

// What a rule, or something that is one if it finds a value, has come to.
static inline Ref
rule(FoldRule r, Ref ref)
{
    if (ref != NO_REF) {
        fold_count(r);
    }
    return ref;
}

// What is checked cannot be: the path that was recorded cannot be taken.
static Ref
contradiction(Builder *b, FoldRule r)
{
    fold_count(r);
    b->abort = ABORT_CONTRADICTION;
    return NO_REF;
}

static bool
is_k(const Builder *b, Ref ref, int64_t v)
{
    return ref_is_const(ref) && (int64_t)trace_konst(b->t, ref) == v;
}

// --- integers ---------------------------------------------------------------------------------

static bool
int_constants(int op, int64_t x, int64_t y, int64_t *out)
{
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

// A constant that may stand on either side stands on the right.
static void
commute(int op, Ref in[])
{
    if (ref_is_const(in[0]) && !ref_is_const(in[1]) && is_commutative(op)) {
        Ref swap = in[0];
        in[0] = rule(RULE_COMMUTE, in[1]);
        in[1] = swap;
    }
}

static Ref
fold_int(Builder *b, int op, Ref in[], const uint64_t *operand)
{
    (void)operand;
    commute(op, in);
    if (MUTATED(drop_overflow_check) && op == UOP_INT_ADD) {
        return build2(b, UOP_INT_ADD_SURE, in[0], in[1]);
    }
    if (ref_is_const(in[0]) && ref_is_const(in[1])) {
        int64_t v;
        bool fits = int_constants(op, (int64_t)trace_konst(b->t, in[0]), (int64_t)trace_konst(b->t, in[1]), &v);
        return fits ? rule(RULE_INT_CONSTANTS, konst_i64(b, v)) : NO_REF;
    }
    switch (op) {
        case UOP_INT_ADD: case UOP_INT_ADD_SURE: case UOP_INT_SUB: case UOP_INT_OR:
        case UOP_INT_XOR: case UOP_INT_SHR:
            return is_k(b, in[1], 0) ? rule(RULE_INT_ZERO, in[0]) : NO_REF;
        case UOP_INT_MUL:
            return is_k(b, in[1], 1) ? rule(RULE_INT_ONE, in[0]) : NO_REF;
        case UOP_INT_AND:
            return is_k(b, in[1], -1) ? rule(RULE_INT_ALL_BITS, in[0]) : NO_REF;
        default:
            return NO_REF;
    }
}

// x // 2**k and x % 2**k need no division.
static Ref
fold_divide(Builder *b, int op, Ref in[], const uint64_t *operand)
{
    (void)operand;
    if (!ref_is_const(in[1])) {
        return NO_REF;
    }
    int64_t y = (int64_t)trace_konst(b->t, in[1]);
    if (y > 0 && (y & (y - 1)) == 0) {
        if (op == UOP_INT_MOD) {
            return rule(RULE_MOD_POWER, build2(b, UOP_INT_AND, in[0], konst_i64(b, y - 1)));
        }
        if (y == 1) {
            return rule(RULE_DIVIDE_BY_ONE, in[0]);
        }
        uint64_t shift = (uint64_t)__builtin_ctzll((uint64_t)y);
        return rule(RULE_DIVIDE_BY_POWER, build(b, UOP_INT_FLOORDIV_POW2, in[0], 0, 0, shift, 0));
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
fold_int_guard(Builder *b, int op, Ref in[], const uint64_t *operand)
{
    (void)operand;
    static const int compare[] = {UOP_INT_LT, UOP_INT_LE, UOP_INT_EQ, UOP_INT_NE, UOP_INT_GT,
                                  UOP_INT_GE};
    if (op == UOP_GUARD_INT_GE && is_next_of_guarded(b, in)) {
        return rule(RULE_GUARD_OF_NEXT, FOLD_DROPPED);
    }
    commute(op, in);
    if (ref_is_const(in[0]) && ref_is_const(in[1])) {
        int64_t v = 0;
        int_constants(compare[op - UOP_GUARD_INT_LT], (int64_t)trace_konst(b->t, in[0]),
                      (int64_t)trace_konst(b->t, in[1]), &v);
        return v ? rule(RULE_GUARD_OF_CONSTANTS, FOLD_DROPPED) : contradiction(b, RULE_GUARD_FAILS);
    }
    return NO_REF;
}

// --- floats -----------------------------------------------------------------------------------

static Ref
fold_float(Builder *b, int op, Ref in[], const uint64_t *operand)
{
    (void)operand;
    if (!ref_is_const(in[0]) || !ref_is_const(in[1])) {
        return NO_REF;
    }
    double x = konst_as_f64(b->t, in[0]), y = konst_as_f64(b->t, in[1]);
    double v = op == UOP_FLOAT_ADD ? x + y : op == UOP_FLOAT_SUB ? x - y : x * y;
    return rule(RULE_FLOAT_CONSTANTS, konst_f64(b, v));
}

// The value of a loop over range(): that it is exact as a double follows from where the range ends,
// which does not change, and from where it began.
static Ref
fold_to_float(Builder *b, int op, Ref in[], const uint64_t *operand)
{
    (void)op, (void)operand;
    const Trace *t = b->t;
    const Ref value = in[0];
    const int64_t exact = 1LL << 53;
    if (ref_is_const(value)) {
        int64_t v = (int64_t)trace_konst(t, value);
        return v > -exact && v < exact ? rule(RULE_TO_FLOAT_CONSTANT, konst_f64(b, (double)v)) : NO_REF;
    }
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
        return rule(RULE_TO_FLOAT_IN_RANGE, build1(b, UOP_INT_TO_FLOAT_SURE, value));
    }
    return NO_REF;
}

// --- boxes ------------------------------------------------------------------------------------

static Ref
fold_unbox(Builder *b, int op, Ref in[], const uint64_t *operand)
{
    (void)operand;
    if (ref_is_const(in[0])) {
        PyObject *o = konst_as_obj(b->t, in[0]);
        if (op == UOP_UNBOX_FLOAT) {
            return rule(RULE_UNBOX_CONSTANT, konst_f64(b, PyFloat_AS_DOUBLE(o)));
        }
        int overflow;
        int64_t v = PyLong_AsLongLongAndOverflow(o, &overflow);
        return overflow ? NO_REF : rule(RULE_UNBOX_CONSTANT, konst_i64(b, v));
    }
    const Ins *from = &b->t->ins[in[0]];
    switch (from->op) {
        case UOP_BOX_INT: case UOP_BOX_FLOAT: case UOP_BOX_BOOL:
        case UOP_SLOT_BOX: case UOP_SLOT_BOX_FLOAT: case UOP_SLOT_ENSURE: case UOP_SLOT_ENSURE_FLOAT:
            return rule(RULE_UNBOX_OF_BOX, from->in[0]);
        default:
            return NO_REF;
    }
}

static Ref
fold_box_bool(Builder *b, int op, Ref in[], const uint64_t *operand)
{
    (void)op, (void)operand;
    return ref_is_const(in[0])
        ? rule(RULE_BOX_BOOL_CONSTANT, konst_obj(b, trace_konst(b->t, in[0]) ? Py_True : Py_False)) : NO_REF;
}

static Ref
fold_guard_type(Builder *b, int op, Ref in[], const uint64_t *operand)
{
    (void)op;
    PyTypeObject *known = known_type(b, in[0]);
    if (known == NULL) {
        learn_type(b, in[0], (PyTypeObject *)(uintptr_t)operand[0]);
        // learn first: the instruction is appended now, in any case
        return MUTATED(drop_guard) ? FOLD_DROPPED : NO_REF;
    }
    if (known == (PyTypeObject *)(uintptr_t)operand[0]) {
        return rule(RULE_TYPE_IS_KNOWN, FOLD_DROPPED);
    }
    return contradiction(b, RULE_TYPE_IS_ANOTHER);
}

// Objects that were made in this trace are no object known before.
static bool
is_fresh(const Builder *b, Ref ref)
{
    return !ref_is_const(ref) && (uop_table[b->t->ins[ref].op].flags & ALLOC)
        && b->t->ins[ref].op != UOP_BOX_INT;
}

// Is it the same object? -1: not known.
static int
is_same(Builder *b, Ref x, Ref y)
{
    if (x == y) {
        fold_count(RULE_SAME_REF);
        return 1;
    }
    if (ref_is_const(x) && ref_is_const(y)) {
        fold_count(RULE_SAME_CONSTANTS);
        return 0;
    }
    return -1;
}

// The same for an object of the trace and one known when recording; NULL: nothing is there.
static int
is_object(Builder *b, Ref ref, PyObject *o)
{
    if (ref_is_const(ref)) {
        fold_count(RULE_IS_CONSTANT);
        return konst_as_obj(b->t, ref) == o;
    }
    if (is_fresh(b, ref)) {
        fold_count(RULE_IS_FRESH);
        return 0;
    }
    if (known_type(b, ref) != NULL && o != NULL && known_type(b, ref) != Py_TYPE(o)) {
        fold_count(RULE_IS_OF_OTHER_TYPE);
        return 0;
    }
    return -1;
}

static Ref
fold_identity_guard(Builder *b, int op, Ref in[], const uint64_t *operand)
{
    bool two = op == UOP_GUARD_SAME || op == UOP_GUARD_NOT_SAME;
    int same = two ? is_same(b, in[0], in[1]) : is_object(b, in[0], (PyObject *)(uintptr_t)operand[0]);
    if (same < 0) {
        return NO_REF;
    }
    bool wanted = op == UOP_GUARD_SAME || op == UOP_GUARD_IS;
    return wanted == (same == 1) ? rule(RULE_IDENTITY_HOLDS, FOLD_DROPPED) : contradiction(b, RULE_IDENTITY_FAILS);
}

static Ref
fold_guard_bound(Builder *b, int op, Ref in[], const uint64_t *operand)
{
    (void)op, (void)operand;
    if (ref_is_const(in[0])) {
        return konst_as_obj(b->t, in[0]) != NULL ? rule(RULE_BOUND_CONSTANT, FOLD_DROPPED)
                                                 : contradiction(b, RULE_BOUND_NULL);
    }
    if (b->facts[in[0]] & FACT_NONNULL) {
        return rule(RULE_BOUND_CHECKED, FOLD_DROPPED);
    }
    b->facts[in[0]] |= FACT_NONNULL;
    return known_type(b, in[0]) != NULL ? rule(RULE_BOUND_HAS_TYPE, FOLD_DROPPED) : NO_REF;
}

static Ref
fold_guard_index(Builder *b, int op, Ref in[], const uint64_t *operand)
{
    (void)op, (void)operand;
    return ref_is_const(in[0]) && ref_is_const(in[1]) && trace_konst(b->t, in[0]) < trace_konst(b->t, in[1])
        ? rule(RULE_INDEX_CONSTANTS, FOLD_DROPPED) : NO_REF;
}

static Ref
fold_count_of(Builder *b, int op, Ref in[], const uint64_t *operand)
{
    (void)operand;
    if (MUTATED(lose_reference) && op == UOP_INCREF) {
        return FOLD_DROPPED;
    }
    return ref_is_const(in[0]) && _Py_IsImmortal(konst_as_obj(b->t, in[0])) ? rule(RULE_COUNT_OF_IMMORTAL, FOLD_DROPPED)
                                                                           : NO_REF;
}

static Ref
fold_guard_quiet(Builder *b, int op, Ref in[], const uint64_t *operand)
{
    (void)op, (void)operand;
    PyTypeObject *type = ref_is_const(in[0]) ? Py_TYPE(konst_as_obj(b->t, in[0])) : known_type(b, in[0]);
    return type != NULL && build_is_quiet(type) ? rule(RULE_QUIET_TYPE, FOLD_DROPPED) : NO_REF;
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

static Ref fold_made_field(const Builder *b, Ref object, uint64_t offset);

static Ref
fold_field_load(Builder *b, int op, Ref in[], const uint64_t *operand)
{
    (void)op;
    Ref part = fold_made_field(b, in[0], operand[0]);
    if (part != NO_REF) {
        return part;
    }
    Ref stored = rule(RULE_FIELD_STORED, forward(b, UOP_FIELD_STORE, in[0], operand[0], NO_REF, 1));
    return stored != NO_REF ? stored : rule(RULE_FIELD_LOADED, reload_field(b, in[0], operand[0]));
}

// What a slot of a generator's frame holds: what was stored there last, or was found there since.
// Another frame may be the same one under another ref: a store to its slot ends the search.
static Ref
fold_frame_load(Builder *b, int op, Ref in[], const uint64_t *operand)
{
    (void)op;
    const Ref frame = in[0];
    const uint64_t offset = operand[0];
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
            return rule(RULE_FRAME_LOADED, ref);
        }
    }
    return rule(RULE_FRAME_STORED, content);
}

// A generator that this trace has left waiting waits there still, unless unknown code has run or
// another one, which may be the same under another ref, was resumed.
static Ref
fold_guard_waits(Builder *b, int op, Ref in[], const uint64_t *operand)
{
    (void)op;
    Ref ref = b->t->chain[UOP_GENERATOR_WAITS];
    return ref > b->last_escape && b->t->ins[ref].in[0] == in[0] && b->t->ins[ref].operand[0] == operand[0]
        ? rule(RULE_WAITS_STILL, FOLD_DROPPED) : NO_REF;
}

static Ref
fold_guard_unwatched(Builder *b, int op, Ref in[], const uint64_t *operand)
{
    (void)op, (void)in;
    Ref last = b->t->chain[UOP_GUARD_UNWATCHED];
    return last > b->last_escape && b->t->ins[last].operand[0] == operand[0] ? rule(RULE_UNWATCHED_STILL, FOLD_DROPPED)
                                                                            : NO_REF;
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
        return rule(RULE_FIELD_OF_METHOD, offset == offsetof(PyMethodObject, im_func) ? ins->in[0]
            : offset == offsetof(PyMethodObject, im_self) ? ins->in[1] : NO_REF);
    }
    if (ins->op == UOP_FUNCTION_PACK) {
        return rule(RULE_FIELD_OF_FUNCTION, offset == offsetof(PyFunctionObject, func_globals) ? ins->in[1]
            : offset == offsetof(PyFunctionObject, func_code) && object > b->last_escape ? ins->in[0] : NO_REF);
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
fold_iter_load(Builder *b, int op, Ref in[], const uint64_t *operand)
{
    (void)operand;
    const Trace *t = b->t;
    const Ref object = in[0];
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
            return rule(RULE_RANGE_START, set->op == UOP_RANGE_SET || set->op == UOP_RANGE_SET_START ? set->in[1] : NO_REF);
        case UOP_RANGE_LEN:
            return rule(RULE_RANGE_LEN, set->op == UOP_RANGE_SET ? set->in[2] : NO_REF);
        case UOP_RANGE_END:             // an iterator has one step
            return rule(RULE_RANGE_END, set->op == UOP_RANGE_SET_START ? set->in[2] : NO_REF);
        default:
            return rule(RULE_ITER_INDEX, set->op == UOP_ITER_SET_INDEX ? set->in[1] : NO_REF);
    }
}

static Ref
fold_iter_word(Builder *b, int op, Ref in[], const uint64_t *operand)
{
    (void)op;
    return rule(RULE_ITER_WORD, forward(b, UOP_ITER_SET_WORD, in[0], operand[0], NO_REF, 1));
}

static Ref
fold_cell_load(Builder *b, int op, Ref in[], const uint64_t *operand)
{
    (void)op, (void)operand;
    return rule(RULE_CELL_STORED, forward(b, UOP_CELL_STORE, in[0], 0, NO_REF, 1));
}

static Ref
fold_list_item(Builder *b, int op, Ref in[], const uint64_t *operand)
{
    (void)op, (void)operand;
    return b->last_write[MEM_LIST] == b->t->chain[UOP_LIST_SET]
        ? rule(RULE_LIST_STORED, forward(b, UOP_LIST_SET, in[0], 0, in[1], 2)) : NO_REF;
}

// A module's variable: stores to other names do not change it, other writes to dicts may.
static Ref
fold_global_load(Builder *b, int op, Ref in[], const uint64_t *operand)
{
    (void)op, (void)operand;
    const Trace *t = b->t;
    Ref limit = b->last_write[MEM_DICT] > b->last_escape ? b->last_write[MEM_DICT] : b->last_escape;
    for (Ref ref = t->chain[UOP_GLOBAL_STORE]; ref > limit; ref = t->ins[ref].chain) {
        if (t->ins[ref].in[0] == in[0] && t->ins[ref].in[1] == in[1]) {
            return rule(RULE_GLOBAL_STORED, t->ins[ref].in[2]);
        }
    }
    for (Ref ref = t->chain[UOP_GLOBAL_LOAD]; ref > limit; ref = t->ins[ref].chain) {
        if (t->ins[ref].in[0] == in[0] && t->ins[ref].in[1] == in[1]) {
            return rule(RULE_GLOBAL_LOADED, ref);
        }
    }
    return NO_REF;
}

static Ref
fold_tuple_item(Builder *b, int op, Ref in[], const uint64_t *operand)
{
    (void)op, (void)operand;
    const Ref tuple = in[0], index = in[1];
    if (!ref_is_const(index)) {
        return NO_REF;
    }
    int64_t i = (int64_t)trace_konst(b->t, index);
    if (ref_is_const(tuple)) {
        return rule(RULE_ITEM_OF_CONSTANT, konst_obj(b, PyTuple_GET_ITEM(konst_as_obj(b->t, tuple), i)));
    }
    const Ins *ins = &b->t->ins[tuple];
    return rule(RULE_ITEM_OF_PACK, ins->op == UOP_TUPLE_PACK ? ins->in[i] : NO_REF);
}

static Ref
fold_tuple_len(Builder *b, int op, Ref in[], const uint64_t *operand)
{
    (void)op, (void)operand;
    if (ref_is_const(in[0])) {
        return rule(RULE_TUPLE_LEN_CONSTANT, konst_i64(b, Py_SIZE(konst_as_obj(b->t, in[0]))));
    }
    const Ins *pack = &b->t->ins[in[0]];
    return pack->op == UOP_TUPLE_PACK ? rule(RULE_TUPLE_LEN_PACK, konst_i64(b, (int64_t)pack->operand[0])) : NO_REF;
}

static Ref
fold_str_len(Builder *b, int op, Ref in[], const uint64_t *operand)
{
    (void)op, (void)operand;
    return ref_is_const(in[0]) && PyUnicode_CheckExact(konst_as_obj(b->t, in[0]))
        ? rule(RULE_STR_LEN_CONSTANT, konst_i64(b, PyUnicode_GET_LENGTH(konst_as_obj(b->t, in[0])))) : NO_REF;
}

// --- which rules for which uop -------------------------------------------------------------------

typedef Ref (*Fold)(Builder *b, int op, Ref in[], const uint64_t *operand);

static const Fold folds[UOP_COUNT] = {
    [UOP_INT_ADD] = fold_int, [UOP_INT_ADD_SURE] = fold_int, [UOP_INT_SUB] = fold_int, [UOP_INT_MUL] = fold_int,
    [UOP_INT_AND] = fold_int, [UOP_INT_OR] = fold_int, [UOP_INT_XOR] = fold_int, [UOP_INT_SHR] = fold_int,
    [UOP_INT_LT] = fold_int, [UOP_INT_LE] = fold_int, [UOP_INT_EQ] = fold_int, [UOP_INT_NE] = fold_int,
    [UOP_INT_GT] = fold_int, [UOP_INT_GE] = fold_int,
    [UOP_INT_FLOORDIV] = fold_divide, [UOP_INT_MOD] = fold_divide,
    [UOP_GUARD_INT_LT] = fold_int_guard, [UOP_GUARD_INT_LE] = fold_int_guard, [UOP_GUARD_INT_EQ] = fold_int_guard,
    [UOP_GUARD_INT_NE] = fold_int_guard, [UOP_GUARD_INT_GT] = fold_int_guard, [UOP_GUARD_INT_GE] = fold_int_guard,
    [UOP_FLOAT_ADD] = fold_float, [UOP_FLOAT_SUB] = fold_float, [UOP_FLOAT_MUL] = fold_float,
    [UOP_INT_TO_FLOAT] = fold_to_float,
    [UOP_UNBOX_INT] = fold_unbox, [UOP_UNBOX_FLOAT] = fold_unbox, [UOP_UNBOX_BOOL] = fold_unbox,
    [UOP_BOX_BOOL] = fold_box_bool,
    [UOP_GUARD_TYPE] = fold_guard_type,
    [UOP_GUARD_IS] = fold_identity_guard, [UOP_GUARD_IS_NOT] = fold_identity_guard,
    [UOP_GUARD_SAME] = fold_identity_guard, [UOP_GUARD_NOT_SAME] = fold_identity_guard,
    [UOP_GUARD_BOUND] = fold_guard_bound,
    [UOP_GUARD_INDEX] = fold_guard_index,
    [UOP_GUARD_QUIET] = fold_guard_quiet,
    [UOP_GUARD_UNWATCHED] = fold_guard_unwatched,
    [UOP_GUARD_WAITS] = fold_guard_waits,
    [UOP_INCREF] = fold_count_of, [UOP_DECREF] = fold_count_of, [UOP_DECREF_SIMPLE] = fold_count_of,
    [UOP_DECREF_SHARED] = fold_count_of, [UOP_DECREF_FLOAT] = fold_count_of,
    [UOP_FIELD_LOAD] = fold_field_load,
    [UOP_GLOBAL_LOAD] = fold_global_load,
    [UOP_FRAME_LOAD] = fold_frame_load,
    [UOP_ITER_WORD] = fold_iter_word,
    [UOP_CELL_LOAD] = fold_cell_load,
    [UOP_LIST_ITEM] = fold_list_item,
    [UOP_RANGE_START] = fold_iter_load, [UOP_RANGE_LEN] = fold_iter_load, [UOP_RANGE_END] = fold_iter_load,
    [UOP_ITER_INDEX] = fold_iter_load,
    [UOP_TUPLE_LEN] = fold_tuple_len, [UOP_TUPLE_ITEM] = fold_tuple_item,
    [UOP_STR_LEN] = fold_str_len,
};

Ref
fold(Builder *b, int op, Ref in[MAX_INPUTS], const uint64_t operand[MAX_OPERANDS])
{
    return folds[op] == NULL ? NO_REF : folds[op](b, op, in, operand);
}
