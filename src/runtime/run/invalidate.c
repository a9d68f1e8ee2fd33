// invalidate.c - facts that compiled code relies on without checking, and what ends them.
//
// A fact is about a subject: one key of a dict, a type, or a function. CPython's watchers report
// changes; a fact that breaks invalidates every executor that depends on it (executor_invalidate
// only marks: no Python code runs and nothing is freed inside a callback). A false "broken"
// costs a recording; a false "holds" is a bug.
//
// Subjects are not kept alive, for that would tie modules into cycles that the garbage collector
// cannot see: their death is reported (dict and function watchers; a weak reference for types)
// and breaks what was assumed. Constants that machine code points at, the executor keeps by itself;
// classes that it only compares with are subjects.
//
// Facts are noted while a recording goes on and attached when its trace is installed. Facts that
// nobody needs any more are dropped at the start of the next recording, not in callbacks.

#include "run/invalidate.h"
#include "base/helpers.h"
#include "base/mutation.h"
#include "run/entries.h"
#include "run/executor_life.h"

typedef enum { ABOUT_DICT, ABOUT_TYPE, ABOUT_FUNCTION } About;

typedef struct Fact {
    struct Fact *next;          // of the same subject
    PyObject *key;              // dict: exact str (strong), or NULL: anything in it
    Py_hash_t hash;
    bool of_life;               // type: only its death breaks it
    Executor **dependents;      // borrowed; assume_forget() takes them out
    size_t n_dependents, room;
    unsigned noted;             // epoch of the recording that noted it last
} Fact;

typedef struct Subject {
    struct Subject *next;       // in its bucket
    PyObject *object;           // borrowed; NULL once it has died
    About about;
    uint64_t key_filter;        // bit h % 64 for each key's hash h; all ones with a NULL key
    Fact *facts;
    PyObject *death;            // type: weak reference that tells us, or NULL for static types
} Subject;

enum { BUCKETS = 1024 };        // a power of two

static struct {
    int dict_watcher, type_watcher, function_watcher;
    bool armed;
    size_t n_functions;         // subjects that are functions
    Subject *buckets[BUCKETS];
    Subject *dead;              // subjects whose object is gone, to be dropped
    size_t n_facts;
    size_t n_unused;            // at most this many of them have no dependents (once noted)
    unsigned epoch;             // number of the recording
    uint64_t forgotten;         // no fact has a dependent that became invalid until then (jit.epoch)
    bool noted_broken;          // a fact noted in this one has broken already
    Fact **noted;
    size_t n_noted, noted_room;
} known;

// --- the table --------------------------------------------------------------------------------

static Subject **
bucket_of(const PyObject *object)
{
    uintptr_t bits = (uintptr_t)object >> 4;
    return &known.buckets[(bits ^ bits >> 10) & (BUCKETS - 1)];
}

static Subject *
find_subject(const PyObject *object)
{
    Subject *subject = *bucket_of(object);
    while (subject != NULL && subject->object != object) {
        subject = subject->next;
    }
    return subject;
}

static void
break_fact(Fact *fact)
{
    for (size_t i = 0; i < fact->n_dependents; i++) {
        executor_invalidate(fact->dependents[i]);
    }
    fact->n_dependents = 0;
    known.n_unused++;
    if (fact->noted == known.epoch) {
        known.noted_broken = true;
    }
}

static void
break_subject(Subject *subject)
{
    for (Fact *fact = subject->facts; fact != NULL; fact = fact->next) {
        break_fact(fact);
    }
}

// Its object is about to go, and another may come to stand at the same address.
static void
subject_dies(Subject *subject)
{
    break_subject(subject);
    Subject **at = bucket_of(subject->object);
    while (*at != subject) {
        at = &(*at)->next;
    }
    *at = subject->next;
    subject->object = NULL;
    subject->next = known.dead;
    known.dead = subject;
}

static void
stop_watching(Subject *subject)
{
    switch (subject->about) {
        case ABOUT_DICT:
            PyDict_Unwatch(known.dict_watcher, subject->object);
            break;
        case ABOUT_TYPE:
            PyType_Unwatch(known.type_watcher, subject->object);
            break;
        case ABOUT_FUNCTION:
            break;
    }
    PyErr_Clear();
}

static void
free_fact(Fact *fact)
{
    known.n_facts--;
    jit.bytes -= sizeof *fact + fact->room * sizeof *fact->dependents;
    Py_XDECREF(fact->key);
    PyMem_Free(fact->dependents);
    PyMem_Free(fact);
}

static void
free_subject(Subject *subject)
{
    while (subject->facts != NULL) {
        Fact *fact = subject->facts;
        subject->facts = fact->next;
        free_fact(fact);
    }
    known.n_functions -= subject->about == ABOUT_FUNCTION;
    jit.bytes -= sizeof *subject;
    Py_XDECREF(subject->death);
    PyMem_Free(subject);
}

static void
drop_unused_facts(Subject *subject)
{
    subject->key_filter = 0;
    for (Fact **at = &subject->facts; *at != NULL;) {
        Fact *fact = *at;
        if (fact->n_dependents > 0) {
            subject->key_filter |= fact->key == NULL ? ~(uint64_t)0 : 1ull << (fact->hash & 63);
            at = &fact->next;
            continue;
        }
        *at = fact->next;
        free_fact(fact);
    }
}

// Drop what no executor depends on. Nothing may be noted.
static void
drop_unused(void)
{
    assert(known.n_noted == 0);
    known.n_unused = 0;
    PyObject *exc = PyErr_GetRaisedException();
    for (size_t i = 0; i < BUCKETS; i++) {
        for (Subject **at = &known.buckets[i]; *at != NULL;) {
            Subject *subject = *at;
            drop_unused_facts(subject);
            if (subject->facts != NULL) {
                at = &subject->next;
                continue;
            }
            *at = subject->next;
            stop_watching(subject);
            free_subject(subject);
        }
    }
    while (known.dead != NULL) {
        Subject *subject = known.dead;
        known.dead = subject->next;
        free_subject(subject);
    }
    PyErr_SetRaisedException(exc);
}

// --- callbacks --------------------------------------------------------------------------------

// What keeps changing is no constant: a name (or class, or function) whose fact has broken a few
// times is not assumed about again. A small table by address; a wrong hit costs speed only.
enum { FICKLE_SLOTS = 1024, FICKLE_LIMIT = 3 };
static struct { const void *object, *key; unsigned breaks; } fickle[FICKLE_SLOTS];

static size_t
fickle_slot(const void *object, const void *key)
{
    return (((uintptr_t)object >> 4) * 31 + ((uintptr_t)key >> 4)) % FICKLE_SLOTS;
}

static void
note_break(const void *object, const void *key)
{
    size_t i = fickle_slot(object, key);
    if (fickle[i].object != object || fickle[i].key != key) {
        fickle[i].object = object;
        fickle[i].key = key;
        fickle[i].breaks = 0;
    }
    fickle[i].breaks++;
}

static bool
is_fickle(const void *object, const void *key)
{
    size_t i = fickle_slot(object, key);
    return fickle[i].object == object && fickle[i].key == key && fickle[i].breaks >= FICKLE_LIMIT;
}

static bool
same_key(const Fact *fact, PyObject *key, Py_hash_t hash)
{
    return fact->key == NULL || fact->key == key
           || (fact->hash == hash && PyUnicode_Compare(fact->key, key) == 0);
}

static int
dict_changed(PyDict_WatchEvent event, PyObject *dict, PyObject *key, PyObject *Py_UNUSED(value))
{
    Subject *subject = find_subject(dict);
    if (subject == NULL) {
        return 0;
    }
    if (event == PyDict_EVENT_DEALLOCATED) {
        subject_dies(subject);
        return 0;
    }
    // A key that is no plain string may yet equal one (a subclass, an odd __eq__).
    if (key == NULL || !PyUnicode_CheckExact(key)) {
        break_subject(subject);
        return 0;
    }
    Py_hash_t hash = PyObject_Hash(key);        // cached in the string, cannot fail
    if (!(subject->key_filter >> (hash & 63) & 1)) {
        return 0;
    }
    for (Fact *fact = subject->facts; fact != NULL; fact = fact->next) {
        if (same_key(fact, key, hash)) {
            if (fact->n_dependents > 0) {
                note_break(dict, fact->key);
            }
            break_fact(fact);
        }
    }
    return 0;
}

static int
type_changed(PyTypeObject *type)
{
    Subject *subject = find_subject((PyObject *)type);
    for (Fact *fact = subject == NULL ? NULL : subject->facts; fact != NULL; fact = fact->next) {
        if (!fact->of_life) {
            if (fact->n_dependents > 0) {
                note_break(type, NULL);
            }
            break_fact(fact);
        }
    }
    return 0;
}

static int
function_changed(PyFunction_WatchEvent event, PyFunctionObject *func, PyObject *Py_UNUSED(value))
{
    if (event == PyFunction_EVENT_CREATE) {
        return 0;
    }
    entry_calls.function_changed((PyObject *)func, event == PyFunction_EVENT_DESTROY);
    if (known.n_functions == 0) {
        return 0;
    }
    Subject *subject = find_subject((PyObject *)func);
    if (subject == NULL) {
        return 0;
    }
    if (event == PyFunction_EVENT_DESTROY) {
        subject_dies(subject);
    }
    else {
        break_subject(subject);
    }
    return 0;
}

// Called with the weak reference of a type that has died.
static PyObject *
type_died(PyObject *Py_UNUSED(self), PyObject *death)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        for (Subject *subject = known.buckets[i]; subject != NULL; subject = subject->next) {
            if (subject->death == death) {
                subject_dies(subject);
                Py_RETURN_NONE;
            }
        }
    }
    Py_RETURN_NONE;
}

static PyMethodDef type_died_def = {"type_died", type_died, METH_O, NULL};

// --- noting -----------------------------------------------------------------------------------

static bool
watch_death(Subject *subject, PyObject *type)
{
    PyObject *callback = PyCFunction_New(&type_died_def, NULL);
    if (callback == NULL) {
        return false;
    }
    subject->death = PyWeakref_NewRef(type, callback);
    Py_DECREF(callback);
    return subject->death != NULL;
}

static bool
start_watching(Subject *subject, PyObject *object)
{
    switch (subject->about) {
        case ABOUT_DICT:
            return MUTATED(no_dict_watcher) || PyDict_Watch(known.dict_watcher, object) == 0;
        case ABOUT_TYPE:
            if (((PyTypeObject *)object)->tp_flags & Py_TPFLAGS_HEAPTYPE
                && !watch_death(subject, object)) {
                return false;
            }
            return MUTATED(no_type_watcher) || PyType_Watch(known.type_watcher, object) == 0;
        case ABOUT_FUNCTION:
            return true;
    }
    Py_UNREACHABLE();
}

static Subject *
need_subject(PyObject *object, About about)
{
    Subject *subject = find_subject(object);
    if (subject != NULL || !known.armed) {
        return subject;
    }
    subject = PyMem_Calloc(1, sizeof *subject);
    if (subject == NULL) {
        return NULL;
    }
    jit.bytes += sizeof *subject;
    subject->about = about;
    known.n_functions += about == ABOUT_FUNCTION;
    if (!start_watching(subject, object)) {
        PyErr_Clear();
        free_subject(subject);
        return NULL;
    }
    subject->object = object;
    Subject **bucket = bucket_of(object);
    subject->next = *bucket;
    *bucket = subject;
    return subject;
}

static Fact *
need_fact(Subject *subject, PyObject *key, Py_hash_t hash, bool of_life)
{
    for (Fact *fact = subject->facts; fact != NULL; fact = fact->next) {
        if (fact->of_life == of_life
            && (fact->key == key
                || (fact->key != NULL && key != NULL && same_key(fact, key, hash)))) {
            return fact;
        }
    }
    Fact *fact = PyMem_Calloc(1, sizeof *fact);
    if (fact == NULL) {
        return NULL;
    }
    fact->key = Py_XNewRef(key);
    fact->hash = hash;
    fact->of_life = of_life;
    known.n_facts++;
    jit.bytes += sizeof *fact;
    fact->next = subject->facts;
    subject->facts = fact;
    subject->key_filter |= key == NULL ? ~(uint64_t)0 : 1ull << (hash & 63);
    return fact;
}

static int
note(PyObject *object, About about, PyObject *key, bool of_life)
{
    if (about == ABOUT_DICT && compat_dict_shows_instance(object)) {
        return -1;                      // 3.13.0: setting an attribute does not call the dict's watchers
    }
    PyObject *exc = PyErr_GetRaisedException();
    int result = -1;
    Py_hash_t hash = key == NULL ? 0 : PyObject_Hash(key);
    Subject *subject = need_subject(object, about);
    Fact *fact = subject == NULL ? NULL : need_fact(subject, key, hash, of_life);
    if (fact != NULL && fact->noted == known.epoch) {
        result = 0;
    }
    else if (fact != NULL) {
        if (known.n_noted == known.noted_room) {
            size_t room = known.noted_room * 2 + 32;
            Fact **noted = PyMem_Realloc(known.noted, room * sizeof *noted);
            if (noted == NULL) {
                goto done;
            }
            known.noted = noted;
            known.noted_room = room;
        }
        fact->noted = known.epoch;
        known.noted[known.n_noted++] = fact;
        result = 0;
    }
done:
    PyErr_SetRaisedException(exc);
    return result;
}

bool
watched_by_others(PyObject *dict)
{
    return (((help_dict *)dict)->version & HELP_DICT_WATCHED & ~(1ull << known.dict_watcher)) != 0;
}

int
assume_dict_key(PyObject *dict, PyObject *key)
{
    if (!PyDict_Check(dict) || !PyUnicode_CheckExact(key) || is_fickle(dict, key)) {
        return -1;
    }
    return note(dict, ABOUT_DICT, key, false);
}

static bool
is_unchangeable(PyTypeObject *type)
{
    PyObject *mro = type->tp_mro;
    if (mro == NULL) {
        return false;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(mro); i++) {
        PyTypeObject *base = (PyTypeObject *)PyTuple_GET_ITEM(mro, i);
        if (base->tp_flags & Py_TPFLAGS_HEAPTYPE
            || !(base->tp_flags & Py_TPFLAGS_IMMUTABLETYPE)) {
            return false;
        }
    }
    return true;
}

int
assume_type(PyTypeObject *type)
{
    if (is_unchangeable(type)) {
        return known.armed ? 0 : -1;
    }
    if (is_fickle(type, NULL)) {
        return -1;
    }
    if (note((PyObject *)type, ABOUT_TYPE, NULL, false) < 0) {
        return -1;
    }
    // Without a version tag, changes are not reported.
    return compat_assign_type_version(type) == 0 ? -1 : 0;
}

int
assume_type_lives(PyTypeObject *type)
{
    return note((PyObject *)type, ABOUT_TYPE, NULL, true);
}

int
assume_function(PyObject *func)
{
    if (!PyFunction_Check(func)) {
        return -1;
    }
    // A change inside the dict of keyword defaults is no event of the function's.
    PyObject *kwdefaults = PyFunction_GET_KW_DEFAULTS(func);
    if (kwdefaults != NULL && note(kwdefaults, ABOUT_DICT, NULL, false) < 0) {
        return -1;
    }
    return note(func, ABOUT_FUNCTION, NULL, false);
}

void
assume_function_broken(PyObject *func)
{
    Subject *subject = find_subject(func);
    if (subject != NULL) {
        break_subject(subject);
    }
}

bool
assume_broken(void)
{
    return known.noted_broken;
}

void
assume_begin(void)
{
    for (size_t i = 0; i < known.n_noted; i++) {
        known.n_unused += known.noted[i]->n_dependents == 0;
    }
    known.n_noted = 0;
    // All facts are looked at, which must cost a recording no more than making its own ones did.
    if (known.n_unused * 4 >= known.n_facts) {
        drop_unused();
    }
    known.epoch++;
    known.noted_broken = false;
}

int
assume_commit(Executor *ex)
{
    if (known.noted_broken || !known.armed || ex->invalid) {
        return -1;
    }
    for (size_t i = 0; i < known.n_noted; i++) {
        Fact *fact = known.noted[i];
        if (fact->n_dependents == fact->room) {
            size_t room = fact->room * 2 + 2;
            Executor **dependents = PyMem_Realloc(fact->dependents, room * sizeof *dependents);
            if (dependents == NULL) {
                return -1;              // retiring it forgets the others
            }
            jit.bytes += (room - fact->room) * sizeof *dependents;
            fact->dependents = dependents;
            fact->room = room;
        }
        fact->dependents[fact->n_dependents++] = ex;
    }
    return 0;
}

// All that are invalid by now are taken out at once, so that retiring many costs one walk over what is known.
void
assume_forget(Executor *ex)
{
    assert(ex->invalid);
    if (ex->invalid_at <= known.forgotten) {
        return;
    }
    known.forgotten = jit.epoch;
    for (size_t i = 0; i < BUCKETS; i++) {
        for (Subject *subject = known.buckets[i]; subject != NULL; subject = subject->next) {
            for (Fact *fact = subject->facts; fact != NULL; fact = fact->next) {
                size_t before = fact->n_dependents, kept = 0;
                for (size_t k = 0; k < before; k++) {
                    if (!fact->dependents[k]->invalid) {
                        fact->dependents[kept++] = fact->dependents[k];
                    }
                }
                fact->n_dependents = kept;
                known.n_unused += before > 0 && kept == 0;
            }
        }
    }
}

// --- on and off -------------------------------------------------------------------------------

int
invalidate_enable(void)
{
    if (known.armed) {
        return 0;
    }
    known.epoch = known.epoch == 0 ? 1 : known.epoch;
    memset(fickle, 0, sizeof fickle);           // others may stand at those addresses by now
    known.dict_watcher = known.type_watcher = known.function_watcher = -1;
    if ((known.dict_watcher = PyDict_AddWatcher(dict_changed)) < 0
        || (known.type_watcher = PyType_AddWatcher(type_changed)) < 0
        || (known.function_watcher = PyFunction_AddWatcher(function_changed)) < 0) {
        invalidate_disable();
        return -1;
    }
    known.armed = true;
    return 0;
}

void
invalidate_disable(void)
{
    PyObject *exc = PyErr_GetRaisedException();
    known.n_noted = 0;
    known.noted_broken = true;
    for (size_t i = 0; i < BUCKETS; i++) {
        for (Subject *subject = known.buckets[i]; subject != NULL; subject = subject->next) {
            break_subject(subject);
        }
    }
    drop_unused();
    // An id that is free again may be another's tomorrow, so nothing may be left watched by it.
    if (known.dict_watcher >= 0) {
        PyDict_ClearWatcher(known.dict_watcher);
    }
    if (known.type_watcher >= 0) {
        PyType_ClearWatcher(known.type_watcher);
    }
    if (known.function_watcher >= 0) {
        PyFunction_ClearWatcher(known.function_watcher);
    }
    known.dict_watcher = known.type_watcher = known.function_watcher = -1;
    known.armed = false;
    PyErr_SetRaisedException(exc);
}

void
invalidate_count(size_t *facts, size_t *dependents)
{
    *facts = *dependents = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        for (Subject *subject = known.buckets[i]; subject != NULL; subject = subject->next) {
            for (Fact *fact = subject->facts; fact != NULL; fact = fact->next) {
                ++*facts;
                *dependents += fact->n_dependents;
            }
        }
    }
}
