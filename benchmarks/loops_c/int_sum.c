// loops/int_sum.py in C.
#include "bench.h"
#define RESULT int64_t
#define FORMAT "%" PRId64

__attribute__((noinline)) static int64_t
run(int64_t n)
{
    int64_t total = 0;
    for (int64_t i = 0; i < n; i++) {
        total = ADD(total, i);
    }
    return total;
}

BENCH_MAIN
