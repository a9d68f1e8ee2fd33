"""Values that move from one variable to another, or to the stack, while the loop keeps them unboxed."""

from support import HOT


class Ints:
    """Iterates in Python, so that frames are brought up to date at each turn."""

    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return self

    def __next__(self):
        if self.n == 0:
            raise StopIteration
        self.n -= 1
        return self.n


def case_variable_saved_by_a_comprehension():
    def f(n):
        q = 3
        for i in Ints(n):
            {q % 3 for q in range(7)}
        return q

    print([f(n) for n in (2, 1, 3, 2, HOT, 5)])


def case_old_value_on_the_stack_while_the_variable_changes():
    def g(*args):
        return args

    def f(n):
        x, out = 1000, []
        for i in Ints(n):
            out.append(g(x, x := x + 1, len(str(x)), x))
        return out[-3:]

    print([f(n) for n in (2, 1, 3, 2, HOT, 5)])


def case_old_float_on_the_stack_while_the_variable_changes():
    def f(n):
        x, out = 0.5, None
        for i in Ints(n):
            out = [x, (x := x + 1.5), hash(str(x)) == hash(str(x)), x]
        return out

    print([f(n) for n in (2, 1, 3, 2, HOT, 5)])


def case_copy_of_a_later_variable_in_an_earlier_one():
    def f(n, last, copy=None):
        value = 0.25 * n
        i = 0
        while i < n:
            i += 1
            copy = value
            if i == last:
                break
        return copy

    kept = [f(n, last) for n in (HOT, 3, 4, 5, 6, HOT) for last in (1, 2, 3, 4, HOT)]
    fresh = [0.5 + n for n in range(50)]        # what was freed too early is written over
    print(kept, sum(fresh))


def case_one_unmade_object_in_two_variables():
    def ints(n, k=5):
        for j in (int(n), 2, 3, 4, 5):
            for i in range(2**30 - 10, 2**30 + n):
                k = i
        return i, k

    def floats(n, k=5.5):
        x = 0.25
        for j in (n, 2, 3, 4, 5):
            i = 0
            while i < n:
                i += 1
                x += 1.5
                k = x
        return x, k

    def pairs(n, p=None):
        a, b = 10**6, 0.5
        for j in (n, 2, 3, 4, 5):
            i = 0
            while i < n:
                i += 1
                a += 1
                b += a
                p = a, a, b
                q = p
        return a, b, p, q

    kept = [f(n) for n in (3, 40, 5, HOT) for f in (ints, floats, pairs)]
    fresh = [(2**30 + n, 0.5 + n) for n in range(50)]
    print(kept, sum(a for a, b in fresh))


def case_two_names_of_one_object_that_each_get_another():
    """When the branch is compiled, for its own, one name is known from the loop and the other is in memory."""

    def longer(turns, least):
        whole = raw = other = "-"
        for i in range(turns):
            line = lines[i]
            raw = whole
            if i % 5 > least:
                whole = line + whole
                other = line + other        # where the old string was, if it is gone
                raw = line + raw
                if raw != whole:
                    print("differ", i, raw, whole)
                if len(whole) > 60:
                    whole = other = "-"
        return raw, whole, other

    def more(turns, least, start, step):
        whole = raw = start
        other = start * 3
        for i in range(turns):
            raw = whole
            if i % 5 > least:
                whole = whole + step
                other = other + step
                raw = raw + step
                if raw != whole:
                    print("differ", i, raw, whole)
        return raw, whole, other

    lines = [f"line {i}, " for i in range(HOT)]
    for least in (5, 2, 3, 1, 2):
        print(longer(HOT, least), more(HOT, least, 2**100, 1), more(HOT, least, 0.5, 1.5))
