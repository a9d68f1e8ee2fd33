"""Every construct that a loop can hold is compiled, and does what it does in the interpreter.

The table is tests/constructs.py. Compiled means: once warm, a thousand turns hardly ever leave compiled code, and
no recording ended at a bytecode that is not compiled.
"""

import gc
import sys
import traceback
from contextlib import nullcontext

import pytest

import jitpatch
from constructs import CONSTRUCTS, MODULE_CONSTRUCTS, PRELUDE, function_source, module_source

if not jitpatch.is_available():
    pytest.skip(f"{jitpatch.why_unavailable()}", allow_module_level=True)

TURNS = 400
# Reasons for which a recording must not have ended: the construct itself is not compiled.
NOT_COMPILED = ("a bytecode that is not compiled", "a name that is not found in the module's or builtin names",
                "a call of a kind that is not compiled")

# Compiled, but left each turn: an exception that comes and goes in C leaves a frame object behind, by which
# somebody might have changed a variable.
LEFT_EACH_TURN = ("for over sequence",)


class Run:
    """The construct in a namespace of its own, run by f(n, bad)."""

    def __init__(self, name):
        self.space = {"__name__": "construct"}
        if name in CONSTRUCTS:
            exec(compile(function_source(CONSTRUCTS[name]), "<construct>", "exec"), self.space)
            self.f = self.space["f"]
            self.code = self.f.__code__
        else:
            exec(compile(PRELUDE, "<construct>", "exec"), self.space)
            self.code = compile(module_source(MODULE_CONSTRUCTS[name]), "<construct>", "exec")
            self.f = self.module

    def module(self, n, bad):
        self.space.update(n=n, bad=bad)
        exec(self.code, self.space)
        return self.space["total"]

    def outcome(self, n, bad, jit=nullcontext()):
        """What a run returns or raises, what it saw, and which references it leaves."""
        space = self.space
        watched = [space["mark"], space["Mark"], space["Key"], space["Point"], space["Manager"], space["Sequence"], 5000]
        before = [sys.getrefcount(o) for o in watched]
        error = None
        try:
            with jit:
                value = self.f(n, bad)
        except Exception as e:
            value, error = None, e
        told = told_of(error)
        error = None
        for name in set(space) & {"m", "x", "g", "i", "k"}:
            del space[name]
        gc.collect()
        after = [sys.getrefcount(o) for o in watched]
        seen = space["seen"][:]
        space["seen"].clear()
        return {"value": value, "error": told, "seen": seen, "references": [b - a for a, b in zip(before, after)]}


def told_of(error):
    found = []
    while error is not None:
        tb = [(t.name, t.lineno, t.colno, t.end_colno) for t in traceback.extract_tb(error.__traceback__)
              if t.filename == "<construct>"]
        found.append((type(error).__name__, str(error), getattr(error, "name", None), tb))
        error = error.__context__
    return found


@pytest.fixture(params=[1, 2, 30])
def threshold(request):
    return request.param


@pytest.mark.parametrize("name", [*CONSTRUCTS, *MODULE_CONSTRUCTS])
def test_same_as_the_interpreter(name, threshold):
    assert not jitpatch.is_enabled()
    plain, hot = Run(name), Run(name)
    for n, bad in ((TURNS, -1), (TURNS, TURNS - 30), (TURNS, TURNS - 31)):
        expected = plain.outcome(n, bad)
        jit = jitpatch.enabled(threshold=threshold, side_threshold=min(threshold, 10))
        assert hot.outcome(n, bad, jit) == expected


def exits_of(run):
    """How often the traces of the loop's own code were left; a generator that C code resumes has its own."""
    return sum(exit["count"] for ex in jitpatch.executors(run.code) for exit in ex.exits)


@pytest.mark.parametrize("name", [*CONSTRUCTS, *MODULE_CONSTRUCTS])
def test_compiled(name):
    run = Run(name)
    run.space["look"] = lambda i: None      # a frame that is looked at leaves compiled code
    with jitpatch.enabled(threshold=30, side_threshold=5):
        jitpatch.reset_stats()
        for _ in range(4):
            run.f(TURNS, -1)
        before, left = jitpatch.stats(), exits_of(run)
        run.f(1000, -1)
        after, left = jitpatch.stats(), exits_of(run) - left
    assert not [line for line in after.abort_log if line[2] in NOT_COMPILED and line[0] == "<construct>"]
    assert after.entered > before.entered
    assert left <= 60 or name in LEFT_EACH_TURN
