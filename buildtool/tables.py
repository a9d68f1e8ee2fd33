"""Uops and stencils -> C text: the files in generated/. Their shapes are in src/runtime/ir/uop.h and
stencil_table.h. Pure functions; equal parts of stencils are stored once."""

import hashlib
import json
from collections.abc import Iterable, Sequence

from buildtool.defs import MAX_INPUTS, MAX_OPERANDS, Operand, Type, Uop
from buildtool.stencil import Hole, Stencil
from buildtool.target import BuildError, Target
from buildtool.variants import Variant, index_of, table_size

NO_STENCIL = 0xFFFFFFFF
_MAX_SYMBOLS = 256  # Hole.symbol is uint8_t


def in_order(uops: Iterable[Uop]) -> list[Uop]:
    """NOP first, declared or not; the others as they come."""
    nop = Uop("NOP", "", 0, (), Type.VOID, ("VIRTUAL",), (), "Nothing.")
    rest = []
    for uop in uops:
        if uop.name == "NOP":
            nop = uop
        else:
            rest.append(uop)
    return [nop, *rest]


def first_variants(uops: Sequence[Uop], target: Target) -> list[int]:
    """Where each uop's entries in stencil_variants[] begin."""
    first, at = [], 0
    for uop in uops:
        first.append(at if table_size(uop, target) else NO_STENCIL)
        at += table_size(uop, target)
    return first


def uops_header(uops: Sequence[Uop]) -> str:
    """generated/uops.h"""
    lines = ["#ifndef JITPATCH_GENERATED_UOPS_H", "#define JITPATCH_GENERATED_UOPS_H", "", "enum Uop {"]
    lines += [f"    UOP_{uop.name}{' = 0' if k == 0 else ''}," for k, uop in enumerate(uops)]
    return "\n".join([*lines, "    UOP_COUNT", "};", "", "#endif"]) + "\n"


def uop_table(uops: Sequence[Uop], target: Target) -> str:
    """generated/uop_table.h"""
    lines = ["const UopInfo uop_table[] = {"]
    for uop, first in zip(uops, first_variants(uops, target), strict=True):
        inputs = [f"TY_{item.type.value}" for item in uop.inputs]
        konst = sum(item.konst << k for k, item in enumerate(uop.inputs))
        operands = [_operand(operand) for operand in uop.operands]
        lines += [
            f"    {{ /* {uop.family}:{uop.line} */",
            f'        .name = "{uop.name}", .flags = {" | ".join(uop.flags)},',
            f"        .output = TY_{uop.output.value}, .n_inputs = {len(inputs)}, .n_operands = {len(operands)},",
            f"        .inputs = {_braces(inputs, MAX_INPUTS, 'TY_VOID')}, .konst = {konst},",
            f"        .operands = {_braces(operands, MAX_OPERANDS, 'OPERAND_NONE')}, .first_variant = {first:#x},",
            f'        .source = "{source_of(uop)}",',
            f"        .help = {json.dumps(uop.help, ensure_ascii=True)},",
            "    },",
        ]
    return "\n".join([*lines, "};"]) + "\n"


def source_of(uop: Uop) -> str:
    """Where a uop is declared."""
    return f"src/stencils/{uop.family}.c:{uop.line}" if uop.line else ""


def _operand(operand: Operand) -> str:
    return "OPERAND_IMM64" if operand.wide else "OPERAND_IMM32"


def _braces(items: list[str], size: int, fill: str) -> str:
    return "{" + ", ".join([*items, *[fill] * (size - len(items))]) + "}"


class _Pool:
    """Sequences joined into one array, equal ones once."""

    def __init__(self) -> None:
        self.offsets: dict[object, int] = {}
        self.size = 0

    def add(self, key: object, size: int) -> tuple[int, bool]:
        """Offset of a sequence, and whether it is new."""
        if key in self.offsets:
            return self.offsets[key], False
        offset = self.offsets[key] = self.size
        self.size += size
        return offset, True


class StencilTables:
    """The arrays of generated/stencil_tables.h, filled one variant after the other."""

    def __init__(self, uops: Sequence[Uop], target: Target) -> None:
        self.target = target
        self.uops = list(uops)
        self.first = dict(zip([u.name for u in uops], first_variants(uops, target), strict=True))
        self.variants = [NO_STENCIL] * sum(table_size(uop, target) for uop in uops)
        self.bytes: list[bytes] = []
        self.holes: list[Hole] = []
        self.stencils: list[tuple[int, int, int, int, int, int]] = []
        self.symbols: dict[str, int] = {}
        self._bytes, self._holes, self._stencils = _Pool(), _Pool(), _Pool()

    def add(self, variant: Variant, stencil: Stencil) -> None:
        """Enter the stencil of a variant."""
        parts = (stencil.hot, stencil.cold, stencil.data)
        code = b"".join(parts)
        sizes = [len(part) for part in parts]
        index, new = self._stencils.add((stencil.hot, stencil.cold, stencil.data, stencil.holes), 1)
        if new:
            for hole in stencil.holes:
                if hole.symbol and self.symbols.setdefault(hole.symbol, len(self.symbols)) >= _MAX_SYMBOLS:
                    raise BuildError(f"{variant.name}: more than {_MAX_SYMBOLS} C symbols in all")
            at, new_bytes = self._bytes.add(code, len(code))
            first, new_holes = self._holes.add(stencil.holes, len(stencil.holes))
            if new_bytes:
                self.bytes.append(code)
            if new_holes:
                self.holes += stencil.holes
            self.stencils.append((at, sizes[0], sizes[1], sizes[2], len(stencil.holes), first))
        place = self.first[variant.uop.name] + index_of(variant, self.target)
        assert self.variants[place] == NO_STENCIL
        self.variants[place] = index

    @property
    def code(self) -> bytes:
        """stencil_bytes[]"""
        return b"".join(self.bytes)

    def digest(self) -> str:
        """Of the contents: equal wherever and whenever the same stencils are built."""
        lines = (self.symbols, self.stencils, self.variants, [self._hole(hole) for hole in self.holes])
        return hashlib.sha256(b"".join(self.bytes) + repr(lines).encode()).hexdigest()

    def header(self, digest: str) -> str:
        """generated/stencil_tables.h"""
        target = self.target
        lines = [
            f"// Contents: sha256 {self.digest()}",
            f'const char stencil_digest[] = "{digest}";',
            f'const char stencil_target[] = "{target.name}";',
            "const uint8_t CALL_ARG_REG[] = {" + ", ".join(map(str, target.call_args)) + "};",
            *_symbols(list(self.symbols)),
            f"const uint8_t stencil_bytes[{self._bytes.size + 1}] =",
            *_c_string(b"".join(self.bytes)),
            "    ;",
            "",
            "const Hole stencil_holes[] = {",
            *[self._hole(hole) for hole in self.holes],
            "    {0}",
            "};",
            "",
            "const Stencil stencils[] = {",
            *["    {%d, %d, %d, %d, %d, %d}," % stencil for stencil in self.stencils],
            "    {0}",
            "};",
            "",
            "const uint32_t stencil_variants[] = {",
            *self._variant_lines(),
            "};",
        ]
        return "\n".join(lines) + "\n"

    def _hole(self, hole: Hole) -> str:
        symbol = self.symbols.get(hole.symbol, 0)
        return (
            f"    {{{hole.offset}, PART_{hole.part.name}, PATCH_{hole.kind.name}, "
            f"HOLE_{hole.value}, {symbol}, {hole.addend}}},"
        )

    def _variant_lines(self) -> list[str]:
        lines = []
        for uop in self.uops:
            size = table_size(uop, self.target)
            if size:
                lines.append(f"    // {uop.name}")
                first = self.first[uop.name]
                entries = self.variants[first : first + size]
                texts = [str(entry) if entry != NO_STENCIL else "NO_STENCIL" for entry in entries]
                lines += [f"    {', '.join(texts[k : k + 16])}," for k in range(0, size, 16)]
        return [*lines, "    NO_STENCIL"]


def _symbols(names: list[str]) -> list[str]:
    """stencil_symbols[]. The alias keeps clear of whatever headers declare under these names."""
    lines = [
        "#define JITPATCH_TEXT_(x) #x",
        "#define JITPATCH_TEXT(x) JITPATCH_TEXT_(x)",
        "#define JITPATCH_SYMBOL(name) extern char stencil_symbol_##name[] \\",
        "    __asm__(JITPATCH_TEXT(__USER_LABEL_PREFIX__) #name)",
    ]
    lines += [f"JITPATCH_SYMBOL({name});" for name in names]
    lines.append("void *const stencil_symbols[] = {")
    lines += [f"    stencil_symbol_{name}," for name in names]
    lines += ["    0", "};", "const char *const stencil_symbol_names[] = {"]
    lines += [f'    "{name}",' for name in names]
    return [*lines, "    0", "};"]


def _c_string(data: bytes) -> list[str]:
    """Lines of C string literals: read by compilers much faster than numbers."""
    lines = []
    for at in range(0, len(data), 32):
        text = "".join(f"\\{byte:03o}" for byte in data[at : at + 32])
        lines.append(f'    "{text}"')
    return lines or ['    ""']
