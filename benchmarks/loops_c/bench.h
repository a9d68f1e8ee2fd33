// bench.h - the common part of the C loops: arguments, timing, output.
//
// A file defines RESULT, FORMAT and `static RESULT run(int64_t n)`, then includes this file's
// main() by ending with BENCH_MAIN. n comes from the command line and the result goes into a
// volatile variable, so nothing folds away. Integer arithmetic is overflow-checked, as the
// JIT's is: what is compared is the same work, not C's right to wrap around.
//
//   usage: PROGRAM N WARMUPS VALUES      prints "result R", then VALUES lines "value SECONDS"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ADD(a, b) ({ int64_t r_; if (__builtin_add_overflow((a), (b), &r_)) overflow(); r_; })
#define MUL(a, b) ({ int64_t r_; if (__builtin_mul_overflow((a), (b), &r_)) overflow(); r_; })

_Noreturn __attribute__((noinline, cold, unused)) static void
overflow(void)
{
    fputs("integer overflow\n", stderr);
    exit(1);
}

static double
now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#define BENCH_MAIN                                                      \
    int                                                                 \
    main(int argc, char **argv)                                         \
    {                                                                   \
        if (argc != 4) {                                                \
            fputs("usage: PROGRAM N WARMUPS VALUES\n", stderr);         \
            return 2;                                                   \
        }                                                               \
        volatile int64_t n = atoll(argv[1]);                            \
        int warmups = atoi(argv[2]);                                    \
        int values = atoi(argv[3]);                                     \
        volatile RESULT sink = 0;                                       \
        for (int i = 0; i < warmups + values; i++) {                    \
            double start = now();                                       \
            sink = run(n);                                              \
            double seconds = now() - start;                             \
            if (i >= warmups) {                                         \
                printf("value %.9f\n", seconds);                        \
            }                                                           \
        }                                                               \
        printf("result " FORMAT "\n", sink);                            \
        return 0;                                                       \
    }
