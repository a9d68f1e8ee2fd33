"""Statistics: counters that agree with one another, the report and its order, files, several processes."""

import json
import os
import subprocess
import sys
import textwrap
import threading

import pytest

import jitpatch
from jit_fixture import jit  # noqa: F401
from jitpatch import _stats

if not jitpatch.is_available():
    pytest.skip(f"{jitpatch.why_unavailable()}", allow_module_level=True)


# --- counters -----------------------------------------------------------------------------------

def loop(n):
    total = 0
    for i in range(n):
        total += i if i % 3 else 1
    return total


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def shown(values):
    yield from values


def squares(n):
    for i in range(n):
        yield i * i


def consumers(n):
    return sum(squares(n)), list(squares(n)), any(x < 0 for x in range(n)), sum(squares(n // 2)) + sum(map(float, squares(n)))


def raising(n):
    caught = 0
    for i in range(n):
        try:
            caught += [1, 2, 3][i % 4]
        except IndexError:
            caught -= 1
    return caught


def changing(n):
    total = 0
    for i in range(n):
        total += len([i])
        if i == n // 2:
            globals()["len"] = lambda items: 1      # what was compiled holds no longer
    del globals()["len"]
    return total


def threaded(n):
    threads = [threading.Thread(target=loop, args=(n,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def forgotten(n):
    """Functions that die, and their traces with them."""
    for k in range(5):
        names = {}
        exec("def f(n):\n    t = 0\n    for i in range(n):\n        t += i\n    return t", names)
        names["f"](n)


def disagreements(found):
    """What does not add up."""
    counters = found.counters
    wrong = []
    if counters["entered"] != counters["exits"] + counters["returned"] + counters["inside"]:
        wrong.append(f"entered {counters['entered']}, left {counters['exits']}, returned {counters['returned']}, "
                     f"inside {counters['inside']}")
    for counter, name in (("entered", "entered"), ("exits", "left"), ("returned", "returned")):
        total = sum(trace[name] for trace in found.traces) + found.gone[name]
        if total != counters[counter] or found.gone[name] < 0:
            wrong.append(f"{name}: {total} by traces, {counters[counter]} in all, {found.gone[name]} gone")
    if found.aborts != aborts_of(found.abort_log):
        wrong.append(f"{found.aborts} and {found.abort_log}")
    if counters["executors"] != len(found.traces):
        wrong.append("executors")
    return wrong


def aborts_of(log):
    sums = {}
    for (_, _, reason), times in log.items():
        reason = reason.partition(": ")[0]
        sums[reason] = sums.get(reason, 0) + times
    return sums


PROGRAMS = [(loop, 3000), (fib, 15), (consumers, 300), (raising, 400), (changing, 300), (threaded, 3000), (forgotten, 100)]


@pytest.mark.parametrize(("program", "n"), PROGRAMS, ids=lambda value: getattr(value, "__name__", ""))
@pytest.mark.parametrize("options", [{}, {"force_exit": 3}, {"max_inline": 0}], ids=str)
def test_counters_agree(jit, program, n, options):  # noqa: F811
    jitpatch.enable(threshold=2, call_threshold=2, side_threshold=2, **options)
    for _ in range(4):
        program(n)
        assert disagreements(jitpatch.stats()) == []
    assert jitpatch.stats().entered > 0
    jit.reset_stats()
    counters = jit.stats()[0]               # jitpatch.stats() runs compiled, too
    assert (counters["entered"], counters["exits"], counters["returned"]) == (0, 0, 0)
    program(n)
    assert disagreements(jitpatch.stats()) == []
    jitpatch.disable()
    found = jitpatch.stats()
    assert disagreements(found) == [] and found.traces == [] and found.gone["entered"] == found.entered > 0


def test_what_is_left_is_what_the_exits_count(jit):  # noqa: F811
    jitpatch.enable(threshold=2, call_threshold=2, side_threshold=2)
    for program in (loop, raising, consumers):
        program(300)
    for executor, entered, left, _ in jit.stats()[3]:
        assert left == sum(exit["count"] for exit in executor.exits) and entered == executor.entered


def test_calls_between_traces_are_counted(jit):  # noqa: F811
    jitpatch.enable(threshold=2, call_threshold=2)
    fib(12)
    jitpatch.reset_stats()
    fib(12)
    found = jitpatch.stats()
    assert found.returned > 100 and disagreements(found) == []


class Asks:
    """Looks at the statistics from within compiled code."""

    def __init__(self):
        self.seen = []

    def __gt__(self, other):
        self.seen.append(jitpatch.stats())
        if len(self.seen) == 150:
            jitpatch.reset_stats()
        return False


def test_counters_agree_while_compiled_code_runs(jit):  # noqa: F811
    jitpatch.enable(threshold=2, max_inline=0)
    asks = [Asks()]
    for i in range(300):
        min(asks[0], i)         # C code that calls Python code
    found = asks[0].seen
    assert any(stats.inside for stats in found) and [wrong for stats in found for wrong in disagreements(stats)] == []


# --- the report -----------------------------------------------------------------------------------

@pytest.mark.parametrize(("file", "own"), [
    ("/home/me/program.py", True), ("<string>", True), ("<frozen importlib._bootstrap>", False), ("?", False), (os.__file__, False),
    (json.__file__, False), ("/usr/lib/python3/dist-packages/yaml/loader.py", False), ("/x/site-packages/numpy/core.py", False),
    (_stats.__file__, False), (__file__, "site-packages" not in __file__)])
def test_the_programs_own_files(file, own):
    assert _stats.is_own(file) is own


class Machine:
    """Stands in for _jitpatch: code objects by name, and rows of numbers."""

    def __init__(self, traces, log):
        self.traces, self.log = traces, log

    def stats(self):
        class Executor:
            line, is_side, loops, exits, code_size, compile_ns, emit_ns = 7, False, True, [], 10, 0, 0

            def __init__(self, file):
                self.code = compile("", file, "exec")

        rows = [(Executor(file), entered, left, 0) for file, entered, left in self.traces]
        sums = [sum(row[at] for row in rows) + 5 for at in (1, 2)]
        counters = {"entered": sums[0], "exits": sums[1], "errors": 0, "returned": 0, "inside": 0}
        return counters, aborts_of(self.log), self.log, rows

    def stat_texts(self):
        return {}


def test_the_report_begins_with_the_programs_own_files_and_what_costs_most():
    found = _stats.Stats(Machine(
        [(os.__file__, 900, 900), ("a.py", 1, 1), ("b.py", 50, 40), ("c.py", 60, 60)],
        {(os.__file__, 1, "why"): 99, ("a.py", 3, "why"): 2, ("a.py", 2, "why"): 2, ("b.py", 1, "why: X"): 7}))
    data = found.as_dict()
    assert [trace["file"] for trace in data["traces"]] == ["c.py", "b.py", "a.py", os.__file__]
    assert [(row["file"], row["line"]) for row in data["abort_log"]] == [("b.py", 1), ("a.py", 2), ("a.py", 3), (os.__file__, 1)]
    lines = str(found).splitlines()
    order = ["c.py:7", "b.py:7", "a.py:7", f"{os.__file__}:7", "traces that are gone", "b.py:1: why: X", "a.py:2", "a.py:3"]
    at = [next(k for k, line in enumerate(lines) if text in line) for text in order]
    assert at == sorted(at)


def test_a_bytecode_that_is_not_compiled_is_named(jit):  # noqa: F811
    names = {}
    exec(textwrap.dedent("""\
        async def f(n):
            for i in range(n):
                await g()
        async def g():
            pass
    """), names)
    jitpatch.enable(threshold=2)
    with pytest.raises(StopIteration):
        names["f"](100).send(None)
    reasons = {reason for (file, _, reason) in jitpatch.stats().abort_log if file == "<string>"}
    assert "a bytecode that is not compiled: GET_AWAITABLE" in reasons and "OTHER" not in str(jitpatch.stats())


# --- at exit ------------------------------------------------------------------------------------

HOT = "t = 0\nfor i in range(2000):\n    t += i\n"


def run(folder, code, *flags, **environment):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("JITPATCH")}
    kept["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    start = "from jitpatch import _startup; _startup.start()\n"
    done = subprocess.run([sys.executable, *flags, "-c", start + code], env=kept | environment, cwd=folder, capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_to_a_file(tmp_path):
    assert run(tmp_path, HOT + "import os; os.chdir('/')", JITPATCH="1", JITPATCH_STATS="out.txt") == ("", "")
    text = (tmp_path / "out.txt").read_text()
    assert text.startswith("jitpatch, process ") and "recordings begun" in text and "<string>:3 <module>" in text


def test_as_json(tmp_path):
    assert run(tmp_path, HOT, "-X", "jitpatch", "-X", "jitpatch-stats=out.json") == ("", "")
    data = json.loads((tmp_path / "out.json").read_text())
    assert data["counters"]["roots"] >= 1 and data["pid"] > 0 and data["argv"][-2] == "-c"
    assert "<string>" in [trace["file"] for trace in data["traces"]]


def test_a_file_that_cannot_be_written_is_one_warning(tmp_path):
    out, err = run(tmp_path, "import jitpatch; print(jitpatch.is_enabled())", JITPATCH="1", JITPATCH_STATS="nowhere/out.txt")
    assert out == "True\n" and len(err.splitlines()) == 1 and err.startswith("jitpatch: warning: stats: ") and "nowhere/out.txt" in err


@pytest.mark.parametrize("code", [
    "import jitpatch\nwith jitpatch.enabled(stats='out.txt', threshold=2):\n    for i in range(99): pass\n",
    "import jitpatch\njitpatch.enable(stats='out.txt', threshold=2)\nfor i in range(99): pass\njitpatch.disable()"])
def test_a_file_is_written_at_exit_though_the_jit_is_off_by_then(tmp_path, code):
    assert run(tmp_path, code) == ("", "")
    assert "recordings begun" in (tmp_path / "out.txt").read_text()


def test_the_last_of_several_files_is_written(tmp_path):
    code = "import jitpatch\nfor name in ('a.txt', 'b.txt', 'b.txt'):\n    jitpatch.enable(stats=name)"
    assert run(tmp_path, code) == ("", "")
    assert [path.name for path in tmp_path.iterdir()] == ["b.txt"]
    assert "recordings begun" in (tmp_path / "b.txt").read_text()


CHILDREN = """
import os, subprocess, sys
codes = [subprocess.run([sys.executable, "-c", {start!r}]).returncode for _ in range(2)]
if os.fork() == 0:
    sys.exit(0)
os.wait()
print(codes)
"""


def test_each_process_has_a_file_of_its_own(tmp_path):
    code = CHILDREN.format(start="from jitpatch import _startup; _startup.start()\n" + HOT)
    assert run(tmp_path, code, JITPATCH="1", JITPATCH_STATS="out.json") == ("[0, 0]\n", "")
    found = {path.name: json.loads(path.read_text()) for path in tmp_path.iterdir()}
    first = found.pop("out.json")
    assert "subprocess" in first["argv"][-1] and len(found) == 3
    assert {f"out.{data['pid']}.json" for data in found.values()} == set(found)
    # The next run takes the name again.
    assert run(tmp_path, HOT, JITPATCH="1", JITPATCH_STATS="out.json") == ("", "")
    assert json.loads((tmp_path / "out.json").read_text())["pid"] not in [first["pid"], *[data["pid"] for data in found.values()]]


def test_the_report_names_the_process(tmp_path):
    out, err = run(tmp_path, "import os; print(os.getpid())", JITPATCH="1", JITPATCH_STATS="1")
    assert err.startswith(f"jitpatch, process {out.strip()}\n")


def test_the_option_says_where_it_goes(tmp_path):
    before = jitpatch.options()["stats"]
    with jitpatch.enabled(stats=tmp_path / "out.txt"):
        assert jitpatch.options()["stats"] == str(tmp_path / "out.txt")
    assert jitpatch.options()["stats"] == before
