"""Run by test_handling.py under callgrind: loops in which exceptions are raised and handled.

    python handling.py on|off [NAME]

A call of os.getppid() has callgrind write down what was executed since the one before: one file for each loop, in the
order of LOOPS.
"""

import os
import sys
from contextlib import suppress

TURNS = 2000


class Own(Exception):
    pass


class Thing:
    __slots__ = ("value",)


class Manager:
    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        return kind is Own


def key_error(n):
    table, missing = {}, 0
    for i in range(n):
        try:
            table[i]
        except KeyError:
            missing += 1
    return missing


def key_error_each_second_turn(n):
    table, total = {0: 1}, 0
    for i in range(n):
        try:
            total += table[i & 1]
        except KeyError:
            total -= 1
    return total


def key_error_bound_to_a_name(n):
    table, total = {}, 0
    for i in range(n):
        try:
            table[i]
        except KeyError as error:
            total += 1
    return total


def index_error(n):
    items, total = [1], 0
    for i in range(n):
        try:
            total += items[i + 1]
        except IndexError:
            total += 2
    return total


def raise_of_a_class(n):
    total = 0
    for i in range(n):
        try:
            raise Own
        except Own:
            total += i
    return total


def raise_of_an_instance(n):
    total = 0
    for i in range(n):
        try:
            raise Own(i)
        except Own as error:
            total += i
    return total


def raiser(i):
    if i >= 0:
        raise ValueError(i)
    return i


def raised_in_a_function(n):
    total = 0
    for i in range(n):
        try:
            total += raiser(i)
        except ValueError:
            total += 2
    return total


def raised_again_by_finally(n):
    total = 0
    for i in range(n):
        try:
            try:
                raise Own
            finally:
                total += 1
        except Own:
            total += 2
    return total


def raised_from_another(n):
    total = 0
    for i in range(n):
        try:
            try:
                raise Own
            except Own as error:
                raise ValueError from error
        except ValueError:
            total += 2
    return total


def value_error_of_int(n):
    total = 0
    for i in range(n):
        try:
            total += int("x")
        except ValueError:
            total += 2
    return total


def attribute_error(n):
    thing, total = Thing(), 0
    for i in range(n):
        try:
            total += thing.value
        except AttributeError:
            total += 2
    return total


def stop_iteration(n):
    nothing, total = iter(()), 0
    for i in range(n):
        try:
            total += next(nothing)
        except StopIteration:
            total += 2
    return total


def look(table, key):
    try:
        return table[key]
    except KeyError:
        return 0


def handled_in_a_function(n):
    table, total = {}, 0
    for i in range(n):
        total += look(table, i)
    return total


def suppressed(n):
    table, total = {}, 0
    for i in range(n):
        with suppress(KeyError):
            total += table[i]
    return total


def with_and_raise(n):
    manager, total = Manager(), 0
    for i in range(n):
        with manager:
            raise Own
        total += 1
    return total


def handler_that_calls(n):
    table, log = {}, []
    for i in range(n):
        try:
            table[i]
        except KeyError as error:
            log.extend(error.args)
    return len(log)


LOOPS = [key_error, key_error_each_second_turn, key_error_bound_to_a_name, index_error, raise_of_a_class, raise_of_an_instance,
         raised_in_a_function, raised_again_by_finally, raised_from_another, value_error_of_int, attribute_error,
         stop_iteration, handled_in_a_function, suppressed, with_and_raise, handler_that_calls]


def main():
    loops = [loop for loop in LOOPS if len(sys.argv) < 3 or loop.__name__ in sys.argv[2:]]
    if sys.argv[1] == "on":
        import jitpatch

        jitpatch.enable(threshold=20, side_threshold=3, sample=0)
    for loop in loops:
        for _ in range(4):
            loop(TURNS // 4)
        os.getppid()
        loop(TURNS)
        os.getppid()


main()
