"""Suggestions for the launch dialog: machines, keys, and this machine's address."""

from __future__ import annotations

import socket
from pathlib import Path

import msgspec

from ..errors import KqError
from .addresses import address_towards
from .host_store import HostStore
from .hosts import RemoteHost

__all__ = ["FoundHost", "RemoteChoices", "look_up_host", "remote_choices"]


class RemoteChoices(msgspec.Struct, frozen=True, kw_only=True):
    """Lists for the launch dialog."""

    hosts: tuple[RemoteHost, ...]
    """Machines that were used before, then those of ~/.ssh/config."""
    keys: tuple[str, ...]
    """Paths of private keys in ~/.ssh."""
    problem: str = ""
    """Why the lists may be incomplete; or empty."""


def remote_choices(store: HostStore | None = None, ssh_folder: Path | None = None) -> RemoteChoices:
    """Return the lists. Reads files, which may be on a slow home folder: not for a UI's thread."""
    store = store or HostStore()
    hosts = store.hosts()
    problems = [store.problem]  # which reading the hosts may set
    keys: list[str] = []
    try:
        from .ssh_config import configured_hosts, find_keys  # late: imports paramiko

        keys = find_keys(ssh_folder)
        known = {host.host for host in hosts}
        hosts += [host for host in configured_hosts(ssh_folder) if host.host not in known]
    except (ImportError, KqError) as error:
        name = error.name if isinstance(error, ImportError) else ""
        problems.append(
            f"Python package {name} is not installed (pip install {name})" if name else str(error)
        )
    return RemoteChoices(hosts=tuple(hosts), keys=tuple(keys), problem="; ".join(filter(None, problems)))


class FoundHost(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about a machine before a connection."""

    host: RemoteHost
    """The machine with its settings of ~/.ssh/config."""
    address: str
    """This machine's address on the route there; empty when it is not known."""


def look_up_host(name: str, ssh_folder: Path | None = None) -> FoundHost:
    """Look up the machine `name`; for an empty name, only this machine's address on the default route.

    May wait for a name server: not for a UI's thread.
    """
    host, actual = RemoteHost(host=name), name
    if not name:
        return FoundHost(host=host, address=address_towards(""))
    try:
        from .ssh_config import configured_host  # late: imports paramiko

        host, actual = configured_host(name, ssh_folder)
    except (ImportError, KqError):
        pass  # a check reports it
    try:
        found = socket.getaddrinfo(actual, None, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        return FoundHost(host=host, address="")
    return FoundHost(host=host, address=address_towards(str(found[0][4][0])))
