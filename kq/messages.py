"""All messages of the protocol, as types with which they are decoded.

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

PROTOCOL_VERSION = 5
"""Changes with the messages; independent of the package's version."""
STREAM_PART_BYTES = 256 * 1024
"""Logs and files are sent in parts of this size; a shorter part is the last for now."""


class _Message(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False
):
    pass


# --- request port: clients to server ----------


class _Request(_Message, frozen=True, kw_only=True):
    request: int
    """Chosen by the client, and repeated in the reply."""


class SubmitRequest(_Request, frozen=True, kw_only=True, tag="submit"):
    """Queue a job. Idempotent for the same id. Answer: DoneReply."""

    job_id: str
    spec: JobSpec


class JobAction(StrEnum):
    """An action on jobs."""

    START = "start"
    """Run the tasks again that are not Completed, or all tasks of a job that is."""
    STOP = "stop"
    REMOVE = "remove"


class JobActionRequest(_Request, frozen=True, kw_only=True, tag="job"):
    """Start, stop or remove jobs; none if one is unknown. Answer: DoneReply."""

    action: JobAction
    job_ids: tuple[str, ...]


class StartTasksRequest(_Request, frozen=True, kw_only=True, tag="start-tasks"):
    """Run single tasks of a job again. Answer: DoneReply."""

    job_id: str
    tasks: tuple[int, ...]


class StopTasksRequest(_Request, frozen=True, kw_only=True, tag="stop-tasks"):
    """Stop single tasks of a job; the others continue. Answer: DoneReply."""

    job_id: str
    tasks: tuple[int, ...]


class PriorityRequest(_Request, frozen=True, kw_only=True, tag="priority"):
    """Change the priority of jobs. Answer: DoneReply."""

    job_ids: tuple[str, ...]
    priority: int


class NoteRequest(_Request, frozen=True, kw_only=True, tag="note"):
    """Replace the note of jobs. Answer: DoneReply."""

    job_ids: tuple[str, ...]
    note: str
    """Empty: remove the note."""


class PauseQueueRequest(_Request, frozen=True, kw_only=True, tag="pause"):
    """Stop or resume the assignment of tasks to Agents. Answer: DoneReply."""

    paused: bool


class SetAgentsRequest(_Request, frozen=True, kw_only=True, tag="agents-wanted"):
    """Set the number of local Agents. Answer: DoneReply."""

    count: int


class AgentAction(StrEnum):
    """An action on Agents."""

    DRAIN = "drain"
    """Finish the current task, and take no more."""
    RESUME = "resume"
    RESTART = "restart"
    END = "end"


class AgentActionRequest(_Request, frozen=True, kw_only=True, tag="agent"):
    """Drain, resume, restart or end Agents. Answer: DoneReply."""

    action: AgentAction
    agent_ids: tuple[str, ...]


class SnapshotRequest(_Request, frozen=True, kw_only=True, tag="snapshot"):
    """Get all jobs and Agents. Answer: SnapshotReply, several of them for many jobs."""

    history: bool = False
    """Whether to include jobs of earlier sessions."""


class TasksRequest(_Request, frozen=True, kw_only=True, tag="tasks"):
    """Get `count` tasks of a job, from number `first`. Answer: TasksReply."""

    job_id: str
    first: int = 0
    count: int = 1000


class TaskStatesRequest(_Request, frozen=True, kw_only=True, tag="task-states"):
    """Get only the state of each task of a job, and its frames written. Answer: TaskStatesReply."""

    job_id: str


class AttemptsRequest(_Request, frozen=True, kw_only=True, tag="attempts"):
    """Get the finished attempts of a job. Answer: AttemptsReply."""

    job_id: str
    task: int | None = None
    """None: the latest 1000 of all tasks."""


class SpecRequest(_Request, frozen=True, kw_only=True, tag="spec"):
    """Get a job as it was submitted. Answer: SpecReply."""

    job_id: str


class StoryRequest(_Request, frozen=True, kw_only=True, tag="story"):
    """Get the history of a job's tasks. Answer: StoryReply."""

    job_id: str


class AdmitHostRequest(_Request, frozen=True, kw_only=True, tag="admit"):
    """Make a key for the Agents of `host`, and listen for them. Answer: HostAdmittedReply."""

    host: str
    """Id of the machine: Agents with the key may only report on Agents of this machine."""
    bind: str
    """The local address to listen on besides loopback; empty: only loopback, for a tunnel."""
    agents: int
    """Most Agents of the machine at a time."""
    by_hand: bool = False
    """Whether the user starts its Agents by hand: then the key is kept while there are none."""


class RevokeHostRequest(_Request, frozen=True, kw_only=True, tag="revoke"):
    """End the Agents of `host` and delete its key. Answer: DoneReply."""

    host: str
    undo: bool = False
    """Whether a failed launch is undone: then a key that was made `by_hand` is kept."""


# --- request port: server to clients ----------


class DoneReply(_Request, frozen=True, kw_only=True, tag="done"):
    """The request was carried out."""

    durable: bool = True
    """Whether the change is in the journal: if not, it is lost when the server ends."""


class RefusedReply(_Request, frozen=True, kw_only=True, tag="refused"):
    """The request was refused; nothing was changed."""

    kind: str
    """Name of a class in kq.errors."""
    message: str


class SnapshotReply(_Request, frozen=True, kw_only=True, tag="snapshot-reply"):
    """A page of the snapshot, to which events with a number above `sequence` are applied."""

    sequence: int
    jobs: tuple[JobRecord, ...]
    agents: tuple[AgentRecord, ...]
    queue: QueueRecord
    now: float
    """The server's time, in seconds since the epoch, by the clock of the times in records."""
    more: bool
    """Whether another page follows."""


class TasksReply(_Request, frozen=True, kw_only=True, tag="tasks-reply"):
    tasks: tuple[TaskRecord, ...]


class TaskStatesReply(_Request, frozen=True, kw_only=True, tag="task-states-reply"):
    states: bytes
    """One byte per task: the index of its state among the members of TaskState."""
    written: tuple[int, ...] = ()
    """How many frames of each task are written; 0 for a completed task.

    Empty for a job that was submitted without frames, or with one frame per task.
    """


class AttemptsReply(_Request, frozen=True, kw_only=True, tag="attempts-reply"):
    attempts: tuple[AttemptRecord, ...]


class SpecReply(_Request, frozen=True, kw_only=True, tag="spec-reply"):
    spec: JobSpec


class StoryReply(_Request, frozen=True, kw_only=True, tag="story-reply"):
    entries: tuple[StoryEntry, ...]
    """Oldest first."""
    omitted: int = 0
    """Number of entries that are missing besides these: older ones, or of the first of many tasks."""


class HostAdmittedReply(_Request, frozen=True, kw_only=True, tag="admitted"):
    """The connection file for Agents of that host, as JSON text. It holds their secret key."""

    connection: str


# --- request and update port: Agents to server ----------


class AttemptEnding(_Message, frozen=True, kw_only=True, tag="ended"):
    """An attempt and its processes have ended. Repeated until acknowledged. Update port."""

    agent: str
    attempt: str
    outcome: Outcome
    exit_code: int | None = None
    """Negative: a signal. None: the program could not be started."""
    reason: str = ""
    warning: str = ""
    warnings: int = 0
    """Number of warning lines in its log, as far as it was read."""
    stop_method: StopMethod = StopMethod.NONE
    processes_gone: int = 0
    peak_memory: int | None = None
    cpu_s: float | None = None
    picture: str = ""
    progress: float | None = None
    duration_s: float = 0.0


class RegisterUpdate(_Message, frozen=True, kw_only=True, tag="register"):
    """An Agent is ready for tasks. Request port. Answer: AcknowledgeOrder, or EndOrder."""

    protocol: int
    version: str
    agent: str
    host: str
    pid: int
    started: float
    """Start time of its process, in the system's units; with the pid it identifies the process."""
    assign_number: int = 0
    """The number of the last AssignOrder seen."""
    attempt: str = ""
    """The attempt that it runs; empty: none."""
    endings: tuple[AttemptEnding, ...] = ()
    """Endings that were not acknowledged."""


class HeartbeatUpdate(_Message, frozen=True, kw_only=True, tag="heartbeat"):
    """An Agent is alive. Update port. Answer: AcknowledgeOrder, on the request port."""

    agent: str
    number: int
    """They count from 1."""
    assign_number: int
    """The number of the last AssignOrder seen."""
    attempt: str = ""
    """As in RegisterUpdate."""
    endings: tuple[AttemptEnding, ...] = ()
    cpu_percent: float | None = None
    memory: int | None = None


class ProgressUpdate(_Message, frozen=True, kw_only=True, tag="progress"):
    """Progress, picture or warnings in an attempt's output. Update port."""

    agent: str
    attempt: str
    progress: float | None = None
    picture: str = ""
    warning: str = ""
    warnings: int = 0


class LeaveUpdate(_Message, frozen=True, kw_only=True, tag="leave"):
    """An Agent ends, after its processes. Update port."""

    agent: str
    reason: str


class LogUpdate(_Message, frozen=True, kw_only=True, tag="log"):
    """Part of an attempt's log, from a machine that does not share the data root. Update port.

    Answer: StreamedOrder.
    """

    agent: str
    attempt: str
    offset: int
    data: bytes


class FileUpdate(_Message, frozen=True, kw_only=True, tag="file"):
    """Part of a file that an attempt made on such a machine. Update port. Answer: StreamedOrder.

    The file is created or replaced when it is complete and its hash is correct.
    """

    agent: str
    attempt: str
    path: str
    """Its path on the server's machine."""
    offset: int
    size: int
    """Size of the whole file."""
    data: bytes
    digest: str = ""
    """SHA-256 of the whole file; only in its last part."""


class FetchUpdate(_Message, frozen=True, kw_only=True, tag="fetch"):
    """Request part of the job's temporary folder. Update port. Answer: FolderOrder or FilePartOrder."""

    agent: str
    attempt: str
    path: str = ""
    """A file, relative to the folder; empty: the list of files."""
    offset: int = 0
    """Offset in the file, or the number of files to skip in the list. -1: the download is complete."""
    receipt: int = 0
    """Receipt of the last part or page: the server sends no more without it."""


# --- request port: server to Agents ----------


class AssignOrder(_Message, frozen=True, kw_only=True, tag="assign"):
    """Run a task. Acknowledges all endings sent before."""

    number: int
    """Sequence number of the orders to this Agent."""
    attempt: str
    commands: tuple[tuple[str, ...], ...]
    cwd: str
    environment: dict[str, str]
    unset: tuple[str, ...] = ()
    """As in JobSpec."""
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
    """Warnings about the job, to be written at the start of the log."""


class AcknowledgeOrder(_Message, frozen=True, kw_only=True, tag="acknowledge"):
    """Answer to a heartbeat or registration, with the complete desired state of the Agent."""

    heartbeat: int
    """Number of the heartbeat, from whose sending the lease counts; 0: of a registration."""
    desired: str
    """The attempt that the Agent should run; it stops any other one."""
    stop: bool = False
    """Whether to stop `desired`."""
    grace_s: float = 2.0
    acknowledged: tuple[str, ...] = ()
    """Attempts whose endings have arrived."""
    heartbeat_s: float = 0.0
    """New interval of heartbeats in seconds, longer with many Agents; 0: the Agent's own."""


class StreamedOrder(_Message, frozen=True, kw_only=True, tag="streamed"):
    """Acknowledges part of a log or file, which limits the parts in flight."""

    attempt: str
    path: str = ""
    """Path as in FileUpdate; empty: the log."""
    received: int = 0
    """Offset of the next part."""
    refused: str = ""
    """Why the server accepts no more of it; empty: it does."""


class FolderEntry(_Message, frozen=True, kw_only=True):
    """One file of a job's temporary folder."""

    path: str
    """Relative to the folder, with slashes."""
    size: int
    digest: str
    """SHA-256."""
    executable: bool = False


class FolderOrder(_Message, frozen=True, kw_only=True, tag="folder"):
    """A page of the list of files in the job's temporary folder."""

    attempt: str
    first: int
    files: tuple[FolderEntry, ...] = ()
    more: bool = False
    refused: str = ""
    receipt: int = 0
    """To be sent with the next FetchUpdate."""


class FilePartOrder(_Message, frozen=True, kw_only=True, tag="file-part"):
    """Part of a file of that folder; empty at its end."""

    attempt: str
    path: str
    offset: int
    data: bytes = b""
    refused: str = ""
    receipt: int = 0
    """As in FolderOrder."""


# --- broadcast port: server to Agents (topic `a`, the Agent's id, a NUL) ----------


class StopOrder(_Message, frozen=True, kw_only=True, tag="stop"):
    """Stop an attempt: ask the render to end, kill it after `grace_s` seconds."""

    attempt: str
    grace_s: float


class EndOrder(_Message, frozen=True, kw_only=True, tag="end"):
    """End the Agent, its render first. Also the answer to a refused registration."""

    reason: str
    grace_s: float = 2.0
    restart: bool = False
    """Whether the Agent's parent should start another in its place."""


class RegisterAgainOrder(_Message, frozen=True, kw_only=True, tag="register-again"):
    """The server has no such Agent (any more): it must register again."""


# --- broadcast port: server to clients (topic `c`) ----------


class ChangesEvent(_Message, frozen=True, kw_only=True, tag="changes"):
    """Changes since the previous event. After a gap in `sequence` a client requests a snapshot."""

    sequence: int
    jobs: tuple[JobRecord, ...] = ()
    removed_jobs: tuple[str, ...] = ()
    agents: tuple[AgentRecord, ...] = ()
    removed_agents: tuple[str, ...] = ()
    queue: QueueRecord | None = None
    stopping: bool = False
    """The server ends; this is the last event."""


ClientRequest = Union[  # noqa: UP007  # msgspec needs a union that it can inspect at run time
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
