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
#include "run/restore.h"
#include "back/executor.h"
#include "base/helpers.h"
#include "base/mutation.h"
#include "base/state.h"
#include "python/compat.h"
#include "run/executor_life.h"

// --- steps ------------------------------------------------------------------------------------

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
    RestoreStep *step, *number;         // the next one; the same of those that make numbers
    uint16_t n_made, n_drops;
    bool held[RESTORE_OBJECTS];         // somebody has taken the reference that it is made with
    RestoreStep *maker[RESTORE_OBJECTS];        // the step that makes it, if it is a number
    uint16_t source[MAX_INS];           // of a ref + 1; 0: none yet. Zero between programs.
    Ref made[RESTORE_OBJECTS];
    RestoreStep steps[MAX_STEPS];       // all but numbers, which are put before them
} Maker;

static struct { Restore header; RestoreStep steps[MAX_STEPS]; } scratch;
_Static_assert(offsetof(Restore, steps) == sizeof(Restore), "a program's steps follow its header");

static RestoreStep *
add(Maker *m, RestoreAction action)
{
    assert(m->step < m->steps + MAX_STEPS);
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
    m->maker[number] = NULL;
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
        m->maker[number] = m->number;
        *m->number++ = (RestoreStep){.action = is_int ? MAKE_INT : MAKE_FLOAT, .to = number,
                                     .how = is_home(ins) ? NUMBER_HAS_HOME : 0,
                                     .a = source_of(m, ins->in[0]),
                                     .b = is_home(ins) ? (uint16_t)ins->operand[0] : 0};
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

// The number's first holder is this slot: it goes there when the others are made, too. false: it has one, or is
// more than a number.
static bool
put_number(Maker *m, const SnapEntry *e)
{
    uint16_t source = source_of(m, e->ref);
    RestoreStep *step = source < SOURCE_MADE ? NULL : m->maker[source - SOURCE_MADE];
    bool has_home = step != NULL && step->how & NUMBER_HAS_HOME;
    if (step == NULL || m->held[source - SOURCE_MADE] || has_home != (e->how == SLOT_PARAM)) {
        return false;
    }
    step->how |= NUMBER_PUT;
    step->frame = e->frame;
    step->b = (uint16_t)(compat_frame_slots_offset() + 8u * e->slot);
    m->held[source - SOURCE_MADE] = true;
    return true;
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
    if (snap->n_frames == 1) {
        return;                         // restore_run() does that
    }
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
            add(m, FRAME_IP)->frame = (uint8_t)k;
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
        if (!(hows >> e->how & 1) || (e->how != SLOT_NULL && put_number(m, e))) {
            continue;
        }
        assert(e->how != SLOT_PARAM);
        RestoreStep *step = add(m, e->how == SLOT_NULL ? SLOT_SET_NULL : SLOT_SET);
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
        RestoreAction action = ins->op == UOP_GLOBAL_STORE     ? STORE_GLOBAL
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

// Can restore_plain() run it?
static bool
is_plain(const Restore *program)
{
    const RestoreStep *step = program->steps, *end = step + program->n_numbers;
    if (program->n_frames != 1 || program->n_drops > 0 || program->n_numbers > PLAIN_NUMBERS) {
        return false;
    }
    for (; step < end; step++) {
        if (!(step->how & NUMBER_PUT) || step->a >= SOURCE_KONST) {
            return false;
        }
    }
    for (end = program->steps + program->n_steps; step < end; step++) {
        if (step->action < SLOT_SET || step->action == STORE_GLOBAL || step->a >= SOURCE_MADE || step->b >= SOURCE_MADE) {
            return false;
        }
    }
    return true;
}

const Restore *
restore_make(Executor *ex, uint32_t n)
{
    static Maker maker;                 // under the GIL; nothing here runs Python code
    Maker *m = &maker;
    Exit *exit = &ex->exits[n];
    const Snapshot *snap = &ex->snaps[exit->snap];
    const RefLoc *locs = ex->locs + exit->first_loc;
    restore_keep_reserve();
    m->ex = ex;
    m->step = m->steps;
    m->number = scratch.header.steps;
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
    size_t n_numbers = (size_t)(m->number - scratch.header.steps), n_steps = (size_t)(m->step - m->steps);
    memcpy(m->number, m->steps, n_steps * sizeof(RestoreStep));
    n_steps += n_numbers;
    scratch.header.n_numbers = (uint16_t)n_numbers;
    scratch.header.n_steps = (uint16_t)(n_steps - m->n_drops);
    scratch.header.n_drops = m->n_drops;
    scratch.header.n_frames = snap->n_frames;
    scratch.header.is_plain = !jit.watches_exits && is_plain(&scratch.header);
    scratch.header.frames = &ex->frames[snap->first_frame];
    scratch.header.drop_ip = snap->drop_ip;
    size_t size = offsetof(Restore, steps) + n_steps * sizeof(RestoreStep);
    exit->restore = PyMem_RawMalloc(size);
    if (exit->restore == NULL) {
        return &scratch.header;
    }
    executor_charge(ex, size);
    return memcpy(exit->restore, &scratch, size);
}

void
restore_none_is_plain(Executor *ex)
{
    for (uint32_t n = 0; n < ex->n_exits; n++) {
        if (ex->exits[n].restore != NULL) {
            ex->exits[n].restore->is_plain = false;
        }
    }
}

void
restore_free(Executor *ex)
{
    for (uint32_t n = 0; n < ex->n_exits; n++) {
        PyMem_RawFree(ex->exits[n].restore);
    }
}

// --- running it -------------------------------------------------------------------------------

void *restore_reserve;

bool
restore_use_reserve(void)
{
    if (restore_reserve == NULL) {
        return false;
    }
    PyErr_Clear();                      // the MemoryError
    PyMem_RawFree(restore_reserve);
    restore_reserve = NULL;
    return true;
}

void
restore_no_memory(void)
{
    Py_FatalError("jitpatch: out of memory while leaving compiled code");
}

static inline uint64_t
read_place(const Activation *act, const Konst *konsts, uint16_t source)
{
    return source < SOURCE_KONST ? ((const uint64_t *)act)[source] : konsts[source - SOURCE_KONST].bits;
}

static inline PyObject **
slot_of(Frame *frame, const RestoreStep *number)
{
    return (PyObject **)((char *)frame + number->b);
}

static PyObject *
try_number(const RestoreStep *step, uint64_t bits)
{
    double v;
    if (step->action == MAKE_INT) {
        return PyLong_FromLongLong((int64_t)bits);
    }
    memcpy(&v, &bits, 8);
    return PyFloat_FromDouble(v);
}

static __attribute__((noinline)) PyObject *
need_number(const RestoreStep *step, uint64_t bits)
{
    PyObject *o = try_number(step, bits);
    RESTORE_NEED(o, try_number(step, bits));
    return o;
}

static inline PyObject *
new_number(const RestoreStep *step, uint64_t bits)
{
    // Small ints are there already, one behind the other.
    if (bits < compat_small_ints.n && step->action == MAKE_INT) {
        return (PyObject *)(compat_small_ints.first + bits);
    }
    return need_number(step, bits);
}

static inline void
set_ip(Frame *frame, const SnapFrame *f)
{
    compat_frame_set_ip(frame, f->ip);
    compat_frame_set_depth(frame, f->depth);
}

static inline void
store(const RestoreStep *step, PyObject *to, int64_t a, int64_t b)
{
    help_range_iter *range = (help_range_iter *)to;
    if (step->action == STORE_RANGE || step->action == STORE_RANGE_START) {
        range->start = a;
        range->len = step->action == STORE_RANGE ? b : (b - a) * step->word;
    }
    else if (step->action == STORE_INDEX) {
        ((help_seq_iter *)to)->it_index = a;
    }
    else {
        *(int64_t *)((char *)to + step->word) = a;
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

static inline void
do_plain(const Activation *act, const Konst *konsts, const RestoreStep *step)
{
    uint64_t a = read_place(act, konsts, step->a);
    PyObject *o = (PyObject *)(uintptr_t)a;
    switch (step->action) {
        case SLOT_SET:
            compat_frame_slots(act->frame)[step->to] = step->how == HOLD_TAKE && !MUTATED(leak_reference) ? o : Py_NewRef(o);
            break;
        case SLOT_SET_NULL:
            compat_frame_slots(act->frame)[step->to] = NULL;
            break;
        default:
            o = (PyObject *)(uintptr_t)read_place(act, konsts, step->to);
            store(step, o, (int64_t)a, (int64_t)read_place(act, konsts, step->b));
    }
}

void
restore_plain(const Restore *program, const Executor *ex, Activation *act)
{
    PyObject *numbers[PLAIN_NUMBERS];
    Frame *frame = act->frame;
    unsigned n = program->n_numbers;
    const RestoreStep *step = program->steps;
    for (unsigned i = 0; i < n; i++) {
        bool there = step[i].how & NUMBER_HAS_HOME && *slot_of(frame, &step[i]) != NULL;
        numbers[i] = there ? NULL : new_number(&step[i], ((const uint64_t *)act)[step[i].a]);
    }
    if (compat_current_frame(act->tstate) != frame) {
        cut_frames(act->tstate, frame);
    }
    set_ip(frame, program->frames);
    for (unsigned i = 0; i < n; i++) {
        if (numbers[i] != NULL) {
            *slot_of(frame, &step[i]) = numbers[i];
        }
    }
    const RestoreStep *end = step + program->n_steps;
    for (step += n; step < end; step++) {
        do_plain(act, ex->konsts, step);
    }
}

typedef struct {
    Activation *act;
    const Konst *konsts;
    Frame **frames;
    PyObject **extras;
    PyObject *made[RESTORE_OBJECTS];
    bool was_there[RESTORE_OBJECTS];    // [made]: at home
} Run;

static inline uint64_t
read_source(const Run *run, uint16_t source)
{
    return source < SOURCE_MADE ? read_place(run->act, run->konsts, source)
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
    if (step->how == HOLD_TAKE && !MUTATED(leak_reference)) {
        return o;
    }
    bool with_new = true;
    if (step->how & HOLD_HOME) {
        with_new = run->was_there[step->a - SOURCE_MADE] ? step->how & HOLD_HOME_NEW : !(step->how & HOLD_HOME_FIRST);
    }
    return with_new ? Py_NewRef(o) : o;
}

// The numbers of a program; behind them.
static const RestoreStep *
make_numbers(Run *run, const Restore *program)
{
    const RestoreStep *step = program->steps, *end = step + program->n_numbers;
    for (; step < end; step++) {
        PyObject *o = step->how & NUMBER_HAS_HOME ? *slot_of(run->act->frame, step) : NULL;
        run->was_there[step->to] = o != NULL;
        run->made[step->to] = o != NULL ? o : new_number(step, read_source(run, step->a));
    }
    return end;
}

static void
put_numbers(const Run *run, const Restore *program)
{
    const RestoreStep *step = program->steps, *end = step + program->n_numbers;
    for (; step < end; step++) {
        if (step->how & NUMBER_PUT && !run->was_there[step->to]) {
            *slot_of(run->frames[step->frame], step) = run->made[step->to];
        }
    }
}

static PyObject *
new_pack(const Run *run, const RestoreStep *step)
{
    return step->action == MAKE_TUPLE ? PyTuple_New(step->word)
                                      : compat_function_new(read_object(run, step->a), read_object(run, step->b));
}

static void
make_pack(Run *run, const RestoreStep *step)
{
    PyObject *o;
    switch (step->action) {
        case TUPLE_ITEM:
            PyTuple_SET_ITEM(run->made[step->b], step->to, handed_over(run, step));
            return;
        case FUNCTION_CLOSURE:
            o = handed_over(run, step);
            ((PyFunctionObject *)run->made[step->b])->func_closure = o == Py_None ? NULL : o;
            return;
        default:
            o = new_pack(run, step);
            RESTORE_NEED(o, new_pack(run, step));
            run->made[step->to] = o;
    }
}

static Frame *
push_frame(const Run *run, const RestoreStep *step, const SnapFrame *f)
{
    return compat_push_frame(run->act->tstate, read_object(run, step->a), run->frames[step->frame - 1], f->ip, f->depth);
}

static void
do_frame(const Run *run, const Restore *program, const RestoreStep *step)
{
    PyThreadState *tstate = run->act->tstate;
    Frame **frame = &run->frames[step->frame];
    const SnapFrame *f = &program->frames[step->frame];
    switch (step->action) {
        case FRAME_IN_MEMORY:
            *frame = (Frame *)(uintptr_t)read_source(run, step->a);
            break;
        case FRAME_CUT:
            cut_frames(tstate, *frame);
            break;
        case FRAME_LINK:
            compat_generator_link(tstate, read_object(run, step->a));
            *frame = compat_generator_frame(read_object(run, step->a));
            break;
        case FRAME_PUSH:
            *frame = push_frame(run, step, f);
            RESTORE_NEED(*frame, push_frame(run, step, f));
            break;
        case FRAME_IP:
            set_ip(*frame, f);
            break;
        case FRAME_EXTRA:
            run->extras[step->frame] = handed_over(run, step);
            break;
    }
}

static void
do_store(const Run *run, const RestoreStep *step)
{
    PyObject *to = read_object(run, step->to), *a = read_object(run, step->a);
    if (step->action == STORE_GLOBAL) {
        help_global_set(to, a, read_object(run, step->b));
    }
    else {
        store(step, to, (int64_t)(intptr_t)a, (int64_t)read_source(run, step->b));
    }
}

// References that no slot takes are dropped while the innermost frame stands where it let them go.
static void
drop(const Run *run, const Restore *program)
{
    unsigned n = program->n_drops;      // the program may be gone before the last one is
    PyObject *objects[n];
    for (unsigned i = 0; i < n; i++) {
        objects[i] = handed_over(run, &program->steps[program->n_steps + i]);
    }
    Frame *innermost = run->frames[program->n_frames - 1];
    _Py_CODEUNIT *ip = compat_frame_ip(innermost);
    compat_frame_set_ip(innermost, program->drop_ip);
    PyObject *pending = PyErr_GetRaisedException();
    for (unsigned i = 0; i < n; i++) {
        Py_DECREF(objects[i]);
    }
    PyErr_SetRaisedException(pending);
    compat_frame_set_ip(innermost, ip);
}

void
restore_run(const Restore *program, const Executor *ex, Activation *act, Frame **frames, PyObject **extras)
{
    Run run;                            // filled as far as the program goes
    run.act = act;
    run.konsts = ex->konsts;
    run.frames = frames;
    run.extras = extras;
    frames[0] = act->frame;
    const RestoreStep *step = make_numbers(&run, program), *end = program->steps + program->n_steps;
    for (; step < end && step->action <= FUNCTION_CLOSURE; step++) {
        make_pack(&run, step);
    }
    if (program->n_frames == 1) {
        if (compat_current_frame(act->tstate) != act->frame) {
            cut_frames(act->tstate, act->frame);
        }
        assert(program->frames->ip != NULL);
        set_ip(act->frame, program->frames);
    }
    for (; step < end && step->action <= FRAME_EXTRA; step++) {
        do_frame(&run, program, step);
    }
    put_numbers(&run, program);
    for (; step < end; step++) {
        if (step->action == SLOT_SET) {
            compat_frame_slots(frames[step->frame])[step->to] = handed_over(&run, step);
        }
        else if (step->action == SLOT_SET_NULL) {
            compat_frame_slots(frames[step->frame])[step->to] = NULL;
        }
        else {
            do_store(&run, step);
        }
    }
    if (program->n_drops > 0) {
        drop(&run, program);
    }
}

PyObject *
restore_value(const Restore *program, const Executor *ex, Activation *act)
{
    Run run;
    run.act = act;
    run.konsts = ex->konsts;
    const RestoreStep *step = make_numbers(&run, program), *end = program->steps + program->n_steps;
    for (; step < end && step->action <= FUNCTION_CLOSURE; step++) {
        make_pack(&run, step);
    }
    if (step < end) {
        assert(step->action == SLOT_SET);
        return handed_over(&run, step);
    }
    for (step = program->steps; !(step->how & NUMBER_PUT); step++) {
    }
    return run.made[step->to];          // the entry is a number, which has no holder yet
}
