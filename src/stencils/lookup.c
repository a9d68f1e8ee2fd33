// lookup.c - keys looked up in containers of builtin types, where no Python code runs. Where an
// object's own == would have to be asked, they exit.
#include "stencil.h"
#include "../runtime/base/helpers.h"

// key in container: 0 or 1. An exact list, tuple, set, frozenset or dict.
UOP(CONTAINS, (OBJ container, OBJ key), I64, EFFECT | CALLS | EXITS, ())
{
    result = help_contains(container, key);
    EXIT_IF(result < 0);
}

// The value of a dict's key, borrowed; NULL if there is none.
UOP(DICT_FIND, (OBJ dict, OBJ key), OBJ, EFFECT | CALLS | EXITS, ())
{
    result = help_dict_find(dict, key);
    EXIT_IF(result == HELP_UNSURE);
}

// Exits if somebody is told of changes of the dict: compiled code may rely on what it holds.
UOP(GUARD_UNTOLD, (OBJ dict), VOID, GUARD | EXITS | READS(DICT), ())
{
    EXIT_IF(((help_dict *)dict)->version & HELP_DICT_WATCHED);
}

// dict[key] = value after a DICT_FIND. The value there before is the trace's now.
UOP(DICT_SET, (OBJ dict, OBJ key, OBJ value), VOID, EFFECT | CALLS | RAISES | WRITES(DICT), ())
{
    ERROR_IF(help_dict_set(dict, key, value) < 0);
}

// Add to a set.
UOP(SET_ADD, (OBJ set, OBJ key), VOID, EFFECT | CALLS | EXITS | RAISES | WRITES(SET), ())
{
    int done = help_set_add(set, key);
    EXIT_IF(done == -1);
    ERROR_IF(done < 0);
}
