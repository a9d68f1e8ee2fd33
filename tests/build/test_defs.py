"""Template files -> Family: what is read, and what is refused with file and line."""

import pytest

from buildtool.defs import Type, parse_family
from buildtool.targets import BuildError

ADD = """\
// adds.c
#include "stencil.h"

// a + b,
// exits on overflow
UOP(ADD, (I64 a, I64K b), I64, PURE | EXITS, ())
{
    EXIT_IF(__builtin_add_overflow(a, b, &result));
}
"""


def parse(text):
    return parse_family("src/stencils/adds.c", text)


def refused(text):
    with pytest.raises(BuildError) as error:
        parse(text)
    return str(error.value)


def test_declaration_is_read():
    (uop,) = parse(ADD).uops
    assert (uop.name, uop.family, uop.line) == ("ADD", "adds", 6)
    assert [(i.type, i.name, i.konst) for i in uop.inputs] == [(Type.I64, "a", False), (Type.I64, "b", True)]
    assert uop.output is Type.I64
    assert uop.flags == ("PURE", "EXITS")
    assert uop.operands == ()
    assert not uop.cold


def test_comment_above_is_the_help():
    assert parse(ADD).uops[0].help == "a + b, exits on overflow"


def test_operands_and_memory_flags():
    (uop,) = parse("UOP(X, (OBJ o), VOID, EFFECT | WRITES(LIST), (IMM64 p, IMM32 n))\n{\n}\n").uops
    assert [(o.wide, o.name) for o in uop.operands] == [(True, "p"), (False, "n")]
    assert uop.flags == ("EFFECT", "WRITES(LIST)")


def test_declaration_over_several_lines():
    (uop,) = parse("UOP(X, (OBJ a,\n    OBJ b),\n    VOID, 0, ())\n{\n}\n").uops
    assert [item.name for item in uop.inputs] == ["a", "b"]


def test_cold_block_belongs_to_the_uop_above():
    family = parse("UOP(X, (), VOID, 0, ())\n{ COLD_IF(1); }\nCOLD\n{ }\nUOP(Y, (), VOID, 0, ())\n{ }\n")
    assert [(uop.name, uop.cold) for uop in family.uops] == [("X", True), ("Y", False)]
    assert [(block.uop.name, block.cold) for block in family.blocks] == [("X", False), ("X", True), ("Y", False)]


def test_braces_in_comments_and_strings_do_not_count():
    family = parse("UOP(X, (), VOID, 0, ())\n{\n    f(\"}\", '}'); // }\n    /* } */\n}\nUOP(Y, (), VOID, 0, ())\n{\n}\n")
    assert [uop.name for uop in family.uops] == ["X", "Y"]


def test_commented_declaration_is_no_declaration():
    assert parse("// UOP(X, (), VOID, 0, ()) { }\n/*\nUOP(Y)\n*/\n").uops == []


def test_rendered_c_keeps_helpers_and_line_numbers():
    family = parse(ADD.replace("// a + b,", "static int help;\n// a + b,"))
    c = family.render(lambda uop, cold: f"int body_{uop.name}(void)")
    assert "static int help;" in c
    assert 'int body_ADD(void)\n#line 8 "src/stencils/adds.c"\n{\n    EXIT_IF' in c
    assert "return UOP_NEXT; }" in c


def test_unwanted_bodies_are_left_out():
    family = parse(ADD)
    assert "EXIT_IF" not in family.render(lambda uop, cold: "", frozenset())


@pytest.mark.parametrize(
    "declaration, message",
    [
        ("UOP(X, (), VOID, 0)\n{ }", "adds.c:1: UOP has 5 parts, here are 4"),
        ("\nUOP(x, (), VOID, 0, ())\n{ }", "adds.c:2: 'x' is no name"),
        ("UOP(X__Y, (), VOID, 0, ())\n{ }", "is no name"),
        ("UOP(X, (INT a), VOID, 0, ())\n{ }", "adds.c:1: X: input 'INT a'"),
        ("UOP(X, (F64K a), VOID, 0, ())\n{ }", "input 'F64K a'"),
        ("UOP(X, (), I32, 0, ())\n{ }", "output 'I32'"),
        ("UOP(X, (), VOID, FAST, ())\n{ }", "unknown flag 'FAST'"),
        ("UOP(X, (), VOID, 0, (IMM16 a))\n{ }", "operand 'IMM16 a'"),
        ("UOP(X, (I64 a, I64 b, I64 c, I64 d, I64 e), VOID, 0, ())\n{ }", "at most 4 inputs"),
        ("UOP(X, (I64K a), VOID, CALLS, ())\n{ }", "I64K is not possible"),
        ("UOP(X, (), VOID, 0, ())\n", "expected { ... }"),
        ("UOP(X, (), VOID, 0, ())\n{", "is never closed"),
        ("UOP(X, (), VOID, CALLS, ())\n{ COLD_IF(1); }\nCOLD\n{ }", "not both"),
        ("UOP(X, (), VOID, 0, ())\n{ COLD_IF(1); }\n", "COLD_IF without a COLD block"),
        ("COLD\n{ }", "adds.c:1: COLD must directly follow"),
        ("UOP(X, (), VOID, 0, ())\n{ }\nint x;\nCOLD\n{ }", "adds.c:4: COLD must directly follow"),
    ],
)
def test_mistakes_are_refused_with_their_line(declaration, message):
    assert message in refused(declaration)
