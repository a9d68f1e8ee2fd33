"""The README's table of speed is what tools/readme_table.py makes of the measured numbers."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tool():
    spec = importlib.util.spec_from_file_location("readme_table", ROOT / "tools/readme_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def results(tmp_path):
    about = {"version": "3.13.0 (main)", "compiler": "GCC 12", "available": True, "jitpatch": "0.1.0"}
    programs = {
        "int_sum": {"off": {"rounds": [[2.0, 2.2, 2.1]], "error": None}, "on": {"rounds": [[0.1, 0.1]], "error": None},
                    "C": {"rounds": [[0.08]], "error": None}},
        "collatz": {"off": {"rounds": [[1.0]], "error": None}, "on": {"rounds": [], "error": "exit status 1"}},
    }
    data = {"machine": {"time": "2026-01-02T00:00", "cpu": "a CPU"}, "interpreters": [{"about": about, "programs": programs}]}
    path = tmp_path / "loops.json"
    path.write_text(json.dumps(data))
    return path


def test_the_readme_shows_what_is_published(tool, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["readme_table.py", "--check"])
    assert tool.main() == 0


def test_results_become_a_table(tool, results, tmp_path, monkeypatch):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{tool.BEGIN}\nold\n{tool.END}\nafter\n")
    monkeypatch.setattr(tool, "README", readme)
    monkeypatch.setattr(tool, "PUBLISHED", tmp_path / "published.json")
    monkeypatch.setattr(sys, "argv", ["readme_table.py", f"3.13.0={results}"])
    assert tool.main() == 0
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert "| program | 3.13.0 | time, C = 1 |" in text
    assert "| 21.0 | 1.25 |" in text
    assert "| fails |" in text
    assert str(tmp_path) not in (tmp_path / "published.json").read_text()
    monkeypatch.setattr(sys, "argv", ["readme_table.py", "--check"])
    assert tool.main() == 0
    readme.write_text(text.replace("21.0", "22.0"))
    assert tool.main() == 1


def test_whole_programs_are_a_table_of_their_own(tool, results, tmp_path, monkeypatch):
    about = {"version": "3.13.0 (main)", "compiler": "GCC 12", "available": True, "jitpatch": "0.1.0"}
    side = {"error": None, "mib": [10.0], "warm": [], "counters": None}
    programs = {"lisp": {"text": "?", "size": 1, "off": {**side, "rounds": [[3.0], [2.0], [1.0]]}, "on": {**side, "rounds": [[4.0]]}, "ratios": {}}}
    path = tmp_path / "programs.json"
    path.write_text(json.dumps({"kind": "programs", "machine": {"time": "2026-01-02T00:00", "cpu": "a CPU"},
                                "about": {"off": about, "on": about}, "programs": programs}))
    kind, found = tool.columns(path, "3.13.0")
    assert kind == "programs"
    text = tool.render({kind: found})
    assert "Whole programs" in text and "| lisp: a Lisp with classes and exceptions | 0.50 |" in text


def test_a_run_without_the_jit_is_refused(tool, results, monkeypatch):
    data = json.loads(results.read_text())
    data["interpreters"][0]["about"]["available"] = False
    results.write_text(json.dumps(data))
    with pytest.raises(SystemExit, match="not available"):
        tool.columns(results, "")
