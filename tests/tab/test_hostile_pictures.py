"""Pictures that a render's log names to harm the desktop: the panel gives the reason, and nothing waits."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest
from katana_queue.kq.api import PictureReader
from katana_queue.plugins.Tabs.KatanaQueue.models import pictures
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QDesktopServices, QImage

from tests.support.hostile_pictures import HOSTILE, write_picture
from tests.tab.conftest import close_tab
from tests.tab.fake_queue import FakeQueue, make_job
from tests.tab.using import Settle, picture_file


def test_the_tab_names_the_reason_and_shows_the_next_picture(
    tab: Any, queue: FakeQueue, settle: Settle, tmp_path: Path
) -> None:
    """One after the other, as they come while jobs are selected."""
    queue.change([make_job(1)])
    tab.details.show_page("Picture")
    for number, (make, reason) in enumerate(HOSTILE.values()):
        (folder := tmp_path / str(number)).mkdir()
        hostile, good = make(folder), str(write_picture(folder / "good.png", 40 + number))
        queue.set("job000001", picture=hostile)
        settle(lambda reason=reason: reason in tab.picture.canvas._message)  # type: ignore[misc]
        assert hostile in tab.picture.canvas._message
        assert tab.pictures.thumbnail(hostile, 1.0) is None
        queue.set("job000001", picture=good)
        settle(lambda width=40 + number: f"{width} × 20" in tab.picture.title)  # type: ignore[misc]
        settle(lambda good=good: tab.pictures.thumbnail(good, 1.0) is not None)  # type: ignore[misc]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_restart_of_the_tab_does_not_wait_either(
    qtbot: Any, queue: FakeQueue, settle: Settle, tmp_path: Path, data_root: Any
) -> None:
    """The job with the picture is in the history still."""
    from katana_queue.plugins.Tabs.KatanaQueue.tab import KatanaQueueTab

    make, reason = HOSTILE["pipe"]
    queue.change([make_job(1, picture=make(tmp_path))])
    for _start in range(2):
        widget = KatanaQueueTab(None)
        qtbot.addWidget(widget)
        widget.attach(queue)
        widget.show()
        widget.details.show_page("Picture")
        settle(lambda tab=widget: reason in tab.picture.canvas._message)  # type: ignore[misc]
        close_tab(widget)


def suspended_helper(
    tab: Any, queue: FakeQueue, settle: Settle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[psutil.Process, threading.Event]:
    """The process of a tab that shows a thumbnail alone, and what is set when it has the next request."""
    path = picture_file(tmp_path / "first.png", Qt.GlobalColor.red)
    tab.details.show_page("Log")
    queue.change([make_job(1, picture=path)])
    settle(lambda: tab.pictures.thumbnail(path, 1.0) is not None)
    helper, requested, answer = (
        psutil.Process(tab.pictures._reader.pid),
        threading.Event(),
        PictureReader._answer,
    )

    def answer_of(*arguments: Any) -> Any:
        requested.set()
        return answer(*arguments)

    helper.suspend()
    monkeypatch.setattr(PictureReader, "_answer", answer_of)
    return helper, requested


def test_a_share_that_hangs_holds_up_pictures_alone(
    tab: Any, queue: FakeQueue, settle: Settle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list, and another job's log, go on. No share can be made to hang here: its reader is suspended."""
    helper, requested = suspended_helper(tab, queue, settle, tmp_path, monkeypatch)
    tab.details.show_page("Picture")
    settle(requested.is_set)
    log = tmp_path / "render.log"
    log.write_text("first line\n")
    queue.change([make_job(2, log_file=str(log))])
    settle(lambda: tab.log.view.line(0) is not None and tab.log.view.line(0).text == "first line")
    assert not tab.picture._loaded
    helper.resume()
    good = str(write_picture(tmp_path / "good.png"))
    queue.set("job000002", picture=good)
    settle(lambda: tab.pictures.thumbnail(good, 1.0) is not None)


def test_a_share_that_hangs_gives_way_to_the_picture_that_is_selected_next(
    tab: Any, queue: FakeQueue, settle: Settle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long before the time limit, which is never reached here."""
    helper, requested = suspended_helper(tab, queue, settle, tmp_path, monkeypatch)
    tab.pictures._reader._timeout_s = 1e6
    tab.details.show_page("Picture")
    settle(requested.is_set)
    queue.set("job000001", picture=str(write_picture(tmp_path / "good.png")))
    settle(lambda: "40 × 20" in tab.picture.title)
    assert not helper.is_running()


def test_the_panel_says_that_a_share_hangs(
    tab: Any, queue: FakeQueue, settle: Settle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the time is over. Then the next picture is shown."""
    helper, _requested = suspended_helper(tab, queue, settle, tmp_path, monkeypatch)
    tab.pictures._reader._timeout_s = 0.0
    tab.details.show_page("Picture")
    settle(lambda: "its folder did not respond" in tab.picture.canvas._message)
    tab.pictures._reader._timeout_s = 60.0
    queue.set("job000001", picture=str(write_picture(tmp_path / "good.png")))
    settle(lambda: "40 × 20" in tab.picture.title)
    assert not helper.is_running()


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no such signals")
def test_the_panel_says_how_the_process_ended(
    tab: Any, queue: FakeQueue, settle: Settle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the next picture is shown."""
    helper, requested = suspended_helper(tab, queue, settle, tmp_path, monkeypatch)
    tab.details.show_page("Picture")
    settle(requested.is_set)
    helper.send_signal(signal.SIGSEGV)
    helper.resume()
    settle(lambda: "ended by signal 11 (SIGSEGV)" in tab.picture.canvas._message)
    queue.set("job000001", picture=str(write_picture(tmp_path / "good.png")))
    settle(lambda: "40 × 20" in tab.picture.title)


def test_the_process_ends_when_no_picture_was_read_for_some_time(
    tab: Any, queue: FakeQueue, settle: Settle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And starts again with the next one."""
    monkeypatch.setattr(pictures, "IDLE_S", 0.05)
    queue.change([make_job(1, picture=picture_file(tmp_path / "first.png", Qt.GlobalColor.red))])
    tab.details.show_page("Picture")
    settle(lambda: "×" in tab.picture.title)
    settle(lambda: tab.pictures._reader.pid is None)
    queue.set("job000001", picture=str(write_picture(tmp_path / "good.png")))
    settle(lambda: "40 × 20" in tab.picture.title)


def test_thumbnail_and_picture_have_the_colours_of_the_file(
    tab: Any, queue: FakeQueue, settle: Settle, tmp_path: Path
) -> None:
    """Opaque, and half transparent."""
    paths = [tmp_path / "opaque.png", tmp_path / "clear.png"]
    colours = QColor(255, 100, 0), QColor(255, 100, 0, 128)
    for path, colour in zip(paths, colours, strict=True):
        image = QImage(96, 44, QImage.Format.Format_ARGB32)
        image.fill(colour)
        assert image.save(str(path))
    queue.change([make_job(1, picture=str(paths[0]))])
    tab.details.show_page("Picture")
    for path, colour in zip(paths, colours, strict=True):
        queue.set("job000001", picture=str(path))
        settle(lambda path=path: tab.pictures.thumbnail(str(path), 1.0) is not None)  # type: ignore[misc]
        settle(lambda path=path: str(path) in tab.picture._loaded)  # type: ignore[misc]
        for pixmap in (tab.pictures.thumbnail(str(path), 1.0), tab.picture._loaded[str(path)]):
            shown = pixmap.toImage().pixelColor(4, 4)
            assert shown.alpha() == colour.alpha()
            assert abs(shown.red() - colour.red()) + abs(shown.green() - colour.green()) <= 2


@pytest.mark.parametrize("name", ["run.exe", "run.PNG.bat", "start.desktop", "vector.svg", "beauty", ".png"])
def test_open_picture_opens_nothing_but_pictures(
    tab: Any, queue: FakeQueue, settle: Settle, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The system runs what a program is by its name; an EXR is opened though its picture cannot be shown."""
    opened: list[str] = []
    monkeypatch.setattr(
        QDesktopServices, "openUrl", lambda url: bool(opened.append(url.toLocalFile())) or True
    )
    queue.change([make_job(1, picture=f"/pics/{name}")])
    settle(lambda: tab.actions_of_jobs.open_picture.isEnabled())
    tab.actions_of_jobs.open_picture.trigger()
    assert not opened and f"/pics/{name}" in tab.notice.text()
    queue.set("job000001", picture="/pics/a.####.EXR")
    settle(lambda: tab.model.job("job000001").picture.endswith("EXR"))
    tab.actions_of_jobs.open_picture.trigger()
    assert opened == ["/pics/a.####.EXR"]


def test_a_thumbnail_that_was_dropped_while_it_was_read_is_read_again(
    qtbot: Any, settle: Settle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a quick scroll through thousands of jobs: its row comes into sight again later."""
    monkeypatch.setattr(pictures, "MAX_KEPT", 1)
    loader = pictures.PictureLoader()
    path = picture_file(tmp_path / "first.png", Qt.GlobalColor.red)
    other = picture_file(tmp_path / "other.png", Qt.GlobalColor.blue)
    first_is_read = threading.Event()
    read = loader._reader.read

    def slow_read(asked: str, **how: Any) -> Any:
        picture = read(asked, **how)
        if asked == path and not first_is_read.is_set():
            first_is_read.set()
            assert dropped.wait(60)
        return picture

    dropped = threading.Event()
    monkeypatch.setattr(loader._reader, "read", slow_read)
    try:
        assert loader.thumbnail(path, 1.0) is None
        assert first_is_read.wait(60)
        assert loader.thumbnail(other, 1.0) is None  # drops the first one
        dropped.set()
        settle(lambda: loader.thumbnail(other, 1.0) is not None)
        settle(lambda: loader.thumbnail(path, 1.0) is not None)
    finally:
        dropped.set()
        loader.close()
        assert loader.wait(60)


def test_a_whole_picture_comes_before_thumbnails(
    qtbot: Any, settle: Settle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The artist waits for it, while thumbnails of rows that have scrolled by are many."""
    loader = pictures.PictureLoader()
    paths = [picture_file(tmp_path / f"{n}.png", Qt.GlobalColor.red) for n in range(4)]
    is_asked, may_read, read = threading.Event(), threading.Event(), loader._reader.read
    order: list[str] = []

    def in_order(asked: str, **how: Any) -> Any:
        order.append(asked)
        is_asked.set()
        assert may_read.wait(60)
        return read(asked, **how)

    monkeypatch.setattr(loader._reader, "read", in_order)
    try:
        loader.thumbnail(paths[0], 1.0)
        assert is_asked.wait(60)
        loader.load_picture(paths[1])
        for path in paths[2:]:
            loader.thumbnail(path, 1.0)
        may_read.set()
        settle(lambda: len(order) == 4)
        assert order == [paths[0], paths[1], paths[3], paths[2]]
    finally:
        may_read.set()
        loader.close()
        assert loader.wait(60)
