"""What the cases share."""

from itertools import islice

HOT = 400  # turns of a loop: more than the default threshold, with room for side traces


def places(error):
    """Where an exception came through: function, line within it, columns (tb_lasti moves with specialisation)."""
    tb, found = error.__traceback__, []
    while tb is not None:
        code = tb.tb_frame.f_code
        _, _, start, end = next(islice(code.co_positions(), tb.tb_lasti // 2, None))
        found.append(f"{code.co_name}+{tb.tb_lineno - code.co_firstlineno}:{start}-{end}")
        tb = tb.tb_next
    return " ".join(found)


def tell(error):
    """Type, text, places, and the same for what it came from."""
    depth = 0
    while error is not None and depth < 5:
        print(f"{'  ' * depth}{type(error).__name__}: {error} [{places(error)}]")
        if error.__suppress_context__:
            print(f"{'  ' * depth}cause {error.__cause__!r}")
        error = error.__context__
        depth += 1
