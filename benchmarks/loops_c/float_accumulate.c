// loops/float_accumulate.py in C.
#include "bench.h"
#define RESULT double
#define FORMAT "%.17g"

__attribute__((noinline)) static double
run(int64_t n)
{
    double total = 0.0;
    for (int64_t i = 0; i < n; i++) {
        total += (double)i * 0.5;
    }
    return total;
}

BENCH_MAIN
