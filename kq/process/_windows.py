"""Children on Windows: started, watched, asked to stop. Twin of _posix.

A render is born into a job of its own; nothing leaves a job, so ending the job ends all that came of it.
"""

from __future__ import annotations

import msvcrt
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import NotFound, Refused
from ..plain_text import quoted
from . import _windows_api as api
from . import _windows_types as t
from ._failures import check_arguments, explain_failure
from ._table_psutil import process_start_time
from ._types import INHERIT, LIFELINE, NOWHERE, Exit, ProcessId
from ._windows_text import (
    build_command_line,
    build_environment,
    find_program,
    past_launcher,
)

assert sys.platform == "win32"  # so that mypy checks this file for the system that it is for

__all__ = [
    "Child",
    "StopListener",
    "Watch",
    "ask_to_stop",
    "become_subreaper",
    "is_running",
    "keep_from_interrupts",
    "lower_priority",
    "lower_session",
    "own_id",
    "program_path",
    "spawn_render",
    "spawn_service",
    "spawn_standby",
    "watch",
]

KILLED = 0xC000_013A
"""The exit code of what is ended here; Windows uses it for what Ctrl-C ended. Reported as SIGKILL's -9."""

_INTERPRETER: str = getattr(sys, "_base_executable", sys.executable)
_ASKED = "Local\\kq-asked-to-stop-{}"
"""The event by which a service is asked to stop, by its pid: no Ctrl-Break of ours reaches its console."""

known_children: dict[int, Child] = {}
"""Children that were started here and not closed yet."""
own_jobs: list[int] = []
"""The job that `become_subreaper` made: its handle is never closed, but by this process's end."""


class _End:
    """A socket that becomes readable when a process has ended, and stays so: pollers take no handles here."""

    def __init__(self, handle: int) -> None:
        self._near_end, far_end = socket.socketpair()
        self._closed = api.create_event()
        theirs = [_duplicate(handle), _duplicate(self._closed)]
        threading.Thread(
            target=_wait_and_notify, args=(theirs, far_end), name=f"kq-wait-{theirs[0]}", daemon=True
        ).start()

    @property
    def fd(self) -> int:
        return self._near_end.fileno()  # -1 once closed

    def close(self) -> None:
        """Let the thread go, too: the process may run for days."""
        if self.fd >= 0:
            self._near_end.close()
            api.set_event(self._closed)
            api.close_handle(self._closed)


def _wait_and_notify(handles: list[int], far_end: socket.socket) -> None:
    with far_end:
        api.wait_for_any(*handles)
        for handle in handles:
            api.close_handle(handle)
        # Closing the far end is what makes the near one readable.


class Child:
    """A process that this one started and has not let go of. To be used from one thread.

    `wake_fd` becomes readable when it has ended; `poll` then returns how.
    """

    has_yielding_session = True
    """Whether there is nothing for `lower_session` to do: on Windows always."""

    def __init__(self, handle: int, pid: int, job: int | None, lifeline: int | None = None) -> None:
        self.pid = pid
        # The open handle keeps the pid from being given to another process.
        self.start_time = process_start_time(pid) or 0.0
        self.lifeline = lifeline
        """The write end of its stdin, when it was started with LIFELINE: closing that is its sign to end."""
        self._handle: int | None = handle
        self._job = job
        self._end = _End(handle)
        self._asked = api.create_event(_ASKED.format(pid)) if job is None else None
        self._exit: Exit | None = None
        known_children[pid] = self

    @property
    def id(self) -> ProcessId:
        """The process, for good."""
        return ProcessId(self.pid, self.start_time)

    @property
    def job(self) -> int | None:
        """The job that it was born into; None for a service, and once closed."""
        return self._job

    @property
    def wake_fd(self) -> int:
        """What to poll for readability; -1 once closed."""
        return self._end.fd

    def poll(self) -> Exit | None:
        """How it ended, or None while it runs. Never waits."""
        if self._exit is None and self._handle is not None and api.wait_for_process(self._handle, 0):
            code = api.get_exit_code(self._handle)
            self._exit = Exit(
                -9 if code == KILLED else code,
                None if self._job is None else api.job_peak_memory(self._job),
                api.get_process_cpu_s(self._handle)
                if self._job is None
                else api.job_accounting(self._job)[1],
            )
        return self._exit

    def close_lifeline(self) -> None:
        """Give a service that was started with LIFELINE its sign to end."""
        if self.lifeline is not None:
            os.close(self.lifeline)
            self.lifeline = None

    def ask(self) -> bool:
        """Ask it to end. Returns at once; whether there was anybody to ask."""
        # While the handle is open its pid names no other process or group.
        if self._handle is None or self.poll() is not None:
            return False
        if self._asked is None:
            return api.generate_ctrl_break(self.pid)
        api.set_event(self._asked)
        return True

    def close(self) -> None:
        """Let go of it: its lifeline and `wake_fd` are closed. What is left of a render ends now."""
        self.close_lifeline()
        self._end.close()
        for handle in (self._handle, self._job, self._asked):
            if handle is not None:
                api.close_handle(handle)
        self._handle = self._job = self._asked = None
        known_children.pop(self.pid, None)


class StopListener:
    """Hears that `ask_to_stop` was called for this process, a service: it is SIGTERM then, as elsewhere."""

    def __init__(self) -> None:
        self._closed = api.create_event()
        # Its starter made the same event; what was asked before this listened is heard, too.
        theirs = [api.create_event(_ASKED.format(os.getpid())), _duplicate(self._closed)]
        threading.Thread(target=_hear, args=(theirs,), name="kq-asked-to-stop", daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        api.set_event(self._closed)
        api.close_handle(self._closed)


def _hear(events: list[int]) -> None:
    if api.wait_for_any(*events) == 0:
        signal.raise_signal(signal.SIGTERM)  # its handler runs on the main thread all the same
    for event in events:
        api.close_handle(event)


def _duplicate(handle: int) -> int:
    """One of a thread's own, so that closing this one does not pull it away from under the thread's wait."""
    return api.duplicate_handle(handle, inheritable=False)


class Watch:
    """A process that was started elsewhere, watched for its end. To be used from one thread."""

    def __init__(self, process: ProcessId, handle: int) -> None:
        self.pid, self.start_time = process
        self._handle: int | None = handle
        self._end = _End(handle)

    @property
    def id(self) -> ProcessId:
        """The process, for good."""
        return ProcessId(self.pid, self.start_time)

    @property
    def wake_fd(self) -> int:
        """What to poll for readability; -1 once closed."""
        return self._end.fd

    def poll(self) -> Exit | None:
        """An Exit without a code once it is gone, or None while it runs."""
        if self._handle is None or api.wait_for_process(self._handle, 0):
            return Exit(None)
        return None

    def close(self) -> None:
        """Stop watching."""
        self._end.close()
        if self._handle is not None:
            api.close_handle(self._handle)
            self._handle = None


def watch(pid: int, start_time: float) -> Watch:
    """Watch a process that need not be a child.

    Raises:
        NotFound: it is gone.
    """
    try:
        handle = api.open_process(pid, t.SYNCHRONIZE | t.PROCESS_QUERY_LIMITED_INFORMATION)
    except OSError as error:
        raise NotFound(f"process {pid} is gone") from error
    # Looked at after opening, so that a pid given to another process meanwhile is noticed.
    if process_start_time(pid) != start_time or api.wait_for_process(handle, 0):
        api.close_handle(handle)
        raise NotFound(f"process {pid} is gone")
    return Watch(ProcessId(pid, start_time), handle)


def is_running(pid: int, start_time: float) -> bool:
    """Whether that very process runs."""
    known = known_children.get(pid)
    if known is not None and known.start_time == start_time:
        return known.poll() is None
    return process_start_time(pid) == start_time


def own_id() -> ProcessId:
    """This process."""
    return ProcessId(os.getpid(), process_start_time(os.getpid()) or 0.0)


def program_path(name: str) -> str:
    """Where the program is that a render's first word starts on this machine; empty: nowhere."""
    return find_program(name, os.environ, str(Path.cwd()), os.path.isfile)


def spawn_render(argv: Sequence[str], *, cwd: str | Path, environment: Mapping[str, str], log: int) -> Child:
    """Start a render in a job of its own: no input, its output straight into `log`, no other file open.

    Args:
        argv: the program and its arguments; no shell sees them, and those of a batch file may hold nothing
            that its shell would act on. A name without a folder is looked up on the PATH of `environment`.
        cwd: its working folder.
        environment: all of its environment.
        log: a file descriptor, open for writing; it stays the caller's.

    Raises:
        BadInput: the command, the folder or the environment is wrong. Nothing runs then.
        Refused: the machine has no room for another process now.
    """
    return _spawn_in_job(argv, str(cwd), environment, (NOWHERE, log, log))


def spawn_standby(
    argv: Sequence[str], *, cwd: str | Path, environment: Mapping[str, str], stdout: int
) -> Child:
    """Start what is to become a render later: as `spawn_render`, but with a pipe for its input.

    Its errors go where this process's go, until it has a log of its own.

    Args:
        argv, cwd, environment: as for `spawn_render`.
        stdout: a file descriptor, open for writing; it stays the caller's.

    Returns:
        The child, with the only write end of its input as `lifeline`.

    Raises:
        BadInput, Refused: as for `spawn_render`.
    """
    read_end, write_end = os.pipe()
    try:
        child = _spawn_in_job(argv, str(cwd), environment, (read_end, stdout, INHERIT))
    except BaseException:
        os.close(write_end)
        raise
    finally:
        os.close(read_end)
    child.lifeline = write_end
    return child


def _spawn_in_job(
    argv: Sequence[str], cwd: str, environment: Mapping[str, str], streams: tuple[int, int, int]
) -> Child:
    # It shares this process's console, which Ctrl-Break needs; without one, it must not open a window.
    flags = t.CREATE_NEW_PROCESS_GROUP | (0 if api.has_console() else t.CREATE_NO_WINDOW)
    job = api.create_job()
    try:
        handle, pid = _spawn(argv, cwd, environment, streams, job, flags)
    except BaseException:
        api.close_handle(job)
        raise
    return Child(handle, pid, job)


def spawn_service(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    stdin: int = NOWHERE,
    stdout: int = NOWHERE,
    stderr: int = NOWHERE,
    cwd: str | Path | None = None,
    leaves_job: bool = False,
) -> Child:
    """Start a program of kq's own with a console of its own, without a window: no Ctrl-C reaches it.

    Args:
        argv: the program and its arguments.
        environment: all of its environment.
        stdin: NOWHERE, INHERIT, LIFELINE, or a file descriptor.
        stdout: NOWHERE, INHERIT, or a file descriptor; likewise `stderr`.
        cwd: its working folder; None: this process's.
        leaves_job: whether it continues when the job that this process was born into is over. An SSH server
            puts all of a session into one, which ends with it, and lets out what asks for it.

    Raises:
        BadInput, Refused: as for `spawn_render`; Refused also where that job lets nothing out.
    """
    lifeline: int | None = None
    flags = t.CREATE_NEW_PROCESS_GROUP | t.CREATE_NO_WINDOW
    read_end = NOWHERE
    if stdin == LIFELINE:
        read_end, lifeline = os.pipe()
    folder = None if cwd is None else str(cwd)
    command, variables = past_launcher(argv, environment, sys.executable, _INTERPRETER)
    try:
        handle, pid = _spawn(
            command,
            folder,
            variables,
            (read_end if stdin == LIFELINE else stdin, stdout, stderr),
            None,
            flags | t.CREATE_BREAKAWAY_FROM_JOB if leaves_job else flags,
        )
    except BaseException:
        if lifeline is not None:
            os.close(lifeline)
        raise
    finally:
        if stdin == LIFELINE:
            os.close(read_end)
    return Child(handle, pid, None, lifeline)


def _spawn(
    argv: Sequence[str],
    cwd: str | None,
    environment: Mapping[str, str],
    streams: tuple[int, int, int],
    job: int | None,
    flags: int,
) -> tuple[int, int]:
    check_arguments(argv)
    block = build_environment(environment)
    nowhere = os.open(os.devnull, os.O_RDWR)
    handles: list[int] = []
    try:
        program = find_program(argv[0], environment, cwd or str(Path.cwd()), os.path.isfile)
        if not program:
            raise FileNotFoundError(2, "not found")
        line = build_command_line(program, argv)
        for number, stream in enumerate(streams):
            fd = nowhere if stream == NOWHERE else number if stream == INHERIT else stream
            handles.append(api.duplicate_handle(msvcrt.get_osfhandle(fd), inheritable=True))
        stdin, stdout, stderr = handles
        return api.create_process(program, line, block, cwd, (stdin, stdout, stderr), job, flags)
    except OSError as error:
        if flags & t.CREATE_BREAKAWAY_FROM_JOB and isinstance(error, PermissionError):
            raise Refused(
                f"{quoted(argv[0])} could not be started so that it outlives this login, which Windows holds "
                f"in a job that lets nothing out: start it elsewhere, such as in a console of that machine"
            ) from error
        raise explain_failure(error, argv, cwd) from error
    finally:
        for handle in handles:
            api.close_handle(handle)
        os.close(nowhere)


def ask_to_stop(child: Child, signal_number: int = 0) -> bool:
    """Ask a render and its process group (Ctrl-Break), or a service that listens, to end. Returns at once.

    Args:
        signal_number: for other systems; Windows has one such request.

    Returns:
        Whether there was anybody to ask. A render without a console of ours cannot be asked.
    """
    return child.ask()


def become_subreaper(*, outlived: bool = False) -> bool:
    """Put this process, and all that it starts from now on, into a job that ends when this process does.

    Args:
        outlived: whether the others in the job go on without this process, in a job of an ancestor's.

    Returns:
        True: it is so on every Windows.
    """
    if not own_jobs:
        job = api.create_job(ends_when_closed=not outlived)
        api.assign_current_process(job)
        own_jobs.append(job)
    return True


def lower_priority(nice: int) -> None:
    """Let this process, and all that it starts, yield to the desktop.

    Args:
        nice: by how much, 0 (not at all) to 19: below normal from 1, idle from 15.
    """
    if nice > 0:
        api.set_own_priority(t.IDLE_PRIORITY_CLASS if nice >= 15 else t.BELOW_NORMAL_PRIORITY_CLASS)


def lower_session(_child: Child) -> None:
    """Let what a child started yield as far as this process does: on Windows children do."""


def keep_from_interrupts() -> None:
    """Ignore Ctrl-C, which a console sends to all of its processes. Main thread only."""
    signal.signal(signal.SIGINT, lambda _signal, _frame: None)
