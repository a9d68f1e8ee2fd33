"""The stub files say what is there: mypy's stubtest finds no difference."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import jitpatch

pytest.importorskip("mypy")
if not jitpatch.is_available():
    pytest.skip(f"{jitpatch.why_unavailable()}", allow_module_level=True)


def test_stubs_agree_with_the_package(tmp_path):
    shutil.copytree(Path(jitpatch.__file__).parent, tmp_path / "jitpatch", ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run([sys.executable, "-m", "mypy.stubtest", "jitpatch"], capture_output=True, text=True, cwd=tmp_path,
                          env=os.environ | {"PYTHONPATH": str(tmp_path), "MYPYPATH": str(tmp_path)})
    assert done.returncode == 0, done.stdout + done.stderr
