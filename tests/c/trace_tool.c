// trace_tool.c - see trace_tool.h. The interpreter here is the reference: it knows nothing of
// registers, and finds what snapshots need by its own walk.
#include "trace_tool.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>

const char *tool_where = "";

void
die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "FAILED %s: ", tool_where);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    exit(1);
}

// --- building -----------------------------------------------------------------------------------

Tool *
tool_new(void)
{
    Tool *tool = calloc(1, sizeof(Tool));
    tool->t = calloc(1, sizeof(Trace));
    tool->a = malloc(sizeof(Assignment));
    tool->t->n_ins = 1;
    tool->t->ins[0].op = UOP_NOP;
    return tool;
}

void
tool_free(Tool *tool)
{
    for (uint32_t i = 0; tool->sides && i < tool->a->n_exits; i++) {
        if (tool->sides[i]) {
            tool_free(tool->sides[i]);
        }
    }
    emit_free(&tool->ex);
    free(tool->ex.exits);
    free(tool->sides);
    free(tool->t);
    free(tool->a);
    free(tool);
}

Ref
tool_ins(Tool *tool, enum Uop op, IRType type, Ref a, Ref b, Ref c)
{
    Trace *t = tool->t;
    Ref ref = t->n_ins++;
    t->ins[ref] = (Ins){ .op = op, .type = type, .in = { a, b, c }, .snap = NO_SNAP };
    t->end = ref;
    return ref;
}

static Ref
add_konst(Tool *tool, IRType type, uint64_t bits)
{
    Trace *t = tool->t;
    for (unsigned i = 0; i < t->n_konsts; i++) {
        if (t->konsts[i].type == type && t->konsts[i].bits == bits) {
            return KREF | i;
        }
    }
    t->konsts[t->n_konsts] = (Konst){ type, bits };
    return KREF | t->n_konsts++;
}

Ref
tool_int(Tool *tool, int64_t value)
{
    return add_konst(tool, TY_I64, (uint64_t)value);
}

Ref
tool_float(Tool *tool, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, 8);
    return add_konst(tool, TY_F64, bits);
}

Ref
tool_read(Tool *tool, IRType type, unsigned arg)
{
    Ref ref = tool_ins(tool, type == TY_F64 ? UOP_RELOAD_F : UOP_RELOAD_I, type, 0, 0, 0);
    tool->t->ins[ref].operand[0] = offsetof(Activation, args) + 8 * arg;
    return ref;
}

void
tool_write(Tool *tool, Ref value, unsigned arg)
{
    bool is_float = ref_type(tool->t, value) == TY_F64;
    Ref ref = tool_ins(tool, is_float ? UOP_SPILL_F : UOP_SPILL_I, TY_VOID, value, 0, 0);
    tool->t->ins[ref].operand[0] = offsetof(Activation, args) + 8 * arg;
}

void
tool_entry(Tool *tool, Ref ref, SlotHow how, uint16_t slot)
{
    Trace *t = tool->t;
    t->entries[t->n_entries++] = (SnapEntry){ .how = how, .ref = ref, .slot = slot };
    t->snaps[t->n_snaps - 1].count++;
}

void
tool_frame(Tool *tool, Ref func, Ref memory, Ref extra)
{
    Trace *t = tool->t;
    t->frames[t->n_frames++] = (SnapFrame){ .func = func, .memory = memory, .extra = extra };
    t->snaps[t->n_snaps - 1].n_frames++;
}

void
tool_snap(Tool *tool, const Ref *refs, unsigned n)
{
    Trace *t = tool->t;
    t->snaps[t->n_snaps] = (Snapshot){ .first = t->n_entries, .first_frame = t->n_frames };
    t->ins[t->n_ins - 1].snap = t->n_snaps++;
    for (unsigned i = 0; i < n; i++) {
        tool_entry(tool, refs[i], SLOT_TAKE, i);
    }
}

bool
tool_compile(Tool *tool, uint32_t random, uint16_t first_spill)
{
    AssignOptions options = { first_spill, random };
    int reason = assign_trace(tool->t, &options, tool->a);
    if (reason == ABORT_ASSIGN_SPILLS) {
        return false;
    }
    if (reason) {
        die("assign: abort %d", reason);
    }
    tool->ex.exits = calloc(tool->a->n_exits + 1, sizeof(Exit));
    tool->ex.n_exits = tool->a->n_exits;
    tool->ex.spills = tool->a->spills;
    tool->sides = calloc(tool->a->n_exits + 1, sizeof(Tool *));
    reason = emit_trace(tool->t, tool->a, tool->target ? &tool->target->ex : NULL, &tool->ex);
    if (reason) {
        die("emit: abort %d", reason);
    }
    return true;
}

void
tool_link(Tool *from, uint32_t n, Tool *side)
{
    emit_link(&from->ex, n, &side->ex);
    from->sides[n] = side;
}

// --- interpreting -------------------------------------------------------------------------------

typedef union { int64_t i; double f; uint64_t bits; void *p; } Word;

typedef struct {
    Tool *tool;
    Word memory[ACT_ARGS];
    Word *vals;                         // [ref] of the current trace
} Machine;

typedef enum { GO_ON, LEAVE, LEAVE_ERROR } Result;

static Word
get(const Machine *m, Ref ref)
{
    if (ref_is_const(ref)) {
        return (Word){ .bits = m->tool->t->konsts[ref & ~KREF].bits };
    }
    return m->vals[ref];
}

static Result
run_int(enum Uop op, int64_t a, int64_t b, int64_t *r)
{
    switch (op) {
    case UOP_INT_ADD: return __builtin_add_overflow(a, b, r) ? LEAVE : GO_ON;
    case UOP_INT_SUB: return __builtin_sub_overflow(a, b, r) ? LEAVE : GO_ON;
    case UOP_INT_MUL: return __builtin_mul_overflow(a, b, r) ? LEAVE : GO_ON;
    case UOP_INT_NEG: return __builtin_sub_overflow((int64_t)0, a, r) ? LEAVE : GO_ON;
    case UOP_INT_INVERT: *r = ~a; return GO_ON;
    case UOP_INT_AND: *r = a & b; return GO_ON;
    case UOP_INT_OR: *r = a | b; return GO_ON;
    case UOP_INT_XOR: *r = a ^ b; return GO_ON;
    case UOP_INT_LT: *r = a < b; return GO_ON;
    case UOP_INT_GE: *r = a >= b; return GO_ON;
    case UOP_INT_EQ: *r = a == b; return GO_ON;
    case UOP_INT_SHR: *r = b < 0 ? 0 : a >> (b > 63 ? 63 : b); return b < 0 ? LEAVE : GO_ON;
    case UOP_INT_MOD:
        if (b == 0 || b == -1) {
            return LEAVE;
        }
        *r = a % b;
        *r += *r && (*r ^ b) < 0 ? b : 0;
        return GO_ON;
    case UOP_GUARD_INT_LT: return a < b ? GO_ON : LEAVE;
    case UOP_GUARD_INT_NE: return a != b ? GO_ON : LEAVE;
    case UOP_GUARD_INT_GT: return a > b ? GO_ON : LEAVE;
    default: die("interpreter: uop %s", uop_table[op].name);
    }
}

static Result
run_float(enum Uop op, double a, double b, Word *r)
{
    switch (op) {
    case UOP_FLOAT_ADD: r->f = a + b; return GO_ON;
    case UOP_FLOAT_SUB: r->f = a - b; return GO_ON;
    case UOP_FLOAT_MUL: r->f = a * b; return GO_ON;
    case UOP_FLOAT_DIV: r->f = a / b; return b == 0 ? LEAVE : GO_ON;
    case UOP_FLOAT_NEG: r->f = -a; return GO_ON;
    case UOP_FLOAT_ABS: r->f = fabs(a); return GO_ON;
    case UOP_FLOAT_LT: r->i = a < b; return GO_ON;
    case UOP_GUARD_FLOAT_LT: return a < b ? GO_ON : LEAVE;
    case UOP_GUARD_FLOAT_NLT: return a < b ? LEAVE : GO_ON;
    default: die("interpreter: uop %s", uop_table[op].name);
    }
}

static Result
run_call(const Machine *m, const Ins *ins, Word *r)
{
    void *fn = (void *)ins->operand[0];
    Word a = get(m, ins->in[0]), b = get(m, ins->in[1]), c = get(m, ins->in[2]);
    switch ((enum Uop)ins->op) {
    case UOP_C_NUMBER1:
        r->i = ((int64_t (*)(int64_t))fn)(a.i);
        return GO_ON;
    case UOP_C_INT2:
        r->i = (int)((int64_t (*)(int64_t, int64_t))fn)(a.i, b.i);
        return r->i < 0 ? LEAVE_ERROR : GO_ON;
    case UOP_C_FROM3:
        r->p = ((void *(*)(int64_t, int64_t, int64_t))fn)(a.i, b.i, c.i);
        return r->p ? GO_ON : LEAVE_ERROR;
    case UOP_FLOAT_CALL1:
        r->f = ((double (*)(double))fn)(a.f);
        return fabs(r->f) <= 1.7976931348623157e308 ? GO_ON : LEAVE;
    default:
        die("interpreter: uop %s", uop_table[ins->op].name);
    }
}

static Result
run_ins(Machine *m, Ref ref)
{
    const Ins *ins = &m->tool->t->ins[ref];
    const UopInfo *info = &uop_table[ins->op];
    unsigned arg = (ins->operand[0] - offsetof(Activation, args)) / 8;
    Word *r = &m->vals[ref];
    if (info->flags & VIRTUAL || ins->flags & (INS_SUNK | INS_DEAD)) {
        return GO_ON;
    }
    if (info->flags & CALLS) {
        return run_call(m, ins, r);
    }
    switch ((enum Uop)ins->op) {
    case UOP_RELOAD_I:
    case UOP_RELOAD_F: *r = m->memory[arg]; return GO_ON;
    case UOP_SPILL_I:
    case UOP_SPILL_F: m->memory[arg] = get(m, ins->in[0]); return GO_ON;
    case UOP_INT_TO_FLOAT:
        r->f = (double)get(m, ins->in[0]).i;
        return get(m, ins->in[0]).bits + (1ULL << 53) > 2ULL << 53 ? LEAVE : GO_ON;
    case UOP_TRACE_END: return LEAVE;
    default: break;
    }
    if (info->inputs[0] == TY_F64) {
        return run_float(ins->op, get(m, ins->in[0]).f, get(m, ins->in[1]).f, r);
    }
    return run_int(ins->op, get(m, ins->in[0]).i, get(m, ins->in[1]).i, &r->i);
}

static void
take_phis(Machine *m)
{
    const Trace *t = m->tool->t;
    Word news[256];
    for (unsigned i = 0; i < t->n_phis; i++) {
        news[i] = get(m, t->phis[i].right);
    }
    for (unsigned i = 0; i < t->n_phis; i++) {
        if (!ref_is_const(t->phis[i].left)) {
            m->vals[t->phis[i].left] = news[i];
        }
    }
}

static void
take_jump(Machine *m)
{
    const Tool *from = m->tool;
    Tool *to = from->target;
    const Assignment *a = to->a;
    Word *vals = calloc(to->t->n_ins, sizeof(Word));
    if (a->n_entry_locs != from->t->n_jump) {
        die("jump of %u values to an entry of %u", from->t->n_jump, a->n_entry_locs);
    }
    for (unsigned i = 0; i < a->n_entry_locs; i++) {
        if (from->t->jump[i].to != a->entry_locs[i].loc) {
            die("jump and entry differ");
        }
        vals[a->entry_locs[i].ref] = get(m, from->t->jump[i].ref);
    }
    free(m->vals);
    m->vals = vals;
    m->tool = to;
}

// The values the parent has at the exit become those of the side trace's INHERITs.
static void
take_side(Machine *m, uint32_t n)
{
    Tool *from = m->tool, *to = from->sides[n];
    const AssignedExit *exit = &from->a->exits[n];
    Word *vals = calloc(to->t->n_ins, sizeof(Word));
    for (Ref ref = 1; ref < to->t->n_ins && to->t->ins[ref].op == UOP_INHERIT; ref++) {
        for (unsigned i = 0; i < exit->n_locs; i++) {
            const RefLoc *at = &from->a->locs[exit->first_loc + i];
            if (at->loc == (Loc)to->t->ins[ref].operand[0]) {
                vals[ref] = m->vals[at->ref];
            }
        }
    }
    free(m->vals);
    m->vals = vals;
    m->tool = to;
}

static uint32_t
exit_number(const Tool *tool, Ref ref)
{
    for (uint32_t i = 0; i < tool->a->n_exits; i++) {
        if (tool->a->exits[i].ref == ref) {
            return i;
        }
    }
    die("instruction %u has no exit", ref);
}

static uint32_t
interpret(Machine *m)
{
    for (Ref ref = 1;; ref++) {
        const Trace *t = m->tool->t;
        if (t->ins[ref].op == UOP_LOOP_END) {
            take_phis(m);
            ref = t->loop;
            continue;
        }
        if (t->ins[ref].op == UOP_JUMP) {
            take_jump(m);
            ref = m->tool->t->loop_entry;
            continue;
        }
        Result result = run_ins(m, ref);
        if (result == GO_ON) {
            continue;
        }
        uint32_t n = exit_number(m->tool, ref);
        if (result == LEAVE && m->tool->sides[n]) {
            take_side(m, n);
            ref = 0;
            continue;
        }
        return result == LEAVE_ERROR ? n | 0x80000000u : n;
    }
}

// --- comparing ----------------------------------------------------------------------------------

static uint64_t
at_loc(const Activation *act, Loc loc)
{
    uint64_t bits = 0;
    if (loc >= LOC_SPILL) {
        return act->spills[loc - LOC_SPILL];
    }
    if (loc >= LOC_FREG) {
        memcpy(&bits, &act->fregs[loc - LOC_FREG], 8);
        return bits;
    }
    return act->regs[loc - LOC_REG];
}

// Every ref under `ref` that has a value must be listed at the exit, and be right.
static void
compare_ref(const Machine *m, const Activation *act, const AssignedExit *exit, Ref ref)
{
    const Trace *t = m->tool->t;
    if (ref == NO_REF || ref_is_const(ref)) {
        return;
    }
    const Ins *ins = &t->ins[ref];
    bool is_virtual = (uop_table[ins->op].flags & VIRTUAL) && ins->op != UOP_INHERIT;
    if ((ins->flags & INS_SUNK) || is_virtual) {
        for (int k = 0; k < uop_table[ins->op].n_inputs; k++) {
            compare_ref(m, act, exit, ins->in[k]);
        }
        return;
    }
    for (uint32_t i = 0; i < exit->n_locs; i++) {
        const RefLoc *at = &m->tool->a->locs[exit->first_loc + i];
        if (at->ref != ref) {
            continue;
        }
        uint64_t is = at_loc(act, at->loc);
        Word is_word = { .bits = is };
        bool both_nan = ins->type == TY_F64 && isnan(m->vals[ref].f) && isnan(is_word.f);
        if (is != m->vals[ref].bits && !both_nan) {
            die("exit at %u: ref %u at loc %x is %llx, should be %llx", exit->ref, ref, at->loc,
                (unsigned long long)is, (unsigned long long)m->vals[ref].bits);
        }
        return;
    }
    die("exit at %u: ref %u is not listed", exit->ref, ref);
}

static void
compare(const Machine *m, const Activation *act, uint32_t n)
{
    const Trace *t = m->tool->t;
    if (act->executor != &m->tool->ex || (uint32_t)act->exit != n) {
        die("left %s by exit %x, should be %s by %x",
            act->executor == &m->tool->ex ? "it" : "another trace", (unsigned)act->exit, "it", n);
    }
    const AssignedExit *exit = &m->tool->a->exits[n & 0x7fffffff];
    const Snapshot *snap = &t->snaps[exit->snap];
    for (uint32_t i = 0; i < snap->count; i++) {
        const SnapEntry *entry = &t->entries[snap->first + i];
        compare_ref(m, act, exit, entry->ref);
        if (entry->how == SLOT_STORE) {
            compare_ref(m, act, exit, entry->slot);
        }
    }
    for (uint32_t i = 0; i < snap->n_frames; i++) {
        const SnapFrame *frame = &t->frames[snap->first_frame + i];
        compare_ref(m, act, exit, frame->func);
        compare_ref(m, act, exit, frame->memory);
        compare_ref(m, act, exit, frame->extra);
    }
    if (memcmp(m->memory, act->args, sizeof(m->memory)) != 0) {
        die("exit at %u: memory differs", exit->ref);
    }
}

uint32_t
tool_run(Tool *root, const Activation *start, Tool **last)
{
    Activation act = *start;
    memset(act.regs, 0xee, sizeof(act.regs));
    memset(act.spills, 0xdd, sizeof(act.spills));
    emit_enter(&act, root->ex.machine_code);
    Machine m = { .tool = root, .vals = calloc(root->t->n_ins, sizeof(Word)) };
    memcpy(m.memory, start->args, sizeof(m.memory));
    uint32_t n = interpret(&m);
    compare(&m, &act, n);
    free(m.vals);
    if (last) {
        *last = m.tool;
    }
    return n;
}
