// opt_rebox.c - a float that replaces a float in a list or field is written into the old object.
//
// In:   a trace in recorded order, dead instructions marked, phis found.
// Out:  BOX_FLOAT x; LIST_SET l i x; DECREF_FLOAT old   becomes   LIST_SET_FLOAT l i value
//       (and the same for fields), where nothing else needs the box. The old object is used again
//       when only the list held it, as the interpreter's own float arithmetic does.
//
// The three must follow one another: nothing may look at the list between the box and the store.
#include "ir/build.h"
#include <string.h>

static Ref
next_live(const Trace *t, Ref ref)
{
    do {
        ref++;
    } while (ref < t->n_ins && (t->ins[ref].flags & INS_DEAD));
    return ref;
}

// How often each box is named, by instructions, snapshots and phis.
static void
count_uses(const Trace *t, uint16_t *uses)
{
    static uint8_t seen[MAX_SNAPS];
    memset(uses, 0, t->n_ins * sizeof(uint16_t));
    memset(seen, 0, t->n_snaps);
    for (Ref ref = 1; ref < t->n_ins; ref++) {
        const Ins *ins = &t->ins[ref];
        if (ins->flags & INS_DEAD) {
            continue;
        }
        for (int k = 0; k < uop_table[ins->op].n_inputs; k++) {
            if (!ref_is_const(ins->in[k])) {
                uses[ins->in[k]]++;
            }
        }
        if (ins->snap == NO_SNAP || seen[ins->snap]) {
            continue;
        }
        seen[ins->snap] = 1;
        const Snapshot *s = &t->snaps[ins->snap];
        for (uint32_t i = 0; i < s->count; i++) {
            Ref named = t->entries[s->first + i].ref;
            if (!ref_is_const(named)) {
                uses[named]++;
            }
        }
    }
    for (int i = 0; i < t->n_phis; i++) {
        uses[t->phis[i].left]++;
        if (!ref_is_const(t->phis[i].right)) {
            uses[t->phis[i].right]++;
        }
    }
}

// Does `old` stand for what the store at `store` replaces?
static bool
is_old_content(const Trace *t, const Ins *store, Ref old)
{
    if (ref_is_const(old)) {
        return false;
    }
    const Ins *load = &t->ins[old];
    if (store->op == UOP_LIST_SET) {
        return load->op == UOP_LIST_ITEM && load->in[0] == store->in[0] && load->in[1] == store->in[1];
    }
    return load->op == UOP_FIELD_LOAD && load->in[0] == store->in[0]
        && load->operand[0] == store->operand[0];
}

AbortReason
opt_rebox(Trace *t)
{
    static uint16_t uses[MAX_INS];
    if (t->chain[UOP_DECREF_FLOAT] == NO_REF) {
        return ABORT_NONE;
    }
    count_uses(t, uses);
    for (Ref ref = 1; ref < t->n_ins; ref++) {
        Ins *store = &t->ins[ref];
        if ((store->flags & INS_DEAD) || (store->op != UOP_LIST_SET && store->op != UOP_FIELD_STORE)) {
            continue;
        }
        Ref value = store->in[store->op == UOP_LIST_SET ? 2 : 1];
        Ref drop = next_live(t, ref);
        if (ref_is_const(value) || t->ins[value].op != UOP_BOX_FLOAT || uses[value] != 1
            || next_live(t, value) != ref || drop >= t->n_ins || t->ins[drop].op != UOP_DECREF_FLOAT
            || !is_old_content(t, store, t->ins[drop].in[0])) {
            continue;
        }
        Ins *box = &t->ins[value];
        if (store->op == UOP_LIST_SET) {
            store->op = UOP_LIST_SET_FLOAT;
            store->in[2] = box->in[0];
        }
        else {
            store->op = UOP_FIELD_STORE_FLOAT;
            store->in[1] = box->in[0];
        }
        store->snap = box->snap;
        box->flags |= INS_DEAD;
        t->ins[drop].flags |= INS_DEAD;
    }
    return ABORT_NONE;
}
