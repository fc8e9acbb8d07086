"""A menu that is filtered by typing: it shows the items that contain the text, ignoring case."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeyEvent
from PySide6.QtWidgets import QMenu, QWidget

_HINT = "Type to filter"


class FilterMenu(QMenu):
    """A QMenu with a line at its top that shows what was typed. Sections without a match are hidden."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._filter = ""
        self._line = self.addAction(_HINT)
        self._line.setEnabled(False)

    @property
    def filter(self) -> str:
        """The text typed so far."""
        return self._filter

    def keyPressEvent(self, event: QKeyEvent) -> None:
        text = event.text()
        if event.key() == Qt.Key.Key_Backspace:
            self._show(self._filter[:-1])
        elif event.key() == Qt.Key.Key_Escape and self._filter:
            self._show("")
        elif text.isprintable() and text and not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._show(self._filter + text)
        else:
            super().keyPressEvent(event)

    def _choices(self) -> list[QAction]:
        return [each for each in self.actions() if each is not self._line and not each.isSeparator()]

    def _show(self, text: str) -> None:
        self._filter = text
        self._line.setText(f"Filter: {text}" if text else _HINT)
        matches = []
        for action in self._choices():
            found = text.lower() in action.text().replace("&", "").lower()
            action.setVisible(found)
            if found:
                matches.append(action)
        for action in self.actions():
            if action.isSeparator():
                action.setVisible(not text)
        if matches:
            self.setActiveAction(matches[0])
        elif text:
            self._line.setText(f"Filter: {text} (no match)")
