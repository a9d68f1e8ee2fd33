"""How the JIT comes into a process: jitpatch.pth, python -m jitpatch, unsupported interpreters."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import jitpatch
from jitpatch import _options

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(jitpatch.__file__).parent


def finish(arguments, cwd="/", text="", **environment):     # not in the checkout: what is installed is tested
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("JITPATCH", "PYTHON"))}
    return subprocess.run(arguments, env=kept | environment, cwd=cwd, capture_output=True, text=True, timeout=60, input=text)


def run(arguments, status=0, **keywords):
    done = finish(arguments, **keywords)
    assert done.returncode == status, done.stderr
    return done.stdout.strip(), done.stderr.strip()


@pytest.fixture
def user_site(tmp_path):
    """A user site folder with the start hook and the package, as an installation has them."""
    site = tmp_path / "lib" / "python{}.{}".format(*sys.version_info[:2]) / "site-packages"
    site.mkdir(parents=True)
    for hook in (ROOT / "startup").iterdir():
        if hook.is_file():
            (site / hook.name).write_text(hook.read_text())
    (site / "jitpatch").symlink_to(PACKAGE)
    return {"PYTHONUSERBASE": str(tmp_path)}


LOADED = ("import sys; print(sorted(m for m in sys.modules if 'jitpatch' in m), "
          "'jitpatch' in sys.modules and sys.modules['jitpatch'].is_enabled())")


def python(*arguments):
    return [sys._base_executable, *arguments]


def test_off_nothing_of_ours_is_imported(user_site):
    assert run(python("-c", LOADED), **user_site) == ("[] False", "")
    assert run(python("-c", LOADED), JITPATCH="0", **user_site) == ("[] False", "")


@pytest.mark.parametrize(("flags", "environment"), [
    (("-X", "jitpatch"), {}), ((), {"JITPATCH": "1"}), (("-X", "jitpatch=on"), {"JITPATCH": "0"})])
def test_on(user_site, flags, environment):
    out, err = run(python(*flags, "-c", LOADED), **user_site, **environment)
    assert out.endswith("True") and err == ""


def test_the_pth_file_is_one_import_line():
    (line,) = (ROOT / "startup" / "jitpatch.pth").read_text().splitlines()
    assert line.startswith("import ")


@pytest.mark.parametrize("flag", ["-I", "-E"])
def test_the_environment_is_not_read_where_pythons_variables_are_not(flag, tmp_path):
    """-I leaves the user site out, so the hook is called by hand."""
    hook = f"import sys; sys.path[:0] = {[str(ROOT / 'startup'), str(PACKAGE.parent)]!r}; exec(open({str(ROOT / 'startup/jitpatch.pth')!r}).read())\n"
    variables = {"JITPATCH": "1", "JITPATCH_THRESHOLD": "5", "JITPATCH_STATS": "1"}
    assert run(python(flag, "-c", hook + LOADED), **variables) == ("[] False", "")
    shows = "import jitpatch; print(jitpatch.is_enabled(), jitpatch.options()['threshold'])"
    assert run(python(flag, "-X", "jitpatch", "-c", hook + shows), **variables) == ("True 211", "")
    assert run(python("-c", hook + shows), **variables)[0] == "True 5"


@pytest.mark.parametrize(("flags", "environment"), [
    (("-X", "jitpatch-stats"), {}), (("-X", "jitpatch-dump=opt"), {}), ((), {"JITPATCH_STATS": "1"}),
    ((), {"JITPATCH_DUMP": "all"})])
def test_asking_to_see_something_without_the_switch_says_that_it_is_off(user_site, flags, environment):
    out, err = run(python(*flags, "-c", "print('goes on')"), **user_site, **environment)
    assert out == "goes on" and len(err.splitlines()) == 1
    named = flags[-1] if flags else next(iter(environment))
    assert named in err and err.endswith("the JIT is off; -X jitpatch or JITPATCH=1 switches it on")
    assert run(python("-X", "jitpatch=off", *flags, "-c", "pass"), **user_site, **environment) == ("", "")


def test_a_second_pth_file_does_no_harm(user_site):
    site = next(Path(user_site["PYTHONUSERBASE"]).glob("lib/*/site-packages"))
    (site / "again.pth").write_text((site / "jitpatch.pth").read_text())
    out, err = run(python("-X", "jitpatch", "-c", LOADED), **user_site)
    assert out.endswith("True") and err == ""


def test_the_callable_for_pep_829(user_site):
    (line,) = (ROOT / "startup" / "jitpatch.start").read_text().splitlines()
    module, _, name = line.partition(":")
    code = f"import {module}; {module}.{name}(); {module}.{name}(); {LOADED}"
    out, _ = run(python("-c", code), **user_site)
    assert out.endswith("False") and "jitpatch._jitpatch" not in out
    out, _ = run(python("-X", "jitpatch", "-c", code), **user_site)
    assert out.endswith("True")


def test_children_inherit_the_variable(user_site):
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', '''" + LOADED + "'''], check=True)"
    code = code.replace("sys.executable, '-c'", "sys.executable, '-c'")
    out, _ = run(python("-c", code), JITPATCH="1", **user_site)
    assert out.endswith("True")


# --- python -m jitpatch -----------------------------------------------------------------------

@pytest.fixture
def script(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent("""\
        import sys, jitpatch
        print(__name__, sys.argv[1:], jitpatch.is_enabled(), jitpatch.options()["threshold"])
        print(sys.argv[0] == __file__, sys.path[0] == __file__.rpartition("/")[0])
        import beside
    """))
    (tmp_path / "beside.py").write_text("print('beside')")
    return path


@pytest.fixture(params=["installed", "checkout"])
def settings(request):
    """Installed, another process takes the place of `python -m jitpatch`; with a checkout on PYTHONPATH it goes on."""
    if request.param == "installed":
        return request.getfixturevalue("user_site")
    return {"PYTHONPATH": str(PACKAGE.parent), "PYTHONNOUSERSITE": "1"}


@pytest.fixture
def module(settings):
    return lambda *arguments, **keywords: run(python("-m", "jitpatch", *map(str, arguments)), **settings, **keywords)


def test_a_script_with_its_arguments(module, script):
    out, err = module(script, "a", "--threshold=3", "-x", cwd="/")
    assert out.splitlines() == ["__main__ ['a', '--threshold=3', '-x'] True 211", "True True", "beside"]
    assert err == ""


def test_options_before_the_script(module, script):
    assert " True 5" in module("--threshold=5", script)[0]
    assert " True 6" in module("--threshold", "6", "--stats", script)[0]
    assert " True 7" in module("--threshold=7", "--", script)[0]


def test_options_win_over_the_environment(module, script):
    assert " True 5" in module("--threshold=5", script, JITPATCH_THRESHOLD="9")[0]
    assert " True 9" in module(script, JITPATCH_THRESHOLD="9")[0]


def test_a_module(module, script):
    out, _ = module("-m", "program", "x", cwd=script.parent)
    assert out.startswith("__main__ ['x'] True")


def test_a_string(module):
    assert module("-c", "import sys; print(__name__, sys.argv)", "a")[0] == "__main__ ['-c', 'a']"


def test_standard_input(module):
    code = "import sys, jitpatch; print(__name__, sys.argv, jitpatch.is_enabled())"
    assert module(text=code)[0] == "__main__ [''] True"
    assert module("-", "a", text=code)[0] == "__main__ ['-', 'a'] True"


PROGRAMS = {
    "good.py": "print('good')",
    "exits.py": "import sys; sys.exit(7)",
    "says.py": "import sys; sys.exit('a word')",
    "nothing.py": "raise SystemExit",
    "raises.py": "def f():\n    1 / 0\nf()",
    "chained.py": "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise KeyError(1) from error",
    "syntax.py": "x = (\n",
    "hooked.py": "import sys\nsys.excepthook = lambda *details: print('hook', details[0], details[2].tb_lineno)\n1 / 0",
    "warns.py": "import warnings; warnings.warn('careful')",
    "group.py": "raise ExceptionGroup('some', [KeyError(1), ValueError()])",
    "names.py": "print(__name__, __spec__, __cached__, __doc__, __package__, type(__loader__), sorted(globals()))",
    "package/__main__.py": "import sys; print(sys.argv); 1 / 0",
}


@pytest.fixture
def programs(tmp_path):
    for name, text in PROGRAMS.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text + "\n")
    return tmp_path


@pytest.mark.parametrize("name", [*PROGRAMS, "nowhere.py", "package"])
def test_a_script_ends_as_without_us(settings, programs, name):
    """What it prints, its traceback, its exit status."""
    expected = finish(python(name, "a"), cwd=programs, **settings)
    got = finish(python("-m", "jitpatch", name, "a"), cwd=programs, **settings)
    if "PYTHONPATH" in settings and name == "package":      # runpy's frames, which python shows, are left out
        assert got.stderr.splitlines()[-3:] == expected.stderr.splitlines()[-3:] and "runpy" not in got.stderr
        got.stderr = expected.stderr
    assert (got.stdout, got.stderr, got.returncode) == (expected.stdout, expected.stderr, expected.returncode)


@pytest.mark.parametrize(("words", "text"), [
    (("-m", "nosuch"), ""), (("-m", "package"), ""), (("-m", "exits"), ""), (("-m", "raises"), ""), (("-c", "1 / 0"), ""),
    (("-",), "import sys; sys.exit(9)"), ((), "1 / 0"), (("-m", "json.tool"), "[1]"),
    (("-c", "import os, signal; os.kill(os.getpid(), signal.SIGINT); import time; time.sleep(9)"), "")])
def test_installed_everything_ends_as_without_us(user_site, programs, words, text):
    expected = finish(python(*words), cwd=programs, text=text, **user_site)
    got = finish(python("-m", "jitpatch", *words), cwd=programs, text=text, **user_site)
    assert (got.stdout, got.stderr, got.returncode) == (expected.stdout, expected.stderr, expected.returncode)


@pytest.mark.parametrize("flags", [("-O", "-m", "jitpatch"), ("-Om", "jitpatch"), ("-mjitpatch",), ("-OBmjitpatch",),
                                   ("-X", "utf8", "-Om", "jitpatch"), ("-W", "ignore", "-O", "-m", "jitpatch")])
def test_the_interpreters_own_flags_are_kept(user_site, flags):
    code = "import sys, jitpatch; print(sys.flags.optimize, sys.flags.dont_write_bytecode, sorted(sys._xoptions), sys.warnoptions, jitpatch.is_enabled())"
    joined = "".join(flags)
    out, err = run(python(*flags, "-c", code), **user_site)
    assert out == (f"{int('O' in joined)} {int('B' in joined)} {['jitpatch'] + ['utf8'] * ('utf8' in joined)} "
                   f"{['ignore'] * ('ignore' in joined)} True") and err == ""


def test_no_frame_of_ours_is_below_the_program(user_site, tmp_path):
    path = tmp_path / "deep.py"
    path.write_text("import sys, traceback; print(sys._getframe().f_back); traceback.print_stack()")
    assert run(python("-m", "jitpatch", path), **user_site) == run(python(path), **user_site)


@pytest.mark.parametrize(("arguments", "words"), [
    (("--threshold=0", "x.py"), "--threshold=0: threshold: not a whole number from 1 to 1000000000"),
    (("--threshold", "x.py"), "--threshold x.py: threshold: not a whole number"),
    (("--nothing=0", "x.py"), "no option 'nothing'"), (("--nonsense", "x.py"), "no option 'nonsense'"),
    (("--dump", "x.py"), "--dump x.py: dump: 'x.py' is not one of record,"),
    (("--text", "1", "x.py"), "--text takes no word of its own: write --text=1"),
    (("--text=", "x.py"), "--text=: text: not a whole number from 0 to 1"),
    (("nowhere.py",), "can't open file"),
    (("--threshold",), "needs a value"), (("-m",), "needs a module name"), (("-c",), "needs code")])
def test_errors_are_one_line(module, arguments, words):
    out, err = module(*arguments, status=2)
    assert out == "" and words in err and len(err.splitlines()) == 1


def test_help_lists_every_option(module):
    out, _ = module("--help")
    for name in jitpatch.options():
        assert "--" + name.replace("_", "-") in out
    assert module("-h") == (out, "")


def test_the_version(module):
    out, _ = module("--version")
    assert out == f"jitpatch {jitpatch.__version__} (Python {sys.version.split()[0]}; available)"


def test_options_are_known_where_there_is_no_extension():
    rows = jitpatch._jitpatch.params()
    assert _options.NAMES == (*(row[0] for row in rows), "dump")
    assert set(_options.SWITCHES) == {row[0] for row in rows if row[2:4] == (0, 1)}


# --- where it cannot work ---------------------------------------------------------------------

@pytest.fixture
def without_extension(tmp_path):
    """The package as another interpreter sees it: no extension module it could load."""
    folder = tmp_path / "jitpatch"
    folder.mkdir()
    for path in PACKAGE.glob("*.py"):
        (folder / path.name).write_text(path.read_text())
    return str(tmp_path)


UNAVAILABLE = """
import jitpatch
print(jitpatch.is_available(), jitpatch.is_enabled(), jitpatch.is_active(), jitpatch.executors())
print(jitpatch.why_unavailable())
jitpatch.disable(); jitpatch.reset_stats()
for action in (jitpatch.enable, jitpatch.stats, jitpatch.options):
    try:
        action()
    except RuntimeError as error:
        print(str(error) == jitpatch.why_unavailable())
"""


def interpreters():
    found = [sys._base_executable]      # an editable install's finder would find the extension
    for version in ("3.11", "3.12", "3.14"):
        found += [str(p) for p in Path.home().glob(f".pyenv/versions/{version}*/bin/python")][:1]
    return found


@pytest.mark.parametrize("interpreter", interpreters())
def test_import_never_raises_and_says_why(without_extension, interpreter):
    out, err = run([interpreter, "-c", UNAVAILABLE], PYTHONPATH=without_extension)
    lines = out.splitlines()
    assert lines[0] == "False False False []" and lines[2:] == ["True"] * 3 and err == ""
    assert "3.13" in lines[1]


@pytest.mark.parametrize("interpreter", interpreters())
def test_unavailable_it_warns_and_runs_the_script(without_extension, programs, interpreter):
    for words in (("raises.py", "a"), ("exits.py",), ("-c", "print(5)"), ("-m", "exits"), ("nowhere.py",)):
        expected = finish([interpreter, *words], cwd=programs)
        got = finish([interpreter, "-m", "jitpatch", "--threshold=5", "--stats", *words], cwd=programs, PYTHONPATH=without_extension)
        warning, _, rest = got.stderr.partition("\n")
        assert warning.startswith("jitpatch: warning: not enabled: ")
        assert (got.stdout, rest, got.returncode) == (expected.stdout, expected.stderr, expected.returncode)
    err = run([interpreter, "-m", "jitpatch", "--nonsense", "good.py"], cwd=programs, status=2, PYTHONPATH=without_extension)[1]
    assert err == "jitpatch: error: no option 'nonsense': python -m jitpatch --help lists them"


# --- a checkout that is not built -------------------------------------------------------------

@pytest.fixture
def checkout(without_extension):
    (Path(without_extension) / "build_stencils.py").touch()
    return without_extension


def test_a_checkout_that_is_not_built_says_what_to_do(checkout):
    out, err = run(python("-c", "import jitpatch; print(jitpatch.why_unavailable())"), cwd=checkout, PYTHONNOUSERSITE="1")
    assert out == (f"jitpatch in {checkout} is a checkout that is not built: pip install {checkout}, "
                   "and run Python in another folder") and err == ""


def test_a_checkout_that_hides_the_installed_package_says_so(checkout, user_site):
    out, err = run(python("-c", "import jitpatch; print(jitpatch.why_unavailable())"), cwd=checkout, **user_site)
    site = next(Path(user_site["PYTHONUSERBASE"]).glob("lib/*/site-packages"))
    assert out == (f"jitpatch in {checkout} is a checkout that is not built, and hides the one installed in {site}: "
                   "run Python in another folder, or with -P") and err == ""


def test_in_a_checkout_that_is_not_built_scripts_run_with_the_installed_package(checkout, user_site, script):
    out, err = run(python("-m", "jitpatch", "--threshold=5", script), cwd=checkout, **user_site)
    assert out.startswith("__main__ [] True 5\n") and err == ""


def test_an_unavailable_jit_is_one_warning_at_start(without_extension):
    code = "from jitpatch import _startup; _startup.start(); print('goes on')"
    out, err = run(python("-X", "jitpatch", "-c", code), PYTHONPATH=without_extension)
    assert out == "goes on"
    assert err.startswith("jitpatch: warning: not enabled: ") and len(err.splitlines()) == 1


def test_another_optimizer_at_start_is_one_warning():
    code = ("import sys; sys.monitoring.use_tool_id(5, 'other'); sys._xoptions['jitpatch'] = True\n"
            "from jitpatch import _startup; _startup.start(); print('goes on')")
    path = os.pathsep.join(path for path in sys.path if path)
    out, err = run([sys.executable, "-c", code], PYTHONPATH=path)
    assert out == "goes on" and "'other'" in err and len(err.splitlines()) == 1


def test_a_subinterpreter_is_refused_politely():
    code = textwrap.dedent("""\
        import _interpreters, sys
        for config in ("isolated", "legacy"):
            interp = _interpreters.create(config)
            failure = _interpreters.exec(interp, '''
        import sys; sys.path[:] = %r
        import jitpatch
        assert not jitpatch.is_available()
        assert "interpreter" in jitpatch.why_unavailable(), jitpatch.why_unavailable()
        ''')
            assert failure is None, failure
        print("fine")
    """) % (sys.path,)
    code = code.replace("\nimport sys; sys.path", "\nimport sys; sys.path")
    path = os.pathsep.join(path for path in sys.path if path)
    assert run([sys.executable, "-c", "import jitpatch\n" + code], PYTHONPATH=path)[0] == "fine"
