// pass_tool.c - the module pass_tool: runs one pass of the optimiser over a trace that is given as text, for
// tests/passes. It is made of the optimiser's files, the parser and this one, without the rest of jitpatch.
//
//     run(PASS, TEXT, RESOLVER, SNAPSHOT) -> text after the pass, or "abort NAME"
//     rules() -> {name of a fold rule: how often it has fired}
//
// PASS is `parse` (nothing is done), `verify` (what is wrong is the answer, or "well-formed"), `fold` (each instruction
// is written through build(), as the recorder does), `peel`, one of the list in opt.c, or `lower`. With SNAPSHOT, a
// text without snapshots is given one, for all instructions that can leave: tests of rules need not write it. A trace
// that the verifier finds wrong, before the pass or after it, is ValueError.
#include "ir_parse.h"
#include "../../generated/uop_table.h"
#include <string.h>

static Trace *given, *made;             // 0.8 MB each

static const char *const abort_names[] = {"NONE",
#define ABORT(name, text) #name,
#include "../../src/runtime/base/aborts.def"
#undef ABORT
};

static char wrong[200];                 // what the verifier says

static bool
is_well_formed(const Trace *t, VerifyStage stage)
{
    return verify_pass(t, stage, wrong, sizeof wrong);
}

// --- building what was parsed -------------------------------------------------------------------

// A builder that writes the trace `made`, which has the snapshots and constants of `given`.
static Builder *
begin(void)
{
    static Builder b;
    if (builder_begin(&b, made, MAX_INS) < 0) {
        return NULL;
    }
    made->is_side = given->is_side;
    made->null_from = given->null_from;
    made->null_to = given->null_to;
    for (int k = 0; k < given->n_konsts; k++) {     // interned in their order: refs stay
        const Konst *konst = &given->konsts[k];
        double v;
        memcpy(&v, &konst->bits, 8);
        Ref ref = konst->type == TY_I64 ? konst_i64(&b, (int64_t)konst->bits)
            : konst->type == TY_F64 ? konst_f64(&b, v) : konst_obj(&b, (PyObject *)(uintptr_t)konst->bits);
        if (ref != (KREF | k)) {
            b.abort = ABORT_INTERNAL;
        }
    }
    made->n_snaps = given->n_snaps;
    made->n_frames = given->n_frames;
    made->n_entries = given->n_entries;
    memcpy(made->snaps, given->snaps, sizeof made->snaps);
    memcpy(made->frames, given->frames, sizeof made->frames);
    memcpy(made->entries, given->entries, sizeof made->entries);
    return &b;
}

static Ref map[MAX_INS];

static Ref
mapped(Ref ref)
{
    return ref == NO_REF || ref_is_const(ref) ? ref : map[ref];
}

static void
map_snapshots(void)
{
    for (uint32_t i = 0; i < made->n_frames; i++) {
        SnapFrame *f = &made->frames[i];
        f->func = mapped(f->func);
        f->memory = mapped(f->memory);
        f->extra = mapped(f->extra);
    }
    for (uint32_t i = 0; i < made->n_entries; i++) {
        made->entries[i].ref = mapped(made->entries[i].ref);
    }
}

static Ref
write_known(Builder *b, const Ins *ins)
{
    b->known_from = b->known_from == NO_REF ? made->n_ins : b->known_from;
    Ref ref = build_known(b, ins->op, mapped(ins->in[0]), mapped(ins->in[1]), mapped(ins->in[2]), ins->operand[0],
                          ins->operand[1], mapped(ins->in[3]));
    b->known_to = made->n_ins;
    return ref;
}

// The fourth input, and hidden ones, are set afterwards, as the recorder does.
static void
finish_instruction(Builder *b, const Ins *ins, Ref ref, bool as_it_was)
{
    Ins *new = &b->t->ins[ref];
    for (int k = uop_table[ins->op].n_inputs; k < MAX_INPUTS; k++) {
        new->in[k] = mapped(ins->in[k]);
    }
    if (uop_table[ins->op].n_inputs == MAX_INPUTS) {
        new->in[3] = mapped(ins->in[3]);
    }
    new->type = ins->type;
    if (as_it_was) {
        new->flags = ins->flags;
        new->snap = ins->snap;
    }
}

static AbortReason
run_fold(void)
{
    Builder *b = begin();
    if (b == NULL) {
        return ABORT_MEMORY;
    }
    for (Ref at = 1; at < given->n_ins && b->abort == ABORT_NONE; at++) {
        const Ins *ins = &given->ins[at];
        if (ins->flags & INS_KNOWN) {
            map[at] = write_known(b, ins);
            continue;
        }
        if (ins->flags & INS_DEAD) {
            map[at] = NO_REF;
            continue;
        }
        b->entry = ins->flags & INS_ENTRY;
        b->snap = ins->snap;
        Ref before = made->n_ins;
        map[at] = build(b, ins->op, mapped(ins->in[0]), mapped(ins->in[1]), mapped(ins->in[2]), ins->operand[0],
                        ins->operand[1]);
        if (map[at] >= before && !ref_is_const(map[at]) && made->ins[map[at]].op == ins->op) {
            finish_instruction(b, ins, map[at], false);
        }
    }
    map_snapshots();
    Py_DECREF(b->keep);
    return b->abort;
}

// The recorded iteration as it is, and what the recorder knew at its end; then its copy.
static AbortReason
run_peel(void)
{
    Builder *b = begin();
    if (b == NULL) {
        return ABORT_MEMORY;
    }
    for (Ref at = 1; at < given->n_ins && b->abort == ABORT_NONE; at++) {
        const Ins *ins = &given->ins[at];
        map[at] = build_raw(b, ins->op, ins->in[0], ins->in[1], ins->in[2], ins->operand[0], ins->operand[1]);
        if (map[at] != at) {
            b->abort = ABORT_INTERNAL;
            break;
        }
        finish_instruction(b, ins, at, true);
        if (ins->op == UOP_GUARD_TYPE) {
            learn_type(b, ins->in[0], (PyTypeObject *)(uintptr_t)ins->operand[0]);
        }
        if (ins->op == UOP_GUARD_BOUND && !ref_is_const(ins->in[0])) {
            b->facts[ins->in[0]] |= FACT_NONNULL;
        }
    }
    AbortReason reason = b->abort != ABORT_NONE ? b->abort : opt_loop(b, (uint16_t)(made->n_snaps - 1));
    Py_DECREF(b->keep);
    return reason;
}

static AbortReason
run_lower(void)
{
    made->null_from = made->null_to = 0;
    return opt_lower(given, (ForceExit){0, NULL}, made);
}

// --- the module ---------------------------------------------------------------------------------

static int
give_snapshot(PyObject *resolver)
{
    Trace *t = given;
    PyObject *code = PyObject_CallMethod(resolver, "code", "si", "f", 8);
    if (code == NULL) {
        return -1;
    }
    Py_DECREF(code);
    t->snaps[t->n_snaps++] = (Snapshot){.n_frames = 1, .first_frame = t->n_frames, .first = t->n_entries};
    t->frames[t->n_frames++] = (SnapFrame){.code = code, .ip = compat_code_start((PyCodeObject *)code)};
    for (Ref at = 1; at < t->n_ins; at++) {
        Ins *ins = &t->ins[at];
        bool leaves = (uop_table[ins->op].flags & (EXITS | RAISES)) || ins->op == UOP_SYNC;
        if (leaves && ins->snap == NO_SNAP && !(ins->flags & INS_DEAD)) {
            ins->snap = 0;
        }
    }
    return 0;
}

static PyObject *
answer(const Trace *t, VerifyStage stage)
{
    char *text = trace_text(t);
    if (text == NULL) {
        return PyErr_NoMemory();
    }
    PyObject *result = is_well_formed(t, stage) ? PyUnicode_FromString(text)
                                                : PyErr_Format(PyExc_ValueError, "after the pass: %s\n%s", wrong, text);
    free(text);
    return result;
}

// Of a pass that writes `made`, or of one that changes `given`.
static PyObject *
outcome(AbortReason reason, const Trace *t, VerifyStage stage)
{
    return reason == ABORT_NONE ? answer(t, stage) : PyUnicode_FromFormat("abort %s\n", abort_names[reason]);
}

static VerifyStage
stage_of(const Trace *t)
{
    return t->loop_entry != NO_REF || (t->is_side && t->chain[UOP_SYNC] == NO_REF && t->chain[UOP_ROOT_FRAME] != NO_REF)
        ? VERIFY_FINAL : t->n_ins > 1 && (uop_table[t->ins[t->end].op].flags & CONTROL) ? VERIFY_OPTIMISED : VERIFY_RECORDED;
}

static PyObject *
run_verify(void)
{
    return PyUnicode_FromFormat("%s\n", is_well_formed(given, stage_of(given)) ? "well-formed" : wrong);
}

static PyObject *
run_parse(void)
{
    char *text = trace_text(given);
    PyObject *result = text == NULL ? PyErr_NoMemory() : PyUnicode_FromString(text);
    free(text);
    return result;
}

static PyObject *
run_named(const char *name)
{
    bool builds = strcmp(name, "fold") == 0 || strcmp(name, "peel") == 0;
    if (!is_well_formed(given, builds ? VERIFY_RECORDED : VERIFY_OPTIMISED)) {
        return PyErr_Format(PyExc_ValueError, "before the pass: %s", wrong);
    }
    if (strcmp(name, "fold") == 0) {
        return outcome(run_fold(), made, VERIFY_RECORDED);
    }
    if (strcmp(name, "peel") == 0) {
        return outcome(run_peel(), made, VERIFY_OPTIMISED);
    }
    if (strcmp(name, "lower") == 0) {
        return outcome(run_lower(), made, VERIFY_FINAL);
    }
    for (const Pass *pass = opt_passes; pass->name != NULL; pass++) {
        if (strcmp(name, pass->name) == 0) {
            return outcome(pass->run(given), given, VERIFY_OPTIMISED);
        }
    }
    return PyErr_Format(PyExc_KeyError, "no pass %s", name);
}

static PyObject *
tool_run(PyObject *Py_UNUSED(module), PyObject *args)
{
    const char *name, *text;
    PyObject *resolver;
    int snapshot;
    if (!PyArg_ParseTuple(args, "ssOp", &name, &text, &resolver, &snapshot)) {
        return NULL;
    }
    const char *fault = ir_parse(text, resolver, given);
    if (fault != NULL) {
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_SyntaxError, "%s", fault);
    }
    if (snapshot && given->n_snaps == 0 && give_snapshot(resolver) < 0) {
        return NULL;
    }
    return strcmp(name, "parse") == 0 ? run_parse() : strcmp(name, "verify") == 0 ? run_verify() : run_named(name);
}

static PyObject *
tool_rules(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    PyObject *rules = PyDict_New();
    for (int i = 0; rules != NULL && i < FOLD_RULE_COUNT; i++) {
        PyObject *n = PyLong_FromUnsignedLong(fold_fired[i]);
        if (n == NULL || PyDict_SetItemString(rules, fold_rule_names[i], n) < 0) {
            Py_CLEAR(rules);
        }
        Py_XDECREF(n);
    }
    return rules;
}

static PyMethodDef methods[] = {
    {"run", tool_run, METH_VARARGS, NULL},
    {"rules", tool_rules, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "pass_tool", .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC
PyInit_pass_tool(void)
{
    given = calloc(1, sizeof *given);
    made = calloc(1, sizeof *made);
    return given == NULL || made == NULL ? PyErr_NoMemory() : PyModule_Create(&module);
}
