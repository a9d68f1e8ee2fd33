// trial.c - whether it pays to enter the compiled code of a code object, found out by timing.
//
// Entering and leaving compiled code costs as much as some dozen bytecodes. No rule over the length of
// a trace says whether that comes in again: paths that leave early, objects that are made only at
// exits, short loops each have costs of their own. So, once a code object with traces has started some
// hundred times, its next starts are dealt out in rounds of a few, alternately with its traces and
// without, and the CPU time from round to round is taken. That is all the thread's time, with what the
// traces cost elsewhere. If the fastest round with traces is slower than the fastest one without, and
// most pairs of rounds say the same, the code is left to the interpreter.
//
// Three things make the rounds alike:
//  - One code object is tried at a time, and nothing is recorded meanwhile: rounds in which something
//    was, or the thread changed, are taken again.
//  - Only outermost starts count: compiled code calls itself without our hearing of it.
//  - In rounds without traces the interpreter still reports every start and turn, which it would not if
//    the code were left alone: that is taken off (EVENT_NS).
//
// That code loses is held until all events are switched on again (hook.c), that it pays until another
// root trace of it comes; then there is another trial.
#include "trial.h"
#include "hook.h"

#include <time.h>

enum {
    PAIRS = 8,                  // of rounds, one with traces, one without
    STARTS = 32,                // in a round
    EVENT_NS = 14,              // what a callback that does nothing costs, at least
    LONG_ROUND_NS = 20000000,   // such runs are so long that entering is no matter
    MAX_LONG_ROUNDS = 3,
    MAX_ROUNDS = 8 * PAIRS,     // with those taken again
    MOST_FRAMES = 100,          // looked through for the same code
    PATIENCE = 2000,            // starts of others while a round waits for its next one
};

Trial trial;

static struct {
    unsigned round, taken, in_round, long_rounds, others;
    const PyThreadState *thread;
    uint64_t start;             // of the round, in ns
    uint64_t recordings;        // begun until then
    uint64_t ns[2][PAIRS];      // [without traces]
    uint32_t chance;            // counts calls of trial_new_chance
} now;

static uint64_t
thread_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
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
    trial.info = NULL;
    trial.refusing = false;
}

static Verdict
judge(void)
{
    uint64_t least[2] = {UINT64_MAX, UINT64_MAX};
    int slower = 0;
    for (int pair = 0; pair < PAIRS; pair++) {
        for (int without = 0; without < 2; without++) {
            uint64_t ns = now.ns[without][pair];
            least[without] = ns < least[without] ? ns : least[without];
        }
        slower += now.ns[0][pair] > now.ns[1][pair];
    }
    return slower > PAIRS * 2 / 3 && least[0] > least[1] + least[1] / 50 ? VERDICT_LOSES : VERDICT_PAYS;
}

static void
begin_round(void)
{
    trial.refusing = is_without(now.round);
    trial.events = 0;
    now.in_round = 0;
    now.recordings = jit.stats.recordings;
    now.thread = PyThreadState_GET();
    now.start = thread_ns();
}

static void
end_round(CodeInfo *info)
{
    uint64_t ns = thread_ns() - now.start, silent = (uint64_t)EVENT_NS * trial.events;
    bool without = trial.refusing;
    bool disturbed = jit.recorder != NULL || now.recordings != jit.stats.recordings
                     || now.thread != PyThreadState_GET();
    now.long_rounds += !disturbed && ns > LONG_ROUND_NS;
    if (now.long_rounds == MAX_LONG_ROUNDS || ++now.taken > MAX_ROUNDS) {
        end_trial(info, VERDICT_PAYS);
        return;
    }
    if (!disturbed) {
        now.ns[without][now.round / 2] = without && ns > silent ? ns - silent : ns;
        now.round++;
    }
    if (now.round < 2 * PAIRS) {
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

void
trial_arrive(CodeInfo *info, Frame *caller)
{
    if (trial.info != NULL && trial.info != info && ++now.others > PATIENCE) {
        trial_forget(trial.info);       // it hardly starts any more
    }
    if (trial.info == NULL && jit.params.trial_starts > 0 && ++info->starts >= (uint32_t)jit.params.trial_starts) {
        info->starts = 0;
        trial.info = info;
        now.round = now.taken = now.long_rounds = now.others = 0;
        begin_round();
        return;
    }
    if (trial.info != info) {
        return;
    }
    now.others = 0;
    trial.events += trial.refusing;
    if (is_outermost(info, caller) && ++now.in_round == STARTS) {
        end_round(info);
    }
}

void
trial_prepare(CodeInfo *info)
{
    info->has_traces = true;
    info->starts = 0;
    if (info->verdict == VERDICT_PAYS) {
        info->verdict = VERDICT_OPEN;
    }
}

void
trial_forget(const CodeInfo *info)
{
    if (info == NULL || trial.info == info) {
        trial.info = NULL;
        trial.refusing = false;
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
