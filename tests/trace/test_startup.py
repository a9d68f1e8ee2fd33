"""How the JIT comes into a process: jitpatch.pth, python -m jitpatch, unsupported interpreters."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import jitpatch

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(jitpatch.__file__).parent


def run(arguments, cwd="/", status=0, **environment):     # not in the checkout: what is installed is tested
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("JITPATCH", "PYTHON"))}
    done = subprocess.run(arguments, env=kept | environment, cwd=cwd, capture_output=True, text=True,
                          timeout=60, stdin=subprocess.DEVNULL)
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


def module(*arguments, **keywords):
    path = os.pathsep.join(path for path in sys.path if path and "trace" not in path)
    return run([sys.executable, "-m", "jitpatch", *map(str, arguments)], PYTHONPATH=path, **keywords)


def test_a_script_with_its_arguments(script):
    out, err = module(script, "a", "--threshold=3", "-x", cwd="/")
    assert out.splitlines() == ["__main__ ['a', '--threshold=3', '-x'] True 211", "True True", "beside"]
    assert err == ""


def test_options_before_the_script(script):
    assert " True 5" in module("--threshold=5", script)[0]
    assert " True 6" in module("--threshold", "6", "--stats", script)[0]
    assert " True 7" in module("--threshold=7", "--", script)[0]


def test_options_win_over_the_environment(script):
    assert " True 5" in module("--threshold=5", script, JITPATCH_THRESHOLD="9")[0]
    assert " True 9" in module(script, JITPATCH_THRESHOLD="9")[0]


def test_a_module(script):
    out, _ = module("-m", "program", "x", cwd=script.parent)
    assert out.startswith("__main__ ['x'] True")


def test_a_string():
    assert module("-c", "import sys; print(__name__, sys.argv)", "a")[0] == "__main__ ['-c', 'a']"


def test_the_exit_status_is_the_programs(tmp_path):
    path = tmp_path / "fails.py"
    path.write_text("import sys; sys.exit(7)")
    module(path, status=7)
    path.write_text("1 / 0")
    assert "ZeroDivisionError" in module(path, status=1)[1]


@pytest.mark.parametrize(("arguments", "words"), [
    (("--threshold=0", "x.py"), "threshold: not a whole number from 1 to 1000000000"),
    (("--nothing=0", "x.py"), "no option 'nothing'"), (("nowhere.py",), "can't open file"),
    (("--threshold",), "needs a value"), (("-m",), "needs a module name"), (("-c",), "needs code")])
def test_errors_are_one_line(arguments, words):
    out, err = module(*arguments, status=1)
    assert out == "" and words in err and len(err.splitlines()) == 1


def test_help_lists_every_option():
    out, _ = module("--help")
    for name in jitpatch.options():
        assert "--" + name.replace("_", "-") in out


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
    found = [sys.executable]
    for version in ("3.11", "3.12", "3.14"):
        found += [str(p) for p in Path.home().glob(f".pyenv/versions/{version}*/bin/python")][:1]
    return found


@pytest.mark.parametrize("interpreter", interpreters())
def test_import_never_raises_and_says_why(without_extension, interpreter):
    out, err = run([interpreter, "-c", UNAVAILABLE], PYTHONPATH=without_extension)
    lines = out.splitlines()
    assert lines[0] == "False False False []" and lines[2:] == ["True"] * 3 and err == ""
    assert "3.13" in lines[1]


def test_an_unavailable_jit_is_one_warning_at_start(without_extension):
    code = "from jitpatch import _startup; _startup.start(); print('goes on')"
    out, err = run([sys.executable, "-X", "jitpatch", "-c", code], PYTHONPATH=without_extension)
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
