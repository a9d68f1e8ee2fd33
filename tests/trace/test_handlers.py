"""Exceptions that are raised and handled in a hot loop stay inside compiled code."""

import sys

import pytest

import jitpatch
from jit_fixture import jit  # noqa: F401

pytestmark = pytest.mark.core
TURNS = 4000


@pytest.fixture(autouse=True)
def off(jit):  # noqa: F811
    jitpatch.disable()


class Own(Exception):
    pass


def left(function, *args):
    """How often compiled code was left in the last of some calls, whose results must be those without the JIT."""
    expected = function(*args)
    jitpatch.enable(threshold=20, side_threshold=3, sample=0)
    for _ in range(4):
        assert function(*args) == expected
    before = jitpatch.stats()
    assert function(*args) == expected
    after = jitpatch.stats()
    jitpatch.disable()
    return after.exits - before.exits


def sums(table, n):
    total = 0
    for i in range(n):
        try:
            total += table[i % 10]
        except KeyError:
            total -= 1
    return total


def test_a_missing_key_is_raised_and_handled_in_the_trace():
    assert left(sums, {k: k for k in range(0, 10, 2)}, TURNS) < 100


def test_a_key_that_is_always_missing_is_too():
    assert left(sums, {}, TURNS) < 100


def indexes(items, n):
    total = 0
    for i in range(n):
        try:
            total += items[i % 5]
        except IndexError:
            total -= 1
    return total


@pytest.mark.parametrize("kind", (list, tuple))
def test_an_index_out_of_range_is_raised_and_handled_in_the_trace(kind):
    assert left(indexes, kind(range(3)), TURNS) < 100


def numbers(words, n):
    total = 0
    for i in range(n):
        try:
            total += int(words[i & 3])
        except ValueError:
            total -= 1
    return total


def test_what_a_c_function_raises_is_handled_in_a_side_trace():
    assert left(numbers, ["1", "x", "22", "y"], TURNS) < 100


def raiser(i):
    if i % 3 == 0:
        raise Own(i)
    return i


def through_a_call(n):
    total = 0
    for i in range(n):
        try:
            total += raiser(i)
        except Own as error:
            total -= 2
    return total


def test_an_exception_leaves_an_inlined_function_in_the_trace():
    assert left(through_a_call, TURNS) < 100


def with_finally(n):
    total = 0
    for i in range(n):
        try:
            try:
                if i % 2:
                    raise Own
            finally:
                total += 1
        except Own:
            total += 2
    return total


def test_finally_raises_again_in_the_trace():
    assert left(with_finally, TURNS) < 100


def test_nothing_is_being_handled_behind_a_handler():
    left(sums, {}, TURNS)
    assert sys.exception() is None


def test_frame_objects_are_let_go():
    def f(table, n):
        for i in range(n):
            try:
                table[i]
            except KeyError:
                pass
        return sys.getrefcount(sys._getframe())

    expected = f({}, 50)
    jitpatch.enable(threshold=20, side_threshold=3, sample=0)
    assert [f({}, TURNS) for _ in range(3)] == [expected] * 3


def raising(n):
    total = 0
    for i in range(n):
        try:
            if i & 1:
                raise Own(i)
            raise Own from None
        except Own as error:
            total += 1
    return total


def test_making_what_is_raised_does_not_leave_the_trace():
    assert left(raising, TURNS) < 100


def chained(n):
    total = 0
    for i in range(n):
        try:
            try:
                raise Own
            except Own as error:
                raise ValueError from error
        except ValueError:
            total += i
    return total


def test_a_handler_that_raises_another_stays_in_the_trace():
    assert left(chained, TURNS) < 100


def ended(n):
    nothing, total = iter(()), 0
    for i in range(n):
        try:
            total += next(nothing)
        except StopIteration:
            total += 1
    return total


def missing(n):
    total = 0
    for i in range(n):
        try:
            total += i.missing
        except AttributeError:
            total += 1
    return total


@pytest.mark.parametrize("loop", (ended, missing))
def test_stop_iteration_and_attribute_error_are_handled_in_side_traces(loop):
    assert left(loop, TURNS) < 100


def calling(table, n):
    log = []
    for i in range(n):
        try:
            table[i]
        except KeyError as error:
            log.extend(error.args)
    return len(log)


HANDLER = "a handler calls code that may look at the frames of its exception"


def test_a_handler_that_calls_unknown_code_is_left_to_the_interpreter():
    jitpatch.reset_stats()
    left(calling, {}, TURNS)
    assert HANDLER in jitpatch.stats().aborts


def handling_traces(function, *args):
    """The text of those traces of the function in which something is handled."""
    jitpatch.enable(threshold=20, side_threshold=3, sample=0)
    for _ in range(4):
        function(*args)
    texts = [str(ex.uops()) for ex in jitpatch.executors() if ex.code is function.__code__]
    jitpatch.disable()
    return [text for text in texts if "EXC_PUSH" in text]


def test_frame_objects_stay_where_no_trace_minds():
    traces = handling_traces(sums, {}, TURNS)
    assert traces and not any("FRAME_FORGET" in text for text in traces)


def test_frame_objects_go_where_one_does():
    traces = handling_traces(ended, TURNS)
    assert traces and all("FRAME_FORGET" in text and "GUARD_UNSEEN" in text for text in traces)


def test_what_is_recorded_later_reckons_with_frame_objects():
    def f(table, n, kept):
        for i in range(n):
            try:
                table[i]
            except KeyError as error:
                if n == TURNS and i == n - 1:
                    kept.append(error)
        return i

    kept = []
    jitpatch.enable(threshold=20, side_threshold=3, sample=0)
    for n in [50] * 100 + [TURNS] * 3:
        f({}, n, kept)
    jitpatch.disable()
    assert [error.__traceback__.tb_frame.f_locals["i"] for error in kept] == [TURNS - 1] * 3
