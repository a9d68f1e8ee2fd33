"""Uops and stencils as data, wherever they come from: what jitpatch-dump works on.

CompiledIn is the table inside the extension; JsonTable reads generated/TARGET/stencils.json, which
the build writes, and whatever `--format json` printed. docs/stencils-json.md has the schema.
"""

from __future__ import annotations

import difflib
import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

FORMAT = 1  # of the JSON
PARTS = ("hot", "cold", "data")
WIDTHS = {"ABS64": 8}  # by kind; the others cover 4 bytes
KINDS = (
    "ABS64", "ABS32", "ABS32S", "REL32", "BRANCH26", "REL19", "ADR21", "PAGE21", "ADD12", "LOAD12",
    "MOVW0", "MOVW1", "MOVW2", "MOVW3", "MOVW1S",
)
MEANINGS = {
    "CONTINUE": "the next instruction",
    "EXIT": "this instruction's exit stub",
    "ERROR": "this instruction's exit stub for errors",
    "HOT": "its own hot part",
    "COLD": "its own cold part",
    "DATA": "its own data part",
    **{f"OPERAND{k}": f"operand {k}" for k in range(2)},
    **{f"INPUT{k}": f"constant of input {k}" for k in range(4)},
}


class TableError(ValueError):
    """A JSON file that is no table; one line says why."""


@dataclass(frozen=True)
class Uop:
    """A declaration of src/stencils/."""

    name: str
    inputs: tuple[str, ...]  # types; I64K: a register or a 32-bit constant
    output: str
    flags: tuple[str, ...]
    operands: tuple[str, ...]
    help: str
    source: str  # file:line

    def signature(self) -> str:
        """Inputs -> output [operands]."""
        text = f"({', '.join(self.inputs)}) -> {self.output}"
        return f"{text} [{', '.join(self.operands)}]" if self.operands else text


@dataclass(frozen=True)
class Hole:
    """Bytes that are filled in when a trace is compiled."""

    part: str
    offset: int
    kind: str
    value: str
    symbol: str | None
    addend: int

    @property
    def width(self) -> int:
        """How many bytes it covers."""
        return WIDTHS.get(self.kind, 4)

    def meaning(self) -> str:
        """What is written there, in words."""
        what = self.symbol if self.symbol is not None else MEANINGS[self.value]
        return f"{what} {'+' if self.addend >= 0 else '-'} {abs(self.addend)}" if self.addend else what


@dataclass(frozen=True)
class Stencil:
    """The code of a variant; equal ones are stored once, under one number."""

    number: int
    parts: dict[str, bytes]  # hot, cold, data
    holes: tuple[Hole, ...]

    def sizes(self) -> str:
        """The parts that are not empty."""
        sizes = [f"{name} {len(code)}" for name, code in self.parts.items() if code or name == "hot"]
        return f"{', '.join(sizes)} bytes; {len(self.holes)} hole{'s' * (len(self.holes) != 1)}"

    def same(self, other: Stencil) -> bool:
        """Whether the bytes and holes are equal, whatever the numbers."""
        return (self.parts, self.holes) == (other.parts, other.holes)


class Tables(Protocol):
    """Where uops and stencils are read from."""

    target: str
    machine: str  # x86_64, aarch64, i686
    refused: str  # why nothing runs on the target; then there are no stencils
    digest: str  # of what the stencils were made from

    def uops(self) -> list[Uop]: ...
    def variants(self, uop: Uop) -> list[tuple[str, int]]: ...
    def stencil(self, number: int) -> Stencil: ...


class CompiledIn:
    """The tables inside the extension."""

    def __init__(self) -> None:
        from jitpatch import _jitpatch

        self._jit: Any = _jitpatch
        facts = _jitpatch.dump_target()
        self.target: str = facts["name"]
        self.machine = self.target.partition("-")[0]
        self.refused = ""
        self.digest: str = facts["digest"]
        self._registers = {"I64": facts["int_regs"], "OBJ": facts["int_regs"], "F64": facts["float_regs"]}
        self._call_args: list[int] = facts["call_args"]
        self._first: dict[str, int] = {}
        self.uops()

    def uops(self) -> list[Uop]:
        """In the order of their numbers."""
        found = []
        for name, inputs, output, flags, operands, first, text, source in self._jit.dump_uops():
            self._first[name] = first
            types = tuple(kind + "K" * konst for kind, konst in inputs)
            found.append(Uop(name, types, output, tuple(flags), tuple(operands), text, source))
        return found

    def choices(self, uop: Uop) -> list[tuple[str, int | None]]:
        """Every choice of registers and its stencil's number; None where none was built."""
        if self._first[uop.name] < 0:
            return []
        names = list(self._names(uop))
        return list(zip(names, self._jit.dump_variants(self._first[uop.name], len(names)), strict=True))

    def variants(self, uop: Uop) -> list[tuple[str, int]]:
        """The variants there is a stencil for."""
        return [(name, number) for name, number in self.choices(uop) if number is not None]

    def stencil(self, number: int) -> Stencil:
        """By its number."""
        hot, cold, data, holes = self._jit.dump_stencil(number)
        parts = {"hot": hot, "cold": cold, "data": data}
        return Stencil(number, parts, tuple(Hole(*hole) for hole in holes))

    def _letters(self, kind: str) -> list[str]:
        letter = "f" if kind == "F64" else "r"
        names = [f"{letter}{number}" for number in range(self._registers[kind.removesuffix("K")])]
        return [*names, "k"] if kind.endswith("K") else names

    def _names(self, uop: Uop) -> Iterator[str]:
        """The names in the order of stencil_variants[] (stencil_table.h)."""
        inputs = [self._letters(kind) for kind in uop.inputs]
        if "CALLS" in uop.flags:
            ints, floats = iter(self._call_args), itertools.count()
            inputs = [[f"f{next(floats)}" if kind == "F64" else f"r{next(ints)}"] for kind in uop.inputs]
        outputs = [] if uop.output == "VOID" else [self._letters(uop.output)]
        for choice in itertools.product(*inputs, *outputs):
            yield "_".join(choice) or "-"


class JsonTable:
    """A table read from JSON; TableError if it is none."""

    def __init__(self, text: str, name: str) -> None:
        try:
            data = json.loads(text)
            self._read(data)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TableError(f"{name} is no table of stencils: {type(error).__name__}: {error}") from None

    def _read(self, data: dict[str, Any]) -> None:
        if data["format"] != FORMAT:
            raise ValueError(f"format {data['format']}, not {FORMAT}")
        self.target = str(data["target"])
        self.machine = str(data["machine"])
        self.refused = str(data["refused"])
        self.digest = str(data["inputs"]).removeprefix("sha256 ")
        self._uops: dict[str, Uop] = {}
        self._variants: dict[str, list[tuple[str, int]]] = {}
        self._stencils = {row["number"]: _stencil(row) for row in data["stencils"]}
        for row in data["uops"]:
            uop = Uop(
                row["name"], tuple(row["inputs"]), row["output"], tuple(row["flags"]), tuple(row["operands"]),
                row["help"], row["source"],
            )
            self._uops[uop.name] = uop
            self._variants[uop.name] = list(row["variants"].items())
            for variant, number in row["variants"].items():
                if number not in self._stencils:
                    raise ValueError(f"{uop.name} {variant}: no stencil {number}")

    def uops(self) -> list[Uop]:
        """In the order of their numbers."""
        return list(self._uops.values())

    def variants(self, uop: Uop) -> list[tuple[str, int]]:
        """The variants there is a stencil for."""
        return self._variants[uop.name]

    def stencil(self, number: int) -> Stencil:
        """By its number."""
        return self._stencils[number]


def _stencil(row: dict[str, Any]) -> Stencil:
    parts = {part: bytes.fromhex(row[part]) for part in PARTS}
    holes = []
    for entry in row["holes"]:
        hole = Hole(**{key: entry[key] for key in ("part", "offset", "kind", "value", "symbol", "addend")})
        if hole.kind not in KINDS or hole.value not in {*MEANINGS, "SYMBOL"} or (hole.value == "SYMBOL") != bool(hole.symbol):
            raise ValueError(f"stencil {row['number']}: a hole {hole}")
        if not 0 <= hole.offset <= len(parts[hole.part]) - hole.width:
            raise ValueError(f"stencil {row['number']}: a hole outside its part")
        holes.append(hole)
    return Stencil(row["number"], parts, tuple(holes))


def as_json(tables: Tables, chosen: Iterable[tuple[Uop, list[tuple[str, int]]]]) -> str:
    """Uops with some of their variants, as text that JsonTable reads."""
    rows = [(uop, variants) for uop, variants in chosen]
    numbers = sorted({number for _, variants in rows for _, number in variants})
    head = {
        "inputs": f"sha256 {tables.digest}", "format": FORMAT, "target": tables.target,
        "machine": tables.machine, "refused": tables.refused,
    }
    lines = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    uops = [f"  {json.dumps({**asdict(uop), 'variants': dict(variants)})}" for uop, variants in rows]
    stencils = [f"  {json.dumps(_stencil_row(tables.stencil(number)))}" for number in numbers]
    return "\n".join([
        "{", *lines, ' "uops": [', ",\n".join(uops), " ],", ' "stencils": [', ",\n".join(stencils), " ]", "}",
    ])


def _stencil_row(stencil: Stencil) -> dict[str, Any]:
    parts = {part: stencil.parts[part].hex() for part in PARTS}
    return {"number": stencil.number, **parts, "holes": [asdict(hole) for hole in stencil.holes]}


# --- finding ------------------------------------------------------------------------------------


def generated_folders() -> list[Path]:
    """Where tables of other targets may be: generated/ of the checkout that this package is in, or
    that is the current folder."""
    folders = [Path(__file__).resolve().parent.parent / "generated", Path("generated").resolve()]
    return [folder for at, folder in enumerate(folders) if folder.is_dir() and folder not in folders[:at]]


def known_tables() -> dict[str, Path | None]:
    """Targets there is a table of: None for the compiled-in one."""
    import jitpatch

    found: dict[str, Path | None] = {}
    for folder in reversed(generated_folders()):
        for path in sorted(folder.glob("*/stencils.json")):
            found[path.parent.name] = path
    if jitpatch.is_available():
        found = {CompiledIn().target: None, **{k: v for k, v in found.items() if k != CompiledIn().target}}
    return found


def open_tables(name: str | None) -> Tables:
    """The table of a target, or in a file; None: of this build. LookupError, TableError."""
    import jitpatch

    if name is None:
        if not jitpatch.is_available():
            raise TableError(f"{jitpatch.why_unavailable()}; --target shows a table of a checkout")
        return CompiledIn()
    known = known_tables()
    if name in known:
        path = known[name]
        return CompiledIn() if path is None else JsonTable(path.read_text(), str(path))
    if name.endswith(".json") or Path(name).is_file():
        try:
            return JsonTable(Path(name).read_text(errors="replace"), name)
        except OSError as error:
            raise LookupError(f"{name}: {error.strerror}") from None
    hint = nearest(name, list(known)) if known else ""
    raise LookupError(
        f"no table of {name!r}{hint} (in a checkout, `python build_stencils.py --target NAME` makes one)"
    )


def find_uop(tables: Tables, name: str) -> Uop:
    """By name, in any case; LookupError with the nearest names."""
    uops = {uop.name: uop for uop in tables.uops()}
    if name.upper() not in uops:
        raise LookupError(f"no uop {name!r}{nearest(name.upper(), list(uops))}")
    return uops[name.upper()]


def choose(tables: Tables, uop: Uop, wanted: str | None) -> list[tuple[str, int]]:
    """The first, all, or the named variant; LookupError with the nearest names."""
    built = tables.variants(uop)
    if wanted is None:
        return built[:1]
    if not built:
        raise LookupError(f"{uop.name} has no stencils: {why_none(tables)}")
    if wanted == "all":
        return built
    short = wanted.removeprefix(uop.name).lstrip("_").lower() or wanted
    found = [entry for entry in built if entry[0] == short]
    if not found:
        raise LookupError(f"{uop.name} has no variant {wanted!r}{nearest(short, [name for name, _ in built])}")
    return found


def why_none(tables: Tables) -> str:
    """Why a uop has no stencils."""
    return f"{tables.target} is not runnable, {tables.refused}" if tables.refused else "it exists in traces only"


def nearest(name: str, names: list[str]) -> str:
    """A hint for a message: names like this one."""
    close = difflib.get_close_matches(name, names, 4, 0.5)
    close = close or [other for other in names if name and name in other][:4]
    return f"; did you mean {', '.join(close)}?" if close else f"; there are {len(names)}, such as {', '.join(names[:3])}"
