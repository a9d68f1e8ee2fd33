"""Inline attributes, and which last references can be dropped unnoticed."""

import ctypes
import weakref
from types import MappingProxyType

import pytest

from jitpatch import _jitpatch


class Point:
    def __init__(self, x, y):
        self.x = x
        self.y = y


def read_pointer(obj, offset):
    return ctypes.c_void_p.from_address(id(obj) + offset).value


def test_inline_attributes_are_where_it_is_said():
    point = Point([1], [2])
    for index, name in enumerate("xy"):
        offset, valid, found = _jitpatch._inline_attr(Point, name)
        assert found == index
        assert read_pointer(point, offset) == id(getattr(point, name))
        assert ctypes.c_uint8.from_address(id(point) + valid).value == 1


def test_no_such_inline_attribute():
    assert _jitpatch._inline_attr(Point, "z") is None
    assert _jitpatch._inline_attr(int, "real") is None

    class Slots:
        __slots__ = ("x",)

    assert _jitpatch._inline_attr(Slots, "x") is None


def test_inline_values_end_with_a_dict_of_their_own():
    point = Point(1, 2)
    assert _jitpatch._inline_valid(point)
    point.__dict__ = {"x": 3}
    assert not _jitpatch._inline_valid(point)
    assert not _jitpatch._inline_valid([])


class Loud:
    def __del__(self):
        pass


class Slotted:
    __slots__ = ("x",)


def slotted(x):
    s = Slotted()
    s.x = x
    return s


SHARED = Loud()
KEPT = [(SHARED,)]
KEPT_DICT = {1: SHARED}
WATCHERS = []


def method_with_weakref():
    method = KEPT.append
    WATCHERS.append(weakref.ref(method, lambda _: None))
    return method


def begun():
    generator = (i for i in (1, 2))
    next(generator)
    return generator


def begun_in_try():
    def generate():
        try:
            yield 1
        finally:
            Loud()

    generator = generate()
    next(generator)
    return generator


@pytest.mark.parametrize("make", [
    lambda: 10**30, lambda: 1.5, lambda: "a" * 20, lambda: (1, 2.5, "x"), lambda: [[1.0], [2.0]],
    lambda: {"a": [1.0]}, lambda: Point(1.0, [2.0]), lambda: Point(Point(1, 2), None),
    lambda: {1, 2}, lambda: iter([1.5]), lambda: range(5), lambda: iter(range(5)),
    lambda: slice(1.5, 2), lambda: [1.0].append, lambda: enumerate([1.5]), lambda: slotted(1.5),
    lambda: [SHARED, SHARED], lambda: Point(SHARED, 1), lambda: Slotted(), lambda: (Point, len),
    lambda: [float(i) for i in range(1000)], lambda: (i for i in ()), lambda: (lambda: 1), begun,
    lambda: {1, "a"}, lambda: set(map(str, range(1000))), lambda: filter(None, [1]),
    lambda: finished(i for i in ()), lambda: [[i] for i in range(100)], lambda: held_by_two(SHARED),
    lambda: held_by_two([1]), lambda: {i: (i, True, None) for i in range(50)},
    lambda: iter(KEPT), lambda: iter(KEPT[0]), lambda: KEPT.append, lambda: KEPT_DICT.items(),
    lambda: MappingProxyType(KEPT_DICT), lambda: MappingProxyType({1: 1.5}), lambda: iter((1.5,)),
], ids=range(39))
def test_quiet(make):
    assert _jitpatch._quiet_to_free(make())


def finished(generator):
    list(generator)
    return generator


def shared_twice(inner):
    return [inner, inner]


def held_by_two(inner):
    return [(inner, 1), {inner: 2} if isinstance(inner, Loud) else [inner]]


def cyclic_weakref():
    point = Point(1, 2)
    point.x = weakref.ref(point)
    return point


class Sub(list):
    pass


def with_vars(point):
    vars(point)
    return point


@pytest.mark.parametrize("make", [
    Loud, lambda: [Loud()], lambda: Point(1, Loud()), lambda: shared_twice(Loud()),
    lambda: shared_twice([Loud()]), lambda: {"k": (1, [Loud()])}, lambda: slotted(Loud()),
    begun_in_try, lambda: Sub(), lambda: (lambda x=Loud(): 1), cyclic_weakref,
    lambda: with_vars(Point(Loud(), 1)), lambda: [[i] for i in range(1000)],
    lambda: filter(None, [Loud()]), lambda: type("T", (), {}), lambda: iter({1: Loud()}.values()),
    lambda: held_by_two(Loud()), lambda: [Point(1, 2), held_by_two([Loud()])],
    lambda: iter([Loud()]), lambda: iter((Loud(),)), lambda: [Loud()].append, lambda: {1: Loud()}.items(),
    lambda: MappingProxyType({1: Loud()}), method_with_weakref,
], ids=range(24))
def test_not_quiet(make):
    assert not _jitpatch._quiet_to_free(make())


def test_a_weak_reference_from_outside():
    point = Point(1, 2)
    holder = [point]
    watcher = weakref.ref(point)
    del point
    assert not _jitpatch._quiet_to_free(holder)
    del watcher
    assert _jitpatch._quiet_to_free(holder)
