// enter_aarch64_windows.c - enter_aarch64.c for Windows, where unwinding goes by tables. x18 is the
// system's and stays. Built, never run.
#if defined(_WIN32) && (defined(__aarch64__) || defined(_M_ARM64))

#include "back/enter_windows.h"

// void emit_enter(Activation *act (x0), const uint8_t *machine_code (x1))
__asm__(
    ".text\n"
    ".p2align 4\n"
    ".globl emit_enter\n"
    ".seh_proc emit_enter\n"
    "emit_enter:\n"
    "    stp x29, x30, [sp, #-160]!\n"
    "    .seh_save_fplr_x 160\n"
    "    mov x29, sp\n"
    "    .seh_set_fp\n"
    "    stp x19, x20, [sp, #16]\n"
    "    .seh_save_regp x19, 16\n"
    "    stp x21, x22, [sp, #32]\n"
    "    .seh_save_regp x21, 32\n"
    "    stp x23, x24, [sp, #48]\n"
    "    .seh_save_regp x23, 48\n"
    "    stp x25, x26, [sp, #64]\n"
    "    .seh_save_regp x25, 64\n"
    "    stp x27, x28, [sp, #80]\n"
    "    .seh_save_regp x27, 80\n"
    "    stp d8, d9, [sp, #96]\n"
    "    .seh_save_fregp d8, 96\n"
    "    stp d10, d11, [sp, #112]\n"
    "    .seh_save_fregp d10, 112\n"
    "    stp d12, d13, [sp, #128]\n"
    "    .seh_save_fregp d12, 128\n"
    "    stp d14, d15, [sp, #144]\n"
    "    .seh_save_fregp d14, 144\n"
    "    .seh_endprologue\n"
    "    mov x20, x0\n"
    "    isb\n"
    "    blr x1\n"
    "    .seh_startepilogue\n"
    "    ldp d14, d15, [sp, #144]\n"
    "    .seh_save_fregp d14, 144\n"
    "    ldp d12, d13, [sp, #128]\n"
    "    .seh_save_fregp d12, 128\n"
    "    ldp d10, d11, [sp, #112]\n"
    "    .seh_save_fregp d10, 112\n"
    "    ldp d8, d9, [sp, #96]\n"
    "    .seh_save_fregp d8, 96\n"
    "    ldp x27, x28, [sp, #80]\n"
    "    .seh_save_regp x27, 80\n"
    "    ldp x25, x26, [sp, #64]\n"
    "    .seh_save_regp x25, 64\n"
    "    ldp x23, x24, [sp, #48]\n"
    "    .seh_save_regp x23, 48\n"
    "    ldp x21, x22, [sp, #32]\n"
    "    .seh_save_regp x21, 32\n"
    "    ldp x19, x20, [sp, #16]\n"
    "    .seh_save_regp x19, 16\n"
    "    ldp x29, x30, [sp], #160\n"
    "    .seh_save_fplr_x 160\n"
    "    .seh_endepilogue\n"
    "    ret\n"
    "    .seh_endproc\n"
);

// An entry covers a stretch of code memory, as if that were a fragment of one function: its codes
// begin with end_c, "no prologue here", and then undo the prologue above. The stack pointer is taken
// from x29 first: compiled code may have moved it, and the saves are read relative to it.
enum { STRETCH = 512 << 10, LARGEST = 128 << 20 };
#define HEADER(words) (STRETCH / 4 | (uint32_t)(words) << 27)   // length, no epilogues, code words
#define BYTES(word) (word) & 0xff, (word) >> 8 & 0xff, (word) >> 16 & 0xff, (word) >> 24
// save_regp: 110010xx xxzzzzzz, pair of x(19+x) at 8*z; save_fregp: 1101100x xxzzzzzz, of d(8+x)
#define REGP(n, at) 0xc8 | ((n) - 19) >> 2, (((n) - 19) & 3) << 6 | (at) / 8
#define FREGP(n, at) 0xd8 | ((n) - 8) >> 2, (((n) - 8) & 3) << 6 | (at) / 8
const uint8_t enter_unwind[] = {
    BYTES(HEADER(7)),
    0xe5,                               // end_c
    0xe1,                               // set_fp
    FREGP(14, 144), FREGP(12, 128), FREGP(10, 112), FREGP(8, 96),
    REGP(27, 80), REGP(25, 64), REGP(23, 48), REGP(21, 32), REGP(19, 16),
    0x80 | (160 / 8 - 1),               // save_fplr_x
    0xe4,                               // end
    0xe3, 0xe3, 0xe3, 0xe3, 0xe3, 0xe3, // nop, to a whole word
};
const uint32_t enter_unwind_size = sizeof(enter_unwind);
_Static_assert(sizeof(enter_unwind) == 4 + 4 * 7, "count of code words");

RUNTIME_FUNCTION *
enter_unwind_entry(uint32_t offset)
{
    static RUNTIME_FUNCTION entries[LARGEST / STRETCH];
    uint32_t stretch = offset / STRETCH;
    if (stretch >= LARGEST / STRETCH) {
        return NULL;
    }
    entries[stretch].BeginAddress = stretch * STRETCH;
    entries[stretch].UnwindData = 0;    // 0 in its two lowest bits: an address
    return &entries[stretch];
}

#endif
