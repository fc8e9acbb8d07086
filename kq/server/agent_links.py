"""The route to each Agent and the role of its key. Sends messages to Agents.

A role names the key that an Agent signs with; there is one key a role: `agent:local`, `agent:HOST`.
"""

from __future__ import annotations

import msgspec

from .. import messages as m
from ..wire import ServerWire
from .allowances import Allowances

__all__ = ["LOCAL_ROLE", "AgentLinks"]

LOCAL_ROLE = "agent:local"
"""The role of the key of local Agents."""


class AgentLinks:
    """The connections of all Agents. Server thread only."""

    def __init__(self, wire: ServerWire, allowances: Allowances) -> None:
        self._wire = wire
        self.allowances = allowances
        """The limits of each key."""
        self._routes: dict[str, bytes] = {}
        """By Agent id: its peer on the request port."""
        self._roles: dict[str, str] = {}
        """By Agent id: the role of its key. Messages with other keys are not accepted for it."""
        self._waiting: dict[str, list[str]] = {}
        """By role: ids of Agents that tried to register while their key was at its limit of Agents."""

    def __len__(self) -> int:
        return len(self._roles)

    def role_of(self, agent_id: str) -> str | None:
        """The role of an Agent's key, or None for an unknown Agent."""
        return self._roles.get(agent_id)

    def agents_of(self, role: str) -> tuple[str, ...]:
        """Ids of the Agents whose key has this role."""
        return tuple(agent_id for agent_id, each in self._roles.items() if each == role)

    def set_role(self, agent_id: str, role: str) -> None:
        """Accept messages for the Agent only with the key of this role."""
        self._roles[agent_id] = role

    def has_place(self, agent_id: str, role: str) -> bool:
        """Whether the Agent may register: its key has fewer Agents than its limit, or has this one already.

        A refused Agent is asked to register again once another Agent of the key is gone: that one may have
        crashed already, without being detected yet. At most as many wait as the key may have Agents.
        """
        most = self.allowances.max_agents(role)
        if most is None or self._roles.get(agent_id) == role or len(self.agents_of(role)) < most:
            return True
        waiting = self._waiting.setdefault(role, [])
        if agent_id not in waiting and len(waiting) < most:
            waiting.append(agent_id)
        return False

    def connect(self, agent_id: str, peer: bytes, role: str) -> bool:
        """Set the peer and the role of the Agent. Returns whether the peer has changed."""
        is_new = self._routes.get(agent_id) != peer
        self._routes[agent_id] = peer
        self._roles[agent_id] = role
        return is_new

    def forget(self, agent_id: str) -> None:
        """Remove an Agent that no longer exists. Agents that wait for its place are asked to register."""
        self._routes.pop(agent_id, None)
        role = self._roles.pop(agent_id, "")
        self.allowances.forget_agent(agent_id)
        for waiting in self._waiting.pop(role, ()):
            self.publish(waiting, m.RegisterAgainOrder())

    def is_connected(self, agent_id: str) -> bool:
        """Whether the Agent has a route on the request port."""
        return agent_id in self._routes

    def send(self, agent_id: str, message: msgspec.Struct) -> bool:
        """Send to an Agent on the request port.

        Returns:
            False if it cannot be reached there now; it was then asked to register again.

        Raises:
            MalformedMessage: the message is too large.
        """
        peer = self._routes.get(agent_id)
        if peer is not None and self._wire.send(peer, message):
            return True
        # It has no working route; it may still receive broadcasts.
        self._routes.pop(agent_id, None)
        self.publish(agent_id, m.RegisterAgainOrder())
        return False

    def publish(self, agent_id: str, message: m.StopOrder | m.EndOrder | m.RegisterAgainOrder) -> None:
        """Send to an Agent on the broadcast port, which needs no route."""
        self._wire.publish_to_agent(agent_id, message)
