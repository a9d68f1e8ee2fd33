"""A tracing JIT compiler for stock CPython.

>>> import jitpatch
>>> jitpatch.enable()               # the whole process, from now on
>>> print(jitpatch.stats())         # what was compiled, and why the rest was not

`python -X jitpatch script.py`, `JITPATCH=1 python script.py` and `python -m jitpatch script.py`
switch it on for a program that does not know about it.
"""

import sys

# typing.TYPE_CHECKING, without the milliseconds that typing takes. Types that are imported for it alone are in quotes:
# `from __future__ import annotations` would be one more file to read at each start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from ._stats import Stats

__all__ = [
    "Executor", "Stats", "disable", "enable", "enabled", "executors", "is_active",
    "is_available", "is_enabled", "options", "reset_stats", "stats", "why_inactive", "why_unavailable",
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
        from ._places import why_not_built

        _unavailable = why_not_built(f"jitpatch supports {SUPPORTED}, but is not built for this one ({error})")
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


def _need() -> "Any":
    if _unavailable is not None:
        raise RuntimeError(_unavailable)
    return _jitpatch


def options() -> "dict[str, Any]":
    """Every option of enable() with its present value."""
    jit = _need()
    found: "dict[str, Any]" = {row[0]: jit.get_param(row[0]) for row in jit.params()}
    found["dump"] = jit.get_dump()
    found["stats"] = _stats_file or found["stats"]
    return found


_stats_file: str | None = None      # of the option
_last_file: str | None = None       # that the option had last: a report goes there in the end, whatever it is then


def _set(checked: "dict[str, Any]") -> None:
    """Takes over options that _options.check() has passed. OSError, with nothing changed, if the file for
    statistics cannot be written."""
    global _stats_file, _last_file
    if "stats" in checked:
        from ._stats import claim

        file = checked["stats"] if isinstance(checked["stats"], str) else None
        _stats_file = file if file is None or file == _last_file else claim(file)
        _last_file = _stats_file or _last_file
    for name, value in checked.items():
        if name == "dump":
            _jitpatch.set_dump(value)
        else:
            _jitpatch.set_param(name, 1 if isinstance(value, str) else value)


# params.def in words, for the docstrings (the tests hold it against the extension).
_OPTIONS = """

Options, what is accepted and the default:

    threshold: iterations of a loop before a trace is recorded (a whole number from 1 to 1000000000; 211)
    call_threshold: calls of a function before a trace of it is recorded (a whole number from 1 to 1000000000; 1009)
    side_threshold: times an exit is taken before a side trace is recorded (a whole number from 1 to 1000000000; 23)
    max_trace: uops in one trace (a whole number from 4 to 5500; 3000)
    max_bytecodes: bytecodes followed in one recording (a whole number from 2 to 100000; 2500)
    max_inline: depth of inlined calls (a whole number from 0 to 11; 10)
    max_aborts: failed recordings before a loop is left for good (a whole number from 1 to 1000; 6)
    max_versions: traces for one loop, by types of its variables (a whole number from 1 to 64; 4)
    max_sides: side traces of one loop (a whole number from 0 to 100000; 400)
    max_age: full garbage collections a trace may go unused (0: any) (a whole number from 0 to 255; 4)
    sample: how hot code is found: 0 counts every iteration and call, 1 samples unless threshold is below its default, 2 samples (a whole number from 0 to 2; 1)
    doors: functions whose traces pay are entered by their own vectorcall (a whole number from 0 to 1; 1)
    code_limit: MiB of machine code (a whole number from 1 to 1024; 64)
    memory_limit: MiB kept in all: code, exits, facts, books; old traces go first (a whole number from 1 to 65536; 64)
    text: keep every trace as it was recorded, too, for Executor.uops(optimised=False) (a whole number from 0 to 1; 0)
    stats: statistics at exit: 1 prints them, a name writes them to that file (JSON if it ends in .json) (0, 1 or the name of a file; 0)
    force_exit: debugging: make every N-th exit count as taken (a whole number from 0 to 1000000; 0)
    forget_facts: debugging: side traces forget every N-th fact that they begin with (a whole number from 0 to 1000000; 0)
    abort_at: debugging: give every recording up at its N-th bytecode (a whole number from 0 to 100000; 0)
    gc_exits: debugging: a full garbage collection at every exit (a whole number from 0 to 1; 0)
    random: debugging: seed for random register choice (a whole number from 0 to 2147483647; 0)
    dump: stages of compiling to print to stderr (record or ir or opt or regs or code or abort, separated by commas; None)
"""


def enable(**wanted: "Any") -> None:
    """Switch the JIT on; harmless if it is on. Options are set first.

    RuntimeError if this interpreter is not supported, or if another tool holds
    sys.monitoring.OPTIMIZER_ID; TypeError or ValueError for a bad option and OSError for a file that
    cannot be written, with nothing changed.
    """
    _need()
    if wanted:
        from . import _options

        _set(_options.check(_jitpatch, wanted))
    if not _jitpatch.is_enabled():
        _jitpatch.enable()
        _warn_once_if_inactive()
    _at_exit_once()


_has_warned = False


def _warn_once_if_inactive() -> None:
    """The JIT was switched on, but nothing will come of it as things are now."""
    global _has_warned
    if not _has_warned and (reason := _stays_out()) is not None:
        from . import _options

        _has_warned = True
        _options.warn(f"on, but stays out: {reason}")


def disable() -> None:
    """Switch the JIT off and drop all compiled code; harmless if it is off.

    Code that is running compiled when this is called goes on until its next check, within one
    iteration of its loop.
    """
    if _unavailable is None:
        _jitpatch.disable()


def is_enabled() -> bool:
    """Whether the JIT is switched on."""
    return _unavailable is None and bool(_jitpatch.is_enabled())


def _stays_out() -> str | None:
    """Why the interpreter is left alone although the JIT is on: something watches all code."""
    if not _jitpatch.is_watched():
        return None
    from ._places import who_watches

    return who_watches()


def is_active() -> bool:
    """Whether compiled code is in use: there is some, and nothing watches all code that runs. If not,
    why_inactive() says why."""
    return _unavailable is None and bool(_jitpatch.is_active()) and not _jitpatch.is_watched()


def why_inactive() -> str | None:
    """One line saying why no compiled code is in use now, or None if it is."""
    if _unavailable is not None:
        return _unavailable
    if not _jitpatch.is_enabled() and not _jitpatch.is_active():
        return "the JIT is off"
    if (reason := _stays_out()) is not None:
        return reason
    return None if _jitpatch.is_active() else "nothing has been compiled yet"


class enabled:
    """Context manager and decorator: the JIT is on inside, and as before afterwards.

    >>> with jitpatch.enabled(threshold=50):
    ...     main()

    >>> @jitpatch.enabled(threshold=50)
    ... def main():
    ...     ...

    Options are those of enable(); bad ones raise at once.
    """

    _wanted: "dict[str, Any]"
    _before: "list[tuple[bool, dict[str, Any]]]"    # nested

    def __new__(cls, function: "Any" = None, /, **wanted: "Any") -> "Any":
        """@enabled without parentheses is the decorator, too."""
        if _unavailable is None:
            from . import _options

            _options.check(_jitpatch, wanted)
        new = super().__new__(cls)
        new._wanted = wanted
        new._before = []
        return new if function is None else new(function)

    def __call__(self, function: "Any") -> "Any":
        """The function, with the JIT on while it runs. TypeError for a generator's or coroutine's: what runs
        between its pieces is the affair of others."""
        import functools
        import inspect

        if (inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function)
                or inspect.isasyncgenfunction(function)):
            raise TypeError("jitpatch.enabled decorates plain functions; in a generator or coroutine use it with `with`")
        if not callable(function):
            raise TypeError(f"jitpatch.enabled decorates functions, not {type(function).__name__}")

        @functools.wraps(function)
        def with_jit(*args: "Any", **kwargs: "Any") -> "Any":
            with self:
                return function(*args, **kwargs)

        return with_jit

    def __enter__(self) -> None:
        self._before.append((is_enabled(), options() if is_available() else {}))
        try:
            enable(**self._wanted)
        except BaseException:
            self._before.pop()
            raise

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 traceback: "TracebackType | None") -> None:
        was_on, before = self._before.pop()
        if not was_on:
            disable()
        _set({name: before[name] for name in self._wanted})


def executors(of: "Any" = None) -> "list[Executor]":
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


def stats() -> "Stats":
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
    wanted = bool(_jitpatch.get_param("stats"))
    report = stats() if wanted or _last_file is not None else None
    disable()
    if report is not None:
        from ._stats import publish

        publish(report, _stats_file if wanted else _last_file)


if _unavailable is None:
    for _function in (enable, enabled):
        _function.__doc__ = (_function.__doc__ or "").rstrip() + _OPTIONS
    del _function


def __getattr__(name: str) -> object:
    if name == "Stats":
        from ._stats import Stats

        return Stats
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
