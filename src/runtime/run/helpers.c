// helpers.c - C functions that templates call. See helpers.h.
#include "back/executor.h"
#include "base/helpers.h"
#include "base/state.h"
#include "ir/build.h"
#include "python/compat.h"
#include "run/anchors.h"
#include "run/enter.h"
#include "run/recorder.h"
#include "run/restore.h"
#include <math.h>
#include <errno.h>

// --- floats: as Objects/floatobject.c defines them ------------------------------------------------

bool
help_float_pow_fits(double a, double b)
{
    return isfinite(a) && isfinite(b) && !(a == 0.0 && b < 0.0) && !(a < 0.0 && b != floor(b));
}

int
help_float_pow(Activation *act, double a, double b)
{
    // For finite operands and result, float.__pow__ is C's pow of the magnitude and a sign; zeros
    // and negative numbers with some exponents raise, or have a complex power.
    if (!help_float_pow_fits(a, b)) {
        return 0;
    }
    bool negative = a < 0.0 && fmod(fabs(b), 2.0) == 1.0;
    errno = 0;
    double power = pow(a < 0.0 ? -a : a, b);
    act->scratch = negative ? -power : power;
    return errno == 0 && isfinite(power);
}

double
help_float_mod(double a, double b)
{
    double mod = fmod(a, b);
    if (mod != 0.0) {
        return (b < 0) != (mod < 0) ? mod + b : mod;
    }
    return copysign(0.0, b);            // the zero has the sign of b
}

double
help_float_floordiv(double a, double b)
{
    double mod = fmod(a, b), div = (a - mod) / b;
    if (mod != 0.0 && (b < 0) != (mod < 0)) {
        div -= 1.0;
    }
    if (div == 0.0) {
        return copysign(0.0, a / b);
    }
    double floored = floor(div);
    return div - floored > 0.5 ? floored + 1.0 : floored;
}

// --- boxes ------------------------------------------------------------------------------------

PyObject *
help_box_int(int64_t v)
{
    PyObject *o = PyLong_FromLongLong(v);
    RESTORE_NEED(o, PyLong_FromLongLong(v));
    return o;
}

PyObject *
help_box_float(double v)
{
    PyObject *o = PyFloat_FromDouble(v);
    RESTORE_NEED(o, PyFloat_FromDouble(v));
    return o;
}

// --- references -------------------------------------------------------------------------------

int
help_dealloc(PyObject *o)
{
    if (!compat_quiet_to_free(o)) {
        return 0;
    }
    Py_DECREF(o);
    return 1;
}

// --- frames -----------------------------------------------------------------------------------

void *
help_frame_push(Activation *act, PyObject *function, void *ip)
{
    PyThreadState *tstate = act->tstate;
    return compat_push_frame(tstate, function, compat_current_frame(tstate), (_Py_CODEUNIT *)ip, 0);
}

void
help_frame_pop(Activation *act, void *frame)
{
    if (jit.recorder != NULL) {
        recorder_calls.frame_gone((Frame *)frame);
    }
    compat_drop_pushed(act->tstate, (Frame *)frame);
}

void
help_frame_unwind(Activation *act, void *frame)
{
    compat_frame_set_depth((Frame *)frame, 0);
    if (jit.recorder != NULL) {
        recorder_calls.frame_gone((Frame *)frame);
    }
    compat_pop_frame(act->tstate, (Frame *)frame);
}

void
help_frame_forget(void *frame)
{
    (void)compat_forget_frame_object((Frame *)frame);
}

PyObject *
help_traceback(Activation *act, PyObject *exc)
{
    return compat_add_traceback(act->tstate, exc);
}

PyObject *
help_new_exception(PyObject *type, PyObject *arg)
{
    const PyTypeObject *base = (PyTypeObject *)PyExc_BaseException;
    PyTypeObject *cls = (PyTypeObject *)type;
    if (cls->tp_new != base->tp_new || cls->tp_init != base->tp_init) {
        return arg != NULL ? PyObject_CallOneArg(type, arg) : PyObject_CallNoArgs(type);
    }
    PyObject *args = arg != NULL ? PyTuple_Pack(1, arg) : PyTuple_New(0);
    PyBaseExceptionObject *exc = args != NULL ? (PyBaseExceptionObject *)cls->tp_alloc(cls, 0) : NULL;
    if (exc == NULL) {
        Py_XDECREF(args);
        return NULL;
    }
    exc->args = args;                   // all else is 0, as BaseException.__new__ leaves it
    return (PyObject *)exc;
}

// Is no exception being handled, in whichever generator or function? Then what is raised has no context.
static bool
nothing_is_handled(void)
{
    for (const _PyErr_StackItem *item = PyThreadState_Get()->exc_info; item != NULL; item = item->previous_item) {
        if (item->exc_value != NULL && item->exc_value != Py_None) {
            return false;
        }
    }
    return true;
}

PyObject *
help_raise(PyObject *exc, PyObject *cause)
{
    const PyBaseExceptionObject *e = (PyBaseExceptionObject *)exc;
    if (e->context != NULL || e->cause != NULL) {
        return NULL;
    }
    if (cause != NULL) {
        PyException_SetCause(exc, cause == Py_None ? NULL : Py_NewRef(cause));
    }
    if (nothing_is_handled()) {
        return Py_NewRef(exc);
    }
    PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
    return PyErr_GetRaisedException();
}

void
help_run_loop(Activation *act, void *frame, void *executor, int64_t depth)
{
    // Not each time do the loop's variables have the types they had when this was recorded.
    Executor *ex = executor;
    if (ex->of_several) {
        Executor *newest = hook_executor_at(compat_frame_code(frame), ex->anchor);
        ex = version_that_fits(newest, frame, (int)depth);
    }
    compat_frame_set_depth((Frame *)frame, (int)depth);
    if (jit.recorder != NULL) {
        recorder_calls.end_overtaken();
    }
    run_executor(act->tstate, (Frame *)frame, ex != NULL ? ex : executor, true);
    (void)compat_forget_frame_object((Frame *)frame);   // a traceback's; this frame's variables are read anew in any case
    if (jit.recorder != NULL && recorder_calls.waits_for_exit()) {
        act->version = ~act->version;   // the trace leaves at GUARD_VALID, if not before
    }
}

// --- containers ---------------------------------------------------------------------------------

int
help_list_append(PyObject *list, PyObject *value)
{
    if (PyList_Append(list, value) < 0) {
        return -1;
    }
    Py_DECREF(value);
    return 0;
}

int64_t
help_array_int(PyObject *array, int64_t index, int kind)
{
    const char *items = ((help_array *)array)->items;
    switch (kind) {
        case 'b': return ((const int8_t *)items)[index];
        case 'h': return ((const int16_t *)items)[index];
        case 'H': return ((const uint16_t *)items)[index];
        default: return ((const uint32_t *)items)[index];
    }
}

bool
help_drops_quietly(PyObject *list, int64_t start, int64_t stop)
{
    PySlice_AdjustIndices(Py_SIZE(list), &start, &stop, 1);
    for (Py_ssize_t i = start; i < stop; i++) {
        PyTypeObject *type = Py_TYPE(PyList_GET_ITEM(list, i));
        if (type != &PyLong_Type && type != &PyFloat_Type && type != &PyUnicode_Type
            && type != &PyBool_Type && type != Py_TYPE(Py_None)) {
            return false;
        }
    }
    return true;
}

int
help_list_set_slice(PyObject *list, int64_t start, int64_t stop, PyObject *value)
{
    if (!help_drops_quietly(list, start, stop)) {
        return 1;
    }
    PySlice_AdjustIndices(Py_SIZE(list), &start, &stop, 1);
    if (value == list || stop - start != Py_SIZE(value)) {
        return PyList_SetSlice(list, start, stop, value);
    }
    for (Py_ssize_t i = 0; i < Py_SIZE(value); i++) {
        PyObject *old = PyList_GET_ITEM(list, start + i);
        PyList_SET_ITEM(list, start + i, Py_NewRef(PyList_GET_ITEM(value, i)));
        Py_DECREF(old);
    }
    return 0;
}

PyObject *
help_list_slice(PyObject *list, int64_t start, int64_t stop, int64_t step)
{
    Py_ssize_t n = PySlice_AdjustIndices(Py_SIZE(list), &start, &stop, step);
    if (step == 1) {
        return PyList_GetSlice(list, start, stop);
    }
    PyObject *result = PyList_New(n);
    for (Py_ssize_t i = 0; result != NULL && i < n; i++, start += step) {
        PyList_SET_ITEM(result, i, Py_NewRef(PyList_GET_ITEM(list, start)));
    }
    return result;
}

// Of a tuple, str or bytes.
PyObject *
help_any_slice(PyObject *o, int64_t start, int64_t stop, int64_t step)
{
    if (step == 1 && PyTuple_CheckExact(o)) {
        PySlice_AdjustIndices(Py_SIZE(o), &start, &stop, 1);
        return PyTuple_GetSlice(o, start, stop);
    }
    if (step == 1 && PyUnicode_CheckExact(o)) {
        PySlice_AdjustIndices(PyUnicode_GET_LENGTH(o), &start, &stop, 1);
        return PyUnicode_Substring(o, start, stop < start ? start : stop);
    }
    PyObject *numbers[3] = {PyLong_FromLongLong(start), PyLong_FromLongLong(stop), PyLong_FromLongLong(step)};
    PyObject *slice = NULL, *result = NULL;
    if (numbers[0] != NULL && numbers[1] != NULL && numbers[2] != NULL) {
        // None stands for the ends: the least int as a stop would count from the end.
        slice = PySlice_New(numbers[0], stop == PY_SSIZE_T_MIN ? Py_None : numbers[1], numbers[2]);
    }
    if (slice != NULL) {
        result = PyObject_GetItem(o, slice);
    }
    Py_XDECREF(slice);
    for (int i = 0; i < 3; i++) {
        Py_XDECREF(numbers[i]);
    }
    return result;
}

PyObject *
help_fast_method(PyObject *self, PyObject *a, PyObject *b, void *function, int64_t count)
{
    PyObject *args[2] = {a, b};
    return ((PyCFunctionFast)(uintptr_t)function)(self, args, count);
}

PyObject *
help_tuple_from_args(Activation *act, int64_t count)
{
    PyObject *tuple = PyTuple_New(count);
    for (int64_t i = 0; tuple != NULL && i < count; i++) {
        PyTuple_SET_ITEM(tuple, i, act->args[i + 1]);
    }
    return tuple;
}

PyObject *
help_tuple_or_die(Activation *act, int64_t count)
{
    PyObject *tuple = help_tuple_from_args(act, count);
    RESTORE_NEED(tuple, help_tuple_from_args(act, count));
    return tuple;
}

PyObject *
help_list_from_args(Activation *act, int64_t count)
{
    PyObject *list = PyList_New(count);
    for (int64_t i = 0; list != NULL && i < count; i++) {
        PyList_SET_ITEM(list, i, act->args[i + 1]);
    }
    return list;
}

int
help_contains(PyObject *container, PyObject *key)
{
    return compat_contains(container, key);
}

PyObject *
help_dict_find(PyObject *dict, PyObject *key)
{
    PyObject *value;
    if (!compat_is_plain_key(key)) {
        return HELP_UNSURE;
    }
    switch (compat_dict_find(dict, key, &value)) {
        case LOOKUP_FOUND: return value;
        case LOOKUP_ABSENT: return NULL;
        default: return HELP_UNSURE;
    }
}

int
help_set_add(PyObject *set, PyObject *key)
{
    int found = compat_contains(set, key);
    if (found == LOOKUP_ABSENT && PySet_Add(set, key) < 0) {
        return -2;
    }
    return found == LOOKUP_UNSURE ? -1 : 0;
}

int
help_dict_set(PyObject *dict, PyObject *key, PyObject *value)
{
    PyObject *old = NULL;
    if (compat_dict_find(dict, key, &old) == LOOKUP_FOUND) {
        Py_INCREF(old);
    }
    if (PyDict_SetItem(dict, key, value) < 0) {
        Py_XDECREF(old);
        return -1;
    }
    return 0;
}

int
help_dict_lacks(PyObject *dict, PyObject *name)
{
    return compat_dict_lacks(dict, name);
}

void
help_dict_track(PyObject *dict, PyObject *value)
{
    if (PyObject_IS_GC(value) && (!PyTuple_CheckExact(value) || PyObject_GC_IsTracked(value))) {
        PyObject_GC_Track(dict);
    }
}

void
help_inline_add(PyObject *o, int64_t index)
{
    compat_inline_add(o, index);
}

// --- calls ------------------------------------------------------------------------------------

PyObject *
help_vectorcall(Activation *act, PyObject *callable, int64_t count, PyObject *kwnames)
{
    return PyObject_Vectorcall(callable, act->args + 1,
                               (size_t)count | PY_VECTORCALL_ARGUMENTS_OFFSET, kwnames);
}

int
help_iter_failed(Activation *act)
{
    (void)act;
    if (!PyErr_Occurred()) {
        return 0;
    }
    if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
        return 1;
    }
    PyErr_Clear();
    return 0;
}

PyObject *
help_str_join(Activation *act, int64_t count)
{
    return compat_str_join(act->args + 1, count);
}

// --- concatenation ----------------------------------------------------------------------------

PyObject *
help_str_append(PyObject *left, PyObject *right)
{
    PyUnicode_Append(&left, right);
    return left;
}

static void
copy_items(PyObject **to, PyObject *const *from, Py_ssize_t n)
{
    for (Py_ssize_t i = 0; i < n; i++) {
        to[i] = Py_NewRef(from[i]);
    }
}

// The result has room for its items and no more, as that of list + list has.
PyObject *
help_list_join(PyObject *left, PyObject *right)
{
    Py_ssize_t n = Py_SIZE(left), more = Py_SIZE(right);
    if (Py_REFCNT(left) != 1 || n == 0 || left == right || more > PY_SSIZE_T_MAX / 8 - n) {
        return PyNumber_Add(left, right);
    }
    PyListObject *result = (PyListObject *)PyList_New(0), *old = (PyListObject *)left;
    PyObject **items = result == NULL ? NULL
        : PyMem_Realloc(old->ob_item, (size_t)(n + more) * sizeof(PyObject *));
    if (items == NULL) {
        Py_XDECREF(result);
        return PyErr_NoMemory();
    }
    copy_items(items + n, ((PyListObject *)right)->ob_item, more);
    result->ob_item = items;
    result->allocated = n + more;
    Py_SET_SIZE(result, n + more);
    old->ob_item = NULL;
    old->allocated = 0;
    Py_SET_SIZE(old, 0);
    return (PyObject *)result;
}

// What is left of a tuple whose items have moved. A large one is given no length, so that letting it go does not
// go through it; a small one keeps its length, which says in which list of free tuples its memory belongs.
enum { SMALL_TUPLE = 20 };

static void
empty_tuple(PyObject *tuple)
{
    if (Py_SIZE(tuple) > SMALL_TUPLE) {
        Py_SET_SIZE(tuple, 0);
        return;
    }
    memset(((PyTupleObject *)tuple)->ob_item, 0, (size_t)Py_SIZE(tuple) * sizeof(PyObject *));
}

PyObject *
help_tuple_join(PyObject *left, PyObject *right)
{
    Py_ssize_t n = Py_SIZE(left), more = Py_SIZE(right);
    if (Py_REFCNT(left) != 1 || n == 0 || more == 0 || left == right || more > PY_SSIZE_T_MAX / 16 - n) {
        return PyNumber_Add(left, right);
    }
    PyObject *result = PyTuple_New(n + more);
    if (result == NULL) {
        return NULL;
    }
    PyObject **items = ((PyTupleObject *)result)->ob_item, **old = ((PyTupleObject *)left)->ob_item;
    memcpy(items, old, (size_t)n * sizeof(PyObject *));
    copy_items(items + n, ((PyTupleObject *)right)->ob_item, more);
    empty_tuple(left);
    return result;
}

// --- names of modules -------------------------------------------------------------------------

int
help_is_quiet(PyTypeObject *type)
{
    return build_is_quiet(type);
}

PyObject *
help_global(PyObject *dict, PyObject *name)
{
    PyObject *value = NULL;             // no key is asked for its ==
    return compat_dict_find(dict, name, &value) == LOOKUP_FOUND ? value : NULL;
}

// Needs no memory: the key is there.
void
help_global_set(PyObject *dict, PyObject *name, PyObject *value)
{
    if (PyDict_SetItem(dict, name, value) < 0) {
        restore_no_memory();
    }
}

// --- functions --------------------------------------------------------------------------------

PyObject *
help_function(PyObject *code, PyObject *globals, PyObject *closure)
{
    PyObject *func = compat_function_new(code, globals);
    if (func != NULL && closure != Py_None) {
        ((PyFunctionObject *)func)->func_closure = closure;
    }
    return func;
}

PyObject *
help_function_or_die(PyObject *code, PyObject *globals, PyObject *closure)
{
    PyObject *func = help_function(code, globals, closure);
    RESTORE_NEED(func, help_function(code, globals, closure));
    return func;
}

// --- generators -------------------------------------------------------------------------------

PyObject *
help_make_generator(Activation *act, PyObject *function, int64_t count, int64_t cells)
{
    return compat_generator_new(function, act->args + 1, (Py_ssize_t)count, (Py_ssize_t)cells);
}

void
help_generator_link(Activation *act, void *frame)
{
    compat_generator_link(act->tstate, compat_generator_of((Frame *)frame));
    compat_frame_set_depth((Frame *)frame, -1);
}

void
help_generator_unlink(Activation *act, void *frame)
{
    compat_generator_unlink(act->tstate, compat_generator_of((Frame *)frame));
}

void
help_generator_end(Activation *act, void *frame)
{
    compat_generator_end(act->tstate, compat_generator_of((Frame *)frame));
}
