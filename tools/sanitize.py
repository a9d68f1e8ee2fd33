"""The core of the tests with the C code watched: python3 tools/sanitize.py [asan|valgrind] [PYTEST ARGUMENT ...]

    asan        the extension is built with gcc's address sanitiser, and CPython uses malloc
    valgrind    the processes that run the cases do so in valgrind's memcheck; slow: one file of cases

Without arguments for pytest, the core of the tests in mode first (see tests/harness.py). What either finds goes to
the standard error of the process that did it and ends it with a status of its own, so the test fails. Leaks are
tests' own business (tests/trace/test_memory_stays_flat.py): CPython keeps much to its end.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import environment

FLAGS = "-fsanitize=address -fno-omit-frame-pointer"
DEFAULT = {
    "asan": ["-q", "-m", "core", "tests/trace", "tests/semantics"],
    "valgrind": ["-q", "tests/semantics/test_semantics.py", "-k", "test_same_with_the_jit and moves"],
}
# An error ends the process; what CPython does at its end is no error of ours.
VALGRIND = ["valgrind", "-q", "--error-exitcode=99", "--exit-on-first-error=yes", "--leak-check=no", "--child-silent-after-fork=yes"]


def address_sanitised(python: Path) -> dict[str, str]:
    """Builds the extension once more, to stand before the one that is installed; the settings that make it run."""
    folder, stamp = environment.FOLDER / "asan", environment.FOLDER / "asan-built"
    wanted = environment.digest(FLAGS, str(python))
    if not stamp.exists() or stamp.read_text() != wanted:
        stamp.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        source = environment.copy_sources(environment.FOLDER / "asan-src")
        environment.call("building jitpatch with the address sanitiser",
                         [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps",
                          "--no-build-isolation", "--target", str(folder), str(source)],
                         source, {"JITPATCH_DEBUG_BUILD": "1", "CFLAGS": FLAGS, "LDFLAGS": FLAGS})
        stamp.write_text(wanted)
    library = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True).stdout.strip()
    # CPython's own signal handlers stay: faulthandler's, for one.
    return {"LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0:handle_segv=0",
            "PYTHONMALLOC": "malloc", "PYTHONPATH": str(folder)}


def in_valgrind(python: Path) -> dict[str, str]:
    """An interpreter for the cases' processes that starts valgrind."""
    if shutil.which("valgrind") is None:
        raise environment.SetupError("valgrind is not installed")
    wrapper = environment.FOLDER / "valgrind-python"
    wrapper.write_text(f"#!/bin/sh\nPYTHONMALLOC=malloc exec {' '.join(VALGRIND)} {python} \"$@\"\n")
    wrapper.chmod(0o755)
    return {"JITPATCH_TEST_PYTHON": str(wrapper)}


def main() -> int:
    how, *arguments = sys.argv[1:] or ["asan"]
    if how not in DEFAULT:
        print(__doc__)
        return 2
    try:
        python = environment.prepare("test", extras="test")
        settings = address_sanitised(python) if how == "asan" else in_valgrind(python)
    except environment.SetupError as error:
        print(f"sanitize: {error}", file=sys.stderr)
        return 1
    pytest = python.with_name("pytest")
    settings["JITPATCH_TEST_MODES"] = os.environ.get("JITPATCH_TEST_MODES", "first")
    return subprocess.run([pytest, *(arguments or DEFAULT[how])], cwd=environment.ROOT, env=os.environ | settings).returncode


if __name__ == "__main__":
    sys.exit(main())
