"""enumerate, zip and other iterators: where they stand when a loop is left, and what they share."""

import gc
import sys

from support import HOT, tell


def case_enumerate_is_left_and_goes_on():
    items = list(range(HOT * 3))
    total = 0
    for round in range(20):
        e = enumerate(items, round)
        for k, v in e:
            total += k * v
            if k == HOT + round:
                break
        print(next(e), next(e), e.__reduce__()[1][1], total)


def case_zip_is_left_and_goes_on():
    items = list(range(HOT * 3))
    total = 0
    for round in range(20):
        a, b = iter(items), iter(range(5, HOT * 4))
        z = zip(a, b)
        for x, y in z:
            total += x * y
            if x == HOT:
                break
        print(next(z), next(a), next(b), total)


def case_zip_of_one_iterator():
    def pairs(n):
        it = iter(range(n))
        return sum(x * y for x, y in []) + sum_of(zip(it, it))

    def sum_of(z):
        total = 0
        for x, y in z:
            total = total * 3 % 1000003 + x - 2 * y
        return total

    def mixed(n):
        it = iter(list(range(n)))
        total = 0
        for x, (k, y) in zip(it, enumerate(it)):
            total = total * 3 % 1000003 + x - 2 * y + k
        return total

    a, b = iter(range(HOT)), iter(range(HOT))
    print(sum_of(zip(a, b)), sum_of(zip(iter(range(HOT)), iter(range(HOT)))))
    print(pairs(HOT), pairs(HOT + 1), mixed(HOT), mixed(HOT + 1))
    same = iter(range(HOT))
    print(sum_of(zip(same, same)), list(same))


def case_the_last_reference_to_enumerate_goes():
    def f(n):
        total = 0
        for k, v in enumerate(iter([float(i) for i in range(n)])):
            total += v
            if k == n - 5:
                break
        garbage = [object() for _ in range(20)]
        return total, k, len(garbage)

    for _ in range(30):
        for n in (HOT, 10, 50):
            out = f(n)
    print(out)
    gc.collect()


def case_enumerate_of_zip():
    total = 0
    for k, (a, b) in enumerate(zip(range(HOT), [1.5] * HOT)):
        total += k * a + b
    print(total)
    kept = []
    for k, pair in enumerate(zip(range(HOT), "ab" * HOT), -3):
        if k % 50 == 0:
            kept.append((k, pair))
    print(kept)


def case_pairs_are_kept():
    kept = [p for p in enumerate([5, 6] * HOT) if p[0] % 99 == 0]
    print(kept, len({id(p) for p in kept}) == len(kept))
    last = []
    for p in zip(range(HOT), range(HOT)):
        last.append(p)
    print(last[:3], len({id(p) for p in last}))


def case_enumerate_with_a_big_counter():
    for start in (sys.maxsize - HOT // 2, 2**62, 2**70):
        total = 0
        for k, v in enumerate([1] * HOT, start):
            total ^= k
        print(total)


def case_the_list_changes_under_zip():
    items, out = list(range(HOT)), 0
    for a, b in zip(items, range(10 * HOT)):
        out += a + b
        if len(items) < HOT + 50:
            items.append(a)
    print(out)
    for k, v in enumerate(items):
        if k > HOT // 2:
            del items[k:]
        out += v
    print(out, len(items))


def case_zip_ends_unevenly():
    def f(a, b):
        total = 0
        a, b = iter(a), iter(b)
        for x, y in zip(a, b):
            total += x * y
        return total, list(a)[:2], list(b)[:2]

    for _ in range(5):
        print(f([1] * HOT, [2] * (HOT + 3)), f([1] * (HOT + 3), [2] * HOT), f(range(HOT), (3,) * (HOT + 1)))


def case_zip_strict():
    def f(a, b):
        total = 0
        for x, y in zip(a, b, strict=True):
            total += x * y
        return total

    for n in (HOT, HOT, HOT + 1):
        try:
            print(f([1] * HOT, [2] * n))
        except ValueError as e:
            tell(e)


def case_an_error_inside_of_enumerate():
    class Bad:
        def __init__(self, n):
            self.n = n

        def __iter__(self):
            return self

        def __next__(self):
            self.n -= 1
            if self.n < 0:
                raise KeyError("next")
            return self.n

    for _ in range(3):
        try:
            for k, v in enumerate(Bad(HOT)):
                pass
        except KeyError as e:
            tell(e)
        print(k, v)


def case_destructors_of_what_is_dropped_each_turn():
    out = []

    class Loud:
        def __init__(self, i):
            self.i = i

        def __del__(self):
            if self.i % 100 == 0:
                frame = sys._getframe(1)
                out.append((self.i, frame.f_code.co_name, frame.f_lineno - frame.f_code.co_firstlineno, frame.f_locals.get("x")))

    def f(n):
        x = -1
        for i in range(n):
            Loud(i)
            x = i
            a = Loud(i)
            del a
        return x

    print(f(HOT), f(HOT))
    print(out)
