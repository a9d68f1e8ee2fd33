// executor.c - the life and death of installed traces.
//
// An executor lives from executor_new() on in jit.executors and is taken out of service by
// executor_retire(): its loop no longer finds it, exits linked to it go to their stubs again,
// and what cannot live without it (the side traces of a root, and those of others that jump to
// it) is retired too. It then waits in the graveyard until no activation can be inside of it.
//
// Who can be inside: an activation counts in `inside` of the root it was entered by. From there
// it may have gone to side traces of the same tree, and by a JUMP to other trees, from which it
// comes back only through an exit. So an executor may be freed when its tree cannot be reached
// over `jumps_to` from a tree with somebody inside; retired traces keep that edge until then.
//
// Nothing here runs inside a watcher callback: invalidation only marks (executor_invalidate),
// and executor_sweep() does the work from the hook.
// What Python sees of an executor is in executor_view.c.

#include "back/emit.h"
#include "base/activation.h"
#include "run/anchors.h"
#include "run/entries.h"
#include "run/executor_life.h"
#include "run/invalidate.h"
#include "run/recorder.h"
#include "run/restore.h"

RecorderCalls recorder_calls;           // recorder.h
EntryCalls entry_calls;                 // entries.h

static struct {
    Executor **items;           // retired, not yet freed (strong)
    size_t count, room;
    bool dirty;                 // some live executor was invalidated
    bool holes;                 // jit.executors has NULLs, for as long as `depth` is not 0
    int depth;                  // of nested executor_retire() calls
    Py_ssize_t made;            // executors since the others last grew older
    bool code_is_full;          // there was no code memory for one more
    size_t shed_at;             // jit.bytes from which on old ones are retired; 0: what the option says
    Tally tally;                // of those that were freed
} grave;

static Executor *
live(Py_ssize_t i)
{
    return (Executor *)PyList_GET_ITEM(jit.executors, i);
}

static Py_ssize_t
n_live(void)
{
    return jit.executors == NULL ? 0 : PyList_GET_SIZE(jit.executors);
}

// Room in the graveyard for one more than there are: retiring needs no memory.
static bool
dig_grave(void)
{
    size_t need = grave.count + (size_t)n_live() + 1;
    if (need > grave.room) {
        Executor **items = PyMem_Realloc(grave.items, need * 2 * sizeof *items);
        if (items == NULL) {
            return false;
        }
        grave.items = items;
        grave.room = need * 2;
    }
    return true;
}

Executor *
executor_new(void)
{
    Executor *ex = dig_grave() ? (Executor *)PyType_GenericAlloc(&Executor_Type, 0) : NULL;
    if (ex == NULL) {
        return NULL;
    }
    ex->root = ex;
    ex->place = -1;
    executor_charge(ex, sizeof *ex);
    jit.to_sweep = true;                // it makes the others older
    if (PyList_Append(jit.executors, (PyObject *)ex) < 0) {
        jit.bytes -= ex->bytes;
        Py_DECREF(ex);
        return NULL;
    }
    ex->place = n_live() - 1;
    grave.made++;
    return ex;
}

void
executor_grows_in(Executor *ex, Executor *root)
{
    assert(ex->root == ex && root != ex);
    ex->root = root;
    ex->next_side = root->sides;
    if (root->sides != NULL) {
        root->sides->previous_side = ex;
    }
    root->sides = ex;
}

void
executor_jumps_to(Executor *ex, Executor *target)
{
    assert(ex->jumps_to == NULL);
    ex->jumps_to = (Executor *)Py_NewRef((PyObject *)target);
    ex->next_jumper = target->jumpers;
    if (target->jumpers != NULL) {
        target->jumpers->previous_jumper = ex;
    }
    target->jumpers = ex;
}

// --- frame objects of tracebacks -----------------------------------------------------------------

// Each tree that can be reached from `root`, once. true: one of them minds. let_in: it is told.
static bool
walk_trees(Executor *root, bool let_in, uint32_t walk)
{
    if (root->walked == walk) {
        return false;
    }
    root->walked = walk;
    root->objects |= let_in;
    bool minds = root->minds || (root->jumps_to != NULL && walk_trees(root->jumps_to->root, let_in, walk));
    for (Executor *side = root->sides; side != NULL && !minds; side = side->next_side) {
        minds = side->jumps_to != NULL && walk_trees(side->jumps_to->root, let_in, walk);
    }
    return minds;
}

static uint32_t walks;

bool
executor_minds_objects(Executor *root)
{
    return walk_trees(root, false, ++walks);
}

void
executor_lets_objects_in(Executor *root)
{
    assert(!executor_minds_objects(root));
    (void)walk_trees(root, true, ++walks);
}

void
executor_charge(Executor *ex, size_t bytes)
{
    ex->bytes += bytes;
    jit.bytes += ex->retired ? 0 : bytes;
}

void
executor_code_is_full(void)
{
    grave.code_is_full = jit.to_sweep = true;
}

Py_ssize_t
executor_count_live(void)
{
    return n_live();
}

size_t
executor_count_inside(void)
{
    size_t inside = 0;
    for (Py_ssize_t i = 0; i < n_live(); i++) {
        inside += live(i)->inside;
    }
    for (size_t i = 0; i < grave.count; i++) {
        inside += grave.items[i]->inside;
    }
    return inside;
}

static void
forget_code(Executor *ex, const PyCodeObject *code)
{
    for (uint32_t k = 0; k < ex->n_frames; k++) {
        if (ex->frames[k].code == (const PyObject *)code) {
            ex->frames[k].code = NULL;
        }
    }
}

void
executor_lose_code(Executor *root)
{
    forget_code(root, root->code);
    for (Executor *side = root->sides; side != NULL; side = side->next_side) {
        forget_code(side, root->code);
    }
    root->code = NULL;
}

// --- out of service ---------------------------------------------------------------------------

// The reference of jit.executors goes over to the graveyard.
static void
bury(Executor *ex)
{
    if (ex->place < 0) {
        return;
    }
    assert(grave.count < grave.room && live(ex->place) == ex);
    grave.items[grave.count++] = ex;
    jit.bytes -= ex->bytes;
    jit.to_sweep = grave.holes = true;
    PyList_SET_ITEM(jit.executors, ex->place, NULL);
    ex->place = -1;
}

// At once for all that were buried. (Setting a slice may need memory.)
static void
close_holes(void)
{
    if (!grave.holes) {
        return;
    }
    Py_ssize_t kept = 0;
    for (Py_ssize_t i = 0; i < n_live(); i++) {
        Executor *ex = live(i);
        if (ex != NULL) {
            ex->place = kept;
            PyList_SET_ITEM(jit.executors, kept++, (PyObject *)ex);
        }
    }
    Py_SET_SIZE(jit.executors, kept);
    grave.holes = false;
}

// The exit that was linked to `ex` goes to its stub again. (Only side traces are linked to, but for other versions
// of a loop, and only from their own tree.)
static void
unlink_exit_to(Executor *ex)
{
    Executor *parent = ex->parent;
    ex->parent = NULL;
    if (parent != NULL && !ex->root->retired && parent->exits[ex->parent_exit].side == ex) {
        emit_unlink(parent, ex->parent_exit);
        parent->exits[ex->parent_exit].side = NULL;
        Py_DECREF(ex);
    }
}

// What runs learns it from its own GUARD_VALID. What does not run may no longer be reached: by an exit
// that leads to it, or by a jump from a trace that is valid.
void
executor_invalidate(Executor *ex)
{
    if (ex->invalid) {
        return;
    }
    ex->invalid = 1;
    ex->invalid_at = ++jit.epoch;
    jit.stats.invalidated++;
    grave.dirty = jit.to_sweep = true;
    unlink_exit_to(ex);
    for (Executor *other = ex->jumpers; other != NULL; other = other->next_jumper) {
        executor_invalidate(other);
    }
}

// Such an exit is one of the same bytecode as the unknown code, at the end of a `for` loop for instance.
bool
executor_exit_is_unchecked(const Executor *ex, const Exit *exit)
{
    for (Ref ref = exit->ref; ref-- > 1;) {
        if (ex->ins[ref].op == UOP_GUARD_VALID || ex->ins[ref].op == UOP_CATCH) {
            return false;
        }
        if (uop_table[ex->ins[ref].op].flags & ESCAPES) {
            return true;
        }
    }
    return ex->unchecked;
}

// What cannot be in service without `ex` becomes invalid with it, before the first of them is retired: then the facts
// forget them all in one walk (assume_forget).
static void
condemn(Executor *ex)
{
    if (ex->condemned) {
        return;
    }
    ex->condemned = true;
    if (!ex->invalid) {
        ex->invalid = 1;
        ex->invalid_at = ++jit.epoch;
    }
    for (Executor *other = ex->jumpers; other != NULL; other = other->next_jumper) {
        condemn(other);
    }
    for (Executor *other = ex->sides; other != NULL; other = other->next_side) {
        condemn(other);
    }
    for (uint32_t n = 0; n < ex->n_exits; n++) {
        Executor *side = ex->exits[n].side;
        // An exit of the entry part may be linked to another version of the loop: that stays.
        if (side != NULL && side->is_side) {
            condemn(side);
        }
    }
}

static void
retire_dependents(Executor *ex)
{
    for (Executor *other = ex->jumpers; other != NULL; other = other->next_jumper) {
        executor_retire(other);
    }
    for (Executor *other = ex->sides; other != NULL; other = other->next_side) {
        executor_retire(other);
    }
    for (uint32_t n = 0; n < ex->n_exits; n++) {
        Executor *side = ex->exits[n].side;
        if (side != NULL && side->is_side) {
            executor_retire(side);
        }
    }
}

static void reap(void);

// Until end_retiring() nothing is freed, and jit.executors may have holes.
static void
begin_retiring(void)
{
    grave.depth++;
}

static void
end_retiring(void)
{
    if (--grave.depth == 0) {
        close_holes();
        reap();
    }
}

void
executor_retire(Executor *ex)
{
    if (ex->retired) {
        return;
    }
    Py_INCREF(ex);
    begin_retiring();
    condemn(ex);
    ex->retired = 1;
    jit.changes++;
    jit.epoch++;
    assume_forget(ex);
    if (!ex->is_side) {
        hook_uninstall_root(ex);
        Py_XINCREF(ex->code);   // its side table knows us no longer, so it may not die before us
    }
    bury(ex);
    unlink_exit_to(ex);
    retire_dependents(ex);
    Py_DECREF(ex);
    end_retiring();
}

void
executor_retire_together(Executor *const *roots, size_t n)
{
    begin_retiring();
    for (size_t i = 0; i < n; i++) {
        condemn(roots[i]);
    }
    for (size_t i = 0; i < n; i++) {
        executor_retire(roots[i]);
    }
    end_retiring();
}

// --- freeing ----------------------------------------------------------------------------------

static bool
mark_targets_of(Executor *ex)
{
    if (ex->root->mark && ex->jumps_to != NULL && !ex->jumps_to->root->mark) {
        ex->jumps_to->root->mark = 1;
        return true;
    }
    return false;
}

// Mark the roots of all trees in which an activation may be.
static void
mark_active(void)
{
    for (Py_ssize_t i = 0; i < n_live(); i++) {
        live(i)->mark = live(i)->inside > 0;
    }
    for (size_t i = 0; i < grave.count; i++) {
        grave.items[i]->mark = grave.items[i]->inside > 0;
    }
    bool more = true;
    while (more) {
        more = false;
        for (Py_ssize_t i = 0; i < n_live(); i++) {
            more |= mark_targets_of(live(i));
        }
        for (size_t i = 0; i < grave.count; i++) {
            more |= mark_targets_of(grave.items[i]);
        }
    }
}

static void
add_tally(Tally *sum, const Executor *ex)
{
    sum->entered += ex->tally.entered;
    sum->left += ex->tally.left;
    sum->returned += ex->tally.returned;
}

Tally
executor_tally_retired(void)
{
    Tally sum = grave.tally;
    for (size_t i = 0; i < grave.count; i++) {
        add_tally(&sum, grave.items[i]);
    }
    return sum;
}

void
executor_reset_tallies(void)
{
    grave.tally = (Tally){0};
    for (size_t i = 0; i < grave.count; i++) {
        grave.items[i]->tally = (Tally){.entered = grave.items[i]->inside};
    }
    for (Py_ssize_t i = 0; i < n_live(); i++) {
        live(i)->tally = (Tally){.entered = live(i)->inside};
    }
}

static void
forget_tree(Executor *ex)
{
    if (ex->root == ex) {
        return;
    }
    *(ex->previous_side != NULL ? &ex->previous_side->next_side : &ex->root->sides) = ex->next_side;
    if (ex->next_side != NULL) {
        ex->next_side->previous_side = ex->previous_side;
    }
    ex->next_side = ex->previous_side = NULL;
    ex->root = ex;
}

static void
forget_target(Executor *ex)
{
    if (ex->jumps_to == NULL) {
        return;
    }
    *(ex->previous_jumper != NULL ? &ex->previous_jumper->next_jumper : &ex->jumps_to->jumpers) = ex->next_jumper;
    if (ex->next_jumper != NULL) {
        ex->next_jumper->previous_jumper = ex->previous_jumper;
    }
    ex->next_jumper = ex->previous_jumper = NULL;
    Py_CLEAR(ex->jumps_to);
}

// Cut the references between executors; the last holder of `ex` frees it.
static void
let_go(Executor *ex)
{
    while (ex->sides != NULL) {
        forget_tree(ex->sides);
    }
    forget_tree(ex);
    forget_target(ex);
    Py_CLEAR(ex->next_version);
    for (uint32_t n = 0; n < ex->n_exits; n++) {
        Py_CLEAR(ex->exits[n].side);
    }
    jit.stats.retired++;
    add_tally(&grave.tally, ex);
    Py_DECREF(ex);
}

static void
reap(void)
{
    static bool running;        // freeing may run finalizers, and those anything
    if (grave.count == 0 || running) {
        return;
    }
    running = true;
    PyObject *exc = PyErr_GetRaisedException();
    mark_active();
    size_t kept = 0, n_free = 0;
    Executor **free_now = PyMem_Malloc(grave.count * sizeof *free_now);
    for (size_t i = 0; free_now != NULL && i < grave.count; i++) {
        Executor *ex = grave.items[i];
        if (ex->root->mark) {
            grave.items[kept++] = ex;
        }
        else {
            free_now[n_free++] = ex;
        }
    }
    if (free_now != NULL) {
        grave.count = kept;
    }
    for (size_t i = 0; i < n_free; i++) {
        let_go(free_now[i]);
    }
    PyMem_Free(free_now);
    PyErr_SetRaisedException(exc);
    running = false;
}

static void make_room(void);

void
executor_sweep_now(void)
{
    while (grave.dirty) {
        grave.dirty = false;
        begin_retiring();
        for (Py_ssize_t i = 0; i < n_live(); i++) {
            if (live(i)->invalid || live(i)->root->retired) {
                condemn(live(i));
            }
        }
        for (Py_ssize_t i = n_live() - 1; i >= 0; i--) {
            if (live(i) != NULL && live(i)->condemned) {
                executor_retire(live(i));
            }
        }
        end_retiring();
    }
    // Many new traces may come between two full collections (a program that makes its functions):
    // they age the others too. An eighth bounds what is installed, whatever is made.
    if (grave.made > 128 + n_live() / 8) {
        grave.made = 0;
        orphans_retire();
        executor_grow_old();
    }
    make_room();
    reap();
    recorder_calls.drop_leftovers();
    jit.to_sweep = grave.dirty || grave.count > 0;
}

bool
executor_look_again(PyThreadState *tstate, Executor *root)
{
    if (root->invalid || compat_evaluator_is_replaced(tstate)) {
        return false;
    }
    for (uint32_t i = 0; i < root->n_codes; i++) {
        if (compat_watched_now(tstate, root->codes[i])) {
            return false;
        }
    }
    if (jit.hears_lookers && compat_sees_evaluator()) {
        root->good_epoch = jit.epoch;
        root->good_version = compat_monitoring_version(tstate);
    }
    return true;
}

// --- old age ----------------------------------------------------------------------------------
//
// A trace keeps the objects that its code names, and so may keep the module alive that its own
// code object belongs to: a cycle through the code object's side table, which the garbage
// collector cannot see. Where nothing else holds that module, orphans.c finds out; what is not used any more is
// given up after a few full collections, too. (A loop that gets hot again is compiled again, which is cheap.)

// Trees of use: entered since the last time, or somebody is inside, or reached from such a tree.
static void
mark_used(void)
{
    for (Py_ssize_t i = 0; i < n_live(); i++) {
        Executor *ex = live(i);
        ex->mark = ex->inside > 0 || ex->entered != ex->entered_before;
        ex->entered_before = ex->entered;
    }
    bool more = true;
    while (more) {
        more = false;
        for (Py_ssize_t i = 0; i < n_live(); i++) {
            more |= mark_targets_of(live(i));
        }
    }
}

static void
make_older(void)
{
    mark_used();
    for (Py_ssize_t i = 0; i < n_live(); i++) {
        Executor *ex = live(i);
        ex->age = ex->mark || ex->is_side ? 0 : (uint8_t)(ex->age + (ex->age < UINT8_MAX));
    }
}

void
executor_grow_old(void)
{
    if (jit.params.max_age == 0) {
        return;
    }
    make_older();
    begin_retiring();
    for (Py_ssize_t i = n_live() - 1; i >= 0; i--) {
        if (live(i) != NULL && live(i)->age >= jit.params.max_age) {
            executor_retire(live(i));
        }
    }
    end_retiring();
}

// --- the limit --------------------------------------------------------------------------------

// All roots that nobody is inside of, those that were of no use for longest first, then by when they were made.
// Owned; NULL without an exception if memory is out.
static Executor **
roots_by_age(size_t *count)
{
    Executor **roots = PyMem_Malloc(((size_t)n_live() + 1) * sizeof *roots);
    int oldest = 0;
    for (Py_ssize_t i = 0; i < n_live(); i++) {
        oldest = live(i)->age > oldest ? live(i)->age : oldest;
    }
    *count = 0;
    for (int age = oldest; roots != NULL && age >= 0; age--) {
        for (Py_ssize_t i = 0; i < n_live(); i++) {
            if (live(i)->age == age && !live(i)->is_side && live(i)->inside == 0) {
                roots[(*count)++] = (Executor *)Py_NewRef(live(i));
            }
        }
    }
    return roots;
}

// Retire trees, old ones first, until no more than `most` bytes are kept.
static void
shed(size_t most)
{
    make_older();
    size_t count;
    Executor **roots = roots_by_age(&count);
    grave.depth++;                      // the sweep reaps
    for (size_t i = 0; roots != NULL && i < count && jit.bytes > most; i++) {
        executor_retire(roots[i]);
    }
    grave.depth--;
    close_holes();
    for (size_t i = 0; roots != NULL && i < count; i++) {
        Py_DECREF(roots[i]);
    }
    PyMem_Free(roots);
}

// The limit may be below what cannot be retired (books of code that lives, trees in use): then the next time is when
// a good deal more is kept, not at every sweep.
static void
make_room(void)
{
    size_t limit = (size_t)jit.params.memory_limit << 20;
    if (grave.code_is_full) {
        grave.code_is_full = false;
        shed(jit.bytes / 4 * 3);
    }
    if (jit.bytes > (grave.shed_at > limit ? grave.shed_at : limit)) {
        shed(limit / 4 * 3);
        grave.shed_at = jit.bytes + limit / 8;
    }
}

void
executor_retire_all(void)
{
    while (n_live() > 0) {              // what is freed may run code that makes new ones
        begin_retiring();
        for (Py_ssize_t i = 0; i < n_live(); i++) {
            condemn(live(i));
        }
        for (Py_ssize_t i = n_live() - 1; i >= 0; i--) {
            if (live(i) != NULL) {
                executor_retire(live(i));
            }
        }
        end_retiring();
    }
}

static void
free_origin(Origin *origin)
{
    if (origin != NULL) {
        free(origin->code);
        free(origin->error_stubs);
        free(origin);
    }
}

void
executor_free_memory(Executor *ex)
{
    assert(ex->inside == 0);
    emit_free(ex);
    restore_free(ex);
    PyMem_Free(ex->codes);
    PyMem_Free(ex->arrays);
    PyMem_Free(ex->recorded);
    PyMem_Free(ex->wanted);
    free(ex->pieces);
    free_origin(ex->origin);
    if (ex->retired && !ex->is_side) {
        Py_CLEAR(ex->code);
    }
    Py_CLEAR(ex->keep);         // last: finalizers may run
}
