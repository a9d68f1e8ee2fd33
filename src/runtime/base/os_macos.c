// os_macos.c - macOS: the C stack of a thread.
#if defined(__APPLE__)

#include "base/os.h"

#include <pthread.h>

bool
os_stack(uintptr_t *low, uintptr_t *high)
{
    *high = (uintptr_t)pthread_get_stackaddr_np(pthread_self());    // its upper end
    *low = *high - pthread_get_stacksize_np(pthread_self());
    return true;
}

#endif
