// enter_aarch64.c - from C's calling convention to the stencils' and back.
//
// Stencils are preserve_none functions: they keep the link register, and the frame pointer, which
// they never touch; no other one. So this function saves what C wants kept, and its frame (x29)
// stays in place for all compiled code that runs below it: an unwinder that follows frame pointers
// passes through.
//
// The activation goes into x20, the first argument register of preserve_none; r0..r7 and f0..f7
// hold nothing on entry. The code returns here with `ret` (emit.c, the leaving block).
//
// isb: another thread may have published this code. Its caches are clean by then; what this
// processor fetched ahead goes here.
#if defined(__aarch64__) && !defined(_WIN32)

#include "back/enter_symbol.h"

// void emit_enter(Activation *act (x0), const uint8_t *machine_code (x1))
__asm__(
    ENTER_BEGIN
    "    .cfi_startproc\n"
    "    hint #34\n"                            // bti c
    "    stp x29, x30, [sp, #-160]!\n"
    "    .cfi_def_cfa_offset 160\n"
    "    .cfi_offset x29, -160\n"
    "    .cfi_offset x30, -152\n"
    "    mov x29, sp\n"
    "    .cfi_def_cfa_register x29\n"
    "    stp x19, x20, [sp, #16]\n"
    "    stp x21, x22, [sp, #32]\n"
    "    stp x23, x24, [sp, #48]\n"
    "    stp x25, x26, [sp, #64]\n"
    "    stp x27, x28, [sp, #80]\n"
    "    stp d8, d9, [sp, #96]\n"
    "    stp d10, d11, [sp, #112]\n"
    "    stp d12, d13, [sp, #128]\n"
    "    stp d14, d15, [sp, #144]\n"
    "    .cfi_offset x19, -144\n"
    "    .cfi_offset x20, -136\n"
    "    .cfi_offset x21, -128\n"
    "    .cfi_offset x22, -120\n"
    "    .cfi_offset x23, -112\n"
    "    .cfi_offset x24, -104\n"
    "    .cfi_offset x25, -96\n"
    "    .cfi_offset x26, -88\n"
    "    .cfi_offset x27, -80\n"
    "    .cfi_offset x28, -72\n"
    "    .cfi_offset b8, -64\n"
    "    .cfi_offset b9, -56\n"
    "    .cfi_offset b10, -48\n"
    "    .cfi_offset b11, -40\n"
    "    .cfi_offset b12, -32\n"
    "    .cfi_offset b13, -24\n"
    "    .cfi_offset b14, -16\n"
    "    .cfi_offset b15, -8\n"
    "    mov x20, x0\n"
    "    isb\n"
    "    blr x1\n"
    "    ldp x19, x20, [sp, #16]\n"
    "    ldp x21, x22, [sp, #32]\n"
    "    ldp x23, x24, [sp, #48]\n"
    "    ldp x25, x26, [sp, #64]\n"
    "    ldp x27, x28, [sp, #80]\n"
    "    ldp d8, d9, [sp, #96]\n"
    "    ldp d10, d11, [sp, #112]\n"
    "    ldp d12, d13, [sp, #128]\n"
    "    ldp d14, d15, [sp, #144]\n"
    "    ldp x29, x30, [sp], #160\n"
    "    .cfi_def_cfa sp, 0\n"
    "    ret\n"
    "    .cfi_endproc\n"
    ENTER_END
);

#endif
