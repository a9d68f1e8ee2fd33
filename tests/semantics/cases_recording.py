"""The recorder only looks: nothing it calls runs code of the program. What asks an object something counts it here."""

import collections
import itertools
import types

from support import HOT, tell


class Counts:
    """Its methods write down that they were called."""

    def __init__(self, log, answer=False):
        self.log, self.answer = log, answer

    def __bool__(self):
        self.log.append("bool")
        return self.answer


class Sized:
    def __init__(self, log, size):
        self.log, self.size = log, size

    def __len__(self):
        self.log.append("len")
        return self.size


class Key:
    """Equal to a name, and says when it is asked."""

    def __init__(self, name, log):
        self.name, self.log = name, log

    def __hash__(self):
        return hash(self.name)

    def __eq__(self, other):
        self.log.append(str(other))
        return False


class Name(str):
    log = None

    __hash__ = str.__hash__

    def __eq__(self, other):
        if self.log is not None:
            self.log.append(f"{self!s}?")
        return str.__eq__(self, other)


def case_truth_of_values_of_generators():
    log = []
    for taker, answer in itertools.product((any, all), (False, True)):
        for _ in range(60):
            taker(Counts(log, answer) for _ in range(50))
        print(taker.__name__, answer, len(log))
        for _ in range(60):
            taker(Sized(log, answer) for _ in range(50))
        print(taker.__name__, answer, collections.Counter(log))


def case_truth_that_changes_when_it_is_asked():
    class Token:
        def __init__(self):
            self.asked = 0

        def __bool__(self):
            self.asked += 1
            return self.asked > 1

    class Raises(Token):
        def __bool__(self):
            self.asked += 1
            if self.asked > 1:
                raise RuntimeError("asked twice")
            return False

    for kind in (Token, Raises):
        try:
            print(sum(any(kind() for _ in range(50)) for _ in range(60)))
            print(sum(any([kind() for _ in range(50)]) for _ in range(60)))
        except RuntimeError as error:
            tell(error)


def case_truth_of_a_class_that_is_a_builtin_type_s_subclass():
    log = []

    class Text(str):
        def __bool__(self):
            log.append("text")
            return len(self) > 1

    class List(list):
        def __len__(self):
            log.append("list")
            return 0

    for taker in (any, all):
        for kind in (Text, List):
            print(taker.__name__, sum(taker(kind("a") for _ in range(50)) for _ in range(60)), len(log))


def case_truth_in_conditions():
    log, yes = [], 0
    values = [Counts(log), Counts(log, True), Sized(log, 0), Sized(log, 2), None, 0, "x", [], {}, {1}, 2.5, 10**30]
    for i in range(HOT):
        value = values[i % len(values)]
        if value:
            yes += 1
        yes += not value
        yes += 3 if value or i % 7 else 4
    print(yes, collections.Counter(log))


def case_odd_keys_in_the_globals():
    log = []
    space = {"x": 1, "n": HOT}
    exec("def f():\n    t = 0\n    for i in range(n):\n        t += x + len('ab')\n    return t\n", space)
    print(space["f"]())
    space[Key("x", log)] = 5
    space[Key("len", log)] = 5
    print(space["f"](), space["f"](), collections.Counter(log) == {"x": 2 * HOT, "len": 2 * HOT})
    other = {Key("x", log): 5, "x": 2, "n": HOT}
    exec("def f():\n    t = 0\n    for i in range(n):\n        t += x\n    return t\n", other)
    log.clear()
    print(other["f"](), len(log))


def case_odd_keys_in_builtins():
    log = []
    space = {"n": HOT, "__builtins__": {Key("x", log): 5, "x": 2, "range": range}}
    exec("def f():\n    t = 0\n    for i in range(n):\n        t += x\n    return t\n", space)
    print(space["f"](), space["f"](), len(log))


def case_odd_keys_in_a_module():
    log, total = [], 0
    module = types.ModuleType("odd")
    vars(module)[Key("x", log)] = 5
    module.x = 1
    for i in range(HOT):
        total += module.x
    print(total, len(log))


def case_odd_keys_in_classes():
    log = []
    # Keys of another kind come into a class by type() only.
    base = type("base", (), {Key("step", log): 1, Key("__add__", log): 2, "step": lambda self: 1, "limit": 3})
    kind = type("kind", (base,), {"__add__": lambda self, other: other + 1, "__init__": lambda self: None,
                                  Key("__init__", log): 1, "super_step": lambda self: super(kind, self).step()})
    total, thing = 0, kind()
    for i in range(HOT):
        total += thing.step() + (thing + i) + kind.limit + thing.super_step()
        total += isinstance(thing, int) + isinstance(kind(), base)
    print(total, sorted(set(log)))


def case_odd_keys_in_an_instance():
    class Thing:
        y = 7

    log, thing, total = [], Thing(), 0
    vars(thing)[Key("x", log)] = 5
    vars(thing)[Key("y", log)] = 5
    thing.x = 1
    for i in range(HOT):
        total += thing.x + thing.y
        thing.x = i
    print(total, sorted(set(log)))          # how often depends on what is specialised


def case_odd_keys_among_keyword_defaults():
    log = []

    def f(*, k):
        return k

    f.__kwdefaults__ = {Key("k", log): 5, "k": 2}
    print(sum(f() for _ in range(HOT)), sum([f() for _ in range(HOT)]), len(log))


def case_names_of_arguments_that_are_asked():
    def f(a=0, b=0, **rest):
        return a, b, sorted(rest)

    log = []
    Name.log = log
    equal = {"".join(["a"]): 1, "".join(["b", "c"]): 2}
    odd = {Name("a"): 1, Name("zz"): 2}
    for names in (equal, odd, {**equal, "b": 3}, {**odd, "b": 3}):
        out = []
        for i in range(HOT):
            out.append(f(**names))
        print(out[0], out == out[:1] * HOT, len(log))
        log.clear()
    Name.log = None


def case_odd_keys_where_a_function_is_made():
    log = []
    space = {Key("__builtins__", log): 1, Key("__name__", log): 2, "n": HOT, "__name__": "odd"}
    exec("def f():\n    t = 0\n    for i in range(n):\n        g = lambda: i\n        t += g()\n    return t, g.__module__\n", space)
    log.clear()
    print(space["f"](), collections.Counter(log))


def case_a_class_that_names_itself_anew_when_asked():
    log = []

    class Lazy:
        @property
        def __class__(self):
            log.append(1)
            return int if len(log) % 2 else str

    lazy, hits = Lazy(), 0
    for i in range(HOT):
        hits += isinstance(lazy, int)
    print(hits, len(log))


def case_hashes_and_comparisons_of_keys():
    log = []
    keys = [Key("a", log), "a", 1, 1.0, (1, Key("b", log)), Name("n"), "n"]
    table, found = {"a": 1, "b": 2, 1: 3}, 0
    for i in range(HOT):
        key = keys[i % len(keys)]
        found += key in table
        found += table.get(key, 0)
        found += key in {"a", "b", 1} and key in ("a", 2)
        table[key] = 1
        del table[key]
        if i % len(keys) == 0:
            table = {"a": 1, "b": 2, 1: 3}
    print(found, collections.Counter(log))


def case_an_object_that_only_a_recording_keeps():
    """What goes while a loop is recorded goes with its destructor's frames, exceptions and order of things."""
    log = []

    class Dies:
        x = 1

        def __del__(self):
            log.append("dies")
            try:
                raise KeyError
            except KeyError:
                pass

    space = {"log": log, "n": HOT}
    exec("def f():\n    t = 0\n    for i in range(n):\n        t += thing.x\n        t += thing.x\n        renew(i)\n    return t\n", space)

    def renew(i):
        if i % 3 == 0:
            space["thing"] = Dies()

    space["renew"] = renew
    space["thing"] = Dies()
    print(space["f"]())
    del space["thing"]
    print(len(log))
