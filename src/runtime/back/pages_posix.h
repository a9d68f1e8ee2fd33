// pages_posix.h - what pages_linux.c and pages_macos.c share beyond pages.h.
#ifndef JITPATCH_PAGES_POSIX_H
#define JITPATCH_PAGES_POSIX_H

#include "back/pages.h"

// mprotect for all pages that the range touches: 0, or -1 and errno.
int pages_protect(uint8_t *at, size_t size, int access);

#endif
