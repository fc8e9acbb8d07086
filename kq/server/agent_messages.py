"""What Agents say: who may say it, trimmed to what can be passed on, made events for the core.

Nothing that an Agent's key may send can touch what belongs to an Agent of another key, or outgrow a message.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

import msgspec

from .. import messages as m
from ..core import Core
from ..core import events as ev
from ..wire import Incoming

__all__ = ["AgentMessages"]

_MAX_AGENTS = 2000
_MAX_ENDINGS = 100
_LONGEST_ID = 120
_LONGEST_TEXT = 2000
_LONGEST_PATH = 8192
_LARGEST = 2**62
_log = logging.getLogger("kq.server")


class AgentMessages:
    """Takes the messages of Agents. To be used from the server's thread."""

    def __init__(
        self,
        core: Core,
        handle: Callable[[ev.CoreEvent], object],
        reply: Callable[[bytes, m.EndOrder], None],
        registered: Callable[[str], None],
        streamed: Callable[[m.LogUpdate | m.FileUpdate | m.FetchUpdate], None],
    ) -> None:
        """
        Args:
            handle: takes events to the core.
            reply: sends to a peer of the request port that is no Agent of ours.
            registered: told of each Agent that is there.
            streamed: takes bytes of logs and files, and requests for them, of Agents elsewhere.
        """
        self._core = core
        self._handle = handle
        self._reply = reply
        self._registered = registered
        self._streamed = streamed
        self.routes: dict[str, bytes] = {}
        """Where an Agent is reached on the request port."""
        self.roles: dict[str, str] = {}
        """The role of the key that speaks for an Agent; no other may."""
        self.dropped = 0
        """Messages of those who had no right to them."""

    def forget(self, agent_id: str) -> None:
        """The Agent is gone."""
        self.routes.pop(agent_id, None)
        self.roles.pop(agent_id, None)

    def take_update(self, incoming: Incoming[m.UpdateMessage]) -> None:
        """Take a report. One for an Agent that another key speaks for is dropped."""
        message = incoming.message
        agent_id = message.agent
        if self.roles.get(agent_id, incoming.role) != incoming.role:
            self.dropped += 1
            return
        if isinstance(message, m.AttemptEnding):
            self._handle(ev.AttemptEnded(_tidy(message)))
        elif isinstance(message, m.HeartbeatUpdate):
            if len(agent_id) > _LONGEST_ID:
                self.dropped += 1
                return
            self._handle(
                ev.AgentHeard(
                    agent_id,
                    message.beat,
                    message.assigned,
                    message.holding,
                    _endings(agent_id, message.endings),
                    _finite(message.cpu_percent),
                    _whole(message.memory),
                )
            )
        elif isinstance(message, m.ProgressUpdate):
            picture = message.picture if len(message.picture) <= _LONGEST_PATH else ""
            self._handle(
                ev.AttemptProgressed(
                    agent_id, message.attempt, message.progress, picture, message.warning[:_LONGEST_TEXT]
                )
            )
        elif isinstance(message, m.LogUpdate | m.FileUpdate | m.FetchUpdate):
            # Only of an Agent that registered with this very key.
            if self.roles.get(agent_id) == incoming.role:
                self._streamed(message)
            else:
                self.dropped += 1
        elif isinstance(message, m.LeaveUpdate):
            agent = self._core.agent(agent_id)
            # A local one is gone when its process is.
            if agent is not None and not agent.local:
                self._handle(ev.AgentGone(agent_id, message.reason[:_LONGEST_TEXT]))

    def take_registration(self, peer: bytes, role: str, message: m.RegisterUpdate) -> None:
        """Take an Agent in, or tell it why not."""
        agent_id = message.agent
        refusal = self._refusal(role, message)
        if refusal:
            self.dropped += 1
            _log.warning("refused: %s", refusal, extra={"agent": agent_id[:_LONGEST_ID]})
            self._reply(peer, m.EndOrder(reason=refusal))
            return
        self._handle(
            ev.AgentRegistered(
                agent_id,
                message.host,
                message.pid,
                message.started,
                role == "agent:local",
                message.holding,
                _endings(agent_id, message.endings),
                message.assigned,
            )
        )
        if self._core.agent(agent_id) is None:
            self._reply(peer, m.EndOrder(reason="the queue does not know this Agent (any more)"))
            return
        if self.routes.get(agent_id) != peer:
            _log.info("registered: pid %d on %s", message.pid, message.host, extra={"agent": agent_id})
        self.routes[agent_id] = peer
        self.roles[agent_id] = role
        self._registered(agent_id)

    def _refusal(self, role: str, message: m.RegisterUpdate) -> str:
        agent_id = message.agent
        if message.protocol != m.PROTOCOL_VERSION:
            return (
                f"this Agent speaks protocol version {message.protocol}, the server {m.PROTOCOL_VERSION}: "
                f"install the same version of Katana Queue on both"
            )
        if not 0 < len(agent_id) <= _LONGEST_ID or not agent_id.isprintable() or set(agent_id) & set("/\\"):
            return f"an Agent's id has 1 to {_LONGEST_ID} printable characters, and no slash"
        if len(message.host) > 255 or not 0 < message.pid < 2**32 or not math.isfinite(message.started):
            return "its host name, process id or start time makes no sense"
        host = role.removeprefix("agent:")
        if host != "local" and not agent_id.startswith(f"{host}:"):
            return f"the id of an Agent with this key begins with {host}: and not as {agent_id[:40]}"
        if self.roles.get(agent_id, role) != role:
            return f"another host's Agent is called {agent_id}"
        if agent_id not in self.roles and len(self.roles) >= _MAX_AGENTS:
            return f"the queue has {_MAX_AGENTS} Agents already"
        return ""


def _endings(agent_id: str, endings: tuple[m.AttemptEnding, ...]) -> tuple[m.AttemptEnding, ...]:
    """Those of the Agent itself: what it says of others is none of its business."""
    if not endings:
        return ()
    return tuple(_tidy(ending) for ending in endings[-_MAX_ENDINGS:] if ending.agent == agent_id)


def _tidy(ending: m.AttemptEnding) -> m.AttemptEnding:
    """The ending without numbers that are none, and with texts of a length that fits into any message."""
    short = (
        len(ending.reason) <= _LONGEST_TEXT
        and len(ending.warning) <= _LONGEST_TEXT
        and len(ending.picture) <= _LONGEST_PATH
        and len(ending.outcome) + len(ending.stop_method) <= 40
    )
    sound = (
        (ending.cpu_s is None or 0 <= ending.cpu_s < _LARGEST)
        and (ending.peak_memory is None or 0 <= ending.peak_memory < _LARGEST)
        and (ending.exit_code is None or abs(ending.exit_code) < _LARGEST)
        and 0 <= ending.processes_gone < _LARGEST
    )
    if short and sound:
        return ending
    return msgspec.structs.replace(
        ending,
        reason=ending.reason[:_LONGEST_TEXT],
        warning=ending.warning[:_LONGEST_TEXT],
        picture=ending.picture if len(ending.picture) <= _LONGEST_PATH else "",
        outcome=ending.outcome[:20],
        stop_method=ending.stop_method[:20],
        cpu_s=_finite(ending.cpu_s),
        peak_memory=_whole(ending.peak_memory),
        exit_code=_whole(ending.exit_code, least=-_LARGEST),
        processes_gone=_whole(ending.processes_gone) or 0,
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and 0 <= value < _LARGEST else None


def _whole(value: int | None, least: int = 0) -> int | None:
    return value if value is not None and least <= value < _LARGEST else None
