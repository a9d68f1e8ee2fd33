"""Operators that classes implement in Python."""

import sys

from support import HOT, tell


class Vec:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __add__(self, other):
        if not isinstance(other, Vec):
            return NotImplemented
        return Vec(self.x + other.x, self.y + other.y)

    def __radd__(self, other):
        return Vec(self.x + other, self.y + other)

    def __mul__(self, k):
        return Vec(self.x * k, self.y * k)

    __rmul__ = __mul__

    def __neg__(self):
        return Vec(-self.x, -self.y)

    def __invert__(self):
        return self.x + self.y

    def __eq__(self, other):
        if not isinstance(other, Vec):
            return NotImplemented
        return self.x == other.x and self.y == other.y

    def __lt__(self, other):
        return self.x < other.x

    def __repr__(self):
        return f"Vec({self.x}, {self.y})"


class Bag:
    def __init__(self, items):
        self.items = list(items)

    def __len__(self):
        return len(self.items)

    def __contains__(self, item):
        return item in self.items

    def __getitem__(self, i):
        return self.items[i]

    def __setitem__(self, i, value):
        self.items[i] = value

    def __call__(self, i, step=1):
        return self.items[i % len(self.items)] + step


class Flag:
    def __init__(self, on):
        self.on = on

    def __bool__(self):
        return self.on


class Tally:
    def __init__(self):
        self.n = 0

    def __iadd__(self, k):
        self.n += k
        return self


def case_operators_on_one_class():
    v, w, less = Vec(0, 0), Vec(1, 2), 0
    for i in range(HOT):
        v = v + w * 2
        less += w < v
        less += v == w
        less += (-v).x + ~w
    print(v, less)


def case_reflected_operators():
    v, w = Vec(1, 1), Vec(0.5, 2)
    for i in range(HOT):
        v = 1 + v
        w = 2 * w * 0.5
        v = 0.5 + v
    print(v, w)


def case_in_place_operators():
    tally, v = Tally(), Vec(0, 0)
    same = tally
    for i in range(HOT):
        tally += i
        v += Vec(i, 1)
    print(tally.n, tally is same, v)


def case_not_implemented_goes_to_the_other_operand():
    class Other:
        def __radd__(self, left):
            return ("other", left.x)

        def __eq__(self, right):
            return "reflected"

    seen = []
    things = [Vec(1, 2), Other(), Vec(3, 4)]
    for i in range(HOT):
        right = things[1] if i % 50 == 49 else things[i % 2 * 2]
        seen.append(Vec(i, i) + right)
        seen.append(things[0] == right)
        if things[0] == right:
            seen.append("equal")
    print(seen[-8:], seen.count("equal"), seen.count(("other", 49)))


def case_not_implemented_at_last_is_a_type_error():
    for i in range(HOT):
        other = i if i < HOT - 3 else Vec(1, 1)
        try:
            if i % 40 == 39:
                Vec(1, 1) + other
            if i % 60 == 59:
                other = Vec(0, 0)
                other += 5
            Vec(1, 1) < other
        except (TypeError, AttributeError) as error:
            if i % 40 == 39 or i > HOT - 5:
                tell(error)
    print(i)


def case_always_not_implemented():
    class Shy:
        def __add__(self, other):
            calls.append("add")
            return NotImplemented

        def __eq__(self, other):
            calls.append("eq")
            return NotImplemented

        def __lt__(self, other):
            return NotImplemented

        def __iadd__(self, other):
            calls.append("iadd")
            return NotImplemented

    class Bold:
        def __radd__(self, other):
            return 1

        def __gt__(self, other):
            return True

    calls, shy, bold, total = [], Shy(), Bold(), 0
    for i in range(HOT):
        total += shy + bold
        total += shy == bold
        total += shy != shy
        total += shy < bold
        in_place = shy
        in_place += bold
        total += in_place
    print(total, len(calls), calls[:8])
    try:
        for i in range(HOT):
            in_place = shy
            in_place += bold if i < HOT - 1 else 1
    except TypeError as error:
        tell(error)


def case_len_contains_items_call():
    bag, total = Bag(range(10)), 0
    for i in range(HOT):
        total += len(bag) + (i in bag) + 2 * (i not in bag)
        bag[i % 10] = bag[(i + 1) % 10] + 1
        total += bag(i) + bag(i, 5)
    print(total, bag.items)


def case_truth_of_instances():
    yes, no, count = Flag(True), Flag(False), 0
    for i in range(HOT):
        flag = yes if i % 3 else no
        if flag:
            count += 1
        if not flag:
            count += 1000
        count += 7 if (flag and yes) else 0
    print(count)


def case_results_that_operators_may_not_have():
    class Wrong:
        def __init__(self):
            self.result = True
            self.length = 1

        def __bool__(self):
            return self.result

        def __len__(self):
            return self.length

        def __contains__(self, x):
            return self.length

        def __eq__(self, other):
            return [self.length]

    wrong, total = Wrong(), 0
    for i in range(HOT):
        if i == HOT - 30:
            wrong.result = 1
        if i == HOT - 20:
            wrong.length = -1
        if i == HOT - 10:
            wrong.length = "many"
        if i == HOT - 5:
            wrong.length = 1 << 70
        try:
            total += 1 if wrong else 2
        except TypeError as error:
            if i == HOT - 30:
                tell(error)
        try:
            total += len(wrong)
        except (TypeError, ValueError, OverflowError) as error:
            if i in (HOT - 20, HOT - 10, HOT - 5):
                tell(error)
        total += (5 in wrong) + (wrong == 1)[0:0].__len__()
        if wrong == i:
            total += 1
    print(total)


def case_length_of_a_size_that_no_c_number_has():
    class Long:
        def __len__(self):
            return self.length

    long, results = Long(), []
    for length in (5, 1 << 63, 1 << 70, -1 << 63, -1 << 70, (1 << 63) - 1):
        long.length = 5
        for i in range(HOT):
            if i == HOT - 1:
                long.length = length
            try:
                results.append(len(long))
            except (ValueError, OverflowError) as error:
                tell(error)
    print(sum(results))


def case_not_implemented_comes_from_a_variable():
    class Undecided:
        def __eq__(self, other):
            return answer

        def __add__(self, other):
            return answer

        __radd__ = __lt__ = __add__

    undecided, count = Undecided(), 0
    for answer in (True, NotImplemented, 4, NotImplemented):
        for i in range(HOT):
            count += undecided == i
            try:
                count += (undecided + i) + (i + undecided)
                count += undecided < i
            except TypeError as error:
                if i == HOT - 1:
                    tell(error)
    print(count)


def case_exceptions_inside_of_operators():
    class Fragile(Vec):
        def __add__(self, other):
            if other.x == bad:
                raise ValueError(f"bad {bad}")
            return self.x + other.x

        def __len__(self):
            return [1, 2, 3][self.x]

        def __contains__(self, x):
            return 10 // self.x > x

        def __bool__(self):
            return self.missing

        def __call__(self, n):
            return n / self.y

    bad, total, caught = HOT - 100, 0, 0
    for i in range(HOT):
        v = Fragile(i % 4, i % 100)
        if i % 50:
            v.missing = True
        for action in (0, 1, 2, 3, 4):
            try:
                if action == 0:
                    total += v + Vec(i, 0)
                elif action == 1:
                    total += len(v)
                elif action == 2:
                    total += 1 in v
                elif action == 3:
                    total += 1 if v else 0
                else:
                    total += v(100)
            except Exception as error:
                caught += 1
                if i > HOT - 105 and (action == 0 or i > HOT - 3 or i % 50 == 0):
                    tell(error)
    print(round(total, 6), caught)


def case_operators_patched_while_the_loop_runs():
    class Step:
        def __add__(self, other):
            return other + 1

        def __len__(self):
            return 1

    total, step = 0, Step()
    for i in range(HOT):
        if i == HOT - 60:
            Step.__add__ = lambda self, other: other + 10
        if i == HOT - 40:
            Step.__len__ = lambda self: 100
        if i == HOT - 20:
            Step.__add__.__code__ = (lambda self, other: other + 1000).__code__
        total = step + total
        total += len(step)
    print(total)


def case_operands_of_other_classes_in_between():
    class Loud(Vec):
        def __radd__(self, other):
            return Vec(1000, 0)

        def __eq__(self, other):
            return True

    v, w, total, equal = Vec(0, 0), Vec(1, 1), 0, 0
    for i in range(HOT):
        other = Loud(1, 1) if i % 30 == 29 else w
        total += (v + other).x
        equal += v == other
    print(total, equal)


def case_frames_seen_from_inside_an_operator():
    class Seen:
        def __add__(self, other):
            if other == HOT - 5:
                frame = sys._getframe()
                while frame is not None and frame.f_code.co_name.startswith(("__", "case", "run")):
                    names.append((frame.f_code.co_name, frame.f_lineno - frame.f_code.co_firstlineno))
                    frame = frame.f_back
            return other

        def __len__(self):
            names.append(sys._getframe(1).f_code.co_name)
            return 2

    names, seen, total = [], Seen(), 0
    for i in range(HOT):
        total += seen + i
        total += len(seen)
    print(total, names[-8:], len(names))


def case_operands_die_after_the_operator():
    class Mortal:
        def __init__(self, n):
            self.n = n

        def __add__(self, other):
            self = n = other.n
            other = None
            log.append(("in", n))
            return n

        def __del__(self):
            log.append(("died", self.n))

    log = []
    for i in range(HOT):
        Mortal(i) + Mortal(i + 1)
    print(log[:6], log[-6:], len(log))


def case_references_after_operators():
    v, w, bag = Vec(1, 2), Vec(3, 4), Bag([1])
    before = [sys.getrefcount(x) for x in (v, w, bag)]
    for i in range(HOT):
        v + w
        v == w
        v < w
        len(bag)
        1 in bag
        bag(0)
        bag[0] = v
        bag[0] = 1
        v + w if i % 7 else v * 2
    print([sys.getrefcount(x) - n for x, n in zip((v, w, bag), before)])


def case_equality_found_in_object():
    class Same:
        def __eq__(self, other):
            return self is other or other == "twin"

        def __hash__(self):
            return 1

    a, b, count = Same(), Same(), 0
    for i in range(HOT):
        count += (a != b) + 10 * (a == b) + 100 * (a == "twin") + 1000 * (a != a)
    print(count)


def case_power_and_other_binary_operators():
    class Op:
        def __pow__(self, other, mod=None):
            return ("pow", other, mod)

        def __matmul__(self, other):
            return "matmul"

        def __floordiv__(self, other):
            return "floordiv"

        def __rsub__(self, other):
            return ("rsub", other)

        def __and__(self, other):
            return NotImplemented

    op, seen = Op(), set()
    for i in range(HOT):
        seen.add(op**2)
        seen.add(op @ op)
        seen.add(op // i)
        seen.add(1.5 - op)
        seen.add(True - op)
        try:
            op & op
        except TypeError as error:
            seen.add(str(error))
        try:
            2**op
        except TypeError as error:
            seen.add(str(error))
    print(sorted(map(str, seen)))
