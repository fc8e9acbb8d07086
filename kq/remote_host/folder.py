"""Where a machine keeps what belongs to the Agents of a session elsewhere: keys, pid file, fetched files.

All of it is the owner's alone, and is gone when they are. Only the Agents' own logs stay.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from .. import process
from ..agent_config import AgentConfig, Site
from ..errors import NotFound, RemoteFailed
from ..files import create_file, try_lock, write_private

__all__ = ["HostFolder", "Supervised", "base_folder", "one_start_at_a_time", "shares_data_root"]


class Supervised(msgspec.Struct, frozen=True, kw_only=True):
    """The pid file: which processes are ours. A pid counts only together with its start time."""

    session: str
    label: str
    pid: int
    started: float
    state: str
    """starting, running."""
    wanted: int = 0
    agents: tuple[tuple[str, int, float], ...] = ()
    """Id, pid and start time of each Agent."""
    data_root: str = ""
    shared: bool = False
    log: str = ""
    problem: str = ""


def base_folder() -> Path:
    """KQ_REMOTE_DIR, or a folder in the home of the user that Agents run as."""
    named = os.environ.get("KQ_REMOTE_DIR")
    return Path(named) if named else Path.home() / ".katana-queue"


def _host_tag() -> str:
    """This machine in the name of a folder: homes are shared, and each machine has folders of its own."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", socket.gethostname())


def _session_tag(session: str) -> str:
    """A short name for a session, valid in a path."""
    return hashlib.sha256(session.encode()).hexdigest()[:12]


@contextlib.contextmanager
def one_start_at_a_time(timeout_s: float) -> Iterator[None]:
    """Wait until no other process starts Agents on this machine; none does until the block is left.

    Otherwise each of two starts of one session would take the other's supervisor for a leftover, and end
    it. Stopping does not wait: it also ends what is being started.

    Raises:
        OSError: the folder cannot be written.
        RemoteFailed: another start took longer than `timeout_s` seconds.
    """
    path = base_folder() / "sessions" / f"{_host_tag()}.lock"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # It stays: whoever opened it before it was removed would lock another file than those who came after.
    with path.open("ab") as file:
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
    """The folder of one session on this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, session: str) -> HostFolder:
        """The folder of `session`; see `make`."""
        tag = _session_tag(session)
        own = cls(base_folder() / "sessions" / f"{_host_tag()}-{tag}")
        if own.path.exists():
            return own
        # Made here all the same, where this machine has another name since.
        return next((each for each in cls.all_here() if each.path.name.endswith(f"-{tag}")), own)

    @property
    def mark(self) -> str:
        """The value of KQ_REMOTE in the environment of all that runs for the session on this machine.

        It includes the machine: containers may see each other's processes.
        """
        return self.path.name

    @classmethod
    def all_here(cls) -> list[HostFolder]:
        """The folders of all sessions that have Agents on this machine, or had some."""
        found = [cls(path) for path in sorted((base_folder() / "sessions").glob("*-????????????"))]
        return [each for each in found if each._is_here()]

    def _is_here(self) -> bool:
        """Whether this machine made it: by its name, or in the system that runs now (names may change)."""
        if self.path.name.rpartition("-")[0] == _host_tag():
            return True
        try:
            return self.system.read_text() == process.system_mark()
        except (OSError, UnicodeDecodeError):
            return False

    def make(self) -> None:
        """Make it, for its owner alone. Raises OSError."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        self.work.mkdir(exist_ok=True)
        write_private(self.system, process.system_mark().encode())

    def remove(self) -> None:
        """Remove all of it. Raises OSError."""
        try:
            shutil.rmtree(self.path)
        except FileNotFoundError:
            pass  # another process was faster

    # --- what is in it ------------------------------------------------------------

    @property
    def connection(self) -> Path:
        """The connection file, with the key."""
        return self.path / "connection.json"

    @property
    def site(self) -> Path:
        """What Agents must know of this machine."""
        return self.path / "site.json"

    @property
    def system(self) -> Path:
        """Which running system made it: see process.system_mark."""
        return self.path / "system"

    @property
    def work(self) -> Path:
        """Room for attempts, and for fetched files."""
        return self.path / "work"

    @property
    def wanted(self) -> Path:
        """How many Agents there should be: a number, which may grow."""
        return self.path / "wanted"

    @property
    def stop(self) -> Path:
        """Where this file is, the Agents are to end."""
        return self.path / "stop"

    @property
    def pid_file(self) -> Path:
        """See Supervised."""
        return self.path / "supervisor.json"

    def write_connection(self, config: AgentConfig) -> None:
        """Keep the session's key here. Raises OSError."""
        write_private(self.connection, msgspec.json.encode(config))

    def write_site(self, site: Site) -> None:
        """Raises OSError."""
        write_private(self.site, msgspec.json.encode(site))

    def read_supervised(self) -> Supervised | None:
        """The pid file, or None when there is none that can be read."""
        try:
            return msgspec.json.decode(self.pid_file.read_bytes(), type=Supervised)
        except (OSError, msgspec.DecodeError):
            return None

    def write_supervised(self, content: Supervised) -> None:
        """Raises OSError."""
        write_private(self.pid_file, msgspec.json.encode(content))

    def living(self) -> Supervised | None:
        """The pid file, if the very process that wrote it runs."""
        supervised = self.read_supervised()
        if supervised is None or not process.is_running(supervised.pid, supervised.started):
            return None
        return supervised

    def read_wanted(self) -> int:
        """How many Agents there should be; 0 when that is not known."""
        try:
            return int(self.wanted.read_text())
        except (OSError, ValueError):
            return 0

    def write_wanted(self, count: int) -> None:
        """Raises OSError."""
        write_private(self.wanted, str(count).encode())

    # --- ending -------------------------------------------------------------------

    def end(self, grace_s: float) -> int:
        """Ask the Agents of the session to end; after `grace_s` seconds end them with all that they run.

        Only processes that the pid file names, by pid and start time, and what carries the session's mark.

        Returns:
            How many processes had to be killed.

        Raises:
            NotFound: a process survived.
        """
        killed = 0
        supervised = self.read_supervised()
        if supervised is not None:
            try:
                self.stop.touch()
            except OSError:
                # A full disk takes no new file, and lets one be removed: the supervisor treats that alike.
                self.connection.unlink(missing_ok=True)
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
    """Whether `data_root` is the desktop's, by its token, and logs can be written there."""
    if not config.share_file or not config.share_token:
        return False
    try:
        if (data_root / config.share_file).read_text() != config.share_token:
            return False
        probe = data_root / "logs" / f".write-{os.getpid()}-{socket.gethostname()}"
        create_file(probe).close()
        probe.unlink()
    except (OSError, UnicodeDecodeError):
        return False
    return True
