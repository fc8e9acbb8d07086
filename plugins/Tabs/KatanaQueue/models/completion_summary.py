"""Words the message about long renders that have ended: one message for those that end together. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .....kq.api import JobRecord, JobState, elapsed_s
from .columns import span_text

__all__ = ["TOGETHER_S", "CompletionSummary", "Message"]

TOGETHER_S = 10.0
"""Renders that end within this time, in seconds, share a message: a tray shows only the latest one."""
_MAX_NAMES = 3
"""Most names of failed jobs in a message; the list shows all."""


@dataclass(frozen=True)
class Message:
    """A message for the artist."""

    message: str
    has_failed: bool
    """Whether any of the renders failed."""


class CompletionSummary:
    """Collects renders that end soon after one another: a new message includes the one that it replaces."""

    def __init__(self) -> None:
        self._last_s = float("-inf")
        self._count = 0
        self._failed = 0
        self._failed_names: list[str] = []

    def add(self, ended: Sequence[JobRecord], now_s: float) -> Message:
        """Add jobs that have just ended. Returns the message to show now.

        Args:
            ended: completed and failed jobs, at least one.
            now_s: the time of a monotonic clock, in seconds.
        """
        if now_s - self._last_s > TOGETHER_S:
            self._count = self._failed = 0
            self._failed_names = []
        self._last_s = now_s
        self._count += len(ended)
        for job in ended:
            if job.state == JobState.FAILED:
                self._failed += 1
                self._failed_names.append(job.name)
        del self._failed_names[_MAX_NAMES:]
        message = _of_one(ended[0]) if self._count == 1 else self._of_several()
        return Message(message, self._failed > 0)

    def _of_several(self) -> str:
        completed = self._count - self._failed
        if not self._failed:
            return f"{completed} renders ended: all completed."
        names = ", ".join(self._failed_names) + ("…" if self._failed > len(self._failed_names) else "")
        if not completed:
            return f"{self._failed} renders ended: all failed ({names})."
        return f"{self._count} renders ended: {completed} completed, {self._failed} failed ({names})."


def _of_one(job: JobRecord) -> str:
    elapsed = elapsed_s(job, 0.0)
    after = "" if elapsed is None else f" after {span_text(elapsed)}"
    if job.state == JobState.FAILED and job.reason:
        return f"{job.name}: failed{after}: {job.reason}"
    warnings = "1 warning" if job.warnings == 1 else f"{job.warnings:,} warnings"
    return f"{job.name}: {str(job.state).lower()}{after}{f', with {warnings}' if job.warnings else ''}."
