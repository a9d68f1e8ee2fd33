// invalidate.h - what traces rely on without checking it.
#ifndef JITPATCH_INVALIDATE_H
#define JITPATCH_INVALIDATE_H

#include "back/executor.h"

// Assumptions: while recording they are noted (and the watcher armed), then attached to the
// executor. When one breaks, the executor's `invalid` becomes 1 and it is never entered again.
// Each returns 0, or -1 if it cannot be watched (no error set).
bool watched_by_others(PyObject *dict);                 // somebody else asked to hear of its changes
int assume_dict_key(PyObject *dict, PyObject *key);     // its value (or absence) stays as it is
int assume_type(PyTypeObject *type);                    // no attribute of it or its bases changes
int assume_type_lives(PyTypeObject *type);              // it may change, but its address is its own
int assume_function(PyObject *func);                    // code, defaults, kwdefaults, closure stay
void assume_function_broken(PyObject *func);            // it is as if it had been changed
bool assume_broken(void);                               // something noted holds no longer
void assume_begin(void);                                // forget what was noted
int assume_commit(Executor *ex);                        // attach what was noted; -1 on error or if
                                                        // one broke in the meantime
void assume_forget(Executor *ex);                       // executor dies

#endif
