"""Times one program inside the process a runner started: worker.py FILE N WARMUPS VALUES.

Prints one line of JSON. The loop that takes the times is not itself hot enough to matter; the
warm-up calls are what makes the JIT record and compile.
"""

import json
import runpy
import sys
import time


def main():
    if len(sys.argv) != 5:
        sys.exit(f"usage: {sys.argv[0]} FILE N WARMUPS VALUES (benchmarks/run.py calls this)")
    path, n, warmups, values = sys.argv[1], *map(int, sys.argv[2:5])
    program = runpy.run_path(path)
    run = program["run"]
    n = n or program["N"]
    for _ in range(warmups):
        run(n)
    seconds = []
    for _ in range(values):
        start = time.perf_counter()
        result = run(n)
        seconds.append(time.perf_counter() - start)
    jit = sys.modules.get("jitpatch")
    active = bool(jit.is_enabled()) if jit is not None else None
    print(json.dumps({"result": repr(result), "values": seconds, "active": active}))


main()
