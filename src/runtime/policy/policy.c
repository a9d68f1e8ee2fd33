// policy.c - every rule about what is worth compiling, and what is worth entering.
//
// The budget. Recording and compiling may take FREE_NS, SHARE of the process's CPU time, and part of what
// compiled code has saved: a program that gains goes on compiling, one that does not stops soon. What it
// saves is told from samples: one that finds compiled code at work stands for the time since the last.
//
// The score. What one way through a trace spares is known when the trace is installed: the instructions that the
// interpreter would have spent on the bytecodes up to an exit, less those of the stencils, less the price of
// leaving there. Entries are judged in groups of JUDGED: their sum, each less the price of entering, says whether
// the anchor's traces pay. Loops that call C count their iterations (LOOP_TURN), which nobody feels there; of others the
// iterator tells the number (turns.h), or the time spent where there is none. Exits at which the tree is going to grow
// decide nothing: what lies behind them is to come.
// Traces that do not pay are left alone until samples find their code hot again, ever more of them each time.
#include "policy/policy.h"
#include "base/os.h"
#include "base/state.h"

#include <string.h>

enum {
    FREE_NS = 1000000,
    SHARE = 15,                 // thousandths of CPU time
    SAVED = 150,                // thousandths of the time in compiled code that may be spent on more of it
    LONGEST_NS = 20000000,      // that one sample stands for
    BYTECODE_NS = 1500,         // for recording one, with its event (not the program's own work in it)
};

static struct {
    uint64_t spent, allowed;    // ns
    uint64_t start, last;       // CPU time, ns
    uint64_t in_code;           // ns
    bool met;                   // the last request found compiled code at work
} budget;

void
policy_begin(void)
{
    memset(&budget, 0, sizeof budget);
    budget.start = budget.last = os_process_time();
    budget.allowed = FREE_NS;
}

bool
policy_may_compile(void)
{
    return !jit.nominates || budget.spent < budget.allowed;
}

void
policy_charge(uint64_t ns)
{
    budget.spent += ns;
}

void
policy_charge_bytecodes(int n)
{
    budget.spent += (uint64_t)n * BYTECODE_NS;
}

void
policy_in_code(void)
{
    budget.met = true;
}

void
policy_sample(void)
{
    uint64_t now = os_process_time(), since = now - budget.last;
    if (budget.met) {
        budget.in_code += since < LONGEST_NS ? since : LONGEST_NS;
    }
    budget.last = now;
    budget.met = false;
    budget.allowed = FREE_NS + (now - budget.start) / 1000 * SHARE + budget.in_code / 1000 * SAVED;
}

// --- prices -------------------------------------------------------------------------------------

enum {
    ENTER = 330,                // instructions: the event, and the way in (tests/cost counts them)
    ENTER_FUNCTION = 590,       // the same where a function starts, and the way out by its return
    ENTER_CALLED = 150,         // the same by the function's own vectorcall, coming from the interpreter
    LEAVE = 230,                // the way out
    LEAVE_FRAME = 900,          // each inlined frame is made, and finished by an evaluator of its own
    LEAVE_VALUE = 12,           // a slot to be written, an object to be made
    MOST_CALLED = 60,           // of a C function that a stencil calls: the interpreter calls it, too (but for those
                                // that make and end frames, which are in what a call costs there)
    OTHER_BYTECODE = 40,
    C_CALL = 60,                // for the call of a C function, without that function
    NESTED = 200,               // by which a Python function costs a trace more than the interpreter, which needs no
                                // evaluator of its own for it
    RESUME = 450,               // that the interpreter needs to resume a generator for C code, and not for a FOR_ITER
    INNER_LOOP = 170,           // by which ENTER and LEAVE are dearer than RUN_LOOP
    INNER_FUNCTION = 60,        // by which ENTER_CALLED is dearer than CALL_NATIVE
    LAST_RETURN = 30,           // from the frame that the trace was entered with: the interpreter ends that frame, too
    COLD = 150,                 // per cent of what is counted
    DOUBTFUL = 50,              // an iteration that seems to waste no more than this may be one that spares some
    PER_NS = 5,                 // instructions in a nanosecond
};

// What tools/costs.py has counted.
enum {
#define COST(name, instructions) BYTECODE_##name = instructions,
#include "policy/costs_bytecodes.def"
#undef COST
};

static const uint16_t uop_costs[UOP_COUNT] = {
#define COST(name, instructions) [UOP_##name] = instructions,
#include "policy/costs_uops.def"
#undef COST
};

// The form that each bytecode has most of the time when it is hot, and of several the cheapest. Bytecodes that spend most
// of it in a C function that a trace calls as well are not listed.
static const uint16_t bytecode_costs[BC_COUNT] = {
    [BC_NOP] = BYTECODE_NOP, [BC_RESUME] = BYTECODE_RESUME_CHECK, [BC_POP_TOP] = BYTECODE_POP_TOP,
    [BC_PUSH_NULL] = BYTECODE_PUSH_NULL, [BC_COPY] = BYTECODE_COPY, [BC_SWAP] = BYTECODE_SWAP,
    [BC_END_FOR] = BYTECODE_END_FOR, [BC_LOAD_FAST] = BYTECODE_LOAD_FAST,
    [BC_LOAD_FAST_CHECK] = BYTECODE_LOAD_FAST, [BC_LOAD_FAST_LOAD_FAST] = BYTECODE_LOAD_FAST_LOAD_FAST,
    [BC_STORE_FAST] = BYTECODE_STORE_FAST, [BC_STORE_FAST_STORE_FAST] = BYTECODE_STORE_FAST_STORE_FAST,
    [BC_STORE_FAST_LOAD_FAST] = BYTECODE_STORE_FAST_LOAD_FAST, [BC_LOAD_CONST] = BYTECODE_LOAD_CONST,
    [BC_LOAD_GLOBAL] = BYTECODE_LOAD_GLOBAL_MODULE, [BC_LOAD_DEREF] = BYTECODE_LOAD_DEREF,
    [BC_STORE_DEREF] = BYTECODE_STORE_DEREF, [BC_LOAD_ATTR] = BYTECODE_LOAD_ATTR_INSTANCE_VALUE,
    [BC_STORE_ATTR] = BYTECODE_STORE_ATTR_INSTANCE_VALUE, [BC_LOAD_SUPER_ATTR] = BYTECODE_LOAD_SUPER_ATTR_METHOD,
    [BC_BINARY_OP] = BYTECODE_BINARY_OP_ADD_FLOAT, [BC_UNARY_NOT] = BYTECODE_UNARY_NOT,
    [BC_TO_BOOL] = BYTECODE_TO_BOOL_BOOL, [BC_COMPARE_OP] = BYTECODE_COMPARE_OP_INT, [BC_IS_OP] = BYTECODE_IS_OP,
    [BC_BINARY_SUBSCR] = BYTECODE_BINARY_SUBSCR_LIST_INT,
    [BC_STORE_SUBSCR] = BYTECODE_STORE_SUBSCR_LIST_INT, [BC_POP_JUMP_IF_TRUE] = BYTECODE_POP_JUMP_IF_FALSE,
    [BC_POP_JUMP_IF_FALSE] = BYTECODE_POP_JUMP_IF_FALSE, [BC_POP_JUMP_IF_NONE] = BYTECODE_POP_JUMP_IF_NONE,
    [BC_POP_JUMP_IF_NOT_NONE] = BYTECODE_POP_JUMP_IF_NONE, [BC_JUMP_FORWARD] = BYTECODE_JUMP_FORWARD,
    [BC_JUMP_BACKWARD] = BYTECODE_JUMP_BACKWARD, [BC_FOR_ITER] = BYTECODE_FOR_ITER_LIST,
    [BC_UNPACK_SEQUENCE] = BYTECODE_UNPACK_SEQUENCE_TWO_TUPLE, [BC_CALL] = BYTECODE_CALL_PY_EXACT_ARGS,
    [BC_CALL_KW] = BYTECODE_CALL_PY_EXACT_ARGS, [BC_RETURN_VALUE] = BYTECODE_RETURN_VALUE,
    [BC_RETURN_CONST] = BYTECODE_RETURN_CONST, [BC_YIELD_VALUE] = BYTECODE_YIELD_VALUE,
};

uint32_t
policy_interpreter_cost(Bytecode op, int frames_before, int frames_after)
{
    if ((op == BC_RETURN_VALUE || op == BC_RETURN_CONST) && frames_before == 1) {
        return LAST_RETURN;
    }
    if ((op == BC_CALL || op == BC_CALL_KW) && frames_after == frames_before) {
        return C_CALL;
    }
    return bytecode_costs[op] != 0 ? bytecode_costs[op] : OTHER_BYTECODE;
}

uint32_t
policy_uninlined_call(PyObject *callable)
{
    return PyFunction_Check(callable) || Py_TYPE(callable) == &PyMethod_Type ? NESTED : 0;
}

uint32_t
policy_inner_entry(bool function)
{
    return function ? INNER_FUNCTION : INNER_LOOP;
}

uint32_t
policy_uninlined_next(const PyTypeObject *type)
{
    return type == &PyGen_Type ? RESUME : 0;
}

// A uop and the moves for it are placed one by one, all with its ref.
static int32_t
cost_of(const Placed *p, const Trace *t, Ref *counted)
{
    if (p->ref == NO_REF || p->ref == *counted) {
        return 1;                       // a move
    }
    *counted = p->ref;
    int op = t->ins[p->ref].op;
    int32_t cost = uop_costs[op];
    bool shared = (uop_table[op].flags & CALLS) && op != UOP_FRAME_PUSH && op != UOP_FRAME_POP;
    return shared && cost > MOST_CALLED ? MOST_CALLED : cost;
}

// Code that an entry executes once is in no cache, and its branches are not foreseen, where the interpreter's are; what
// a loop executes again is as fast as counted.
static int32_t
cold(int32_t cost)
{
    return (int32_t)((int64_t)cost * COLD / 100);
}

static int32_t
warm(int32_t cost)
{
    return (int32_t)((int64_t)cost * 100 / COLD);
}

static int32_t
leaving_cost(const Snapshot *snap)
{
    return LEAVE + LEAVE_FRAME * (snap->n_frames - 1) + LEAVE_VALUE * (int32_t)snap->count;
}

// The interpreter's instructions up to an exit, from where its root was entered.
static int32_t
interpreted_before(const Executor *ex, uint32_t n)
{
    int32_t sum = 0;
    for (; ex != NULL; n = ex->parent_exit, ex = ex->parent) {
        sum += (int32_t)ex->snaps[ex->exits[n].snap].interp;
    }
    return sum;
}

// A way round the loop of `root`, which does not go round by itself, has been priced.
static void
price_turn(Executor *root, int32_t interp, int32_t gain)
{
    int32_t n = ++root->n_ways;
    root->turn_gain += (gain - root->turn_gain) / n;
    root->turn_cost += (interp - gain - root->turn_cost) / n;
}

// What the parent had spared when it was left, without the price of leaving it.
static int32_t
spared_before(const Executor *parent, uint32_t parent_exit)
{
    if (parent == NULL) {
        return 0;
    }
    const Exit *from = &parent->exits[parent_exit];
    return from->gain + leaving_cost(&parent->snaps[from->snap]);
}

// Instructions that the trace takes. Its exits get what they spare.
static int32_t
price_exits(Executor *ex, const Assignment *a, const Trace *t, int32_t interp, int32_t spared)
{
    int32_t cost = 0, before_loop = 0;
    Ref counted = NO_REF;
    for (uint32_t i = 0; i < a->n_code; i++) {
        if (t->loop != NO_REF && i == a->loop_at) {
            before_loop = cost;
            spared += interp;
        }
        cost += cost_of(&a->code[i], t, &counted);
        if (a->code[i].exit != NO_EXIT) {
            Exit *exit = &ex->exits[a->code[i].exit];
            const Snapshot *snap = &ex->snaps[exit->snap];
            exit->gain = spared + (int32_t)snap->interp - cold(cost) - leaving_cost(snap);
        }
    }
    ex->return_gain = spared + interp - cold(cost);
    return cost - before_loop;
}

// The iterations that a trace which goes round counts itself. In front of the loop it counts none: the price of
// each exit has that one.
static void
tell_turns(Executor *ex, Assignment *a, const Trace *t, int32_t gain)
{
    for (uint32_t i = 0; i < a->n_code; i++) {
        if (a->code[i].ref != NO_REF && t->ins[a->code[i].ref].op == UOP_LOOP_TURN) {
            bool counts = t->loop == NO_REF || i >= a->loop_at;
            a->code[i].operand[0] = (uint64_t)(int64_t)(counts ? gain : 0);
            ex->root->counts_turns |= !ex->is_side || !ex->root->loops;
        }
    }
}

AbortReason
policy_price(Executor *ex, Assignment *a, const Trace *t, uint32_t interp, const Executor *parent,
             uint32_t parent_exit)
{
    int32_t spared = spared_before(parent, parent_exit);
    int32_t cost = price_exits(ex, a, t, (int32_t)interp, spared);
    if (t->loop != NO_REF) {
        ex->turn_cost = cost;
        ex->turn_gain = (int32_t)interp - cost;
        tell_turns(ex, a, t, ex->turn_gain);
    }
    else if (parent != NULL) {
        int32_t all = interpreted_before(parent, parent_exit) + (int32_t)interp, gain = all - warm(all - ex->return_gain);
        tell_turns(ex, a, t, gain);
        if (ex->jumps_to == ex->root && !ex->root->loops) {
            price_turn(ex->root, all, gain);
        }
    }
    // One entry can go round for as long as the program runs, and is judged when it is left.
    bool loses = jit.nominates && !ex->is_side && t->loop != NO_REF && ex->turn_gain < -DOUBTFUL;
    return loses ? ABORT_DOES_NOT_PAY : ABORT_NONE;
}

// --- whether an exit is hot ---------------------------------------------------------------------

// A side trace takes 100 to 300 us to make and spares about a quarter of one each time. An exit that is taken now and
// then reaches any count in the end, and code that is seldom executed is slow: it is in no cache.
enum { WINDOW_MS = 150 };        // of CPU time, in which side_threshold times are often

static uint32_t
at_once(void)
{
    return (uint32_t)jit.params.side_threshold / 3;
}

uint32_t
policy_first_look(void)
{
    return jit.nominates && at_once() > 0 ? at_once() : (uint32_t)jit.params.side_threshold;
}

bool
policy_is_hot(Exit *exit)
{
    if (!jit.nominates) {
        return true;
    }
    uint32_t now = (uint32_t)(os_process_time() / 1000000) + 1;
    if (exit->since != 0 && now - exit->since <= WINDOW_MS) {
        return true;
    }
    exit->since = now;
    exit->retry = exit->count + (uint32_t)jit.params.side_threshold - at_once();
    return false;
}

// --- whether entering pays ----------------------------------------------------------------------

enum {
    JUDGED = 64,                // entries that are summed up ...
    CLEAR_LOSS = 300000,        // ... or fewer, when they have wasted more instructions than the ways in and out of 64 take
    MARGIN = 200,               // instructions that one of them must spare: what is not counted (caches, say) costs, too
    MARGIN_CALLED = 50,         // the same where functions have doors: what there is to an entry is nearly all counted
    AGAIN = 4,                  // times as many entries pass before the next
    MOST_TURNS = 2000,          // iterations that one entry counts for, at most
    FEW_TIMES = 4,
    OVERHEAD_NS = 40,           // between two looks at the clock with nothing in between
};

uint64_t
policy_first_judged(void)
{
    return jit.nominates ? 0 : UINT64_MAX;
}

void
policy_entering(Verdict *verdict, const Executor *root, Frame *frame)
{
    *verdict = (Verdict){.root = root};
    turns_begin(&verdict->seen, root, frame);
}

void
policy_started(Verdict *verdict)
{
    verdict->ns = os_now();
}

void
policy_stopped(Verdict *verdict)
{
    verdict->ns = os_now() - verdict->ns;
}

// From the time, where nothing better is known.
static void
guess_turns(Verdict *verdict)
{
    int32_t cost = verdict->root->turn_cost;
    int64_t ns = (int64_t)verdict->ns - OVERHEAD_NS, turns = cost > 0 && ns > 0 ? ns * PER_NS / cost : 0;
    verdict->turns = turns > MOST_TURNS ? MOST_TURNS : turns;
    if (verdict->seen.iterator != NULL && verdict->turns > verdict->seen.ahead) {
        verdict->turns = verdict->seen.ahead;
    }
}

void
policy_left(Verdict *verdict, const Exit *exit, Frame *frame, bool growing)
{
    verdict->told = verdict->left = true;
    verdict->growing = growing;
    verdict->gain = exit->gain;
    verdict->turns = turns_since(&verdict->seen, verdict->root, frame);
    verdict->counted = verdict->turns != TURNS_UNKNOWN;
    if (!verdict->counted) {
        guess_turns(verdict);
    }
}

void
policy_returned(Verdict *verdict, const Executor *ex)
{
    verdict->told = true;
    verdict->gain = ex->return_gain;
    guess_turns(verdict);
}

// What the further iterations of a group have spared. The time of an entry may have been spent in Python code that the
// loop calls, a recursive call even; so none counts for more than FEW_TIMES the iterations of the shortest.
static int64_t
turns_gain(const Executor *ex)
{
    int64_t sum = 0, most = -1;
    for (int k = 0; k < (int)Py_ARRAY_LENGTH(ex->turns); k++) {
        if (ex->turns[k] != 0) {
            int64_t turns = ((int64_t)1 << k) - 1;
            most = most < 0 ? (turns + 1) * FEW_TIMES - 1 : most;
            sum += ex->turns[k] * (turns < most ? turns : most);
        }
    }
    return (sum + ex->counted_turns) * ex->turn_gain;
}

// What the entries since the last judgement have spared, or wasted, if the last group was like all of them.
void
policy_book(Executor *ex)
{
    int64_t sum = (int64_t)(ex->entered - ex->booked) * ex->mean_gain;
    ex->booked = ex->entered;
    if (sum >= 0) {
        jit.stats.spared += (uint64_t)sum;
    }
    else {
        jit.stats.wasted += (uint64_t)-sum;
    }
}

// true: it does not pay.
static bool
decide(Executor *ex, int64_t gain, bool may_have_door)
{
    bool pays = gain >= (int64_t)ex->judged * (may_have_door ? MARGIN_CALLED : MARGIN);
    ex->mean_gain = (int32_t)(gain / ex->judged);
    policy_book(ex);
    ex->pays = pays;
    ex->judged = 0;
    ex->score = 0;
    ex->counted_turns = 0;
    memset(ex->turns, 0, sizeof ex->turns);
    ex->judge_from = pays ? ex->entered * AGAIN : ex->entered;
    return !pays;
}

// Until a function's trace was found to pay it is judged as if it were entered the cheap way already.
static int32_t
price_of_entry(const Executor *ex, const Verdict *verdict, EntryWay way, bool may_have_door)
{
    if (way == ENTRY_BY_RESUMPTION) {
        return ENTER - RESUME;
    }
    bool cheap_soon = !ex->pays && may_have_door;
    if (way == ENTRY_BY_CALL || cheap_soon) {
        return verdict->left ? ENTER_CALLED + NESTED : ENTER_CALLED;
    }
    return ex->is_function ? ENTER_FUNCTION : ENTER;
}

bool
policy_judge(Executor *ex, const Verdict *verdict, EntryWay way, bool may_have_door)
{
    if (!verdict->told || verdict->growing) {
        return false;
    }
    ex->score += verdict->spared;
    if (ex->counts_turns || verdict->spared != 0) {
        // (also where the path went on in a loop that counts)
    }
    else if (verdict->counted) {
        ex->counted_turns += verdict->turns;
    }
    else {
        int k = 0;
        while ((verdict->turns + 1) >> (k + 1) != 0) {
            k++;
        }
        ex->turns[k]++;
    }
    ex->score += verdict->gain - price_of_entry(ex, verdict, way, may_have_door);
    int64_t gain = ex->score + turns_gain(ex);
    return (++ex->judged >= JUDGED || gain < -CLEAR_LOSS) && decide(ex, gain, may_have_door);
}

enum { COUNTED = 16 };          // entries before a door is opened where nothing is judged

bool
policy_wants_door(const Executor *ex)
{
    return jit.nominates ? ex->pays : ex->entered >= COUNTED;
}
