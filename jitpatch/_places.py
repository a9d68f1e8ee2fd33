"""Words for why the JIT does not work here: a checkout that is not built, somebody who watches all code."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False       # as in __init__.py
if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = os.path.dirname(os.path.abspath(__file__))
OPTIMIZER_ID = 5


def why_not_built(otherwise: str) -> str:
    """There is no extension for this interpreter in the package's folder. In a checkout the folder may hide the
    installed package, since Python looks in the current folder first."""
    checkout = os.path.dirname(HERE)
    if not os.path.exists(os.path.join(checkout, "build_stencils.py")):
        return otherwise
    installed = next(_built_elsewhere(), None)
    if installed is None:
        return f"jitpatch in {checkout} is a checkout that is not built: pip install {checkout}, and run Python in another folder"
    return (f"jitpatch in {checkout} is a checkout that is not built, and hides the one installed in {installed}: "
            "run Python in another folder, or with -P")


def _built_elsewhere() -> Iterator[str]:
    """Folders on the path whose jitpatch is built for this interpreter."""
    from importlib.machinery import EXTENSION_SUFFIXES

    for folder in sys.path:
        package = os.path.join(folder or os.curdir, "jitpatch")
        if any(os.path.exists(os.path.join(package, f"_jitpatch{suffix}")) for suffix in EXTENSION_SUFFIXES):
            yield os.path.abspath(folder)


def who_watches() -> str:
    """Something watches all code that runs (_jitpatch.is_watched()): what."""
    if sys.is_stack_trampoline_active():
        return "perf support is on (-X perf, -X perf_jit or PYTHONPERFSUPPORT)"
    if sys.gettrace() is not None:
        return "sys.settrace is in use, by a debugger or a coverage tool"
    if sys.getprofile() is not None:
        return "sys.setprofile is in use, by a profiler"
    for tool in range(OPTIMIZER_ID + 1):
        name = sys.monitoring.get_tool(tool)
        if tool != OPTIMIZER_ID and name is not None and sys.monitoring.get_events(tool):
            return f"the tool {name!r} watches all code by sys.monitoring"
    return "another tool or compiler watches all code"
