// anchors.c - the side table of code objects: anchors, their counters and their traces.
//
// Every code object that ran gets a CodeInfo (in its "extra" slot), with one Anchor per loop head whose
// loop turned once, and one for its start. The traces of an anchor are a chain of versions.

#include "run/anchors.h"
#include "run/coverage.h"
#include "run/entries.h"
#include "run/executor_life.h"

enum { FIRST_SIZE = 4 };

struct AnchorLast anchor_last;

// --- the side table ---------------------------------------------------------------------------

static bool
resize(CodeInfo *info, uint32_t size)
{
    CodeInfo bigger = *info;
    bigger.size = size;
    bigger.anchors = PyMem_Malloc(size * sizeof(Anchor));
    if (bigger.anchors == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < size; i++) {
        bigger.anchors[i] = (Anchor){.offset = -1};
    }
    for (uint32_t i = 0; i < info->size; i++) {
        if (info->anchors[i].offset >= 0) {
            bigger.anchors[anchor_slot(&bigger, info->anchors[i].offset)] = info->anchors[i];
        }
    }
    anchor_last.code = NULL;
    jit.bytes += (size - info->size) * sizeof(Anchor);
    PyMem_Free(info->anchors);
    *info = bigger;
    return true;
}

Anchor *
anchor_find(PyCodeObject *code, int offset)
{
    CodeInfo *info = info_find(code);
    if (info == NULL) {
        return NULL;
    }
    if (info->function.offset == offset) {
        return &info->function;
    }
    if (info->size == 0) {
        return NULL;
    }
    Anchor *anchor = &info->anchors[anchor_slot(info, offset)];
    return anchor->offset < 0 ? NULL : anchor;
}

CodeInfo *
info_make(PyCodeObject *code)
{
    CodeInfo *info = PyMem_Calloc(1, sizeof *info);
    if (info == NULL) {
        return NULL;
    }
    info->code = code;
    info->function.offset = -1;
    if (compat_set_extra(code, jit.code_extra, info) < 0) {
        PyErr_Clear();
        PyMem_Free(info);
        return NULL;
    }
    jit.bytes += sizeof *info;
    return info;
}

// The anchor at `offset`, made if need be; NULL without an exception if memory is out. Valid
// until the next anchor of the code object is made.
Anchor *
anchor_make(PyCodeObject *code, int offset)
{
    CodeInfo *info = info_need(code);
    if (info == NULL) {
        return NULL;
    }
    if (info->function.offset == offset) {
        return &info->function;
    }
    if (info->size == 0 && !resize(info, FIRST_SIZE)) {
        return NULL;
    }
    Anchor *anchor = &info->anchors[anchor_slot(info, offset)];
    if (anchor->offset >= 0) {
        return anchor;
    }
    if (info->used * 4 >= info->size * 3 && !resize(info, info->size * 2)) {
        return NULL;
    }
    anchor = &info->anchors[anchor_slot(info, offset)];
    *anchor = (Anchor){.offset = offset, .threshold = (uint32_t)jit.params.threshold};
    info->used++;
    return anchor;
}

static void
free_traces(Anchor *anchor)
{
    Executor *ex = anchor->newest;
    anchor->newest = NULL;
    while (ex != NULL) {
        Executor *next = ex->next_version;
        ex->next_version = NULL;
        executor_lose_code(ex);
        executor_retire(ex);
        Py_DECREF(ex);
        ex = next;
    }
}

// The code object dies, and its traces with it.
void
anchors_free(void *extra)
{
    CodeInfo *info = extra;
    if (info == NULL) {
        return;
    }
    anchor_last.code = NULL;
    PyObject *exc = PyErr_GetRaisedException();
    free_traces(&info->function);
    for (uint32_t i = 0; i < info->size; i++) {
        free_traces(&info->anchors[i]);
    }
    entry_calls.forget(info);
    jit.bytes -= sizeof *info + info->size * sizeof(Anchor);
    PyMem_Free(info->anchors);
    PyMem_Free(info->names_stored);
    PyMem_Free(info);
    jit.changes++;
    PyErr_SetRaisedException(exc);
}

// --- executors of a loop ----------------------------------------------------------------------

Executor *
hook_executor_at(PyCodeObject *code, int offset)
{
    Anchor *anchor = anchor_find(code, offset);
    return anchor == NULL ? NULL : anchor->newest;
}

int
hook_install_root(PyCodeObject *code, int offset, Executor *ex)
{
    Anchor *anchor = anchor_need(code, offset);
    if (anchor == NULL) {
        return -1;
    }
    assert(ex->next_version == NULL);
    ex->next_version = anchor->newest;
    anchor->newest = (Executor *)Py_NewRef(ex);
    anchor->count = 0;
    jit.changes++;
    entry_calls.refresh(info_need(code));
    return 0;
}

void
hook_uninstall_root(Executor *ex)
{
    Anchor *anchor = ex->code == NULL ? NULL : anchor_find(ex->code, ex->anchor);
    if (anchor == NULL) {
        return;
    }
    for (Executor **at = &anchor->newest; *at != NULL; at = &(*at)->next_version) {
        if (*at == ex) {
            *at = ex->next_version;
            ex->next_version = NULL;
            anchor->count = 0;
            Py_DECREF(ex);
            return;
        }
    }
}

bool
anchor_drop_invalid(PyCodeObject *code, int offset)
{
    bool any = false;
    for (;;) {
        Executor *ex = hook_executor_at(code, offset);
        while (ex != NULL && !ex->invalid) {
            ex = ex->next_version;
        }
        if (ex == NULL) {
            return any;
        }
        Py_INCREF(ex);
        executor_retire(ex);        // takes it out of the chain
        Py_DECREF(ex);
        any = true;
    }
}

void
hook_penalise(PyCodeObject *code, int offset, AbortReason reason)
{
    (void)reason;               // the recorder has logged it; all weigh the same so far
    Anchor *anchor = anchor_need(code, offset);
    if (anchor == NULL) {
        return;
    }
    anchor->aborts++;
    anchor->count = 0;
    if (anchor->aborts >= jit.params.max_aborts) {
        anchor->blacklisted = true;
    }
    else if (anchor->threshold < UINT32_MAX / 4) {
        anchor->threshold = anchor->threshold * 2 + 1;
    }
}

// A loop that is left on its few turns again and again has no better path: then any path will do.
enum { MAX_LEFT = 4 };

bool
hook_may_retry(PyCodeObject *code, int offset)
{
    const Anchor *anchor = anchor_need(code, offset);
    return anchor != NULL && anchor->left < MAX_LEFT;
}

void
hook_retry_soon(PyCodeObject *code, int offset)
{
    Anchor *anchor = anchor_need(code, offset);
    if (anchor != NULL) {
        anchor->left++;
        anchor->count = anchor->threshold > 1 ? anchor->threshold - 2 : 0;
    }
}

// Places told apart in the log: a program that makes its code has no end of them. The rest is counted by reason.
enum { MAX_LOGGED = 2000 };

void
hook_log_abort(PyCodeObject *code, int line, AbortReason reason, const char *what)
{
    coverage_abort(reason);
    jit.stats.aborts[reason]++;
    if (jit.abort_log == NULL) {
        return;
    }
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *old = NULL, *new = NULL;
    PyObject *text = what[0] == '\0' ? PyUnicode_FromString(abort_text(reason))
                                     : PyUnicode_FromFormat("%s: %s", abort_text(reason), what);
    PyObject *key = text == NULL ? NULL : Py_BuildValue("(OiO)", code->co_filename, line, text);
    int found = key == NULL ? -1 : PyDict_GetItemRef(jit.abort_log, key, &old);
    if (found == 0 && PyDict_GET_SIZE(jit.abort_log) >= MAX_LOGGED) {
        Py_SETREF(key, Py_BuildValue("(siO)", "<other places>", 0, text));
        found = key == NULL ? -1 : PyDict_GetItemRef(jit.abort_log, key, &old);
    }
    if (found >= 0) {
        new = PyLong_FromLongLong(old == NULL ? 1 : PyLong_AsLongLong(old) + 1);
        if (new != NULL) {
            PyDict_SetItem(jit.abort_log, key, new);
        }
    }
    Py_XDECREF(new);
    Py_XDECREF(old);
    Py_XDECREF(key);
    Py_XDECREF(text);
    PyErr_Clear();
    PyErr_SetRaisedException(exc);
}

void
hook_want_loop(PyCodeObject *code)
{
    CodeInfo *info = info_need(code);
    if (info != NULL) {
        entry_calls.ask(info, HEAR_LOOPS);
    }
}

static bool
may_be_entered(const Anchor *anchor)
{
    return anchor->offset >= 0 && anchor->newest != NULL && !anchor->blacklisted && !anchor->resting;
}

uint8_t
anchor_events_wanted(const CodeInfo *info)
{
    uint8_t wanted = may_be_entered(&info->function) ? HEAR_STARTS : 0;
    for (uint32_t i = 0; i < info->size; i++) {
        wanted |= may_be_entered(&info->anchors[i]) ? HEAR_LOOPS : 0;
    }
    return wanted;
}

void
hook_leave_alone(PyCodeObject *code, int offset, AbortReason why)
{
    Anchor *anchor = anchor_find(code, offset);
    if (anchor != NULL) {
        CodeInfo *info = info_need(code);
        anchor->resting = info->resting = true;
        jit.changes++;
        hook_log_abort(code, PyCode_Addr2Line(code, key_offset(offset) * (int)sizeof(_Py_CODEUNIT)),
                       why, "");
        if (anchor == &info->function) {
            entry_calls.close_code(info);
        }
        entry_calls.refresh(info);
    }
}

void
anchor_give_chance(CodeInfo *info, int offset)
{
    Anchor *anchor = offset < 0 ? &info->function : anchor_find(info->code, offset);
    if (anchor != NULL && anchor->resting) {
        anchor->resting = false;
        jit.changes++;
        uint8_t heard = info->heard;
        if (heard) {                    // the event is switched off at this place
            info->heard = 0;
            entry_calls.update_events(info);
            info->heard = heard;
            entry_calls.update_events(info);
        }
    }
}

bool
hook_is_short(PyCodeObject *code, int offset)
{
    const Anchor *anchor = anchor_find(code, offset);
    return anchor != NULL && (anchor->left > 0 || anchor->aborts > 0);
}

bool
hook_has_loop(PyCodeObject *code)
{
    const CodeInfo *info = info_find(code);
    for (uint32_t i = 0; info != NULL && i < info->size; i++) {
        if (info->anchors[i].offset >= 0 && info->anchors[i].newest != NULL) {
            return true;
        }
    }
    return false;
}

long
hook_count_versions(PyCodeObject *code, int offset)
{
    long versions = 0;
    for (const Executor *ex = hook_executor_at(code, offset); ex != NULL; ex = ex->next_version) {
        versions++;
    }
    return versions;
}

long
anchor_count_versions(const Anchor *anchor)
{
    long versions = 0;
    for (const Executor *ex = anchor->newest; ex != NULL; ex = ex->next_version) {
        versions++;
    }
    return versions;
}

// --- functions --------------------------------------------------------------------------------

// Code whose start we can serve: a plain function's. (A generator's is when it is first resumed.)
bool
anchor_is_plain_function(PyCodeObject *code)
{
    const int not_plain = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR;
    const int optimized = CO_OPTIMIZED | CO_NEWLOCALS;
    return (code->co_flags & optimized) == optimized && !(code->co_flags & not_plain);
}

void
anchor_first_start(CodeInfo *info)
{
    info->function = (Anchor){
        .offset = compat_code_first_traceable(info->code),
        .threshold = (uint32_t)jit.params.call_threshold,
        .blacklisted = !anchor_is_plain_function(info->code)};
}

void *
hook_function_entry(PyCodeObject *code)
{
    CodeInfo *info = info_need(code);
    if (info != NULL && info->function.offset < 0) {
        anchor_first_start(info);
    }
    bool never = info == NULL || (info->function.blacklisted && info->function.newest == NULL);
    return never ? NULL : info;
}
