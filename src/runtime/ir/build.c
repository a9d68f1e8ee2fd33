// build.c - see build.h. Appending, constants, sharing of equal instructions, facts.
#include "ir/build.h"
#include "base/mutation.h"
#include <string.h>

static unsigned
konst_slot(uint64_t bits, IRType type)
{
    return (unsigned)((bits * 0x9e3779b97f4a7c15ULL) >> 40) + type;
}

// Empties konst_hash of what the trace before has put there.
static void
forget_konsts(Builder *b, const Trace *t)
{
    unsigned mask = Py_ARRAY_LENGTH(b->konst_hash) - 1;
    for (uint16_t k = 0; k < t->n_konsts; k++) {
        unsigned h = konst_slot(t->konsts[k].bits, t->konsts[k].type);
        while (b->konst_hash[h & mask] != k + 1) {
            h++;
        }
        b->konst_hash[h & mask] = 0;
    }
}

int
builder_begin(Builder *b, Trace *t, long max_ins)
{
    forget_konsts(b, t);
    t->n_ins = 1;                       // ref 0 means "none"
    t->n_konsts = t->n_snaps = 0;
    t->n_entries = t->n_frames = 0;
    t->null_from = t->null_to = 0;
    t->loop_entry = t->loop = t->end = 0;
    t->n_phis = t->n_jump = t->n_copies = 0;
    t->is_side = false;
    memset(t->chain, 0, sizeof(t->chain));
    memset(&t->ins[0], 0, sizeof(Ins));
    b->t = t;
    b->max_ins = (uint16_t)(max_ins < MAX_INS ? max_ins : MAX_INS - 1);
    b->abort = ABORT_NONE;
    b->snap = NO_SNAP;
    memset(b->last_write, 0, sizeof(b->last_write));
    b->last_escape = b->known_from = b->known_to = 0;
    b->entry = 0;
    b->keep = PyList_New(0);
    return b->keep == NULL ? -1 : 0;
}

// --- constants --------------------------------------------------------------------------------

static Ref
konst(Builder *b, IRType type, uint64_t bits)
{
    Trace *t = b->t;
    unsigned mask = sizeof(b->konst_hash) / sizeof(b->konst_hash[0]) - 1;
    unsigned h = konst_slot(bits, type);
    for (;; h++) {
        uint16_t k = b->konst_hash[h & mask];
        if (k == 0) {
            break;
        }
        if (t->konsts[k - 1].bits == bits && t->konsts[k - 1].type == type) {
            return (Ref)((k - 1) | KREF);
        }
    }
    if (t->n_konsts >= MAX_KONSTS) {
        b->abort = ABORT_TOO_LONG;
        return NO_REF;
    }
    t->konsts[t->n_konsts] = (Konst){(uint8_t)type, bits};
    b->konst_hash[h & mask] = t->n_konsts + 1;
    return (Ref)(t->n_konsts++ | KREF);
}

Ref
konst_obj(Builder *b, PyObject *o)
{
    uint16_t before = b->t->n_konsts;
    Ref ref = konst(b, TY_OBJ, (uint64_t)(uintptr_t)o);
    if (b->t->n_konsts != before && o != NULL && PyList_Append(b->keep, o) < 0) {
        PyErr_Clear();
        b->abort = ABORT_MEMORY;
    }
    return ref;
}

Ref
konst_i64(Builder *b, int64_t v)
{
    return konst(b, TY_I64, (uint64_t)v);
}

Ref
konst_f64(Builder *b, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, 8);
    return konst(b, TY_F64, bits);
}

double
konst_as_f64(const Trace *t, Ref ref)
{
    double v;
    uint64_t bits = trace_konst(t, ref);
    memcpy(&v, &bits, 8);
    return v;
}

// --- facts ------------------------------------------------------------------------------------

bool
may_change_class(PyTypeObject *type)
{
    if ((type->tp_flags & Py_TPFLAGS_HEAPTYPE) && !(type->tp_flags & Py_TPFLAGS_IMMUTABLETYPE)) {
        return true;
    }
    return type == &PyModule_Type
        || (type->tp_basicsize == PyModule_Type.tp_basicsize && PyType_IsSubtype(type, &PyModule_Type));
}

bool
build_is_quiet(PyTypeObject *type)
{
    return type == &PyLong_Type || type == &PyFloat_Type || type == &PyUnicode_Type
        || type == &PyBytes_Type || type == &PyBool_Type || type == &PyRange_Type
        || type == &PyRangeIter_Type || type == &PyComplex_Type || type == Py_TYPE(Py_None);
}

PyTypeObject *
known_type(const Builder *b, Ref ref)
{
    if (ref_is_const(ref)) {
        PyObject *o = konst_as_obj(b->t, ref);
        if (o == NULL || !may_change_class(Py_TYPE(o))) {
            return o == NULL ? NULL : Py_TYPE(o);
        }
        for (Ref at = b->t->chain[UOP_GUARD_TYPE]; at > b->last_escape; at = b->t->ins[at].chain) {
            if (b->t->ins[at].in[0] == ref) {
                return (PyTypeObject *)(uintptr_t)b->t->ins[at].operand[0];
            }
        }
        return NULL;
    }
    PyTypeObject *type = b->type[ref];
    // Code that we do not know may assign __class__.
    if (type != NULL && may_change_class(type) && b->type_at[ref] < b->last_escape) {
        return NULL;
    }
    return type;
}

void
learn_type(Builder *b, Ref ref, PyTypeObject *type)
{
    if (!ref_is_const(ref)) {
        b->type[ref] = type;
        b->type_at[ref] = b->t->n_ins;
    }
}

bool
guard_type(Builder *b, Ref ref, PyTypeObject *type)
{
    PyTypeObject *known = known_type(b, ref);
    if (known == type) {
        return true;
    }
    if (known != NULL) {
        b->abort = ABORT_CONTRADICTION;
        return false;
    }
    build(b, UOP_GUARD_TYPE, ref, 0, 0, (uint64_t)(uintptr_t)type, 0);
    if (type->tp_flags & Py_TPFLAGS_HEAPTYPE
        && b->met_class != NULL && b->met_class(type) < 0) {
        PyErr_Clear();
        b->abort = ABORT_MEMORY;
    }
    learn_type(b, ref, type);
    return true;
}

int
pack_items(const Ins *pack, Ref items[MAX_INPUTS])
{
    int first = pack->op == UOP_FUNCTION_PACK ? 2 : 0;      // code and globals stay without it
    int n = pack->op == UOP_FUNCTION_PACK ? 1 : (int)pack->operand[0];
    memcpy(items, pack->in + first, (size_t)n * sizeof(Ref));
    return n;
}

// --- appending --------------------------------------------------------------------------------

// Type of the result of instructions that always make the same kind of object.
static PyTypeObject *
result_type(const Builder *b, int op)
{
    (void)b;
    switch (op) {
        case UOP_BOX_INT: case UOP_SLOT_BOX: case UOP_SLOT_ENSURE: return &PyLong_Type;
        case UOP_BOX_FLOAT: case UOP_SLOT_BOX_FLOAT: case UOP_SLOT_ENSURE_FLOAT:
            return &PyFloat_Type;
        case UOP_BOX_BOOL: return &PyBool_Type;
        case UOP_TUPLE_NEW: case UOP_TUPLE_PACK: return &PyTuple_Type;
        case UOP_LIST_NEW: return &PyList_Type;
        case UOP_FUNCTION_PACK: return &PyFunction_Type;
        case UOP_STR_JOIN: case UOP_CHAR_STR: return &PyUnicode_Type;
        default: return NULL;
    }
}

Ref
build_raw(Builder *b, int op, Ref in0, Ref in1, Ref in2, uint64_t operand0, uint64_t operand1)
{
    Trace *t = b->t;
    if (b->abort != ABORT_NONE) {
        return NO_REF;
    }
    if (t->n_ins > b->max_ins) {
        b->abort = ABORT_TOO_LONG;
        return NO_REF;
    }
    const UopInfo *info = &uop_table[op];
    Ref ref = t->n_ins++;
    Ins *ins = &t->ins[ref];
    ins->op = (uint16_t)op;
    ins->type = info->output;
    ins->flags = b->entry;
    ins->in[0] = in0;
    ins->in[1] = in1;
    ins->in[2] = in2;
    ins->in[3] = NO_REF;
    ins->operand[0] = operand0;
    ins->operand[1] = operand1;
    ins->snap = (info->flags & (EXITS | RAISES)) || op == UOP_SYNC ? b->snap : NO_SNAP;
    ins->chain = t->chain[op];
    t->chain[op] = ref;
    b->type[ref] = result_type(b, op);
    b->type_at[ref] = ref;
    b->facts[ref] = 0;
    uint32_t written = UOP_WRITES(info->flags);
    if (written) {
        b->last_write[written] = ref;
    }
    if (op == UOP_LIST_APPEND || op == UOP_LIST_METHOD || op == UOP_LIST_SET_SLICE) {
        b->last_write[MEM_LENGTH] = ref;
    }
    // The dict of a DICT_SET may be some object's: what was its field may be another value now.
    if (((info->flags & ESCAPES) && !MUTATED(stale_memory)) || op == UOP_DICT_SET) {
        b->last_escape = ref;
    }
    return ref;
}

Ref
build_known(Builder *b, int op, Ref in0, Ref in1, Ref in2, uint64_t operand0, uint64_t operand1, Ref value)
{
    Ref ref = build_raw(b, op, in0, in1, in2, operand0, operand1);
    if (ref != NO_REF) {
        Ins *ins = &b->t->ins[ref];
        ins->flags |= INS_DEAD | INS_KNOWN;
        ins->snap = NO_SNAP;
        ins->in[3] = value;
    }
    return ref;
}

// `known` has been made again, as `ref`: what is known of the one is known of the other.
static void
give_value(Builder *b, Ref known, Ref ref)
{
    Trace *t = b->t;
    t->ins[known].in[3] = ref;
    b->type[ref] = b->type[known];
    b->type_at[ref] = b->type_at[known];
    b->facts[ref] = b->facts[known];
    for (Ref at = b->known_from; at < b->known_to; at++) {
        for (int k = 0; k < MAX_INPUTS; k++) {
            if (t->ins[at].in[k] == known) {
                t->ins[at].in[k] = ref;
            }
        }
    }
}

// `same` is equal to what shall be built: the ref to use for it.
static Ref
found(Builder *b, Ref same)
{
    if (ref_is_const(same) || !(b->t->ins[same].flags & INS_KNOWN)) {
        return same;
    }
    const Ins ins = b->t->ins[same];
    fold_count(ins.in[3] != NO_REF || uop_table[ins.op].output == TY_VOID ? RULE_KNOWN_VALUE : RULE_KNOWN_AGAIN);
    if (ins.in[3] != NO_REF || uop_table[ins.op].output == TY_VOID) {
        return ins.in[3];
    }
    Ref ref = build_raw(b, ins.op, ins.in[0], ins.in[1], ins.in[2], ins.operand[0], ins.operand[1]);
    if (ref != NO_REF) {
        give_value(b, same, ref);
    }
    return ref;
}

// The newest instruction equal to (op, in, operand) that still holds, or NO_REF.
static Ref
find_equal(const Builder *b, int op, const Ref in[3], const uint64_t operand[2])
{
    const Trace *t = b->t;
    uint32_t flags = uop_table[op].flags;
    Ref limit = 0;
    uint32_t read = UOP_READS(flags);
    if (read) {
        limit = b->last_write[read] > b->last_escape ? b->last_write[read] : b->last_escape;
    }
    if (op == UOP_GLOBAL_LOAD && limit < b->last_write[MEM_DICT]) {
        limit = b->last_write[MEM_DICT];
    }
    if (op == UOP_GUARD_TYPE) {
        limit = b->last_escape;         // see known_type()
    }
    for (Ref ref = t->chain[op]; ref > limit; ref = t->ins[ref].chain) {
        const Ins *ins = &t->ins[ref];
        if (ins->in[0] == in[0] && ins->in[1] == in[1] && ins->in[2] == in[2]
            && ins->operand[0] == operand[0] && ins->operand[1] == operand[1]) {
            return ref;
        }
    }
    return NO_REF;
}

Ref
build(Builder *b, int op, Ref in0, Ref in1, Ref in2, uint64_t operand0, uint64_t operand1)
{
    if (b->abort != ABORT_NONE) {
        return NO_REF;
    }
    Ref in[MAX_INPUTS] = {in0, in1, in2, NO_REF};
    uint64_t operand[MAX_OPERANDS] = {operand0, operand1};
    Ref folded = fold(b, op, in, operand);
    if (folded == FOLD_DROPPED) {
        return NO_REF;
    }
    if (folded != NO_REF) {
        return found(b, folded);
    }
    uint32_t flags = uop_table[op].flags;
    bool shared = (flags & (PURE | GUARD)) || (UOP_READS(flags) && !(flags & EFFECT));
    if (shared) {
        Ref same = find_equal(b, op, in, operand);
        if (same != NO_REF) {
            fold_count(RULE_EQUAL);
            return found(b, same);
        }
    }
    return build_raw(b, op, in[0], in[1], in[2], operand[0], operand[1]);
}
