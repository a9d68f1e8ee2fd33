"""A virtual environment with this checkout installed in it, made and kept up to date on demand.

prepare() is what demo.py, test.py and .ci/run begin with. The environments are in build/env/, so a
clean checkout needs nothing but a CPython 3.13 and a C compiler; what else the build wants comes from the
package index that pip is configured for. Runs on any Python 3.11 or later.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build/env"
WANTED = (3, 13)
SOURCES = ("pyproject.toml", "setup.py", "MANIFEST.in", "build_stencils.py", "buildtool/*.py", "buildtool/pyconfig/*.h", "jitpatch/*.py",
           "jitpatch/*.pyi", "src/**/*.c", "src/**/*.h", "src/**/*.def", "startup/*")


class SetupError(Exception):
    """One line that says what is missing."""


def sources() -> list[Path]:
    """All files that the installed package is made of."""
    return sorted({path for pattern in SOURCES for path in ROOT.glob(pattern)})


def digest(*extra: str) -> str:
    """Of the sources, and of what else the environment depends on."""
    total = hashlib.sha256("\0".join(extra).encode())
    for path in sources():
        total.update(path.relative_to(ROOT).as_posix().encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def candidates() -> Iterator[str]:
    """Interpreters that may be a CPython 3.13: JITPATCH_PYTHON, this one, the path, pyenv's."""
    name = "python%d.%d" % WANTED
    if chosen := os.environ.get("JITPATCH_PYTHON"):
        yield chosen
        return
    yield sys.executable
    if found := shutil.which(name):
        yield found
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from map(str, sorted(pyenv.glob("versions/%d.%d*/bin/%s" % (*WANTED, name))))


def find_python() -> str:
    """An interpreter that jitpatch has a runtime for. Its path is its own, not that of a shim."""
    tell = "import platform, sys; print(platform.python_implementation(), *sys.version_info[:2], sys.executable)"
    for candidate in candidates():
        try:
            done = subprocess.run([candidate, "-I", "-c", tell], capture_output=True, text=True)
        except OSError:
            continue
        words = done.stdout.strip().split(maxsplit=3)
        if done.returncode == 0 and words[:3] == ["CPython", *map(str, WANTED)]:
            return words[3]
    raise SetupError("no CPython %d.%d found: install one, or name it in JITPATCH_PYTHON" % WANTED)


def call(what: str, command: list[str], cwd: Path, settings: dict[str, str]) -> None:
    """Run a step of the set-up; its output appears only if it fails."""
    print(f"[set-up] {what}", file=sys.stderr, flush=True)
    done = subprocess.run(command, cwd=cwd, env=os.environ | settings, capture_output=True, text=True)
    if done.returncode:
        raise SetupError(f"{what} failed\n{done.stdout[-4000:]}{done.stderr[-4000:]}")


def copy_sources(to: Path) -> Path:
    """The sources, and the stencils if they are built, in a folder of their own."""
    shutil.rmtree(to, ignore_errors=True)
    generated = sorted((ROOT / "generated").glob("**/*.h"))
    for path in [*sources(), *generated]:
        target = to / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    return to


def prepare(name: str, packages: tuple[str, ...] = (), extras: str = "", debug: bool = False) -> Path:
    """The interpreter of environment `name`, with the checkout as it is now installed."""
    python = find_python()
    environment, source = FOLDER / name, ROOT
    inside, stamp = environment / "bin/python", environment / "installed"
    wanted = digest(python, *packages, extras, str(debug), str(ROOT))
    if stamp.exists() and stamp.read_text() == wanted and inside.exists():
        return inside
    if not stamp.exists() or not inside.exists():
        shutil.rmtree(environment, ignore_errors=True)
        call(f"virtual environment {environment.relative_to(ROOT)} ({python})",
             [python, "-m", "venv", str(environment)], ROOT, {})
    if debug:
        # A build of its own, so that neither build finds the other's object files.
        source = copy_sources(FOLDER / f"{name}-src")
    pip = [str(inside), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    settings = {"JITPATCH_DEBUG_BUILD": "1" if debug else "0"}
    if packages:
        call(f"installing {' '.join(packages)}", [*pip, *packages], ROOT, settings)
    call(f"building and installing jitpatch{' with assertions' if debug else ''} (a minute or two the first time)",
         [*pip, f"{source}[{extras}]" if extras else str(source)], source, settings)
    stamp.write_text(wanted)
    return inside


if __name__ == "__main__":
    try:
        print(find_python())
    except SetupError as error:
        sys.exit(f"environment: {error}")
