"""Files that hold keys."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from kq.own_files import write_private
from tests.support.small_disk import fill, small_disk


def test_a_private_file_is_written_byte_for_byte(tmp_path: Path) -> None:
    """For its owner alone, and in the place of what was there."""
    path = tmp_path / "client.json"
    for content in (b"one\ntwo\r\n\x1a\xff", b"three\n"):
        write_private(path, content)
        assert path.read_bytes() == content
    if sys.platform != "win32":
        assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_private_file_is_replaced_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As every client does that looks for a session; the reader has the old one whole."""
    path = tmp_path / "client.json"
    write_private(path, b"old")
    waited = []
    with path.open("rb") as reader:

        def read_on(seconds: float) -> None:
            waited.append(seconds)
            assert reader.read() == b"old"
            reader.close()

        monkeypatch.setattr(time, "sleep", read_on)
        write_private(path, b"new")
    assert path.read_bytes() == b"new"
    assert bool(waited) == (sys.platform == "win32")


@pytest.mark.skipif(sys.platform != "linux", reason="only there a disk can be mounted")
def test_a_full_disk_lets_no_private_file_be_written_through_a_link(tmp_path: Path) -> None:
    """There is no room for a second file, so the first is written over, if it is one."""
    (tmp_path / "other").write_text("not ours")
    with small_disk(tmp_path) as disk:
        write_private(disk / "client.json", b"before")
        (disk / "link").symlink_to(tmp_path / "other")
        fill(disk / "film")
        write_private(disk / "client.json", b"after")
        assert (disk / "client.json").read_bytes() == b"after"
        with pytest.raises(OSError, match="link"):
            write_private(disk / "link", b"over it")
    assert (tmp_path / "other").read_text() == "not ours"
