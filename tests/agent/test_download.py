"""A job's folder is fetched to a machine that does not share it, whatever becomes of what was kept there."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kq import messages as m
from kq.agent import download
from kq.agent.download import FolderDownload

OLD, NEW = b"fetched for an earlier job", b"of this job"


def entry(path: str, content: bytes) -> m.FolderEntry:
    return m.FolderEntry(
        path=path, size=len(content), digest=hashlib.sha256(content).hexdigest(), executable=False
    )


def test_what_another_agent_deletes_to_make_room_is_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Agents of one machine share what is kept, and each that starts deletes what was not used lately."""
    sent: list[m.FetchUpdate] = []
    wire: Any = SimpleNamespace(send_update=sent.append)
    store, target = tmp_path / "files", tmp_path / "job"
    files = (entry("old", OLD), entry("new", NEW))
    store.mkdir()
    (store / files[0].digest).write_bytes(OLD)
    os.utime(store / files[0].digest, (0, 0))
    fetch = FolderDownload("a1", "j/0/1", target, store, wire)
    fetch.start()
    listed = m.FolderOrder(attempt="j/0/1", first=0, files=files)
    fetch.take(listed)
    assert sent[-1].path == "new"  # the old one is kept

    monkeypatch.setattr(download, "_MAX_KEPT_BYTES", 0)
    FolderDownload("a2", "j/1/1", tmp_path / "other", store, wire).start()
    assert not (store / files[0].digest).exists()

    fetch.take(m.FilePartOrder(attempt="j/0/1", path="new", offset=0, data=NEW))
    assert not fetch.step() and (sent[-1].path, sent[-1].offset) == ("", 0)
    fetch.take(listed)
    assert sent[-1].path == "old"
    fetch.take(m.FilePartOrder(attempt="j/0/1", path="old", offset=0, data=OLD))
    assert fetch.step() and not fetch.failed
    assert {path.name: path.read_bytes() for path in target.iterdir()} == {"old": OLD, "new": NEW}


def test_a_virus_scanner_that_has_a_fetched_file_open_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows refuses to rename the file meanwhile."""
    refused: list[Path] = []
    replace = Path.replace

    def replace_as_windows(path: Path, to: Path) -> Path:
        if not refused:
            refused.append(path)
            raise PermissionError(13, "Access is denied", str(path))
        return replace(path, to)

    monkeypatch.setattr(Path, "replace", replace_as_windows)
    monkeypatch.setattr("kq.files.os", SimpleNamespace(name="nt"))
    wire: Any = SimpleNamespace(send_update=lambda _message: None)
    fetch = FolderDownload("a1", "j/0/1", tmp_path / "job", tmp_path / "files", wire)
    fetch.start()
    fetch.take(m.FolderOrder(attempt="j/0/1", first=0, files=(entry("new", NEW),)))
    fetch.take(m.FilePartOrder(attempt="j/0/1", path="new", offset=0, data=NEW))
    assert fetch.step() and not fetch.failed
    assert refused and (tmp_path / "job" / "new").read_bytes() == NEW


def test_a_file_that_another_agent_reads_is_neither_replaced_nor_deleted_on_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both fetch the files of one job at the same time, and one copies what the other gets, too."""
    monkeypatch.setattr(download, "_MAX_KEPT_BYTES", 0)
    store = tmp_path / "files"
    kept = store / entry("new", NEW).digest
    replace, unlink = Path.replace, Path.unlink

    def replace_as_windows(path: Path, to: Path) -> Path:
        if to == kept and kept.exists():
            raise PermissionError(13, "Access is denied", str(path))
        return replace(path, to)

    def unlink_as_windows(path: Path, missing_ok: bool = False) -> None:
        if path == kept:
            raise PermissionError(13, "The process cannot access the file", str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "replace", replace_as_windows)
    monkeypatch.setattr(Path, "unlink", unlink_as_windows)
    wire: Any = SimpleNamespace(send_update=lambda _message: None)
    both = [FolderDownload(each, "j/0/1", tmp_path / each, store, wire) for each in ("a1", "a2")]
    for fetch in both:
        fetch.start()
        fetch.take(m.FolderOrder(attempt="j/0/1", first=0, files=(entry("new", NEW),)))
    for fetch in both:
        fetch.take(m.FilePartOrder(attempt="j/0/1", path="new", offset=0, data=NEW))
        assert fetch.step() and not fetch.failed
    os.utime(kept, (0, 0))
    FolderDownload("a3", "j/1/1", tmp_path / "a3", store, wire).start()
    assert [(tmp_path / each / "new").read_bytes() for each in ("a1", "a2")] == [NEW, NEW]
    assert [path.name for path in store.iterdir()] == [kept.name]
