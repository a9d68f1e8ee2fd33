"""Assumptions about a function."""

import pytest

from jit_fixture import jit  # noqa: F401


def make():
    def func(a, b=1, *, c=2):
        return a + b + c

    return func


@pytest.mark.parametrize("change", [
    lambda f: setattr(f, "__code__", (lambda a, b=1, *, c=2: a).__code__),
    lambda f: setattr(f, "__defaults__", (5,)), lambda f: setattr(f, "__defaults__", None),
    lambda f: setattr(f, "__kwdefaults__", {"c": 7}), lambda f: delattr(f, "__kwdefaults__"),
    lambda f: f.__kwdefaults__.__setitem__("c", 9), lambda f: f.__kwdefaults__.clear(),
], ids=range(7))
def test_a_change_breaks_it(jit, change):  # noqa: F811
    func = make()
    ex = jit._assume([(func, None)])
    change(func)
    assert not ex.is_valid()


@pytest.mark.parametrize("change", [
    lambda f: setattr(f, "attribute", 1), lambda f: setattr(f, "__name__", "other"),
    lambda f: setattr(f, "__doc__", "other"), lambda f: setattr(make(), "__defaults__", (1,)),
    lambda f: f(1),
], ids=range(5))
def test_what_does_not_change_calls_does_not(jit, change):  # noqa: F811
    func = make()
    ex = jit._assume([(func, None)])
    change(func)
    assert ex.is_valid()


def test_the_end_of_the_function(jit):  # noqa: F811
    func = make()
    ex = jit._assume([(func, None)])
    del func
    assert not ex.is_valid()


def test_another_function_at_the_same_address(jit):  # noqa: F811
    for _ in range(200):
        func = make()
        ex = jit._assume([(func, None)])
        assert ex.is_valid()
        del func
        assert not ex.is_valid()
