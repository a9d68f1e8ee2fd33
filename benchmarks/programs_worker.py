"""Runs one program of programs/ in the process that programs.py started: programs_worker.py PROGRAM FOLDER SIZE TURNS OUTPUT.

TURNS calls of main(), each with its CPU time (children that were waited for included); 0 turns: prepare() only.
OUTPUT becomes JSON: what main() returned, the times, the most memory that was resident, and the JIT's counters. What
is done here beside the program is little, and the same on all sides.
"""

import importlib
import json
import os
import resource
import sys


def cpu_seconds():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def peak_mib():
    """Of this process alone: getrusage's would count the parent's before exec, too."""
    with open("/proc/self/status") as status:
        line = next((line for line in status if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(line.split()[1]) / 1024


def counters():
    jit = sys.modules.get("jitpatch._jitpatch")
    # Not jitpatch.stats(), which looks at every trace: that would be on one side's bill.
    return dict(jit.stats()[0]) if jit is not None and jit.is_enabled() else None


def main():
    name, folder, size, turns, output = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
    sys.argv[1:] = []
    sys.path[0] = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")
    program = importlib.import_module(name)
    results, seconds = [], []
    if turns == 0 and hasattr(program, "prepare"):
        program.prepare(folder, size)
    for _ in range(turns):
        start = cpu_seconds()
        result = program.main(folder, size)
        seconds.append(cpu_seconds() - start)
        if result not in results:
            results.append(result)
    with open(output, "w", encoding="utf-8", errors="surrogatepass") as file:
        json.dump({"results": results, "turns": seconds, "mib": peak_mib(), "counters": counters()}, file)


main()
