"""clang's assembly text -> assembly text of stencils.

In:   the text of a file of functions, one per variant, some with a COLD function beside it.
Out:  the same code in three sections, in which each stencil is a stretch between two labels:
      .jit.hot   the straight path; its end is where the next stencil follows
      .jit.cold  blocks that are not on a way to that end, then the COLD function
      .jit.data  the constants that the code refers to, and addresses it reads from memory

What is changed, and nothing else:
      je .L       with  .L: jmp _JIT_EXIT     becomes   je _JIT_EXIT
      jo _JIT_CONTINUE; jmp X                 becomes   jno X; jmp _JIT_CONTINUE
      jmp _JIT_CONTINUE   at the end of the hot part is dropped, elsewhere in it jumps to its end
      _JIT_COLD   becomes the label of the COLD function
      addresses of C symbols become 64-bit immediates or live in the data part

Rules: every jump is understood or the build stops; an instruction that is no jump stays between
its neighbours. A stencil does not touch the frame pointer.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from buildtool.target import BuildError, Machine, Target

CONTINUE = "_JIT_CONTINUE"
_IGNORED = re.compile(r"\.(cfi_\w+|p2align|globl|type|file|ident|addrsig\w*|hidden|weak|text|loc)\b")
_SYMBOL = r"[A-Za-z_.$][\w.$]*"


@dataclass(eq=False)
class Block:
    """Instructions that run one after the other."""

    labels: list[str]
    code: list[str] = field(default_factory=list)
    branches: list[tuple[str, str]] = field(default_factory=list)  # conditional jump, label
    next: str | None = None  # label or symbol that follows; None: nothing runs after the code

    @property
    def name(self) -> str:
        """The label it is known by."""
        return self.labels[0]

    def targets(self) -> list[str]:
        """Where it may go."""
        jumps = [target for _, target in self.branches]
        return jumps if self.next is None else [*jumps, self.next]


@dataclass
class Assembly:
    """clang's output, taken apart."""

    functions: dict[str, list[str]] = field(default_factory=dict)  # name -> labels and code
    data: dict[str, list[str]] = field(default_factory=dict)  # label -> its directives
    mutable: set[str] = field(default_factory=set)  # names of variables


@dataclass
class Layout:
    """The text of one stencil."""

    name: str
    hot: list[str]
    cold: list[str]
    data: list[str]


def read_assembly(text: str, target: Target) -> Assembly:
    """Functions and constants of clang's output."""
    assembly = Assembly()
    functions = set(re.findall(rf"^\s*\.type\s+({_SYMBOL}),@function", text, re.M))
    lines: list[str] | None = None
    section = ".text"
    for raw in text.splitlines():
        line = _strip(raw, target.comment)
        if match := re.fullmatch(rf'\.section\s+"?([\w.$-]+).*|(\.text|\.data|\.bss)', line):
            section = match[1] or match[2]
            lines = None
        elif match := re.fullmatch(rf"\.(?:comm|lcomm|local)\s+({_SYMBOL}).*", line):
            assembly.mutable.add(match[1])
        elif (match := re.fullmatch(rf"({_SYMBOL}):", line)) and match[1] in functions:
            lines = assembly.functions[match[1]] = []
        elif match and section.startswith((".data", ".bss", ".tdata", ".tbss")):
            assembly.mutable.add(match[1])
        elif match and not section.startswith(".text"):
            lines = assembly.data[match[1]] = []
        elif match and match[1].startswith(".Lfunc_end"):
            lines = None
        elif line.startswith(".size") or not line or _IGNORED.match(line) or lines is None:
            continue
        else:
            lines.append(line)
    return assembly


def lay_out(assembly: Assembly, name: str, target: Target) -> Layout:
    """One stencil's text."""
    return _Writer(assembly, name, target).write()


def join(layouts: list[Layout], target: Target) -> str:
    """The text of the file to assemble."""
    align = f"\t.p2align {target.data_align}"
    lines = ['\t.section .jit.hot,"ax",@progbits']
    for layout in layouts:
        lines += [f"{layout.name}:", *layout.hot]
    lines.append('\t.section .jit.cold,"ax",@progbits')
    for layout in layouts:
        lines += [f"{layout.name}.cold:", *layout.cold]
    lines.append('\t.section .jit.data,"a",@progbits')
    for layout in layouts:
        lines += [align, f"{layout.name}.data:", *layout.data]
    lines.append(align)
    lines.append('\t.section .note.GNU-stack,"",@progbits')
    return "\n".join(lines) + "\n"


def _strip(line: str, comment: str) -> str:
    """A line without its comment."""
    if comment in line and '"' not in line:
        line = line[: line.index(comment)]
    return "\t".join(line.strip().split(None, 1))


class _Writer:
    """The work on one stencil."""

    def __init__(self, assembly: Assembly, name: str, target: Target) -> None:
        self.assembly = assembly
        self.name = name
        self.target = target
        self.data: list[str] = []
        self.data_names: dict[str, str] = {}
        self.instruction = ""

    def write(self) -> Layout:
        """Hot part, cold part, data part."""
        end, cold_entry = f".Lend.{self.name}", f".Lcold.{self.name}"
        blocks = self._blocks(self.name, f".Lhot.{self.name}")
        hot, tails = split(blocks, self.target)
        cold = emit(tails, None, self.target)
        if f"{self.name}__cold" in self.assembly.functions:
            cold += emit(self._blocks(f"{self.name}__cold", cold_entry), None, self.target)
        elif any("_JIT_COLD" in block.targets() for block in blocks):
            raise BuildError(f"{self.name}: COLD_IF without a COLD block")
        text = [[line.replace("_JIT_COLD", cold_entry) for line in part]
                for part in ([*emit(hot, end, self.target), f"{end}:"], cold)]
        return Layout(self.name, text[0], text[1], self.data)

    def _blocks(self, function: str, entry: str) -> list[Block]:
        lines = []
        for line in self.assembly.functions[function]:
            fixed = self._fix(line)
            lines += fixed.split("\n\t") if fixed is not None else []
        return thread_jumps(read_blocks(lines, entry, self.target, self.fail))

    def _fix(self, line: str) -> str | None:
        """The line with addresses replaced by what the run time can patch; None: not needed."""
        self.instruction = line
        if line.endswith(":"):
            return line
        if self.target.machine.frame_pointer.match(line):
            raise self.fail("uses the frame pointer")
        return self.target.machine.rewrite(line, self)

    # What a target's rewrite() may ask; see targets.Names.

    def fail(self, why: str) -> BuildError:
        """The error that names the stencil and the instruction."""
        return BuildError(f"{self.name}: {why}: {' '.join(self.instruction.split())}")

    def is_code(self, symbol: str) -> bool:
        """Whether it is a place in a function of this file."""
        return symbol.startswith((".LBB", ".Ltmp")) or symbol in self.assembly.functions

    def is_variable(self, symbol: str) -> bool:
        """Whether it is a variable of this file: a stencil has no place for one."""
        return symbol in self.assembly.mutable

    def constant(self, symbol: str) -> str | None:
        """The label in the data part of a constant of this file; None: it is no such thing."""
        if symbol not in self.assembly.data:
            return None
        if symbol not in self.data_names:
            label = self._place(symbol)
            lines = [self._fix_data(line) for line in self.assembly.data[symbol]]
            self.data += [f"\t.p2align {self.target.data_align}", f"{label}:", *lines]
        return self.data_names[symbol]

    def address_of(self, symbol: str) -> str:
        """The label in the data part of the address of a C function or object."""
        key = f"&{symbol}"
        if key not in self.data_names:
            self.data += ["\t.p2align 3", f"{self._place(key)}:", f"\t.quad\t{symbol}"]
        return self.data_names[key]

    def has_literals(self) -> bool:
        """Whether an instruction reaches the data part in one piece."""
        return self.target.literals

    def _place(self, key: str) -> str:
        self.data_names[key] = f".Ldata.{self.name}.{len(self.data_names)}"
        return self.data_names[key]

    def _fix_data(self, line: str) -> str:
        match = re.fullmatch(rf"\.(?:quad|xword|long|word)\s+({_SYMBOL})(.*)", line)
        if match:
            self.instruction = line
            if self.is_code(match[1]) or self.is_variable(match[1]):
                raise self.fail("a constant that refers to code or a variable")
            return line.replace(match[1], self.constant(match[1]) or match[1])
        return line


def read_blocks(lines: list[str], entry: str, target: Target, fail: Callable[[str], BuildError]) -> list[Block]:
    """The blocks of a function, in clang's order. Every label that is jumped to begins one."""
    machine = target.machine
    blocks = [Block([entry])]
    closed = False  # nothing runs on from the last block's code
    for line in lines:
        block = blocks[-1]
        opcode, _, operands = line.partition("\t")
        if line.endswith(":"):
            if block.code or block.branches or closed:
                if not closed:
                    block.next = line[:-1]
                blocks.append(Block([]))
                closed = False
            blocks[-1].labels.append(line[:-1])
            continue
        if closed:
            blocks.append(block := Block([f"{entry}.{len(blocks)}"]))
            closed = False
        if opcode == machine.jump or opcode in machine.inverse:
            tested, comma, label = operands.rpartition(", ")
            if not re.fullmatch(_SYMBOL, label):
                raise fail("a jump to a computed address")
            if opcode == machine.jump:
                block.next, closed = label, True
            else:
                block.branches.append((f"{opcode}\t{tested}{comma}", label))
            continue
        if machine.other_jumps.match(opcode) and opcode not in machine.stops:
            raise fail("an unknown jump")
        if block.branches:
            label = f"{entry}.{len(blocks)}"
            block.next = label
            blocks.append(block := Block([label]))
        block.code.append(line)
        closed = opcode in machine.stops
    if not closed:  # a call that does not return
        blocks[-1].code.append(machine.trap)
    return blocks


def thread_jumps(blocks: list[Block]) -> list[Block]:
    """The same function without blocks that only jump on, and without those never reached."""
    by_label = {label: block for block in blocks for label in block.labels}

    def final(label: str) -> str:
        seen = {label}
        while (block := by_label.get(label)) and not block.code and not block.branches:
            if block.next is None or block.next in seen:
                break
            label = block.next
            seen.add(label)
        return label

    for block in blocks:
        block.branches = [(opcode, final(label)) for opcode, label in block.branches]
        if block.next is not None:
            block.next = final(block.next)
    reached, todo = {id(blocks[0])}, [blocks[0]]
    while todo:
        for label in todo.pop().targets():
            target = by_label.get(label)
            if target is not None and id(target) not in reached:
                reached.add(id(target))
                todo.append(target)
    return [block for block in blocks if id(block) in reached]


def split(blocks: list[Block], target: Target) -> tuple[list[Block], list[Block]]:
    """Hot blocks, the one that goes on to the next stencil last; and cold blocks.

    Hot is what lies on a way from the entry to the next stencil. A block that calls C is taken
    off that way if there is another: it is the slow path of a uop such as LIST_APPEND.
    """
    hot = _on_the_way(blocks, set())
    if not hot:
        return blocks, []
    off: set[str] = set()
    for block in reversed(hot[1:]):
        calls = any(line.startswith(target.machine.call) for line in block.code)
        if calls and _on_the_way(blocks, off | {block.name}):
            off.add(block.name)
    hot = _on_the_way(blocks, off)
    cold = [block for block in blocks if block not in hot]
    if CONTINUE not in hot[-1].targets():
        for at in range(len(hot) - 1, 0, -1):
            if hot[at].next == CONTINUE:
                hot.append(hot.pop(at))
                break
    return hot, cold


def _on_the_way(blocks: list[Block], off: set[str]) -> list[Block]:
    """The blocks on any way from the first one to CONTINUE that has no block of `off`."""
    usable = [block for block in blocks if block.name not in off]
    goes_on: set[str] = {CONTINUE}
    reached: set[str] = {blocks[0].name}
    size = 0
    while size != len(goes_on) + len(reached):
        size = len(goes_on) + len(reached)
        for block in usable:
            if not goes_on.isdisjoint(block.targets()):
                goes_on.update(block.labels)
            if not reached.isdisjoint(block.labels):
                reached.update(block.targets())
    return [b for b in usable if b.name in goes_on and not reached.isdisjoint(b.labels)]


def emit(blocks: list[Block], end: str | None, target: Target) -> list[str]:
    """The blocks' text. end: the label behind the last one, where the next stencil follows."""
    machine = target.machine
    inside = {label for block in blocks for label in block.labels} | ({CONTINUE} if end else set())
    lines: list[str] = []
    for at, block in enumerate(blocks):
        last = at + 1 == len(blocks)
        following = ([CONTINUE] if end else []) if last else blocks[at + 1].labels
        branches, next_ = list(block.branches), block.next
        if branches and next_ not in following and next_ is not None and branches[-1][1] in following:
            jump, label = branches.pop()
            branches.append((_inverse(jump, machine), next_))
            next_ = label
        lines += [f"{label}:" for label in block.labels]
        lines += [f"\t{line}" for line in block.code]
        for number, (jump, label) in enumerate(branches):
            to = end if end and label == CONTINUE else label
            if jump.split("\t")[0] in machine.short_jumps and label not in inside:
                over = f"{block.name}.{number}"
                lines += [f"\t{_inverse(jump, machine)}{over}", f"\t{machine.jump}\t{to}", f"{over}:"]
            else:
                lines.append(f"\t{jump}{to}")
        if next_ is not None and next_ not in following:
            lines.append(f"\t{machine.jump}\t{end if end and next_ == CONTINUE else next_}")
    return lines


def _inverse(jump: str, machine: Machine) -> str:
    opcode, _, tested = jump.partition("\t")
    return f"{machine.inverse[opcode]}\t{tested}"
