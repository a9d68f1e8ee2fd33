"""A real program without the JIT and with it: python3 tools/demo.py [EXAMPLE [ARGUMENT ...]]

Sets up an environment with this checkout installed (the first time), runs a program of examples/
(life) by `python` and by `python -X jitpatch`, and shows the times and that the output is the same.
Exit status 1 if it is not.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import environment

EXAMPLES = environment.ROOT / "examples"
RUNS = 3


def run(command: list[str]) -> tuple[float, str]:
    """Seconds of the fastest of some runs, start-up included, and what it printed."""
    times, outputs = [], set()
    settings = {name: value for name, value in os.environ.items() if not name.startswith("JITPATCH")}
    for _ in range(RUNS):
        start = time.perf_counter()
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=settings)
        times.append(time.perf_counter() - start)
        outputs.add(done.stdout + (f"(exit status {done.returncode})" if done.returncode else ""))
    if len(outputs) > 1:
        raise environment.SetupError(f"{' '.join(command)} does not print the same every time")
    return min(times), outputs.pop()


def main() -> int:
    words = sys.argv[1:] or ["life"]
    script = EXAMPLES / f"{words[0].removesuffix('.py')}.py"
    if not script.exists():
        names = ", ".join(sorted(path.stem for path in EXAMPLES.glob("*.py")))
        print(f"demo: no example {words[0]!r}; there are {names}", file=sys.stderr)
        return 2
    try:
        python = environment.prepare("demo")
        program = [str(script), *words[1:]]
        print(f"running examples/{script.name}, the fastest of {RUNS} runs each", flush=True)
        slow, expected = run([str(python), *program])
        print(f"  python {script.name:30} {slow:7.2f} s", flush=True)
        fast, got = run([str(python), "-X", "jitpatch", *program])
        print(f"  python -X jitpatch {script.name:18} {fast:7.2f} s   {slow / fast:.1f} times as fast")
    except environment.SetupError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    if got != expected:
        print("the output DIFFERS; without the JIT:", expected, "with it:", got, sep="\n")
        return 1
    lines = expected.splitlines()
    print(f"the output is the same ({len(lines)} lines):")
    for line in lines[:6]:
        print(f"  {line}")
    print("  ..." if len(lines) > 6 else "", end="\n" if len(lines) > 6 else "")
    return 0


if __name__ == "__main__":
    sys.exit(main())
