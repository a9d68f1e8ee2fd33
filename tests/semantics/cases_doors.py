"""Functions entered by their own vectorcall: called in every form, from everywhere, changed and looked at meanwhile."""

import contextvars
import copy
import functools
import gc
import inspect
import itertools
import pickle
import posixpath
import random
import sys
import threading
import weakref

from support import tell

CALLS = 1300  # of one function: more than the default threshold, and some that go through the door


def add(a, b=10):
    return a * 2 + b


def warm(function, *args):
    for _ in range(CALLS):
        function(*args)
    return function(*args)


def attempt(function, *args, **kwargs):
    try:
        return function(*args, **kwargs)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def case_wrong_and_other_arguments():
    warm(add, 1, 2)
    for _ in range(3):
        print(attempt(add), attempt(add, 1, 2, 3), attempt(add, 1, c=2), attempt(add, 1, a=1), attempt(add, b=2))
        print(add(1), add(1, 2), add(1, b=3), add(b=1, a=2), add(*(4, 5)), add(**{"a": 1}), add(*[7], **{"b": 8}))


def one_signature(rng, number):
    """Source of a function `f` with random parameters."""
    names = [f"p{i}" for i in range(rng.randint(0, 5))]
    slash, defaults = rng.choice([0, 0, rng.randint(0, len(names))]), rng.randint(0, len(names))
    parts = [name if i < len(names) - defaults else f"{name}={i * 100}" for i, name in enumerate(names)]
    if slash:
        parts.insert(slash, "/")
    used = list(names)
    star = rng.random() < 0.3
    if star:
        parts.append("*rest")
        used.append("rest")
    keyword_only = rng.choice([[], [], [], ["k1=7"], ["k1=7", "k2=8"], ["k1=7", "k2"]])
    if keyword_only:
        parts += ([] if star else ["*"]) + keyword_only
        used += [name[:2] for name in keyword_only]
    if rng.random() < 0.25:
        parts.append("**more")
        used.append("[*more.items()]")
    shape = rng.choice(["plain", "plain", "free", "cell", "cells", "both"])
    body = {"plain": f"return [{', '.join(used)}]", "free": f"return [outer, {', '.join(used)}]",
            "cell": f"return (lambda: [{', '.join(used)}])()", "both": f"return (lambda: [outer, {', '.join(used)}])()",
            "cells": f"local = [{', '.join(used)}]; return (lambda: local)()"}[shape]
    return (f"def make(outer):\n    def f({', '.join(parts)}):\n        {body}\n    return f\nf = make({number})\n",
            names)


class Name(str):
    pass


def forms(f, names):
    n = len(names)
    made = "".join(["k", "1"])          # no interned str
    for count in range(n + 2):
        yield attempt(f, *range(count))
        yield attempt(f, *range(count), k2=1)
        yield attempt(f, *range(count), **{name: name for name in names[count:]})
        yield attempt(f, *range(count), k2=2, **dict.fromkeys(names[count:], 5))
        yield attempt(f, *range(count), other=3)
        yield attempt(f, *range(count), other=3, k2=4, **{made: 5})
        yield attempt(f, *range(count), k2=6, **{Name("k1"): 7}, **{Name("x"): 8})
        yield attempt(f, *range(count), **dict.fromkeys(reversed(names[count:]), 9), z=1, a=2)
        yield list(map(lambda *a: attempt(f, *a), *[[0, 1]] * count)) if count else attempt(functools.partial(f))
        yield attempt(functools.partial(f, *range(min(1, count))), *range(1, count))


def case_random_signatures_in_every_form():
    rng = random.Random(5)
    digest = []
    for number in range(300):
        source, names = one_signature(rng, number)
        space = {}
        exec(source, space)
        f = space["f"]
        calls = [(tuple(range(len(names))), {"k2": 3})] + ([(tuple(range(len(names) - 1)), {})] if names else [])
        for args, named in calls:
            for _ in range(1100 if number % 10 == 0 else 120):
                attempt(f, *args)
                attempt(f, *args, **named)
        for _ in range(2):
            digest.append(repr([*forms(f, names)]))
    print(len(digest), hash("".join(digest)), digest[0], digest[-1])


def case_keyword_defaults_set_while_hot():
    def f(x, *rest, y=1, z=2, **more):
        return [x, rest, y, z, more]

    class Odd(dict):
        pass

    out = []
    for i in range(2 * CALLS):
        if i == CALLS:
            f.__kwdefaults__ = {"z": 5}
        elif i == CALLS + 100:
            f.__kwdefaults__["y"] = 6           # nobody is told
        elif i == CALLS + 200:
            del f.__kwdefaults__["z"]
        elif i == CALLS + 300:
            f.__kwdefaults__ = Odd(y=7, z=8)
        elif i == CALLS + 400:
            f.__kwdefaults__ = {1: 2, (1, "a"): 3, "y": 9, "z": 10}
        elif i == CALLS + 500:
            f.__kwdefaults__ = None
        out.append(attempt(f, i))
        out.append(attempt(f, i, i, y=3, q=4))
    for at in (CALLS, CALLS + 100, CALLS + 200, CALLS + 300, CALLS + 400, CALLS + 500):
        print(out[2 * at - 2:2 * at + 2])


def case_cells_are_made_for_each_call():
    def counter(start, *, step=1):
        total = start

        def up():
            nonlocal total, step
            total += step
            step += 1
            return total
        return up

    def shared(x):
        def get():
            return x

        def put(value):
            nonlocal x
            x = value
        return get, put

    ups = [counter(i) for i in range(CALLS)] + [counter(i, step=5) for i in range(100)]
    print(sum(up() for up in ups), sum(up() for up in ups), ups[3](), ups[-1]())
    pairs = [shared(i) for i in range(CALLS)]
    for get, put in pairs:
        put(get() * 2)
    print(sum(get() for get, put in pairs), len({id(get.__closure__[0]) for get, put in pairs}),
          pairs[7][0].__closure__[0] is pairs[7][1].__closure__[0], sys.getrefcount(pairs[9][0].__closure__[0].cell_contents))

    def late(n):
        def see():
            return value
        if n == CALLS:
            return attempt(see)
        value = n
        return see()

    print(sum(late(i) for i in range(CALLS)), late(CALLS))


def case_wrappers_with_stars():
    log = []

    def wrap(f):
        @functools.wraps(f)
        def wrapper(*args, **kwargs):
            log.append(len(args) * 10 + len(kwargs))
            kwargs.setdefault("b", 3)
            return f(*args, **kwargs)
        return wrapper

    @wrap
    def f(a, b=2, *, c=4):
        return a + b * c

    keywords = {"c": 5}
    for i in range(CALLS):
        f(i), f(i, b=1), f(a=i, c=2), f(i, **keywords)
    print(sum(log), keywords, f(1), f(1, c=1), attempt(f, 1, 2), attempt(f), attempt(f, 1, d=3))
    given = {"c": 7}
    print(f(2, **given), given, [*map(f, range(5))])


def case_code_is_exchanged_while_hot():
    def f(x):
        return x + 1

    def g(x):
        return x * 100

    def h(x, y=3):
        return x * 10 + y

    seen = []
    for i in range(2 * CALLS):
        if i == CALLS:
            f.__code__ = g.__code__
        elif i == CALLS + 300:
            f.__code__ = h.__code__
        elif i == CALLS + 400:
            f.__defaults__ = (5,)
        elif i == CALLS + 600:
            f.__defaults__ = None
        seen.append(attempt(f, i))
    print(sum(x for x in seen if type(x) is int), seen[CALLS - 1:CALLS + 2], seen[CALLS + 299:CALLS + 302],
          seen[CALLS + 399:CALLS + 402], seen[CALLS + 599:CALLS + 602])
    print(attempt(map(f, [1]).__next__), attempt(f, 1, 2))


def case_defaults_set_while_hot():
    def f(x, y=1):
        return x + y

    out = []
    for i in range(CALLS + 600):
        if i % 200 == 100:
            f.__defaults__ = (i,)
        out.append(f(1))
    print(sum(out), f(1), f(1, 1), f.__defaults__)
    f.__kwdefaults__ = {"y": 5}
    print(f(1), attempt(f, y=2), f(2, y=3))


def mutable(x):
    if x == CALLS + 50:
        mutable.__code__ = (lambda x: ("new", x)).__code__
    return x


def case_the_function_changes_itself():
    print([mutable(i) for i in range(CALLS + 100)][-52:-46])


def key(pair):
    return pair[1] - pair[0]


class Number:
    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return self.value == other.value

    def __lt__(self, other):
        return self.value < other.value

    def __hash__(self):
        return self.value % 17

    def __getitem__(self, i):
        if i > 3:
            raise IndexError(i)
        return self.value + i

    def __len__(self):
        return self.value % 3

    def __bool__(self):
        return self.value > 5

    def __call__(self, x):
        return self.value * x

    def __add__(self, other):
        return Number(self.value + other.value)

    def __contains__(self, x):
        return x == self.value

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return (name, self.value)

    @property
    def half(self):
        return self.value // 2

    @staticmethod
    def double(x):
        return x * 2

    @classmethod
    def of(cls, x):
        return cls(x)


def case_called_from_c():
    pairs = [(i * 7 % 31, i * 3 % 17) for i in range(CALLS)]
    for _ in range(3):
        print(sum(x[0] for x in sorted(pairs, key=key)[:50]), max(pairs, key=key), min(pairs, key=key))
        print(sum(map(key, pairs)), len(list(filter(key, pairs))), functools.reduce(add, range(900)) % 1000003)
        print([k for k, g in itertools.groupby(pairs, key)][:5], [*itertools.takewhile(key, pairs)][:3])


def case_slots_of_classes():
    for _ in range(3):
        numbers = [Number(i * 5 % 101) for i in range(700)]
        print(len(set(numbers)), sorted(numbers)[13].value, numbers.index(Number(7)), Number(3) in numbers)
        print(sum(n[1] for n in numbers), sum(len(n) for n in numbers), sum(1 for n in numbers if n))
        print(sum(n(2) for n in numbers), sum((n + n).value for n in numbers), sum(3 in n for n in numbers))
        print(sum(n.half for n in numbers), sum(n.double(2) for n in numbers), sum(n.of(3).value for n in numbers))
        print(numbers[5].other, sum(sum(n) for n in numbers), attempt(lambda: numbers[0]._x))


def case_wrappers():
    def logged(f):
        @functools.wraps(f)
        def wrapper(*args, **kwargs):
            return f(*args, **kwargs)
        return wrapper

    def plain(f):
        @functools.wraps(f)
        def wrapper(x):
            return f(x) + 1
        return wrapper

    one, two = logged(add), [plain(add), plain(abs), plain(len)]
    print(warm(one, 3), warm(one, 3, 4), attempt(one), attempt(one, 1, 2, 3))
    for _ in range(CALLS):
        two[0](1), two[1](-5)
    print(two[0](1), two[1](-5), two[2]("abc"), attempt(two[2], 3), two[0].__wrapped__ is add, attempt(two[0]))
    cached = functools.lru_cache(maxsize=None)(key)
    print(sum(cached((i % 50, 3)) for i in range(CALLS)), cached.cache_info())
    part = functools.partial(add, b=1)
    print(warm(part, 2), attempt(part, 2, 3), warm(functools.partial(add, 5)), add.__defaults__)


def fails(x):
    if x == 3:
        raise ValueError(x)
    return x


def catches(x):
    try:
        return fails(x)
    except ValueError as error:
        return -error.args[0]


def case_exceptions_and_tracebacks():
    warm(fails, 1)
    warm(catches, 1)
    for call in (lambda: fails(3), lambda: [*map(fails, [1, 2, 3])], lambda: sorted([1, 2, 3], key=fails),
                 lambda: fails("a" + 1), lambda: fails(), lambda: max([3], key=fails)):
        try:
            call()
        except (ValueError, TypeError) as error:
            tell(error)
    print([catches(i) for i in range(5)], sum(catches(i % 7) for i in range(CALLS)))


def where(x):
    y = x * 2
    if x % 500 == 499:
        frame = sys._getframe()
        back = frame.f_back
        print(frame.f_code.co_name, frame.f_lineno - frame.f_code.co_firstlineno, sorted(frame.f_locals), frame.f_locals["y"], back.f_code.co_name,
              back.f_lineno - back.f_code.co_firstlineno, [f.function for f in inspect.stack()[:4]])
    return y


def case_frames_seen_from_inside():
    print(sum(where(i) for i in range(2 * CALLS)))
    print(sum(map(where, range(2 * CALLS))))
    print(len(sorted(range(2 * CALLS), key=where)))
    caller = lambda i: where(i)     # noqa: E731
    print(sum(map(caller, range(2 * CALLS))))


def keeps(x):
    if x == CALLS + 20:
        return sys._getframe()
    return x


def case_a_frame_is_kept():
    frames = [keeps(i) for i in range(CALLS + 40)]
    frame = frames[CALLS + 20]
    print(frame.f_locals, frame.f_back is None, frame.f_lineno - frame.f_code.co_firstlineno, sys.getrefcount(frame))
    frame.clear()
    print(frame.f_locals)


def down(n):
    return 0 if n == 0 else 1 + down(n - 1)


def ping(n):
    return 0 if n == 0 else pong(n - 1) + 1


def pong(n):
    return ping(n - 1) + 1 if n else 0


def deepest(n):
    try:
        return deepest(n + 1)
    except RecursionError:
        return n


def odd(n, step):
    if n % step == 3:
        return 1 + odd(n - 1, step)
    if n <= 0:
        return 0
    return 1 + odd(n - 1, step) if n % step else 1 + odd(n - 1, step + 1)


def case_recursion_goes_as_deep():
    for f, args in ((down, (3,)), (ping, (4,)), (odd, (5, 3))):
        warm(f, *args)
    print(warm(deepest, sys.getrecursionlimit() - 20) > 0, deepest(0) > 900)
    for i in range(50):
        down(i * 15), ping(i * 15), odd(i * 15, 3)
    sys.setrecursionlimit(60000)
    for _ in range(3):
        print(down(50000), ping(50000), odd(50000, 7))
    print(sum(map(down, [500] * 50)), down(50000))
    sys.setrecursionlimit(300)
    print(attempt(down, 1000), attempt(ping, 500))


def case_recursion_through_c():
    def tree(n):
        return n + sum(map(tree, range(n - 3, n))) if n > 3 else n

    def nested(n):
        return [n] if n == 0 else sorted([nested(n - 1)], key=len)

    print([tree(n) for n in range(14)], [len(repr(nested(n))) for n in range(1, 300, 40)])


def case_threads_call_the_same_function():
    results = [0] * 4

    def work(k):
        total = 0
        for i in range(6000):
            total += add(i, k)
        results[k] = total + sum(map(add, range(6000)))

    for _ in range(3):
        threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        print(results)


def case_threads_begin_in_the_function():
    out = []
    warm(add, 1, 2)
    for i in range(20):
        t = threading.Thread(target=add, args=(i, 2))
        t.start()
        t.join()
        t = threading.Thread(target=lambda: out.append(down(900)))
        t.start()
        t.join()
    print(out)


def switches(x):
    if x == CALLS + 10:
        sys.settrace(tracer)
    elif x == CALLS + 15:
        sys.settrace(None)
    elif x == CALLS + 20:
        sys.setprofile(profiler)
    elif x == CALLS + 25:
        sys.setprofile(None)
    return add(x)


def tracer(frame, event, arg):
    if "cases_doors" in frame.f_code.co_filename:
        print(event, frame.f_code.co_name, frame.f_lineno - frame.f_code.co_firstlineno, arg)
    return tracer


def profiler(frame, event, arg):
    name = getattr(arg, "__name__", arg)
    print(event, frame.f_code.co_name, name)


def case_tracer_and_profiler_begin_inside():
    total = 0
    for i in range(CALLS + 40):
        total += switches(i)
    print(total)
    total = 0
    for x in map(switches, range(CALLS + 40)):
        total += x
    print(total)


def case_monitoring_begins_inside():
    monitoring, tool = sys.monitoring, 3
    events = monitoring.events
    monitoring.use_tool_id(tool, "test")
    log = []
    for event in (events.PY_START, events.PY_RETURN):
        monitoring.register_callback(tool, event, lambda code, at, *rest: log.append((code.co_name, rest)))

    def f(x):
        if x == CALLS + 5:
            monitoring.set_events(tool, events.PY_START | events.PY_RETURN)
        elif x == CALLS + 8:
            monitoring.set_events(tool, 0)
        elif x == CALLS + 12:
            monitoring.set_local_events(tool, g.__code__, events.PY_START)
        elif x == CALLS + 16:
            monitoring.set_local_events(tool, g.__code__, 0)
        return g(x)

    def g(x):
        return x + 1

    print(sum(f(i) for i in range(CALLS + 30)), log)
    print(sum(map(f, range(CALLS + 30))), len(log))
    monitoring.free_tool_id(tool)


def case_copied_pickled_inspected():
    warm(add, 1, 2)
    print(copy.copy(add) is add, copy.deepcopy(add) is add)
    print(warm(posixpath.basename, "/a/b"), pickle.loads(pickle.dumps(posixpath.basename)) is posixpath.basename)
    print(inspect.signature(add), inspect.getfullargspec(add).args, add.__name__, add.__qualname__, add.__module__)
    other = type(add)(add.__code__, {}, "other", (100,))
    print(other(1), warm(other, 1), add(1), other.__defaults__)
    method = add.__get__(5)
    print(warm(method), method(3), attempt(method, 1, 2))


class Loud:
    def __init__(self, name):
        self.name = name

    def __del__(self):
        print("gone", self.name)


def case_functions_die():
    def make(k):
        loud = Loud(k)

        def f(x):
            return x + k if loud else 0
        return f

    for k in range(4):
        f = make(k)
        ref = weakref.ref(f, lambda r: print("function gone"))
        print(sum(f(i) for i in range(CALLS)), sum(map(f, range(100))))
        if k % 2:
            f.itself = f
        del f
        gc.collect()
        print(ref())
    total = 0
    for i in range(CALLS):
        g = lambda x: x + i      # noqa: E731
        total += g(1) + g(2)
    print(total)


def case_objects_die_when_they_would():
    def take(x, y):
        z = [x, y]
        x = None
        return z[1]

    for i in range(CALLS):
        take(i, i)
    for i in range(3):
        print("before", i)
        value = take(Loud((i, "a")), Loud((i, "b")))
        print("after", i)
        del value
    print([x.name for x in map(take, [Loud("c")], [Loud("d")])])


def case_an_argument_dies_when_the_callee_drops_it():
    def drop(x, y=1, *, z=2):
        x = None
        print("dropped")
        return y

    def plain(x, y=1):
        x = None
        print("dropped") if y != 1 else 0
        return y

    def rest(*x, y=1):
        x = None
        print("dropped") if y != 1 else 0

    def more(**x):
        x = None
        print("dropped") if out else 0

    def cell(x, y=1):
        def get():
            return x
        x = None
        print("dropped") if y != 1 else 0

    class A:
        def method(self, x):
            self = x = None
            print("dropped") if out else 0

    out = []
    for i in range(CALLS):
        plain(i), plain(i, 1), plain(i, y=1), rest(i), rest(i, i), more(x=i), cell(i), cell(i, y=1)
        A().method(i)
    for i in range(3):
        plain(*(Loud(("star", i)), 4))
        plain(Loud(("named", i)), y=5)
    out.append(1)
    rest(Loud("r1"), Loud("r2"), y=3)
    rest(*(Loud("r3"), Loud("r4")))
    more(a=Loud("m1"), b=Loud("m2"))
    named = {"a": Loud("m3")}
    more(**named)
    del named
    for function in (plain, drop, cell):
        function(Loud("a"), 2)
        function(Loud("b"), y=3)
        function(*(Loud("c"), 4))
        pair = (Loud("c3"), 4)
        function(*pair)
        del pair
        function(y=4, x=Loud("d"))
        named = {"x": Loud("d3")}
        function(**named, y=4)
        del named
        functools.partial(function, y=5)(Loud("e"))
        functools.partial(function)(Loud("f"), 6)
        contextvars.copy_context().run(function, Loud("g"), 7)
        print(attempt(function, Loud("h"), 8, 9))
        try:
            function(Loud("i"), 1, 2)
        except TypeError as error:
            print(error)
        print([*map(function, [Loud("j")], [10])])
        print(sorted([Loud("k")], key=lambda x: function(x, 11))[0].name)
    A().method(Loud("m"))
    bound = A().method
    bound(Loud("n"))


def case_the_function_ends_its_own_name():
    def f(x):
        global victim
        if x == CALLS:
            del victim
            gc.collect()
        return x + 1

    global victim
    victim = f
    del f
    i = 0
    try:
        while True:
            victim(i)
            i += 1
    except NameError as error:
        print(i, error)


def case_switched_off_and_on_again():
    jitpatch = sys.modules.get("jitpatch")
    total = 0
    for k in range(5):
        if jitpatch is not None and jitpatch.is_available():
            (jitpatch.enable if k % 2 == 0 else jitpatch.disable)()
        for i in range(CALLS):
            total += add(i) + add(i, k)
        total += sum(map(add, range(CALLS)))
    print(total)


def toggled(x):
    jitpatch = sys.modules.get("jitpatch")
    if x == CALLS + 7 and jitpatch is not None and jitpatch.is_available():
        jitpatch.disable()
        jitpatch.enable()
    return x + 1


def case_switched_off_by_the_function_itself():
    print(sum(toggled(i) for i in range(CALLS + 100)), sum(map(toggled, range(2 * CALLS))))
