// exit.c - into compiled code, and from an exit back to the interpreter.
//
// In:   the registers saved by an exit stub, and the exit's snapshot.
// Out:  every frame as the interpreter would have left it before the bytecode the snapshot names.
//       Inlined frames are made and finished by the interpreter here; the outermost goes on when
//       the monitoring callback returns.
//
// Rules:
//  1. Build, then overwrite. Boxes that were never made are made first; slots change only after
//     all of them exist.
//  2. Every slot is written once and owns its reference afterwards. References that no slot takes
//     (SLOT_DROP) go last: a destructor may look at the frames.
//  3. Nothing here reads bytecode to guess. What the snapshot does not say is the recorder's bug.
#include "operators.h"
#include "jit.h"
#include "coverage.h"
#include "emit.h"
#include "helpers.h"
#include "switches.h"
#include <stdio.h>
#include <stdlib.h>

enum { MAX_AT_SAME_PLACE = 12 };         // side traces in a row that start at one bytecode

// --- values -----------------------------------------------------------------------------------

typedef struct {
    Activation *act;
    const Executor *ex;
    const Exit *exit;
    int n_made;
    struct { Ref ref; PyObject *object; bool given; } made[256];
} Restore;

static uint64_t
value_at(const Restore *s, Ref ref)
{
    if (ref_is_const(ref)) {
        return konst_bits(s->ex, ref);
    }
    const RefLoc *locs = s->ex->locs + s->exit->first_loc;
    for (uint32_t i = 0; i < s->exit->n_locs; i++) {
        if (locs[i].ref == ref) {
            Loc loc = locs[i].loc;
            if (loc >= LOC_SPILL) {
                return s->act->spills[loc - LOC_SPILL];
            }
            if (loc >= LOC_FREG) {
                uint64_t bits;
                memcpy(&bits, &s->act->fregs[loc - LOC_FREG], 8);
                return bits;
            }
            return s->act->regs[loc - LOC_REG];
        }
    }
    Py_FatalError("jitpatch: an exit needs a value that has no location");
}

// Memory for one box even when the allocator fails: given up once, then the program ends with a
// clear line, because a frame cannot be rebuilt without its variables.
static void *ballast;

static PyObject *
box_or_die(PyObject *(*make)(Restore *, Ref), Restore *s, Ref ref)
{
    PyObject *o = make(s, ref);
    if (o == NULL && ballast != NULL) {
        PyErr_Clear();
        PyMem_RawFree(ballast);
        ballast = NULL;
        o = make(s, ref);
    }
    if (o == NULL) {
        Py_FatalError("jitpatch: out of memory while leaving compiled code");
    }
    return o;
}

static PyObject *object_of(Restore *s, Ref ref, bool take);

static PyObject *
make_int(Restore *s, Ref value)
{
    return PyLong_FromLongLong((int64_t)value_at(s, value));
}

static PyObject *
make_float(Restore *s, Ref value)
{
    uint64_t bits = value_at(s, value);
    double v;
    memcpy(&v, &bits, 8);
    return PyFloat_FromDouble(v);
}

static PyObject *
make_tuple(Restore *s, Ref ref)
{
    const Ins *ins = &s->ex->ins[ref];
    return PyTuple_New((Py_ssize_t)ins->operand[0]);
}

static PyObject *
make_function(Restore *s, Ref ref)
{
    const Ins *ins = &s->ex->ins[ref];
    return compat_function_new((PyObject *)(uintptr_t)value_at(s, ins->in[0]),
                               (PyObject *)(uintptr_t)value_at(s, ins->in[1]));
}

static bool
is_slot_box(const Ins *ins)
{
    return ins->op == UOP_SLOT_BOX || ins->op == UOP_SLOT_BOX_FLOAT;
}

// A sunk object, made at most once per exit.
static PyObject *
made_object(Restore *s, Ref ref, bool *first)
{
    const Ins *ins = &s->ex->ins[ref];
    *first = false;
    for (int i = 0; i < s->n_made; i++) {
        if (s->made[i].ref == ref) {
            return s->made[i].object;
        }
    }
    if (s->n_made >= 256) {
        Py_FatalError("jitpatch: an exit makes too many objects");
    }
    PyObject *o;
    *first = true;
    if (ins->op == UOP_TUPLE_PACK) {
        o = box_or_die(make_tuple, s, ref);
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(o); i++) {
            PyTuple_SET_ITEM(o, i, object_of(s, ins->in[i], true));
        }
    }
    else if (ins->op == UOP_FUNCTION_PACK) {
        o = box_or_die(make_function, s, ref);
        PyObject *closure = object_of(s, ins->in[2], true);
        if (closure != Py_None) {
            ((PyFunctionObject *)o)->func_closure = closure;
        }
    }
    else if (ins->op == UOP_BOX_INT || ins->op == UOP_SLOT_BOX) {
        o = box_or_die(make_int, s, ins->in[0]);
    }
    else if (ins->op == UOP_BOX_FLOAT || ins->op == UOP_SLOT_BOX_FLOAT) {
        o = box_or_die(make_float, s, ins->in[0]);
    }
    else {
        Py_FatalError("jitpatch: an exit needs an object that it cannot make");
    }
    s->made[s->n_made].ref = ref;
    s->made[s->n_made++].object = o;
    return o;
}

// The object of a ref with one reference for the slot: the trace's own if `take`, else a new one.
static PyObject *
object_of(Restore *s, Ref ref, bool take)
{
    PyObject *o;
    if (!ref_is_const(ref)) {
        const Ins *ins = &s->ex->ins[ref];
        if (is_slot_box(ins)) {
            o = *(PyObject **)((char *)s->act->frame + ins->operand[0]);
            if (o != NULL) {
                return take ? o : Py_NewRef(o);
            }
        }
        if (is_slot_box(ins) || (ins->flags & INS_SUNK)) {
            bool first;
            o = made_object(s, ref, &first);
            return first ? o : Py_NewRef(o);
        }
    }
    o = (PyObject *)(uintptr_t)value_at(s, ref);
    return take ? o : Py_NewRef(o);
}

// --- frames -----------------------------------------------------------------------------------

// Frames that exist in memory beyond what the snapshot says are undone (a push that failed half-way).
static void
cut_frames(PyThreadState *tstate, Frame *last)
{
    while (compat_current_frame(tstate) != last) {
        Frame *frame = compat_current_frame(tstate);
        if (compat_frame_is_generator(frame)) {
            compat_generator_unlink(tstate, compat_generator_of(frame));
        }
        else {
            compat_drop_pushed(tstate, frame);
        }
    }
}

// Makes the frames of the snapshot; frames[k] is where. Slots are not written yet.
static void
make_frames(Restore *s, const Snapshot *snap, Frame **frames)
{
    PyThreadState *tstate = s->act->tstate;
    frames[0] = s->act->frame;
    int k = 1;
    for (; k < snap->n_frames; k++) {
        const SnapFrame *f = &s->ex->frames[snap->first_frame + (uint32_t)k];
        if (f->memory == NO_REF) {
            break;
        }
        frames[k] = (Frame *)(uintptr_t)value_at(s, f->memory);
    }
    cut_frames(tstate, frames[k - 1]);
    for (; k < snap->n_frames; k++) {
        const SnapFrame *f = &s->ex->frames[snap->first_frame + (uint32_t)k];
        if (f->kind == FRAME_GENERATOR) {
            PyObject *generator = (PyObject *)(uintptr_t)value_at(s, f->extra);
            compat_generator_link(tstate, generator);
            frames[k] = compat_generator_frame(generator);
            continue;
        }
        PyObject *func = (PyObject *)(uintptr_t)value_at(s, f->func);
        frames[k] = compat_push_frame(tstate, func, frames[k - 1], f->ip, f->depth);
        if (frames[k] == NULL) {
            Py_FatalError("jitpatch: out of memory while leaving compiled code");
        }
    }
    for (k = 0; k < snap->n_frames; k++) {
        const SnapFrame *f = &s->ex->frames[snap->first_frame + (uint32_t)k];
        if (f->ip != NULL) {            // NULL: stands in memory as RUN_LOOP left it
            compat_frame_set_ip(frames[k], f->ip);
            compat_frame_set_depth(frames[k], f->depth);
        }
    }
}

// Stores that the trace held back (opt_lower.c). values: what goes into modules.
static void
do_held_stores(const Restore *s, const Snapshot *snap, PyObject **values)
{
    for (uint32_t i = 0; i < snap->count; i++) {
        const SnapEntry *e = &s->ex->entries[snap->first + i];
        const Ins *ins = &s->ex->ins[e->slot];
        if (e->how != SLOT_STORE) {
            continue;
        }
        if (ins->op == UOP_GLOBAL_STORE) {
            help_global_set((PyObject *)(uintptr_t)value_at(s, ins->in[0]),
                            (PyObject *)(uintptr_t)value_at(s, ins->in[1]), values[i]);
            Py_DECREF(values[i]);
            continue;
        }
        void *iter = (void *)(uintptr_t)value_at(s, ins->in[0]);
        int64_t a = (int64_t)value_at(s, ins->in[1]);
        if (ins->op == UOP_ITER_SET_INDEX) {
            ((help_seq_iter *)iter)->it_index = a;
            continue;
        }
        if (ins->op == UOP_ITER_SET_WORD) {
            *(int64_t *)((char *)iter + ins->operand[0]) = a;
            continue;
        }
        int64_t b = (int64_t)value_at(s, ins->in[2]);
        ((help_range_iter *)iter)->start = a;
        ((help_range_iter *)iter)->len = ins->op == UOP_RANGE_SET ? b
                                                                  : (b - a) * (int64_t)ins->operand[0];
    }
}

enum { MAX_RESTORED = 2000 };

static void
restore_frames(Restore *s, const Snapshot *snap, Frame **frames)
{
    static PyObject *values[MAX_RESTORED];
    const SnapEntry *entries = s->ex->entries + snap->first;
    if (snap->count > MAX_RESTORED) {
        Py_FatalError("jitpatch: an exit restores too many slots");
    }
    // Made first: nothing below can fail. Slots at home before the others that share their object.
    for (uint32_t i = 0; i < snap->count; i++) {
        values[i] = NULL;
        if (entries[i].how == SLOT_PARAM) {
            PyObject **slot = &compat_frame_slots(frames[0])[entries[i].slot];
            if (*slot == NULL) {
                values[i] = object_of(s, entries[i].ref, true);
            }
        }
    }
    for (uint32_t i = 0; i < snap->count; i++) {
        if (entries[i].how == SLOT_TAKE) {
            values[i] = object_of(s, entries[i].ref, true);
        }
    }
    for (uint32_t i = 0; i < snap->count; i++) {
        if (entries[i].how == SLOT_NEW) {
            values[i] = object_of(s, entries[i].ref, false);
        }
        else if (entries[i].how == SLOT_DROP) {
            values[i] = object_of(s, entries[i].ref, true);
        }
    }
    for (uint32_t i = 0; i < snap->count; i++) {
        if (entries[i].how == SLOT_STORE && s->ex->ins[entries[i].slot].op == UOP_GLOBAL_STORE) {
            values[i] = object_of(s, s->ex->ins[entries[i].slot].in[2], false);
        }
    }
    do_held_stores(s, snap, values);
    for (uint32_t i = 0; i < snap->count; i++) {
        const SnapEntry *e = &entries[i];
        if (e->how == SLOT_DROP || e->how == SLOT_STORE || (e->how == SLOT_PARAM && values[i] == NULL)) {
            continue;
        }
        compat_frame_slots(frames[e->frame])[e->slot] = values[i];
    }
    // Last: a destructor sees whole frames. An exception that is set stays.
    PyObject *pending = NULL;
    uint32_t n_drops = 0;
    PyObject *drops[snap->count + 1];   // a destructor may leave compiled code, too: not `values`
    for (uint32_t i = 0; i < snap->count; i++) {
        if (entries[i].how == SLOT_DROP) {
            drops[n_drops++] = values[i];
        }
    }
    if (n_drops > 0) {
        Frame *innermost = frames[snap->n_frames - 1];
        _Py_CODEUNIT *ip = compat_frame_ip(innermost);
        compat_frame_set_ip(innermost, snap->drop_ip);
        pending = PyErr_GetRaisedException();
        for (uint32_t i = 0; i < n_drops; i++) {
            Py_DECREF(drops[i]);
        }
        PyErr_SetRaisedException(pending);
        compat_frame_set_ip(innermost, ip);
    }
}

// An operator's function has returned: its operands on the caller's stack give way to the result.
// false: an exception is to be raised there.
static bool
end_operator(const SnapFrame *f, Frame *frame, const SnapFrame *caller, PyObject *result)
{
    PyObject **slots = compat_frame_slots(frame);
    int first = compat_code_nlocalsplus((PyCodeObject *)caller->code) + caller->depth - f->n_kept;
    result = finish_operator((FrameKind)f->kind, f->op, slots + first, result);
    if (result == NULL) {
        return false;
    }
    PyObject *kept[ACT_ARGS];
    memcpy(kept, slots + first, f->n_kept * sizeof *kept);
    int depth = caller->depth - f->n_kept;
    if (f->kind == FRAME_DISCARD) {
        Py_DECREF(result);
    }
    else {
        slots[first] = result;
        depth++;
    }
    compat_frame_set_depth(frame, depth);
    for (int i = 0; i < f->n_kept; i++) {
        Py_XDECREF(kept[i]);
    }
    compat_frame_set_ip(frame, caller->ip + caller->return_offset);
    return true;
}

static void
push_result(const SnapFrame *caller, Frame *frame, PyObject *result)
{
    int top = compat_code_nlocalsplus((PyCodeObject *)caller->code) + caller->depth;
    compat_frame_slots(frame)[top] = result;
    compat_frame_set_depth(frame, caller->depth + 1);
    compat_frame_set_ip(frame, caller->ip + caller->return_offset);
}

// The interpreter goes on in the frame of a generator that a `for` loop of `caller` has resumed. The value
// it yields, or NULL: *raise says whether an exception is set; if not, the loop has ended.
static PyObject *
finish_generator(PyThreadState *tstate, Frame *frame, Frame *caller, const SnapFrame *f, bool *raise)
{
    PyObject *generator = compat_generator_of(frame);
    if (*raise) {
        compat_raise_here(tstate, frame);
    }
    PyObject *value = compat_generator_finish(tstate, generator);
    if (value == NULL && PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_StopIteration)) {
        PyErr_Clear();                  // it has returned a value
    }
    *raise = value == NULL && PyErr_Occurred();
    if (value == NULL && !*raise) {
        const SnapFrame *loop = f - 1;
        int depth = loop->depth - 1;
        compat_frame_set_depth(caller, depth);
        compat_frame_set_ip(caller, loop->ip + f->end_offset);
        Py_DECREF(compat_frame_slots(caller)[compat_code_nlocalsplus((PyCodeObject *)loop->code) + depth]);
    }
    return value;
}

// The interpreter finishes the inlined frames, innermost first; each result goes on its caller's
// stack. Returns true if an exception is left to be raised in the outermost frame.
static bool
finish_inlined(Activation *act, const Executor *ex, const Snapshot *snap, Frame **frames,
               PyObject **extras, bool raise)
{
    for (int k = snap->n_frames - 1; k > 0; k--) {
        const SnapFrame *f = &ex->frames[snap->first_frame + (uint32_t)k];
        const SnapFrame *caller = f - 1;
        if (f->kind == FRAME_GENERATOR) {
            PyObject *value = finish_generator(act->tstate, frames[k], frames[k - 1], f, &raise);
            if (value != NULL) {
                push_result(caller, frames[k - 1], value);
            }
            continue;
        }
        PyObject *result = compat_finish_frame(act->tstate, frames[k], raise);
        if (result != NULL && f->kind == FRAME_INIT) {
            if (result != Py_None) {
                PyErr_Format(PyExc_TypeError, "__init__() should return None, not '%.200s'",
                             Py_TYPE(result)->tp_name);
                Py_CLEAR(result);
            }
            else {
                result = Py_NewRef(extras[k]);
            }
        }
        Py_XDECREF(extras[k]);
        if (result != NULL && f->kind >= FRAME_KEEPING) {
            raise = !end_operator(f, frames[k - 1], caller, result);
            continue;
        }
        raise = result == NULL;
        if (!raise) {
            push_result(caller, frames[k - 1], result);
        }
    }
    return raise;
}

// --- leaving ----------------------------------------------------------------------------------

// The instruction that an exit stands for. A forced exit is one more exit of the instruction after it.
static unsigned
left_op(const Executor *ex, const Exit *exit)
{
    unsigned op = ex->ins[exit->ref].op;
    return op == UOP_FORCED_EXIT ? ex->ins[exit->ref + 1].op : op;
}

static bool
wants_side_trace(const Executor *ex, const Exit *exit, bool raised)
{
    if (raised || exit->side != NULL || ex->snaps[exit->snap].yields
        || ex->snaps[exit->snap].no_side || ex->invalid || ex->root->invalid
        || ex->root->n_sides >= (uint32_t)jit.params.max_sides
        || exit->count < exit->retry) {
        return false;
    }
    if (ex->at_same_place >= MAX_AT_SAME_PLACE && executor_exit_ip(ex, exit) == ex->start_ip) {
        return false;                   // one more trace would leave there as well
    }
    switch (left_op(ex, exit)) {
        case UOP_CHECK_BREAKER: case UOP_GUARD_ROOM: case UOP_GUARD_VALID: case UOP_GUARD_UNSEEN:
        case UOP_GUARD_UNWATCHED:
            return false;               // not a path of the program's
        default:
            return true;
    }
}

enum { SOON = 100 };

static void
leave(Activation *act, Executor *ex, uint32_t n, bool raised, bool in_compiled)
{
    static Restore storage;             // the GIL is held until frames are whole
    Restore *s = &storage;
    Exit *exit = &ex->exits[n];
    const Snapshot *snap = &ex->snaps[exit->snap];
    Frame *frames[MAX_INLINE + 2];
    PyObject *extras[MAX_INLINE + 2] = {NULL};
    s->act = act;
    s->ex = ex;
    s->exit = exit;
    s->n_made = 0;
    make_frames(s, snap, frames);
    for (int k = 1; k < snap->n_frames; k++) {
        const SnapFrame *f = &ex->frames[snap->first_frame + (uint32_t)k];
        if (f->kind == FRAME_INIT) {
            extras[k] = object_of(s, f->extra, f->extra_how == SLOT_TAKE);
        }
    }
    restore_frames(s, snap, frames);
    if (jit.params.gc_exits) {
        PyObject *raising = PyErr_GetRaisedException();
        (void)PyGC_Collect();
        PyErr_SetRaisedException(raising);
    }
    coverage_exit(ex, exit, raised);
    exit->count++;
    jit.stats.exits++;
    jit.stats.errors += raised;
    unsigned left_by = left_op(ex, exit);
    if ((left_by == UOP_GUARD_IP || left_by == UOP_GUARD_VALID) && snap->n_frames > 1) {
        record_left_after_loop(frames[snap->n_frames - 1]);
    }
    bool at_entry = !ex->is_side && exit->ref < ex->entry_end;
    bool wanted = wants_side_trace(ex, exit, raised);
    if (wanted && at_entry) {
        // The variables have other types than this trace wants: another version of the loop.
        // (A path that leaves the loop is given up; the next one may be better.)
        bool soon = exit->count < SOON && hook_may_retry(ex->code, ex->anchor);
        exit->retry = soon ? exit->count + 8 : exit->count > UINT32_MAX / 8 ? UINT32_MAX : exit->count * 4 + 64;
        if (hook_count_versions(ex->code, ex->anchor) < jit.params.max_versions) {
            (void)(ex->resumed ? record_start_resumed : record_start_root)(act->tstate, frames[0],
                                                                           ex->code, ex->anchor);
        }
    }
    else if (wanted) {
        (void)record_start_side(act->tstate, frames[snap->n_frames - 1], ex, n);
    }
    if (snap->n_frames > 1) {
        raised = finish_inlined(act, ex, snap, frames, extras, raised);
    }
    if (raised) {
        compat_raise_here(act->tstate, frames[0]);
    }
    if (in_compiled) {
        record_left_in_compiled(frames[0]);
    }
}

// --- entering ---------------------------------------------------------------------------------

static bool
fits_frame(const Executor *ex, Frame *frame)
{
    return !ex->invalid && ex->globals == compat_frame_globals(frame)
        && ex->builtins == compat_frame_builtins(frame);
}

// Will the entry part of `ex` find what it wants in this frame?
static bool
entry_fits(const Executor *ex, Frame *frame)
{
    for (uint32_t i = 0; i < ex->n_wanted; i++) {
        PyObject *o = *(PyObject **)((char *)frame + ex->wanted[i].slot);
        if (o == NULL || (ex->wanted[i].type != NULL && Py_TYPE(o) != ex->wanted[i].type)) {
            return false;
        }
    }
    return true;
}

Executor *
version_that_fits(Executor *newest, Frame *frame, int depth)
{
    Executor *ex = newest;
    while (ex != NULL && (ex->stack_depth != depth || !fits_frame(ex, frame) || !entry_fits(ex, frame))) {
        ex = ex->next_version;
    }
    return ex;
}

Executor *
fitting_executor(PyThreadState *tstate, Frame *frame, Executor *ex)
{
    while (ex != NULL && !fits_frame(ex, frame)) {
        ex = ex->next_version;
    }
    if (ex != NULL && ex->next_version != NULL) {
        Executor *best = version_that_fits(ex, frame, ex->stack_depth);
        ex = best != NULL ? best : ex;
    }
    // A frame object that somebody holds may read and write locals behind our back.
    if (ex == NULL || executor_is_watched(ex) || tstate->py_recursion_remaining <= RECURSION_RESERVE
        || (uintptr_t)__builtin_frame_address(0) < native_floor(tstate)
        || !compat_forget_frame_object(frame)) {
        return NULL;
    }
    return ex;
}

static void
run_code(Activation *act, PyThreadState *tstate, Frame *frame, Executor *ex)
{
    if (ballast == NULL) {
        ballast = PyMem_RawMalloc(1 << 16);
    }
    act->floor = native_floor(tstate);
    act->tstate = tstate;
    act->frame = frame;
    act->version = compat_monitoring_version(tstate);
    act->depth = 0;
    ex->entered++;
    jit.stats.entered++;
    compat_frame_set_depth(frame, -1);
    ex->inside++;
    emit_enter(act, ex->machine_code);
}

static void
leave_code(Activation *act, Executor *root, bool in_compiled)
{
    Executor *left = (Executor *)Py_NewRef((PyObject *)act->executor);
    Py_INCREF(root);
    root->inside--;
    leave(act, left, (uint32_t)act->exit & ~EXIT_RAISED, (act->exit & EXIT_RAISED) != 0, in_compiled);
    Py_DECREF(left);
    Py_DECREF(root);
}

void
leave_executor(Activation *act)
{
    Executor *left = (Executor *)Py_NewRef((PyObject *)act->executor);
    leave(act, left, (uint32_t)act->exit & ~EXIT_RAISED, (act->exit & EXIT_RAISED) != 0, false);
    Py_DECREF(left);
}

static bool
executor_exit_is_yield(const Executor *ex, uint32_t n)
{
    Instr in;
    const Snapshot *snap = &ex->snaps[ex->exits[n].snap];
    const SnapFrame *f = &ex->frames[snap->first_frame];
    PyCodeObject *code = (PyCodeObject *)f->code;
    PyObject *exc = PyErr_GetRaisedException();
    bool yes = snap->n_frames == 1
        && compat_decode(code, (int)(f->ip - compat_code_start(code)), &in) == 0
        && in.op == BC_YIELD_VALUE;
    PyErr_SetRaisedException(exc);
    return yes;
}

PyObject *
run_to_yield(PyThreadState *tstate, Frame *frame, Executor *ex, Consumer *consumer, bool *ended)
{
    Activation act;
    act.consumer = consumer;
    run_code(&act, tstate, frame, ex);
    Executor *left = act.executor;
    uint32_t n = (uint32_t)act.exit;
    if ((n & EXIT_RAISED) && executor_exit_is_yield(left, n & ~EXIT_RAISED)) {
        PyErr_Clear();                  // the consumer had no memory: it tries again, and raises
        act.exit = n &= ~EXIT_RAISED;
    }
    *ended = !(n & EXIT_RAISED) && left->exits[n].ended && compat_frame_at_return(frame)
        && act.version == compat_monitoring_version(tstate);
    const SnapEntry *e = n & EXIT_RAISED ? NULL : left->exits[n].yielded;
    if (*ended) {
        ex->inside--;
        left->exits[n].count++;
        jit.stats.exits++;
        coverage_exit(left, &left->exits[n], false);
        compat_frame_set_depth(frame, 0);
        return NULL;
    }
    if (e == NULL || !compat_frame_at_yield(frame)
        || act.version != compat_monitoring_version(tstate)) {
        leave_code(&act, ex, false);
        return NULL;
    }
    // All else is in the frame.
    static Restore s;                   // nothing below runs Python code
    s.act = &act;
    s.ex = left;
    s.exit = &left->exits[n];
    s.n_made = 0;
    ex->inside--;
    left->exits[n].count++;
    jit.stats.exits++;
    coverage_exit(left, s.exit, false);
    PyObject *value = object_of(&s, e->ref, e->how == SLOT_TAKE);
    compat_frame_set_depth(frame, e->slot - compat_code_nlocalsplus(compat_frame_code(frame)));
    return value;
}

// Compiled when nothing switched the C stack yet (else record.c had given it up), and now more than one run in
// ten is suspended there: it is left to the interpreter.
enum { SWITCHED_RUN = 10, SWITCHED_LIMIT = 200 };

static void
note_switched_run(Executor *ex, PyThreadState *tstate, uint64_t switches)
{
    if (!switches_since(tstate, switches)) {
        ex->switched -= ex->switched > 0;
        return;
    }
    jit.stats.switches++;
    ex->switched += SWITCHED_RUN;
    if (ex->switched >= SWITCHED_LIMIT && ex->code != NULL) {
        ex->switched = 0;
        hook_leave_alone(ex->code, ex->anchor, ABORT_STACK_SWITCH);
    }
}

static uint32_t
run_fitting(PyThreadState *tstate, Frame *frame, Executor *ex, bool in_compiled)
{
    Activation act;
    run_code(&act, tstate, frame, ex);
    if (act.exit == EXIT_RETURNED) {
        compat_return_from(frame, act.returned);
        ex->inside--;
        return (uint32_t)act.work;
    }
    leave_code(&act, ex, in_compiled);
    return 0;
}

uint32_t
run_executor(PyThreadState *tstate, Frame *frame, Executor *ex, bool in_compiled)
{
    ex = fitting_executor(tstate, frame, ex);
    if (ex == NULL) {
        return 0;
    }
    uint64_t switches = switches_count(tstate);
    Py_INCREF(ex);
    uint32_t work = run_fitting(tstate, frame, ex, in_compiled);
    note_switched_run(ex, tstate, switches);
    Py_DECREF(ex);
    return work;
}

// Entering and leaving costs about as much as ten turns of a small loop interpreted. Now and then
// a run is timed; a loop most of whose runs are shorter than that is left to the interpreter.
// For a function that returned, its trace knows how many bytecodes the interpreter would have run.
enum { SAMPLE_EVERY = 16, SAMPLES = 64, SHORT_RUN_NS = 260, SHORT_RUN_WORK = 20 };

static void
run_timed(PyThreadState *tstate, Frame *frame, Executor *ex)
{
    uint64_t start = now_ns();
    uint32_t work = run_executor(tstate, frame, ex, false);
    ex->short_runs += work > 0 ? work < SHORT_RUN_WORK : now_ns() - start < SHORT_RUN_NS;
    if (++ex->sampled == SAMPLES) {
        if (ex->short_runs > SAMPLES * 3 / 4 && jit.params.threshold > 20 && ex->code != NULL) {
            hook_leave_alone(ex->code, ex->anchor, ABORT_SHORT_RUNS);
        }
        ex->sampled = ex->short_runs = 0;
    }
}

void
enter_executor(PyThreadState *tstate, Frame *frame, Executor *ex)
{
    if (ex->entered % SAMPLE_EVERY == SAMPLE_EVERY - 1) {
        run_timed(tstate, frame, ex);
    }
    else {
        run_executor(tstate, frame, ex, false);
    }
}
