"""Admits other machines: makes a key for each, and opens network ports while any needs them.

Agents are not launched here.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Collection

import msgspec

from ..errors import Refused
from ..own_files import remove_own, write_private
from ..plain_text import quoted
from ..settings import MAX_AGENTS, Settings
from ..wire import KeyLimits, ServerWire, new_key_pair
from .credentials import LOOPBACK, SessionFiles

__all__ = ["RemoteHosts"]

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,79}")
_NO_NETWORK = ("", LOOPBACK, "localhost", "::1")
_MAX_HOSTS = 500
_AGAIN_S = 20.0
"""Seconds without an Agent on a host that restarts crashed Agents, at intervals of up to 16 s."""
_LAUNCH_S = 300.0
"""Seconds from the key to the first Agent; more than all time-outs of a launch together."""
_log = logging.getLogger("kq.server")


class RemoteHosts:
    """Admits hosts, and revokes their keys. Server thread only."""

    def __init__(
        self,
        files: SessionFiles,
        wire: ServerWire,
        key_limits: KeyLimits,
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            clock: returns monotonic seconds.
        """
        self._files = files
        self._wire = wire
        self._key_limits = key_limits
        for label in files.state.hosts:  # an earlier server admitted them
            key_limits.admit(f"agent:{label}", files.state.agents.get(label, 1))
        self._data_root = settings.data_root
        self._lease_s = settings.lease_s
        """Seconds that messages of Agents of a revoked host are still accepted, unless they end before."""
        self._clock = clock
        self._empty_since: dict[str, float] = {}
        """By label of an admitted host: monotonic seconds since when it has had no Agent."""
        self._had_agents: set[str] = set()
        self._leaving: dict[str, tuple[str, float]] = {}
        """By public key of a revoked host: its label, and until when its messages are accepted."""

    def admit(self, label: str, address: str, agents: int, *, by_hand: bool = False) -> str:
        """Admit the Agents of the host called `label`, with a key of their own.

        For a host that is admitted already the key stays the same, and `address` may change.

        Args:
            address: address of this machine to open ports on; empty for loopback only (a tunnel).
            agents: the most Agents at a time; of several calls, the largest number counts.
            by_hand: whether a person starts its Agents: the key then stays until `revoke`.

        Returns:
            The connection file for its Agents, as JSON. It has the secret key.

        Raises:
            Refused: the label or number is invalid, or the address cannot be bound; nothing was changed.
            OSError: the session's files cannot be written.
        """
        if not _LABEL.fullmatch(label) or label == "local":
            raise Refused(
                f"a host cannot be called {quoted(label[:80])}: use 1 to 80 letters, digits and the signs "
                f"_ . @ - (and not `local`)"
            )
        if not 0 < agents <= MAX_AGENTS:
            raise Refused(f"Invalid number of Agents: {agents}. Use 1 to {MAX_AGENTS}")
        state, role = self._files.state, f"agent:{label}"
        if label not in state.hosts and len(state.hosts) >= _MAX_HOSTS:
            raise Refused(f"{_MAX_HOSTS} hosts are admitted already: stop some of them")
        address = "" if address in _NO_NETWORK else address
        ports = state.ports
        if address:
            # Ports that are free on loopback may be in use on that address.
            may_move = (True, True, True)
            ports = state.addresses.get(address) or self._wire.bind(address, state.ports, may_move)
            state.addresses[address] = ports
        state.hosts[label] = address
        state.agents[label] = max(agents, state.agents.get(label, 0))
        self._key_limits.admit(role, state.agents[label])
        if by_hand and label not in state.by_hand:
            state.by_hand.append(label)
        self._empty_since[label] = self._clock()
        self._had_agents.discard(label)
        if role not in state.keys:
            state.keys[role] = new_key_pair()
            self._wire.authenticator.roles[state.keys[role][0]] = role
        self._share_token()
        self._close_unused()
        self._files.write()
        config = self._files.agent_config(role, address or LOOPBACK, ports)
        return msgspec.json.encode(config).decode()

    def is_by_hand(self, label: str) -> bool:
        """Whether a person starts the host's Agents."""
        return label in self._files.state.by_hand

    def revoke(self, label: str) -> str:
        """Revoke the host's key; returns its role. Messages of its Agents are accepted until they end.

        Raises:
            OSError: the session's files cannot be written.
        """
        state, role = self._files.state, f"agent:{label}"
        pair = state.keys.pop(role, None) if label in state.hosts else None
        state.hosts.pop(label, None)
        state.agents.pop(label, None)
        self._empty_since.pop(label, None)
        self._had_agents.discard(label)
        if label in state.by_hand:
            state.by_hand.remove(label)
        if pair is not None:
            self._leaving[pair[0]] = label, self._clock() + self._lease_s
            self._close_unused()
            self._files.write()
        return role

    def sweep(self, agents: Collection[str]) -> None:
        """Drop the keys of hosts that have no Agent left: revoked hosts at once, others after a time-out.

        Args:
            agents: ids of all Agents of the queue, also silent ones until their lease has run out.
        """
        now = self._clock()
        self._withdraw_unused(agents, now)
        for public, (label, until) in list(self._leaving.items()):
            readmitted = label in self._files.state.hosts
            if now > until or not (readmitted or any(each.startswith(f"{label}:") for each in agents)):
                self._wire.authenticator.forget(public)
                if not readmitted:
                    self._key_limits.forget(f"agent:{label}")
                del self._leaving[public]

    def _withdraw_unused(self, agents: Collection[str], now: float) -> None:
        """Revoke the keys of hosts whose Agents are all gone, or never registered in time."""
        state = self._files.state
        for label in [each for each in state.hosts if each not in state.by_hand]:
            since = self._empty_since.setdefault(label, now)  # an earlier server admitted it
            if any(each.startswith(f"{label}:") for each in agents):
                self._empty_since[label] = now
                self._had_agents.add(label)
            elif now - since > (2 * self._lease_s + _AGAIN_S if label in self._had_agents else _LAUNCH_S):
                _log.info("no Agent of %s is left: its key is not admitted any more", label)
                try:
                    self.revoke(label)
                except OSError as error:
                    _log.error("that cannot be saved for the next server: %s", error)

    def _close_unused(self) -> None:
        """Close network ports that no admitted host needs."""
        state = self._files.state
        for address in set(state.addresses) - set(state.hosts.values()):
            self._wire.unbind(address, state.addresses.pop(address))
        if not state.hosts:
            self.close()

    def _share_token(self) -> None:
        """Write a file by which other machines detect that they share this data root. It is no key."""
        state = self._files.state
        if state.share_file and (self._data_root / state.share_file).is_file():
            return
        token, name = os.urandom(16).hex(), f"logs/.share-{os.urandom(4).hex()}"
        try:
            write_private(self._data_root / name, token.encode(), create_folder=True)
        except OSError as error:
            _log.warning(
                "logs and pictures of remote Agents will be sent: no token could be written: %s", error
            )
            token = name = ""
        state.share_file, state.share_token = name, token

    def close(self) -> None:
        """Delete the token file."""
        state = self._files.state
        if state.share_file:
            try:
                remove_own(self._data_root / state.share_file)
            except OSError as error:
                _log.warning("%s stays: %s", self._data_root / state.share_file, error)
            state.share_file = state.share_token = ""
