"""Renders the icons of the tab and the dialogs from SVG files, in the colours of a palette."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPalette, QPixmap

from ...kq.api import AgentState, JobState, Severity, TaskState
from .theme import ShownState, faded, state_colour

try:
    from PySide6.QtSvg import QSvgRenderer
except ImportError:  # a host application may ship without QtSvg: icons are then blank
    QSvgRenderer = None  # type: ignore[assignment, misc]

__all__ = ["FOLDER", "state_pixmap", "tool_icon"]

FOLDER = Path(__file__).resolve().parents[2] / "resources" / "Icons" / "katana_queue"

_STATE_ICONS: dict[ShownState, str] = {
    JobState.WAITING: "clock",
    JobState.RUNNING: "play",
    JobState.COMPLETED: "check",
    JobState.CANCELLED: "bar",
    JobState.FAILED: "cross",
    TaskState.STOPPING: "stop",
    AgentState.STARTING: "clock",
    AgentState.IDLE: "ring",
    AgentState.BUSY: "play",
    AgentState.LOST: "cross",
    AgentState.ENDING: "stop",
    Severity.ERROR: "cross",
    Severity.WARNING: "alert",
}


def state_pixmap(
    state: ShownState, palette: QPalette, ratio: float, size: int = 14, colour: QColor | None = None
) -> QPixmap:
    """Return the icon of a state. Shapes differ as well as colours, for colour-blind artists. Qt's thread.

    Args:
        palette: chooses the state's colour for a dark or light background.
        ratio: the device pixel ratio.
        size: width and height in device-independent pixels.
        colour: replaces the state's colour, for example on a selected row.
    """
    colour = colour or state_colour(state, palette)
    return _pixmap(_STATE_ICONS[state], colour.rgba(), size, ratio)


def tool_icon(name: str, palette: QPalette) -> QIcon:
    """Return the icon of an action in the palette's text colours. Qt's thread.

    Args:
        name: of the SVG file in FOLDER, without `.svg`.
    """
    icon = QIcon()
    normal = palette.color(QPalette.ColorGroup.Active, QPalette.ColorRole.ButtonText)
    disabled = faded(normal, 0.3)
    for ratio in (1.0, 2.0):
        icon.addPixmap(_pixmap(name, normal.rgba(), 16, ratio), QIcon.Mode.Normal)
        icon.addPixmap(_pixmap(name, disabled.rgba(), 16, ratio), QIcon.Mode.Disabled)
    return icon


@lru_cache(maxsize=512)
def _pixmap(name: str, rgba: int, size: int, ratio: float) -> QPixmap:
    pixmap = QPixmap(round(size * ratio), round(size * ratio))
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    source = _source(name)
    if QSvgRenderer is not None and source:
        colour = QColor.fromRgba(rgba)
        painter = QPainter(pixmap)
        painter.setOpacity(colour.alphaF())
        text = source.replace("currentColor", colour.name())
        QSvgRenderer(QByteArray(text.encode())).render(painter, QRectF(0, 0, size, size))
        painter.end()
    return pixmap


@cache
def _source(name: str) -> str:
    try:
        return (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    except OSError:  # an incomplete installation: the icon is blank, and everything else works
        return ""
