"""Each Agent's connection, and the key pair that encrypts it (ZeroMQ's CURVE). Sends messages to Agents.

All Agents of one machine share a key pair per session. The server refers to it by a label, its *role*.
"""

from __future__ import annotations

import msgspec

from .. import messages as m
from ..wire import KeyLimits, ServerWire

__all__ = ["LOCAL_ROLE", "AgentLinks"]

LOCAL_ROLE = "agent:local"
"""The role of the local Agents' key. That of Agents on another machine has the role `agent:MACHINE`."""


class AgentLinks:
    """The connection of each Agent and the role of its key. To be used from the server's thread only."""

    def __init__(self, wire: ServerWire, key_limits: KeyLimits) -> None:
        self._wire = wire
        self.key_limits = key_limits
        """How many Agents may register with each key, and how many messages a second may be sent with it."""
        self._routes: dict[str, bytes] = {}
        """By Agent id: the id by which the socket of the request port (a ROUTER) addresses its connection."""
        self._roles: dict[str, str] = {}
        """By Agent id: the role of its key. Callers reject its messages if they came with another key."""
        self._waiting: dict[str, list[str]] = {}
        """By role: ids of Agents that were refused because their key had its maximum number of Agents."""

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
        """Record the role of the key of an Agent that was launched or restored, and has not connected yet."""
        self._roles[agent_id] = role

    def admit_or_queue(self, agent_id: str, role: str) -> bool:
        """Return whether an Agent may register with the key of this role; if not, put it on a waiting list.

        An Agent may register if its recorded role is this one, or if fewer Agents than the key's limit have
        this role. One that is counted may have crashed without the server having noticed it yet, so `forget`
        asks the waiting Agents to register again. At most as many Agents wait as may register. Agents that
        are refused while the list is full only repeat their registration every few seconds, as all Agents
        without a reply do.
        """
        limit = self.key_limits.max_agents(role)
        if limit is None or self._roles.get(agent_id) == role or len(self.agents_of(role)) < limit:
            return True
        waiting = self._waiting.setdefault(role, [])
        if agent_id not in waiting and len(waiting) < limit:
            waiting.append(agent_id)
        return False

    def set_route(self, agent_id: str, routing_id: bytes, role: str) -> bool:
        """Set the id by which an Agent's connection is addressed, and its key's role.

        Returns whether the id was unknown or another one: the Agent has connected or reconnected, or a
        message to it could not be sent.
        """
        has_changed = self._routes.get(agent_id) != routing_id
        self._routes[agent_id] = routing_id
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
        routing_id = self._routes.get(agent_id)
        if routing_id is not None and self._wire.send(routing_id, message):
            return True
        self._routes.pop(agent_id, None)
        self.publish(agent_id, m.RegisterAgainOrder())
        return False

    def publish(self, agent_id: str, message: m.StopOrder | m.EndOrder | m.RegisterAgainOrder) -> None:
        """Send an order on the broadcast port, to which each Agent subscribes by its id. Does not block.

        No route is needed. An order to an Agent that is not connected is lost.
        """
        self._wire.publish_to_agent(agent_id, message)
