"""The files of tests: a trace as text, what a pass makes of it, and a name that says why.

    pass dce

    // Comments belong to the test below.
    === a result that nobody uses
    0001 obj e SLOT_LOAD #72
    ...
    =>
    0001 obj  e SLOT_LOAD        #72

What stands behind => is compared as it is. Where the text has no snapshots, one that all instructions share is put
in, and left out of the outcome.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PLAIN_SNAPSHOT = re.compile(r"^snapshot \d+: \[f\+0 depth 0 locals 8\]$\n", re.M)


@dataclass
class Case:
    name: str
    before: str     # comments
    given: str
    expected: str

    @property
    def plain(self) -> bool:
        return "snapshot" not in self.given

    def shown(self, outcome: str) -> str:
        if not self.plain or re.search(r"^snapshot", PLAIN_SNAPSHOT.sub("", outcome), re.M):
            return outcome
        return re.sub(r"  > snapshot \d+$", "", PLAIN_SNAPSHOT.sub("", outcome), flags=re.M) or "nothing is left\n"


@dataclass
class PassFile:
    path: Path
    head: str
    run: str        # the pass
    cases: list[Case]

    def write(self) -> None:
        parts = [f"{c.before}=== {c.name}\n{c.given}=>\n{c.expected}" for c in self.cases]
        self.path.write_text(self.head + "".join(parts))


def read(path: Path) -> PassFile:
    parts: list[list[str]] = [[]]
    for line in path.read_text().splitlines(keepends=True):
        if line.startswith("=== "):
            parts.append(_trailing_comments(parts[-1]) + [line])
        else:
            parts[-1].append(line)
    head = "".join(parts[0])
    found = re.search(r"^pass (\w+)$", head, re.M)
    if found is None:
        raise ValueError(f"{path}: no line `pass NAME`")
    return PassFile(path, head, found[1], [_case("".join(part)) for part in parts[1:]])


def _trailing_comments(lines: list[str]) -> list[str]:
    """What stands before a test and is about it: taken away from the test before."""
    n = len(lines)
    while n > 0 and (lines[n - 1].startswith("//") or not lines[n - 1].strip()):
        n -= 1
    comments = lines[n:]
    del lines[n:]
    return comments


def _case(text: str) -> Case:
    before, _, text = text.partition("=== ")
    name, _, body = text.partition("\n")
    given, _, expected = body.partition("=>\n") if body.startswith("=>\n") else body.partition("\n=>\n")
    return Case(name, before, given.strip("\n") + "\n", expected.strip("\n") + "\n" if expected.strip() else "")
