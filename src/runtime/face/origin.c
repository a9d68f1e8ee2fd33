// origin.c - what a trace's machine code was put together from, and other code in its place.
//
// For benchmarks/codegen.py alone, which has LLVM compile the same stencils and runs both: private
// functions, always built in like those of testhooks.c. Nothing is kept unless it was asked for.

#include "back/codemem.h"
#include "back/stencil_table.h"
#include "face/testhooks.h"
#include "run/executor_life.h"
#include <stdlib.h>
#include <string.h>

static PyObject *
keep_origins(PyObject *Py_UNUSED(module), PyObject *on)
{
    jit.keep_origins = PyObject_IsTrue(on) == 1;
    Py_RETURN_NONE;
}

static PyObject *
pointer(const void *p)
{
    return PyLong_FromVoidPtr((void *)p);
}

// Appends and lets go of `item`; false with an exception if it is NULL or memory is out.
static bool
append(PyObject *list, PyObject *item)
{
    bool done = item != NULL && PyList_Append(list, item) == 0;
    Py_XDECREF(item);
    return done;
}

// [(stencil, uop of the instruction it belongs to, exit or -1, operands, constants of inputs)]
static PyObject *
pieces_of(const Executor *ex, const Origin *origin)
{
    PyObject *list = PyList_New(0);
    for (uint32_t i = 0; list != NULL && i < origin->n_code; i++) {
        const Placed *p = &origin->code[i];
        if (!append(list, Py_BuildValue("(Isi(KK)(KKKK))", p->stencil,
                                        uop_table[ex->ins[p->ref].op].name,
                                        p->exit == NO_EXIT ? -1 : (int)p->exit, p->operand[0],
                                        p->operand[1], p->input[0], p->input[1], p->input[2],
                                        p->input[3]))) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *
locs_of(const RefLoc *locs, uint32_t count)
{
    PyObject *list = PyList_New(0);
    for (uint32_t k = 0; list != NULL && k < count; k++) {
        if (!append(list, PyLong_FromLong(locs[k].loc))) {
            Py_CLEAR(list);
        }
    }
    return list;
}

// [(stub, stub for errors, [Loc that its snapshot needs])]
static PyObject *
exits_of(const Executor *ex)
{
    PyObject *list = PyList_New(0);
    for (uint32_t n = 0; list != NULL && n < ex->n_exits; n++) {
        PyObject *locs = locs_of(ex->locs + ex->exits[n].first_loc, ex->exits[n].n_locs);
        if (locs == NULL || !append(list, Py_BuildValue("(NNN)", pointer(ex->exits[n].stub),
                                                        pointer(ex->origin->error_stubs[n]), locs))) {
            Py_CLEAR(list);
        }
    }
    return list;
}

// None if it was not kept. `loop`: where the jump back goes to, or -1; `entry`: where LOOP_ENTRY
// stands, or -1, its address, and what must be where; `target`: where the last jump goes to in another trace.
static PyObject *
origin_of(PyObject *Py_UNUSED(module), PyObject *arg)
{
    if (!Py_IS_TYPE(arg, &Executor_Type) || ((Executor *)arg)->origin == NULL) {
        Py_RETURN_NONE;
    }
    Executor *ex = (Executor *)arg;
    const Origin *origin = ex->origin;
    PyObject *pieces = pieces_of(ex, origin);
    PyObject *exits = pieces == NULL ? NULL : exits_of(ex);
    PyObject *locs = exits == NULL ? NULL : locs_of(ex->entry_locs, ex->n_entry_locs);
    if (locs == NULL) {
        Py_XDECREF(pieces);
        Py_XDECREF(exits);
        return NULL;
    }
    return Py_BuildValue("{sNsNsNsisisNsNsNsssK}", "pieces", pieces, "exits", exits, "entry_locs",
                         locs, "loop", origin->loop, "entry", ex->loop_entry ? (int)origin->entry : -1, "address",
                         pointer(ex->machine_code), "entry_address", pointer(ex->loop_entry), "target",
                         pointer(origin->target), "end", uop_table[origin->end].name,
                         "optimise_ns", (unsigned long long)origin->optimise_ns);
}

// write_code(executor, offset, bytes): over its machine code.
static PyObject *
write_code(PyObject *Py_UNUSED(module), PyObject *args)
{
    Executor *ex;
    Py_ssize_t offset, size;
    const char *bytes;
    if (!PyArg_ParseTuple(args, "O!ny#", &Executor_Type, &ex, &offset, &bytes, &size)) {
        return NULL;
    }
    if (ex->machine_code == NULL || offset < 0 || size > (Py_ssize_t)ex->code_size - offset) {
        PyErr_SetString(PyExc_IndexError, "outside of the machine code");
        return NULL;
    }
    uint8_t *at = ex->machine_code + offset;
    if (codemem_begin_write(at, (size_t)size)) {
        PyErr_SetString(PyExc_OSError, "machine code cannot be written");
        return NULL;
    }
    memcpy(at, bytes, (size_t)size);
    if (codemem_end_write(at, (size_t)size)) {
        PyErr_SetString(PyExc_OSError, "machine code cannot be published");
        return NULL;
    }
    Py_RETURN_NONE;
}

// Name -> address, of the C functions and objects that stencils name.
static PyObject *
symbols(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    PyObject *dict = PyDict_New();
    for (uint32_t i = 0; dict != NULL && stencil_symbols[i] != NULL; i++) {
        PyObject *value = pointer(stencil_symbols[i]);
        if (value == NULL || PyDict_SetItemString(dict, stencil_symbol_names[i], value) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(value);
    }
    return dict;
}

static PyMethodDef origin_methods[] = {
    {"_keep_origins", keep_origins, METH_O, NULL},
    {"_origin", origin_of, METH_O, NULL},
    {"_write_code", write_code, METH_VARARGS, NULL},
    {"_symbols", symbols, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

int
origin_add(PyObject *module)
{
    return PyModule_AddFunctions(module, origin_methods);
}
