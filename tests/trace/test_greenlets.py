"""Code that is suspended by greenlet takes no more of the C stack than interpreted: it makes no native calls and
is in no trace. Counted, not timed."""

import textwrap

import pytest

import harness

pytest.importorskip("greenlet")

PROGRAM = """
import sys
import jitpatch

def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

def counted(name, work, *args):
    before = getattr(jitpatch.stats(), name)
    work(*args)
    return getattr(jitpatch.stats(), name) - before

def rec(d):
    if d == 0:
        return greenlet.getcurrent().parent.switch(0)
    return rec(d - 1) + 1

def suspended_in_recursion(rounds):
    total = 0
    for _ in range(rounds):
        running = [greenlet.greenlet(rec) for _ in range(10)]
        for g in running:
            g.switch(80)
        for g in running:
            total += g.switch(5)
    assert total == rounds * 10 * 85

switching = True

def maybe(i):
    return greenlet.getcurrent().parent.switch(i) if switching else i

def worker(n):
    total = 0
    for i in range(n):
        total += maybe(i)
    return total

def suspended_in_loops(n):
    running = [greenlet.greenlet(worker) for _ in range(4)]
    for g in running:
        g.switch(n)
    for i in range(n - 1):
        for g in running:
            g.switch(1)

jitpatch.enable(sample=0)
"""


def run(code):
    done = harness.run(["-P", "-c", PROGRAM + textwrap.dedent(code)], {"JITPATCH": "0"}, timeout=120)
    assert done.status == 0, done.stderr
    return [int(word) for word in done.stdout.split()]


def test_recursion_that_is_suspended_makes_no_native_calls():
    first, later, other = run("""
        import greenlet
        print(counted("native_calls", suspended_in_recursion, 50))
        print(counted("native_calls", suspended_in_recursion, 200))
        print(counted("native_calls", fib, 18), file=sys.stdout)
    """)
    assert first < 50 * 10 * 80 / 20
    assert later == 0
    assert other > 2000                 # what is not suspended makes them


def test_recursion_that_was_native_before_it_was_suspended():
    before, first, later = run("""
        import greenlet
        def rec(d):
            if d == 0:
                return greenlet.getcurrent().parent.switch(0) if switching else 5
            return rec(d - 1) + 1
        def plain(n):
            for _ in range(n):
                rec(80)
        switching = False
        print(counted("native_calls", plain, 300))
        switching = True
        print(counted("native_calls", suspended_in_recursion, 50))
        print(counted("native_calls", suspended_in_recursion, 200))
    """)
    assert before > 10_000
    assert first < 50 * 10 * 80 / 4
    assert later == 0


def test_loops_that_are_suspended_on_each_turn_are_not_compiled():
    first, later = run("""
        import greenlet
        print(counted("entered", suspended_in_loops, 2000))
        print(counted("entered", suspended_in_loops, 2000))
    """)
    assert first < 2000 and later < 50


def test_loops_that_were_compiled_before_they_were_suspended():
    before, first, later = run("""
        import greenlet
        switching = False
        print(counted("entered", lambda: [worker(3000) for _ in range(20)]))
        switching = True
        print(counted("entered", suspended_in_loops, 3000))
        print(counted("entered", suspended_in_loops, 3000))
    """)
    assert before > 0
    assert first < 3000 and later < 50


def test_contexts_entered_are_no_switches_where_nothing_switches():
    calls, switches = run("""
        from contextvars import copy_context
        def down(d):
            return copy_context().run(int, 7) if d == 0 else down(d - 1)
        def work():
            for _ in range(400):
                down(30)
        print(counted("native_calls", work))
        print(jitpatch.stats().switches)
    """)
    assert calls > 5000 and switches == 0
