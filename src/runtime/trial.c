// trial.c - whether it pays to enter the compiled code of a code object, found out by timing.
//
// Entering and leaving compiled code costs as much as some dozen bytecodes. No rule over the length of
// a trace says whether that comes in again: paths that leave early, objects that are made only at
// exits, short loops each have costs of their own. So, once a code object with traces has started some
// hundred times, its next starts are dealt out in rounds of a few, alternately with its traces and
// without, and the time of its runs is taken, round by round. If runs with traces are slower the code is left
// to the interpreter. No two runs are alike, and now and then something else takes time: so what counts is how
// often, and how clearly in comparison with others, one round of a pair beats the other (Wilcoxon's signed-rank
// test, "Individual comparisons by ranking methods", 1945). It is asked after 4, 8 and 16 pairs.
//
// A run is what is done alike with traces and without: from the start of a function, or the first turn of its
// loop, to its return; of a generator, to its next yield. The interpreter reports the end (hook.c). If a
// consumer takes all values of a generator, the run lasts until it has them: how many values compiled code
// hands over at a time is its own affair. What goes on between runs is not timed: code that has a small share
// of the program's time is judged as surely as code that has a large one.
//
// A large program has hundreds of such code objects, so several are tried at a time. Four things make
// the rounds alike:
//  - Runs in which something was recorded, or the thread changed, do not count.
//  - Only outermost runs count: compiled code calls itself without our hearing of it.
//  - What the interpreter reports on our behalf, but would not if the code were left alone, is taken off
//    (EVENT_NS), and what it would go on reporting if it were not is added. So is what timing a run within
//    the run has cost (TIMING_NS).
//  - Trials within one another change sides each at its own time: what the inner one does to a round of the
//    outer one differs from pair to pair, and decides nothing.
//
// That code loses is held until all events are switched on again (hook.c); with each further loss in a row, for
// twice as many of these times. That it pays is held until another root trace of it comes. Then there is
// another trial.
#include "trial.h"
#include "hook.h"

#include <math.h>

enum {
    AT_A_TIME = 8,
    STARTS = 32,                // in a round
    MOST_LOST = 8 * STARTS,     // in a row that end in an exception, or are never heard to end
    EVENT_NS = 30,              // what a callback that does nothing costs
    TIMING_NS = 60,             // what a timed run costs over another one, at least
    LONG_ROUND_NS = 500000,     // ends before all its runs have been
    LONG_RUN_NS = 5000000,      // so long that entering is no matter, and one without traces would be felt
    WORTH = 16,                 // traces must spare at least one part in so many
    MOST_FRAMES = 100,          // looked through for the same code
    PATIENCE = 8000,            // arrivals in one round, while others wait
    MOST_TRIALS = 10,           // each needs twice as many starts as the one before
    MOST_LOSSES = 6,            // each waits for twice as many chances
};

static Trial trials[AT_A_TIME];

static struct {
    uint64_t arrivals;          // of code that is to be tried
    uint64_t full_until;        // no place is free before so many arrivals
    uint64_t events;            // reported for nothing
    uint64_t runs;              // timed
    unsigned consumed;          // being timed, which end with their consumer
    uint32_t chance;            // counts calls of trial_new_chance
} all;

// Pairs begin alternately with and without traces, so that what gets slower or faster with time
// touches both alike.
static bool
is_without(unsigned round)
{
    return ((round + 1) & 2) != 0;
}

static void
no_run(Trial *t)
{
    if (t->frame != NULL) {
        all.consumed -= t->consumed;
        t->frame = NULL;
    }
}

static void
give_up(Trial *t)
{
    CodeInfo *info = t->info;
    no_run(t);
    t->info = NULL;
    t->refusing = false;
    info->trial = NULL;
    all.full_until = 0;
}

static void
end_trial(Trial *t, Verdict verdict)
{
    CodeInfo *info = t->info;
    info->verdict = (uint8_t)verdict;
    info->trials = 0;
    give_up(t);
    hook_report_ends(info->code);
    if (verdict == VERDICT_LOSES) {
        info->next_chance = all.chance + (1u << info->losses);
        info->losses += info->losses < MOST_LOSSES;
        hook_log_abort(info->code, info->code->co_firstlineno, ABORT_DOES_NOT_PAY, "");
        jit.changes++;
        hook_listen_later();
    }
    else {
        info->losses = 0;
    }
}

// Are runs with traces at most two thirds as long as those without, in both of the first pairs?
static bool
pays_plainly(const Trial *t, int pairs)
{
    if (pairs != 2) {
        return false;
    }
    for (int pair = 0; pair < pairs; pair++) {
        if (t->ns[0][pair] * 3 > t->ns[1][pair] * 2) {
            return false;
        }
    }
    return true;
}

// What traces cost in one pair. Between runs, too, there is more to do with them (memory, caches): WORTH.
static double
difference(const Trial *t, int pair)
{
    return t->ns[0][pair] * (1 + 1.0 / WORTH) - t->ns[1][pair];
}

// How many standard deviations the sum of signed ranks is from what chance would make it; > 0: slower with traces.
static double
slowness(const Trial *t, int pairs)
{
    double sum = 0;
    for (int pair = 0; pair < pairs; pair++) {
        double size = fabs(difference(t, pair));
        int rank = 1;
        for (int other = 0; other < pairs; other++) {
            double others = fabs(difference(t, other));
            rank += others < size || (others == size && other < pair);
        }
        sum += difference(t, pair) > 0 ? rank : -rank;
    }
    return sum / sqrt(pairs * (pairs + 1.0) * (2.0 * pairs + 1.0) / 6.0);
}

static Verdict
judge(const Trial *t)
{
    int pairs = (int)t->round / 2;
    if (t->round % 2 != 0) {
        return VERDICT_OPEN;
    }
    if (pays_plainly(t, pairs)) {
        return VERDICT_PAYS;
    }
    if (pairs < 4 || (pairs & (pairs - 1)) != 0) {
        return VERDICT_OPEN;
    }
    double z = slowness(t, pairs);
    if (fabs(z) < 1.8 && pairs < TRIAL_PAIRS) {     // 4 pairs: all say the same
        return VERDICT_OPEN;
    }
    return z > 0 ? VERDICT_LOSES : VERDICT_PAYS;
}

static void
begin_round(Trial *t)
{
    t->refusing = is_without(t->round);
    t->in_round = 0;
    t->spent = 0;
    t->arrivals = all.arrivals;
}

static void
end_round(Trial *t)
{
    t->ns[t->refusing][t->round++ / 2] = (double)t->spent / t->in_round;
    Verdict verdict = judge(t);
    if (verdict == VERDICT_OPEN) {
        begin_round(t);
    }
    else {
        end_trial(t, verdict);
    }
}

static bool
is_outermost(const CodeInfo *info, Frame *caller)
{
    for (int i = 0; i < MOST_FRAMES; i++, caller = compat_frame_previous(caller)) {
        if (caller == NULL) {
            return true;
        }
        if (!compat_frame_is_c_entry(caller) && compat_frame_code(caller) == info->code) {
            return false;
        }
    }
    return false;
}

// A place that is free, or whose code hardly ever runs; NULL: none for now.
static Trial *
find_place(void)
{
    if (all.arrivals < all.full_until) {
        return NULL;
    }
    for (Trial *t = trials; t < trials + AT_A_TIME; t++) {
        if (t->info != NULL && all.arrivals - t->arrivals > PATIENCE) {
            trial_stop(t->info);
        }
        if (t->info == NULL) {
            return t;
        }
    }
    all.full_until = all.arrivals + STARTS;
    return NULL;
}

// The run that starts now is not part of it: the interpreter has not been asked to report its end.
static void
begin_trial(CodeInfo *info)
{
    Trial *t = find_place();
    if (t != NULL) {
        *t = (Trial){.info = info};
        info->trial = t;
        info->starts = 0;
        info->trials += info->trials < MOST_TRIALS;
        begin_round(t);
        hook_report_ends(info->code);
    }
}

void
trial_arrive(CodeInfo *info, Frame *frame, Frame *caller, bool consumed)
{
    Trial *t = info->trial;
    all.arrivals++;
    if (t == NULL) {
        if (jit.params.trial_starts > 0
            && ++info->starts >= (uint64_t)jit.params.trial_starts << info->trials) {
            begin_trial(info);
        }
        return;
    }
    if (!is_outermost(info, caller)) {
        all.events += t->refusing;
        return;
    }
    if (jit.recorder != NULL) {
        return;
    }
    if (++t->lost > MOST_LOST) {
        end_trial(t, VERDICT_PAYS);
        return;
    }
    no_run(t);
    t->frame = frame;
    t->consumed = consumed;
    all.consumed += consumed;
    t->events = all.events;
    t->runs = all.runs;
    t->recordings = jit.stats.recordings;
    t->thread = PyThreadState_GET();
    t->start = now_ns();
}

static void
end_run(Trial *t)
{
    uint64_t ns = now_ns() - t->start;
    uint64_t ours = EVENT_NS * (all.events - t->events) + TIMING_NS * (all.runs - t->runs);
    bool heard = !t->refusing && !t->consumed;
    no_run(t);
    all.runs++;
    if (jit.recorder != NULL || t->recordings != jit.stats.recordings || t->thread != PyThreadState_GET()) {
        return;
    }
    t->spent += (ns > ours ? ns - ours : ns) + (heard ? EVENT_NS : 0);
    t->lost = 0;
    t->in_round++;
    if (ns > LONG_RUN_NS) {
        end_trial(t, VERDICT_PAYS);
    }
    else if (t->in_round == STARTS || t->spent > LONG_ROUND_NS) {
        end_round(t);
    }
}

void
trial_end_run(CodeInfo *info, Frame *frame, bool reported)
{
    all.events += reported;
    if (info->trial->frame == frame && !info->trial->consumed) {
        end_run(info->trial);
    }
}

void
trial_consumed(PyObject *generator)
{
    Trial *t = trials;
    while (all.consumed > 0 && t < trials + AT_A_TIME) {
        if (t->consumed && t->frame == compat_generator_frame(generator)) {
            end_run(t);
            return;
        }
        t++;
    }
}

void
trial_needless_event(void)
{
    all.events++;
}

void
trial_prepare(CodeInfo *info)
{
    info->has_traces = true;
    info->starts = 0;
    info->trials = 0;
    if (info->verdict == VERDICT_PAYS) {
        info->verdict = VERDICT_OPEN;
    }
}

void
trial_forget(CodeInfo *dead)
{
    if (dead->trial != NULL) {
        give_up(dead->trial);
    }
}

void
trial_stop(CodeInfo *info)
{
    if (info->trial != NULL) {
        give_up(info->trial);
        hook_report_ends(info->code);
    }
}

void
trial_stop_all(void)
{
    for (Trial *t = trials; t < trials + AT_A_TIME; t++) {
        if (t->info != NULL) {
            trial_stop(t->info);
        }
    }
}

void
trial_new_chance(void)
{
    all.chance++;
    jit.changes++;
}

bool
trial_lost(CodeInfo *info)
{
    if (info->verdict == VERDICT_LOSES && (int32_t)(all.chance - info->next_chance) >= 0) {
        info->verdict = VERDICT_OPEN;
        info->starts = 0;
    }
    return info->verdict == VERDICT_LOSES;
}
