"""What becomes of generators: their loops run compiled, whoever resumes them."""

import ctypes
import types

import jitpatch
from jit_fixture import jit  # noqa: F401


def hot(function, *args, calls=3):
    jitpatch.enable(threshold=20, side_threshold=2)
    for _ in range(calls):
        function(*args)
    return jitpatch.executors()


def counter(n):
    i = 0
    while i < n:
        yield i
        i += 1


def uops_of(executors, function):
    return "".join(ex.uops() for ex in executors if ex.code is function.__code__)


def test_a_for_loop_follows_its_generator(jit):  # noqa: F811
    def f(n):
        t = 0
        for x in counter(n):
            t += x
        return t

    executors = hot(f, 1000)
    uops = uops_of(executors, f)
    assert "GENERATOR_WAITS" in uops and "ITER_NEXT" not in uops
    assert sum(ex.entered for ex in executors) < 50


def test_a_loop_over_new_generators_stays_in_compiled_code(jit):  # noqa: F811
    def f(n):
        t = 0
        for i in range(n):
            for x in counter(3):
                t += x * i
        return t

    executors = hot(f, 300)
    assert f(2000) == 3 * 2000 * 1999 // 2
    assert sum(e["count"] if isinstance(e, dict) else e.count for ex in executors for e in ex.exits) < 400


def test_a_builtin_consumes_in_the_trace(jit):  # noqa: F811
    def f(n):
        return (sum(x * x for x in range(n)), any(x < 0 for x in range(n)), len(list(x for x in range(n))),
                len(tuple(x for x in range(n))), len(set(x % 5 for x in range(n))), sum(x * 0.5 for x in range(n)))

    executors = hot(f, 1000, calls=5)
    assert 6 <= len(executors) < 40
    assert sum(ex.entered for ex in executors) < 200


def test_a_filter_in_a_generator_expression_stays_in_compiled_code(jit):  # noqa: F811
    def f(n):
        return sum(x for x in range(n) if x % 3 == 0)

    executors = hot(f, 1000)
    assert sum(ex.entered for ex in executors) < 100


def iternext():
    """CPython's tp_iternext of generators: the address at its place in the type."""
    return ctypes.c_void_p.from_address(id(types.GeneratorType) + 224).value


def vectorcall(cls):
    before = type.__basicsize__
    return bytes((ctypes.c_char * before).from_address(id(cls)))


def test_disable_gives_the_entry_points_back(jit):  # noqa: F811
    jitpatch.disable()
    plain = iternext(), vectorcall(frozenset)[-200:]
    jitpatch.enable()
    assert iternext() != plain[0]
    jitpatch.disable()
    assert (iternext(), vectorcall(frozenset)[-200:]) == plain
    assert sum(x for x in range(10)) == 45 and sorted(x for x in (2, 1)) == [1, 2]
    jitpatch.enable()


def test_a_short_generator_is_not_entered_for_each_value(jit):  # noqa: F811
    def f(n):
        g = (x for x in range(n))
        t = 0
        while (x := next(g, None)) is not None:
            t += x
        return t

    executors = hot(f, 1000)
    assert sum(ex.entered for ex in executors) < 100


def test_the_function_of_a_generator_expression_is_not_made(jit):  # noqa: F811
    def f(n):
        t = 0
        for i in range(n):
            t += sum(x + i for x in (1, 2, 3))
        return t

    uops = uops_of(hot(f, 1000), f)
    assert "MAKE_GENERATOR" in uops and "FUNCTION_NEW" not in uops and "TUPLE_NEW" not in uops
    assert f(2000) == 3 * sum(range(2000)) + 6 * 2000


def test_a_function_that_is_kept_is_made(jit):  # noqa: F811
    def f(n):
        kept = []
        for i in range(n):
            kept.append(lambda: i)
        return kept

    executors = hot(f, 100)
    assert "FUNCTION_NEW" in uops_of(executors, f)
    kept = f(100)
    assert len({id(k) for k in kept}) == 100 and kept[5]() == 99


def test_a_function_unmade_at_an_exit_is_made_by_its_side_trace(jit):  # noqa: F811
    def f(values):
        kept = []
        for v in values:
            make = lambda: v
            if v > 3:
                kept.append(make)
        return kept

    executors = hot(f, [1] * 200 + [5] * 200)
    assert any(ex.code is f.__code__ and "FUNCTION_NEW" in ex.uops() for ex in executors)
    assert [k() for k in f([1, 5, 1, 7])] == [7, 7]
