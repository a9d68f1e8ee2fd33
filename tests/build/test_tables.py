"""Uops and stencils -> C text; a C compiler reads what it says."""

import shutil
import subprocess
from pathlib import Path

import pytest

from buildtool.defs import parse_family
from buildtool.stencil import Hole, Part, Stencil
from buildtool.tables import StencilTables, in_order, uop_table, uops_header
from buildtool.targets import X86_64_LINUX as TARGET
from buildtool.targets import PatchKind
from buildtool.variants import variants_of

RUNTIME = Path(__file__).resolve().parents[2] / "src/runtime"
FAMILY = """\
// Moves "a".
UOP(MOVE, (I64 a), I64, PURE, ())
{
}
UOP(SPILL, (F64 a, I64K b), VOID, EFFECT | WRITES(LIST), (IMM64 p, IMM32 n))
{
}
UOP(GHOST, (), OBJ, VIRTUAL, ())
{
}
"""


@pytest.fixture
def uops():
    return in_order(parse_family("src/stencils/x.c", FAMILY).uops)


def hole(offset=0, value="CONTINUE", symbol=""):
    return Hole(Part.HOT, offset, PatchKind.REL32, value, symbol, -4)


def filled(uops):
    """Tables in which MOVE has code of its own per output and SPILL always the same."""
    tables = StencilTables(uops, TARGET)
    for variant in variants_of(uops[1], TARGET):
        tables.add(variant, Stencil(bytes([variant.output, 1]), b"", b"", (hole(),)))
    for variant in variants_of(uops[2], TARGET):
        tables.add(variant, Stencil(b"\x02", b"\x03\x04", b"\x05" * 16, (hole(0, "SYMBOL", "memcpy"), hole(1, "EXIT"))))
    return tables


def test_nop_is_first_whether_declared_or_not(uops):
    assert [uop.name for uop in uops] == ["NOP", "MOVE", "SPILL", "GHOST"]
    declared = parse_family("x.c", FAMILY + "UOP(NOP, (), VOID, VIRTUAL, ())\n{\n}\n").uops
    assert [uop.name for uop in in_order(declared)] == ["NOP", "MOVE", "SPILL", "GHOST"]


def test_enum(uops):
    text = uops_header(uops)
    assert "    UOP_NOP = 0,\n    UOP_MOVE,\n    UOP_SPILL,\n    UOP_GHOST,\n    UOP_COUNT\n" in text


def test_uop_row(uops):
    row = uop_table(uops, TARGET).split("/* x:5 */")[1].split("},\n    {")[0]
    assert '.name = "SPILL", .flags = EFFECT | WRITES(LIST),' in row
    assert ".output = TY_VOID, .n_inputs = 2, .n_operands = 2," in row
    assert ".inputs = {TY_F64, TY_I64, TY_VOID, TY_VOID}, .konst = 2," in row
    assert ".operands = {OPERAND_IMM64, OPERAND_IMM32}, .first_variant = 0x40," in row
    assert r'.help = "Moves \"a\"."' in uop_table(uops, TARGET)


def test_equal_parts_are_stored_once(uops):
    tables = filled(uops)
    assert len(tables.stencils) == 8 + 1
    assert tables.variants[:9] == [0, 1, 2, 3, 4, 5, 6, 7, 0]
    assert set(tables.variants[64:]) == {8}
    assert len(tables.holes) == 3
    assert sum(map(len, tables.bytes)) == 8 * 2 + 19


def test_same_input_gives_the_same_text(uops):
    assert filled(uops).header("d") == filled(uops).header("d")


@pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler")
def test_compiled_tables_say_the_same(uops, tmp_path):
    (tmp_path / "table.h").write_text(uop_table(uops, TARGET))
    (tmp_path / "stencils.h").write_text(filled(uops).header("d1"))
    (tmp_path / "t.c").write_text(f"""
#include <stdio.h>
#include <string.h>
#include "{RUNTIME}/ir/uop.h"
#include "{RUNTIME}/back/stencil_table.h"
#include "table.h"
#include "stencils.h"
int main(void)
{{
    const Stencil *s = &stencils[stencil_variants[uop_table[2].first_variant + 71]];
    const Hole *h = &stencil_holes[s->first_hole];
    printf("%d %d %d %d:", s->hot_size, s->cold_size, s->data_size, s->n_holes);
    for (int k = 0; k < 4; k++) printf(" %d", stencil_bytes[s->bytes + k]);
    printf(" %d %d", stencil_symbols[h->symbol] == (void *)memcpy, h[1].value == HOLE_EXIT);
    printf(" %d %s %d\\n", CALL_ARG_REG[0], stencil_digest, uop_table[3].first_variant == NO_STENCIL);
}}
""")
    subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-std=c11", "t.c", "-o", "t"], cwd=tmp_path, check=True)
    assert subprocess.check_output([tmp_path / "t"], text=True) == "1 2 16 2: 2 3 4 5 1 1 3 d1 1\n"
