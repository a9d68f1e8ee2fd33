// pages_posix.c - the part of pages.h that systems with mmap do alike.
#if !defined(_WIN32)

#include "back/pages_posix.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

size_t
pages_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);       // 16 KiB on Apple silicon
}

size_t
pages_head(void)
{
    return 0;
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

int
pages_protect(uint8_t *at, size_t size, int access)
{
    uintptr_t page = pages_size(), first = (uintptr_t)at & ~(page - 1);
    uintptr_t end = ((uintptr_t)at + size + page - 1) & ~(page - 1);
    return mprotect((void *)first, end - first, access);
}

#endif
