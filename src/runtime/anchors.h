// anchors.h - what the hook knows of each code object: where traces of it start, how often the
// interpreter came by, and the traces made. Shared by anchors.c and hook.c.
#ifndef JITPATCH_ANCHORS_H
#define JITPATCH_ANCHORS_H

#include "jit.h"

// A loop head of one code object, or the start of a function.
typedef struct {
    int offset;                 // code units; -1: free entry
    uint32_t count;             // turns, or calls, since the last decision
    uint32_t threshold;         // turns at which the next recording starts
    uint16_t aborts;            // recordings given up
    uint8_t left;               // recordings given up because their path left the loop
    bool blacklisted;           // never again
    Executor *newest;           // its traces, chained by next_version (strong)
} Anchor;

// Does it pay to enter its traces from the interpreter? (trial.c)
typedef enum { VERDICT_OPEN, VERDICT_PAYS, VERDICT_LOSES } Verdict;

// What we know of a code object.
typedef struct CodeInfo {
    PyCodeObject *code;         // borrowed: it owns us
    Anchor function;            // where it starts: RESUME; offset -1 until it did once
    uint32_t heard_until;       // function.count at which hook.c asks whether it is cold
    uint64_t since;             // when it began to count for that, in ns; 0: it does not
    bool has_traces;            // there was one, at least, that is not left alone
    uint8_t verdict;            // Verdict
    uint8_t losses;             // in a row
    uint32_t next_chance;       // after a loss
    struct Trial *trial;        // that is under way, or NULL
    uint32_t starts;            // with traces, since they came or since the last trial
    uint8_t trials;             // begun since then, and not ended
    uint64_t checked;           // monitoring version for which nobody else watches everything
    uint8_t switches;           // times that the C stack was switched in it, as far as that counts (switches.c)
    uint8_t *names_stored;      // made when first asked for (record_names.c)
    uint32_t used, size;        // loops; size is 0 or a power of two
    Anchor *anchors;            // open addressing by offset
} CodeInfo;

// All of these: NULL, without an exception, if there is none or memory is out.
CodeInfo *info_need(PyCodeObject *code);        // made if need be
Anchor *anchor_find(PyCodeObject *code, int offset);
// Made if need be; valid until the next anchor of the code object is made.
Anchor *anchor_need(PyCodeObject *code, int offset);
bool anchor_is_plain_function(PyCodeObject *code);      // no generator, coroutine, class body or module
void anchor_first_start(CodeInfo *info);        // a function is about to start, or to be called
bool anchor_drop_invalid(PyCodeObject *code, int offset);       // true: there were some
long anchor_count_versions(const Anchor *anchor);
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

#endif
