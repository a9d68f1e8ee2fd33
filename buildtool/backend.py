"""PEP 517 backend: setuptools, plus a compiler for the stencils when these are not there yet.

An sdist contains generated/, so installing from it asks for neither clang nor ziglang.
"""

import base64
import hashlib
import sys
import zipfile
from pathlib import Path
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403

from buildtool.current import RUNTIMES, host_target, is_current

ROOT = Path(__file__).resolve().parent.parent
COMPILER = ["pyelftools>=0.32", "ziglang==0.17.0", *(["lief>=1.0"] if sys.platform != "linux" else [])]


def _compiler(targets: tuple[str, ...]) -> list[str]:
    return [] if all(is_current(ROOT, target) for target in targets) else COMPILER


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    """What must be installed to build a wheel."""
    return [*build_meta.get_requires_for_build_wheel(config_settings), *_compiler((host_target(),))]


def get_requires_for_build_editable(config_settings: Any = None) -> list[str]:
    """The same, for an editable install."""
    return [*build_meta.get_requires_for_build_editable(config_settings), *_compiler((host_target(),))]


def get_requires_for_build_sdist(config_settings: Any = None) -> list[str]:
    """The same, for an sdist."""
    return [*build_meta.get_requires_for_build_sdist(config_settings), *_compiler(RUNTIMES)]


def build_editable(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    """setuptools' wheel with the start hook, which it leaves out of those: -X jitpatch works from a checkout, too."""
    name: str = build_meta.build_editable(wheel_directory, config_settings, metadata_directory)
    path = Path(wheel_directory) / name
    with zipfile.ZipFile(path) as wheel:
        files = {info: wheel.read(info) for info in wheel.infolist()}
    hooks = {hook.name: hook.read_bytes() for hook in sorted((ROOT / "startup").iterdir()) if hook.is_file()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for hook, data in hooks.items():
            wheel.writestr(hook, data)
        for info, data in files.items():
            wheel.writestr(info, data + _record(hooks) if info.filename.endswith(".dist-info/RECORD") else data)
    return name


def _record(files: dict[str, bytes]) -> bytes:
    """Lines of a wheel's RECORD."""
    rows = [(name, base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode(), len(data))
            for name, data in files.items()]
    return "".join(f"{name},sha256={digest},{size}\n" for name, digest, size in rows).encode()
