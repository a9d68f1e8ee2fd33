"""A million entries, thousands of compilations and invalidations: memory and reference counts stay as they are."""

import pytest

import harness

pytestmark = pytest.mark.slow

# Each body defines turn(k), called many times; what it leaves behind is measured between rounds.
BODIES = {
    "entries of a loop": (500_000, """
        def work(n):
            t = 0
            for i in range(n):
                t += i
            return t
        def turn(k):
            return work(3) + work(4)
    """),
    "calls of a function": (500_000, """
        class Point:
            def __init__(self, x):
                self.x = x
        def work(p, k):
            return [p.x + k, str(k)]
        def turn(k):
            return work(Point(k), 1.5) and work(Point(0.5), k)
    """),
    "native recursion": (20_000, """
        def tree(n, keep):
            return (keep,) if n == 0 else (tree(n - 1, keep), tree(n - 2, keep) if n > 1 else None)
        def turn(k):
            return tree(5, THING)
    """),
    "generators": (60_000, """
        def numbers(n, keep):
            for i in range(n):
                yield i, keep
        def nested(n):
            yield from numbers(n, THING)
            for x in numbers(2, THING):
                yield x
        def turn(k):
            for x in numbers(3, THING):
                if k % 7 == 3:
                    break
            return sum(i for i, _ in numbers(4, THING)), list(nested(2)), any(numbers(2, THING)), next(numbers(2, THING))
    """),
    "side traces": (60_000, """
        def work(xs):
            t = 0
            for x in xs:
                if type(x) is int:
                    t += x
                elif type(x) is float:
                    t += x * 0.5
                elif x is THING:
                    t += 1
                else:
                    t += len(x)
            return t
        XS = [1, 2.5, "abc", THING, [1], 2 ** 70, None.__class__.__name__, (1, 2)]
        def turn(k):
            return work(XS[k % 5:] + XS[:k % 3])
    """),
    "exceptions": (40_000, """
        def inner(k):
            if k % 3 == 1:
                raise ValueError(THING)
            return k
        def turn(k):
            t = 0
            for i in range(4):
                try:
                    t += inner(i + k)
                except ValueError as error:
                    t += error.args[0] is THING
                finally:
                    t += 1
            return t
    """),
    "compilations": (12_000, """
        SOURCE = compile('''
        def f(n, keep):
            t = 0
            for i in range(n):
                t += i if keep else 1
            return t, keep
        def g(n, keep):
            return keep if n == 0 else g(n - 1, keep)
        def h(keep):
            for i in range(3):
                yield keep
        ''', "<made>", "exec")
        def turn(k):
            space = {}
            exec(SOURCE, space)
            return [space["f"](30, THING) for _ in range(6)], [space["g"](4, THING) for _ in range(6)], list(space["h"](THING))
    """),
    "invalidations": (24_000, """
        FACTOR = 1
        class Shape:
            side = 2
            def area(self):
                return self.side * FACTOR
        def work(s):
            t = 0
            for i in range(25):
                t += s.area()
            return t
        def turn(k):
            global FACTOR
            FACTOR = k % 50
            Shape.side = k % 3
            if k % 10 == 4:
                Shape.area = lambda self: self.side + FACTOR
            return work(Shape()) + work(Shape())
    """),
}

MEASURE = """
import gc, sys

def blocks():
    gc.collect()
    return sys.getallocatedblocks()

def rounds(turn, count):
    # From the start of a round to that of the next one: traces are as old each time, where old ones are evicted.
    starts = []
    for r in range(50):
        starts.append((blocks(), sys.getrefcount(THING)))
        # New side traces may need some rounds until there are none left to make.
        if r > 8 and grown(starts)[-1][0] < count // 4 and grown(starts)[-1][1] <= 1:
            break
        for k in range(count):
            turn(k)
    return grown(starts)

def grown(starts):
    return [(b - a, s - r) for (a, r), (b, s) in zip(starts, starts[1:])]

found = rounds(turn, COUNT // 8)
assert __import__("jitpatch").stats().roots, "nothing was compiled"
print(*found[-1], found)
"""


@pytest.mark.parametrize("settings", [{}, {"JITPATCH_SIDE_THRESHOLD": "2", "JITPATCH_FORCE_EXIT": "97"},
                                      {"JITPATCH_MAX_SIDES": "2", "JITPATCH_CODE_LIMIT": "1", "JITPATCH_MAX_AGE": "1"}],
                         ids=["plain", "forced-exits", "evictions"])
@pytest.mark.parametrize("what", BODIES)
def test_memory_stays_flat(what, settings):
    """A leak of one block or one reference a turn shows in every round: there is one without."""
    count, body = BODIES[what]
    source = "import textwrap\nTHING = [object()]\nCOUNT = %d\n" % count + "\n".join(
        line[8:] for line in body.splitlines()) + MEASURE
    options = {"JITPATCH": "1", "JITPATCH_THRESHOLD": "20", "JITPATCH_CALL_THRESHOLD": "20"}
    done = harness.run(["-P", "-c", source], options | settings, timeout=400)
    assert done.status == 0, done.stderr[-2000:]
    blocks, references, all_rounds = done.stdout.split(" ", 2)
    assert int(blocks) < count // 8 // 4 and int(references) <= 1, all_rounds
