"""Assumptions about a class."""

import gc

import pytest

from jit_fixture import jit  # noqa: F401


def classes():
    class Base:
        attribute = 1

        def method(self):
            pass

    class Derived(Base):
        pass

    return Base, Derived


@pytest.mark.parametrize("change", [
    lambda cls: setattr(cls, "attribute", 2), lambda cls: setattr(cls, "new", 2),
    lambda cls: delattr(cls, "method"), lambda cls: setattr(cls, "__init__", lambda self: None),
    lambda cls: setattr(cls, "__getattr__", lambda self, name: None),
], ids=range(5))
def test_a_change_of_the_class_or_its_base_breaks_it(jit, change):  # noqa: F811
    base, derived = classes()
    exs = [jit._assume([(base, None)]), jit._assume([(derived, None)])]
    change(base)
    assert [ex.is_valid() for ex in exs] == [False, False]


def test_a_change_of_a_subclass_leaves_the_base(jit):  # noqa: F811
    base, derived = classes()
    exs = [jit._assume([(base, None)]), jit._assume([(derived, None)])]
    derived.attribute = 5
    assert [ex.is_valid() for ex in exs] == [True, False]


def test_other_bases(jit):  # noqa: F811
    base, derived = classes()
    other = classes()[0]
    ex = jit._assume([(derived, None)])
    derived.__bases__ = (other,)
    assert not ex.is_valid()


def test_every_change_is_reported_not_only_the_first(jit):  # noqa: F811
    base, _ = classes()
    for i in range(3):
        ex = jit._assume([(base, None)])
        assert ex.is_valid()
        base.attribute = i
        assert not ex.is_valid()
    with pytest.raises(ValueError):     # it is not likely to stay as it is
        jit._assume([(base, None)])


def test_instances_do_not_matter(jit):  # noqa: F811
    base, _ = classes()
    ex = jit._assume([(base, None)])
    base().attribute = 8
    base().__class__ = classes()[0]
    assert ex.is_valid()


def test_the_end_of_the_class(jit):  # noqa: F811
    base, derived = classes()
    ex = jit._assume([(derived, None)])
    del base, derived
    gc.collect()
    assert not ex.is_valid()


def test_classes_that_come_and_go(jit):  # noqa: F811
    for _ in range(100):
        base, derived = classes()
        ex = jit._assume([(base, None), (derived, None)])
        assert ex.is_valid()
        del base, derived
        gc.collect()
        assert not ex.is_valid()


@pytest.mark.parametrize("cls", [int, list, dict, type(None), type(lambda: 1)])
def test_builtin_types_cannot_change(jit, cls):  # noqa: F811
    before = jit._count_facts()         # compiled loops of the test's own surroundings may have some
    assert jit._assume([(cls, None)]).is_valid()
    assert jit._count_facts() <= before


def test_a_class_without_versions_left_is_not_relied_upon(jit):  # noqa: F811
    base, _ = classes()
    with pytest.raises(ValueError):
        for i in range(2000):       # 3.13 gives a class a thousand versions
            jit._assume([(base, None)])
            base.attribute = i
