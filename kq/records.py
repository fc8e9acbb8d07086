"""Immutable data: a job as submitted (JobSpec), and the state of jobs, tasks and Agents. A leaf.

Times (`submitted`, `started`, `ended`, `completed`, `since`) are in seconds since the epoch.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import msgspec

from .desktop_render import DesktopRender
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
"""32 letters, so that a random byte selects each with the same probability."""
_ATTEMPT_ID = re.compile(r"([0-9a-z]{4,32})/(0|[1-9][0-9]{0,8})/([1-9][0-9]{0,8})")
_JOB_ID = re.compile(r"[0-9a-z]{4,32}")

MAX_ARGUMENT_BYTES = 128 * 1024
"""Linux's limit for a single argument or variable (MAX_ARG_STRLEN)."""
MAX_ENVIRONMENT_BYTES = 1024 * 1024
MAX_COMMANDS = 1000
MAX_COMMAND_BYTES = 768 * 1024
"""Limit for all arguments of a command: with the environment they share Linux's 2 MiB per process."""
MAX_AFTER = 1000
MAX_PRIORITY = 1_000_000
MAX_RETRIES = 100
MAX_PARALLEL = 1_000_000
MAX_SECONDS = 1_000_000_000
MAX_MEMORY_LIMIT = 2**50
"""Bytes: a petabyte, more than any machine has."""
MAX_NOTE = 4000
"""Most characters in the note of a job."""
MAX_SIGNAL = 64
"""Linux's highest signal (SIGRTMAX)."""


def new_job_id() -> str:
    """Return a new job id: ten random letters and digits (50 bits).

    The submitter chooses the id, so it need not wait for the server, and may safely submit it twice.
    """
    return "".join(_ID_LETTERS[byte % len(_ID_LETTERS)] for byte in os.urandom(10))


def attempt_id(job_id: str, task: int, attempt: int) -> str:
    """Return the id of an attempt, for example `3k9…/0/1`: also the path of its log below `logs/`."""
    return f"{job_id}/{task}/{attempt}"


def parse_attempt_id(name: str) -> tuple[str, int, int] | None:
    """Split an attempt's id into job, task and number; None when it is invalid."""
    match = _ATTEMPT_ID.fullmatch(name)
    return None if match is None else (match[1], int(match[2]), int(match[3]))


class JobSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A job as it is submitted."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    """Argument lists, run in order in each task, without a shell. `{frame}`, `{start}`, `{end}` and `{step}`,
    also with a width as in `{frame:04d}`, are filled if `frames` is set; other braces are unchanged."""
    frames: str = ""
    """A frame range such as `1-10,20`; empty: one task without frames."""
    chunk: int = 1
    """Frames in one task."""
    priority: int = 0
    """Higher first; equal ones in the order of submission."""
    cwd: str = ""
    environment: dict[str, str] = {}
    """Added to the Agent's own environment."""
    unset: tuple[str, ...] = ()
    """Names of variables of the Agent's own environment that the commands do not get."""
    temp_dir: str = ""
    """The folder with the files of the render, such as its scene."""
    after: tuple[str, ...] = ()
    """Ids of jobs that must be Completed before this one starts."""
    max_parallel: int = 0
    """Most tasks at once; 0: no limit."""
    retries: int = 0
    """How often a failed task is retried automatically."""
    timeout_s: float = 0.0
    """Seconds after which a running task fails; 0: no limit."""
    silence_s: float = 0.0
    """Seconds without output and CPU use after which a task fails; 0: no limit."""
    memory_limit: int = 0
    """Total memory of a task's processes, in bytes, above which it fails; 0: no limit."""
    picture: str = ""
    """The picture file of a task, for renderers that do not print it; with placeholders, `####` or `%04d`."""
    renderer: str = ""
    """Name of the output patterns (see kq/patterns); empty: those of the program, or the shared ones."""
    node: str = ""
    """The node in the desktop's graph, for display."""
    standby: tuple[str, ...] = ()
    """A command that loads the renderer, and then takes one render on its standard input; empty: none. Used
    for jobs with a single command that begins with the same arguments."""
    stop_signal: int = 0
    """The signal that asks the render to end; 0: SIGTERM. Not used on Windows."""
    is_live: bool = False
    """It renders until it is stopped: there is no progress and no remaining time."""
    desktop: DesktopRender | None = None
    """Set if it only sends its pixels to the desktop of this session: a later one refuses to start it."""

    def chunks(self) -> FrameChunks | None:
        """Return the frames of each task, or None for a job without frames. Raises BadInput."""
        if not self.frames.strip():
            return None
        texts = [argument for command in self.commands for argument in command]
        takes_range = any("{end" in text for text in texts) and not any("{step}" in text for text in texts)
        return FrameChunks(parse_frames(self.frames), self.chunk, keep_steps=not takes_range)

    def warnings(self) -> tuple[str, ...]:
        """Return warnings about likely mistakes."""
        return misspelled_placeholders(self._texts(), has_frames=bool(self.frames.strip()))

    def _texts(self) -> Iterator[str]:
        """Yield all texts that may contain placeholders."""
        yield self.picture
        for command in self.commands:
            yield from command

    def check(self) -> None:
        """Raise BadInput when the spec is invalid; the message includes what to change."""
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
            ("memory limit in MiB", self.memory_limit // 2**20, MAX_MEMORY_LIMIT // 2**20),
        ):
            # Infinity cannot be written as JSON in the journal; 0 is "no limit".
            if not 0 <= number <= largest:
                raise BadInput(f"Invalid {label}: {number}. Use 0 (none) to {largest:,}")
        if not 0 <= self.stop_signal <= MAX_SIGNAL:
            raise BadInput(f"the stop signal is {self.stop_signal}: use 0 (SIGTERM) to {MAX_SIGNAL}")
        check_priority(self.priority)


def _check_text(text: str, what: str) -> int:
    """Return the bytes of `text` as an argument of a process. Raises BadInput with `what` in the message."""
    if "\0" in text:
        raise BadInput(f"{what} contains a NUL character: remove it")
    try:
        # Strict: a file name that is not UTF-8 could be neither sent nor saved.
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
    """Raise BadInput when `job_id` is not valid in file names."""
    if not _JOB_ID.fullmatch(job_id):
        raise BadInput(f"{quoted(job_id[:40])} is not a job id: use 4 to 32 letters (a-z) and digits")


def check_priority(priority: int) -> None:
    """Raise BadInput when `priority` is out of range."""
    if abs(priority) > MAX_PRIORITY:
        raise BadInput(f"Invalid priority: {priority}. Use -{MAX_PRIORITY} to {MAX_PRIORITY}")


def check_note(note: str) -> None:
    """Raise BadInput when `note` is not valid as a job's note."""
    if len(note) > MAX_NOTE:
        raise BadInput(f"the note is {len(note):,} letters long: {MAX_NOTE:,} are the most")
    _check_text(note, "the note")


def task_commands(spec: JobSpec, frames: range | None) -> tuple[tuple[str, ...], ...]:
    """Return the argument lists of the task that renders `frames`."""
    if frames is None:
        return spec.commands
    return tuple(tuple(fill(argument, frames) for argument in command) for command in spec.commands)


# gc=False: records cannot form cycles. With 100,000 of them a full garbage collection takes 3 ms, not 35.


class JobRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The current state of a job."""

    id: str
    name: str
    state: JobState
    submitted: float
    order: int
    """Its place in the order of submission."""
    priority: int = 0
    started: float | None = None
    completed: float | None = None
    """Time at which its last task ended, with any outcome."""
    ran_s: float = 0.0
    """Seconds that it ran before `started`, if some of its tasks were started again."""
    progress: float | None = None
    """0 to 1; None: not known."""
    tasks: int = 1
    tasks_waiting: int = 0
    tasks_running: int = 0
    tasks_completed: int = 0
    tasks_failed: int = 0
    tasks_cancelled: int = 0
    max_parallel: int = 0
    """Most tasks at once; 0: no limit."""
    agent: str = ""
    """The Agents that run it, else the last one that did."""
    attempts: int = 0
    log_file: str = ""
    """The log of its latest attempt, or of the failed task in `reason`; empty before the first."""
    exit_code: int | None = None
    """Exit code of the attempt that ended last; negative: a signal."""
    wait_reason: WaitReason = WaitReason.NONE
    """Why it waits, apart from the queue's reason."""
    reason: str = ""
    """Text for `wait_reason`, or why it failed."""
    warning: str = ""
    """A warning from its logs, with any exit code."""
    warnings: int = 0
    """Number of warning lines in the logs of its tasks' latest attempts."""
    picture: str = ""
    """Path of the latest picture."""
    peak_memory: int | None = None
    """Highest peak memory of its attempts, in bytes."""
    cpu_s: float | None = None
    """CPU time of all its attempts, in seconds."""
    note: str = ""
    """The user's note."""
    node: str = ""
    temp_dir: str = ""
    stopping: bool = False
    """A stop was requested and is not complete."""
    from_history: bool = False
    """Kept from an earlier session."""
    is_interrupted: bool = False
    """It was not over when the latest earlier session ended, and has not been started again."""
    farm: str = ""
    """Title of the render farm that runs it; empty: the queue."""
    is_live: bool = False
    """It renders until it is stopped."""
    needs_desktop: bool = False
    """It only sends its pixels to the desktop that submitted it: see JobSpec.desktop."""


class TaskRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The current state of a task."""

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
    """A finished attempt: one run of one task."""

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
    """Number of its processes that have ended."""
    peak_memory: int | None = None
    cpu_s: float | None = None


class StoryEntry(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An entry of a job's history. kq/wording.py has the text."""

    time: float
    state: TaskState
    """New state of the task, or of each of the tasks."""
    task: int | None = None
    """None: `tasks` of them at once."""
    tasks: int = 1
    agent: str = ""
    """The Agent to which the task was assigned."""
    reason: str = ""
    outcome: Outcome | None = None
    """Outcome of the attempt from which the entry was derived after a restart of the queue; else None."""


class AgentRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The current state of an Agent."""

    id: str
    host: str
    pid: int
    local: bool
    state: AgentState
    since: float
    """Time of its last change of state."""
    draining: bool = False
    job: str = ""
    task: int | None = None
    task_label: str = ""
    """Label of `task`: `frame 7`, `frames 1-10`, or empty."""
    cpu_percent: float | None = None
    """Total of its render's processes; 100 is one core."""
    memory: int | None = None
    """Total of its render's processes, in bytes."""
    reason: str = ""


class QueueRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The current state of the queue as a whole."""

    paused: bool = False
    agents_wanted: int = 0
    problem: str = ""
    """An error of the queue itself (Agents that cannot start, a full disk); or empty."""


class SessionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Connection data of a running session, with keys: stored in files that only their owner can read."""

    session: str
    protocol: int
    pid: int
    """The server's process."""
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
