// record_names.c - record functions: globals, names of modules, imports, cells.
//
// What is looked up in a module's dictionary is a constant of the trace, under a watcher.
#include "base/helpers.h"
#include "front/record.h"
#include "front/snapshot.h"
#include "run/anchors.h"
#include "run/invalidate.h"

// --- globals and names ------------------------------------------------------------------------

// The names that the code object itself stores or deletes: a byte for each of co_names, after one that says
// whether there is any. Read off the code once, for each load of a global asks. NULL: out of memory.
static const uint8_t *
names_stored(PyCodeObject *code)
{
    CodeInfo *info = info_need(code);
    if (info == NULL || info->names_stored != NULL) {
        return info == NULL ? NULL : info->names_stored;
    }
    uint8_t *stored = PyMem_Calloc(1 + (size_t)PyTuple_GET_SIZE(code->co_names), 1);
    if (stored == NULL) {
        return NULL;
    }
    static const Bytecode stores[] = {BC_STORE_GLOBAL, BC_STORE_NAME, BC_DELETE_GLOBAL, BC_DELETE_NAME};
    Instr in;
    int found = compat_find(code, 0, stores, Py_ARRAY_LENGTH(stores), &in);
    for (; found > 0; found = compat_find(code, in.next, stores, Py_ARRAY_LENGTH(stores), &in)) {
        stored[0] = stored[1 + in.oparg] = 1;
    }
    if (found < 0) {
        PyErr_Clear();
        PyMem_Free(stored);
        return NULL;
    }
    info->names_stored = stored;
    return stored;
}

// Does this code object itself store the name? Then it is no constant.
static bool
stores_name(PyCodeObject *code, PyObject *name)
{
    const uint8_t *stored = names_stored(code);
    if (stored == NULL || !stored[0]) {
        return stored == NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(code->co_names); i++) {
        if (PyTuple_GET_ITEM(code->co_names, i) == name) {
            return stored[1 + i];
        }
    }
    return false;
}

// Is this a name that the frames followed may be given another value for, unseen by watchers until
// the trace is left? (See store_global().)
bool
is_variable(const Recorder *r, PyCodeObject *code, PyObject *globals, PyObject *name)
{
    return stores_name(code, name)
        || (globals == compat_frame_globals(r->frames[0].frame) && stores_name(r->anchor_code, name));
}

// A dict of names that changes through its own functions only, not through the instance that it shows.
static bool
is_plain_namespace(PyObject *dict)
{
    return PyDict_CheckExact(dict) && !compat_dict_shows_instance(dict);
}

// Pushes the global; false if it must be left to the interpreter.
static bool
load_global(Recorder *r, PyObject *name)
{
    RFrame *f = top_frame(r);
    PyObject *globals = compat_frame_globals(f->frame), *builtins = compat_frame_builtins(f->frame);
    if (!is_plain_namespace(globals) || !is_plain_namespace(builtins)) {
        return false;
    }
    PyObject *value = NULL;
    Lookup found = compat_dict_find(globals, name, &value);
    bool in_builtins = found == LOOKUP_ABSENT;
    if (in_builtins) {
        found = compat_dict_find(builtins, name, &value);
    }
    if (found != LOOKUP_FOUND) {
        return false;
    }
    if (!is_variable(r, f->code, globals, name) && assume_dict_key(globals, name) == 0
        && (!in_builtins || assume_dict_key(builtins, name) == 0)) {
        push(r, konst_obj(&r->b, value));
        return true;
    }
    Builder *b = &r->b;
    snapshot_need(r);
    if (!in_builtins) {
        push_borrowed(r, build2(b, UOP_GLOBAL_LOAD, konst_obj(b, globals), konst_obj(b, name)));
        return true;
    }
    build(b, UOP_GUARD_DICT_LACKS, konst_obj(b, globals), 0, 0, fn(name), 0);
    push_borrowed(r, build2(b, UOP_GLOBAL_LOAD, konst_obj(b, builtins), konst_obj(b, name)));
    return true;
}

RECORD(LOAD_GLOBAL)
{
    if (!load_global(r, name_at(r, in->oparg >> 1))) {
        end_here(r, ABORT_NAME);
        return;
    }
    if (in->oparg & 1) {
        push(r, NO_REF);
    }
}

// The dictionary that names of this frame live in, if it is plainly the module's.
static bool
names_are_globals(Recorder *r)
{
    Frame *frame = top_frame(r)->frame;
    return compat_frame_locals(frame) == compat_frame_globals(frame);
}

RECORD(LOAD_NAME)
{
    if (!names_are_globals(r) || !load_global(r, name_at(r, in->oparg))) {
        end_here(r, ABORT_NAME);
    }
}

// A name that the module has gets another number (or the like). Neither the store nor letting the
// old value go runs unknown code, so the store can wait until somebody could see it (opt_lower.c).
// Only in the outermost frame: is_variable() tells what its code stores.
static bool
store_quietly(Recorder *r, PyObject *globals, PyObject *name)
{
    Builder *b = &r->b;
    PyObject *now = help_global(globals, name);
    if (r->n_frames != 1 || now == NULL || !help_is_quiet(Py_TYPE(now))
        || !help_is_quiet(Py_TYPE(concrete(r, 0))) || watched_by_others(globals)) {
        return false;
    }
    Ref dict = konst_obj(b, globals), key = konst_obj(b, name);
    build1(b, UOP_GUARD_QUIET, build2(b, UOP_GLOBAL_LOAD, dict, key));
    Ref value = real(r, peek(r, 0));
    build_raw(b, UOP_GLOBAL_STORE, dict, key, value, 0, 0);
    release(r, pop(r));
    return true;
}

static void
store_global(Recorder *r, PyObject *name)
{
    Builder *b = &r->b;
    PyObject *globals = compat_frame_globals(top_frame(r)->frame);
    if (!is_plain_namespace(globals)) {
        end_here(r, ABORT_NAME);
        return;
    }
    if (store_quietly(r, globals, name)) {
        return;
    }
    (void)call_unknown(r, UOP_CALLI3, konst_obj(b, globals), konst_obj(b, name), peek(r, 0),
                       (void *)PyDict_SetItem, 0);
    release(r, pop(r));
}

RECORD(STORE_GLOBAL) { store_global(r, name_at(r, in->oparg)); }

RECORD(STORE_NAME)
{
    if (!names_are_globals(r)) {
        end_here(r, ABORT_NAME);
        return;
    }
    store_global(r, name_at(r, in->oparg));
}

static void
delete_global(Recorder *r, PyObject *name)
{
    PyObject *globals = compat_frame_globals(top_frame(r)->frame);
    if (!PyDict_CheckExact(globals)) {
        end_here(r, ABORT_NAME);
        return;
    }
    (void)call_unknown(r, UOP_CALLI2, konst_obj(&r->b, globals), konst_obj(&r->b, name), 0,
                       (void *)compat_delete_global, 0);
}

RECORD(DELETE_GLOBAL) { delete_global(r, name_at(r, in->oparg)); }

RECORD(DELETE_NAME)
{
    if (!names_are_globals(r)) {
        end_here(r, ABORT_NAME);
        return;
    }
    delete_global(r, name_at(r, in->oparg));
}

// --- imports and classes ------------------------------------------------------------------------

// What the builtins have under this name, as a constant (borrowed), or NULL.
static PyObject *
builtin_named(Recorder *r, const char *text)
{
    PyObject *builtins = compat_frame_builtins(top_frame(r)->frame);
    PyObject *name = PyUnicode_InternFromString(text);
    PyObject *value = NULL;
    if (name == NULL || !PyDict_CheckExact(builtins) || compat_dict_find(builtins, name, &value) != LOOKUP_FOUND
        || assume_dict_key(builtins, name) < 0) {
        value = NULL;
    }
    Py_XDECREF(name);
    PyErr_Clear();
    return value;
}

RECORD(IMPORT_NAME)
{
    Builder *b = &r->b;
    Frame *frame = top_frame(r)->frame;
    PyObject *locals = compat_frame_locals(frame);
    if (locals != NULL && !names_are_globals(r)) {
        end_here(r, ABORT_NAME);
        return;
    }
    PyObject *import = builtin_named(r, "__import__");
    if (import == NULL) {
        end_here(r, ABORT_NAME);
        return;
    }
    const Ref more[] = {
        konst_obj(b, import), konst_obj(b, name_at(r, in->oparg)),
        konst_obj(b, compat_frame_globals(frame)), konst_obj(b, locals == NULL ? Py_None : locals)};
    Ref module = call_with_args(r, 2, more, 4, (void *)compat_import_name, false);
    release(r, pop(r));
    release(r, pop(r));
    push_owned(r, module);
}

// A name of a module is a constant under a watcher; what else can be imported from is left to the
// interpreter.
RECORD(IMPORT_FROM)
{
    PyObject *value = constant_of_module(r, peek(r, 0), concrete(r, 0), name_at(r, in->oparg));
    if (value == NULL) {
        end_here(r, ABORT_NAME);
        return;
    }
    push(r, konst_obj(&r->b, value));
}

// Behind a class statement the path meets another class each time, and a trace would keep this one.
RECORD(LOAD_BUILD_CLASS)
{
    (void)in;
    end_here(r, ABORT_CLASS);
}

// --- cells ------------------------------------------------------------------------------------

RECORD(LOAD_DEREF)
{
    Ref cell = get_local(r, in->oparg);
    PyObject *now = concrete_local(r, in->oparg);
    if (cell == NO_REF || now == NULL || PyCell_GET(now) == NULL) {
        end_here(r, ABORT_UNBOUND);
        return;
    }
    Ref value = build1(&r->b, UOP_CELL_LOAD, cell);
    build1(&r->b, UOP_GUARD_BOUND, value);
    push_borrowed(r, value);
}

RECORD(STORE_DEREF)
{
    Ref cell = get_local(r, in->oparg);
    PyObject *now = concrete_local(r, in->oparg);
    if (cell == NO_REF || now == NULL) {
        end_here(r, ABORT_UNBOUND);
        return;
    }
    Builder *b = &r->b;
    bool empty = PyCell_GET(now) == NULL;
    Ref old = build1(b, UOP_CELL_LOAD, cell);
    if (empty) {
        build(b, UOP_GUARD_IS, old, 0, 0, 0, 0);
    }
    else {
        build1(b, UOP_GUARD_BOUND, old);
    }
    (void)real(r, peek(r, 0));
    Ref value = pop(r);
    give(r, value);
    build_raw(b, UOP_CELL_STORE, cell, value, 0, 0, 0);
    if (!empty) {
        take_back(r, old);
    }
}

RECORD(DELETE_DEREF)
{
    Ref cell = get_local(r, in->oparg);
    PyObject *now = concrete_local(r, in->oparg);
    if (cell == NO_REF || now == NULL || PyCell_GET(now) == NULL) {
        end_here(r, ABORT_UNBOUND);
        return;
    }
    Builder *b = &r->b;
    Ref old = build1(b, UOP_CELL_LOAD, cell);
    build1(b, UOP_GUARD_BOUND, old);
    build_raw(b, UOP_CELL_STORE, cell, konst_obj(b, NULL), 0, 0, 0);
    take_back(r, old);
}

RECORD(MAKE_CELL)
{
    Ref initial = get_local(r, in->oparg);
    Builder *b = &r->b;
    Ref content = initial == NO_REF ? konst_obj(b, NULL) : real(r, initial);
    Ref cell = build_raw(b, UOP_C_FROM1, content, 0, 0, fn((void *)PyCell_New), 0);
    learn_type(b, cell, &PyCell_Type);
    owned(r, cell);
    set_local(r, in->oparg, cell);
}

// The cells of the function's closure. Its code is known, and with it how many there are.
RECORD(COPY_FREE_VARS)
{
    RFrame *f = top_frame(r);
    Builder *b = &r->b;
    int first = f->n_locals - in->oparg;
    PyObject *closure = ((PyFunctionObject *)f->func_obj)->func_closure;
    for (int i = 0; i < in->oparg && ref_is_const(f->func); i++) {
        set_local(r, first + i, konst_obj(b, PyTuple_GET_ITEM(closure, i)));
    }
    if (ref_is_const(f->func)) {
        return;
    }
    Ref cells = build(b, UOP_FIELD_LOAD, f->func, 0, 0, offsetof(PyFunctionObject, func_closure), 0);
    build1(b, UOP_GUARD_BOUND, cells);
    learn_type(b, cells, &PyTuple_Type);
    for (int i = 0; i < in->oparg; i++) {
        Ref cell = build2(b, UOP_TUPLE_ITEM, cells, konst_i64(b, i));
        learn_type(b, cell, &PyCell_Type);
        own_borrowed(r, cell);
        set_local(r, first + i, cell);
    }
}
