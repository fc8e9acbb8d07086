"""Other machines whose Agents are admitted: a key for each, and an open network port while there is one.

Starting anything over there is not done here.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Collection
from pathlib import Path

import msgspec

from kq.errors import Refused
from kq.server.connection import LOOPBACK, SessionFiles
from kq.wire import ServerWire, new_key_pair

__all__ = ["RemoteHosts"]

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,79}")
_NO_NETWORK = ("", LOOPBACK, "localhost", "::1")
_MOST_HOSTS = 500
_log = logging.getLogger("kq.server")


class RemoteHosts:
    """Admits and dismisses hosts. To be used from the server's thread."""

    def __init__(self, files: SessionFiles, wire: ServerWire, data_root: Path, lease_s: float) -> None:
        """
        Args:
            lease_s: how long the Agents of a dismissed host are still heard, in seconds, unless they are gone
                before.
        """
        self._files = files
        self._wire = wire
        self._data_root = data_root
        self._lease_s = lease_s
        self._leaving: dict[str, tuple[str, float]] = {}
        """By public key of a dismissed host: its label, and until when its Agents are heard."""

    def admit(self, label: str, address: str) -> str:
        """A key for the Agents of the host called `label`; their connection file, as JSON.

        Asked again it is the same key, and `address` may be another.

        Args:
            address: of this machine, to open the ports on; empty where loopback is enough (a tunnel).

        Raises:
            Refused: the label cannot be one, or the address cannot be bound. Nothing is changed then.
        """
        if not _LABEL.fullmatch(label) or label == "local":
            raise Refused(
                f"a host cannot be called {label[:80]!r}: use 1 to 80 letters, digits and the signs _ . @ - "
                f"(and not `local`)"
            )
        state, role = self._files.state, f"agent:{label}"
        if label not in state.hosts and len(state.hosts) >= _MOST_HOSTS:
            raise Refused(f"{_MOST_HOSTS} hosts are admitted already: stop some of them")
        address = "" if address in _NO_NETWORK else address
        ports = state.ports
        if address:
            ports = state.addresses.get(address) or self._open(address)
            state.addresses[address] = ports
        state.hosts[label] = address
        if role not in state.keys:
            state.keys[role] = new_key_pair()
            self._wire.door.roles[state.keys[role][0]] = role
        self._share_token()
        self._close_unused()
        self._files.write()
        config = self._files.agent_config(role, address or LOOPBACK, ports)
        return msgspec.json.encode(config).decode()

    def _open(self, address: str) -> tuple[int, int, int]:
        try:
            return self._wire.bind(address, self._files.state.ports)
        except Refused:
            # The numbers are free on loopback, and may be taken on that address.
            return self._wire.bind(address, (0, 0, 0))

    def dismiss(self, label: str) -> str:
        """Forget the host's key; returns its role. Its Agents are heard until they have ended."""
        state, role = self._files.state, f"agent:{label}"
        pair = state.keys.pop(role, None) if label in state.hosts else None
        state.hosts.pop(label, None)
        if pair is not None:
            self._leaving[pair[0]] = label, time.monotonic() + self._lease_s
            self._close_unused()
            self._files.write()
        return role

    def sweep(self, agents: Collection[str]) -> None:
        """Forget the keys of dismissed hosts none of whose `agents` is left, or which had their time."""
        now = time.monotonic()
        for public, (label, until) in list(self._leaving.items()):
            readmitted = label in self._files.state.hosts
            if now > until or not (readmitted or any(each.startswith(f"{label}:") for each in agents)):
                self._wire.door.forget(public)
                del self._leaving[public]

    def _close_unused(self) -> None:
        """Where no host needs it, no port is open to the network."""
        state = self._files.state
        for address in set(state.addresses) - set(state.hosts.values()):
            self._wire.unbind(address, state.addresses.pop(address))
        if not state.hosts:
            self.close()

    def _share_token(self) -> None:
        """A file by which a machine tells whether its data root is this one. It is no key."""
        state = self._files.state
        if state.share_file and (self._data_root / state.share_file).is_file():
            return
        token, name = os.urandom(16).hex(), f"logs/.share-{os.urandom(4).hex()}"
        try:
            (self._data_root / "logs").mkdir(parents=True, exist_ok=True)
            (self._data_root / name).write_text(token)
        except OSError as error:
            _log.warning(
                "logs and pictures of remote Agents will be sent: no token could be written: %s", error
            )
            token = name = ""
        state.share_file, state.share_token = name, token

    def close(self) -> None:
        """Remove the token's file."""
        state = self._files.state
        if state.share_file:
            try:
                (self._data_root / state.share_file).unlink(missing_ok=True)
            except OSError as error:
                _log.warning("%s stays: %s", self._data_root / state.share_file, error)
            state.share_file = state.share_token = ""
