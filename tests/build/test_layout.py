"""Assembly text in, assembly text out."""

import pytest

from buildtool.layout import lay_out, read_assembly
from buildtool.targets import X86_64_LINUX as TARGET
from buildtool.targets import BuildError


def function(name, code):
    return f"\t.type\t{name},@function\n{name}:\n{code}\n.Lfunc_end0:\n\t.size\t{name}, .Lfunc_end0-{name}\n"


def lay(code, extra="", name="F"):
    """The parts of a stencil, without the labels that are only there for jumps."""
    text = "\t.text\n" + function(name, code) + extra
    layout = lay_out(read_assembly(text, TARGET), name, TARGET)
    return [[line.strip().replace("\t", " ") for line in part] for part in (layout.hot, layout.cold, layout.data)]


def code_of(lines):
    return [line for line in lines if not line.endswith(":")]


def refused(code, extra=""):
    with pytest.raises(BuildError) as error:
        lay(code, extra)
    return str(error.value)


def test_last_jump_to_the_next_stencil_is_dropped():
    hot, cold, data = lay("\taddq\t%r14, %r13\n\tjmp\t_JIT_CONTINUE  # TAILCALL")
    assert hot == [".Lhot.F:", "addq %r14, %r13", ".Lend.F:"]
    assert (cold, data) == ([], [])


def test_jump_to_a_jump_goes_there_directly():
    hot, cold, _ = lay("\tjae\t.LBB0_1\n\tmovq\t%r13, %r14\n\tjmp\t_JIT_CONTINUE\n.LBB0_1:\n\tjmp\t_JIT_EXIT")
    assert code_of(hot) == ["jae _JIT_EXIT", "movq %r13, %r14"]
    assert cold == []


def test_condition_is_inverted_so_that_the_next_stencil_follows():
    hot, _, _ = lay("\taddq\t%r14, %r13\n\tjno\t_JIT_CONTINUE\n\tjmp\t_JIT_EXIT")
    assert code_of(hot) == ["addq %r14, %r13", "jo _JIT_EXIT"]


def test_two_conditions_one_after_the_other():
    hot, _, _ = lay("\tucomisd\t%xmm2, %xmm1\n\tjne\t.LBB0_2\n\tjp\t.LBB0_2\n\tjmp\t_JIT_CONTINUE\n.LBB0_2:\n\tjmp\t_JIT_EXIT")
    assert code_of(hot) == ["ucomisd %xmm2, %xmm1", "jne _JIT_EXIT", "jp _JIT_EXIT"]
    hot, _, _ = lay("\tjne\t.LBB0_1\n\tjnp\t.LBB0_2\n.LBB0_1:\n\tjmp\t_JIT_CONTINUE\n.LBB0_2:\n\tjmp\t_JIT_EXIT")
    assert code_of(hot) == ["jne .Lend.F", "jnp _JIT_EXIT"]


def test_exit_with_clean_up_goes_to_the_cold_part():
    hot, cold, _ = lay(
        "\tpushq\t%rax\n\tcallq\tf@PLT\n\ttestq\t%rax, %rax\n\tje\t.LBB0_1\n\tpopq\t%rcx\n\tjmp\t_JIT_CONTINUE\n"
        ".LBB0_1:\n\tpopq\t%rcx\n\tjmp\t_JIT_ERROR"
    )
    assert code_of(hot) == ["pushq %rax", "callq f", "testq %rax, %rax", "je .LBB0_1", "popq %rcx"]
    assert cold == [".LBB0_1:", "popq %rcx", "jmp _JIT_ERROR"]


def test_slow_call_leaves_the_straight_path():
    hot, cold, _ = lay("\tjge\t.LBB0_1\n\tincq\t%rax\n\tjmp\t_JIT_CONTINUE\n.LBB0_1:\n\tcallq\tf\n\tjmp\t_JIT_CONTINUE")
    assert code_of(hot) == ["jge .LBB0_1", "incq %rax"]
    assert cold == [".LBB0_1:", "callq f", "jmp _JIT_CONTINUE"]


def test_two_ways_to_the_next_stencil():
    hot, _, _ = lay("\tjne\t.LBB0_1\n\tincq\t%rax\n\tjmp\t_JIT_CONTINUE\n.LBB0_1:\n\tdecq\t%rax\n\tjmp\t_JIT_CONTINUE")
    assert code_of(hot) == ["jne .LBB0_1", "incq %rax", "jmp .Lend.F", "decq %rax"]
    assert hot[-1] == ".Lend.F:"


def test_block_that_goes_on_is_put_last():
    hot, _, _ = lay("\tjmp\t.LBB0_2\n.LBB0_1:\n\tincq\t%rcx\n\tjmp\t_JIT_CONTINUE\n.LBB0_2:\n\tdecq\t%rax\n\tjne\t.LBB0_2\n\tjmp\t.LBB0_1")
    assert code_of(hot)[-1] == "incq %rcx"
    assert hot.index(".LBB0_1:") > hot.index(".LBB0_2:")


def test_stencil_that_always_leaves():
    hot, cold, _ = lay("\tmovq\t%rax, %rcx\n\tjmp\t_JIT_EXIT")
    assert code_of(hot) == ["movq %rax, %rcx", "jmp _JIT_EXIT"]
    assert cold == []


def test_call_that_does_not_return_is_followed_by_a_trap():
    hot, cold, _ = lay("\tje\t.LBB0_1\n\tjmp\t_JIT_CONTINUE\n.LBB0_1:\n\tcallq\tabort")
    assert code_of(hot) == ["je .LBB0_1"]
    assert cold == [".LBB0_1:", "callq abort", "ud2"]


def test_cold_function_follows_in_the_cold_part():
    extra = function("F__cold", "\tcallq\tf\n\tjmp\t_JIT_CONTINUE").replace("end0", "end1")
    hot, cold, _ = lay("\tje\t_JIT_COLD\n\tjmp\t_JIT_CONTINUE", extra)
    assert code_of(hot) == ["je .Lcold.F"]
    assert cold == [".Lcold.F:", "callq f", "jmp _JIT_CONTINUE"]


def test_address_of_an_object_is_an_immediate():
    hot, _, data = lay("\tmovq\tPyLong_Type@GOTPCREL(%rip), %rax\n\tjmp\t_JIT_CONTINUE")
    assert (code_of(hot), data) == (["movabsq $PyLong_Type, %rax"], [])


def test_address_in_a_comparison_is_read_from_the_data_part():
    hot, _, data = lay("\tcmpq\tPyLong_Type@GOTPCREL(%rip), %rax\n\tje\t_JIT_CONTINUE\n\tjmp\t_JIT_EXIT")
    assert code_of(hot) == ["cmpq .Ldata.F.0(%rip), %rax", "jne _JIT_EXIT"]
    assert data == [".p2align 3", ".Ldata.F.0:", ".quad PyLong_Type"]


def test_function_addresses_become_wide():
    hot, _, _ = lay("\tmovl\t$f, %edi\n\tmovl\t$f, %r10d\n\tcallq\t*g@GOTPCREL(%rip)\n\tjmp\t_JIT_CONTINUE")
    assert code_of(hot) == ["movabsq $f, %rdi", "movabsq $f, %r10", "callq g"]


def test_constants_of_the_instruction():
    hot, _, _ = lay(
        "\tmovabsq\t$_JIT_INPUT1, %r15\n\taddq\t$_JIT_OPERAND0, %r13\n\tmovabsq $_JIT_WIDE0, %rax\n\tjmp\t_JIT_CONTINUE"
    )
    assert code_of(hot) == ["movq $_JIT_INPUT1, %r15", "addq $_JIT_OPERAND0, %r13", "movabsq $_JIT_WIDE0, %rax"]


def test_constants_move_to_the_data_part():
    extra = "\t.section\t.rodata.cst16,\"aM\",@progbits,16\n\t.p2align\t4\n.LCPI0_0:\n\t.quad\t1\n\t.quad\t2\n"
    hot, _, data = lay("\txorps\t.LCPI0_0(%rip), %xmm0\n\tjmp\t_JIT_CONTINUE", extra)
    assert code_of(hot) == ["xorps .Ldata.F.0(%rip), %xmm0"]
    assert data == [".p2align 4", ".Ldata.F.0:", ".quad 1", ".quad 2"]


def test_string_address_is_relative():
    extra = '\t.section\t.rodata.str1.1,"aMS",@progbits,1\n.L.str:\n\t.asciz\t"a # b"\n'
    hot, _, data = lay("\tmovl\t$.L.str, %esi\n\tjmp\t_JIT_CONTINUE", extra)
    assert code_of(hot) == ["leaq .Ldata.F.0(%rip), %rsi"]
    assert data[-1] == '.asciz "a # b"'


@pytest.mark.parametrize(
    "code, message",
    [
        ("\tmovq\t%rbp, %rax", "F: uses the frame pointer: movq %rbp, %rax"),
        ("\tmovb\t%bpl, %al", "frame pointer"),
        ("\tjmpq\t*%rax", "an unknown jump"),
        ("\tjrcxz\t.LBB0_1", "unknown jump"),
        ("\tretq", "unknown jump"),
        ("\tcmpq\t$f, 8(%rdi)", "takes f to be near"),
        ("\tmovq\tthing(%rip), %rax", "takes thing to be near"),
        ("\tleaq\tthing(,%rax,8), %rax", "takes thing to be near"),
        ("\tcallq\tmine", "not inlined"),
        ("\tmovl\t$.LBB0_1, %eax", "address of code"),
        ("\tmovq\t$.LC0, 8(%rsp)", "absolute address of a constant"),
        ("\tincl\tcounter(%rip)", "uses a variable"),
        ("\tjmp\t_JIT_COLD", "COLD_IF without a COLD block"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(code, message):
    extra = function("mine", "\tretq") + "\t.data\ncounter:\n\t.long\t0\n\t.section\t.rodata\n.LC0:\n\t.quad\t1\n"
    text = refused(code + "\n\tjmp\t_JIT_CONTINUE", extra)
    assert text.startswith("F: ") and message in text
