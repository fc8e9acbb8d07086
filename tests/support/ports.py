"""Ports for programs of tests that must be given a number. Holds no test."""

from __future__ import annotations

import contextlib
import random
import socket

import pytest

__all__ = ["free_port", "free_ports"]

_FIRST, _COUNT = 21_000, 11_000
"""Below the ports that systems choose themselves: none of these is given away before the program opens it."""


def free_port() -> int:
    """Return a port of loopback that is free now."""
    return free_ports(1)


def free_ports(count: int) -> int:
    """Return the first of `count` consecutive ports of loopback that are free now.

    Each search begins elsewhere: two at the same moment would find the same ports free.
    """
    step = 37
    begin = random.SystemRandom().randrange(_COUNT)
    for first in (_FIRST + (begin + offset) % _COUNT for offset in range(0, _COUNT, step)):
        with contextlib.ExitStack() as sockets:
            try:
                for number in range(count):
                    sockets.enter_context(socket.create_server(("127.0.0.1", first + number)))
            except OSError:
                continue
            return first
    pytest.fail("no free ports")
