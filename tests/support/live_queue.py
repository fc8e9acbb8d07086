"""Starts a real queue in its own processes, for tests and benchmarks, and kills parts of it on request.

Asserts nothing about the queue.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import psutil

from kq.api import JobRecord, JobSpec, QueueClient, SessionRecord, live_sessions
from kq.client.mirror import ConnectionStatus
from kq.own_folders import keys_folder
from kq.process import find_marked, process_start_time

__all__ = ["LiveQueue", "first_line", "frozen", "is_alive", "kill", "marked_with", "until"]

ROOT = Path(__file__).resolve().parents[2]
KQ = [sys.executable, "-m", "kq"]
TIMEOUT_S = 60.0 if sys.platform != "win32" else 120.0
"""Generous: processes start several times slower on Windows and when other test workers use all cores."""


def until(condition: Callable[[], Any], what: str, timeout_s: float = TIMEOUT_S) -> Any:
    """Poll `condition` until it returns a truthy value, and return that. Fails with `what` on a time-out."""
    end = time.monotonic() + timeout_s
    while not (answer := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout_s:g} s in vain for {what}")
        time.sleep(0.005)
    return answer


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie counts as ended."""
    return process_start_time(pid) is not None


def kill(pid: int) -> None:
    """Kill the process (SIGKILL, TerminateProcess). Raises ProcessLookupError when it has ended."""
    try:
        psutil.Process(pid).kill()
    except psutil.NoSuchProcess as error:
        raise ProcessLookupError(pid) from error


def marked_with(name: str, value: str) -> list[int]:
    """Return the pids of all running processes with this environment variable, whatever their parent.

    Leaves out conhost.exe, which Windows starts for each console.
    """
    return [each.pid for each in find_marked(name, value) if not _is_console_host(each.pid)]


def _is_console_host(pid: int) -> bool:
    try:
        # The process name cannot be read while a process is starting.
        return any(word.endswith("\\conhost.exe") for word in psutil.Process(pid).cmdline()[:1])
    except (psutil.Error, OSError):
        return False  # it has ended meanwhile


def first_line(stream: IO[str], timeout_s: float = TIMEOUT_S) -> str:
    """Return the first line that a process writes to the pipe; empty after a time-out."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=lambda: lines.put(stream.readline()), daemon=True).start()
    try:
        return lines.get(timeout=timeout_s)
    except queue.Empty:
        return ""  # the caller ends the process, which ends the thread


def key_files(data_root: Path, name: str = "*.json") -> list[Path]:
    """Return the key files of the sessions whose folders are below `data_root`."""
    folders = [keys_folder(queue_dir) for queue_dir in (data_root / "queues").glob("*")]
    return sorted(path for folder in folders for path in folder.glob(name))


def clean_environment(data_root: Path, settings: dict[str, str]) -> dict[str, str]:
    """Return this process's environment plus `settings`, without KQ_ variables except the tests' marker."""
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith("KQ_") or key == "KQ_TEST_RUN"
    }
    return {**kept, "KQ_DATA_ROOT": str(data_root), "PYTHONPATH": str(ROOT), **settings}


class LiveQueue:
    """`kq serve`, or another program that prints its JSON line and ends with its standard input.

    Args:
        data_root: its KQ_DATA_ROOT.
        agents: how many local Agents.
        program: command to run instead of `kq serve`.
        settings: KQ_ variables.
    """

    def __init__(
        self, data_root: Path, agents: int = 1, program: Sequence[str] = (), **settings: object
    ) -> None:
        self.data_root = data_root
        self.agents_wanted = agents
        self.environment = clean_environment(
            data_root, {"KQ_NUM_AGENTS": str(agents)} | {key: str(value) for key, value in settings.items()}
        )
        self._program = list(program) or [*KQ, "serve", "--lifeline"]
        self.process: subprocess.Popen[str] | None = None
        self.ready: dict[str, Any] = {}
        self._client: QueueClient | None = None
        self._errors: list[str] = []
        self._reader: threading.Thread | None = None

    # --- Start and end ---

    def __enter__(self) -> LiveQueue:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the queue; returns when its Agents are idle."""
        self.process = subprocess.Popen(
            self._program,
            env=self.environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self._reader = threading.Thread(target=self._read_errors)
        self._reader.start()
        line = first_line(self.process.stdout)
        if not line:
            self.close()
            raise AssertionError(f"the queue did not start: {self.errors}")
        self.ready = json.loads(line)

    def _read_errors(self) -> None:
        assert self.process is not None and self.process.stderr is not None
        for line in self.process.stderr:
            self._errors.append(line)

    @property
    def errors(self) -> str:
        """Return what the queue has written to standard error so far."""
        return "".join(self._errors)

    def close(self) -> int:
        """End the queue by closing its standard input; returns its exit code."""
        self.disconnect()
        process = self.process
        if process is None:
            return 0
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            code = process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        # The guardian shares this standard error and is the last to write to it.
        if self._reader is not None:
            self._reader.join(TIMEOUT_S)
        process.stdout.close()
        process.stderr.close()
        self.process = None
        return code

    # --- Processes ---

    @property
    def session(self) -> str:
        """The session's id."""
        return str(self.ready["session"])

    @property
    def serve_pid(self) -> int:
        """The pid of the process whose standard input ends the session."""
        assert self.process is not None
        return self.process.pid

    @property
    def guardian_pid(self) -> int:
        """The guardian's pid, which is part of the session's id."""
        return int(self.session.split(":")[1])

    @property
    def server_pid(self) -> int:
        """The current server's pid."""
        return self._record().pid

    def _record(self) -> SessionRecord:
        """Return the session's record, or that of its successor when the guardian has died."""
        found = live_sessions(self.data_root)
        assert found, "no session lives"
        return next((each for each in found if each.session == self.session), found[0])

    def agent_pids(self) -> list[int]:
        """Return the pids of the queue's registered Agents that are running."""
        return [agent.pid for agent in self.client.agents() if agent.pid and is_alive(agent.pid)]

    def await_agents(self) -> list[int]:
        """Wait until all requested Agents are idle; returns their pids."""

        def idle() -> list[int] | None:
            found = [each.pid for each in self.client.agents() if each.local and each.state == "Idle"]
            return found if len(found) >= self.agents_wanted else None

        return list(until(idle, "idle Agents"))

    # --- Jobs ---

    @property
    def client(self) -> QueueClient:
        """A connected client, created on first use."""
        if self._client is None:
            self._client = QueueClient()
            self._client.connect(self._record())
            self.await_connected()
        return self._client

    def await_connected(self) -> None:
        """Wait until the client is connected and its records are current."""
        assert self._client is not None
        client = self._client
        until(lambda: client.status is ConnectionStatus.CONNECTED, "a connection")

    def disconnect(self) -> None:
        """Close the client."""
        if self._client is not None:
            self._client.close()
            self._client.join(60)
            self._client = None

    def submit(self, *command: str, **fields: Any) -> str:
        """Submit a job; returns its id once the queue has it."""
        spec = JobSpec(
            name=fields.pop("name", "test"), commands=(command,), cwd=tempfile.gettempdir(), **fields
        )
        job_id, done = self.client.submit(spec)
        done.result(TIMEOUT_S)
        return job_id

    def job(self, job_id: str) -> JobRecord:
        """Return the client's record of the job."""
        record = self.client.job(job_id)
        assert record is not None, f"the queue does not know job {job_id}"
        return record

    def await_job(self, job_id: str, *states: str, timeout_s: float = TIMEOUT_S) -> JobRecord:
        """Wait until the job is in one of `states`, or is over when none is given."""

        def reached() -> JobRecord | None:
            record = self.client.job(job_id)
            if record is None:
                return None
            wanted = record.state in states if states else record.state.is_terminal
            return record if wanted else None

        try:
            return until(reached, f"job {job_id} to be {states or 'over'}", timeout_s)  # type: ignore[no-any-return]
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {self.client.job(job_id)}") from None

    def kq(self, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run the `kq` command on this queue's data root."""
        environment = {**self.environment, **more.pop("environment", {})}
        return subprocess.run(
            [*KQ, *arguments],
            env=environment,
            cwd=more.pop("cwd", ROOT),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **more,
        )


@contextlib.contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """Suspend the processes within the `with` block, and resume them after it."""
    held = [psutil.Process(pid) for pid in pids]
    for process in held:
        process.suspend()
    try:
        yield
    finally:
        for process in held:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
