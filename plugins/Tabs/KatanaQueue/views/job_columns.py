"""The columns of the jobs list: which are shown, their order and widths, their menu and saved settings.

They fit the width of the list until the artist resizes one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PySide6.QtCore import QObject, QPoint, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QStyle, QTableView

from ....ui.theme import HEADER_PADDING, ROOMY_HEADER
from ..models.column_fit import fitted_widths
from ..models.column_titles import ColumnTitles
from ..models.columns import COLUMNS, Column
from ..models.job_order import SortBy

__all__ = ["JobColumns"]

USUAL_FONT_HEIGHT = 16
"""In pixels: the font height for which the widths in COLUMNS are meant."""


class JobColumns(QObject):
    """Manages the columns of `view`, which must have its model already, and calls `fit` when resized."""

    def __init__(self, view: QTableView, sort_by: SortBy) -> None:
        super().__init__(view)
        self._view = view
        self._is_fitted = True
        self._chosen: dict[Column, bool] = {}  # whether the artist has shown or hidden a column
        self._absent = {Column.FARM}
        self._changing = 0
        self._titles = ColumnTitles(self)
        header = self._header = view.horizontalHeader()
        header.setModel(self._titles)
        header.setStyleSheet(ROOMY_HEADER)
        header.setSectionsMovable(True)
        header.setFirstSectionMovable(True)
        header.setHighlightSections(False)
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(36)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header.customContextMenuRequested.connect(self._show_menu)
        header.sectionHandleDoubleClicked.connect(view.resizeColumnToContents)
        scale = self._scale()
        for column, info in enumerate(COLUMNS):
            header.resizeSection(column, round(info.width * scale))
            header.setSectionHidden(column, info.hidden or column in self._absent)
        # Setting the indicator first keeps setSortingEnabled from sorting by the first column.
        down = Qt.SortOrder.DescendingOrder if sort_by.descending else Qt.SortOrder.AscendingOrder
        header.setSortIndicator(sort_by.column, down)
        self._titles.set_sorted(sort_by.column)
        view.setSortingEnabled(True)
        header.sectionResized.connect(lambda *_: self._on_resized())
        header.sortIndicatorChanged.connect(lambda *_: self._on_sorted())

    def _on_sorted(self) -> None:
        self._titles.set_sorted(self._header.sortIndicatorSection())
        self.fit()

    def offer_farm(self, offered: bool) -> None:
        """Set whether the column *Farm* exists; without farms it has no use."""
        if offered is (Column.FARM not in self._absent):
            return
        self._absent = set() if offered else {Column.FARM}
        if self._is_fitted:
            self.fit()
        else:
            with self._by_itself():
                self._header.setSectionHidden(
                    Column.FARM, not offered or self._chosen.get(Column.FARM) is False
                )

    # --- Fitted, until they are arranged ---

    @property
    def is_fitted(self) -> bool:
        """Whether the columns fit the width of the list, since the artist has not resized one."""
        return self._is_fitted

    def fit(self) -> None:
        """Fit the columns to the list's width, if `is_fitted`."""
        room = self._view.viewport().width()
        if not self._is_fitted or room <= 0:
            return
        header = self._header
        widths = fitted_widths(room, self._scale(), self._title_widths(), self._chosen, self._absent)
        with self._by_itself():
            for column in Column:
                width = widths.get(column)
                header.setSectionHidden(column, width is None)
                if width is not None:
                    header.resizeSection(column, width)

    def _title_widths(self) -> dict[Column, int]:
        """Return the width of each title in pixels, also of hidden columns, for which Qt has none."""
        header, metrics = self._header, self._header.fontMetrics()
        widths = {
            column: metrics.horizontalAdvance(COLUMNS[column].title) + 2 * HEADER_PADDING + 2
            for column in Column
        }
        mark = header.style().pixelMetric(QStyle.PixelMetric.PM_HeaderMarkSize, None, header)
        widths[Column(header.sortIndicatorSection())] += mark
        return widths

    def _on_resized(self) -> None:
        if not self._changing:
            self._is_fitted = False

    @contextmanager
    def _by_itself(self) -> Iterator[None]:
        """Mark changes of the header in the body as the program's, not the artist's."""
        self._changing += 1
        try:
            yield
        finally:
            self._changing -= 1

    def _scale(self) -> float:
        return max(1.0, self._view.fontMetrics().height() / USUAL_FONT_HEIGHT)

    # --- Menu ---

    def menu(self) -> QMenu:
        """Return a menu to show and hide columns. It is filled each time that it opens."""
        menu = QMenu("Columns", self._view)
        menu.aboutToShow.connect(lambda: self._fill(menu))
        self._fill(menu)
        return menu

    def _fill(self, menu: QMenu) -> None:
        menu.clear()
        header = self._header
        for column, info in enumerate(COLUMNS):
            if column in self._absent:
                continue
            action = QAction(info.title, menu, checkable=True)
            action.setChecked(not header.isSectionHidden(column))
            action.setEnabled(column != Column.NAME)
            action.toggled.connect(lambda shown, column=column: self._show(column, shown))
            menu.addAction(action)
        menu.addSeparator()
        fit = QAction("Fit to Width", menu, checkable=True)
        fit.setChecked(self._is_fitted)
        fit.toggled.connect(self._set_fitted)
        menu.addAction(fit)

    def _show(self, column: int, shown: bool) -> None:
        """Show or hide a column for the artist. If the columns are not fitted, *Reason* makes room for it."""
        header = self._header
        self._chosen[Column(column)] = shown
        if self._is_fitted:
            self.fit()
            return
        header.setSectionHidden(column, not shown)
        room = self._view.viewport().width() - header.length()
        if column == Column.REASON or header.isSectionHidden(Column.REASON) or (room > 0) is shown:
            return
        width = header.sectionSize(Column.REASON)
        least = round(COLUMNS[Column.REASON].least * self._scale())
        header.resizeSection(Column.REASON, max(width + room, min(width, least)))

    def reveal(self, column: Column) -> None:
        """Show a column, for example when it has its first content, unless the artist has hidden it."""
        if column not in self._chosen and self._header.isSectionHidden(column):
            self._show(column, True)

    def _set_fitted(self, fitted: bool) -> None:
        self._is_fitted = fitted
        self.fit()

    def _show_menu(self, position: QPoint) -> None:
        menu = self.menu()
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(self._header.mapToGlobal(position))

    # --- Settings ---

    def settings(self) -> dict[str, Any]:
        """Return the settings that Katana saves with the tab. Columns are named by their keys."""
        header = self._header
        order = sorted(range(len(COLUMNS)), key=header.visualIndex)
        hidden = [column for column in Column if header.isSectionHidden(column)]
        widths = {}
        with self._by_itself():
            for column, info in enumerate(COLUMNS):
                if column in hidden:  # a hidden section has the width 0
                    header.setSectionHidden(column, False)
                widths[info.key] = header.sectionSize(column)
                header.setSectionHidden(column, column in hidden)
        return {
            "fitted": self._is_fitted,
            "chosen": {COLUMNS[column].key: shown for column, shown in self._chosen.items()},
            "order": [COLUMNS[column].key for column in order],
            "hidden": [COLUMNS[column].key for column in hidden],
            "widths": widths,
            "sort": COLUMNS[header.sortIndicatorSection()].key,
            "descending": header.sortIndicatorOrder() == Qt.SortOrder.DescendingOrder,
        }

    def apply_settings(self, settings: dict[str, Any]) -> None:
        """Restore what `settings` returned; invalid or unknown values are ignored."""
        columns = {info.key: column for column, info in enumerate(COLUMNS)}
        wanted = [columns[key] for key in _texts(settings.get("order")) if key in columns]
        for place, column in enumerate(wanted):
            self._header.moveSection(self._header.visualIndex(column), place)
        chosen = settings.get("chosen")
        if isinstance(chosen, dict):
            self._chosen = {
                Column(columns[key]): shown is True
                for key, shown in chosen.items()
                if key in columns and columns[key] != Column.NAME
            }
        is_fitted = settings.get("fitted") is not False
        self._set_fitted(is_fitted)
        if not is_fitted:
            self._arrange(settings, columns)
        key = settings.get("sort")
        if isinstance(key, str) and key in columns:
            down = Qt.SortOrder.DescendingOrder if settings.get("descending") else Qt.SortOrder.AscendingOrder
            self._view.sortByColumn(columns[key], down)

    def _arrange(self, settings: dict[str, Any], columns: dict[str, int]) -> None:
        header = self._header
        widths = settings.get("widths")
        if isinstance(widths, dict):
            for key, width in widths.items():
                if key in columns and isinstance(width, int) and 20 <= width <= 4000:
                    header.resizeSection(columns[key], width)
        if "hidden" in settings:
            hidden = set(_texts(settings["hidden"])) - {COLUMNS[Column.NAME].key}
            for key, column in columns.items():
                header.setSectionHidden(column, key in hidden or column in self._absent)


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list | tuple) else []
