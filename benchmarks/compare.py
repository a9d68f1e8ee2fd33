"""Our own loops on any interpreters: compare.py 3.13=python3.13 pypy=/opt/pypy/bin/pypy3 ...

A column is NAME=COMMAND; COMMAND may begin with environment settings. The first column is the one
the others are divided into. For instance, with interpreters that happen to be at these places:

    python benchmarks/compare.py "cpython=JITPATCH=0 python" "jitpatch=JITPATCH=1 python" \\
        "3.15=/root315/usr/bin/python3.15" "3.15jit=PYTHON_JIT=1 /root315/usr/bin/python3.15" \\
        "pypy=pypy3"
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import loops
import measure


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("columns", nargs="+", metavar="NAME=COMMAND")
    parser.add_argument("--programs", nargs="+", default=[], help="names in loops/ (all)")
    parser.add_argument("--rounds", type=int, default=3, help="processes per column (3)")
    parser.add_argument("--values", type=int, default=5, help="timed calls per process (5)")
    parser.add_argument("--warmups", type=int, default=3, help="calls before them (3)")
    parser.add_argument("--cpu", type=int, help="CPU to pin to (the last allowed)")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds per process (300)")
    parser.add_argument("--no-c", action="store_true", help="leave the C loops out")
    parser.add_argument("--output", type=Path, help="JSON file (results/compare-TIME.json)")
    args = parser.parse_args()

    sides = [measure.parse_side(column) for column in args.columns]
    plan = loops.Plan(args.rounds, args.values, args.warmups, measure.pick_cpu(args.cpu), args.timeout)
    facts = {side.name: measure.about(side.command, side.environment()) for side in sides}
    for side in sides:
        print(f"{side.name}: {measure.describe(facts[side.name])}")
    table = loops.run_table(loops.choose(args.programs), sides, plan, not args.no_c)
    loops.summary(table, sides)
    stored = {"machine": measure.machine(), "plan": vars(plan), "about": facts, "programs": loops.as_json(table)}
    print(f"all values: {measure.write_results('compare', stored, args.output)}")
    failed = loops.failures(table)
    for line in failed:
        print(f"FAILED {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
