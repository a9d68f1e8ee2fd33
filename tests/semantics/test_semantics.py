"""The contract, one behaviour each: every case_* function of the cases_*.py files prints the same,
ends the same and writes the same to stderr with the JIT as without.

A case runs in a process of its own, once without the JIT and once per mode. It is hot for the default
thresholds too: its loops make HOT turns. A new behaviour is a new function in one of the files.
"""

import ast
import os
import tempfile
from functools import lru_cache
from pathlib import Path

import pytest

import harness

HERE = Path(__file__).parent
CORE = ("cases_arrays.py", "cases_moves.py")


def cases():
    return [pytest.param(path.name, node.name, id=f"{path.stem[6:]}-{node.name[5:]}",
                         marks=[pytest.mark.core] if path.name in CORE else [])
            for path in sorted(HERE.glob("cases_*.py"))
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.FunctionDef) and node.name.startswith("case_")]


@lru_cache(maxsize=None)
def outcome(file, name, mode):
    settings = harness.OFF if mode is None else harness.modes()[mode]
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder, "traces")
        done = harness.run([str(HERE / "run_case.py"), str(HERE / file), name], settings | {"CASE_TELLS": str(told)}, timeout=60)
        traces = int(told.read_text()) if told.exists() else 0
    return done.status, harness.without_addresses(done.stdout), harness.without_addresses(done.stderr), traces


@pytest.mark.parametrize("mode", harness.modes())
@pytest.mark.parametrize("file, name", cases())
def test_same_with_the_jit(file, name, mode):
    expected, got = outcome(file, name, None), outcome(file, name, mode)
    if expected[0] != got[0]:
        pytest.fail(f"exit status {got[0]} instead of {expected[0]}\n{got[2][-800:]}", pytrace=False)
    for what, a, b in zip(("stdout", "stderr"), expected[1:3], got[1:3]):
        if a != b:
            pytest.fail(f"{what} differs, {harness.first_difference(a, b)}", pytrace=False)


@pytest.mark.parametrize("file, name", cases())
def test_case_says_something(file, name):
    """A case that prints nothing compares nothing; the interpreter alone must never crash."""
    status, stdout, stderr, _ = outcome(file, name, None)
    assert stdout.strip() or stderr.strip()
    assert status >= 0


@pytest.mark.skipif("first" not in harness.modes() or "JITPATCH_TEST_OPTIONS" in os.environ or not harness.jit_available(),
                    reason="compiled as soon as can be, and without limits, in mode first alone")
@pytest.mark.parametrize("file, name", cases())
def test_case_is_compiled(file, name):
    """A case of which nothing is compiled compares the interpreter with itself."""
    assert outcome(file, name, "first")[3] > 0
