"""Generators: resumed by loops, builtins and by hand; what can be seen of one that waits or runs, and how it ends."""

import gc
import inspect
import sys
import traceback
import weakref

from support import HOT, tell


def counter(n, start=0):
    i = start
    while i < start + n:
        yield i
        i += 1


def evens(source):
    for x in source:
        if x % 2 == 0:
            yield x


def case_generators_in_for_loops():
    def total(make):
        t = 0
        for x in make():
            t += x
        return t

    def two_yields(n):
        for i in range(n):
            yield i
            yield i * 10

    def floats(n):
        x = 0.5
        for _ in range(n):
            yield x
            x *= 1.01

    print(total(lambda: counter(HOT)), total(lambda: evens(range(HOT))), total(lambda: evens(counter(HOT))))
    print(total(lambda: two_yields(HOT)), total(lambda: (i * i for i in range(HOT))), total(lambda: floats(HOT)))
    print(total(lambda: (a + b for a in range(20) for b in counter(a))), [total(lambda: counter(k)) for k in (0, 1, 2, 3)])
    print(total(lambda: (int(c) for c in "123" * HOT)), total(lambda: (y for x in counter(HOT) for y in (x, -x, 1))))


def case_generator_loops_inside_loops():
    t = 0
    for i in range(HOT):
        for x in counter(i % 5):
            t += x
        for x in evens(counter(i % 7)):
            t -= x
            if x > 3:
                break
        else:
            t += 100
    print(t)


def case_values_of_many_types():
    values = [1, 2.5, "a", None, (1, 2), 10**30, True, [3]]

    def each(n):
        for i in range(n):
            yield values[i % len(values)]

    seen = {}
    for v in each(HOT * 3):
        seen[type(v).__name__] = seen.get(type(v).__name__, 0) + 1
    print(seen, sum(1 for v in each(HOT) if v is values[4]), len(set(type(v) for v in each(HOT))))


def case_consumers_of_generator_expressions():
    for n in (0, 1, 2, HOT):
        print(sum(x * x for x in range(n)), sum((x * 0.1 for x in range(n))), sum(x for x in range(n) if x % 3 == 0))
        print(any(x == n - 1 for x in range(n)), all(x < n for x in range(n)), any(x > n for x in range(n)), all(x < n - 1 for x in range(n)))
        print(len(list(x for x in range(n))), len(tuple(x for x in range(n))), len(set(x % 7 for x in range(n))), len(frozenset(x % 5 for x in range(n))))
        print(sorted((x * 7 % 11 for x in range(n)), reverse=True)[:3], "".join(str(x % 10) for x in range(n))[-20:])
        print(min((x * 7 % 11 for x in range(n)), default=None), max((x % 11 for x in range(n)), default=None), len(dict((x, x) for x in range(n))))
    for _ in range(HOT):
        assert sum(i * 2 for i in range(8)) == 56 and tuple(i for i in range(5)) == (0, 1, 2, 3, 4)
        assert set(i % 3 for i in range(8)) == {0, 1, 2} and list(c for c in "abc") == ["a", "b", "c"]
        assert any(i == 5 for i in range(8)) and not any(i == 9 for i in range(8)) and not all(i < 5 for i in range(8))


def case_sums_of_mixed_numbers():
    big = 2**62

    def run(values):
        return repr(sum(v for v in values))

    for values in ([1] * HOT + [0.5] * HOT, [0.1] * HOT + [1] * 5 + [0.1] * HOT, [big] * 3 + [1] * HOT, [0.1] * HOT + [2**70, 0.1], [True] * HOT + [1.5, 2j],
                   [1e308, 1e308, -1e308] * 100, [float("inf"), 1.0, float("-inf")] * 50, [1.0, 1e100, 1.0, -1e100] * HOT, [-0.0] * HOT, [5, -big, -big, -big] * 20,
                   [float("nan")] * 60, [0.1] * 999, [1, 2, 3]):
        print(run(values))
    print(sum((x for x in range(HOT)), 5), sum((x for x in [[1], [2]] * 3), []), repr(sum((0.1 for _ in range(HOT)), start=0.1)))


class Odd:
    """Says what is done with it."""

    log = []

    def __init__(self, n):
        self.n = n

    def __eq__(self, other):
        Odd.log.append(("eq", self.n))
        return isinstance(other, Odd) and self.n == other.n

    def __hash__(self):
        Odd.log.append(("hash", self.n))
        return self.n % 3

    def __bool__(self):
        Odd.log.append(("bool", self.n))
        return self.n == 390

    def __radd__(self, other):
        Odd.log.append(("radd", self.n))
        return other + self.n

    def __lt__(self, other):
        Odd.log.append(("lt", self.n))
        return self.n < other.n


def case_consumers_and_the_generator_take_turns():
    def odd(n):
        for i in range(n):
            Odd.log.append(("make", i))
            yield Odd(i) if i >= 380 else i

    for consumer in (list, tuple, set, sum, any, all, sorted):
        Odd.log.clear()
        source = odd(HOT)
        try:
            result = consumer(source)
            print(consumer.__name__, type(result).__name__, result if isinstance(result, (int, bool)) else len(result))
        except TypeError as error:
            print(consumer.__name__, error)
        print(len(Odd.log), Odd.log[-12:], source.gi_frame is None)


def case_consumer_fails_generator_waits():
    def values(n):
        for i in range(n):
            yield [i] if i == 350 else i

    for consumer in (set, sum, "".join, frozenset):
        source = values(HOT)
        try:
            print(consumer(source))
        except TypeError as error:
            print(error, inspect.getgeneratorstate(source), source.gi_frame is None or source.gi_frame.f_locals["i"])
        print(next(source, "ended"))


def case_generator_fails_in_consumer():
    def values(n):
        for i in range(n):
            yield 10 // (n - 5 - i)

    for consumer in (list, tuple, set, sum, sorted, any, all, lambda g: "".join(map(str, g)), max):
        for n in (3, HOT):
            source = values(n)
            try:
                print(consumer(source))
            except ZeroDivisionError as error:
                tell(error)
            print(inspect.getgeneratorstate(source))


def case_any_leaves_the_generator_waiting():
    for _ in range(HOT):
        source = (i for i in range(20))
        assert any(i == 7 for i in source) and next(source) == 8
        assert not all(i < 12 for i in source) and next(source) == 13
        assert list(source) == [14, 15, 16, 17, 18, 19] and list(source) == []
    source = counter(HOT * 2)
    print(any(x == HOT for x in source), next(source), source.gi_frame.f_locals["i"], sum(source))


def case_generator_shared_by_two_loops():
    t = []
    shared = counter(HOT * 3)
    for a in shared:
        for b in shared:
            if b % 4 == 3:
                break
        else:
            t.append("end")
        if a % 100 < 4:
            t.append((a, b))
    print(t, next(shared, "ended"))
    shared = counter(HOT * 2)
    print(sum(a * b for a, b in zip(shared, shared)))


def case_generator_resumed_by_its_own_loop():
    # `box` holds another generator of the same code first, then the one that runs.
    box = []

    def outer(n):
        for i in range(n):
            t = 0
            for x in box[0]:
                t += x
                break
            yield t

    def inner(n):
        return outer(n)

    def plain():
        while True:
            for x in box:
                pass
            yield 1

    box.append(counter(10 ** 6))
    g = outer(HOT)
    t = 0
    try:
        for i, x in enumerate(g):
            t += x
            if i == HOT - 20:
                box[0] = g
    except ValueError as error:
        tell(error)
    print(t, inspect.getgeneratorstate(g))
    try:
        print(sum(x for x in g))
    except ValueError as error:
        tell(error)


def recursive(depth, target):
    for i in range(3):
        if depth:
            for x in recursive(depth - 1, target):
                yield x + i
        else:
            yield i


def case_recursive_generators():
    print([sum(recursive(d, None)) for d in range(7)], len(list(recursive(6, None))))


def case_generator_says_it_runs():
    states = set()

    def look(g):
        states.add((g.gi_running, inspect.getgeneratorstate(g), g.gi_frame is not None and g.gi_frame.f_lineno - g.gi_code.co_firstlineno, g.gi_suspended))

    def watched(n, me):
        for i in range(n):
            if i % 50 == 7:
                look(me[0])
            yield i

    t = 0
    me = []
    me.append(watched(HOT * 2, me))
    for x in me[0]:
        t += x
        if x % 60 == 5:
            look(me[0])
    look(me[0])
    me = []
    me.append(watched(HOT * 2, me))
    print(t, sum(me[0]), sorted(states, key=repr))


def case_frames_seen_from_a_generator():
    stacks = {}

    def see(i):
        names, f = [], sys._getframe(1)
        while f is not None and f.f_code.co_filename == __file__ and len(names) < 5:
            names.append((f.f_code.co_name, f.f_lineno - f.f_code.co_firstlineno))
            f = f.f_back
        stacks[tuple(names)] = stacks.get(tuple(names), 0) + 1
        return i

    def seen(n):
        for i in range(n):
            yield see(i)
            if i % 3 == 0:
                see(i)

    def loop(n):
        t = 0
        for x in seen(n):
            t += x
        return t

    print(loop(HOT), sum(seen(HOT)), list(seen(HOT))[-1], set(seen(HOT)) == set(range(HOT)))
    for stack, count in sorted(stacks.items()):
        print(stack, count)


def case_locals_changed_through_the_frame():
    t = []
    g = counter(HOT * 2)
    for x in g:
        if x == HOT:
            g.gi_frame.f_locals["i"] = HOT + 100
        if x % 100 < 2 or x > HOT * 2 - 3:
            t.append((x, sys.getrefcount(g) > 0, g.gi_frame.f_locals["i"]))
    print(t)


def case_exceptions_through_generators():
    def bad(n):
        for i in range(n):
            try:
                yield 100 // (n - 3 - i)
            finally:
                if i == n - 5:
                    print("finally", i)

    def use(n):
        t = 0
        for x in bad(n):
            t += x
        return t

    for n in (2, HOT, HOT + 1):
        try:
            print(use(n))
        except ZeroDivisionError as error:
            tell(error)
            print("".join(traceback.format_exception(error)).count("bad"))

    def caught(n):
        for i in range(n):
            try:
                yield 10 // (i % 7)
            except ZeroDivisionError:
                yield -1
            except KeyError as error:
                yield str(error)

    t = []
    for x in caught(HOT):
        t.append(x)
    print(sum(t), t[:9], sum(caught(HOT)))


def case_exception_state_inside_generators():
    def state(n):
        for i in range(n):
            yield repr(sys.exc_info()[1])

    def handling(n):
        for i in range(n):
            try:
                raise KeyError(i % 2)
            except KeyError:
                yield repr(sys.exc_info()[1])

    seen = set()
    for x in state(HOT):
        seen.add(x)
    try:
        raise ValueError("outside")
    except ValueError:
        for x in state(HOT):
            seen.add(x)
        for x in handling(HOT):
            seen.add((x, repr(sys.exc_info()[1])))
        seen.update(set(x for x in state(HOT)))
    print(sorted(map(str, seen)), sys.exc_info())
    for x in handling(HOT):
        if sys.exc_info()[1] is not None:
            print(x)


def case_stop_iteration_inside_generators():
    def stops(n):
        for i in range(n):
            if i == n - 2:
                raise StopIteration("early")
            yield i

    def returns(n):
        for i in range(n):
            if i == n - 3:
                return i * 2
            yield i

    for n in (3, HOT):
        t = 0
        try:
            for x in stops(n):
                t += x
        except RuntimeError as error:
            tell(error)
        for x in returns(n):
            t += x
        print(t, sum(returns(n)), list(returns(n))[-1:])
        for consumer in (sum, list, set):
            try:
                consumer(stops(n))
            except RuntimeError as error:
                print(error, repr(error.__cause__))


def case_close_throw_send_from_the_loop():
    def talk(n):
        got = None
        for i in range(n):
            try:
                got = yield (i, got)
            except KeyError as error:
                got = repr(error)
            except GeneratorExit:
                print("closed at", i)
                raise

    t = []
    g = talk(HOT * 2)
    for i, got in g:
        if i % 90 == 10:
            t.append(("send", g.send(i)))
        if i % 90 == 40:
            t.append(("throw", g.throw(KeyError(i))))
        if got is not None:
            t.append((i, got))
        if i == HOT + 77:
            g.close()
    print(t, inspect.getgeneratorstate(g))
    g = counter(HOT)
    t = 0
    for x in g:
        t += x
        if x == HOT - 7:
            g.close()
    print(t)


def case_generators_dropped_in_loops():
    log = []

    class Witness:
        def __init__(self, n):
            self.n = n

        def __del__(self):
            log.append(self.n)

    def holds(n, k):
        w = Witness(k)
        try:
            for i in range(n):
                yield i
        finally:
            log.append(("end", k, w.n))

    t = 0
    for k in range(HOT):
        for x in holds(4, k):
            t += x
            if x == k % 5:
                break
        log.append("next")
    print(t, len(log), log[:12], log[-12:])
    refs = []
    for k in range(HOT):
        g = counter(5)
        refs.append(weakref.ref(g))
        for x in g:
            if x == 3:
                break
        del g
    gc.collect()
    print(sum(r() is not None for r in refs))


def case_variables_of_generators_die_in_time():
    log = []

    class Loud:
        def __init__(self, n):
            self.n = n

        def __del__(self):
            log.append(self.n)

    def makes(n):
        for i in range(n):
            it = Loud(i)
            yield i
        log.append("out")

    t = 0
    for x in makes(HOT):
        log.append(("body", x))
        t += x
    print(t, log[:7], log[-7:], len(log))
    log.clear()
    print(sum(makes(HOT)), log[-4:], len(log))


def case_yield_from_in_loops():
    def inner(n):
        got = yield from range(n)
        return got

    def middle(n):
        total = yield from counter(n)
        yield total
        yield from (x * 2 for x in range(n))
        return "done"

    t = []
    for k in range(60):
        for x in middle(k % 9):
            t.append(x)
        for x in inner(k % 5):
            t.append(x)
    print(len(t), sum(x for x in t if x is not None), len(list(middle(HOT))), sum(x or 0 for x in middle(HOT)))


def case_values_sent_to_generators():
    def average():
        total, n, got = 0.0, 0, None
        while True:
            got = yield (total / n if n else None)
            total += got
            n += 1

    g = average()
    next(g)
    out = 0.0
    for i in range(HOT):
        out = g.send(i)
    print(out, sum(x for x in iter(lambda: g.send(1), None) if x < 3) if False else "")


def case_tracing_begins_in_the_middle():
    events = []

    def tracer(frame, event, arg):
        if frame.f_code.co_name in ("traced", "work"):
            events.append((frame.f_code.co_name, event, frame.f_lineno - frame.f_code.co_firstlineno))
        return tracer

    def traced(n):
        for i in range(n):
            if i == n - 3:
                sys.settrace(tracer)
            yield i

    def work(n):
        t = 0
        for x in traced(n):
            t += x
        return t

    print(work(HOT))
    sys.settrace(None)
    print(events)
    events.clear()
    print(sum(traced(HOT)))
    sys.settrace(None)
    print(events)


def case_monitoring_of_a_generator():
    seen = []
    mon = sys.monitoring
    mon.use_tool_id(3, "test")
    for event in (mon.events.PY_YIELD, mon.events.PY_RESUME, mon.events.PY_RETURN, mon.events.PY_START):
        mon.register_callback(3, event, lambda code, *rest, event=event: seen.append((event, code.co_name, rest[-1] if event == mon.events.PY_YIELD else None)))

    def watched(n):
        for i in range(n):
            yield i

    t = 0
    for x in watched(HOT):
        t += x
        if x == HOT - 4:
            mon.set_local_events(3, watched.__code__, mon.events.PY_YIELD | mon.events.PY_RESUME | mon.events.PY_RETURN)
    print(t, seen)
    seen.clear()
    print(sum(watched(3)), seen)
    mon.set_local_events(3, watched.__code__, 0)
    seen.clear()
    mon.set_events(3, mon.events.PY_YIELD)
    print(sum(watched(5)), len(seen))
    mon.set_events(3, 0)
    mon.free_tool_id(3)
    print(sum(watched(HOT)), len(seen))


def case_functions_made_in_loops():
    made = []
    for i in range(HOT):
        k = i * 2
        f = lambda x, y=i: x + y + k  # noqa: E731
        if i % 100 == 3:
            made.append((f, f.__name__, f.__defaults__, f.__closure__[0].cell_contents, f.__module__, f.__qualname__))
        t = f(1)

        def g(a: int = 5, *, b=i) -> int:
            return a + b + t

        if i % 100 == 4:
            made.append((g.__annotations__, g.__kwdefaults__, g.__defaults__, g(), g(1, b=2)))
    print([m[1:] if callable(m[0]) else m for m in made], t, [m[0](1) for m in made if callable(m[0])])


def case_generators_made_in_loops():
    kept = []
    for i in range(HOT):
        g = (x + i for x in range(i % 6))
        h = counter(3, i)
        kept.append(g)
        if i % 100 == 5:
            print(g.__name__, g.__qualname__, inspect.getgeneratorstate(g), g.gi_frame.f_lineno - case_generators_made_in_loops.__code__.co_firstlineno,
                  next(h), h.__name__, dict(h.gi_frame.f_locals), h.gi_yieldfrom)
    print(sum(sum(g) for g in kept), sum(sum(g) for g in kept))


def case_recursion_limit_in_generators():
    def deep(n):
        yield n
        for x in deep(n + 1):
            yield x

    def chain(n):
        g = iter(range(5))
        for _ in range(n):
            g = (x for x in g)
        return g

    for _ in range(3):
        try:
            for x in deep(0):
                pass
        except RecursionError:
            print("too deep", x > 100)
    print([sum(chain(n)) for n in (1, 10, 100, 400)])


def case_class_bodies_and_cells():
    def make(k):
        shared = 0

        def gen(n):
            nonlocal shared
            for i in range(n):
                shared += i
                yield shared + k

        def read():
            return shared

        return gen, read

    gen, read = make(3)
    t = 0
    for x in gen(HOT):
        t += x - read()
    print(t, read(), sum(gen(HOT)), read())


def case_await_and_async_generators():
    import asyncio

    async def agen(n):
        for i in range(n):
            yield i
            if i % 50 == 0:
                await asyncio.sleep(0)

    async def main():
        t = 0
        async for x in agen(HOT):
            t += x
        return t, sum([x async for x in agen(HOT)])

    print(asyncio.run(main()))
