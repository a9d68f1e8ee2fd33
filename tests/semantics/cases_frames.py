"""Frames, tracers, profilers, monitors, recursion: what can look at running code or stop it."""

import sys
import threading

from support import HOT, tell


def case_getframe_line_and_locals_seen_by_a_callee():
    seen = []

    def look():
        frame = sys._getframe(1)
        seen.append((frame.f_lineno - frame.f_code.co_firstlineno, dict(frame.f_locals)["i"], frame.f_locals["x"]))

    def f():
        x = 0.0
        for i in range(HOT):
            x += i * 0.5
            look()
            x -= 1
            if i % 2:
                look()
        return x

    print(f(), seen[:4], seen[-3:], len(seen), len({s[0] for s in seen}))


def case_call_stack_seen_from_inlined_calls():
    def stack():
        frame, names = sys._getframe(1), []
        while frame:
            names.append((frame.f_code.co_name, frame.f_lineno))
            frame = frame.f_back
        return tuple(names)

    def a(i):
        return b(i)

    def b(i):
        return stack()

    seen = {}
    for i in range(HOT):
        key = a(i)[:4]
        seen[key] = seen.get(key, 0) + 1
    print(seen)


def case_callee_writes_locals_of_its_caller():
    def poke(i):
        if i % 100 == 50:
            sys._getframe(1).f_locals["total"] = 1000000

    def f():
        total = 0
        for i in range(HOT):
            total += i
            poke(i)
        return total

    print(f())


def case_callee_rebinds_the_callers_loop_variable_and_type():
    def poke(i):
        if i == 300:
            sys._getframe(1).f_locals["x"] = "text"
        if i == 350:
            sys._getframe(1).f_locals["i"] = -5.5

    def f():
        x, out = 1, []
        for i in range(HOT):
            poke(i)
            if i in (299, 300, 301, -5.5):
                out.append((i, x))
        return out, x, i

    print(f())


def case_locals_function():
    seen = {}
    for i in range(HOT):
        x = i * 2
        snapshot = locals()
        seen[(snapshot["x"] == x, snapshot["i"] is i)] = seen.get((True, True), 0) + 1
    print(seen, sorted(snapshot))


def case_frame_kept_alive():
    frames = []

    def grab(i):
        if i % 100 == 0:
            frames.append(sys._getframe())
        return i

    def f():
        t = 0
        for i in range(HOT):
            t += grab(i)
        return t

    print(f(), [(fr.f_locals["i"], fr.f_lineno - fr.f_code.co_firstlineno) for fr in frames])


def case_frame_clear_in_the_loop():
    import traceback

    count = 0
    for i in range(HOT):
        try:
            {}[i]
        except KeyError as error:
            tb = error.__traceback__
            traceback.clear_frames(tb)
            count += 1
    print(count, i)


def _trace_from(i_start, i_stop, mode):
    events = []

    def tracer(frame, event, arg):
        if frame.f_code.co_name in ("loop", "inner"):
            events.append((frame.f_code.co_name, event, frame.f_lineno - frame.f_code.co_firstlineno))
        return tracer

    def inner(x):
        return x + 1

    def loop():
        t = 0
        for i in range(HOT):
            if i == i_start:
                if mode == "trace":
                    sys.settrace(tracer)
                    sys._getframe().f_trace = tracer
                else:
                    sys.setprofile(tracer)
            if i == i_stop:
                sys.settrace(None)
                sys.setprofile(None)
            t = inner(t)
        return t

    result = loop()
    sys.settrace(None)
    sys.setprofile(None)
    return result, len(events), events[:12], events[-4:]


def case_settrace_inside_the_loop():
    print(_trace_from(300, 320, "trace"))
    print(_trace_from(10, 390, "trace"))


def case_setprofile_inside_the_loop():
    print(_trace_from(300, 320, "profile"))


def case_settrace_before_the_loop():
    lines = []

    def tracer(frame, event, arg):
        if frame.f_code.co_name == "loop":
            lines.append((event, frame.f_lineno - frame.f_code.co_firstlineno))
            return tracer

    def loop(n):
        t = 0
        for i in range(n):
            t += i
        return t

    loop(HOT)
    sys.settrace(tracer)
    loop(HOT)
    sys.settrace(None)
    loop(HOT)
    print(len(lines), lines[:5], lines[-3:])


def case_tracer_that_changes_a_local():
    def tracer(frame, event, arg):
        if frame.f_code.co_name == "loop" and event == "line" and frame.f_locals.get("i") == 350:
            frame.f_locals["t"] = -1000
        return tracer

    def loop(n):
        t = 0
        for i in range(n):
            t += 1
        return t

    print(loop(HOT))
    sys.settrace(tracer)
    print(loop(HOT))
    sys.settrace(None)
    print(loop(HOT))


def case_monitoring_installed_inside_the_loop():
    mon, tool = sys.monitoring, 4
    mon.use_tool_id(tool, "test")
    counts = {}

    def note(name):
        def callback(*args):
            counts[name] = counts.get(name, 0) + 1
        return callback

    events = ("LINE", "JUMP", "BRANCH", "CALL", "PY_START", "PY_RETURN", "INSTRUCTION")
    for name in events:
        mon.register_callback(tool, getattr(mon.events, name), note(name))

    def inner(x):
        return x + 1

    def loop():
        t = 0
        for i in range(HOT):
            if i == 300:
                mask = 0
                for name in events:
                    mask |= getattr(mon.events, name)
                mon.set_local_events(tool, loop.__code__, mask)
                mon.set_local_events(tool, inner.__code__, mask)
            if i == 350:
                mon.set_local_events(tool, loop.__code__, 0)
                mon.set_local_events(tool, inner.__code__, 0)
            t = inner(t)
        return t

    print(loop(), sorted(counts.items()))
    mon.free_tool_id(tool)


def case_global_monitoring_events():
    mon, tool = sys.monitoring, 4
    mon.use_tool_id(tool, "test")
    lines = []
    mon.register_callback(tool, mon.events.LINE, lambda code, line: lines.append(line) if code.co_name == "loop" else None)

    def loop(n):
        t = 0
        for i in range(n):
            t += i
        return t

    first = loop.__code__.co_firstlineno
    loop(HOT)
    mon.set_events(tool, mon.events.LINE)
    loop(HOT)
    mon.set_events(tool, 0)
    loop(HOT)
    mon.free_tool_id(tool)
    print(len(lines), [n - first for n in lines[:5]])


def case_recursion_limit_hit_from_a_loop():
    def deep(n):
        for i in range(3):
            deep(n + 1)

    sys.setrecursionlimit(300)
    for _ in range(20):
        try:
            deep(0)
        except RecursionError as error:
            text = str(error)
    sys.setrecursionlimit(1000)
    print(text)


def case_recursion_depth_is_the_same():
    depth = 0

    def down():
        nonlocal depth
        depth += 1
        down()

    depths = set()
    for i in range(60):
        depth = 0
        try:
            down()
        except RecursionError:
            depths.add(depth)
    print(depths)


def case_recursion_depth_through_a_loop():
    best = 0

    def walk(n):
        nonlocal best
        best = max(best, n)
        for k in range(2):
            if k == 1:
                walk(n + 1)

    found = set()
    for i in range(30):
        best = 0
        try:
            walk(0)
        except RecursionError:
            found.add(best)
    print(found)


def case_deep_recursion_with_loops_returns():
    def tree(n):
        total = 1
        for k in range(2):
            if n:
                total += tree(n - 1)
        return total

    print(tree(11))
    sys.setrecursionlimit(20000)

    def chain(n):
        t = 0
        for _ in range(1):
            t += n
        return t + (chain(n - 1) if n else 0)

    print(chain(5000))


def case_fibonacci_and_ackermann():
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    def ack(m, n):
        if m == 0:
            return n + 1
        if n == 0:
            return ack(m - 1, 1)
        return ack(m - 1, ack(m, n - 1))

    print(fib(17), ack(2, 9))


def case_mutual_recursion():
    def even(n):
        return True if n == 0 else odd(n - 1)

    def odd(n):
        return False if n == 0 else even(n - 1)

    print(sum(even(i) for i in range(HOT)))


def case_traceback_of_recursion_error():
    def f(n):
        for _ in range(1):
            return f(n + 1)

    sys.setrecursionlimit(100)
    try:
        f(0)
    except RecursionError as error:
        frames, tb = 0, error.__traceback__
        while tb:
            frames += 1
            tb = tb.tb_next
        print(frames, error)
    sys.setrecursionlimit(1000)


def case_exec_and_eval_in_a_loop():
    t = 0
    scope = {"q": 1}
    for i in range(HOT):
        t += eval("q + 1", scope)
        exec("q = q % 5 + 1", scope)
    print(t, scope["q"])


def case_module_level_loop():
    namespace = {"__name__": "m"}
    exec(f"total = 0\nfor i in range({HOT}):\n    total += i\n    if i == 300: del i\nx = 0\nwhile x < {HOT}: x += 1\n", namespace)
    print(namespace["total"], namespace["x"], namespace["i"])


def case_class_body_loop():
    class A:
        total = 0
        for i in range(HOT):
            total += i
        names = [str(q) for q in range(3)]

    print(A.total, A.i, A.names)


def case_exec_with_a_mapping_as_locals():
    class Locals(dict):
        def __missing__(self, key):
            if key == "magic":
                return 2
            raise KeyError(key)

    scope = Locals()
    exec(f"t = 0\nfor i in range({HOT}):\n    t += magic\n", {}, scope)
    print(scope["t"])


def case_threads_have_their_own_frames():
    results = []

    def work(k):
        t = 0
        for i in range(HOT * 5):
            t += i % k
        results.append((k, t, sys._getframe().f_back is not None))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(sorted(results))


def case_warning_points_at_the_right_line():
    import warnings

    def old(i):
        if i == 350:
            warnings.warn("old", stacklevel=2)
        return i

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        first = sys._getframe().f_lineno
        for i in range(HOT):
            old(i)
    print([(str(w.message), w.lineno - first) for w in caught])


def case_faulting_line_in_a_multiline_expression():
    def f(xs):
        for i in range(HOT):
            y = (
                1
                + xs[0]
                + xs[i // 350]
                + 1
            )

    try:
        f([1])
    except IndexError as error:
        tell(error)
