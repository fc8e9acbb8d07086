"""`kq jobs` and `kq agents`: times, filters and order, in a table and as JSON."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import pytest

from kq.cli.listing import parse_since, print_table
from tests.support.commands import NOTHING, fails, python
from tests.support.live_queue import LiveQueue


def listed(queue: LiveQueue, *options: str) -> list[str]:
    """The names of the jobs that `kq jobs` lists, in its order."""
    return [each["name"] for each in json.loads(queue.kq("jobs", "--json", *options).stdout)]


def test_jobs_are_listed_by_state_age_and_order(queue: LiveQueue) -> None:
    names = ["b done", "a done", "c failed"]
    ids = [
        queue.submit(*(fails(9) if "failed" in name else NOTHING), name=name, priority=priority)
        for priority, name in enumerate(names)
    ]
    for job_id in ids:
        queue.await_job(job_id)
    assert listed(queue) == names
    assert listed(queue, "--sort", "name") == sorted(names)
    assert listed(queue, "--sort", "priority") == names[::-1]
    assert listed(queue, "--state", "failed") == ["c failed"]
    assert listed(queue, "--state", "Failed", "--state", "completed") == names
    assert listed(queue, "--since", "1h") == names
    assert listed(queue, "--since", "2037-01-01") == []
    odd = queue.kq("jobs", "--state", "odd")
    assert odd.returncode == 2 and "Waiting, Running, " in odd.stderr
    assert queue.kq("jobs", "--since", "soon").returncode == 2


def test_the_table_shows_when_a_job_was_submitted_and_how_long_it_ran(queue: LiveQueue) -> None:
    queue.await_job(queue.submit(*NOTHING))
    head, first, *_ = queue.kq("jobs").stdout.splitlines()
    assert head.split()[:4] == ["ID", "STATE", "SUBMITTED", "ELAPSED"]
    assert "0:00:0" in first


def test_verbose_agents_show_what_they_use(queue: LiveQueue) -> None:
    head, *rows = queue.kq("agents", "-v").stdout.splitlines()
    assert {"SINCE", "CPU", "MEMORY"} <= set(head.split())
    assert len(rows) == 2
    assert "SINCE" not in queue.kq("agents").stdout


def test_columns_are_as_wide_as_wide_letters_need(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("NAME", "STATE"), [("日本語", "Completed"), ("abcdef", "Failed")])
    assert capsys.readouterr().out.splitlines() == ["NAME    STATE", "日本語  Completed", "abcdef  Failed"]


def test_since_takes_an_age_or_a_date() -> None:
    assert abs(parse_since("2h") - (time.time() - 7200)) < 60
    assert parse_since("2026-11-29") == time.mktime((2026, 11, 29, 0, 0, 0, 0, 0, -1))
    for text in ("", "yesterday", "2h30", "-1h", "2026-13-01"):
        with pytest.raises(argparse.ArgumentTypeError):
            parse_since(text)


def test_a_job_that_completed_with_warnings_says_how_many_and_has_a_note(queue: LiveQueue) -> None:
    """From the log by way of its Agent; the note is kept by the queue, and has a column."""
    script = "print('WARNING: cannot find wood.png'); print('Warning: no light is visible')"
    job_id = queue.submit(*python(script), name="with warnings")
    record = queue.await_job(job_id, "Completed")
    assert (record.warnings, record.warning) == (2, "cannot find wood.png")
    assert queue.kq("note", job_id).stdout == "\n"
    assert queue.kq("note", job_id, "for the review").returncode == 0
    assert queue.kq("note", job_id).stdout == "for the review\n"
    head, *rows = queue.kq("jobs").stdout.splitlines()
    assert "NOTE" in head.split()
    [row] = [row for row in rows if row.startswith(job_id)]
    assert "for the review" in row and "2 warnings: cannot find wood.png" in row
    [job] = [each for each in json.loads(queue.kq("jobs", "--json").stdout) if each["id"] == job_id]
    assert (job["note"], job["warnings"]) == ("for the review", 2)
    assert job["elapsed"] == job["completed"] - job["started"]
    assert queue.kq("note", job_id, "").returncode == 0
    assert "NOTE" not in queue.kq("jobs").stdout.splitlines()[0].split()
    assert queue.kq("note", "absent", "x").returncode == 2
    assert queue.kq("note", job_id, "x" * 5000).returncode == 2


def test_a_misspelled_placeholder_is_a_warning_in_the_terminal_and_in_the_log(queue: LiveQueue) -> None:
    done = queue.kq("submit", "--frames", "1", "--", *python("print('{frmae}')"))
    assert done.returncode == 0
    assert "warning: {frmae}" in done.stderr
    record = queue.await_job(done.stdout.strip(), "Completed")
    assert record.warnings == 1
    assert record.warning.startswith("{frmae} ")
    assert Path(record.log_file).read_text().startswith("[kq] warning: {frmae}")
