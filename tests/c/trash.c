// trash.c - as unkind as a C function may be: nothing that it may change is left as it was.
#include "random_trace.h"

#if defined(__x86_64__)

__attribute__((noinline)) void
trash(void)
{
    __asm__ volatile(
        "movq $-0x5555, %%rax\n movq %%rax, %%rcx\n movq %%rax, %%rdx\n movq %%rax, %%rsi\n"
        "movq %%rax, %%rdi\n movq %%rax, %%r8\n movq %%rax, %%r9\n movq %%rax, %%r10\n"
        "movq %%rax, %%r11\n movq %%rax, %%xmm0\n movaps %%xmm0, %%xmm1\n"
        "movaps %%xmm0, %%xmm2\n movaps %%xmm0, %%xmm3\n movaps %%xmm0, %%xmm4\n"
        "movaps %%xmm0, %%xmm5\n movaps %%xmm0, %%xmm6\n movaps %%xmm0, %%xmm7\n"
        ::: "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2",
            "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "memory", "cc");
}

#elif defined(__aarch64__)

__attribute__((noinline)) void
trash(void)
{
    __asm__ volatile(
        "mov x0, #-0x5555\n mov x1, x0\n mov x2, x0\n mov x3, x0\n mov x4, x0\n mov x5, x0\n"
        "mov x6, x0\n mov x7, x0\n mov x8, x0\n mov x9, x0\n mov x10, x0\n mov x11, x0\n"
        "mov x12, x0\n mov x13, x0\n mov x14, x0\n mov x15, x0\n mov x16, x0\n mov x17, x0\n"
        "fmov d0, x0\n fmov d1, x0\n fmov d2, x0\n fmov d3, x0\n fmov d4, x0\n fmov d5, x0\n"
        "fmov d6, x0\n fmov d7, x0\n fmov d16, x0\n fmov d17, x0\n fmov d31, x0\n"
        ::: "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
            "x14", "x15", "x16", "x17", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v16",
            "v17", "v31", "memory", "cc");
}

#endif
