// tables.c - the generated tables of stencils, compiled. Their shapes are in stencil_table.h.
//
// They name C functions that templates call, ours (run/helpers.c) and CPython's, by their addresses.
#include "back/stencil_table.h"
#include "base/activation.h"
#include "ir/uop.h"
#include "../../../generated/stencil_tables.h"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))
const uint32_t stencil_count = LENGTH(stencils) - 1;                    // the last ends the list
const uint32_t stencil_variant_count = LENGTH(stencil_variants) - 1;    // likewise
const uint32_t stencil_call_args = LENGTH(CALL_ARG_REG);
