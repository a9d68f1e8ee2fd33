"""When side traces are grown, and when no more are."""

import os

import pytest

import jitpatch
from jit_fixture import jit  # noqa: F401

pytestmark = pytest.mark.core


def hot(function, *args, calls=1):
    jitpatch.enable(threshold=2, side_threshold=1)
    for _ in range(calls):
        function(*args)
    return [ex for ex in jitpatch.executors() if ex.code is function.__code__]


def test_a_side_trace_is_grown_where_the_path_parts(jit):  # noqa: F811
    def f():
        odd = 0
        for i in range(100):
            if i % 2:
                odd += 1
        return odd

    assert any("side" in repr(ex) for ex in hot(f, calls=3))


def test_a_callee_that_is_always_new_does_not_grow_traces_for_ever(jit):  # noqa: F811
    def f():
        def g(n):
            return n + 1

        n = 0
        for i in range(30):
            n = g(n)
        return n

    assert len(hot(f, calls=100)) < 30


def test_ints_too_big_for_floats_do_not_grow_traces(jit):  # noqa: F811
    def f():
        found = 0
        for i in range(300):
            n = 2**53 + 1 + i % 3
            found += n == float(2**53)
            found += n / 3 > 1.5
            found += n + 0.5 > 1.5
        return found

    assert f() == 600
    assert len(hot(f, calls=3)) < 30


def test_a_side_trace_may_begin_at_the_jump_that_compiled_code_was_entered_by(jit):  # noqa: F811
    class Loud:
        def __del__(self):
            seen.append(len(seen))

    seen = []

    def f(things):
        for _ in things:
            Loud()

    hot(f, range(30), calls=3)
    assert seen == list(range(90))
    entered = sum(ex.entered for ex in jitpatch.executors(f))
    f(range(100))
    assert seen == list(range(190))
    assert sum(ex.entered for ex in jitpatch.executors(f)) - entered < 5      # not once a turn


def test_a_file_status_is_dropped_in_the_loop(jit):  # noqa: F811
    def f():
        for path in map(str, [os.curdir] * 30):
            os.stat(path)

    hot(f, calls=3)
    entered = sum(ex.entered for ex in jitpatch.executors(f))
    f()
    assert sum(ex.entered for ex in jitpatch.executors(f)) - entered < 5
