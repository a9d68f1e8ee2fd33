"""Compiled traces as LLVM sees them: templates -> LLVM IR, once; a trace -> a module; a module -> code.

A template becomes one function `uop_NAME(act, inputs, operands)`, made by the clang that makes the
stencils, with its flags. It returns its result and, where it may leave, an outcome. A trace
becomes one function: its stencils are calls of these functions, which are always inlined; registers are
SSA values, a loop is a loop with a phi for each register; operands and addresses are constants. Exits
are tail calls of the trace's own exit stubs, in the stencils' calling convention: so the code can
take the place of ours. A root that other traces jump into is two functions, the second of which
begins at LOOP_ENTRY.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))                # behind an installed jitpatch

from buildtool.defs import Type, Uop, read_families  # noqa: E402
from buildtool.source import body_head, body_name  # noqa: E402
from buildtool.targets import TARGETS  # noqa: E402
from buildtool.toolchain import Toolchain, find_clang  # noqa: E402

TARGET = TARGETS["x86_64-unknown-linux-gnu"]
NAMES = tuple(name for name in TARGET.parameters if name[0] in "rf")
UNLIKELY = "!{!\"branch_weights\", i32 1, i32 2000}"
LOC_REG, LOC_FREG, LOC_SPILL = 0x100, 0x200, 0x1000  # ir.h


class NotPossible(Exception):
    """Why LLVM cannot be measured here, or a trace cannot be compiled; one line."""


def llvm() -> Any:
    """llvmlite's binding."""
    try:
        import llvmlite.binding as binding
    except ImportError:
        raise NotPossible("no llvmlite: python -m pip install llvmlite ziglang") from None
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding


# --- templates ------------------------------------------------------------------------------------


def can_leave(uop: Uop) -> bool:
    return "EXITS" in uop.flags or "RAISES" in uop.flags


def result_type(uop: Uop) -> str:
    """The LLVM type of what the function returns."""
    value = {Type.VOID: "", Type.F64: "double"}.get(uop.output, "i64")
    if not can_leave(uop):
        return value or "void"
    return f"{{ i64, {value} }}" if value else "i64"


def wrapper(uop: Uop) -> str:
    """A template's function, as C."""
    parameters = ["Activation *act"]
    arguments = ["act"]
    for item in uop.inputs:
        parameters.append(f"{'F64' if item.type.is_float else 'I64'} {item.name}")
        arguments.append(item.name if item.type.is_float else f"({item.type.value}){item.name}")
    if uop.output is not Type.VOID:
        arguments.append("&out")
    for operand in uop.operands:
        parameters.append(f"I64 {operand.name}")
        arguments.append(operand.name)
    call = f"{body_name(uop, False)}({', '.join(arguments)})"
    lines = []
    if uop.output is not Type.VOID:
        lines.append(f"    {uop.output.value} out;")
    lines.append(f"    Outcome outcome = {call};")
    if uop.cold:
        cold = call.replace(body_name(uop, False), body_name(uop, True), 1)
        lines.append(f"    if (UNLIKELY(outcome == UOP_COLD)) outcome = {cold};")
    floats = uop.output.is_float
    value = "" if uop.output is Type.VOID else "out" if floats else "(I64)out"
    kind = "void" if not value else "F64" if floats else "I64"
    if can_leave(uop):
        kind = "I64" if not value else "LeaveF" if floats else "LeaveI"
        value = f"({kind}){{ outcome, {value} }}" if value else "outcome"
    lines.append(f"    return {value};")
    return "\n".join([f"{kind} uop_{uop.name}({', '.join(parameters)})", "{", *lines, "}"])


def family_c(family: Any) -> str:
    """A template file's functions, as C."""
    text = family.render(lambda uop, cold: "static inline __attribute__((always_inline)) " + body_head(uop, cold))
    types = "typedef struct { I64 outcome, value; } LeaveI;\ntypedef struct { I64 outcome; F64 value; } LeaveF;"
    return "\n".join([text, types, *(wrapper(uop) for uop in family.uops if not uop.virtual)]) + "\n"


@dataclass
class Templates:
    """All templates as LLVM IR, taken apart so that a trace's module holds what it uses."""

    uops: dict[str, Uop]
    compiler: str
    functions: dict[str, str] = field(default_factory=dict)  # by name; so that they are inlined
    globals: dict[str, str] = field(default_factory=dict)
    declared: dict[str, str] = field(default_factory=dict)
    rest: list[str] = field(default_factory=list)  # attributes, metadata

    def needed_by(self, text: str) -> str:
        """The functions and globals that a text names, and those that they name."""
        found: dict[str, str] = {}
        todo = [text]
        while todo:
            for name in re.findall(r"@([\w.$]+)", todo.pop()):
                for kind in (self.functions, self.globals, self.declared):
                    if name in kind and name not in found:
                        found[name] = kind[name]
                        todo.append(kind[name])
        return "\n".join([*found.values(), *self.rest])


def read_templates(work: Path, symbols: dict[str, int]) -> Templates:
    """Compile all template files; `symbols` are the addresses of what they name of the runtime."""
    binding = llvm()
    families = read_families((ROOT / "src/stencils").glob("*.c"))
    toolchain = Toolchain(find_clang(TARGET), TARGET, ROOT / "src/stencils", ROOT / "build/stencils/cache")
    work.mkdir(parents=True, exist_ok=True)
    whole = None
    for family in families:
        module = binding.parse_assembly(_clang(toolchain, family_c(family), work / f"{family.name}.c"))
        if whole is None:
            whole = module
        else:
            whole.link_in(module)
    templates = Templates({uop.name: uop for family in families for uop in family.uops}, toolchain.version)
    _take_apart(str(whole), templates, symbols)
    return templates


def _clang(toolchain: Toolchain, text: str, path: Path) -> str:
    """C -> LLVM IR, by the flags that stencils are compiled with."""
    path.write_text(text)
    pyconfig = ROOT / "buildtool/pyconfig" / TARGET.pyconfig
    command = [
        *toolchain.command, *toolchain.flags(TARGET.triple), f"-iquote{ROOT / 'src/stencils'}", f"-I{toolchain.headers}",
        f"-I{toolchain.headers / 'internal'}", "-include", str(pyconfig), "-S", "-emit-llvm", str(path),
        "-o", str(path.with_suffix(".ll")),
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=toolchain.environment)
    if done.returncode:
        raise NotPossible(f"clang failed on {path}: {done.stderr.strip().splitlines()[-1]}")
    return path.with_suffix(".ll").read_text()


def _take_apart(text: str, templates: Templates, symbols: dict[str, int]) -> None:
    """Fill `templates` from a module's text. Names of the runtime become addresses."""

    def address(match: re.Match[str]) -> str:
        value = symbols.get(match[1])
        return match[0] if value is None else f"inttoptr (i64 {value} to ptr)"

    # What stencil.h says in assembler, LLVM says better itself.
    text = re.sub(r"(?:tail )?call double asm \"xorps[^\"]*cvtsi2sdq[^\"]*\", \"[^\"]*\"\(i64 (%?\w+)\).*", r"sitofp i64 \1 to double", text)
    for block in re.findall(r"^define .*?^\}$|^[@!a].*?$|^declare .*?$", text, re.M | re.S):
        first = block.partition("\n")[0]
        if name := re.match(r"define .*?@([\w.$]+)\(", first):
            head, body = re.sub(r"^define (?:dso_local |internal )*", "define internal ", first), block[len(first):]
            head = re.sub(r"( #\d+)( .*)?\{$", r"\1 alwaysinline {", head)
            templates.functions[name[1]] = head + re.sub(r"@([\w.$]+)", address, body)
        elif name := re.match(r"declare .*@([\w.$]+)\(", first):
            if name[1] not in symbols:
                templates.declared[name[1]] = first
        elif name := re.match(r"@([\w.$]+) = ", first):
            if name[1] not in symbols:
                templates.globals[name[1]] = re.sub(r"@([\w.$]+)", lambda m: m[0] if m[1] == name[1] else address(m), first)
        elif re.match(r"attributes #|!\d+ = ", first):
            templates.rest.append(first)
    # Those of the traces' functions: the same machine, but no wish for small code.
    machine = re.search(r'"target-cpu"="[^"]*" "target-features"="[^"]*"', text)
    templates.rest.append(f"attributes #9000 = {{ nounwind {machine[0] if machine else ''} }}")
    templates.rest.append(f"!9000 = {UNLIKELY}")


# --- traces ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Piece:
    """A stencil of a trace."""

    uop: str
    variant: str  # such as r0_k_r2
    exit: int  # -1: none
    operands: tuple[int, ...]
    inputs: tuple[int, ...]  # constants


@dataclass(frozen=True)
class ExitStub:
    stub: int  # address
    error: int  # of the one for errors, or 0
    locs: tuple[int, ...]  # what its snapshot needs


@dataclass(frozen=True)
class TraceCode:
    """A trace after register assignment."""

    pieces: tuple[Piece, ...]
    exits: tuple[ExitStub, ...]
    loop: int  # index of the piece that LOOP stands before; -1: no loop
    entry: int  # and LOOP_ENTRY; -1: none
    end: str  # the last instruction
    entry_locs: tuple[int, ...] = ()  # what must be where at LOOP_ENTRY
    target: int = 0  # address that JUMP goes to
    target_locs: tuple[int, ...] = ()  # what must be where there


def locations(locs: Iterable[int]) -> frozenset[str]:
    """The registers among them, by name."""
    names = set()
    for loc in locs:
        if loc < LOC_SPILL:
            names.add(f"f{loc - LOC_FREG}" if loc >= LOC_FREG else f"r{loc - LOC_REG}")
    return frozenset(names)


def _type(name: str) -> str:
    return "ptr" if name == "act" else "double" if name[0] == "f" else "i64"


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


PARAMETERS = ", ".join(f"{_type(name)} %{name}" for name in TARGET.parameters)


class Writer:
    """One trace's IR."""

    def __init__(self, trace: TraceCode, uops: dict[str, Uop]) -> None:
        self.trace = trace
        self.uops = uops
        self.lines: list[str] = []
        self.leaving: list[str] = []  # blocks that leave
        self.values: dict[str, str | None] = {}  # register -> SSA value; None: nothing of use
        self.block = "start"

    def text(self) -> str:
        entry = self.trace.entry
        if entry < 0:
            self._function("trace", 0, len(self.trace.pieces))
        else:
            self._function("trace", 0, entry)
            self._function("loop_entry", entry, len(self.trace.pieces))
        return "\n".join(self.lines) + "\n"

    def _function(self, name: str, first: int, end: int) -> None:
        self.lines.append(f"define preserve_nonecc void @{name}({PARAMETERS}) noinline #9000 {{")
        self.lines.append("start:")
        self.values = {register: f"%{register}" for register in NAMES}
        self.block, self.leaving = "start", []
        phis, at_phis = {}, 0
        for k in range(first, end):
            if k == self.trace.loop:
                phis, at_phis = self._loop(), len(self.lines)
            self._piece(k, self.trace.pieces[k])
        if end < len(self.trace.pieces):
            self._tail("@loop_entry", locations(self.trace.entry_locs))
        elif self.trace.end == "LOOP_END":
            self.lines.append("  br label %loop")
            self.lines[at_phis:at_phis] = [
                f"  {phi} = phi {_type(register)} [ {before}, %{came} ], [ {self.values[register] or 'poison'}, %{self.block} ]"
                for register, (phi, before, came) in phis.items()
            ]
        elif self.trace.end == "JUMP":
            self._tail(f"inttoptr (i64 {self.trace.target} to ptr)", locations(self.trace.target_locs))
        elif self.trace.end == "TRACE_RETURN":
            self.lines.append("  ret void")
        else:
            self.lines.append("  unreachable")
        self.lines += [*self.leaving, "}"]

    def _loop(self) -> dict[str, tuple[str, str, str]]:
        """The head of the loop: register -> phi, value from before, block from before."""
        self.lines += ["  br label %loop", "loop:"]
        phis = {}
        for register, value in self.values.items():
            if value is not None:
                phis[register] = (f"%{register}.loop", value, self.block)
                self.values[register] = f"%{register}.loop"
        self.block = "loop"
        return phis

    def _tail(self, to: str, wanted: frozenset[str], lines: list[str] | None = None) -> None:
        arguments = []
        for name in TARGET.parameters:
            value = "%act" if name == "act" else self.values.get(name) if name in wanted else None
            arguments.append(f"{_type(name)} {value or 'poison'}")
        lines = self.lines if lines is None else lines
        lines += [f"  musttail call preserve_nonecc void {to}({', '.join(arguments)})", "  ret void"]

    def _piece(self, k: int, piece: Piece) -> None:
        uop = self.uops[piece.uop]
        if uop.virtual:
            return
        registers = [] if piece.variant == "-" else piece.variant.split("_")
        output = registers.pop() if uop.output is not Type.VOID else None
        arguments = ["ptr %act"]
        for n, (item, register) in enumerate(zip(uop.inputs, registers, strict=True)):
            value = str(_signed(piece.inputs[n])) if register == "k" else self.values[register]
            arguments.append(f"{'double' if item.type.is_float else 'i64'} {value or 'poison'}")
        arguments += [f"i64 {_signed(piece.operands[n])}" for n in range(len(uop.operands))]
        kind = result_type(uop)
        result = "" if kind == "void" else f"%v{k} = "
        self.lines.append(f"  {result}call {kind} @uop_{uop.name}({', '.join(arguments)})")
        if uop.calls:
            for register in NAMES:
                if register[0] == "f" or int(register[1:]) >= TARGET.call_saved:
                    self.values[register] = None
        value = f"%v{k}"
        if can_leave(uop):
            outcome = f"%v{k}"
            if output is not None:
                self.lines.append(f"  %o{k} = extractvalue {kind} %v{k}, 0")
                outcome = f"%o{k}"
            exit_stub = self.trace.exits[piece.exit]
            if "EXITS" in uop.flags:
                self._leave(k, outcome, 1, exit_stub.stub, exit_stub)
            if "RAISES" in uop.flags:
                self._leave(k, outcome, 2, exit_stub.error, exit_stub)
            if output is not None:
                self.lines.append(f"  %r{k}.out = extractvalue {kind} %v{k}, 1")
                value = f"%r{k}.out"
        if output is not None:
            self.values[output] = value

    def _leave(self, k: int, outcome: str, which: int, stub: int, exit_stub: ExitStub) -> None:
        go, leave = f"go{k}.{which}", f"leave{k}.{which}"
        self.lines += [
            f"  %c{k}.{which} = icmp eq i64 {outcome}, {which}",
            f"  br i1 %c{k}.{which}, label %{leave}, label %{go}, !prof !9000", f"{go}:",
        ]
        self.block = go
        self.leaving.append(f"{leave}:")
        self._tail(f"inttoptr (i64 {stub} to ptr)", locations(exit_stub.locs), self.leaving)


def module_text(trace: TraceCode, templates: Templates) -> str:
    """A trace and the templates it uses, as LLVM IR."""
    text = Writer(trace, templates.uops).text()
    return f'target triple = "x86_64-unknown-linux-gnu"\n{text}{templates.needed_by(text)}\n'


# --- code -----------------------------------------------------------------------------------------


@dataclass
class Compiled:
    """What LLVM made of a trace at one level."""

    read: float  # seconds: to read the module's bitcode
    passes: float  # the IR passes: inlining, and at O2 the rest
    code: float  # instruction selection to code in memory
    trace: int  # addresses
    loop_entry: int  # or 0
    engine: Any = field(repr=False)  # owns the code


def _machine(level: int) -> Any:
    """The baseline machine, as for the stencils; small, position-independent code: what is outside is
    named by constants of 64 bits."""
    return llvm().Target.from_default_triple().create_target_machine(
        cpu="x86-64", opt=level, reloc="pic", codemodel="small", jit=True)


def _passes(machine: Any, level: int) -> tuple[Any, Any]:
    """default<O0>, which inlines what must be inlined and does nothing else, or default<O2>."""
    binding = llvm()
    builder = binding.create_pass_builder(machine, binding.create_pipeline_tuning_options(speed_level=level))
    return builder.getModulePassManager(), builder


def compile_module(bitcode: bytes, level: int) -> Compiled:
    """One module at O0 or O2, into memory; CPU time, which other processes do not lengthen."""
    binding, machine = llvm(), _machine(level)
    passes, builder = _passes(machine, level)
    start = time.thread_time()
    module = binding.parse_bitcode(bitcode)
    was_read = time.thread_time()
    passes.run(module, builder)
    passed = time.thread_time()
    engine = binding.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    done = time.thread_time()
    addresses = [engine.get_function_address(name) for name in ("trace", "loop_entry")]
    return Compiled(was_read - start, passed - was_read, done - passed, *addresses, engine)


def code_size(bitcode: bytes, level: int) -> int:
    """Bytes of machine code and its constants, from the object file."""
    from elftools.elf.constants import SH_FLAGS
    from elftools.elf.elffile import ELFFile

    machine = _machine(level)
    module = llvm().parse_bitcode(bitcode)
    passes, builder = _passes(machine, level)
    passes.run(module, builder)
    sections = ELFFile(io.BytesIO(machine.emit_object(module))).iter_sections()
    return sum(section["sh_size"] for section in sections
               if section["sh_flags"] & SH_FLAGS.SHF_ALLOC and section.name != ".eh_frame")
