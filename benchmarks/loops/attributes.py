"""Attribute reads and writes on instances, with and without __slots__."""

N = 500_000


class Counter:
    def __init__(self):
        self.hits = 0
        self.weight = 0.0


class SlotCounter:
    __slots__ = ("hits", "weight")

    def __init__(self):
        self.hits = 0
        self.weight = 0.0


def run(n):
    plain = Counter()
    slotted = SlotCounter()
    for i in range(n):
        plain.hits += 1
        plain.weight += 0.25
        slotted.hits += i
        slotted.weight = plain.weight
    return plain.hits, plain.weight, slotted.hits, slotted.weight
