"""The SSH configuration of a machine in `~/.ssh`: name, user, port, keys, jump host. Reads files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ..errors import BadInput
from ..own_folders import local_user
from .config_file import SshConfigFile, words_of
from .hosts import RemoteHost

__all__ = ["SshRoute", "configured_host", "configured_hosts", "find_keys", "route_to"]

_DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
_MAX_JUMPS = 5


class SshRoute(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of an SSH connection to one machine."""

    name: str
    """The name as the user typed it."""
    host: str
    """The name or address to resolve (HostName)."""
    port: int
    user: str
    key_files: tuple[str, ...]
    """Key files in the order of trial."""
    only_these_keys: bool
    certificates: tuple[str, ...] = ()
    """Certificate files, besides those that are next to a key file."""
    known_hosts: tuple[str, ...]
    new_hosts_to: str
    """The known_hosts file to which accepted keys are written; empty: none."""
    only_known_hosts: bool = False
    """Whether an unknown host is refused without a prompt."""
    host_key_name: str
    """The machine's name in known_hosts."""
    jump: SshRoute | None = None
    notes: tuple[str, ...] = ()
    """Warnings about entries of ~/.ssh/config that are ignored here."""


def route_to(host: RemoteHost, ssh_folder: Path | None = None) -> SshRoute:
    """Return the connection settings for `host`, whose own values override ~/.ssh/config.

    Args:
        ssh_folder: default: ~/.ssh.

    Raises:
        BadInput: the file cannot be read, or uses an unsupported feature; or this process's user has no
            name.
    """
    folder = ssh_folder or Path.home() / ".ssh"
    return _route(host.host, host.port, host.user, host.private_key, folder, SshConfigFile(folder), 0)


def _route(
    name: str,
    port: int,
    user: str,
    key: str,
    folder: Path,
    config: SshConfigFile,
    jumps: int,
    before: Sequence[str] = (),
) -> SshRoute:
    """`before`: explicit jump hosts, which override its own ProxyJump. `jumps`: depth, to detect loops."""
    own_user = local_user()
    if not own_user:  # paramiko looks up no machine without it
        raise BadInput("the user of this process has no name: set the variable LOGNAME to one")
    found = config.look_up(name)
    if jumps > _MAX_JUMPS:
        raise BadInput(f"{config.path} leads to {name} through more than {_MAX_JUMPS} machines")

    def text(option: str) -> str:
        value = found.get(option, "")
        return value if isinstance(value, str) else ""

    def texts(option: str) -> list[str]:
        value = found.get(option, [])
        return [str(each) for each in value] if isinstance(value, list) else words_of(str(value))

    proxy, jump = text("proxycommand"), text("proxyjump")
    if proxy and proxy.lower() != "none" and not jump and not before:
        raise BadInput(f"{config.path} has a ProxyCommand for {name}: write it as a ProxyJump")
    way = list(before) or [each.strip() for each in jump.split(",") if jump.lower() != "none"]
    through = None
    if any(way):
        between = RemoteHost.parse(way[-1].removeprefix("ssh://"))
        if between.host != name:  # with `Host *`, ProxyJump applies to the jump host too
            through = _route(
                between.host, between.port, between.user, "", folder, config, jumps + 1, way[:-1]
            )
    named = [key] if key else texts("identityfile")
    files = [os.path.expanduser(each) for each in named]  # noqa: PTH111  # paramiko needs a str
    if not named:
        files = [str(folder / each) for each in _DEFAULT_KEYS]
    actual_port = port if port != 22 or not text("port").isdigit() else int(text("port"))
    actual = text("hostname") or name
    own = [os.path.expanduser(each) for each in texts("userknownhostsfile")]  # noqa: PTH111
    own = own or [str(folder / "known_hosts")]
    own = [each for each in own if each.lower() != "none"]
    shared = texts("globalknownhostsfile") or ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"]
    return SshRoute(
        name=name,
        host=actual,
        port=actual_port,
        user=user or text("user") or own_user,
        key_files=tuple(file for file in files if named or Path(file).is_file()),
        only_these_keys=bool(key) or text("identitiesonly").lower() == "yes",
        certificates=tuple(os.path.expanduser(each) for each in texts("certificatefile")),  # noqa: PTH111
        known_hosts=(*own, *(each for each in shared if each.lower() != "none")),
        new_hosts_to=own[0] if own else "",
        only_known_hosts=text("stricthostkeychecking").lower() == "yes",
        host_key_name=text("hostkeyalias") or _host_key_name(actual, actual_port),
        jump=through,
        notes=tuple(config.notes),
    )


def _host_key_name(host: str, port: int) -> str:
    return host if port == 22 else f"[{host}]:{port}"


def find_keys(ssh_folder: Path | None = None) -> list[str]:
    """Return the paths of private keys in ~/.ssh, those with default names first. Reads files."""
    folder = ssh_folder or Path.home() / ".ssh"
    found = [folder / name for name in _DEFAULT_KEYS if (folder / name).is_file()]
    found += [path.with_suffix("") for path in sorted(folder.glob("*.pub")) if path.with_suffix("").is_file()]
    return list(dict.fromkeys(map(str, found)))


def configured_hosts(ssh_folder: Path | None = None) -> list[RemoteHost]:
    """Return the Hosts of ~/.ssh/config that are not patterns, with their user, port and key.

    Raises:
        BadInput: the file cannot be read.
    """
    folder = ssh_folder or Path.home() / ".ssh"
    config = SshConfigFile(folder)
    return [_configured(config, name) for name in config.names()]


def configured_host(name: str, ssh_folder: Path | None = None) -> tuple[RemoteHost, str]:
    """Return the settings of ~/.ssh/config for the host `name`, patterns included, and the name to resolve.

    Raises:
        BadInput: the file cannot be read, or is invalid for this host.
    """
    folder = ssh_folder or Path.home() / ".ssh"
    config = SshConfigFile(folder)
    host = _configured(config, name)
    return host, str(config.look_up(name).get("hostname") or name)


def _configured(config: SshConfigFile, name: str) -> RemoteHost:
    found = config.look_up(name)
    keys = found.get("identityfile")
    port = str(found.get("port", ""))
    return RemoteHost(
        host=name,
        user=str(found.get("user", "")),
        port=int(port) if port.isdigit() else 22,
        # Of several keys none is chosen: each is tried.
        private_key=os.path.expanduser(keys[0]) if isinstance(keys, list) and len(keys) == 1 else "",  # noqa: PTH111
    )
