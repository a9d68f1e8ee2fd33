"""Assumptions about one key of a dict."""

import gc

import pytest

from jit_fixture import jit  # noqa: F401


def make():
    return {"a": 1, "b": 2}


@pytest.mark.parametrize("change", [
    lambda d: d.__setitem__("a", 3), lambda d: d.__delitem__("a"), lambda d: d.pop("a"),
    lambda d: d.clear(), lambda d: d.update(a=5), lambda d: d.__ior__({"a": 6}),
    lambda d: d.popitem() and d.popitem(), lambda d: d.__setitem__("".join(["", "a"]), 7),
], ids=range(8))
def test_a_change_of_the_key_breaks_it(jit, change):  # noqa: F811
    space = make()
    ex = jit._assume([(space, "a")])
    assert ex.is_valid()
    change(space)
    assert not ex.is_valid()


@pytest.mark.parametrize("change", [
    lambda d: d.__setitem__("b", 3), lambda d: d.__delitem__("b"), lambda d: d.setdefault("a", 9),
    lambda d: d.__setitem__("a", d["a"]), lambda d: d.get("a"), lambda d: d.copy(),
    lambda d: d.update(c=1, d=2),
], ids=range(7))
def test_other_changes_do_not(jit, change):  # noqa: F811
    space = make()
    ex = jit._assume([(space, "a")])
    change(space)
    assert ex.is_valid()


def test_many_other_keys(jit):  # noqa: F811
    space = make()
    ex = jit._assume([(space, "a")])
    for i in range(1000):
        space[f"key{i}"] = i
    assert ex.is_valid()
    space["a"] = 0
    assert not ex.is_valid()


def test_absence_is_a_fact(jit):  # noqa: F811
    space = make()
    ex = jit._assume([(space, "absent")])
    space["b"] = 5
    assert ex.is_valid()
    space["absent"] = 1
    assert not ex.is_valid()


class Same(str):
    pass


class Equal:
    def __hash__(self):
        return hash("a")

    def __eq__(self, other):
        return other == "a"


@pytest.mark.parametrize("key", [Same("a"), Equal()], ids=["subclass", "odd"])
def test_a_key_that_only_equals_it(jit, key):  # noqa: F811
    space = make()
    ex = jit._assume([(space, "a")])
    space[key] = 4
    assert space["a"] == 4
    assert not ex.is_valid()


def test_the_end_of_the_dict(jit):  # noqa: F811
    space = make()
    ex = jit._assume([(space, "a")])
    del space
    assert not ex.is_valid()


def test_the_end_of_the_dict_by_the_collector(jit):  # noqa: F811
    space = make()
    space["self"] = space
    ex = jit._assume([(space, "a")])
    del space
    gc.collect()
    assert not ex.is_valid()


def test_another_dict_at_the_same_address(jit):  # noqa: F811
    for _ in range(200):
        space = make()
        ex = jit._assume([(space, "a")])
        del space
        assert not ex.is_valid()
        space = make()
        space["a"] = 1      # must not be taken for the one that is gone
        del space, ex


def test_two_traces_rely_on_one_key(jit):  # noqa: F811
    space = make()
    first, second = jit._assume([(space, "a")]), jit._assume([(space, "a"), (space, "b")])
    space["b"] = 0
    assert (first.is_valid(), second.is_valid()) == (True, False)
    space["a"] = 0
    assert not first.is_valid()


def test_a_broken_fact_can_be_assumed_again(jit):  # noqa: F811
    space = make()
    for i in range(3):
        ex = jit._assume([(space, "a")])
        assert ex.is_valid()
        space["a"] = i + 10
        assert not ex.is_valid()


def test_what_keeps_changing_is_no_constant(jit):  # noqa: F811
    space = make()
    for i in range(3):
        jit._assume([(space, "b")])
        space["b"] = i + 10
    with pytest.raises(ValueError):
        jit._assume([(space, "b")])
    assert jit._assume([(space, "a")]).is_valid()


def test_a_change_inside_of_a_finalizer(jit):  # noqa: F811
    space = make()

    class Changes:
        def __del__(self):
            space["a"] = "changed"

    ex = jit._assume([(space, "a")])
    Changes()
    assert not ex.is_valid()


def test_only_plain_string_keys_can_be_watched(jit):  # noqa: F811
    with pytest.raises(ValueError):
        jit._assume([({1: 2}, 1)])


def test_facts_go_with_their_traces(jit):  # noqa: F811
    space = make()
    ex = jit._assume([(space, "a"), (space, "b")])
    assert jit._count_facts() == (2, 2)
    jit._retire(ex)
    assert jit._count_facts()[1] == 0
    jit._assume([])
    assert jit._count_facts() == (0, 0)


def test_invalidating_over_and_over_keeps_memory_flat(jit):  # noqa: F811
    import sys

    names = [f"name {i}" for i in range(3100)]      # one that kept changing would be refused

    def once(name):
        space = make()
        space[name] = 1
        jit._assume([(space, name), (space, "b")])
        space[name] = 0
        jit._sweep()

    for name in names[:100]:
        once(name)
    blocks = sys.getallocatedblocks()
    for name in names[100:]:
        once(name)
    assert sys.getallocatedblocks() - blocks < 50
