"""The two repairs to clang's IR."""

from buildtool.defs import parse_family
from buildtool.ir import make_absolute, pass_registers_on
from buildtool.targets import X86_64_LINUX as TARGET
from buildtool.variants import variants_of


def test_constants_become_absolute_symbols():
    ir = make_absolute("@_JIT_INPUT1 = extern_weak hidden global i8, align 1\n@other = global i8 0\n")
    assert "@_JIT_INPUT1 = external dso_local hidden global i8, !absolute_symbol !999999\n@other" in ir
    assert ir.endswith("!999999 = !{i64 -2147483648, i64 2147483648}\n")


def test_nothing_to_do_changes_nothing():
    assert make_absolute("define void @f()\n") == "define void @f()\n"


def test_registers_that_are_not_written_are_passed_as_they_came():
    uop = parse_family("x.c", "UOP(X, (I64 a, I64K b), I64, EXITS, ())\n{\n}\n").uops[0]
    variant = next(v for v in variants_of(uop, TARGET) if v.name == "X__r0_k_r1")
    head = "define hidden preserve_nonecc void @X__r0_k_r1(ptr noundef %0, i64 %1) local_unnamed_addr #0 {\n"
    tail = "  musttail call preserve_nonecc void @_JIT_CONTINUE("
    floats = ", ".join(f"double %{k}" for k in range(9, 17))
    got = f"ptr %0, i64 ptrtoint (ptr @_JIT_INPUT1 to i64), i64 %20, i64 undef, i64 %4, i64 %5, i64 %6, i64 %7, i64 %8, {floats}, i64 undef"
    want = got.replace("ptrtoint (ptr @_JIT_INPUT1 to i64)", "%1")
    assert pass_registers_on(head + tail + got + ") #3", [variant], TARGET) == head + tail + want + ") #3"
    assert pass_registers_on(head.replace("X__", "Y__") + tail + got + ") #3", [variant], TARGET).endswith(got + ") #3")
