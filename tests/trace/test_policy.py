"""What is worth entering: policy.c's judgement of traces that pay, and of traces that do not.

Each test is a process of its own with the sampler on; it calls something hot until the verdict is there.
"""

from __future__ import annotations

import harness
import pytest
from sampler_scripts import on

pytestmark = pytest.mark.skipif(not harness.jit_available(), reason="no JIT here")

# What the log says of a place that is left alone; and calls of a function until `done` is true.
SCRIPT = """
def rests(function):
    name = function.__code__.co_filename, function.__code__.co_firstlineno
    last = max(line for _, _, line in function.__code__.co_lines() if line)
    return any("costs more" in why and where == name[0] and name[1] <= line <= last
               for (where, line, why) in jit.stats().abort_log)

def entered():
    return jit.stats().entered

def call(function, *args, until, seconds=30):
    deadline = time.monotonic() + seconds
    while not until():
        for _ in range(2000):
            function(*args)
        assert time.monotonic() < deadline, jit.stats()
"""


def judged(body: str) -> None:
    on(SCRIPT + body)


def test_a_loop_of_few_iterations_is_left_alone():
    # (Of fewer the trace of a caller would follow them.)
    judged("""
few = [1] * 6
def short(values):
    for value in values:
        value
    return value
call(short, few, until=lambda: rests(short))
    """)


def test_a_loop_of_many_iterations_is_entered_on_and_on():
    judged("""
many = list(range(200))
def long(values):
    total = 0
    for value in values:
        total += value
    return total
call(long, many, until=lambda: entered() > 5000)
assert not rests(long)
    """)


def test_iterations_of_enumerate_and_zip_count_as_well():
    judged("""
many = list(range(200))
def long(values):
    total = 0
    for i, (a, b) in enumerate(zip(values, values)):
        total += a + b + i
    return total
call(long, many, until=lambda: entered() > 5000)
assert not rests(long)
    """)


def test_time_spent_in_a_called_function_is_not_taken_for_iterations():
    # Six iterations, each of them long.
    judged("""
few = ["x" * 20000] * 6
def slow(values):
    for value in values:
        value.count("ab")
    return value
call(slow, few, until=lambda: rests(slow))
    """)


def test_a_function_that_does_next_to_nothing_is_left_alone():
    judged("""
def identity(value):
    return value
values = [1] * 100
call(lambda: list(map(identity, values)), until=lambda: rests(identity))
    """)


def test_iterations_over_an_iterator_that_cannot_tell_are_counted():
    # Few of them, and most of the time is spent where the values come from.
    judged("""
class Slow:
    def __iter__(self):
        return self
    def __init__(self):
        self.left = 3
    def __next__(self):
        if self.left == 0:
            raise StopIteration
        self.left -= 1
        return ("x" * 5000).count("ab")
def few(values):
    for value in values:
        repr(value)
def run():
    few(Slow())
call(run, until=lambda: rests(few))
    """)


def test_a_loop_over_a_generator_that_is_run_by_c_is_not_installed():
    # The interpreter goes on in the generator without C code; this one has no trace, for it delegates.
    judged("""
def inner():
    yield from (1, 2, 3)
def outer():
    for _ in range(40):
        yield from inner()
def drain(values):
    for value in values:
        pass
def run():
    drain(outer())
call(run, until=lambda: rests(drain))
    """)


def test_a_long_loop_that_is_left_at_many_places_is_entered_on_and_on():
    # Side traces take it round: what they spare is counted, too.
    judged("""
many = [str(i) for i in range(300)]
def long(values):
    odd = 0
    for value in values:
        if value.endswith("1"):
            odd += len(value)
        elif value.endswith("2"):
            odd -= len(value)
        elif value.endswith("3"):
            odd ^= len(value)
    return odd
call(long, many, until=lambda: entered() > 3000)
assert not rests(long)
    """)
