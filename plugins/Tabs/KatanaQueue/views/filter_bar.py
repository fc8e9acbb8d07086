"""The filter of the jobs list: a search field, a button for each state with its count, a choice of farm."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QToolButton, QWidget

from .....kq.api import JobState
from ....ui.icons import state_pixmap
from ....ui.theme import COMPACT_BUTTONS, SPACING
from ..models.columns import QUEUE_TITLE
from ..models.job_order import JobFilter
from .fitting import FittingWidget
from .search_field import SearchField

__all__ = ["FilterBar"]

_URGENT_FIRST = (
    JobState.FAILED,
    JobState.RUNNING,
    JobState.WAITING,
    JobState.COMPLETED,
    JobState.CANCELLED,
)
"""In a narrow panel the buttons of the last states are hidden first."""


class FilterBar(FittingWidget):
    """Lets the artist choose which jobs are listed.

    Signals:
        filter_changed(JobFilter): the new filter.
        left(): move the focus to the list.
    """

    filter_changed = Signal(object)
    left = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.field = SearchField("Filter jobs by words", widest=320, parent=self)
        self.field.setToolTip("Words in the name, node, Agent, reason or log file; all of them must occur")
        self.field.paused.connect(self._emit_filter)
        self.field.left.connect(self.left)
        self.farm = QComboBox(self)
        self.farm.setAccessibleName("Farm")
        self.farm.setToolTip("Show the jobs of the queue, or of a farm")
        self.farm.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.farm.hide()
        self.farm.currentIndexChanged.connect(lambda _place: self._emit_filter())
        self._buttons: dict[JobState, QToolButton] = {}
        self._switches = QWidget(self)
        switches = QHBoxLayout(self._switches)
        switches.setContentsMargins(0, 0, SPACING, 0)
        switches.setSpacing(1)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(1)
        self.setStyleSheet(COMPACT_BUTTONS)
        for state in (
            JobState.RUNNING,
            JobState.WAITING,
            JobState.FAILED,
            JobState.CANCELLED,
            JobState.COMPLETED,
        ):
            button = QToolButton(self)
            button.setCheckable(True)
            button.setAutoRaise(True)
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            button.toggled.connect(lambda _on: self._emit_filter())
            self._buttons[state] = button
            switches.addWidget(button)
        layout.addStretch(1)
        layout.addWidget(self.farm)
        layout.addWidget(self._switches)
        layout.addWidget(self.field, 3)
        # Set explicitly, without the width of the switches, which are hidden when there is too little room.
        self.setMinimumWidth(self.field.minimumWidth())
        self.set_counts(dict.fromkeys(JobState, 0))
        self.follow_palette()

    def full_width(self) -> int:
        """Return the least width, in pixels, at which nothing is hidden."""
        return self.minimumWidth() + SPACING + sum(map(_width, self.switches))

    def narrow_width(self) -> int:
        """Return the width, in pixels, at which one of the states' buttons fits beside the field."""
        return self.minimumWidth() + SPACING + max(map(_width, self.switches))

    @property
    def controls(self) -> list[QWidget]:
        """The widgets in tab order."""
        return [self.farm, *self.switches, self.field]

    @property
    def switches(self) -> list[QToolButton]:
        """The buttons of the states."""
        return list(self._buttons.values())

    def set_farms(self, titles: Sequence[str]) -> None:
        """Offer the queue and these farms to choose from; hide the choice if there are no farms."""
        self.farm.blockSignals(True)
        self.farm.clear()
        self.farm.addItem("All Farms", None)
        self.farm.addItem(QUEUE_TITLE, "")
        for title in titles:
            self.farm.addItem(title, title)
        self.farm.blockSignals(False)
        self.farm.setVisible(bool(titles))
        width = self.farm.sizeHint().width() + SPACING if titles else 0
        self.setMinimumWidth(self.field.minimumWidth() + width)
        self._emit_filter()

    def set_counts(self, counts: dict[JobState, int]) -> None:
        """Show the number of jobs in each state."""
        for state, button in self._buttons.items():
            text = f"{counts[state]:,}"
            if button.text() != text:
                button.setText(text)
                button.setAccessibleName(f"Show {state} jobs only: {counts[state]}")
                button.setToolTip(
                    f"{state}: {counts[state]:,}. Click to show these only; several states can be chosen"
                )

    def set_shown(self, shown: int, total: int) -> None:
        """Show in the field how many of all jobs are listed."""
        text = "Filter jobs"
        if total:
            jobs = "1 job" if total == 1 else f"{total:,} jobs"
            text = f"{shown:,} of {jobs}" if shown != total else f"Filter {jobs}"
        self.field.set_found(f"{shown:,} of {total:,}")
        if self.field.placeholderText() != text:
            self.field.setPlaceholderText(text)

    def follow_palette(self) -> None:
        """Draw the icons again in the palette's colours."""
        for state, button in self._buttons.items():
            button.setIcon(state_pixmap(state, self.palette(), self.devicePixelRatioF(), 14))

    def filter(self) -> JobFilter:
        """Return the chosen filter."""
        states = frozenset(state for state, button in self._buttons.items() if button.isChecked())
        return JobFilter(self.field.text(), states, self.farm.currentData())

    def focus(self) -> None:
        """Move the focus to the search field."""
        self.field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.field.selectAll()

    def clear(self) -> None:
        """Clear the filter, so that all jobs are shown."""
        self.field.clear()
        for button in self._buttons.values():
            button.setChecked(False)
        self.farm.setCurrentIndex(0 if self.farm.count() else -1)
        self._emit_filter()

    def _emit_filter(self) -> None:
        self.field.cut_pause()  # else `paused` would emit the same filter again
        self.filter_changed.emit(self.filter())

    def _fit(self) -> None:
        """Show as many buttons as fit: those that are pressed first. The search field stays."""
        room = self.width() - self.minimumWidth() - SPACING
        wanted = [self._buttons[state] for state in _URGENT_FIRST]
        for button in sorted(wanted, key=lambda each: not each.isChecked()):
            room -= _width(button)
            if button.isHidden() == (room >= 0):
                button.setVisible(room >= 0)


def _width(button: QToolButton) -> int:
    """Return the width of a button and of the space beside it, in pixels."""
    return button.sizeHint().width() + 1
