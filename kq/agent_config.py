"""An Agent's configuration: the content of its connection file and its site file. A leaf."""

from __future__ import annotations

import msgspec

from .records import SessionRecord

__all__ = ["AgentConfig", "Site"]


class AgentConfig(msgspec.Struct, frozen=True, kw_only=True):
    """An Agent's connection to its server, and its settings. Durations in seconds."""

    connection: SessionRecord
    heartbeat_s: float = 1.0
    lease_s: float = 10.0
    nice: int = 5
    standby_s: float = 0.0
    """How long a standby is kept for the next render; 0: none."""
    standby_memory: int = 0
    """Memory limit of a standby, in bytes."""
    min_free_bytes: int = 0
    """Free space that a render's log must leave on its disk."""
    grace_s: float = 2.0
    """Time that a render has to end after its limit on time or silence."""
    log_level: str = "info"
    local: bool = True
    """Whether it runs on the server's machine."""
    host_label: str = ""
    """The session's id of the Agent's machine: its Agents' ids begin with it and a colon."""
    share_file: str = ""
    """Token file, relative to the data root; empty when there is none."""
    share_token: str = ""
    """Content of the token file: a machine on which it can be read shares the data root."""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Paths and transfers on a remote machine. Written by StartAgents, read by the Agents."""

    streams: bool
    """Whether logs, pictures and temporary folders are sent by message: the data root is not shared."""
    work: str
    """Folder on this machine for the files of attempts, and for downloaded files."""
    paths: tuple[tuple[str, str], ...] = ()
    """Path mapping: pairs of the desktop's folder and this machine's."""
