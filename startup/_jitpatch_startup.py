"""What jitpatch.start (PEP 829) calls at every start of Python 3.15 and later: one test, and no
import of the package unless the JIT is asked for. Earlier versions have the line in jitpatch.pth."""

import os
import sys


def start() -> None:
    if "jitpatch" in str(sys._xoptions) or not sys.flags.ignore_environment and (
            os.environ.get("JITPATCH", "0") != "0" or "JITPATCH_STATS" in os.environ or "JITPATCH_DUMP" in os.environ):
        from jitpatch import _startup

        _startup.start()
