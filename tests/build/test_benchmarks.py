"""What benchmarks/*.py and tools/test.py say to somebody who has not set everything up."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(script, *words, python=sys.executable, **environment):
    return subprocess.run([python, str(ROOT / "benchmarks" / script), *words], capture_output=True, text=True, cwd="/",
                          env=os.environ | environment, timeout=120)


@pytest.mark.parametrize(("script", "words", "said"), [
    ("run.py", ["--interpreters", "/nowhere/python"], "run.py: no interpreter '/nowhere/python': No such file or directory"),
    ("run.py", ["--interpreters", "/bin/false"], "run.py: /bin/false is no Python that runs: it says nothing"),
    ("run.py", ["--option", "threshold"], "run.py: expected NAME=VALUE, not 'threshold'"),
    ("run.py", ["--cpu", "9999"], "run.py: CPU 9999 is not one of"),
    ("run.py", ["nosuch"], "no such program: nosuch; there are "),
    ("compare.py", ["a=/nowhere/python"], "compare.py: no interpreter '/nowhere/python'"),
    ("compare.py", ["a"], "compare.py: expected NAME=COMMAND, not 'a'"),
    ("startup.py", ["--python", "/nowhere/python"], "startup.py: no interpreter '/nowhere/python'"),
    ("pyperformance_run.py", ["--python", "/nowhere/python"], "pyperformance_run.py: no interpreter '/nowhere/python'"),
    ("worker.py", [], "usage: "),
])
def test_what_is_missing_is_one_line(script, words, said):
    done = run(script, *words)
    assert done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1
    assert done.stderr.startswith(said)


def test_a_missing_package_is_one_line(tmp_path):
    """A stand-in for an interpreter that has nothing installed: no site-packages."""
    done = subprocess.run([sys.executable, "-S", str(ROOT / "benchmarks/codegen.py")], capture_output=True, text=True, cwd="/")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"codegen.py: {sys.executable} has no llvmlite: ") and done.stderr.count("\n") == 1


def test_a_missing_compiler_is_one_line():
    done = run("run.py", "int_sum", "--quick", JITPATCH_CLANG="/nowhere/clang")
    assert done.returncode == 1 and done.stderr == (
        "run.py: no C compiler '/nowhere/clang' (JITPATCH_CLANG): No such file or directory\n")


def test_the_test_run_says_how_far_it_is(tmp_path):
    (tmp_path / "conftest.py").write_text((ROOT / "tests/conftest.py").read_text())
    (tmp_path / "test_some.py").write_text("import pytest\n@pytest.mark.parametrize('n', range(3))\ndef test_it(n): assert n != 1\n")
    path = os.pathsep.join([str(ROOT / "tests"), *filter(None, sys.path)])
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", str(tmp_path)], capture_output=True, text=True, cwd=tmp_path,
                          env=os.environ | {"JITPATCH_TEST_HOW_FAR": "0", "PYTHONPATH": path})
    lines = [line for line in done.stdout.splitlines() if line.startswith("[")]
    assert [line.partition(" after ")[0] for line in lines] == ["[1 of 3 tests", "[2 of 3 tests", "[3 of 3 tests"]
    assert lines[-1].endswith("s, 1 failed]")
