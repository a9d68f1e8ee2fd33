"""Calls of every kind, closures, attributes, descriptors, operators, classes."""

import functools
import operator

from support import HOT, tell

values = []


def case_positional_keyword_default():
    def f(a, b=2, *args, c=3, **kw):
        return a + b * 10 + c * 100 + len(args) * 1000 + len(kw) * 10000

    t = 0
    for i in range(HOT):
        t += f(1) + f(1, 3) + f(1, c=5) + f(a=1, b=2) + f(1, 2, 3, 4) + f(1, z=1, y=2) + f(*(1, 2, 3)) + f(**{"a": 4, "q": 1})
        t += f(i, *[i], c=i, **{"m": i})
    print(t)


def case_positional_only_and_keyword_only():
    def f(a, /, b, *, c):
        return a - b * c

    t = 0
    for i in range(HOT):
        t += f(i, 2, c=3) + f(i, b=3, c=i)
    print(t)


def case_argument_evaluation_order():
    log = []

    def note(x):
        log.append(x)
        return x

    def f(*args, **kw):
        return len(args) + len(kw)

    for i in range(HOT):
        f(note(1), *[note(2)], note(3), k=note(4), **{"m": note(5)})
        [note(6), note(7)][note(0)] + note(8)
    print(log[:9], len(log), hash(tuple(log)))


def case_many_arguments():
    def f(a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q):
        return a + b + c + d + e + g + h + i + j + k + l + m + n + o + p + q

    t = 0
    for x in range(HOT):
        t += f(x, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, x)
    print(t)


def case_big_stack():
    t = 0
    for i in range(HOT):
        t += (i + (i + (i + (i + (i + (i + (i + (i + (i + (i + (i + (i + (i + (i + (i + (i + (i + (i + (i + (i + 1))))))))))))))))))))
        xs = [i, i + 1, i + 2, i + 3, i + 4, i + 5, i + 6, i + 7, i + 8, i + 9, i + 10, i + 11, i + 12, i + 13, i + 14, [i, (i, {i: i})]]
    print(t, xs)


def case_nested_calls_inlined_deep():
    def a(x): return b(x) + 1
    def b(x): return c(x) * 2
    def c(x): return d(x) - 3
    def d(x): return e(x) if x % 2 else -e(x)
    def e(x): return x + 0.5 if x > 300 else x

    t = 0
    for i in range(HOT):
        t += a(i)
    print(t)


def case_polymorphic_callee():
    fs = [abs, float, str, lambda x: x + 1, int, functools.partial(max, 5), "{}".format, operator.neg, bool, case_polymorphic_callee.__class__]
    out = []
    for i in range(HOT):
        try:
            out.append(fs[i % len(fs)](i))
        except TypeError as error:
            out.append(str(error))
    print([str(x) for x in out[-10:]])


def case_bound_methods_kept():
    class A:
        def __init__(self):
            self.n = 0

        def step(self, k=1):
            self.n += k
            return self.n

    a = A()
    step, append, t = a.step, values.append, 0
    for i in range(HOT):
        t += step() + step(2) + A.step(a) + a.step.__func__(a, 3)
        append(i)
    print(t, a.n, len(values), a.step == step, a.step is step)


def case_classes_called():
    class A:
        made = 0

        def __new__(cls, *args):
            cls.made += 1
            return super().__new__(cls)

        def __init__(self, x=0):
            self.x = x

    class B(A):
        def __init__(self, x):
            super().__init__(x + 1)

    class NoInit:
        pass

    t = 0
    for i in range(HOT):
        t += A(i).x + B(i).x + A().x + len(NoInit().__dict__) + int("7") + len(list("ab")) + len(dict(a=1)) + type(i)(3)
    print(t, A.made, B.made)


def case_init_returning_something():
    class A:
        def __init__(self, i):
            if i == 350:
                return 5

    try:
        for i in range(HOT):
            A(i)
    except TypeError as error:
        tell(error)


def case_closures_and_nonlocal():
    def counter(start):
        n = start

        def bump(by=1):
            nonlocal n
            n += by
            return n

        def get():
            return n

        return bump, get

    bump, get = counter(10)
    other, get_other = counter(0.5)
    t = 0
    for i in range(HOT):
        t += bump(i) + get() + other()
    print(t, get(), get_other())


def case_closures_made_in_the_loop():
    fs = []
    for i in range(HOT):
        fs.append(lambda: i)
        fs.append(lambda i=i: i)
    print(fs[0](), fs[1](), fs[-2](), fs[-1](), sum(f() for f in fs))


def case_loop_variable_is_a_cell():
    def f():
        total = 0

        def add():
            nonlocal total
            total += i * x

        for i in range(HOT):
            x = i % 3
            add()
        return total, i, x

    print(f())


def case_cells_shared_between_generators():
    def f():
        shared = 0

        def g():
            nonlocal shared
            for _ in range(HOT):
                shared += 1
                yield shared

        return sum(a * b for a, b in zip(g(), g()))

    print(f())


def case_property_and_setter():
    class A:
        def __init__(self):
            self._x, self.reads = 0, 0

        @property
        def x(self):
            self.reads += 1
            return self._x

        @x.setter
        def x(self, value):
            self._x = value if value < 300 else 0

    a = A()
    for i in range(HOT):
        a.x = a.x + 1
        a.x += 1
    print(a._x, a.reads)


def case_descriptors_data_and_non_data():
    class Data:
        def __get__(self, obj, cls):
            return "data"

        def __set__(self, obj, value):
            log.append(value)

    class NonData:
        def __get__(self, obj, cls):
            return "nondata" if obj is not None else "class"

    class A:
        d, n = Data(), NonData()

    log, out, a = [], {}, A()
    for i in range(HOT):
        if i == 200:
            a.__dict__["d"] = "instance"
            a.__dict__["n"] = "instance"
        key = (a.d, a.n, A.n)
        out[key] = out.get(key, 0) + 1
        a.d = i
    print(out, len(log))


def case_getattr_getattribute_setattr_delattr():
    class A:
        def __init__(self):
            object.__setattr__(self, "log", 0)

        def __getattr__(self, name):
            if name.startswith("v"):
                return len(name)
            raise AttributeError(name)

        def __setattr__(self, name, value):
            object.__setattr__(self, "log", self.log + 1)
            object.__setattr__(self, name, value)

        def __delattr__(self, name):
            object.__setattr__(self, "log", self.log + 100)
            object.__delattr__(self, name)

    class B:
        def __getattribute__(self, name):
            return name * 2 if name == "q" else object.__getattribute__(self, name)

    a, b, t = A(), B(), 0
    for i in range(HOT):
        t += a.v1 + a.vvv + len(b.q)
        a.x = i
        t += a.x
        del a.x
        t += hasattr(a, "x") + hasattr(a, "v") + getattr(a, "nope", 5)
    print(t, a.log)


def case_slots():
    class S:
        __slots__ = ("x", "y")

    class T(S):
        __slots__ = ("z",)

    s, t, out = S(), T(), 0
    s.x, s.y, t.x, t.z = 1, 2.5, 3, 0
    for i in range(HOT):
        s.x += 1
        s.y *= 1.001
        t.z += s.x
        t.x = t.z
        out += t.x
        if i % 100 == 50:
            del s.x
            try:
                s.x
            except AttributeError as error:
                print(error)
            s.x = i
    print(out, s.x, s.y)


def case_class_and_static_methods():
    class A:
        count = 0

        @classmethod
        def make(cls, n):
            cls.count += n
            return cls

        @staticmethod
        def twice(n):
            return n * 2

    class B(A):
        pass

    t = 0
    for i in range(HOT):
        t += A.twice(i) + B().twice(1) + A.make(1).count + B.make(2).count + B().make(0).count
    print(t, A.count, B.count)


def case_super_and_mro():
    class A:
        def f(self):
            return ["A"]

    class B(A):
        def f(self):
            return ["B", *super().f()]

    class C(A):
        def f(self):
            return ["C", *super().f()]

    class D(B, C):
        def f(self):
            return ["D", *super().f()]

    things, seen = [A(), B(), C(), D()], {}
    for i in range(HOT):
        key = "".join(things[i % 4].f())
        seen[key] = seen.get(key, 0) + 1
    print(seen)


def case_metaclass():
    class Meta(type):
        made = 0

        def __call__(cls, *args):
            Meta.made += 1
            return super().__call__(*args)

        def __len__(cls):
            return 7

        def __getattr__(cls, name):
            return name.upper()

        @property
        def prop(cls):
            return cls.__name__

    class A(metaclass=Meta):
        def __init__(self, x=0):
            self.x = x

    t = 0
    for i in range(HOT):
        t += A(i).x + len(A) + len(A.hello) + len(A.prop)
    print(t, Meta.made)


def case_operator_overloading_with_reflection():
    class Left:
        def __add__(self, other):
            return NotImplemented if isinstance(other, Right) else "L+"

        def __lt__(self, other):
            return NotImplemented

        def __eq__(self, other):
            return NotImplemented

    class Right:
        def __radd__(self, other):
            return "R+"

        def __gt__(self, other):
            return "R>"

        def __eq__(self, other):
            return "R="

    class Sub(Left):
        def __radd__(self, other):
            return "S+"

    pairs = [(Left(), Right()), (Left(), 1), (1, Right()), (Left(), Sub()), (1.5, Right()), (Left(), Left())]
    seen = {}
    for i in range(HOT):
        a, b = pairs[i % len(pairs)]
        out = []
        for op in (operator.add, operator.lt, operator.eq):
            try:
                out.append(str(op(a, b)))
            except TypeError as error:
                out.append(str(error)[:30])
        try:
            out.append(a + b)
        except TypeError as error:
            out.append("TypeError")
        seen[tuple(out)] = seen.get(tuple(out), 0) + 1
    for key, n in seen.items():
        print(n, key)


def case_every_binary_operator_on_objects():
    names = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lshift", "rshift", "and", "or", "xor", "matmul"]
    body = {f"__{p}{n}__": (lambda n: lambda self, other: n)(p + n) for n in names for p in ("", "r", "i")}
    V = type("V", (), body)
    v, seen = V(), set()
    for i in range(HOT):
        seen.add((v + 1, v - 1, v * 1, v / 1, v // 1, v % 1, v ** 1, v << 1, v >> 1, v & 1, v | 1, v ^ 1, v @ 1))
        seen.add((1 + v, 1 - v, 1 * v, 1 / v, 1 // v, 1 % v, 1 ** v, 1 << v, 1 >> v, 1 & v, 1 | v, 1 ^ v, 1 @ v))
        w = v
        w += 1
        u = v
        u @= 1
        x = v
        x **= 2
        seen.add((w, u, x))
    for s in sorted(seen):
        print(s)


def case_inplace_on_lists_sets_dicts():
    xs, s, d, alias = [], set(), {}, None
    alias = xs
    for i in range(HOT):
        xs += [i]
        xs *= 1
        s |= {i % 10}
        s &= set(range(9))
        d |= {i % 5: i}
    print(len(xs), alias is xs, s, d)


def case_subscript_protocols():
    class M:
        def __getitem__(self, key):
            return key

        def __setitem__(self, key, value):
            log.append((key, value))

        def __delitem__(self, key):
            log.append(key)

        def __class_getitem__(cls, key):
            return ("class", key)

        def __missing__(self, key):
            return "missing"

    class D(dict):
        def __missing__(self, key):
            return -key

    log, m, d, out = [], M(), D(a=1), []
    for i in range(HOT):
        out.append((m[i], m[1:i], m[i, 2], M[i], d[i]))
        m[i] = 5
        del m[0]
    print(out[-1], len(log), log[-2:])


def case_negative_and_bool_and_index_objects_as_subscripts():
    class Idx:
        def __index__(self):
            return 1

    xs, t = [1, 2, 3], 0
    for i in range(HOT):
        t += xs[-1] + xs[True] + xs[Idx()] + xs[i % 3 - 3] + (4, 5, 6)[-i % 3] + ord("abc"[-1 - i % 3])
        xs[-2] = i
        xs[False] += 1
    print(t, xs)


def case_builtin_functions():
    t = 0
    for i in range(1, HOT):
        t += len(str(i)) + abs(-i) + min(i, 3, 2) + max(i, 7) + sum([i, 1]) + ord(chr(i + 64)) + round(i / 3) + pow(i, 2, 97)
        t += isinstance(i, int) + isinstance(i, (str, float)) + callable(len) + hash(i) + int(bool(i)) + divmod(i, 7)[1]
        t += len(sorted([3, i, 2])) + len(list(reversed([i]))) + any([0, i]) + all([i, 0]) + len(repr(i)) + int(str(i)) + id(i) % 1
        t += getattr(i, "real") + len(hex(i)) + len(bin(i)) + next(iter([i])) + len(tuple(range(i % 5))) + len(set("ab")) + int(float(i))
    print(t)


def case_str_list_dict_methods():
    xs, d, out = [], {}, 0
    for i in range(HOT):
        w = f"Word{i % 13} x"
        out += len(w.split()) + len(w.upper()) + w.find("x") + w.count("o") + len(w.replace("o", "00")) + w.startswith("W") + len("-".join([w, w]))
        xs.append(i)
        xs.extend([1, 2])
        out += xs.pop() + xs.index(i) + xs.count(1)
        d.setdefault(i % 7, []).append(i)
        out += len(d.get(i % 7)) + len(d.keys()) + len(list(d.items())) + (d.pop(100, 0))
        if len(xs) > 50:
            xs.sort()
            xs.reverse()
            del xs[10:]
    print(out, {k: len(v) for k, v in d.items()})


def case_recursive_data():
    class Node:
        def __init__(self, value):
            self.value, self.left, self.right = value, None, None

        def insert(self, value):
            node = self
            while True:
                if value < node.value:
                    if node.left is None:
                        node.left = Node(value)
                        return
                    node = node.left
                else:
                    if node.right is None:
                        node.right = Node(value)
                        return
                    node = node.right

        def walk(self):
            if self.left:
                yield from self.left.walk()
            yield self.value
            if self.right:
                yield from self.right.walk()

    root, x = Node(500), 7
    for i in range(HOT):
        x = x * 1103515245 % 1009
        root.insert(x)
    print(list(root.walk())[::50])


def case_linked_list_and_none_checks():
    head = None
    for i in range(HOT):
        head = (i, head)
    t, node = 0, head
    while node is not None:
        value, node = node
        t += value
    print(t)


def case_dataclass_namedtuple_enum():
    from collections import namedtuple
    from dataclasses import dataclass
    from enum import Enum

    @dataclass(order=True)
    class D:
        x: int
        y: float = 0.5

    P = namedtuple("P", "a b")

    class Color(Enum):
        RED = 1
        BLUE = 2

    t = 0
    for i in range(HOT):
        d, p = D(i), P(i, 2)
        t += d.x + d.y + p.a + p.b + p[0] + (d < D(200)) + (d == D(i)) + Color.RED.value + (Color(2) is Color.BLUE) + len(p._replace(a=1))
    print(t, d, p)


def case_decorators_and_caches():
    def twice(f):
        @functools.wraps(f)
        def inner(*args, **kw):
            return f(*args, **kw) + f(*args, **kw)
        return inner

    @twice
    def f(x, k=1):
        return x * k

    @functools.lru_cache(maxsize=32)
    def g(x):
        return x * 2

    t = 0
    for i in range(HOT):
        t += f(i) + f(i, k=2) + g(i % 40)
    print(t, g.cache_info())


def case_context_managers():
    from contextlib import contextmanager, suppress

    log = []

    @contextmanager
    def managed(i):
        log.append(i)
        try:
            yield i * 2
        finally:
            log.append(-i)

    t = 0
    for i in range(HOT):
        with managed(i) as x, suppress(KeyError):
            t += x
            if i % 3 == 0:
                {}[i]
            t += 1
    print(t, len(log), sum(log))


def case_global_statement_and_module_state():
    global values
    values = []
    for i in range(HOT):
        values.append(i)
        if i == 300:
            values = [1, 2]
    print(len(values))


def case_del_name_then_builtin():
    def f():
        t = 0
        for i in range(HOT):
            t += len("abc")
        return t

    globals()["len"] = lambda x: 10
    first = f()
    del globals()["len"]
    print(first, f())


def case_function_attributes_and_introspection():
    def f(x):
        f.calls += 1
        return x

    f.calls = 0
    for i in range(HOT):
        f(i)
    print(f.calls, f.__code__.co_varnames, len(f.__code__.co_code) > 0, f.__defaults__)


def case_code_bytes_look_untouched():
    import dis

    def f(n):
        t = 0
        for i in range(n):
            t += i
        return t

    before = [(ins.opname, ins.arg) for ins in dis.get_instructions(f)], f.__code__.co_code, hash(f.__code__)
    for _ in range(5):
        f(HOT)
    after = [(ins.opname, ins.arg) for ins in dis.get_instructions(f)], f.__code__.co_code, hash(f.__code__)
    print(before == after, f.__code__ == f.__code__.replace())


def case_more_arguments_than_a_trace_follows():
    def written(n):
        total = 0
        for i in range(n):
            total += len("{} {} {}".format(i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i,
                                           i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i))
        return total

    print(written(HOT))
