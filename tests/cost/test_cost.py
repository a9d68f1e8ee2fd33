"""What it costs to enter a trace and to leave it, in instructions, held against a budget.

callgrind counts what calls.py executes, phase by phase, once with the JIT and once without. A cost is what an event,
the way into the trace, its exit and the restoring of frames add: the difference of two phases, less the
trace's own instructions and less those of the interpreter for the iteration that it still does itself. What
CPython does for an event is in it (some 330 instructions with a shared libpython).
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import jitpatch

CALLS_PY = Path(__file__).with_name("calls.py")
CALLS = int(re.search(r"^CALLS = (\d+)", CALLS_PY.read_text(), re.M)[1])
NAMES = re.findall(r'^    \("(.*?)",', CALLS_PY.read_text(), re.M)
NOISE = 1.02

# Instructions, with CPython 3.13.0 as pyenv builds it (another build's interpreter costs a little more or less).
BUDGET = {
    "a loop of two unboxed variables": 600,
    "a loop of five unboxed variables": 690,
    "a loop over a list": 550,
    "a function that returns": 660,
    "a function called by map through its door": -190,
    "a function called by sorted through its door": -190,
    "a function called by the interpreter through its door": 150,
    "a call that leaves out a default, through the door": 60,
    "an exit in an inlined function, and back in": 1700,
}

if not jitpatch.is_available():
    pytest.skip(f"{jitpatch.why_unavailable()}", allow_module_level=True)
if shutil.which("valgrind") is None:
    pytest.skip("there is no valgrind here to count instructions with", allow_module_level=True)


def parse(path):
    """Instructions in one of callgrind's files: all, and those in machine code that no file holds."""
    objects, current, inclusive = {}, None, False
    total = own = 0
    for line in path.read_text().splitlines():
        name = re.match(r"c?ob=\((\d+)\)(?: (.*))?", line)
        if name is not None:
            if name[2] is not None:
                objects[name[1]] = name[2]
            if not line.startswith("c"):
                current = objects[name[1]]
        elif line.startswith("calls="):
            inclusive = True            # the next line is the callee's
        elif (cost := re.match(r"[\d+*-]\S* (\d+)$", line)) is not None:
            if not inclusive:
                total += int(cost[1])
                own += int(cost[1]) if current == "???" else 0
            inclusive = False
    return total, own


def count(folder, mode):
    """{phase: (instructions, in machine code of traces) per call}"""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("JITPATCH", "PYTHON"))}
    command = ["valgrind", "--tool=callgrind", "--dump-before=getppid", f"--callgrind-out-file={folder / 'out'}",
               sys.executable, str(CALLS_PY), mode]
    run = subprocess.run(command, env={**env, "PYTHONHASHSEED": "0"}, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    files = sorted(folder.glob("out.*"), key=lambda path: int(path.suffix[1:]))
    assert len(files) == 2 * len(NAMES), "callgrind does not see getppid()"
    counts = [parse(path) for path in files[1::2]]
    return {name: (total / CALLS, own / CALLS) for name, (total, own) in zip(NAMES, counts)}


@pytest.fixture(scope="module")
def costs(tmp_path_factory):
    on = count(tmp_path_factory.mktemp("on"), "on")
    off = count(tmp_path_factory.mktemp("off"), "off")
    assert all(own > 20 for name, (_, own) in on.items() if name.endswith((" 12 turns", "exit")) or name == "leaf")

    def around(name):
        return on[name][0] - on[name][1]

    def loop(name):
        interpreted = off[f"{name}: 1 turn"][0] - off[f"{name}: 0 turns"][0]
        return around(f"{name}: 12 turns") - around(f"{name}: 0 turns") - interpreted

    return {
        "a loop of two unboxed variables": loop("two"),
        "a loop of five unboxed variables": loop("five"),
        "a loop over a list": loop("walk"),
        "a function that returns": around("leaf") - off["idle"][0],
        "a function called by map through its door": around("door") - off["idle"][0],
        "a function called by sorted through its door": around("door, sorted") - off["idle, sorted"][0],
        "a function called by the interpreter through its door":
            around("door, interpreted calls") - off["idle, interpreted calls"][0],
        "a call that leaves out a default, through the door":
            around("door, default, interpreted calls") - off["idle with a default, interpreted calls"][0],
        "an exit in an inlined function, and back in": around("caller: one exit") - around("caller: no exit"),
    }


@pytest.mark.parametrize("what", BUDGET)
def test_entering_and_leaving_costs_no_more_than(costs, what):
    print(f"{what}: {costs[what]:.0f} instructions")
    assert (50 if BUDGET[what] > 0 else -400) < costs[what] <= BUDGET[what] + (NOISE - 1) * abs(BUDGET[what])
