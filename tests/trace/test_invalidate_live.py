"""Things that change while a compiled loop runs, from inside of it: the result is that of the
interpreter, and traces that relied on them are invalid."""

import gc
import sys
import threading

import pytest

import jitpatch

pytestmark = pytest.mark.core


@pytest.fixture(autouse=True, params=[(1, 1), (2, 2), (20, 5)], ids=["first", "second", "twentieth"])
def hot(request):
    jitpatch.reset_stats()
    with jitpatch.enabled(threshold=request.param[0], side_threshold=request.param[1]):
        yield


def at(turn, action):
    def maybe(i):
        if i == turn:
            action()

    return maybe


factor = 1


def use_global(n, maybe):
    total = 0
    for i in range(n):
        maybe(i)
        total += factor
    return total


def set_factor(value):
    global factor
    factor = value


def test_a_global_is_rebound():
    set_factor(1)
    assert use_global(200, at(100, lambda: set_factor(10))) == 100 + 100 * 10
    assert use_global(200, at(-1, None)) == 2000
    set_factor(1)


class Acts:
    """A key whose hash, which C code asks for, does something."""

    def __init__(self, i, maybe):
        self.i, self.maybe = i, maybe

    def __hash__(self):
        self.maybe(self.i)
        return self.i


def use_global_after_c_code(keys, table):
    total = 0
    for key in keys:
        table.get(key)
        total += factor
    return total


def test_a_global_is_rebound_by_what_c_code_calls():
    set_factor(1)
    keys = [Acts(i, at(100, lambda: set_factor(10))) for i in range(200)]
    assert use_global_after_c_code(keys, {}) == 100 + 100 * 10
    assert use_global_after_c_code([Acts(i, at(-1, None)) for i in range(200)], {}) == 2000
    set_factor(1)


def test_a_global_is_deleted():
    set_factor(1)
    try:
        with pytest.raises(NameError, match="factor"):
            use_global(200, at(100, lambda: globals().__delitem__("factor")))
    finally:
        set_factor(1)


def use_builtin(n, maybe):
    total = 0
    for i in range(n):
        maybe(i)
        total += len("abc")
    return total


def test_a_builtin_is_shadowed():
    try:
        assert use_builtin(200, at(100, lambda: globals().__setitem__("len", lambda s: 10))) == 300 + 1000
    finally:
        del globals()["len"]
    assert use_builtin(200, at(-1, None)) == 600


def make_class():
    class Counter:
        step = 1

        def value(self):
            return self.step

    return Counter


def use_method(n, counter, maybe):
    total = 0
    for i in range(n):
        maybe(i)
        total += counter.value()
    return total


def patch_method(cls):
    cls.value = lambda self: 10


def patch_attribute(cls):
    cls.step = 10


def patch_getattribute(cls):
    cls.__getattribute__ = lambda self, name: (lambda: 10)


@pytest.mark.parametrize("patch", [patch_method, patch_attribute, patch_getattribute])
def test_a_class_is_patched(patch):
    cls = make_class()
    assert use_method(200, cls(), at(100, lambda: patch(cls))) == 100 + 1000


def test_a_base_class_is_patched():
    base = make_class()
    cls = type("Derived", (base,), {})
    assert use_method(200, cls(), at(100, lambda: patch_method(base))) == 100 + 1000


def test_an_instance_gets_an_attribute_of_its_own():
    counter = make_class()()
    assert use_method(200, counter, at(100, lambda: setattr(counter, "step", 10))) == 100 + 1000
    counter = make_class()()
    assert use_method(200, counter, at(100, lambda: setattr(counter, "value", lambda: 10))) == 100 + 1000


def test_an_instance_changes_its_class():
    cls, other = make_class(), make_class()
    other.step = 10
    counter = cls()
    assert use_method(200, counter, at(100, lambda: setattr(counter, "__class__", other))) == 100 + 1000


def use_function(n, func, maybe):
    total = 0
    for i in range(n):
        maybe(i)
        total += func()
    return total


def make_function():
    def func(a=1, *, b=0):
        return a + b

    return func


@pytest.mark.parametrize("change", [
    lambda f: setattr(f, "__code__", (lambda a=1, *, b=0: 10).__code__),
    lambda f: setattr(f, "__defaults__", (10,)),
    lambda f: setattr(f, "__kwdefaults__", {"b": 9}),
    lambda f: f.__kwdefaults__.__setitem__("b", 9),
], ids=["code", "defaults", "kwdefaults", "inside kwdefaults"])
def test_a_function_is_changed(change):
    func = make_function()
    assert use_function(200, func, at(100, lambda: change(func))) == 100 + 1000


def test_a_finalizer_changes_the_world():
    class Changes:
        def __del__(self):
            set_factor(10)

    set_factor(1)
    things = [Changes()]
    assert use_global(200, at(100, things.clear)) == 100 + 1000
    set_factor(1)


def test_the_collector_changes_the_world():
    class Changes:
        def __init__(self):
            self.me = self

        def __del__(self):
            set_factor(10)

    set_factor(1)
    gc.collect()
    Changes()
    assert use_global(200, at(100, gc.collect)) == 100 + 1000
    set_factor(1)


@pytest.mark.parametrize("collect", [0, 5])
def test_the_jit_is_switched_off(collect):
    def off():
        jitpatch.disable()
        for _ in range(collect):
            gc.collect()

    set_factor(1)
    assert use_global(200, at(100, off)) == 200
    assert not jitpatch.is_enabled() and not jitpatch.is_active()
    jitpatch.enable()
    assert use_global(200, at(-1, None)) == 200


def test_off_and_on_again_over_and_over():
    def again():
        jitpatch.disable()
        jitpatch.enable()

    total = 0
    for turn in range(0, 60, 7):
        total += use_global(100, at(turn, again))
    assert total == 900


def test_every_trace_is_retired_while_it_runs():
    def retire():
        for ex in jitpatch.executors():
            jitpatch._jitpatch._retire(ex)
        gc.collect()

    assert use_global(200, at(100, retire)) == 200
    jitpatch._jitpatch._sweep()


def test_a_tracer_comes_in_the_middle():
    lines = set()

    def tracer(frame, event, arg):
        if frame.f_code is use_global.__code__ and event == "line":
            lines.add(frame.f_lineno - frame.f_code.co_firstlineno)
        return tracer

    def start():
        sys._getframe(2).f_trace = tracer
        sys.settrace(tracer)

    try:
        assert use_global(200, at(100, start)) == 200
    finally:
        sys.settrace(None)
    assert lines == {2, 3, 4, 5}


def test_a_monitoring_tool_comes_in_the_middle():
    monitoring = sys.monitoring
    seen = []
    monitoring.use_tool_id(3, "late")
    monitoring.register_callback(3, monitoring.events.LINE, lambda code, line: seen.append(
        line - code.co_firstlineno) if code is use_global.__code__ else None)
    try:
        assert use_global(200, at(100, lambda: monitoring.set_events(3, monitoring.events.LINE))) == 200
    finally:
        monitoring.set_events(3, 0)
        monitoring.register_callback(3, monitoring.events.LINE, None)
        monitoring.free_tool_id(3)
    assert seen.count(4) == 100 and seen.count(3) == 99


def test_threads_on_one_loop():
    set_factor(1)
    results = []

    def work():
        for _ in range(20):
            results.append(use_global(300, at(-1, None)))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for _ in range(30):
            set_factor(1)
            gc.collect()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert results == [300] * 120


def test_one_code_object_with_other_globals():
    def with_globals(value):
        space = {"factor": value, "__builtins__": __builtins__}
        return type(use_global)(use_global.__code__, space)

    functions = [with_globals(value) for value in (1, 2, 3, 4, 5, 6, 7)]
    for _ in range(3):
        assert [f(100, at(-1, None)) for f in functions] == [100 * v for v in range(1, 8)]


def test_the_code_object_dies_after_its_loop_ran():
    for i in range(30):
        space = {}
        exec("def f(n):\n    t = 0\n    for i in range(n):\n        t += i\n    return t\n", space)
        assert space["f"](100) == 4950
        del space
        gc.collect()
    mine = [ex for ex in jitpatch.executors() if ex.code.co_filename == "<string>"]
    assert len(mine) < 15
