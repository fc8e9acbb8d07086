"""What the core knows of one task that was given to an Agent. The journal keeps it as it is here."""

from __future__ import annotations

import msgspec

__all__ = ["TaskDetail"]


class TaskDetail(msgspec.Struct, gc=False, omit_defaults=True):
    """What is known of a task that was given to an Agent at least once. Times are wall clock."""

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
    """It was started again while it is being stopped."""
