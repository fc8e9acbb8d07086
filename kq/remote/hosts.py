"""A remote machine for Agents: address and settings, with their validation."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path, PurePosixPath, PureWindowsPath

import msgspec

from ..errors import BadInput
from ..own_folders import local_user
from ..plain_text import quoted
from ..settings import MAX_AGENTS

__all__ = ["LOCAL_ROOT", "RemoteHost"]

LOCAL_ROOT = Path(__file__).resolve().parents[2]
"""The folder that contains this kq package."""


class RemoteHost(msgspec.Struct, frozen=True, kw_only=True):
    """The user's choices for a launch. Empty ones are filled from `~/.ssh/config` or from this machine."""

    host: str
    """Host name, address, or a Host of ~/.ssh/config."""
    port: int = 22
    user: str = ""
    private_key: str = ""
    """Path of a key file; empty: keys of ssh-agent and `~/.ssh`."""
    num_agents: int = 2
    katana_root: str = ""
    """Katana's folder there; empty: the same path as here."""
    kq_root: str = ""
    """The folder that holds kq there; empty: the same path as here, or Katana's."""
    python: str = ""
    """Path of the Python there; empty: it is searched for."""
    data_root: str = ""
    """KQ_DATA_ROOT there; empty: the same path as here."""
    kq_host: str = ""
    """Address of this machine for its connections; empty: that of the interface on the route there."""
    tunnel: bool = False
    """Whether the queue's ports are tunneled through the SSH connection."""

    @classmethod
    def parse(cls, text: str) -> RemoteHost:
        """Parse `[USER@]HOST[:PORT]`; an IPv6 address is in brackets. Raises BadInput."""
        user, at, rest = text.strip().rpartition("@")
        host, port = rest, ""
        if rest.startswith("["):
            host, _, port = rest[1:].partition("]")
            port = port.removeprefix(":")
        elif rest.count(":") == 1:
            host, _, port = rest.partition(":")
        if not host or (at and not user) or (port and not (port.isascii() and port.isdigit())):
            raise BadInput(f"{quoted(text)} is not an address: write HOST, USER@HOST or USER@HOST:PORT")
        parsed = cls(host=host, user=user, port=int(port or 22))
        parsed.check()
        return parsed

    def check(self) -> None:
        """Raise BadInput when a value is invalid."""
        if not re.fullmatch(r"[A-Za-z0-9_.:%-]{1,255}", self.host) or self.host.startswith("-"):
            raise BadInput(f"{quoted(self.host)} is not the name or address of a machine")
        if not 0 < self.port < 65536:
            raise BadInput(f"port {self.port} is out of range: use 1 to 65535")
        if not 0 < self.num_agents <= MAX_AGENTS:
            raise BadInput(f"Invalid number of Agents: {self.num_agents}. Use 1 to {MAX_AGENTS}")
        for what, text in (
            ("the user", self.user),
            ("the private key's path", self.private_key),
            ("Katana's folder", self.katana_root),
            ("Katana Queue's folder", self.kq_root),
            ("the interpreter", self.python),
            ("KQ_DATA_ROOT", self.data_root),
            ("KQ_HOST", self.kq_host),
        ):
            if not text.isprintable():
                raise BadInput(f"{what} contains a character that is not allowed there: {quoted(text)}")
        for what, text in (
            ("Katana's folder", self.katana_root),
            ("Katana Queue's folder", self.kq_root),
            ("KQ_DATA_ROOT", self.data_root),
        ):
            # Of either system. A relative path would depend on the folder in which a login starts.
            if text and not (PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute()):
                raise BadInput(f"{what} is {quoted(text)}: give the absolute path on {self.host}")

    @property
    def label(self) -> str:
        """The machine's id in the queue: its name, with user and port if they are not the defaults."""
        user = f"{self.user}@" if self.user and self.user != local_user() else ""
        port = "" if self.port == 22 else f"-{self.port}"
        return re.sub(r"[^A-Za-z0-9_.@-]", "_", f"{user}{self.host}{port}").lstrip("_.@-")[:80]

    @property
    def title(self) -> str:
        """The machine as `USER@HOST:PORT`, without defaults, for display."""
        return (
            f"{self.user + '@' if self.user else ''}{self.host}{'' if self.port == 22 else f':{self.port}'}"
        )


def local_katana_root() -> str:
    """Return KATANA_ROOT, or without it the folder of this kq."""
    return os.environ.get("KATANA_ROOT") or str(LOCAL_ROOT)


def render_program() -> str:
    """Return the path of this machine's render program, which a remote machine needs too."""
    suffix = ".exe" if sys.platform == "win32" else ""
    renderboot = Path(local_katana_root()) / "bin" / f"renderboot{suffix}"
    return str(renderboot) if renderboot.is_file() else sys.executable
