"""No memory to be had, executable or other: the program runs interpreted, or with what was compiled before, and ends as it would."""

import sys
import textwrap

import pytest

import harness

PROGRAM = """
import ctypes, mmap, resource, sys
import jitpatch

def forbid():
    # PR_SET_MDWE (Linux 6.3): what is not executable cannot become so any more.
    if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) != 0:
        print("cannot be forbidden here")
        sys.exit(0)

class Point:
    def __init__(self, x):
        self.x = x

def numbers(n):
    for i in range(n):
        yield i

def fresh(k):
    space = {}
    exec(f"def f(n):\\n  t = {k}\\n  for i in range(n): t += i\\n  return t", space)
    return space["f"](60)

def down(n):
    return n if n <= 0 else down(n - 1) + 1

def work(n, k):
    t = 0
    for i in range(n):
        t += Point(i).x * 2 + sum(numbers(3)) + down(5)
        if i % 3 == 1:
            t += 0.5 if k else 1
    return t

def everything(k):
    return work(300, k), fresh(k), sorted(numbers(9)), down(20)
"""


def run(code, **settings):
    options = {"JITPATCH_THRESHOLD": "2", "JITPATCH_CALL_THRESHOLD": "2", "JITPATCH_SIDE_THRESHOLD": "1"}
    path = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    return harness.run(["-P", "-c", PROGRAM + textwrap.dedent(code)], {"JITPATCH": "0"} | options | path | settings, timeout=120)


def test_code_memory_that_cannot_be_made_executable():
    done = run("""
        forbid()
        expected = everything(0)
        jitpatch.enable(threshold=2, call_threshold=2, side_threshold=1)
        print(everything(0) == expected, jitpatch.stats().roots, "could not be made" in str(jitpatch.stats()))
    """)
    assert done.status == 0 and done.stderr == ""
    assert done.stdout in ("True 0 True\n", "cannot be forbidden here\n")


def test_code_memory_that_can_no_longer_be_written():
    """Compiled code stays executable, and what it assumed is still given up."""
    done = run("""
        G = 1
        def reads():
            t = 0
            for i in range(50):
                t += G
                if i > 25:
                    t += G
            return t
        expected = [everything(k) for k in range(4)]
        jitpatch.enable(threshold=2, call_threshold=2, side_threshold=1)
        found = [everything(0), everything(1), reads()]
        forbid()
        compiled = jitpatch.stats().roots
        found += [everything(2), everything(3)]
        print(found[:2] + found[3:] == expected, compiled > 3, jitpatch.stats().roots == compiled)
        G = 100
        print(found[2], reads(), reads())
        jitpatch.disable()
        print(everything(1) == expected[1])
    """)
    assert done.status == 0 and done.stderr == ""
    assert done.stdout in ("True True True\n74 7400 7400\nTrue\n", "cannot be forbidden here\n")


def test_no_address_space_for_code():
    done = run("""
        expected = everything(0)
        size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + (24 << 20), -1))
        try:
            mmap.mmap(-1, 48 << 20)
            print("not limited")            # in an emulator
            sys.exit(0)
        except OSError:
            pass
        try:
            jitpatch.enable(threshold=2, call_threshold=2, side_threshold=1)
            print("enabled")
        except (RuntimeError, MemoryError) as error:
            print(type(error).__name__, str(error).count("\\n"), error)
        print(everything(0) == expected, jitpatch.is_enabled())
    """)
    assert done.status == 0 and done.stderr == ""
    if done.stdout == "not limited\n":
        pytest.skip("address space is not limited here")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("RuntimeError 0 ") and "reserve" in lines[0] and lines[1] == "True False", done.stdout


NO_MEMORY = """
    import _testcapi

    jitpatch.enable(threshold=2, call_threshold=2, side_threshold=1)

    def attempt(first):
        # Allocation number `first` and the `length` after it fail.
        space = {}
        exec(SOURCE, space)
        f = space["f"]
        _testcapi.set_nomemory(first, first + length)
        try:
            return f()
        except MemoryError:
            return None
        finally:
            _testcapi.remove_mem_hooks()

    SOURCE = '''
    class Point:
        def __init__(self, x):
            self.x = x
    def numbers(n):
        for i in range(n):
            yield i
    def down(n):
        return n if n <= 0 else down(n - 1) + 1
    def f():
        t = 0
        for i in range(40):
            t += Point(i).x * 1000 + down(4)
            if i % 3 == 1:
                t += 5
        for k in numbers(10):
            t += k
        return t, [k for k in numbers(4)], t * 0.5
    '''
    import textwrap
    SOURCE = textwrap.dedent(SOURCE)
    space = {}
    exec(SOURCE, space)
    jitpatch.disable()
    expected = space["f"]()
    jitpatch.enable(threshold=2, call_threshold=2, side_threshold=1)
    right = failed = 0
    for first in range(start, start + count):
        got = attempt(first)
        assert got is None or got == expected, (first, got)
        right += got is not None
        failed += got is None
    print(right + failed == count, right > 0 or failed > 0)
"""


@pytest.mark.parametrize("length", [1, 40])
@pytest.mark.parametrize("start", range(1, 3000, 500))
def test_out_of_memory_while_compiling(start, length):
    """MemoryError, as without the JIT, or the right result; the one other way to end is the line of an exit."""
    pytest.importorskip("_testcapi")
    done = run(f"start, count, length = {start}, 50, {length}\n" + textwrap.dedent(NO_MEMORY))
    if done.status == 0:
        assert done.stdout == "True True\n", done.stderr
    else:
        assert "jitpatch: out of memory while leaving compiled code" in done.stderr, (done.status, done.stderr[-1500:])


GROWS = """
def limit():
    with open("/proc/self/statm") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (64 << 20), resource.RLIM_INFINITY))

def text(parts):
    s = "x"
    try:
        for part in parts:
            s += part
    except MemoryError:
        return [(name, len(value)) for name, value in locals().items() if name != "parts"]

def sequence(parts, s):
    try:
        for part in parts:
            s = s + part
    except MemoryError:
        return [(name, len(value)) for name, value in locals().items() if name != "parts"]

small, huge = 400, 40 << 20
strings = ["ab"] * small + ["y" * (8 * huge)]
lists = [[1, 2]] * small + [[0] * huge]
tuples = [(1, 2)] * small + [(0,) * huge]
jitpatch.enable() if len(sys.argv) > 1 else None
for _ in range(3):
    text(strings[:-1]), sequence(lists[:-1], []), sequence(tuples[:-1], ())
limit()
print(text(strings), sequence(lists, []), sequence(tuples, ()), text(strings[:-1]))
"""


def test_what_cannot_be_grown_in_place():
    """A string is gone then, for the interpreter has let its variable go first; a list or tuple is as it was."""
    path = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    off, on = (harness.run(["-P", "-c", PROGRAM + GROWS, *more], {"JITPATCH": "0"} | path, timeout=120)
               for more in ([], ["jit"]))
    assert on.stdout == off.stdout and on.status == off.status == 0, on.stderr
    assert off.stdout == ("[('part', 335544320)] [('s', 800), ('part', 41943040)] [('s', 800), ('part', 41943040)] None\n")
