// attr.c - attributes of instances, cells.
#include "stencil.h"
#include "../runtime/base/helpers.h"

// A pointer-sized field of an object, borrowed; may be NULL.
UOP(FIELD_LOAD, (OBJ o), OBJ, READS(FIELD), (IMM32 offset))
{
    result = *(OBJ *)((char *)o + offset);
}

// Write a field; the trace takes over the old reference, the object the new one.
UOP(FIELD_STORE, (OBJ o, OBJ value), VOID, EFFECT | WRITES(FIELD), (IMM32 offset))
{
    *(OBJ *)((char *)o + offset) = value;
}

// Write a field where the object now there is an exact float: it is used again if only the field
// holds it.
UOP(FIELD_STORE_FLOAT, (OBJ o, F64 value), VOID, EFFECT | RAISES | WRITES(FIELD), (IMM32 offset))
{
    PyFloatObject *old = *(PyFloatObject **)((char *)o + offset);
    COLD_IF(old->ob_base.ob_refcnt != 1);
    old->ob_fval = value;
}
COLD
{
    OBJ *field = (OBJ *)((char *)o + offset);
    OBJ old = *field, box = PyFloat_FromDouble(value);
    ERROR_IF(box == NULL);
    *field = box;
    Py_DECREF(old);
}

// Exits unless the byte at `offset` (the inline values' valid flag) is 1.
UOP(GUARD_INLINE, (OBJ o), VOID, GUARD | EXITS | READS(DICT), (IMM32 offset))
{
    EXIT_IF(*((uint8_t *)o + offset) == 0);
}

// Exits if that byte is not 0: a dictionary has taken the inline values' place.
UOP(GUARD_NOT_INLINE, (OBJ o), VOID, GUARD | EXITS | READS(DICT), (IMM32 offset))
{
    EXIT_IF(*((uint8_t *)o + offset) != 0);
}

// Entries of a dict whose keys are exact strs. Exits unless entry `index` is that of the key `name`.
UOP(DICT_ENTRIES, (OBJ dict), OBJ, GUARD | EXITS | READS(DICT), (IMM64 name, IMM32 index))
{
    help_dict_keys *keys = ((help_dict *)dict)->keys;
    EXIT_IF(keys->kind != HELP_DICT_STR_KEYS || index >= keys->n_entries);
    help_dict_entry *entries = (help_dict_entry *)(keys->indices + ((size_t)1 << keys->log2_index_bytes));
    EXIT_IF((uintptr_t)entries[index].key != (uintptr_t)name);
    result = (OBJ)entries;
}

// Values of a dict that shares its keys with the other instances of a class; exits if it does not.
UOP(DICT_VALUES, (OBJ dict), OBJ, GUARD | EXITS | READS(DICT), (IMM64 keys))
{
    EXIT_IF((uintptr_t)((help_dict *)dict)->keys != (uintptr_t)keys);
    result = (OBJ)((help_dict *)dict)->values;
}

// Exits if the dict has the key `name`, or keys other than strs.
UOP(GUARD_DICT_LACKS, (OBJ dict), VOID, GUARD | EXITS | CALLS | READS(DICT), (IMM64 name))
{
    EXIT_IF(!help_dict_lacks(dict, (OBJ)(uintptr_t)name));
}

// A value of the dict is about to change: exits if somebody watches it, or gives it a version that
// no dict has had. versions: the last one given.
UOP(DICT_CHANGES, (OBJ dict), VOID, GUARD | EXITS | READS(DICT), (IMM64 versions))
{
    help_dict *d = (help_dict *)dict;
    uint64_t *last = (uint64_t *)(uintptr_t)versions;
    EXIT_IF(d->version & HELP_DICT_WATCHED);
    *last += HELP_DICT_VERSION_STEP;
    d->version = (d->version & (HELP_DICT_VERSION_STEP - 1)) | *last;
}

// The dict is about to hold `value`: it belongs to the garbage collector if that does.
UOP(DICT_TRACK, (OBJ dict, OBJ value), VOID, EFFECT, ())
{
    COLD_IF(((help_gc_head *)dict)[-1].next == 0);
}
COLD
{
    help_dict_track(dict, value);
}

// A name of a module that has it, borrowed; exits if it has not.
UOP(GLOBAL_LOAD, (OBJ dict, OBJ name), OBJ, GUARD | EXITS | CALLS | READS(GLOBAL), ())
{
    result = help_global(dict, name);
    EXIT_IF(result == NULL);
}

// Another value for a name that a module has, and whose old one goes quietly. The dict takes a
// reference of its own.
UOP(GLOBAL_STORE, (OBJ dict, OBJ name, OBJ value), VOID, EFFECT | CALLS | WRITES(GLOBAL), ())
{
    help_global_set(dict, name, value);
}

// Exits unless nobody can notice more than its memory going when the object is freed.
UOP(GUARD_QUIET, (OBJ o), VOID, GUARD | EXITS | CALLS, ())
{
    EXIT_IF(!help_is_quiet(Py_TYPE(o)));
}

// First store to an inline value: notes the order of insertion, as CPython does.
UOP(INLINE_ADD, (OBJ o), VOID, EFFECT | CALLS | WRITES(DICT), (IMM32 index))
{
    help_inline_add(o, (I64)index);
}

// Content of a cell, borrowed; may be NULL.
UOP(CELL_LOAD, (OBJ cell), OBJ, READS(CELL), ())
{
    result = ((PyCellObject *)cell)->ob_ref;
}

// Write a cell; the trace takes over the old reference, the cell the new one.
UOP(CELL_STORE, (OBJ cell, OBJ value), VOID, EFFECT | WRITES(CELL), ())
{
    ((PyCellObject *)cell)->ob_ref = value;
}

// Exits unless the number at `address` is `value` (how many names a class's instances share).
UOP(GUARD_WORD, (), VOID, GUARD | EXITS | READS(DICT), (IMM64 address, IMM32 value))
{
    EXIT_IF(*(I64 *)(uintptr_t)address != (I64)value);
}

// A new instance of a class with object.__new__; __init__ is called by the trace.
UOP(INSTANCE_NEW, (), OBJ, EFFECT | CALLS | RAISES | ALLOC, (IMM64 type))
{
    result = PyType_GenericAlloc((PyTypeObject *)(uintptr_t)type, 0);
    ERROR_IF(result == NULL);
}
