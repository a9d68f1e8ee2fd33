"""Switching on and off: the tool id, events, and other tools."""

import sys

import pytest

import jitpatch
from jit_fixture import jit  # noqa: F401

monitoring = sys.monitoring
OPTIMIZER = monitoring.OPTIMIZER_ID


@pytest.fixture(autouse=True)
def off():
    jitpatch.disable()
    yield
    jitpatch.disable()


def test_enable_takes_the_optimizer_id():
    jitpatch.enable()
    assert jitpatch.is_enabled()
    assert monitoring.get_tool(OPTIMIZER) == "jitpatch"
    assert monitoring.get_events(OPTIMIZER) == 0        # cold code reports nothing


def test_disable_gives_everything_back():
    jitpatch.enable()
    jitpatch.disable()
    assert not jitpatch.is_enabled()
    assert monitoring.get_tool(OPTIMIZER) is None
    monitoring.use_tool_id(OPTIMIZER, "probe")
    try:
        assert monitoring.get_events(OPTIMIZER) == 0
        for event in (monitoring.events.JUMP, monitoring.events.INSTRUCTION):
            assert monitoring.register_callback(OPTIMIZER, event, None) is None
    finally:
        monitoring.free_tool_id(OPTIMIZER)


def test_both_may_be_called_twice():
    for _ in range(2):
        jitpatch.enable()
        jitpatch.enable()
        jitpatch.disable()
        jitpatch.disable()


def test_another_optimizer_is_named():
    monitoring.use_tool_id(OPTIMIZER, "other-optimizer")
    try:
        with pytest.raises(RuntimeError, match="other-optimizer"):
            jitpatch.enable()
        assert not jitpatch.is_enabled()
        assert monitoring.get_tool(OPTIMIZER) == "other-optimizer"
    finally:
        monitoring.free_tool_id(OPTIMIZER)
    jitpatch.enable()


def test_disable_leaves_the_id_to_whoever_took_it():
    jitpatch.enable()
    monitoring.free_tool_id(OPTIMIZER)
    monitoring.use_tool_id(OPTIMIZER, "robber")
    try:
        jitpatch.disable()
        assert monitoring.get_tool(OPTIMIZER) == "robber"
    finally:
        monitoring.set_events(OPTIMIZER, 0)
        monitoring.register_callback(OPTIMIZER, monitoring.events.JUMP, None)
        monitoring.register_callback(OPTIMIZER, monitoring.events.INSTRUCTION, None)
        monitoring.free_tool_id(OPTIMIZER)
    jitpatch.enable()


def test_the_context_manager_restores_what_was():
    with jitpatch.enabled(threshold=77):
        assert jitpatch.is_enabled() and jitpatch.options()["threshold"] == 77
        with jitpatch.enabled(threshold=5):
            assert jitpatch.options()["threshold"] == 5
        assert jitpatch.is_enabled() and jitpatch.options()["threshold"] == 77
    assert not jitpatch.is_enabled() and jitpatch.options()["threshold"] != 77


def test_the_context_manager_restores_after_an_exception():
    with pytest.raises(KeyError), jitpatch.enabled():
        raise KeyError
    assert not jitpatch.is_enabled()


def spin(n):
    total = 0
    for i in range(n):
        total += i
    return total


def test_a_loop_gets_hot():
    jitpatch.reset_stats()
    with jitpatch.enabled(threshold=50):
        spin(49)
        assert jitpatch.stats().recordings == 0
        spin(60)
        assert jitpatch.stats().recordings >= 1


def watch_by_settrace():
    sys.settrace(lambda *_: None)
    return lambda: sys.settrace(None)


def watch_by_setprofile():
    sys.setprofile(lambda *_: None)
    return lambda: sys.setprofile(None)


def watch_by_monitoring(scope):
    def start():
        monitoring.use_tool_id(2, "profiler")
        monitoring.register_callback(2, monitoring.events.LINE, lambda *_: None)
        if scope == "all":
            monitoring.set_events(2, monitoring.events.LINE)
        else:
            monitoring.set_local_events(2, spin.__code__, monitoring.events.LINE)

        def stop():
            monitoring.set_events(2, 0)
            monitoring.set_local_events(2, spin.__code__, 0)
            monitoring.register_callback(2, monitoring.events.LINE, None)
            monitoring.free_tool_id(2)

        return stop

    return start


@pytest.mark.parametrize("start", [watch_by_settrace, watch_by_setprofile, watch_by_monitoring("all"),
                                   watch_by_monitoring("code")],
                         ids=["settrace", "setprofile", "monitoring", "one code object"])
def test_watched_code_is_left_alone_and_that_is_said(start):
    jitpatch.reset_stats()
    with jitpatch.enabled(threshold=5):
        stop = start()
        try:
            assert spin(100) == 4950
        finally:
            stop()
        stats = jitpatch.stats()
    mine = [(line, reason) for (file, line, reason) in stats.abort_log if file == __file__]
    assert (spin.__code__.co_firstlineno + 2, "a debugger, profiler or other tool watches this code") in mine


def test_tools_on_other_code_do_not_matter(jit):  # noqa: F811
    monitoring.use_tool_id(2, "profiler")
    try:
        monitoring.set_local_events(2, test_a_loop_gets_hot.__code__, monitoring.events.LINE)
        assert not jit._watched_by_others(spin.__code__)
        assert jit._watched_by_others(test_a_loop_gets_hot.__code__)
        monitoring.set_local_events(2, test_a_loop_gets_hot.__code__, 0)
    finally:
        monitoring.free_tool_id(2)


def test_counters_are_per_code_object_not_per_equal_code(jit):  # noqa: F811
    spaces = [{}, {}]
    for space in spaces:
        exec("def f(n):\n    for i in range(n): pass\n", space)
    first, second = (space["f"].__code__ for space in spaces)
    assert first == second and first is not second
    ex = jit._assume([], first)
    assert jitpatch.executors(first) == [ex] and jitpatch.executors(second) == []
