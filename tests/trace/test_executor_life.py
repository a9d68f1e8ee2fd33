"""When executors end: with their code, on retiring, never while somebody may be inside."""

import gc
import weakref

import pytest

import jitpatch
from jit_fixture import jit  # noqa: F401

pytestmark = pytest.mark.core


def new_code():
    space = {}
    exec("def f(n):\n    while n:\n        n -= 1\n", space)
    return space["f"].__code__


def freed(jit):  # noqa: F811
    return jitpatch.stats().retired


def test_a_root_is_found_by_its_code(jit):  # noqa: F811
    code = new_code()
    ex = jit._assume([], code)
    assert jitpatch.executors(code) == [ex]
    assert ex.code is code
    assert ex.line == 1


def test_retiring_takes_it_out_of_service(jit):  # noqa: F811
    code = new_code()
    ex = jit._assume([], code)
    jit._retire(ex)
    assert not ex.is_valid()
    assert jitpatch.executors(code) == []
    assert freed(jit) == 1
    assert ex.code is code          # it still tells its story
    assert "invalid" in repr(ex)


def test_retiring_twice(jit):  # noqa: F811
    ex = jit._assume([], new_code())
    jit._retire(ex)
    jit._retire(ex)
    assert freed(jit) == 1


def test_the_end_of_the_code_ends_its_executors(jit):  # noqa: F811
    code = new_code()
    ex = jit._assume([], code)
    other = jit._assume([], new_code2 := new_code())
    del code
    gc.collect()
    assert not ex.is_valid() and ex.code is None and ex.line == -1
    assert "lost" in repr(ex)
    assert other.is_valid() and new_code2 is other.code


def test_executors_do_not_keep_their_code_alive(jit):  # noqa: F811
    code = new_code()
    jit._assume([], code)
    ref = weakref.ref(code)
    del code
    gc.collect()
    assert ref() is None
    assert jitpatch.executors() == []


def test_versions_of_a_loop(jit):  # noqa: F811
    code = new_code()
    first, second, third = (jit._assume([], code) for _ in range(3))
    jit._retire(second)
    assert jitpatch.executors(code) == [first, third]
    jit._retire(third)
    jit._retire(first)
    assert jitpatch.executors(code) == []


def test_invalid_ones_are_swept(jit):  # noqa: F811
    space = {"a": 1}
    code = new_code()
    jit._assume([(space, "a")], code)
    kept = jit._assume([], code)
    space["a"] = 2
    assert len(jitpatch.executors(code)) == 2
    jit._sweep()
    assert jitpatch.executors(code) == [kept]
    assert jitpatch.stats().invalidated == 1


def test_nothing_is_freed_while_somebody_is_inside(jit):  # noqa: F811
    ex = jit._assume([], code := new_code())
    jit._inside(ex, 1)
    jit._retire(ex)
    assert freed(jit) == 0 and jitpatch.executors(code) == []
    assert jitpatch.is_active()
    jit._inside(ex, -1)
    jit._sweep()
    assert freed(jit) == 1


def test_a_root_takes_its_side_traces_along(jit):  # noqa: F811
    root = jit._assume([], code := new_code())
    side = jit._assume([], None, root)
    assert jitpatch.executors(code) == [root, side]
    jit._retire(root)
    assert not side.is_valid() and freed(jit) == 2


def test_traces_that_jump_to_it_go_too(jit):  # noqa: F811
    target = jit._assume([], new_code())
    root = jit._assume([], codes := new_code())
    side = jit._assume([], None, root, target)
    jit._retire(target)
    assert not side.is_valid() and root.is_valid() and codes
    assert freed(jit) == 2


def test_the_trees_that_somebody_may_have_jumped_to_stay(jit):  # noqa: F811
    codes = [new_code() for _ in range(3)]
    far = jit._assume([], codes[0])
    middle = jit._assume([], codes[1])
    root = jit._assume([], codes[2])
    jit._assume([], None, middle, far)
    jit._assume([], None, root, middle)
    jit._inside(root, 1)
    jit._retire(far)
    jit._retire(middle)
    assert freed(jit) == 0
    jit._inside(root, -1)
    jit._sweep()
    assert freed(jit) == 4 and root.is_valid()


def test_a_side_of_an_unreachable_tree_is_freed_at_once(jit):  # noqa: F811
    codes = [new_code(), new_code()]
    root, other = jit._assume([], codes[0]), jit._assume([], codes[1])
    side = jit._assume([], None, root)
    jit._inside(other, 1)
    jit._retire(side)
    assert freed(jit) == 1
    jit._inside(other, -1)


def test_a_finalizer_of_what_a_trace_kept_may_retire_others(jit):  # noqa: F811
    codes = [new_code(), new_code()]
    first, second = (jit._assume([], code) for code in codes)

    class Last:
        def __del__(self):
            jit._retire(second)

    last = Last()
    ref = weakref.ref(code := new_code(), lambda _: jit._retire(second))
    jit._assume([], code)
    del last, code
    gc.collect()
    assert ref() is None and not second.is_valid() and first.is_valid()


def test_disable_drops_everything(jit):  # noqa: F811
    ex = jit._assume([({"a": 1}, "a")], code := new_code())
    jitpatch.disable()
    assert not ex.is_valid() and jitpatch.executors(code) == [] and not jitpatch.is_active()


def test_executors_cannot_be_made(jit):  # noqa: F811
    with pytest.raises(TypeError):
        jitpatch.Executor()


# --- old age ----------------------------------------------------------------------------------

def collect(times):
    for _ in range(times):
        gc.collect()


def test_unused_traces_are_given_up_after_some_full_collections(jit):  # noqa: F811
    ex = jit._assume([], code := new_code())
    collect(3)
    assert ex.is_valid()
    collect(1)
    assert not ex.is_valid() and jitpatch.executors(code) == []


def test_partial_collections_do_not_count(jit):  # noqa: F811
    ex = jit._assume([], code := new_code())
    for _ in range(20):
        gc.collect(0)
        gc.collect(1)
    assert ex.is_valid() and code


def test_traces_in_use_do_not_grow_old(jit):  # noqa: F811
    codes = [new_code() for _ in range(2)]
    target = jit._assume([], codes[0])
    root = jit._assume([], codes[1])
    jit._assume([], None, root, target)
    jit._inside(root, 1)
    collect(10)
    assert root.is_valid() and target.is_valid()
    jit._inside(root, -1)
    collect(4)
    assert not root.is_valid() and not target.is_valid()


def test_old_age_can_be_switched_off(jit):  # noqa: F811
    jit.set_param("max_age", 0)
    ex = jit._assume([], code := new_code())
    collect(10)
    assert ex.is_valid() and code


def test_the_callback_goes_with_the_jit(jit):  # noqa: F811
    assert len(gc.callbacks) == 1 or "jitpatch" in [getattr(c, "__name__", "") for c in gc.callbacks]
    jitpatch.disable()
    assert "jitpatch" not in [getattr(c, "__name__", "") for c in gc.callbacks]


def test_a_callback_list_emptied_by_somebody_else(jit):  # noqa: F811
    gc.callbacks[:] = [c for c in gc.callbacks if getattr(c, "__name__", "") != "jitpatch"]
    jitpatch.disable()
    jitpatch.enable()


def test_new_traces_age_the_old_ones_without_a_collection():
    source = "def f(n):\n    t = 0\n    for i in range(n):\n        t += i * K\n    return t\n"
    gc.collect()
    gc.disable()
    try:
        with jitpatch.enabled(threshold=2):
            for k in range(3000):
                space = {"K": k}
                exec(source, space)
                space["f"](20)
            assert jitpatch.stats().executors < 2000
    finally:
        gc.enable()


@pytest.mark.parametrize("text", [0, 1])
def test_the_recorded_trace_is_kept_where_that_is_asked_for(jit, text):  # noqa: F811
    def f(n):
        total = 0
        for k in range(n):
            total += k & 3
        return total

    jitpatch.enable(threshold=5, text=text)
    f(300)
    ex = next(ex for ex in jitpatch.executors(f) if ex.loops)
    assert "INT_AND" in ex.uops() and "phi" in ex.uops() and "snapshot 0:" in ex.uops()
    if text:
        recorded = ex.uops(optimised=False)
        assert "INT_AND" in recorded and "LOOP" not in recorded and ex.stencils()
        return
    for ask in (lambda: ex.uops(optimised=False), ex.stencils):
        with pytest.raises(RuntimeError, match="^[^\n]+ was not kept: switch the JIT on with the option text=1$"):
            ask()
