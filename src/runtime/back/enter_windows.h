// enter_windows.h - how Windows unwinds through compiled code (enter_*_windows.c).
#ifndef JITPATCH_ENTER_WINDOWS_H
#define JITPATCH_ENTER_WINDOWS_H

#include <stdint.h>
#include <windows.h>

// Unwind information that undoes emit_enter's prologue from anywhere in compiled code.
extern const uint8_t enter_unwind[];
extern const uint32_t enter_unwind_size;
// The table entry for the code at `offset` from the base, at which enter_unwind lies.
RUNTIME_FUNCTION *enter_unwind_entry(uint32_t offset);

#endif
