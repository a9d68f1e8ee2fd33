"""Which register choices of a uop are built, and where each stands among its variants.

The index of a variant is the mixed-radix number that stencil_table.h describes. The rules:
  - CALLS: inputs are fixed, the output is any register.
  - up to three registers in all, or three inputs and no output: every choice.
  - more (three inputs and an output, four inputs): the inputs are in different registers, and
    the output is in the first input's register or in one that holds no input.
OBJ and I64 share the integer registers, F64 has the float registers.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from buildtool.defs import Type, Uop
from buildtool.target import BuildError, Target


@dataclass(frozen=True)
class Variant:
    """One choice: the register number of each input (None: 32-bit constant) and the output."""

    uop: Uop
    inputs: tuple[int | None, ...]
    output: int | None  # None: there is no output

    @property
    def name(self) -> str:
        """The name of its function, such as INT_ADD__r0_k_r2."""
        types = [item.type for item in self.uop.inputs]
        parts = [_register(t, n) for t, n in zip(types, self.inputs, strict=True)]
        if self.output is not None:
            parts.append(_register(self.uop.output, self.output))
        return self.uop.name + "__" + "_".join(parts)


def variants_of(uop: Uop, target: Target) -> list[Variant]:
    """The variants to build, in the order of their index."""
    return [v for v in _all(uop, target) if not uop.virtual and _wanted(v)]


def table_size(uop: Uop, target: Target) -> int:
    """How many entries the uop has in stencil_variants[]."""
    size = 1
    for radix in _radices(uop, target):
        size *= radix
    return 0 if uop.virtual else size


def index_of(variant: Variant, target: Target) -> int:
    """The variant's place among its uop's entries in stencil_variants[]."""
    digits: list[int] = []
    if not variant.uop.calls:
        for item, choice in zip(variant.uop.inputs, variant.inputs, strict=True):
            digits.append(_count(item.type, target) if choice is None else choice)
    if variant.output is not None:
        digits.append(variant.output)
    index = 0
    for digit, radix in zip(digits, _radices(variant.uop, target), strict=True):
        index = index * radix + digit
    return index


def call_inputs(uop: Uop, target: Target) -> tuple[int, ...]:
    """The registers that hold the inputs of a uop that calls C."""
    chosen: list[int] = []
    ints, floats = iter(target.call_args), iter(range(target.float_regs))
    for item in uop.inputs:
        register = next(floats if item.type.is_float else ints, None)
        if register is None:
            raise BuildError(f"{uop.name}: more arguments than argument registers")
        chosen.append(register)
    return tuple(chosen)


def _register(type_: Type, number: int | None) -> str:
    return "k" if number is None else f"{'f' if type_.is_float else 'r'}{number}"


def _count(type_: Type, target: Target) -> int:
    return target.float_regs if type_.is_float else target.int_regs


def _radices(uop: Uop, target: Target) -> list[int]:
    radices = [] if uop.calls else [_count(i.type, target) + i.konst for i in uop.inputs]
    return radices if uop.output is Type.VOID else [*radices, _count(uop.output, target)]


def _all(uop: Uop, target: Target) -> Iterator[Variant]:
    inputs: list[list[int | None]] = []
    for item in uop.inputs:
        registers = range(_count(item.type, target))
        inputs.append([*registers, None] if item.konst else [*registers])
    if uop.calls:
        inputs = [[register] for register in call_inputs(uop, target)]
    outputs: list[int | None] = [None]
    if uop.output is not Type.VOID:
        outputs = [*range(_count(uop.output, target))]
    for choice in itertools.product(*inputs, outputs):
        yield Variant(uop, choice[:-1], choice[-1])


def _wanted(variant: Variant) -> bool:
    """The last rule above."""
    uop = variant.uop
    if uop.calls or len(uop.inputs) + (uop.output is not Type.VOID) <= 3:
        return True
    used = [
        _register(item.type, choice)
        for item, choice in zip(uop.inputs, variant.inputs, strict=True)
        if choice is not None
    ]
    if len(set(used)) != len(used):
        return False
    if variant.output is None:
        return True
    output = _register(uop.output, variant.output)
    first = _register(uop.inputs[0].type, variant.inputs[0])
    return output == first or output not in used
