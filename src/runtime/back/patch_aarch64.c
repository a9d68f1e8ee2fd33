// patch_aarch64.c - holes, jumps and padding on AArch64.
//
// Every hole but ABS64 is a field of a 4-byte instruction, which is read, checked, and written
// again with the other bits as they were. A value that does not fit its hole is an abort, never
// wrong code. Instructions are little-endian whatever machine this runs on.
// Reference: Arm ARM, C6.2 (instructions); ELF for the Arm 64-bit Architecture, 5.7 (relocations).
#if defined(__aarch64__) || defined(JITPATCH_ANY_MACHINE)

#include "back/patch.h"

// 126 MiB: a branch reaches 128, and code memory lies in one reservation.
const PatchSizes patch_sizes = {
    .jump = 4, .leave = 4, .veneer = 16, .through = 12, .loop_align = 16, .reach = 126 << 20,
};

static uint32_t
read32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static int
write32(uint8_t *at, uint32_t value)
{
    for (int k = 0; k < 4; k++) {
        at[k] = (uint8_t)(value >> 8 * k);
    }
    return 0;
}

// Replace the `bits` bits of the instruction from bit `low` on.
static int
write_field(uint8_t *at, unsigned low, unsigned bits, uint64_t value)
{
    uint32_t mask = ((1u << bits) - 1) << low;
    return write32(at, (read32(at) & ~mask) | ((uint32_t)value << low & mask));
}

// Is it one of -2^(bits-1) .. 2^(bits-1)-1?
static bool
is_signed(int64_t value, unsigned bits)
{
    int64_t limit = (int64_t)1 << (bits - 1);
    return -limit <= value && value < limit;
}

static int
patch_abs64(uint8_t *at, uint64_t address, uint64_t value)
{
    (void)address;
    write32(at, (uint32_t)value);
    return write32(at + 4, (uint32_t)(value >> 32));
}

// A distance counted in instructions.
static int
write_branch(uint8_t *at, uint64_t address, uint64_t value, unsigned low, unsigned bits)
{
    int64_t distance = (int64_t)(value - address);
    if (distance & 3 || !is_signed(distance, bits + 2)) {
        return -1;
    }
    return write_field(at, low, bits, (uint64_t)distance >> 2);
}

static int
patch_branch26(uint8_t *at, uint64_t address, uint64_t value)
{
    return write_branch(at, address, value, 0, 26);
}

static int
patch_rel19(uint8_t *at, uint64_t address, uint64_t value)
{
    return write_branch(at, address, value, 5, 19);
}

// adr and adrp: two bits of the distance stand apart.
static int
write_adr(uint8_t *at, int64_t distance)
{
    if (!is_signed(distance, 21)) {
        return -1;
    }
    write_field(at, 29, 2, (uint64_t)distance);
    return write_field(at, 5, 19, (uint64_t)distance >> 2);
}

static int
patch_adr21(uint8_t *at, uint64_t address, uint64_t value)
{
    return write_adr(at, (int64_t)(value - address));
}

static int
patch_page21(uint8_t *at, uint64_t address, uint64_t value)
{
    return write_adr(at, (int64_t)((value & ~(uint64_t)0xfff) - (address & ~(uint64_t)0xfff)) >> 12);
}

static int
patch_add12(uint8_t *at, uint64_t address, uint64_t value)
{
    (void)address;
    return write_field(at, 10, 12, value);
}

// log2 of the bytes that a ldr or str with an unsigned offset accesses: its two upper bits, but
// for the 16 bytes of a whole vector register.
static unsigned
access_size(uint32_t instruction)
{
    bool is_vector = instruction >> 26 & 1, is_wide = instruction >> 23 & 1;
    return is_vector && is_wide && instruction >> 30 == 0 ? 4 : instruction >> 30;
}

static int
patch_load12(uint8_t *at, uint64_t address, uint64_t value)
{
    (void)address;
    unsigned unit = access_size(read32(at));
    if (value & ((1u << unit) - 1)) {
        return -1;
    }
    return write_field(at, 10, 12, (value & 0xfff) >> unit);
}

static int
patch_movw0(uint8_t *at, uint64_t address, uint64_t value)
{
    (void)address;
    return write_field(at, 5, 16, value);
}

static int
patch_movw1(uint8_t *at, uint64_t address, uint64_t value)
{
    return patch_movw0(at, address, value >> 16);
}

static int
patch_movw2(uint8_t *at, uint64_t address, uint64_t value)
{
    return patch_movw0(at, address, value >> 32);
}

static int
patch_movw3(uint8_t *at, uint64_t address, uint64_t value)
{
    return patch_movw0(at, address, value >> 48);
}

// The sign chooses the instruction: movz sets the other bits to 0, movn sets them to 1 and takes
// the complement. (A movk that follows sets the low bits.)
static int
patch_movw1s(uint8_t *at, uint64_t address, uint64_t value)
{
    if (!is_signed((int64_t)value, 32)) {
        return -1;
    }
    bool negative = (int64_t)value < 0;
    write_field(at, 29, 2, negative ? 0 : 2);
    return patch_movw1(at, address, negative ? ~value : value);
}

const PatchFunction patch_functions[PATCH_KINDS] = {
    [PATCH_ABS64] = patch_abs64,
    [PATCH_BRANCH26] = patch_branch26,
    [PATCH_REL19] = patch_rel19,
    [PATCH_ADR21] = patch_adr21,
    [PATCH_PAGE21] = patch_page21,
    [PATCH_ADD12] = patch_add12,
    [PATCH_LOAD12] = patch_load12,
    [PATCH_MOVW0] = patch_movw0,
    [PATCH_MOVW1] = patch_movw1,
    [PATCH_MOVW2] = patch_movw2,
    [PATCH_MOVW3] = patch_movw3,
    [PATCH_MOVW1S] = patch_movw1s,
};

bool
patch_fits(PatchKind kind, uint64_t value)
{
    return kind != PATCH_MOVW1S || is_signed((int64_t)value, 32);
}

bool
patch_is_branch(PatchKind kind, const uint8_t *at)
{
    (void)at;
    return kind == PATCH_BRANCH26;
}

// b
int
patch_jump(uint8_t *at, uint64_t address, uint64_t to)
{
    uint8_t code[4];
    write32(code, 0x14000000);
    if (patch_branch26(code, address, to)) {
        return -1;
    }
    return write32(at, read32(code));
}

// ret
void
patch_leave(uint8_t *at)
{
    write32(at, 0xd65f03c0);
}

// ldr x16, .+8; br x16; address. x16 is the register that the platforms keep for this.
void
patch_veneer(uint8_t *at, uint64_t to)
{
    write32(at, 0x58000050);
    write32(at + 4, 0xd61f0200);
    patch_abs64(at + 8, 0, to);
}

// adrp x16, link; ldr x16, [x16, link]; br x16
int
patch_through(uint8_t *at, uint64_t address, uint64_t link)
{
    write32(at, 0x90000010);
    write32(at + 4, 0xf9400210);
    write32(at + 8, 0xd61f0200);
    return patch_page21(at, address, link) || patch_load12(at + 4, address + 4, link) ? -1 : 0;
}

// nop
void
patch_padding(uint8_t *at, size_t size)
{
    for (size_t k = 0; k + 4 <= size; k += 4) {
        write32(at + k, 0xd503201f);
    }
}

// b.cond: the lowest bit of the condition negates it, but for "always". cbz and cbnz differ in a bit.
bool
patch_inverse(uint8_t *at, uint64_t address, uint64_t to)
{
    uint32_t code = read32(at);
    bool is_cond = (code & 0xff000010) == 0x54000000 && (code & 0xe) != 0xe;
    bool is_cbz = (code & 0x7e000000) == 0x34000000;
    if ((!is_cond && !is_cbz) || patch_rel19(at, address, to) != 0) {
        return false;
    }
    write32(at, read32(at) ^ (is_cond ? 1 : 1 << 24));
    return true;
}

#endif
