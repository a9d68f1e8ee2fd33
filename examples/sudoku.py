"""A sudoku solver: bit sets of candidates, the most constrained cell first, backtracking.

    python examples/sudoku.py [TIMES]

Solves a few hard puzzles TIMES times and prints the solutions once. The time goes to stderr.
"""

import sys
import time

PUZZLES = [
    "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79",
    "8..........36......7..9.2...5...7.......457.....1...3...1....68..85...1..9....4..",
    "1....7.9..3..2...8..96..5....53..9...1..8...26....4...3......1..4......7..7...3..",
    "..............3.85..1.2.......5.7.....4...1...9.......5......73..2.1........4...9",
]
ALL = 0b111111111


class Grid:
    """The three bit sets say which digits are still free in each row, column and box."""

    def __init__(self, text):
        self.cells = [0] * 81
        self.rows = [ALL] * 9
        self.columns = [ALL] * 9
        self.boxes = [ALL] * 9
        self.tries = 0
        for index, letter in enumerate(text):
            if letter != ".":
                self.put(index, 1 << (int(letter) - 1))

    def put(self, index, bit):
        row, column = divmod(index, 9)
        self.cells[index] = bit
        self.rows[row] ^= bit
        self.columns[column] ^= bit
        self.boxes[row // 3 * 3 + column // 3] ^= bit

    def remove(self, index):
        self.put(index, self.cells[index])
        self.cells[index] = 0

    def most_constrained(self):
        """The empty cell with the fewest candidates, and those; (-1, 0) when all are filled."""
        best, best_bits, fewest = -1, 0, 10
        for index in range(81):
            if self.cells[index]:
                continue
            row, column = divmod(index, 9)
            bits = self.rows[row] & self.columns[column] & self.boxes[row // 3 * 3 + column // 3]
            count = bits.bit_count()
            if count < fewest:
                best, best_bits, fewest = index, bits, count
                if count < 2:
                    break
        return best, best_bits

    def solve(self):
        index, bits = self.most_constrained()
        if index < 0:
            return True
        while bits:
            bit = bits & -bits
            bits ^= bit
            self.tries += 1
            self.put(index, bit)
            if self.solve():
                return True
            self.remove(index)
        return False

    def __str__(self):
        digits = "".join(str(bit.bit_length()) for bit in self.cells)
        return "\n".join(" ".join(digits[i:i + 9]) for i in range(0, 81, 9))


def main():
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    for text in PUZZLES:
        for _ in range(max(times, 1)):
            grid = Grid(text)
            if not grid.solve():
                raise SystemExit("no solution")
        print(grid)
        print(f"{grid.tries} tries\n")


if __name__ == "__main__":
    start = time.perf_counter()
    main()
    print(f"{time.perf_counter() - start:.2f} s", file=sys.stderr)
