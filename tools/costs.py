"""Counts what bytecodes and uops cost, in instructions: python tools/costs.py [bytecodes] [uops] [check]

Writes src/runtime/policy/costs_bytecodes.def and src/runtime/policy/costs_uops.def, the two tables from which the gain of a trace is
known before it has run. x86-64 Linux; needs valgrind, and for uops jitpatch installed in this interpreter, and
capstone. Hash seed, environment and order are fixed, so that the same interpreter gives the same numbers.

    python tools/costs.py --python ~/.pyenv/versions/3.13.0/bin/python3.13     # the interpreter to count in

*Bytecodes*: tools/costs_snippets.py has code for each; what a bytecode takes is the difference between K and 2K copies less what
the others in a copy take. The C functions that it calls are in it, and what is freed because it made it. `check` holds the sums against
code that mixes them: 0.86 to 1.25 of what is counted there (3.13.0), most where boxes are used again or lists grow.

*Uops*: the instructions of the hot part of the stencil, the median of its variants; where that calls C, also what the
callee took in tools/costs_corpus.py, run with the JIT under callgrind: for each place that called it the mean, of these the
median. A callee that was not called there is an estimate by the uop's flags, and marked.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import costs_corpus
import costs_snippets
from costs_snippets import COPIES, MARK, RUNS, TURNS, Snippet

STENCILS = ROOT / "generated/x86_64-unknown-linux-gnu/stencils.json"
BYTECODES = ROOT / "src/runtime/policy/costs_bytecodes.def"
UOPS = ROOT / "src/runtime/policy/costs_uops.def"
WIDTH = 48      # of the names' column

# Not measured: as much as another one, or some instructions more than it.
LIKE: dict[str, tuple[str, int]] = {
    "PUSH_NULL": ("LOAD_CONST", 0), "RESUME": ("RESUME_CHECK", 0), "CACHE": ("NOP", 0), "RESERVED": ("NOP", 0),
    "INTERPRETER_EXIT": ("NOP", 10), "ENTER_EXECUTOR": ("NOP", 0), "INSTRUMENTED_INSTRUCTION": ("NOP", 0), "INSTRUMENTED_LINE": ("NOP", 0),
    "EXIT_INIT_CHECK": ("NOP", 0), "JUMP_BACKWARD_NO_INTERRUPT": ("JUMP_FORWARD", 0), "MAKE_CELL": ("BUILD_TUPLE", 0),
    "COPY_FREE_VARS": ("LOAD_DEREF", 0), "LOAD_GLOBAL": ("LOAD_NAME", 0), "LOAD_LOCALS": ("LOAD_FAST", 0),
    "LOAD_FROM_DICT_OR_DEREF": ("LOAD_NAME", 0), "LOAD_FROM_DICT_OR_GLOBALS": ("LOAD_NAME", 0), "SETUP_ANNOTATIONS": ("LOAD_NAME", 0),
    "LOAD_SUPER_ATTR": ("LOAD_SUPER_ATTR_ATTR", 0), "LOAD_ATTR_METHOD_LAZY_DICT": ("LOAD_ATTR_METHOD_NO_DICT", 3), "CALL": ("CALL_NON_PY_GENERAL", 0),
    "CALL_BOUND_METHOD_GENERAL": ("CALL_PY_GENERAL", 15), "CALL_INTRINSIC_2": ("CALL_INTRINSIC_1", 0),
    "SEND": ("FOR_ITER", 20), "SEND_GEN": ("FOR_ITER_GEN", 0), "GET_AWAITABLE": ("GET_ITER", 0), "GET_YIELD_FROM_ITER": ("GET_ITER", 0),
    "GET_AITER": ("GET_ITER", 20), "GET_ANEXT": ("GET_ITER", 40), "END_ASYNC_FOR": ("POP_TOP", 20), "BEFORE_ASYNC_WITH": ("BEFORE_WITH", 0),
    "RETURN_GENERATOR": ("CALL_PY_EXACT_ARGS", 150), "CLEANUP_THROW": ("POP_TOP", 20), "WITH_EXCEPT_START": ("CALL_NON_PY_GENERAL", 20),
    "GET_LEN": ("CALL_LEN", 0), "MATCH_SEQUENCE": ("IS_OP", 0), "MATCH_MAPPING": ("IS_OP", 0), "MATCH_KEYS": ("BINARY_SUBSCR_DICT", 60),
    "MATCH_CLASS": ("CALL_ISINSTANCE", 60), "PUSH_EXC_INFO": ("SWAP", 5), "POP_EXCEPT": ("POP_TOP", 5), "CHECK_EXC_MATCH": ("CALL_ISINSTANCE", 0),
    "CHECK_EG_MATCH": ("CALL_ISINSTANCE", 60), "RERAISE": ("POP_TOP", 300), "RAISE_VARARGS": ("CALL_NON_PY_GENERAL", 600),
}


def fail(text: str) -> None:
    raise SystemExit(f"costs: {text}")


def environment(**more: str) -> dict[str, str]:
    """The same for everybody: what is in it moves the stack."""
    return {"PATH": "/usr/bin:/bin", "PYTHONHASHSEED": "0", "LC_ALL": "C", **more}


def callgrind(command: list[str], folder: Path, *options: str, **settings: str) -> str:
    """Runs the command under callgrind, which writes into folder; what it printed."""
    done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", *options, *command], cwd=ROOT,
                          env=environment(**settings), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        fail(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


# Bytecodes.

def marked_totals(folder: Path) -> list[int]:
    """Instructions from each call of MARK to the next."""
    dumps = sorted(folder.glob("out.*"), key=lambda path: int(path.suffix[1:]))
    totals = [re.search(r"^(?:summary|totals): (\d+)", dump.read_text(), re.M) for dump in dumps]
    return [int(found[1]) if found else 0 for found in totals][1:]      # the first one is what came before


def measure(python: str, which: str = "all") -> list[tuple[Snippet, dict[str, int], float]]:
    """Each snippet with the bytecodes of a copy, and the copy's instructions."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        script = str(ROOT / "tools/costs_snippets.py")
        sequences = json.loads(callgrind([python, "-P", "-s", "-S", script, which], folder, f"--dump-before={MARK}"))
        totals = marked_totals(folder)
    if len(totals) < 2 * len(sequences):
        fail(f"{len(totals)} counts for {len(sequences)} snippets")
    found = []
    for number, (snippet, sequence) in enumerate(zip(costs_snippets.chosen(which), sequences)):
        times = (TURNS if snippet.kind == "turns" else COPIES) * RUNS
        found.append((snippet, sequence, (totals[2 * number + 1] - totals[2 * number]) / times))
    return found


def solve(measured: Iterable[tuple[Snippet, dict[str, int], float]]) -> dict[str, float]:
    """What each target takes: the rest of its snippet, when all else in it is known."""
    costs: dict[str, float] = {}
    waiting = list(measured)
    while waiting:
        later = []
        for snippet, sequence, total in waiting:
            if missing := [name for name in snippet.targets if name not in sequence]:
                fail(f"{snippet.text}: no {', '.join(missing)} in {sequence}")
            for name, (base, more) in LIKE.items():
                if name in sequence and base in costs:
                    costs.setdefault(name, costs[base] + more)
            others = {name: count for name, count in sequence.items() if name not in snippet.targets}
            if any(name not in costs for name in others):
                later.append((snippet, sequence, total))
                continue
            rest = total - sum(costs[name] * count for name, count in others.items())
            for name in snippet.targets:
                costs[name] = rest / sum(sequence[target] for target in snippet.targets)
        if len(later) == len(waiting):
            fail("cannot be told apart: " + "; ".join(f"{snippet.text}: {sequence}" for snippet, sequence, _ in later))
        waiting = later
    return costs


def all_bytecodes(python: str) -> tuple[str, list[str], dict[str, str]]:
    """The interpreter's version, every name of a bytecode in it, and the family of each specialised one."""
    code = ("import _opcode_metadata as m, json, sys, platform; print(json.dumps([f'{sys.version.split()[0]}, {platform.python_compiler()}', "
            "[n for n, k in {**m.opmap, **m._specialized_opmap}.items() if k < 256], "
            "{n: f for f, names in m._specializations.items() for n in names}]))")
    version, names, families = json.loads(subprocess.run([python, "-I", "-c", code], check=True, capture_output=True, text=True).stdout)
    return version, names, families


def complete(costs: Mapping[str, float], names: Iterable[str], families: Mapping[str, str]) -> tuple[dict[str, int], dict[str, tuple[int, str]]]:
    """Measured ones, and those of the others with what they are taken from."""
    measured = {name: max(1, round(cost)) for name, cost in costs.items() if name not in LIKE}
    derived: dict[str, tuple[int, str]] = {}

    def cost_of(name: str) -> int:
        return measured[name] if name in measured else derived[name][0] if name in derived else derive(name)

    def derive(name: str) -> int:
        base, more = LIKE.get(name) or (families.get(name) or name.removeprefix("INSTRUMENTED_"), 0)
        if base == name:
            fail(f"{name}: neither measured nor of a family")
        derived[name] = (cost_of(base) + more, f"{base} + {more}" if more else base)
        return derived[name][0]

    for name in names:
        cost_of(name)
    return measured, derived


def row(name: str, cost: int, note: str = "") -> str:
    text = f"COST({name},".ljust(WIDTH) + f"{cost:>6})"
    return f"{text}  // {note}" if note else text


def write_bytecodes(python: str) -> None:
    version, names, families = all_bytecodes(python)
    measured, derived = complete(solve(measure(python)), names, families)
    lines = [
        "// costs_bytecodes.def - COST(bytecode, instructions): what the interpreter executes for it in the common case, the C",
        "// functions that it calls and the freeing of what it makes included. Written by tools/costs.py, which counts them with",
        f"// callgrind; not edited by hand. x86-64, CPython {version}.", *[row(name, measured[name]) for name in sorted(measured)],
        "// Not measured: as much as another one, or as that and some more.",
        *[row(name, cost, f"like {base}") for name, (cost, base) in sorted(derived.items())]]
    BYTECODES.write_text("\n".join(lines) + "\n")


def check_bytecodes(python: str) -> None:
    """How the table's sums compare with some mixed code."""
    costs = {name: int(cost) for name, cost in re.findall(r"^COST\((\w+), +(\d+)\)", BYTECODES.read_text(), re.M)}
    for snippet, sequence, total in measure(python, "mixes"):
        told = sum(costs[name] * count for name, count in sequence.items())
        print(f"{total:8.0f} counted, {told:6} by the table ({told / total:.2f}): {snippet.text.replace(';;', '; ')}")


# Uops.

# What these take is mostly the code that they run, whose cost is its own: the least place's is taken.
RUN_CODE = {"help_run_loop", "help_call_native", "help_vectorcall", "PyObject_Vectorcall"}

# What the recorder makes operands of; and what is called by code that is not ours and belongs to no file either.
OPERANDS = ("PyNumber_", "PyObject_", "PySequence_", "PyDict_", "PyList_", "PyTuple_", "PySet_", "PyLong_", "PyCell_", "PyMethod_", "PySlice_")
NO_OPERANDS = {"PyObject_Free", "PyObject_Malloc", "PyObject_GC_Del"}
SEEN = 100      # calls at least
# Uops that call functions of one kind alone, and an estimate for where none was seen.
KINDS = {"ITER_NEXT": (r"next|iternext", 80), "FLOAT_CALL1": (r"^(__)?(sin|cos|tan|exp|log|atan|asin|acos|floor|ceil)", 50),
         "C_COMPARE": (r"^PyObject_RichCompare$", 100)}

Edges = dict[str, list[tuple[int, int]]]        # callee -> (calls, instructions in all) for each place that calls it


def calls_from_traces(text: str) -> Edges:
    """Of callgrind's output, the calls made by code that belongs to no file: compiled traces."""
    names: dict[str, dict[str, str]] = {"ob": {}, "fn": {}}
    current = callee_object = callee = ""
    edges: Edges = defaultdict(list)
    calls = 0
    for line in text.splitlines():
        if calls:
            if current == "???" and callee_object != "???":
                edges[callee].append((calls, int(line.split()[-1])))
            calls, callee_object = 0, current
            continue
        found = re.match(r"(c?)(ob|fn)=\((\d+)\)(?: (.*))?$", line)
        if found:
            inner, kind, number, name = found.groups()
            if name is not None:
                names[kind][number] = re.sub(r"'\d+$", "", name)
            value = names[kind].get(number, "")
            if kind == "ob":
                current, callee_object = (current, value) if inner else (value, value)
            elif inner:
                callee = value
        elif line.startswith("calls="):
            calls = int(line[6:].split()[0])
    return edges


def usual(callee: str, places: list[tuple[int, int]]) -> float:
    """The median over calls of their place's mean: a place that runs much Python is not everybody's."""
    if callee in RUN_CODE:
        return min(total / calls for calls, total in places)
    ordered = sorted((total / calls, calls) for calls, total in places)
    half = sum(calls for _, calls in ordered) / 2
    for mean, calls in ordered:
        half -= calls
        if half <= 0:
            break
    return mean


def hot_instructions(stencil: Any) -> int:
    from jitpatch import _disassembly

    return sum(1 for _ in _disassembly.instructions(bytes.fromhex(stencil["hot"]), "x86_64"))


def callees(stencil: Any) -> list[str]:
    """What the hot part calls: a hole for a symbol after the byte of a call."""
    code = bytes.fromhex(stencil["hot"])
    return [hole["symbol"] for hole in stencil["holes"]
            if hole["part"] == "hot" and hole["value"] == "SYMBOL" and hole["kind"] == "REL32" and code[hole["offset"] - 1] == 0xE8]


def calls_operand(stencil: Any) -> bool:
    """Whether the function called is an operand."""
    from jitpatch import _disassembly

    texts = [line.text for line in _disassembly.instructions(bytes.fromhex(stencil["hot"]), "x86_64")]
    return any(re.match(r"call (r|qword)", text) for text in texts)


def estimate(flags: list[str]) -> int:
    """Of a callee that was never seen."""
    return 200 if "ESCAPES" in flags else 80 if "ALLOC" in flags else 40


def of_kind(uop: str, edges: Edges, told: Edges) -> tuple[float, str]:
    """What the function takes that is an operand of the uop."""
    pattern, otherwise = KINDS.get(uop, ("", 0))
    found = {callee: places for callee, places in edges.items() if re.search(pattern, callee)} if pattern else told
    places = [place for several in found.values() for place in several]
    text = "the function that it is told to call"
    return (usual("", places), f"{text}, in the median") if places else (otherwise, f"{text}: an estimate")


def uop_row(uop: Any, stencils: list[Any], edges: Edges, told: Edges) -> str:
    """Half of the stencils are as short, or shorter. told: see operands()."""
    variants = [stencils[number] for number in uop["variants"].values()]
    if not variants:
        return row(uop["name"], 0)
    counts = sorted((hot_instructions(stencil), number) for number, stencil in enumerate(variants))
    instructions, number = counts[(len(counts) - 1) // 2]
    cost, notes = float(instructions), []
    for symbol in callees(variants[number]):
        cost += usual(symbol, edges[symbol]) if symbol in edges else estimate(uop["flags"])
        notes.append(symbol if symbol in edges else f"{symbol}: an estimate")
    if calls_operand(variants[number]):
        callee, note = of_kind(uop["name"], edges, told)
        cost += callee
        notes.append(note)
    return row(uop["name"], round(cost), f"{instructions} and {', '.join(notes)}" if notes else "")


def operands(edges: Edges, uops: list[Any], stencils: list[Any]) -> Edges:
    """The functions that no stencil names and CPython exports: operands of CALL1, C_FROM2 and the like."""
    named = {hole["symbol"] for uop in uops for number in list(uop["variants"].values())[:1] for hole in stencils[number]["holes"]}
    return {callee: places for callee, places in edges.items()
            if callee not in named and callee.startswith(OPERANDS) and callee not in NO_OPERANDS
            and sum(calls for calls, _ in places) >= SEEN and hasattr(ctypes.pythonapi, callee)}


def corpus_edges(python: str) -> Edges:
    edges: Edges = defaultdict(list)
    for part in costs_corpus.PARTS:
        with tempfile.TemporaryDirectory() as name:
            callgrind([python, "-P", str(ROOT / "tools/costs_corpus.py"), part], Path(name), JITPATCH="0")
            for path in Path(name).glob("out*"):
                for callee, places in calls_from_traces(path.read_text()).items():
                    edges[callee] += places
    return edges


def write_uops(python: str) -> None:
    table = json.loads(STENCILS.read_text())
    if table["machine"] != "x86_64":
        fail(f"{STENCILS}: not of x86-64")
    edges = dict(corpus_edges(python))
    told = operands(edges, table["uops"], table["stencils"])
    version = all_bytecodes(python)[0]
    lines = [
        "// costs_uops.def - COST(uop, instructions): what compiled code executes for it in the common case: the hot part of its",
        "// stencil, and the C functions called there (named behind it, as callgrind counted them). Written by tools/costs.py; not",
        f"// edited by hand. x86-64, {table['compiler']}, CPython {version}. `an estimate`: never called where it was counted.",
        *[uop_row(uop, table["stencils"], edges, told) for uop in table["uops"]],
        "// CALLEE(function, instructions): functions that are operands of such uops, where they were counted.",
        "#ifdef CALLEE", *[row(callee, round(usual(callee, told[callee]))).replace("COST", "CALLEE") for callee in sorted(told)], "#endif"]
    UOPS.write_text("\n".join(lines) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tables", nargs="*", choices=["bytecodes", "uops", "check", []], help="which to write (both); check: write none, hold the first against mixed code")
    parser.add_argument("--python", default=getattr(sys, "_base_executable", sys.executable), help="to count bytecodes in (the one below this environment)")
    args = parser.parse_args()
    wanted = args.tables or ["bytecodes", "uops"]
    if "bytecodes" in wanted:
        write_bytecodes(os.path.realpath(args.python))
    if "uops" in wanted:
        write_uops(sys.executable)
    if "check" in wanted:
        check_bytecodes(os.path.realpath(args.python))


if __name__ == "__main__":
    main()
