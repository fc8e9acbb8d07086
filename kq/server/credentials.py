"""The session's keys, ports and connection files. Every file with a key in it belongs to its owner alone."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import msgspec

from ..agent_config import AgentConfig
from ..errors import Refused
from ..files import write_private
from ..messages import PROTOCOL_VERSION
from ..own_folders import OWNER_ONLY, keys_folder
from ..records import SessionRecord
from ..session_events import SessionEvent, report
from ..settings import Settings
from ..wire import KeyPair, ServerWire, new_key_pair
from .agent_process import connection_file_of

__all__ = ["LOOPBACK", "ServerState", "SessionFiles"]

LOOPBACK = "127.0.0.1"
_log = logging.getLogger("kq.server")


class ServerState(msgspec.Struct):
    """What the next server needs to look the same to every peer, after this one died."""

    session: str
    keys: dict[str, tuple[str, str]]
    """Public and secret key by role; the server's own under `server`."""
    ports: tuple[int, int, int]
    addresses: dict[str, tuple[int, int, int]] = {}
    """Ports by network address that was bound besides loopback."""
    hosts: dict[str, str] = {}
    """By label of a host whose Agents are admitted: the address that was bound for it; empty for loopback."""
    agents: dict[str, int] = {}
    """By label: how many Agents it may have at a time."""
    by_hand: list[str] = []
    """Those whose Agents a person starts."""
    share_file: str = ""
    share_token: str = ""
    """See AgentConfig; empty before the first host was admitted, or where it could not be written."""


class SessionFiles:
    """Makes keys, binds ports, and writes what others need to find them."""

    def __init__(self, settings: Settings, queue_dir: Path, session: str) -> None:
        self._settings = settings
        self._queue_dir = queue_dir
        self._dir = keys_folder(queue_dir)
        self._dir.mkdir(OWNER_ONLY, exist_ok=True)
        previous = self._previous(session)
        self.continues = previous is not None
        """Whether another server served this session before."""
        self.state = previous or ServerState(
            session,
            {role: new_key_pair() for role in ("server", "client", "agent:local")},
            (settings.request_port, settings.update_port, settings.broadcast_port),
        )

    def _previous(self, session: str) -> ServerState | None:
        try:
            state = msgspec.json.decode((self._dir / "server.json").read_bytes(), type=ServerState)
        except (OSError, msgspec.DecodeError):
            return None  # none was written yet, or it is of no use: then this session begins here
        return state if state.session == session else None

    @property
    def server_keys(self) -> KeyPair:
        """The server's own keys."""
        return KeyPair(*self.state.keys["server"])

    @property
    def agent_file(self) -> Path:
        """The connection file of local Agents."""
        return connection_file_of(self._queue_dir)

    def bind(self, wire: ServerWire) -> None:
        """Open the ports on loopback, admit the known keys, and write the files. Raises Refused, OSError."""
        state = self.state
        for role, (public, _secret) in state.keys.items():
            if role != "server":
                wire.door.roles[public] = role
        self._bind_loopback(wire)
        for address, ports in list(state.addresses.items()):
            try:
                wire.bind(address, ports)
            except Refused as error:
                # A network that is down must not keep the queue from coming back for its local Agents.
                _log.error("hosts that used this address are cut off: %s", error)
                del state.addresses[address]
        self.write()
        write_private(self._dir / "client.json", msgspec.json.encode(self._record("client")))
        write_private(self.agent_file, msgspec.json.encode(self.agent_config("agent:local", LOOPBACK)))

    def _bind_loopback(self, wire: ServerWire) -> None:
        """Bind the ports of the server before this one, or others where they were taken meanwhile.

        Local Agents and clients read the new ones in their connection files. Ports that the user has set
        stay: firewalls and people rely on them.
        """
        state, settings = self.state, self._settings
        fixed = (settings.request_port, settings.update_port, settings.broadcast_port)
        before = state.ports
        state.ports = wire.bind(LOOPBACK, before, (not fixed[0], not fixed[1], not fixed[2]))
        if self.continues and state.ports != before:
            _log.warning("another process has taken ports of %s meanwhile: now %s", before, state.ports)
            tunneled = sorted(label for label, address in state.hosts.items() if not address)
            if tunneled:
                _log.warning("hosts behind a tunnel come back when that follows: %s", tunneled)

    def write(self) -> None:
        """Keep the state for a server that follows this one. Raises OSError."""
        write_private(self._dir / "server.json", msgspec.json.encode(self.state))

    def _record(
        self, role: str, host: str = LOOPBACK, ports: tuple[int, int, int] | None = None
    ) -> SessionRecord:
        request, update, broadcast = ports or self.state.ports
        return SessionRecord(
            session=self.state.session,
            protocol=PROTOCOL_VERSION,
            pid=os.getpid(),
            host=host,
            request_port=request,
            update_port=update,
            broadcast_port=broadcast,
            server_key=self.state.keys["server"][0],
            public_key=self.state.keys[role][0],
            secret_key=self.state.keys[role][1],
            data_root=str(self._settings.data_root),
            queue_dir=str(self._queue_dir),
        )

    def agent_config(self, role: str, host: str, ports: tuple[int, int, int] | None = None) -> AgentConfig:
        """What Agents of `role` are started with: they call `host`."""
        return AgentConfig(
            connection=self._record(role, host, ports),
            heartbeat_s=self._settings.heartbeat_s,
            lease_s=self._settings.lease_s,
            nice=self._settings.nice,
            standby_s=self._settings.standby_s,
            standby_memory=self._settings.standby_memory,
            log_level=self._settings.log_level,
            local=role == "agent:local",
            host_label=role.removeprefix("agent:"),
            share_file=self.state.share_file,
            share_token=self.state.share_token,
        )

    def announce_open(self) -> None:
        """Report to the starter of the session that the ports are open and the files written."""
        report(SessionEvent.OPEN, session=self.state.session, pid=os.getpid())

    def announce_ready(self) -> None:
        """Report to the starter of the session that its Agents are ready."""
        request, update, broadcast = self.state.ports
        report(
            SessionEvent.READY,
            session=self.state.session,
            pid=os.getpid(),
            request_port=request,
            update_port=update,
            broadcast_port=broadcast,
        )

    def remove(self) -> None:
        """The session is over: nothing of its keys stays on disk."""
        for name in ("server.json", "client.json", "agent.json"):
            (self._dir / name).unlink(missing_ok=True)
