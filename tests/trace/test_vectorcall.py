"""Functions that are entered by their own vectorcall: which get one, how it is called, when it is given back."""

import dis
import gc
import signal
import subprocess
import sys
import threading
from collections import deque
from functools import lru_cache, partial, reduce
from itertools import repeat

import pytest
from jit_fixture import jit  # noqa: F401

import jitpatch

if not jitpatch.is_available():
    pytest.skip(f"{jitpatch.why_unavailable()}", allow_module_level=True)

CALLS = 100
OPTIONS = {"threshold": 10**9, "call_threshold": 10**9, "sample": 0}


@pytest.fixture
def hook(jit):  # noqa: F811
    jitpatch.enable(**OPTIONS)
    return jit


def first(action):
    """Code that starts for the first time meanwhile gets hot soon; pytest's own never does."""
    jitpatch._jitpatch.set_param("call_threshold", 20)
    try:
        return action()
    finally:
        jitpatch._jitpatch.set_param("call_threshold", OPTIONS["call_threshold"])


def make():
    """A new function of a new code object."""
    space = {}
    exec("def f(x, y=3):\n    return x * y + 1\n", space)
    return space["f"]


def call(f, times=CALLS, *args):
    for _ in repeat(None, times):
        f(*args) if args else f(2)


def opened(hook, f):
    first(lambda: f(2))
    call(f)
    assert hook._has_door(f)
    return f


def ways_in(hook, action):
    """How often compiled code was entered, left for the interpreter, and how often a function returned."""
    before = hook.stats()[0]
    action()
    after = hook.stats()[0]
    return {name: after[name] - before[name] for name in ("entered", "exits", "returned")}


class Name(str):
    pass


def opcodes(f):
    return [instruction.opname for instruction in dis.get_instructions(f, adaptive=True)]


# --- who gets one -----------------------------------------------------------------------------

def test_a_hot_function_gets_a_door_and_keeps_its_results(hook):
    f = make()
    assert not hook._has_door(f)
    first(lambda: f(1))
    results = [f(i) for i in range(CALLS)]
    assert hook._has_door(f) and results == [i * 3 + 1 for i in range(CALLS)]
    assert [f(i, 2) for i in range(5)] == [1, 3, 5, 7, 9]


def test_without_the_option_nobody_gets_one(hook):
    hook.set_param("doors", 0)
    f = make()
    first(lambda: f(1))
    call(f)
    assert not hook._has_door(f) and ways_in(hook, lambda: call(f))["entered"] == CALLS


def test_a_function_made_anew_for_each_call_never_gets_one_for_long(hook):
    space = {}
    exec("def make(k):\n    return lambda x: x + 1\n", space)
    kept = []
    first(lambda: space["make"](1)(1))
    for i in range(3000):
        f = space["make"](i)
        f(1)
        kept.append(hook._has_door(f))
    assert sum(kept) <= 40 and not any(kept[-500:])


def test_each_function_of_one_code_object_gets_one_of_its_own(hook):
    space = {}
    exec("def make(k):\n    return lambda x: x + k\n", space)
    one, two = space["make"](1), space["make"](2)
    first(lambda: one(1))
    for _ in range(CALLS):
        one(1), two(1)
    assert hook._has_door(one) and hook._has_door(two)
    assert (one(5), two(5)) == (6, 7)


@pytest.mark.parametrize("source", ["def f(x): yield x", "async def f(x): return x", "async def f(x): yield x"])
def test_other_kinds_of_functions_have_none(hook, source):
    space = {}
    exec(source, space)
    f = space["f"]
    first(lambda: getattr(f(1), "close", int)())
    for _ in range(CALLS):
        getattr(f(1), "close", int)()
    assert not hook._has_door(f)


PARAMETERS = {
    "def f(*x): return x": ["f()", "f(1)", "f(1, 2)", "f(*(3, 4))", "f(y=1)"],
    "def f(**x): return x": ["f()", "f(x=1)", "f(self=1, **{'b': 2})", "f(1)"],
    "def f(x, *, y=1): return [x, y]": ["f(1)", "f(1, y=2)", "f(y=2, x=1)", "f(1, 2)", "f(y=1)", "f(1, z=2)"],
    "def f(x, *, y): return [x, y]": ["f(1, y=2)", "f(y=2, x=1)", "f(1)", "f(1, 2)"],
    "def f(x, /, y=2, **z): return [x, y, z]": ["f(1)", "f(1, x=2)", "f(1, y=3, w=4)", "f(x=1)", "f(1, 2, y=3)"],
    "def f(x, *y, z=3, **w): return [x, y, z, w]": ["f(1)", "f(1, 2, 3)", "f(1, z=4)", "f(*'ab', **{'z': 5, 'q': 6})", "f()"],
    "def f(x):\n    def g(): return x\n    return g()": ["f(1)", "f(x=2)", "f()"],
    "def f(x, y=2):\n    z = x + y\n    return (lambda: [x, y, z])()": ["f(1)", "f(1, y=3)", "f(1, 2, 3)"],
    "def make(k):\n    def f(x, y=2): return [x, y, k]\n    return f\nf = make(9)": ["f(1)", "f(1, y=3)", "f(z=3)"],
    "def make(k):\n    def f(x):\n        return (lambda: [x, k])()\n    return f\nf = make(9)": ["f(1)", "f(x=3)"],
}


def value(form, space):
    try:
        return repr(eval(form, space))
    except TypeError as error:
        return f"TypeError: {error}"


@pytest.mark.parametrize("source", PARAMETERS)
def test_all_kinds_of_parameters_have_doors(hook, source):
    forms, cold, space = PARAMETERS[source], {}, {}
    exec(source, cold)
    exec(source, space)
    expected = [value(form, cold) for form in forms]
    usual = compile(forms[0], "usual", "eval")
    first(lambda: eval(usual, space))
    for _ in range(CALLS):
        eval(usual, space)
    assert hook._has_door(space["f"])
    for _ in range(3):
        assert [value(form, space) for form in forms] == expected
    for form, text in zip(forms, expected):
        if not text.startswith("TypeError"):
            call = compile(form, "form", "eval")
            assert ways_in(hook, lambda: eval(call, space))["entered"] == 1, form


# --- from where -------------------------------------------------------------------------------

class Item:
    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return self.x == other.x

    def __lt__(self, other):
        return self.x < other.x

    def __hash__(self):
        return self.x

    def __getitem__(self, i):
        return self.x + i

    def __call__(self, y):
        return self.x * y

    @property
    def double(self):
        return self.x * 2

    @staticmethod
    def static(x):
        return x + 1

    @classmethod
    def of(cls, x):
        return x - 1


ITEMS = [Item(i) for i in range(CALLS)]
FROM = {
    "map": lambda f: deque(map(f, range(CALLS)), maxlen=0),
    "sorted": lambda f: sorted(range(CALLS), key=f),
    "min": lambda f: min(range(CALLS), key=f),
    "filter": lambda f: deque(filter(f, range(CALLS)), maxlen=0),
    "reduce": lambda f: reduce(f, [0] * (CALLS + 1)),
    "partial": lambda f: deque(map(partial(f, 1), range(CALLS)), maxlen=0),
    "lru_cache": lambda f: deque(map(lru_cache(f), range(CALLS)), maxlen=0),
}


@pytest.mark.parametrize("way", FROM)
def test_c_code_comes_in_by_the_door(hook, way):
    f = opened(hook, make())
    assert ways_in(hook, lambda: FROM[way](f)) == {"entered": CALLS, "exits": 0, "returned": CALLS}


SLOTS = {
    "__eq__": lambda: ITEMS.index(ITEMS[-1]),
    "__lt__": lambda: max(ITEMS),
    "__hash__": lambda: deque(map(hash, ITEMS), maxlen=0),
    "__getitem__": lambda: [item[1] for item in ITEMS],
    "__call__": lambda: deque(map(ITEMS[1], ITEMS[0:0] + [1] * CALLS), maxlen=0),
    "static": lambda: deque(map(Item.static, range(CALLS)), maxlen=0),
}


@pytest.mark.parametrize("name", SLOTS)
def test_slots_come_in_by_the_door(hook, name):
    f = Item.__dict__[name]
    f = f.__func__ if isinstance(f, staticmethod) else f
    first(SLOTS[name])
    for _ in range(4):
        SLOTS[name]()
    assert hook._has_door(f)
    assert ways_in(hook, SLOTS[name])["entered"] >= CALLS - 1


def test_a_class_method_and_a_property_come_in_by_the_door(hook):
    first(lambda: (Item.of(1), ITEMS[0].double))
    for _ in range(CALLS):
        Item.of(1), ITEMS[0].double
    assert hook._has_door(Item.of.__func__) and hook._has_door(Item.double.fget)


# --- given back -------------------------------------------------------------------------------

def run_caller(space, times=2000):
    space["f"](1)
    space["caller"](times)


def caller_of(f):
    space = {"f": f}
    exec("def caller(n):\n    for i in range(n):\n        f(i)\n", space)
    return space


def test_disable_gives_call_sites_their_specialisation_back(hook):
    f = opened(hook, make())
    space = caller_of(f)
    run_caller(space)
    assert "CALL" in opcodes(space["caller"])
    jitpatch.disable()
    assert not hook._has_door(f)
    run_caller(space)
    assert "CALL_PY_WITH_DEFAULTS" in opcodes(space["caller"]) or "CALL_PY_GENERAL" in opcodes(space["caller"])


def test_disable_gives_exact_calls_and_properties_and_items_back(hook):
    space = {}
    exec("class A:\n"
         "    @property\n"
         "    def p(self): return 1\n"
         "    def __getitem__(self, i): return i\n"
         "def f(x): return x + 1\n"
         "def use(n):\n"
         "    a = A()\n"
         "    for i in range(n):\n"
         "        f(i); a.p; a[i]\n", space)
    first(lambda: space["use"](1))
    space["use"](200)
    for function in (space["f"], space["A"].p.fget, space["A"].__getitem__):
        assert hook._has_door(function)
    space["use"](3000)
    jitpatch.disable()
    space["use"](6000)
    assert {"CALL_PY_EXACT_ARGS", "LOAD_ATTR_PROPERTY", "BINARY_SUBSCR_GETITEM"} <= set(opcodes(space["use"]))


CLOSED_BY = {
    "recursion": "sys.setrecursionlimit(5000); down = f(3, down=f); f(2000, down=f)",
    "a tool": "sys.settrace(lambda *event: None); f(1); sys.settrace(None)",
    "unusual calls": "for _ in range(300): f(**named)",
    "resting": "hook._leave_alone(*jitpatch.executors(f))",
}


@pytest.mark.parametrize("reason", CLOSED_BY)
def test_call_sites_specialise_again_after(hook, reason):
    space = {"sys": sys, "hook": hook, "jitpatch": jitpatch, "named": {Name("x"): 2}}
    exec("def f(x, down=None): return 1 if down is None or x == 0 else down(x - 1, down)\n"
         "def caller(n):\n    for i in range(n):\n        f(i, None)\n", space)
    first(lambda: space["f"](1))
    call(space["f"])
    assert hook._has_door(space["f"])
    space["caller"](3000)
    assert "CALL" in opcodes(space["caller"])
    limit = sys.getrecursionlimit()
    try:
        exec(CLOSED_BY[reason], space)
    finally:
        sys.setrecursionlimit(limit)
    assert not hook._has_door(space["f"])
    hook.set_param("doors", 0)              # it is not to open again
    space["caller"](6000)
    assert "CALL_PY_EXACT_ARGS" in opcodes(space["caller"])


def test_enabled_again_it_opens_again(hook):
    f = opened(hook, make())
    jitpatch.disable()
    call(f)
    assert not hook._has_door(f)
    jitpatch.enable(**OPTIONS)
    opened(hook, f)


@pytest.mark.parametrize("change", ["f.__code__ = (lambda x, y: x - y).__code__", "f.__defaults__ = (7,)",
                                    "f.__kwdefaults__ = {}", "f.__defaults__ = None; f.__defaults__ = (7,)"])
def test_a_change_of_the_function_closes_it(hook, change):
    f = opened(hook, make())
    exec(change)
    assert not hook._has_door(f)
    expected = 8 if "kwdefaults" in change else -5 + 2 * 5 if "code" in change else 15
    assert f(2) == {"code": -1}.get("code" if "code" in change else "", 7 if "kwdefaults" in change else expected)


def test_it_opens_again_for_the_new_code(hook):
    f = opened(hook, make())
    f.__code__ = (lambda x, y: x - y).__code__
    opened(hook, f)
    assert f(9) == 6 and [*map(f, range(3))] == [-3, -2, -1]


def test_a_tracer_closes_it_at_the_next_call(hook):
    f = opened(hook, make())
    seen = []
    sys.settrace(lambda frame, event, arg: seen.append(frame.f_code.co_name))
    try:
        f(1)
    finally:
        sys.settrace(None)
    assert "f" in seen and not hook._has_door(f)
    opened(hook, f)


def test_a_tool_that_listens_to_this_code_closes_it(hook):
    f = opened(hook, make())
    seen, monitoring = [], sys.monitoring
    monitoring.use_tool_id(3, "test")
    try:
        monitoring.register_callback(3, monitoring.events.PY_START, lambda code, at: seen.append(code.co_name))
        monitoring.set_local_events(3, f.__code__, monitoring.events.PY_START)
        [*map(f, range(4))]
        assert seen == ["f"] * 4 and not hook._has_door(f)
    finally:
        monitoring.set_local_events(3, f.__code__, 0)
        monitoring.free_tool_id(3)


def test_without_its_traces_it_is_closed(hook):
    f = opened(hook, make())
    for executor in jitpatch.executors(f):
        hook._retire(executor)
    f(1)
    assert not hook._has_door(f) and f(2) == 7


def test_what_rests_is_closed(hook):
    f = opened(hook, make())
    [executor] = jitpatch.executors(f)
    hook._leave_alone(executor)
    assert not hook._has_door(f)


def test_a_function_called_in_unusual_ways_most_of_the_time_loses_it_for_good(hook):
    f = opened(hook, make())
    named = {Name("x"): 2}              # a name that may have any ==
    for _ in range(2000):
        assert f(**named) == 7
    assert not hook._has_door(f)
    call(f)
    assert not hook._has_door(f)


def test_unusual_calls_now_and_then_are_no_reason(hook):
    f = opened(hook, make())
    named = {Name("x"): 2}
    for i in range(3000):
        f(2), f(2), f(2), f(2)
        if i % 2:
            f(**named)
    assert hook._has_door(f)


def test_functions_that_die_leave_nothing_behind(hook):
    f = opened(hook, make())
    f.itself = f
    before = hook._count_doors()
    del f
    gc.collect()
    assert hook._count_doors() == before - 1


def test_recursion_is_as_deep_as_without_and_gives_the_door_back_until_it_is_over(hook):
    space = {}
    exec("def down(n):\n    return 0 if n == 0 else 1 + call(down, n)\n"
         "def call(f, n):\n    return f(n - 1)\n", space)
    down, limit = space["down"], sys.getrecursionlimit()
    first(lambda: call(down, 1, 3))
    call(down, 200, 3)
    assert hook._has_door(down)
    sys.setrecursionlimit(60000)
    try:
        assert [down(25000) for _ in range(3)] == [25000] * 3
    finally:
        sys.setrecursionlimit(limit)
    call(down, 200, 3)
    with pytest.raises(RecursionError):
        down(5000)


def test_threads_with_small_stacks_recurse_as_deep(hook):
    space = {}
    exec("def down(n, f):\n    return 0 if n == 0 else 1 + f(n - 1, f)\n", space)
    down, results = space["down"], []
    first(lambda: down(3, down))
    for _ in range(200):
        down(3, down)
    old, limit = threading.stack_size(256 * 1024), sys.getrecursionlimit()
    sys.setrecursionlimit(6000)
    try:
        thread = threading.Thread(target=lambda: results.append(down(5000, down)))
        thread.start()
        thread.join()
    finally:
        threading.stack_size(old)
        sys.setrecursionlimit(limit)
    assert results == [5000]


def test_a_signal_is_served_while_c_code_calls_the_function(hook):
    f = opened(hook, make())

    class Stop(Exception):
        pass

    def handler(number, frame):
        raise Stop

    old = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Stop):
            deque(map(f, repeat(1)), maxlen=0)
    finally:
        signal.signal(signal.SIGALRM, old)


def test_another_thread_gets_its_turn_while_c_code_calls_the_function(hook):
    f, done = opened(hook, make()), []

    def until():
        for x in repeat(1):
            if done:
                return
            yield x

    thread = threading.Thread(target=lambda: done.append(1))
    thread.start()
    deque(map(f, until()), maxlen=0)
    thread.join()
    assert done == [1]


# --- found by samples ---------------------------------------------------------------------------

SAMPLED = """
import sys, jitpatch
from jitpatch import _jitpatch
jitpatch.enable()
def work(x):
    t = 0
    for i in range(20):
        t += i * x & 7
    return t
def small(x):
    return x
total = 0
for _ in range(2000):
    if _jitpatch._has_door(work):
        break
    total += sum(map(work, range(2000))) + sum(map(small, range(50)))
before = jitpatch.stats().entered
sum(map(work, range(1000)))
print(jitpatch.stats().entered - before >= 900, _jitpatch._has_door(small))
"""


def test_what_samples_find_to_pay_gets_one_and_what_does_not_has_none():
    done = subprocess.run([sys.executable, "-P", "-c", SAMPLED], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.returncode) == ("True False\n", 0), done.stderr


# --- other interpreters ---------------------------------------------------------------------------

INTERPRETERS = """
import _interpreters, threading
import jitpatch
from jitpatch import _jitpatch
jitpatch.enable(threshold=10**9, call_threshold=20, sample=0)
def f(x, y=3): return x * y + 1
[f(i) for i in range(100)]
assert _jitpatch._has_door(f)
kinds = [_interpreters.create(kind) for kind in ("legacy", "isolated")]
source = "def f(x, y=3): return x * y - 1\\nassert sum(map(f, range(30000))) == 3 * 30000 * 29999 // 2 - 30000"
threads = [threading.Thread(target=_interpreters.run_string, args=(kind, source)) for kind in kinds]
before = jitpatch.stats().entered
[thread.start() for thread in threads]
total = rounds = 0
while rounds < 20 or any(thread.is_alive() for thread in threads):
    total += sum(map(f, range(1000))) + f(1, y=2)
    rounds += 1
for kind in kinds:
    _interpreters.run_string(kind, "pass")
    total += f(1) - 4
assert total == rounds * (3 * 500 * 999 + 1000 + 3), (total, rounds)
assert jitpatch.stats().entered - before >= rounds * 1001 and _jitpatch._has_door(f)
[thread.join() for thread in threads]
[_interpreters.destroy(kind) for kind in kinds]
print(f(1), jitpatch.is_active())
"""


def test_other_interpreters_in_other_threads_go_on_beside_doors():
    done = subprocess.run([sys.executable, "-P", "-c", INTERPRETERS], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.returncode) == ("4 True\n", 0), done.stderr


# --- stacks that are switched -------------------------------------------------------------------

def test_a_function_that_switches_stacks_loses_its_door_for_good(hook):
    greenlet = pytest.importorskip("greenlet")
    space = {}
    exec("def f(x):\n    return x() + 1\n", space)
    f = space["f"]
    first(lambda: f(int))
    call(f, CALLS, int)
    assert hook._has_door(f)
    main = greenlet.getcurrent()
    running = [greenlet.greenlet(lambda: f(lambda: main.switch(0))) for _ in range(5)]
    assert [g.switch() for g in running] == [0] * 5 and [g.switch(k) for k, g in enumerate(running)] == [1, 2, 3, 4, 5]
    assert not hook._has_door(f)
    call(f, CALLS, int)
    assert not hook._has_door(f) and f(int) == 1


# --- when arguments die -------------------------------------------------------------------------

FORMS = ["f(Loud())", "f(Loud(), 1)", "f(x=Loud())", "f(Loud(), y=1)", "f(*(Loud(),))", "f(*(Loud(), 1))", "A().m()", "m()"]


@pytest.mark.parametrize("form", FORMS)
def test_an_argument_dies_when_the_function_drops_it(hook, form):
    space = {"log": []}
    exec("def f(x, y=0):\n    x = None\n    if y != 2: log.append('dropped')\n    return y\n"
         "class Loud:\n    def __del__(self): log.append('gone')\n"
         "class A(Loud):\n    m = f\n"
         f"def use():\n    m = A().m\n    log.clear()\n    {form}\n", space)
    f = space["f"]
    first(lambda: f(1))
    call(f, CALLS, 1, 2)
    assert hook._has_door(f)
    space["use"]()
    assert space["log"][:2] == (["dropped", "gone"] if form == "m()" else ["gone", "dropped"])
