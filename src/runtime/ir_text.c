// ir_text.c - a trace as text, one instruction a line:
//
//     0007 i64  INT_ADD        0005 +1                  > snapshot 3
//
// ref, type, flags (s sunk, e entry part), name, inputs (constants in place), operands, and the
// snapshot of an instruction that can leave. Phis and snapshots follow.
#include "build.h"
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { char *text; size_t used, size; bool failed; } Text;

static void
add(Text *x, const char *format, ...)
{
    char line[400];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (n < 0 || x->failed) {
        return;
    }
    if ((size_t)n >= sizeof(line)) {
        n = sizeof(line) - 1;
    }
    if (x->used + (size_t)n + 1 > x->size) {
        size_t size = (x->size + (size_t)n + 1) * 2;
        char *bigger = realloc(x->text, size);
        if (bigger == NULL) {
            x->failed = true;
            return;
        }
        x->text = bigger;
        x->size = size;
    }
    memcpy(x->text + x->used, line, (size_t)n + 1);
    x->used += (size_t)n;
}

static void
add_ref(Text *x, const Trace *t, Ref ref)
{
    if (ref == NO_REF) {
        add(x, " -");
        return;
    }
    if (!ref_is_const(ref)) {
        add(x, " %04d", ref);
        return;
    }
    uint64_t bits = trace_konst(t, ref);
    switch (ref_type(t, ref)) {
        case TY_I64: add(x, " %+lld", (long long)bits); break;
        case TY_F64: add(x, " %.17g", konst_as_f64(t, ref)); break;
        default: {
            PyObject *o = (PyObject *)(uintptr_t)bits;
            if (o == NULL) {
                add(x, " NULL");
            }
            else if (PyUnicode_CheckExact(o)) {
                const char *s = PyUnicode_AsUTF8(o);
                add(x, " '%.40s'", s == NULL ? "?" : s);
                PyErr_Clear();
            }
            else if (PyType_Check(o)) {
                add(x, " <%s>", ((PyTypeObject *)o)->tp_name);
            }
            else if (PyFunction_Check(o)) {
                add(x, " <function %s>",
                    PyUnicode_AsUTF8(((PyFunctionObject *)o)->func_qualname));
            }
            else if (o == Py_None || PyBool_Check(o)) {
                add(x, o == Py_None ? " None" : o == Py_True ? " True" : " False");
            }
            else if (PyLong_CheckExact(o)) {
                int overflow;
                add(x, " int(%lld)", PyLong_AsLongLongAndOverflow(o, &overflow));
            }
            else {
                add(x, " <%s object>", Py_TYPE(o)->tp_name);
            }
        }
    }
}

static void
add_operand(Text *x, const Ins *ins, int k)
{
    uint64_t v = ins->operand[k];
    if (k == 0 && ins->op == UOP_GUARD_TYPE) {
        add(x, " <%s>", ((PyTypeObject *)(uintptr_t)v)->tp_name);
    }
    else if (uop_table[ins->op].operands[k] == OPERAND_IMM64) {
        add(x, " @%llx", (unsigned long long)v);
    }
    else {
        add(x, " #%lld", (long long)v);
    }
}

static void
add_snapshot(Text *x, const Trace *t, int n)
{
    static const char *const hows[] = {"take", "new", "null", "param", "drop", "store"};
    const Snapshot *s = &t->snaps[n];
    add(x, "snapshot %d:", n);
    for (int k = 0; k < s->n_frames; k++) {
        const SnapFrame *f = &t->frames[s->first_frame + (uint32_t)k];
        PyCodeObject *code = (PyCodeObject *)f->code;
        add(x, " [%s+%d depth %d%s]", PyUnicode_AsUTF8(code->co_name),
            (int)(f->ip - compat_code_start(code)), f->depth, f->memory ? " in memory" : "");
    }
    for (uint32_t i = 0; i < s->count; i++) {
        const SnapEntry *e = &t->entries[s->first + i];
        if (e->how == SLOT_STORE) {
            add(x, " store");
            add_ref(x, t, e->slot);
            continue;
        }
        add(x, " %d.%d=%s", e->frame, e->slot, hows[e->how]);
        if (e->ref != NO_REF) {
            add_ref(x, t, e->ref);
        }
    }
    add(x, "\n");
}

char *
trace_text(const Trace *t)
{
    static const char *const types[] = {"", "obj", "i64", "f64"};
    Text x = {NULL, 0, 0, false};
    for (Ref ref = 1; ref < t->n_ins; ref++) {
        const Ins *ins = &t->ins[ref];
        const UopInfo *info = &uop_table[ins->op];
        if (ins->flags & INS_DEAD) {
            continue;
        }
        add(&x, "%04d %-3s %c%c %-16s", ref, types[ins->type], ins->flags & INS_SUNK ? 's' : ' ',
            ins->flags & INS_ENTRY ? 'e' : ' ', info->name);
        for (int k = 0; k < MAX_INPUTS; k++) {
            if (k < info->n_inputs) {
                add_ref(&x, t, ins->in[k]);
            }
        }
        for (int k = 0; k < info->n_operands; k++) {
            add_operand(&x, ins, k);
        }
        if (ins->snap != NO_SNAP) {
            add(&x, "  > snapshot %d", ins->snap);
        }
        add(&x, "\n");
    }
    for (int i = 0; i < t->n_phis; i++) {
        add(&x, "phi");
        add_ref(&x, t, t->phis[i].left);
        add_ref(&x, t, t->phis[i].right);
        add(&x, "\n");
    }
    for (int i = 0; i < t->n_jump; i++) {
        add(&x, "jump");
        add_ref(&x, t, t->jump[i].ref);
        add(&x, " -> %x\n", t->jump[i].to);
    }
    for (int i = 0; i < t->n_snaps; i++) {
        add_snapshot(&x, t, i);
    }
    if (x.failed) {
        free(x.text);
        return NULL;
    }
    return x.text;
}

// --- texts of traces that are kept --------------------------------------------------------------

#define PARTS(t) \
    PART(t, ins, n_ins) PART(t, konsts, n_konsts) PART(t, snaps, n_snaps) \
    PART(t, entries, n_entries) PART(t, frames, n_frames)

char *
trace_text_of(const Executor *ex)
{
    Trace *t = PyMem_RawCalloc(1, sizeof(Trace));
    if (t == NULL) {
        return NULL;
    }
#define PART(t, array, count) \
    (t)->count = ex->count; \
    memcpy((t)->array, ex->array, ex->count * sizeof((t)->array[0]));
    PARTS(t) PART(t, phis, n_phis) PART(t, jump, n_jump)
#undef PART
    char *text = trace_text(t);
    PyMem_RawFree(t);
    return text;
}

void *
trace_pack(const Trace *t)
{
    size_t size = offsetof(Trace, ins);
#define PART(t, array, count) size += (t)->count * sizeof((t)->array[0]);
    PARTS(t)
#undef PART
    char *packed = PyMem_Malloc(size), *at = packed;
    if (packed == NULL) {
        return NULL;
    }
    memcpy(at, t, offsetof(Trace, ins));
    at += offsetof(Trace, ins);
#define PART(t, array, count) \
    memcpy(at, (t)->array, (t)->count * sizeof((t)->array[0])); \
    at += (t)->count * sizeof((t)->array[0]);
    PARTS(t)
#undef PART
    return packed;
}

char *
trace_text_packed(const void *packed)
{
    Trace *t = packed == NULL ? NULL : PyMem_RawMalloc(sizeof(Trace));
    if (t == NULL) {
        return NULL;
    }
    const char *at = packed;
    memcpy(t, at, offsetof(Trace, ins));
    at += offsetof(Trace, ins);
#define PART(t, array, count) \
    memcpy((t)->array, at, (t)->count * sizeof((t)->array[0])); \
    at += (t)->count * sizeof((t)->array[0]);
    PARTS(t)
#undef PART
    char *text = trace_text(t);
    PyMem_RawFree(t);
    return text;
}
