// opt_lower.c - the last pass: a compact trace in its final order.
//
// In:   a trace in recorded order, dead instructions marked.
// Out:  a new trace: entry part, LOOP_ENTRY, iteration, LOOP, body. SYNC has become the stores
//       that memory lacks, and snapshots list only slots that memory does not hold. What moves an
//       iterator on, and what gives a module's variable another value, is held back until somebody
//       could see it; exits do it (SLOT_STORE).
//
// For that, the pass follows what each slot of the frames in memory holds. At LOOP it must be
// true on both ways in: a slot is known there only if the loop's end leaves the same in it.
#include "base/activation.h"
#include "ir/build.h"
#include "base/mutation.h"
#include <stddef.h>
#include <string.h>

enum { MAX_TRACKED = 2048, IN_MEMORY_NULL = 0x7ffe, MAX_HELD = 24, MAX_INNER = 512, INNER_BUCKETS = 256 };

// A store that has not been done: the old trace's instruction, and its copy.
typedef struct { Ref store, copy; } HeldStore;

typedef struct {
    const Trace *t;
    Trace *out;
    Ref map[MAX_INS];                   // old ref -> new ref
    uint16_t snap_map[MAX_SNAPS];
    uint16_t snap_state[MAX_SNAPS];     // memory state number the copy was made in
    uint16_t state;                     // counts changes of memory
    Ref root[MAX_TRACKED];              // slot of the outermost frame -> ref that memory holds
    int n_root;                         // nothing is known of slots from here on
    struct { Ref memory; uint16_t slot; Ref ref; uint16_t next; } inner[MAX_INNER];      // inlined frames in memory
    int n_inner;
    uint16_t bucket[INNER_BUCKETS];     // by memory and slot: number of an inner + 1, others by its next
    Ref opaque[64];                     // inlined frames in memory that a loop has run in
    int n_opaque;
    HeldStore held[MAX_HELD];           // in the order in which they were held back
    int n_held;
    Ref loop_held[MAX_HELD];            // stores to the same place are held back at LOOP
    int n_loop_held;
    bool holds_globals;
    ForceExit force;
    AbortReason abort;
} Lower;

static uint16_t
slot_of(const Ins *ins)
{
    return (uint16_t)((ins->operand[0] - compat_frame_slots_offset()) / sizeof(PyObject *));
}

static bool
is_generator_frame(const Lower *l, Ref memory)
{
    return l->t->ins[memory].op != UOP_FRAME_PUSH;
}

// Unknown code may have resumed generators, and changed what their frames hold.
static void
forget_generators(Lower *l)
{
    for (int i = 0; i < l->n_inner; i++) {
        if (is_generator_frame(l, l->inner[i].memory)) {
            l->inner[i].ref = NO_REF;
        }
    }
    l->state++;
}

static unsigned
inner_bucket(Ref memory, uint16_t slot)
{
    return (memory * 37u + slot) % INNER_BUCKETS;
}

// The number of the inlined frame's slot, -1: nothing is known of it.
static int
find_inner(const Lower *l, Ref memory, uint16_t slot)
{
    int i = l->bucket[inner_bucket(memory, slot)];
    while (i > 0 && (l->inner[i - 1].memory != memory || l->inner[i - 1].slot != slot)) {
        i = l->inner[i - 1].next;
    }
    return i - 1;
}

static void
forget_inner(Lower *l)
{
    l->n_inner = 0;
    memset(l->bucket, 0, sizeof(l->bucket));
}

static Ref
memory_holds(const Lower *l, Ref memory, uint16_t slot)
{
    if (memory == NO_REF) {
        return l->root[slot];
    }
    int at = find_inner(l, memory, slot);
    if (at >= 0) {
        return l->inner[at].ref;
    }
    for (int i = 0; i < l->n_opaque; i++) {
        if (l->opaque[i] == memory) {
            return NO_REF;
        }
    }
    return l->t->ins[memory].op == UOP_FRAME_PUSH ? IN_MEMORY_NULL : NO_REF;
}

static void
set_memory(Lower *l, Ref memory, uint16_t slot, Ref ref)
{
    l->state++;
    if (memory == NO_REF) {
        l->root[slot] = ref;
        l->n_root = slot < l->n_root ? l->n_root : slot + 1;
        return;
    }
    bool is_generator = is_generator_frame(l, memory);
    for (int i = 0; is_generator && i < l->n_inner; i++) {
        if (l->inner[i].slot == slot && is_generator_frame(l, l->inner[i].memory)) {
            l->inner[i].ref = NO_REF;   // it may be the same frame
        }
    }
    int at = find_inner(l, memory, slot);
    if (at >= 0) {
        l->inner[at].ref = ref;
        return;
    }
    if (l->n_inner >= MAX_INNER) {
        l->abort = ABORT_TOO_MANY_VARIABLES;
        return;
    }
    uint16_t *bucket = &l->bucket[inner_bucket(memory, slot)];
    l->inner[l->n_inner].memory = memory;
    l->inner[l->n_inner].slot = slot;
    l->inner[l->n_inner].ref = ref;
    l->inner[l->n_inner++].next = *bucket;
    *bucket = (uint16_t)l->n_inner;
}

static Ref
mapped(const Lower *l, Ref ref)
{
    return ref == NO_REF || ref_is_const(ref) ? ref : l->map[ref];
}

// Does memory hold what the entry says anyway?
static inline bool
is_in_memory(const Lower *l, const SnapFrame *f, const SnapEntry *e)
{
    if (e->how != SLOT_TAKE && e->how != SLOT_NULL) {
        return false;
    }
    Ref wanted = e->how == SLOT_NULL ? IN_MEMORY_NULL : e->ref;
    if (e->frame == 0) {
        return l->root[e->slot] == wanted && wanted != NO_REF;
    }
    return f->memory != NO_REF && e->slot < compat_code_nlocalsplus((PyCodeObject *)f->code)
        && memory_holds(l, f->memory, e->slot) == wanted;
}

static uint16_t
copy_snapshot(Lower *l, uint16_t old)
{
    const Trace *t = l->t;
    Trace *out = l->out;
    if (old == NO_SNAP) {
        return NO_SNAP;
    }
    if (l->snap_map[old] != NO_SNAP && l->snap_state[old] == l->state) {
        return l->snap_map[old];
    }
    const Snapshot *from = &t->snaps[old];
    if (out->n_snaps >= MAX_SNAPS || out->n_frames + from->n_frames > MAX_SNAP_FRAMES
        || out->n_entries + from->count > MAX_SNAP_ENTRIES) {
        l->abort = ABORT_TOO_MANY_SNAPSHOTS;
        return NO_SNAP;
    }
    Snapshot *to = &out->snaps[out->n_snaps];
    *to = *from;
    to->first = out->n_entries;
    to->first_frame = out->n_frames;
    for (int k = 0; k < from->n_frames; k++) {
        SnapFrame f = t->frames[from->first_frame + (uint32_t)k];
        f.func = mapped(l, f.func);
        f.extra = mapped(l, f.extra);
        f.memory = mapped(l, f.memory);
        out->frames[out->n_frames++] = f;
    }
    SnapEntry *added = &out->entries[out->n_entries];
    const SnapEntry *end = &t->entries[from->first + from->count];
    for (const SnapEntry *e = &t->entries[from->first]; e < end; e++) {
        if (!is_in_memory(l, &t->frames[from->first_frame + e->frame], e)) {
            *added = *e;
            added->ref = mapped(l, e->ref);
            added++;
        }
    }
    out->n_entries = (uint32_t)(added - out->entries);
    for (int i = 0; i < l->n_held && !MUTATED(lost_store); i++) {
        if (out->n_entries >= MAX_SNAP_ENTRIES) {
            l->abort = ABORT_TOO_MANY_SNAPSHOTS;
            return NO_SNAP;
        }
        out->entries[out->n_entries++] = (SnapEntry){.how = SLOT_STORE, .slot = l->held[i].copy};
    }
    to->count = out->n_entries - to->first;
    l->snap_map[old] = out->n_snaps;
    l->snap_state[old] = l->state;
    return out->n_snaps++;
}

static Ref
append(Lower *l, const Ins *ins)
{
    Trace *out = l->out;
    if (out->n_ins >= MAX_INS) {
        l->abort = ABORT_TOO_LONG;
        return NO_REF;
    }
    out->ins[out->n_ins] = *ins;
    out->ins[out->n_ins].chain = NO_REF;
    return out->n_ins++;
}

static Ref
append_op(Lower *l, int op, Ref in0, Ref in1, uint64_t operand0, uint64_t operand1)
{
    Ins ins = {.op = (uint16_t)op, .type = uop_table[op].output, .in = {in0, in1, NO_REF, NO_REF},
               .snap = NO_SNAP, .operand = {operand0, operand1}};
    return append(l, &ins);
}

// --- stores held back ---------------------------------------------------------------------------
//
// Nobody sees where an iterator stands as long as the trace only takes items from it, nor what a
// module's variable is while only the trace uses it. So these stores are not placed where they were
// recorded: exits list them, and before an instruction that may look, or through which the trace may
// lose its reference to the iterator, they are done.

static bool
moves_iterator(int op)
{
    return op == UOP_RANGE_SET || op == UOP_RANGE_SET_START || op == UOP_ITER_SET_INDEX
        || op == UOP_ITER_SET_WORD;
}

static bool
may_see_globals(const Ins *ins)
{
    uint32_t flags = uop_table[ins->op].flags;
    if ((flags & ESCAPES) || UOP_READS(flags) == MEM_DICT || UOP_WRITES(flags) == MEM_DICT
        || ins->op == UOP_SYNC) {
        return true;
    }
    switch (ins->op) {
        case UOP_GLOBAL_LOAD: case UOP_GLOBAL_STORE: case UOP_GUARD_QUIET: case UOP_BOX_INT:
        case UOP_BOX_FLOAT: case UOP_SLOT_ENSURE: case UOP_SLOT_ENSURE_FLOAT: case UOP_FLOAT_POW:
        case UOP_FLOAT_MOD: case UOP_FLOAT_FLOORDIV: case UOP_FLOAT_CALL1: case UOP_LIST_APPEND:
        case UOP_ARRAY_INT:
            return false;
        default:
            return (flags & CALLS) != 0;
    }
}

bool
may_hold_globals(const Trace *t)
{
    for (Ref ref = 1; ref < t->n_ins; ref++) {
        if (!(t->ins[ref].flags & INS_DEAD) && may_see_globals(&t->ins[ref])) {
            return false;
        }
    }
    return true;
}

// Must the store to this iterator, or to one that it keeps alive, be done before `ins`?
static bool
sees_iterator(const Ins *ins, Ref iter)
{
    uint32_t flags = uop_table[ins->op].flags;
    if (ins->op == UOP_ITER_WORD) {
        return ins->in[0] == iter;      // the counter of enumerate: no other iterator's
    }
    if ((flags & ESCAPES) || UOP_READS(flags) == MEM_ITER || ins->op == UOP_SYNC) {
        return true;
    }
    switch (ins->op) {
        case UOP_RANGE_SET: case UOP_RANGE_SET_START: case UOP_ITER_SET_INDEX: case UOP_RANGE_STEP:
        case UOP_ITER_SEQ: case UOP_GUARD_TYPE: case UOP_GUARD_BOUND: case UOP_INCREF:
        case UOP_ITER_SET_WORD: case UOP_GUARD_NOT_SAME: case UOP_FIELD_LOAD: case UOP_TUPLE_ITEM:
        case UOP_TUPLE_LEN:
            return false;
        default:
            break;
    }
    for (int k = 0; k < uop_table[ins->op].n_inputs; k++) {
        if (ins->in[k] == iter) {
            return true;
        }
    }
    return false;
}

// An iterator in enumerate or zip lives as long as that.
static bool
may_see_iterator(const Trace *t, const Ins *ins, Ref iter)
{
    while (!sees_iterator(ins, iter)) {
        if (ref_is_const(iter)
            || (t->ins[iter].op != UOP_FIELD_LOAD && t->ins[iter].op != UOP_TUPLE_ITEM)) {
            return false;
        }
        iter = t->ins[iter].in[0];
    }
    return true;
}

// Must this store be done before `ins`?
static bool
may_see(const Trace *t, const Ins *ins, const Ins *store)
{
    if (ins->op == UOP_JUMP || ins->op == UOP_TRACE_RETURN) {
        return true;
    }
    return store->op == UOP_GLOBAL_STORE ? may_see_globals(ins)
                                         : may_see_iterator(t, ins, store->in[0]);
}

static bool
same_place(const Ins *a, const Ins *b)
{
    bool global = a->op == UOP_GLOBAL_STORE;
    return global == (b->op == UOP_GLOBAL_STORE) && a->in[0] == b->in[0]
        && (!global || a->in[1] == b->in[1]);
}

// May this store wait at all? What is to be stored must not depend on a reference of the trace's.
static bool
may_wait(const Lower *l, const Ins *store)
{
    if (moves_iterator(store->op)) {    // inherited: the slot that owns it may have another ref
        return l->t->ins[store->in[0]].op != UOP_INHERIT;
    }
    Ref value = store->in[2];
    return store->op == UOP_GLOBAL_STORE && l->holds_globals
        && (ref_is_const(value) || (l->t->ins[value].flags & INS_SUNK));
}

// What is held back after `ref`, in terms of the old trace only. Returns the new number.
static int
held_after(const Lower *l, Ref ref, HeldStore *held, int n)
{
    const Trace *t = l->t;
    const Ins *ins = &t->ins[ref];
    bool waits = may_wait(l, ins);
    int kept = 0;
    for (int i = 0; i < n; i++) {
        const Ins *store = &t->ins[held[i].store];
        if (!may_see(t, ins, store) && !(waits && same_place(ins, store))) {
            held[kept++] = held[i];
        }
    }
    if (waits && kept < MAX_HELD) {
        held[kept++] = (HeldStore){ref, NO_REF};
    }
    return kept;
}

static void
forget_held(Lower *l, int i)
{
    l->n_held--;
    memmove(&l->held[i], &l->held[i + 1], (size_t)(l->n_held - i) * sizeof(HeldStore));
    l->state++;
}

// Do store number i now. A number that has not been made is made for all that store it.
static void
do_store(Lower *l, int i)
{
    Ins ins = l->out->ins[l->held[i].copy];
    ins.flags &= (uint8_t)~INS_SUNK;
    Ref box = ins.in[2], made = NO_REF;
    if (ins.op == UOP_GLOBAL_STORE && !ref_is_const(box)) {
        Ins make = l->out->ins[box];
        make.op = make.op == UOP_BOX_INT ? UOP_BOX_INT_SURE : UOP_BOX_FLOAT_SURE;
        make.flags = 0;
        make.snap = NO_SNAP;
        made = ins.in[2] = append(l, &make);
    }
    append(l, &ins);
    forget_held(l, i);
    if (made == NO_REF) {
        return;
    }
    for (int k = 0; k < l->n_held;) {
        Ins other = l->out->ins[l->held[k].copy];
        if (other.op != UOP_GLOBAL_STORE || other.in[2] != box) {
            k++;
            continue;
        }
        other.flags &= (uint8_t)~INS_SUNK;
        other.in[2] = made;
        append(l, &other);
        forget_held(l, k);
    }
    append_op(l, UOP_DECREF_SIMPLE, made, NO_REF, 0, 0);
}

static void
do_stores_seen_by(Lower *l, const Ins *ins)
{
    for (int i = 0; i < l->n_held;) {
        if (may_see(l->t, ins, &l->t->ins[l->held[i].store])) {
            do_store(l, i);
            i = 0;
        }
        else {
            i++;
        }
    }
}

static void
hold_store(Lower *l, Ref ref)
{
    const Trace *t = l->t;
    for (int i = 0; i < l->n_held; i++) {
        if (same_place(&t->ins[l->held[i].store], &t->ins[ref])) {     // overwritten unseen
            forget_held(l, i);
            break;
        }
    }
    if (!may_wait(l, &t->ins[ref])) {
        return;
    }
    l->out->ins[l->map[ref]].flags |= INS_SUNK;
    l->held[l->n_held++] = (HeldStore){ref, l->map[ref]};
    l->state++;
    if (l->n_held == MAX_HELD) {
        do_store(l, 0);
    }
}

// Is `right` what `left` is at LOOP on the next turn?
static bool
turns_into(const Trace *t, Ref left, Ref right)
{
    for (int i = 0; i < t->n_phis; i++) {
        if (t->phis[i].left == left) {
            return t->phis[i].right == right;
        }
    }
    if (left == right) {
        return true;
    }
    if (ref_is_const(left) || ref_is_const(right) || !(t->ins[left].flags & INS_SUNK)
        || !(t->ins[right].flags & INS_SUNK) || t->ins[left].op != t->ins[right].op
        || is_pack(t->ins[left].op)) {
        return false;
    }
    return turns_into(t, t->ins[left].in[0], t->ins[right].in[0]);
}

// A store may be held back at LOOP if the loop's end holds back its next one.
static void
meet_held_at_loop(Lower *l)
{
    const Trace *t = l->t;
    HeldStore end[MAX_HELD];
    int n_end = l->n_held;
    memcpy(end, l->held, sizeof(end));
    for (Ref ref = t->loop + 1; ref < t->n_ins; ref++) {
        if (!(t->ins[ref].flags & INS_DEAD)) {
            n_end = held_after(l, ref, end, n_end);
        }
    }
    l->n_loop_held = 0;
    for (int i = 0; i < l->n_held;) {
        const Ins *left = &t->ins[l->held[i].store];
        bool same = false;
        for (int k = 0; k < n_end; k++) {
            const Ins *right = &t->ins[end[k].store];
            same |= right->op == left->op && right->operand[0] == left->operand[0]
                && same_place(left, right) && turns_into(t, left->in[1], right->in[1])
                && turns_into(t, left->in[2], right->in[2]);
        }
        if (!same) {
            do_store(l, i);
            i = l->n_loop_held = 0;
            continue;
        }
        l->loop_held[l->n_loop_held++] = l->held[i].store;
        i++;
    }
}

// Before LOOP_END: do the stores that are not held back at LOOP.
static void
do_stores_of_turn(Lower *l)
{
    for (int i = 0; i < l->n_held;) {
        bool keep = false;
        for (int k = 0; k < l->n_loop_held; k++) {
            keep |= same_place(&l->t->ins[l->loop_held[k]], &l->t->ins[l->held[i].store]);
        }
        if (keep) {
            i++;
        }
        else {
            do_store(l, i);
            i = 0;
        }
    }
}

// --- instructions -------------------------------------------------------------------------------

// Bring the frames in memory to the state of SYNC's snapshot: locals and instruction pointers.
static void
lower_sync(Lower *l, const Ins *sync)
{
    const Trace *t = l->t;
    const Snapshot *s = &t->snaps[sync->snap];
    Ref root = append_op(l, UOP_ROOT_FRAME, NO_REF, NO_REF, 0, 0);
    for (uint32_t i = 0; i < s->count; i++) {
        const SnapEntry *e = &t->entries[s->first + i];
        const SnapFrame *f = &t->frames[s->first_frame + e->frame];
        if (e->how == SLOT_DROP || e->slot >= compat_code_nlocalsplus((PyCodeObject *)f->code)) {
            continue;
        }
        if (e->how == SLOT_PARAM) {     // memory may be NULL: made now, for all to see
            Ref box = mapped(l, e->ref);
            int op = l->out->ins[box].op == UOP_SLOT_BOX ? UOP_SLOT_ENSURE : UOP_SLOT_ENSURE_FLOAT;
            Ref made = append_op(l, op, l->out->ins[box].in[0], NO_REF, l->out->ins[box].operand[0], 0);
            l->out->ins[made].snap = copy_snapshot(l, sync->snap);
            continue;
        }
        Ref memory = e->frame == 0 ? NO_REF : f->memory;
        Ref content = e->how == SLOT_NULL ? IN_MEMORY_NULL : e->ref;
        if (memory_holds(l, memory, e->slot) == content) {
            continue;
        }
        uint64_t offset = compat_frame_slots_offset() + e->slot * sizeof(PyObject *);
        Ref frame = memory == NO_REF ? root : mapped(l, memory);
        if (e->how == SLOT_NULL) {
            append_op(l, UOP_FRAME_CLEAR, frame, NO_REF, offset, 0);
        }
        else {
            append_op(l, UOP_FRAME_STORE, frame, mapped(l, e->ref), offset, 0);
        }
        set_memory(l, memory, e->slot, content);
    }
    // Before TRACE_RETURN nobody looks at the frame any more, but for what its locals own.
    for (int k = sync->operand[0] ? s->n_frames : 0; k < s->n_frames; k++) {
        const SnapFrame *f = &t->frames[s->first_frame + (uint32_t)k];
        append_op(l, UOP_FRAME_IP, k == 0 ? root : mapped(l, f->memory), NO_REF,
                  (uint64_t)(uintptr_t)f->ip, compat_frame_ip_offset());
    }
}

// Slots that the loop body's SYNCs leave different from what they are at LOOP are unknown there.
static void
meet_at_loop(Lower *l)
{
    const Trace *t = l->t;
    static Ref after[MAX_TRACKED];
    memcpy(after, l->root, (size_t)l->n_root * sizeof(Ref));
    for (Ref ref = t->loop; ref < t->n_ins; ref++) {
        const Ins *ins = &t->ins[ref];
        if (ins->op != UOP_SYNC || (ins->flags & INS_DEAD)) {
            continue;
        }
        const Snapshot *s = &t->snaps[ins->snap];
        for (uint32_t i = 0; i < s->count; i++) {
            const SnapEntry *e = &t->entries[s->first + i];
            const SnapFrame *f = &t->frames[s->first_frame + e->frame];
            if (e->frame == 0 && e->how != SLOT_DROP && e->how != SLOT_PARAM
                && e->slot < compat_code_nlocalsplus((PyCodeObject *)f->code)) {
                after[e->slot] = e->how == SLOT_NULL ? IN_MEMORY_NULL : e->ref;
            }
        }
    }
    for (int slot = 0; slot < l->n_root; slot++) {
        Ref left = l->root[slot], right = after[slot];
        if (left == NO_REF) {
            continue;
        }
        Ref expected = left;            // what the slot must hold after a turn to be `left` again
        for (int i = 0; i < t->n_phis; i++) {
            if (t->phis[i].left == left) {
                expected = t->phis[i].right;
            }
        }
        if (right != expected || (!ref_is_const(left) && left != IN_MEMORY_NULL
                                  && (t->ins[left].flags & INS_SUNK))) {
            l->root[slot] = NO_REF;
        }
    }
    forget_inner(l);                    // generators' frames: they were left as the last turn left them
    l->state++;
}

// A tuple that something needs as an object.
static void
lower_tuple(Lower *l, Ref ref)
{
    const Ins *old = &l->t->ins[ref];
    int n = (int)old->operand[0];
    for (int k = 0; k < n; k++) {
        append_op(l, UOP_ARG, mapped(l, old->in[k]), NO_REF,
                  offsetof(Activation, args) + 8u * (unsigned)(k + 1), 0);
    }
    bool may_raise = old->snap != NO_SNAP;
    l->map[ref] = append_op(l, may_raise ? UOP_TUPLE_NEW : UOP_TUPLE_NEW_SURE, NO_REF, NO_REF,
                            (uint64_t)n, 0);
    l->out->ins[l->map[ref]].snap = copy_snapshot(l, old->snap);
}

static void
lower_function(Lower *l, Ref ref)
{
    const Ins *old = &l->t->ins[ref];
    bool may_raise = old->snap != NO_SNAP;
    Ref func = append_op(l, may_raise ? UOP_FUNCTION_NEW : UOP_FUNCTION_NEW_SURE, mapped(l, old->in[0]),
                         mapped(l, old->in[1]), 0, 0);
    l->map[ref] = func;
    l->out->ins[func].in[2] = mapped(l, old->in[2]);
    l->out->ins[func].snap = copy_snapshot(l, old->snap);
}

// Option force_exit: an exit of its own before each instruction that may leave, to the same state.
static void
force_exit(Lower *l, const Ins *ins)
{
    if (l->force.every == 0 || !(uop_table[ins->op].flags & EXITS) || ins->snap == NO_SNAP
        || (uop_table[ins->op].flags & CONTROL) || l->t->snaps[ins->snap].decided) {
        return;
    }
    Ref exit = append_op(l, UOP_FORCED_EXIT, NO_REF, NO_REF, (uint64_t)(uintptr_t)l->force.left,
                         (uint64_t)l->force.every);
    l->out->ins[exit].snap = copy_snapshot(l, ins->snap);
}

static void
lower_instruction(Lower *l, Ref ref)
{
    const Ins *old = &l->t->ins[ref];
    if (old->flags & INS_DEAD) {
        return;
    }
    do_stores_seen_by(l, old);
    if (old->op == UOP_SYNC) {
        lower_sync(l, old);
        return;
    }
    if (old->op == UOP_LOOP) {
        meet_held_at_loop(l);
        meet_at_loop(l);
    }
    if (old->op == UOP_LOOP_END) {
        do_stores_of_turn(l);
    }
    if ((old->op == UOP_FRAME_STORE || old->op == UOP_FRAME_CLEAR) && !ref_is_const(old->in[0])
        && l->t->ins[old->in[0]].op == UOP_ROOT_FRAME) {
        Ref content = old->op == UOP_FRAME_CLEAR ? IN_MEMORY_NULL : old->in[1];
        if (memory_holds(l, NO_REF, slot_of(old)) == content) {
            return;
        }
        set_memory(l, NO_REF, slot_of(old), content);
    }
    else if ((old->op == UOP_FRAME_STORE || old->op == UOP_FRAME_CLEAR)
             && l->t->ins[old->in[0]].op == UOP_GENERATOR_FRAME) {
        Ref content = old->op == UOP_FRAME_CLEAR ? IN_MEMORY_NULL : old->in[1];
        if (memory_holds(l, old->in[0], slot_of(old)) == content) {
            return;
        }
        set_memory(l, old->in[0], slot_of(old), content);
    }
    if (old->op == UOP_TUPLE_PACK && !(old->flags & INS_SUNK)) {
        lower_tuple(l, ref);
        return;
    }
    if (old->op == UOP_FUNCTION_PACK && !(old->flags & INS_SUNK)) {
        lower_function(l, ref);
        return;
    }
    force_exit(l, old);
    Ins ins = *old;
    for (int k = 0; k < MAX_INPUTS; k++) {
        ins.in[k] = k < uop_table[ins.op].n_inputs ? mapped(l, ins.in[k]) : NO_REF;
    }
    ins.snap = copy_snapshot(l, old->snap);
    if ((ins.op == UOP_BOX_INT || ins.op == UOP_BOX_FLOAT) && !(ins.flags & INS_SUNK)
        && ins.snap == NO_SNAP) {
        ins.op = ins.op == UOP_BOX_INT ? UOP_BOX_INT_SURE : UOP_BOX_FLOAT_SURE;
    }
    l->map[ref] = append(l, &ins);
    if (uop_table[ins.op].flags & ESCAPES) {
        forget_generators(l);
    }
    switch (ins.op) {
        case UOP_RANGE_SET: case UOP_RANGE_SET_START: case UOP_ITER_SET_INDEX: case UOP_ITER_SET_WORD:
        case UOP_GLOBAL_STORE:
            hold_store(l, ref);
            break;
        case UOP_SLOT_LOAD: case UOP_SLOT_LOAD_OLD:
            set_memory(l, NO_REF, slot_of(old), ref);
            break;
        case UOP_RUN_LOOP:              // whatever the frame held, it holds something else now
            if (l->n_opaque >= 64) {
                l->abort = ABORT_TOO_MANY_VARIABLES;
                break;
            }
            l->opaque[l->n_opaque++] = old->in[0];
            for (int i = 0; i < l->n_inner; i++) {
                if (l->inner[i].memory == old->in[0]) {
                    l->inner[i].ref = NO_REF;
                }
            }
            l->state++;
            break;
        case UOP_FRAME_LOAD: case UOP_FRAME_LOAD_OLD:
            set_memory(l, old->in[0], slot_of(old), ref);
            break;
        case UOP_SLOT_ENSURE: case UOP_SLOT_ENSURE_FLOAT:
            set_memory(l, NO_REF, slot_of(old), ref);
            break;
        case UOP_GUARD_IS:              // a slot found NULL in the entry part
            if (old->operand[0] == 0 && !ref_is_const(old->in[0])
                && l->t->ins[old->in[0]].op == UOP_SLOT_LOAD) {
                set_memory(l, NO_REF, slot_of(&l->t->ins[old->in[0]]), IN_MEMORY_NULL);
            }
            break;
        case UOP_LOOP:
            l->out->loop = l->map[ref];
            break;
        default:
            break;
    }
}

AbortReason
opt_lower(const Trace *t, ForceExit force, Trace *out)
{
    static Lower l;
    l.t = t;
    l.out = out;
    l.state = 0;
    forget_inner(&l);
    l.n_opaque = 0;
    l.n_held = l.n_loop_held = 0;
    l.holds_globals = may_hold_globals(t);
    l.force = force;
    l.abort = ABORT_NONE;
    memset(l.map, 0, t->n_ins * sizeof(Ref));
    memset(l.snap_map, 0xff, t->n_snaps * sizeof(uint16_t));
    memset(l.root, 0, (size_t)l.n_root * sizeof(Ref));      // of the trace before
    for (int slot = t->null_from; slot < t->null_to; slot++) {
        l.root[slot] = IN_MEMORY_NULL;
    }
    l.n_root = t->null_to;
    out->n_ins = 1;
    memset(&out->ins[0], 0, sizeof(Ins));
    out->n_snaps = 0;
    out->n_entries = out->n_frames = 0;
    out->loop_entry = out->loop = 0;
    out->n_konsts = t->n_konsts;
    memcpy(out->konsts, t->konsts, t->n_konsts * sizeof(Konst));
    for (Ref ref = 1; ref < t->n_ins; ref++) {
        // What a side trace inherits must be known before its first instruction calls anything.
        if ((t->ins[ref].flags & INS_ENTRY) || t->ins[ref].op == UOP_INHERIT) {
            lower_instruction(&l, ref);
        }
    }
    out->is_side = t->is_side;
    if (!t->is_side) {
        out->loop_entry = append_op(&l, UOP_LOOP_ENTRY, NO_REF, NO_REF, 0, 0);
    }
    for (Ref ref = 1; ref < t->n_ins && l.abort == ABORT_NONE; ref++) {
        if (!(t->ins[ref].flags & INS_ENTRY) && t->ins[ref].op != UOP_INHERIT) {
            lower_instruction(&l, ref);
        }
    }
    out->end = out->n_ins - 1;
    out->n_phis = t->n_phis;
    for (int i = 0; i < t->n_phis; i++) {
        out->phis[i].left = mapped(&l, t->phis[i].left);
        out->phis[i].right = mapped(&l, t->phis[i].right);
    }
    out->n_copies = 0;
    out->n_jump = t->n_jump;
    for (int i = 0; i < t->n_jump; i++) {
        out->jump[i].ref = mapped(&l, t->jump[i].ref);
        out->jump[i].to = t->jump[i].to;
    }
    return l.abort;
}
