"""Functions entered where they start: recursion, what is seen from inside, changes made meanwhile."""

import functools
import sys
import threading

from support import HOT, tell

CALLS = 2500  # of one function: more than the default threshold, with room for side traces


def fib(n):
    if n < 2:
        return n
    return fib(n - 1) + fib(n - 2)


def case_fibonacci():
    print([fib(n) for n in range(22)])


def case_fibonacci_of_other_types():
    print([fib(n) for n in range(18)], fib(17.0), fib(True), fib(10**30 - 10**30 + 12))
    try:
        fib("a")
    except TypeError as error:
        tell(error)


def case_ackermann():
    def ack(m, n):
        if m == 0:
            return n + 1
        if n == 0:
            return ack(m - 1, 1)
        return ack(m - 1, ack(m, n - 1))

    print(ack(2, 9), ack(2, 30))


def case_hanoi_with_lists():
    def move(n, source, target, spare):
        if n > 0:
            move(n - 1, source, spare, target)
            target.append(source.pop())
            move(n - 1, spare, target, source)

    a, b, c = list(range(11, 0, -1)), [], []
    move(11, a, b, c)
    print(a, b, c)


class Node:
    def __init__(self, value, left=None, right=None):
        self.value = value
        self.left = left
        self.right = right

    def total(self):
        t = self.value
        if self.left is not None:
            t += self.left.total()
        if self.right is not None:
            t += self.right.total()
        return t

    def depth(self):
        return 1 + max([child.depth() for child in (self.left, self.right) if child] or [0])


def tree(depth, value=1):
    if depth == 0:
        return None
    return Node(value, tree(depth - 1, value * 2), tree(depth - 1, value * 2 + 1))


def case_trees():
    root = tree(12)
    print(root.total(), root.depth())
    root.left.left.value = 0.5
    print(root.total())


def case_a_tree_with_a_loop_in_the_function():
    def walk(node):
        t = node[0]
        for child in node[1]:
            t += walk(child)
        return t

    def build(depth):
        return (depth, [build(depth - 1) for i in range(depth)])

    root = build(6)
    for i in range(3):
        print(walk(root))


def case_mutual_recursion():
    def even(n):
        return True if n == 0 else odd(n - 1)

    def odd(n):
        return False if n == 0 else even(n - 1)

    print(sum(even(n % 40) for n in range(400)))


def case_small_functions_called_from_c():
    def key(pair):
        return -pair[1], pair[0]

    pairs = [(i, i * 7919 % 1000) for i in range(CALLS)]
    pairs.sort(key=key)
    print(pairs[:3], pairs[-3:], functools.reduce(lambda a, b: (a * 31 + b[0]) % 10007, pairs, 0))


def case_recursion_through_c():
    def flatten(x):
        if isinstance(x, int):
            return [x]
        return sum(map(flatten, x), [])

    def nest(n):
        return 1 if n == 0 else [nest(n - 1), nest(n - 1), n]

    print(len(flatten(nest(9))), sum(flatten(nest(8))))
    tail = sorted(range(300), key=lambda i: fib(i % 9))
    print(tail[:5], tail[-5:])


def case_all_kinds_of_parameters():
    def f(a, b=2, *rest, c=3, **others):
        x = a + b
        if rest:
            x += rest[0]
        return x + c + len(others)

    t = 0
    for i in range(CALLS // 10):
        t += sum(map(f, range(10)))
        t += f(i, 5, 6, 7, c=i, d=1) + f(*[1, 2, 3]) + f(1, b=2)
    print(t)


def case_recursion_with_defaults_and_keywords():
    def f(n, acc=0, *, step=1):
        if n <= 0:
            return acc
        return f(n - step, acc + n, step=step)

    def g(n, acc=0):
        return acc if n <= 0 else g(n - 1, acc=acc + n) if n % 3 else g(n - 1)

    print([f(n, step=1 + n % 2) for n in range(60)][-3:], [g(n) for n in range(80)][-3:])


def case_closures_and_cells():
    def outer(k):
        count = 0

        def inner(n):
            nonlocal count
            count += 1
            return k if n == 0 else inner(n - 1) + inner(n - 1)

        return inner(6), count

    print([outer(k) for k in range(20)])


def case_a_cell_made_in_the_recursion():
    def f(n):
        def g():
            return n

        return g() if n == 0 else g() + f(n - 1)

    print(sum(f(n % 20) for n in range(300)))


def case_locals_that_are_not_set_on_every_path():
    def f(n):
        if n % 3:
            x = n
        if n % 5:
            return x
        del x
        return -1

    got = []
    for i in range(CALLS):
        try:
            got.append(f(i))
        except UnboundLocalError as error:
            got.append(str(error))
    print(got[:30], len(set(map(str, got))))


def case_parameters_written_and_deleted():
    def f(a, b):
        t = a
        a = b
        b = t
        if a > b:
            del a
            return b
        return [a, b, t][a % 2]

    print(sum(f(i % 50, i % 7) for i in range(CALLS)))


# --- exceptions -------------------------------------------------------------------------------


def case_an_exception_through_the_recursion():
    def f(n):
        if n == 0:
            raise ValueError("bottom")
        return f(n - 1) + 1

    for i in range(HOT):
        try:
            f(i % 6)
        except ValueError as error:
            if i > HOT - 8:
                tell(error)


def case_handlers_in_the_recursion():
    def f(n, log):
        try:
            if n == 0:
                raise KeyError(len(log))
            return f(n - 1, log) + 1
        except KeyError as error:
            if n % 3 == 2:
                log.append(n)
                return error.args[0]
            raise
        finally:
            log.append(-n)

    got = []
    for i in range(HOT):
        log = []
        try:
            got.append((f(i % 9, log), len(log), log[-3:]))
        except KeyError as error:
            got.append((error.args, len(log)))
    print(got[-9:], len(got))


def case_a_new_exception_keeps_its_context():
    def f(n):
        try:
            return 1 // n if n < 1 else f(n - 1)
        except ZeroDivisionError as error:
            raise LookupError(n) from (error if n % 2 else None)
        except LookupError:
            raise TypeError(n)

    for i in range(HOT):
        try:
            f(i % 4)
        except (LookupError, TypeError) as error:
            if i > HOT - 6:
                tell(error)


def case_recursion_limit():
    depth = 0

    def f(n):
        nonlocal depth
        depth = max(depth, n)
        return f(n + 1) + 1

    def down(n):
        return 0 if n == 0 else down(n - 1) + 1

    for i in range(5):
        print(sum(down(n % 300) for n in range(900)))
        depth = 0
        try:
            f(0)
        except RecursionError as error:
            print(type(error).__name__, error, depth > 900, depth < 1000)
    try:
        down(5000)
    except RecursionError as error:
        tb, n = error.__traceback__, 0
        while tb is not None:
            tb, n = tb.tb_next, n + 1
        print(error, n)


def case_the_recursion_limit_is_what_it_was():
    def down(n):
        return 0 if n == 0 else down(n - 1) + 1

    def deepest():
        n = 1
        try:
            while True:
                down(n)
                n += 1
        except RecursionError:
            return n

    found = {deepest() for i in range(4)}
    sys.setrecursionlimit(400)
    found_low = {deepest() for i in range(4)}
    sys.setrecursionlimit(3000)
    print(found, found_low, {deepest() for i in range(2)})


def case_very_deep_recursion():
    def down(n):
        return 0 if n == 0 else down(n - 1) + 1

    sys.setrecursionlimit(200_000)
    print([down(n) for n in (10, 1000, 50_000, 150_000, 20)])


def case_very_deep_recursion_through_star_arguments():
    def down(*args):
        return 0 if args[0] == 0 else down(args[0] - 1) + 1

    sys.setrecursionlimit(100_000)
    print([down(n) for n in [10] * 200 + [1000, 50_000, 80_000, 20]][-4:])


def case_deep_recursion_in_a_thread_with_a_small_stack():
    def down(n):
        return 0 if n == 0 else down(n - 1) + 1

    got = []
    print(sum(down(n % 50) for n in range(200)))
    threading.stack_size(128 * 1024)
    for n in (10, 500, 900):
        thread = threading.Thread(target=lambda: got.append(down(n)))
        thread.start()
        thread.join()
    print(got)


# --- what is seen from inside -----------------------------------------------------------------


def case_frames_seen_from_the_bottom():
    def f(n):
        if n == 0:
            frame, seen = sys._getframe(), []
            while frame.f_code is f.__code__:
                seen.append((frame.f_lineno - f.__code__.co_firstlineno, dict(frame.f_locals)["n"]))
                frame = frame.f_back
            return seen
        mine = n * 2
        below = f(n - 1)
        return below if mine else None

    for i in range(HOT):
        got = f(i % 7)
    print(got, f(12))


def case_a_local_changed_from_inside():
    def change():
        frame = sys._getframe(1)
        frame.f_locals["x"] = 100

    def f(n, odd):
        x = n
        if odd:
            change()
        return x if n == 0 else x + f(n - 1, False)

    print([f(i % 5, i % 50 == 3) for i in range(HOT)][-60:])


def case_a_frame_that_outlives_the_call():
    frames = []

    def f(n):
        kept = [n]
        if n % 13 == 0:
            frames.append(sys._getframe())
        return n if n == 0 else f(n - 1) + kept[0]

    print(sum(f(i % 20) for i in range(HOT)), len(frames))
    print(frames[-1].f_locals.keys() - {"frames", "f"}, frames[-1].f_lineno - f.__code__.co_firstlineno, frames[-1].f_back is not None)


class Noisy:
    log = []

    def __init__(self, name):
        self.name = name

    def __del__(self):
        frame = sys._getframe(1)
        self.log.append((self.name, frame.f_code.co_name, frame.f_lineno - frame.f_code.co_firstlineno))


def case_destructors_at_return():
    def f(n, thing):
        mine = Noisy(n)
        other = mine
        if n == 0:
            return 0
        return f(n - 1, Noisy(-n)) + 1

    for i in range(HOT):
        f(i % 4, Noisy("top"))
    print(len(Noisy.log), Noisy.log[-20:])


def case_a_destructor_of_what_is_returned_and_dropped():
    def f(n):
        return Noisy(n) if n == 0 else f(n - 1)

    for i in range(HOT):
        f(i % 4)
    print(len(Noisy.log), Noisy.log[-4:])


def case_references_stay_balanced():
    marker, other = object(), object()

    def f(n, a, b, c=None):
        x, y = a, [b]
        b = x
        return (x, y[0], c) if n == 0 else f(n - 1, b, a)

    before = sys.getrefcount(marker), sys.getrefcount(other)
    for i in range(CALLS // 2):
        f(i % 5, marker, other)
    after = sys.getrefcount(marker), sys.getrefcount(other)
    print(after[0] - before[0], after[1] - before[1])


# --- changes made while it runs ---------------------------------------------------------------


step = 1


def case_a_global_rebound_in_the_recursion():
    global step

    def f(n):
        global step
        if n == 7:
            step += 1
        return step if n == 0 else f(n - 1) * 2 + step

    print([f(i % 9) for i in range(HOT)][-20:], step)
    step = 1


def case_the_function_itself_rebound_in_the_recursion():
    global walk

    def other(n):
        return -n

    def walk(n):
        global walk
        if n == 3 and changes:
            changes.pop()
            walk = other
        return n if n == 0 else walk(n - 1) + n

    mine, got = walk, []
    for i in range(HOT):
        changes = [1] if i % 100 == 99 else []
        got.append(mine(i % 6))
        walk = mine
    print(got[-110:])


counter = None


def count_down(n):
    if n == 2 and counter is not None:
        count_down.__code__ = counter
    return 0 if n == 0 else count_down(n - 1) + 1


def count_otherwise(n):
    return 1000 if n == 0 else count_down(n - 1) + 100


def case_code_replaced_in_the_recursion():
    global counter
    old, got = count_down.__code__, []
    for i in range(HOT):
        counter = count_otherwise.__code__ if i % 40 == 39 else None
        got.append(count_down(i % 7))
        count_down.__code__ = old
    print(got[-45:])


def case_defaults_replaced_in_the_recursion():
    def f(n, k=1):
        if n == 3 and grow:
            f.__defaults__ = (f.__defaults__[0] + 1,)
        return k if n == 0 else f(n - 1) + k

    got = []
    for i in range(HOT):
        grow = i % 60 == 59
        got.append(f(i % 6))
    print(got[-65:])


def case_two_functions_of_one_code():
    spaces = [{"k": k} for k in range(3)]
    source = "def f(n):\n    return k if n == 0 else f(n - 1) + k\n"
    code = compile(source, "<both>", "exec")
    for space in spaces:
        exec(code, space)
    twins = [type(space["f"])(spaces[0]["f"].__code__, space) for space in spaces]
    for space, twin in zip(spaces, twins):
        space["f"] = twin
    print([sum(twin(i % 9) for i in range(HOT)) for twin in twins * 2])


# --- tracers, threads, generators ---------------------------------------------------------------


def case_settrace_from_inside():
    lines = []

    def trace(frame, event, arg):
        if frame.f_code in codes:
            lines.append((event, frame.f_code.co_name, frame.f_lineno - frame.f_code.co_firstlineno))
            return trace

    def f(n):
        if n == 2 and on:
            sys.settrace(trace)
        if n == 0:
            return 1
        return f(n - 1) + f(n - 1)

    codes, on = {f.__code__}, False
    for i in range(HOT // 4):
        on = i == HOT // 4 - 3
        t = f(i % 6 if not on else 3)
        sys.settrace(None)
    print(t, len(lines), lines[:40])


def case_setprofile_from_inside():
    events = []

    def profile(frame, event, arg):
        if frame.f_code is code:
            events.append((event, arg))

    def f(n):
        if n == 2 and on:
            sys.setprofile(profile)
        return 1 if n == 0 else f(n - 1) + f(n - 1)

    code, on = f.__code__, False
    for i in range(HOT // 4):
        on = i == HOT // 4 - 3
        t = f(i % 6 if not on else 4)
        sys.setprofile(None)
    print(t, len(events), events[:30])


def case_monitoring_from_inside():
    seen = []
    E = sys.monitoring.events
    sys.monitoring.use_tool_id(2, "test")
    sys.monitoring.register_callback(2, E.PY_START, lambda code, offset: seen.append(("start", code.co_name)))
    sys.monitoring.register_callback(2, E.PY_RETURN, lambda code, offset, value: seen.append(("return", value)))

    def f(n):
        if n == 2 and on:
            sys.monitoring.set_events(2, E.PY_START | E.PY_RETURN)
        return 1 if n == 0 else f(n - 1) + f(n - 1)

    on = False
    for i in range(HOT // 4):
        on = i == HOT // 4 - 3
        t = f(i % 6 if not on else 4)
        sys.monitoring.set_events(2, 0)
    sys.monitoring.free_tool_id(2)
    print(t, len(seen), seen[:30])


def case_a_tool_set_where_an_iterator_ends():
    seen = []

    def profile(frame, event, arg):
        if frame.f_code is work.__code__ or frame.f_code is outer.__code__:
            seen.append((event, frame.f_code.co_name))

    left = [0]

    def step():
        left[0] -= 1
        if left[0] < 0:
            if on:
                sys.setprofile(profile)
            return None
        return left[0]

    def work(i):
        return i + 1

    def outer(i):
        left[0] = 3
        for x in iter(step, None):
            i += x
        return work(i) + work(i)

    on, t = False, 0
    for i in range(HOT):
        on = i == HOT - 3
        t += outer(i)
        if on:
            sys.setprofile(None)
    print(t, seen)


def case_a_tool_set_where_an_iterator_ends_inside_a_loop():
    seen = []

    def trace(frame, event, arg):
        seen.append((event, frame.f_code.co_name, frame.f_lineno - frame.f_code.co_firstlineno))

    def step():
        left[0] -= 1
        if left[0] < 0:
            if on[0]:
                sys.settrace(trace)
            return None
        return left[0]

    def work(i):
        return i + 1

    def outer(n):
        t = 0
        for i in range(n):
            left[0] = i % 4
            on[0] = i == HOT - 3
            for x in iter(step, None):
                t += x
            t += work(i)
        return t

    left, on = [0], [False]
    t = outer(HOT)
    sys.settrace(None)
    print(t, seen)


def case_a_tool_that_watches_the_callee_only():
    seen = []
    E = sys.monitoring.events
    sys.monitoring.use_tool_id(3, "test")
    sys.monitoring.register_callback(3, E.PY_RETURN, lambda code, offset, value: seen.append(value))

    def below(n):
        return n if n == 0 else above(n - 1) + 1

    def above(n):
        return n if n == 0 else below(n - 1) + 1

    print(sum(above(i % 9) for i in range(HOT)))
    sys.monitoring.set_local_events(3, below.__code__, E.PY_RETURN)
    print(sum(above(i % 9) for i in range(9)), seen)
    sys.monitoring.free_tool_id(3)


def case_threads_in_one_recursion():
    def f(n):
        return 1 if n == 0 else f(n - 1) + f(n - 1)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    got = []
    threads = [threading.Thread(target=lambda k=k: got.append((k, sum(f(n % 9) for n in range(60))))) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)
    print(sorted(got))


def case_a_signal_in_the_recursion():
    import signal

    hits = []
    signal.signal(signal.SIGALRM, lambda number, frame: hits.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    n = 0
    while len(hits) < 3:
        n += fib(12)
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(n % 144, len(hits) >= 3)


def case_an_exception_from_a_signal():
    import signal

    def alarm(number, frame):
        raise TimeoutError("alarm")

    signal.signal(signal.SIGALRM, alarm)
    for i in range(3):
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        try:
            fib(60)
        except TimeoutError as error:
            print(type(error).__name__, error, error.__traceback__.tb_next is not None)


def case_generators_start_as_they_do():
    def count(n):
        yield n
        if n > 0:
            yield from count(n - 1)

    print(sum(sum(count(i % 9)) for i in range(HOT)))


def case_coroutines():
    async def work(n):
        return n if n == 0 else await work(n - 1) + 1

    def run(coroutine):
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return stop.value

    print(sum(run(work(i % 12)) for i in range(HOT)))


def case_a_class_that_calls_itself():
    class Chain:
        def __init__(self, n):
            self.n = n
            self.rest = Chain(n - 1) if n else None

        def __len__(self):
            return 1 + (len(self.rest) if self.rest else 0)

        def __getattr__(self, name):
            if self.__dict__.get("rest") is None:
                raise AttributeError(name)
            return getattr(self.rest, name)

        def __del__(self):
            dead.append(self.n)

    dead = []
    for i in range(HOT):
        chain = Chain(i % 8)
        len(chain)
        try:
            chain.nothing
        except AttributeError as error:
            last = str(error)
    del chain
    print(len(dead), dead[-9:], last)


def case_results_of_every_kind():
    def f(n):
        if n % 6 == 0:
            return
        if n % 6 == 1:
            return n / 2
        if n % 6 == 2:
            return [n]
        if n % 6 == 3:
            return "x" * (n % 4)
        if n % 6 == 4:
            return n * 10**12
        return f

    kinds = {}
    for value in map(f, range(CALLS)):
        kinds[type(value).__name__] = kinds.get(type(value).__name__, 0) + 1
    print(kinds, [f(n) for n in range(10) if n % 6 != 5])


def case_a_function_called_with_other_types_later():
    def add(a, b):
        c = a + b
        return c

    pairs = [(1, 2), (1.5, 2), ("a", "b"), ([1], [2]), (True, 10**20), ((1,), (2,))]
    got = [add(*pairs[i * len(pairs) // CALLS]) for i in range(CALLS)]
    print(got[::200])


def case_global_names_deleted():
    global vanishing
    vanishing = 5

    def f(n):
        return vanishing if n == 0 else f(n - 1)

    got = []
    for i in range(HOT):
        if i == HOT - 5:
            del vanishing
        try:
            got.append(f(i % 5))
        except NameError as error:
            got.append(str(error))
    print(got[-10:])
