"""What is left in a compiled loop's body."""

import pytest

import jitpatch
from jit_fixture import jit  # noqa: F401

pytestmark = pytest.mark.core


def body(function, *args):
    """The instructions between LOOP and LOOP_END of the newest trace that has them."""
    jitpatch.enable(threshold=2, side_threshold=1)
    function(*args)
    for ex in jitpatch.executors(function):
        lines = [line for line in ex.uops().splitlines() if line[:4].isdigit()]
        names = [line[11:].split()[0] for line in lines]
        if "LOOP" in names:
            start, end = names.index("LOOP"), names.index("LOOP_END")
            return [(name, line[9] == "s") for name, line in zip(names[start:end], lines[start:end])]
    raise AssertionError("no loop")


def emitted(instructions):
    return [name for name, sunk in instructions if not sunk and name != "LOOP"]


def test_a_range_needs_one_counter_and_no_store(jit):  # noqa: F811
    def f(n):
        total = 0
        for i in range(n):
            total += i
        return total

    assert emitted(body(f, 100)) == ["GUARD_INT_LT", "INT_ADD_SURE", "INT_ADD", "CHECK_BREAKER"]


def test_an_int_of_a_range_becomes_a_float_without_a_check(jit):  # noqa: F811
    def f(n):
        total = 0.0
        for i in range(n):
            total += i * 0.5
        return total

    found = emitted(body(f, 100))
    assert "INT_TO_FLOAT_SURE" in found and "GUARD_INT_GE" not in found and "GUARD_INT_LE" not in found


def test_a_list_iterator_is_not_written_either(jit):  # noqa: F811
    def f(numbers):
        total = 0
        for x in numbers:
            total += x
        return total

    instructions = body(f, [*range(100)])
    assert ("ITER_SET_INDEX", True) in instructions
    assert not {"ITER_INDEX", "ITER_SEQ", "ITER_SET_INDEX"} & {*emitted(instructions)}


def test_an_iterator_that_is_looked_at_is_written_before(jit):  # noqa: F811
    def f(n):
        total = 0
        it = iter(range(n))
        for i in it:
            total += it.__length_hint__()
        return total

    assert "RANGE_SET_START" in emitted(body(f, 3000))


def test_a_root_trace_does_not_leave_its_loop(jit):  # noqa: F811
    def f(n):
        total = 0
        for i in range(n):
            j = 0
            while j < 5:
                j += 1
                total += j
        return total

    instructions = body(f, 100)
    assert not {name for name, _ in instructions} & {"RANGE_END", "RANGE_START", "RANGE_SET_START"}


def test_a_turn_of_the_outer_loop_makes_no_numbers(jit):  # noqa: F811
    def f(n):
        total = 0
        for i in range(n):
            x = i * 0.5
            k = 0
            while k < 9:
                x += 1.0
                k += 1
            total += k
        return total, x

    body(f, 300)
    assert f(300) == (2700, 158.5)
    sides = [ex.uops() for ex in jitpatch.executors(f) if "side" in repr(ex)]
    outer = [text for text in sides if "RANGE_SET_START" in text and "JUMP" in text]
    assert outer
    made = [line for text in outer for line in text.splitlines() if " BOX_" in line and line[9] != "s"]
    assert not made


def test_a_turn_of_the_outer_loop_makes_no_numbers_where_jumps_are_long(jit):  # noqa: F811
    source = (
        "def f(n):\n    total = 0\n    for i in range(n):\n        x = i * 0.5\n        k = 0\n"
        "        while k < 9:\n" + "            x += 1.0\n" * 80 + "            k += 1\n"
        "        total += k\n    return total, x\n")
    namespace = {}
    exec(source, namespace)
    f = namespace["f"]
    body(f, 300)
    assert f(300) == (2700, 869.5)
    sides = [ex.uops() for ex in jitpatch.executors(f) if "side" in repr(ex)]
    outer = [text for text in sides if "RANGE_SET_START" in text and "JUMP" in text]
    assert outer
    made = [line for text in outer for line in text.splitlines() if " BOX_" in line and line[9] != "s"]
    assert not made


def test_module_variables_stay_in_registers(jit):  # noqa: F811
    source = "total = 0\nfor i in range(300):\n    total += i\n"
    namespace = {}
    code = compile(source, "<module>", "exec")
    jitpatch.enable(threshold=2, side_threshold=1)
    exec(code, namespace)
    assert namespace["total"] == 44850 and namespace["i"] == 299
    loops = [ex for ex in jitpatch.executors() if ex.code is code]
    text = loops[0].uops().partition("LOOP  ")[2]
    stores = [line for line in text.splitlines() if "GLOBAL_STORE" in line]
    assert len(stores) == 2 and all(line[9] == "s" for line in stores)
    assert "GLOBAL_LOAD" not in text


def test_a_list_extended_in_place_runs_no_unknown_code(jit):  # noqa: F811
    def f(n):
        out = []
        for i in range(n):
            out += [i]
            out += (i, i)
        return out

    jitpatch.enable(threshold=20)
    assert len(f(1000)) == 3000
    uops = "".join(ex.uops() for ex in jitpatch.executors(f))
    assert "CALL2" in uops and "GUARD_VALID" not in uops
    assert f(50) == [x for i in range(50) for x in (i, i, i)]


class Thing:
    def __init__(self):
        self.name, self.step, self.total = "n" * 9, 3, 0

    def scaled(self, x):
        return x * self.step


def test_references_within_another_ones_life_do_not_keep_it_counted(jit):  # noqa: F811
    def f(n):
        thing = Thing()
        for i in range(n):
            thing.total += thing.scaled(i) + 1
        return thing.total

    assert "INCREF" not in emitted(body(f, 100))


def test_an_operand_made_meanwhile_does_not_keep_the_other_one_counted(jit):  # noqa: F811
    def f(n):
        thing = Thing()
        text = ""
        for i in range(n):
            text = thing.name + (f"{i}" + "!")
        return text

    found = emitted(body(f, 100))
    assert "INCREF" not in found and "DECREF_SIMPLE" in found
