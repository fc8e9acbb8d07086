"""Colours and icons of the tab, for a dark and a light palette. Everything is drawn; no file is read."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QIcon, QPainter, QPainterPath, QPalette, QPen, QPixmap
from PySide6.QtWidgets import QLabel

from .....kq.api import AgentState, JobState, TaskState

__all__ = [
    "COMPACT_BUTTONS",
    "HEADER_PADDING",
    "ROOMY_HEADER",
    "SPACING",
    "colour_text",
    "faded",
    "is_dark",
    "row_height",
    "severity_colour",
    "state_colour",
    "state_pixmap",
    "tool_icon",
]

LEAST_ROW_HEIGHT = 26
"""Room for a thumbnail."""
SPACING = 6

COMPACT_BUTTONS = (
    "QToolButton { padding: 4px; } QToolButton:disabled { color: rgba(128, 128, 128, 160); }"
    "QToolButton:checked { background: rgba(128, 128, 128, 90); }"
)
"""For rows of many small buttons: the host's own padding suits few large ones. What is on stands out."""

HEADER_PADDING = 8
ROOMY_HEADER = (
    f"QHeaderView::section {{ padding-left: {HEADER_PADDING}px; padding-right: {HEADER_PADDING}px; }}"
)
"""Titles stand where the texts below them stand, and not against each other."""

# (dark palette, light palette); each at least 4.5 : 1 against its background.
_STATE_COLOURS = {
    "Waiting": ("#a9b4c2", "#5b6675"),
    "Running": ("#62b0ff", "#0b62c4"),
    "Stopping": ("#e8b04b", "#8a5a00"),
    "Completed": ("#6fce7c", "#1c7a2e"),
    "Cancelled": ("#c5a880", "#7a5a2a"),
    "Failed": ("#ff8078", "#bf1d17"),
    "Starting": ("#a9b4c2", "#5b6675"),
    "Idle": ("#6fce7c", "#1c7a2e"),
    "Busy": ("#62b0ff", "#0b62c4"),
    "Lost": ("#ff8078", "#bf1d17"),
    "Ending": ("#c5a880", "#7a5a2a"),
    "error": ("#ff8078", "#bf1d17"),
    "warning": ("#e8b04b", "#8a5a00"),
}


def row_height(font: QFont) -> int:
    """The height of a list's rows."""
    return max(LEAST_ROW_HEIGHT, QFontMetrics(font).height() + 8)


def colour_text(label: QLabel, colour: QColor) -> None:
    """Show the text of `label` in `colour`: by a style sheet, since the host's own wins over a palette."""
    sheet = f"color: {colour.name(QColor.NameFormat.HexArgb)};"
    if sheet != label.styleSheet():
        label.setStyleSheet(sheet)


def is_dark(palette: QPalette) -> bool:
    """Whether text is lighter than what it stands on."""
    return palette.color(QPalette.ColorRole.Base).lightness() < 128


def state_colour(state: str, palette: QPalette) -> QColor:
    """The colour of a job's, task's or Agent's state."""
    return _colour(state, is_dark(palette))


@cache
def _colour(state: str, dark: bool) -> QColor:
    on_dark, on_light = _STATE_COLOURS.get(state, _STATE_COLOURS["Waiting"])
    return QColor(on_dark if dark else on_light)


severity_colour = state_colour


def faded(colour: QColor, alpha: float) -> QColor:
    """`colour`, more transparent."""
    result = QColor(colour)
    result.setAlphaF(alpha)
    return result


def state_pixmap(
    state: str, palette: QPalette, ratio: float, size: int = 14, colour: QColor | None = None
) -> QPixmap:
    """The icon of a state: a shape of its own, so that nobody needs to tell colours apart.

    `colour` takes the place of the state's own where that would not stand out.
    """
    colour = colour or state_colour(state, palette)
    return _glyph_pixmap(_STATE_GLYPHS.get(state, "ring"), colour.rgba(), size, ratio)


def tool_icon(glyph: str, palette: QPalette) -> QIcon:
    """The icon of an action, in the palette's text colours."""
    icon = QIcon()
    normal = palette.color(QPalette.ColorGroup.Active, QPalette.ColorRole.ButtonText)
    disabled = faded(normal, 0.3)
    for ratio in (1.0, 2.0):
        icon.addPixmap(_glyph_pixmap(glyph, normal.rgba(), 16, ratio), QIcon.Mode.Normal)
        icon.addPixmap(_glyph_pixmap(glyph, disabled.rgba(), 16, ratio), QIcon.Mode.Disabled)
    return icon


_STATE_GLYPHS = {
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
    "error": "cross",
    "warning": "alert",
}


@lru_cache(maxsize=512)
def _glyph_pixmap(glyph: str, rgba: int, size: int, ratio: float) -> QPixmap:
    pixmap = QPixmap(round(size * ratio), round(size * ratio))
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(size / 16, size / 16)
    colour = QColor.fromRgba(rgba)
    painter.setPen(
        QPen(colour, 1.7, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
    )
    _GLYPHS[glyph](painter, colour)
    painter.end()
    return pixmap


def _polygon(*points: tuple[float, float]) -> QPainterPath:
    path = QPainterPath(QPointF(*points[0]))
    for point in points[1:]:
        path.lineTo(QPointF(*point))
    return path


def _stroke(*lines: tuple[tuple[float, float], ...]) -> Callable[[QPainter, QColor], None]:
    def draw(painter: QPainter, colour: QColor) -> None:
        for line in lines:
            painter.drawPath(_polygon(*line))

    return draw


def _fill(*points: tuple[float, float]) -> Callable[[QPainter, QColor], None]:
    def draw(painter: QPainter, colour: QColor) -> None:
        path = _polygon(*points)
        path.closeSubpath()
        painter.setBrush(colour)
        painter.drawPath(path)

    return draw


def _ring(*lines: tuple[tuple[float, float], ...]) -> Callable[[QPainter, QColor], None]:
    def draw(painter: QPainter, colour: QColor) -> None:
        painter.drawEllipse(QRectF(2, 2, 12, 12))
        _stroke(*lines)(painter, colour)

    return draw


def _square(painter: QPainter, colour: QColor) -> None:
    painter.setBrush(colour)
    painter.drawRoundedRect(QRectF(3.5, 3.5, 9, 9), 1.5, 1.5)


def _squares(painter: QPainter, colour: QColor) -> None:
    painter.drawPath(_polygon((2.5, 9.5), (2.5, 2.5), (9.5, 2.5)))
    painter.setBrush(colour)
    painter.drawRoundedRect(QRectF(5.5, 5.5, 8.5, 8.5), 1.5, 1.5)


def _picture(painter: QPainter, colour: QColor) -> None:
    painter.drawRoundedRect(QRectF(2, 3, 12, 10), 1.5, 1.5)
    painter.drawPath(_polygon((3, 11.5), (6.5, 7.5), (9, 10), (10.5, 8.5), (13, 11)))


def _again(painter: QPainter, colour: QColor) -> None:
    painter.drawArc(QRectF(3, 3, 10, 10), 60 * 16, 285 * 16)
    _fill((8.6, 0.9), (12.2, 3.6), (8.4, 6.0))(painter, colour)


def _play_one(painter: QPainter, colour: QColor) -> None:
    painter.drawEllipse(QRectF(2, 2, 12, 12))
    _fill((6.8, 5.8), (10.4, 8), (6.8, 10.2))(painter, colour)


def _command(painter: QPainter, colour: QColor) -> None:
    painter.drawRoundedRect(QRectF(2, 3, 12, 10), 1.5, 1.5)
    _stroke(((4.6, 6), (6.8, 8), (4.6, 10)), ((8.6, 10.2), (11.4, 10.2)))(painter, colour)


def _pause(painter: QPainter, colour: QColor) -> None:
    painter.setBrush(colour)
    painter.drawRect(QRectF(4, 3.5, 2, 9))
    painter.drawRect(QRectF(10, 3.5, 2, 9))


_GLYPHS: dict[str, Callable[[QPainter, QColor], None]] = {
    "again": _again,
    "alert": _stroke(
        ((8, 2.5), (14, 13.5), (2, 13.5), (8, 2.5)), ((8, 6.5), (8, 9.5)), ((8, 11.6), (8, 11.6))
    ),
    "bar": _ring(((4.2, 11.8), (11.8, 4.2))),
    "check": _ring(((5, 8.3), (7.2, 10.4), (11, 5.8))),
    "clock": _ring(((8, 4.8), (8, 8), (10.3, 9.4))),
    "command": _command,
    "copy": _squares,
    "cross": _ring(((5.6, 5.6), (10.4, 10.4)), ((10.4, 5.6), (5.6, 10.4))),
    "down": _stroke(((3.5, 6), (8, 10.5), (12.5, 6))),
    "edit": _stroke(((3, 13), (4, 9.8), (11, 2.8), (13.2, 5), (6.2, 12), (3, 13))),
    "end": _stroke(((3.5, 3.5), (8, 8), (12.5, 3.5)), ((8, 8), (8, 2)), ((3.5, 12.5), (12.5, 12.5))),
    "folder": _stroke(((2, 12.5), (2, 3.5), (6, 3.5), (7.5, 5.2), (14, 5.2), (14, 12.5), (2, 12.5))),
    "more": _stroke(((3.5, 4), (7.5, 8), (3.5, 12)), ((8.5, 4), (12.5, 8), (8.5, 12))),
    "pause": _pause,
    "picture": _picture,
    "play": _fill((4.5, 3), (12.8, 8), (4.5, 13)),
    "play_one": _play_one,
    "remove": _stroke(
        ((3, 4.5), (13, 4.5)),
        ((6, 4), (6.4, 2.4), (9.6, 2.4), (10, 4)),
        ((4.2, 5), (5, 13.5), (11, 13.5), (11.8, 5)),
    ),
    "ring": _ring(),
    "stop": _square,
    "stop_all": _ring(((6.2, 6.2), (9.8, 6.2), (9.8, 9.8), (6.2, 9.8), (6.2, 6.2))),
    "up": _stroke(((3.5, 10), (8, 5.5), (12.5, 10))),
    "wrap": _stroke(
        ((2, 3.5), (14, 3.5)),
        ((2, 8), (12, 8), (13.5, 9.8), (12, 11.6), (8, 11.6)),
        ((9.6, 9.8), (7.6, 11.6), (9.6, 13.4)),
        ((2, 12), (4.5, 12)),
    ),
}
