"""What jitpatch-dump prints, as lines of text; C text; summaries and differences as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from jitpatch._disassembly import stencil_lines
from jitpatch._tables import KINDS, PARTS, Stencil, Tables, Uop, choose, why_none

BYTES_A_LINE = 16


class Paint:
    """Colours, on a terminal; the same text without them elsewhere."""

    CODES = {"name": "1", "hole": "33", "part": "36", "note": "2", "bad": "31", "good": "32"}

    def __init__(self, on: bool) -> None:
        self.on = on

    def __call__(self, kind: str, text: str) -> str:
        """The text in the colour of its kind."""
        return f"\x1b[{self.CODES[kind]}m{text}\x1b[0m" if self.on and text else text


PLAIN = Paint(False)


# --- a stencil ----------------------------------------------------------------------------------


def hex_lines(stencil: Stencil, part: str, paint: Paint = PLAIN) -> Iterator[str]:
    """The bytes of a part; under those that a hole covers, what goes in there."""
    code = stencil.parts[part]
    for at in range(0, len(code), BYTES_A_LINE):
        line = code[at : at + BYTES_A_LINE]
        yield f"    {at:04x}  {line.hex(' ')}"
        for hole in stencil.holes:
            first, last = max(hole.offset, at), min(hole.offset + hole.width, at + len(line))
            if hole.part != part or first >= last:
                continue
            marks = "   " * (first - at) + " ".join(["^^"] * (last - first))
            text = f"{hole.offset:#x} {hole.kind} {hole.meaning()}" if first == hole.offset else "..."
            yield f"          {paint('hole', f'{marks}  {text}')}"


def code_lines(stencil: Stencil, part: str, machine: str, paint: Paint = PLAIN) -> Iterator[str]:
    """The instructions of a part, holes named inside them."""
    width = 30 if machine != "aarch64" else 11
    for line in stencil_lines(stencil, part, machine):
        text = line.text
        note = ", ".join(f"{hole.offset:#x} {hole.kind}" for hole in line.holes)
        colour = "hole" if line.holes else "part"
        text = paint(colour, text) if line.holes else text
        yield f"    {line.at:04x}  {line.code.hex(' '):{width}}  {text}{paint('note', f'   ; {note}') if note else ''}"


def variant_lines(name: str, stencil: Stencil, machine: str, disassemble: bool, paint: Paint = PLAIN) -> Iterator[str]:
    """A variant: sizes, bytes and holes."""
    yield f"variant {paint('name', name)}   stencil {stencil.number}: {stencil.sizes()}"
    for part, code in stencil.parts.items():
        if code:
            yield f"  {paint('part', part)}"
            if disassemble and part != "data":
                yield from code_lines(stencil, part, machine, paint)
            else:
                yield from hex_lines(stencil, part, paint)


def uop_lines(
    tables: Tables, uop: Uop, wanted: str | None, disassemble: bool = False, paint: Paint = PLAIN
) -> Iterator[str]:
    """A uop: declaration, count of variants, and the wanted ones."""
    yield f"{paint('name', uop.name)} {uop.signature()}   {' '.join(uop.flags)}"
    if uop.help:
        yield f"  {uop.help}"
    if uop.source:
        yield f"  {paint('note', uop.source)}"
    built = tables.variants(uop)
    if not built and wanted is None:
        yield f"  no stencils: {why_none(tables)}"
        return
    numbers = {number for _, number in built}
    yield f"  {tables.target}: {len(built)} variants, {len(numbers)} different stencils"
    for name, number in choose(tables, uop, wanted):
        yield ""
        yield from variant_lines(name, tables.stencil(number), tables.machine, disassemble, paint)
    if wanted is None and len(built) > 1:
        yield ""
        yield f"{len(built) - 1} more, to {built[-1][0]}: --variant NAME, or --variant all"


def list_lines(tables: Tables, paint: Paint = PLAIN) -> Iterator[str]:
    """All uops, one a line."""
    for uop in tables.uops():
        count = len(tables.variants(uop))
        name = paint("name", uop.name) + " " * (26 - len(uop.name))
        yield f"{name} {uop.signature():42} {count:5}  {' '.join(uop.flags) or '-':34}  {uop.help}"


# --- C ------------------------------------------------------------------------------------------


def c_lines(tables: Tables, uop: Uop, wanted: str | None) -> Iterator[str]:
    """Variants as C: bytes and holes in the shapes of src/runtime/back/stencil_table.h."""
    yield f"// {uop.name} {uop.signature()} for {tables.target}, {uop.source or 'not declared'}"
    yield f"// made from sha256 {tables.digest}"
    for name, number in choose(tables, uop, wanted):
        stencil = tables.stencil(number)
        full = f"{uop.name}__{'' if name == '-' else name}"
        yield ""
        symbols: list[str] = []
        for part in PARTS:
            code = stencil.parts[part]
            yield f"static const uint8_t {full}_{part}[{len(code) or 1}] = {{"
            for at in range(0, len(code), BYTES_A_LINE):
                yield "    " + " ".join(f"{byte:#04x}," for byte in code[at : at + BYTES_A_LINE])
            yield "};"
        yield f"static const Hole {full}_holes[{len(stencil.holes) or 1}] = {{"
        for hole in stencil.holes:
            if hole.symbol is not None and hole.symbol not in symbols:
                symbols.append(hole.symbol)
            number = symbols.index(hole.symbol) if hole.symbol is not None else 0
            yield (f"    {{ {hole.offset}, PART_{hole.part.upper()}, PATCH_{hole.kind}, HOLE_{hole.value}, "
                   f"{number}, {hole.addend} }},  // {hole.meaning()}")
        yield "};"
        names = ", ".join(f'"{symbol}"' for symbol in symbols)
        yield f"static const char *const {full}_symbols[] = {{ {names + ', ' if names else ''}0 }};"


# --- summary ------------------------------------------------------------------------------------


def summary(tables: Tables) -> dict[str, Any]:
    """Counts and sizes; the stencils of a uop are counted once for it, in all once."""
    stencils: dict[int, Stencil] = {}
    rows: dict[str, dict[str, int]] = {}
    for uop in tables.uops():
        built = tables.variants(uop)
        mine = {number for _, number in built}
        stencils |= {number: tables.stencil(number) for number in mine - stencils.keys()}
        sizes = {part: sum(len(stencils[n].parts[part]) for n in mine) for part in PARTS}
        rows[uop.name] = {"variants": len(built), "stencils": len(mine), **sizes}
    holes = [hole for stencil in stencils.values() for hole in stencil.holes]
    kinds = Counter(hole.kind for hole in holes)
    total = {
        "uops": len(rows),
        "variants": sum(row["variants"] for row in rows.values()),
        "stencils": len(stencils),
        "bytes": sum(len(code) for stencil in stencils.values() for code in stencil.parts.values()),
        "holes": len(holes),
        "symbols": len({hole.symbol for hole in holes if hole.symbol is not None}),
    }
    return {
        "target": tables.target, "refused": tables.refused, "digest": tables.digest, "uops": rows, "total": total,
        "holes": {kind: kinds[kind] for kind in KINDS if kinds[kind]},
    }


def summary_lines(numbers: dict[str, Any], by_uop: bool, paint: Paint = PLAIN) -> Iterator[str]:
    """One target; by_uop: with a line for each uop."""
    if by_uop:
        yield f"{'uop':26} {'variants':>8} {'stencils':>8} {'hot':>8} {'cold':>8} {'data':>8}  bytes"
        for name, row in numbers["uops"].items():
            if row["variants"]:
                cells = " ".join(f"{row[key]:8}" for key in ("variants", "stencils", *PARTS))
                yield paint("name", name) + " " * (27 - len(name)) + cells
    total = numbers["total"]
    if numbers["refused"]:
        yield f"{paint('name', numbers['target'])}: {total['uops']} uops; not runnable, {numbers['refused']}"
        return
    yield (f"{paint('name', numbers['target'])}: {total['uops']} uops, {total['variants']} variants, "
           f"{total['stencils']} different stencils of {total['bytes']} bytes, {total['holes']} holes, "
           f"{total['symbols']} C symbols")
    yield "  holes: " + ", ".join(f"{kind} {count}" for kind, count in numbers["holes"].items())
    yield f"  made from sha256 {numbers['digest']}"


# --- difference ---------------------------------------------------------------------------------


def difference(a: Tables, b: Tables, only: str | None) -> dict[str, Any]:
    """What differs, by uop. Uops and variants of one table only are listed; the others compared."""
    of_a, of_b = ({uop.name: uop for uop in tables.uops()} for tables in (a, b))
    rows: dict[str, Any] = {}
    for name in [*of_a, *(name for name in of_b if name not in of_a)]:
        if only is not None and name != only:
            continue
        if name not in of_a or name not in of_b:
            rows[name] = {"only": "A" if name in of_a else "B"}
            continue
        row = _difference(a, b, of_a[name], of_b[name])
        if row:
            rows[name] = row
    return {"a": a.target, "b": b.target, "uops": rows}


def _difference(a: Tables, b: Tables, of_a: Uop, of_b: Uop) -> dict[str, Any]:
    variants_a, variants_b = dict(a.variants(of_a)), dict(b.variants(of_b))
    both = [name for name in variants_a if name in variants_b]
    pairs = [(name, a.stencil(variants_a[name]), b.stencil(variants_b[name])) for name in both]
    row: dict[str, Any] = {}
    if of_a.signature() != of_b.signature() or set(of_a.flags) != set(of_b.flags):
        row["declared"] = [f"{uop.signature()} {' '.join(uop.flags)}".strip() for uop in (of_a, of_b)]
    for side, mine, other in (("A", variants_a, variants_b), ("B", variants_b, variants_a)):
        lone = [name for name in mine if name not in other]
        if lone:
            row[f"only_{side.lower()}"] = lone
    differing = [(name, one, two) for name, one, two in pairs if not one.same(two)]
    if differing:
        row["differ"] = [name for name, _, _ in differing]
        row["of"] = len(both)
        row["bytes"] = [_size(one for _, one, _ in differing), _size(two for _, _, two in differing)]
        row["holes"] = [sum(len(one.holes) for _, one, _ in differing), sum(len(two.holes) for _, _, two in differing)]
    return row


def _size(stencils: Iterator[Stencil]) -> int:
    return sum(len(code) for stencil in stencils for code in stencil.parts.values())


def difference_lines(found: dict[str, Any], paint: Paint = PLAIN) -> Iterator[str]:
    """As text: a line for each uop that differs."""
    for name, row in found["uops"].items():
        notes = []
        if "only" in row:
            notes.append(f"only in {row['only']}")
        if "declared" in row:
            notes.append("declared " + " and ".join(row["declared"]))
        for side in ("a", "b"):
            if f"only_{side}" in row:
                lone = row[f"only_{side}"]
                notes.append(f"{len(lone)} variants only in {side.upper()}, such as {lone[0]}")
        if "differ" in row:
            sizes = " -> ".join(map(str, row["bytes"]))
            holes = " -> ".join(map(str, row["holes"]))
            notes.append(f"{len(row['differ'])} of {row['of']} variants differ ({row['differ'][0]} is the first): "
                         f"{sizes} bytes, {holes} holes")
        yield f"{paint('name', name)}: {'; '.join(notes)}"
    count = len(found["uops"])
    what = f"{count} uop{'s' * (count != 1)} differ{'s' * (count == 1)}" if count else "no difference"
    yield f"A {found['a']}, B {found['b']}: {what}"


def stencil_difference(a: Tables, b: Tables, uop: str, variant: str | None, disassemble: bool, paint: Paint) -> Iterator[str]:
    """One variant as it is in both tables, lines that are not in the other one marked."""
    import difflib

    texts: list[list[str]] = []
    for tables in (a, b):
        found = next(item for item in tables.uops() if item.name == uop)
        for name, number in choose(tables, found, variant)[:1]:
            stencil = tables.stencil(number)
            shown = Stencil(0, stencil.parts, stencil.holes)
            texts.append(list(variant_lines(name, shown, tables.machine, disassemble))[1:])
    for line in difflib.ndiff(texts[0], texts[1]):
        if line[0] != "?":
            yield paint("bad" if line[0] == "-" else "good", line) if line[0] in "-+" else line


