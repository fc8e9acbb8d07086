"""The picture of the selected job, and of another beside it with a wipe. Loads nothing itself."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QImage, QMouseEvent, QPainter, QPaintEvent, QPalette, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from ..models.pictures import PictureLoader
from .look import COMPACT_BUTTONS, SPACING, faded

__all__ = ["PicturePanel"]


class PicturePanel(QWidget):
    """Signals:
    opened(): the picture was double-clicked.
    """

    opened = Signal()

    def __init__(self, pictures: PictureLoader, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pictures = pictures
        self._path, self._name = "", ""
        self._kept_path, self._kept_name = "", ""
        self._canvas = _Canvas(self)
        self._label = QLabel(self)
        self._keep = QToolButton(self)
        self._keep.setText("Compare")
        self._keep.setToolTip(
            "Keep this picture on the left, and compare it with that of the job selected next"
        )
        self._keep.setCheckable(True)
        self._keep.setAutoRaise(True)
        self._keep.toggled.connect(self._on_keep)
        self.tools = QWidget(self)
        """The row of buttons that belongs above it; whoever shows the panel places it."""
        self.tools.setStyleSheet(COMPACT_BUTTONS)
        bar = QHBoxLayout(self.tools)
        bar.setContentsMargins(SPACING, 2, SPACING, 2)
        bar.addStretch(1)
        bar.addWidget(self._label)
        bar.addSpacing(SPACING)
        bar.addWidget(self._keep)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._canvas, 1)
        self._look = QTimer(self)
        self._look.setSingleShot(True)
        self._look.setInterval(250)  # a picture in progress changes often
        self._look.timeout.connect(self._load)
        self._canvas.opened.connect(self.opened)
        pictures.picture_loaded.connect(self._on_loaded)
        self.show_picture("", "")

    def show_picture(self, path: str, name: str) -> None:
        """Show the picture at `path`, of the job called `name`; call it again when the picture changed."""
        other_name, self._name = name != self._name, name
        if path != self._path:
            self._path = path
            self._canvas.set_picture(
                QPixmap(), "" if path else "No picture yet." if name else "Select a job."
            )
            self._say()
            self._load()
        elif path and not self._look.isActive():
            self._look.start()
        if other_name:
            self._say()

    def _load(self) -> None:
        if self._path and self.isVisible():
            self._pictures.load_picture(self._path)

    def showEvent(self, event) -> None:  # type: ignore[no-untyped-def]  # QShowEvent
        """Now it is worth loading."""
        super().showEvent(event)
        self._load()

    def _on_loaded(self, path: str, image: QImage, sentence: str) -> None:
        if path == self._path:
            if not image.isNull() or not self._canvas.has_picture:
                self._canvas.set_picture(QPixmap.fromImage(image), sentence)
            self._say()

    def _on_keep(self, keep: bool) -> None:
        self._kept_path, self._kept_name = (self._path, self._name) if keep else ("", "")
        self._canvas.keep(keep)
        self._say()

    def _say(self) -> None:
        size = self._canvas.picture_size
        parts = [self._name] if self._name else []
        if not size.isEmpty():
            parts.append(f"{size.width()} × {size.height()}")
        text = ", ".join(parts)
        if self._kept_path and self._kept_path != self._path:
            text = f"{self._kept_name}  |  {text}"
        self._label.setText(text)
        self._keep.setEnabled(self._canvas.has_picture or self._keep.isChecked())


class _Canvas(QWidget):
    """Signals:
    opened(): it was double-clicked.
    """

    opened = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Picture")
        self.setMouseTracking(True)
        self._picture, self._kept = QPixmap(), QPixmap()
        self._message = ""
        self._wipe = 0.5

    @property
    def has_picture(self) -> bool:
        """Whether there is one."""
        return not self._picture.isNull()

    @property
    def picture_size(self) -> QSize:
        """In pixels."""
        return self._picture.size()

    def set_picture(self, picture: QPixmap, message: str) -> None:
        """Show `picture`, or `message` when it is null."""
        self._picture, self._message = picture, message
        self.update()

    def keep(self, keep: bool) -> None:
        """Keep what is shown, to compare with."""
        self._kept = QPixmap(self._picture) if keep else QPixmap()
        self.update()

    def _area(self, picture: QPixmap) -> QRectF:
        size = picture.size().scaled(self.size() - QSize(12, 12), Qt.AspectRatioMode.KeepAspectRatio)
        left, top = (self.width() - size.width()) / 2, (self.height() - size.height()) / 2
        return QRectF(left, top, size.width(), size.height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """The picture, as large as it fits; left of the wipe the one that was kept."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.fillRect(self.rect(), self.palette().brush(QPalette.ColorRole.Base))
        text = self.palette().color(QPalette.ColorRole.Text)
        if self._picture.isNull():
            painter.setPen(faded(text, 0.62))
            flags = int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap)
            painter.drawText(self.rect().adjusted(24, 8, -24, -8), flags, self._message)
            return
        area = self._area(self._picture)
        painter.drawPixmap(area, self._picture, QRectF(self._picture.rect()))
        if not self._kept.isNull():
            x = area.left() + area.width() * self._wipe
            painter.setClipRect(QRect(0, 0, int(x), self.height()))
            painter.fillRect(area, self.palette().brush(QPalette.ColorRole.Base))
            painter.drawPixmap(self._area(self._kept), self._kept, QRectF(self._kept.rect()))
            painter.setClipping(False)
            painter.setPen(faded(text, 0.9))
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag the wipe."""
        if not self._kept.isNull() and event.buttons() & Qt.MouseButton.LeftButton:
            area = self._area(self._picture)
            self._wipe = min(1.0, max(0.0, (event.position().x() - area.left()) / max(1.0, area.width())))
            self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Put the wipe there."""
        self.mouseMoveEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Open it."""
        if self.has_picture:
            self.opened.emit()
