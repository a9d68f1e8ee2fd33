"""array.array, bytes, bytearray and str by index: kinds, ranges, resizing, what stores refuse."""

from array import array

from support import HOT, tell


def case_array_items_of_every_kind():
    for kind in "bBhHiIlLqQfd":
        items = array(kind, [1, 2, 3, 100])
        total = 0
        for i in range(HOT):
            items[i % 4] = items[(i + 1) % 4]
            items[-1] = i % 100
            total += items[i % 4] + items[-2]
        print(kind, total, items)


def case_array_stores_at_the_limits():
    limits = {"b": 7, "B": 8, "h": 15, "H": 16, "i": 31, "I": 32, "l": 63, "q": 63}
    for kind, bits in limits.items():
        items = array(kind, [0, 0])
        most = 2**bits - 1
        least = 0 if kind.isupper() else -most - 1
        found = []
        for i in range(HOT):
            value = least + i if i % 2 else most - i
            if i >= HOT - 6:
                value = [most + 1, least - 1, most, least, 10**30, 0][i - HOT + 6]
            try:
                items[i % 2] = value
            except OverflowError as error:
                found.append(str(error))
        print(kind, found, items)


def case_array_stores_of_other_types():
    class Odd:
        def __index__(self):
            return 7

        def __float__(self):
            return 0.5

    for kind in "di":
        items = array(kind, [0, 0, 0])
        for i in range(HOT):
            value = i
            if i >= HOT - 6:
                value = [True, 2.5, "x", Odd(), None, 2**70][i - HOT + 6]
            try:
                items[i % 3] = value
            except (TypeError, OverflowError) as error:
                print(i, type(error).__name__, error)
        print(items)


def case_array_index_out_of_range():
    items = array("d", [1.5] * 10)
    for start in (0, 3, -12):
        try:
            total = 0.0
            for i in range(start, HOT):
                total += items[i % 10 if i < HOT - 1 else 10]
        except IndexError as error:
            print(total)
            tell(error)
    for i in range(HOT):
        try:
            items[i % 10 if i < HOT - 2 else -11] = i
        except IndexError as error:
            print(i, error)
    print(items)


def case_array_that_grows_and_shrinks():
    items = array("d", [0.0])
    seen = []
    for i in range(HOT):
        items[0] = i * 0.5
        items.append(float(i))
        seen.append(items[len(items) - 1] + items[-2] + items[0])
        if i % 50 == 49:
            del items[1:]
        if i == HOT - 3:
            items.pop()
            items.pop()
    print(len(items), sum(seen), items[0])


def case_array_emptied_behind_the_loop_s_back():
    items = array("i", range(20))

    class Emptier:
        def __init__(self, at):
            self.at = at

        def __eq__(self, other):
            if other == self.at:
                del items[:]
            return False

    spy, total = Emptier(HOT - 5), 0
    try:
        for i in range(HOT):
            total += items[i % 20]
            spy == i
            items[i % 20] = i
    except IndexError as error:
        print(total, error)
    print(items)


def case_array_kinds_change():
    def total(items):
        t = 0
        for i in range(HOT):
            t += items[i % 3]
            items[i % 3] = i % 3
        return t

    for items in (array("d", [1, 2, 3]), array("i", [1, 2, 3]), bytearray(b"abc"), [1, 2, 3],
                  array("d", [1, 2, 3]), array("H", [1, 2, 3]), array("B", [1, 2, 3])):
        print(total(items), items)


def case_array_subclass_has_its_own_items():
    class Loud(array):
        def __getitem__(self, i):
            return super().__getitem__(i) * 2

        def __setitem__(self, i, value):
            super().__setitem__(i, value + 1)

    class Quiet(array):
        pass

    for cls in (Loud, Quiet):
        items, total = cls("d", [1.0, 2.0]), 0.0
        for i in range(HOT):
            total += items[i % 2]
            items[i % 2] = i * 0.25
        print(total, items)


def case_array_special_floats():
    items = array("d", [0.0] * 4)
    specials = [float("nan"), -0.0, float("inf"), 5e-324]
    for i in range(HOT):
        items[i % 4] = specials[(i + i // 4) % 4]
        items[(i + 1) % 4] = -items[i % 4]
    print(items, [str(x) for x in items])


def case_array_float32():
    items = array("f", [0.0] * 4)
    for i in range(HOT):
        items[i % 4] = i * 0.1
        items[(i + 1) % 4] = items[i % 4] * 1e38
    print(items)


def case_array_item_is_a_new_object():
    items = array("d", [1.5, 2.5])
    same = 0
    for i in range(HOT):
        a, b = items[0], items[0]
        same += a is b
        items[0] = a + 1.0
        same += a == items[0]
    print(same, items)


def case_array_store_with_exported_buffer():
    items = array("i", [1, 2, 3])
    view = memoryview(items)
    total = 0
    for i in range(HOT):
        items[i % 3] = i
        total += view[i % 3] + items[(i + 1) % 3]
        view[0] = i + 1
    print(total, items)


def case_bytes_by_index():
    data = bytes(range(256))
    total = 0
    for i in range(HOT):
        total += data[i % 256] + data[-1 - i % 256]
    print(total)
    try:
        for i in range(HOT):
            total += data[i]
    except IndexError as error:
        tell(error)


def case_bytearray_by_index():
    data = bytearray(300)
    for i in range(HOT):
        data[i % 300] = (data[i % 300 - 1] + i) % 256
        if i == HOT - 10:
            del data[:5]                # the start of the bytes moves
    print(sum(data), len(data), data[0], data[-1])
    for i in range(HOT):
        try:
            data[i % 10] = 250 + i if i > HOT - 4 else i % 256
        except ValueError as error:
            print(i, error)


def case_str_by_index():
    for text in ("abcdef" * 20, "abc", "\u00e4\u00f6\u00fcabc", "\u20acuro" * 9, "\U0001f600a", "x"):
        found = []
        for i in range(HOT):
            found.append(text[i % len(text)])
            found.append(text[-1 - i % len(text)])
        print("".join(found)[:80], found[0] is text[0], len(found))


def case_str_index_out_of_range():
    text = "abc" * 40
    count = 0
    try:
        for i in range(HOT):
            count += text[i] == "a"
    except IndexError as error:
        print(count)
        tell(error)


def case_characters_compared_and_counted():
    text, counts = "the quick brown fox jumps over the lazy dog " * 10, {}
    vowels = 0
    for i in range(len(text)):
        c = text[i]
        counts[c] = counts.get(c, 0) + 1
        if c == "a" or c in "eiou":
            vowels += ord(c)
    print(vowels, sorted(counts.items()))


def case_str_subclass_by_index():
    class Shout(str):
        def __getitem__(self, i):
            return super().__getitem__(i).upper()

    text, found = Shout("abcdef"), []
    for i in range(HOT):
        found.append(text[i % 6])
    print("".join(found)[:12])
