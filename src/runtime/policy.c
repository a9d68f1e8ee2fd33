// policy.c - every rule about what is worth compiling, and what is worth entering.
//
// The budget. Recording and compiling may take FREE_NS, SHARE of the process's CPU time, and part of what
// compiled code has saved: a program that gains goes on compiling, one that does not stops soon. What it
// saves is told from samples: one that finds compiled code at work stands for the time since the last.
#include "policy.h"
#include "nominate.h"

enum {
    FREE_NS = 15000000,
    SHARE = 3,                  // percent of CPU time
    SAVED = 25,                 // percent of the time in compiled code that may be spent on more of it
    LONGEST_NS = 20000000,      // that one sample stands for
    BYTECODE_NS = 1500,         // for recording one, with its event (not the program's own work in it)
};

static struct {
    uint64_t spent, allowed;    // ns
    uint64_t start, last;       // CPU time, ns
    uint64_t in_code;           // ns
    const Frame *left;          // the frame whose compiled code saw the last request
} budget;

void
policy_begin(void)
{
    memset(&budget, 0, sizeof budget);
    budget.start = budget.last = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    budget.allowed = FREE_NS;
}

bool
policy_may_compile(void)
{
    return !nominate_is_on() || budget.spent < budget.allowed;
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
policy_left_by_request(const Frame *frame)
{
    budget.left = frame;
}

void
policy_sample(PyThreadState *tstate, bool late)
{
    uint64_t now = clock_ns(CLOCK_PROCESS_CPUTIME_ID), since = now - budget.last;
    bool in_code = budget.left != NULL && budget.left == compat_current_frame(tstate);
    (void)late;
    if (in_code) {
        budget.in_code += since < LONGEST_NS ? since : LONGEST_NS;
    }
    budget.last = now;
    budget.left = NULL;
    budget.allowed = FREE_NS + (now - budget.start) / 100 * SHARE + budget.in_code / 100 * SAVED;
}
