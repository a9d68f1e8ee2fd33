// entries.h - what is asked of the ways in from below them: of entry/ by what executors and anchors come to know. Set when
// the extension is loaded (hook_init).
#ifndef JITPATCH_ENTRIES_H
#define JITPATCH_ENTRIES_H

#include "run/anchors.h"

typedef struct {
    // nominate.c. The code object's events are to be as its anchors want them now: a trace was installed or left alone.
    void (*refresh)(CodeInfo *info);
    // Compiled code comes to this code object again and again, and finds no trace to go on in (HEAR_*).
    void (*ask)(CodeInfo *info, uint8_t what);
    void (*forget)(CodeInfo *info);         // the code object dies
    // hook.c: the code object's events are switched on and off as `info` says.
    void (*update_events)(CodeInfo *info);
    // vectorcall.c: could functions of this code be entered by their own vectorcall; they no longer are.
    bool (*may_open)(PyCodeObject *code);
    void (*close_code)(CodeInfo *info);
    // The function watcher's word: its code, defaults or keyword defaults are about to change, or it dies.
    void (*function_changed)(PyObject *func, bool dies);
} EntryCalls;

OURS EntryCalls entry_calls;            // executor.c

#endif
