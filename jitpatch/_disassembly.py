"""Machine code as text, by capstone, which is an optional dependency (`pip install jitpatch[dump]`).

Holes are named in the instructions they belong to: each is filled with a value that occurs
nowhere else, and this value is looked for in the text.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jitpatch._tables import Hole, Stencil, TableError

FAR = 0x80000  # where the first hole's value is, if it is an address: in reach of every kind


@dataclass(frozen=True)
class Line:
    """An instruction, or bytes that are none."""

    at: int
    code: bytes
    text: str
    holes: tuple[Hole, ...]


def disassembler(machine: str) -> Any:
    """capstone's for this machine; TableError where there is none."""
    try:
        import capstone  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise TableError("disassembling needs capstone: pip install capstone") from None
    if machine == "aarch64":
        return capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)
    mode = capstone.CS_MODE_32 if machine == "i686" else capstone.CS_MODE_64
    return capstone.Cs(capstone.CS_ARCH_X86, mode)


def instructions(code: bytes, machine: str, at: int = 0) -> Iterator[Line]:
    """Plain machine code."""
    engine = disassembler(machine)
    done = 0
    for address, size, opcode, operands in engine.disasm_lite(code, at):
        yield Line(address, code[address - at : address - at + size], f"{opcode} {operands}".strip(), ())
        done = address - at + size
    if done < len(code):
        yield Line(at + done, code[done:], "(no instruction)", ())


def stencil_lines(stencil: Stencil, part: str, machine: str) -> Iterator[Line]:
    """A part of a stencil, its holes named."""
    code = bytearray(stencil.parts[part])
    holes = [hole for hole in stencil.holes if hole.part == part]
    fakes: dict[int, tuple[str, str]] = {}
    for number, hole in enumerate(holes):
        fakes[hole.offset] = _fill(code, hole, FAR + 0x40 * number)
    for line in instructions(bytes(code), machine):
        at, text = line.at, line.text
        inside = [hole for hole in holes if at <= hole.offset < at + len(line.code)]
        for hole in inside:
            fake, name = fakes[hole.offset]
            text = _name(text, fake, f"<{name}>", hole, at + len(line.code))
        yield Line(at, stencil.parts[part][at : at + len(line.code)], text, tuple(inside))


def _fill(code: bytearray, hole: Hole, fake: int) -> tuple[str, str]:
    """Put a value into a hole; how it will be shown, and what to show instead."""
    at = hole.offset
    word = int.from_bytes(code[at : at + 4], "little")
    distance = fake - at
    name = hole.meaning()
    if hole.kind == "REL32" and hole.addend:  # the addend undoes that the field is not the end
        name = hole.symbol or hole.value.lower()
        rest = hole.addend + 4
        if hole.symbol is None and hole.value not in ("HOT", "COLD", "DATA"):
            name = hole.meaning().rpartition(f" {'+' if hole.addend >= 0 else '-'} ")[0]
        name += f"{rest:+}" if rest else ""
    if hole.kind == "ABS64":
        fake |= 0x4A17 << 48
        code[at : at + 8] = struct.pack("<Q", fake)
        return f"{fake:#x}", name
    if hole.kind in ("ABS32", "ABS32S"):
        fake |= 0x4A170000
        code[at : at + 4] = struct.pack("<I", fake)
        return f"{fake:#x}", name
    if hole.kind == "REL32":
        code[at : at + 4] = struct.pack("<i", distance - 4)
        return f"{fake:#x}", name
    if hole.kind.startswith("MOVW"):
        fake = 0x4A17 + (fake - FAR)
        word |= (fake & 0xFFFF) << 5
        low = 16 * int(hole.kind[4])
        shown, name = f"{fake:#x}", f"bits {low}-{low + 15} of {name}"
    elif hole.kind == "BRANCH26":
        word |= distance >> 2 & 0x3FFFFFF
        shown = f"{fake:#x}"
    elif hole.kind == "REL19":
        word |= (distance >> 2 & 0x7FFFF) << 5
        shown = f"{fake:#x}"
    elif hole.kind in ("ADR21", "PAGE21"):
        if hole.kind == "PAGE21":
            fake = FAR + 0x1000 * (fake - FAR)
            distance = (fake - (at & ~0xFFF)) >> 12
        word |= (distance & 3) << 29 | (distance >> 2 & 0x7FFFF) << 5
        shown = f"{fake:#x}"
        name = f"page of {name}" if hole.kind == "PAGE21" else name
    else:  # ADD12, LOAD12
        scale = 4 if word & 0x04800000 == 0x04800000 and word >> 30 == 0 else word >> 30
        field = 0x7A
        word |= field << 10
        shown = f"{field << (scale if hole.kind == 'LOAD12' else 0):#x}"
        name = f"place in the page of {name}"
    code[at : at + 4] = struct.pack("<I", word)
    return shown, name


def _name(text: str, fake: str, name: str, hole: Hole, end: int) -> str:
    if fake in text:
        return text.replace(fake, name, 1)
    if hole.kind == "REL32":  # not a branch: the distance from the next instruction is shown
        distance = int(fake, 16) - hole.offset - 4
        return text.replace(f"{distance:#x}", name, 1)
    return text
