"""Assembly text of Mach-O and COFF -> ELF's manner; and back, with marks for what has no relocation."""

import pytest

from buildtool.dialects import PLACEHOLDER, assemblable, normalise
from buildtool.layout import Layout, join, read_assembly
from buildtool.objects import read_object
from buildtool.stencil import read_stencils
from buildtool.target import BuildError
from buildtool.targets import (
    TARGETS,
    AARCH64_DARWIN,
    AARCH64_LINUX,
    AARCH64_WINDOWS,
    X86_64_DARWIN,
    X86_64_LINUX,
    X86_64_WINDOWS,
)
from buildtool.toolchain import Toolchain, find_clang


def lines(text):
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def test_elf_is_as_it_is():
    assert normalise("anything\n", X86_64_LINUX) == "anything\n"
    assert assemblable("anything\n", AARCH64_LINUX) == "anything\n"


@pytest.mark.parametrize("target, text, want", [
    (X86_64_DARWIN, "\tmovq\t_PyLong_Type@GOTPCREL(%rip), %rax ## a comment", "movq PyLong_Type@GOTPCREL(%rip), %rax"),
    (X86_64_DARWIN, "\tcallq\t_f", "callq f"),
    (X86_64_DARWIN, "\tjne\tLBB0_2", "jne .LBB0_2"),
    (X86_64_DARWIN, "\tmovsd\tLCPI3_0(%rip), %xmm0", "movsd .LCPI3_0(%rip), %xmm0"),
    (X86_64_DARWIN, "\taddq\t$__JIT_INPUT1, %r13", "addq $_JIT_INPUT1, %r13"),
    (X86_64_DARWIN, "\tmovabsq\t$_JIT_WIDE0, %rax", "movabsq $_JIT_WIDE0, %rax"),
    (X86_64_DARWIN, "\t.section\t__TEXT,__literal8,8byte_literals", ".section .rodata"),
    (X86_64_DARWIN, "\t.subsections_via_symbols", ""),
    (AARCH64_DARWIN, "\tadrp\tx8, _PyLong_Type@GOTPAGE ; a comment", "adrp x8, :got:PyLong_Type"),
    (AARCH64_DARWIN, "\tldr\tx8, [x8, _PyLong_Type@GOTPAGEOFF]", "ldr x8, [x8, :got_lo12:PyLong_Type]"),
    (AARCH64_DARWIN, "\tldr\td0, [x8, LCPI0_0@PAGEOFF]", "ldr d0, [x8, :lo12:.LCPI0_0]"),
    (AARCH64_DARWIN, "\tadd\tx8, x8, __JIT_INPUT1@PAGEOFF", "add x8, x8, :lo12:_JIT_INPUT1"),
    (AARCH64_DARWIN, "Lloh0:", ""),
    (AARCH64_DARWIN, "\t.loh AdrpLdrGot\tLloh0, Lloh1", ""),
    (X86_64_WINDOWS, "\tcallq\t*__imp_PyLong_FromLong(%rip)", "callq *PyLong_FromLong@GOTPCREL(%rip)"),
    (X86_64_WINDOWS, "\tmovsd\t__real@3ff0000000000000(%rip), %xmm0", "movsd .Lreal_3ff0000000000000(%rip), %xmm0"),
    (X86_64_WINDOWS, '\t.section\t.rdata,"dr",discard,__real@3ff0000000000000', ".section .rodata"),
    (X86_64_WINDOWS, "\t.seh_proc f", ""),
    (AARCH64_WINDOWS, "\tadrp\tx8, __imp_PyLong_Type // a comment", "adrp x8, :got:PyLong_Type"),
    (AARCH64_WINDOWS, "\tldr\tx8, [x8, :lo12:__imp_PyLong_Type]", "ldr x8, [x8, :got_lo12:PyLong_Type]"),
])
def test_clangs_lines(target, text, want):
    assert " ".join(normalise(text, target).split()) == want


def test_functions_are_found():
    macho = "\t.section\t__TEXT,__text,regular,pure_instructions\n\t.globl\t_F__r0\n_F__r0:\n\tjmp\t__JIT_CONTINUE\n"
    coff = "\t.def\tF__r0;\n\t.scl\t2;\n\t.type\t32;\n\t.endef\n\t.text\nF__r0:\n\tjmp\t_JIT_CONTINUE\n"
    for target, text in ((X86_64_DARWIN, macho), (X86_64_WINDOWS, coff)):
        assembly = read_assembly(normalise(text, target), target)
        assert assembly.functions == {"F__r0": ["jmp\t_JIT_CONTINUE"]}


def test_variables_and_constants_are_found():
    macho = "\t.zerofill __DATA,__bss,_count,8,3\n\t.section\t__TEXT,__literal8,8byte_literals\nLCPI0_0:\n\t.quad\t7\n"
    coff = '\t.lcomm\tcount,8,8\n\t.section\t.rdata,"dr",discard,__real@3f\n__real@3f:\n\t.quad\t7\n'
    for target, text, name in ((X86_64_DARWIN, macho, ".LCPI0_0"), (X86_64_WINDOWS, coff, ".Lreal_3f")):
        assembly = read_assembly(normalise(text, target), target)
        assert assembly.mutable == {"count"}
        assert assembly.data == {name: [".quad\t7"]}


def test_an_unknown_section_stops_the_build():
    with pytest.raises(BuildError, match="__DATA,__thread_vars"):
        normalise("\t.section\t__DATA,__thread_vars,thread_local_variables", X86_64_DARWIN)


def out(target, hot, cold=(), data=()):
    """What is assembled, without directives."""
    text = assemblable(join([Layout("F", list(hot), list(cold), list(data))], target), target)
    return [line for line in lines(text) if not line.startswith((".section", ".p2align"))]


def test_names_get_their_underscore_for_macho():
    assert out(X86_64_DARWIN, ["\tcall\tf", "\tmovabsq\t$PyLong_Type, %rax", "\tjne\t.LBB0_1", ".LBB0_1:"]) == [
        "_F:", "call _f", "movabsq $_PyLong_Type, %rax", "jne LBB0_1", "LBB0_1:", "_F.cold:", "_F.data:",
    ]


def test_constants_of_x86_64_are_marked():
    constant = f"{PLACEHOLDER['_JIT_INPUT1']:#x}"
    assert out(X86_64_WINDOWS, ["\taddq\t$_JIT_INPUT1, %r13", "\tmovl\t$_JIT_INPUT1, %eax", "\tmovq\t_JIT_INPUT1(%r12), %rax"]) == [
        "F:",
        "_JIT_HOLE$1$ABS32S$_JIT_INPUT1:", f"addq ${constant}, %r13", "_JIT_END$1:",
        "_JIT_HOLE$2$ABS32$_JIT_INPUT1:", f"movl ${constant}, %eax", "_JIT_END$2:",
        "_JIT_HOLE$3$ABS32S$_JIT_INPUT1:", f"movq {constant}(%r12), %rax", "_JIT_END$3:",
        "F.cold:", "F.data:",
    ]
    with pytest.raises(BuildError, match="a constant of 32 bits in movb"):
        out(X86_64_WINDOWS, ["\tmovb\t$_JIT_INPUT1, %al"])


def test_pieces_of_constants_are_marked_on_aarch64():
    assert out(AARCH64_WINDOWS, ["\tmovz\tx8, #:abs_g1_s:_JIT_INPUT0", "\tmovk\tx8, #:abs_g0_nc:_JIT_INPUT0"]) == [
        "F:", "_JIT_HOLE$1$MOVW1S$_JIT_INPUT0:", "movz x8, #0, lsl #16",
        "_JIT_HOLE$2$MOVW0$_JIT_INPUT0:", "movk x8, #0", "F.cold:", "F.data:",
    ]


def test_conditional_jumps_out_of_the_hot_part_are_marked_for_macho():
    assert out(AARCH64_DARWIN, ["\tb.eq\t_JIT_EXIT", "\tcbz\tx0, .Lc", "\tb.ne\t.Lh", ".Lh:"], [".Lc:", "\tb\t_JIT_EXIT"]) == [
        "_F:",
        ".alt_entry __JIT_HOLE$1$REL19$_JIT_EXIT", "__JIT_HOLE$1$REL19$_JIT_EXIT:", "b.eq #0",
        ".alt_entry __JIT_HOLE$2$REL19$.Lc", "__JIT_HOLE$2$REL19$.Lc:", "cbz x0, #0",
        "b.ne Lh", "Lh:", ".alt_entry _h$", "_h$:",
        "_F.cold:", "Lc:", ".alt_entry _c$", "_c$:", "b __JIT_EXIT", "_F.data:",
    ]


def test_jumps_into_the_middle_of_a_section_are_marked_for_coff():
    assert out(AARCH64_WINDOWS, ["\tb.eq\t_JIT_EXIT", "\tcbz\tx0, .Lc"], ["\tnop", ".Lc:", "\tb\t.Lh"], []) == [
        "F:", "b.eq _JIT_EXIT", "_JIT_HOLE$1$REL19$.Lc:", "cbz x0, #0",
        "F.cold:", "nop", ".Lc:", "c$:", "b .Lh", "F.data:",
    ]


@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if not target.refused])
def test_a_stencil_far_into_the_file_finds_its_data(name, tmp_path):
    """Further than the immediates of instructions reach, in which COFF keeps addends."""
    pytest.importorskip("ziglang")
    target = TARGETS[name]
    load = ["\tmovsd\t.Ldata.G.0+8(%rip), %xmm0"]
    if target.machine.name == "aarch64":
        pair = ["\tadrp\tx8, .Ldata.G.0", "\tldr\td0, [x8, :lo12:.Ldata.G.0]"]
        load = ["\tldr\td0, .Ldata.G.0"] if target.literals else pair
    layouts = [
        Layout("F", ["\tnop"] * 3000, ["\tnop"] * 3000, [".Ldata.F.0:", "\t.zero\t0x4010"]),
        Layout("G", load, ["\tnop", ".Lcold.G:", "\tnop"], [".Ldata.G.0:", "\t.quad\t7", "\t.quad\tPyLong_Type"]),
    ]
    asm = tmp_path / "t.s"
    asm.write_text(assemblable(join(layouts, target), target))
    toolchain = Toolchain(find_clang(target), target, tmp_path, tmp_path / "cache")
    stencil = read_stencils(read_object(target.object_format, toolchain.assemble(asm)), ["F", "G"], target)["G"]
    assert stencil.data == b"\7" + bytes(15)
    found = [(hole.part.name, hole.value, hole.symbol, hole.addend) for hole in stencil.holes]
    wanted = ("HOT", "DATA", "", 0 if target.machine.name == "aarch64" else 8 - 4)
    assert found == [wanted] * (len(found) - 1) + [("DATA", "SYMBOL", "PyLong_Type", 0)]
