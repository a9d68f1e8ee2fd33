// uop_table.c - the generated table of uops, compiled. Its shape is in uop.h.
#include "ir/uop.h"
#include "../../../generated/uop_table.h"
