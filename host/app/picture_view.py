"""A picture that can be zoomed, panned and fitted. It knows pixels, and nothing of renders."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
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


class PictureView(QWidget):
    """Shows one QImage.

    Wheel zooms at the pointer, middle or left drag pans, F fits, 1 shows one picture pixel as one point.

    Signals:
        zoom_changed: the magnification, 1.0 for one to one.
        pixel_hovered: what is under the pointer, in words; empty when it is off the picture.
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
        """The magnification, 1.0 for one to one."""
        return self._zoom

    def set_image(self, image: QImage) -> None:
        """Show `image`; zoom and place stay, unless it is of another size."""
        resized = image.size() != self._image.size()
        self._image = image
        if resized:
            self._centre = QPointF(image.width() / 2, image.height() / 2)
        if resized or self._fitted:
            self.fit()
        self.update()

    @property
    def notice(self) -> str:
        """The sentence in place of a picture."""
        return self._notice

    def set_notice(self, notice: str) -> None:
        """Show a sentence in place of a picture that is not there."""
        self._notice = notice
        self.update()

    def clear(self) -> None:
        """Show no picture."""
        self._image = QImage()
        self.update()

    def fit(self) -> None:
        """Show the whole picture."""
        self._fitted = True
        if self._image.isNull():
            return
        self._centre = QPointF(self._image.width() / 2, self._image.height() / 2)
        zoom = min(self.width() / self._image.width(), self.height() / self._image.height())
        self._set_zoom(min(max(zoom, _MIN_ZOOM), 4.0))

    def show_actual_size(self) -> None:
        """Show one to one."""
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
            # An error's traceback would keep the painter, and Qt dies of a painter that outlives its event.
            painter.end()

    def _paint(self, painter: QPainter) -> None:
        painter.fillRect(self.rect(), _BACKGROUND)
        if self._image.isNull():
            painter.setPen(style.DIM_TEXT)
            area = self.rect().adjusted(24, 24, -24, -24)
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(area, int(flags), self._notice)
            return
        rect = self._picture_rect()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self._zoom < 2.0)
        painter.drawImage(rect, self._image)
        painter.setPen(QColor(70, 70, 70))
        painter.drawRect(rect.adjusted(-1, -1, 0, 0))

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
            self._drag = event.position()
            self.setCursor(Qt.CursorShape.ClosedHandCursor)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._drag is not None and not self._image.isNull():
            self._fitted = False
            self._centre -= (event.position() - self._drag) / self._zoom
            self._drag = event.position()
            self.update()
        self.pixel_hovered.emit(self._pixel(event.position()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._drag = None
        self.unsetCursor()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.fit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_F:
            self.fit()
        elif event.key() == Qt.Key.Key_1:
            self.show_actual_size()
        else:
            super().keyPressEvent(event)

    def _pixel(self, position: QPointF) -> str:
        if self._image.isNull():
            return ""
        point = self._to_picture(position)
        x, y = int(point.x()), int(point.y())
        if not (point.x() >= 0 and point.y() >= 0 and self._image.valid(x, y)):
            return ""
        color = self._image.pixelColor(x, y)
        return f"x {x}  y {y}    R {color.redF():.3f}  G {color.greenF():.3f}  B {color.blueF():.3f}"
