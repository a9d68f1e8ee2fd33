"""Options: from -X jitpatch[-NAME[=VALUE]], JITPATCH[_NAME]=VALUE and enable(NAME=VALUE).

The command line wins over the environment. What comes from either is never an error of the
program that runs: a bad value is a one-line warning naming the option and the accepted range.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False       # as in __init__.py
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

NOT_OPTIONS = ("JITPATCH_COVERAGE",)      # read by coverage.c
STAGES = ("record", "ir", "opt", "regs", "code", "abort")
OFF = ("0", "off", "no", "false")
ON = ("", "1", "on", "yes", "true")


def _dump(value: Any) -> str | None:
    """Checks a comma-separated list of stages; "all" and "" are everything and nothing."""
    if value is None or value == "":
        return None
    text = value if isinstance(value, str) else ",".join(value)
    stages = [stage.strip() for stage in text.split(",")]
    if stages == ["all"]:
        return ",".join(STAGES)
    for stage in stages:
        if stage not in STAGES:
            raise ValueError(f"dump: {stage!r} is not one of {', '.join(STAGES)}, all")
    return ",".join(stages)


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
        elif name in rows:
            checked[name] = _number(rows[name], value)
        else:
            raise TypeError(f"no option {name!r}; there are {', '.join(rows)}, dump")
    return checked


def _from_environment() -> Iterator[tuple[str, str, str]]:
    for key, value in os.environ.items():
        if key.startswith("JITPATCH_") and key not in NOT_OPTIONS:
            yield key, key[len("JITPATCH_"):].lower(), value


def _from_command_line() -> Iterator[tuple[str, str, str]]:
    for key, value in getattr(sys, "_xoptions", {}).items():
        if key.startswith("jitpatch-"):
            name = key[len("jitpatch-"):].replace("-", "_")
            yield f"-X {key}", name, "1" if value is True else value


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
            warn(f"{source}: no such option; there are {', '.join(rows)}, dump")
        except ValueError as error:
            accepted = (f"{' or '.join(STAGES)}, separated by commas" if name == "dump" else
                        f"a whole number from {rows[name][2]} to {rows[name][3]}")
            del error
            warn(f"{source}={value}: accepted is {accepted}")
    return found


def switch() -> bool:
    """Whether -X jitpatch or JITPATCH says on; the command line wins."""
    xoptions = getattr(sys, "_xoptions", {})
    for source, value in (("-X jitpatch", xoptions.get("jitpatch")),
                          ("JITPATCH", os.environ.get("JITPATCH"))):
        if value is None:
            continue
        if value is True or value.strip().lower() in ON:
            return value is True or value != ""     # an empty variable is no variable
        if value.strip().lower() not in OFF:
            warn(f"{source}={value}: accepted is on or off (or 1 or 0); taken as off")
        return False
    return False
