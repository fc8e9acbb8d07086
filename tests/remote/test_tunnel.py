"""Where only SSH gets through: the ports are led through it, and led again after the connection was lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from kq.remote import HostStore, RemoteLauncher, StepState
from kq.remote.ssh import Connection
from kq.remote.tunnel import Tunnel, _copy
from kq.settings import Settings
from tests.reliability.test_taken_ports import killed_and_robbed, session_of
from tests.remote.machines import Answers, RemoteMachine, Reports
from tests.support.live_queue import LiveQueue, until

pytestmark = pytest.mark.slow

UNREACHABLE = "192.0.2.77"
"""An address of the documentation's (RFC 5737): nobody answers there."""


@pytest.fixture
def patient(queue: LiveQueue, answers: Answers, own_home: Path) -> Iterator[RemoteLauncher]:
    """A launcher whose user would have the tunnel."""
    answers.tunnel = True
    settings = Settings.from_environment(queue.environment)
    made = RemoteLauncher(queue.client, settings, answers, HostStore(own_home / "hosts.json"))
    yield made
    made.close()


def remote_agents(queue: LiveQueue) -> list[str]:
    return [each.id for each in queue.client.agents() if not each.local and each.state != "Lost"]


def test_the_tunnel_is_offered_kept_and_remembered(
    queue: LiveQueue, machine: RemoteMachine, patient: RemoteLauncher, answers: Answers, own_home: Path
) -> None:
    """The other machine does not reach the address: it is asked about, and the next time it is known."""
    reports = Reports()
    host = machine.target(kq_host=UNREACHABLE, num_agents=1)
    started = patient.start(host, reports)
    assert started.ok, reports.text()
    assert any(step.name == "Reverse connection" and step.state is StepState.FAILED for step in started.steps)
    assert any("192.0.2.77" in each for each in answers.asked)
    assert len(remote_agents(queue)) == 1
    assert HostStore(own_home / "hosts.json").find(machine.address).tunnel  # type: ignore[union-attr]  # it is there
    job = queue.submit("sh", "-c", "echo through SSH")
    assert queue.await_job(job).state == "Completed"
    assert patient.stop(host, reports).ok, reports.text()
    assert not patient.has_tunnel


def test_without_consent_there_is_none(
    queue: LiveQueue, machine: RemoteMachine, launcher: RemoteLauncher
) -> None:
    """It says what to open in the firewall, and leaves nothing."""
    result = launcher.start(machine.target(kq_host=UNREACHABLE), Reports())
    assert not result.ok and "firewall" in result.message
    assert not any(machine.processes().values())


def test_a_tunnel_follows_ports_that_moved(
    tmp_path: Path, answers: Answers, machine: RemoteMachine, own_home: Path
) -> None:
    """The server died and its port was taken: Agents behind the tunnel reach the next one, and render on."""
    with LiveQueue(tmp_path / "data", 1, KQ_HEARTBEAT_S=0.2) as queue:
        queue.await_agents()
        queue.client.drain_agents([each.id for each in queue.client.agents()]).result(60)
        settings = Settings.from_environment(queue.environment)
        launcher = RemoteLauncher(queue.client, settings, answers, HostStore(own_home / "hosts.json"))
        host, reports = machine.target(tunnel=True, num_agents=1), Reports()
        assert launcher.start(host, reports).ok, reports.text()
        gate = tmp_path / "gate"
        job = queue.submit("sh", "-c", f"while [ ! -e {gate} ]; do sleep 0.05; done")
        running = queue.await_job(job, "Running")
        with killed_and_robbed(queue, session_of(queue).update_port):
            gate.touch()
            record = queue.await_job(job)
        assert (record.state, record.attempts, record.agent) == ("Completed", 1, running.agent)
        assert launcher.stop(host, reports).ok, reports.text()
        launcher.close()


def test_a_lost_connection_is_made_again_before_the_lease_is_over(
    queue: LiveQueue, tmp_path: Path, patient: RemoteLauncher
) -> None:
    """The SSH server was restarted: the Agents come back with their render."""
    with RemoteMachine(tmp_path / "machine") as machine:
        reports = Reports()
        host = machine.target(tunnel=True, num_agents=1)
        assert patient.start(host, reports).ok, reports.text()
        agents = machine.processes()["agent"]
        job = queue.submit("sh", "-c", "echo begun; sleep 4; echo ended")
        busy = queue.submit("sleep", "4")
        until(lambda: queue.job(job).state == queue.job(busy).state == "Running", "both Agents to work")
        machine.drop_connections()
        machine.start()
        for each in (job, busy):
            record = queue.await_job(each)
            assert record.state == "Completed" and record.attempts == 1
        assert machine.processes()["agent"] == agents
        assert patient.stop(host, reports).ok, reports.text()


def test_a_lost_connection_is_made_again_without_the_passphrase(
    queue: LiveQueue, tmp_path: Path, patient: RemoteLauncher, answers: Answers, own_home: Path
) -> None:
    """The artist may have gone home: the key that was opened once is good for the machine in between, too."""
    with RemoteMachine(tmp_path / "machine") as machine, RemoteMachine(tmp_path / "bastion") as bastion:
        locked = machine.make_key(tmp_path / "locked", "correct horse")
        machine.authorize(locked)
        bastion.authorize(locked)
        (own_home / ".ssh" / "config").write_text(
            f"Host bastion\n  HostName 127.0.0.1\n  Port {bastion.port}\n  IdentityFile {locked}\n"
            f"Host inner\n  HostName 127.0.0.1\n  Port {machine.port}\n  ProxyJump bastion\n"
        )
        answers.passphrases = ["correct horse", "correct horse"]
        reports = Reports()
        host = machine.target(host="inner", port=22, private_key=str(locked), tunnel=True, num_agents=1)
        assert patient.start(host, reports).ok, reports.text()
        agents = machine.processes()["agent"]
        for each in (bastion, machine):
            each.drop_connections()
            each.start()
        until(lambda: len(machine.log().split("Accepted publickey")) > 1, "the tunnel to be led again")
        asked = [each for each in answers.asked if each.startswith("passphrase")]
        assert asked == [f"passphrase of {locked}"] * 2
        record = queue.await_job(queue.submit("true"))
        assert record.state == "Completed", record
        assert machine.processes()["agent"] == agents
        assert patient.stop(host, reports).ok, reports.text()
        assert len([each for each in answers.asked if each.startswith("passphrase")]) == 2


def test_a_tunnel_that_nobody_needed_any_more_is_opened_again(
    queue: LiveQueue, tmp_path: Path, patient: RemoteLauncher
) -> None:
    """All Agents behind it died, and it closed by itself; the next launch makes another."""
    with RemoteMachine(tmp_path / "machine") as machine:
        host = machine.target(tunnel=True, num_agents=1)
        assert patient.start(host, Reports()).ok
        machine.kill_programs()
        until(lambda: not patient.has_tunnel, "the tunnel to close")
        reports = Reports()
        assert patient.start(host, reports).ok, reports.text()
        assert patient.has_tunnel and len(remote_agents(queue)) == 1
        assert patient.stop(host, reports).ok, reports.text()


def test_a_tunnel_whose_connection_stands_still_is_replaced(
    queue: LiveQueue, tmp_path: Path, patient: RemoteLauncher
) -> None:
    """It looks open, and nothing comes through: a launch for which no Agent needs it makes another."""
    with RemoteMachine(tmp_path / "machine") as machine:
        host = machine.target(tunnel=True, num_agents=1)
        assert patient.start(host, Reports()).ok
        machine.kill_programs()
        until(lambda: not [each for each in queue.client.agents() if not each.local], "the queue to miss it")
        assert patient.has_tunnel, "it is kept for some time after"
        machine.stand_still()
        reports = Reports()
        assert patient.start(host, reports).ok, reports.text()
        assert patient.stop(host, reports).ok, reports.text()


def test_a_server_that_allows_no_tunnel(queue: LiveQueue, tmp_path: Path, patient: RemoteLauncher) -> None:
    """It says which line the administrator can change."""
    with RemoteMachine(tmp_path / "machine", settings="AllowTcpForwarding no") as machine:
        result = patient.start(machine.target(tunnel=True), Reports())
    assert not result.ok and "AllowTcpForwarding" in result.message


def test_a_name_that_the_other_machine_does_not_know(
    machine: RemoteMachine, launcher: RemoteLauncher
) -> None:
    """It says that its name service is to learn it, or an address to be used."""
    result = launcher.check(machine.target(kq_host="no-such-name.invalid"), Reports())
    assert not result.ok and "does not know the name no-such-name.invalid" in result.message


class Gone:
    """Stands for an end of a lost connection: paramiko can neither read from it nor close it."""

    def __init__(self, error: type[Exception] = EOFError) -> None:
        self.closed = 0
        self._error = error

    def recv(self, _count: int) -> bytes:
        raise self._error

    def close(self) -> None:
        self.closed += 1
        raise self._error


def test_hanging_up_is_no_failure_where_nobody_is_left() -> None:
    """Neither of a connection through another machine nor of a tunnel; all of it is closed."""
    inner, bastion, ends = Gone(), Gone(), (Gone(), Gone())
    between = Connection(bastion, None, "", None, None)  # type: ignore[arg-type]  # only its end is asked for
    Connection(inner, None, "", between, None).close()  # type: ignore[arg-type]  # likewise
    tunnel = Tunnel(between, (), ())
    tunnel._open_ends |= dict.fromkeys(ends, 1)  # type: ignore[arg-type]  # likewise
    tunnel.close()
    assert [each.closed for each in (inner, bastion, *ends)] == [1, 1, 1, 1]


@pytest.mark.parametrize("error", [EOFError, OSError, paramiko.SSHException])
def test_a_connection_that_is_lost_while_data_is_copied_closes_both_ends(error: type[Exception]) -> None:
    source, target = Gone(error), Gone(error)
    _copy(source, target)  # type: ignore[arg-type]  # only recv and close are used
    assert (source.closed, target.closed) == (1, 1)


def test_a_machine_that_can_start_no_thread_closes_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not count among the open ones afterwards: once there is room, the next one is accepted."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    tunnel = Tunnel(Connection(Gone(), None, "", None, None), (), ())  # type: ignore[arg-type]  # not used
    tunnel._local_port_of[2222] = 1111
    channel = Gone()
    monkeypatch.setattr(threading.Thread, "start", refuse)
    tunnel._on_connection(channel, ("127.0.0.1", 1), ("127.0.0.1", 2222))  # type: ignore[arg-type]  # likewise
    assert (channel.closed, tunnel._connection_count) == (1, 0)
