"""Processes that multiprocessing starts anew (spawn, forkserver) get the -X jitpatch options of this one.

It gives them the interpreter's own options by a list that CPython makes of those it knows. So that list gets
ours as well. multiprocessing is not imported for that: whoever imports it finds it changed. Until then
sys.meta_path has an entry of ours, which takes no part in any other import.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False       # as in __init__.py
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

LISTED_IN = "multiprocessing.util"
NOT_FOR = "multiprocessing.resource_tracker"    # runs no code of the program's


def own_flags() -> list[str]:
    """Our -X options as this process was started with them."""
    return [f"-X{key}" if value is True else f"-X{key}={value}"
            for key, value in sys._xoptions.items() if key == "jitpatch" or key.startswith("jitpatch-")]


def inherit_options() -> None:
    """To be called once, when the JIT was switched on from outside of the program."""
    if not own_flags():
        return              # the environment's reach the children anyway
    if LISTED_IN in sys.modules:
        _add_flags(sys.modules[LISTED_IN])
    else:
        sys.meta_path.insert(0, _Finder())


def _add_flags(util: Any) -> None:
    theirs = getattr(util, "_args_from_interpreter_flags", None)
    if theirs is None:
        return              # this Python does it in another way

    def _args_from_interpreter_flags() -> list[str]:
        asked_by = sys._getframe(1).f_globals.get("__name__")
        return theirs() if asked_by == NOT_FOR else [*theirs(), *own_flags()]

    util._args_from_interpreter_flags = _args_from_interpreter_flags


def _change_when_executed(loader: Any) -> None:
    if isinstance(loader, type) or not hasattr(loader, "exec_module"):
        return              # no loader of one module
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        del loader.exec_module          # the class has it
        execute(module)
        _add_flags(module)

    loader.exec_module = exec_module


class _Finder:
    """Waits for the one import."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """The spec that the other finders have, with a loader that changes the module it has executed."""
        if name != LISTED_IN:
            return None
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target) if hasattr(finder, "find_spec") else None
            if spec is not None:
                _change_when_executed(spec.loader)
                return spec
        return None
