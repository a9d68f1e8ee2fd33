"""pytest collecting a large suite: 1,400 generated tests with fixtures and parameters"""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path

SIZE, TINY = 40, 1        # files
NEEDS = ("pytest",)

FILE = '''
import pytest


@pytest.fixture(scope="module")
def number():
    return {n}


@pytest.fixture(params=["a", "b"])
def letter(request):
    return request.param


{tests}


class TestGroup{n}:
    @pytest.mark.parametrize("value", range(10))
    def test_value(self, value, number):
        """A test with parameters."""
        assert value + number >= number, "less"

    @pytest.mark.skipif({n} % 2 == 0, reason="even")
    def test_letter(self, letter, number, tmp_path):
        assert letter * number == "".join([letter] * number)
'''
TEST = '''
def test_{k}(number):
    values = [number + {k}, number * {k}]
    assert values[0] == {n} + {k}
    assert all(value >= {k} for value in values), values
    with pytest.raises(ZeroDivisionError):
        values[0] / (number - {n})
'''


def prepare(folder: str, size: int) -> None:
    suite = Path(folder, "suite")
    suite.mkdir(exist_ok=True)
    (suite / "pytest.ini").write_text("[pytest]\n")
    for n in range(size):
        tests = "\n".join(TEST.format(k=k, n=n) for k in range(23))
        (suite / f"test_generated_{n:03}.py").write_text(FILE.format(tests=tests, n=n))


def main(folder: str, size: int) -> str:
    import pytest

    sys.dont_write_bytecode = True          # as in a fresh checkout: every file is rewritten
    before = set(sys.modules)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        status = pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", "--rootdir", folder, str(Path(folder, "suite"))])
    for name in [name for name in sys.modules if name not in before and name.startswith("test_generated_")]:
        del sys.modules[name]
    lines = printed.getvalue().splitlines()
    return "\n".join(line.partition(" in ")[0] for line in lines) + f"\n{status}"
