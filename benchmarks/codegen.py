"""The price of compiling: copy-and-patch against LLVM at O0 and O2, on the same traces.

    python benchmarks/codegen.py                 # the default programs, 10 minutes
    python benchmarks/codegen.py --quick nbody   # one of them, roughly

Each program (of loops/, or of pyperformance) is run with the JIT on until nothing new is compiled.
Then each of its traces is compiled by LLVM, too, from the same templates, and the program is timed with
our code, with LLVM's O0 code and with its O2 code in the place of ours, taking turns in one process. What
exactly is timed stands in benchmarks/README.md. x86-64 Linux only. All values go to results/.
"""

from __future__ import annotations

import argparse
import json
import runpy
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import codegen_llvm as backend
import measure
from codegen_llvm import ExitStub, NotPossible, Piece, TraceCode

PROGRAMS = (
    "int_sum", "float_accumulate", "collatz", "mandelbrot", "nested_loops", "sieve", "matrix", "list_sum", "method_calls",
    "nbody", "spectral_norm", "fannkuch", "float", "nqueens", "richards", "deltablue", "raytrace", "chaos",
)
LEVELS = (0, 2)
GOALS = "goal: 100 times faster to compile than O0; code at least as fast as O0's, within 1.3 of O2's"
ENOUGH = 1.0  # seconds that a program is timed with each code, at least
SMALLEST = 5  # bytes of a jump
VENEER = 16


# --- programs -------------------------------------------------------------------------------------


def load(name: str) -> Callable[[], object]:
    """What a program measures, as a function."""
    own = measure.HERE / "loops" / f"{name}.py"
    if own.exists():
        program = runpy.run_path(str(own))
        return lambda: program["run"](program["N"])
    return load_pyperformance(name)


def load_pyperformance(name: str) -> Callable[[], object]:
    """The functions that a program hands to pyperf, one after the other."""
    try:
        import pyperf
        import pyperformance
    except ImportError:
        raise NotPossible("no pyperformance: python -m pip install pyperformance") from None
    script = Path(pyperformance.__file__).parent / f"data-files/benchmarks/bm_{name}/run_benchmark.py"
    if not script.exists():
        raise NotPossible(f"no program {name!r} in benchmarks/loops and in pyperformance")
    found: list[Callable[[], object]] = []

    class Runner:
        """Stands in for pyperf's."""

        def __init__(self, **_: object) -> None:
            self.metadata: dict[str, object] = {}
            self.argparser = argparse.ArgumentParser()

        def parse_args(self) -> argparse.Namespace:
            self.args = self.argparser.parse_args([])
            return self.args

        def bench_func(self, _: str, function: Callable[..., object], *args: object, **__: object) -> None:
            found.append(lambda: function(*args))

        def bench_time_func(self, _: str, function: Callable[..., object], *args: object, **__: object) -> None:
            found.append(lambda: (function(1, *args), None)[1])  # the result is a time

    pyperf.Runner = Runner
    sys.argv[1:] = []
    runpy.run_path(str(script), run_name="__main__")
    return lambda: [function() for function in found]


# --- traces ---------------------------------------------------------------------------------------


def piece_of(row: tuple[int, str, int, tuple[int, ...], tuple[int, ...]], names: dict[int, dict[str, str]]) -> Piece:
    """One stencil. Several uops may share it; it is its instruction's, or else a move's."""
    stencil, uop, exit_, operands, inputs = row
    if uop not in names[stencil]:
        uop = next(iter(names[stencil]))
    return Piece(uop, names[stencil][uop], exit_, operands, inputs)


def trace_code(origin: dict[str, Any], names: dict[int, dict[str, str]], roots: dict[int, dict[str, Any]]) -> TraceCode:
    """What _jitpatch._origin() tells of an executor. names: of stencils; roots: by the address of LOOP_ENTRY."""
    target = origin["target"]
    return TraceCode(
        tuple(piece_of(row, names) for row in origin["pieces"]),
        tuple(ExitStub(stub, error, tuple(locs)) for stub, error, locs in origin["exits"]),
        origin["loop"], origin["entry"], origin["end"], tuple(origin["entry_locs"]),
        target, tuple(roots[target]["entry_locs"]) if target else (),
    )


def detour(origin: dict[str, Any], compiled: backend.Compiled) -> dict[int, bytes]:
    """Offset -> bytes that lead from a trace's two entries to other code."""

    def far(address: int) -> bytes:  # jmp *(rip + 2); ud2; address
        return b"\xff\x25\x02\x00\x00\x00\x0f\x0b" + struct.pack("<Q", address)

    at = origin["entry_address"] - origin["address"] if origin["entry"] >= 0 else 0
    if origin["entry"] < 0 or at >= VENEER:
        found = {0: far(compiled.trace)}
        if origin["entry"] >= 0:
            found[at] = far(compiled.loop_entry)
        return found
    if at == 0:  # an empty entry part
        return {0: far(compiled.loop_entry)}
    if at < SMALLEST:
        raise NotPossible("no room for a jump before LOOP_ENTRY")
    near = b"\xe9" + struct.pack("<i", at + VENEER - SMALLEST)  # jmp to behind the other one
    return {0: near, at: far(compiled.loop_entry), at + VENEER: far(compiled.trace)}


@dataclass
class Trace:
    """An executor and what was made of it."""

    executor: Any
    name: str
    uops: int
    size: int  # bytes of ours, without exit stubs
    bitcode: bytes
    own: bytes  # our machine code
    detours: dict[int, dict[int, bytes]]  # by level
    levels: dict[int, dict[str, float]]  # by level: read, passes, code (seconds), size
    engines: list[Any]


def label(executor: Any) -> str:
    return f"{executor.code.co_qualname}:{executor.line}{' side' * executor.is_side}"


def stencil_names() -> tuple[dict[int, dict[str, str]], dict[int, int]]:
    """Number -> variants by uop, moves, spills and the like first; number -> bytes. No code: NOP."""
    from jitpatch._tables import CompiledIn

    tables = CompiledIn()
    names: dict[int, dict[str, str]] = {}
    for uop in sorted(tables.uops(), key=lambda uop: "CONTROL" not in uop.flags):
        for variant, number in tables.variants(uop):
            names.setdefault(number, {}).setdefault(uop.name, variant)
    sizes = {number: sum(map(len, tables.stencil(number).parts.values())) for number in names}
    return {number: found if sizes[number] else {"NOP": "-"} for number, found in names.items()}, sizes


def collect(executors: Sequence[Any], templates: backend.Templates, repeat: int) -> list[Trace]:
    """Traces, compiled by LLVM as well."""
    from jitpatch import _jitpatch

    names, sizes = stencil_names()
    origins = {executor: _jitpatch._origin(executor) for executor in executors}
    roots = {origin["entry_address"]: origin for origin in origins.values() if origin["entry"] >= 0}
    traces = []
    for executor, origin in origins.items():
        module = backend.llvm().parse_assembly(backend.module_text(trace_code(origin, names, roots), templates))
        module.verify()
        trace = Trace(
            executor, label(executor), len(origin["pieces"]),
            SMALLEST + sum(sizes[piece[0]] for piece in origin["pieces"]), module.as_bitcode(), executor.machine_code(),
            {}, {}, [])
        for level in LEVELS:
            compile_repeatedly(trace, origin, level, repeat)
        traces.append(trace)
    return traces


def compile_repeatedly(trace: Trace, origin: dict[str, Any], level: int, repeat: int) -> None:
    """Medians of `repeat` compilations; the last one's code is kept."""
    done = [backend.compile_module(trace.bitcode, level) for _ in range(repeat)]
    trace.detours[level] = detour(origin, done[-1])
    trace.engines.append(done[-1].engine)
    times = {what: statistics.median(getattr(one, what) for one in done) for what in ("read", "passes", "code")}
    trace.levels[level] = {**times, "size": backend.code_size(trace.bitcode, level)}


def put_in_place(traces: Sequence[Trace], level: int | None) -> None:
    """From now on the program runs LLVM's code of this level, or ours (None)."""
    from jitpatch import _jitpatch

    for trace in traces:
        for level_, detour_ in trace.detours.items():
            for at, code in detour_.items():
                own = trace.own[at : at + len(code)]
                if level is None:
                    _jitpatch._write_code(trace.executor, at, own)
                elif level_ == level:
                    _jitpatch._write_code(trace.executor, at, code)


# --- one program in this process ------------------------------------------------------------------


def warm_up(run: Callable[[], object]) -> object:
    """Until two runs in a row compile nothing; what it returns."""
    import jitpatch

    result, quiet = run(), 0
    for _ in range(30):
        before = jitpatch.stats().recordings
        run()
        quiet = quiet + 1 if jitpatch.stats().recordings == before else 0
        if quiet == 2:
            break
    return result


def timed(run: Callable[[], object], expected: object) -> float:
    start = time.thread_time()  # other processes do not lengthen it
    result = run()
    seconds = time.thread_time() - start
    if repr(result) != repr(expected):
        raise NotPossible(f"another result: {result!r:.60}, not {expected!r:.60}")
    return seconds


def own_times(executors: Sequence[Any]) -> dict[str, dict[str, int]]:
    """What the machine itself says of its compile time, in nanoseconds, by trace."""
    from jitpatch import _jitpatch

    found: dict[str, dict[str, int]] = {}
    for executor in executors:
        origin = _jitpatch._origin(executor)
        name = f"{label(executor)}, {len(origin['pieces'])} uops"
        while name in found:  # the next of its kind
            name += "'"
        found[name] = {"uops": len(origin["pieces"]), "patch": executor.emit_ns, "optimise": origin["optimise_ns"],
                       "assign": executor.compile_ns - origin["optimise_ns"]}
    return found


def own_totals(processes: Sequence[dict[str, dict[str, int]]]) -> dict[str, float]:
    """The first process' traces, each with its medians over all processes that compiled it as well, summed up."""
    totals = dict.fromkeys(("uops", "patch", "assign", "optimise"), 0.0)
    for name in processes[0]:
        for what in totals:
            totals[what] += statistics.median(process[name][what] for process in processes if name in process)
    return totals


def measure_here(name: str, rounds: int, repeat: int, only_own: bool) -> dict[str, Any]:
    """The worker: one program with our code and LLVM's."""
    import jitpatch
    from jitpatch import _jitpatch

    run = load(name)
    with tempfile.TemporaryDirectory() as folder:
        templates = None if only_own else backend.read_templates(Path(folder), _jitpatch._symbols())
    _jitpatch._keep_origins(True)
    jitpatch.enable(text=0, max_age=0, sample=0)
    result = warm_up(run)
    executors = [executor for executor in jitpatch.executors() if executor.is_valid()]
    own = own_times(executors)
    if templates is None:
        return {"own": own}
    for param, value in (("threshold", 10**9), ("call_threshold", 10**9), ("max_sides", 0)):
        _jitpatch.set_param(param, value)  # nothing new from here on
    traces = collect(executors, templates, repeat)
    seconds: dict[str, list[float]] = {"ours": [], "O0": [], "O2": []}
    while len(seconds["O2"]) < rounds or (sum(seconds["O2"]) < ENOUGH and len(seconds["O2"]) < 10 * rounds):
        for key, level in (("ours", None), ("O0", 0), ("O2", 2)):
            put_in_place(traces, level)
            seconds[key].append(timed(run, result))
    put_in_place(traces, None)
    files = {executor.code.co_filename for executor in executors}
    late = [executor for executor in jitpatch.executors() if executor not in executors]
    return {
        "own": own, "seconds": seconds, "late": sum(executor.code.co_filename in files for executor in late),
        "traces": [{"name": t.name, "uops": t.uops, "size": t.size, "whole_size": t.executor.code_size,
                    "llvm": t.levels} for t in traces],
    }


# --- all programs, and the table ------------------------------------------------------------------


def in_process(name: str, options: Sequence[str], cpu: int) -> dict[str, Any]:
    """A program in a fresh process."""
    command = [sys.executable, __file__, "--worker", name, *options]
    side = measure.Side("worker", tuple(command), (("JITPATCH", "0"),))
    done = measure.run_pinned(command, side.environment(), cpu, 1800)
    if done.returncode:
        raise NotPossible(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"status {done.returncode}")
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def summary(row: dict[str, Any]) -> dict[str, float]:
    """A program's line: times in nanoseconds per uop, bytes per uop, run times as factors of ours."""
    uops = sum(trace["uops"] for trace in row["traces"])
    totals = own_totals(row["own"])

    def own(*stages: str) -> float:
        return sum(totals[stage] for stage in stages) / totals["uops"]

    def llvm(level: str, *stages: str) -> float:
        return sum(trace["llvm"][level][stage] for trace in row["traces"] for stage in stages) / uops

    found = {
        "traces": len(row["traces"]), "uops": uops, "patch": own("patch"), "assign": own("assign"),
        "whole": own("assign", "optimise"), "size": sum(trace["size"] for trace in row["traces"]) / uops,
    }
    for level in map(str, LEVELS):
        found |= {
            f"code{level}": 1e9 * llvm(level, "code"), f"passes{level}": 1e9 * llvm(level, "passes"),
            f"size{level}": llvm(level, "size"),
            f"run{level}": min(row["seconds"][f"O{level}"]) / min(row["seconds"]["ours"]),
        }
        found[f"times{level}"] = (found[f"code{level}"] + found[f"passes{level}"]) / found["patch"]
    found["least0"] = found["code0"] / found["assign"]
    return found


HEADING = (
    "                             compile, ns a uop                              | times slower    | bytes a uop   | run, ours = 1\n"
    "program          uops  patch +assign   +opt      O0 (code alone)        O2  |   O0  least  O2 | ours  O0   O2 |   O0    O2"
)


def line(name: str, row: dict[str, float]) -> str:
    return (
        f"{name:16} {row['uops']:5.0f}  {row['patch']:5.0f} {row['assign']:6.0f} {row['whole']:6.0f} "
        f"{row['code0'] + row['passes0']:8.0f} {row['code0']:8.0f} {row['code2'] + row['passes2']:12.0f}  | "
        f"{row['times0']:4.0f} {row['least0']:5.0f} {row['times2']:4.0f} | "
        f"{row['size']:4.0f} {row['size0']:4.0f} {row['size2']:4.0f} | {row['run0']:5.2f} {row['run2']:5.2f}"
    )


def as_markdown(path: Path) -> str:
    """The table of benchmarks/README.md, from stored results."""
    stored = json.loads(path.read_text())
    rows = {name: row["summary"] for name, row in stored["programs"].items()}
    rows["*geometric mean*"] = {key: measure.geometric_mean([row[key] for row in rows.values()]) for key in next(iter(rows.values()))}
    lines = [
        "| program | uops | patch | + assign | + optimise | O0 | O0, code alone | O2 | O0 / patch | least | bytes a uop: ours, O0, O2 "
        "| run time: O0 | O2 |",
        "| --- " + "| ---: " * 12 + "|",
    ]
    for name, row in rows.items():
        cells = [
            name, f"{row['uops']:.0f}", f"{row['patch']:.0f}", f"{row['assign']:.0f}", f"{row['whole']:.0f}",
            f"{row['code0'] + row['passes0']:,.0f}", f"{row['code0']:,.0f}", f"{row['code2'] + row['passes2']:,.0f}",
            f"{row['times0']:.0f}", f"{row['least0']:.0f}", f"{row['size']:.0f}, {row['size0']:.0f}, {row['size2']:.0f}",
            f"{row['run0']:.2f}", f"{row['run2']:.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    made = stored["versions"]
    lines.append(f"\n{stored['machine']['cpu']}, {stored['machine']['time'][:10]}; {made['clang']}; llvmlite {made['llvmlite']}.")
    return "\n".join(lines)


def versions() -> dict[str, str]:
    import llvmlite

    binding = backend.llvm()
    clang = subprocess.run([*backend.find_clang(backend.TARGET), "--version"], capture_output=True, text=True)
    return {"llvmlite": f"{llvmlite.__version__} (LLVM {'.'.join(map(str, binding.llvm_version_info))})",
            "clang": clang.stdout.partition("\n")[0]}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("programs", nargs="*", help=f"names in loops/ or of pyperformance ({', '.join(PROGRAMS)})")
    parser.add_argument("--processes", type=int, default=5, help="runs whose compile times are taken (5)")
    parser.add_argument("--rounds", type=int, default=7, help="timed runs with each code (7)")
    parser.add_argument("--repeat", type=int, default=5, help="times that LLVM compiles each trace (5)")
    parser.add_argument("--quick", action="store_true", help="2 processes, 3 rounds, twice")
    parser.add_argument("--cpu", type=int, help="CPU to pin to (the last allowed)")
    parser.add_argument("--output", type=Path, help="JSON file (results/codegen-TIME.json)")
    parser.add_argument("--markdown", type=Path, metavar="JSON", help="only print these results as a table")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--only-own", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.quick:
        args.processes, args.rounds, args.repeat = 2, 3, 2
    return args


def main() -> int:
    args = arguments()
    if args.worker:
        print("\n" + json.dumps(measure_here(args.programs[0], args.rounds, args.repeat, args.only_own)))
        return 0
    if args.markdown:
        print(as_markdown(args.markdown))
        return 0
    cpu = measure.pick_cpu(args.cpu)
    for module, package in (("llvmlite", "llvmlite"), ("elftools", "pyelftools")):
        measure.need(module, package)
    facts = measure.about([sys.executable])
    if not facts["available"]:
        measure.fail(f"{measure.describe(facts)}: {sys.executable} -m pip install {measure.HERE.parent}")
    made_by = versions()
    print(f"{measure.describe(facts)}\n{made_by['clang']}; llvmlite {made_by['llvmlite']}\n{GOALS}\n")
    print(HEADING)
    stored: dict[str, Any] = {}
    failed = []
    for name in args.programs or PROGRAMS:
        try:
            row = in_process(name, [f"--rounds={args.rounds}", f"--repeat={args.repeat}"], cpu)
            more = [in_process(name, ["--only-own"], cpu)["own"] for _ in range(args.processes - 1)]
        except (NotPossible, subprocess.TimeoutExpired) as error:
            failed.append(f"{name}: {error}")
            continue
        row["own"] = [row["own"], *more]
        stored[name] = {**row, "summary": summary(row)}
        print(line(name, stored[name]["summary"]), flush=True)
    if stored:
        columns = [row["summary"] for row in stored.values()]
        print(line("geometric mean", {key: measure.geometric_mean([column[key] for column in columns]) for key in columns[0]}))
    content = {"machine": measure.machine(), "versions": made_by, "programs": stored}
    print(f"\nall values: {measure.write_results('codegen', content, args.output)}")
    for text in failed:
        print(f"FAILED {text}")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NotPossible as error:
        sys.exit(f"codegen: {error}")
