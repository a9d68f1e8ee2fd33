// dump.c - the generated tables as Python objects, for jitpatch-dump and the coverage test.
//
// Read-only: what is told here is what is compiled in, and needs no trace and no enabled JIT.
// jitpatch/dump.py gives the numbers their names.
#include "face/dump.h"
#include "back/stencil_table.h"
#include "base/activation.h"
#include "ir/ir.h"
#include "run/coverage.h"

static const char *const type_names[] = {[TY_VOID] = "VOID", [TY_OBJ] = "OBJ", [TY_I64] = "I64",
                                         [TY_F64] = "F64"};
static const char *const flag_names[] = {"PURE", "EXITS", "RAISES", "CALLS", "ESCAPES", "ALLOC",
                                         "GUARD", "EFFECT", "VIRTUAL", "CONTROL"};
static const char *const memory_names[] = {
    [MEM_FRAME] = "FRAME", [MEM_LIST] = "LIST", [MEM_TUPLE] = "TUPLE", [MEM_ITER] = "ITER",
    [MEM_ITER_SEQ] = "ITER_SEQ", [MEM_GLOBAL] = "GLOBAL",
    [MEM_FIELD] = "FIELD", [MEM_CELL] = "CELL", [MEM_DICT] = "DICT", [MEM_REFCNT] = "REFCNT",
    [MEM_ARRAY] = "ARRAY", [MEM_SET] = "SET", [MEM_LENGTH] = "LENGTH",
};
static_assert(Py_ARRAY_LENGTH(memory_names) == MEM_COUNT, "a class of memory without a name");
static const char *const part_names[] = {[PART_HOT] = "hot", [PART_COLD] = "cold",
                                         [PART_DATA] = "data"};
static const char *const kind_names[] = {
    [PATCH_ABS64] = "ABS64", [PATCH_ABS32] = "ABS32", [PATCH_ABS32S] = "ABS32S",
    [PATCH_REL32] = "REL32", [PATCH_BRANCH26] = "BRANCH26", [PATCH_REL19] = "REL19",
    [PATCH_ADR21] = "ADR21", [PATCH_PAGE21] = "PAGE21", [PATCH_ADD12] = "ADD12",
    [PATCH_LOAD12] = "LOAD12", [PATCH_MOVW0] = "MOVW0", [PATCH_MOVW1] = "MOVW1",
    [PATCH_MOVW2] = "MOVW2", [PATCH_MOVW3] = "MOVW3", [PATCH_MOVW1S] = "MOVW1S",
};
static_assert(Py_ARRAY_LENGTH(kind_names) == PATCH_KINDS, "a kind of hole without a name");
static const char *const value_names[] = {
    [HOLE_OPERAND0] = "OPERAND0", [HOLE_OPERAND1] = "OPERAND1", [HOLE_INPUT0] = "INPUT0",
    [HOLE_INPUT1] = "INPUT1", [HOLE_INPUT2] = "INPUT2", [HOLE_INPUT3] = "INPUT3",
    [HOLE_CONTINUE] = "CONTINUE", [HOLE_EXIT] = "EXIT", [HOLE_ERROR] = "ERROR",
    [HOLE_HOT] = "HOT", [HOLE_COLD] = "COLD", [HOLE_DATA] = "DATA", [HOLE_SYMBOL] = "SYMBOL",
};

// Appends and lets go of `item`; false with an exception if it is NULL or memory is out.
static bool
append(PyObject *list, PyObject *item)
{
    bool done = item != NULL && PyList_Append(list, item) == 0;
    Py_XDECREF(item);
    return done;
}

static bool
append_flags(PyObject *list, uint32_t flags)
{
    bool done = true;
    for (size_t i = 0; done && i < Py_ARRAY_LENGTH(flag_names); i++) {
        if (flags >> i & 1) {
            done = append(list, PyUnicode_FromString(flag_names[i]));
        }
    }
    if (done && UOP_READS(flags)) {
        done = append(list, PyUnicode_FromFormat("READS(%s)", memory_names[UOP_READS(flags)]));
    }
    if (done && UOP_WRITES(flags)) {
        done = append(list, PyUnicode_FromFormat("WRITES(%s)", memory_names[UOP_WRITES(flags)]));
    }
    return done;
}

// (name, [(type, may be a constant)], output, [flag], [operand kind], first variant or -1, help,
// source)
static PyObject *
uop_row(const UopInfo *info)
{
    PyObject *inputs = PyList_New(0), *flags = PyList_New(0), *operands = PyList_New(0);
    bool done = inputs != NULL && flags != NULL && operands != NULL
                && append_flags(flags, info->flags);
    for (int i = 0; done && i < info->n_inputs; i++) {
        done = append(inputs, Py_BuildValue("(sO)", type_names[info->inputs[i]],
                                            info->konst >> i & 1 ? Py_True : Py_False));
    }
    for (int i = 0; done && i < info->n_operands; i++) {
        done = append(operands, PyUnicode_FromString(
            info->operands[i] == OPERAND_IMM64 ? "IMM64" : "IMM32"));
    }
    if (!done) {
        Py_XDECREF(inputs);
        Py_XDECREF(flags);
        Py_XDECREF(operands);
        return NULL;
    }
    long first = info->first_variant == NO_STENCIL ? -1 : (long)info->first_variant;
    return Py_BuildValue("(sNsNNlss)", info->name, inputs, type_names[info->output], flags,
                         operands, first, info->help, info->source);
}

static PyObject *
dump_uops(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    PyObject *list = PyList_New(0);
    for (int op = 0; list != NULL && op < UOP_COUNT; op++) {
        if (!append(list, uop_row(&uop_table[op]))) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *
dump_target(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    const uint8_t *args = CALL_ARG_REG;
    PyObject *call_args = PyList_New(0);
    for (size_t i = 0; call_args != NULL && i < stencil_call_args; i++) {
        if (!append(call_args, PyLong_FromLong(args[i]))) {
            Py_CLEAR(call_args);
        }
    }
    return call_args == NULL ? NULL
                             : Py_BuildValue("{sssssisisN}", "name", stencil_target, "digest",
                                             stencil_digest, "int_regs", INT_REGS, "float_regs",
                                             FLOAT_REGS, "call_args", call_args);
}

// The stencils' numbers of `count` variants from `first` on; None where none was built.
static PyObject *
dump_variants(PyObject *Py_UNUSED(module), PyObject *args)
{
    unsigned long first, count;
    if (!PyArg_ParseTuple(args, "kk", &first, &count)) {
        return NULL;
    }
    if (first > stencil_variant_count || count > stencil_variant_count - first) {
        PyErr_SetString(PyExc_IndexError, "no such variants");
        return NULL;
    }
    PyObject *list = PyList_New(0);
    for (unsigned long i = first; list != NULL && i < first + count; i++) {
        uint32_t stencil = stencil_variants[i];
        if (!append(list, stencil == NO_STENCIL ? Py_NewRef(Py_None) : PyLong_FromLong(stencil))) {
            Py_CLEAR(list);
        }
    }
    return list;
}

// (hot, cold, data, [(part, offset, kind, value, symbol or None, addend)])
static PyObject *
dump_stencil(PyObject *Py_UNUSED(module), PyObject *number)
{
    unsigned long index = PyLong_AsUnsignedLong(number);
    if (PyErr_Occurred()) {
        return NULL;
    }
    if (index >= stencil_count) {
        PyErr_SetString(PyExc_IndexError, "no such stencil");
        return NULL;
    }
    const Stencil *s = &stencils[index];
    PyObject *holes = PyList_New(0);
    for (uint32_t i = 0; holes != NULL && i < s->n_holes; i++) {
        const Hole *hole = &stencil_holes[s->first_hole + i];
        const char *symbol = hole->value == HOLE_SYMBOL ? stencil_symbol_names[hole->symbol] : NULL;
        if (!append(holes, Py_BuildValue("(sisszi)", part_names[hole->part], (int)hole->offset,
                                         kind_names[hole->kind], value_names[hole->value],
                                         symbol, (int)hole->addend))) {
            Py_CLEAR(holes);
        }
    }
    const char *bytes = (const char *)stencil_bytes + s->bytes;
    return holes == NULL ? NULL
                         : Py_BuildValue("(y#y#y#N)", bytes, (Py_ssize_t)s->hot_size,
                                         bytes + s->hot_size, (Py_ssize_t)s->cold_size,
                                         bytes + s->hot_size + s->cold_size,
                                         (Py_ssize_t)s->data_size, holes);
}

static PyObject *
dump_coverage(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return coverage_names();
}

static PyMethodDef dump_methods[] = {
    {"dump_target", dump_target, METH_NOARGS, "What the compiled-in stencils are for."},
    {"dump_uops", dump_uops, METH_NOARGS, "Every uop, as declared."},
    {"dump_variants", dump_variants, METH_VARARGS, "Numbers of the stencils of some variants."},
    {"dump_stencil", dump_stencil, METH_O, "The parts and holes of a stencil."},
    {"dump_coverage", dump_coverage, METH_NOARGS, "All that JITPATCH_COVERAGE can report."},
    {NULL, NULL, 0, NULL},
};

int
dump_add(PyObject *module)
{
    return PyModule_AddFunctions(module, dump_methods);
}
