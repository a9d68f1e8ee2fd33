"""pylint on modules of the standard library"""

from __future__ import annotations

import io
from pathlib import Path

import sources

SIZE, TINY = 3, 1         # modules
NEEDS = ("pylint",)


def prepare(folder: str, size: int) -> None:
    sources.copy_to(Path(folder, "checked"), size)


def main(folder: str, size: int) -> str:
    from pylint.lint import Run
    from pylint.reporters.text import TextReporter

    files = sorted(map(str, Path(folder, "checked").glob("*.py")))
    printed = io.StringIO()
    Run(["--rcfile=", "--persistent=n", "--score=n", "--jobs=1", "--clear-cache-post-run=y", *files],
        reporter=TextReporter(printed), exit=False)
    return printed.getvalue()
