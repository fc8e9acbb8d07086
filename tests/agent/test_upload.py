"""Uploads over a link that is slow or pauses: simulated, with the server's own receiving end."""

from __future__ import annotations

import heapq
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kq import messages as m
from kq.agent import upload
from kq.agent.upload import FileUpload, LogUpload
from kq.server.stream_files import IncomingFiles

TARGET = "/desktop/out.exr"
ATTEMPT = "j/0/1"


class Link:
    """A link to the server with a rate and a pause, in simulated time. It is the Agent's wire."""

    def __init__(self, folder: Path, bytes_a_second: float, pause: tuple[float, float]) -> None:
        """
        Args:
            pause: when nothing passes, in seconds: from, until.
        """
        self.now = 0.0
        self.sent_bytes = 0
        self._target = folder / "received.exr"
        self._rate, self._pause = bytes_a_second, pause
        self._free_at = 0.0
        self._under_way: list[tuple[float, int, Any]] = []
        self._number = 0
        self._incoming = IncomingFiles()

    def monotonic(self) -> float:
        return self.now

    def send_update(self, message: m.FileUpdate) -> None:
        self._free_at = max(self._free_at, self.now) + len(message.data) / self._rate
        if self._pause[0] <= self._free_at < self._pause[1]:
            self._free_at = self._pause[1]
        self.sent_bytes += len(message.data)
        self._push(self._free_at + 0.02, message)

    def run(self, files: FileUpload, until_s: float) -> float:
        """Run until the upload is idle; returns the longest time that a message waited for the link."""
        next_pump, longest_s = 0.0, 0.0
        while self.now < until_s and not files.is_idle:
            longest_s = max(longest_s, self._free_at - self.now)
            if self._under_way and self._under_way[0][0] <= next_pump:
                self.now, _, message = heapq.heappop(self._under_way)
                if isinstance(message, m.FileUpdate):
                    received, refused = self._incoming.take(self._target, message)
                    answer = m.StreamedOrder(attempt=ATTEMPT, path=TARGET, received=received, refused=refused)
                    self._push(self.now + 0.02, answer)
                else:
                    files.take(message)
            else:
                self.now = next_pump
                next_pump += 0.25
                files.pump()
        return longest_s

    @property
    def received(self) -> bytes:
        return self._target.read_bytes()

    def _push(self, at: float, message: object) -> None:
        self._number += 1
        heapq.heappush(self._under_way, (at, self._number, message))


@pytest.mark.parametrize(
    ("bytes_a_second", "pause"),
    [(2.5e6, (1.0, 5.0)), (2.5e6, (0.0, 4.0)), (2.5e6, (2.0, 30.0)), (75e3, (0.0, 0.0))],
    ids=["pause", "pause at the start", "long pause", "slow"],
)
def test_a_pause_costs_little_more_than_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bytes_a_second: float, pause: tuple[float, float]
) -> None:
    """Not many times the file: heartbeats wait behind it, and the Agent's lease would end."""
    link: Any = Link(tmp_path, bytes_a_second, pause)
    monkeypatch.setattr(upload, "time", link)
    content = bytes(range(256)) * (8 * 4096)  # 8 MiB
    (tmp_path / "made.exr").write_bytes(content)
    files = FileUpload("h:1", ATTEMPT, link)
    files.add(tmp_path / "made.exr", TARGET)
    longest_s = link.run(files, 400.0)
    assert files.arrived == [TARGET] and not files.refused
    assert link.received == content
    assert link.sent_bytes < len(content) + 8 * m.STREAM_PART_BYTES
    assert longest_s - (pause[1] - pause[0]) < 6 * m.STREAM_PART_BYTES / bytes_a_second


def test_an_answer_about_an_earlier_version_is_none_about_the_next(tmp_path: Path) -> None:
    """The file has grown or shrunk since; what was not sent has not arrived."""
    sent: list[Any] = []
    files = FileUpload("h:1", ATTEMPT, SimpleNamespace(send_update=sent.append))  # type: ignore[arg-type]
    (tmp_path / "made.exr").write_bytes(bytes(3 * m.STREAM_PART_BYTES))
    files.add(tmp_path / "made.exr", TARGET)
    files.take(m.StreamedOrder(attempt=ATTEMPT, path=TARGET, received=9 * m.STREAM_PART_BYTES))
    assert not files.arrived and files.under_way == (TARGET, 0)
    for part in (1, 2, 3):
        files.take(m.StreamedOrder(attempt=ATTEMPT, path=TARGET, received=part * m.STREAM_PART_BYTES))
    assert files.arrived == [TARGET] and [each.offset // m.STREAM_PART_BYTES for each in sent] == [0, 1, 2]


def test_a_log_that_is_not_acknowledged_is_sent_again_ever_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After 3, 6, 12 and 24 seconds, and after 3 again once all has arrived."""
    link: Any = Link(tmp_path, 1.0, (0.0, 0.0))
    monkeypatch.setattr(upload, "time", link)
    (tmp_path / "1.log").write_bytes(b"line\n")
    sent_at: list[float] = []
    wire: Any = SimpleNamespace(send_update=lambda _message: sent_at.append(link.now))
    log = LogUpload("h:1", ATTEMPT, tmp_path / "1.log", wire)
    while link.now < 75.0:
        log.pump()
        link.now += 0.5
    assert sent_at == [0.0, 3.5, 10.0, 22.5, 47.0, 71.5]
    log.take(m.StreamedOrder(attempt=ATTEMPT, received=5))
    (tmp_path / "1.log").write_bytes(b"line\nline\n")
    sent_at.clear()
    while link.now < 80.0:
        log.pump()
        link.now += 0.5
    log.close()
    assert sent_at == [75.0, 78.5]
