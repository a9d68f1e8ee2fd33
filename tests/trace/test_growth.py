"""What is in place or amortised in the interpreter is so in compiled code: time grows alike with the size.

Ratios only: t(8n) / t(n) with the JIT against the same without. Noise is met by taking the least of several
runs and by asking again, up to four times, before a growth is believed.
"""

import ast
import json
from functools import lru_cache
from pathlib import Path

import pytest

import harness

PROGRAM = Path(__file__).with_name("growing.py")
SIZE, ALLOWED, ATTEMPTS = 2000, 1.5, 4

NAMES = [node.name for node in ast.parse(PROGRAM.read_text()).body
         if isinstance(node, ast.FunctionDef) and node.name != "measure" and not node.name.startswith("_")]


def growth(settings, *names):
    done = harness.run([str(PROGRAM), str(SIZE), *names], settings, timeout=300)
    assert done.status == 0, done.stderr
    return json.loads(done.stdout)


@lru_cache(maxsize=None)
def all_of_them():
    return growth(harness.OFF), growth({"JITPATCH": "1"})


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_time_grows_as_without_the_jit(name):
    off, on = (found[name] for found in all_of_them())
    for _ in range(ATTEMPTS - 1):
        if on <= off * ALLOWED:
            break
        off = max(off, growth(harness.OFF, name)[name])
        on = min(on, growth({"JITPATCH": "1"}, name)[name])
    assert on <= off * ALLOWED
