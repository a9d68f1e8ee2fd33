"""Object files, made here of a few lines of assembly -> Stencils and Holes."""

import pytest

from buildtool.layout import Layout, join
from buildtool.objects import read_object
from buildtool.stencil import Hole, Part, check_flags, read_stencils
from buildtool.targets import X86_64_LINUX as TARGET
from buildtool.targets import BuildError, PatchKind
from buildtool.toolchain import Toolchain, find_clang


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """Assemble and read stencils given as {name: (hot, cold, data)}."""
    folder = tmp_path_factory.mktemp("stencils")
    toolchain = Toolchain(find_clang(TARGET), TARGET, folder, folder / "cache")

    def read(parts, extra=""):
        asm = folder / "t.s"
        asm.write_text(join([Layout(name, *lines) for name, lines in parts.items()], TARGET) + extra)
        return read_stencils(read_object("elf64", toolchain.assemble(asm)), list(parts), TARGET)

    return read


def holes(stencil):
    return [(h.part.name, h.offset, h.kind.name, h.value, h.symbol, h.addend) for h in stencil.holes]


def test_bytes_and_holes(read):
    stencil = read({"F": (["addq $_JIT_INPUT1, %r13", "jo _JIT_EXIT"], [], [])})["F"]
    assert stencil.hot.hex(" ") == "49 81 c5 00 00 00 00 0f 80 00 00 00 00"
    assert (stencil.cold, stencil.data) == (b"", b"")
    assert holes(stencil) == [("HOT", 3, "ABS32S", "INPUT1", "", 0), ("HOT", 9, "REL32", "EXIT", "", -4)]


def test_each_stencil_gets_its_own_part_of_the_file(read):
    found = read({
        "F": (["nop", "call f"], ["int3", "jmp _JIT_CONTINUE"], []),
        "EMPTY": ([], [], []),
        "G": (["movabsq $_JIT_WIDE1, %rax"], [], [".quad PyLong_Type"]),
        "H": (["nop"], ["jmp _JIT_ERROR"], []),
    })
    assert found["F"].hot.hex(" ") == "90 e8 00 00 00 00"
    assert holes(found["F"]) == [("HOT", 2, "REL32", "SYMBOL", "f", -4), ("COLD", 2, "REL32", "CONTINUE", "", -4)]
    assert (found["EMPTY"].hot, found["EMPTY"].holes) == (b"", ())
    assert holes(found["G"]) == [("HOT", 2, "ABS64", "OPERAND1", "", 0), ("DATA", 0, "ABS64", "SYMBOL", "PyLong_Type", 0)]
    assert len(found["G"].data) == 16
    assert holes(found["H"]) == [("COLD", 1, "REL32", "ERROR", "", -4)]


def test_parts_refer_to_each_other(read):
    parts = {
        "F": (["nop"], ["nop"], [".quad 7"]),
        "G": (["je .Lc", "movsd .Ld+8(%rip), %xmm0", ".Lh:", "nop"], ["nop", ".Lc:", "jmp .Lh"], [".Ld:", ".quad 1", ".quad 2"]),
    }
    assert holes(read(parts)["G"]) == [
        ("HOT", 2, "REL32", "COLD", "", -3),
        ("HOT", 10, "REL32", "DATA", "", 4),
        ("COLD", 2, "REL32", "HOT", "", 10),
    ]


@pytest.mark.parametrize(
    "line, message",
    [
        ("movl $f, %eax", "F: ABS32 address of f"),
        ("movq $f, %rax", "F: ABS32S address of f"),
        ("movl $.Lc, %eax", "F: ABS32 address of its own COLD part"),
        ("movq f@GOTPCREL(%rip), %rax", "F: unknown relocation"),
        ("movw $_JIT_INPUT0, %ax", "F: unknown relocation R_X86_64_16 to _JIT_INPUT0"),
        ("jmp _JIT_OTHER", "F: unknown symbol '_JIT_OTHER'"),
        ("jmp .Lother", "F: refers to another stencil"),
        ("leaq .Lfar(%rip), %rax", "F: refers to section .rodata"),
    ],
)
def test_unknown_things_are_refused_by_name(read, line, message):
    extra = "\t.section .rodata\n.Lfar:\n" if "far" in line else ""
    with pytest.raises(BuildError, match=message.replace("(", r"\(")):
        read({"F": ([line], [".Lc:", "nop"], []), "G": (["nop"], ["nop", ".Lother:"], [])}, extra)


def test_unknown_section_is_refused(read):
    with pytest.raises(BuildError, match="unknown section .data"):
        read({"F": (["nop"], [], [])}, "\t.data\n\t.long 1\n")


def test_a_stencil_that_leaves_must_say_so(read):
    stencil = read({"F": (["jmp _JIT_EXIT"], ["jmp _JIT_ERROR"], [])})["F"]
    check_flags("F", ("EXITS", "RAISES"), stencil)
    with pytest.raises(BuildError, match="F: EXIT_IF, but its flags do not say EXITS"):
        check_flags("F", ("RAISES",), stencil)
    with pytest.raises(BuildError, match="F: ERROR_IF, but its flags do not say RAISES"):
        check_flags("F", ("EXITS",), stencil)


def test_hole_is_a_value():
    assert Hole(Part.HOT, 1, PatchKind.REL32, "EXIT", "", -4) == Hole(Part.HOT, 1, PatchKind.REL32, "EXIT", "", -4)
