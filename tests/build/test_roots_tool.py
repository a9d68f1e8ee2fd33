"""tools/test_roots.py: what it says when it cannot do what was asked."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(*words, **settings):
    command = [sys.executable, ROOT / "tools/test_roots.py", *words]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | settings)


def test_an_unknown_root_is_named_with_those_there_are():
    done = run("arm65")
    assert done.returncode == 2
    assert done.stderr == "test_roots: no root 'arm65'; there are arm64, trixie, forky\n"


def test_no_interpreter_to_build_with():
    done = run("trixie", JITPATCH_PYTHON="/nowhere/python3.13")
    assert done.returncode == 1
    assert done.stderr.startswith("test_roots: no CPython 3.13 found")
