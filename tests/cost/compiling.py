"""Run by test_compiling.py under callgrind: what recording, compiling and invalidating execute.

    python compiling.py program         prints how many uops were compiled
    python compiling.py rebind N        a global that N traces use gets another value, between two calls of getppid()

The program is some functions of the usual kinds, in copies, as a large program has many that are each compiled once.
"""

import os
import sys

import jitpatch

COPIES = 12
SOURCE = '''
class Point{0}:
    def __init__(self, x, y):
        self.x = x
        self.y = y

    def moved(self, dx, dy):
        return Point{0}(self.x + dx, self.y + dy)

    @property
    def size(self):
        return abs(self.x) + abs(self.y)


def points(n):
    p, total = Point{0}(1, 2), 0
    for i in range(n):
        p = p.moved(i, -i)
        total += p.size
    return total


def words(n):
    counts, text = {{}}, "the quick brown fox jumps over the lazy dog {0}".split()
    for i in range(n):
        word = text[i % len(text)]
        if word in counts:
            counts[word] += 1
        else:
            counts[word] = 1
    return sorted(counts.items())


def sieve(n):
    flags = [True] * n
    for i in range(2, n):
        if flags[i]:
            for j in range(i * i, n, i):
                flags[j] = False
    return sum(flags)


def mean(n):
    values = [i * 0.5 + {0} for i in range(n)]
    total = square = 0.0
    for value in values:
        total += value
        square += value * value
    return total / n, square / n


def choose(n):
    kinds, found = ("a", 1, 2.5, None), []
    for i in range(n):
        kind = kinds[i % 4]
        if kind is None:
            found.append(-1)
        elif isinstance(kind, str):
            found.append(len(kind))
        elif i % 3:
            found.append(kind)
    return len(found)


def evens(n):
    for i in range(n):
        if i % 2 == 0:
            yield i, str(i)


def generated(n):
    total = 0
    for number, text in evens(n):
        total += number + len(text)
    return total


FUNCTIONS = points, words, sieve, mean, choose, generated
'''


def program():
    jitpatch.enable(sample=0, threshold=30, side_threshold=10)
    expected = None
    for copy in range(COPIES):
        space = {}
        exec(SOURCE.format(copy), space)
        sizes = [len(str(function(400))) for function in space["FUNCTIONS"]]
        expected = expected or sizes
        assert len(sizes) == len(expected)
    print(jitpatch.stats().uops)


def turn(n):
    for _ in range(n):
        pass


def rebind(n):
    jitpatch.enable(sample=0, threshold=10, max_age=0)
    space = {"step": 1}
    for i in range(n):
        exec(f"def f{i}(n):\n    t = {i}\n    for _ in range(n):\n        t += step\n    return t\n", space)
        space[f"f{i}"](20)
    turn(20)
    before = len(jitpatch.executors())
    os.getppid()
    space["step"] = 2
    turn(20)                    # compiled code is left: what has become invalid goes
    os.getppid()
    print(before - len(jitpatch.executors()))


if sys.argv[1] == "program":
    program()
else:
    rebind(int(sys.argv[2]))
