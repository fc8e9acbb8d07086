"""The page with the picture of the selected job, or a wipe between the pictures of two."""

from __future__ import annotations

from typing import NamedTuple

from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QPixmap,
    QPolygonF,
    QShowEvent,
)
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from ....ui.theme import SPACING, draw_message
from ..models.pictures import PictureLoader

__all__ = ["NamedPicture", "PicturePanel"]

GRIP = 9
"""In pixels: how near to the line a drag can start, and the radius of the line's handle."""
STEP, LONG_STEP = 0.02, 0.1
"""How far an arrow key moves the line, as a fraction of the picture's width; LONG_STEP with Shift."""


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
        self.canvas = Canvas(self)
        self._title = _Title(self)
        self.tools = QWidget(self)
        """The row above the panel; the tab places it."""
        bar = QHBoxLayout(self.tools)
        bar.setContentsMargins(2 * SPACING, 2, 2 * SPACING, 2)
        bar.addWidget(self._title, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.canvas, 1)
        self._look = QTimer(self)
        self._look.setSingleShot(True)
        self._look.setInterval(250)  # a picture in progress changes often
        self._look.timeout.connect(self._load)
        self.canvas.opened.connect(self.opened)
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
        elif path not in self._loaded:  # else keep the picture that was loaded before
            self._problems[path] = message
        self._draw()

    def _draw(self) -> None:
        parts = []
        for path, name in self._shown:
            size = self._loaded[path].size() if path in self._loaded else QSize()
            parts.append(name + ("" if size.isEmpty() else f", {size.width()} × {size.height()}"))
        self._title.show_text("   |   ".join(part for part in parts if part))
        first = self._shown[0]
        message = "\n".join(self._problems.values())
        if not message:
            message = "" if first.path else "No picture yet." if first.name else "Select a job."
        self.canvas.show_pictures(
            [(self._loaded.get(path, QPixmap()), name) for path, name in self._shown], message
        )


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


class Canvas(QWidget):
    """Draws a picture as large as it fits, or two with a line between them to drag, or to move by keys.

    Signals:
        opened(): open the picture: it was double-clicked, or Return was pressed.
    """

    opened = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._pictures: list[tuple[QPixmap, str]] = []
        self._message = ""
        self._wipe = 0.5

    def show_pictures(self, pictures: list[tuple[QPixmap, str]], message: str) -> None:
        """Show one or two pictures with their names; if all are null, show `message`."""
        self._pictures, self._message = pictures, message
        names = [name for _pixmap, name in pictures]
        if self.compares:
            self.setAccessibleName(f"Picture of {names[0]}, and right of the line of {names[1]}")
            self.setToolTip("Drag the line, or move it with the arrow keys; Shift moves it faster")
        else:
            self.setAccessibleName(f"Picture of {names[0]}" if names[0] else "Picture")
            self.setToolTip("Double-click opens it; select two jobs to compare their pictures")
        self.update()

    @property
    def has_picture(self) -> bool:
        """Whether a picture is shown."""
        return any(not pixmap.isNull() for pixmap, _name in self._pictures)

    @property
    def compares(self) -> bool:
        """Whether two pictures are shown."""
        return len(self._pictures) == 2 and not any(pixmap.isNull() for pixmap, _name in self._pictures)

    @property
    def wipe(self) -> float:
        """The position of the line, from 0 at the picture's left edge to 1 at its right edge."""
        return self._wipe

    def _area(self, picture: QPixmap) -> QRectF:
        room = (self.size() - QSize(12, 12)).expandedTo(QSize(1, 1))
        size = picture.size().scaled(room, Qt.AspectRatioMode.KeepAspectRatio)
        left, top = (self.width() - size.width()) / 2, (self.height() - size.height()) / 2
        return QRectF(left, top, size.width(), size.height())

    def _line_x(self) -> float:
        area = self._area(self._pictures[0][0])
        return area.left() + area.width() * self._wipe

    # --- Drawing ---

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the pictures, or the message."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.fillRect(self.rect(), self.palette().brush(QPalette.ColorRole.Base))
        there = [pixmap for pixmap, _name in self._pictures if not pixmap.isNull()]
        if not there:
            draw_message(painter, self.palette(), self.rect(), self._message)
        else:
            right = there[-1]
            painter.drawPixmap(self._area(right), right, QRectF(right.rect()))
        if self.compares:
            self._draw_left(painter, self._pictures[0][0])
        if self.hasFocus():
            painter.setPen(self.palette().color(QPalette.ColorRole.Highlight))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def _draw_left(self, painter: QPainter, left: QPixmap) -> None:
        x, area = self._line_x(), self._area(left)
        painter.setClipRect(QRectF(0, 0, x, self.height()))
        painter.fillRect(self.rect().adjusted(1, 1, -1, -1), self.palette().brush(QPalette.ColorRole.Base))
        painter.drawPixmap(area, left, QRectF(left.rect()))
        painter.setClipping(False)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle = QPointF(x, area.center().y())
        for colour, width in ((QColor(0, 0, 0, 150), 4.0), (QColor(255, 255, 255), 1.6)):
            painter.setPen(QPen(colour, width))
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        painter.setPen(QPen(QColor(0, 0, 0, 150), 1.0))
        painter.setBrush(QColor(255, 255, 255))
        painter.drawEllipse(middle, GRIP, GRIP)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(40, 40, 40))
        for side in (-1, 1):
            tip = middle + QPointF(6.0 * side, 0)
            back = QPointF(-3.6 * side, 3.4)
            painter.drawPolygon(QPolygonF([tip, tip + back, tip + QPointF(back.x(), -3.4)]))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        self._draw_name(painter, self._pictures[0][1], area, Qt.AlignmentFlag.AlignLeft)
        self._draw_name(painter, self._pictures[1][1], area, Qt.AlignmentFlag.AlignRight)

    def _draw_name(self, painter: QPainter, name: str, area: QRectF, side: Qt.AlignmentFlag) -> None:
        metrics = self.fontMetrics()
        most = max(40, int(area.width() / 2) - 4 * SPACING)
        text = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, most)
        width, height = metrics.horizontalAdvance(text) + 2 * SPACING, metrics.height() + 4
        is_left = side == Qt.AlignmentFlag.AlignLeft
        x = area.left() + SPACING if is_left else area.right() - SPACING - width
        plate = QRect(int(x), int(area.bottom()) - SPACING - height, width, height)
        painter.fillRect(plate, QColor(0, 0, 0, 165))
        painter.setPen(QColor(255, 255, 255))
        painter.drawText(plate, int(Qt.AlignmentFlag.AlignCenter), text)

    # --- Mouse and keys ---

    def _set_wipe(self, wipe: float) -> None:
        self._wipe = min(1.0, max(0.0, wipe))
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag the line, and show by the cursor where it can be dragged."""
        if not self.compares:
            self.unsetCursor()
            return
        x = event.position().x()
        if event.buttons() & Qt.MouseButton.LeftButton:
            area = self._area(self._pictures[0][0])
            self._set_wipe((x - area.left()) / max(1.0, area.width()))
        if abs(x - self._line_x()) <= GRIP:
            self.setCursor(Qt.CursorShape.SplitHCursor)
        else:
            self.unsetCursor()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Move the line to the pointer."""
        self.mouseMoveEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Emit `opened` if there is a picture."""
        if self.has_picture:
            self.opened.emit()

    def uses_key(self, event: QKeyEvent) -> bool:
        """Whether the widget uses a key; called by plugins/ui/shortcut_override.py."""
        moves = (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Home, Qt.Key.Key_End)
        opens = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        return event.key() in opens or (self.compares and event.key() in moves)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move the line; Return opens the picture."""
        key = event.key()
        step = LONG_STEP if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else STEP
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.opened.emit()
        elif self.compares and key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self._set_wipe(self._wipe + (step if key == Qt.Key.Key_Right else -step))
        elif self.compares and key in (Qt.Key.Key_Home, Qt.Key.Key_End):
            self._set_wipe(1.0 if key == Qt.Key.Key_End else 0.0)
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Draw the focus frame."""
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Remove the focus frame."""
        super().focusOutEvent(event)
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        """Restore the cursor."""
        super().leaveEvent(event)
        self.unsetCursor()
