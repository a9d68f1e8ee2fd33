"""Ints at the edges of their sizes, floats at the edges of theirs, mixtures and type changes."""

from support import HOT


def case_sum_overflows_63_bits():
    total = 2**63 - 1 - 200
    for _ in range(HOT):
        total += 1
        if total > 2**63 - 4 and total < 2**63 + 4:
            print(total)
    print(total)


def case_sums_that_double_overflow():
    for start in (1, -1, 3):
        seen = set()
        for turns in range(HOT // 10):
            x = start
            for i in range(57 + turns % 12):
                x = x + x
            seen.add(x)
        print(sorted(seen))


def case_difference_overflows_at_the_least_int():
    total = -(2**63) + 200
    for _ in range(HOT):
        total -= 1
        if abs(total + 2**63) < 4:
            print(total)
    print(total)


def case_product_overflows():
    x = 1
    for i in range(HOT):
        x = x * 3
        if i in (38, 39, 40, 41, 79, 80, 81):
            print(i, x)
    print(x % 1000003)


def case_digit_boundaries():
    for edge in (2**15, 2**30, 2**60, 2**62, 2**63, 2**64):
        seen = []
        x = edge - HOT // 2
        for _ in range(HOT):
            x += 1
            if -3 < x - edge < 3:
                seen.append((x, -x, ~x, x >> 1, x & 0xFFFF, x ^ edge))
        print(seen)


def case_least_int_negated_divided_and_abs():
    values = [-(2**63), -(2**63) + 1, -(2**62), -(2**31), 0, 1, -1, 2**63 - 1]
    out = []
    for i in range(HOT):
        x = values[i % len(values)]
        out.append((-x, abs(x), x // -1, x % -1, x * -1))
    print(out[-len(values):], len(set(out)))


def case_floor_division_and_modulo_signs():
    out = []
    for i in range(-HOT // 2, HOT // 2):
        for d in (3, -3, 7, -1):
            out.append((i // d, i % d))
    print(hash(tuple(out)), out[:8], out[-8:])


def case_float_floor_division_and_modulo_signs():
    out = []
    for i in range(-HOT // 2, HOT // 2):
        x = i * 0.37
        out.append((x // 2.5, x % 2.5, x // -2.5, x % -2.5))
    print([repr(v) for t in out[::40] for v in t])


def case_shifts():
    out = []
    for i in range(HOT):
        n = i % 70
        out.append((1 << n, -1 << n, (1 << 64) >> n, -(1 << 64) >> n, 5 >> n))
    print(out[60:70], hash(tuple(out)))
    try:
        for i in range(HOT):
            x = 1 << (HOT - 2 - i)
    except ValueError as error:
        print(i, error, x)


def case_powers():
    out = []
    for i in range(HOT):
        out.append((i ** 2, (-i) ** 3, 2 ** (i % 70), 2.0 ** (i % 70), (i % 5) ** -1 if i % 5 else None))
    print(out[-3:], len(out))


def case_true_division():
    out = []
    for i in range(1, HOT):
        out.append(((2**53 + i) / i, i / (2**63), (2**63 - 1) / i, -i / 3))
    print(repr(out[5]), repr(out[-1]))
    try:
        for i in range(HOT):
            x = 10 ** i / 3
    except OverflowError as error:
        print(i, error, x)


def case_division_by_zero_each_kind():
    for kind in (lambda i: 1 // (300 - i), lambda i: 1 % (300 - i), lambda i: 1 / (300 - i),
                 lambda i: 1.0 // (300.0 - i), lambda i: 1.0 % (300.0 - i), lambda i: 1.0 / (300.0 - i)):
        try:
            for i in range(HOT):
                x = kind(i)
        except ZeroDivisionError as error:
            print(i, x, error)


def case_division_by_zero_in_the_loop_itself():
    for d in (0, 0.0):
        i = done = 0
        try:
            while True:
                i += 1
                done += 5 // (d + 300 - i)
        except ZeroDivisionError as error:
            print(i, done, error, error.__traceback__.tb_lineno)


def case_errors_of_results_that_nobody_uses():
    import math

    def run(operate, operands):
        turn = -1
        try:
            for turn, x in enumerate(operands):
                operate(x)
        except (ArithmeticError, ValueError) as error:
            print(turn, type(error).__name__, error)

    ints, floats = [5] * (HOT - 10), [5.0] * (HOT - 10)
    run(lambda n: (10 // n, 1)[1], [*ints, 0])
    run(lambda n: (10 % n, 1)[1], [*ints, 0])
    run(lambda n: (10 / n, 1)[1], [*ints, 0])
    run(lambda n: (10 << n, 1)[1], [*ints, -1])
    run(lambda n: (10 >> n, 1)[1], [*ints, -1])
    run(lambda x: (1.5 / x, 1)[1], [*floats, 0.0])
    run(lambda x: (1.5 // x, 1)[1], [*floats, 0.0])
    run(lambda x: (1.5 % x, 1)[1], [*floats, 0.0])
    run(lambda x: (x ** -1.5, 1)[1], [*floats, 0.0])
    run(lambda x: (math.sqrt(x), 1)[1], [*floats, -1.0])
    run(lambda x: (math.sin(x), 1)[1], [*floats, math.inf])
    run(lambda x: (int(x), 1)[1], [*floats, math.nan])


def case_minus_zero_survives():
    x, signs = -0.0, []
    for i in range(HOT):
        x = x * 1.0
        y = -0.0 + 0.0
        z = 0.0 * -1.0
        if i % 100 == 0:
            signs.append((repr(x), repr(y), repr(z), repr(-(0.0)), repr(x - 0.0), repr(x + 0), repr(0 - x), repr(abs(x))))
    print(signs)


def case_minus_zero_is_not_folded_into_int_zero():
    out = []
    for i in range(HOT):
        x = -0.0 if i % 2 else 0
        out.append(repr(x + x))
    print(out[:4], out[-4:], x == 0)


def case_nan_compares():
    nan, out = float("nan"), 0
    for i in range(HOT):
        x = nan * i
        out += (x == x) + 2 * (x != x) + 4 * (x < x) + 8 * (not x < 1.0) + 16 * (x is x) + 32 * (x in [x])
        if x < 0 or x > 0 or x == 0:
            out += 10**6
    print(out)


def case_infinities():
    x, out = 1.0, []
    for i in range(HOT):
        x *= 10.0
        y = x - x
        if i in (307, 308, 309):
            out.append((repr(x), repr(y), repr(-x), x > 1e308, repr(1.0 / x)))
    print(out)


def case_denormals():
    x, last = 1.0, None
    for i in range(HOT * 4):
        if x:
            last = i, repr(x)
        x /= 2.0
    print(last, x)


def case_float_overflow_raises_in_power_only():
    try:
        for i in range(HOT):
            x = 10.0 ** i
    except OverflowError as error:
        print(i, error.args, repr(x))


def case_int_float_comparisons_are_exact():
    out = []
    for i in range(HOT):
        n = 2**53 + i % 3
        x = float(2**53)
        out.append((n == x, n < x, n > x, n <= x, 2**63 == 9.223372036854775808e18, n != x))
    print(out[:3], len(set(out)))


def case_int_becomes_float_mid_loop():
    total = 0
    for i in range(HOT):
        total += i if i < HOT // 2 else 0.5
    print(total, type(total).__name__)


def case_float_becomes_int_and_str_mid_loop():
    out = []
    x = 1.5
    for i in range(HOT):
        try:
            x = x + 1
        except TypeError as error:
            out.append(str(error))
            x = 0
        if i == 200:
            x = int(x)
        if i == 300:
            x = "s"
    print(x, type(x).__name__, out)


def case_bools_are_ints():
    total, flags = 0, [True, False]
    for i in range(HOT):
        total += flags[i % 2]
        t = flags[i % 2] + flags[i % 2]
        u = flags[i % 2] & True
        v = flags[i % 2] | 2
    print(total, t, type(t).__name__, u, type(u).__name__, v, type(v).__name__)


def case_int_subclasses_keep_their_methods():
    class Loud(int):
        def __add__(self, other):
            return Loud(int(self) + other + 1)

    x = Loud(0)
    y = 0
    for i in range(HOT):
        x = x + 1
        y = y + Loud(1) if i % 2 else y + 1
    print(x, type(x).__name__, y, type(y).__name__)


def case_float_subclass():
    class Metre(float):
        def __mul__(self, other):
            return Metre(float(self) + other)

    x, y = Metre(1.0), 1.0
    for i in range(HOT):
        x = x * 2.0
        y = y * Metre(1.0)
    print(repr(x), type(x).__name__, repr(y), type(y).__name__)


def case_bit_operations_on_negatives():
    out = []
    for i in range(-HOT // 2, HOT // 2):
        out.append((i & 255, i | 1, i ^ -1, ~i, i & -i, (i * 2**40) & (2**62 - 1)))
    print(hash(tuple(out)), out[0], out[-1])


def case_complex():
    z = 0j
    for i in range(HOT):
        z = z * z * 0.5 + complex(0.1, i % 3 * 0.1)
    print(z)


def case_chained_comparisons():
    count = 0
    for i in range(HOT):
        if 10 < i < 20 <= i + 10:
            count += 1
        if 1.5 < i <= 100.0 < 200:
            count += 1000
    print(count)


def case_while_counts_down_through_zero():
    n, seen = HOT // 2, []
    while n > -HOT // 2:
        n -= 1
        if not n:
            seen.append(n)
    print(n, seen)


def case_large_range():
    for r in (range(2**63 - 5, 2**63 + 400), range(-(2**63) + 5, -(2**63) - 400, -1), range(2**31 - 5, 2**31 + 400),
              range(0, 2**70, 2**62), range(10**30, 10**30 + HOT)):
        last = count = 0
        for i in r:
            count += 1
            last = i
        print(count, last)


def case_range_with_odd_steps():
    out = []
    for args in ((0, 1000, 3), (1000, 0, -7), (5, 5), (5, 4), (0, 10**6, 999), (-5, 400, 2), (0, -400, -1)):
        last = None
        for last in range(*args):
            pass
        out.append(last)
    print(out)


def case_augmented_assignment_of_loop_variable():
    out = 0
    for i in range(HOT):
        i *= 2
        i += 1
        out += i
    print(out, i)


def case_int_from_str_limit_raises():
    x, where = 7, None
    for i in range(HOT):
        x = x * 10**20 + i
        try:
            str(x)
        except ValueError as error:
            where = where or (i, str(error)[:40])
    print(where)


def case_round_int_float_conversions():
    out = []
    for i in range(HOT):
        x = i * 0.5 - 100
        out.append((int(x), round(x), round(x, 1), float(i), int(2.0**62) + i, x.is_integer()))
    print(hash(tuple(out)), out[3])
    try:
        for i in range(HOT):
            int(1e308 * (i if i > 300 else 0))
    except OverflowError as error:
        print(i, error)


def case_hash_of_minus_one_and_mixed_keys():
    d = {}
    for i in range(HOT):
        d[i % 3 - 1] = i
        d[float(i % 3 - 1)] = -i
        d[bool(i % 2)] = "b"
    print(d)


def case_powers_of_floats():
    values = [2.5, -2.5, 0.0, -0.0, 1.0, -1.0, float("inf"), -float("inf"), float("nan"), 1e200, -1e-200]
    exponents = [2, 3, 2.0, 3.0, 0.5, -1, -2.0, 0, 1.5, 1e300, float("nan")]
    for exponent in exponents:
        found = []
        for i in range(HOT):
            x = values[i * 11 // HOT] if i % 20 else -3.5
            try:
                found.append(x**exponent)
            except (ZeroDivisionError, OverflowError) as error:
                found.append(str(error))
        print(exponent, [repr(x) for x in found[::19]])


def case_squares_of_differences():
    total = 0.0
    for i in range(HOT):
        x, y = i * 0.25 - 50, 3.5 - i
        total += (x - y) ** 2 + (y - x) ** 3 + (x * 0.0) ** 2
    print(total)
