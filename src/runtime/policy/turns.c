// turns.c - how many iterations of a loop were run: its iterator knows.
//
// Counting would cost each iteration. The iterators of lists, tuples, ranges, dicts and strings know how many values are
// ahead, so two looks at one say how many were taken in between. What enumerate() and zip() hold is looked at, too.
#include "policy/turns.h"

enum { MOST_NESTED = 3 };       // enumerate(zip(range(n), ...))

static bool
tells_its_length(const PyTypeObject *type)
{
    const PyTypeObject *const types[] = {
        &PyListIter_Type, &PyTupleIter_Type, &PyRangeIter_Type, &PyDictIterKey_Type, &PyDictIterValue_Type,
        &PyDictIterItem_Type, &PyUnicodeIter_Type, &PyBytesIter_Type, &PyListRevIter_Type,
    };
    for (size_t i = 0; i < Py_ARRAY_LENGTH(types); i++) {
        if (type == types[i]) {
            return true;
        }
    }
    return false;
}

// What an enumerate or zip object takes its values from; else the iterator itself.
static PyObject *
source_of(PyObject *iterator)
{
    if (Py_TYPE(iterator) == &PyEnum_Type) {
        const EnumLayout *layout = compat_enum_layout();
        return layout == NULL ? iterator : *(PyObject **)((char *)iterator + layout->inner);
    }
    if (Py_TYPE(iterator) == &PyZip_Type && compat_zip_iterators() != 0) {
        PyObject *all = *(PyObject **)((char *)iterator + compat_zip_iterators());
        return PyTuple_GET_SIZE(all) > 0 ? PyTuple_GET_ITEM(all, 0) : iterator;
    }
    return iterator;
}

static int64_t
values_ahead(PyObject *iterator)
{
    for (int k = 0; k < MOST_NESTED && iterator != NULL; k++) {
        if (tells_its_length(Py_TYPE(iterator))) {
            PyObject *exc = PyErr_GetRaisedException();
            int64_t ahead = PyObject_LengthHint(iterator, TURNS_UNKNOWN);
            PyErr_SetRaisedException(exc);
            return ahead;
        }
        iterator = source_of(iterator);
    }
    return TURNS_UNKNOWN;
}

// What lies on top of the stack where the loop of `ex` begins.
static PyObject *
iterator_of(const Executor *ex, Frame *frame)
{
    int top = compat_code_nlocalsplus(compat_frame_code(frame)) + ex->stack_depth - 1;
    return compat_frame_slots(frame)[top];
}

void
turns_begin(Turns *turns, const Executor *ex, Frame *frame)
{
    Instr in;
    turns->iterator = NULL;
    if (ex->is_function || ex->resumed || ex->stack_depth == 0 || ex->code == NULL) {
        return;
    }
    if (compat_decode(ex->code, ex->anchor, &in) < 0) {
        PyErr_Clear();
        return;
    }
    if (in.op != BC_FOR_ITER) {
        return;
    }
    PyObject *iterator = iterator_of(ex, frame);
    turns->ahead = values_ahead(iterator);
    turns->iterator = turns->ahead < 0 ? NULL : iterator;
}

int64_t
turns_since(const Turns *turns, const Executor *ex, Frame *frame)
{
    if (turns->iterator == NULL || compat_frame_depth(frame) < ex->stack_depth
        || iterator_of(ex, frame) != turns->iterator) {
        return TURNS_UNKNOWN;
    }
    int64_t ahead = values_ahead(turns->iterator);
    return ahead < 0 || ahead > turns->ahead ? TURNS_UNKNOWN : turns->ahead - ahead;
}
