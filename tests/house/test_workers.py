"""How ./test shares the tests among workers, tried with small files of tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import workers

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[2]

SMALL = """
import logging, os
import pytest

@pytest.mark.parametrize("number", range(4))
def test_{name}(number):
    print("PID {name}", os.getpid())
    logging.warning("a name that is no UTF-8: \\udcff")

@pytest.mark.nightly
def test_of_the_night():
    print("NIGHT")
"""


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Run two small files with the project's settings."""
    pytester.makepyfile(test_one=SMALL.format(name="one"), test_two=SMALL.format(name="two"))
    pytester.syspathinsert(ROOT)
    return pytester.runpytest_subprocess(
        *("-p", "tests.conftest", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")),
        *(f"--rootdir={pytester.path}", *arguments, *map(str, pytester.path.glob("test_*.py"))),
    )


@pytest.mark.slow
def test_a_file_stays_with_one_worker_and_nightly_tests_are_left_out(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tests may share a queue. With --all, what is for the night runs too. Any text may be logged."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    result = run(pytester, "--numprocesses=2", "-rP")
    result.assert_outcomes(passed=8)
    assert "NIGHT" not in result.stdout.str()
    pids = dict(re.findall(r"PID (\w+) (\d+)", result.stdout.str()))
    assert len(set(re.findall(r"PID \w+ \d+", result.stdout.str()))) == 2
    assert pids["one"] != pids["two"]
    run(pytester, "--all").assert_outcomes(passed=10)


def test_the_files_that_are_named_exist() -> None:
    """A file that was renamed would lose its place."""
    names = {*workers.FIRST, *workers.ONE_BY_ONE, *workers.ONE_WORKER, *workers.WHOLE_PROGRAMS}
    assert [name for name in names if not (ROOT / "tests" / name).exists()] == []
