"""The barest float accumulation: the C loop is bound by the latency of one addition."""

N = 3_000_000


def run(n):
    total = 0.0
    step = 0.1
    for _ in range(n):
        total += step
    return total
