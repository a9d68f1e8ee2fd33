"""2to3, all fixers (lib2to3 as fissix keeps it), on modules of the standard library"""

from __future__ import annotations

import sources

SIZE, TINY = 14, 1         # modules
NEEDS = ("fissix",)


def prepare(folder: str, size: int) -> None:
    main(folder, 0)       # pickles the grammars


def main(folder: str, size: int) -> str:
    from fissix.pgen2.parse import ParseError
    from fissix.refactor import RefactoringTool, get_fixers_from_package

    tool = RefactoringTool(get_fixers_from_package("fissix.fixes"), {"print_function": True})
    results = []
    for number, text in enumerate(sources.texts(size)):
        try:
            results.append(str(tool.refactor_string(text, f"<{number}>")))
        except ParseError as error:         # positional-only parameters and the like are after its time
            results.append(f"{error}\n")
    return "".join(results)
