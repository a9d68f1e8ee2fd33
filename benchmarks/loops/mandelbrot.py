"""Mandelbrot on plain floats: n by n points, at most 200 iterations each; returns their sum."""

N = 100


def run(n):
    turns = 0
    for row in range(n):
        ci = 2.0 * row / n - 1.0
        for column in range(n):
            cr = 3.0 * column / n - 2.0
            zr = 0.0
            zi = 0.0
            k = 0
            while k < 200:
                zr2 = zr * zr
                zi2 = zi * zi
                if zr2 + zi2 > 4.0:
                    break
                zi = 2.0 * zr * zi + ci
                zr = zr2 - zi2 + cr
                k += 1
            turns += k
    return turns
