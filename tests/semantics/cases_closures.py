"""Functions made at each call of another: closures, lambdas, defaults."""

import gc
import sys

from support import HOT, tell


def adder(n):
    def add(x):
        return x + n

    return add


def counter():
    n = 0

    def count():
        nonlocal n
        n += 1
        return n

    return count


def scaled(values, by=2):
    def scale(x, k=by):
        return x * k

    total = 0
    for value in values:
        total += scale(value)
    return total


def apply(f, x):
    return f(x)


def case_closures_with_cells_of_their_own():
    adders = [adder(i) for i in range(7)]
    total = 0
    for i in range(HOT):
        total += adders[i % 7](i) * (i % 3 + 1)
    print(total)


def case_cells_written_by_closures():
    counters = [counter() for _ in range(3)]
    seen = 0
    for i in range(HOT):
        seen += counters[i % 3]()
    print(seen, [c() for c in counters])


def case_functions_made_for_each_run_of_a_loop():
    print([scaled(range(20), by) for by in range(30)][-3:], scaled(range(HOT)))


def case_defaults_of_functions_with_the_same_code():
    def make(k):
        return lambda x, y=k, *, z=1: x + y + z

    def plain(k):
        return lambda x, y=k: (x, y)

    functions = [plain(k) for k in range(5)]
    others = [make(k) for k in range(5)]
    total = 0
    for i in range(HOT):
        total += functions[i % 5](i)[1] + functions[i % 5](i, 100)[1] + functions[i % 5](x=1)[1]
        total += others[i % 5](i)
    print(total)


def case_one_of_many_functions_gets_other_code():
    functions = [adder(i) for i in range(5)]
    seen = []
    for i in range(HOT):
        if i == HOT - 40:
            functions[2].__code__ = adder(0).__code__.replace(co_consts=(None,))
        if i == HOT - 20:
            def other(n):
                def add(x):
                    return x - n

                return add

            functions[3].__code__ = other(0).__code__
        seen.append(functions[i % 5](i))
    print(seen[-45:])


def case_a_function_dies_while_it_runs():
    class Holder:
        pass

    def make(i):
        class Sign:
            def __del__(self):
                log.append(i)

        sign = Sign()

        def run(x):
            holder.f = None
            log.append("running")
            return sign is not None and x

        return run

    holder, log, total = Holder(), [], 0
    for i in range(HOT):
        holder.f = make(i)
        total += holder.f(i)
    print(total, len(log), log[-6:])


def case_exceptions_in_functions_made_each_time():
    def make(i):
        def divide(x):
            return x / (i % 50 - 49)

        return divide

    total = 0
    for i in range(HOT):
        try:
            total += make(i)(i)
        except ZeroDivisionError as error:
            if i > HOT - 60:
                tell(error)
    print(round(total, 6))


def case_references_to_functions_and_their_cells():
    functions = [adder(object.__sizeof__(i) * 1000) for i in range(4)]
    before = [sys.getrefcount(f) for f in functions], [sys.getrefcount(f.__closure__[0]) for f in functions]
    for i in range(HOT):
        apply(functions[i % 4], i)
        functions[i % 3](i)
    after = [sys.getrefcount(f) for f in functions], [sys.getrefcount(f.__closure__[0]) for f in functions]
    print(before == after)


def case_same_code_with_other_globals():
    code = "def make():\n    def f(x):\n        return x + base\n    return f\n"
    compiled = compile(code, "made", "exec")
    spaces = []
    for base in (1, 10, 100):
        space = {"base": base}
        exec(compiled, space)
        spaces.append(space)
    functions, total = [space["make"]() for space in spaces], 0
    for i in range(HOT):
        total += functions[i % 3](i)
        if i == HOT // 2:
            spaces[1]["base"] = 5000
    print(total)


def case_frames_of_functions_made_each_time():
    def make(i):
        def look():
            frame = sys._getframe()
            return frame.f_code.co_name, frame.f_back.f_code.co_name, i

        return look

    seen = None
    for i in range(HOT):
        seen = make(i)()
    print(seen)


def case_functions_made_for_each_loop_do_not_pile_up():
    def run(n):
        f = lambda x: x + n  # noqa: E731
        total = 0
        for i in range(30):
            total += f(i)
        return total

    print(sum(run(i) for i in range(200)))
    gc.collect()
    print(sum(1 for o in gc.get_objects() if getattr(o, "__name__", "") == "<lambda>"
              and getattr(o, "__qualname__", "").startswith("case_functions_made_for_each_loop")) <= 4)


def case_functions_made_for_one_call():
    """Generator expressions: their functions and closures need not exist, unless somebody looks."""
    import gc

    class Loud:
        def __init__(self, name):
            self.name = name

        def __del__(self):
            log.append(self.name)

        def __iter__(self):
            return iter((1, 2, 3))

    log = []

    def consume(n):
        total = 0
        for i in range(n):
            j = i & 7
            total += sum(x + j for x in (i, j))
            total += len(tuple(i + x for x in range(j)))
            held = Loud(i % 3)
            total += sum(x + held.name for x in held)
        return total

    print(consume(HOT), len(log), log[-3:])

    def cells(n):
        seen = set()
        for i in range(n):
            a, b, c, d, e = i, i + 1, i + 2, i + 3, i + 4
            three = (a + b + c + x for x in range(2))
            five = (a + b + c + d + e + x for x in range(2))
            b = -b
            seen.add(sum(three) * 100 + sum(five))
        return len(seen), sum(seen)

    print(cells(HOT))

    def looked_at(n):
        kinds = {}
        for i in range(n):
            make = lambda: i + 1
            if i % 50 == 49:
                key = make.__name__, make.__qualname__, make.__module__, make.__closure__[0].cell_contents == i
                kinds[key] = kinds.get(key, 0) + 1
            if i % 90 == 89:
                kinds[make()] = [type(f).__name__ for f in gc.get_referrers(make.__closure__)]
        return kinds

    print(looked_at(HOT))


def case_code_replaced_in_a_function_just_made():
    def other(n):
        return [n, n]

    def run(n):
        out = []
        for i in range(n):
            def gen(k):
                yield k
                yield i
            if i % 40 == 39:
                gen.__code__ = (lambda k: iter((k, i))).__code__
            if i % 70 == 69:
                gen.__defaults__ = (5,)
            out.append(sum(gen(i)))
        return sum(out), out[-1]

    print(run(HOT), other(1))


def case_exits_with_a_function_unmade():
    def run(values):
        out = []
        for v in values:
            k = len(out)
            try:
                out.append(sum(x + k for x in v[1:]))
            except TypeError as e:
                out.append(len(str(e)))
        return out

    values = [[1, 2, 3]] * HOT
    print(sum(run(values)))
    print(sum(run(values[:50] + [5] + [(1, 2)] * 60 + ["abc"] * 3 + [b"abc"] * 60 + [range(4)] * 60)))

    def builtins_changed(n):
        namespace = {"__builtins__": {"sum": sum, "range": range, "len": len}}
        exec("def f(n):\n t = 0\n for i in range(n):\n  t += sum(len(str_) + i for str_ in ('a', 'bc'))\n return t", namespace)
        first = namespace["f"](n)
        namespace["__builtins__"] = {"sum": max, "len": lambda s: 100, "range": range}
        return first, namespace["f"](n)

    print(builtins_changed(HOT))


def case_objects_in_a_tuple_unmade_at_an_exit():
    """The tuple that the exit makes holds references of its own."""

    class Thing:
        def __init__(self, a):
            self.a = a

    def run(things, kept):
        for thing in things:
            pair = thing, 1
            nested = lambda: (thing, pair)
            if thing.a > 5:
                kept.append((pair, nested))
            pair = None
            nested = None
            thing = None

    kept = []
    things = [Thing(9 if i % 199 == 198 else 0) for i in range(HOT)]
    for _ in range(3):
        run(things, kept)
    print(len(kept), [sys.getrefcount(pair[0]) for pair, _ in kept][-3:])
    del things
    gc.collect()
    print([pair[0].a for pair, _ in kept][-3:], [nested() for _, nested in kept][-3:])
