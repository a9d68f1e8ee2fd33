"""Compiled code that does not pay is left alone for a while: starts are timed with it and without (trial.c)."""

import collections
import contextlib
import dis
import itertools
import operator
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import jitpatch

if not jitpatch.is_available():
    pytest.skip(f"{jitpatch.why_unavailable()}", allow_module_level=True)

LOST = "timed with compiled code and without, and not faster with it"
needs_real_times = pytest.mark.skipif("JITPATCH_TEST_EMULATED" in os.environ, reason="the times of an emulator are others")


@pytest.fixture
def jit():
    """Starts it, with options, and stops it in the end."""
    def start(**options):
        jitpatch.enable(call_threshold=10, threshold=30, **options)

    before = jitpatch.options()
    jitpatch.disable()
    jitpatch.reset_stats()
    yield start
    jitpatch.disable()
    jitpatch.enable(**before)
    jitpatch.disable()


def fresh(source, name):
    """A function of code that nobody has run yet."""
    names = {}
    exec(source, names)
    return names[name]


STEP = "def step(x):\n    y = x & 7\n    z = y ^ x\n    return z + y\n"
LOOP = "def total(n):\n    t = 0\n    for i in range(n):\n        t += i & 3\n    return t\n"
FIB = "def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\n"


def calls(function, argument, count):
    """From C: a loop of our own would be compiled, and the function into it."""
    collections.deque(map(function, itertools.repeat(argument, count)), maxlen=0)
    return jitpatch.stats()


def repeated(attempt, times):
    """What an attempt returns that is true. Timing may err: several may be made."""
    for _ in range(times):
        if found := attempt():
            return found
    raise AssertionError("no trial said so")


def lost(source, name, argument, count):
    """A function that a trial has left alone."""
    def attempt():
        function = fresh(source, name)
        before = jitpatch.stats().aborts.get(LOST, 0)
        return calls(function, argument, count).aborts.get(LOST, 0) > before and function

    return repeated(attempt, 30)


def entries(function):
    return sum(executor.entered for executor in jitpatch.executors(function))


@needs_real_times
def test_a_function_that_only_costs_is_left_alone(jit):
    jit(trial_starts=50, force_exit=1)          # every entry leaves at once
    step = lost(STEP, "step", 5, 10000)
    entered = entries(step)
    calls(step, 5, 1000)
    assert entries(step) == entered


@needs_real_times
def test_so_are_the_loops_of_a_function(jit):
    jit(trial_starts=50, force_exit=1)
    lost(LOOP, "total", 40, 20000)


@needs_real_times
@pytest.mark.parametrize("consumer", ["any", "list", "set", "sum", "join"])
def test_so_is_a_generator_whatever_takes_its_values(jit, consumer):
    taker = '"".join' if consumer == "join" else consumer
    value = '"x" * (x & 1)' if consumer == "join" else "x & 1"
    jit(trial_starts=50, force_exit=1)
    lost(f"def values(xs):\n    return {taker}({value} for x in xs)\n", "values", (2, 4, 6) * 20, 20000)


EVENS = "def evens(n):\n    i = 0\n    while True:\n        i += 1\n        if i & 1:\n            yield i & n\n"


def test_so_is_a_generator_that_the_interpreter_resumes(jit):
    def attempt():
        evens = fresh(EVENS, "evens")
        for value in itertools.islice(evens(3), 100):
            pass
        exec(compile("for value in evens(3):\n    total += value\n    if total > 60000: break\n", "?", "exec"),
             {"evens": evens, "total": 0})
        return any(where[0] == "<string>" and where[2].startswith(LOST) for where in jitpatch.stats().abort_log)

    jit(trial_starts=50, force_exit=1)
    repeated(attempt, 8)


@needs_real_times
def test_several_are_tried_at_a_time(jit):
    def attempt():
        before = jitpatch.stats().aborts.get(LOST, 0)
        steps = [fresh(STEP.replace("step", f"step_{k}"), f"step_{k}") for k in range(12)]
        # One needs 350 to 600 calls: twelve, one after the other, would need some thousands of each.
        collections.deque(map(operator.call, itertools.cycle(steps), itertools.repeat(5, 12 * 800)), maxlen=0)
        return jitpatch.stats().aborts.get(LOST, 0) >= before + 8

    jit(trial_starts=50, force_exit=1)
    repeated(attempt, 4)


def test_a_small_share_of_the_time_is_enough(jit):
    def attempt():
        step = fresh(STEP, "step")
        pairs = zip(map(step, itertools.repeat(5, 4000)), map(sum, itertools.repeat(range(1000), 4000)))
        collections.deque(pairs, maxlen=0)
        return LOST in jitpatch.stats().aborts

    jit(trial_starts=50, force_exit=1)
    repeated(attempt, 8)


def test_a_function_that_is_not_heard_to_start_is_tried_from_its_first_turn_on(jit):
    def attempt():
        total = fresh(LOOP, "total")
        for _ in range(140):
            total(3)
            time.sleep(0.0001)
        return calls(total, 40, 4000).aborts.get(LOST)

    jit(trial_starts=50, force_exit=1)
    repeated(attempt, 8)


def test_events_that_a_trial_needs_are_given_back(jit):
    jit(trial_starts=50, force_exit=1)
    step = lost(STEP, "step", 5, 10000)
    assert sys.monitoring.get_local_events(sys.monitoring.OPTIMIZER_ID, step.__code__) == 0
    total = fresh(LOOP, "total")
    for _ in range(150):
        total(40)
    during = sys.monitoring.get_local_events(sys.monitoring.OPTIMIZER_ID, total.__code__)
    jitpatch.disable()
    sys.monitoring.use_tool_id(sys.monitoring.OPTIMIZER_ID, "test")
    after = sys.monitoring.get_local_events(sys.monitoring.OPTIMIZER_ID, total.__code__)
    sys.monitoring.free_tool_id(sys.monitoring.OPTIMIZER_ID)
    assert (during, after) == (sys.monitoring.events.PY_RETURN | sys.monitoring.events.PY_YIELD, 0)


def test_a_trial_ends_when_nothing_is_left_to_try(jit):
    jit(trial_starts=50, force_exit=1)
    total = fresh(LOOP, "total")
    for _ in range(150):
        total(40)
    assert sys.monitoring.get_local_events(sys.monitoring.OPTIMIZER_ID, total.__code__) != 0
    for executor in jitpatch.executors(total):
        if not executor.is_side:
            jitpatch._jitpatch._leave_alone(executor)
    assert sys.monitoring.get_local_events(sys.monitoring.OPTIMIZER_ID, total.__code__) == 0


def test_runs_that_end_in_an_exception_do_not_keep_others_from_a_trial(jit):
    jit(trial_starts=50, force_exit=1)
    fails = fresh("def fails(n):\n    for i in range(n):\n        i += 1\n    raise KeyError(i)\n", "fails")
    for _ in range(3000):
        with contextlib.suppress(KeyError):
            fails(40)
    lost(STEP, "step", 5, 10000)


def test_a_function_whose_only_trace_is_left_alone_is_not_heard_for_a_trial(jit):
    jit(trial_starts=10**6)
    leaf = fresh("def leaf(x):\n    return x\n", "leaf")
    for _ in range(3):                      # this loop, or `calls`, may be what is recorded first
        calls(leaf, 5, 3000)
    assert any("ends so soon" in reason for _, _, reason in jitpatch.stats().abort_log)
    sys.monitoring.restart_events()
    calls(leaf, 5, 10)
    assert "INSTRUMENTED_RESUME" not in [i.opname for i in dis.get_instructions(leaf, adaptive=True)]


def test_what_pays_stays(jit):
    jit(trial_starts=50)
    total = fresh(LOOP, "total")
    assert LOST not in calls(total, 3000, 2000).aborts
    entered = entries(total)
    calls(total, 3000, 100)
    assert entries(total) - entered >= 90


def test_long_runs_are_hardly_ever_interpreted_for_a_trial(jit):
    jit(trial_starts=50)
    total = fresh(LOOP, "total")
    calls(total, 300000, 60)
    entered = entries(total)
    calls(total, 300000, 100)
    assert entries(total) - entered >= 80       # a whole round would be 32 runs


def test_recursion_that_compiled_code_does_by_itself_counts_as_one_start(jit):
    jit(trial_starts=50)
    fib = fresh(FIB, "fib")
    assert calls(fib, 12, 2000).aborts.get(LOST, 0) == 0


def test_no_trial_without_the_option(jit):
    jit(trial_starts=0, force_exit=1)
    assert LOST not in calls(fresh(STEP, "step"), 5, 10000).aborts


@needs_real_times
def test_there_is_another_chance():
    """In a process of its own: the pauses grow."""
    source = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_trial import *
jitpatch.enable(call_threshold=10, threshold=30, trial_starts=50, force_exit=1)
step = lost(STEP, "step", 5, 10000)
entered = entries(step)
end = time.process_time() + 20
while entries(step) == entered:
    assert time.process_time() < end
    calls(step, 5, 200)
    fresh(LOOP, "total")(1000)      # turns of a loop that is heard look at the clock
"""
    environment = os.environ | {"PYTHONPATH": os.path.dirname(os.path.dirname(jitpatch.__file__))}
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, cwd="/", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
