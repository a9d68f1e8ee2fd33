"""The readers of object files: every kind of relocation, and files that lie."""

import random
import struct

import pytest

pytest.importorskip("elftools")
pytest.importorskip("lief")

from tiny_objects import coff, elf, macho  # noqa: E402

from buildtool.dialects import PLACEHOLDER  # noqa: E402
from buildtool.objects import ObjectFile, read_object  # noqa: E402
from buildtool.objects_coff import TYPES  # noqa: E402
from buildtool.target import BuildError  # noqa: E402

ARM = 0x0100000C
AMD64, ARM64, I386 = 0x8664, 0xAA64, 0x14C


def relocs(found, section=".jit.hot"):
    return [(r.offset, r.type, r.symbol.name or r.symbol.section, r.addend) for r in found.sections[section].relocs]


def word(*words):
    return struct.pack(f"<{len(words)}I", *words)


# --- ELF ----------------------------------------------------------------------------------------------

ELF = elf(
    {".jit.hot": bytes(16), ".jit.data": b"12345678"}, [("F", 1, 0), ("f", 0, 0), ("F.data", 2, 0)],
    {".jit.hot": [(8, 4, 2, -4), (0, 2, 3, 4), (12, 11, 2, 0)]},
)


def test_elf():
    found = read_object("elf64", ELF)
    assert found.machine == "x86_64"
    assert found.sections[".jit.data"].data == b"12345678"
    assert (found.symbols["F.data"].section, found.symbols["f"].section) == (".jit.data", None)
    assert relocs(found) == [(0, "R_X86_64_PC32", "F.data", 4), (8, "R_X86_64_PLT32", "f", -4), (12, "R_X86_64_32S", "f", 0)]


def test_elf_for_aarch64():
    found = read_object("elf64", elf({".jit.hot": bytes(8)}, [("f", 0, 0)], {".jit.hot": [(4, 283, 1, 0)]}, machine=183))
    assert (found.machine, relocs(found)) == ("aarch64", [(4, "R_AARCH64_CALL26", "f", 0)])


@pytest.mark.parametrize("data, fault", [
    (b"", "not a little-endian 64-bit ELF file"),
    (b"\x7fELF\x01\x01" + ELF[6:], "not a little-endian 64-bit ELF file"),
    (ELF[:40], "outside the file"),
    (ELF[:16] + struct.pack("<H", 3) + ELF[18:], "not relocatable"),
    (elf({".jit.hot": b""}, [], {}, machine=243), "unknown machine 243"),
    (elf({".jit.hot": bytes(4)}, [("f", 0, 0)], {".jit.hot": [(0, 4, 9, 0)]}), "no symbol 9"),
    (elf({".jit.hot": bytes(4)}, [("f", 0, 0)], {".jit.hot": [(4, 4, 1, 0)]}), "behind the end"),
    (elf({".jit.hot": bytes(4)}, [("F", 1, 5)], {}), "F is 5 bytes into .jit.hot"),
    (elf({".jit.hot": bytes(4)}, [("f", 0, 0)], {".jit.hot": [(0, 4, 1, 0)]}, rel=True), "without addends"),
])
def test_faulty_elf(data, fault):
    with pytest.raises(BuildError, match=fault):
        read_object("elf64", data)


# --- Mach-O -------------------------------------------------------------------------------------------

HOT, DATA = "__JIT,__hot", "__JIT,__data"


def test_macho_x86_64_addends_are_in_the_bytes():
    hot = b"\xe9" + struct.pack("<i", 0) + b"\xc6\x05" + struct.pack("<i", -1) + b"\x12" + b"\x48\xb8" + struct.pack("<q", 7)
    found = read_object("macho64", macho(
        {HOT: hot, DATA: bytes(8)}, [("_F", 1, 0), ("_f", 0, 0)],
        {HOT: [(1, 2, 1, 1, 2, 1), (7, 6, 1, 1, 2, 1), (14, 0, 1, 0, 3, 1)]},
    ))
    assert relocs(found) == [
        (1, "X86_64_RELOC_BRANCH", "f", -4), (7, "X86_64_RELOC_SIGNED_1", "f", -5), (14, "X86_64_RELOC_UNSIGNED", "f", 7),
    ]
    assert found.sections[".jit.hot"].data == b"\xe9" + bytes(4) + b"\xc6\x05" + bytes(4) + b"\x12\x48\xb8" + bytes(8)
    assert found.symbols["F"].section == ".jit.hot"


def test_macho_relocations_to_sections_hold_addresses():
    # From 0x4 in __hot, at 0, to 0x8 in __data, at 16: the address of the place's end is 8.
    hot = bytes(4) + struct.pack("<i", 16 + 8 - 8) + struct.pack("<q", 16 + 4)
    found = read_object("macho64", macho(
        {HOT: hot, DATA: bytes(16)}, [], {HOT: [(4, 1, 2, 1, 2, 0), (8, 0, 2, 0, 3, 0)]},
    ))
    assert relocs(found) == [(4, "X86_64_RELOC_SIGNED", ".jit.data", 8 - 4), (8, "X86_64_RELOC_UNSIGNED", ".jit.data", 4)]


def test_macho_arm64_addend_goes_to_the_next_relocation():
    found = read_object("macho64", macho(
        {HOT: word(0x94000000, 0x90000008, 0xF9400108)}, [("_f", 0, 0)],
        {HOT: [(0, 10, 24, 0, 2, 0), (0, 2, 0, 1, 2, 1), (4, 10, 0xFFFFFC, 0, 2, 0), (4, 3, 0, 1, 2, 1), (8, 4, 0, 0, 2, 1)]},
        ARM,
    ))
    assert relocs(found) == [
        (0, "ARM64_RELOC_BRANCH26", "f", 24), (4, "ARM64_RELOC_PAGE21", "f", -4), (8, "ARM64_RELOC_PAGEOFF12 LOAD", "f", 0),
    ]


def test_macho_differences():
    """B - A + content: known if both are in one section, relative to the place if A is beside it."""
    data = struct.pack("<i", 100) + struct.pack("<i", 3)
    found = read_object("macho64", macho(
        {HOT: bytes(16), DATA: data}, [("_a", 1, 4), ("_b", 1, 12), ("_d", 2, 16), ("_f", 0, 0)],
        {DATA: [(0, 5, 0, 0, 2, 1), (0, 0, 1, 0, 2, 1), (4, 5, 2, 0, 2, 1), (4, 0, 3, 0, 2, 1)]},
    ))
    assert found.sections[".jit.data"].data == struct.pack("<ii", 108, 0)
    assert relocs(found, ".jit.data") == [(4, "X86_64_RELOC_SUBTRACTOR", "f", 3 + 4)]


@pytest.mark.parametrize("relocations, fault", [
    ([(0, 10, 4, 0, 2, 0)], "half a pair: ARM64_RELOC_ADDEND alone"),
    ([(0, 10, 4, 0, 2, 0), (4, 2, 0, 1, 2, 1)], "half a pair"),
    ([(0, 10, 4, 0, 2, 0), (0, 0, 0, 0, 3, 1)], "ARM64_RELOC_ADDEND before ARM64_RELOC_UNSIGNED"),
    ([(0, 1, 0, 0, 2, 1), (0, 2, 0, 0, 2, 1)], "ARM64_RELOC_SUBTRACTOR before ARM64_RELOC_BRANCH26"),
    ([(0, 2, 5, 1, 2, 1)], "no symbol 5"),
    ([(0, 2, 9, 1, 2, 0)], "no section 9"),
    ([(0, 2, 1, 1, 2, 0)], "to a section"),
    ([(8, 2, 0, 1, 2, 1)], "ARM64_RELOC_BRANCH26 at 8"),
    ([(0, 4, 0, 0, 2, 1)], "unknown instruction"),
    ([(-1, 2, 0, 1, 2, 1)], "scattered"),
])
def test_faulty_macho(relocations, fault):
    with pytest.raises(BuildError, match=fault):
        read_object("macho64", macho({HOT: bytes(8)}, [("_f", 0, 0)], {HOT: relocations}, ARM))


def test_macho_of_another_kind():
    whole = macho({HOT: bytes(8)}, [], {})
    for data, fault in [
        (whole[:20], "outside the file"),
        (b"\xce" + whole[1:], "not a 64-bit Mach-O file"),
        (whole[:12] + word(2) + whole[16:], "not relocatable"),
        (whole[:20] + word(10**6) + whole[24:], "the load commands"),
        (whole[:36] + word(4) + whole[40:], "a load command of 4 bytes"),
    ]:
        with pytest.raises(BuildError, match=fault):
            read_object("macho64", data)


# --- COFF ---------------------------------------------------------------------------------------------

def test_coff_amd64_kinds_say_how_many_bytes_follow():
    kinds = TYPES[AMD64]
    hot = b"".join(struct.pack("<i", k) for k in range(6)) + struct.pack("<q", -3)
    entries = [(4 * k, kinds.index(f"REL32_{k}" if k else "REL32"), 1) for k in range(6)] + [(24, kinds.index("ADDR64"), 1)]
    found = read_object("coff", coff({".jithot": hot, ".jitdata": b"x"}, [("F", 1, 0), ("a_function", 0, 0)], {".jithot": entries}))
    # Content k, and k bytes between the field and the end of the instruction.
    assert [addend for *_, addend in relocs(found)] == [-4, 1 - 5, 2 - 6, 3 - 7, 4 - 8, 5 - 9, -3]
    assert {name for _, _, name, _ in relocs(found)} == {"a_function"}
    assert found.sections[".jit.hot"].data == bytes(32)
    assert found.sections[".jit.data"].data == b"x"


def test_coff_arm64_addends_are_in_the_instructions():
    kinds = TYPES[ARM64]
    code = [
        ("BRANCH26", 0x94000000 | (-2 & 0x3FFFFFF), -8), ("BRANCH19", 0x54000000 | 3 << 5, 12),
        ("PAGEBASE_REL21", 0x90000008 | 1 << 29 | 2 << 5, 9), ("PAGEOFFSET_12A", 0x91000108 | 24 << 10, 24),
        ("PAGEOFFSET_12L", 0xF9400108 | 3 << 10, 24), ("PAGEOFFSET_12L", 0x3DC00100 | 2 << 10, 32),
        ("PAGEOFFSET_12L", 0x39400108 | 5 << 10, 5),
    ]
    found = read_object("coff", coff(
        {".jithot": word(*(instruction for _, instruction, _ in code))}, [("f", 0, 0)],
        {".jithot": [(4 * k, kinds.index(kind), 0) for k, (kind, *_) in enumerate(code)]}, ARM64,
    ))
    assert [addend for *_, addend in relocs(found)] == [addend for *_, addend in code]
    assert found.sections[".jit.hot"].data == word(
        0x94000000, 0x54000000, 0x90000008, 0x91000108, 0xF9400108, 0x3DC00100, 0x39400108
    )


def test_coff_i386_is_read():
    kinds = TYPES[I386]
    found = read_object("coff", coff(
        {".jithot": struct.pack("<ii", 8, 0)}, [("_f", 0, 0)],
        {".jithot": [(0, kinds.index("DIR32"), 0), (4, kinds.index("REL32"), 0)]}, I386,
    ))
    assert found.machine == "i686"
    assert relocs(found) == [(0, "IMAGE_REL_I386_DIR32", "f", 8), (4, "IMAGE_REL_I386_REL32", "f", -4)]


def test_a_kind_without_a_name_is_called_by_its_number():
    found = read_object("coff", coff({".jithot": bytes(8)}, [("f", 0, 0)], {".jithot": [(0, 99, 0)]}))
    assert relocs(found)[0][1] == "IMAGE_REL_AMD64_99"


def test_faulty_coff():
    def reads(data):
        return read_object("coff", data)

    whole = coff({".jithot": bytes(8)}, [("f", 0, 0)], {".jithot": [(0, 4, 0)]})
    for data, fault in [
        (whole[:10], "outside the file"),
        (b"MZ" + whole[2:], "unknown machine"),
        (whole[:2] + b"\xff\xff" + whole[4:], "65535 sections"),
        (whole[:8] + word(10**6) + whole[12:], "the symbol table"),
        (whole[:16] + b"\x10" + whole[17:], "not relocatable"),
        (coff({".jithot": bytes(8)}, [("f", 0, 0)], {".jithot": [(0, 4, 7)]}), "no symbol 7"),
        (coff({".jithot": bytes(8)}, [("f", 0, 0)], {".jithot": [(5, 4, 0)]}), "REL32 at 5"),
        (coff({".jithot": bytes(8)}, [("f", 9, 0)], {}), "f is in section 9 of 1"),
        (coff({".jithot": bytes(8)}, [("f", 1, 9)], {}), "f is 9 bytes into"),
    ]:
        with pytest.raises(BuildError, match=fault):
            reads(data)


# --- marks --------------------------------------------------------------------------------------------

def test_marks_are_relocations():
    constant = struct.pack("<I", PLACEHOLDER["_JIT_INPUT1"])
    hot = b"\x48\x81\xc0" + constant + word(0x54000001)
    found = read_object("coff", coff(
        {".jithot": hot, ".jitcold": bytes(12)},
        [("_JIT_HOLE$1$ABS32S$_JIT_INPUT1", 1, 0), ("_JIT_END$1", 1, 7), ("_JIT_HOLE$2$REL19$.Lcold.F", 1, 7), ("cold.F$", 2, 8)],
        {},
    ))
    assert relocs(found) == [(3, "MARK_ABS32S", "_JIT_INPUT1", 0), (7, "MARK_REL19", "cold.F$", 0)]
    assert found.sections[".jit.hot"].data == b"\x48\x81\xc0" + bytes(4) + word(0x54000001)
    assert not any("HOLE" in name for name in found.symbols)


@pytest.mark.parametrize("symbol, fault", [
    ("_JIT_HOLE$1$ABS32S$_JIT_INPUT1", "is not there once"),
    ("_JIT_HOLE$1$ABS32S$f", "the mark"),
    ("_JIT_HOLE$1", "the mark"),
    ("_JIT_HOLE$1$REL19$.Lcold.F", "no such place"),
])
def test_faulty_marks(symbol, fault):
    with pytest.raises(BuildError, match=fault):
        read_object("coff", coff({".jithot": bytes(8)}, [(symbol, 1, 0)], {}))


# --- anything -----------------------------------------------------------------------------------------

SAMPLES = {
    "elf64": ELF,
    "macho64": macho(
        {HOT: word(0x94000000, 0x90000008, 0xF9400108), DATA: bytes(16)}, [("_F", 1, 0), ("_f", 0, 0), ("_d", 2, 16)],
        {HOT: [(0, 10, 24, 0, 2, 0), (0, 2, 1, 1, 2, 1), (4, 3, 1, 1, 2, 1), (8, 4, 1, 0, 2, 1)],
         DATA: [(0, 1, 2, 0, 2, 1), (0, 0, 1, 0, 2, 1), (8, 0, 1, 0, 3, 0)]}, ARM,
    ),
    "coff": coff(
        {".jithot": bytes(16), ".a-long-name": b"1234"}, [("F", 1, 0), ("a_function", 0, 0)], {".jithot": [(0, 4, 1), (8, 1, 0)]},
    ),
}


def read_or_refuse(object_format, data):
    """An object that holds together, or a BuildError; nothing else may come of any bytes."""
    try:
        found = read_object(object_format, data)
    except BuildError as error:
        assert str(error)
        return 0
    assert isinstance(found, ObjectFile)
    for section in found.sections.values():
        offsets = [reloc.offset for reloc in section.relocs]
        assert offsets == sorted(offsets)
        assert all(0 <= offset < len(section.data) for offset in offsets)
        assert len(section.data) <= len(data)
    return 1


@pytest.mark.parametrize("object_format", SAMPLES)
def test_truncated_files(object_format):
    whole = SAMPLES[object_format]
    assert read_or_refuse(object_format, whole) == 1
    for size in range(len(whole)):
        read_or_refuse(object_format, whole[:size])


@pytest.mark.parametrize("object_format", SAMPLES)
def test_hostile_files(object_format):
    """Bytes and 32-bit words changed at random, mostly to extreme values."""
    rng = random.Random(object_format)
    whole, taken = SAMPLES[object_format], 0
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 1, 2, 5, 20))):
            if rng.random() < 0.5:
                data[rng.randrange(len(data))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            else:
                at = rng.randrange(0, len(data) - 4)
                data[at : at + 4] = word(rng.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, rng.getrandbits(32))))
        taken += read_or_refuse(object_format, bytes(data))
    assert 0 < taken < 3000


@pytest.mark.parametrize("object_format", SAMPLES)
def test_other_files(object_format):
    rng = random.Random(object_format)
    for size in (0, 1, 4, 100, 5000):
        read_or_refuse(object_format, rng.randbytes(size))
    for other in SAMPLES:
        if other != object_format:
            with pytest.raises(BuildError):
                read_object(object_format, SAMPLES[other])
