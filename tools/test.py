"""Sets up an environment with this checkout installed and runs the tests: python3 tools/test.py [PYTEST ARGUMENT ...]

Without arguments, all tests that are not slow; the rest is in .ci/run. A debugging build of the
extension, with assertions, is used if JITPATCH_DEBUG_BUILD is 1. Says every now and then how far it is.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import environment


def main() -> int:
    debug = os.environ.get("JITPATCH_DEBUG_BUILD") == "1"
    try:
        python = environment.prepare("test-debug" if debug else "test", extras="test", debug=debug)
    except environment.SetupError as error:
        print(f"test: {error}", file=sys.stderr)
        return 1
    # tests/conftest.py prints a line whenever so many seconds have passed.
    os.environ.setdefault("JITPATCH_TEST_HOW_FAR", "15")
    # Not `python -m pytest`: that would put the checkout before what is installed.
    pytest = python.with_name("pytest")
    return subprocess.run([pytest, *(sys.argv[1:] or ["-q", "-m", "not slow"])], cwd=environment.ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
