"""What is asked for (specs) and what is known (records), as immutable data. A leaf: shape, no behaviour.

Times (`submitted`, `started`, `ended`, `completed`, `since`) are wall clock, in seconds since the epoch.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import msgspec

from .errors import BadInput
from .frame_ranges import FrameChunks, parse_frames
from .placeholders import check_placeholders, fill, misspelled_placeholders
from .plain_text import quoted
from .states import AgentState, JobState, Outcome, StopMethod, TaskState, WaitReason

__all__ = [
    "AgentRecord",
    "AttemptRecord",
    "JobRecord",
    "JobSpec",
    "QueueRecord",
    "SessionRecord",
    "StoryEntry",
    "TaskRecord",
    "attempt_id",
    "check_job_id",
    "check_note",
    "check_priority",
    "new_job_id",
    "parse_attempt_id",
    "task_commands",
]

_ID_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
"""32 of them, so that each is as likely for a random byte."""
_ATTEMPT_ID = re.compile(r"([0-9a-z]{4,32})/(0|[1-9][0-9]{0,8})/([1-9][0-9]{0,8})")
_JOB_ID = re.compile(r"[0-9a-z]{4,32}")

MAX_ARGUMENT_BYTES = 128 * 1024
"""Linux refuses a single argument or variable beyond this (MAX_ARG_STRLEN)."""
MAX_ENVIRONMENT_BYTES = 1024 * 1024
MAX_COMMANDS = 1000
MAX_COMMAND_BYTES = 768 * 1024
"""All arguments of one command; with the environment they share the 2 MiB that Linux allows a new process."""
MAX_AFTER = 1000
MAX_PRIORITY = 1_000_000
MAX_RETRIES = 100
MAX_PARALLEL = 1_000_000
MAX_SECONDS = 1_000_000_000
MAX_MEMORY_LIMIT = 2**50
"""Bytes: a petabyte, more than any machine has."""
MAX_NOTE = 4000
"""Letters in the note of a job."""
MAX_SIGNAL = 64
"""Linux has no signal beyond this (SIGRTMAX)."""


def new_job_id() -> str:
    """A new job id: ten letters and digits, chosen by the submitter, who need not wait for the server.

    Submitting the same id twice is one job; 10,000 jobs share 50 bits of chance.
    """
    return "".join(_ID_LETTERS[byte % len(_ID_LETTERS)] for byte in os.urandom(10))


def attempt_id(job_id: str, task: int, attempt: int) -> str:
    """The name of one run of one task, for example `3k9…/0/1`: also the path of its log below `logs/`."""
    return f"{job_id}/{task}/{attempt}"


def parse_attempt_id(name: str) -> tuple[str, int, int] | None:
    """Job, task and number of an attempt's name, or None when it is no such name."""
    match = _ATTEMPT_ID.fullmatch(name)
    return None if match is None else (match[1], int(match[2]), int(match[3]))


class JobSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is submitted."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    """Argument lists, run in order in each task; no shell sees them. `{frame}`, `{start}` and `{end}`, also
    with a width as in `{frame:04d}`, are filled when `frames` is given; other braces are left alone."""
    frames: str = ""
    """A frame range such as `1-10,20`; empty: one task without frames."""
    chunk: int = 1
    """Frames in one task."""
    priority: int = 0
    """Higher first; among equals, the order of submission."""
    cwd: str = ""
    environment: dict[str, str] = {}
    """Added to the Agent's own environment."""
    temp_dir: str = ""
    """The folder with what the render needs (the scene it was submitted with)."""
    after: tuple[str, ...] = ()
    """Ids of jobs that must be Completed before this one starts."""
    max_parallel: int = 0
    """Most tasks at once; 0: no limit."""
    retries: int = 0
    """How often a failed task is tried again by itself."""
    timeout_s: float = 0.0
    """A task that runs longer than this fails; 0: no limit."""
    silence_s: float = 0.0
    """A task that neither writes nor uses the CPU for this long fails; 0: no limit."""
    memory_limit: int = 0
    """Bytes that a task's processes may use together; 0: no limit."""
    picture: str = ""
    """The picture file of a task, for renderers that do not say: same placeholders, and `####` or `%04d`."""
    renderer: str = ""
    """Which output patterns apply (see kq/patterns); empty: those every renderer shares."""
    node: str = ""
    """The node in the desktop's graph, for people."""
    standby: tuple[str, ...] = ()
    """A command that loads what such a render needs, and then takes one render on its standard input; empty:
    there is none. Agents use it for a job of one command that begins with the same words."""
    stop_signal: int = 0
    """The signal that asks the render to end, where its system has signals; 0: SIGTERM."""

    def chunks(self) -> FrameChunks | None:
        """The frames of each task, or None for a job without frames. Raises BadInput."""
        if not self.frames.strip():
            return None
        texts = [argument for command in self.commands for argument in command]
        takes_range = any("{end" in text for text in texts) and not any("{step}" in text for text in texts)
        return FrameChunks(parse_frames(self.frames), self.chunk, keep_steps=not takes_range)

    def warnings(self) -> tuple[str, ...]:
        """What is likely a mistake and need not be one: a warning each."""
        return misspelled_placeholders(self._texts(), has_frames=bool(self.frames.strip()))

    def _texts(self) -> Iterator[str]:
        """All in which there may be placeholders."""
        yield self.picture
        for command in self.commands:
            yield from command

    def check(self) -> None:
        """Raise BadInput when this cannot be a job; the message says what to change."""
        if not self.name.strip():
            raise BadInput("the job has no name: give it one")
        if len(self.name) > 1000:
            raise BadInput("the job's name is longer than 1000 letters: shorten it")
        for what, text in (
            ("the job's name", self.name),
            ("the working folder", self.cwd),
            ("the temporary folder", self.temp_dir),
            ("the picture's path", self.picture),
            ("the renderer's name", self.renderer),
            ("the node's name", self.node),
        ):
            if text:
                _check_text(text, what)
        self._check_commands()
        if self.frames.strip():
            check_placeholders(self._texts())
        for word in self.standby:
            _check_text(word, "an argument of the standby command")
        if self.environment:
            self._check_environment()
        self._check_numbers()
        if len(self.after) > MAX_AFTER:
            raise BadInput(f"the job waits for {len(self.after):,} jobs: {MAX_AFTER:,} are the most")
        self.chunks()

    def _check_commands(self) -> None:
        if not self.commands or any(not command or not command[0].strip() for command in self.commands):
            raise BadInput("the command is empty: say which program to run")
        if len(self.commands) > MAX_COMMANDS:
            raise BadInput(f"the job has more than {MAX_COMMANDS} commands: divide it")
        for command in self.commands:
            size = sum(_check_text(argument, "an argument of the command") for argument in command)
            if size > MAX_COMMAND_BYTES:
                raise BadInput(
                    f"the command for {quoted(command[0][:80])} holds {size:,} bytes: a process can start "
                    f"with {MAX_COMMAND_BYTES:,} at most, so pass long lists in a file"
                )

    def _check_environment(self) -> None:
        size = 0
        for key, value in self.environment.items():
            if not key or "=" in key:
                raise BadInput(
                    f"environment variable name {quoted(key[:80])} cannot be used: it is empty or holds '='"
                )
            size += _check_text(key, "an environment variable's name")
            size += _check_text(value, f"environment variable {key[:80]}")
        if size > MAX_ENVIRONMENT_BYTES:
            raise BadInput(
                f"the job's environment holds {size:,} bytes: a process can start with "
                f"{MAX_ENVIRONMENT_BYTES:,} at most, so pass large values in a file"
            )

    def _check_numbers(self) -> None:
        if self.chunk < 1:
            raise BadInput(f"Invalid chunk size: {self.chunk}. Use 1 or more")
        for label, number, largest in (
            ("number of tasks at once", self.max_parallel, MAX_PARALLEL),
            ("number of retries", self.retries, MAX_RETRIES),
            ("timeout in seconds", self.timeout_s, MAX_SECONDS),
            ("silence in seconds", self.silence_s, MAX_SECONDS),
            ("memory limit in bytes", self.memory_limit, MAX_MEMORY_LIMIT),
        ):
            # Infinity has no form in the journal's JSON, and "no limit" is spelled 0.
            if not 0 <= number <= largest:
                raise BadInput(f"Invalid {label}: {number}. Use 0 (none) to {largest:,}")
        if not 0 <= self.stop_signal <= MAX_SIGNAL:
            raise BadInput(f"the stop signal is {self.stop_signal}: use 0 (SIGTERM) to {MAX_SIGNAL}")
        check_priority(self.priority)


def _check_text(text: str, what: str) -> int:
    """The bytes that `text` takes as an argument of a process. Raises BadInput."""
    if "\0" in text:
        raise BadInput(f"{what} contains a NUL character: remove it")
    try:
        # Strictly: a file name that is no UTF-8 could neither be sent nor written down.
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as error:
        raise BadInput(
            f"{what} contains bytes that are not UTF-8 ({text[:80]!a}): rename the file, or spell it in UTF-8"
        ) from error
    if size >= MAX_ARGUMENT_BYTES:
        raise BadInput(
            f"{what} holds {size:,} bytes: a process can start with {MAX_ARGUMENT_BYTES:,} in one "
            f"text at most, so pass it in a file"
        )
    return size + 1


def check_job_id(job_id: str) -> None:
    """Raise BadInput when `job_id` is not one that may name files."""
    if not _JOB_ID.fullmatch(job_id):
        raise BadInput(f"{quoted(job_id[:40])} is not a job id: use 4 to 32 letters (a-z) and digits")


def check_priority(priority: int) -> None:
    """Raise BadInput when `priority` is out of range."""
    if abs(priority) > MAX_PRIORITY:
        raise BadInput(f"Invalid priority: {priority}. Use -{MAX_PRIORITY} to {MAX_PRIORITY}")


def check_note(note: str) -> None:
    """Raise BadInput when `note` cannot be a job's note."""
    if len(note) > MAX_NOTE:
        raise BadInput(f"the note is {len(note):,} letters long: {MAX_NOTE:,} are the most")
    _check_text(note, "the note")


def task_commands(spec: JobSpec, frames: range | None) -> tuple[tuple[str, ...], ...]:
    """The argument lists of the task that renders `frames`."""
    if frames is None:
        return spec.commands
    return tuple(tuple(fill(argument, frames) for argument in command) for command in spec.commands)


# gc=False: records hold nothing that could form a cycle, and a desktop with 100,000 of them would stand still
# for 35 ms whenever Python looks for cycles; so it is 3 ms.


class JobRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What is known of a job now."""

    id: str
    name: str
    state: JobState
    submitted: float
    order: int
    """Its place in the order of submission."""
    priority: int = 0
    started: float | None = None
    completed: float | None = None
    """When its last task ended, however it ended."""
    ran_s: float = 0.0
    """Seconds that it ran before `started`, where tasks of then are kept: some of it was started again."""
    progress: float | None = None
    """0 to 1; None while it is not known."""
    tasks: int = 1
    tasks_waiting: int = 0
    tasks_running: int = 0
    tasks_completed: int = 0
    tasks_failed: int = 0
    tasks_cancelled: int = 0
    max_parallel: int = 0
    """Most tasks at once; 0: no limit."""
    agent: str = ""
    """The Agents that run it now, else the last one that did."""
    attempts: int = 0
    log_file: str = ""
    """The log of its latest attempt, or of the task that its reason says failed; empty before the first."""
    exit_code: int | None = None
    """Of the attempt that ended last; negative: the signal that ended it."""
    wait_reason: WaitReason = WaitReason.NONE
    """What of its own it waits for."""
    reason: str = ""
    """The same in words, or why it failed."""
    warning: str = ""
    """What looks wrong although the exit code does not say so."""
    warnings: int = 0
    """How many lines of its logs are warnings, in the latest attempts of its tasks."""
    picture: str = ""
    """The latest picture."""
    peak_memory: int | None = None
    """Bytes; the largest of its attempts."""
    cpu_s: float | None = None
    """CPU time of all its attempts."""
    note: str = ""
    """What people wrote about it."""
    node: str = ""
    temp_dir: str = ""
    stopping: bool = False
    """A stop was asked for and is not complete."""
    from_history: bool = False
    """Kept from an earlier session."""
    farm: str = ""
    """The render farm that has it; empty: the queue."""


class TaskRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What is known of one task now."""

    job_id: str
    index: int
    state: TaskState
    label: str = ""
    """`frame 7`, `frames 1-10`, or empty."""
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


class AttemptRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One run of one task, over."""

    job_id: str
    task: int
    attempt: int
    agent: str
    host: str
    started: float
    ended: float
    outcome: Outcome
    exit_code: int | None = None
    reason: str = ""
    warning: str = ""
    log_file: str = ""
    stop_method: StopMethod = StopMethod.NONE
    processes_gone: int = 0
    """How many processes were seen gone at the end."""
    peak_memory: int | None = None
    cpu_s: float | None = None


class StoryEntry(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One step in a job's story. kq/wording.py has the words."""

    time: float
    state: TaskState
    """What the task, or each of the tasks, became."""
    task: int | None = None
    """None: `tasks` of them at once."""
    tasks: int = 1
    agent: str = ""
    """The Agent that was given the task."""
    reason: str = ""
    outcome: Outcome | None = None
    """Of the attempt that ended, where the entry was derived from it after a restart of the queue."""


class AgentRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What is known of an Agent now."""

    id: str
    host: str
    pid: int
    local: bool
    state: AgentState
    since: float
    """When it came into its state."""
    draining: bool = False
    job: str = ""
    task: int | None = None
    task_label: str = ""
    """`frame 7`, `frames 1-10`, or empty: of that task."""
    cpu_percent: float | None = None
    """Of its render's processes together; 100 is one core."""
    memory: int | None = None
    """Bytes, of its render's processes together."""
    reason: str = ""


class QueueRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The queue as a whole."""

    paused: bool = False
    agents_wanted: int = 0
    problem: str = ""
    """What is wrong with the queue itself (Agents that cannot start, a full disk), or empty."""


class SessionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach a live session. Written to an owner-only file; holds keys when `secret_key` is set."""

    session: str
    protocol: int
    pid: int
    """The server's."""
    host: str
    request_port: int
    update_port: int
    broadcast_port: int
    server_key: str
    """The server's public CURVE key, Z85."""
    public_key: str
    secret_key: str
    data_root: str
    queue_dir: str

    @property
    def ports(self) -> tuple[int, int, int]:
        """Request, update and broadcast port."""
        return self.request_port, self.update_port, self.broadcast_port
