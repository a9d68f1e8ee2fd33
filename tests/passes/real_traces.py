"""Prints the texts of the traces of a case of tests/semantics, or of a construct, as they were recorded and as they are
optimised: real_traces.py cases_x.py NAME..., or real_traces.py constructs NAME... A JSON list."""

import contextlib
import json
import os
import runpy
import sys
from pathlib import Path

import jitpatch

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "semantics")]


def run_construct(name: str) -> None:
    from constructs import CONSTRUCTS, function_source

    space = {"__name__": "construct"}
    exec(compile(function_source(CONSTRUCTS[name]), "<construct>", "exec"), space)
    space["f"](300, -1)


def main(source: str, *names: str) -> None:
    texts = []
    quiet = os.open(os.devnull, os.O_WRONLY)
    answer = os.dup(1)
    os.dup2(quiet, 1)
    jitpatch.enable(sample=0, threshold=2, call_threshold=2, side_threshold=2, text=1)
    for name in names:
        with contextlib.suppress(Exception, SystemExit):    # some cases end so
            if source == "constructs":
                run_construct(name)
            else:
                runpy.run_path(str(TESTS / "semantics" / source))[name]()
        for executor in jitpatch.executors():
            texts += [executor.uops(optimised=False), executor.uops()]
    sys.stdout.flush()
    os.dup2(answer, 1)
    print(json.dumps(sorted(set(texts))))


if __name__ == "__main__":
    main(*sys.argv[1:])
