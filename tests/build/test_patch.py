"""The patchers: C (src/runtime/back/patch_*.c) and Python (reference_patch.py) write the same bytes.

Both machines' C is compiled for this one: a patcher must not depend on the machine it runs on.
"""

import ctypes
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from compiled import BUILT, Tables
from reference_patch import KINDS, MACHINE_OF, MASK, DoesNotFit, ends, patch

RUNTIME = Path(__file__).resolve().parents[2] / "src/runtime"
NAMES = [line.split(",")[0].strip().removeprefix("PATCH_") for line in (RUNTIME / "back/stencil_table.h").read_text().splitlines()
         if line.startswith("    PATCH_")][:-1]
CASES = [(machine, kind) for machine, kinds in MACHINE_OF.items() for kind in kinds]
# An instruction of each kind, for the readers of a failure.
CODE = {"BRANCH26": 0x94000000, "REL19": 0x5C000008, "ADR21": 0x10000008, "PAGE21": 0x90000008, "ADD12": 0x91000108,
        "LOAD12": 0xF9400108, "MOVW0": 0xF2800008, "MOVW1": 0xF2A00008, "MOVW2": 0xF2C00008, "MOVW3": 0xF2E00008,
        "MOVW1S": 0xD2A00008}
PLACES = [0x400000, 0x7FFF_FFFF_F000 - 4, 0x5555_5555_4ABC, 0xFFFF_F7FF_FFFC]

pytestmark = pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler")


class Patcher:
    """One machine's patch_*.c."""

    def __init__(self, machine, folder):
        library = folder / f"{machine}.so"
        source = RUNTIME / f"back/patch_{machine}.c"
        flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-DJITPATCH_ANY_MACHINE", f"-I{RUNTIME}"]
        subprocess.run(["cc", *flags, source, "-o", library], check=True)
        self.lib = ctypes.CDLL(str(library))
        Function = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64)
        table = (Function * len(NAMES)).in_dll(self.lib, "patch_functions")
        self.functions = {name: function for name, function in zip(NAMES, table, strict=True) if function}
        self.jump = self.lib.patch_jump
        self.jump.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64]
        self.sizes = (ctypes.c_uint32 * 6).in_dll(self.lib, "patch_sizes")
        self.buffer = ctypes.create_string_buffer(1 << 16)
        self.at = ctypes.addressof(self.buffer)

    def patch(self, code, kind, offset, address, value):
        """Like reference_patch.patch, by the C function."""
        ctypes.memmove(self.at, bytes(code), len(code))
        if self.functions[kind](self.at + offset, address, value & MASK):
            assert self.buffer.raw[: len(code)] == bytes(code), "a refused value is not written"
            raise DoesNotFit
        code[:] = self.buffer.raw[: len(code)]


@pytest.fixture(scope="module")
def patchers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("patchers")
    return {machine: Patcher(machine, folder) for machine in MACHINE_OF}


def both(patcher, code, kind, offset, address, value):
    """The bytes that both write, or None if both refuse."""
    results = []
    for function in (patcher.patch, patch):
        copy = bytearray(code)
        try:
            function(copy, kind, offset, address, value)
        except DoesNotFit:
            copy = None
        results.append(copy)
    assert results[0] == results[1], f"{kind} at {address:#x}+{offset} of {value & MASK:#x}: {results}"
    return results[0]


def instruction(kind):
    return bytearray(CODE.get(kind, 0).to_bytes(8, "little") + b"\xcc" * 8)


def test_every_kind_has_a_patcher_and_a_reference(patchers):
    for machine, patcher in patchers.items():
        assert set(patcher.functions) == set(MACHINE_OF[machine])
    assert set().union(*MACHINE_OF.values()) == set(NAMES) == {*KINDS, "MOVW1S"}


@pytest.mark.parametrize("machine, kind", CASES)
def test_values_at_both_ends_fit_and_those_beyond_do_not(machine, kind, patchers):
    for address in PLACES:
        inside, beyond = ends(kind, address)
        for value in inside:
            assert both(patchers[machine], instruction(kind), kind, 0, address, value) is not None, hex(value)
        for value in beyond:
            assert both(patchers[machine], instruction(kind), kind, 0, address, value) is None, hex(value)


@pytest.mark.parametrize("machine, kind", CASES)
def test_random_values_and_instructions(machine, kind, patchers):
    rng = random.Random(kind)
    written = 0
    for _ in range(3000):
        code = bytearray(rng.randbytes(24))
        offset, address = 4 * rng.randrange(5), rng.getrandbits(rng.choice([32, 47, 48])) & ~3
        reach = 1 << rng.choice([4, 12, 18, 20, 26, 31, 33, 63])
        value = rng.choice([0, address]) + rng.randrange(-reach, reach) & rng.choice([MASK, MASK - 3, MASK - 15])
        written += both(patchers[machine], code, kind, offset, address, value) is not None
    assert written > 300


@pytest.mark.parametrize("kind", ["BRANCH26", "REL19"])
def test_a_branch_between_instructions_is_refused(kind, patchers):
    assert both(patchers["aarch64"], instruction(kind), kind, 0, 0x4000, 0x4002) is None


@pytest.mark.parametrize("word, unit", [(0x39400108, 1), (0x79400108, 2), (0xB9400108, 4), (0xF9400108, 8), (0xFD400108, 8),
                                        (0xBD400108, 4), (0x3DC00108, 16), (0x3D800108, 16)])
def test_offsets_count_in_units_of_the_access(word, unit, patchers):
    code = word.to_bytes(8, "little")
    for at in range(0, 4096, unit):
        written = both(patchers["aarch64"], code, "LOAD12", 0, 0, 0x123000 + at)
        assert int.from_bytes(written[:4], "little") == word | at // unit << 10
        if unit > 1:
            assert both(patchers["aarch64"], code, "LOAD12", 0, 0, at + 1) is None


@pytest.mark.parametrize("machine, reach", [("x86_64", (5 - 2**31, 5 + 2**31 - 1)), ("aarch64", (-(2**27), 2**27 - 4))])
def test_a_jump_reaches_this_far_and_no_further(machine, reach, patchers):
    patcher, at = patchers[machine], 1 << 40
    for end, away in zip(reach, (-4, 4), strict=True):
        assert patcher.jump(patcher.at, at, at + end) == 0
        assert patcher.jump(patcher.at, at, at + end + away) == -1


def test_a_disassembler_reads_what_was_written(patchers):
    capstone = pytest.importorskip("capstone")
    reader = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_LITTLE_ENDIAN)
    at = 0x10_0000

    def text(kind, value):
        code = both(patchers["aarch64"], instruction(kind), kind, 0, at, value)
        found = next(reader.disasm(bytes(code[:4]), at))
        return f"{found.mnemonic} {found.op_str}"

    assert text("BRANCH26", at - 0x8000000) == f"bl #{at - 0x8000000 & MASK:#x}"
    assert text("REL19", at + 0xFFFFC) == "ldr d8, #0x1ffffc"
    assert text("ADR21", at - 1) == "adr x8, #0xfffff"
    assert text("PAGE21", 0x7654321) == "adrp x8, #0x7654000"
    assert text("ADD12", 0x7654321) == "add x8, x8, #0x321"
    assert text("LOAD12", 0x7654320) == "ldr x8, [x8, #0x320]"
    assert text("MOVW3", 0x1234_5678_9ABC_DEF0) == "movk x8, #0x1234, lsl #48"
    assert text("MOVW0", 0x1234_5678_9ABC_DEF0) == "movk x8, #0xdef0"
    assert text("MOVW1S", 0x1234_5678) == "mov x8, #0x12340000"
    assert text("MOVW1S", -2) == "movn x8, #0, lsl #16"
    assert text("MOVW1S", -(2**31)) == "mov x8, #-0x7fff0001"


def test_what_is_not_a_stencil(patchers):
    """Leaving, veneers and padding, as bytes."""
    for machine, leave, veneer, padding in (
        ("x86_64", "c3", "ff 25 02 00 00 00 0f 0b", "66 0f 1f 84 00 00 00 00 00 0f 1f 00"),
        ("aarch64", "c0 03 5f d6", "50 00 00 58 00 02 1f d6", "1f 20 03 d5 1f 20 03 d5 1f 20 03 d5"),
    ):
        lib, at = patchers[machine].lib, ctypes.c_void_p(patchers[machine].at)
        lib.patch_leave(at)
        assert patchers[machine].buffer.raw[: patchers[machine].sizes[1]].hex(" ") == leave
        lib.patch_veneer(at, ctypes.c_uint64(0x0102030405060708))
        assert patchers[machine].buffer.raw[:16].hex(" ") == veneer + " 08 07 06 05 04 03 02 01"
        lib.patch_padding(at, ctypes.c_size_t(12))
        assert patchers[machine].buffer.raw[:12].hex(" ") == padding


def test_a_jump_through_a_link(patchers):
    """To what is written at an address; or it refuses one out of reach."""
    def through(machine, link):
        patcher = patchers[machine]
        at = ctypes.c_void_p(patcher.at)
        failed = patcher.lib.patch_through(at, ctypes.c_uint64(0x12345678), ctypes.c_uint64(link))
        return None if failed else patcher.buffer.raw[: patcher.sizes[3]].hex(" ")

    assert through("x86_64", 0x1234567E + 0x11223344) == "ff 25 44 33 22 11"
    assert through("x86_64", 0x1234567E - 2**31) == "ff 25 00 00 00 80"
    assert through("x86_64", 0x1234567E + 2**31) is None
    assert through("aarch64", 0x12346008) == "10 00 00 b0 10 06 40 f9 00 02 1f d6"     # adrp x16, +1; ldr x16, [x16, #8]
    assert through("aarch64", 0x12346004) is None                                     # no pointer stands there
    assert through("aarch64", 0x12345678 + 2**32) is None


def test_a_check_at_the_end_of_a_loop_is_turned_round(patchers):
    def inverse(machine, code, offset, to):
        patcher = patchers[machine]
        ctypes.memmove(patcher.at, code, len(code))
        function = patcher.lib.patch_inverse
        function.restype = ctypes.c_bool
        function.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64]
        done = function(patcher.at + offset, 0x1000 + offset, to)
        return patcher.buffer.raw[: len(code)] if done else None

    assert inverse("x86_64", b"\x0f\x85\0\0\0\0", 2, 0x1006 + 0x11223344) == b"\x0f\x84\x44\x33\x22\x11"    # jne: je
    assert inverse("x86_64", b"\x0f\x8c\0\0\0\0", 2, 0x1000) == b"\x0f\x8d\xfa\xff\xff\xff"           # jl: jge
    assert inverse("x86_64", b"\x90\xe9\0\0\0\0", 2, 0x1000) is None                                # jmp
    assert inverse("x86_64", b"\x0f\x85\0\0\0\0", 2, 1 << 40) is None
    words = {0x54000000: 0x54FFFFE1, 0x5400000C: 0x54FFFFED, 0x35000003: 0x34FFFFE3, 0xB4000003: 0xB5FFFFE3}    # eq gt cbnz cbz
    for word, turned in words.items():
        assert inverse("aarch64", word.to_bytes(4, "little"), 0, 0xFFC) == turned.to_bytes(4, "little")
    for word in (0x14000000, 0x5400000E, 0x36000003):                                                  # b, b.al, tbz
        assert inverse("aarch64", word.to_bytes(4, "little"), 0, 0xFFC) is None


@pytest.mark.parametrize("target", BUILT, ids=lambda target: target.name)
def test_every_hole_of_every_stencil(target, patchers, tmp_path):
    """Equal bytes, or both refuse, for random values and for those at the ends of the hole's range."""
    if target.machine.name not in patchers:
        pytest.skip("no patcher: not runnable")
    patcher, rng = patchers[target.machine.name], random.Random(target.name)
    seen = set()
    for stencil in Tables(target, tmp_path).all_stencils():
        address = rng.getrandbits(47) & ~0xF
        parts = {"HOT": stencil.hot, "COLD": stencil.cold, "DATA": stencil.data}
        for hole in stencil.holes:
            code, kind = parts[hole.part.name], hole.kind.name
            # Values as they come: near, of 32 bits, any; and the ends. An encoding met often is tried less often.
            key = (kind, hole.value, code[hole.offset : hole.offset + 4])
            inside, beyond = ends(kind, address + hole.offset)
            few = [rng.choice([address, 0]) + rng.randrange(-(1 << 20), 1 << 20) & ~0xF, rng.getrandbits(64)]
            values = few if key in seen else [*few, *inside, *beyond, *(rng.getrandbits(k) for k in (12, 21, 32, 48))]
            seen.add(key)
            for value in values:
                both(patcher, code, kind, hole.offset, address + hole.offset, value + hole.addend)
    assert seen
