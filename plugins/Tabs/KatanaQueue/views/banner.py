"""Messages in the tab: the state of the queue, the page for an empty list, and short notices."""

from __future__ import annotations

from PySide6.QtCore import QDeadlineTimer, QEvent, QSize, Qt, QTimer, Signal, SignalInstance
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

from .....kq.api import ConnectionStatus, JobState, QueueRecord, Severity
from ....ui.icons import state_pixmap
from ....ui.theme import PLAIN_LABELS, SPACING, ShownState, colour_text, faded, state_colour

__all__ = ["Banner", "EmptyPage", "Notice"]


def _capitalized(text: str) -> str:
    """Return `text` with a capital letter and a full stop, which the queue's messages do not have."""
    stop = "" if not text or text[-1] in ".…!?" else "."
    return text[:1].upper() + text[1:] + stop


class Banner(QWidget):
    """A bar above a list or a log with a warning, an error or the state of the queue; else hidden.

    Signals:
        resume_wanted(): resume the queue, which is paused.
        start_wanted(): start the jobs of `offer_start`.
        dismissed(): the artist does not want to start them.
    """

    resume_wanted = Signal()
    start_wanted = Signal()
    dismissed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state: ShownState = JobState.WAITING
        self.setStyleSheet(PLAIN_LABELS)
        self._icon = QLabel(self)
        self._text = QLabel(self)
        self._text.setWordWrap(True)
        self._busy = QProgressBar(self)
        self._busy.setRange(0, 0)
        self._busy.setTextVisible(False)
        self._busy.setFixedSize(QSize(120, 6))
        self.resume = self._button("Resume", "Resume the queue", self.resume_wanted)
        self.start = self._button("Start Again", "Start the interrupted jobs again", self.start_wanted)
        self.dismiss = self._button("Dismiss", "Dismiss the message", self.dismissed)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(10, 6, 10, 6)
        layout.setSpacing(SPACING + 2)
        layout.addWidget(self._icon)
        layout.addWidget(self._text, 1)
        layout.addWidget(self._busy)
        self.buttons = (self.resume, self.start, self.dismiss)
        for button in self.buttons:
            layout.addWidget(button)
        self.hide()

    def _button(self, text: str, name: str, clicked: SignalInstance) -> QPushButton:
        button = QPushButton(text, self)
        button.setAccessibleName(name)
        button.clicked.connect(clicked)
        return button

    def show_text(self, text: str, state: ShownState, busy: bool = False) -> None:
        """Show `text` in the colour of `state`, with a progress bar if `busy`; hide if `text` is empty."""
        self._state = state
        text = _capitalized(text)
        self._text.setText(text)
        self.setAccessibleName(text)
        self._busy.setVisible(busy)
        for button in self.buttons:
            button.hide()
        self._icon.setPixmap(state_pixmap(state, self.palette(), self.devicePixelRatioF(), 16))
        self.setVisible(bool(text))
        self.update()

    def show_queue(self, status: ConnectionStatus, message: str, queue: QueueRecord) -> None:
        """Show the state of the connection, or a problem or pause of the queue; hide if there is none.

        Args:
            status: of the connection.
            message: of the connection, as the client reports it; may be empty.
            queue: the queue's record, used while connected.
        """
        match status:
            case ConnectionStatus.STARTING:
                self.show_text(message or "Katana Queue is starting …", JobState.RUNNING, busy=True)
            case ConnectionStatus.LOST:
                why = message or "The connection to Katana Queue was lost; reconnecting."
                self.show_text(f"{_capitalized(why)} The list may be out of date.", Severity.ERROR, busy=True)
            case ConnectionStatus.ENDED:
                self.show_text(message or "Katana Queue has ended.", JobState.CANCELLED)
            case _ if queue.problem:
                self.show_text(queue.problem, Severity.WARNING)
            case _ if queue.paused:
                paused = "The queue is paused: no more tasks are started until it is resumed."
                self.show_text(paused, Severity.WARNING)
                self.resume.show()
            case _:
                self.show_text("", JobState.WAITING)

    def offer_start(self, text: str) -> None:
        """Show `text`, with buttons to start the jobs that it names and to dismiss it."""
        self.show_text(text, Severity.WARNING)
        self.start.show()
        self.dismiss.show()

    @property
    def text(self) -> str:
        """The shown text; empty while hidden."""
        return self._text.text() if not self.isHidden() else ""

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the background in the state's colour, with a stronger stripe at the left."""
        painter = QPainter(self)
        colour = state_colour(self._state, self.palette())
        painter.fillRect(self.rect(), faded(colour, 0.14))
        painter.fillRect(0, 0, 3, self.height(), colour)


class EmptyPage(QWidget):
    """Shown in place of an empty list: explains why it is empty and what to do.

    Signals:
        clear_filter_wanted(): clear the filter.
    """

    clear_filter_wanted = Signal()

    def __init__(self, farm_name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._farm_name = farm_name
        self.setStyleSheet(PLAIN_LABELS)
        self._title = QLabel(self)
        self._title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        font = self._title.font()
        font.setBold(True)  # a host's style sheet sets the size of every text
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
        """Explain how to start a render, when there are no jobs yet."""
        self._title.setText("No renders yet")
        self._text.setText(
            "Right-click a node in the Node Graph and choose "
            f"<b>{self._farm_name}&nbsp;›&nbsp;Preview&nbsp;Render</b>.<br>"
            "Its progress, picture and log appear here."
        )
        self._clear.hide()

    def show_no_queue(self) -> None:
        """Show that there is no queue; the banner above the list shows the reason."""
        self._title.setText("No queue")
        self._text.setText("Katana Queue is not running; see the message above.")
        self._clear.hide()

    def show_no_match(self, total: int) -> None:
        """Show that the filter hides all of `total` jobs, with a button to clear it."""
        self._title.setText("No job matches")
        self._text.setText(
            f"The filter hides all {total:,} jobs." if total != 1 else "The filter hides the only job."
        )
        self._clear.show()

    def _dim(self) -> None:
        colour_text(self._text, faded(self.palette().color(QPalette.ColorRole.Text), 0.66))

    def changeEvent(self, event: QEvent) -> None:
        """Set the text's colour again when the palette changes."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_clear"):
            self._dim()


SHOWN_MS = 12_000
"""How long a message is shown, in milliseconds."""


class Notice(QLabel):
    """Shows the last message for SHOWN_MS, behind an error that still matters. Elided in the middle."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Notice")
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SHOWN_MS)
        self._timer.timeout.connect(self.hide)
        self._refusal = ""
        self._refusal_ends = QDeadlineTimer()
        self.setContentsMargins(SPACING + 2, 3, SPACING + 2, 3)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)  # never widens the panel
        self.hide()

    def refuse(self, message: str) -> None:
        """Show an error message; an empty `message` hides the last one, which no longer matters."""
        if message:
            self.show_message(message)
            if not self._refusal:  # the first of several is mostly the cause
                self._refusal, self._refusal_ends = message, QDeadlineTimer(SHOWN_MS)
        elif self._refusal:
            self._refusal = ""
            self.hide()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the text, elided if needed; the tool tip has all of it."""
        place = self.contentsRect()
        text = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideMiddle, place.width())
        QPainter(self).drawText(place, int(Qt.AlignmentFlag.AlignVCenter), text)

    def show_message(self, message: str) -> None:
        """Show a message that is not an error. An error stays before it: of several jobs, one may be refused
        and the others not."""
        if self._refusal_ends.hasExpired():
            self._refusal = ""
        if self._refusal and message != self._refusal:
            message = f"{self._refusal}   |   {message}"
        self.setText(message)
        self.setToolTip(message)
        self.show()
        self._timer.start()
