"""Stencils, then the extension. Everything declarative stands in pyproject.toml."""

import os
import platform
import shutil
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).resolve().parent
os.chdir(ROOT)
sys.path.insert(0, str(ROOT))

# "TARGET:INCLUDE_FOLDER" when building for another machine (tools/cross_wheel.py).
CROSS_TARGET, _, CROSS_INCLUDE = os.environ.get("JITPATCH_CROSS", "").partition(":")
MACHINE = CROSS_TARGET.partition("-")[0] or platform.machine()

DEBUG = os.environ.get("JITPATCH_DEBUG_BUILD") == "1"
FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wno-unused-parameter", "-fno-strict-aliasing", "-fvisibility=hidden", "-fno-plt",
         "-fno-tree-slp-vectorize"]       # two counters next to one another: four instructions instead of two
FLAGS += ["-O1", "-g", "-UNDEBUG", "-DJITPATCH_DEBUG"] if DEBUG else ["-O2"]
if mutation := os.environ.get("JITPATCH_MUTATION"):         # see src/runtime/base/mutation.h
    FLAGS.append(f"-DJITPATCH_MUTATION=MUTATION_{mutation}")


def is_supported() -> bool:
    """Whether there is a runtime for this interpreter; elsewhere the package is pure Python."""
    return (
        sys.implementation.name == "cpython"
        and sys.version_info[:2] == (3, 13)
        and not sysconfig.get_config_var("Py_GIL_DISABLED")
        and sys.platform == "linux"
        and MACHINE in ("x86_64", "aarch64")
        and sys.maxsize > 2**32
    )


def make_stencils(*targets: str) -> None:
    """Bring generated/ up to date; needs pyelftools and a compiler only if it is not."""
    from buildtool.current import host_target, is_current

    for target in targets or (CROSS_TARGET or host_target(),):
        if is_current(ROOT, target):
            continue
        from build_stencils import main

        if main(["--target", target]):
            raise SystemExit("setup.py: the stencils could not be built")


class BuildExt(build_ext):
    """Stencils first."""

    def run(self) -> None:
        make_stencils()
        super().run()


class BuildPy(build_py):
    """Also puts the start hook into the root of site-packages."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for hook in self._hooks():
                self.mkpath(self.build_lib)
                shutil.copyfile(hook, Path(self.build_lib) / hook.name)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        return super().get_outputs(include_bytecode) + [
            os.path.join(self.build_lib, hook.name) for hook in self._hooks()
        ]

    @staticmethod
    def _hooks() -> list[Path]:
        return sorted(path for path in (ROOT / "startup").iterdir() if path.is_file())


class SDist(sdist):
    """Contains the stencils."""

    def run(self) -> None:
        if is_supported():
            from buildtool.current import RUNTIMES

            make_stencils(*RUNTIMES)
        super().run()


def extension() -> Extension:
    """jitpatch._jitpatch"""
    from buildtool.current import host_target

    include = Path(CROSS_INCLUDE) / "python3.13" if CROSS_TARGET else Path(sysconfig.get_path("include"))
    target = CROSS_TARGET or host_target()
    # The tables of this target alone: what an extension depends on goes into the sdist.
    depends = ("src/**/*.h", "src/**/*.def", "generated/*.h", f"generated/{target}/*.h")
    return Extension(
        "jitpatch._jitpatch",
        sources=sorted(path.as_posix() for path in Path("src/runtime").rglob("*.c")),
        depends=sorted(path.as_posix() for pattern in depends for path in Path().glob(pattern)),
        include_dirs=["src/runtime", *([CROSS_INCLUDE] if CROSS_TARGET else []), str(include), str(include / "internal")],
        extra_compile_args=FLAGS,
    )


setup(
    ext_modules=[extension()] if is_supported() else [],
    cmdclass={"build_ext": BuildExt, "build_py": BuildPy, "sdist": SDist},
)
