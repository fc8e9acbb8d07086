"""The Monitor shows the picture of what its header names, or an empty state; it compares two pictures."""

from __future__ import annotations

import errno
import logging
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio  # noqa: N813  # the alias that its documentation uses
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from host.app import failure_reason, picture_watch, style
from host.app.catalog_model import Column
from host.app.catalog_tab import CatalogTab
from host.app.desktop import Desktop
from host.app.monitor import _NONE, _READING
from host.app.picture_file import PictureError, read_picture
from host.app.picture_view import _BACKGROUND, Compare, PictureView, difference
from host.app.render_state import Phase, Render
from host.Katana import CatalogAPI, KatanaFile
from host.Katana.UI4.App import Tabs
from host.Katana.Utils import EventModule
from host.nodes.scene import active_scene
from host.render_service import RenderMethod
from tests.host.conftest import MakeDesktop
from tests.host.driving import WAIT_MS, graph_tab, monitor, open_small, trigger_preview


def rendered(desktop: Desktop, qtbot: QtBot, node: str = "Render") -> Render:
    """Render a preview to its end, and wait for its picture."""
    trigger_preview(node)
    render = desktop.renders.renders[-1]
    qtbot.waitUntil(lambda: render.ended and monitor().settled, timeout=WAIT_MS)
    assert render.phase is Phase.COMPLETED, render.reason
    return render


def catalog() -> CatalogTab:
    tab = Tabs.FindTopTab("Catalog")
    assert isinstance(tab, CatalogTab)
    return tab


def test_a_preview_sends_its_picture_and_names_what_it_is_of(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """Over -host, without -renderOutputFile, to Monitor and Catalog; the header has what tells two apart."""
    desktop = make_desktop()
    open_small(desktop, samples=3)
    render = rendered(desktop, qtbot)
    assert desktop.pictures.is_streamed(render.sequence_id)
    assert (monitor().view.image.width(), monitor().view.image.height()) == (32, 18)
    header = monitor().header
    for fact in ("denoised", "Render", "frame 1", "/World/Front", "3 samples", "Completed"):
        assert fact in header
    item = CatalogAPI.FindCatalogItemBySequenceID(render.sequence_id)
    assert item is not None
    thumbnail = item.getThumbnailPixmap()
    assert thumbnail is not None and thumbnail.width() > 0
    assert item.getRenderProgress() == (3, 3)


def test_nothing_of_an_earlier_picture_is_left_under_another_header(
    make_desktop: MakeDesktop, qtbot: QtBot, tmp_path: Path
) -> None:
    """Refused, cancelled, another scene, a job without a picture: each an empty state that says so."""
    desktop = make_desktop()
    open_small(desktop)
    first = rendered(desktop, qtbot)
    monitor().view.pixel_hovered.emit("x 1  y 1")
    farm = next(
        action.menu()
        for action in graph_tab().build_node_menu(active_scene().graph.node("Render")).actions()
        if action.text() == "Local Farm"
    )
    assert isinstance(farm, QMenu)
    farm.actions()[2].trigger()  # Disk Render, without an Output
    assert desktop.renders.renders[-1].phase is Phase.REFUSED
    assert monitor().view.image.isNull()
    assert monitor().view.notice == _NONE[Phase.REFUSED]
    assert not monitor()._zoom.text() and not monitor()._pixel.text()

    active_scene().graph.node("RenderSettings").set_value("samples", 20000)
    trigger_preview("Render")
    third = desktop.renders.renders[-1]
    assert monitor().view.image.isNull()
    desktop.renders.cancel(third)
    qtbot.waitUntil(lambda: third.ended, timeout=WAIT_MS)
    assert monitor().view.image.isNull() and "cancelled" in monitor().view.notice
    assert "Cancelled" in monitor().header

    EventModule.QueueEvent("katana_queue_job_selected", 1, jobId=first.job_id, picture="")
    qtbot.waitUntil(lambda: not monitor().view.image.isNull())
    EventModule.QueueEvent("katana_queue_job_selected", 1, jobId="other", picture="", name="Key light")
    qtbot.waitUntil(lambda: "Key light" in monitor().header)
    assert monitor().view.image.isNull() and monitor().shown_render is None

    EventModule.QueueEvent("katana_queue_job_selected", 1, jobId=first.job_id, picture="")
    qtbot.waitUntil(lambda: not monitor().view.image.isNull())
    KatanaFile.New()
    assert monitor().view.image.isNull() and not monitor().header


def test_a_disk_render_does_not_show_the_file_of_the_one_before(
    make_desktop: MakeDesktop, qtbot: QtBot, tmp_path: Path
) -> None:
    """What was at Output already is not this render's picture; its own file is shown where none is sent."""
    desktop = make_desktop()
    desktop.pixels.admit = lambda sequence_id: "none"  # type: ignore[method-assign]  # as from another machine
    open_small(desktop)
    output = tmp_path / "shot.png"
    old = QImage(7, 5, QImage.Format.Format_RGB32)
    old.fill(Qt.GlobalColor.green)
    assert old.save(str(output))
    node = active_scene().graph.node("Render")
    node.set_value("output", str(output))
    seen: list[int] = []
    desktop.pictures.picture_changed.connect(lambda _number: seen.append(monitor().view.image.width()))
    farm = next(a.menu() for a in graph_tab().build_node_menu(node).actions() if a.text() == "Local Farm")
    assert isinstance(farm, QMenu)
    farm.actions()[2].trigger()
    render = desktop.renders.renders[-1]
    qtbot.waitUntil(lambda: render.ended and monitor().view.image.width() == 32, timeout=WAIT_MS)
    assert not desktop.pictures.is_streamed(render.sequence_id)
    assert 7 not in seen


def select(**arguments: Any) -> None:
    """Send the event of a farm plug-in's tab that another row is selected, or that it has changed."""
    EventModule.QueueEvent("katana_queue_job_selected", 1, **arguments)
    EventModule.ProcessAllEvents()


def test_a_selected_task_shows_its_own_picture(
    make_desktop: MakeDesktop, qtbot: QtBot, tmp_path: Path
) -> None:
    """Of a job of this session, too: a task has a picture, a name and a state of its own."""
    desktop = make_desktop()
    open_small(desktop)
    render = rendered(desktop, qtbot)
    pictures = {7: tmp_path / "task7.png", 8: tmp_path / "task8.png"}
    for frame, picture in pictures.items():
        image = QImage(4 * frame, 20, QImage.Format.Format_RGB32)
        image.fill(Qt.GlobalColor.blue)
        assert image.save(str(picture))

    def select_frame(frame: int, state: str) -> None:
        name, picture = f"Render, frame {frame}", str(pictures.get(frame, ""))
        select(jobId=render.job_id, task=frame, name=name, picture=picture, state=state)

    select_frame(7, "Completed")
    qtbot.waitUntil(lambda: monitor().view.image.width() == 28)
    for part in ("Render, frame 7", "task7.png", f"{render.samples} sample", Phase.COMPLETED.value):
        assert part in monitor().header
    trigger_preview("Render")
    newer = desktop.renders.renders[-1]
    assert monitor().shown_render is newer
    select_frame(7, "Cancelled")  # the selected task has changed; nothing else was selected
    assert monitor().shown_render is newer
    select_frame(8, "Running")  # another task of the same job was
    qtbot.waitUntil(lambda: monitor().view.image.width() == 32 and "task8.png" in monitor().header)
    assert monitor().shown_render is None and Phase.RUNNING.value in monitor().header
    select_frame(9, "Waiting")
    assert monitor().view.image.isNull() and "Render, frame 9" in monitor().header
    qtbot.waitUntil(lambda: newer.ended, timeout=WAIT_MS)


def test_a_pinned_picture_stays_while_other_jobs_are_selected(
    make_desktop: MakeDesktop, qtbot: QtBot
) -> None:
    """A queue's tab selects each new job by itself. A pinned job of another session shows its new state."""
    desktop = make_desktop()
    open_small(desktop)
    pinned = rendered(desktop, qtbot)
    desktop.window.open_tab("Catalog")
    catalog().pin.setChecked(True)
    trigger_preview("Render")
    newer = desktop.renders.renders[-1]
    qtbot.waitUntil(lambda: newer.ended, timeout=WAIT_MS)
    for task in (None, 0):
        select(jobId=newer.job_id, task=task, name="Render", picture="", state="Running")
        assert monitor().shown_render is pinned
    catalog().pin.setChecked(False)
    select(jobId=newer.job_id, task=0, name="Render", picture="", state="Completed")  # changed, not selected
    assert monitor().shown_render is pinned
    farm = {"jobId": "farm1", "task": None, "name": "Key"}
    select(**farm, picture="", state="Running")
    assert monitor().shown_render is None and Phase.RUNNING.value in monitor().header
    catalog().pin.setChecked(True)
    select(**farm, picture="", state="Completed")
    assert Phase.COMPLETED.value in monitor().header
    _show(CatalogAPI.kPrimaryView, newer)  # the artist's choice
    qtbot.waitUntil(lambda: monitor().shown_render is newer)


def test_a_selected_job_that_is_no_render_of_this_session_has_its_state(
    make_desktop: MakeDesktop, qtbot: QtBot, tmp_path: Path
) -> None:
    """In the header and in place of a picture: one that failed has none yet to come; its reason is shown."""
    make_desktop()
    name, farm = "Key, frame 3", {"jobId": "farm1", "task": None, "name": "Key, frame 3"}
    select(**farm, picture="", state="Running", reason="")
    assert name in monitor().header and Phase.RUNNING.value in monitor().header
    to_come = monitor().view.notice
    select(**farm, picture="", state="Completed", reason="")
    assert name in to_come and name in monitor().view.notice
    assert monitor().view.notice != to_come  # for there is none to come
    select(**farm, picture="", state="Failed", reason="exit code 3")
    assert Phase.FAILED.value in monitor().header and monitor().view.notice == _NONE[Phase.FAILED]
    assert "exit code 3" in monitor().message
    picture = tmp_path / "key.png"
    image = QImage(40, 20, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.blue)
    image.setText("camera", "/World/Front")  # as renderboot does
    image.setText("samples", "16")
    assert image.save(str(picture))
    select(**farm, picture=str(picture), state="Running", reason="")
    assert not monitor().message
    qtbot.waitUntil(lambda: monitor().view.image.width() == 40)
    assert "key.png, /World/Front, 16 samples" in monitor().header
    select(**farm, picture=str(picture), state="Completed", reason="")
    assert Phase.COMPLETED.value in monitor().header and monitor().view.image.width() == 40


def test_state_and_messages_are_drawn_again_in_another_palette(make_desktop: MakeDesktop) -> None:
    """A green made for a dark ground is hardly seen on a light one."""
    desktop = make_desktop()
    select(jobId="farm1", task=None, name="Key", picture="", state="Failed", reason="exit code 3")
    logging.getLogger("Katana").error("The file is gone.")
    desktop.window.open_tab("Messages")
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    before = style.BAD.name()
    try:
        style.apply(application, style.Palette.LIGHT)
        for html in (monitor()._state.text(), Tabs.FindTopTab("Messages")._text.document().toHtml()):
            assert style.BAD.name() in html and before not in html
    finally:
        style.apply(application)


def test_two_items_are_compared_in_the_monitor(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """One in front, one behind: a wipe whose line is dragged; a pinned Monitor keeps what it shows."""
    desktop = make_desktop()
    desktop.window.open_tab("Catalog")
    open_small(desktop)
    first = rendered(desktop, qtbot)
    second = rendered(desktop, qtbot, "RenderSettings")
    tab = catalog()
    qtbot.waitUntil(lambda: tab.model.rowCount() == 2)
    assert [tab.model.index(row, Column.NODE).data() for row in range(2)] == ["RenderSettings", "Render"]
    [back] = [
        action for action in tab.build_menu([tab.model.item(1)]).actions() if "Compare" in action.text()
    ]
    assert not tab.end_compare.isEnabled()
    qtbot.waitUntil(lambda: tab.selected_items() == [tab.model.item(0)])  # what the Monitor shows
    back.trigger()
    view = monitor().view
    qtbot.waitUntil(tab.end_compare.isEnabled)
    qtbot.waitUntil(lambda: view.compare is Compare.WIPE)
    line = QPoint(round(view.width() / 2), round(view.height() / 2))
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=line)
    qtbot.mouseMove(view, line + QPoint(40, 0))
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=line + QPoint(40, 0))
    assert view.wipe > 0.5
    tab.pin.setChecked(True)
    trigger_preview("Render")
    third = desktop.renders.renders[-1]
    assert monitor().shown_render is second
    qtbot.waitUntil(lambda: third.ended, timeout=WAIT_MS)
    CatalogAPI.SetClientCatalogItem(
        CatalogAPI.GetPrimaryClientKey(),
        CatalogAPI.kPrimaryView,
        CatalogAPI.FindCatalogItemBySequenceID(first.sequence_id),
    )
    qtbot.waitUntil(lambda: monitor().shown_render is first)
    tab.end_compare.click()
    qtbot.waitUntil(lambda: view.compare is Compare.FRONT)


def _show(view: int, render: Render) -> None:
    item = CatalogAPI.FindCatalogItemBySequenceID(render.sequence_id)
    CatalogAPI.SetClientCatalogItem(CatalogAPI.GetPrimaryClientKey(), view, item)


def test_a_picture_that_was_dropped_from_memory_is_read_again(
    make_desktop: MakeDesktop, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """For both views, as long as its file is there; later pictures leave what is chosen for comparing.

    What is deleted from the Catalog takes no memory. What cannot be read is named, once the file was tried.
    """
    monkeypatch.setattr("host.app.render_pictures._MAX_BYTES", 1)  # one picture
    desktop = make_desktop()
    open_small(desktop)
    first, second = rendered(desktop, qtbot), rendered(desktop, qtbot)
    pictures, view = desktop.pictures, monitor().view
    assert pictures.is_streamed(first.sequence_id)
    _show(CatalogAPI.kSecondaryView, first)
    qtbot.waitUntil(lambda: view.compare is Compare.WIPE, timeout=WAIT_MS)
    monitor()._compare.activated.emit(list(Compare).index(Compare.FRONT))
    image = pictures.image(first.sequence_id)
    pictures._put(first.sequence_id, image, image)  # as a live render does
    assert view.compare is Compare.FRONT
    pictures._put(second.sequence_id, image, image)
    may_read = threading.Event()

    def slowly(path: str) -> QImage:
        assert may_read.wait(60)
        return read_picture(path)

    for module in ("picture_watch", "render_pictures"):
        monkeypatch.setattr(f"host.app.{module}.read_picture", slowly)
    _show(CatalogAPI.kPrimaryView, first)
    qtbot.waitUntil(lambda: monitor().shown_render is first, timeout=WAIT_MS)
    assert view.image.isNull() and view.notice == _READING
    may_read.set()
    qtbot.waitUntil(lambda: not view.image.isNull(), timeout=WAIT_MS)
    CatalogAPI.DeleteCatalogItems(
        item for item in CatalogAPI.GetCatalogItems() if item.getMainSequenceID() == first.sequence_id
    )
    qtbot.waitUntil(lambda: first.sequence_id not in pictures._images, timeout=WAIT_MS)
    pictures._file_read.emit(first.sequence_id, image, image)  # of a file that was being read
    assert first.sequence_id not in pictures._images
    assert second.picture_file is not None
    os.utime(second.picture_file, (1, 1))
    _show(CatalogAPI.kPrimaryView, second)
    qtbot.waitUntil(lambda: picture_watch._OLDER in view.notice, timeout=WAIT_MS)
    second.picture_file.unlink()
    desktop.renders.render_changed.emit(second)
    qtbot.waitUntil(lambda: os.strerror(errno.ENOENT) in view.notice, timeout=WAIT_MS)
    assert str(second.picture_file) in view.notice
    assert "has been deleted" not in caplog.text  # the item of the back view


def test_a_dropped_picture_is_read_again_from_the_file_of_the_render_that_wrote_it_last(
    make_desktop: MakeDesktop, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also where it was asked for before that render ended, and the end of an earlier one is found later."""
    monkeypatch.setattr("host.app.render_pictures._MAX_BYTES", 1)  # one picture
    desktop = make_desktop()
    pictures, image, file = desktop.pictures, QImage(2, 2, QImage.Format.Format_RGB32), tmp_path / "a.png"
    image.fill(Qt.GlobalColor.red)
    assert image.save(str(file))
    earlier, later = (
        Render("Key", "Farm", RenderMethod.PREVIEW, 1.0, number, asked_at, picture=file)
        for number, asked_at in ((101, 1.0), (102, 2.0))
    )
    pictures._on_picture_received(102, image, image)
    pictures._on_picture_received(103, image, image)
    assert pictures.image(102).isNull()
    for render in (later, earlier):
        render.phase = Phase.COMPLETED
        desktop.renders.render_changed.emit(render)
    with qtbot.waitSignal(pictures.picture_changed, timeout=WAIT_MS) as changed:
        pictures.image(102)
    assert changed.args == [102] and pictures.image(101).isNull()


def test_the_reason_of_a_crash_is_no_warning_and_no_progress(tmp_path: Path) -> None:
    """A log that names no failure is said to name none."""
    log = tmp_path / "log"
    log.write_text(
        "WARNING: texture a.png not found\nscene translated\nALF_PROGRESS 25%\nkq_picture: /a/preview.png\n"
    )
    reason = failure_reason.reason(str(log))
    assert "names no error" in reason
    assert "scene translated" in reason and "kq_picture" not in reason and "texture" not in reason
    log.write_text("scene translated\nERROR: no light\nkq_picture: /a/preview.png\n")
    assert failure_reason.reason(str(log)) == "ERROR: no light"


def test_the_difference_is_black_where_two_pictures_agree() -> None:
    """And four times as bright as it is where they do not."""
    front = QImage(2, 1, QImage.Format.Format_RGB32)
    front.fill(QColor(100, 50, 20))
    back = front.copy()
    back.setPixelColor(1, 0, QColor(90, 50, 120))
    result = difference(front, back)
    assert result.pixelColor(0, 0) == QColor(0, 0, 0)
    assert result.pixelColor(1, 0) == QColor(40, 0, 255)


def test_pictures_of_two_sizes_are_compared_without_distortion(qtbot: QtBot) -> None:
    """The back one is fitted into the front one; labels have sizes; the readout is of what is seen."""
    front, back = (QImage(*size, QImage.Format.Format_RGB32) for size in ((200, 200), (200, 100)))
    front.fill(QColor(255, 0, 0))
    back.fill(QColor(0, 255, 0))
    view = PictureView()
    qtbot.addWidget(view)
    view.resize(400, 400)
    view.set_image(front)
    view.fit()
    view.set_labels("A", "B")
    assert view.shown_labels() == ("A", "B")
    view.set_back(back)
    assert view.shown_labels() == ("A, 200 × 200", "B, 200 × 100")
    view.set_compare(Compare.WIPE)
    shown = view.grab().toImage()
    scale = shown.width() / 400
    colors = [
        shown.pixelColor(round(x * scale), round(y * scale)).getRgb()[:3]
        for x, y in ((150, 300), (250, 200), (250, 50), (250, 350))
    ]
    outside = _BACKGROUND.getRgb()[:3]
    assert colors == [(255, 0, 0), (0, 255, 0), outside, outside]
    assert "R 1.000" in view._pixel(QPointF(150, 200)) and "G 1.000" in view._pixel(QPointF(250, 200))
    assert view._pixel(QPointF(250, 50)) == ""
    before = view.wipe
    qtbot.keyClick(view, Qt.Key.Key_Left)
    qtbot.keyClick(view, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    assert view.wipe == pytest.approx(before - 0.11)
    view.set_compare(Compare.BACK)
    assert "G 1.000" in view._pixel(QPointF(150, 200))
    result = difference(front, back)
    assert result.pixelColor(100, 10) == QColor(255, 0, 0) and result.pixelColor(100, 100) == QColor(
        255, 255, 0
    )


def test_catalog_items_are_noted_pinned_kept_and_cleared(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """A note is typed into its cell; a pinned frame is rendered again; Clear leaves what is kept."""
    desktop = make_desktop()
    desktop.window.open_tab("Catalog")
    open_small(desktop)
    first = rendered(desktop, qtbot)
    tab = catalog()
    qtbot.waitUntil(lambda: tab.model.rowCount() == 1)
    item = tab.model.item(0)
    assert tab.model.setData(tab.model.index(0, Column.NOTE), "softer")
    assert item.getUserComment() == "softer"
    actions = {action.text(): action for action in tab.build_menu([item]).actions()}
    assert not actions["Cancel Render"].isEnabled()
    actions["Pin Frame"].trigger()
    actions["Keep"].trigger()
    assert tab.model.index(0, Column.PINS).data() == "frame, kept"
    active_scene().set_frame(5)
    actions["Repeat Render"].trigger()
    second = desktop.renders.renders[-1]
    assert (second.node, second.frame) == (first.node, 1.0)
    qtbot.waitUntil(lambda: second.ended and tab.model.rowCount() == 2, timeout=WAIT_MS)
    tab.clear()
    qtbot.waitUntil(lambda: tab.model.rowCount() == 1)
    assert CatalogAPI.GetCatalogItems() == [item]


@pytest.mark.parametrize("count", [0, 1, 500])
def test_the_catalog_shows_any_number_of_items(make_desktop: MakeDesktop, qtbot: QtBot, count: int) -> None:
    """None: a line that says what will come; many: all of them."""
    desktop = make_desktop()
    desktop.window.open_tab("Catalog")
    for number in range(count):
        CatalogAPI.CreateCatalogItem().setNodeName(f"Render{number}")
    tab = catalog()
    qtbot.waitUntil(lambda: tab.model.rowCount() == count)
    assert tab.findChildren(type(tab._empty))[-1].isHidden() == bool(count)


def _write_exr(path: Path, channels: dict[str, float]) -> str:
    form = oiio.ImageSpec(40, 20, len(channels), oiio.HALF)
    form.channelnames = tuple(channels)
    picture = oiio.ImageBuf(form)
    pixels = np.empty((20, 40, len(channels)), np.float32)
    pixels[:] = list(channels.values())
    assert picture.set_pixels(oiio.ROI(), pixels), picture.geterror()
    assert picture.write(str(path)), picture.geterror()
    return str(path)


def test_an_exr_of_another_renderer_is_shown(make_desktop: MakeDesktop, qtbot: QtBot, tmp_path: Path) -> None:
    """The first RGB layer, as sRGB: linear 0.2140 is half of it; what is no number is black."""
    make_desktop()
    layers = {"Z": 9.0, "beauty.R": 0.2140, "beauty.G": 4.0, "beauty.B": float("nan"), "spec.R": 0.0}
    path = _write_exr(tmp_path / "beauty.exr", layers)
    colour = read_picture(path).pixelColor(5, 5)
    assert (colour.red(), colour.green(), colour.blue()) == (127, 255, 0)
    grey = read_picture(_write_exr(tmp_path / "depth.exr", {"Z": 1.0})).pixelColor(5, 5)
    assert (grey.red(), grey.green(), grey.blue()) == (255, 255, 255)
    EventModule.QueueEvent("katana_queue_job_selected", 1, jobId="job", picture=path, name="beauty")
    EventModule.ProcessAllEvents()
    qtbot.waitUntil(lambda: monitor().view.image.width() == 40, timeout=WAIT_MS)


@pytest.mark.parametrize("length", [6, 40, 300, -1])
def test_a_truncated_exr_is_an_error(tmp_path: Path, length: int) -> None:
    """In its header, or in its pixels."""
    path = Path(_write_exr(tmp_path / "a.exr", {"R": 0.1, "G": 0.2, "B": 0.3}))
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(PictureError, match=r"damaged"):
        read_picture(str(path))
