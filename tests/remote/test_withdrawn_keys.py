"""A host's key is revoked when no Agent is left that may use it, and not before."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from kq.agent_config import AgentConfig
from kq.remote import RemoteLauncher
from kq.server.credentials import SessionFiles
from kq.server.remote_hosts import RemoteHosts
from kq.settings import Settings
from kq.wire import KeyLimits, ServerWire
from kq.wire.probe import PortAnswer, probe_ports
from tests.remote.machines import RemoteMachine, Reports
from tests.support.live_queue import LiveQueue, key_files, until

LEASE_S = 10.0


class Hosts:
    """A server's hosts, on open ports, with a clock that is set by hand."""

    def __init__(self, folder: Path) -> None:
        self.now = 1000.0
        self.settings = Settings.from_environment({"KQ_DATA_ROOT": str(folder), "KQ_LEASE_S": str(LEASE_S)})
        self._folder = folder
        self._open()

    def _open(self) -> None:
        self.files = SessionFiles(self.settings, self._folder, "a session")
        self.key_limits = KeyLimits(lambda: self.now, print)
        self.wire = ServerWire(self.files.server_keys, self.key_limits)
        self.files.bind(self.wire)
        self.hosts = RemoteHosts(
            self.files, self.wire, self.key_limits, self.settings, clock=lambda: self.now
        )

    def start_again(self) -> None:
        """As the guardian does when the server died."""
        self.wire.close()
        self._open()

    def admits(self, label: str) -> bool:
        return f"agent:{label}" in self.wire.authenticator.roles.values()

    def pass_time(self, seconds: float, *agents: str) -> None:
        """The queue knows these Agents meanwhile."""
        for _ in range(int(seconds)):
            self.now += 1.0
            self.hosts.sweep(agents)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    made = Hosts(tmp_path)
    yield made
    made.wire.close()


def test_a_key_goes_when_the_last_agent_was_gone_for_some_time(hosts: Hosts) -> None:
    """Long enough for a supervisor to start another in its place."""
    hosts.hosts.admit("farm-b", "", 4)
    hosts.pass_time(3600, "farm-b:1-x7kq", "farm-bb:1-x7kq")
    hosts.pass_time(2 * LEASE_S + 19, "farm-bb:1-x7kq")
    assert hosts.admits("farm-b")
    hosts.pass_time(2)
    assert not hosts.admits("farm-b") and "farm-b" not in hosts.files.state.hosts


def test_an_agent_that_is_back_keeps_it(hosts: Hosts) -> None:
    """Each time anew."""
    hosts.hosts.admit("farm-b", "", 4)
    for _ in range(5):
        hosts.pass_time(2 * LEASE_S + 15)
        hosts.pass_time(1, "farm-b:1-x7kq")
    assert hosts.admits("farm-b")


def test_a_launch_that_never_ended_is_given_longer(hosts: Hosts) -> None:
    """Its time-outs are long; each try begins anew."""
    hosts.hosts.admit("farm-b", "", 4)
    hosts.pass_time(290)
    hosts.hosts.admit("farm-b", "", 4)
    hosts.pass_time(290)
    assert hosts.admits("farm-b")
    hosts.pass_time(20)
    assert not hosts.admits("farm-b")


def test_what_a_person_was_given_is_kept(hosts: Hosts) -> None:
    """Who starts Agents by hand does it again tomorrow, with a server that was started again meanwhile."""
    hosts.hosts.admit("farm-h", "", 4, by_hand=True)
    hosts.pass_time(10, "farm-h:1-x7kq")
    hosts.pass_time(3600)
    hosts.start_again()
    hosts.pass_time(3600)
    assert hosts.admits("farm-h")
    hosts.hosts.revoke("farm-h")
    hosts.pass_time(2)
    assert not hosts.admits("farm-h")


def test_a_server_that_was_started_again_begins_to_count_anew(hosts: Hosts) -> None:
    """It has yet to hear from whoever is there."""
    hosts.hosts.admit("farm-b", "", 4)
    hosts.pass_time(10, "farm-b:1-x7kq")
    hosts.start_again()
    hosts.pass_time(2 * LEASE_S + 30)
    assert hosts.admits("farm-b")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["switched off", "ended at once"])
def test_agents_that_all_died_leave_no_key_admitted(
    queue: LiveQueue, machine: RemoteMachine, launcher: RemoteLauncher, how: str
) -> None:
    """Some time after the last Agent is gone, and be it soon after its start, the machine's key is refused; a
    machine that is back gets another."""
    host = machine.target(num_agents=1, kq_host="127.0.0.1")
    reports = Reports()
    assert launcher.start(host, reports).ok, reports.text()
    (path,) = machine.state.glob("sessions/*/connection.json")
    stolen = msgspec.json.decode(path.read_bytes(), type=AgentConfig).connection
    if how == "switched off":
        assert set(probe_ports(stolen, 60.0)) == {PortAnswer.OPEN}
    machine.kill_programs(signal.SIGKILL if how == "switched off" else signal.SIGTERM)
    until(lambda: not [each for each in queue.client.agents() if not each.local], "the queue to miss it")
    until(lambda: set(probe_ports(stolen, 5.0)) == {PortAnswer.KEY_REFUSED}, "the key to go", 120.0)
    again = Reports()
    assert launcher.start(host, again).ok, again.text()
    assert queue.await_job(queue.submit("true")).state == "Completed"
    assert set(probe_ports(stolen, 60.0)) == {PortAnswer.KEY_REFUSED}, "the next key is another"
    assert launcher.stop(host, Reports()).ok


def test_a_launch_that_fails_leaves_a_persons_key(
    queue: LiveQueue, machine: RemoteMachine, launcher: RemoteLauncher
) -> None:
    """It takes back what it asked for; the key that somebody copied to that machine is not its own."""
    host = machine.target(num_agents=1, kq_host="192.0.2.77")
    queue.client.admit_host(host.label, "", 4, by_hand=True).result(60)
    reports = Reports()
    assert not launcher.start(host, reports).ok, reports.text()
    assert any(step.name == "Reverse connection" for step in reports.steps), reports.text()
    [state] = key_files(queue.data_root, "server.json")
    assert f"agent:{host.label}" in msgspec.json.decode(state.read_bytes())["keys"]
    queue.client.revoke_host(host.label).result(60)
    assert f"agent:{host.label}" not in msgspec.json.decode(state.read_bytes())["keys"]
