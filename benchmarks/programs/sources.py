"""Inputs for the programs that read Python: files of the interpreter's own standard library.

Not a program itself. Everything is taken in a fixed order, so that both sides of a comparison, which are the same
interpreter, read the same text.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path

NAMES = ("textwrap", "shlex", "sched", "csv", "queue", "fnmatch", "string", "bisect", "heapq", "configparser", "cmd",
         "calendar", "copy", "quopri", "gettext", "json/decoder", "json/encoder", "html/parser", "wave", "colorsys",
         "email/message", "email/utils", "zipapp", "plistlib", "http/cookies", "ftplib", "smtplib", "tokenize")


def paths(count: int) -> list[Path]:
    stdlib = Path(sysconfig.get_path("stdlib"))
    return [path for name in NAMES if (path := stdlib / f"{name}.py").exists()][:count]


def texts(count: int) -> list[str]:
    return [path.read_text("utf-8") for path in paths(count)]


def copy_to(folder: Path, count: int) -> list[Path]:
    """Copies under names that shadow nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    copies = []
    for path in paths(count):
        copies.append(folder / f"copy_of_{path.stem}.py")
        copies[-1].write_bytes(path.read_bytes())
    return copies
