"""Float accumulation over range: one multiplication and one addition per iteration."""

N = 2_000_000


def run(n):
    total = 0.0
    for i in range(n):
        total += i * 0.5
    return total
