// compat_313_bind.c - the seam to CPython 3.13: the arguments of a call given to the parameters of a function.
//
// In:   a function, and the arguments of a call as a vectorcall has them.
// Out:  its frame, as it is when the evaluator comes to RESUME: parameters and defaults, the tuple of *args, the
//       dictionary of **kw, cells, the closure. Or NULL, and nothing has happened: what lacks an argument, or has one too
//       many, and all that would have to ask Python code, is left to the evaluator.
//
// First it is found out which parameter gets what, then objects are made, then the frame is pushed and arguments are
// moved: only the second step can fail.
#include "python/compat_313.h"

enum { MOST = 64, DEFAULT = -1 };       // parameters, and cells, of a function that is served

typedef struct {
    const PyFunctionObject *func;
    PyCodeObject *code;
    PyObject *const *args;
    PyObject *names;                    // of the last n_named arguments, or NULL
    Py_ssize_t n, n_named;
    int n_parameters;                   // those with a name of their own
    bool given;
    int from[MOST];                     // the argument for each of them
    PyObject *defaults[MOST];           // borrowed: where that is DEFAULT
    bool is_other[MOST];                // this argument goes to **kw
    PyObject *rest, *other;             // what *args and **kw get
    PyObject *cells[MOST];              // in the order of their slots
} Binding;

bool
compat_can_bind(const PyCodeObject *code)
{
    return code->co_argcount + code->co_kwonlyargcount <= MOST && code->co_ncellvars <= MOST;
}

bool
compat_binds_exactly(const PyCodeObject *code)
{
    return (code->co_flags & (CO_VARARGS | CO_VARKEYWORDS)) == 0 && code->co_kwonlyargcount == 0
        && code->co_ncellvars == 0;
}

// --- who gets what ------------------------------------------------------------------------------

// -1: no parameter has this name, an exact str. Names of parameters are interned.
static int
parameter_named(const Binding *b, PyObject *name)
{
    int first = b->code->co_posonlyargcount;
    for (int i = first; i < b->n_parameters; i++) {
        if (PyTuple_GET_ITEM(b->code->co_localsplusnames, i) == name) {
            return i;
        }
    }
    for (int i = first; i < b->n_parameters && !PyUnicode_CHECK_INTERNED(name); i++) {
        if (_PyUnicode_Equal(PyTuple_GET_ITEM(b->code->co_localsplusnames, i), name)) {
            return i;
        }
    }
    return -1;
}

static bool
place_named(Binding *b)
{
    if (b->n_named > MOST) {
        return false;
    }
    for (Py_ssize_t k = 0; k < b->n_named; k++) {
        PyObject *name = PyTuple_GET_ITEM(b->names, k);
        int i = PyUnicode_CheckExact(name) ? parameter_named(b, name) : MOST;
        b->is_other[k] = i < 0;
        if (i >= 0) {
            if (i == MOST || b->from[i] != DEFAULT) {
                return false;
            }
            b->from[i] = (int)(b->n + k);
        }
        else if ((b->code->co_flags & CO_VARKEYWORDS) == 0) {
            return false;
        }
    }
    return true;
}

static PyObject *
default_of(const Binding *b, int i)
{
    PyObject *value = NULL;
    if (i < b->code->co_argcount) {
        PyObject *defaults = b->func->func_defaults;
        Py_ssize_t at = defaults == NULL ? -1 : i - (b->code->co_argcount - PyTuple_GET_SIZE(defaults));
        return at < 0 ? NULL : PyTuple_GET_ITEM(defaults, at);
    }
    PyObject *defaults = b->func->func_kwdefaults;
    bool found = defaults != NULL && PyDict_CheckExact(defaults)
        && compat_dict_find(defaults, PyTuple_GET_ITEM(b->code->co_localsplusnames, i), &value) == LOOKUP_FOUND;
    return found ? value : NULL;
}

static bool
place(Binding *b)
{
    int n = (int)(b->n < b->code->co_argcount ? b->n : b->code->co_argcount);
    if (b->n > n && (b->code->co_flags & CO_VARARGS) == 0) {
        return false;
    }
    for (int i = 0; i < b->n_parameters; i++) {
        b->from[i] = i < n ? i : DEFAULT;
    }
    if (!place_named(b)) {
        return false;
    }
    for (int i = n; i < b->n_parameters; i++) {
        if (b->from[i] == DEFAULT && (b->defaults[i] = default_of(b, i)) == NULL) {
            return false;
        }
    }
    return true;
}

// --- objects ------------------------------------------------------------------------------------

static void
unmake(Binding *b)
{
    for (int i = 0; i < b->code->co_ncellvars; i++) {
        Py_XDECREF(b->cells[i]);
    }
    Py_XDECREF(b->rest);
    Py_XDECREF(b->other);
    PyErr_Clear();
}

static bool
make_other(Binding *b)
{
    b->other = PyDict_New();
    for (Py_ssize_t k = 0; b->other != NULL && k < b->n_named; k++) {
        if (b->is_other[k]
            && PyDict_SetItem(b->other, PyTuple_GET_ITEM(b->names, k), b->args[b->n + k]) < 0) {
            return false;
        }
    }
    return b->other != NULL;
}

// false: out of memory, and no exception is set.
static bool
make(Binding *b)
{
    bool made = true;
    b->rest = b->other = NULL;
    memset(b->cells, 0, sizeof *b->cells * (size_t)b->code->co_ncellvars);
    if (b->code->co_flags & CO_VARARGS) {
        Py_ssize_t n = b->n - b->code->co_argcount;
        made = (b->rest = PyTuple_New(n < 0 ? 0 : n)) != NULL;
    }
    if (made && b->code->co_flags & CO_VARKEYWORDS) {
        made = make_other(b);
    }
    for (int i = 0; made && i < b->code->co_ncellvars; i++) {
        made = (b->cells[i] = PyCell_New(NULL)) != NULL;
    }
    if (!made) {
        unmake(b);
    }
    return made;
}

// --- the frame ----------------------------------------------------------------------------------

static void
fill_parameters(const Binding *b, PyObject **slots)
{
    int i = 0;
    for (; i < b->n_parameters; i++) {
        slots[i] = b->from[i] == DEFAULT ? Py_NewRef(b->defaults[i])
                                         : compat_take_argument(b->args, b->from[i], b->given);
    }
    for (Py_ssize_t k = b->code->co_argcount; k < b->n; k++) {
        PyTuple_SET_ITEM(b->rest, k - b->code->co_argcount, compat_take_argument(b->args, k, b->given));
    }
    if (b->rest != NULL) {
        slots[i++] = b->rest;
    }
    if (b->other != NULL) {
        slots[i++] = b->other;
    }
    for (Py_ssize_t k = 0; b->given && k < b->n_named; k++) {
        if (b->is_other[k]) {           // the dictionary has a reference of its own
            Py_DECREF(compat_take_argument(b->args, b->n + k, true));
        }
    }
}

static void
fill_cells(const Binding *b, PyObject **slots)
{
    PyCodeObject *code = b->code;
    for (int i = 0, cells = 0; cells < code->co_ncellvars; i++) {
        if (compat_slot_kind(code, i) == SLOT_CELL) {
            PyCell_SET(b->cells[cells], slots[i]);
            slots[i] = b->cells[cells++];
        }
    }
    for (int i = 0, first = code->co_nlocalsplus - code->co_nfreevars; i < code->co_nfreevars; i++) {
        slots[first + i] = Py_NewRef(PyTuple_GET_ITEM(b->func->func_closure, i));
    }
}

Frame *
compat_push_bound(PyThreadState *tstate, PyObject *func, PyObject *const *args, Py_ssize_t n, PyObject *names, bool given)
{
    PyCodeObject *code = (PyCodeObject *)((PyFunctionObject *)func)->func_code;
    Binding b;                          // (arrays are left as they are)
    b.func = (PyFunctionObject *)func;
    b.code = code;
    b.args = args;
    b.names = names;
    b.n = n;
    b.n_named = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    b.n_parameters = code->co_argcount + code->co_kwonlyargcount;
    b.given = given;
    if (!compat_can_bind(code) || !_PyThreadState_HasStackSpace(tstate, code->co_framesize) || !place(&b) || !make(&b)) {
        return NULL;
    }
    _PyInterpreterFrame *frame = (_PyInterpreterFrame *)tstate->datastack_top;
    tstate->datastack_top += code->co_framesize;
    _PyFrame_Initialize(frame, (PyFunctionObject *)(given ? func : Py_NewRef(func)), NULL, code, 0);
    fill_parameters(&b, frame->localsplus);
    fill_cells(&b, frame->localsplus);
    frame->stacktop = -1;
    frame->instr_ptr = _PyCode_CODE(code) + code->_co_firsttraceable;
    frame->previous = tstate->current_frame;
    tstate->current_frame = frame;
    tstate->py_recursion_remaining--;
    return frame;
}
