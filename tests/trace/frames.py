"""Helpers for the tests of compat_*.c: they put frames on top of a running one from inside a
JUMP callback, as an exit from a trace does, and see what the program makes of it."""

from __future__ import annotations

import dis
import sys
from contextlib import contextmanager
from typing import Any, Callable, Iterator

from jitpatch import _jitpatch

TOOL = 4


def offset_of(func: Callable[..., Any], opname: str, nth: int = 0, argval: object = ...) -> int:
    """Offset in code units of the nth instruction of that name (and argument)."""
    found = [i.offset // 2 for i in dis.get_instructions(func)
             if i.opname == opname and (argval is ... or i.argval == argval)]
    return found[nth]


@contextmanager
def at_jump(func: Callable[..., Any], frames: tuple[Any, ...] = (),
            exc: BaseException | None = None, offset: int = -1, turn: int = 2) -> Iterator[list[Any]]:
    """At backward jump number `turn` of func, run `frames`, each (function, locals, offset,
    stack), or raise `exc` in the innermost (with no frames: in func itself, at `offset`)."""
    results: list[Any] = []
    spec = [func.__code__, turn, frames, exc, offset, results]
    monitoring = sys.monitoring
    monitoring.use_tool_id(TOOL, "frames")
    monitoring.register_callback(TOOL, monitoring.events.JUMP, _jitpatch._frames_on_jump(spec))
    monitoring.set_local_events(TOOL, func.__code__, monitoring.events.JUMP)
    try:
        yield results
    finally:
        monitoring.set_local_events(TOOL, func.__code__, 0)
        monitoring.register_callback(TOOL, monitoring.events.JUMP, None)
        monitoring.free_tool_id(TOOL)
    assert spec[1] < 0, "the jump was never taken"
