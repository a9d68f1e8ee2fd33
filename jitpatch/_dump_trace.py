"""jitpatch-dump --trace: runs a script with the JIT on, and shows what was compiled.

The script's own output goes to stderr while it runs, so that stdout holds the dump alone.
"""

from __future__ import annotations

import contextlib
import dis
import linecache
import os
import re
import sys
from collections.abc import Iterator
from types import CodeType
from typing import Any

import jitpatch
from jitpatch import _options
from jitpatch import _run as _run_module
from jitpatch._disassembly import instructions
from jitpatch._dump_text import PLAIN, Paint
from jitpatch._tables import CompiledIn, TableError, nearest

INTERRUPTED = 130       # what a shell says of a process that SIGINT has ended


def run_and_collect(wanted: str, arguments: list[str], disassemble: bool) -> tuple[list[dict[str, Any]], int]:
    """What was compiled while SCRIPT[:FUNCTION] ran, and the script's exit status."""
    script, function = _split(wanted)
    if not jitpatch.is_available():
        raise TableError(str(jitpatch.why_unavailable()))
    from jitpatch import _jitpatch

    # A short script is counted from its first iteration on: samples might miss what it compiles.
    jitpatch.enable(**{"sample": 0, **_options.given(_jitpatch), "text": 1})
    with _stdout_to_stderr():
        status = _run(script, arguments)
    found = [(executor, _name(executor.code)) for executor in jitpatch.executors()]
    names = sorted({name for _, name in found if name})
    chosen = [executor for executor, name in found if function in (None, name, (name or "").rpartition(".")[2])]
    if function is not None and not chosen:
        hint = nearest(function, names) if names else ": nothing was compiled"
        raise LookupError(f"no trace of a function {function!r} in {script}{hint}")
    pieces = Pieces(disassemble)
    return [describe(executor, pieces) for executor in chosen], status


def _split(wanted: str) -> tuple[str, str | None]:
    script, colon, function = wanted.rpartition(":")
    if not colon or os.path.exists(wanted):
        script, function = wanted, ""
    if not os.path.isfile(script):
        raise LookupError(f"can't open {script!r}: no such file")
    return script, function or None


def _name(code: CodeType | None) -> str | None:
    return None if code is None else code.co_qualname


@contextlib.contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    sys.stdout.flush()
    before, own = sys.stdout, os.dup(1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        sys.stdout = before
        os.dup2(own, 1)
        os.close(own)


def _run(script: str, arguments: list[str]) -> int:
    """As `python SCRIPT ARGUMENTS` would; the exit status. What was compiled lives on in _run.kept and __main__."""
    try:
        _run_module.run_script([script, *arguments])
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        print(error.code, file=sys.stderr)
        return 1
    except BaseException as error:
        _run_module.own_frames_removed(error)
        sys.excepthook(type(error), error, error.__traceback__)
        return INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1
    return 0


class Pieces:
    """Names of variants, by stencil and uop; and machine code as text."""

    def __init__(self, disassemble: bool) -> None:
        self.tables = CompiledIn()
        self.disassemble = disassemble
        self.variants: dict[int, dict[str, str]] = {}
        for uop in sorted(self.tables.uops(), key=lambda uop: "CONTROL" not in uop.flags):
            for name, number in self.tables.variants(uop):
                self.variants.setdefault(number, {}).setdefault(uop.name, name)

    def named(self, number: int, wanted: str) -> tuple[str, str]:
        """Uop and variant of a stencil. Several uops may share it; if the one of the instruction that it
        belongs to does not, the stencil is a move, a spill or the like."""
        found = self.variants.get(number, {"?": "?"})
        uop = wanted if wanted in found else next(iter(found))
        return uop, found[uop]

    def of(self, executor: jitpatch.Executor) -> list[dict[str, Any]]:
        """The hot parts, in order."""
        code, found = executor.machine_code(), executor.stencils()
        uops = {int(ref): uop for ref, uop in re.findall(r"^(\d{4}) [^A-Z\n]*([A-Z]\w+)", executor.uops(), re.M)}
        rows = []
        for at, number, ref in found:
            uop, variant = self.named(number, uops.get(ref, ""))
            size = len(self.tables.stencil(number).parts["hot"])
            row: dict[str, Any] = {
                "at": at, "uop": uop, "variant": variant, "instruction": ref, "code": code[at : at + size].hex(),
            }
            if self.disassemble:
                row["text"] = [[line.at, line.text] for line in instructions(code[at : at + size], self.tables.machine, at)]
            rows.append(row)
        return rows


def describe(executor: jitpatch.Executor, pieces: Pieces) -> dict[str, Any]:
    """One trace, as data."""
    code = executor.code
    file = "" if code is None else code.co_filename
    return {
        "function": _name(code), "file": file, "line": executor.line,
        "source": linecache.getline(file, executor.line).strip(),
        "kind": "side" if executor.is_side else "root", "loops": executor.loops, "entered": executor.entered,
        "code_size": executor.code_size, "compile_ns": executor.compile_ns,
        "bytecode": [] if code is None or executor.is_side else _bytecode(code, executor.line),
        "recorded": executor.uops(optimised=False).splitlines(),
        "optimised": executor.uops().splitlines(),
        "stencils": pieces.of(executor),
        "exits": executor.exits,
    }


def _bytecode(code: CodeType, line: int) -> list[str]:
    """The loop whose head is in this line."""
    found = list(dis.get_instructions(code))
    for at, instruction in enumerate(found):
        if not instruction.opname.startswith("JUMP_BACKWARD"):
            continue
        head = next((k for k, other in enumerate(found) if other.offset == instruction.argval), None)
        if head is not None and found[head].line_number == line:
            return [_instruction(other) for other in found[head : at + 1]]
    return []


def _instruction(instruction: dis.Instruction) -> str:
    return f"{instruction.line_number or 0:5} {instruction.offset:5} {instruction.opname:28} {instruction.argrepr}".rstrip()


def _short(file: str) -> str:
    """Below the current folder: without it."""
    return file.removeprefix(os.path.join(os.getcwd(), ""))


def trace_lines(rows: list[dict[str, Any]], paint: Paint = PLAIN) -> Iterator[str]:
    """The traces as text."""
    if not rows:
        yield "nothing was compiled"
        own = os.path.dirname(__file__)  # what ran to show this
        for entry in jitpatch.stats().as_dict()["abort_log"]:
            if os.path.dirname(entry["file"]) != own:
                yield f"  {_short(entry['file'])}:{entry['line']}: {entry['reason']}, {entry['times']} times"
    for number, row in enumerate(rows):
        if number:
            yield ""
        yield (f"{row['kind']} trace at {_short(row['file'])}:{row['line']} in {paint('name', row['function'] or '?')}: entered "
               f"{row['entered']} times, {row['code_size']} bytes, compiled in {row['compile_ns'] / 1000:.0f} us")
        yield f"  {row['source']}"
        for title, key in (("bytecode", "bytecode"), ("recorded", "recorded"), ("optimised", "optimised")):
            if row[key]:
                yield f"  {paint('part', title)}"
                yield from (f"    {line}" for line in row[key])
        yield f"  {paint('part', 'registers and machine code')}"
        for piece in row["stencils"]:
            of = f"  for {piece['instruction']:04}" if piece["instruction"] else ""
            yield f"    {piece['at']:04x}  {piece['uop']} {piece['variant']}{paint('note', of)}"
            if "text" in piece:
                yield from (f"            {at:04x}  {text}" for at, text in piece["text"])
            elif piece["code"]:
                yield f"            {bytes.fromhex(piece['code']).hex(' ')}"
        yield f"  {paint('part', 'exits')}"
        for item in row["exits"]:
            goes_on = ", goes on in a side trace" if item["linked"] else ""
            yield f"    {item['number']}: line {item['line']}, {item['bytecode']}, {item['uop']}: {item['count']} times{goes_on}"
