// pages.h - the operating system's part of code memory: address space, and access to its pages.
// One file per system, pages_*.c, empty on another one. codemem.c is the only user.
//
// A page is never writable and executable at once for a thread. Writing happens between
// pages_begin_write and pages_end_write, of the same range, with the GIL held.
#ifndef JITPATCH_PAGES_H
#define JITPATCH_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

size_t pages_size(void);
// Bytes at the start of every reservation that are the system's own (a multiple of the page size).
size_t pages_head(void);
// Address space at `hint`, or anywhere if it is 0; NULL if that cannot be had. Nothing is
// committed yet. Both are multiples of the page size.
uint8_t *pages_reserve(uintptr_t hint, size_t size);
void pages_release(uint8_t *start, size_t size);
const char *pages_error(void);                          // why the last call failed
// Blocks of code are multiples of this, a power of two up to the page size. Where it is the page size,
// code never shares a page: none that holds code is written again, and pages are prepared in advance.
size_t pages_unit(void);
// Memory never used so far becomes plain data, writable and not executable: 0 or -1. For what is not
// code; and for code where pages_unit() says so, which is published by pages_end_write alone.
int pages_prepare(uint8_t *at, size_t size);
// Writable from here on, 0 or -1. `shared`: there may be other code in these pages.
int pages_begin_write(uint8_t *at, size_t size, bool shared);
int pages_end_write(uint8_t *at, size_t size);          // executable, instruction cache clean

#endif
