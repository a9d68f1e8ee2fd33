"""The optimiser's passes, one by one: a trace as text in, a trace as text out (pass_files.py says how they are written).

    pytest tests/passes                                 all of them
    pytest tests/passes -k "refs"                       those of one file
    pytest tests/passes --accept && git diff tests      what passes make now, for review
"""

import json
import re
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

import jitpatch
from pass_files import read

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.ir"))
TESTS = [pytest.param(path, case.name, id=f"{path.stem}: {case.name}") for path in FILES for case in read(path).cases]
SEMANTICS = ("cases_generators.py", "cases_calls.py", "cases_closures.py")

pytestmark = pytest.mark.skipif(not (HERE.parents[1] / "generated" / "uop_table.h").exists(),
                                reason="no stencils: run build_stencils.py")


@lru_cache
def outcomes(tool, path):
    """Test -> what its pass made of it; and how often each rule was used. A crash ends the list."""
    done = subprocess.run([sys.executable, HERE / "run_file.py", tool, path], capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    rules = lines.pop()["rules"] if lines and "rules" in lines[-1] else {}
    return {line["name"]: line["outcome"] for line in lines}, rules, done.stderr


@pytest.mark.parametrize("path, name", TESTS)
def test_pass(pass_tool, path, name, request):
    found, _, stderr = outcomes(pass_tool, path)
    case = next(case for case in read(path).cases if case.name == name)
    assert name in found, f"the process ended before it, or in it\n{stderr[-2000:]}"
    if request.config.getoption("--accept"):
        tests = read(path)
        next(case for case in tests.cases if case.name == name).expected = found[name]
        tests.write()
        return
    assert case.expected, "nothing is expected: --accept"
    assert found[name] == case.expected


def test_there_are_enough_of_them():
    names = [parameters.values for parameters in TESTS]
    assert len(set(names)) == len(names) >= 150
    assert {path.stem for path in FILES} >= {"fold", "peel", "refs", "dce", "rebox", "memory", "held", "order", "verify"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_only_the_verifiers_tests_are_of_malformed_traces(pass_tool, path):
    errors = [name for name, outcome in outcomes(pass_tool, path)[0].items() if outcome.startswith("ValueError")]
    assert not errors, "the verifier found fault with these"


def test_each_rule_fires(pass_tool):
    fired = outcomes(pass_tool, HERE / "fold.ir")[1]
    assert fired and not [name for name, count in fired.items() if count == 0]


# Of traces that no text can say.
NO_TEXT = {"there is no such uop", "a frame of its snapshot has no code", "its snapshot's entries are out of range",
           "a list of equal instructions goes forward", "the trace does not know where its loop is"}


def test_the_verifier_finds_each_kind_of_malformed_trace(pass_tool):
    source = (HERE.parents[1] / "src" / "runtime" / "ir" / "verify_pass.c").read_text()
    messages = set(re.findall(r'wrong\(&?v, [^"]*"([^"]*)"', source))
    found = "".join(outcomes(pass_tool, HERE / "verify.ir")[0].values())
    assert len(messages) > 30 and NO_TEXT <= messages
    assert not [message for message in messages - NO_TEXT if message not in found]


def test_a_malformed_text_is_told_with_its_line(pass_tool, tmp_path):
    texts = {"1 obj SLOT_LOAD\n": "line 1: an operand is missing", "1 TSTATE\n2 NO_SUCH_UOP\n": "line 2: there is no uop NO_SUCH_UOP",
             "2 TSTATE\n1 TSTATE\n": "line 2: instruction 1 stands behind 2", "1 i64 INT_NEG ?\n": "line 1: a ref is missing",
             "1 TSTATE 7\n": "line 1: what is this: 7", "snapshot 1: [f+0]\n": "line 1: snapshot 1 stands behind -1",
             "1 i64 x TSTATE\n": "line 1: there is no flag x", "hello\n": "line 1: what is this: hello"}
    file = tmp_path / "malformed.ir"
    file.write_text("pass parse\n\n" + "\n".join(f"=== {i}\n{text}=>\n" for i, text in enumerate(texts)))
    found = outcomes(pass_tool, file)[0]
    for i, (text, wrong) in enumerate(texts.items()):
        assert found[str(i)].startswith(f"SyntaxError: {wrong}"), text


def real_traces(source, names):
    """Texts of traces, as they were recorded and as they were optimised."""
    done = subprocess.run([sys.executable, HERE / "real_traces.py", source, *names], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def functions(source):
    return [line[4:].partition("(")[0] for line in (HERE.parent / "semantics" / source).read_text().splitlines()
            if line.startswith("def case_")]


@pytest.mark.skipif(not jitpatch.is_available(), reason="the JIT is not available")
@pytest.mark.parametrize("source", ["constructs", *SEMANTICS])
def test_texts_of_real_traces_parse_as_they_were_printed(pass_tool, source, tmp_path):
    from constructs import CONSTRUCTS

    texts = real_traces(source, list(CONSTRUCTS)[::6] if source == "constructs" else functions(source)[:12])
    assert len(texts) > 20 and any(text.startswith("side") for text in texts) and any("phi" in text for text in texts)
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    check = ("import json, sys; from run_file import load; from objects import Resolver; tool = load(sys.argv[1])\n"
             "for text in json.load(open(sys.argv[2])):\n"
             "    again = tool.run('parse', text, Resolver(), False)\n"
             "    lines = [pair for pair in zip(text.splitlines(), again.splitlines()) if pair[0] != pair[1]]\n"
             "    assert again == text, lines[:1] or 'it is longer'")
    done = subprocess.run([sys.executable, "-c", check, pass_tool, tmp_path / "texts.json"], cwd=HERE,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
