// testhooks.c - private functions by which tests reach what no Python program can: frames pushed
// and finished in the middle of a callback, and assumptions without a trace.
//
// They are always built in, under names with an underscore, so that what is tested is what is
// shipped. None is called by the package.

#include "face/testhooks.h"
#include "back/codemem.h"
#include "entry/vectorcall.h"
#include "run/anchors.h"
#include "run/executor_life.h"
#include "run/invalidate.h"

// --- frames -----------------------------------------------------------------------------------

// In a list of locals or stack items, Ellipsis stands for an empty slot.
static bool
fill_slots(PyObject **slots, PyObject *values)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(values); i++) {
        PyObject *value = PyTuple_GET_ITEM(values, i);
        slots[i] = value == Py_Ellipsis ? NULL : Py_NewRef(value);
    }
    return true;
}

// frame: (function, locals, offset, stack), offset in code units.
static Frame *
push_described(PyThreadState *tstate, PyObject *description, Frame *previous)
{
    PyObject *func, *locals, *stack;
    int offset;
    if (!PyArg_ParseTuple(description, "O!O!iO!", &PyFunction_Type, &func, &PyTuple_Type, &locals,
                          &offset, &PyTuple_Type, &stack)) {
        return NULL;
    }
    PyCodeObject *code = (PyCodeObject *)PyFunction_GET_CODE(func);
    int depth = (int)PyTuple_GET_SIZE(stack);
    Frame *frame = compat_push_frame(tstate, func, previous, compat_code_start(code) + offset,
                                     depth);
    if (frame != NULL) {
        PyObject **slots = compat_frame_slots(frame);
        fill_slots(slots, locals);
        fill_slots(slots + compat_code_nlocalsplus(code), stack);
    }
    return frame;
}

// The value returned into `frame`, which stands at a call whose operands are off its stack.
static void
return_into(Frame *frame, PyObject *value)
{
    PyCodeObject *code = compat_frame_code(frame);
    int depth = compat_frame_depth(frame);
    compat_frame_slots(frame)[compat_code_nlocalsplus(code) + depth] = value;
    compat_frame_set_depth(frame, depth + 1);
    _Py_CODEUNIT *ip = compat_frame_ip(frame);
    compat_frame_set_ip(frame, ip + compat_return_offset(code, (int)(ip - compat_code_start(code))));
}

// As an exit does it: rebuild the frames on top of `outer`, finish them from the inside out, and
// go on in `outer` with the result dropped, or with the exception.
static PyObject *
run_frames(PyThreadState *tstate, Frame *outer, PyObject *frames, PyObject *exc)
{
    Frame *frame = outer;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(frames); i++) {
        frame = push_described(tstate, PyTuple_GET_ITEM(frames, i), frame);
        if (frame == NULL) {
            return NULL;
        }
    }
    if (exc != Py_None) {
        PyErr_SetRaisedException(Py_NewRef(exc));
    }
    PyObject *result = NULL;
    while (frame != outer) {
        Frame *caller = compat_frame_previous(frame);
        result = compat_finish_frame(tstate, frame, PyErr_Occurred() != NULL);
        frame = caller;
        if (frame != outer && result != NULL) {
            return_into(frame, result);
        }
    }
    return result;
}

// A JUMP callback; self is [code, turn, frames, exception, offset, results]: at that backward
// jump of that code object, run the frames. With `offset` >= 0 the outer frame then stands there
// (code units, in bytecode) as if it had run on to it; with no frames, the exception is raised
// there.
static PyObject *
frames_on_jump(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *code, *frames, *exc, *results;
    int turn, offset;
    if (nargs != 3 || PyLong_AsLong(args[2]) > PyLong_AsLong(args[1])
        || PyList_GET_ITEM(self, 0) != args[0]) {
        Py_RETURN_NONE;
    }
    PyObject *spec = PyList_AsTuple(self);
    if (spec == NULL || !PyArg_ParseTuple(spec, "OiO!OiO", &code, &turn, &PyTuple_Type, &frames,
                                          &exc, &offset, &results)) {
        Py_XDECREF(spec);
        return NULL;
    }
    PyList_SetItem(self, 1, PyLong_FromLong(turn - 1));
    if (turn != 0) {
        Py_DECREF(spec);
        Py_RETURN_NONE;
    }
    PyThreadState *tstate = PyThreadState_Get();
    Frame *outer = compat_current_frame(tstate);
    CallbackState saved;
    compat_leave_callback(tstate, &saved);
    if (offset >= 0) {
        compat_frame_set_ip(outer, compat_code_start(compat_frame_code(outer)) + offset);
    }
    if (PyTuple_GET_SIZE(frames) == 0) {
        PyErr_SetRaisedException(Py_NewRef(exc));
    }
    else {
        PyObject *result = run_frames(tstate, outer, frames, exc);
        if (result != NULL) {
            PyList_Append(results, result);
            Py_DECREF(result);
        }
    }
    if (PyErr_Occurred()) {
        compat_raise_here(tstate, outer);
    }
    compat_reenter_callback(tstate, &saved);
    Py_DECREF(spec);
    Py_RETURN_NONE;
}

static PyMethodDef frames_on_jump_def = {
    "frames_on_jump", (PyCFunction)(void (*)(void))frames_on_jump, METH_FASTCALL, NULL};

static PyObject *
test_frames_on_jump(PyObject *Py_UNUSED(module), PyObject *spec)
{
    if (!PyList_CheckExact(spec) || PyList_GET_SIZE(spec) != 6) {
        PyErr_SetString(PyExc_TypeError, "expected a list of 6");
        return NULL;
    }
    return PyCFunction_New(&frames_on_jump_def, spec);
}

// --- bytecode ---------------------------------------------------------------------------------

static PyObject *
test_decode(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyCodeObject *code;
    int offset;
    Instr instr;
    if (!PyArg_ParseTuple(args, "O!i", &PyCode_Type, &code, &offset)
        || compat_decode(code, offset, &instr) < 0) {
        return NULL;
    }
    return Py_BuildValue("(siiiii)", compat_bytecode_name(instr.op), instr.oparg, instr.offset,
                         instr.next, instr.target, compat_after_prefix(code, offset));
}

// Offsets, in units of the machine: for tests that compare with ctypes.
static PyObject *
test_inline_attr(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyTypeObject *type;
    PyObject *name;
    size_t offset, valid_offset;
    int index;
    if (!PyArg_ParseTuple(args, "O!U", &PyType_Type, &type, &name)) {
        return NULL;
    }
    if (!compat_inline_attr(type, name, &offset, &valid_offset, &index)) {
        Py_RETURN_NONE;
    }
    return Py_BuildValue("(nni)", (Py_ssize_t)offset, (Py_ssize_t)valid_offset, index);
}

static PyObject *
test_inline_valid(PyObject *Py_UNUSED(module), PyObject *obj)
{
    return PyBool_FromLong(compat_inline_valid(obj));
}

static PyObject *
test_quiet(PyObject *Py_UNUSED(module), PyObject *obj)
{
    return PyBool_FromLong(compat_quiet_to_free(obj));
}

static PyObject *
test_watched_by_others(PyObject *Py_UNUSED(module), PyObject *code)
{
    return PyBool_FromLong(
        compat_watched_by_others(PyThreadState_Get(), (PyCodeObject *)code));
}

// --- assumptions and executors ----------------------------------------------------------------

// assume([(object, key or None), ...], code=None, root=None, jumps_to=None) -> Executor without
// machine code. With code, it is the newest one of the loop at offset 0 there.
static PyObject *
test_assume(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *facts, *code = Py_None, *root = Py_None, *jumps_to = Py_None;
    if (!PyArg_ParseTuple(args, "O!|OOO", &PyList_Type, &facts, &code, &root, &jumps_to)) {
        return NULL;
    }
    assume_begin();
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(facts); i++) {
        PyObject *object, *key;
        if (!PyArg_ParseTuple(PyList_GET_ITEM(facts, i), "OO", &object, &key)) {
            return NULL;
        }
        int done = PyDict_Check(object)   ? assume_dict_key(object, key)
                   : PyType_Check(object) ? assume_type((PyTypeObject *)object)
                                          : assume_function(object);
        if (done < 0) {
            PyErr_Format(PyExc_ValueError, "%R cannot be watched", object);
            return NULL;
        }
    }
    Executor *ex = executor_new();
    if (ex == NULL) {
        return NULL;
    }
    if (root != Py_None) {
        ex->is_side = 1;
        executor_grows_in(ex, (Executor *)root);
    }
    if (jumps_to != Py_None) {
        executor_jumps_to(ex, (Executor *)jumps_to);
    }
    if (code != Py_None) {
        ex->code = (PyCodeObject *)code;
        hook_install_root(ex->code, 0, ex);
    }
    if (assume_commit(ex) < 0) {
        executor_retire(ex);
        Py_DECREF(ex);
        PyErr_SetString(PyExc_RuntimeError, "an assumption broke before it was used");
        return NULL;
    }
    return (PyObject *)ex;
}

static PyObject *
test_count(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    size_t facts, dependents;
    invalidate_count(&facts, &dependents);
    return Py_BuildValue("(nn)", (Py_ssize_t)facts, (Py_ssize_t)dependents);
}

// The loop of this root trace is found not to pay on its own.
static PyObject *
test_leave_alone(PyObject *Py_UNUSED(module), PyObject *executor)
{
    Executor *ex = (Executor *)executor;
    hook_leave_alone(ex->code, ex->anchor, ABORT_DOES_NOT_PAY);
    Py_RETURN_NONE;
}

static PyObject *
test_retire(PyObject *Py_UNUSED(module), PyObject *ex)
{
    executor_retire((Executor *)ex);
    Py_RETURN_NONE;
}

static PyObject *
test_sweep(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    executor_sweep();
    Py_RETURN_NONE;
}

// As if an activation went into, or left, the tree of a root.
static PyObject *
test_inside(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *ex;
    int change;
    if (!PyArg_ParseTuple(args, "O!i", &Executor_Type, &ex, &change)) {
        return NULL;
    }
    ((Executor *)ex)->inside += (unsigned)change;
    Py_RETURN_NONE;
}

// Whether traces from now on call C as if it were out of a call's reach.
static PyObject *
test_reach_nothing(PyObject *Py_UNUSED(module), PyObject *on)
{
    codemem_reach_nothing(PyObject_IsTrue(on) == 1);
    Py_RETURN_NONE;
}

// Calls it as if it were the recorder's work.
static PyObject *
test_looking(PyObject *Py_UNUSED(module), PyObject *callable)
{
    compat_forbid_python(PyThreadState_GET(), true);
    PyObject *result = PyObject_CallNoArgs(callable);
    compat_forbid_python(PyThreadState_GET(), false);
    return result;
}

// Is the function entered by its own vectorcall?
static PyObject *
test_has_door(PyObject *Py_UNUSED(module), PyObject *func)
{
    return PyBool_FromLong(vectorcall_has_door(func));
}

static PyObject *
test_count_doors(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromSize_t(vectorcall_count());
}

static PyMethodDef test_methods[] = {
    {"_frames_on_jump", test_frames_on_jump, METH_O, NULL},
    {"_decode", test_decode, METH_VARARGS, NULL},
    {"_inline_attr", test_inline_attr, METH_VARARGS, NULL},
    {"_inline_valid", test_inline_valid, METH_O, NULL},
    {"_quiet_to_free", test_quiet, METH_O, NULL},
    {"_watched_by_others", test_watched_by_others, METH_O, NULL},
    {"_assume", test_assume, METH_VARARGS, NULL},
    {"_count_facts", test_count, METH_NOARGS, NULL},
    {"_retire", test_retire, METH_O, NULL},
    {"_leave_alone", test_leave_alone, METH_O, NULL},
    {"_sweep", test_sweep, METH_NOARGS, NULL},
    {"_inside", test_inside, METH_VARARGS, NULL},
    {"_reach_nothing", test_reach_nothing, METH_O, NULL},
    {"_looking", test_looking, METH_O, NULL},
    {"_has_door", test_has_door, METH_O, NULL},
    {"_count_doors", test_count_doors, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

int
testhooks_add(PyObject *module)
{
#ifdef JITPATCH_DEBUG
    const long checks = 1;
#else
    const long checks = 0;
#endif
    return PyModule_AddIntConstant(module, "_has_checks", checks) < 0 ? -1 : PyModule_AddFunctions(module, test_methods);
}
