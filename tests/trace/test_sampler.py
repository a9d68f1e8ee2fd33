"""What the sampler nominates, and that nobody who looks at the program notices.

Each test is a process of its own. `on()` runs a script with the JIT and expects the script's own assertions to
hold; `same()` runs it without and with, and compares what is left. Bounds are in turns or generous seconds: the
machine may be busy.
"""

from __future__ import annotations

import sys
import textwrap

import harness
import pytest
from sampler_scripts import EAGER, ON, PREAMBLE, on, same

pytestmark = pytest.mark.skipif(not harness.jit_available(), reason="no JIT here")


# --- events ------------------------------------------------------------------------------------------


def test_a_running_program_has_no_global_events():
    on("""
        seen = set()
        for _ in range(30):
            loop(100000)
            seen.add(monitoring.get_events(5))
        assert seen == {0}, seen
    """)


def test_hot_code_alone_has_events_and_disable_takes_them():
    on("""
        assert compiled(loop)
        assert monitoring.get_local_events(5, loop.__code__) == monitoring.events.JUMP
        assert monitoring.get_local_events(5, other.__code__) == 0
        jit.disable()
        monitoring.use_tool_id(5, "probe")
        for function in (loop, other, compiled):
            assert monitoring.get_local_events(5, function.__code__) == 0
        assert monitoring.get_events(5) == 0
    """)


def test_code_heard_in_vain_loses_its_events_when_it_is_cold():
    on("""
        jit.disable(); jit.enable(threshold=10**9, call_threshold=10**9, sample=2)
        deadline = time.monotonic() + 30
        while not monitoring.get_local_events(5, other.__code__):
            other(50000)
            assert time.monotonic() < deadline
        while monitoring.get_local_events(5, other.__code__):
            loop(50000)
            assert time.monotonic() < deadline
    """)


def test_code_that_is_hot_in_vain_is_heard_less_and_less():
    on("""
        jit.disable(); jit.enable(threshold=10**9, call_threshold=10**9, sample=2)
        heard = []
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            other(3000)
            heard.append(bool(monitoring.get_local_events(5, other.__code__)))
            if True in heard and len(heard) > 200 and not any(heard[-200:]):
                break               # hot all the time, and no longer heard
        else:
            assert False, sum(heard)
    """)


def test_a_code_object_at_the_address_of_another_is_looked_at_anew():
    # Code without a loop, and where that was, code that calls at the same offsets in a loop.
    on("""
        again = 0
        for pad in range(7):
            straight = compile("x = 0\\n" * pad + "f()\\n" * 300, "straight", "exec")
            until = time.monotonic() + 0.1
            while time.monotonic() < until:
                exec(straight, {"f": dict})
            was = id(straight)
            del straight
            looping = compile("for i in r:\\n" + " f()\\n" * 299, "looping", "exec")
            again += id(looping) == was
            deadline = time.monotonic() + 10
            while not monitoring.get_local_events(5, looping) & monitoring.events.JUMP:
                exec(looping, {"f": dict, "r": range(20)})
                assert time.monotonic() < deadline, pad
            jit.disable(); jit.enable()
            del looping
        print(again)
    """)


# --- a loop that runs for long in one go is compiled soon ----------------------------------------------


LONG = 15_000_000       # turns: half a second and more in the interpreter


def test_a_long_loop_of_a_function_is_compiled():
    on(f"loop({LONG}); assert jit.executors(loop)")


def test_a_long_loop_of_a_module_body_is_compiled(tmp_path):
    path = tmp_path / "body.py"
    path.write_text(textwrap.dedent(f"""
        import jitpatch, sys
        total = 0
        for i in range({LONG // 2}):
            total += i & 3
        assert jitpatch.executors(sys._getframe().f_code), "not compiled"
    """))
    outcome = harness.run([str(path)], ON)
    assert (outcome.status, outcome.stderr) == (0, "")


def test_a_long_loop_of_dash_c_is_compiled():
    on(f"""
for i in range({LONG // 2}):
    total = i & 3
assert jit.executors(sys._getframe().f_code)
    """)


@pytest.mark.parametrize("daemon", [False, True])
def test_a_long_loop_of_a_worker_thread_is_compiled(daemon):
    on(f"""
        import threading
        worker = threading.Thread(target=loop, args=({LONG},), daemon={daemon})
        worker.start()
        worker.join()
        assert jit.executors(loop)
    """)


def test_loops_of_two_threads_at_once_are_compiled():
    on(f"""
        import threading
        workers = [threading.Thread(target=f, args=({LONG},)) for f in (loop, other)]
        for worker in workers: worker.start()
        for worker in workers: worker.join()
        assert compiled(loop) and compiled(other)
    """)


def test_the_loop_of_a_generator_that_c_consumes_is_compiled():
    on(f"""
        import collections
        def numbers(n):
            for i in range(n):
                yield i & 7
        deadline = time.monotonic() + 30
        while not jit.executors(numbers) and time.monotonic() < deadline:
            collections.deque(numbers({LONG // 20}), maxlen=0)
            sum(numbers({LONG // 20}))
        assert jit.executors(numbers)
    """)


def test_a_loop_is_compiled_with_subinterpreters_present():
    on("""
        import _interpreters
        kinds = [_interpreters.create(kind) for kind in ("legacy", "isolated")]
        for kind in kinds:
            _interpreters.run_string(kind, "for i in range(300000): pass")
        assert compiled(loop)
        import threading
        busy = threading.Thread(target=_interpreters.run_string, args=(kinds[1], "for i in range(5000000): pass"))
        busy.start()
        assert compiled(other)
        busy.join()
        for kind in kinds:
            _interpreters.destroy(kind)
    """)


def test_a_loop_of_a_coroutine_is_compiled():
    on("""
        import asyncio
        async def work(n):
            total = 0
            for i in range(n):
                total += i & 3
                if i % 1000 == 0:
                    await asyncio.sleep(0)
            return total
        async def main():
            deadline = time.monotonic() + 30
            while not jit.executors(work) and time.monotonic() < deadline:
                a, b = await asyncio.gather(work(100000), work(100000))
                assert a == b
            assert jit.executors(work)
        asyncio.run(main())
    """)


def test_a_thread_that_blocks_in_a_recorded_loop_holds_up_nobody():
    on("""
        import threading, queue
        q = queue.SimpleQueue()
        def consume():
            total = 0
            while (item := q.get()) is not None:
                total += item
            return total
        consumer = threading.Thread(target=consume, daemon=True)
        consumer.start()
        for i in range(200000):
            q.put(i)
        assert compiled(other)
        q.put(None)
        consumer.join()
    """, settings=EAGER)


# --- others who look -------------------------------------------------------------------------------------


def test_a_tracer_switched_on_in_mid_run_sees_all():
    same("""
        print(compiled(loop), compiled(other))
        events = []
        def trace(frame, event, arg):
            if frame.f_code.co_name in ("loop", "other"):
                events.append((frame.f_code.co_name, event, frame.f_lineno - frame.f_code.co_firstlineno))
                return trace
        sys.settrace(trace); loop(5); other(5); sys.settrace(None)
        print(events)
        events.clear()
        sys.setprofile(lambda frame, event, arg: events.append((frame.f_code.co_name, event)))
        loop(5); other(5)
        sys.setprofile(None)
        print(events)
        print(compiled(loop), loop(1000))
    """)


def test_local_events_of_another_tool_come_from_the_next_call_on():
    same("""
        print(compiled(loop))
        lines = []
        monitoring.use_tool_id(0, "debugger")
        monitoring.register_callback(0, monitoring.events.LINE,
                                     lambda code, line: lines.append(line - code.co_firstlineno))
        for _ in range(5):
            monitoring.set_local_events(0, loop.__code__, monitoring.events.LINE)
            loop(4)
            print(len(lines), lines)
            lines.clear()
            monitoring.set_local_events(0, loop.__code__, 0)
            loop(300000)
            print(len(lines))
        monitoring.restart_events()
        print(compiled(other), compiled(loop))
    """)


def test_cprofile_counts_as_without():
    same("""
        import cProfile, pstats
        def leaf(n): return n + 1
        def branch(n): return sum(leaf(i) for i in range(n))
        branch(300000)
        profile = cProfile.Profile()
        profile.enable(); branch(1000); loop(5); profile.disable()
        branch(300000)
        print(sorted((k[2], v[0], v[1]) for k, v in pstats.Stats(profile).stats.items()))
    """)


@pytest.mark.parametrize("core", ["ctrace", "sysmon"])
def test_coverage_finds_the_same_lines(core):
    pytest.importorskip("coverage")
    same(f"""
        os.environ["COVERAGE_CORE"] = "{core}"
        import coverage, tempfile
        folder = tempfile.mkdtemp()
        path = os.path.join(folder, "covered.py")
        with open(path, "w") as f:
            f.write('''
def covered(n):
    total = 0
    for i in range(n):
        if i % 3 == 0:
            total += i
        elif i < 0:
            total = 99
    return total
''')
        sys.path.insert(0, folder)
        import covered
        covered.covered(1000000)
        cov = coverage.Coverage(data_file=None, include=[path])
        cov.start(); covered.covered(20000); cov.stop()
        print(sorted(cov.get_data().lines(path)))
        covered.covered(1000000)
    """)


def test_pdb_stops_in_mid_run():
    script = PREAMBLE + textwrap.dedent("""
        def stops(n):
            total = 0
            for i in range(n):
                if i == n - 2 and n < 1000000:
                    breakpoint()
                total += i
            return total
        stops(1000000)
        print(stops(50))
    """)
    off, jit = (harness.run(["-P", "-c", script], settings, text="p i, total\nw\nc\n") for settings in (harness.OFF, ON))
    assert off.status == 0 and "(Pdb) (48, 1128)" in off.stdout
    # At which line is another matter (docs/differences.md).
    places = (">", "->", "(Pdb)   <")
    without_places = [[line for line in outcome.stdout.splitlines() if not line.startswith(places)]
                      for outcome in (off, jit)]
    assert without_places[0] == without_places[1]
    assert (jit.status, jit.stderr) == (off.status, off.stderr)


# --- odd places to be sampled in ---------------------------------------------------------------------------


def test_deep_recursion_and_exceptions_are_as_without():
    same("""
        def deep(n):
            total = 0
            for i in range(3):
                total += i
            return deep(n - 1) + total if n else 0
        def fails(n):
            try:
                for i in range(n):
                    if i == n - 1:
                        raise KeyError(i)
            except KeyError as e:
                loop(100)
                return e.args
            finally:
                other(50)
        def endless():
            for i in range(2):
                endless()
        for _ in range(30):
            print(deep(900), fails(20000))
            try:
                endless()
            except RecursionError as e:
                print(e)
    """)


def test_generators_close_and_throw_as_without():
    same("""
        log = []
        def numbers():
            try:
                i = 0
                while True:
                    yield i
                    i += 1
            except ValueError:
                yield -1
            finally:
                log.append(loop(30))
        for _ in range(300):
            g = numbers()
            for i in g:
                if i > 300:
                    break
            g.close()
            g = numbers()
            for i in g:
                if i > 300:
                    break
            print(g.throw(ValueError))
            del g
        print(len(log))
    """)


# --- the price -----------------------------------------------------------------------------------------


def test_sampling_with_nothing_to_compile_costs_next_to_nothing():
    # Off in one process, on in another, in turns on one core; what is heard at the time is not counted.
    script = PREAMBLE + textwrap.dedent("""
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        def add(a, b): return a + b
        def calls(n):
            for i in range(n):
                add(i, 1)
        def heard():
            return jit is not None and any(monitoring.get_local_events(5, f.__code__) for f in (calls, add))
        times = []
        deadline = time.monotonic() + 20
        while len(times) < 60 and time.monotonic() < deadline:
            before = heard()
            t = time.process_time()
            calls(300000)
            t = time.process_time() - t
            if not before and not heard():
                times.append(t)
        print(sorted(times)[len(times) // 4])
    """)
    never = ON | {"JITPATCH_SAMPLE": "2", "JITPATCH_THRESHOLD": "1000000000", "JITPATCH_CALL_THRESHOLD": "1000000000"}
    ratios = []
    for _ in range(3):
        off, jit = (harness.run(["-P", "-c", script], settings, 60) for settings in (harness.OFF, never))
        assert (off.status, jit.status) == (0, 0), off.stderr + jit.stderr
        ratios.append(float(jit.stdout) / float(off.stdout))
    print("with the sampler", *(f"{ratio:.3f}" for ratio in ratios))
    assert min(ratios) < 1.15       # at rest about 1.00: the machine may be busy
