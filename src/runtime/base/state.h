// state.h - the state of the JIT in one interpreter, its tunables and its counters.
#ifndef JITPATCH_STATE_H
#define JITPATCH_STATE_H

#include <Python.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/aborts.h"
#include "base/ours.h"

// Tunables (params.def): PARAM(name, default, least, most, help).
typedef struct {
#define PARAM(name, value, least, most, help) long name;
#include "base/params.def"
#undef PARAM
} Params;

typedef struct {
#define STAT(name, text) uint64_t name;
#include "base/stats.def"
#undef STAT
    uint64_t aborts[ABORT_COUNT];
} Stats;

typedef struct Recorder Recorder;       // record.c

typedef struct Jit {
    bool enabled;
    Params params;
    Stats stats;
    Recorder *recorder;                 // the recording under way, or NULL
    PyObject *monitoring;               // sys.monitoring
    PyObject *executors;                // list of all live Executors
    PyObject *abort_log;                // dict (filename, line, reason) -> count
    int code_extra;                     // index of our per-code data (hook.c)
    uint64_t changes;                   // counts traces that came into service or went out of it
    size_t bytes;                       // of all that is kept: executors in service and their code, facts, books
    bool to_sweep;                      // executor_sweep() has work to do
    uint64_t epoch;                     // grows whenever it may have changed which trees may be entered
    bool watches_exits;                 // each exit is to be looked at (coverage, option gc_exits)
    bool nominates;                     // code is heard by nomination, not all of it by counting (nominate.c)
    bool hears_lookers;                 // lookers.c tells when a tool asks for events of a code object
    const void *const *evaluator;       // NULL there: frames are evaluated by CPython (PEP 523)
    int64_t force_left;                 // option force_exit: exits until the next one is forced
    bool keep_text;                     // executors keep their trace as it was recorded, for uops()
    bool keep_origins;                  // and what their code was put together from (origin.c)
    char *dump;                         // comma-separated stages to dump, or NULL
} Jit;

OURS Jit jit;                           // one interpreter for now: subinterpreters are refused

#endif
