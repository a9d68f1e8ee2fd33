"""try inside a hot loop: mostly nothing is raised, every 50th iteration something is."""

N = 300_000


def run(n):
    table = {i: i for i in range(100) if i % 50}
    missing = 0
    total = 0
    for i in range(n):
        try:
            total += table[i % 100]
        except KeyError:
            missing += 1
    return total, missing
