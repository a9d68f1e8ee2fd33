"""Runs many random programs in this process, batch.py SECONDS: reads JSON from stdin, prints one JSON line per program.

In:  [[name, source], ...].  Out: {"name": ..., "out": [lines]}, flushed at once, so that after a crash it
is known which program was running. Each program has a fresh namespace made by prelude.py.
"""

import faulthandler
import gc
import json
import sys
import warnings
from pathlib import Path

SECONDS = float(sys.argv[1])  # a program that takes longer ends the process, and is blamed by its absence

warnings.simplefilter("ignore")
PRELUDE = compile(Path(__file__).with_name("prelude.py").read_text(), "<prelude>", "exec")


def run(source):
    namespace = {"__name__": "program"}
    exec(PRELUDE, namespace)
    code = compile(source, "<program>", "exec")
    try:
        exec(code, namespace)
    except Exception as error:
        namespace["show_error"]("uncaught", error)
        error.__traceback__ = None
    namespace["finish"]()
    out = list(namespace["OUT"])
    namespace.clear()
    return out


def main():
    for name, source in json.load(sys.stdin):
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        print(json.dumps({"name": name, "out": run(source)}), flush=True)
        gc.collect()


main()
