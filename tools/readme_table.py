"""Renders the README's table of speed: python3 tools/readme_table.py [[LABEL=]RESULTS.json ...]

With result files of benchmarks/run.py, programs.py and pyperformance_run.py, takes the medians from them
into benchmarks/published.json (no paths, no single values) and writes the section of README.md between
the two marks. A column is one interpreter; its LABEL is made from the version if none is given. Without
files, renders published.json again; --check only says whether README.md agrees with it.
"""

from __future__ import annotations

import argparse
import ast
import json
import math
import statistics
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PUBLISHED = ROOT / "benchmarks/published.json"
BEGIN = "<!-- speed: written by tools/readme_table.py, do not edit -->"
END = "<!-- end of speed -->"
# kind -> {column label -> {"about": ..., "programs": {name -> {"off": s, "on": s, "C": s} or {"error": text}}}}
Published = dict[str, dict[str, dict[str, Any]]]


def median(sample: dict[str, Any]) -> float | None:
    values = [value for values in sample["rounds"] for value in values]
    return statistics.median(values) if values and not sample.get("error") else None


def condense(programs: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Program -> median seconds of each side, or the error of the side that failed."""
    found: dict[str, dict[str, Any]] = {}
    for name, sides in programs.items():
        row: dict[str, Any] = {}
        for side in ("off", "on", "C"):
            if side in sides:
                value = median(sides[side])
                row |= {side: value} if value is not None else {"error": f"{side}: {sides[side].get('error')}"}
        found[name] = row
    return found


def label_of(about: dict[str, Any]) -> str:
    return f"CPython {about['version'].split()[0]} ({about['compiler']})"


def columns(path: Path, label: str) -> tuple[str, dict[str, dict[str, Any]]]:
    """The kind of a result file, and its columns."""
    data = json.loads(path.read_text())
    when, cpu = data["machine"]["time"][:10], data["machine"]["cpu"]
    if "interpreters" in data:
        parts = [(entry["about"], entry["programs"]) for entry in data["interpreters"]]
        kind = "loops"
    elif "on" in data.get("about", {}):
        parts = [(data["about"]["on"], data["programs"])]
        kind = data.get("kind", "pyperformance")
    else:
        raise SystemExit(f"{path}: not a result of run.py, programs.py or pyperformance_run.py")
    found = {}
    for about, programs in parts:
        if not about.get("available"):
            raise SystemExit(f"{path}: the JIT was not available in {label_of(about)}")
        found[label or label_of(about)] = {"about": {"python": label_of(about), "jitpatch": about["jitpatch"],
                                                     "cpu": cpu, "day": when}, "programs": condense(programs)}
    return kind, found


def describe(kind: str, name: str) -> str:
    """What a program of ours is, from its docstring."""
    path = ROOT / "benchmarks" / kind / f"{name}.py"
    text = ast.get_docstring(ast.parse(path.read_text())) if path.exists() else None
    return (text or "").split("\n")[0].rstrip(".")


def ratio(row: dict[str, Any] | None) -> float | None:
    return row["off"] / row["on"] if row and row.get("off") and row.get("on") else None


def cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    value = ratio(row)
    return "fails" if value is None else f"{value:.2f}" if value < 3 else f"{value:.1f}"


def table(kind: str, parts: dict[str, dict[str, Any]]) -> list[str]:
    labels = list(parts)
    names = sorted({name for part in parts.values() for name in part["programs"]},
                   key=lambda name: -max((ratio(part["programs"].get(name)) or 0) for part in parts.values()))
    with_c = any("C" in row for part in parts.values() for row in part["programs"].values())
    head = ["program", *labels, *(["time, C = 1"] if with_c else [])]
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    for name in names:
        rows = [part["programs"].get(name) for part in parts.values()]
        text = describe(kind, name)
        cells = [f"{name}: {text[0].lower() + text[1:]}" if text else name, *map(cell, rows)]
        if with_c:
            against = [row["on"] / row["C"] for row in rows if row and row.get("on") and row.get("C")]
            cells.append(f"{against[0]:.2f}" if against else "")
        lines.append("| " + " | ".join(cells) + " |")
    means = []
    for part in parts.values():
        ratios = [value for row in part["programs"].values() if (value := ratio(row))]
        means.append(f"{math.exp(statistics.fmean(map(math.log, ratios))):.2f}" if ratios else "")
    return [*lines, "| " + " | ".join(["*geometric mean*", *means, *([""] if with_c else [])]) + " |"]


def render(published: Published) -> str:
    titles = {"loops": "Loops of benchmarks/loops/, times as fast as without the JIT:",
              "programs": "Whole programs of benchmarks/programs/, CPU time of a fresh process, likewise:",
              "pyperformance": "Programs of pyperformance, likewise:"}
    lines = []
    for kind, title in titles.items():
        if parts := published.get(kind):
            about = next(iter(parts.values()))["about"]
            lines += ["", title, "", *table(kind, parts), "",
                      f"jitpatch {about['jitpatch']}, {about['cpu']}, {about['day']}; medians, both sides in one run."]
    return "\n".join([BEGIN, *(lines or ["", "Not measured yet."]), "", END])


def replaced(text: str, section: str) -> str:
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{README.name}: the marks of the section are missing")
    return before + section + after


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", nargs="*", metavar="[LABEL=]FILE")
    parser.add_argument("--check", action="store_true", help="change nothing; status 1 if README.md is out of date")
    args = parser.parse_args()
    published: Published = json.loads(PUBLISHED.read_text()) if PUBLISHED.exists() and not args.results else {}
    for word in args.results:
        label, _, path = word.rpartition("=")
        kind, found = columns(Path(path), label)
        for name, part in found.items():
            old = published.setdefault(kind, {}).setdefault(name, part)
            old["programs"].update(part["programs"])
    text = README.read_text()
    new = replaced(text, render(published))
    if args.check:
        if new != text:
            print("README.md does not show benchmarks/published.json: run tools/readme_table.py", file=sys.stderr)
        return int(new != text)
    if args.results:
        PUBLISHED.write_text(json.dumps(published, indent=1) + "\n")
    README.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
