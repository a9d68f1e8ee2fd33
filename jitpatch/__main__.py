"""python -m jitpatch [--OPTION[=VALUE] ...] (SCRIPT | -m MODULE | -c CODE | -) [ARGUMENT ...]

Runs a program with the JIT on, as `python SCRIPT ARGUMENT ...` would run it.
"""

from __future__ import annotations

import sys

import jitpatch
from jitpatch import _options

if jitpatch.is_available():
    from jitpatch import _jitpatch

USAGE = "usage: python -m jitpatch [--OPTION[=VALUE] ...] (SCRIPT | -m MODULE | -c CODE) ..."


def _help() -> str:
    lines = [USAGE, "", "Runs a program with the JIT on. Options (also -X jitpatch-OPTION=VALUE and "
             "JITPATCH_OPTION=VALUE, with _ for -):"]
    for name, default, least, most, text in _jitpatch.params():
        option = "--" + name.replace("_", "-")
        lines.append(f"  {option:18} {text} ({least} to {most}, default {default})")
    lines.append(f"  {'--dump':18} print stages of compiling: {', '.join(_options.STAGES)}, all")
    return "\n".join(lines)


def _fail(text: str) -> None:
    sys.exit(f"jitpatch: error: {text}")


def _parse(arguments: list[str]) -> tuple[dict[str, object], list[str]]:
    """Our options, and what is left from the script on."""
    wanted: dict[str, object] = {}
    switches = {row[0] for row in _jitpatch.params() if row[2:4] == (0, 1)}
    at = 0
    while at < len(arguments) and arguments[at].startswith("--"):
        name, equals, value = arguments[at][2:].partition("=")
        name = name.replace("-", "_")
        at += 1
        if name == "":
            break
        if name == "help":
            print(_help())
            sys.exit(0)
        if not equals and name in switches:
            value = "1"
        elif not equals:
            if at == len(arguments):
                _fail(f"--{name} needs a value")
            value = arguments[at]
            at += 1
        wanted[name] = value
    return wanted, arguments[at:]


def main() -> None:
    import os
    import runpy

    if not jitpatch.is_available():
        _fail(str(jitpatch.why_unavailable()))
    wanted, rest = _parse(sys.argv[1:])
    if not rest or rest == ["-h"]:
        print(_help())
        sys.exit(0 if rest else 2)
    try:
        jitpatch.enable(**{**_options.given(_jitpatch), **wanted})
    except (RuntimeError, TypeError, ValueError) as error:
        _fail(str(error))
    if rest[0] == "-m":
        if len(rest) < 2:
            _fail("-m needs a module name")
        sys.argv[:] = rest[1:]
        runpy.run_module(rest[1], run_name="__main__", alter_sys=True)
    elif rest[0] == "-c":
        if len(rest) < 2:
            _fail("-c needs code")
        _run_string(rest[1], ["-c", *rest[2:]])
    elif not os.path.exists(rest[0]):
        _fail(f"can't open file {os.path.abspath(rest[0])!r}: no such file")
    else:
        sys.argv[:] = rest
        # As for `python SCRIPT`: its folder, not the current one, comes first on the path.
        if not os.path.isdir(rest[0]) and not getattr(sys.flags, "safe_path", False):
            sys.path[0] = os.path.dirname(os.path.abspath(os.path.realpath(rest[0])))
        runpy.run_path(rest[0], run_name="__main__")


def _run_string(text: str, argv: list[str]) -> None:
    import types

    module = types.ModuleType("__main__")
    module.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = module
    sys.argv[:] = argv
    sys.path[0] = ""
    exec(compile(text, "<string>", "exec"), module.__dict__)


if __name__ == "__main__":
    main()
