// pages_windows.c - code memory by VirtualAlloc and VirtualProtect, known to the unwinder. Written
// from Microsoft's documentation (x64 and ARM64 exception handling, RtlInstallFunctionTableCallback);
// built, never run.
//
// Windows unwinds by tables, never by frame pointers: an exception or a stack walk that meets code
// without an entry takes it for a leaf function and goes astray. So the whole reservation is
// announced as if it were the body of emit_enter, whose frame pointer compiled code leaves alone:
// the unwinder restores what emit_enter saved and goes on at its caller. What it reads
// (enter_unwind, of enter_*_windows.c) must lie less than 4 GiB behind the announced base, so it is
// copied into the reservation's first page.
#if defined(_WIN32)

#include "back/pages.h"

#include <windows.h>
#include <stdio.h>
#include <string.h>
#include "back/enter_windows.h"

static char error_text[32];

size_t
pages_size(void)
{
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return info.dwPageSize;
}

size_t
pages_head(void)
{
    return pages_size();
}

// --- unwinding ----------------------------------------------------------------------------------

static PRUNTIME_FUNCTION CALLBACK
find_entry(DWORD64 pc, PVOID base)
{
    return enter_unwind_entry((uint32_t)(pc - (DWORD64)(uintptr_t)base));
}

static int
announce(uint8_t *start, size_t size)
{
    DWORD old;
    if (!VirtualAlloc(start, pages_head(), MEM_COMMIT, PAGE_READWRITE)) {
        return -1;
    }
    memcpy(start, enter_unwind, enter_unwind_size);
    if (!VirtualProtect(start, pages_head(), PAGE_READONLY, &old)) {
        return -1;
    }
    DWORD64 base = (DWORD64)(uintptr_t)start;       // its two lowest bits set: a callback's table
    return RtlInstallFunctionTableCallback(base | 3, base, (DWORD)size, find_entry, start, NULL)
               ? 0 : -1;
}

// --- pages --------------------------------------------------------------------------------------

uint8_t *
pages_reserve(uintptr_t hint, size_t size)
{
    uint8_t *p = VirtualAlloc((void *)hint, size, MEM_RESERVE, PAGE_NOACCESS);
    if (p && announce(p, size)) {
        VirtualFree(p, 0, MEM_RELEASE);
        return NULL;
    }
    return p;
}

void
pages_release(uint8_t *start, size_t size)
{
    (void)size;
    RtlDeleteFunctionTable((PRUNTIME_FUNCTION)((uintptr_t)start | 3));
    VirtualFree(start, 0, MEM_RELEASE);
}

const char *
pages_error(void)
{
    snprintf(error_text, sizeof(error_text), "error %lu", GetLastError());
    return error_text;
}

size_t
pages_unit(void)
{
    return 64;
}

int
pages_prepare(uint8_t *at, size_t size)
{
    return VirtualAlloc(at, size, MEM_COMMIT, PAGE_READWRITE) ? 0 : -1;
}

// Pages are committed when they are first written; committing them again changes nothing.
int
pages_begin_write(uint8_t *at, size_t size, bool shared)
{
    (void)shared;
    DWORD old;
    return VirtualAlloc(at, size, MEM_COMMIT, PAGE_READWRITE)
           && VirtualProtect(at, size, PAGE_READWRITE, &old) ? 0 : -1;
}

int
pages_end_write(uint8_t *at, size_t size)
{
    DWORD old;
    return VirtualProtect(at, size, PAGE_EXECUTE_READ, &old)
           && FlushInstructionCache(GetCurrentProcess(), at, size) ? 0 : -1;
}

#endif
