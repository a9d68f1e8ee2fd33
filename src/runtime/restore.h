// restore.h - an exit's snapshot as a program that brings the frames up to date.
//
// A program is a list of steps. Each names its values by *source*: eight bytes of the Activation (a dumped
// register or a spill slot), a constant of the trace, or an object that an earlier step has made.
#ifndef JITPATCH_RESTORE_H
#define JITPATCH_RESTORE_H

#include "executor.h"
#include "activation.h"
#include "aborts.h"
#include "compat.h"

// What an exit may ask for at most. restore_check() finds a trace with an exit beyond that, which is not
// installed. (Inlined frames are limited by the recorder: MAX_INLINE.)
enum { RESTORE_OBJECTS = 256, RESTORE_ENTRIES = 2000 };

typedef struct {
    uint8_t action;                     // restore.c
    uint8_t frame;
    uint8_t how;                        // with whose reference a value goes (restore.c)
    uint16_t to;                        // a slot, a number of an object made, or a source
    uint16_t a, b;                      // sources, or offsets
    int32_t word;
} RestoreStep;

typedef struct Restore {
    uint16_t n_steps, n_made, n_drops;
    uint8_t n_frames;
    bool leaves_loop;                   // the exit behind a loop that ran in compiled code (RUN_LOOP)
    const SnapFrame *frames;            // of the snapshot
    _Py_CODEUNIT *drop_ip;
    RestoreStep steps[];
} Restore;

// ABORT_NONE, or the reason why the exits of this trace cannot all be restored.
AbortReason restore_check(const Executor *ex);

// The program of exit n. It is made the first time; without memory for it, it is good until the next call.
const Restore *restore_make(Executor *ex, uint32_t n);
static inline const Restore *
restore_of(Executor *ex, uint32_t n)
{
    const Restore *program = ex->exits[n].restore;
    return program != NULL ? program : restore_make(ex, n);
}
void restore_free(Executor *ex);

// Runs the program: frames[] is where the snapshot's frames are then, extras[k] the new object of a FRAME_INIT
// (owned). Both have room for MAX_INLINE + 1. All memory is taken before anything is stored.
// Runs Python code only at its very end, when references are dropped. An exception that is set stays.
void restore_run(const Restore *program, const Executor *ex, Activation *act, Frame **frames, PyObject **extras);
// The value of the program's only entry, with a reference for the caller; nothing is stored.
PyObject *restore_value(const Restore *program, const Executor *ex, Activation *act);

// Memory for what must exist when compiled code is left is taken through here: should the allocator have failed
// (object is NULL), a reserve is freed and `again` tried; if that fails as well, the program ends with one line,
// for nothing could go on without its variables.
bool restore_use_reserve(void);
_Noreturn void restore_no_memory(void);
void restore_keep_reserve(void);        // made again, if it was used
#define RESTORE_NEED(object, again) \
    ((object) != NULL || (restore_use_reserve() && ((object) = (again)) != NULL) ? (void)0 : restore_no_memory())

#endif
