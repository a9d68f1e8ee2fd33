"""x86-64: what clang's assembly text looks like, and how far addresses are replaced in it."""

import re

from buildtool.target import NARROW, WIDE, Machine, Names, inverses

_SYMBOL = r"[A-Za-z_.][\w.$]*"
_PREFIX = r"(?:(?:lock|rep|repe|repne|notrack|data16)\s+)?"


def rewrite(line: str, names: Names) -> str:
    """An instruction whose symbols are near, constants of the instruction, or 64 bits wide.

    clang reads the address of a C object from an address table (GOT). Here it becomes
        movq  S@GOTPCREL(%rip), %rax    ->   movabsq  $S, %rax
        callq *S@GOTPCREL(%rip)         ->   callq    S
        leaq  S(%rip), %rax             ->   movabsq  $S, %rax
        cmpq  S@GOTPCREL(%rip), %rax    ->   the same with a word of the data part
    It takes a function's address for 32 bits wide, and that of a constant (.L.str) too:
        movl  $f, %eax                  ->   movabsq  $f, %rax
        movl  $.L.str, %eax             ->   leaq     .L.str(%rip), %rax
        movabsq $_JIT_INPUT0, %rax      ->   movq     $_JIT_INPUT0, %rax      (3 bytes shorter)
    """
    match = re.fullmatch(rf"({_PREFIX}\S+)\s+(.*)", line)
    if not match:
        return line
    opcode, operands = match[1], match[2].replace("@PLT", "")
    symbols = re.findall(rf"(?<![%\w.$@])\$?({_SYMBOL})", operands)
    if not symbols or opcode[0] == "j":
        return f"{opcode}\t{operands}"
    symbol = symbols[0]
    register = re.search(r", (%\w+)$", operands)
    moves = opcode in ("movl", "movq", "movabsq") and operands.startswith(f"${symbol},") and register
    if len(symbols) > 1:
        if all(s in NARROW for s in symbols):
            return f"{opcode}\t{operands}"
        raise names.fail("more than one symbol")
    if symbol in NARROW:
        return f"movq\t{operands}" if opcode == "movabsq" else f"{opcode}\t{operands}"
    if symbol in WIDE:
        return f"{opcode}\t{operands}"
    if names.is_variable(symbol):
        raise names.fail("uses a variable of its file")
    if names.is_code(symbol):
        raise names.fail("uses the address of code, or a function that was not inlined")
    label = names.constant(symbol)
    if label is not None:
        if moves:
            return f"leaq\t{label}(%rip), {_wide(moves[1])}"
        if "(%rip)" not in operands:
            raise names.fail("uses the absolute address of a constant")
        return f"{opcode}\t{operands.replace(symbol, label)}"
    if operands == symbol and opcode in ("call", "callq"):
        return f"{opcode}\t{operands}"
    if operands == f"*{symbol}@GOTPCREL(%rip)" and opcode in ("call", "callq"):
        return f"{opcode}\t{symbol}"
    table = f"{symbol}@GOTPCREL(%rip)"
    if moves or (opcode == "movq" and register and operands.startswith(f"{table},")):
        assert register
        return f"movabsq\t${symbol}, {_wide(register[1])}"
    if opcode == "leaq" and register and operands.startswith(f"{symbol}(%rip),"):
        return f"movabsq\t${symbol}, {register[1]}"
    if table in operands:
        return f"{opcode}\t{operands.replace(table, names.address_of(symbol) + '(%rip)')}"
    if register and opcode.endswith("q") and operands.startswith(f"${symbol},"):
        return f"{opcode}\t{operands.replace('$' + symbol, names.address_of(symbol) + '(%rip)')}"
    raise names.fail(f"takes {symbol} to be near")


def _wide(register: str) -> str:
    """The 64-bit name of a 32-bit or 64-bit register."""
    if register.startswith("%e"):
        return "%r" + register[2:]
    return register.removesuffix("d") if re.match(r"%r\d", register) else register


X86_64 = Machine(
    name="x86_64",
    load_imm64="movabsq $%s, %%0",
    jump="jmp",
    call="call",
    trap="ud2",
    stops=frozenset({"ud2"}),
    inverse=inverses("ja/jbe jae/jb je/jne jg/jle jge/jl jo/jno js/jns jp/jnp"),
    short_jumps=frozenset(),
    other_jumps=re.compile(r"(j|loop|ret|iret|xbegin)"),
    rewrite=rewrite,
    frame_pointer=re.compile(r".*%(rbp|ebp|bp|bpl)\b"),
)
