"""The dialog's steps, taken by the launcher of this session, which lives as long: so do its tunnels."""

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

_launchers: dict[int, tuple[Session, RemoteLauncher, _Answering]] = {}


class RemoteSteps(Protocol):
    """Checks, starts and stops. Each is called on a thread of its own and may take its time.

    `report` may be called from that thread; it returns soon. When `cancelled` is set, the call undoes what is
    half done and returns.
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
        """Remember the host; returns a warning, or empty."""


class _Answering:
    """Passes questions on to the dialog that is open."""

    def __init__(self) -> None:
        self.questions: RemoteQuestions | None = None

    def accept_host_key(self, host: str, kind: str, fingerprint: str) -> bool:
        return self.questions is not None and self.questions.accept_host_key(host, kind, fingerprint)

    def passphrase(self, key_file: str, again: bool) -> str | None:
        return self.questions.passphrase(key_file, again) if self.questions is not None else None

    def use_tunnel(self, why: str) -> bool:
        return self.questions is not None and self.questions.use_tunnel(why)


class SessionSteps:
    """See RemoteSteps. `questions` are asked on the thread that takes the steps."""

    def __init__(self, questions: RemoteQuestions, store: HostStore | None = None) -> None:
        self._questions = questions
        self._store = store

    def check(
        self, host: RemoteHost, report: Callable[[RemoteStep], None], cancelled: threading.Event
    ) -> None:
        """Run the preflight checks. Raises RemoteFailed when no step has the reason of a failure."""
        self._finish(self._launcher().check(host, report, cancelled), report)

    def start(
        self, host: RemoteHost, report: Callable[[RemoteStep], None], cancelled: threading.Event
    ) -> None:
        """Start the Agents. Raises RemoteFailed when no step has the reason of a failure."""
        self._finish(self._launcher().start(host, report, cancelled), report)

    def stop(
        self, host: RemoteHost, report: Callable[[RemoteStep], None], cancelled: threading.Event
    ) -> None:
        """Stop the Agents. Raises RemoteFailed when no step has the reason of a failure."""
        self._finish(self._launcher().stop(host, report, cancelled), report)

    def save(self, host: RemoteHost) -> str:
        """Remember the host. Writes a file; returns a warning, or empty."""
        store = self._store or HostStore()
        return store.remember(host, worked=False)

    def _launcher(self) -> RemoteLauncher:
        session = current_session()
        if session is None:
            # A machine can be checked without a queue, up to the login and its programs.
            return RemoteLauncher(None, Settings.from_environment(), self._questions, self._store)
        known = _launchers.get(id(session))
        if known is None or known[0] is not session:
            # Tunnels of a session that is over lead nowhere.
            for _, launcher, _ in _launchers.values():
                launcher.close()
            _launchers.clear()
            answering = _Answering()
            settings = session.settings or Settings.from_environment()
            known = (session, RemoteLauncher(session.client, settings, answering, self._store), answering)
            _launchers[id(session)] = known
        known[2].questions = self._questions
        return known[1]

    def _finish(self, result: RemoteResult, report: Callable[[RemoteStep], None]) -> None:
        if result.ok:
            report(RemoteStep("Result", StepState.DONE, result.message))
        elif not any(step.message == result.message for step in result.steps):
            raise RemoteFailed(result.message)
