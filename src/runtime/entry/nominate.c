// nominate.c - from samples to code objects whose loops and starts are heard.
//
// In:   samples: the frames of the thread that runs, a few hundred times a second at most.
// Out:  code objects with local JUMP and PY_START events, so that hook.c can count and enter.
//
// Cold code costs nothing: it has no events. A sample walks the frames from the innermost outwards and credits
// the innermost loop around each; the innermost frame's function, if it stands in no loop. A place credited
// twice within a short time is *heard*: its code object gets local events. From there on counters decide
// (hook.c), so what is compiled first is what turns most often, not what a sample happened to meet.
//
// Compiled code nominates, too: a function that it calls natively again and again, and that has no trace; a loop of a
// called function at which a trace had to end. No sample would: it meets the trace, or the loop around.
//
// Code that was heard in vain (it is cold, or hot for long and nothing of it was compiled, or what was compiled does
// not pay) loses its events, and needs twice as many samples the next time.
#include "entry/nominate.h"
#include "entry/hook.h"
#include "entry/sampler.h"
#include "policy/policy.h"
#include "run/anchors.h"

enum {
    MAX_WALK = 16,              // frames looked at in one sample
    MAX_SCANS = 4,              // code objects read for their loops in one sample
    CREDITS = 512,              // places remembered; a power of two
    WANTED = 2,                 // credits that nominate
    MAX_VAIN = 8,               // WANTED is doubled that often at most ...
    MAX_VAIN_HOT = 10,          // ... and for code that was heard for so long
    FRESH = 100,                // samples within which credits count together
    PATIENCE = 8,               // samples that cold code is heard without a trace
    MAX_HEARD = 64,             // samples that hot code is
    MAX_ASKED = 3,              // times heard in vain after which only samples nominate
    NO_LOOP = -1,
};

static struct {
    uint64_t now;               // number of the present sample
    CodeInfo **heard;           // code objects with events
    size_t n_heard, room;
} all;

// A place that samples met: a loop head, or NO_LOOP for the function's start. `code` is compared only.
typedef struct {
    const PyCodeObject *code;
    uint32_t version;           // of `code`
    int head;
    uint32_t count;
    uint64_t last;
} Credit;

static Credit credits[CREDITS];

// The loop around an instruction, as found before. `code` is compared only, with its version: where a code object
// was, there may be another one now.
static struct { const PyCodeObject *code; uint32_t version; int at, head; } scanned[CREDITS];

// --- where a frame stands ---------------------------------------------------------------------

static size_t
slot_of(const PyCodeObject *code, int offset)
{
    return (((uintptr_t)code >> 5) * 31 + (size_t)(unsigned)offset * 2654435761u) % CREDITS;
}

// The head of the innermost loop around `at`: of the backward jumps behind it that lead before it, the
// nearest target.
static int
scan_for_loop(PyCodeObject *code, int at)
{
    int head = NO_LOOP, size = (int)Py_SIZE(code);
    Instr in;
    for (int offset = at; offset < size; offset = in.next) {
        if (compat_decode(code, offset, &in) < 0) {
            PyErr_Clear();
            break;
        }
        bool around = in.op == BC_JUMP_BACKWARD && in.target <= at;
        head = around && in.target > head ? in.target : head;
    }
    return head;
}

// false: not known, and too many were looked for already.
static bool
loop_around(PyCodeObject *code, int at, int *scans, int *head)
{
    size_t i = slot_of(code, at);
    if (scanned[i].code != code || scanned[i].version != code->co_version || scanned[i].at != at) {
        if (++*scans > MAX_SCANS) {
            return false;
        }
        scanned[i].head = scan_for_loop(code, at);
        scanned[i].code = code;
        scanned[i].version = code->co_version;
        scanned[i].at = at;
    }
    *head = scanned[i].head;
    return true;
}

// --- hearing ----------------------------------------------------------------------------------

static bool
remember(CodeInfo *info)
{
    if (all.n_heard == all.room) {
        size_t room = all.room * 2 + 32;
        CodeInfo **bigger = PyMem_Realloc(all.heard, room * sizeof *bigger);
        if (bigger == NULL) {
            return false;
        }
        all.heard = bigger;
        all.room = room;
    }
    all.heard[all.n_heard++] = info;
    return true;
}

void
nominate_forget(CodeInfo *info)
{
    for (size_t i = 0; i < all.n_heard; i++) {
        if (all.heard[i] == info) {
            all.heard[i] = all.heard[--all.n_heard];
            return;
        }
    }
}

static void
set_heard(CodeInfo *info, uint8_t heard)
{
    if (info->heard == heard || (info->heard == 0 && !remember(info))) {
        return;
    }
    info->heard = heard;
    if (heard == 0) {
        nominate_forget(info);
    }
    jit.changes++;              // what is remembered of generators holds no longer
    hook_update_events(info);
}

// Nothing of the code object was compiled in time, or what was does not pay.
static void
heard_in_vain(CodeInfo *info)
{
    info->vain += info->vain < (all.now - info->heard_since < MAX_HEARD ? MAX_VAIN : MAX_VAIN_HOT);
    set_heard(info, 0);
}

void
nominate_refresh(CodeInfo *info)
{
    uint8_t wanted = jit.nominates ? anchor_events_wanted(info) : 0;
    if (wanted != 0) {
        set_heard(info, wanted);
    }
    else if (info->heard && info->resting) {
        heard_in_vain(info);
    }
}

void
nominate_forget_all(void)
{
    while (all.n_heard > 0) {
        set_heard(all.heard[all.n_heard - 1], 0);
    }
    memset(credits, 0, sizeof credits);
    memset(scanned, 0, sizeof scanned);
}

void
nominate_switch(bool on)
{
    jit.nominates = on;
    all.now = 0;
    memset(credits, 0, sizeof credits);
}

// --- samples ----------------------------------------------------------------------------------

static void
hear(CodeInfo *info, uint8_t what)
{
    info->heard_at = all.now;
    info->heard_since = info->heard ? info->heard_since : all.now;
    set_heard(info, info->heard | what);
}

void
nominate_ask(CodeInfo *info, uint8_t what)
{
    if (jit.nominates && info->vain < MAX_ASKED && (info->heard & what) != what) {
        hear(info, what);
    }
}

static void
credit(PyCodeObject *code, int head)
{
    Credit *c = &credits[slot_of(code, head)];
    if (c->code != code || c->version != code->co_version || c->head != head || all.now - c->last > FRESH) {
        *c = (Credit){code, code->co_version, head, 0, all.now};
    }
    c->count += c->last != all.now || c->count == 0;
    c->last = all.now;
    if (c->count < WANTED) {
        return;
    }
    CodeInfo *info = info_need(code);
    if (info == NULL || c->count < (uint32_t)WANTED << info->vain) {
        return;
    }
    c->count = 0;
    anchor_give_chance(info, head);
    hear(info, head == NO_LOOP ? HEAR_STARTS : HEAR_LOOPS);
}

static void
walk(PyThreadState *tstate)
{
    int scans = 0, n = 0, head;
    bool innermost = true;
    for (Frame *f = compat_current_frame(tstate); f != NULL && n < MAX_WALK; f = compat_frame_previous(f)) {
        if (compat_frame_is_c_entry(f) || !compat_code_has_events(compat_frame_code(f))) {
            continue;
        }
        PyCodeObject *code = compat_frame_code(f);
        int at = (int)(compat_frame_ip(f) - compat_code_start(code));
        if (at >= 0 && at < Py_SIZE(code) && loop_around(code, at, &scans, &head)
            && (head != NO_LOOP || innermost)) {
            credit(code, head);
        }
        innermost = false;
        n++;
    }
}

// Code that has been heard for long and has no trace loses its events; all of it, if none may be compiled now.
static void
sweep(uint64_t patience)
{
    for (size_t i = all.n_heard; i-- > 0;) {
        CodeInfo *info = all.heard[i];
        bool in_time = all.now - info->heard_at < patience && all.now - info->heard_since < MAX_HEARD;
        if ((in_time && patience > 0) || hook_is_recording(info->code)) {
            continue;
        }
        uint8_t wanted = anchor_events_wanted(info);
        if (wanted == 0) {
            heard_in_vain(info);
        }
        else {
            set_heard(info, wanted);
        }
    }
}

void
nominate_sample(uint64_t n, bool late)
{
    PyThreadState *tstate = PyThreadState_GET();
    all.now = n;
    policy_sample();
    if (!jit.enabled || !jit.nominates || tstate->interp != PyInterpreterState_Main()) {
        return;
    }
    PyObject *exc = PyErr_GetRaisedException();
    bool may_compile = policy_may_compile();
    if (!late && jit.recorder == NULL && may_compile) {
        walk(tstate);
    }
    sweep(may_compile ? PATIENCE : 0);
    PyErr_SetRaisedException(exc);
}
