"""Pictures that a render's log names to harm the desktop: each gets a reason, and nothing waits."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy
import OpenImageIO as oiio  # noqa: N813
import pytest
from katana_queue.plugins.Tabs.KatanaQueue.models.picture_file import PictureError, read_picture
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QDesktopServices, QImage

from tests.support.hostile_pictures import HOSTILE, announce_size, truncated_tiff, write_picture
from tests.tab.conftest import close_tab
from tests.tab.fake_queue import FakeQueue, make_job
from tests.tab.using import Settle

SHOWN = ("png", "jpg", "bmp", "ppm", "tga", "tif")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", HOSTILE)
def test_the_tab_names_the_reason_and_shows_the_next_picture(
    tab: Any, queue: FakeQueue, settle: Settle, tmp_path: Path, name: str
) -> None:
    """In the picture panel; the thread goes on."""
    make, reason = HOSTILE[name]
    hostile, good = make(tmp_path), str(write_picture(tmp_path / "good.png"))
    queue.change([make_job(1, picture=hostile)])
    tab.details.show_page("Picture")
    settle(lambda: reason in tab.picture.canvas._message)
    assert hostile in tab.picture.canvas._message
    assert tab.pictures.thumbnail(hostile, 1.0) is None
    queue.set("job000001", picture=good)
    settle(lambda: "40 × 20" in tab.picture.title)
    settle(lambda: tab.pictures.thumbnail(good, 1.0) is not None)


@pytest.mark.timeout(60)
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


@pytest.mark.timeout(60)
def test_a_share_that_hangs_holds_up_pictures_alone(
    tab: Any, queue: FakeQueue, settle: Settle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list, and another job's log, go on. A share cannot be made to hang here: its `stat` is a fake."""
    real, hangs, answers = os.stat, threading.Event(), threading.Event()

    def hanging(path: Any, *rest: Any, **named: Any) -> os.stat_result:
        if path == "/share/a.png":
            hangs.set()
            answers.wait(50)
        return real(path, *rest, **named)

    monkeypatch.setattr(os, "stat", hanging)
    log = tmp_path / "render.log"
    log.write_text("first line\n")
    try:
        queue.change([make_job(1, picture="/share/a.png")])
        tab.details.show_page("Picture")
        settle(hangs.is_set)
        queue.change([make_job(2, log_file=str(log))])
        settle(lambda: tab.log.view.line(0) is not None and tab.log.view.line(0).text == "first line")
    finally:
        answers.set()


@pytest.mark.timeout(60)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the check and the opening."""
    real, path = os.stat, write_picture(tmp_path / "a.png")

    def swapping(name: Any, *rest: Any, **named: Any) -> os.stat_result:
        status = real(name, *rest, **named)
        if name == str(path):
            path.unlink()
            os.mkfifo(path)
        return status

    monkeypatch.setattr(os, "stat", swapping)
    with pytest.raises(PictureError, match="not a regular file"):
        read_picture(str(path))


@pytest.mark.timeout(60)
def test_a_file_that_grows_is_read_as_long_as_it_was(tmp_path: Path) -> None:
    """Each read finds more: a reader that goes on to the end never comes back."""
    path = write_picture(tmp_path / "a.png", 900, 700)
    grow = path.open("ab", buffering=0)
    ends = threading.Event()

    def write() -> None:
        written = 0
        while not ends.is_set() and written < 300 << 20:
            written += grow.write(bytes(1 << 20))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert read_picture(str(path)).size() == QSize(900, 700)
    finally:
        ends.set()
        writer.join()
        grow.close()


@pytest.mark.parametrize("form", SHOWN)
def test_a_format_is_told_by_content_whatever_the_name(tmp_path: Path, form: str) -> None:
    """Those that renderers write."""
    image = QImage(30, 20, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.blue)
    path = tmp_path / "picture.exr"
    if form == "tga":  # Qt reads it and does not write it
        oiio_picture = oiio.ImageBuf(oiio.ImageSpec(30, 20, 3, oiio.UINT8))
        assert oiio.ImageBufAlgo.fill(oiio_picture, (0.0, 0.0, 1.0)) and oiio_picture.write(
            str(path), "", "tga"
        )
    else:
        assert image.save(str(path), form)
    shown = read_picture(str(path))
    assert shown.size() == QSize(30, 20)
    assert shown.pixelColor(3, 3).blue() > 250 > 10 > shown.pixelColor(3, 3).red()
    assert read_picture(str(path), QSize(15, 15)).size() == QSize(15, 10)


def test_a_narrow_picture_has_a_thumbnail(tmp_path: Path) -> None:
    """Of one row or column at least."""
    path = write_picture(tmp_path / "a.png", 3000, 1)
    assert read_picture(str(path), QSize(48, 22)).size() == QSize(48, 1)


@pytest.mark.timeout(60)
def test_an_exr_that_announces_too_much_is_refused(tmp_path: Path) -> None:
    """Its display window counts, too: what is shown is as large as that."""
    form = oiio.ImageSpec(8, 8, 3, oiio.HALF)
    form.full_width = form.full_height = 60_000
    picture = oiio.ImageBuf(form)
    assert picture.set_pixels(oiio.ROI(), numpy.ones((8, 8, 3), numpy.float32))
    path = tmp_path / "a.exr"
    assert picture.write(str(path)), picture.geterror()
    with pytest.raises(PictureError, match="60,000 x 60,000"):
        read_picture(str(path), QSize(48, 22))


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
