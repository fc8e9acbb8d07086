"""Pictures that harm the desktop that opens them: the Monitor gives the reason, and goes on."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QSize
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from host.app import picture_watch, render_pictures
from host.app.picture_file import PictureError, decode_picture, read_picture
from host.app.picture_watch import PictureWatcher
from host.Katana.Utils import EventModule
from tests.host.conftest import MakeDesktop
from tests.host.driving import monitor, open_small
from tests.host.test_monitor import rendered
from tests.support.hostile_pictures import HOSTILE, announce_size, png_of, truncated_tiff, write_picture


def test_the_monitor_names_the_reason_and_shows_the_next_picture(
    make_desktop: MakeDesktop, qtbot: QtBot, tmp_path: Path
) -> None:
    """One after the other, as a queue's tab selects jobs that have them."""
    make_desktop()
    for number, (make, reason) in enumerate(HOSTILE.values()):
        (folder := tmp_path / str(number)).mkdir()
        hostile, good = make(folder), str(write_picture(folder / "good.png"))
        for job, picture in (("hostile", hostile), ("good", good)):
            EventModule.QueueEvent(
                "katana_queue_job_selected", 1, jobId=f"{job}{number}", picture=picture, name="beauty"
            )
            EventModule.ProcessAllEvents()
            if job == "hostile":
                qtbot.waitUntil(lambda reason=reason: reason in monitor().view.notice)  # type: ignore[misc]
                assert hostile in monitor().view.notice and monitor().view.image.isNull()
            else:
                qtbot.waitUntil(lambda: monitor().view.image.width() == 40)


def test_a_file_that_fails_is_read_again_when_it_changes_alone(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a GiB that is no picture must not be read seven times a second for as long as it is selected."""
    reads: list[str] = []

    def counting(path: str) -> Any:
        reads.append(path)
        return read_picture(path)

    monkeypatch.setattr(picture_watch, "read_picture", counting)
    path = tmp_path / "a.png"
    path.write_bytes(b"something else")
    watcher = PictureWatcher()
    try:
        watcher.follow(path)
        qtbot.waitUntil(lambda: len(reads) == picture_watch._READS)
        with qtbot.assertNotEmitted(watcher.picture_failed, wait=500):
            pass
        assert len(reads) == picture_watch._READS
        with qtbot.waitSignal(watcher.picture_loaded):
            write_picture(path)
    finally:
        watcher.close()


def test_a_renders_own_hostile_file_harms_neither_catalog_nor_end(
    make_desktop: MakeDesktop, qtbot: QtBot, tmp_path: Path
) -> None:
    """It is read on another thread than the Monitor's, which the end of the desktop waits for."""
    desktop = make_desktop()
    open_small(desktop)
    render = rendered(desktop, qtbot)
    changed: list[int] = []
    desktop.pictures.picture_changed.connect(changed.append)
    for number, (make, _reason) in enumerate(HOSTILE.values()):
        (folder := tmp_path / str(number)).mkdir()
        desktop.pictures._files.put((render.sequence_id, Path(make(folder)), 0.0))
    good = write_picture(tmp_path / "good.png")
    desktop.pictures._files.put((render.sequence_id, good, 0.0))
    qtbot.waitUntil(lambda: bool(changed), timeout=60_000)
    assert len(changed) == 1
    assert desktop.pictures.image(render.sequence_id).size() == QSize(40, 20)


def test_a_share_that_hangs_does_not_keep_the_desktop_from_closing(
    make_desktop: MakeDesktop, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share cannot be made to hang here: reading the file is a fake."""
    hangs, answers = threading.Event(), threading.Event()

    def hanging(_path: str) -> Any:
        hangs.set()
        answers.wait(50)
        raise PictureError("it was gone")

    monkeypatch.setattr(render_pictures, "read_picture", hanging)
    monkeypatch.setattr(render_pictures, "_JOIN_S", 0.1)
    desktop = make_desktop()
    desktop.pictures._files.put((1, write_picture(tmp_path / "a.png"), 0.0))
    try:
        qtbot.waitUntil(hangs.is_set)
        desktop.close()
        assert desktop.pictures._reader.is_alive()
    finally:
        answers.set()
        desktop.pictures._reader.join(60)


def test_a_picture_that_is_sent_has_the_same_limits() -> None:
    """Over a render's connection come bytes, not a file."""
    with pytest.raises(PictureError, match="60,000 x 60,000"):
        decode_picture(png_of(60_000, 60_000))


@pytest.mark.qt_log_ignore("directory")  # what libtiff says
def test_a_truncated_tiff_is_refused(tmp_path: Path) -> None:
    """Its decoder uses the bytes while it ends."""
    with pytest.raises(PictureError, match="damaged"):
        read_picture(truncated_tiff(tmp_path))


@pytest.mark.parametrize("size", [0, 5, 30])
def test_no_more_is_read_than_the_size_that_was_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Files of /proc have none, and go on; others may grow after the check."""
    path = write_picture(tmp_path / "a.png")
    announce_size(monkeypatch, size)
    with pytest.raises(PictureError, match="damaged"):
        read_picture(str(path))


def test_too_little_memory_for_one_picture_leaves_the_next(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that reads pictures goes on after any error, which is shown."""

    def read(path: str) -> QImage:
        if path.endswith("large.exr"):
            raise MemoryError
        return QImage(2, 2, QImage.Format.Format_RGB32)

    monkeypatch.setattr("host.app.picture_watch.read_picture", read)
    large, small = tmp_path / "large.exr", tmp_path / "small.png"
    large.touch()
    small.touch()
    watcher = PictureWatcher()
    try:
        with qtbot.waitSignal(watcher.picture_failed, timeout=60_000) as failed:
            watcher.follow(large)
        assert failed.args == ["MemoryError", str(large)]
        with qtbot.waitSignal(watcher.picture_loaded, timeout=60_000):
            watcher.follow(small)
    finally:
        watcher.close()
