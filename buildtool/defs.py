"""Reads the UOP(...) { } [COLD { }] declarations out of src/stencils/*.c.

The grammar stands in src/stencils/stencil.h. A Family keeps its file's text, so that what is
compiled is that text with the declarations' heads replaced by C function heads: helpers between
the declarations and line numbers in clang's messages stay as written.
"""

import enum
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from buildtool.target import BuildError

MAX_INPUTS = 4
MAX_OPERANDS = 2
FLAGS = frozenset("PURE EXITS RAISES CALLS ESCAPES ALLOC GUARD EFFECT VIRTUAL CONTROL 0".split())


@enum.unique
class Type(enum.Enum):
    """The type of an IR value."""

    VOID = "VOID"
    I64 = "I64"
    F64 = "F64"
    OBJ = "OBJ"

    @property
    def is_float(self) -> bool:
        """Whether values of this type live in float registers."""
        return self is Type.F64


@dataclass(frozen=True)
class Input:
    """A value that a uop reads."""

    type: Type
    name: str
    konst: bool  # I64K: may be a 32-bit constant


@dataclass(frozen=True)
class Operand:
    """A constant of the instruction, patched into the code."""

    wide: bool  # IMM64, else IMM32
    name: str


@dataclass(frozen=True)
class Uop:
    """One declaration."""

    name: str
    family: str
    line: int
    inputs: tuple[Input, ...]
    output: Type
    flags: tuple[str, ...]
    operands: tuple[Operand, ...]
    help: str
    cold: bool = False  # has a COLD block

    @property
    def calls(self) -> bool:
        """Inputs are in the C argument registers, call-clobbered registers are lost."""
        return "CALLS" in self.flags

    @property
    def virtual(self) -> bool:
        """Exists in the IR only."""
        return "VIRTUAL" in self.flags


@dataclass(frozen=True)
class Block:
    """Where one body stands in its family's text: offsets of the head, `{` and `}`."""

    uop: Uop
    cold: bool
    head: int
    open: int
    close: int


@dataclass
class Family:
    """A template file."""

    name: str
    path: str  # relative to the project, for messages
    text: str
    uops: list[Uop] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)

    def render(self, head: Callable[[Uop, bool], str], only: frozenset[str] | None = None) -> str:
        """The file as C: bodies become functions with the given heads, ended by UOP_NEXT.

        Bodies of uops that are not in `only` are left out, their lines are kept.
        """
        pieces = [f'#line 1 "{self.path}"\n']
        at = 0
        for block in self.blocks:
            pieces.append(self.text[at : block.head])
            at = block.close + 1
            if only is not None and block.uop.name not in only:
                pieces.append("\n" * self.text.count("\n", block.head, at))
                continue
            line = self.line_of(block.open)
            pieces.append("\n#define result (*result_)\n")
            pieces.append(f'{head(block.uop, block.cold)}\n#line {line} "{self.path}"\n')
            pieces.append(self.text[block.open : block.close])
            pieces.append("return UOP_NEXT; }\n#undef result\n")
            pieces.append(f'#line {self.line_of(block.close)} "{self.path}"\n')
        pieces.append(self.text[at:] + "\n")
        return "".join(pieces)

    def line_of(self, offset: int) -> int:
        """The line that a character is in, from 1."""
        return self.text.count("\n", 0, offset) + 1


def read_families(paths: Iterable[Path]) -> list[Family]:
    """All families, in the order of their file names; uop names are unique among them."""
    families = [parse_family(f"src/stencils/{p.name}", p.read_text()) for p in sorted(paths)]
    seen: dict[str, str] = {}
    for family in families:
        for uop in family.uops:
            if uop.name in seen:
                raise BuildError(f"{_where(family, uop.line)}: {uop.name} is in {seen[uop.name]}")
            seen[uop.name] = f"{_where(family, uop.line)} already"
    return families


def parse_family(path: str, text: str) -> Family:
    """One template file."""
    family = Family(Path(path).stem, path, text)
    plain = _blank(text)
    at = 0
    while match := re.compile(r"^(UOP|COLD)\b", re.M).search(plain, at):
        at = _block(family, plain, match)
    for block in family.blocks:
        if "COLD_IF" in plain[block.open : block.close] and (block.cold or not block.uop.cold):
            where = _where(family, family.line_of(block.open))
            raise BuildError(f"{where}: {block.uop.name}: COLD_IF without a COLD block to go to")
    return family


def _where(family: Family, line: int) -> str:
    return f"{family.path}:{line}"


def _block(family: Family, plain: str, match: re.Match[str]) -> int:
    """Read the declaration or COLD block at `match`; returns the offset after it."""
    head, start = match.start(), match.end()
    cold = match[1] == "COLD"
    where = _where(family, family.line_of(head))
    if cold:
        if not family.blocks or family.blocks[-1].cold or plain[family.blocks[-1].close + 1 : head].strip():
            raise BuildError(f"{where}: COLD must directly follow the body of its UOP")
        uop = _with_cold(family, where)
    else:
        if not plain[start:].lstrip().startswith("("):
            raise BuildError(f"{where}: expected UOP(NAME, (inputs), OUTPUT, FLAGS, (operands))")
        end = _matching(plain, plain.index("(", start), "()", where)
        uop = _declaration(family, head, plain[plain.index("(", start) + 1 : end], where)
        family.uops.append(uop)
        start = end + 1
    if not plain[start:].lstrip().startswith("{"):
        raise BuildError(f"{where}: expected {{ ... }} after {match[1]}")
    open_ = plain.index("{", start)
    close = _matching(plain, open_, "{}", where)
    family.blocks.append(Block(uop, cold, head, open_, close))
    return close + 1


def _with_cold(family: Family, where: str) -> Uop:
    """The last uop, now known to have a COLD block."""
    old = family.blocks[-1].uop
    if old.calls:
        raise BuildError(f"{where}: {old.name}: CALLS loses registers, COLD keeps them: not both")
    new = Uop(**{**old.__dict__, "cold": True})
    family.uops[-1] = new
    last = family.blocks[-1]
    family.blocks[-1] = Block(new, last.cold, last.head, last.open, last.close)
    return new


def _declaration(family: Family, head: int, text: str, where: str) -> Uop:
    """The inside of UOP(...)."""
    parts = _split(text)
    if len(parts) != 5:
        raise BuildError(f"{where}: UOP has 5 parts, here are {len(parts)}")
    name, inputs, output, flags, operands = parts
    if not re.fullmatch(r"[A-Z][A-Z0-9_]*", name) or "__" in name:
        raise BuildError(f"{where}: {name!r} is no name for a uop (capitals, no double _)")
    where = f"{where}: {name}"
    if output not in Type.__members__:
        raise BuildError(f"{where}: output {output!r} is none of {', '.join(Type.__members__)}")
    uop = Uop(
        name,
        family.name,
        family.line_of(head),
        tuple(_input(item, where) for item in _list(inputs, where)),
        Type(output),
        tuple(_flag(flag.strip(), where) for flag in flags.split("|")),
        tuple(_operand(item, where) for item in _list(operands, where)),
        _help(family.text[:head]),
    )
    if len(uop.inputs) > MAX_INPUTS or len(uop.operands) > MAX_OPERANDS:
        raise BuildError(f"{where}: at most {MAX_INPUTS} inputs and {MAX_OPERANDS} operands")
    if uop.calls and any(item.konst for item in uop.inputs):
        raise BuildError(f"{where}: inputs of CALLS are in registers, I64K is not possible")
    return uop


def _input(text: str, where: str) -> Input:
    match = re.fullmatch(r"(I64K?|F64|OBJ)\s+(\w+)", text)
    if not match:
        raise BuildError(f"{where}: input {text!r}: expected I64, F64, OBJ or I64K, and a name")
    return Input(Type(match[1].rstrip("K")), match[2], match[1] == "I64K")


def _operand(text: str, where: str) -> Operand:
    match = re.fullmatch(r"IMM(64|32)\s+(\w+)", text)
    if not match:
        raise BuildError(f"{where}: operand {text!r}: expected IMM64 or IMM32, and a name")
    return Operand(match[1] == "64", match[2])


def _flag(text: str, where: str) -> str:
    if text not in FLAGS and not re.fullmatch(r"(READS|WRITES)\(\w+\)", text):
        raise BuildError(f"{where}: unknown flag {text!r}")
    return text


def _list(text: str, where: str) -> list[str]:
    """The items of a list in parentheses."""
    if not (text.startswith("(") and text.endswith(")")):
        raise BuildError(f"{where}: expected a list in parentheses, found {text!r}")
    return _split(text[1:-1]) if text[1:-1].strip() else []


def _split(text: str) -> list[str]:
    """Parts between the commas that are not inside parentheses."""
    parts, depth = [""], 0
    for char in text:
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [" ".join(part.split()) for part in parts]


def _help(before: str) -> str:
    """The // lines that end right above a declaration, as one line."""
    lines: list[str] = []
    for line in reversed(before.splitlines()):
        if not line.startswith("//"):
            break
        lines.insert(0, line[2:].strip())
    return " ".join(lines)


def _matching(plain: str, start: int, pair: str, where: str) -> int:
    """Offset of the bracket that closes the one at `start`."""
    depth = 0
    for at in range(start, len(plain)):
        depth += (plain[at] == pair[0]) - (plain[at] == pair[1])
        if depth == 0:
            return at
    raise BuildError(f"{where}: {pair[0]} is never closed")


def _blank(text: str) -> str:
    """The text with comments, strings, characters and # lines made blank; offsets stay."""
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|^[ \t]*#(?:\\\n|[^\n])*'
    return re.sub(pattern, lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.S | re.M)
