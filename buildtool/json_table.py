"""Tables -> JSON that jitpatch-dump reads: generated/TARGET/stencils.json.

docs/stencils-json.md describes it. A line per uop and per stencil, so that two tables can be
compared by any tool.
"""

import json
from typing import Any

from buildtool.defs import Uop
from buildtool.stencil import Hole
from buildtool.tables import NO_STENCIL, StencilTables, source_of
from buildtool.variants import index_of, variants_of

FORMAT = 1


def json_table(tables: StencilTables, compiler: str, digest: str) -> str:
    """The whole table."""
    target = tables.target
    head: dict[str, Any] = {
        "inputs": f"sha256 {digest}",  # in the second line, as in the headers
        "format": FORMAT,
        "target": target.name,
        "machine": target.machine.name,
        "refused": target.refused,
        "contents": f"sha256 {tables.digest()}",
        "compiler": compiler,
        "int_regs": target.int_regs,
        "float_regs": target.float_regs,
        "call_args": list(target.call_args),
    }
    lines = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    uops = [f"  {json.dumps(_uop(uop, tables))}" for uop in tables.uops]
    stencils = [f"  {json.dumps(_stencil(tables, k))}" for k in range(len(tables.stencils))]
    return "\n".join([
        "{", *lines, ' "uops": [', ",\n".join(uops), " ],", ' "stencils": [', ",\n".join(stencils), " ]", "}",
    ]) + "\n"


def _uop(uop: Uop, tables: StencilTables) -> dict[str, Any]:
    variants = {}
    if not tables.target.refused:
        for variant in variants_of(uop, tables.target):
            number = tables.variants[tables.first[uop.name] + index_of(variant, tables.target)]
            if number != NO_STENCIL:
                variants[variant.name.partition("__")[2] or "-"] = number
    return {
        "name": uop.name,
        "source": source_of(uop),
        "inputs": [item.type.value + "K" * item.konst for item in uop.inputs],
        "output": uop.output.value,
        "flags": [flag for flag in uop.flags if flag != "0"],
        "operands": ["IMM64" if operand.wide else "IMM32" for operand in uop.operands],
        "help": uop.help,
        "variants": variants,
    }


def _stencil(tables: StencilTables, number: int) -> dict[str, Any]:
    at, hot, cold, data, holes, first = tables.stencils[number]
    code = tables.code[at : at + hot + cold + data]
    return {
        "number": number,
        "hot": code[:hot].hex(),
        "cold": code[hot : hot + cold].hex(),
        "data": code[hot + cold :].hex(),
        "holes": [_hole(hole) for hole in tables.holes[first : first + holes]],
    }


def _hole(hole: Hole) -> dict[str, Any]:
    return {
        "part": hole.part.name.lower(),
        "offset": hole.offset,
        "kind": hole.kind.name,
        "value": hole.value,
        "symbol": hole.symbol or None,
        "addend": hole.addend,
    }
