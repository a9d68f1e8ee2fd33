"""Frames pushed in the middle of their code and finished by the interpreter."""

import gc
import sys
import threading
import traceback
import weakref

import pytest

import jitpatch
from frames import at_jump, offset_of


def loop(n):
    total = 0
    for i in range(n):
        total += i
    return total


def callee(a, b):
    c = a * 10
    return c + b


def test_a_pushed_frame_goes_on_where_it_is_put():
    # At the second statement: c is given, the multiplication does not run.
    at = offset_of(callee, "LOAD_FAST_LOAD_FAST", 0, ("c", "b"))
    with at_jump(loop, ((callee, (1, 2, 100), at, ()),)) as results:
        assert loop(10) == 45
    assert results == [102]


def test_a_pushed_frame_goes_on_with_its_stack():
    at = offset_of(callee, "BINARY_OP", 1)
    with at_jump(loop, ((callee, (..., ..., ...), at, (30, 4)),)) as results:
        loop(10)
    assert results == [34]


def test_a_pushed_frame_may_start_at_the_beginning():
    with at_jump(loop, ((callee, (1, 2, ...), 0, ()),)) as results:
        loop(10)
    assert results == [12]


def middle(x):
    y = callee(x, 1)
    return [y, x]


def test_nested_frames_return_into_one_another():
    call = offset_of(middle, "CALL")
    ret = offset_of(callee, "RETURN_VALUE")
    frames = ((middle, (7, ...), call, ()), (callee, (..., ..., ...), ret, ("inner",)))
    with at_jump(loop, frames) as results:
        loop(10)
    assert results == [["inner", 7]]


def look():
    return [(f.name, f.lineno) for f in traceback.extract_stack()]


def looker(a):
    b = a
    return look()


def test_a_pushed_frame_is_seen_on_the_stack_with_its_line():
    at = offset_of(looker, "LOAD_GLOBAL")
    with at_jump(loop, ((looker, (1, 2), at, ()),)) as results:
        loop(10)
    names = results[0][-3:]
    assert [name for name, _ in names] == ["loop", "looker", "look"]
    assert names[1][1] == looker.__code__.co_firstlineno + 2
    assert names[0][1] == loop.__code__.co_firstlineno + 3      # the jump ends the body


def local_names(a):
    b = a
    return sys._getframe(0).f_locals, sys._getframe(1).f_code.co_name


def test_its_locals_are_seen():
    at = offset_of(local_names, "LOAD_GLOBAL")
    with at_jump(loop, ((local_names, (1, "bee"), at, ()),)) as results:
        loop(10)
    locals_seen, caller = results[0]
    assert dict(locals_seen) == {"a": 1, "b": "bee"}
    assert caller == "loop"


def keep_frame(a):
    frame = sys._getframe()
    return frame


def test_a_frame_object_survives_its_frame():
    with at_jump(loop, ((keep_frame, ("kept", ...), 0, ()),)) as results:
        loop(10)
    assert results[0].f_locals == {"a": "kept", "frame": results[0]}
    assert results[0].f_back.f_code.co_name == "loop"
    assert results[0].f_lineno == keep_frame.__code__.co_firstlineno + 2
    results[0].clear()


class Noted:
    pass


def test_the_locals_of_a_finished_frame_are_released():
    a, b = Noted(), Noted()
    refs = [weakref.ref(a), weakref.ref(b)]
    frame = (callee, (a, b, ...), offset_of(callee, "RETURN_VALUE"), (None,))
    before = sys.getrefcount(callee), sys.getrefcount(callee.__code__)
    with at_jump(loop, (frame,)):
        loop(10)
    assert (sys.getrefcount(callee), sys.getrefcount(callee.__code__)) == (before[0], before[1])
    del a, b, frame
    assert [ref() for ref in refs] == [None, None]


def gen_maker(n):
    total = 0
    for i in (k * k for k in range(n)):
        total += i
    return total


def test_a_pushed_frame_may_run_generators():
    with at_jump(loop, ((gen_maker, (5, ..., ...), 0, ()),)) as results:
        loop(10)
    assert results == [30]


def wide(a):
    return a


def test_frames_wider_than_a_chunk_of_the_data_stack():
    code = wide.__code__
    big = type(wide)(code.replace(co_stacksize=5000), globals())
    at = offset_of(wide, "RETURN_VALUE")
    for _ in range(3):
        with at_jump(loop, ((big, (None,), at, ("big",)),)) as results:
            assert loop(10) == 45
        assert results == ["big"]


def many_frames(count):
    call = offset_of(middle, "CALL")
    ret = offset_of(callee, "RETURN_VALUE")
    return ((middle, (7, ...), call, ()),) * count + ((callee, (..., ..., ...), ret, (1,)),)


@pytest.mark.parametrize("count", [1, 50, 400])
def test_frames_beyond_the_end_of_a_chunk(count):
    # 400 frames of a dozen slots do not fit into what is left of a chunk of 2048.
    with at_jump(loop, many_frames(count)) as results:
        assert loop(10) == 45
    nested, depth = results[0], 0
    while isinstance(nested, list):
        nested, depth = nested[0], depth + 1
    assert depth == count


def deep(n):
    return 0 if n == 0 else 1 + deep(n - 1)


def room_left():
    low, high = 1, 10_000
    while low < high:
        mid = (low + high + 1) // 2
        try:
            deep(mid)
            low = mid
        except RecursionError:
            high = mid - 1
    return low


def test_the_recursion_limit_is_as_before():
    before = room_left()
    with at_jump(loop, many_frames(20)):
        loop(10)
    with at_jump(loop, ((callee, (1, "x", ...), 0, ()),)):
        with pytest.raises(TypeError):
            loop(10)
    assert room_left() == before


def measuring():
    return room_left()


def test_pushed_frames_count_towards_the_recursion_limit():
    def call_it(n):
        for _ in range(n):
            pass
        return 0

    with at_jump(call_it, ((measuring, (), 0, ()),)) as results:
        call_it(10)
    inside = results[0]

    def by_call(n):
        for _ in range(n):
            pass
        return measuring()

    assert inside == by_call(10)


def test_in_a_thread_of_its_own():
    with at_jump(loop, many_frames(300)) as results:
        thread = threading.Thread(target=loop, args=(10,))
        thread.start()
        thread.join()
    assert len(results) == 1


def test_collecting_while_a_pushed_frame_runs():
    def collects(a):
        x = [a]
        gc.collect()
        return x[0] is a

    with at_jump(loop, ((collects, (Noted(), ...), 0, ()),)) as results:
        loop(10)
    assert results == [True]


def closure_maker():
    value = "captured"

    def inner():
        return value

    return inner


def test_a_closure_starts_at_its_copy_of_free_variables():
    with at_jump(loop, ((closure_maker(), (...,), 0, ()),)) as results:
        loop(10)
    assert results == ["captured"]


def lines_seen(a):
    len("")
    b = a
    return b


def test_a_tool_that_came_meanwhile_sees_the_rest_of_a_pushed_frame():
    # The code object was last brought up to date before the events were set, and its RESUME
    # lies behind us: pushing the frame has to see to it.
    lines_seen(1)
    seen = []
    monitoring = sys.monitoring
    monitoring.use_tool_id(0, "late")
    monitoring.register_callback(0, monitoring.events.LINE,
                                 lambda code, line: seen.append((code.co_name, line)))
    monitoring.set_events(0, monitoring.events.LINE)
    try:
        at = offset_of(lines_seen, "LOAD_FAST", 0, "a")
        with jitpatch.enabled(), at_jump(loop, ((lines_seen, (1, ...), at, ()),)) as results:
            loop(10)
    finally:
        monitoring.set_events(0, 0)
        monitoring.register_callback(0, monitoring.events.LINE, None)
        monitoring.free_tool_id(0)
    first = lines_seen.__code__.co_firstlineno
    # The line it is put on counts as begun.
    assert [line - first for name, line in seen if name == "lines_seen"] == [3]
    assert results == [1]
