"""Chooses the address of this machine that another one connects to. Queries the system, sends nothing."""

from __future__ import annotations

import socket

from ..errors import RemoteFailed

__all__ = ["address_towards", "choose_addresses"]

_OUTSIDE = "192.0.2.1"
"""An address that is reserved for documentation (RFC 5737): its route is the default route."""


def address_towards(address: str) -> str:
    """Return this machine's address on the route to `address`; empty when there is no route.

    To connect a datagram socket sends nothing: the system only chooses the route.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address or _OUTSIDE, 9))
            return str(probe.getsockname()[0])
        except OSError:
            return ""


def choose_addresses(named: str, towards: str) -> tuple[str, str]:
    """Return the address that the other machine connects to, and the address to listen on.

    Args:
        named: the configured address or name, of this machine or of a gateway to it; may be empty.
        towards: the other machine's address; empty when only a jump host can resolve it.

    Raises:
        RemoteFailed: there is no such address.
    """
    leads = address_towards(towards)
    if not named:
        if not leads:
            raise RemoteFailed(
                "no route to the other machine: set KQ Host to the address at which it reaches this machine"
            )
        return leads, leads
    for address in _addresses_of(named):
        if _is_own(address):
            return named, address
    # Another machine's, such as a gateway that forwards here: listen where its packets arrive.
    if not leads:
        raise RemoteFailed(
            f"KQ Host {named} is not an address of this machine, and there is no route to the other one"
        )
    return named, leads


def _addresses_of(name: str) -> list[str]:
    try:
        return [str(each[4][0]) for each in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]
    except (socket.gaierror, UnicodeError):
        return []  # perhaps only the other machine can resolve the name


def _is_own(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
        return True
