// restore.h - an exit's snapshot as a program that brings the frames up to date.
//
// A program is a list of steps. Each names its values by *source*: eight bytes of the Activation (a dumped
// register or a spill slot), a constant of the trace, or an object that an earlier step has made.
#ifndef JITPATCH_RESTORE_H
#define JITPATCH_RESTORE_H

#include "back/executor.h"
#include "base/aborts.h"
#include "base/activation.h"
#include "base/helpers.h"
#include "python/compat.h"

// RestoreStep.action, in the order in which a program has them.
typedef enum {
    // 1. to: the object's number. First those that are made of nothing but a number.
    MAKE_INT,            // a: the number; how: NUMBER_*; frame, b: byte offset of a slot
    MAKE_FLOAT,          // the same
    MAKE_TUPLE,          // word: how long
    MAKE_FUNCTION,       // a: code, b: globals
    TUPLE_ITEM,          // to: which one, a: the item, b: number of the tuple
    FUNCTION_CLOSURE,    // a: cells or None, b: number of the function
    // 2. frame: which one (none of these steps if there is only one frame)
    FRAME_IN_MEMORY,     // a: its address
    FRAME_CUT,           // frames that exist beyond this one are undone
    FRAME_LINK,          // a: a generator
    FRAME_PUSH,          // a: a function
    FRAME_IP,
    FRAME_EXTRA,         // a: what goes into extras[]
    // 3. frame, to: slot. (Numbers with NUMBER_PUT are put before.)
    SLOT_SET,            // a
    SLOT_SET_NULL,
    // 4.
    STORE_INDEX,         // to: a list or tuple iterator, a
    STORE_WORD,          // to: an object, a, word: byte offset
    STORE_RANGE,         // to: a range iterator, a: start, b: length
    STORE_RANGE_START,   // to, a: start, b: end, word: what the difference is multiplied by
    STORE_GLOBAL,        // to: a dictionary, a: name, b: value, which no reference goes to
    // 5.
    DROP,                // a
} RestoreAction;

// How a value is handed over to its new holder.
enum {
    HOLD_TAKE,           // with the trace's reference, or the one that it was made with
    HOLD_NEW,            // with a new reference
    // An object with a home. If it was there, TAKE and NEW decide; if it was made, its first holder
    // takes the reference that it was made with, and others get new ones.
    HOLD_HOME = 2,
    HOLD_HOME_NEW = 1,
    HOLD_HOME_FIRST = 4,
};

// How a number is made.
enum {
    NUMBER_HAS_HOME = 1,                // unless that slot of the outermost frame holds an object: that is it
    NUMBER_PUT = 2,                     // it goes into the slot
};

// Sources: eight bytes each of the Activation, then constants, then objects made.
enum { SOURCE_KONST = 1024, SOURCE_MADE = SOURCE_KONST + MAX_KONSTS };

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
    uint16_t n_numbers, n_steps, n_drops;       // steps: ints and floats that are made, all but drops, drops
    uint8_t n_frames;
    bool is_plain;                      // restore_plain() will do
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
void restore_none_is_plain(Executor *ex);       // from now on (jit.watches_exits)

// A program without inlined frames, packs or drops, each of whose numbers goes to one slot, and behind which nothing
// is to be done but going on: that is how most loops end.
enum { PLAIN_NUMBERS = 32 };
void restore_plain(const Restore *program, const Executor *ex, Activation *act);

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
extern void *restore_reserve;
static inline void
restore_keep_reserve(void)              // made again, if it was used
{
    if (restore_reserve == NULL) {
        restore_reserve = PyMem_RawMalloc(1 << 16);
    }
}
#define RESTORE_NEED(object, again) \
    ((object) != NULL || (restore_use_reserve() && ((object) = (again)) != NULL) ? (void)0 : restore_no_memory())

#endif
