"""Signals, threads, processes, garbage collection: what interrupts a running loop."""

import faulthandler
import gc
import os
import signal
import subprocess
import sys
import threading
import time

from support import HOT

# Against a hang: the interpreter alone needs well under a second for each of these.
faulthandler.dump_traceback_later(40, exit=True)


def case_alarm_handler_runs_in_a_hot_loop():
    hits = []
    signal.signal(signal.SIGALRM, lambda *_: hits.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    n = 0
    while not hits:
        n += 1
    print("handled", len(hits), n > 0)


def case_alarm_in_a_loop_that_allocates_nothing():
    done = False

    def stop(*_):
        nonlocal done
        done = True

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    x = 0.0
    while not done:
        x += 1.5
        if x > 1e6:
            x = 0.0
    print("stopped")


def case_alarm_raises_inside_try():
    class Late(Exception):
        pass

    def late(*_):
        raise Late

    signal.signal(signal.SIGALRM, late)
    log = []
    for k in range(3):
        signal.setitimer(signal.ITIMER_REAL, 0.03)
        i = 0
        try:
            try:
                while True:
                    i += 1
            finally:
                log.append("finally")
        except Late as error:
            log.append((type(error).__name__, i > 100, error.__traceback__.tb_frame.f_code.co_name))
    print(log)


def case_alarm_raises_in_nested_call():
    def work(i):
        return i + 1

    def late(*_):
        raise TimeoutError("late")

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    i = 0
    try:
        while True:
            i = work(i)
    except TimeoutError as error:
        print(error, i > 100)


def case_keyboard_interrupt_ends_a_hot_loop():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    i = 0
    try:
        while True:
            i += 1
    except KeyboardInterrupt as error:
        print("interrupted", i > 100, error.__traceback__.tb_lineno > 0)


def case_repeated_alarms_keep_the_count_right():
    ticks = 0

    def tick(*_):
        nonlocal ticks
        ticks += 1

    signal.signal(signal.SIGALRM, tick)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    total = turns = 0
    while ticks < 20:
        total += turns
        turns += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(total == turns * (turns - 1) // 2, ticks >= 20)


def case_handler_sees_and_changes_locals():
    seen = []

    def handler(signum, frame):
        seen.append((frame.f_code.co_name, "i" in frame.f_locals))
        frame.f_locals["stop"] = True

    def loop():
        stop = False
        i = 0
        while not stop:
            i += 1
        return i > 0

    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    print(loop(), seen)


def case_two_threads_make_progress():
    counts, stop = [0, 0], threading.Event()

    def work(k):
        while not stop.is_set():
            counts[k] += 1

    threads = [threading.Thread(target=work, args=(k,)) for k in (0, 1)]
    for t in threads:
        t.start()
    time.sleep(0.2)
    stop.set()
    for t in threads:
        t.join()
    print(all(c > 100 for c in counts))


def case_main_thread_in_a_tight_loop_lets_others_run():
    flag = []

    def other():
        time.sleep(0.02)
        flag.append(1)

    threading.Thread(target=other).start()
    n = 0
    while not flag:
        n += 1
    print("seen", flag)                 # how often it turned is the scheduler's affair


def case_many_threads_share_one_function():
    def work(n, out, k):
        t = 0
        for i in range(n):
            t += i * k if i % 2 else -i * 0.5
        out[k] = t

    out = {}
    threads = [threading.Thread(target=work, args=(20000, out, k)) for k in range(8)]
    sys.setswitchinterval(0.0005)
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(sorted(out.items()))


def case_lock_protected_counter():
    lock, n = threading.Lock(), 0

    def work():
        nonlocal n
        for _ in range(3000):
            with lock:
                n += 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(n)


def case_thread_changes_a_global_the_loop_reads():
    global running
    running = True

    def stop():
        global running
        time.sleep(0.05)
        running = False

    threading.Thread(target=stop).start()
    n = 0
    while running:
        n += 1
    print("stopped", n > 100)


def case_thread_changes_an_attribute_the_loop_reads():
    class Flag:
        on = True

    flag = Flag()

    def stop():
        time.sleep(0.05)
        flag.on = False

    threading.Thread(target=stop).start()
    n = 0
    while flag.on:
        n += 1
    print("stopped", n > 100)


def case_async_exception_from_another_thread():
    import ctypes

    ident = threading.get_ident()

    class Stop(Exception):
        pass

    def raise_there():
        time.sleep(0.05)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(Stop))

    threading.Thread(target=raise_there).start()
    n = 0
    try:
        while True:
            n += 1
    except Stop:
        print("raised", n > 100)


def case_collector_runs_during_the_loop():
    class Node:
        pass

    before = gc.get_stats()[0]["collections"]
    for i in range(50_000):
        node = Node()
        node.me = node
    print(gc.get_stats()[0]["collections"] - before > 3)


def case_gc_callbacks_and_finalizers_in_order():
    log = []

    class Node:
        def __init__(self, i):
            self.me, self.i = self, i

        def __del__(self):
            log.append(self.i)

    gc.disable()
    for i in range(HOT):
        Node(i)
        if i % 50 == 49:
            gc.collect()
            log.append("gc")
    gc.enable()
    print(log[:3], log[49:53], len(log))


def case_fork_in_a_hot_loop():
    t = 0
    sys.stdout.flush()
    for i in range(HOT):
        t += i
        if i == 300:
            pid = os.fork()
            if pid == 0:
                for k in range(HOT):
                    t += k * 2
                os._exit(7 if t > 10**5 else 8)
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    print(t)


def case_child_process_inherits_the_setting():
    code = "t = 0\nfor i in range(1000):\n    t += i\nprint(t)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    print(done.stdout.strip(), done.stderr, done.returncode)


def case_exit_from_inside_a_loop_runs_atexit():
    import atexit

    atexit.register(lambda: print("atexit"))
    for i in range(HOT):
        if i == 390:
            raise SystemExit("bye")


def case_daemon_thread_in_a_hot_loop_at_exit():
    def spin():
        n = 0
        while True:
            n += 1

    threading.Thread(target=spin, daemon=True).start()
    time.sleep(0.05)
    print("main ends")


def case_objects_alive_at_exit_are_finalised():
    class Last:
        def __del__(self):
            print("last words")

    global keep
    for i in range(HOT):
        keep = Last() if i == HOT - 1 else None


def case_pickle_copy_and_json_of_data_made_in_loops():
    import copy
    import json
    import pickle

    data = []
    for i in range(HOT):
        data.append({"i": i, "f": i * 0.1, "s": f"{i}", "t": (i, None, i % 2 == 0), "b": 2 ** (i % 70)})
    print(pickle.loads(pickle.dumps(data)) == data, copy.deepcopy(data) == data, len(json.dumps(data)))


def case_subinterpreter_runs_loops():
    try:
        import _interpreters
    except ImportError:
        print("no subinterpreters")
        return
    sys.stdout.flush()
    interp = _interpreters.create()
    _interpreters.run_string(interp, "t = 0\nfor i in range(2000):\n    t += i\nprint(t, flush=True)")
    _interpreters.destroy(interp)
    print("back")


def case_deep_stack_of_c_and_python_calls():
    def key(x):
        return sorted([x, 2, 1], key=lambda q: -q)[0]

    print(sum(map(key, range(HOT))), max(range(HOT), key=lambda i: sorted([i % 7, 3], key=abs)[0]))


def case_tracemalloc_and_allocation_failures_leave_loops_right():
    import tracemalloc

    tracemalloc.start()
    xs = []
    for i in range(HOT):
        xs.append([i] * 3)
    print(tracemalloc.get_traced_memory()[0] > 0, len(xs))
    tracemalloc.stop()


kept = []                               # the interpreter may still call it when it ends


def case_another_user_of_the_extra_slots_of_code_objects():
    import ctypes

    freed = []
    free_type = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
    free = free_type(freed.append)
    request = ctypes.pythonapi.PyUnstable_Eval_RequestCodeExtraIndex
    request.argtypes, request.restype = (free_type,), ctypes.c_ssize_t
    set_extra = ctypes.pythonapi.PyUnstable_Code_SetExtra
    set_extra.argtypes = ctypes.py_object, ctypes.c_ssize_t, ctypes.c_void_p
    index = request(free)
    kept.append(free)
    for k in range(20):
        space = {}
        exec("def f(n):\n    for i in range(n):\n        n += i\n    return n", space)
        if k % 5 == 2:
            set_extra(space["f"].__code__, index, 100 + k)
        list(map(space["f"], [HOT]))    # not called in this loop: a constant of its trace lives on
        if k % 5 == 4:
            set_extra(space["f"].__code__, index, 100 + k)
        del space
        gc.collect()
    for _ in range(8):
        gc.collect()                    # what a trace keeps has gone, too
    print(sorted(freed))


def case_evaluator_replaced_in_a_loop():
    try:
        from _testinternalcapi import set_eval_frame_default, set_eval_frame_record
    except ImportError:
        print("no such module here")
        return

    class Box:
        def __getitem__(self, i):
            return i + 1

    def work(i, box):
        return box[i] + sum(twice(i))

    def twice(i):
        yield i
        yield i

    calls, box, total = [], Box(), 0
    for i in range(HOT):
        if i == HOT - 5:
            set_eval_frame_record(calls)
        total += work(i, box)
        for k in twice(i):
            total += k
        if i == HOT - 3:
            set_eval_frame_default()
    print(total, calls)
