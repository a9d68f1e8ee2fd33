"""The sdist and the wheel install and work where a user would install them. Slow: builds and installs."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from buildtool.current import RUNTIMES

ROOT = Path(__file__).resolve().parents[2]
SAYS = "import jitpatch as j; print(j.is_available()); print(j.why_unavailable()); j.is_available() and j.enable()"

pytestmark = pytest.mark.slow


def run(*command, cwd=None, **settings):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("JITPATCH", "PYTHON"))}
    done = subprocess.run([str(word) for word in command], cwd=cwd, env=kept | settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the checkout without what was built in it."""
    copy = tmp_path_factory.mktemp("checkout") / "jitpatch"
    leave = shutil.ignore_patterns("build", "dist", "*.egg-info", "*.so", "__pycache__", ".git", ".*_cache", ".deps", ".build")
    shutil.copytree(ROOT, copy, ignore=leave)
    return copy


def venv(folder, python=sys.executable):
    run(python, "-m", "venv", folder)
    return folder / "bin/python"


@pytest.fixture(scope="module")
def packages(checkout, tmp_path_factory):
    """sdist and wheel, built by pip and setuptools in environments of their own."""
    out = tmp_path_factory.mktemp("dist")
    python = venv(tmp_path_factory.mktemp("builder") / "venv")
    run(python, "-m", "pip", "install", "-q", "build")
    run(python, "-m", "build", "--outdir", out, checkout)
    return next(out.glob("*.tar.gz")), next(out.glob("*.whl"))


def test_the_sdist_has_stencils_and_no_paths(packages):
    with tarfile.open(packages[0]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
        tables = next(name for name in sdist.getnames() if name.endswith("-linux-gnu/stencil_tables.h"))
        text = sdist.extractfile(tables).read().decode()
    assert {"generated/uops.h", "src/stencils/int.c", "setup.py", "LICENSE", "README.md", "tests/harness.py"} <= names
    assert str(ROOT) not in text and "/site-packages" not in text
    made = {Path(name).parent.name for name in names if name.startswith("generated/") and name.count("/") == 2}
    assert made == set(RUNTIMES), "the tables of the targets that have a runtime, and no others"
    assert not [name for name in names if name.endswith("stencils.json")]
    assert "buildtool/pyconfig/posix.h" in names


def test_the_wheel_has_the_hook_and_nothing_superfluous(packages):
    with zipfile.ZipFile(packages[1]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert {"jitpatch.pth", "_jitpatch_startup.py", "jitpatch/__init__.py", "jitpatch/dump.py", "jitpatch/py.typed"} <= names
    roots = {name.partition("/")[0] for name in names}
    assert roots == {"jitpatch", "jitpatch.pth", "jitpatch.start", "_jitpatch_startup.py"}


def test_pip_shows_who_and_what(packages):
    with zipfile.ZipFile(packages[1]) as wheel:
        text = wheel.read(next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))).decode()
    headers = text.partition("\n\n")[0].splitlines()
    for line in ("Author: The jitpatch developers", "License-Expression: MIT", "License-File: LICENSE",
                 "Classifier: Programming Language :: Python :: 3.13", "Classifier: Typing :: Typed"):
        assert line in headers


@pytest.mark.parametrize("which", [0, 1], ids=["sdist", "wheel"])
def test_installs_without_a_compiler_of_ours(packages, tmp_path, which):
    """No clang on the path, no ziglang: the sdist contains the stencils."""
    python = venv(tmp_path / "venv")
    run(python, "-m", "pip", "install", "-q", packages[which], JITPATCH_CLANG="/nowhere/clang")
    assert run(python, "-c", SAYS, cwd=tmp_path).stdout == "True\nNone\n"
    assert run(python, "-X", "jitpatch", "-c", "import jitpatch; print(jitpatch.is_enabled())", cwd=tmp_path).stdout == "True\n"
    assert "INT_ADD" in run(python.with_name("jitpatch-dump"), cwd=tmp_path).stdout
    run(python, "-m", "pip", "uninstall", "-q", "-y", "jitpatch")
    assert not list((tmp_path / "venv").rglob("*jitpatch*"))


def test_an_editable_install_has_the_hook(checkout, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(checkout, source)
    python = venv(tmp_path / "venv")
    run(python, "-m", "pip", "install", "-q", "-e", source)
    on = "import jitpatch; print(jitpatch.is_enabled(), jitpatch.__file__)"
    assert run(python, "-X", "jitpatch", "-c", on, cwd=tmp_path).stdout == f"True {source}/jitpatch/__init__.py\n"
    run(python, "-m", "pip", "uninstall", "-q", "-y", "jitpatch")
    assert not list((tmp_path / "venv").rglob("*jitpatch*"))


def other_python():
    found = shutil.which("python3.11", path="/usr/bin:/usr/local/bin")
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    return next(map(str, pyenv.glob("versions/3.1[124].*/bin/python3")), found)


@pytest.mark.skipif(other_python() is None, reason="no other Python to install into")
def test_elsewhere_it_installs_and_says_why_it_does_nothing(checkout, tmp_path):
    python = venv(tmp_path / "venv", other_python())
    run(python, "-m", "pip", "install", "-q", checkout)
    available, why = run(python, "-c", SAYS, cwd=tmp_path).stdout.splitlines()
    assert available == "False"
    assert why.startswith("jitpatch supports CPython 3.13") and "this is cpython 3.1" in why
    done = run(python, "-c", "print('goes on')", cwd=tmp_path, JITPATCH="1")
    assert done.stdout == "goes on\n"
    assert done.stderr.startswith("jitpatch: warning: not enabled: ") and done.stderr.count("\n") == 1
