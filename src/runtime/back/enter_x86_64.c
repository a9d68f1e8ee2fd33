// enter_x86_64.c - from C's calling convention to the stencils' and back.
//
// Stencils are preserve_none functions: they keep no register but rbp, which they never touch.
// So this function saves what C wants kept, and its frame (rbp) stays in place for all compiled
// code that runs below it: an unwinder that follows frame pointers passes through.
//
// The activation goes into r12, the first argument register of preserve_none; r0..r7 and f0..f7
// hold nothing on entry. The code returns here with `ret` (emit.c, the leaving block).
#if defined(__x86_64__) && !defined(_WIN32)

#include "back/enter_symbol.h"

// void emit_enter(Activation *act (rdi), const uint8_t *machine_code (rsi))
__asm__(
    ENTER_BEGIN
    "    .cfi_startproc\n"
    "    pushq %rbp\n"
    "    .cfi_def_cfa_offset 16\n"
    "    .cfi_offset %rbp, -16\n"
    "    movq %rsp, %rbp\n"
    "    .cfi_def_cfa_register %rbp\n"
    "    pushq %rbx\n"
    "    pushq %r12\n"
    "    pushq %r13\n"
    "    pushq %r14\n"
    "    pushq %r15\n"
    "    .cfi_offset %rbx, -24\n"
    "    .cfi_offset %r12, -32\n"
    "    .cfi_offset %r13, -40\n"
    "    .cfi_offset %r14, -48\n"
    "    .cfi_offset %r15, -56\n"
    "    subq $8, %rsp\n"               // a call must find rsp a multiple of 16
    "    movq %rdi, %r12\n"
    "    call *%rsi\n"
    "    addq $8, %rsp\n"
    "    popq %r15\n"
    "    popq %r14\n"
    "    popq %r13\n"
    "    popq %r12\n"
    "    popq %rbx\n"
    "    popq %rbp\n"
    "    .cfi_def_cfa %rsp, 8\n"
    "    ret\n"
    "    .cfi_endproc\n"
    ENTER_END
);

#endif
