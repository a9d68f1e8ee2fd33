"""PEP 517 backend: setuptools, plus a compiler for the stencils when these are not there yet.

An sdist contains generated/, so installing from it asks for neither clang nor ziglang.
"""

import sys
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
