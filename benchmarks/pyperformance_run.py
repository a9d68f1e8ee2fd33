"""pyperformance's own programs with the JIT off and on: python benchmarks/pyperformance_run.py

The programs are the unmodified run_benchmark.py files of the PyPI package pyperformance. They run on
the same interpreter with JITPATCH=0 and JITPATCH=1 (or on any columns given as NAME=COMMAND), in fresh
pinned processes, interleaved; timing is pyperf's. Prints ratios of medians with their spread over
the rounds, then everything that failed. Exit status 1 if a program failed on one side only.

    pyperformance_run.py                    everything, about 25 minutes for two sides
    pyperformance_run.py --quick            everything once, about 10 minutes: finds failures and great losses
    pyperformance_run.py --smoke            one value each, 4 minutes: finds failures only
    pyperformance_run.py --targets          the twelve programs issue 2 names
    pyperformance_run.py nbody scimark      these
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dependencies
import measure
from measure import Sample, Side, note

# What issue 2 asks for, by the name in the result (scimark_sor is one of scimark's five).
TARGETS = {
    "spectral_norm": 6.0, "nbody": 4.0, "scimark_sor": 4.0, "fannkuch": 2.0, "float": 2.0,
    "chaos": 2.0, "nqueens": 1.5, "hexiom": 1.3, "richards": 1.5, "deltablue": 1.3, "go": 1.3,
    "raytrace": 1.5,
}
TARGET_PROGRAMS = ["scimark" if name == "scimark_sor" else name for name in TARGETS]
LEAST = 0.95  # and nothing below this


@dataclass(frozen=True)
class Program:
    """One entry of pyperformance's manifest."""

    name: str
    script: Path
    options: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """How much to run; `options` go to every run_benchmark.py."""

    rounds: int
    options: tuple[str, ...]
    cpu: int
    timeout: float
    judged: bool = True  # whether the ratios are good enough to say "missed" and "slower"


def load_programs() -> dict[str, Program]:
    from pyperformance import _manifest

    programs = {}
    for entry in _manifest.load_manifest(None).benchmarks:
        script = Path(entry.runscript)
        programs[entry.name] = Program(entry.name, script, tuple(entry.extra_opts))
    return programs


def choose(programs: dict[str, Program], names: Sequence[str], exclude: Sequence[str]) -> list[Program]:
    names = names or list(programs)
    if unknown := [name for name in [*names, *exclude] if name not in programs]:
        raise SystemExit(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(programs)}")
    return [programs[name] for name in dict.fromkeys(names) if name not in exclude]


def run_once(side: Side, program: Program, plan: Plan, folder: Path) -> tuple[dict[str, list[float]], str | None]:
    """One run of the script: values by benchmark name, or why there are none."""
    try:
        paths = dependencies.for_benchmark(side, program.name, program.script.parent)
    except dependencies.InstallError as error:
        return {}, f"dependencies: {error}"
    output = folder / "values.json"
    output.unlink(missing_ok=True)
    environment = side.environment()
    own = dict(side.settings).get("PYTHONPATH")         # a column's; what is in ours is not the benchmark's
    environment["PYTHONPATH"] = os.pathsep.join([*map(str, paths), *([own] if own else [])])
    inherited = [name for name in environment if name.startswith(("JITPATCH", "PYTHON"))]
    inherited += [name for name, _ in side.settings]
    command = [*side.command, str(program.script), *program.options, *plan.options, "--quiet",
               "--output", str(output), "--affinity", str(plan.cpu),
               "--inherit-environ", ",".join(dict.fromkeys(inherited))]
    error = run_group(command, environment, plan.timeout, folder)
    if error is not None:
        return {}, error
    return read_values(output), None


def run_group(command: Sequence[str], environment: dict[str, str], timeout: float, folder: Path) -> str | None:
    """Runs to the end or kills the whole process group: pyperf's workers are grandchildren."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log, start_new_session=True)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return f"no end within {timeout:.0f} s"
        if status == 0:
            return None
        log.seek(0)
        lines = [line.strip() for line in log if line.strip()]
    told = [line for line in lines if "Error" in line or "signal" in line.lower()]
    return f"exit status {status}: {(told or lines or [''])[-1][:300]}"


def read_values(path: Path) -> dict[str, list[float]]:
    import pyperf

    suite = pyperf.BenchmarkSuite.load(str(path))
    return {bench.get_name(): list(bench.get_values()) for bench in suite.get_benchmarks()}


def run_program(program: Program, sides: Sequence[Side], plan: Plan) -> dict[str, dict[str, Sample]]:
    """All rounds on all sides: benchmark name -> side -> sample. A failure is under the program's name."""
    table: dict[str, dict[str, Sample]] = {}
    broken: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="jitpatch-bench-") as folder:
        for _ in range(plan.rounds):
            for side in sides:
                if side.name in broken:
                    continue
                values, error = run_once(side, program, plan, Path(folder))
                if error is not None:
                    broken[side.name] = error
                for name, seconds in values.items():
                    table.setdefault(name, {s.name: Sample() for s in sides})[side.name].rounds.append(seconds)
    if broken and not table:
        table[program.name] = {side.name: Sample() for side in sides}
    for row in table.values():
        for name, error in broken.items():
            row[name].error = error
    return table


def format_row(name: str, row: dict[str, Sample], sides: Sequence[Side], judged: bool) -> str:
    base = row[sides[0].name]
    if base.error is not None or not base.rounds:
        everywhere = all(sample.error is not None for sample in row.values())
        return f"{name:34} {'cannot run here' if everywhere else 'FAILED'}: {base.error}"
    cells = [f"{name:34} {base.median * 1e3:9.2f} ms"]
    for side in sides[1:]:
        sample = row[side.name]
        if sample.error is not None or not sample.rounds:
            cells.append(f"FAILED: {sample.error}")
            continue
        times = measure.ratio(base, sample)
        spread = measure.round_ratios(base, sample)
        cells.append(f"{times:7.2f} ({min(spread):5.2f}-{max(spread):5.2f})")
        if not judged:
            continue
        if name in TARGETS:
            cells.append(f"target {TARGETS[name]:.1f}{'' if times >= TARGETS[name] else ' MISSED'}")
        elif times < LEAST:
            cells.append("SLOWER")
    return "  ".join(cells)


def report(table: dict[str, dict[str, Sample]], sides: Sequence[Side], judged: bool) -> list[str]:
    """Prints the means and what failed; returns the failures that happened on one side only."""
    print()
    for side in sides[1:]:
        ratios = {name: measure.ratio(row[sides[0].name], row[side.name]) for name, row in table.items()
                  if row[sides[0].name].rounds and row[side.name].rounds}
        if not ratios:
            continue
        print(f"{side.name}: geometric mean {measure.geometric_mean(list(ratios.values())):.3f} "
              f"over {len(ratios)} benchmarks")
        slow = sorted((times, name) for name, times in ratios.items() if times < LEAST)
        if judged:
            print(f"    slower than {LEAST}: " + (", ".join(f"{name} {times:.2f}" for times, name in slow) or "none"))
    failed = []
    for name, row in table.items():
        errors = {side: sample.error for side, sample in row.items() if sample.error is not None}
        if errors and len(errors) < len(row):
            failed += [f"{name}, {side}: {error}" for side, error in errors.items()]
        elif errors:
            print(f"cannot run here (fails on every side): {name}: {next(iter(errors.values()))}")
    for line in failed:
        print(f"FAILED {line}")
    return failed


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("benchmarks", nargs="*", help="names in pyperformance's manifest (all)")
    parser.add_argument("--targets", action="store_true", help="the programs issue 2 names")
    parser.add_argument("--exclude", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--python", default=sys.executable, help="run with the JIT off and on (the running one)")
    parser.add_argument("--column", action="append", default=[], metavar="NAME=COMMAND",
                        help="these sides instead (repeat); the first is the base")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE",
                        help="a jitpatch option for the `on` side")
    parser.add_argument("--rounds", type=int, default=3, help="runs per side (3)")
    parser.add_argument("--values", type=int, default=4, help="values per run (4)")
    parser.add_argument("--warmups", type=int, default=2, help="warm-up values per run (2)")
    parser.add_argument("--quick", action="store_true", help="1 round, 3 values, short ones")
    parser.add_argument("--smoke", action="store_true", help="a single value each: only finds failures")
    parser.add_argument("--cpu", type=int, help="CPU to pin to (the last allowed)")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds per run (300)")
    parser.add_argument("--max-minutes", type=float, default=0.0, help="start no program after that")
    parser.add_argument("--output", type=Path, help="JSON file (results/pyperformance-TIME.json)")
    return parser.parse_args()


def make_plan(args: argparse.Namespace) -> Plan:
    cpu = measure.pick_cpu(args.cpu)
    if args.smoke:
        return Plan(1, ("--debug-single-value",), cpu, args.timeout, judged=False)
    rounds, values, warmups, least = (1, 3, 1, "0.05") if args.quick else (
        args.rounds, args.values, args.warmups, "0.1")
    options = ("--processes", "1", "--values", str(values), "--warmups", str(warmups), "--min-time", least)
    return Plan(rounds, options, cpu, args.timeout)


def main() -> int:
    args = arguments()
    sides = [measure.parse_side(text) for text in args.column] or measure.jit_sides(
        args.python, extra=measure.parse_options(args.option))
    # The runner itself reads the manifest and the results with the packages the workers use.
    facts = {side.name: measure.about(side.command, side.environment()) for side in sides}
    plan = make_plan(args)
    try:
        sys.path.append(str(dependencies.common(Side("runner", (sys.executable,)))))
    except dependencies.InstallError as error:
        measure.fail(f"pyperformance cannot be installed into {dependencies.DEPENDENCIES}: {error}")
    programs = choose(load_programs(), TARGET_PROGRAMS if args.targets else args.benchmarks, args.exclude)
    for side in sides:
        print(f"{side.name}: {measure.describe(facts[side.name])}")
    print(f"{plan.rounds} rounds of {' '.join(plan.options)}, pinned to CPU {plan.cpu}, interleaved; medians\n")

    table: dict[str, dict[str, Sample]] = {}
    start = time.monotonic()
    for program in programs:
        if args.max_minutes and time.monotonic() - start > args.max_minutes * 60:
            note(f"time is up: {program.name} and what follows were not run")
            break
        rows = run_program(program, sides, plan)
        for name, row in rows.items():
            print(format_row(name, row, sides, plan.judged), flush=True)
        table |= rows
    failed = report(table, sides, plan.judged)
    stored: dict[str, Any] = {
        "machine": measure.machine(), "plan": vars(plan), "about": facts,
        "programs": {name: {side: vars(sample) for side, sample in row.items()} for name, row in table.items()}}
    print(f"{(time.monotonic() - start) / 60:.1f} minutes; all values: "
          f"{measure.write_results('pyperformance', stored, args.output)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
