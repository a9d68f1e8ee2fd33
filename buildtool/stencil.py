"""Object file -> Stencils with Holes. Whatever is not known here stops the build.

The object was assembled from layout.py's text: three sections, in each of which stencil NAME
begins at the symbol NAME, NAME.cold or NAME.data and ends where the next one begins.
"""

import bisect
import enum
from collections.abc import Iterator
from dataclasses import dataclass

from buildtool.objects import ObjectFile, Reloc
from buildtool.target import ADDRESSES, NARROW, WIDE, BuildError, PatchKind, Target


@enum.unique
class Part(enum.Enum):
    """Where in a stencil a hole lies; the value is the symbols' suffix."""

    HOT = ""
    COLD = ".cold"
    DATA = ".data"

    @property
    def section(self) -> str:
        """The section in which the part of every stencil is."""
        return f".jit.{self.name.lower()}"


@dataclass(frozen=True)
class Hole:
    """What is left for run time (analogous to a relocation)."""

    part: Part
    offset: int
    kind: PatchKind
    value: str  # HoleValue without HOLE_
    symbol: str  # for SYMBOL: its name
    addend: int


@dataclass(frozen=True)
class Stencil:
    """A variant's bytes."""

    hot: bytes
    cold: bytes
    data: bytes
    holes: tuple[Hole, ...]


VALUES = {f"_JIT_{name}": name for name in ("CONTINUE", "EXIT", "ERROR")}
VALUES |= {name: name.removeprefix("_JIT_") for name in NARROW}
VALUES |= {name: name.replace("_JIT_WIDE", "OPERAND") for name in WIDE}
_SECTIONS = {part.section for part in Part} | {".text", ".note.GNU-stack", ""}
_LIMIT = 0xFFFF  # offsets and sizes are uint16_t


def read_stencils(obj: ObjectFile, names: list[str], target: Target) -> dict[str, Stencil]:
    """The stencils of one object file; `names` in the order in which layout.join put them."""
    for section in obj.sections.values():
        known = section.name in _SECTIONS or section.name.startswith((".comment", ".llvm"))
        if not known and section.data:
            raise BuildError(f"{names[0]} and others: unknown section {section.name}")
    parts = {part: list(_parts(obj, names, part)) for part in Part}
    return {
        name: _stencil(obj, name, {part: parts[part][at] for part in Part}, target)
        for at, name in enumerate(names)
    }


def _parts(obj: ObjectFile, names: list[str], part: Part) -> Iterator[tuple[int, int]]:
    """Start and end of each stencil's part."""
    starts = [obj.symbols[name + part.value].value for name in names]
    yield from zip(starts, [*starts[1:], len(obj.sections[part.section].data)], strict=True)


def _stencil(obj: ObjectFile, name: str, parts: dict[Part, tuple[int, int]], target: Target) -> Stencil:
    data: dict[Part, bytes] = {}
    holes: list[Hole] = []
    for part, (start, end) in parts.items():
        section = obj.sections[part.section]
        data[part] = section.data[start:end]
        first = bisect.bisect_left(section.relocs, start, key=_offset)
        last = bisect.bisect_left(section.relocs, end, key=_offset)
        holes += [_hole(name, part, reloc, parts, target) for reloc in section.relocs[first:last]]
        if end - start > _LIMIT:
            raise BuildError(f"{name}: {part.name} part of {end - start} bytes")
    return Stencil(data[Part.HOT], data[Part.COLD], data[Part.DATA], tuple(holes))


def _offset(reloc: Reloc) -> int:
    return reloc.offset


def _hole(name: str, part: Part, reloc: Reloc, parts: dict[Part, tuple[int, int]], target: Target) -> Hole:
    mark = reloc.type.removeprefix("MARK_")
    kind = target.relocations.get(reloc.type)
    if mark != reloc.type and mark in PatchKind.__members__:
        kind = PatchKind[mark]
    symbol = reloc.symbol
    if kind is None:
        raise BuildError(f"{name}: unknown relocation {reloc.type} to {symbol.name or symbol.section}")
    at = reloc.offset - parts[part][0]
    if symbol.section is not None:
        to = next((p for p in Part if p.section == symbol.section), None)
        if to is None:
            raise BuildError(f"{name}: refers to section {symbol.section}")
        addend = symbol.value + reloc.addend - parts[to][0]
        inside = addend + 4 if kind is PatchKind.REL32 else addend
        if not 0 <= inside <= parts[to][1] - parts[to][0]:
            raise BuildError(f"{name}: refers to another stencil ({symbol.name}{reloc.addend:+})")
        if kind not in ADDRESSES:
            raise BuildError(f"{name}: {kind.name} address of its own {to.name} part")
        return Hole(part, at, kind, to.name, "", addend)
    if symbol.name in VALUES:
        return Hole(part, at, kind, VALUES[symbol.name], "", reloc.addend)
    if "JIT_" in symbol.name or not symbol.name:
        raise BuildError(f"{name}: unknown symbol {symbol.name!r}")
    if kind not in ADDRESSES:
        raise BuildError(f"{name}: {kind.name} address of {symbol.name}")
    return Hole(part, at, kind, "SYMBOL", symbol.name, reloc.addend)


def check_flags(name: str, flags: tuple[str, ...], stencil: Stencil) -> None:
    """A stencil that can leave must say so: the recorder gives a snapshot to those that do."""
    for value, flag in (("EXIT", "EXITS"), ("ERROR", "RAISES")):
        if flag not in flags and any(hole.value == value for hole in stencil.holes):
            raise BuildError(f"{name}: {value}_IF, but its flags do not say {flag}")
