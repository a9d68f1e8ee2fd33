"""Our own loops with the JIT off and on: python benchmarks/run.py

The same interpreter twice (JITPATCH=0, JITPATCH=1), in fresh processes pinned to one CPU, interleaved;
the time of run() after warm-up, taken inside the process. Prints medians and ratios, checks that
the results are equal, compares with the same loop in C where there is one, and writes all values to
benchmarks/results/. Exit status 1 if anything failed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import loops
import measure
import native


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("programs", nargs="*", help="names in loops/ (all)")
    parser.add_argument("--interpreters", nargs="+", default=[sys.executable], metavar="PYTHON",
                        help="each is run with the JIT off and on (the running one)")
    parser.add_argument("--rounds", type=int, default=5, help="processes per side (5)")
    parser.add_argument("--values", type=int, default=5, help="timed calls per process (5)")
    parser.add_argument("--warmups", type=int, default=2, help="calls before them (2)")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 3 values")
    parser.add_argument("-n", type=int, default=0, help="argument of run() instead of the file's N")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE",
                        help="a jitpatch option for the `on` side, e.g. threshold=2")
    parser.add_argument("--no-c", action="store_true", help="leave the C loops out")
    parser.add_argument("--cpu", type=int, help="CPU to pin to (the last allowed)")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds per process (300)")
    parser.add_argument("--output", type=Path, help="JSON file (results/loops-TIME.json)")
    return parser.parse_args()


def main() -> int:
    args = arguments()
    rounds, values = (2, 3) if args.quick else (args.rounds, args.values)
    plan = loops.Plan(rounds, values, args.warmups, measure.pick_cpu(args.cpu), args.timeout)
    paths = loops.choose(args.programs)
    with_c = not args.no_c
    options = measure.parse_options(args.option)
    stored = {"machine": measure.machine(), "plan": vars(plan), "interpreters": [], "c": native.compiler_version()}
    failed = []
    for interpreter in args.interpreters:
        facts = measure.about([interpreter])
        print(f"\n{measure.describe(facts)}")
        print(f"{plan.rounds} processes of {plan.values} values, pinned to CPU {plan.cpu}, interleaved; medians")
        sides = measure.jit_sides(interpreter, extra=options)
        table = loops.run_table(paths, sides, plan, with_c, args.n)
        loops.summary(table, sides)
        if not any(row["on"].active for row in table.values()):
            print("NOTE: the JIT was not on in any process: these ratios compare the interpreter with itself")
        failed += loops.failures(table)
        stored["interpreters"].append({"about": facts, "programs": loops.as_json(table)})
    print(f"\nall values: {measure.write_results('loops', stored, args.output)}")
    for line in failed:
        print(f"FAILED {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
