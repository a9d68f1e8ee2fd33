// record_arith.c - record functions: arithmetic and comparison.
//
// Ints and floats of the exact builtin types are unboxed. Ints that do not fit, and str, go
// through functions of CPython that run no Python code; everything else through the abstract
// object API, as unknown code, or into the Python function that implements the operator.
#include "base/helpers.h"
#include "front/record.h"
#include "front/snapshot.h"
#include "run/operators.h"

static PyObject *power2(PyObject *a, PyObject *b) { return PyNumber_Power(a, b, Py_None); }
static PyObject *power2_inplace(PyObject *a, PyObject *b) { return PyNumber_InPlacePower(a, b, Py_None); }

static void *const generic[] = {
    PyNumber_Add, PyNumber_And, PyNumber_FloorDivide, PyNumber_Lshift, PyNumber_MatrixMultiply,
    PyNumber_Multiply, PyNumber_Remainder, PyNumber_Or, power2, PyNumber_Rshift, PyNumber_Subtract,
    PyNumber_TrueDivide, PyNumber_Xor, PyNumber_InPlaceAdd, PyNumber_InPlaceAnd,
    PyNumber_InPlaceFloorDivide, PyNumber_InPlaceLshift, PyNumber_InPlaceMatrixMultiply,
    PyNumber_InPlaceMultiply, PyNumber_InPlaceRemainder, PyNumber_InPlaceOr, power2_inplace,
    PyNumber_InPlaceRshift, PyNumber_InPlaceSubtract, PyNumber_InPlaceTrueDivide,
    PyNumber_InPlaceXor};

static void
drop2(Recorder *r)
{
    release(r, peek(r, 1));             // the left one goes first
    release(r, peek(r, 0));
    (void)pop(r);
    (void)pop(r);
}

static bool
is_small_int(PyObject *o)
{
    return (PyLong_CheckExact(o) && fits_i64(o)) || PyBool_Check(o);
}

// Would INT_TO_FLOAT stay on the trace? If not, the trace had better not go that way.
bool
is_exact_as_float(PyObject *o)
{
    if (!PyLong_Check(o)) {
        return true;
    }
    int overflow;
    int64_t v = PyLong_AsLongLongAndOverflow(o, &overflow);
    return !overflow && v >= -(1LL << 53) && v <= 1LL << 53;
}

// --- ints -------------------------------------------------------------------------------------

// Would the operation on these very values leave the trace? Then it is recorded on big ints.
static bool
int_op_fits(int op, int64_t x, int64_t y)
{
    int64_t out;
    switch (op) {
        case OP_ADD: return !__builtin_add_overflow(x, y, &out);
        case OP_SUB: return !__builtin_sub_overflow(x, y, &out);
        case OP_MUL: return !__builtin_mul_overflow(x, y, &out);
        case OP_LSHIFT: return y >= 0 && y <= 62 && ((int64_t)((uint64_t)x << y) >> y) == x;
        case OP_RSHIFT: return y >= 0;
        case OP_FLOORDIV: case OP_MOD: return y != 0 && y != -1;
        case OP_AND: case OP_OR: case OP_XOR: return true;
        case OP_TRUEDIV:
            return y != 0 && x > -(1LL << 53) && x < (1LL << 53) && y > -(1LL << 53) && y < (1LL << 53);
        default: return false;
    }
}

static Ref
int_op(Recorder *r, int op, Ref a, Ref b)
{
    static const int uops[] = {
        [OP_ADD] = UOP_INT_ADD, [OP_AND] = UOP_INT_AND, [OP_FLOORDIV] = UOP_INT_FLOORDIV,
        [OP_LSHIFT] = UOP_INT_SHL, [OP_MUL] = UOP_INT_MUL, [OP_MOD] = UOP_INT_MOD,
        [OP_OR] = UOP_INT_OR, [OP_RSHIFT] = UOP_INT_SHR, [OP_SUB] = UOP_INT_SUB,
        [OP_XOR] = UOP_INT_XOR};
    return build2(&r->b, uops[op], a, b);
}

// Small non-negative powers by multiplication, as many as the exponent asks for.
static Ref
int_power(Recorder *r, Ref base, int64_t exponent)
{
    Ref result = konst_i64(&r->b, 1);
    for (int64_t i = 0; i < exponent; i++) {
        result = build2(&r->b, UOP_INT_MUL, result, base);
    }
    return result;
}

static bool
record_int(Recorder *r, int op, Ref a, Ref b, PyObject *x, PyObject *y)
{
    int overflow;
    int64_t vx = PyLong_AsLongLongAndOverflow(x, &overflow);
    int64_t vy = PyLong_AsLongLongAndOverflow(y, &overflow);
    if (PyBool_Check(x) && PyBool_Check(y) && (op == OP_AND || op == OP_OR || op == OP_XOR)) {
        Ref p = as_int(r, a, x), q = as_int(r, b, y);
        drop2(r);
        push_truth(r, int_op(r, op, p, q));
        return true;
    }
    if (op == OP_POW) {
        double size = vx < 0 ? -(double)vx : (double)vx, result = 1;
        if (vy < 0 || vy > 4) {
            return false;
        }
        for (int64_t i = 0; i < vy; i++) {
            result *= size;
        }
        if (result > 4e18) {
            return false;
        }
        Ref p = as_int(r, a, x), q = as_int(r, b, y);
        build2(&r->b, UOP_GUARD_INT_EQ, q, konst_i64(&r->b, vy));
        Ref power = int_power(r, p, vy);
        drop2(r);
        push_int(r, power);
        return true;
    }
    if (!int_op_fits(op, vx, vy)) {
        return false;
    }
    if (op == OP_TRUEDIV && !(is_exact_as_float(x) && is_exact_as_float(y))) {
        return false;
    }
    Ref p = as_int(r, a, x), q = as_int(r, b, y);
    if (op == OP_TRUEDIV) {
        Ref quotient = build2(&r->b, UOP_INT_TRUEDIV, p, q);
        drop2(r);
        push_float(r, quotient);
        return true;
    }
    Ref result = int_op(r, op, p, q);
    drop2(r);
    push_int(r, result);
    return true;
}

// --- floats -----------------------------------------------------------------------------------

static bool
record_float(Recorder *r, int op, Ref a, Ref b, PyObject *x, PyObject *y)
{
    Builder *bd = &r->b;
    if (!is_exact_as_float(x) || !is_exact_as_float(y)) {
        return false;
    }
    double vy = PyFloat_CheckExact(y) ? PyFloat_AS_DOUBLE(y) : PyLong_AsDouble(y);
    double vx = PyFloat_CheckExact(x) ? PyFloat_AS_DOUBLE(x) : PyLong_AsDouble(x);
    switch (op) {
        case OP_ADD: case OP_SUB: case OP_MUL: break;
        case OP_TRUEDIV: case OP_FLOORDIV: case OP_MOD:
            if (vy == 0.0) {
                return false;
            }
            break;
        case OP_POW:
            if (!help_float_pow_fits(vx, vy)) {
                return false;
            }
            break;
        default:
            return false;
    }
    Ref p = as_float(r, a, x), q = as_float(r, b, y), result;
    switch (op) {
        case OP_ADD: result = build2(bd, UOP_FLOAT_ADD, p, q); break;
        case OP_SUB: result = build2(bd, UOP_FLOAT_SUB, p, q); break;
        case OP_MUL: result = build2(bd, UOP_FLOAT_MUL, p, q); break;
        case OP_TRUEDIV: result = build2(bd, UOP_FLOAT_DIV, p, q); break;
        case OP_FLOORDIV: result = build2(bd, UOP_FLOAT_FLOORDIV, p, q); break;
        case OP_MOD: result = build2(bd, UOP_FLOAT_MOD, p, q); break;
        default: result = build2(bd, UOP_FLOAT_POW, p, q); break;
    }
    drop2(r);
    push_float(r, result);
    return true;
}

// --- what dies of it ----------------------------------------------------------------------------
//
// `s = s + t` and `s += t`: when the result is stored, the variable lets the old object go. So where nobody
// else has a reference to it, it can be grown (str, as BINARY_OP_INPLACE_ADD_UNICODE does), or its items can
// move into the result (list, tuple). Whether that is so only the reference count says, at run time. It must be
// exact, then:
// - The variable and the stack have one reference together in the trace, where the interpreter has two, of
//   which it drops the variable's first: both compare with 1.
// - Any other slot that holds the same ref may share that reference: so there must be none (holders()).
// - A borrowed object is counted (own_borrowed) as long as a slot holds it. opt_refs.c leaves that out only
//   where something else has a counted reference, and never around an instruction that looks at the count of
//   this very ref (counts_input).
// - The same object under another ref came from another place, which has a counted reference of its own.

// The variable that the next bytecode stores the result in, as the interpreter looks for it; or -1.
static int
stored_next(Recorder *r, const Instr *in)
{
    Instr next;
    if (compat_decode(top_frame(r)->code, in->next, &next) < 0) {
        PyErr_Clear();
        return -1;
    }
    return next.op == BC_STORE_FAST && next.offset == in->next ? next.oparg : -1;
}

// The left operand's ref, if it is that of the variable and the trace has no other use for it; else NO_REF.
static Ref
dying_left(Recorder *r, int variable)
{
    Ref left = peek(r, 1);
    if (variable < 0 || ref_is_const(left)) {
        return NO_REF;
    }
    Slot slot = r->slots[top_frame(r)->base + variable];   // not slot_at(): it need not be looked at
    return slot.state == SLOT_HOLDS && slot.ref == left && holders(r, left) == 2 ? left : NO_REF;
}

// The same object, and nobody else's, but met under two refs: `s = str(s) + t`. The variable's is dropped.
static bool
merge_refs(Recorder *r, int variable, PyObject *x)
{
    if (variable < 0 || concrete_local(r, variable) != x || Py_REFCNT(x) != 2) {
        return false;
    }
    Ref left = peek(r, 1), other = get_local(r, variable);
    if (ref_is_const(left) || ref_is_const(other) || holders(r, left) != 1 || holders(r, other) != 1) {
        return false;
    }
    build2(&r->b, UOP_GUARD_SAME, left, other);
    for (; r->own[other] > 0; r->own[other]--) {
        build1(&r->b, UOP_DECREF_SHARED, other);
    }
    return true;
}

// The variable is unbound if this raises: the interpreter has let it go by then, too.
static bool
record_str_append(Recorder *r, const Instr *in, PyObject *x, PyObject *y)
{
    int variable = stored_next(r, in);
    if (!PyUnicode_CheckExact(x) || !PyUnicode_CheckExact(y) || variable < 0) {
        return false;
    }
    guard_type(&r->b, peek(r, 1), &PyUnicode_Type);
    guard_type(&r->b, peek(r, 0), &PyUnicode_Type);
    if (dying_left(r, variable) == NO_REF && !merge_refs(r, variable, x)) {
        return false;
    }
    Ref right = pop(r), left = pop(r);
    r->slots[top_frame(r)->base + variable] = (Slot){NO_REF, SLOT_EMPTY};
    release(r, right);
    for (; r->own[left] > 1; r->own[left]--) {
        build1(&r->b, UOP_DECREF_SHARED, left);
    }
    r->own[left] = 0;
    settle(r);
    r->b.snap = snapshot_take(r);
    Ref result = build_raw(&r->b, UOP_STR_APPEND, left, right, 0, 0, 0);
    learn_type(&r->b, result, &PyUnicode_Type);
    push_owned(r, result);
    return true;
}

static bool
record_join(Recorder *r, const Instr *in, PyObject *x, PyObject *y)
{
    bool lists = PyList_CheckExact(x) && PyList_CheckExact(y);
    if (!lists && !(PyTuple_CheckExact(x) && PyTuple_CheckExact(y))) {
        return false;
    }
    guard_type(&r->b, peek(r, 1), Py_TYPE(x));
    guard_type(&r->b, peek(r, 0), Py_TYPE(x));
    Ref left = dying_left(r, stored_next(r, in));
    if (left == NO_REF || r->own[left] != 1) {
        return false;
    }
    void *join = lists ? (void *)help_list_join : (void *)help_tuple_join;
    Ref result = build_raw(&r->b, UOP_JOIN_MOVING, left, peek(r, 0), 0, fn(join), 0);
    drop2(r);
    learn_type(&r->b, result, Py_TYPE(x));
    push_owned(r, result);
    return true;
}

// --- constants ----------------------------------------------------------------------------------

enum { MAX_CONSTANT = 256 };            // characters

// str + str of constants: the same each time, so it is made once. Only `is` could tell that from
// a new object; that '' + s is s itself stays so.
static bool
record_constant_sum(Recorder *r, PyObject *x, PyObject *y)
{
    Ref a = peek(r, 1), b = peek(r, 0);
    if (!ref_is_const(a) || !ref_is_const(b) || !PyUnicode_CheckExact(x) || !PyUnicode_CheckExact(y)) {
        return false;
    }
    PyObject *p = konst_as_obj(r->t, a), *q = konst_as_obj(r->t, b);
    if (PyUnicode_GET_LENGTH(p) + PyUnicode_GET_LENGTH(q) > MAX_CONSTANT) {
        return false;
    }
    PyObject *sum = PyUnicode_Concat(p, q);
    if (sum == NULL) {
        PyErr_Clear();
        r->b.abort = ABORT_MEMORY;
        return true;
    }
    Ref result = konst_obj(&r->b, sum);
    Py_DECREF(sum);
    drop2(r);
    push(r, result);
    return true;
}

// --- everything else ----------------------------------------------------------------------------

// Operations on builtin types that run no Python code. (An in-place one names itself in what it raises.)
static bool
record_quiet(Recorder *r, int oparg, Ref a, Ref b, PyObject *x, PyObject *y)
{
    int op = oparg % OP_INPLACE;
    PyTypeObject *tx = Py_TYPE(x), *ty = Py_TYPE(y);
    bool numbers = (tx == &PyLong_Type || tx == &PyFloat_Type || tx == &PyBool_Type)
        && (ty == &PyLong_Type || ty == &PyFloat_Type || ty == &PyBool_Type) && op != OP_MATMUL;
    bool strings = op == OP_ADD && tx == ty && (tx == &PyUnicode_Type || tx == &PyBytes_Type);
    bool repeat = op == OP_MUL && (tx == &PyUnicode_Type || tx == &PyBytes_Type) && ty == &PyLong_Type;
    bool sequences = op == OP_ADD && tx == ty && (tx == &PyTuple_Type || tx == &PyList_Type);
    bool repeats = op == OP_MUL && (tx == &PyList_Type || tx == &PyTuple_Type) && ty == &PyLong_Type;
    if (!numbers && !strings && !repeat && !sequences && !repeats) {
        return false;
    }
    guard_type(&r->b, a, tx);
    guard_type(&r->b, b, ty);
    a = real(r, a);
    b = real(r, b);
    Ref result = build_raw(&r->b, UOP_C_FROM2, a, b, 0, fn(generic[oparg]), 0);
    drop2(r);
    if (!numbers) {
        learn_type(&r->b, result, tx);
    }
    push_owned(r, result);
    return true;
}

// list += list or tuple: nothing is let go and no code runs; the list stays where it is on the stack.
static bool
record_list_extend(Recorder *r, int oparg, PyObject *x, PyObject *y)
{
    if (oparg != OP_INPLACE + OP_ADD || !PyList_CheckExact(x)
        || (!PyList_CheckExact(y) && !PyTuple_CheckExact(y))) {
        return false;
    }
    guard_type(&r->b, peek(r, 1), &PyList_Type);
    guard_type(&r->b, peek(r, 0), Py_TYPE(y));
    Ref none = build_raw(&r->b, UOP_CALL2, peek(r, 1), peek(r, 0), 0, fn((void *)compat_list_extend), 0);
    release(r, pop(r));
    owned(r, none);
    release(r, none);
    return true;
}

RECORD(BINARY_OP)
{
    Ref a = peek(r, 1), b = peek(r, 0);
    PyObject *x = concrete(r, 1), *y = concrete(r, 0);
    int op = in->oparg % OP_INPLACE;
    bool fx = PyFloat_CheckExact(x), fy = PyFloat_CheckExact(y);
    if (is_small_int(x) && is_small_int(y)) {
        if (record_int(r, op, a, b, x, y)) {
            return;
        }
    }
    else if ((fx || is_small_int(x)) && (fy || is_small_int(y))) {
        if (record_float(r, op, a, b, x, y)) {
            return;
        }
    }
    bool inplace = in->oparg >= OP_INPLACE;
    if (op == OP_ADD && (record_constant_sum(r, x, y) || record_str_append(r, in, x, y)
                         || (!(inplace && PyList_CheckExact(x)) && record_join(r, in, x, y)))) {
        return;
    }
    if (!(inplace && (PyList_CheckExact(x))) && record_quiet(r, in->oparg, a, b, x, y)) {
        return;
    }
    if (record_list_extend(r, in->oparg, x, y) || record_binary_method(r, in->oparg)
        || r->b.abort != ABORT_NONE) {
        return;
    }
    Ref result = call_unknown(r, UOP_CALL2, a, b, 0, generic[in->oparg], 0);
    drop2(r);
    push_owned(r, result);
}

RECORD(UNARY_NEGATIVE)
{
    (void)in;
    Ref a = peek(r, 0), result;
    PyObject *x = concrete(r, 0);
    if (PyFloat_CheckExact(x)) {
        result = build1(&r->b, UOP_FLOAT_NEG, as_float(r, a, x));
        release(r, pop(r));
        push_float(r, result);
        return;
    }
    if (is_small_int(x)) {
        result = build1(&r->b, UOP_INT_NEG, as_int(r, a, x));
        release(r, pop(r));
        push_int(r, result);
        return;
    }
    if (record_unary_method(r, "__neg__") || r->b.abort != ABORT_NONE) {
        return;
    }
    result = call_unknown(r, UOP_CALL1, a, 0, 0, (void *)PyNumber_Negative, 0);
    release(r, pop(r));
    push_owned(r, result);
}

RECORD(UNARY_INVERT)
{
    (void)in;
    Ref a = peek(r, 0), result;
    PyObject *x = concrete(r, 0);
    if (PyLong_CheckExact(x) && fits_i64(x)) {
        result = build1(&r->b, UOP_INT_INVERT, as_int(r, a, x));
        release(r, pop(r));
        push_int(r, result);
        return;
    }
    if (record_unary_method(r, "__invert__") || r->b.abort != ABORT_NONE) {
        return;
    }
    result = call_unknown(r, UOP_CALL1, a, 0, 0, (void *)PyNumber_Invert, 0);
    release(r, pop(r));
    push_owned(r, result);
}

// --- comparison -------------------------------------------------------------------------------

// a op b on floats; > and >= swap the operands.
static Ref
float_compare(Recorder *r, int op, Ref p, Ref q)
{
    Builder *b = &r->b;
    switch (op) {
        case Py_LT: return build2(b, UOP_FLOAT_LT, p, q);
        case Py_LE: return build2(b, UOP_FLOAT_LE, p, q);
        case Py_EQ: return build2(b, UOP_FLOAT_EQ, p, q);
        case Py_NE: return build2(b, UOP_FLOAT_NE, p, q);
        case Py_GT: return build2(b, UOP_FLOAT_LT, q, p);
        default: return build2(b, UOP_FLOAT_LE, q, p);
    }
}

static Ref
int_compare(Recorder *r, int op, Ref p, Ref q)
{
    static const int uops[] = {[Py_LT] = UOP_INT_LT, [Py_LE] = UOP_INT_LE, [Py_EQ] = UOP_INT_EQ,
                               [Py_NE] = UOP_INT_NE, [Py_GT] = UOP_INT_GT, [Py_GE] = UOP_INT_GE};
    return build2(&r->b, uops[op], p, q);
}

// str == str; no Python code runs.
static bool
compare_strings(Recorder *r, int op, Ref a, Ref b, PyObject *x, PyObject *y)
{
    if (!PyUnicode_CheckExact(x) || !PyUnicode_CheckExact(y) || (op != Py_EQ && op != Py_NE)) {
        return false;
    }
    guard_type(&r->b, a, &PyUnicode_Type);
    guard_type(&r->b, b, &PyUnicode_Type);
    Ref equal = ref_is_const(a) && ref_is_const(b)
        ? konst_i64(&r->b, PyUnicode_Compare(konst_as_obj(r->t, a), konst_as_obj(r->t, b)) == 0)
        : build_raw(&r->b, UOP_C_INT2, a, b, 0, fn((void *)compat_str_equal), 0);
    drop2(r);
    push_truth(r, op == Py_EQ ? equal
                              : build2(&r->b, UOP_INT_EQ, equal, konst_i64(&r->b, 0)));
    return true;
}

static PyObject *
compare_truth(PyObject *a, PyObject *b, int op)
{
    PyObject *result = PyObject_RichCompare(a, b, op);
    if (result == NULL) {
        return NULL;
    }
    int truth = PyObject_IsTrue(result);
    Py_DECREF(result);
    return truth < 0 ? NULL : PyBool_FromLong(truth);
}

RECORD(COMPARE_OP)
{
    Ref a = peek(r, 1), b = peek(r, 0), result;
    PyObject *x = concrete(r, 1), *y = concrete(r, 0);
    int op = in->oparg >> 5;
    bool fx = PyFloat_CheckExact(x), fy = PyFloat_CheckExact(y);
    if (is_small_int(x) && is_small_int(y)) {
        result = int_compare(r, op, as_int(r, a, x), as_int(r, b, y));
        drop2(r);
        push_truth(r, result);
        return;
    }
    if ((fx || is_small_int(x)) && (fy || is_small_int(y)) && is_exact_as_float(x)
        && is_exact_as_float(y)) {
        result = float_compare(r, op, as_float(r, a, x), as_float(r, b, y));
        drop2(r);
        push_truth(r, result);
        return;
    }
    if (compare_strings(r, op, a, b, x, y)) {
        return;
    }
    if (PyLong_CheckExact(x) && PyLong_CheckExact(y)) {
        guard_type(&r->b, a, &PyLong_Type);
        guard_type(&r->b, b, &PyLong_Type);
        result = build_raw(&r->b, UOP_C_COMPARE, real(r, a), real(r, b), 0, (uint64_t)op, 0);
        drop2(r);
        push(r, result);
        return;
    }
    bool to_bool = in->oparg & 16;      // the bytecode asks for the truth of the result
    if (record_compare_method(r, op, to_bool) || r->b.abort != ABORT_NONE) {
        return;
    }
    void *function = to_bool ? (void *)compare_truth : (void *)PyObject_RichCompare;
    result = call_unknown(r, UOP_CALL2N, a, b, 0, function, (uint64_t)op);
    drop2(r);
    if (to_bool) {
        learn_type(&r->b, result, &PyBool_Type);
    }
    push_owned(r, result);
}

RECORD(IS_OP)
{
    Ref a = real(r, peek(r, 1)), b = real(r, peek(r, 0));
    Ref same = build2(&r->b, UOP_SAME, a, b);
    drop2(r);
    push_truth(r, in->oparg ? build2(&r->b, UOP_INT_EQ, same, konst_i64(&r->b, 0)) : same);
}

RECORD(CONTAINS_OP)
{
    Ref a = peek(r, 1), b = peek(r, 0), found;
    if (record_contains(r, in->oparg) || record_contains_method(r, in->oparg) || r->b.abort != ABORT_NONE) {
        return;
    }
    found = call_unknown(r, UOP_CALLI2, b, a, 0, (void *)PySequence_Contains, 0);
    drop2(r);
    push_truth(r, in->oparg ? build2(&r->b, UOP_INT_EQ, found, konst_i64(&r->b, 0)) : found);
}
