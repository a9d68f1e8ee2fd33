// record_state.c - the recorder's books: what each slot holds, which references the trace has, and
// what is to be dropped. See record.h for the three of them.
#include "front/record.h"
#include "base/helpers.h"
#include "front/snapshot.h"

// --- slots ------------------------------------------------------------------------------------

uint64_t
slot_offset(int i)
{
    return compat_frame_slots_offset() + (uint64_t)i * sizeof(PyObject *);
}

static void
add_param(Recorder *r, Param param)
{
    if (r->n_params >= MAX_PARAMS) {
        r->b.abort = ABORT_TOO_MANY_VARIABLES;
        return;
    }
    r->params[r->n_params++] = param;
}

static bool
is_carried_number(PyObject *value)
{
    return (PyLong_CheckExact(value) && fits_i64(value)) || PyFloat_CheckExact(value);
}

// A variable that memory holds is given a value, and was never looked at: what it holds now goes, if
// there is anything. A number that the loop may carry unboxed is a matter for touch().
static void
touch_old(Recorder *r, RFrame *f, int i)
{
    Slot *slot = &r->slots[f->base + i];
    Builder *b = &r->b;
    bool outermost = f == &r->frames[0], root = r->parent == NULL && outermost;
    if (slot->state != SLOT_UNTOUCHED || f->kind == FRAME_GENERATOR) {
        return;                         // (a frame that starts is not known yet)
    }
    PyObject *value = compat_frame_slots(f->frame)[i];
    if (root && (r->function || (value != NULL && is_carried_number(value)))) {
        return;
    }
    b->entry = root ? INS_ENTRY : 0;
    Ref old = outermost ? build(b, UOP_SLOT_LOAD_OLD, 0, 0, 0, slot_offset(i), 0)
                        : build(b, UOP_FRAME_LOAD_OLD, frame_address(r, f), 0, 0, slot_offset(i), 0);
    b->entry = 0;
    if (b->abort == ABORT_NONE) {
        b->facts[old] |= FACT_NONNULL;
        *slot = (Slot){old, SLOT_HOLDS};
        owned(r, old);
    }
    if (root) {
        add_param(r, (Param){.slot = (uint16_t)i, .kind = PARAM_OBJECT, .old = 1, .object = old});
    }
}

// First look at a slot that memory holds: of the frame the trace was entered with, where it
// becomes a parameter, or of an inlined frame that a side trace found in memory.
static void
touch(Recorder *r, RFrame *f, int i)
{
    Slot *slot = &r->slots[f->base + i];
    Builder *b = &r->b;
    PyObject *value = compat_frame_slots(f->frame)[i];
    bool root = r->parent == NULL && f == &r->frames[0] && !r->function;
    uint16_t snap = b->snap;
    if (root) {
        b->entry = INS_ENTRY;
        b->snap = 0;
    }
    Ref object = f == &r->frames[0] ? build(b, UOP_SLOT_LOAD, 0, 0, 0, slot_offset(i), 0)
                              : build(b, UOP_FRAME_LOAD, frame_address(r, f), 0, 0,
                                      slot_offset(i), 0);
    Param param = {.slot = (uint16_t)i, .kind = PARAM_OBJECT, .unbound = value == NULL,
                   .object = object};
    slot->state = SLOT_HOLDS;
    slot->ref = object;
    if (value == NULL) {
        build(b, UOP_GUARD_IS, object, 0, 0, 0, 0);
        slot->state = SLOT_EMPTY;
        slot->ref = NO_REF;
    }
    else if (root && PyLong_CheckExact(value) && fits_i64(value)) {
        build1(b, UOP_GUARD_BOUND, object);     // it may be unbound when the loop is entered again
        guard_type(b, object, &PyLong_Type);
        param.kind = PARAM_INT;
        param.value = build1(b, UOP_UNBOX_INT, object);
        slot->ref = build_raw(b, UOP_SLOT_BOX, param.value, 0, 0, slot_offset(i), 0);
    }
    else if (root && PyFloat_CheckExact(value)) {
        build1(b, UOP_GUARD_BOUND, object);
        guard_type(b, object, &PyFloat_Type);
        param.kind = PARAM_FLOAT;
        param.value = build1(b, UOP_UNBOX_FLOAT, object);
        slot->ref = build_raw(b, UOP_SLOT_BOX_FLOAT, param.value, 0, 0, slot_offset(i), 0);
    }
    else if (r->function && f == &r->frames[0] && r->parent == NULL) {
        b->facts[object] |= FACT_NONNULL;       // a parameter, or a cell: bound when it starts
    }
    else {
        build1(b, UOP_GUARD_BOUND, object);
    }
    if (root) {
        add_param(r, param);
    }
    b->entry = 0;
    b->snap = snap;
    if (slot->state == SLOT_HOLDS && b->abort == ABORT_NONE) {
        owned(r, slot->ref);            // what a generator's frame keeps may be held elsewhere, too
    }
}

Slot *
slot_at(Recorder *r, RFrame *f, int i)
{
    Slot *slot = &r->slots[f->base + i];
    if (slot->state == SLOT_UNTOUCHED) {
        touch(r, f, i);
    }
    return slot;
}

Ref
slot_ref(Recorder *r, RFrame *f, int i)
{
    Slot *slot = slot_at(r, f, i);
    return slot->state == SLOT_HOLDS ? slot->ref : NO_REF;
}

Ref
peek(Recorder *r, int n)
{
    RFrame *f = top_frame(r);
    if (n >= f->depth) {
        r->b.abort = ABORT_INTERNAL;
        return NO_REF;
    }
    return slot_ref(r, f, f->n_locals + f->depth - 1 - n);
}

Ref
pop(Recorder *r)
{
    Ref ref = peek(r, 0);
    RFrame *f = top_frame(r);
    f->depth--;
    r->slots[f->base + f->n_locals + f->depth] = (Slot){NO_REF, SLOT_EMPTY};
    return ref;
}

void
push(Recorder *r, Ref ref)
{
    RFrame *f = top_frame(r);
    if (r->b.abort != ABORT_NONE) {
        return;
    }
    r->slots[f->base + f->n_locals + f->depth] =
        (Slot){ref, ref == NO_REF ? SLOT_EMPTY : SLOT_HOLDS};
    f->depth++;
}

PyObject *
concrete(Recorder *r, int n)
{
    RFrame *f = top_frame(r);
    return compat_frame_slots(f->frame)[f->n_locals + f->depth - 1 - n];
}

PyObject *
concrete_local(Recorder *r, int i)
{
    return compat_frame_slots(top_frame(r)->frame)[i];
}

Ref
get_local(Recorder *r, int i)
{
    return slot_ref(r, top_frame(r), i);
}

void
set_local(Recorder *r, int i, Ref ref)
{
    RFrame *f = top_frame(r);
    if (ref != NO_REF) {
        touch_old(r, f, i);
    }
    Slot *slot = slot_at(r, f, i);
    Slot old = *slot;
    if (ref != NO_REF && ref_is_const(ref)) {
        build1(&r->b, UOP_INCREF, ref); // a local owns its constant, see release()
    }
    slot->ref = ref;
    slot->state = ref == NO_REF ? SLOT_EMPTY : SLOT_HOLDS;
    if (old.state == SLOT_HOLDS) {
        if (ref_is_const(old.ref)) {
            build1(&r->b, UOP_DECREF_SHARED, old.ref);
        }
        else {
            release(r, old.ref);
        }
    }
}

// --- references -------------------------------------------------------------------------------

bool
is_slot_box(const Recorder *r, Ref ref)
{
    return !ref_is_const(ref)
        && (r->t->ins[ref].op == UOP_SLOT_BOX || r->t->ins[ref].op == UOP_SLOT_BOX_FLOAT);
}

void
owned(Recorder *r, Ref ref)
{
    if (ref != NO_REF && !ref_is_const(ref)) {
        r->own[ref]++;
    }
}

void
own_borrowed(Recorder *r, Ref ref)
{
    if (ref == NO_REF || ref_is_const(ref) || r->own[ref] > 0) {
        return;
    }
    build1(&r->b, UOP_INCREF, ref);
    r->own[ref]++;
}

void
take_back(Recorder *r, Ref ref)
{
    if (ref == NO_REF) {
        return;
    }
    if (ref_is_const(ref)) {
        build1(&r->b, UOP_DECREF_SHARED, ref);
        return;
    }
    owned(r, ref);
    release(r, ref);
}

void
release(Recorder *r, Ref ref)
{
    if (ref == NO_REF || ref_is_const(ref)) {
        return;
    }
    if (r->n_released >= MAX_PENDING) {
        r->b.abort = ABORT_TOO_LONG;
        return;
    }
    r->released[r->n_released++] = ref;
}

// How many slots hold `ref`.
int
holders(const Recorder *r, Ref ref)
{
    int n = 0;
    const RFrame *top = &r->frames[r->n_frames - 1];
    int end = top->base + top->n_locals + top->depth;
    for (int i = 0; i < end; i++) {
        n += r->slots[i].state == SLOT_HOLDS && r->slots[i].ref == ref;
    }
    for (int k = 0; k < r->n_frames; k++) {
        n += r->frames[k].kind == FRAME_INIT && r->frames[k].extra == ref;
        n += k > 0 && r->frames[k].func == ref;
    }
    return n;
}

void
give(Recorder *r, Ref ref)
{
    if (ref == NO_REF) {
        return;
    }
    if (!ref_is_const(ref) && r->own[ref] > holders(r, ref)) {
        r->own[ref]--;                  // no slot needs this one
        release(r, ref);
        return;
    }
    build1(&r->b, UOP_INCREF, ref);
}

static void
replace_everywhere(Recorder *r, Ref old, Ref new)
{
    RFrame *top = top_frame(r);
    int end = top->base + top->n_locals + top->depth;
    for (int i = 0; i < end; i++) {
        if (r->slots[i].state == SLOT_HOLDS && r->slots[i].ref == old) {
            r->slots[i].ref = new;
        }
    }
    r->own[new] += r->own[old];
    r->own[old] = 0;
}

Ref
real(Recorder *r, Ref ref)
{
    if (ref == NO_REF || !is_slot_box(r, ref)) {
        return ref;
    }
    Ins *box = &r->t->ins[ref];
    int op = box->op == UOP_SLOT_BOX ? UOP_SLOT_ENSURE : UOP_SLOT_ENSURE_FLOAT;
    // in[1] is not an input: it tells the loop peeler which variable this is.
    Ref object = build_raw(&r->b, op, box->in[0], ref, 0, box->operand[0], 0);
    if (object != NO_REF) {
        replace_everywhere(r, ref, object);
    }
    return object;
}

// What the bytecode let go and no slot holds any more becomes pending.
void
settle(Recorder *r)
{
    for (int i = 0; i < r->n_released; i++) {
        Ref ref = r->released[i];
        int need = holders(r, ref);
        if (need == 0 && r->own[ref] > 0 && dissolve_pack(r, ref)) {
            continue;
        }
        while (r->own[ref] > need) {
            r->own[ref]--;
            if (need > 0) {
                build1(&r->b, UOP_DECREF_SHARED, ref);
                continue;
            }
            if (r->n_pending >= MAX_PENDING) {
                r->b.abort = ABORT_TOO_LONG;
                return;
            }
            r->pending[r->n_pending++] = ref;
        }
    }
    r->n_released = 0;
}

// The exit that this trace grows from was taken because freeing `ref` runs unknown code: it does so
// most of the time. That code sees the frames at the bytecode that let the object go.
static void
drop_loudly(Recorder *r, Ref ref)
{
    RFrame *f = top_frame(r);
    _Py_CODEUNIT *next = f->ip;
    for (int i = 0; i < r->n_pending; i++) {        // its variable's slot may get its new value now
        r->pending[i] = real(r, r->pending[i]);
    }
    f->ip = r->drop_ip;
    sync_frames(r);
    f->ip = next;
    build_raw(&r->b, UOP_DECREF_LOUD, ref, 0, 0, 0, 0);
    after_unknown(r);
    r->loud = NO_REF;
}

// The first of what is pending. An exit of it restores `snap`, or, with NO_SNAP, the state as it is.
void
drop_one(Recorder *r, uint16_t snap)
{
    Builder *b = &r->b;
    Ref ref = r->pending[0];
    if (is_slot_box(r, ref)) {
        Ref drop = build_raw(b, UOP_DECREF_SLOT, 0, 0, 0, r->t->ins[ref].operand[0], 0);
        if (drop != NO_REF) {
            r->t->ins[drop].in[0] = ref;    // not an input: for the loop peeler
        }
    }
    else if (known_type(b, ref) == &PyFloat_Type) {
        build(b, UOP_DECREF_FLOAT, ref, 0, 0, fn(compat_float_freelist(r->tstate)), 0);
    }
    else if (known_type(b, ref) != NULL && help_is_quiet(known_type(b, ref))) {
        build1(b, UOP_DECREF_SIMPLE, ref);
    }
    else {
        b->snap = snap != NO_SNAP ? snap : snapshot_take(r);
        if (ref == r->loud && snap == NO_SNAP) {
            drop_loudly(r, ref);
        }
        else {
            build1(b, UOP_DECREF, ref);
        }
    }
    r->n_pending--;
    memmove(r->pending, r->pending + 1, (size_t)r->n_pending * sizeof(Ref));
}

// Drop what is pending. The snapshot of each drop is the state of the bytecode about to run.
void
drop_pending(Recorder *r)
{
    while (r->n_pending > 0 && r->b.abort == ABORT_NONE) {
        drop_one(r, NO_SNAP);
    }
}

// --- values -----------------------------------------------------------------------------------

bool
fits_i64(PyObject *o)
{
    // What UNBOX_INT can read: two digits of 30 bits.
    return ((PyLongObject *)o)->long_value.lv_tag < (3 << 3);
}

Ref
as_int(Recorder *r, Ref ref, PyObject *value)
{
    if (PyBool_Check(value)) {
        guard_type(&r->b, ref, &PyBool_Type);
        return build1(&r->b, UOP_UNBOX_BOOL, ref);
    }
    guard_type(&r->b, ref, &PyLong_Type);
    return build1(&r->b, UOP_UNBOX_INT, ref);
}

Ref
as_float(Recorder *r, Ref ref, PyObject *value)
{
    if (PyFloat_CheckExact(value)) {
        guard_type(&r->b, ref, &PyFloat_Type);
        return build1(&r->b, UOP_UNBOX_FLOAT, ref);
    }
    return build1(&r->b, UOP_INT_TO_FLOAT, as_int(r, ref, value));
}

void
push_owned(Recorder *r, Ref ref)
{
    owned(r, ref);
    push(r, ref);
}

void
push_borrowed(Recorder *r, Ref ref)
{
    own_borrowed(r, ref);
    push(r, ref);
}

void
push_int(Recorder *r, Ref i64)
{
    if (r->b.abort != ABORT_NONE) {
        return;
    }
    if (ref_is_const(i64)) {
        PyObject *o = PyLong_FromLongLong((int64_t)trace_konst(r->t, i64));
        if (o == NULL) {
            PyErr_Clear();
            r->b.abort = ABORT_MEMORY;
            return;
        }
        if (_Py_IsImmortal(o)) {        // small ints are always the same object
            push(r, konst_obj(&r->b, o));
            return;
        }
        Py_DECREF(o);
    }
    push_owned(r, build_raw(&r->b, UOP_BOX_INT, i64, 0, 0, 0, 0));
}

void
push_float(Recorder *r, Ref f64)
{
    push_owned(r, build_raw(&r->b, UOP_BOX_FLOAT, f64, 0, 0,
                            fn(compat_float_freelist(r->tstate)), 0));
}

void
push_truth(Recorder *r, Ref i64)
{
    push(r, build1(&r->b, UOP_BOX_BOOL, i64));
}

void
must_be(Recorder *r, Ref ref, PyObject *object)
{
    if (PyList_Append(r->b.keep, object) < 0) {
        PyErr_Clear();
        r->b.abort = ABORT_MEMORY;
    }
    build(&r->b, UOP_GUARD_IS, ref, 0, 0, fn(object), 0);
}
