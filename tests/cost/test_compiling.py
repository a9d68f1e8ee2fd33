"""What it costs to compile, and to invalidate, in instructions, held against budgets.

callgrind counts what happens from the first bytecode that is recorded to the installed trace (with what was recorded in
vain; without the interpreter's own execution of the path, and without CPython's dispatch of the events), and what a change
costs that makes many traces invalid.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import jitpatch

COMPILING_PY = Path(__file__).with_name("compiling.py")
NOISE = 1.02
PER_UOP = 4550          # with CPython 3.13.0 as pyenv builds it

if not jitpatch.is_available():
    pytest.skip(f"{jitpatch.why_unavailable()}", allow_module_level=True)
if shutil.which("valgrind") is None:
    pytest.skip("there is no valgrind here to count instructions with", allow_module_level=True)


def count(folder, options, *args):
    """(what the script prints, the instructions counted last)"""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("JITPATCH", "PYTHON"))}
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder / 'out'}", *options,
               sys.executable, str(COMPILING_PY), *args]
    run = subprocess.run(command, env={**env, "PYTHONHASHSEED": "0"}, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    files = sorted(folder.glob("out*"), key=lambda path: int(path.suffix[1:] or 9999))
    totals = [int(re.search(r"^(?:summary|totals): (\d+)", path.read_text(), re.M)[1]) for path in files]
    return int(run.stdout), totals


def test_compiling_costs_no_more_than_a_budget_for_each_uop(tmp_path):
    starts = ("record_start_root", "record_start_function", "record_start_resumed", "record_start_side")
    toggles = [f"--toggle-collect={name}" for name in ("on_instruction", *starts)]
    uops, totals = count(tmp_path, ["--collect-atstart=no", *toggles], "program")
    assert uops > 3000 and len(totals) == 1
    print(f"{totals[0] / uops:.0f} instructions a uop, of {uops} uops")
    assert 1000 < totals[0] / uops <= PER_UOP * NOISE


def test_a_change_of_what_many_traces_use_costs_each_of_them_the_same(tmp_path):
    costs = []
    for n in (150, 600):
        folder = tmp_path / str(n)
        folder.mkdir()
        gone, totals = count(folder, ["--dump-before=getppid"], "rebind", str(n))
        assert gone >= n and len(totals) == 3
        costs.append(totals[1] / n)
    print(f"{costs[0]:.0f} and {costs[1]:.0f} instructions a trace")
    assert costs[1] < 1.25 * costs[0]
