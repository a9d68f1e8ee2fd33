"""Scripts that run with the sampler on: what they begin with, and what is compared."""

from __future__ import annotations

import textwrap

import harness

PREAMBLE = """
import os, sys, time
jit = sys.modules.get("jitpatch")
jit = jit if jit is not None and jit.is_enabled() else None
monitoring = sys.monitoring

def loop(n):
    total = 0
    for i in range(n):
        total += i & 3
    return total

def other(n):
    total = 0
    while n:
        total ^= n
        n -= 1
    return total

def compiled(function, seconds=30, call=None):
    # Calls the function until the JIT has compiled it; without the JIT once.
    deadline = time.monotonic() + seconds
    while True:
        (call or function)(300000)
        if jit is None or jit.executors(function):
            return True
        if time.monotonic() > deadline:
            return False

def end_of(pid):
    deadline = time.monotonic() + 40
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.kill(pid, 9)
        time.sleep(0.002)
"""

ON = {"JITPATCH": "1"}
# Every code object that samples meet is compiled at once.
EAGER = ON | {"JITPATCH_SAMPLE": "2", "JITPATCH_THRESHOLD": "2", "JITPATCH_CALL_THRESHOLD": "2",
              "JITPATCH_SIDE_THRESHOLD": "1"}


def run(script, settings, flags=(), timeout=120.0):
    return harness.run([*flags, "-P", "-c", PREAMBLE + textwrap.dedent(script)], settings, timeout)


def on(script, flags=(), settings=ON):
    outcome = run(script, settings, flags)
    assert (outcome.status, outcome.stderr) == (0, ""), f"{outcome.ending()}\n{outcome.stdout}\n{outcome.stderr}"
    return outcome.stdout


def same(script, flags=(), settings=ON):
    off = run(script, harness.OFF, flags)
    assert off.status != harness.Outcome.TIMEOUT
    for options in (settings, EAGER):
        with_jit = run(script, options, flags)
        assert with_jit.status == off.status, f"{with_jit.ending()}, not {off.ending()}\n{with_jit.stderr}"
        assert with_jit.stdout == off.stdout
        assert harness.without_addresses(with_jit.stderr) == harness.without_addresses(off.stderr)
    return off
