// codemem.h - executable memory: reserved near the interpreter, never writable and executable
// at once, bounded. And pointers within its reach, which may change at any time.
#ifndef JITPATCH_CODEMEM_H
#define JITPATCH_CODEMEM_H

#include <stddef.h>
#include <stdint.h>

typedef struct { size_t reserved, used, limit; unsigned blocks; } CodememStats;

// Reserve `limit` bytes of address space, or as many as a jump reaches, as near to `near` as
// possible.
// Nothing is committed yet. 0 or -1; on failure codemem_error() says why in one line.
int codemem_init(size_t limit, const void *near);
const char *codemem_error(void);
void codemem_share_pages(int on);                   // for tests: from codemem_init on as if pages were large
// Is `target` in reach of a call from everywhere in code memory?
int codemem_reaches(const void *target);
void codemem_reach_nothing(int on);                 // for tests: as if all targets were too far
// A block of `size` bytes at its final address, or NULL when the limit is reached. Write it
// through codemem_begin_write/codemem_end_write only.
uint8_t *codemem_alloc(size_t size);
size_t codemem_whole(size_t size);                  // that it takes, with what is left of its last page
int codemem_begin_write(uint8_t *at, size_t size);  // pages become writable, not executable
int codemem_end_write(uint8_t *at, size_t size);    // published: executable, instruction cache clean
void codemem_free(uint8_t *block, size_t size);
// n pointers that compiled code can jump through (patch_through); NULL: none left. n may be 0.
void **codemem_alloc_links(size_t n);
void codemem_free_links(void **links, size_t n);
void codemem_stats(CodememStats *out);
void codemem_fini(void);

#endif
