"""Random programs: generate(seed) -> source text that runs in prelude.py's namespace.

A program is some functions with loops, then calls of them with arguments of changing types, then
sometimes a loop at module level. Every program ends: loops have fixed bounds, functions call only those
written before them, and the number of statements executed is estimated while generating and
kept under a budget. The same seed gives the same program with the same version of this file.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from expressions import TYPES, Expressions
from handlers import Handlers

FUNCTION_BUDGET = 5000  # statements executed by one call, roughly
LOOP_SIZES = [0, 1, 2, 3, 5, 8, 20, 20, 50, 50, 170, 400]
DEPTH = 4  # of nested blocks


class Generator(Expressions, Handlers):
    def __init__(self, seed: int) -> None:
        super().__init__(random.Random(seed))
        self.lines: list[str] = []
        self.indent = 0
        self.counter = 0
        self.times = 1.0  # how often the statement being written runs, at most
        self.cost = 0.0
        self.costs: dict[str, float] = {}  # of the functions written so far
        self.kinds: dict[str, str] = {}  # and the type of their b
        self.loops: list[str] = []  # kinds of the loops we are in; "finally" bars continue
        self.in_function = self.in_generator = False
        self.generators: dict[str, float] = {}  # written so far, and what running one to its end costs
        self.makers: list[tuple[int, Callable[[], None]]] = [
            (14, self.assign), (10, self.augmented), (4, self.unpack), (5, self.attribute), (5, self.subscript),
            (5, self.container), (8, self.if_), (10, self.for_), (5, self.while_), (6, self.try_), (2, self.with_),
            (4, self.jump), (3, self.raise_), (2, self.return_), (4, self.show), (2, self.rebind_global),
            (2, self.closure), (1, self.delete), (1, self.finalizer), (1, self.match), (1, self.look_at_frame),
            (2, self.identity), (1, self.patch_class), (1, self.sentinel), (1, self.operators),
            (4, self.consume), (5, self.yield_), (2, self.step_generator), (1, self.sets), (1, self.walrus),
            (1, self.star_call), (1, self.early_end), (2, self.slices), (4, self.handling),
        ]

    # -- writing

    def line(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)
        self.cost += self.times

    def fresh(self, stem: str) -> str:
        self.counter += 1
        return f"{stem}{self.counter}"

    def block(self, size: int, times: float = 1.0) -> None:
        """An indented block of about `size` statements that runs `times` times as often."""
        before, names = self.times, dict(self.names)
        self.times *= times
        self.indent += 1
        start = len(self.lines)
        for _ in range(size):
            self.statement()
        if len(self.lines) == start:
            self.line("pass")
        self.indent -= 1
        self.times = before
        # Names first bound in the block stay known now and then: reading them may raise.
        if self.rng.random() > 0.02:
            self.names = names

    def statement(self) -> None:
        if self.cost > FUNCTION_BUDGET:
            return
        weights = [weight for weight, _ in self.makers]
        self.rng.choices([maker for _, maker in self.makers], weights)[0]()

    def risk(self) -> bool:
        """Whether to write something that often raises."""
        return self.rng.random() < 0.06

    # -- simple statements

    def target(self, kind: str) -> str:
        known = [name for name, its in self.names.items() if its == kind and not name.startswith("w")]
        if known and self.rng.random() < 0.7:
            return self.rng.choice(known)
        name = self.fresh(kind.lower())
        self.names[name] = kind
        return name

    def assign(self) -> None:
        kind = self.rng.choices(TYPES, [6, 4, 2, 2, 1, 1, 1, 1])[0]
        value = self.expr(kind, 3)
        self.line(f"{self.target(kind)} = {value}")

    def augmented(self) -> None:
        kind = self.rng.choice("IIIFFSL")
        value = self.expr(kind)
        known = [name for name, its in self.names.items() if its == kind and not name.startswith("w")]
        if not known:
            return self.assign()
        name = self.rng.choice(known)
        op = self.rng.choice({"I": ["+", "+", "-", "*", "^", "//", "%"], "F": ["+", "+", "-", "*", "/"],
                              "S": ["+"], "L": ["+"]}[kind])
        if op in ("/", "//", "%") and not self.risk():
            value = f"abs({value}) + 1"
        self.line(f"{name} {op}= {value}")
        if kind in "SL" or op == "*" or self.rng.random() < 0.2:
            self.line(f"{name} = lim({name})")

    def unpack(self) -> None:
        # The values first: a name must not be read on the line that binds it.
        v, w, f, t, xs = self.expr("I"), self.expr("I"), self.expr("F"), self.expr("T"), self.atom("L")
        old = self.atom("I")
        a, b = self.target("I"), self.target("I")
        if self.risk():
            self.line(self.pick(f"{a}, *{b} = {xs}; {b} = len({b})", f"{a}, {b} = {t}"))
        else:
            self.line(self.pick(f"{a}, {b} = {v}, {w}", f"{a}, {b} = divmod({v}, {w} or 5)", f"{a} = {b} = {v}",
                                f"[{a}, {b}] = ({xs} + [5, 6])[:2]", f"({a}, {b}), _ = ({v}, 2), {f}",
                                f"{a}, {b} = {old}, {old}", f"{b}, {a} = 7, {v}"))

    def attribute(self) -> None:
        o = self.atom("O")
        self.line(self.pick(f"{o}.x = {self.expr('I')}", f"{o}.y = {self.expr('F')}", f"{o}.x += {self.atom('I')}",
                            f"{o}.y *= {self.atom('F')}", f"{o}.bump({self.expr('I')})", f"{o}.x = lim({o}.x)",
                            f"{o}.z = {self.expr('S')}", f"del {o}.z" if self.risk() else f"{o}.x -= 1"))

    def subscript(self) -> None:
        xs, d, i = self.atom("L"), self.atom("D"), self.expr("I")
        if self.risk():
            self.line(self.pick(f"{xs}[{i} % 3] = {self.expr('I')}", f"{xs}[0] += {self.atom('I')}", f"del {d}[{i}]",
                                f"{d}['k'] += 1", f"del {xs}[-1]"))
        else:
            self.line(self.pick(f"if {xs}: {xs}[{i} % len({xs})] = {self.expr('I')}",
                                f"if {xs}: {xs}[-1] += {self.atom('I')}",
                                f"{d}[{i}] = {self.expr('I')}", f"{d}[{i}] = {d}.get({i}, 0) + 1",
                                f"{xs}[1:2] = [{i}]", f"if {i} in {d}: del {d}[{i}]", f"{xs}[-1:] = []"))
        if self.rng.random() < 0.5:
            self.line(f"lim({self.pick(xs, d)})")

    def container(self) -> None:
        xs = self.atom("L")
        take = f"{self.target('I')} = {xs}.pop()" if self.risk() else f"if {xs}: {xs}.pop()"
        self.line(self.pick(f"{xs}.append({self.expr('I')})", take,
                            f"{xs}.extend(({self.atom('I')}, 2))", f"{xs}.insert(0, {self.expr(self.pick('I', 'I', 'F'))})",
                            f"{self.atom('D')}.setdefault({self.atom('I')}, {self.expr('I')})", f"{xs}.reverse()",
                            f"{self.atom('D')}.pop({self.atom('I')}, None)"))
        self.line(f"lim({xs})")

    def show(self) -> None:
        value = self.expr(self.rng.choice(TYPES))
        self.line(f"show({self.fresh('t')!r}, {value})")

    def identity(self) -> None:
        if tests := self.identities():
            self.line(f"show({self.fresh('is')!r}, {self.rng.choice(tests)})")

    def jump(self) -> None:
        if not self.loops:
            return
        word = self.pick("break", "continue", "continue")
        self.line(f"if {self.expr('B')}:")
        self.indent += 1
        self.line(word)
        self.indent -= 1

    def raise_(self) -> None:
        if not self.loops and not self.risk():
            return
        seldom = self.rng.choice(["", " and G0 == 7", f" and {self.atom('I')} == 4"])
        self.line(f"if {self.expr('B')} and {self.expr('B')}{seldom}:")
        self.indent += 1
        self.line(self.pick(f"raise Boom({self.atom('I')})", "raise ValueError('v')", "raise KeyError(1) from None",
                            f"raise Boom('x') from TypeError({self.atom('S')})", "assert False, 'a'"))
        self.indent -= 1

    def return_(self) -> None:
        if self.in_function and self.indent > 1:
            self.line(f"if {self.expr('B')} and {self.expr('B')}:")
            self.indent += 1
            self.line(f"return {self.expr(self.rng.choice(TYPES))}")
            self.indent -= 1

    def rebind_global(self) -> None:
        name, kind = self.rng.choice([("G0", "I"), ("G1", "I"), ("G2", "F")])
        self.line(self.pick(f"globals()[{name!r}] = {self.expr(kind)}", f"set_{name}({self.expr(kind)})"))

    def delete(self) -> None:
        if self.in_function and (names := [n for n in self.names if not n.startswith("w") and n not in "abk"]):
            name = self.rng.choice(names)
            self.line(f"del {name}")
            if not self.risk():
                self.line(f"{name} = {self.literal(self.names[name])}")

    def finalizer(self) -> None:
        label = self.fresh("n")
        self.line(self.pick(f"Del({label!r})", f"{self.fresh('d')} = Del({label!r})",
                            f"[{self.atom('I')}, Del({label!r})]", f"keep = [Del({label!r}), Del('p')]; keep = None",
                            f"{self.atom('O')}.y = Del({label!r})"))

    def sentinel(self) -> None:
        s = f"SENTINELS[{self.rng.randrange(6)}]"
        keep = f"{self.atom('O')}.y = {s}" if self.risk() else f"[{s}][0]"
        self.line(self.pick(f"{self.fresh('s')} = {s}", keep, f"{self.atom('D')}['s'] = {s}",
                            f"(lambda q: q)({s})", f"show('sent', {s} is {s})", f"{self.fresh('s')} = [{s}] * 3"))

    def operators(self) -> None:
        a, b = self.expr("I"), self.expr("I")
        self.line(self.pick(f"show('ops', Ops({a}) + Ops({b}))", f"show('ops', {a} + Ops({b}))",
                            f"show('ops', Ops({a}) + {self.expr('F') if self.risk() else 3})",
                            f"show('ops', {self.atom('F') if self.risk() else 4} + Ops({b}))",
                            f"show('ops', Ops({a}) < Ops({b}))", f"show('ops', list(Ops({a})))",
                            f"show('ops', Ops({a}) == {b})", f"show('ops', bool(Ops({a})))"))

    def sets(self) -> None:
        a, xs = self.atom("I"), self.atom("L")
        self.line(self.pick(f"show('set', sorted({{q for q in {xs} if type(q) is int}} | {{{a}}}, key=repr))",
                            f"{self.target('B')} = {a} in {{1, 2, 3}}", f"{self.target('I')} = len({{*{xs}, {a}}})",
                            f"{self.target('D')} = {{q: {a} for q in {xs}[:9]}}",
                            f"show('set', len(set({xs}) & frozenset((1, 2, {a}))))"))

    def walrus(self) -> None:
        value, name = self.expr("I"), self.target("I")
        self.line(self.pick(f"if ({name} := {value}) > 3: {name} -= 1", f"show('wal', [{name} := {value}, {name}])",
                            f"{self.target('B')} = ({name} := {value}) == {name}"))

    def star_call(self) -> None:
        a, b = self.expr("I"), self.expr("I")
        self.line(self.pick(f"show('star', stars({a}, *{self.atom('L')}, k={b}))", f"show('star', stars(*({a}, {b}), z=1))",
                            f"show('star', stars({a}, **{{'m': {b}, 'k': 2}}))", f"{self.target('I')} = stars({a}, {b})[0]",
                            f"show('star', stars(*{self.atom('T')}))",
                            f"{self.target('I')} = (lambda *q, **w: len(q) - len(w))(*[{a}] * 3, j={b})"))

    def early_end(self) -> None:
        """A loop of its own that a finally clause ends or goes on in."""
        i, end = self.fresh("i"), self.pick("break", "continue", f"show('early', {self.atom('I')})")
        seldom = self.pick("== 2", "% 2", "> 30")
        self.line(f"for {i} in range({self.pick('3', '9', '40')}):")
        self.line("    try:")
        self.line(f"        if {i} {seldom}: {self.pick('break', 'continue', 'raise Boom(7)', '[][1]')}")
        self.line(f"        {self.target('I')} = {i}")
        self.line(f"    {self.pick('except (Boom, IndexError)', 'except IndexError')}:")
        self.line("        show('early', 'caught')")
        self.line("    finally:")
        self.line(f"        if {i} > {self.pick('1', '7')}: {end}")

    def slices(self) -> None:
        xs, i, j = self.atom("L"), self.expr("I", 1), self.rng.choice([-2, -1, 1, 2, 3])
        if xs.startswith("["):
            return self.container()
        self.line(self.pick(f"{xs}[{i}:] = [1, 2.5, {i}]", f"del {xs}[::{abs(j) + 1}]", f"{xs} = {xs}[::{j}] + [{i}, 3]",
                            f"{xs}[::2] = [0] * len({xs}[::2])", f"show('sl', {xs}[{i}:{i} + 9:{j}])",
                            f"{self.target('S')} = 'abcdefgh'[{i} % 9::{j}]"))
        self.line(f"lim({xs})")

    # -- generators

    def yield_(self) -> None:
        if not self.in_generator or not self.in_function:
            return self.assign()
        value = self.expr(self.rng.choice("IIIIIFFSLT"))
        self.line(self.pick(f"yield {value}", f"yield {value}", f"yield {value}", f"show('got', (yield {value}))",
                            f"yield from ({value}, 2, 3)", f"yield from gen(3, {self.pick('-1', '-1', '2')})",
                            *[f"yield from {name}({self.atom('I')})" for name in self.affordable()]))

    def affordable(self) -> list[str]:
        """Generators that can be run to their end here."""
        return [name for name, cost in self.generators.items() if cost * self.times + self.cost < FUNCTION_BUDGET]

    def consume(self) -> None:
        names = self.affordable()
        if not names:
            return self.assign()
        name = self.rng.choice(names)
        self.cost += self.generators[name] * self.times
        g, a, i = f"{name}({self.expr('I')})", self.atom("I"), self.fresh("i")
        ints = f"(q for q in {g} if type(q) is int)"
        self.line(self.pick(
            f"for {i} in {g}: {self.target('I')} = {i} if type({i}) is int else 1", f"show({name!r}, list({g}))",
            f"show({name!r}, lim(sum({ints})))", f"{self.target('I')} = lim(sum({ints}))",
            f"{self.target('L')} = list({ints})[:40]", f"show({name!r}, tuple({g})[:20])", f"show({name!r}, sorted({ints})[:20])",
            f"show({name!r}, any(q == {a} for q in {g}))", f"show({name!r}, all({ints}))", f"show({name!r}, len({{*{ints}}}))",
            f"{self.target('S')} = ','.join(str(q)[:9] for q in {g})[:40]", f"show({name!r}, max({ints}, default=None))",
            f"show({name!r}, [q * 2 for q in {g} if type(q) is not list][:20])", f"{i}, *_ = [*{g}, 1]; show('un', {i})",
            f"show({name!r}, dict(enumerate({g})))", f"show({name!r}, next({g}, 'none'))",
            f"for {i}, _ in zip({g}, range(9)): show('z', {i})", f"show({name!r}, sum({g}))" if self.risk() else "pass"))

    def step_generator(self) -> None:
        """One that is left unfinished, sent to, thrown into or closed."""
        names = self.affordable()
        if not names or not self.room():
            return self.assign()
        name, g = self.rng.choice(names), self.fresh("g")
        self.cost += self.generators[name] * self.times
        self.line(f"{g} = {name}({self.expr('I')})")
        self.line("try:")
        self.indent += 1
        self.line(self.pick(f"show('st', next({g}))", f"show('st', {g}.send(None))",
                            f"for _ in {g}: {self.pick('break', 'pass')}"))
        self.line(self.pick(f"show('st', {g}.send({self.atom('I')}))", f"{g}.close()", f"show('st', list({g})[:9])",
                            f"show('st', {g}.throw(Boom('in')))", f"show('st', (next({g}), next({g})))", f"del {g}",
                            f"for _ in range(30): next({g})"))
        self.indent -= 1
        self.line("except (StopIteration, Boom) as error:")
        self.line("    show('st', type(error).__name__ + str(error)[:60])")

    def patch_class(self) -> None:
        self.line(self.pick("P.shared = P.shared + 1", "P.get = lambda self: self.x + 2", "Sub.extra = 1",
                            "Slots.get = P.bump", f"P.shared = {self.literal('F')}"))

    def look_at_frame(self) -> None:
        if self.in_function:
            self.line("show('seen', caller_locals())")

    # -- compound statements

    def room(self) -> bool:
        return self.indent < DEPTH

    def if_(self) -> None:
        if not self.room():
            return self.assign()
        self.line(f"if {self.expr('B')}:")
        self.block(self.rng.randint(1, 3))
        while self.rng.random() < 0.25:
            self.line(f"elif {self.expr('B')}:")
            self.block(self.rng.randint(1, 2))
        if self.rng.random() < 0.4:
            self.line("else:")
            self.block(self.rng.randint(1, 3))

    def loop_size(self) -> int:
        most = max(1.0, (FUNCTION_BUDGET - self.cost) / self.times / 8)
        fitting = [size for size in LOOP_SIZES if size <= most] or [0]
        return self.rng.choice(fitting if self.rng.random() < 0.4 else fitting[-4:])

    def for_(self) -> None:
        if not self.room():
            return self.augmented()
        n = self.loop_size()
        i, j = self.fresh("i"), self.fresh("j")
        start = self.rng.choice([0, 0, 0, 1, -3, 2**30 - 5, 2**63 - 4])
        header, times, bound = self.rng.choice([
            (f"for {i} in range({n}):", n, {i: "I"}),
            (f"for {i} in range({n}):", n, {i: "I"}),
            (f"for {i} in range({start}, {start + n}):", n, {i: "I"}),
            (f"for {i} in range({n}, 0, -1):", n, {i: "I"}),
            (f"for {i} in range({start}, {start + 3 * n}, 3):", n, {i: "I"}),
            (f"for {i} in [{self.expr('I')}, 1.5, 3] * {n // 3}:", n, {i: "I"}),
            (f"for {i} in ({self.expr('I')}, 2, 3) * {n // 3}:", n, {i: "I"}),
            (f"for {i} in list({self.atom('L')}):", 20, {i: "I"}),
            (f"for {i} in {self.atom('L')}[:]:", 20, {i: "I"}),
            (f"for {i}, {j} in enumerate(range({n})):", n, {i: "I", j: "I"}),
            (f"for {i}, {j} in zip(range({n}), [0.5, 1.5] * {n}):", n, {i: "I", j: "F"}),
            (f"for {i}, {j} in {{q: q * 2 for q in range({min(n, 50)})}}.items():", n, {i: "I", j: "I"}),
            (f"for {i} in 'abcé' * {n // 4}:", n, {i: "S"}),
            (f"for {i} in gen({n}, {self.pick('-1', str(n - 1))}):", 3 * n, {i: "I"}),
            (f"for {i} in Count({n}, {self.pick('-1', str(n // 2))}):", 4 * n, {i: "I"}),
            (f"for {i} in reversed(range({n})):", n, {i: "I"}),
            (f"for {i} in map(lim, range({n})):", 4 * n, {i: "I"}),
            (f"for {i} in (q * q for q in range({n})):", 2 * n, {i: "I"}),
            (f"for {i} in {self.atom('D')}:", 20, {i: "I"}),
            (f"for {i} in Ops({self.literal('I')}):", 6, {i: "I"}),
        ])
        self.line(header)
        if self.rng.random() < 0.85:
            self.names |= bound
        self.loop_body("for", times)
        if self.rng.random() > 0.01:  # after no turns at all the names are unbound
            for name in bound:
                self.names.pop(name, None)

    def while_(self) -> None:
        if not self.room():
            return self.augmented()
        n, counter = self.loop_size(), self.fresh("w")
        self.line(f"{counter} = 0")
        self.names[counter] = "I"
        if self.rng.random() < 0.75:
            self.line(f"while {counter} < {n}:")
        else:
            self.line(f"while {self.expr('B')} and {counter} < {n}:" if self.rng.random() < 0.5 else "while True:")
        self.indent += 1
        self.line(f"{counter} += 1")
        if self.lines[-2].endswith("while True:"):
            self.line(f"if {counter} > {n}: break")
        self.indent -= 1
        self.loop_body("while", n)

    def loop_body(self, kind: str, times: float) -> None:
        self.loops.append(kind)
        if self.indent + 1 < DEPTH and self.rng.random() < 0.35:
            # Whatever the body raises, the loop goes on.
            self.indent += 1
            self.line("try:")
            self.block(self.rng.randint(1, 6), max(times, 1))
            error = self.fresh("e")
            self.line(f"except Exception as {error}:")
            self.line(f"    show_error({error!r}, {error})")
            self.indent -= 1
        else:
            self.block(self.rng.randint(1, 6), max(times, 1))
        self.loops.pop()
        if self.rng.random() < 0.15:
            self.line("else:")
            self.block(1)

    def try_(self) -> None:
        if not self.room():
            return self.assign()
        self.line("try:")
        self.block(self.rng.randint(1, 4))
        ways = self.rng.choice(["except", "except", "finally", "both", "else"])
        if ways != "finally":
            error = self.fresh("e")
            kinds = self.pick("Exception", "(TypeError, ValueError, ArithmeticError)", "Boom", "LookupError",
                              "(Boom, TypeError, NameError)", "Exception")
            self.line(f"except {kinds} as {error}:")
            self.indent += 1
            self.line(f"show({error!r}, type({error}).__name__ + str({error})[:60])")
            self.indent -= 1
            self.block(self.rng.randint(0, 2) or 1)
            if self.rng.random() < 0.1:
                self.indent += 1
                self.line("raise")
                self.indent -= 1
        if ways == "else":
            self.line("else:")
            self.block(1)
        if ways in ("finally", "both"):
            self.line("finally:")
            loops, self.loops = self.loops, []  # no jumps out of finally: they would only warn
            inside, self.in_function = self.in_function, False
            self.block(self.rng.randint(1, 2))
            self.loops, self.in_function = loops, inside

    def with_(self) -> None:
        if not self.room():
            return self.assign()
        name = self.fresh("c")
        self.line(f"with Ctx({name!r}, {self.pick('False', 'True')}) as {name}:")
        self.block(self.rng.randint(1, 3))

    def match(self) -> None:
        self.line(f"match {self.expr(self.rng.choice('ITDSO'))}:")
        self.indent += 1
        m = self.fresh("m")
        self.line(f"case 0 | 1: show({m!r}, 'small')")
        self.line(f"case (q, r): show({m!r}, q)")
        self.line(f"case {{'k': q}}: show({m!r}, q)")
        self.line(f"case P(x=q) if q: show({m!r}, q)")
        self.line(f"case str() | int(): show({m!r}, 'plain')")
        self.line(f"case _: show({m!r}, 'other')")
        self.indent -= 1

    def closure(self) -> None:
        """A function over a cell, called at once and in a loop; sometimes it writes the cell."""
        if not self.in_function or not self.room():
            return self.assign()
        name, cell = self.fresh("h"), self.fresh("v")
        n = self.loop_size()
        self.line(f"{cell} = {self.expr('I')}")
        self.line(f"def {name}(p, q=2):")
        self.indent += 1
        if self.rng.random() < 0.6:
            self.line(f"nonlocal {cell}")
            self.line(f"{cell} = lim({cell} + p)")
        self.line(f"return lim({cell} * q)")
        self.indent -= 1
        i = self.fresh("i")
        self.line(f"for {i} in range({n}):")
        self.indent += 1
        self.times *= max(n, 1)
        self.line(self.pick(f"{name}({i})", f"show('cl', {name}({i}, q={self.atom('I')}))", f"{cell} += {name}(1)"))
        self.line(f"{cell} = lim({cell})")
        self.times /= max(n, 1)
        self.indent -= 1
        self.line(f"show('cell', {cell})")

    # -- functions and the program

    def function(self, name: str) -> None:
        self.kinds[name] = self.rng.choice("IFSL")
        self.names = {"a": "I", "b": self.kinds[name], "k": "I"}
        self.calls = {f: self.kinds[f] for f, cost in self.costs.items() if cost < 60}
        self.line(f"def {name}(a, b={self.literal(self.names['b'])}, *, k={self.literal('I')}):")
        self.cost, self.times, self.indent, self.in_function = 0.0, 1.0, 1, True
        for kind in "IFFLSDOT":
            if self.rng.random() < 0.5:
                value = self.expr(kind, 1)
                self.line(f"{self.target(kind)} = {value}")
        for _ in range(self.rng.randint(2, 7)):
            self.statement()
        if self.rng.random() < 0.85:
            self.rng.choice([self.for_, self.for_, self.while_])()
        results = self.rng.sample(sorted(self.names), min(5, len(self.names)))
        self.line(f"return {', '.join(results)}," if self.rng.random() < 0.6 else f"return {self.expr('I')}")
        self.indent, self.in_function = 0, False
        self.costs[name] = self.cost + 1
        self.line("")

    def generator_function(self, name: str) -> None:
        self.names, self.calls = {"a": "I", "b": "I"}, {f: self.kinds[f] for f, cost in self.costs.items() if cost < 60}
        self.line(f"def {name}(a, b={self.literal('I')}):")
        self.cost, self.times, self.indent, self.in_function, self.in_generator = FUNCTION_BUDGET * 0.7, 1.0, 1, True, True
        before = self.cost
        for _ in range(self.rng.randint(1, 3)):
            self.statement()
        self.line(f"yield {self.atom('I')}")
        self.rng.choice([self.for_, self.for_, self.while_])()
        self.yield_()
        if self.rng.random() < 0.3:
            self.line(f"return {self.atom('I')}")
        self.indent, self.in_function, self.in_generator = 0, False, False
        self.generators[name] = self.cost - before + 5
        self.line("")

    def recursive_function(self, name: str) -> None:
        # Nothing writes to a name that begins with w: 3.13 does not notice endless recursion where a default is used.
        self.names, self.calls = {"wn": "I", "a": "I"}, {}
        kind = self.rng.choice("IIF")
        self.names["b"] = kind
        self.line(f"def {name}(wn, a, b={self.literal(kind)}):")
        self.cost, self.times, self.indent, self.in_function = FUNCTION_BUDGET * 0.9, 60.0, 1, True
        self.line(f"if wn <= 0: return {self.pick('a', '1', self.literal(kind))}")
        for _ in range(self.rng.randint(0, 2)):
            self.statement()
        once = f"{name}(wn - 1, {self.expr('I', 1)}, b)"
        self.line(f"return {self.pick(once, f'lim({once} + {name}(wn - 2, a))', f'({once}, wn)[0]', f'{once} + 1', f'1 + {name}(wn - 1, a + wn)')}")
        self.indent, self.in_function = 0, False
        for depth in self.rng.sample(range(-1, 8), 5):
            self.line(f"attempt({name!r}, {name}, {depth}, {self.literal('I')})")
        self.line("")

    def program(self) -> str:
        for name, value in (("G0", self.literal("I")), ("G1", "7"), ("G2", self.literal("F"))):
            self.line(f"{name} = {value}")
            self.line(f"def set_{name}(value):")
            self.line(f"    global {name}")
            self.line(f"    {name} = value")
        for _ in range(self.rng.randint(1, 4)):
            if self.rng.random() < 0.4:
                self.generator_function(f"y{len(self.generators)}")
            if self.rng.random() < 0.2:
                self.recursive_function(self.fresh("r"))
            self.function(f"f{len(self.costs)}")
        self.names, self.calls = {}, {}
        for name in self.costs:
            for _ in range(self.rng.randint(2, 4)):
                a = self.expr(self.rng.choice("IIIIIIF"), 1)
                b = self.literal(self.kinds[name] if self.rng.random() < 0.9 else self.rng.choice("IFSL"))
                self.line(self.pick(f"attempt({name!r}, {name}, {a})", f"attempt({name!r}, {name}, {a}, {b})",
                                    f"attempt({name!r}, {name}, {a}, {b}, k={self.literal('I')})"))
        if self.rng.random() < 0.5:
            self.module_level()
        return "\n".join(self.lines) + "\n"

    def module_level(self) -> None:
        """A loop outside any function: names instead of fast locals."""
        self.cost, self.times = FUNCTION_BUDGET / 2, 1.0
        self.line("try:")
        self.indent = 1
        for kind in "IFSL":
            self.line(f"{self.target(kind)} = {self.literal(kind)}")
        self.for_()
        self.line(f"show('end', [{', '.join(sorted(self.names))}])")
        self.indent = 0
        self.line("except Exception as error:")
        self.line("    show_error('module', error)")


def generate(seed: int) -> str:
    return Generator(seed).program()


if __name__ == "__main__":
    import sys

    print(generate(int(sys.argv[1])))
