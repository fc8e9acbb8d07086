"""Holds the lifeline to the desktop, keeps the server alive, and ends every descendant at the session's end.

Kept small, with few imports, so that it has little reason to fail.
"""

from __future__ import annotations

import logging
import select
import signal
import sys
import time

from .. import __version__, process
from ..errors import KqError
from ..logs import log_folder, open_log
from ..restart_limit import RestartLimit
from ..session_events import SessionEvent, report
from ..settings import Settings
from .folder import QueueFolder
from .server_process import allow_start, start_server

__all__ = ["Guardian"]

_RESTART_LIMIT = 5
_RESTART_WINDOW_S = 30.0
_START_TIMEOUT_S, _START_PAUSE_S = 10.0, 0.5
"""For how long, and how often, it is tried to start a server in place of one that died."""
_TIMEOUT_S = 3.5
"""How much longer than a render's grace the server may take to end the session."""
_log = logging.getLogger("kq.guardian")


class Guardian:
    """One session's guardian. To be used from the main thread."""

    def __init__(
        self,
        settings: Settings,
        folder: QueueFolder,
        session: str,
        journal_session: str,
        server: process.Child,
        *,
        lifeline: bool,
    ) -> None:
        """
        Args:
            journal_session: id of the session whose jobs this one continues.
            server: the session's first server, which has been started.
            lifeline: whether the session ends when standard input does.
        """
        self._settings = settings
        self._folder = folder
        self._session = session
        self._journal_session = journal_session
        self._server: process.Child | None = server
        self._old_servers: list[process.Child] = []
        """Dead servers. Closing one would also close the pipe whose end its surviving Agents await."""
        self._restarts = RestartLimit(restart_limit=_RESTART_LIMIT, window_s=_RESTART_WINDOW_S)
        self._lifeline = process.StdinLifeline() if lifeline else None
        self._end_asked = False
        self._wake = process.SignalWake()

    def run(self) -> int:
        """Run until the session is over. Returns the process's exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        if hasattr(signal, "SIGCHLD"):
            # With a handler, the end of an adopted child wakes `_wait` through the wake-up descriptor.
            signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, self._on_signal)
        self._wake.listen()
        exit_code = 0
        try:
            self._open_log()
            while not self._end_asked:
                self._wait(None)
                failed = self._look_after_server()
                if failed is not None:
                    exit_code = failed
                    break
                self._sweep()
        finally:
            self._end_session()
        return exit_code

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._end_asked = True

    def _open_log(self) -> None:
        open_log(
            log_folder(self._settings.data_root, self._folder.path) / "guardian.log",
            self._settings.log_level,
            program="guardian",
            session=self._session,
        )
        pid = self._server.pid if self._server is not None else 0
        _log.info(
            "kq %s, Python %d.%d.%d, guards the server of pid %d", __version__, *sys.version_info[:3], pid
        )

    def _wait(self, timeout_s: float | None) -> None:
        """Wait until the desktop or a child has ended, a signal arrives, or `timeout_s` seconds are over."""
        sources = [self._wake.wake_fd]
        lifeline = self._lifeline
        if lifeline is not None:
            sources.append(lifeline.wake_fd)
        if self._server is not None:
            sources.append(self._server.wake_fd)
        ready, _, _ = select.select(sources, [], [], timeout_s)
        if self._wake.wake_fd in ready:
            self._wake.drain()
        if lifeline is not None and lifeline.wake_fd in ready and lifeline.is_closed():
            _log.info("the starter of the session is gone")
            lifeline.close()
            self._lifeline = None
            self._end_asked = True

    def _look_after_server(self) -> int | None:
        """Restart the server if it died. Returns the guardian's exit code if it must end, else None."""
        server = self._server
        ended = server.poll() if server is not None else None
        if server is None or ended is None:
            return None
        self._old_servers.append(server)
        self._server = None
        if ended.code == 2:
            return 2  # a permanent error, which it has reported
        if ended.code == 0:
            return 0  # it was asked to end, and not by this process
        if not self._restarts.record_death(time.monotonic()):
            log = log_folder(self._settings.data_root, self._folder.path) / "server.log"
            often = f"{_RESTART_LIMIT} times in {_RESTART_WINDOW_S:.0f} s"
            _log.error("the server died %s: it is not started again", often)
            report(SessionEvent.FAILED, message=f"the queue's server died {often}; see {log}")
            return 1
        report(SessionEvent.SERVER_DIED, code=ended.code)
        self._server = self._start_again()
        if self._server is None:
            return None if self._end_asked else 1
        allow_start(self._server)  # its process imports meanwhile, and waits for this
        _log.warning("the server died (exit code %s); the next one has pid %d", ended.code, self._server.pid)
        return None

    def _start_again(self) -> process.Child | None:
        """Start another server, for some seconds again and again: processes or memory may be short just now.

        Returns None, after a report, if it cannot be started; also if the session is to end meanwhile.
        """
        until = time.monotonic() + _START_TIMEOUT_S
        while not self._end_asked:
            try:
                return start_server(
                    self._settings, self._folder.path, self._session, self._journal_session, first=False
                )
            except (KqError, OSError) as error:
                _log.error("the server died, and cannot be started again: %s", error)
                if time.monotonic() >= until:
                    report(
                        SessionEvent.FAILED, message=f"the queue's server cannot be started again: {error}"
                    )
                    break
            self._wait(_START_PAUSE_S)
        return None

    def _sweep(self) -> None:
        """End processes that dead Agents left behind; Agents of a dead server, adopted here, are kept."""
        server_pid = self._server.pid if self._server is not None else 0
        process.reap_adopted()
        # The cheap question first: to find the Agents, the environment of every process is read.
        if process.has_strays({server_pid}):
            agents = {each.pid for each in process.find_marked("KQ_ROLE", "agent", forks=False)}
            if process.has_strays(agents | {server_pid}):
                process.end_strays(agents | {server_pid})

    def _end_session(self) -> None:
        """Ask the server to end the session, then end every process that is left."""
        until = time.monotonic() + self._settings.grace_s + _TIMEOUT_S
        if self._server is not None and self._server.poll() is None:
            process.ask_to_stop(self._server)
            while self._server.poll() is None and time.monotonic() < until:
                self._wait(max(min(until - time.monotonic(), 0.5), 0.0))
        ended = process.end_strays()
        _log.info("the session is over; %d processes were still there and were ended", ended.processes)
        self._wake.close()
        self._folder.clean()
        self._folder.release()
