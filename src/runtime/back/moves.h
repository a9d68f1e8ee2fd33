// moves.h - placing the stencils that only carry values about: moves, spills, reloads, constants.
#ifndef JITPATCH_MOVES_H
#define JITPATCH_MOVES_H

#include "base/activation.h"
#include "back/assign.h"

// Registers of both classes by one number: r0..r7 are 0..7, f0..f7 are 8..15.
enum { REGS = INT_REGS + FLOAT_REGS, INT_MASK = 0xff, FLOAT_MASK = 0xff00, NO_REG = -1 };

// Where stencils are appended. After the first failure `abort` is set and nothing is placed.
typedef struct {
    const Trace *t;
    Assignment *out;
    Ref ref;                            // instruction that the stencils belong to, for dumps
    uint16_t spills;                    // slots below this have been given out
    uint16_t spare;                     // first of two slots for parallel moves, or 0
    int abort;
} Writer;

// One assignment of a parallel move: all `from` are read before any `to` is written.
typedef struct {
    Loc to;                             // distinct in all moves of one call
    Loc from;                           // or LOC_NONE: the constant
    Ref konst;
} Move;

static inline Loc reg_loc(int reg)
{
    return (Loc)(reg < INT_REGS ? LOC_REG + reg : LOC_FREG + reg - INT_REGS);
}

// The next element of out->code, for the caller to add operands, inputs and exit; NULL: abort.
Placed *place(Writer *w, uint32_t stencil);
void place_move(Writer *w, int to, int from);           // same class
void place_spill(Writer *w, int reg, unsigned slot);
void place_reload(Writer *w, int reg, unsigned slot);
void place_const(Writer *w, int reg, Ref konst);
// Registers in `keep` hold something that must survive besides what the moves read and write.
void place_parallel(Writer *w, Move *moves, unsigned n, uint32_t keep);

#endif
