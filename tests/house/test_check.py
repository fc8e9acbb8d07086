"""What `./check` finds in the checkout, step by step, for `./test`; and which tests `./test` runs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tools.check import Step, static_checks
from tools.tree import ROOT


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("step", static_checks(), ids=lambda step: step.name)
def test_the_checkout_passes(step: Step) -> None:
    """Format, lint, house rules, links, PowerShell's grammar, shell scripts, import contracts and types."""
    findings = step.run()
    assert not findings, f"\n{findings}"


OF_WINDOWS = "tests/leaves tests/wire tests/process tests/pictures -rs"


@pytest.mark.skipif(os.name != "posix", reason="a shell script")
@pytest.mark.parametrize(
    ("arguments", "runs"),
    [
        ("", [OF_WINDOWS, "tests/windows"]),
        ("-v -k tunnel", [f"{OF_WINDOWS} -v -k tunnel", "tests/windows -v -k tunnel"]),
        ("-v tests/windows/test_start.py::test_it", ["-v tests/windows/test_start.py::test_it"]),
    ],
)
def test_options_for_windows_keep_the_choice_of_tests(
    tmp_path: Path, arguments: str, runs: list[str]
) -> None:
    """`./test --windows -v` runs as much as without -v. The interpreters here print their arguments."""
    script = tmp_path / "tools" / "windows" / "test"
    script.parent.mkdir(parents=True)
    script.write_bytes((ROOT / "tools" / "windows" / "test").read_bytes())
    (tmp_path / "tests" / "windows").mkdir(parents=True)
    (tmp_path / "tests" / "windows" / "test_start.py").touch()
    for python in (tmp_path / ".venv" / "bin" / "python", script.with_name("python")):
        python.parent.mkdir(parents=True, exist_ok=True)
        python.write_text('#!/bin/sh\necho "run: $@"\n')
        python.chmod(0o755)
    done = subprocess.run(["bash", script, *arguments.split()], capture_output=True, text=True, check=True)
    started = [
        line.removeprefix("run: -m pytest ") for line in done.stdout.splitlines() if "-m pytest" in line
    ]
    assert [each.removeprefix("-rs ") for each in started] == runs
