"""Loops at module level: their variables are the module's, which others can see and change."""

import gc
import signal
import sys
import threading

from support import HOT, tell


def _run(source, **names):
    """The source as a module's; its names afterwards, without the ones that were there."""
    namespace = {"__name__": "cases", "HOT": HOT, **names}
    given = {*namespace, "__builtins__"}
    try:
        exec(compile(source, "<module>", "exec"), namespace)
    except Exception as error:
        tell(error)
    print({k: v for k, v in namespace.items() if k not in given and not callable(v)})
    return namespace


def case_numbers():
    _run("total = 0\nfor i in range(HOT):\n    total += i\n")
    _run("x = 1.0\nk = 0\nwhile k < HOT:\n    x = x * 0.5 + k\n    k += 1\n")
    _run("s = 0\nfor i in range(HOT):\n    for j in range(i % 7):\n        s += i * j\n")
    _run("a, b = 0, 1\nfor i in range(90):\n    a, b = b, a + b\nfor i in range(HOT):\n    a, b = b, a\n")


def case_two_paths():
    _run("""
steps = 0
start = 1
while start < 60:
    x = start
    while x != 1:
        if x % 2 == 0:
            x = x // 2
        else:
            x = 3 * x + 1
        steps += 1
    start += 1
""")


def case_overflow():
    _run("x = 1\nfor i in range(HOT):\n    x += x // 3 + 1\n")


def case_exceptions():
    _run("s = 0\nfor i in range(HOT):\n    s += 100 // (i - 350)\n")
    _run("s = n = 0\nfor i in range(HOT):\n    try:\n        s += 1000 // (i % 50)\n    except ZeroDivisionError:\n        n += 1\n")
    _run("s = 0\nfor i in range(HOT):\n    s += i\n    if i == 300:\n        del s\n")


def case_seen_by_functions():
    _run("""
def look():
    return total, i

total = 0
seen = []
for i in range(HOT):
    total += i
    if i % 40 == 39:
        seen.append(look())
""")
    _run("""
def twice():
    return total * 2

total = 1
for i in range(HOT):
    total = twice() % 1000003 + i
""")


def case_changed_by_functions():
    _run("""
def add(n):
    global total
    total += n

total = 0
for i in range(HOT):
    total += 1
    add(i)
    total -= 2
""")


def case_seen_through_the_dictionary():
    _run("""
names = globals()
total = 0
seen = 0
for i in range(HOT):
    total += i
    seen += names["total"]
    if i % 50 == 7:
        names["total"] = 5
    if i % 90 == 8:
        names.update(total=6)
""")


def case_names_come_and_go():
    _run("""
seen = 0
for i in range(HOT):
    if i % 20 == 3:
        extra = i
    if i % 20 == 5:
        seen += extra
        del extra
    try:
        seen += extra
    except NameError as error:
        text = str(error)
""")


def case_types_change():
    _run("x = None\nn = 0\nfor i in range(HOT):\n    x = None if i % 3 == 0 else i if i % 3 == 1 else i * 0.5\n    n += x is None\n")
    _run("x = []\nn = 0\nfor i in range(HOT):\n    n += len(x)\n    x = [i] * (i % 4)\n")
    _run("x = ''\nn = 0\nfor i in range(HOT):\n    x = str(i) if i % 2 else x\n    n += len(x)\n")


def case_identity():
    _run("""
same = 0
for i in range(HOT):
    x = i + 1000
    y = x
    z = x + 0
    same += (x is y) + 2 * (y is not None)
last = x is y
""")


def case_old_value_with_a_destructor():
    _run("""
class Noisy:
    def __del__(self):
        log.append(total)

log = []
total = 0
x = 0
for i in range(HOT):
    total += 1
    x = Noisy() if i % 30 == 7 else i
del Noisy.__del__
""")


def case_lists():
    _run("""
data = [0] * 50
for i in range(HOT):
    data[i % 50] += i
    if i == 390:
        data = data[:]
k = 0
for value in data:
    k ^= value
""")


def case_finalizer_and_collector():
    _run("""
class Cycle:
    def __init__(self):
        self.me = self
    def __del__(self):
        seen.append(n >= 0)

seen = []
n = 0
for i in range(HOT):
    Cycle()
    n += 1
collect()
found = len(seen)
""", collect=gc.collect)


def case_signal():
    namespace = {"stop": False}

    def handler(number, frame):
        handled.append(frame.f_globals is namespace and frame.f_globals["n"] > 0)
        namespace["stop"] = True

    handled = []
    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        exec("n = 0\nwhile not stop:\n    n += 1\nstopped = n > 0\n", namespace)
    finally:
        signal.signal(signal.SIGALRM, before)
    print(handled, namespace["stopped"])


def case_other_thread():
    namespace = {"stop": False, "n": 0}
    seen = []

    def watch():
        while len(seen) < 3:
            n = namespace["n"]
            if n > (seen[-1] if seen else 0):
                seen.append(n)
        namespace["stop"] = True

    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    thread = threading.Thread(target=watch)
    thread.start()
    exec("while not stop:\n    n += 1\n", namespace)
    thread.join()
    sys.setswitchinterval(interval)
    print(len(seen), namespace["n"] >= seen[-1])


def case_module_shared_by_two_loops():
    code = compile("for i in range(HOT):\n    total += i\n", "<shared>", "exec")
    modules = [{"HOT": HOT, "total": 0}, {"HOT": HOT, "total": 0.5}, {"HOT": HOT, "total": 2**62}]
    for _ in range(3):
        for module in modules:
            exec(code, module)
    print([module["total"] for module in modules])


def case_function_storing_globals():
    namespace = _run("""
total = 0
last = 0
def f(n):
    global total, last
    for i in range(n):
        total += i
        last = i
    return total
def g(n):
    t = 0
    for i in range(n):
        t += last
        f(2)
    return t
results = [f(HOT), f(HOT), g(HOT), f(3)]
""")
    print(namespace["total"], namespace["last"])


def case_constant_in_another_function():
    _run("""
def f(n):
    t = 0
    for i in range(n):
        t += level
    return t

level = 1
out = []
for k in range(30):
    out.append(f(HOT))
    for i in range(50):
        level += 1
    level -= 49
""")


def case_dictionary_watched_from_outside():
    class Module(dict):
        def __setitem__(self, key, value):
            raise AssertionError("not called for a module's names")

    module = Module(HOT=HOT, total=0)
    exec("for i in range(HOT):\n    total += i\n", module)
    print(module["total"])


def case_variables_set_through_the_module_s_dictionary():
    # What the trace takes for a constant, for it has not changed so far, it changes itself.
    for store in ("names['G'] = a", "names[name] = a", "vars(module)['G'] = a", "names.update(G=a)", "names.setdefault('H', a); names['G'] = a"):
        for later in (2, "2"):
            _run(f"""
import types
names, name, module = globals(), "G", types.SimpleNamespace()
module = type("Module", (), {{}})()
module.__dict__ = names
def f(values):
    out = []
    for a in values:
        {store}
        out.append(G * 2)
    return out
seen = f([1] * HOT + [later] * 3)[-4:]
""", later=later)
