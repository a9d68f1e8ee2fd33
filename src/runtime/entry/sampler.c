// sampler.c - the clock that asks the interpreter, now and then, where it is.
//
// In:   time.
// Out:  calls of a SampleFunction from the interpreter's own thread, at an eval-breaker check.
//
// A thread of our own sleeps, files a pending call with the interpreter, sleeps, and waits until that call has been
// made (mostly it has, while the thread slept). So at most one request is outstanding, and in a process that sleeps or
// waits the thread sleeps, too.
// The call runs in whichever thread holds the GIL. A request that was not served at once had to wait for C
// code to end; it is marked late. (A thread that neither slept nor ran meanwhile waited for a core: that is not late.)
//
// What a thread must not do to a program (each was seen to bite):
//  - It blocks all signals: a program may block a signal in its threads and fetch it with sigwait.
//  - It is gone while the process forks: os.fork() warns if there is a second thread. The wait for its end
//    includes the wait until the kernel no longer counts it. It is gone as well during os.unshare() and os.setns(),
//    which the kernel refuses to a process of several threads.
//  - A process forked in another thread than the first ends when that thread does, if there is none left. So no
//    thread is made there.
//  - C code may fork without telling anybody (uwsgi): the child has the books of a thread that it has not.
//  - It allocates nothing, and holds no lock but those of the pending calls.
//  - Where it cannot be made (limits, sandboxes), the caller counts events instead: at the start, or later on, when
//    sampling was to go on after a fork.
//
// A wake-up costs a program that shares its core with the thread 12 to 30 us (what the kernel displaces from the
// caches included), a request 0.07 us. So sampling begins fast, when most programs have their start-up behind them and
// their loops before them, and slows down: at the last interval a wake-up every 10 ms is 0.1 to 0.3 % of the time.
#include "entry/sampler.h"
#include "back/executor.h"
#include "base/os.h"
#include "base/state.h"
#include "python/compat.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

// The schedule: after `until` samples the interval is the next row's.
static const struct { uint64_t until; long interval_us; } schedule[] = {
    {80, 2000}, {160, 5000}, {UINT64_MAX, 10000},
};
enum { LATE_NS = 300000, STACK_BYTES = 256 << 10, MAX_POSTPONED = 100000 };

static struct {
    bool running, handlers;
    pid_t process;              // that the thread belongs to
    pthread_t thread;
    atomic_int tid;
    bool stop;
    pthread_mutex_t lock;       // of `stop`, with `stopped`
    pthread_cond_t stopped;
    sem_t served;               // posted by the pending call
    _Atomic uint64_t asked_at;  // when the request under way was made, in ns ...
    _Atomic uint64_t asked_cpu; // ... and how much CPU time the process had used by then
    pthread_t server;           // the thread that made the last call, and how often it had slept by then
    long sleeps;
    uintptr_t generation;       // of the thread: requests of an older one are void
    uint64_t samples;
    PyInterpreterState *interp;
    SampleFunction take;
    SampleLostFunction lost;
    bool resume;                // sampling is to go on ...
    Frame *resume_in;           // ... when this frame runs again
    unsigned postponed;
    bool by_other_thread;       // than the first one: the fork under way
    bool forbidden;             // a thread would keep this process alive
    unsigned alone;             // calls under way for which the process must have one thread
} sampler;

// --- the pending call -------------------------------------------------------------------------

static bool
is_late(void)
{
    struct rusage usage = {.ru_nvcsw = -1};
    getrusage(RUSAGE_THREAD, &usage);
    pthread_t self = pthread_self();
    bool slept = usage.ru_nvcsw != sampler.sleeps || !pthread_equal(self, sampler.server);
    sampler.sleeps = usage.ru_nvcsw;
    sampler.server = self;
    return os_now() - atomic_load(&sampler.asked_at) > LATE_NS
        && (slept || os_process_time() - atomic_load(&sampler.asked_cpu) > LATE_NS);
}

static int
serve(void *generation)
{
    if ((uintptr_t)generation != sampler.generation || !sampler.running) {
        return 0;
    }
    sampler.samples++;
    sampler.take(sampler.samples, is_late());
    sem_post(&sampler.served);
    return 0;
}

// --- the thread -------------------------------------------------------------------------------

static long
interval_us(uint64_t samples)
{
    int row = 0;
    while (samples >= schedule[row].until) {
        row++;
    }
    return schedule[row].interval_us;
}

// false: it is time to stop.
static bool
sleep_for(long us)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += us * 1000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&sampler.lock);
    while (!sampler.stop && pthread_cond_timedwait(&sampler.stopped, &sampler.lock, &until) == 0) {
    }
    bool go_on = !sampler.stop;
    pthread_mutex_unlock(&sampler.lock);
    return go_on;
}

// The last request was served while the thread slept; or false, and it has been now.
static bool
was_served(void)
{
    if (sem_trywait(&sampler.served) == 0) {
        return true;
    }
    while (sem_wait(&sampler.served) < 0) {
    }
    return false;
}

static void *
run(void *generation)
{
    atomic_store(&sampler.tid, (int)syscall(SYS_gettid));
    uint64_t samples = sampler.samples;         // stands still until the first request is served
    bool asked = false;
    while (sleep_for(interval_us(samples))) {
        if (asked && !was_served()) {
            asked = false;                      // the process slept, or C code ran: some time passes first
            samples++;
            continue;
        }
        samples += asked;
        atomic_store(&sampler.asked_cpu, os_process_time());
        atomic_store(&sampler.asked_at, os_now());
        asked = compat_add_pending_call(sampler.interp, serve, generation);
    }
    return NULL;
}

static bool
create_thread(void)
{
    pthread_attr_t attr;
    sigset_t all, before;
    if (pthread_attr_init(&attr) != 0) {
        return false;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    void *generation = (void *)++sampler.generation;
    bool made = pthread_attr_setstacksize(&attr, STACK_BYTES) == 0
        && pthread_create(&sampler.thread, &attr, run, generation) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return made;
}

static bool
start(void)
{
    pthread_condattr_t monotonic;
    if (sampler.forbidden) {
        return false;
    }
    sampler.stop = false;
    sampler.process = getpid();
    atomic_store(&sampler.tid, 0);
    if (sem_init(&sampler.served, 0, 0) < 0 || pthread_mutex_init(&sampler.lock, NULL) != 0
        || pthread_condattr_init(&monotonic) != 0) {
        return false;
    }
    sampler.running = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0
        && pthread_cond_init(&sampler.stopped, &monotonic) == 0 && create_thread();
    pthread_condattr_destroy(&monotonic);
    return sampler.running;
}

static void
stop(void)
{
    sampler.running = false;
    if (sampler.process != getpid()) {
        return;                 // there is no such thread in this process
    }
    pthread_mutex_lock(&sampler.lock);
    sampler.stop = true;
    pthread_cond_signal(&sampler.stopped);
    pthread_mutex_unlock(&sampler.lock);
    sem_post(&sampler.served);
    pthread_join(sampler.thread, NULL);
    // pthread_join returns a moment before the kernel takes the thread off the process's count.
    int tid = atomic_load(&sampler.tid);
    for (int i = 0; tid != 0 && i < 10000 && syscall(SYS_tgkill, getpid(), tid, 0) == 0; i++) {
        sched_yield();
    }
}

// As before a pause, if there was one.
static void
go_on(void)
{
    bool wanted = sampler.resume && !sampler.running;
    sampler.resume = false;
    if (wanted && !start()) {
        sampler.lost();
    }
}

// --- pauses -----------------------------------------------------------------------------------

// After a fork that is not os.fork's (below) sampling goes on when the frame that forked runs again: hooks for
// forking, which may be Python functions, run before that.
static int
resume(void *generation)
{
    if ((uintptr_t)generation != sampler.generation || !sampler.resume || sampler.alone > 0) {
        return 0;
    }
    bool over = compat_current_frame(PyThreadState_GET()) == sampler.resume_in;
    if (!over && ++sampler.postponed < MAX_POSTPONED
        && compat_add_pending_call(sampler.interp, resume, generation)) {
        return 0;
    }
    go_on();
    return 0;
}

void
sampler_pause(void)
{
    sampler.resume = sampler.running || sampler.resume;
    if (sampler.running) {
        stop();
    }
}

void
sampler_resume_later(void)
{
    if (!sampler.resume || sampler.alone > 0) {
        return;
    }
    sampler.generation++;
    sampler.postponed = 0;
    sampler.resume_in = compat_current_frame(PyThreadState_GET());
    compat_add_pending_call(sampler.interp, resume, (void *)sampler.generation);
}

static PyObject *
before_fork(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(ignored))
{
    sampler.by_other_thread = syscall(SYS_gettid) != getpid();
    sampler_pause();
    Py_RETURN_NONE;
}

static PyObject *
after_fork(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(ignored))
{
    sampler.by_other_thread = false;
    sampler_resume_later();
    Py_RETURN_NONE;
}

static PyObject *
after_fork_in_child(PyObject *self, PyObject *ignored)
{
    sampler.alone = sampler.alone > 0;          // what other threads were about is no more
    sampler.forbidden = sampler.forbidden || sampler.by_other_thread;
    if (sampler.running) {
        sampler_pause();                        // nobody had said that there would be a fork
    }
    return after_fork(self, ignored);
}

static PyObject *
at_exit(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(ignored))
{
    sampler_stop();
    Py_RETURN_NONE;
}

static PyMethodDef handlers[] = {
    {"before_fork", before_fork, METH_NOARGS, NULL},
    {"after_fork", after_fork, METH_NOARGS, NULL},
    {"after_fork_in_child", after_fork_in_child, METH_NOARGS, NULL},
    {"at_exit", at_exit, METH_NOARGS, NULL},
};

// The interpreter goes, and atexit's list had been emptied (as multiprocessing does).
static void
at_end(void *Py_UNUSED(ignored))
{
    sampler_stop();
    sampler.handlers = false;
}

// Once in an interpreter's life: handlers cannot be taken back, and do nothing while there is no thread.
static bool
register_handlers(void)
{
    if (sampler.handlers) {
        return true;
    }
    PyObject *functions[Py_ARRAY_LENGTH(handlers)] = {NULL};
    bool made = true;
    for (size_t i = 0; i < Py_ARRAY_LENGTH(handlers); i++) {
        functions[i] = PyCFunction_New(&handlers[i], NULL);
        made = made && functions[i] != NULL;
    }
    PyObject *os = made ? PyImport_ImportModule("posix") : NULL;
    PyObject *at_fork = os == NULL ? NULL : PyObject_GetAttrString(os, "register_at_fork");
    PyObject *names = Py_BuildValue("{sOsOsO}", "before", functions[0], "after_in_parent", functions[1],
                                    "after_in_child", functions[2]);
    PyObject *none = PyTuple_New(0);
    PyObject *done = at_fork == NULL || names == NULL || none == NULL ? NULL : PyObject_Call(at_fork, none, names);
    PyObject *atexit = done == NULL ? NULL : PyImport_ImportModule("atexit");
    PyObject *registered = atexit == NULL ? NULL : PyObject_CallMethod(atexit, "register", "O", functions[3]);
    sampler.handlers = registered != NULL && PyUnstable_AtExit(PyInterpreterState_Get(), at_end, NULL) == 0;
    Py_XDECREF(registered);
    Py_XDECREF(atexit);
    Py_XDECREF(done);
    Py_XDECREF(none);
    Py_XDECREF(names);
    Py_XDECREF(at_fork);
    Py_XDECREF(os);
    for (size_t i = 0; i < Py_ARRAY_LENGTH(handlers); i++) {
        Py_XDECREF(functions[i]);
    }
    PyErr_Clear();
    return sampler.handlers;
}

// --- calls for which the process must have one thread ----------------------------------------

// os.fork() counts threads when the hooks for forking have run; unshare and setns fail if there is a second one.
typedef PyObject *(*FastFunction)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);

static void
begin_alone(void)
{
    sampler.alone++;
    sampler_pause();
}

static PyObject *
end_alone(PyObject *result)
{
    PyObject *exc = PyErr_GetRaisedException();
    sampler.alone -= sampler.alone > 0;
    if (sampler.alone == 0) {
        go_on();
    }
    PyErr_SetRaisedException(exc);
    return result;
}

static PyCFunction plain_fork, plain_forkpty, plain_unshare, plain_setns;

static PyObject *
posix_fork(PyObject *self, PyObject *ignored)
{
    begin_alone();
    return end_alone(plain_fork(self, ignored));
}

static PyObject *
posix_forkpty(PyObject *self, PyObject *ignored)
{
    begin_alone();
    return end_alone(plain_forkpty(self, ignored));
}

static PyObject *
posix_unshare(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names)
{
    begin_alone();
    return end_alone(((FastFunction)(void (*)(void))plain_unshare)(self, args, n, names));
}

static PyObject *
posix_setns(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names)
{
    begin_alone();
    return end_alone(((FastFunction)(void (*)(void))plain_setns)(self, args, n, names));
}

#define FAST(f) (PyCFunction)(void (*)(void))f
static struct {
    const char *name;
    int flags;                  // how it must be called
    PyCFunction ours, *plain;
    PyMethodDef *def;           // found when sampling begins
} exchanges[] = {
    {"fork", METH_NOARGS, posix_fork, &plain_fork, NULL},
    {"forkpty", METH_NOARGS, posix_forkpty, &plain_forkpty, NULL},
    {"unshare", METH_FASTCALL | METH_KEYWORDS, FAST(posix_unshare), &plain_unshare, NULL},
    {"setns", METH_FASTCALL | METH_KEYWORDS, FAST(posix_setns), &plain_setns, NULL},
};
#undef FAST

// A system without these functions is as good.
static void
exchange(PyObject *posix)
{
    for (size_t i = 0; i < Py_ARRAY_LENGTH(exchanges); i++) {
        PyObject *function = PyObject_GetAttrString(posix, exchanges[i].name);
        PyMethodDef *def = function != NULL && PyCFunction_CheckExact(function) ? ((PyCFunctionObject *)function)->m_ml
                                                                               : NULL;
        if (def != NULL && def->ml_flags == exchanges[i].flags && def->ml_meth != exchanges[i].ours) {
            *exchanges[i].plain = def->ml_meth;
            def->ml_meth = exchanges[i].ours;
            exchanges[i].def = def;
        }
        Py_XDECREF(function);
        PyErr_Clear();
    }
}

static void
exchange_back(void)
{
    for (size_t i = 0; i < Py_ARRAY_LENGTH(exchanges); i++) {
        if (exchanges[i].def != NULL && exchanges[i].def->ml_meth == exchanges[i].ours) {
            exchanges[i].def->ml_meth = *exchanges[i].plain;
        }
        exchanges[i].def = NULL;
    }
}

// --- on and off -------------------------------------------------------------------------------

bool
sampler_start(SampleFunction take, SampleLostFunction lost)
{
    if (sampler.running) {
        return true;
    }
    sampler.take = take;
    sampler.lost = lost;
    sampler.interp = PyInterpreterState_Get();
    sampler.samples = 0;
    sampler.resume = false;
    PyObject *posix = register_handlers() && start() ? PyImport_ImportModule("posix") : NULL;
    if (posix != NULL) {
        exchange(posix);
        Py_DECREF(posix);
    }
    PyErr_Clear();
    return sampler.running;
}

void
sampler_stop(void)
{
    sampler.resume = false;
    exchange_back();
    if (sampler.running) {
        stop();
    }
}

bool
sampler_is_running(void)
{
    return sampler.running;
}
