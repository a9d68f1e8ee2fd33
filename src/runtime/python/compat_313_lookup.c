// compat_313_lookup.c - the seam to CPython 3.13: looking a key up where no Python code may run.
//
// Keys are compared by their ==, which may be anybody's code. Here it is asked only between objects
// of builtin types; where another would have to be asked the answer is LOOKUP_UNSURE.
#include "python/compat_313.h"

static bool
is_plain(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    return type == &PyUnicode_Type || type == &PyLong_Type || type == &PyFloat_Type
           || type == &PyBool_Type || o == Py_None;      // bytes may warn
}

bool
compat_is_plain_key(PyObject *o)
{
    if (!PyTuple_CheckExact(o)) {
        return is_plain(o);
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(o); i++) {
        if (!is_plain(PyTuple_GET_ITEM(o, i))) {
            return false;
        }
    }
    return true;
}

// key is a plain one.
static Lookup
same(PyObject *key, PyObject *other)
{
    if (key == other) {
        return LOOKUP_FOUND;
    }
    if (!compat_is_plain_key(other)) {
        return LOOKUP_UNSURE;
    }
    if (PyUnicode_CheckExact(key) || PyUnicode_CheckExact(other)) {
        return Py_TYPE(key) == Py_TYPE(other) && _PyUnicode_Equal(key, other) ? LOOKUP_FOUND
                                                                              : LOOKUP_ABSENT;
    }
    int equal = PyObject_RichCompareBool(key, other, Py_EQ);
    if (equal < 0) {
        PyErr_Clear();
        return LOOKUP_UNSURE;
    }
    return equal ? LOOKUP_FOUND : LOOKUP_ABSENT;
}

static Lookup
find_in_items(PyObject *const *items, Py_ssize_t n, PyObject *key)
{
    for (Py_ssize_t i = 0; i < n; i++) {
        Lookup found = same(key, items[i]);
        if (found != LOOKUP_ABSENT) {
            return found;
        }
    }
    return LOOKUP_ABSENT;
}

// A set's table is searched in runs of ten neighbours, or one where ten would pass its end.
static Lookup
find_in_set(const PySetObject *set, PyObject *key, Py_hash_t hash)
{
    size_t mask = (size_t)set->mask, at = (size_t)hash & mask, perturb = (size_t)hash;
    for (;;) {
        const setentry *entry = &set->table[at];
        for (int left = at + 9 <= mask ? 10 : 1; left > 0; left--, entry++) {
            if (entry->key == NULL) {
                return LOOKUP_ABSENT;
            }
            Lookup found = entry->hash == hash ? same(key, entry->key) : LOOKUP_ABSENT;
            if (found != LOOKUP_ABSENT) {
                return found;
            }
        }
        perturb >>= 5;
        at = (at * 5 + 1 + perturb) & mask;
    }
}

static Py_ssize_t
index_at(const PyDictKeysObject *keys, size_t at)
{
    switch (keys->dk_log2_index_bytes - keys->dk_log2_size) {
        case 0: return ((const int8_t *)keys->dk_indices)[at];
        case 1: return ((const int16_t *)keys->dk_indices)[at];
        case 2: return ((const int32_t *)keys->dk_indices)[at];
        default: return ((const int64_t *)keys->dk_indices)[at];
    }
}

Lookup
compat_dict_find(PyObject *dict, PyObject *key, PyObject **value)
{
    PyDictKeysObject *keys = ((PyDictObject *)dict)->ma_keys;
    Py_hash_t hash = PyObject_Hash(key);
    if (keys->dk_kind != DICT_KEYS_GENERAL) {
        // Keys are exact strs.
        *value = _PyDict_GetItem_KnownHash(dict, key, hash);
        return *value != NULL ? LOOKUP_FOUND : LOOKUP_ABSENT;
    }
    size_t mask = (size_t)(DK_SIZE(keys) - 1), at = (size_t)hash & mask, perturb = (size_t)hash;
    for (;;) {
        Py_ssize_t i = index_at(keys, at);
        if (i == DKIX_EMPTY) {
            return LOOKUP_ABSENT;
        }
        if (i >= 0 && DK_ENTRIES(keys)[i].me_hash == hash) {
            Lookup found = same(key, DK_ENTRIES(keys)[i].me_key);
            if (found != LOOKUP_ABSENT) {
                *value = DK_ENTRIES(keys)[i].me_value;
                return found;
            }
        }
        perturb >>= 5;
        at = (at * 5 + perturb + 1) & mask;
    }
}

bool
compat_can_search(PyTypeObject *type)
{
    return type == &PyList_Type || type == &PyTuple_Type || type == &PySet_Type
           || type == &PyFrozenSet_Type || type == &PyDict_Type;
}

Lookup
compat_contains(PyObject *container, PyObject *key)
{
    if (!compat_is_plain_key(key)) {
        return LOOKUP_UNSURE;
    }
    if (PyList_CheckExact(container)) {
        return find_in_items(((PyListObject *)container)->ob_item, Py_SIZE(container), key);
    }
    if (PyTuple_CheckExact(container)) {
        return find_in_items(((PyTupleObject *)container)->ob_item, Py_SIZE(container), key);
    }
    if (PyDict_CheckExact(container)) {
        PyObject *value;
        return compat_dict_find(container, key, &value);
    }
    return find_in_set((PySetObject *)container, key, PyObject_Hash(key));
}
