"""What a dialog can offer before anybody typed: machines, keys, and the address to call back."""

from __future__ import annotations

import socket
from pathlib import Path

import msgspec

from kq.errors import KqError
from kq.remote.addresses import address_towards
from kq.remote.host_book import HostBook
from kq.remote.hosts import RemoteHost

__all__ = ["RemoteChoices", "address_towards_host", "remote_choices"]


class RemoteChoices(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to choose from."""

    hosts: tuple[RemoteHost, ...]
    """Those that worked, then those of ~/.ssh/config."""
    keys: tuple[str, ...]
    """Private keys in ~/.ssh."""
    trouble: str = ""
    """Why there may be more: a sentence, or empty."""


def remote_choices(book: HostBook | None = None, ssh_folder: Path | None = None) -> RemoteChoices:
    """Look them up. Reads files, which may be on a slow home: not for a UI's thread."""
    hosts = (book or HostBook()).hosts()
    try:
        from kq.remote.ssh_config import configured_hosts, find_keys  # paramiko comes with it

        keys = find_keys(ssh_folder)
        known = {host.host for host in hosts}
        hosts += [host for host in configured_hosts(ssh_folder) if host.host not in known]
    except (ImportError, KqError) as error:
        name = error.name if isinstance(error, ImportError) else ""
        trouble = f"Python package {name} is not installed (pip install {name})" if name else str(error)
        return RemoteChoices(hosts=tuple(hosts), keys=(), trouble=trouble)
    return RemoteChoices(hosts=tuple(hosts), keys=tuple(keys))


def address_towards_host(name: str) -> str:
    """This machine's address on the interface that leads to the machine `name`; empty when nobody knows.

    It may wait for a name server: not for a UI's thread.
    """
    if not name:
        return address_towards("")
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        return ""
    return address_towards(str(found[0][4][0]))
