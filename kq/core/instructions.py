"""The output instructions of the core, as data. kq/server carries them out in order."""

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
    """Start a local Agent. The event AgentRegistered or AgentGone follows."""

    agent: str


class EndAgent(Instruction, frozen=True):
    """End an Agent and all its processes; the event AgentGone follows. Repeated while it still reports.

    `force`: kill a local Agent without asking first, since it no longer answers.
    `again`: its machine should start another in its place (remote Agents).
    """

    agent: str
    reason: str
    force: bool = False
    restart: bool = False


class Assign(Instruction, frozen=True):
    """Assign a task to an Agent. The same number again is a repetition, in case the first was lost."""

    agent: str
    number: int
    job_id: str
    task: int
    attempt: int


class AskStop(Instruction, frozen=True):
    """Order an Agent to stop the attempt that it runs."""

    agent: str
    attempt: str


class AskToRegister(Instruction, frozen=True):
    """Ask an unknown Agent to register."""

    agent: str


class Acknowledge(Instruction, frozen=True):
    """Confirm an Agent's report, and name what it should be running."""

    agent: str
    heartbeat: int
    desired: str
    """Id of that attempt; empty for none."""
    stop: bool
    """Whether that attempt is to be stopped."""
    acknowledged: tuple[str, ...]
    """Ids of the attempts whose reported ends were recorded."""


class JobChanged(Instruction, frozen=True):
    """The job's record changed."""

    job_id: str


class TaskChanged(Instruction, frozen=True):
    """The records of the task and of its job changed."""

    job_id: str
    task: int


class TasksReset(Instruction, frozen=True):
    """The records of the job and of many of its tasks changed."""

    job_id: str


class JobRemoved(Instruction, frozen=True):
    """The job was removed. Its rows and its logs are deleted later."""

    job_id: str


class AttemptOver(Instruction, frozen=True):
    """An attempt ended: `record` is its final record."""

    record: AttemptRecord


class AgentChanged(Instruction, frozen=True):
    """The Agent's record changed."""

    agent: str


class AgentRemoved(Instruction, frozen=True):
    """The Agent was removed."""

    agent: str


class QueueChanged(Instruction, frozen=True):
    """The record of the queue as a whole changed."""
