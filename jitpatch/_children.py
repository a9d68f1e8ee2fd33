"""Processes that multiprocessing starts anew (spawn, forkserver) get the -X jitpatch options of this one.

It gives them the interpreter's own options by a list that CPython makes of those it knows. So that list gets
ours as well. multiprocessing is not imported for that: whoever imports it finds it changed. Until then
sys.meta_path has an entry of ours (_startup.py), which takes no part in any other import, nor imports this module.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False       # as in __init__.py
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

NOT_FOR = "multiprocessing.resource_tracker"    # runs no code of the program's


def own_flags() -> list[str]:
    """Our -X options as this process was started with them."""
    return [f"-X{key}" if value is True else f"-X{key}={value}"
            for key, value in sys._xoptions.items() if key == "jitpatch" or key.startswith("jitpatch-")]


def add_flags(util: Any) -> None:
    """Have the list that `util` makes end in ours."""
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
        add_flags(module)

    loader.exec_module = exec_module


def find_spec(name: str, path: Any, target: Any) -> Any:
    """The spec that the finders have, with a loader that changes the module it has executed."""
    for finder in sys.meta_path:
        spec = finder.find_spec(name, path, target) if hasattr(finder, "find_spec") else None
        if spec is not None:
            _change_when_executed(spec.loader)
            return spec
    return None
