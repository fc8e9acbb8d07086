"""The columns of the jobs list, as artists arrange them and Katana keeps them: shown, moved, sized."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QObject, QPoint, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QTableView

from ..models.columns import COLUMNS, Column
from ..models.job_order import SortBy
from .look import ROOMY_HEADER

__all__ = ["JobColumns"]

USUAL_FONT_HEIGHT = 16
"""Pixels; the widths of columns are meant for it."""


class JobColumns(QObject):
    """The columns of `view`, which has its model already. The view owns this."""

    def __init__(self, view: QTableView, sort_by: SortBy) -> None:
        super().__init__(view)
        self._view = view
        header = self._header = view.horizontalHeader()
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
        scale = max(1.0, view.fontMetrics().height() / USUAL_FONT_HEIGHT)
        for column, info in enumerate(COLUMNS):
            header.resizeSection(column, round(info.width * scale))
            header.setSectionHidden(column, info.hidden)
        # Setting the indicator first keeps setSortingEnabled from sorting by the first column.
        down = Qt.SortOrder.DescendingOrder if sort_by.descending else Qt.SortOrder.AscendingOrder
        header.setSortIndicator(sort_by.column, down)
        view.setSortingEnabled(True)

    def menu(self) -> QMenu:
        """A menu in which each column can be shown or hidden."""
        menu = QMenu("Columns", self._view)
        header = self._header
        for column, info in enumerate(COLUMNS):
            action = QAction(info.title, menu, checkable=True)
            action.setChecked(not header.isSectionHidden(column))
            action.setEnabled(column != Column.NAME)
            action.toggled.connect(lambda shown, column=column: header.setSectionHidden(column, not shown))
            menu.addAction(action)
        return menu

    def _show_menu(self, position: QPoint) -> None:
        menu = self.menu()
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(self._header.mapToGlobal(position))

    def settings(self) -> dict[str, Any]:
        """Columns by name, as Katana saves them with the tab."""
        header = self._header
        order = sorted(range(len(COLUMNS)), key=header.visualIndex)
        widths = {}
        for column, info in enumerate(COLUMNS):
            hidden = header.isSectionHidden(column)
            if hidden:  # a hidden section says 0
                header.setSectionHidden(column, False)
            widths[info.key] = header.sectionSize(column)
            header.setSectionHidden(column, hidden)
        return {
            "order": [COLUMNS[column].key for column in order],
            "hidden": [info.key for column, info in enumerate(COLUMNS) if header.isSectionHidden(column)],
            "widths": widths,
            "sort": COLUMNS[header.sortIndicatorSection()].key,
            "descending": header.sortIndicatorOrder() == Qt.SortOrder.DescendingOrder,
        }

    def apply_settings(self, settings: dict[str, Any]) -> None:
        """Take back what `settings` gave; what is not understood is left as it is."""
        header = self._header
        columns = {info.key: column for column, info in enumerate(COLUMNS)}
        wanted = [columns[key] for key in _texts(settings.get("order")) if key in columns]
        for place, column in enumerate(wanted):
            header.moveSection(header.visualIndex(column), place)
        widths = settings.get("widths")
        if isinstance(widths, dict):
            for key, width in widths.items():
                if key in columns and isinstance(width, int) and 20 <= width <= 4000:
                    header.resizeSection(columns[key], width)
        if "hidden" in settings:
            hidden = set(_texts(settings["hidden"])) - {COLUMNS[Column.NAME].key}
            for key, column in columns.items():
                header.setSectionHidden(column, key in hidden)
        key = settings.get("sort")
        if isinstance(key, str) and key in columns:
            down = Qt.SortOrder.DescendingOrder if settings.get("descending") else Qt.SortOrder.AscendingOrder
            self._view.sortByColumn(columns[key], down)


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list | tuple) else []
