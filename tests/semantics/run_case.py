"""Runs one case in this process: run_case.py FILE NAME."""

import runpy
import sys


def main():
    path, name = sys.argv[1:]
    namespace = runpy.run_path(path)
    namespace[name]()
    sys.stdout.flush()


main()
