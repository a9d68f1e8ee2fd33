"""Identity of objects, when they die, how often they are referred to."""

import gc
import sys
import weakref

from support import HOT


class Thing:
    def __init__(self, name=None):
        self.name = name


class Grave:
    """Says when it dies."""

    log = []

    def __init__(self, name):
        self.name = name

    def __del__(self):
        Grave.log.append(self.name)


def case_aliases_stay_identical():
    x = y = 1000.5
    same = 0
    for i in range(HOT):
        y = x
        z = y
        same += (x is y) + (y is z) + (z is x)
        x = x + 1.0
        same += 10 * (x is y)
    print(same, x is z)


def case_ints_are_new_objects_unless_small():
    out = []
    for i in range(HOT):
        a = i + 1000
        b = i + 1000
        c = i % 200
        d = i % 200
        out.append((a is b, c is d, a == b))
    print(out[0], out[-1], len(set(out)))


def case_loop_variable_is_the_object_that_was_stored():
    kept = []
    for i in range(HOT):
        kept.append(i)
        last = i
    print(kept[-1] is last, kept[-1] is i, kept[300] is i)


def case_list_elements_keep_their_identity():
    floats = [float(i) for i in range(HOT)]
    found = 0
    for i, f in enumerate(floats):
        found += f is floats[i]
        floats[i] = f
        found += floats[i] is f
    print(found)


def case_constants_are_one_object():
    previous, same = None, 0
    for i in range(HOT):
        c = 12345678901234567890
        t = (1, 2, "three")
        same += (c is previous)
        previous = c
    print(same, t)


def case_swapped_objects():
    a, b = Thing("a"), Thing("b")
    first = a
    for i in range(HOT + 1):
        a, b = b, a
    print(a.name, b.name, b is first, a is first)


def case_identity_through_calls_and_attributes():
    def through(x):
        return x

    holder, hits = Thing(), 0
    for i in range(HOT):
        x = i * 1.5
        holder.name = x
        hits += (through(x) is x) + (holder.name is x) + (holder.name is through(holder.name))
        xs = [x]
        hits += xs[0] is x
        hits += (x, 1)[0] is x
    print(hits)


def case_id_is_stable_while_alive():
    x = 10**20
    start, stable = id(x), 0
    for i in range(HOT):
        stable += id(x) == start
        y = x
    print(stable, id(y) == start)


def case_operation_that_returns_its_operand():
    """CPython gives the same object back from some operations; programs can see it."""
    t, s, i, f = (1, 2), "text", 10**20, 2.5
    hits = [0] * 8
    for _ in range(HOT):
        hits[0] += t[:] is t
        hits[1] += s[:] is s
        hits[2] += (+i) is i
        hits[3] += (+f) is f
        hits[4] += (s + "") is s
        hits[5] += str(s) is s
        hits[6] += float(f) is f
        hits[7] += (i + 0) is i
    print(hits)


def case_del_runs_at_rebinding():
    Grave.log.clear()
    x = None
    for i in range(HOT):
        x = Grave(i)
        if i % 100 == 0:
            Grave.log.append("turn")
    Grave.log.append("end")
    x = None
    print(len(Grave.log), Grave.log[:6], Grave.log[-4:])


def case_temporaries_die_at_once():
    Grave.log.clear()
    for i in range(HOT):
        Grave(i)
        Grave.log.append(-i)
        len([Grave("l")])
        Grave.log.append("after")
    print(len(Grave.log), Grave.log[:8], Grave.log[-5:])


def case_arguments_die_after_the_call():
    def use(g):
        Grave.log.append(("in", g.name))

    Grave.log.clear()
    for i in range(HOT):
        use(Grave(i))
        Grave.log.append("after")
    print(Grave.log[:6], Grave.log[-6:])


def case_callee_locals_die_at_return():
    def work(i):
        local = Grave(i)
        return i

    Grave.log.clear()
    for i in range(HOT):
        work(i)
        Grave.log.append("back")
    print(Grave.log[:4], Grave.log[-4:], len(Grave.log))


def case_attribute_overwrite_kills_the_old_value():
    Grave.log.clear()
    holder = Thing()
    for i in range(HOT):
        holder.name = Grave(i)
        Grave.log.append("set")
    del holder
    print(Grave.log[:4], Grave.log[-3:], len(Grave.log))


def case_list_and_dict_overwrite_kill_the_old_value():
    Grave.log.clear()
    xs, d = [None], {}
    for i in range(HOT):
        xs[0] = Grave(("x", i))
        d["k"] = Grave(("d", i))
        xs[0:1] = [Grave(("s", i))]
    print(Grave.log[:6], Grave.log[-3:], len(Grave.log))


def case_del_that_changes_the_loop_list():
    xs = [0] * 3

    class Writer:
        def __del__(self):
            xs[0] += 1
            xs.append(None) if len(xs) < 10 else None

    total = 0
    for i in range(HOT):
        w = Writer()
        total += xs[0]
    w = None
    print(total, xs)


def case_del_that_rebinds_a_global():
    global_scope = globals()
    global_scope["level"] = 0

    class Raise:
        def __del__(self):
            global_scope["level"] += 1

    out = []
    for i in range(HOT):
        r = Raise()
        out.append(level)
    r = None
    print(out[:4], out[-2:], level)


def case_del_that_raises_is_reported():
    reported = []
    sys.unraisablehook = lambda args: reported.append((type(args.exc_value).__name__, str(args.exc_value)))

    class Bad:
        def __init__(self, i):
            self.i = i

        def __del__(self):
            if self.i % 100 == 0:
                raise ValueError(self.i)

    for i in range(HOT):
        Bad(i)
    sys.unraisablehook = sys.__unraisablehook__
    print(reported)


def case_weakref_dies_with_its_object():
    out = []
    for i in range(HOT):
        t = Thing(i)
        ref = weakref.ref(t)
        before = ref() is t
        del t
        out.append((before, ref() is None))
    print(out[0], len(set(out)))


def case_weakref_callbacks_in_order():
    log = []
    for i in range(HOT):
        t = Thing(i)
        ref = weakref.ref(t, lambda r, i=i: log.append(i))
        keep = ref
        t = None
        log.append("after")
    print(log[:4], log[-2:], len(log))


def case_weak_dictionary_in_a_loop():
    d = weakref.WeakValueDictionary()
    sizes = []
    for i in range(HOT):
        t = Thing(i)
        d[i] = t
        sizes.append(len(d))
    print(max(sizes), sizes[-1])


def case_cycles_are_collected_inside_a_loop():
    gc.disable()
    refs = []
    for i in range(HOT):
        t = Thing()
        t.name = t
        refs.append(weakref.ref(t))
        t = None
        if i % 100 == 99:
            alive = sum(r() is not None for r in refs)
            gc.collect()
            print(alive, sum(r() is not None for r in refs))
    gc.enable()


def case_collection_thresholds_reached_in_a_loop():
    gc.collect()
    gc.set_threshold(50, 5, 5)
    refs = []
    for i in range(HOT * 3):
        t = Thing()
        t.name = [t]
        refs.append(weakref.ref(t))
    t = None
    gc.collect()
    print(sum(r() is not None for r in refs))


def case_refcounts_after_the_loop():
    # No constants of this code: a trace keeps those it names alive.
    things = [Thing(), [1], {"k": 2}, tuple([1, 2.5]), int("1" * 25), float("2.25"), "".join(["word", "s"])]
    holder = Thing()

    def touch(x, y=None):
        z = x
        return z

    before = list(map(sys.getrefcount, things))
    for i in range(HOT):
        for t in things:
            holder.name = t
            a, b = t, touch(t, y=t)
            pair = (a, b)
            xs = [t, *pair]
            d = {"t": t, **{"u": a}}
            xs[0] = b
            s = xs[1:]
            if t is not b:
                print("never")
    holder.name = a = b = pair = xs = d = s = t = None
    print([after - b for after, b in zip(list(map(sys.getrefcount, things)), before)])


def case_refcounts_after_an_exception():
    things = [Thing(), [1], int("1" + "0" * 25)]
    before = list(map(sys.getrefcount, things))

    def f(a, b):
        c = [a, b]
        return c[a.__class__ is int and 7 or 0] / 1

    for i in range(HOT):
        for t in things:
            try:
                x = [t, f(t, t), t]
            except TypeError:
                pass
            except IndexError:
                pass
    x = t = None
    print([after - b for after, b in zip(list(map(sys.getrefcount, things)), before)])


def case_refcount_seen_inside_the_loop():
    """Not more than without the JIT; fewer are allowed, since counts of locals may be left out."""
    t = Thing()
    counts = set()
    for i in range(HOT):
        a = t
        xs = [a]
        counts.add(sys.getrefcount(t))
    print(1 < min(counts) <= max(counts) <= 4)


def case_refcount_of_function_arguments_seen_by_the_callee():
    def count(x):
        return sys.getrefcount(x)

    t, known, new = Thing(), set(), set()
    for i in range(HOT):
        known.add(count(t))
        new.add(count(Thing()))
    print(1 < min(known) <= max(known) <= 3, 0 < min(new) <= max(new) <= 2)


def case_memory_does_not_grow():
    def work():
        total = 0.0
        for i in range(HOT):
            total += i * 1.5
            x = [i, total]
            d = {"a": x}
        return total

    for _ in range(8):                  # until what start-up compiled has aged, and all of this is
        for _ in range(10):
            work()
        gc.collect()
    grown = []
    for _ in range(4):                  # a tree may still grow in some of them (force_exit), up to its limit
        before = sys.getallocatedblocks()
        for _ in range(1500):
            work()
        gc.collect()
        grown.append(sys.getallocatedblocks() - before)
    print(min(grown) < 1000)            # traces come and go; one block a call would show


def case_order_of_deaths_at_loop_end():
    Grave.log.clear()

    def f():
        a, b = Grave("a"), Grave("b")
        for i in range(HOT):
            c = Grave("c") if i == HOT - 1 else None
            d = (a, b, c)
        del a
        return i

    f()
    print(Grave.log)


def case_del_sees_a_consistent_frame():
    seen = []

    class Look:
        def __del__(self):
            frame = sys._getframe(1)
            seen.append((frame.f_lineno - frame.f_code.co_firstlineno, frame.f_locals.get("i"), frame.f_locals.get("total")))

    def f():
        total = 0
        for i in range(HOT):
            total += i
            x = Look()
            total += 1
        return total

    print(f(), seen[:3], seen[-2:], len(seen))


def case_string_interning_and_single_characters():
    text, hits = "abcabc" * 20, 0
    for i in range(HOT):
        hits += text[i % 120] is text[(i + 3) % 120]
        hits += sys.intern("k" + str(i % 3)) is sys.intern("k" + str(i % 3))
    print(hits)


def case_none_true_false_are_singletons():
    hits = 0
    for i in range(HOT):
        hits += (i > 5) is True
        hits += (i == -1) is False
        hits += print is not None
        x = None
        hits += x is None
    print(hits)


def case_resurrection():
    saved = []

    class Phoenix:
        def __del__(self):
            if len(saved) < 5:
                saved.append(self)

    for i in range(HOT):
        Phoenix()
    print(len(saved))


def case_exit_inside_an_init_keeps_counts():
    class Node:
        def __init__(self, i):
            self.i = i
            if i % 7 == 3:
                self.odd = True
            self.last = 10 // (i - 350) if i > 345 else i

    live = []
    for i in range(HOT):
        try:
            node = Node(i)
        except ZeroDivisionError:
            print("at", i)
        if i % 5 == 0:
            live.append(weakref.ref(node))
            live.append(node)
    del node
    print(set(map(sys.getrefcount, live[1::2])), [r().i for r in live[::2]] == [n.i for n in live[1::2]])
    refs = live[::2]
    del live
    print(sum(r() is not None for r in refs))


def case_counts_of_what_three_frames_hold():
    class Box:
        pass

    def inner(s):
        return s.startswith("x")

    def outer(s, box):
        inner(s)
        box.s = s

    text, box = "".join(["x", "y"]), Box()
    for i in range(HOT):
        outer(text, Box())
    print(sys.getrefcount(text))


def case_arrays_bytes_and_sets_by_index_and_length():
    from array import array

    numbers, data, text, seen = array("d", [0.0] * 8), bytearray(8), "abcdefgh", set()
    total = 0
    for i in range(HOT):
        numbers[i % 8] = i / 2
        data[i % 8] = i % 256
        seen.add(text[i % 8])
        total += len(seen) + len(data) + data[i % 8]
        try:
            numbers[i % 9] = 1.5
        except IndexError as error:
            total += len(str(error))
    print(numbers, data, total, sorted(seen))


def case_init_with_a_loop_inside():
    class Tally:
        def __init__(self, n):
            self.total = 0
            for i in range(n):
                self.total += i

    made = []
    for i in range(HOT):
        made.append(Tally(5 + i % 60))
    print(set(map(sys.getrefcount, made)), sum(t.total for t in made))
    refs = [weakref.ref(t) for t in made]
    made = None
    t = None
    print(sum(r() is not None for r in refs))


def case_descriptor_with_set_alone_does_not_hide_the_instance():
    class Doubled:
        def __set__(self, obj, value):
            obj.__dict__["x"] = value * 2

    class A:
        x = Doubled()

    a, total = A(), 0
    for i in range(HOT):
        a.x = i
        total += a.x
    print(total)


def case_destructor_in_every_turn():
    # What a loop frees each turn runs the program's code: seen in order, at the right line, with the right variables.
    log = []

    class Loud:
        def __init__(self, number):
            self.number = number

        def __del__(self):
            log.append(self.number + total[0])

    def made(number):
        loud = Loud(number)
        return loud.number

    total = [0]

    def turns(n):
        for i in range(n):
            x = Loud(i)
            total[0] += made(i)
            x = None
            [Loud(-i), Loud(i)]
            y = Loud(7)
        return x is None and y.number

    print(turns(HOT), len(log), sum(log), log[-8:])

    class Looker:
        def __del__(self):
            frame = sys._getframe(1)
            log.append((frame.f_lineno - frame.f_code.co_firstlineno, frame.f_locals["i"]))

    def looked_at(n):
        for i in range(n):
            x = Looker()
            x = i
        return x

    del log[:]
    print(looked_at(HOT), len(log), log[-2:], len(set(line for line, _ in log)))

    class Stopper:
        def __init__(self, number):
            self.number = number

        def __del__(self):
            if self.number == HOT - 20:
                stop[0] = True

    stop = [False]

    def until_stopped(n):
        for i in range(n):
            x = Stopper(i)
            x = None
            if stop[0]:
                return i

    print(until_stopped(HOT))


def case_objects_whose_end_is_noticed_each_turn():
    # Their destructors look at the frame that lets them go, and change what its loop uses.
    log, limit = [], [10**9]

    class Noisy:
        def __init__(self, n):
            self.n = n

        def __del__(self):
            frame = sys._getframe(1)
            log.append((self.n, frame.f_lineno - frame.f_code.co_firstlineno, frame.f_locals.get("i")))
            if self.n == HOT - 5:
                limit[0] = 3

    def turn(i):
        noisy = Noisy(i)
        noisy = None
        return i + 1

    def run():
        total, last = 0, None
        for i in range(HOT):
            if i > limit[0]:
                break
            last = Noisy(i)
            total += turn(-i)
            if i % 3 == 0:
                last = None
        return total

    print(run(), len(log), log[:4], log[-6:])
    print(hash(tuple(log)) == hash(tuple(log)), sum(n for n, _, _ in log), {line for _, line, _ in log})


def case_weak_references_to_what_goes_each_turn():
    gone = []

    class Thing:
        pass

    for i in range(HOT):
        thing = Thing()
        ref = weakref.ref(thing, lambda r, i=i: gone.append(i))
        if i % 5 == 0:
            ref = None
    print(len(gone), gone[:5], gone[-3:], ref() is thing)


def case_a_destructor_that_raises_or_rebinds():
    class Bad:
        def __del__(self):
            global rebound
            rebound = rebound + 1
            if rebound % 100 == 0:
                raise ValueError("ignored")

    caught = []
    hook, sys.unraisablehook = sys.unraisablehook, lambda info: caught.append(str(info.exc_value))
    total = 0
    try:
        for i in range(HOT):
            bad = Bad()
            total += rebound
    finally:
        sys.unraisablehook = hook
    print(total, caught, rebound)


rebound = 0


def case_decimals_that_go_each_turn():
    from decimal import Decimal

    class Loud(Decimal):
        def __del__(self):
            gone.append(str(self))

    gone, total, step = [], Decimal(0), Decimal("0.1")
    for i in range(HOT):
        price = step * i
        tax = price.quantize(step)
        total += price + tax
        if i > HOT - 4:
            price = Loud(i)
    print(total, gone)


def case_classes_die_although_compiled_code_has_met_them():
    def total_of(objects):
        total = 0
        for one in objects:
            one.number += one.doubled()
            total += one.number
        return total

    def visit(turns):
        class Local:
            def __init__(self, number):
                self.number = number

            def doubled(self):
                return self.number * 2

        gone = []
        watched = weakref.ref(Local, lambda _: gone.append("gone"))
        total = total_of(list(map(Local, range(turns))))
        del Local
        gc.collect()
        return total, gone, watched() is None

    print([visit(turns) for turns in (1, 2, 3, 5, HOT, HOT, 3)])


def case_classes_made_in_hot_code_die():
    def make():
        class Local:
            def f(self):
                return 1

        watched = [weakref.ref(Local), weakref.ref(Local.f)]
        for one in watched:
            assert one() is not None
        del Local
        gc.collect()
        return [one() is None for one in watched]

    print([make() for _ in range(12)])
