"""Mach-O object files, 64-bit. LIEF finds the sections and the symbol table.

Addends are in the bytes, save that an ARM64_RELOC_ADDEND goes before the relocation it belongs
to, and that a difference is a pair, X86_64_ or ARM64_RELOC_SUBTRACTOR and then UNSIGNED. Both are
folded here. A relocation that is not "extern" names a section, and its bytes hold an address in
the object file.
"""

import struct
from dataclasses import dataclass

import lief

from buildtool.objects import Bytes, ObjectFile, Reloc, Section, Symbol, canonical, finish

X86_64, ARM64 = 0x01000007, 0x0100000C
X86_64_TYPES = "UNSIGNED SIGNED BRANCH GOT_LOAD GOT SUBTRACTOR SIGNED_1 SIGNED_2 SIGNED_4 TLV".split()
ARM64_TYPES = (
    "UNSIGNED SUBTRACTOR BRANCH26 PAGE21 PAGEOFF12 GOT_LOAD_PAGE21 GOT_LOAD_PAGEOFF12 "
    "POINTER_TO_GOT TLVP_LOAD_PAGE21 TLVP_LOAD_PAGEOFF12 ADDEND"
).split()


@dataclass(frozen=True)
class _Entry:
    """A struct relocation_info."""

    offset: int
    symbol: int
    pcrel: bool
    log2size: int
    extern: bool
    type: str


@dataclass
class _Place:
    """A section of the file."""

    section: Section
    address: int
    relocations: bytes


def read_macho64(data: bytes) -> ObjectFile:
    """A little-endian 64-bit Mach-O object file."""
    file = Bytes(data, "Mach-O")
    magic, cpu, _, kind, commands, size, _, _ = file.unpack("<8I", 0, "its header")
    if magic != 0xFEEDFACF or cpu not in (X86_64, ARM64):
        raise file.fail("not a 64-bit Mach-O file for x86-64 or ARM64")
    if kind != 1:
        raise file.fail("not relocatable")
    _check_commands(file, commands, size)
    return file.parsed(lambda: _Reader(file, cpu).read())


def _check_commands(file: Bytes, count: int, size: int) -> None:
    """The load commands lie in the file, and what they point to does."""
    at, end = 32, 32 + size
    file.part(32, size, "the load commands")
    for _ in range(count):
        if at + 8 > end:
            raise file.fail("a load command behind the others' end")
        command, length = file.unpack("<II", at, "a load command")
        if length < 8 or length % 8 or at + length > end:
            raise file.fail(f"a load command of {length} bytes")
        if command == 0x19:  # LC_SEGMENT_64
            if length < 72:
                raise file.fail("a segment command without its fields")
            (sections,) = file.unpack("<I", at + 64, "a segment")
            if 72 + 80 * sections > length:
                raise file.fail(f"a segment with {sections} sections in {length} bytes")
            for k in range(sections):
                fields = file.unpack("<QQIIIII", at + 104 + 80 * k, "a section")
                if fields[6] & 0xFF > 22:
                    raise file.fail(f"a section of kind {fields[6] & 0xFF}")
                if fields[6] & 0xFF not in (1, 12, 18):  # zero-filled ones have no bytes
                    file.part(fields[2], fields[1], "a section")
                file.part(fields[4], 8 * fields[5], "a section's relocations")
        elif command == 2:  # LC_SYMTAB
            symbols, n, strings, length_of_strings = file.unpack("<4I", at + 8, "the symbol table command")
            file.part(symbols, 16 * n, "the symbol table")
            file.part(strings, length_of_strings, "the string table")
        at += length


class _Reader:
    """The work on one file."""

    def __init__(self, file: Bytes, cpu: int) -> None:
        self.file = file
        self.arm = cpu == ARM64
        self.prefix = "ARM64_RELOC_" if self.arm else "X86_64_RELOC_"
        self.types = ARM64_TYPES if self.arm else X86_64_TYPES
        self.places: list[_Place] = []
        self.symbols: list[Symbol] = []

    def read(self) -> ObjectFile:
        """All of it."""
        parsed = lief.MachO.parse(list(self.file.data))
        binary = parsed.at(0) if parsed is not None and parsed.size == 1 else None
        if binary is None:
            raise self.file.fail("LIEF does not read it")
        names = canonical("macho64")
        for found in binary.sections:
            full = f"{found.segment_name},{found.name!s}"
            name = names.get(full, full)
            zero = int(found.type.value) in (1, 12, 18)
            if zero and found.size:
                raise self.file.fail(f"unknown section {name}")
            content = b"" if zero else self.file.part(found.offset, found.size, name)
            table = self.file.part(found.relocation_offset, 8 * found.numberof_relocations, f"{name}'s relocations")
            self.places.append(_Place(Section(name, content), found.virtual_address, table))
        if binary.symbol_command is not None:
            self._read_symbols(binary.symbol_command)
        for place in self.places:
            self._read_relocations(place)
        sections = {place.section.name: place.section for place in self.places}
        if len(sections) != len(self.places):
            raise self.file.fail("two sections of one name")
        return finish(self.file, "aarch64" if self.arm else "x86_64", sections, self.symbols)

    def _read_symbols(self, command: "lief.MachO.SymbolCommand") -> None:
        strings = self.file.part(command.strings_offset, command.strings_size, "the string table")
        table = self.file.part(command.symbol_offset, 16 * command.numberof_symbols, "the symbol table")
        for name, kind, number, _, value in struct.iter_unpack("<IBBHQ", table):
            text = self.file.text(strings, name).removeprefix("_")
            if kind & 0xE0 or kind & 0x0E == 0:  # debugging; undefined
                self.symbols.append(Symbol("" if kind & 0xE0 else text, None, 0))
            elif kind & 0x0E == 0x0E and 1 <= number <= len(self.places):
                place = self.places[number - 1]
                self.symbols.append(Symbol(text, place.section.name, value - place.address))
            else:
                raise self.file.fail(f"{text}: a symbol of kind {kind:#x} in section {number}")

    def _read_relocations(self, place: _Place) -> None:
        entries = [self._entry(*pair) for pair in struct.iter_unpack("<II", place.relocations)]
        data = bytearray(place.section.data)
        at = 0
        while at < len(entries):
            entry, extra = entries[at], 0
            at += 1
            if entry.type == "ADDEND" and self.arm:
                extra = entry.symbol - (1 << 24) * (entry.symbol >> 23)
                entry = self._second(entries, at, entry)
                at += 1
            elif entry.type == "SUBTRACTOR":
                self._difference(place, data, entry, self._second(entries, at, entry))
                at += 1
                continue
            place.section.relocs.append(self._reloc(place, data, entry, extra))
        place.section.data = bytes(data)

    def _entry(self, offset: int, word: int) -> _Entry:
        if offset >> 31:
            raise self.file.fail("a scattered relocation")
        kind = word >> 28
        name = self.types[kind] if kind < len(self.types) else str(kind)
        return _Entry(offset, word & 0xFFFFFF, bool(word >> 24 & 1), word >> 25 & 3, bool(word >> 27 & 1), name)

    def _second(self, entries: list[_Entry], at: int, first: _Entry) -> _Entry:
        """The other half of a pair."""
        if at >= len(entries) or entries[at].offset != first.offset:
            raise self.file.fail(f"half a pair: {self.prefix}{first.type} alone")
        second = entries[at].type
        wanted = ("UNSIGNED",) if first.type == "SUBTRACTOR" else ("BRANCH26", "PAGE21", "PAGEOFF12")
        if second not in wanted:
            raise self.file.fail(f"{self.prefix}{first.type} before {self.prefix}{second}")
        return entries[at]

    def _symbol(self, entry: _Entry) -> Symbol:
        if entry.extern:
            if entry.symbol >= len(self.symbols):
                raise self.file.fail(f"no symbol {entry.symbol}")
            return self.symbols[entry.symbol]
        if not 1 <= entry.symbol <= len(self.places):
            raise self.file.fail(f"no section {entry.symbol}")
        return Symbol("", self.places[entry.symbol - 1].section.name, 0)

    def _reloc(self, place: _Place, data: bytearray, entry: _Entry, extra: int) -> Reloc:
        symbol, size = self._symbol(entry), 1 << entry.log2size
        type_ = self.prefix + entry.type
        if entry.offset + size > len(data):
            raise self.file.fail(f"{type_} at {entry.offset} of {place.section.name}")
        if self.arm and entry.type != "UNSIGNED":
            if not entry.extern or size != 4:
                raise self.file.fail(f"{type_} of {size} bytes to a section")
            return Reloc(entry.offset, self._arm_type(data, entry, type_), symbol, extra)
        if entry.type == "UNSIGNED" and size != 8:
            type_ += f" of {size} bytes"
        addend = int.from_bytes(data[entry.offset : entry.offset + size], "little", signed=True)
        data[entry.offset : entry.offset + size] = bytes(size)
        if not entry.extern:
            addend -= self.places[entry.symbol - 1].address
            addend += place.address + entry.offset if entry.pcrel else 0
        elif entry.pcrel:
            addend -= 4
        return Reloc(entry.offset, type_, symbol, addend)

    def _arm_type(self, data: bytearray, entry: _Entry, type_: str) -> str:
        """PAGEOFF12 is in an add, or in a load or store, which counts in units of its own."""
        word = int.from_bytes(data[entry.offset : entry.offset + 4], "little")
        if entry.type != "PAGEOFF12":
            return type_
        if word & 0x7FC00000 == 0x11000000:
            return f"{type_} ADD"
        if word & 0x3B000000 == 0x39000000:
            return f"{type_} LOAD"
        raise self.file.fail(f"{type_} at an unknown instruction {word:#010x}")

    def _difference(self, place: _Place, data: bytearray, minus: _Entry, plus: _Entry) -> None:
        """plus - minus + content. Known at once, or relative to the place itself."""
        size = 1 << plus.log2size
        if minus.log2size != plus.log2size or plus.offset + size > len(data) or size not in (4, 8):
            raise self.file.fail(f"{self.prefix}SUBTRACTOR at {plus.offset} of {place.section.name}")
        one, other = self._symbol(plus), self._symbol(minus)
        content = int.from_bytes(data[plus.offset : plus.offset + size], "little", signed=True)
        if not plus.extern or not minus.extern:
            raise self.file.fail(f"{self.prefix}SUBTRACTOR of sections")
        if one.section is not None and one.section == other.section:
            known = one.value - other.value + content
            data[plus.offset : plus.offset + size] = (known % (1 << 8 * size)).to_bytes(size, "little")
        elif other.section == place.section.name and size == 4:
            data[plus.offset : plus.offset + size] = bytes(size)
            addend = content + plus.offset - other.value
            place.section.relocs.append(Reloc(plus.offset, f"{self.prefix}SUBTRACTOR", one, addend))
        else:
            raise self.file.fail(f"the difference {one.name} - {other.name} of {size} bytes")
