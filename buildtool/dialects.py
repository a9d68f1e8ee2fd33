"""Assembly text in the manner of each object format <-> the one manner that layout.py reads.

That manner is ELF's: labels of the file begin with .L, C names stand as in C, sections are .text,
.rodata, .data; the address table (GOT) is named by S@GOTPCREL(%rip), or by :got:S and :got_lo12:S.

  normalise   clang's text for Mach-O or COFF -> ELF's manner
  assemblable layout.join's text -> text that assembles for the target

A hole for which the target's format has no relocation becomes a *mark*, a symbol before its
instruction that says what the relocation would have said:
      _JIT_HOLE$7$MOVW1S$_JIT_INPUT0:     movz x8, #0, lsl #16
      _JIT_HOLE$8$REL19$.Lcold.F:         b.eq #0
      _JIT_HOLE$9$ABS32S$_JIT_INPUT1:     addq $0x4a170101, %r13
objects.py turns marks into relocations. On x86-64 the constant is looked for between the mark
and the next symbol, _JIT_END$9.
"""

import re

from buildtool.target import NARROW, BuildError, Target

HOLE, END = "_JIT_HOLE$", "_JIT_END$"
PARTS = ("hot", "cold", "data")
PLACEHOLDER = {name: 0x4A170101 + 0x101 * at for at, name in enumerate(NARROW)}
SECTIONS = {  # how the parts are called, and declared
    "elf64": {
        "hot": ('.jit.hot', '.section .jit.hot,"ax",@progbits'),
        "cold": ('.jit.cold', '.section .jit.cold,"ax",@progbits'),
        "data": ('.jit.data', '.section .jit.data,"a",@progbits'),
    },
    "macho64": {
        "hot": ("__JIT,__hot", ".section __JIT,__hot,regular,pure_instructions"),
        "cold": ("__JIT,__cold", ".section __JIT,__cold,regular,pure_instructions"),
        "data": ("__JIT,__data", ".section __JIT,__data"),
    },
    "coff": {
        "hot": (".jithot", '.section .jithot,"xr"'),
        "cold": (".jitcold", '.section .jitcold,"xr"'),
        "data": (".jitdata", '.section .jitdata,"dr"'),
    },
}


def visible(label: str) -> str:
    """The symbol beside a label of the file that a mark names."""
    return f"{label.removeprefix('.L')}$"


def normalise(text: str, target: Target) -> str:
    """clang's output in ELF's manner."""
    if target.object_format == "macho64":
        return "\n".join(_from_macho(line) for line in _plain_lines(text, target))
    if target.object_format == "coff":
        return "\n".join(_from_coff(line) for line in _plain_lines(text, target))
    return text


def _plain_lines(text: str, target: Target) -> list[str]:
    lines = []
    for line in text.splitlines():
        if target.comment in line and '"' not in line:
            line = line[: line.index(target.comment)]
        lines.append("\t".join(line.strip().split(None, 1)))
    return lines


# --- Mach-O in ------------------------------------------------------------------------------------

_NAME = r"[A-Za-z_.][\w.$]*"
_MACHO_SECTIONS = {
    "__TEXT,__text": ".text", "__TEXT,__cstring": ".rodata", "__TEXT,__const": ".rodata",
    "__TEXT,__literal4": ".rodata", "__TEXT,__literal8": ".rodata", "__TEXT,__literal16": ".rodata",
    "__DATA,__const": ".rodata", "__DATA,__data": ".data", "__DATA,__bss": ".bss",
    "__DATA,__common": ".bss", "__LD,__compact_unwind": ".eh_frame",
}
_MACHO_DROPPED = (".subsections_via_symbols", ".build_version", ".loh", ".private_extern", ".weak_")


def _macho_name(name: str) -> str:
    if name[0] == "_":
        return name[1:]
    return f".{name}" if name[0] in "Ll" else name


def _from_macho(line: str) -> str:
    if line.startswith(_MACHO_DROPPED) or line.startswith("Lloh"):
        return ""
    if match := re.match(r"\.section\s+(\w+,\w+)", line):
        if match[1] not in _MACHO_SECTIONS:
            raise BuildError(f"clang wrote to the section {match[1]}")
        return f"\t.section\t{_MACHO_SECTIONS[match[1]]}"
    if match := re.fullmatch(rf"\.zerofill\s+\w+,\w+,({_NAME}),.*", line):
        return f"\t.local\t{_macho_name(match[1])}"
    if match := re.fullmatch(r"\.(literal\d+|cstring|const)", line):
        return "\t.section\t.rodata"
    if match := re.fullmatch(rf"({_NAME}):", line):
        name = _macho_name(match[1])
        return f"{name}:" if name[0] == "." else f"\t.type\t{name},@function\n{name}:"
    head, _, operands = line.partition("\t")
    if head[:1] == "." and head not in (".quad", ".long", ".word", ".xword", ".comm", ".lcomm"):
        return f"\t{line}"
    operands = re.sub(rf"({_NAME})@GOTPAGEOFF", r":got_lo12:\1", operands)
    operands = re.sub(rf"({_NAME})@GOTPAGE", r":got:\1", operands)
    operands = re.sub(rf"({_NAME})@PAGEOFF", r":lo12:\1", operands)
    operands = re.sub(rf"({_NAME})@PAGE", r"\1", operands)
    operands = re.sub(r"(?<![\w.@%$])(\$?)_(?!JIT_)(?=\w)", r"\1", operands)
    operands = re.sub(r"(?<![\w.@%$])(\$?)([Ll])(?=(BB|CPI|_|\.str|tmp)\w*)", r"\1.\2", operands)
    return f"\t{head}\t{operands}"


# --- COFF in --------------------------------------------------------------------------------------

_COFF_DROPPED = (".seh_", ".scl", ".endef", ".addrsig", ".linkonce", '"@feat', "@feat")


def _from_coff(line: str) -> str:
    if line.startswith(_COFF_DROPPED) or re.fullmatch(r"\.type\t\d+;", line):
        return ""
    if match := re.fullmatch(rf'\.def\t"?({_NAME})"?;', line):
        return f"\t.type\t{match[1]},@function"
    if match := re.match(r"\.section\t\.(rdata|text|data|bss|debug)", line):
        name = {"rdata": "rodata", "debug": "debug"}.get(match[1], match[1])
        return f"\t.section\t.{name}"
    line = re.sub(r'"?__(real|xmm|ymm)@(\w+)"?', r".L\1_\2", line)
    line = re.sub(rf"__imp_({_NAME})\(%rip\)", r"\1@GOTPCREL(%rip)", line)
    line = re.sub(rf":lo12:__imp_({_NAME})", r":got_lo12:\1", line)
    line = re.sub(rf"^(adrp\t\w+, )__imp_({_NAME})", r"\1:got:\2", line)
    return line if line.endswith(":") else f"\t{line}"


# --- out ------------------------------------------------------------------------------------------


def assemblable(text: str, target: Target) -> str:
    """The text of layout.join, as the target's assembler wants it."""
    if target.object_format == "elf64":
        return text
    return "\n".join(_Writer(target, text).lines) + "\n"


class _Writer:
    """The conversion of one text."""

    def __init__(self, target: Target, text: str) -> None:
        self.target = target
        self.macho = target.object_format == "macho64"
        self.marks = 0
        self.section = ""
        self.lines: list[str] = []
        self.section_of: dict[str, str] = {}
        source = [line.strip() for line in text.splitlines()]
        for line in source:
            if match := re.match(r"\.section \.jit\.(\w+)", line):
                self.section = match[1]
            elif line.endswith(":"):
                self.section_of[line[:-1]] = self.section
        self.marked: dict[str, str] = {}  # opcode of a jump -> PatchKind
        if target.machine.name == "aarch64":
            self.marked = dict.fromkeys(target.machine.inverse, "REL19")
            self.marked |= {} if self.macho else {target.machine.jump: "BRANCH26"}
        far = {_label(line) for line in source if line.partition("\t")[0] in self.marked}
        self.section = ""
        for line in source:
            self.lines += self._line(line)
            if line.endswith(":") and line[:-1] in far:
                self.lines += self._symbol(visible(line[:-1]))

    def _needs_mark(self, opcode: str, label: str) -> bool:
        """Whether it is a jump for which the format has no relocation.

        Mach-O has none for conditional ones, COFF none to the middle of a section.
        """
        outside = self.section_of.get(label) != self.section
        return opcode in self.marked and outside and (self.macho or label in self.section_of)

    def _symbol(self, name: str) -> list[str]:
        """Define a symbol here that the object file will show, and that begins nothing."""
        entry = [f"\t.alt_entry\t{self._name(name)}"] if self.macho else []
        return [*entry, f"{self._name(name)}:"]

    def _name(self, symbol: str) -> str:
        if symbol.startswith(".L"):
            # An instruction of ARM64 has no room for a place's offset in the data section: the
            # relocation must be to a symbol of its own.
            visible_in_coff = symbol.startswith(".Ldata.") and not self.macho
            return symbol[1 + visible_in_coff :] if self.macho or visible_in_coff else symbol
        return f"_{symbol}" if self.macho else symbol

    def _line(self, line: str) -> list[str]:
        if match := re.match(r"\.section \.jit\.(\w+)", line):
            self.section = match[1]
            return ["\t" + SECTIONS[self.target.object_format][match[1]][1]]
        if line.startswith(".section .note"):
            return []
        if line.endswith(":"):
            return [f"{self._name(line[:-1])}:"]
        opcode, _, operands = line.partition("\t")
        if opcode[0] == ".":
            if opcode in (".quad", ".long", ".word", ".xword"):
                operands = re.sub(rf"^{_NAME}", lambda match: self._name(match[0]), operands)
            return [f"\t{opcode}\t{operands}"]
        if self.target.machine.name == "aarch64":
            return self._aarch64(opcode, operands)
        return self._x86(opcode, operands)

    def _mark(self, kind: str, symbol: str) -> list[str]:
        self.marks += 1
        return self._symbol(f"{HOLE}{self.marks}${kind}${symbol}")

    def _x86(self, opcode: str, operands: str) -> list[str]:
        narrow = [name for name in NARROW if re.search(rf"{name}\b", operands)]
        marks: list[str] = []
        for name in narrow:
            marks += self._mark(self._x86_kind(opcode, name, operands), name)
            operands = re.sub(rf"{name}\b", f"{PLACEHOLDER[name]:#x}", operands)
        operands = re.sub(rf"(?<![%\w.$@])(\$?)({_NAME})", lambda m: m[1] + self._name(m[2]), operands)
        end = self._symbol(f"{END}{self.marks}") if narrow else []
        return [*marks, f"\t{opcode}\t{operands}", *end]

    @staticmethod
    def _x86_kind(opcode: str, name: str, operands: str) -> str:
        """As the ELF assembler chooses: displacements and 64-bit immediates have a sign."""
        if f"${name}" not in operands or opcode.endswith("q"):
            return "ABS32S"
        if opcode.endswith("l"):
            return "ABS32"
        raise BuildError(f"a constant of 32 bits in {opcode} {operands}")

    def _aarch64(self, opcode: str, operands: str) -> list[str]:
        if match := re.fullmatch(r"(\w+), #:abs_g(\d)(_s)?(?:_nc)?:(\w+)", operands):
            kind = f"MOVW{match[2]}{(match[3] or '')[1:].upper()}"
            shift = f", lsl #{16 * int(match[2])}" if match[2] != "0" else ""
            return [*self._mark(kind, match[4]), f"\t{opcode}\t{match[1]}, #0{shift}"]
        machine = self.target.machine
        tested, comma, label = operands.rpartition(", ")
        if self._needs_mark(opcode, label):
            return [*self._mark(self.marked[opcode], label), f"\t{opcode}\t{tested}{comma}#0"]
        if opcode in machine.inverse or opcode in (machine.jump, machine.call):
            return [f"\t{opcode}\t{tested}{comma}{self._name(label)}"]
        if opcode == "adrp":
            page = "@PAGE" if self.macho else ""
            return [f"\tadrp\t{tested}, {self._name(label)}{page}"]
        if match := re.search(rf":lo12:({_NAME})", operands):
            label = self._name(match[1])
            low = f"{label}@PAGEOFF" if self.macho else f":lo12:{label}"
            return [f"\t{opcode}\t{operands.replace(match[0], low)}"]
        return [f"\t{opcode}\t{operands}"]


def _label(jump: str) -> str:
    """Where a jump goes."""
    return jump.rpartition("\t")[2].rpartition(", ")[2]
