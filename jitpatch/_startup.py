"""Switches the JIT on when an interpreter starts, if -X jitpatch or JITPATCH asks for it.

Called from jitpatch.pth (a line that imports nothing of ours unless one of them is there) and,
from Python 3.15 on, through jitpatch.start (PEP 829). It may be called more than once.
"""

import os
import sys

# What every start pays for: no `from __future__ import annotations` (a file to read), so names of types are in
# quotes; and other modules of ours are imported only where there is something for them to do.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LISTED_IN = "multiprocessing.util"      # see _children.py
_done = False


def start() -> None:
    """Enable the JIT if the command line or the environment wants it. Never raises."""
    global _done
    if _done:
        return
    _done = True
    plain = _is_on_and_nothing_else()
    if not plain and not _is_wanted():
        return
    import jitpatch

    if not jitpatch.is_available():
        if not _inherited():
            from . import _options

            _options.warn(f"not enabled: {jitpatch.why_unavailable()}")
        return
    try:
        if plain:
            jitpatch.enable()
        else:
            _enable_as_given()
    except RuntimeError as error:
        from . import _options

        _options.warn(str(error))
    _inherit_options()


def _is_on_and_nothing_else() -> bool:
    """Whether -X jitpatch or JITPATCH=1 is there, and no option: nothing to read, or to warn about."""
    xoptions = sys._xoptions
    value = xoptions.get("jitpatch")
    if value is None and not sys.flags.ignore_environment:
        value = os.environ.get("JITPATCH")
    if value is not True and value not in ("1", "on"):
        return False
    if len(xoptions) > 1 and any(name.startswith("jitpatch-") for name in xoptions):
        return False
    return bool(sys.flags.ignore_environment) or not any(name.startswith("JITPATCH_") for name in os.environ)


def _is_wanted() -> bool:
    from . import _options

    wanted = _options.switch()
    if wanted is None and (source := _options.wants_to_show()) is not None and not _inherited():
        _options.warn(f"{source}: the JIT is off; -X jitpatch or JITPATCH=1 switches it on")
    return bool(wanted)


def _enable_as_given() -> None:
    from . import _jitpatch, _options

    enable(_options.given(_jitpatch))


def enable(options: "dict[str, Any]") -> None:
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
        interpreters: "Any" = __import__("_interpreters")
        return bool(interpreters.get_current()[0] != interpreters.get_main()[0])
    except ImportError:
        return False


def _inherit_options() -> None:
    """Processes that multiprocessing starts get the -X options of this one (the environment's reach them anyway):
    _children.py, which is imported when multiprocessing is."""
    if not any(name == "jitpatch" or name.startswith("jitpatch-") for name in sys._xoptions):
        return
    if LISTED_IN in sys.modules:
        from . import _children

        _children.add_flags(sys.modules[LISTED_IN])
    else:
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Waits for the one import."""

    def find_spec(self, name: str, path: "Any" = None, target: "Any" = None) -> "Any":
        """The spec that the other finders have, with a loader that changes the module it has executed."""
        if name != LISTED_IN:
            return None
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        from . import _children

        return _children.find_spec(name, path, target)
