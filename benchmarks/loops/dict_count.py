"""Counting in a dict with int keys and with string keys."""

N = 300_000


def run(n):
    counts = {}
    words = ["alpha", "beta", "gamma", "delta", "epsilon"]
    by_word = dict.fromkeys(words, 0)
    x = 12345
    for _ in range(n):
        x = (x * 1103515245 + 12345) % 2147483648
        key = x % 97
        if key in counts:
            counts[key] += 1
        else:
            counts[key] = 1
        by_word[words[key % 5]] += 1
    return sorted(counts.items())[:5], by_word
