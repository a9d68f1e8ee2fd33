// record.h - the recorder's state, shared by the record_*.c files.
//
// The recorder watches the interpreter execute one path and keeps a symbolic copy of its frames:
// every slot holds a ref instead of an object. Three books are kept:
//   slots   which ref each local and stack slot holds, in every inlined frame;
//   own     how many references to each object the trace holds (a slot that memory still holds
//           counts: the trace may take that reference over);
//   pending objects whose last slot is gone: they are dropped before the next bytecode.
// An object in two slots needs only one reference while it is in the trace; a snapshot says for
// each slot whether it takes the trace's reference or needs a new one.
#ifndef JITPATCH_RECORD_H
#define JITPATCH_RECORD_H

#include "back/executor.h"
#include "base/activation.h"
#include "base/os.h"
#include "base/state.h"
#include "ir/build.h"
#include "python/compat.h"
#include "run/anchors.h"
#include "run/recorder.h"
#include <stddef.h>                     // offsetof()
#include <string.h>

enum { MAX_SLOTS = 1200, MAX_PENDING = 64, MAX_PARAMS = 200 };

typedef enum { SLOT_UNTOUCHED, SLOT_HOLDS, SLOT_EMPTY } SlotState;
typedef struct { Ref ref; uint8_t state; } Slot;

typedef struct {
    PyCodeObject *code;
    PyObject *func_obj;                 // borrowed; the frame keeps it
    Ref func;
    Frame *frame;                       // the interpreter's frame
    int base;                           // its first slot in Recorder.slots
    int n_locals;                       // locals, cells and free variables
    int depth;                          // of the operand stack
    FrameKind kind;
    Ref extra;                          // FRAME_INIT: the object made
    PyObject *extra_obj;
    uint8_t n_kept, op;                 // operators: see FrameKind
    Ref memory;                         // its address, if the frame exists in memory (a generator's:
                                        // if it is linked)
    uint16_t end_offset;                // FRAME_GENERATOR: from the caller's ip to the loop's end
    int jumped;                         // FRAME_GENERATOR: backward jump followed since it was resumed
    _Py_CODEUNIT *ip;                   // where it stands (in callers: the call)
    uint16_t return_offset;
} RFrame;

// A loop that the trace runs as a whole is being run: by the interpreter, or by compiled code.
typedef struct {
    bool on;
    bool by_code;                       // compiled code has run it, and left it
    int from, to;                       // its bytecodes
    int at, depth;                      // where the interpreter was seen last, and its stack there
    int events;                         // how often
} Wait;

struct Recorder {
    Builder b;
    Trace *t;
    PyThreadState *tstate;
    PyCodeObject *anchor_code;
    int anchor, anchor_depth;           // root: of the stack there
    Executor *parent;                   // side trace: where it starts from (strong)
    uint32_t parent_exit;
    int bytecodes;                      // followed so far
    uint32_t interp;                    // what the interpreter spends on the path so far (policy.h)
    void (*after)(Recorder *r, int offset);     // looks at where the bytecode just run has led
    Ref after_ref;
    Wait wait;
    int unrolled;                       // turns followed of loops without a trace, those of the parents included
    int ran_loop;                       // head of the loop just run, or -1
    bool check_valid;                   // unknown code ran: GUARD_VALID before the next bytecode
    bool seen;                          // a traceback of this path has made frame objects (record_exception.c)
    uint8_t handled;                    // exceptions being handled that this path has raised
    bool minds;                         // looks whether there is one that is older than this trace
    bool turns_seen;                    // there may be one when its loop turns
    bool function;                      // of a tree that is entered where a function starts
    bool returned;                      // the outermost frame's function has returned
    int elsewhere;                      // events of other frames since the last bytecode
    bool resumed;                       // root: begins where a generator waits
    int consumer;                       // of what the outermost frame, a generator's, yields
    bool ended;                         // the current record function ended the trace
    AbortReason end_reason;             // and why
    uint64_t started;
    uint64_t switches;                  // switches_count() at the last event
    // 0, or what jit.stats.exits must be when an event comes: compiled code that ran the loop
    // (RUN_LOOP) must itself leave at once, or it goes on in the frame that is followed.
    uint64_t leaves_with_exit;
    Instr now;                          // the bytecode being recorded
    Ref first_ins;                      // its first instruction
    int start_offset;                   // where it begins, EXTENDED_ARG included
    Frame *now_frame;
    _Py_CODEUNIT *drop_ip;              // the bytecode that let go what is pending
    _Py_CODEUNIT *first_drop_ip;        // side trace: the one that let go what the exit drops
    Ref loud;                           // side trace of a DECREF's exit: what was dropped there
    uint16_t last_snap, last_snap_ins;  // newest snapshot, and how long the trace was then
    int expect;                         // where the next one must be; anything else is an exception
    int n_frames;
    RFrame frames[MAX_INLINE + 1];
    Slot slots[MAX_SLOTS];
    int n_params;
    Param params[MAX_PARAMS];
    int n_pending;
    Ref pending[MAX_PENDING];
    int n_released;
    Ref released[MAX_PENDING];
    uint8_t own[MAX_INS];
    uint8_t avail[MAX_INS];             // snapshot_take's working copy of own
    uint32_t avail_at[MAX_INS], epoch;  // when it was copied; the number counts over all recordings
};

// From here on `avail` is to be filled from `own` again, ref by ref.
static inline void begin_count(Recorder *r) {
    if (++r->epoch == 0) {
        memset(r->avail_at, 0, sizeof(r->avail_at));
        r->epoch = 1;
    }
}

static inline RFrame *top_frame(Recorder *r) { return &r->frames[r->n_frames - 1]; }
static inline PyObject *name_at(Recorder *r, int i) {
    return PyTuple_GET_ITEM(top_frame(r)->code->co_names, i);
}

// The key (anchor_key) of a place in the outermost frame.
static inline int root_key(const Recorder *r, int offset) { return anchor_key(offset, r->consumer); }

// --- record_state.c: the symbolic stack ---------------------------------------------------------------
Slot *slot_at(Recorder *r, RFrame *f, int i);   // looked at: it is no longer untouched
Ref slot_ref(Recorder *r, RFrame *f, int i);    // NO_REF if it is empty
Ref peek(Recorder *r, int n);           // n-th from the top
Ref pop(Recorder *r);                   // the caller owes release() or give() for it
void push(Recorder *r, Ref ref);
PyObject *concrete(Recorder *r, int n); // the object n-th from the top of the real stack (borrowed)
PyObject *concrete_local(Recorder *r, int i);
Ref get_local(Recorder *r, int i);      // NO_REF if unbound
void set_local(Recorder *r, int i, Ref ref);    // NO_REF: unbound; releases what was there

// --- references -----------------------------------------------------------------------------------
void own_borrowed(Recorder *r, Ref ref);        // a borrowed object goes into a slot: own it
void owned(Recorder *r, Ref ref);       // the instruction returned a new reference
void release(Recorder *r, Ref ref);     // one slot less holds it
void give(Recorder *r, Ref ref);        // popped, and something else takes a reference over
void take_back(Recorder *r, Ref ref);   // the trace receives a reference that memory held
bool is_slot_box(const Recorder *r, Ref ref);   // an object that memory may not hold yet
int holders(const Recorder *r, Ref ref);        // how many slots hold it
void settle(Recorder *r);               // what was released and no slot holds becomes pending
void drop_pending(Recorder *r);         // and is dropped
void drop_one(Recorder *r, uint16_t snap);
Ref real(Recorder *r, Ref ref);         // an object that exists: SLOT_BOX is made now

// --- values -----------------------------------------------------------------------------------
bool fits_i64(PyObject *o);
bool is_exact_as_float(PyObject *o);     // record_arith.c: would INT_TO_FLOAT stay on the trace?
Ref as_int(Recorder *r, Ref ref, PyObject *value);      // exact int or bool -> I64
Ref as_float(Recorder *r, Ref ref, PyObject *value);    // exact float or int -> F64
void push_int(Recorder *r, Ref i64);
void push_float(Recorder *r, Ref f64);
void push_truth(Recorder *r, Ref i64);
void push_owned(Recorder *r, Ref ref);                  // a new reference
void push_borrowed(Recorder *r, Ref ref);               // owned by someone else: held now
void must_be(Recorder *r, Ref ref, PyObject *object);   // guard on identity

// --- calls of C ---------------------------------------------------------------------------------
void sync_frames(Recorder *r);          // before code that may look at frames
void store_frames(Recorder *r);         // the same, but frame objects of tracebacks stay
void check_valid(Recorder *r);          // those checks
void after_unknown(Recorder *r);        // after it: checks before the next bytecode
void end_here(Recorder *r, AbortReason reason);         // the trace stops before this bytecode
void give_up(Recorder *r, AbortReason reason);
// The path of a root trace leaves its loop: is it better to wait for a path that does not?
bool turns_elsewhere(const Recorder *r);
// Unknown code with inputs a, b, c through `op` (CALL1..CALL3, CALLI...): sync, call, checks.
Ref call_unknown(Recorder *r, int op, Ref a, Ref b, Ref c, void *function, uint64_t operand);
// record_build.c: `function` called with an array of the n topmost entries of the stack and `more`
// behind them. quiet: it runs no Python code, its result is new. The entries stay on the stack.
Ref call_with_args(Recorder *r, int n, const Ref *more, int n_more, void *function, bool quiet);
// record_build.c: `function` makes n objects of the one on top of the stack, which they replace.
void spread_top(Recorder *r, void *function, int shape, int n, bool quiet);
static inline uint64_t arg_offset(int i) {      // of Activation.args[i + 1]
    return offsetof(Activation, args) + 8u * (unsigned)(i + 1);
}
static inline uint64_t fn(void *function) { return (uint64_t)(uintptr_t)function; }

// --- record_exception.c -------------------------------------------------------------------------
// Frame objects that tracebacks have made go, where nobody has them; and the innermost frame must have none any more.
void forget_frame_objects(Recorder *r);
void guard_forgotten(Recorder *r);
// The path goes round in the tree of `root`; NULL: in its own, which it begins.
void turn_with_objects(Recorder *r, Executor *root);
void record_catch(Recorder *r, bool unknown);   // unknown: code that raised may have seen the frames
bool is_quiet_exception_class(PyObject *o);
bool is_handled_here(const Recorder *r);        // what the bytecode raises, in a frame that is followed
// The bytecode raises an exception of this class with the argument `arg`; nothing of it was done before.
void raise_made(Recorder *r, PyObject *type, Ref arg);

// --- frames -------------------------------------------------------------------------------------
// Follow a call into a Python function; the stack of the caller is already popped. args[] holds
// one ref per local (NO_REF unbound). false: cannot be followed.
bool enter_call(Recorder *r, PyFunctionObject *func, Ref func_ref, const Ref *locals, int n,
                FrameKind kind, Ref extra, PyObject *extra_obj);
void leave_call(Recorder *r, Ref result, PyObject *value);
// At the head of a compiled loop in a called function: the trace runs it as a whole. Recording goes
// on, with after_loop(), where it is left.
int loop_end(PyCodeObject *code, int anchor);   // offset of the last backward jump to it, or -1
bool try_run_loop(Recorder *r, int offset);
void after_loop(Recorder *r, int offset);
bool waited_enough(Recorder *r, int offset);

// Before a jump to a loop head: every slot owns a reference of its own and exists.
void own_every_slot(Recorder *r);
// link.c: can the state here be what `ex` wants at its LOOP_ENTRY; make it so.
// The numbers that the loop around this one gives new values: this loop carries them unboxed.
void carry_outer_numbers(Recorder *r);
bool link_accepts(Recorder *r, const Executor *ex);
void link_to(Recorder *r, const Executor *ex);
Slot *touched_slot(Recorder *r, int i);     // of the outermost frame
uint64_t slot_offset(int i);                // byte offset of localsplus[i] in a frame
// record_function.c: the outermost frame of a function's trace returns (value: NO_REF, it is on
// the stack).
void begin_function(Recorder *r);        // what is known where a function starts
bool may_return(const Recorder *r);
void return_from_trace(Recorder *r, Ref value);
// record_inner.c: see RecorderCalls.
bool record_waits_for(const Frame *frame);
void record_loop_left(const Frame *frame);
// What becomes of a finished recording (jit.c: optimise, assign, emit, install): a reason, or ABORT_NONE.
typedef AbortReason RecordCompile(Recorder *r, const Executor *target, uint16_t loop_snap);
// Once, when the extension is loaded: from now on recordings may begin.
void record_init(RecordCompile *compile);
// Gives the recording up (thread switch, disable, error): counted, nothing else happens.
void record_abort(AbortReason reason);

// record_operator.c: follow the Python function that implements an operator, if that is plainly what
// will run. true: the bytecode has been recorded (or the recording given up).
bool record_getitem_method(Recorder *r);
bool record_setitem_method(Recorder *r);
bool record_enter(Recorder *r);         // `with`: __enter__ and __exit__
bool record_enter_builtin(Recorder *r);
bool record_property(Recorder *r, PyObject *property, Ref owner, PyObject *object, bool method);
bool record_binary_method(Recorder *r, int oparg);
bool record_unary_method(Recorder *r, const char *name);
bool record_compare_method(Recorder *r, int op, bool to_bool);
bool record_contains_method(Recorder *r, bool negate);
bool record_bool_method(Recorder *r);
bool record_len_method(Recorder *r, int oparg, PyObject *object);
bool record_call_method(Recorder *r, int oparg, PyObject *object, const Ref *args, int n);
// What comes of the value that an operator's function returns. First the guards, before the frame
// goes; then, the operands being on the caller's stack yet, the result that replaces them.
typedef struct { bool open, truth; Ref number; } Outcome;   // open: NotImplemented; truth: to be asked
Outcome operator_guards(Recorder *r, const RFrame *f, Ref result, PyObject *value);
void operator_result(Recorder *r, const RFrame *f, Ref result, Outcome outcome);
// record_lookup.c: keys of builtin types in containers of builtin types.
bool record_contains(Recorder *r, bool negate);
bool record_dict_item(Recorder *r);
bool record_dict_store(Recorder *r);
// record_names.c: may the frames followed give this global another value?
bool is_variable(const Recorder *r, PyCodeObject *code, PyObject *globals, PyObject *name);
// record_attr.c: what a plain module has under this name, as a constant (borrowed): the module is guarded, and a
// watcher tells of changes. NULL: not so simple, nothing but guards was written.
PyObject *constant_of_module(Recorder *r, Ref owner, PyObject *module, PyObject *name);
// record_instance.c: attributes of an instance. false: left to the general path, nothing but guards
// was written.
bool load_from_instance(Recorder *r, Ref owner, PyObject *object, PyObject *name, bool method);
bool store_to_instance(Recorder *r, Ref owner, PyObject *object, PyObject *name);
bool kind_stays(Recorder *r, PyObject *descr);      // is a descriptor or not, for good
// What a static method or property holds in `member` (borrowed), guarded to stay so, for its __init__ may be called
// again; NULL: nothing.
PyObject *held_by(Recorder *r, PyObject *descr, const char *member);
void push_attribute(Recorder *r, Ref value, bool borrowed, bool with_null);
// record_stack.c: guard that the truth of what is on top of the stack is what it is now; false: not known
// without running code.
bool guard_truth_of_top(Recorder *r);
bool tells_truth_quietly(PyObject *o);  // asking for its truth runs no Python code
// record_gen.c: follow a generator that a `for` loop resumes; false: not followed. Its return.
bool resume_generator(Recorder *r, const Instr *in, Ref iter, PyObject *object);
void end_generator(Recorder *r);
void guard_unwatched(Recorder *r, PyCodeObject *code);  // no other tool wants events of a generator's code
Ref frame_address(Recorder *r, RFrame *f);      // of an inlined frame that exists
// record_gen.c: the generator that calling `func` makes, NO_REF if it is not made that simply.
Ref make_generator(Recorder *r, PyFunctionObject *func, Ref callable, Ref *args, int n);
bool is_made_function(const Recorder *r, Ref func);
// record_build.c: a tuple of n refs that have left the stack; the trace owns it.
Ref make_tuple(Recorder *r, const Ref *items, int n);
// record_build.c: an unmade tuple or function goes: its items are the trace's again. false: it has been made.
bool dissolve_pack(Recorder *r, Ref pack);
bool is_unmade(const Recorder *r, Ref pack);    // nothing needed it as an object, but others that are dissolved

typedef void (*RecordFunction)(Recorder *r, const Instr *in);
extern const RecordFunction record_functions[BC_COUNT];

#define RECORD(name) void record_##name(Recorder *r, const Instr *in)
#define BC(name) RECORD(name);
#include "python/bytecodes.def"
#undef BC

// record_exception.c: may a side trace begin where this exit has left with an exception? That is handled in a frame of the
// snapshot then.
bool record_may_catch(const Executor *ex, const Exit *exit, Frame *outermost);

#endif
