// compat_313.c - the seam to CPython 3.13: bytecode, layout check, monitoring.
// Frames are in compat_313_frames.c, types and instances in compat_313_objects.c.
//
// These files are the only ones that include pycore_*.h for 3.13. What they rely on beyond the
// public API, and how a mismatch shows:
//  - the layout of frames, code objects, thread states and the basic objects: compat_check()
//    compares every offset that _Py_DebugOffsets publishes with the one compiled in;
//  - the place of the monitoring tables in the interpreter state, which nothing publishes:
//    compat_check_monitoring() sets an event by the public API and looks for the bit.
// A build serves all patch releases: within 3.13 these structs have grown at their ends only
// (thread state 3.13.0: 304 bytes, 3.13.15: 312), so what is compared are offsets. Nothing here
// may use a field of _PyRuntime but debug_offsets, nor one of the interpreter state behind
// `monitors`: those have moved between patch releases.

#include "python/compat_313.h"
#include <stdio.h>
#include <stdlib.h>

// --- self-check -------------------------------------------------------------------------------

typedef struct {
    const char *name;
    uint64_t running, compiled;
} LayoutRow;

static const char *
check_layout(void)
{
    static char message[200];
    const _Py_DebugOffsets *seen = &_PyRuntime.debug_offsets;
#define ROW(part, field, want) {#part "." #field, seen->part.field, want}
    const LayoutRow rows[] = {
        ROW(thread_state, interp, offsetof(PyThreadState, interp)),
        ROW(thread_state, current_frame, offsetof(PyThreadState, current_frame)),
        ROW(thread_state, datastack_chunk, offsetof(PyThreadState, datastack_chunk)),
        ROW(thread_state, status, offsetof(PyThreadState, _status)),
        ROW(interpreter_state, next, offsetof(PyInterpreterState, next)),
        ROW(interpreter_state, gc, offsetof(PyInterpreterState, gc)),
        ROW(interpreter_state, sysdict, offsetof(PyInterpreterState, sysdict)),
        ROW(interpreter_state, ceval_gil, offsetof(PyInterpreterState, ceval.gil)),
        ROW(interpreter_frame, size, sizeof(_PyInterpreterFrame)),
        ROW(interpreter_frame, previous, offsetof(_PyInterpreterFrame, previous)),
        ROW(interpreter_frame, executable, offsetof(_PyInterpreterFrame, f_executable)),
        ROW(interpreter_frame, instr_ptr, offsetof(_PyInterpreterFrame, instr_ptr)),
        ROW(interpreter_frame, localsplus, offsetof(_PyInterpreterFrame, localsplus)),
        ROW(interpreter_frame, owner, offsetof(_PyInterpreterFrame, owner)),
        ROW(code_object, size, sizeof(PyCodeObject)),
        ROW(code_object, linetable, offsetof(PyCodeObject, co_linetable)),
        ROW(code_object, argcount, offsetof(PyCodeObject, co_argcount)),
        ROW(code_object, localspluskinds, offsetof(PyCodeObject, co_localspluskinds)),
        ROW(code_object, co_code_adaptive, offsetof(PyCodeObject, co_code_adaptive)),
        ROW(pyobject, size, sizeof(PyObject)),
        ROW(pyobject, ob_type, offsetof(PyObject, ob_type)),
        ROW(type_object, size, sizeof(PyTypeObject)),
        ROW(type_object, tp_flags, offsetof(PyTypeObject, tp_flags)),
        ROW(tuple_object, ob_item, offsetof(PyTupleObject, ob_item)),
        ROW(tuple_object, ob_size, offsetof(PyTupleObject, ob_base.ob_size)),
        ROW(list_object, ob_item, offsetof(PyListObject, ob_item)),
        ROW(list_object, ob_size, offsetof(PyListObject, ob_base.ob_size)),
        ROW(dict_object, ma_keys, offsetof(PyDictObject, ma_keys)),
        ROW(dict_object, ma_values, offsetof(PyDictObject, ma_values)),
        ROW(float_object, ob_fval, offsetof(PyFloatObject, ob_fval)),
        ROW(long_object, lv_tag, offsetof(PyLongObject, long_value.lv_tag)),
        ROW(long_object, ob_digit, offsetof(PyLongObject, long_value.ob_digit)),
    };
#undef ROW
    for (size_t i = 0; i < Py_ARRAY_LENGTH(rows); i++) {
        if (rows[i].running != rows[i].compiled) {
            PyOS_snprintf(message, sizeof message,
                          "this CPython 3.13 has another layout than the one jitpatch was built "
                          "for (%s is %llu, not %llu): rebuild jitpatch with it",
                          rows[i].name, (unsigned long long)rows[i].running,
                          (unsigned long long)rows[i].compiled);
            return message;
        }
    }
    return NULL;
}

PyThreadState **compat_gil_holder;

// Its place is in no table of offsets: it is where it should be if this thread is found there.
static void
find_gil_holder(PyThreadState *tstate)
{
    struct _gil_runtime_state *gil = tstate->interp->ceval.gil;
    if (tstate->interp == PyInterpreterState_Main() && gil != NULL && gil->last_holder == tstate) {
        compat_gil_holder = &gil->last_holder;
    }
}

const char *
compat_check(void)
{
    if (Py_Version >> 16 != PY_VERSION_HEX >> 16) {
        return "jitpatch was built for another CPython minor version: this build serves 3.13";
    }
    if (memcmp(_PyRuntime.debug_offsets.cookie, _Py_Debug_Cookie, 8) != 0) {
        return "this interpreter publishes no layout (_Py_DebugOffsets): "
               "only stock CPython 3.13 is supported";
    }
    if (_PyRuntime.debug_offsets.free_threaded) {
        return "free-threaded builds of CPython are not supported: use the default build of 3.13";
    }
#ifdef Py_DEBUG
    const bool compiled_debug = true;
#else
    const bool compiled_debug = false;
#endif
    if ((PySys_GetObject("gettotalrefcount") != NULL) != compiled_debug) {
        return "jitpatch was not built for debug builds of CPython: use the default build of 3.13";
    }
    const char *mismatch = check_layout();
    if (mismatch == NULL) {
        find_gil_holder(PyThreadState_GET());
    }
    return mismatch;
}

const char *
compat_check_monitoring(PyThreadState *tstate)
{
    const uint8_t ours = 1 << PY_MONITORING_OPTIMIZER_ID;
    const _Py_GlobalMonitors *monitors = &tstate->interp->monitors;
    if (!(monitors->tools[PY_MONITORING_EVENT_JUMP] & ours)
        || (monitors->tools[PY_MONITORING_EVENT_PY_UNWIND] & ours)) {
        return "this CPython 3.13 keeps its monitoring state elsewhere than the one jitpatch was "
               "built for: rebuild jitpatch with it";
    }
    return NULL;
}

// --- bytecode ---------------------------------------------------------------------------------

#define OTHER 255       // no instruction of plain bytecode
static const uint8_t bytecode_of_opcode[256] = {
#define BC(name) [name] = BC_##name,
#include "python/bytecodes.def"
#undef BC
};
#undef OTHER

static const char *const bytecode_names[] = {
#define BC(name) #name,
#include "python/bytecodes.def"
#undef BC
};

const char *
compat_bytecode_name(Bytecode op)
{
    return op < BC_COUNT ? bytecode_names[op] : "?";
}

// CPython keeps the plain bytes with the code object once they were asked for; after that this
// is two loads and a reference count. The reference dropped is never the last one.
static const uint8_t *
plain_code(PyCodeObject *code)
{
    PyObject *bytes = PyCode_GetCode(code);
    if (bytes == NULL) {
        return NULL;
    }
    const uint8_t *plain = (const uint8_t *)PyBytes_AS_STRING(bytes);
    Py_DECREF(bytes);
    return plain;
}

int
compat_decode(PyCodeObject *code, int offset, Instr *out)
{
    const uint8_t *plain = plain_code(code);
    if (plain == NULL) {
        return -1;
    }
    int size = (int)Py_SIZE(code);
    if (offset < 0 || offset >= size) {
        PyErr_Format(PyExc_SystemError, "jitpatch: offset %d outside of code of %d units", offset,
                     size);
        return -1;
    }
    int at = offset;
    int oparg = plain[2 * at + 1];
    while (plain[2 * at] == EXTENDED_ARG && at + 1 < size) {
        at++;
        oparg = (int)((unsigned)oparg << 8 | plain[2 * at + 1]);
    }
    // In plain bytecode every cache entry is a zero opcode, and no instruction is.
    int next = at + 1;
    while (next < size && plain[2 * next] == CACHE) {
        next++;
    }
    out->op = (Bytecode)bytecode_of_opcode[plain[2 * at]];
    out->oparg = oparg;
    out->offset = at;
    out->next = next;
    switch (plain[2 * at]) {
        case JUMP_FORWARD:
        case POP_JUMP_IF_TRUE:
        case POP_JUMP_IF_FALSE:
        case POP_JUMP_IF_NONE:
        case POP_JUMP_IF_NOT_NONE:
        case SEND:
            out->target = next + oparg;
            break;
        case FOR_ITER:
            // An exhausted iterator is popped and END_FOR, POP_TOP are jumped over.
            out->target = next + oparg + 2;
            break;
        case JUMP_BACKWARD:
        case JUMP_BACKWARD_NO_INTERRUPT:
            out->target = next - oparg;
            break;
        default:
            out->target = -1;
    }
    return 0;
}

// What compat_decode calls OTHER.
static const char *const other_names[256] = {
#define NAME(opcode) [opcode] = #opcode
    NAME(BEFORE_ASYNC_WITH), NAME(CACHE), NAME(CLEANUP_THROW), NAME(END_ASYNC_FOR), NAME(END_SEND),
    NAME(ENTER_EXECUTOR), NAME(EXIT_INIT_CHECK), NAME(EXTENDED_ARG), NAME(GET_AITER), NAME(GET_ANEXT),
    NAME(GET_AWAITABLE), NAME(GET_YIELD_FROM_ITER), NAME(INTERPRETER_EXIT), NAME(LOAD_BUILD_CLASS),
    NAME(LOAD_FROM_DICT_OR_DEREF), NAME(LOAD_FROM_DICT_OR_GLOBALS), NAME(RESERVED), NAME(CHECK_EG_MATCH),
#undef NAME
};

const char *
compat_instr_name(PyCodeObject *code, const Instr *in)
{
    if (in->op != BC_OTHER) {
        return compat_bytecode_name(in->op);
    }
    PyObject *exc = PyErr_GetRaisedException();
    const uint8_t *plain = in->offset >= 0 && in->offset < Py_SIZE(code) ? plain_code(code) : NULL;
    PyErr_SetRaisedException(exc);
    const char *name = plain == NULL ? NULL : other_names[plain[2 * in->offset]];
    return name == NULL ? compat_bytecode_name(BC_OTHER) : name;
}

int
compat_stack_effect(PyCodeObject *code, const Instr *in, bool jumps)
{
    if (in->op == BC_FOR_ITER) {
        return jumps ? -1 : 1;          // END_FOR and POP_TOP are jumped over
    }
    const uint8_t *plain = plain_code(code);
    return plain == NULL ? 0 : PyCompile_OpcodeStackEffectWithJump(plain[2 * in->offset], in->oparg, jumps);
}

bool
compat_after_prefix(PyCodeObject *code, int offset)
{
    const uint8_t *plain = plain_code(code);
    if (plain == NULL) {
        PyErr_Clear();
        return false;
    }
    return offset > 0 && plain[2 * (offset - 1)] == EXTENDED_ARG;
}

// Looks at opcodes only, which costs a fifth of decoding all that lies between.
int
compat_find(PyCodeObject *code, int offset, const Bytecode *wanted, int n, Instr *out)
{
    const uint8_t *plain = plain_code(code);
    if (plain == NULL) {
        return -1;
    }
    int size = (int)Py_SIZE(code);
    for (int at = offset; at < size; at++) {
        Bytecode op = (Bytecode)bytecode_of_opcode[plain[2 * at]];
        for (int i = 0; i < n; i++) {
            if (op == wanted[i]) {
                while (at > offset && plain[2 * (at - 1)] == EXTENDED_ARG) {
                    at--;
                }
                return compat_decode(code, at, out) < 0 ? -1 : 1;
            }
        }
    }
    return 0;
}

int
compat_return_offset(PyCodeObject *code, int call_offset)
{
    Instr instr;
    if (compat_decode(code, call_offset, &instr) < 0) {
        PyErr_Clear();
        return 0;
    }
    return instr.next - call_offset;
}

int
compat_code_framesize(PyCodeObject *code)
{
    return code->co_framesize;
}

int
compat_code_first_traceable(PyCodeObject *code)
{
    return code->_co_firsttraceable;
}

SlotKind
compat_slot_kind(PyCodeObject *code, int slot)
{
    _PyLocals_Kind kind = _PyLocals_GetKind(code->co_localspluskinds, slot);
    if (kind & CO_FAST_FREE) {
        return SLOT_FREE;
    }
    return kind & CO_FAST_CELL ? SLOT_CELL : SLOT_LOCAL;
}

// --- monitoring -------------------------------------------------------------------------------

size_t
compat_breaker_offset(void)
{
    return offsetof(PyThreadState, eval_breaker);
}

size_t
compat_recursion_offset(void)
{
    return offsetof(PyThreadState, py_recursion_remaining);
}

bool
compat_watched_locally(PyCodeObject *code)
{
    return watched_locally(code);
}

bool
compat_other_tools(PyThreadState *tstate)
{
    const uint8_t others = (uint8_t)~(1 << PY_MONITORING_OPTIMIZER_ID);
    uint8_t tools = 0;
    for (int event = 0; event < _PY_MONITORING_UNGROUPED_EVENTS; event++) {
        tools |= tstate->interp->monitors.tools[event];
    }
    return (tools & others) != 0;
}

#ifdef JITPATCH_DEBUG
static struct { int depth; _PyFrameEvalFunction before; } forbidden;

static PyObject *
no_python_code(PyThreadState *Py_UNUSED(tstate), Frame *frame, int Py_UNUSED(throwflag))
{
    fprintf(stderr, "jitpatch: the recorder runs Python code: %s\n",
            PyUnicode_AsUTF8(_PyFrame_GetCode(frame)->co_qualname));
    abort();
}

void
compat_forbid_python(PyThreadState *tstate, bool on)
{
    if (on && forbidden.depth++ == 0) {
        forbidden.before = tstate->interp->eval_frame;
        tstate->interp->eval_frame = no_python_code;
    }
    else if (!on && --forbidden.depth == 0) {
        tstate->interp->eval_frame = forbidden.before;
    }
}
#endif

bool
compat_evaluator_is_replaced(PyThreadState *tstate)
{
    _PyFrameEvalFunction now = _PyInterpreterState_GetEvalFrameFunc(tstate->interp);
#ifdef JITPATCH_DEBUG
    now = now == no_python_code ? forbidden.before == NULL ? _PyEval_EvalFrameDefault : forbidden.before : now;
#endif
    return now != _PyEval_EvalFrameDefault;
}

bool
compat_all_code_is_watched(PyThreadState *tstate)
{
    return compat_other_tools(tstate) || tstate->c_tracefunc != NULL || tstate->c_profilefunc != NULL
           || compat_evaluator_is_replaced(tstate);
}

bool
compat_sees_evaluator(void)
{
    PyInterpreterState *interp = PyInterpreterState_Main();
    bool other = _PyInterpreterState_GetEvalFrameFunc(interp) != _PyEval_EvalFrameDefault;
    return (interp->eval_frame != NULL) == other;
}

const void *
compat_other_evaluator(void)
{
    static const void *const never = NULL;
    return compat_sees_evaluator() ? (const void *)&PyInterpreterState_Main()->eval_frame : (const void *)&never;
}

bool
compat_watched_by_others(PyThreadState *tstate, PyCodeObject *code)
{
    return compat_watched_locally(code) || compat_all_code_is_watched(tstate);
}

bool
compat_watched_now(PyThreadState *tstate, PyCodeObject *code)
{
    static uint64_t quiet_version = UINT64_MAX;
    uint64_t version = compat_monitoring_version(tstate);
    if (version != quiet_version || tstate->c_tracefunc != NULL || tstate->c_profilefunc != NULL
        || compat_evaluator_is_replaced(tstate)) {
        if (compat_all_code_is_watched(tstate)) {
            return true;
        }
        quiet_version = version;
    }
    return compat_watched_locally(code);
}

_Static_assert(_PY_MONITORING_LOCAL_EVENTS == 10, "GUARD_UNWATCHED looks at ten bytes");

const void *
compat_local_tools(PyCodeObject *code, int *ours)
{
    *ours = 1 << PY_MONITORING_OPTIMIZER_ID;
    return code->_co_monitoring == NULL ? NULL : code->_co_monitoring->local_monitors.tools;
}

bool
compat_code_has_events(PyCodeObject *code)
{
    return (code->co_flags & CO_NO_MONITORING_EVENTS) == 0;
}

_Static_assert((int)COMPAT_CALLS_TO_DO == (int)_PY_CALLS_TO_DO_BIT, "the eval breaker's event for pending calls");

bool
compat_add_pending_call(PyInterpreterState *interp, int (*call)(void *), void *arg)
{
    return _PyEval_AddPendingCall(interp, call, arg, 0) == _Py_ADD_PENDING_SUCCESS;
}

// --- extra slots of code objects --------------------------------------------------------------

bool compat_extras_are_known;

void
compat_learn_extras(PyCodeObject *code, int index, void *extra)
{
    const CompatExtras *extras = code->co_extra;
    compat_extras_are_known = extras != NULL && extras->size > index && extras->size < 256
        && extras->extras[index] == extra;
}

int
compat_set_extra(PyCodeObject *code, int index, void *extra)
{
    if (code->co_extra != NULL || !compat_extras_are_known) {
        return PyUnstable_Code_SetExtra((PyObject *)code, index, extra);
    }
    CompatExtras *extras = PyMem_Calloc(1, sizeof *extras + (size_t)(index + 1) * sizeof(void *));
    if (extras == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    extras->size = index + 1;
    extras->extras[index] = extra;
    code->co_extra = extras;
    return 0;
}
