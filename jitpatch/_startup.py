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

    if not _options.switch():
        return
    import jitpatch

    if not jitpatch.is_available():
        if _inherited():
            return
        _options.warn(f"not enabled: {jitpatch.why_unavailable()}")
        return
    try:
        from jitpatch import _jitpatch

        jitpatch.enable(**_options.given(_jitpatch))
    except RuntimeError as error:
        _options.warn(str(error))


def _inherited() -> bool:
    """Whether this is a subinterpreter: nobody asked for the JIT there, its process did."""
    try:
        interpreters: Any = __import__("_interpreters")
        return bool(interpreters.get_current()[0] != interpreters.get_main()[0])
    except ImportError:
        return False
