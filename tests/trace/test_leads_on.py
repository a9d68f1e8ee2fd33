"""Paths that lead on: loops' trees that return, functions with loops called natively, short loops followed."""

import time

import pytest

import jitpatch
from jit_fixture import jit  # noqa: F401

pytestmark = pytest.mark.core

HOT = {"threshold": 8, "call_threshold": 20, "side_threshold": 4, "sample": 0}


def exits_when_warm(function, *args, calls=60):
    """How often compiled code is left for the interpreter in as many calls once they are warm."""
    with jitpatch.enabled(**HOT):
        for _ in range(calls):
            expected = function(*args)
        before = jitpatch.stats().exits
        for _ in range(calls):
            assert function(*args) == expected
        return jitpatch.stats().exits - before


def instructions(function):
    return " ".join(ex.uops() for ex in jitpatch.executors(function))


def find(items, wanted):
    for i, item in enumerate(items):
        if item == wanted:
            return i
    return None


def test_a_tree_of_a_loop_ends_with_the_function(jit):  # noqa: F811
    items = list(range(30))
    assert exits_when_warm(lambda: (find(items, 25), find(items, 99))) < 60    # of 120 returns
    assert "TRACE_RETURN" in instructions(find)


def test_numbers_that_a_loop_keeps_unboxed_are_returned(jit):  # noqa: F811
    def sums(n, stop):
        total, half, i = 0, 0.5, 0
        while i < n:
            total += i
            half += 1.5
            i += 1
            if i == stop:
                return total, half, i, n
        return half

    def run():
        results = []
        for n in range(40):
            results += sums(n, 5), sums(n, 17), sums(n, 100)
        return results

    jitpatch.disable()              # or these turns would be counted against the fixture's threshold
    expected = run()
    with jitpatch.enabled(**HOT):
        for _ in range(20):
            sums(30, 100)
        for _ in range(20):
            assert run() == expected
        assert "TRACE_RETURN" in instructions(sums)


def test_what_a_returning_loop_held_dies_in_the_same_order(jit):  # noqa: F811
    died = []

    class Noisy:
        def __init__(self, n):
            self.n = n

        def __del__(self):
            died.append(self.n)

    def hold(n):
        first = last = None
        for i in range(n):
            last = Noisy(i)
            first = first or last
            if i == 12:
                return i
        return None

    def run():
        died.clear()
        for n in range(20):
            died.append(hold(n))
        return list(died)

    jitpatch.disable()              # or these turns would be counted against the fixture's threshold
    expected = run()
    with jitpatch.enabled(**HOT):
        for _ in range(30):
            assert run() == expected
        assert "TRACE_RETURN" in instructions(hold)


def test_a_frame_that_a_trace_runs_a_loop_in_goes_on_at_its_return(jit):  # noqa: F811
    def outer(items):
        return sum(find(items, wanted=x) for x in (3, 7, 11)), find(items=items, wanted=5)

    def loop(items):
        total = 0
        for _ in range(20):
            total += find(items, wanted=15)         # a keyword: followed, its loop run as a whole
        return total

    items = list(range(20))
    with jitpatch.enabled(**HOT):
        for _ in range(40):
            assert find(items, 15) == 15
        for _ in range(40):
            assert loop(items) == 300
            assert outer(items) == (21, 5)
        assert "RUN_LOOP" in instructions(loop)


def test_a_function_with_a_compiled_loop_is_called_natively(jit):  # noqa: F811
    def caller(items):
        total = 0
        for x in items:
            total += find(items, x)
        return total

    items = list(range(20))
    with jitpatch.enabled(**HOT):
        for _ in range(40):
            find(items, 15)
    exits = exits_when_warm(caller, items)
    assert "CALL_NATIVE" in instructions(caller) and "RUN_LOOP" not in instructions(caller)
    assert exits <= 60


class Tree:
    def __init__(self, children):
        self.children = children
        self.seen = 0

    def walk(self, depth):
        self.seen += 1
        for child in self.children:
            walk = child.walk
            walk(depth + 1)


def tree(depth):
    return Tree([tree(depth - 1) for _ in range(3)] if depth else [])


def test_a_bound_method_in_a_variable_is_called_natively(jit):  # noqa: F811
    root = tree(4)
    with jitpatch.enabled(**HOT):
        for _ in range(30):
            root.walk(0)
    assert "CALL_NATIVE" in instructions(Tree.walk)
    assert (root.seen, root.children[2].children[0].seen) == (30, 30)


def test_another_object_in_the_bound_method_is_the_callees_self(jit):  # noqa: F811
    class Counter:
        def __init__(self, step):
            self.total, self.step = 0, step

        def add(self, n):
            if n > 0:
                add = self.add
                add(n - 1)
            self.total += self.step
            return self.total

    counters = [Counter(step) for step in (1, 2, 3)]
    with jitpatch.enabled(**HOT):
        for _ in range(60):
            for counter in counters:
                counter.add(7)
    assert [counter.total for counter in counters] == [480, 960, 1440]


def test_a_short_loop_in_a_called_function_is_followed(jit):  # noqa: F811
    class Part:
        def __init__(self, others):
            self.others = others
            self.value = 1

    def linked(part, out):
        for other in part.others:
            if other.value:
                out.append(other)

    def f():
        total = 0
        for i in range(40):
            out = []
            linked(parts[i % 2], out)
            total += len(out)
        return total

    parts = [Part([Part(())]), Part([Part(()), Part(())])]
    with jitpatch.enabled(**HOT):
        for _ in range(40):
            linked(parts[0], [])                    # the loop is known to end soon
    assert exits_when_warm(f, calls=80) < 80 * 40 / 4


def test_compiled_code_has_functions_heard_that_it_calls(jit):  # noqa: F811
    root = tree(5)
    with jitpatch.enabled(sample=2):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            for _ in range(20):
                root.walk(0)
            traces = jitpatch.executors(Tree.walk)
            start = Tree.walk.__code__.co_firstlineno
            if any(not ex.is_side and ex.line == start for ex in traces):
                break
        assert any(not ex.is_side and ex.line == start for ex in jitpatch.executors(Tree.walk)), traces
