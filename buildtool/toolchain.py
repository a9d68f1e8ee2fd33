"""Finds clang, and runs it: C -> LLVM IR -> assembly text, and assembly text -> object file.
ir.py says why the way leads through the IR."""

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

from buildtool.current import host_target
from buildtool.target import BuildError, Target

FLAGS = (
    "-std=gnu11",
    "-Os",
    "-DNDEBUG",
    "-g0",
    "-fno-sanitize=all",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-fno-unwind-tables",
    "-fno-jump-tables",
    "-fno-strict-aliasing",
    "-fwrapv",
    "-fno-math-errno",
    "-fomit-frame-pointer",
    "-Xclang -mframe-pointer=reserved",
    # libpython's objects are too far for 32 bits: their addresses come from an address table,
    # which layout.py replaces by the address itself.
    "-Xclang -fno-direct-access-external-data",
    # Registers whose content no longer matters are passed undefined.
    "-Xclang -no-enable-noundef-analysis",
    "-Wall -Wno-unused-function -Wno-uninitialized -Wno-sometimes-uninitialized",
    "-Wno-unused-variable -Wno-unused-command-line-argument",
)


class Toolchain:
    """A clang, for one target."""

    def __init__(self, command: list[str], target: Target, stencils: Path, cache: Path) -> None:
        self.command = command
        self.target = target
        self.stencils = stencils
        self.headers = copy_headers(cache)
        self.environment = {**os.environ, "LC_ALL": "C"}
        if "ziglang" in command:
            for kind in ("GLOBAL", "LOCAL"):
                self.environment.setdefault(f"ZIG_{kind}_CACHE_DIR", str(cache / kind.lower()))

    def flags(self, triple: str) -> list[str]:
        """All code generation flags; no paths."""
        cpu = ["-mcpu=baseline"] if "ziglang" in self.command else []
        flags = [word for flag in FLAGS for word in flag.split()]
        return ["-target", triple, *cpu, *self.target.flags, *flags]

    @functools.cached_property
    def version(self) -> str:
        """What the compiler says it is, without the folder it is in."""
        return self._run(["--version"]).splitlines()[0].strip()

    def compile(self, c: Path, repair: Callable[[str], str]) -> str:
        """The assembly text of a C file, whose IR goes through `repair` on the way."""
        ir, asm = c.with_suffix(".ll"), c.with_suffix(".clang.s")
        pyconfig = self.stencils.parent.parent / "buildtool/pyconfig" / self.target.pyconfig
        search = [f"-iquote{self.stencils}", f"-I{self.headers}", f"-I{self.headers / 'internal'}"]
        search += ["-include", str(pyconfig)]
        self._run([*self.flags(self.target.triple), *search, "-S", "-emit-llvm", str(c), "-o", str(ir)])
        ir.write_text(repair(ir.read_text()))
        passes = ["-Xclang", "-disable-llvm-passes", "-Wno-override-module"]
        self._run([*self.flags(self.target.code_triple), *passes, "-S", str(ir), "-o", str(asm)])
        return asm.read_text()

    def assemble(self, asm: Path) -> bytes:
        """The object file made of assembly text."""
        obj = asm.with_suffix(".o")
        self._run(["-target", self.target.code_triple, "-g0", "-c", str(asm), "-o", str(obj)])
        return obj.read_bytes()

    def _run(self, arguments: list[str]) -> str:
        command = [*self.command, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment)
        if done.returncode:
            raise BuildError(f"clang failed: {' '.join(command)}\n{done.stderr}")
        return done.stdout


def copy_headers(cache: Path) -> Path:
    """This interpreter's headers without its pyconfig.h, which is the host's.

    Python.h looks for pyconfig.h beside itself first, and finds an empty one: what templates need
    of it was included before (buildtool/pyconfig).
    """
    paths = sysconfig.get_paths()
    folder = cache / f"include-{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    for source in {paths["platinclude"], paths["include"]}:
        ignore = shutil.ignore_patterns("pyconfig*.h")
        shutil.copytree(source, folder, ignore=ignore, dirs_exist_ok=True)
    (folder / "pyconfig.h").write_text("")
    return folder


def find_clang(target: Target) -> list[str]:
    """The command that runs a clang with what stencils need; refuses if there is none."""
    chosen = os.environ.get("JITPATCH_CLANG")
    if chosen:
        return chosen.split()
    own = target.name == host_target()  # the system's clang has no headers for another one
    for name in ("clang", *(f"clang-{n}" for n in range(22, 18, -1))):
        path = shutil.which(name) if own else None
        if path and _supports_preserve_none([path], target):
            return [path]
    if importlib.util.find_spec("ziglang") is None:
        raise BuildError(
            "no clang: install clang 19 or later, or `pip install ziglang`, or set JITPATCH_CLANG"
        )
    return [sys.executable, "-m", "ziglang", "cc"]


def _supports_preserve_none(command: list[str], target: Target) -> bool:
    test = "__attribute__((preserve_none)) void f(void); void g(void) { f(); }"
    arguments = ["-target", target.triple, "-Werror", "-x", "c", "-S", "-", "-o", os.devnull]
    done = subprocess.run([*command, *arguments], input=test, capture_output=True, text=True)
    return done.returncode == 0
