"""Bytecode as the recorder sees it: prefixes, caches, targets, specialised and instrumented code."""

import dis
import sys
import types

import pytest

from jitpatch import _jitpatch

NAMED = set(dis.opmap) | {"OTHER"}


def code_objects(code):
    yield code
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from code_objects(const)


def target_of(instruction):
    if instruction.opname == "FOR_ITER":
        return instruction.argval // 2 + 2      # END_FOR and POP_TOP are jumped over
    if instruction.opcode in dis.hasjrel and instruction.opname != "SEND":
        return instruction.argval // 2
    return instruction.argval // 2 if instruction.opname == "SEND" else -1


def check(code):
    raw = code.co_code
    start = None
    for instruction in dis.get_instructions(code):
        at = instruction.offset // 2
        if start is None:
            start = at
        if instruction.opname == "EXTENDED_ARG":
            continue
        name, oparg, offset, after, target, _ = _jitpatch._decode(code, start)
        assert name in (instruction.opname, "OTHER")
        assert oparg == (instruction.arg or 0) or instruction.arg is None
        assert offset == at
        while after < len(raw) // 2 and raw[2 * after] == 0:
            pytest.fail("a cache entry is taken for an instruction")
        assert after == at + 1 + caches(instruction.opname)
        assert target == (target_of(instruction) if name != "OTHER" else target)
        assert _jitpatch._decode(code, start)[5] == 0
        if start != at:
            assert _jitpatch._decode(code, at)[5] == 1
        start = None


def caches(opname):
    import _opcode_metadata  # noqa: F401  (3.13)
    import opcode

    return sum(opcode._cache_format.get(opname, {}).values())


@pytest.mark.parametrize("module", ["argparse", "dis", "typing", "asyncio.base_events", "test.test_grammar",
                                    "test.test_patma"])
def test_every_instruction_of_real_code(module):
    try:
        __import__(module)
    except ImportError:
        pytest.skip(f"no {module}")
    with open(sys.modules[module].__file__) as file:
        top = compile(file.read(), module, "exec")
    for code in code_objects(top):
        check(code)


def test_long_jumps_and_many_names():
    body = "\n".join(f"        a{i} = a{i - 1}" for i in range(1, 400))
    space = {}
    exec(f"def f(a0, n):\n    while n:\n        n -= 1\n{body}\n    return a399\n", space)
    check(space["f"].__code__)
    assert any(i.opname == "EXTENDED_ARG" for i in dis.get_instructions(space["f"]))


def hot(n):
    total = 0
    for i in range(n):
        total += i * 2
    return total


def test_specialised_code_decodes_as_plain():
    before = [_jitpatch._decode(hot.__code__, i) for i in range(len(hot.__code__.co_code) // 2)]
    hot(5000)
    assert hot.__code__._co_code_adaptive != hot.__code__.co_code
    after = [_jitpatch._decode(hot.__code__, i) for i in range(len(hot.__code__.co_code) // 2)]
    assert before == after


def test_instrumented_code_decodes_as_plain():
    before = [_jitpatch._decode(hot.__code__, i) for i in range(len(hot.__code__.co_code) // 2)]
    sys.monitoring.use_tool_id(3, "test")
    try:
        events = sys.monitoring.events
        sys.monitoring.set_local_events(3, hot.__code__, events.INSTRUCTION | events.LINE | events.JUMP)
        hot(10)
        after = [_jitpatch._decode(hot.__code__, i) for i in range(len(hot.__code__.co_code) // 2)]
        sys.monitoring.set_local_events(3, hot.__code__, 0)
    finally:
        sys.monitoring.free_tool_id(3)
    assert before == after


def test_outside_of_the_code():
    for offset in (-1, len(hot.__code__.co_code) // 2):
        with pytest.raises(SystemError):
            _jitpatch._decode(hot.__code__, offset)
