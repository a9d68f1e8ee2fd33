// dump.h - see dump.c.
#ifndef JITPATCH_DUMP_H
#define JITPATCH_DUMP_H

#include <Python.h>

int dump_add(PyObject *module);         // 0 or -1

#endif
