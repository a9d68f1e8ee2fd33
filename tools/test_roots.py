"""Runs the tests in Debian roots: python3 tools/test_roots.py [--core] [ROOT ...] [-- PYTEST ARGUMENT ...]

    arm64    trixie for AArch64, in qemu-user: CPython 3.13.5
    trixie   x86-64, CPython 3.13.5
    forky    x86-64, CPython 3.13.15

Without names, all three. The two x86-64 ones get the same wheel, built once, with the 3.13 that tools/environment.py
finds: a build serves all patch releases. The arm64 one gets a wheel built here too (cross_wheel.py). Nothing is
compiled inside a root, and what pytest needs is installed from outside, so an emulated root is spared all but the
tests. --core takes only the tests marked so, a few minutes in qemu.

Roots are made by make_root.sh and kept in build/roots/, or where JITPATCH_ROOTS says. Needs root, debootstrap, and
for arm64 qemu-user-static. Status 77 if a root cannot be made or entered here, and all others pass.
"""

from __future__ import annotations

import functools
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import environment

HERE = Path(__file__).resolve().parent
ROOTS = {"arm64": ("trixie", "arm64"), "trixie": ("trixie", "amd64"), "forky": ("forky", "amd64")}
FOLDER = Path(os.environ.get("JITPATCH_ROOTS", environment.ROOT / "build/roots"))
TESTS = ("tests/trace", "tests/semantics", "tests/differential")
NOT_RUN = 77
PATIENCE = 1300.0  # seconds to make a root: an emulated one takes ten minutes beside other work
SITE = "venv/lib/python3.13/site-packages"


class NoRoot(Exception):
    """A root cannot be made or entered; says which."""


def make_root(name: str) -> Path:
    """The root of that name, made if it is not there."""
    root = FOLDER / name
    for script, *words in (("make_root.sh", str(root), *ROOTS[name]), ("in_root.sh", str(root), "python3.13", "-c", "")):
        try:
            subprocess.run([str(HERE / script), *words], cwd=environment.ROOT, check=True, timeout=PATIENCE)
        except (OSError, subprocess.SubprocessError) as error:
            raise NoRoot(f"{name}: {error}") from error
    return root


def run(command: Sequence[str | Path]) -> None:
    """A step; its failure ends everything."""
    done = subprocess.run(command, cwd=environment.ROOT)
    if done.returncode:
        raise environment.SetupError(f"{' '.join(map(str, command))}: status {done.returncode}")


@functools.cache  # one build for all roots of a machine, even if a source changes meanwhile
def wheel_for(machine: str, headers: Path, python: Path) -> Path:
    """The wheel to install, built if the sources have changed. headers: the arm64 root."""
    folder = FOLDER / "wheels" / machine
    stamp, wanted = folder / "sources", environment.digest(machine)
    if not stamp.exists() or stamp.read_text() != wanted:
        for old in folder.glob("*.whl"):
            old.unlink()
        if machine == "arm64":
            run([python, HERE / "cross_wheel.py", headers, folder])
        else:
            pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
            run([*pip, "wheel", "--no-deps", "-w", folder, environment.ROOT])
        stamp.write_text(wanted)
    return next(folder.glob("*.whl"))


def install(root: Path, wheel: Path, python: Path) -> None:
    """A virtual environment in the root with the wheel and pytest in it, filled from outside."""
    if not (root / SITE).exists():
        run([HERE / "in_root.sh", root, "python3.13", "-m", "venv", "--without-pip", "/venv"])
    if not (root / SITE / "pytest").exists():
        pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
        run([*pip, "install", "--target", root / SITE, "pytest"])
    for name in ("jitpatch", "_jitpatch_startup.py", "jitpatch.pth", "jitpatch.start"):
        subprocess.run(["rm", "-rf", root / SITE / name], check=True)
    subprocess.run([python, "-m", "zipfile", "-e", wheel, root / SITE], check=True)


def test(name: str, arguments: list[str], python: Path) -> int:
    """Make the root and run pytest in it; its status."""
    try:
        root = make_root(name)
    except NoRoot as error:
        print(f"test_roots: not run: {error}", file=sys.stderr)
        return NOT_RUN
    install(root, wheel_for(ROOTS[name][1], FOLDER / "arm64", python), python)
    print(f"=== {name}", flush=True)
    pytest = "import sys, pytest; sys.path.remove(''); sys.exit(pytest.main(sys.argv[1:]))"
    inside = ["/venv/bin/python", "-c", pytest, "-q", "-p", "no:cacheprovider", *arguments]
    command = 'cd /src && PATH=/venv/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 exec "$@"'
    settings = {name: value for name, value in os.environ.items() if name != "JITPATCH_COVERAGE"}  # a path outside
    if ROOTS[name][1] == "arm64" and platform.machine() != "aarch64":
        settings["JITPATCH_TEST_EMULATED"] = "1"
    return subprocess.run([HERE / "in_root.sh", root, "sh", "-c", command, "sh", *inside], env=settings).returncode


def main(words: list[str]) -> int:
    """The worst status of all."""
    names, arguments = list(words), []
    if "--" in names:
        at = names.index("--")
        names, arguments = names[:at], names[at + 1 :]
    core = "--core" in names
    names = [name for name in names if name != "--core"]
    if unknown := [name for name in names if name not in ROOTS]:
        print(f"test_roots: no root {unknown[0]!r}; there are {', '.join(ROOTS)}", file=sys.stderr)
        return 2
    if not any(not word.startswith("-") for word in arguments):
        arguments += TESTS
    arguments += ["-m", "core" if core else "not slow"]
    try:
        python = environment.prepare("test", extras="test")
        statuses = [test(name, arguments, python) for name in names or ROOTS]
    except environment.SetupError as error:
        print(f"test_roots: {error}", file=sys.stderr)
        return 1
    failures = [status for status in statuses if status not in (0, NOT_RUN)]
    return failures[0] if failures else max(statuses)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
