"""Runs a program in this process as `python PROGRAM ARGUMENT ...` would, and says how to start it in a new one."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False       # as in __init__.py
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
kept: list[object] = []     # the old __main__, and the program's code


# --- in a new process ---------------------------------------------------------------------------


def interpreter_flags() -> list[str]:
    """What stood between `python` and `-m jitpatch`."""
    words = getattr(sys, "orig_argv", [])
    words = words[1:len(words) - (len(sys.argv) - 1)]
    for number, end in ((2, ["jitpatch"]), (1, [])):    # -m jitpatch, -mjitpatch: the m may end a group of letters
        if len(words) >= number and words[len(words) - number + 1:] == end:
            flag = words[-number].removesuffix("" if end else "jitpatch")
            if flag.startswith("-") and flag.endswith("m") and (end or flag != words[-number]):
                return words[:-number] + ([flag[:-1]] if flag != "-m" else [])
    import subprocess

    return list(subprocess._args_from_interpreter_flags())      # type: ignore[attr-defined]


def start_hook_folder() -> str | None:
    """Where jitpatch.pth is that makes -X jitpatch work, or None."""
    if sys.flags.no_site:
        return None
    import site

    folders = site.getsitepackages()
    if site.ENABLE_USER_SITE:
        folders.append(site.getusersitepackages())
    return next((folder for folder in folders if os.path.exists(os.path.join(folder, "jitpatch.pth"))), None)


def starts_this_package() -> bool:
    """Would -X jitpatch take this package, or do without it?"""
    folder = start_hook_folder()
    if folder is None:
        return False
    package = os.path.join(folder, "jitpatch")
    return not os.path.isdir(package) or os.path.samefile(package, HERE)


def replace_process(command: list[str]) -> None:
    """Go on as `command`. Returns only where that is not possible."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    try:
        if os.name == "nt":     # exec would return to the shell at once
            import subprocess

            sys.exit(subprocess.run(command).returncode)
        os.execv(command[0], command)
    except OSError:
        return


# --- in this process ----------------------------------------------------------------------------


def run_here(words: list[str]) -> None:
    """SCRIPT, -m MODULE, -c CODE or - with its arguments; no words: standard input. What the program raises is
    raised, and shown by the interpreter without frames of ours if nobody catches it."""
    try:
        _run_words(words)
    except SystemExit:
        raise
    except BaseException:
        sys.excepthook = _TidyHook(sys.excepthook)
        raise


def _run_words(words: list[str]) -> None:
    if not words or words[0] == "-":
        _run_source(sys.stdin.read(), "<stdin>", words or [""], "")
    elif words[0] == "-c":
        _run_source(words[1], "<string>", ["-c", *words[2:]], "")
    elif words[0] == "-m":
        import runpy

        new_main()
        sys.argv[:] = ["-m", *words[2:]]
        runpy._run_module_as_main(words[1])     # type: ignore[attr-defined]
    elif os.path.isdir(words[0]) or _is_zip(words[0]):
        import runpy

        sys.argv[:] = words
        runpy.run_path(words[0], run_name="__main__")
    else:
        run_script(words)


def run_script(words: list[str]) -> None:
    """A file of source, with arguments."""
    try:
        with open(words[0], "rb") as file:
            source = file.read()
    except OSError as error:
        print(f"{sys.executable}: can't open file {os.path.abspath(words[0])!r}: [Errno {error.errno}] {error.strerror}",
              file=sys.stderr)
        sys.exit(2)
    _run_source(source, os.path.abspath(words[0]), words, os.path.dirname(os.path.realpath(words[0])))


def _is_zip(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(2) == b"PK"
    except OSError:
        return False


def _run_source(source: str | bytes, name: str, argv: list[str], folder: str) -> None:
    module = new_main()
    sys.argv[:] = argv
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = folder
    if folder:
        from importlib.machinery import SourceFileLoader

        module.__dict__.update(__file__=name, __cached__=None, __loader__=SourceFileLoader("__main__", name))
    code = compile(source, name, "exec", dont_inherit=True)
    kept.append(code)
    exec(code, module.__dict__)


def new_main() -> ModuleType:
    """An empty __main__, with the present one kept."""
    import builtins
    import types

    module = types.ModuleType("__main__")
    module.__dict__.update(__builtins__=builtins, __annotations__={})
    kept.append(sys.modules["__main__"])
    sys.modules["__main__"] = module
    return module


def own_frames_removed(error: BaseException) -> BaseException:
    """Without what was called on the way to the program."""
    traceback = error.__traceback__
    while traceback is not None and (traceback.tb_frame.f_code.co_filename == "<frozen runpy>"
                                     or os.path.dirname(traceback.tb_frame.f_code.co_filename) == HERE):
        traceback = traceback.tb_next
    return error.with_traceback(traceback)


class _TidyHook:
    """sys.excepthook for the last exception, around the program's."""

    def __init__(self, before: Any) -> None:
        self.before = before

    def __call__(self, kind: type[BaseException], error: BaseException, traceback: Any) -> None:
        sys.excepthook = self.before
        own_frames_removed(error)
        self.before(kind, error, error.__traceback__)
