"""Each benchmark answers at its smallest size. How fast is no test's business."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import QUESTIONS, table

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.parametrize("name", QUESTIONS)
def test_a_benchmark_answers(name: str, tmp_path: Path) -> None:
    """Run by its name it prints a table, and writes the same rows with the machine they were taken on."""
    answers = tmp_path / "answers.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", name, "--small", "--json", str(answers)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(answers.read_text())
    assert answer["machine"]["cores"] >= 1
    rows = answer["questions"][name]
    assert rows
    assert table(rows) in done.stdout


def test_every_file_with_a_question_is_asked() -> None:
    """A benchmark that `python -m benchmarks` leaves out would never be run."""
    asked = {path.stem for path in (ROOT / "benchmarks").glob("*.py") if "\ndef run(" in path.read_text()}
    assert asked == set(QUESTIONS)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    """A slip of the pen says what there is."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "latency"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "'latency' is no benchmark" in done.stderr
    assert "queue_latency" in done.stderr
