"""Finds connections that send one message without end, which ZeroMQ keeps in memory until it is complete.

ZeroMQ limits the size of a frame, and not the number of frames of a message.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

__all__ = ["Received", "UnfinishedMessages", "received_by", "resident_bytes"]

_BYTES_RECEIVED_AT = 128
"""Offset of tcpi_bytes_received in Linux's struct tcp_info."""


class Received(NamedTuple):
    """What one connection has received so far."""

    fd: int
    messages: int
    """The number of messages that were complete, and taken."""
    size: int
    """Bytes, as the system counts them."""


class UnfinishedMessages:
    """Compares what connections have received from one check to the next. Not thread-safe.

    Args:
        max_bytes: the most bytes of one connection's unfinished message: more than any valid one has.
        max_total_bytes: the most bytes of all unfinished messages; beyond it, the largest are closed.
    """

    def __init__(self, max_bytes: int, max_total_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._max_total_bytes = max_total_bytes
        self._since: dict[int, Received] = {}
        """By descriptor: the first check since the connection's last message."""
        self._large: set[int] = set()
        """Descriptors that were beyond a limit at the last check."""

    @property
    def has_large(self) -> bool:
        """Whether a connection was beyond a limit at the last check: the next check may close it."""
        return bool(self._large)

    def check(self, connections: Iterable[Received]) -> list[int]:
        """Return the descriptors of connections whose unfinished message is too large now and was last time.

        Between two checks at least one message of each connection that has one must be taken: what the system
        received while this program was suspended looks unfinished at the first.
        """
        since: dict[int, Received] = {}
        sizes: dict[int, int] = {}
        for each in connections:
            # All that a connection without a message has received is unfinished.
            first = self._since.get(each.fd, each if each.messages else each._replace(size=0))
            if first.messages != each.messages or first.size > each.size:
                first = each
            since[each.fd] = first
            sizes[each.fd] = each.size - first.size
        total = sum(sizes.values())
        large = set()
        for fd in sorted(sizes, key=sizes.__getitem__, reverse=True):
            if sizes[fd] <= self._max_bytes and total <= self._max_total_bytes:
                break
            large.add(fd)
            total -= sizes[fd]
        endless = sorted(large & self._large)
        for fd in endless:
            # The next connection may have the same descriptor.
            large.discard(fd)
            del since[fd]
        self._since, self._large = since, large
        return endless


def received_by(messages: Mapping[int, int]) -> Iterator[Received]:
    """Yield what connections have received, as far as the system says it.

    Args:
        messages: by the descriptor of a connection, how many messages of it were taken.
    """
    for fd, count in messages.items():
        size = _bytes_received(fd)
        if size is not None:
            yield Received(fd, count, size)


def _bytes_received(fd: int) -> int | None:
    if sys.platform != "linux":
        return None
    try:
        with socket.fromfd(fd, socket.AF_INET, socket.SOCK_STREAM) as copy:
            info = copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_RECEIVED_AT + 8)
    except OSError:
        return None  # it has been closed
    if len(info) < _BYTES_RECEIVED_AT + 8:
        return None  # an older Linux
    return int(struct.unpack_from("=Q", info, _BYTES_RECEIVED_AT)[0])


def resident_bytes() -> int:
    """Return this program's memory in bytes; 0 where that is not known."""
    if sys.platform != "linux":
        return 0
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
