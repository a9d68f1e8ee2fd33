"""Whole programs with the JIT off and on: python benchmarks/programs.py

The programs are in programs/: tools, web frameworks, servers and small applications, each with a fixed amount of
work. The same interpreter runs them with JITPATCH=0 and JITPATCH=1 in fresh processes that take turns on one CPU. What
is compared is the CPU time of the whole process, its start and end and its children included; then, in other
processes, that of calls of the program's main() after the first ("warm"). What main() returns must be the same
everywhere. Exit status 1 if it was not, or if a program failed.

    programs.py                        everything, 5 rounds of a fresh process and a warm one; 25 minutes
    programs.py --quick                2 rounds, 3 turns in the warm process; 8 minutes
    programs.py --only lisp --rounds 9 --turns 0      one program, fresh processes alone
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dependencies
import measure
from measure import Side, note

FOLDER = measure.HERE / "programs"
WORKER = measure.HERE / "programs_worker.py"
NO_PROGRAMS = {"sources"}
LEAST = 0.97        # no program slower than that, in a fresh process


@dataclass(frozen=True)
class Program:
    """What is written at the top of a program's file; it is not imported here."""

    name: str
    text: str
    size: int
    tiny: int
    needs: tuple[str, ...]      # packages of requirements.txt; none: the standard library is enough
    children: bool              # whether the work is done by child processes


@dataclass(frozen=True)
class Plan:
    rounds: int
    turns: int                  # calls of main() in a warm process
    cpu: int
    timeout: float
    tiny: bool = False


@dataclass
class Outcome:
    """What one side gave for one program: an entry per round."""

    fresh: list[float] = field(default_factory=list)            # CPU seconds of a whole process with one turn
    mib: list[float] = field(default_factory=list)              # its most resident memory
    warm: list[list[float]] = field(default_factory=list)       # CPU seconds of each turn of a process with several
    counters: dict[str, int] | None = None                      # the JIT's, of the last fresh process
    error: str | None = None

    @property
    def warm_turns(self) -> list[float]:
        return [seconds for turns in self.warm for seconds in turns[1:]]


Row = dict[str, Outcome]        # side -> outcome


def load(path: Path) -> Program:
    tree = ast.parse(path.read_text())
    found: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            target = node.targets[0]
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            try:
                value = ast.literal_eval(node.value)
            except ValueError:
                continue
            values = value if isinstance(target, ast.Tuple) else [value]
            found |= {name.id: value for name, value in zip(names, values) if isinstance(name, ast.Name)}
    text = (ast.get_docstring(tree) or path.stem).partition("\n")[0]
    return Program(path.stem, text, found["SIZE"], found["TINY"], tuple(found.get("NEEDS", ())), found.get("CHILDREN", False))


def load_all() -> dict[str, Program]:
    return {path.stem: load(path) for path in sorted(FOLDER.glob("*.py")) if path.stem not in NO_PROGRAMS}


def choose(programs: dict[str, Program], names: Sequence[str]) -> list[Program]:
    if unknown := [name for name in names if name not in programs]:
        raise SystemExit(f"no such program: {', '.join(unknown)}; there are {', '.join(programs)}")
    return [programs[name] for name in dict.fromkeys(names or programs)]


def run_to_the_end(command: Sequence[str], environment: dict[str, str], plan: Plan,
                   folder: Path) -> tuple[float, str | None]:
    """CPU seconds of a process and its children, and what went wrong. Kills the whole group when time is up."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   start_new_session=True, preexec_fn=lambda: os.sched_setaffinity(0, {plan.cpu}))
        late = threading.Event()

        def kill() -> None:
            late.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(plan.timeout, kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = usage.ru_utime + usage.ru_stime
        if late.is_set():
            return seconds, f"no end within {plan.timeout:.0f} s"
        if process.returncode == 0:
            return seconds, None
        log.seek(0)
        lines = [line.strip() for line in log if line.strip()]
    return seconds, f"exit status {process.returncode}: {(lines or [''])[-1][:300]}"


class Runner:
    """Runs one program on all sides, in a folder of its own that holds what its prepare() made."""

    def __init__(self, program: Program, sides: Sequence[Side], plan: Plan, folder: Path) -> None:
        self.program, self.sides, self.plan, self.folder = program, sides, plan, folder
        self.row: Row = {side.name: Outcome() for side in sides}
        self.result: tuple[str, str] | None = None      # the first one, and whose it was

    def process(self, side: Side, turns: int) -> tuple[float, dict[str, Any]]:
        """One process of that many turns: its CPU seconds, and the worker's report ({} after a failure)."""
        outcome = self.row[side.name]
        environment = side.environment()
        if self.program.needs:
            try:
                packages = str(dependencies.for_programs(side, FOLDER / "requirements.txt"))
            except dependencies.InstallError as error:
                outcome.error = f"dependencies: {error}"
                return 0.0, {}
            own = dict(side.settings).get("PYTHONPATH")
            environment["PYTHONPATH"] = os.pathsep.join([packages, *([own] if own else [])])
        output = self.folder / "report.json"
        output.unlink(missing_ok=True)
        size = self.program.tiny if self.plan.tiny else self.program.size
        work = self.folder / "work"
        work.mkdir(exist_ok=True)
        python = os.path.abspath(side.command[0]) if "/" in side.command[0] else side.command[0]    # we run elsewhere
        command = [python, *side.command[1:], str(WORKER), self.program.name, str(work), str(size), str(turns), str(output)]
        seconds, outcome.error = run_to_the_end(command, environment, self.plan, work)
        if outcome.error is not None:
            return seconds, {}
        report: dict[str, Any] = json.loads(output.read_text(encoding="utf-8", errors="surrogatepass"))
        outcome.error = self.compare(side, report["results"])
        return seconds, report

    def compare(self, side: Side, results: list[str]) -> str | None:
        for result in results:
            if self.result is None:
                self.result = (result, side.name)
            elif result != self.result[0]:
                pairs = zip(self.result[0].splitlines(), result.splitlines())
                line = next((f"{mine[:120]!r} for {first[:120]!r}" for first, mine in pairs if first != mine), "its length")
                return f"result differs from that of {self.result[1]}: {line}"
        return None

    def round(self, side: Side) -> None:
        outcome = self.row[side.name]
        if outcome.error is not None:
            return
        seconds, report = self.process(side, 1)
        if outcome.error is None:
            outcome.fresh.append(seconds)
            outcome.mib.append(report["mib"])
            outcome.counters = report["counters"]

    def warm_round(self, side: Side) -> None:
        outcome = self.row[side.name]
        if outcome.error is not None or self.plan.turns < 2 or self.program.children:
            return
        _, report = self.process(side, self.plan.turns)
        if outcome.error is None:
            outcome.warm.append(report["turns"])

    def run(self) -> Row:
        self.process(self.sides[0], 0)
        for _ in range(self.plan.rounds):
            for step in (self.round, self.warm_round):
                for side in self.sides:
                    step(side)
        return self.row


def times_faster(base: Sequence[float], other: Sequence[float]) -> dict[str, float]:
    """By the least and by the median of each side; {} if one has none."""
    if not base or not other:
        return {}
    return {"least": min(base) / min(other), "median": statistics.median(base) / statistics.median(other)}


def judge(base: Outcome, other: Outcome) -> dict[str, Any]:
    """The figures of one cell of the table; those that there are."""
    figures: dict[str, Any] = {"fresh": times_faster(base.fresh, other.fresh),
                               "warm": times_faster(base.warm_turns, other.warm_turns)}
    if base.mib and other.mib:
        figures["memory"] = statistics.median(other.mib) / statistics.median(base.mib)
    if other.counters and other.fresh:
        compiling = sum(other.counters.get(name, 0) for name in ("record_ns", "compile_ns"))
        figures["entries_per_ms"] = other.counters.get("entered", 0) / (other.fresh[-1] * 1e3)
        figures["compiling_share"] = compiling / (other.fresh[-1] * 1e9)
        spared = other.counters.get("spared", 0) - other.counters.get("wasted", 0)
        figures["model"] = 1 + (spared / INSTRUCTIONS_PER_NS - compiling) / (other.fresh[-1] * 1e9)
    return figures


def cell(figures: dict[str, Any], *path: str, form: str = "{:.2f}") -> str:
    value: Any = figures
    for name in path:
        value = value.get(name) if value else None
    return form.format(value) if value is not None else "-"


HEADINGS = ("program", "off, s", "fresh", "model", "median", "warm", "MiB", "memory", "entries/ms", "compiling", "")
INSTRUCTIONS_PER_NS = 8     # of the instructions that policy.c says were spared
NOISE = 0.03                # a clock and a model that both say less than this do not disagree


def compare_model(table: dict[str, Row], programs: dict[str, Program], base: str, other: str) -> str:
    """Does what policy.c believes to have spared agree with the clock, in its sign?"""
    agree, differ = [], []
    for name, row in table.items():
        figures = judge(row[base], row[other])
        if programs[name].children or "model" not in figures or not figures["fresh"]:
            continue
        clock, model = figures["fresh"]["least"] - 1, figures["model"] - 1
        (agree if clock * model > 0 or max(abs(clock), abs(model)) < NOISE else differ).append(name)
    return f"model: its sign agrees with the clock's for {len(agree)} of {len(agree) + len(differ)}" + (
        f"; not for {', '.join(differ)}" if differ else "")


def table_lines(table: dict[str, Row], programs: dict[str, Program], base: str, other: str) -> list[str]:
    """The table of one side against the base, the slowest first; failures at the end."""
    ordered: list[tuple[float, str, list[str]]] = []
    for name, row in table.items():
        figures = judge(row[base], row[other])
        times = figures["fresh"].get("least")
        if times is None or row[base].error or row[other].error:
            ordered.append((float("inf"), name, [name, "FAILED"]))
            continue
        children = programs[name].children
        cells = [name, f"{min(row[base].fresh):.2f}", cell(figures, "fresh", "least"),
                 "-" if children else cell(figures, "model"), cell(figures, "fresh", "median"),
                 cell(figures, "warm", "least"), f"{statistics.median(row[base].mib):.0f}", cell(figures, "memory"),
                 "-" if children else cell(figures, "entries_per_ms", form="{:.1f}"),
                 "-" if children else cell(figures, "compiling_share", form="{:.1%}"), "SLOWER" if times < LEAST else ""]
        ordered.append((times, name, cells))
    rows = [list(HEADINGS), *(cells for _, _, cells in sorted(ordered))]
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(len(HEADINGS))]
    return [row[0].ljust(widths[0]) + "".join(f"  {text:>{width}}" for text, width in zip(row[1:], widths[1:])) for row in rows]


def report(table: dict[str, Row], programs: dict[str, Program], sides: Sequence[Side]) -> list[str]:
    """Prints the tables; returns what failed."""
    base = sides[0].name
    for side in sides[1:]:
        print(f"\n{side.name}: times as fast as {base} (CPU time; fresh and warm: by the least, median: of fresh processes)")
        print("\n".join(table_lines(table, programs, base, side.name)))
        print(compare_model(table, programs, base, side.name))
        all_figures = [judge(row[base], row[side.name]) for row in table.values()]
        for kind in ("fresh", "warm"):
            ratios = [figures[kind]["least"] for figures in all_figures if figures[kind]]
            print(f"{kind}: geometric mean {measure.geometric_mean(ratios):.3f}, least {min(ratios, default=float('nan')):.2f}, "
                  f"{sum(times < LEAST for times in ratios)} of {len(ratios)} below {LEAST}")
    return [f"{name}, {side}: {outcome.error}" for name, row in table.items() for side, outcome in row.items()
            if outcome.error is not None]


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="programs in programs/ (all)")
    parser.add_argument("--list", action="store_true", help="name the programs, and stop")
    parser.add_argument("--python", default=sys.executable, help="run with the JIT off and on (the running one)")
    parser.add_argument("--column", action="append", default=[], metavar="NAME=COMMAND",
                        help="these sides instead (repeat); the first is the base")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE",
                        help="a jitpatch option for the `on` side")
    parser.add_argument("--rounds", type=int, help="rounds per side (5)")
    parser.add_argument("--turns", type=int, help="calls of main() in a warm process (4); 0: no such processes")
    parser.add_argument("--quick", action="store_true", help="2 rounds, 3 turns, if nothing else is said")
    parser.add_argument("--tiny", action="store_true", help="next to no work: only finds failures")
    parser.add_argument("--cpu", type=int, help="CPU to pin to (the last allowed)")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds per process (300)")
    parser.add_argument("--output", type=Path, help="JSON file (results/programs-TIME.json)")
    return parser.parse_args(given)


def as_json(table: dict[str, Row], programs: dict[str, Program], base: str) -> dict[str, Any]:
    """Each program's values and ratios; `rounds` are the fresh processes, as in the other runners' files."""
    stored: dict[str, Any] = {}
    for name, row in table.items():
        sides = {side: vars(outcome) | {"rounds": [[seconds] for seconds in outcome.fresh]} for side, outcome in row.items()}
        ratios = {side: judge(row[base], outcome) for side, outcome in row.items() if side != base}
        stored[name] = {"text": programs[name].text, "size": programs[name].size, **sides, "ratios": ratios}
    return stored


def main(given: Sequence[str] | None = None) -> int:
    args = arguments(given)
    programs = load_all()
    if args.list:
        print("\n".join(f"{program.name:20} {program.text}" for program in programs.values()))
        return 0
    sides = [measure.parse_side(text) for text in args.column] or measure.jit_sides(
        args.python, extra=measure.parse_options(args.option))
    rounds, turns = (2, 3) if args.quick else (5, 4)
    rounds = rounds if args.rounds is None else args.rounds
    turns = turns if args.turns is None else args.turns
    plan = Plan(rounds, turns, measure.pick_cpu(args.cpu), args.timeout, args.tiny)
    facts = {side.name: measure.about(side.command, side.environment()) for side in sides}
    for side in sides:
        print(f"{side.name}: {measure.describe(facts[side.name])}")
    print(f"{plan.rounds} rounds on CPU {plan.cpu}, {plan.turns} turns in a warm process, interleaved", flush=True)
    table: dict[str, Row] = {}
    start = time.monotonic()
    for program in choose(programs, args.only):
        with tempfile.TemporaryDirectory(prefix="jitpatch-programs-") as folder:
            table[program.name] = Runner(program, sides, plan, Path(folder)).run()
        for side in sides[1:]:
            ratio = cell(judge(table[program.name][sides[0].name], table[program.name][side.name]), "fresh", "least")
            note(f"{program.name}: {side.name} {ratio}, after {time.monotonic() - start:.0f} s")
    failed = report(table, programs, sides)
    if not any(row[side.name].counters for row in table.values() for side in sides):
        failed.append("the JIT was not on in any process: these ratios compare the interpreter with itself")
    stored = {"kind": "programs", "machine": measure.machine(), "plan": vars(plan), "about": facts,
              "programs": as_json(table, programs, sides[0].name)}
    print(f"{(time.monotonic() - start) / 60:.1f} minutes; all values: {measure.write_results('programs', stored, args.output)}")
    for line in failed:
        print(f"FAILED {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
