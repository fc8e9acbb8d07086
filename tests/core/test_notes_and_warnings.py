"""What a job's record says beside its state: a note, warnings of its logs, how long it ran in all."""

from __future__ import annotations

import pytest

from kq.core import events as ev
from kq.core.instructions import JobChanged
from kq.errors import BadInput, NotFound
from kq.records import MAX_NOTE
from tests.core.driver import Driver, only


def finish(q: Driver, attempt: str, after_s: float, **fields: object) -> None:
    """The Agent completes what it runs, `after_s` seconds later."""
    q.mono += after_s
    q.end("r1", attempt, **fields)


def elapsed_s(q: Driver, job_id: str = "job1") -> tuple[float, float | None]:
    """What earlier runs took, and this one up to now."""
    record = q.core.job_record(job_id)
    if record.started is None:
        return record.ran_s, None
    return record.ran_s, (record.completed or q.now.wall) - record.started


# --- Elapsed ----------------------------------------------------------------------------


def test_a_task_that_runs_again_adds_to_the_time_of_its_job() -> None:
    """The time at which nothing of the job ran does not count."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-2")
    finish(q, "job1/0/1", 10)
    finish(q, "job1/1/1", 20)
    assert elapsed_s(q) == (0, 30)
    q.mono += 100
    q.feed(ev.QueuePaused(True))
    q.start_tasks("job1", 1)
    assert elapsed_s(q) == (30, None)
    task = q.core.task_records("job1", 1, 1)[0]
    assert task.started is None, "the row of a task that waits counts no time"
    q.mono += 20
    q.feed(ev.QueuePaused(False))
    finish(q, "job1/1/2", 5)
    assert elapsed_s(q) == (30, 5)


def test_a_job_that_is_stopped_and_started_again_keeps_the_time_of_what_is_done() -> None:
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-2")
    finish(q, "job1/0/1", 10)
    q.mono += 4
    q.stop("job1")
    q.end("r1", "job1/1/1", "stopped")
    q.start("job1")
    finish(q, "job1/1/2", 7)
    assert elapsed_s(q) == (14, 7)


def test_a_job_of_which_nothing_is_kept_begins_at_nought() -> None:
    """All of it is rendered anew: the time before made nothing that there is."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-2")
    finish(q, "job1/0/1", 10)
    finish(q, "job1/1/1", 10)
    q.start("job1")
    assert elapsed_s(q) == (0, 0), "its first task runs already"


def test_a_task_that_is_started_again_while_others_wait_does_not_reset_the_time() -> None:
    """The job is not over: its run goes on."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-3")
    finish(q, "job1/0/1", 10)
    q.feed(ev.QueuePaused(True))
    finish(q, "job1/1/1", 10)
    q.start_tasks("job1", 0)
    assert elapsed_s(q) == (0, 20)


# --- Warnings ---------------------------------------------------------------------------


def test_warnings_of_tasks_add_up_and_count_once_for_each_task() -> None:
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-2")
    q.feed(ev.AttemptProgressed("r1", "job1/0/1", warnings=2))
    assert q.core.job_record("job1").warnings == 2
    finish(q, "job1/0/1", 1, warnings=3, warning="cannot find wood.png")
    finish(q, "job1/1/1", 1, warnings=1)
    record = q.core.job_record("job1")
    assert (record.warnings, record.warning) == (4, "cannot find wood.png")
    assert [task.warnings for task in q.core.task_records("job1", 0, 2)] == [3, 1]
    q.start_tasks("job1", 0)
    assert q.core.job_record("job1").warnings == 1, "the log of the attempt before is not the latest"
    finish(q, "job1/0/2", 1)
    assert q.core.job_record("job1").warnings == 1


# --- Notes ------------------------------------------------------------------------------


def test_a_note_is_written_changed_and_removed() -> None:
    """A job that is over has one, too; the same again is no news."""
    q = Driver()
    q.submit("job1")
    q.submit("job2")
    q.stop("job1")
    assert only(q.feed(ev.NoteSet(("job1", "job2"), "for the review")), JobChanged) == [
        JobChanged("job1"),
        JobChanged("job2"),
    ]
    assert q.feed(ev.NoteSet(("job1",), "for the review")) == []
    q.feed(ev.NoteSet(("job1",), ""))
    assert [q.core.job_record(each).note for each in ("job1", "job2")] == ["", "for the review"]


@pytest.mark.parametrize("note", ["x" * (MAX_NOTE + 1), "nul \0", "half \ud800"])
def test_a_note_that_cannot_be_kept_is_refused(note: str) -> None:
    q = Driver()
    q.submit("job1")
    with pytest.raises(BadInput):
        q.feed(ev.NoteSet(("job1",), note))
    assert q.core.job_record("job1").note == ""


def test_a_note_for_an_unknown_job_changes_none() -> None:
    q = Driver()
    q.submit("job1")
    with pytest.raises(NotFound):
        q.feed(ev.NoteSet(("job1", "gone"), "x"))
    assert q.core.job_record("job1").note == ""
