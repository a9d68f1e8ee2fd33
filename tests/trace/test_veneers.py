"""C functions beyond the reach of a call are called by way of veneers, one for each function in a trace."""

import platform

import pytest

import jitpatch
from jit_fixture import jit  # noqa: F401

pytestmark = pytest.mark.core

# The instructions of a veneer, before the address.
CODE = bytes.fromhex({"x86_64": "ff25020000000f0b", "aarch64": "5000005800021fd6"}[platform.machine()])


def work(n):
    """Calls that allocate, that raise, that run Python code, and one that fails in the end."""
    kept, seen, total = [], {}, 0.0
    for k in range(n):
        kept.append(k << 40)
        seen[k % 7] = str(k)
        total += (k + 0.5) / (k % 3 + 1)
        if k % 100 == 0:
            kept = kept[-2:]
    try:
        for k in range(n, -1, -1):
            total += 1000 // (k - 1000)
    except ZeroDivisionError as error:
        return kept, seen, total, k, str(error)


def veneers(executor):
    """The addresses they lead to."""
    code = executor.machine_code()
    places = [at for at in range(0, len(code), 16) if code[at : at + 8] == CODE]
    return [int.from_bytes(code[at + 8 : at + 16], "little") for at in places]


def run(jit, far):  # noqa: F811
    jitpatch.disable()
    jit._reach_nothing(far)
    try:
        jitpatch.enable(threshold=5, side_threshold=2)
        results = [repr(work(3000)) for _ in range(3)]
        assert len(set(results)) == 1
        return results[0], [veneers(executor) for executor in jitpatch.executors(work)]
    finally:
        jit._reach_nothing(False)


def test_what_is_called_through_veneers_does_the_same(jit):  # noqa: F811
    jitpatch.disable()
    expected = repr(work(3000))
    near, _ = run(jit, False)                # some may be far as it is
    far, found = run(jit, True)
    assert expected == near == far
    functions = set(jit._symbols().values())
    assert sum(map(len, found)) >= 6
    for addresses in found:
        assert len(set(addresses)) == len(addresses) and functions.issuperset(addresses)
