"""Strings: f-strings, join, concatenation, character tests."""

N = 100_000


def run(n):
    parts = []
    for i in range(n):
        parts.append(f"{i}:{i % 7}")
    text = ",".join(parts)
    digits = 0
    tail = ""
    for ch in text:
        if "0" <= ch <= "9":
            digits += 1
        elif ch == ":":
            tail = tail + "." if len(tail) < 10 else ""
    return len(text), digits, tail
