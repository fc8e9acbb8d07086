"""Messages of the tab itself: a queue that starts or is gone, an empty list, passing notices."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from .....kq.api import ConnectionStatus, QueueRecord
from ....ui.icons import state_pixmap
from ....ui.theme import PLAIN_LABELS, SPACING, colour_text, faded, state_colour

__all__ = ["Banner", "EmptyPage", "Notice"]


def _capitalized(text: str) -> str:
    """`text` with a capital and a full stop, which the queue's messages do not have."""
    stop = "" if not text or text[-1] in ".…!?" else "."
    return text[:1].upper() + text[1:] + stop


class Banner(QWidget):
    """A strip above a list or a log, shown while something is out of the ordinary.

    Signals:
        resume_wanted(): the queue is paused, and is to go on.
    """

    resume_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = "Waiting"
        self.setStyleSheet(PLAIN_LABELS)
        self._icon = QLabel(self)
        self._text = QLabel(self)
        self._text.setWordWrap(True)
        self._busy = QProgressBar(self)
        self._busy.setRange(0, 0)
        self._busy.setTextVisible(False)
        self._busy.setFixedSize(QSize(120, 6))
        self.resume = QPushButton("Resume", self)
        self.resume.setAccessibleName("Resume the queue")
        self.resume.clicked.connect(self.resume_wanted)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(10, 6, 10, 6)
        layout.setSpacing(SPACING + 2)
        layout.addWidget(self._icon)
        layout.addWidget(self._text, 1)
        layout.addWidget(self._busy)
        layout.addWidget(self.resume)
        self.hide()

    def show_text(self, text: str, state: str, busy: bool = False) -> None:
        """Show `text` in the colour of `state`; nothing when it is empty."""
        self._state = state
        text = _capitalized(text)
        self._text.setText(text)
        self.setAccessibleName(text)
        self._busy.setVisible(busy)
        self.resume.hide()
        self._icon.setPixmap(state_pixmap(state, self.palette(), self.devicePixelRatioF(), 16))
        self.setVisible(bool(text))
        self.update()

    def show_queue(self, status: ConnectionStatus, message: str, queue: QueueRecord) -> None:
        """Show what is out of the ordinary about the queue; nothing when all is well.

        Args:
            status, message: of the connection, as the client reports them.
            queue: of a queue that is connected.
        """
        match status:
            case ConnectionStatus.STARTING:
                self.show_text(message or "Katana Queue is starting …", "Running", busy=True)
            case ConnectionStatus.LOST:
                why = message or "The connection to Katana Queue is gone; connecting again."
                self.show_text(f"{_capitalized(why)} What is shown may be old.", "Failed", busy=True)
            case ConnectionStatus.ENDED:
                self.show_text(message or "Katana Queue has ended.", "Cancelled")
            case _ if queue.problem:
                self.show_text(queue.problem, "warning")
            case _ if queue.paused:
                self.show_text("The queue is paused: nothing more is started until it is resumed.", "warning")
                self.resume.show()
            case _:
                self.show_text("", "Waiting")

    @property
    def text(self) -> str:
        """The text that is shown."""
        return self._text.text() if not self.isHidden() else ""

    def paintEvent(self, event: QPaintEvent) -> None:
        """A tint of the state's colour, and a bar of it at the left."""
        painter = QPainter(self)
        colour = state_colour(self._state, self.palette())
        painter.fillRect(self.rect(), faded(colour, 0.14))
        painter.fillRect(0, 0, 3, self.height(), colour)


class EmptyPage(QWidget):
    """Shown in place of an empty list: how to fill it.

    Signals:
        clear_filter_wanted(): show all jobs again.
    """

    clear_filter_wanted = Signal()

    def __init__(self, farm_name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._farm_name = farm_name
        self.setStyleSheet(PLAIN_LABELS)
        self._title = QLabel(self)
        self._title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        font = self._title.font()
        font.setPointSizeF(font.pointSizeF() * 1.35)
        self._title.setFont(font)
        self._text = QLabel(self)
        self._text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._text.setWordWrap(True)
        self._text.setTextFormat(Qt.TextFormat.RichText)
        self._clear = QPushButton("Show All Jobs", self)
        self._clear.clicked.connect(self.clear_filter_wanted)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(32, 16, 32, 16)
        layout.setSpacing(8)
        layout.addStretch(1)
        layout.addWidget(self._title)
        layout.addWidget(self._text)
        layout.addWidget(self._clear, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(1)
        self.show_how_to_start()
        self._dim()
        self.setAutoFillBackground(True)
        self.setBackgroundRole(QPalette.ColorRole.Base)

    def show_how_to_start(self) -> None:
        """Nothing was rendered yet."""
        self._title.setText("No renders yet")
        self._text.setText(
            "Right-click a node in the Node Graph and choose "
            f"<b>{self._farm_name}&nbsp;›&nbsp;Preview&nbsp;Render</b>.<br>"
            "Its progress, picture and log appear here."
        )
        self._clear.hide()

    def show_no_queue(self) -> None:
        """Nothing can be rendered; the strip above the list has the reason."""
        self._title.setText("No queue")
        self._text.setText("Katana Queue is not running: the line above says why.")
        self._clear.hide()

    def show_no_match(self, total: int) -> None:
        """There are jobs, and the filter hides all of them."""
        self._title.setText("No job matches")
        self._text.setText(
            f"The filter hides all {total:,} jobs." if total != 1 else "The filter hides the one job."
        )
        self._clear.show()

    def _dim(self) -> None:
        colour_text(self._text, faded(self.palette().color(QPalette.ColorRole.Text), 0.66))

    def changeEvent(self, event: QEvent) -> None:
        """Another palette, other colours."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_clear"):
            self._dim()


class Notice(QLabel):
    """The last message, shown for a while; of a long one the beginning and the end."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Notice")
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(12_000)
        self._timer.timeout.connect(self.hide)
        self._is_refusal = False
        self.setContentsMargins(SPACING + 2, 3, SPACING + 2, 3)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)  # it widens no panel
        self.hide()

    def refuse(self, message: str) -> None:
        """Show why something was not done, until it no longer matters: then `message` is empty."""
        if message:
            self.show_message(message)
            self._is_refusal = True
        elif self._is_refusal:
            self.hide()

    def paintEvent(self, event: QPaintEvent) -> None:
        """What there is room for; the tool tip has all of it."""
        place = self.contentsRect()
        text = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideMiddle, place.width())
        QPainter(self).drawText(place, int(Qt.AlignmentFlag.AlignVCenter), text)

    def show_message(self, message: str) -> None:
        """Show `message`."""
        self._is_refusal = False
        self.setText(message)
        self.setToolTip(message)
        self.show()
        self._timer.start()
