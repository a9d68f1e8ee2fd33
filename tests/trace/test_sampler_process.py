"""The sampler's thread in the life of a process: forks, signals, namespaces, limits, waiting, the end."""

from __future__ import annotations

import os
import textwrap

import harness
import pytest
from sampler_scripts import ON, PREAMBLE, on, run, same

pytestmark = pytest.mark.skipif(not harness.jit_available(), reason="no JIT here")


# --- fork ----------------------------------------------------------------------------------------------


def test_fork_warns_of_nothing_and_sampling_goes_on_in_both():
    on("""
        loop(1000000)
        pid = os.fork()
        assert compiled(other)
        if pid == 0:
            os._exit(17)
        assert end_of(pid) == 17
    """, ["-W", "error"])


def test_fork_with_hooks_in_python_warns_of_nothing():
    on("""
        calls = []
        os.register_at_fork(before=lambda: calls.append(loop(3000)), after_in_parent=lambda: calls.append(loop(200000)),
                            after_in_child=lambda: calls.append(loop(200000)))
        loop(1000000)
        for _ in range(5):
            pid = os.fork()
            if pid == 0:
                os._exit(17 if compiled(other) else 1)
            assert end_of(pid) == 17
        assert len(calls) == 10 and compiled(other)
    """, ["-W", "error"])


def test_fork_in_another_thread_works():
    same("""
        import threading
        def fork():
            pid = os.fork()
            if pid == 0:
                os._exit(17 if compiled(other) else 1)
            print(end_of(pid))
        loop(1000000)
        worker = threading.Thread(target=fork)
        worker.start()
        worker.join()
        assert compiled(other)
        print(compiled(loop))
    """, ["-W", "ignore"])


def test_a_thread_that_only_forks_does_so():
    same("""
        import _thread, threading
        loop(1000000)
        _thread.start_joinable_thread(os.fork).join()       # the thread has no Python frame; the child ends at once
        print(compiled(loop))
        deadline = time.monotonic() + 20
        while (done := os.waitpid(-1, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
            time.sleep(0.01)
        print(done[1] if done[0] else "lives on")
    """, ["-W", "ignore"])


def test_a_child_ends_with_the_thread_that_forked():
    same("""
        import threading
        loop(1000000)
        pids = []
        worker = threading.Thread(target=lambda: pids.append(os.fork()))
        worker.start()
        worker.join()
        if pids[0] == 0:
            os._exit(9)                     # no thread comes here
        print(end_of(pids[0]), compiled(loop))
    """, ["-W", "ignore"])


def test_three_hundred_forks_leak_no_thread_and_no_file():
    on("""
        def held():
            return len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))
        loop(1000000)
        before = held()
        assert before[0] == 2
        for i in range(300):
            pid = os.fork()
            if pid == 0:
                os._exit(i & 127)
            assert end_of(pid) == i & 127
            loop(1000)
        assert held() == before
        assert compiled(other)
    """, ["-W", "error"])


def test_a_fork_of_c_code_that_tells_nobody_goes_well():
    on("""
        import ctypes
        loop(1000000)
        pid = ctypes.PyDLL(None).fork()
        if pid == 0:
            other(300000)
            sys.exit(17)
        assert end_of(pid) == 17
        assert compiled(other)
    """)


def test_a_fork_of_c_code_that_runs_the_hooks_goes_on_with_sampling():
    # As programs do it that embed Python.
    on("""
        import ctypes
        api = ctypes.pythonapi
        loop(1000000)
        api.PyOS_BeforeFork()
        assert len(os.listdir("/proc/self/task")) == 1
        pid = ctypes.PyDLL(None).fork()
        api.PyOS_AfterFork_Parent() if pid else api.PyOS_AfterFork_Child()
        if pid == 0:
            sys.exit(17 if compiled(other) else 1)
        assert end_of(pid) == 17
        assert compiled(other)
    """)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_works(method, tmp_path):
    path = tmp_path / "pool.py"
    path.write_text(textwrap.dedent("""
        import multiprocessing, sys
        def work(n):
            total = 0
            for i in range(n):
                total += i & 3
            return total
        def found(n):
            jit = sys.modules.get("jitpatch")
            for _ in range(1000):
                work(n)
                if jit is None or not jit.is_enabled() or jit.executors(work):
                    return True
            return False
        if __name__ == "__main__":
            multiprocessing.set_start_method(sys.argv[1])
            work(300000)
            processes = [multiprocessing.Process(target=work, args=(100000,)) for _ in range(3)]
            for p in processes: p.start()
            for p in processes: p.join()
            print([p.exitcode for p in processes])
            with multiprocessing.Pool(2) as pool:
                print(pool.map(work, [100000] * 8), pool.map(found, [100000] * 2))
    """))
    off, jit = (harness.run(["-W", "error", str(path), method], settings) for settings in (harness.OFF, ON))
    assert off.status == 0, off.stderr
    assert jit == off


def test_subprocesses_with_and_without_preexec_fn_work():
    same("""
        import subprocess
        loop(1000000)
        for _ in range(3):
            print(subprocess.run(["echo", "a"], capture_output=True).stdout)
            print(subprocess.run(["echo", "b"], capture_output=True, preexec_fn=lambda: loop(5000)).stdout)
            print(subprocess.run(["sh", "-c", "ls /proc/$$/task | wc -l"], capture_output=True,
                                 preexec_fn=os.setsid).stdout)
            pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 3"], os.environ)
            print(end_of(pid))
        print(compiled(other))
    """, ["-W", "error"])


def test_pty_fork_works():
    on("""
        import pty
        loop(1000000)
        pid, fd = pty.fork()
        if pid == 0:
            os.write(1, b"hello" if compiled(other) else b"never")
            os._exit(5)
        assert os.read(fd, 100) == b"hello"
        assert end_of(pid) == 5
        assert compiled(other)
    """, ["-W", "error"])


# --- signals -------------------------------------------------------------------------------------------


def test_a_blocked_signal_is_there_for_sigwait():
    same("""
        import signal
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGTERM])
        loop(1000000)
        for n in (signal.SIGUSR1, signal.SIGTERM):
            for _ in range(20):
                os.kill(os.getpid(), n)
                loop(20000)
                assert signal.sigwait([n]) == n
        print(signal.sigpending(), compiled(loop))
    """)


def test_a_signal_is_there_for_signalfd():
    same("""
        import ctypes, signal, select
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        mask = (ctypes.c_ulong * 16)(1 << signal.SIGUSR1 - 1)
        fd = ctypes.CDLL(None).signalfd(-1, mask, 0)
        assert fd >= 0
        loop(1000000)
        for _ in range(20):
            os.kill(os.getpid(), signal.SIGUSR1)
            loop(20000)
            assert select.select([fd], [], [], 20)[0]
            print(os.read(fd, 128)[0])
    """)


def test_interrupts_arrive_in_compiled_code():
    on("""
        import signal, threading
        assert compiled(loop)
        main = threading.main_thread().ident
        for _ in range(5):
            threading.Timer(0.05, lambda: signal.pthread_kill(main, signal.SIGINT)).start()
            try:
                while True:
                    loop(10000000)
            except KeyboardInterrupt:
                pass
    """)


def test_timers_and_alarms_interrupt_loops():
    on("""
        import signal
        ticks = []
        signal.signal(signal.SIGALRM, lambda *_: ticks.append(1))
        signal.signal(signal.SIGPROF, lambda *_: ticks.append(2))
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        signal.setitimer(signal.ITIMER_PROF, 0.01, 0.01)
        deadline = time.monotonic() + 30
        while (ticks.count(1) < 10 or ticks.count(2) < 5) and time.monotonic() < deadline:
            loop(100000)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        assert ticks.count(1) >= 10 and ticks.count(2) >= 5 and jit.executors(loop)
        ticks.clear()
        signal.alarm(1)
        while not ticks and time.monotonic() < deadline:
            loop(1000000)
        assert ticks
    """)


def test_system_calls_are_not_interrupted():
    # EINTR would show in what C code that does not retry returns.
    on("""
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        loop(1000000)
        for _ in range(20):
            assert libc.poll(None, 0, 20) == 0, ctypes.get_errno()
            loop(100000)
    """)


# --- one thread only -----------------------------------------------------------------------------------


def test_unshare_of_the_user_namespace_works():
    script = """
        loop(1000000)
        error = 0
        try:
            os.unshare(os.CLONE_NEWUSER)
        except OSError as e:
            error = e.errno
        print(error, compiled(other))
        if not error:
            print(open("/proc/self/uid_map").read())
    """
    if run(script, harness.OFF).stdout.split()[0] != "0":
        pytest.skip("the kernel forbids it")
    same(script)


def test_setns_of_another_user_namespace_works():
    script = """
        import subprocess
        loop(1000000)
        r, w = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.unshare(os.CLONE_NEWUSER)
            os.write(w, b"x")
            time.sleep(60)
            os._exit(0)
        os.set_blocking(r, True)
        os.close(w)
        try:
            if os.read(r, 1) != b"x":
                print("no namespace"); sys.exit()
            fd = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)
            try:
                os.setns(fd, os.CLONE_NEWUSER)
                print("entered")
            except OSError as e:
                print("error", e.errno)
            try:
                os.setns(999)
            except OSError as e:
                print(e.errno, e)
        finally:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
        print(compiled(other))
    """
    if "entered" not in run(script, harness.OFF).stdout:
        pytest.skip("the kernel forbids it")
    same(script)


def test_where_no_thread_can_be_made_any_more_all_code_is_counted():
    # After unshare(CLONE_NEWPID) a process can make children, but no threads.
    script = """
        loop(1000000)
        try:
            os.unshare(os.CLONE_NEWPID)
        except OSError as e:
            print(e.errno); sys.exit()
        print(0, compiled(other))
        if jit: assert monitoring.get_events(5) == monitoring.events.JUMP | monitoring.events.PY_START
        pid = os.fork()
        if pid == 0:
            def third(n):
                while n: n -= 1
            os._exit(7 if compiled(third) else 1)
        print(end_of(pid))
    """
    if run(script, harness.OFF).stdout.split()[0] != "0":
        pytest.skip("the kernel forbids it")
    same(script)


def test_unshare_and_setns_keep_their_names_errors_and_signatures():
    same("""
        for call in (lambda: os.unshare(), lambda: os.unshare("x"), lambda: os.setns(-1),
                     lambda: os.setns(0, nstype=7, x=1),
                     lambda: os.unshare(flags=1 << 40)):
            try:
                print(call())
            except Exception as e:
                print(type(e), e)
        print(os.unshare.__name__, os.setns.__doc__, os.unshare.__text_signature__)
    """)


# --- no thread to be had ---------------------------------------------------------------------------------


def test_without_a_thread_all_code_is_counted_from_the_start():
    script = PREAMBLE + textwrap.dedent("""
        import resource
        if os.getuid() == 0:
            os.setgid(65534); os.setuid(65534)
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
        import _thread
        try:
            _thread.start_new_thread(loop, (1,))
            print("a thread was made"); sys.exit()
        except RuntimeError:
            pass
        import jitpatch as jit
        jit.enable()
        assert monitoring.get_events(5) == monitoring.events.JUMP | monitoring.events.PY_START
        loop(3000)
        assert jit.executors(loop)
        jit.disable()
        assert monitoring.get_tool(5) is None
        print("counted")
    """)
    # The package may lie where only root may read.
    script = "import jitpatch, jitpatch._jitpatch\n" + script
    outcome = harness.run(["-P", "-c", script], harness.OFF)
    if "a thread was made" in outcome.stdout:
        pytest.skip("the limit does not hold here")
    assert (outcome.stdout, outcome.stderr) == ("counted\n", "")


def test_without_address_space_for_a_stack_the_program_runs_right():
    on("""
        import resource
        jit.disable()
        pages = int(open("/proc/self/statm").read().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * 4096 + 65536, resource.RLIM_INFINITY))
        jit.enable()
        total = loop(10000)
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert total == loop(10000)
    """)


def test_a_change_of_user_reaches_the_thread():
    if os.getuid() != 0:
        pytest.skip("needs root")
    same("""
        loop(1000000)
        os.setgid(65534); os.setuid(65534)
        uids = {line for task in os.listdir("/proc/self/task") for line in open(f"/proc/self/task/{task}/status")
                if line.startswith("Uid")}
        print(uids, compiled(loop))
    """)


# --- waiting -------------------------------------------------------------------------------------------


THREAD_OF_OURS = """
def thread():
    own = str(os.getpid())
    tasks = [t for t in os.listdir("/proc/self/task") if t != own]
    assert len(tasks) == 1, tasks
    return tasks[0]
"""


@pytest.mark.parametrize("wait", ["time.sleep(0.3)", "select.select([], [], [], 0.3)", "lock.acquire(timeout=0.3)",
                                  "queue.get_timeout()", "subprocess.run(['sleep', '0.3'])"])
def test_a_process_that_waits_wakes_no_thread(wait):
    # Counted by another process: to look is to run.
    script = THREAD_OF_OURS + f"""
import select, threading, queue as queues, subprocess
lock = threading.Lock(); lock.acquire()
class queue:
    def get_timeout():
        try: queues.SimpleQueue().get(timeout=0.3)
        except queues.Empty: pass
task = thread()
watcher = subprocess.Popen([sys.executable, "-c", '''
import sys, time
def read():
    return [l.split()[1] for l in open(sys.argv[1]) if "ctxt" in l]
still = 0
print("ready", flush=True)
while sys.stdin.readline():
    time.sleep(0.1); a = read(); time.sleep(0.1); b = read()
    print(a == b, flush=True)
''', f"/proc/{{os.getpid()}}/task/{{task}}/status"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    env=os.environ | {{"JITPATCH": "0"}})
assert watcher.stdout.readline() == "ready\\n"
quiet = 0
for _ in range(8):
    loop(100000)
    watcher.stdin.write("x\\n"); watcher.stdin.flush()
    {wait}
    quiet += watcher.stdout.readline() == "True\\n"
watcher.stdin.close(); watcher.wait()
watcher.stdout.close()
print(quiet)
"""
    assert int(on(script)) >= 6


# --- the end -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [
    "sys.exit(3)", "os._exit(3)", "raise ValueError('x')", "pass", "raise SystemExit('bye')", "os.abort()",
    "os.kill(os.getpid(), 15)", "os.execv('/bin/sh', ['sh', '-c', 'exit 4'])"])
@pytest.mark.parametrize("threads", [False, True])
def test_a_process_ends_as_without(ending, threads):
    same(f"""
        import atexit, threading
        atexit.register(lambda: print("handler", loop(300000)))
        if {threads}:
            for f in (loop, other):
                threading.Thread(target=lambda: [f(1000) for _ in iter(int, 1)], daemon=True).start()
        class Late:
            def __del__(self):
                loop(300000)
        late = Late()
        loop(1000000)
        sys.stdout.flush()
        {ending}
    """)


def test_a_request_under_way_at_the_end_does_nothing():
    on("""
        import atexit
        atexit._clear()                 # and ours with it
        class Late:
            def __del__(self):
                loop(300000)
        late = Late()
        loop(1000000)
    """)


def test_switching_on_and_off_two_hundred_times_leaves_one_thread():
    on("""
        for i in range(200):
            jit.disable()
            assert len(os.listdir("/proc/self/task")) == 1
            jit.enable()
            loop(i * 100)
        assert len(os.listdir("/proc/self/task")) == 2
        assert compiled(loop)
    """)
