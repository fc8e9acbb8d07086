"""The dialog's steps, taken by the launcher of this session, which lives as long: so do its tunnels."""

from __future__ import annotations

import threading
from collections.abc import Callable

from kq.api import (
    HostBook,
    RemoteFailed,
    RemoteHost,
    RemoteLauncher,
    RemoteQuestions,
    RemoteResult,
    RemoteStep,
    Session,
    Settings,
    current_session,
)

from .remote_target import RemoteTarget, Step

__all__ = ["SessionSteps", "to_host", "to_target"]

_launchers: dict[int, tuple[Session, RemoteLauncher, _Answering]] = {}


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

    def __init__(self, questions: RemoteQuestions, book: HostBook | None = None) -> None:
        self._questions = questions
        self._book = book

    def check(self, target: RemoteTarget, report: Callable[[Step], None], cancelled: threading.Event) -> None:
        """Go down the ladder. Raises RemoteFailed where no step says why it ended."""
        self._finish(self._launcher().check(to_host(target), _pass_on(report), cancelled), report)

    def start(self, target: RemoteTarget, report: Callable[[Step], None], cancelled: threading.Event) -> None:
        """Start the Agents. Raises RemoteFailed where no step says why there are none."""
        self._finish(self._launcher().start(to_host(target), _pass_on(report), cancelled), report)

    def stop(self, target: RemoteTarget, report: Callable[[Step], None], cancelled: threading.Event) -> None:
        """Stop the Agents. Raises RemoteFailed where no step says why they may run."""
        self._finish(self._launcher().stop(to_host(target), _pass_on(report), cancelled), report)

    def save(self, target: RemoteTarget) -> str:
        """Remember the host. Writes a file; returns what there is to know about that, or empty."""
        book = self._book or HostBook()
        return book.remember(to_host(target), worked=False)

    def _launcher(self) -> RemoteLauncher:
        session = current_session()
        if session is None:
            # A machine can be checked all the same, as far as that goes.
            return RemoteLauncher(None, Settings.from_environment(), self._questions, self._book)
        known = _launchers.get(id(session))
        if known is None or known[0] is not session:
            # Tunnels of a session that is over lead nowhere.
            for _, launcher, _ in _launchers.values():
                launcher.close()
            _launchers.clear()
            answering = _Answering()
            settings = session.settings or Settings.from_environment()
            known = (session, RemoteLauncher(session.client, settings, answering, self._book), answering)
            _launchers[id(session)] = known
        known[2].questions = self._questions
        return known[1]

    def _finish(self, result: RemoteResult, report: Callable[[Step], None]) -> None:
        if result.ok:
            report(Step("Result", "done", result.sentence))
        elif not any(step.sentence == result.sentence for step in result.steps):
            raise RemoteFailed(result.sentence)


def _pass_on(report: Callable[[Step], None]) -> Callable[[RemoteStep], None]:
    return lambda step: report(Step(step.name, step.state.value, step.sentence))


def to_host(target: RemoteTarget) -> RemoteHost:
    """The target in kq's words. Raises KqError when it makes no sense."""
    host = RemoteHost(
        host=target.host.strip("[]"),
        port=target.port,
        user=target.user,
        private_key=target.private_key,
        num_agents=target.num_agents,
        katana_root=target.katana_root,
        data_root=target.data_root,
        kq_host=target.kq_host,
        tunnel=target.tunnel,
        kq_root=target.kq_root,
        python=target.python,
    )
    host.check()
    return host


def to_target(host: RemoteHost) -> RemoteTarget:
    """What the fields show for a host that is remembered."""
    return RemoteTarget(
        host=host.host,
        port=host.port,
        user=host.user,
        private_key=host.private_key,
        num_agents=host.num_agents,
        katana_root=host.katana_root,
        data_root=host.data_root,
        kq_host=host.kq_host,
        tunnel=host.tunnel,
        kq_root=host.kq_root,
        python=host.python,
    )
