// enter_x86_64_windows.c - enter_x86_64.c for Windows: other registers carry arguments (rcx, rdx) and
// are kept (rsi, rdi, xmm6-15 besides), and unwinding goes by tables. Built, never run.
#if defined(_WIN32) && (defined(__x86_64__) || defined(_M_X64))

#include "back/enter_windows.h"

// void emit_enter(Activation *act (rcx), const uint8_t *machine_code (rdx))
__asm__(
    ".text\n"
    ".p2align 4\n"
    ".globl emit_enter\n"
    ".seh_proc emit_enter\n"
    "emit_enter:\n"
    "    pushq %rbp\n"
    "    .seh_pushreg %rbp\n"
    "    pushq %rbx\n"
    "    .seh_pushreg %rbx\n"
    "    pushq %rsi\n"
    "    .seh_pushreg %rsi\n"
    "    pushq %rdi\n"
    "    .seh_pushreg %rdi\n"
    "    pushq %r12\n"
    "    .seh_pushreg %r12\n"
    "    pushq %r13\n"
    "    .seh_pushreg %r13\n"
    "    pushq %r14\n"
    "    .seh_pushreg %r14\n"
    "    pushq %r15\n"
    "    .seh_pushreg %r15\n"
    "    subq $168, %rsp\n"                     // ten xmm registers, and a call's alignment
    "    .seh_stackalloc 168\n"
    "    leaq 160(%rsp), %rbp\n"
    "    .seh_setframe %rbp, 160\n"
    "    movaps %xmm6, 0(%rsp)\n"
    "    .seh_savexmm %xmm6, 0\n"
    "    movaps %xmm7, 16(%rsp)\n"
    "    .seh_savexmm %xmm7, 16\n"
    "    movaps %xmm8, 32(%rsp)\n"
    "    .seh_savexmm %xmm8, 32\n"
    "    movaps %xmm9, 48(%rsp)\n"
    "    .seh_savexmm %xmm9, 48\n"
    "    movaps %xmm10, 64(%rsp)\n"
    "    .seh_savexmm %xmm10, 64\n"
    "    movaps %xmm11, 80(%rsp)\n"
    "    .seh_savexmm %xmm11, 80\n"
    "    movaps %xmm12, 96(%rsp)\n"
    "    .seh_savexmm %xmm12, 96\n"
    "    movaps %xmm13, 112(%rsp)\n"
    "    .seh_savexmm %xmm13, 112\n"
    "    movaps %xmm14, 128(%rsp)\n"
    "    .seh_savexmm %xmm14, 128\n"
    "    movaps %xmm15, 144(%rsp)\n"
    "    .seh_savexmm %xmm15, 144\n"
    "    .seh_endprologue\n"
    "    movq %rcx, %r12\n"
    "    call *%rdx\n"
    "    movaps 0(%rsp), %xmm6\n"
    "    movaps 16(%rsp), %xmm7\n"
    "    movaps 32(%rsp), %xmm8\n"
    "    movaps 48(%rsp), %xmm9\n"
    "    movaps 64(%rsp), %xmm10\n"
    "    movaps 80(%rsp), %xmm11\n"
    "    movaps 96(%rsp), %xmm12\n"
    "    movaps 112(%rsp), %xmm13\n"
    "    movaps 128(%rsp), %xmm14\n"
    "    movaps 144(%rsp), %xmm15\n"
    "    addq $168, %rsp\n"
    "    popq %r15\n"
    "    popq %r14\n"
    "    popq %r13\n"
    "    popq %r12\n"
    "    popq %rdi\n"
    "    popq %rsi\n"
    "    popq %rbx\n"
    "    popq %rbp\n"
    "    ret\n"
    "    .seh_endproc\n"
);

// UNWIND_INFO, version 1: no prologue of its own (compiled code is always behind it), 31 slots, rbp
// 160 above the stack pointer at its lowest. The codes undo the prologue above from its end.
enum { PUSH = 0, ALLOC_LARGE = 1, SET_FRAME = 3, SAVE_XMM = 8 };
#define SLOT(operation, info) 0, (operation) | (info) << 4
#define XMM(n) SLOT(SAVE_XMM, n), (n) - 6, 0
const uint8_t enter_unwind[] = {
    1, 0, 31, 5 | 160 / 16 << 4,
    XMM(15), XMM(14), XMM(13), XMM(12), XMM(11), XMM(10), XMM(9), XMM(8), XMM(7), XMM(6),
    SLOT(SET_FRAME, 0),
    SLOT(ALLOC_LARGE, 0), 168 / 8, 0,
    SLOT(PUSH, 15), SLOT(PUSH, 14), SLOT(PUSH, 13), SLOT(PUSH, 12), SLOT(PUSH, 7), SLOT(PUSH, 6),
    SLOT(PUSH, 3), SLOT(PUSH, 5),
    0, 0,                               // the slots are even in number
};
const uint32_t enter_unwind_size = sizeof(enter_unwind);
_Static_assert(sizeof(enter_unwind) == 4 + 2 * (31 + 1), "count of slots");

RUNTIME_FUNCTION *
enter_unwind_entry(uint32_t offset)
{
    static RUNTIME_FUNCTION entry;      // one stands for all
    (void)offset;
    entry.BeginAddress = sizeof(enter_unwind);
    entry.EndAddress = UINT32_MAX;
    entry.UnwindData = 0;
    return &entry;
}

#endif
