"""For tests of a checkout that is on PYTHONPATH and not installed: what startup/jitpatch.pth does at the start of Python.

tests/harness.py puts this folder on PYTHONPATH where the interpreter does not start the JIT by itself.
"""

import os
import sys

if "jitpatch" in sys._xoptions or "JITPATCH" in os.environ:
    __import__("jitpatch._startup", fromlist=["start"]).start()
