"""The common part of the benchmark runners: who runs, pinned where, and what the numbers say.

A *side* is one way to run a program: an interpreter with an environment (or a C binary).
Sides are run in fresh processes, one after the other, round by round (A B A B ...), so that a
machine growing slower or faster touches all sides alike. Only ratios taken within one run are
worth quoting; the absolute times are printed to make them checkable.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"

_ABOUT = """
import json, platform, sys, sysconfig
sys.path[:] = [path for path in sys.path if path]  # not the checkout we may stand in
about = {"version": sys.version, "implementation": platform.python_implementation(),
         "build": " ".join(platform.python_build()), "compiler": platform.python_compiler(),
         "config": sysconfig.get_config_var("CONFIG_ARGS") or "", "executable": sys.executable}
try:
    import jitpatch
    about["jitpatch"] = str(getattr(jitpatch, "__version__", "?"))
    about["available"] = bool(jitpatch.is_available())
except Exception as error:
    about["jitpatch"] = None
    about["available"] = False
    about["why_not"] = f"{type(error).__name__}: {error}"
print(json.dumps(about))
"""


@dataclass(frozen=True)
class Side:
    """One column of a comparison."""

    name: str
    command: tuple[str, ...]  # the program's path and arguments are appended
    settings: tuple[tuple[str, str], ...] = ()  # added to the environment
    is_python: bool = True

    def environment(self) -> dict[str, str]:
        # As people run it: with its bytecode on disk, ours included.
        kept = {k: v for k, v in os.environ.items() if not k.startswith("JITPATCH") and k != "PYTHONDONTWRITEBYTECODE"}
        kept.setdefault("PYTHONHASHSEED", "0")
        return kept | dict(self.settings)


@dataclass
class Sample:
    """What one side gave for one program, over all rounds."""

    rounds: list[list[float]] = field(default_factory=list)  # seconds, a list per process
    result: str | None = None
    error: str | None = None
    active: bool | None = None  # whether the JIT said it was on

    @property
    def values(self) -> list[float]:
        return [value for values in self.rounds for value in values]

    @property
    def median(self) -> float:
        return statistics.median(self.values)


def fail(what: str) -> NoReturn:
    """Ends the program with one line."""
    raise SystemExit(f"{Path(sys.argv[0]).name}: {what}")


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it says nothing"])[-1]


def need(module: str, package: str) -> None:
    """Ends the program in one line if the running interpreter has no such module. package: what pip calls it."""
    if importlib.util.find_spec(module) is None:
        fail(f"{sys.executable} has no {module}: {sys.executable} -m pip install {package}")


def parse_side(text: str) -> Side:
    """NAME=COMMAND, where COMMAND may begin with VARIABLE=VALUE settings."""
    name, equals, command = text.partition("=")
    if not equals or not command.strip():
        fail(f"expected NAME=COMMAND, not {text!r}")
    words = shlex.split(command)
    settings = []
    while words and "=" in words[0] and "/" not in words[0].partition("=")[0]:
        key, _, value = words.pop(0).partition("=")
        settings.append((key, value))
    if not words:
        fail(f"no command in {text!r}")
    return Side(name, tuple(words), tuple(settings))


def jit_sides(interpreter: str, label: str = "", extra: Sequence[tuple[str, str]] = ()) -> list[Side]:
    """The same interpreter without and with the JIT."""
    prefix = f"{label} " if label else ""
    return [
        Side(f"{prefix}off", (interpreter,), (("JITPATCH", "0"),)),
        Side(f"{prefix}on", (interpreter,), (("JITPATCH", "1"), *extra)),
    ]


def parse_options(texts: Sequence[str]) -> list[tuple[str, str]]:
    """threshold=2 -> JITPATCH_THRESHOLD=2, as in -X jitpatch-threshold=2."""
    pairs = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            fail(f"expected NAME=VALUE, not {text!r}")
        pairs.append((f"JITPATCH_{name.upper().replace('-', '_')}", value))
    return pairs


def about(interpreter: Sequence[str], env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Version and build of an interpreter, and whether jitpatch is installed in it. env: a side's environment()."""
    try:
        done = subprocess.run([*interpreter, "-c", _ABOUT], capture_output=True, text=True, env=env)
        facts: dict[str, Any] = json.loads(done.stdout)
    except OSError as error:
        fail(f"no interpreter {interpreter[0]!r}: {error.strerror}")
    except ValueError:
        fail(f"{shlex.join(interpreter)} is no Python that runs: {last_line(done.stderr or done.stdout)}")
    return facts


def describe(facts: dict[str, Any]) -> str:
    version = " ".join(facts["version"].split())
    jit = f"jitpatch {facts['jitpatch']}" if facts["jitpatch"] else "jitpatch not installed"
    if facts["jitpatch"] and not facts["available"]:
        jit += " but not available"
    return f"{facts['implementation']} {version}, {jit}: {facts['executable']}"


def pick_cpu(wanted: int | None = None) -> int:
    """The CPU to pin to: the last one allowed, which the system's own work prefers least."""
    allowed = sorted(os.sched_getaffinity(0))
    if wanted is None:
        return allowed[-1]
    if wanted not in allowed:
        fail(f"CPU {wanted} is not one of {allowed}")
    return wanted


def run_pinned(command: Sequence[str], environment: dict[str, str], cpu: int,
               timeout: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=timeout,
        preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))


def ratio(base: Sample, other: Sample) -> float:
    """How many times faster `other` is."""
    return base.median / other.median


def round_ratios(base: Sample, other: Sample) -> list[float]:
    """The ratio of each round's neighbours: their spread shows how far to trust the median."""
    return [statistics.median(a) / statistics.median(b)
            for a, b in zip(base.rounds, other.rounds) if a and b]


def geometric_mean(ratios: Sequence[float]) -> float:
    return statistics.geometric_mean(ratios) if ratios else float("nan")


def machine() -> dict[str, Any]:
    model = ""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines
                      if line.startswith("model name")), "")
    except OSError:
        pass
    return {"cpu": model or platform.processor(), "system": platform.platform(),
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z")}


def write_results(kind: str, content: dict[str, Any], path: Path | None = None) -> Path:
    """Stores a run under results/; the name tells kind and time."""
    if path is None:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{kind}-{time.strftime('%Y%m%d-%H%M%S')}.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
