"""Attributes of instances, wherever they are kept: inline, in a dictionary, in __slots__."""

import gc
import sys

from support import HOT, tell


class Grown:
    """More names than instances keep inline: each gets a dictionary."""

    def __init__(self, n=0):
        for i in range(40):
            setattr(self, f"extra{i}", i)
        self.value = n
        self.other = 1

    def add(self, n):
        self.value += n
        return self.value

    def peek(self):
        return self.value

    hidden = "of the class"


class Late:
    """A name that comes when many instances are there."""

    def __init__(self):
        self.first = 1


def case_values_in_dictionaries_of_their_own():
    things = [Grown(i) for i in range(4)]
    total = 0
    for i in range(HOT):
        thing = things[i % 4]
        thing.value = thing.value + thing.other
        total += thing.value
        thing.other = i
    print(total, [(t.value, t.other) for t in things])


def case_names_that_came_late():
    things = [Late() for _ in range(100)]
    for i, thing in enumerate(things):
        thing.second = i
        thing.third = []
    total = 0
    for _ in range(10):
        for thing in things:
            thing.second += thing.first
            thing.third.append(thing.second)
            total += thing.second
    print(total, [len(t.third) for t in things[:5]], things[7].__dict__)


def case_methods_found_behind_a_dictionary():
    thing, seen = Grown(), []
    for i in range(HOT):
        thing.add(i)
        seen.append(thing.peek())
        if i == HOT - 50:
            thing.peek = lambda: "own"
        if i == HOT - 20:
            del thing.peek
    print(seen[-60:-10], thing.value)


def case_an_instance_attribute_hides_the_class_again():
    thing, seen = Grown(), []
    for i in range(HOT):
        if i == HOT - 30:
            thing.__dict__["hidden"] = "of the instance"
        if i == HOT - 10:
            del thing.__dict__["hidden"]
        seen.append(thing.hidden)
    print(seen[-40:])


def case_deleted_and_missing_in_a_dictionary():
    thing, seen = Grown(), []
    for i in range(HOT):
        if i % 100 == 99:
            del thing.value
        try:
            seen.append(thing.value)
        except AttributeError as error:
            tell(error)
            thing.value = i
    print(len(seen), seen[-3:])


def case_a_dictionary_made_anew_each_time():
    thing, total = Grown(), 0
    for i in range(HOT):
        thing.__dict__ = {"value": i, "other": 2, "rest": i}
        total += thing.value * thing.other
        thing.value = 5
        total += thing.__dict__["value"]
    print(total, thing.__dict__)


def case_a_dictionary_with_odd_keys():
    class Same(str):
        def __eq__(self, other):
            hits.append(str(other))
            return str(self) == other

        __hash__ = str.__hash__

    hits, thing, seen = [], Grown(), []
    for i in range(HOT):
        if i == HOT - 20:
            value = thing.__dict__.pop("value")
            thing.__dict__[Same("value")] = value + 1000
        seen.append(thing.value)
        thing.value = i
    print(seen[-25:], len(hits) > 0)


def case_a_shown_dictionary_follows_inline_values():
    class Plain:
        def __init__(self):
            self.a = 0
            self.b = 0

    thing = Plain()
    shown, seen = thing.__dict__, 0
    for i in range(HOT):
        thing.a = i
        thing.b += 1
        seen += shown["a"] + shown["b"]
    print(seen, shown, shown is thing.__dict__)


def case_a_dictionary_taken_over_by_two():
    one, two, total = Grown(), Grown(), 0
    two.__dict__ = one.__dict__
    for i in range(HOT):
        one.value = i
        total += two.value
        two.value += 1
        total += one.value
    print(total)


def case_references_held_by_dictionaries():
    class Item:
        pass

    thing, item, other = Grown(), Item(), Item()
    before = sys.getrefcount(item), sys.getrefcount(other)
    for i in range(HOT):
        thing.value = item
        thing.other = thing.value
        thing.value = other
    print(sys.getrefcount(item) - before[0], sys.getrefcount(other) - before[1])


def case_rings_through_dictionaries_are_collected():
    class Node:
        died = 0

        def __del__(self):
            Node.died += 1

    def ring(n):
        nodes = [Node() for _ in range(60)]
        for node in nodes:
            node.late = 0
            node.later = 0
        for node in nodes[:n]:
            node.later = node
        return nodes

    gc.collect()
    for i in range(8):
        ring(i + 1)
    gc.collect()
    print(Node.died)


def case_subclasses_of_builtin_classes_with_attributes():
    class Numbers(list):
        pass

    class Error(Exception):
        pass

    numbers, error, total = Numbers([1, 2]), Error("e"), 0
    numbers.count_of = 0
    error.code = 1
    for i in range(HOT):
        numbers.count_of += i
        error.code = error.code + 1
        total += numbers.count_of + error.code
    print(total, numbers.__dict__, error.__dict__)


def case_a_class_patched_while_values_are_in_dictionaries():
    thing, seen = Grown(), []
    for i in range(HOT):
        if i == HOT - 40:
            Grown.value = property(lambda self: -1, lambda self, v: seen.append(("set", v)))
        if i == HOT - 35:
            del Grown.value
        thing.value = i
        seen.append(thing.value)
    print(seen[-60:])


def case_a_class_attribute_that_becomes_an_instances_own():
    class Counter:
        step = 1

        def __init__(self):
            self.total = 0

    seen = []
    for round in range(3):
        counter = Counter()
        for i in range(HOT):
            if i == HOT // 2 and round:
                counter.step = 10
            counter.total += counter.step
        seen.append(counter.total)
    print(seen)
