// loops/float_add.py in C. The step is opaque, as a local variable's value is.
#include "bench.h"
#define RESULT double
#define FORMAT "%.17g"

__attribute__((noinline)) static double
run(int64_t n)
{
    double total = 0.0;
    volatile double opaque = 0.1;
    double step = opaque;
    for (int64_t i = 0; i < n; i++) {
        total += step;
    }
    return total;
}

BENCH_MAIN
