// state.c - see state.h.
#include "base/state.h"

Jit jit;
