"""AArch64: what clang's assembly text looks like, and how far addresses are replaced in it."""

import re

from buildtool.target import NARROW, WIDE, Machine, Names, inverses

_SYMBOL = r"[A-Za-z_.][\w.$]*"
_PAGE = re.compile(rf"adrp\t(\w+), (:got:)?({_SYMBOL})")
_LOW = re.compile(rf"(\w+)\t(\w+), (?:(\w+), :lo12:({_SYMBOL})|\[(\w+), :(got_)?lo12:({_SYMBOL})\])")
_LITERALS = re.compile(r"[wxsdq]\d+")


def rewrite(line: str, names: Names) -> str | None:
    """An instruction whose symbols are near, or constants of the instruction; None: not needed.

    clang makes every address of two instructions, one for the page and one for the place in it.
        adrp x8, _JIT_INPUT0            ->   movz x8, #:abs_g1_s:_JIT_INPUT0     (or movn)
        add  x8, x8, :lo12:_JIT_INPUT0  ->   movk x8, #:abs_g0_nc:_JIT_INPUT0
    Constants, and addresses of C objects, are in the data part, which is near:
        adrp x8, .LCPI0_0;  ldr d0, [x8, :lo12:.LCPI0_0]     ->   ldr d0, .LCPI0_0
        adrp x8, .L.str;    add x8, x8, :lo12:.L.str         ->   adr x8, .L.str
        adrp x8, :got:S;    ldr x8, [x8, :got_lo12:S]        ->   ldr x8, WORD
    where the object format has a relocation for it; else the pair stays, and goes to the data part.
    """
    if page := _PAGE.fullmatch(line):
        register, got, symbol = page.groups()
        if symbol in NARROW:
            return f"movz\t{register}, #:abs_g1_s:{symbol}"
        _refuse(symbol, names)
        if names.has_literals():
            return None
        label = None if got else names.constant(symbol)
        return f"adrp\t{register}, {label or names.address_of(symbol)}"
    if low := _LOW.fullmatch(line):
        opcode, register, added, symbol, base, got, loaded = low.groups()
        symbol = symbol or loaded
        if symbol in NARROW:
            if opcode != "add":
                raise names.fail("takes a constant for an address")
            copy = "" if register == added else f"mov\t{register}, {added}\n\t"
            return f"{copy}movk\t{register}, #:abs_g0_nc:{symbol}"
        _refuse(symbol, names)
        label = None if got else names.constant(symbol)
        if label is None and not got and opcode == "add":  # a C function's address
            opcode = "ldr"
        elif label is None and not got:
            raise names.fail(f"takes {symbol} to be near")
        label = label or names.address_of(symbol)
        if not names.has_literals():
            place = f"{added}, :lo12:{label}" if opcode == "add" else f"[{added or base}, :lo12:{label}]"
            return f"{opcode}\t{register}, {place}"
        if opcode == "add":
            return f"adr\t{register}, {label}"
        if opcode in ("ldr", "ldrsw") and _LITERALS.fullmatch(register):
            return f"{opcode}\t{register}, {label}"
        raise names.fail("not the load of a whole constant")
    opcode, _, operands = line.partition("\t")
    if ":" in operands and not any(symbol in operands for symbol in WIDE):
        raise names.fail("an unknown kind of address")
    return line


def _refuse(symbol: str, names: Names) -> None:
    if names.is_variable(symbol):
        raise names.fail("uses a variable of its file")
    if names.is_code(symbol):
        raise names.fail("uses the address of code, or a function that was not inlined")


AARCH64 = Machine(
    name="aarch64",
    load_imm64="movz %%0, #:abs_g0_nc:%s\\n\\tmovk %%0, #:abs_g1_nc:%s\\n\\t"
    "movk %%0, #:abs_g2_nc:%s\\n\\tmovk %%0, #:abs_g3:%s",
    jump="b",
    call="bl",
    trap="brk\t#0x1",
    stops=frozenset({"brk"}),
    inverse=inverses(
        "b.eq/b.ne b.hs/b.lo b.mi/b.pl b.vs/b.vc b.hi/b.ls b.ge/b.lt b.gt/b.le cbz/cbnz tbz/tbnz"
    ),
    short_jumps=frozenset({"tbz", "tbnz"}),
    other_jumps=re.compile(r"(b\.|bc\.|cb|tb|ret|eret|br$|bra|blra)"),
    rewrite=rewrite,
    # Apple's unwinder wants x29 saved beside x30; saved and restored it stays what it is.
    frame_pointer=re.compile(r"(?!(stp|ldp)\tx29, x30, \[sp)(?=.*\b([xw]29|fp)\b)"),
)
