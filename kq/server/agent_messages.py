"""Converts the messages of Agents into events for the core, and checks their sender, values and sizes.

A key cannot affect Agents of another key, or make a record too large for a message.
"""

from __future__ import annotations

import logging
import math

import msgspec

from .. import messages as m
from ..core import Core
from ..core import events as ev
from ..wire import Incoming
from .agent_links import LOCAL_ROLE, AgentLinks
from .client_outbox import ClientOutbox
from .journal_writer import JournalWriter
from .scheduler import Scheduler
from .streams import Streams

__all__ = ["AgentMessages"]

_MAX_AGENTS = 2000
_MAX_ENDINGS = 100
_LONGEST_ID = 120
_LONGEST_TEXT = 2000
_LONGEST_PATH = 8192
_LARGEST = 2**62
"""Upper limit of numbers that Agents report."""
_log = logging.getLogger("kq.server")


class AgentMessages:
    """Handles the messages of Agents. Server thread only."""

    def __init__(
        self,
        core: Core,
        scheduler: Scheduler,
        outbox: ClientOutbox,
        journal_writer: JournalWriter,
        links: AgentLinks,
        streams: Streams,
    ) -> None:
        self._core = core
        self._scheduler = scheduler
        self._outbox = outbox
        self._journal_writer = journal_writer
        self._links = links
        self._streams = streams
        self._key_limits = links.key_limits

    def take_update(self, incoming: Incoming[m.UpdateMessage]) -> None:
        """Handle a report. Reports for an Agent that belongs to another key are dropped."""
        message = incoming.message
        role = self._links.role_of(message.agent)
        if role not in (None, incoming.role) or len(message.agent) > _LONGEST_ID:
            return
        if isinstance(message, m.LogUpdate | m.FileUpdate | m.FetchUpdate):
            # Only from an Agent that has registered with this key.
            if role is not None:
                self._streams.handle(message)
            return
        if not self._key_limits.allow_report(incoming.role, message.agent):
            return
        event = self._event_of(message, incoming.role)
        if event is not None:
            self._scheduler.handle(event)

    def _event_of(
        self, message: m.AttemptEnding | m.HeartbeatUpdate | m.ProgressUpdate | m.LeaveUpdate, role: str
    ) -> ev.CoreEvent | None:
        """The core's event for a message, with its values limited; None if there is none."""
        if isinstance(message, m.AttemptEnding):
            return ev.AttemptEnded(self._checked(message, role))
        if isinstance(message, m.HeartbeatUpdate):
            return ev.AgentHeartbeat(
                message.agent,
                message.number,
                message.assign_number,
                message.attempt,
                self._endings(message.agent, message.endings, role),
                _float_in_range(message.cpu_percent),
                _int_in_range(message.memory),
            )
        if isinstance(message, m.ProgressUpdate):
            picture = self._picture(message.agent, message.attempt, message.picture, role)
            warning = message.warning[:_LONGEST_TEXT]
            warnings = _int_in_range(message.warnings) or 0
            return ev.AttemptProgressed(
                message.agent, message.attempt, message.progress, picture, warning, warnings
            )
        agent = self._core.agent(message.agent)
        if agent is None or agent.local:
            return None  # a local Agent is gone when its process is
        return ev.AgentGone(message.agent, message.reason[:_LONGEST_TEXT])

    def take_registration(self, peer: bytes, role: str, message: m.RegisterUpdate) -> None:
        """Register an Agent, or send `peer` the reason of the refusal. `role`: of the key that it uses."""
        agent_id = message.agent
        if not self._key_limits.allow_registration(role):
            return
        refusal = self._refusal(role, message)
        if refusal:
            self._key_limits.refuse(role, refusal)
            self._outbox.reply(peer, m.EndOrder(reason=refusal))
            return
        if not self._links.admit_or_queue(agent_id, role):
            self._key_limits.refuse(role, "more Agents than it was admitted for")
            return
        self._scheduler.handle(
            ev.AgentRegistered(
                agent_id,
                message.host,
                message.pid,
                message.started,
                role == LOCAL_ROLE,
                message.attempt,
                self._endings(agent_id, message.endings, role),
                message.assign_number,
            )
        )
        agent = self._core.agent(agent_id)
        if agent is None:
            self._outbox.reply(peer, m.EndOrder(reason="the queue does not know this Agent (any more)"))
            return
        if self._links.set_route(agent_id, peer, role):
            _log.info("registered: pid %d on %s", message.pid, message.host, extra={"agent": agent_id})
        self._journal_writer.note_agent(agent, role)

    # --- Checks ---

    def _endings(
        self, agent_id: str, endings: tuple[m.AttemptEnding, ...], role: str
    ) -> tuple[m.AttemptEnding, ...]:
        """The last _MAX_ENDINGS ends of the Agent's own attempts, checked; others are dropped."""
        if not endings:
            return ()
        return tuple(self._checked(each, role) for each in endings[-_MAX_ENDINGS:] if each.agent == agent_id)

    def _checked(self, ending: m.AttemptEnding, role: str) -> m.AttemptEnding:
        """The ending with limited values, and without a picture that the Agent may not write."""
        tidy = _limited(ending)
        picture = self._picture(tidy.agent, tidy.attempt, tidy.picture, role)
        return tidy if picture == tidy.picture else msgspec.structs.replace(tidy, picture=picture)

    def _picture(self, agent_id: str, attempt: str, path: str, role: str) -> str:
        """The path of a picture for clients; empty if the Agent may not write there."""
        if not path or len(path) > _LONGEST_PATH:
            return ""
        if role == LOCAL_ROLE:
            return path
        shown = self._streams.picture_path(agent_id, attempt, path)
        if not shown:
            self._key_limits.refuse(role, "a picture that the Agent may not write")
        return shown

    def _refusal(self, role: str, message: m.RegisterUpdate) -> str:
        """Why the Agent may not register, for its log; empty if it may."""
        agent_id = message.agent
        if message.protocol != m.PROTOCOL_VERSION:
            return (
                f"this Agent uses protocol version {message.protocol}, the server {m.PROTOCOL_VERSION}: "
                f"install the same version of Katana Queue on both"
            )
        if not 0 < len(agent_id) <= _LONGEST_ID or not agent_id.isprintable() or set(agent_id) & set("/\\"):
            return f"an Agent's id has 1 to {_LONGEST_ID} printable characters, and no slash"
        if len(message.host) > 255 or not 0 < message.pid < 2**32 or not math.isfinite(message.started):
            return "Invalid host name, process id or start time"
        host = role.removeprefix("agent:")
        if host != "local" and not agent_id.startswith(f"{host}:"):
            return f"the id of an Agent with this key begins with {host}: and not as {agent_id[:40]}"
        known_role = self._links.role_of(agent_id)
        if known_role not in (None, role):
            return f"the id {agent_id} belongs to an Agent of another host"
        if known_role is None and len(self._links) >= _MAX_AGENTS:
            return f"the queue has {_MAX_AGENTS} Agents already"
        return ""


def _limited(ending: m.AttemptEnding) -> m.AttemptEnding:
    """The ending with invalid numbers removed, and with texts cut to their limits."""
    short = (
        len(ending.reason) <= _LONGEST_TEXT
        and len(ending.warning) <= _LONGEST_TEXT
        and len(ending.picture) <= _LONGEST_PATH
    )
    sound = (
        (ending.cpu_s is None or 0 <= ending.cpu_s < _LARGEST)
        and (ending.peak_memory is None or 0 <= ending.peak_memory < _LARGEST)
        and (ending.exit_code is None or abs(ending.exit_code) < _LARGEST)
        and 0 <= ending.processes_gone < _LARGEST
        and 0 <= ending.warnings < _LARGEST
    )
    if short and sound:
        return ending
    return msgspec.structs.replace(
        ending,
        reason=ending.reason[:_LONGEST_TEXT],
        warning=ending.warning[:_LONGEST_TEXT],
        picture=ending.picture if len(ending.picture) <= _LONGEST_PATH else "",
        cpu_s=_float_in_range(ending.cpu_s),
        peak_memory=_int_in_range(ending.peak_memory),
        exit_code=_int_in_range(ending.exit_code, least=-_LARGEST),
        processes_gone=_int_in_range(ending.processes_gone) or 0,
        warnings=_int_in_range(ending.warnings) or 0,
    )


def _float_in_range(value: float | None) -> float | None:
    return value if value is not None and 0 <= value < _LARGEST else None


def _int_in_range(value: int | None, least: int = 0) -> int | None:
    return value if value is not None and least <= value < _LARGEST else None
