"""What the interpreter grows in place because nobody else has it, and what must not be: somebody has."""

import sys

from support import HOT, tell


def case_string_grown_in_a_loop():
    s, t = "", "é"
    for i in range(HOT):
        s += "ab"
        t = t + str(i)
        if i % 7 == 3:
            s += "\u0394"
        if i == HOT - 2:
            t += "\U0001f600"
    print(s, t)


def case_string_somebody_else_has():
    class Holder:
        pass

    holder, kept, packed, keys, s = Holder(), [], (), {}, "-"
    holder.s = ""
    for i in range(HOT):
        before = s
        s += "x"
        if i % 9 == 0:
            kept.append(s)
        if i % 11 == 1:
            holder.s = s
        if i % 13 == 2:
            packed = (s, i)
        if i % 17 == 3:
            keys[s] = i
        s += "y"
        if len(s) > 40:
            s = ""
        if i % 19 == 0:
            print(before, holder.s, packed)
    print(kept, list(keys.items()))


def case_string_in_another_variable():
    s = other = ""
    for i in range(HOT):
        other = s
        s += "a"
        if i % 3:
            other += "b"
        if i % 50 == 0:
            print(len(s), other)
            s = other
    both = s
    for i in range(HOT):
        both = both + "c"
        if i % 40 == 0:
            s, both = both, s
    print(s, both)


def case_string_in_a_variable_that_the_loop_knows_and_a_branch_does_not():
    """Where the branch is compiled for its own, `before` is known from the loop and `s` is in memory."""

    def grow(least):
        s, before, seen = "-", "", []
        for i in range(HOT):
            before = s
            if i % 5 > least:
                s += "abc"
                before = "." + before
                seen.append(before)
                if len(s) > 60:
                    s = "-"
        return s, before, seen

    for least in (5, 2, 3, 1, 2):
        print(grow(least))


def case_tuple_or_list_in_a_variable_that_the_loop_knows_and_a_branch_does_not():
    def grow(least, start):
        s, before, seen = start, start, []
        for i in range(HOT):
            before = s
            if i % 5 > least:
                s = s + before[:2]
                before = start + before
                seen.append(len(before))
                if len(s) > 60:
                    s = start
        return s, before, seen

    for least in (5, 2, 3, 1, 2):
        print(grow(least, (1, 2, 3)), grow(least, [1, 2, 3]))


def case_string_borrowed_from_a_container():
    items, table, pair = ["a", "b", "c"], {"k": "d"}, ("e" * 3, "f")

    class C:
        attr = "g"

        def __init__(self):
            self.slot = "h" * 2

    o = C()
    for i in range(HOT):
        s = items[i % 3]
        s += "1"
        t = table["k"]
        t += "2"
        u = pair[0]
        u += "3"
        v = o.slot
        v += "4"
        w = C.attr
        w += "5"
        if i % 20 == 0:
            items[i % 3] = s
            table["k"] = t
            o.slot = v
            pair = (u, w)
    print(items, table, pair, o.slot, C.attr)


SHARED = "global"


def case_string_of_a_global_a_cell_and_an_argument():
    def outer(start, default="dd"):
        free = start

        def inner(i):
            nonlocal free
            local = free
            local += "!"
            if i % 30 == 0:
                free = local
            d = default
            d += "?"
            return local, d

        for i in range(HOT):
            got = inner(i)
            start += "s"
        return got, free, default, len(start)

    def arg(s, t):
        s += t
        return s

    mine = "m" * 3
    for i in range(HOT):
        g = SHARED
        g += "x"
        got = arg(mine, "n")
        mine = arg(mine, "") if i % 2 else mine
    print(outer("st" * 2), SHARED, g, mine, got)


def case_string_that_is_its_own_operand():
    s = "ab"
    for i in range(HOT):
        s += s
        if len(s) > 100:
            s = "ab"
        t = s
        t += s
        s = str(s) + "."
    print(len(s), t)


def case_string_of_one_letter_or_none():
    s = e = ""
    for i in range(HOT):
        e += ""
        one = "abc"[i % 3]
        one += ""
        two = ""
        two += "abc"[i % 3]
        s += one
        s += two
        two += "z"
    print(s, e is "", "abc"[0], "a", "b", sep="|")


def case_string_in_a_dict_as_key_stays():
    d = {}
    for i in range(HOT):
        k = "key" + str(i % 5)
        d[k] = i
        k += "more"
        k += "!"
        if i % 8 == 0:
            d[k] = i
    print(d)


def case_string_that_meets_another_type():
    class S(str):
        def __add__(self, other):
            return "add"

        def __radd__(self, other):
            return "radd"

    s, seen = "", []
    for i in range(HOT):
        right = ("x", "y", S("z"), "w")[i % 4] if i % 50 == 7 else "v"
        try:
            s += right if i % 37 else i
        except TypeError as error:
            seen.append((i, len(s), s[-3:]))
            tell(error)
        if len(s) > 60:
            s = ""
        if i == HOT - 30:
            s = S("start")
    print(s, seen)


def case_string_unbound_in_a_handler():
    def build(n, bad):
        try:
            s = ""
            for i in range(n):
                s += "ab"
                s += str(10 // (bad - i))
        except ZeroDivisionError:
            return s
        finally:
            s += "."
        return s

    for k in range(60):
        print(len(build(30, 40)), build(20, k % 25))


def case_string_in_a_generator():
    def grow(n, sep):
        s = ""
        for i in range(n):
            s += str(i)
            if i % 5 == 4:
                yield s
                s += sep

    print([len(x) for x in grow(HOT, "--")][-5:])
    total = ""
    for x in grow(HOT, "+"):
        total += x[-4:]
        for y in grow(7, "/"):
            total += y
    print(total[-300:], len(total))
    print("|".join(grow(90, "*"))[-200:])


def case_string_in_a_function_that_returns_it():
    def page(n, cell):
        out = "<tr>"
        for j in range(n):
            out += "<td>" + str(j) + cell + "</td>"
        out += "</tr>"
        return out

    def line(s):
        s += "\n"
        return s

    text = ""
    for i in range(HOT):
        text += line(page(i % 6, "*"))
        text = line(text)
    print(len(text), text[-400:])


def case_string_seen_by_what_it_calls():
    def look(i):
        if i % 40 == 0:
            caller = sys._getframe(1)
            print(i, len(caller.f_locals["s"]), caller.f_locals["s"][-6:])
        return "abcdef"[i % 6]

    s = ""
    for i in range(HOT):
        s += look(i)
        s += "," if i % 10 else look(i) + ";"
    print(s)


def case_list_added_to_a_list():
    class Noisy:
        def __init__(self, n):
            self.n = n

        def __del__(self):
            print("gone", self.n)

    lists, kept = [], []
    part = [1, 2]
    for i in range(HOT):
        whole = [] if i % 20 == 0 else whole
        whole = whole + [i]
        whole = whole + part
        whole = whole + whole if i % 20 == 3 else whole
        if i % 15 == 0:
            kept.append(whole)
        if i % 50 == 0:
            whole = whole + [Noisy(i)]
        other = whole
        whole = whole + []
        if other is whole or other != whole:
            print("other")
        lists = lists + [len(whole)]
    print(len(lists), sum(lists), sys.getsizeof(lists), kept, part)


def case_list_that_somebody_walks():
    for turn in range(5):
        a = [1, 2, 3]
        seen = []
        for x in a:
            a = a + [x * 2]
            seen.append(x)
        b = list(range(40))
        for i in b:
            c = b
            b = b + [i]
            seen.append(len(c))
        print(a, seen, len(b))
    grid = [[0], [1]]
    for i in range(HOT):
        row = grid[i % 2]
        row = row + [i]
        if i % 100 < 3:
            grid[i % 2] = row
    print(grid)


def case_tuple_added_to_a_tuple():
    t, kept, parts = (), [], ((), (1,), (2, 3))
    for i in range(HOT):
        before = t
        t += (i,)
        t = t + parts[i % 3]
        if i % 21 == 0:
            kept.append(before)
            kept.append(t)
            t = t + ()
        if i % 60 == 59:
            t = parts[2]
    print(t, [len(k) for k in kept], kept[2], parts, sys.getsizeof(t))

    def args(*rest):
        rest += ("end",)
        return rest

    own = (1, 2)
    for i in range(HOT):
        got = args(*own)
        own = args(i) if i % 50 == 0 else own
    print(got, own)


def case_operands_of_the_wrong_type():
    seen, l, t = [], [0], (0,)
    for i in range(HOT):
        more = [i] if i % 90 else (i,)
        try:
            l = l + more
        except TypeError as error:
            seen.append(str(error))
        try:
            t += (i,) if i % 80 else [i]
        except TypeError as error:
            seen.append(str(error))
    print(len(l), len(t), sum(l), sum(t), seen)


def case_containers_changed_in_place():
    from array import array
    from collections import deque

    l, b, s, d, q, a = [], bytearray(), set(), {}, deque(maxlen=30), array("i")
    others = l, b, s, d, q, a
    text, raw = "", b""
    for i in range(HOT):
        l += [i]
        l += (i, i)
        l += "ab" if i % 50 == 0 else []
        b += b"xy"
        s |= {i % 37}
        s ^= {i % 11}
        d |= {i % 23: i}
        q += [i]
        a += array("i", [i])
        raw += b"z"
        text = text + "" + str(i % 3)
    print(len(l), l[-5:], len(b), sorted(s), d, list(q), len(a), len(raw), len(text))
    print(all(x is y for x, y in zip(others, (l, b, s, d, q, a))))


def case_locals_after_each_step():
    def step(i, stop):
        s, l, t = "a" * (i % 3), [i] * (i % 3), (i,) * (i % 3)
        for k in range(6):
            s += "b"
            l = l + [k]
            t += (k,)
            if k == stop:
                raise KeyError(dict(locals()))
        return s, l, t

    for i in range(HOT):
        try:
            got = step(i, i % 10)
        except KeyError as error:
            got = error.args
        if i % 37 == 0:
            print(got)


def case_what_a_container_keeps_is_not_taken_apart():
    """The only reference that is counted is the container's: the trace needs none for itself, but the count.
    (None in between: letting go of anything else could let go of the container, too.)"""
    def work(n, part, pair):
        grid, rows = [[k] * 3 for k in range(2)], [(k,) * 30 for k in range(2)]
        names, found = ["n" * 5 + str(k) for k in range(2)], 0
        row = cells = name = again = None
        for i in range(n):
            row = grid[0]
            row = row + part
            found += len(row)
            row = None
            cells = rows[1]
            cells = cells + pair
            found += len(cells)
            cells = None
            name = names[1]
            name += "x"
            again = names[1]
            found += len(again)
            again = None
            found += len(name)
            name = None
        return grid, rows, names, found

    for n in (3, HOT, HOT + 1):
        print(work(n, [7], (8, 9)))
