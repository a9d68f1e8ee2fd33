"""Word frequencies of a text made up by a small Markov chain.

    python examples/wordcount.py [WORDS]

Writes a text from a fixed seed, then counts words, pairs of words and letters, the way scripts do:
split, strip, lower, dicts, sorting. The time goes to stderr.
"""

import sys
import time

FOLLOWERS = {
    "the": ["cat", "dog", "old", "moon", "river", "fox"],
    "a": ["cat", "fox", "small", "river"],
    "old": ["dog", "river", "moon", "cat"],
    "small": ["fox", "cat", "dog"],
    "cat": ["sees", "sleeps.", "and", "chases"],
    "dog": ["barks,", "sleeps.", "chases", "and"],
    "fox": ["jumps", "sees", "and", "runs."],
    "moon": ["rises,", "sees", "shines."],
    "river": ["runs.", "shines,", "and"],
    "sees": ["the", "a"],
    "chases": ["the", "a"],
    "jumps": ["over"],
    "over": ["the", "a"],
    "and": ["the", "a", "then"],
    "then": ["the", "sleeps.", "runs."],
    "sleeps.": ["The", "A", "Then"],
    "runs.": ["The", "A", "Then"],
    "shines.": ["The", "Then"],
    "barks,": ["and", "then"],
    "rises,": ["and", "then"],
    "shines,": ["and", "then"],
    "The": ["cat", "dog", "old", "moon", "river", "fox"],
    "A": ["cat", "fox", "small", "river"],
    "Then": ["the", "a"],
}


class Random:
    """A linear congruential generator: the same text on every machine and version."""

    def __init__(self, seed):
        self.state = seed

    def choose(self, sequence):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2 ** 64
        return sequence[(self.state >> 33) % len(sequence)]


def write_text(count):
    random = Random(2026)
    lines, line = [], []
    word = "The"
    for _ in range(count):
        line.append(word)
        if len(line) == 12:
            lines.append(" ".join(line))
            line = []
        word = random.choose(FOLLOWERS[word])
    lines.append(" ".join(line))
    return "\n".join(lines)


def clean(word):
    return word.strip(".,").lower()


def count(text):
    words, pairs, letters = {}, {}, {}
    previous = None
    for line in text.split("\n"):
        for raw in line.split():
            word = clean(raw)
            words[word] = words.get(word, 0) + 1
            if previous is not None:
                pair = (previous, word)
                pairs[pair] = pairs.get(pair, 0) + 1
            previous = word
            for letter in word:
                if letter in letters:
                    letters[letter] += 1
                else:
                    letters[letter] = 1
    return words, pairs, letters


def top(counts, n):
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:n]


def main():
    amount = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000
    text = write_text(amount)
    words, pairs, letters = count(text)
    print(text[:text.index("\n")])
    for word, times in top(words, 8):
        print(f"{word:10} {times:7} {100 * times / amount:5.1f}%")
    for (first, second), times in top(pairs, 5):
        print(f"{first + ' ' + second:16} {times:7}")
    print("".join(letter for letter, _ in top(letters, 30)))


if __name__ == "__main__":
    start = time.perf_counter()
    main()
    print(f"{time.perf_counter() - start:.2f} s", file=sys.stderr)
