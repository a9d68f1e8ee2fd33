"""jitpatch-dump: the uops, the machine code and holes of their stencils, and compiled traces."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator

from jitpatch._dump_text import (
    Paint,
    c_lines,
    difference,
    difference_lines,
    list_lines,
    stencil_difference,
    summary,
    summary_lines,
    uop_lines,
)
from jitpatch._tables import TableError, as_json, choose, find_uop, known_tables, open_tables

EXAMPLES = """\
examples:
  jitpatch-dump                                    every uop, one a line
  jitpatch-dump INT_ADD                            its declaration, and its first stencil
  jitpatch-dump INT_ADD --variant r0_k_r2          bytes and holes of one variant
  jitpatch-dump INT_ADD --variant all --disassemble
  jitpatch-dump INT_ADD --target aarch64-unknown-linux-gnu
  jitpatch-dump --summary                          counts and sizes of every target there is
  jitpatch-dump --format json > before.json        a table, to compare with a later one
  jitpatch-dump --diff before.json x86_64-unknown-linux-gnu
  jitpatch-dump INT_ADD --diff x86_64-unknown-linux-gnu x86_64-apple-darwin
  jitpatch-dump --trace script.py:function --disassemble
  jitpatch-dump --trace script.py word --flag      words of the script: from the first one that is no option of ours on

A variant is named by the registers of its inputs and its output: r0.. for ints and objects, f0.. for
floats, k for a constant. The installed package has the table of its own target. Tables of the others
are in a checkout, in generated/TARGET/stencils.json (python build_stencils.py --all), and are found
from there; a path of such a file does as well as the name of a target.

exit status: 0; 1 if something is missing, or --diff found a difference; 2 for a wrong name or option; with
--trace, the script's."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="jitpatch-dump", epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        description="Show uops, the machine code and holes of their stencils, and compiled traces.",
    )
    made.add_argument("uop", nargs="?", help="name of a uop (default: list them all)")
    made.add_argument("arguments", nargs="*", help="with --trace: all words from the first on are the script's arguments")
    made.add_argument("--target", metavar="T", help="another target's table, or a table's file")
    made.add_argument("--variant", metavar="V", help="registers of inputs and output, such as r0_k_r2; or all")
    made.add_argument("--disassemble", action="store_true", help="instructions instead of bytes (needs capstone)")
    made.add_argument("--format", choices=("text", "json", "c"), default="text", help="default: text")
    made.add_argument("--summary", action="store_true", help="counts and sizes")
    made.add_argument("--diff", nargs=2, metavar=("A", "B"), help="compare two targets or tables")
    made.add_argument("--trace", metavar="SCRIPT[:FUNCTION]", help="run a script, show what was compiled")
    made.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="default: on a terminal")
    return made


OPERANDS = {"--target": 1, "--variant": 1, "--format": 1, "--diff": 2, "--trace": 1, "--color": 1, "--disassemble": 0,
            "--summary": 0, "--help": 0, "-h": 0}


def split(words: list[str]) -> tuple[list[str], list[str]]:
    """Our words, and those of the script that --trace runs."""
    at, traces = 0, False
    while at < len(words):
        name, equals, _ = words[at].partition("=")
        if name not in OPERANDS and traces:
            return words[:at], words[at + (words[at] == "--"):]
        traces = traces or name == "--trace"
        at += 1 + (0 if equals else OPERANDS.get(name, 0))
    return words, []


def report(args: argparse.Namespace, paint: Paint) -> tuple[Iterable[str], int]:
    """Lines, and the exit status."""
    if args.trace is not None:
        return trace(args, paint)
    if args.arguments:
        raise LookupError(f"one uop at a time: {' '.join(args.arguments)} is too much")
    if args.uop is None and args.variant is not None:
        raise LookupError("--variant needs the name of a uop")
    if args.diff is not None:
        return diff(args, paint)
    if args.summary:
        return summaries(args, paint), 0
    tables = open_tables(args.target)
    if args.uop is None:
        if args.format == "c":
            raise LookupError("--format c needs the name of a uop")
        if args.format == "json":
            return [as_json(tables, ((uop, tables.variants(uop)) for uop in tables.uops()))], 0
        return list_lines(tables, paint), 0
    uop = find_uop(tables, args.uop)
    if args.format == "json":
        return [as_json(tables, [(uop, choose(tables, uop, args.variant))])], 0
    if args.format == "c":
        return list(c_lines(tables, uop, args.variant)), 0
    return list(uop_lines(tables, uop, args.variant, args.disassemble, paint)), 0


def summaries(args: argparse.Namespace, paint: Paint) -> Iterator[str]:
    """--summary: of one target by uop, or of every target there is."""
    if args.uop is not None:
        raise LookupError("--summary is of all uops")
    if args.format == "c":
        raise LookupError("--summary has no C form")
    names: list[str | None] = [args.target] if args.target else [*known_tables()] or [None]
    found = [summary(open_tables(name)) for name in names]
    if args.format == "json":
        yield json.dumps({"targets": found}, indent=1)
        return
    for at, numbers in enumerate(found):
        yield from summary_lines(numbers, at == 0, paint)


def diff(args: argparse.Namespace, paint: Paint) -> tuple[Iterable[str], int]:
    """--diff: all uops, or one."""
    if args.target or args.summary or args.format == "c":
        raise LookupError("--diff goes with a uop, --variant, --disassemble and --format json")
    a, b = (open_tables(name) for name in args.diff)
    only = None
    if args.uop is not None:
        only = (find_uop(a, args.uop) if args.uop.upper() in {uop.name for uop in a.uops()} else find_uop(b, args.uop)).name
    found = difference(a, b, only)
    status = int(bool(found["uops"]))
    if args.format == "json":
        return [json.dumps(found, indent=1)], status
    lines = list(difference_lines(found, paint))
    if only is not None and status and "only" not in found["uops"][only]:
        variant = args.variant or next(iter(found["uops"][only].get("differ", [])), None)
        lines += ["", f"{only} {variant or ''}".rstrip()]
        lines += stencil_difference(a, b, only, variant, args.disassemble, paint)
    return lines, status


def trace(args: argparse.Namespace, paint: Paint) -> tuple[Iterable[str], int]:
    """--trace: run, then show."""
    from jitpatch._dump_trace import run_and_collect, trace_lines

    if args.format == "c" or args.variant or args.summary or args.diff or args.target:
        raise LookupError("--trace goes with --disassemble and --format text or json")
    words = ([args.uop] if args.uop is not None else []) + args.arguments
    found, status = run_and_collect(args.trace, words, args.disassemble)
    if args.format == "json":
        return [json.dumps({"traces": found}, indent=1)], status
    return trace_lines(found, paint), status


def main(words: list[str] | None = None) -> int:
    """The command."""
    ours, the_scripts = split(sys.argv[1:] if words is None else words)
    args = parser().parse_args(ours)
    args.arguments += the_scripts
    on = args.color == "always" or (args.color == "auto" and sys.stdout.isatty() and "NO_COLOR" not in os.environ)
    try:
        lines, status = report(args, Paint(on))
        for line in lines:
            print(line)
        sys.stdout.flush()
    except LookupError as error:
        print(f"jitpatch-dump: {error.args[0]}", file=sys.stderr)
        return 2
    except TableError as error:
        print(f"jitpatch-dump: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # a pager or head that has seen enough
        sys.stderr.close()
        return 0
    return status


if __name__ == "__main__":
    sys.exit(main())
