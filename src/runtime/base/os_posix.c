// os_posix.c - the clocks of os.h, alike on Linux and macOS.
#if !defined(_WIN32)

#include "base/os.h"

#include <time.h>

static uint64_t
read_clock(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t
os_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t
os_process_time(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

#endif
