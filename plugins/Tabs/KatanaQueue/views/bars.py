"""The bar above the jobs list, and the pages below it with their tabs and buttons."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QFocusEvent, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import (
    QHBoxLayout,
    QMenu,
    QSizePolicy,
    QStackedWidget,
    QTabBar,
    QToolBar,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ....ui.icons import tool_icon
from ....ui.theme import COMPACT_BUTTONS, SPACING, faded
from .filter_bar import FilterBar
from .fitting import FittingWidget

__all__ = ["DetailsPanel", "TopBar"]


class TopBar(FittingWidget):
    """Actions at the left and the filter at the right, in one row, since panels are often low."""

    def __init__(
        self,
        groups: Sequence[Sequence[QAction]],
        filter_bar: FilterBar,
        view_menu: QMenu,
        parent: QWidget | None = None,
    ) -> None:
        """Create the buttons.

        Args:
            groups: of actions, at least two. Those of the first group show their texts, and the first two
                groups are visible even in the narrowest panel.
            filter_bar: placed right of the actions.
            view_menu: the menu of the button *View*, at the right end.
            parent: the owner.
        """
        super().__init__(parent)
        self.controls: list[QWidget] = []
        """The widgets in tab order."""
        self._filter = filter_bar
        self._bar = QToolBar("Katana Queue", self)
        self._bar.setMovable(False)
        self._bar.setFloatable(False)
        self._bar.setIconSize(QSize(16, 16))
        self._bar.setStyleSheet(
            COMPACT_BUTTONS + "QToolBar { border: 0; padding: 2px; spacing: 2px; }"
            # Qt makes this button 12 pixels wide, which the padding of the others would fill.
            "QToolButton#qt_toolbar_ext_button { padding: 0; }"
        )
        for place, group in enumerate(groups):
            if place:
                self._bar.addSeparator()
            for action in group:
                self._add(action, with_text=not place)
            if place == 1:
                first = self._bar.sizeHint().width()
            if place <= 2:
                three = self._bar.sizeHint().width()
        self._more = self._bar.findChildren(QToolButton, "qt_toolbar_ext_button")  # Qt's button for the rest
        for button in self._more:
            button.setAccessibleName("More actions")
            button.setToolTip("More actions")
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.controls += self._more
        self._least = first + 2 * self._bar.iconSize().width()
        """The width of the first two groups and of the button for the others, in pixels."""
        self._usual = three + 2 * self._bar.iconSize().width()
        """That of the first three, which are visible while one count of the filter is."""
        view = self._view = QToolButton(self)
        view.setText("View")
        view.setAccessibleName("View options")
        view.setAutoRaise(True)
        view.setMenu(view_menu)
        view.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        view.setStyleSheet(
            "QToolButton { padding: 4px 18px 4px 8px; }"
            "QToolButton::menu-indicator {"
            " subcontrol-origin: border; subcontrol-position: right center; right: 5px; }"
        )
        self.controls += [*filter_bar.controls, view]
        layout = QHBoxLayout(self)
        layout.setContentsMargins(2, 1, SPACING, 1)
        layout.setSpacing(SPACING)
        layout.addWidget(self._bar)
        layout.addWidget(filter_bar, 1)
        layout.addWidget(view)
        self.follow_palette()

    def follow_palette(self) -> None:
        """Draw the icon again in the palette's colours."""
        for button in self._more:
            button.setIcon(tool_icon("more", self.palette()))

    def _fit(self) -> None:
        """Hide the last buttons first, then switches of the filter, and never the first two groups."""
        room = self.width() - self._view.sizeHint().width() - 4 * SPACING
        beside_counts = room - self._filter.full_width()
        width = max(self._least, min(self._usual, room - self._filter.narrow_width()), beside_counts)
        self._bar.setMaximumWidth(max(0, min(width, room - self._filter.minimumWidth())))

    def _add(self, action: QAction, with_text: bool = False) -> None:
        self._bar.addAction(action)
        button = self._bar.widgetForAction(action)
        if isinstance(button, QToolButton):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # reachable by keyboard
            button.setAccessibleName(action.text())
            self.controls.append(button)
            if with_text:
                button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)


_BY_KEY = (
    Qt.FocusReason.TabFocusReason,
    Qt.FocusReason.BacktabFocusReason,
    Qt.FocusReason.ShortcutFocusReason,
)


class _Tabs(QTabBar):
    """A tab bar that draws its keyboard focus itself: the host's style may not."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._framed = False

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Draw a frame only if the focus came by the keyboard, not by a click or a new window."""
        if event.reason() != Qt.FocusReason.ActiveWindowFocusReason:
            self._framed = event.reason() in _BY_KEY
        super().focusInEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw a frame around the current tab, as around the current row of the list."""
        super().paintEvent(event)
        if self.hasFocus() and self._framed:
            painter = QPainter(self)
            painter.setPen(faded(self.palette().color(QPalette.ColorRole.WindowText), 0.6))
            painter.drawRect(self.tabRect(self.currentIndex()).adjusted(2, 4, -3, -4))


class DetailsPanel(QWidget):
    """Pages with tabs; the buttons of the current page are beside the tabs.

    Signals:
        page_changed(): another page is shown.
    """

    page_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tabs = _Tabs(self)
        self._tabs.setAccessibleName("Details")
        self.controls: list[QWidget] = [self._tabs]
        """The widgets in tab order."""
        self._tabs.setDrawBase(False)
        self._tabs.setExpanding(False)
        self._pages = QStackedWidget(self)
        self._tools = QStackedWidget(self)
        # Ignored: buttons that do not fit are cut off and do not make the panel wider.
        self._tools.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Maximum)
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self._tabs)
        row.addWidget(self._tools, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(row)
        layout.addWidget(self._pages, 1)
        self._tabs.currentChanged.connect(self._on_current_changed)

    def add(self, name: str, page: QWidget, tools: QWidget, controls: Sequence[QWidget]) -> None:
        """Add a page called `name`, with its buttons `tools`, and its widgets `controls` in tab order."""
        self.controls += controls
        self._pages.addWidget(page)
        self._tools.addWidget(tools)
        self._tabs.addTab(name)

    def show_page(self, name: str) -> None:
        """Show the page called `name`; do nothing if there is none."""
        for place in range(self._tabs.count()):
            if self._tabs.tabText(place) == name:
                self._tabs.setCurrentIndex(place)

    def current_name(self) -> str:
        """Return the name of the shown page."""
        return self._tabs.tabText(self._tabs.currentIndex())

    def current_page(self) -> QWidget | None:
        """Return the shown page; None when there are none."""
        return self._pages.currentWidget()

    def _on_current_changed(self, place: int) -> None:
        self._pages.setCurrentIndex(place)
        self._tools.setCurrentIndex(place)
        self.page_changed.emit()
