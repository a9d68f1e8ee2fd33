"""Register assignment and emission, proved by running the C program in tests/c.

On this machine, and on AArch64 in an emulator (qemu-user-static) where that is installed: made by the
ziglang wheel's compiler, with the stencils of that target.
"""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
SOURCES = HERE.parent / "c"
SEEDS = int(os.environ.get("JITPATCH_TEST_SEEDS", "8000"))

pytestmark = pytest.mark.skipif(
    not (HERE.parent.parent / "generated" / "stencil_tables.h").exists(),
    reason="no stencils: run build_stencils.py",
)


ROOT = HERE.parent.parent
EMULATOR = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
CROSS = "aarch64-unknown-linux-gnu"


def make_program(folder: Path, compiler: str) -> Path:
    output = folder / "test_assign"
    environment = os.environ | {"CC": compiler, "ZIG_GLOBAL_CACHE_DIR": str(folder), "ZIG_LOCAL_CACHE_DIR": str(folder)}
    command = ["sh", SOURCES / "build.sh", output, sysconfig.get_path("include"), "-Werror"]
    subprocess.run(command, check=True, env=environment)
    return output


def cross_program(folder: Path) -> Path:
    """The same for AArch64."""
    if EMULATOR is None or importlib.util.find_spec("ziglang") is None:
        pytest.skip("needs qemu-aarch64-static and the ziglang wheel")
    subprocess.run([sys.executable, ROOT / "build_stencils.py", "--target", CROSS], check=True)
    zig = [sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-musl", "-mcpu=baseline", "-fno-sanitize=all"]
    return make_program(folder, shlex.join(zig))


@pytest.fixture(scope="module", params=["host", "aarch64"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that runs the test program."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "host":
        return [str(make_program(folder, os.environ.get("CC", "cc")))]
    return [str(EMULATOR), str(cross_program(folder))]


def run(program: list[str], *arguments: str) -> str:
    done = subprocess.run([*program, *arguments], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_hand_made_traces(program: list[str]) -> None:
    assert run(program).endswith("ok\n")


@pytest.mark.parametrize("part", range(4))
def test_random_trees_leave_with_the_interpreters_values(program: list[str], part: int) -> None:
    seeds = SEEDS if len(program) == 1 else SEEDS // 8
    first = 1 + part * seeds // 4
    assert run(program, "random", str(first), str(first + seeds // 4)).endswith("ok\n")
