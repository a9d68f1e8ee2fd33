// coverage.c - which uops, exits and abort reasons a run has met, for tests/test_coverage.py.
//
// In:   the environment variable JITPATCH_COVERAGE, a file; many processes may share it.
// Out:  a line "KIND NAME" appended to the file for everything this process meets for the first
//       time, at once, so that a process that is killed has told what it met:
//
//     uop INT_ADD        compiled into a trace (for VIRTUAL ones: recorded)
//     left INT_ADD       compiled code was left by an exit of this uop
//     exit guard         a kind of exit was taken: guard, error, end
//     frame init         an exit rebuilt a frame of this kind (FrameKind)
//     slot take          an exit filled a slot in this way (SlotHow)
//     made BOX_INT       an exit made an object that the trace had not made
//     trace side         a trace of this shape was installed
//     abort TOO_LONG     a recording ended for this reason (aborts.def)
//
// The file is opened anew for each write: a program may close descriptors it does not know.
#include "run/coverage.h"
#include "back/stencil_table.h"
#include "ir/uop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXIT_KINDS = EXIT_END + 1, FRAME_KINDS = FRAME_LEN + 1, SLOT_HOWS = SLOT_STORE + 1 };
static const char *const exit_names[] = {[EXIT_GUARD] = "guard", [EXIT_ERROR] = "error",
                                         [EXIT_END] = "end"};
static const char *const frame_names[] = {[FRAME_ROOT] = "root", [FRAME_CALL] = "call",
                                          [FRAME_INIT] = "init", [FRAME_KEEPING] = "keeping",
                                          [FRAME_DISCARD] = "discard", [FRAME_BINARY] = "binary",
                                          [FRAME_COMPARE] = "compare", [FRAME_CONTAINS] = "contains",
                                          [FRAME_BOOL] = "bool", [FRAME_LEN] = "len",
                                          [FRAME_GENERATOR] = "generator"};
static const char *const slot_names[] = {[SLOT_TAKE] = "take", [SLOT_NEW] = "new",
                                         [SLOT_NULL] = "null", [SLOT_PARAM] = "param",
                                         [SLOT_DROP] = "drop", [SLOT_STORE] = "store"};
typedef enum { TRACE_ROOT, TRACE_SIDE, TRACE_LOOP, TRACE_JUMP, TRACE_OPEN, TRACE_SHAPES } Shape;
static const char *const shape_names[] = {"root", "side", "loop", "jump", "open"};
static const char *const abort_names[] = {
    "NONE",
#define ABORT(name, text) #name,
#include "base/aborts.def"
#undef ABORT
};

static const char *path;                // NULL: off
static struct {
    bool uop[UOP_COUNT], left[UOP_COUNT], made[UOP_COUNT];
    bool exit[EXIT_KINDS], frame[FRAME_KINDS], slot[SLOT_HOWS], trace[TRACE_SHAPES];
    bool abort[ABORT_COUNT];
} seen;
static char lines[1 << 14];             // not yet written
static size_t n_lines;

bool coverage_is_on;

void
coverage_init(void)
{
    path = getenv("JITPATCH_COVERAGE");
    if (path != NULL && path[0] == '\0') {
        path = NULL;
    }
    coverage_is_on = path != NULL;
}

static void
flush(void)
{
    if (n_lines == 0) {
        return;
    }
    int saved = errno;
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd >= 0) {
        // What cannot be written is missed by the test, which then fails.
        ssize_t written = write(fd, lines, n_lines);
        (void)written;
        close(fd);
    }
    n_lines = 0;
    errno = saved;
}

static void
note(bool *flag, const char *kind, const char *name)
{
    if (*flag) {
        return;
    }
    *flag = true;
    if (sizeof lines - n_lines < 100) {
        flush();
    }
    n_lines += (size_t)snprintf(lines + n_lines, sizeof lines - n_lines, "%s %s\n", kind, name);
}

static void
note_uop(int op)
{
    note(&seen.uop[op], "uop", uop_table[op].name);
}

// --- traces -------------------------------------------------------------------------------------

// The CONTROL uop whose variants include each stencil, or 0: assign.c places these by itself.
static uint16_t *
control_table(void)
{
    static uint16_t *table;
    if (table != NULL || (table = calloc(stencil_count, sizeof *table)) == NULL) {
        return table;
    }
    for (int op = 1; op < UOP_COUNT; op++) {
        if (!(uop_table[op].flags & CONTROL) || uop_table[op].flags & VIRTUAL) {
            continue;
        }
        uint32_t end = stencil_variant_count;
        for (int next = op + 1; next < UOP_COUNT && end == stencil_variant_count; next++) {
            end = uop_table[next].first_variant == NO_STENCIL ? end
                                                              : uop_table[next].first_variant;
        }
        for (uint32_t v = uop_table[op].first_variant; v < end; v++) {
            if (stencil_variants[v] != NO_STENCIL) {
                table[stencil_variants[v]] = (uint16_t)op;
            }
        }
    }
    return table;
}

void
coverage_trace(const Trace *recorded, const Trace *final, const Assignment *a, const Executor *ex)
{
    if (path == NULL) {
        return;
    }
    for (Ref ref = 1; ref < recorded->n_ins; ref++) {
        if (uop_table[recorded->ins[ref].op].flags & VIRTUAL) {
            note_uop(recorded->ins[ref].op);
        }
    }
    for (Ref ref = 1; ref < final->n_ins; ref++) {
        if (!(final->ins[ref].flags & (INS_DEAD | INS_SUNK))) {
            note_uop(final->ins[ref].op);
        }
    }
    const uint16_t *control = control_table();
    for (uint32_t i = 0; control != NULL && i < a->n_code; i++) {
        int op = control[a->code[i].stencil];
        if (op != 0) {
            note_uop(op);
        }
    }
    if (a->n_exits > 0) {
        note_uop(UOP_EXIT_STUB);
        note_uop(UOP_EXIT_COMMON);
    }
    Shape shape = ex->is_side ? TRACE_SIDE : TRACE_ROOT;
    Shape end = ex->loops ? TRACE_LOOP : ex->jumps_to != NULL ? TRACE_JUMP : TRACE_OPEN;
    note(&seen.trace[shape], "trace", shape_names[shape]);
    note(&seen.trace[end], "trace", shape_names[end]);
    flush();
}

// --- exits and aborts ---------------------------------------------------------------------------

void
coverage_exit(const Executor *ex, const Exit *exit, bool raised)
{
    if (path == NULL) {
        return;
    }
    int op = ex->ins[exit->ref].op;
    ExitKind kind = raised ? EXIT_ERROR : op == UOP_TRACE_END ? EXIT_END : EXIT_GUARD;
    note(&seen.exit[kind], "exit", exit_names[kind]);
    note(&seen.left[op], "left", uop_table[op].name);
    const Snapshot *snap = &ex->snaps[exit->snap];
    for (uint32_t k = 0; k < snap->n_frames; k++) {
        FrameKind frame = (FrameKind)ex->frames[snap->first_frame + k].kind;
        note(&seen.frame[frame], "frame", frame_names[frame]);
    }
    for (uint32_t i = 0; i < snap->count; i++) {
        const SnapEntry *e = &ex->entries[snap->first + i];
        note(&seen.slot[e->how], "slot", slot_names[e->how]);
        if (e->how != SLOT_NULL && !ref_is_const(e->ref) && ex->ins[e->ref].flags & INS_SUNK) {
            int made = ex->ins[e->ref].op;
            note(&seen.made[made], "made", uop_table[made].name);
        }
    }
    flush();
}

void
coverage_abort(AbortReason reason)
{
    if (path != NULL) {
        note(&seen.abort[reason], "abort", abort_names[reason]);
        flush();
    }
}

// --- everything there is ------------------------------------------------------------------------

static bool
put_names(PyObject *all, const char *kind, const char *const *names, size_t first, size_t n)
{
    PyObject *list = PyList_New(0);
    bool done = list != NULL;
    for (size_t i = first; done && i < n; i++) {
        PyObject *name = PyUnicode_FromString(names[i]);
        done = name != NULL && PyList_Append(list, name) == 0;
        Py_XDECREF(name);
    }
    done = done && PyDict_SetItemString(all, kind, list) == 0;
    Py_XDECREF(list);
    return done;
}

PyObject *
coverage_names(void)
{
    const char *uops[UOP_COUNT], *leaving[UOP_COUNT];
    size_t n_leaving = 0;
    for (int op = 0; op < UOP_COUNT; op++) {
        uops[op] = uop_table[op].name;
        if (uop_table[op].flags & (EXITS | RAISES) && !(uop_table[op].flags & VIRTUAL)) {
            leaving[n_leaving++] = uop_table[op].name;
        }
    }
    static const char *const made[] = {"BOX_INT", "BOX_FLOAT", "TUPLE_PACK", "FUNCTION_PACK"};
    PyObject *all = PyDict_New();
    if (all == NULL || !put_names(all, "uop", uops, 1, UOP_COUNT)
        || !put_names(all, "left", leaving, 0, n_leaving)
        || !put_names(all, "exit", exit_names, 0, EXIT_KINDS)
        || !put_names(all, "frame", frame_names, 0, FRAME_KINDS)
        || !put_names(all, "slot", slot_names, 0, SLOT_HOWS)
        || !put_names(all, "made", made, 0, Py_ARRAY_LENGTH(made))
        || !put_names(all, "trace", shape_names, 0, TRACE_SHAPES)
        || !put_names(all, "abort", abort_names, 1, ABORT_COUNT)) {
        Py_CLEAR(all);
    }
    return all;
}
