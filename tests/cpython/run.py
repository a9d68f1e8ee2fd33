"""CPython's own tests with the JIT at low thresholds: python tests/cpython/run.py [MODULES...]

Runs `python -m test -v MODULE` from the interpreter's installed test package (Debian: libpython3.13-testsuite)
in a process per module, without the JIT and with it, and reports the tests that fail only with it. Modules that
fail without it as well are compared test by test: what fails anyway does not count. Reasons for
accepted differences stand in expected_failures.txt. Exit status 1 on a difference that is not there.

    run.py                      the modules of modules.txt, about 20 minutes
    run.py --quick              the ones issue 2 names that are fast
    run.py test_list test_dict  these
    run.py --mode first         another mode of tests/harness.py (second)
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import harness

QUICK = """test_grammar test_list test_dict test_int test_float test_str test_generators test_iter test_scope test_exceptions
test_traceback test_descr test_class test_functools test_itertools test_collections test_gc test_weakref test_sys_settrace
test_monitoring test_json test_re test_dataclasses test_enum""".split()

FAILED = re.compile(r"^(?:FAIL|ERROR): (\w+) \(([\w.<>]+)", re.MULTILINE)


@dataclass(frozen=True)
class Verdict:
    """How a module ended."""

    status: int
    failed: frozenset[str]  # names of tests
    ran: int
    seconds: float
    output: str

    @property
    def passed(self) -> bool:
        return self.status == 0

    @property
    def absent(self) -> bool:
        """This interpreter has no such test module (Debian leaves some out)."""
        return self.ran == 0 and "No module named 'test" in self.output


def run_module(module: str, settings: dict[str, str], timeout: float) -> Verdict:
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="jitpatch-test-") as folder:
        # No -j and no rerun: what fails once has failed. -u none: no network, no large memory.
        outcome = harness.run(["-m", "test", "-v", "-u", "none", "--timeout", str(int(timeout)), "--tempdir", folder, module],
                              settings, timeout=timeout + 30, cwd=folder)
    output = outcome.stdout + outcome.stderr
    failed = {f"{where}" if where.endswith(name) else f"{where}.{name}" for name, where in FAILED.findall(output)}
    ran = sum(int(n) for n in re.findall(r"^Ran (\d+) tests?", output, re.MULTILINE))
    # regrtest tells "no tests ran" and "skipped" with its own statuses; neither is a failure of ours.
    return Verdict(outcome.status, frozenset(failed), ran, time.monotonic() - start, output)


def read_list(path: Path) -> list[str]:
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


def expected_failures() -> dict[str, set[str]]:
    """Module -> tests that may fail. No module is excepted as a whole."""
    allowed: dict[str, set[str]] = {}
    for line in read_list(HERE / "expected_failures.txt"):
        module, colon, test = line.removeprefix("sometimes ").partition(":")
        if not colon:
            raise ValueError(f"expected_failures.txt: {line!r} names no test")
        allowed.setdefault(module.strip(), set()).add(test.strip())
    return allowed


def unsteady() -> set[str]:
    """Modules whose expected failure depends on which path happened to be hot."""
    lines = read_list(HERE / "expected_failures.txt")
    return {line.removeprefix("sometimes ").partition(":")[0].strip() for line in lines if line.startswith("sometimes ")}


def judge(module: str, off: Verdict, on: Verdict, allowed: dict[str, set[str]]) -> list[str]:
    """What is wrong with this module, in words; nothing if it is as without the JIT."""
    if off.absent and on.absent:
        return []
    accepted = allowed.get(module)
    if on.passed and (accepted is None or module in unsteady()):
        return []
    if on.passed:
        return [f"{module}: stands in expected_failures.txt but passes"]
    fresh = on.failed - off.failed - (accepted or set())
    found = [f"{module}: {test} fails only with the JIT" for test in sorted(fresh)]
    if not found and on.status != off.status and not on.failed:
        last = [line for line in on.output.strip().splitlines() if line.strip()][-1:]
        ending = harness.Outcome("", "", on.status).ending()
        found.append(f"{module}: {ending}, without the JIT {harness.Outcome('', '', off.status).ending()}: {''.join(last)[:200]}")
    if off.ran > on.ran and off.status == 0 and not found:
        found.append(f"{module}: {off.ran} tests ran without the JIT, {on.ran} with it")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("modules", nargs="*")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--mode", default="second", choices=list(harness.MODES))
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds per module (600)")
    parser.add_argument("--jobs", type=int, default=1, help="modules at a time (1)")
    parser.add_argument("--logs", type=Path, help="keep the output of what fails there")
    args = parser.parse_args()

    modules = args.modules or (QUICK if args.quick else read_list(HERE / "modules.txt"))
    options = {f"JITPATCH_{name}": value for name, value in (harness.MODES[args.mode] | harness.extra_options()).items()}
    settings = {"JITPATCH": "1", **options}
    if not harness.jit_available():
        print("jitpatch is not available here: comparing the interpreter with itself")
    allowed = expected_failures()

    def check(module: str) -> tuple[str, Verdict | None, Verdict, list[str]]:
        on = run_module(module, settings, args.timeout)
        if on.passed and module not in allowed:
            return module, None, on, []  # nothing to compare: it passes
        off = run_module(module, harness.OFF, args.timeout)
        return module, off, on, judge(module, off, on, allowed)

    wrong = report(args, ThreadPoolExecutor(args.jobs).map(check, modules))
    for line in wrong:
        print(f"FAILED {line}")
    # The last line names one, for logs of which only the end is kept.
    print(f"{len(modules)} modules, mode {args.mode}: {len(wrong)} differences{''.join(f'; {line}' for line in wrong[:1])}")
    return 1 if wrong else 0


def report(args: argparse.Namespace, results: Iterable[tuple[str, Verdict | None, Verdict, list[str]]]) -> list[str]:
    wrong = []
    for module, off, on, found in results:
        state = ("ok" if on.passed else "DIFFERENT" if found else "absent" if on.absent else "as without")
        without = "" if off is None else f", without {off.ran} in {off.seconds:.1f} s"
        print(f"{module:28} {state:10} {on.ran:5} tests in {on.seconds:5.1f} s{without}", flush=True)
        wrong += found
        if found and args.logs:
            args.logs.mkdir(parents=True, exist_ok=True)
            (args.logs / f"{module}.txt").write_text(on.output)
    return wrong


if __name__ == "__main__":
    sys.exit(main())
