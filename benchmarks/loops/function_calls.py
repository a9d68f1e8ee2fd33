"""Plain functions: inlined calls in a loop, and a recursive one."""

N = 24


def fib(n):
    if n < 2:
        return n
    return fib(n - 1) + fib(n - 2)


def mix(a, b):
    return (a * 31 + b) % 65521


def run(n):
    h = 1
    for i in range(n * 10_000):
        h = mix(h, i)
    return fib(n), h
