"""The JIT switched on with nothing compiled and no counters left, for tests of one behaviour."""

import pytest

import jitpatch


@pytest.fixture
def jit():
    before = jitpatch.options()
    jitpatch.disable()
    jitpatch.reset_stats()
    jitpatch.enable(threshold=10**9, sample=0)      # nothing is recorded by itself; all is counted
    yield jitpatch._jitpatch
    jitpatch.disable()
    for name, value in before.items():
        jitpatch._jitpatch.set_dump(value) if name == "dump" else jitpatch._jitpatch.set_param(name, value)
    assert jitpatch._jitpatch._count_facts() == (0, 0)
