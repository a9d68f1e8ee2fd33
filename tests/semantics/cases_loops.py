"""Kinds of loops and iterators, how often they turn, what ends them, what changes under them."""

import asyncio
import itertools
import random
import sys

from support import HOT, tell


def case_loops_of_0_1_2_turns():
    def f(n):
        t = -1
        for i in range(n):
            t += 10
        j = 0
        while j < n:
            j += 1
            t += 1
        for x in [7] * n:
            t += x
        return t

    print([f(n) for _ in range(HOT) for n in (0, 1, 2)][-3:], [f(n) for n in (0, 1, 2, 3, HOT)])


def case_loop_first_long_then_empty():
    def f(n):
        i = None
        for i in range(n):
            pass
        return i

    print([f(n) for n in (HOT, 0, 1, 2, HOT, 0)])


def case_every_builtin_iterator():
    d = {i: str(i) for i in range(HOT)}
    sources = {
        "list": lambda: list(range(HOT)), "tuple": lambda: tuple(range(HOT)), "range": lambda: range(HOT), "str": lambda: "abé" * 150,
        "bytes": lambda: bytes(range(200)) * 2, "bytearray": lambda: bytearray(b"xyz" * 150), "dict": lambda: d, "keys": lambda: d.keys(),
        "values": lambda: d.values(), "items": lambda: d.items(), "set": lambda: set(range(HOT)), "frozenset": lambda: frozenset(range(HOT)),
        "enumerate": lambda: enumerate("ab" * 200, 5), "zip": lambda: zip(range(HOT), "ab" * 250), "zip3": lambda: zip(d, d, range(350)),
        "map": lambda: map(lambda q: q + 1, range(HOT)), "filter": lambda: filter(lambda q: q % 2, range(HOT * 2)),
        "reversed": lambda: reversed(range(HOT)), "reversed list": lambda: reversed([1.5] * HOT), "chain": lambda: itertools.chain(range(200), "ab" * 150),
        "islice": lambda: itertools.islice(itertools.count(5, 3), HOT), "product": lambda: itertools.product(range(20), repeat=2),
        "generator": lambda: (q * 2 for q in range(HOT)), "iter sentinel": lambda: iter(iter(range(HOT)).__next__, 399), "memoryview": lambda: memoryview(b"ab" * 200),
        "reversed dict": lambda: reversed(d), "accumulate": lambda: itertools.accumulate(range(HOT)), "zip strict": lambda: zip(range(HOT), range(HOT), strict=True),
    }
    for name, make in sources.items():
        count, last = 0, None
        for item in make():
            count += 1
            last = item
        print(name, count, last)


def case_one_loop_over_many_kinds():
    def count(xs):
        n = 0
        for x in xs:
            n += 1
        return n

    kinds = [[1] * 50, (1,) * 50, range(50), "a" * 50, {i: 1 for i in range(50)}, (q for q in range(50)), set(range(50))]
    print([count(kinds[i % 7]) for i in range(70)])


def case_list_grows_while_iterated():
    xs, total = [1], 0
    for x in xs:
        total += x
        if len(xs) < HOT:
            xs.append(x + 1)
    print(total, len(xs))


def case_list_shrinks_while_iterated():
    xs, seen = list(range(HOT * 2)), 0
    for x in xs:
        seen += 1
        xs.pop()
    print(seen, len(xs))
    xs, seen = list(range(HOT)), 0
    for x in xs:
        seen += 1
        if seen == 300:
            xs.clear()
    print(seen)


def case_list_replaced_elements_while_iterated():
    xs, out = [0] * HOT, 0
    for i, x in enumerate(xs):
        out += x
        if i + 1 < HOT:
            xs[i + 1] = i if i < 300 else 0.5
    print(out)


def case_exhausted_list_iterator_stays_exhausted():
    xs = [1] * HOT
    it = iter(xs)
    n = 0
    for x in it:
        n += x
    xs.append(1)
    for x in it:
        n += 1000
    print(n, list(it))


def case_iterator_shared_by_two_loops():
    it, out = iter(range(HOT * 2)), []
    for x in it:
        if x % 100 == 50:
            for y in it:
                if y % 10 == 0:
                    break
            out.append((x, y))
    print(out)


def case_iterator_advanced_by_the_body():
    it, out = iter(list(range(HOT * 2))), 0
    for x in it:
        out += x * next(it, 0) % 7
    print(out, next(it, "end"))


def case_iterators_stand_where_the_loop_left_them():
    def sources(n):
        return iter(range(n)), iter(range(n, 0, -1)), iter(range(0, 3 * n, 3)), iter([*range(n)]), iter(tuple(range(n)))

    def by_break(it, n):
        s = 0
        for i in it:
            s += i
            if i == n // 3 * 3:
                break
        return s, next(it, None), sum(it)

    def by_exception(it, n):
        s = 0
        try:
            for i in it:
                s += 1000 // (i - n // 3 * 3)
        except ZeroDivisionError:
            pass
        return s, i, next(it, None), it.__length_hint__()

    def looked_at(it, n):
        s = 0
        for i in it:
            if i % 40 == 9:
                s += next(it, 0)
            elif i % 50 == 6:
                s += it.__length_hint__()
            s += i
        return s, i

    def by_two_loops(it, n):
        s = 0
        for i in it:
            s += i
            for j in it:
                s += j
                if j % 7 == 3:
                    break
        return s, i

    for f in by_break, by_exception, looked_at, by_two_loops:
        for n in HOT, 2 * HOT, 30:
            print(f.__name__, n, [f(it, n) for it in sources(n)])


def case_iterator_let_go_before_its_loop_is_left():
    def f(n):
        s = 0
        for k in range(n):
            for it in [iter(range(k % 5)), iter([k] * 3)]:
                for x in it:
                    s += x
        return s, list(it)

    print(f(HOT))


def case_iterator_freed_on_the_way_out_of_two_loops():
    def f(n):
        x = k = 0
        while k < n:
            k += 1
            for j in range(0, 20, 3):
                for j in range(k % 6):
                    x += 1
                    if j == 2:
                        break
                if j == 2:
                    break
        return x

    print([f(n) for n in (HOT, 10, 2 * HOT)])


def case_ranges_at_the_ends_of_64_bits():
    def f(r):
        s = last = 0
        for last in r:
            s ^= last
        return s, last

    top = 2**63 - 1
    for r in (range(top - HOT, top), range(-top - 1 + HOT, -top - 1, -1), range(top - HOT, top - 1, 2), range(top - 1, top), range(top, top + HOT),
              range(-top - 1, -top + HOT), range(top - HOT, top + 3)):
        print(f(r), f(r))


def case_range_values_as_floats():
    def f(r):
        s = 0.0
        for i in r:
            s += i * 0.5
        return s

    exact = 2**53
    for r in (range(HOT), range(exact - HOT, exact), range(exact - HOT, exact + 1), range(exact - HOT, exact + HOT), range(-exact, HOT - exact),
              range(-exact - HOT, -exact + HOT), range(HOT, -HOT, -1)):
        print(f(r), f(r))


def case_dict_changes_size_while_iterated():
    for change in (lambda d: d.__setitem__("new", 1), lambda d: d.pop(5)):
        d, n = {i: i for i in range(HOT)}, 0
        try:
            for k in d:
                n += 1
                if n == 300:
                    change(d)
        except RuntimeError as error:
            print(n, error)


def case_dict_values_change_while_iterated():
    d, t = {i: 1 for i in range(HOT)}, 0
    for k, v in d.items():
        t += v
        d[HOT - 1 - k] = 5
    print(t)


def case_dict_keys_change_while_iterated():
    d, n = {i: 1 for i in range(10)}, 0
    try:
        for k in d:
            n += 1
            del d[k]
            d[k + 100] = 1
            if n > HOT:
                break
    except RuntimeError as error:
        print(error)
    print(n)


def case_set_and_deque_change_while_iterated():
    from collections import deque

    for xs, change in ((set(range(HOT)), lambda s: s.add(-1)), (deque(range(HOT)), lambda q: q.append(1))):
        n = 0
        try:
            for x in xs:
                n += 1
                if n == 300:
                    change(xs)
        except RuntimeError as error:
            print(n, error)


def case_custom_iterator_raises():
    class It:
        def __init__(self):
            self.i = 0

        def __iter__(self):
            return self

        def __next__(self):
            self.i += 1
            if self.i == 300:
                raise ValueError("three hundred")
            return self.i

    t = 0
    try:
        for x in It():
            t += x
    except ValueError as error:
        tell(error)
    print(t)


def case_custom_iterator_goes_on_after_stopping():
    class It:
        i = 0

        def __iter__(self):
            return self

        def __next__(self):
            self.i += 1
            if self.i % 150 == 0:
                raise StopIteration
            return self.i

    it, t = It(), 0
    for _ in range(5):
        for x in it:
            t += x
    print(t, it.i)


def case_next_replaced_mid_loop():
    class It:
        i = 0

        def __iter__(self):
            return self

        def __next__(self):
            self.i += 1
            if self.i == 300:
                It.__next__ = last
            return self.i

    def last(self):
        raise StopIteration

    t = 0
    for x in It():
        t += x
    print(t)


def case_getitem_protocol():
    class Seq:
        def __getitem__(self, i):
            if i > 350:
                raise IndexError
            return i * 2

    print(sum(x for x in Seq()), [x for x in Seq()][-1])
    t = 0
    for x in Seq():
        t += x
    print(t)


def case_not_iterable():
    t = 0
    try:
        for i in range(HOT):
            for x in ((1, 2) if i < 300 else 5):
                t += x
    except TypeError as error:
        tell(error)
    print(t)


def case_for_else_and_while_else():
    out = []
    for n in (HOT, HOT + 50):
        for i in range(n):
            if i == 420:
                break
        else:
            out.append("for else")
        k = 0
        while k < n:
            k += 1
            if k == 430:
                break
        else:
            out.append("while else")
    print(out)


def case_nested_breaks_and_continues():
    t = 0
    for i in range(60):
        for j in range(60):
            if j > i:
                break
            if (i + j) % 3:
                continue
            for k in range(3):
                if k == j % 3:
                    break
                t += 1
            else:
                t += 100
        else:
            t += 10000
    print(t)


def case_while_true_with_many_exits():
    def f(n):
        i = 0
        while True:
            i += 1
            if i == n:
                return "n", i
            if i % 997 == 0:
                break
            if not i % 5:
                continue
            i += 1
        return "broke", i

    print([f(n) for n in (5, 100, HOT, HOT * 3, 10**9)])


def case_triangular_nest():
    t = 0
    for i in range(80):
        for j in range(i):
            for k in range(j):
                t += 1
    print(t)


def case_inner_loop_of_changing_kind():
    t = 0
    for i in range(120):
        for x in (range(i % 5) if i % 3 else [0.5] * 4):
            t += x
    print(t)


def case_generator_driven_by_a_loop():
    log = []

    def gen(n):
        try:
            for i in range(n):
                yield i * 2
        finally:
            log.append("closed")

    t = 0
    for x in gen(HOT):
        t += x
    for x in gen(HOT):
        if x > 650:
            break
        t += x
    print(t, log)


def case_generator_send_throw_close():
    def gen():
        got, errors = 0, 0
        while True:
            try:
                value = yield got
                got += value or 0
            except ValueError:
                errors += 1
                got -= errors

    g = gen()
    next(g)
    out = 0
    for i in range(HOT):
        out = g.send(i) if i % 10 else g.throw(ValueError)
    g.close()
    print(out)


def case_yield_from_and_return_value():
    def inner(n):
        t = 0
        for i in range(n):
            t += yield i
        return t

    def outer(n):
        return (yield from inner(n)) * 2

    g = outer(HOT)
    next(g)
    try:
        for i in range(HOT + 5):
            g.send(i)
    except StopIteration as error:
        print(i, error.value)


def case_generator_raising_stop_iteration():
    def gen():
        for i in range(HOT):
            if i == 333:
                raise StopIteration
            yield i

    n = 0
    try:
        for x in gen():
            n += 1
    except RuntimeError as error:
        tell(error)
    print(n)


def case_generator_frames_interleaved():
    def count(start, step):
        while True:
            yield start
            start += step

    a, b, t = count(0, 2), count(1.5, 0.5), 0
    for _ in range(HOT):
        t += next(a) * next(b)
    print(t)


def case_comprehensions():
    t = 0
    for i in range(HOT):
        xs = [i * q for q in range(5) if q != i % 5]
        s = {q % 3 for q in xs}
        d = {q: i for q in xs}
        n = [[p + q for p in range(2)] for q in range(2)]
        t += sum(xs) + len(s) + len(d) + n[1][1] + sum(q for q in xs)
    print(t, i)


def case_hot_comprehension_itself():
    print(sum([i * i for i in range(HOT)]), len({i % 7 for i in range(HOT)}), sum({i: -i for i in range(HOT)}.values()))
    x = 5
    print([x for x in range(HOT)][-1], x)


def case_comprehension_raising():
    try:
        [10 // (350 - i) for i in range(HOT)]
    except ZeroDivisionError as error:
        tell(error)


def case_unpacking_in_the_header():
    pairs = [(i, (i * 2, [i, i + 1])) for i in range(HOT)]
    t = 0
    for a, (b, [c, *d]) in pairs:
        t += a + b + c + len(d)
    print(t)
    try:
        for a, b in [(1, 2)] * 300 + [(1, 2, 3)]:
            t += a
    except ValueError as error:
        print(t, error)


def case_target_is_attribute_or_item():
    class A:
        pass

    a, xs = A(), [0]
    for a.x in range(HOT):
        pass
    for xs[0] in range(HOT):
        pass
    print(a.x, xs)


def case_match_in_a_loop():
    from dataclasses import dataclass

    @dataclass
    class Point:
        x: int
        y: int

    def kind(v):
        match v:
            case 0 | 1:
                return "bit"
            case int(n) if n > 300:
                return "big"
            case int():
                return "int"
            case float():
                return "float"
            case [a, b]:
                return f"pair {a}"
            case [a, *rest]:
                return f"seq {len(rest)}"
            case {"k": v, **more}:
                return f"map {v} {len(more)}"
            case Point(x=0, y=y):
                return f"axis {y}"
            case Point(x, y):
                return f"point {x + y}"
            case None:
                return "none"
            case _:
                return "other"

    values = [0, 5, 2.5, (1, 2), [1, 2, 3], {"k": 1, "m": 2}, Point(0, 3), Point(1, 2), None, "s", 400, {}]
    counts = {}
    for i in range(HOT * 2):
        k = kind(values[i % len(values)])
        counts[k] = counts.get(k, 0) + 1
    print(counts)


def case_async_for_with_and_await():
    class Source:
        def __init__(self, n):
            self.n = n

        def __aiter__(self):
            return self

        async def __anext__(self):
            if not self.n:
                raise StopAsyncIteration
            self.n -= 1
            return self.n

    class Lock:
        count = 0

        async def __aenter__(self):
            Lock.count += 1

        async def __aexit__(self, *exc):
            Lock.count += 1

    async def double(x):
        if x % 50 == 0:
            await asyncio.sleep(0)
        return x * 2

    async def agen(n):
        for i in range(n):
            yield i

    async def main():
        t = 0
        async for x in Source(HOT):
            async with Lock():
                t += await double(x)
        t += sum([x async for x in agen(HOT)])
        t += sum(await asyncio.gather(*(double(i) for i in range(HOT))))
        return t

    print(asyncio.run(main()), Lock.count)


def case_async_tasks_take_turns():
    log = []

    async def work(name, n):
        t = 0
        for i in range(n):
            t += i
            if i % 100 == 0:
                log.append((name, i))
                await asyncio.sleep(0)
        return t

    async def main():
        return await asyncio.gather(work("a", HOT), work("b", HOT))

    print(asyncio.run(main()), log)


def case_slices_in_loops():
    xs, text, out = list(range(50)), "abcdefghij" * 5, 0
    for i in range(HOT):
        a, b = i % 50, (i * 7) % 50
        out += sum(xs[a:b]) + len(xs[::-1]) + len(xs[b:a:2]) + len(text[a:b]) + len((1, 2, 3)[a % 4:])
        xs[a:a + 2] = [1, 2][:len(xs[a:a + 2])]
    print(out, len(xs), xs[:5])


def case_string_building():
    s, parts = "", []
    for i in range(HOT):
        s += chr(97 + i % 26)
        parts.append(f"{i:03d}|{i / 7:.3f}|{s[-3:]!r:>6}|{i:x}")
        if i % 100 == 99:
            s = s + "é" * (i // 100) + "\U0001f600"
    print(len(s), hash(s) == hash(str(s)), parts[-1], s[-8:])


def case_in_place_string_append_does_not_touch_an_alias():
    s, kept = "", []
    for i in range(HOT):
        before = s
        s += "x"
        if i % 100 == 0:
            kept.append(before)
    print([len(k) for k in kept], len(s))


def case_containers_of_every_kind_built():
    last = None
    for i in range(HOT):
        last = ([i, *range(3)], (i, "t", *"ab"), {i, i % 2, *range(2)}, {"a": i, **{"b": 2}}, [*{}], (), [], {})
    print(last)
    print(len({(): 1, **{str(k): k for k in range(HOT)}}))


def case_in_operator():
    xs, d, s, text, hits = [1, 2.5, "a"], {1: 2}, {3, 4}, "hello", 0
    for i in range(HOT):
        hits += (i in xs) + (i in d) + (i in s) + ("l" in text) + (i not in (1, 2, 3)) + (str(i) in text) + (2.5 in xs)
    print(hits)


def case_walrus_conditional_boolean():
    t = 0
    for i in range(HOT):
        if (n := i % 7) > 3 and (i % 2 or n == 4) or not i:
            t += n
        t += 1 if n < 2 else 2 if n < 4 else 3
        t += (i and n) or 5
        x = None if n else 0
        t += x is None
    print(t, n)


def case_truth_of_everything():
    class Falsy:
        def __bool__(self):
            return False

    class Empty:
        def __len__(self):
            return 0

    values = [0, 1, -1, 0.0, -0.0, 0.5, float("nan"), "", "a", [], [0], (), (0,), {}, {1: 1}, None, True, False,
              Falsy(), Empty(), set(), 2**70, 0j, b"", range(0), object]
    t = 0
    for i in range(HOT):
        v = values[i % len(values)]
        if v:
            t += 1
        if not v:
            t += 100
        t += 10000 if (v and 1) else 0
        while v:
            t += 10**6
            break
    print(t)


def case_del_in_loops():
    xs, d = list(range(HOT)), {i: i for i in range(HOT)}
    n = 0
    for i in range(HOT // 2):
        x = i
        del xs[-1], d[i]
        del x
        n += len(xs) + len(d)
    print(n, len(xs), len(d))


def case_recording_begun_in_a_loop_that_compiled_code_runs():
    # The outer trace goes on in the frame where the inner loop's exit has begun to be recorded: what is
    # recorded later in that frame does not follow from that exit. New functions make new traces each time.
    source = '''
def union(a, b):
    result = {}
    for key, count in a.items():
        other = b.get(key, 0)
        new = other if count < other else count
        if new > 0:
            result[key] = new
    return result
def both(a, b):
    result = {}
    for key, count in a.items():
        other = b.get(key, 0)
        new = count if count < other else other
        if new > 0:
            result[key] = new
    return result
def wrong_answers(pairs):
    wrong = 0
    for a, b in pairs:
        for op, check in [(union, max), (both, min)]:
            r = op(a, b)
            for k in "abcdef":
                if max(0, check(a[k], b.get(k, 0))) != r.get(k, 0): wrong += 1
    return wrong
'''
    wrong = []
    for seed in range(100):
        numbers = random.Random(seed)
        space = {}
        exec(source, space)
        wrong.append(space["wrong_answers"]([tuple({k: numbers.randrange(-2, 4) for k in keys} for keys in ("abcdef", "abcdg"))
                                             for _ in range(30)]))
    print(wrong)


RESULTS = []


class Thing:
    pass


def loop_then_look(thing, n):
    t = 0
    for i in range(n):
        t += i
    RESULTS.append((type(thing).__name__, n, t))


def look_without_variables():
    loop_then_look(THINGS[0], 7)


def look_further_out():
    look_without_variables()


def case_a_loop_in_a_function_called_by_one_without_variables():
    """The caller has no slot in use at the call: the callee's variables are still its own."""
    global THINGS
    THINGS = [Thing()]
    for _ in range(HOT):
        look_without_variables()
        look_further_out()
    print(set(RESULTS), len(RESULTS), sys.getrefcount(THINGS[0]))


def case_a_module_level_while_calls_a_function_with_a_loop():
    source = """
def add_up(n):
    t = 0
    for i in range(n):
        t += i
    results.append((n, t))

k = 0
while k < 400:
    k += 1
    add_up(k % 7 + 3)
"""
    space = {"results": []}
    exec(source, space)
    print(space["results"][::29])


def case_variable_of_a_loop_in_a_call_is_bound_or_not():
    def last(xs):
        for x in xs:
            if x == "stop":
                break
        return x

    def deleted(xs):
        n = 0
        for x in xs:
            n += len(x)
            y = x
            del x
        return n, "x" in locals(), "y" in locals()

    some, none, stop = ["a", "bb", "ccc"] * 4, [], ["stop", "a"]
    for xs in [some, none, stop, some, none]:
        results = []
        for i in range(HOT):
            try:
                results.append(last(xs if i % 50 else some))
            except UnboundLocalError as e:
                results.append(str(e))
        print(len(results), sorted(set(results)), results[1], deleted(xs))
    print([deleted(xs) for _ in range(HOT) for xs in (some, none, stop)][-3:])


def case_what_a_loop_variable_loses_dies_at_once():
    log = []

    class Dying:
        def __init__(self, name):
            self.name = name

        def __del__(self):
            log.append(self.name)

    def walk(n, x):
        count = 0
        for i in range(n):
            x = Dying(i)
            count += len(log)
        return count

    def unbound(n):
        for name in range(n):
            x = Dying(name)
            log.append(-name)
        return x.name

    total = 0
    for i in range(HOT):
        log.clear()
        total += walk(i % 5, None) + walk(i % 3, Dying("given"))
        total += unbound(1 + i % 4) + len(log)
    print(total, log)


def case_loops_in_calls_left_in_any_way():
    def find(xs, wanted):
        for i, x in enumerate(xs):
            try:
                if x == wanted:
                    return i
                if x < 0:
                    raise ValueError(x)
                if x == 99:
                    break
            except ValueError as e:
                return str(e)
        else:
            return "none"
        return "broken"

    def failing(xs):
        n = 0
        for x in xs:
            n += 10 // x
        return n

    lists = [list(range(20)), [], [5], [-1, 5], [99], [3, 4, 5, -2], [1, 99, 5]]
    results = []
    for i in range(HOT * 3):
        results.append(find(lists[0 if i < HOT else i % len(lists)], 5 if i % 4 else 19))
        try:
            results.append(failing([1, 2, 3] if i % 9 else [1, 0]))
        except ZeroDivisionError as e:
            results.append((str(e), e.__traceback__.tb_next.tb_lineno - failing.__code__.co_firstlineno))
    print(results[-30:], len(results))
