"""What the loop relies on changes while it runs: globals, builtins, classes, functions, modules."""

import math
import types

from support import HOT

level = 1
CONSTANT = 10


def _bump(x):
    return x + 1


def case_global_rebound_in_the_loop():
    global level
    level = 1
    out = []
    for i in range(HOT):
        if i % 100 == 99:
            level += 1
        out.append(level)
    print(sum(out), out[98:101])


def case_global_rebound_by_a_callee():
    def change(i):
        global level
        if i == 350:
            level = "changed"

    global level
    level = 5
    seen = {}
    for i in range(HOT):
        change(i)
        seen[level] = seen.get(level, 0) + 1
    print(seen)


def case_global_of_another_type():
    global level
    total = 0
    for i in range(HOT):
        level = i if i < 200 else i + 0.5
        total += level
    print(total)


def case_global_deleted_uncovers_the_builtin():
    namespace = {"len": lambda x: 100}
    exec("def f(n):\n    t = 0\n    for i in range(n):\n        t += len('abc')\n        if i == 300: drop()\n    return t\n", namespace)
    namespace["drop"] = lambda: namespace.pop("len")
    print(namespace["f"](HOT))


def case_builtin_shadowed_mid_loop():
    namespace = {}
    exec("def f(n):\n    t = 0\n    for i in range(n):\n        t += abs(-2)\n        if i == 300: shadow()\n    return t\n", namespace)
    namespace["shadow"] = lambda: namespace.__setitem__("abs", lambda x: 50)
    print(namespace["f"](HOT))


def case_builtin_replaced_in_builtins():
    import builtins

    original = builtins.len
    total = 0
    try:
        for i in range(HOT):
            total += len("abc")
            if i == 300:
                builtins.len = lambda x: 1000
    finally:
        builtins.len = original
    print(total)


def case_builtin_added_later():
    import builtins

    namespace = {}
    exec("def f(n):\n    t = 0\n    for i in range(n):\n        try:\n            t += late\n        except NameError:\n"
         "            t -= 1\n        if i == 300: add()\n    return t\n", namespace)
    namespace["add"] = lambda: setattr(builtins, "late", 3)
    print(namespace["f"](HOT))
    del builtins.late


def case_function_rebound():
    global _bump
    old = _bump
    x = 0
    for i in range(HOT):
        x = _bump(x)
        if i == 333:
            _bump = lambda x: x - 1
    _bump = old
    print(x)


def case_function_code_replaced():
    def f(x):
        return x + 1

    def g(x):
        return x * 2 % 1009

    x, old = 1, f.__code__
    for i in range(HOT):
        x = f(x)
        if i == 333:
            f.__code__ = g.__code__
    print(x)


def case_function_defaults_replaced():
    def f(x, step=1, *, k=1):
        return x + step * k

    x = 0
    for i in range(HOT):
        x = f(x)
        if i == 250:
            f.__defaults__ = (100,)
        if i == 300:
            f.__kwdefaults__ = {"k": 2}
    print(x)


def case_method_replaced_on_the_class():
    class A:
        def step(self):
            return 1

    a, total = A(), 0
    for i in range(HOT):
        total += a.step()
        if i == 300:
            A.step = lambda self: 1000
    print(total)


def case_method_shadowed_on_the_instance():
    class A:
        def step(self):
            return 1

    a, total = A(), 0
    for i in range(HOT):
        total += a.step()
        if i == 300:
            a.step = lambda: 1000
        if i == 350:
            del a.step
    print(total)


def case_method_replaced_on_a_base_class():
    class Base:
        def step(self):
            return 1

    class Derived(Base):
        pass

    d, total = Derived(), 0
    for i in range(HOT):
        total += d.step()
        if i == 300:
            Base.step = lambda self: 1000
        if i == 350:
            Derived.step = lambda self: 7
    print(total)


def case_method_replaced_from_inside_itself():
    class A:
        def step(self, i):
            if i == 300:
                A.step = other
            return 1

    def other(self, i):
        return 1000

    a, total = A(), 0
    for i in range(HOT):
        total += a.step(i)
    print(total)


def case_class_attribute_changes():
    class A:
        rate = 2

    a, total = A(), 0
    for i in range(HOT):
        total += a.rate + A.rate
        if i == 200:
            A.rate = 2.5
        if i == 300:
            a.rate = 100
    print(total)


def case_property_added_over_an_instance_value():
    class A:
        pass

    a = A()
    a.x = 1
    total = 0
    for i in range(HOT):
        total += a.x
        if i == 300:
            A.x = property(lambda self: 1000)
    print(total)


def case_class_assignment():
    class A:
        def step(self):
            return 1

    class B:
        def step(self):
            return 1000

    a, total = A(), 0
    for i in range(HOT):
        total += a.step()
        if i == 300:
            a.__class__ = B
    print(total, type(a).__name__)


def case_bases_assignment():
    class X:
        def step(self):
            return 1

    class Y:
        def step(self):
            return 1000

    class A(X):
        pass

    a, total = A(), 0
    for i in range(HOT):
        total += a.step()
        if i == 300:
            A.__bases__ = (Y,)
    print(total)


def case_dict_replaced_on_the_instance():
    class A:
        def __init__(self):
            self.x = 1

    a, total = A(), 0
    for i in range(HOT):
        total += a.x
        if i == 200:
            a.__dict__ = {"x": 1000}
        if i == 300:
            a.__dict__["x"] = 7
        if i == 350:
            a.__dict__.update(y=1, x=8)
    print(total)


def case_instances_with_different_layouts():
    class A:
        pass

    def make(order):
        a = A()
        for name in order:
            setattr(a, name, len(name) + 1)
        return a

    things = [make(order) for order in (["x"], ["y", "x"], ["z", "y", "x"], ["x", "q"])]
    total = 0
    for i in range(HOT):
        t = things[i % 4] if i > 200 else things[0]
        total += t.x
        t.x += 1
    print(total, [t.__dict__ for t in things])


def case_module_attribute_rebound():
    old, total = math.floor, 0
    try:
        for i in range(HOT):
            total += math.floor(2.5)
            if i == 300:
                math.floor = lambda x: 1000
    finally:
        math.floor = old
    print(total)


def case_new_module_attribute():
    module = types.ModuleType("m")
    module.value = 1
    total = 0
    for i in range(HOT):
        total += module.value
        if i == 200:
            module.other = 5
        if i == 300:
            module.value = 1000
        if i == 350:
            del module.other
    print(total)


def case_operator_added_to_a_class():
    class A:
        def __add__(self, other):
            return 1

    a, total = A(), 0
    for i in range(HOT):
        total += a + 1
        if i == 300:
            A.__add__ = lambda self, other: 1000
    print(total)


def case_call_and_len_replaced():
    class A:
        def __call__(self):
            return 1

        def __len__(self):
            return 2

        def __bool__(self):
            return True

    a, total = A(), 0
    for i in range(HOT):
        total += a() + len(a) + (1 if a else 0)
        if i == 300:
            A.__call__ = lambda self: 1000
            A.__len__ = lambda self: 5
            del A.__bool__
    print(total)


def case_init_and_new_replaced():
    class A:
        def __init__(self, x):
            self.x = x

    total = 0
    for i in range(HOT):
        total += A(i).x
        if i == 250:
            A.__init__ = lambda self, x: setattr(self, "x", -x)
        if i == 330:
            A.__new__ = lambda cls, x: types.SimpleNamespace(x=1)
    print(total)


def case_same_code_with_other_globals():
    source = "def f(n):\n    t = 0\n    for i in range(n):\n        t += rate * helper(i)\n    return t\n"
    code = compile(source, "<shared>", "exec")
    results = []
    for k in range(4):
        namespace = {"rate": k + 1, "helper": [abs, float, str, lambda i: -i][k]}
        exec(code, namespace)
        try:
            results.append(namespace["f"](HOT))
        except TypeError as error:
            results.append(str(error)[:40])
        results.append(types.FunctionType(namespace["f"].__code__, {"rate": 2, "helper": abs, "range": lambda n: [1, 2]})(5))
    print(results)


def case_same_code_with_other_closures():
    def make(scale, function):
        def f(n):
            t = 0
            for i in range(n):
                t += function(i) * scale
            return t
        return f

    print([make(s, g)(HOT) for s, g in ((1, abs), (2.5, float), (2, lambda i: -i), (3, _bump))])


def case_custom_builtins_dict():
    namespace = {"__builtins__": {"len": lambda x: 77, "range": range}}
    exec("def f(n):\n    t = 0\n    for i in range(n):\n        t += len('a')\n    return t\n", namespace)
    plain = {}
    exec("def f(n):\n    t = 0\n    for i in range(n):\n        t += len('a')\n    return t\n", plain)
    print(namespace["f"](HOT), plain["f"](HOT), namespace["f"](HOT))


def case_globals_changed_through_the_dict():
    namespace = {"x": 1}
    exec("def f(n, change):\n    t = 0\n    for i in range(n):\n        t += x\n        change(i)\n    return t\n", namespace)

    def change(i):
        if i == 100:
            namespace["x"] = 10
        if i == 200:
            namespace.update(x=100)
        if i == 300:
            namespace.pop("x")
            namespace["x"] = 1000
        if i == 350:
            namespace.clear()
            namespace["x"] = 5

    print(namespace["f"](HOT, change))


def case_many_rebindings_of_one_global():
    global level
    total = 0
    for i in range(HOT * 5):
        level = i
        total += level
        level = -level
        total += level * 2
    print(total)


def case_cell_rebound_by_another_closure():
    def make():
        value = 1

        def loop(n):
            t = 0
            for i in range(n):
                if i == 300:
                    setter(1000)
                t += value
            return t

        def setter(v):
            nonlocal value
            value = v

        return loop

    print(make()(HOT))


def case_type_of_list_elements_changes_in_place():
    xs = [1] * 10
    total = 0
    for i in range(HOT):
        total += xs[i % 10]
        if i == 300:
            xs[:] = [0.5] * 10
        if i == 350:
            xs = tuple(xs)
    print(total)


def case_class_of_a_constant_is_assigned():
    class A:
        def f(self):
            return 1

    class B:
        def f(self):
            return 100

    class Holder:
        thing = A()

    def change(i):
        if i == 300:
            Holder.thing.__class__ = B
        return 0

    total = 0
    for i in range(HOT):
        total += change(i) + Holder.thing.f()
    print(total)


def case_descriptor_changes_kind():
    class Data:
        def __get__(self, obj, cls):
            return 1

    class A:
        x = Data()

    a, total = A(), 0
    a.__dict__["x"] = 100
    for i in range(HOT):
        total += a.x
        if i == 300:
            Data.__set__ = lambda self, obj, value: None
    print(total)


def case_getattr_hook_added():
    class A:
        x = 1

    a, total = A(), 0
    for i in range(HOT):
        total += a.x
        if i == 250:
            A.__getattr__ = lambda self, name: 50
            del A.x
        if i == 330:
            A.__getattribute__ = lambda self, name: 1000
    print(total)


def case_super_after_a_change_of_bases():
    class Base:
        def step(self):
            return 1

    class A(Base):
        def step(self):
            return super().step() + 1

    a, total = A(), 0
    for i in range(HOT):
        total += a.step()
        if i == 300:
            Base.step = lambda self: 1000
    print(total)


def case_isinstance_hook_installed():
    class Meta(type):
        pass

    class A(metaclass=Meta):
        pass

    a, hits = A(), 0
    for i in range(HOT):
        hits += isinstance(a, A) + isinstance(i, A)
        if i == 300:
            Meta.__instancecheck__ = lambda cls, obj: True
    print(hits)
