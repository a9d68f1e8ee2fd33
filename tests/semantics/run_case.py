"""Runs one case in this process: run_case.py FILE NAME.

CASE_TELLS names a file for the number of traces that were installed, for the test to see that the case was compiled.
"""

import atexit
import os
import runpy
import sys


def installed():
    """How many traces have been, in all."""
    jit = sys.modules.get("jitpatch")
    stats = None if jit is None else jit.stats()
    return 0 if stats is None else stats.roots + stats.sides


def tell(path, process, before):
    if os.getpid() == process:
        with open(path, "w") as file:
            file.write(str(installed() - before))


def main():
    path, name = sys.argv[1:]
    told = os.environ.pop("CASE_TELLS", None)
    namespace = runpy.run_path(path)
    if told is not None:                # what came before the case does not count
        atexit.register(tell, told, os.getpid(), installed())
    namespace[name]()
    sys.stdout.flush()


main()
