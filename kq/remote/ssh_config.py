"""What `~/.ssh` says of a machine: its name, user, port, keys, and the machine in between. Reads files."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec
import paramiko

from kq.errors import BadInput
from kq.remote.hosts import RemoteHost

__all__ = ["SshRoute", "configured_hosts", "find_keys", "route_to"]

_DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
_MOST_JUMPS = 5


class SshRoute(msgspec.Struct, frozen=True, kw_only=True):
    """How one machine is reached."""

    name: str
    """As it was asked for."""
    host: str
    """As it is looked up."""
    port: int
    user: str
    key_files: tuple[str, ...]
    """In the order of trial."""
    only_these_keys: bool
    known_hosts: tuple[str, ...]
    """The first one is written to."""
    host_key_name: str
    """Under which its key stands in known_hosts."""
    jump: SshRoute | None = None


def _config(folder: Path) -> paramiko.SSHConfig:
    path = folder / "config"
    if not path.is_file():
        return paramiko.SSHConfig()
    try:
        return paramiko.SSHConfig.from_path(str(path))
    except Exception as error:  # the parser's own errors have no common class
        raise BadInput(f"{path} cannot be read: {error}") from error


def route_to(host: RemoteHost, ssh_folder: Path | None = None) -> SshRoute:
    """The way to `host`: what it names itself wins over ~/.ssh/config.

    Raises:
        BadInput: the file cannot be read, or asks for what is not done here.
    """
    folder = ssh_folder or Path.home() / ".ssh"
    return _route(host.host, host.port, host.user, host.private_key, folder, _config(folder), 0)


def _route(
    name: str, port: int, user: str, key: str, folder: Path, config: paramiko.SSHConfig, jumps: int
) -> SshRoute:
    try:
        found: Mapping[str, object] = config.lookup(name)
    except Exception as error:  # `Match exec` wants another package, and CanonicalizeHostname may fail
        raise BadInput(f"{folder / 'config'} cannot be used for {name}: {error}") from error
    if jumps > _MOST_JUMPS:
        raise BadInput(f"{folder / 'config'} leads to {name} through more than {_MOST_JUMPS} machines")

    def text(option: str) -> str:
        value = found.get(option, "")
        return value if isinstance(value, str) else ""

    def texts(option: str) -> list[str]:
        value = found.get(option, [])
        return [str(each) for each in value] if isinstance(value, list) else str(value).split()

    proxy, jump = text("proxycommand"), text("proxyjump")
    if proxy and proxy.lower() != "none" and not jump:
        raise BadInput(f"{folder / 'config'} has a ProxyCommand for {name}: write it as a ProxyJump")
    through = None
    if jump and jump.lower() != "none":
        last = jump.split(",")[-1].strip()
        between = RemoteHost.parse(last.removeprefix("ssh://"))
        through = _route(between.host, between.port, between.user, "", folder, config, jumps + 1)
    named = [key] if key else texts("identityfile")
    files = [os.path.expanduser(each) for each in named]  # noqa: PTH111  # a str, as paramiko takes it
    if not named:
        files = [str(folder / each) for each in _DEFAULT_KEYS]
    actual_port = port if port != 22 or not text("port").isdigit() else int(text("port"))
    actual = text("hostname") or name
    known = texts("userknownhostsfile") or [str(folder / "known_hosts")]
    known = [os.path.expanduser(each) for each in known]  # noqa: PTH111
    return SshRoute(
        name=name,
        host=actual,
        port=actual_port,
        user=user or text("user") or getpass.getuser(),
        key_files=tuple(file for file in files if key or Path(file).is_file()),
        only_these_keys=bool(key) or text("identitiesonly").lower() == "yes",
        known_hosts=(*known, "/etc/ssh/ssh_known_hosts"),
        host_key_name=_host_key_name(text("hostkeyalias") or actual, actual_port),
        jump=through,
    )


def _host_key_name(host: str, port: int) -> str:
    return host if port == 22 else f"[{host}]:{port}"


def find_keys(ssh_folder: Path | None = None) -> list[str]:
    """The private keys in ~/.ssh, the usual one first. Reads files."""
    folder = ssh_folder or Path.home() / ".ssh"
    found = [folder / name for name in _DEFAULT_KEYS if (folder / name).is_file()]
    found += [path.with_suffix("") for path in sorted(folder.glob("*.pub")) if path.with_suffix("").is_file()]
    return list(dict.fromkeys(map(str, found)))


def configured_hosts(ssh_folder: Path | None = None) -> list[RemoteHost]:
    """The machines that ~/.ssh/config names, with user, port and key as it gives them.

    Raises:
        BadInput: the file cannot be read.
    """
    folder = ssh_folder or Path.home() / ".ssh"
    config = _config(folder)
    hosts = []
    for name in sorted(config.get_hostnames()):
        if re.search(r"[*?!]", name):
            continue
        found = config.lookup(name)
        keys = found.get("identityfile") or [""]
        port = str(found.get("port", ""))
        hosts.append(
            RemoteHost(
                host=name,
                user=str(found.get("user", "")),
                port=int(port) if port.isdigit() else 22,
                private_key=os.path.expanduser(str(keys[0])),  # noqa: PTH111
            )
        )
    return hosts
