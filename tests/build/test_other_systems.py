"""macOS and Windows: the files that know the system or the machine are built for them, by the ziglang wheel's
compiler. They cannot be run here; what can be checked is that they build without a warning and define what the
others call."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

RUNTIME = Path(__file__).resolve().parents[2] / "src/runtime"
TARGETS = ["x86_64-macos", "aarch64-macos", "x86_64-windows-gnu", "aarch64-windows-gnu", "x86_64-linux-gnu", "aarch64-linux-gnu"]
PATTERNS = ("back/codemem.c", "back/pages_*.c", "back/patch_*.c", "back/enter_*.c", "base/os_*.c")
FILES = sorted(path.relative_to(RUNTIME).as_posix() for pattern in PATTERNS for path in RUNTIME.glob(pattern))
WANTED = ("codemem_alloc", "pages_reserve", "pages_begin_write", "pages_end_write", "patch_functions", "patch_jump", "emit_enter",
          "os_now", "os_process_time", "os_stack")
UNWIND = ("enter_unwind", "enter_unwind_entry")

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="needs the ziglang wheel")


@pytest.fixture(scope="module")
def zig(tmp_path_factory):
    """Runs the compiler."""
    cache = str(tmp_path_factory.mktemp("cache"))

    def run(*arguments):
        settings = os.environ | {"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
        done = subprocess.run([sys.executable, "-m", "ziglang", *arguments], capture_output=True, text=True, env=settings)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return run


def names_in(path):
    """What an object file defines or refers to, without the underscore of Mach-O."""
    data = path.read_bytes()
    return {name for name in (*WANTED, *UNWIND) if name.encode() + b"\0" in data}


@pytest.mark.parametrize("target", TARGETS)
def test_builds_for(target, zig, tmp_path):
    found = set()
    for name in FILES:
        output = tmp_path / (Path(name).name + ".o")
        flags = ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-empty-translation-unit"]
        zig("cc", "-target", target, "-mcpu=baseline", "-fno-sanitize=all", *flags, "-c", f"-I{RUNTIME}", str(RUNTIME / name), "-o", str(output))
        found |= names_in(output)
    assert found == {*WANTED, *(UNWIND if "windows" in target else ())}
