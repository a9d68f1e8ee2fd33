"""A tracing JIT compiler for stock CPython.

>>> import jitpatch
>>> jitpatch.enable()               # the whole process, from now on
>>> print(jitpatch.stats())         # what was compiled, and why the rest was not

`python -X jitpatch script.py`, `JITPATCH=1 python script.py` and `python -m jitpatch script.py`
switch it on for a program that does not know about it.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False       # typing.TYPE_CHECKING, without the milliseconds that typing takes
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from ._stats import Stats

__all__ = [
    "Executor", "Stats", "disable", "enable", "enabled", "executors", "is_active",
    "is_available", "is_enabled", "options", "reset_stats", "stats", "why_unavailable",
]
__version__ = "0.1.0"

SUPPORTED = "CPython 3.13 (default build, x86-64 or AArch64 Linux)"

_unavailable: str | None = None
try:
    from ._jitpatch import Executor
    from . import _jitpatch
except ImportError as error:
    _jitpatch = None  # type: ignore[assignment]
    _version = "%s %d.%d" % (sys.implementation.name, *sys.version_info[:2])
    if type(error) is ImportError:      # the extension is there and refuses this interpreter
        _unavailable = str(error)
    elif sys.implementation.name == "cpython" and sys.version_info[:2] == (3, 13):
        _unavailable = f"jitpatch supports {SUPPORTED}, but is not built for this one ({error})"
    else:
        _unavailable = f"jitpatch supports {SUPPORTED}; this is {_version}"

    class Executor:  # type: ignore[no-redef]
        """An installed trace (there are none in this interpreter)."""


def is_available() -> bool:
    """Whether the JIT can work in this interpreter; if not, why_unavailable() says why."""
    return _unavailable is None


def why_unavailable() -> str | None:
    """One line saying why the JIT cannot work here, or None if it can."""
    return _unavailable


def _need() -> Any:
    if _unavailable is not None:
        raise RuntimeError(_unavailable)
    return _jitpatch


def options() -> dict[str, Any]:
    """Every option of enable() with its present value."""
    jit = _need()
    found: dict[str, Any] = {row[0]: jit.get_param(row[0]) for row in jit.params()}
    found["dump"] = jit.get_dump()
    return found


def enable(**wanted: Any) -> None:
    """Switch the JIT on; harmless if it is on. Options (see options()) are set first.

    RuntimeError if this interpreter is not supported, or if another tool holds
    sys.monitoring.OPTIMIZER_ID; TypeError or ValueError for a bad option, with nothing changed.
    """
    from . import _options

    jit = _need()
    for name, value in _options.check(jit, wanted).items():
        if name == "dump":
            jit.set_dump(value)
        else:
            jit.set_param(name, value)
    jit.enable()
    _at_exit_once()


def disable() -> None:
    """Switch the JIT off and drop all compiled code; harmless if it is off.

    Code that is running compiled when this is called goes on until its next check, within one
    turn of its loop.
    """
    if _unavailable is None:
        _jitpatch.disable()


def is_enabled() -> bool:
    """Whether the JIT is switched on."""
    return _unavailable is None and bool(_jitpatch.is_enabled())


def is_active() -> bool:
    """Whether compiled code exists: at least one trace is installed, or still running."""
    return _unavailable is None and bool(_jitpatch.is_active())


class enabled:
    """Context manager: the JIT is on inside, and as before afterwards.

    >>> with jitpatch.enabled(threshold=50):
    ...     main()
    """

    def __init__(self, **wanted: Any) -> None:
        self._wanted = wanted
        self._before: list[tuple[bool, dict[str, Any]]] = []

    def __enter__(self) -> None:
        self._before.append((is_enabled(), options() if is_available() else {}))
        enable(**self._wanted)

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        was_on, before = self._before.pop()
        if not was_on:
            disable()
        for name in self._wanted:
            if name == "dump":
                _jitpatch.set_dump(before[name])
            else:
                _jitpatch.set_param(name, before[name])


def executors(of: Any = None) -> list[Executor]:
    """The traces installed for a function, method, class body's code or code object; side traces
    included. Without an argument, all there are."""
    if _unavailable is not None:
        return []
    code_type = type(executors.__code__)
    code = of
    if of is not None and not isinstance(of, code_type):
        code = getattr(getattr(of, "__func__", of), "__code__", None)
        if not isinstance(code, code_type):
            raise TypeError(f"expected a function or a code object, not {type(of).__name__}")
    found: list[Executor] = _jitpatch.executors(code)
    return found


def stats() -> Stats:
    """Counters since the start or the last reset_stats(); print it for a readable report."""
    from ._stats import Stats

    return Stats(_need())


def reset_stats() -> None:
    """Set all counters to zero and forget the abort reasons."""
    if _unavailable is None:
        _jitpatch.reset_stats()


_at_exit_is_set = False


def _at_exit_once() -> None:
    global _at_exit_is_set
    if not _at_exit_is_set:
        import atexit

        atexit.register(_at_exit)
        _at_exit_is_set = True


def _at_exit() -> None:
    # Finalizers of a dying interpreter run without us.
    report = str(stats()) if is_enabled() and _jitpatch.get_param("stats") else ""
    disable()
    if report and sys.stderr is not None:
        print(report, file=sys.stderr)


def __getattr__(name: str) -> object:
    if name == "Stats":
        from ._stats import Stats

        return Stats
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
