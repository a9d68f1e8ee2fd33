// pages_macos.c - code memory by MAP_JIT. Written from Apple's documentation ("Porting just-in-time
// compilers to Apple silicon", mmap(2), pthread_jit_write_protect_np(3)); built, never run.
//
// With the hardened runtime only a MAP_JIT mapping may become executable, and the program needs the
// entitlement com.apple.security.cs.allow-jit. On Apple silicon such a mapping is writable and
// executable by its tables, and a switch of each thread says which of the two it is for that
// thread: we hold it at "executable" but between begin and end, and no other thread's changes. On
// Intel there is no such switch; there the pages change with mprotect.
//
// MAP_JIT excludes MAP_FIXED: a hint is a wish, and what comes elsewhere is given back. Unwinders of
// this system follow frame pointers through code without unwind tables (enter_*.c keeps one).
#if defined(__APPLE__)

#include "back/pages_posix.h"

#include <libkern/OSCacheControl.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/mman.h>

static bool
has_switch(void)
{
    return pthread_jit_write_protect_supported_np() != 0;
}

uint8_t *
pages_reserve(uintptr_t hint, size_t size)
{
    int access = has_switch() ? PROT_READ | PROT_WRITE | PROT_EXEC : PROT_NONE;
    void *p = mmap((void *)hint, size, access, MAP_PRIVATE | MAP_ANONYMOUS | MAP_JIT, -1, 0);
    if (p == MAP_FAILED) {
        return NULL;
    }
    if (hint && (uintptr_t)p != hint) {
        munmap(p, size);
        return NULL;
    }
    if (has_switch()) {
        pthread_jit_write_protect_np(1);
    }
    return p;
}

size_t
pages_unit(void)
{
    return 64;
}

// An ordinary mapping in the place of the MAP_JIT one, which the thread's switch would concern.
int
pages_prepare(uint8_t *at, size_t size)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    return mmap(at, size, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED ? -1 : 0;
}

int
pages_begin_write(uint8_t *at, size_t size, bool shared)
{
    (void)shared;
    if (!has_switch()) {
        return pages_protect(at, size, PROT_READ | PROT_WRITE);
    }
    pthread_jit_write_protect_np(0);
    return 0;
}

int
pages_end_write(uint8_t *at, size_t size)
{
    int failed = 0;
    if (has_switch()) {
        pthread_jit_write_protect_np(1);
    }
    else {
        failed = pages_protect(at, size, PROT_READ | PROT_EXEC);
    }
    sys_icache_invalidate(at, size);
    return failed;
}

#endif
