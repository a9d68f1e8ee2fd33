"""Side traces begin with what the traces before them have found out: what still holds, and nothing else."""

import sys

import pytest

import jitpatch
from jit_fixture import jit  # noqa: F401

pytestmark = pytest.mark.core


@pytest.fixture(autouse=True)
def off(jit):  # noqa: F811
    """Off until a test has what the interpreter gives: code counted at the fixture's threshold stays cold."""
    jitpatch.disable()


def grown(function, *args, calls=3, **options):
    """Its result with the JIT, compared with the one without, and its traces' uops."""
    expected = [function(*args) for _ in range(calls)]
    jitpatch.enable(threshold=2, call_threshold=2, side_threshold=1, sample=0, **options)
    assert [function(*args) for _ in range(calls)] == expected
    mine = [ex for ex in jitpatch.executors() if ex.code is function.__code__]
    return [ex.uops() for ex in mine if repr(ex).startswith("<jitpatch.Executor side")]


def count(texts, *words):
    return sum(all(word in line for word in words) for text in texts for line in text.splitlines())


def asked_again(n):
    total = 0
    for i in range(n):
        small = i < 5
        if i % 3 == 0:
            small = None
            again = i < 5
            total += again
    return total


def test_a_truth_found_before_is_found_again_after_its_variable_went():
    assert count(grown(asked_again, 300), "INHERIT") > 0        # (the books of debug builds balance, above all)


def fizzbuzz(n, put):
    for i in range(n):
        s = ""
        if not i % 3:
            s += "fizz"
        if not i % 5:
            s += "buzz"
        if s:
            put(s)
        else:
            put(i)


def test_fizzbuzz_builds_no_string_and_tests_none():
    expected, out = [], []
    fizzbuzz(600, expected.append)
    jitpatch.enable(threshold=20, side_threshold=5, sample=0)
    fizzbuzz(600, out.append)
    assert out == expected
    sides = [ex.uops() for ex in jitpatch.executors() if ex.code is fizzbuzz.__code__
             and repr(ex).startswith("<jitpatch.Executor side")]
    root = next(ex.uops() for ex in jitpatch.executors(fizzbuzz) if not repr(ex).startswith("<jitpatch.Executor side"))
    assert len(sides) >= 3
    for text in sides:
        for op in ("C_FROM2", "STR_APPEND", "STR_LEN"):
            assert op not in text
    for made in ("'fizz'", "'buzz'", "'fizzbuzz'"):
        assert any(made in text for text in [*sides, root])


def test_the_unknown_function_that_prints_may_be_in_python():
    shown = []

    class Printer:
        def __call__(self, what):
            shown.append(what)

    fizzbuzz(300, Printer())
    expected = shown[:]
    shown.clear()
    jitpatch.enable(threshold=2, side_threshold=1, sample=0)
    fizzbuzz(300, Printer())
    assert shown == expected


def test_types_are_not_checked_again():
    def f(items):
        total = 0
        for i in range(200):
            if len(items) > 5 and i % 2:
                total += items[i % 3]
            else:
                total += len(items) + items[0]
        return total

    sides = grown(f, list(range(10)))
    assert sides and count(sides, "GUARD_TYPE", "<list>") == 0


def asks_twice():
    odd = 0
    for i in range(100):
        if i % 2 == 1:
            odd += 1
        if i % 2 == 1:
            odd += 2
    return odd


def test_the_branch_not_taken_is_known():
    sides = grown(asks_twice)
    assert sides and count(sides, "GUARD_INT_NE") + count(sides, "GUARD_INT_EQ") == 0


def test_a_list_that_grew_is_measured_again():
    def f(n):
        items, out = [], 0
        for i in range(n):
            if len(items) == 3:
                if i % 2:
                    items.append(i)
                    out += 1 if len(items) == 3 else 10
                else:
                    items.clear()
                    out += 100 if len(items) == 3 else 1000
            else:
                items.append(i)
        return out

    grown(f, 300)


def test_a_list_that_somebody_else_grows_is_measured_again():
    def f(items, touch):
        out = []
        for i in range(200):
            n = len(items)
            touch(i)
            if i % 3 == 0:
                out.append((n, len(items)))
            elif i % 3 == 1:
                out.append(len(items) - n)
        return out

    for calls in (1, 3):
        items = []
        expected = f(items, lambda i: items.append(i) if i % 2 else None)
        jitpatch.enable(threshold=2, side_threshold=1, sample=0)
        for _ in range(calls):
            items = []
            assert f(items, lambda i: items.append(i) if i % 2 else None) == expected
        jitpatch.disable()


class A:
    def name(self):
        return "A"


class B:
    def name(self):
        return "B"


def test_a_class_assigned_in_between_is_seen():
    def turn(o, i):
        if i % 7 == 3:
            o.__class__ = B if o.__class__ is A else A

    def f(o):
        out = []
        for i in range(300):
            before = o.name()
            if i % 2:
                turn(o, i)
                out.append(before + o.name())
            else:
                out.append(o.name())
        return out, o.__class__.__name__

    expected = [f(A()) for _ in range(2)]
    jitpatch.enable(threshold=2, call_threshold=2, side_threshold=1, sample=0)
    assert [f(A()) for _ in range(2)] == expected


LIMIT = 5


def test_a_global_bound_anew_is_seen():
    def change(i):
        global LIMIT
        LIMIT = 5 + i % 3

    def f():
        out = 0
        for i in range(300):
            if LIMIT == 5:
                if i % 4 == 1:
                    change(i)
                    out += LIMIT
            elif i % 4 == 3:
                change(i)
                out += 10 * LIMIT
        return out

    change(0)
    expected = f()
    change(0)
    jitpatch.enable(threshold=2, side_threshold=1, sample=0)
    for _ in range(3):
        change(0)
        assert f() == expected


def test_an_attribute_deleted_or_set_in_between_is_seen():
    class Node:
        value = -1

    def f():
        node, out = Node(), 0
        node.value = 0
        for i in range(300):
            if node.value == 0:
                out += 1
                if i % 5 == 1:
                    del node.value
                    out += node.value
            else:
                node.value = i % 2
                if i % 3:
                    out += 100 * node.value
                else:
                    node.value = 0
                    out += 1000 * (node.value + 1)
        return out

    grown(f)


def test_a_dict_changed_in_between_is_seen():
    def f():
        d, out = {"a": 1}, 0
        for i in range(300):
            if d["a"] == 1 and len(d) == 1:
                if i % 3 == 1:
                    d["b" if i % 2 else "a"] = i
                    out += d["a"] + 10 * len(d)
            else:
                d = {"a": i % 2}
                out += len(d)
        return out

    grown(f)


def test_a_variable_set_through_the_frame_is_seen():
    def poke(i):
        if i % 11 == 5:
            sys._getframe(1).f_locals["x"] = "text" if i % 2 else 7

    def f():
        x, out = 1, []
        for i in range(300):
            if isinstance(x, int):
                poke(i)
                out.append(x + 1 if isinstance(x, int) else x)
            elif i % 3:
                poke(i)
                out.append(len(x) if isinstance(x, str) else x)
        return out

    grown(f)


def test_loop_variables_that_change_are_checked_in_each_turn():
    def f():
        x, y, out = 0, 1, 0
        for i in range(400):
            if x < y:
                x, y = y, x + i % 3
                out += x
            elif x == y:
                out += 1000
                x = i % 2
            else:
                x, y = y, (x - 1 if i % 5 else "s".count("s") + i % 2)
        return out, x, y

    grown(f)


def test_a_value_that_changes_its_type_is_checked():
    def f():
        x, out = 0, []
        for i in range(400):
            if type(x) is int:
                x = x + 1 if i % 7 else 0.5
            elif type(x) is float:
                x = x + 0.5 if i % 5 else "s"
            else:
                x = i
            if i % 3 == 0:
                out.append(x)
        return out

    grown(f)


@pytest.mark.parametrize("every", [1, 2, 3, 7, 50])
def test_facts_forgotten_at_random_change_nothing(every):
    def f():
        items, out, s = [1, 2.5, "x"], [], ""
        for i in range(400):
            item = items[i % 3]
            if isinstance(item, int):
                s += "a" if i % 4 else ""
            elif isinstance(item, float):
                items[1] = item + 1
                out.append(items[1])
            elif i % 5:
                out.append((s, len(items)))
            else:
                s = ""
        return out

    try:
        grown(f, forget_facts=every)
    finally:
        jitpatch._jitpatch.set_param("forget_facts", 0)


def test_forgotten_facts_are_checked_again():
    try:
        sides = grown(asks_twice, forget_facts=1)
    finally:
        jitpatch._jitpatch.set_param("forget_facts", 0)
    assert count(sides, "GUARD_INT_NE") + count(sides, "GUARD_INT_EQ") > 0


def test_sums_of_constant_strings_that_are_long_are_made_each_time():
    def f():
        n = 0
        for i in range(100):
            s = "x" * 200
            s += "y" * 200
            n += len(s) + (s == "x" * 200 + "y" * 200)
        return n

    grown(f)


def test_constant_strings_compare_as_they_are():
    def f():
        n = 0
        for i in range(100):
            s = "a"
            if i % 2:
                s += "b"
            if s == "ab":
                n += 1
            if s != "a":
                n += 10
        return n

    sides = grown(f)
    assert sides and count(sides, "C_INT2") == 0
