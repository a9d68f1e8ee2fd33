"""One small loop for each construct that a loop can hold, for tests and for measuring.

CONSTRUCTS: name -> lines of a loop's body. The loop is `for i in range(n)` in f(n, bad); `total` is returned. In
turn `bad` the construct raises, if its operands can be made to: Key, Manager and the other classes of PRELUDE do,
and what is_bad chooses from. They also note, in some turns, which frames they see.
"""

PRELUDE = '''
import sys
import threading
from collections import OrderedDict, deque, namedtuple
from types import SimpleNamespace

seen = []


def look(i):
    """Note the frames outside, every 97th time: a frame that is looked at leaves the trace."""
    if i % 97 == 0:
        frame, found = sys._getframe(2), []
        while frame is not None and frame.f_code.co_filename == "<construct>":
            local = {k: v for k, v in frame.f_locals.items() if type(v) in (int, str, float)}
            found.append((frame.f_code.co_name, frame.f_lineno, local if len(found) < 4 else None))
            frame = frame.f_back
        seen.append(found)


class Mark:
    pass


mark = Mark()


class Key:
    def __init__(self, i, bad):
        self.i, self.bad = i, bad

    def __hash__(self):
        look(self.i)
        if self.i == self.bad:
            raise ValueError("hash")
        return self.i & 7

    def __eq__(self, other):
        return type(other) is Key and self.i == other.i


class Manager:
    def __init__(self, i, bad):
        self.i, self.bad = i, bad

    def __enter__(self):
        look(self.i)
        if self.i == self.bad:
            raise ValueError("enter")
        return self.i

    def __exit__(self, *error):
        look(self.i)
        if self.bad > 0 and self.i == self.bad + 3:
            raise KeyError("exit")


class Swallow:
    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        return True


class Items:
    """Iterable without a length."""
    def __init__(self, i, bad):
        self.i, self.bad = i, bad

    def __iter__(self):
        look(self.i)
        for k in range(3):
            if self.i == self.bad and k == 2:
                raise ValueError("next")
            yield k + self.i


class Mapping:
    def __init__(self, i, bad):
        self.i, self.bad = i, bad

    def keys(self):
        look(self.i)
        return ["a", "b"]

    def __getitem__(self, key):
        if self.i == self.bad and key == "b":
            raise ValueError("item")
        return self.i


class Sequence:
    def __init__(self, i, bad):
        self.i, self.bad = i, bad

    def __getitem__(self, key):
        if self.i == self.bad:
            raise ValueError("getitem")
        if isinstance(key, slice):
            return 5
        if key > 2:
            raise IndexError
        return key

    def __setitem__(self, key, value):
        look(self.i)
        if self.i == self.bad:
            raise ValueError("setitem")

    def __delitem__(self, key):
        look(self.i)
        if self.i == self.bad:
            raise ValueError("delitem")

    def __len__(self):
        return 3

    def __format__(self, spec):
        look(self.i)
        if self.i == self.bad:
            raise ValueError("format")
        return "Q" + spec

    def __repr__(self):
        if self.i == self.bad:
            raise ValueError("repr")
        return "R"

    def __pos__(self):
        look(self.i)
        if self.i == self.bad:
            raise ValueError("pos")
        return 7

    def __bool__(self):
        if self.i == self.bad:
            raise ValueError("bool")
        return True

    def __lt__(self, other):
        look(self.i)
        if self.i == self.bad:
            raise ValueError("lt")
        return True

    def __contains__(self, x):
        look(self.i)
        if self.i == self.bad:
            raise ValueError("contains")
        return x == 1

    @property
    def prop(self):
        look(self.i)
        if self.i == self.bad:
            raise ValueError("prop")
        return self.i


class Base:
    tag = 3

    def method(self, x, *more):
        look(x)
        if x == self.bad:
            raise ValueError("method")
        return x + len(more)

    def plain(self, x):
        if x == self.bad:
            raise ValueError("plain")
        return x + 1

    @property
    def prop(self):
        return 11

    @classmethod
    def make(cls, x):
        return x + 2


class Derived(Base):
    def __init__(self, bad):
        self.bad = bad

    def method(self, x):
        return super().method(x, 1) + 1

    def plain(self, x):
        return super().plain(x) + 1

    def attribute(self, x):
        return super().tag + super().prop

    def cls_method(self, x):
        return super().make(x)

    def two(self, x):
        return super(Derived, self).plain(x)

    def bound(self, x):
        m = super().plain
        return m(x)


class Point:
    __match_args__ = ("x", "y")

    def __init__(self, x, y):
        self.x, self.y = x, y


class Sly:
    """A class whose attribute x may raise."""
    __match_args__ = ("x",)

    def __init__(self, i, bad):
        self.i, self.bad = i, bad

    @property
    def x(self):
        look(self.i)
        if self.i == self.bad:
            raise ValueError("x")
        return self.i


Pair = namedtuple("Pair", "a b")


def add(a, b=2, *, c=3):
    return a + b + c


def star(*args, **kwargs):
    return len(args) + sum(kwargs.values())


def positional(a, b, c=5):
    return a * 2 + b + c


def may_raise(i, bad):
    look(i)
    if i == bad:
        raise ValueError("may_raise")
    return i


def numbers(k):
    yield k
    yield k + 1


shared = 5
lock = threading.Lock()
'''

CONSTRUCTS = {
    # --- containers -----------------------------------------------------------------------------
    "dict display, str keys": "d = {'a': i, 'b': total, 'c': mark}; total += d['a'] + len(d)",
    "dict display, names": "k = 'k'; d = {k: i, 'b': i, 3: mark}; total += d[k]",
    "dict display, int keys": "d = {i: 1, i + 1: mark}; total += len(d)",
    "dict display, classes with hash": "d = {Key(i, bad): mark, Key(i + 1, bad): i}; total += len(d)",
    "dict display, long": "d = {'a': i, 'b': i, 'c': i, 'd': i, 'e': i, 'f': i, 'g': i, 'h': i, 'i': i, 'j': mark}; total += d['h']",
    "dict display, unhashable": "d = {(mark, [] if i == bad else i): 1}; total += len(d)",
    "set display": "s = {i, i + 1, 7}; total += len(s)",
    "set display, classes with hash": "s = {Key(i, bad), mark, Key(i + 1, bad)}; total += len(s)",
    "set with star": "s = {*range(i & 3), i}; total += len(s)",
    "set with star of iterable": "s = {*Items(i, bad), mark}; total += len(s)",
    "set with star of a constant": "s = {1, 2, 3, i}; t = {*s, *(4, 5)}; total += len(t)",
    "frozenset of constants": "total += i in {1, 2, 3}",
    "dict with stars": "d = {'a': i}; e = {**d, 'b': mark, **d}; total += len(e)",
    "dict with star of a mapping": "e = {**Mapping(i, bad), 'b': mark}; total += e['a']",
    "dict with star of no mapping": "e = {**(5 if i == bad else {'a': mark})}; total += len(e)",
    "list display and star": "l = [i, mark, *range(2)]; total += len(l)",
    "list with star of iterable": "l = [mark, *Items(i, bad)]; total += l[1]",
    "list with star of no iterable": "l = [*(5 if i == bad else (i, mark))]; total += len(l)",
    "tuple with star": "t = (i, *Items(i, bad)); total += t[1]",
    "set comprehension": "s = {k & 1 for k in range(4)}; total += len(s)",
    "dict comprehension": "d = {k: mark for k in 'ab'}; total += len(d)",
    "dict comprehension, classes": "d = {Key(i, bad): k for k in 'ab'}; total += len(d)",
    "list comprehension": "total += len([k for k in (1, 2, i) if k != 2])",
    "nested comprehension": "total += len([[a for a in 'ab'] for b in (1, 2)])",
    "generator expression": "total += sum(k for k in (1, 2, i))",
    # --- unpacking ------------------------------------------------------------------------------
    "unpack star": "a, *b = i, 2, mark; total += a + len(b)",
    "unpack star of a list": "l = [i, 2, 3, mark]; a, *b, c = l; total += a + len(b)",
    "unpack star of an iterable": "a, *b = Items(i, bad); total += a + b[1]",
    "unpack star, too few": "a, b, *c = ((1,) if i == bad else (i, 2, mark)); total += a",
    "unpack str": "a, b = 'xy'; total += len(a + b)",
    "unpack iterable": "a, b, c = Items(i, bad); total += a + c",
    "unpack dict": "d = {'a': 1, 'b': mark}; a, b = d; total += len(a)",
    "unpack range": "a, b, c = range(i, i + 3); total += c",
    "unpack generator": "a, b = numbers(i); total += a + b",
    "unpack, too many": "a, b = (1, 2, 3) if i == bad else (i, mark); total += a",
    "unpack, not iterable": "a, b = 5 if i == bad else (i, mark); total += a",
    "unpack map": "a, b = map(abs, (i, -i)); total += a - b",
    "unpack nested": "(a, b), c = (i, mark), 3; total += a + c",
    "starred call of iterable": "total += star(*Items(i, bad))",
    # --- with, try ------------------------------------------------------------------------------
    "with": "\nwith Manager(i, bad) as m:\n    total += m",
    "with swallowing": "\nwith Swallow():\n    total += i",
    "with of two": "\nwith Manager(i, bad) as a, Swallow():\n    total += a",
    "with nested in try": "\ntry:\n    with Manager(i, -1) as m:\n        total += may_raise(i, bad)\nfinally:\n    total += 1",
    "with lock": "\nwith lock:\n    total += i",
    "with no manager": "\nwith (5 if i == bad else lock):\n    total += i",
    "try except": "\ntry:\n    total += may_raise(i, bad)\nexcept ValueError as e:\n    total += 100000",
    "try finally": "\ntry:\n    total += may_raise(i, bad)\nfinally:\n    total += 3",
    "try except else finally": "\ntry:\n    x = may_raise(i, bad)\nexcept KeyError:\n    total -= 1\nelse:\n    total += x\nfinally:\n    total += 1",
    "try with continue": "\ntry:\n    total += may_raise(i, bad)\n    continue\nfinally:\n    total += 2",
    # --- functions ------------------------------------------------------------------------------
    "lambda": "g = lambda x: x + 1; total += g(i)",
    "lambda with default": "g = lambda x, y=i: x + y; total += g(i)",
    "closure": "g = lambda x: x + i; total += g(total & 7)",
    "def with everything": "\ndef g(x: int, y=2, *, z=i) -> int:\n    return x + y + z + (mark is None)\ntotal += g(i) + len(g.__annotations__)",
    "def, closure over a list": "\nbox = [i]\ndef g(x):\n    return x + box[0]\ntotal += g(3) + g(4)",
    "def raising": "\ndef g(x):\n    return may_raise(x, bad)\ntotal += g(i)",
    "closure that stores": "\ncount = 0\ndef g():\n    nonlocal count\n    count += i\n    return count\ntotal += g() + g()",
    "lambda as key": "total += sorted([3, i, 1], key=lambda k: -k)[0]",
    "inlined callee with cells": "\ndef h(a):\n    def g(b):\n        return a + b\n    return g\ntotal += h(i)(2)",
    "decorated def": "\n@staticmethod\ndef g(x):\n    return x\ntotal += g(i)",
    "class statement": "\nif i % 50 == 0:\n    class C:\n        y = 3\n        def m(self):\n            return 4\n    total += C().m() + C.y\ntotal += i",
    # --- names ----------------------------------------------------------------------------------
    "del of a local": "x = i; y = mark; total += x; del x, y",
    "del of an attribute": "p = Point(i, mark); total += p.x; del p.x; total += hasattr(p, 'x')",
    "del of an item": "d = {'a': i, 'b': mark}; del d['a']; total += len(d)",
    "del of an item, raising": "s = Sequence(i, bad); del s[0]; total += i",
    "del of a slice": "l = [i, mark, 3, 4]; del l[1:3]; total += len(l)",
    "del of a missing item": "d = {'a': mark}; k = 'b' if i == bad else 'a'; del d[k]; total += i",
    "del of a cell": "\nx = i\ntotal += (lambda: x)() if i % 1000 == 999 else x\ndel x",
    "global stored": "\nglobal shared\nshared = i & 15\ntotal += shared",
    "global deleted": "\nglobal shared\nshared = i & 15\ntotal += shared\ndel shared",
    "super method": "total += derived.plain(i)",
    "super method with star": "total += derived.method(i)",
    "super attribute": "total += derived.attribute(i)",
    "super classmethod": "total += derived.cls_method(i)",
    "super with arguments": "total += derived.two(i)",
    "super bound": "total += derived.bound(i)",
    "attribute of anything": "total += Sequence(i, bad).prop",
    "walrus": "total += (x := i + 1) + x",
    "walrus in comprehension": "l = [y := k for k in (1, 2)]; total += y",
    "assert": "assert i != bad, 'no'; total += i",
    "assert with call": "assert may_raise(i, bad) >= 0; total += i",
    "chained comparison": "total += 0 <= i < 1000000; total += 0 < may_raise(i, bad) < 5 < 6",
    "chained comparison of objects": "s = Sequence(i, bad); total += 0 < i + 1 < 9999 and (s < 2 < 3)",
    "chained assignment": "a = b = c = i; total += a + b + c",
    "augmented": "l = [0, mark]; l[0] += i; total += l[0]; p = SimpleNamespace(x=1); p.x += i; total += p.x",
    "augmented list": "l = [i]; l += [1, mark]; l *= 2; total += len(l)",
    "import": "import math; total += math.floor(2.5)",
    "from import": "from math import floor; total += floor(2.5)",
    # --- calls ----------------------------------------------------------------------------------
    "call with star": "t = (i, 2); total += positional(*t)",
    "call with star and more": "t = (2, 3); total += positional(i, *t)",
    "call with two stars": "d = {'b': 4}; total += add(i, **d)",
    "call with both stars": "t = (i,); d = {'b': 4, 'c': 5}; total += add(*t, **d)",
    "call of star function": "total += star(i, 2, 3)",
    "call of star function, keywords": "total += star(i, x=2, y=i)",
    "call with keyword": "total += add(i, b=4)",
    "call with keyword-only": "total += add(i, c=4)",
    "call with star, raising": "t = (i, bad); total += may_raise(*t)",
    "call with star list": "l = [i, bad]; total += may_raise(*l)",
    "call with star of no iterable": "total += positional(*(5 if i == bad else (i, 3)))",
    "call with two stars of no mapping": "total += add(i, **(5 if i == bad else {'b': 2}))",
    "call with two stars, twice": "total += add(i, **{'b': 2}, **({'b': 2} if i == bad else {'c': 2}))",
    "call with two stars of a mapping": "total += star(**Mapping(i, bad))",
    "call of a C function with stars": "t = (i, 5); total += max(*t)",
    "call of a C function, keywords": "total += int('11', base=2); total += sorted([3, i], reverse=True)[0]",
    "call of a class with keywords": "p = Point(y=mark, x=i); total += p.x",
    "call of a class with star": "t = (i, mark); p = Point(*t); total += p.x",
    "call of a bound method": "p = derived.plain; total += p(i)",
    "call of a bound method with star": "p = derived.plain; total += p(*(i,))",
    "call of a partial": "total += int.__add__(i, 1)",
    "call of an instance": "p = Pair(i, mark); q = p._replace(a=3); total += p.a + q.a",
    "call of str method, keywords": "total += len('a b'.split(' ', maxsplit=1))",
    "call with generator": "total += sum(k + i for k in range(2)) + max(numbers(i))",
    # --- strings --------------------------------------------------------------------------------
    "f-string": "total += len(f'{i} and {total:>9} {mark is None!s:.2}')",
    "f-string of floats": "total += len(f'{i / 3:.3f} {i * 0.5}')",
    "f-string of an object": "s = Sequence(i, bad); total += len(f'{s}{s:x}')",
    "f-string with conversion": "s = Sequence(i, bad); total += len(f'{s!r} {i!r} {\"x\"!a}')",
    "f-string with nested spec": "w = 4 + (i & 3); total += len(f'{i:{w}d}')",
    "percent format": "total += len('%d %s' % (i, 'x'))",
    "unary plus": "total += +i; x = +(i * 0.5); total += x > 0",
    "unary plus of an object": "total += +Sequence(i, bad)",
    # --- slices ---------------------------------------------------------------------------------
    "slice": "l = [1, 2, i, mark]; total += len(l[1:3]) + len('abc'[i & 1:])",
    "slice with step": "l = [1, 2, i, mark]; total += len(l[::2])",
    "slice of an object": "s = Sequence(i, bad); total += s[1:2]",
    "store slice": "l = [1, 2, i, mark]; l[1:3] = (i, i, i); total += len(l)",
    "store slice of an object": "s = Sequence(i, bad); s[1:2] = mark; total += i",
    "subscript of an object": "s = Sequence(i, bad); total += s[1]; s[1] = mark",
    # --- iteration ------------------------------------------------------------------------------
    "for over dict": "\nfor k in table:\n    total += len(k)",
    "for over keys": "\nfor k in table.keys():\n    total += len(k)",
    "for over values": "\nfor v in table.values():\n    total += v",
    "for over items": "\nfor k, v in table.items():\n    total += v",
    "for over enumerate": "\nfor k, v in enumerate(small):\n    total += v * k",
    "for over enumerate, one name": "\nfor p in enumerate(small, 3):\n    total += p[0] + p[1]",
    "for over enumerate of a str": "\nfor k, v in enumerate('abc'):\n    total += k",
    "for over enumerate of range": "\nfor k, v in enumerate(range(i, i + 9)):\n    total += v - k",
    "for over zip": "\nfor a, b in zip(small, other):\n    total += a * b",
    "for over zip, uneven": "\nfor a, b in zip(small, (i, 2)):\n    total += a * b",
    "for over zip of three": "\nfor a, b, c in zip(small, other, range(9)):\n    total += a * b - c",
    "for over zip strict": "\nfor a, b in zip(small, other[:-1] if i == bad else other, strict=True):\n    total += a * b",
    "for over zip of iterables": "\nfor a, b in zip(Items(i, bad), small):\n    total += a * b",
    "for over enumerate of iterable": "\nfor a, b in enumerate(Items(i, bad)):\n    total += a * b",
    "for over map": "\nfor a in map(abs, small):\n    total += a",
    "for over map of a function": "\nfor a in map(positional, small, other):\n    total += a",
    "for over filter": "\nfor a in filter(None, small):\n    total += a",
    "for over reversed": "\nfor a in reversed(small):\n    total += a",
    "for over reversed range": "\nfor a in reversed(range(6)):\n    total += a",
    "for over str": "\nfor a in 'abcdef':\n    total += a == 'b'",
    "for over bytes": "\nfor a in b'abcdef':\n    total += a",
    "for over set": "\nfor a in {i, 2, 3, 4}:\n    total += a",
    "for over deque": "\nfor a in queue:\n    total += a",
    "for over an ordered dict": "\nfor a in ordered:\n    total += len(a)",
    "for over sequence": "\nfor a in Sequence(i, bad):\n    total += a",
    "for over iterable": "\nfor a in Items(i, bad):\n    total += a",
    "for over generator": "\nfor a in numbers(i):\n    total += a",
    "for over lines": "\nfor a in text.splitlines():\n    total += len(a)",
    "for over iter of callable": "\nfor a in iter([1, 2, 3].pop, 1):\n    total += a",
    "for over list with else": "\nfor a in small:\n    total += a\nelse:\n    total += 1",
    # --- match ----------------------------------------------------------------------------------
    "match of a number": "\nmatch i & 1:\n    case 0:\n        total += 1\n    case 1:\n        total += 2",
    "match of a tuple": "\nmatch (i, 2):\n    case (a, 3):\n        total += 1\n    case (a, b):\n        total += a",
    "match of a sequence with star": "\nmatch [i, 2, mark]:\n    case [a, *rest]:\n        total += a + len(rest)",
    "match of a mapping": "\nmatch {'a': i, 'b': mark}:\n    case {'c': x}:\n        total += 1\n    case {'a': x, **rest}:\n        total += x + len(rest)",
    "match of a class": "\nmatch Point(i, 0):\n    case Point(x=1, y=1):\n        total += 1\n    case Point(x, y):\n        total += x",
    "match of a builtin class": "\nmatch i:\n    case str():\n        total += 1\n    case int(x):\n        total += x",
    "match of a class, raising": "\nmatch Sly(i, bad):\n    case Sly(x):\n        total += x",
    "match of an own sequence": "\nmatch deque([i, 2]):\n    case [a, b]:\n        total += a",
    "match with guard": "\nmatch i:\n    case x if x < 0:\n        total += 1\n    case x if may_raise(x, bad) >= 0:\n        total += 2",
    "match of no mapping": "\nmatch i:\n    case {'a': x}:\n        total += 1\n    case [a]:\n        total += 1\n    case _:\n        total += 3",
    # --- truth ----------------------------------------------------------------------------------
    "truth of an object": "\nif Sequence(i, bad):\n    total += 1",
    "in an object": "total += 1 in Sequence(i, bad); total += 1 not in {2: mark}",
    "and, or, conditional": "total += (i and 3) or (mark and 2); total += 1 if i & 1 else 2",
    "is": "x = None if i & 1 else mark; total += x is None; total += x is not mark",
}

# Loops of a module, whose names are globals.
MODULE_CONSTRUCTS = {
    "names of a module": "x = i + 1; total += x",
    "deleted name": "x = i + 1; total += x; del x",
    "function of a module": "total += positional(i, 1)",
    "lambda in a module": "g = lambda a: a + 1; total += g(i)",
    "with in a module": "\nwith Manager(i, bad) as m:\n    total += m",
    "comprehension in a module": "total += len([k for k in (1, 2, i)])",
    "augmented global": "count += 1; total += count",
}


def indented(body, by):
    lines = body.strip("\n").split("\n")
    return "".join(" " * by + line + "\n" for line in lines)


def function_source(body):
    """f(n, bad): the construct in a function's loop."""
    declared = "".join(f"    {line}\n" for line in body.split("\n") if line.startswith("global "))
    body = "\n".join(line for line in body.split("\n") if not line.startswith("global "))
    return (PRELUDE + "\ndef f(n, bad):\n" + declared + "    total = 0\n    derived = Derived(bad)\n"
            "    table = {'a': 1, 'bb': 2, 'ccc': 3, 'd': 4, 'e': 5}\n    small = [3, 1, 2, 5, 4]\n    other = [1, 2, 3, 4, 5]\n"
            "    queue = deque(small)\n    ordered = OrderedDict(table)\n    text = 'one\\ntwo\\nthree'\n"
            "    for i in range(n):\n" + indented(body, 8) + "    return total\n")


def module_source(body):
    """The construct in a module's loop; run it in a namespace that has n and bad."""
    return "total = count = 0\nfor i in range(n):\n" + indented(body, 4)
