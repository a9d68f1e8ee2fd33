"""Relocatable object files -> Section, Symbol, Reloc. ELF here; Mach-O and COFF in files of their own.

pyelftools and LIEF find the tables, struct reads them in bulk (a family has thousands of symbols
and relocations). All formats come out alike:
  - sections are called .jit.hot, .jit.cold, .jit.data, whatever the format calls them;
  - names are C's, without the underscore that Mach-O puts before them;
  - what is to be written is S + A, or S + A - P, with the addend A in the Reloc and zeros in the
    bytes where the format keeps it there;
  - the marks of dialects.py are Relocs, and no symbols.
A file that is not what it says it is is refused with a BuildError, whatever is wrong with it.
"""

import bisect
import io
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from elftools.elf.elffile import ELFFile
from elftools.elf.enums import (
    ENUM_E_MACHINE,
    ENUM_RELOC_TYPE_AARCH64,
    ENUM_RELOC_TYPE_i386,
    ENUM_RELOC_TYPE_x64,
)

from buildtool.dialects import END, HOLE, PLACEHOLDER, SECTIONS, visible
from buildtool.target import BuildError

T = TypeVar("T")


@dataclass(frozen=True)
class Symbol:
    """A place in a section, or (section None) something that another file defines."""

    name: str
    section: str | None
    value: int


@dataclass(frozen=True)
class Reloc:
    """A place whose content depends on an address."""

    offset: int
    type: str  # the format's name for it, or MARK_ and the name of a PatchKind
    symbol: Symbol
    addend: int


@dataclass
class Section:
    """Bytes with relocations, which are in the order of their offsets."""

    name: str
    data: bytes
    relocs: list[Reloc] = field(default_factory=list)


@dataclass
class ObjectFile:
    """All that a stencil is made of."""

    machine: str  # as Machine.name
    sections: dict[str, Section]
    symbols: dict[str, Symbol]  # by name; without section symbols


class Bytes:
    """A file's bytes, read with a check of every bound."""

    def __init__(self, data: bytes, kind: str) -> None:
        self.data = data
        self.kind = kind

    def fail(self, why: str) -> BuildError:
        """The error for this file."""
        return BuildError(f"{self.kind} object: {why}")

    def part(self, offset: int, size: int, what: str) -> bytes:
        """A stretch that must be there."""
        if offset < 0 or size < 0 or offset + size > len(self.data):
            raise self.fail(f"{what} ({size} bytes at {offset}) is outside the file of {len(self.data)}")
        return self.data[offset : offset + size]

    def unpack(self, layout: str, offset: int, what: str) -> tuple[int, ...]:
        """A structure that must be there."""
        return struct.unpack(layout, self.part(offset, struct.calcsize(layout), what))

    def text(self, table: bytes, offset: int) -> str:
        """A name in a string table."""
        end = table.find(b"\0", offset) if 0 <= offset < len(table) else -1
        if end < 0:
            raise self.fail(f"a name at {offset} of a string table of {len(table)} bytes")
        try:
            return table[offset:end].decode()
        except UnicodeDecodeError:
            raise self.fail(f"the name at {offset} is no text") from None

    def parsed(self, parse: Callable[[], T]) -> T:
        """What a library makes of the file; whatever it raises is a BuildError."""
        try:
            return parse()
        except BuildError:
            raise
        except Exception as error:  # hostile bytes: any kind of error
            raise self.fail(f"not readable: {type(error).__name__}: {error}") from error


def canonical(object_format: str) -> dict[str, str]:
    """How a format calls the parts of stencils -> .jit.hot and so on."""
    return {name: f".jit.{part}" for part, (name, _) in SECTIONS[object_format].items()}


def finish(file: Bytes, machine: str, sections: dict[str, Section], symbols: Iterable[Symbol]) -> ObjectFile:
    """Marks become relocations; offsets are checked; relocations are put in order."""
    by_name: dict[str, Symbol] = {}
    marks: list[Symbol] = []
    places: dict[str, list[int]] = {}
    for symbol in symbols:
        if symbol.section is not None:
            known = sections.get(symbol.section)
            if known is not None and not 0 <= symbol.value <= len(known.data):
                raise file.fail(f"{symbol.name or 'a symbol'} is {symbol.value} bytes into {symbol.section}")
            if symbol.name.startswith((HOLE, END)):
                places.setdefault(symbol.section, []).append(symbol.value)
        if symbol.name.startswith(HOLE):
            marks.append(symbol)
        elif symbol.name and not symbol.name.startswith(END):
            by_name.setdefault(symbol.name, symbol)
    for values in places.values():
        values.sort()
    for mark in marks:
        _add_mark(file, mark, sections, by_name, places)
    for section in sections.values():
        section.relocs.sort(key=lambda reloc: reloc.offset)
        if section.relocs and section.relocs[-1].offset >= len(section.data):
            raise file.fail(f"a relocation behind the end of {section.name}")
        if section.relocs and section.relocs[0].offset < 0:
            raise file.fail(f"a relocation before {section.name}")
    return ObjectFile(machine, sections, by_name)


def _add_mark(
    file: Bytes, mark: Symbol, sections: dict[str, Section], symbols: dict[str, Symbol], places: dict[str, list[int]]
) -> None:
    words = mark.name.removeprefix(HOLE).split("$", 2)
    if len(words) != 3 or mark.section not in sections:
        raise file.fail(f"the mark {mark.name}")
    _, kind, name = words
    section, at = sections[mark.section], mark.value
    if kind in ("ABS32", "ABS32S"):
        if name not in PLACEHOLDER:
            raise file.fail(f"the mark {mark.name}")
        later = places[mark.section][bisect.bisect_right(places[mark.section], at) :]
        end = later[0] if later else len(section.data)
        constant = struct.pack("<I", PLACEHOLDER[name])
        if section.data.count(constant, at, end) != 1:
            raise file.fail(f"{mark.name}: its constant is not there once")
        at = section.data.index(constant, at, end)
        section.data = section.data[:at] + bytes(4) + section.data[at + 4 :]
    target = symbols.get(visible(name)) if name.startswith(".L") else Symbol(name, None, 0)
    if target is None:
        raise file.fail(f"{mark.name}: no such place")
    section.relocs.append(Reloc(at, f"MARK_{kind}", target, 0))


_MACHINES = {
    "EM_X86_64": ("x86_64", ENUM_RELOC_TYPE_x64),
    "EM_AARCH64": ("aarch64", ENUM_RELOC_TYPE_AARCH64),
    "EM_386": ("i686", ENUM_RELOC_TYPE_i386),
}


def read_elf64(data: bytes) -> ObjectFile:
    """A little-endian 64-bit ELF file with RELA relocations."""
    file = Bytes(data, "ELF")
    if data[:6] != b"\x7fELF\x02\x01":
        raise file.fail("not a little-endian 64-bit ELF file")
    kind, number = file.unpack("<HH", 16, "its header")
    if kind != 1:
        raise file.fail("not relocatable")
    machine, types = _MACHINES.get({v: k for k, v in ENUM_E_MACHINE.items()}.get(number, ""), ("", {}))
    if not machine:
        raise file.fail(f"unknown machine {number}")
    size, count, names = file.unpack("<HHH", 58, "its header")
    (table,) = file.unpack("<Q", 40, "its header")
    if size != 64 or names >= count:
        raise file.fail("a bad section table")
    file.part(table, size * count, "the section table")
    return file.parsed(lambda: _read_elf(file, machine, {v: k for k, v in types.items()}))


def _read_elf(file: Bytes, machine: str, types: dict[int, str]) -> ObjectFile:
    raw = list(ELFFile(io.BytesIO(file.data)).iter_sections())
    names = [section.name for section in raw]
    content = [
        b"" if section["sh_type"] == "SHT_NOBITS"
        else file.part(section["sh_offset"], section["sh_size"], section.name or "a section")
        for section in raw
    ]
    sections = {
        section.name: Section(section.name, content[at])
        for at, section in enumerate(raw)
        if section["sh_type"] in ("SHT_PROGBITS", "SHT_NOBITS")
    }
    for section in raw:
        if section["sh_type"] == "SHT_NOBITS" and section["sh_size"]:
            raise file.fail(f"unknown section {section.name}")
    symbols: list[Symbol] = []
    for at, section in enumerate(raw):
        if section["sh_type"] == "SHT_SYMTAB":
            if not section["sh_link"] < len(raw):
                raise file.fail("a symbol table without names")
            symbols = _elf_symbols(file, content[at], content[section["sh_link"]], names)
    for at, section in enumerate(raw):
        if section["sh_type"] == "SHT_RELA":
            if not section["sh_info"] < len(raw) or names[section["sh_info"]] not in sections:
                raise file.fail(f"{section.name} belongs to no section")
            home = sections[names[section["sh_info"]]]
            for place, info, addend in struct.iter_unpack("<QQq", content[at]):
                if info >> 32 >= len(symbols):
                    raise file.fail(f"{section.name}: no symbol {info >> 32}")
                kind = types.get(info & 0xFFFFFFFF, str(info & 0xFFFFFFFF))
                home.relocs.append(Reloc(place, kind, symbols[info >> 32], addend))
        elif section["sh_type"] == "SHT_REL":
            raise file.fail(f"{section.name}: relocations without addends")
    return finish(file, machine, sections, symbols)


def _elf_symbols(file: Bytes, table: bytes, strings: bytes, sections: list[str]) -> list[Symbol]:
    symbols = []
    for name, _, _, index, value, _ in struct.iter_unpack("<IBBHQQ", table):
        text = file.text(strings, name)
        if index == 0:
            symbols.append(Symbol(text, None, 0))
        elif index < len(sections):
            symbols.append(Symbol(text, sections[index], value))
        else:  # absolute: the name of the source file
            symbols.append(Symbol("", None, value))
    return symbols


def read_object(object_format: str, data: bytes) -> ObjectFile:
    """A file of any format."""
    if object_format == "macho64":
        from buildtool.objects_macho import read_macho64

        return read_macho64(data)
    if object_format == "coff":
        from buildtool.objects_coff import read_coff

        return read_coff(data)
    return read_elf64(data)
