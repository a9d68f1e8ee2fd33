// loops/collatz.py in C. x is never negative, so C's % and / are Python's % and //.
#include "bench.h"
#define RESULT int64_t
#define FORMAT "%" PRId64

__attribute__((noinline)) static int64_t
run(int64_t n)
{
    int64_t steps = 0;
    int64_t start = 1;
    while (start < n) {
        int64_t x = start;
        while (x != 1) {
            if (x % 2 == 0) {
                x = x / 2;
            }
            else {
                x = ADD(MUL(3, x), 1);
            }
            steps = ADD(steps, 1);
        }
        start = ADD(start, 1);
    }
    return steps;
}

BENCH_MAIN
