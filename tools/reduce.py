"""Shrinks a random program that behaves differently with the JIT: reduce.py --seed N | --file F [--mode M].

Deletes statements, replaces compound statements by their bodies, simplifies expressions and makes loops
shorter, as long as the two outputs still differ in the same way (crash stays crash, difference stays
difference). Prints the smallest program; it runs in the namespace of tests/differential/prelude.py.
`--standalone FILE` also writes it with the prelude in front, ready for `python -X jitpatch FILE`.
"""

from __future__ import annotations

import argparse
import ast
import copy
import sys
import time
from collections.abc import Iterator
from pathlib import Path

DIFFERENTIAL = Path(__file__).resolve().parents[1] / "tests" / "differential"
sys.path[:0] = [str(DIFFERENTIAL), str(DIFFERENTIAL.parent)]

import compare
import harness
from generator import generate


class Oracle:
    """Answers whether a source still shows the difference, and counts how often it was asked."""

    def __init__(self, settings: dict[str, str], runs: int, seconds: float) -> None:
        self.settings = settings
        self.end = time.monotonic() + seconds
        self.runs = runs  # a difference that shows only sometimes needs several
        self.asked = 0
        self.crash: bool | None = None

    def differs(self, source: str) -> bool:
        if time.monotonic() > self.end:
            return False
        self.asked += 1
        program = [("it", source)]
        expected = compare.run_batch(program, harness.OFF)["it"]
        if not expected or expected[-1].startswith("<process") or any("SyntaxError" in line for line in expected):
            return False
        for _ in range(self.runs):
            got = compare.run_batch(program, self.settings)["it"]
            if got != expected and self.same_kind(got):
                return True
        return False

    def same_kind(self, got: list[str]) -> bool:
        crash = bool(got) and got[-1].startswith("<process")
        if self.crash is None:
            self.crash = crash
        return crash == self.crash


def bodies(tree: ast.AST) -> Iterator[list[ast.stmt]]:
    """Every list of statements, outer ones first."""
    for node in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            if isinstance(block, list):
                yield block
        for clause in [*getattr(node, "handlers", []), *getattr(node, "cases", [])]:
            yield clause.body


def smaller_statements(tree: ast.Module) -> Iterator[ast.Module]:
    """The program without runs of statements, long runs first; then with bodies instead of statements."""
    sizes = [len(block) for block in bodies(tree)]
    for number, size in enumerate(sizes):
        length = size
        while length >= 1:
            for start in range(0, size, length):
                smaller = copy.deepcopy(tree)
                block = list(bodies(smaller))[number]
                del block[start:start + length]
                if not block and block is not smaller.body:
                    block.append(ast.Pass())
                yield smaller
            length //= 2
    for number, size in enumerate(sizes):
        for index in range(size):
            smaller = copy.deepcopy(tree)
            block = list(bodies(smaller))[number]
            inner = getattr(block[index], "body", None)
            if isinstance(inner, list) and not isinstance(block[index], (ast.FunctionDef, ast.ClassDef)):
                block[index:index + 1] = inner
                yield smaller


def smaller_expressions(tree: ast.Module) -> Iterator[ast.Module]:
    """Each expression replaced by one of its parts; each large number by a smaller one."""
    count = sum(1 for _ in ast.walk(tree))
    for number in range(count):
        node = nth(tree, number)
        if isinstance(node, ast.Constant) and type(node.value) is int and abs(node.value) > 1:
            smaller = copy.deepcopy(tree)
            nth(smaller, number).value = int(node.value / 2)
            yield smaller
        for field, value in ast.iter_fields(node):
            if not isinstance(value, ast.expr):
                continue
            for part in ast.iter_child_nodes(value):
                if isinstance(part, ast.expr):
                    smaller = copy.deepcopy(tree)
                    setattr(nth(smaller, number), field, copy.deepcopy(part))
                    yield smaller


def nth(tree: ast.AST, number: int) -> ast.AST:
    for index, node in enumerate(ast.walk(tree)):
        if index == number:
            return node
    raise IndexError(number)


def text(tree: ast.Module) -> str | None:
    """The source, or None where a deletion has left something that is no program."""
    try:
        source = ast.unparse(ast.fix_missing_locations(tree)) + "\n"
        compile(source, "<program>", "exec")
        return source
    except (SyntaxError, ValueError, AttributeError):
        return None


def shrink(source: str, oracle: Oracle) -> str:
    """Takes every step that keeps the difference, until none is left."""
    progress = True
    while progress:
        progress = False
        for steps in (smaller_statements, smaller_expressions):
            again = True
            while again:
                again = False
                for tree in steps(ast.parse(source)):
                    candidate = text(tree)
                    if candidate is None or len(candidate) >= len(source) or not oracle.differs(candidate):
                        continue
                    source, again, progress = candidate, True, True
                    print(f"{len(source.splitlines())} lines, {len(source)} characters, {oracle.asked} tries",
                          file=sys.stderr)
                    break
    return source


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, help="number of a generated program")
    parser.add_argument("--file", type=Path, help="or its source")
    parser.add_argument("--mode", help="of tests/harness.py (the first that shows the difference)")
    parser.add_argument("--runs", type=int, default=1, help="tries per candidate, where the difference comes and goes")
    parser.add_argument("--seconds", type=float, default=120.0, help="then print what there is (120)")
    parser.add_argument("--standalone", type=Path, help="write a script with the prelude in front")
    args = parser.parse_args()
    if (args.seed is None) == (args.file is None):
        parser.error("one of --seed and --file")
    source = args.file.read_text() if args.file else generate(args.seed)
    # Line numbers are part of the outputs, so begin with the text the steps will produce.
    source = text(ast.parse(source)) or source
    for mode, settings in harness.modes().items():
        oracle = Oracle(settings, args.runs, args.seconds)
        if (args.mode is None or args.mode == mode) and oracle.differs(source):
            break
    else:
        print("no difference: nothing to shrink")
        return 1
    source = shrink(source, oracle)
    expected = compare.run_batch([("it", source)], harness.OFF)["it"]
    got = compare.run_batch([("it", source)], settings)["it"]
    print(source)
    print(f"# mode {mode}: {' '.join(f'{k}={v}' for k, v in settings.items())}")
    print("\n".join(f"# {line}" for line in compare.describe(expected, got).splitlines()))
    if args.standalone:
        prelude = (DIFFERENTIAL / "prelude.py").read_text()
        args.standalone.write_text(f"{prelude}\n\n{source}\n\nfinish()\nprint('\\n'.join(OUT))\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
