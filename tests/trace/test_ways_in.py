"""Every way in which the interpreter calls a function reaches the function's trace: counted, and with exits forced."""

import re

import pytest
from jit_fixture import jit  # noqa: F401

import jitpatch

if not jitpatch.is_available():
    pytest.skip(f"{jitpatch.why_unavailable()}", allow_module_level=True)

CALLS = 100
OPTIONS = {"threshold": 10**9, "call_threshold": 10**9, "sample": 0}
CLASS = """
class Base:
    def inherited(self, x): return x + 2
    def shared(self, x): return x + 3
class Meta(type):
    def __call__(cls, x): return x + 4
class Made(metaclass=Meta): pass
class Given:
    def __get__(self, owner, cls): return 5
class Item(Base):
    field = Given()
    def __init__(self, x=1, *, y=2): self.x = x; self.y = y
    def method(self, x): return self.x + x
    def shared(self, x): return super().shared(x)
    @staticmethod
    def static(x): return x + 1
    @classmethod
    def of(cls, x): return x - 1
    @property
    def double(self): return self.x * 2
    @double.setter
    def double(self, value): self.y = value
    @double.deleter
    def double(self): self.y = 0
    def __call__(self, x): return self.x * x
    def __add__(self, other): return self.x + 1
    def __radd__(self, other): return self.x + 2
    def __iadd__(self, other): return self
    def __neg__(self): return -self.x
    def __eq__(self, other): return self.x == 1
    def __lt__(self, other): return self.x < 1
    def __hash__(self): return self.x
    def __contains__(self, x): return x == self.x
    def __getitem__(self, i): return self.x + i
    def __setitem__(self, i, value): self.y = value
    def __delitem__(self, i): self.y = i
    def __len__(self): return self.x
    def __bool__(self): return self.x > 0
    def __str__(self): return "item"
    def __repr__(self): return "Item()"
    def __format__(self, spec): return "formatted"
    def __index__(self): return self.x
    def __iter__(self): return iter((self.x, 2))
    def __next__(self): return self.x
    def __getattr__(self, name): return name
    def __class_getitem__(cls, x): return x
class Closed(Item):
    def __setattr__(self, name, value): value + 1
    def __getattribute__(self, name): return 6
class Counted:
    def __new__(cls): return 7
class Dies:
    def __del__(self): gone.append(self.__class__)
class Guard:
    def __enter__(self): return 8
    def __exit__(self, kind, value, tb): return False
def f(x, y=2): return x + y
def only(x, *, y=2): return x + y
def rest(*x, **y): return len(x) + len(y)
def cell(x):
    get = lambda: x
    return x
def make(k):
    def free(x): return x + k
    return free
def decorate(g):
    def wrapper(*args, **kwargs): return g(*args, **kwargs)
    return wrapper
decorated = decorate(lambda x: x)
free, gone, item, closed, guard = make(3), [], Item(1), Closed(1), Guard()
bound, pair, named = item.method, (1, 2), {"x": 1, "y": 2}
"""
# How it is called, and the function that it calls.
WAYS = {
    "f(1)": "f", "f(1, 3)": "f", "f(1, y=3)": "f", "f(y=3, x=1)": "f", "f(*pair)": "f", "f(**named)": "f",
    "only(1)": "only", "only(1, y=3)": "only", "rest(1, 2)": "rest", "rest(1, z=3)": "rest", "cell(1)": "cell",
    "free(1)": "free", "decorated(1)": "decorated", "(lambda: f)()(1)": "f",
    "item.method(2)": "Item.method", "bound(2)": "Item.method", "Item.method(item, 2)": "Item.method",
    "item.inherited(2)": "Base.inherited", "item.shared(2)": "Item.shared",
    "item.static(2)": "Item.static", "Item.static(2)": "Item.static", "item.of(2)": "Item.of.__func__",
    "Item.of(2)": "Item.of.__func__", "item.double": "Item.double.fget", "item.double = 3": "Item.double.fset",
    "del item.double": "Item.double.fdel", "item(2)": "Item.__call__", "Item()": "Item.__init__",
    "Item(2)": "Item.__init__", "Item(x=2, y=3)": "Item.__init__", "Closed(2)": "Item.__init__", "Counted()": "Counted.__new__",
    "Made(1)": "Meta.__call__", "item + 1": "Item.__add__", "1 + item": "Item.__radd__", "item += 1": "Item.__iadd__",
    "-item": "Item.__neg__", "item == 1": "Item.__eq__", "item != 1": "Item.__eq__", "item < 1": "Item.__lt__",
    "hash(item)": "Item.__hash__", "1 in item": "Item.__contains__", "item[1]": "Item.__getitem__",
    "item[1] = 2": "Item.__setitem__", "del item[1]": "Item.__delitem__", "len(item)": "Item.__len__",
    "not item": "Item.__bool__", "str(item)": "Item.__str__", "repr(item)": "Item.__repr__", "f'{item!r}'": "Item.__repr__",
    "f'{item}'": "Item.__format__", "pair[item]": "Item.__index__", "iter(item)": "Item.__iter__",
    "a, b = item": "Item.__iter__", "next(item)": "Item.__next__", "item.nothing": "Item.__getattr__",
    "item.field": "Given.__get__", "Item[1]": "Item.__class_getitem__.__func__", "closed.x": "Closed.__getattribute__",
    "closed.x = 1": "Closed.__setattr__", "Dies()": "Dies.__del__", "with guard: pass": "Guard.__enter__",
    "with guard as x: pass": "Guard.__exit__",
}


def made(statement):
    """A module in which many() makes the call CALLS times, with no loop that could be compiled."""
    space = {}
    names = "    global item\n" if "+=" in statement else ""
    exec(f"{CLASS}\ndef many():\n{names}" + f"    {statement}\n" * CALLS, space)
    return space


def result_of(statement, space):
    try:
        result = eval(statement, space)
    except SyntaxError:
        exec(statement, space)
        result = [space["item"].y, space.get("a"), space.get("x")]
    return re.sub(" at 0x[0-9a-f]+", "", repr(result))


def warm(hook, statement):
    hook.set_param("call_threshold", 20)    # for what starts for the first time meanwhile
    space = made(statement)
    space["many"]()
    hook.set_param("call_threshold", OPTIONS["call_threshold"])
    for _ in range(3):
        space["many"]()
    return space


def entered(hook, action):
    before = hook.stats()[0]["entered"]
    action()
    return hook.stats()[0]["entered"] - before


@pytest.mark.parametrize("statement", WAYS)
def test_the_interpreter_comes_to_the_trace_of(jit, statement):  # noqa: F811
    cold = result_of(statement, made(statement))
    jitpatch.enable(**OPTIONS)
    space = warm(jit, statement)
    function = eval(WAYS[statement], space)
    assert entered(jit, space["many"]) >= CALLS
    assert jit._has_door(function) or not jitpatch.executors(function)      # it is followed by its caller's trace
    assert result_of(statement, space) == cold


@pytest.mark.parametrize("statement", WAYS)
def test_the_same_with_exits_forced_in(jit, statement):  # noqa: F811
    cold = result_of(statement, made(statement))
    jitpatch.enable(**OPTIONS, force_exit=3)
    space = warm(jit, statement)
    assert {result_of(statement, space) for _ in range(30)} == {cold}
    assert entered(jit, space["many"]) > 0
