"""What a trace takes for granted, and everything that it depends on: one Fact for each row of docs/facts.md.

Run as a program (facts.py SEED), it makes each fact hot and changes each of its owners before, while and after:
test_facts.py compares what that prints with the JIT and without.
"""

import itertools
import random
import re
import sys
from dataclasses import dataclass

HOT = 300  # turns: more than the default threshold, with room for a side trace


@dataclass(frozen=True)
class Fact:
    """`body` gives `r` a value; `owners` says how each thing that r depends on is changed, one way after the other."""

    body: str
    owners: dict[str, list[str]]
    setup: str = ""
    globals: str = "globals()"  # of the function with the loop


FACTS = {
    "global": Fact("r = x", {
        "module's dictionary": ["x = 2", "globals()['x'] = 3", "globals().update(x=4)", "del x\nx = 5"],
    }, "x = 1"),
    "global of an instance's dictionary": Fact("r = x", {
        "module's dictionary": ["space.x = 2", "vars(space)['x'] = 3", "space.x = 4", "del space.x\nspace.x = 5",
                                "space.__dict__ = dict(vars(space))", "space.x = 6"],
    }, "class Space: pass\nspace = Space()\nspace.x = 1", globals="vars(space)"),
    "global that is an attribute, too": Fact("space.x = i\nr = x\nspace.x = -i\nr = r, x, space.x", {
        "module's dictionary": ["x = 2", "space.y = 3", "space.__dict__ = dict(vars(space))", "y = 4"],
    }, "class Space: pass\nspace = Space()\nspace.x = 1\nspace.space = space", globals="vars(space)"),
    "global that is an attribute of an object with this dictionary": Fact(
        "global x\nspace.x = i\nr = x\nx = -i\nr = r, space.x\nspace.x += 3\nr = r, x, space.x", {
            "module's dictionary": ["x = 2", "space.y = 3", "space.__dict__ = dict(vars(space))", "y = 4"],
    }, "class Space: pass\nspace = Space()\nx = 1\nspace.__dict__ = globals()"),
    "builtin that the code may hide": Fact("global fact_name\nr = fact_name\nif i % 50 == 49: fact_name = i\nif i % 50 == 20: globals().pop('fact_name', 0)", {
        "builtins' dictionary": ["builtins.fact_name = 2", "vars(builtins)['fact_name'] = 3"],
        "module's dictionary": ["fact_name = 'mine'", "del fact_name"],
    }, "import builtins\nbuiltins.fact_name = 1"),
    "builtin": Fact("r = fact_name", {
        "builtins' dictionary": ["builtins.fact_name = 2", "vars(builtins)['fact_name'] = 3", "builtins.fact_name = 4"],
        "module's dictionary": ["fact_name = 'mine'", "del fact_name", "fact_name = 'again'", "del fact_name"],
    }, "import builtins\nbuiltins.fact_name = 1"),
    "builtins of a new function": Fact("r = (lambda: fact_name)()", {
        "module's dictionary": ["globals()['__builtins__'] = {'fact_name': 2}", "globals()['__builtins__'] = {'fact_name': 3}",
                                "globals()['__builtins__'] = builtins", "globals()['__builtins__'] = vars(builtins)"],
        "builtins' dictionary": ["builtins.fact_name = 5", "builtins.fact_name = 6", "builtins.fact_name = 7"],
    }, "import builtins\nbuiltins.fact_name = 1"),
    "module of a new function": Fact("def f(): pass\nr = f.__module__", {
        "module's dictionary": ["__name__ = 'second'", "__name__ = 'third'", "del __name__", "__name__ = 'last'"],
    }, "__name__ = 'first'"),
    "attribute of a module": Fact("r = m.x", {
        "module's dictionary": ["m.x = 2", "vars(m)['x'] = 3", "del m.x", "m.x = 4"],
        "module's class": ["m.__class__ = Prop", "m.__class__ = types.ModuleType", "m.__class__ = Hook", "m.__class__ = Sub"],
    }, """
import types
class Prop(types.ModuleType): x = property(lambda self: 'prop')
class Hook(types.ModuleType):
    def __getattribute__(self, name): return 'hook'
class Sub(types.ModuleType): pass
m = types.ModuleType('m')
m.x = 1
"""),
    "name imported from a module": Fact("from fact_module import x\nr = x", {
        "module's dictionary": ["m.x = 2", "vars(m)['x'] = 3", "del m.x", "m.x = 4"],
        "module's class": ["m.__class__ = Prop", "m.__class__ = types.ModuleType", "m.__class__ = Hook", "m.__class__ = Sub"],
        "sys.modules": ["sys.modules['fact_module'] = other", "sys.modules['fact_module'] = m"],
        "builtins' dictionary": ["builtins.__import__ = mine", "builtins.__import__ = plain"],
    }, """
import builtins, sys, types
class Prop(types.ModuleType): x = property(lambda self: 'prop')
class Hook(types.ModuleType):
    def __getattribute__(self, name): return 'hook'
class Sub(types.ModuleType): pass
m, other = types.ModuleType('m'), types.ModuleType('other')
m.x, other.x = 1, 'other'
sys.modules['fact_module'] = m
plain = __import__
def mine(name, *rest): return other if name == 'fact_module' else plain(name, *rest)
"""),
    "name imported that the code stores": Fact("global x\nx = i\nfrom fact_module import x as y\nr = y", {
        "module's dictionary": ["globals()['x'] = 2", "x = 3"],
    }, "import sys\nclass Holder: pass\nimport types\nm = types.ModuleType('m')\nvars(m)['x'] = 7\nsys.modules['fact_module'] = m\n",
        globals="vars(m)"),
    "attribute of a class": Fact("r = C.x", {
        "class's dictionary": ["C.x = 2", "C.x = lambda: 3", "C.x = None", "C.x = property(len)", "C.x = 3"],
        "base's dictionary": ["B.x = 4", "del C.x", "B.x = 5", "C.x = 6"],
        "bases": ["C.__bases__ = (B2,)", "C.__bases__ = (B,)"],
        "value's class": ["C.x = value", "Value.__get__ = lambda *a: 'got'", "del Value.__get__", "value.__class__ = Other",
                          "value.__class__ = Value"],
    }, """
class Value: pass
class Other:
    def __get__(self, *args): return 'other'
class B: x = 0
class B2: pass
class C(B): x = 1
value = Value()
"""),
    "attribute of a class with a metaclass": Fact("r = C.x", {
        "metaclass's dictionary": ["Meta.x = property(lambda cls: 'meta')", "del Meta.x",
                                   "Meta.__getattribute__ = lambda cls, name: 'asked'", "del Meta.__getattribute__"],
        "metaclass": ["C.__class__ = Meta2", "C.__class__ = Meta"],
        "class's dictionary": ["C.x = 2", "C.x = 3"],
    }, """
class Meta(type): pass
class Meta2(type): x = property(lambda cls: 'second')
class C(metaclass=Meta): x = 1
"""),
    "attribute found in the class": Fact("r = o.x", {
        "class's dictionary": ["C.x = 2", "C.x = property(lambda self: 3)", "C.x = 4"],
        "class": ["o.__class__ = D", "o.__class__ = C"],
        "instance's dictionary": ["o.x = 'own'", "del o.x", "vars(o)['x'] = 'in dict'", "del vars(o)['x']",
                                  "o.__dict__ = {'x': 'new dict'}", "o.__dict__ = {}"],
        "value's class": ["C.x = value", "Value.__get__ = lambda *a: 'got'", "Value.__set__ = lambda *a: None",
                          "del Value.__get__", "del Value.__set__", "value.__class__ = Other", "value.__class__ = Value"],
        "hook of the class": ["C.__getattribute__ = lambda self, name: 'asked'", "del C.__getattribute__",
                              "C.__getattr__ = lambda self, name: 'hook'"],
    }, """
class Value: pass
class Other:
    def __get__(self, *args): return 'other'
class C: x = 1
class D: x = 'of D'
value, o = Value(), C()
"""),
    "attribute of an instance": Fact("r = o.x", {
        "class's dictionary": ["C.x = property(lambda self: 'prop')", "del C.x", "C.x = 'hidden'", "del C.x"],
        "class": ["o.__class__ = D", "o.__class__ = C"],
        "instance's dictionary": ["o.x = 2", "del o.x", "o.x = 3", "o.__dict__ = {'x': 4}", "vars(o)['x'] = 5"],
        "hidden value's class": ["C.x = value", "Value.__set__ = lambda *a: None\nValue.__get__ = lambda *a: 'data'", "del Value.__set__"],
        "hidden value that is a module": ["C.x = m", "m.__class__ = Descr", "m.__class__ = types.ModuleType"],
    }, """
import types
class Descr(types.ModuleType):
    def __get__(self, *args): return 'a module got'
    def __set__(self, *args): pass
class Value: pass
class C: pass
class D: x = property(lambda self: 'of D')
value, m, o = Value(), types.ModuleType('m'), C()
o.x = 1
"""),
    "attribute in __slots__": Fact("r = o.x", {
        "class's dictionary": ["C.x = property(lambda self: 'prop')", "C.x = member", "C.x = other"],
        "class": ["o.__class__ = D", "o.__class__ = C"],
        "slot": ["o.x = 2", "o.x = 'three'"],
    }, """
class C: __slots__ = 'x', 'y'
class D: __slots__ = 'x', 'y'
member, other, o = C.x, C.y, C()
o.x, o.y = 1, 'y'
"""),
    "attribute stored": Fact("o.x = i\nr = vars(o).get('x', 'none')", {
        "class's dictionary": ["C.x = property(None, lambda self, v: None)", "del C.x", "C.__setattr__ = lambda *a: None",
                               "del C.__setattr__"],
        "class": ["o.__class__ = D", "o.__class__ = C"],
        "hidden value's class": ["C.x = value", "Value.__set__ = lambda *a: None", "del Value.__set__"],
        "hidden value that is a module": ["C.x = m", "m.__class__ = Descr", "m.__class__ = types.ModuleType"],
    }, """
import types
class Descr(types.ModuleType):
    def __set__(self, *args): pass
class Value: pass
class C: pass
class D: x = property(None, lambda self, v: None)
value, m, o = Value(), types.ModuleType('m'), C()
"""),
    "static method": Fact("r = c.st(i), C.st(i), c.st is C.st", {
        "contents": ["static.__init__(lambda x: 2)", "static.__init__(lambda x: 3)", "static.__init__(abs)"],
        "class's dictionary": ["C.st = staticmethod(lambda x: 5)", "C.st = staticmethod(len)", "C.st = static"],
    }, "class C:\n    @staticmethod\n    def st(x): return 1\nstatic, c = C.__dict__['st'], C()"),
    "static method as a value": Fact("f = c.st\ng = C.st\nr = f.__name__, g.__name__", {
        "contents": ["static.__init__(len)", "static.__init__(abs)", "static.__init__(C)"],
        "class's dictionary": ["C.st = staticmethod(print)", "C.st = static"],
    }, "class C:\n    @staticmethod\n    def st(x): return 1\nstatic, c = C.__dict__['st'], C()"),
    "class method": Fact("r = c.cm(), C.cm()", {
        "contents": ["method.__init__(lambda cls: 2)", "method.__init__(lambda cls: cls.__name__)"],
        "class's dictionary": ["C.cm = classmethod(lambda cls: 5)", "C.cm = method"],
    }, "class C:\n    @classmethod\n    def cm(cls): return 1\nmethod, c = C.__dict__['cm'], C()"),
    "property": Fact("r = o.x", {
        "class's dictionary": ["C.x = property(lambda self: 2)", "C.x = property(len)", "C.x = prop"],
        "function": ["get.__code__ = (lambda self: 3).__code__", "get.__code__ = (lambda self, d=0: 4).__code__\nget.__defaults__ = (0,)"],
    }, "def get(self): return 1\nclass C:\n    x = prop = property(get)\n    def __len__(self): return 9\nprop, o = C.prop, C()"),
    "method": Fact("r = o.f(i)", {
        "class's dictionary": ["C.f = lambda self, x: 2", "C.f = staticmethod(lambda x: 3)", "C.f = len_of", "C.f = first"],
        "class": ["o.__class__ = D", "o.__class__ = C"],
        "instance's dictionary": ["o.f = lambda x: 'own'", "del o.f", "vars(o)['f'] = abs"],
        "function": ["first.__code__ = (lambda self, x: 'code').__code__",
                     "first.__code__ = (lambda self, x, d=4: d).__code__\nfirst.__defaults__ = ('default',)"],
    }, "def first(self, x): return 1\nlen_of = type('Callable', (), {'__call__': lambda self, x: 'called'})()\n"
       "class C: f = first\nclass D:\n    def f(self, x): return 'of D'\no = C()"),
    "function": Fact("r = f(i), f(i, k=1)", {
        "code": ["f.__code__ = (lambda x, y=2, *, k=3: (x > 0, y, k)).__code__", "f.__code__ = g.__code__"],
        "defaults": ["f.__defaults__ = (5,)", "f.__defaults__ = None", "f.__defaults__ = ('x',)"],
        "keyword defaults": ["f.__kwdefaults__ = {'k': 6}", "f.__kwdefaults__['k'] = 7", "f.__kwdefaults__ = None",
                             "f.__kwdefaults__ = {'k': 8}", "f.__kwdefaults__.clear()", "f.__kwdefaults__ = {'k': 9}"],
        "keyword defaults that are an instance's dictionary": [
            "f.__kwdefaults__ = vars(space)", "space.k = 10", "space.k = 11", "vars(space)['k'] = 12", "del space.k", "space.k = 13"],
    }, "def f(x, y=2, *, k=3): return y, k\ndef g(x, y=2, *, k=3): return k, y\nclass Space: pass\nspace = Space()\nspace.k = 4"),
    "names of arguments": Fact("r = f(**d), g(**d)", {
        "keys": ["d = {'a' + str(len(d)): 2}", "d = {'a1': 3}", "d = {Key('a1'): 4}", "d = {'a1': 5, 'b': 6}"],
    }, "class Key(str): pass\ndef f(a1=0, **kw): return a1, kw\ndef g(a1=0, b=0): return a1, b\nd = {''.join('a1'): 1}"),
    "closure": Fact("r = f()", {
        "cell": ["f.__closure__[0].cell_contents = 2", "f.__closure__[0].cell_contents = 'three'"],
        "code": ["f.__code__ = outer(5).__code__", "f.__code__ = other(5).__code__"],
    }, "def outer(v):\n    def inner(): return v\n    return inner\ndef other(v):\n    def inner(): return v, v\n    return inner\n"
       "f = outer(1)"),
    "bound method": Fact("r = bound(i)", {
        "function": ["C.f.__code__ = (lambda self, x: 2).__code__", "C.f.__code__ = (lambda self, x: self.y).__code__"],
        "instance": ["o.y = 3", "o.__class__ = D"],
        "module's dictionary": ["bound = C().f", "bound = abs", "bound = o.f"],
    }, "class C:\n    y = 0\n    def f(self, x): return 1, self.y\nclass D:\n    y = 'of D'\no = C()\nbound = o.f"),
    "partial": Fact("r = p(1)", {
        "contents": ["p.__setstate__((min, (5,), {}, None))", "p.__setstate__((g, (), {'y': 6}, None))"],
        "function": ["g.__code__ = (lambda x, y: (y, x)).__code__"],
    }, "import functools\ndef g(x, y): return x, y\np = functools.partial(g, 2)"),
    "super": Fact("r = o.f()", {
        "base's dictionary": ["B.f = lambda self: 2", "B.f = staticmethod(lambda: 3)", "B.f = property(lambda s: lambda: 4)",
                              "del B.f", "B.f = lambda self: 5"],
        "bases": ["C.__bases__ = (B2,)", "C.__bases__ = (B,)"],
        "class": ["o.__class__ = D", "o.__class__ = C"],
        "cell of the class": ["C.f.__closure__[0].cell_contents = D", "C.f.__closure__[0].cell_contents = C"],
        "module's dictionary": ["super = mine", "del super"],
    }, """
class A:
    def f(self): return 'A'
class B(A):
    def f(self): return 1
class B2(A):
    def f(self): return 'B2'
class C(B):
    def f(self): return super().f()
class D(C): pass
o = C()
def mine(*args): return A()
"""),
    "super in a metaclass": Fact("r = call(C)", {
        "base's dictionary": ["Base.f = lambda cls: ('new', cls.__name__)", "del Base.f", "Base.f = old"],
        "object": ["C = M2", "C = M1"],
    }, """
class Base(type):
    def f(cls=None): return 'base', getattr(cls, '__name__', cls)
old = Base.__dict__['f']
class Meta(Base):
    def f(cls): return super(Meta, cls).f()
class M1(metaclass=Meta): pass
class M2(Meta, metaclass=Meta): pass
C = M1
def call(cls): return Meta.f(cls)
"""),
    "super over a builtin class": Fact("r = o.get('k')", {
        "base's dictionary": ["Mixin.get = lambda self, key: 'mixin'", "del Mixin.get"],
        "bases": ["C.__bases__ = (Mixin, dict)", "C.__bases__ = (dict, Mixin)"],
    }, """
class Mixin:
    def get(self, key): return 'old mixin'
class C(dict, Mixin):
    def get(self, key): return super().get(key)
o = C(k=1)
"""),
    "isinstance": Fact("r = isinstance(o, A), isinstance(o, int), isinstance(o, Proto)", {
        "class": ["o.__class__ = D", "o.__class__ = C"],
        "bases": ["C.__bases__ = (A,)", "C.__bases__ = (Base,)"],
        "metaclass's dictionary": ["Meta.__instancecheck__ = lambda cls, o: 'yes'", "del Meta.__instancecheck__"],
        "cache of an ABC": ["Proto.register(C)", "Proto.register(D)"],
        "instance's dictionary": ["vars(o)['__class__'] = int"],
    }, """
import abc
class Meta(type): pass
class A(metaclass=Meta): pass
class Proto(abc.ABC): pass
class Base: pass
class C(Base): pass
class D(Base): __class__ = property(lambda self: A)
o = C()
"""),
    "isinstance of a plain class": Fact("r = isinstance(o, A), isinstance(o, int)", {
        "class's dictionary": ["C.__getattribute__ = lambda self, name: A", "del C.__getattribute__", "C.__getattr__ = lambda *a: A"],
        "class": ["o.__class__ = D", "o.__class__ = C"],
        "bases": ["C.__bases__ = (A,)", "C.__bases__ = (Base,)", "C.__bases__ = (Lazy,)", "C.__bases__ = (Base,)"],
    }, """
class A: pass
class Base: pass
class Lazy: __class__ = property(lambda self: int)
class C(Base): pass
class D(Base): __class__ = property(lambda self: A)
o = C()
"""),
    "isinstance of a lazy object": Fact("r = isinstance(o, int), isinstance(o, A)", {
        "class that it names": ["answer = A", "answer = int", "answer = 3"],
        "class": ["o.__class__ = A", "o.__class__ = C"],
    }, "class A: pass\nclass C: __class__ = property(lambda self: answer)\no, answer = C(), int"),
    "type": Fact("r = type(o).__name__", {
        "class": ["o.__class__ = D", "o.__class__ = C"],
        "type's name": ["C.__name__ = 'renamed'", "C.__name__ = 'C'"],
    }, "class C: pass\nclass D: pass\no = C()"),
    "type of a module": Fact("r = type(m).__name__, m.__class__.__name__", {
        "module's class": ["m.__class__ = Sub", "m.__class__ = types.ModuleType"],
    }, "import types\nclass Sub(types.ModuleType): pass\nm = types.ModuleType('m')"),
    "operator": Fact("r = a + b", {
        "class's dictionary": ["A.__add__ = lambda s, o: 2", "A.__add__ = lambda s, o: NotImplemented", "del A.__add__",
                               "A.__add__ = lambda s, o: 3"],
        "class": ["a.__class__ = A2", "a.__class__ = A", "b.__class__ = Sub", "b.__class__ = B"],
        "other's class's dictionary": ["B.__radd__ = lambda s, o: 4", "del B.__radd__", "Sub.__radd__ = lambda s, o: 5",
                                       "b.__class__ = Sub"],
        "function": ["A.__add__.__code__ = (lambda s, o: 6).__code__"],
    }, "class A:\n    def __add__(self, other): return 1\nclass A2:\n    def __add__(self, other): return 'A2'\n"
       "class B: pass\nclass Sub(A): pass\na, b = A(), B()"),
    "operator in place": Fact("r = a\nr += 1", {
        "class's dictionary": ["A.__iadd__ = lambda s, o: 2", "del A.__iadd__", "A.__add__ = lambda s, o: 3", "A.__iadd__ = lambda s, o: 4"],
        "class": ["a.__class__ = A2", "a.__class__ = A"],
    }, "class A:\n    def __add__(self, other): return 1\nclass A2:\n    def __iadd__(self, other): return 'A2'\na = A()"),
    "unary operator": Fact("r = -a, ~a", {
        "class's dictionary": ["A.__neg__ = lambda s: 2", "A.__invert__ = lambda s: 3", "A.__neg__ = abs"],
        "class": ["a.__class__ = A2", "a.__class__ = A"],
    }, "class A:\n    __neg__ = __invert__ = __abs__ = lambda self: 1\nclass A2:\n    __neg__ = __invert__ = __abs__ = lambda self: 'A2'\na = A()"),
    "comparison": Fact("r = a == b, a < b, a != b, a is b", {
        "class's dictionary": ["A.__eq__ = lambda s, o: 2", "A.__lt__ = lambda s, o: NotImplemented", "A.__lt__ = lambda s, o: 4",
                               "del A.__eq__", "A.__ne__ = lambda s, o: 5"],
        "other's class's dictionary": ["B.__eq__ = lambda s, o: 'reflected'", "B.__gt__ = lambda s, o: 'greater'"],
        "class": ["b.__class__ = Sub", "b.__class__ = B"],
    }, "class A:\n    def __eq__(self, other): return NotImplemented\n    def __lt__(self, other): return 1\nclass B: pass\n"
       "class Sub(A):\n    def __gt__(self, other): return 'sub'\na, b = A(), B()"),
    "container's protocol": Fact("r = 1 in a, len(a), a[0], a(1)", {
        "class's dictionary": ["A.__contains__ = lambda s, o: 2", "A.__len__ = lambda s: 3", "A.__getitem__ = lambda s, k: 4",
                               "A.__call__ = lambda s, x: 5", "A.__len__ = lambda s: -1", "A.__contains__ = None"],
        "class": ["a.__class__ = A2", "a.__class__ = A"],
        "instance's dictionary": ["a.__len__ = lambda: 9", "a.__call__ = lambda x: 9"],
    }, "class A:\n    def __contains__(self, x): return True\n    def __len__(self): return 1\n    def __getitem__(self, k): return 2\n"
       "    def __call__(self, x): return 3\nclass A2(A): __len__ = lambda self: 7\na = A()"),
    "truth": Fact("r = 'yes' if a else 'no'\nr = r, not a", {
        "class's dictionary": ["A.__bool__ = lambda s: False", "del A.__bool__", "A.__len__ = lambda s: 0", "A.__bool__ = lambda s: True"],
        "class": ["a.__class__ = A2", "a.__class__ = A"],
    }, "class A: pass\nclass A2:\n    def __bool__(self): return False\na = A()"),
    "iterator": Fact("r = 0\nfor v in it(): r += v", {
        "class's dictionary": ["It.__next__ = lambda s: s.n.pop()", "It.__iter__ = lambda s: iter([7])", "del It.__next__", "del It.__iter__",
                               "It.__iter__ = lambda s: iter((8, 9))"],
        "module's dictionary": ["it = lambda: [4]", "it = lambda: It(int, '56')"],
    }, "class It(map):\n    n = [1, 2, 3]\nit = lambda: It(int, '12')"),
    "iterator in Python": Fact("r = sum(v for v in a)", {
        "class's dictionary": ["A.__iter__ = lambda s: iter([7])", "del A.__iter__", "A.__getitem__ = lambda s, i: [4, 5][i]",
                               "A.__iter__ = lambda s: (x for x in (8, 9))"],
        "class": ["a.__class__ = A2", "a.__class__ = A"],
    }, "class A:\n    def __iter__(self): return iter((1, 2))\nclass A2:\n    def __iter__(self): yield 5\na = A()"),
    "with": Fact("with a as v: r = v", {
        "class's dictionary": ["A.__enter__ = lambda s: 2", "A.__exit__ = lambda s, *e: log.append(1)", "del A.__exit__",
                               "A.__exit__ = lambda s, *e: None"],
        "class": ["a.__class__ = A2", "a.__class__ = A"],
    }, "log = []\nclass A:\n    def __enter__(self): return 1\n    def __exit__(self, *e): pass\n"
       "class A2:\n    def __enter__(self): return 'A2'\n    def __exit__(self, *e): pass\na = A()"),
    "class called": Fact("r = vars(C(1))", {
        "class's dictionary": ["C.__init__ = lambda s, x: setattr(s, 'y', 2)", "C.__new__ = lambda cls, x: other", "del C.__new__",
                               "C.__init__ = lambda s, x: None", "C.__init__ = lambda s, x: 7"],
        "function": ["init.__code__ = (lambda self, x: setattr(self, 'z', x)).__code__"],
        "base's dictionary": ["B.__new__ = lambda cls, x: other", "del B.__new__"],
        "module's dictionary": ["C = D", "C = first"],
    }, "class B: pass\ndef init(self, x): self.x = x\nclass C(B): __init__ = init\nclass D:\n    def __init__(self, x): self.d = x\n"
       "class Other: pass\nother, first = Other(), C"),
    "class with a metaclass called": Fact("r = vars(C(1))", {
        "metaclass's dictionary": ["Meta.__call__ = lambda cls, x: other", "del Meta.__call__"],
        "metaclass": ["C.__class__ = Meta2", "C.__class__ = Meta"],
    }, "class Meta(type): pass\nclass Meta2(type):\n    def __call__(cls, x): return other\nclass C(metaclass=Meta):\n"
       "    def __init__(self, x): self.x = x\nclass Other: pass\nother = Other()"),
    "pattern": Fact("""
match a:
    case [*_]: r = 'sequence'
    case {}: r = 'mapping'
    case Point(1): r = 'point'
    case _: r = 'none'
""", {
        "class's dictionary": ["Point.__match_args__ = ('y',)", "Point.__match_args__ = ('x',)"],
        "flag of the class": ["collections.abc.Mapping.register(A2)", "collections.abc.Sequence.register(A)"],
        "class": ["a.__class__ = A2", "a.__class__ = Point", "a.__class__ = A"],
        "module's dictionary": ["a = [1]", "a = {}", "a = Point()", "a = A()"],
    }, "import collections.abc\nclass A: pass\nclass A2: pass\nclass Point:\n    __match_args__ = 'x',\n    x, y = 1, 2\na = Point()"),
    "key that a dict lacks": Fact("r = d['k']", {
        "class's dictionary": ["D.__missing__ = lambda s, k: 2", "D.__getitem__ = lambda s, k: 3", "del D.__getitem__", "del D.__missing__"],
        "dict": ["d['k'] = 4", "del d['k']", "dict.clear(d)"],
    }, "class D(dict):\n    def __missing__(self, key): return 1\nd = D()"),
    "default factory": Fact("r = d['k']\ndel d['k']", {
        "factory": ["d.default_factory = str", "d.default_factory = None", "d.default_factory = list"],
    }, "import collections\nd = collections.defaultdict(int)"),
    "mapping proxy": Fact("r = p['x'], len(p)", {
        "dict": ["d['x'] = 2", "d['y'] = 3", "del d['x']", "d['x'] = 5"],
    }, "import types\nd = {'x': 1}\np = types.MappingProxyType(d)"),
    "weak proxy": Fact("r = p.x", {
        "referent": ["o.x = 2", "o.__class__ = D", "del o"],
    }, "import weakref\nclass C: pass\nclass D:\n    y = 1\no = C()\no.x = 1\np = weakref.proxy(o)"),
    "function of math": Fact("r = math.sqrt(4), cmath.sin(0.5)", {
        "name of a module": ["cmath.__name__ = 'math'", "math.__name__ = 'builtins'", "math.__name__ = 'math'"],
        "module's dictionary": ["math.sqrt = abs", "math.sqrt = root"],
    }, "import math, cmath\nroot = math.sqrt"),
    "attribute of a function": Fact("r = f.x, f.__name__", {
        "function's dictionary": ["f.x = 2", "f.__dict__ = {'x': 3}"],
        "function": ["f.__name__ = 'renamed'"],
    }, "def f(): pass\nf.x = 1"),
    "generator": Fact("r = sum(g(3))", {
        "function": ["g.__code__ = h.__code__", "g.__code__ = (lambda n: (7, 8)).__code__"],
        "defaults": ["g.__defaults__ = (5,)", "g.__defaults__ = None"],
        "module's dictionary": ["g = h", "g = first"],
    }, "def g(n, k=1):\n    for i in range(n): yield i + k\ndef h(n, k=1):\n    for i in range(n): yield i * 10\nfirst = g"),
    "generator in a loop": Fact("r = 0\nfor v in g(3): r += v", {
        "function": ["g.__code__ = h.__code__", "g.__code__ = (lambda n: (7, 8)).__code__"],
        "defaults": ["g.__defaults__ = (5,)", "g.__defaults__ = None"],
        "module's dictionary": ["g = h", "g = first"],
    }, "def g(n, k=1):\n    for i in range(n): yield i + k\ndef h(n, k=1):\n    for i in range(n): yield i * 10\nfirst = g"),
}

LOOPS = """
def plain(n, at, change, out):
    for i in range(n):
        try:
            pass
{body}
        except Exception as error:
            r = type(error).__name__
        out.append(r)
        if i == at:
            change()

def hears(n, at, change, out):
    for i in range(n):
        change(i == at)
        try:
            pass
{body}
        except Exception as error:
            r = type(error).__name__
        out.append(r)

def caller(n, at, change, out):
    for i in range(n):
        out.append(inner(i))
        if i == at:
            change()

def inner(i):
    try:
        if True:
{body}
    except Exception as error:
        r = type(error).__name__
    return r
"""


def loops_of(fact, space):
    """The body in a loop, in a loop that calls unknown code each turn, in a function."""
    body = "\n".join(f"            {line}" for line in fact.body.strip().splitlines())
    source = LOOPS.format(body=body)
    home = eval(fact.globals, space)
    exec(source, home)
    return [home[name] for name in ("plain", "hears", "caller")]


def short(values):
    """Runs of equal values."""
    text = " ".join(f"{value}*{len(list(group))}" for value, group in itertools.groupby(map(repr, values)))
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def exercise(name, fact, rng):
    for owner in fact.owners:
        space = {"__builtins__": __builtins__, "__name__": "space"}
        exec(fact.setup, space)
        loops = loops_of(fact, space)
        ways = itertools.cycle(fact.owners[owner])
        done = []

        def change(wanted=True):
            if wanted:
                way = next(ways)
                try:
                    exec(way, space)
                except Exception as error:
                    way = f"{way}: {type(error).__name__}"
                done.append(way)

        if rng.random() < 0.3:
            change()
        for turn in range(2 + len(fact.owners[owner])):
            loop, n, out = rng.choice(loops), HOT + rng.randrange(60), []
            at = rng.randrange(n) if turn % 2 else -1
            loop(n, at, change, out)
            if rng.random() < 0.6:
                change()
            print(f"{name}, {owner}, {loop.__name__} after {done}: {short(out)}")


def main():
    rng = random.Random(int(sys.argv[1]))
    plain_import = __import__
    for name, fact in FACTS.items():
        exercise(name, fact, rng)
        if isinstance(__builtins__, dict):
            __builtins__["__import__"] = plain_import
        else:
            __builtins__.__import__ = plain_import


if __name__ == "__main__":
    main()
