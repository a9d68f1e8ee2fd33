"""The recorder runs no code of the program: builds with assertions stop where it does."""

import subprocess
import sys

import pytest

import jitpatch

if not jitpatch.is_available():
    pytest.skip(f"{jitpatch.why_unavailable()}", allow_module_level=True)

_jitpatch = jitpatch._jitpatch
CODE = "import jitpatch\ndef noisy(): print('runs')\nprint(jitpatch._jitpatch._looking({}))"


def looking(what):
    return subprocess.run([sys.executable, "-P", "-c", CODE.format(what)], capture_output=True, text=True)


def test_c_code_may_run():
    done = looking("list")
    assert (done.returncode, done.stdout) == (0, "[]\n")


@pytest.mark.skipif(not _jitpatch._has_checks, reason="a build without assertions")
@pytest.mark.parametrize("what", ["noisy", "(x for x in ()).__next__", "lambda: 0"])
def test_python_code_stops_the_process(what):
    done = looking(what)
    assert done.returncode < 0 and done.stdout == ""
    assert "the recorder runs Python code: " in done.stderr


@pytest.mark.skipif(_jitpatch._has_checks, reason="a build with assertions")
def test_other_builds_do_not_check():
    assert looking("noisy").stdout == "runs\nNone\n"
