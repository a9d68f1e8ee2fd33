// helpers.h - C functions that templates call (helpers.c), and object layouts they read that
// CPython keeps out of its headers.
#ifndef JITPATCH_HELPERS_H
#define JITPATCH_HELPERS_H

#include <stdbool.h>
#include "activation.h"
#include <stddef.h>

// List and tuple iterators.
typedef struct { PyObject_HEAD Py_ssize_t it_index; PyObject *it_seq; } help_seq_iter;
// range() iterators whose numbers fit a C long.
typedef struct { PyObject_HEAD long start, step, len; } help_range_iter;

// The interpreter's list of free float objects, linked by their type pointers (3.13).
typedef struct { int numfree; PyObject *items; } help_float_freelist;

// array.array; `descr` is the same for all arrays of one kind (compat_array_kind).
typedef struct { PyObject_VAR_HEAD char *items; Py_ssize_t allocated; const void *descr; } help_array;

// Dicts (3.13), and what the garbage collector keeps before an object.
enum { HELP_DICT_STR_KEYS = 1, HELP_DICT_WATCHED = 0xff, HELP_DICT_VERSION_STEP = 1 << 12 };
typedef struct { PyObject *key, *value; } help_dict_entry;
typedef struct {
    Py_ssize_t refcount;
    uint8_t log2_size, log2_index_bytes, kind;
    uint32_t version;
    Py_ssize_t n_usable, n_entries;
    char indices[];                     // the entries stand behind these
} help_dict_keys;
typedef struct {
    PyObject_HEAD
    Py_ssize_t used;
    uint64_t version;                   // the low byte: who watches
    help_dict_keys *keys;
    struct _dictvalues *values;
} help_dict;
typedef struct { uintptr_t next, previous; } help_gc_head;

int help_float_pow(Activation *act, double a, double b);    // 1: result in act->scratch
bool help_float_pow_fits(double a, double b);               // is a ** b a float?
double help_float_mod(double a, double b);
double help_float_floordiv(double a, double b);
// Drop the last reference to o if nobody can notice more than its memory going: 1. Otherwise 0,
// and nothing has happened.
int help_dealloc(PyObject *o);
int help_is_quiet(PyTypeObject *type);  // freeing its instances runs no code that we do not know
PyObject *help_global(PyObject *dict, PyObject *name);      // borrowed; NULL: not there, no exception
void help_global_set(PyObject *dict, PyObject *name, PyObject *value);  // the name must be there
void *help_frame_push(Activation *act, PyObject *function, void *ip);
void help_frame_pop(Activation *act, void *frame);
void help_frame_unwind(Activation *act, void *frame);
void help_frame_forget(void *frame);
PyObject *help_traceback(Activation *act, PyObject *exc);   // see TRACEBACK
// A new exception of the class, none of whose makers is Python code, with one argument (NULL: none).
PyObject *help_new_exception(PyObject *type, PyObject *arg);
// exc raised and taken again, with a reference. NULL, and nothing done: it has a context or cause, which would go.
PyObject *help_raise(PyObject *exc, PyObject *cause);
// Runs the loop's compiled code; an exception, too, is left to the place where the frame stands.
void help_run_loop(Activation *act, void *frame, void *executor, int64_t depth);
int help_list_append(PyObject *list, PyObject *value);      // takes over the reference, unless it fails
// 1: not done, since an item that would go is not as quiet as a number; -1: an exception.
int help_list_set_slice(PyObject *list, int64_t start, int64_t stop, PyObject *value);
bool help_drops_quietly(PyObject *list, int64_t start, int64_t stop);   // can it be done?
PyObject *help_list_slice(PyObject *o, int64_t start, int64_t stop, int64_t step);
PyObject *help_any_slice(PyObject *o, int64_t start, int64_t stop, int64_t step);
PyObject *help_fast_method(PyObject *self, PyObject *a, PyObject *b, void *function, int64_t count);
PyObject *help_tuple_from_args(Activation *act, int64_t count);
PyObject *help_list_from_args(Activation *act, int64_t count);
// Look-ups where no Python code may run. help_contains: 1, 0, or -1: only Python code could tell.
int help_contains(PyObject *container, PyObject *key);
PyObject *help_dict_find(PyObject *dict, PyObject *key);    // NULL: absent; HELP_UNSURE
int help_set_add(PyObject *set, PyObject *key);             // 0; -1: unsure; -2: exception set
int help_dict_set(PyObject *dict, PyObject *key, PyObject *value);  // keeps what was there alive
#define HELP_UNSURE ((PyObject *)1)
int help_dict_lacks(PyObject *dict, PyObject *name);        // 0: has it, or only its == could tell
void help_dict_track(PyObject *dict, PyObject *value);
void help_inline_add(PyObject *o, int64_t index);
PyObject *help_vectorcall(Activation *act, PyObject *callable, int64_t count, PyObject *kwnames);
// native.c: the function's own trace is run in a frame made for it.
PyObject *help_call_native(Activation *act, PyObject *function, void *entry, int64_t count);
// Boxes made where an exception cannot be raised: out of memory ends the program with one line.
PyObject *help_tuple_or_die(Activation *act, int64_t count);
PyObject *help_box_int(int64_t v);
PyObject *help_box_float(double v);
int64_t help_array_int(PyObject *array, int64_t index, int kind);
int help_iter_failed(Activation *act);                      // 1: an exception is set and stays
PyObject *help_str_join(Activation *act, int64_t count);
// left + right, exact strings; the reference to left is used up, also if it fails.
PyObject *help_str_append(PyObject *left, PyObject *right);
// left + right, exact lists or exact tuples: a new object. Items of a left with no other reference are moved.
PyObject *help_list_join(PyObject *left, PyObject *right);
PyObject *help_tuple_join(PyObject *left, PyObject *right);

// A frame, as far as templates look into one (compat_313_generators.c compares), and the state of the
// generator that it is in.
typedef struct {
    PyObject *executable;
    void *previous;
    PyObject *func, *globals, *builtins, *locals, *frame_obj;
    void *instr_ptr;
    int stacktop;
} help_frame;
enum { HELP_SUSPENDED = -2, HELP_SUSPENDED_YIELD_FROM = -1 };
static inline int8_t *
help_generator_state(help_frame *frame)
{
    return (int8_t *)frame - offsetof(PyGenObject, gi_iframe) + offsetof(PyGenObject, gi_frame_state);
}
void help_generator_link(Activation *act, void *frame);
void help_generator_unlink(Activation *act, void *frame);
void help_generator_end(Activation *act, void *frame);
// A generator of `function` with the `count` arguments in act->args[1..], and behind these the `cells`
// of its closure (0: those of the function's).
PyObject *help_make_generator(Activation *act, PyObject *function, int64_t count, int64_t cells);
// A function; the reference to its closure (None: it has none) moves into it.
PyObject *help_function(PyObject *code, PyObject *globals, PyObject *closure);
PyObject *help_function_or_die(PyObject *code, PyObject *globals, PyObject *closure);

#endif
