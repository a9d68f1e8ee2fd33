"""Runs Python with the JIT off and on, for every test that compares the two.

A *mode* is a set of jitpatch options. `JITPATCH_TEST_MODES` chooses among them (comma-separated names),
`JITPATCH_TEST_OPTIONS` ("max_trace=20,side_threshold=1") is added to each: so a hostile build or a new
option needs no change here. `JITPATCH_TEST_PYTHON` names another interpreter than the running one,
`JITPATCH_TEST_EMULATED` says that it runs in an emulator: what depends on times is left out.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

# Thresholds count iterations (or calls) before recording, and exits before a side trace. SAMPLE 0: all code is
# counted from its first iteration on; else a sampler finds what is hot.
MODES: dict[str, dict[str, str]] = {
    "first": {"SAMPLE": "0", "THRESHOLD": "1", "CALL_THRESHOLD": "1", "SIDE_THRESHOLD": "1"},
    "second": {"SAMPLE": "0", "THRESHOLD": "2", "CALL_THRESHOLD": "2", "SIDE_THRESHOLD": "2"},
    "tenth": {"SAMPLE": "0", "THRESHOLD": "10", "CALL_THRESHOLD": "8", "SIDE_THRESHOLD": "3"},
    "counting": {"SAMPLE": "0"},
    "sampled": {"SAMPLE": "2", "THRESHOLD": "2", "CALL_THRESHOLD": "2", "SIDE_THRESHOLD": "1"},
    "default": {},
}
DEFAULT_MODES = "first,second,counting,default"
UNINSTALLED = Path(__file__).parent / "uninstalled"


@dataclass(frozen=True)
class Outcome:
    """What a process left behind."""

    stdout: str
    stderr: str
    status: int  # negative: killed by that signal; TIMEOUT: it did not end

    TIMEOUT = -1000

    @property
    def crashed(self) -> bool:
        return self.status < 0

    def ending(self) -> str:
        if self.status == self.TIMEOUT:
            return "did not end"
        if self.status < 0:
            return f"killed by {signal.Signals(-self.status).name}"
        return f"exit status {self.status}"


def interpreter() -> str:
    return os.environ.get("JITPATCH_TEST_PYTHON", sys.executable)


def modes() -> dict[str, dict[str, str]]:
    """The modes to test in, as environment settings."""
    names = os.environ.get("JITPATCH_TEST_MODES", DEFAULT_MODES).split(",")
    if unknown := [name for name in names if name not in MODES]:
        raise ValueError(f"JITPATCH_TEST_MODES: no mode {unknown[0]!r}; there are {', '.join(MODES)}")
    return {name: {f"JITPATCH_{key}": value for key, value in (MODES[name] | extra_options()).items()} | {"JITPATCH": "1"}
            for name in names}


def extra_options() -> dict[str, str]:
    pairs = [text.partition("=") for text in os.environ.get("JITPATCH_TEST_OPTIONS", "").split(",") if text]
    return {name.upper().replace("-", "_"): value for name, _, value in pairs}


OFF = {"JITPATCH": "0"}


def environment(settings: dict[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k == "JITPATCH_COVERAGE" or not k.startswith("JITPATCH")}
    if not is_installed():
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, [str(UNINSTALLED), kept.get("PYTHONPATH")]))
    return kept | {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"} | settings


def starts(**variables: str) -> bool:
    """Does the variable JITPATCH switch the JIT on in a new process?"""
    code = "import sys; sys.exit(not getattr(sys.modules.get('jitpatch'), 'is_enabled', bool)())"
    return subprocess.run([interpreter(), "-P", "-c", code], env=os.environ | {"JITPATCH": "1"} | variables,
                          stdin=subprocess.DEVNULL, capture_output=True).returncode == 0


@lru_cache
def is_installed() -> bool:
    """False for a checkout on PYTHONPATH, whose start-up line no interpreter reads: UNINSTALLED stands in for it."""
    return starts() or not starts(PYTHONPATH=os.pathsep.join(filter(None, [str(UNINSTALLED), os.environ.get("PYTHONPATH")])))


def run(arguments: Sequence[str], settings: dict[str, str], timeout: float = 60.0, cwd: str | None = None,
        text: str | None = None) -> Outcome:
    """The interpreter with these arguments; ends it, and what it started, after `timeout` seconds."""
    process = subprocess.Popen(
        [interpreter(), *arguments], env=environment(settings), cwd=cwd, start_new_session=True,
        # A shell starts background jobs with SIGINT ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        stdin=subprocess.PIPE if text is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", errors="backslashreplace")
    try:
        stdout, stderr = process.communicate(text, timeout)
        return Outcome(stdout, stderr, process.returncode)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
        return Outcome(stdout, stderr, Outcome.TIMEOUT)


@lru_cache
def jit_available() -> bool:
    """Without the JIT the comparing tests still run: they then check that the scripts are deterministic."""
    code = "import jitpatch, sys; sys.exit(0 if jitpatch.is_available() else 1)"
    if run(["-P", "-c", code], OFF).status != 0:
        return False
    code = "import jitpatch, sys; sys.exit(0 if jitpatch.is_enabled() else 1)"
    if run(["-P", "-c", code], {"JITPATCH": "1"}).status != 0:
        raise RuntimeError("jitpatch is available, but JITPATCH=1 does not switch it on: the tests would compare nothing")
    return True


def without_addresses(text: str) -> str:
    return re.sub(r"0x[0-9a-fA-F]{6,}", "0x?", text)


def first_difference(expected: str, got: str, context: int = 3) -> str:
    """The first line that differs, with what stands before it."""
    a, b = expected.splitlines(), got.splitlines()
    at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    before = "".join(f"      {line[:200]}\n" for line in a[max(0, at - context):at])
    off, on = (lines[at] if at < len(lines) else "<end of output>" for lines in (a, b))
    # Of long lines, the part around the first character that differs.
    skip = max(0, next((i for i, (x, y) in enumerate(zip(off, on)) if x != y), 0) - 100)
    return f"line {at + 1}:\n{before}off:  {off[skip:skip + 300]}\non:   {on[skip:skip + 300]}"
