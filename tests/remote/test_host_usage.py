"""One operation a host at a time, and whether a host is in use, by what a queue lists."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kq.api import ConnectionStatus, QueueClient
from kq.errors import Refused
from kq.remote.host_usage import HostUsage
from tests.support.live_queue import until


def usage(*agents: str, session: str = "s", has_ended: bool = False) -> HostUsage:
    """A queue that lists these Agents; those of this machine have no colon."""
    records = [SimpleNamespace(id=each, local=":" not in each) for each in agents]
    queue: Any = SimpleNamespace(
        session=session, has_ended=has_ended, ports=(1, 2, 3), agents=lambda: records
    )
    return HostUsage(queue)


def test_a_host_has_one_operation_at_a_time() -> None:
    """Another host may be launched meanwhile; after it, also one that failed, the host is free."""
    hosts = usage()
    with pytest.raises(ZeroDivisionError), hosts.exclusive("farm-a"):
        with pytest.raises(Refused, match="farm-a"), hosts.exclusive("farm-a"):
            pytest.fail("two operations at once")
        with hosts.exclusive("farm-b"):
            assert hosts.is_in_use("farm-a") and hosts.is_in_use("farm-b")
        raise ZeroDivisionError
    assert not hosts.is_in_use("farm-a")


def test_a_host_is_in_use_while_the_queue_lists_its_agents() -> None:
    """By its whole label; local Agents are of no host."""
    hosts = usage("a1", "farm-a:1", "farm-ab:1")
    assert [each.id for each in hosts.agents("farm-a")] == ["farm-a:1"]
    assert [each.id for each in hosts.agents_elsewhere("farm-a")] == ["farm-ab:1"]
    assert hosts.is_in_use("farm-a") and not hosts.is_in_use("farm")
    assert hosts.ports() == (1, 2, 3)


def test_without_a_session_no_host_has_agents() -> None:
    """There are no ports to forward to, and no Agents that could need them."""
    for hosts in (HostUsage(None), usage("farm-a:1", session="")):
        assert not hosts.is_in_use("farm-a") and hosts.agents_elsewhere("farm-b") == []
    assert HostUsage(None).ports() == (0, 0, 0)


def test_after_the_end_of_the_session_no_host_is_in_use() -> None:
    """Its last known Agents ended with it: a tunnel, and `kq remote start`, would be kept for ever."""
    assert not usage("farm-a:1", has_ended=True).is_in_use("farm-a")
    client = QueueClient()
    try:
        assert not client.has_ended
        client.set_status(ConnectionStatus.ENDED, "the session has ended")
        until(lambda: client.has_ended, "the client to know")
    finally:
        client.close()
        assert client.join(60)
