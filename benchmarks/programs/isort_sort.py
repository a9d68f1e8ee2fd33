"""isort on modules of the standard library"""

from __future__ import annotations

import sources

SIZE, TINY = 24, 1        # modules
NEEDS = ("isort",)


def shuffled(text: str) -> str:
    """With imports to sort before the rest."""
    names = [f"module_{i * 37 % 401}" for i in range(400)]
    lines = [f"from {name} import {name}_{i % 7}, a{i % 5}, Z{i % 3} as z{i}" if i % 3 else f"import {name}.part{i % 4}"
             for i, name in enumerate(names)]
    return "\n".join(lines) + "\n" + text


def main(folder: str, size: int) -> str:
    import isort

    config = isort.Config(settings_path=folder, profile="black", force_sort_within_sections=True)
    return "".join(isort.code(shuffled(text), config=config) for text in sources.texts(size))
