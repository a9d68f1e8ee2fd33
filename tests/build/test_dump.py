"""jitpatch-dump: what it prints is what the build made."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import jitpatch

if not jitpatch.is_available():
    pytest.skip(f"{jitpatch.why_unavailable()}", allow_module_level=True)

from buildtool.defs import read_families
from buildtool.targets import TARGETS
from buildtool.variants import index_of, variants_of
from jitpatch import _dump_text, _tables, dump

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tables():
    return _tables.CompiledIn()


@pytest.fixture
def run(capsys):
    def command(*words):
        status = dump.main(list(words))
        out, err = capsys.readouterr()
        return status, out, err

    return command


def declared():
    families = read_families((ROOT / "src/stencils").glob("*.c"))
    return {uop.name: uop for family in families for uop in family.uops}


def test_every_declared_uop_is_listed(run):
    status, out, _ = run()
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()][0] == "NOP"
    assert {line.split()[0] for line in out.splitlines()} == declared().keys() | {"NOP"}


def test_a_listed_uop_shows_its_declaration(run):
    _, out, _ = run("INT_ADD")
    assert out.startswith("INT_ADD (I64, I64K) -> I64   PURE EXITS\n  a + b; exits when the sum does not fit.\n")


def test_declarations_are_those_of_the_templates(tables):
    for uop in tables.uops():
        if uop.name == "NOP":
            continue
        written = declared()[uop.name]
        assert uop.inputs == tuple(item.type.value + "K" * item.konst for item in written.inputs), uop.name
        assert (uop.output, uop.help) == (written.output.value, written.help)
        assert set(uop.flags) == set(written.flags) - {"0"}
        assert uop.operands == tuple("IMM64" if operand.wide else "IMM32" for operand in written.operands)


def test_variant_names_follow_the_index(tables):
    target, uops = TARGETS[tables.target], declared()
    for uop in tables.uops():
        names = [name for name, _ in tables.choices(uop)]
        written = variants_of(uops[uop.name], target) if uop.name in uops else []
        for variant in written:
            assert names[index_of(variant, target)] == (variant.name.partition("__")[2] or "-")
        assert len(written) == len(tables.variants(uop))


def test_every_built_variant_has_a_stencil_within_its_parts(tables):
    seen = set()
    for uop in tables.uops():
        for _, number in tables.variants(uop):
            if number in seen:
                continue
            seen.add(number)
            stencil = tables.stencil(number)
            for hole in stencil.holes:
                assert hole.offset + hole.width <= len(stencil.parts[hole.part])
                assert hole.meaning()
    assert len(seen) > 1000


def test_numbers_outside_are_refused(tables):
    jit = jitpatch._jitpatch
    for bad in (-1, 10**9, 1 << 80):
        with pytest.raises((IndexError, OverflowError)):
            jit.dump_stencil(bad)
    with pytest.raises(IndexError):
        jit.dump_variants(0, 10**9)
    with pytest.raises(IndexError):
        jit.dump_variants(10**9, 1)
    assert jit.dump_variants(0, 0) == []


def test_marks_stand_under_the_bytes_of_the_hole():
    hole = _tables.Hole("hot", 14, "ABS64", "OPERAND0", None, 0)
    stencil = _tables.Stencil(7, {"hot": bytes(range(32)), "cold": b"", "data": b""}, (hole,))
    assert list(_dump_text.hex_lines(stencil, "hot")) == [
        "    0000  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f",
        "                                                    ^^ ^^  0xe ABS64 operand 0",
        "    0010  10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f",
        "          ^^ ^^ ^^ ^^ ^^ ^^  ...",
    ]


def test_one_variant(run):
    status, out, _ = run("int_add", "--variant", "r0_k_r2")
    assert status == 0
    assert out.count("variant r0_k_r2 ") == 1
    assert "ABS32S constant of input 1" in out
    assert "REL32 this instruction's exit stub - 4" in out


def test_a_variant_may_be_named_as_in_the_build(run):
    assert run("INT_ADD", "--variant", "INT_ADD__r0_k_r2") == run("INT_ADD", "--variant", "r0_k_r2")


def test_all_variants(run):
    _, out, _ = run("GUARD_TYPE", "--variant", "all")
    assert len(re.findall(r"^variant ", out, re.M)) == 8
    assert "--variant" not in out


def test_parts_and_symbols(run):
    _, out, _ = run("BOX_FLOAT")
    assert "\n  hot\n" in out and "\n  cold\n" in out
    assert "PyFloat_FromDouble - 4" in out
    assert "this instruction's exit stub for errors" in out


def test_a_uop_without_stencils_says_so(run):
    status, out, _ = run("LOOP")
    assert status == 0
    assert "no stencils" in out


@pytest.mark.parametrize("words, hint", [
    (["INT_AD"], "INT_ADD"),
    (["FLOAT"], "FLOAT_"),
    (["xyzzy"], "there are"),
    (["INT_ADD", "--variant", "r0_k_r9"], "r0_k_r"),
    (["LOOP", "--variant", "r0"], "has no stencils"),
    (["--variant", "r0"], "needs the name of a uop"),
])
def test_a_wrong_name_is_one_line_and_status_2(run, words, hint):
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert err.startswith("jitpatch-dump: ") and err.count("\n") == 1
    assert hint in err


def same_tables(one, other):
    assert (one.target, one.machine, one.refused, one.digest) == (other.target, other.machine, other.refused, other.digest)
    assert one.uops() == other.uops()
    for uop in one.uops():
        assert one.variants(uop) == other.variants(uop)
        for _, number in one.variants(uop):
            assert one.stencil(number) == other.stencil(number)


def test_json_reads_back_to_the_same_table(run, tables, tmp_path):
    status, out, _ = run("--format", "json")
    assert status == 0
    same_tables(_tables.JsonTable(out, "it"), tables)
    (tmp_path / "table.json").write_text(out)
    assert run("INT_ADD", "--target", str(tmp_path / "table.json")) == run("INT_ADD")
    assert run("--diff", str(tmp_path / "table.json"), tables.target)[0] == 0


def test_json_of_one_variant(run, tables):
    status, out, _ = run("INT_ADD", "--variant", "r0_k_r2", "--format", "json")
    table = _tables.JsonTable(out, "it")
    assert status == 0
    (uop,) = table.uops()
    ((name, number),) = table.variants(uop)
    assert (uop.inputs, name) == (("I64", "I64K"), "r0_k_r2")
    assert table.stencil(number) == tables.stencil(number)


@pytest.mark.parametrize("change, fault", [
    (lambda data: data.update(format=2), "format 2, not 1"),
    (lambda data: data.pop("machine"), "KeyError"),
    (lambda data: data["stencils"].clear(), "no stencil"),
    (lambda data: data["stencils"][0].update(hot="zz"), "non-hexadecimal"),
    (lambda data: data["stencils"][0]["holes"][0].update(offset=99), "outside its part"),
    (lambda data: data["stencils"][0]["holes"][0].update(kind="ABS7"), "a hole"),
    (lambda data: data["uops"].append(7), "TypeError"),
])
def test_what_is_no_table_is_refused_in_one_line(run, tmp_path, change, fault):
    data = json.loads(run("INT_ADD", "--variant", "r0_k_r2", "--format", "json")[1])
    change(data)
    (tmp_path / "table.json").write_text(json.dumps(data))
    status, out, err = run("--target", str(tmp_path / "table.json"))
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert fault in err


def test_the_schema_is_documented(run):
    """docs/stencils-json.md names every key."""
    text = (ROOT / "docs/stencils-json.md").read_text()
    data = json.loads(run("INT_ADD", "--variant", "r0_k_r2", "--format", "json")[1])
    keys = [*data, *data["uops"][0], *data["stencils"][0], *data["stencils"][0]["holes"][0]]
    assert [key for key in keys if f"`{key}`" not in text] == []


def test_c_compiles_and_says_the_same(run, tables, tmp_path):
    status, out, _ = run("BOX_FLOAT", "--variant", "f1_r2", "--format", "c")
    assert status == 0
    (tmp_path / "t.c").write_text(f"""
#include <stdio.h>
#include "{ROOT}/src/runtime/back/stencil_table.h"
{out}
int main(void)
{{
    for (unsigned k = 0; k < sizeof(BOX_FLOAT__f1_r2_hot); k++) printf("%02x", BOX_FLOAT__f1_r2_hot[k]);
    for (unsigned k = 0; k < sizeof(BOX_FLOAT__f1_r2_holes) / sizeof(Hole); k++)
        printf(" %d", BOX_FLOAT__f1_r2_holes[k].offset);
    printf(" %s %d\\n", BOX_FLOAT__f1_r2_symbols[0], BOX_FLOAT__f1_r2_cold[0] + BOX_FLOAT__f1_r2_data[0]);
}}
""")
    subprocess.run(["cc", "-Wall", "-Werror", "-std=c11", "t.c", "-o", "t"], cwd=tmp_path, check=True)
    said = subprocess.check_output([tmp_path / "t"], text=True).split()
    uop = _tables.find_uop(tables, "BOX_FLOAT")
    stencil = tables.stencil(dict(tables.variants(uop))["f1_r2"])
    assert said[0] == stencil.parts["hot"].hex()
    assert said[1:-2] == [str(hole.offset) for hole in stencil.holes]
    assert said[-2] in {hole.symbol for hole in stencil.holes}


def test_source_lines(run):
    line = declared()["INT_ADD"].line
    assert f"src/stencils/int.c:{line}" in run("INT_ADD")[1]


def test_summary_adds_up(run, tables):
    _, out, _ = run("--summary", "--format", "json")
    data = next(data for data in json.loads(out)["targets"] if data["target"] == tables.target)
    assert data["digest"] == tables.digest
    assert data["total"]["variants"] == sum(row["variants"] for row in data["uops"].values())
    assert data["total"]["uops"] == len(tables.uops())
    assert sum(data["holes"].values()) == data["total"]["holes"]
    _, text, _ = run("--summary", "--target", tables.target)
    assert f"{data['total']['variants']} variants" in text.splitlines()[-3]
    assert "REL32" in text.splitlines()[-2]


# --- instructions -------------------------------------------------------------------------------


def test_holes_are_named_in_instructions(run):
    pytest.importorskip("capstone")
    status, out, _ = run("INT_ADD", "--variant", "r0_k_r2", "--disassemble")
    assert status == 0
    assert "add r15, <constant of input 1>" in out
    assert "jo <this instruction's exit stub>" in out


def test_without_capstone_one_line_says_what_is_missing(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "capstone", None)
    status, out, err = run("INT_ADD", "--disassemble")
    assert (status, out, err) == (1, "", "jitpatch-dump: disassembling needs capstone: pip install capstone\n")


def a_stencil(hot, *holes):
    return _tables.Stencil(0, {"hot": hot, "cold": b"", "data": b""}, tuple(_tables.Hole("hot", *hole) for hole in holes))


@pytest.mark.parametrize("machine, code, hole, text", [
    ("x86_64", "48 b8 00 00 00 00 00 00 00 00", (2, "ABS64", "SYMBOL", "PyLong_Type", 0), "movabs rax, <PyLong_Type>"),
    ("x86_64", "b8 00 00 00 00", (1, "ABS32", "OPERAND1", None, 0), "mov eax, <operand 1>"),
    ("x86_64", "49 8b 84 24 00 00 00 00", (4, "ABS32S", "OPERAND0", None, 0), "mov rax, qword ptr [r12 + <operand 0>]"),
    ("x86_64", "e8 00 00 00 00", (1, "REL32", "SYMBOL", "f", -4), "call <f>"),
    ("x86_64", "f2 0f 10 05 00 00 00 00", (4, "REL32", "DATA", None, 4), "movsd xmm0, qword ptr [rip + <data+8>]"),
    ("aarch64", "00 00 00 94", (0, "BRANCH26", "SYMBOL", "f", 0), "bl #<f>"),
    ("aarch64", "01 00 00 54", (0, "REL19", "EXIT", None, 0), "b.ne #<this instruction's exit stub>"),
    ("aarch64", "08 00 00 58", (0, "REL19", "DATA", None, 8), "ldr x8, #<its own data part + 8>"),
    ("aarch64", "08 00 00 10", (0, "ADR21", "DATA", None, 0), "adr x8, #<its own data part>"),
    ("aarch64", "08 00 00 90", (0, "PAGE21", "DATA", None, 0), "adrp x8, #<page of its own data part>"),
    ("aarch64", "08 01 00 91", (0, "ADD12", "DATA", None, 0), "add x8, x8, #<place in the page of its own data part>"),
    ("aarch64", "08 01 40 f9", (0, "LOAD12", "DATA", None, 0), "ldr x8, [x8, #<place in the page of its own data part>]"),
    ("aarch64", "08 00 80 d2", (0, "MOVW0", "OPERAND0", None, 0), "mov x8, #<bits 0-15 of operand 0>"),
    ("aarch64", "08 00 c0 f2", (0, "MOVW2", "OPERAND0", None, 0), "movk x8, #<bits 32-47 of operand 0>, lsl #32"),
])
def test_every_kind_of_hole_is_named(machine, code, hole, text):
    pytest.importorskip("capstone")
    from jitpatch._disassembly import stencil_lines

    (line,) = stencil_lines(a_stencil(bytes.fromhex(code), hole), "hot", machine)
    assert line.text == text


def test_every_hole_of_the_compiled_in_stencils_is_named(tables):
    pytest.importorskip("capstone")
    from jitpatch._disassembly import stencil_lines

    for uop in tables.uops():
        for _, number in tables.variants(uop)[:3]:
            stencil = tables.stencil(number)
            for part in ("hot", "cold"):
                for line in stencil_lines(stencil, part, tables.machine):
                    assert line.text.count("<") == len(line.holes), (uop.name, line)


# --- other targets ------------------------------------------------------------------------------

SMALL = {
    "inputs": "sha256 1", "format": 1, "target": "aarch64-apple-darwin", "machine": "aarch64", "refused": "",
    "uops": [{"name": "JUST_LEAVE", "source": "src/stencils/x.c:1", "inputs": [], "output": "VOID", "flags": ["EXITS"],
              "operands": [], "help": "Leaves.", "variants": {"-": 0}}],
    "stencils": [{"number": 0, "hot": "00000014", "cold": "", "data": "", "holes": [
        {"part": "hot", "offset": 0, "kind": "BRANCH26", "value": "EXIT", "symbol": None, "addend": 0}]}],
}
REFUSED = {**SMALL, "target": "i686-pc-windows-msvc", "machine": "i686", "refused": "32-bit x86 has no preserve_none",
           "uops": [{**SMALL["uops"][0], "variants": {}}], "stencils": []}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout in which tables of two targets have been made."""
    for data in (SMALL, REFUSED):
        folder = tmp_path / "generated" / data["target"]
        folder.mkdir(parents=True)
        (folder / "stencils.json").write_text(json.dumps(data))
    monkeypatch.setattr(_tables, "generated_folders", lambda: [tmp_path / "generated"])


def test_tables_of_a_checkout_are_found_by_target(run, checkout, tables):
    status, out, _ = run("JUST_LEAVE", "--target", "aarch64-apple-darwin")
    assert status == 0
    assert "0x0 BRANCH26 this instruction's exit stub" in out
    assert list(_tables.known_tables()) == [tables.target, "aarch64-apple-darwin", "i686-pc-windows-msvc"]


def test_a_target_that_cannot_run_says_so(run, checkout):
    assert "no stencils: i686-pc-windows-msvc is not runnable, 32-bit x86" in run("JUST_LEAVE", "--target", "i686-pc-windows-msvc")[1]
    assert "i686-pc-windows-msvc: 1 uops; not runnable" in run("--summary", "--target", "i686-pc-windows-msvc")[1]


def test_a_wrong_target_is_one_line_with_the_nearest_ones(run, checkout):
    status, out, err = run("--target", "aarch64-apple-dawrin")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "did you mean aarch64-apple-darwin" in err


def test_summary_of_all_targets(run, checkout, tables):
    names = [line.partition(":")[0] for line in run("--summary")[1].splitlines() if " uops" in line]
    assert names == [tables.target, "aarch64-apple-darwin", "i686-pc-windows-msvc"]


# --- differences --------------------------------------------------------------------------------


def test_difference_of_two_tables(run, tmp_path):
    paths = []
    for number, change in enumerate((lambda data: None, lambda data: data["stencils"][0].update(hot="00000014000000d4"))):
        data = json.loads(json.dumps(SMALL))
        change(data)
        paths.append(str(tmp_path / f"{number}.json"))
        (tmp_path / f"{number}.json").write_text(json.dumps(data))
    assert run("--diff", paths[0], paths[0])[:2] == (0, "A aarch64-apple-darwin, B aarch64-apple-darwin: no difference\n")
    status, out, _ = run("--diff", *paths)
    assert (status, out.splitlines()[0]) == (
        1, "JUST_LEAVE: 1 of 1 variants differ (- is the first): 4 -> 8 bytes, 1 -> 1 holes")
    _, out, _ = run("just_leave", "--diff", *paths)
    assert "-     0000  00 00 00 14" in out and "+     0000  00 00 00 14 00 00 00 d4" in out
    data = json.loads(run("--diff", *paths, "--format", "json")[1])
    assert data["uops"]["JUST_LEAVE"]["differ"] == ["-"]


def test_difference_names_what_only_one_has(run, tmp_path, tables):
    (tmp_path / "a.json").write_text(json.dumps(SMALL))
    status, out, _ = run("--diff", str(tmp_path / "a.json"), tables.target)
    assert status == 1
    assert "JUST_LEAVE: only in A\n" in out and "INT_ADD: only in B\n" in out


# --- traces -------------------------------------------------------------------------------------

SCRIPT = """
import sys
def total(n):
    s = 0
    for i in range(n):
        s += i & 7
    return s
print("from the script", sys.argv[1:])
for turn in range(3000):
    x = turn
total(20000)
sys.exit(int(len(sys.argv) > 2))
"""


def trace(tmp_path, *words):
    (tmp_path / "script.py").write_text(SCRIPT)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JITPATCH_TEST_")}
    environment = {**kept, "PYTHONPATH": os.path.dirname(os.path.dirname(jitpatch.__file__))}
    command = [sys.executable, "-m", "jitpatch.dump", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)


def test_trace_of_a_function(tmp_path):
    done = trace(tmp_path, "--trace", "script.py:total")
    assert (done.returncode, done.stderr) == (0, "from the script []\n")
    out = done.stdout
    assert out.startswith("root trace at script.py:5 in total: entered ")
    assert "  for i in range(n):\n  bytecode\n" in out
    assert re.search(r"^ +5 +\d+ FOR_ITER", out, re.M) and "JUMP_BACKWARD" in out
    for title in ("recorded", "optimised", "registers and machine code", "exits"):
        assert out.count(f"\n  {title}\n") == 1
    assert re.search(r"^    [0-9a-f]{4}  INT_AND r\d_k_r\d  for \d{4}$", out, re.M)
    assert re.search(r"^    \d+: line 5, FOR_ITER, GUARD_\w+: \d+ times", out, re.M)
    assert "<module>" not in out


def test_trace_as_json_with_arguments(tmp_path):
    pytest.importorskip("capstone")
    done = trace(tmp_path, "--trace", "script.py", "--format", "json", "--disassemble", "one", "two")
    assert done.returncode == 1     # the script's own status is not 0
    assert done.stderr == "from the script ['one', 'two']\n"
    rows = json.loads(done.stdout)["traces"]
    assert {row["function"] for row in rows} == {"total", "<module>"}
    row = next(row for row in rows if row["function"] == "total")
    assert row["stencils"] == sorted(row["stencils"], key=lambda piece: piece["at"])
    assert any(text.startswith("add ") or text.startswith("and ") for piece in row["stencils"] for _, text in piece["text"])


def test_a_stencil_is_called_by_its_instruction(tmp_path, tables):
    """Not by another uop that has the same bytes. What the register assignment adds has a name of its own."""
    rows = json.loads(trace(tmp_path, "--trace", "script.py", "--format", "json").stdout)["traces"]
    added = {uop.name for uop in tables.uops() if "CONTROL" in uop.flags}
    seen = set()
    for row in rows:
        names = dict(re.match(r"(\d{4}) [^A-Z]*([A-Z]\w+)", line).groups() for line in row["optimised"] if line[:4].isdigit())
        for piece in row["stencils"]:
            assert piece["uop"] == names.get(f"{piece['instruction']:04}") or piece["uop"] in added
            seen.add(piece["uop"])
    assert {"RANGE_STEP", "RANGE_START", "LOOP_END"} <= seen


def test_trace_of_what_is_not_compiled_says_why(tmp_path):
    (tmp_path / "cold.py").write_text("for k in range(3000):\n    try:\n        [][k]\n    except* IndexError: pass\n")
    out = trace(tmp_path, "--trace", "cold.py").stdout.splitlines()
    assert out[0] == "nothing was compiled" and len(out) > 1
    assert all(re.match(r"  \S*cold.py:\d: .*, \d+ times$", line) for line in out[1:])    # not what the dump itself ran


@pytest.mark.parametrize("words, handed", [
    (["a.py", "x", "--flag"], ["x", "--flag"]), (["a.py", "--flag", "x"], ["--flag", "x"]), (["a.py", "x", "--format", "c"], ["x", "--format", "c"]),
    (["a.py", "--format", "json", "-v", "--help"], ["-v", "--help"]), (["a.py", "--", "--help"], ["--help"]), (["a.py", "x", "--", "y"], ["x", "--", "y"]),
    (["a.py", "--color=never", "-"], ["-"])])
def test_trace_hands_all_words_on(tmp_path, words, handed):
    (tmp_path / "a.py").write_text("import sys; print(sys.argv)")
    done = trace(tmp_path, "--trace", *words)
    assert (done.returncode, done.stderr) == (0, f"{['a.py', *handed]}\n")


@pytest.mark.parametrize("ending, status, said", [
    ("sys.exit(7)", 7, ""), ("sys.exit()", 0, ""), ("sys.exit('a word')", 1, "a word\n"), ("raise SystemExit(True)", 1, ""),
    ("1 / 0", 1, "Traceback (most recent call last):\n  File \"{path}\", line 2, in <module>\n    1 / 0\n    ~~^~~\n"
     "ZeroDivisionError: division by zero\n")])
def test_trace_keeps_the_scripts_exit_status(tmp_path, ending, status, said):
    path = tmp_path / "a.py"
    path.write_text(f"import sys\n{ending}\n")
    done = trace(tmp_path, "--trace", "a.py")
    assert (done.returncode, done.stderr) == (status, said.format(path=path))
    assert done.stdout.startswith("nothing was compiled")


@pytest.mark.parametrize("words, hint", [
    (["--trace", "script.py:totl"], "no trace of a function 'totl' in script.py; did you mean total?"),
    (["--trace", "nothing.py"], "can't open 'nothing.py': no such file"),
    (["--trace", "script.py", "--format", "c"], "--trace goes with"),
])
def test_trace_of_a_wrong_name(tmp_path, words, hint):
    done = trace(tmp_path, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert hint in done.stderr.splitlines()[-1]


# --- the command --------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [
    ["--format", "c"], ["INT_ADD", "INT_SUB"], ["INT_ADD", "--summary"], ["--summary", "--format", "c"],
    ["--diff", "a", "b", "--summary"], ["--diff", "nothing", "nothing"],
])
def test_what_does_not_go_together_is_refused(run, words):
    status, out, err = run(*words)
    assert (status, out, err.count("\n")) == (2, "", 1)


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit) as exit_:
        dump.main(["--help"])
    assert exit_.value.code == 0
    assert "examples:\n  jitpatch-dump  " in capsys.readouterr().out


def test_colour_on_a_terminal_only(run):
    plain = run("INT_ADD")[1]
    assert "\x1b" not in plain
    coloured = run("INT_ADD", "--color", "always")[1]
    assert re.sub(r"\x1b\[\d*m", "", coloured) == plain != coloured


def test_as_a_command(tmp_path, monkeypatch):
    command = [sys.executable, "-m", "jitpatch.dump"]
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(os.path.dirname(jitpatch.__file__)))
    monkeypatch.chdir(tmp_path)
    done = subprocess.run([*command, "NO_SUCH_UOP"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    with subprocess.Popen([*command, "INT_ADD", "--variant", "all"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as long:
        long.stdout.readline()
        long.stdout.close()
        assert long.stderr.read() == b""
