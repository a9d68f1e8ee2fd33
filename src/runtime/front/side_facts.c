// side_facts.c - see side_facts.h.
//
// The traces that lead to an exit are kept (Executor.ins), so nothing more is stored with exits. They are walked
// backwards from the exit: through the trace, then from the exit where it began through its parent, up to the
// root. On the way it is known what was written since (Since), so what a check or a load has found either still
// holds at the exit or is left out. The rules are those of build.c: memory of a class is as it was until something
// writes that class or unknown code runs, the type of an object until unknown code runs if its class can be
// assigned, everything else for good.
//
// What a value is: a ref of the side trace (inherited, or a constant), or something that can be computed again
// from those by pure instructions and loads that still hold. The latter are written, too, without a value
// (build.c revives them), as far as some check needs them.
//
// Loops: the peeled iteration stands before LOOP. In the body its refs mean the values of the turn before
// (opt_loop.c copies every check of the peeled iteration unless it is known to hold), all of the same turn. So its
// checks hold of them, but for what anything in the loop can have written.
//
// LOOP_ENTRY: traces that jump there have not run the entry part. What they promise is that variables are in
// memory and of the types that the entry part checks (link.c).
#include "front/side_facts.h"
#include <string.h>

enum { MAX_KNOWN = 400, MAX_LEVELS = 8, SLOTS = 2048, FIELDS = 32 };

// What may have changed between an instruction and the exit.
typedef struct {
    bool written[MEM_COUNT];
    bool escaped;                       // unknown code ran: any memory, and classes that can be assigned
    bool unseen;                        // and no frame object existed later: variables are as the trace left them
    bool slots;                         // any variable of the outermost frame
    bool slot[SLOTS];
    int n_fields;                       // stores to fields of objects, by offset
    uint64_t field[FIELDS];
} Since;

enum { HOLDS = 1, NEEDED = 2 };

typedef struct {
    Builder *b;
    const Executor *ex;
    Ref *map;
    Since since;
    uint8_t mark[MAX_INS];
    bool boxed[SLOTS];                  // variables that memory may not hold (SLOT_BOX)
    int left;                           // facts that may still be written
} Walk;

static Walk walk;
static Ref parent_map[MAX_INS], other_map[MAX_INS];

// --- what stands between ------------------------------------------------------------------------

static unsigned
slot_number(const Ins *ins)
{
    return (unsigned)((ins->operand[0] - compat_frame_slots_offset()) / sizeof(PyObject *)) % SLOTS;
}

static void
note_field(Since *since, uint64_t offset)
{
    if (since->n_fields == FIELDS) {
        since->written[MEM_FIELD] = true;
        return;
    }
    since->field[since->n_fields++] = offset;
}

static void
note_variables(Since *since, const Executor *ex, const Ins *ins)
{
    switch (ins->op) {
        case UOP_FRAME_STORE: case UOP_FRAME_CLEAR: case UOP_SLOT_ENSURE: case UOP_SLOT_ENSURE_FLOAT:
        case UOP_DECREF_SLOT:
            since->slot[slot_number(ins)] = true;
            break;
        case UOP_RUN_LOOP:
            since->slots = true;
            break;
        case UOP_FRAME_FORGET:
            since->unseen = false;
            break;
        case UOP_GUARD_UNSEEN:
            since->unseen |= ex->ins[ins->in[0]].op == UOP_ROOT_FRAME;
            break;
        default:
            break;
    }
}

static void
note_change(Since *since, const Executor *ex, const Ins *ins)
{
    uint32_t flags = uop_table[ins->op].flags;
    note_variables(since, ex, ins);
    if ((flags & ESCAPES) || ins->op == UOP_DICT_SET) {     // as in build_raw()
        since->escaped = true;
        since->slots |= !since->unseen;
    }
    uint32_t written = UOP_WRITES(flags);
    if (ins->op == UOP_FIELD_STORE) {
        note_field(since, ins->operand[0]);
    }
    else if (written) {
        since->written[written] = true;
    }
    if (ins->op == UOP_LIST_APPEND || ins->op == UOP_LIST_METHOD || ins->op == UOP_LIST_SET_SLICE) {
        since->written[MEM_LENGTH] = true;
    }
}

static bool
field_written(const Since *since, uint64_t offset)
{
    for (int i = 0; i < since->n_fields; i++) {
        if (since->field[i] == offset) {
            return true;
        }
    }
    return since->written[MEM_FIELD];
}

// --- what is a fact -----------------------------------------------------------------------------

// Checks whose outcome is no fact for later: they look at what others may change at any time.
static bool
is_passing(int op)
{
    return op == UOP_GUARD_FRAME_IS || op == UOP_DICT_CHANGES || op == UOP_GUARD_UNTOLD || op == UOP_GLOBAL_LOAD
        || op == UOP_GUARD_QUIET || op == UOP_SLOT_LOAD_OLD;
}

enum { IS_VALUE = 1, IS_CHECK = 2, IS_KNOWN = 4 };

static int
tell_kind(int op)
{
    const UopInfo *info = &uop_table[op];
    uint32_t flags = info->flags;
    if (is_passing(op)) {
        return IS_KNOWN;
    }
    if (info->output == TY_VOID) {
        return (flags & GUARD) && !(flags & EFFECT) ? IS_KNOWN | IS_CHECK : IS_KNOWN;
    }
    bool plain = !(flags & (EFFECT | ALLOC | RAISES | VIRTUAL | CONTROL | ESCAPES)) && info->n_inputs <= 3;
    return plain && ((flags & PURE) || UOP_READS(flags)) ? IS_KNOWN | IS_VALUE : IS_KNOWN;
}

// All instructions of all parents are asked about: the answers are kept.
static inline int
kind_of(int op)
{
    static uint8_t kinds[UOP_COUNT];
    if (kinds[op] == 0) {
        kinds[op] = (uint8_t)tell_kind(op);
    }
    return kinds[op];
}

static bool
is_check(int op)
{
    return kind_of(op) & IS_CHECK;
}

// Would it find the same at the exit, on the same values?
static bool
holds_still(const Walk *w, const Ins *ins)
{
    const Since *since = &w->since;
    uint32_t read = UOP_READS(uop_table[ins->op].flags);
    if (ins->op == UOP_SLOT_LOAD) {
        unsigned slot = slot_number(ins);
        return !since->slots && !since->slot[slot] && !w->boxed[slot];
    }
    if (ins->op == UOP_GUARD_TYPE) {
        return !since->escaped || !may_change_class((PyTypeObject *)(uintptr_t)ins->operand[0]);
    }
    if (read == MEM_NONE) {
        return true;
    }
    if (read == MEM_FRAME || since->escaped) {
        return false;
    }
    return read == MEM_FIELD ? !field_written(since, ins->operand[0]) : !since->written[read];
}

// Of the entry part, which a trace that jumps to LOOP_ENTRY has not run.
static bool
is_promised(const Ins *ins)
{
    return ins->op == UOP_GUARD_TYPE || ins->op == UOP_GUARD_BOUND || ins->op == UOP_SLOT_LOAD;
}

static void
note_whole_loop(Walk *w, Ref loop)
{
    w->since.unseen = false;
    for (Ref ref = w->ex->n_ins - 1; ref > loop; ref--) {
        note_change(&w->since, w->ex, &w->ex->ins[ref]);
    }
    w->since.unseen = false;
}

// Mark what holds at the exit, whose guard is `from`.
static void
mark_what_holds(Walk *w, Ref from)
{
    bool in_entry = false;
    memset(w->mark, 0, w->ex->n_ins);
    memset(w->boxed, 0, sizeof(w->boxed));
    for (Ref ref = 1; ref < w->ex->n_ins; ref++) {
        const Ins *ins = &w->ex->ins[ref];
        if (ins->op == UOP_SLOT_BOX || ins->op == UOP_SLOT_BOX_FLOAT) {
            w->boxed[slot_number(ins)] = true;
        }
    }
    note_change(&w->since, w->ex, &w->ex->ins[from]);
    for (Ref ref = from; --ref > 0;) {
        const Ins *ins = &w->ex->ins[ref];
        if (ins->op == UOP_LOOP) {
            note_whole_loop(w, ref);
        }
        in_entry |= ins->op == UOP_LOOP_ENTRY;
        note_change(&w->since, w->ex, ins);
        if ((kind_of(ins->op) & (IS_CHECK | IS_VALUE)) && holds_still(w, ins) && (!in_entry || is_promised(ins))) {
            w->mark[ref] = HOLDS;
        }
    }
}

// --- which of them can be said of values of the side trace ----------------------------------------------

// Is the result of the instruction `ref` at hand, as a value of the side trace's own? Boxes that are not made say
// nothing.
static bool
is_mapped(const Walk *w, Ref ref)
{
    return w->map[ref] != NO_REF && (ref_is_const(w->map[ref]) || w->b->t->ins[w->map[ref]].op == UOP_INHERIT);
}

// Is the ref's value at hand, be it an instruction's or a constant?
static bool
at_hand(const Walk *w, Ref ref)
{
    return ref_is_const(ref) || is_mapped(w, ref);
}

// Has the ref's value been written, though without one that is at hand?
static bool
is_written(const Walk *w, Ref ref)
{
    return w->map[ref] != NO_REF && !ref_is_const(w->map[ref]) && (w->b->t->ins[w->map[ref]].flags & INS_KNOWN);
}

static bool
inputs_known(const Walk *w, const Ins *ins)
{
    for (int k = 0; k < uop_table[ins->op].n_inputs; k++) {
        Ref in = ins->in[k];
        if (in == NO_REF || !(at_hand(w, in) || is_written(w, in) || (w->mark[in] & HOLDS))) {
            return false;
        }
    }
    return true;
}

// A value that cannot be computed is no longer marked; then what takes it is not either.
static void
drop_unknown(Walk *w, Ref from)
{
    for (Ref ref = 1; ref < from; ref++) {
        bool is_other = w->map[ref] != NO_REF && !is_mapped(w, ref);     // written, or not made
        if ((w->mark[ref] & HOLDS) && (is_other || !inputs_known(w, &w->ex->ins[ref]))) {
            w->mark[ref] = 0;
        }
    }
}

static void
need_inputs(Walk *w, const Ins *ins)
{
    for (int k = 0; k < uop_table[ins->op].n_inputs; k++) {
        if (ins->in[k] < MAX_INS) {             // no constant
            w->mark[ins->in[k]] |= NEEDED;
        }
    }
}

// Only values that a check is about, and what is computed of them, is written.
static void
mark_needed(Walk *w, Ref from)
{
    for (Ref ref = from; --ref > 0;) {
        const Ins *ins = &w->ex->ins[ref];
        if (!(w->mark[ref] & HOLDS)) {
            continue;
        }
        if (is_check(ins->op) || is_mapped(w, ref) || (w->mark[ref] & NEEDED)) {
            w->mark[ref] |= NEEDED;
            need_inputs(w, ins);
        }
    }
}

// --- writing them -------------------------------------------------------------------------------

static Ref
mine(Walk *w, Ref ref)
{
    if (ref == NO_REF) {
        return NO_REF;
    }
    if (!ref_is_const(ref)) {
        return w->map[ref];
    }
    const Konst *k = &w->ex->konsts[ref & ~KREF];
    double d;
    switch (k->type) {
        case TY_OBJ: return konst_obj(w->b, (PyObject *)(uintptr_t)k->bits);
        case TY_I64: return konst_i64(w->b, (int64_t)k->bits);
        default: memcpy(&d, &k->bits, 8); return konst_f64(w->b, d);
    }
}

// Option forget_facts: is this the N-th?
static bool
is_forgotten(void)
{
    static long count;
    return jit.params.forget_facts != 0 && ++count % jit.params.forget_facts == 0;
}

// Facts that are kept beside the instruction, too.
static void
learn(Builder *b, const Ins *ins, Ref in)
{
    PyTypeObject *type = (PyTypeObject *)(uintptr_t)ins->operand[0];
    if (ins->op == UOP_GUARD_TYPE) {
        if ((type->tp_flags & Py_TPFLAGS_HEAPTYPE) && b->met_class != NULL && b->met_class(type) < 0) {
            PyErr_Clear();
            b->abort = ABORT_MEMORY;
        }
        learn_type(b, in, type);
    }
    if (ins->op == UOP_GUARD_BOUND && !ref_is_const(in)) {
        b->facts[in] |= FACT_NONNULL;
    }
}

static Ref
write_known(Walk *w, int op, const Ins *ins)
{
    Builder *b = w->b;
    Ref in[3] = {NO_REF, NO_REF, NO_REF};
    for (int k = 0; k < uop_table[op].n_inputs; k++) {
        in[k] = mine(w, ins->in[k]);
        if (in[k] == NO_REF) {
            return NO_REF;
        }
    }
    if (w->left == 0 || is_forgotten()) {
        return NO_REF;
    }
    w->left--;
    return build_known(b, op, in[0], in[1], in[2], ins->operand[0], ins->operand[1], NO_REF);
}

static void
write_fact(Walk *w, Ref ref)
{
    const Ins *ins = &w->ex->ins[ref];
    bool is_there = is_mapped(w, ref);
    Ref known = write_known(w, ins->op, ins);
    if (known == NO_REF) {
        return;
    }
    if (is_check(ins->op)) {
        learn(w->b, ins, w->b->t->ins[known].in[0]);
    }
    else if (is_there && ins->op == UOP_SLOT_LOAD) {
        w->b->t->ins[known].in[2] = w->map[ref];        // until share_types()
    }
    else if (is_there) {
        w->b->t->ins[known].in[3] = w->map[ref];
    }
    else {
        w->map[ref] = known;
    }
}

// What takes the number out of what this op has boxed, or NOP.
static int
unboxing_of(int op)
{
    switch (op) {
        case UOP_BOX_INT: case UOP_BOX_INT_SURE: case UOP_SLOT_ENSURE:
            return UOP_UNBOX_INT;
        case UOP_BOX_FLOAT: case UOP_BOX_FLOAT_SURE: case UOP_SLOT_ENSURE_FLOAT:
            return UOP_UNBOX_FLOAT;
        default:
            return UOP_NOP;
    }
}

// A number that was boxed is what the box holds.
static void
know_boxed(Walk *w, Ref from)
{
    for (Ref ref = 1; ref < from; ref++) {
        const Ins *ins = &w->ex->ins[ref];
        int unbox = unboxing_of(ins->op);
        Ref number = ins->in[0];
        if (unbox == UOP_NOP || ref_is_const(number) || !at_hand(w, ref) || ref_is_const(w->map[ref])
            || w->left == 0 || (w->map[number] != NO_REF && !at_hand(w, number))) {
            continue;
        }
        learn_type(w->b, w->map[ref], unbox == UOP_UNBOX_INT ? &PyLong_Type : &PyFloat_Type);
        w->left--;
        Ref known = build_known(w->b, unbox, w->map[ref], NO_REF, NO_REF, 0, 0, w->map[number]);
        if (w->map[number] == NO_REF) {
            w->map[number] = known;
        }
    }
}

// The check at which the exit is taken has failed: so the opposite holds.
static void
write_opposite(Walk *w, Ref from)
{
    static const struct { uint16_t op, opposite; } pairs[] = {
        {UOP_GUARD_INT_LT, UOP_GUARD_INT_GE}, {UOP_GUARD_INT_LE, UOP_GUARD_INT_GT},
        {UOP_GUARD_INT_EQ, UOP_GUARD_INT_NE}, {UOP_GUARD_FLOAT_LT, UOP_GUARD_FLOAT_NLT},
        {UOP_GUARD_FLOAT_LE, UOP_GUARD_FLOAT_NLE}, {UOP_GUARD_FLOAT_EQ, UOP_GUARD_FLOAT_NE},
        {UOP_GUARD_IS, UOP_GUARD_IS_NOT}, {UOP_GUARD_SAME, UOP_GUARD_NOT_SAME},
        {UOP_GUARD_INLINE, UOP_GUARD_NOT_INLINE}};
    const Ins *ins = &w->ex->ins[from];
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        if (ins->op == pairs[i].op || ins->op == pairs[i].opposite) {
            (void)write_known(w, ins->op == pairs[i].op ? pairs[i].opposite : pairs[i].op, ins);
        }
    }
}

// All that is known at the instruction `from` of w->ex, where the path leaves it.
static void
write_level(Walk *w, Ref from)
{
    const Ins *left_by = &w->ex->ins[from];
    bool opposite = is_check(left_by->op) && holds_still(w, left_by);
    mark_what_holds(w, from);
    know_boxed(w, from);
    drop_unknown(w, from);
    if (opposite) {
        need_inputs(w, left_by);
    }
    mark_needed(w, from);
    for (Ref ref = 1; ref < from && w->left > 0 && w->b->abort == ABORT_NONE; ref++) {
        if ((w->mark[ref] & HOLDS) && (w->mark[ref] & NEEDED)) {
            write_fact(w, ref);
        }
    }
    if (opposite) {
        write_opposite(w, from);
    }
}

// A variable that memory holds is loaded again (that it is the slot's own reference is told by the load), but
// what is known of the same object under another ref is known of it.
static void
share_types(Builder *b)
{
    for (Ref ref = b->known_from; ref < b->known_to; ref++) {
        Ins *ins = &b->t->ins[ref];
        Ref twin = ins->in[2];
        if (ins->op == UOP_SLOT_LOAD && twin != NO_REF && !ref_is_const(twin)) {
            b->type[ref] = b->type[twin];
            b->type_at[ref] = b->type_at[twin];
            b->facts[ref] = b->facts[twin];
        }
        ins->in[2] = ins->op == UOP_SLOT_LOAD ? NO_REF : twin;
    }
}

// The values that `ex` has inherited, by what they are in its parent.
static void
map_parent(const Walk *w, Ref *to)
{
    const Executor *ex = w->ex, *parent = ex->parent;
    const Exit *exit = &parent->exits[ex->parent_exit];
    memset(to, 0, parent->n_ins * sizeof(Ref));
    for (Ref ref = 1; ref < ex->n_ins; ref++) {
        if (ex->ins[ref].op != UOP_INHERIT || !at_hand(w, ref)) {
            continue;
        }
        for (uint32_t i = 0; i < exit->n_locs; i++) {
            const RefLoc *rl = &parent->locs[exit->first_loc + i];
            if (rl->loc == (Loc)ex->ins[ref].operand[0] && rl->ref != NO_REF) {
                to[rl->ref] = w->map[ref];
            }
        }
    }
}

void
side_facts_inherit(Builder *b, const Executor *ex, uint32_t n, Ref *map)
{
    Walk *w = &walk;
    w->b = b;
    w->ex = ex;
    w->map = map;
    w->left = jit.params.max_trace / 8 < MAX_KNOWN ? (int)jit.params.max_trace / 8 : MAX_KNOWN;
    memset(&w->since, 0, sizeof(w->since));
    Ref first = b->t->n_ins;
    Ref from = ex->exits[n].ref;
    for (int level = 0; level < MAX_LEVELS && b->abort == ABORT_NONE; level++) {
        write_level(w, from);
        if (w->ex->parent == NULL || w->left == 0) {
            break;
        }
        Ref *to = level % 2 ? other_map : parent_map;
        map_parent(w, to);
        from = w->ex->parent->exits[w->ex->parent_exit].ref;
        w->ex = w->ex->parent;
        w->map = to;
    }
    b->known_from = first;
    b->known_to = b->t->n_ins;
    share_types(b);
}
