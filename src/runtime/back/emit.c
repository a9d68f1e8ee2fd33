// emit.c - from the list of stencils to machine code: size, copy, patch.
//
// A trace in code memory:
//     hot parts, in order     each falls into the next; LOOP is aligned; the end jumps back.
//                             If it ends in a check, that jumps back when it holds.
//     cold parts
//     exit stubs              one per exit, which begins with a jump through its link; a second one,
//                             without, for exits that may raise
//     common stub             writes the executor down and goes to the leaving block
//     veneers                 for C functions beyond the reach of a call
//     data parts
//
// The leaving block is shared by all traces: it stores r0..r7 and f0..f7 in the activation and
// returns to emit_enter. Nothing here knows a register: stores are the stencils of SPILL.
//
// The links of a trace's exits are pointers in memory that is not executable: to the rest of the stub, or
// to the side trace. So no code is ever changed.
#include "back/emit.h"
#include "base/os.h"

#include <stdlib.h>
#include <string.h>
#include "base/aborts.h"
#include "back/codemem.h"
#include "back/patch.h"
#include "back/stencil_table.h"

static const uint64_t ERROR_BIT = (uint64_t)INT32_MIN;   // bit 31, and its sign: an IMM32 is signed

// Where each stencil's parts start, from the start of the code.
typedef struct { uint32_t hot, cold, data; } Parts;

typedef struct {
    const Trace *t;
    const Assignment *a;
    Executor *ex;
    Parts *parts;
    uint32_t *error_stubs;              // [exit]: offset of a second stub, for errors, or 0
    uint32_t hot_end, stubs, common, veneers, data, size;
    uint32_t exit_size, stub_size;      // of a stub with a link, and without
    uint8_t *base;
    uint8_t n_veneers;
    uint8_t veneer_of[256];             // [symbol]: its veneer's number + 1, or 0
    bool failed;                        // a value did not fit
} Emitter;

static uint8_t *leaving_block;
static uint32_t leaving_size;
static const void *lowest_symbol, *highest_symbol;      // of those that stencils name

static const Stencil *
stencil_of(enum Uop op, unsigned choice)
{
    return &stencils[stencil_variants[uop_table[op].first_variant + choice]];
}

// --- size ---------------------------------------------------------------------------------------

static uint32_t
align(uint32_t offset, uint32_t to)
{
    return (offset + to - 1) & ~(to - 1);
}

// Does the hole hold a branch to a C function that is out of its reach?
static bool
wants_veneer(const Stencil *stencil, const Hole *hole)
{
    if (hole->value != HOLE_SYMBOL || codemem_reaches(stencil_symbols[hole->symbol])) {
        return false;
    }
    uint32_t part = hole->part == PART_HOT    ? 0
                    : hole->part == PART_COLD ? stencil->hot_size
                                              : stencil->hot_size + stencil->cold_size;
    return patch_is_branch(hole->kind, stencil_bytes + stencil->bytes + part + hole->offset);
}

// Numbered from 1; at most 255 symbols.
static void
size_veneers(Emitter *e, const Stencil *stencil)
{
    for (unsigned i = 0; i < stencil->n_holes; i++) {
        const Hole *hole = &stencil_holes[stencil->first_hole + i];
        if (!e->veneer_of[hole->symbol] && wants_veneer(stencil, hole)) {
            e->veneer_of[hole->symbol] = ++e->n_veneers;
        }
    }
}

// What stands behind the last hot part: a jump, or the way back to emit_enter.
static uint32_t
end_size(void)
{
    return patch_sizes.jump > patch_sizes.leave ? patch_sizes.jump : patch_sizes.leave;
}

static void
size_parts(Emitter *e)
{
    const Assignment *a = e->a;
    uint32_t hot = 0, cold = 0, data = 0;
    bool far = !codemem_reaches(lowest_symbol) || !codemem_reaches(highest_symbol);
    for (uint32_t i = 0; i < a->n_code; i++) {
        const Stencil *stencil = &stencils[a->code[i].stencil];
        if (e->t->loop && i == a->loop_at) {
            hot = align(hot, patch_sizes.loop_align);
        }
        __builtin_prefetch(stencil_bytes + stencil->bytes);
        __builtin_prefetch(&stencil_holes[stencil->first_hole]);
        e->parts[i] = (Parts){ hot, cold, data };
        hot += stencil->hot_size;
        cold += stencil->cold_size;
        data += align(stencil->data_size, 16);
        if (far) {
            size_veneers(e, stencil);
        }
    }
    e->hot_end = hot;
    e->stubs = hot + end_size() + cold;
    e->data = data;
}

// How exit i is taken: EXITS, RAISES, or both. One that is both has a second stub for errors, which is never linked.
static uint32_t
leaves_by(const Emitter *e, uint32_t i)
{
    return uop_table[e->t->ins[e->a->exits[i].ref].op].flags & (EXITS | RAISES);
}

static void
size_trace(Emitter *e)
{
    size_parts(e);
    e->stub_size = stencil_of(UOP_EXIT_STUB, 0)->hot_size + patch_sizes.jump;
    e->exit_size = patch_sizes.through + e->stub_size;
    uint32_t at = e->stubs + e->a->n_exits * e->exit_size;
    for (uint32_t i = 0; i < e->a->n_exits; i++) {
        bool both = leaves_by(e, i) == (RAISES | EXITS);
        e->error_stubs[i] = both ? at : 0;
        at += both ? e->stub_size : 0;
    }
    e->common = at;
    at += stencil_of(UOP_EXIT_COMMON, 0)->hot_size + patch_sizes.jump;
    e->veneers = align(at, 16);
    uint32_t data = align(e->veneers + e->n_veneers * patch_sizes.veneer, 16);
    e->size = data + e->data;
    uint32_t cold = e->hot_end + end_size();
    for (uint32_t i = 0; i < e->a->n_code; i++) {
        e->parts[i].cold += cold;
        e->parts[i].data += data;
    }
}

// --- copy ---------------------------------------------------------------------------------------

static void
copy_parts(Emitter *e)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < e->a->n_code; i++) {
        const Stencil *stencil = &stencils[e->a->code[i].stencil];
        const Parts *parts = &e->parts[i];
        const uint8_t *bytes = stencil_bytes + stencil->bytes;
        if (at != parts->hot) {
            patch_padding(e->base + at, parts->hot - at);
        }
        memcpy(e->base + parts->hot, bytes, stencil->hot_size);
        at = parts->hot + stencil->hot_size;
        if (stencil->cold_size) {
            memcpy(e->base + parts->cold, bytes + stencil->hot_size, stencil->cold_size);
        }
        if (stencil->data_size) {
            memcpy(e->base + parts->data, bytes + stencil->hot_size + stencil->cold_size,
                   stencil->data_size);
        }
    }
}

// --- patch --------------------------------------------------------------------------------------

static uint64_t
address(const Emitter *e, uint32_t offset)
{
    return (uint64_t)(uintptr_t)(e->base + offset);
}

static uint64_t
veneer(const Emitter *e, unsigned symbol)
{
    return address(e, e->veneers + (e->veneer_of[symbol] - 1) * patch_sizes.veneer);
}

// Code memory holds code at its final address.
static int
fill(uint8_t *at, const Hole *hole, uint64_t value)
{
    return patch_functions[hole->kind](at, (uintptr_t)at, value + (int64_t)hole->addend);
}

static int
write_jump(uint8_t *at, const uint8_t *to)
{
    return patch_jump(at, (uintptr_t)at, (uintptr_t)to);
}

// What goes into a hole of stencil i, without its addend.
static uint64_t
hole_value(const Emitter *e, uint32_t i, const Hole *hole)
{
    const Placed *placed = &e->a->code[i];
    switch ((HoleValue)hole->value) {
    case HOLE_OPERAND0:
    case HOLE_OPERAND1:
        return placed->operand[hole->value - HOLE_OPERAND0];
    case HOLE_INPUT0:
    case HOLE_INPUT1:
    case HOLE_INPUT2:
    case HOLE_INPUT3:
        return placed->input[hole->value - HOLE_INPUT0];
    case HOLE_CONTINUE:
        return address(e, i + 1 < e->a->n_code ? e->parts[i + 1].hot : e->hot_end);
    case HOLE_EXIT:
        return address(e, e->stubs + placed->exit * e->exit_size);
    case HOLE_ERROR:
        return address(e, e->error_stubs[placed->exit] ? e->error_stubs[placed->exit]
                                                       : e->stubs + placed->exit * e->exit_size);
    case HOLE_HOT:
        return address(e, e->parts[i].hot);
    case HOLE_COLD:
        return address(e, e->parts[i].cold);
    case HOLE_DATA:
        return address(e, e->parts[i].data);
    case HOLE_SYMBOL:
        return (uint64_t)(uintptr_t)stencil_symbols[hole->symbol];
    }
    return 0;
}

static void
patch_stencil(Emitter *e, uint32_t i)
{
    const Stencil *stencil = &stencils[e->a->code[i].stencil];
    const Hole *hole = &stencil_holes[stencil->first_hole];
    for (unsigned n = stencil->n_holes; n; n--, hole++) {
        const Parts *parts = &e->parts[i];
        uint8_t *at = e->base + hole->offset
                      + (hole->part == PART_HOT    ? parts->hot
                         : hole->part == PART_COLD ? parts->cold
                                                   : parts->data);
        uint64_t value = hole_value(e, i, hole);
        if (hole->value == HOLE_SYMBOL && e->veneer_of[hole->symbol]
            && patch_is_branch(hole->kind, at)) {
            value = veneer(e, hole->symbol);
        }
        e->failed |= fill(at, hole, value) != 0;
    }
}

// A stencil with one operand and nothing else to patch.
static int
write_simple(uint8_t *at, const Stencil *stencil, uint64_t operand)
{
    int failed = 0;
    memcpy(at, stencil_bytes + stencil->bytes, stencil->hot_size);
    for (unsigned i = 0; i < stencil->n_holes; i++) {
        const Hole *hole = &stencil_holes[stencil->first_hole + i];
        failed |= fill(at + hole->offset, hole, operand);
    }
    return failed;
}

static void
write_stub(Emitter *e, uint32_t offset, uint64_t exit)
{
    const Stencil *stencil = stencil_of(UOP_EXIT_STUB, 0);
    uint8_t *at = e->base + offset;
    e->failed |= write_simple(at, stencil, exit) != 0
                 || write_jump(at + stencil->hot_size, e->base + e->common) != 0;
}

static void
write_exit(Emitter *e, uint32_t i)
{
    uint32_t offset = e->stubs + i * e->exit_size;
    uint8_t *at = e->base + offset;
    void **link = &e->ex->links[i];
    e->failed |= patch_through(at, (uintptr_t)at, (uintptr_t)link) != 0;
    *link = at + patch_sizes.through;
    e->ex->exits[i].stub = at;
    write_stub(e, offset + patch_sizes.through, (leaves_by(e, i) == RAISES ? ERROR_BIT : 0) | i);
}

static void
write_stubs(Emitter *e)
{
    for (uint32_t i = 0; i < e->a->n_exits; i++) {
        write_exit(e, i);
        if (e->error_stubs[i]) {
            write_stub(e, e->error_stubs[i], ERROR_BIT | i);
        }
    }
    const Stencil *common = stencil_of(UOP_EXIT_COMMON, 0);
    uint8_t *at = e->base + e->common;
    e->failed |= write_simple(at, common, (uint64_t)(uintptr_t)e->ex) != 0
                 || write_jump(at + common->hot_size, leaving_block) != 0;
    for (unsigned symbol = 0; symbol < 256 && e->n_veneers; symbol++) {
        if (e->veneer_of[symbol]) {
            uint64_t to = (uintptr_t)stencil_symbols[symbol];
            patch_veneer((uint8_t *)(uintptr_t)veneer(e, symbol), to);
        }
    }
}

// The stencil in which the loop's hot part ends, if it ends in a branch to that stencil's exit.
static uint32_t
last_check(const Emitter *e)
{
    for (uint32_t i = e->a->n_code; i-- > 0;) {
        const Stencil *stencil = &stencils[e->a->code[i].stencil];
        for (unsigned n = 0; n < stencil->n_holes; n++) {
            const Hole *hole = &stencil_holes[stencil->first_hole + n];
            if (hole->part == PART_HOT && hole->value == HOLE_EXIT
                && e->parts[i].hot + hole->offset + 4u == e->hot_end) {
                return i;
            }
        }
        if (stencil->hot_size) {
            break;
        }
    }
    return UINT32_MAX;
}

static uint8_t *
address_of_stub(const Emitter *e, uint32_t i)
{
    return e->base + e->stubs + e->a->code[i].exit * e->exit_size;
}

// The jump behind the last hot part: back to LOOP, or to the trace that this one joins. Or the
// return to whoever entered the trace.
static void
write_end(Emitter *e, const Executor *target)
{
    const Assignment *a = e->a;
    enum Uop op = e->t->ins[a->code[a->n_code - 1].ref].op;
    const uint8_t *to = e->base + e->common;    // never reached
    if (op == UOP_LOOP_END) {
        to = e->base + e->parts[a->loop_at].hot;
        uint32_t check = last_check(e);
        uint8_t *hole = e->base + e->hot_end - 4;
        if (check != UINT32_MAX && patch_inverse(hole, (uintptr_t)hole, (uintptr_t)to)) {
            to = address_of_stub(e, check);
        }
    }
    else if (op == UOP_JUMP) {
        to = target->loop_entry;
    }
    if (op == UOP_TRACE_RETURN) {
        patch_leave(e->base + e->hot_end);
        return;
    }
    e->failed |= write_jump(e->base + e->hot_end, to) != 0;
}

static void
write_trace(Emitter *e, const Executor *target)
{
    copy_parts(e);
    for (uint32_t i = 0; i < e->a->n_code; i++) {
        patch_stencil(e, i);
    }
    write_stubs(e);
    write_end(e, target);
}

// --- the leaving block --------------------------------------------------------------------------

static uint32_t
write_leaving(uint8_t *at)
{
    uint32_t size = 0;
    for (unsigned reg = 0; reg < INT_REGS + FLOAT_REGS; reg++) {
        bool is_int = reg < INT_REGS;
        unsigned n = is_int ? reg : reg - INT_REGS;
        const Stencil *stencil = stencil_of(is_int ? UOP_SPILL_I : UOP_SPILL_F, n);
        uint64_t offset = is_int ? offsetof(Activation, regs) : offsetof(Activation, fregs);
        if (at) {
            write_simple(at + size, stencil, offset + 8 * n);
        }
        size += stencil->hot_size;
    }
    if (at) {
        patch_leave(at + size);
    }
    return size + patch_sizes.leave;
}

static void
find_ends_of_symbols(void)
{
    lowest_symbol = highest_symbol = stencil_symbols[0];
    for (void *const *symbol = stencil_symbols; *symbol != NULL; symbol++) {
        lowest_symbol = (uintptr_t)*symbol < (uintptr_t)lowest_symbol ? *symbol : lowest_symbol;
        highest_symbol = (uintptr_t)*symbol > (uintptr_t)highest_symbol ? *symbol : highest_symbol;
    }
}

static int
make_leaving_block(void)
{
    find_ends_of_symbols();
    leaving_size = write_leaving(NULL);
    uint8_t *at = codemem_alloc(leaving_size);
    if (!at) {
        return ABORT_EMIT_MEMORY;
    }
    if (codemem_begin_write(at, leaving_size)) {
        codemem_free(at, leaving_size);
        return ABORT_EMIT_PROTECT;
    }
    write_leaving(at);
    leaving_block = at;
    return codemem_end_write(at, leaving_size) ? ABORT_EMIT_PROTECT : 0;
}

void
emit_fini(void)
{
    if (leaving_block) {
        codemem_free(leaving_block, leaving_size);
        leaving_block = NULL;
    }
}

// --- the whole ----------------------------------------------------------------------------------

// For Executor.stencils(), which is for people: without memory there is none.
static void
keep_pieces(const Emitter *e)
{
    Piece *pieces = malloc(e->a->n_code * sizeof(Piece));
    for (uint32_t i = 0; pieces != NULL && i < e->a->n_code; i++) {
        pieces[i] = (Piece){ e->parts[i].hot, e->a->code[i].stencil, e->a->code[i].ref };
    }
    e->ex->pieces = pieces;
    e->ex->n_pieces = pieces == NULL ? 0 : e->a->n_code;
}

// The same for origin.c.
static void
keep_origin(const Emitter *e, const Executor *target, Origin *origin)
{
    const Assignment *a = e->a;
    origin->code = malloc(a->n_code * sizeof(Placed) + 1);
    origin->error_stubs = calloc(a->n_exits + 1, sizeof(uint8_t *));
    if (origin->code == NULL || origin->error_stubs == NULL) {
        return;
    }
    memcpy(origin->code, a->code, a->n_code * sizeof(Placed));
    origin->n_code = a->n_code;
    origin->entry = a->loop_entry_at;
    origin->loop = e->t->loop ? (int)a->loop_at : -1;
    origin->end = e->t->ins[a->code[a->n_code - 1].ref].op;
    origin->target = target == NULL ? NULL : target->loop_entry;
    for (uint32_t i = 0; i < a->n_exits; i++) {
        origin->error_stubs[i] = e->error_stubs[i] ? e->base + e->error_stubs[i] : NULL;
    }
}

static int
emit_at(Emitter *e, const Executor *target)
{
    size_trace(e);
    e->base = codemem_alloc(e->size);
    if (!e->base) {
        return ABORT_EMIT_MEMORY;
    }
    e->ex->links = codemem_alloc_links(e->a->n_exits);
    if (!e->ex->links) {
        codemem_free(e->base, e->size);
        return ABORT_EMIT_MEMORY;
    }
    int reason = ABORT_EMIT_PROTECT;
    if (codemem_begin_write(e->base, e->size) == 0) {
        write_trace(e, target);
        if (codemem_end_write(e->base, e->size) == 0) {
            reason = e->failed ? ABORT_EMIT_RANGE : 0;
        }
    }
    if (reason) {
        codemem_free(e->base, e->size);
        codemem_free_links(e->ex->links, e->a->n_exits);
        return reason;
    }
    e->ex->machine_code = e->base;
    e->ex->code_size = e->size;
    e->ex->loop_entry = e->t->loop_entry ? e->base + e->parts[e->a->loop_entry_at].hot : NULL;
    return 0;
}

int
emit_trace(const Trace *t, const Assignment *a, const Executor *target, Executor *ex)
{
    if (!leaving_block) {
        int reason = make_leaving_block();
        if (reason) {
            return reason;
        }
    }
    Emitter e = { .t = t, .a = a, .ex = ex };
    e.parts = malloc(a->n_code * sizeof(Parts) + a->n_exits * sizeof(uint32_t));
    if (!e.parts) {
        return ABORT_ASSIGN_MEMORY;
    }
    e.error_stubs = (uint32_t *)(e.parts + a->n_code);
    uint64_t start = os_now();
    int reason = emit_at(&e, target);
    ex->emit_ns = os_now() - start;
    if (reason == 0 && ex->recorded != NULL) {
        keep_pieces(&e);
    }
    if (reason == 0 && ex->origin != NULL) {
        keep_origin(&e, target, ex->origin);
    }
    free(e.parts);
    return reason;
}

// --- links --------------------------------------------------------------------------------------

void
emit_link(Executor *from, uint32_t n, const Executor *side)
{
    from->links[n] = side->machine_code;
}

void
emit_unlink(Executor *from, uint32_t n)
{
    from->links[n] = from->exits[n].stub + patch_sizes.through;
}

void
emit_free(Executor *ex)
{
    if (ex->machine_code != NULL) {
        codemem_free(ex->machine_code, ex->code_size);
        codemem_free_links(ex->links, ex->n_exits);
    }
}
