// link.c - how a recording goes on in a trace that exists: the contract at LOOP_ENTRY.
//
// At a root's LOOP_ENTRY every slot of the frame is in memory and owns its reference, but for
// variables the root knows as int or float (its params): their value is in a register, and memory
// holds either the object or NULL when there is none.
#include "front/record.h"
#include "front/snapshot.h"

Slot *
touched_slot(Recorder *r, int i)
{
    RFrame *f = &r->frames[0];
    Slot *slot = &r->slots[f->base + i];
    if (slot->state == SLOT_UNTOUCHED) {
        get_local(r, i);
    }
    return slot;
}

static bool
is_boxed(const Recorder *r, Ref ref, int box_op, int slot_box_op, int ensure_op)
{
    if (ref_is_const(ref)) {
        return false;
    }
    int op = r->t->ins[ref].op;
    return op == box_op || op == slot_box_op || op == ensure_op;
}

bool
link_accepts(Recorder *r, const Executor *ex)
{
    PyObject **memory = compat_frame_slots(r->frames[0].frame);
    if (ex->globals != compat_frame_globals(r->frames[0].frame)
        || ex->builtins != compat_frame_builtins(r->frames[0].frame)) {
        return false;
    }
    for (uint32_t i = 0; i < ex->n_params; i++) {
        const Param *p = &ex->params[i];
        PyObject *now = memory[p->slot];
        bool ok = true;
        if (p->old) {
            continue;
        }
        if (p->object != NO_REF && now == NULL) {
            ok = p->unbound;
        }
        else if (p->unbound) {
            ok = false;
        }
        else if (p->kind == PARAM_INT) {
            ok = PyLong_CheckExact(now) && fits_i64(now);
        }
        else if (p->kind == PARAM_FLOAT) {
            ok = PyFloat_CheckExact(now);
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

// Every slot owns a reference of its own and exists as an object, except a SLOT_BOX at home and
// a fresh box, which may stay unmade.
void
own_every_slot(Recorder *r)
{
    Builder *b = &r->b;
    RFrame *f = &r->frames[0];
    for (int i = 0; i < f->n_locals + f->depth; i++) {
        Slot *slot = &r->slots[i];
        if (slot->state != SLOT_HOLDS || ref_is_const(slot->ref)) {
            continue;
        }
        const Ins *ins = &r->t->ins[slot->ref];
        bool home = ins->operand[0] == slot_offset(i);
        if ((ins->op == UOP_SLOT_BOX || ins->op == UOP_SLOT_BOX_FLOAT) && !home) {
            real(r, slot->ref);
        }
    }
    r->epoch++;
    for (int i = 0; i < f->n_locals + f->depth && b->abort == ABORT_NONE; i++) {
        Slot *slot = &r->slots[i];
        if (slot->state != SLOT_HOLDS) {
            continue;
        }
        Ref ref = slot->ref;
        if (ref_is_const(ref)) {
            if (i >= f->n_locals) {
                build1(b, UOP_INCREF, ref);     // locals own their constants already
            }
            continue;
        }
        if (r->avail_at[ref] != r->epoch) {
            r->avail_at[ref] = r->epoch;
            r->avail[ref] = r->own[ref];
        }
        if (r->avail[ref] > 0) {
            r->avail[ref]--;
        }
        else {
            build1(b, UOP_INCREF, real(r, ref));
            r->own[ref]++;
        }
    }
}

// Has this box been handed out as an object? Then its identity counts.
static bool
has_escaped(const Recorder *r, Ref box)
{
    const Trace *t = r->t;
    for (Ref i = box + 1; i < t->n_ins; i++) {
        const Ins *ins = &t->ins[i];
        if (ins->op == UOP_DECREF_SIMPLE || ins->op == UOP_DECREF_FLOAT || ins->op == UOP_UNBOX_INT || ins->op == UOP_UNBOX_FLOAT) {
            continue;
        }
        for (int k = 0; k < uop_table[ins->op].n_inputs; k++) {
            if (ins->in[k] == box) {
                return true;
            }
        }
    }
    return false;
}

// The unboxed value for a parameter. *unmade: the slot's object does not exist; memory gets NULL.
static Ref
param_value(Recorder *r, const Param *p, Ref ref, bool *unmade)
{
    Builder *b = &r->b;
    *unmade = false;
    bool is_int = p->kind == PARAM_INT;
    guard_type(b, ref, is_int ? &PyLong_Type : &PyFloat_Type);
    if (is_int ? is_boxed(r, ref, UOP_BOX_INT, UOP_SLOT_BOX, UOP_SLOT_ENSURE)
               : is_boxed(r, ref, UOP_BOX_FLOAT, UOP_SLOT_BOX_FLOAT, UOP_SLOT_ENSURE_FLOAT)) {
        *unmade = r->t->ins[ref].op == (is_int ? UOP_BOX_INT : UOP_BOX_FLOAT) && !has_escaped(r, ref)
            && holders(r, ref) == 1;
    }
    return build1(b, is_int ? UOP_UNBOX_INT : UOP_UNBOX_FLOAT, ref);
}

// What a variable loses that the other trace gives a value.
static Ref
old_value(Recorder *r, const Param *p)
{
    const Slot *slot = &r->slots[p->slot];
    if (slot->state == SLOT_UNTOUCHED) {
        return build(&r->b, UOP_SLOT_LOAD_OLD, 0, 0, 0, slot_offset(p->slot), 0);
    }
    return slot->state == SLOT_EMPTY ? konst_obj(&r->b, Py_None) : real(r, slot->ref);
}

static const Param *
param_of(const Executor *ex, int slot)
{
    for (uint32_t i = 0; i < ex->n_params; i++) {
        if (ex->params[i].slot == slot) {
            return &ex->params[i];
        }
    }
    return NULL;
}

static void
store_slot(Recorder *r, int i, bool unmade)
{
    Builder *b = &r->b;
    Slot *slot = &r->slots[i];
    Ref frame = build0(b, UOP_ROOT_FRAME);
    if (slot->state == SLOT_EMPTY) {
        build_raw(b, UOP_FRAME_CLEAR, frame, 0, 0, slot_offset(i), 0);
        return;
    }
    if (!ref_is_const(slot->ref)) {
        const Ins *ins = &r->t->ins[slot->ref];
        if ((ins->op == UOP_SLOT_BOX || ins->op == UOP_SLOT_BOX_FLOAT)
            && ins->operand[0] == slot_offset(i)) {
            return;                     // memory holds it, or NULL, as it should
        }
    }
    if (unmade) {
        build_raw(b, UOP_FRAME_CLEAR, frame, 0, 0, slot_offset(i), 0);
        build1(b, UOP_DECREF_SIMPLE, slot->ref);
        return;
    }
    build_raw(b, UOP_FRAME_STORE, frame, slot->ref, 0, slot_offset(i), 0);
}

// --- loops in loops -------------------------------------------------------------------------------

static void
carry(Recorder *r, int i)
{
    RFrame *f = &r->frames[0];
    PyObject *value = compat_slot_kind(f->code, i) == SLOT_LOCAL ? compat_frame_slots(f->frame)[i] : NULL;
    bool number = value != NULL && (PyFloat_CheckExact(value)
                                    || (PyLong_CheckExact(value) && fits_i64(value)));
    if (number && r->slots[f->base + i].state == SLOT_UNTOUCHED) {
        (void)slot_at(r, f, i);
    }
}

static void
carry_what_is_stored(Recorder *r, const Instr *store)
{
    int first = store->op == BC_STORE_FAST ? store->oparg : store->oparg >> 4;
    carry(r, first);
    if (store->op == BC_STORE_FAST_STORE_FAST) {
        carry(r, store->oparg & 15);
    }
}

// A turn of the outer loop is a side trace that ends in a jump to this trace's LOOP_ENTRY. What is
// no param here would have to be made an object for that on each turn.
void
carry_outer_numbers(Recorder *r)
{
    static const Bytecode turn[] = {BC_JUMP_BACKWARD};
    static const Bytecode stores[] = {BC_STORE_FAST, BC_STORE_FAST_STORE_FAST, BC_STORE_FAST_LOAD_FAST};
    PyCodeObject *code = r->frames[0].code;
    int end = loop_end(code, r->anchor), outer = -1, outer_end = -1;
    Instr in;
    if (end < 0 || r->t->chain[UOP_SYNC] != NO_REF) {
        return;                         // unknown code would want to see them all as objects
    }
    int found = compat_find(code, end, turn, 1, &in);
    for (; found > 0; found = compat_find(code, in.next, turn, 1, &in)) {
        if (in.target < r->anchor && in.target > outer) {
            outer = in.target;
            outer_end = in.offset;
        }
    }
    for (int at = outer; found == 0 && outer >= 0 && r->b.abort == ABORT_NONE; at = in.next) {
        at = at >= r->anchor && at < end ? end : at;    // not what is inside of this loop
        found = compat_find(code, at, stores, Py_ARRAY_LENGTH(stores), &in);
        if (found <= 0 || in.offset > outer_end) {
            break;
        }
        found = 0;
        if (in.offset < r->anchor || in.offset > end) {
            carry_what_is_stored(r, &in);
        }
    }
    if (found < 0) {
        PyErr_Clear();
    }
}

// --- the jump -------------------------------------------------------------------------------------

void
link_to(Recorder *r, const Executor *ex)
{
    Builder *b = &r->b;
    Trace *t = r->t;
    RFrame *f = &r->frames[0];
    Ref values[MAX_PARAMS];
    bool unmade[MAX_PARAMS];
    own_every_slot(r);
    b->snap = snapshot_take(r);
    for (uint32_t i = 0; i < ex->n_params && b->abort == ABORT_NONE; i++) {
        const Param *p = &ex->params[i];
        unmade[i] = false;
        values[i] = NO_REF;
        if (p->old) {
            values[i] = old_value(r, p);
            continue;
        }
        Slot *slot = touched_slot(r, p->slot);
        if (p->unbound) {
            continue;
        }
        if (slot->state != SLOT_HOLDS) {
            b->abort = ABORT_CONTRADICTION;
        }
        else if (p->kind == PARAM_OBJECT) {
            values[i] = real(r, slot->ref);
            if (p->type != NULL) {
                guard_type(b, values[i], p->type);
            }
        }
        else {
            values[i] = param_value(r, p, slot->ref, &unmade[i]);
        }
    }
    // From here on nothing can fail: memory becomes what LOOP_ENTRY promises.
    for (int i = 0; i < f->n_locals + f->depth && b->abort == ABORT_NONE; i++) {
        if (r->slots[i].state != SLOT_UNTOUCHED) {
            const Param *p = param_of(ex, i);
            if (p == NULL && r->slots[i].state == SLOT_HOLDS) {
                Ref box = r->slots[i].ref;
                bool at_home = !ref_is_const(box) && t->ins[box].operand[0] == slot_offset(i);
                if (!ref_is_const(box) && (t->ins[box].op == UOP_SLOT_BOX
                                           || t->ins[box].op == UOP_SLOT_BOX_FLOAT) && at_home) {
                    real(r, box);       // the other trace does not know that it may be unmade
                }
            }
            store_slot(r, i, p != NULL && unmade[p - ex->params]);
        }
    }
    for (uint32_t k = 0; k < ex->n_entry_locs && b->abort == ABORT_NONE; k++) {
        Ref want = ex->entry_locs[k].ref, have = NO_REF;
        for (uint32_t i = 0; i < ex->n_params; i++) {
            const Param *p = &ex->params[i];
            if (p->value == want || (p->object == want && p->kind == PARAM_OBJECT)) {
                have = values[i];
            }
        }
        if (have == NO_REF) {
            b->abort = ABORT_INTERNAL;
            return;
        }
        t->jump[t->n_jump].ref = have;
        t->jump[t->n_jump++].to = ex->entry_locs[k].loc;
    }
    b->snap = NO_SNAP;
    build_raw(b, UOP_JUMP, 0, 0, 0, 0, 0);
}
