// operators.h - what follows when a Python function that implements an operator has returned.
#ifndef JITPATCH_OPERATORS_H
#define JITPATCH_OPERATORS_H

#include "ir/ir.h"

// The nb_* numbers of BINARY_OP's oparg; OP_INPLACE is added for x += y.
enum { OP_ADD, OP_AND, OP_FLOORDIV, OP_LSHIFT, OP_MATMUL, OP_MUL, OP_MOD, OP_OR, OP_POW, OP_RSHIFT,
       OP_SUB, OP_TRUEDIV, OP_XOR, OP_INPLACE };
// FRAME_BINARY's op: oparg, and which method it was.
enum { OP_BY_INPLACE = 32, OP_BY_REFLECTED = 64 };      // __iadd__, __radd__; else __add__
// FRAME_COMPARE's op: Py_LT to Py_GE, and:
enum { OP_TO_BOOL = 8 };
// FRAME_CONTAINS's op: 1 for `not in`.

const char *binary_method(int op, int by);      // "__add__"; by: 0 or one of OP_BY_*
extern const char *const compare_methods[6];
// The operator's result, new, or NULL with an exception. `result` is what its function returned and
// is taken over; operands as they stand on the stack.
PyObject *finish_operator(FrameKind kind, int op, PyObject *const *operands, PyObject *result);
// After NotImplemented: what the other operand does, or TypeError.
PyObject *rest_of_binary(PyObject *x, PyObject *y, int op);
PyObject *rest_of_compare(PyObject *x, PyObject *y, int op);

#endif
