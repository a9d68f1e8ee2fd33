"""What a trace takes for granted, and everything that it depends on (docs/facts.md): any owner may change at any time."""

import re
from functools import lru_cache
from pathlib import Path

import pytest

import harness
from facts import FACTS

HERE = Path(__file__).parent
TABLE = HERE.parents[1] / "docs" / "facts.md"
SEEDS = range(3)


@lru_cache(maxsize=None)
def lines(seed, mode):
    settings = harness.OFF if mode is None else harness.modes()[mode]
    done = harness.run([str(HERE / "facts.py"), str(seed)], settings, timeout=120)
    assert (done.status, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.parametrize("mode", harness.modes())
@pytest.mark.parametrize("seed", SEEDS)
def test_owners_change_before_while_and_after_the_code_is_hot(seed, mode):
    different = [f"{got}\n    instead of {expected.rpartition(']:')[2]}"
                 for expected, got in zip(lines(seed, None), lines(seed, mode), strict=True) if expected != got]
    if different:
        pytest.fail("\n".join(different[:5]), pytrace=False)


def test_the_table_names_all_facts_and_what_they_depend_on():
    rows = re.findall(r"^\| ([^|]+?) \| ([^|]+?) \| [^|]+ \|$", TABLE.read_text(), re.MULTILINE)
    assert rows[2:] == [(name, owner) for name, fact in FACTS.items() for owner in fact.owners]


@pytest.mark.parametrize("name", FACTS)
def test_changing_the_owners_makes_a_difference(name):
    """A fact that nothing changes tests nothing."""
    values = {value for line in lines(0, None) if line.startswith(f"{name}, ")
              for value in re.split(r"\*\d+(?: |$)", line.rpartition("]: ")[2])}
    assert len(values - {""}) > 1
