"""What is gathered for clients: each record once, as it is now. Without a socket."""

from __future__ import annotations

from kq.client.mirror import ConnectionStatus, Mirror
from kq.core import Core, CoreSettings, Instant
from kq.core import events as ev
from kq.messages import SnapshotReply
from kq.records import QueueRecord
from kq.server.change_feed import ChangeFeed


def test_an_agent_that_left_and_came_back_between_two_events_is_there() -> None:
    """It went and registered again within one message's time: clients know it as it is now."""
    core = Core(CoreSettings(agents_wanted=0))
    change_feed, mirror = ChangeFeed(core), Mirror()
    nothing = SnapshotReply(
        request=1, sequence=0, jobs=(), agents=(), queue=QueueRecord(), now=0.0, more=False
    )
    mirror.take_page(nothing, frozenset())
    core.handle(ev.AgentRegistered("farm-b:1", "farm-b", 4711, 1.0, local=False), Instant(0.0, 0.0))
    change_feed.agent_removed("farm-b:1")
    change_feed.agent_changed("farm-b:1")
    for event in change_feed.take(10.0):
        assert mirror.apply(event)
    assert list(mirror.agents) == ["farm-b:1"]
    assert not mirror.take_change(ConnectionStatus.CONNECTED, "", most=9).removed_agents
