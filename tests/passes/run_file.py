"""Runs one file of tests in this process: run_file.py POINTER_OF_THE_TOOL FILE. A line of JSON for each test, then the
counts of the rules; the process may end early if a pass crashes."""

import importlib.util
import json
import sys
from pathlib import Path

from objects import Resolver
from pass_files import read


def load(path: str):
    spec = importlib.util.spec_from_file_location("pass_tool", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(tool_path: str, file: str) -> None:
    tool = load(tool_path)
    tests = read(Path(file))
    for case in tests.cases:
        try:
            outcome = case.shown(tool.run(tests.run, case.given, Resolver(), case.plain))
        except (ValueError, SyntaxError, KeyError) as error:
            outcome = f"{type(error).__name__}: {error}\n"
        print(json.dumps({"name": case.name, "outcome": outcome}), flush=True)
    print(json.dumps({"rules": tool.rules()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
