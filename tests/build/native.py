"""Runs stencils of this machine's target as they are, not emulated: x86-64, through cffi.

The same interface as machine.Machine. A run that leaves the memory it shares with the uop's C function would end
the process: only runs that the emulator has gone through are repeated here.
"""

import ctypes
import mmap
import subprocess

import cffi
import reference_patch
from machine import FUNCTION, OUTCOMES, State

from buildtool.stencil import Part

SHIM = """
// void native_run(struct Registers *s (rdi), const void *code (rsi)): registers from *s, run, registers into *s.
__asm__(".text\\n.globl native_run\\n.type native_run, @function\\nnative_run:\\n"
    "pushq %rbp\\n pushq %rbx\\n pushq %r12\\n pushq %r13\\n pushq %r14\\n pushq %r15\\n pushq %rdi\\n"
    "movq %rdi, %rax\\n movq %rsi, %rbx\\n"
    "movq (%rax), %r12\\n movq 8(%rax), %r13\\n movq 16(%rax), %r14\\n movq 24(%rax), %r15\\n movq 32(%rax), %rdi\\n"
    "movq 40(%rax), %rsi\\n movq 48(%rax), %rdx\\n movq 56(%rax), %rcx\\n movq 64(%rax), %r8\\n"
    "movsd 72(%rax), %xmm0\\n movsd 80(%rax), %xmm1\\n movsd 88(%rax), %xmm2\\n movsd 96(%rax), %xmm3\\n"
    "movsd 104(%rax), %xmm4\\n movsd 112(%rax), %xmm5\\n movsd 120(%rax), %xmm6\\n movsd 128(%rax), %xmm7\\n"
    "call *%rbx\\n"
    "movq (%rsp), %rax\\n"
    "movq %r12, (%rax)\\n movq %r13, 8(%rax)\\n movq %r14, 16(%rax)\\n movq %r15, 24(%rax)\\n movq %rdi, 32(%rax)\\n"
    "movq %rsi, 40(%rax)\\n movq %rdx, 48(%rax)\\n movq %rcx, 56(%rax)\\n movq %r8, 64(%rax)\\n"
    "movsd %xmm0, 72(%rax)\\n movsd %xmm1, 80(%rax)\\n movsd %xmm2, 88(%rax)\\n movsd %xmm3, 96(%rax)\\n"
    "movsd %xmm4, 104(%rax)\\n movsd %xmm5, 112(%rax)\\n movsd %xmm6, 120(%rax)\\n movsd %xmm7, 128(%rax)\\n"
    "popq %rdi\\n popq %r15\\n popq %r14\\n popq %r13\\n popq %r12\\n popq %rbx\\n popq %rbp\\n ret\\n");
"""
INTERFACE = "void native_run(uint64_t *registers, const void *code);"
HOT, COLD, DATA, STUBS, OUTCOME, SIZE = 0, 0x10000, 0x20000, 0x30000, 0x3FF00, 0x40000


class Native:
    """One stencil at a time in executable memory; what it calls are the stand-ins of the tables' library."""

    def __init__(self, tables, folder, base):
        self.ffi = cffi.FFI()
        self.ffi.cdef(INTERFACE)
        source, library = folder / "shim.c", folder / "shim.so"
        source.write_text(SHIM)
        subprocess.run(["cc", "-shared", "-fPIC", source, "-o", library], check=True)
        self.lib = self.ffi.dlopen(str(library))
        self.tables, self.base = tables, base
        self.memory = mmap.mmap(-1, SIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self.at = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.answer, self.objects = (0, 0), tables.object_addresses()

    def address(self, symbol):
        """Of a stand-in."""
        name = symbol if symbol == FUNCTION else self.tables.symbols[int(symbol[1:])]
        return self.tables.address(name)

    def _stub(self, number, code):
        self.memory[STUBS + 32 * number : STUBS + 32 * number + len(code)] = code
        return self.at + STUBS + 32 * number

    def place(self, stencil, operands=(), inputs=()):
        """Copy and patch."""
        values = {f"OPERAND{k}": v for k, v in enumerate(operands)} | {f"INPUT{k}": v for k, v in enumerate(inputs)}
        for k, name in enumerate(OUTCOMES):  # movl $k, outcome(%rip); ret
            away = OUTCOME - (STUBS + 32 * k + 10)
            values[name] = self._stub(k, b"\xc7\x05" + away.to_bytes(4, "little") + bytes([k, 0, 0, 0]) + b"\xc3")
        leave = values["CONTINUE"]
        starts = {Part.HOT: HOT, Part.COLD: COLD, Part.DATA: DATA}
        values |= {part.name: self.at + at for part, at in starts.items()}
        values["CONTINUE"] = self.at + HOT + len(stencil.hot)
        parts = {Part.HOT: bytearray(stencil.hot), Part.COLD: bytearray(stencil.cold), Part.DATA: bytearray(stencil.data)}
        for k, hole in enumerate(stencil.holes):
            value = values[hole.value] if hole.value != "SYMBOL" else self._symbol(hole, k)
            at = self.at + starts[hole.part] + hole.offset
            reference_patch.patch(parts[hole.part], hole.kind.name, hole.offset, at, value + hole.addend)
        end = len(stencil.hot)
        jump = bytearray(b"\xe9\0\0\0\0")
        reference_patch.patch(jump, "REL32", 1, self.at + end + 1, leave - 4)
        parts[Part.HOT] += jump
        for part, start in starts.items():
            self.memory[start : start + len(parts[part])] = bytes(parts[part])

    def _symbol(self, hole, number):
        if hole.symbol in self.objects:
            return self.objects[hole.symbol]
        # jmp *(%rip); address: a stand-in may be anywhere.
        return self._stub(8 + number, b"\xff\x25\0\0\0\0" + self.address(hole.symbol).to_bytes(8, "little"))

    def run(self, act, r, f):
        """Run the stencil with these register contents (doubles as bits)."""
        registers = self.ffi.new("uint64_t[17]", [act, *r, *f])
        self.tables.n_calls.value = 0
        self.tables.answer[0], self.tables.answer[1] = self.answer
        self.memory[OUTCOME : OUTCOME + 4] = b"\xff\xff\xff\xff"
        self.lib.native_run(registers, self.ffi.cast("void *", self.at + HOT))
        assert registers[0] == act
        outcome = OUTCOMES[int.from_bytes(self.memory[OUTCOME : OUTCOME + 4], "little")]
        return State(outcome, list(registers[1:9]), list(registers[9:17]), self.tables.noted_calls())
