"""Switches the JIT on when an interpreter starts, if -X jitpatch or JITPATCH asks for it.

Called from jitpatch.pth (a line that imports nothing of ours unless one of them is there) and,
from Python 3.15 on, through jitpatch.start (PEP 829). It may be called more than once.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_done = False


def start() -> None:
    """Enable the JIT if the command line or the environment wants it. Never raises."""
    global _done
    if _done:
        return
    _done = True
    from . import _options

    wanted = _options.switch()
    if not wanted:
        if wanted is None and (source := _options.wants_to_show()) is not None and not _inherited():
            _options.warn(f"{source}: the JIT is off; -X jitpatch or JITPATCH=1 switches it on")
        return
    import jitpatch

    if not jitpatch.is_available():
        if not _inherited():
            _options.warn(f"not enabled: {jitpatch.why_unavailable()}")
        return
    from . import _children, _jitpatch

    try:
        enable(_options.given(_jitpatch))
    except RuntimeError as error:
        _options.warn(str(error))
    _children.inherit_options()


def enable(options: dict[str, Any]) -> None:
    """With options from outside of the program: a file for statistics that cannot be written is a warning, too.
    RuntimeError as by jitpatch.enable()."""
    import jitpatch

    from . import _options

    try:
        jitpatch.enable(**options)
    except OSError as error:
        _options.warn(f"stats: {error}")
        jitpatch.enable(**{name: value for name, value in options.items() if name != "stats"})


def _inherited() -> bool:
    """Whether this is a subinterpreter: nobody asked for the JIT there, its process did."""
    try:
        interpreters: Any = __import__("_interpreters")
        return bool(interpreters.get_current()[0] != interpreters.get_main()[0])
    except ImportError:
        return False
