// test_assign.c - register assignment and emission, proved by running: hand-made traces whose
// shape is known to be hard, then random trace trees, each compared with the interpreter in
// trace_tool.c at the exit it takes.
//
//     test_assign                 the hand-made traces
//     test_assign random A B      random trees with seeds A to B-1
//     test_assign time            time per instruction and per trace
#include "random_trace.h"
#include "trace_tool.h"
#include "../../src/runtime/base/os.h"

static const Activation nothing;

static void
check(bool right, const char *what)
{
    if (!right) {
        die("%s", what);
    }
}

static uint64_t
value_at_exit(const Activation *act, const Tool *tool, uint32_t n, Ref ref)
{
    const AssignedExit *exit = &tool->a->exits[n];
    for (uint32_t i = 0; i < exit->n_locs; i++) {
        const RefLoc *at = &tool->a->locs[exit->first_loc + i];
        if (at->ref == ref) {
            return at->loc >= LOC_SPILL ? act->spills[at->loc - LOC_SPILL]
                                        : act->regs[at->loc - LOC_REG];
        }
    }
    die("ref %u is not at the exit", ref);
}

static uint32_t
run_all_ways(void (*make)(Tool *))
{
    uint32_t first = 0;
    for (uint32_t random = 0; random < 200; random++) {
        Tool *tool = tool_new();
        make(tool);
        tool_compile(tool, random, 0);
        uint32_t n = tool_run(tool, &nothing, NULL);
        first = random ? first : n;
        check(n == first, "the exit depends on registers");
        tool_free(tool);
    }
    return first;
}

// --- loops --------------------------------------------------------------------------------------

// total = 0; for i in range(1000): total += i
static void
sum_loop(Tool *tool)
{
    Trace *t = tool->t;
    Ref i0 = tool_read(tool, TY_I64, 0), sum0 = tool_read(tool, TY_I64, 1);
    t->loop_entry = tool_ins(tool, UOP_LOOP_ENTRY, TY_VOID, 0, 0, 0);
    t->loop = tool_ins(tool, UOP_LOOP, TY_VOID, 0, 0, 0);
    tool_ins(tool, UOP_GUARD_INT_LT, TY_VOID, i0, tool_int(tool, 1000), 0);
    tool_snap(tool, (Ref[]){ i0, sum0 }, 2);
    Ref sum1 = tool_ins(tool, UOP_INT_ADD, TY_I64, sum0, i0, 0);
    tool_snap(tool, (Ref[]){ i0, sum0 }, 2);
    Ref i1 = tool_ins(tool, UOP_INT_ADD, TY_I64, i0, tool_int(tool, 1), 0);
    tool_snap(tool, NULL, 0);
    tool_ins(tool, UOP_LOOP_END, TY_VOID, 0, 0, 0);
    t->phis[0].left = i0, t->phis[0].right = i1;
    t->phis[1].left = sum0, t->phis[1].right = sum1;
    t->n_phis = 2;
}

static void
test_sum_loop(void)
{
    Tool *tool = tool_new();
    sum_loop(tool);
    tool_compile(tool, 0, 0);
    Activation act = nothing;
    emit_enter(&act, tool->ex.machine_code);
    check(act.executor == &tool->ex && act.exit == 0, "left by the guard");
    check(value_at_exit(&act, tool, 0, 1) == 1000, "i is 1000");
    check(value_at_exit(&act, tool, 0, 2) == 499500, "the sum");
    // guard, add, add, jump, and one move: the first add's own exit needs the old sum.
    check(tool->a->n_code - tool->a->loop_at == 5, "one move in the loop");
    tool_free(tool);
    run_all_ways(sum_loop);
}

// a, b, c = b, c, a   and   x, y = y, x (floats), ten turns
static void
swap_loop(Tool *tool)
{
    Trace *t = tool->t;
    Ref r[6];
    for (int k = 0; k < 6; k++) {
        r[k] = k < 4 ? tool_ins(tool, UOP_INT_ADD, TY_I64, tool_read(tool, TY_I64, k),
                                tool_int(tool, k + 1), 0)
                     : tool_ins(tool, UOP_FLOAT_ADD, TY_F64, tool_read(tool, TY_F64, k),
                                tool_float(tool, k), 0);
        if (k < 4) {
            tool_snap(tool, NULL, 0);
        }
    }
    t->loop = tool_ins(tool, UOP_LOOP, TY_VOID, 0, 0, 0);
    Ref count = tool_ins(tool, UOP_INT_ADD, TY_I64, r[3], tool_int(tool, 1), 0);
    tool_snap(tool, r, 6);
    tool_ins(tool, UOP_GUARD_INT_LT, TY_VOID, count, tool_int(tool, 15), 0);
    tool_snap(tool, r, 6);
    tool_ins(tool, UOP_LOOP_END, TY_VOID, 0, 0, 0);
    Ref rights[6] = { r[1], r[2], r[0], count, r[5], r[4] };
    for (int k = 0; k < 6; k++) {
        t->phis[k].left = r[k];
        t->phis[k].right = rights[k];
    }
    t->n_phis = 6;
}

// Thirty ints and thirty floats live through the loop, all used in it and in each snapshot.
static void
pressure_loop(Tool *tool)
{
    enum { N = 30 };
    Trace *t = tool->t;
    Ref ints[N], floats[N], all[2 * N], counter = tool_read(tool, TY_I64, 0);
    for (int k = 0; k < N; k++) {
        ints[k] = tool_ins(tool, UOP_INT_XOR, TY_I64, counter, tool_int(tool, k + 5), 0);
        floats[k] = tool_ins(tool, UOP_INT_TO_FLOAT, TY_F64, ints[k], 0, 0);
        tool_snap(tool, ints, k);
    }
    t->loop_entry = tool_ins(tool, UOP_LOOP_ENTRY, TY_VOID, 0, 0, 0);
    t->loop = tool_ins(tool, UOP_LOOP, TY_VOID, 0, 0, 0);
    memcpy(all, ints, sizeof(ints));
    memcpy(all + N, floats, sizeof(floats));
    Ref next = tool_ins(tool, UOP_INT_ADD, TY_I64, counter, tool_int(tool, 1), 0);
    tool_snap(tool, all, 2 * N);
    tool_ins(tool, UOP_GUARD_INT_LT, TY_VOID, next, tool_int(tool, 20), 0);
    tool_snap(tool, all, 2 * N);
    for (int k = 0; k < N; k++) {
        Ref sum = tool_ins(tool, UOP_INT_XOR, TY_I64, ints[k], ints[(k * 7 + 1) % N], 0);
        Ref fsum = tool_ins(tool, UOP_FLOAT_ADD, TY_F64, floats[k], floats[(k * 11 + 3) % N], 0);
        if (k % 2) {
            t->phis[t->n_phis].left = ints[k];
            t->phis[t->n_phis++].right = sum;
            t->phis[t->n_phis].left = floats[k];
            t->phis[t->n_phis++].right = fsum;
        }
    }
    tool_ins(tool, UOP_LOOP_END, TY_VOID, 0, 0, 0);
    t->phis[t->n_phis].left = counter;
    t->phis[t->n_phis++].right = next;
}

// --- exits --------------------------------------------------------------------------------------

// Sunk boxes in sunk boxes, SLOT_PARAM, SLOT_STORE, and the refs of frames.
static void
deep_snapshot(Tool *tool)
{
    Trace *t = tool->t;
    Ref v[6];
    for (int k = 0; k < 6; k++) {
        v[k] = tool_ins(tool, UOP_INT_XOR, TY_I64, tool_read(tool, TY_I64, k),
                        tool_int(tool, 100 + k), 0);
    }
    Ref box = tool_ins(tool, UOP_BOX_INT, TY_OBJ, v[0], 0, 0);
    Ref pair = tool_ins(tool, UOP_C_FROM2, TY_OBJ, box, v[1], 0);
    Ref store = tool_ins(tool, UOP_FIELD_STORE, TY_VOID, pair, v[2], 0);
    t->ins[box].flags = t->ins[pair].flags = t->ins[store].flags = INS_SUNK;
    Ref param = tool_ins(tool, UOP_SLOT_BOX, TY_OBJ, v[3], 0, 0);
    Ref f = tool_ins(tool, UOP_INT_TO_FLOAT, TY_F64, v[4], 0, 0);
    tool_snap(tool, NULL, 0);
    tool_ins(tool, UOP_TRACE_END, TY_VOID, 0, 0, 0);
    tool_snap(tool, NULL, 0);
    tool_entry(tool, param, SLOT_PARAM, 1);
    tool_entry(tool, NO_REF, SLOT_NULL, 2);
    tool_entry(tool, tool_int(tool, 7), SLOT_NEW, 3);
    tool_entry(tool, NO_REF, SLOT_STORE, store);
    tool_frame(tool, v[5], f, box);
}

static int64_t fail_always(int64_t a, int64_t b) { return a == b ? -1 : -2; }

// A call that raises leaves with bit 31 set, its inputs and others intact.
static void
raising_call(Tool *tool)
{
    Ref v[10];
    for (int k = 0; k < 10; k++) {
        v[k] = tool_ins(tool, UOP_INT_XOR, TY_I64, tool_read(tool, TY_I64, k),
                        tool_int(tool, 100 + k), 0);
    }
    Ref call = tool_ins(tool, UOP_C_INT2, TY_I64, v[0], v[1], 0);
    tool->t->ins[call].operand[0] = (uint64_t)(uintptr_t)fail_always;
    tool_snap(tool, v, 10);
    tool_ins(tool, UOP_TRACE_END, TY_VOID, 0, 0, 0);
    tool_snap(tool, &call, 1);
}

// Every constant is right, in code or in a register, in memory and at a call.
static void
constants(Tool *tool)
{
    static const int64_t values[] = { 0, 1, -1, INT32_MAX, INT32_MIN, INT32_MAX + 1LL, UINT32_MAX,
                                      UINT32_MAX + 1LL, INT32_MIN - 1LL, INT64_MAX, INT64_MIN };
    Ref x = tool_read(tool, TY_I64, 0);
    for (unsigned k = 0; k < sizeof(values) / sizeof(values[0]); k++) {
        Ref y = tool_ins(tool, UOP_INT_XOR, TY_I64, x, tool_int(tool, values[k]), 0);
        tool_write(tool, y, k + 1);
        tool_write(tool, tool_ins(tool, UOP_INT_GE, TY_I64, tool_int(tool, values[k]), x, 0),
                   k + 20);
    }
    tool_write(tool, tool_ins(tool, UOP_FLOAT_LT, TY_I64, tool_float(tool, 0.0),
                              tool_float(tool, 1.5), 0), 18);
    tool_ins(tool, UOP_TRACE_END, TY_VOID, 0, 0, 0);
    tool_snap(tool, NULL, 0);
}

static void
test_links(void)
{
    Tool *root = tool_new(), *side = tool_new(), *last;
    sum_loop(root);
    tool_compile(root, 0, 0);
    Ref in = tool_ins(side, UOP_INHERIT, TY_I64, 0, 0, 0);
    side->t->ins[in].operand[0] = root->a->locs[root->a->exits[0].first_loc].loc;
    tool_ins(side, UOP_TRACE_END, TY_VOID, 0, 0, 0);
    tool_snap(side, &in, 1);
    tool_compile(side, 0, root->a->spills);
    tool_run(root, &nothing, &last);
    check(last == root, "not linked yet");
    tool_link(root, 0, side);
    tool_run(root, &nothing, &last);
    check(last == side, "linked");
    emit_unlink(&root->ex, 0);
    root->sides[0] = NULL;
    tool_run(root, &nothing, &last);
    check(last == root, "unlinked");
    tool_free(side);
    tool_free(root);
}

// --- code memory --------------------------------------------------------------------------------

static void
test_codemem(void)
{
    enum { N = 300 };
    uint8_t *blocks[N] = { 0 };
    size_t sizes[N];
    CodememStats before, after;
    codemem_stats(&before);
    for (int turn = 0; turn < 20000; turn++) {
        int k = rand() % N;
        if (blocks[k]) {
            codemem_free(blocks[k], sizes[k]);
            blocks[k] = NULL;
            continue;
        }
        sizes[k] = 1 + rand() % 5000;
        blocks[k] = codemem_alloc(sizes[k]);
        check(blocks[k] != NULL, "a block");
        for (int i = 0; i < N && turn % 50 == 0; i++) {
            check(i == k || !blocks[i] || blocks[i] + sizes[i] <= blocks[k]
                      || blocks[k] + sizes[k] <= blocks[i], "blocks do not overlap");
        }
    }
    for (int k = 0; k < N; k++) {
        if (blocks[k]) {
            codemem_free(blocks[k], sizes[k]);
        }
    }
    codemem_stats(&after);
    check(after.used == before.used && after.blocks == before.blocks, "all is given back");
    check(codemem_alloc(before.limit + 1) == NULL, "the limit holds");
    uint8_t *rest = codemem_alloc(before.limit - 65536 - before.used);
    check(rest != NULL, "free ranges were merged");
    codemem_free(rest, before.limit - 65536 - before.used);
    check(codemem_alloc_links(before.limit / 8 / sizeof(void *) + 1) == NULL, "links are limited, too");
}

// What the kernel says of the page at `at`, such as "r-xp".
static void
access_of(const void *at, char access[5])
{
    FILE *maps = fopen("/proc/self/maps", "r");
    unsigned long from, to;
    char line[400];
    strcpy(access, "none");
    while (maps && fgets(line, sizeof(line), maps)) {
        if (sscanf(line, "%lx-%lx %4s", &from, &to, access) == 3 && from <= (uintptr_t)at && (uintptr_t)at < to) {
            break;
        }
    }
    fclose(maps);
}

// Blocks of code become executable one by one, and a link is never so.
static void
test_access(void)
{
    enum { N = 40, SIZE = 3000 };
    uint8_t *blocks[N];
    char access[5];
    void **links = codemem_alloc_links(N);
    for (int i = 0; i < N; i++) {
        blocks[i] = codemem_alloc(SIZE);
        check(codemem_begin_write(blocks[i], SIZE) == 0, "begin");
        memset(blocks[i], i, SIZE);
        links[i] = blocks[i];
        access_of(blocks[i], access);
        check(strcmp(access, "rw-p") == 0, "writable, not executable");
        check(codemem_end_write(blocks[i], SIZE) == 0, "end");
        if (i % 3 == 2) {               // what follows is used for the second time
            codemem_free(blocks[i], SIZE);
            blocks[i] = codemem_alloc(SIZE);
            check(codemem_begin_write(blocks[i], SIZE) == 0, "begin again");
            memset(blocks[i], i, SIZE);
            check(codemem_end_write(blocks[i], SIZE) == 0, "end again");
        }
        access_of(links, access);
        check(strcmp(access, "rw-p") == 0, "a link can be written");
    }
    for (int i = 0; i < N; i++) {
        access_of(blocks[i] + SIZE - 1, access);
        check(strcmp(access, "r-xp") == 0, "executable, not writable");
        check(blocks[i][0] == i && blocks[i][SIZE - 1] == i && links[i] != NULL, "as written");
        codemem_free(blocks[i], SIZE);
    }
    codemem_free_links(links, N);
}

// --- times --------------------------------------------------------------------------------------

static void
measure(const char *name, Tool *tool)
{
    enum { TURNS = 2000 };
    AssignOptions options = { 0, 0 };
    uint64_t start = os_now();
    for (int i = 0; i < TURNS; i++) {
        assign_trace(tool->t, &options, tool->a);
    }
    double assign = (double)(os_now() - start) / TURNS;
    tool->ex.exits = calloc(tool->a->n_exits + 1, sizeof(Exit));
    start = os_now();
    for (int i = 0; i < TURNS; i++) {
        emit_trace(tool->t, tool->a, NULL, &tool->ex);
        emit_free(&tool->ex);
    }
    double emit = (double)(os_now() - start) / TURNS;
    start = os_now();
    uint8_t *at = codemem_alloc(tool->ex.code_size);
    for (int i = 0; i < TURNS; i++) {
        codemem_begin_write(at, tool->ex.code_size);
        memset(at, 0x90, tool->ex.code_size);
        codemem_end_write(at, tool->ex.code_size);
    }
    codemem_free(at, tool->ex.code_size);
    double protect = (double)(os_now() - start) / TURNS;
    printf("%-10s %4u ins, %4u stencils, %5u bytes: assign %6.0f ns (%.0f/ins), emit %6.0f ns, "
           "of it mprotect %.0f\n", name, tool->t->n_ins, tool->a->n_code, tool->ex.code_size,
           assign, assign / tool->t->n_ins, emit, protect);
}

static void
test_time(void)
{
    Tool *tool = tool_new();
    sum_loop(tool);
    measure("sum", tool);
    tool = tool_new();
    pressure_loop(tool);
    measure("pressure", tool);
    for (uint32_t seed = 1; seed < 6; seed++) {
        tool = tool_new();
        random_root(tool, seed, 100);
        measure("random", tool);
    }
}

// ------------------------------------------------------------------------------------------------

static void
hand_made(void)
{
    static const struct { const char *name; void (*make)(Tool *); } traces[] = {
        { "swap", swap_loop }, { "pressure", pressure_loop }, { "snapshot", deep_snapshot },
        { "constants", constants },
    };
    tool_where = "sum";
    test_sum_loop();
    for (unsigned k = 0; k < sizeof(traces) / sizeof(traces[0]); k++) {
        tool_where = traces[k].name;
        run_all_ways(traces[k].make);
    }
    tool_where = "raising call";
    check(run_all_ways(raising_call) == 0x80000000u, "bit 31 says: with an exception");
    tool_where = "links";
    test_links();
    tool_where = "code memory";
    test_codemem();
    test_access();
}

static void
begin(int share_pages)
{
    codemem_share_pages(share_pages);
    if (codemem_init(64 << 20, (void *)begin)) {
        die("%s", codemem_error());
    }
}

static void
end(void)
{
    emit_fini();
    codemem_fini();
}

int
main(int argc, char **argv)
{
    begin(0);
    if (argc == 4 && !strcmp(argv[1], "random")) {
        random_trees(strtoul(argv[2], NULL, 0), strtoul(argv[3], NULL, 0));
    }
    else if (argc == 2 && !strcmp(argv[1], "time")) {
        test_time();
    }
    else {
        hand_made();
        end();
        begin(1);
        hand_made();
    }
    end();
    printf("ok\n");
    return 0;
}
