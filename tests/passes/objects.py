"""The objects that a trace's text names: stand-ins that look the same to passes and to the printer.

One text is one object: `<list object>` twice is the same list, `<list object>#2` another one.
"""

from __future__ import annotations

import builtins
import dis
import types
from typing import Any

CODE_LENGTH = 4000      # code units: snapshots stand somewhere in it


def static_types() -> dict[str, type]:
    """By the name that C knows them by."""
    found: dict[str, type] = {}
    waiting = [object]
    while waiting:
        cls = waiting.pop()
        if not cls.__flags__ & 1 << 9:      # Py_TPFLAGS_HEAPTYPE: those go by their bare names
            name = cls.__name__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
            found.setdefault(name, cls)
            found.setdefault(cls.__name__, cls)
        waiting += type.__subclasses__(cls)
    return found


class Resolver:
    """Makes what tests/c/ir_parse.c asks for, and keeps it alive."""

    def __init__(self) -> None:
        self.made: dict[Any, Any] = {}
        self.types = static_types()

    def object(self, text: str) -> Any:
        if text not in self.made:
            self.made[text] = self._make(text.partition("#")[0] if text[0] not in "'" else text.rpartition("'")[0] + "'"
                                         + "." * 3 * ("'..." in text))
        return self.made[text]

    def code(self, name: str, n_locals: int) -> types.CodeType:
        key = (name, n_locals)
        if key not in self.made:
            names = tuple(f"v{i}" for i in range(n_locals))
            code = b"".join(bytes([dis.opmap["NOP"], 0]) for _ in range(CODE_LENGTH))
            self.made[key] = (lambda: 0).__code__.replace(co_name=unescape(name), co_nlocals=n_locals, co_varnames=names,
                                                          co_code=code)
        return self.made[key]

    def _make(self, text: str) -> Any:
        if text in ("None", "True", "False"):
            return getattr(builtins, text, None)
        kind, _, rest = text.partition("(")
        if kind == "int":
            return int(rest[:-1])
        if kind == "float":
            return float(rest[:-1].partition(":")[0])
        if kind == "tuple":
            return tuple(self.object(item) for item in split(rest[:-1]))
        if text.startswith("'"):
            return unescape(text[1:-4] + " " * 40 if text.endswith("...") else text[1:-1]) + ""
        words = text[1:-1].split(" ")
        if words[0] == "function" and len(words) == 2:
            function = types.FunctionType((lambda: 0).__code__, {})
            function.__qualname__ = unescape(words[1])
            return function
        name = unescape(words[0])
        cls = self.types.get(name) or type(name, (), {})
        return cls if len(words) == 1 else self._instance(cls, name)

    def _instance(self, cls: type, name: str) -> Any:
        """One of its own; where that cannot be made, one that looks the same."""
        if cls is int:                              # one that is too large to be written
            return 1 << 64 + len(self.made)
        try:
            first, second = cls(), cls()
            return first if type(first) is cls and first is not second else type(name, (), {})()
        except (TypeError, ValueError, RuntimeError):
            return type(name, (), {})()


def split(text: str) -> list[str]:
    """The items of a tuple's text."""
    items, depth, quoted = [""], 0, False
    for c in text:
        quoted ^= c == "'"
        depth += 0 if quoted else (c in "(<") - (c in ")>")
        if c == " " and depth == 0 and not quoted:
            items.append("")
        else:
            items[-1] += c
    return [item for item in items if item]


def unescape(text: str) -> str:
    """What add_word() and add_string() of ir_text.c have written."""
    out, i = "", 0
    while i < len(text):
        width = {"x": 2, "u": 6}.get(text[i + 1:i + 2], 0) if text[i] == "\\" else 0
        out += chr(int(text[i + 2:i + 2 + width], 16)) if width else text[i]
        i += 2 + width if width else 1
    return out
