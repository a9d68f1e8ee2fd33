"""What a machine and a target are: the shapes that machine_*.py and targets.py fill in.

No module of buildtool but those names a register, an instruction or a relocation.
"""

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class BuildError(Exception):
    """A mistake in a template, or code that cannot become a stencil; the text says where."""


@enum.unique
class PatchKind(enum.Enum):
    """How the bytes of a hole are encoded; stencil_table.h has the same list, explained."""

    ABS64 = enum.auto()
    ABS32 = enum.auto()
    ABS32S = enum.auto()
    REL32 = enum.auto()
    BRANCH26 = enum.auto()
    REL19 = enum.auto()
    ADR21 = enum.auto()
    PAGE21 = enum.auto()
    ADD12 = enum.auto()
    LOAD12 = enum.auto()
    MOVW0 = enum.auto()
    MOVW1 = enum.auto()
    MOVW2 = enum.auto()
    MOVW3 = enum.auto()
    MOVW1S = enum.auto()


# Kinds that may hold the address of another part of the stencil, or of a C object.
ADDRESSES = frozenset({
    PatchKind.ABS64, PatchKind.REL32, PatchKind.BRANCH26, PatchKind.REL19, PatchKind.ADR21,
    PatchKind.PAGE21, PatchKind.ADD12, PatchKind.LOAD12,
})


class Names(Protocol):
    """What layout.py knows of the symbols in an instruction."""

    def fail(self, why: str) -> BuildError: ...
    def is_code(self, symbol: str) -> bool: ...
    def is_variable(self, symbol: str) -> bool: ...
    def constant(self, symbol: str) -> str | None: ...
    def address_of(self, symbol: str) -> str: ...
    def has_literals(self) -> bool: ...


# The symbols that templates use for constants of the instruction: of 32 bits with a sign (an
# absolute symbol, so that any instruction with an immediate takes it), and of 64 bits.
NARROW = tuple(f"_JIT_{kind}{k}" for kind, n in (("OPERAND", 2), ("INPUT", 4)) for k in range(n))
WIDE = tuple(f"_JIT_WIDE{k}" for k in range(2))


@dataclass(frozen=True)
class Machine:
    """An instruction set, as clang writes it."""

    name: str
    load_imm64: str  # inline assembly that loads symbol %s into operand %0
    jump: str
    call: str  # prefix of the opcodes that call
    trap: str  # an instruction after which nothing runs
    stops: frozenset[str]  # the opcodes of such instructions
    inverse: dict[str, str]  # conditional jump -> the one that jumps when it does not
    other_jumps: re.Pattern[str]  # opcodes that must not appear: jumps that are not understood
    short_jumps: frozenset[str]  # conditional jumps that may not reach another part of the trace
    rewrite: Callable[[str, Names], str | None]  # an instruction, made free of far addresses
    frame_pointer: re.Pattern[str]  # what a stencil must not mention


@dataclass(frozen=True)
class Target:
    """One machine and object format."""

    name: str
    machine: Machine
    triple: str  # for clang, when it reads C
    code_triple: str  # when it writes code: not the same where the system's headers cannot be had
    pyconfig: str  # file in buildtool/pyconfig: stands for CPython's pyconfig.h
    sizes: dict[str, int]  # of C types: what the compiler must agree with
    condition: str  # of the C preprocessor: compiling for this target
    flags: tuple[str, ...]  # for clang, besides the optimisation flags all targets share
    object_format: str  # as in objects.read_object
    # Whether an AArch64 instruction can take a constant of the data part in one piece: not every
    # object format has a relocation for that.
    literals: bool
    comment: str  # what begins a comment in assembly text
    # preserve_none's parameters: act, r0 .., f0 .. (activation.h), u0 .. (machine registers that
    # hold nothing between stencils) and carry. Integer and float registers are counted apart.
    parameters: tuple[str, ...]
    call_saved: int  # r0 .. r(n-1) survive a C call
    call_args: tuple[int, ...]  # r number of each C argument register, in order
    relocations: dict[str, PatchKind]  # by the names that the reader of the format gives them
    data_align: int  # log2 of the alignment of a stencil's data part
    refused: str = ""  # why nothing can run here: then there are no stencils

    @property
    def int_regs(self) -> int:
        """How many of r0 .. there are."""
        return sum(name[0] == "r" for name in self.parameters)

    @property
    def float_regs(self) -> int:
        """How many of f0 .. there are."""
        return sum(name[0] == "f" for name in self.parameters)


def inverses(pairs: str) -> dict[str, str]:
    """Machine.inverse of "yes/no yes/no ..."."""
    both: dict[str, str] = {}
    for pair in pairs.split():
        yes, no = pair.split("/")
        both |= {yes: no, no: yes}
    return both
