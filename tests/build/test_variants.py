"""Which register choices are built, and their indices."""

from buildtool.defs import parse_family
from buildtool.targets import X86_64_LINUX as TARGET
from buildtool.variants import index_of, table_size, variants_of


def uop(declaration):
    return parse_family("x.c", declaration + "\n{\n}\n").uops[0]


def names(declaration):
    return [variant.name for variant in variants_of(uop(declaration), TARGET)]


def test_two_inputs_and_an_output_have_every_choice():
    assert len(names("UOP(X, (I64 a, I64 b), I64, 0, ())")) == 8 * 8 * 8


def test_constant_input_is_one_choice_more():
    chosen = names("UOP(X, (I64 a, I64K b), VOID, 0, ())")
    assert len(chosen) == 8 * 9
    assert chosen[:10] == [f"X__r0_r{n}" for n in range(8)] + ["X__r0_k", "X__r1_r0"]


def test_inputs_of_a_call_are_fixed():
    assert names("UOP(X, (OBJ a, F64 b, I64 c), VOID, CALLS, ())") == ["X__r3_f0_r4"]
    assert len(names("UOP(X, (OBJ a), F64, CALLS, ())")) == 8


def test_more_registers_only_where_all_differ():
    chosen = names("UOP(X, (I64 a, I64 b, I64 c), I64, 0, ())")
    assert len(chosen) == 8 * 7 * 6 * 6
    assert "X__r0_r1_r2_r0" in chosen and "X__r0_r1_r2_r3" in chosen
    assert "X__r0_r1_r2_r1" not in chosen and "X__r0_r0_r2_r3" not in chosen


def test_float_and_integer_registers_do_not_collide():
    assert "X__r0_f0_r1_r0" in names("UOP(X, (I64 a, F64 b, I64 c), I64, 0, ())")


def test_virtual_uops_have_none():
    assert names("UOP(X, (I64 a), I64, VIRTUAL, ())") == []
    assert table_size(uop("UOP(X, (I64 a), I64, VIRTUAL, ())"), TARGET) == 0


def test_index_counts_through_the_choices_in_order():
    for text in ("(I64 a, I64K b), F64, 0", "(F64 a), I64, 0", "(OBJ a), OBJ, CALLS", "(), VOID, 0"):
        x = uop(f"UOP(X, {text}, ())")
        assert [index_of(v, TARGET) for v in variants_of(x, TARGET)] == [*range(table_size(x, TARGET))]
