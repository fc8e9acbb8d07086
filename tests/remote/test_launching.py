"""Agents on another machine: started, used, started again, stopped; nothing is left half done."""

from __future__ import annotations

import json
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kq.remote import HostStore, RemoteLauncher
from tests.remote.machines import RemoteMachine, Reports, gone
from tests.support.live_queue import LiveQueue, is_alive, until


def remote_agents(queue: LiveQueue) -> list[str]:
    return [agent.id for agent in queue.client.agents() if not agent.local]


def test_agents_start_work_and_stop(
    queue: LiveQueue, machine: RemoteMachine, launcher: RemoteLauncher, own_home: Path
) -> None:
    """Two Agents register, take jobs, and are gone when told; the key with them."""
    reports = Reports()
    started = launcher.start(machine.target(), reports)
    assert started.ok, reports.text()
    running = machine.processes()
    assert len(running["supervisor"]) == 1 and len(running["agent"]) == 2
    assert len(remote_agents(queue)) == 2
    # Three at once: the local Agent has one, the others run over there.
    queue.client.pause_queue(True).result(60)
    jobs = [queue.submit("sh", "-c", 'echo "by $KQ_AGENT"; sleep 0.7') for _ in range(3)]
    queue.client.pause_queue(False).result(60)
    records = [queue.await_job(job) for job in jobs]
    assert all(record.state == "Completed" for record in records)
    logs = "".join(Path(record.log_file).read_text() for record in records)
    assert logs.count(f"by {machine.target().label}:") == 2
    keys = list(machine.state.glob("sessions/*/connection.json"))
    assert [path.stat().st_mode & 0o777 for path in keys] == [0o600]
    assert keys[0].parent.stat().st_mode & 0o777 == 0o700
    stopped = launcher.stop(machine.target(), reports)
    assert stopped.ok, reports.text()
    assert not remote_agents(queue)
    assert gone([pid for pids in running.values() for pid in pids])
    assert not list(machine.state.glob("sessions/*/"))
    assert [host.host for host in HostStore(own_home / "hosts.json").hosts()] == [machine.address]
    assert "secret" not in (own_home / "hosts.json").read_text()


def test_starting_twice_is_starting_once(
    queue: LiveQueue, machine: RemoteMachine, launcher: RemoteLauncher
) -> None:
    """Asked again, the same Agents run; asked for more, the missing ones are added."""
    reports = Reports()
    assert launcher.start(machine.target(num_agents=1), reports).ok, reports.text()
    before = machine.processes()["agent"]
    assert launcher.start(machine.target(num_agents=1), reports).ok, reports.text()
    assert machine.processes()["agent"] == before
    assert launcher.start(machine.target(num_agents=2), reports).ok, reports.text()
    assert set(before) < set(machine.processes()["agent"])
    assert len(remote_agents(queue)) == 2
    assert launcher.stop(machine.target(), reports).ok
    assert launcher.stop(machine.target(), reports).ok, "stopping what does not run is no mistake"


@pytest.mark.parametrize(
    "step",
    ["Name", "Port", "Host key", "Login", "System", "Python", "Katana Queue", "Render program", "Machine",
     "KQ Host", "KQ_DATA_ROOT", "Reverse connection", "Disk", "Scripts", "Agents", "Registration"],
)  # fmt: skip
def test_cancelled_at_any_step_nothing_remains(
    queue: LiveQueue, machine: RemoteMachine, launcher: RemoteLauncher, step: str
) -> None:
    """A window that is closed in the midst leaves no process, no key and no Agent."""
    reports = Reports(cancel_at=step)
    result = launcher.start(machine.target(), reports, reports.cancelled)
    assert result.cancelled, reports.text()
    assert not any(machine.processes().values())
    assert not list(machine.state.glob("sessions/*/"))
    until(lambda: not remote_agents(queue), "the queue to know no remote Agent")


def test_cancelled_after_a_hard_end_nothing_remains(
    queue: LiveQueue, machine: RemoteMachine, launcher: RemoteLauncher
) -> None:
    """Agents that the queue still counts, and that are dead, do not keep new ones from being undone."""
    assert launcher.start(machine.target(), Reports()).ok
    machine.kill_programs()
    assert remote_agents(queue), "the queue still counts them"
    reports = Reports(cancel_at="Registration")
    assert launcher.start(machine.target(), reports, reports.cancelled).cancelled, reports.text()
    assert not any(machine.processes().values())
    assert not list(machine.state.glob("sessions/*/"))
    until(lambda: not remote_agents(queue), "the queue to know no remote Agent")


def test_cancelled_while_the_script_runs_nothing_remains(
    queue: LiveQueue, launcher: RemoteLauncher, tmp_path: Path
) -> None:
    """A script over there that is slow to begin is not overtaken by what undoes it."""
    begun = tmp_path / "begun"
    profile = tmp_path / "profile.sh"
    profile.write_text(f"case $0 in *StartAgents.sh) echo $$ > '{begun}'; sleep 2 ;; esac\n")
    cancelled = threading.Event()
    with RemoteMachine(tmp_path / "slow", variables=f"BASH_ENV={profile}") as slow:
        with ThreadPoolExecutor(1) as desktop:
            start = desktop.submit(launcher.start, slow.target(), Reports(), cancelled)
            script = int(until(lambda: begun.is_file() and begun.read_text(), "the script to begin"))
            cancelled.set()
            assert start.result(60).cancelled
        assert not is_alive(script)
        assert not any(slow.processes().values())
        assert not list(slow.state.glob("sessions/*/"))


def test_a_machine_without_sftp_is_told_of(
    queue: LiveQueue, launcher: RemoteLauncher, tmp_path: Path
) -> None:
    """Some administrators switch it off: the scripts cannot be put there, and nothing stays behind."""
    login = tmp_path / "login"
    login.write_text(
        '#!/bin/sh\ncase "$SSH_ORIGINAL_COMMAND" in *sftp*) exit 1 ;; esac\n'
        'exec sh -c "$SSH_ORIGINAL_COMMAND"\n'
    )
    login.chmod(0o755)
    with RemoteMachine(tmp_path / "machine", settings=f"ForceCommand {login}") as machine:
        result = launcher.start(machine.target(), Reports())
        assert not result.ok and "SFTP" in result.message, result.message
        assert not any(machine.processes().values()) and not list(machine.state.glob("sessions/*/"))
    assert not remote_agents(queue)


def test_a_restarted_agent_comes_back(
    queue: LiveQueue, machine: RemoteMachine, launcher: RemoteLauncher
) -> None:
    """Restart ends it with what it renders, and another takes its place; Remove only ends it."""
    reports = Reports()
    assert launcher.start(machine.target(num_agents=1), reports).ok, reports.text()
    local = [each.id for each in queue.client.agents() if each.local]
    queue.client.drain_agents(local).result(60)
    job = queue.submit("sh", "-c", "test $KQ_ATTEMPT -gt 1 || sleep 300")
    first = queue.await_job(job, "Running").agent
    (before,) = machine.processes()["agent"]
    queue.client.restart_agents([first]).result(60)
    record = queue.await_job(job)
    assert record.state == "Completed" and record.attempts == 2
    assert not is_alive(before)
    (second,) = remote_agents(queue)
    assert second != first and len(machine.processes()["agent"]) == 1
    queue.client.end_agents([second]).result(60)
    until(lambda: not any(machine.processes().values()), "the last one to end, and its supervisor with it")
    until(lambda: not remote_agents(queue), "the queue to know no remote Agent")
    queue.client.resume_agents(local).result(60)
    assert launcher.stop(machine.target(), reports).ok, reports.text()


def test_an_agent_that_was_ended_can_be_launched_again(
    queue: LiveQueue, machine: RemoteMachine, launcher: RemoteLauncher
) -> None:
    """While another one of its machine runs on."""
    reports = Reports()
    assert launcher.start(machine.target(num_agents=2), reports).ok, reports.text()
    ended, kept = remote_agents(queue)
    queue.client.end_agents([ended]).result(60)
    until(lambda: remote_agents(queue) == [kept], "the queue to know one remote Agent")
    (record,) = machine.state.glob("sessions/*/supervisor.json")
    until(lambda: len(json.loads(record.read_text())["agents"]) == 1, "its supervisor to note that")
    assert launcher.start(machine.target(num_agents=2), reports).ok, reports.text()
    assert len(remote_agents(queue)) == len(machine.processes()["agent"]) == 2
    assert kept in remote_agents(queue)
    assert launcher.stop(machine.target(), reports).ok, reports.text()


def test_a_dead_agent_is_replaced(queue: LiveQueue, machine: RemoteMachine, launcher: RemoteLauncher) -> None:
    """Its task runs elsewhere at once, without waiting for a lease."""
    reports = Reports()
    assert launcher.start(machine.target(num_agents=1), reports).ok, reports.text()
    agent = machine.processes()["agent"][0]
    queue.client.pause_queue(True).result(60)
    blocker = queue.submit("sleep", "1")
    job = queue.submit("sh", "-c", "test $KQ_ATTEMPT -gt 1 || sleep 300")
    queue.client.pause_queue(False).result(60)
    record = queue.await_job(job, "Running")
    if record.agent.startswith(machine.target().label):
        os.kill(agent, signal.SIGKILL)
        assert queue.await_job(job).state == "Completed"
    else:
        queue.client.stop_jobs([job]).result(60)
        os.kill(agent, signal.SIGKILL)
    queue.await_job(blocker)
    until(lambda: [pid for pid in machine.processes()["agent"] if pid != agent], "another Agent")
    assert launcher.stop(machine.target(), reports).ok, reports.text()
