"""COFF object files. LIEF finds the sections and the symbol table.

A COFF relocation has no addend: it is in the bytes, in an instruction's own encoding on ARM64;
and IMAGE_REL_AMD64_REL32_1 to _5 say how many bytes of the instruction follow.
"""

import struct

import lief

from buildtool.objects import Bytes, ObjectFile, Reloc, Section, Symbol, canonical, finish

AMD64, ARM64, I386 = 0x8664, 0xAA64, 0x14C
MACHINES = {AMD64: "x86_64", ARM64: "aarch64", I386: "i686"}
TYPES = {
    AMD64: (
        "ABSOLUTE ADDR64 ADDR32 ADDR32NB REL32 REL32_1 REL32_2 REL32_3 REL32_4 REL32_5 SECTION "
        "SECREL SECREL7 TOKEN SREL32 PAIR SSPAN32"
    ).split(),
    ARM64: (
        "ABSOLUTE ADDR32 ADDR32NB BRANCH26 PAGEBASE_REL21 REL21 PAGEOFFSET_12A PAGEOFFSET_12L SECREL "
        "SECREL_LOW12A SECREL_HIGH12A SECREL_LOW12L TOKEN SECTION ADDR64 BRANCH19 BRANCH14 REL32"
    ).split(),
    I386: (
        "ABSOLUTE DIR16 REL16 3 4 5 DIR32 DIR32NB 8 SEG12 SECTION SECREL TOKEN SECREL7 14 15 16 17 "
        "18 19 REL32"
    ).split(),
}
PREFIX = {AMD64: "IMAGE_REL_AMD64_", ARM64: "IMAGE_REL_ARM64_", I386: "IMAGE_REL_I386_"}


def read_coff(data: bytes) -> ObjectFile:
    """A COFF object file for x86-64, ARM64 or i386; not the variant for very many sections."""
    file = Bytes(data, "COFF")
    machine, count, _, symbols, n_symbols, optional, _ = file.unpack("<HHIIIHH", 0, "its header")
    if machine not in MACHINES:
        raise file.fail(f"unknown machine {machine:#x}")
    if optional:
        raise file.fail("not relocatable")
    if 20 + 40 * count > len(data):
        raise file.fail(f"{count} sections in {len(data)} bytes")
    file.part(symbols, 18 * n_symbols + 4, "the symbol table")
    for k in range(count):
        fields = file.unpack("<IIIIIIHHI", 20 + 40 * k + 8, "a section")
        if fields[8] & 0x80 == 0:
            file.part(fields[3], fields[2], "a section")
        file.part(fields[4], 10 * fields[6], "a section's relocations")
    return file.parsed(lambda: _Reader(file, machine).read())


class _Reader:
    """The work on one file."""

    def __init__(self, file: Bytes, machine: int) -> None:
        self.file = file
        self.machine = machine
        self.symbols: dict[int, Symbol] = {}

    def read(self) -> ObjectFile:
        """All of it."""
        binary = lief.COFF.parse(list(self.file.data))
        if binary is None:
            raise self.file.fail("LIEF does not read it")
        names = canonical("coff")
        found = list(binary.sections)
        sections: list[Section] = []
        for section in found:
            fullname = section.fullname
            raw = fullname.decode() if isinstance(fullname, bytes) else str(fullname)
            name = names.get(raw.rstrip("\0"), raw.rstrip("\0"))
            if int(section.characteristics) & 0x80:
                if section.sizeof_raw_data:
                    raise self.file.fail(f"unknown section {name}")
                sections.append(Section(name, b""))
                continue
            content = self.file.part(section.pointerto_raw_data, section.sizeof_raw_data, name)
            sections.append(Section(name, content))
        self._read_symbols(sections)
        for section, target in zip(found, sections, strict=True):
            self._read_relocations(section, target)
        by_name: dict[str, Section] = {}
        for target in sections:
            if target.data and target.name in by_name and by_name[target.name].data:
                raise self.file.fail(f"two sections called {target.name}")
            if target.data or target.name not in by_name:
                by_name[target.name] = target
        return finish(self.file, MACHINES[self.machine], by_name, self.symbols.values())

    def _read_symbols(self, sections: list[Section]) -> None:
        start, count = self.file.unpack("<II", 8, "its header")
        table = self.file.part(start, 18 * count, "the symbol table")
        (size,) = self.file.unpack("<I", start + 18 * count, "the string table")
        strings = self.file.part(start + 18 * count, max(size, 4), "the string table")
        at = 0
        while at < count:
            name, value, number, _, storage, extra = struct.unpack_from("<8sIhHBB", table, 18 * at)
            if name[:4] == bytes(4):
                text = self.file.text(strings, struct.unpack("<I", name[4:])[0])
            else:
                text = name.rstrip(b"\0").decode("utf-8", "replace")
            if self.machine == I386:
                text = text.removeprefix("_")
            if number == 0:
                self.symbols[at] = Symbol(text, None, 0)
            elif number < 0:  # absolute, or for a debugger
                self.symbols[at] = Symbol("", None, value)
            elif number > len(sections):
                raise self.file.fail(f"{text} is in section {number} of {len(sections)}")
            else:
                own = storage == 3 and extra  # the symbol of the section itself
                self.symbols[at] = Symbol("" if own else text, sections[number - 1].name, value)
            at += 1 + extra
        if at > count:
            raise self.file.fail("a symbol that ends behind the table")

    def _read_relocations(self, raw: "lief.COFF.Section", section: Section) -> None:
        if int(raw.characteristics) & 0x01000000:
            raise self.file.fail(f"{section.name}: more than 65535 relocations")
        table = self.file.part(raw.pointerto_relocation, 10 * raw.numberof_relocations, "relocations")
        data = bytearray(section.data)
        for place, number, kind in struct.iter_unpack("<IIH", table):
            if number not in self.symbols:
                raise self.file.fail(f"{section.name}: no symbol {number}")
            names = TYPES[self.machine]
            name = names[kind] if kind < len(names) else str(kind)
            if name == "ABSOLUTE":
                continue
            width = 8 if name == "ADDR64" else 4
            at = place - raw.virtual_address
            if at < 0 or at + width > len(data):
                raise self.file.fail(f"{PREFIX[self.machine]}{name} at {at} of {section.name}")
            read = _take_arm64 if self.machine == ARM64 and width == 4 else _take
            addend = read(data, at, name, width)
            section.relocs.append(Reloc(at, PREFIX[self.machine] + name, self.symbols[number], addend))
        section.data = bytes(data)


def _take(data: bytearray, at: int, name: str, width: int) -> int:
    """The addend in the bytes, which become zeros."""
    addend = int.from_bytes(data[at : at + width], "little", signed=True)
    data[at : at + width] = bytes(width)
    if name.startswith("REL32"):
        addend -= 4 + int(name[6:] or 0)
    return addend


# Where an instruction has its immediate: mask of the word, shift, bits, factor, whether signed.
_FIELDS = {
    "BRANCH26": (0x03FFFFFF, 0, 26, 4, True),
    "BRANCH19": (0x00FFFFE0, 5, 19, 4, True),
    "PAGEOFFSET_12A": (0x003FFC00, 10, 12, 1, False),
    "PAGEOFFSET_12L": (0x003FFC00, 10, 12, 1, False),
}


def _take_arm64(data: bytearray, at: int, name: str, width: int) -> int:
    """The addend in an instruction's immediate, whose bits become zeros."""
    word = int.from_bytes(data[at : at + 4], "little")
    if name in ("PAGEBASE_REL21", "REL21"):
        mask, signed, bits = 0x60FFFFE0, True, 21
        value = (word >> 29 & 3) | (word >> 3 & 0x1FFFFC)
        factor = 1
    elif name in _FIELDS:
        mask, shift, bits, factor, signed = _FIELDS[name]
        value = (word & mask) >> shift
        if name == "PAGEOFFSET_12L":
            factor = 16 if word & 0x04800000 == 0x04800000 and word >> 30 == 0 else 1 << (word >> 30)
    else:
        return _take(data, at, "", width)
    data[at : at + 4] = (word & ~mask & 0xFFFFFFFF).to_bytes(4, "little")
    return (value - (1 << bits) * (signed and value >> (bits - 1))) * factor
