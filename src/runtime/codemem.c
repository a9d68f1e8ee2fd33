// codemem.c - executable memory in one reservation near the interpreter.
//
// Address space is reserved once, without access; pages get access when something is written
// there. A page is writable or executable, never both: codemem_begin_write and codemem_end_write
// switch the pages of one block. Nobody executes them in between, for we hold the GIL, and a
// thread that is suspended in compiled code needs the GIL to get back there.
//
// Blocks come first fit from a list of free ranges, sorted by address and merged on free. What asks
// the operating system is in pages_*.c.
#include "codemem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pages.h"
#include "patch.h"

enum { GRANULE = 64, PROBE_STEP = 16 << 20 };

typedef struct Range {
    uint8_t *start;
    size_t size;
    struct Range *next;
} Range;

static struct {
    uint8_t *start;                     // of the reservation
    size_t size;
    size_t used;
    unsigned blocks;
    Range *ranges;                      // free, by address
    char error[160];
} memory;

const char *
codemem_error(void)
{
    return memory.error;
}

// --- reserving ----------------------------------------------------------------------------------

// Try further and further from `near`, below and above; anywhere if all is taken.
static uint8_t *
reserve(uintptr_t near, size_t size)
{
    near &= ~(uintptr_t)(PROBE_STEP - 1);
    for (uintptr_t away = PROBE_STEP; near && away + size < patch_sizes.reach; away += PROBE_STEP) {
        uint8_t *p = NULL;
        if (near > away + size + PROBE_STEP) {
            p = pages_reserve(near - away - size, size);
        }
        if (!p) {
            p = pages_reserve(near + PROBE_STEP + away, size);
        }
        if (p) {
            return p;
        }
    }
    return pages_reserve(0, size);
}

int
codemem_init(size_t limit, const void *near)
{
    size_t page = pages_size();
    limit = limit < patch_sizes.reach ? limit : patch_sizes.reach;     // traces jump to each other
    size_t size = (limit + page - 1) & ~(page - 1);
    Range *all = malloc(sizeof(Range));
    memory.start = all ? reserve((uintptr_t)near, size) : NULL;
    if (!memory.start) {
        snprintf(memory.error, sizeof(memory.error), "cannot reserve %zu bytes for code: %s", size,
                 all ? pages_error() : "out of memory");
        free(all);
        return -1;
    }
    *all = (Range){ memory.start + pages_head(), size - pages_head(), NULL };
    memory.size = size;
    memory.ranges = all;
    memory.used = memory.blocks = 0;
    return 0;
}

void
codemem_fini(void)
{
    while (memory.ranges) {
        Range *next = memory.ranges->next;
        free(memory.ranges);
        memory.ranges = next;
    }
    if (memory.start) {
        pages_release(memory.start, memory.size);
    }
    memory.start = NULL;
    memory.size = memory.used = memory.blocks = 0;
}

static int reaches_nothing;

void
codemem_reach_nothing(int on)
{
    reaches_nothing = on;
}

int
codemem_reaches(const void *target)
{
    if (reaches_nothing) {
        return 0;
    }
    uintptr_t low = (uintptr_t)memory.start, high = low + memory.size, to = (uintptr_t)target;
    uintptr_t from_low = to > low ? to - low : low - to;
    uintptr_t from_high = to > high ? to - high : high - to;
    return from_low < patch_sizes.reach && from_high < patch_sizes.reach;
}

// --- blocks -------------------------------------------------------------------------------------

static size_t
round_up(size_t size)
{
    return (size + GRANULE - 1) & ~(size_t)(GRANULE - 1);
}

uint8_t *
codemem_alloc(size_t size)
{
    size = round_up(size);
    for (Range **at = &memory.ranges; *at; at = &(*at)->next) {
        Range *range = *at;
        if (range->size < size) {
            continue;
        }
        uint8_t *block = range->start;
        range->start += size;
        range->size -= size;
        if (range->size == 0) {
            *at = range->next;
            free(range);
        }
        memory.used += size;
        memory.blocks++;
        return block;
    }
    return NULL;
}

// Merge a range with the one behind it, if they touch.
static void
merge_next(Range *range)
{
    Range *next = range->next;
    if (next && range->start + range->size == next->start) {
        range->size += next->size;
        range->next = next->next;
        free(next);
    }
}

void
codemem_free(uint8_t *block, size_t size)
{
    size = round_up(size);
    memory.used -= size;
    memory.blocks--;
    Range *before = NULL, *behind = memory.ranges;
    while (behind && behind->start < block) {
        before = behind;
        behind = behind->next;
    }
    if (before && before->start + before->size == block) {
        before->size += size;
        merge_next(before);
        return;
    }
    if (behind && block + size == behind->start) {
        behind->start = block;
        behind->size += size;
        return;
    }
    Range *range = malloc(sizeof(Range));
    if (!range) {
        return;                         // lost until codemem_fini; bounded by the limit
    }
    *range = (Range){ block, size, behind };
    *(before ? &before->next : &memory.ranges) = range;
}

// --- access -------------------------------------------------------------------------------------

int
codemem_begin_write(uint8_t *at, size_t size)
{
    return pages_begin_write(at, size);
}

int
codemem_end_write(uint8_t *at, size_t size)
{
    return pages_end_write(at, size);
}

void
codemem_stats(CodememStats *out)
{
    *out = (CodememStats){ .reserved = memory.size, .used = memory.used, .limit = memory.size,
                           .blocks = memory.blocks };
}
