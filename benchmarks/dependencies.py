"""Third-party packages of the benchmarks, installed beside the interpreter, never into it.

pyperformance's: each benchmark's pinned requirements go into a folder of their own (pip install --target), so that
two benchmarks may ask for different versions and the interpreter, with the jitpatch installed in it,
stays as it is. The folders reach the benchmark through PYTHONPATH, which pyperf hands to its workers.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from measure import HERE, Side, last_line, note

DEPENDENCIES = HERE / ".deps"
PROGRAMS = HERE.parent / "build/env"
COMMON = ("pyperf", "pyperformance")


class InstallError(Exception):
    """pip's last word."""


def _tag(side: Side) -> str:
    code = "import sys, platform; print(sys.implementation.cache_tag, platform.machine(), sep='-')"
    done = subprocess.run([*side.command, "-c", code], capture_output=True, text=True, check=True,
                          env=side.environment())
    return done.stdout.strip()


def _install(side: Side, target: Path, arguments: list[str]) -> Path:
    """Installs once: a finished folder is marked, an unfinished one is made again."""
    done_mark = target / ".complete"
    if done_mark.exists():
        return target
    shutil.rmtree(target, ignore_errors=True)
    note(f"installing {' '.join(arguments)} into {target}")
    python = shutil.which(side.command[0]) or side.command[0]       # pip wants a path
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", "--quiet",
         "--target", str(target), *arguments], capture_output=True, text=True)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise InstallError(errors[-1] if errors else f"pip: exit status {done.returncode}: {last_line(done.stderr)}")
    done_mark.touch()
    return target


def common(side: Side) -> Path:
    """pyperf and pyperformance for the side's interpreter."""
    return _install(side, DEPENDENCIES / _tag(side) / "common", list(COMMON))


def _has(side: Side, module: str) -> bool:
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    return subprocess.run([*side.command, "-c", code], env=side.environment()).returncode == 0


def _bundled(side: Side, folder: Path) -> list[str]:
    """A benchmark may come with packages that Python had once (lib2to3), and would install them by itself."""
    modules = [path.name for path in (folder / "vendor" / "src").glob("*") if (path / "__init__.py").exists()]
    return [str(folder / "vendor")] if any(not _has(side, module) for module in modules) else []


def for_benchmark(side: Side, name: str, folder: Path) -> list[Path]:
    """What PYTHONPATH must hold to run the benchmark in `folder` on this side."""
    folders = [common(side)]
    arguments = _bundled(side, folder)
    if (folder / "requirements.txt").exists():
        arguments += ["-r", str(folder / "requirements.txt")]
    if arguments:
        folders.insert(0, _install(side, DEPENDENCIES / _tag(side) / name, arguments))
    return folders


def for_programs(side: Side, requirements: Path) -> Path:
    """What PYTHONPATH must hold to run programs/ on this side: one folder for all of them, made anew when a pin changes."""
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    return _install(side, PROGRAMS / f"programs-{_tag(side)}-{digest}", ["-r", str(requirements)])
