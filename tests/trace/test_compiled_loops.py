"""Loops that must get a trace, and what the trace must or must not hold."""

import random
from functools import partial

import pytest

import jitpatch
from jit_fixture import jit  # noqa: F401

pytestmark = pytest.mark.core


def compiled(function, *args):
    """The traces of `function` after it was hot; none may have been given up because a pass is wrong."""
    jitpatch.enable(threshold=2, side_threshold=2)
    results = [function(*args) for _ in range(4)]
    assert results == results[:1] * 4
    assert not [reason for (_, _, reason) in jitpatch.stats().abort_log if "pass is wrong" in reason]
    traces = [ex for ex in jitpatch.executors() if ex.code is function.__code__]
    assert traces
    return traces


def test_result_of_a_call_goes_round_with_a_float_that_the_frame_must_show(jit):  # noqa: F811
    def f():
        text = partial(str)
        length, last = 0.5, text(1)
        for i in range(100):
            here = last
            last = text(i)
            length = length + len(here) * 0.5
        return length, last

    compiled(f)


OVERTAKEN = "compiled code went on where the recording waited"


def union(a, b):
    result = {}
    for key, count in a.items():
        other = b.get(key, 0)
        new = other if count < other else count
        if new > 0:
            result[key] = new
    return result


def unions(n):
    numbers, total = random.Random(n), 0
    for _ in range(n):
        a, b = ({k: numbers.randrange(-2, 4) for k in "abcdef"} for _ in range(2))
        total += len(union(a, b=b))         # with a keyword: followed, not called natively
    return total


def test_a_trace_leaves_when_a_recording_begins_in_a_loop_that_it_runs(jit):  # noqa: F811
    jitpatch.enable(threshold=2, side_threshold=1)
    for n in range(60):
        unions(n)
    assert [ex for ex in jitpatch.executors(unions) if "RUN_LOOP" in ex.uops()]
    assert len([ex for ex in jitpatch.executors(union) if "side" in repr(ex)]) > 3
    assert OVERTAKEN not in [reason for (_, _, reason) in jitpatch.stats().abort_log]

    def later(n):
        total = 0
        for i in range(n):
            total += i
        return total

    later(100)
    assert [ex for ex in jitpatch.executors() if ex.code is later.__code__]
