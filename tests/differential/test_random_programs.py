"""Random programs behave the same with the JIT and without.

JITPATCH_FUZZ_SEED (default 1000) is the first program's number, JITPATCH_FUZZ_COUNT (default 300) how many.
"""

import os

import pytest

import compare
import generator
import harness

SEED = int(os.environ.get("JITPATCH_FUZZ_SEED", "1000"))
COUNT = int(os.environ.get("JITPATCH_FUZZ_COUNT", "300"))
BATCHES = [(start, min(compare.BATCH, SEED + COUNT - start)) for start in range(SEED, SEED + COUNT, compare.BATCH)]


@pytest.mark.parametrize("start, count", BATCHES, ids=[f"{s}-{s + n - 1}" for s, n in BATCHES])
def test_random_programs_behave_the_same(start, count):
    differences = compare.check(start, count)
    assert not differences, f"seeds {start} to {start + count - 1}:\n" + "\n".join(map(str, differences))


def test_a_seed_gives_one_program():
    assert generator.generate(7) == generator.generate(7)
    assert generator.generate(7) != generator.generate(8)


def test_a_difference_is_seen():
    """The comparison itself: a program that asks whether the JIT is on must be reported."""
    program = ("spy", "import os\nshow('spy', os.environ['JITPATCH'])\n")
    found = compare.compare([program], "spy", {"JITPATCH": "1"})
    assert [(d.name, d.alone) for d in found] == [("spy", True)]
    assert "'0'" in found[0].what and "'1'" in found[0].what


def test_a_crash_is_seen_and_the_rest_goes_on():
    """The process dies in one program; that one is blamed and the others still run."""
    crash = "import os\nif os.environ['JITPATCH'] == '1': os.abort()\n"
    programs = [("a", "show('a', 1)"), ("b", crash), ("c", "show('c', 3)")]
    found = compare.compare(programs, "spy", {"JITPATCH": "1"})
    assert [d.name for d in found] == ["b"]
    assert "SIGABRT" in found[0].what


def test_a_slow_program_is_left_out():
    slow = "import sys\nsys.stderr.write('by the way\\n')\nwhile True: pass"
    programs = [("slow", slow), ("quick", "show('q', 1)")]
    outputs = compare.run_batch(programs, harness.OFF, 10.0 if "JITPATCH_TEST_EMULATED" in os.environ else 0.5)
    assert [name for name, _ in compare.quick(programs, outputs)] == ["quick"]


def test_most_programs_loop():
    """The generator is of no use if its programs end before they become hot."""
    programs = compare.programs_for(SEED, 50)
    outputs = compare.run_batch(programs, harness.OFF, compare.SECONDS_OFF)
    assert len(compare.quick(programs, outputs)) > 48
    outputs = {name: outputs[name] for name, _ in compare.quick(programs, outputs)}
    assert sum(len(lines) > 10 for lines in outputs.values()) > 25
    assert not [lines for lines in outputs.values() if lines[-1].startswith("<process")]
