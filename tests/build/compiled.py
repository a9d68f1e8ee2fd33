"""The generated tables of a target, and the plain C functions of its uops, compiled for this machine.

The C functions that templates call are stand-ins that note their arguments and return a chosen answer, so
that what a stencil calls in the emulator can be compared with what its function calls here.
"""

import ctypes
import functools
import os
import re
import subprocess
import sysconfig
from pathlib import Path

from buildtool.current import is_current
from buildtool.defs import read_families
from buildtool.stencil import Hole, Part, Stencil
from buildtool.tables import NO_STENCIL, first_variants, in_order
from buildtool.target import PatchKind
from buildtool.targets import TARGETS
from buildtool.variants import index_of

ROOT = Path(__file__).resolve().parents[2]
FAMILIES = read_families((ROOT / "src/stencils").glob("*.c"))
UOPS = in_order(uop for family in FAMILIES for uop in family.uops)
VALUES = "OPERAND0 OPERAND1 INPUT0 INPUT1 INPUT2 INPUT3 CONTINUE EXIT ERROR HOT COLD DATA SYMBOL".split()
# Those whose tables were made from the templates as they are now.
BUILT = [target for target in TARGETS.values() if is_current(ROOT, target.name)]

# A letter per argument of CPython's functions (i: integer or pointer, f: double); src/runtime/base/helpers.h says those of ours.
SIGNATURES = {"PyFloat_FromDouble": "f", "_Py_Dealloc": "i", "PyType_GenericAlloc": "ii", "PyLong_FromLongLong": "i"}

STAND_INS = """
#include <stdint.h>
// Integers and doubles are counted apart, and so are the two registers that results are in: a function of this
// type can stand in for any other one.
typedef struct { uint64_t i; double d; } Answer;
typedef struct { const char *name; uint64_t ints[6]; double floats[4]; } Call;
Call test_calls[64];
int test_n_calls;
Answer test_answer;
static Answer note(const char *name, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f,
                   double w, double x, double y, double z)
{
    if (test_n_calls < 64) test_calls[test_n_calls++] = (Call){ name, { a, b, c, d, e, f }, { w, x, y, z } };
    return test_answer;
}
#define STAND_IN(symbol) Answer symbol(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f, \\
    double w, double x, double y, double z) { return note(#symbol, a, b, c, d, e, f, w, x, y, z); }
"""


class CHole(ctypes.Structure):
    _fields_ = [("offset", ctypes.c_uint16), ("part", ctypes.c_uint8), ("kind", ctypes.c_uint8),
                ("value", ctypes.c_uint8), ("symbol", ctypes.c_uint8), ("addend", ctypes.c_int32)]


class CStencil(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_uint32), ("hot", ctypes.c_uint16), ("cold", ctypes.c_uint16),
                ("data", ctypes.c_uint16), ("n_holes", ctypes.c_uint16), ("first_hole", ctypes.c_uint32)]


class CCall(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("ints", ctypes.c_uint64 * 6), ("floats", ctypes.c_uint64 * 4)]


Function = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, *[ctypes.POINTER(ctypes.c_uint64)] * 3)


def helper_signatures():
    """name -> a letter per argument, of the functions that helpers.h declares."""
    text = (ROOT / "src/runtime/base/helpers.h").read_text()
    return {
        name: "".join("f" if argument.strip().startswith("double") else "i" for argument in arguments.split(","))
        for name, arguments in re.findall(r"\b(help_\w+)\(([^;]*)\);", text)
    }


class Tables:
    """One target's."""

    def __init__(self, target, folder):
        self.target = target
        generated = ROOT / "generated" / target.name
        header = (generated / "stencil_tables.h").read_text()
        self.symbols = re.findall(r"^JITPATCH_SYMBOL\((\w+)\);", header, re.M)
        called = {self.symbols[int(k)] for k in re.findall(r"PATCH_(?:REL32|BRANCH26), HOLE_SYMBOL, (\d+)", header)}
        self.objects = {name for name in self.symbols if name not in called and hasattr(ctypes.pythonapi, name)}
        self.signatures = SIGNATURES | helper_signatures()
        source, stand_ins, library = folder / "t.c", folder / "stand_ins.c", folder / "t.so"
        runtime = ROOT / "src/runtime"
        # Where C's long has 32 bits, so have the structures that the templates look at.
        longs = "#define long int\n" if "windows" in target.name else ""
        source.write_text(
            "#include <stddef.h>\n#include <stdint.h>\n#include <string.h>\n#include <math.h>\n"
            f'#include "{runtime}/ir/uop.h"\n#include "{runtime}/base/activation.h"\n#include "{runtime}/back/stencil_table.h"\n'
            f'#include "{generated}/uop_table.h"\n#include "{generated}/stencil_tables.h"\n'
            f'{longs}#include "{generated}/uop_functions.h"\n#undef long\n'
            "UopFunction function_of(int k) { return uop_functions[k].function; }\n"
            "const char *function_name(int k) { return uop_functions[k].name; }\n"
        )
        names = [*(name for name in self.symbols if name not in self.objects), "function"]
        stand_ins.write_text(STAND_INS + "".join(f"STAND_IN({name})\n" for name in names))
        include = sysconfig.get_path("include")
        flags = ["-shared", "-fPIC", "-O1", "-std=gnu11", "-Wl,-Bsymbolic", "-Wl,-z,lazy", "-Wl,--unresolved-symbols=ignore-all"]
        command = ["cc", *flags, f"-I{include}", f"-I{include}/internal", source, stand_ins, "-o", library]
        subprocess.run(command, check=True)
        self.lib = ctypes.CDLL(str(library), mode=ctypes.RTLD_LOCAL | os.RTLD_LAZY)
        self.lib.function_name.restype = ctypes.c_char_p
        self.lib.function_of.restype = Function
        self.first = dict(zip([uop.name for uop in UOPS], first_variants(UOPS, target), strict=True))
        self.bytes = ctypes.addressof(ctypes.c_char.in_dll(self.lib, "stencil_bytes"))
        self.calls = (CCall * 64).in_dll(self.lib, "test_calls")
        self.n_calls = ctypes.c_int.in_dll(self.lib, "test_n_calls")
        self.answer = (ctypes.c_uint64 * 2).in_dll(self.lib, "test_answer")
        self.kinds = list(PatchKind)

    @functools.cached_property
    def functions(self):
        """The plain C function of each uop."""
        found, k = {}, 0
        while name := self.lib.function_name(k):
            found[name.decode()] = self.lib.function_of(k)
            k += 1
        return found

    def address(self, name):
        """Of a C object, or of a stand-in."""
        return ctypes.addressof(ctypes.c_char.in_dll(self.lib, name))

    def object_addresses(self):
        """By name in a hole."""
        return {f"s{k}": self._at("stencil_symbols", ctypes.c_void_p, k).value
                for k, name in enumerate(self.symbols) if name in self.objects}

    def _at(self, name, type_, index):
        start = ctypes.addressof(type_.in_dll(self.lib, name))
        return type_.from_address(start + index * ctypes.sizeof(type_))

    def stencil(self, variant):
        """A variant's stencil, or None."""
        place = self.first[variant.uop.name] + index_of(variant, self.target)
        number = self._at("stencil_variants", ctypes.c_uint32, place).value
        return None if number == NO_STENCIL else self.stencil_number(number)

    def stencil_number(self, number):
        """A stencil by its number in the table."""
        entry = self._at("stencils", CStencil, number)
        code = ctypes.string_at(self.bytes + entry.bytes, entry.hot + entry.cold + entry.data)
        holes = []
        for k in range(entry.n_holes):
            hole = self._at("stencil_holes", CHole, entry.first_hole + k)
            value = VALUES[hole.value]
            symbol = f"s{hole.symbol}" if value == "SYMBOL" else ""
            holes.append(Hole(list(Part)[hole.part], hole.offset, self.kinds[hole.kind], value, symbol, hole.addend))
        at = entry.hot + entry.cold
        return Stencil(code[: entry.hot], code[entry.hot : at], code[at:], tuple(holes))

    def all_stencils(self):
        """Every stencil of the table."""
        text = (ROOT / "generated" / self.target.name / "stencil_tables.h").read_text()
        body = text[text.index("const Stencil stencils[]") : text.index("const uint32_t stencil_variants[]")]
        for number in range(body.count("\n    {") - 1):
            yield self.stencil_number(number)

    def call(self, uop, act, inputs, operands, answer):
        """(outcome, result, calls) of the uop's plain C function."""
        out = (ctypes.c_uint64 * 1)()
        self.n_calls.value = 0
        self.answer[0], self.answer[1] = answer
        padded = [*inputs, 0, 0, 0, 0][:4]
        outcome = self.functions[uop.name](
            act, (ctypes.c_uint64 * 4)(*padded), out, (ctypes.c_uint64 * 2)(*[*operands, 0, 0][:2])
        )
        return outcome, out[0], self.noted_calls()

    def noted_calls(self):
        """(name, arguments) of the calls of stand-ins since n_calls was 0."""
        return [self._arguments(self.calls[k]) for k in range(self.n_calls.value)]

    def _arguments(self, call):
        name = call.name.decode()
        ints, floats, found = iter(call.ints), iter(call.floats), []
        for letter in self.signatures.get(name, "i"):
            found.append(next(floats) if letter == "f" else next(ints))
        return name, found
