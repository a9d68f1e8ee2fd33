// os_windows.c - Windows: clocks, and the C stack of a thread.
#if defined(_WIN32)

#include "base/os.h"

#include <windows.h>

uint64_t
os_now(void)
{
    LARGE_INTEGER now, per_second;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&per_second);
    uint64_t ticks = (uint64_t)now.QuadPart, rate = (uint64_t)per_second.QuadPart;
    return ticks / rate * 1000000000u + ticks % rate * 1000000000u / rate;
}

static uint64_t
in_ns(FILETIME time)                    // counted in 100 ns
{
    return ((uint64_t)time.dwHighDateTime << 32 | time.dwLowDateTime) * 100;
}

uint64_t
os_process_time(void)
{
    FILETIME created, ended, kernel, user;
    GetProcessTimes(GetCurrentProcess(), &created, &ended, &kernel, &user);
    return in_ns(kernel) + in_ns(user);
}

bool
os_stack(uintptr_t *low, uintptr_t *high)
{
    ULONG_PTR first, end;
    GetCurrentThreadStackLimits(&first, &end);
    *low = first;
    *high = end;
    return true;
}

#endif
