"""The end of an attempt on another machine: what is said of a render whose files did not all come back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kq import messages as m
from kq.agent.attempt_machine import Stop
from kq.agent.path_mapping import PathMap
from kq.agent.remote_attempt import RemoteAttempt
from kq.agent.remote_machine import Begun, RemoteMachine, RenderEnded
from kq.states import Outcome

PICTURE, THERE = "/share/beauty.0001.exr", "/tmp/agent/beauty.0001.exr"


def returning(*, is_idle: bool, arrived: tuple[str, ...] = (), stop: Stop | None = None) -> Any:
    """An attempt whose render is over, and whose files are being sent to the desktop."""
    attempt: Any = RemoteAttempt.__new__(RemoteAttempt)
    attempt._machine, attempt._streams = RemoteMachine(), True
    attempt._agent, attempt.id = "h:1", "j/0/1"
    attempt._folder = "/nowhere"
    attempt._picture_known, attempt._returned_mark = "", None
    attempt._map = PathMap([(PICTURE, THERE)])
    attempt._log = SimpleNamespace(
        pump=lambda: None, close=lambda: None, is_complete=True, received=10, refused=""
    )
    attempt._files = SimpleNamespace(
        pump=lambda: None,
        close=lambda: None,
        is_idle=is_idle,
        arrived=list(arrived),
        under_way=("", 0),
        refused={},
    )
    attempt._fetch = SimpleNamespace(close=lambda: None)
    attempt._inner = SimpleNamespace(
        ending=m.AttemptEnding(agent="h:1", attempt="j/0/1", outcome=Outcome.COMPLETED, picture=THERE),
        picture=lambda: "",
        request_stop=lambda *_stop: None,
    )
    attempt._before, attempt._found, attempt.ending = {}, tuple, None
    attempt._machine.handle(Begun(streams=True, fetches=False), 0.0)
    if stop is not None:
        attempt._machine.handle(stop, 0.0)
    attempt._handle(RenderEnded())
    return attempt


def test_a_render_that_is_stopped_while_its_picture_comes_back_is_not_completed() -> None:
    """Its picture is not there: the task is cancelled, or waits again."""
    attempt = returning(is_idle=False)
    attempt.request_stop(2.0, reason="the Agent was stopped")
    attempt._return_step(0.1)
    assert (attempt.ending.outcome, attempt.ending.reason) == (Outcome.STOPPED, "the Agent was stopped")


def test_a_render_that_ends_by_itself_while_it_is_stopped_is_not_completed() -> None:
    """Its files are not sent at all."""
    attempt = returning(is_idle=True, stop=Stop(Outcome.STOPPED, "by the artist", 2.0))
    assert (attempt.ending.outcome, attempt.ending.reason) == (Outcome.STOPPED, "by the artist")


@pytest.mark.parametrize(("arrived", "picture"), [((PICTURE,), PICTURE), ((), "")])
def test_a_picture_that_no_output_named_is_known_once_it_is_there(
    arrived: tuple[str, ...], picture: str
) -> None:
    """As that of a render on this machine is."""
    attempt = returning(is_idle=True, arrived=arrived)
    assert (attempt.ending.outcome, attempt.ending.picture) == (Outcome.COMPLETED, picture)
