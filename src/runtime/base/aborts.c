// aborts.c - the reasons of aborts.def in words.
#include "base/aborts.h"

const char *
abort_text(AbortReason reason)
{
    static const char *const texts[] = {
        [ABORT_NONE] = "",
#define ABORT(name, text) [ABORT_##name] = text,
#include "base/aborts.def"
#undef ABORT
    };
    return texts[reason];
}
