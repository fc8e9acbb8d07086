"""The base class of the shelf's dialogs: each is open at most once."""

from __future__ import annotations

from typing import ClassVar, Self

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QWidget

__all__ = ["SingleDialog"]


class SingleDialog(QDialog):
    """A dialog that `show_for` opens once and then brings to the front. Qt's thread."""

    _open: ClassVar[dict[type, QDialog]] = {}
    """The open dialogs by class."""

    @classmethod
    def show_for(cls, parent: QWidget | None) -> Self:
        """Open the dialog, or bring the one that is open to the front."""
        dialog = cls._open.get(cls)
        if isinstance(dialog, cls):
            dialog.refresh()
        else:
            dialog = cls._open[cls] = cls(parent)
            dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            dialog.destroyed.connect(lambda: cls._open.pop(cls, None))
        dialog.show()
        dialog.raise_()
        dialog.activateWindow()
        return dialog

    def refresh(self) -> None:
        """Take over what has changed outside the open dialog; called before it is brought to the front."""
