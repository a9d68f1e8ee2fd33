"""Loops in called functions: the traces that run them as a whole. (Called with a keyword: without one, a function whose
loop has a trace is called natively.)"""

import random

import pytest

import jitpatch
from jit_fixture import jit  # noqa: F401

pytestmark = pytest.mark.core


def hot(function, *args, calls=4):
    jitpatch.enable(threshold=4, side_threshold=2)
    results = [function(*args) for _ in range(calls)]
    assert results == results[:1] * calls
    return results[0]


def instructions(function):
    return " ".join(ex.uops() for ex in jitpatch.executors(function))


def reasons():
    return {reason for (_, _, reason) in jitpatch.stats().abort_log}


class Cell:
    def __init__(self, used):
        self.used = used


def first_used(cells):
    for cell in cells:
        if cell.used:
            return cell
    return None


def test_a_loop_that_returns_in_its_first_turn_is_run_as_a_whole(jit):  # noqa: F811
    late, soon = [Cell(i == 9) for i in range(10)], [Cell(True)]

    def f():
        found = 0
        for i in range(60):
            found += first_used(cells=soon) is not None
        return found

    assert hot(first_used, late, calls=9) is late[9]        # it gets a trace
    assert hot(f) == 60
    assert "RUN_LOOP" in instructions(f)
    assert "an exception left the path that was recorded" not in reasons()


def test_a_loop_that_has_no_turn_is_run_as_a_whole(jit):  # noqa: F811
    def last_of(cells):
        result = None
        for cell in cells:
            result = cell
        return result

    def f():
        found = 0
        for i in range(60):
            found += last_of(cells=none) is None
        return found

    none = []
    some = [Cell(False)] * 9
    assert hot(last_of, some, calls=9) is some[0]
    assert hot(f) == 60
    assert "RUN_LOOP" in instructions(f)


def test_a_loop_that_is_left_alone_is_run_as_a_whole(jit):  # noqa: F811
    def total_of(numbers):
        total = 0
        for number in numbers:
            total += number
        return total

    def f():
        total = 0
        for i in range(60):
            total += total_of(numbers=(1, 2, 3))
        return total

    assert hot(total_of, (1,) * 20, calls=9) == 20
    jit._leave_alone(next(ex for ex in jitpatch.executors(total_of) if "root" in repr(ex)))
    assert hot(f) == 360
    assert "RUN_LOOP" in instructions(f)


def test_a_loop_is_entered_whether_its_variable_is_bound_or_not(jit):  # noqa: F811
    def used_in(cells):
        count = 0
        for cell in cells:
            other = cell
            if other.used:
                count += 1
        return count

    def f():
        total = 0
        for i in range(60):
            total += used_in(cells)
        return total

    cells = [Cell(i % 2) for i in range(10)]
    assert hot(f) == 300
    assert "SLOT_LOAD_OLD" in instructions(used_in)
    loops = [ex for ex in jitpatch.executors(used_in) if "root" in repr(ex)]
    assert len(loops) == 1                                  # one version serves both
    assert not any(exit["count"] for exit in loops[0].exits if exit["uop"] == "GUARD_BOUND")


def test_a_path_that_ends_in_a_called_function_is_joined_by_side_traces(jit):  # noqa: F811
    def wait(n):
        while n > 0:                                        # without a trace at first: the path ends here
            n -= 1
        return 1

    def f(n):
        done = 0
        for i in range(n):
            a = i * 3 + 1
            b = a * 5 - i
            c = a + b - 2
            d = c * a + b
            e = d - c + a
            g = e * 2 - d
            done = done + (0, wait(4 if i > 45 else 1))[1] + (g - g)
        return done

    jitpatch.enable(threshold=50, side_threshold=2)
    assert [f(250), f(250)] == [250, 250]
    assert "a variable changes its type from iteration to iteration" not in reasons()


def test_an_inner_loop_runs_in_the_version_that_its_variables_want(jit):  # noqa: F811
    def total_of(start, numbers):
        total = start
        for number in numbers:
            last = number
            total += last
        return total

    def f(starts):
        total = 0.0
        for start in starts:
            total += total_of(start, numbers)
        return total

    numbers = (1.5,) * 20
    order = random.Random(1)
    jitpatch.enable(threshold=4, side_threshold=2)
    for k in range(60):
        total_of((0, 0.5)[k % 2], numbers)                  # versions for both come first
    for _ in range(60):
        f([order.choice((0, 0.5)) for _ in range(60)])
    jitpatch.reset_stats()
    assert f([0, 0.5] * 100) == 6050.0
    assert jitpatch.stats().exits < 230                     # 200 loops, each left once
