"""The session's keys, ports and connection files. Every file with a key in it belongs to its owner alone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec

from kq.agent_config import AgentConfig
from kq.errors import Refused
from kq.messages import PROTOCOL_VERSION
from kq.records import SessionRecord
from kq.settings import Settings
from kq.wire import KeyPair, ServerWire, new_key_pair

__all__ = ["SessionFiles", "write_private"]

_LOOPBACK = "127.0.0.1"


class _ServerState(msgspec.Struct):
    """What a server that follows one that died needs, to be the same one for everybody."""

    session: str
    keys: dict[str, tuple[str, str]]
    """Public and secret key by role; the server's own under `server`."""
    ports: tuple[int, int, int]
    addresses: dict[str, tuple[int, int, int]] = {}
    """Ports by network address that was bound besides loopback."""


class SessionFiles:
    """Makes keys, binds ports, and writes what others need to find them."""

    def __init__(self, settings: Settings, queue_dir: Path, session: str) -> None:
        self._settings = settings
        self._dir = queue_dir
        earlier = self._earlier(session)
        self.continues = earlier is not None
        """Whether another server served this session before."""
        self._state = earlier or _ServerState(
            session,
            {role: new_key_pair() for role in ("server", "client", "agent:local")},
            (settings.request_port, settings.update_port, settings.broadcast_port),
        )

    def _earlier(self, session: str) -> _ServerState | None:
        try:
            state = msgspec.json.decode((self._dir / "server.json").read_bytes(), type=_ServerState)
        except (OSError, msgspec.DecodeError):
            return None  # none was written yet, or it is of no use: then this session begins here
        return state if state.session == session else None

    @property
    def server_keys(self) -> KeyPair:
        """The server's own keys."""
        return KeyPair(*self._state.keys["server"])

    @property
    def agent_file(self) -> Path:
        """The connection file of local Agents."""
        return self._dir / "agent.json"

    def bind(self, wire: ServerWire) -> None:
        """Open the ports on loopback, admit the known keys, and write the files. Raises Refused, OSError."""
        state = self._state
        for role, (public, _secret) in state.keys.items():
            if role != "server":
                wire.door.roles[public] = role
        state.ports = wire.bind(_LOOPBACK, state.ports)
        for address, ports in state.addresses.items():
            wire.bind(address, ports)
        self._write()
        write_private(self._dir / "client.json", msgspec.json.encode(self._record("client")))
        write_private(self.agent_file, msgspec.json.encode(self._agent_config("agent:local", _LOOPBACK)))

    def _write(self) -> None:
        write_private(self._dir / "server.json", msgspec.json.encode(self._state))

    def _record(
        self, role: str, host: str = _LOOPBACK, ports: tuple[int, int, int] | None = None
    ) -> SessionRecord:
        request, update, broadcast = ports or self._state.ports
        return SessionRecord(
            session=self._state.session,
            protocol=PROTOCOL_VERSION,
            pid=os.getpid(),
            host=host,
            request_port=request,
            update_port=update,
            broadcast_port=broadcast,
            server_key=self._state.keys["server"][0],
            public_key=self._state.keys[role][0],
            secret_key=self._state.keys[role][1],
            data_root=str(self._settings.data_root),
            queue_dir=str(self._dir),
        )

    def _agent_config(self, role: str, host: str, ports: tuple[int, int, int] | None = None) -> AgentConfig:
        return AgentConfig(
            connection=self._record(role, host, ports),
            heartbeat_s=self._settings.heartbeat_s,
            lease_s=self._settings.lease_s,
            nice=self._settings.nice,
            local=role == "agent:local",
        )

    def admit_host(self, wire: ServerWire, host: str, bind: str) -> str:
        """A key for the Agents of `host`, and an open port on `bind`; their connection file as JSON.

        Raises:
            Refused: the address cannot be bound.
        """
        state = self._state
        role = f"agent:{host}"
        if not host or host == "local":
            raise Refused("Agents on this machine are started by the queue itself: name another host")
        ports = state.ports
        if bind and bind not in (_LOOPBACK, "localhost", "::1"):
            if bind not in state.addresses:
                try:
                    state.addresses[bind] = wire.bind(bind, state.ports)
                except Refused:
                    # The numbers are free on loopback, and may be taken on that address.
                    state.addresses[bind] = wire.bind(bind, (0, 0, 0))
            ports = state.addresses[bind]
        if role not in state.keys:
            state.keys[role] = new_key_pair()
            wire.door.roles[state.keys[role][0]] = role
        self._write()
        config = self._agent_config(role, bind or _LOOPBACK, ports)
        return msgspec.json.encode(config).decode()

    def dismiss_host(self, wire: ServerWire, host: str) -> str:
        """Forget the key of `host`; returns its role. Its Agents are still heard until they have ended."""
        role = f"agent:{host}"
        pair = self._state.keys.pop(role, None)
        if pair is not None:
            wire.door.forget(pair[0])
            self._write()
        return role

    def announce_open(self) -> None:
        """Tell whoever started the session that the ports are open and the files written."""
        _announce({"event": "open", "session": self._state.session, "pid": os.getpid()})

    def announce_ready(self) -> None:
        """Tell whoever started the session that its Agents are there."""
        request, update, broadcast = self._state.ports
        _announce(
            {
                "event": "ready",
                "session": self._state.session,
                "pid": os.getpid(),
                "request_port": request,
                "update_port": update,
                "broadcast_port": broadcast,
            }
        )

    def remove(self) -> None:
        """The session is over: nothing of its keys stays on disk."""
        for name in ("server.json", "client.json", "agent.json"):
            (self._dir / name).unlink(missing_ok=True)


def _announce(line: dict[str, object]) -> None:
    try:
        print(json.dumps(line), flush=True)
    except OSError:
        pass  # nobody listens: the guardian ends us if that means anything


def write_private(path: Path, content: bytes) -> None:
    """Write `path` so that only its owner can read it, whole or not at all. Raises OSError."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.unlink(missing_ok=True)
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            _write_all(fd, content)
        finally:
            os.close(fd)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        if not path.is_file():
            raise
        # A full disk has no room for a second file, and has the first one's: a server that is started
        # again must not fail for that.
        fd = os.open(path, os.O_WRONLY)
        try:
            _write_all(fd, content)
            os.ftruncate(fd, len(content))
        finally:
            os.close(fd)


def _write_all(fd: int, content: bytes) -> None:
    while content:
        content = content[os.write(fd, content) :]
