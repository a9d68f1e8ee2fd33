"""mypy --strict on modules of the standard library, no cache; mypy not compiled"""

from __future__ import annotations

from pathlib import Path

import sources

SIZE, TINY = 2, 1         # modules
NEEDS = ("mypy",)


def prepare(folder: str, size: int) -> None:
    sources.copy_to(Path(folder, "checked"), size)


def main(folder: str, size: int) -> str:
    from mypy import api

    files = sorted(map(str, Path(folder, "checked").glob("*.py")))
    printed, errors, status = api.run(["--strict", "--no-incremental", "--no-site-packages", "--cache-dir=/dev/null", "--no-color-output", *files])
    return f"{printed}{errors}{status}"
