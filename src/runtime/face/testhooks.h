// testhooks.h - see testhooks.c.
#ifndef JITPATCH_TESTHOOKS_H
#define JITPATCH_TESTHOOKS_H

#include <Python.h>

int testhooks_add(PyObject *module);    // 0 or -1
int origin_add(PyObject *module);       // 0 or -1; see origin.c

#endif
