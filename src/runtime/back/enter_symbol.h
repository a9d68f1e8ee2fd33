// enter_symbol.h - a hidden function written in assembly, as ELF and Mach-O want it announced.
#ifndef JITPATCH_ENTER_SYMBOL_H
#define JITPATCH_ENTER_SYMBOL_H

#if defined(__APPLE__)
#define ENTER_BEGIN ".text\n.p2align 4\n.globl _emit_enter\n.private_extern _emit_enter\n_emit_enter:\n"
#define ENTER_END ""
#else
#define ENTER_BEGIN \
    ".text\n.p2align 4\n.globl emit_enter\n.hidden emit_enter\n.type emit_enter, %function\nemit_enter:\n"
#define ENTER_END ".size emit_enter, .-emit_enter\n"
#endif

#endif
