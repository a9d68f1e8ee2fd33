"""Closures: a cell read and written by an inner function, and a lambda over a cell."""

N = 500_000


def run(n):
    total = 0

    def bump(by):
        nonlocal total
        total += by

    scale = 3
    times = lambda x: x * scale
    for i in range(n):
        bump(times(i))
    return total
