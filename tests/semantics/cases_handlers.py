"""Handlers that run in hot loops: what can be seen of the exceptions, their tracebacks, frames and what is handled."""

import gc
import sys
import weakref

from support import HOT, places, tell


class Own(Exception):
    pass


class Mine(Own):
    def __init__(self, value):
        super().__init__(value, "mine")
        self.value = value


class Loud:
    """Says when it goes, and what is being handled then."""

    def __init__(self, name, log):
        self.name = name
        self.log = log

    def __del__(self):
        handled = sys.exception()
        frame = sys._getframe(1)
        self.log.append((self.name, type(handled).__name__, frame.f_code.co_name, frame.f_lineno - frame.f_code.co_firstlineno))


def _note(log, error):
    log.append((type(error).__name__, str(error), places(error), type(error.__context__).__name__))


def case_key_error_each_second_turn():
    def f(table, n):
        found, log = 0, []
        for i in range(n):
            try:
                found += table[i % 10]
            except KeyError as error:
                if i % 37 == 1:
                    _note(log, error)
                found -= error.args[0]
        return found, log

    print(f({k: k for k in range(0, 10, 2)}, 2 * HOT))


def case_key_error_always():
    def f(table, n):
        missing = 0
        for i in range(n):
            try:
                table[i]
            except KeyError:
                missing += 1
        return missing, sys.exc_info()

    print(f({}, 2 * HOT))


def case_index_errors_at_both_ends():
    def f(items, n):
        log = {}
        for i in range(n):
            for sequence in (items, tuple(items)):
                try:
                    sequence[i % 7 - 5]
                except IndexError as error:
                    key = str(error), places(error)
                    log[key] = log.get(key, 0) + 1
        return log

    print(f([1, 2, 3], 2 * HOT))


def case_int_of_a_word():
    def f(words, n):
        total, log = 0, []
        for i in range(n):
            try:
                total += int(words[i % 4])
            except ValueError as error:
                total -= 1
                if i % 50 == 1:
                    _note(log, error)
        return total, log

    print(f(["1", "x", "22", "y"], 2 * HOT))


def case_raise_of_each_form():
    def f(n):
        log = {}
        cause = OSError("why")
        for i in range(n):
            try:
                if i % 6 == 0:
                    raise Own
                if i % 6 == 1:
                    raise Own(i % 6)
                if i % 6 == 2:
                    raise Mine(i % 6)
                if i % 6 == 3:
                    raise Own from None
                if i % 6 == 4:
                    raise Own(4) from cause
                raise 5
            except (Own, TypeError) as error:
                key = (type(error).__name__, str(error), places(error), repr(error.__cause__), error.__suppress_context__)
                log[key] = log.get(key, 0) + 1
        return log

    print(f(3 * HOT))


def case_raised_in_a_callee_of_a_callee():
    def inner(i):
        local = i * 2
        if i % 3 == 0:
            raise Own(local)
        return local

    def middle(i):
        before = i + 1
        result = inner(i)
        return result + before

    def f(n):
        total, log = 0, []
        for i in range(n):
            try:
                total += middle(i)
            except Own as error:
                total -= error.args[0]
                if i % 60 == 0:
                    tb = error.__traceback__
                    log.append((places(error), tb.tb_next.tb_frame.f_locals, tb.tb_next.tb_next.tb_frame.f_locals,
                                tb.tb_next.tb_frame.f_back is tb.tb_frame, tb.tb_frame.f_locals["i"]))
        return total, log

    print(f(2 * HOT))


def case_raised_in_init_and_in_operators():
    class Picky:
        def __init__(self, value):
            self.value = value
            if value % 4 == 0:
                raise Own(value)

        def __add__(self, other):
            if self.value % 4 == 1:
                raise Mine(self.value)
            return self.value + other

        def __getitem__(self, key):
            raise LookupError(key)

        def __bool__(self):
            if self.value % 4 == 3:
                raise Own("truth")
            return True

    def f(n):
        log = {}
        for i in range(n):
            try:
                one = Picky(i)
                one + 1
                if one:
                    one[i % 3]
            except (Own, LookupError) as error:
                key = type(error).__name__, places(error)
                log[key] = log.get(key, 0) + 1
        return log

    print(f(3 * HOT))


def case_handler_of_another_kind_lets_it_through():
    def f(n):
        log = []
        for i in range(n):
            try:
                try:
                    if i % 2:
                        raise Own(i)
                    raise Mine(i)
                except Mine:
                    pass
                except KeyError:
                    log.append("never")
            except Own as error:
                if i % 51 == 1:
                    _note(log, error)
        return log

    print(f(2 * HOT))


def case_bare_raise_and_raise_of_the_same():
    def f(n):
        log = []
        for i in range(n):
            try:
                try:
                    raise Own(i)
                except Own as error:
                    if i % 2:
                        raise
                    raise error
            except Own as error:
                if i % 49 < 2:
                    _note(log, error)
        return log

    print(f(2 * HOT))


def case_context_of_what_is_raised_while_handling():
    def f(table, n):
        log = []
        for i in range(n):
            try:
                try:
                    table[i]
                except KeyError:
                    raise Own(i)
            except Own as error:
                if i % 60 == 0:
                    _note(log, error)
                    log.append(places(error.__context__))
        return log, sys.exc_info()

    print(f({}, 2 * HOT))


def case_nested_handlers_restore_what_was_handled():
    def now():
        return type(sys.exception()).__name__

    def f(table, n):
        seen = {}
        for i in range(n):
            try:
                table[i]
            except KeyError:
                first = now()
                try:
                    [][i]
                except IndexError:
                    second = now()
                third = now()
            key = first, second, third, now()
            seen[key] = seen.get(key, 0) + 1
        return seen

    print(f({}, 2 * HOT))


def case_inside_a_handler_from_outside():
    def f(table, n):
        seen = {}
        for i in range(n):
            try:
                table[i % 4]
            except KeyError as error:
                key = type(error.__context__).__name__
                seen[key] = seen.get(key, 0) + 1
            key = type(sys.exception()).__name__
            seen[key] = seen.get(key, 0) + 1
        return seen

    print(f({0: 1}, HOT))
    try:
        raise OSError
    except OSError:
        print(f({0: 1}, 2 * HOT))
    print(f({0: 1}, HOT))


def case_finally_runs_and_the_exception_goes_on():
    def g(i, log):
        try:
            if i % 3 == 0:
                raise Own(i)
            return i
        finally:
            log[i % 5] += 1

    def f(n):
        log, total = [0] * 5, 0
        for i in range(n):
            try:
                total += g(i, log)
            except Own as error:
                total -= len(places(error))
        return total, log

    print(f(2 * HOT))


def case_return_continue_and_break_out_of_a_handler():
    def look(table, key):
        try:
            return table[key]
        except KeyError:
            return None

    def f(table, n):
        total = 0
        for i in range(n):
            for j in range(3):
                try:
                    total += table[i % 5 + j]
                except KeyError:
                    if j == 1:
                        break
                    continue
            if look(table, i % 9) is None:
                total += 1
        return total, sys.exc_info()

    print(f({k: k for k in range(0, 10, 2)}, 2 * HOT))


def case_exceptions_that_are_kept():
    def f(table, n):
        kept = []
        for i in range(n):
            x = i * 2
            try:
                table[i]
            except KeyError as error:
                if i % 40 == 0:
                    kept.append(error)
            x += 1
        return kept, x

    kept, x = f({}, 2 * HOT)
    frames = {error.__traceback__.tb_frame for error in kept}
    print(len(kept), len(frames), x, [frame.f_locals["x"] for frame in frames], places(kept[-1]))


def case_a_function_that_keeps_what_it_caught():
    kept = []

    def look(table, key):
        mine = [key]
        try:
            return table[key]
        except KeyError as error:
            if key % 100 == 0:
                kept.append(error)
        mine.append(2)
        return len(mine)

    def f(n):
        return sum(look({}, i) for i in range(n)) + sum([look({}, i) for i in range(n)])

    print(f(3 * HOT))
    print([error.__traceback__.tb_frame.f_locals["mine"] for error in kept])


def case_variables_changed_through_the_traceback():
    def meddle(error, value):
        error.__traceback__.tb_frame.f_locals["x"] = value

    def f(table, n):
        log = []
        for i in range(n):
            x = i
            try:
                table[i]
            except KeyError as error:
                if i % 70 == 9:
                    meddle(error, -1)
            if x != i:
                log.append((i, x))
        return log

    print(f({}, 2 * HOT))


def case_what_dies_with_an_exception():
    log = []

    def raiser(i):
        Loud("argument", log) if i % 90 == 0 else None
        local = Loud("local", log) if i % 80 == 0 else i
        raise Own(local)

    def f(n):
        for i in range(n):
            try:
                raiser(i)
            except Own:
                pass
            if i % 100 == 0:
                try:
                    raise Own(Loud("args", log))
                except Own as error:
                    kept = weakref.ref(error)
                log.append(("gone", kept() is None))

    f(2 * HOT)
    print(len(log), log)


def case_exceptions_with_del_notes_and_attributes():
    log = []

    class Saying(Exception):
        def __del__(self):
            log.append(self.args[0])

    def f(n):
        for i in range(n):
            try:
                error = Saying(i) if i % 50 == 0 else Own(i)
                error.add_note(f"note {i}")
                raise error
            except (Own, Saying) as caught:
                if i % 100 == 0:
                    log.append((caught.__notes__, places(caught)))
            error = None

    f(2 * HOT)
    print(log)


def case_no_frames_or_exceptions_are_left_over():
    def f(table, n):
        for i in range(n):
            try:
                table[i]
            except KeyError as error:
                assert error.args
                del table[1]
        return i

    def g(table, n):
        for i in range(n):
            try:
                f(table, 3)
            except KeyError:
                pass

    g({}, 10)
    gc.collect()
    before = len([o for o in gc.get_objects() if isinstance(o, KeyError)])
    g({}, 2 * HOT)
    gc.collect()
    print(len([o for o in gc.get_objects() if isinstance(o, KeyError)]) - before, sys.exc_info())


def case_reference_counts_of_what_was_raised():
    error, key = Own("same"), object()

    def f(table, n):
        caught = 0
        for i in range(n):
            try:
                if i % 2:
                    table[key]
                raise error
            except (Own, KeyError):
                caught += 1
                error.__traceback__ = error.__context__ = None
        return caught

    counts = sys.getrefcount(error), sys.getrefcount(key)
    print(f({}, 2 * HOT), counts[0] - sys.getrefcount(error), counts[1] - sys.getrefcount(key))


def case_handlers_in_generators():
    def g(table, n):
        for i in range(n):
            try:
                yield table[i % 4]
            except KeyError as error:
                yield error.args[0]

    def f(n):
        total = 0
        for value in g({0: 5, 2: 7}, n):
            try:
                if value == 3:
                    raise Own(value)
                total += value
            except Own:
                total -= 100
        return total, sys.exc_info()

    print(f(3 * HOT))


def case_with_statements_that_swallow_and_that_do_not():
    class Manager:
        def __init__(self, log):
            self.log = log

        def __enter__(self):
            return self

        def __exit__(self, kind, error, tb):
            self.log[kind.__name__ if kind else "none"] = self.log.get(kind.__name__ if kind else "none", 0) + 1
            return kind is Own

    def f(n):
        log = {}
        for i in range(n):
            try:
                with Manager(log):
                    if i % 3 == 0:
                        raise Own(i)
                    if i % 3 == 1:
                        raise Mine(i)
            except Mine as error:
                if i % 90 == 1:
                    tell(error)
        return log

    print(f(2 * HOT))


def case_classes_of_handlers_change():
    def f(kinds, n):
        log = []
        for i in range(n):
            try:
                try:
                    raise Own(i)
                except kinds[i % len(kinds)]:
                    log.append(1)
            except (Own, TypeError) as error:
                log.append(type(error).__name__)
        return log.count(1), len(log), log[-3:]

    print(f([Own], HOT), f([Own, KeyError], 2 * HOT), f([(KeyError, Own), Exception], HOT), f([Own, 3], HOT))


def case_recursion_errors_are_caught():
    def down(n):
        return down(n + 1)

    def f(n):
        caught = 0
        for i in range(n):
            try:
                down(0)
            except RecursionError:
                caught += 1
        return caught

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(120)
    try:
        print(f(HOT))
    finally:
        sys.setrecursionlimit(limit)


def case_loops_that_keep_what_they_caught_and_return():
    kept = []

    def f(table, n):
        x = [n]
        for i in range(n):
            try:
                table[i]
            except KeyError as error:
                if n % 50 == 49 and i == 5:
                    kept.append(error)
            x.append(i)
        return len(x)

    print(sum(f({}, n % 60) for n in range(HOT)))
    print([sorted(map(str, error.__traceback__.tb_frame.f_locals.items()))[-1] for error in kept])
    print([(error.__traceback__.tb_frame.f_locals["n"], len(error.__traceback__.tb_frame.f_locals["x"])) for error in kept])


def case_variables_are_changed_in_a_loop_that_handles_and_calls():
    kept = []

    def meddle(i):
        if i % 60 == 59:
            sys._getframe(1).f_locals["x"] = -1
        if i % 70 == 69 and kept:
            kept[-1].__traceback__.tb_frame.f_locals["x"] = -2

    def f(table, n):
        log = []
        for i in range(n):
            x = i
            meddle(i)
            if x != i:
                log.append((i, x))
            try:
                table[i % 3]
            except KeyError as error:
                x += 1
                if i % 100 == 1:
                    kept.append(error)
            if x > i + 1 or x < i:
                log.append((i, x))
        return log

    print(f({0: 0}, 2 * HOT))


def case_handlers_that_call_and_raise_what_they_made():
    def describe(error):
        return f"{type(error).__name__} {error} {sys.exception() is error} {sys._getframe(1).f_lineno - error.__traceback__.tb_lineno}"

    def f(table, n):
        log = {}
        for i in range(n):
            try:
                try:
                    table[i % 5]
                except KeyError as error:
                    raise Own(describe(error)) from error
            except Own as error:
                key = error.args[0], places(error), places(error.__cause__), error.__context__ is error.__cause__
                log[key] = log.get(key, 0) + 1
        return log

    print(f({0: 0, 3: 1}, 2 * HOT))


def case_loops_in_called_functions_that_handle():
    def inner(table, n):
        missing = 0
        for i in range(n):
            try:
                table[i]
            except KeyError:
                missing += 1
        return missing

    def f(n):
        table, total = {1: 1, 3: 3}, 0
        for i in range(n):
            total += inner(table, 5 + i % 3)
            total += inner(table=table, n=i & 1)
        return total, sys.exception()

    print(f(HOT))


def case_monitoring_is_switched_on_while_handlers_are_hot():
    monitoring = sys.monitoring
    tool, events = 3, monitoring.events
    seen = {}

    def on_raise(code, offset, error):
        key = "raise", code.co_name, type(error).__name__
        seen[key] = seen.get(key, 0) + 1

    def on_handled(code, offset, error):
        key = "handled", code.co_name, type(error).__name__
        seen[key] = seen.get(key, 0) + 1

    def switch(on):
        if on:
            monitoring.use_tool_id(tool, "watcher")
            monitoring.register_callback(tool, events.RAISE, on_raise)
            monitoring.register_callback(tool, events.EXCEPTION_HANDLED, on_handled)
            monitoring.set_events(tool, events.RAISE | events.EXCEPTION_HANDLED)
        else:
            monitoring.set_events(tool, 0)
            monitoring.free_tool_id(tool)

    def raiser(i):
        if i % 2:
            raise Own(i)
        return int("x")

    def f(n, at, to):
        total = 0
        for i in range(n):
            if i == at or i == to:
                switch(i == at)
            try:
                raiser(i)
            except (Own, ValueError):
                total += 1
        return total

    print(f(2 * HOT, HOT, HOT + 20), seen)


def case_a_tracer_is_set_while_handlers_are_hot():
    lines = []

    def tracer(frame, event, arg):
        if frame.f_code.co_name in ("f", "raiser"):
            lines.append((event, frame.f_code.co_name, frame.f_lineno - frame.f_code.co_firstlineno,
                          arg[0].__name__ if event == "exception" else None))
        return tracer

    def raiser(i):
        raise Own(i)

    def f(n, at):
        total = 0
        for i in range(n):
            if i == at:
                sys.settrace(tracer)
                sys._getframe().f_trace = tracer
            if i == at + 2:
                sys.settrace(None)
            try:
                raiser(i)
            except Own as error:
                total += error.args[0]
        return total

    print(f(2 * HOT, HOT + 3), lines)


def case_classes_get_a_destructor_while_they_are_raised():
    log = []

    class Late(Exception):
        pass

    class Later(Late):
        pass

    def f(n):
        for i in range(n):
            if i == HOT:
                Late.__del__ = lambda self: log.append((type(self).__name__, self.args, sys._getframe(1).f_lineno % 100 >= 0))
            try:
                if i & 1:
                    raise Late(i)
                raise Later
            except Late:
                pass
            if i == HOT + 5:
                del Late.__del__

    f(2 * HOT)
    print(log)


def case_what_dies_with_dead_frames_and_contexts():
    log = []

    def deep(i, thing):
        again = [thing]
        if i % 2:
            raise Own(i)
        return {}[i] or again

    def middle(i):
        thing = Loud(i, log) if i % 40 == 0 else {i}
        try:
            deep(i, thing)
        except KeyError as error:
            raise Own("from") from error

    def f(n):
        for i in range(n):
            try:
                middle(i)
            except Own:
                pass

    f(2 * HOT)
    print(len(log), log)


def case_weak_references_to_exceptions_and_what_they_hold():
    log = []

    class Holder:
        pass

    def f(n):
        for i in range(n):
            holder = Holder()
            try:
                raise Own(holder)
            except Own as error:
                if i % 60 == 0:
                    first = weakref.ref(error, lambda ref: log.append("error"))
                    second = weakref.ref(holder, lambda ref: log.append("holder"))
            holder = None
            log.append(i) if i % 60 < 2 else None
        return first(), second()

    print(f(2 * HOT), log)


def case_stop_iteration_and_generators_that_end_in_a_loop_that_handles():
    def numbers(n):
        yield from range(n)
        return n

    def f(n):
        values, log = numbers(3), []
        for i in range(n):
            try:
                next(values)
            except StopIteration as stop:
                if i % 60 == 0:
                    log.append((stop.value, places(stop)))
                values = numbers(i % 3)
        return log

    print(f(2 * HOT))


def case_exception_groups_in_hot_loops():
    def f(n):
        log = {}
        for i in range(n):
            try:
                raise ExceptionGroup("some", [Own(i), KeyError(i)]) if i % 3 else Own(i)
            except* Own as group:
                key = tuple(type(error).__name__ for error in group.exceptions)
                log[key] = log.get(key, 0) + 1
            except* KeyError:
                log["key"] = log.get("key", 0) + 1
        return log

    print(f(2 * HOT))


def case_finally_that_returns_or_goes_on():
    def g(i):
        try:
            raise Own(i)
        finally:
            if i % 2:
                return i

    def f(n):
        total = 0
        for i in range(n):
            try:
                total += g(i)
            except Own:
                total -= 1
            while True:
                try:
                    raise Own
                finally:
                    break
        return total, sys.exception()

    print(f(2 * HOT))
