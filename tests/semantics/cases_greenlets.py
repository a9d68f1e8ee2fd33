"""Greenlets suspended in compiled loops, generators and recursion: the C stack under them is copied away and back."""

import sys

from support import HOT, tell

try:
    import greenlet
except ImportError:
    greenlet = None


def missing():
    if greenlet is None:
        print("greenlet is not installed")
    return greenlet is None


def parent(value=None):
    return greenlet.getcurrent().parent.switch(value)


def deep(d, at_the_end):
    if d == 0:
        return at_the_end()
    return deep(d - 1, at_the_end) + 1


def case_suspended_in_recursion():
    if missing():
        return
    total = 0
    for turn in range(40):
        all_of_them = [greenlet.greenlet(deep) for _ in range(6)]
        for g in all_of_them:
            g.switch(30 + turn % 7, lambda: parent(0))
        for g in (all_of_them[::-1] if turn % 2 else all_of_them):
            total += g.switch(turn)
        print(total, [g.dead for g in all_of_them])


def case_suspended_again_and_again():
    if missing():
        return

    def tree(d, log):
        if d == 0:
            log.append(parent(len(log)))
            return 1
        left = tree(d - 1, log)
        text = "x" * d
        text += "y"
        return left + tree(d - 1, log) + len(text)

    logs = [[] for _ in range(5)]
    running = []
    for log in logs:
        g = greenlet.greenlet(tree)
        g.switch(6, log)
        running.append(g)
    results, turn = [], 0
    while running:
        g = running[turn * 7 % len(running)]
        got = g.switch(turn)
        turn += 1
        if g.dead:
            running.remove(g)
            results.append(got)
    print(results, turn, [sum(log) for log in logs])


def case_suspended_in_loops():
    if missing():
        return

    def worker(n, step):
        total, text, items = 0, "", []
        for i in range(n):
            total += i * step
            text += str(i % 10)
            items = items + [i]
            if i % step == 0:
                total += parent((total, len(text)))
        return total, text[-5:], len(items)

    workers = [greenlet.greenlet(worker) for _ in range(4)]
    seen = 0
    for k, g in enumerate(workers):
        seen += g.switch(HOT, k + 1)[0]
    while any(not g.dead for g in workers):
        for g in workers:
            if not g.dead:
                got = g.switch(seen % 11)
                seen += got[0]
                if g.dead:
                    print(got)
    print(seen)


def case_switching_begins_late():
    """Traces were made when nothing switched yet."""
    if missing():
        return
    switching = False

    def maybe(i):
        return parent(i) if switching else i

    def worker(n):
        total = 0
        for i in range(n):
            total += maybe(i) or 0
        return total + deep(20, lambda: maybe(3))

    for _ in range(4):
        print(worker(HOT))
    switching = True
    workers = [greenlet.greenlet(worker) for _ in range(3)]
    got = [g.switch(HOT) for g in workers]
    for turn in range(HOT + 1):
        got = [g.switch(turn % 5) for g in workers]
    print(got, [g.dead for g in workers])
    switching = False
    print(worker(HOT))


def case_exceptions_thrown_in():
    if missing():
        return
    log = []

    def loop(n):
        total = 0
        for i in range(n):
            try:
                total += parent(total) or i
            except KeyError as error:
                total += 1000
                log.append(str(error))
            finally:
                total += 1
        return total

    def recursion(d):
        try:
            if d == 0:
                return parent("bottom")
            return recursion(d - 1) + 1
        except ValueError:
            log.append(d)
            if d % 3:
                raise
            return 100
        finally:
            log.append(-d)

    for turn in range(30):
        g = greenlet.greenlet(loop)
        g.switch(20)
        for i in range(20):
            got = g.throw(KeyError(i)) if i % 4 == 1 else g.switch(i)
        print(got, g.dead)
        g = greenlet.greenlet(recursion)
        g.switch(8 + turn % 3)
        try:
            print(g.throw(ValueError("thrown")) if turn % 2 else g.throw(TypeError("through")))
        except TypeError as error:
            if turn > 26:
                tell(error)
    print(len(log), log[-30:])


def case_left_suspended_and_dropped():
    if missing():
        return

    class Noisy:
        def __init__(self, n):
            self.n = n

        def __del__(self):
            print("gone", self.n)

    def keeps(d, noisy):
        try:
            return parent(d) if d == 0 else keeps(d - 1, noisy) + 1
        finally:
            if d % 4 == 0:
                print("out", d)

    for turn in range(25):
        g = greenlet.greenlet(keeps)
        g.switch(9, Noisy(turn))
        if turn % 2:
            print(g.switch(1))
        del g


def case_suspended_in_generators_and_their_consumers():
    if missing():
        return

    def numbers(n):
        text = ""
        for i in range(n):
            text += "ab"
            if i % 20 == 10:
                text += parent("n") or "-"
            yield i + len(text)

    def consumes(n):
        found = [sum(numbers(n)), len(list(numbers(n))), max(x for x in numbers(n))]
        for x in numbers(n):
            found[0] += x
        found.append(sorted(range(9), key=lambda k: (parent(k) or 0) - k))
        found.append("".join(str(x) for x in numbers(50)))
        return found

    workers = [greenlet.greenlet(consumes) for _ in range(3)]
    for g in workers:
        g.switch(HOT)
    turns = 0
    while any(not g.dead for g in workers):
        for g in workers:
            if not g.dead:
                got = g.switch("")
                turns += 1
                if g.dead:
                    print(str(got)[-300:])
    print(turns)


def case_frames_of_a_suspended_greenlet():
    if missing():
        return

    def outer(n):
        total = 0
        for i in range(n):
            total += inner(i)
        return total

    def inner(i):
        text = "t"
        text += str(i)
        got = parent(text)
        return got + len(text)

    g = greenlet.greenlet(outer)
    g.switch(HOT)
    for i in range(HOT - 1):
        frame = g.gr_frame
        if i % 30 == 0:
            print(frame.f_code.co_name, frame.f_locals, frame.f_back.f_code.co_name, frame.f_back.f_locals)
        g.switch(i)
    print(g.switch(0), g.dead)


def case_recursion_limit_in_greenlets():
    if missing():
        return

    def down(n):
        return down(n + 1)

    def limited():
        try:
            down(0)
        except RecursionError as error:
            parent(str(error))
        return deep(300, lambda: parent(5))

    for _ in range(4):
        all_of_them = [greenlet.greenlet(limited) for _ in range(3)]
        print([g.switch() for g in all_of_them])
        print([g.switch() for g in all_of_them])
        print([g.switch(k) for k, g in enumerate(all_of_them)])


def case_what_is_hot_is_entered_from_several_greenlets():
    if missing():
        return

    def shared(n, k):
        total = 0
        for i in range(n):
            total += i ^ k
            if i == n // 2 and k:
                total += parent(k)
        return total

    for turn in range(60):
        all_of_them = [greenlet.greenlet(shared) for _ in range(4)]
        first = [g.switch(50, k) for k, g in enumerate(all_of_them)]
        rest = [g.switch(7) if not g.dead else None for g in all_of_them]
        if turn % 10 == 0:
            print(first, rest, sys.getrefcount(all_of_them) < 5)
