"""Files that come from other machines part by part: byte for byte, in one step, whoever reads meanwhile."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest

from kq import messages as m
from kq.server.stream_files import IncomingFiles, append_log

_BYTES = b"one\ntwo\r\nthree\r\x1a\x00\xff\n"
"""What Windows would change, or take for an end, in a file of text."""


def test_a_log_grows_by_what_was_sent(tmp_path: Path) -> None:
    """Its length is what is told as received; what came twice is there once, and a gap is not bridged."""
    log = tmp_path / "job" / "0.log"
    assert append_log(log, 0, _BYTES) == len(_BYTES)
    assert append_log(log, 0, _BYTES) == len(_BYTES)
    assert append_log(log, len(_BYTES) + 1, b"late") == len(_BYTES)
    assert append_log(log, len(_BYTES), _BYTES) == 2 * len(_BYTES)
    assert log.read_bytes() == 2 * _BYTES


def part(content: bytes, offset: int, data: bytes) -> m.FileUpdate:
    digest = hashlib.sha256(content).hexdigest()
    return m.FileUpdate(
        agent="farm:1",
        attempt="job/0/1",
        path="p",
        offset=offset,
        data=data,
        size=len(content),
        digest=digest,
    )


def test_a_file_appears_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over one that somebody reads at that moment, too."""
    target = tmp_path / "beauty.png"
    target.write_bytes(b"old")
    files = IncomingFiles()
    assert files.take(target, part(_BYTES, 0, _BYTES[:5])) == (5, "")
    assert target.read_bytes() == b"old"
    reader = target.open("rb")
    monkeypatch.setattr(time, "sleep", lambda _s: reader.close())  # it reads on until it is waited for
    assert files.take(target, part(_BYTES, 5, _BYTES[5:])) == (len(_BYTES), "")
    reader.close()
    assert target.read_bytes() == _BYTES
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_that_cannot_take_its_place_leaves_nothing(tmp_path: Path) -> None:
    """No half file stays beside its target."""
    (tmp_path / "beauty.png" / "a folder").mkdir(parents=True)
    files = IncomingFiles()
    with pytest.raises(OSError, match="beauty"):
        files.take(tmp_path / "beauty.png", part(_BYTES, 0, _BYTES))
    assert [path.name for path in tmp_path.iterdir()] == ["beauty.png"]
