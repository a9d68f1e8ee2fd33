"""The tool is built once; `--accept` writes what passes make into the files, for review."""

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

BUILD = Path(__file__).resolve().parents[1] / "c" / "build_pass_tool.sh"


def pytest_addoption(parser):
    parser.addoption("--accept", action="store_true", help="write the outcomes into the files of tests/passes")


@pytest.fixture(scope="session")
def pass_tool(tmp_path_factory):
    """The compiled module's path."""
    path = tmp_path_factory.mktemp("passes") / "pass_tool.so"
    command = ["sh", BUILD, path, sysconfig.get_path("include"), "-Werror"]
    subprocess.run(command, check=True, env=os.environ | {"CC": os.environ.get("CC", "cc")})
    return path
