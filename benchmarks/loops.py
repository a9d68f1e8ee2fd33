"""Runs the programs of loops/ on any number of sides, interleaved, and prints the table.

Shared by run.py (the JIT off and on) and compare.py (any interpreters at all).
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import measure
import native
from measure import HERE, Sample, Side, note

PROGRAMS = HERE / "loops"
# What issue 2 asks of the first four; printed beside what is measured.
TARGETS = {"float_accumulate": 20.0, "int_sum": 20.0, "collatz": 15.0, "mandelbrot": 30.0}


@dataclass(frozen=True)
class Plan:
    """How much to run."""

    rounds: int  # fresh processes per side
    values: int  # timed calls of run() per process
    warmups: int  # calls of run() before them
    cpu: int
    timeout: float  # seconds for one process


def choose(names: Sequence[str]) -> list[Path]:
    every = sorted(PROGRAMS.glob("*.py"))
    if not names:
        return every
    known = {path.stem: path for path in every}
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"no such program: {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names]


def default_n(path: Path) -> int:
    namespace: dict[str, Any] = {}
    exec(path.read_text(), namespace)
    return int(namespace["N"])


def run_once(side: Side, path: Path, n: int, plan: Plan, sample: Sample) -> None:
    """One process; its values, or its failure, go into `sample`."""
    counts = [str(n), str(plan.warmups), str(plan.values)]
    if side.is_python:
        command = [*side.command, str(HERE / "worker.py"), str(path), *counts]
    else:
        command = [*side.command, *counts]
    try:
        done = measure.run_pinned(command, side.environment(), plan.cpu, plan.timeout)
    except subprocess.TimeoutExpired:
        sample.error = f"no end within {plan.timeout:.0f} s"
        return
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        sample.error = f"exit status {done.returncode}: {lines[-1] if lines else ''}"
        return
    if side.is_python:
        answer = json.loads(done.stdout.splitlines()[-1])
        result, values, sample.active = answer["result"], answer["values"], answer["active"]
    else:
        result, values = native.parse_output(done.stdout)
    if sample.result is not None and sample.result != result:
        sample.error = f"results differ between processes: {sample.result} and {result}"
    sample.result = result
    sample.rounds.append(values)


def same_result(a: str | None, b: str | None) -> bool:
    """Equal text, or the same float written differently (C prints 17 digits)."""
    if a is None or b is None or a == b:
        return True
    try:
        return float(a) == float(b)
    except ValueError:
        return False


def run_program(path: Path, sides: Sequence[Side], plan: Plan, n: int = 0) -> dict[str, Sample]:
    n = n or default_n(path)
    samples = {side.name: Sample() for side in sides}
    for _ in range(plan.rounds):
        for side in sides:
            if samples[side.name].error is None:
                run_once(side, path, n, plan, samples[side.name])
    first = samples[sides[0].name]
    for sample in samples.values():
        if sample.error is None and not same_result(first.result, sample.result):
            sample.error = f"wrong result {sample.result}, expected {first.result}"
    return samples


def run_table(paths: Sequence[Path], sides: Sequence[Side], plan: Plan, with_c: bool,
              n: int = 0) -> dict[str, dict[str, Sample]]:
    """All programs on all sides. The first side is what the others are divided into."""
    print(f"{'program':18} {sides[0].name:>11}  "
          + "  ".join(f"{side.name + ' x (min-max)':>25}" for side in sides[1:])
          + (f"  {'C x':>7} {'last/C':>7}" if with_c else "") + "  target")
    table = {}
    for path in paths:
        c_side = native.build(path.stem) if with_c else None
        row = run_program(path, [*sides, *([c_side] if c_side else [])], plan, n)
        table[path.stem] = row
        print(format_row(path.stem, row, sides, with_c), flush=True)
    return table


def format_row(name: str, row: dict[str, Sample], sides: Sequence[Side], with_c: bool) -> str:
    base = row[sides[0].name]
    if base.error is not None:
        return f"{name:18} FAILED: {base.error}"
    cells = [f"{name:18} {base.median * 1e3:8.2f} ms"]
    for side in sides[1:]:
        sample = row[side.name]
        if sample.error is not None:
            cells.append(f"{'FAILED':>25}")
            note(f"{name}, {side.name}: {sample.error}")
            continue
        spread = measure.round_ratios(base, sample)
        cells.append(f"{measure.ratio(base, sample):11.2f} ({min(spread):5.2f}-{max(spread):5.2f})")
    if with_c:
        cells.append(format_c(row, base, row[sides[-1].name]))
    target = TARGETS.get(name)
    cells.append(f"{target:6.1f}" if target else "")
    return "  ".join(cells)


def format_c(row: dict[str, Sample], base: Sample, last: Sample) -> str:
    c = row.get("C")
    if c is None or c.error is not None or last.error is not None:
        if c is not None and c.error is not None:
            note(f"C: {c.error}")
        return f"{'':7} {'':7}"
    return f"{measure.ratio(base, c):7.1f} {last.median / c.median:7.2f}"


def summary(table: dict[str, dict[str, Sample]], sides: Sequence[Side]) -> None:
    for side in sides[1:]:
        ratios = [measure.ratio(row[sides[0].name], row[side.name]) for row in table.values()
                  if row[side.name].error is None and row[sides[0].name].error is None]
        print(f"{side.name}: geometric mean {measure.geometric_mean(ratios):.2f} over {len(ratios)} programs")


def as_json(table: dict[str, dict[str, Sample]]) -> dict[str, Any]:
    return {name: {side: vars(sample) for side, sample in row.items()} for name, row in table.items()}


def failures(table: dict[str, dict[str, Sample]]) -> list[str]:
    return [f"{name}, {side}: {sample.error}" for name, row in table.items()
            for side, sample in row.items() if sample.error is not None]
