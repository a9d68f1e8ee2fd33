// snapshot.h - the map from interpreter slots to refs at one place of a trace (see Snapshot in
// ir.h): taken by the recorder, read back when a side trace starts.
#ifndef JITPATCH_SNAPSHOT_H
#define JITPATCH_SNAPSHOT_H

#include "front/record.h"

// The state of all symbolic frames now. The innermost frame's ip says what runs next.
uint16_t snapshot_take(Recorder *r);
// The instructions that come next are given a snapshot, if the bytecode began without one.
void snapshot_need(Recorder *r);
// As snapshot_take, of the state after the next guard has failed: what it decides has been done.
uint16_t snapshot_take_decided(Recorder *r);
// Make the recorder's frames those of exit n of `ex`, the interpreter standing in `innermost`.
// Values that the parent left in registers or spill slots become INHERIT instructions.
void snapshot_inherit(Recorder *r, Executor *ex, uint32_t n, Frame *innermost);

// The recording of a root is complete: its parameters are known. Snapshots taken before one was
// first looked at do not name it, but memory may hold NULL for it from LOOP_ENTRY on.
void snapshot_complete(Recorder *r);

#endif
