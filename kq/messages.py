"""Every message on the wire, typed, and who sends it. Decoding is by these types alone.

Each class has one direction: `…Request` a client to the server, `…Reply` back to it, `…Update` an Agent
to the server, `…Order` the server to an Agent, `…Event` the server to all clients.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Union

import msgspec

from .records import (
    AgentRecord,
    AttemptRecord,
    JobRecord,
    JobSpec,
    QueueRecord,
    StoryEntry,
    TaskRecord,
)
from .states import Outcome, StopMethod

__all__ = [
    "PROTOCOL_VERSION",
    "STREAM_PART_BYTES",
    "AcknowledgeOrder",
    "AdmitHostRequest",
    "AgentAction",
    "AgentActionRequest",
    "AgentOrder",
    "AssignOrder",
    "AttemptEnding",
    "AttemptsReply",
    "AttemptsRequest",
    "BroadcastMessage",
    "ChangesEvent",
    "ClientRequest",
    "DoneReply",
    "EndOrder",
    "FetchUpdate",
    "FilePartOrder",
    "FileUpdate",
    "FolderEntry",
    "FolderOrder",
    "HeartbeatUpdate",
    "HostAdmittedReply",
    "JobAction",
    "JobActionRequest",
    "LeaveUpdate",
    "LogUpdate",
    "NoteRequest",
    "PauseQueueRequest",
    "PriorityRequest",
    "ProgressUpdate",
    "RefusedReply",
    "RegisterAgainOrder",
    "RegisterUpdate",
    "RequestMessage",
    "RevokeHostRequest",
    "ServerReply",
    "SetAgentsRequest",
    "SnapshotReply",
    "SnapshotRequest",
    "SpecReply",
    "SpecRequest",
    "StartTasksRequest",
    "StopOrder",
    "StopTasksRequest",
    "StoryReply",
    "StoryRequest",
    "StreamedOrder",
    "SubmitRequest",
    "TaskStatesReply",
    "TaskStatesRequest",
    "TasksReply",
    "TasksRequest",
    "UpdateMessage",
]

PROTOCOL_VERSION = 3
"""Not the package's version: it changes only when a message does."""
STREAM_PART_BYTES = 256 * 1024
"""Logs and files are sent in parts of this size; a shorter one is the last there is now."""


class _Message(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False
):
    pass


# --- request port: clients to server ----------


class _Request(_Message, frozen=True, kw_only=True):
    request: int
    """Chosen by the client; the reply carries it."""


class SubmitRequest(_Request, frozen=True, kw_only=True, tag="submit"):
    """Queue a job. Sent again with the same id, it is the same job. Answer: DoneReply."""

    job_id: str
    spec: JobSpec


class JobAction(StrEnum):
    """What a client wants done with jobs."""

    START = "start"
    """Run again what is not Completed, or everything when all is."""
    STOP = "stop"
    REMOVE = "remove"


class JobActionRequest(_Request, frozen=True, kw_only=True, tag="job"):
    """Start, stop or remove jobs. All are known or none is touched. Answer: DoneReply."""

    action: JobAction
    job_ids: tuple[str, ...]


class StartTasksRequest(_Request, frozen=True, kw_only=True, tag="start-tasks"):
    """Run single tasks of a job again. Answer: DoneReply."""

    job_id: str
    tasks: tuple[int, ...]


class StopTasksRequest(_Request, frozen=True, kw_only=True, tag="stop-tasks"):
    """Stop single tasks of a job; its others go on. Answer: DoneReply."""

    job_id: str
    tasks: tuple[int, ...]


class PriorityRequest(_Request, frozen=True, kw_only=True, tag="priority"):
    """Change the priority of jobs. Answer: DoneReply."""

    job_ids: tuple[str, ...]
    priority: int


class NoteRequest(_Request, frozen=True, kw_only=True, tag="note"):
    """Write a note to jobs, instead of the one that they have. Answer: DoneReply."""

    job_ids: tuple[str, ...]
    note: str
    """Empty: none."""


class PauseQueueRequest(_Request, frozen=True, kw_only=True, tag="pause"):
    """Give no more work to Agents, or give it again. Answer: DoneReply."""

    paused: bool


class SetAgentsRequest(_Request, frozen=True, kw_only=True, tag="agents-wanted"):
    """How many local Agents to keep. Answer: DoneReply."""

    count: int


class AgentAction(StrEnum):
    """What a client wants done with Agents."""

    DRAIN = "drain"
    """Take no more work."""
    RESUME = "resume"
    RESTART = "restart"
    END = "end"


class AgentActionRequest(_Request, frozen=True, kw_only=True, tag="agent"):
    """Drain, resume, restart or end Agents. Answer: DoneReply."""

    action: AgentAction
    agent_ids: tuple[str, ...]


class SnapshotRequest(_Request, frozen=True, kw_only=True, tag="snapshot"):
    """All jobs and Agents. Answer: SnapshotReply, several of them when there are many jobs."""

    history: bool = False
    """Whether jobs of earlier sessions are wanted too."""


class TasksRequest(_Request, frozen=True, kw_only=True, tag="tasks"):
    """The tasks of a job. Answer: TasksReply."""

    job_id: str
    first: int = 0
    count: int = 1000


class TaskStatesRequest(_Request, frozen=True, kw_only=True, tag="task-states"):
    """The state of each task of a job, and nothing else of it. Answer: TaskStatesReply."""

    job_id: str


class AttemptsRequest(_Request, frozen=True, kw_only=True, tag="attempts"):
    """The attempts of a job that are over. Answer: AttemptsReply."""

    job_id: str
    task: int | None = None
    """None: of all its tasks, the latest 1000."""


class SpecRequest(_Request, frozen=True, kw_only=True, tag="spec"):
    """What was submitted. Answer: SpecReply."""

    job_id: str


class StoryRequest(_Request, frozen=True, kw_only=True, tag="story"):
    """What became of a job's tasks, with times. Answer: StoryReply."""

    job_id: str


class AdmitHostRequest(_Request, frozen=True, kw_only=True, tag="admit"):
    """Open the ports to `host` and make a key for its Agents. Answer: HostAdmittedReply."""

    host: str
    """A name for the key: Agents that use it may only speak for themselves."""
    bind: str
    """The local address to bind besides loopback; empty: loopback is enough (a tunnel)."""
    agents: int
    """How many Agents it may have at a time."""
    by_hand: bool = False
    """Whether a person starts its Agents: then the key is kept while there are none."""


class RevokeHostRequest(_Request, frozen=True, kw_only=True, tag="revoke"):
    """End the Agents of `host` and forget its key. Answer: DoneReply."""

    host: str
    undo: bool = False
    """Whether a launch that came to nothing is undone: a key that a person was given stays."""


# --- request port: server to clients ----------


class DoneReply(_Request, frozen=True, kw_only=True, tag="done"):
    """It is done."""

    durable: bool = True
    """Whether it is in the journal: else it is forgotten when the server ends."""


class RefusedReply(_Request, frozen=True, kw_only=True, tag="refused"):
    """It is not done; nothing was changed."""

    kind: str
    """The name of a class in kq.errors."""
    message: str


class SnapshotReply(_Request, frozen=True, kw_only=True, tag="snapshot-page"):
    """A page of the snapshot. Events with a sequence number beyond `sequence` apply on top of it."""

    sequence: int
    jobs: tuple[JobRecord, ...]
    agents: tuple[AgentRecord, ...]
    queue: QueueRecord
    now: float
    """The server's time: its clock never runs backwards, and the times in records are its."""
    more: bool
    """Whether another page follows."""


class TasksReply(_Request, frozen=True, kw_only=True, tag="tasks-page"):
    tasks: tuple[TaskRecord, ...]


class TaskStatesReply(_Request, frozen=True, kw_only=True, tag="task-states-are"):
    states: bytes
    """For each task, the place of its state among the members of TaskState."""


class AttemptsReply(_Request, frozen=True, kw_only=True, tag="attempts-page"):
    attempts: tuple[AttemptRecord, ...]


class SpecReply(_Request, frozen=True, kw_only=True, tag="spec-is"):
    spec: JobSpec


class StoryReply(_Request, frozen=True, kw_only=True, tag="story-is"):
    entries: tuple[StoryEntry, ...]
    """Oldest first."""
    omitted: int = 0
    """How many entries between the first and the others were dropped."""


class HostAdmittedReply(_Request, frozen=True, kw_only=True, tag="admitted"):
    """The connection file for Agents of that host, as JSON text. It holds their secret key."""

    connection: str


# --- request and update port: Agents to server ----------


class AttemptEnding(_Message, frozen=True, kw_only=True, tag="ended"):
    """An attempt is over and its processes are gone. Repeated until acknowledged. Update port."""

    agent: str
    attempt: str
    outcome: Outcome
    exit_code: int | None = None
    """Negative: the signal. None: the program could not be started."""
    reason: str = ""
    warning: str = ""
    warnings: int = 0
    """How many lines of its log are warnings, as far as it was read."""
    stop_method: StopMethod = StopMethod.NONE
    processes_gone: int = 0
    peak_memory: int | None = None
    cpu_s: float | None = None
    picture: str = ""
    progress: float | None = None
    duration_s: float = 0.0


class RegisterUpdate(_Message, frozen=True, kw_only=True, tag="register"):
    """An Agent is there, and asks for work. Request port. Answer: AcknowledgeOrder, or EndOrder."""

    protocol: int
    version: str
    agent: str
    host: str
    pid: int
    started: float
    """When its process started, as the system counts it: with the pid it names one process."""
    assigned: int = 0
    """The number of the last AssignOrder seen."""
    holding: str = ""
    """The attempt that it runs."""
    endings: tuple[AttemptEnding, ...] = ()
    """What ended and was not acknowledged."""


class HeartbeatUpdate(_Message, frozen=True, kw_only=True, tag="heartbeat"):
    """An Agent lives. Update port. Answer: AcknowledgeOrder, by the request port."""

    agent: str
    beat: int
    assigned: int
    """The number of the last AssignOrder seen."""
    holding: str = ""
    endings: tuple[AttemptEnding, ...] = ()
    cpu_percent: float | None = None
    memory: int | None = None


class ProgressUpdate(_Message, frozen=True, kw_only=True, tag="progress"):
    """What an attempt's output reported. Update port."""

    agent: str
    attempt: str
    progress: float | None = None
    picture: str = ""
    warning: str = ""
    warnings: int = 0


class LeaveUpdate(_Message, frozen=True, kw_only=True, tag="leave"):
    """An Agent ends of its own accord; its processes are gone. Update port."""

    agent: str
    reason: str


class LogUpdate(_Message, frozen=True, kw_only=True, tag="log"):
    """Bytes of an attempt's log, from a machine that does not share the data root. Update port.

    Answer: StreamedOrder.
    """

    agent: str
    attempt: str
    offset: int
    data: bytes


class FileUpdate(_Message, frozen=True, kw_only=True, tag="file"):
    """A part of a file that an attempt made on such a machine: a picture. Update port. Answer: StreamedOrder.

    The file appears, or replaces the one before, when it is whole and its hash is right.
    """

    agent: str
    attempt: str
    path: str
    """Where it belongs on the server's machine."""
    offset: int
    size: int
    """Of the whole file."""
    data: bytes
    digest: str = ""
    """SHA-256 of the whole file, with its last part."""


class FetchUpdate(_Message, frozen=True, kw_only=True, tag="fetch"):
    """Asks for a part of the job's temporary folder. Update port. Answer: FolderOrder or FilePartOrder."""

    agent: str
    attempt: str
    path: str = ""
    """A file of the folder, relative to it; empty: what is in it."""
    offset: int = 0
    """Of the bytes that are wanted; of the list, how many files to skip. -1: nothing more is wanted."""
    receipt: int = 0
    """Of the part or page that came last: who does not read is sent no more."""


# --- request port: server to Agents ----------


class AssignOrder(_Message, frozen=True, kw_only=True, tag="assign"):
    """Run this. Acknowledges every ending sent before."""

    number: int
    """Counts the orders to this Agent."""
    attempt: str
    commands: tuple[tuple[str, ...], ...]
    cwd: str
    environment: dict[str, str]
    log_file: str
    picture: str = ""
    renderer: str = ""
    timeout_s: float = 0.0
    silence_s: float = 0.0
    memory_limit: int = 0
    temp_dir: str = ""
    standby: tuple[str, ...] = ()
    """As in JobSpec."""
    stop_signal: int = 0
    """As in JobSpec."""
    warnings: tuple[str, ...] = ()
    """What is likely a mistake in the job: written into the log before anything else."""


class AcknowledgeOrder(_Message, frozen=True, kw_only=True, tag="acknowledge"):
    """The server heard a heartbeat or registration, and says what it wants: level, not edge."""

    beat: int
    """Of the heartbeat; the lease counts from when that was sent. 0: registered."""
    desired: str
    """The attempt that this Agent should be running; anything else it runs is to be stopped."""
    stop: bool = False
    """Whether `desired` is to be stopped."""
    grace_s: float = 2.0
    acknowledged: tuple[str, ...] = ()
    """Attempts whose endings arrived."""
    beat_s: float = 0.0
    """Seconds between its heartbeats from now on, where its own interval would be too much of many Agents."""


class StreamedOrder(_Message, frozen=True, kw_only=True, tag="streamed"):
    """How much of a log or file has arrived, so that no more than a little is ever under way."""

    attempt: str
    path: str = ""
    """Of a file, as it was sent; empty: the log."""
    received: int = 0
    """Go on from here."""
    refused: str = ""
    """Why nothing more of it is taken."""


class FolderEntry(_Message, frozen=True, kw_only=True):
    """One file of a job's temporary folder."""

    path: str
    """Relative, with slashes."""
    size: int
    digest: str
    """SHA-256."""
    executable: bool = False


class FolderOrder(_Message, frozen=True, kw_only=True, tag="folder"):
    """A page of what is in the job's temporary folder."""

    attempt: str
    first: int
    files: tuple[FolderEntry, ...] = ()
    more: bool = False
    refused: str = ""
    receipt: int = 0
    """To be returned with the next FetchUpdate."""


class FilePartOrder(_Message, frozen=True, kw_only=True, tag="file-part"):
    """Bytes of a file of that folder. None where the file ends."""

    attempt: str
    path: str
    offset: int
    data: bytes = b""
    refused: str = ""
    receipt: int = 0
    """As in FolderOrder."""


# --- broadcast port: server to Agents (topic `a`, the Agent's id, a NUL) ----------


class StopOrder(_Message, frozen=True, kw_only=True, tag="stop"):
    """End this attempt: ask, wait, kill, see gone."""

    attempt: str
    grace_s: float


class EndOrder(_Message, frozen=True, kw_only=True, tag="end"):
    """End yourself, your render first. Also the answer to a registration that is refused."""

    reason: str
    grace_s: float = 2.0
    again: bool = False
    """Whether another is to be started in your place, by whoever started you."""


class RegisterAgainOrder(_Message, frozen=True, kw_only=True, tag="register-again"):
    """The server does not know you (any more): register."""


# --- broadcast port: server to clients (topic `c`) ----------


class ChangesEvent(_Message, frozen=True, kw_only=True, tag="changes"):
    """What changed since the event before. A gap in `sequence` means: take a new snapshot."""

    sequence: int
    jobs: tuple[JobRecord, ...] = ()
    removed_jobs: tuple[str, ...] = ()
    agents: tuple[AgentRecord, ...] = ()
    removed_agents: tuple[str, ...] = ()
    queue: QueueRecord | None = None
    stopping: bool = False
    """The server ends; no more events follow."""


ClientRequest = Union[  # noqa: UP007  # msgspec wants a union it can walk at run time; so spelled once
    SubmitRequest, JobActionRequest, StartTasksRequest, StopTasksRequest, PriorityRequest, NoteRequest,
    PauseQueueRequest, SetAgentsRequest, AgentActionRequest, SnapshotRequest, TasksRequest, TaskStatesRequest,
    AttemptsRequest, SpecRequest, StoryRequest, AdmitHostRequest, RevokeHostRequest,
]  # fmt: skip
RequestMessage = Union[ClientRequest, RegisterUpdate]  # noqa: UP007
"""What the server accepts on the request port."""
ServerReply = Union[  # noqa: UP007
    DoneReply, RefusedReply, SnapshotReply, TasksReply, TaskStatesReply, AttemptsReply, SpecReply, StoryReply,
    HostAdmittedReply,
]  # fmt: skip
"""What a client accepts on the request port."""
AgentOrder = Union[  # noqa: UP007
    AssignOrder, AcknowledgeOrder, EndOrder, StreamedOrder, FolderOrder, FilePartOrder,
]  # fmt: skip
"""What an Agent accepts on the request port."""
UpdateMessage = Union[  # noqa: UP007
    HeartbeatUpdate, ProgressUpdate, AttemptEnding, LeaveUpdate, LogUpdate, FileUpdate, FetchUpdate,
]  # fmt: skip
"""What the server accepts on the update port."""
BroadcastMessage = Union[StopOrder, EndOrder, RegisterAgainOrder, ChangesEvent]  # noqa: UP007
"""What is published on the broadcast port."""
