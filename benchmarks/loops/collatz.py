"""Collatz: a while loop with a data-dependent branch; counts all steps for starts below n."""

N = 20_000


def run(n):
    steps = 0
    start = 1
    while start < n:
        x = start
        while x != 1:
            if x % 2 == 0:
                x = x // 2
            else:
                x = 3 * x + 1
            steps += 1
        start += 1
    return steps
