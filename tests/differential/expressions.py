"""Random expressions, by the type they most likely have.

Types are single letters: I int, F float, S str, L list, D dict, T tuple, B bool, O object with the
attributes x and y and the methods get, bump and mix. Now and then a name of another type is taken, so
that type guards fail and operations raise.
"""

from __future__ import annotations

import random
from collections.abc import Callable

SMALL_INTS = [0, 1, 2, 3, 5, 7, 10, -1, -2, -7]
EDGE_INTS = [255, 256, 257, -5, -6, 2**15, 2**30 - 1, 2**30, -(2**30), 2**31, 2**60, 2**62, 2**63 - 1,
             2**63, -(2**63), -(2**63) - 1, 2**64, 10**20]
FLOATS = ["0.0", "-0.0", "0.5", "1.5", "-2.25", "0.1", "3.0", "1e16", "1e308", "5e-324", "NAN", "INF",
          "-INF"]
STRINGS = ["''", "'a'", "'xyz'", "'7'", "'é'", "'\\U0001f600b'", "'hello world'"]
TYPES = "IFSLDTBO"
STRANGE = [0.0, 0.0, 0.002, 0.02]  # how often the type is disregarded; one is drawn per program


class Expressions:
    """Needs a random source; knows the names in scope and their types."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.names: dict[str, str] = {}
        self.calls: dict[str, str] = {}  # functions that may be called here, and the type of their b
        self.strange = rng.choice(STRANGE)
        self.table: dict[str, list[Callable[[int], str]]] = {
            "I": [self.int_arith] * 6 + [self.int_bits, self.int_from_container, self.int_from_object,
                                         self.int_builtin, self.conditional_int, self.call],
            "F": [self.float_arith] * 5 + [self.float_convert, self.float_from_object],
            "S": [self.str_build] * 2 + [self.str_slice, self.fstring],
            "L": [self.list_build, self.list_slice, self.comprehension],
            "D": [self.dict_build],
            "T": [self.tuple_build],
            "B": [self.compare] * 4 + [self.bool_other],
            "O": [self.object_build],
        }

    def pick(self, *texts: str) -> str:
        return self.rng.choice(texts)

    def expr(self, kind: str, depth: int = 2) -> str:
        if self.rng.random() < self.strange:
            kind = self.rng.choice(TYPES)
        if depth <= 0 or self.rng.random() < 0.3:
            return self.atom(kind)
        return self.rng.choice(self.table[kind])(depth - 1)

    def atom(self, kind: str) -> str:
        known = [name for name, its in self.names.items() if its == kind]
        if known and self.rng.random() < 0.75:
            return self.rng.choice(known)
        return self.literal(kind)

    def literal(self, kind: str) -> str:
        if kind == "I":
            pool = SMALL_INTS if self.rng.random() < 0.75 else EDGE_INTS
            value = self.rng.choice(pool)
            return str(value) if value >= 0 else f"({value})"
        if kind == "F":
            return f"({self.rng.choice(FLOATS)})"
        if kind == "S":
            return self.rng.choice(STRINGS)
        if kind == "B":
            return self.pick("True", "False")
        return {"L": "[1, 2, 3]", "D": "{1: 2, 2: 3, 'k': 3}", "T": "(1, 2.5, 'q')", "O": "P(3)"}[kind]

    # -- ints

    def int_arith(self, depth: int) -> str:
        a, b = self.expr("I", depth), self.expr("I", depth)
        op = self.rng.choice(["+", "+", "-", "-", "*", "//", "%"])
        if op == "*":
            # A list times a large int would take all memory, should a type be wrong.
            x, y = self.atom("I"), self.atom("I")
            return self.pick(f"lim({x} * {y} if type({x}) is type({y}) else 1)", f"lim({a} * {self.rng.choice(SMALL_INTS)})",
                             f"({x} * 3 if type({x}) is int else 2)")
        if op in "//%":
            return self.pick(f"({a} {op} ({b} or 3))", f"({a} {op} (abs({b}) + 1))", f"({a} {op} 7)", f"({a} {op} {b})")
        return f"({a} {op} {b})"

    def int_bits(self, depth: int) -> str:
        a, b = self.expr("I", depth), self.expr("I", depth)
        return self.pick(f"({a} & {b})", f"({a} | {b})", f"({a} ^ {b})", f"(-{a})", f"(~{a})",
                         f"lim({a} << {self.rng.choice([0, 1, 5, 31])})", f"({a} >> {self.rng.choice([0, 1, 7, 64])})",
                         f"lim({a} ** {self.rng.choice([0, 1, 2])})", f"(+{b})")

    def int_from_container(self, depth: int) -> str:
        i = self.expr("I", depth)
        xs, d, s = self.atom("L"), self.atom("D"), self.atom("S")
        safe = [f"len({xs})", f"({xs} or [4])[{i} % 3 - 1]", f"({xs}[{i} % len({xs})] if {xs} else 0)",
                f"{d}.get({i}, 0)", f"len({s})", f"len({d})", f"({xs}[-1] if {xs} else 1)", f"{s}.find('l')",
                f"({d}[{i}] if {i} in {d} else 2)", f"sum({xs})"]
        risky = [f"{xs}[{i} % 3]", f"{xs}[{self.literal('I')}]", f"{d}[{i}]", f"{self.atom('T')}[0]", f"{xs}[-1]"]
        return self.rng.choice(safe if self.rng.random() < 0.93 else risky)

    def int_from_object(self, depth: int) -> str:
        o, a, b = self.atom("O"), self.expr("I", depth), self.expr("I", depth)
        return self.pick(f"{o}.x", f"{o}.x", f"{o}.get()", f"{o}.bump()", f"{o}.bump({a})", f"{o}.mix({a})",
                         f"{o}.mix({a}, scale={b})", f"{o}.mix({a}, {b}, shift=3)", f"P.shared",
                         f"P.fixed({a})", f"P.fixed({a}, b={b})", f"Ops({a})({b})", "G0", "G0", "G1")

    def int_builtin(self, depth: int) -> str:
        a, b = self.expr("I", depth), self.expr("I", depth)
        return self.pick(f"abs({a})", f"max({a}, {b})", f"min({a}, {b})", f"sum({self.atom('L')}, 0)",
                         f"int(min(max({self.atom('F')}, -9.5), 1e15))", f"divmod({a}, {b} or 9)[1]", f"len(str({a}))",
                         f"(lambda q, r={b}: q - r)({a})", f"lim({a})", f"int({self.atom('F')} == {a})",
                         f"({a}).bit_length()", f"ord({self.atom('S')}[:1] or 'q')", f"int({self.expr('B', depth)})")

    def conditional_int(self, depth: int) -> str:
        return f"({self.expr('I', depth)} if {self.expr('B', depth)} else {self.expr('I', depth)})"

    def call(self, depth: int) -> str:
        if not self.calls:
            return self.int_arith(depth)
        name = self.rng.choice(sorted(self.calls))
        a, b = self.expr("I", depth), self.atom(self.calls[name])
        return self.pick(f"{name}({a}, {b})", f"{name}({a})", f"{name}({a}, k={b})", f"{name}(a={a}, b={b})",
                         f"{name}(*({a}, {b}))", f"{name}({a}, **{{'k': {b}}})")

    # -- floats

    def float_arith(self, depth: int) -> str:
        a = self.expr("F", depth)
        b = self.expr(self.rng.choice("FFFI"), depth)
        op = self.rng.choice(["+", "+", "-", "-", "*", "*", "/", "//", "%"])
        if op == "*":
            x, y = self.atom("F"), self.atom("F")
            return self.pick(f"({x} * {y} if type({x}) is float else 0.5)", f"({a} * 0.5)", f"(-1.5 * {a})")
        if op != "+" and op != "-" and self.rng.random() < 0.9:
            return f"({a} {op} (abs({b}) + 0.25))"
        return self.pick(f"({a} {op} {b})", f"({a} {op} {b})", f"({b} {op} {a})", f"(-{a})")

    def float_convert(self, depth: int) -> str:
        return self.pick(f"float({self.expr('I', depth)})", f"({self.expr('I', depth)} / ({self.atom('I')} or 8))",
                         f"abs({self.expr('F', depth)})", f"(min({self.atom('F')}, 1e9) * 2)",
                         f"({self.expr('F', depth)} if {self.expr('B', depth)} else {self.expr('F', depth)})")

    def float_from_object(self, depth: int) -> str:
        return self.pick(f"{self.atom('O')}.y", f"max({self.expr('F', depth)}, {self.expr('F', depth)})", "G2")

    # -- strings and containers

    def str_build(self, depth: int) -> str:
        a, b = self.expr("S", depth), self.expr("S", depth)
        return self.pick(f"lim({a} + {b})", f"({a} + {self.literal('S')})[:40]", f"str({self.expr('I', depth)})",
                         f"{a}.upper()", f"{a}.replace('l', {b})[:40]", f"P.named({self.expr('I', depth)})[:40]",
                         f"','.join([{a}, {b}])[:40]", f"({a} * 2)[:40]", f"({a} or {b})")

    def str_slice(self, depth: int) -> str:
        a, i = self.atom("S"), self.expr("I", depth)
        return self.pick(f"{a}[1:]", f"{a}[:{i}]", f"{a}[::-1]", f"{a}[{i}:{i} + 2]", f"({a} or 'q')[0]", f"{a}[-1:]")

    def fstring(self, depth: int) -> str:
        i, f = self.atom("I"), self.atom("F")
        return self.pick(f"f'{{{i}}}:{{{f}!r}}'[:40]", f"f'<{{{i}:>8}}>'[:40]", f"f'{{{f}:.3f}}'[:40]",
                         f"f'{{{self.atom('S')}!s:.5}}-'", f"('%s %d' % ({self.atom('S')}, {i}))[:40]")

    def list_build(self, depth: int) -> str:
        a, b = self.expr("I", depth), self.expr(self.rng.choice("IIIIIF"), depth)
        return self.pick(f"[{a}, {b}]", f"[*{self.atom('L')}, {a}][-40:]", f"lim({self.atom('L')} + [{a}])",
                         f"list(range({self.rng.randint(0, 6)}))", f"[{a}] * 3", f"[len({self.atom('T')})]",
                         f"sorted([{a}, {self.atom('I')}])", f"list({self.atom('D')}.values())[:9]", "[]")

    def list_slice(self, depth: int) -> str:
        xs = self.atom("L")
        return self.pick(f"{xs}[1:]", f"{xs}[:{self.expr('I', depth)}]", f"{xs}[::-1]", f"{xs}[-3:]", f"{xs}[:]")

    def comprehension(self, depth: int) -> str:
        a = self.atom("I")
        return self.pick(f"[q * 2 for q in {self.atom('L')}][:40]", f"[q for q in range(5) if q != {a}]",
                         f"[p + len(str(q)) for p, q in enumerate({self.atom('L')})][:20]",
                         f"list({{q % 3 for q in range(7)}})", f"[q + {a} for q in (1, 2, 3)]",
                         f"list(map(lambda q: q, {self.atom('L')}))", f"[*(q - {a} for q in range(4))]",
                         "[len([p * q for p in range(q)]) for q in range(3)]")

    def dict_build(self, depth: int) -> str:
        a, b = self.expr("I", depth), self.expr("I", depth)
        return self.pick(f"{{{a}: {b}, 'k': {a}}}", f"{{q: q + {a} for q in range(4)}}", f"dict({self.atom('D')})",
                         f"{{**{self.atom('D')}, {a}: 1}}", f"dict(k={a}, m={b})", f"dict(zip('abc', {self.atom('L')}))",
                         f"lim({self.atom('D')} | {{{a}: {b}}})")

    def tuple_build(self, depth: int) -> str:
        a, b = self.expr("I", depth), self.expr(self.rng.choice(TYPES), depth)
        return self.pick(f"({a}, {b})", f"({a},)", f"lim({self.atom('T')} + ({b},))", f"{self.atom('T')}[:2]",
                         f"(*{self.atom('L')}, {a})[:9]", f"tuple({self.atom('L')})")

    def object_build(self, depth: int) -> str:
        a = self.expr("I", depth)
        cls = self.rng.choice(["P", "Sub", "Slots", "Prop"])
        return self.pick(f"{cls}({a})", f"{cls}({a}, y={self.expr('F', depth)})", "SENTINELS[0]", "SENTINELS[1]")

    # -- truth

    def compare(self, depth: int) -> str:
        kind = self.rng.choice("IIIFFS")
        a, b, c = (self.expr(kind, depth) for _ in range(3))
        op = self.rng.choice(["<", "<=", "==", "!=", ">", ">="])
        return self.pick(f"({a} {op} {b})", f"({a} {op} {b})", f"({a} {op} {b} {op} {c})",
                         f"({self.expr('I', depth)} {op} {self.expr('F', depth)})")

    def bool_other(self, depth: int) -> str:
        a, b = self.expr("B", depth), self.expr("B", depth)
        kind = self.rng.choice(TYPES)
        x, y = self.atom(kind), self.atom(kind)
        return self.pick(f"(not {a})", f"({a} and {b})", f"({a} or {b})", f"({self.atom('I')} in {self.atom('L')})",
                         f"({self.atom('S')} in {self.atom('S')})", f"({self.atom('I')} not in {self.atom('D')})",
                         f"isinstance({x}, {self.pick('int', 'float', 'str', 'P', '(int, list)')})",
                         f"({x} is None)", f"bool({x})", f"(type({x}) is int)",
                         f"hasattr({x}, {self.pick('\"x\"', '\"upper\"')})",
                         # identity is only asked of names: literals would warn
                         *self.identities())

    def identities(self) -> list[str]:
        if len(self.names) < 2:
            return []
        a, b = self.rng.sample(sorted(self.names), 2)
        return [f"({a} is {b})", f"({a} is not {b})"]
