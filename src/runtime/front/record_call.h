// record_call.h - a call while it is recorded: shared by the record_*.c files about calls.
#ifndef JITPATCH_RECORD_CALL_H
#define JITPATCH_RECORD_CALL_H

#include "front/record.h"

enum { MAX_ARGS = ACT_ARGS - 2 };

// A call as it stands on the stack: callable, self or NULL, arguments.
typedef struct {
    int n;                              // arguments, self included
    bool has_self;
    int starred;                        // f(*args): 1; f(*args, **kwargs): 2; taken apart
    bool opaque;                        // the real stack holds function and self, the trace a bound
                                        //   method (LOAD_ATTR's general path)
    Ref callable;
    PyObject *callable_obj;
    Ref args[MAX_ARGS];
    PyObject *objects[MAX_ARGS];
} Call;

// record_follow.c: may this function be followed now; the locals it begins with for n arguments.
bool can_follow(Recorder *r, PyFunctionObject *func);
bool is_made_often(const PyFunctionObject *func);      // is the next one likely to be another object?
bool bind_arguments(Recorder *r, PyFunctionObject *func, const Ref *args, int n, Ref *locals);

// record_call.c: take the call off the stack. The arguments' references are the caller's to
// release or hand on, unless `release_args`.
void pop_call(Recorder *r, int oparg, bool release_args);
void finish_call(Recorder *r, int oparg, Ref result);   // pop it, push a new reference to its result

// All call_*: true if the call has been recorded (or the recording given up); false if it is to be
// recorded in a more general way, and nothing but guards was written.
// record_follow.c: Python functions, bound methods of them, classes written in Python.
// `names` are those of the last arguments, a tuple on top of the stack; NULL: none has a name.
bool call_python(Recorder *r, int oparg, Call *c, PyObject *names, PyFunctionObject *func);
bool call_bound_method(Recorder *r, int oparg, Call *c, PyObject *names);
bool call_python_class(Recorder *r, int oparg, Call *c, PyObject *names);
// record_builtin.c: classes and functions written in C that have uops of their own.
bool call_builtin_class(Recorder *r, int oparg, Call *c);
bool call_exception_class(Recorder *r, int oparg, Call *c);     // record_exception.c
bool call_known_builtin(Recorder *r, int oparg, Call *c);
bool call_bound_list_method(Recorder *r, int oparg, Call *c);
bool call_method_descriptor(Recorder *r, int oparg, Call *c);

// record_function.c: a Python function that is not followed, by its own trace.
bool call_native(Recorder *r, int oparg, Call *c, PyFunctionObject *func);
// record_lookup.c
bool call_lookup_method(Recorder *r, int oparg, Call *c, const char *name);

#endif
