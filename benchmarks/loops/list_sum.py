"""Sum of a list of small ints, and the list written back element by element."""

N = 500_000


def run(n):
    numbers = [i % 1000 for i in range(n)]
    total = 0
    for x in numbers:
        total += x
    for i in range(len(numbers)):
        numbers[i] = numbers[i] + 1
    for x in numbers:
        total += x
    return total
