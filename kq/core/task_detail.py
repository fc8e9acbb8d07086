"""The details of one task that was assigned at least once. Stored in the journal in this form."""

from __future__ import annotations

import msgspec

__all__ = ["TaskDetail"]


class TaskDetail(msgspec.Struct, gc=False, omit_defaults=True):
    """Details of a task that was assigned at least once. Times are epoch seconds, memory is in bytes."""

    attempts: int = 0
    agent: str = ""
    started: float | None = None
    ended: float | None = None
    progress: float | None = None
    exit_code: int | None = None
    reason: str = ""
    warning: str = ""
    warnings: int = 0
    log_file: str = ""
    picture: str = ""
    peak_memory: int | None = None
    cpu_s: float | None = None
    agent_losses: int = 0
    retries_used: int = 0
    restart: bool = False
    """A user started it again while it was being stopped: it waits again once it has ended."""
