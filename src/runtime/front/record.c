// record.c - the recorder's core: start, one bytecode after the other, and end.
//
// In:   INSTRUCTION events, one before each bytecode the interpreter executes.
// Out:  a Trace, handed to jit.c (compile_trace) when the path closes a loop, reaches another
//       compiled loop, or comes to something that is not compiled.
//
// Rules that hold in all record_*.c:
//  1. The interpreter executes; the recorder only looks. Nothing it calls may run Python code, or leave an
//     exception: keys of other types than str may be asked for their ==, values for their truth, what is dropped
//     may have a __del__. Debug builds stop where that happens (compat_forbid_python).
//  2. Within one bytecode guards come before effects: the snapshot is the state before it.
//  3. What a bytecode drops is released and dropped before the next one (settle), when the
//     symbolic frame is whole: a destructor may look at it.
//
// See record.h for the books that are kept, build.h for how instructions are simplified.
#include "front/record.h"
#include "base/os.h"
#include "entry/hook.h"
#include "front/snapshot.h"
#include "policy/policy.h"
#include "run/anchors.h"
#include "run/invalidate.h"
#include "run/recorder.h"
#include "run/switches.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- start ------------------------------------------------------------------------------------

enum { MAX_ELSEWHERE = 20000 };         // events of other frames in a row: about a millisecond

static RecordCompile *compile;            // what becomes of a finished recording
static Recorder *storage;               // one recording at a time; allocated at the first
static Trace *storage_trace;

// What a recording kept alive and might now go with a sound: dropped by record_drop_leftovers().
static PyObject *leftovers;

static void
leave_behind(PyObject *o)
{
    if (o == NULL || Py_REFCNT(o) > 1 || compat_quiet_to_free(o)) {
        Py_XDECREF(o);
        return;
    }
    leftovers = leftovers != NULL ? leftovers : PyList_New(0);
    if (leftovers == NULL || PyList_Append(leftovers, o) < 0) {
        PyErr_Clear();
        return;                         // out of memory: it stays alive
    }
    Py_DECREF(o);
    jit.to_sweep = true;
}

static void
record_drop_leftovers(void)
{
    if (leftovers != NULL) {
        PyThreadState *tstate = PyThreadState_GET();
        PyObject *exc = PyErr_GetRaisedException();
        CallbackState saved;
        compat_leave_callback(tstate, &saved);  // tools see what runs now
        Py_CLEAR(leftovers);
        compat_reenter_callback(tstate, &saved);
        PyErr_SetRaisedException(exc);
    }
}

static Recorder *
recorder_new(PyThreadState *tstate)
{
    if (storage == NULL) {
        storage = PyMem_RawCalloc(1, sizeof(Recorder));
        storage_trace = PyMem_RawCalloc(1, sizeof(Trace));
        if (storage == NULL || storage_trace == NULL) {
            PyMem_RawFree(storage);
            PyMem_RawFree(storage_trace);
            storage = NULL;
            return NULL;
        }
    }
    Recorder *r = storage;
    memset(r->own, 0, storage_trace->n_ins);    // of the recording before
    if (builder_begin(&r->b, storage_trace, jit.params.max_trace * 2) < 0) {
        PyErr_Clear();
        return NULL;
    }
    r->b.met_class = assume_type_lives;
    r->t = storage_trace;
    r->tstate = tstate;
    r->parent = NULL;
    r->t->is_side = false;
    r->bytecodes = 0;
    r->interp = 0;
    r->check_valid = r->seen = r->minds = r->turns_seen = r->ended = r->returned = r->function = false;
    r->elsewhere = r->handled = 0;
    r->after = NULL;
    r->wait.on = false;
    r->ran_loop = -1;
    r->unrolled = 0;
    r->leaves_with_exit = 0;
    r->first_drop_ip = NULL;
    r->loud = NO_REF;
    r->resumed = false;
    r->started = os_now();
    r->switches = switches_count(tstate);
    r->now.offset = -1;
    r->start_offset = -1;
    r->expect = -1;
    r->last_snap = r->last_snap_ins = 0;
    r->n_frames = 0;
    r->n_params = r->n_pending = r->n_released = 0;
    assume_begin();
    jit.stats.recordings++;
    return r;
}

// A recording whose frame is gone (an exception took it) will never hear of another bytecode.
static bool
recording_is_stale(PyThreadState *tstate)
{
    for (Frame *f = compat_current_frame(tstate); f != NULL; f = compat_frame_previous(f)) {
        if (f == jit.recorder->frames[0].frame) {
            return false;
        }
    }
    return tstate == jit.recorder->tstate;
}

static void
record_end_overtaken(void)
{
    if (jit.recorder != NULL && jit.recorder->leaves_with_exit != 0) {
        record_abort(ABORT_RUN_ON);
    }
}

static void
record_left_in_compiled(const Frame *frame)
{
    Recorder *r = jit.recorder;
    if (r != NULL && r->frames[0].frame == frame) {
        r->leaves_with_exit = jit.stats.exits + 1;
    }
}

static bool
record_waits_for_exit(void)
{
    return jit.recorder != NULL && jit.recorder->leaves_with_exit != 0;
}

static void
record_left_after_loop(const Frame *innermost)
{
    Recorder *r = jit.recorder;
    if (r != NULL && r->leaves_with_exit == jit.stats.exits && r->frames[0].frame == innermost) {
        r->leaves_with_exit = 0;
    }
}

// Compiled code has run the frame to its end: a recording that waited in it, begun where the loop
// that a trace ran as a whole was left, will hear no more.
static void
record_frame_gone(const Frame *frame)
{
    for (int k = 0; jit.recorder != NULL && k < jit.recorder->n_frames; k++) {
        if (jit.recorder->frames[k].frame == frame) {
            record_abort(ABORT_RUN_ON);
        }
    }
}

// The path that is recorded switches to another C stack: it, and what it is inlined in, would be suspended
// there with the trace's activation. The outermost frame's code may still have traces of other paths.
static bool
abort_if_switched(PyThreadState *tstate)
{
    Recorder *r = jit.recorder;
    if (!switches_since(tstate, r->switches)) {
        r->switches = switches_count(tstate);
        return false;
    }
    for (int k = 1; k < r->n_frames; k++) {
        (void)switches_note(r->frames[k].code);
    }
    record_abort(ABORT_STACK_SWITCH);
    return true;
}

static bool
may_start(PyThreadState *tstate)
{
    record_end_overtaken();
    if (jit.recorder != NULL && recording_is_stale(tstate) && !abort_if_switched(tstate)) {
        record_abort(ABORT_EXCEPTION);
    }
    return jit.recorder == NULL;
}

// Recording a root trace for `key`, the frame standing at `start`.
static int
begin_root(PyThreadState *tstate, Frame *frame, PyCodeObject *code, int key, int start, bool resumed)
{
    int anchor = key_offset(key), depth = compat_frame_depth(frame);
    Recorder *r = may_start(tstate) ? recorder_new(tstate) : NULL;
    if (r == NULL || hook_watch_code(code) < 0) {
        return -1;
    }
    r->anchor_code = code;
    r->anchor = anchor;
    r->anchor_depth = depth;
    r->n_frames = 1;
    r->frames[0] = (RFrame){.code = code, .func_obj = compat_frame_func(frame), .frame = frame,
                            .n_locals = compat_code_nlocalsplus(code),
                            .depth = depth, .kind = FRAME_ROOT,
                            .ip = compat_code_start(code) + start};
    int n = compat_code_nlocalsplus(code) + depth;
    if (compat_code_framesize(code) > MAX_SLOTS - 200) {
        leave_behind(r->b.keep);
        r->b.keep = NULL;
        return -1;
    }
    for (int i = 0; i < n; i++) {
        r->slots[i] = (Slot){NO_REF, SLOT_UNTOUCHED};
    }
    r->resumed = resumed;
    r->consumer = key_consumer(key);
    jit.recorder = r;
    r->b.snap = snapshot_take(r);       // snapshot 0: nothing has been touched
    r->expect = start;
    return 0;
}

static int
start_root(PyThreadState *tstate, Frame *frame, PyCodeObject *code, int key, int start, bool resumed)
{
    compat_forbid_python(tstate, true);
    int done = begin_root(tstate, frame, code, key, start, resumed);
    compat_forbid_python(tstate, false);
    return done;
}

static int
record_start_root(PyThreadState *tstate, Frame *frame, PyCodeObject *code, int key)
{
    return start_root(tstate, frame, code, key, key_offset(key), false);
}

static int
record_start_resumed(PyThreadState *tstate, Frame *frame, PyCodeObject *code, int key)
{
    return start_root(tstate, frame, code, key, key_offset(key), true);
}

// Entered at RESUME, which the interpreter has done when the trace begins.
static int
record_start_function(PyThreadState *tstate, Frame *frame, PyCodeObject *code, int anchor)
{
    if (start_root(tstate, frame, code, anchor, anchor + 1, false) < 0) {
        return -1;
    }
    jit.recorder->function = true;
    begin_function(jit.recorder);
    return 0;
}

static int
begin_side(PyThreadState *tstate, Frame *frame, Executor *ex, uint32_t n)
{
    Recorder *r = may_start(tstate) ? recorder_new(tstate) : NULL;
    if (r == NULL) {
        return -1;
    }
    r->parent = (Executor *)Py_NewRef((PyObject *)ex);
    r->parent_exit = n;
    r->t->is_side = true;
    r->unrolled = ex->unrolled;
    r->anchor_code = ex->root->code;
    r->anchor = key_offset(ex->root->anchor);
    r->consumer = key_consumer(ex->root->anchor);
    r->function = ex->root->is_function;
    jit.recorder = r;
    snapshot_inherit(r, ex, n, frame);
    for (int k = 0; k < r->n_frames && r->b.abort == ABORT_NONE; k++) {
        if (hook_watch_code(r->frames[k].code) < 0) {
            r->b.abort = ABORT_MEMORY;
        }
    }
    r->expect = (int)(top_frame(r)->ip - compat_code_start(top_frame(r)->code));
    if (executor_exit_raises(ex, &ex->exits[n]) && r->b.abort == ABORT_NONE) {
        bool unknown = (uop_table[ex->ins[ex->exits[n].ref].op].flags & ESCAPES) || r->check_valid;
        record_catch(r, unknown);       // sets r->expect
    }
    if (r->b.abort != ABORT_NONE) {
        record_abort(r->b.abort);
        return -1;
    }
    return 0;
}

static int
record_start_side(PyThreadState *tstate, Frame *frame, Executor *ex, uint32_t n)
{
    compat_forbid_python(tstate, true);
    int done = begin_side(tstate, frame, ex, n);
    compat_forbid_python(tstate, false);
    return done;
}

// --- end --------------------------------------------------------------------------------------

static void
recorder_stop(Recorder *r)
{
    policy_charge_bytecodes(r->bytecodes);
    leave_behind(r->b.keep);
    leave_behind((PyObject *)r->parent);
    r->b.keep = NULL;
    r->parent = NULL;
    jit.recorder = NULL;
    uint64_t start = os_now();
    hook_unwatch_all();
    jit.stats.record_ns += os_now() - start;
}

static void
log_abort(Recorder *r, AbortReason reason)
{
    RFrame *f = r->n_frames > 0 ? top_frame(r) : NULL;
    PyCodeObject *code = f != NULL ? f->code : r->anchor_code;
    int line = f != NULL ? PyCode_Addr2Line(code, (int)(f->ip - compat_code_start(code)) * 2) : 0;
    const char *what = reason == ABORT_BYTECODE || jit.dump != NULL
        ? compat_instr_name(code, &r->now) : "";
    if (jit.dump != NULL && strstr(jit.dump, "abort") != NULL) {
        fprintf(stderr, "--- abort: %s at %s:%d %s\n", abort_text(reason),
                PyUnicode_AsUTF8(code->co_filename), line, what);
    }
    hook_log_abort(code, line, reason, what);
}

void
record_abort(AbortReason reason)
{
    Recorder *r = jit.recorder;
    if (r == NULL) {
        return;
    }
    jit.stats.record_ns += os_now() - r->started;
    log_abort(r, reason);
    bool raised = reason == ABORT_EXCEPTION || reason == ABORT_HANDLER;
    if (reason == ABORT_LEFT_LOOP || (raised && r->n_frames > 0 && turns_elsewhere(r))) {
        hook_retry_soon(r->anchor_code, root_key(r, r->anchor));
    }
    else if (r->parent == NULL && hook_executor_at(r->anchor_code, root_key(r, r->anchor)) == NULL) {
        hook_penalise(r->anchor_code, root_key(r, r->anchor), reason);
    }
    else if (r->parent != NULL) {
        Exit *exit = &r->parent->exits[r->parent_exit];
        exit->retry = exit->count > UINT32_MAX / 4 ? UINT32_MAX : exit->count * 4 + 64;
    }
    recorder_stop(r);
}

static void end_with_exit(Recorder *r);

// Does what was recorded of the last bytecode raise, when it is run?
static bool
may_raise(const Recorder *r)
{
    for (Ref ref = r->first_ins; ref < r->t->n_ins; ref++) {
        uint32_t flags = uop_table[r->t->ins[ref].op].flags;
        if ((flags & RAISES) && !(flags & EXITS) && r->t->ins[ref].op != UOP_FRAME_PUSH) {
            return true;
        }
    }
    return false;
}

// The bytecode recorded last has raised an exception that is handled in a frame that is followed. The trace ends
// behind that bytecode, as if it had not; when its error exit is hot, a side trace goes to the handler.
static void
end_at_exception(Recorder *r)
{
    bool in_bytecode = r->start_offset >= 0 && r->after == NULL && r->expect >= 0 && !r->wait.on && r->b.abort == ABORT_NONE
        && r->now_frame == top_frame(r)->frame;
    if (!in_bytecode || !may_raise(r) || !is_handled_here(r) || turns_elsewhere(r)) {
        record_abort(ABORT_EXCEPTION);
        return;
    }
    RFrame *f = top_frame(r);
    r->drop_ip = f->ip;
    f->ip = compat_code_start(f->code) + r->expect;
    settle(r);
    drop_pending(r);
    r->b.snap = snapshot_take(r);
    if (r->check_valid) {
        check_valid(r);
    }
    if (r->b.abort != ABORT_NONE) {
        record_abort(r->b.abort);
        return;
    }
    r->end_reason = ABORT_EXCEPTION;
    end_with_exit(r);
}

void
give_up(Recorder *r, AbortReason reason)
{
    if (r->b.abort == ABORT_NONE) {
        r->b.abort = reason;
    }
}

bool
turns_elsewhere(const Recorder *r)
{
    return r->parent == NULL && hook_may_retry(r->anchor_code, root_key(r, r->anchor));
}

void
end_here(Recorder *r, AbortReason reason)
{
    r->ended = true;
    r->end_reason = reason;
}

static void
install(Recorder *r, const Executor *target, uint16_t loop_snap)
{
    jit.stats.record_ns += os_now() - r->started;
    if (r->parent == NULL && r->b.abort == ABORT_NONE) {
        snapshot_complete(r);
    }
    AbortReason reason = r->b.abort != ABORT_NONE ? r->b.abort
                                                   : compile(r, target, loop_snap);
    if (reason != ABORT_NONE) {
        record_abort(reason);
        return;
    }
    recorder_stop(r);
}

// The path came back to the anchor: every slot owns what it holds, then the loop is closed.
static void
close_loop(Recorder *r)
{
    snapshot_need(r);
    turn_with_objects(r, NULL);
    carry_outer_numbers(r);
    own_every_slot(r);
    uint16_t loop_snap = snapshot_take(r);
    install(r, NULL, loop_snap);
}

static void
end_with_exit(Recorder *r)
{
    bool yields = r->end_reason == ABORT_YIELD, ends = r->end_reason == ABORT_GENERATOR_ENDS;
    // Coming from C, one value costs the interpreter more than entering it from a callback.
    bool version = r->parent == NULL && hook_executor_at(r->anchor_code, root_key(r, r->anchor)) != NULL;
    bool raised = r->end_reason == ABORT_EXCEPTION;
    int least = raised ? 1 : r->parent != NULL ? (ends ? 1 : 4) : version ? 4 : yields && r->resumed ? 20 : 30;
    if (r->end_reason == ABORT_LEFT_LOOP || r->bytecodes < least) {
        // Not worth entering compiled code for.
        record_abort(r->end_reason);
        return;
    }
    log_abort(r, r->end_reason);
    r->b.snap = snapshot_take(r);
    if ((yields || ends) && r->b.snap != NO_SNAP) {
        r->t->snaps[r->b.snap].yields = yields ? 1 : 2;
    }
    build_raw(&r->b, UOP_TRACE_END, 0, 0, 0, 0, 0);
    install(r, NULL, NO_SNAP);
}

// Another trace is compiled for the loop head that the path has reached: go on there.
static bool
try_link(Recorder *r, int offset)
{
    if (r->n_frames != 1) {
        return false;
    }
    Executor *ex = hook_executor_at(top_frame(r)->code, root_key(r, offset));
    if (ex != NULL && r->parent != NULL && offset == r->anchor) {
        // The tree's own loop head: if no trace takes the variables as they are, the path ends
        // here, or it would be followed round and round.
        end_here(r, ABORT_TYPE_UNSTABLE);
    }
    for (; ex != NULL; ex = ex->next_version) {
        if (!ex->invalid && ex->loop_entry != NULL && ex->stack_depth == top_frame(r)->depth
            && link_accepts(r, ex)) {
            r->ended = false;
            snapshot_need(r);
            turn_with_objects(r, ex->root);
            link_to(r, ex);
            install(r, ex, NO_SNAP);
            return true;
        }
    }
    if (r->ended) {
        end_with_exit(r);
        return true;
    }
    return false;
}

// --- one bytecode -----------------------------------------------------------------------------

// Is this event for the frame we follow? Sets the innermost frame's address when it starts.
static bool
is_followed(Recorder *r, Frame *frame, PyCodeObject *code)
{
    RFrame *top = top_frame(r);
    if (top->frame == NULL && code == top->code) {
        Frame *caller = compat_frame_previous(frame);
        if (caller != NULL && compat_frame_is_c_entry(caller)) {
            caller = compat_frame_previous(caller);
        }
        if (caller == r->frames[r->n_frames - 2].frame) {
            top->frame = frame;
        }
    }
    if (frame == top->frame) {
        if (code != top->code) {
            record_abort(ABORT_EXCEPTION);      // the frame is gone, another has its place
            return false;
        }
        return true;
    }
    for (int k = 0; k < r->n_frames - 1; k++) {
        if (r->frames[k].frame == frame) {
            end_at_exception(r);        // an exception left the frames above it
            return false;
        }
    }
    return false;
}

static bool
record_follows(Frame *frame, PyCodeObject *code)
{
    return jit.recorder != NULL && is_followed(jit.recorder, frame, code);
}

#ifdef JITPATCH_DEBUG
// Made by this uop, it is an object that never dies, and that nobody owns.
static bool
makes_immortal(int op)
{
    return op == UOP_BOX_BOOL || op == UOP_C_COMPARE || op == UOP_CHAR_STR;
}

// The same of a value: its own uop says so, or the fact of a trace before this one of which it is the result.
static bool
is_immortal(const Recorder *r, Ref ref)
{
    bool yes = makes_immortal(r->t->ins[ref].op);
    for (Ref known = r->b.known_from; known < r->b.known_to && !yes; known++) {
        const Ins *ins = &r->t->ins[known];
        yes = ins->in[3] == ref && makes_immortal(ins->op);
    }
    return yes;
}

// The books balance: what the trace owns some slot holds, and what a slot holds the trace owns.
static void
check_books(const Recorder *r)
{
    for (Ref ref = 1; ref < r->t->n_ins; ref++) {
        int op = r->t->ins[ref].op, n = holders(r, ref);
        if (r->own[ref] > n || (n > 0 && r->own[ref] == 0 && !is_immortal(r, ref))) {
            char *text = trace_text(r->t);
            fprintf(stderr, "%s\njitpatch: %04d %s: the trace owns %d, slots hold %d\n", text, ref,
                    uop_table[op].name, r->own[ref], n);
            abort();
        }
    }
}

// What the trace takes for a constant is that object, or one that nobody can tell from it.
static void
check_constants(Recorder *r)
{
    RFrame *f = top_frame(r);
    for (int i = 0; i < f->n_locals + f->depth; i++) {
        Slot slot = r->slots[f->base + i];
        PyObject *object = compat_frame_slots(f->frame)[i];
        if (slot.state != SLOT_HOLDS || !ref_is_const(slot.ref)) {
            continue;
        }
        PyObject *constant = konst_as_obj(r->t, slot.ref);
        if (object == constant || (object != NULL && Py_TYPE(object) == Py_TYPE(constant)
                                   && (compat_is_plain_key(object) || PyCFunction_Check(object))
                                   && PyObject_RichCompareBool(object, constant, Py_EQ) == 1)) {
            continue;
        }
        if (object != NULL && PyMethod_Check(object) && PyFunction_Check(constant)) {
            continue;                   // super().f: the function and self stand for the bound method
        }
        PyObject *before = i > f->n_locals ? compat_frame_slots(f->frame)[i - 1] : NULL;
        if (object == NULL && before != NULL && PyMethod_Check(before)) {
            continue;                   // and a NULL
        }
        fprintf(stderr, "jitpatch: slot %d of %s holds a %s, the trace knows a constant %s\n", i,
                PyUnicode_AsUTF8(f->code->co_qualname), object == NULL ? "NULL" : Py_TYPE(object)->tp_name,
                Py_TYPE(constant)->tp_name);
        abort();
    }
}
#endif

static bool
is_touched(Recorder *r, int i)
{
    const RFrame *f = top_frame(r);
    return r->slots[f->base + i].state != SLOT_UNTOUCHED;
}

static bool
is_bound(Recorder *r, int i)
{
    const RFrame *f = top_frame(r);
    return r->slots[f->base + i].state == SLOT_HOLDS;
}

// Nothing that is recorded for this bytecode can leave the trace, so it needs no snapshot: it only moves what has been
// looked at already. Half of all bytecodes are such, and snapshots are what is dearest in recording others.
static bool
moves_only(Recorder *r, const Instr *in)
{
    const RFrame *f = top_frame(r);
    int top = f->n_locals + f->depth - 1;
    switch (in->op) {
        case BC_LOAD_FAST: case BC_LOAD_FAST_CHECK:
            return is_bound(r, in->oparg);
        case BC_LOAD_FAST_LOAD_FAST:
            return is_bound(r, in->oparg >> 4) && is_bound(r, in->oparg & 15);
        case BC_STORE_FAST:
            return f->depth > 0 && is_touched(r, top) && is_touched(r, in->oparg);
        case BC_POP_TOP:
            return f->depth > 0 && is_touched(r, top);
        case BC_LOAD_CONST: case BC_PUSH_NULL: case BC_NOP: case BC_RESUME: case BC_JUMP_FORWARD:
        case BC_LOAD_GLOBAL:            // most are constants; others ask for one (load_global)
            return true;
        default:
            return false;
    }
}

// Called before each bytecode: finish the last one, take the snapshot of this one.
static void
begin_bytecode(Recorder *r, int offset, const Instr *in)
{
    r->drop_ip = r->first_drop_ip != NULL ? r->first_drop_ip : top_frame(r)->ip;
    r->first_drop_ip = NULL;
    top_frame(r)->ip = compat_code_start(top_frame(r)->code) + offset;
    settle(r);
    drop_pending(r);
    if (r->b.abort == ABORT_NONE) {
#ifdef JITPATCH_DEBUG
        check_books(r);
        check_constants(r);
#endif
        r->b.snap = r->check_valid || !moves_only(r, in) ? snapshot_take(r) : NO_SNAP;
    }
    if (r->check_valid) {
        check_valid(r);
    }
}

// The interpreter is about to execute the bytecode at `offset`, on the path.
static void
record_bytecode(Recorder *r, Frame *frame, PyCodeObject *code, int offset)
{
    Instr in = {.op = BC_OTHER};
    if (compat_decode(code, offset, &in) < 0) {
        PyErr_Clear();
        give_up(r, ABORT_MEMORY);
    }
    begin_bytecode(r, offset, &in);
    if (r->b.abort == ABORT_NONE && r->n_frames == 1) {
        if (r->parent == NULL && code == r->anchor_code && offset == r->anchor && r->bytecodes > 0) {
            // A version of this loop for the types that the first turn has led to, if there is one.
            if (!try_link(r, offset)) {
                close_loop(r);
            }
            return;
        }
        if (r->bytecodes > 0 && try_link(r, offset)) {
            return;
        }
    }
    if (r->b.abort == ABORT_NONE && offset != r->ran_loop && try_run_loop(r, offset)) {
        r->ran_loop = offset;           // its own exit may lead to its head again
        if (r->b.abort != ABORT_NONE) {
            record_abort(r->b.abort);
        }
        return;
    }
    r->ran_loop = -1;
    if (++r->bytecodes > jit.params.max_bytecodes || r->bytecodes == jit.params.abort_at) {
        give_up(r, ABORT_TOO_LONG);
    }
    if (r->b.abort == ABORT_NONE) {
        r->now = in;
        r->start_offset = offset;
        r->first_ins = r->t->n_ins;
        r->now_frame = frame;
        r->expect = r->now.next;
        int frames = r->n_frames;
        record_functions[r->now.op](r, &r->now);
        assert(!PyErr_Occurred());
        r->interp += policy_interpreter_cost(r->now.op, frames, r->n_frames);
    }
    if (r->b.abort != ABORT_NONE) {
        record_abort(r->b.abort);
    }
    else if (r->returned) {
        install(r, NULL, NO_SNAP);
    }
    else if (r->ended) {
        end_with_exit(r);
    }
}

// Compiled code was entered by the event of a jump, and left with the frame at that same jump, where
// this side trace begins. The interpreter just takes the jump then: the first bytecode that we hear
// of is its target.
static bool
has_jumped(const Recorder *r, PyCodeObject *code, int offset)
{
    Instr jump;
    if (r->parent == NULL || r->bytecodes > 0 || compat_decode(code, r->expect, &jump) < 0) {
        PyErr_Clear();
        return false;
    }
    return jump.op == BC_JUMP_BACKWARD && jump.target == offset;
}

static void
follow_instruction(PyThreadState *tstate, Frame *frame, PyCodeObject *code, int offset)
{
    record_end_overtaken();
    Recorder *r = jit.recorder;
    if (r == NULL || tstate != r->tstate) {
        return;
    }
    if (assume_broken()) {
        record_abort(ABORT_INVALIDATED);        // a class that it has met may be gone
        return;
    }
    if (!is_followed(r, frame, code)) {
        // A recursive call runs slowly while its code is watched.
        if (jit.recorder != NULL && ++r->elsewhere > MAX_ELSEWHERE) {
            record_abort(ABORT_LONG_CALL);
        }
        return;
    }
    if (abort_if_switched(tstate)) {
        return;
    }
    r->elsewhere = 0;
    if (r->wait.on) {
        if (!waited_enough(r, offset)) {
            return;
        }
        if (r->b.abort != ABORT_NONE) {
            record_abort(r->b.abort);
            return;
        }
    }
    if (r->resumed && r->bytecodes == 0 && offset != r->anchor) {
        return;                         // on the way from the yield to where the trace begins
    }
    if (r->start_offset >= 0 && offset > r->start_offset && offset <= r->now.offset
        && frame == r->now_frame) {
        return;                         // behind an EXTENDED_ARG: recorded with it
    }
    if (r->after != NULL) {
        void (*after)(Recorder *, int) = r->after;
        r->after = NULL;
        after(r, offset);
        if (r->b.abort != ABORT_NONE) {
            record_abort(r->b.abort);
            return;
        }
    }
    if (r->expect >= 0 && offset != r->expect) {
        if (!has_jumped(r, code, offset)) {
            end_at_exception(r);
            return;
        }
        record_bytecode(r, frame, code, r->expect);
        if (jit.recorder != r || r->expect != offset) {
            return;
        }
    }
    record_bytecode(r, frame, code, offset);
}

static void
record_instruction(PyThreadState *tstate, Frame *frame, PyCodeObject *code, int offset)
{
    compat_forbid_python(tstate, true);
    follow_instruction(tstate, frame, code, offset);
    assert(!PyErr_Occurred());
    compat_forbid_python(tstate, false);
}

void
record_init(RecordCompile *to_compile)
{
    compile = to_compile;
    recorder_calls = (RecorderCalls){
        .start_root = record_start_root, .start_function = record_start_function,
        .start_resumed = record_start_resumed, .start_side = record_start_side, .may_catch = record_may_catch,
        .follows = record_follows,
        .instruction = record_instruction, .drop_leftovers = record_drop_leftovers,
        .waits_for = record_waits_for, .loop_left = record_loop_left, .frame_gone = record_frame_gone,
        .left_in_compiled = record_left_in_compiled, .end_overtaken = record_end_overtaken,
        .waits_for_exit = record_waits_for_exit, .left_after_loop = record_left_after_loop};
}
