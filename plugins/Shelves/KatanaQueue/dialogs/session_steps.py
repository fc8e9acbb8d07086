"""Runs the dialog's steps with one RemoteLauncher per session, so that its SSH tunnels outlive the dialog."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from .....kq.api import (
    HostStore,
    RemoteFailed,
    RemoteHost,
    RemoteLauncher,
    RemoteQuestions,
    RemoteResult,
    RemoteStep,
    Session,
    Settings,
    StepState,
    current_session,
)

__all__ = ["RemoteSteps", "SessionSteps"]

_current: tuple[Session, RemoteLauncher, _Answering] | None = None
"""The session, its launcher, and what the launcher asks."""


class RemoteSteps(Protocol):
    """Checks a host, and starts and stops Agents on it. All methods block: call them on a worker thread.

    `report` is called on that thread for each step. When `cancelled` is set, a method undoes unfinished work
    and returns.
    """

    def check(
        self, host: RemoteHost, report: Callable[[RemoteStep], None], cancelled: threading.Event
    ) -> None:
        """Run the preflight checks, up to the first that fails."""

    def start(
        self, host: RemoteHost, report: Callable[[RemoteStep], None], cancelled: threading.Event
    ) -> None:
        """Start the Agents."""

    def stop(
        self, host: RemoteHost, report: Callable[[RemoteStep], None], cancelled: threading.Event
    ) -> None:
        """Stop the Agents of this session on that machine, and no others."""

    def save(self, host: RemoteHost) -> str:
        """Save the host for later; returns a warning, or an empty string."""


class _Answering:
    """Passes the launcher's questions to the dialog that was opened last."""

    def __init__(self, questions: RemoteQuestions) -> None:
        self.questions = questions

    def accept_host_key(self, host: str, kind: str, fingerprint: str) -> bool:
        return self.questions.accept_host_key(host, kind, fingerprint)

    def passphrase(self, key_file: str, again: bool) -> str | None:
        return self.questions.passphrase(key_file, again)

    def use_tunnel(self, why: str) -> bool:
        return self.questions.use_tunnel(why)


class SessionSteps:
    """Implements RemoteSteps on the queue of this session.

    Args:
        questions: asks the user; its methods are called on the thread that runs the steps.
        store: where hosts are saved; None: the user's file.
    """

    def __init__(self, questions: RemoteQuestions, store: HostStore | None = None) -> None:
        self._questions = questions
        self._store = store

    def check(
        self, host: RemoteHost, report: Callable[[RemoteStep], None], cancelled: threading.Event
    ) -> None:
        """Run the preflight checks. Raises RemoteFailed when an error was not reported as a step."""
        self._finish(self._launcher().check(host, report, cancelled), report)

    def start(
        self, host: RemoteHost, report: Callable[[RemoteStep], None], cancelled: threading.Event
    ) -> None:
        """Start the Agents. Raises RemoteFailed when an error was not reported as a step."""
        self._finish(self._launcher().start(host, report, cancelled), report)

    def stop(
        self, host: RemoteHost, report: Callable[[RemoteStep], None], cancelled: threading.Event
    ) -> None:
        """Stop the Agents. Raises RemoteFailed when an error was not reported as a step."""
        self._finish(self._launcher().stop(host, report, cancelled), report)

    def save(self, host: RemoteHost) -> str:
        """Write the host to the store. Returns a warning, or an empty string."""
        store = self._store or HostStore()
        return store.remember(host, worked=False)

    def _launcher(self) -> RemoteLauncher:
        global _current
        session = current_session()
        if session is None:
            # Without a queue the login and the machine's programs can still be checked.
            return RemoteLauncher(None, Settings.from_environment(), self._questions, self._store)
        if _current is None or _current[0] is not session:
            if _current is not None:
                _current[1].close()  # of an ended session, whose tunnels have no queue to connect to
            answering = _Answering(self._questions)
            settings = session.settings or Settings.from_environment()
            launcher = RemoteLauncher(session.client, settings, answering, self._store)
            _current = (session, launcher, answering)
        _, launcher, answering = _current
        answering.questions = self._questions
        return launcher

    def _finish(self, result: RemoteResult, report: Callable[[RemoteStep], None]) -> None:
        if result.ok:
            report(RemoteStep("Result", StepState.DONE, result.message))
        elif not any(step.message == result.message for step in result.steps):
            raise RemoteFailed(result.message)
