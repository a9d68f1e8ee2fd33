// record_function.c - traces that are entered where a function starts: what is known there, how they end,
// and how one calls another.
//
// Such a trace has no entry part and no params: nothing jumps into it. A parameter is loaded when it
// is first looked at and its type guarded where it matters, so that other types are a side trace's
// business. It ends with TRACE_RETURN, or in the trace of a loop that the function comes to.
#include "front/record_call.h"
#include "front/snapshot.h"
#include "policy/policy.h"
#include "run/anchors.h"
#include "run/invalidate.h"

// --- start ------------------------------------------------------------------------------------

static int
count_parameters(const PyCodeObject *code)
{
    return code->co_argcount + code->co_kwonlyargcount + !!(code->co_flags & CO_VARARGS)
        + !!(code->co_flags & CO_VARKEYWORDS);
}

// Variables that are no parameters have no value yet.
void
begin_function(Recorder *r)
{
    RFrame *f = &r->frames[0];
    int slot = count_parameters(f->code);
    r->t->null_from = (uint16_t)slot;
    while (slot < f->n_locals && compat_slot_kind(f->code, slot) == SLOT_LOCAL) {
        r->slots[slot++] = (Slot){NO_REF, SLOT_EMPTY};
    }
    r->t->null_to = (uint16_t)slot;
}

// --- return -----------------------------------------------------------------------------------

// A variable that memory owns as it did when the trace began.
static bool
is_at_home(const Recorder *r, int i, Ref ref)
{
    return !ref_is_const(ref) && r->t->ins[ref].op == UOP_SLOT_LOAD
        && r->t->ins[ref].operand[0] == slot_offset(i);
}

// Is this the box of a variable that is unboxed? Memory holds it, or NULL.
static bool
is_boxed_at_home(const Recorder *r, int i, Ref ref)
{
    return is_slot_box(r, ref) && r->t->ins[ref].operand[0] == slot_offset(i);
}

// The snapshot is taken before the slot is emptied: where dropping could be noticed, the interpreter
// returns, and drops it in its own way.
static void
drop_local(Recorder *r, int i)
{
    Builder *b = &r->b;
    Slot *slot = &r->slots[i];
    Ref ref = slot->ref;
    if (ref_is_const(ref)) {
        build1(b, UOP_DECREF_SHARED, ref);
    }
    else if (r->own[ref] >= holders(r, ref)) {
        if (holders(r, ref) > 1) {
            r->own[ref]--;
            build1(b, UOP_DECREF_SHARED, ref);
        }
        else {
            uint16_t snap = snapshot_take(r);
            if (snap != NO_SNAP) {
                r->t->snaps[snap].no_side = 1;  // it would come to the same place
            }
            r->pending[r->n_pending++] = ref;
            drop_one(r, snap);
            r->own[ref]--;
        }
    }
    *slot = (Slot){NO_REF, SLOT_EMPTY};
}

// A loop's tree ends there, too, where it grows: who enters it ends the frame, or tells by Activation.stays that it
// must not be ended. Its root goes on round the loop.
bool
may_return(const Recorder *r)
{
    return r->function || (r->parent != NULL && anchor_is_plain_function(r->frames[0].code));
}

void
return_from_trace(Recorder *r, Ref value)
{
    Builder *b = &r->b;
    RFrame *f = &r->frames[0];
    if (!r->function) {
        build_raw(b, UOP_GUARD_RETURNS, 0, 0, 0, 0, 0);
    }
    if (value == NO_REF) {
        (void)real(r, peek(r, 0));
    }
    r->minds |= !r->seen;
    guard_forgotten(r);                 // or its locals would have to stay
    for (int i = 0; i < f->n_locals && b->abort == ABORT_NONE; i++) {
        Slot *slot = &r->slots[i];
        if (slot->state == SLOT_HOLDS && is_boxed_at_home(r, i, slot->ref)) {
            r->own[slot->ref]--;
            *slot = (Slot){NO_REF, SLOT_UNTOUCHED};
        }
        else if (slot->state == SLOT_HOLDS && !is_at_home(r, i, slot->ref)) {
            drop_local(r, i);
        }
    }
    if (value == NO_REF) {
        value = real(r, peek(r, 0));
        (void)pop(r);
    }
    give(r, value);
    b->snap = snapshot_take(r);
    build_raw(b, UOP_SYNC, 0, 0, 0, true, 0);
    build(b, UOP_TRACE_RETURN, value, 0, 0, 0, 0);
    r->returned = true;
}

// --- calls ------------------------------------------------------------------------------------

// `self` and the arguments of a bound method that a variable holds, too: it is not dropped by the call.
static bool
spread_bound_method(Recorder *r, const Call *c, PyFunctionObject *func, Ref *args)
{
    Builder *b = &r->b;
    if (ref_is_const(c->callable) || c->n >= MAX_ARGS || holders(r, c->callable) < 2 || is_made_often(func)) {
        return false;
    }
    guard_type(b, c->callable, &PyMethod_Type);
    must_be(r, build(b, UOP_FIELD_LOAD, c->callable, 0, 0, offsetof(PyMethodObject, im_func), 0), (PyObject *)func);
    args[0] = build(b, UOP_FIELD_LOAD, c->callable, 0, 0, offsetof(PyMethodObject, im_self), 0);
    memcpy(args + 1, c->args, (size_t)c->n * sizeof *args);
    return b->abort == ABORT_NONE;
}

bool
call_native(Recorder *r, int oparg, Call *c, PyFunctionObject *func)
{
    Builder *b = &r->b;
    PyCodeObject *code = (PyCodeObject *)func->func_code;
    Ref locals[MAX_ARGS + 1], spread[MAX_ARGS];
    const Ref *args = c->args;
    void *entry = hook_function_entry(code);
    bool bound = Py_TYPE(c->callable_obj) == &PyMethod_Type;
    if (entry == NULL || code->co_argcount > MAX_ARGS || compat_watched_by_others(r->tstate, code)
        || assume_function((PyObject *)func) < 0) {
        return false;
    }
    if (bound) {
        if (!spread_bound_method(r, c, func, spread)) {
            return false;
        }
        args = spread;
    }
    if (!bind_arguments(r, func, args, c->n + bound, locals)) {
        return false;
    }
    if (!bound) {
        must_be(r, c->callable, (PyObject *)func);
    }
    if (PyList_Append(b->keep, (PyObject *)code) < 0) {
        PyErr_Clear();
        give_up(r, ABORT_MEMORY);
        return true;
    }
    build_raw(b, UOP_GUARD_ROOM, 0, 0, 0, 0, 0);
    for (int i = 0; i < code->co_argcount; i++) {
        locals[i] = real(r, locals[i]);
    }
    sync_frames(r);
    for (int i = 0; i < code->co_argcount; i++) {
        build_raw(b, UOP_ARG, locals[i], 0, 0, offsetof(Activation, args) + 8u * (unsigned)(i + 1), 0);
    }
    // The callee takes the references over, as it does in the interpreter: what it lets go first dies
    // first. If it raises, they are gone.
    pop_call(r, oparg, false);
    for (int i = 0; i < code->co_argcount; i++) {
        give(r, locals[i]);
    }
    settle(r);
    b->snap = snapshot_take(r);
    r->interp += policy_inner_entry(true);
    Ref result = build_raw(b, UOP_CALL_NATIVE, konst_obj(b, (PyObject *)func), 0, 0,
                           fn(entry), (uint64_t)code->co_argcount);
    after_unknown(r);
    push_owned(r, result);
    return true;
}
