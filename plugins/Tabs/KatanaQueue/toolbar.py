"""The tab's toolbar: which actions it shows, and how. What they do is in actions.py."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QMenu, QSizePolicy, QToolBar, QToolButton, QWidget

from .actions import JobActions

__all__ = ["make_toolbar"]


def make_toolbar(
    parent: QWidget, acts: JobActions, more: QToolButton, fill_menu: Callable[[QMenu], None]
) -> QToolBar:
    """A tool bar of `acts`, with the button `more`, whose menu `fill_menu` fills, at its end."""
    bar = QToolBar("Katana Queue", parent)
    bar.setMovable(False)
    bar.setFloatable(False)
    bar.setIconSize(QSize(16, 16))
    bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    bar.addActions([acts.start, acts.stop, acts.submit_again, acts.remove])
    bar.addSeparator()
    bar.addActions([acts.pause, acts.stop_all])
    spacer = QWidget(bar)
    spacer.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
    bar.addWidget(spacer)
    menu = QMenu(more)
    fill_menu(menu)
    more.setText("View")
    more.setAccessibleName("View options")
    more.setMenu(menu)
    more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
    bar.addWidget(more)
    for button in bar.findChildren(QToolButton):
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # reachable by keyboard
    return bar
