"""Where each Agent can be reached, and which key may speak for it. Sends; decides nothing."""

from __future__ import annotations

import msgspec

from .. import messages as m
from ..wire import ServerWire
from .allowances import Allowances

__all__ = ["LOCAL_ROLE", "AgentLinks"]

LOCAL_ROLE = "agent:local"
"""The role of the key that the Agents of this machine use."""


class AgentLinks:
    """The connections of all known Agents. To be used from the server's thread."""

    def __init__(self, wire: ServerWire, allowances: Allowances) -> None:
        self._wire = wire
        self.allowances = allowances
        """What each key may ask for."""
        self._routes: dict[str, bytes] = {}
        """By Agent: its peer on the request port."""
        self._roles: dict[str, str] = {}
        """By Agent: the role of the key that speaks for it; no other may."""
        self._waiting: dict[str, list[str]] = {}
        """By role: Agents that asked to register while their key had all its Agents."""

    def __len__(self) -> int:
        return len(self._roles)

    def role_of(self, agent_id: str) -> str | None:
        """The role of the key that speaks for an Agent, or None for an unknown one."""
        return self._roles.get(agent_id)

    def agents_of(self, role: str) -> tuple[str, ...]:
        """The Agents that a key's role speaks for."""
        return tuple(agent_id for agent_id, each in self._roles.items() if each == role)

    def set_role(self, agent_id: str, role: str) -> None:
        """Let only keys of this role speak for the Agent."""
        self._roles[agent_id] = role

    def has_place(self, agent_id: str, role: str) -> bool:
        """Whether the Agent may register: its key has not all its Agents yet, or it is one of them.

        An Agent that may not is asked to register when one of the others is gone: that may have died, and not
        be known gone yet.
        """
        most = self.allowances.max_agents(role)
        if most is None or agent_id in self._roles or len(self.agents_of(role)) < most:
            return True
        waiting = self._waiting.setdefault(role, [])
        if agent_id not in waiting and len(waiting) < most:
            waiting.append(agent_id)
        return False

    def connect(self, agent_id: str, peer: bytes, role: str) -> bool:
        """Reach the Agent through this peer from now on. Returns whether that is a change."""
        is_new = self._routes.get(agent_id) != peer
        self._routes[agent_id] = peer
        self._roles[agent_id] = role
        return is_new

    def forget(self, agent_id: str) -> None:
        """The Agent no longer exists. Those that wait for its place are asked to register."""
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
            False when it cannot be reached there now; it was then asked to register again.

        Raises:
            MalformedMessage: the message is too large.
        """
        peer = self._routes.get(agent_id)
        if peer is not None and self._wire.send(peer, message):
            return True
        # Its route is dead or unknown; it may still receive broadcasts.
        self._routes.pop(agent_id, None)
        self.publish(agent_id, m.RegisterAgainOrder())
        return False

    def publish(self, agent_id: str, message: m.StopOrder | m.EndOrder | m.RegisterAgainOrder) -> None:
        """Send to an Agent on the broadcast port, which needs no route."""
        self._wire.publish_to_agent(agent_id, message)
