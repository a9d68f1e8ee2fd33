"""black on modules of the standard library; black not compiled"""

from __future__ import annotations

import os

import sources

SIZE, TINY = 6, 1         # modules
NEEDS = ("black",)


def prepare(folder: str, size: int) -> None:
    main(folder, 1)       # fills black's cache of grammars, which is in the folder


def main(folder: str, size: int) -> str:
    os.environ["BLACK_CACHE_DIR"] = folder
    import black

    mode = black.Mode(line_length=100)
    return "".join(black.format_str(text, mode=mode) for text in sources.texts(size))
