"""A task is never run by two Agents at once, and an Agent's death is not the render's failure.

Each task locks a file while it runs: a second run beside the first is refused the lock and says so.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from tests.support.commands import steps
from tests.support.live_queue import LiveQueue, frozen, is_alive, key_files, kill, until

_LEASE_S = 5.0  # so that a busy machine stops no Agent for as long
_TASK = """\
folder, last_that_stays = sys.argv[1:]
runs, attempt = os.path.join(folder, "runs"), os.environ["KQ_ATTEMPT"]
lock = open(os.path.join(folder, "lock"), "a")
try:
    if os.name == "nt":
        import msvcrt
        msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    note(runs, "TWICE")
    sys.exit(99)
note(runs, "start " + attempt)
if int(attempt) <= int(last_that_stays): time.sleep(600)
note(runs, "end " + attempt)
"""


def submit_locking(queue: LiveQueue, folder: Path, last_that_stays: int) -> str:
    """A task whose attempts run for ever, up to the number given."""
    job_id = queue.submit(*steps(_TASK, str(folder), str(last_that_stays)))
    await_line(folder, "start 1")
    return job_id


def await_line(folder: Path, line: str) -> None:
    runs = folder / "runs"
    until(lambda: runs.exists() and line in runs.read_text().splitlines(), f"the line {line!r}")


def test_an_agent_stopped_beyond_its_lease_never_gives_two_runs(tmp_path: Path) -> None:
    """It is taken for lost, its task runs elsewhere, and when it goes on it finds its own run ended."""
    data_root = tmp_path / "data"
    data_root.mkdir()
    with LiveQueue(data_root, 2, KQ_HEARTBEAT_S=0.2, KQ_LEASE_S=_LEASE_S) as queue:
        job_id = submit_locking(queue, tmp_path, 1)
        record = until(lambda: (r := queue.job(job_id)).agent and r, "its Agent")
        pid = next(agent.pid for agent in queue.client.agents() if agent.id == record.agent)
        with frozen(pid):
            await_line(tmp_path, "end 2")
        record = queue.await_job(job_id)
        assert (record.state, record.attempts) == ("Completed", 2)
        lost, _ = queue.client.attempts(job_id).result(60)
        assert lost.outcome == "agent-lost"
        assert "silent" in lost.reason
        until(lambda: not is_alive(pid), "the end of the Agent that was stopped")
        queue.await_agents()
    assert (tmp_path / "runs").read_text().split("\n") == ["start 1", "start 2", "end 2", ""]


@pytest.mark.slow
def test_an_agent_stopped_for_less_than_its_lease_loses_nothing(tmp_path: Path) -> None:
    """Its render goes on meanwhile, and ends as if nothing had been."""
    data_root = tmp_path / "data"
    data_root.mkdir()
    with LiveQueue(data_root, 1, KQ_HEARTBEAT_S=0.2, KQ_LEASE_S=20) as queue:
        job_id = queue.submit(*steps("note(*sys.argv[1:]); time.sleep(0.5)", str(tmp_path / "runs"), "begun"))
        await_line(tmp_path, "begun")
        [pid] = queue.agent_pids()
        with frozen(pid):
            until(lambda: any(a.state == "Lost" for a in queue.client.agents()), "it to be missed")
        record = queue.await_job(job_id)
        assert (record.state, record.attempts) == ("Completed", 1)
        assert queue.await_agents() == [pid]


@pytest.mark.slow
def test_a_server_stopped_beyond_the_leases_takes_nothing_from_anybody(tmp_path: Path) -> None:
    """Its Agents end their renders when it is silent, and the task is run again only after that."""
    data_root = tmp_path / "data"
    data_root.mkdir()
    with LiveQueue(data_root, 2, KQ_HEARTBEAT_S=0.2, KQ_LEASE_S=_LEASE_S) as queue:
        job_id = submit_locking(queue, tmp_path, 1)
        agents = queue.agent_pids()
        with frozen(queue.server_pid):
            until(lambda: not any(map(is_alive, agents)), "the Agents to give up")
        assert queue.await_job(job_id).state == "Completed"
    assert "TWICE" not in (tmp_path / "runs").read_text()


def test_a_dead_agents_task_runs_again_and_the_agent_is_replaced(tmp_path: Path) -> None:
    """Nothing of it counts as the render's failure."""
    data_root = tmp_path / "data"
    data_root.mkdir()
    with LiveQueue(data_root, 1) as queue:
        job_id = submit_locking(queue, tmp_path, 1)
        [pid] = queue.agent_pids()
        kill(pid)
        record = queue.await_job(job_id)
        assert (record.state, record.attempts, record.reason) == ("Completed", 2, "")
        lost, _ = queue.client.attempts(job_id).result(60)
        assert (lost.outcome, lost.stop_method) == ("agent-lost", "killed")
        assert pid not in queue.await_agents()


@pytest.mark.slow
def test_three_lost_agents_are_forgiven_and_the_fourth_is_not(tmp_path: Path) -> None:
    """Then it Failed, and the reason says what became of its Agents."""
    data_root = tmp_path / "data"
    data_root.mkdir()
    with LiveQueue(data_root, 1) as queue:
        job_id = submit_locking(queue, tmp_path, 9)
        for number in range(1, 5):
            await_line(tmp_path, f"start {number}")
            assert queue.await_job(job_id, "Running").attempts == number
            pid = until(
                lambda: next(
                    (a.pid for a in queue.client.agents() if a.job == job_id and is_alive(a.pid)), 0
                ),
                "its Agent",
            )
            kill(pid)
            until(
                lambda n=number: queue.job(job_id).attempts > n or queue.job(job_id).state == "Failed", "it"
            )
        record = queue.await_job(job_id)
        assert (record.state, record.attempts) == ("Failed", 4)
        assert " 4 Agents " in record.reason
        assert ("exit code 15" if sys.platform == "win32" else "signal 9") in record.reason
        assert len(queue.await_agents()) == 1
    assert "TWICE" not in (tmp_path / "runs").read_text()


@pytest.mark.slow
def test_agents_that_cannot_start_are_not_started_in_a_spin(tmp_path: Path) -> None:
    """Each time later, and the queue says why; what is mended works again by itself."""
    with LiveQueue(tmp_path, 1) as queue:
        [config] = key_files(tmp_path, "agent.json")
        aside = config.rename(config.with_name("aside"))
        [pid] = queue.await_agents()
        kill(pid)
        until(lambda: "Agents" in queue.client.queue().problem, "the problem to be shown")
        began, seen = time.monotonic(), set()
        while time.monotonic() - began < 2.0:
            seen |= {agent.id for agent in queue.client.agents()}
            time.sleep(0.01)
        assert len(seen) <= 4
        aside.rename(config)
        queue.await_agents()
        until(lambda: queue.client.queue().problem == "", "the end of the problem")
