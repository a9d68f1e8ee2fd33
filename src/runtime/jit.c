// jit.c - from a finished recording to an installed executor: the main line of the run time.
#include "jit.h"
#include "back/codemem.h"
#include "back/emit.h"
#include "back/stencil_table.h"
#include "base/activation.h"
#include "base/os.h"
#include "front/record.h"
#include "policy/policy.h"
#include "run/anchors.h"
#include "run/coverage.h"
#include "run/executor_life.h"
#include "run/invalidate.h"
#include "run/restore.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- dumps ------------------------------------------------------------------------------------

static bool
dumps(const char *stage)
{
    return jit.dump != NULL && strstr(jit.dump, stage) != NULL;
}

static void
dump(const char *stage, const Recorder *r, const Trace *t)
{
    char *text = dumps(stage) ? trace_text(t) : NULL;
    if (text == NULL) {
        return;
    }
    fprintf(stderr, "--- %s: %s trace at %s:%d (%s)\n%s", stage, r->parent ? "side" : "root",
            PyUnicode_AsUTF8(r->anchor_code->co_filename),
            PyCode_Addr2Line(r->anchor_code, r->anchor * 2),
            PyUnicode_AsUTF8(r->anchor_code->co_qualname), text);
    free(text);
}

// The uop a stencil was made for: the first whose variants name it.
static const char *
stencil_uop_name(uint32_t stencil)
{
    for (int op = 1; op < UOP_COUNT; op++) {
        uint32_t first = uop_table[op].first_variant;
        uint32_t end = UINT32_MAX;
        for (int next = 1; next < UOP_COUNT; next++) {
            uint32_t other = uop_table[next].first_variant;
            end = other > first && other < end ? other : end;
        }
        for (uint32_t v = first; first != NO_STENCIL && end != UINT32_MAX && v < end; v++) {
            if (stencil_variants[v] == stencil) {
                return uop_table[op].name;
            }
        }
    }
    return "?";
}

// Each stencil's address, uop and instruction.
static void
dump_code(const Recorder *r, const Assignment *a, const Executor *ex, const Trace *t)
{
    uint32_t at = 0;
    fprintf(stderr, "--- code: %s trace at %s:%d, %u bytes at %p\n", r->parent ? "side" : "root",
            PyUnicode_AsUTF8(r->anchor_code->co_filename),
            PyCode_Addr2Line(r->anchor_code, r->anchor * 2), ex->code_size,
            (void *)ex->machine_code);
    for (uint32_t i = 0; i < a->n_code; i++) {
        if (t->loop && i == a->loop_at) {
            at = (at + 15) & ~15u;      // as emit.c does
        }
        Ref ref = a->code[i].ref;
        fprintf(stderr, "%p %s", (void *)(ex->machine_code + at),
                stencil_uop_name(a->code[i].stencil));
        fprintf(stderr, ref ? "  for %04d\n" : "\n", ref);
        at += stencils[a->code[i].stencil].hot_size;
    }
    for (uint32_t i = 0; i < a->n_exits; i++) {
        fprintf(stderr, "exit %u of %04d: stub %p, snapshot %u:", i, a->exits[i].ref,
                (void *)ex->exits[i].stub, a->exits[i].snap);
        for (uint32_t k = 0; k < a->exits[i].n_locs; k++) {
            RefLoc rl = a->locs[a->exits[i].first_loc + k];
            fprintf(stderr, " %04d=%x", rl.ref, rl.loc);
        }
        fprintf(stderr, "\n");
    }
}

// --- making the executor ----------------------------------------------------------------------

static Ref
find_new_ref(const Trace *t, int op, uint64_t operand)
{
    for (Ref ref = 1; ref < t->loop_entry; ref++) {
        if (t->ins[ref].op == op && t->ins[ref].operand[0] == operand) {
            return ref;
        }
    }
    return NO_REF;
}

// The recorder's params named refs of the recorded trace; the executor's name those of the final.
static void
renumber_params(const Trace *t, Param *params, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        Param *p = &params[i];
        p->object = find_new_ref(t, p->old ? UOP_SLOT_LOAD_OLD : UOP_SLOT_LOAD, slot_offset(p->slot));
        p->value = NO_REF;
        int unbox = p->kind == PARAM_INT ? UOP_UNBOX_INT : UOP_UNBOX_FLOAT;
        for (Ref ref = 1; p->kind != PARAM_OBJECT && ref < t->loop_entry; ref++) {
            if (t->ins[ref].op == unbox && t->ins[ref].in[0] == p->object) {
                p->value = ref;
            }
        }
    }
}

// Everything that is kept of a trace, in one block of memory.
static int
copy_trace(Executor *ex, const Trace *t, const Assignment *a, Recorder *r)
{
    const struct { void **to; const void *from; size_t size; } arrays[] = {
#define ARRAY(name, from, n) {(void **)&ex->name, from, (ex->n_##name = (uint32_t)(n)) * sizeof(ex->name[0])}
        ARRAY(exits, NULL, a->n_exits),
        ARRAY(ins, t->ins, t->n_ins),
        ARRAY(konsts, t->konsts, t->n_konsts),
        ARRAY(snaps, t->snaps, t->n_snaps),
        ARRAY(frames, t->frames, t->n_frames),
        ARRAY(entries, t->entries, t->n_entries),
        ARRAY(params, r->params, r->n_params),
        ARRAY(locs, a->locs, a->n_locs),
        ARRAY(entry_locs, a->entry_locs, a->n_entry_locs),
        ARRAY(phis, t->phis, t->n_phis),
        ARRAY(jump, t->jump, t->n_jump),
#undef ARRAY
    };
    size_t size = 0;
    for (size_t i = 0; i < Py_ARRAY_LENGTH(arrays); i++) {
        size += (arrays[i].size + 7) & ~(size_t)7;
    }
    executor_charge(ex, size);
    char *at = ex->arrays = PyMem_Malloc(size);
    if (at == NULL) {
        ex->n_exits = ex->n_frames = ex->n_ins = 0;     // it is retired all the same
        return -1;
    }
    for (size_t i = 0; i < Py_ARRAY_LENGTH(arrays); i++) {
        *arrays[i].to = at;
        if (arrays[i].from != NULL) {
            memcpy(at, arrays[i].from, arrays[i].size);
        }
        at += (arrays[i].size + 7) & ~(size_t)7;
    }
    for (uint32_t i = 0; i < a->n_exits; i++) {
        ex->exits[i] = (Exit){.snap = a->exits[i].snap, .ref = a->exits[i].ref,
                              .first_loc = a->exits[i].first_loc, .n_locs = a->exits[i].n_locs,
                              .retry = policy_first_look()};
    }
    for (uint32_t i = 0; i < a->n_exits; i++) {
        const Snapshot *snap = &ex->snaps[ex->exits[i].snap];
        const SnapEntry *e = &ex->entries[snap->first];
        ex->exits[i].ended = snap->yields == 2 && snap->n_frames == 1 && snap->count == 0
            && ex->frames[snap->first_frame].depth == 0;
        if (snap->yields == 1 && snap->n_frames == 1 && snap->count == 1
            && (e->how == SLOT_TAKE || e->how == SLOT_NEW)) {
            ex->exits[i].yields = true;
        }
    }
    renumber_params(t, ex->params, ex->n_params);
    return 0;
}

// The code objects that the snapshots name, few of them more than once. How many; room for n_frames.
static uint32_t
codes_named(const Executor *ex, PyCodeObject **codes)
{
    PyObject *met[64] = {NULL};         // by address: those of the frames before
    uint32_t n = 0;
    for (uint32_t i = 0; i < ex->n_frames; i++) {
        PyObject *code = ex->frames[i].code;
        PyObject **place = &met[((uintptr_t)code >> 4 ^ (uintptr_t)code >> 10) % Py_ARRAY_LENGTH(met)];
        if (*place != code) {
            codes[n++] = (PyCodeObject *)code;
            *place = code;
        }
    }
    return n;
}

// Objects that snapshots name (code objects) must live as long as the executor.
static int
keep_codes(Executor *ex, PyCodeObject *const *codes, uint32_t n)
{
    if (PyList_Append(ex->keep, ex->globals) < 0 || PyList_Append(ex->keep, ex->builtins) < 0) {
        return -1;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (PyList_Append(ex->keep, (PyObject *)codes[i]) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
add_code(Executor *root, PyCodeObject *code)
{
    for (uint32_t i = 0; i < root->n_codes; i++) {
        if (root->codes[i] == code) {
            return 0;
        }
    }
    PyCodeObject **codes = PyMem_Realloc(root->codes, (root->n_codes + 1) * sizeof *codes);
    if (codes == NULL || PyList_Append(root->keep, (PyObject *)code) < 0) {
        root->codes = codes == NULL ? root->codes : codes;
        return -1;
    }
    root->codes = codes;
    root->codes[root->n_codes++] = code;
    return 0;
}

// The root of its tree knows what code runs in it, and in the trace it jumps to.
static int
add_codes(const Executor *ex, const Executor *target, PyCodeObject *const *codes, uint32_t n)
{
    Executor *root = ex->root;
    for (uint32_t i = 0; i < n; i++) {
        if (add_code(root, codes[i]) < 0) {
            return -1;
        }
    }
    for (uint32_t i = 0; target != NULL && i < target->root->n_codes; i++) {
        if (add_code(root, target->root->codes[i]) < 0) {
            return -1;
        }
    }
    return 0;
}

// GUARD_VALID, CATCH and TRACE_RETURN name the executor that is only now made.
static void
fill_self(Trace *t, const Executor *ex, const Trace *recorded)
{
    if (recorded->chain[UOP_TRACE_RETURN] == NO_REF && recorded->chain[UOP_GUARD_VALID] == NO_REF
        && recorded->chain[UOP_CATCH] == NO_REF) {
        return;
    }
    for (Ref ref = 1; ref < t->n_ins; ref++) {
        if (t->ins[ref].op == UOP_TRACE_RETURN) {
            t->ins[ref].operand[0] = (uint64_t)(uintptr_t)ex;
        }
        if (t->ins[ref].op == UOP_GUARD_VALID || t->ins[ref].op == UOP_CATCH) {
            t->ins[ref].operand[0] = (uint64_t)(uintptr_t)&ex->invalid;
            t->ins[ref].operand[1] = (uint64_t)(uintptr_t)compat_other_evaluator();
        }
    }
}

// A new version of a loop: where the variables are of other types than it wants, which its entry
// part finds before anything has happened, the older version is tried.
static void
chain_versions(Executor *ex)
{
    Executor *older = ex->next_version;
    if (older == NULL || older->invalid || ex->jumps_to != NULL || older->globals != ex->globals
        || older->builtins != ex->builtins) {
        return;
    }
    for (uint32_t n = 0; n < ex->n_exits && ex->exits[n].ref < ex->entry_end; n++) {
        if (executor_exit_raises(ex, &ex->exits[n])) {
            continue;
        }
        emit_link(ex, n, older);
        ex->exits[n].side = (Executor *)Py_NewRef((PyObject *)older);
    }
    executor_jumps_to(ex, older);
}

// What its entry part checks of the frame's slots: which version is for a frame can be told without running it.
static void
note_wanted(Executor *ex)
{
    if (ex->of_several) {
        return;
    }
    ex->of_several = true;
    ex->wanted = PyMem_New(Wanted, ex->entry_end + 1);
    for (Ref ref = 1; ex->wanted != NULL && ref < ex->entry_end; ref++) {
        const Ins *check = &ex->ins[ref];
        if ((check->op == UOP_GUARD_BOUND || check->op == UOP_GUARD_TYPE) && !ref_is_const(check->in[0])
            && ex->ins[check->in[0]].op == UOP_SLOT_LOAD) {
            PyTypeObject *type = check->op == UOP_GUARD_TYPE ? (PyTypeObject *)(uintptr_t)check->operand[0] : NULL;
            ex->wanted[ex->n_wanted++] = (Wanted){(uint32_t)ex->ins[check->in[0]].operand[0], type};
        }
    }
}

static int
install_executor(Recorder *r, Executor *ex)
{
    jit.epoch++;                        // its tree may run other code objects, too
    if (r->parent == NULL) {
        if (hook_install_root(r->anchor_code, root_key(r, r->anchor), ex) < 0) {
            return -1;
        }
        if (!ex->is_function) {
            chain_versions(ex);
        }
        if (ex->next_version != NULL) {
            note_wanted(ex);
            note_wanted(ex->next_version);
        }
        return 0;
    }
    emit_link(r->parent, r->parent_exit, ex);
    r->parent->root->n_sides++;
    r->parent->exits[r->parent_exit].side = (Executor *)Py_NewRef((PyObject *)ex);
    ex->parent = r->parent;
    ex->parent_exit = r->parent_exit;
    return 0;
}

AbortReason
compile_trace(Recorder *r, const Executor *target, uint16_t loop_snap)
{
    static Trace *final;
    static Assignment *assignment;
    if (final == NULL) {
        final = PyMem_RawMalloc(sizeof(Trace));
        assignment = PyMem_RawMalloc(sizeof(Assignment));
    }
    if (final == NULL || assignment == NULL) {
        return ABORT_MEMORY;
    }
    if (r->parent != NULL && (r->parent->retired || r->parent->root->invalid)) {
        return ABORT_INVALIDATED;       // meanwhile; nobody but the recorder holds it any more
    }
    Executor *ex = executor_new();
    if (ex == NULL) {
        PyErr_Clear();
        return ABORT_MEMORY;
    }
    ex->code = r->anchor_code;
    ex->globals = compat_frame_globals(r->frames[0].frame);
    ex->builtins = compat_frame_builtins(r->frames[0].frame);
    ex->anchor = root_key(r, r->anchor);
    ex->resumed = r->resumed;
    ex->is_side = r->parent != NULL;
    ex->is_function = r->function && r->parent == NULL;
    if (r->parent != NULL) {
        executor_grows_in(ex, r->parent->root);
        ex->start_ip = executor_exit_ip(r->parent, &r->parent->exits[r->parent_exit]);
        ex->unchecked = executor_exit_is_unchecked(r->parent, &r->parent->exits[r->parent_exit]);
        ex->at_same_place = r->parent->start_ip == ex->start_ip ? r->parent->at_same_place + 1 : 0;
    }
    ex->unrolled = (uint8_t)r->unrolled;
    ex->stack_depth = r->anchor_depth;
    ex->judge_from = policy_first_judged();
    ex->loops = loop_snap != NO_SNAP;
    ex->keep = Py_NewRef(r->b.keep);
    if (target != NULL) {
        executor_jumps_to(ex, (Executor *)target);
    }
    ex->recorded = jit.keep_text ? trace_pack(r->t) : NULL;
    dump("record", r, r->t);
    uint64_t start = os_now();
    AbortReason reason = optimise(&r->b, loop_snap, (ForceExit){jit.params.force_exit, &jit.force_left}, final);
    uint64_t optimised = os_now();
    if (reason == ABORT_NONE) {
        fill_self(final, ex, r->t);
        dump("opt", r, final);
        AssignOptions options = {r->parent != NULL ? r->parent->spills : 0,
                                 (uint32_t)jit.params.random};
        // Side traces of one tree may be live at the same time only along one path, but links
        // join them in any order: each keeps clear of its root's slots and its parent's.
        if (target != NULL && options.first_spill < target->spills) {
            options.first_spill = target->spills;
        }
        reason = (AbortReason)assign_trace(final, &options, assignment);
    }
    static PyCodeObject *codes[MAX_SNAP_FRAMES];
    uint32_t n_codes = 0;
    if (reason == ABORT_NONE) {
        ex->spills = assignment->spills;
        ex->entry_end = final->loop_entry;
        if (copy_trace(ex, final, assignment, r) < 0
            || keep_codes(ex, codes, n_codes = codes_named(ex, codes)) < 0) {
            PyErr_Clear();
            reason = ABORT_MEMORY;
        }
        else if ((reason = restore_check(ex)) == ABORT_NONE
                 && (reason = policy_price(ex, assignment, final, r->interp, r->parent, r->parent_exit)) == ABORT_NONE) {
            ex->origin = jit.keep_origins ? calloc(1, sizeof(Origin)) : NULL;
            if (ex->origin != NULL) {
                ex->origin->optimise_ns = optimised - start;
            }
            reason = (AbortReason)emit_trace(final, assignment, target, ex);
            if (reason == ABORT_NONE) {
                executor_charge(ex, codemem_whole(ex->code_size) + ex->n_exits * sizeof *ex->links);
            }
            if (reason == ABORT_EMIT_MEMORY) {
                executor_code_is_full();
            }
            if (reason == ABORT_NONE && dumps("code")) {
                dump_code(r, assignment, ex, final);
            }
        }
    }
    if (reason == ABORT_NONE && (assume_commit(ex) < 0 || add_codes(ex, target, codes, n_codes) < 0
                                 || install_executor(r, ex) < 0)) {
        PyErr_Clear();
        reason = ABORT_INVALIDATED;
    }
    uint64_t end = os_now();
    policy_charge(end - start);
    if (reason == ABORT_NONE) {
        ex->root->minds |= r->minds;
        ex->root->objects |= r->turns_seen;
        coverage_trace(r->t, final, assignment, ex);
        ex->compile_ns = end - start;
        jit.stats.record_ns += optimised - start;
        jit.stats.compile_ns += end - optimised;
        jit.stats.emit_ns += ex->emit_ns;
        jit.stats.uops += ex->n_ins;
        jit.stats.code_bytes += ex->code_size;
        if (ex->is_side) {
            jit.stats.sides++;
        }
        else {
            jit.stats.roots++;
        }
    }
    else {
        executor_retire(ex);
    }
    Py_DECREF(ex);
    return reason;
}
