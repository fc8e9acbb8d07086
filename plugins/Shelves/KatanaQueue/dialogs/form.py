"""Parts of a form's rows, as the dialogs of this folder lay them out."""

from __future__ import annotations

from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QWidget

__all__ = ["hint", "label", "row"]


def hint(box: QComboBox, text: str) -> None:
    """Show `text` while nothing stands in the box."""
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
