from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from os import PathLike
from types import CodeType, TracebackType
from typing import Any, Literal, Self, TypedDict, TypeVar, final, overload, type_check_only

__all__ = [
    "Executor", "Stats", "disable", "enable", "enabled", "executors", "is_active",
    "is_available", "is_enabled", "options", "reset_stats", "stats", "why_inactive", "why_unavailable",
]
__version__: str

_F = TypeVar("_F", bound=Callable[..., Any])

@type_check_only
class Exit(TypedDict):
    number: int
    uop: str
    line: int
    bytecode: str
    count: int
    linked: bool

@final
class Executor:
    """An installed trace. Made by the JIT only; see executors()."""

    @property
    def exits(self) -> list[Exit]: ...
    @property
    def sides(self) -> list[Executor]: ...
    @property
    def code(self) -> CodeType | None: ...
    @property
    def line(self) -> int: ...
    @property
    def entered(self) -> int: ...
    @property
    def code_size(self) -> int: ...
    @property
    def compile_ns(self) -> int: ...
    @property
    def emit_ns(self) -> int: ...
    @property
    def is_side(self) -> bool: ...
    @property
    def loops(self) -> bool: ...
    def uops(self, optimised: bool = True) -> str: ...
    def get_trace(self) -> list[tuple[str, int, int]]: ...
    def is_valid(self) -> bool: ...
    def stencils(self) -> list[tuple[int, int, int]]: ...
    def machine_code(self) -> bytes: ...

class Stats:
    """A snapshot of the JIT's counters; str() is a report."""

    pid: int
    counters: dict[str, int]
    aborts: dict[str, int]
    abort_log: dict[tuple[str, int, str], int]
    traces: list[dict[str, Any]]
    gone: dict[str, int]
    def __init__(self, jit: Any) -> None: ...
    def as_dict(self) -> dict[str, Any]: ...
    def __getattr__(self, name: str) -> int: ...

def is_available() -> bool: ...
def why_unavailable() -> str | None: ...
def is_enabled() -> bool: ...
def is_active() -> bool: ...
def why_inactive() -> str | None: ...
def options() -> dict[str, Any]: ...
def enable(
    *,
    threshold: int = ...,
    call_threshold: int = ...,
    side_threshold: int = ...,
    max_trace: int = ...,
    max_bytecodes: int = ...,
    max_inline: int = ...,
    max_aborts: int = ...,
    max_versions: int = ...,
    max_sides: int = ...,
    max_age: int = ...,
    sample: int = ...,
    doors: int = ...,
    code_limit: int = ...,
    memory_limit: int = ...,
    text: bool | Literal[0, 1] = ...,
    stats: bool | Literal[0, 1] | str | PathLike[str] = ...,
    force_exit: int = ...,
    forget_facts: int = ...,
    abort_at: int = ...,
    gc_exits: bool | Literal[0, 1] = ...,
    random: int = ...,
    dump: str | Iterable[str] | None = ...,
) -> None: ...
def disable() -> None: ...

class enabled(AbstractContextManager[None, None]):
    @overload
    def __new__(cls, function: _F, /) -> _F: ...  # type: ignore[misc]
    @overload
    def __new__(
        cls,
        function: None = None,
        /,
        *,
        threshold: int = ...,
        call_threshold: int = ...,
        side_threshold: int = ...,
        max_trace: int = ...,
        max_bytecodes: int = ...,
        max_inline: int = ...,
        max_aborts: int = ...,
        max_versions: int = ...,
        max_sides: int = ...,
        max_age: int = ...,
        sample: int = ...,
    doors: int = ...,
        code_limit: int = ...,
        memory_limit: int = ...,
        text: bool | Literal[0, 1] = ...,
        stats: bool | Literal[0, 1] | str | PathLike[str] = ...,
        force_exit: int = ...,
        forget_facts: int = ...,
        abort_at: int = ...,
        gc_exits: bool | Literal[0, 1] = ...,
        random: int = ...,
        dump: str | Iterable[str] | None = ...,
    ) -> Self: ...
    def __call__(self, function: _F) -> _F: ...
    def __enter__(self) -> None: ...
    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

def executors(of: Callable[..., Any] | CodeType | None = None) -> list[Executor]: ...
def stats() -> Stats: ...
def reset_stats() -> None: ...
