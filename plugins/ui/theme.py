"""Colours, sizes and style sheets that the tab and the dialogs share, for dark and light palettes."""

from __future__ import annotations

from functools import cache

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPalette
from PySide6.QtWidgets import QLabel

from ...kq.api import AgentState, JobState, Severity, TaskState

__all__ = [
    "COMPACT_BUTTONS",
    "HEADER_PADDING",
    "PLAIN_LABELS",
    "ROOMY_HEADER",
    "SPACING",
    "ShownState",
    "colour_text",
    "draw_message",
    "faded",
    "is_dark",
    "row_height",
    "state_colour",
]

LEAST_ROW_HEIGHT = 26
"""In pixels: the least that a thumbnail needs."""
SPACING = 6
"""Between widgets, in pixels."""

COMPACT_BUTTONS = (
    "QToolButton { padding: 4px; } QToolButton:disabled { color: rgba(128, 128, 128, 160); }"
    "QToolButton:checked { background: rgba(128, 128, 128, 90); border: 1px solid palette(highlight); }"
    "QToolButton:checked:focus { border: 1px solid palette(text); }"
)
"""For rows of small buttons, where the host's padding is too large. Checked buttons are highlighted."""

PLAIN_LABELS = "QLabel { background: transparent; border: 0; }"
"""For labels on a background that we paint: the host's style sheet may give them one, and a border."""

HEADER_PADDING = 8
ROOMY_HEADER = (
    f"QHeaderView::section {{ padding-left: {HEADER_PADDING}px; padding-right: {HEADER_PADDING}px; }}"
)
"""Pads header titles so that they align with the cells below and do not touch each other."""

ShownState = JobState | TaskState | AgentState | Severity
"""What has a colour and an icon. Members of different enums with the same value look the same."""

# (dark palette, light palette); each has a contrast of at least 4.5 : 1 with its background.
_STATE_COLOURS: dict[ShownState, tuple[str, str]] = {
    TaskState.WAITING: ("#a9b4c2", "#5b6675"),
    TaskState.RUNNING: ("#62b0ff", "#0b62c4"),
    TaskState.STOPPING: ("#e8b04b", "#8a5a00"),
    TaskState.COMPLETED: ("#6fce7c", "#1c7a2e"),
    TaskState.CANCELLED: ("#c5a880", "#7a5a2a"),
    TaskState.FAILED: ("#ff8078", "#bf1d17"),
    AgentState.STARTING: ("#a9b4c2", "#5b6675"),
    AgentState.IDLE: ("#6fce7c", "#1c7a2e"),
    AgentState.BUSY: ("#62b0ff", "#0b62c4"),
    AgentState.LOST: ("#ff8078", "#bf1d17"),
    AgentState.ENDING: ("#c5a880", "#7a5a2a"),
    Severity.ERROR: ("#ff8078", "#bf1d17"),
    Severity.WARNING: ("#e8b04b", "#8a5a00"),
}


def row_height(font: QFont) -> int:
    """The height of a list's rows in pixels."""
    return max(LEAST_ROW_HEIGHT, QFontMetrics(font).height() + 8)


def colour_text(label: QLabel, colour: QColor) -> None:
    """Set the text colour of `label`, by a style sheet, since the host's style sheet overrides a palette."""
    sheet = f"color: {colour.name(QColor.NameFormat.HexArgb)};"
    if sheet != label.styleSheet():
        label.setStyleSheet(sheet)


def is_dark(palette: QPalette) -> bool:
    """Whether the palette has light text on a dark background."""
    return palette.color(QPalette.ColorRole.Base).lightness() < 128


def state_colour(state: ShownState, palette: QPalette) -> QColor:
    """The text colour of a state or severity."""
    return _colour(state, is_dark(palette))


@cache
def _colour(state: ShownState, dark: bool) -> QColor:
    on_dark, on_light = _STATE_COLOURS[state]
    return QColor(on_dark if dark else on_light)


def draw_message(painter: QPainter, palette: QPalette, area: QRect, message: str) -> None:
    """Draw `message` in the middle of `area`, which has nothing else to show."""
    painter.setPen(faded(palette.color(QPalette.ColorRole.Text), 0.62))
    flags = int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap)
    painter.drawText(area.adjusted(32, 10, -32, -10), flags, message)


def faded(colour: QColor, alpha: float) -> QColor:
    """Return `colour` with opacity `alpha`, 0 to 1."""
    result = QColor(colour)
    result.setAlphaF(alpha)
    return result
