"""Colours and measures that the tab and the dialogs share, for a dark and a light palette. No widget here."""

from __future__ import annotations

from functools import cache

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPalette
from PySide6.QtWidgets import QLabel

__all__ = [
    "COMPACT_BUTTONS",
    "HEADER_PADDING",
    "PLAIN_LABELS",
    "ROOMY_HEADER",
    "SPACING",
    "colour_text",
    "draw_message",
    "faded",
    "is_dark",
    "row_height",
    "severity_colour",
    "state_colour",
]

LEAST_ROW_HEIGHT = 26
"""Room for a thumbnail."""
SPACING = 6

COMPACT_BUTTONS = (
    "QToolButton { padding: 4px; } QToolButton:disabled { color: rgba(128, 128, 128, 160); }"
    "QToolButton:checked { background: rgba(128, 128, 128, 90); border: 1px solid palette(highlight); }"
    "QToolButton:checked:focus { border: 1px solid palette(text); }"
)
"""For rows of many small buttons: the host's own padding suits few large ones. What is checked stands out."""

PLAIN_LABELS = "QLabel { background: transparent; border: 0; }"
"""For labels on a ground that we paint: a host's style sheet may give every widget a ground and a frame."""

HEADER_PADDING = 8
ROOMY_HEADER = (
    f"QHeaderView::section {{ padding-left: {HEADER_PADDING}px; padding-right: {HEADER_PADDING}px; }}"
)
"""Titles are aligned with the texts below them, and apart from each other."""

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
    """Whether text is lighter than its background."""
    return palette.color(QPalette.ColorRole.Base).lightness() < 128


def state_colour(state: str, palette: QPalette) -> QColor:
    """The colour of a job's, task's or Agent's state."""
    return _colour(state, is_dark(palette))


@cache
def _colour(state: str, dark: bool) -> QColor:
    on_dark, on_light = _STATE_COLOURS.get(state, _STATE_COLOURS["Waiting"])
    return QColor(on_dark if dark else on_light)


severity_colour = state_colour


def draw_message(painter: QPainter, palette: QPalette, area: QRect, message: str) -> None:
    """Draw `message` in the middle of an `area` that is empty."""
    painter.setPen(faded(palette.color(QPalette.ColorRole.Text), 0.62))
    flags = int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap)
    painter.drawText(area.adjusted(32, 10, -32, -10), flags, message)


def faded(colour: QColor, alpha: float) -> QColor:
    """`colour`, more transparent."""
    result = QColor(colour)
    result.setAlphaF(alpha)
    return result
