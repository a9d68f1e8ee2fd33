"""Exceptions raised at each kind of instruction: type, text, lines, context, and what runs afterwards."""

import sys
import traceback

from support import HOT, places, tell


class Raiser:
    """Every operation raises once `fuse` calls are used up."""

    def __init__(self, fuse):
        self.fuse = fuse

    def _burn(self, what):
        self.fuse -= 1
        if self.fuse < 0:
            raise RuntimeError(what)

    def __add__(self, other):
        self._burn("add")
        return 1

    def __radd__(self, other):
        self._burn("radd")
        return 1

    def __iadd__(self, other):
        self._burn("iadd")
        return self

    def __neg__(self):
        self._burn("neg")
        return 1

    def __lt__(self, other):
        self._burn("lt")
        return True

    def __eq__(self, other):
        self._burn("eq")
        return True

    __hash__ = None

    def __bool__(self):
        self._burn("bool")
        return True

    def __getitem__(self, key):
        self._burn("getitem")
        return 1

    def __setitem__(self, key, value):
        self._burn("setitem")

    def __delitem__(self, key):
        self._burn("delitem")

    def __contains__(self, key):
        self._burn("contains")
        return True

    def __iter__(self):
        self._burn("iter")
        return iter((1, 2))

    def __call__(self, *args, **kw):
        self._burn("call")
        return 1

    def __len__(self):
        self._burn("len")
        return 1

    def __enter__(self):
        self._burn("enter")
        return self

    def __exit__(self, *exc):
        self._burn("exit")
        return False

    def __format__(self, spec):
        self._burn("format")
        return "r"

    @property
    def attribute(self):
        self._burn("get")
        return 1

    @attribute.setter
    def attribute(self, value):
        self._burn("set")

    @attribute.deleter
    def attribute(self):
        self._burn("delete")


BODIES = {
    "add": "x = r + 1", "radd": "x = 1 + r", "iadd": "r += 1", "neg": "x = -r", "compare": "x = r < 1",
    "equal": "x = r == 1", "truth": "x = 1 if r else 2", "not": "x = not r", "getitem": "x = r[0]",
    "slice": "x = r[1:2]", "setitem": "r[0] = 1", "delitem": "del r[0]", "contains": "x = 1 in r",
    "iterate": "for x in r: pass", "unpack": "x, y = r", "star": "x = [*r]", "call": "x = r(1, k=2)",
    "call_star": "x = r(*(1, 2))", "len": "x = len(r)", "with": "with r: pass", "fstring": "x = f'{r}'",
    "get": "x = r.attribute", "set": "r.attribute = 1", "delete": "del r.attribute",
    "augmented": "r.attribute += 1", "comprehension": "x = [q for q in r]", "and": "x = r and 1",
    "in_call": "x = max(r + 1, 2)", "nested": "x = (lambda q: q + 1)(r)", "item_add": "r[0] += 1",
    "sum": "x = sum(r)", "while": "while r: break", "assert": "assert r", "dict": "x = {r: 1} if i > 300 else 0",
}
SHAPES = {
    "bare": "    for i in range({hot}):\n        {body}\n",
    "try": "    for i in range({hot}):\n        try:\n            {body}\n"
           "        except RuntimeError as error:\n            seen.append((i, str(error), places(error)))\n"
           "            r = Raiser(150)\n",
    "finally": "    for i in range({hot}):\n        try:\n            {body}\n        finally:\n            last = i\n",
    "with": "    for i in range({hot}):\n        with Note(seen, i):\n            {body}\n",
    "outer": "    try:\n        for i in range({hot}):\n            {body}\n"
             "    except RuntimeError as error:\n        seen.append((i, str(error), places(error)))\n",
}


class Note:
    def __init__(self, seen, i):
        self.seen = seen
        self.i = i

    def __enter__(self):
        return self

    def __exit__(self, kind, error, tb):
        if kind is not None:
            self.seen.append((self.i, kind.__name__, tb.tb_lineno))
        return False


def _each_operation(shape):
    for name, body in BODIES.items():
        source = ("def f(r, seen):\n    x = last = None\n" + SHAPES[shape].format(hot=HOT, body=body)
                  + "    return i, x, last\n")
        namespace = {"Note": Note, "places": places, "Raiser": Raiser}
        exec(compile(source, f"<{name}>", "exec"), namespace)
        seen = []
        try:
            print(name, namespace["f"](Raiser(220), seen), seen)
        except (RuntimeError, TypeError) as error:
            tell(error)
            print(name, seen)


def case_every_operation_raises_in_a_bare_loop():
    _each_operation("bare")


def case_every_operation_raises_in_try():
    _each_operation("try")


def case_every_operation_raises_in_finally():
    _each_operation("finally")


def case_every_operation_raises_in_with():
    _each_operation("with")


def case_every_operation_raises_around_the_loop():
    _each_operation("outer")


def case_uncaught_traceback_text():
    def inner(i):
        if i == 350:
            raise ValueError("three fifty")
        return i

    def outer():
        for i in range(HOT):
            inner(i)

    outer()


def case_uncaught_in_a_nested_loop_without_function():
    table = {i: i for i in range(300)}
    for i in range(3):
        for j in range(HOT):
            table[i + j]


def case_context_and_cause():
    for i in range(HOT):
        try:
            try:
                if i % 100 == 99:
                    [].pop()
            except IndexError as first:
                if i % 200 == 199:
                    raise KeyError(i) from first
                {}[i]
        except KeyError as error:
            tell(error)


def case_exception_inside_except_inside_loop():
    for i in range(HOT):
        try:
            int("x" if i % 90 == 0 else "1")
        except ValueError:
            try:
                1 / (i % 180)
            except ZeroDivisionError as error:
                print(i, repr(error), repr(error.__context__), sys.exc_info()[0].__name__)
    print(sys.exc_info())


def case_exc_info_seen_by_a_callee():
    def current():
        kind = sys.exc_info()[0]
        return kind.__name__ if kind else None

    seen = {}
    for i in range(HOT):
        key = current()
        seen[key] = seen.get(key, 0) + 1
    try:
        raise OSError
    except OSError:
        for i in range(HOT):
            key = current()
            seen[key] = seen.get(key, 0) + 1
    print(seen)


def case_bare_raise_in_a_loop():
    count = 0
    for i in range(HOT):
        try:
            try:
                raise LookupError(i)
            except LookupError:
                raise
        except LookupError as error:
            count += len(places(error))
    print(count)


def case_finally_with_break_continue_return():
    def f(mode):
        log = []
        for i in range(HOT):
            try:
                if i % 50 == 49:
                    if mode == "break":
                        break
                    if mode == "continue":
                        continue
                    if mode == "return":
                        return "returned", i, log
                log.append(i)
            finally:
                log.append(-i)
        return i, len(log), sum(log)

    for mode in ("break", "continue", "return", "none"):
        print(mode, f(mode))


def case_return_in_finally_swallows():
    def f(n):
        for i in range(n):
            try:
                1 / (i - n + 2)
            finally:
                if i == n - 2:
                    return i
        return "end"

    print(f(HOT), f(HOT + 7))


def case_with_swallows_mid_loop():
    class Swallow:
        def __enter__(self):
            return self

        def __exit__(self, kind, error, tb):
            return kind is KeyError

    reached = 0
    for i in range(HOT):
        with Swallow():
            if i % 7 == 3:
                raise KeyError(i)
            reached += 1
    print(reached)


def case_traceback_object_chain_is_complete():
    def a(i):
        return b(i) + 1

    def b(i):
        return c(i) * 2

    def c(i):
        return 10 // (350 - i)

    try:
        for i in range(HOT):
            a(i)
    except ZeroDivisionError as error:
        print("".join(traceback.format_exception(error)))


def case_traceback_frames_have_the_right_locals():
    def work(x, y):
        z = x + y
        return z // (y - 340)

    try:
        total = 0
        for i in range(HOT):
            total += work(i * 2, i)
    except ZeroDivisionError as error:
        tb = error.__traceback__
        print({k: v for k, v in tb.tb_frame.f_locals.items() if isinstance(v, int)}, tb.tb_next.tb_frame.f_locals)


def case_stop_iteration_from_next_is_not_the_end_of_the_loop():
    it = iter(range(300))
    try:
        for i in range(HOT):
            x = next(it)
    except StopIteration as error:
        print(i, x, error.value, places(error))


def case_unbound_local_read():
    def f(n):
        for i in range(n):
            if i > 300:
                del x
            x = i if i < 300 else x
        return x

    try:
        f(HOT)
    except UnboundLocalError as error:
        tell(error)


def case_unbound_local_deleted_then_read():
    def f(n):
        x = 0
        for i in range(n):
            if i == 333:
                del x
            x += 1

    try:
        f(HOT)
    except UnboundLocalError as error:
        tell(error)


def case_unbound_cell():
    def f(n):
        def g():
            return value

        for i in range(n):
            if i == 333:
                del value
            else:
                value = i
            g()

    try:
        f(HOT)
    except NameError as error:
        tell(error)


def case_missing_global():
    namespace = {"present": 1}
    exec("def f(n):\n    t = 0\n    for i in range(n):\n        t += present\n        if i == 333: drop()\n    return t\n",
         namespace)
    namespace["drop"] = lambda: namespace.pop("present")
    try:
        namespace["f"](HOT)
    except NameError as error:
        tell(error)


def case_missing_attribute_and_suggestion():
    class A:
        value = 1

    a = A()
    try:
        for i in range(HOT):
            a.value if i < 333 else a.valeu
    except AttributeError as error:
        print(error.name, error.obj is a)
        tell(error)


def case_wrong_arguments():
    def f(a, b=1, *, c):
        return a

    for call in (lambda i: f(1, c=1) if i < 300 else f(), lambda i: f(1, c=1) if i < 300 else f(1, 2, 3, c=1),
                 lambda i: f(1, c=1) if i < 300 else f(1), lambda i: f(1, c=1) if i < 300 else f(1, c=1, d=2),
                 lambda i: len([]) if i < 300 else len(), lambda i: len([]) if i < 300 else len(3)):
        try:
            for i in range(HOT):
                call(i)
        except TypeError as error:
            print(i, error, places(error))


def case_wrong_unpacking():
    for bad in ((1,), (1, 2, 3), 5, "ab3"):
        try:
            for i in range(HOT):
                a, b = (i, i) if i < 300 else bad
        except (TypeError, ValueError) as error:
            print(i, a, b, type(error).__name__, error)


def case_index_and_key_errors():
    xs, d = list(range(300)), {i: i for i in range(300)}
    for what in (lambda i: xs[i], lambda i: d[i], lambda i: xs[-i - 1], lambda i: (1, 2)[i // 200], lambda i: "ab"[i // 150]):
        try:
            for i in range(HOT):
                what(i)
        except LookupError as error:
            print(i, type(error).__name__, error)


def case_exception_groups():
    count = 0
    for i in range(HOT):
        try:
            raise ExceptionGroup("g", [ValueError(i), TypeError(i)])
        except* ValueError as group:
            count += len(group.exceptions)
        except* TypeError as group:
            count += 100 * len(group.exceptions)
    print(count)


def case_exceptions_release_what_they_hold():
    import weakref

    class Thing:
        pass

    alive = []
    for i in range(HOT):
        thing = Thing()
        alive.append(weakref.ref(thing))
        try:
            if i % 3 == 0:
                raise ValueError(thing)
        except ValueError:
            pass
        del thing
    print(sum(ref() is not None for ref in alive))


def case_system_exit_in_a_loop():
    for i in range(HOT):
        print("working") if i == 0 else None
        if i == 390:
            sys.exit(7)


def case_memory_error_and_assertion_texts():
    for i in range(HOT):
        try:
            if i > 390:
                assert i < 391, f"i is {i}"
        except AssertionError as error:
            print(error)


def case_raise_non_exception():
    try:
        for i in range(HOT):
            if i == 350:
                raise 5
    except TypeError as error:
        tell(error)


def case_except_clause_with_a_bad_type():
    try:
        for i in range(HOT):
            try:
                if i == 350:
                    raise ValueError("v")
            except 5:
                pass
    except TypeError as error:
        tell(error)


def case_except_name_is_unbound_afterwards():
    def f():
        for i in range(HOT):
            try:
                raise ValueError(i)
            except ValueError as e:
                pass
        return e

    try:
        f()
    except UnboundLocalError as error:
        tell(error)


def case_error_in_handler_expression():
    def pick(i):
        if i == 350:
            raise RuntimeError("picking")
        return ValueError

    try:
        for i in range(HOT):
            try:
                raise ValueError(i)
            except pick(i):
                pass
    except RuntimeError as error:
        tell(error)
