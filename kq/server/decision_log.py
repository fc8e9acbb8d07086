"""Logs the core's decisions: attempts that did not succeed, and with KQ_LOG=debug every instruction."""

from __future__ import annotations

import logging

from ..core import instructions as do
from ..records import AttemptRecord, attempt_id

__all__ = ["log_attempt", "log_instructions"]

_FREQUENT = (do.Acknowledge, do.AgentChanged, do.JobChanged, do.QueueChanged)
"""Not logged: these follow every heartbeat, or accompany a more specific instruction."""
_log = logging.getLogger("kq.server")


def log_attempt(record: AttemptRecord) -> None:
    """Log how an attempt ended, at level info."""
    _log.info(
        "%s after %.3f s: %s",
        record.outcome,
        max(record.ended - record.started, 0.0),
        record.reason or f"exit code {record.exit_code}",
        extra=_context(do.AttemptOver(record)),
    )


def log_instructions(instructions: list[do.Instruction]) -> None:
    """Log each instruction at level debug, except _FREQUENT ones."""
    if not _log.isEnabledFor(logging.DEBUG):
        return
    for each in instructions:
        if isinstance(each, _FREQUENT):
            continue
        if isinstance(each, do.AttemptOver):
            _log.debug("AttemptOver outcome=%s", each.record.outcome, extra=_context(each))
            continue
        fields = {name: getattr(each, name) for name in each.__struct_fields__}
        fields = {name: value for name, value in fields.items() if name not in ("agent", "job_id")}
        text = " ".join(f"{name}={value}" for name, value in fields.items())
        _log.debug("%s", f"{type(each).__name__} {text}".rstrip(), extra=_context(each))


def _context(instruction: do.Instruction) -> dict[str, str]:
    """The log record's fields `agent`, `job` and `attempt`."""
    if isinstance(instruction, do.AttemptOver):
        record = instruction.record
        name = attempt_id(record.job_id, record.task, record.attempt)
        return {"agent": record.agent, "job": record.job_id, "attempt": name}
    context = {"agent": getattr(instruction, "agent", ""), "job": getattr(instruction, "job_id", "")}
    if isinstance(instruction, do.Assign):
        context["attempt"] = attempt_id(instruction.job_id, instruction.task, instruction.attempt)
    elif isinstance(instruction, do.AskStop):
        context["attempt"] = instruction.attempt
    return context
