"""benchmarks/programs.py: whole programs off and on, with next to no work."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import harness
import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture(scope="module")
def runner():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        spec = importlib.util.spec_from_file_location("benchmark_programs", BENCHMARKS / "programs.py")
        module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(BENCHMARKS))
    yield module
    for name in (spec.name, "measure", "dependencies"):
        sys.modules.pop(name, None)


def run(tmp_path, *arguments):
    output = tmp_path / "programs.json"
    done = subprocess.run([sys.executable, str(BENCHMARKS / "programs.py"), "--tiny", "--rounds=1", f"--output={output}", *arguments],
                          env=harness.environment({}), capture_output=True, text=True, timeout=200)
    return done, json.loads(output.read_text()) if output.exists() else None


@pytest.mark.skipif(not harness.jit_available(), reason="compares the JIT off and on")
def test_two_programs_run_off_and_on_and_give_a_table_and_json(tmp_path):
    done, stored = run(tmp_path, "--turns=2", "--option=threshold=1", "--only", "lisp", "csv_dataclasses")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"lisp", "csv_dataclasses"} == set(stored["programs"])
    for name, row in stored["programs"].items():
        for side in ("off", "on"):
            assert row[side]["error"] is None
            assert len(row[side]["fresh"]) == 1 and len(row[side]["warm"][0]) == 2
            assert min(*row[side]["fresh"], *row[side]["warm"][0], *row[side]["mib"]) > 0
        assert row["off"]["counters"] is None
        assert row["on"]["counters"]["entered"] > 0
        assert row["ratios"]["on"]["fresh"]["least"] == row["off"]["fresh"][0] / row["on"]["fresh"][0]
        assert 0 < row["ratios"]["on"]["compiling_share"] < 1
        assert re.search(rf"^{name} +\d+\.\d\d ", done.stdout, re.M)


def test_a_result_that_differs_fails_the_run(tmp_path):
    """The log parser's report depends on its size alone; imports.py's on the interpreter."""
    fake = tmp_path / "python"
    fake.write_text(f"#!/bin/sh\nexec {sys.executable} \"$@\"\n")
    fake.chmod(0o755)
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text("import builtins\nbuiltins.sorted = lambda items, **options: list(items)\n")
    done, stored = run(tmp_path, "--turns=0", "--only", "log_parser", "--column", f"one={fake}",
                       "--column", f"other=PYTHONPATH={hook} {fake}")
    assert done.returncode == 1
    assert stored["programs"]["log_parser"]["one"]["error"] is None
    assert "result differs from that of one" in stored["programs"]["log_parser"]["other"]["error"]
    assert "FAILED log_parser, other: result differs" in done.stdout


def test_a_program_that_does_not_end_is_killed_and_said(tmp_path):
    done, stored = run(tmp_path, "--turns=0", "--timeout=0.01", "--only", "lisp", "--column", f"one={sys.executable}")
    assert done.returncode == 1
    assert stored["programs"]["lisp"]["one"]["error"] == "no end within 0 s"


def test_every_program_says_what_it_is_and_what_it_needs(runner):
    programs = runner.load_all()
    pinned = {line.partition("==")[0].lower() for line in (BENCHMARKS / "programs/requirements.txt").read_text().splitlines()}
    assert len(programs) == 17
    for program in programs.values():
        assert program.size > program.tiny > 0
        assert program.text
        assert set(program.needs) <= pinned


def test_the_slowest_program_comes_first_and_failures_last(runner):
    def row(off, on, error=None):
        return {"off": runner.Outcome(fresh=[off], mib=[10.0]), "on": runner.Outcome(fresh=[on], mib=[12.0], error=error)}

    table = {"lisp": row(1.0, 0.5), "imports": row(1.0, 2.0), "pip_list": row(1.0, 1.0), "log_parser": row(1.0, 0.1, "status 1")}
    lines = runner.table_lines(table, runner.load_all(), "off", "on")[1:]
    assert [line.split()[0] for line in lines] == ["imports", "pip_list", "lisp", "log_parser"]
    assert lines[0].endswith("SLOWER") and lines[2].split()[2] == "2.00" and lines[3].split()[-1] == "FAILED"


def test_there_is_no_such_program(runner):
    with pytest.raises(SystemExit, match="no such program: nonsense"):
        runner.choose(runner.load_all(), ["nonsense"])
