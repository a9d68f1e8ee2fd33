// compat.h - the seam to CPython. Everything that knows a CPython struct, opcode number or
// version difference is behind these functions; compat_313.c (and its sisters) implement them
// and are the only runtime files that include pycore_*.h or opcode_ids.h.
#ifndef JITPATCH_COMPAT_H
#define JITPATCH_COMPAT_H

#include <Python.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/ours.h"
#include "python/codeunit.h"

typedef struct Executor Executor;
typedef struct Activation Activation;
typedef struct _PyInterpreterFrame Frame;   // opaque outside compat_*.c

// The thread that runs; compat_thread_quickly(): if compat_can_hurry().
static inline PyThreadState *compat_thread(void);
static inline PyThreadState *compat_thread_quickly(void);

// --- self-check -------------------------------------------------------------------------------
// NULL, or one line saying why this interpreter cannot be served (layout compiled in differs from
// _Py_DebugOffsets, other minor version, free-threaded, debug build).
const char *compat_check(void);
// The same for the monitoring tables: JUMP events have just been switched on for OPTIMIZER_ID by
// the public API; are they where compiled-in offsets say?
const char *compat_check_monitoring(PyThreadState *tstate);

// --- bytecode ---------------------------------------------------------------------------------
// Bytecodes as the recorder sees them, the same names for every version.
typedef enum {
#define BC(name) BC_##name,
#include "python/bytecodes.def"
#undef BC
    BC_COUNT
} Bytecode;

typedef struct {
    Bytecode op;
    int oparg;
    int offset;         // code units from the start, of the instruction proper (after EXTENDED_ARG)
    int next;           // offset of the instruction after it and its caches
    int target;         // jumps: where to; otherwise -1
} Instr;

// The instruction at `offset` (code units; EXTENDED_ARG prefixes are swallowed), seen without any
// specialisation or instrumentation. Uses the code object's cached plain bytecode.
int compat_decode(PyCodeObject *code, int offset, Instr *out);      // 0, -1 with error set
// How the depth of the stack changes by the instruction; by its jump, if it jumps.
int compat_stack_effect(PyCodeObject *code, const Instr *in, bool jumps);
// True if the unit at `offset` is the tail of an instruction with EXTENDED_ARG prefixes: it gets
// an INSTRUCTION event of its own, which means nothing to the recorder.
bool compat_after_prefix(PyCodeObject *code, int offset);
// The first instruction from `offset` on that is one of the n wanted: 1, 0 if there is none, -1 with error set.
int compat_find(PyCodeObject *code, int offset, const Bytecode *wanted, int n, Instr *out);
const char *compat_bytecode_name(Bytecode op);
const char *compat_instr_name(PyCodeObject *code, const Instr *in);     // CPython's name, also of an OTHER
static inline _Py_CODEUNIT *compat_code_start(PyCodeObject *code);
static inline int compat_code_nlocalsplus(PyCodeObject *code);
int compat_code_framesize(PyCodeObject *code);
// Instructions before this offset (MAKE_CELL, COPY_FREE_VARS, RETURN_GENERATOR) get no events.
int compat_code_first_traceable(PyCodeObject *code);
// Kind of a localsplus slot.
typedef enum { SLOT_LOCAL, SLOT_CELL, SLOT_FREE } SlotKind;
SlotKind compat_slot_kind(PyCodeObject *code, int slot);

// --- frames -----------------------------------------------------------------------------------
static inline Frame *compat_current_frame(PyThreadState *tstate);
void compat_set_current_frame(PyThreadState *tstate, Frame *frame);
static inline Frame *compat_frame_previous(Frame *frame);
static inline PyCodeObject *compat_frame_code(Frame *frame);
static inline PyObject *compat_frame_func(Frame *frame);      // borrowed
static inline PyObject *compat_frame_globals(Frame *frame);
static inline PyObject *compat_frame_builtins(Frame *frame);
static inline PyObject *compat_frame_locals(Frame *frame);    // f_locals of module and class bodies, or NULL
static inline PyObject **compat_frame_slots(Frame *frame);    // localsplus
static inline size_t compat_frame_slots_offset(void);     // byte offset of localsplus in a frame
static inline size_t compat_frame_ip_offset(void);        // of instr_ptr
size_t compat_frame_obj_offset(void);           // of frame_obj
size_t compat_frame_globals_offset(void);       // of f_globals
size_t compat_frame_builtins_offset(void);      // of f_builtins
static inline _Py_CODEUNIT *compat_frame_ip(Frame *frame);
static inline void compat_frame_set_ip(Frame *frame, _Py_CODEUNIT *ip);
static inline int compat_frame_depth(Frame *frame);           // saved operand stack depth; -1 while it runs
static inline bool compat_frame_is_saved(Frame *frame);       // that is not -1
static inline void compat_frame_set_depth(Frame *frame, int depth);   // -1: running
static inline bool compat_frame_is_c_entry(Frame *frame);     // the shim that a C call of the evaluator pushes
static inline bool compat_frame_has_object(Frame *frame);     // a PyFrameObject exists
static inline bool compat_frame_is_generator(Frame *frame);
// Lets go of a frame object that nobody but the frame holds. false: somebody does.
bool compat_forget_frame_object(Frame *frame);
// One that went is kept for the next frame that needs one; it goes, too.
void compat_drop_spare_frame_object(void);
// As compat_pop_frame, but what the frame's locals hold is not the frame's (compiled code owns it).
void compat_drop_pushed(PyThreadState *tstate, Frame *frame);

// Allocates a frame for `func` on the thread's data stack with every local and the `depth` stack
// slots NULL, linked after `previous` and made current; instr_ptr = ip. Takes a new reference to
// func. NULL with MemoryError set. Counts towards the recursion limit as a call would, but never
// fails because of it: a trace that inlines a call checks compat_recursion_offset() first.
Frame *compat_push_frame(PyThreadState *tstate, PyObject *func, Frame *previous,
                         _Py_CODEUNIT *ip, int depth);
// Undo compat_push_frame for a frame that is current and finished; drops its locals, its frame
// object is detached as the interpreter does it.
void compat_pop_frame(PyThreadState *tstate, Frame *frame);
// A native call: the frame for `func` and the activation to run it in. Its parameters, all given, are
// act->args[1..n] (moved). false, and nothing has happened: no room on the data stack, or cells to be
// made first.
bool compat_push_call(Activation *callee, const Activation *act, PyObject *func, int n);
// Does a call by vectorcall come from a CALL of the running frame, whose n arguments lie on the evaluator's stack (or in
// a tuple that only that stack holds)? When the evaluator calls a function in its usual way it gives its references
// away, so that an argument dies when the callee drops it.
static inline bool compat_gives_arguments(PyThreadState *tstate, PyObject *func, PyObject *const *args, Py_ssize_t n);
// A call that a function's own vectorcall was given: the frame with its arguments, taken from the caller if they are
// given. NULL, and nothing has happened: arguments that the interpreter has to sort out, or no room. If they are,
// the caller's operand stack has the function as well, and its reference is the frame's as long as that runs compiled:
// whoever ends it in another way than compat_end_called() calls compat_own_called() before.
Frame *compat_push_bound(PyThreadState *tstate, PyObject *func, PyObject *const *args, Py_ssize_t n, PyObject *names,
                         bool given);
// The call as the evaluator makes it, with the arguments that are given.
PyObject *compat_call_giving(PyThreadState *tstate, PyObject *func, PyObject *const *args, size_t n, PyObject *names);
// The same in line, for the usual call of code that compat_binds_exactly(): n = co_argcount, or less, and the function
// has enough `defaults`. NULL: no room.
static inline Frame *compat_push_exact(PyThreadState *tstate, PyObject *func, PyObject *const *args, Py_ssize_t n,
                                       bool given, bool defaults);
// Ends such a frame, its locals owning what they hold.
static inline void compat_end_called(PyThreadState *tstate, Frame *frame, bool given);
static inline void compat_own_called(Frame *frame, bool given);
// The same call left to the interpreter: its result, or NULL with an exception.
PyObject *compat_call_function(PyThreadState *tstate, PyObject *func, PyObject *const *args, int n);
// Its end, its locals owning what they hold.
void compat_pop_call(PyThreadState *tstate, Frame *frame);
// The frame is about to return: its result (a new reference), the frame is gone. NULL: it is not.
PyObject *compat_returned(PyThreadState *tstate, Frame *frame);
// The interpreter, when it goes on in `frame`, returns `result` (takes the reference).
void compat_return_from(Frame *frame, PyObject *result);
// Lets the interpreter finish `frame` (pushed by compat_push_frame, current) from its instr_ptr;
// with `raise`, the exception that is set is raised there. The frame is gone afterwards.
// The result, or NULL with an exception set.
PyObject *compat_finish_frame(PyThreadState *tstate, Frame *frame, bool raise);
// An exception is set; raise it in `frame` (the frame of a monitoring callback, stack saved, depth
// valid, current) at its instr_ptr: adds the traceback entry, finds the handler, sets up stack
// and instr_ptr so that the interpreter, when the callback returns normally, runs the handler, or
// unwinds the frame (static RERAISE stub). Never fails; no exception is set afterwards. See
// design.md 2. instr_ptr must be at the instruction proper (Instr.offset), not at its prefix.
void compat_raise_here(PyThreadState *tstate, Frame *frame);
// The handler in the code for an exception at `index`: how deep the stack is there, where it begins, and whether the
// place of the exception is pushed, too. false: none.
typedef struct { int level, offset; bool with_lasti; } CompatHandler;
bool compat_find_handler(PyCodeObject *code, int index, CompatHandler *out);
// The traceback of `exc` gets an entry for the current frame. Uses up the reference to exc; what is raised now, with one.
PyObject *compat_add_traceback(PyThreadState *tstate, PyObject *exc);
// How far a caller's ip moves on after the call at `ip` returned.
int compat_return_offset(PyCodeObject *code, int call_offset);

// --- functions' own vectorcalls ---------------------------------------------------------------
// The interpreter's own, for functions; NULL without an exception if memory is out.
vectorcallfunc compat_plain_vectorcall(void);
// May compat_push_bound() be asked for functions of this code, which is a plain function's?
bool compat_can_bind(const PyCodeObject *code);
// Do its parameters take positional arguments only, and are none of its variables cells?
bool compat_binds_exactly(const PyCodeObject *code);
// The number by which specialised bytecodes know the function; 0: they do not. Whoever sets a vectorcall takes it away.
uint32_t compat_function_version(PyObject *func);
void compat_set_vectorcall(PyObject *func, vectorcallfunc call);
void compat_give_back_vectorcall(PyObject *func, vectorcallfunc call, uint32_t version);
// The word that says which tools there are, and whether an event waits: as compat_monitoring_version() if none does.
static inline uint64_t compat_breaker(PyThreadState *tstate);
// Are more C functions nested in this thread, evaluators counted once?
static inline bool compat_c_deeper(PyThreadState *tstate, int than);

// --- generators -------------------------------------------------------------------------------
Frame *compat_generator_frame(PyObject *generator);
PyObject *compat_generator_of(Frame *frame);        // borrowed; a frame that is a generator's
// It has not begun, or is suspended at a yield that is not a `yield from`.
bool compat_generator_waits(PyObject *generator);
// And no event waits, and the code's
// instrumentation is up to date, so that RESUME would find nothing to do.
bool compat_generator_may_run(PyThreadState *tstate, PyObject *generator);
// As the interpreter resumes a generator: its frame is current, the generator is running.
void compat_generator_link(PyThreadState *tstate, PyObject *generator);
// Undoes that: it is suspended.
void compat_generator_unlink(PyThreadState *tstate, PyObject *generator);
// It has returned (not linked; what it holds is in its frame): its frame is cleared.
void compat_generator_end(PyThreadState *tstate, PyObject *generator);
// The frame stands at YIELD_VALUE, the value is not on its stack (any more): suspend it.
void compat_generator_suspend(PyThreadState *tstate, PyObject *generator);
// Lets the interpreter go on in the linked frame; what tp_iternext is to return then.
PyObject *compat_generator_finish(PyThreadState *tstate, PyObject *generator);
// Does the frame stand at a YIELD_VALUE that nobody wants to hear of?
bool compat_frame_at_yield(Frame *frame);
bool compat_frame_at_return(Frame *frame);      // the same for RETURN_CONST
// What MAKE_FUNCTION makes; what calling a generator function with n = co_argcount arguments makes (its
// arguments are not cells). Behind args: its free variables' cells, or 0: the function's closure has them.
PyObject *compat_function_new(PyObject *code, PyObject *globals);
PyObject *compat_generator_new(PyObject *func, PyObject *const *args, Py_ssize_t n, Py_ssize_t cells);

// --- monitoring -------------------------------------------------------------------------------
static inline uint64_t compat_monitoring_version(PyThreadState *tstate);
size_t compat_breaker_offset(void);             // of eval_breaker in PyThreadState; low byte: events
size_t compat_recursion_offset(void);           // of py_recursion_remaining (int) there; a Python
                                                // call raises RecursionError when it is <= 0
// While compiled code runs inside a callback, other tools must see events as usual.
typedef struct { int tracing, what_event; } CallbackState;
static inline void compat_leave_callback(PyThreadState *tstate, CallbackState *saved);
static inline void compat_reenter_callback(PyThreadState *tstate, const CallbackState *saved);
// True if a tool other than ours watches this code object, or any code (settrace, setprofile).
bool compat_watched_by_others(PyThreadState *tstate, PyCodeObject *code);
// The part of it that is about any code.
bool compat_all_code_is_watched(PyThreadState *tstate);
// Does any tool but ours have events of all code?
bool compat_other_tools(PyThreadState *tstate);
// Only the part of it that the monitoring version does not tell: events asked for in this code.
bool compat_watched_locally(PyCodeObject *code);
// PyUnstable_Code_SetExtra, but without room for slots of others behind ours: CPython calls the free functions of
// all slots there is room for. First compat_learn_extras, with a code object whose slot holds `extra`.
static inline void *compat_get_extra(PyCodeObject *code, int index);      // NULL: none
// Has all been found where the functions look that ask nothing before?
static inline bool compat_can_hurry(void);
// compat_get_extra() of a code object that has one, if compat_can_hurry().
static inline void *compat_extra_made(PyCodeObject *code, int index);
int compat_set_extra(PyCodeObject *code, int index, void *extra);
void compat_learn_extras(PyCodeObject *code, int index, void *extra);
bool compat_evaluator_is_replaced(PyThreadState *tstate);
// The word that is not NULL while another evaluator of frames is set (PEP 523).
const void *compat_other_evaluator(void);
bool compat_sees_evaluator(void);               // it is known; else that word is always NULL
// The bytes, one for each event, that say which tools have asked for events of this code object alone (NULL
// if none ever has), and our bit in them.
const void *compat_local_tools(PyCodeObject *code, int *ours);
// The same, quickly: what was found for all code is kept until the monitoring version changes.
bool compat_watched_now(PyThreadState *tstate, PyCodeObject *code);
// false: one of the interpreter's own code objects (behind __init__ of a class that was called, say), which lies in
// read-only memory and never reports.
bool compat_code_has_events(PyCodeObject *code);
// Does a pending call wait for this thread?
static inline bool compat_has_request(PyThreadState *tstate);
// Have `call` made at the next eval-breaker check of whichever thread runs. Needs no GIL and no thread state.
// false: too many wait already.
bool compat_add_pending_call(PyInterpreterState *interp, int (*call)(void *), void *arg);

// --- objects ----------------------------------------------------------------------------------
// Instance attributes kept inline after the object (3.13: inline values).
// true and the byte offset of attribute `name` in instances of `type`, and of the byte that is 1
// while the inline values are valid; false if instances keep no such value.
bool compat_inline_attr(PyTypeObject *type, PyObject *name, size_t *offset, size_t *valid_offset,
                        int *index);
bool compat_inline_valid(PyObject *obj);
// Address of the number of names that instances of `type` share (it only grows), and the byte
// offset of the valid flag as above; NULL if instances keep no inline values.
int64_t *compat_shared_keys_count(PyTypeObject *type, size_t *valid_offset);
// Note that inline value `index` of obj has been set for the first time.
void compat_inline_add(PyObject *obj, int64_t index);
// The ints 0..n-1, which the interpreter shares, immortal, in an array (n may be 0: not known).
typedef struct { PyLongObject *first; uint64_t n; } CompatSmallInts;
extern CompatSmallInts compat_small_ints;
void compat_learn_small_ints(void);
// The type code of an exact array.array ('\0': it is none, or not laid out as help_array (helpers.h)
// has it), and the address that all arrays of this kind hold in `descr`.
char compat_array_kind(PyObject *o, const void **descr);
// The 256 strs of one character that the interpreter shares, immortal, in an array; or NULL.
PyObject *const *compat_char_strs(void);
// Byte offset of the pointer to an instance's dictionary (add it as it is: the sum may wrap round);
// false if instances of `type` have none, or it is not at a fixed place.
bool compat_dict_pointer(PyTypeObject *type, size_t *offset);
// Where a dictionary keeps the value of the str `name`, which stays so while nothing is added or
// removed. ENTRY: `offset` bytes into its entries, the `which`-th of them; SHARED: into its values,
// `which` being its keys. OTHERWISE: not this way.
typedef enum { DICT_OTHERWISE, DICT_LACKS, DICT_ENTRY, DICT_SHARED } DictPlace;
DictPlace compat_dict_place(PyObject *dict, PyObject *name, uint64_t *which, size_t *offset);
// The dictionary has no key `name`, and no key whose == would have to be asked.
bool compat_dict_lacks(PyObject *dict, PyObject *name);
uint64_t *compat_dict_versions(void);       // the last version number given to a dict by our code
// --- compat_313_lookup.c: look-ups that run no Python code ---
typedef enum { LOOKUP_UNSURE = -1, LOOKUP_ABSENT, LOOKUP_FOUND } Lookup;
bool compat_is_plain_key(PyObject *o);      // of a builtin type whose hash and == are known
bool compat_can_search(PyTypeObject *type); // is compat_contains() for its instances
Lookup compat_contains(PyObject *container, PyObject *key);
Lookup compat_dict_find(PyObject *dict, PyObject *key, PyObject **value);   // value: borrowed
// The interpreter's list of free floats, as help_float_freelist (helpers.h) has it.
void *compat_float_freelist(PyThreadState *tstate);
// CPython functions that its public headers do not declare.
int compat_str_equal(PyObject *a, PyObject *b);
// Can dropping the last reference to o run no Python code (no finalizer, no weak reference, no
// object that would die with it and is not as quiet)?
bool compat_quiet_to_free(PyObject *o);
size_t compat_managed_dict_offset(void);        // of the managed dict pointer; lies before the object
                                                // (add it as it is: the sum wraps round)
// Offsets in an enumerate object: its counter, the iterator behind it, and the counter once it is
// too big (else NULL). NULL: not known.
typedef struct { size_t index, inner, long_index; } EnumLayout;
const EnumLayout *compat_enum_layout(void);
size_t compat_zip_iterators(void);              // offset of zip's tuple of iterators; 0: not known
PyObject *compat_type_lookup(PyTypeObject *type, PyObject *name);   // borrowed, no error set
// Looking any name up in the type runs no Python code: it and its bases have no keys but plain strs.
bool compat_type_is_plain(PyTypeObject *type);
// What super(cls, object).name finds for an object of (plain) type `type`; borrowed, or NULL.
PyObject *compat_lookup_behind(PyTypeObject *type, PyObject *cls, PyObject *name);
// Offset of a member of a builtin type, such as staticmethod's __func__; 0: it has none of this name.
size_t compat_member_offset(PyTypeObject *type, const char *name);
// Is it an instance's __dict__ whose values are in the instance? Then they are set without a word to the dict.
bool compat_dict_shows_instance(PyObject *dict);
bool compat_int_is_compact(PyObject *value);
// A type version so that type watchers report the next change; 0 if none can be had.
unsigned compat_assign_type_version(PyTypeObject *type);
// From the call with true to that with false the evaluator stops the process with a message: whoever is at work
// must not run Python code. Checked in debug builds only.
#ifdef JITPATCH_DEBUG
void compat_forbid_python(PyThreadState *tstate, bool forbidden);
#else
static inline void compat_forbid_python(PyThreadState *tstate, bool forbidden) { (void)tstate; (void)forbidden; }
#endif

// --- single bytecodes: compat_*_bytecodes.c ---------------------------------------------------
// What a bytecode does for which the public headers have no function, with its exceptions.
PyObject *compat_dict_from_pairs(PyObject **items, int64_t count);      // key, value, key, ...
PyObject *compat_dict_from_values(PyObject **items, int64_t count);     // values; last: tuple of keys
PyObject *compat_set_from_items(PyObject **items, int64_t count);
PyObject *compat_str_join(PyObject **items, int64_t n);
PyObject *compat_list_extend(PyObject *list, PyObject *iterable);
int compat_set_update(PyObject *set, PyObject *iterable);
int compat_dict_update(PyObject *dict, PyObject *mapping);
// 1, and the values (borrowed), if these are the dict's keys, the same objects in this order; else 0.
int compat_dict_spread(PyObject *dict, PyObject *keys, PyObject **values);
int compat_dict_merge(PyObject *dict, PyObject *mapping, PyObject *callable);
// What the iterable is unpacked into, from the last to the first. shape: how many items stand
// before the star, + COMPAT_UNPACK_STAR * (1 + how many behind it) if there is one. 0, or -1.
enum { COMPAT_UNPACK_STAR = 256 };
int compat_unpack(PyObject *iterable, int64_t shape, PyObject **items);
// `both`: the bound __exit__, and what __enter__ returned. 0, or -1.
int compat_before_with(PyObject *manager, int64_t shape, PyObject **both);
PyObject *compat_call_starred(PyObject *callable, PyObject *args, PyObject *kwargs);
// args: super, class, instance, name. super() is called without arguments, or with the two.
PyObject *compat_super_attr(PyObject **args, int64_t count);
PyObject *compat_super_attr_of(PyObject **args, int64_t count);
PyObject *compat_super_lookup(PyObject *cls, PyObject *self, PyObject *name);   // of the real super
// args: level, fromlist, __import__, name, globals, locals.
PyObject *compat_import_name(PyObject **args, int64_t count);
int compat_delete_global(PyObject *globals, PyObject *name);
PyObject *compat_match_class(PyObject **args, int64_t count);   // subject, class, names, an int
PyObject *compat_match_keys(PyObject *subject, PyObject *keys);
int64_t compat_matches_sequence(PyObject *o);           // as the pattern [...] asks
int64_t compat_matches_mapping(PyObject *o);            // {...}

#include "python/compat_313_inline.h"

#endif
