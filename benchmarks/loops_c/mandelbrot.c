// loops/mandelbrot.py in C.
#include "bench.h"
#define RESULT int64_t
#define FORMAT "%" PRId64

__attribute__((noinline)) static int64_t
run(int64_t n)
{
    int64_t turns = 0;
    for (int64_t row = 0; row < n; row++) {
        double ci = 2.0 * (double)row / (double)n - 1.0;
        for (int64_t column = 0; column < n; column++) {
            double cr = 3.0 * (double)column / (double)n - 2.0;
            double zr = 0.0;
            double zi = 0.0;
            int64_t k = 0;
            while (k < 200) {
                double zr2 = zr * zr;
                double zi2 = zi * zi;
                if (zr2 + zi2 > 4.0) {
                    break;
                }
                zi = 2.0 * zr * zi + ci;
                zr = zr2 - zi2 + cr;
                k = ADD(k, 1);
            }
            turns = ADD(turns, k);
        }
    }
    return turns;
}

BENCH_MAIN
