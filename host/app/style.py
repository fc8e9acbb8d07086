"""How the desktop looks: one palette, one style sheet, the fonts. Panels take colours from here."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QAbstractSpinBox, QApplication

WINDOW = QColor(43, 43, 43)
PANEL = QColor(51, 51, 51)
FIELD = QColor(34, 34, 34)
RAISED = QColor(66, 66, 66)
LINE = QColor(28, 28, 28)
TEXT = QColor(214, 214, 214)
DIM_TEXT = QColor(146, 146, 146)
ACCENT = QColor(232, 152, 48)
SELECTION = QColor(74, 104, 138)
GOOD = QColor(112, 176, 96)
BUSY = QColor(92, 154, 214)
BAD = QColor(222, 92, 80)

_ARROWS = Path(__file__).parent / "arrows"
"""A style sheet that draws a field's border has to draw its arrows, too, and takes them from files only."""
_NUMBER_MARGIN = 5

_SHEET = """
QWidget { color: %(text)s; }
QMainWindow, QDialog { background: %(window)s; }
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
QToolButton:pressed, QToolButton:checked { background: %(field)s; }
QToolButton:focus { border: 1px solid %(accent)s; }
QPushButton {
    background: %(raised)s; border: 1px solid %(line)s; border-radius: 3px; padding: 5px 14px;
    min-height: 14px;
}
QPushButton:hover { background: #4e4e4e; }
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
    background: %(field)s; alternate-background-color: #262626; border: 0;
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
    background: #565656; border-radius: 4px; min-height: 24px; min-width: 24px; margin: 1px;
}
QScrollBar::handle:hover { background: #6a6a6a; }
QScrollBar::add-line, QScrollBar::sub-line, QScrollBar::add-page, QScrollBar::sub-page {
    background: transparent; width: 0; height: 0;
}
QToolTip { background: %(panel)s; color: %(text)s; border: 1px solid %(raised)s; padding: 4px; }
/* Qt paints the tray's message pale yellow whatever the palette. */
QBalloonTip, QBalloonTip QLabel { color: #1e1e1e; }
QCheckBox::indicator {
    width: 14px; height: 14px; border: 1px solid #5a5a5a; border-radius: 3px; background: %(field)s;
}
QCheckBox::indicator:checked { background: %(accent)s; border-color: %(accent)s; }
QCheckBox:focus { color: %(accent)s; }
QLabel[role="dim"] { color: %(dim)s; }
QLabel[role="heading"] { color: %(dim)s; font-weight: bold; }
QLabel[role="bad"] { color: %(bad)s; }
"""


def apply(application: QApplication) -> None:
    """Dress the whole application."""
    application.setStyle("Fusion")
    palette = QPalette()
    for role, color in (
        (QPalette.ColorRole.Window, WINDOW),
        (QPalette.ColorRole.WindowText, TEXT),
        (QPalette.ColorRole.Base, FIELD),
        (QPalette.ColorRole.AlternateBase, QColor(38, 38, 38)),
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
    application.setStyleSheet(
        _SHEET
        % {
            "window": WINDOW.name(),
            "panel": PANEL.name(),
            "field": FIELD.name(),
            "raised": RAISED.name(),
            "line": LINE.name(),
            "text": TEXT.name(),
            "dim": DIM_TEXT.name(),
            "accent": ACCENT.name(),
            "selection": SELECTION.name(),
            "bad": BAD.name(),
            "arrows": _ARROWS.as_posix(),
        }
    )


def align_number(box: QAbstractSpinBox) -> None:
    """Have the number in `box` start where text does in other fields: its padding does not reach inside."""
    box.lineEdit().setTextMargins(_NUMBER_MARGIN, 0, 0, 0)


def fixed_font() -> QFont:
    """Return the font for paths, logs and numbers that must line up."""
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    font.setPointSizeF(9.0)
    return font
