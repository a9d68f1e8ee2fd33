// trial.c - whether it pays to enter the compiled code of a code object, found out by timing.
//
// Entering and leaving compiled code costs as much as some dozen bytecodes. No rule over the length of
// a trace says whether that comes in again: paths that leave early, objects that are made only at
// exits, short loops each have costs of their own. So, once a code object with traces has started some
// hundred times, its next starts are dealt out in rounds of a few, alternately with its traces and
// without, and the time of its runs is taken, round by round. If the fastest round with traces is slower
// than the fastest one without, and most pairs of rounds say the same, the code is left to the interpreter.
//
// A run is what is done alike with traces and without: from the start of a function, or the first turn of its
// loop, to its return; of a generator, to its next yield. The interpreter reports the end (hook.c). What goes
// on between runs is not timed: code that has a small share of the program's time is judged as surely as
// code that has a large one. Only generators whose values a consumer takes (consumers.c) are timed as a
// whole, by the thread's CPU time from start to start: how many values compiled code hands over at a
// time is its own affair.
//
// Three things make the rounds alike:
//  - One code object is tried at a time, and nothing is recorded meanwhile: runs in which something
//    was, or the thread changed, do not count.
//  - Only outermost runs count: compiled code calls itself without our hearing of it.
//  - What the interpreter reports on our behalf, but would not if the code were left alone, is taken off
//    (EVENT_NS), and what it would go on reporting if it were not is added.
//
// That code loses is held until all events are switched on again (hook.c), that it pays until another
// root trace of it comes; then there is another trial.
#include "trial.h"
#include "hook.h"

enum {
    PAIRS = 8,                  // of rounds, one with traces, one without
    STARTS = 32,                // in a round
    MOST_LOST = 8 * STARTS,     // in a row that end in an exception, or are never heard to end
    EVENT_NS = 14,              // what a callback that does nothing costs, at least
    LONG_ROUND_NS = 20000000,   // such runs are so long that entering is no matter: the round ends then
    MAX_LONG_ROUNDS = 3,
    MAX_ROUNDS = 8 * PAIRS,     // with those taken again
    MOST_FRAMES = 100,          // looked through for the same code
    PATIENCE = 8000,            // starts of others in one round
    MOST_TRIALS = 10,           // each needs twice as many starts as the one before
};

Trial trial;

static struct {
    bool whole;                 // all that the thread does is timed
    unsigned round, taken, in_round, long_rounds, others, lost;
    const PyThreadState *thread;
    uint64_t start;             // of the round, or of the run, in ns
    uint64_t spent;             // in runs of this round, in ns
    uint32_t events;            // of this round, when the run began
    uint64_t recordings;        // begun until then
    uint64_t ns[2][PAIRS];      // [without traces]
    uint32_t chance;            // counts calls of trial_new_chance
} now;

static uint64_t
thread_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

// Pairs begin alternately with and without traces, so that what gets slower or faster with time
// touches both alike.
static bool
is_without(unsigned round)
{
    return ((round + 1) & 2) != 0;
}

static void
end_trial(CodeInfo *info, Verdict verdict)
{
    info->verdict = (uint8_t)verdict;
    info->chance = now.chance;
    info->trials = 0;
    trial_forget(NULL);
}

// Half of the pairs are enough if they all say the same.
static bool
is_clear(void)
{
    int slower = 0;
    for (int pair = 0; pair < PAIRS / 2; pair++) {
        slower += now.ns[0][pair] > now.ns[1][pair];
    }
    return now.round == PAIRS && (slower == 0 || slower == PAIRS / 2);
}

static Verdict
judge(void)
{
    uint64_t least[2] = {UINT64_MAX, UINT64_MAX};
    int slower = 0, pairs = (int)now.round / 2;
    for (int pair = 0; pair < pairs; pair++) {
        for (int without = 0; without < 2; without++) {
            uint64_t ns = now.ns[without][pair];
            least[without] = ns < least[without] ? ns : least[without];
        }
        slower += now.ns[0][pair] > now.ns[1][pair];
    }
    return slower > pairs * 2 / 3 && least[0] > least[1] + least[1] / 50 ? VERDICT_LOSES : VERDICT_PAYS;
}

static void
begin_span(uint64_t start)
{
    now.recordings = jit.stats.recordings;
    now.thread = PyThreadState_GET();
    now.start = start;
}

// Has what began then been disturbed?
static bool
is_disturbed(void)
{
    return jit.recorder != NULL || now.recordings != jit.stats.recordings || now.thread != PyThreadState_GET();
}

static void
begin_round(void)
{
    trial.refusing = is_without(now.round);
    trial.events = 0;
    trial.frame = NULL;
    now.in_round = 0;
    now.others = 0;
    now.spent = 0;
    if (now.whole) {
        begin_span(thread_ns());
    }
}

static void
end_round(CodeInfo *info)
{
    uint64_t ns = now.whole ? thread_ns() - now.start : now.spent;
    uint64_t silent = (uint64_t)EVENT_NS * trial.events;
    bool disturbed = now.whole && is_disturbed();
    now.long_rounds += !disturbed && ns > LONG_ROUND_NS;
    if (now.long_rounds == MAX_LONG_ROUNDS || ++now.taken > MAX_ROUNDS) {
        end_trial(info, VERDICT_PAYS);
        return;
    }
    if (!disturbed && now.in_round == STARTS) {
        now.ns[trial.refusing][now.round / 2] = ns > silent ? ns - silent : ns;
        now.round++;
    }
    if (now.round < 2 * PAIRS && !is_clear()) {
        begin_round();
        return;
    }
    Verdict verdict = judge();
    end_trial(info, verdict);
    if (verdict == VERDICT_LOSES) {
        jit.stats.aborts[ABORT_DOES_NOT_PAY]++;
        hook_log_abort(info->code, info->code->co_firstlineno, ABORT_DOES_NOT_PAY, "");
        jit.changes++;
        hook_listen_later();
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

// true: it is this code object that is being tried.
static bool
take_part(CodeInfo *info, bool whole)
{
    if (trial.info != NULL && trial.info != info && ++now.others > PATIENCE) {
        trial_forget(NULL);             // its runs hardly ever begin, or end
    }
    if (trial.info == NULL && jit.params.trial_starts > 0
        && ++info->starts >= (uint64_t)jit.params.trial_starts << info->trials) {
        info->starts = 0;
        info->trials += info->trials < MOST_TRIALS;
        trial.info = info;
        now.whole = whole;
        now.round = now.taken = now.long_rounds = now.lost = 0;
        begin_round();
        if (!whole) {
            hook_report_ends(info->code);
        }
        return false;                   // this run has begun
    }
    return trial.info == info && now.whole == whole;
}

void
trial_arrive(CodeInfo *info, Frame *frame, Frame *caller)
{
    if (!take_part(info, false)) {
        return;
    }
    if (!is_outermost(info, caller)) {
        trial.events += trial.refusing;
        return;
    }
    if (jit.recorder != NULL) {
        return;
    }
    if (++now.lost > MOST_LOST) {
        end_trial(info, VERDICT_PAYS);
        return;
    }
    trial.frame = frame;
    now.events = trial.events;
    begin_span(now_ns());
}

void
trial_depart(Frame *frame, bool reported)
{
    if (trial.frame == NULL) {
        return;
    }
    trial.events += reported;
    if (trial.frame == frame) {
        uint64_t ns = now_ns() - now.start;
        trial.frame = NULL;
        if (is_disturbed()) {
            trial.events = now.events;
        }
        else {
            now.spent += ns + (trial.refusing ? 0 : EVENT_NS);
            now.lost = 0;
            if (++now.in_round == STARTS || now.spent > LONG_ROUND_NS) {
                end_round(trial.info);
            }
        }
    }
}

void
trial_arrive_consumed(CodeInfo *info, Frame *caller)
{
    if (take_part(info, true)) {
        trial.events += trial.refusing;
        if (is_outermost(info, caller) && ++now.in_round == STARTS) {
            end_round(info);
        }
    }
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
trial_forget(const CodeInfo *dead)
{
    if (trial.info == NULL || (dead != NULL && trial.info != dead)) {
        return;
    }
    trial.info = NULL;
    trial.frame = NULL;
    trial.refusing = false;
    if (dead != NULL) {
        hook_timed_is_gone();
    }
    else if (!now.whole) {
        hook_report_ends(NULL);
    }
}

void
trial_new_chance(void)
{
    now.chance++;
    jit.changes++;
}

bool
trial_lost(CodeInfo *info)
{
    if (info->verdict == VERDICT_LOSES && info->chance != now.chance) {
        info->verdict = VERDICT_OPEN;
        info->starts = 0;
    }
    return info->verdict == VERDICT_LOSES;
}
