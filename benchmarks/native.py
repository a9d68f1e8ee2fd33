"""Builds the C loops of loops_c/ with clang -O2, from the ziglang wheel unless told otherwise.

Looked for in this order: the environment variable JITPATCH_CLANG, the ziglang wheel of the running
interpreter, clang in PATH. Built for the baseline CPU, as the stencils are.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from measure import HERE, Side, fail

SOURCES = HERE / "loops_c"
BUILD = HERE / ".build"


def find_compiler() -> list[str] | None:
    if chosen := os.environ.get("JITPATCH_CLANG"):
        return [*chosen.split(), "-O2"]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc", "-O2", "-mcpu=baseline", "-fno-sanitize=all"]
    if clang := shutil.which("clang"):
        return [clang, "-O2"]
    return None


def build(name: str) -> Side | None:
    """The side that runs loops_c/NAME.c; None where there is no such file.

    Without a compiler a binary built earlier still serves (in a root made by tools/make_root.sh).
    """
    source = SOURCES / f"{name}.c"
    compiler = find_compiler()
    if not source.exists():
        return None
    BUILD.mkdir(exist_ok=True)
    binary = BUILD / name
    newest = max(path.stat().st_mtime for path in (source, SOURCES / "bench.h"))
    if not binary.exists() or binary.stat().st_mtime < newest:
        if compiler is None:
            return None
        environment = os.environ | {"ZIG_GLOBAL_CACHE_DIR": str(BUILD / "zig"),
                                    "ZIG_LOCAL_CACHE_DIR": str(BUILD / "zig")}
        try:
            subprocess.run([*compiler, str(source), "-o", str(binary)], check=True, env=environment)
        except (OSError, subprocess.CalledProcessError) as error:
            fail(f"the C loops cannot be compiled (--no-c leaves them out): {error}")
    return Side("C", (str(binary),), is_python=False)


def compiler_version() -> str:
    compiler = find_compiler()
    if compiler is None:
        return "none"
    words = [word for word in compiler if not word.startswith(("-O", "-f", "-mcpu"))]
    try:
        done = subprocess.run([*words, "--version"], capture_output=True, text=True)
    except OSError as error:
        fail(f"no C compiler {words[0]!r} (JITPATCH_CLANG): {error.strerror}")
    return done.stdout.partition("\n")[0]


def parse_output(text: str) -> tuple[str, list[float]]:
    result, values = "", []
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "value":
            values.append(float(rest))
        elif kind == "result":
            result = rest
    return result, values
