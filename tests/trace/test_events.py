"""Events that the interpreter did not send: the C API lets extensions fire them, with any object for a code object
(PyMonitoring_FireJumpEvent and others), and a program can get hold of a callback. They are ignored."""

import ctypes
import sys
import types

import pytest

import jitpatch
from jit_fixture import jit  # noqa: F401

monitoring = sys.monitoring
EVENTS = monitoring.events
CODE = (lambda: 0).__code__
TARGETS = [5, -1, 2**31, 2**40, 2**80, -(2**80), 1.5, "x", None, True]


class CodeLike:
    """What the C API calls a code-like object."""


class RaisingIndex:
    def __index__(self):
        raise ValueError("asked for its number")


def fire(name, event, code, offset, *argument):
    """PyMonitoring_Fire<name>Event within a scope of its own. True: somebody listens."""
    api = ctypes.pythonapi
    state, version = (ctypes.c_uint8 * 2)(), ctypes.c_uint64(0)
    kind = (ctypes.c_uint8 * 1)(event.bit_length() - 1)
    api.PyMonitoring_EnterScope(ctypes.byref(state), ctypes.byref(version), ctypes.byref(kind), ctypes.c_ssize_t(1))
    try:
        function = getattr(api, f"_PyMonitoring_Fire{name}Event")
        function.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.c_int32] + [ctypes.py_object] * len(argument)
        assert function(ctypes.addressof(state), code, offset, *argument) == 0
        return bool(state[0])
    finally:
        api.PyMonitoring_ExitScope()


@pytest.mark.parametrize("code", [CodeLike(), None, CODE])
def test_a_start_that_an_extension_fires_is_no_error(jit, code):
    assert fire("PyStart", EVENTS.PY_START, code, 0)


@pytest.mark.parametrize("code", [CodeLike(), None, CODE])
@pytest.mark.parametrize("target", [*TARGETS, RaisingIndex()], ids=lambda target: str(target)[:12])
def test_a_jump_that_an_extension_fires_is_no_error(jit, code, target):
    fire("Jump", EVENTS.JUMP, code, 100, target)
    fire("Jump", EVENTS.JUMP, code, 0, target)


def test_a_code_like_object_is_told_of_no_disabling(jit):
    """DISABLE would be for the code object's events; what is no code object has none that are ours."""
    for _ in range(3):
        assert fire("Jump", EVENTS.JUMP, CodeLike(), 0, 60)


def jumps_of_its_own(n):
    """Fires backward jumps in the name of its own code while it runs."""
    code, seen = jumps_of_its_own.__code__, 0
    for i in range(n):
        fire("Jump", EVENTS.JUMP, code, len(code.co_code) - 2, 2 * (i % 40))
        fire("PyStart", EVENTS.PY_START, code, 0)
        seen += i
    return seen


def test_events_in_the_name_of_a_running_function(jit):
    jitpatch.enable(threshold=2, call_threshold=2)
    assert jumps_of_its_own(300) == sum(range(300))
    assert jumps_of_its_own(300) == sum(range(300))


def callback_of(event):
    callback = monitoring.register_callback(monitoring.OPTIMIZER_ID, event, None)
    monitoring.register_callback(monitoring.OPTIMIZER_ID, event, callback)
    return callback


@pytest.mark.parametrize("event", ["PY_START", "JUMP", "INSTRUCTION"])
def test_a_callback_that_is_called_with_anything_answers_none(jit, event):
    callback = callback_of(getattr(EVENTS, event))
    assert isinstance(callback, types.BuiltinFunctionType)
    for arguments in ((), (CODE,), (1, 2), (1, 2, 3), (CODE, "x"), (CODE, -2), (CODE, 2**80), (CODE, RaisingIndex()),
                      (CODE, 0, -2), (CODE, "x", 0), (CODE, 0, 0, 0), (CODE, 4, 2), (CodeLike(), 0), (CodeLike(), 0, 60)):
        assert callback(*arguments) is None


def test_a_callback_that_is_called_while_a_loop_is_recorded(jit):
    """The recorder takes only what the interpreter tells it."""
    jitpatch.enable(threshold=2)
    callback = callback_of(EVENTS.INSTRUCTION)

    def loop(n):
        code, total = sys._getframe().f_code, 0
        for i in range(n):
            callback(code, 2 * (i % 30))
            total += i
        return total

    assert loop(50) == sum(range(50))
    assert loop(50) == sum(range(50))
