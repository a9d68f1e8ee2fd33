"""Runs stencils of any target in an emulator (unicorn), patched by reference_patch.py.

Memory at `base` is an ordinary buffer of this process, mapped at its own address, so that the plain C
function of a uop can work on the same bytes. Calls of C functions are trapped: noted with the registers
that hold arguments, all that a call may change is changed, and a chosen value is returned.
"""

import ctypes
import struct
from dataclasses import dataclass, field

import reference_patch
import unicorn
from unicorn import arm64_const as arm
from unicorn import x86_const as x86

from buildtool.stencil import Part, Stencil

CODE, CODE_SIZE = 0x10000, 0x40000
HOT, COLD, DATA = CODE, CODE + 0x10000, CODE + 0x20000
GATE = CODE + 0x30000  # one address per way out and per C function
CALLS = GATE + 0x400
STACK, STACK_SIZE = 0x100000, 0x10000
SHARED_SIZE = 0x10000
OUTCOMES = ("CONTINUE", "EXIT", "ERROR")
FUNCTION = "function"  # what an operand of this name points to
LOST = 0xDEADDEADDEADDEAD
MASK = (1 << 64) - 1


def _numbered(module, name, numbers):
    return [getattr(module, f"UC_{name}{k}") for k in numbers]


@dataclass(frozen=True)
class Processor:
    """What emulating an instruction set takes."""

    arch: int
    mode: int
    passed: list[int]  # preserve_none's integer registers, in order
    floats: list[int]
    stack: int
    fixed: dict[int, int]  # registers that a stencil leaves as they are -> a value
    gate: bytes  # returns from a call
    jump: tuple[bytes, str, int]  # to the next stencil: bytes, the kind and offset of their hole
    call_misaligns: int  # what a call leaves of the stack pointer's alignment
    returned: tuple[int, int]


X86 = [getattr(x86, f"UC_X86_REG_{name}") for name in "R12 R13 R14 R15 RDI RSI RDX RCX R8 R9 R11 RAX".split()]
PROCESSORS = {
    "x86_64": Processor(
        arch=unicorn.UC_ARCH_X86, mode=unicorn.UC_MODE_64, passed=X86, floats=_numbered(x86, "X86_REG_XMM", range(8)),
        stack=x86.UC_X86_REG_RSP, fixed={x86.UC_X86_REG_RBP: 0xBBBB}, gate=b"\xc3" * 16,
        jump=(b"\xe9\0\0\0\0", "REL32", 1), call_misaligns=8, returned=(x86.UC_X86_REG_RAX, x86.UC_X86_REG_XMM0),
    ),
    "aarch64": Processor(
        arch=unicorn.UC_ARCH_ARM64, mode=unicorn.UC_MODE_ARM,
        passed=_numbered(arm, "ARM64_REG_X", [*range(20, 29), *range(8), *range(10, 15), 9]),
        floats=_numbered(arm, "ARM64_REG_V", range(8)), stack=arm.UC_ARM64_REG_SP,
        fixed={arm.UC_ARM64_REG_X29: 0xBBBB, arm.UC_ARM64_REG_X30: 0xCCCC, arm.UC_ARM64_REG_X18: 0xDDDD},
        gate=b"\xc0\x03\x5f\xd6" * 4, jump=(b"\0\0\0\x14", "BRANCH26", 0), call_misaligns=0,
        returned=(arm.UC_ARM64_REG_X0, arm.UC_ARM64_REG_V0),
    ),
}


@dataclass(frozen=True)
class Convention:
    """How C passes arguments."""

    ints: list[int]
    floats: list[int]
    together: bool  # integers and floats are counted together, as on Windows
    lost: list[int]  # besides the registers of arguments


def _x86_registers(names):
    return [getattr(x86, f"UC_X86_REG_{name}") for name in names.split()]


CONVENTIONS = {
    "x86_64": Convention(_x86_registers("RDI RSI RDX RCX R8 R9"), _numbered(x86, "X86_REG_XMM", range(8)), False,
                         _x86_registers("RAX R10 R11") + _numbered(x86, "X86_REG_XMM", range(8, 16))),
    "x86_64-windows": Convention(_x86_registers("RCX RDX R8 R9"), _numbered(x86, "X86_REG_XMM", range(4)), True,
                                 _x86_registers("RAX R10 R11") + _numbered(x86, "X86_REG_XMM", range(4, 6))),
    "aarch64": Convention(_numbered(arm, "ARM64_REG_X", range(8)), _numbered(arm, "ARM64_REG_V", range(8)), False,
                          _numbered(arm, "ARM64_REG_X", range(8, 18)) + _numbered(arm, "ARM64_REG_V", range(16, 32))),
}


def convention_of(target):
    """The target's."""
    system = "-windows" if "windows" in target.name and target.machine.name == "x86_64" else ""
    return CONVENTIONS[target.machine.name + system]


@dataclass
class State:
    """What is in the machine when a stencil was left."""

    outcome: str
    r: list[int]
    f: list[int]
    calls: list[tuple[str, list[int]]] = field(default_factory=list)  # name, arguments


class Machine:
    """An emulator with one stencil in it at a time."""

    def __init__(self, target):
        self.processor = PROCESSORS[target.machine.name]
        self.convention = convention_of(target)
        ints = iter(self.processor.passed)
        places = {name: next(ints) for name in target.parameters if name[0] != "f"}
        self.r = [places[f"r{k}"] for k in range(target.int_regs)]
        self.f = self.processor.floats
        self.act = places["act"]
        self.shared = ctypes.create_string_buffer(SHARED_SIZE + 0x1000)
        self.base = (ctypes.addressof(self.shared) + 0xFFF) & ~0xFFF
        self.uc = unicorn.Uc(self.processor.arch, self.processor.mode)
        if self.processor.arch == unicorn.UC_ARCH_ARM64:
            self.uc.reg_write(arm.UC_ARM64_REG_CPACR_EL1, 3 << 20)  # floats may be used
        self.uc.mem_map(CODE, CODE_SIZE)
        self.uc.mem_map(STACK, STACK_SIZE)
        self.uc.mem_map_ptr(self.base, SHARED_SIZE, unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE, self.base)
        self.uc.mem_write(GATE, self.processor.gate * (0x1000 // len(self.processor.gate)))
        self.uc.hook_add(unicorn.UC_HOOK_CODE, self._gate, begin=GATE, end=GATE + 0xFFF)
        self.signatures = {}  # name -> a letter per argument: i, f
        self.functions = {}  # name -> what it returns, for those that do not return `answer`
        self.answer = (0, 0)  # integer, bits of a double
        self.objects = {}  # name -> address, of C objects
        self.symbols = []

    def place(self, stencil: Stencil, operands=(), inputs=()):
        """Copy and patch."""
        values = {f"OPERAND{k}": v for k, v in enumerate(operands)}
        values |= {f"INPUT{k}": v for k, v in enumerate(inputs)}
        values |= {name: GATE + 16 * k for k, name in enumerate(OUTCOMES)}
        starts = {Part.HOT: HOT, Part.COLD: COLD, Part.DATA: DATA}
        values |= {part.name: at for part, at in starts.items()}
        end = HOT + len(stencil.hot)
        values["CONTINUE"] = end
        bytes_ = {Part.HOT: bytearray(stencil.hot), Part.COLD: bytearray(stencil.cold), Part.DATA: bytearray(stencil.data)}
        self.symbols = [FUNCTION, *sorted({hole.symbol for hole in stencil.holes if hole.symbol})]
        for hole in stencil.holes:
            if hole.value != "SYMBOL":
                value = values[hole.value]
            else:
                value = self.objects.get(hole.symbol) or self.address(hole.symbol)
            at = starts[hole.part] + hole.offset
            reference_patch.patch(bytes_[hole.part], hole.kind.name, hole.offset, at, value + hole.addend)
        jump, kind, offset = self.processor.jump
        jump = bytearray(jump)
        reference_patch.patch(jump, kind, offset, end + offset, GATE - (4 if kind == "REL32" else 0))
        self.uc.mem_write(HOT, bytes(bytes_[Part.HOT]) + jump)
        self.uc.mem_write(COLD, bytes(bytes_[Part.COLD]))
        self.uc.mem_write(DATA, bytes(bytes_[Part.DATA]))
        self.uc.ctl_remove_cache(CODE, CODE + CODE_SIZE)

    def address(self, symbol):
        """Where calls of a C function go."""
        return CALLS + 16 * self.symbols.index(symbol)

    def run(self, act, r, f) -> State:
        """Run the stencil with these register contents (doubles as bits)."""
        for registers, values in ((self.r, r), (self.f, f)):
            for register, value in zip(registers, values, strict=True):
                self.uc.reg_write(register, value)
        stack = STACK + STACK_SIZE - 0x100 + self.processor.call_misaligns
        kept = {self.act: act, self.processor.stack: stack} | self.processor.fixed
        for register, value in kept.items():
            self.uc.reg_write(register, value)
        self.state = State("", [], [])
        self.uc.emu_start(HOT, 0, count=2000)
        assert self.state.outcome, "ran on"
        for register, value in kept.items():
            assert self.uc.reg_read(register) == value, "a register that stays has changed"
        self.state.r = [self.uc.reg_read(register) for register in self.r]
        self.state.f = [self.uc.reg_read(register) & MASK for register in self.f]
        return self.state

    def _gate(self, uc, address, size, _):
        number = (address - GATE) // 16
        if number < len(OUTCOMES):
            self.state.outcome = OUTCOMES[number]
            uc.emu_stop()
            return
        name = self.symbols[(address - CALLS) // 16]
        assert uc.reg_read(self.processor.stack) % 16 == self.processor.call_misaligns, "stack not aligned in a call"
        self.state.calls.append((name, self._arguments(self.signatures.get(name, "iiiii"))))
        how = self.convention
        for register in (*how.ints, *how.floats, *how.lost):
            uc.reg_write(register, LOST)
        answer = self.functions.get(name, self.answer)
        answer = answer if isinstance(answer, tuple) else (answer, 0)
        for register, value in zip(self.processor.returned, answer, strict=True):
            uc.reg_write(register, value & MASK)

    def _arguments(self, signature):
        how, found, ints, floats = self.convention, [], 0, 0
        for letter in signature:
            if letter == "f":
                found.append(self.uc.reg_read(how.floats[floats]) & MASK)
            elif ints < len(how.ints):
                found.append(self.uc.reg_read(how.ints[ints]))
            ints += letter == "i" or how.together
            floats += letter == "f" or how.together
        return found
