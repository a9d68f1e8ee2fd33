// list.c - lists, tuples and the iterators over them, ranges.
#include "stencil.h"
#include "../runtime/base/helpers.h"

// len of a list.
UOP(LIST_LEN, (OBJ list), I64, READS(LENGTH), ())
{
    result = Py_SIZE(list);
}

// len of a tuple (or bytes).
UOP(TUPLE_LEN, (OBJ tuple), I64, PURE, ())
{
    result = Py_SIZE(tuple);
}

// list[index], borrowed; index is in range.
UOP(LIST_ITEM, (OBJ list, I64K index), OBJ, READS(LIST), ())
{
    result = ((PyListObject *)list)->ob_item[index];
}

// tuple[index], borrowed; index is in range.
UOP(TUPLE_ITEM, (OBJ tuple, I64K index), OBJ, PURE, ())
{
    result = ((PyTupleObject *)tuple)->ob_item[index];
}

// list[index] = value; the old item is the trace's now, the list owns value.
UOP(LIST_SET, (OBJ list, I64K index, OBJ value), VOID, EFFECT | WRITES(LIST), ())
{
    ((PyListObject *)list)->ob_item[index] = value;
}

// list[index] = value where the item now is an exact float: the object is used again if only the
// list holds it.
UOP(LIST_SET_FLOAT, (OBJ list, I64K index, F64 value), VOID, EFFECT | RAISES | WRITES(LIST), ())
{
    PyFloatObject *old = (PyFloatObject *)((PyListObject *)list)->ob_item[index];
    COLD_IF(old->ob_base.ob_refcnt != 1);
    old->ob_fval = value;
}
COLD
{
    OBJ old = ((PyListObject *)list)->ob_item[index];
    OBJ box = PyFloat_FromDouble(value);
    ERROR_IF(box == NULL);
    ((PyListObject *)list)->ob_item[index] = box;
    Py_DECREF(old);
}

// Append, taking over the reference. Out of line when the list must grow.
UOP(LIST_APPEND, (OBJ list, OBJ value), VOID, EFFECT | CALLS | RAISES | WRITES(LIST), ())
{
    PyListObject *l = (PyListObject *)list;
    Py_ssize_t n = Py_SIZE(l);
    if (LIKELY(n < l->allocated)) {
        l->ob_item[n] = value;
        Py_SET_SIZE(l, n + 1);
    }
    else {
        ERROR_IF(help_list_append(list, value) < 0);
    }
}

// list[start:stop] = value, another exact list or the same; exits, with nothing done, where an item
// that goes could be noticed by its destruction. Negative numbers count from the end.
UOP(LIST_SET_SLICE, (OBJ list, I64 start, I64 stop, OBJ value), VOID,
    EFFECT | CALLS | EXITS | RAISES | WRITES(LIST), ())
{
    int outcome = help_list_set_slice(list, start, stop, value);
    EXIT_IF(outcome > 0);
    ERROR_IF(outcome < 0);
}

// o[start:stop:step] of an exact list, tuple, str or bytes, by `function`.
UOP(SLICE, (OBJ o, I64 start, I64 stop), OBJ, EFFECT | CALLS | RAISES, (IMM64 function, IMM64 step))
{
    result = ((OBJ (*)(OBJ, I64, I64, I64))(uintptr_t)function)(o, start, stop, (I64)step);
    ERROR_IF(result == NULL);
}

// A method of a list with up to two arguments that runs no Python code, by its C function.
UOP(LIST_METHOD, (OBJ list, OBJ a, OBJ b), OBJ, EFFECT | CALLS | RAISES | WRITES(LIST),
    (IMM64 function, IMM32 count))
{
    result = help_fast_method(list, a, b, (void *)(uintptr_t)function, (I64)count);
    ERROR_IF(result == NULL);
}

// Position of a list or tuple iterator.
UOP(ITER_INDEX, (OBJ iter), I64, READS(ITER), ())
{
    result = ((help_seq_iter *)iter)->it_index;
}

// Sequence of a list or tuple iterator, borrowed; NULL when it is exhausted.
UOP(ITER_SEQ, (OBJ iter), OBJ, READS(ITER_SEQ), ())
{
    result = (OBJ)((help_seq_iter *)iter)->it_seq;
}

// Set the position of a list or tuple iterator.
UOP(ITER_SET_INDEX, (OBJ iter, I64 index), VOID, EFFECT | WRITES(ITER), ())
{
    ((help_seq_iter *)iter)->it_index = index;
}

// Next value of a range iterator.
UOP(RANGE_START, (OBJ iter), I64, READS(ITER), ())
{
    result = ((help_range_iter *)iter)->start;
}

// Step of a range iterator.
UOP(RANGE_STEP, (OBJ iter), I64, PURE, ())
{
    result = ((help_range_iter *)iter)->step;
}

// How many values a range iterator still has.
UOP(RANGE_LEN, (OBJ iter), I64, READS(ITER), ())
{
    result = ((help_range_iter *)iter)->len;
}

// Where a range iterator of this step (1 or -1) ends.
UOP(RANGE_END, (OBJ iter), I64, READS(ITER), (IMM32 step))
{
    help_range_iter *range = (help_range_iter *)iter;
    result = range->start + range->len * step;
}

// Advance a range iterator of this step (1 or -1).
UOP(RANGE_SET_START, (OBJ iter, I64 start, I64 end), VOID, EFFECT | WRITES(ITER), (IMM32 step))
{
    ((help_range_iter *)iter)->start = start;
    ((help_range_iter *)iter)->len = (end - start) * step;
}

// Advance a range iterator.
UOP(RANGE_SET, (OBJ iter, I64 start, I64 len), VOID, EFFECT | WRITES(ITER), ())
{
    ((help_range_iter *)iter)->start = start;
    ((help_range_iter *)iter)->len = len;
}

// A tuple of up to four items that are moved into it; `count` says how many. Made only when
// something needs it as an object: then it is lowered to ARG and TUPLE_NEW.
UOP(TUPLE_PACK, (OBJ a, OBJ b, OBJ c, OBJ d), OBJ, ALLOC | VIRTUAL | RAISES, (IMM32 count))
{
    result = NULL;
}

// len of a str.
UOP(STR_LEN, (OBJ s), I64, PURE, ())
{
    result = ((PyASCIIObject *)s)->length;
}

// len of a dict.
UOP(DICT_LEN, (OBJ dict), I64, READS(DICT), ())
{
    result = ((PyDictObject *)dict)->ma_used;
}

// A new tuple of `count` items taken from act->args (the references move into it).
UOP(TUPLE_NEW, (), OBJ, EFFECT | ALLOC | CALLS | RAISES, (IMM32 count))
{
    result = help_tuple_from_args(act, (I64)count);
    ERROR_IF(result == NULL);
}

// As TUPLE_NEW, where no exception can be raised.
UOP(TUPLE_NEW_SURE, (), OBJ, EFFECT | ALLOC | CALLS, (IMM32 count))
{
    result = help_tuple_or_die(act, (I64)count);
}

// A new list of `count` items taken from act->args (the references move into it).
UOP(LIST_NEW, (), OBJ, EFFECT | ALLOC | CALLS | RAISES, (IMM32 count))
{
    result = help_list_from_args(act, (I64)count);
    ERROR_IF(result == NULL);
}

// A number in an iterator, at a byte offset.
UOP(ITER_WORD, (OBJ iter), I64, READS(ITER), (IMM32 offset))
{
    result = *(I64 *)((char *)iter + offset);
}

// Set a number in an iterator.
UOP(ITER_SET_WORD, (OBJ iter, I64 value), VOID, EFFECT | WRITES(ITER), (IMM32 offset))
{
    *(I64 *)((char *)iter + offset) = value;
}
