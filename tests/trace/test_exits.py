"""Exits as programs: their limits, and what other tools ask for between two entries."""

import sys

import pytest

import jitpatch

if not jitpatch.is_available():
    pytest.skip(f"{jitpatch.why_unavailable()}", allow_module_level=True)

TOO_BIG = "leaving the trace at one of its exits would take too many new objects, or slots"
HOT = {"threshold": 5, "side_threshold": 2, "sample": 0}


@pytest.fixture(autouse=True)
def options_as_before():
    before = jitpatch.options()
    yield
    jitpatch.disable()
    for name, value in before.items():
        jitpatch._jitpatch.set_dump(value) if name == "dump" else jitpatch._jitpatch.set_param(name, value)


# A trace ends where it is raised, for making one runs Python code.
ODD = """class Odd(KeyError):
    def __init__(self):
        pass

"""


def branching(variables):
    """g(x, c) sets so many local variables in steps of thirty, goes on to step c, and raises."""
    sizes = [30] * (variables // 30) + [variables % 30] * (variables % 30 > 0)
    source, indent = ODD + "def g(x, c):\n", "    "
    for step, n in enumerate(sizes):
        source += "".join(f"{indent}v{step}_{k} = x + {k}\n" for k in range(n)) + f"{indent}if c > {step}:\n"
        indent += "    "
    source += f"{indent}raise Odd\n"
    for step in reversed(range(len(sizes))):
        source += "    " * (step + 1) + "raise Odd\n"
    return source, len(sizes)


def variables_when_raised(g, c, times):
    for _ in range(times):
        try:
            g(1000000007, c)
        except KeyError as error:
            found = dict(error.__traceback__.tb_next.tb_frame.f_locals)
    return found


def run_branching(variables):
    source, steps = branching(variables)
    space = {}
    exec(source, space)
    return [variables_when_raised(space["g"], step, 60) for step in range(steps)] + [
        variables_when_raised(space["g"], steps, 3)
    ]


@pytest.mark.parametrize("variables, fits", [(200, True), (254, True), (255, False), (256, False), (300, False)])
def test_an_exit_may_make_so_many_objects_and_no_more(variables, fits):
    """One step more or less: a trace that an exit of is too big for is not installed, and nothing else happens."""
    expected = run_branching(variables)
    jitpatch.reset_stats()
    with jitpatch.enabled(**HOT):
        assert run_branching(variables) == expected
        aborts = jitpatch.stats().aborts
    assert (TOO_BIG not in aborts) == fits


def looped(n):
    total = 0
    for i in range(n):
        total += i
    return total


def entered(code):
    return sum(ex.entered for ex in jitpatch.executors() if ex.code is code)


@pytest.fixture
def tool():
    number = next(n for n in (3, 4, 2, 1) if sys.monitoring.get_tool(n) is None)
    sys.monitoring.use_tool_id(number, "test")
    yield number
    sys.monitoring.set_local_events(number, looped.__code__, 0)
    sys.monitoring.free_tool_id(number)


def test_events_that_a_tool_asks_for_between_two_entries_come(tool):
    """Nobody tells of local events; the trace was found enterable before."""
    set_local_events = sys.monitoring.set_local_events      # as a tool may have kept it from before
    lines = []
    with jitpatch.enabled(**HOT):
        for _ in range(20):
            looped(50)
        before = entered(looped.__code__)
        assert before > 5
        sys.monitoring.register_callback(tool, sys.monitoring.events.LINE, lambda code, line: lines.append(line))
        set_local_events(tool, looped.__code__, sys.monitoring.events.LINE)
        looped(50)
        assert lines.count(looped.__code__.co_firstlineno + 3) == 50
        assert entered(looped.__code__) == before
        set_local_events(tool, looped.__code__, 0)
        looped(50)
        assert len(lines) < 110 and entered(looped.__code__) > before


def test_another_tool_in_the_loop_itself_is_heard_from_the_next_entry_on(tool):
    lines = []
    with jitpatch.enabled(**HOT):
        for _ in range(20):
            looped(50)
        sys.monitoring.register_callback(tool, sys.monitoring.events.LINE, lambda code, line: lines.append(line))
        for on in (True, False) * 3:
            events = sys.monitoring.events.LINE if on else 0
            sys.monitoring.set_local_events(tool, looped.__code__, events)
            del lines[:]
            assert looped(30) == 435
            assert (len(lines) > 60) == on


def test_the_functions_of_sys_monitoring_are_as_before_when_the_jit_is_off(tool):
    with pytest.raises(ValueError) as plain:
        sys.monitoring.set_local_events(99, looped.__code__, 0)
    with jitpatch.enabled(**HOT):
        with pytest.raises(ValueError) as wrapped:
            sys.monitoring.set_local_events(99, looped.__code__, 0)
        with pytest.raises(TypeError):
            sys.monitoring.set_local_events(tool, 5, 0)
        assert sys.monitoring.get_local_events(tool, looped.__code__) == 0
    assert str(wrapped.value) == str(plain.value)
    with pytest.raises(TypeError):
        sys.monitoring.set_local_events(tool)


def test_an_option_that_looks_at_exits_holds_for_traces_that_are_there():
    with jitpatch.enabled(**{**HOT, "side_threshold": 1_000_000}):
        for _ in range(20):
            looped(50)
        jitpatch.enable(gc_exits=1)
        try:
            collections = []
            import gc

            gc.callbacks.append(lambda phase, info: collections.append(phase))
            looped(50)
            gc.callbacks.pop()
        finally:
            jitpatch.enable(gc_exits=0)
        assert "start" in collections
