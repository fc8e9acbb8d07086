"""The Picture page at full size: fitted or 1:1, zoomed and panned, one picture or two compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, QSize, Qt
from PySide6.QtGui import QImage, QKeyEvent, QWheelEvent
from PySide6.QtWidgets import QApplication

from tests.tab.fake_queue import FakeQueue, make_job
from tests.tab.using import LEFT, Settle, click_row

CONTROL = Qt.KeyboardModifier.ControlModifier


def marked_picture(path: Path, size: QSize, shade: int) -> str:
    """A picture in which every pixel shows where it is, and `shade` which picture it is of."""
    width, height = size.width(), size.height()
    pixels = b"".join(bytes((x % 256, y % 256, shade)) for y in range(height) for x in range(width))
    image = QImage(pixels, width, height, 3 * width, QImage.Format.Format_RGB888)
    assert image.save(str(path))
    return str(path)


@pytest.fixture
def canvas(tab: Any, queue: FakeQueue, tmp_path: Path, settle: Settle) -> Any:
    """The canvas, with the picture of the first of two jobs; both are larger than the page."""
    tab.resize(700, 500)
    size = QSize(1200, 700)
    pictures = [marked_picture(tmp_path / f"{shade}.png", size, shade) for shade in (50, 200)]
    queue.change([make_job(n, picture=path) for n, path in enumerate(pictures, 1)])
    settle(lambda: tab.model.shown == 2)
    tab.details.show_page("Picture")
    settle(lambda: tab.picture.canvas.has_picture)
    return tab.picture.canvas


def wheel(canvas: Any, at: QPoint, turns: int) -> None:
    """Turn the wheel over `at`."""
    event = QWheelEvent(
        QPointF(at), canvas.mapToGlobal(QPointF(at)), QPoint(), QPoint(0, 120 * turns),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(canvas, event)


def colour(canvas: Any, at: QPoint) -> tuple[int, int, int]:
    """The colour drawn at `at`."""
    found = canvas.grab().toImage().pixelColor(at)
    return found.red(), found.green(), found.blue()


def test_two_jobs_are_compared_pixel_by_pixel(canvas: Any, tab: Any, qtbot: Any, settle: Settle) -> None:
    """At 1:1, on both sides of the line, each pixel of the screen is one of a picture; a drag pans both."""
    click_row(qtbot, tab, "job000001")
    click_row(qtbot, tab, "job000002", modifier=CONTROL)
    settle(lambda: canvas.compares)
    assert canvas.is_fitted and canvas.zoom < 1.0
    qtbot.keyClick(canvas, Qt.Key.Key_1)
    assert canvas.zoom == 1.0 and not canvas.is_fitted
    left, right = QPoint(40, 30), QPoint(canvas.width() - 40, 30)
    before, after = colour(canvas, left), colour(canvas, right)
    assert (before[2], after[2]) == (50, 200)
    assert (after[0] - before[0]) % 256 == (right.x() - left.x()) % 256 and after[1] == before[1]
    start = QPoint(canvas.width() // 4, 60)
    qtbot.mousePress(canvas, LEFT, pos=start)
    qtbot.mouseMove(canvas, start + QPoint(17, 9))
    qtbot.mouseRelease(canvas, LEFT, pos=start + QPoint(17, 9))
    assert canvas.wipe == 0.5, "away from the line a drag pans"
    for at, was in ((left, before), (right, after)):
        assert colour(canvas, at) == ((was[0] - 17) % 256, (was[1] - 9) % 256, was[2])
    middle = QPoint(canvas.width() // 2, canvas.height() // 2)
    qtbot.mousePress(canvas, LEFT, pos=middle)
    qtbot.mouseMove(canvas, QPoint(20, middle.y()))
    qtbot.mouseRelease(canvas, LEFT, pos=QPoint(20, middle.y()))
    assert canvas.wipe < 0.1 and colour(canvas, left)[2] == 200, "the line stays within reach"
    qtbot.keyClick(canvas, Qt.Key.Key_Right, CONTROL)
    assert colour(canvas, right)[0] == (after[0] - 17 + 32) % 256
    qtbot.keyClick(canvas, Qt.Key.Key_F)
    assert canvas.is_fitted and canvas.zoom < 1.0


def test_the_wheel_zooms_at_the_pointer_and_back_to_fit(canvas: Any, qtbot: Any) -> None:
    """What is under the pointer stays there; out to the whole picture, in to single pixels."""
    at = QPoint(canvas.width() // 3, canvas.height() // 2)
    qtbot.keyClick(canvas, Qt.Key.Key_1)
    seen = colour(canvas, at)
    wheel(canvas, at, 12)
    assert canvas.zoom > 8
    assert all(abs(now - was) <= 1 for now, was in zip(colour(canvas, at), seen, strict=True))
    wheel(canvas, at, 100)
    assert canvas.zoom == 64.0 and canvas.has_picture
    wheel(canvas, at, -200)
    assert canvas.is_fitted
    qtbot.keyClick(canvas, Qt.Key.Key_1)
    qtbot.keyClick(canvas, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(canvas, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    assert canvas._frame().left() == 0, "a pan ends at the picture's edge"


def test_another_job_is_shown_at_the_same_place(canvas: Any, tab: Any, qtbot: Any, settle: Settle) -> None:
    """Zoom and place are kept for pictures of one size; the buttons show what holds, and work."""
    fit, full_size = tab.picture.controls[:2]
    assert fit.isChecked() and not full_size.isChecked()
    qtbot.mouseClick(full_size, LEFT)
    assert full_size.isChecked() and not fit.isChecked() and canvas.zoom == 1.0
    at = QPoint(30, 30)
    click_row(qtbot, tab, "job000001")
    settle(lambda: canvas.has_picture and colour(canvas, at)[2] == 50)
    first = colour(canvas, at)
    click_row(qtbot, tab, "job000002")
    settle(lambda: canvas.has_picture and colour(canvas, at)[2] == 200)
    assert canvas.zoom == 1.0 and colour(canvas, at)[:2] == first[:2]
    qtbot.mouseClick(fit, LEFT)
    assert canvas.is_fitted and fit.isChecked() and not full_size.isChecked()


@pytest.mark.parametrize("size", [QSize(3, 2), QSize(4000, 100), QSize(100, 4000)])
def test_any_size_of_picture_can_be_seen_whole_and_at_full_size(
    canvas: Any, tab: Any, queue: FakeQueue, qtbot: Any, settle: Settle, tmp_path: Path, size: QSize
) -> None:
    """Another size is fitted first; without a picture the keys are the host's."""
    qtbot.keyClick(canvas, Qt.Key.Key_1)
    picture = marked_picture(tmp_path / "other.png", size, 120)
    queue.change([make_job(3, picture=picture), make_job(4)])
    settle(lambda: tab.model.shown == 4)
    click_row(qtbot, tab, "job000003")
    settle(lambda: canvas.has_picture and canvas._size == size)
    assert canvas.is_fitted
    middle = QPoint(canvas.width() // 2, canvas.height() // 2)
    assert colour(canvas, middle)[2] == 120
    qtbot.keyClick(canvas, Qt.Key.Key_1)
    assert canvas.zoom == 1.0 and colour(canvas, middle)[2] == 120
    click_row(qtbot, tab, "job000004")
    settle(lambda: not canvas.has_picture)
    assert not any(button.isEnabled() for button in tab.picture.controls[:2])
    press = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_1, Qt.KeyboardModifier.NoModifier)
    assert not canvas.uses_key(press)
