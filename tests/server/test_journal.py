"""The journal by itself: what goes in comes out, and what cannot be read spoils nothing else."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from kq.core.agents import Agent
from kq.core.jobs import Job
from kq.core.state import QueueSettings
from kq.records import AttemptRecord, JobSpec
from kq.server.journal import Journal
from kq.server.journal_writer import JournalWriter
from kq.states import TaskState
from tests.support.small_disk import fill, small_disk


def job(number: int, frames: str = "") -> Job:
    return Job(
        f"job{number:05}", JobSpec(name="n", commands=(("true",),), frames=frames), number, 1000.0 + number
    )


def test_jobs_and_their_tasks_come_back(tmp_path: Path) -> None:
    """States set one by one and many at once, in whatever order."""
    journal = Journal(tmp_path / "j", "now")
    one = job(1, "1-100")
    journal.note_job(one)
    one.set_task_state(3, TaskState.RUNNING)
    one.detail(3).agent = "a1"
    one.note, one.ran_s = "for the review", 12.5
    one.count_warnings(one.detail(3), 4)
    journal.note_task(one, 3)
    journal.commit()
    one.reset_tasks(frozenset({TaskState.WAITING}), TaskState.CANCELLED)
    journal.note_job(one, tasks_reset=True)
    journal.commit()
    one.set_task_state(3, TaskState.COMPLETED)
    journal.note_task(one, 3)
    journal.commit()
    journal.close()
    again = Journal(tmp_path / "j", "now")
    [back] = again.restore_jobs()
    again.close()
    assert bytes(back.states) == bytes(one.states)
    assert back.counts == one.counts
    assert back.details[3].agent == "a1"
    assert (back.note, back.ran_s, back.warnings, back.details[3].warnings) == ("for the review", 12.5, 4, 4)
    assert back.spec == one.spec


def test_jobs_of_earlier_sessions_that_this_one_waits_for_are_found(tmp_path: Path) -> None:
    """A server that replaces a crashed one needs them before it assigns tasks."""
    journal = Journal(tmp_path / "j", "before")
    for number in (1, 2):
        journal.note_job(job(number))
    journal.commit()
    journal.close()
    journal = Journal(tmp_path / "j", "now")
    waiting = Job("job00003", JobSpec(name="c", commands=(("true",),), after=("job00001", "gone")), 3, 1.0)
    found = journal.dependencies_from_history([waiting])
    waiting.reset_tasks(frozenset({TaskState.WAITING}), TaskState.CANCELLED)
    found_when_over = journal.dependencies_from_history([waiting])
    journal.close()
    assert [(each.id, each.from_history) for each in found] == [(job(1).id, True)]
    assert found_when_over == []


def test_what_a_session_did_not_end_is_cancelled_in_the_next(tmp_path: Path) -> None:
    """With the reason; one started again there belongs to the new session."""
    journal = Journal(tmp_path / "j", "before")
    one = job(1)
    one.set_task_state(0, TaskState.RUNNING)
    journal.note_task(one, 0)
    one.detail(0)
    one.started = 1000.0
    journal.commit()
    journal.close()
    os.utime(tmp_path / "j", (5000.0, 5000.0))
    journal = Journal(tmp_path / "j", "now")
    [back], _ = journal.jobs_from_history(1 << 62, 10)
    assert back.completed == 5000.0, "as far as the journal knows: when it was last written"
    assert (back.state, back.from_history) == ("Cancelled", True)
    assert back.is_interrupted
    assert back.record().is_interrupted
    journal.commit()
    assert list(journal.restore_jobs()) == []
    back.from_history = False
    back.reset_tasks(frozenset({TaskState.CANCELLED}), TaskState.WAITING)
    journal.note_job(back, tasks_reset=True)
    journal.commit()
    assert [each.id for each in journal.restore_jobs()] == [one.id]
    journal.close()


def test_a_row_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    """The jobs before and after it are there."""
    journal = Journal(tmp_path / "j", "now")
    for number in (1, 2, 3):
        journal.note_job(job(number))
    journal.commit()
    journal.close()
    with sqlite3.connect(tmp_path / "j") as database:
        database.execute("UPDATE jobs SET spec = x'c1' WHERE number = 2")
    database.close()
    journal = Journal(tmp_path / "j", "now")
    assert [each.order for each in journal.restore_jobs()] == [1, 3]
    journal.close()
    journal = Journal(tmp_path / "j", "next")
    found, before = journal.jobs_from_history(1 << 62, 10)
    assert [each.order for each in found] == [3, 1]
    assert journal.jobs_from_history(before or 0, 10) == ([], None)
    journal.close()


def test_changed_settings_are_restored_in_their_session_alone(tmp_path: Path) -> None:
    """What was told last; another session begins as its settings say, and so does one that cannot read it."""
    journal = Journal(tmp_path / "j", "now")
    assert journal.restore_queue_settings() is None
    told = QueueSettings(paused=True, agents_wanted=3, drained=("a1",))
    journal.note_queue_settings(QueueSettings(paused=False, agents_wanted=2, drained=()))
    journal.note_queue_settings(told)
    assert journal.is_dirty
    journal.commit()
    assert not journal.is_dirty
    journal.close()
    for session, expected in (("now", told), ("later", None)):
        journal = Journal(tmp_path / "j", session)
        assert journal.restore_queue_settings() == expected
        journal.close()
    with closing(sqlite3.connect(tmp_path / "j")) as db:
        db.execute("UPDATE meta SET value = 'nonsense' WHERE key = 'overrides'")
        db.commit()
    journal = Journal(tmp_path / "j", "now")
    assert journal.restore_queue_settings() is None
    journal.close()


def test_agents_are_remembered_with_their_keys_roles(tmp_path: Path) -> None:
    """Within their session; a new one forgets those on this machine, and those of other sessions."""
    journal = Journal(tmp_path / "j", "now")
    for name, local in (("a1", True), ("b:1", False)):
        agent = Agent(name, local=local, now=0.0, wall=0.0)
        agent.pid, agent.process_started, agent.host = 7, 1.5, "h"
        journal.note_agent(agent, "agent:local" if local else "agent:b")
    journal.note_next_agent(9)
    journal.close()
    journal = Journal(tmp_path / "j", "now")
    assert [(each.id, each.role, each.pid) for each in journal.restore_agents()] == [
        ("a1", "agent:local", 7), ("b:1", "agent:b", 7),
    ]  # fmt: skip
    assert journal.next_agent() == 9
    journal.forget_agents(local_too=True)
    assert [each.id for each in journal.restore_agents()] == ["b:1"]
    journal.close()
    journal = Journal(tmp_path / "j", "next")
    journal.forget_agents(local_too=False)
    journal.close()
    journal = Journal(tmp_path / "j", "now")
    assert journal.restore_agents() == []
    journal.close()


def test_forgotten_jobs_leave_nothing(tmp_path: Path) -> None:
    """Neither rows of theirs nor what was noted and not written yet."""
    journal = Journal(tmp_path / "j", "now")
    one, two = job(1), job(2)
    for each in (one, two):
        each.detail(0)
        journal.note_task(each, 0)
        about = {
            "job_id": each.id,
            "task": 0,
            "attempt": 1,
            "agent": "a",
            "host": "h",
            "outcome": "completed",
        }
        journal.note_attempt(each, AttemptRecord(**about, started=1.0, ended=2.0))  # type: ignore[arg-type]
    journal.commit()
    journal.note_task(one, 0)
    journal.forget_jobs([one.id])
    journal.commit()
    assert [each.id for each in journal.restore_jobs()] == [two.id]
    assert len(journal.attempts(two, None)) == 1
    assert journal.attempts(one, None) == []
    journal.close()


def test_no_other_process_can_write_it_meanwhile(tmp_path: Path) -> None:
    """Two servers on one folder would undo each other's work."""
    journal = Journal(tmp_path / "j", "now")
    journal.note_job(job(1))
    journal.commit()
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        sqlite3.connect(tmp_path / "j", timeout=0).execute("SELECT count(*) FROM jobs")
    journal.close()


def copy_open_journal(journal: Journal, path: Path, folder: Path) -> Path:
    """A copy of an open journal with its log: what is on the disk when the power goes."""
    folder.mkdir(exist_ok=True)
    journal.note_commit()
    for ending in ("", "-wal", "-last"):
        shutil.copyfile(f"{path}{ending}", folder / f"{path.name}{ending}")
    return folder / path.name


def test_an_empty_file_beside_its_log_is_read_from_that(tmp_path: Path) -> None:
    """A new file is not waited for: without power it may stay empty. SQLite alone would delete the log."""
    journal = Journal(tmp_path / "j", "now")
    journal.note_job(job(1))
    journal.commit()
    copy = copy_open_journal(journal, tmp_path / "j", tmp_path / "after")
    journal.close()
    os.truncate(copy, 0)
    journal = Journal(copy, "now")
    assert [each.order for each in journal.restore_jobs()] == [1]
    journal.close()


def test_a_log_that_does_not_hold_all_is_not_taken_for_the_journal(tmp_path: Path) -> None:
    """The file held jobs once: it is kept, and what its log holds of them is copied; the rest is counted."""
    journal = Journal(tmp_path / "j", "now")
    journal.note_job(job(1))
    journal.commit()
    journal.close()
    journal = Journal(tmp_path / "j", "now")
    journal.note_job(job(2))
    journal.commit()
    copy = copy_open_journal(journal, tmp_path / "j", tmp_path / "after")
    journal.close()
    os.truncate(copy, 0)
    journal = Journal(copy, "now")
    restored = len(list(journal.restore_jobs()))
    journal.close()
    assert restored == journal.damage.saved_jobs
    assert journal.damage.lost_jobs == 2 - restored
    kept = journal.damage.kept
    assert kept is not None and kept.with_name(f"{kept.name}-wal").stat().st_size > 4096


class Problems:
    """Takes what people would be told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def set_problem(self, message: str) -> None:
        self.said.append(message)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_journal_that_is_kept_aside_keeps_its_log(tmp_path: Path) -> None:
    """The disk was full, so what was written last is in the log alone."""
    journal = Journal(tmp_path / "j", "now")
    for number in range(1, 1001):
        journal.note_job(job(number))
    journal.commit()
    journal._db.execute("UPDATE meta SET value = 'damaged' WHERE key = 'schema'")
    with small_disk(tmp_path) as mount:
        copy = copy_open_journal(journal, tmp_path / "j", mount)
        journal.close()
        fill(mount / "filler")
        problems = Problems()
        JournalWriter(copy, "next", problems).close()  # type: ignore[arg-type]  # it only tells
        assert str(copy) in problems.said[0]
        [aside] = mount.glob("j.unusable-*[0-9]")
        assert aside.with_name(f"{aside.name}-wal").stat().st_size > 100_000


def journal_of_jobs_that_are_over(path: Path, numbers: range, completed: float = 1000.0) -> Journal:
    journal = Journal(path, "now")
    for number in numbers:
        one = job(number)
        one.set_task_state(0, TaskState.RUNNING)
        one.set_task_state(0, TaskState.COMPLETED)
        one.completed = completed + number
        journal.note_job(one, tasks_reset=True)
    journal.commit()
    return journal


def test_a_clock_that_is_set_ahead_does_not_delete_the_history(tmp_path: Path) -> None:
    """By age a job is dropped when the queue was used on as many days since; by number at any time."""
    day, journal = 86400.0, journal_of_jobs_that_are_over(tmp_path / "j", range(1, 103))
    assert journal.expired_jobs(1000, 3, now=2000.0) == []
    ahead = 3650 * day
    assert journal.expired_jobs(1000, 3, now=ahead) == []
    journal.close()
    journal = Journal(tmp_path / "j", "now")
    assert journal.expired_jobs(1000, 3, now=ahead + 60) == []
    assert journal.expired_jobs(1000, 3, now=ahead + 1 * day) == ["job00001", "job00002"], "100 are kept"
    assert journal.expired_jobs(101, 3650 * 2, now=ahead) == ["job00001"]
    assert len(journal.expired_jobs(1000, 0, now=3000.0)) == 102, "who keeps none asked for that"
    journal.close()


def test_days_that_a_wrong_clock_counted_are_taken_back_with_it(tmp_path: Path) -> None:
    """A clock that is ahead at every other start does not make the history older."""
    day, journal = 86400.0, journal_of_jobs_that_are_over(tmp_path / "j", range(1, 103))
    for start in range(10):
        assert journal.expired_jobs(1000, 3, now=(100 + 60 * (start % 2)) * day + start) == []
    assert journal.expired_jobs(1000, 3, now=101 * day) == []
    assert journal.expired_jobs(1000, 3, now=102 * day) == ["job00001", "job00002"]
    journal.close()


def test_a_damaged_row_beside_a_job_that_is_removed(tmp_path: Path) -> None:
    """Which folders other jobs use is asked of all rows then."""
    journal = Journal(tmp_path / "j", "now")
    for number in (1, 2, 3):
        journal.note_job(job(number))
    journal.commit()
    journal._db.execute("UPDATE jobs SET spec = x'c1' WHERE number = 2")
    assert journal.temp_dirs(["job00002", "job00003"]) == []
    assert journal.other_temp_dirs(["job00003"]) == {""}
    journal.forget_jobs(["job00003"])
    assert [each.order for each in journal.restore_jobs()] == [1]
    assert journal.damage.unreadable == {"jobs": 1}
    journal.close()
    journal = Journal(tmp_path / "j", "now")
    assert [each.order for each in journal.restore_jobs()] == [1], "it was set aside"
    assert journal.damage.text() == ""
    assert journal.last_number() == 3, "a number is not used again while rows have it"
    journal.close()


@pytest.mark.parametrize("wrong", [b"jod00002", b"nov", b"/bin/trve"], ids=["id", "session", "spec"])
def test_one_wrong_byte_makes_no_other_job(tmp_path: Path, wrong: bytes) -> None:
    """It would decode: as a job with another command, or as one of another session."""
    right = {b"jod00002": b"job00002", b"nov": b"now", b"/bin/trve": b"/bin/true"}[wrong]
    journal = Journal(tmp_path / "j", "now")
    for number in (1, 2):
        one = job(number)
        one.spec = msgspec.structs.replace(one.spec, commands=(("/bin/true", str(number)),))
        journal.note_job(one)
    journal.commit()
    journal.close()
    content = (tmp_path / "j").read_bytes()
    at = content.index(right, content.index(b"job00002now"))
    (tmp_path / "j").write_bytes(content[:at] + wrong + content[at + len(right) :])
    problems = Problems()
    writer = JournalWriter(tmp_path / "j", "now", problems)  # type: ignore[arg-type]  # it only tells
    found = [*writer.journal.restore_jobs(), *writer.journal.jobs_from_history(1 << 62, 9)[0]]
    writer.show_damage()
    writer.close()
    assert [each.order for each in found] == [1]
    assert writer.journal.damage.unreadable == {"jobs": 1} and "1 job " in problems.said[-1]


def test_a_damaged_row_of_a_task_is_that_tasks_alone(tmp_path: Path) -> None:
    """It is Cancelled, since what became of it is not known; its next attempt has a number of its own."""
    journal = Journal(tmp_path / "j", "now")
    one = job(1, "1-3")
    for task in range(3):
        one.set_task_state(task, TaskState.RUNNING)
        one.detail(task).attempts = 1
        one.attempts += 1
        one.set_task_state(task, TaskState.COMPLETED)
        journal.note_task(one, task)
    journal.commit()
    journal._db.execute("UPDATE tasks SET state = 0 WHERE task = 1")
    [back] = journal.restore_jobs()
    assert [back.task_state(each) for each in range(3)] == ["Completed", "Cancelled", "Completed"]
    assert back.details[1].attempts == 3 and "damaged" in back.details[1].reason
    assert journal.damage.unreadable == {"tasks": 1}
    journal.close()
    journal = Journal(tmp_path / "j", "now")
    [back] = journal.restore_jobs()
    assert journal.damage.unreadable == {"missing tasks": 1}
    journal.close()
