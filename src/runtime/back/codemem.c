// codemem.c - executable memory, and the links of exits, in one reservation near the interpreter.
//
// Address space is reserved once, without access; pages get access when something is written
// there. A page is writable or executable, never both: codemem_begin_write and codemem_end_write
// switch the pages of one block. Nobody executes them in between, for we hold the GIL, and a
// thread that is suspended in compiled code needs the GIL to get back there.
//
// A call of the system costs 2 microseconds here, as much as copying a whole trace. So where pages are
// small a block has its pages for itself (pages_unit): memory never used becomes writable many pages at
// a time, and a block is published by one call. What must change later, where a linked exit goes, is no
// code: it lies in the second heap, whose pages are never executable.
//
// Blocks come first fit from a list of free ranges, sorted by address and merged on free. What asks
// the operating system is in pages_*.c.
#include "back/codemem.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "back/pages.h"
#include "back/patch.h"

enum { LINE = 64, PROBE_STEP = 16 << 20, LINKS_SHARE = 8, CODE_AHEAD = 64 << 10, LINKS_AHEAD = 16 << 10 };

typedef struct Range {
    uint8_t *start;
    size_t size;
    struct Range *next;
} Range;

typedef struct {
    Range *ranges;                      // free, by address
    uint8_t *end;
    uint8_t *ready;                     // from `written` up to here pages are writable
    uint8_t *written;                   // nothing was ever published from here on
    size_t unit;                        // blocks are multiples of it
    size_t used;
    unsigned blocks, serial;            // there are now, there ever were
} Heap;

static struct {
    uint8_t *start;                     // of the reservation
    size_t size, limit;                 // of all, of code
    Heap code, links;
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

static bool
heap_init(Heap *heap, uint8_t *start, uint8_t *end, size_t unit)
{
    Range *all = malloc(sizeof(Range));
    *heap = (Heap){ .ranges = all, .end = end, .ready = start, .written = start, .unit = unit };
    if (all) {
        *all = (Range){ start, (size_t)(end - start), NULL };
    }
    return all != NULL;
}

static void
heap_fini(Heap *heap)
{
    while (heap->ranges) {
        Range *next = heap->ranges->next;
        free(heap->ranges);
        heap->ranges = next;
    }
}

static int sharing;

void
codemem_share_pages(int on)
{
    sharing = on;
}

int
codemem_init(size_t limit, const void *near)
{
    size_t page = pages_size(), most = patch_sizes.reach / (LINKS_SHARE + 1) * LINKS_SHARE;
    limit = limit < most ? limit : most;        // traces jump to each other
    limit = (limit + page - 1) & ~(page - 1);
    size_t links = (limit / LINKS_SHARE + page - 1) & ~(page - 1);
    memory.size = limit + links;
    memory.limit = limit;
    memory.start = reserve((uintptr_t)near, memory.size);
    if (!memory.start) {
        snprintf(memory.error, sizeof(memory.error), "cannot reserve %zu bytes for code: %s", memory.size,
                 pages_error());
        return -1;
    }
    uint8_t *middle = memory.start + limit;
    bool done = heap_init(&memory.code, memory.start + pages_head(), middle, sharing ? LINE : pages_unit());
    if (!heap_init(&memory.links, middle, middle + links, sizeof(void *)) || !done) {
        snprintf(memory.error, sizeof(memory.error), "cannot reserve memory for code: out of memory");
        codemem_fini();
        return -1;
    }
    return 0;
}

void
codemem_fini(void)
{
    heap_fini(&memory.code);
    heap_fini(&memory.links);
    if (memory.start) {
        pages_release(memory.start, memory.size);
    }
    memory.start = NULL;
    memory.size = memory.limit = 0;
    memory.code = memory.links = (Heap){ 0 };
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
round_up(size_t size, size_t unit)
{
    return (size + unit - 1) & ~(unit - 1);
}

static uint8_t *
heap_alloc(Heap *heap, size_t size)
{
    for (Range **at = &heap->ranges; *at; at = &(*at)->next) {
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
        heap->used += size;
        heap->blocks++;
        heap->serial++;
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

static void
heap_free(Heap *heap, uint8_t *block, size_t size)
{
    heap->used -= size;
    heap->blocks--;
    Range *before = NULL, *behind = heap->ranges;
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
    *(before ? &before->next : &heap->ranges) = range;
}

// Up to `to` at least, and a good deal more: the next blocks will find it done.
static int
heap_prepare(Heap *heap, const uint8_t *to, size_t ahead)
{
    if (to <= heap->ready) {
        return 0;
    }
    size_t size = round_up((size_t)(to - heap->ready), round_up(ahead, pages_size()));
    size_t most = (size_t)(heap->end - heap->ready);
    size = size < most ? size : most;
    if (pages_prepare(heap->ready, size)) {
        return -1;
    }
    heap->ready += size;
    return 0;
}

// Where in its pages a block begins is spread over them: all traces at the starts of pages would share
// the same few sets of the instruction cache.
uint8_t *
codemem_alloc(size_t size)
{
    size_t whole = round_up(size, memory.code.unit), lines = (whole - size) / LINE + 1;
    uint8_t *block = heap_alloc(&memory.code, whole);
    return block ? block + memory.code.serial * 13 % lines * LINE : NULL;
}

size_t
codemem_whole(size_t size)
{
    return round_up(size, memory.code.unit);
}

void
codemem_free(uint8_t *block, size_t size)
{
    uintptr_t mask = memory.code.unit - 1, start = (uintptr_t)block & ~mask;
    heap_free(&memory.code, (uint8_t *)start, (((uintptr_t)block + size + mask) & ~mask) - start);
}

void **
codemem_alloc_links(size_t n)
{
    uint8_t *block = heap_alloc(&memory.links, n * sizeof(void *));
    if (block && heap_prepare(&memory.links, block + n * sizeof(void *), LINKS_AHEAD)) {
        heap_free(&memory.links, block, n * sizeof(void *));
        return NULL;
    }
    return (void **)block;
}

void
codemem_free_links(void **links, size_t n)
{
    if (n) {
        heap_free(&memory.links, (uint8_t *)links, n * sizeof(void *));
    }
}

// --- access -------------------------------------------------------------------------------------

int
codemem_begin_write(uint8_t *at, size_t size)
{
    Heap *code = &memory.code;
    bool shared = code->unit < pages_size();
    return !shared && at >= code->written ? heap_prepare(code, at + size, CODE_AHEAD)
                                          : pages_begin_write(at, size, shared);
}

int
codemem_end_write(uint8_t *at, size_t size)
{
    Heap *code = &memory.code;
    uint8_t *end = (uint8_t *)round_up((uintptr_t)at + size, pages_size());
    code->written = end > code->written ? end : code->written;
    code->ready = code->written > code->ready ? code->written : code->ready;
    return pages_end_write(at, size);
}

void
codemem_stats(CodememStats *out)
{
    *out = (CodememStats){ .reserved = memory.size, .used = memory.code.used, .limit = memory.limit,
                           .blocks = memory.code.blocks };
}
