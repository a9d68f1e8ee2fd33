// os.h - what the system is asked for, but for memory (back/pages.h). One file per system, os_*.c, empty on another one.
#ifndef JITPATCH_OS_H
#define JITPATCH_OS_H

#include <stdbool.h>
#include <stdint.h>

uint64_t os_now(void);                  // nanoseconds, of a clock that only goes forward
uint64_t os_process_time(void);         // nanoseconds of processor time of all threads
// Where the C stack of the thread that asks begins and ends. false: that cannot be known.
bool os_stack(uintptr_t *low, uintptr_t *high);

#endif
