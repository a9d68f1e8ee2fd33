"""Compares random programs without and with the JIT: compare.py [--seed S] [--count N] [--keep DIR].

One process runs a batch of programs with the JIT off, another the same batch with it on; their
outputs must be equal. What differs is run again alone, to say whether it needs the programs before it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import harness
from generator import generate

BATCH = 50
SECONDS_OFF = 10.0  # programs that take longer without the JIT are left out: with a limit the two could differ by time alone
SECONDS_ON = 60.0
CHILD = str(Path(__file__).with_name("batch.py"))

Program = tuple[str, str]  # name and source


@dataclass(frozen=True)
class Difference:
    """One program that does not behave the same."""

    name: str
    mode: str
    what: str
    alone: bool  # also without the programs run before it in the process

    def __str__(self) -> str:
        where = "" if self.alone else " (only after the programs before it in its batch)"
        return f"program {self.name}, mode {self.mode}{where}: {self.what}"


def run_batch(programs: Sequence[Program], settings: dict[str, str], seconds: float = SECONDS_ON) -> dict[str, list[str]]:
    """Output by name. A program that ends the process has its ending as output; the rest goes on."""
    outputs: dict[str, list[str]] = {}
    left = list(programs)
    while left:
        outcome = harness.run([CHILD, str(seconds)], settings, timeout=seconds * (len(left) + 1), text=json.dumps(left))
        for line in outcome.stdout.splitlines():
            try:
                answer = json.loads(line)
                outputs[answer["name"]] = answer["out"]
            except ValueError:
                break
        left = [program for program in left if program[0] not in outputs]
        if left:
            lines = outcome.stderr.strip().splitlines()
            first = [line for line in lines if line.startswith("Timeout (")] or lines      # the program may have written before
            outputs[left[0][0]] = [f"<process {outcome.ending()}> {' | '.join(first[:1] + lines[-3:])}"]
            left = left[1:]
    return outputs


def describe(expected: Sequence[str], got: Sequence[str]) -> str:
    if got and got[-1].startswith("<process"):
        return got[-1]
    return harness.first_difference("\n".join(expected), "\n".join(got))


def compare(programs: Sequence[Program], mode: str, settings: dict[str, str],
            expected: dict[str, list[str]] | None = None) -> list[Difference]:
    if expected is None:
        expected = run_batch(programs, harness.OFF)
    got = run_batch(programs, settings)
    differences = []
    for program in programs:
        name = program[0]
        if got[name] == expected[name]:
            continue
        alone = run_batch([program], settings)[name]
        by_itself = alone != expected[name]
        what = describe(expected[name], alone if by_itself else got[name])
        differences.append(Difference(name, mode, what, by_itself))
    return differences


def quick(programs: Sequence[Program], expected: dict[str, list[str]]) -> list[Program]:
    """The programs that ended in time without the JIT."""
    return [program for program in programs if "Timeout (" not in expected[program[0]][-1]]


def programs_for(seed: int, count: int) -> list[Program]:
    return [(str(number), generate(number)) for number in range(seed, seed + count)]


def check(seed: int, count: int) -> list[Difference]:
    """The programs seed .. seed+count-1 in all modes."""
    programs = programs_for(seed, count)
    found = []
    expected = run_batch(programs, harness.OFF, SECONDS_OFF)
    programs = quick(programs, expected)
    for mode, settings in harness.modes().items():
        found += compare(programs, mode, settings, expected)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0, help="number of the first program (0)")
    parser.add_argument("--count", type=int, default=500, help="how many (500)")
    parser.add_argument("--keep", type=Path, help="write the sources of failing programs there")
    args = parser.parse_args()
    if not harness.jit_available():
        print("jitpatch is not available here: only checking that the programs are deterministic")
    failures = 0
    for start in range(args.seed, args.seed + args.count, BATCH):
        size = min(BATCH, args.seed + args.count - start)
        for difference in check(start, size):
            failures += 1
            print(difference, flush=True)
            if args.keep:
                args.keep.mkdir(parents=True, exist_ok=True)
                (args.keep / f"{difference.name}.py").write_text(generate(int(difference.name)))
    print(f"programs {args.seed} to {args.seed + args.count - 1}, modes {', '.join(harness.modes())}: "
          f"{failures} differences")
    if failures:
        print("shrink one: python tools/reduce.py --seed NUMBER --mode MODE")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
