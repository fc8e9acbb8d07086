"""What the core wants done. Data only; kq/server carries it out, in the order given."""

from __future__ import annotations

import msgspec

from ..records import AttemptRecord

__all__ = [
    "Acknowledge",
    "AgentChanged",
    "AgentRemoved",
    "AskStop",
    "AskToRegister",
    "Assign",
    "AttemptOver",
    "EndAgent",
    "Instruction",
    "JobChanged",
    "JobRemoved",
    "LaunchAgent",
    "QueueChanged",
    "TaskChanged",
    "TasksReset",
]


class Instruction(msgspec.Struct, frozen=True, gc=False):
    """Base of all instructions."""


class LaunchAgent(Instruction, frozen=True):
    """Start a local Agent. Answer: AgentRegistered by itself, or AgentGone."""

    agent: str


class EndAgent(Instruction, frozen=True):
    """End an Agent and all its processes. Answer: AgentGone. Repeated while it is still heard.

    `force`: a local one is not asked first, since it no longer answers.
    `again`: another is wanted in its place, where the queue does not start it.
    """

    agent: str
    reason: str
    force: bool = False
    again: bool = False


class Assign(Instruction, frozen=True):
    """Give a task to an Agent. The same number again is the same order, in case the first was lost."""

    agent: str
    number: int
    job_id: str
    task: int
    attempt: int


class AskStop(Instruction, frozen=True):
    """Have an Agent end what it runs."""

    agent: str
    attempt: str


class AskToRegister(Instruction, frozen=True):
    """Ask an unknown Agent to register."""

    agent: str


class Acknowledge(Instruction, frozen=True):
    """Confirm an Agent's report, and name what it should be running."""

    agent: str
    beat: int
    desired: str
    stop: bool
    acknowledged: tuple[str, ...]


class JobChanged(Instruction, frozen=True):
    """The job's record is another now."""

    job_id: str


class TaskChanged(Instruction, frozen=True):
    """The task's record is another now; the job's is as well."""

    job_id: str
    task: int


class TasksReset(Instruction, frozen=True):
    """Many tasks of the job changed at once; the job's record did as well."""

    job_id: str


class JobRemoved(Instruction, frozen=True):
    """The job is forgotten: its record, and in time its logs."""

    job_id: str


class AttemptOver(Instruction, frozen=True):
    """An attempt belongs to history now."""

    record: AttemptRecord


class AgentChanged(Instruction, frozen=True):
    """The Agent's record is another now."""

    agent: str


class AgentRemoved(Instruction, frozen=True):
    """The Agent is forgotten."""

    agent: str


class QueueChanged(Instruction, frozen=True):
    """The record of the queue as a whole is another now."""
