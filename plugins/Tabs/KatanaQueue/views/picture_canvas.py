"""Draws one picture, or a wipe between two, fitted or at any zoom. Independent of jobs and files."""

from __future__ import annotations

from math import floor

from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QPixmap,
    QPolygonF,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from ....ui.theme import SPACING, draw_message

__all__ = ["PictureCanvas"]

GRIP = 9
"""In pixels: how near to the line a drag can start, and the radius of the line's handle."""
STEP, LONG_STEP = 0.02, 0.1
"""How far an arrow key moves the line, as a fraction of the width that is seen; LONG_STEP with Shift."""
MARGIN = 6
"""Around a fitted picture, in pixels."""
PAN_STEP, LONG_PAN_STEP = 32, 256
"""How far an arrow key pans, in pixels; LONG_PAN_STEP with Shift."""
MAX_ZOOM = 64.0
_K = Qt.Key
_MOVES: dict[int, tuple[int, int]] = {
    _K.Key_Left: (-1, 0),
    _K.Key_Right: (1, 0),
    _K.Key_Up: (0, -1),
    _K.Key_Down: (0, 1),
}
_COMPARE_TIP = "Drag the line, or move it with the arrow keys; Shift moves it faster"
_ONE_TIP = "Double-click opens it; select two jobs to compare their pictures"
_ZOOM_TIP = "The wheel zooms, dragging pans; F fits, 1 shows the full size"


class PictureCanvas(QWidget):
    """Shows a picture, or two with a line between them to drag, or to move by keys. Qt's thread.

    The wheel zooms at the pointer and a drag pans, two pictures as one; F fits, 1 shows one picture pixel
    per logical pixel. Of two sizes the smaller picture is scaled to the larger, so that they can be compared.

    Signals:
        opened(): open the picture: it was double-clicked, or Return was pressed.
        zoom_changed(): `zoom` or `is_fitted` may have changed.
    """

    opened = Signal()
    zoom_changed = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._pictures: list[tuple[QPixmap, str]] = []
        self._message = ""
        self._wipe = 0.5
        self._fixed_zoom: float | None = None  # None: fitted
        self._centre = QPointF()  # of what is seen, in pixels of the larger picture
        self._size = QSize()
        self._drag: QPointF | None = None
        self._drags_line = False

    def show_pictures(self, pictures: list[tuple[QPixmap, str]], message: str) -> None:
        """Show one or two pictures with their names; if all are null, show `message`.

        Zoom and position are kept, unless the size differs from the size of the pictures before.
        """
        self._pictures, self._message = pictures, message
        size = self._largest().size()
        if not size.isEmpty() and size != self._size:
            self._size = size
            self._fixed_zoom = None
        self._move_to(self._centre)
        names = [name for _pixmap, name in pictures]
        if self.compares:
            self.setAccessibleName(f"Picture of {names[0]}, and right of the line of {names[1]}")
            self.setToolTip(f"{_COMPARE_TIP}\n{_ZOOM_TIP}")
        else:
            self.setAccessibleName(f"Picture of {names[0]}" if names[0] else "Picture")
            self.setToolTip(f"{_ONE_TIP}\n{_ZOOM_TIP}")
        self.zoom_changed.emit()
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
        """The position of the line, from 0 at the left edge of the visible part to 1 at the right."""
        return self._wipe

    # --- Zoom ---

    @property
    def zoom(self) -> float:
        """The magnification, 1.0 for one pixel of the larger picture per logical pixel."""
        return self._fit_zoom() if self._fixed_zoom is None else self._fixed_zoom

    @property
    def is_fitted(self) -> bool:
        """Whether the whole picture is shown, also after the widget is resized."""
        return self._fixed_zoom is None

    def fit(self) -> None:
        """Show the whole picture, as large as it fits."""
        self._set_zoom(None)

    def show_full_size(self) -> None:
        """Show one picture pixel per logical pixel, with the same middle."""
        self._set_zoom(1.0)

    def _set_zoom(self, zoom: float | None) -> None:
        self._fixed_zoom = zoom
        self._move_to(self._centre)
        self.zoom_changed.emit()

    def _move_to(self, centre: QPointF) -> None:
        """Show `centre` in the middle, or the nearest point at which no room beside the picture is wasted."""

        def limited(at: float, picture: int, room: int) -> float:
            half = room / self.zoom / 2
            return picture / 2 if 2 * half >= picture else min(max(at, half), picture - half)

        self._centre = QPointF(
            limited(centre.x(), self._size.width(), self.width()),
            limited(centre.y(), self._size.height(), self.height()),
        )
        self.update()

    def _fit_zoom(self) -> float:
        if self._size.isEmpty():
            return 1.0
        room = (self.size() - QSize(2 * MARGIN, 2 * MARGIN)).expandedTo(QSize(1, 1))
        return min(room.width() / self._size.width(), room.height() / self._size.height())

    def _largest(self) -> QPixmap:
        return max((pixmap for pixmap, _name in self._pictures), key=QPixmap.width, default=QPixmap())

    def _frame(self) -> QRectF:
        """Return the area of the larger picture, most of which may be outside the widget."""
        size = QPointF(self._size.width(), self._size.height()) * self.zoom
        corner = QPointF(self.width() / 2, self.height() / 2) - self._centre * self.zoom
        # On whole pixels: at 1:1 each pixel of the picture is one of the screen, and none is a blend.
        return QRectF(floor(corner.x()), floor(corner.y()), size.x(), size.y())

    def _area(self, picture: QPixmap) -> QRectF:
        frame = self._frame()
        size = picture.size().toSizeF().scaled(frame.size(), Qt.AspectRatioMode.KeepAspectRatio)
        left = frame.left() + (frame.width() - size.width()) / 2
        return QRectF(left, frame.top() + (frame.height() - size.height()) / 2, size.width(), size.height())

    def _seen(self, area: QRectF) -> QRectF:
        return area.intersected(QRectF(self.rect()))

    def _line_x(self) -> float:
        seen = self._seen(self._area(self._pictures[0][0]))
        return seen.left() + seen.width() * self._wipe

    def _exceeds(self) -> bool:
        frame = self._frame()
        return frame.width() > self.width() or frame.height() > self.height()

    # --- Drawing ---

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the pictures, or the message."""
        painter = QPainter(self)
        # Enlarged, the pixels are what the artist wants to see.
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self.zoom < 2.0)
        painter.fillRect(self.rect(), self.palette().brush(QPalette.ColorRole.Base))
        there = [pixmap for pixmap, _name in self._pictures if not pixmap.isNull()]
        if not there:
            draw_message(painter, self.palette(), self.rect(), self._message)
        else:
            self._draw_picture(painter, there[-1])
        if self.compares:
            self._draw_left(painter, self._pictures[0][0])
        if self.hasFocus():
            painter.setPen(self.palette().color(QPalette.ColorRole.Highlight))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def _draw_picture(self, painter: QPainter, picture: QPixmap) -> None:
        """Draw the part that is seen: Qt draws nothing beyond some 32,000 pixels."""
        area = self._area(picture)
        seen = self._seen(area)
        if not seen.isEmpty():
            scale = picture.width() / area.width()
            corner = (seen.topLeft() - area.topLeft()) * scale
            painter.drawPixmap(seen, picture, QRectF(corner, seen.size() * scale))

    def _draw_left(self, painter: QPainter, left: QPixmap) -> None:
        x, area = self._line_x(), self._seen(self._area(left))
        painter.setClipRect(QRectF(0, 0, x, self.height()))
        painter.fillRect(self.rect().adjusted(1, 1, -1, -1), self.palette().brush(QPalette.ColorRole.Base))
        self._draw_picture(painter, left)
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

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Move the line to the pointer, or start to pan where the picture is larger than the widget."""
        is_left = event.button() == Qt.MouseButton.LeftButton
        if not self.has_picture or not (is_left or event.button() == Qt.MouseButton.MiddleButton):
            return
        self._drag = event.position()
        self._drags_line = (
            self.compares and is_left and (self._is_at_line(event.position()) or not self._exceeds())
        )
        if self._exceeds() and not self._drags_line:
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        self.mouseMoveEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag the line or the picture, and show by the cursor where the line can be dragged."""
        at = event.position()
        if self._drag is None:
            if self.compares and self._is_at_line(at):
                self.setCursor(Qt.CursorShape.SplitHCursor)
            else:
                self.unsetCursor()
        elif self._drags_line:
            self.setCursor(Qt.CursorShape.SplitHCursor)
            seen = self._seen(self._area(self._pictures[0][0]))
            self._set_wipe((at.x() - seen.left()) / max(1.0, seen.width()))
        else:
            self._move_to(self._centre - (at - self._drag) / self.zoom)
            self._drag = at

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End a drag."""
        self._drag, self._drags_line = None, False
        self.mouseMoveEvent(event)

    def _is_at_line(self, at: QPointF) -> bool:
        return abs(at.x() - self._line_x()) <= GRIP

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom; what is under the pointer stays there. The least zoom is that of *Fit*, or 1:1."""
        turned = event.angleDelta().y()
        if not self.has_picture or not turned:
            return
        offset = event.position() - QPointF(self.width() / 2, self.height() / 2)
        under = self._centre + offset / self.zoom
        fit, zoom = self._fit_zoom(), self.zoom * 1.2 ** (turned / 120)
        self._fixed_zoom = None if zoom <= fit <= 1.0 else min(max(zoom, min(fit, 1.0)), MAX_ZOOM)
        self._move_to(under - offset / self.zoom)
        self.zoom_changed.emit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep a fitted picture fitted, and another one's middle."""
        super().resizeEvent(event)
        self._set_zoom(self._fixed_zoom)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Emit `opened` if there is a picture."""
        if self.has_picture:
            self.opened.emit()

    def uses_key(self, event: QKeyEvent) -> bool:
        """Whether the widget uses a key; called by plugins/ui/shortcut_override.py."""
        key, modifiers = event.key(), event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if key in (_K.Key_Return, _K.Key_Enter):
            return True
        if not self.has_picture:
            return False
        if key in (_K.Key_F, _K.Key_1):
            return modifiers == Qt.KeyboardModifier.NoModifier
        if self.compares and key in (_K.Key_Left, _K.Key_Right, _K.Key_Home, _K.Key_End):
            return True
        return key in _MOVES and self._exceeds()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Zoom, move the line, open the picture, or pan (with Ctrl where arrow keys move the line)."""
        key, modifiers = event.key(), event.modifiers()
        is_long = bool(modifiers & Qt.KeyboardModifier.ShiftModifier)
        step = LONG_STEP if is_long else STEP
        pans = key in _MOVES and (
            not self.compares
            or key in (_K.Key_Up, _K.Key_Down)
            or bool(modifiers & Qt.KeyboardModifier.ControlModifier)
        )
        if not self.uses_key(event):
            super().keyPressEvent(event)
        elif key in (_K.Key_Return, _K.Key_Enter):
            self.opened.emit()
        elif key == _K.Key_F:
            self.fit()
        elif key == _K.Key_1:
            self.show_full_size()
        elif pans:
            self._move_to(
                self._centre + QPointF(*_MOVES[key]) * (LONG_PAN_STEP if is_long else PAN_STEP) / self.zoom
            )
        elif key in (_K.Key_Home, _K.Key_End):
            self._set_wipe(1.0 if key == _K.Key_End else 0.0)
        else:
            self._set_wipe(self._wipe + (step if key == _K.Key_Right else -step))

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
