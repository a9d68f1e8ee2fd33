// record_build.c - record functions: making containers and strings, unpacking.
#include "front/record.h"

// --- tuples and lists -----------------------------------------------------------------------------

static void
build_from_args(Recorder *r, int op, int n)
{
    Ref items[ACT_ARGS];
    if (n > ACT_ARGS - 2) {
        end_here(r, ABORT_TOO_LONG);
        return;
    }
    for (int i = n - 1; i >= 0; i--) {
        (void)real(r, peek(r, n - 1 - i));
        items[i] = peek(r, n - 1 - i);
    }
    for (int i = 0; i < n; i++) {
        (void)pop(r);
    }
    for (int i = 0; i < n; i++) {
        give(r, items[i]);
    }
    for (int i = 0; i < n; i++) {
        build_raw(&r->b, UOP_ARG, items[i], 0, 0, arg_offset(i), 0);
    }
    push_owned(r, build_raw(&r->b, op, 0, 0, 0, (uint64_t)n, 0));
}

RECORD(BUILD_LIST) { build_from_args(r, UOP_LIST_NEW, in->oparg); }

Ref
make_tuple(Recorder *r, const Ref *items, int n)
{
    Ref in[MAX_INPUTS] = {NO_REF, NO_REF, NO_REF, NO_REF}, tuple;
    for (int i = 0; i < n; i++) {
        give(r, items[i]);
    }
    if (n <= MAX_INPUTS) {
        memcpy(in, items, (size_t)n * sizeof(Ref));
        tuple = build_raw(&r->b, UOP_TUPLE_PACK, in[0], in[1], in[2], (uint64_t)n, 0);
        if (tuple != NO_REF) {
            r->t->ins[tuple].in[3] = in[3];
        }
    }
    else {
        for (int i = 0; i < n; i++) {
            build_raw(&r->b, UOP_ARG, items[i], 0, 0, arg_offset(i), 0);
        }
        tuple = build_raw(&r->b, UOP_TUPLE_NEW, 0, 0, 0, (uint64_t)n, 0);
    }
    owned(r, tuple);
    return tuple;
}

RECORD(BUILD_TUPLE)
{
    int n = in->oparg;
    if (n == 0 || n > MAX_INPUTS) {
        build_from_args(r, UOP_TUPLE_NEW, n);
        return;
    }
    Ref items[MAX_INPUTS];
    for (int i = 0; i < n; i++) {
        (void)real(r, peek(r, i));
    }
    for (int i = n - 1; i >= 0; i--) {
        items[i] = pop(r);
    }
    push(r, make_tuple(r, items, n));
}

// Does this SYNC put `ref` into a frame? What is on a stack nobody sees.
static bool
is_synced(const Trace *t, const Ins *sync, Ref ref)
{
    const Snapshot *s = &t->snaps[sync->snap];
    for (uint32_t i = 0; i < s->count; i++) {
        const SnapEntry *e = &t->entries[s->first + i];
        PyObject *code = t->frames[s->first_frame + e->frame].code;
        if (e->ref == ref && e->how != SLOT_DROP && e->slot < compat_code_nlocalsplus((PyCodeObject *)code)) {
            return true;
        }
    }
    return false;
}

bool
is_unmade(const Recorder *r, Ref pack)
{
    const Trace *t = r->t;
    for (Ref i = pack + 1; i < t->n_ins; i++) {
        const Ins *ins = &t->ins[i];
        for (int k = 0; k < uop_table[ins->op].n_inputs; k++) {
            if (ins->in[k] == pack && !(is_pack(ins->op) && r->own[i] == 0 && is_unmade(r, i))) {
                return false;
            }
        }
        if (ins->op == UOP_SYNC && is_synced(t, ins, pack)) {
            return false;
        }
    }
    return true;
}

bool
dissolve_pack(Recorder *r, Ref pack)
{
    const Trace *t = r->t;
    if (!is_pack(t->ins[pack].op) || r->own[pack] != 1 || !is_unmade(r, pack)) {
        return false;
    }
    Ref items[MAX_INPUTS];
    int n = pack_items(&t->ins[pack], items);
    r->own[pack] = 0;
    for (int k = 0; k < n; k++) {
        take_back(r, items[k]);
    }
    return true;
}

RECORD(LIST_APPEND)
{
    Ref list = peek(r, in->oparg);
    (void)real(r, peek(r, 0));
    Ref value = pop(r);
    guard_type(&r->b, list, &PyList_Type);
    give(r, value);
    build_raw(&r->b, UOP_LIST_APPEND, list, value, 0, 0, 0);
}

// --- other containers ---------------------------------------------------------------------------

// Iterating over it runs no Python code.
static bool
iterates_quietly(PyObject *o)
{
    static PyTypeObject *const types[] = {
        &PyList_Type, &PyTuple_Type, &PyUnicode_Type, &PyRange_Type, &PyDict_Type, &PySet_Type,
        &PyFrozenSet_Type, &PyDictKeys_Type, &PyDictValues_Type, &PyDictItems_Type, &PyBytes_Type};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (Py_TYPE(o) == types[i]) {
            return true;
        }
    }
    return false;
}

// Hashing and comparing it runs no Python code, whichever other such object it is compared with.
static bool
hashes_quietly(PyObject *o)
{
    return PyUnicode_CheckExact(o) || PyLong_CheckExact(o) || PyFloat_CheckExact(o) || PyBool_Check(o)
        || PyBytes_CheckExact(o) || o == Py_None;
}

// The same of a tuple that the trace packs, by what it knows of the items.
static bool
packed_hashes_quietly(const Recorder *r, Ref ref)
{
    const Ins *ins = &r->t->ins[ref];
    if (ref_is_const(ref) || ins->op != UOP_TUPLE_PACK) {
        return false;
    }
    for (int i = 0; i < (int)ins->operand[0]; i++) {
        PyTypeObject *type = known_type(&r->b, ins->in[i]);
        if (type != &PyLong_Type && type != &PyUnicode_Type && type != &PyFloat_Type
            && type != &PyBool_Type && !packed_hashes_quietly(r, ins->in[i])) {
            return false;
        }
    }
    return true;
}

Ref
call_with_args(Recorder *r, int n, const Ref *more, int n_more, void *function, bool quiet)
{
    int count = n + n_more;
    if (count > ACT_ARGS - 2) {
        end_here(r, ABORT_TOO_LONG);
        return NO_REF;
    }
    for (int i = 0; i < n; i++) {
        (void)real(r, peek(r, i));
    }
    if (!quiet) {
        sync_frames(r);
    }
    for (int i = 0; i < count; i++) {
        build_raw(&r->b, UOP_ARG, i < n ? peek(r, n - 1 - i) : more[i - n], 0, 0, arg_offset(i), 0);
    }
    Ref result = build_raw(&r->b, quiet ? UOP_C_FROM_ARGS : UOP_CALL_ARGS, 0, 0, 0, fn(function),
                           (uint64_t)count);
    if (!quiet) {
        after_unknown(r);
    }
    return result;
}

// A container made from the n topmost entries of the stack. Every step-th of them is hashed.
static void
build_hashed(Recorder *r, int n, int step, PyTypeObject *type, void *function)
{
    bool quiet = true;
    for (int i = step - 1; i < n && quiet; i += step) {
        quiet = hashes_quietly(concrete(r, i)) || packed_hashes_quietly(r, peek(r, i));
    }
    for (int i = step - 1; i < n && quiet; i += step) {
        guard_type(&r->b, peek(r, i), Py_TYPE(concrete(r, i)));
    }
    quiet = quiet && r->b.abort == ABORT_NONE;
    Ref made = call_with_args(r, n, NULL, 0, function, quiet);
    if (r->ended) {
        return;
    }
    learn_type(&r->b, made, type);
    for (int i = 0; i < n; i++) {
        release(r, pop(r));
    }
    push_owned(r, made);
}

RECORD(BUILD_MAP)
{
    build_hashed(r, 2 * in->oparg, 2, &PyDict_Type, (void *)compat_dict_from_pairs);
}

RECORD(BUILD_SET)
{
    build_hashed(r, in->oparg, 1, &PySet_Type, (void *)compat_set_from_items);
}

// The keys are constants: hashing them is quiet.
RECORD(BUILD_CONST_KEY_MAP)
{
    int n = in->oparg + 1;
    Ref dict = call_with_args(r, n, NULL, 0, (void *)compat_dict_from_values, true);
    if (r->ended) {
        return;
    }
    learn_type(&r->b, dict, &PyDict_Type);
    for (int i = 0; i < n; i++) {
        release(r, pop(r));
    }
    push_owned(r, dict);
}

RECORD(MAP_ADD)
{
    Ref dict = peek(r, in->oparg + 1);
    (void)call_unknown(r, UOP_CALLI3, dict, peek(r, 1), peek(r, 0), (void *)PyDict_SetItem, 0);
    release(r, pop(r));
    release(r, pop(r));
}

// The object on top of the stack is added to a set, or all that is in it to a container.
static void
add_to_container(Recorder *r, int at, void *function)
{
    (void)call_unknown(r, UOP_CALLI2, peek(r, at), peek(r, 0), 0, function, 0);
    release(r, pop(r));
}

RECORD(SET_ADD) { add_to_container(r, in->oparg, (void *)PySet_Add); }
RECORD(SET_UPDATE) { add_to_container(r, in->oparg, (void *)compat_set_update); }
RECORD(DICT_UPDATE) { add_to_container(r, in->oparg, (void *)compat_dict_update); }

// Has the trace made this dict, and put nothing into it? Then what it gets is compared with nothing.
static bool
is_new_and_empty(const Recorder *r, Ref dict)
{
    const Trace *t = r->t;
    const Ins *ins = &t->ins[dict];
    if (ref_is_const(dict) || ins->op != UOP_C_FROM_ARGS || ins->operand[1] != 0
        || ins->operand[0] != fn((void *)compat_dict_from_pairs)) {
        return false;
    }
    for (Ref ref = dict + 1; ref < t->n_ins; ref++) {
        for (int k = 0; k < uop_table[t->ins[ref].op].n_inputs; k++) {
            if (t->ins[ref].in[k] == dict) {
                return false;
            }
        }
    }
    return true;
}

RECORD(DICT_MERGE)
{
    Ref dict = peek(r, in->oparg), callable = peek(r, in->oparg + 3);
    if (PyDict_CheckExact(concrete(r, 0)) && is_new_and_empty(r, dict)) {
        guard_type(&r->b, peek(r, 0), &PyDict_Type);
        build_raw(&r->b, UOP_CALLI3, dict, peek(r, 0), callable, fn((void *)compat_dict_merge), 0);
    }
    else {
        (void)call_unknown(r, UOP_CALLI3, dict, peek(r, 0), callable, (void *)compat_dict_merge, 0);
    }
    release(r, pop(r));
}

RECORD(LIST_EXTEND)
{
    Ref none;
    if (iterates_quietly(concrete(r, 0))) {
        guard_type(&r->b, peek(r, 0), Py_TYPE(concrete(r, 0)));
        none = build_raw(&r->b, UOP_CALL2, peek(r, in->oparg), peek(r, 0), 0,
                         fn((void *)compat_list_extend), 0);
    }
    else {
        none = call_unknown(r, UOP_CALL2, peek(r, in->oparg), peek(r, 0), 0,
                            (void *)compat_list_extend, 0);
    }
    release(r, pop(r));
    owned(r, none);
    release(r, none);
}


// --- strings ----------------------------------------------------------------------------------

RECORD(BUILD_STRING)
{
    int n = in->oparg;
    if (n > ACT_ARGS - 2) {
        end_here(r, ABORT_TOO_LONG);
        return;
    }
    for (int i = 0; i < n; i++) {
        build_raw(&r->b, UOP_ARG, peek(r, n - 1 - i), 0, 0, arg_offset(i), 0);
    }
    Ref joined = build_raw(&r->b, UOP_STR_JOIN, 0, 0, 0, (uint64_t)n, 0);
    for (int i = 0; i < n; i++) {
        release(r, pop(r));
    }
    push_owned(r, joined);
}

static bool
formats_quietly(PyObject *o)
{
    return PyLong_CheckExact(o) || PyFloat_CheckExact(o) || PyUnicode_CheckExact(o) || PyBool_Check(o)
        || o == Py_None;
}

RECORD(FORMAT_SIMPLE)
{
    (void)in;
    Ref ref = peek(r, 0);
    PyObject *o = concrete(r, 0);
    Builder *b = &r->b;
    if (PyUnicode_CheckExact(o)) {
        guard_type(b, ref, &PyUnicode_Type);
        return;
    }
    Ref text;
    if (formats_quietly(o)) {
        guard_type(b, ref, Py_TYPE(o));
        text = build_raw(b, UOP_C_FROM2, real(r, ref), konst_obj(b, NULL), 0,
                         fn((void *)PyObject_Format), 0);
        learn_type(b, text, &PyUnicode_Type);
    }
    else {
        text = call_unknown(r, UOP_CALL2, ref, konst_obj(b, NULL), 0, (void *)PyObject_Format, 0);
    }
    release(r, pop(r));
    push_owned(r, text);
}

RECORD(FORMAT_WITH_SPEC)
{
    (void)in;
    Builder *b = &r->b;
    Ref value = peek(r, 1), spec = peek(r, 0), text;
    PyObject *o = concrete(r, 1);
    if (formats_quietly(o)) {
        guard_type(b, value, Py_TYPE(o));
        text = build_raw(b, UOP_C_FROM2, real(r, value), real(r, spec), 0,
                         fn((void *)PyObject_Format), 0);
        learn_type(b, text, &PyUnicode_Type);
    }
    else {
        text = call_unknown(r, UOP_CALL2, value, spec, 0, (void *)PyObject_Format, 0);
    }
    release(r, pop(r));
    release(r, pop(r));
    push_owned(r, text);
}

RECORD(CONVERT_VALUE)
{
    static void *const functions[] = {NULL, (void *)PyObject_Str, (void *)PyObject_Repr,
                                      (void *)PyObject_ASCII};
    Ref ref = peek(r, 0), text;
    PyObject *o = concrete(r, 0);
    if (formats_quietly(o)) {
        guard_type(&r->b, ref, Py_TYPE(o));
        text = build_raw(&r->b, UOP_C_FROM1, real(r, ref), 0, 0, fn(functions[in->oparg]), 0);
        learn_type(&r->b, text, &PyUnicode_Type);
    }
    else {
        text = call_unknown(r, UOP_CALL1, ref, 0, 0, functions[in->oparg], 0);
    }
    release(r, pop(r));
    push_owned(r, text);
}

// --- unpacking --------------------------------------------------------------------------------

void
spread_top(Recorder *r, void *function, int shape, int n, bool quiet)
{
    Ref ref = real(r, peek(r, 0)), items[ACT_ARGS];
    if (quiet) {
        guard_type(&r->b, ref, Py_TYPE(concrete(r, 0)));
    }
    else {
        sync_frames(r);
        after_unknown(r);
    }
    build_raw(&r->b, UOP_SPREAD, ref, 0, 0, fn(function), (uint64_t)shape);
    for (int i = 0; i < n; i++) {
        items[i] = build_raw(&r->b, UOP_ARG_TAKE, 0, 0, 0, arg_offset(i), 0);
    }
    release(r, pop(r));
    for (int i = 0; i < n; i++) {
        push_owned(r, items[i]);
    }
}

// Unpacks the iterable on top of the stack into n entries, as `shape` says (see compat_unpack).
static void
unpack_any(Recorder *r, int n, int shape)
{
    if (n > ACT_ARGS - 2) {
        end_here(r, ABORT_TOO_LONG);
        return;
    }
    spread_top(r, (void *)compat_unpack, shape, n, iterates_quietly(concrete(r, 0)));
}

RECORD(UNPACK_SEQUENCE)
{
    Builder *b = &r->b;
    Ref ref = peek(r, 0), items[64];
    PyObject *o = concrete(r, 0);
    bool is_list = PyList_CheckExact(o);
    int n = in->oparg;
    if (n > 64) {
        end_here(r, ABORT_TOO_LONG);
        return;
    }
    if ((!is_list && !PyTuple_CheckExact(o)) || Py_SIZE(o) != n) {
        unpack_any(r, n, n);
        return;
    }
    guard_type(b, ref, Py_TYPE(o));
    Ref size = build1(b, is_list ? UOP_LIST_LEN : UOP_TUPLE_LEN, ref);
    build2(b, UOP_GUARD_INT_EQ, size, konst_i64(b, n));
    for (int i = 0; i < n; i++) {
        items[i] = build2(b, is_list ? UOP_LIST_ITEM : UOP_TUPLE_ITEM, ref, konst_i64(b, i));
    }
    (void)pop(r);
    bool unmade = !ref_is_const(ref) && r->own[ref] == 1 && holders(r, ref) == 0
        && dissolve_pack(r, ref);
    for (int i = n - 1; i >= 0; i--) {
        push_borrowed(r, items[i]);
    }
    if (!unmade) {
        release(r, ref);
    }
}

RECORD(UNPACK_EX)
{
    int before = in->oparg & 255, after = in->oparg >> 8, n = before + 1 + after;
    if (n > 64) {
        end_here(r, ABORT_TOO_LONG);
        return;
    }
    unpack_any(r, n, before + COMPAT_UNPACK_STAR * (1 + after));
}
