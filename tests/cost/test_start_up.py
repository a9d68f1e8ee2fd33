"""What switching the JIT on adds to the start of Python, in instructions, held against a budget.

As installed: the start hook and the package in a site folder, with their bytecode on disk.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import jitpatch

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(jitpatch.__file__).parent
MILLIONS = 3.7          # 3.3 to 3.5 with CPython 3.13.0 as pyenv builds it, by the folders looked through; a millisecond, about

if not jitpatch.is_available():
    pytest.skip(f"{jitpatch.why_unavailable()}", allow_module_level=True)
if shutil.which("valgrind") is None:
    pytest.skip("there is no valgrind here to count instructions with", allow_module_level=True)


@pytest.fixture
def environment(tmp_path):
    site = tmp_path / "lib" / "python{}.{}".format(*sys.version_info[:2]) / "site-packages"
    site.mkdir(parents=True)
    for hook in (ROOT / "startup").iterdir():
        if hook.is_file():
            shutil.copy(hook, site)
    shutil.copytree(PACKAGE, site / "jitpatch", ignore=shutil.ignore_patterns("__pycache__"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JITPATCH", "PYTHON"))}
    return kept | {"PYTHONUSERBASE": str(tmp_path), "PYTHONHASHSEED": "0"}


def instructions(environment, folder, *flags):
    command = [sys._base_executable, *flags, "-c", "pass"]
    subprocess.run(command, env=environment, cwd="/", check=True)          # writes the bytecode
    run = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder / 'out'}", *command],
                         env=environment, cwd="/", capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return int(re.search(r"Collected : (\d+)", run.stderr)[1])


def test_switching_on_at_the_start_costs_a_millisecond(environment, tmp_path):
    added = instructions(environment, tmp_path, "-X", "jitpatch") - instructions(environment, tmp_path)
    print(f"{added / 1e6:.2f} million instructions")
    assert 0.5e6 < added <= MILLIONS * 1e6


def test_what_is_not_needed_is_not_imported(environment):
    code = "import sys; print(*sorted(name for name in sys.modules if 'jitpatch' in name or name == '__future__'))"
    plain = subprocess.run([sys._base_executable, "-X", "jitpatch", "-c", code], env=environment, cwd="/",
                           capture_output=True, text=True)
    assert plain.stdout.split() == ["jitpatch", "jitpatch._jitpatch", "jitpatch._startup"] and plain.stderr == ""
