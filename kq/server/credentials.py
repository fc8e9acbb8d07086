"""The session's keys, ports and connection files. Files with keys are readable by their owner only."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import msgspec

from ..agent_config import AgentConfig
from ..errors import Refused
from ..messages import PROTOCOL_VERSION
from ..own_files import OwnFolder, read_own, remove_own, write_private
from ..own_folders import keys_folder
from ..records import SessionRecord
from ..session_events import SessionEvent, report
from ..settings import Settings
from ..wire import KeyPair, ServerWire, new_key_pair
from .agent_process import connection_file_of

__all__ = ["LOOPBACK", "ServerState", "SessionFiles"]

LOOPBACK = "127.0.0.1"
_log = logging.getLogger("kq.server")


class ServerState(msgspec.Struct):
    """The state that a restarted server needs so that peers can reconnect to it."""

    session: str
    keys: dict[str, tuple[str, str]]
    """By role: public and secret key. The server's own role is `server`."""
    ports: tuple[int, int, int]
    """Request, update and broadcast port on loopback."""
    addresses: dict[str, tuple[int, int, int]] = {}
    """By network address bound besides loopback: its ports."""
    hosts: dict[str, str] = {}
    """By label of an admitted host: the address bound for it; empty for loopback."""
    agents: dict[str, int] = {}
    """By label of an admitted host: the most Agents that it may have at a time."""
    by_hand: list[str] = []
    """Labels of the hosts whose Agents a person starts."""
    share_file: str = ""
    share_token: str = ""
    """See AgentConfig. Empty before the first host is admitted, or if it could not be written."""


class SessionFiles:
    """Creates keys, binds ports, and writes the connection files. Server thread only."""

    def __init__(self, settings: Settings, queue_dir: Path, session: str) -> None:
        self._settings = settings
        self._queue_dir = queue_dir
        self._dir = keys_folder(queue_dir)
        with OwnFolder(self._dir, create=True) as folder:
            folder.make_private()
        previous = self._previous(session)
        self.continues = previous is not None
        """Whether an earlier server served this session."""
        self.state = previous or ServerState(
            session,
            {role: new_key_pair() for role in ("server", "client", "agent:local")},
            (settings.request_port, settings.update_port, settings.broadcast_port),
        )

    def _previous(self, session: str) -> ServerState | None:
        try:
            state = msgspec.json.decode(read_own(self._dir / "server.json"), type=ServerState)
        except (OSError, msgspec.DecodeError):
            return None  # missing or unreadable: this is the first server of the session
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
                wire.authenticator.roles[public] = role
        self._bind_loopback(wire)
        for address, ports in list(state.addresses.items()):
            try:
                wire.bind(address, ports)
            except Refused as error:
                # A network that is down must not prevent the restart for local Agents.
                _log.error("hosts that used this address have lost their connection: %s", error)
                del state.addresses[address]
        self.write()
        write_private(self._dir / "client.json", msgspec.json.encode(self._record("client")))
        write_private(self.agent_file, msgspec.json.encode(self.agent_config("agent:local", LOOPBACK)))

    def _bind_loopback(self, wire: ServerWire) -> None:
        """Bind the ports of the earlier server, or others if they are in use now.

        Local Agents and clients read the new ports from their connection files. Ports that the user has set
        are not changed: firewalls rely on them.
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
        """Write the state for a restarted server. Raises OSError."""
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
        """The connection file of Agents with `role`, which connect to `host`. It has their secret key."""
        return AgentConfig(
            connection=self._record(role, host, ports),
            heartbeat_s=self._settings.heartbeat_s,
            lease_s=self._settings.lease_s,
            nice=self._settings.nice,
            standby_s=self._settings.standby_s,
            standby_memory=self._settings.standby_memory,
            min_free_bytes=self._settings.min_free_bytes,
            grace_s=self._settings.grace_s,
            log_level=self._settings.log_level,
            local=role == "agent:local",
            host_label=role.removeprefix("agent:"),
            share_file=self.state.share_file,
            share_token=self.state.share_token,
        )

    def announce_open(self) -> None:
        """Report to the session's starter that the ports are open and the files written."""
        report(SessionEvent.OPEN, session=self.state.session, pid=os.getpid())

    def announce_ready(self) -> None:
        """Report to the session's starter that the local Agents have registered."""
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
        """Delete the files with keys, at the end of the session. Raises OSError."""
        for name in ("server.json", "client.json", "agent.json"):
            remove_own(self._dir / name)
