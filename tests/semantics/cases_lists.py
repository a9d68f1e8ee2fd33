"""Lists: slices, assigned slices, pop, insert and append, directly and by methods looked up before."""

import sys

from support import HOT, tell


class Noisy:
    def __init__(self, name):
        self.name = name

    def __del__(self):
        print("gone", self.name)


def case_slices_of_lists_with_steps():
    for container in (list(range(12)), tuple(range(12)), "abcdefghijkl", b"abcdefghijkl"):
        found = []
        for i in range(HOT):
            k = i % 14 - 1
            found.append(len(container[k::-1]))
            found.append(len(container[:k:-1]))
            found.append(len(container[k::3]))
            found.append(len(container[::-2]))
            found.append(len(container[2:k:2]))
        print(type(container).__name__, sum(found), container[7::-1], container[-3:-9:-2], found[:20])


def case_plain_slices():
    for container in (list(range(12)), tuple(range(12)), "abcdefghijkl", b"abcdefghijkl", ("a",), ""):
        found, whole = 0, 0
        for i in range(HOT):
            k = i % 30 - 15
            found += len(container[k:]) + 3 * len(container[:k]) + 7 * len(container[k:5])
            found += len(container[5:k]) + len(container[10**15:]) + len(container[-(10**15):])
            whole += container[:] is container
        print(type(container).__name__, found, whole, container[-3:], container[2:1])


def case_slice_bounds_of_other_types():
    class Index:
        def __index__(self):
            return 3

    items, found = list(range(10)), []
    bounds = [None, True, Index(), 2**70, -(2**70), 4]
    for i in range(HOT):
        bound = bounds[i % 6] if i > HOT // 2 else i % 5
        found.append(len(items[bound:]) + len(items[:bound]) * 2 + len(items[bound::2]))
    print(sum(found))
    for bound in ("x", 1.5):
        for i in range(HOT):
            try:
                if i > HOT - 3:
                    items[bound::-1]
                elif i % 2:
                    items[i % 3::-1]
            except TypeError as error:
                tell(error)


def case_slice_step_zero_raises():
    items, found = list(range(10)), 0
    for i in range(HOT):
        step = -1 if i < HOT - 2 else 0
        try:
            found += len(items[5::step])
        except ValueError as error:
            tell(error)
    print(found)


def case_slice_steps_vary():
    items, found = list(range(10)), 0
    for i in range(HOT):
        step = (-1, 1, 2, -3)[i % 4]
        found += sum(items[i % 10::step])
    print(found)


def case_part_of_a_list_turned_round():
    items = list(range(9))
    for i in range(HOT):
        k = i % 9
        items[:k + 1] = items[k::-1]
        if i % 7 == 0:
            items.insert(k, items.pop(0))
    print(items, sys.getsizeof(items))


def case_assigned_slices_change_the_length():
    items, sizes = list(range(20)), []
    for i in range(HOT):
        items[i % 7:i % 11] = [i, i + 1, i + 2][:i % 4]
        if len(items) > 40:
            items[5:] = []
        items[len(items):] = items[:3]
        items[-1:] = items
        sizes.append(len(items))
        if len(items) > 60:
            items[10:1000] = [1.5, "a", None]
    print(sum(sizes), items[:10], sizes[-5:], sys.getsizeof(items))


def case_assigned_slice_lets_go_of_noisy_objects():
    items = list(range(10))
    for i in range(HOT):
        items[2:5] = [i, i + 1, i + 2]
        if i in (HOT - 20, HOT - 10):
            items[3] = Noisy(i)
    print(items)


def case_assigned_slice_of_other_values():
    items = list(range(10))

    def odd():
        yield 1
        yield 2

    for i in range(HOT):
        value = [i, i]
        if i >= HOT - 5:
            value = [(1, 2), "ab", odd(), 5, None][i - HOT + 5]
        try:
            items[3:5] = value
        except TypeError as error:
            print(i, error)
    print(items)


def case_list_subclass_slices():
    class Loud(list):
        def __setitem__(self, key, value):
            super().__setitem__(key, [x + 1 for x in value])

        def __getitem__(self, key):
            return super().__getitem__(key)[::-1]

    for cls in (list, Loud):
        items = cls(range(8))
        for i in range(HOT):
            items[1:4] = items[2:5]
        print(items)


def case_pop_and_insert_at_every_place():
    items = [i * 1.5 for i in range(8)]
    total = 0.0
    for i in range(HOT):
        x = items.pop(i % 8 - 4)
        y = items.pop()
        items.insert(i % 9 - 3, y)
        items.insert(100, x)
        items.insert(-100, items.pop(0))
        total += x - y
    print(total, items, sys.getsizeof(items))


def case_pop_from_a_short_list():
    items, errors = [], 0
    for i in range(HOT):
        try:
            if i % 3:
                items.append(i)
            items.pop(1)
        except IndexError as error:
            errors += 1
            if i > HOT - 3:
                tell(error)
        try:
            if i % 5 == 0:
                items.pop()
        except IndexError as error:
            errors += 1
    print(errors, len(items))


def case_methods_of_lists_looked_up_before():
    for start in ([1, 2, 3, 4], [0.5, "a", None, 7], [4, 3, 2, 1]):
        put, take, add = start.insert, start.pop, start.append
        for i in range(HOT):
            put(i % 4, take(0))
            add(take())
            add(take(i % 4))
        print(start)


def case_looked_up_methods_of_changing_lists():
    a, b = [1, 2, 3], [4, 5, 6]
    methods = [a.pop, b.pop, a.append, b.append]
    for i in range(HOT):
        take, add = methods[i % 2], methods[2 + i % 2]
        add(take(0) + i)
    print(a, b)
    found = []
    for f in (a.append, found.append, b.append, found.append):
        for i in range(HOT):
            f(i)
    print(len(a), len(b), len(found))


def case_bound_append_keeps_counts():
    shared = object()
    before = sys.getrefcount(shared)

    def fill():
        items = []
        add = items.append
        for i in range(HOT):
            add(shared)
            if i % 2:
                items.pop()
        return items

    kept = [fill(), fill(), fill()]
    print(sys.getrefcount(shared) - before)
    kept.clear()
    print(sys.getrefcount(shared) - before)


def case_insert_of_wrong_arguments():
    items = []
    for i in range(HOT):
        try:
            if i == HOT - 3:
                items.insert("x", 1)
            elif i == HOT - 2:
                items.insert(1)
            elif i == HOT - 1:
                items.pop(1.5)
            else:
                items.insert(i % 4, i)
        except TypeError as error:
            print(i, error)
    print(len(items), items[:5])


def case_lengths_known_across_stores():
    items, other, total = [1, 2, 3], [0] * 5, 0
    for i in range(HOT):
        items[i % len(items)] = i
        other[i % len(other)] = items[-1]
        total += len(items) + len(other)
        if i % 100 == 99:
            items.append(i)
            other[1:2] = [7, 8, 9]
            total += len(items) * 10 + len(other) + items[-1]
            items.pop(0)
            total += items[len(items) - 1]
    print(total, items, other)


def case_lists_extended_in_place():
    def run(n, more):
        out, alias = [], None
        for i in range(n):
            out += [i]
            out += (i, -i)
            if i % 60 == 59:
                alias = out
                out += more(i)
                if i % 120 == 119:
                    out += out[:1] if len(out) > 2000 else out
        return len(out), out[-5:], alias is out

    for more in (lambda i: [1], lambda i: "ab", lambda i: (x for x in range(3)), lambda i: {i: 1}, range, lambda i: [object]):
        print(run(HOT, more))

    class Sub(list):
        def __iadd__(self, other):
            print("iadd", len(other)) if len(self) < 3 else None
            self.extend(other)
            return self

    def kinds(values):
        log = []
        for v in values:
            try:
                v += (1, 2)
                log.append(len(v))
            except TypeError as e:
                log.append(str(e))
        return log

    print(kinds([[] for _ in range(HOT)] + [Sub()] + [()] + [5] + [[0] for _ in range(90)])[-100:])

    def error(n):
        out = []
        for i in range(n):
            out += [i] if i != n - 3 else 7
        return out

    try:
        error(HOT)
    except TypeError as e:
        print(e)

    def held(n):
        kept = []
        for i in range(n):
            kept += [[i]]
        return [sys.getrefcount(x) for x in kept[:3]], len(kept)

    print(held(HOT))
