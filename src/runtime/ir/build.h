// build.h - appends instructions to a trace, simplifying as it goes.
//
// The recorder and the loop peeler both write through build(): constants are folded, a pure
// computation or guard made twice is made once, loads are forwarded, and boxing cancels against
// unboxing (opt_fold.c). So what stands in a trace is already the first half of the optimiser's
// work; LuaJIT's fold engine is the model.
#ifndef JITPATCH_BUILD_H
#define JITPATCH_BUILD_H

#include "base/aborts.h"
#include "python/compat.h"
#include "ir/ir.h"

enum { FACT_NONNULL = 1 };

typedef struct {
    Trace *t;
    uint16_t max_ins;                   // ABORT_TOO_LONG beyond
    AbortReason abort;                  // sticky: once set, nothing more is appended
    uint16_t snap;                      // snapshot for instructions that may leave
    Ref last_write[MEM_COUNT];          // newest instruction that wrote each class of memory
    Ref known_from, known_to;           // INS_KNOWN: from here, to before there
    Ref last_escape;                    // newest instruction after which any memory may differ
    PyTypeObject *type[MAX_INS];        // exact type of each object, where known
    Ref type_at[MAX_INS];               // when it was learnt: __class__ may be assigned later
    uint8_t facts[MAX_INS];             // FACT_*
    uint8_t entry;                      // INS_ENTRY while the entry part is written
    uint16_t konst_hash[4096];          // interned constants: number + 1, or 0
    PyObject *keep;                     // list: constants that are objects stay alive
    int (*met_class)(PyTypeObject *);   // told of each class that is guarded on: it is not kept alive
} Builder;

// 0, -1 out of memory. Both are zero at the first use, and as the last recording left them later.
int builder_begin(Builder *b, Trace *t, long max_ins);

// Append `op`, or return the ref of something equal. Inputs not used are NO_REF, operands 0.
Ref build(Builder *b, int op, Ref in0, Ref in1, Ref in2, uint64_t operand0, uint64_t operand1);
// As build(), but nothing is simplified.
Ref build_raw(Builder *b, int op, Ref in0, Ref in1, Ref in2, uint64_t operand0, uint64_t operand1);
// What a trace before this one has done (INS_KNOWN); `value`: the ref that has its result, or NO_REF.
Ref build_known(Builder *b, int op, Ref in0, Ref in1, Ref in2, uint64_t operand0, uint64_t operand1, Ref value);
#define build0(b, op) build(b, op, 0, 0, 0, 0, 0)
#define build1(b, op, a) build(b, op, a, 0, 0, 0, 0)
#define build2(b, op, a, c) build(b, op, a, c, 0, 0, 0)
#define build3(b, op, a, c, d) build(b, op, a, c, d, 0, 0)

Ref konst_obj(Builder *b, PyObject *o);
Ref konst_i64(Builder *b, int64_t v);
Ref konst_f64(Builder *b, double v);
static inline uint64_t trace_konst(const Trace *t, Ref ref) { return t->konsts[ref & ~KREF].bits; }
static inline PyObject *konst_as_obj(const Trace *t, Ref ref) {
    return (PyObject *)(uintptr_t)trace_konst(t, ref);
}
double konst_as_f64(const Trace *t, Ref ref);

// Can __class__ of its instances be assigned? Only of heap types that are not immutable, and of modules.
bool may_change_class(PyTypeObject *type);
// Does freeing its instances run no code that we do not know?
bool build_is_quiet(PyTypeObject *type);
// The exact type of an object ref, or NULL.
PyTypeObject *known_type(const Builder *b, Ref ref);
void learn_type(Builder *b, Ref ref, PyTypeObject *type);
// Emit a guard unless the type is known. false (abort set) if it is known to be another.
bool guard_type(Builder *b, Ref ref, PyTypeObject *type);

// An object that holds others and is made only where something needs it: its items move into it.
static inline bool is_pack(int op) { return op == UOP_TUPLE_PACK || op == UOP_FUNCTION_PACK; }
int pack_items(const Ins *pack, Ref items[MAX_INPUTS]);     // how many

// opt_fold.c: the rules. NO_REF: no rule applies, append the instruction.
// FOLD_DROPPED: the instruction (without output) is not needed.
#define FOLD_DROPPED 0x7fff
typedef enum {
#define RULE(name, text) RULE_##name,
#include "ir/fold_rules.def"
#undef RULE
    FOLD_RULE_COUNT
} FoldRule;
#if defined(JITPATCH_DEBUG) || defined(JITPATCH_TOOL)
extern unsigned long fold_fired[FOLD_RULE_COUNT];       // how often each rule has applied
extern const char *const fold_rule_names[FOLD_RULE_COUNT];
static inline void fold_count(FoldRule rule) { fold_fired[rule]++; }
#else
static inline void fold_count(FoldRule rule) { (void)rule; }
#endif
Ref fold(Builder *b, int op, Ref in[MAX_INPUTS], const uint64_t operand[MAX_OPERANDS]);

// --- ir_text.c --------------------------------------------------------------------------------
// The trace as text, one instruction a line; malloc'd, NULL when out of memory.
char *trace_text(const Trace *t);
// A trace cut to its size, to be kept: PyMem_Malloc'd, NULL when out of memory. Its text, later.
void *trace_pack(const Trace *t);
char *trace_text_packed(const void *packed);
// --- verify.c ---------------------------------------------------------------------------------
// NULL, or what is wrong with the lowered trace.
const char *trace_verify(const Trace *t);
// --- verify_pass.c: debug builds and tests alone -----------------------------------------------------
typedef enum {
    VERIFY_RECORDED,                    // as the recorder leaves it: a loop is not closed yet
    VERIFY_OPTIMISED,                   // by passes, in recorded order
    VERIFY_FINAL,                       // in its final order
} VerifyStage;
// Is the trace well-formed after a pass? false: `message` says what is wrong.
bool verify_pass(const Trace *t, VerifyStage stage, char *message, size_t room);
// --- opt_*.c: passes, in the order of opt.c -------------------------------------------------------
AbortReason opt_loop(Builder *b, uint16_t loop_snap);   // peel: appends LOOP and the loop body
AbortReason opt_refs(Trace *t);                         // reference count pairs
AbortReason opt_dce(Trace *t);                          // dead code, and boxes nobody needs
AbortReason opt_rebox(Trace *t);                        // float objects written over
bool may_hold_globals(const Trace *t);                  // opt_lower.c: nothing looks at the names of modules
// Those that only remove instructions, in their order; the last has no name.
typedef struct { const char *name; AbortReason (*run)(Trace *t); } Pass;
extern const Pass opt_passes[];
// Option force_exit: an exit before each instruction that may leave, taken every so many times; 0: none.
typedef struct { int64_t every, *left; } ForceExit;
AbortReason opt_lower(const Trace *t, ForceExit force, Trace *out);     // order of parts, SYNC, what memory holds
AbortReason optimise(Builder *b, uint16_t loop_snap, ForceExit force, Trace *out);      // opt.c: all of them

#endif
