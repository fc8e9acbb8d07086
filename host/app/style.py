"""The desktop's palettes, style sheet and fonts, and the named colours that tabs use.

The sheet is of Katana's kind: it styles all widgets by their class, those of plug-ins too.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QAbstractSpinBox, QApplication


class Palette(Enum):
    """The colour schemes that can be chosen."""

    DARK = "dark"
    LIGHT = "light"


_COLORS = {
    Palette.DARK: {
        "window": "#2b2b2b",
        "panel": "#333333",
        "field": "#222222",
        "raised": "#424242",
        "line": "#1c1c1c",
        "text": "#d6d6d6",
        "dim": "#929292",
        "accent": "#e89830",
        "selection": "#4a688a",
        "good": "#70b060",
        "busy": "#5c9ad6",
        "bad": "#de5c50",
        "hover": "#4e4e4e",
        "alternate": "#262626",
        "handle": "#565656",
        "handle_hover": "#6a6a6a",
        "graph": "#262626",
        "grid": "#2c2c2c",
    },
    Palette.LIGHT: {
        "window": "#d4d4d4",
        "panel": "#dedede",
        "field": "#f4f4f4",
        "raised": "#c4c4c4",
        "line": "#a8a8a8",
        "text": "#1e1e1e",
        "dim": "#5a5a5a",
        "accent": "#b45a00",
        "selection": "#9dc0e4",
        "good": "#2a6e1c",
        "busy": "#1c5c9e",
        "bad": "#b02418",
        "hover": "#b8b8b8",
        "alternate": "#eaeaea",
        "handle": "#9a9a9a",
        "handle_hover": "#7e7e7e",
        "graph": "#bdbdbd",
        "grid": "#a9a9a9",
    },
}

# Shared objects: choosing a palette changes them in place, and the next paint uses the new colours.
_SHARED = {name: QColor(color) for name, color in _COLORS[Palette.DARK].items()}
WINDOW, PANEL, FIELD = _SHARED["window"], _SHARED["panel"], _SHARED["field"]
RAISED, LINE = _SHARED["raised"], _SHARED["line"]
TEXT, DIM_TEXT = _SHARED["text"], _SHARED["dim"]
ACCENT, SELECTION = _SHARED["accent"], _SHARED["selection"]
GOOD, BUSY, BAD = _SHARED["good"], _SHARED["busy"], _SHARED["bad"]
GRAPH, GRID = _SHARED["graph"], _SHARED["grid"]

_ARROWS = Path(__file__).parent / "arrows"
"""Arrow images: a style sheet with a border for fields must set their arrows, too, and only from files."""
_NUMBER_MARGIN = 5

_SHEET = """
/* As Katana's: every widget gets a background, a font size in pixels and colours, every frame a border. */
QWidget {
    background-color: %(window)s; color: %(text)s; font-size: 12px;
    selection-background-color: %(selection)s; selection-color: %(text)s;
}
QWidget:disabled { color: %(dim)s; }
QFrame { border: 1px solid %(line)s; }
QLabel { border: 0; }
QAbstractItemView QLabel { background: transparent; }
QAbstractItemView::item { padding: 1px; }
QTableView::item { padding: 1px 5px; }
QListView::item:focus { border: 1px solid %(accent)s; padding: 0; }
QTableWidget::item:focus { border: 1px solid %(accent)s; padding: 0 4px; }
QAbstractItemView::item:selected { background: %(selection)s; }
QPushButton:checked { background: %(selection)s; }
QSplitter::handle { background: %(line)s; }
QGroupBox { border: 1px solid %(line)s; margin-top: 8px; }
QSlider::groove:horizontal { background: %(field)s; border: 1px solid %(handle)s; height: 2px; }
QSlider::handle:horizontal { background: %(handle)s; border-radius: 3px; width: 12px; margin: -6px 0; }
QSlider::handle:horizontal:hover { background: %(handle_hover)s; }
QMainWindow::separator { background: %(line)s; width: 4px; height: 4px; }
QMainWindow::separator:hover { background: %(accent)s; }
QDockWidget { titlebar-close-icon: none; }
QDockWidget::title { background: %(window)s; padding: 5px 8px; border-bottom: 1px solid %(line)s; }
QTabBar::tab {
    background: %(window)s; color: %(dim)s; padding: 5px 14px; border: 0; border-top: 2px solid transparent;
}
QTabBar::tab:selected { background: %(panel)s; color: %(text)s; border-top: 2px solid %(accent)s; }
QTabBar::tab:hover:!selected { color: %(text)s; }
QMenuBar { background: %(window)s; padding: 2px; }
QMenuBar::item { padding: 4px 10px; background: transparent; border-radius: 3px; }
QMenuBar::item:selected { background: %(raised)s; }
QMenu { background: %(panel)s; border: 1px solid %(line)s; padding: 4px; }
QMenu::item { padding: 5px 28px 5px 22px; border-radius: 3px; }
QMenu::item:selected { background: %(selection)s; }
QMenu::item:disabled { color: %(dim)s; }
QMenu::separator { height: 1px; background: %(raised)s; margin: 4px 8px; }
QToolBar {
    background: %(window)s; border: 0; border-bottom: 1px solid %(line)s; padding: 3px 6px; spacing: 4px;
}
QToolButton {
    background: transparent; border: 1px solid transparent; border-radius: 3px; padding: 4px 9px;
}
QToolButton:hover { background: %(raised)s; }
QToolButton:pressed { background: %(field)s; }
QToolButton:checked { background: %(selection)s; }
QToolButton:focus { border: 1px solid %(accent)s; }
QPushButton {
    background: %(raised)s; border: 1px solid %(line)s; border-radius: 3px; padding: 5px 14px;
    min-height: 14px;
}
QPushButton:hover { background: %(hover)s; }
QPushButton:pressed { background: %(field)s; }
QPushButton:disabled { color: %(dim)s; background: %(panel)s; }
QPushButton:focus { border: 1px solid %(accent)s; }
QLineEdit, QSpinBox, QDoubleSpinBox, QComboBox, QPlainTextEdit, QTextEdit {
    background: %(field)s; border: 1px solid %(line)s; border-radius: 3px; padding: 3px 6px;
    selection-background-color: %(selection)s;
}
QLineEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus, QComboBox:focus, QPlainTextEdit:focus {
    border: 1px solid %(accent)s;
}
QLineEdit:disabled, QSpinBox:disabled, QDoubleSpinBox:disabled, QComboBox:disabled { color: %(dim)s; }
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button {
    subcontrol-origin: border; width: 17px; border: 0; border-left: 1px solid %(line)s;
    background: transparent;
}
QAbstractSpinBox::up-button { subcontrol-position: top right; }
QAbstractSpinBox::down-button { subcontrol-position: bottom right; }
QAbstractSpinBox::up-button:hover, QAbstractSpinBox::down-button:hover { background: %(raised)s; }
QAbstractSpinBox::up-arrow { image: url("%(arrows)s/up.svg"); width: 9px; height: 6px; }
QAbstractSpinBox::up-arrow:disabled, QAbstractSpinBox::up-arrow:off {
    image: url("%(arrows)s/up_dim.svg");
}
QAbstractSpinBox::down-arrow, QComboBox::down-arrow {
    image: url("%(arrows)s/down.svg"); width: 9px; height: 6px;
}
QAbstractSpinBox::down-arrow:disabled, QAbstractSpinBox::down-arrow:off, QComboBox::down-arrow:disabled {
    image: url("%(arrows)s/down_dim.svg");
}
QAbstractSpinBox[narrow="true"]::up-button, QAbstractSpinBox[narrow="true"]::down-button {
    width: 0; border: 0;
}
QAbstractSpinBox[narrow="true"]::up-arrow, QAbstractSpinBox[narrow="true"]::down-arrow {
    image: none; width: 0;
}
QComboBox::drop-down {
    subcontrol-origin: border; subcontrol-position: center right; width: 17px; border: 0;
    background: transparent;
}
QFileDialog QToolButton { padding: 2px; }
QComboBox QAbstractItemView { background: %(panel)s; border: 1px solid %(line)s; }
QAbstractItemView {
    background: %(field)s; alternate-background-color: %(alternate)s; border: 0;
    selection-background-color: %(selection)s; selection-color: %(text)s; outline: 0;
}
QHeaderView::section {
    background: %(window)s; color: %(dim)s; border: 0; border-right: 1px solid %(line)s;
    border-bottom: 1px solid %(line)s; padding: 4px 8px;
}
QStatusBar { background: %(window)s; border-top: 1px solid %(line)s; }
QStatusBar::item { border: 0; }
QScrollArea { border: 0; }
QScrollBar:vertical { background: transparent; width: 10px; margin: 0; }
QScrollBar:horizontal { background: transparent; height: 10px; margin: 0; }
QScrollBar::handle {
    background: %(handle)s; border-radius: 4px; min-height: 24px; min-width: 24px; margin: 1px;
}
QScrollBar::handle:hover { background: %(handle_hover)s; }
QScrollBar::add-line, QScrollBar::sub-line, QScrollBar::add-page, QScrollBar::sub-page {
    background: transparent; width: 0; height: 0;
}
QToolTip { background: %(panel)s; color: %(text)s; border: 1px solid %(raised)s; padding: 4px; }
/* Qt paints the tray's message pale yellow whatever the palette. */
QBalloonTip, QBalloonTip QLabel { color: #1e1e1e; }
QCheckBox::indicator, QAbstractItemView::indicator {
    width: 14px; height: 14px; border: 1px solid %(handle)s; border-radius: 3px; background: %(field)s;
}
QCheckBox::indicator:checked, QAbstractItemView::indicator:checked {
    border-color: %(accent)s; image: url("%(arrows)s/check.svg");
}
QDialogButtonBox { dialogbuttonbox-buttons-have-icons: 0; }
QCheckBox:focus { color: %(accent)s; }
QLabel[role="dim"] { color: %(dim)s; }
QLabel[role="heading"] { color: %(dim)s; font-weight: bold; }
QLabel[role="bad"] { color: %(bad)s; }
"""


def apply(application: QApplication, chosen: Palette = Palette.DARK) -> None:
    """Set the application's palette, font and style sheet. Call again to change the palette. Qt's thread."""
    for name, value in _COLORS[chosen].items():
        _SHARED[name].setRgb(QColor(value).rgb())
    application.setStyle("Fusion")
    palette = QPalette()
    for role, color in (
        (QPalette.ColorRole.Window, WINDOW),
        (QPalette.ColorRole.WindowText, TEXT),
        (QPalette.ColorRole.Base, FIELD),
        (QPalette.ColorRole.AlternateBase, _SHARED["alternate"]),
        (QPalette.ColorRole.Text, TEXT),
        (QPalette.ColorRole.Button, RAISED),
        (QPalette.ColorRole.ButtonText, TEXT),
        (QPalette.ColorRole.BrightText, BAD),
        (QPalette.ColorRole.Highlight, SELECTION),
        (QPalette.ColorRole.HighlightedText, TEXT),
        (QPalette.ColorRole.ToolTipBase, PANEL),
        (QPalette.ColorRole.ToolTipText, TEXT),
        (QPalette.ColorRole.PlaceholderText, DIM_TEXT),
        (QPalette.ColorRole.Link, ACCENT),
        (QPalette.ColorRole.Light, RAISED),
        (QPalette.ColorRole.Midlight, PANEL),
        (QPalette.ColorRole.Mid, LINE),
        (QPalette.ColorRole.Dark, LINE),
        (QPalette.ColorRole.Shadow, LINE),
    ):
        palette.setColor(role, color)
    for role in (QPalette.ColorRole.WindowText, QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, DIM_TEXT)
    application.setPalette(palette)
    font = QFont(application.font())
    font.setPointSizeF(9.5)
    application.setFont(font)
    application.setStyleSheet(sheet(chosen))


def sheet(chosen: Palette = Palette.DARK) -> str:
    """Return the style sheet in the colours of a palette."""
    arrows = _ARROWS / "light" if chosen is Palette.LIGHT else _ARROWS
    return _SHEET % {**_COLORS[chosen], "arrows": arrows.as_posix()}


def align_number(box: QAbstractSpinBox) -> None:
    """Indent the number in `box` like the text of other fields: style sheet padding has no effect there."""
    box.lineEdit().setTextMargins(_NUMBER_MARGIN, 0, 0, 0)


def fixed_font() -> QFont:
    """Return the font for paths, logs and numbers that must line up."""
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    font.setPointSizeF(9.0)
    return font
