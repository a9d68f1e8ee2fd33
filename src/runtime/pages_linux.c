// pages_linux.c - code memory by mmap and mprotect.
//
// The memory is private, so a child after fork has its own copy of what it writes.
#if defined(__linux__)

#include "pages.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

size_t
pages_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

size_t
pages_head(void)
{
    return 0;
}

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

void
pages_release(uint8_t *start, size_t size)
{
    munmap(start, size);
}

const char *
pages_error(void)
{
    return strerror(errno);
}

static int
protect(uint8_t *at, size_t size, int access)
{
    uintptr_t page = pages_size(), first = (uintptr_t)at & ~(page - 1);
    uintptr_t end = ((uintptr_t)at + size + page - 1) & ~(page - 1);
    return mprotect((void *)first, end - first, access);
}

int
pages_begin_write(uint8_t *at, size_t size)
{
    return protect(at, size, PROT_READ | PROT_WRITE);
}

int
pages_end_write(uint8_t *at, size_t size)
{
    __builtin___clear_cache((char *)at, (char *)at + size);
    return protect(at, size, PROT_READ | PROT_EXEC);
}

#endif
