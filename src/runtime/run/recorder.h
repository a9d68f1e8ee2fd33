// recorder.h - what is asked of the recorder from below it: of front/ by events, entries and exits. The recorder sets these
// functions when the extension is loaded; jit.recorder is NULL while nothing is recorded.
#ifndef JITPATCH_RECORDER_H
#define JITPATCH_RECORDER_H

#include "back/executor.h"
#include "base/state.h"
#include "python/compat.h"

typedef struct {
    // Start recording a root trace at `anchor` (code units), the frame standing there about to run it
    // next (stack saved in the frame). 0, or -1 when recording cannot start now.
    int (*start_root)(PyThreadState *tstate, Frame *frame, PyCodeObject *code, int anchor);
    // The same for a function's trace: the frame stands at RESUME, the offset of its anchor.
    int (*start_function)(PyThreadState *tstate, Frame *frame, PyCodeObject *code, int anchor);
    // The same for a generator that is about to be resumed and will come to `key` at once (generator_entry).
    int (*start_resumed)(PyThreadState *tstate, Frame *frame, PyCodeObject *code, int key);
    // Start a side trace at exit n of ex; the frames are restored as the snapshot says. The innermost is about to run.
    int (*start_side)(PyThreadState *tstate, Frame *frame, Executor *ex, uint32_t n);
    // May a side trace begin where this exit has left with an exception: is that handled in a frame of the snapshot?
    bool (*may_catch)(const Executor *ex, const Exit *exit, Frame *outermost);
    // Is this the frame that the recording under way follows, or goes on in now?
    bool (*follows)(Frame *frame, PyCodeObject *code);
    // INSTRUCTION event: the interpreter is about to execute `offset` (code units) of `frame`. Never sets an exception.
    void (*instruction)(PyThreadState *tstate, Frame *frame, PyCodeObject *code, int offset);
    // Lets go what recordings have kept alive; may run Python code.
    void (*drop_leftovers)(void);
    // Is the recording waiting for a loop of this frame; the loop has been left.
    bool (*waits_for)(const Frame *frame);
    void (*loop_left)(const Frame *frame);
    // Compiled code is done with an inlined frame.
    void (*frame_gone)(const Frame *frame);
    // A loop that compiled code ran (RUN_LOOP) has left its frame: a recording begun there stands only
    // if the next exit is the compiled code's own, which hands the frame to the interpreter.
    void (*left_in_compiled)(const Frame *frame);
    void (*end_overtaken)(void);        // compiled code has gone on: end such a recording
    bool (*waits_for_exit)(void);
    // That exit (GUARD_IP, GUARD_VALID), whose innermost frame is the loop's and goes on in the interpreter.
    void (*left_after_loop)(const Frame *innermost);
} RecorderCalls;

OURS RecorderCalls recorder_calls;      // executor.c

#endif
