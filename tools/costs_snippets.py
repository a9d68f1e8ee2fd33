"""The code whose instructions tools/costs.py counts, a line for each bytecode; run under callgrind by it.

A *snippet* is a statement that stands K and 2K times in a function, or a loop that turns L and 2L times: the difference
of the two, by K or L, is what its bytecodes take, everything around them is on both sides. Which bytecodes those
are is read from the specialised code after a warm-up. Run as a script, this runs all snippets, twice each, calls
MARK before each run, where callgrind writes down what it has counted, and prints what bytecodes were run. With the argument
`mixes` it does so for MIXES.
"""

from __future__ import annotations

import dis
import gc
import itertools
import json
import opcode
import os
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

COPIES, TURNS, RUNS, WARM_UPS = 16, 200, 40, 3
MARK = "getppid"


@dataclass(frozen=True)
class Snippet:
    """`targets` are what is wanted: one bytecode, or several that share the rest evenly."""

    targets: tuple[str, ...]
    text: str                           # statements (lines divided by ;;), or bytecodes if `assembled`
    calls: tuple[str, ...] = ()         # functions of SETUP that each copy calls once, or each turn resumes
    kind: str = "copies"                # copies, module, assembled, turns
    first: str = ""                     # a statement before the copies
    skipped: tuple[str, ...] = ()       # bytecodes that stand there and are not run
    outer: str = ""                     # a statement of a function around that one
    made: str = "n"                     # for turns: what the function is called with


SETUP = '''
import operator, types
class P:
    cx = 1
    def __init__(self): self.x = [1]; self.y = 2
    def method(self): return None
    def twice(self, a): return a
    @property
    def prop(self): return None
class Q:
    def __init__(self, a): pass
class S:
    __slots__ = ("x",)
    cx = 1
    def method(self): return None
class D(P):
    pass
class Item:
    def __getitem__(self, i): return i
class Overridden:
    def __getattribute__(self, name): return name
class Manager:
    def __enter__(self): return None
    def __exit__(self, *error): return None
class E(Exception):
    pass
def fixed(a): return a
def constant(): return None
def default(a, b=1): return a
def generator(n):
    for z in range(n): yield z
p, q, s, d_, item, over, manager = P(), P(), S(), D(), Item(), Overridden(), Manager()
hinted = P(); vars(hinted)["z"] = 0
for k_ in range(60): setattr(hinted, f"k{k_}", 0)
s.x = [1]
mod = types.ModuleType("mod"); mod.x = [1]
bound = p.twice
getter = operator.itemgetter(0)
a, b, i, j, x, y, st, su = [1], [2], 1000, 2000, 1.5, 2.5, "some text", "more"
l, t, d, se, empty = [[1], [2], 3], ([1], 2), {"k": 1, "m": 2}, {1, 2, 3}, []
t3, two, one = ([1], 2, 3), [1, 2], slice(0, 2)
k, zero, no, cb, ba = "k", 0, None, True, bytearray(4)
G = a
def function_with_attributes(): pass
'''
LOCALS = ("a b i j x y st su l t d se empty t3 two one k zero no cb ba p q s d_ item over manager hinted mod bound getter "
          "fixed constant default generator P Q S D E").split()


def one(target: str, text: str, *calls: str, **more: Any) -> Snippet:
    return Snippet((target,), text, calls, **more)


def asm(target: str, text: str) -> Snippet:
    return Snippet((target,), text, kind="assembled")


def turns(target: str, text: str, made: str = "n") -> Snippet:
    return Snippet((target,), text, kind="turns", made=made)


SNIPPETS = (
    Snippet(("LOAD_FAST", "POP_TOP"), "LOAD_FAST a, POP_TOP", kind="assembled"),
    asm("NOP", "NOP"), asm("RESUME_CHECK", "RESUME"), asm("JUMP_FORWARD", "JUMP_FORWARD"),
    asm("LOAD_CONST", "LOAD_CONST, POP_TOP"), asm("STORE_FAST", "LOAD_FAST a, STORE_FAST b"),
    asm("LOAD_FAST_CHECK", "LOAD_FAST_CHECK a, POP_TOP"), asm("LOAD_FAST_AND_CLEAR", "LOAD_FAST_AND_CLEAR b, STORE_FAST b"),
    asm("LOAD_FAST_LOAD_FAST", "LOAD_FAST_LOAD_FAST a, POP_TOP, POP_TOP"),
    asm("STORE_FAST_STORE_FAST", "LOAD_FAST a, LOAD_FAST b, STORE_FAST_STORE_FAST a"),
    asm("STORE_FAST_LOAD_FAST", "LOAD_FAST a, STORE_FAST_LOAD_FAST a, POP_TOP"),
    asm("DELETE_FAST", "LOAD_FAST a, STORE_FAST b, DELETE_FAST b"),
    asm("COPY", "LOAD_FAST a, COPY 1, POP_TOP, POP_TOP"), asm("SWAP", "LOAD_FAST a, LOAD_FAST b, SWAP 2, POP_TOP, POP_TOP"),
    asm("END_FOR", "LOAD_FAST a, END_FOR"), asm("END_SEND", "LOAD_FAST a, LOAD_FAST b, END_SEND, POP_TOP"),
    asm("EXTENDED_ARG", "EXTENDED_ARG, NOP"), asm("POP_JUMP_IF_TRUE", "LOAD_CONST 1, POP_JUMP_IF_TRUE"),
    asm("POP_JUMP_IF_FALSE", "LOAD_CONST 1, POP_JUMP_IF_FALSE"), asm("POP_JUMP_IF_NONE", "LOAD_FAST a, POP_JUMP_IF_NONE"),
    asm("POP_JUMP_IF_NOT_NONE", "LOAD_FAST a, POP_JUMP_IF_NOT_NONE"), asm("UNARY_NOT", "LOAD_CONST 1, UNARY_NOT, POP_TOP"),
    asm("LOAD_ASSERTION_ERROR", "LOAD_ASSERTION_ERROR, POP_TOP"), asm("LOAD_BUILD_CLASS", "LOAD_BUILD_CLASS, POP_TOP"),
    one("LOAD_GLOBAL_MODULE", "G"), one("LOAD_GLOBAL_BUILTIN", "len"), one("STORE_GLOBAL", "H = a", first="global H"),
    one("DELETE_GLOBAL", "H = a;;del H", first="global H"),
    one("LOAD_DEREF", "c", outer="c = [1]"), one("STORE_DEREF", "c = a", outer="c = [1]", first="nonlocal c"),
    one("DELETE_DEREF", "c = a;;del c", outer="c = [1]", first="nonlocal c"),
    one("LOAD_NAME", "a", kind="module"), one("STORE_NAME", "v = a", kind="module"), one("DELETE_NAME", "v = a;;del v", kind="module"),
    one("BINARY_OP_ADD_INT", "i + j"), one("BINARY_OP_SUBTRACT_INT", "i - j"), one("BINARY_OP_MULTIPLY_INT", "i * j"),
    one("BINARY_OP_ADD_FLOAT", "x + y"), one("BINARY_OP_SUBTRACT_FLOAT", "x - y"), one("BINARY_OP_MULTIPLY_FLOAT", "x * y"),
    one("BINARY_OP_ADD_UNICODE", "st + su"), one("BINARY_OP_INPLACE_ADD_UNICODE", "v = v + su", first="v = st"),
    one("BINARY_OP", "i % j"), one("IS_OP", "a is b"), one("UNARY_NEGATIVE", "-i"), one("UNARY_INVERT", "~i"),
    one("COMPARE_OP_INT", "i < j"), one("COMPARE_OP_FLOAT", "x < y"), one("COMPARE_OP_STR", "st == su"), one("COMPARE_OP", "a == b"),
    one("CONTAINS_OP", "i in two"), one("CONTAINS_OP_DICT", "k in d"), one("CONTAINS_OP_SET", "i in se"),
    one("TO_BOOL_BOOL", "not cb"), one("TO_BOOL_INT", "not i"), one("TO_BOOL_LIST", "not a"), one("TO_BOOL_STR", "not st"),
    one("TO_BOOL_NONE", "not no"), one("TO_BOOL_ALWAYS_TRUE", "not p"), one("TO_BOOL", "not x"),
    one("BINARY_SUBSCR_LIST_INT", "l[0]"), one("BINARY_SUBSCR_TUPLE_INT", "t[0]"), one("BINARY_SUBSCR_STR_INT", "st[0]"),
    one("BINARY_SUBSCR_DICT", "d[k]"), one("BINARY_SUBSCR", "l[-1]"), one("BINARY_SLICE", "l[zero:i]"),
    one("STORE_SLICE", "l[zero:zero] = empty"), one("BUILD_SLICE", "l[zero:i:j]"), one("STORE_SUBSCR_LIST_INT", "two[0] = a"),
    one("STORE_SUBSCR_DICT", "d[k] = a"), one("STORE_SUBSCR", "two[-1] = a"), one("DELETE_SUBSCR", "d[k] = a;;del d[k]"),
    one("FORMAT_SIMPLE", "f'{st}'"), one("FORMAT_WITH_SPEC", "f'{i:5}'"), one("CONVERT_VALUE", "f'{i!r}'"), one("BUILD_STRING", "f'{st}{su}'"),
    one("BUILD_TUPLE", "(a, b)"), one("BUILD_LIST", "[a, b]"), one("BUILD_SET", "{i, j}"), one("BUILD_MAP", "{k: a}"),
    one("BUILD_CONST_KEY_MAP", "{'e': a, 'f': b}"), one("LIST_EXTEND", "[*t]"), asm("SET_UPDATE", "LOAD_FAST se, LOAD_FAST se, SET_UPDATE 1, POP_TOP"), one("DICT_UPDATE", "{**d}"),
    one("CALL_INTRINSIC_1", "(*t,)"), one("UNPACK_SEQUENCE_TWO_TUPLE", "v, w = t"), one("UNPACK_SEQUENCE_TUPLE", "v, w, u = t3"),
    one("UNPACK_SEQUENCE_LIST", "v, w, u = l"), one("UNPACK_SEQUENCE", "v, w = d"), one("UNPACK_EX", "v, *w = t3"),
    one("LOAD_ATTR_INSTANCE_VALUE", "p.x"), one("LOAD_ATTR_WITH_HINT", "hinted.x"), one("LOAD_ATTR_SLOT", "s.x"),
    one("LOAD_ATTR_MODULE", "mod.x"), one("LOAD_ATTR_CLASS", "P.cx"), one("LOAD_ATTR_NONDESCRIPTOR_WITH_VALUES", "p.cx"),
    one("LOAD_ATTR_NONDESCRIPTOR_NO_DICT", "s.cx"), one("LOAD_ATTR", "x.real"), one("STORE_ATTR_INSTANCE_VALUE", "p.x = a"),
    one("STORE_ATTR_WITH_HINT", "hinted.x = a"), one("STORE_ATTR_SLOT", "s.x = a"), one("STORE_ATTR", "fixed.z = a"),
    one("DELETE_ATTR", "p.y = a;;del p.y"),
    Snippet(("CALL_PY_EXACT_ARGS", "RETURN_VALUE"), "fixed(a)", ("fixed",)), one("RETURN_CONST", "constant()", "constant"),
    one("CALL_PY_GENERAL", "default(a)", "default"), one("CALL_BOUND_METHOD_EXACT_ARGS", "bound(a)", "P.twice"),
    one("CALL_KW", "fixed(a=a)", "fixed"), one("CALL_FUNCTION_EX", "fixed(*two[:1])", "fixed"), one("DICT_MERGE", "fixed(**{'a': b})", "fixed"),
    one("LOAD_ATTR_METHOD_WITH_VALUES", "p.method()", "P.method"), one("LOAD_ATTR_METHOD_NO_DICT", "s.method()", "S.method"),
    one("LOAD_ATTR_PROPERTY", "p.prop", "P.prop.fget"), one("LOAD_ATTR_GETATTRIBUTE_OVERRIDDEN", "over.z", "Overridden.__getattribute__"),
    one("BINARY_SUBSCR_GETITEM", "item[i]", "Item.__getitem__"), one("LOAD_SUPER_ATTR_METHOD", "super(D, d_).method()", "P.method"),
    one("LOAD_SUPER_ATTR_ATTR", "super(D, d_).cx"),
    one("CALL_ALLOC_AND_ENTER_INIT", "Q(a)", "Q.__init__"),     # and EXIT_INIT_CHECK, which is in a frame of its own
    one("CALL_BUILTIN_O", "abs(i)"), one("CALL_BUILTIN_FAST", "divmod(i, j)"), one("CALL_BUILTIN_FAST_WITH_KEYWORDS", "sum(two)", first="two = (1, 2)"),
    one("CALL_BUILTIN_CLASS", "int(i)"), one("CALL_ISINSTANCE", "isinstance(d_, P)"), one("CALL_LEN", "len(a)"), one("CALL_TYPE_1", "type(a)"),
    one("CALL_STR_1", "str(i)"), one("CALL_TUPLE_1", "tuple(two)"), one("CALL_LIST_APPEND", "v.append(a)", first="v = []", skipped=("POP_TOP",)),
    one("CALL_METHOD_DESCRIPTOR_NOARGS", "st.upper()"), one("CALL_METHOD_DESCRIPTOR_O", "se.add(i)"),
    one("CALL_METHOD_DESCRIPTOR_FAST", "d.get(k)"), one("CALL_METHOD_DESCRIPTOR_FAST_WITH_KEYWORDS", "st.split()"), one("CALL_NON_PY_GENERAL", "getter(l)"),
    one("MAKE_FUNCTION", "lambda: 0"), one("SET_FUNCTION_ATTRIBUTE", "lambda z=a: 0"),
    one("IMPORT_NAME", "import sys"), one("IMPORT_FROM", "from sys import path"),
    one("BEFORE_WITH", "with manager:;; pass", "Manager.__enter__", "Manager.__exit__"),
    turns("JUMP_BACKWARD", "v = n + 5000;;while v > 5000: v = v - 1"), turns("FOR_ITER_LIST", "for v in n: pass", "[None] * n"),
    turns("FOR_ITER_TUPLE", "for v in n: pass", "(None,) * n"), turns("FOR_ITER_RANGE", "for v in range(1000, n): pass", "1000 + n"),
    turns("FOR_ITER", "for v in n: pass", "dict.fromkeys(range(n))"), turns("LIST_APPEND", "[v for v in n]", "[None] * n"),
    turns("SET_ADD", "{v for v in n}", "[1] * n"), turns("MAP_ADD", "{v: v for v in n}", "[1] * n"),
    Snippet(("FOR_ITER_GEN", "YIELD_VALUE"), "for v in generator(n): pass", ("generator",), kind="turns"),
    one("GET_ITER", "for v in empty: pass", skipped=("STORE_FAST", "JUMP_BACKWARD", "END_FOR", "POP_TOP")),
)

# Some of everything, to hold the table's sums against.
MIXES = (
    Snippet((), "v = p.x;;w = l[0];;z = i + j;;d[k] = z;;fixed(z)", ("fixed",)),
    Snippet((), "v = x * y + x - y;;w = v < x;;z = (v, w);;u, w = z"),
    Snippet((), "v = [a, i + j];;v.append(st);;w = len(v) - i;;z = w in se"),
    Snippet((), "p.y = p.y + i - i;;q.x = p.method();;v = bound(st + su)", ("P.method", "P.twice")),
    Snippet((), "v = 0;;for w in n:;;  if w > 1000: v = v + w;;  p.y = w", kind="turns", made="[2000] * n"),
    Snippet((), "v = f'{st} {i!r}';;w = v.split();;z = {k: w};;z[st] = str(i);;e = isinstance(d_, P)"),
)

Names = dict[str, Any]
DEPTH = 32      # of the stack of assembled functions


def fresh_names() -> Names:
    """A snippet's own, as some of them leave things changed."""
    names: Names = {}
    exec(SETUP, names)
    return names


def assembled(text: str, copies: int, names: Names) -> FunctionType:
    """A function of the bytecodes, so many times; constant 0 is None, 1 is a str."""
    places = {name: number for number, name in enumerate(LOCALS)}
    opmap, caches = opcode.opmap, opcode._inline_cache_entries      # type: ignore[attr-defined]
    code = bytearray([opmap["RESUME"], 0])
    for name, _, argument in (part.strip().partition(" ") for part in text.split(",")):
        number = places.get(argument, int(argument) if argument.isdigit() else 0)
        if name in ("LOAD_FAST_LOAD_FAST", "STORE_FAST_STORE_FAST", "STORE_FAST_LOAD_FAST"):
            number = places["a"] << 4 | places["b"]
        code += bytes([opmap[name], number, *[0] * (2 * caches.get(name, 0))])
    one_copy = bytes(code[2:])
    whole = bytes(code[:2]) + one_copy * copies + bytes([opmap["RETURN_CONST"], 0])
    donor = FunctionType(compile(f"def f(a, {', '.join(LOCALS[1:])}): pass", "<snippet>", "exec").co_consts[0], names)
    truth = text.startswith("LOAD_CONST 1")
    constants = (None, not text.endswith("POP_JUMP_IF_TRUE") if truth else "text")
    code_object = donor.__code__.replace(co_code=whole, co_stacksize=DEPTH, co_consts=constants)
    return FunctionType(code_object, names, "f", tuple(names[name] for name in LOCALS))


def written(snippet: Snippet, copies: int, names: Names) -> Callable[..., Any]:
    """The function, or for module code one that executes it."""
    lines = snippet.text.split(";;")
    if snippet.kind == "module":
        module = compile("\n".join(lines * copies), "<snippet>", "exec")

        def execute() -> None:
            exec(module, names)

        execute.code = module       # type: ignore[attr-defined]
        return execute
    used = [name for name in LOCALS if f" {name} " not in f" {snippet.first.partition('=')[0]} "]
    signature = ", ".join((["n"] if snippet.kind == "turns" else []) + [f"{name}={name}" for name in used])
    body = [snippet.first or "pass", *(lines if snippet.kind == "turns" else lines * copies)]
    text = f"def f({signature}):\n" + "".join(f"  {line}\n" for line in body)
    if snippet.outer:
        text = f"def outer():\n {snippet.outer}\n" + "".join(f" {line}\n" for line in text.splitlines()) + " return f\nf = outer()\n"
    exec(compile(text, "<snippet>", "exec"), names)
    function: Callable[..., Any] = names["f"]
    return function


def instructions(code: CodeType) -> Iterator[dis.Instruction]:
    """Those that are run: what follows the return handles exceptions."""
    for instruction in dis.get_instructions(code, adaptive=True):
        yield instruction
        if instruction.opname in ("RETURN_CONST", "RETURN_VALUE"):
            return


def one_turn(code: CodeType) -> Counter[str]:
    """The bytecodes of the only loop in the code."""
    found = [ins for ins in dis.get_instructions(code, adaptive=True)]
    back = next(ins for ins in found if ins.opname == "JUMP_BACKWARD")
    return Counter(ins.opname for ins in found if back.argval <= ins.offset <= back.offset)


def sequence(snippet: Snippet, names: Names, functions: list[Callable[..., Any]]) -> dict[str, int]:
    """What one copy, or one turn, runs, by specialised name."""
    codes: list[CodeType] = [getattr(f, "code", None) or f.__code__ for f in functions]
    called = [eval(name, names).__code__ for name in snippet.calls]
    if snippet.kind == "turns":
        total = one_turn(codes[0])
        for code in called:
            total += one_turn(code)
    else:
        small, large = (Counter(ins.opname for ins in instructions(code)) for code in codes)
        large.subtract(small)
        if uneven := {name: count for name, count in large.items() if count % COPIES}:
            raise SystemExit(f"{snippet.text}: not the same in every copy: {uneven}")
        total = Counter({name: count // COPIES for name, count in large.items() if count})
        for code in called:
            total += Counter(ins.opname for ins in instructions(code))
    for name in snippet.skipped:
        total[name] -= 1
    return {name: count for name, count in sorted(total.items()) if count}


Run = tuple[Callable[..., Any], tuple[tuple[Any, ...], ...]]


def runs_of(snippet: Snippet, names: Names) -> list[Run]:
    """Two functions, or one with two arguments."""
    if snippet.kind == "turns":
        f = written(snippet, 1, names)
        return [(f, ((eval(snippet.made, {"n": n}),),) * RUNS) for n in (TURNS, 2 * TURNS)]
    return [(assembled(snippet.text, copies, names) if snippet.kind == "assembled" else written(snippet, copies, names),
             ((),) * RUNS) for copies in (COPIES, 2 * COPIES)]


def count_all(runs: list[Run], mark: Callable[[], int]) -> None:
    """Nothing here depends on the run: what it costs drops out of the difference."""
    for function, arguments in runs:
        mark()
        deque(itertools.starmap(function, arguments), 0)
    mark()


def chosen(which: str) -> tuple[Snippet, ...]:
    return MIXES if which == "mixes" else SNIPPETS


def main() -> None:
    gc.disable()
    snippets = chosen(sys.argv[-1])
    spaces = [fresh_names() for _ in snippets]
    runs = [run for snippet, names in zip(snippets, spaces) for run in runs_of(snippet, names)]
    for _ in range(WARM_UPS):
        count_all(runs, os.getpid)
    count_all(runs, os.getppid)
    sequences = [sequence(snippet, names, [f for f, _ in runs[2 * number : 2 * number + 2]])
                 for number, (snippet, names) in enumerate(zip(snippets, spaces))]
    json.dump(sequences, sys.stdout)


if __name__ == "__main__":
    main()
