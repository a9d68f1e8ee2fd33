"""Where the JIT is on but stays out, and children that multiprocessing starts anew."""

import os
import subprocess
import sys
import textwrap

import pytest

import jitpatch

if not jitpatch.is_available():
    pytest.skip(f"{jitpatch.why_unavailable()}", allow_module_level=True)

START = "from jitpatch import _startup; _startup.start()\nimport sys, jitpatch\n"
PERF = "perf support is on (-X perf, -X perf_jit or PYTHONPERFSUPPORT)"
WATCHED = "jitpatch: warning: on, but stays out: "


def run(code, *flags, **environment):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("JITPATCH")}
    kept["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run([sys.executable, *flags, "-c", code], env=kept | environment, cwd="/", capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), done.stderr.strip()


HOT = "t = 0\nfor i in range(3000):\n    t += i\n"
SAYS = "print(jitpatch.is_enabled(), jitpatch.is_active(), jitpatch.why_inactive())"


@pytest.mark.skipif(not hasattr(sys, "activate_stack_trampoline"), reason="no perf support in this build")
@pytest.mark.parametrize("flag", ["perf", "perf_jit"])
def test_perf(flag):
    out, err = run(START + HOT + SAYS, "-X", flag, "-X", "jitpatch")
    if "is not" in err and "perf" in err:
        pytest.skip(err)
    assert (out, err) == (f"True False {PERF}", WATCHED + PERF)


@pytest.mark.parametrize(("before", "said"), [
    ("sys.settrace(lambda *event: None)", "sys.settrace is in use, by a debugger or a coverage tool"),
    ("sys.setprofile(lambda *event: None)", "sys.setprofile is in use, by a profiler"),
    ("m = sys.monitoring; m.use_tool_id(2, 'meter'); m.set_events(2, m.events.PY_START)",
     "the tool 'meter' watches all code by sys.monitoring"),
])
def test_tools(before, said):
    out, err = run(f"import sys, jitpatch\n{before}\njitpatch.enable(); jitpatch.disable(); jitpatch.enable()\n{HOT}{SAYS}")
    assert out == f"True False {said}"
    assert err == WATCHED + said, "once in a process"


def test_a_tool_that_comes_later_is_not_warned_of_but_said():
    out, err = run(START + HOT + SAYS + "\nsys.setprofile(lambda *event: None)\n" + SAYS + "\nsys.setprofile(None)\n" + SAYS,
                   "-X", "jitpatch", "-X", "jitpatch-threshold=50")
    assert out.splitlines() == ["True True None", "True False sys.setprofile is in use, by a profiler", "True True None"]
    assert err == ""


def test_why_inactive():
    out, err = run("import jitpatch\nprint(jitpatch.why_inactive()); jitpatch.enable(threshold=50); print(jitpatch.why_inactive())\n" + HOT
                   + "print(jitpatch.why_inactive(), jitpatch.is_active()); jitpatch.disable(); print(jitpatch.is_active())")
    assert out.splitlines() == ["the JIT is off", "nothing has been compiled yet", "None True", "False"] and err == ""


# --- children -----------------------------------------------------------------------------------

CHILDREN = textwrap.dedent("""\
    import multiprocessing, sys

    def state(_):
        jit = sys.modules.get("jitpatch")
        return jit is not None and jit.is_enabled() and jit.options()["threshold"]

    def flags(_):
        return [flag for flag in sys.orig_argv if "jitpatch" in flag]

    if __name__ == "__main__":
        from concurrent.futures import ProcessPoolExecutor
        for method in ("spawn", "forkserver", "fork"):
            context = multiprocessing.get_context(method)
            with context.Pool(1) as pool:
                print(method, pool.map(state, [0]), pool.map(flags, [0]) if method == "spawn" else "")
            with ProcessPoolExecutor(1, mp_context=context) as pool:
                print(method, list(pool.map(state, [0])))
        print([finder for finder in sys.meta_path if "jitpatch._startup" in str(finder)])
        from multiprocessing import resource_tracker
        with open(f"/proc/{resource_tracker._resource_tracker._pid}/cmdline") as file:
            print("jitpatch" in file.read())
""")


@pytest.fixture
def program(tmp_path):
    """A program, and a user site with the start hook, so that children start as installed."""
    site = tmp_path / "lib" / "python{}.{}".format(*sys.version_info[:2]) / "site-packages"
    site.mkdir(parents=True)
    package = os.path.dirname(jitpatch.__file__)
    (site / "jitpatch").symlink_to(package)
    (site / "start.pth").write_text("import sys; 'jitpatch' in sys._xoptions and __import__('jitpatch._startup', fromlist=['start']).start()\n")
    path = tmp_path / "program.py"
    path.write_text(CHILDREN)

    def runs(*flags):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("JITPATCH", "PYTHON"))}
        done = subprocess.run([sys._base_executable, *flags, str(path)], env=kept | {"PYTHONUSERBASE": str(tmp_path)}, cwd="/",
                              capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    return runs


def expected(state, flags):
    return [line for method in ("spawn", "forkserver", "fork") for line in (
        f"{method} [{state}] {[flags] if method == 'spawn' else ''}", f"{method} [{state}]")] + ["[]", "False"]


def test_children_get_the_command_line_options(program):
    assert program("-X", "jitpatch", "-X", "jitpatch-threshold=77") == expected(77, ["-Xjitpatch", "-Xjitpatch-threshold=77"])


def test_children_get_nothing_without_them(program):
    assert program() == expected(False, [])
    assert program("-X", "jitpatch=off") == expected(False, [])


def test_multiprocessing_is_not_imported_for_that():
    out, _ = run(START + "print('multiprocessing' in sys.modules)", "-X", "jitpatch")
    assert out == "False"


def test_one_that_is_imported_already_is_changed_at_once():
    code = "import multiprocessing.util as util, sys\n" + START + "print(util._args_from_interpreter_flags()[-1])"
    assert run(code, "-X", "jitpatch") == ("-Xjitpatch", "")
