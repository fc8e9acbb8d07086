"""The page with the picture of the selected job, or a wipe between the pictures of two."""

from __future__ import annotations

from typing import NamedTuple

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QPalette, QPixmap, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from ....ui.theme import COMPACT_BUTTONS, SPACING
from ..models.pictures import PictureLoader
from .picture_canvas import PictureCanvas

__all__ = ["NamedPicture", "PicturePanel"]


class NamedPicture(NamedTuple):
    """The path of a picture file, and the name of its job."""

    path: str
    name: str


class PicturePanel(QWidget):
    """Shows pictures that the PictureLoader loads. Qt's thread.

    Signals:
        opened(): open the picture, which was double-clicked.
    """

    opened = Signal()

    def __init__(self, pictures: PictureLoader, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pictures = pictures
        self._shown: tuple[NamedPicture, ...] = ()
        self._loaded: dict[str, QPixmap] = {}
        self._problems: dict[str, str] = {}
        self.canvas = PictureCanvas(self)
        self._title = _Title(self)
        self.tools = QWidget(self)
        """The row above the panel; the tab places it."""
        bar = QHBoxLayout(self.tools)
        bar.setContentsMargins(2 * SPACING, 2, SPACING, 2)
        bar.setSpacing(2)
        self.tools.setStyleSheet(COMPACT_BUTTONS)
        self._zoom = QLabel(self.tools)
        self._zoom.setMinimumWidth(self.fontMetrics().horizontalAdvance("0000 %") + SPACING)
        self._zoom.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._fit = self._button("Fit", "Show the whole picture (F)")
        self._full_size = self._button("1:1", "Show the picture at full size (1)")
        self._fit.clicked.connect(self.canvas.fit)
        self._full_size.clicked.connect(self.canvas.show_full_size)
        bar.addWidget(self._title, 1)
        bar.addSpacing(SPACING)
        bar.addWidget(self._zoom)
        bar.addSpacing(SPACING)
        bar.addWidget(self._fit)
        bar.addWidget(self._full_size)
        self.controls: list[QWidget] = [self._fit, self._full_size, self.canvas]
        """The widgets in tab order."""
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.canvas, 1)
        self._look = QTimer(self)
        self._look.setSingleShot(True)
        self._look.setInterval(250)  # a picture in progress changes often
        self._look.timeout.connect(self._load)
        self.canvas.opened.connect(self.opened)
        self.canvas.zoom_changed.connect(self._show_zoom)
        pictures.picture_loaded.connect(self._on_loaded)
        self.show_picture("", "")

    def show_picture(self, path: str, name: str) -> None:
        """Show the picture at `path` of the job called `name`. Call it again when the file has changed."""
        self._show(NamedPicture(path, name))

    def show_unsaved(self, picture: QPixmap, name: str) -> None:
        """Show a picture that is not in a file. Call it again when the picture has changed."""
        self._shown = ()
        self._loaded.clear()
        self._problems.clear()
        self._title.show_text(f"{name}, {picture.width()} × {picture.height()}, as in the Catalog")
        self.canvas.show_pictures([(picture, name)], "")

    def compare(self, before: NamedPicture, after: NamedPicture) -> None:
        """Show `before` left of a line and `after` right of it. Call it again when a file has changed."""
        self._show(before, after)

    @property
    def title(self) -> str:
        """The names and sizes of the shown pictures."""
        return self._title.toolTip()

    def _show(self, *shown: NamedPicture) -> None:
        if shown == self._shown:
            if shown[0].path and not self._look.isActive():
                self._look.start()
            return
        self._shown = shown
        paths = {picture.path for picture in shown}
        self._loaded = {path: pixmap for path, pixmap in self._loaded.items() if path in paths}
        self._problems.clear()
        self._draw()
        self._load()

    def _load(self) -> None:
        if self.isVisible():
            for path in {picture.path for picture in self._shown if picture.path}:
                self._pictures.load_picture(path)

    def showEvent(self, event: QShowEvent) -> None:
        """Load the pictures, which are not loaded while the page is hidden."""
        super().showEvent(event)
        self._load()

    def _on_loaded(self, path: str, image: QImage, message: str) -> None:
        if all(path != picture.path for picture in self._shown):
            return
        if not image.isNull():
            self._loaded[path] = QPixmap.fromImage(image)
            self._problems.pop(path, None)
        elif path not in self._loaded:  # else keep the picture that was loaded before
            self._problems[path] = message
        self._draw()

    def _draw(self) -> None:
        parts = []
        for path, name in self._shown:
            size = self._loaded[path].size() if path in self._loaded else QSize()
            known = "" if size.isEmpty() else f", {size.width()} × {size.height()}"
            # Beside the picture of another job there is no room for the whole message.
            parts.append(name + (", cannot be shown" if path in self._problems else known))
        self._title.show_text("   |   ".join(part for part in parts if part))
        first = self._shown[0]
        message = "\n".join(self._problems.values())
        if not message:
            message = "" if first.path else "No picture." if first.name else "Select a job."
        self.canvas.show_pictures(
            [(self._loaded.get(path, QPixmap()), name) for path, name in self._shown], message
        )

    def _button(self, text: str, tip: str) -> QToolButton:
        button = QToolButton(self.tools)
        button.setText(text)
        button.setToolTip(tip)
        button.setAccessibleName(tip)
        button.setCheckable(True)
        button.setAutoRaise(True)
        return button

    def _show_zoom(self) -> None:
        canvas = self.canvas
        for button, holds in ((self._fit, canvas.is_fitted), (self._full_size, canvas.zoom == 1.0)):
            button.setEnabled(canvas.has_picture)
            button.setChecked(canvas.has_picture and holds)
        self._zoom.setText(f"{canvas.zoom:.0%}".replace("%", " %") if canvas.has_picture else "")


class _Title(QWidget):
    """A right-aligned text, elided in its middle, so that the name's start and the size stay readable."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._text = ""

    def show_text(self, text: str) -> None:
        """Show `text`."""
        self._text = text
        self.setToolTip(text)
        self.setAccessibleName(text)
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(0, self.fontMetrics().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        text = self.fontMetrics().elidedText(self._text, Qt.TextElideMode.ElideMiddle, self.width())
        painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), text)
        painter.end()
