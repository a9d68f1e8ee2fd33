// record_item.c - record functions: subscripts and slices.
//
// Lists, tuples, arrays, bytes and str are read and written in place when the index is an int in
// range; what else is builtin goes through functions of CPython that run no Python code.
#include "front/record.h"
#include "base/helpers.h"

// --- indexes -------------------------------------------------------------------------------

// A sequence index as the recorder wants it: guarded to be in range, negative ones made positive.
static Ref
index_of(Recorder *r, Ref ref, PyObject *value, Ref len, Py_ssize_t size)
{
    Builder *b = &r->b;
    if (!(PyLong_CheckExact(value) && fits_i64(value))) {
        return NO_REF;
    }
    int64_t i = PyLong_AsLongLong(value);
    if (i >= size || i < -size) {
        return NO_REF;
    }
    Ref index = as_int(r, ref, value);
    if (i < 0) {
        build2(b, UOP_GUARD_INT_LT, index, konst_i64(b, 0));
        index = build2(b, UOP_INT_ADD, len, index);
    }
    build2(b, UOP_GUARD_INDEX, index, len);
    return index;
}

// An index of a list or tuple that is out of range, where that is handled here.
static bool
raise_index_error(Recorder *r, Ref ref, PyObject *value, Ref len, const char *text)
{
    Builder *b = &r->b;
    if (!PyLong_CheckExact(value) || !fits_i64(value) || !is_handled_here(r)) {
        return false;
    }
    PyObject *message = PyUnicode_InternFromString(text);
    if (message == NULL) {
        PyErr_Clear();
        give_up(r, ABORT_MEMORY);
        return true;
    }
    Ref index = as_int(r, ref, value);
    if (PyLong_AsLongLong(value) >= 0) {
        build2(b, UOP_GUARD_INT_GE, index, len);
    }
    else {
        build2(b, UOP_GUARD_INT_LT, build2(b, UOP_INT_ADD, len, index), konst_i64(b, 0));
    }
    raise_made(r, PyExc_IndexError, konst_obj(b, message));
    Py_DECREF(message);
    return true;
}

// --- arrays -----------------------------------------------------------------------------------

typedef enum { ITEM_NONE, ITEM_INT, ITEM_FLOAT, ITEM_CHAR } ItemKind;

// How items of a container of numbers or characters are read and written.
typedef struct {
    ItemKind kind;
    int load, store;                    // uops; UOP_NOP: not to be stored to
    uint64_t load_operand, store_operand;
    int64_t least, most;                // what may be stored
    const void *descr;                  // array.array: the kind that is guarded
} Items;

// array.array by type code. ARRAY_INT reads what has no uop of its own.
static const struct { char code; Items items; } array_items[] = {
#define ARRAY_ITEMS(kind, load, store, least, most) \
    {kind, load, store, offsetof(help_array, items), offsetof(help_array, items), least, most, NULL}
    {'d', ARRAY_ITEMS(ITEM_FLOAT, UOP_ARRAY_F64, UOP_ARRAY_SET_F64, 0, 0)},
    {'l', ARRAY_ITEMS(ITEM_INT, UOP_ARRAY_I64, UOP_ARRAY_SET_64, INT64_MIN, INT64_MAX)},
    {'q', ARRAY_ITEMS(ITEM_INT, UOP_ARRAY_I64, UOP_ARRAY_SET_64, INT64_MIN, INT64_MAX)},
    {'i', ARRAY_ITEMS(ITEM_INT, UOP_ARRAY_I32, UOP_ARRAY_SET_32, INT32_MIN, INT32_MAX)},
    {'I', ARRAY_ITEMS(ITEM_INT, UOP_ARRAY_INT, UOP_ARRAY_SET_32, 0, UINT32_MAX)},
    {'h', ARRAY_ITEMS(ITEM_INT, UOP_ARRAY_INT, UOP_ARRAY_SET_16, INT16_MIN, INT16_MAX)},
    {'H', ARRAY_ITEMS(ITEM_INT, UOP_ARRAY_INT, UOP_ARRAY_SET_16, 0, UINT16_MAX)},
    {'b', ARRAY_ITEMS(ITEM_INT, UOP_ARRAY_INT, UOP_ARRAY_SET_8, INT8_MIN, INT8_MAX)},
    {'B', ARRAY_ITEMS(ITEM_INT, UOP_ARRAY_U8, UOP_ARRAY_SET_8, 0, UINT8_MAX)},
#undef ARRAY_ITEMS
};

static bool
items_of_array(PyObject *o, Items *out)
{
    const void *descr;
    char code = compat_array_kind(o, &descr);
    for (size_t i = 0; code != '\0' && i < Py_ARRAY_LENGTH(array_items); i++) {
        if (array_items[i].code == code) {
            *out = array_items[i].items;
            out->descr = descr;
            if (out->load == UOP_ARRAY_INT) {
                out->load_operand = (uint64_t)code;
            }
            return true;
        }
    }
    return false;
}

// Guards that the container is of this kind; its length.
static Ref
guard_items(Recorder *r, Ref ref, PyObject *o, Items *out)
{
    Builder *b = &r->b;
    *out = (Items){ITEM_NONE, UOP_NOP, UOP_NOP, 0, 0, 0, UINT8_MAX, NULL};
    if (PyBytes_CheckExact(o)) {
        out->kind = ITEM_INT;
        out->load = UOP_BYTE_AT;
        out->load_operand = offsetof(PyBytesObject, ob_sval);
    }
    else if (PyUnicode_CheckExact(o) && PyUnicode_IS_COMPACT_ASCII(o) && compat_char_strs() != NULL) {
        out->kind = ITEM_CHAR;
        out->load = UOP_BYTE_AT;
        out->load_operand = sizeof(PyASCIIObject);
    }
    else if (PyByteArray_CheckExact(o)) {
        out->kind = ITEM_INT;
        out->load = UOP_ARRAY_U8;
        out->store = UOP_ARRAY_SET_8;
        out->load_operand = out->store_operand = offsetof(PyByteArrayObject, ob_start);
    }
    else if (!items_of_array(o, out)) {
        return NO_REF;
    }
    guard_type(b, ref, Py_TYPE(o));
    if (out->descr != NULL) {
        build(b, UOP_GUARD_ARRAY, ref, 0, 0, fn((void *)out->descr), 0);
    }
    else if (out->kind == ITEM_CHAR) {
        build1(b, UOP_GUARD_ASCII, ref);
        return build1(b, UOP_STR_LEN, ref);
    }
    return build1(b, PyBytes_CheckExact(o) ? UOP_TUPLE_LEN : UOP_ARRAY_LEN, ref);
}

static bool
load_item(Recorder *r, Ref container, PyObject *c, Ref key, PyObject *k)
{
    Builder *b = &r->b;
    Items items;
    if (!PyLong_CheckExact(k)) {
        return false;
    }
    Ref len = guard_items(r, container, c, &items);
    Ref index = len == NO_REF ? NO_REF : index_of(r, key, k, len, PyObject_Size(c));
    if (index == NO_REF) {
        return false;
    }
    Ref item = build(b, items.load, container, index, 0, items.load_operand, 0);
    release(r, pop(r));
    release(r, pop(r));
    if (items.kind == ITEM_FLOAT) {
        push_float(r, item);
    }
    else if (items.kind == ITEM_CHAR) {
        push(r, build(b, UOP_CHAR_STR, item, 0, 0, fn((void *)compat_char_strs()), 0));
    }
    else {
        push_int(r, item);
    }
    return true;
}

static bool
store_item(Recorder *r, Ref container, PyObject *c, Ref key, PyObject *k, PyObject *v)
{
    Builder *b = &r->b;
    Items items;
    bool is_int = (PyLong_CheckExact(v) && fits_i64(v)) || PyBool_Check(v);
    if (!PyLong_CheckExact(k) || !(is_int || PyFloat_CheckExact(v))) {
        return false;
    }
    Ref len = guard_items(r, container, c, &items);
    if (len == NO_REF || items.store == UOP_NOP) {
        return false;
    }
    if (items.kind == ITEM_INT) {
        int64_t number = is_int ? PyLong_AsLongLong(v) : 0;
        if (!is_int || number < items.least || number > items.most) {
            return false;               // an exception
        }
    }
    else if (is_int && !is_exact_as_float(v)) {
        return false;
    }
    Ref index = index_of(r, key, k, len, PyObject_Size(c)), value;
    if (index == NO_REF) {
        return false;
    }
    if (items.kind == ITEM_FLOAT) {
        value = as_float(r, peek(r, 2), v);
    }
    else {
        value = as_int(r, peek(r, 2), v);
        if (items.least == 0) {
            build2(b, UOP_GUARD_INDEX, value, konst_i64(b, items.most + 1));
        }
        else if (items.least > INT64_MIN) {
            build2(b, UOP_GUARD_INT_GE, value, konst_i64(b, items.least));
            build2(b, UOP_GUARD_INT_LE, value, konst_i64(b, items.most));
        }
    }
    build_raw(b, items.store, container, index, value, items.store_operand, 0);
    for (int i = 0; i < 3; i++) {
        release(r, pop(r));
    }
    return true;
}

// --- subscripts -------------------------------------------------------------------------------

static PyObject *
dict_subscript(PyObject *dict, PyObject *key)
{
    return PyObject_GetItem(dict, key);
}

RECORD(BINARY_SUBSCR)
{
    (void)in;
    Builder *b = &r->b;
    Ref container = peek(r, 1), key = peek(r, 0), value;
    PyObject *c = concrete(r, 1), *k = concrete(r, 0);
    if (PyList_CheckExact(c) || PyTuple_CheckExact(c)) {
        bool is_list = PyList_CheckExact(c);
        guard_type(b, container, Py_TYPE(c));
        Ref len = build1(b, is_list ? UOP_LIST_LEN : UOP_TUPLE_LEN, container);
        Ref index = index_of(r, key, k, len, Py_SIZE(c));
        if (index != NO_REF) {
            value = build2(b, is_list ? UOP_LIST_ITEM : UOP_TUPLE_ITEM, container, index);
            own_borrowed(r, value);
            release(r, pop(r));
            release(r, pop(r));
            push(r, value);
            return;
        }
        if (raise_index_error(r, key, k, len, is_list ? "list index out of range" : "tuple index out of range")) {
            return;
        }
    }
    if (load_item(r, container, c, key, k) || record_dict_item(r) || record_getitem_method(r)
        || r->b.abort != ABORT_NONE) {
        return;
    }
    if (PyLong_CheckExact(k) && (PyUnicode_CheckExact(c) || Py_TYPE(c) == &PyRange_Type)) {
        guard_type(b, container, Py_TYPE(c));
        guard_type(b, key, &PyLong_Type);
        container = real(r, container);
        key = real(r, key);
        value = build_raw(b, UOP_C_FROM2, container, key, 0, fn((void *)PyObject_GetItem), 0);
        release(r, pop(r));
        release(r, pop(r));
        push_owned(r, value);
        return;
    }
    value = call_unknown(r, UOP_CALL2, container, key, 0, (void *)dict_subscript, 0);
    release(r, pop(r));
    release(r, pop(r));
    push_owned(r, value);
}

RECORD(STORE_SUBSCR)
{
    (void)in;
    Builder *b = &r->b;
    Ref key = peek(r, 0), container = peek(r, 1);
    PyObject *k = concrete(r, 0), *c = concrete(r, 1);
    if (PyList_CheckExact(c)) {
        guard_type(b, container, &PyList_Type);
        Ref index = index_of(r, key, k, build1(b, UOP_LIST_LEN, container), Py_SIZE(c));
        if (index != NO_REF) {
            Ref old = build2(b, UOP_LIST_ITEM, container, index);
            (void)real(r, peek(r, 2));
            release(r, pop(r));
            release(r, pop(r));
            Ref value = pop(r);
            give(r, value);
            build_raw(b, UOP_LIST_SET, container, index, value, 0, 0);
            take_back(r, old);
            return;
        }
    }
    if (store_item(r, container, c, key, k, concrete(r, 2)) || record_dict_store(r)
        || record_setitem_method(r) || r->b.abort != ABORT_NONE) {
        return;
    }
    (void)call_unknown(r, UOP_CALLI3, container, key, peek(r, 2), (void *)PyObject_SetItem, 0);
    release(r, pop(r));
    release(r, pop(r));
    release(r, pop(r));
}

RECORD(DELETE_SUBSCR)
{
    (void)in;
    (void)call_unknown(r, UOP_CALLI2, peek(r, 1), peek(r, 0), 0, (void *)PyObject_DelItem, 0);
    release(r, pop(r));
    release(r, pop(r));
}

// --- slices -------------------------------------------------------------------------------------

// A bound of a slice as a number, None as PySlice_Unpack() has it.
static bool
slice_bound(Recorder *r, Ref ref, PyObject *o, bool is_stop, bool backwards, Ref *out)
{
    if (o == Py_None) {
        build(&r->b, UOP_GUARD_IS, ref, 0, 0, fn(Py_None), 0);
        int64_t stop = backwards ? PY_SSIZE_T_MIN : PY_SSIZE_T_MAX;
        int64_t start = backwards ? PY_SSIZE_T_MAX : 0;
        *out = konst_i64(&r->b, is_stop ? stop : start);
        return true;
    }
    if (!PyLong_CheckExact(o) || !fits_i64(o)) {
        return false;
    }
    *out = as_int(r, ref, o);
    return true;
}

// The `n` topmost values are a container, bounds and perhaps a step: its slice takes their place.
static bool
record_slice(Recorder *r, int n, int64_t step)
{
    Builder *b = &r->b;
    PyObject *c = concrete(r, n - 1);
    Ref container = peek(r, n - 1), start, stop;
    bool is_list = PyList_CheckExact(c);
    if ((!is_list && !PyTuple_CheckExact(c) && !PyUnicode_CheckExact(c) && !PyBytes_CheckExact(c))
        || !slice_bound(r, peek(r, n - 2), concrete(r, n - 2), false, step < 0, &start)
        || !slice_bound(r, peek(r, n - 3), concrete(r, n - 3), true, step < 0, &stop)) {
        return false;
    }
    guard_type(b, container, Py_TYPE(c));
    void *function = is_list ? (void *)help_list_slice : (void *)help_any_slice;
    Ref part = build_raw(b, UOP_SLICE, container, start, stop, fn(function), (uint64_t)step);
    learn_type(b, part, Py_TYPE(c));
    for (int i = 0; i < n; i++) {
        release(r, pop(r));
    }
    push_owned(r, part);
    return true;
}

// BUILD_SLICE with a step and the BINARY_SUBSCR behind it in one: the slice object is not made.
static bool
record_step_slice(Recorder *r, const Instr *in)
{
    Builder *b = &r->b;
    Instr next;
    if (in->oparg != 3 || compat_decode(top_frame(r)->code, in->next, &next) < 0) {
        PyErr_Clear();
        return false;
    }
    PyObject *step = concrete(r, 0);
    int64_t value = PyLong_CheckExact(step) && fits_i64(step) ? PyLong_AsLongLong(step) : 0;
    if (next.op != BC_BINARY_SUBSCR || value == 0) {
        return false;
    }
    build2(b, UOP_GUARD_INT_EQ, as_int(r, peek(r, 0), step), konst_i64(b, value));
    if (!record_slice(r, 4, value)) {
        return false;
    }
    r->now.offset = next.offset;
    r->expect = next.next;
    return true;
}

RECORD(BUILD_SLICE)
{
    Builder *b = &r->b;
    if (record_step_slice(r, in) || b->abort != ABORT_NONE) {
        return;
    }
    Ref step = in->oparg == 3 ? real(r, peek(r, 0)) : konst_obj(b, NULL);
    int at = in->oparg == 3 ? 1 : 0;
    Ref start = real(r, peek(r, at + 1)), stop = real(r, peek(r, at));
    Ref slice = build_raw(b, UOP_C_FROM3, start, stop, step, fn((void *)PySlice_New), 0);
    for (int i = 0; i < in->oparg; i++) {
        release(r, pop(r));
    }
    push_owned(r, slice);
}

static PyObject *
get_slice(PyObject *container, PyObject *start, PyObject *stop)
{
    PyObject *slice = PySlice_New(start, stop, NULL);
    if (slice == NULL) {
        return NULL;
    }
    PyObject *result = PyObject_GetItem(container, slice);
    Py_DECREF(slice);
    return result;
}

RECORD(BINARY_SLICE)
{
    (void)in;
    if (record_slice(r, 3, 1) || r->b.abort != ABORT_NONE) {
        return;
    }
    Ref part = call_unknown(r, UOP_CALL3, peek(r, 2), peek(r, 1), peek(r, 0), (void *)get_slice, 0);
    for (int i = 0; i < 3; i++) {
        release(r, pop(r));
    }
    push_owned(r, part);
}

static PyObject *
set_slice(PyObject *container, PyObject *start, PyObject *stop, PyObject *value)
{
    PyObject *slice = PySlice_New(start, stop, NULL);
    int failed = slice == NULL || PyObject_SetItem(container, slice, value) < 0;
    Py_XDECREF(slice);
    return failed ? NULL : Py_NewRef(Py_None);
}

// list[start:stop] = list, where nothing that can be noticed goes.
static bool
store_list_slice(Recorder *r)
{
    Builder *b = &r->b;
    PyObject *c = concrete(r, 2), *v = concrete(r, 3);
    Ref start, stop;
    if (!PyList_CheckExact(c) || !PyList_CheckExact(v)
        || !slice_bound(r, peek(r, 1), concrete(r, 1), false, false, &start)
        || !slice_bound(r, peek(r, 0), concrete(r, 0), true, false, &stop)
        || !help_drops_quietly(c, 0, PY_SSIZE_T_MAX)) {
        return false;
    }
    guard_type(b, peek(r, 2), &PyList_Type);
    guard_type(b, peek(r, 3), &PyList_Type);
    Ref store = build_raw(b, UOP_LIST_SET_SLICE, peek(r, 2), start, stop, 0, 0);
    if (store != NO_REF) {
        r->t->ins[store].in[3] = peek(r, 3);
    }
    for (int i = 0; i < 4; i++) {
        release(r, pop(r));
    }
    return true;
}

RECORD(STORE_SLICE)
{
    (void)in;
    if (store_list_slice(r) || r->b.abort != ABORT_NONE) {
        return;
    }
    Ref value = real(r, peek(r, 3)), container = real(r, peek(r, 2));
    Ref start = real(r, peek(r, 1)), stop = real(r, peek(r, 0));
    sync_frames(r);
    Ref none = build_raw(&r->b, UOP_CALL4, container, start, stop, fn((void *)set_slice), 0);
    if (none != NO_REF) {
        r->t->ins[none].in[3] = value;
        learn_type(&r->b, none, Py_TYPE(Py_None));
    }
    after_unknown(r);
    for (int i = 0; i < 4; i++) {
        release(r, pop(r));
    }
}
