"""Floors of src/runtime: what a file includes and calls stands on its own floor or below it.

Calls are read from the sources: a name that one C file exports, met in another one (comments and texts left out). What must
go up nevertheless goes through a struct of functions that the upper floor sets (run/recorder.h, run/entries.h).
"""

import re
from pathlib import Path

import pytest

RUNTIME = Path(__file__).resolve().parents[2] / "src/runtime"
# From below to above. opt/ and back/ stand side by side, and do not know one another.
FLOORS = ["base", "python", "ir", ("opt", "back"), "policy", "run", "entry", "front", "jit", "face"]
LEVEL = {
    folder: level
    for level, floor in enumerate(FLOORS)
    for folder in (floor if isinstance(floor, tuple) else (floor,))
}
# Files in the circle that still exists within a folder. It may shrink (then the number here does), and must not grow.
KNOWN_CIRCLES = {"back": 6, "run": 13, "front": 20}
FILES = sorted(path for path in RUNTIME.rglob("*.[ch]"))


def folder_of(name):
    """The folder of a file below src/runtime; a file in none is the main line's."""
    return name.split("/")[0] if "/" in name else "jit"


def code_of(path):
    """A file's text without comments and texts; includes stay."""
    text = path.read_text()
    text = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.S)
    return re.sub(r'(?<!#include )"(?:\\.|[^"\\\n])*"', '""', text)


CODE = {path.relative_to(RUNTIME).as_posix(): code_of(path) for path in FILES}
FUNCTION = re.compile(r"^((?:static |const |inline )*[A-Za-z_][^\n;{}()=#]*?)\n([A-Za-z_]\w*)\([^;{]*?\)\n\{", re.M)
VARIABLE = re.compile(r"^(?!static|extern|typedef|OURS|return|#)(?:const |_Thread_local )*(?:struct )?\w+ (?:\*|const )*(\w+)(?:\[[^\]]*\])*(?: = [^\n]*|; *)$", re.M)


LOCAL = re.compile(r"\b(?!return\b|else\b)[A-Za-z_]\w* \**(\w+)(?= =|;|,|\)|\[)")      # a variable or parameter is declared


def functions_of(name):
    """(names a file exports, names it keeps to itself)."""
    exported, own = set(), set()
    for kind, function in FUNCTION.findall(CODE[name]):
        (own if "static" in kind.split() else exported).add(function)
    return exported | set(VARIABLE.findall(CODE[name])), own


def owners():
    """name -> the C file that exports it."""
    return {name: file for file in CODE if file.endswith(".c") for name in functions_of(file)[0]}


def edges():
    """(file, file it reaches, by which names or include)."""
    found = []
    owner = owners()
    for file, text in CODE.items():
        for include in re.findall(r'#include "([^"]+)"', text):
            target = include if include in CODE else f"{folder_of(file)}/{include}"
            if target in CODE and target != file:
                found.append((file, target, "#include"))
        if file.endswith(".c"):
            own = functions_of(file)[1] | set(LOCAL.findall(text))
            for word in sorted(set(re.findall(r"(?<!->)(?<![\w.])[A-Za-z_]\w+", text)) - own):
                if owner.get(word, file) != file:
                    found.append((file, owner[word], word))
    return found


EDGES = edges()


def test_every_file_stands_on_a_floor():
    assert {folder_of(file) for file in CODE} <= set(LEVEL)
    assert {entry.name for entry in RUNTIME.iterdir() if entry.is_dir()} <= set(LEVEL), "a folder that is no floor"


def test_calls_are_found():
    found = {(file, word) for file, _, word in EDGES}
    assert ("run/restore.c", "executor_charge") in found
    assert ("opt/opt_loop.c", "build") in found
    assert ("entry/hook.c", "run_loop") in found
    assert len(found) > 500


def test_nothing_goes_up():
    up = [f"{file} -> {target}: {word}" for file, target, word in EDGES
          if folder_of(target) != folder_of(file) and LEVEL[folder_of(target)] >= LEVEL[folder_of(file)]]
    assert not up, "\n".join(up)


def circles(folder):
    """Sets of more than three modules of a folder (a C file and its header are one) each of which reaches the others."""
    reached = {}
    for file, target, _ in EDGES:
        if folder_of(file) == folder_of(target) == folder:
            reached.setdefault(file[:-2], set()).add(target[:-2])
    while True:
        more = {file: set().union(there, *(reached.get(target, ()) for target in there)) for file, there in reached.items()}
        if more == reached:
            break
        reached = more
    found = {frozenset(target for target in there if file in reached.get(target, ())) for file, there in reached.items()}
    return [sorted(circle) for circle in found if len(circle) > 3]


@pytest.mark.parametrize("folder", LEVEL)
def test_no_circle_of_more_than_three_files_within_a_folder(folder):
    found = circles(folder)
    known = KNOWN_CIRCLES.get(folder, 0)
    assert max(map(len, found), default=0) == known and len(found) == (known > 0), f"{known} files are known: {found}"
