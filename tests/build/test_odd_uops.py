"""Odd uops through the whole build, then run: what the stages promise each other holds."""

import struct
from pathlib import Path

import pytest

unicorn = pytest.importorskip("unicorn")

from machine import Machine  # noqa: E402

from buildtool.compile import Chunk, compile_chunk  # noqa: E402
from buildtool.defs import parse_family  # noqa: E402
from buildtool.targets import X86_64_LINUX as TARGET  # noqa: E402
from buildtool.targets import BuildError  # noqa: E402
from buildtool.toolchain import Toolchain, find_clang  # noqa: E402
from buildtool.variants import variants_of  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
HEAD = '#include "stencil.h"\nI64 f_int(I64, I64); int f_test(OBJ); void f_say(const char *);\n'
FAMILY = HEAD + """
UOP(GUARD_EQ, (I64 a, I64K b), VOID, EXITS, ()) { EXIT_IF(a != b); }
UOP(GUARD_NONZERO, (I64K a), VOID, EXITS, ()) { EXIT_IF(a == 0); }
UOP(SCALE, (I64K a), I64, 0, (IMM32 by, IMM64 plus)) { result = a * by + (I64)plus; }
UOP(FOUR, (I64 a, I64 b, I64 c, I64 d), I64, EXITS, ()) { result = a - b; EXIT_IF(c == d); result -= c; }
UOP(MIXED, (F64 x, I64 n), F64, 0, ()) { result = -x * (F64)n + 0.5; }
UOP(CALL, (I64 a, I64 b), I64, CALLS | RAISES, ()) { result = f_int(a, b); ERROR_IF(result == -1); }
UOP(SLOW, (OBJ a), VOID, CALLS | EXITS, ()) { if (UNLIKELY(a == NULL)) { EXIT_IF(f_test(a)); } }
UOP(SAY, (), VOID, CALLS, ()) { f_say("hello"); }
UOP(IS_LIST, (OBJ o), I64, 0, ()) { result = Py_TYPE(o) == &PyList_Type; }
UOP(PEEK, (OBJ o), I64, EXITS, (IMM32 n))
{
    result = ((I64 *)o)[0] + n;
    COLD_IF(result > 100);
}
COLD
{
    EXIT_IF(f_test(o));
    result = result + ((I64 *)o)[1];
}
UOP(PEEK_F, (OBJ o, F64 x), F64, 0, ())
{
    result = x + 1;
    COLD_IF(result > 100);
}
COLD
{
    result = result + ((F64 *)o)[0];
}
"""
ONES = (1 << 64) - 1


def bits(x):
    return struct.unpack("<Q", struct.pack("<d", x))[0]


def double(b):
    return struct.unpack("<d", struct.pack("<Q", b))[0]


def sample(variants):
    """All variants, or a few of very many."""
    return variants[::97] if len(variants) > 1000 else variants


def compile_family(text, folder):
    family = parse_family("src/stencils/odd.c", text)
    toolchain = Toolchain(find_clang(TARGET), TARGET, ROOT / "src/stencils", folder / "cache")
    variants = [v for uop in family.uops for v in sample(variants_of(uop, TARGET))]
    stencils = compile_chunk(Chunk(family, variants, 0), toolchain, folder)
    return {v.name: (v, stencils[v.name]) for v in variants}


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    return compile_family(FAMILY.replace(") {", ")\n{"), tmp_path_factory.mktemp("odd"))


@pytest.fixture(scope="module")
def machine():
    return Machine(TARGET)


R0 = [0x1000 + k for k in range(8)]
F0 = [bits(100.0 + k) for k in range(8)]


def run(machine, stencil, r=None, f=None, operands=(), inputs=()):
    """Run with the given registers {number: value}, the others holding R0 and F0."""
    machine.place(stencil, operands, inputs)
    rs = [(r or {}).get(k, R0[k]) & ONES for k in range(8)]
    fs = [(f or {}).get(k, F0[k]) for k in range(8)]
    state = machine.run(machine.base, rs, fs)
    return state, rs, fs


def untouched(state, rs, fs, output=None):
    """Every register but the output holds what it held."""
    for k in range(8):
        assert state.r[k] == rs[k] or output == ("r", k)
        assert state.f[k] == fs[k] or output == ("f", k)


@pytest.mark.parametrize("constant", [0, 1, -1, 127, 128, -(2**31), 2**31 - 1])
def test_constant_input_of_any_sign(odd, machine, constant):
    for a, outcome in ((constant, "CONTINUE"), (constant ^ 4, "EXIT")):
        state, rs, fs = run(machine, odd["GUARD_EQ__r4_k"][1], r={4: a}, inputs=(0, constant))
        assert state.outcome == outcome
        untouched(state, rs, fs)
    state, _, _ = run(machine, odd["GUARD_NONZERO__k"][1], inputs=(constant,))
    assert state.outcome == ("CONTINUE" if constant else "EXIT")
    state, _, _ = run(machine, odd["SCALE__k_r7"][1], inputs=(constant,), operands=(-3, 2**63 + 5))
    assert state.r[7] == (constant * -3 + 2**63 + 5) & ONES


def test_guard_does_not_reload_what_it_compared(odd):
    assert len(odd["GUARD_EQ__r0_k"][1].hot) == 7 + 6
    assert len(odd["GUARD_EQ__r0_r1"][1].hot) == 3 + 6


def test_four_inputs_and_an_output_in_many_variants(odd, machine):
    chosen = [pair for name, pair in odd.items() if name.startswith("FOUR")]
    for variant, stencil in chosen:
        for c, d in ((7, 9), (8, 8)):
            values = dict(zip(variant.inputs, (50, 20, c, d), strict=True))
            state, rs, fs = run(machine, stencil, r=values)
            assert state.outcome == ("EXIT" if c == d else "CONTINUE")
            assert c == d or state.r[variant.output] == 50 - 20 - c
            untouched(state, rs, fs, ("r", variant.output))


def test_constants_are_read_from_the_data_part(odd, machine):
    for variant, stencil in [pair for name, pair in odd.items() if name.startswith("MIXED")][::7]:
        assert len(stencil.data) >= 16
        x, n = variant.inputs
        state, rs, fs = run(machine, stencil, f={x: bits(2.5)}, r={n: -3})
        assert double(state.f[variant.output]) == 8.0
        untouched(state, rs, fs, ("f", variant.output))


def test_call_loses_registers_but_those_that_c_saves(odd, machine):
    for output in range(8):
        machine.functions["f_int"] = 42
        state, rs, _ = run(machine, odd[f"CALL__r3_r4_r{output}"][1], r={3: 5, 4: 6})
        assert (state.outcome, state.r[output]) == ("CONTINUE", 42)
        assert state.calls[0][0] == "f_int" and state.calls[0][1][:2] == [5, 6]
        assert [state.r[k] for k in range(3) if k != output] == [rs[k] for k in range(3) if k != output]
        machine.functions["f_int"] = -1
        assert run(machine, odd[f"CALL__r3_r4_r{output}"][1])[0].outcome == "ERROR"


def test_slow_path_with_a_call_is_cold(odd, machine):
    stencil = odd["SLOW__r3"][1]
    assert len(stencil.hot) <= 9
    assert run(machine, stencil, r={3: 1})[0].calls == []
    machine.functions["f_test"] = 1
    assert run(machine, stencil, r={3: 0})[0].outcome == "EXIT"
    machine.functions["f_test"] = 0
    assert run(machine, stencil, r={3: 0})[0].outcome == "CONTINUE"


def test_string_constant(odd, machine):
    stencil = odd["SAY__"][1]
    state, _, _ = run(machine, stencil)
    address = state.calls[0][1][0]
    assert machine.uc.mem_read(address, 6) == b"hello\0"


def test_address_of_an_object_in_libpython(odd, machine):
    for name in ("IS_LIST__r3_r0", "IS_LIST__r3_r3"):
        variant, stencil = odd[name]
        machine.place(stencil)
        for type_, answer in ((machine.address("PyList_Type"), 1), (5, 0)):
            struct.pack_into("<Q", machine.shared, machine.base - addressof(machine) + 8, type_)
            state, _, _ = run(machine, stencil, r={3: machine.base})
            assert state.r[variant.output] == answer


def addressof(machine):
    import ctypes

    return ctypes.addressof(machine.shared)


def test_cold_block_sees_inputs_and_the_result_so_far(odd, machine):
    offset = machine.base - addressof(machine)
    for first, test, outcome, value in ((5, 0, "CONTINUE", 6), (200, 0, "CONTINUE", 232), (200, 1, "EXIT", None)):
        struct.pack_into("<qq", machine.shared, offset, first, 31)
        machine.functions["f_test"] = test
        for a in range(8):
            for out in range(8):
                state, rs, fs = run(machine, odd[f"PEEK__r{a}_r{out}"][1], r={a: machine.base}, operands=(1,))
                assert state.outcome == outcome
                assert value is None or state.r[out] == value
                untouched(state, rs, fs, ("r", out))


def test_cold_block_with_floats(odd, machine):
    offset = machine.base - addressof(machine)
    struct.pack_into("<d", machine.shared, offset, 0.25)
    for x in range(8):
        for out in range(8):
            for value, want in ((1.0, 2.0), (200.0, 201.25)):
                state, rs, fs = run(machine, odd[f"PEEK_F__r6_f{x}_f{out}"][1], r={6: machine.base}, f={x: bits(value)})
                assert double(state.f[out]) == want
                untouched(state, rs, fs, ("f", out))


@pytest.mark.parametrize(
    "body, message",
    [
        ("{ static int n; result = ++n; }", "X__r0: uses a variable"),
        ("{ static const int t[] = {3, 1, 4, 1, 5}; result = t[act->depth]; }", "X__r0: uses the absolute address"),
        ("{ result = __builtin_frame_address(0) != 0; }", "X__r0: uses the frame pointer"),
        ("{ EXIT_IF(act->exit); result = 1 }", "src/stencils/odd.c:4:"),
    ],
)
def test_what_cannot_be_a_stencil_is_refused(body, message, tmp_path):
    with pytest.raises(BuildError) as error:
        compile_family(HEAD + f"UOP(X, (), I64, 0, ())\n{body}\n", tmp_path)
    assert message in str(error.value)
