"""The build as a whole: the same bytes everywhere, nothing compiled twice, every target."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ziglang")
pytest.importorskip("lief")

from buildtool.build import Options, build  # noqa: E402
from buildtool.current import OUTPUTS, host_target  # noqa: E402
from buildtool.target import BuildError  # noqa: E402
from buildtool.targets import I686_WINDOWS, TARGETS  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = """// x.c - a few of each kind.
#include "stencil.h"
#include "../runtime/base/helpers.h"

// a + b; exits when the sum does not fit.
UOP(PLUS, (I64 a, I64K b), VOID, EXITS, ())
{
    I64 sum;
    EXIT_IF(__builtin_add_overflow(a, b, &sum));
    act->depth = (uint64_t)sum;
}

// Calls, takes an address, has constants.
UOP(CALL, (OBJ a), OBJ, CALLS | RAISES, (IMM64 what, IMM32 how))
{
    result = a == (OBJ)&PyLong_Type ? Py_None : PyNumber_Add(a, (OBJ)(uintptr_t)what);
    ERROR_IF(result == NULL || how == 7);
}

// Needs a constant in memory, and a cold block.
UOP(HALF, (F64 a), F64, 0, ())
{
    COLD_IF(a < 1e100);
    result = a * 0.3;
}
COLD
{
    result = PyFloat_AS_DOUBLE(PyFloat_FromDouble(a));
}
"""


def checkout(folder):
    """A small project: the builder, and templates of its own."""
    shutil.copytree(ROOT / "buildtool", folder / "buildtool", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "build_stencils.py", folder)
    (folder / "src/stencils").mkdir(parents=True)
    shutil.copytree(ROOT / "src/runtime", folder / "src/runtime", ignore=shutil.ignore_patterns("*.c"))
    shutil.copy(ROOT / "src/stencils/stencil.h", folder / "src/stencils")
    (folder / "src/stencils/x.c").write_text(TEMPLATES)
    return folder


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A project in which every target has been built."""
    root = checkout(tmp_path_factory.mktemp("a folder") / "one")
    for target in TARGETS:
        build(Options(root, target, jobs=1))
    return root


@pytest.mark.parametrize("target", TARGETS)
def test_same_bytes_in_another_folder(first, tmp_path, target):
    root = checkout(tmp_path / "quite another folder")
    said = build(Options(root, target, jobs=2))
    names = sorted(path.name for path in (first / "generated" / target).iterdir())
    assert names == (["stencils.json"] if TARGETS[target].refused else sorted([*OUTPUTS, "stencils.json"]))
    for name in names:
        text = (root / "generated" / target / name).read_bytes()
        assert text == (first / "generated" / target / name).read_bytes(), name
        assert str(tmp_path).encode() not in text and str(first).encode() not in text
    if not TARGETS[target].refused:
        contents = said.partition("contents ")[2][:16]
        assert f"// Contents: sha256 {contents}" in (root / "generated" / target / "stencil_tables.h").read_text()


@pytest.mark.parametrize("target", [name for name, target in TARGETS.items() if not target.refused])
def test_c_names_are_the_same_for_every_target(first, target):
    data = json.loads((first / "generated" / target / "stencils.json").read_text())
    found = {hole["symbol"] for stencil in data["stencils"] for hole in stencil["holes"] if hole["symbol"]}
    assert found == {"PyLong_Type", "_Py_NoneStruct", "PyNumber_Add", "PyFloat_FromDouble"}


def test_nothing_is_done_twice(first):
    lines = []
    assert build(Options(first, "aarch64-apple-darwin", progress=lines.append)) == "generated/aarch64-apple-darwin is up to date"
    assert lines == []


def test_only_what_changed_is_compiled_again(tmp_path):
    root, lines = checkout(tmp_path / "p"), []
    options = Options(root, "x86_64-unknown-linux-gnu", jobs=1, progress=lines.append)
    before = build(options)
    assert lines == ["x86_64-unknown-linux-gnu: 1/1 x, 144 variants"]
    lines.clear()
    source = root / "src/stencils/x.c"
    source.write_text("// One line more.\n" + source.read_text().replace("a * 0.3", "a * 0.7"))
    build(options)
    assert lines == ["x86_64-unknown-linux-gnu: 2 of 3 uops are as they were", "x86_64-unknown-linux-gnu: 1/1 x, 64 variants"]
    lines.clear()
    source.write_text(TEMPLATES)
    after = build(Options(root, "x86_64-unknown-linux-gnu", jobs=1))
    assert after.partition("contents")[2][:17] == before.partition("contents")[2][:17]
    forced = Options(root, "x86_64-unknown-linux-gnu", jobs=1, force=True, progress=lines.append)
    assert build(forced).partition("contents")[2][:17] == before.partition("contents")[2][:17]
    assert lines == ["x86_64-unknown-linux-gnu: 1/1 x, 144 variants"]


def test_a_broken_cache_is_no_cache(tmp_path):
    root = checkout(tmp_path / "p")
    before = build(Options(root, "aarch64-unknown-linux-gnu", jobs=1))
    for path in (root / "build/stencils/aarch64-unknown-linux-gnu/uops").iterdir():
        path.write_text(path.read_text()[:-40])
    (root / "generated/aarch64-unknown-linux-gnu/uops.h").unlink()
    after = build(Options(root, "aarch64-unknown-linux-gnu", jobs=1))
    assert after.partition("contents")[2][:17] == before.partition("contents")[2][:17]


def test_every_target_is_found_by_the_preprocessor(first):
    text = (first / "generated/stencil_tables.h").read_text()
    for target in TARGETS.values():
        assert (f'#include "{target.name}/stencil_tables.h"' in text) == (not target.refused)


def test_a_target_that_cannot_run_has_uops_and_no_stencils(first):
    assert "not runnable, 32-bit x86 has no preserve_none" in build(Options(first, I686_WINDOWS.name, force=True))
    text = (first / "generated" / I686_WINDOWS.name / "stencils.json").read_text()
    assert '"name": "PLUS"' in text and '"stencils": [\n\n ]' in text


@pytest.mark.parametrize("target", [name for name, target in TARGETS.items() if not target.refused])
def test_errors_name_the_uop(tmp_path, target):
    root = checkout(tmp_path / "p")
    (root / "src/stencils/x.c").write_text(
        TEMPLATES + "\nstatic I64 count;\nUOP(BAD, (), VOID, EFFECT, ())\n{\n    act->depth = (uint64_t)++count;\n}\n"
    )
    with pytest.raises(BuildError, match="BAD__: uses a variable of its file"):
        build(Options(root, target, jobs=1))


def test_sizes_are_those_of_the_target(tmp_path):
    """long has 32 bits on Windows alone."""
    source = '\n_Static_assert(sizeof(long) == 4 && SIZEOF_LONG == 4, "");\n'
    for target, fits in (("x86_64-pc-windows-msvc", True), ("x86_64-apple-darwin", False)):
        root = checkout(tmp_path / target)
        (root / "src/stencils/x.c").write_text(TEMPLATES + source)
        if fits:
            build(Options(root, target, jobs=1))
        else:
            with pytest.raises(BuildError, match="static assertion failed"):
                build(Options(root, target, jobs=1))


def test_command_line():
    command = [sys.executable, str(ROOT / "build_stencils.py")]
    helped = subprocess.run([*command, "--help"], capture_output=True, text=True)
    assert helped.returncode == 0
    assert all(target in helped.stdout for target in TARGETS)
    wrong = subprocess.run([*command, "--target", "vax"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "vax" in wrong.stderr
    assert host_target() in TARGETS
