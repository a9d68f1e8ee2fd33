"""Every uop, kind of exit and abort reason was exercised by the tests that ran before this one.

Run the suites with JITPATCH_COVERAGE naming a file (an absolute path), then this file with
JITPATCH_COVERAGE_CHECK naming it: .ci/run does. Every process adds what it meets (src/runtime/face/coverage.c). What stays out is
listed in EXCEPTIONS with its reason; a new uop is not exercised by accident, but by a test.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import jitpatch

if not jitpatch.is_available():
    pytest.skip(f"{jitpatch.why_unavailable()}", allow_module_level=True)

FILE = os.environ.get("JITPATCH_COVERAGE_CHECK")
# Kinds that must be complete. `left`, the uops whose exit was taken, is printed only: many guards
# cannot fail in a program whose other guards hold.
COMPLETE = ("uop", "exit", "frame", "slot", "made", "trace", "abort")
EXCEPTIONS = {
    "abort ASSIGN_LOST": "only if a pass is wrong",
    "abort ASSIGN_STENCIL": "only if the build is wrong",
    "abort INTERNAL": "only if the recorder or a pass is wrong",
    "abort EMIT_RANGE": "code memory lies where every hole reaches; patch ranges have their own tests",
    "abort EMIT_PROTECT": "mprotect does not fail on memory that we reserved",
    "abort ASSIGN_MEMORY": "malloc does not fail by itself",
    "abort MEMORY": "malloc does not fail by itself",
    "abort RUN_ON": "a trace that ran a loop in which a recording began leaves at GUARD_VALID, if not before",
    "abort CALL": "CPython's compiler makes calls of more than 30 arguments with CALL_FUNCTION_EX",
    # The recorder's limits (MAX_SNAP_ENTRIES first of all) end a recording before these are reached:
    # tests/trace/test_limits.py tries. tests/c/ has traces that run out of spill slots.
    "abort ASSIGN_SPILLS": "see above",
    "abort ASSIGN_CODE": "see above",
    "abort ASSIGN_EXITS": "see above",
    "abort ASSIGN_LOCS": "see above",
    "abort ASSIGN_ENTRY": "see above",
}

PROGRAM = """
def total(n):
    s = 0
    for i in range(n):
        s += i
    return s

print(total(1000))
"""


def seen(path):
    """Kind -> names."""
    found = {}
    for line in Path(path).read_text().splitlines():
        kind, _, name = line.partition(" ")
        found.setdefault(kind, set()).add(name)
    return found


def test_a_run_tells_what_it_met(tmp_path):
    path = tmp_path / "met"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JITPATCH")}
    environment |= {"JITPATCH_COVERAGE": str(path), "PYTHONPATH": os.path.dirname(os.path.dirname(jitpatch.__file__))}
    command = [sys.executable, "-m", "jitpatch", "--threshold=2", "-c", PROGRAM]
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("499500\n", "")
    met = seen(path)
    assert met["uop"] >= {"INT_ADD", "LOOP", "LOOP_END", "EXIT_STUB"}
    assert met["exit"] == {"guard"}
    assert "loop" in met["trace"]
    lines = path.read_text().splitlines()
    assert len(lines) == len(set(lines))


def test_without_the_variable_nothing_is_written(tmp_path):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JITPATCH")}
    environment["PYTHONPATH"] = os.path.dirname(os.path.dirname(jitpatch.__file__))
    command = [sys.executable, "-m", "jitpatch", "--threshold=2", "-c", PROGRAM]
    subprocess.run(command, env=environment, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    assert list(tmp_path.iterdir()) == []


def test_exceptions_name_what_exists():
    names = jitpatch._jitpatch.dump_coverage()
    every = {f"{kind} {name}" for kind in COMPLETE for name in names[kind]}
    assert EXCEPTIONS.keys() <= every


@pytest.mark.skipif(not FILE, reason="JITPATCH_COVERAGE_CHECK does not name a file that other tests filled")
def test_everything_was_exercised():
    names, met = jitpatch._jitpatch.dump_coverage(), seen(FILE)
    missing = [f"{kind} {name}" for kind in COMPLETE for name in names[kind] if name not in met.get(kind, ())]
    never_left = sorted(set(names["left"]) - met.get("left", set()))
    print(f"exits never taken ({len(never_left)} of {len(names['left'])}): {' '.join(never_left)}")
    wrong = [name for name in missing if name not in EXCEPTIONS]
    if wrong:
        pytest.fail(f"never exercised: {', '.join(wrong)}", pytrace=False)
