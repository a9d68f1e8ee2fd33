"""Exceptions raised by compat_raise_here: handler, traceback, stack and events are those of the
interpreter."""

import sys
import traceback
import weakref

import pytest

from frames import TOOL, at_jump, offset_of

pytestmark = pytest.mark.core


class Problem(Exception):
    pass


def entries(error):
    return [(f.name, f.lineno) for f in traceback.extract_tb(error.__traceback__)]


def plain(n):
    total = 0
    for i in range(n):
        total += i
    return total


def test_without_a_handler_the_frame_is_left():
    problem = Problem("out")
    with at_jump(plain, (), problem):
        with pytest.raises(Problem) as caught:
            plain(10)
    assert caught.value is problem
    first = plain.__code__.co_firstlineno
    assert entries(problem)[-1] == ("plain", first + 3)
    assert entries(problem)[-2][0] == test_without_a_handler_the_frame_is_left.__name__
    assert len(entries(problem)) == 2


def test_at_another_instruction():
    problem = Problem("there")
    at = offset_of(plain, "BINARY_OP")
    with at_jump(plain, (), problem, at):
        with pytest.raises(Problem):
            plain(10)
    assert entries(problem)[-1] == ("plain", plain.__code__.co_firstlineno + 3)
    (position,) = [p for p in traceback.extract_tb(problem.__traceback__)[1:]]
    assert (position.colno, position.end_colno) == (8, 18)


def test_the_dead_frame_says_where_it_died():
    problem = Problem()
    with at_jump(plain, (), problem, offset_of(plain, "BINARY_OP")):
        with pytest.raises(Problem):
            plain(10)
    frame = problem.__traceback__.tb_next.tb_frame
    assert frame.f_lineno == plain.__code__.co_firstlineno + 3
    assert frame.f_lasti == 2 * offset_of(plain, "BINARY_OP")
    assert frame.f_locals["total"] == 3


def test_locals_and_stack_are_released():
    class Noted:
        pass

    def holder(things):
        local = Noted()
        refs.append(weakref.ref(local))
        for thing in iter([Noted(), Noted(), Noted(), Noted(), Noted()]):
            refs.append(weakref.ref(thing))
        return local

    refs = []
    with at_jump(holder, (), Problem()):
        with pytest.raises(Problem) as caught:
            holder(None)
    caught.value.__traceback__ = None
    del caught
    assert len(refs) == 4 and all(ref() is None for ref in refs)


def guarded(n):
    log = []
    try:
        for i in range(n):
            log.append(i)
    except Problem as error:
        log.append(error.args)
    return log


def test_a_handler_around_the_loop():
    problem = Problem("caught")
    with at_jump(guarded, (), problem):
        assert guarded(10) == [0, 1, 2, ("caught",)]
    assert entries(problem) == [("guarded", guarded.__code__.co_firstlineno + 4)]


def inner_handler(n):
    log = []
    for i in range(n):
        try:
            log.append(i)
        except Problem as error:
            log.append(error.args[0])
    return log


def test_a_handler_inside_the_loop():
    at = offset_of(inner_handler, "LOAD_ATTR")
    with at_jump(inner_handler, (), Problem("in"), at):
        assert inner_handler(5) == [0, 1, 2, "in", 3, 4]


def test_the_jump_lies_outside_of_a_handler_inside_the_loop():
    problem = Problem("jump")
    with at_jump(inner_handler, (), problem):
        with pytest.raises(Problem):
            inner_handler(5)


def first_in_try(n):
    hits = []
    for i in range(n):
        try: missing
        except NameError as error:
            hits.append(str(error))
        hits.append(i)
    return hits


def test_the_first_instruction_of_a_try_block_is_covered():
    at = offset_of(first_in_try, "LOAD_GLOBAL", 0, "missing")
    globals()["missing"] = 1
    try:
        with at_jump(first_in_try, (), NameError("odd"), at):
            assert first_in_try(5) == [0, 1, 2, "odd", 2, 3, 4]
    finally:
        del globals()["missing"]


def after_try(n):
    for i in range(n):
        try:
            len("")
        except NameError:
            return "wrong handler"
        absent = i
    return absent


def test_the_first_instruction_after_a_try_block_is_not_covered():
    at = offset_of(after_try, "POP_TOP") + 1
    with at_jump(after_try, (), NameError("outside"), at):
        with pytest.raises(NameError, match="outside"):
            after_try(5)


def with_finally(n, log):
    try:
        for i in range(n):
            pass
    finally:
        log.append("finally")
    return i


def test_finally_runs_and_the_exception_goes_on():
    log = []
    problem = Problem()
    with at_jump(with_finally, (), problem):
        with pytest.raises(Problem):
            with_finally(5, log)
    assert log == ["finally"]
    assert entries(problem)[-1] == ("with_finally", with_finally.__code__.co_firstlineno + 3)
    assert len(entries(problem)) == 2


class Manager:
    def __init__(self, swallow):
        self.swallow, self.seen = swallow, None

    def __enter__(self):
        return self

    def __exit__(self, *seen):
        self.seen = seen
        return self.swallow


def with_block(n, manager):
    with manager:
        for i in range(n):
            pass
        return "not here"
    return "after"


@pytest.mark.parametrize("swallow", [True, False])
def test_with_sees_the_exception(swallow):
    manager, problem = Manager(swallow), Problem()
    with at_jump(with_block, (), problem):
        if swallow:
            assert with_block(5, manager) == "after"
        else:
            with pytest.raises(Problem):
                with_block(5, manager)
    assert manager.seen[:2] == (Problem, problem)


def nested(n):
    log = []
    try:
        try:
            for i in range(n):
                pass
        except KeyError:
            log.append("wrong")
        finally:
            log.append("inner finally")
    except Problem as error:
        log.append(error)
        log.append(sys.exception())
    log.append(sys.exception())
    return log


def test_nested_handlers():
    problem = Problem()
    with at_jump(nested, (), problem):
        assert nested(5) == ["inner finally", problem, problem, None]


def handling(n):
    try:
        raise KeyError("first")
    except KeyError:
        for i in range(n):
            pass
    return i


def test_an_exception_is_raised_while_another_is_handled():
    problem = Problem()
    try:
        raise problem       # context is set by whoever creates or raises it, not by unwinding
    except Problem:
        pass
    with at_jump(handling, (), problem):
        with pytest.raises(Problem) as caught:
            handling(5)
    assert caught.value is problem
    assert sys.exception() is None


def one_slot(x):
    while x:
        x = -x


def test_a_frame_with_one_stack_slot():
    assert one_slot.__code__.co_stacksize == 1
    problem = Problem()
    with at_jump(one_slot, (), problem):
        with pytest.raises(Problem):
            one_slot(1)
    frame = problem.__traceback__.tb_next.tb_frame
    assert frame.f_lineno == one_slot.__code__.co_firstlineno + 1


def generator(x):
    while x:
        x = -x
    yield x


def test_a_generator_frame_with_one_stack_slot():
    assert generator.__code__.co_stacksize <= 2
    problem = Problem()
    with at_jump(generator, (), problem):
        running = generator(1)
        with pytest.raises(Problem):
            next(running)
    assert entries(problem)[-1] == ("generator", generator.__code__.co_firstlineno + 1)
    assert list(running) == []


def callee(a, b):
    c = a * 10
    return c + b


def middle(x):
    y = callee(x, 1)
    return [y, x]


def test_through_pushed_frames():
    problem = Problem("deep")
    frames = ((middle, (7, ...), offset_of(middle, "CALL"), ()),
              (callee, (1, 2, 3), offset_of(callee, "BINARY_OP", 1), (3, 2)))
    with at_jump(plain, frames, problem):
        with pytest.raises(Problem):
            plain(10)
    lines = [(name, line) for name, line in entries(problem)[1:]]
    assert lines == [("plain", plain.__code__.co_firstlineno + 3),
                     ("middle", middle.__code__.co_firstlineno + 1),
                     ("callee", callee.__code__.co_firstlineno + 2)]


def catching(x):
    try:
        y = callee(x, 1)
    except Problem as error:
        return error.args[0] + str(x)
    return y


def test_a_handler_in_a_pushed_frame():
    frames = ((catching, (7, ..., ...), offset_of(catching, "CALL"), ()),
              (callee, (1, 2, 3), offset_of(callee, "BINARY_OP", 1), (3, 2)))
    with at_jump(plain, frames, Problem("hit ")) as results:
        assert plain(10) == 45
    assert results == ["hit 7"]


def test_a_pushed_frame_raises_by_itself():
    with at_jump(guarded, ((callee, (1, "x", ...), 0, ()),)):
        with pytest.raises(TypeError) as caught:
            guarded(10)
    assert [name for name, _ in entries(caught.value)][1:] == ["guarded", "callee"]


def test_other_tools_see_the_events():
    seen = []
    monitoring = sys.monitoring
    events = monitoring.events
    monitoring.use_tool_id(0, "observer")
    wanted = {events.RAISE: "raise", events.EXCEPTION_HANDLED: "handled"}
    for event, name in wanted.items():
        monitoring.register_callback(
            0, event, lambda code, offset, exc, name=name:
            seen.append((name, code.co_name, offset, type(exc))) if code.co_name == "guarded" else None)
    monitoring.set_events(0, events.RAISE | events.EXCEPTION_HANDLED)
    try:
        with at_jump(guarded, (), Problem("caught")):
            assert guarded(10)[-1] == ("caught",)
    finally:
        monitoring.set_events(0, 0)
        for event in wanted:
            monitoring.register_callback(0, event, None)
        monitoring.free_tool_id(0)
    jump = 2 * offset_of(guarded, "JUMP_BACKWARD")
    handler = 2 * offset_of(guarded, "PUSH_EXC_INFO")
    assert seen == [("raise", "guarded", jump, Problem), ("handled", "guarded", handler, Problem)]


def test_an_error_in_another_tools_callback_takes_the_exceptions_place():
    def upset(code, offset, exc):
        if code.co_name == "guarded":
            raise LookupError("from the tool")

    monitoring = sys.monitoring
    monitoring.use_tool_id(0, "observer")
    monitoring.register_callback(0, monitoring.events.EXCEPTION_HANDLED, upset)
    monitoring.set_events(0, monitoring.events.EXCEPTION_HANDLED)
    try:
        with at_jump(guarded, (), Problem("caught")):
            with pytest.raises(LookupError, match="from the tool"):
                guarded(10)
    finally:
        monitoring.set_events(0, 0)
        monitoring.register_callback(0, monitoring.events.EXCEPTION_HANDLED, None)
        monitoring.free_tool_id(0)


def test_raising_many_times_leaks_nothing():
    def run():
        for func in (plain, guarded, with_finally):
            with at_jump(func, (), Problem("again")):
                try:
                    func(*((6, []) if func is with_finally else (6,)))
                except Problem:
                    pass

    run()
    counted = (plain.__code__, guarded.__code__, Problem)
    before = [sys.getrefcount(thing) for thing in counted]
    blocks = sys.getallocatedblocks()
    for _ in range(300):
        run()
    assert [sys.getrefcount(thing) for thing in counted] == before
    assert sys.getallocatedblocks() - blocks < 100


def test_the_tool_is_free():
    assert sys.monitoring.get_tool(TOOL) is None
