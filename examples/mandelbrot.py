"""The Mandelbrot set, as text or as a PGM picture.

    python examples/mandelbrot.py [WIDTH [FILE.pgm]]

Without a file a picture of 78 columns goes to stdout, drawn from WIDTH times WIDTH points. The time goes
to stderr.
"""

import sys
import time

SHADES = " .:-=+*#%@"
LIMIT = 500


def escape_time(cr, ci):
    zr = zi = 0.0
    for turn in range(LIMIT):
        zr2 = zr * zr
        zi2 = zi * zi
        if zr2 + zi2 > 4.0:
            return turn
        zi = 2.0 * zr * zi + ci
        zr = zr2 - zi2 + cr
    return LIMIT


def compute(width):
    rows = []
    for y in range(width):
        ci = 2.4 * y / width - 1.2
        rows.append([escape_time(3.0 * x / width - 2.1, ci) for x in range(width)])
    return rows


def draw(rows):
    columns, lines = 78, 30
    width = len(rows)
    for line in range(lines):
        row = rows[line * width // lines]
        text = ""
        for column in range(columns):
            turns = row[column * width // columns]
            text += SHADES[-1] if turns == LIMIT else SHADES[min(turns // 2, len(SHADES) - 2)]
        print(text.rstrip())


def write_pgm(rows, path):
    with open(path, "wb") as file:
        file.write(b"P5 %d %d 255\n" % (len(rows), len(rows)))
        for row in rows:
            file.write(bytes(255 - min(255, turns * 4) for turns in row))


def main():
    width = int(sys.argv[1]) if len(sys.argv) > 1 else 600
    rows = compute(width)
    if len(sys.argv) > 2:
        write_pgm(rows, sys.argv[2])
    else:
        draw(rows)
    inside = sum(turns == LIMIT for row in rows for turns in row)
    print(f"{width} x {width} points, {inside} inside, {sum(map(sum, rows))} turns")


if __name__ == "__main__":
    start = time.perf_counter()
    main()
    print(f"{time.perf_counter() - start:.2f} s", file=sys.stderr)
