// restore.c - see restore.h.
//
// In:   an exit's snapshot, and where its values are when it is taken.
// Out:  a program; run, it leaves every frame as the interpreter would have left it before the bytecode that
//       the snapshot names.
//
// A program's steps come in this order, which is what makes leaving safe:
//  1. Objects that the trace had not made are made. Only this and 2 can fail.
//  2. Inlined frames that do not exist in memory are made, inwards.
//  3. Each slot is written once, and owns its reference afterwards.
//  4. Stores to objects that the trace held back are done.
//  5. References that no slot takes are dropped: a destructor may look at the frames.
//
// Programs are made when an exit is first taken, since most never are; that none is too big is found out
// when the trace is installed. Snapshots stay: side traces begin with them.
#include "restore.h"
#include "helpers.h"
#include "record.h"

// --- steps ------------------------------------------------------------------------------------

typedef enum {
    // 1. to: the object's number
    MAKE_INT,            // a: the number
    MAKE_FLOAT,          // a
    MAKE_HOME_INT,       // the object in the outermost frame at byte offset b; if that is NULL, as MAKE_INT
    MAKE_HOME_FLOAT,
    MAKE_TUPLE,          // word: how long
    MAKE_FUNCTION,       // a: code, b: globals
    TUPLE_ITEM,          // to: which one, a: the item, b: number of the tuple
    FUNCTION_CLOSURE,    // a: cells or None, b: number of the function
    // 2. frame: which one
    FRAME_IN_MEMORY,     // a: its address
    FRAME_CUT,           // frames that exist beyond this one are undone
    FRAME_LINK,          // a: a generator
    FRAME_PUSH,          // a: a function
    FRAME_IP,            // word: operand stack depth
    FRAME_EXTRA,         // a: what goes into extras[]
    // 3. frame, to: slot
    SLOT_SET,            // a
    SLOT_SET_NULL,
    SLOT_SET_HOME,       // a: an object made by MAKE_HOME_*: nothing to do if it was there
    // 4.
    STORE_INDEX,         // to: a list or tuple iterator, a
    STORE_WORD,          // to: an object, a, word: byte offset
    STORE_RANGE,         // to: a range iterator, a: start, b: length
    STORE_RANGE_START,   // to, a: start, b: end, word: what the difference is multiplied by
    STORE_GLOBAL,        // to: a dictionary, a: name, b: value, which no reference goes to
    // 5.
    DROP,                // a
    N_ACTIONS
} Action;

// How a value is handed over to its new holder.
typedef enum {
    HOLD_TAKE,           // with the trace's reference, or the one that it was made with
    HOLD_NEW,            // with a new reference
    // An object made by MAKE_HOME_*. If it was in memory, TAKE and NEW decide; if it was made, its first holder
    // takes the reference that it was made with, and others get new ones.
    HOLD_HOME = 2,
    HOLD_HOME_NEW = 1,
    HOLD_HOME_FIRST = 4,
} Hold;

// Sources: eight bytes each of the Activation, then constants, then objects made.
enum { SOURCE_KONST = 1024, SOURCE_MADE = SOURCE_KONST + MAX_KONSTS };
_Static_assert(sizeof(Activation) <= SOURCE_KONST * 8, "sources of values in the activation");
_Static_assert(SOURCE_MADE + RESTORE_OBJECTS <= UINT16_MAX, "sources are 16 bits");

enum { MAX_STEPS = RESTORE_ENTRIES + RESTORE_OBJECTS * (1 + MAX_INPUTS) + 4 * (MAX_INLINE + 2) };

// --- limits -----------------------------------------------------------------------------------

static bool
is_home(const Ins *ins)
{
    return ins->op == UOP_SLOT_BOX || ins->op == UOP_SLOT_BOX_FLOAT;
}

static bool
is_made(const Executor *ex, Ref ref)
{
    return !ref_is_const(ref) && ref != NO_REF && ((ex->ins[ref].flags & INS_SUNK) || is_home(&ex->ins[ref]));
}

// Counts what an exit makes of `ref`, if `seen` has not met it yet.
static int
count_made(const Executor *ex, Ref ref, uint32_t *seen, uint32_t now)
{
    if (!is_made(ex, ref) || seen[ref] == now) {
        return 0;
    }
    seen[ref] = now;
    int n = 1;
    const Ins *ins = &ex->ins[ref];
    for (int i = 0; i < uop_table[ins->op].n_inputs; i++) {
        n += count_made(ex, ins->in[i], seen, now);
    }
    return n;
}

static int
count_objects(const Executor *ex, const Snapshot *snap, uint32_t *seen, uint32_t now)
{
    int n = 0;
    for (uint32_t i = 0; i < snap->count; i++) {
        const SnapEntry *e = &ex->entries[snap->first + i];
        Ref ref = e->how == SLOT_STORE ? ex->ins[e->slot].in[2] : e->ref;
        n += count_made(ex, ref, seen, now);
    }
    for (int k = 1; k < snap->n_frames; k++) {
        n += count_made(ex, ex->frames[snap->first_frame + (uint32_t)k].extra, seen, now);
    }
    return n;
}

AbortReason
restore_check(const Executor *ex)
{
    int candidates = 0;
    for (Ref ref = 1; ref < ex->n_ins; ref++) {
        candidates += is_made(ex, ref);
    }
    static uint32_t seen[MAX_INS];
    if (candidates > RESTORE_OBJECTS) {
        memset(seen, 0, sizeof seen);
    }
    for (uint32_t n = 0; n < ex->n_exits; n++) {
        const Snapshot *snap = &ex->snaps[ex->exits[n].snap];
        if (snap->count > RESTORE_ENTRIES
            || (candidates > RESTORE_OBJECTS && count_objects(ex, snap, seen, n + 1) > RESTORE_OBJECTS)) {
            return ABORT_EXIT_TOO_BIG;
        }
    }
    return ABORT_NONE;
}

// --- making a program -------------------------------------------------------------------------

typedef struct {
    const Executor *ex;
    RestoreStep *step;                  // the next one
    uint16_t n_made, n_drops;
    bool held[RESTORE_OBJECTS];         // somebody has taken the reference that it is made with
    uint16_t source[MAX_INS];           // of a ref + 1; 0: none yet. Zero between programs.
    Ref made[RESTORE_OBJECTS];
} Maker;

static struct { Restore header; RestoreStep steps[MAX_STEPS]; } scratch;
_Static_assert(offsetof(Restore, steps) == sizeof(Restore), "a program's steps follow its header");

static RestoreStep *
add(Maker *m, Action action)
{
    assert(m->step < scratch.header.steps + MAX_STEPS);
    *m->step = (RestoreStep){.action = (uint8_t)action};
    return m->step++;
}

static uint16_t
source_of_loc(Loc loc)
{
    size_t offset = loc >= LOC_SPILL  ? offsetof(Activation, spills) + 8u * (unsigned)(loc - LOC_SPILL)
                    : loc >= LOC_FREG ? offsetof(Activation, fregs) + 8u * (unsigned)(loc - LOC_FREG)
                                      : offsetof(Activation, regs) + 8u * (unsigned)(loc - LOC_REG);
    return (uint16_t)(offset / 8);
}

static uint16_t source_of(Maker *m, Ref ref);
static void hold(Maker *m, RestoreStep *step, Ref ref, bool take);

static void
make_items(Maker *m, const Ins *ins, uint16_t number)
{
    int n = ins->op == UOP_TUPLE_PACK ? (int)ins->operand[0] : 0;
    for (int i = 0; i < n; i++) {       // made before the tuple, which they then go into
        source_of(m, ins->in[i]);
    }
    RestoreStep *make = add(m, MAKE_TUPLE);
    make->to = number;
    make->word = n;
    for (int i = 0; i < n; i++) {
        RestoreStep *item = add(m, TUPLE_ITEM);
        item->to = (uint16_t)i;
        item->b = number;
        hold(m, item, ins->in[i], true);
    }
}

static void
make_function(Maker *m, const Ins *ins, uint16_t number)
{
    (void)source_of(m, ins->in[2]);
    RestoreStep *make = add(m, MAKE_FUNCTION);
    make->to = number;
    make->a = source_of(m, ins->in[0]);
    make->b = source_of(m, ins->in[1]);
    RestoreStep *closure = add(m, FUNCTION_CLOSURE);
    closure->b = number;
    hold(m, closure, ins->in[2], true);
}

// The steps that make an object of the trace's; its number.
static uint16_t
make(Maker *m, Ref ref)
{
    const Ins *ins = &m->ex->ins[ref];
    uint16_t number = m->n_made++;
    assert(number < RESTORE_OBJECTS);
    m->made[number] = ref;
    m->held[number] = false;
    m->source[ref] = (uint16_t)(SOURCE_MADE + number + 1);
    if (ins->op == UOP_TUPLE_PACK) {
        make_items(m, ins, number);
    }
    else if (ins->op == UOP_FUNCTION_PACK) {
        make_function(m, ins, number);
    }
    else {
        bool is_int = ins->op == UOP_BOX_INT || ins->op == UOP_SLOT_BOX;
        assert(is_int || ins->op == UOP_BOX_FLOAT || ins->op == UOP_SLOT_BOX_FLOAT);
        uint16_t value = source_of(m, ins->in[0]);
        RestoreStep *box = add(m, is_home(ins) ? (is_int ? MAKE_HOME_INT : MAKE_HOME_FLOAT)
                                               : (is_int ? MAKE_INT : MAKE_FLOAT));
        box->to = number;
        box->a = value;
        box->b = is_home(ins) ? (uint16_t)ins->operand[0] : 0;
    }
    return number;
}

static uint16_t
source_of(Maker *m, Ref ref)
{
    if (ref_is_const(ref)) {
        return (uint16_t)(SOURCE_KONST + (ref & ~KREF));
    }
    if (m->source[ref] == 0) {
        assert(is_made(m->ex, ref));    // assign.c has a place for everything else
        make(m, ref);
    }
    return (uint16_t)(m->source[ref] - 1);
}

// The step hands `ref` over, as an object: with the trace's reference if `take`, else with a new one.
static void
hold(Maker *m, RestoreStep *step, Ref ref, bool take)
{
    step->a = source_of(m, ref);
    step->how = take ? HOLD_TAKE : HOLD_NEW;
    if (step->a >= SOURCE_MADE) {
        bool *held = &m->held[step->a - SOURCE_MADE];
        step->how = *held ? HOLD_NEW : HOLD_TAKE;
        if (is_home(&m->ex->ins[ref])) {
            step->how = (uint8_t)(HOLD_HOME | (take ? 0 : HOLD_HOME_NEW) | (*held ? 0 : HOLD_HOME_FIRST));
        }
        *held = true;
    }
}

// All objects first: what is added later finds them made.
static void
make_objects(Maker *m, const Snapshot *snap)
{
    for (int k = 1; k < snap->n_frames; k++) {
        const SnapFrame *f = &m->ex->frames[snap->first_frame + (uint32_t)k];
        if (f->kind == FRAME_INIT) {
            source_of(m, f->extra);
        }
    }
    for (uint32_t i = 0; i < snap->count; i++) {
        const SnapEntry *e = &m->ex->entries[snap->first + i];
        const Ins *store = &m->ex->ins[e->slot];
        if (e->how == SLOT_STORE && store->op == UOP_GLOBAL_STORE) {
            source_of(m, store->in[2]);
        }
        else if (e->how != SLOT_STORE && e->how != SLOT_NULL) {
            source_of(m, e->ref);
        }
    }
}

static void
make_frames(Maker *m, const Snapshot *snap)
{
    const SnapFrame *frames = &m->ex->frames[snap->first_frame];
    bool cut = false;
    for (int k = 1; k < snap->n_frames; k++) {
        const SnapFrame *f = &frames[k];
        bool in_memory = !cut && f->memory != NO_REF;
        if (!in_memory && !cut) {
            add(m, FRAME_CUT)->frame = (uint8_t)(k - 1);
            cut = true;
        }
        RestoreStep *step = add(m, in_memory ? FRAME_IN_MEMORY : f->kind == FRAME_GENERATOR ? FRAME_LINK : FRAME_PUSH);
        step->frame = (uint8_t)k;
        step->a = source_of(m, in_memory ? f->memory : f->kind == FRAME_GENERATOR ? f->extra : f->func);
    }
    if (!cut) {
        add(m, FRAME_CUT)->frame = (uint8_t)(snap->n_frames - 1);
    }
    for (int k = 0; k < snap->n_frames; k++) {
        if (frames[k].ip != NULL) {     // NULL: stands in memory as RUN_LOOP left it
            RestoreStep *step = add(m, FRAME_IP);
            step->frame = (uint8_t)k;
            step->word = frames[k].depth;
        }
    }
    for (int k = 1; k < snap->n_frames; k++) {
        if (frames[k].kind == FRAME_INIT) {
            RestoreStep *step = add(m, FRAME_EXTRA);
            step->frame = (uint8_t)k;
            hold(m, step, frames[k].extra, frames[k].extra_how == SLOT_TAKE);
        }
    }
}

static void
set_slots(Maker *m, const Snapshot *snap, unsigned hows)
{
    for (uint32_t i = 0; i < snap->count; i++) {
        const SnapEntry *e = &m->ex->entries[snap->first + i];
        if (!(hows >> e->how & 1)) {
            continue;
        }
        RestoreStep *step = add(m, e->how == SLOT_NULL ? SLOT_SET_NULL : e->how == SLOT_PARAM ? SLOT_SET_HOME : SLOT_SET);
        step->frame = e->frame;
        step->to = e->slot;
        if (e->how != SLOT_NULL) {
            hold(m, step, e->ref, e->how != SLOT_NEW);
        }
    }
}

static void
do_stores(Maker *m, const Snapshot *snap)
{
    for (uint32_t i = 0; i < snap->count; i++) {
        const SnapEntry *e = &m->ex->entries[snap->first + i];
        if (e->how != SLOT_STORE) {
            continue;
        }
        const Ins *ins = &m->ex->ins[e->slot];
        Action action = ins->op == UOP_GLOBAL_STORE     ? STORE_GLOBAL
                        : ins->op == UOP_ITER_SET_INDEX ? STORE_INDEX
                        : ins->op == UOP_ITER_SET_WORD  ? STORE_WORD
                        : ins->op == UOP_RANGE_SET      ? STORE_RANGE
                                                        : STORE_RANGE_START;
        RestoreStep *step = add(m, action);
        step->to = source_of(m, ins->in[0]);
        step->a = source_of(m, ins->in[1]);
        step->b = uop_table[ins->op].n_inputs > 2 ? source_of(m, ins->in[2]) : 0;
        step->word = (int32_t)ins->operand[0];
    }
}

static void
add_drops(Maker *m, const Snapshot *snap)
{
    for (uint32_t i = 0; i < snap->count; i++) {
        const SnapEntry *e = &m->ex->entries[snap->first + i];
        if (e->how == SLOT_DROP) {
            hold(m, add(m, DROP), e->ref, true);
            m->n_drops++;
        }
    }
    for (uint16_t k = 0; k < m->n_made; k++) {
        if (!m->held[k]) {              // made for a module's variable, which has a reference of its own
            RestoreStep *step = add(m, DROP);
            hold(m, step, m->made[k], true);
            step->how |= step->how & HOLD_HOME ? HOLD_HOME_NEW : 0;
            m->n_drops++;
        }
    }
}

static bool
leaves_loop(const Executor *ex, const Exit *exit)
{
    unsigned op = executor_left_op(ex, exit);
    return (op == UOP_GUARD_IP || op == UOP_GUARD_VALID) && ex->snaps[exit->snap].n_frames > 1;
}

const Restore *
restore_make(Executor *ex, uint32_t n)
{
    static Maker maker;                 // under the GIL; nothing here runs Python code
    Maker *m = &maker;
    Exit *exit = &ex->exits[n];
    const Snapshot *snap = &ex->snaps[exit->snap];
    const RefLoc *locs = ex->locs + exit->first_loc;
    m->ex = ex;
    m->step = scratch.header.steps;
    m->n_made = m->n_drops = 0;
    for (uint32_t i = 0; i < exit->n_locs; i++) {
        m->source[locs[i].ref] = (uint16_t)(source_of_loc(locs[i].loc) + 1);
    }
    make_objects(m, snap);
    make_frames(m, snap);
    set_slots(m, snap, 1u << SLOT_PARAM);       // homes before others that share their object
    set_slots(m, snap, 1u << SLOT_TAKE);
    set_slots(m, snap, 1u << SLOT_NEW | 1u << SLOT_NULL);
    do_stores(m, snap);
    add_drops(m, snap);
    for (uint32_t i = 0; i < exit->n_locs; i++) {
        m->source[locs[i].ref] = 0;
    }
    for (uint16_t k = 0; k < m->n_made; k++) {
        m->source[m->made[k]] = 0;
    }
    size_t n_steps = (size_t)(m->step - scratch.header.steps);
    scratch.header.n_steps = (uint16_t)n_steps;
    scratch.header.n_made = m->n_made;
    scratch.header.n_drops = m->n_drops;
    scratch.header.n_frames = snap->n_frames;
    scratch.header.leaves_loop = leaves_loop(ex, exit);
    scratch.header.frames = &ex->frames[snap->first_frame];
    scratch.header.drop_ip = snap->drop_ip;
    size_t size = offsetof(Restore, steps) + n_steps * sizeof(RestoreStep);
    exit->restore = PyMem_RawMalloc(size);
    return exit->restore == NULL ? &scratch.header : memcpy(exit->restore, &scratch, size);
}

void
restore_free(Executor *ex)
{
    for (uint32_t n = 0; n < ex->n_exits; n++) {
        PyMem_RawFree(ex->exits[n].restore);
    }
}

// --- running it -------------------------------------------------------------------------------

// Given up once, if an allocation fails while compiled code is left.
static void *reserve;
static bool reserve_used;

bool
restore_use_reserve(void)
{
    if (reserve == NULL) {
        return false;
    }
    PyErr_Clear();                      // the MemoryError
    PyMem_RawFree(reserve);
    reserve = NULL;
    reserve_used = true;
    return true;
}

void
restore_no_memory(void)
{
    Py_FatalError("jitpatch: out of memory while leaving compiled code");
}

void
restore_keep_reserve(void)
{
    if (reserve == NULL) {
        reserve = PyMem_RawMalloc(1 << 16);
    }
}

typedef struct {
    Activation *act;
    const Konst *konsts;
    Frame **frames;
    PyObject **extras;
    PyObject **made;
    bool *was_there;                    // [made]: by MAKE_HOME_*
} Run;

static inline uint64_t
read_source(const Run *run, uint16_t source)
{
    if (source < SOURCE_KONST) {
        return ((const uint64_t *)run->act)[source];
    }
    return source < SOURCE_MADE ? run->konsts[source - SOURCE_KONST].bits
                                : (uint64_t)(uintptr_t)run->made[source - SOURCE_MADE];
}

static inline PyObject *
read_object(const Run *run, uint16_t source)
{
    return (PyObject *)(uintptr_t)read_source(run, source);
}

// The step's object, with a reference for who holds it from now on.
static inline PyObject *
handed_over(const Run *run, const RestoreStep *step)
{
    PyObject *o = read_object(run, step->a);
    if (step->how == HOLD_TAKE) {
        return o;
    }
    bool with_new = true;
    if (step->how & HOLD_HOME) {
        with_new = run->was_there[step->a - SOURCE_MADE] ? step->how & HOLD_HOME_NEW : !(step->how & HOLD_HOME_FIRST);
    }
    return with_new ? Py_NewRef(o) : o;
}

static PyObject *
new_float(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, 8);
    return PyFloat_FromDouble(v);
}

static PyObject *
new_object(const Run *run, const RestoreStep *step)
{
    uint64_t a = step->action == MAKE_TUPLE ? 0 : read_source(run, step->a);
    switch (step->action) {
        case MAKE_TUPLE:
            return PyTuple_New(step->word);
        case MAKE_FUNCTION:
            return compat_function_new((PyObject *)(uintptr_t)a, read_object(run, step->b));
        case MAKE_FLOAT: case MAKE_HOME_FLOAT:
            return new_float(a);
        default:
            return PyLong_FromLongLong((int64_t)a);
    }
}

static void
make_object(const Run *run, const RestoreStep *step)
{
    PyObject *o = NULL;
    run->was_there[step->to] = false;
    if (step->action == MAKE_HOME_INT || step->action == MAKE_HOME_FLOAT) {
        o = *(PyObject **)((char *)run->act->frame + step->b);
        run->was_there[step->to] = o != NULL;
    }
    if (o == NULL) {
        o = new_object(run, step);
        RESTORE_NEED(o, new_object(run, step));
    }
    run->made[step->to] = o;
}

static void
fill_object(const Run *run, const RestoreStep *step)
{
    PyObject *o = handed_over(run, step);
    if (step->action == TUPLE_ITEM) {
        PyTuple_SET_ITEM(run->made[step->b], step->to, o);
    }
    else if (o != Py_None) {
        ((PyFunctionObject *)run->made[step->b])->func_closure = o;
    }
}

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

static void
make_frame(const Run *run, const Restore *program, const RestoreStep *step)
{
    PyThreadState *tstate = run->act->tstate;
    Frame **frame = &run->frames[step->frame];
    const SnapFrame *f = &program->frames[step->frame];
    PyObject *object = read_object(run, step->a);
    if (step->action == FRAME_IN_MEMORY) {
        *frame = (Frame *)(void *)object;
    }
    else if (step->action == FRAME_LINK) {
        compat_generator_link(tstate, object);
        *frame = compat_generator_frame(object);
    }
    else {
        *frame = compat_push_frame(tstate, object, frame[-1], f->ip, f->depth);
        RESTORE_NEED(*frame, compat_push_frame(tstate, object, frame[-1], f->ip, f->depth));
    }
}

static void
do_store(const Run *run, const RestoreStep *step)
{
    PyObject *to = read_object(run, step->to);
    int64_t a = (int64_t)read_source(run, step->a);
    int64_t b = (int64_t)read_source(run, step->b);
    help_range_iter *range = (help_range_iter *)to;
    switch (step->action) {
        case STORE_INDEX:
            ((help_seq_iter *)to)->it_index = a;
            break;
        case STORE_WORD:
            *(int64_t *)((char *)to + step->word) = a;
            break;
        case STORE_RANGE:
            range->start = a;
            range->len = b;
            break;
        case STORE_RANGE_START:
            range->start = a;
            range->len = (b - a) * step->word;
            break;
        case STORE_GLOBAL:
            help_global_set(to, (PyObject *)(uintptr_t)a, (PyObject *)(uintptr_t)b);
            break;
    }
}

// References that no slot takes are dropped while the innermost frame stands where it let them go.
static void
drop(const Restore *program, Frame *innermost, PyObject **objects)
{
    uint16_t n = program->n_drops;      // the program may be gone before the last one is
    _Py_CODEUNIT *ip = compat_frame_ip(innermost);
    compat_frame_set_ip(innermost, program->drop_ip);
    PyObject *pending = PyErr_GetRaisedException();
    for (uint16_t i = 0; i < n; i++) {
        Py_DECREF(objects[i]);
    }
    PyErr_SetRaisedException(pending);
    compat_frame_set_ip(innermost, ip);
}

void
restore_run(const Restore *program, const Executor *ex, Activation *act, Frame **frames, PyObject **extras)
{
    PyObject *made[program->n_made + 1], *drops[program->n_drops + 1];
    bool was_there[program->n_made + 1];
    Run run = {act, ex->konsts, frames, extras, made, was_there};
    unsigned n_drops = 0;
    frames[0] = act->frame;
    const RestoreStep *end = program->steps + program->n_steps;
    for (const RestoreStep *step = program->steps; step < end; step++) {
        switch ((Action)step->action) {
            case MAKE_INT: case MAKE_FLOAT: case MAKE_HOME_INT: case MAKE_HOME_FLOAT: case MAKE_TUPLE:
            case MAKE_FUNCTION:
                make_object(&run, step);
                break;
            case TUPLE_ITEM: case FUNCTION_CLOSURE:
                fill_object(&run, step);
                break;
            case FRAME_IN_MEMORY: case FRAME_LINK: case FRAME_PUSH:
                make_frame(&run, program, step);
                break;
            case FRAME_CUT:
                cut_frames(act->tstate, frames[step->frame]);
                break;
            case FRAME_IP:
                compat_frame_set_ip(frames[step->frame], program->frames[step->frame].ip);
                compat_frame_set_depth(frames[step->frame], step->word);
                break;
            case FRAME_EXTRA:
                extras[step->frame] = handed_over(&run, step);
                break;
            case SLOT_SET:
                compat_frame_slots(frames[step->frame])[step->to] = handed_over(&run, step);
                break;
            case SLOT_SET_NULL:
                compat_frame_slots(frames[step->frame])[step->to] = NULL;
                break;
            case SLOT_SET_HOME:
                if (!was_there[step->a - SOURCE_MADE]) {
                    compat_frame_slots(frames[step->frame])[step->to] = handed_over(&run, step);
                }
                break;
            case STORE_INDEX: case STORE_WORD: case STORE_RANGE: case STORE_RANGE_START: case STORE_GLOBAL:
                do_store(&run, step);
                break;
            case DROP:
                drops[n_drops++] = handed_over(&run, step);
                break;
            case N_ACTIONS:
                Py_UNREACHABLE();
        }
    }
    if (n_drops > 0) {
        drop(program, frames[program->n_frames - 1], drops);
    }
}

PyObject *
restore_value(const Restore *program, const Executor *ex, Activation *act)
{
    PyObject *made[program->n_made + 1];
    bool was_there[program->n_made + 1];
    Run run = {act, ex->konsts, NULL, NULL, made, was_there};
    for (const RestoreStep *step = program->steps;; step++) {
        if (step->action < TUPLE_ITEM) {
            make_object(&run, step);
        }
        else if (step->action <= FUNCTION_CLOSURE) {
            fill_object(&run, step);
        }
        else if (step->action == SLOT_SET) {
            return handed_over(&run, step);
        }
    }
}
