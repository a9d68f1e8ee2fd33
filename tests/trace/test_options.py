"""Options: from the command line, the environment and enable(); bad ones."""

import os
import subprocess
import sys

import pytest

import jitpatch
from jitpatch import _options

SHOW = "import jitpatch; print(jitpatch.is_enabled(), jitpatch.options()['{}'])"


def run(code, *flags, **environment):
    """Exit status, output and messages of a process that calls the start hook as site does."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("JITPATCH")}
    kept["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run([sys.executable, *flags, "-c", "from jitpatch import _startup; _startup.start()\n" + code],
                          env=kept | environment, cwd="/", capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), done.stderr.strip()


@pytest.mark.parametrize(("flags", "environment", "expected"), [
    ((), {}, "False 211"),
    (("-X", "jitpatch"), {}, "True 211"),
    (("-X", "jitpatch=on"), {}, "True 211"),
    (("-X", "jitpatch=off"), {"JITPATCH": "1"}, "False 211"),
    ((), {"JITPATCH": "1"}, "True 211"),
    ((), {"JITPATCH": "0"}, "False 211"),
    (("-X", "jitpatch"), {"JITPATCH": "0"}, "True 211"),
    (("-X", "jitpatch", "-X", "jitpatch-threshold=7"), {}, "True 7"),
    ((), {"JITPATCH": "1", "JITPATCH_THRESHOLD": "8"}, "True 8"),
    (("-X", "jitpatch-threshold=9"), {"JITPATCH": "1", "JITPATCH_THRESHOLD": "8"}, "True 9"),
    (("-X", "jitpatch-threshold=9"), {}, "False 211"),
    ((), {"JITPATCH": "1", "JITPATCH_THRESHOLD": "0x10"}, "True 16"),
])
def test_switch_and_numbers(flags, environment, expected):
    assert run(SHOW.format("threshold"), *flags, **environment) == (expected, "")


@pytest.mark.parametrize(("flags", "environment", "said"), [
    (("-X", "jitpatch-threshold"), {}, "-X jitpatch-threshold: accepted is a whole number from 1 to 1000000000"),
    (("-X", "jitpatch-threshold="), {}, "-X jitpatch-threshold=: accepted is a whole number from 1 to 1000000000"),
    ((), {"JITPATCH_THRESHOLD": ""}, "JITPATCH_THRESHOLD=: accepted is a whole number from 1 to 1000000000"),
    (("-X", "jitpatch-stats="), {}, "-X jitpatch-stats=: accepted is 0, 1 or the name of a file"),
    ((), {"JITPATCH_STATS": ""}, "JITPATCH_STATS=: accepted is 0, 1 or the name of a file"),
    ((), {"JITPATCH_TEXT": ""}, "JITPATCH_TEXT=: accepted is a whole number from 0 to 1"),
    (("-X", "jitpatch-dump"), {}, "-X jitpatch-dump: accepted is record or ir or opt or regs or code or abort, separated by commas"),
    ((), {"JITPATCH_DUMP": ""}, "JITPATCH_DUMP=: accepted is record or ir or opt or regs or code or abort, separated by commas")])
def test_a_missing_value_is_none_and_said(flags, environment, said):
    show = "import jitpatch; o = jitpatch.options(); print(o['threshold'], o['stats'], o['text'], o['dump'])"
    assert run(show, "-X", "jitpatch", *flags, **environment) == ("211 0 0 None", f"jitpatch: warning: {said}")


@pytest.mark.parametrize(("flags", "environment", "source"), [
    (("-X", "jitpatch="), {}, "-X jitpatch="), ((), {"JITPATCH": ""}, "JITPATCH=")])
def test_a_missing_switch_is_off_and_said(flags, environment, source):
    said = f"jitpatch: warning: {source}: accepted is on or off (or 1 or 0); taken as off"
    assert run(SHOW.format("threshold"), *flags, **environment) == ("False 211", said)


def test_a_name_alone_switches_on():
    assert run(SHOW.format("text"), "-X", "jitpatch", "-X", "jitpatch-text") == ("True 1", "")


@pytest.mark.parametrize("value", ["many", "0", "-1", "1e3", "99999999999999999999", ""])
def test_a_bad_number_is_one_line_with_the_range(value):
    out, err = run(SHOW.format("threshold"), JITPATCH="1", JITPATCH_THRESHOLD=value)
    assert out == "True 211"
    assert err == (f"jitpatch: warning: JITPATCH_THRESHOLD={value}: "
                   "accepted is a whole number from 1 to 1000000000")


def test_a_bad_value_on_the_command_line():
    out, err = run(SHOW.format("max_inline"), "-X", "jitpatch", "-X", "jitpatch-max-inline=12")
    assert out == "True 10"
    assert err == "jitpatch: warning: -X jitpatch-max-inline=12: accepted is a whole number from 0 to 11"


@pytest.mark.parametrize("name", _options.NOT_OPTIONS)
def test_variables_of_the_build_and_the_tools_are_no_options(name, tmp_path):
    environment = {"JITPATCH": "1", name: str(tmp_path / "unused")}
    assert run(SHOW.format("threshold"), **environment) == ("True 211", "")


def test_an_unknown_option_is_named_with_those_there_are():
    out, err = run(SHOW.format("threshold"), "-X", "jitpatch", "-X", "jitpatch-treshold=5")
    assert out == "True 211"
    assert err.startswith("jitpatch: warning: -X jitpatch-treshold: no such option; there are threshold,")
    assert len(err.splitlines()) == 1


def test_a_bad_switch():
    out, err = run(SHOW.format("threshold"), "-X", "jitpatch=maybe")
    assert out == "False 211"
    assert err == "jitpatch: warning: -X jitpatch=maybe: accepted is on or off (or 1 or 0); taken as off"


@pytest.mark.parametrize(("given", "taken"), [
    ("record", "record"), ("record,opt", "record,opt"), (" opt , code ", "opt,code"),
    ("all", ",".join(_options.STAGES))])
def test_dump(given, taken):
    # A start-up that imports much must not make a loop hot: it would be dumped.
    cold = ("-X", "jitpatch-threshold=1000000", "-X", "jitpatch-call-threshold=1000000")
    assert run(SHOW.format("dump"), "-X", "jitpatch", *cold, f"-Xjitpatch-dump={given}") == (f"True {taken}", "")


def test_a_bad_dump_names_the_stages():
    out, err = run(SHOW.format("dump"), JITPATCH="1", JITPATCH_DUMP="everything")
    assert out == "True None"
    assert err == ("jitpatch: warning: JITPATCH_DUMP=everything: accepted is record or ir or opt or regs or "
                   "code or abort, separated by commas")


def test_statistics_at_exit():
    out, err = run("pass", "-X", "jitpatch", "-X", "jitpatch-stats")
    assert out == ""
    assert err.startswith("jitpatch, process ") and "recordings begun" in err


def test_enable_takes_the_same_options():
    before = jitpatch.options()
    try:
        jitpatch.enable(threshold=123, dump="opt")
        assert jitpatch.options()["threshold"] == 123 and jitpatch.options()["dump"] == "opt"
    finally:
        jitpatch.enable(threshold=before["threshold"], dump=before["dump"])
        jitpatch.disable()


@pytest.mark.parametrize(("wanted", "error"), [
    ({"threshold": 0}, ValueError), ({"threshold": "x"}, ValueError), ({"threshold": 1.5}, ValueError),
    ({"threshold": None}, ValueError), ({"dump": "nothing"}, ValueError), ({"dump": ""}, ValueError), ({"nothing": 1}, TypeError),
    ({"stats": ""}, ValueError), ({"stats": 2}, ValueError), ({"stats": "7"}, ValueError),
    ({"stats": "/nowhere/at/all"}, OSError)])
def test_enable_refuses_bad_options_and_changes_nothing(wanted, error):
    before = jitpatch.options()
    with pytest.raises(error):
        jitpatch.enable(max_aborts=2, **wanted)
    assert jitpatch.options() == before and not jitpatch.is_enabled()


@pytest.mark.parametrize(("wanted", "error"), [({"threshold": -1}, ValueError), ({"nothing": 1}, TypeError)])
def test_enabled_refuses_bad_options_at_once(wanted, error):
    with pytest.raises(error):
        jitpatch.enabled(**wanted)


def test_enabled_decorates_functions():
    @jitpatch.enabled
    def plain(x, *, y):
        "What it does."
        return x, y, jitpatch.is_enabled()

    @jitpatch.enabled(threshold=5)
    def recursive(n):
        assert jitpatch.is_enabled() and jitpatch.options()["threshold"] == 5
        return recursive(n - 1) if n else 1 / n

    before = jitpatch.options()
    assert plain(1, y=2) == (1, 2, True)
    assert (plain.__name__, plain.__doc__) == ("plain", "What it does.")
    with pytest.raises(ZeroDivisionError):
        recursive(3)
    assert not jitpatch.is_enabled() and jitpatch.options() == before


def test_enabled_does_not_decorate_what_runs_in_pieces():
    def generator():
        yield

    async def coroutine():
        pass

    async def both():
        yield

    for function in (generator, coroutine, both, 5):
        with pytest.raises(TypeError, match="decorates"):
            jitpatch.enabled(function)


def test_enabled_changes_nothing_if_it_cannot_switch_on():
    context = jitpatch.enabled(stats="/nowhere/at/all")
    with pytest.raises(OSError):
        with context:
            pass
    assert not jitpatch.is_enabled() and not context._before


def test_help_lists_every_option_with_its_default():
    for function in (jitpatch.enable, jitpatch.enabled):
        for name, value in jitpatch.options().items():
            (line,) = [line for line in function.__doc__.splitlines() if line.startswith(f"    {name}: ")]
            assert line.endswith(f"; {value})")


def test_the_machine_checks_ranges_itself():
    jit = jitpatch._jitpatch
    for name, default, least, most, text in jit.params():
        assert least <= default <= most and text
        for bad in (least - 1, most + 1, 10**30):
            with pytest.raises(ValueError, match=name):
                jit.set_param(name, bad)
    with pytest.raises(KeyError):
        jit.set_param("nothing", 1)


def test_the_stub_file_names_every_option():
    with open(os.path.join(os.path.dirname(jitpatch.__file__), "__init__.pyi")) as file:
        stub = file.read()
    for name in jitpatch.options():
        assert stub.count(f"    {name}: ") == 2, name       # enable() and enabled()
