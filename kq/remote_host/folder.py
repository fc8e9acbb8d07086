"""A remote machine's folder for the Agents of one session: keys, pid file, downloaded files.

Only its owner can read it. It is removed when the Agents have ended; their own logs are kept elsewhere.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from .. import process
from ..agent_config import AgentConfig, Site
from ..errors import NotFound, RemoteFailed
from ..files import try_lock
from ..own_files import OwnFolder, open_lock_file, read_own, remove_own, remove_own_tree, write_private

__all__ = ["HostFolder", "SupervisorRecord", "base_folder", "one_start_at_a_time", "shares_data_root"]


class SupervisorRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Content of the pid file: the supervisor and its Agents, by pid and start time."""

    session: str
    label: str
    pid: int
    started: float
    wanted: int = 0
    """How many Agents it was asked for, one after the other; `ended` of them have ended for good."""
    ended: int = 0
    agents: tuple[tuple[str, int, float], ...] = ()
    """Id, pid and start time of each Agent."""
    data_root: str = ""
    shared: bool = False
    log: str = ""
    problem: str = ""


def base_folder() -> Path:
    """Return KQ_REMOTE_DIR, or without it ~/.katana-queue."""
    named = os.environ.get("KQ_REMOTE_DIR")
    return Path(named) if named else Path.home() / ".katana-queue"


def _host_tag() -> str:
    """Return this machine's name for folder names, because machines may share a home folder."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", socket.gethostname())


def _session_tag(session: str) -> str:
    """Return a short hash of a session's id, valid in a path."""
    return hashlib.sha256(session.encode()).hexdigest()[:12]


@contextlib.contextmanager
def one_start_at_a_time(timeout_s: float) -> Iterator[None]:
    """Hold a lock, so that only one process at a time starts Agents on this machine.

    Otherwise two starts of one session would each end the other's supervisor as a leftover. StopAgents does
    not take the lock: it also ends Agents that are being started.

    Raises:
        OSError: the folder cannot be written.
        RemoteFailed: another start took longer than `timeout_s` seconds.
    """
    path = base_folder() / "sessions" / f"{_host_tag()}.lock"
    # The lock file is never removed: else two processes could hold locks on different files.
    with open_lock_file(path, create_folder=True) as file:
        until = time.monotonic() + timeout_s
        while not _locked(file):
            if time.monotonic() > until:
                raise RemoteFailed(
                    f"another StartAgents on this machine has not ended within {timeout_s:.0f} s: try again"
                )
            time.sleep(0.05)
        yield


def _locked(file: IO[bytes]) -> bool:
    try:
        return try_lock(file)
    except OSError:
        return True  # the disk of this home has no file locks; starts are rarely simultaneous


class HostFolder:
    """The folder of one session on this machine. Methods block on the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, session: str) -> HostFolder:
        """Return the folder of `session`, which may not exist yet; see `make`."""
        tag = _session_tag(session)
        own = cls(base_folder() / "sessions" / f"{_host_tag()}-{tag}")
        if own.path.exists():
            return own
        # Or the one that this machine made before it was renamed.
        return next((each for each in cls.all_of_this_machine() if each.path.name.endswith(f"-{tag}")), own)

    @property
    def mark(self) -> str:
        """Value of the environment variable KQ_REMOTE in all processes of the session on this machine.

        It contains the machine's name, because containers may see each other's processes.
        """
        return self.path.name

    @classmethod
    def all_of_this_machine(cls) -> list[HostFolder]:
        """Return the folders of all sessions that this machine made."""
        found = [cls(path) for path in sorted((base_folder() / "sessions").glob("*-????????????"))]
        return [each for each in found if each._is_of_this_machine()]

    def _is_of_this_machine(self) -> bool:
        """Whether this machine made the folder: by host name, or by system mark if it was renamed since."""
        if self.path.name.rpartition("-")[0] == _host_tag():
            return True
        try:
            return read_own(self.system) == process.system_mark().encode()
        except OSError:
            return False

    def make(self) -> None:
        """Create the folder, accessible only to its owner. Raises OSError."""
        with OwnFolder(self.path, create=True) as folder:
            folder.make_private()
        OwnFolder(self.work, create=True).close()
        write_private(self.system, process.system_mark().encode())

    def remove(self) -> None:
        """Remove the folder and its content. Raises OSError."""
        remove_own_tree(self.path)

    # --- Content ---

    @property
    def connection(self) -> Path:
        """The connection file, with the key."""
        return self.path / "connection.json"

    @property
    def site(self) -> Path:
        """The Agents' settings for this machine (Site)."""
        return self.path / "site.json"

    @property
    def system(self) -> Path:
        """The file with process.system_mark of the system that made the folder."""
        return self.path / "system"

    @property
    def work(self) -> Path:
        """The folder of attempts and downloaded files."""
        return self.path / "work"

    @property
    def wanted(self) -> Path:
        """The file with the wanted number of Agents, which may be raised."""
        return self.path / "wanted"

    @property
    def stop(self) -> Path:
        """The file whose existence asks the supervisor to end its Agents."""
        return self.path / "stop"

    @property
    def pid_file(self) -> Path:
        """The file that holds SupervisorRecord, as JSON."""
        return self.path / "supervisor.json"

    def write_connection(self, config: AgentConfig) -> None:
        """Write the connection file, readable only by its owner. Raises OSError."""
        write_private(self.connection, msgspec.json.encode(config))

    def write_site(self, site: Site) -> None:
        """Write the Agents' settings. Raises OSError."""
        write_private(self.site, msgspec.json.encode(site))

    def read_record(self) -> SupervisorRecord | None:
        """Read the pid file; None when it does not exist or cannot be read."""
        try:
            return msgspec.json.decode(read_own(self.pid_file), type=SupervisorRecord)
        except (OSError, msgspec.DecodeError):
            return None

    def write_record(self, content: SupervisorRecord) -> None:
        """Write the pid file. Raises OSError."""
        write_private(self.pid_file, msgspec.json.encode(content))

    def read_running(self) -> SupervisorRecord | None:
        """Read the pid file; None unless the supervisor that wrote it still runs."""
        supervised = self.read_record()
        if supervised is None or not process.is_running(supervised.pid, supervised.started):
            return None
        return supervised

    def read_wanted(self) -> int:
        """Read the wanted number of Agents; 0 when it cannot be read."""
        try:
            return int(read_own(self.wanted))
        except (OSError, ValueError):
            return 0

    def write_wanted(self, count: int) -> None:
        """Write the wanted number of Agents. Raises OSError."""
        write_private(self.wanted, str(count).encode())

    # --- Ending ---

    def end(self, grace_s: float) -> int:
        """Ask the session's Agents to end; after `grace_s` seconds kill them and their descendants.

        Affects only processes in the pid file, by pid and start time, and those with the session's mark.
        Removes the folder.

        Returns:
            How many processes had to be killed.

        Raises:
            NotFound: a process survived.
        """
        killed = 0
        supervised = self.read_record()
        if supervised is not None:
            try:
                write_private(self.stop, b"")
            except OSError:
                # On a full disk a file can only be removed; the supervisor treats that as a stop too.
                remove_own(self.connection)
            roots = [process.ProcessId(supervised.pid, supervised.started)]
            roots += [process.ProcessId(pid, started) for _, pid, started in supervised.agents]
            until = time.monotonic() + grace_s
            while time.monotonic() < until and any(process.is_running(*root) for root in roots):
                time.sleep(0.05)
            left = [root for root in roots if process.is_running(*root)]
            if left:
                report = process.end_tree(left)
                killed += report.processes
                _check(report)
        marked = [each.id for each in process.find_marked("KQ_REMOTE", self.mark) if each.pid != os.getpid()]
        if marked:
            report = process.end_tree(marked)
            killed += report.processes
            _check(report)
        self.remove()
        return killed


def _check(report: process.EndReport) -> None:
    if report.survivors:
        pids = ", ".join(str(each.pid) for each in report.survivors[:5])
        raise NotFound(f"processes {pids} survived SIGKILL (uninterruptible)")


def shares_data_root(config: AgentConfig, data_root: Path) -> bool:
    """Whether `data_root` contains the desktop's token file, and logs can be written to it."""
    if not config.share_file or not config.share_token:
        return False
    try:
        if read_own(data_root / config.share_file) != config.share_token.encode():
            return False
        with OwnFolder(data_root / "logs") as logs:
            probe = f".write-{os.getpid()}-{socket.gethostname()}"
            os.close(logs.create(probe))
            logs.remove(probe)
    except OSError:
        return False
    return True
