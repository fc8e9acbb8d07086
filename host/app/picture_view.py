"""A widget that shows one image or compares two, with zoom and pan. Independent of renders."""

from __future__ import annotations

from enum import Enum

from PySide6.QtCore import QPointF, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from . import style

_MIN_ZOOM, _MAX_ZOOM = 1 / 32, 64.0
_BACKGROUND = QColor(26, 26, 26)
"""The same in every palette: the surround affects how a picture's brightness is perceived."""
_NOTICE = QColor(146, 146, 146)


_WIPE_REACH = 8.0
"""Distance from the wipe line within which a drag moves the line, in logical pixels."""


class Compare(Enum):
    """How the front and the back picture are shown."""

    FRONT = "Front"
    BACK = "Back"
    WIPE = "Wipe"
    """The front picture left of a line, the back picture right of it."""
    DIFFERENCE = "Difference"
    """The absolute difference, times four to make small differences visible."""


class PictureView(QWidget):
    """Shows one QImage, or two of them compared at full size.

    Wheel zooms at the pointer, middle or left drag pans, F fits, 1 shows one picture pixel per logical pixel.
    In a wipe, a drag at the line moves the line, and so do the arrow keys, faster with Shift. A back picture
    of another size is scaled to fit into the front one, without distortion. Qt's thread.

    Signals:
        zoom_changed: the magnification, 1.0 for one picture pixel per logical pixel.
        pixel_hovered: position and colour of the pixel under the pointer, as text; empty outside.
    """

    zoom_changed = Signal(float)
    pixel_hovered = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._image = QImage()
        self._zoom = 1.0
        self._centre = QPointF()
        self._fitted = True
        self._drag: QPointF | None = None
        self._notice = ""
        self._back = QImage()
        self._difference = QImage()
        self._compare = Compare.FRONT
        self._wipe = 0.5
        self._drags_wipe = False
        self._labels = ("", "")
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(160, 90)
        self.setAccessibleName("Picture")

    @property
    def image(self) -> QImage:
        """The picture that is shown; null while there is none."""
        return self._image

    @property
    def zoom(self) -> float:
        """The magnification, 1.0 for one picture pixel per logical pixel."""
        return self._zoom

    def set_image(self, image: QImage) -> None:
        """Show `image`. Zoom and position are kept, unless its size differs from the previous image's."""
        resized = image.size() != self._image.size()
        self._image = image
        self._difference = QImage()
        if resized:
            self._centre = QPointF(image.width() / 2, image.height() / 2)
        if resized or self._fitted:
            self.fit()
        self.update()

    @property
    def compare(self) -> Compare:
        """How the two pictures are shown."""
        return self._compare

    @property
    def wipe(self) -> float:
        """Position of the wipe line: 0 at the picture's left edge, 1 at its right."""
        return self._wipe

    def set_back(self, image: QImage) -> None:
        """Set the back picture; a null image ends the comparison."""
        self._back = image
        self._difference = QImage()
        if image.isNull():
            self._compare = Compare.FRONT
        self.update()

    def set_compare(self, compare: Compare) -> None:
        """Set how the two pictures are shown. Without a back picture it is always FRONT."""
        self._compare = Compare.FRONT if self._back.isNull() else compare
        self._difference = QImage()
        self.update()

    def set_labels(self, front: str, back: str) -> None:
        """Set the labels of the two pictures, drawn while they are compared."""
        self._labels = (front, back)
        self.update()

    @property
    def notice(self) -> str:
        """The text that is shown while there is no picture."""
        return self._notice

    def set_notice(self, notice: str) -> None:
        """Set the text that is shown while there is no picture."""
        self._notice = notice
        self.update()

    @property
    def visible_region(self) -> tuple[float, ...]:
        """The visible part of the picture: left, top, right, bottom, from 0 to 1; empty where all is seen."""
        picture = self._picture_rect()
        seen = picture.intersected(QRectF(self.rect()))
        if self._image.isNull() or seen.isEmpty() or seen == picture:
            return ()
        left, top = seen.left() - picture.left(), seen.top() - picture.top()
        width, height = picture.width(), picture.height()
        return (
            left / width,
            top / height,
            min((left + seen.width()) / width, 1.0),
            min((top + seen.height()) / height, 1.0),
        )

    def clear(self) -> None:
        """Remove the front picture; the notice is shown instead."""
        self._image = QImage()
        self.update()

    def fit(self) -> None:
        """Show the whole picture, magnified at most 4 times; it stays fitted when the widget is resized."""
        self._fitted = True
        if self._image.isNull():
            return
        self._centre = QPointF(self._image.width() / 2, self._image.height() / 2)
        zoom = min(self.width() / self._image.width(), self.height() / self._image.height())
        self._set_zoom(min(max(zoom, _MIN_ZOOM), 4.0))

    def show_actual_size(self) -> None:
        """Show one picture pixel per logical pixel."""
        self._fitted = False
        self._set_zoom(1.0)

    def sizeHint(self) -> QSize:
        return QSize(800, 480)

    def _set_zoom(self, zoom: float) -> None:
        self._zoom = zoom
        self.zoom_changed.emit(zoom)
        self.update()

    def _picture_rect(self) -> QRectF:
        middle = QPointF(self.width() / 2, self.height() / 2)
        corner = middle - self._centre * self._zoom
        return QRectF(
            corner,
            QPointF(
                corner.x() + self._image.width() * self._zoom, corner.y() + self._image.height() * self._zoom
            ),
        )

    def _to_picture(self, position: QPointF) -> QPointF:
        return (position - QPointF(self.width() / 2, self.height() / 2)) / self._zoom + self._centre

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        try:
            self._paint(painter)
        finally:
            # A traceback would keep the painter alive; Qt crashes if it outlives the paint event.
            painter.end()

    def _paint(self, painter: QPainter) -> None:
        painter.fillRect(self.rect(), _BACKGROUND)
        if self._image.isNull():
            painter.setPen(_NOTICE)
            area = self.rect().adjusted(24, 24, -24, -24)
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(area, int(flags), self._notice)
            return
        rect = self._picture_rect()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self._zoom < 2.0)
        self._paint_pictures(painter, rect)
        painter.setPen(QColor(70, 70, 70))
        painter.drawRect(rect.adjusted(-1, -1, 0, 0))

    def _paint_pictures(self, painter: QPainter, rect: QRectF) -> None:
        match self._compare:
            case Compare.FRONT:
                painter.drawImage(rect, self._image)
            case Compare.BACK:
                painter.drawImage(self._back_rect(), self._back)
            case Compare.DIFFERENCE:
                if self._difference.isNull():
                    self._difference = difference(self._image, self._back)
                painter.drawImage(rect, self._difference)
            case Compare.WIPE:
                painter.drawImage(rect, self._image)
                line = self._line()
                painter.save()
                painter.setClipRect(QRectF(line, rect.top(), rect.right() - line, rect.height()))
                painter.fillRect(rect, _BACKGROUND)
                painter.drawImage(self._back_rect(), self._back)
                painter.restore()
                painter.fillRect(QRectF(line - 1.0, rect.top(), 2.0, rect.height()), style.ACCENT)
        if not self._back.isNull():
            self._paint_labels(painter)

    def _line(self) -> float:
        """The x of the wipe line."""
        rect = self._picture_rect()
        return rect.left() + rect.width() * self._wipe

    def _back_rect(self) -> QRectF:
        """Where the back picture is drawn."""
        rect, part = self._picture_rect(), fitted(self._back.size(), self._image.size())
        scale = rect.width() / self._image.width()
        return QRectF(
            rect.topLeft() + part.topLeft() * scale, QSizeF(part.width() * scale, part.height() * scale)
        )

    def shown_labels(self) -> tuple[str, str]:
        """The labels of the two pictures, each with its size where the sizes differ."""
        front, back = self._labels
        if self._back.isNull() or self._back.size() == self._image.size():
            return front, back
        return _with_size(front, self._image), _with_size(back, self._back)

    def _paint_labels(self, painter: QPainter) -> None:
        front, back = self.shown_labels()
        corner = max(self._picture_rect().left(), 0.0) + 10.0
        match self._compare:
            case Compare.FRONT:
                _paint_label(painter, front, corner)
            case Compare.BACK:
                _paint_label(painter, back, corner)
            case Compare.DIFFERENCE:
                _paint_label(painter, f"Difference × 4:  {front}  −  {back}", corner)
            case Compare.WIPE:
                line = self._line()
                _paint_label(painter, front, line - 10.0 - painter.fontMetrics().horizontalAdvance(front))
                _paint_label(painter, back, line + 10.0)

    def _near_wipe(self, position: QPointF) -> bool:
        if self._compare is not Compare.WIPE or self._image.isNull():
            return False
        return abs(position.x() - self._line()) <= _WIPE_REACH

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._fitted:
            self.fit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self._image.isNull() or not event.angleDelta().y():
            return
        factor = 1.2 ** (event.angleDelta().y() / 120)
        zoom = min(max(self._zoom * factor, _MIN_ZOOM), _MAX_ZOOM)
        before = self._to_picture(event.position())
        self._fitted = False
        self._set_zoom(zoom)
        self._centre += before - self._to_picture(event.position())
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            self._drags_wipe = event.button() == Qt.MouseButton.LeftButton and self._near_wipe(
                event.position()
            )
            self._drag = event.position()
            if not self._drags_wipe:
                self.setCursor(Qt.CursorShape.ClosedHandCursor)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._drags_wipe:
            rect = self._picture_rect()
            place = (event.position().x() - rect.left()) / max(rect.width(), 1.0)
            self._wipe = min(max(place, 0.0), 1.0)
            self.update()
        elif self._drag is not None and not self._image.isNull():
            self._fitted = False
            self._centre -= (event.position() - self._drag) / self._zoom
            self._drag = event.position()
            self.update()
        elif self._near_wipe(event.position()):
            self.setCursor(Qt.CursorShape.SplitHCursor)
        else:
            self.unsetCursor()
        self.pixel_hovered.emit(self._pixel(event.position()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._drag = None
        self._drags_wipe = False
        self.unsetCursor()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.fit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_F:
            self.fit()
        elif event.key() == Qt.Key.Key_1:
            self.show_actual_size()
        elif event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right) and self._compare is Compare.WIPE:
            step = 0.1 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 0.01
            step = -step if event.key() == Qt.Key.Key_Left else step
            self._wipe = min(max(self._wipe + step, 0.0), 1.0)
            self.update()
        else:
            super().keyPressEvent(event)

    def _pixel(self, position: QPointF) -> str:
        """Return place and colour of the pixel that is drawn at `position`, of whichever picture that is."""
        if self._image.isNull():
            return ""
        image, rect = self._image, self._picture_rect()
        if self._compare is Compare.DIFFERENCE:
            image = self._difference
        elif self._compare is Compare.BACK or (
            self._compare is Compare.WIPE and position.x() >= self._line()
        ):
            image, rect = self._back, self._back_rect()
        point = (position - rect.topLeft()) * (image.width() / rect.width())
        x, y = int(point.x()), int(point.y())
        if not (point.x() >= 0 and point.y() >= 0 and image.valid(x, y)):
            return ""
        color = image.pixelColor(x, y)
        return f"x {x}  y {y}    R {color.redF():.3f}  G {color.greenF():.3f}  B {color.blueF():.3f}"


def fitted(size: QSize, area: QSize) -> QRectF:
    """Return the centred part of `area` that a picture of `size` fills when it is scaled to fit into it."""
    scaled = QSizeF(size).scaled(QSizeF(area), Qt.AspectRatioMode.KeepAspectRatio)
    corner = QPointF((area.width() - scaled.width()) / 2, (area.height() - scaled.height()) / 2)
    return QRectF(corner, scaled)


def _with_size(label: str, image: QImage) -> str:
    return f"{label}, {image.width()} × {image.height()}"


def _paint_label(painter: QPainter, text: str, x: float) -> None:
    if not text:
        return
    metrics = painter.fontMetrics()
    box = QRectF(x - 4.0, 6.0, metrics.horizontalAdvance(text) + 8.0, metrics.height() + 4.0)
    painter.fillRect(box, QColor(0, 0, 0, 170))
    painter.setPen(QColor(230, 230, 230))
    painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), text)


def difference(front: QImage, back: QImage) -> QImage:
    """Return the absolute difference of two images times four; `back` is scaled to fit into `front`."""
    wanted = QImage.Format.Format_RGB32
    result = front.convertToFormat(wanted)
    other = back
    if back.size() != front.size():
        other = QImage(front.size(), wanted)
        other.fill(Qt.GlobalColor.black)
        painter = QPainter(other)
        try:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(fitted(back.size(), front.size()), back)
        finally:
            painter.end()
    painter = QPainter(result)
    try:
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Difference)
        painter.drawImage(0, 0, other.convertToFormat(wanted))
    finally:
        painter.end()
    for _ in range(2):
        bright = result.copy()
        painter = QPainter(result)
        try:
            painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Plus)
            painter.drawImage(0, 0, bright)
        finally:
            painter.end()
    return result
