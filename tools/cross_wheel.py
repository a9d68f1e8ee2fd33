"""The wheel for AArch64 Linux, made on another machine: python tools/cross_wheel.py ROOT FOLDER

ROOT is an arm64 root (make_root.sh), for CPython's headers; FOLDER is where the wheel goes. Takes the ziglang
wheel's compiler, for the stencils and for the extension, which is otherwise built as setup.py says. To be run by
an interpreter that has ziglang, pyelftools and setuptools.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
TARGET = "aarch64-unknown-linux-gnu"
GLIBC = "2.36"  # the oldest that the extension is to load with


def headers(root: Path, folder: Path) -> Path:
    """CPython's headers of the root, and no other ones: the compiler has its own of the C library."""
    include = folder / "include"
    shutil.rmtree(include, ignore_errors=True)
    shutil.copytree(root / "usr/include/python3.13", include / "python3.13")
    # Debian's pyconfig.h includes <aarch64-linux-gnu/python3.13/pyconfig.h>.
    shutil.copytree(root / "usr/include/aarch64-linux-gnu/python3.13", include / "aarch64-linux-gnu/python3.13")
    return include


def main(root: Path, folder: Path) -> Path:
    """The wheel's path."""
    folder.mkdir(parents=True, exist_ok=True)
    include = headers(root, folder)
    zig = f"{sys.executable} -m ziglang cc -target aarch64-linux-gnu.{GLIBC} -mcpu=baseline -fno-sanitize=all"
    cache = str(CHECKOUT / "build/stencils/cache")
    environment = os.environ | {
        "CC": zig,
        "LDSHARED": f"{zig} -shared -Wl,--allow-shlib-undefined",
        "CFLAGS": "-Wno-macro-redefined",
        "ZIG_GLOBAL_CACHE_DIR": cache,
        "ZIG_LOCAL_CACHE_DIR": cache,
        "JITPATCH_CROSS": f"{TARGET}:{include}",
        "_PYTHON_HOST_PLATFORM": "linux-aarch64",  # sysconfig.get_platform(), hence the wheel's tag
        "SETUPTOOLS_EXT_SUFFIX": ".cpython-313-aarch64-linux-gnu.so",
    }
    subprocess.run([sys.executable, "build_stencils.py", "--target", TARGET], cwd=CHECKOUT, check=True)
    built = folder / "build"
    command = [sys.executable, "setup.py", "-q", "build", "-b", str(built), "bdist_wheel", "-d", str(folder)]
    subprocess.run(command, cwd=CHECKOUT, env=environment, check=True)
    return max(folder.glob("*aarch64.whl"), key=lambda path: path.stat().st_mtime)


if __name__ == "__main__":
    print(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()))
