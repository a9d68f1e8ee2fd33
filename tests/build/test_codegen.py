"""benchmarks/codegen.py: traces as LLVM IR, and LLVM's code in the place of ours."""

import json
import os
import platform
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import codegen  # noqa: E402
import codegen_llvm as backend  # noqa: E402
from codegen_llvm import ExitStub, Piece, TraceCode  # noqa: E402
from compiled import UOPS  # noqa: E402

jitpatch = pytest.importorskip("jitpatch")
BY_NAME = {uop.name: uop for uop in UOPS}


def piece(uop, variant, exit_=-1, operands=(0, 0), inputs=(0, 0, 0, 0)):
    return Piece(uop, variant, exit_, operands, inputs)


def written(*pieces, exits=(), loop=-1, entry=-1, end="TRACE_RETURN", **more):
    return backend.Writer(TraceCode(pieces, exits, loop, entry, end, **more), BY_NAME).text()


def test_a_register_is_the_value_last_put_there():
    text = written(piece("MOVE_I", "r1_r2"), piece("INT_AND", "r2_k_r2", inputs=(0, 2**64 - 5, 0, 0)), piece("INT_INVERT", "r2_r3"))
    assert "%v0 = call i64 @uop_MOVE_I(ptr %act, i64 %r1)" in text
    assert "%v1 = call i64 @uop_INT_AND(ptr %act, i64 %v0, i64 -5)" in text
    assert "%v2 = call i64 @uop_INT_INVERT(ptr %act, i64 %v1)" in text


def test_an_exit_gets_the_registers_that_its_snapshot_needs_as_they_are_there():
    stub = ExitStub(0x1234, 0, (0x100 + 2, 0x200 + 1, 0x1000 + 7))
    text = written(piece("MOVE_I", "r1_r2"), piece("INT_ADD", "r2_r1_r2", exit_=0), exits=(stub,))
    call = re.search(r"musttail call preserve_nonecc void inttoptr \(i64 4660 to ptr\)\((.*)\)", text)[1].split(", ")
    passed = dict(zip(backend.TARGET.parameters, call, strict=True))
    assert passed.pop("act") == "ptr %act"
    assert passed.pop("r2") == "i64 %v0"  # not the sum, which did not fit
    assert passed.pop("f1") == "double %f1"
    assert {value.split()[1] for value in passed.values()} == {"poison"}


def test_an_error_leaves_by_the_other_stub():
    text = written(piece("BOX_INT", "r3_r3", exit_=0), exits=(ExitStub(1000, 2000, ()),))
    assert "inttoptr (i64 2000 to ptr)" in text and "inttoptr (i64 1000 to ptr)" not in text


def test_a_loop_has_a_phi_for_what_changes_in_it():
    text = written(piece("CONST_ZERO", "r0"), piece("INT_ADD_SURE", "r0_k_r0", inputs=(0, 1, 0, 0)), loop=1, end="LOOP_END")
    assert "%r0.loop = phi i64 [ %v0, %start ], [ %v1, %loop ]" in text
    assert "call i64 @uop_INT_ADD_SURE(ptr %act, i64 %r0.loop, i64 1)" in text
    assert text.count("br label %loop") == 2


def test_what_a_call_destroys_is_not_used_after_it():
    text = written(piece("C_FROM1", "r3_r0", exit_=0), piece("MOVE_I", "r5_r6"), piece("MOVE_I", "r1_r2"),
                   exits=(ExitStub(8, 16, ()),))
    assert "@uop_MOVE_I(ptr %act, i64 poison)" in text
    assert "@uop_MOVE_I(ptr %act, i64 %r1)" in text


def test_a_root_is_entered_at_its_start_and_at_loop_entry():
    text = written(piece("CONST_ZERO", "r0"), piece("INT_INVERT", "r0_r1"), entry=1, entry_locs=(0x100,))
    start, entry = text.split("define ")[1:]
    assert "@trace(" in start and re.search(r"musttail call preserve_nonecc void @loop_entry\(ptr %act, i64 %v0,", start)
    assert "@loop_entry(" in entry and "@uop_INT_INVERT(ptr %act, i64 %r0)" in entry


class Elsewhere:
    trace, loop_entry = 0x1111_2222_3333, 0x4444_5555_6666


def origin(entry, at):
    return {"address": 1000, "entry_address": 1000 + at if entry >= 0 else 0, "entry": entry}


def far(code):
    assert code[:8] == bytes.fromhex("ff25020000000f0b")
    return struct.unpack("<Q", code[8:])[0]


def test_detours_lead_from_both_entries():
    assert {at: far(code) for at, code in codegen.detour(origin(-1, 0), Elsewhere).items()} == {0: Elsewhere.trace}
    assert {at: far(code) for at, code in codegen.detour(origin(3, 40), Elsewhere).items()} == {
        0: Elsewhere.trace, 40: Elsewhere.loop_entry}
    assert {at: far(code) for at, code in codegen.detour(origin(0, 0), Elsewhere).items()} == {0: Elsewhere.loop_entry}
    short = codegen.detour(origin(1, 7), Elsewhere)
    assert far(short[7]) == Elsewhere.loop_entry
    to = 5 + struct.unpack("<i", short[0][1:])[0]
    assert short[0][0] == 0xE9 and far(short[to]) == Elsewhere.trace
    assert all(at + len(code) <= other for at, code in short.items() for other in short if other > at)


@pytest.mark.parametrize("at", [1, 4])
def test_too_little_room_for_a_detour_is_said(at):
    with pytest.raises(backend.NotPossible, match="no room"):
        codegen.detour(origin(1, at), Elsewhere)


def test_the_table_is_made_of_medians_by_trace_and_the_least_times():
    level = {"read": 1.0, "passes": 2e-6, "code": 6e-6, "size": 300}
    row = {
        "own": [
            {"f": {"uops": 4, "patch": 40, "assign": 100, "optimise": 100}, "g": {"uops": 6, "patch": 60, "assign": 300, "optimise": 500}},
            {"f": {"uops": 4, "patch": 40, "assign": 100, "optimise": 100}, "h": {"uops": 9, "patch": 99, "assign": 999, "optimise": 999}},
            {"f": {"uops": 4, "patch": 9999, "assign": 9999, "optimise": 9999}},  # interrupted
        ],
        "seconds": {"ours": [1.0, 1.0, 9.0], "O0": [3.0, 3.0, 3.0], "O2": [0.5, 0.7, 0.9]},
        "traces": [{"uops": 4, "size": 80, "llvm": {"0": level, "2": level}}, {"uops": 6, "size": 120, "llvm": {"0": level, "2": level}}],
    }
    found = codegen.summary(row)
    assert (found["patch"], found["assign"], found["whole"]) == (10, 40, 100)
    assert found["code0"] == pytest.approx(1200) and found["passes0"] == pytest.approx(400)
    assert found["times0"] == pytest.approx(160) and found["least0"] == pytest.approx(30)
    assert (found["size"], found["size0"]) == (20, 60)
    assert (found["run0"], found["run2"]) == (3.0, 0.5)
    assert "1600" in codegen.line("x", found)


PROGRAM = """
import sys
sys.path.insert(0, {benchmarks!r})
import codegen, jitpatch
from jitpatch import _jitpatch
_jitpatch._keep_origins(True)
jitpatch.enable(threshold=1, text=1)
def f(n):
    total = 0
    for k in range(n):
        total += k & 3
    return total
f(5000)
executor = next(e for e in jitpatch.executors(f) if e.loops)
"""


def child(text):
    done = subprocess.run([sys.executable, "-P", "-c", PROGRAM.format(benchmarks=str(ROOT / "benchmarks")) + text],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


needs_jit = pytest.mark.skipif(not jitpatch.is_available(), reason="needs the JIT")


@needs_jit
def test_an_origin_tells_what_the_code_was_made_from():
    assert child("""
origin = _jitpatch._origin(executor)
names, sizes = codegen.stencil_names()
assert [piece[0] for piece in origin["pieces"]] == [number for _, number, _ in executor.stencils()]
assert 0 < sum(sizes[piece[0]] for piece in origin["pieces"]) < executor.code_size
uops = [codegen.piece_of(piece, names).uop for piece in origin["pieces"]]
print("INT_AND" in uops, origin["end"], 0 < origin["loop"] < len(uops))
print(origin["address"] < origin["exits"][0][0] < origin["address"] + executor.code_size)
_jitpatch._keep_origins(False)
def g(n):
    for k in range(n): pass
g(100)
print(_jitpatch._origin(jitpatch.executors(g)[0]), _jitpatch._origin(None))
""") == "True LOOP_END True True None None".split()


@needs_jit
def test_machine_code_is_written_inside_of_its_bounds_only():
    assert child("""
before = executor.machine_code()
size = executor.code_size
for offset in -1, size - 1, size + 1:
    try:
        _jitpatch._write_code(executor, offset, b"xx")
    except IndexError as error:
        print("refused")
_jitpatch._write_code(executor, size - 2, b"xy")
print(executor.machine_code() == before[:-2] + b"xy")
""") == "refused refused refused True".split()


@needs_jit
@pytest.mark.skipif(platform.machine() != "x86_64", reason="LLVM's code is entered on x86-64 only")
@pytest.mark.parametrize("program", ["float_accumulate", "method_calls"])
def test_llvm_compiles_the_traces_and_its_code_gives_the_same_result(program):
    """The worker stops where a result differs."""
    pytest.importorskip("llvmlite")
    command = [sys.executable, str(ROOT / "benchmarks/codegen.py"), "--worker", program, "--rounds=1", "--repeat=1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env={**os.environ, "JITPATCH": "0"})
    assert done.returncode == 0, done.stderr[-2000:]
    row = json.loads(done.stdout.splitlines()[-1])
    assert row["traces"] and not row["late"]
    for trace in row["traces"]:
        assert set(trace["llvm"]) == {"0", "2"}
        assert 0 < trace["llvm"]["2"]["size"] <= trace["llvm"]["0"]["size"]
    own = row["own"].values()
    assert sum(one["uops"] for one in own) == sum(trace["uops"] for trace in row["traces"])
    assert all(0 < one["patch"] < one["assign"] for one in own)
