// ir_parse.c - see ir_parse.h. One function a kind of line; the first error is kept, and ends the reading.
//
// White space is free but for line ends; // begins a comment. What ir_text.c always writes may be left out where
// there is only one thing it can be: the type of an instruction, the word `snapshot` behind `>`.
#include "ir_parse.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *at;                     // in the current line
    int line;
    Trace *t;
    PyObject *resolver;
    char wrong[200];                    // empty: nothing
} Parser;

static bool
fail(Parser *p, const char *format, ...)
{
    if (p->wrong[0] == '\0') {
        int n = snprintf(p->wrong, sizeof p->wrong, "line %d: ", p->line);
        va_list args;
        va_start(args, format);
        vsnprintf(p->wrong + n, sizeof p->wrong - (size_t)n, format, args);
        va_end(args);
        p->wrong[strcspn(p->wrong, "\n")] = '\0';
    }
    return false;
}

// --- words --------------------------------------------------------------------------------------

static void
skip_space(Parser *p)
{
    while (*p->at == ' ' || *p->at == '\t') {
        p->at++;
    }
    if (p->at[0] == '/' && p->at[1] == '/') {
        p->at += strcspn(p->at, "\n");
    }
}

static bool
at_end(Parser *p)
{
    skip_space(p);
    return *p->at == '\n' || *p->at == '\0';
}

// Does the line go on with this text? Then it is skipped.
static bool
accept(Parser *p, const char *text)
{
    skip_space(p);
    size_t n = strlen(text);
    bool word = isalnum((unsigned char)text[n - 1]) || text[n - 1] == '_';
    if (strncmp(p->at, text, n) != 0 || (word && (isalnum((unsigned char)p->at[n]) || p->at[n] == '_'))) {
        return false;
    }
    p->at += n;
    return true;
}

static bool
expect(Parser *p, const char *text)
{
    return accept(p, text) || fail(p, "%s is missing before %.20s", text, p->at);
}

static long
number(Parser *p)
{
    skip_space(p);
    char *end;
    long n = strtol(p->at, &end, 10);
    if (end == p->at) {
        fail(p, "a number is missing before %.20s", p->at);
    }
    p->at = end;
    return n;
}

// `what N`, or 0.
static long
optional(Parser *p, const char *what)
{
    return accept(p, what) ? number(p) : 0;
}

// --- objects ------------------------------------------------------------------------------------

// The end of what add_looks() has written.
static const char *
end_of_object(const char *s)
{
    if (*s == '\'') {
        s += 1 + strcspn(s + 1, "'\n");
        s += *s == '\'';
        s += strncmp(s, "...", 3) == 0 ? 3 : 0;
    }
    else if (*s == '<') {               // up to a > before a space or the end: names have no spaces
        while (*s != '\n' && *s != '\0' && !(s[0] == '>' && strchr(" \n)#]", s[1]) != NULL)) {
            s++;
        }
        s += *s == '>';
    }
    else if (strncmp(s, "tuple(", 6) == 0) {
        s += 6;
        while (*s != ')' && *s != '\n' && *s != '\0') {
            const char *end = *s == ' ' ? s + 1 : end_of_object(s);
            s = end == s ? s + 1 : end;
        }
        s += *s == ')';
    }
    else {                              // None, or int(5)
        s += strcspn(s, " \n()]#");
        bool open = *s == '(';
        s += open ? strcspn(s, ")\n") : 0;
        s += *s == ')' && open;
    }
    return s;
}

static PyObject *
object(Parser *p)
{
    const char *end = end_of_object(p->at);
    if (end[0] == '#' && isdigit((unsigned char)end[1])) {
        end += 1 + strspn(end + 1, "0123456789");
    }
    PyObject *o = PyObject_CallMethod(p->resolver, "object", "s#", p->at, (Py_ssize_t)(end - p->at));
    if (o == NULL) {
        fail(p, "no object: %.40s", p->at);
        return NULL;
    }
    Py_DECREF(o);                       // the resolver keeps it
    p->at = end;
    return o;
}

static bool
begins_object(const char *s)
{
    static const char *const begins[] = {"<", "'", "None", "True", "False", "int(", "float(", "tuple("};
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++) {
        if (strncmp(s, begins[i], strlen(begins[i])) == 0) {
            return true;
        }
    }
    return false;
}

// --- refs ---------------------------------------------------------------------------------------

static Ref
constant(Parser *p, IRType type, uint64_t bits)
{
    Trace *t = p->t;
    for (unsigned k = 0; k < t->n_konsts; k++) {
        if (t->konsts[k].type == type && t->konsts[k].bits == bits) {
            return (Ref)(KREF | k);
        }
    }
    if (t->n_konsts == MAX_KONSTS) {
        fail(p, "too many constants");
        return NO_REF;
    }
    t->konsts[t->n_konsts] = (Konst){(uint8_t)type, bits};
    return (Ref)(KREF | t->n_konsts++);
}

static Ref
double_constant(Parser *p, size_t length)
{
    uint64_t bits;
    double v = strtod(p->at, NULL);
    memcpy(&bits, &v, 8);
    if (strncmp(p->at, "nan", 3) == 0) {
        bits = p->at[3] == ':' ? strtoull(p->at + 4, NULL, 16) : 0x7ff8000000000000;
    }
    p->at += length;
    return constant(p, TY_F64, bits);
}

// An instruction (digits alone), none (-), or a constant.
static Ref
ref(Parser *p)
{
    skip_space(p);
    if (accept(p, "NULL")) {
        return constant(p, TY_OBJ, 0);
    }
    if (begins_object(p->at)) {
        PyObject *o = object(p);
        return o == NULL ? NO_REF : constant(p, TY_OBJ, (uint64_t)(uintptr_t)o);
    }
    size_t length = strcspn(p->at, " \t\n]");
    if (length == 1 && *p->at == '-') {
        p->at++;
        return NO_REF;
    }
    char word[60];
    snprintf(word, sizeof word, "%.*s", (int)length, p->at);
    if (strpbrk(word, ".en") != NULL) {
        return double_constant(p, length);
    }
    if (*word == '+' || *word == '-') {
        uint64_t bits = (uint64_t)strtoll(word, NULL, 10);
        p->at += length;
        return constant(p, TY_I64, bits);
    }
    if (!isdigit((unsigned char)*word)) {
        fail(p, "a ref is missing before %.20s", p->at);
        return NO_REF;
    }
    return (Ref)number(p);
}

// --- instructions -------------------------------------------------------------------------------

static int
find_uop(const char *name, size_t length)
{
    for (int op = 0; op < UOP_COUNT; op++) {
        if (strlen(uop_table[op].name) == length && strncmp(uop_table[op].name, name, length) == 0) {
            return op;
        }
    }
    return -1;
}

static uint64_t
operand(Parser *p)
{
    skip_space(p);
    if (accept(p, "#")) {
        return (uint64_t)number(p);
    }
    bool is_address = accept(p, "@");
    if (accept(p, "PyMethod_New")) {
        return (uint64_t)(uintptr_t)PyMethod_New;
    }
    if (begins_object(p->at)) {
        uint64_t address = (uint64_t)(uintptr_t)object(p);
        if (is_address) {               // written as an object since the trace keeps it
            constant(p, TY_OBJ, address);
        }
        return address;
    }
    char *end;
    uint64_t bits = strtoull(p->at, &end, 16);
    if (end == p->at) {
        fail(p, "an operand is missing before %.20s", p->at);
    }
    p->at = end;
    return bits;
}

static uint8_t
instruction_flags(Parser *p)
{
    uint8_t flags = 0;
    for (skip_space(p); islower((unsigned char)*p->at); p->at++, skip_space(p)) {
        flags |= *p->at == 's' ? INS_SUNK : *p->at == 'e' ? INS_ENTRY : *p->at == 'k' ? INS_DEAD | INS_KNOWN : 0;
        if (strchr("sek", *p->at) == NULL) {
            fail(p, "there is no flag %c", *p->at);
            break;
        }
    }
    return flags;
}

// What stands behind an instruction's operands.
static void
appendix(Parser *p, Ref at)
{
    Trace *t = p->t;
    Ins *ins = &t->ins[at];
    if (accept(p, "of")) {
        ins->in[uop_table[ins->op].n_inputs] = ref(p);
    }
    while (accept(p, "=")) {
        if (accept(p, ">")) {
            t->copy_of[at] = ref(p);
            t->n_copies = MAX_INS;      // for now: see finish()
        }
        else {
            ins->in[3] = ref(p);
        }
    }
    if (accept(p, ">")) {
        accept(p, "snapshot");
        ins->snap = (uint16_t)number(p);
    }
}

// Dead instructions are not in the text: they are NOPs.
static bool
make_room(Parser *p, long at)
{
    Trace *t = p->t;
    if (at < t->n_ins || at >= MAX_INS) {
        return fail(p, "instruction %ld stands behind %d", at, t->n_ins - 1);
    }
    while (t->n_ins <= at) {
        t->ins[t->n_ins++] = (Ins){.op = UOP_NOP, .flags = INS_DEAD, .snap = NO_SNAP};
    }
    return true;
}

static void
instruction(Parser *p)
{
    static const char *const types[] = {"void", "obj", "i64", "f64"};
    long at = number(p);
    if (!make_room(p, at)) {
        return;
    }
    Ins *ins = &p->t->ins[at];
    int type = -1;
    for (int i = 0; i < 4; i++) {
        type = accept(p, types[i]) ? i : type;
    }
    ins->flags = instruction_flags(p);
    skip_space(p);
    size_t length = strspn(p->at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
    int op = find_uop(p->at, length);
    if (op < 0) {
        fail(p, "there is no uop %.*s", (int)length, p->at);
        return;
    }
    p->at += length;
    const UopInfo *info = &uop_table[op];
    ins->op = (uint16_t)op;
    ins->type = type < 0 ? info->output : (uint8_t)type;
    for (int k = 0; k < info->n_inputs; k++) {
        ins->in[k] = ref(p);
    }
    for (int k = 0; k < info->n_operands; k++) {
        ins->operand[k] = operand(p);
    }
    if (info->n_operands == 0 && accept(p, "#")) {
        ins->operand[0] = (uint64_t)number(p);
    }
    appendix(p, (Ref)at);
}

// --- the lines behind the instructions ----------------------------------------------------------

static void
phi(Parser *p)
{
    Trace *t = p->t;
    if (t->n_phis == sizeof t->phis / sizeof t->phis[0]) {
        fail(p, "too many phis");
        return;
    }
    Ref left = ref(p), right = ref(p);
    t->phis[t->n_phis++] = (Phi){left, right};
}

static void
jump(Parser *p)
{
    Trace *t = p->t;
    if (t->n_jump == sizeof t->jump / sizeof t->jump[0]) {
        fail(p, "too many values for a jump");
        return;
    }
    Ref value = ref(p);
    expect(p, "->");
    t->jump[t->n_jump++] = (Carry){value, (Loc)strtoul(p->at, (char **)&p->at, 16)};
}

static _Py_CODEUNIT *
place(Parser *p, PyObject *code)
{
    return compat_code_start((PyCodeObject *)code) + number(p);
}

// name+ip depth N locals N: the rest is optional.
static void
frame(Parser *p)
{
    static const char *const kinds[] = {NULL, "call", "init", "generator", "keeping", "discard", "binary", "compare",
                                        "contains", "bool", "len"};
    Trace *t = p->t;
    SnapFrame f = {0};
    const char *name = p->at, *plus = name + strcspn(name, " ]\n");
    while (plus > name && *plus != '+') {
        plus--;
    }
    p->at = plus + (*plus == '+');
    bool in_memory = accept(p, "?");
    long ip = in_memory ? 0 : number(p);
    f.depth = (uint16_t)optional(p, "depth");
    long n_locals = optional(p, "locals");
    f.code = PyObject_CallMethod(p->resolver, "code", "s#i", name, (Py_ssize_t)(plus - name), (int)n_locals);
    if (f.code == NULL || t->n_frames == MAX_SNAP_FRAMES) {
        fail(p, "no frame: %.20s", name);
        return;
    }
    Py_DECREF(f.code);
    f.ip = in_memory ? NULL : compat_code_start((PyCodeObject *)f.code) + ip;
    for (int kind = 1; kind <= FRAME_LEN; kind++) {
        f.kind = accept(p, kinds[kind]) ? (uint8_t)kind : f.kind;
    }
    f.n_kept = (uint8_t)optional(p, "kept");
    f.op = (uint8_t)optional(p, "op");
    f.return_offset = (uint16_t)optional(p, "return");
    f.end_offset = (uint16_t)optional(p, "end");
    f.func = accept(p, "func") ? ref(p) : NO_REF;
    if (accept(p, "extra")) {
        f.extra_how = accept(p, "new") ? SLOT_NEW : SLOT_TAKE;
        f.extra = ref(p);
    }
    f.memory = accept(p, "in memory") ? ref(p) : NO_REF;
    expect(p, "]");
    t->frames[t->n_frames++] = f;
}

static void
entry(Parser *p, Snapshot *s)
{
    static const char *const hows[] = {"take", "new", "null", "param", "drop", "store"};
    Trace *t = p->t;
    if (t->n_entries == MAX_SNAP_ENTRIES) {
        fail(p, "too many entries");
        return;
    }
    SnapEntry *e = &t->entries[t->n_entries++];
    *e = (SnapEntry){.how = 0xff};
    s->count++;
    if (accept(p, "store")) {
        e->how = SLOT_STORE;
        e->slot = ref(p);
        return;
    }
    e->frame = (uint8_t)number(p);
    expect(p, ".");
    e->slot = (uint16_t)number(p);
    expect(p, "=");
    for (uint8_t how = SLOT_TAKE; how <= SLOT_STORE && e->how > SLOT_STORE; how++) {
        e->how = accept(p, hows[how]) ? how : e->how;
    }
    // `null` names nothing: what follows is the next entry.
    if (e->how != SLOT_NULL) {
        e->ref = ref(p);
    }
}

static void
snapshot(Parser *p)
{
    Trace *t = p->t;
    long n = number(p);
    if (n != t->n_snaps || n == MAX_SNAPS) {
        fail(p, "snapshot %ld stands behind %d", n, t->n_snaps - 1);
        return;
    }
    Snapshot *s = &t->snaps[t->n_snaps++];
    *s = (Snapshot){.first = t->n_entries, .first_frame = t->n_frames};
    expect(p, ":");
    s->interp = (uint32_t)optional(p, "interp");
    s->yields = (uint8_t)optional(p, "yields");
    s->no_side = accept(p, "no_side");
    s->decided = accept(p, "decided");
    while (accept(p, "[")) {
        frame(p);
        s->n_frames++;
    }
    if (accept(p, "drops at") && expect(p, "+") && s->n_frames > 0) {
        s->drop_ip = place(p, t->frames[t->n_frames - 1].code);
    }
    while (!at_end(p) && p->wrong[0] == '\0') {
        entry(p, s);
    }
}

static void
line(Parser *p)
{
    Trace *t = p->t;
    if (isdigit((unsigned char)*p->at)) {
        instruction(p);
    }
    else if (accept(p, "side")) {
        t->is_side = true;
    }
    else if (accept(p, "nulls")) {
        t->null_from = (uint16_t)number(p);
        t->null_to = (uint16_t)number(p);
    }
    else if (accept(p, "phi")) {
        phi(p);
    }
    else if (accept(p, "jump")) {
        jump(p);
    }
    else if (accept(p, "snapshot")) {
        snapshot(p);
    }
    if (!at_end(p)) {
        fail(p, "what is this: %.30s", p->at);
    }
}

// What the text does not say, since the instructions do.
static void
finish(Trace *t)
{
    t->n_copies = t->n_copies ? t->n_ins : 0;
    t->end = t->n_ins - 1;
    for (Ref at = 1; at < t->n_ins; at++) {
        Ins *ins = &t->ins[at];
        if (ins->op != UOP_NOP) {
            ins->chain = t->chain[ins->op];
            t->chain[ins->op] = at;
        }
        if (ins->op == UOP_LOOP && t->loop == NO_REF) {
            t->loop = at;
        }
        if (ins->op == UOP_LOOP_ENTRY && t->loop_entry == NO_REF) {
            t->loop_entry = at;
        }
    }
}

const char *
ir_parse(const char *text, PyObject *resolver, Trace *t)
{
    static Parser p;
    p = (Parser){.at = text, .t = t, .resolver = resolver};
    memset(t, 0, sizeof *t);
    t->n_ins = 1;
    while (p.wrong[0] == '\0' && *p.at != '\0') {
        p.line++;
        if (!at_end(&p)) {
            line(&p);
        }
        p.at += *p.at == '\n';
    }
    finish(t);
    return p.wrong[0] == '\0' ? NULL : p.wrong;
}
