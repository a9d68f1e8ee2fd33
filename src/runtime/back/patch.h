// patch.h - the machine's part of copying code: how a value is encoded into a hole, and the few
// instructions that are not stencils. One file per machine, patch_*.c, empty on another one. None
// depends on the machine it runs on: tests compile each everywhere (JITPATCH_ANY_MACHINE).
#ifndef JITPATCH_PATCH_H
#define JITPATCH_PATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "back/stencil_table.h"

typedef struct {
    uint32_t jump, leave, veneer, through;      // bytes that patch_jump, patch_leave, ... write
    uint32_t loop_align;                // of LOOP
    uint32_t reach;                     // bytes that a call or jump reaches, less some slack
} PatchSizes;

extern const PatchSizes patch_sizes;

// Writes `value` (symbol + addend) into the hole at `at`, in code that will run at `address`; -1
// when it does not fit.
typedef int (*PatchFunction)(uint8_t *at, uint64_t address, uint64_t value);
extern const PatchFunction patch_functions[PATCH_KINDS];    // NULL: not of this machine

// Does a constant of an instruction fit a hole of this kind?
bool patch_fits(PatchKind kind, uint64_t value);
// Is the hole at `at` that of a branch, which may go through a veneer?
bool patch_is_branch(PatchKind kind, const uint8_t *at);

int patch_jump(uint8_t *at, uint64_t address, uint64_t to);     // -1: too far
void patch_leave(uint8_t *at);                          // back to emit_enter
void patch_veneer(uint8_t *at, uint64_t to);            // a jump that reaches any address
int patch_through(uint8_t *at, uint64_t address, uint64_t link);        // to where *link says; -1: too far
void patch_padding(uint8_t *at, size_t size);           // runs through, quickly
// If the hole at `at` is that of a conditional branch: makes it the opposite one, to `to`.
bool patch_inverse(uint8_t *at, uint64_t address, uint64_t to);

#endif
