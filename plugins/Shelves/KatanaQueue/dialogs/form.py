"""Helpers for the forms of the dialogs: labels, rows, hints, and fields that are filled in by default."""

from __future__ import annotations

from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QLineEdit, QSpinBox, QWidget

__all__ = ["FilledIn", "hint", "label", "row"]

Field = QComboBox | QLineEdit | QSpinBox


def hint(box: QComboBox, text: str) -> None:
    """Show `text` as a placeholder while the editable `box` is empty."""
    field = box.lineEdit()
    if field is not None:
        field.setPlaceholderText(text)


def label(text: str, field: QWidget) -> QLabel:
    """Return a label for `field`. QFormLayout sets the buddy only for a row that is a single widget."""
    named = QLabel(text)
    named.setBuddy(field)
    return named


def row(*widgets: QWidget) -> QHBoxLayout:
    """Lay out `widgets` side by side; the first takes the remaining width."""
    layout = QHBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(widgets[0], 1)
    for widget in widgets[1:]:
        layout.addWidget(widget)
    return layout


class FilledIn:
    """Fills in a dialog's fields. May replace a text that it filled in, but not one that the user typed."""

    def __init__(self) -> None:
        self._texts: dict[Field, str] = {}
        self._first: dict[Field, str] = {}

    def begin(self, field: Field, text: str) -> None:
        """Fill in the initial text of a field, to which `begin_again` returns."""
        self._first[field] = text
        self.put(field, text)

    def begin_again(self, field: Field, known: str) -> None:
        """Fill in a field for another host: `known`, or the initial text unless the user typed one."""
        if known:
            self.put(field, known)
        else:
            self.fill(field, self._first[field])

    def fill(self, field: Field, text: str) -> None:
        """Fill in `text`, unless the user typed another one."""
        if _text_of(field) in ("", self._texts.get(field, "")):
            self.put(field, text)

    def put(self, field: Field, text: str) -> None:
        """Fill in `text`, even over what the user typed."""
        self._texts[field] = text
        if isinstance(field, QSpinBox):
            field.setValue(int(text))
        elif isinstance(field, QComboBox):
            field.setEditText(text)
        else:
            field.setText(text)


def _text_of(field: Field) -> str:
    if isinstance(field, QSpinBox):
        return str(field.value())
    return field.currentText() if isinstance(field, QComboBox) else field.text()
