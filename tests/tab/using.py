"""What somebody who uses the tab does and sees: clicks on a row, reads the log, has a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from katana_queue.plugins.Tabs.KatanaQueue.models.columns import Column
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage

LEFT = Qt.MouseButton.LeftButton
Settle = Callable[[Callable[[], bool]], None]
"""The fixture `settle`."""


def click_row(qtbot: Any, tab: Any, job_id: str, column: Column = Column.NAME, modifier: Any = None) -> None:
    """Click a job's row as a mouse does."""
    rect = tab.view.visualRect(tab.model.index(tab.model.row(job_id), column))
    modifiers = Qt.KeyboardModifier.NoModifier if modifier is None else modifier
    qtbot.mouseClick(tab.view.viewport(), LEFT, modifiers, rect.center())


def log_text(tab: Any) -> list[str]:
    """What the log shows."""
    view = tab.log.view
    lines = (view.line(number) for number in range(10_000))
    found = []
    for line in lines:
        if line is None:
            break
        found.append(line.text)
    return found


def picture_file(path: Path, colour: Qt.GlobalColor) -> str:
    """A picture of one colour."""
    image = QImage(320, 180, QImage.Format.Format_RGB32)
    image.fill(colour)
    assert image.save(str(path))
    return str(path)
