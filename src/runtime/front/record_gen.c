// record_gen.c - record functions: functions and generators made, and what generators yield.
#include "entry/hook.h"
#include "front/record.h"
#include "run/invalidate.h"

// --- making functions -----------------------------------------------------------------------------

// What the globals have under this name (borrowed; NULL: nothing) stays so.
static bool
name_stays(Recorder *r, PyObject *globals, const char *text, PyObject **found)
{
    PyObject *name = PyUnicode_InternFromString(text), *value = NULL;
    bool stays = name != NULL && PyDict_CheckExact(globals) && compat_dict_find(globals, name, &value) != LOOKUP_UNSURE
        && !is_variable(r, top_frame(r)->code, globals, name) && assume_dict_key(globals, name) == 0;
    PyErr_Clear();
    Py_XDECREF(name);
    if (found != NULL) {
        *found = value;
    }
    return stays;
}

// A new function takes its builtins, and the name of its module, from its globals: are the first those of the frame,
// and do both stay?
static bool
keeps_names(Recorder *r, Frame *frame, PyObject *globals)
{
    PyObject *found = NULL;
    if (!name_stays(r, globals, "__builtins__", &found) || !name_stays(r, globals, "__name__", NULL)) {
        return false;
    }
    if (found != NULL && PyModule_Check(found)) {
        found = PyModule_GetDict(found);
    }
    return found == NULL || found == compat_frame_builtins(frame);
}

RECORD(MAKE_FUNCTION)
{
    (void)in;
    Builder *b = &r->b;
    Frame *frame = top_frame(r)->frame;
    PyObject *globals = compat_frame_globals(frame);
    if (!ref_is_const(peek(r, 0)) || !keeps_names(r, frame, globals)) {
        end_here(r, ABORT_BYTECODE);
        return;
    }
    Ref code = pop(r);
    push_owned(r, build_raw(b, UOP_FUNCTION_PACK, code, konst_obj(b, globals), konst_obj(b, Py_None),
                            0, 0));
}

// The closure of a function that the trace has just begun to pack.
static bool
pack_closure(Recorder *r, int flag)
{
    enum { CLOSURE = 8 };
    Ref func = peek(r, 0), closure = peek(r, 1);
    const Ins *old = &r->t->ins[func];
    if (flag != CLOSURE || ref_is_const(func) || old->op != UOP_FUNCTION_PACK || r->own[func] != 1
        || ref_is_const(closure) || r->t->n_ins != func + 1) {
        return false;
    }
    Ref code = old->in[0], globals = old->in[1];
    (void)pop(r);
    (void)pop(r);
    r->own[func] = 0;
    give(r, closure);
    push_owned(r, build_raw(&r->b, UOP_FUNCTION_PACK, code, globals, closure, 0, 0));
    return true;
}

RECORD(SET_FUNCTION_ATTRIBUTE)
{
    static const struct { int flag; size_t offset; } fields[] = {
        {1, offsetof(PyFunctionObject, func_defaults)},
        {2, offsetof(PyFunctionObject, func_kwdefaults)},
        {4, offsetof(PyFunctionObject, func_annotations)},
        {8, offsetof(PyFunctionObject, func_closure)}};
    if (pack_closure(r, in->oparg)) {
        return;
    }
    (void)real(r, peek(r, 1));
    Ref func = pop(r), value = pop(r);
    give(r, value);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (fields[i].flag == in->oparg) {
            build_raw(&r->b, UOP_FIELD_STORE, func, value, 0, fields[i].offset, 0);
        }
    }
    push(r, func);
}

// Was this function made in the trace? Then it is another one each time, of the same code.
bool
is_made_function(const Recorder *r, Ref func)
{
    return !ref_is_const(func) && r->t->ins[func].op == UOP_FUNCTION_PACK;
}

// --- making generators ----------------------------------------------------------------------------

// Does the code begin as that of a generator does whose arguments are not cells?
static bool
is_plain_generator(PyCodeObject *code)
{
    Instr in;
    int first = compat_code_first_traceable(code);
    const int flags = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR | CO_VARARGS | CO_VARKEYWORDS;
    if ((code->co_flags & flags) != CO_GENERATOR || code->co_kwonlyargcount
        || compat_decode(code, first, &in) < 0 || in.op != BC_RESUME) {
        PyErr_Clear();
        return false;
    }
    for (int offset = 0; offset < first; offset = in.next) {
        if (compat_decode(code, offset, &in) < 0) {
            PyErr_Clear();
            return false;
        }
        bool last = offset == first - 1;
        if (in.op != (last ? BC_POP_TOP : BC_RETURN_GENERATOR) && in.op != BC_COPY_FREE_VARS) {
            return false;
        }
    }
    return true;
}

// A function that the trace has made for this one call, as a generator expression's is: its generator
// gets one that all of them share, and the cells of the closure. The number of cells; -1: the function
// is an object that others see.
static int
cells_of_made(Recorder *r, PyCodeObject *code, Ref callable, Ref *shared, Ref *cells)
{
    const Ins *pack = &r->t->ins[callable];
    Ref closure = pack->in[2];
    bool has_tuple = !ref_is_const(closure) && r->t->ins[closure].op == UOP_TUPLE_PACK;
    int n = has_tuple ? pack_items(&r->t->ins[closure], cells) : 0;
    if (n != code->co_nfreevars || !is_unmade(r, callable)) {
        must_be(r, build(&r->b, UOP_FIELD_LOAD, callable, 0, 0, offsetof(PyFunctionObject, func_code), 0),
                (PyObject *)code);
        return -1;
    }
    PyObject *func = PyFunction_New((PyObject *)code, konst_as_obj(r->t, pack->in[1]));
    if (func == NULL) {
        PyErr_Clear();
        return -1;
    }
    *shared = konst_obj(&r->b, func);   // keeps it
    Py_DECREF(func);
    return n;
}

Ref
make_generator(Recorder *r, PyFunctionObject *func, Ref callable, Ref *args, int n)
{
    Builder *b = &r->b;
    PyCodeObject *code = (PyCodeObject *)func->func_code;
    Ref cells[MAX_INPUTS];
    int n_cells = 0;
    if (n != code->co_argcount || !is_plain_generator(code) || n + MAX_INPUTS > ACT_ARGS - 2
        || compat_watched_by_others(r->tstate, code)) {
        return NO_REF;
    }
    if (!is_made_function(r, callable)) {
        if (assume_function((PyObject *)func) < 0) {
            return NO_REF;
        }
        must_be(r, callable, (PyObject *)func);
    }
    else if ((n_cells = cells_of_made(r, code, callable, &callable, cells)) < 0) {
        n_cells = 0;
    }
    for (int i = 0; i < n; i++) {
        args[i] = real(r, args[i]);
    }
    for (int i = 0; i < n + n_cells; i++) {
        build_raw(b, UOP_ARG, i < n ? args[i] : cells[i - n], 0, 0, arg_offset(i), 0);
    }
    Ref generator = build_raw(b, UOP_MAKE_GENERATOR, callable, 0, 0, (uint64_t)n, (uint64_t)n_cells);
    learn_type(b, generator, &PyGen_Type);
    return generator;
}

// --- yielding -------------------------------------------------------------------------------------

// Setting one of these in a set, or asking for its hash, runs no Python code.
static bool
is_quiet_key(PyTypeObject *type)
{
    return type == &PyLong_Type || type == &PyUnicode_Type || type == &PyFloat_Type
        || type == &PyBool_Type || type == &PyBytes_Type || type == Py_TYPE(Py_None);
}

// The consumer takes the value in the trace itself. false: it wants to do that on its own.
static bool
consume(Recorder *r)
{
    Builder *b = &r->b;
    Ref value = peek(r, 0);
    PyObject *object = concrete(r, 0);
    switch ((ConsumerKind)r->consumer) {
        case CONSUMER_LIST: {
            Ref list = build0(b, UOP_CONSUMER_OBJECT);
            learn_type(b, list, &PyList_Type);
            (void)real(r, value);
            value = pop(r);
            give(r, value);
            build_raw(b, UOP_LIST_APPEND, list, value, 0, 0, 0);
            return true;
        }
        case CONSUMER_SET:
            if (!is_quiet_key(Py_TYPE(object))) {
                return false;
            }
            guard_type(b, value, Py_TYPE(object));
            build_raw(b, UOP_C_INT2, build0(b, UOP_CONSUMER_OBJECT), real(r, value), 0,
                      fn((void *)PySet_Add), 0);
            break;
        case CONSUMER_SUM:
            if (!PyBool_Check(object) && !(PyLong_CheckExact(object) && fits_i64(object))) {
                return false;
            }
            build_raw(b, UOP_CONSUMER_SUM, as_int(r, value, object), 0, 0, 0, 0);
            break;
        case CONSUMER_SUM_FLOAT:
            if (!PyFloat_CheckExact(object)) {
                return false;
            }
            build_raw(b, UOP_CONSUMER_SUM_FLOAT, as_float(r, value, object), 0, 0, 0, 0);
            break;
        case CONSUMER_ANY: case CONSUMER_ALL:
            if (!tells_truth_quietly(object) || PyObject_IsTrue(object) != (r->consumer == CONSUMER_ALL)
                || !guard_truth_of_top(r)) {
                return false;
            }
            break;
        case CONSUMER_NONE:
            return false;
    }
    release(r, pop(r));
    return true;
}

// --- generators that a `for` loop of the trace resumes ------------------------------------------------
//
// Such a generator's frame is followed like that of a called function. It lies in the generator, so
// its variables are loaded from there when they are first looked at, and all are back there when it
// yields: a generator that waits looks as the interpreter would have left it. That it runs shows
// only where unknown code may look (sync_frames), or at an exit: then its frame is linked.

Ref
frame_address(Recorder *r, RFrame *f)
{
    if (f->memory != NO_REF || f->kind != FRAME_GENERATOR) {
        return f->memory;
    }
    return build1(&r->b, UOP_GENERATOR_FRAME, f->extra);
}

void
guard_unwatched(Recorder *r, PyCodeObject *code)
{
    int ours;
    const void *tools = compat_local_tools(code, &ours);
    if (tools == NULL) {
        give_up(r, ABORT_WATCHED);      // asking for our own events has made it
        return;
    }
    build(&r->b, UOP_GUARD_UNWATCHED, 0, 0, 0, fn((void *)tools), (uint64_t)ours);
}

// Where the generator goes on, behind RESUME. -1: not at a RESUME.
static int
resumes_at(PyCodeObject *code, const Frame *frame)
{
    Instr in;
    int first = compat_code_first_traceable(code);
    int offset = (int)(compat_frame_ip((Frame *)frame) - compat_code_start(code));
    if (compat_decode(code, offset < first ? first : offset, &in) < 0) {
        PyErr_Clear();
        return -1;
    }
    return in.op == BC_RESUME ? in.next : -1;
}

static bool
may_follow(const Recorder *r, PyCodeObject *code)
{
    int same = 0;
    for (int k = 0; k < r->n_frames; k++) {
        same += r->frames[k].code == code;
    }
    const RFrame *top = &r->frames[r->n_frames - 1];
    return r->n_frames <= jit.params.max_inline && r->n_frames < MAX_INLINE && same < 3
        && top->base + top->n_locals + top->depth + compat_code_framesize(code) + 8 <= MAX_SLOTS
        && (code->co_flags & CO_GENERATOR) && !compat_watched_by_others(r->tstate, code);
}

bool
resume_generator(Recorder *r, const Instr *in, Ref iter, PyObject *object)
{
    Builder *b = &r->b;
    Frame *frame = compat_generator_frame(object);
    if (!compat_generator_waits(object) || compat_frame_has_object(frame)) {
        return false;
    }
    PyCodeObject *code = compat_frame_code(frame);
    int start = resumes_at(code, frame);
    if (start < 0 || !may_follow(r, code) || hook_watch_code(code) < 0
        || PyList_Append(b->keep, (PyObject *)code) < 0) {
        PyErr_Clear();
        return false;
    }
    guard_type(b, iter, &PyGen_Type);
    for (int k = 1; k < r->n_frames; k++) {     // one that runs may look as if it still waited
        if (r->frames[k].kind == FRAME_GENERATOR) {
            build2(b, UOP_GUARD_NOT_SAME, iter, r->frames[k].extra);
        }
    }
    Ref address = build1(b, UOP_GENERATOR_FRAME, iter);
    PyObject *globals = compat_frame_globals(frame), *builtins = compat_frame_builtins(frame);
    (void)konst_obj(b, globals);        // keeps it
    (void)konst_obj(b, builtins);
    build(b, UOP_GUARD_FRAME_IS, address, 0, 0, fn(globals), compat_frame_globals_offset());
    build(b, UOP_GUARD_FRAME_IS, address, 0, 0, fn(builtins), compat_frame_builtins_offset());
    guard_unwatched(r, code);
    build(b, UOP_GUARD_WAITS, address, 0, 0, fn(compat_frame_ip(frame)), 0);
    RFrame *caller = top_frame(r);
    int here = (int)(caller->ip - compat_code_start(caller->code));
    caller->return_offset = (uint16_t)(in->next - here);
    bool begun = compat_frame_ip(frame) - compat_code_start(code) >= compat_code_first_traceable(code);
    RFrame *f = &r->frames[r->n_frames++];
    *f = (RFrame){.code = code, .func_obj = compat_frame_func(frame), .func = konst_obj(b, Py_None),
                  .frame = frame, .base = caller->base + caller->n_locals + caller->depth,
                  .n_locals = compat_code_nlocalsplus(code), .kind = FRAME_GENERATOR,
                  .depth = begun ? compat_frame_depth(frame) + 1 : 0, .extra = iter,
                  .extra_obj = object, .ip = compat_code_start(code) + start,
                  .end_offset = (uint16_t)(in->target - here), .jumped = -1};
    int n = f->n_locals + f->depth;
    for (int i = 0; i < n; i++) {
        r->slots[f->base + i] = (Slot){NO_REF, SLOT_UNTOUCHED};
    }
    if (begun) {                        // what the yield gives
        r->slots[f->base + n - 1] = (Slot){konst_obj(b, Py_None), SLOT_HOLDS};
    }
    r->expect = start;
    return true;
}

// The frame's first n slots go to memory, which owns what they hold.
static void
hand_back(Recorder *r, RFrame *f, Ref address, int n)
{
    for (int i = 0; i < n; i++) {
        if (r->slots[f->base + i].state == SLOT_HOLDS) {
            (void)real(r, r->slots[f->base + i].ref);
        }
    }
    for (int i = 0; i < n && r->b.abort == ABORT_NONE; i++) {
        Slot slot = r->slots[f->base + i];
        r->slots[f->base + i] = (Slot){NO_REF, SLOT_UNTOUCHED};
        if (slot.state == SLOT_EMPTY) {
            build_raw(&r->b, UOP_FRAME_CLEAR, address, 0, 0, slot_offset(i), 0);
        }
        else if (slot.state == SLOT_HOLDS) {
            if (!ref_is_const(slot.ref) || i >= f->n_locals) {
                give(r, slot.ref);      // a local owns its constant already
            }
            build_raw(&r->b, UOP_FRAME_STORE, address, slot.ref, 0, slot_offset(i), 0);
        }
    }
}

// Everything but the value on top of the stack goes back; the value, to the loop.
static void
yield_to_loop(Recorder *r, const Instr *in)
{
    Builder *b = &r->b;
    RFrame *f = top_frame(r);
    Ref address = frame_address(r, f);
    int n = f->n_locals + f->depth - 1;
    hand_back(r, f, address, n);
    if (f->memory != NO_REF) {
        build_raw(b, UOP_GENERATOR_UNLINK, address, 0, 0, 0, 0);
    }
    build_raw(b, UOP_GENERATOR_WAITS, address, 0, 0, fn(compat_code_start(f->code) + in->next),
              (uint64_t)n);
    Ref value = pop(r);
    r->n_frames--;
    push(r, value);
    RFrame *caller = top_frame(r);
    r->expect = (int)(caller->ip - compat_code_start(caller->code)) + caller->return_offset;
}

// The stack is empty: what the generator returns is of no use to a loop.
void
end_generator(Recorder *r)
{
    Builder *b = &r->b;
    RFrame *f = top_frame(r);
    int end_offset = f->end_offset, n = f->n_locals + f->depth;
    Ref address = frame_address(r, f);
    hand_back(r, f, address, n);
    if (f->memory != NO_REF) {
        build_raw(b, UOP_GENERATOR_UNLINK, address, 0, 0, 0, 0);
    }
    build_raw(b, UOP_GENERATOR_WAITS, address, 0, 0, fn(f->ip), (uint64_t)n);
    r->n_frames--;
    sync_frames(r);                     // what its variables held goes now
    build_raw(b, UOP_GENERATOR_END, address, 0, 0, 0, 0);
    after_unknown(r);
    release(r, pop(r));
    RFrame *caller = top_frame(r);
    r->expect = (int)(caller->ip - compat_code_start(caller->code)) + end_offset;
}

// A yield of the generator that the trace was entered for. If the consumer takes the value in the
// trace, the generator goes on at once. Else the trace leaves with everything in the frame, so that
// whoever resumed the generator only takes the value (generators.c), or the interpreter goes on.
RECORD(YIELD_VALUE)
{
    if (top_frame(r)->kind == FRAME_GENERATOR && in->oparg == 0) {
        yield_to_loop(r, in);
        return;
    }
    if (r->n_frames != 1 || in->oparg != 0) {
        end_here(r, ABORT_BYTECODE);
        return;
    }
    if (consume(r)) {
        push(r, konst_obj(&r->b, Py_None));
        r->expect = -1;                 // RESUME brings no event
        return;
    }
    (void)real(r, peek(r, 0));
    sync_frames(r);
    end_here(r, ABORT_YIELD);
}
