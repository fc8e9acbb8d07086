"""What an Agent is started with: the content of its connection file and its site file. A leaf."""

from __future__ import annotations

import msgspec

from .records import SessionRecord

__all__ = ["AgentConfig", "Site"]


class AgentConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How an Agent reaches its server, and how often it must. Durations in seconds."""

    connection: SessionRecord
    heartbeat_s: float = 1.0
    lease_s: float = 10.0
    nice: int = 5
    standby_s: float = 0.0
    """How long a process is kept ready for the next render; 0: none is."""
    standby_memory: int = 0
    """Bytes that it may hold."""
    log_level: str = "info"
    local: bool = True
    """Whether it runs on the server's machine."""
    host_label: str = ""
    """What the session calls the Agent's machine: the ids of its Agents begin with it and a colon."""
    share_file: str = ""
    """A file below the data root, relative to it; empty where there is none."""
    share_token: str = ""
    """The content of that file: a machine that reads it there shares the data root."""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Where an Agent runs. Written by the supervisor, read by its Agents."""

    streams: bool
    """Whether logs, pictures and temporary folders travel over the wire: the data root is not shared."""
    work: str
    """A folder of this machine for what attempts need, and for the files that were fetched."""
    paths: tuple[tuple[str, str], ...] = ()
    """What lies elsewhere here: pairs of the desktop's folder and this machine's."""
