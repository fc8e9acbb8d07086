"""What the log says of jobs: attempts that went wrong, and at KQ_LOG=debug all that the core decides."""

from __future__ import annotations

import logging

from ..core import instructions as do
from ..records import AttemptRecord, attempt_id

__all__ = ["tell_instruction", "tell_of_attempt"]

_TOO_MANY = (do.Acknowledge, do.AgentChanged, do.JobChanged, do.QueueChanged)
"""Every heartbeat has its own, or the instruction beside them says more."""
_log = logging.getLogger("kq.server")


def tell_of_attempt(record: AttemptRecord) -> None:
    """One line on how an attempt ended."""
    _log.info(
        "%s after %.3f s: %s",
        record.outcome,
        max(record.ended - record.started, 0.0),
        record.reason or f"exit code {record.exit_code}",
        extra={
            "agent": record.agent,
            "job": record.job_id,
            "attempt": attempt_id(record.job_id, record.task, record.attempt),
        },
    )


def tell_instruction(told: do.Instruction) -> None:
    """One line, where it says something that no other does."""
    if isinstance(told, _TOO_MANY):
        return
    if isinstance(told, do.AttemptOver):
        job, attempt = told.record.job_id, told.record.attempt
        facts = {
            "job": job,
            "attempt": attempt_id(job, told.record.task, attempt),
            "agent": told.record.agent,
        }
        _log.debug("AttemptOver outcome=%s", told.record.outcome, extra=facts)
        return
    fields = {name: getattr(told, name) for name in told.__struct_fields__}
    facts = {"agent": fields.pop("agent", ""), "job": fields.pop("job_id", "")}
    if isinstance(told, do.Assign):
        facts["attempt"] = attempt_id(told.job_id, told.task, told.attempt)
    elif isinstance(told, do.AskStop):
        facts["attempt"] = fields.pop("attempt")
    said = " ".join(f"{name}={value}" for name, value in fields.items())
    _log.debug("%s", f"{type(told).__name__} {said}".rstrip(), extra=facts)
