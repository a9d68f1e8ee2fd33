"""pip list, of 1,500 installed distributions"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

SIZE, TINY = 1500, 10      # distributions
NEEDS = ("pip",)


def prepare(folder: str, size: int) -> None:
    for number in range(size):
        info = Path(folder, "site", f"some_thing_{number}-{number % 7}.{number % 11}.{number % 3}.dist-info")
        info.mkdir(parents=True, exist_ok=True)
        needs = "".join(f"Requires-Dist: some-thing-{other} (>=0.{other % 5}); python_version >= '3.{other % 9}'\n"
                        for other in range(number % 9))
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: some-thing-{number}\n"
                                       f"Version: {number % 7}.{number % 11}.{number % 3}\n{needs}\n")
        (info / "INSTALLER").write_text("pip\n")
        (info / "RECORD").write_text("")


def main(folder: str, size: int) -> str:
    from pip._internal.cli.main import main as pip

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        status = pip(["--disable-pip-version-check", "--isolated", "list", "--not-required", "--path", str(Path(folder, "site"))])
    return f"{printed.getvalue()}{status}"
