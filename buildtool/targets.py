"""The targets. Adding one means adding it here, its machine if that is new (machine_*.py), and a
reader if its object format is (objects.py)."""

from dataclasses import replace

from buildtool.machine_aarch64 import AARCH64
from buildtool.machine_x86_64 import X86_64
from buildtool.target import BuildError, PatchKind, Target

_LP64 = {"void *": 8, "long": 8, "long long": 8, "size_t": 8, "wchar_t": 4}
_LLP64 = {"void *": 8, "long": 4, "long long": 8, "size_t": 8, "wchar_t": 2}
_STATIC = tuple("-mcmodel=small -Xclang -mrelocation-model -Xclang static -Xclang -pic-level -Xclang 0".split())
_FLOATS = tuple(f"f{k}" for k in range(8))

X86_64_LINUX = Target(
    name="x86_64-unknown-linux-gnu",
    machine=X86_64,
    triple="x86_64-linux-gnu",
    code_triple="x86_64-linux-gnu",
    pyconfig="posix.h",
    sizes=_LP64,
    condition="defined(__linux__) && defined(__x86_64__)",
    flags=_STATIC,
    object_format="elf64",
    literals=True,
    comment="#",
    # r12; r13, r14, r15, rdi, rsi, rdx, rcx, r8; xmm0-7; r9
    parameters=("act", *(f"r{k}" for k in range(8)), *_FLOATS, "carry"),
    call_saved=3,
    call_args=(3, 4, 5, 6, 7),
    relocations={
        "R_X86_64_64": PatchKind.ABS64,
        "R_X86_64_PC32": PatchKind.REL32,
        "R_X86_64_PLT32": PatchKind.REL32,  # the callee is near, so no PLT
        "R_X86_64_32": PatchKind.ABS32,
        "R_X86_64_32S": PatchKind.ABS32S,
    },
    data_align=4,
)

AARCH64_LINUX = Target(
    name="aarch64-unknown-linux-gnu",
    machine=AARCH64,
    triple="aarch64-linux-gnu",
    code_triple="aarch64-linux-gnu",
    pyconfig="posix.h",
    sizes=_LP64,
    condition="defined(__linux__) && defined(__aarch64__)",
    flags=_STATIC,
    object_format="elf64",
    literals=True,
    comment="//",
    # x20; x21, x22, x23; x24-x28 are free in every stencil; x0-x4; d0-7; x5
    parameters=(
        "act", "r0", "r1", "r2", *(f"u{k}" for k in range(5)), *(f"r{k}" for k in range(3, 8)),
        *_FLOATS, "carry",
    ),
    call_saved=3,
    call_args=(3, 4, 5, 6, 7),
    relocations={
        "R_AARCH64_ABS64": PatchKind.ABS64,
        "R_AARCH64_MOVW_UABS_G0_NC": PatchKind.MOVW0,
        "R_AARCH64_MOVW_UABS_G1_NC": PatchKind.MOVW1,
        "R_AARCH64_MOVW_UABS_G2_NC": PatchKind.MOVW2,
        "R_AARCH64_MOVW_UABS_G3": PatchKind.MOVW3,
        "R_AARCH64_MOVW_SABS_G1": PatchKind.MOVW1S,
        "R_AARCH64_LD_PREL_LO19": PatchKind.REL19,
        "R_AARCH64_ADR_PREL_LO21": PatchKind.ADR21,
        "R_AARCH64_ADR_PREL_PG_HI21": PatchKind.PAGE21,
        "R_AARCH64_ADD_ABS_LO12_NC": PatchKind.ADD12,
        "R_AARCH64_CONDBR19": PatchKind.REL19,
        "R_AARCH64_JUMP26": PatchKind.BRANCH26,
        "R_AARCH64_CALL26": PatchKind.BRANCH26,
        "R_AARCH64_LDST8_ABS_LO12_NC": PatchKind.LOAD12,
        "R_AARCH64_LDST16_ABS_LO12_NC": PatchKind.LOAD12,
        "R_AARCH64_LDST32_ABS_LO12_NC": PatchKind.LOAD12,
        "R_AARCH64_LDST64_ABS_LO12_NC": PatchKind.LOAD12,
        "R_AARCH64_LDST128_ABS_LO12_NC": PatchKind.LOAD12,
    },
    data_align=4,
)

X86_64_DARWIN = replace(
    X86_64_LINUX,
    name="x86_64-apple-darwin",
    flags=("-mcmodel=small",),
    triple="x86_64-macos",
    code_triple="x86_64-macos",
    condition="defined(__APPLE__) && defined(__x86_64__)",
    object_format="macho64",
    literals=False,
    comment="##",
    relocations={
        "X86_64_RELOC_UNSIGNED": PatchKind.ABS64,
        "X86_64_RELOC_SIGNED": PatchKind.REL32,
        "X86_64_RELOC_SIGNED_1": PatchKind.REL32,  # so many bytes of the instruction follow
        "X86_64_RELOC_SIGNED_2": PatchKind.REL32,
        "X86_64_RELOC_SIGNED_4": PatchKind.REL32,
        "X86_64_RELOC_BRANCH": PatchKind.REL32,
        "X86_64_RELOC_SUBTRACTOR": PatchKind.REL32,  # from the place itself
    },
)

AARCH64_DARWIN = replace(
    AARCH64_LINUX,
    name="aarch64-apple-darwin",
    flags=("-mcmodel=small",),
    triple="aarch64-macos",
    code_triple="aarch64-macos",
    condition="defined(__APPLE__) && defined(__aarch64__)",
    object_format="macho64",
    literals=False,
    comment=";",
    relocations={
        "ARM64_RELOC_UNSIGNED": PatchKind.ABS64,
        "ARM64_RELOC_BRANCH26": PatchKind.BRANCH26,
        "ARM64_RELOC_PAGE21": PatchKind.PAGE21,
        "ARM64_RELOC_PAGEOFF12 ADD": PatchKind.ADD12,
        "ARM64_RELOC_PAGEOFF12 LOAD": PatchKind.LOAD12,
    },
)

# C is read with MinGW's headers, as MSVC's cannot be had; the code is MSVC's.
X86_64_WINDOWS = replace(
    X86_64_LINUX,
    name="x86_64-pc-windows-msvc",
    flags=("-mcmodel=small",),
    triple="x86_64-windows-gnu",
    code_triple="x86_64-windows-msvc",
    pyconfig="windows.h",
    sizes=_LLP64,
    condition="defined(_WIN32) && defined(__x86_64__) || defined(_M_X64)",
    object_format="coff",
    literals=False,
    # rcx, rdx and r8, as C has them here; then rsi and rdi, which C keeps
    call_args=(6, 5, 7, 4, 3),
    relocations={
        "IMAGE_REL_AMD64_ADDR64": PatchKind.ABS64,
        **{f"IMAGE_REL_AMD64_REL32{n}": PatchKind.REL32 for n in ("", "_1", "_2", "_3", "_4", "_5")},
    },
)

AARCH64_WINDOWS = replace(
    AARCH64_LINUX,
    name="aarch64-pc-windows-msvc",
    flags=("-mcmodel=small",),
    triple="aarch64-windows-gnu",
    code_triple="aarch64-windows-msvc",
    pyconfig="windows.h",
    sizes=_LLP64,
    condition="defined(_WIN32) && defined(__aarch64__) || defined(_M_ARM64)",
    object_format="coff",
    literals=False,
    relocations={
        "IMAGE_REL_ARM64_ADDR64": PatchKind.ABS64,
        "IMAGE_REL_ARM64_BRANCH26": PatchKind.BRANCH26,
        "IMAGE_REL_ARM64_BRANCH19": PatchKind.REL19,
        "IMAGE_REL_ARM64_PAGEBASE_REL21": PatchKind.PAGE21,
        "IMAGE_REL_ARM64_PAGEOFFSET_12A": PatchKind.ADD12,
        "IMAGE_REL_ARM64_PAGEOFFSET_12L": PatchKind.LOAD12,
    },
)

# Read and shown, that is all.
I686_WINDOWS = replace(
    X86_64_WINDOWS,
    name="i686-pc-windows-msvc",
    triple="x86-windows-gnu",
    code_triple="x86-windows-msvc",
    sizes={"void *": 4, "long": 4, "long long": 8, "size_t": 4, "wchar_t": 2},
    condition="defined(_WIN32) && defined(__i386__) || defined(_M_IX86)",
    relocations={"IMAGE_REL_I386_DIR32": PatchKind.ABS32, "IMAGE_REL_I386_REL32": PatchKind.REL32},
    refused="32-bit x86 has no preserve_none calling convention",
)

TARGETS = {
    target.name: target
    for target in (
        X86_64_LINUX, AARCH64_LINUX, X86_64_DARWIN, AARCH64_DARWIN, X86_64_WINDOWS, AARCH64_WINDOWS,
        I686_WINDOWS,
    )
}

__all__ = [
    "AARCH64_DARWIN", "AARCH64_LINUX", "AARCH64_WINDOWS", "I686_WINDOWS", "TARGETS", "X86_64_DARWIN",
    "X86_64_LINUX", "X86_64_WINDOWS", "BuildError", "PatchKind", "Target",
]
