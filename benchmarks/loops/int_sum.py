"""Integer sum over range; the total stays within 64 bits but leaves CPython's one-digit ints."""

N = 3_000_000


def run(n):
    total = 0
    for i in range(n):
        total += i
    return total
