"""Parts of a form's rows, as the dialogs of this folder lay them out."""

from __future__ import annotations

from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QLineEdit, QSpinBox, QWidget

__all__ = ["FilledIn", "hint", "label", "row"]

Field = QComboBox | QLineEdit | QSpinBox


def hint(box: QComboBox, text: str) -> None:
    """Show `text` while the box is empty."""
    field = box.lineEdit()
    if field is not None:
        field.setPlaceholderText(text)


def label(text: str, field: QWidget) -> QLabel:
    """A form names a field by its label only when the field is no row of several."""
    named = QLabel(text)
    named.setBuddy(field)
    return named


def row(*widgets: QWidget) -> QHBoxLayout:
    """Side by side; the first takes what room there is."""
    layout = QHBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(widgets[0], 1)
    for widget in widgets[1:]:
        layout.addWidget(widget)
    return layout


class FilledIn:
    """What a dialog filled into its fields by itself. It may replace that; what the user typed stays."""

    def __init__(self) -> None:
        self._texts: dict[Field, str] = {}
        self._first: dict[Field, str] = {}

    def begin(self, field: Field, text: str) -> None:
        """The initial text of a field."""
        self._first[field] = text
        self.fill(field, text)

    def begin_again(self, field: Field, known: str) -> None:
        """Another host was chosen: fill in `known`; else the initial text, unless the user typed one."""
        if known:
            self.put(field, known)
        else:
            self.fill(field, self._first[field])

    def fill(self, field: Field, text: str) -> None:
        """Fill it in, unless the user typed a text."""
        if _text_of(field) in ("", self._texts.get(field, "")) or field not in self._texts:
            self.put(field, text)

    def put(self, field: Field, text: str) -> None:
        """Fill it in, replacing any text."""
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
