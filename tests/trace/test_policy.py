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


def test_a_loop_of_two_iterations_is_left_alone():
    judged("""
few = [1, 2]
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
    # Two iterations, each of them long: the iterator says that there were two.
    judged("""
few = ["x" * 20000, "y" * 20000]
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
