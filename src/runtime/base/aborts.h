// aborts.h - why a recording or compilation was given up; the reasons stand in aborts.def.
#ifndef JITPATCH_ABORTS_H
#define JITPATCH_ABORTS_H

typedef enum {
    ABORT_NONE,
#define ABORT(name, text) ABORT_##name,
#include "base/aborts.def"
#undef ABORT
    ABORT_COUNT
} AbortReason;

const char *abort_text(AbortReason reason);

#endif
