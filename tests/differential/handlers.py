"""The part of the generator that writes loops in which exceptions are raised and handled, mostly without a call that a
handler's trace would end at: what is seen of them is told when the loop is over."""

from __future__ import annotations

import random
from collections.abc import Callable

KINDS = ["Boom", "KeyError", "IndexError", "LookupError", "ValueError", "(Boom, KeyError)", "(AttributeError, TypeError)",
         "StopIteration", "ZeroDivisionError", "Exception", "Exception", "Exception"]


class Handlers:
    rng: random.Random
    indent: int
    times: float
    cost: float
    in_generator: bool
    line: Callable[[str], None]
    fresh: Callable[[str], str]
    room: Callable[[], bool]
    assign: Callable[[], None]

    def handling(self) -> None:
        if not self.room():
            return self.assign()
        n = self.rng.choice([3, 20, 60, 60, 200])
        i, log, kept = self.fresh("i"), self.fresh("log"), self.fresh("kept")
        self.cost += 6 * n * self.times
        self.line(f"{log}, {kept}, last = [0, 0, 0, 0], [], None")
        self.line(f"for {i} in range({n}):")
        self.indent += 1
        self.attempt_(i, log, kept, 2)
        self.line(f"{log}[0] += 1")
        self.indent -= 1
        self.line(f"show({log!r}, [*{log}, type(last).__name__, str(sys.exception())])")
        self.line(f"for error in {kept}[-3:]: show_trail({log!r}, error)")
        self.line(f"del {kept}")

    def quiet(self, i: str, log: str) -> str:
        return self.rng.choice([f"{log}[1] += {i}", f"{log}[2] ^= {i}", "pass", f"last = {i}", f"x_{i} = {i} * 1.5"])

    def raising(self, i: str, log: str) -> str:
        when = self.rng.choice([f"{i} % 2", f"{i} % 3 == 1", f"{i} > 9", "True", f"{i} % 50 == 49"])
        kind = self.rng.choice(["0", "1", "2", "3", "4", "5", f"{i} % 7", f"{i} & 1"])
        return self.rng.choice([
            f"if {when}: raise Boom", f"if {when}: raise Boom({i})", f"if {when}: raise ValueError({i}) from None",
            f"if {when}: raise Boom(1, {i})", f"if {when}: raise KeyError({i}) from TypeError('why')",
            f"{log}[3] += {{0: 1, 2: 3}}[{i} % 4]", f"{log}[3] += [1, 2, 3][{i} % 5]", f"{log}[3] += (1, 2)[-1 - {i} % 3]",
            f"{log}[3] += 7 // ({i} % 3)", f"{log}[3] += int('12x'[:{i} % 4])", f"{log}[3] += next(iter(()), {i}) if {when} else 1",
            f"{log}[3] += fail({kind}, {i})", f"{log}[3] += finally_fail({kind}, {i}, {log})", f"{log}[3] += again({kind}, {i})",
            f"{log}[3] += may_fail({kind}, {i})", f"{log}[3] += Picky({i}).value", f"({i}).missing",
            f"{log}[3] += getattr({i}, 'imag' if {when} else 'no', 2)", f"{log}[3] += getattr({i}, 'real' if {when} else 'no')",
        ])

    def attempt_(self, i: str, log: str, kept: str, depth: int) -> None:
        """A try statement."""
        if self.rng.random() < 0.12:
            self.line(f"with Swallow({self.rng.choice(KINDS)}):")
            self.inside(i, log, kept, depth)
            return
        self.line("try:")
        self.inside(i, log, kept, depth)
        has_except = self.rng.random() < 0.85
        for kinds in self.rng.sample(KINDS, self.rng.choice([1, 1, 2])) if has_except else []:
            self.handler(i, log, kept, depth, kinds)
        if has_except and self.rng.random() < 0.15:
            self.line("else:")
            self.line(f"    {self.quiet(i, log)}")
        if not has_except or self.rng.random() < 0.2:
            self.line("finally:")
            self.line(f"    {self.quiet(i, log)}")

    def inside(self, i: str, log: str, kept: str, depth: int) -> None:
        self.indent += 1
        for _ in range(self.rng.choice([1, 1, 2])):
            if depth > 0 and self.rng.random() < 0.35:
                self.attempt_(i, log, kept, depth - 1)
            else:
                self.line(self.raising(i, log))
        self.indent -= 1

    def handler(self, i: str, log: str, kept: str, depth: int, kinds: str) -> None:
        error = self.rng.choice(["", "error", "error"])
        self.line(f"except {kinds}{' as error' if error else ''}:")
        self.indent += 1
        self.line(self.quiet(i, log))
        if error and self.rng.random() < 0.3:
            self.line(f"if {i} % {self.rng.choice(['1', '7', '19'])} == 0: {kept}.append(error)")
        if error and self.rng.random() < 0.1:
            self.line("last = error")
        if depth > 0 and self.rng.random() < 0.3:
            self.attempt_(i, log, kept, depth - 1)
        if self.rng.random() < 0.15:
            self.line(f"if {i} % {self.rng.choice(['9', '31'])} == 3: show('in', type(sys.exception()).__name__)")
        if depth < 2 and self.rng.random() < 0.4:
            self.line(self.rng.choice(["raise", "raise Boom", f"raise Boom({i}) from None",
                                       *(["raise error", f"raise ValueError({i}) from error"] if error else [])]))
        elif self.rng.random() < 0.15:
            self.line(f"if {i} % 40 == 39: {self.rng.choice(['break', 'continue', 'continue'])}")
        self.indent -= 1
