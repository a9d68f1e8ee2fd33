"""python -m jitpatch [--OPTION[=VALUE] ...] [SCRIPT | -m MODULE | -c CODE | -] [ARGUMENT ...]

Runs a program with the JIT on, as `python SCRIPT ARGUMENT ...` would run it: by becoming
`python -X jitpatch -X jitpatch-OPTION=VALUE ... SCRIPT ARGUMENT ...`. In this process only where that would not
have this package's JIT on (a checkout on PYTHONPATH).
"""

from __future__ import annotations

import os
import sys

import jitpatch
from jitpatch import _options, _run

if jitpatch.is_available():
    from jitpatch import _jitpatch

USAGE = "usage: python -m jitpatch [--OPTION[=VALUE] ...] [SCRIPT | -m MODULE | -c CODE | -] [ARGUMENT ...]"
RULES = """\
Options go before the program. They are also -X jitpatch-OPTION=VALUE and JITPATCH_OPTION=VALUE (with _ for -).
A name alone switches on what is 0 or 1; everything else needs a value. An empty value is none."""


def _help() -> str:
    lines = [USAGE, "", "Runs a program with the JIT on. Without one, reads it from standard input.", "", RULES, ""]
    if not jitpatch.is_available():
        return "\n".join([*lines, f"There are no options here: {jitpatch.why_unavailable()}"])
    for row in _jitpatch.params():
        name, default, _, _, text = row
        lines.append(f"  {'--' + name.replace('_', '-'):18} {text} ({_options.accepted(row).removeprefix('a whole number from ')}; "
                     f"default {default})")
    lines.append(f"  {'--dump':18} print stages of compiling: {', '.join(_options.STAGES)}, all")
    lines.append(f"  {'--version':18} print the version and whether the JIT works here")
    return "\n".join(lines)


def _version() -> str:
    state = "available" if jitpatch.is_available() else f"not available: {jitpatch.why_unavailable()}"
    return f"jitpatch {jitpatch.__version__} (Python {sys.version.split()[0]}; {state})"


def _fail(text: str) -> None:
    """As CPython for an option that it does not know."""
    print(f"jitpatch: error: {text}", file=sys.stderr)
    sys.exit(2)


def _checked(shown: str, name: str, value: str) -> str:
    """The value, if there is such an option and it is accepted."""
    if name not in _options.NAMES:
        _fail(f"no option {name!r}: python -m jitpatch --help lists them")
    if jitpatch.is_available():
        try:
            _options.check(_jitpatch, {name: value})
        except (TypeError, ValueError) as error:
            _fail(f"{shown}: {error}")
    return value


def _parse(arguments: list[str]) -> tuple[dict[str, str], list[str]]:
    """Our options, and what is left from the program on."""
    wanted: dict[str, str] = {}
    at = 0
    while at < len(arguments) and arguments[at].startswith("--"):
        shown = arguments[at]
        name, equals, value = shown[2:].partition("=")
        name = name.replace("-", "_")
        at += 1
        if shown == "--":
            break
        if shown in ("--help", "--version"):
            print(_help() if shown == "--help" else _version())
            sys.exit(0)
        if not equals and name in _options.SWITCHES:
            value = "1"
            if at < len(arguments) and arguments[at].lower() in (*_options.ON, *_options.OFF) and not os.path.exists(arguments[at]):
                _fail(f"{shown} takes no word of its own: write {shown}={arguments[at]}")
        elif not equals and name in _options.NAMES:
            if at == len(arguments):
                _fail(f"{shown} needs a value")
            value = arguments[at]
            shown += f" {value}"
            at += 1
        wanted[name] = _checked(shown, name, value)
    return wanted, arguments[at:]


def main() -> None:
    wanted, rest = _parse(sys.argv[1:])
    if rest[:1] == ["-h"]:
        print(_help())
        sys.exit(0)
    for word, what in (("-m", "a module name"), ("-c", "code")):
        if rest == [word]:
            _fail(f"{word} needs {what}")
    flags = _run.interpreter_flags()
    if _run.starts_this_package() or (not jitpatch.is_available() and _run.start_hook_folder() is not None):
        flags += ["-X", "jitpatch"]
        for name, value in wanted.items():
            flags += ["-X", f"jitpatch-{name.replace('_', '-')}={value}"]
        _replace_process(flags, rest)
    elif not jitpatch.is_available():
        _options.warn(f"not enabled: {jitpatch.why_unavailable()}")
        _replace_process(flags, rest)
    if jitpatch.is_available():
        from jitpatch import _startup

        try:
            _startup.enable({**_options.given(_jitpatch), **_options.check(_jitpatch, wanted)})
        except RuntimeError as error:
            _options.warn(str(error))
    _run.run_here(rest)


def _replace_process(flags: list[str], rest: list[str]) -> None:
    if sys.executable:
        _run.replace_process([sys.executable, *flags, *rest])


if __name__ == "__main__":
    main()
