// pages_linux.c - code memory by mmap and mprotect.
//
// The memory is private, so a child after fork has its own copy of what it writes.
#if defined(__linux__)

#include "back/pages_posix.h"

#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

uint8_t *
pages_reserve(uintptr_t hint, size_t size)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *p = mmap((void *)hint, size, PROT_NONE, flags | (hint ? MAP_FIXED_NOREPLACE : 0), -1, 0);
    if (p == MAP_FAILED) {
        return NULL;
    }
    if (hint && (uintptr_t)p != hint) {         // a kernel older than 4.17 takes it for a wish
        munmap(p, size);
        return NULL;
    }
    return p;
}

// Pages of 4 KiB are taken whole: sharing them would save 2 KiB a trace, and cost six calls of the system,
// 15 microseconds, instead of one.
size_t
pages_unit(void)
{
    return pages_size() <= 4096 ? pages_size() : 64;
}

// A sandbox may forbid new executable pages at any time (PR_SET_MDWE, seccomp). A page that holds code must not
// be made writable then: it would never be executable again. So a page that holds nothing goes first, which costs
// less than a microsecond as it has no memory.
static int
try_spare_page(void)
{
    static uint8_t *spare;
    if (spare == NULL) {
        spare = pages_reserve(0, pages_size());
    }
    return spare == NULL || pages_protect(spare, 1, PROT_READ | PROT_WRITE)
           || pages_protect(spare, 1, PROT_READ | PROT_EXEC) ? -1 : 0;
}

// With memory behind it at once: a page fault each would cost half as much again.
int
pages_prepare(uint8_t *at, size_t size)
{
    if (pages_protect(at, size, PROT_READ | PROT_WRITE) < 0) {
        return -1;
    }
    (void)madvise(at, size, MADV_POPULATE_WRITE);       // an older kernel does not know it
    return 0;
}

int
pages_begin_write(uint8_t *at, size_t size, bool shared)
{
    return shared && try_spare_page() < 0 ? -1 : pages_protect(at, size, PROT_READ | PROT_WRITE);
}

int
pages_end_write(uint8_t *at, size_t size)
{
    __builtin___clear_cache((char *)at, (char *)at + size);
    return pages_protect(at, size, PROT_READ | PROT_EXEC);
}

#endif
