"""The templates: each stencil of the generated tables, run, does what its C function does: outcome, result, memory,
registers, and the calls it makes with their arguments.

Of every target that is built, in an emulator; those of this machine's own target are run as they are, besides. Left out: runs in which machine and function would leave the memory that both
share. JITPATCH_TEST_ALL=1 takes every variant, otherwise a few of each uop.
"""

import ctypes
import os
import random
import shutil
import struct

import pytest

unicorn = pytest.importorskip("unicorn")

from compiled import BUILT, ROOT, UOPS, Tables  # noqa: E402
from machine import FUNCTION, SHARED_SIZE, STACK, STACK_SIZE, Machine  # noqa: E402

from buildtool.current import host_target  # noqa: E402
from buildtool.defs import Type  # noqa: E402
from buildtool.targets import TARGETS  # noqa: E402
from buildtool.variants import variants_of  # noqa: E402

try:
    import cffi
    from native import Native
except ImportError:
    cffi = None

ALL = os.environ.get("JITPATCH_TEST_ALL") == "1"
OUTCOMES = ["CONTINUE", "EXIT", "ERROR", "COLD"]
RUN = [uop for uop in UOPS if not uop.virtual]

pytestmark = pytest.mark.skipif(not shutil.which("cc") or not BUILT, reason="needs a C compiler, and generated/")


@pytest.fixture(scope="module", params=[t for t in BUILT if t.name[0] != "i"], ids=lambda target: target.name)
def built(request, tmp_path_factory):
    """Tables and machine of a target."""
    tables = Tables(request.param, tmp_path_factory.mktemp("tables"))
    machine = Machine(request.param)
    machine.objects = tables.object_addresses()
    native = None
    if request.param.name == host_target() and request.param.machine.name == "x86_64" and cffi is not None:
        native = Native(tables, tmp_path_factory.mktemp("native"), machine.base)
    names = {f"s{k}": name for k, name in enumerate(tables.symbols)}
    machine.signatures = {key: tables.signatures.get(name, "i") for key, name in names.items()}
    return tables, machine, names | {FUNCTION: FUNCTION}, native


INTS = [0, 1, -1, 2, 3, 7, -8, 63, 64, 2**31 - 1, -(2**31), 2**53, 2**62, -(2**62), 2**63 - 1, -(2**63)]
FLOATS = [0.0, -0.0, 1.0, -1.5, 3.25, 1e300, -1e-300, 5e-324, float("inf"), -float("inf"), float("nan"), 2.0**53]
MASK = (1 << 64) - 1


def as_bits(x):
    return struct.unpack("<Q", struct.pack("<d", x))[0]


class Trial:
    """One choice of values for a variant."""

    def __init__(self, rng, variant, base, memory):
        self.rng, self.base, self.memory = rng, base, memory
        small = any(item.type is Type.OBJ for item in variant.uop.inputs)
        self.r = [self._int(small) for _ in range(8)]
        self.f = [as_bits(rng.choice(FLOATS)) for _ in range(8)]
        self.inputs = []
        for item, register in zip(variant.uop.inputs, variant.inputs, strict=True):
            if register is None:
                self.inputs.append(rng.choice([k for k in INTS if -(2**31) <= k < 2**31]))
            elif item.type is Type.OBJ or item.name == "frame":
                self.r[register] = self._pointer() if rng.random() < 0.95 else 0
        for k, (item, register) in enumerate(zip(variant.uop.inputs, variant.inputs, strict=True)):
            if register is not None:
                self.inputs.insert(k, (self.f if item.type.is_float else self.r)[register])
        self.operands = [self._pointer() if o.wide else rng.choice([0, 8, 16, 24, 40]) for o in variant.uop.operands]
        # What called functions return.
        self.answer = (rng.choice([0, 1, MASK, self._pointer(), self._pointer()]), as_bits(rng.choice(FLOATS)))

    def _int(self, small):
        rng = self.rng
        value = rng.choice([0, 1, 2, 3, 8, 20]) if small or rng.random() < 0.2 else rng.choice(INTS)
        return value & MASK

    def _pointer(self):
        return random_pointer(self.rng, self.base)


def random_pointer(rng, base):
    """One of a few objects, so that two are often the same."""
    return base + 0x8000 + 0x400 * rng.randrange(3)


def random_memory(rng, base):
    """Activation and objects: words that are pointers to objects again, some small."""
    words = [random_pointer(rng, base) for _ in range(SHARED_SIZE // 8)]
    for k in rng.sample(range(len(words)), len(words) // 3):
        words[k] = rng.choice([0, 1, 2, 3, 8, 16])
    words[0] = words[1] = random_pointer(rng, base)
    return struct.pack(f"<{len(words)}Q", *words)


def with_function(trial, uop, address):
    """The operands, with the address of what is called in its place."""
    return [address if operand.name == FUNCTION else value & MASK
            for operand, value in zip(uop.operands, trial.operands, strict=True)]


def inside(machine, trial, uop, stencil):
    """Run in the machine; None if it left the shared memory."""
    ctypes.memmove(machine.base, trial.memory, SHARED_SIZE)
    machine.answer = trial.answer
    constants = [v if isinstance(v, int) and v < 2**31 else 0 for v in trial.inputs]
    machine.symbols = [FUNCTION]
    machine.place(stencil, with_function(trial, uop, machine.address(FUNCTION)), constants)
    try:
        return machine.run(machine.base, trial.r, trial.f)
    except unicorn.UcError:
        return None


def same(a, b, is_float):
    """Equal bits, any NaN being as good as another."""
    nan = is_float and all((x & 0x7FF0000000000000) == 0x7FF0000000000000 and x & ((1 << 52) - 1) for x in (a, b))
    return a == b or bool(nan)


def same_memory(a, b):
    """Word by word, any NaN in a word being as good as another: architectures make them with different signs."""
    return a == b or all(same(x, y, True) for x, y in zip(memoryview(a).cast("Q"), memoryview(b).cast("Q"), strict=True))


@pytest.mark.parametrize("uop", RUN, ids=[uop.name for uop in RUN])
def test_stencils_do_what_the_function_does(uop, built):
    tables, machine, names, native = built
    rng = random.Random(uop.name)
    variants = variants_of(uop, tables.target)
    if not ALL:
        variants = rng.sample(variants, min(len(variants), 12))
    memories = [random_memory(rng, machine.base) for _ in range(3)]
    # What an operand called `function` points to gets the uop's inputs.
    signature = "".join("f" if item.type.is_float else "i" for item in uop.inputs)
    tables.signatures[FUNCTION] = machine.signatures[FUNCTION] = signature
    for variant in variants:
        stencil = tables.stencil(variant)
        for k in range(6):
            trial = Trial(rng, variant, machine.base, memories[k % 3])
            check(trial, variant, stencil, tables, machine, names, native)


def check(trial, variant, stencil, tables, machine, names, native=None):
    """In the machine; then, if it got through there, natively."""
    state = inside(machine, trial, variant.uop, stencil)
    if state is not None:
        compare(state, trial, variant, tables, machine, names)
        if native:
            ours = {name: name for name in names.values()}
            compare(inside(native, trial, variant.uop, stencil), trial, variant, tables, native, ours)


def compare(state, trial, variant, tables, machine, names):
    """The state after the stencil with what the uop's C function does."""
    uop = variant.uop
    after = ctypes.string_at(machine.base, SHARED_SIZE)
    ctypes.memmove(machine.base, trial.memory, SHARED_SIZE)
    inputs = [value & MASK for value in trial.inputs]
    function = tables.address(FUNCTION)
    outcome, result, calls = tables.call(uop, machine.base, inputs, with_function(trial, uop, function), trial.answer)
    what = f"{variant.name} of {trial.inputs} operands {trial.operands} answer {trial.answer}"
    assert [names[name] for name, _ in state.calls] == [name for name, _ in calls], what
    for (name, got), (_, wanted) in zip(state.calls, calls, strict=True):
        for a, b in zip(got, wanted, strict=False):
            place = on_stack(a) or (a, b) == (machine.address(FUNCTION), function)
            assert a == b or place or same(a, b, True) or small(a, b), f"{names[name]}({got}), not {wanted}: {what}"
    assert state.outcome == OUTCOMES[outcome], what
    assert same_memory(after, ctypes.string_at(machine.base, SHARED_SIZE)), f"memory after {what}"
    went_on = state.outcome == "CONTINUE"
    for registers, before, is_float in ((state.r, trial.r, False), (state.f, trial.f, True)):
        for k in range(8):
            is_output = k == variant.output and uop.output.is_float == is_float
            lost = uop.calls and (is_float or k >= tables.target.call_saved)
            if is_output and went_on:
                assert same(registers[k], result, is_float), f"{registers[k]:#x}, not {result:#x}: {what}"
            elif not is_output and not lost:
                assert registers[k] == before[k], f"register {k} after {what}"


def on_stack(address):
    """Of the emulator: what is there is elsewhere in this process."""
    return STACK <= address < STACK + STACK_SIZE


def small(a, b):
    """An argument of 32 bits: what is above them may be anything."""
    return a & 0xFFFFFFFF == b & 0xFFFFFFFF and (a >> 32 in (0, 0xFFFFFFFF) or b >> 32 in (0, 0xFFFFFFFF))


@pytest.mark.skipif(os.environ.get("JITPATCH_TEST_TARGETS") != "all", reason="JITPATCH_TEST_TARGETS=all is not set")
def test_every_target_is_built():
    """Where they must be: what is not built is not tested here."""
    assert {target.name for target in BUILT} >= {target.name for target in TARGETS.values() if not target.refused}


def test_every_target_has_the_same_uops():
    """The reference functions are of no target."""
    texts = {(ROOT / "generated" / target.name / "uop_functions.h").read_text().split("\n", 3)[3] for target in BUILT}
    assert len(texts) <= 2  # those with Windows' int sizes may differ
