"""jitpatch.stats(): counters as an object with a dictionary and a readable text."""

from __future__ import annotations

TYPE_CHECKING = False       # as in __init__.py
if TYPE_CHECKING:
    from typing import Any


class Stats:
    """A snapshot of the JIT's counters.

    counters: name -> number; aborts: reason -> times; abort_log: (file, line, reason) -> times;
    traces: one dict per installed trace. as_dict() has them all; str() is a report.
    """

    def __init__(self, jit: Any) -> None:
        self.counters: dict[str, int]
        self.aborts: dict[str, int]
        self.abort_log: dict[tuple[str, int, str], int]
        self.counters, self.aborts, self.abort_log = jit.stats()
        self.traces: list[dict[str, Any]] = [_trace(ex) for ex in jit.executors(None)]
        self._texts: dict[str, str] = jit.stat_texts()

    def __getattr__(self, name: str) -> int:
        counters: dict[str, int] = self.__dict__.get("counters", {})
        if name not in counters:
            raise AttributeError(f"no counter {name!r}")
        return counters[name]

    def as_dict(self) -> dict[str, Any]:
        """Everything, in types that json can write."""
        return {
            "counters": dict(self.counters),
            "aborts": dict(self.aborts),
            "abort_log": [
                {"file": file, "line": line, "reason": reason, "times": times}
                for (file, line, reason), times in self._log()
            ],
            "traces": [dict(trace) for trace in self.traces],
        }

    def _log(self) -> list[tuple[tuple[str, int, str], int]]:
        return sorted(self.abort_log.items(), key=lambda item: item[0])

    def __str__(self) -> str:
        lines = ["jitpatch"]
        for name, value in self.counters.items():
            lines.append(f"  {value:>14,}  {self._texts.get(name, name)}")
        if self.traces:
            lines.append("traces: times entered, exits taken, bytes of machine code")
            for trace in self.traces:
                kind = "side" if trace["is_side"] else "root"
                lines.append(
                    f"  {trace['entered']:>14,}  {trace['exits_taken']:>10,}"
                    f"  {trace['code_size']:>8,}  {kind} {trace['file']}:{trace['line']}"
                    f" {trace['name']}")
        if self.abort_log:
            lines.append("not compiled: times, where, why")
            for (file, line, reason), times in self._log():
                lines.append(f"  {times:>14,}  {file}:{line}: {reason}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<jitpatch.Stats: {self.roots} roots, {self.sides} sides>"


def _trace(ex: Any) -> dict[str, Any]:
    code = ex.code
    exits = ex.exits
    return {
        "file": code.co_filename if code else "?",
        "line": ex.line,
        "name": code.co_qualname if code else "?",
        "is_side": ex.is_side,
        "loops": ex.loops,
        "entered": ex.entered,
        "exits": len(exits),
        "exits_taken": sum(exit["count"] for exit in exits),
        "code_size": ex.code_size,
        "compile_ns": ex.compile_ns,
        "emit_ns": ex.emit_ns,
    }
