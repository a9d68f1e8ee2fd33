"""Options that make life hard for the JIT: nothing but the speed differs."""

from types import FunctionType

import pytest

import jitpatch


def new_work():
    """Of its own code object: what was given up in one test counts against it in the next."""
    return FunctionType(work.__code__.replace(), globals())


def work(n):
    total, mean, names = 0, 0.5, []
    for i in range(n):
        total += i * 2
        mean += i / 4
        if i % 3 == 0:
            total -= 1
            names.append((i, mean))
    return total, mean, len(names), names[-1]


@pytest.mark.parametrize("every", [1, 2, 7, 100])
@pytest.mark.parametrize("side_threshold", [1, 10, 10**9])
def test_forced_exits_change_nothing(every, side_threshold):
    expected = work(3000)
    jitpatch.reset_stats()
    with jitpatch.enabled(threshold=2, side_threshold=side_threshold, force_exit=every):
        try:
            assert new_work()(3000) == expected
            left = jitpatch.stats().exits
        finally:
            jitpatch._jitpatch.set_param("force_exit", 0)
    assert left > 300 / every


@pytest.mark.parametrize("at", [1, 2, 3, 5, 8, 13, 21, 30])
def test_recordings_given_up_at_each_bytecode_change_nothing(at):
    expected = work(500)
    jitpatch.reset_stats()
    with jitpatch.enabled(threshold=2, abort_at=at):
        try:
            run = new_work()
            assert [run(500) for _ in range(3)] == [expected] * 3
            assert jitpatch.stats().recordings > 0
        finally:
            jitpatch._jitpatch.set_param("abort_at", 0)


def test_a_collection_at_every_exit_changes_nothing():
    expected = work(300)
    with jitpatch.enabled(threshold=2, side_threshold=2, force_exit=50, gc_exits=1):
        try:
            assert new_work()(300) == expected
        finally:
            jitpatch._jitpatch.set_param("gc_exits", 0)
            jitpatch._jitpatch.set_param("force_exit", 0)
