"""Whatever a render prints or leaves behind, the loop of its Agent goes on."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kq import messages as m
from kq.agent.program import Agent
from kq.agent.remote_attempt import RemoteAttempt
from kq.agent.upload import FileUpload
from kq.files import open_to_read
from kq.states import Outcome
from kq.wire.frames import encode
from tests.support.hostile_pictures import HOSTILE, NOT_REGULAR
from tests.support.live_queue import LiveQueue


def wire(sent: list[Any]) -> Any:
    """Return a connection of the Agent that appends to `sent` what it is to send."""
    return SimpleNamespace(send_update=sent.append)


@pytest.mark.skipif(sys.platform == "win32", reason="paths are text there")
def test_a_picture_path_that_is_not_utf8_ends_no_agent(queue: LiveQueue) -> None:
    """No message can carry it: the render completes, in one attempt, without a picture."""
    job = queue.submit("sh", "-c", r"printf 'kq_picture: /show/\377.png\n'; sleep 0.7")
    record = queue.await_job(job)
    assert (record.state, record.attempts, record.picture) == ("Completed", 1, "")


ORDER: Any = SimpleNamespace(number=1, attempt="j/0/1", unset=())
FAILING: dict[str, Callable[[Any], object]] = {
    "step": lambda agent: agent._step_attempt(),
    "request_stop": lambda agent: agent._request_stop(0.0),
    "start": lambda agent: agent._on_assign(ORDER),
    "made": lambda agent: agent._on_assign(ORDER),
}


@pytest.mark.parametrize("name", FAILING)
def test_an_attempt_that_fails_in_the_agent_fails_alone(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Its processes are ended, its files closed, its end is reported, and the Agent is free again."""
    done: list[str] = []
    monkeypatch.setattr("kq.process.end_strays", lambda: done.append("ended") or SimpleNamespace(processes=3))

    def fail(*_given: object, **_named: object) -> bool:
        raise ValueError("an \udcff")

    attempt = SimpleNamespace(id="j/0/1", story=[], wake_fd=None, close=lambda: done.append("closed"))
    setattr(attempt, name, fail)
    monkeypatch.setattr("kq.agent.program.Attempt", fail if name == "made" else lambda *_: attempt)
    sent: list[m.AttemptEnding] = []
    agent: Any = Agent.__new__(Agent)
    agent.id, agent._unacknowledged, agent._attempt_fd = "a1", {}, None
    agent._site = agent._standby = agent._remote = None
    agent._environment, agent._assign_number, agent._leaving, agent._last_attempt = {}, 0, "", ""
    agent.config = SimpleNamespace(lease_s=60, min_free_bytes=0, grace_s=2.0)
    agent._lease_from = math.inf
    agent._wire = SimpleNamespace(send_update=sent.append)
    agent._attempt = attempt if name in ("step", "request_stop") else None
    FAILING[name](agent)
    assert agent._attempt is None and done == (["ended"] if name == "made" else ["ended", "closed"])
    (ending,) = sent
    assert (ending.attempt, ending.outcome, ending.processes_gone) == ("j/0/1", "failed", 3)
    assert "ValueError" in ending.reason
    assert ending.reason.encode()  # or no message could carry it
    assert agent._unacknowledged == {"j/0/1": ending}


@pytest.mark.parametrize("name", NOT_REGULAR)
def test_a_picture_that_is_no_file_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Opening a pipe waits for a writer, for ever; opening a device may have an effect, so none is opened."""
    opened: list[str] = []
    real = os.open

    def recording(path: Any, *rest: Any, **named: Any) -> int:
        opened.append(str(path))
        return real(path, *rest, **named)

    monkeypatch.setattr(os, "open", recording)
    picture = Path(HOSTILE[name][0](tmp_path))
    files = FileUpload("a1", "j/0/1", wire([]))
    files.add(picture, "/desktop/picture.png")
    assert files.is_idle
    assert list(files.refused) == ["/desktop/picture.png"]
    assert str(picture) not in opened


def test_a_picture_may_be_replaced_while_it_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows only one that was opened so: a renderer that is refused it fails, or keeps the old one."""
    opened: list[object] = []

    def recording(path: str | Path) -> int:
        opened.append(path)
        return open_to_read(path)

    monkeypatch.setattr("kq.agent.upload.open_to_read", recording)
    picture, next_picture = tmp_path / "picture.exr", tmp_path / "next.exr"
    picture.write_bytes(b"1" * (3 * m.STREAM_PART_BYTES))  # more than may be on its way at once
    next_picture.write_bytes(b"2")
    files = FileUpload("a1", "j/0/1", wire([]))
    files.add(picture, "/desktop/picture.exr")
    assert not files.is_idle
    next_picture.replace(picture)
    files.close()
    assert opened == [picture]


def test_a_picture_whose_path_has_nul_is_refused_and_the_next_is_sent(tmp_path: Path) -> None:
    """One bad value must not end what comes after it."""
    sent: list[Any] = []
    files = FileUpload("a1", "j/0/1", wire(sent))
    files.add(Path("/tmp/a\0b.png"), "/desktop/bad.png")  # never made
    (tmp_path / "good.png").write_bytes(b"picture")
    files.add(tmp_path / "good.png", "/desktop/good.png")
    assert list(files.refused) == ["/desktop/bad.png"]
    assert [(update.path, update.data) for update in sent] == [("/desktop/good.png", b"picture")]
    files.close()


def test_a_file_whose_name_is_not_utf8_is_refused_and_the_next_is_sent(tmp_path: Path) -> None:
    """The render is over, and its other files arrive; its end names the one that did not."""
    sent: list[Any] = []
    files = FileUpload("a1", "j/0/1", wire(sent))
    for name in ("caf\udce9.png", "good.png"):
        (tmp_path / name).write_bytes(b"picture")
        files.add(tmp_path / name, f"/desktop/{name}")
    assert [update.path for update in sent] == ["/desktop/good.png"]
    attempt: Any = SimpleNamespace(_files=files, _log=SimpleNamespace(refused=""))
    ending = m.AttemptEnding(agent="a1", attempt="j/0/1", outcome=Outcome.COMPLETED)
    ending = RemoteAttempt._with_problems(attempt, ending, complete=True)
    assert ending.outcome is Outcome.FAILED and "caf\\udce9" in ending.reason
    encode(ending)
    files.close()


def test_a_picture_that_can_no_longer_be_read_is_refused_and_the_next_is_sent(tmp_path: Path) -> None:
    """Its share fails between two parts: the answer to the first must not raise in the Agent's loop."""
    sent: list[Any] = []
    files = FileUpload("a1", "j/0/1", wire(sent))
    (tmp_path / "large.png").write_bytes(bytes(4 * m.STREAM_PART_BYTES))
    files.add(tmp_path / "large.png", "/desktop/large.png")
    assert files._file is not None
    folder = os.open(tmp_path, os.O_RDONLY)
    os.dup2(folder, files._file.fileno())  # from now on reading fails, as from a share that is gone
    os.close(folder)
    files.take(m.StreamedOrder(attempt="j/0/1", path="/desktop/large.png", received=m.STREAM_PART_BYTES))
    assert files.is_idle and str(tmp_path / "large.png") in files.refused["/desktop/large.png"]
    (tmp_path / "good.png").write_bytes(b"picture")
    files.add(tmp_path / "good.png", "/desktop/good.png")
    assert (sent[-1].path, sent[-1].data) == ("/desktop/good.png", b"picture")
    files.close()


@pytest.mark.parametrize("name", ["larger than the limit", "a path with NUL"])
def test_a_picture_that_no_desktop_can_show_is_skipped_while_the_job_runs(tmp_path: Path, name: str) -> None:
    """The Agent's loop goes on; the next picture is sent."""
    sent: list[Any] = []
    pictures = [HOSTILE[name][0](tmp_path)]
    attempt: Any = SimpleNamespace(
        _inner=SimpleNamespace(picture=lambda: pictures[-1]),
        _map=SimpleNamespace(to_desktop=lambda path: f"/desktop/{Path(path).name}"),
        _files=FileUpload("a1", "j/0/1", wire(sent)),
        _picture_sent=None,
        _picture_after=0.0,
    )
    RemoteAttempt._send_picture(attempt, 1.0)
    assert not sent and attempt._files.is_idle
    pictures.append(str(tmp_path / "good.png"))
    Path(pictures[-1]).write_bytes(b"picture")
    RemoteAttempt._send_picture(attempt, 1.0)
    assert [update.path for update in sent] == ["/desktop/good.png"]
    attempt._files.close()
