"""Keys looked up in lists, tuples, sets and dicts, where their == may or may not be anybody's code."""

import random
import sys

from support import HOT, tell


class Odd:
    """Equal to what it was made with, and says so."""

    asked = 0

    def __init__(self, value):
        self.value = value

    def __hash__(self):
        return hash(self.value)

    def __eq__(self, other):
        Odd.asked += 1
        return self.value == (other.value if isinstance(other, Odd) else other)


def case_in_containers_of_all_kinds():
    items = [1, 2.5, "three", None, True, (4, "five"), 1 << 80]
    keys = [1, 2, 2.5, "three", "four", None, False, (4, "five"), (4, 5), 1 << 80, float("nan"), b"b"]
    containers = [items, tuple(items), set(items), frozenset(items), dict.fromkeys(items)]
    counts = []
    for container in containers:
        for key in keys:
            count = 0
            for i in range(60):
                count += key in container
                count += 100 * (key not in container)
            counts.append(count)
    print(counts)


def case_random_keys_in_growing_sets_and_dicts():
    random.seed(7)
    numbers, table, hits = set(), {}, 0
    for i in range(20 * HOT):
        key = random.randrange(3000) * 64
        hits += key in numbers
        hits += (key in table) * 10
        numbers.add(key)
        table[key] = table.get(key, 0) + 1
        if i % 7 == 0:
            gone = random.randrange(3000) * 64
            numbers.discard(gone)
            table.pop(gone, None)
    print(hits, len(numbers), len(table), sum(table.values()), sum(numbers))


def case_mixed_keys_in_dicts():
    table, total = {}, 0
    keys = ["a", 1, 2.5, (1, 2), None, True, "b" * 3, -1, 1 << 70, (1, "x")]
    for i in range(3 * HOT):
        key = keys[i % 10]
        table[key] = i
        total += table[key] + table.get(key, 0) + table.get((key, 0), 5)
    print(total, table)


def case_objects_that_are_asked():
    odd, seen = Odd(5), []
    for i in range(HOT):
        things = {odd: 1, 7: 2} if i % 2 else {5: 1, 7: 2}
        group = {odd, 9}
        row = [odd, 3]
        seen.append((5 in things, 5 in group, 5 in row, things.get(5), things[5], 6 in row))
        things[5] = 8
        seen.append(len(things))
        group.add(5)
        seen.append(len(group))
    print(seen[-6:], Odd.asked)


def case_odd_objects_come_late():
    things, group, row = {1: 1, 5: 2}, {1, 5}, [1, 5]
    total = 0
    for i in range(HOT):
        if i == HOT - 50:
            del things[5]
            things[Odd(5)] = 3
            group.discard(5)
            group.add(Odd(5))
            row[1] = Odd(5)
        total += things[5] + (5 in group) + (5 in row) + things.get(5)
        group.add(5)
        things[5] = things[5]
    print(total, Odd.asked > 0, len(group), len(things))


def case_missing_keys():
    table, caught = {i: i for i in range(10)}, []
    for i in range(HOT):
        try:
            table[i % 10]
            table["no" if i % 50 == 49 else 3]
        except KeyError as error:
            caught.append(str(error))
            if i > HOT - 60:
                tell(error)
    print(len(caught), table.get(11), table.get(11, "default"))


def case_unhashable_keys():
    table, group, caught = {}, set(), 0
    for i in range(HOT):
        key = [i] if i % 40 == 39 else i
        for action in range(4):
            try:
                if action == 0:
                    table[key] = i
                elif action == 1:
                    table[key]
                elif action == 2:
                    group.add(key)
                else:
                    key in group
            except TypeError as error:
                caught += 1
                if i == HOT - 1:
                    tell(error)
    print(caught, len(table), len(group))


def case_values_die_when_they_are_replaced():
    class Value:
        def __init__(self, n):
            self.n = n

        def __del__(self):
            log.append((self.n, len(table)))

    log, table = [], {}
    for i in range(HOT):
        table[i % 3] = Value(i)
        log.append(i)
    print(log[:8], log[-8:])


def case_references_of_keys_and_values():
    table, group, key, value = {}, set(), "k" * len(range(50)), [1]
    table[key] = value
    before = sys.getrefcount(key), sys.getrefcount(value)
    for i in range(HOT):
        table[key] = value
        x = table[key]
        x = table.get(key)
        x = table.get("other", value)
        x = key in table
        group.add(key)
    group.clear()
    x = None
    print(sys.getrefcount(key) - before[0], sys.getrefcount(value) - before[1], x)


def case_stores_to_the_dictionary_of_an_instance():
    class Plain:
        def __init__(self):
            self.a = 0
            self.b = 1

    thing, total = Plain(), 0
    shown = thing.__dict__
    for i in range(HOT):
        thing.a = i
        shown["a"] = thing.a + 10
        total += thing.a
        if i % 50 == 49:
            shown["extra"] = i
        total += thing.b
    print(total, thing.__dict__)


def case_a_dict_that_is_looped_over_and_grows():
    table = {i: i for i in range(HOT)}
    try:
        for key in table:
            table[key] = 1
            if key == HOT - 10:
                table["new"] = 1
    except RuntimeError as error:
        tell(error)
    print(sum(table.values()))


def case_subclasses_of_containers_keep_their_own_ways():
    class Upper(dict):
        def __contains__(self, key):
            return key == "always"

        def __missing__(self, key):
            return "missing"

        def get(self, key, default=None):
            return "got"

    class Row(list):
        def __contains__(self, item):
            return True

    upper, row, total = Upper(a=1), Row(), []
    for i in range(HOT):
        total.append(("always" in upper, "a" in upper, upper["b"], upper.get("a"), 99 in row))
    print(set(total))
