"""What compiling costs: python benchmarks/compiling.py

Nanoseconds from the first bytecode that is recorded to the installed trace, per uop, over the programs of pyperformance, in
fresh processes (one value each, nothing warmed up), by the clock of the statistics. With what was recorded in vain, with the
interpreter's own execution of the recorded path, and with switching the events on and off that the recorder hears.

    compiling.py                    all programs, the median at the end; 6 minutes
    compiling.py hexiom deltablue   these
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import dependencies
import measure
import pyperformance_run as programs
from measure import Side, note

LEAST = 500     # uops: fewer say nothing


@dataclass(frozen=True)
class Cost:
    """One process."""

    uops: int
    recording: float        # ns a uop
    compiling: float

    @property
    def total(self) -> float:
        """Nanoseconds a uop."""
        return self.recording + self.compiling


def run(side: Side, program: programs.Program, cpu: int, folder: Path) -> Cost | None:
    """Statistics of the worker that one value of the program takes; None if it compiled little, or failed."""
    try:
        paths = dependencies.for_benchmark(side, program.name, program.script.parent)
    except dependencies.InstallError:
        return None
    report = folder / "stats.json"
    report.unlink(missing_ok=True)
    environment = side.environment() | {"PYTHONPATH": ":".join(map(str, paths)), "JITPATCH_STATS": str(report)}
    command = ["taskset", "-c", str(cpu), *side.command, str(program.script), *program.options,
               "--worker", "-l", "1", "-n", "3", "-w", "0"]
    subprocess.run(command, env=environment, cwd=folder, capture_output=True, timeout=300)
    if not report.exists():
        return None
    counters = json.loads(report.read_text())["counters"]
    uops = counters["uops"]
    return Cost(uops, counters["record_ns"] / uops, counters["compile_ns"] / uops) if uops >= LEAST else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="of programs")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=1, help="processes for each program; the least counts")
    parser.add_argument("--cpu", type=int)
    args = parser.parse_args()
    cpu = measure.pick_cpu(args.cpu)
    side = Side("on", (args.python,), (("JITPATCH", "1"),))
    totals = []
    print("program                 uops  recording  compiling  together, ns a uop")
    with tempfile.TemporaryDirectory(prefix="jitpatch-bench-") as folder:
        for program in programs.choose(programs.load_programs(), args.names, ()):
            costs = [cost for _ in range(args.rounds) if (cost := run(side, program, cpu, Path(folder))) is not None]
            if not costs:
                note(f"{program.name}: fewer than {LEAST} uops")
                continue
            best = min(costs, key=lambda cost: cost.total)
            totals.append(best.total)
            print(f"{program.name:20} {best.uops:7}  {best.recording:9.0f}  {best.compiling:9.0f}  {best.total:8.0f}", flush=True)
    if totals:
        print(f"median of {len(totals)}: {statistics.median(totals):.0f}")


if __name__ == "__main__":
    main()
