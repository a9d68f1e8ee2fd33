"""Run by test_cost.py under callgrind: calls whose instructions are counted.

    python calls.py on|off

Each case is a function called many times from C, so that nothing but the function itself can be compiled. A
call of os.getppid() has callgrind write down what was executed since the one before: one file for each phase,
in the order of PHASES.
"""

import os
import sys
from collections import deque
from itertools import repeat

CALLS = 1000
WARM_UP = 400


def two(n):
    t = 0
    for i in range(n):
        t += i
    return t


def five(n):
    a = b = c = d = 0
    for i in range(n):
        a += 1
        b += 2
        c += 3
        d += i
    return a, b, c, d


def walk(items):
    for item in items:
        pass


def leaf(x):
    return x + 1


def idle(x):
    return x


def leaf_with_default(x, more=1):
    return x + more


def idle_with_default(x, more=1):
    return x


def rarely(x, limit):
    if x == limit:
        return 1
    return 0


def caller(limit):
    t = 0
    for i in range(20):
        t += rarely(i, limit)
    return t


# name, function, argument, what it is warmed up with, options; "by": how it is called, if not by map()
PHASES = [
    ("two: 0 turns", two, 0, 12, {}),
    ("two: 1 turn", two, 1, 12, {}),
    ("two: 12 turns", two, 12, 12, {}),
    ("five: 0 turns", five, 0, 12, {}),
    ("five: 1 turn", five, 1, 12, {}),
    ("five: 12 turns", five, 12, 12, {}),
    ("walk: 0 turns", walk, [], [None] * 12, {}),
    ("walk: 1 turn", walk, [None], [None] * 12, {}),
    ("walk: 12 turns", walk, [None] * 12, [None] * 12, {}),
    ("caller: no exit", caller, -1, -1, {}),
    ("caller: one exit", caller, 10, -1, {}),
    ("idle", idle, 1, 1, {}),
    ("leaf", leaf, 1, 1, {"call_threshold": 30}),
    ("idle, interpreted calls", idle, 1, 1, {"by": "calls"}),
    ("idle with a default, interpreted calls", idle_with_default, 1, 1, {"by": "calls"}),
    ("idle, sorted", idle, 1, 1, {"by": "sorted"}),
    ("door", leaf, 1, 1, {"call_threshold": 30, "doors": 1}),
    ("door, interpreted calls", leaf, 1, 1, {"call_threshold": 30, "doors": 1, "by": "calls"}),
    ("door, default, interpreted calls", leaf_with_default, 1, 1, {"call_threshold": 30, "doors": 1, "by": "calls"}),
    ("door, sorted", leaf, 1, 1, {"call_threshold": 30, "doors": 1, "by": "sorted"}),
]


space = {}
exec("def hundred_calls(f, x):\n" + "    f(x)\n" * 100, space)      # no loop: its jumps would cost an event each


def call(function, argument, times, by):
    if by == "calls":
        deque(map(space["hundred_calls"], repeat(function, times // 100), repeat(argument)), maxlen=0)
    elif by == "sorted":
        sorted([argument] * times, key=function)
    else:
        deque(map(function, repeat(argument, times)), maxlen=0)


def main():
    on = sys.argv[1] == "on"
    if on:
        import jitpatch
    for _, function, argument, first, options in PHASES:
        by = options.get("by", "map")
        options = {name: value for name, value in options.items() if name != "by"}
        if on:
            jitpatch.enable(**{"threshold": 20, "call_threshold": 10**9, "side_threshold": 10**9, "sample": 0, "doors": 0,
                               **options})
        call(function, first, WARM_UP, by)
        call(function, argument, 100, by)
        os.getppid()
        call(function, argument, CALLS, by)
        os.getppid()


main()
