"""A machine on which Agents may run, and how it is reached. Data and its validation."""

from __future__ import annotations

import getpass
import os
import re
import sys
from pathlib import Path, PurePosixPath, PureWindowsPath

import msgspec

from ..errors import BadInput
from ..plain_text import quoted
from ..settings import MAX_AGENTS

__all__ = ["LOCAL_ROOT", "RemoteHost", "local_user"]

LOCAL_ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds this very kq."""


class RemoteHost(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for. Empty texts are filled from `~/.ssh/config`, or from what this machine has."""

    host: str
    """A name, an address, or a Host of ~/.ssh/config."""
    port: int = 22
    user: str = ""
    private_key: str = ""
    """A file; empty: whatever ssh-agent and `~/.ssh` offer."""
    num_agents: int = 2
    katana_root: str = ""
    """Katana's folder there; empty: the same path as here."""
    kq_root: str = ""
    """The folder that holds kq there; empty: the same path as here, or Katana's."""
    python: str = ""
    """The interpreter there; empty: it is looked for."""
    data_root: str = ""
    """KQ_DATA_ROOT there; empty: the same path as here."""
    kq_host: str = ""
    """The address of this machine that it is to call; empty: that of the interface which leads there."""
    tunnel: bool = False
    """Whether the queue's ports are tunneled through the SSH connection."""

    @classmethod
    def parse(cls, text: str) -> RemoteHost:
        """The host that `[USER@]HOST[:PORT]` names. Raises BadInput."""
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
        """Raise BadInput when this cannot be tried."""
        if not re.fullmatch(r"[A-Za-z0-9_.:%-]{1,255}", self.host) or self.host.startswith("-"):
            raise BadInput(f"{quoted(self.host)} is not the name or address of a machine")
        if not 0 < self.port < 65536:
            raise BadInput(f"port {self.port} is out of range: use 1 to 65535")
        if not 0 < self.num_agents <= MAX_AGENTS:
            raise BadInput(f"Invalid number of Agents: {self.num_agents}. Use 1 to {MAX_AGENTS}")
        for what, text in (
            ("the user", self.user),
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
            # Of whichever system it is; a relative one would count from whatever folder a login begins in.
            if text and not (PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute()):
                raise BadInput(f"{what} is {quoted(text)}: give the absolute path on {self.host}")

    @property
    def label(self) -> str:
        """What the queue calls the machine: its name, with user and port where those are unusual."""
        user = f"{self.user}@" if self.user and self.user != local_user() else ""
        port = "" if self.port == 22 else f"-{self.port}"
        return re.sub(r"[^A-Za-z0-9_.@-]", "_", f"{user}{self.host}{port}").lstrip("_.@-")[:80]

    @property
    def title(self) -> str:
        """The machine, for people."""
        return (
            f"{self.user + '@' if self.user else ''}{self.host}{'' if self.port == 22 else f':{self.port}'}"
        )


def local_user() -> str:
    """The name of the user of this process; empty when it is not known."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def local_katana_root() -> str:
    """Katana's folder on this machine."""
    return os.environ.get("KATANA_ROOT") or str(LOCAL_ROOT)


def render_program() -> str:
    """What a render is started with on this machine: it should be there as well."""
    suffix = ".exe" if sys.platform == "win32" else ""
    renderboot = Path(local_katana_root()) / "bin" / f"renderboot{suffix}"
    return str(renderboot) if renderboot.is_file() else sys.executable
