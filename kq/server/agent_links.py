"""Which connection leads to each Agent, and which key it may use. Sends messages to Agents.

One key is shared by all Agents of one machine in a session. The server names a key by its role.
"""

from __future__ import annotations

import msgspec

from .. import messages as m
from ..wire import ServerWire
from .key_limits import KeyLimits

__all__ = ["LOCAL_ROLE", "AgentLinks"]

LOCAL_ROLE = "agent:local"
"""The role of the key of local Agents. That of the Agents on another machine is `agent:` and its name."""


class AgentLinks:
    """The connection and the key's role of each Agent. To be used from the server's thread only."""

    def __init__(self, wire: ServerWire, key_limits: KeyLimits) -> None:
        self._wire = wire
        self.key_limits = key_limits
        """How many Agents and messages each key may have."""
        self._routes: dict[str, bytes] = {}
        """By Agent id: the routing id of its connection to the request port."""
        self._roles: dict[str, str] = {}
        """By Agent id: the role of its key. Callers refuse a message for it that came with another key."""
        self._waiting: dict[str, list[str]] = {}
        """By role: ids of the Agents that were refused because their key had its maximum number of Agents."""

    def __len__(self) -> int:
        """The number of Agents whose role is known."""
        return len(self._roles)

    def role_of(self, agent_id: str) -> str | None:
        """Return the role of an Agent's key; None for an unknown Agent."""
        return self._roles.get(agent_id)

    def agents_of(self, role: str) -> tuple[str, ...]:
        """Return the ids of the Agents whose key has this role."""
        return tuple(agent_id for agent_id, each in self._roles.items() if each == role)

    def set_role(self, agent_id: str, role: str) -> None:
        """Set the role of an Agent's key before the Agent connects, because it was launched or restored."""
        self._roles[agent_id] = role

    def may_register(self, agent_id: str, role: str) -> bool:
        """Return whether an Agent may register with the key of this role.

        It may if it is registered already, or if the key has fewer Agents than its limit. Otherwise its id is
        kept, up to as many ids as the limit, and `forget` asks it to register when another Agent of the key
        is gone: the server may not have detected yet that one of them has crashed.
        """
        limit = self.key_limits.max_agents(role)
        if limit is None or self._roles.get(agent_id) == role or len(self.agents_of(role)) < limit:
            return True
        waiting = self._waiting.setdefault(role, [])
        if agent_id not in waiting and len(waiting) < limit:
            waiting.append(agent_id)
        return False

    def set_route(self, agent_id: str, peer: bytes, role: str) -> bool:
        """Set the routing id of an Agent's connection, and its key's role. Returns whether the id changed."""
        has_changed = self._routes.get(agent_id) != peer
        self._routes[agent_id] = peer
        self._roles[agent_id] = role
        return has_changed

    def forget(self, agent_id: str) -> None:
        """Remove an Agent that no longer exists, and ask refused Agents of the same key to register again."""
        self._routes.pop(agent_id, None)
        role = self._roles.pop(agent_id, "")
        self.key_limits.forget_agent(agent_id)
        for refused_id in self._waiting.pop(role, ()):
            self.publish(refused_id, m.RegisterAgainOrder())

    def has_route(self, agent_id: str) -> bool:
        """Return whether the routing id of the Agent's connection is known."""
        return agent_id in self._routes

    def send(self, agent_id: str, message: msgspec.Struct) -> bool:
        """Send a message to an Agent on the request port. Does not block.

        Returns:
            False if it was not sent: the connection is unknown or closed, or its send queue is full. The
            Agent is then asked, on the broadcast port, to register again, which sets its route.

        Raises:
            MalformedMessage: the message is too large.
        """
        peer = self._routes.get(agent_id)
        if peer is not None and self._wire.send(peer, message):
            return True
        self._routes.pop(agent_id, None)
        self.publish(agent_id, m.RegisterAgainOrder())
        return False

    def publish(self, agent_id: str, message: m.StopOrder | m.EndOrder | m.RegisterAgainOrder) -> None:
        """Send an order on the broadcast port, to which each Agent subscribes by its id. Does not block.

        No route is needed. An order to an Agent that is not connected is lost.
        """
        self._wire.publish_to_agent(agent_id, message)
