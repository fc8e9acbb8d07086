"""Random damage to a journal and its write-ahead log: nothing is lost in silence, and the queue works."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from kq.core import Core, CoreSettings, Instant
from kq.core import events as ev
from kq.core.agents import Agent
from kq.core.jobs import Job
from kq.core.state import QueueSettings
from kq.records import AttemptRecord, JobSpec
from kq.server.change_feed import ChangeFeed
from kq.server.history import History
from kq.server.journal import Journal
from kq.server.journal_writer import JournalWriter
from kq.settings import Settings
from kq.states import Outcome, TaskState

_PAGE = 4096
_JOBS_EACH = 30


class Known(NamedTuple):
    """What a queue shows of a job."""

    spec: JobSpec
    states: bytes


def _write(journal: Journal, numbers: range) -> None:
    for number in numbers:
        spec = JobSpec(
            name=f"beauty_v{number:03}",
            commands=(("render", "--frame", "{frame}"),),
            frames="1-6",
            environment={f"VARIABLE_{each}": "x" * 20 for each in range(number % 40)},
        )
        job = Job(f"job{number:07}", spec, number, 1000.0 + number)
        journal.note_job(job)
        for task in range(number % 7):
            job.set_task_state(task, TaskState.RUNNING)
            detail = job.detail(task)
            detail.agent, detail.attempts, detail.log_file = "a1", 1, f"/logs/jobs/{job.id}/{task}.1.log"
            job.attempts += 1
            if task < 4:
                job.set_task_state(task, TaskState.COMPLETED)
                record = AttemptRecord(
                    job_id=job.id, task=task, attempt=1, agent="a1", host="h", outcome=Outcome.COMPLETED,
                    started=1.0, ended=2.0,
                )  # fmt: skip
                journal.note_attempt(job, record)
            journal.note_task(job, task)
        if number % 5 == 0:
            job.reset_tasks(frozenset({TaskState.RUNNING}), TaskState.STOPPING)
            job.reset_tasks(frozenset({TaskState.WAITING, TaskState.STOPPING}), TaskState.CANCELLED)
            job.completed = 2000.0 + number
            journal.note_job(job, tasks_reset=True)
        journal.commit()


@pytest.fixture(scope="module", params=["old", "young"])
def template(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a queue whose server was killed: with jobs of an earlier session, or all in its log."""
    folder = tmp_path_factory.mktemp("template")
    path = folder / "journal.sqlite"
    if request.param == "old":
        journal = Journal(path, "before")
        _write(journal, range(1, _JOBS_EACH + 1))
        journal.close()
        journal = Journal(path, "now")
    else:
        journal = Journal(path, "now")
        _write(journal, range(1, _JOBS_EACH + 1))
    agent = Agent("a1", local=False, now=0.0, wall=0.0)
    agent.pid, agent.process_started, agent.host = 7, 1.5, "h"
    journal.note_agent(agent, "agent:h")
    journal.note_queue_settings(QueueSettings(paused=True, agents_wanted=2, drained=()))
    _write(journal, range(_JOBS_EACH + 1, 2 * _JOBS_EACH + 1))
    journal.note_commit()
    left = folder / "left"
    left.mkdir()
    for each in folder.glob("journal.sqlite*"):
        shutil.copyfile(each, left / each.name)
    journal.close()
    return left


class Restarted:
    """The parts of a server that restore a session, on a folder. Fails where one raises."""

    def __init__(self, folder: Path) -> None:
        self.core = Core(CoreSettings(agents_wanted=0))
        self._feed = ChangeFeed(self.core)
        self.writer = JournalWriter(folder / "journal.sqlite", "now", self._feed)
        journal = self.writer.journal
        self.core.restore_numbering(next_job=journal.last_number() + 1)
        for job in journal.restore_jobs():
            self.core.restore_job(job)
        known = self._known()
        self.core.finish_restore(Instant(0.0, 0.0))
        journal.restore_agents()
        journal.restore_queue_settings()
        journal.next_agent()
        self.history = History(self.core, self.writer, Settings(data_root=folder))
        self.history.begin()
        while self.history.is_loading:
            list(self.history.load_more())
        for job_id in self.core.job_ids():
            self.writer.attempts(self.core.job(job_id), None)
        self.writer.show_damage()
        self.writer.commit()
        self.known = self._known() | known
        """As the journal has them, before tasks that no Agent holds wait again."""

    @property
    def problem(self) -> str:
        return self._feed.queue_record().problem

    def _known(self) -> dict[str, Known]:
        jobs = map(self.core.job, self.core.job_ids())
        return {job.id: Known(job.spec, bytes(job.states)) for job in jobs}

    def submit(self, job_id: str) -> None:
        self.core.handle(
            ev.JobSubmitted(job_id, JobSpec(name="new", commands=(("true",),))), Instant(0.0, 0.0)
        )
        self.writer.journal.note_job(self.core.job(job_id))
        self.writer.commit()
        assert self.writer.is_durable or self.problem

    def remove(self, job_id: str) -> None:
        self.core.handle(ev.JobsRemoved((job_id,)), Instant(1.0, 1.0))
        self.history.forget(job_id)
        while self.history.is_loading:
            list(self.history.load_more())


def _flip(content: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 1, 1, 4, 64))):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def _truncate(content: bytearray, chance: random.Random) -> None:
    del content[chance.randrange(len(content)) :]


def _zero(content: bytearray, chance: random.Random) -> None:
    at, size = chance.randrange(len(content)), chance.choice((16, 512, _PAGE, 4 * _PAGE))
    size = min(size, len(content) - at)
    content[at : at + size] = bytes(size)


def _swap(content: bytearray, chance: random.Random) -> None:
    pages = len(content) // _PAGE
    one, two = (chance.randrange(pages) * _PAGE for _ in range(2))
    first, second = content[one : one + _PAGE], content[two : two + _PAGE]
    content[one : one + _PAGE], content[two : two + _PAGE] = second, first


_DAMAGES: tuple[Callable[[bytearray, random.Random], None], ...] = (_flip, _truncate, _zero, _swap)


def _is_lost_in_silence(template: dict[str, Known], found: dict[str, Known], problem: str) -> list[str]:
    return [] if problem else [each for each in template if found.get(each) != template[each]]


def _run(template: Path, folder: Path, seed: int) -> bool:
    """One case. Returns whether the damage was shown."""
    chance = random.Random(seed)
    shutil.copytree(template, folder / "whole")
    shutil.copytree(template, folder / "damaged")
    whole = Restarted(folder / "whole")
    expected, without = whole.known, whole.problem
    whole.writer.close()
    assert (len(expected), without) == (2 * _JOBS_EACH, "")
    for name in chance.choice(
        (("journal.sqlite",), ("journal.sqlite-wal",), ("journal.sqlite", "journal.sqlite-wal"))
    ):
        path = folder / "damaged" / name
        content = bytearray(path.read_bytes())
        chance.choice(_DAMAGES)(content, chance)
        path.write_bytes(content)
    before = {each.name: each.read_bytes() for each in (folder / "damaged").iterdir()}
    queue = Restarted(folder / "damaged")
    found, problem = queue.known, queue.problem
    assert not _is_lost_in_silence(expected, found, problem), f"seed {seed}"
    assert queue.writer.is_durable, f"seed {seed}: it goes on in memory: {problem}"
    kept = queue.writer.journal.damage.kept
    if kept is not None:
        for ending in ("", "-wal"):
            as_found = before.get(f"journal.sqlite{ending}")
            # One that is empty beside a log is given a page before it is opened.
            assert not as_found or kept.with_name(kept.name + ending).read_bytes() == as_found, f"seed {seed}"
    queue.submit("anew")
    if found:
        gone = chance.choice(sorted(found))
        queue.remove(gone)
    left = queue.core.job_ids()
    queue.writer.close()
    again = Restarted(folder / "damaged")
    lost = {each for each in left if each not in again.known}
    assert not lost or again.problem, f"seed {seed}: {lost} are gone at the next start"
    assert "anew" in again.known, f"seed {seed}: {again.problem}"
    again.writer.close()
    return bool(problem)


def _run_all(template: Path, folder: Path, seeds: range) -> None:
    shown = 0
    for seed in seeds:
        case = folder / str(seed)
        case.mkdir()
        shown += _run(template, case, seed)
        shutil.rmtree(case)
    assert shown > len(seeds) // 2, "most damage is seen: what is not was of no consequence"


@pytest.mark.slow
def test_no_job_is_lost_in_silence(template: Path, tmp_path: Path) -> None:
    """Some of the cases of the nightly test below."""
    _run_all(template, tmp_path, range(20))


@pytest.mark.nightly
@pytest.mark.parametrize("first", range(20, 270, 50))
def test_no_job_is_lost_in_silence_in_500_cases(template: Path, tmp_path: Path, first: int) -> None:
    """250 a journal: flipped bits, files cut short, zeroed blocks, swapped pages, in it, its log, or both."""
    _run_all(template, tmp_path, range(first, first + 50))
