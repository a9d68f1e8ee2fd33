// ir_text.c - a trace as text, one instruction a line:
//
//     0007 i64  INT_ADD        0005 +1                  > snapshot 3
//
// ref, type, flags, name, inputs (constants in place), operands, and the snapshot of an instruction that can
// leave. Flags: s sunk, e entry part, k done by a trace before this one, dead here: "= 0003" has its value.
// "=> 0012": what the value is a turn later. Dead instructions are left out. Phis and snapshots follow.
//
// All that passes look at is in the text, and tests read it back (tests/c/ir_parse.c), so each thing has one
// way to be written: ints with a sign, floats with a point, `inf` or `nan`, objects as in name_of(). Objects
// that look alike are numbered: <list object>, <list object>#2.
#include "ir/build.h"
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { char *text; size_t used, size; bool failed; } Text;

// An object that the text has named: what it looks like, and the how manyth that looks so.
typedef struct { PyObject *o; char *looks; int number; } Named;

typedef struct {
    Text x;
    const Trace *t;
    Named *named;
    int n_named, room;
} Printer;

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

// --- objects ------------------------------------------------------------------------------------

// A name as one word.
static void
add_word(Text *x, const char *name)
{
    for (int i = 0; name[i] != '\0' && i < 100; i++) {
        unsigned char c = (unsigned char)name[i];
        add(x, c <= ' ' || c >= 0x7f || c == '\\' ? "\\x%02x" : "%c", c);
    }
}

static void
add_unicode_word(Text *x, PyObject *name)
{
    const char *s = PyUnicode_AsUTF8(name);
    PyErr_Clear();
    add_word(x, s == NULL ? "?" : s);
}

static void
add_string(Text *x, PyObject *s)
{
    enum { SHOWN = 40 };
    add(x, "'");
    for (Py_ssize_t i = 0; i < PyUnicode_GET_LENGTH(s) && i < SHOWN; i++) {
        unsigned c = PyUnicode_READ_CHAR(s, i);
        if (c >= ' ' && c < 0x7f && c != '\'' && c != '\\') {
            add(x, "%c", c);
        }
        else {
            add(x, "\\u%06x", c);
        }
    }
    add(x, PyUnicode_GET_LENGTH(s) > SHOWN ? "'..." : "'");
}

static void
add_double(Text *x, double v)
{
    char digits[40];
    snprintf(digits, sizeof digits, "%.17g", v);
    if (isnan(v)) {
        uint64_t bits;
        memcpy(&bits, &v, 8);
        add(x, bits == 0x7ff8000000000000 ? "nan" : "nan:%llx", (unsigned long long)bits);
        return;
    }
    add(x, strpbrk(digits, ".en") ? "%s" : "%s.0", digits);
}

static void add_looks(Text *x, PyObject *o, int depth);

static void
add_tuple(Text *x, PyObject *o, int depth)
{
    add(x, "tuple(");
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(o); i++) {
        add(x, i == 0 ? "" : " ");
        add_looks(x, PyTuple_GET_ITEM(o, i), depth + 1);
    }
    add(x, ")");
}

// What an object looks like: a value where there is one, else its type.
static void
add_looks(Text *x, PyObject *o, int depth)
{
    int overflow = 0;
    if (o == NULL) {
        add(x, "NULL");
    }
    else if (o == Py_None || PyBool_Check(o)) {
        add(x, o == Py_None ? "None" : o == Py_True ? "True" : "False");
    }
    else if (PyUnicode_CheckExact(o)) {
        add_string(x, o);
    }
    else if (PyLong_CheckExact(o) && (PyLong_AsLongLongAndOverflow(o, &overflow), overflow == 0)) {
        add(x, "int(%lld)", PyLong_AsLongLongAndOverflow(o, &overflow));
    }
    else if (PyFloat_CheckExact(o)) {
        add(x, "float(");
        add_double(x, PyFloat_AS_DOUBLE(o));
        add(x, ")");
    }
    else if (PyTuple_CheckExact(o) && depth < 3 && PyTuple_GET_SIZE(o) < 8) {
        add_tuple(x, o, depth);
    }
    else if (PyType_Check(o)) {
        add(x, "<");
        add_word(x, ((PyTypeObject *)o)->tp_name);
        add(x, ">");
    }
    else if (PyFunction_Check(o)) {
        add(x, "<function ");
        add_unicode_word(x, ((PyFunctionObject *)o)->func_qualname);
        add(x, ">");
    }
    else {
        add(x, "<");
        add_word(x, Py_TYPE(o)->tp_name);
        add(x, " object>");
    }
}

// The object's entry, made when it is named first; NULL when out of memory.
static Named *
name_of(Printer *p, PyObject *o)
{
    for (int i = 0; i < p->n_named; i++) {
        if (p->named[i].o == o) {
            return &p->named[i];
        }
    }
    if (p->n_named == p->room) {
        int room = p->room * 2 + 16;
        Named *bigger = realloc(p->named, (size_t)room * sizeof(Named));
        if (bigger == NULL) {
            return NULL;
        }
        p->named = bigger;
        p->room = room;
    }
    Text x = {NULL, 0, 0, false};
    add_looks(&x, o, 0);
    if (x.failed) {
        free(x.text);
        return NULL;
    }
    Named *named = &p->named[p->n_named++];
    *named = (Named){o, x.text, 1};
    for (Named *other = p->named; other < named; other++) {
        named->number += strcmp(other->looks, named->looks) == 0;
    }
    return named;
}

static void
add_object(Printer *p, PyObject *o)
{
    const Named *named = name_of(p, o);
    if (named == NULL) {
        p->x.failed = true;
        return;
    }
    // In pieces: a tuple may look long.
    for (const char *s = named->looks; *s != '\0'; s += strnlen(s, 200)) {
        add(&p->x, "%.200s", s);
    }
    if (named->number > 1) {
        add(&p->x, "#%d", named->number);
    }
}

// --- instructions -------------------------------------------------------------------------------

static void
add_ref(Printer *p, Ref ref)
{
    if (ref == NO_REF) {
        add(&p->x, " -");
        return;
    }
    if (!ref_is_const(ref)) {
        add(&p->x, " %04d", ref);
        return;
    }
    add(&p->x, " ");
    switch (ref_type(p->t, ref)) {
        case TY_I64: add(&p->x, "%+lld", (long long)trace_konst(p->t, ref)); break;
        case TY_F64: add_double(&p->x, konst_as_f64(p->t, ref)); break;
        default: add_object(p, konst_as_obj(p->t, ref));
    }
}

// Does the trace keep this object alive? Then an operand that is its address is written as the object.
static bool
is_kept(const Trace *t, uint64_t address)
{
    const void *o = (const void *)(uintptr_t)address;
    if (o == Py_None || o == Py_True || o == Py_False) {
        return true;
    }
    for (int k = 0; k < t->n_konsts && address != 0; k++) {
        if (t->konsts[k].type == TY_OBJ && t->konsts[k].bits == address) {
            return true;
        }
    }
    return false;
}

static void
add_operand(Printer *p, const Ins *ins, int k)
{
    uint64_t v = ins->operand[k];
    if (k == 0 && ins->op == UOP_GUARD_TYPE) {
        add(&p->x, " ");
        add_object(p, (PyObject *)(uintptr_t)v);
    }
    else if (uop_table[ins->op].operands[k] != OPERAND_IMM64) {
        add(&p->x, " #%lld", (long long)v);
    }
    else if (is_kept(p->t, v)) {
        add(&p->x, " @");
        add_object(p, (PyObject *)(uintptr_t)v);
    }
    else if (v == (uint64_t)(uintptr_t)PyMethod_New) {      // opt_fold.c knows what it makes
        add(&p->x, " @PyMethod_New");
    }
    else {
        add(&p->x, " @%llx", (unsigned long long)v);
    }
}

static void
add_instruction(Printer *p, Ref ref)
{
    static const char *const types[] = {"", "obj", "i64", "f64"};
    const Ins *ins = &p->t->ins[ref];
    const UopInfo *info = &uop_table[ins->op];
    if ((ins->flags & (INS_DEAD | INS_KNOWN)) == INS_DEAD) {
        return;
    }
    add(&p->x, "%04d %-3s %c%c %-16s", ref, types[ins->type],
        ins->flags & INS_KNOWN ? 'k' : ins->flags & INS_SUNK ? 's' : ' ', ins->flags & INS_ENTRY ? 'e' : ' ', info->name);
    for (int k = 0; k < info->n_inputs; k++) {
        add_ref(p, ins->in[k]);
    }
    for (int k = 0; k < info->n_operands; k++) {
        add_operand(p, ins, k);
    }
    if (info->n_operands == 0 && ins->operand[0] != 0) {
        add(&p->x, " #%lld", (long long)ins->operand[0]);       // SYNC: what it is for
    }
    if (info->n_inputs < 3 && ins->in[info->n_inputs] != NO_REF) {
        add(&p->x, " of");              // the variable that a DECREF_SLOT or SLOT_ENSURE is about
        add_ref(p, ins->in[info->n_inputs]);
    }
    if ((ins->flags & INS_KNOWN) && ins->in[3] != NO_REF) {
        add(&p->x, " =");
        add_ref(p, ins->in[3]);
    }
    if (ref < p->t->n_copies && p->t->copy_of[ref] != NO_REF && p->t->copy_of[ref] != ref) {
        add(&p->x, " =>");
        add_ref(p, p->t->copy_of[ref]);
    }
    if (ins->snap != NO_SNAP) {
        add(&p->x, "  > snapshot %d", ins->snap);
    }
    add(&p->x, "\n");
}

// --- snapshots ----------------------------------------------------------------------------------

static void
add_number(Text *x, const char *what, long number)
{
    if (number != 0) {
        add(x, " %s %ld", what, number);
    }
}

static void
add_frame(Printer *p, const SnapFrame *f)
{
    static const char *const kinds[] = {"", " call", " init", " generator", " keeping", " discard", " binary",
                                        " compare", " contains", " bool", " len"};
    PyCodeObject *code = (PyCodeObject *)f->code;
    add(&p->x, " [");
    add_unicode_word(&p->x, code->co_name);
    if (f->ip == NULL) {                // where it stands is in memory
        add(&p->x, "+?");
    }
    else {
        add(&p->x, "+%ld", (long)(f->ip - compat_code_start(code)));
    }
    add(&p->x, " depth %d locals %d%s", f->depth, compat_code_nlocalsplus(code), kinds[f->kind]);
    add_number(&p->x, "kept", f->n_kept);
    add_number(&p->x, "op", f->op);
    add_number(&p->x, "return", f->return_offset);
    add_number(&p->x, "end", f->end_offset);
    if (f->func != NO_REF) {
        add(&p->x, " func");
        add_ref(p, f->func);
    }
    if (f->extra != NO_REF) {
        add(&p->x, " extra%s", f->extra_how == SLOT_NEW ? " new" : "");
        add_ref(p, f->extra);
    }
    if (f->memory != NO_REF) {
        add(&p->x, " in memory");
        add_ref(p, f->memory);
    }
    add(&p->x, "]");
}

static bool
has_drops(const Trace *t, const Snapshot *s)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (t->entries[s->first + i].how == SLOT_DROP) {
            return s->drop_ip != NULL && s->n_frames > 0;
        }
    }
    return false;
}

static void
add_snapshot(Printer *p, int n)
{
    static const char *const hows[] = {"take", "new", "null", "param", "drop", "store"};
    const Snapshot *s = &p->t->snaps[n];
    add(&p->x, "snapshot %d:", n);
    add_number(&p->x, "interp", (long)s->interp);
    add_number(&p->x, "yields", s->yields);
    add(&p->x, "%s%s", s->no_side ? " no_side" : "", s->decided ? " decided" : "");
    for (int k = 0; k < s->n_frames; k++) {
        add_frame(p, &p->t->frames[s->first_frame + (uint32_t)k]);
    }
    if (has_drops(p->t, s)) {
        const SnapFrame *f = &p->t->frames[s->first_frame + s->n_frames - 1u];
        add(&p->x, " drops at +%ld", (long)(s->drop_ip - compat_code_start((PyCodeObject *)f->code)));
    }
    for (uint32_t i = 0; i < s->count; i++) {
        const SnapEntry *e = &p->t->entries[s->first + i];
        if (e->how == SLOT_STORE) {
            add(&p->x, " store");
            add_ref(p, e->slot);
            continue;
        }
        add(&p->x, " %d.%d=%s", e->frame, e->slot, hows[e->how]);
        if (e->ref != NO_REF) {
            add_ref(p, e->ref);
        }
    }
    add(&p->x, "\n");
}

static void
add_trace(Printer *p)
{
    const Trace *t = p->t;
    if (t->is_side) {
        add(&p->x, "side\n");
    }
    if (t->null_from < t->null_to) {
        add(&p->x, "nulls %d %d\n", t->null_from, t->null_to);
    }
    for (Ref ref = 1; ref < t->n_ins; ref++) {
        add_instruction(p, ref);
    }
    for (int i = 0; i < t->n_phis; i++) {
        add(&p->x, "phi");
        add_ref(p, t->phis[i].left);
        add_ref(p, t->phis[i].right);
        add(&p->x, "\n");
    }
    for (int i = 0; i < t->n_jump; i++) {
        add(&p->x, "jump");
        add_ref(p, t->jump[i].ref);
        add(&p->x, " -> %x\n", t->jump[i].to);
    }
    for (int i = 0; i < t->n_snaps; i++) {
        add_snapshot(p, i);
    }
}

char *
trace_text(const Trace *t)
{
    Printer p = {.t = t};
    add_trace(&p);
    for (int i = 0; i < p.n_named; i++) {
        free(p.named[i].looks);
    }
    free(p.named);
    if (p.x.failed) {
        free(p.x.text);
        return NULL;
    }
    return p.x.text;
}

// --- texts of traces that are kept --------------------------------------------------------------

#define PARTS(t) \
    PART(t, ins, n_ins) PART(t, konsts, n_konsts) PART(t, snaps, n_snaps) \
    PART(t, entries, n_entries) PART(t, frames, n_frames)

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
    t->n_copies = 0;                    // the recorded form: not peeled
    char *text = trace_text(t);
    PyMem_RawFree(t);
    return text;
}
