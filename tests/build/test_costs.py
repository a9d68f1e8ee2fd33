"""The tables of costs (src/runtime/policy/costs_*.def), and tools/costs.py, which counts them."""

import importlib.util
import json
import opcode
import re
import shutil
import subprocess
import sys
from pathlib import Path

import harness
import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "tools"
if sys.version_info[:2] != (3, 13):
    pytest.skip("the tables are CPython 3.13's", allow_module_level=True)


@pytest.fixture(scope="module")
def tool():
    before = set(sys.modules)
    sys.path.insert(0, str(TOOLS))
    try:
        spec = importlib.util.spec_from_file_location("costs", TOOLS / "costs.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path[:] = [path for path in sys.path if path != str(TOOLS)]
        for name in set(sys.modules) - before:
            if name.startswith("costs"):
                del sys.modules[name]


def rows(name):
    found = re.findall(r"^COST\((\w+), +(\d+)\)", (ROOT / f"src/runtime/policy/{name}").read_text(), re.M)
    costs = {uop: int(cost) for uop, cost in found}
    assert len(costs) == len(found), "a name twice"
    return costs


def test_every_bytecode_has_a_cost_and_every_cost_a_bytecode():
    import _opcode_metadata

    names = {name for name, number in {**_opcode_metadata.opmap, **_opcode_metadata._specialized_opmap}.items() if number < 256}
    costs = rows("costs_bytecodes.def")
    assert set(costs) == names
    assert min(costs.values()) > 0 and max(costs.values()) < 65536
    assert set(opcode.opname[number] for number in range(256) if not opcode.opname[number].startswith("<")) <= set(costs)


@pytest.mark.skipif(not harness.jit_available(), reason="looks at the compiled-in table")
def test_every_uop_has_a_cost_and_every_cost_a_uop():
    """After a new uop: python tools/costs.py uops."""
    from jitpatch import _jitpatch

    uops = {row[0]: row[3] for row in _jitpatch.dump_uops()}
    costs = rows("costs_uops.def")
    assert set(costs) == set(uops)
    assert all(costs[name] == 0 for name, flags in uops.items() if "VIRTUAL" in flags)


def test_what_calls_c_takes_more_than_its_own_instructions():
    text = (ROOT / "src/runtime/policy/costs_uops.def").read_text()
    calling = re.findall(r"^COST\(\w+, +(\d+)\)  // (\d+) and ", text, re.M)
    assert len(calling) > 40
    assert all(int(cost) > int(own) for cost, own in calling)


def test_what_was_not_counted_says_so():
    text = (ROOT / "src/runtime/policy/costs_bytecodes.def").read_text()
    measured, _, derived = text.partition("// Not measured:")
    assert len(re.findall(r"^COST", measured, re.M)) > 140
    for line in derived.splitlines()[1:]:
        assert re.fullmatch(r"COST\(\w+, +\d+\)  // like [A-Z_0-9]+( \+ \d+)?", line)


def test_every_snippet_runs_the_bytecode_it_is_for(tool):
    done = subprocess.run([sys.executable, "-P", "-S", str(TOOLS / "costs_snippets.py")], env=tool.environment(),
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    sequences = json.loads(done.stdout)
    snippets = tool.costs_snippets.SNIPPETS
    assert len(sequences) == len(snippets)
    assert [snippet.text for snippet, sequence in zip(snippets, sequences) if not set(snippet.targets) <= set(sequence)] == []


def test_a_bytecode_takes_what_the_others_of_its_snippet_do_not(tool):
    snippet = tool.Snippet
    costs = tool.solve([
        (snippet(("STORE_FAST",), "b = a"), {"LOAD_FAST": 1, "STORE_FAST": 1}, 30.0),       # not known yet
        (snippet(("LOAD_FAST", "POP_TOP"), "a"), {"LOAD_FAST": 1, "POP_TOP": 1}, 24.0),
        (snippet(("COPY",), "x"), {"LOAD_FAST": 2, "COPY": 2, "STORE_FAST": 1}, 62.0),
    ])
    assert costs == {"LOAD_FAST": 12.0, "POP_TOP": 12.0, "STORE_FAST": 18.0, "COPY": 10.0}


def test_a_snippet_that_does_not_specialise_is_refused(tool):
    with pytest.raises(SystemExit, match="no COMPARE_OP_INT in"):
        tool.solve([(tool.Snippet(("COMPARE_OP_INT",), "a < b"), {"COMPARE_OP": 1}, 30.0)])
    with pytest.raises(SystemExit, match="cannot be told apart"):
        tool.solve([(tool.Snippet(("NOP",), "?"), {"NOP": 1, "SWAP": 1}, 30.0)])


def test_what_is_not_measured_comes_from_its_family(tool):
    measured, derived = tool.complete({"TO_BOOL": 60.4, "NOP": 5.0, "CALL_NON_PY_GENERAL": 100.0},
                                      ["TO_BOOL", "TO_BOOL_INT", "INSTRUMENTED_CALL", "CACHE"], {"TO_BOOL_INT": "TO_BOOL"})
    assert measured == {"TO_BOOL": 60, "NOP": 5, "CALL_NON_PY_GENERAL": 100}
    assert derived == {"TO_BOOL_INT": (60, "TO_BOOL"), "CALL": (100, "CALL_NON_PY_GENERAL"), "INSTRUMENTED_CALL": (100, "CALL"), "CACHE": (5, "NOP")}
    with pytest.raises(SystemExit, match="NEW_ONE: neither measured nor of a family"):
        tool.complete({}, ["NEW_ONE"], {})


CALLGRIND = """\
ob=(1) ???
fl=(1) ???
fn=(10) 0x0000000004e4c360
0 115
cob=(3) /lib/libpython3.13.so.1.0
cfi=(191) Objects/abstract.c
cfn=(884) PyNumber_Add
calls=10 3350
0 700

fn=(11) 0x0000000004e4c400
0 92
cob=(3)
cfi=(191)
cfn=(884)
calls=2 3281
0 600
cfn=(12) 0x0000000004e4c500
calls=7 1
0 7000

ob=(3)
fn=(884)
0 10
cfn=(885) binary_op1'2
calls=12 1
0 300
"""


def test_only_calls_that_traces_make_are_counted(tool):
    assert tool.calls_from_traces(CALLGRIND) == {"PyNumber_Add": [(10, 700), (2, 600)]}


def test_the_usual_cost_is_the_median_of_the_calls(tool):
    assert tool.usual("PyNumber_Add", [(10, 700), (2, 600)]) == 70.0
    assert tool.usual("PyNumber_Add", [(2, 100), (1, 5000), (2, 120)]) == 60.0
    assert tool.usual("help_run_loop", [(100, 100000), (2, 1000)]) == 500.0


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="no valgrind")
def test_the_same_interpreter_gives_the_same_numbers_again(tool):
    first, second = (tool.solve(tool.measure(sys.executable)) for _ in range(2))
    assert first == second
    assert 0 < first["NOP"] < first["LOAD_FAST"] < first["BINARY_OP_ADD_INT"] < first["CALL_STR_1"]
