"""Receives messages from a socket without blocking."""

from __future__ import annotations

import zmq

__all__ = ["first_frame", "whole_message"]

# Plain numbers: pyzmq's flags are Enum members, and each `&` of those takes a microsecond.
_NOW = int(zmq.DONTWAIT)
_EVENTS, _READABLE = int(zmq.EVENTS), int(zmq.POLLIN)
_Socket = zmq.Socket[bytes]


def _has_message(socket: _Socket) -> bool:
    """Whether a message has arrived. To call `recv` and catch Again takes three times as long."""
    return bool(int(socket.get(_EVENTS)) & _READABLE)


def first_frame(socket: _Socket) -> zmq.Frame | None:
    """Receive the first frame of the next message; None when there is none."""
    if not _has_message(socket):
        return None
    try:
        return socket.recv(_NOW, copy=False)
    except zmq.Again:
        return None  # its connection was closed after the check


def whole_message(socket: _Socket) -> list[bytes] | None:
    """Receive all frames of the next message; None when there is none."""
    first = first_frame(socket)
    if first is None:
        return None
    frames = [first.bytes]
    # ZeroMQ delivers messages whole, so the other frames do not block.
    while first.more:
        first = socket.recv(copy=False)
        frames.append(first.bytes)
    return frames
