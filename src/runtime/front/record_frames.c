// record_frames.c - calls: unknown code that may look at frames, and Python functions that are followed
// into.
#include "base/mutation.h"
#include "entry/hook.h"
#include "front/record.h"
#include "front/snapshot.h"

// --- unknown code -----------------------------------------------------------------------------

// A SLOT_BOX that lives on a stack only, while its variable is about to be written in memory: it
// could not be found there any more.
static bool
loses_its_home(const Recorder *r, const RFrame *f, int i, Ref ref)
{
    return i >= f->n_locals && is_slot_box(r, ref)
        && r->t->ins[ref].operand[0] < slot_offset(r->frames[0].n_locals);
}

// Every local owns a reference of its own from here on, and exists as an object.
static void
settle_locals(Recorder *r)
{
    for (int stacks = 0; stacks < 2; stacks++) {    // locals first
        for (int k = 0; k < r->n_frames; k++) {
            RFrame *f = &r->frames[k];
            for (int i = stacks ? f->n_locals : 0; i < f->n_locals + (stacks ? f->depth : 0); i++) {
                const Slot *slot = &r->slots[f->base + i];
                if (slot->state == SLOT_HOLDS && !ref_is_const(slot->ref)
                    && (!stacks || loses_its_home(r, f, i, slot->ref))) {
                    real(r, slot->ref);
                }
            }
        }
    }
    begin_count(r);
    for (int k = 0; k < r->n_frames; k++) {
        RFrame *f = &r->frames[k];
        for (int i = 0; i < f->n_locals && r->b.abort == ABORT_NONE; i++) {
            Slot *slot = &r->slots[f->base + i];
            if (slot->state != SLOT_HOLDS || ref_is_const(slot->ref)) {
                continue;
            }
            Ref ref = slot->ref;
            if (r->avail_at[ref] != r->epoch) {
                r->avail_at[ref] = r->epoch;
                r->avail[ref] = r->own[ref];
            }
            if (r->avail[ref] == 0) {
                build1(&r->b, UOP_INCREF, ref);
                r->own[ref]++;
            }
            else {
                r->avail[ref]--;
            }
        }
    }
}

void
sync_frames(Recorder *r)
{
    if (r->handled > 0 && r->seen) {    // whose traceback would keep the frame objects: the trace would be left behind the call
        give_up(r, ABORT_HANDLER);
        return;
    }
    forget_frame_objects(r);
    store_frames(r);
}

void
store_frames(Recorder *r)
{
    Builder *b = &r->b;
    settle_locals(r);
    for (int k = 1; k < r->n_frames; k++) {
        RFrame *f = &r->frames[k];
        if (f->memory == NO_REF && f->kind == FRAME_GENERATOR) {
            Ref address = frame_address(r, f);
            build_raw(b, UOP_GENERATOR_LINK, address, 0, 0, 0, 0);
            f->memory = address;
        }
        else if (f->memory == NO_REF) {
            f->memory = build_raw(b, UOP_FRAME_PUSH, f->func, 0, 0, fn(f->ip), 0);
        }
    }
    uint16_t before = b->snap;
    b->snap = snapshot_take(r);
    build_raw(b, UOP_SYNC, 0, 0, 0, 0, 0);
    b->snap = b->abort == ABORT_NONE ? b->snap : before;
}

void
after_unknown(Recorder *r)
{
    r->check_valid = true;
}

void
check_valid(Recorder *r)
{
    Builder *b = &r->b;
    r->check_valid = false;
    r->minds |= !r->seen;
    if (!MUTATED(no_guard_valid)) {
        build_raw(b, UOP_GUARD_VALID, 0, 0, 0, 0, 0);   // operand: set when the executor exists
    }
    Ref frame = build0(b, UOP_ROOT_FRAME);
    build_raw(b, UOP_GUARD_UNSEEN, frame, 0, 0, compat_frame_obj_offset(), 0);
    for (int k = 0; k < r->n_frames; k++) {
        if (compat_frame_is_generator(r->frames[k].frame)) {
            guard_unwatched(r, r->frames[k].code);
        }
    }
    for (int k = 1; k < r->n_frames; k++) {
        if (r->frames[k].memory != NO_REF) {
            build_raw(b, UOP_GUARD_UNSEEN, r->frames[k].memory, 0, 0, compat_frame_obj_offset(), 0);
        }
    }
}

Ref
call_unknown(Recorder *r, int op, Ref a, Ref b, Ref c, void *function, uint64_t operand)
{
    a = real(r, a);
    b = real(r, b);
    c = real(r, c);
    sync_frames(r);
    Ref ref = build_raw(&r->b, op, a, b, c, fn(function), operand);
    after_unknown(r);
    return ref;
}

// --- frames -----------------------------------------------------------------------------------

// The bytecodes before RESUME (cells) bring no events: they are recorded at once.
static bool
record_prologue(Recorder *r, PyCodeObject *code)
{
    Instr in;
    int first = compat_code_first_traceable(code);
    for (int offset = 0; offset < first; offset = in.next) {
        if (compat_decode(code, offset, &in) < 0) {
            PyErr_Clear();
            give_up(r, ABORT_MEMORY);
            return false;
        }
        if (in.op != BC_COPY_FREE_VARS && in.op != BC_MAKE_CELL && in.op != BC_NOP) {
            give_up(r, ABORT_BYTECODE);
            return false;
        }
        record_functions[in.op](r, &in);
    }
    top_frame(r)->ip = compat_code_start(code) + first;
    return r->b.abort == ABORT_NONE;
}

bool
enter_call(Recorder *r, PyFunctionObject *func, Ref func_ref, const Ref *locals, int n,
           FrameKind kind, Ref extra, PyObject *extra_obj)
{
    PyCodeObject *code = (PyCodeObject *)func->func_code;
    RFrame *caller = top_frame(r);
    int base = caller->base + caller->n_locals + caller->depth;
    if (r->n_frames > jit.params.max_inline || r->n_frames > MAX_INLINE
        || base + compat_code_framesize(code) + 8 > MAX_SLOTS) {
        give_up(r, ABORT_INLINE_DEPTH);
        return false;
    }
    if (hook_watch_code(code) < 0) {
        give_up(r, ABORT_MEMORY);
        return false;
    }
    caller->return_offset = (uint16_t)(r->now.next - (int)(caller->ip - compat_code_start(caller->code)));
    r->expect = -1;                     // the callee's first bytecode, whichever that is
    RFrame *f = &r->frames[r->n_frames++];
    *f = (RFrame){.code = code, .func_obj = (PyObject *)func, .func = func_ref, .base = base,
                  .n_locals = compat_code_nlocalsplus(code), .kind = kind, .extra = extra,
                  .extra_obj = extra_obj, .ip = compat_code_start(code)};
    for (int i = 0; i < f->n_locals; i++) {
        Ref ref = i < n ? locals[i] : NO_REF;
        if (ref != NO_REF && ref_is_const(ref)) {
            build1(&r->b, UOP_INCREF, ref);
        }
        r->slots[base + i] = (Slot){ref, ref == NO_REF ? SLOT_EMPTY : SLOT_HOLDS};
    }
    return record_prologue(r, code);
}

void
leave_call(Recorder *r, Ref result, PyObject *value)
{
    RFrame f = *top_frame(r);
    for (int i = 0; i < f.n_locals; i++) {
        (void)slot_at(r, &f, i);        // what memory holds goes with the frame, too
    }
    guard_forgotten(r);                 // or its locals would have to stay
    Outcome outcome = operator_guards(r, &f, result, value);
    if (f.memory != NO_REF) {
        build_raw(&r->b, UOP_FRAME_POP, f.memory, 0, 0, 0, 0);
    }
    r->n_frames--;
    RFrame *caller = top_frame(r);
    r->expect = (int)(caller->ip - compat_code_start(caller->code)) + caller->return_offset;
    if (f.kind == FRAME_INIT) {
        if (value != Py_None) {
            give_up(r, ABORT_UNUSUAL_RETURN);
            return;
        }
        must_be(r, result, Py_None);
        release(r, result);
    }
    // The result's place on the caller's stack is that of the first local: these go first.
    for (int i = 0; i < f.n_locals; i++) {
        Slot *slot = &r->slots[f.base + i];
        if (slot->state == SLOT_HOLDS && ref_is_const(slot->ref)) {
            build1(&r->b, UOP_DECREF_SHARED, slot->ref);
        }
        else if (slot->state == SLOT_HOLDS) {
            release(r, slot->ref);
        }
        *slot = (Slot){NO_REF, SLOT_EMPTY};
    }
    if (f.kind >= FRAME_KEEPING) {
        operator_result(r, &f, result, outcome);
    }
    else {
        push(r, f.kind == FRAME_INIT ? f.extra : result);
    }
    if (!ref_is_const(f.func)) {
        release(r, f.func);
    }
}
