"""Families -> Stencils of all their variants: clang is run on what is not in the cache.

The cache keeps the stencils of each uop beside a digest of all that they are made of: the uop's
body and helpers, the headers, the compiler, this package. Comments and line numbers do not count.
"""

import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from buildtool.defs import Family, Uop
from buildtool.dialects import assemblable, normalise
from buildtool.ir import make_absolute, pass_registers_on
from buildtool.layout import join, lay_out, read_assembly
from buildtool.objects import read_object
from buildtool.source import family_source
from buildtool.stencil import Hole, Part, Stencil, read_stencils
from buildtool.target import PatchKind
from buildtool.toolchain import Toolchain
from buildtool.variants import Variant, variants_of

# What a stencil depends on besides its uop.
MADE_WITH = (
    "src/stencils/*.h", "src/runtime/base/activation.h", "src/runtime/base/helpers.h", "buildtool/pyconfig/*.h",
    "buildtool/compile.py", "buildtool/defs.py", "buildtool/dialects.py", "buildtool/ir.py",
    "buildtool/layout.py", "buildtool/machine_*.py", "buildtool/objects*.py", "buildtool/source.py",
    "buildtool/stencil.py", "buildtool/target*.py", "buildtool/toolchain.py", "buildtool/variants.py",
)
CHUNK = 1200  # variants in one run of clang
Stencils = dict[str, Stencil]  # by the variant's name


@dataclass(frozen=True)
class Chunk:
    """A part of a family, for one run of clang."""

    family: Family
    variants: list[Variant]
    number: int


class Cache:
    """Stencils of uops that were compiled before, in a folder."""

    def __init__(self, folder: Path, root: Path, toolchain: Toolchain) -> None:
        self.folder = folder
        self.toolchain = toolchain
        common = hashlib.sha256(f"{toolchain.version} {toolchain.flags('')} {toolchain.target.name}".encode())
        common.update(sys.version.encode())
        for pattern in MADE_WITH:
            for path in sorted(root.glob(pattern)):
                common.update(path.name.encode() + path.read_bytes())
        self.common = common.hexdigest()

    def key(self, family: Family, uop: Uop, variants: list[Variant]) -> str:
        """Digest of what the stencils of a uop are made of."""
        text = family_source(family, variants, self.toolchain.target)
        text = re.sub(r"^#line .*$|//.*$", "", text, flags=re.M)
        return hashlib.sha256(f"{self.common} {uop.name} {' '.join(text.split())}".encode()).hexdigest()

    def get(self, uop: str, key: str) -> Stencils | None:
        """What is kept under this key."""
        try:
            kept = json.loads((self.folder / f"{uop}.json").read_text())
            if kept["key"] != key:
                return None
            return {name: _unpack(row) for name, row in kept["stencils"].items()}
        except (OSError, ValueError, KeyError, TypeError):  # none, or not whole
            return None

    def put(self, uop: str, key: str, stencils: Stencils) -> None:
        """Keep."""
        self.folder.mkdir(parents=True, exist_ok=True)
        rows = {name: _pack(stencil) for name, stencil in stencils.items()}
        (self.folder / f"{uop}.json").write_text(json.dumps({"key": key, "stencils": rows}))


def _pack(stencil: Stencil) -> list[object]:
    holes = [[h.part.name, h.offset, h.kind.name, h.value, h.symbol, h.addend] for h in stencil.holes]
    return [stencil.hot.hex(), stencil.cold.hex(), stencil.data.hex(), holes]


def _unpack(row: list[str]) -> Stencil:
    hot, cold, data, holes = row
    read = [Hole(Part[h[0]], int(h[1]), PatchKind[h[2]], h[3], h[4], int(h[5])) for h in holes]
    return Stencil(bytes.fromhex(hot), bytes.fromhex(cold), bytes.fromhex(data), tuple(read))


def compile_all(
    families: list[Family], toolchain: Toolchain, cache: Cache, work: Path, jobs: int, force: bool,
    progress: Callable[[str], None],
) -> Iterator[tuple[list[Variant], Stencils]]:
    """The stencils of every uop, in the order of the declarations, whichever is done first."""
    target = toolchain.target
    known: dict[str, Stencils] = {}
    keys: dict[str, str] = {}
    chunks: list[Chunk] = []
    for family in families:
        missing: list[Variant] = []
        for uop in family.uops:
            variants = variants_of(uop, target)
            keys[uop.name] = cache.key(family, uop, variants)
            kept = None if force else cache.get(uop.name, keys[uop.name])
            if kept is not None and kept.keys() == {variant.name for variant in variants}:
                known[uop.name] = kept
            else:
                missing += variants
        for number, at in enumerate(range(0, len(missing), CHUNK)):
            chunks.append(Chunk(family, missing[at : at + CHUNK], number))
    if known and chunks:
        progress(f"{target.name}: {len(known)} of {len(keys)} uops are as they were")
    fresh: Stencils = {}
    for done, (chunk, stencils) in enumerate(_compile(chunks, toolchain, work, jobs), 1):
        progress(f"{target.name}: {done}/{len(chunks)} {chunk.family.name}, {len(stencils)} variants")
        fresh |= stencils
    for family in families:
        for uop in family.uops:
            variants = variants_of(uop, target)
            if uop.name not in known:
                known[uop.name] = {variant.name: fresh[variant.name] for variant in variants}
                cache.put(uop.name, keys[uop.name], known[uop.name])
            yield variants, known[uop.name]


def _compile(
    chunks: list[Chunk], toolchain: Toolchain, work: Path, jobs: int
) -> Iterator[tuple[Chunk, Stencils]]:
    if jobs <= 1 or len(chunks) <= 1:
        for chunk in chunks:
            yield chunk, compile_chunk(chunk, toolchain, work)
        return
    with ProcessPoolExecutor(jobs) as pool:
        todo = {pool.submit(compile_chunk, chunk, toolchain, work): chunk for chunk in chunks}
        try:
            for future in as_completed(todo):
                yield todo[future], future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def compile_chunk(chunk: Chunk, toolchain: Toolchain, work: Path) -> Stencils:
    """One chunk through all stages."""
    target = toolchain.target
    c = work / f"{chunk.family.name}-{chunk.number}.c"
    c.write_text(family_source(chunk.family, chunk.variants, target))

    def repair(ir: str) -> str:
        return pass_registers_on(make_absolute(ir), chunk.variants, target)

    assembly = read_assembly(normalise(toolchain.compile(c, repair), target), target)
    names = [variant.name for variant in chunk.variants]
    asm = c.with_suffix(".s")
    text = join([lay_out(assembly, name, target) for name in names], target)
    asm.write_text(assemblable(text, target))
    return read_stencils(read_object(target.object_format, toolchain.assemble(asm)), names, target)
