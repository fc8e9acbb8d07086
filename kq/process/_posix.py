"""Children on Linux and macOS: started, watched, asked to stop. Twin of _windows.

Ending whole trees is in _posix_ending.
"""

from __future__ import annotations

import functools
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import NotFound, Refused
from ._failures import check_arguments, explain_failure
from ._posix_exit_watch import EndNotice
from ._system import raise_oom_score
from ._types import INHERIT, LIFELINE, NOWHERE, Exit, ProcessId

assert sys.platform != "win32"  # so that mypy checks this file for the systems that it is for

if sys.platform == "linux":
    from ._table_linux import process_start_time
else:
    from ._table_psutil import process_start_time

__all__ = [
    "Child",
    "Watch",
    "ask_to_stop",
    "become_subreaper",
    "is_running",
    "keep_from_interrupts",
    "known_children",
    "lower_priority",
    "lower_session",
    "own_id",
    "program_path",
    "spawn_render",
    "spawn_service",
    "spawn_standby",
    "watch",
]

_MEMORY_UNIT = 1 if sys.platform == "darwin" else 1024
known_children: dict[int, Child] = {}
"""Children that were started here and not reaped yet. All reaping consults it, so no exit is lost."""


class Child:
    """A process that this one started and has not let go of. To be used from one thread.

    `wake_fd` becomes readable when it has ended; `poll` then returns how, and reaps it.
    """

    def __init__(self, pid: int, lifeline: int | None = None) -> None:
        self.pid = pid
        self._start_time: float | None = None
        self.lifeline = lifeline
        """The write end of its stdin, when it was started with LIFELINE: closing that is its sign to end."""
        self.has_yielding_session = False
        """Whether there is nothing left for `lower_session` to do."""
        self._end = EndNotice(pid, is_child=True)
        self._exit: Exit | None = None
        known_children[pid] = self

    @property
    def start_time(self) -> float:
        """When it started; 0 when it had ended before anybody asked."""
        if self._start_time is None:
            # It is seldom needed, and until it is reaped here its pid can name no other process.
            self._start_time = (process_start_time(self.pid) or 0.0) if self._exit is None else 0.0
        return self._start_time

    @property
    def id(self) -> ProcessId:
        """The process, for good."""
        return ProcessId(self.pid, self.start_time)

    @property
    def wake_fd(self) -> int:
        """What to poll for readability; -1 once closed."""
        return self._end.fd

    def poll(self) -> Exit | None:
        """How it ended, or None while it runs. Never waits."""
        if self._exit is not None:
            return self._exit
        try:
            pid, status, used = os.wait4(self.pid, os.WNOHANG)
        except ChildProcessError:
            # Other code in this process reaped it: only that it ended is known.
            self._exit = Exit(None)
        else:
            if pid == 0:
                return None
            # What the parent held at the exec counts for the child: nothing below that is a measurement.
            floor = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            peak = used.ru_maxrss * _MEMORY_UNIT if used.ru_maxrss > floor else None
            self._exit = Exit(os.waitstatus_to_exitcode(status), peak, used.ru_utime + used.ru_stime)
        known_children.pop(self.pid, None)
        return self._exit

    def close_lifeline(self) -> None:
        """Give a service that was started with LIFELINE its sign to end."""
        if self.lifeline is not None:
            os.close(self.lifeline)
            self.lifeline = None

    def close(self) -> None:
        """Let go of it: its lifeline and `wake_fd` are closed; a process that still runs is not ended."""
        self.close_lifeline()
        self._end.close()
        known_children.pop(self.pid, None)


class Watch:
    """A process that was started elsewhere, watched for its end. To be used from one thread."""

    def __init__(self, process: ProcessId) -> None:
        self.pid, self.start_time = process
        self._end = EndNotice(self.pid, is_child=False)

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
        return None if is_running(self.pid, self.start_time) else Exit(None)

    def close(self) -> None:
        """Stop watching."""
        self._end.close()


def watch(pid: int, start_time: float) -> Watch:
    """Watch a process that need not be a child.

    Raises:
        NotFound: it is gone.
    """
    watched = Watch(ProcessId(pid, start_time))
    # Looked at after opening, so that a pid given to another process meanwhile is noticed.
    if is_running(pid, start_time):
        return watched
    watched.close()
    raise NotFound(f"process {pid} is gone")


def is_running(pid: int, start_time: float) -> bool:
    """Whether that very process runs. One that ended and was not reaped yet counts as gone."""
    return process_start_time(pid) == start_time


def own_id() -> ProcessId:
    """This process."""
    return ProcessId(os.getpid(), process_start_time(os.getpid()) or 0.0)


def program_path(name: str) -> str:
    """Where the program is that a render's first word starts on this machine; empty: nowhere."""
    import shutil  # renders start without

    return shutil.which(name) or ""


def spawn_render(argv: Sequence[str], *, cwd: str | Path, environment: Mapping[str, str], log: int) -> Child:
    """Start a render: a session of its own, no input, its output straight into `log`, no other file open.

    Args:
        argv: the program and its arguments; no shell sees them. A name without a folder is looked up on the
            PATH of `environment`.
        cwd: its working folder.
        environment: all of its environment.
        log: a file descriptor, open for writing; it stays the caller's.

    Raises:
        BadInput: the command, the folder or the environment is wrong. Nothing runs then.
        Refused: the machine has no room for another process now.
    """
    return _spawn(argv, str(cwd), environment, _nowhere(), log, log)


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
    return spawn_service(
        argv, environment=environment, stdin=LIFELINE, stdout=stdout, stderr=INHERIT, cwd=cwd
    )


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
    """Start a program of kq's own, in a session of its own, so that no terminal's Ctrl-C reaches it.

    Args:
        argv: the program and its arguments.
        environment: all of its environment.
        stdin: NOWHERE, INHERIT, LIFELINE, or a file descriptor.
        stdout: NOWHERE, INHERIT, or a file descriptor; likewise `stderr`.
        cwd: its working folder; None: this process's.
        leaves_job: for Windows; a session of its own is enough here.

    Raises:
        BadInput, Refused: as for `spawn_render`.
    """
    streams = {NOWHERE: _nowhere(), INHERIT: None}
    if stdin != LIFELINE:
        return _spawn(
            argv,
            None if cwd is None else str(cwd),
            environment,
            streams.get(stdin, stdin),
            streams.get(stdout, stdout),
            streams.get(stderr, stderr),
        )
    read_end, write_end = os.pipe()
    try:
        child = spawn_service(
            argv, environment=environment, stdin=read_end, stdout=stdout, stderr=stderr, cwd=cwd
        )
    except BaseException:
        os.close(write_end)
        raise
    finally:
        os.close(read_end)
    child.lifeline = write_end
    return child


@functools.cache
def _nowhere() -> int:
    """Nothing to read, and what is written is gone. Opened once: Popen would do so at each start."""
    try:
        return os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise Refused(
            f"no process can be started: this machine is out of memory or processes ({error.strerror})"
        ) from error


def _spawn(
    argv: Sequence[str],
    cwd: str | None,
    environment: Mapping[str, str],
    stdin: int | None,
    stdout: int | None,
    stderr: int | None,
) -> Child:
    check_arguments(argv)
    try:
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=environment,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            # With preexec_fn instead, a start would take three times as long, and more in a large process.
            start_new_session=True,
        )
    except OSError as error:
        raise explain_failure(error, argv, cwd, os.get_exec_path(environment)) from error
    # From here on Child reaps: Popen must neither wait for it nor warn about it.
    process.returncode = 0
    return Child(process.pid)


def ask_to_stop(child: Child, signal_number: int = 0) -> bool:
    """Ask the child and its process group to end. Returns at once.

    Args:
        signal_number: what the child understands as the request; 0: SIGTERM.

    Returns:
        Whether there was anybody to ask.
    """
    if child.poll() is not None:
        # Once reaped, its pid may name another group.
        return False
    try:
        os.killpg(child.pid, signal_number or signal.SIGTERM)
        # A stopped one gets no signal until it is continued.
        os.killpg(child.pid, signal.SIGCONT)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def become_subreaper(*, outlived: bool = False) -> bool:
    """Make this process the parent of all descendants whose own parent ends. Main thread only.

    Args:
        outlived: for Windows; here they outlive it in any case, unless they are ended.

    Returns:
        False where the system has no such thing: then a child that leaves its tree is found by its mark only.
    """
    if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
        # Inherited from a program that ignores it: the system would reap the children, and drop their exits.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if sys.platform == "linux":
        import ctypes  # takes 3 ms, and the desktop does without

        set_child_subreaper = 36
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
        libc.prctl.restype = ctypes.c_int
        return int(libc.prctl(set_child_subreaper, 1, 0, 0, 0)) == 0
    else:  # noqa: RET505  # mypy takes the line for another system to be unreachable otherwise
        return False


def lower_priority(nice: int) -> None:
    """Let this process, and all that it starts, yield to the desktop: in CPU time and when memory runs out.

    Args:
        nice: by how much in CPU time, 0 (not at all) to 19.
    """
    raise_oom_score(300)
    if nice > 0:
        os.nice(nice)


def lower_session(child: Child) -> None:
    """Let the session that a child leads yield as far as this process does.

    To be called again until `child.has_yielding_session`: it may be set ten times a second, on the whole
    machine. Linux shares cores out among sessions first (`sched_autogroup`), and a niceness counts within one
    alone.
    """
    if child.has_yielding_session:
        return
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    if nice > 0 and sys.platform == "linux":
        try:
            Path(f"/proc/{child.pid}/autogroup").write_text(str(nice), encoding="ascii")
        except BlockingIOError:
            return
        except OSError:
            pass  # this kernel has no such groups, or the child has ended
    child.has_yielding_session = True


def keep_from_interrupts() -> None:
    """Ignore Ctrl-C, which a terminal sends to all of its processes. Main thread only."""
    # A handler, for SIG_IGN would be inherited by renders, some of which end by SIGINT.
    signal.signal(signal.SIGINT, lambda _signal, _frame: None)
