"""Do tests fail when the JIT is wrong? python3 tools/mutate.py [--here] [MUTATION ...]

Builds each fault of src/runtime/base/mutation.h into an extension of its own, and runs the tests that are named for it
below: one of them must fail. Without the fault all of them must pass, which is tried first. --here: with the
interpreter that runs this and the packages it has, instead of the environment of tools/test.py.

A new fault is a line in mutation.h, MUTATED(name) where it is, and a line here.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import environment

SEMANTICS = "tests/semantics/test_semantics.py::test_same_with_the_jit"
LIVE = "tests/trace/test_invalidate_live.py"
SAME = "tests/trace/test_constructs.py::test_same_as_the_interpreter"
# Cases of tests/semantics as FILE-NAME, other tests by their pytest names.
TESTS = {
    "drop_guard": ["numbers-int_becomes_float_mid_loop", "numbers-float_becomes_int_and_str_mid_loop"],
    "drop_overflow_check": ["numbers-sums_that_double_overflow"],
    "no_dict_watcher": ["changes-function_rebound", f"{LIVE}::test_a_global_is_rebound"],
    "no_type_watcher": ["changes-method_replaced_on_the_class", f"{LIVE}::test_a_base_class_is_patched"],
    "no_guard_valid": [f"{LIVE}::test_a_global_is_rebound_by_what_c_code_calls"],
    "leak_reference": [f"{SAME}[30-dict display, str keys]"],
    "lose_reference": ["closures-cells_written_by_closures", f"{SAME}[2-del of a slice]"],
    "stale_memory": ["attributes-a_dictionary_made_anew_each_time"],
    "lost_store": ["iterators-enumerate_is_left_and_goes_on", "iterators-zip_is_left_and_goes_on"],
    "lost_phi": ["numbers-sum_overflows_63_bits", "numbers-while_counts_down_through_zero"],
}
LIMIT = 300     # seconds for the tests of one fault: a loop may never end


@dataclass
class Build:
    """The package without a fault, and the commands that made it."""

    folder: Path
    source: Path
    compile: dict[str, list[str]]       # source file -> command
    link: list[str]

    def mutated(self, name: str) -> Path:
        """The package with one: only files that know of it are compiled."""
        to = self.folder.with_name(name)
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(self.folder, to)
        link = list(self.link)
        for file, command in self.compile.items():
            if f"MUTATED({name})" in (self.source / file).read_text():
                before, after = command[command.index("-o") + 1], str(to / f"{Path(file).stem}.o")
                changed = [after if word == before else word for word in command]
                run([*changed, f"-DJITPATCH_MUTATION=MUTATION_{name}"], self.source)
                link = [after if word == before else word for word in link]
        library = link[link.index("-o") + 1]
        run([str(to / "jitpatch" / Path(library).name) if word == library else word for word in link], self.source)
        return to


def run(command: list[str], cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=os.environ | {"JITPATCH_DEBUG_BUILD": "1"})
    if done.returncode:
        raise environment.SetupError(f"{shlex.join(command)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def build(python: str) -> Build:
    top = environment.FOLDER.parent / "mutations"
    shutil.rmtree(top, ignore_errors=True)
    source = environment.copy_sources(top / "src")
    folder = top / "none"
    said = run([python, "setup.py", "-v", "build", "--build-lib", str(folder), "--build-temp", str(top / "objects")], source)
    commands = [shlex.split(line) for line in said.splitlines() if re.match(r"\S*(cc|gcc|clang)\S* ", line)]
    compile = {command[command.index("-c") + 1]: command for command in commands if "-c" in command}
    links = [command for command in commands if "-shared" in command]
    if not compile or len(links) != 1:
        raise environment.SetupError("the build does not say how it compiles")
    link = [str(source / word) if word.endswith((".o", ".so")) and not word.startswith("/") else word for word in links[0]]
    for command in compile.values():
        at = command.index("-o") + 1
        command[at] = str(source / command[at])
    return Build(folder, source, compile, link)


def test(pytest: str, package: Path, tests: list[str]) -> tuple[bool, str]:
    """Do all of them pass? And the last line that pytest says."""
    cases = [name for name in tests if not name.startswith("tests/")]
    chosen = [f"{SEMANTICS}[{name}-first]" for name in cases] + [name for name in tests if name.startswith("tests/")]
    settings = {"PYTHONPATH": str(package), "JITPATCH_TEST_MODES": "first", "PYTHONDONTWRITEBYTECODE": "1"}
    command = ["timeout", "--kill-after=10", str(LIMIT), pytest, "-q", "-x", "-p", "no:cacheprovider", *dict.fromkeys(chosen)]
    done = subprocess.run(command, cwd=environment.ROOT, env=os.environ | settings, capture_output=True, text=True)
    if done.returncode in (4, 5):       # no such test: nothing was found out
        raise environment.SetupError(f"{shlex.join(chosen)}\n{done.stdout[-2000:]}{done.stderr[-500:]}")
    lines = done.stdout.strip().splitlines() or ["nothing was said"]
    return done.returncode == 0, lines[-1] if done.returncode >= 0 else f"killed by signal {-done.returncode}"


def declared() -> set[str]:
    text = (environment.ROOT / "src/runtime/base/mutation.h").read_text()
    return set(re.findall(r"^    MUTATION_(\w+),", text, re.M)) - {"none"}


def main() -> int:
    words = sys.argv[1:]
    here = "--here" in words
    names = [word for word in words if word != "--here"] or list(TESTS)
    if declared() != set(TESTS) or not set(names) <= set(TESTS):
        print(f"mutate: there are {', '.join(sorted(declared()))}; with tests: {', '.join(sorted(TESTS))}", file=sys.stderr)
        return 1
    missed = 0
    try:
        python = Path(sys.executable) if here else environment.prepare("test", extras="test")
        pytest = str(python.with_name("pytest"))
        made = build(str(python))
        passed, line = test(pytest, made.folder, [name for which in names for name in TESTS[which]])
        print(f"{'passed' if passed else 'FAILED':7} without a fault: {line}", flush=True)
        missed += not passed
        for name in names:
            start = time.monotonic()
            passed, line = test(pytest, made.mutated(name), TESTS[name])
            missed += passed
            print(f"{'MISSED' if passed else 'found':7} {name}: {line} ({time.monotonic() - start:.0f} s)", flush=True)
    except environment.SetupError as error:
        print(f"mutate: {error}", file=sys.stderr)
        return 1
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
