// executor_view.c - jitpatch.Executor: what Python sees of an installed trace.
//
// Read-only, and safe at any time: a retired executor that somebody holds still tells its story.

#include "back/executor.h"
#include "base/state.h"
#include "ir/build.h"
#include "python/compat.h"
#include "run/anchors.h"
#include "run/executor_life.h"
#include <stdlib.h>

static Executor *
view(PyObject *self)
{
    return (Executor *)self;
}

static void
view_dealloc(PyObject *self)
{
    executor_free_memory(view(self));
    Py_TYPE(self)->tp_free(self);
}

// --- places in the bytecode -------------------------------------------------------------------

typedef struct {
    PyCodeObject *code;         // NULL: unknown
    int offset;                 // code units
} Place;

// The bytecode that runs next when the trace is left with snapshot `snap`.
static Place
place_of(const Executor *ex, uint16_t snap)
{
    if (snap >= ex->n_snaps || ex->snaps[snap].n_frames == 0) {
        return (Place){NULL, 0};
    }
    const Snapshot *s = &ex->snaps[snap];
    const SnapFrame *frame = &ex->frames[s->first_frame + s->n_frames - 1];
    PyCodeObject *code = (PyCodeObject *)frame->code;
    if (code == NULL || frame->ip == NULL) {
        return (Place){NULL, 0};
    }
    return (Place){code, (int)(frame->ip - compat_code_start(code))};
}

static int
line_of(Place place)
{
    return place.code == NULL
               ? -1
               : PyCode_Addr2Line(place.code, place.offset * (int)sizeof(_Py_CODEUNIT));
}

static const char *
bytecode_of(Place place)
{
    Instr instr;
    if (place.code == NULL || compat_decode(place.code, place.offset, &instr) < 0) {
        PyErr_Clear();
        return "?";
    }
    return compat_instr_name(place.code, &instr);
}

// --- methods ----------------------------------------------------------------------------------

// The optimised trace as text; malloc'd, NULL when out of memory.
static char *
text_of(const Executor *ex)
{
    Trace *t = PyMem_RawCalloc(1, sizeof(Trace));
    if (t == NULL) {
        return NULL;
    }
#define PART(array, count) \
    t->count = ex->count; \
    memcpy(t->array, ex->array, ex->count * sizeof t->array[0]);
    PART(ins, n_ins) PART(konsts, n_konsts) PART(snaps, n_snaps) PART(entries, n_entries) PART(frames, n_frames)
    PART(phis, n_phis) PART(jump, n_jump)
#undef PART
    t->is_side = ex->is_side;
    char *text = trace_text(t);
    PyMem_RawFree(t);
    return text;
}

PyDoc_STRVAR(uops_doc,
"uops($self, /, optimised=True)\n--\n\n"
"The trace as text, after optimising; or as it was recorded, if the option text was on then (else RuntimeError).");

// What only the option text has the JIT keep.
static PyObject *
not_kept(const char *what)
{
    PyErr_Format(PyExc_RuntimeError, "%s of this trace was not kept: switch the JIT on with the option text=1", what);
    return NULL;
}

static PyObject *
view_uops(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"optimised", NULL};
    int optimised = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|p:uops", names, &optimised)) {
        return NULL;
    }
    Executor *ex = view(self);
    if (ex->code == NULL) {             // the snapshots name a code object that has died
        return PyUnicode_FromString("");
    }
    if (!optimised && ex->recorded == NULL) {
        return not_kept("the recorded form");
    }
    char *text = optimised ? text_of(ex) : trace_text_packed(ex->recorded);
    PyObject *result = PyUnicode_FromString(text == NULL ? "" : text);
    free(text);
    return result;
}

PyDoc_STRVAR(get_trace_doc,
"get_trace($self, /)\n--\n\n"
"The optimised trace as a list of (name, oparg, target): the uop, its first operand, and the\n"
"byte offset of the bytecode that runs next if the trace is left there (0 if it cannot be).");

static PyObject *
view_get_trace(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Executor *ex = view(self);
    PyObject *list = PyList_New(0);
    for (uint32_t i = 1; list != NULL && i < ex->n_ins; i++) {
        const Ins *ins = &ex->ins[i];
        const UopInfo *uop = &uop_table[ins->op];
        if (ins->flags & INS_DEAD) {
            continue;
        }
        Place place = ins->snap == NO_SNAP ? (Place){NULL, 0} : place_of(ex, ins->snap);
        PyObject *item = Py_BuildValue("(sKi)", uop->name,
                                       (unsigned long long)(uop->n_operands ? ins->operand[0] : 0),
                                       place.offset * (int)sizeof(_Py_CODEUNIT));
        if (item == NULL || PyList_Append(list, item) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    return list;
}

PyDoc_STRVAR(is_valid_doc,
"is_valid($self, /)\n--\n\n"
"False once something the trace relies on has changed: it is then never entered again.");

static PyObject *
view_is_valid(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(!view(self)->invalid);
}

PyDoc_STRVAR(machine_code_doc,
"machine_code($self, /)\n--\n\n"
"The trace's machine code, as bytes.");

static PyObject *
view_machine_code(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Executor *ex = view(self);
    return PyBytes_FromStringAndSize((const char *)ex->machine_code,
                                     ex->machine_code == NULL ? 0 : ex->code_size);
}

PyDoc_STRVAR(stencils_doc,
"stencils($self, /)\n--\n\n"
"What the machine code is made of: a list of (offset, number of the stencil, number of the\n"
"instruction in uops() it is for, or 0). RuntimeError if the option text was off.");

static PyObject *
view_stencils(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Executor *ex = view(self);
    if (ex->n_pieces == 0 && ex->machine_code != NULL) {
        return not_kept("what the machine code is made of");
    }
    PyObject *list = PyList_New(0);
    for (uint32_t i = 0; list != NULL && i < ex->n_pieces; i++) {
        const Piece *piece = &ex->pieces[i];
        PyObject *item = Py_BuildValue("(IIi)", piece->at, piece->stencil, (int)piece->ref);
        if (item == NULL || PyList_Append(list, item) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    return list;
}

static PyMethodDef view_methods[] = {
    {"uops", (PyCFunction)(void (*)(void))view_uops, METH_VARARGS | METH_KEYWORDS, uops_doc},
    {"get_trace", view_get_trace, METH_NOARGS, get_trace_doc},
    {"is_valid", view_is_valid, METH_NOARGS, is_valid_doc},
    {"stencils", view_stencils, METH_NOARGS, stencils_doc},
    {"machine_code", view_machine_code, METH_NOARGS, machine_code_doc},
    {NULL, NULL, 0, NULL},
};

// --- attributes -------------------------------------------------------------------------------

static PyObject *
get_exits(PyObject *self, void *Py_UNUSED(closure))
{
    Executor *ex = view(self);
    PyObject *list = PyList_New(0);
    for (uint32_t n = 0; list != NULL && n < ex->n_exits; n++) {
        const Exit *exit = &ex->exits[n];
        Place place = place_of(ex, exit->snap);
        bool known = exit->ref != NO_REF && !ref_is_const(exit->ref) && exit->ref < ex->n_ins;
        PyObject *item = Py_BuildValue(
            "{sIsssisssIsN}", "number", n, "uop",
            known ? uop_table[ex->ins[exit->ref].op].name : "?", "line", line_of(place),
            "bytecode", bytecode_of(place), "count", exit->count, "linked",
            PyBool_FromLong(exit->side != NULL));
        if (item == NULL || PyList_Append(list, item) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *
get_sides(PyObject *self, void *Py_UNUSED(closure))
{
    Executor *ex = view(self);
    PyObject *list = PyList_New(0);
    for (uint32_t n = 0; list != NULL && n < ex->n_exits; n++) {
        if (ex->exits[n].side != NULL && PyList_Append(list, (PyObject *)ex->exits[n].side) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *
get_code(PyObject *self, void *Py_UNUSED(closure))
{
    PyCodeObject *code = view(self)->root->code;
    return Py_NewRef(code == NULL ? Py_None : (PyObject *)code);
}

static PyObject *
get_line(PyObject *self, void *Py_UNUSED(closure))
{
    Executor *root = view(self)->root;
    return PyLong_FromLong(line_of((Place){root->code, key_offset(root->anchor)}));
}

typedef enum { WANT_ENTERED, WANT_SIZE, WANT_COMPILE, WANT_EMIT, WANT_SIDE, WANT_LOOPS } Want;

static PyObject *
get_value(PyObject *self, void *closure)
{
    Executor *ex = view(self);
    switch ((Want)(intptr_t)closure) {
        case WANT_ENTERED: return PyLong_FromUnsignedLongLong(ex->entered);
        case WANT_SIZE: return PyLong_FromUnsignedLong(ex->code_size);
        case WANT_COMPILE: return PyLong_FromUnsignedLongLong(ex->compile_ns);
        case WANT_EMIT: return PyLong_FromUnsignedLongLong(ex->emit_ns);
        case WANT_SIDE: return PyBool_FromLong(ex->is_side);
        case WANT_LOOPS: return PyBool_FromLong(ex->loops);
    }
    Py_UNREACHABLE();
}

#define WANTED(what) ((void *)(intptr_t)WANT_##what)
static PyGetSetDef view_attributes[] = {
    {"exits", get_exits, NULL,
     "list of dicts: number, uop, line, bytecode, count (times left there), linked (goes on in a "
     "side trace)", NULL},
    {"sides", get_sides, NULL, "the side traces grown at this trace's exits", NULL},
    {"code", get_code, NULL, "the code object of the loop, or None if it is gone", NULL},
    {"line", get_line, NULL, "line of the loop head", NULL},
    {"entered", get_value, NULL, "times the trace was run from the interpreter", WANTED(ENTERED)},
    {"code_size", get_value, NULL, "bytes of machine code", WANTED(SIZE)},
    {"compile_ns", get_value, NULL, "nanoseconds to optimise, assign registers and emit", WANTED(COMPILE)},
    {"emit_ns", get_value, NULL, "nanoseconds of that, copying and patching", WANTED(EMIT)},
    {"is_side", get_value, NULL, "True for a side trace", WANTED(SIDE)},
    {"loops", get_value, NULL, "True if the trace ends in a jump to itself", WANTED(LOOPS)},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyObject *
view_repr(PyObject *self)
{
    Executor *ex = view(self), *root = ex->root;
    if (root->code == NULL) {
        return PyUnicode_FromFormat("<jitpatch.Executor of a lost code object>");
    }
    return PyUnicode_FromFormat("<jitpatch.Executor %s %U:%d in %U%s>",
                                ex->is_side ? "side" : "root", root->code->co_filename,
                                line_of((Place){root->code, key_offset(root->anchor)}),
                                root->code->co_qualname, ex->invalid ? ", invalid" : "");
}

PyTypeObject Executor_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "jitpatch.Executor",
    .tp_doc = "An installed trace. Made by the JIT only; see jitpatch.executors().",
    .tp_basicsize = sizeof(Executor),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = view_dealloc,
    .tp_repr = view_repr,
    .tp_methods = view_methods,
    .tp_getset = view_attributes,
};
