"""The server, or all above it, dies: jobs come back from the journal, and nothing done is done twice."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import msgspec
import psutil
import pytest

from kq.api import ConnectionStatus, JobSpec, QueueClient, SessionRecord, live_sessions
from kq.own_folders import keys_folder
from tests.reliability.chaos import check_journal, run_chaos
from tests.support.commands import NOTHING, SLEEP, fails, held, noting, saying, steps
from tests.support.live_queue import ROOT, LiveQueue, clean_environment, frozen, is_alive, kill, until
from tests.support.small_disk import fill, small_disk

with_flock = pytest.mark.skipif(shutil.which("flock") is None, reason="its tasks are locked with flock")


def test_jobs_that_run_go_on_and_those_that_wait_come_back(tmp_path: Path) -> None:
    """Also those done before are known still; none of them runs again."""
    data_root = tmp_path / "data"
    data_root.mkdir()
    runs, gate = tmp_path / "runs", tmp_path / "gate"
    with LiveQueue(data_root, 1) as queue:
        done = queue.submit(*noting(runs, "done"))
        queue.await_job(done)
        begin, end = (f"note({str(runs)!r}, {word!r})" for word in ("running", "over"))
        running = queue.submit(*held(gate, begin, end))
        until(lambda: runs.exists() and "running" in runs.read_text(), "it to run")
        waiting = [queue.submit(*noting(runs, "waiting")) for _ in range(20)]
        tasks = queue.submit(*noting(runs, "{frame}"), frames="1-20")
        agents = queue.agent_pids()
        first = queue.server_pid
        kill(first)
        until(lambda: queue.client.status is ConnectionStatus.LOST or queue.server_pid != first, "the loss")
        until(lambda: queue.server_pid != first, "another server")
        queue.await_connected()
        queue.await_job(running, "Running")
        assert queue.agent_pids() == agents, "its Agent lives on"
        gate.touch()
        for job_id in (done, running, *waiting, tasks):
            record = queue.await_job(job_id)
            assert record.state == "Completed"
            assert record.attempts == record.tasks
    lines = runs.read_text().split()
    assert sorted(lines) == sorted(["done", "running", "over", *["waiting"] * 20, *map(str, range(1, 21))])


def test_settings_of_the_queue_hold_for_the_next_server(tmp_path: Path) -> None:
    """Paused it stays paused, as many Agents are kept as were asked for, and who was drained is drained."""
    with LiveQueue(tmp_path, 1) as queue:
        queue.client.set_agent_count(3).result(60)
        until(lambda: sum(each.state == "Idle" for each in queue.client.agents()) == 3, "three Agents")
        drained = queue.client.agents()[1].id
        queue.client.drain_agents([drained]).result(60)
        queue.client.pause_queue(True).result(60)
        waiting = queue.submit(*NOTHING)
        agents, first = queue.agent_pids(), queue.server_pid
        kill(first)
        until(lambda: queue.server_pid != first, "another server")
        queue.await_connected()
        until(lambda: sum(each.state == "Idle" for each in queue.client.agents()) == 3, "them to be heard")
        assert queue.agent_pids() == agents
        assert [each.id for each in queue.client.agents() if each.draining] == [drained]
        assert queue.client.queue().paused and queue.client.queue().agents_wanted == 3
        assert queue.job(waiting).state == "Waiting"
        queue.client.pause_queue(False).result(60)
        assert queue.await_job(waiting).state == "Completed"


def test_a_job_that_ends_while_there_is_no_server_is_not_run_again(tmp_path: Path) -> None:
    """Its Agent remembers how it ended until a server hears it."""
    data_root, runs = tmp_path / "data", tmp_path / "runs"
    data_root.mkdir()
    with LiveQueue(data_root, 1) as queue:
        program = "note(*sys.argv[1:]); time.sleep(0.3); note(sys.argv[1], 'end'); sys.exit(5)"
        job_id = queue.submit(*steps(program, str(runs), "start"))
        until(lambda: runs.exists(), "it to run")
        # The guardian is held, so that no other server is there when the render ends.
        with frozen(queue.guardian_pid):
            kill(queue.server_pid)
            until(lambda: "end" in runs.read_text(), "its end")
        record = queue.await_job(job_id)
        assert (record.state, record.exit_code, record.attempts) == ("Failed", 5, 1)
    assert runs.read_text() == "start\nend\n"


@pytest.mark.slow
def test_a_stop_while_there_is_no_server_still_happens(tmp_path: Path) -> None:
    """The request waits in the client, and what runs is ended when the server is back."""
    with LiveQueue(tmp_path, 1) as queue:
        job_id = queue.submit(*SLEEP)
        queue.await_job(job_id, "Running")
        with frozen(queue.guardian_pid):
            kill(queue.server_pid)
            until(lambda: queue.client.status is ConnectionStatus.LOST, "the loss")
            stopped = queue.client.stop_jobs([job_id])
        stopped.result(60)
        assert queue.await_job(job_id).state == "Cancelled"


def test_a_guardian_that_dies_takes_everything_along_and_the_session_goes_on(tmp_path: Path) -> None:
    """The desktop starts another one; what ran is run again, what was done is not."""
    data_root = tmp_path / "data"
    data_root.mkdir()
    desktop = [sys.executable, str(Path(__file__).with_name("desktop.py"))]
    with LiveQueue(data_root, 1, desktop) as queue:
        done = queue.submit(*noting(tmp_path / "runs", "done"))
        queue.await_job(done)
        program = (
            "note(sys.argv[1], 'start ' + os.environ['KQ_ATTEMPT'])\n"
            "if os.environ['KQ_ATTEMPT'] == '1': time.sleep(600)"
        )
        job_id = queue.submit(*steps(program, str(tmp_path / "runs")))
        until(lambda: "start 1" in (tmp_path / "runs").read_text(), "it to run")
        first, session = queue.guardian_pid, queue.session
        queue.disconnect()
        kill(first)
        until(lambda: any(each.session != session for each in live_sessions(data_root)), "another session")
        record = queue.await_job(job_id)
        assert (record.state, record.attempts) == ("Completed", 2)
        assert not record.from_history
        assert queue.job(done).attempts == 1
        assert not is_alive(first)
    assert (tmp_path / "runs").read_text() == "done\nstart 1\nstart 2\n"


@pytest.mark.slow
def test_a_server_that_keeps_dying_is_given_up_with_an_error(tmp_path: Path) -> None:
    """After the fifth time within half a minute: not a spin."""
    queue = LiveQueue(tmp_path, 1)
    queue.start()
    assert queue.process is not None
    seen: set[int] = set()
    guardian = psutil.Process(queue.guardian_pid)
    with contextlib.suppress(psutil.NoSuchProcess):  # the guardian has ended
        while queue.process.poll() is None and len(seen) < 10:
            # At once, not when it answers: five slow starts could take longer than the half minute.
            for child in guardian.children():
                with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                    if child.pid not in seen and child.environ().get("KQ_ROLE") == "server":
                        seen.add(child.pid)
                        kill(child.pid)
            time.sleep(0.01)
    queue.process.wait(60)
    assert queue.close() == 2
    assert " 5 times in 30 s" in queue.errors
    assert len(seen) == 5


@pytest.fixture
def bare_server(tmp_path: Path) -> Iterator[_BareServer]:
    """A server without a guardian, which can be killed as often as one likes."""
    server = _BareServer(tmp_path)
    yield server
    server.close()


class _BareServer:
    def __init__(self, data_root: Path) -> None:
        self.data_root = data_root
        self.folder = data_root / "queues" / "test-1"
        self.folder.mkdir(parents=True)
        self.client = QueueClient()
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "kq.server", "--queue-dir", str(self.folder), "--session", "bare"],
            env=clean_environment(self.data_root, {"KQ_SESSION": "bare"}),
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        assert '"open"' in self.process.stdout.readline()
        record = msgspec.json.decode(
            (keys_folder(self.folder) / "client.json").read_bytes(), type=SessionRecord
        )
        self.client.connect(record)

    def end(self, *, by_force: bool) -> None:
        assert self.process is not None and self.process.stdout is not None
        (self.process.kill if by_force else self.process.terminate)()
        self.process.wait(60)
        self.process.stdout.close()

    def close(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.end(by_force=False)
        self.client.close()
        self.client.join(60)


@pytest.mark.slow
def test_the_journal_bears_a_kill_at_any_moment(bare_server: _BareServer) -> None:
    """What was confirmed is in it, and SQLite finds it sound, each time."""
    rng = random.Random(5)
    confirmed: set[str] = set()
    asked: dict[str, Future[None]] = {}
    for _ in range(8):
        bare_server.start()
        awaited = rng.randint(1, 40)
        this_time: list[Future[None]] = []
        while sum(future.done() for future in this_time) < awaited:
            for _ in range(5):
                spec = JobSpec(name="n", commands=(NOTHING,), cwd=str(bare_server.data_root), frames="1-50")
                job_id, asked_for = bare_server.client.submit(spec)
                asked[job_id] = asked_for
                this_time.append(asked_for)
            time.sleep(0.002)
        bare_server.end(by_force=True)
        confirmed |= {each for each, future in asked.items() if future.done() and not future.exception()}
        assert check_journal(bare_server.data_root) == "ok"
    assert len(confirmed) >= 8
    bare_server.start()
    client = bare_server.client
    until(lambda: all(future.done() for future in asked.values()), "every submission to be confirmed")
    assert {job.id for job in client.jobs()} == asked.keys()


def test_a_damaged_journal_is_kept_aside(tmp_path: Path) -> None:
    """The queue begins a new one, and says where the old one is."""
    with LiveQueue(tmp_path, 1) as queue:
        queue.await_job(queue.submit(*NOTHING))
    [journal] = tmp_path.glob("queues/*/journal.sqlite")
    journal.write_bytes(b"this is no database" * 1000)
    with LiveQueue(tmp_path, 1) as queue:
        problem = queue.client.queue().problem
        assert queue.await_job(queue.submit(*NOTHING)).state == "Completed"
    [aside] = tmp_path.glob("queues/*/journal.sqlite.unusable-*")
    assert aside.read_bytes().startswith(b"this is no database")
    assert str(aside) in problem
    assert check_journal(tmp_path) == "ok"


def test_a_damaged_log_is_noticed_by_the_next_server(tmp_path: Path) -> None:
    """SQLite takes it for a shorter one. What it held is counted, and file and log are kept."""
    with LiveQueue(tmp_path, 1) as queue:
        queue.client.pause_queue(True).result(60)
        jobs = [queue.submit(*NOTHING) for _ in range(5)]
        [log] = tmp_path.glob("queues/*/journal.sqlite-wal")
        with frozen(queue.guardian_pid):
            kill(queue.server_pid)
            until(lambda: queue.client.status is ConnectionStatus.LOST, "the loss")
            content = bytearray(log.read_bytes())
            content[32 + 24 + 100] ^= 1  # in its first page
            log.write_bytes(content)
        queue.await_connected()
        until(lambda: "5 jobs" in queue.client.queue().problem, "the problem")
        assert [queue.client.job(each) for each in jobs] == [None] * 5
        assert "5 jobs" in queue.kq("jobs").stderr
    [aside] = tmp_path.glob("queues/*/journal.sqlite.unusable-*-wal")
    assert aside.read_bytes() == content


@pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no file that is in use")
def test_a_removed_journal_is_reported(tmp_path: Path) -> None:
    """Jobs run on; that they will be forgotten is shown while it can be helped."""
    with LiveQueue(tmp_path, 1) as queue:
        queue.await_agents()
        [folder] = tmp_path.glob("queues/*")
        shutil.rmtree(folder)
        until(lambda: "journal.sqlite was removed" in queue.client.queue().problem, "the problem")
        assert queue.await_job(queue.submit(*NOTHING)).state == "Completed"


@pytest.mark.slow
def test_a_journal_that_cannot_be_used_at_all(tmp_path: Path) -> None:
    """The queue goes on without, and says so for as long as that is so."""
    with LiveQueue(tmp_path, 1) as queue:
        pass
    [journal] = tmp_path.glob("queues/*/journal.sqlite")
    for path in journal.parent.glob("journal.sqlite*"):
        path.unlink()
    journal.mkdir()
    with LiveQueue(tmp_path, 1) as queue:
        assert queue.await_job(queue.submit(*NOTHING)).state == "Completed"
        assert str(journal) in queue.client.queue().problem


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_is_reported_once_and_the_queue_continues(tmp_path: Path) -> None:
    """Jobs run on; when there is room again the problem ends, and what happened meanwhile is written."""
    with small_disk(tmp_path) as mount:
        with LiveQueue(mount, 1) as queue:
            queue.await_job(queue.submit(*NOTHING))
            filler = mount / "filler"
            fill(filler)
            wordy = queue.await_job(queue.submit("sh", "-c", "echo much >&2 || exit 7"))
            assert wordy.reason.startswith("exit code 7; ")
            problems = []
            remove = queue.client.add_listener(
                lambda change: problems.append(change.queue.problem) if change.queue else None
            )
            asked = [
                queue.client.submit(JobSpec(name="n" * 900, commands=(NOTHING,), cwd=str(tmp_path)))
                for _ in range(30)
            ]
            jobs = [job_id for job_id, _ in asked]
            assert not all(submitted.result(60) for _, submitted in asked), "one that is not saved says so"
            for job_id in jobs:
                assert queue.await_job(job_id).state == "Completed"
            problem = until(lambda: queue.client.queue().problem, "the problem")
            unsaved = queue.kq("submit", "--", "true")
            assert unsaved.returncode == 0 and unsaved.stdout.strip() in unsaved.stderr
            assert "journal" in queue.kq("jobs").stderr
            queue.await_job(unsaved.stdout.strip())
            [log_file] = (mount / "logs").glob("*/server.log")
            log = log_file.read_text()
            assert log.count(problem) <= 1
            filler.unlink()
            until(lambda: queue.client.queue().problem == "", "the end of the problem")
            remove()
            assert len([each for each in dict.fromkeys(problems) if each]) == 1
        assert check_journal(mount) == "ok"
        with LiveQueue(mount, 1) as queue:
            until(lambda: all(queue.client.job(each) for each in jobs), "the history")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_server_comes_back_though_the_disk_is_full(tmp_path: Path) -> None:
    """It needs no new room for that."""
    with small_disk(tmp_path) as mount, LiveQueue(mount, 1) as queue:
        job_id = queue.submit(*SLEEP)
        queue.await_job(job_id, "Running")
        fill(mount / "filler")
        first = queue.server_pid
        kill(first)
        until(lambda: queue.server_pid != first, "another server")
        queue.await_connected()
        queue.client.stop_jobs([job_id]).result(60)
        assert queue.await_job(job_id).state == "Cancelled"


def test_the_next_session_knows_what_was(tmp_path: Path) -> None:
    """`kq jobs --all` shows it, what was interrupted as such, and it can be started again."""
    import json

    with LiveQueue(tmp_path, 1) as queue:
        done = queue.submit(*NOTHING)
        queue.await_job(done)
        cut = queue.submit(*fails(2, "time.sleep(600)"))
        queue.await_job(cut, "Running")
        log = Path(queue.job(done).log_file)
    with LiveQueue(tmp_path, 1) as queue:
        until(lambda: queue.client.job(done) and queue.client.job(cut), "the history")
        assert queue.kq("jobs", "--json").stdout.strip() == "[]"
        shown = {job["id"]: job for job in json.loads(queue.kq("jobs", "--json", "--all").stdout)}
        assert shown[done]["state"] == "Completed"
        assert shown[cut]["state"] == "Cancelled" and shown[cut]["is_interrupted"]
        assert log.exists()
        assert queue.kq("start", cut).returncode == 0
        record = queue.await_job(cut, "Completed")
        assert record.attempts == 2
        # It belongs to this session now: a server that follows must know it.
        first = queue.server_pid
        kill(first)
        until(lambda: queue.server_pid != first, "another server")
        queue.await_connected()
        assert not until(lambda: queue.client.job(cut), "it").from_history


@pytest.mark.slow
def test_history_is_kept_by_number_and_by_age(tmp_path: Path) -> None:
    """What is beyond it goes when a session begins, with its logs."""
    with LiveQueue(tmp_path, 1) as queue:
        ids = [queue.submit(*saying("x")) for _ in range(6)]
        for job_id in ids:
            queue.await_job(job_id)
    logs = tmp_path / "logs" / "jobs"
    with LiveQueue(tmp_path, 1, KQ_HISTORY_JOBS=2) as queue:
        until(lambda: {each.name for each in logs.iterdir()} == set(ids[4:]), "the logs to go")
        until(lambda: {job.id for job in queue.client.jobs()} == set(ids[4:]), "the history")
    with LiveQueue(tmp_path, 1, KQ_HISTORY_DAYS=0) as queue:
        until(lambda: not list(logs.iterdir()), "the logs to go")
        assert queue.client.jobs() == []


@with_flock
@pytest.mark.slow
def test_a_little_chaos(tmp_path: Path) -> None:
    """The run whose figures are in docs/reliability.md, in small."""
    report = run_chaos(tmp_path, 150, seed=3)
    assert report.accepted == report.completed == 150
    assert (report.run_twice_at_once, report.done_twice, report.lost, report.left_over) == (0, 0, 0, 0)
    assert report.journal == "ok"


@with_flock
@pytest.mark.nightly
def test_more_chaos(tmp_path: Path) -> None:
    """Long enough for the server to be killed more than once."""
    report = run_chaos(tmp_path, 1200, seed=11)
    assert report.accepted == report.completed == 1200
    assert (report.run_twice_at_once, report.done_twice, report.lost, report.left_over) == (0, 0, 0, 0)
    assert report.journal == "ok"
