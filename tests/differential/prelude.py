"""What every random program finds in its namespace. Executed afresh for each program.

The code objects are compiled once per process and run with many different globals, so a trace made
for one program meets the next one's classes and globals through the same code.
"""

import gc
import re
import sys
import zlib
from itertools import islice

NAN = float("nan")
INF = float("inf")
LINES_KEPT = 400

OUT = []
OUT_HASH = [0, 0]


class Boom(Exception):
    pass


def text_of(value, depth=0):
    """repr with the type, stable between processes: no addresses, no giant ints."""
    kind = type(value).__name__
    if type(value) is int and value.bit_length() > 400:
        return f"int#{value.bit_length()}:{value % 1000000007}"
    if type(value) in (list, tuple) and depth < 3:
        inner = ", ".join(text_of(item, depth + 1) for item in value[:30])
        return f"{kind}{len(value)}({inner})"
    if type(value) is dict and depth < 3:
        inner = ", ".join(f"{text_of(k, depth + 1)}: {text_of(v, depth + 1)}" for k, v in list(value.items())[:30])
        return f"dict{len(value)}({inner})"
    if type(value) is float and value != value:
        return "float nan"
    return f"{kind} {re.sub(r'0x[0-9a-f]+', '0x?', repr(value)[:200])}"


def show(tag, value=None):
    line = f"{tag}: {text_of(value)}"
    if len(OUT) < LINES_KEPT:
        OUT.append(line)
    OUT_HASH[0] += 1
    OUT_HASH[1] = zlib.crc32(line.encode("utf-8", "backslashreplace"), OUT_HASH[1])


def place(tb):
    """Function, line and columns. Not tb_lasti: the specialiser moves it within one instruction."""
    code = tb.tb_frame.f_code
    _, _, start, end = next(islice(code.co_positions(), tb.tb_lasti // 2, None))
    return f"{code.co_name}+{tb.tb_lineno - code.co_firstlineno}:{start}-{end}"


def show_error(tag, error):
    """Type, text, the chain of contexts, and where: names, lines and columns."""
    seen = 0
    while error is not None and seen < 4:
        places = []
        tb = error.__traceback__
        while tb is not None:
            places.append(place(tb))
            tb = tb.tb_next
        show(tag, f"{type(error).__name__}({error}) at {' '.join(places)}")
        error = error.__context__
        seen += 1


def show_trail(tag, error, depth=0):
    """As show_error, with causes, and what the frames' variables are."""
    if error is None or depth > 3:
        return
    places, tb = [], error.__traceback__
    while tb is not None:
        mine = tb.tb_frame.f_locals.get("mine") if tb.tb_frame.f_code.co_name != "<module>" else None
        places.append(f"{place(tb)}:{mine}")
        tb = tb.tb_next
    show(tag, f"{type(error).__name__}{error.args[:2]} {error.__suppress_context__} at {' '.join(places)}")
    show_trail(tag + "c", error.__context__, depth + 1)
    if error.__cause__ is not error.__context__:
        show_trail(tag + "f", error.__cause__, depth + 1)


def fail(kind, value):
    mine = value * 2
    if kind == 0:
        raise Boom(value)
    if kind == 1:
        return {}[value]
    if kind == 2:
        return [][value]
    if kind == 3:
        return int("no")
    if kind == 4:
        return value.missing
    if kind == 5:
        return next(iter(()))
    return mine


def finally_fail(kind, value, log):
    mine = [value]
    try:
        return fail(kind, value)
    finally:
        log[2] += mine[0] & 3


def again(kind, value):
    mine = str(value)
    try:
        return fail(kind, value)
    except LookupError as error:
        raise Boom(mine) from error
    except Boom:
        raise


def may_fail(kind, value):
    try:
        return fail(kind, value)
    except (Boom, LookupError):
        return -1


class Picky:
    def __init__(self, value):
        mine = self
        if value % 3 == 2:
            raise ValueError(value)
        self.value = value


class Swallow:
    def __init__(self, kinds):
        self.kinds = kinds

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        return kind is not None and issubclass(kind, self.kinds)


def attempt(tag, function, *args, **keywords):
    try:
        show(tag, function(*args, **keywords))
    except Exception as error:
        show_error(tag, error)


def lim(value):
    """Keeps what grows in a loop small enough to go on."""
    kind = type(value)
    if kind is int:
        return value if -(1 << 130) < value < (1 << 130) else value % ((1 << 64) - 59) - (1 << 62)
    if kind is str or kind is tuple:
        return value if len(value) < 60 else value[:9]
    if kind is list:
        if len(value) > 60:
            del value[9:]
        return value
    if kind is dict:
        while len(value) > 40:
            value.popitem()
        return value
    return value


class P:
    """Instance attributes in the usual order."""

    shared = 5

    def __init__(self, x=0, y=1.0):
        self.x = x
        self.y = y

    def __repr__(self):
        return f"{type(self).__name__}({text_of(self.x, 2)}, {text_of(self.y, 2)})"

    def get(self):
        return self.x

    def bump(self, by=1):
        self.x = lim(self.x + by)
        return self.x

    def mix(self, other, scale=2, *, shift=0):
        return lim(self.x * scale + other + shift)

    @staticmethod
    def fixed(a, b=3):
        return a - b

    @classmethod
    def named(cls, n):
        return f"{cls.__name__}{n}"


class Sub(P):
    def get(self):
        return lim(super().get() + 1)

    def bump(self, by=2):
        self.y = by
        return super().bump(by)


class Slots:
    __slots__ = ("x", "y", "z")

    def __init__(self, x=0, y=1.0):
        self.x = x
        self.y = y

    def __repr__(self):
        return f"Slots({text_of(self.x, 2)}, {text_of(self.y, 2)})"

    def get(self):
        return self.x

    def bump(self, by=1):
        self.x = lim(self.x + by)
        return self.x

    def mix(self, other, scale=2, *, shift=0):
        return lim(self.x - other * scale + shift)


class Prop:
    def __init__(self, x=0, y=1.0):
        self._x = x
        self.y = y
        self.reads = 0

    @property
    def x(self):
        self.reads += 1
        return self._x

    @x.setter
    def x(self, value):
        if type(value) is str:
            raise Boom("no strings")
        self._x = value

    def __repr__(self):
        return f"Prop({text_of(self._x, 2)}, {self.reads})"

    def __getattr__(self, name):
        if name == "mix":
            return lambda other, scale=2, *, shift=0: lim(scale * shift - other)
        raise AttributeError(name)

    def get(self):
        return self.x

    def bump(self, by=1):
        self.x = lim(self.x + by)
        return self.x


class Ops:
    """Operators that answer, decline or raise, depending on the value."""

    def __init__(self, n):
        self.n = n

    def __repr__(self):
        return f"Ops({text_of(self.n, 2)})"

    def __add__(self, other):
        if type(other) is Ops:
            return Ops(lim(self.n + other.n))
        if type(other) is int:
            return Ops(lim(self.n + other))
        return NotImplemented

    def __radd__(self, other):
        if type(other) is float:
            raise Boom("no floats")
        return Ops(lim(other + self.n))

    def __lt__(self, other):
        return self.n < other.n if type(other) is Ops else NotImplemented

    def __eq__(self, other):
        return type(other) is Ops and self.n == other.n

    def __hash__(self):
        return 7

    def __len__(self):
        return abs(self.n) % 5

    def __getitem__(self, index):
        if index >= 6:
            raise IndexError(index)
        return self.n + index

    def __call__(self, a, b=1):
        return lim(self.n + a - b)


class Del:
    """Says when it dies."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return f"Del({self.name})"

    def __del__(self):
        show("del", self.name)


class Count:
    """An iterator that may raise on its way."""

    def __init__(self, end, bad=-1):
        self.i = 0
        self.end = end
        self.bad = bad

    def __iter__(self):
        return self

    def __next__(self):
        if self.i >= self.end:
            raise StopIteration
        self.i += 1
        if self.i == self.bad:
            raise Boom(f"at {self.i}")
        return self.i


class Ctx:
    def __init__(self, name, swallow=False):
        self.name = name
        self.swallow = swallow

    def __enter__(self):
        show("enter", self.name)
        return self

    def __exit__(self, kind, error, tb):
        show("exit", f"{self.name} {kind.__name__ if kind else None}")
        return self.swallow


def gen(n, bad=-1):
    try:
        for i in range(n):
            if i == bad:
                raise Boom(f"gen {i}")
            got = yield i
            if got is not None:
                show("sent", got)
    finally:
        show("gen closed", n)


def stars(first, *rest, k=1, **more):
    """Takes whatever comes."""
    return first, len(rest), k, sorted(more)


def caller_locals():
    """What a callee sees of the frame that calls it."""
    frame = sys._getframe(1)
    return {k: v for k, v in sorted(frame.f_locals.items()) if type(v) in (int, float, str, bool)}


# Made, not written: compiled code may keep a reference to a constant of a code object.
SENTINELS = [P(11), Slots(12), int("1" + "0" * 25), float("2.75"), "".join(["sentinel"] * 3), tuple(["t", 1.25])]


def counts():
    # No loop of ours: a compiled one may hold its variable without counting it.
    return list(map(sys.getrefcount, SENTINELS))


BEFORE = counts()


def finish():
    gc.collect()
    show("refcounts", [b - a for a, b in zip(BEFORE, counts())])
    show("lines", list(OUT_HASH))
