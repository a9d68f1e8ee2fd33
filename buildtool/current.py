"""Whether generated/ was made from the sources that are here. Needs nothing but Python."""

import hashlib
import platform
import sys
from pathlib import Path

SYSTEMS = {"linux": "unknown-linux-gnu", "darwin": "apple-darwin", "win32": "pc-windows-msvc"}
MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "i386": "i686", "x86": "i686"}
RUNTIMES = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu")  # whose tables are in sdists
JSON = "stencils.json"  # for jitpatch-dump; not in sdists
OUTPUTS = ("uops.h", "uop_table.h", "uop_functions.h", "stencil_tables.h")
INPUTS = (
    "build_stencils.py",
    "buildtool/*.py",
    "buildtool/pyconfig/*.h",
    "src/stencils/*.[ch]",
    "src/runtime/base/activation.h",
    "src/runtime/base/helpers.h",
    "src/runtime/back/stencil_table.h",
    "src/runtime/ir/uop.h",
)


def host_target() -> str:
    """The target that this interpreter runs on, named as in targets.TARGETS."""
    machine = platform.machine().lower()
    if sys.maxsize < 2**32 and machine in ("amd64", "x86_64"):
        machine = "i686"
    return f"{MACHINES.get(machine, machine)}-{SYSTEMS.get(sys.platform, sys.platform)}"


def input_digest(root: Path, target: str) -> str:
    """Of everything the stencils are made of, save the compiler: an sdist needs none."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in INPUTS for path in root.glob(pattern)}):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    digest.update(f"{target} {sys.implementation.cache_tag} {sys.abiflags}".encode())
    return digest.hexdigest()


def is_current(root: Path, target: str, names: tuple[str, ...] = OUTPUTS) -> bool:
    """Whether every output for the target names the digest of the sources in its second line."""
    digest = input_digest(root, target)
    for name in names:
        path = root / "generated" / target / name
        if not path.exists():
            return False
        with path.open() as file:
            file.readline()
            if digest not in file.readline():
                return False
    return True
