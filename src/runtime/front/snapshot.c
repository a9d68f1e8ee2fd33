// snapshot.c - see snapshot.h.
//
// A snapshot taken while recording lists every slot the trace has looked at or written. Which of
// them memory holds anyway is found out later (opt_lower.c), when the loop is peeled and it is
// known what was stored where.
#include "front/snapshot.h"
#include "front/side_facts.h"
#include "run/executor_life.h"
#include <string.h>

static void
add_entry(Recorder *r, int frame, int how, int slot, Ref ref)
{
    Trace *t = r->t;
    if (t->n_entries >= MAX_SNAP_ENTRIES) {
        r->b.abort = ABORT_TOO_MANY_SNAPSHOTS;
        return;
    }
    t->entries[t->n_entries++] = (SnapEntry){(uint8_t)frame, (uint8_t)how, (uint16_t)slot, ref};
}

// Does this slot take over a reference of the trace's, or does it need a new one?
static inline int
take_or_new(Recorder *r, Ref ref, bool is_local)
{
    if (ref_is_const(ref)) {
        return is_local ? SLOT_TAKE : SLOT_NEW;     // a local owns its constant (set_local)
    }
    if (r->avail_at[ref] != r->epoch) {
        r->avail_at[ref] = r->epoch;
        r->avail[ref] = r->own[ref];
    }
    if (r->avail[ref] == 0) {
        return SLOT_NEW;
    }
    r->avail[ref]--;
    return SLOT_TAKE;
}

static bool
is_home(const Recorder *r, int slot, Ref ref)
{
    const Ins *ins = &r->t->ins[ref];
    return (ins->op == UOP_SLOT_BOX || ins->op == UOP_SLOT_BOX_FLOAT)
        && ins->operand[0] == slot_offset(slot);
}

// Called for each frame before each bytecode: this is a third of what recording costs.
static void
frame_entries(Recorder *r, int k)
{
    const RFrame *f = &r->frames[k];
    const Slot *slots = &r->slots[f->base];
    Trace *t = r->t;
    const Ref *chain = t->chain;
    int n = f->n_locals + f->depth;
    if (t->n_entries + (uint32_t)n > MAX_SNAP_ENTRIES) {
        r->b.abort = ABORT_TOO_MANY_SNAPSHOTS;
        return;
    }
    SnapEntry *e = &t->entries[t->n_entries];
    bool homes = k == 0 && (chain[UOP_SLOT_BOX] != NO_REF || chain[UOP_SLOT_BOX_FLOAT] != NO_REF);
    bool in_memory = k == 0 || f->memory != NO_REF || f->kind == FRAME_GENERATOR;
    // Homes of SLOT_BOX first: what memory holds is theirs, other slots need a new reference.
    for (int i = 0; homes && i < n; i++) {
        if (slots[i].state == SLOT_HOLDS && !ref_is_const(slots[i].ref) && is_home(r, i, slots[i].ref)) {
            (void)take_or_new(r, slots[i].ref, false);
        }
    }
    for (int i = 0; i < n; i++) {
        Slot slot = slots[i];
        if (slot.state == SLOT_HOLDS) {
            bool home = homes && !ref_is_const(slot.ref) && is_home(r, i, slot.ref);
            int how = home ? SLOT_PARAM : take_or_new(r, slot.ref, i < f->n_locals);
            *e++ = (SnapEntry){(uint8_t)k, (uint8_t)how, (uint16_t)i, slot.ref};
        }
        else if (slot.state == SLOT_EMPTY && (in_memory || i >= f->n_locals)) {
            *e++ = (SnapEntry){(uint8_t)k, SLOT_NULL, (uint16_t)i, NO_REF};
        }
    }
    t->n_entries = (uint32_t)(e - t->entries);
}

uint16_t
snapshot_take(Recorder *r)
{
    Trace *t = r->t;
    if (r->b.abort != ABORT_NONE) {
        return NO_SNAP;
    }
    // The last snapshot is dropped again if nothing refers to it (most bytecodes need none).
    if (t->n_snaps > 1 && t->n_ins > 1 && r->last_snap_ins == t->n_ins && r->last_snap == t->n_snaps - 1) {
        t->n_snaps--;
        t->n_entries = t->snaps[t->n_snaps].first;
        t->n_frames = t->snaps[t->n_snaps].first_frame;
    }
    if (t->n_snaps >= MAX_SNAPS || t->n_frames + (uint32_t)r->n_frames > MAX_SNAP_FRAMES) {
        r->b.abort = ABORT_TOO_MANY_SNAPSHOTS;
        return NO_SNAP;
    }
    Snapshot *snap = &t->snaps[t->n_snaps];
    *snap = (Snapshot){.first = t->n_entries, .first_frame = t->n_frames,
                       .n_frames = (uint8_t)r->n_frames, .interp = r->interp, .seen = r->seen, .handled = r->handled,
                       .drop_ip = r->drop_ip};
    begin_count(r);
    for (int k = 0; k < r->n_frames; k++) {
        RFrame *f = &r->frames[k];
        SnapFrame *sf = &t->frames[t->n_frames++];
        *sf = (SnapFrame){
            .code = (PyObject *)f->code, .func = f->func, .depth = (uint16_t)f->depth,
            .return_offset = f->return_offset, .kind = (uint8_t)f->kind, .memory = f->memory,
            .ip = f->ip, .extra = f->extra, .n_kept = f->n_kept, .op = f->op,
            .end_offset = f->end_offset};
        frame_entries(r, k);
        if (f->kind == FRAME_INIT) {
            sf->extra_how = (uint8_t)take_or_new(r, f->extra, false);
        }
        if (k > 0 && !ref_is_const(f->func) && take_or_new(r, f->func, false) == SLOT_TAKE) {
            add_entry(r, 0, SLOT_DROP, 0, f->func);     // the frame pushed at the exit has its own
        }
    }
    for (int i = 0; i < r->n_pending; i++) {
        add_entry(r, 0, SLOT_DROP, 0, r->pending[i]);
    }
    snap->count = t->n_entries - snap->first;
    r->last_snap = t->n_snaps;
    r->last_snap_ins = t->n_ins;
    return t->n_snaps++;
}

void
snapshot_need(Recorder *r)
{
    if (r->b.snap == NO_SNAP) {
        r->b.snap = snapshot_take(r);
    }
}

uint16_t
snapshot_take_decided(Recorder *r)
{
    uint16_t snap = snapshot_take(r);
    if (snap != NO_SNAP) {
        r->t->snaps[snap].decided = 1;
    }
    return snap;
}

static bool
names_slot(const Trace *t, const Snapshot *s, int slot)
{
    for (uint32_t i = 0; i < s->count; i++) {
        const SnapEntry *e = &t->entries[s->first + i];
        if (e->frame == 0 && e->slot == slot && e->how != SLOT_DROP) {
            return true;
        }
    }
    return false;
}

// The SLOT_BOX of a parameter that is unboxed, or NO_REF.
static Ref
box_of_param(const Trace *t, const Param *p)
{
    for (Ref ref = p->value + 1; p->value != NO_REF && ref < t->n_ins; ref++) {
        if ((t->ins[ref].op == UOP_SLOT_BOX || t->ins[ref].op == UOP_SLOT_BOX_FLOAT)
            && t->ins[ref].operand[0] == slot_offset(p->slot)) {
            return ref;
        }
    }
    return NO_REF;
}

void
snapshot_complete(Recorder *r)
{
    Trace *t = r->t;
    Ref boxes[MAX_PARAMS];
    for (int i = 0; i < r->n_params; i++) {
        boxes[i] = box_of_param(t, &r->params[i]);
    }
    for (int n = 1; n < t->n_snaps && r->b.abort == ABORT_NONE; n++) {  // 0: the entry part's
        Snapshot *s = &t->snaps[n];
        const SnapFrame *f = &t->frames[s->first_frame];
        int n_slots = compat_code_nlocalsplus((PyCodeObject *)f->code) + f->depth;
        bool moved = s->first + s->count == t->n_entries;
        for (int i = 0; i < r->n_params; i++) {
            int slot = r->params[i].slot;
            if (boxes[i] == NO_REF || slot >= n_slots || names_slot(t, s, slot)) {
                continue;
            }
            if (!moved) {               // to the end, where there is room behind it
                uint32_t first = t->n_entries;
                for (uint32_t k = 0; k < s->count; k++) {
                    SnapEntry e = t->entries[s->first + k];
                    add_entry(r, e.frame, e.how, e.slot, e.ref);
                }
                s->first = first;
                moved = true;
            }
            add_entry(r, 0, SLOT_PARAM, slot, boxes[i]);
            s->count = t->n_entries - s->first;
        }
    }
}

// --- starting a side trace --------------------------------------------------------------------

typedef struct {
    Recorder *r;
    Executor *ex;
    const Exit *exit;
    Ref map[MAX_INS];                   // the parent's refs -> ours
    bool taken[MAX_INS];                // ours: somebody has the reference a box is made with; none in between
} Inheritance;

static Loc
loc_of(const Inheritance *h, Ref ref)
{
    for (uint32_t i = 0; i < h->exit->n_locs; i++) {
        const RefLoc *rl = &h->ex->locs[h->exit->first_loc + i];
        if (rl->ref == ref) {
            return rl->loc;
        }
    }
    return LOC_NONE;
}

// Boxes that the parent left unmade are made by the side trace, with one reference. The parent's
// books may count more: what counted them is as dead in it as the box.
static bool
is_made_here(const Recorder *r, Ref ref)
{
    int op = ref_is_const(ref) ? UOP_NOP : r->t->ins[ref].op;
    return op == UOP_BOX_INT || op == UOP_BOX_FLOAT || is_pack(op);
}

static void
take_one(Inheritance *h, Ref ref)
{
    if (is_made_here(h->r, ref)) {
        if (h->taken[ref]) {
            build1(&h->r->b, UOP_INCREF, ref);
        }
        h->taken[ref] = true;
    }
}

static Ref
inherit(Inheritance *h, Ref ref)
{
    Recorder *r = h->r;
    Builder *b = &r->b;
    if (ref == NO_REF || b->abort != ABORT_NONE) {
        return NO_REF;
    }
    if (ref_is_const(ref)) {
        const Konst *k = &h->ex->konsts[ref & ~KREF];
        double d;
        switch (k->type) {
            case TY_OBJ: return konst_obj(b, (PyObject *)(uintptr_t)k->bits);
            case TY_I64: return konst_i64(b, (int64_t)k->bits);
            default: memcpy(&d, &k->bits, 8); return konst_f64(b, d);
        }
    }
    if (h->map[ref] != NO_REF) {
        return h->map[ref];
    }
    const Ins *ins = &h->ex->ins[ref];
    Ref mine;
    if ((ins->flags & INS_SUNK) || (uop_table[ins->op].flags & VIRTUAL && ins->op != UOP_INHERIT)) {
        Ref in[MAX_INPUTS];
        for (int i = 0; i < MAX_INPUTS; i++) {
            in[i] = i < uop_table[ins->op].n_inputs ? inherit(h, ins->in[i]) : NO_REF;
        }
        for (int i = 0; i < MAX_INPUTS && is_pack(ins->op); i++) {
            take_one(h, in[i]);
        }
        mine = build_raw(b, ins->op, in[0], in[1], in[2], ins->operand[0], ins->operand[1]);
        if (mine != NO_REF) {
            r->t->ins[mine].in[3] = in[3];
        }
    }
    else {
        Loc loc = loc_of(h, ref);
        if (loc == LOC_NONE) {
            b->abort = ABORT_INTERNAL;
            return NO_REF;
        }
        mine = build_raw(b, UOP_INHERIT, 0, 0, 0, loc, 0);
        if (mine != NO_REF) {
            r->t->ins[mine].type = ins->type;
        }
    }
    h->map[ref] = mine;
    return mine;
}

static void
inherit_frames(Inheritance *h, const Snapshot *snap, Frame *innermost)
{
    Recorder *r = h->r;
    int base = 0;
    for (int k = 0; k < snap->n_frames; k++) {
        const SnapFrame *sf = &h->ex->frames[snap->first_frame + k];
        PyCodeObject *code = (PyCodeObject *)sf->code;
        RFrame *f = &r->frames[r->n_frames++];
        *f = (RFrame){.code = code, .func = inherit(h, sf->func), .base = base,
                      .n_locals = compat_code_nlocalsplus(code), .depth = sf->depth,
                      .kind = (FrameKind)sf->kind, .extra = inherit(h, sf->extra),
                      .n_kept = sf->n_kept, .op = sf->op,
                      .memory = inherit(h, sf->memory), .ip = sf->ip,
                      .return_offset = sf->return_offset, .end_offset = sf->end_offset,
                      .jumped = -1};
        for (int i = 0; i < f->n_locals + f->depth; i++) {      // what is not listed
            bool in_memory = k == 0 || sf->memory != NO_REF || sf->kind == FRAME_GENERATOR;
            r->slots[base + i] = (Slot){NO_REF, in_memory ? SLOT_UNTOUCHED : SLOT_EMPTY};
        }
        base += f->n_locals + f->depth;
    }
    Frame *frame = innermost;
    for (int k = snap->n_frames - 1; k >= 0 && frame != NULL; k--) {
        r->frames[k].frame = frame;
        r->frames[k].func_obj = compat_frame_func(frame);
        do {
            frame = compat_frame_previous(frame);
        } while (frame != NULL && compat_frame_is_c_entry(frame));
    }
}

static bool
is_function_of_a_frame(const Recorder *r, Ref ref)
{
    for (int k = 1; k < r->n_frames; k++) {
        if (r->frames[k].func == ref) {
            return true;
        }
    }
    return false;
}

// The recorder's books say that a local owns its constant, and that the trace owns what any slot
// holds. The parent need not have (opt_refs.c): a side trace starts by making it true.
static void
own_inherited(Inheritance *h, const Executor *ex, const Snapshot *snap)
{
    Recorder *r = h->r;
    for (uint32_t i = 0; i < snap->count && r->b.abort == ABORT_NONE; i++) {
        const SnapEntry *e = &ex->entries[snap->first + i];
        const RFrame *f = &r->frames[e->frame];
        if (e->how != SLOT_NEW) {
            continue;
        }
        Ref ref = r->slots[f->base + e->slot].ref;
        if (is_made_here(r, ref) && !h->taken[ref]) {
            take_one(h, ref);
            owned(r, ref);
        }
        else if (!ref_is_const(ref)) {
            own_borrowed(r, ref);
        }
        else if (e->slot < f->n_locals) {
            build1(&r->b, UOP_INCREF, ref);
        }
    }
    for (int k = 0; k < r->n_frames; k++) {
        if (r->frames[k].kind == FRAME_INIT) {
            own_borrowed(r, r->frames[k].extra);
        }
        if (k > 0) {
            own_borrowed(r, r->frames[k].func);
        }
    }
}

// The exit of a GUARD_IP: a loop was left somewhere else than the parent expects. The side trace
// is for the place where the frame stands now.
static void
inherit_after_loop(Recorder *r, Frame *innermost)
{
    RFrame *f = top_frame(r);
    _Py_CODEUNIT *ip = compat_frame_ip(innermost);
    ptrdiff_t offset = ip - compat_code_start(f->code);
    if (offset < 0 || offset >= Py_SIZE(f->code)) {
        r->b.abort = ABORT_EXCEPTION;   // it is about to raise
        return;
    }
    f->depth = compat_frame_depth(innermost);
    for (int i = 0; i < f->n_locals + f->depth; i++) {
        r->slots[f->base + i] = (Slot){NO_REF, SLOT_UNTOUCHED};
    }
    r->b.snap = snapshot_take_decided(r);
    build_raw(&r->b, UOP_GUARD_IP, f->memory, 0, 0, fn(ip), compat_frame_ip_offset());
    f->ip = ip;
    r->check_valid = true;
    r->ran_loop = (int)offset;
}

// The values of stores that the parent held back.
static void
inherit_stored(Inheritance *h, const Snapshot *snap)
{
    for (uint32_t i = 0; i < snap->count; i++) {
        const SnapEntry *e = &h->ex->entries[snap->first + i];
        for (int k = 0; e->how == SLOT_STORE && k < uop_table[h->ex->ins[e->slot].op].n_inputs; k++) {
            (void)inherit(h, h->ex->ins[e->slot].in[k]);
        }
    }
}

// Stores that the parent held back are the side trace's first instructions.
static void
inherit_stores(Inheritance *h, const Snapshot *snap)
{
    for (uint32_t i = 0; i < snap->count; i++) {
        const SnapEntry *e = &h->ex->entries[snap->first + i];
        if (e->how == SLOT_STORE) {
            const Ins *ins = &h->ex->ins[e->slot];
            Ref in[3] = {NO_REF, NO_REF, NO_REF};
            for (int k = 0; k < uop_table[ins->op].n_inputs; k++) {
                in[k] = inherit(h, ins->in[k]);
            }
            build_raw(&h->r->b, ins->op, in[0], in[1], in[2], ins->operand[0], 0);
            if (is_made_here(h->r, in[2]) && !h->taken[in[2]]) {
                take_one(h, in[2]);     // only the store needed it
                owned(h->r, in[2]);
                release(h->r, in[2]);
            }
        }
    }
}

void
snapshot_inherit(Recorder *r, Executor *ex, uint32_t n, Frame *innermost)
{
    static Inheritance h;
    memset(&h.map, 0, ex->n_ins * sizeof(Ref));
    h.r = r;
    h.ex = ex;
    h.exit = &ex->exits[n];
    const Snapshot *snap = &ex->snaps[h.exit->snap];
    inherit_frames(&h, snap, innermost);
    for (uint32_t i = 0; i < snap->count && r->b.abort == ABORT_NONE; i++) {
        const SnapEntry *e = &ex->entries[snap->first + i];
        Ref ref = inherit(&h, e->ref);
        Slot *slot = e->how == SLOT_STORE ? NULL
                                          : &r->slots[r->frames[e->frame].base + e->slot];
        switch (e->how) {
            case SLOT_TAKE: case SLOT_PARAM:
                *slot = (Slot){ref, SLOT_HOLDS};
                take_one(&h, ref);
                owned(r, ref);
                break;
            case SLOT_NEW:
                *slot = (Slot){ref, SLOT_HOLDS};
                break;
            case SLOT_NULL:
                *slot = (Slot){NO_REF, SLOT_EMPTY};
                break;
            case SLOT_DROP:
                if (is_function_of_a_frame(r, ref)) {
                    owned(r, ref);      // leave_call() lets it go
                }
                else if (r->n_pending < MAX_PENDING) {
                    take_one(&h, ref);
                    r->pending[r->n_pending++] = ref;
                }
                break;
            case SLOT_STORE:
                break;
            default:
                r->b.abort = ABORT_INTERNAL;
        }
    }
    inherit_stored(&h, snap);
    side_facts_inherit(&r->b, ex, n, h.map);
    inherit_stores(&h, snap);
    for (int k = 0; k < r->n_frames; k++) {
        if (r->frames[k].kind == FRAME_INIT
            && ex->frames[snap->first_frame + (uint32_t)k].extra_how == SLOT_TAKE) {
            owned(r, r->frames[k].extra);
        }
    }
    own_inherited(&h, ex, snap);
    r->first_drop_ip = snap->drop_ip;
    r->handled = snap->handled;
    r->seen = snap->seen || ex->root->objects;
    const Ins *left_by = &ex->ins[h.exit->ref];
    if (left_by->op == UOP_DECREF && !ref_is_const(left_by->in[0])) {
        r->loud = h.map[left_by->in[0]];
    }
    r->check_valid = executor_exit_is_unchecked(ex, h.exit);
    r->last_snap_ins = 0;
    r->b.snap = NO_SNAP;
    memset(h.taken, 0, r->t->n_ins);
    if (top_frame(r)->ip == NULL) {
        inherit_after_loop(r, innermost);
    }
}
