// random_trace.c - random traces: any value may be used by anything of its type, by snapshots,
// sunk allocations, phis and jumps. A counter in memory ends every run.
#include "random_trace.h"

#include <stddef.h>

enum { FUEL = ACT_ARGS - 1, FLOATS = 24, POOL = 4000 };

typedef struct {
    Tool *tool;
    uint32_t random;
    Ref ints[POOL], floats[POOL], sunk[POOL];
    unsigned n_ints, n_floats, n_sunk;
    unsigned calls;                     // percent of instructions that call
} Gen;

static uint32_t
draw(Gen *g, uint32_t n)
{
    g->random ^= g->random << 13;
    g->random ^= g->random >> 17;
    g->random ^= g->random << 5;
    return (g->random >> 3) % n;
}

static void
seed_gen(Gen *g, Tool *tool, uint32_t seed)
{
    memset(g, 0, offsetof(Gen, ints));
    g->n_ints = g->n_floats = g->n_sunk = 0;
    g->tool = tool;
    g->random = seed * 2654435761u + 12345;
    g->random = g->random ? g->random : 1;
    for (int i = 0; i < 8; i++) {
        draw(g, 2);
    }
    g->calls = draw(g, 3) ? 3 : draw(g, 30);
}

// --- values -------------------------------------------------------------------------------------

static Ref
any_konst(Gen *g, bool is_float)
{
    static const int64_t ints[] = { 0, 1, -1, 2, 3, 7, 100, -100, 0x7fffffff, 0x80000000,
                                    0xffffffff, 0x100000000, -0x80000000LL, -0x80000001LL,
                                    0x123456789abcdef, INT64_MAX, INT64_MIN };
    static const double floats[] = { 0.0, -0.0, 1.0, 0.5, -2.25, 1e300, 3.14159 };
    return is_float ? tool_float(g->tool, floats[draw(g, 7)])
                    : tool_int(g->tool, ints[draw(g, draw(g, 2) ? 8 : 17)]);
}

static Ref
pick(Gen *g, bool is_float)
{
    const Ref *pool = is_float ? g->floats : g->ints;
    unsigned n = is_float ? g->n_floats : g->n_ints;
    if (n == 0 || draw(g, 8) == 0) {
        return any_konst(g, is_float);
    }
    if (draw(g, 2) && n > 6) {
        return pool[n - 1 - draw(g, 6)];
    }
    unsigned window = n > 150 && draw(g, 30) ? 150 : n;
    return pool[n - 1 - draw(g, window)];
}

static void
add(Gen *g, Ref ref)
{
    IRType type = ref_type(g->tool->t, ref);
    if (type == TY_F64) {
        g->floats[g->n_floats++] = ref;
    }
    else if (type != TY_VOID) {
        g->ints[g->n_ints++] = ref;
    }
}

// --- snapshots ----------------------------------------------------------------------------------

static void
snap(Gen *g)
{
    Trace *t = g->tool->t;
    if (t->n_snaps && draw(g, 3) == 0) {
        t->ins[t->n_ins - 1].snap = t->n_snaps - 1;
        return;
    }
    tool_snap(g->tool, NULL, 0);
    unsigned n = draw(g, draw(g, 4) ? 5 : 25);
    for (unsigned i = 0; i < n; i++) {
        unsigned kind = draw(g, 10);
        if (kind == 0 && g->n_sunk) {
            Ref sunk = g->sunk[draw(g, g->n_sunk)];
            bool store = t->ins[sunk].type == TY_VOID;
            tool_entry(g->tool, store ? NO_REF : sunk, store ? SLOT_STORE : SLOT_TAKE,
                       store ? sunk : i);
        }
        else {
            tool_entry(g->tool, pick(g, kind < 4), SLOT_TAKE, i);
        }
    }
    if (draw(g, 6) == 0) {
        tool_frame(g->tool, pick(g, false), pick(g, false), pick(g, true));
    }
}

static Ref
ins(Gen *g, enum Uop op, IRType type, Ref a, Ref b, Ref c)
{
    Ref ref = tool_ins(g->tool, op, type, a, b, c);
    if (uop_table[op].flags & (EXITS | RAISES)) {
        snap(g);
    }
    add(g, ref);
    return ref;
}

static void
sink(Gen *g)
{
    Trace *t = g->tool->t;
    Ref ref;
    bool from_sunk = g->n_sunk && t->ins[g->sunk[g->n_sunk - 1]].type == TY_OBJ && draw(g, 2);
    Ref inner = from_sunk ? g->sunk[g->n_sunk - 1] : pick(g, false);
    switch (draw(g, 4)) {
    case 0: ref = tool_ins(g->tool, UOP_BOX_FLOAT, TY_OBJ, pick(g, true), 0, 0); break;
    case 1: ref = tool_ins(g->tool, UOP_C_FROM2, TY_OBJ, inner, pick(g, false), 0); break;
    case 2: ref = tool_ins(g->tool, UOP_FIELD_STORE, TY_VOID, inner, pick(g, false), 0); break;
    default: ref = tool_ins(g->tool, UOP_SLOT_BOX, TY_OBJ, pick(g, false), 0, 0); break;
    }
    t->ins[ref].flags |= draw(g, 2) || t->ins[ref].op != UOP_SLOT_BOX ? INS_SUNK : 0;
    g->sunk[g->n_sunk++] = ref;
}

// --- instructions -------------------------------------------------------------------------------

static int64_t
c_number1(int64_t a)
{
    volatile int64_t r = a ^ 0x55;
    trash();
    return r;
}

static int64_t
c_int2(int64_t a, int64_t b)
{
    uint64_t x = (uint64_t)a, y = (uint64_t)b;
    volatile int64_t r = (x - 3 * y) % 64 == 5 ? -1 : (int64_t)((x ^ (y << 1)) & 0xffff);
    trash();
    return r;
}

static void *
c_from3(int64_t a, int64_t b, int64_t c)
{
    uint64_t x = (uint64_t)a + 2 * (uint64_t)b + 3 * (uint64_t)c;
    volatile int64_t r = x & 0xfffff;
    trash();
    return r % 61 == 1 ? NULL : (void *)(r | 1);
}

static double
float_call1(double a)
{
    volatile double r = a * 0.5 + 1;
    trash();
    return r;
}

static void
gen_call(Gen *g)
{
    Trace *t = g->tool->t;
    Ref ref;
    void *fn;
    switch (draw(g, 4)) {
    case 0:
        ref = ins(g, UOP_C_NUMBER1, TY_I64, pick(g, false), 0, 0);
        fn = c_number1;
        break;
    case 1:
        ref = ins(g, UOP_C_INT2, TY_I64, pick(g, false), pick(g, false), 0);
        fn = c_int2;
        break;
    case 2:
        ref = ins(g, UOP_C_FROM3, TY_OBJ, pick(g, false), pick(g, false), pick(g, false));
        fn = c_from3;
        break;
    default:
        ref = ins(g, UOP_FLOAT_CALL1, TY_F64, pick(g, true), 0, 0);
        fn = float_call1;
        break;
    }
    t->ins[ref].operand[0] = (uint64_t)(uintptr_t)fn;
}

static void
gen_guard(Gen *g)
{
    static const uint16_t ints[] = { UOP_GUARD_INT_LT, UOP_GUARD_INT_GT, UOP_GUARD_INT_NE };
    static const uint16_t floats[] = { UOP_GUARD_FLOAT_LT, UOP_GUARD_FLOAT_NLT };
    switch (draw(g, 8)) {
    case 0:
        ins(g, ints[draw(g, 3)], TY_VOID, pick(g, false), pick(g, false), 0);
        break;
    case 1:
        ins(g, floats[draw(g, 2)], TY_VOID, pick(g, true), pick(g, true), 0);
        break;
    default:                            // mostly passes
        ins(g, UOP_GUARD_INT_NE, TY_VOID, pick(g, false), tool_int(g->tool, draw(g, 5000)), 0);
        break;
    }
}

static void
gen_memory(Gen *g)
{
    if (draw(g, 2)) {
        tool_write(g->tool, pick(g, false), draw(g, FLOATS));
    }
    else if (draw(g, 2)) {
        add(g, tool_read(g->tool, TY_I64, draw(g, FLOATS)));
    }
    else {
        add(g, tool_read(g->tool, TY_F64, FLOATS + draw(g, FUEL - FLOATS)));
    }
}

static void
gen_int(Gen *g)
{
    static const uint16_t ops[] = { UOP_INT_ADD, UOP_INT_ADD, UOP_INT_SUB, UOP_INT_AND, UOP_INT_OR,
                                    UOP_INT_XOR, UOP_INT_LT, UOP_INT_GE, UOP_INT_EQ, UOP_INT_SHR,
                                    UOP_INT_MOD, UOP_INT_MUL };
    if (draw(g, 8) == 0) {
        ins(g, draw(g, 2) ? UOP_INT_NEG : UOP_INT_INVERT, TY_I64, pick(g, false), 0, 0);
        return;
    }
    Ref a = pick(g, false), b = draw(g, 8) ? pick(g, false) : a;
    if (draw(g, 4) == 0) {              // keep values small now and then
        ins(g, UOP_INT_AND, TY_I64, a, tool_int(g->tool, 0xfff), 0);
        return;
    }
    ins(g, ops[draw(g, draw(g, 4) ? 10 : 12)], TY_I64, a, b, 0);
}

static void
gen_float(Gen *g)
{
    static const uint16_t ops[] = { UOP_FLOAT_ADD, UOP_FLOAT_SUB, UOP_FLOAT_MUL, UOP_FLOAT_DIV };
    switch (draw(g, 8)) {
    case 0: ins(g, UOP_FLOAT_NEG, TY_F64, pick(g, true), 0, 0); break;
    case 1: ins(g, UOP_FLOAT_ABS, TY_F64, pick(g, true), 0, 0); break;
    case 2: ins(g, UOP_INT_TO_FLOAT, TY_F64, pick(g, false), 0, 0); break;
    case 3: ins(g, UOP_FLOAT_LT, TY_I64, pick(g, true), pick(g, true), 0); break;
    default:
        ins(g, ops[draw(g, draw(g, 4) ? 3 : 4)], TY_F64, pick(g, true), pick(g, true), 0);
        break;
    }
}

static void
gen_some(Gen *g, unsigned n)
{
    unsigned floats = draw(g, 60);
    while (n--) {
        unsigned kind = draw(g, 100);
        if (kind < g->calls) {
            gen_call(g);
        }
        else if (kind >= 85) {
            kind < 90 ? gen_memory(g) : kind < 95 ? sink(g) : gen_guard(g);
        }
        else if (draw(g, 100) < floats) {
            gen_float(g);
        }
        else {
            gen_int(g);
        }
    }
}

static void
gen_fuel(Gen *g)
{
    Ref fuel = tool_read(g->tool, TY_I64, FUEL);
    Ref less = tool_ins(g->tool, UOP_INT_SUB, TY_I64, fuel, tool_int(g->tool, 1), 0);
    snap(g);
    tool_write(g->tool, less, FUEL);
    tool_ins(g->tool, UOP_GUARD_INT_GT, TY_VOID, less, tool_int(g->tool, 0), 0);
    snap(g);
}

// --- traces -------------------------------------------------------------------------------------

static void
gen_phis(Gen *g, unsigned ints_before, unsigned floats_before)
{
    Trace *t = g->tool->t;
    unsigned wanted = draw(g, 14);
    for (unsigned i = 0; i < wanted; i++) {
        bool is_float = draw(g, 3) == 0;
        unsigned n = is_float ? floats_before : ints_before;
        if (n == 0) {
            continue;
        }
        Ref left = (is_float ? g->floats : g->ints)[draw(g, n)];
        bool taken = false;
        for (unsigned k = 0; k < t->n_phis; k++) {
            taken |= t->phis[k].left == left;
        }
        if (taken) {
            continue;
        }
        Ref right = draw(g, 20) ? pick(g, is_float) : left;
        if (draw(g, 5) == 0 && n > 1) {         // another phi's left, perhaps: a swap
            right = (is_float ? g->floats : g->ints)[draw(g, n)];
        }
        t->phis[t->n_phis].left = left;
        t->phis[t->n_phis++].right = right;
    }
}

static void
gen_root(Gen *g, unsigned size)
{
    Trace *t = g->tool->t;
    unsigned n_ints = draw(g, draw(g, 4) ? 8 : FLOATS), n_floats = draw(g, FUEL - FLOATS);
    for (unsigned i = 0; i <= n_ints; i++) {
        add(g, tool_read(g->tool, TY_I64, i));
    }
    for (unsigned i = 0; i < n_floats; i++) {
        add(g, tool_read(g->tool, TY_F64, FLOATS + i));
    }
    gen_some(g, draw(g, size / 2 + 1));
    if (draw(g, 5)) {
        t->loop_entry = tool_ins(g->tool, UOP_LOOP_ENTRY, TY_VOID, 0, 0, 0);
        gen_fuel(g);
        gen_some(g, draw(g, size / 2 + 1));
    }
    unsigned ints_before = g->n_ints, floats_before = g->n_floats;
    if (draw(g, 4)) {
        t->loop = tool_ins(g->tool, UOP_LOOP, TY_VOID, 0, 0, 0);
        gen_fuel(g);
        gen_some(g, draw(g, size + 1));
        if (draw(g, 2)) {               // a check that may itself jump back
            gen_guard(g);
        }
        gen_phis(g, ints_before, floats_before);
        tool_ins(g->tool, UOP_LOOP_END, TY_VOID, 0, 0, 0);
        return;
    }
    ins(g, UOP_TRACE_END, TY_VOID, 0, 0, 0);
}

void
random_root(Tool *tool, uint32_t seed, unsigned size)
{
    static Gen g;
    seed_gen(&g, tool, seed);
    gen_root(&g, size);
}

static void
gen_side(Gen *g, const Tool *parent, uint32_t exit_number, Tool *root)
{
    Trace *t = g->tool->t;
    const AssignedExit *exit = &parent->a->exits[exit_number];
    for (uint32_t i = 0; i < exit->n_locs; i++) {
        const RefLoc *at = &parent->a->locs[exit->first_loc + i];
        for (int copies = 0; copies < (draw(g, 10) ? 1 : 2); copies++) {
            Ref ref = tool_ins(g->tool, UOP_INHERIT, parent->t->ins[at->ref].type, 0, 0, 0);
            t->ins[ref].operand[0] = at->loc;
            add(g, ref);
        }
    }
    gen_fuel(g);
    gen_some(g, draw(g, 40));
    if (!root->t->loop_entry || draw(g, 3) == 0) {
        ins(g, UOP_TRACE_END, TY_VOID, 0, 0, 0);
        return;
    }
    g->tool->target = root;
    for (uint32_t i = 0; i < root->a->n_entry_locs; i++) {
        const RefLoc *at = &root->a->entry_locs[i];
        bool is_float = root->t->ins[at->ref].type == TY_F64;
        t->jump[t->n_jump].ref = pick(g, is_float);
        t->jump[t->n_jump++].to = at->loc;
    }
    tool_ins(g->tool, UOP_JUMP, TY_VOID, 0, 0, 0);
}

// --- trees --------------------------------------------------------------------------------------

static struct { unsigned long runs, exits, errors, sides, jumps, spills, refused; } covered;

static void
any_start(Gen *g, Activation *act)
{
    memset(act, 0, sizeof(*act));
    for (int i = 0; i < FLOATS; i++) {
        int64_t value = draw(g, 3) ? draw(g, 50) : (int64_t)draw(g, 1 << 29) * (draw(g, 2) ? 1 : -97);
        memcpy(&act->args[i], &value, 8);
    }
    for (int i = FLOATS; i < FUEL; i++) {
        double value = draw(g, 1000) / 8.0 - 30;
        memcpy(&act->args[i], &value, 8);
    }
    int64_t fuel = 1 + draw(g, 40);
    memcpy(&act->args[FUEL], &fuel, 8);
}

static void
one_tree(uint32_t seed)
{
    static Gen g, side_gen;
    char where[60];
    snprintf(where, sizeof(where), "seed %u", seed);
    tool_where = where;
    Tool *root = tool_new();
    seed_gen(&g, root, seed);
    gen_root(&g, draw(&g, 3) ? 30 : draw(&g, 6) ? 80 : 400);
    if (!tool_compile(root, seed % 4 ? seed : 0, 0)) {
        covered.refused++;
        tool_free(root);
        return;
    }
    uint16_t spills = root->ex.spills;
    for (int run = 0; run < 12; run++) {
        Activation act;
        Tool *last;
        any_start(&g, &act);
        uint32_t n = tool_run(root, &act, &last);
        covered.runs++;
        covered.exits += n < 0x80000000u;
        covered.errors += n >= 0x80000000u;
        if (n >= 0x80000000u || draw(&g, 2)) {
            continue;
        }
        Tool *side = tool_new();
        seed_gen(&side_gen, side, seed * 100 + run);
        gen_side(&side_gen, last, n, root);
        covered.sides++;
        covered.jumps += side->t->n_jump;
        // 0: as if it joined another tree, whose slots this one has never heard of.
        uint16_t first = draw(&side_gen, 2) ? last->ex.spills : 0;
        if (!tool_compile(side, seed % 4 ? seed * 31 + run : 0, first)) {
            covered.refused++;
            tool_free(side);
            continue;
        }
        spills = side->ex.spills > spills ? side->ex.spills : spills;
        tool_link(last, n, side);
    }
    covered.spills += spills;
    tool_free(root);
}

void
random_trees(uint32_t from, uint32_t to)
{
    for (uint32_t seed = from; seed < to; seed++) {
        one_tree(seed);
    }
    printf("%lu runs: %lu exits, %lu errors; %lu side traces, %lu values jumped; "
           "%.1f slots a tree, %lu refused for too many\n", covered.runs, covered.exits, covered.errors, covered.sides, covered.jumps,
           (double)covered.spills / (to - from), covered.refused);
}
