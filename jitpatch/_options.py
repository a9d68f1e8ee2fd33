"""Options: from -X jitpatch[-NAME[=VALUE]], JITPATCH[_NAME]=VALUE and enable(NAME=VALUE).

The command line wins over the environment, which -I and -E leave unread. What comes from either is
never an error of the program that runs: a bad value is a one-line warning naming the option and what is
accepted, and as good as none. So is an empty value (JITPATCH_STATS=). A name alone (-X jitpatch-stats)
switches on what has a switch; what wants a value wants one there, too.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False       # as in __init__.py
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

NOT_OPTIONS = ("JITPATCH_COVERAGE", "JITPATCH_CLANG", "JITPATCH_PYTHON", "JITPATCH_DEBUG_BUILD")     # of coverage.c, of the build and the tools
STAGES = ("record", "ir", "opt", "regs", "code", "abort")
OFF = ("0", "off", "no", "false")
ON = ("1", "on", "yes", "true")
NAMES = ("threshold", "call_threshold", "side_threshold", "max_trace", "max_bytecodes", "max_inline", "max_aborts",
         "max_versions", "max_sides", "max_age", "sample", "doors", "code_limit", "memory_limit", "text", "stats",
         "force_exit", "forget_facts", "abort_at", "gc_exits", "random",
         "dump")    # params.def's and dump: what there is where there is no extension, too
SWITCHES = ("doors", "text", "stats", "gc_exits")   # those that a name alone switches on
SHOWING = ("stats", "dump")                 # those that nobody gives who does not want to see something


def _dump(value: Any) -> str | None:
    """Checks a comma-separated list of stages; "all" is everything, None nothing."""
    if value is None:
        return None
    text = value if isinstance(value, str) else ",".join(value)
    stages = [stage.strip() for stage in text.split(",")]
    if stages == ["all"]:
        return ",".join(STAGES)
    for stage in stages:
        if stage not in STAGES:
            raise ValueError(f"dump: {stage!r} is not one of {', '.join(STAGES)}, all")
    return ",".join(stages)


def _stats(value: Any) -> int | str:
    """0, 1, or the full name of a file."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str):
        text = value.strip().lower()
        if text in (*ON, *OFF):
            return int(text in ON)
        if text and not text.lstrip("+-").isdigit():
            return os.path.abspath(value)
        value = None
    if not isinstance(value, int) or not 0 <= value <= 1:
        raise ValueError("stats: not 0, 1 or the name of a file")
    return int(value)


def _number(row: tuple[str, int, int, int, str], value: Any) -> int:
    name, _default, least, most, _help = row
    if isinstance(value, str):
        text = value.strip().lower()
        if (least, most) == (0, 1) and text in (*ON, *OFF):
            return int(text in ON)
        try:
            value = int(text, 0)
        except ValueError:
            value = None
    if not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name}: not a whole number from {least} to {most}")
    return int(value)


def check(jit: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    """The options as the machine wants them. TypeError for an unknown one, ValueError for a bad
    value."""
    rows = {row[0]: row for row in jit.params()}
    checked: dict[str, Any] = {}
    for name, value in wanted.items():
        if name == "dump":
            checked[name] = _dump(value)
        elif name == "stats":
            checked[name] = _stats(value)
        elif name in rows:
            checked[name] = _number(rows[name], value)
        else:
            raise TypeError(f"no option {name!r}; there are {', '.join(rows)}, dump")
    return checked


def accepted(row: tuple[str, int, int, int, str] | None) -> str:
    """The values of an option, in words. row: of params(); None: dump."""
    if row is None:
        return f"{' or '.join(STAGES)}, separated by commas"
    if row[0] == "stats":
        return "0, 1 or the name of a file"
    return f"a whole number from {row[2]} to {row[3]}"


def _variable(name: str) -> str | None:
    """A variable of the environment, if this interpreter reads those."""
    return None if sys.flags.ignore_environment else os.environ.get(name)


def _from_environment() -> Iterator[tuple[str, str, str]]:
    for key in () if sys.flags.ignore_environment else tuple(os.environ):
        if key.startswith("JITPATCH_") and key not in NOT_OPTIONS:
            yield f"{key}={os.environ[key]}", key[len("JITPATCH_"):].lower(), os.environ[key]


def _from_command_line() -> Iterator[tuple[str, str, str]]:
    for key, value in getattr(sys, "_xoptions", {}).items():
        if key.startswith("jitpatch-"):
            name = key[len("jitpatch-"):].replace("-", "_")
            if value is True:
                yield f"-X {key}", name, "1" if name in SWITCHES else ""
            else:
                yield f"-X {key}={value}", name, value


def warn(text: str) -> None:
    if sys.stderr is not None:
        print(f"jitpatch: warning: {text}", file=sys.stderr)


def given(jit: Any) -> dict[str, Any]:
    """All options given outside of the program, checked; bad ones are warned about and left out."""
    found: dict[str, Any] = {}
    rows = {row[0]: row for row in jit.params()}
    for source, name, value in (*_from_environment(), *_from_command_line()):
        try:
            found.update(check(jit, {name: value}))
        except TypeError:
            warn(f"{source.partition('=')[0]}: no such option; there are {', '.join(rows)}, dump")
        except ValueError:
            warn(f"{source}: accepted is {accepted(rows.get(name))}")
    return found


def switch() -> bool | None:
    """Whether -X jitpatch or JITPATCH says on, or off, or nothing; the command line wins."""
    xoptions = getattr(sys, "_xoptions", {})
    for source, value in (("-X jitpatch", xoptions.get("jitpatch")), ("JITPATCH", _variable("JITPATCH"))):
        if value is None:
            continue
        text = "on" if value is True else value.strip().lower()
        if text not in (*ON, *OFF):
            warn(f"{source}={value}: accepted is on or off (or 1 or 0); taken as off")
        return text in ON
    return None


def wants_to_show() -> str | None:
    """An option given outside of the program that nothing will come of while the JIT is off."""
    for source, name, value in (*_from_command_line(), *_from_environment()):
        if name in SHOWING and value.strip().lower() not in ("", *OFF):
            return source
    return None
