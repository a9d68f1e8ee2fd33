"""Conway's Game of Life on a torus, with lists of ints.

    python examples/life.py [GENERATIONS [SIZE]]

Starts from the R-pentomino and a glider, prints the population now and then and the middle of the last
generation. The time goes to stderr.
"""

import sys
import time

R_PENTOMINO = ((0, 1), (0, 2), (1, 0), (1, 1), (2, 1))
GLIDER = ((0, 1), (1, 2), (2, 0), (2, 1), (2, 2))


def empty(size):
    return [[0] * size for _ in range(size)]


def place(board, cells, row, column):
    for r, c in cells:
        board[row + r][column + c] = 1


def step(board):
    size = len(board)
    result = empty(size)
    for r in range(size):
        above = board[r - 1]
        here = board[r]
        below = board[r + 1 if r + 1 < size else 0]
        out = result[r]
        for c in range(size):
            left = c - 1
            right = c + 1 if c + 1 < size else 0
            neighbours = (above[left] + above[c] + above[right] + here[left] + here[right]
                          + below[left] + below[c] + below[right])
            if neighbours == 3 or (neighbours == 2 and here[c]):
                out[c] = 1
    return result


def population(board):
    return sum(map(sum, board))


def show(board, half=12):
    middle = len(board) // 2
    for row in board[middle - half:middle + half]:
        print("".join("O" if cell else "." for cell in row[middle - 2 * half:middle + 2 * half]))


def main():
    generations = int(sys.argv[1]) if len(sys.argv) > 1 else 1500
    size = int(sys.argv[2]) if len(sys.argv) > 2 else 96
    board = empty(size)
    place(board, R_PENTOMINO, size // 2, size // 2)
    place(board, GLIDER, 4, 4)
    for generation in range(generations):
        if generation % 250 == 0:
            print(f"generation {generation:4}: {population(board)} cells")
        board = step(board)
    print(f"generation {generations:4}: {population(board)} cells")
    show(board)


if __name__ == "__main__":
    start = time.perf_counter()
    main()
    print(f"{time.perf_counter() - start:.2f} s", file=sys.stderr)
