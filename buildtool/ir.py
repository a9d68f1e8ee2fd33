"""Two repairs to clang's optimised IR, as text, before code is generated from it."""

import re
from collections.abc import Iterable

from buildtool.target import NARROW, Target
from buildtool.variants import Variant

_DEFINE = re.compile(r"^define .*preserve_nonecc void @(\w+)\(")
_TAIL = re.compile(r"^(.*musttail call preserve_nonecc void @_JIT_\w+\()(.*)(\).*)$")


def make_absolute(ir: str) -> str:
    """Give the constants' symbols a value of 32 bits with a sign.

    C has no word for an absolute symbol. As such, clang encodes each as a sign-extended immediate
    wherever an instruction has one, and assumes nothing else of its value.
    """
    ir, count = re.subn(
        rf"^@({'|'.join(NARROW)}) = extern_weak .*$",
        r"@\1 = external dso_local hidden global i8, !absolute_symbol !999999",
        ir,
        flags=re.M,
    )
    return ir + ("\n!999999 = !{i64 -2147483648, i64 2147483648}\n" if count else "")


def pass_registers_on(ir: str, variants: Iterable[Variant], target: Target) -> str:
    """Make tail calls pass every register that the uop does not write on as it came.

    After `if (a == K)` clang knows that a's register holds K, and would load K into it.
    """
    written = {v.name: _output_position(v, target) for v in variants}
    lines, keep = ir.split("\n"), -1
    for at, line in enumerate(lines):
        if line.startswith("define "):
            match = _DEFINE.match(line)
            name = match[1].removesuffix("__cold") if match else ""
            keep = written.get(name, -1)
        elif keep >= 0 and "musttail" in line and (match := _TAIL.match(line)):
            arguments = match[2].split(", ")
            for k in range(len(target.parameters) - 1):
                type_, _, value = arguments[k].partition(" ")
                if k != keep and value not in ("undef", "poison"):
                    arguments[k] = f"{type_} %{k}"
            lines[at] = match[1] + ", ".join(arguments) + match[3]
    return "\n".join(lines)


def _output_position(variant: Variant, target: Target) -> int:
    """Which argument of a tail call carries the output; one past them if there is none."""
    if variant.output is None:
        return len(target.parameters)
    kind = "f" if variant.uop.output.is_float else "r"
    return target.parameters.index(f"{kind}{variant.output}")
