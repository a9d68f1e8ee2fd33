// ours.h - how data is declared that several files look at.
#ifndef JITPATCH_OURS_H
#define JITPATCH_OURS_H

// Data of the runtime's own that fast paths look at: told where it lies, the compiler needs no table of addresses. (An
// option that hides what is defined does not tell it of what is only declared.)
#ifdef __ELF__
#define OURS extern __attribute__((visibility("hidden")))
#else
#define OURS extern
#endif

#endif
