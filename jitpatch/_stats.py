"""jitpatch.stats(): counters as an object with a dictionary and a readable text; that text, or JSON, at exit.

Counters agree: what was entered was left, or has returned, or runs now; and the traces installed now and those
that are gone add up to the counters. aborts are the sums of abort_log.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False       # as in __init__.py
if TYPE_CHECKING:
    from typing import Any

NOT_OWN = ("site-packages", "dist-packages")
AFTER_EXITS = ("returned", "inside")        # in the report
GONE = ("entered", "left", "returned")


class Stats:
    """A snapshot of the JIT's counters.

    counters: name -> number; aborts: reason -> times; abort_log: (file, line, reason) -> times;
    traces: one dict per installed trace; gone: what the traces that are freed were entered and left; pid: the
    process. as_dict() has them all; str() is a report, the program's own files first.
    """

    def __init__(self, jit: Any) -> None:
        self.pid = os.getpid()
        self.counters: dict[str, int]
        self.aborts: dict[str, int]
        self.abort_log: dict[tuple[str, int, str], int]
        counters, self.aborts, self.abort_log, tallies = jit.stats()
        names = [name for name in counters if name not in AFTER_EXITS]
        at = names.index("exits") + 1
        names[at:at] = AFTER_EXITS
        self.counters = {name: counters[name] for name in names}
        self.traces: list[dict[str, Any]] = [_trace(*row) for row in tallies]
        totals = (self.counters["entered"], self.counters["exits"], self.counters["returned"])
        self.gone: dict[str, int] = {
            name: total - sum(trace[name] for trace in self.traces) for name, total in zip(GONE, totals)}
        self._texts: dict[str, str] = jit.stat_texts()

    def __getattr__(self, name: str) -> int:
        counters: dict[str, int] = self.__dict__.get("counters", {})
        if name not in counters:
            raise AttributeError(f"no counter {name!r}")
        return counters[name]

    def as_dict(self) -> dict[str, Any]:
        """Everything, in types that json can write, in the order of the report."""
        return {
            "pid": self.pid,
            "argv": list(getattr(sys, "orig_argv", sys.argv)),
            "counters": dict(self.counters),
            "aborts": dict(sorted(self.aborts.items(), key=lambda item: -item[1])),
            "abort_log": [
                {"file": file, "line": line, "reason": reason, "times": times}
                for (file, line, reason), times in self._log()
            ],
            "traces": [dict(trace) for trace in self._sorted_traces()],
            "gone": dict(self.gone),
        }

    def _log(self) -> list[tuple[tuple[str, int, str], int]]:
        return sorted(self.abort_log.items(), key=lambda item: (not is_own(item[0][0]), -item[1], item[0]))

    def _sorted_traces(self) -> list[dict[str, Any]]:
        """By what going in and out has cost."""
        return sorted(self.traces, key=lambda trace: (
            not is_own(trace["file"]), -(trace["entered"] + trace["left"]), trace["file"], trace["line"]))

    def __str__(self) -> str:
        lines = [f"jitpatch, process {self.pid}"]
        for name, value in self.counters.items():
            lines.append(f"  {value:>14,}  {self._texts.get(name, name)}")
        if self.traces:
            lines.append("traces: times entered from the interpreter or a call, left for the interpreter, returned; bytes of machine code")
            lines += [_row(trace, trace["code_size"], f"{'side' if trace['is_side'] else 'root'} {trace['file']}:"
                                                      f"{trace['line']} {trace['name']}")
                      for trace in self._sorted_traces()]
            if any(self.gone.values()):
                lines.append(_row(self.gone, "", "traces that are gone"))
        if self.abort_log:
            lines.append("not compiled: times, where, why")
            for (file, line, reason), times in self._log():
                lines.append(f"  {times:>14,}  {file}:{line}: {reason}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<jitpatch.Stats: {self.roots} roots, {self.sides} sides>"


def _row(tally: dict[str, Any], size: Any, text: str) -> str:
    size = f"{size:,}" if size != "" else ""
    return f"  {tally['entered']:>14,}  {tally['left']:>10,}  {tally['returned']:>10,}  {size:>8}  {text}"


def _trace(ex: Any, entered: int, left: int, returned: int) -> dict[str, Any]:
    code = ex.code
    return {
        "file": code.co_filename if code else "?",
        "line": ex.line,
        "name": code.co_qualname if code else "?",
        "is_side": ex.is_side,
        "loops": ex.loops,
        "entered": entered,
        "left": left,
        "returned": returned,
        "exits": len(ex.exits),
        "code_size": ex.code_size,
        "compile_ns": ex.compile_ns,
        "emit_ns": ex.emit_ns,
    }


def is_own(file: str) -> bool:
    """Whether a file is the program's: not the standard library's, an installed package's or ours."""
    if file.startswith("<frozen ") or file == "?":
        return False
    library = os.path.dirname(os.__file__)
    return not (file.startswith(os.path.join(library, "")) or file.startswith(os.path.join(os.path.dirname(__file__), ""))
                or any(part in NOT_OWN for part in file.split(os.sep)))


# --- at exit ------------------------------------------------------------------------------------
#
# Each process has a file of its own. The first one takes the name that was given, and marks it as taken for as
# long as it runs; those that find it taken, and those that are forked, put their number before the ending.

MARKS = {True: '{"pid": %d, "running": true}\n', False: "jitpatch, process %d is running\n"}     # by is_json()

_claimed: tuple[str, int] | None = None     # a file, and the process that may write it


def is_json(file: str) -> bool:
    """By its ending."""
    return file.lower().endswith(".json")


def claim(file: str) -> str:
    """The name, after this process has taken it or one of its own, and given up the one it had. OSError if that
    cannot be written."""
    global _claimed
    pid = os.getpid()
    own = file if _owner(file) in (None, pid) else _of_process(file, pid)
    _write(own, MARKS[is_json(file)] % pid)
    if _claimed is not None and _claimed != (own, pid) and _claimed[1] == pid:
        try:
            os.unlink(_claimed[0])
        except OSError:
            pass
    _claimed = own, pid
    return file


def _of_process(file: str, pid: int) -> str:
    name, ending = os.path.splitext(file)
    return f"{name}.{pid}{ending}"


def _owner(file: str) -> int | None:
    """The process that has taken the file and still runs."""
    before, _, after = MARKS[is_json(file)].partition("%d")
    try:
        with open(file, "rb") as opened:
            text = opened.read(100).decode("ascii", "replace")
    except OSError:
        return None
    number = text.removeprefix(before).removesuffix(after)
    if not number.isdigit() or text != f"{before}{number}{after}":
        return None
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass                # somebody else's
    return int(number)


def _write(file: str, text: str) -> None:
    with open(file, "w", encoding="utf-8", errors="surrogateescape") as opened:
        opened.write(text)


def publish(stats: Stats, file: str | None) -> None:
    """To a file, or stderr for None. Never raises."""
    if file is None:
        if sys.stderr is not None:
            print(stats, file=sys.stderr)
        return
    mine = _claimed is not None and _claimed[1] == stats.pid
    file = _claimed[0] if _claimed is not None and mine else _of_process(file, stats.pid)
    try:
        if is_json(file):
            import json

            _write(file, json.dumps(stats.as_dict(), indent=1) + "\n")
        else:
            _write(file, f"{stats}\n")
    except OSError as error:
        from . import _options

        _options.warn(f"stats: {error}")
