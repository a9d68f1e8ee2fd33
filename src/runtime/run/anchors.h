// anchors.h - what the hook knows of each code object: where traces of it start, how often the
// interpreter came by, and the traces made. Shared by anchors.c and hook.c.
#ifndef JITPATCH_ANCHORS_H
#define JITPATCH_ANCHORS_H

#include "back/executor.h"
#include "base/state.h"
#include "python/compat.h"

// A loop of a generator has traces of its own for each kind of consumer: the offset of the anchor and
// the kind in one number, which hook.c knows as "offset".
static inline int anchor_key(int offset, int consumer) { return offset | consumer << 24; }
static inline int key_offset(int key) { return key & 0xffffff; }
static inline int key_consumer(int key) { return key >> 24; }

// A loop head of one code object, or the start of a function.
typedef struct {
    int offset;                 // code units; -1: free entry
    uint32_t count;             // turns, or calls, since the last decision
    uint32_t threshold;         // turns at which the next recording starts
    uint16_t aborts;            // recordings given up
    uint8_t left;               // recordings given up because their path left the loop
    bool blacklisted : 1;       // never again
    bool resting : 1;           // its traces do not pay: not entered until it is nominated anew
    Executor *newest;           // its traces, chained by next_version (strong)
} Anchor;

// What a code object reports while it is heard: its jumps, its starts.
enum { HEAR_LOOPS = 1, HEAR_STARTS = 2 };

// What we know of a code object.
typedef struct CodeInfo {
    PyCodeObject *code;         // borrowed: it owns us
    Anchor function;            // where it starts: RESUME; offset -1 until it did once
    uint8_t heard;              // HEAR_*: what of it reports (nominate.c)
    bool resting;               // some anchor of it rests
    uint8_t vain;               // times it was heard in vain
    uint64_t heard_at;          // the last sample that nominated it
    uint64_t heard_since;       // of the sample that events were switched on at
    uint64_t checked;           // monitoring version for which nobody else watches everything
    uint8_t switches;           // times that the C stack was switched in it, as far as that counts (switches.c)
    uint32_t doors;             // functions entered by their own vectorcall (vectorcall.c)
    uint32_t refused;           // calls of those that were left to the interpreter, since ...
    uint64_t refused_from;      // ... the trace had been entered so often
    uint8_t door_strikes;       // reasons to open no more of them
    int exact_arguments;        // positional ones, with which a call of those is bound in line; -1: none is
    struct {                    // what was found at the last call through one of them
        Executor *trace;        // (borrowed) good if jit.epoch and the thread's breaker are still
        uint64_t epoch, breaker;    // these
        PyObject *globals, *builtins;   // of all functions with doors; compared only
    } door;
    uint8_t *names_stored;      // made when first asked for (record_names.c)
    uint32_t used, size;        // loops; size is 0 or a power of two
    Anchor *anchors;            // open addressing by offset
} CodeInfo;

// All of these: NULL, without an exception, if there is none or memory is out.
CodeInfo *info_make(PyCodeObject *code);
static inline CodeInfo *info_find(PyCodeObject *code) { return compat_get_extra(code, jit.code_extra); }
static inline CodeInfo *
info_need(PyCodeObject *code)           // made if need be
{
    CodeInfo *info = info_find(code);
    return info != NULL ? info : info_make(code);
}
Anchor *anchor_find(PyCodeObject *code, int offset);
// Made if need be; valid until the next anchor of the code object is made.
Anchor *anchor_make(PyCodeObject *code, int offset);
static inline uint32_t
anchor_slot(const CodeInfo *info, int offset)   // where it is, or would be; info->size is not 0
{
    uint32_t i = (uint32_t)offset * 2654435761u >> 8;
    for (;; i++) {
        i &= info->size - 1;
        if (info->anchors[i].offset == offset || info->anchors[i].offset < 0) {
            return i;
        }
    }
}
// The one looked up last.
OURS struct AnchorLast { PyCodeObject *code; Anchor *anchor; } anchor_last;
static inline Anchor *
anchor_need(PyCodeObject *code, int offset)
{
    if (anchor_last.code == code && anchor_last.anchor->offset == offset) {
        return anchor_last.anchor;
    }
    CodeInfo *info = info_find(code);
    if (info != NULL && info->size != 0 && info->function.offset != offset) {
        Anchor *anchor = &info->anchors[anchor_slot(info, offset)];
        if (anchor->offset == offset) {
            anchor_last = (struct AnchorLast){code, anchor};
            return anchor;
        }
    }
    return anchor_make(code, offset);
}
// The same, if it is that one; its offset in bytes as an event has it. NULL: it is not.
static inline Anchor *
anchor_last_at(PyObject *code, PyObject *bytes)
{
    if (code != (PyObject *)anchor_last.code || !PyLong_CheckExact(bytes)) {
        return NULL;
    }
    const PyLongObject *offset = (PyLongObject *)bytes;
    return PyUnstable_Long_IsCompact(offset)
                   && offset->long_value.ob_digit[0] == 2 * (digit)anchor_last.anchor->offset
               ? anchor_last.anchor
               : NULL;
}
bool anchor_is_plain_function(PyCodeObject *code);      // no generator, coroutine, class body or module
void anchor_first_start(CodeInfo *info);        // a function is about to start, or to be called
bool anchor_drop_invalid(PyCodeObject *code, int offset);       // true: there were some
long anchor_count_versions(const Anchor *anchor);
uint8_t anchor_events_wanted(const CodeInfo *info);      // HEAR_*: for traces that may be entered
// The code was nominated again, at this loop head or (-1) at its start: what rests there may be tried anew.
void anchor_give_chance(CodeInfo *info, int offset);
// What this code object is known by, or NULL: nothing is made.
void anchors_free(void *info);                  // the code object dies, and its traces with it

// The trace that this function is to be run by, or NULL (borrowed).
static inline Executor *
info_function_trace(const CodeInfo *info, const PyFunctionObject *func)
{
    Executor *ex = info->function.newest;
    while (ex != NULL && (ex->invalid || ex->globals != func->func_globals
                          || ex->builtins != func->func_builtins)) {
        ex = ex->next_version;
    }
    return ex != NULL && func->func_code == (PyObject *)info->code ? ex : NULL;
}

// --- what others ask of these ------------------------------------------------------------------
// A path ends at a loop of this code object, for it has no trace: its turns are to be counted.
void hook_want_loop(PyCodeObject *code);
// The newest executor for an anchor, or NULL (borrowed). Versions chain by next_version.
Executor *hook_executor_at(PyCodeObject *code, int anchor);
// The loop's compiled code does not pay when entered from the interpreter: it no longer is, until it is found
// hot anew.
void hook_leave_alone(PyCodeObject *code, int anchor, AbortReason why);
// What CALL_NATIVE names a function by: NULL if the code object has, and will have, no trace of its
// own. Lives as long as the code object.
void *hook_function_entry(PyCodeObject *code);
bool hook_is_short(PyCodeObject *code, int anchor);     // has a recording of this loop been given up, as it was left?
bool hook_has_loop(PyCodeObject *code);         // with a trace
long hook_count_versions(PyCodeObject *code, int anchor);
int hook_install_root(PyCodeObject *code, int anchor, Executor *ex);    // keeps a reference
// Count a reason, and what it was about ("" if nothing more is to say), under a source line.
void hook_log_abort(PyCodeObject *code, int line, AbortReason reason, const char *what);
// A recording for this anchor was given up: back off, or blacklist for good.
void hook_penalise(PyCodeObject *code, int anchor, AbortReason reason);
// A recording left its loop: may it be tried again soon, at another turn?
bool hook_may_retry(PyCodeObject *code, int offset);
void hook_retry_soon(PyCodeObject *code, int offset);
// Take a root trace out of its loop's chain (drops the chain's reference).
void hook_uninstall_root(Executor *ex);

#endif
