"""What the JIT costs a program that does nothing: python benchmarks/startup.py

Wall time and peak resident memory of `python -c pass` and of a small script that compiles a few
loops, with JITPATCH unset, 0 and 1, interleaved and pinned. Issue 2 allows 5 ms and 8 MiB.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field

import measure
from measure import Side

PROGRAMS = {
    "pass": "pass",
    "small script": "t = 0\nfor i in range(20000):\n    t += i\n"
                    "x = 0.0\nfor i in range(20000):\n    x += i * 0.5\n",
}


# Peak resident memory of the program itself: getrusage's would count the parent's before exec, too.
PEAK = "\nprint(open('/proc/self/status').read())"


@dataclass
class Cost:
    """One entry per process."""

    milliseconds: list[float] = field(default_factory=list)
    mebibytes: list[float] = field(default_factory=list)


def run_once(side: Side, program: str, cpu: int, cost: Cost) -> None:
    def run(text: str) -> str:
        done = subprocess.run([*side.command, "-c", text], env=side.environment(), capture_output=True, text=True,
                              preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
        if done.returncode:
            raise SystemExit(f"{side.name}: `{program}` failed with status {done.returncode}")
        return done.stdout

    start = time.perf_counter()
    run(program)
    cost.milliseconds.append((time.perf_counter() - start) * 1e3)
    cost.mebibytes.append(int(re.search(r"VmHWM:\s*(\d+) kB", run(program + PEAK))[1]) / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--cpu", type=int)
    args = parser.parse_args()
    cpu = measure.pick_cpu(args.cpu)
    sides = [Side("unset", (args.python,)), *measure.jit_sides(args.python)]
    print(measure.describe(measure.about([args.python])))
    for title, program in PROGRAMS.items():
        costs = {side.name: Cost() for side in sides}
        for _ in range(args.rounds):
            for side in sides:
                run_once(side, program, cpu, costs[side.name])
        base = costs["unset"]
        for name, cost in costs.items():
            ms, mib = statistics.median(cost.milliseconds), statistics.median(cost.mebibytes)
            print(f"{title:14} {name:6} {ms:8.2f} ms ({ms - statistics.median(base.milliseconds):+.2f})  "
                  f"{mib:7.2f} MiB ({mib - statistics.median(base.mebibytes):+.2f})")


if __name__ == "__main__":
    main()
