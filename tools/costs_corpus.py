"""Compiled loops in which tools/costs.py counts what C functions take that traces call: costs_corpus.py PART.

The parts: every construct of tests/constructs.py, benchmarks/loops/ with little to do, and some more that call what
those do not. Each runs warm.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("constructs", "loops", "others")
TURNS, WARM = 300, 40
SHARE = 400     # of a loop's own N


def constructs() -> None:
    sys.path.insert(0, str(ROOT / "tests"))
    from constructs import CONSTRUCTS, function_source      # type: ignore[import-not-found]

    for lines in CONSTRUCTS.values():
        space: dict[str, object] = {"__name__": "construct"}
        exec(compile(function_source(lines), "<construct>", "exec"), space)
        f = space["f"]
        assert callable(f)
        for turns in (WARM, WARM, TURNS):
            f(turns, -1)


def loops() -> None:
    for path in sorted((ROOT / "benchmarks/loops").glob("*.py")):
        program = runpy.run_path(str(path))
        for _ in range(3):
            program["run"](max(2, program["N"] // SHARE))


OTHERS = """
import array, collections
G = 0
class Plain:
    kind = 3
    def step(self): return self.kind
plain = Plain()
for k in range(60): setattr(plain, f"k{k}", k)
big = array.array("Q", [1 << 63, 2, 3, 4])
def floats(n):
    t, y = 0.5, 1.25
    for i in range(n): t += (i + 0.5) ** y + (i + 7.5) % y + (i + 9.5) // y
    return t
def stores(n):
    global G
    for i in range(n): G = G + (1 << 40) + i
    return G
def slices(n):
    l, m = [1, 2, 3, 4], [5, 6]
    for i in range(n): l[0:2] = m
    return l
def arrays(n):
    t = 0
    for i in range(n): t += big[i & 3]
    return t
def lacks(n):
    t = 0
    for i in range(n): t += plain.kind + plain.step()
    return t
def count(n):
    for i in range(n): yield i
def outer(n):
    for i in count(n): yield i + 1
def generators(n):
    return sum(i for i in outer(n)) + sum([i for i in outer(3) for _ in range(n)])
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
def native(n): return fib(12)
def names(n):
    t = []
    for i in range(n):
        t = [(i, str(i), f"{i}", repr(i), {i: i}, i / 3, i == t)]
    return t
def general(n):
    d, c, m = collections.deque([1, 2, 3]), 2 + 1j, {1: 2}
    for _ in range(3):
        for i in range(n):
            d[i % 3] = i
            x = (+c, -c, c + i, c * 2, c - 1, c / 2, d[1], "%d" % i, "%s" % "a", m | m, i in d, d == m, len(d))
            c += 1; c *= 1; del d[0]; d.append(i)
    return x
"""


def others() -> None:
    space: dict[str, object] = {"__name__": "others"}
    exec(compile(OTHERS, "<others>", "exec"), space)
    for name in ("floats", "stores", "slices", "arrays", "lacks", "generators", "native", "names", "general"):
        f = space[name]
        assert callable(f)
        for turns in (WARM, WARM, TURNS):
            f(turns)


def main() -> None:
    import jitpatch

    jitpatch.enable(threshold=3, call_threshold=10, side_threshold=5, trial_starts=0)
    globals()[sys.argv[1]]()


if __name__ == "__main__":
    main()
