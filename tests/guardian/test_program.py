"""What the guardian does at odd moments, which no real session brings about on demand."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kq import process
from kq.errors import Refused
from kq.guardian import program
from kq.guardian.program import Guardian
from kq.session_events import SessionEvent
from kq.settings import Settings


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The steps of the session's end, which touch no process here."""
    steps: list[str] = []
    ended = SimpleNamespace(processes=0)
    monkeypatch.setattr(process, "ask_to_stop", lambda _server: steps.append("asked"))
    monkeypatch.setattr(process, "end_strays", lambda: steps.append("ended") or ended)
    return steps


@pytest.fixture
def guardian(tmp_path: Path, done: list[str]) -> Iterator[Any]:
    """A guardian of a server that runs until a test says how it has ended."""
    near, far = os.pipe()
    server: Any = SimpleNamespace(pid=1, wake_fd=near, ended=None)
    server.poll = lambda: server.ended
    folder: Any = SimpleNamespace(
        path=tmp_path, clean=lambda: done.append("cleaned"), release=lambda: done.append("released")
    )
    yield Guardian(Settings(data_root=tmp_path), folder, "h:1:2", "h:1:2", server, lifeline=False)
    os.close(near)
    os.close(far)


def test_a_server_that_does_not_end_in_time_keeps_nothing_alive(
    guardian: Any, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the time is over between the look at the clock and the wait."""
    until = guardian._settings.grace_s + program._TIMEOUT_S
    times = iter([0.0, until - 0.001, until + 0.001])
    monkeypatch.setattr(program, "time", SimpleNamespace(monotonic=lambda: next(times, until + 1)))
    guardian._end_session()
    assert done == ["asked", "ended", "cleaned", "released"]


def test_a_server_that_cannot_be_started_again_is_reported(
    guardian: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the reason: the desktop shows it."""
    monkeypatch.setattr(program, "_START_TIMEOUT_S", 0.0)
    reported: dict[SessionEvent, dict[str, object]] = {}
    monkeypatch.setattr(program, "report", lambda event, **facts: reported.update({event: facts}))

    def refuse(*_given: object, **_named: object) -> None:
        raise Refused("out of processes")

    monkeypatch.setattr(program, "start_server", refuse)
    guardian._server.ended = process.Exit(-9)
    assert guardian._look_after_server() == 1
    assert "out of processes" in str(reported[SessionEvent.FAILED]["message"])
    guardian._end_session()


def test_a_server_is_started_once_there_is_room_for_a_process(
    guardian: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit of processes or memory that was reached for a moment must not end all renders."""
    refusals = [BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), Refused("out of memory")]
    waits: list[float] = []
    another: Any = SimpleNamespace(pid=2)

    def start(*_given: object, **_named: object) -> Any:
        if refusals:
            raise refusals.pop()
        return another

    monkeypatch.setattr(program, "start_server", start)
    monkeypatch.setattr(program, "allow_start", lambda _server: None)
    monkeypatch.setattr(program, "report", lambda event, **_facts: event)
    monkeypatch.setattr(guardian, "_wait", waits.append)
    guardian._server.ended = process.Exit(-9)
    assert guardian._look_after_server() is None
    assert guardian._server is another and len(waits) == 2
    guardian._server = None

    refusals.append(Refused("out of memory"))
    monkeypatch.setattr(guardian, "_wait", lambda _timeout_s: guardian._on_signal(15, None))
    assert guardian._start_again() is None and not refusals
    guardian._end_session()
