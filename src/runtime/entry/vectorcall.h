// vectorcall.h - doors: functions that are entered by their own vectorcall (vectorcall.c).
#ifndef JITPATCH_VECTORCALL_H
#define JITPATCH_VECTORCALL_H

#include "run/anchors.h"

enum { DOOR_STRIKES = 16 };     // so many reasons not to, and functions of a code object get no doors any more

// A door: what `func`'s vectorcall is then.
PyObject *vectorcall_enter(PyObject *func, PyObject *const *args, size_t nargsf, PyObject *names);
// The function has started by an event, and its trace was run: it may get a door.
void vectorcall_consider(CodeInfo *info, PyObject *func);
static inline void
vectorcall_met(CodeInfo *info, PyObject *func)
{
    if (jit.params.doors && info->door_strikes < DOOR_STRIKES
        && ((PyFunctionObject *)func)->vectorcall != vectorcall_enter) {
        vectorcall_consider(info, func);
    }
}
// Could functions of this code get one at all?
bool vectorcall_may_open(PyCodeObject *code);
// All doors of a code object are closed; all there are.
void vectorcall_close_code(CodeInfo *info);
void vectorcall_close_all(void);
// The function watcher's word: its code, defaults or keyword defaults are about to change, or it dies.
void vectorcall_function_changed(PyObject *func, bool dies);
// For tests: has the function a door; how many have.
bool vectorcall_has_door(const PyObject *func);
size_t vectorcall_count(void);

#endif
