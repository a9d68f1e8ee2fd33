"""Limits of what is recorded and compiled: behind each the program goes on as before, and the reason is counted."""

import subprocess
import sys

import pytest

import jitpatch

if not jitpatch.is_available():
    pytest.skip(f"{jitpatch.why_unavailable()}", allow_module_level=True)


def aborts_of(source, turns=60, **options):
    """The reasons counted while f(turns) of `source` runs compiled; its result must be the interpreter's."""
    plain, hot = {}, {}
    exec(source, plain)
    exec(source, hot)
    before = jitpatch.is_enabled()
    jitpatch.disable()
    expected = plain["f"](turns)
    jitpatch.reset_stats()
    with jitpatch.enabled(threshold=2, side_threshold=2, **options):
        assert hot["f"](turns) == expected
        found = jitpatch.stats().aborts
    assert not before
    return found


def summing(lines):
    return "def f(n):\n    t = 1\n    for i in range(n):\n" + "".join(f"        {line}\n" for line in lines) + "    return t\n"


def test_a_long_path():
    assert "the path is too long" in aborts_of(summing(["t ^= i"] * 100), max_trace=50)


def test_many_bytecodes():
    assert "the path is too long" in aborts_of(summing(["t ^= i"] * 100), max_bytecodes=50)


def reading(count, expression):
    """A loop over one expression of many variables."""
    names = [f"v{k}" for k in range(count)]
    source = "def f(n):\n    t = 1\n" + "".join(f"    {name} = {k}\n" for k, name in enumerate(names))
    return source + f"    for i in range(n):\n        t ^= {expression(names)}\n    return t\n"


def nested(names):
    """Every product waits on the stack for the ones behind it."""
    return f"({names[0]} & i) ^ ({nested(names[1:])})" if names else "i"


def rotating(count):
    """A loop that moves every variable on, without a guard that could fill the snapshots first."""
    names = [f"v{k}" for k in range(count)]
    source = "def f(n):\n" + "".join(f"    {name} = [{k}]\n" for k, name in enumerate(names))
    moves = "".join(f"        {a} = {b}\n" for a, b in zip(names, names[1:]))
    return source + f"    for i in range(n):\n{moves}        {names[-1]} = [i]\n    return v0\n"


def test_many_variables():
    assert "too many variables in the loop" in aborts_of(rotating(230))


def test_many_variables_and_guards():
    assert "too many exits to remember the frames for" in aborts_of(reading(210, " ^ ".join))


def test_many_values_at_once():
    assert "too many exits to remember the frames for" in aborts_of(reading(170, nested))


def test_many_exits():
    found = aborts_of(summing(["t = t + i"] * 1300 + ["t &= 0xffff"]), max_trace=5500, max_bytecodes=100000)
    assert "too many exits to remember the frames for" in found


def test_deep_calls():
    calls = "".join(f"def g{k}(x):\n    return g{k + 1}(x) + 1\n" for k in range(20)) + "def g20(x):\n    return x\n"
    aborts_of(calls + summing(["t ^= g0(i)"]))
    aborts_of(calls + summing(["t ^= g0(i)"]), max_inline=0)


def test_wide_frames():
    """Two frames that are together wider than what is recorded: the call must not be half done."""
    names = " = ".join(f"v{k}" for k in range(600))
    wide = "def g{}(x):\n    {} = x\n    return {}\n"
    source = wide.format(2, names, "v1 + 1") + wide.format(1, names, "g2(v3)") + summing(["t ^= i"] * 20 + ["t += g1(i)"])
    assert "calls nested too deeply" in aborts_of(source)


FILLS = """
import jitpatch
jitpatch.enable(code_limit=1, threshold=2)
total = 0
for k in range(250):
    names = {}
    exec("def f(n):\\n    t = 1\\n    for i in range(n):\\n" + f"        t += i\\n        t ^= {k}\\n" * 60 + "    return t\\n", names)
    globals()[f"keep{k}"] = names
    total ^= names["f"](50)
found = jitpatch.stats()
print("code memory is full" in found.aborts, found.roots > 20, found.code_memory <= 1 << 20)
before, where = total, found.roots
jitpatch.disable()
again = 0
for k in range(250):
    again ^= globals()[f"keep{k}"]["f"](50)
print(again == total)
"""


def test_full_code_memory():
    done = subprocess.run([sys.executable, "-c", FILLS], capture_output=True, text=True, cwd="/")
    assert (done.stdout, done.stderr) == ("True True True\nTrue\n", "")


@pytest.mark.parametrize("limit", [0, 1, 2])
def test_side_traces_of_one_tree(limit):
    source = summing(["if i % 3 == 0: t += 1", "if i % 5 == 0: t += 2", "if i % 7 == 0: t += 4"])
    aborts_of(source, turns=500, max_sides=limit)
    found = jitpatch.stats()
    assert found.sides <= limit * found.roots
