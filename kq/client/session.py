"""The queue that belongs to this process: starts a guardian, follows its events and restarts it if it dies.

All of this runs on a thread of its own: no constructor or `close` blocks a desktop's UI.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from .. import process
from ..errors import KqError
from ..own_files import read_own
from ..own_folders import keys_folder, own_data_root
from ..records import SessionRecord
from ..restart_limit import RestartLimit
from ..session_events import SessionEvent
from ..settings import Settings
from .interpreter import Interpreter
from .mirror import ConnectionStatus
from .queue_client import QueueClient

__all__ = ["Session", "current_session", "start_session"]

_GUARDIAN_FILE = Path(__file__).resolve().parents[1] / "guardian" / "__main__.py"
_RESTART_LIMIT = 3
_RESTART_WINDOW_S = 60.0
_log = logging.getLogger("kq.client")
_current: Session | None = None


class Session:
    """A queue that ends when `close` is called or this process ends. Thread-safe.

    Attributes:
        client: the connection to it, usable at once.
        settings: its settings, with the user's own data root; None until that is known.
    """

    def __init__(
        self, settings: Settings | None = None, find_python: Callable[[], Interpreter] | None = None
    ) -> None:
        """Start the queue on a thread; returns at once.

        Args:
            settings: default: from this process's environment. An error in it becomes `failure`.
            find_python: returns the interpreter for kq's processes; called once, on the session's thread.
                A KqError that it raises becomes `failure`. Default: this process's own interpreter.
        """
        self.client = QueueClient(managed=True)
        self.queue_dir: Path | None = None
        self.ready: dict[str, Any] | None = None
        """The server's READY event: session, pid and ports; None until the Agents are ready."""
        self.failure = ""
        """Why there is no queue; empty while it runs or starts."""
        self._find_python = find_python or (lambda: Interpreter(sys.executable, os.environ))
        self._interpreter: Interpreter | None = None
        self._given = settings
        self.settings: Settings | None = None
        self._lock = threading.Lock()
        self._lifeline: int | None = None
        self._closing = False
        self._changed = threading.Condition()
        self._restarts = RestartLimit(restart_limit=_RESTART_LIMIT, window_s=_RESTART_WINDOW_S)
        self._journal_session = ""
        """Id of the first guardian's session, whose jobs later guardians continue."""
        self._thread = threading.Thread(target=self._run, name="kq-session", daemon=True)
        self._thread.start()

    @property
    def is_closing(self) -> bool:
        """Whether `close` was called. Any thread."""
        return self._closing

    def close(self) -> None:
        """Ask the queue and its renders to end. Returns at once; `wait` waits for the end."""
        with self._lock:
            self._closing = True
            if self._lifeline is not None:
                os.close(self._lifeline)
                self._lifeline = None
        self.client.set_status(ConnectionStatus.ENDED, "the session has ended")
        self.client.close()

    def wait(self, timeout_s: float | None) -> bool:
        """Wait until all processes of the queue have ended. Blocks: not for a UI's thread.

        Args:
            timeout_s: seconds; None: no limit.

        Returns:
            Whether they have ended.
        """
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait up to `timeout_s` seconds until the Agents are ready, or there is a `failure`.

        Blocks: not for a UI's thread. Returns whether they are ready.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.ready is not None or bool(self.failure), timeout_s)
        return self.ready is not None

    # --- The thread ---

    def _run(self) -> None:
        try:
            settings = self._given or Settings.from_environment()
            settings = msgspec.structs.replace(settings, data_root=own_data_root(settings.data_root))
            self.settings = settings
            self._interpreter = self._find_python()
            while not self._closing:
                if not self._run_guardian(settings):
                    return
                if not self._restarts.record_death(time.monotonic()):
                    often = f"{_RESTART_LIMIT} times in {_RESTART_WINDOW_S:.0f} s"
                    self._fail(f"the queue ended {often}: see the logs in {settings.data_root / 'logs'}")
                    return
                self.client.set_status(
                    ConnectionStatus.LOST, "the queue's guardian died; the queue is starting again"
                )
        except (KqError, OSError) as error:
            self._fail(str(error))

    def _fail(self, message: str) -> None:
        _log.error("no queue: %s", message)
        self.client.set_status(ConnectionStatus.ENDED, message)
        with self._changed:
            self.failure = message
            self._changed.notify_all()

    def _run_guardian(self, settings: Settings) -> bool:
        """Start a guardian and follow it to its end. Returns whether another one should be started."""
        interpreter = self._interpreter
        assert interpreter is not None
        read_end, write_end = os.pipe()
        try:
            child = process.spawn_service(
                [interpreter.path, "-P", str(_GUARDIAN_FILE), "--lifeline"]
                + (["--continue", self._journal_session] if self._journal_session else [])
                + (["--queue-dir", str(self.queue_dir)] if self.queue_dir else []),
                environment={**_without_marks(interpreter.environment), **settings.as_environment()},
                stdin=process.LIFELINE,
                stdout=write_end,
                stderr=process.INHERIT,
            )
        except BaseException:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        with self._lock:
            # Moved here, so that only one of `close` and this thread closes it.
            self._lifeline, child.lifeline = child.lifeline, None
        if self._closing:
            self.close()
        failed = self._follow(read_end)
        ended = _join(child)
        with self._lock:
            if self._lifeline is not None:
                os.close(self._lifeline)
                self._lifeline = None
        if self._closing:
            return False
        if failed:
            self._fail(failed)
            return False
        if ended.code == 0:
            self._fail("the queue was ended from outside this program")
            return False
        self.ready = None
        return True

    def _follow(self, read_end: int) -> str:
        """Handle the events of the guardian and its server until they end. Returns why they failed, or ""."""
        failed = ""
        with open(read_end, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    event = json.loads(line)
                except ValueError:
                    continue  # output of a library, which is in the log as well
                if isinstance(event, dict):
                    failed = self._on_event(event) or failed
        return failed

    def _on_event(self, content: dict[str, Any]) -> str:
        match content.get("event"):
            case SessionEvent.QUEUE:
                self.queue_dir = Path(content["queue_dir"])
                self._journal_session = self._journal_session or str(content["session"])
            case SessionEvent.OPEN:
                self._connect()
            case SessionEvent.SERVER_DIED:
                self.client.set_status(
                    ConnectionStatus.LOST, "the queue's server died and is being restarted"
                )
            case SessionEvent.READY:
                with self._changed:
                    self.ready = content
                    self._changed.notify_all()
            case SessionEvent.FAILED:
                return str(content.get("message") or "the queue failed without an error message")
        return ""

    def _connect(self) -> None:
        assert self.queue_dir is not None
        try:
            content = read_own(keys_folder(self.queue_dir) / "client.json")
            self.client.connect(msgspec.json.decode(content, type=SessionRecord))
        except (OSError, msgspec.DecodeError) as error:
            message = f"the queue's connection file cannot be read: {error}"
            self.client.set_status(ConnectionStatus.LOST, message)


def _join(child: process.Child) -> process.Exit:
    """Wait for the guardian to exit; it has closed its output already."""
    wait_s = 0.001
    while (ended := child.poll()) is None:
        time.sleep(wait_s)
        wait_s = min(wait_s * 2, 0.1)
    child.close()
    return ended


def _without_marks(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` without kq's settings and the variables of another session, whose render this may be."""
    marks = ("KQ_SESSION", "KQ_ROLE", "KQ_AGENT", "KQ_JOB", "KQ_TASK", "KQ_ATTEMPT")
    settings = {name for field in Settings.__struct_fields__ for name in Settings.variables_of(field)}
    return {key: value for key, value in environment.items() if key not in settings.union(marks)}


def start_session(
    settings: Settings | None = None, find_python: Callable[[], Interpreter] | None = None
) -> Session:
    """Start this process's queue, and make it `current_session`. Returns at once; arguments as in Session."""
    global _current  # one desktop has one queue, and its plug-ins must find it
    _current = Session(settings, find_python)
    return _current


def current_session() -> Session | None:
    """Return the session that `start_session` started last in this process, or None."""
    return _current
