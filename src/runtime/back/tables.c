// tables.c - the generated tables, compiled: what is known of every uop, and every stencil.
//
// The one place that includes them. Their shapes are in uop.h and stencil_table.h.
#include "ir/uop.h"
#include "base/activation.h"
#include "back/stencil_table.h"
#include "../../../generated/uop_table.h"
#include "../../../generated/stencil_tables.h"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))
const uint32_t stencil_count = LENGTH(stencils) - 1;                    // the last ends the list
const uint32_t stencil_variant_count = LENGTH(stencil_variants) - 1;    // likewise
const uint32_t stencil_call_args = LENGTH(CALL_ARG_REG);
