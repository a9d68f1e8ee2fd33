// os_linux.c - Linux: the C stack of a thread.
#if defined(__linux__)

#include "base/os.h"

#include <pthread.h>

bool
os_stack(uintptr_t *low, uintptr_t *high)
{
    pthread_attr_t attr;
    void *start;
    size_t size;
    if (pthread_getattr_np(pthread_self(), &attr) != 0) {
        return false;
    }
    bool known = pthread_attr_getstack(&attr, &start, &size) == 0;
    pthread_attr_destroy(&attr);
    if (known) {
        *low = (uintptr_t)start;
        *high = (uintptr_t)start + size;
    }
    return known;
}

#endif
