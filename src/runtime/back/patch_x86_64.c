// patch_x86_64.c - holes, jumps and padding on x86-64.
//
// Every write is checked first: a value that does not fit its hole is an abort, never wrong code.
#if defined(__x86_64__) || defined(JITPATCH_ANY_MACHINE)

#include "back/patch.h"

#include <string.h>

const PatchSizes patch_sizes = {
    .jump = 5, .leave = 1, .veneer = 16, .through = 6, .loop_align = 16, .reach = 0x7ff00000,
};

static int
write32(uint8_t *at, uint32_t value)
{
    for (int k = 0; k < 4; k++) {
        at[k] = (uint8_t)(value >> 8 * k);
    }
    return 0;
}

static int
patch_abs64(uint8_t *at, uint64_t address, uint64_t value)
{
    (void)address;
    write32(at, (uint32_t)value);
    return write32(at + 4, (uint32_t)(value >> 32));
}

// mov r32, imm32: the upper half becomes 0.
static int
patch_abs32(uint8_t *at, uint64_t address, uint64_t value)
{
    (void)address;
    return value > UINT32_MAX ? -1 : write32(at, (uint32_t)value);
}

// add r64, imm32 and the like: the immediate is sign-extended.
static int
patch_abs32s(uint8_t *at, uint64_t address, uint64_t value)
{
    (void)address;
    return (int64_t)value != (int32_t)value ? -1 : write32(at, (uint32_t)value);
}

// call rel32, jcc rel32, mov r64, [rip + rel32]; the addend holds the -4 of the ELF relocation.
static int
patch_rel32(uint8_t *at, uint64_t address, uint64_t value)
{
    int64_t distance = (int64_t)(value - address);
    return distance != (int32_t)distance ? -1 : write32(at, (uint32_t)distance);
}

const PatchFunction patch_functions[PATCH_KINDS] = {
    [PATCH_ABS64] = patch_abs64,
    [PATCH_ABS32] = patch_abs32,
    [PATCH_ABS32S] = patch_abs32s,
    [PATCH_REL32] = patch_rel32,
};

bool
patch_fits(PatchKind kind, uint64_t value)
{
    return (kind != PATCH_ABS32 || value <= UINT32_MAX)
           && (kind != PATCH_ABS32S || (int64_t)value == (int32_t)value);
}

// call rel32, jmp rel32, jcc rel32
bool
patch_is_branch(PatchKind kind, const uint8_t *at)
{
    return kind == PATCH_REL32
           && (at[-1] == 0xe8 || at[-1] == 0xe9 || (at[-2] == 0x0f && (at[-1] & 0xf0) == 0x80));
}

// E9 rel32
int
patch_jump(uint8_t *at, uint64_t address, uint64_t to)
{
    if (patch_rel32(at + 1, address + 1, to - 4)) {
        return -1;
    }
    at[0] = 0xe9;
    return 0;
}

// ret
void
patch_leave(uint8_t *at)
{
    at[0] = 0xc3;
}

// jmp [rip + 2]; ud2; address
void
patch_veneer(uint8_t *at, uint64_t to)
{
    static const uint8_t code[8] = { 0xff, 0x25, 0x02, 0x00, 0x00, 0x00, 0x0f, 0x0b };
    memcpy(at, code, 8);
    patch_abs64(at + 8, 0, to);
}

// jmp [rip + link]
int
patch_through(uint8_t *at, uint64_t address, uint64_t link)
{
    if (patch_rel32(at + 2, address + 2, link - 4)) {
        return -1;
    }
    at[0] = 0xff;
    at[1] = 0x25;
    return 0;
}

// The forms that Intel's manual recommends (vol. 2B, NOP), longest first.
void
patch_padding(uint8_t *at, size_t size)
{
    static const uint8_t nops[9][9] = {
        { 0x90 },
        { 0x66, 0x90 },
        { 0x0f, 0x1f, 0x00 },
        { 0x0f, 0x1f, 0x40, 0x00 },
        { 0x0f, 0x1f, 0x44, 0x00, 0x00 },
        { 0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00 },
        { 0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00 },
        { 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00 },
        { 0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00 },
    };
    while (size) {
        size_t n = size < 9 ? size : 9;
        memcpy(at, nops[n - 1], n);
        at += n;
        size -= n;
    }
}

// jcc rel32: the lowest bit of the condition negates it.
bool
patch_inverse(uint8_t *at, uint64_t address, uint64_t to)
{
    bool is_jcc = at[-2] == 0x0f && (at[-1] & 0xf0) == 0x80;
    if (!is_jcc || patch_rel32(at, address, to - 4) != 0) {
        return false;
    }
    at[-1] ^= 1;
    return true;
}

#endif
