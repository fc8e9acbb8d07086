"""What Slurm's commands say, and what they are given. The real ones are in test_cluster."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kq.errors import ConnectionLost
from kq.farms.decide import EngineState
from kq.farms.slurm import Slurm, parse_minutes, parse_rows, wait_reason


def line(*fields: str) -> str:
    return "\x1f".join(fields)


def test_rows_of_ours_are_read_and_others_passed_over() -> None:
    """Names with line breaks, other people's comments, and forms of other versions are no rows of ours."""
    listed = "\n".join(
        [
            line("7", "3", "RUNNING", "None", "n1", "1700000000", "kq:abc"),
            line("7", "4", "PENDING", "Resources", "", "N/A", "kq:abc"),
            line("8", "0", "OUT_OF_MEMORY", "OutOfMemory", "n2", "1700000000", "kq:def"),
            line("9", "0", "RUNNING", "None", "n1", "1700000000", "theirs"),
            line("9", "N/A", "RUNNING", "None", "n1", "1700000000", "kq:ghi"),
            "half a line",
            "",
        ]
    )
    rows = parse_rows(listed, 0.0)
    assert [(row.engine_id, row.token, row.task, row.status.state, row.status.node) for row in rows] == [
        ("7", "abc", 3, EngineState.RUNNING, "n1"),
        ("7", "abc", 4, EngineState.PENDING, ""),
        ("8", "def", 0, EngineState.OUT_OF_MEMORY, "n2"),
    ]
    assert rows[1].status.reason == wait_reason("Resources", "N/A", 0.0)


def test_why_a_task_waits() -> None:
    """Known reasons in words, with the seconds that are left; unknown ones as Slurm writes them."""
    assert "121 s" in wait_reason("BeginTime", "1121", 1000.0)
    assert "Start Now" in wait_reason("BeginTime", "N/A", 1000.0)
    assert wait_reason("None", "", 0.0) == ""
    assert "SomethingNew" in wait_reason("SomethingNew", "", 0.0)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("00:05:00", 5), ("1-02:00:30", 1560.5), ("UNLIMITED", None), ("", None), ("INFINITE", None)],
)
def test_time_limits(text: str, minutes: float | None) -> None:
    """Slurm's form, in minutes."""
    assert parse_minutes(text) == minutes


@pytest.mark.skipif(sys.platform == "win32", reason="Slurm's commands are of Unix")
def test_an_answer_without_an_id_is_no_refusal(tmp_path: Path) -> None:
    """The job may be in the queue, where it is found by its token: refused, it could be submitted twice."""
    sbatch = tmp_path / "sbatch"
    sbatch.write_text("#!/bin/sh\necho welcome to the farm\n")
    sbatch.chmod(0o755)
    slurm = Slurm({"PATH": str(tmp_path)})
    with pytest.raises(ConnectionLost, match="welcome"):
        slurm.submit(tmp_path, "beauty", "token", [0], 0, {})


@pytest.mark.skipif(sys.platform == "win32", reason="Slurm's commands are of Unix")
@pytest.mark.parametrize(
    ("said", "is_over"),
    [
        ("scancel: error: Kill job error on job id 12_[0]: Invalid job id specified", True),
        ("scancel: error: Kill job error on job id 12: Job/step already completing or completed", True),
        ("scancel: error: Kill job error on job id 12: Protocol authentication error", False),
        ("slurm_load_jobs error: Zero Bytes were transmitted or received", False),
    ],
)
def test_a_stop_that_failed_is_sent_again_unless_the_job_is_over(
    tmp_path: Path, said: str, is_over: bool
) -> None:
    """A render that was taken for stopped would go on for hours."""
    scancel = tmp_path / "scancel"
    scancel.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    scancel.chmod(0o755)
    slurm = Slurm({"PATH": str(tmp_path)})
    if is_over:
        slurm.stop(["12"])
    else:
        with pytest.raises(ConnectionLost, match="did not stop it"):
            slurm.stop(["12"])
