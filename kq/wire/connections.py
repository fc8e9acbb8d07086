"""Limits the connections to one port: those of each remote key, and those without a message so far. Pure.

ZeroMQ limits neither. With each message, and at its end, it names a connection by its socket's descriptor.
"""

from __future__ import annotations

from collections import OrderedDict

__all__ = ["Connections"]


class Connections:
    """The open connections of one port, by the descriptor of their socket. Not thread-safe.

    `accepted` and `heard` return the descriptors of connections to close, and forget these.
    """

    def __init__(self, max_silent: int, max_messages: int | None = None) -> None:
        """
        Args:
            max_silent: the most connections that have sent no message.
            max_messages: the most messages of a connection whose key is limited; None: not limited.
        """
        self._max_silent = max_silent
        self._max_messages = max_messages
        self._silent: OrderedDict[int, None] = OrderedDict()
        """Connections without a message, the oldest first."""
        self._roles: dict[int, str] = {}
        """The role of each other connection's key."""
        self._limited: dict[str, OrderedDict[int, int]] = {}
        """By role of a limited key: its connections with their numbers of messages, last heard last."""
        self.messages: dict[int, int] = {}
        """By connection: how many messages of it were taken."""

    def __len__(self) -> int:
        return len(self.messages)

    def __contains__(self, fd: int) -> bool:
        return fd in self.messages

    def accepted(self, fd: int) -> list[int]:
        """Note a new connection. Without a message, the oldest connections have to give way."""
        self.closed(fd)  # of an earlier connection with this descriptor
        self._silent[fd] = None
        self.messages[fd] = 0
        over = max(len(self._silent) - self._max_silent, 0)
        to_close = list(self._silent)[:over]
        for each in to_close:
            self.closed(each)
        return to_close

    def heard(self, fd: int, role: str, most: int | None) -> list[int]:
        """Note a message. Of too many connections of one key, the one not heard for longest has to give way.

        Messages of connections that ended, or were to be closed, may still be in a queue: they are ignored.

        `most`: connections that a key with this role may have; None: not limited.
        """
        if fd not in self:
            return []
        self.messages[fd] += 1
        if self._roles.get(fd) != role:
            self._forget_role(fd)
            self._roles[fd] = role
            if most is None:
                return []
            self._limited.setdefault(role, OrderedDict())[fd] = 0
        found = self._limited.get(role)
        if found is None or fd not in found:
            return []
        found[fd] += 1
        found.move_to_end(fd)
        to_close = [fd] if self._max_messages is not None and found[fd] > self._max_messages else []
        over = len(found) - (most or 0)
        to_close += list(found)[:over] if over > 0 else []
        for each in to_close:
            self.closed(each)
        return to_close

    def closed(self, fd: int) -> None:
        """Forget a connection that has ended."""
        self.messages.pop(fd, None)
        self._forget_role(fd)

    def role(self, fd: int) -> str:
        """The role of a connection's key; empty while it is not known."""
        return self._roles.get(fd, "")

    def _forget_role(self, fd: int) -> None:
        self._silent.pop(fd, None)
        role = self._roles.pop(fd, None)
        if role in self._limited:
            self._limited[role].pop(fd, None)
            if not self._limited[role]:
                del self._limited[role]
