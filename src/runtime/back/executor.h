// executor.h - an installed, runnable trace: code, snapshots, exits, assumptions.
#ifndef JITPATCH_EXECUTOR_H
#define JITPATCH_EXECUTOR_H

#include "back/assign.h"

typedef struct Executor Executor;

typedef struct {
    uint16_t snap;
    Ref ref;                            // the guard
    uint32_t first_loc, n_locs;         // into Executor.locs
    uint32_t count;                     // times left here
    uint32_t retry;                     // count at which growing a side trace is tried next
    uint32_t since;                     // when the exits began that are counted for that (policy.c), or 0
    uint8_t *stub;                      // the exit stub
    Executor *side;                     // the side trace grown here, or NULL (strong)
    struct Restore *restore;            // its program (restore.h), once it was taken
    bool yields;                        // nothing is left to restore but the value that is yielded
    bool ended;                         // the generator returns None, and nothing is left to restore
    int32_t gain;                       // instructions spared from the entry to here in the first iteration,
                                        // less what leaving here costs (policy.c)
} Exit;

// What a slot must be at LOOP_ENTRY: the contract between a root and traces that jump to it.
typedef enum { PARAM_OBJECT, PARAM_INT, PARAM_FLOAT } ParamKind;
typedef struct {
    uint16_t slot;
    uint8_t kind;                       // ParamKind
    uint8_t unbound;                    // the slot is NULL at LOOP_ENTRY
    uint8_t old;                        // its value only goes: NULL or any object (the value: None, or it)
    PyTypeObject *type;                 // PARAM_OBJECT: type guarded in the entry part, or NULL
    Ref object, value;                  // refs of the load and of the unboxed value
} Param;

// A stencil of the machine code: where its hot part begins, which, and for which instruction.
typedef struct {
    uint32_t at, stencil;
    Ref ref;
} Piece;

// What the machine code was put together from, where that was asked for (origin.c; malloc).
typedef struct {
    uint32_t n_code;
    Placed *code;
    uint32_t entry;                     // index into code[] where LOOP_ENTRY stands, if there is one
    int loop;                           // and LOOP, or -1
    enum Uop end;                       // the last instruction
    const uint8_t *target;              // where the last jump goes in another trace, or NULL
    uint8_t **error_stubs;              // [exit]: the stub for errors, or NULL
    uint64_t optimise_ns;               // that part of compile_ns
} Origin;

// A variable as the entry part of a loop's trace wants it to be.
typedef struct {
    uint32_t slot;                      // byte offset in the frame
    PyTypeObject *type;                 // NULL: bound, no matter to what
} Wanted;

// How often compiled code was entered and left since statistics were last set to zero: every entry ends in a
// left or a returned, which may be another trace's of the tree, or of one that was jumped to.
typedef struct {
    uint64_t entered, left, returned;
} Tally;

struct Executor {
    PyObject_HEAD                       // made by executor_new(), ended by executor_retire()
    uint8_t invalid;                    // 1: an assumption broke; compiled code checks it
    uint8_t is_side;
    uint8_t is_function;                // root: entered where a function starts, not at a loop
    uint8_t loops;                      // ends in a jump to itself
    uint8_t retired;                    // taken out of service; executor.c frees it when it can
    uint8_t mark;                       // executor.c: an activation may be in this tree (root)
    PyCodeObject *code;                 // root: the code object of the anchor (borrowed; owned
                                        // once retired; NULL when it has died)
    PyObject *globals, *builtins;       // of every frame it may be entered with (kept by `keep`)
    int anchor;                         // offset of the anchor, in code units, and kind of consumer
                                        // (anchor_key)
    bool resumed;                       // recorded when a generator was resumed
    Executor *root;                     // of the tree (itself for a root; borrowed)
    Executor *next_version;             // root: another trace for the same anchor (strong)
    bool of_several;                    // there is one, or was: `wanted` is filled
    Wanted *wanted;                     // by which versions are told apart (PyMem)
    uint32_t n_wanted;
    Executor *parent;                   // side: the one it grew at, exit parent_exit (borrowed, while in service)
    uint32_t parent_exit;
    uint64_t invalid_at;                // jit.epoch when it became invalid
    bool condemned;                     // it and all that cannot be without it are invalid, to be retired
    Py_ssize_t place;                   // in jit.executors, or -1
    Executor *jumps_to;                 // side: the root it ends in, or NULL (strong). See executor_jumps_to()
    Executor *jumpers;                  // root: the first of those that jump to it; others by their
    Executor *next_jumper, *previous_jumper;
    Executor *sides;                    // root: the first of its tree's side traces; others by their (executor_grows_in)
    Executor *next_side, *previous_side;
    uint64_t good_epoch, good_version;  // root: for which executor_look_again() has said yes
    PyCodeObject **codes;               // root: what runs in its tree, each once (kept by `keep`)
    uint32_t n_codes;
    uint16_t spills;                    // first spill slot free for side traces
    uint8_t *machine_code;              // entry; in code memory
    Ref entry_end;                      // root: exits of earlier instructions leave before LOOP_ENTRY
    uint8_t *loop_entry;                // address for JUMP, or NULL
    uint32_t code_size;
    void **links;                       // [exit]: where its stub goes on (emit_link)
    size_t bytes;                       // of all that is kept for it (executor_charge)
    void *arrays;                       // one block (PyMem_Malloc) that holds these:
    uint32_t n_ins, n_konsts, n_snaps, n_entries, n_frames, n_exits, n_locs, n_entry_locs, n_params,
        n_phis, n_jump;
    Ins *ins;                           // the optimised trace (exit.c reads sunk instructions)
    Konst *konsts;
    Snapshot *snaps;
    SnapEntry *entries;
    SnapFrame *frames;
    Exit *exits;
    RefLoc *locs;
    RefLoc *entry_locs;
    Param *params;
    Phi *phis;
    Carry *jump;
    PyObject *keep;                     // list: objects the code refers to
    uint64_t judge_from;                // root: `entered` from which entries are judged (policy.c)
    int64_t score;                      // instructions spared by `judged` of them
    uint8_t judged;
    bool pays;                          // so it was decided last
    uint8_t turns[11];                  // of these, entries with 2**k - 1 further iterations or more, by a guess
    int64_t counted_turns;              // further iterations of the others
    int32_t mean_gain;                  // of an entry, in the last group
    uint64_t booked;                    // `entered` when the statistics were told (policy_book)
    int32_t return_gain;                // instructions spared where its function returns
    int32_t turn_gain, turn_cost;       // of one more iteration: instructions spared, and taken (policy.c)
    bool counts_turns;                  // root: ways round it count, with LOOP_TURN
    uint16_t n_ways;                    // root that does not loop: side traces that go round, of which these are the mean
    uint32_t n_sides;                   // root: side traces grown in its tree so far
    uint8_t switched;                   // goes up with runs in which the C stack was switched, else down (root)
    _Py_CODEUNIT *start_ip;             // side: where its innermost frame starts
    bool unchecked;                     // side: begins behind unknown code, before any GUARD_VALID
    uint8_t unrolled;                   // turns of short loops on the way to its end (record_stack.c)
    uint8_t at_same_place;              // side: how many of its parents in a row start there, too
    uint64_t entered;                   // times run from the interpreter
    Tally tally;
    uint64_t entered_before;            // and as of the last full garbage collection
    uint8_t age;                        // full collections since it was last of use (root)
    int stack_depth;                    // of the anchor's frame
    // Where the option text is on, else NULL:
    void *recorded;                     // the trace as it was recorded, packed (ir_text.c)
    Piece *pieces;                      // by address (malloc)
    uint32_t n_pieces;
    Origin *origin;                     // or NULL
    uint64_t compile_ns, emit_ns;       // from the finished recording to now; in emit.c
    unsigned inside;                    // activations running this tree (root only)
    // Frame objects that tracebacks have made (record_exception.c), root:
    bool minds;                         // a trace of the tree leaves because of one that was there when a turn began
    bool objects;                       // there may be such when a turn begins
    uint32_t walked;                    // executor_minds_objects()
};

// Where the innermost frame stands at an exit.
static inline _Py_CODEUNIT *
executor_exit_ip(const Executor *ex, const Exit *exit)
{
    const Snapshot *snap = &ex->snaps[exit->snap];
    return ex->frames[snap->first_frame + snap->n_frames - 1].ip;
}

// The instruction that an exit stands for. A forced exit is one more exit of the instruction after it.
static inline unsigned
executor_left_op(const Executor *ex, const Exit *exit)
{
    unsigned op = ex->ins[exit->ref].op;
    return op == UOP_FORCED_EXIT ? ex->ins[exit->ref + 1].op : op;
}

// Is this exit taken only with an exception set? Then its stub is the one for errors.
static inline bool
executor_exit_raises(const Executor *ex, const Exit *exit)
{
    return (uop_table[ex->ins[exit->ref].op].flags & (RAISES | EXITS)) == RAISES;
}

static inline uint64_t konst_bits(const Executor *ex, Ref ref) { return ex->konsts[ref & ~KREF].bits; }

#endif
