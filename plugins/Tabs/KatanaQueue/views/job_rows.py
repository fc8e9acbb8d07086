"""Draws the rows of the jobs list: state, progress, thumbnail and texts.

It draws whole rows, without a delegate: a call from C++ to Python for each cell would take most of a frame.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetricsF,
    QImage,
    QPainter,
    QPalette,
    QPixmap,
    QPolygonF,
    QStaticText,
)

from .....kq.api import JobRecord, JobState, Severity, TaskRecord, TaskState, percent_text, warning_text
from ....ui.icons import state_pixmap
from ....ui.theme import ShownState, faded, is_dark, row_height, state_colour
from ..models.columns import COLUMNS, Column
from ..models.frame_states import FrameStates, has_frame_bar, pixels
from ..models.jobs import JobsModel
from ..models.pictures import PictureLoader

__all__ = ["ARROW_WIDTH", "MARGIN", "RowPainter"]

ARROW_WIDTH = 18
MARGIN = 8
_INDENT = 34
_ICON = 14
_FRAME_BAR_HEIGHT = 8
_FRAME_OPACITY = 0.75
"""Opacity of frames in a frame bar, except for failed ones, which are opaque."""
MAX_TEXTS = 4096
MAX_FRAME_BARS = 500
STALE_OPACITY = 0.6
"""Opacity of the rows of a queue that is not connected."""

# As plain integers, since enum members are slow to compare.
_NAME, _STATE, _PROGRESS = int(Column.NAME), int(Column.STATE), int(Column.PROGRESS)
_PICTURE, _AGENT, _REASON, _LOG_FILE = (
    int(Column.PICTURE),
    int(Column.AGENT),
    int(Column.REASON),
    int(Column.LOG_FILE),
)
_CUT_WITHIN = (_NAME, _LOG_FILE)
"""Columns whose texts are elided in the middle, since names and paths often differ only at the end."""
_RIGHT = tuple(info.right for info in COLUMNS)
_NO_PEN = Qt.PenStyle.NoPen
_NO_BRUSH = Qt.BrushStyle.NoBrush
_ANTIALIASING = QPainter.RenderHint.Antialiasing

_FAILED = (JobState.FAILED, TaskState.FAILED)

Record = JobRecord | TaskRecord


class RowPainter:
    """Draws rows of `model`. For each paint event, call `begin`, then `paint` for each row, then `end`."""

    def __init__(self, model: JobsModel, pictures: PictureLoader, frames: FrameStates) -> None:
        self._model = model
        self._pictures = pictures
        self.frames = frames
        """The states for frame bars."""
        self.stale_since_s: float | None = None
        """When the connection to the queue was lost: its rows are drawn faded, and their times stop there."""
        self._columns: Sequence[tuple[int, int, int]] = ()
        self._extent = (0, 0)
        self._metrics = QFontMetricsF(QFont())
        self._font_key = ""
        self._texts: OrderedDict[tuple[str, int, bool], tuple[QStaticText, float, float]] = OrderedDict()
        self._palette_key = (0, 0.0)
        self._bars: dict[ShownState, QColor] = {}
        self._bars_of_frames: OrderedDict[str, tuple[bytes, int, QImage]] = OrderedDict()  # by job id
        # By state and whether the row is selected.
        self._states: dict[tuple[ShownState, bool], tuple[QPixmap, QColor]] = {}

    def begin(
        self,
        painter: QPainter,
        palette: QPalette,
        columns: Sequence[tuple[int, int, int]],
        extent: tuple[int, int],
    ) -> None:
        """Prepare to draw rows.

        Args:
            painter: draws; `end` ends it.
            palette: for the colours.
            columns: column, left edge and width (in pixels) of each column to draw.
            extent: left edge and width of a whole row, in pixels.
        """
        self._painter, self._palette, self._columns, self._extent = painter, palette, columns, extent
        self._height = row_height(painter.font())
        self._ratio = painter.device().devicePixelRatioF()
        font = painter.font()
        if font.key() != self._font_key:
            self._font_key = font.key()
            self._metrics = QFontMetricsF(font)
            self._texts.clear()
        self._text = palette.color(QPalette.ColorRole.Text)
        self._dim = faded(self._text, 0.82)
        self._highlighted = palette.color(QPalette.ColorRole.HighlightedText)
        self._base = palette.color(QPalette.ColorRole.Base)
        self._highlight = palette.color(QPalette.ColorRole.Highlight)
        self._task_tint = faded(self._text, 0.035)
        self._groove = faded(self._text, 0.13)
        palette_key = (palette.cacheKey(), self._ratio)
        if palette_key != self._palette_key:
            self._palette_key = palette_key
            self._bars.clear()
            self._bars_of_frames.clear()
            self._states.clear()
        self._now_s = self.stale_since_s or self._model.now_s()

    def end(self) -> None:
        """End the painter, as Qt requires before the paint event returns."""
        self._painter.end()
        del self._painter

    def paint(self, row: int, place: QRect, selected: bool, focused: bool) -> None:
        """Draw `row` in the rectangle `place`; `focused` adds a frame."""
        top = place.top()
        painter, model = self._painter, self._model
        record, is_task, text_of = model.content(row)
        left, width = self._columns[0][1], self._columns[-1][1] + self._columns[-1][2] - self._columns[0][1]
        painter.setOpacity(1.0)
        painter.fillRect(place, self._base)
        if selected:
            painter.fillRect(left, top, width, self._height, self._highlight)
        elif is_task:
            painter.fillRect(left, top, width, self._height, self._task_tint)
        stale = self.stale_since_s is not None and not model.is_on_farm(row)
        now_s = self._now_s if stale or self.stale_since_s is None else model.now_s()
        painter.setOpacity(STALE_OPACITY if stale else 1.0)
        text_colour = self._highlighted if selected else self._text
        dim_colour = self._highlighted if selected else self._dim
        for column, x, column_width in self._columns:
            if column == _STATE:
                if record is not None:
                    self._paint_state(record, x, top, column_width, selected)
                continue
            if column == _PICTURE:
                if record is not None:
                    self._paint_picture(record, x, top, column_width)
                continue
            text = text_of(column, now_s)
            if column == _PROGRESS:
                if record is not None:
                    self._paint_progress(record, text, x, top, column_width, text_colour)
                continue
            start = float(x + MARGIN)
            colour = dim_colour
            if column == _NAME:
                start = float(x + (_INDENT if is_task else ARROW_WIDTH))
                colour = text_colour
                if isinstance(record, JobRecord) and record.tasks > 1:
                    self._paint_arrow(x, top, model.is_expanded(record.id), text_colour)
            elif column == _REASON:
                colour = text_colour if selected or record is None else self._reason_colour(record, text)
            elif column == _AGENT:
                colour = text_colour
            if text:
                room = x + column_width - MARGIN - start
                self._paint_text(text, start, top, room, colour, _RIGHT[column], column in _CUT_WITHIN)
        if focused:
            painter.setPen(faded(self._text, 0.6))
            painter.setBrush(_NO_BRUSH)
            left, width = self._extent  # of the whole row, even if only a part of it is drawn
            painter.drawRect(left, top, width - 1, self._height - 1)

    def _reason_colour(self, record: Record, text: str) -> QColor:
        if record.state in _FAILED:
            return state_colour(Severity.ERROR, self._palette)
        if text == warning_text(record):
            return state_colour(Severity.WARNING, self._palette)
        return self._text

    def _paint_text(
        self, text: str, x: float, top: int, room: float, colour: QColor, right: bool, middle: bool
    ) -> None:
        static, width, height = self._laid_out(text, int(room), middle)
        if right:
            x += max(0.0, room - width)
        self._painter.setPen(colour)
        self._painter.drawStaticText(QPointF(x, top + (self._height - height) / 2), static)

    def _laid_out(self, text: str, room: int, middle: bool) -> tuple[QStaticText, float, float]:
        """Return `text` elided to `room` pixels, with its width and height. Cached for the next frames."""
        key = (text, room, middle)
        known = self._texts.get(key)
        if known is not None:
            return known
        if len(self._texts) >= MAX_TEXTS:
            self._texts.popitem(last=False)  # only one: to clear the cache would take longer than a frame
        mode = Qt.TextElideMode.ElideMiddle if middle else Qt.TextElideMode.ElideRight
        shown = text[:1000].replace("\n", " ")
        width = self._metrics.horizontalAdvance(shown)
        if width > room:
            shown = self._metrics.elidedText(shown, mode, room)
            width = self._metrics.horizontalAdvance(shown)
        static = QStaticText(shown)
        static.setTextFormat(Qt.TextFormat.PlainText)
        made = (static, width, self._metrics.height())
        self._texts[key] = made
        return made

    def _paint_arrow(self, left: int, top: int, is_open: bool, colour: QColor) -> None:
        x, y = left + 9.5, top + self._height / 2
        points = (
            [QPointF(x - 4, y - 2), QPointF(x + 4, y - 2), QPointF(x, y + 3)]
            if is_open
            else [QPointF(x - 2, y - 4), QPointF(x + 3, y), QPointF(x - 2, y + 4)]
        )
        painter = self._painter
        painter.setRenderHint(_ANTIALIASING, True)
        painter.setPen(_NO_PEN)
        painter.setBrush(faded(colour, 0.75))
        painter.drawPolygon(QPolygonF(points))
        painter.setRenderHint(_ANTIALIASING, False)

    def _paint_state(self, record: Record, x: int, top: int, width: int, selected: bool) -> None:
        stopping = isinstance(record, JobRecord) and record.stopping
        state = TaskState.STOPPING if stopping else record.state
        known = self._states.get((state, selected))
        if known is None:
            colour = self._highlighted if selected else state_colour(state, self._palette)
            known = (state_pixmap(state, self._palette, self._ratio, _ICON, colour), colour)
            self._states[(state, selected)] = known
        pixmap, colour = known
        self._painter.drawPixmap(x + MARGIN, top + (self._height - _ICON) // 2, pixmap)
        start = x + MARGIN + _ICON + 6
        self._paint_text(state.value, start, top, x + width - start - 2, colour, False, False)

    def _paint_progress(
        self, record: Record, text: str, x: int, top: int, width: int, colour: QColor
    ) -> None:
        progress = record.progress
        is_live = isinstance(record, JobRecord) and record.is_live
        many = isinstance(record, JobRecord) and record.tasks > 1
        job_id, shown = "", b""
        if isinstance(record, JobRecord) and has_frame_bar(record):
            job_id, shown = record.id, self.frames.shown(record)
        if is_live:
            self._paint_text(text, x + MARGIN, top, width - 2 * MARGIN, colour, False, False)
            return
        if progress is None:
            if not isinstance(record, JobRecord) or not many:
                return
            progress = record.tasks_completed / record.tasks
        painter = self._painter
        left, room = self.bar(x, width)
        bar = QRectF(left, top + 5, room, self._height - 10)
        done = min(max(progress, 0.0), 1.0)
        if shown:
            # Below the text, which would otherwise cover frames.
            bar.setTop(bar.bottom() - _FRAME_BAR_HEIGHT)
            painter.drawImage(bar.translated(0, 2), self._frames_drawn(job_id, shown, room))
        else:
            painter.setRenderHint(_ANTIALIASING, True)
            painter.setPen(_NO_PEN)
            painter.setBrush(self._groove)
            painter.drawRoundedRect(bar, 3, 3)
            if done > 0:
                bar.setWidth(max(4.0, bar.width() * done))
                painter.setBrush(self._bar_colour(record.state))
                painter.drawRoundedRect(bar, 3, 3)
            painter.setRenderHint(_ANTIALIASING, False)
        if text:
            longer = f"{text}  ({percent_text(done)})"
            if many and self._metrics.horizontalAdvance(longer) < room:
                text = longer
            static, text_width, height = self._laid_out(text, room, False)
            painter.setPen(colour)
            above = (self._height - height) / 2 - (_FRAME_BAR_HEIGHT / 2 if shown else 0.0)
            painter.drawStaticText(QPointF(x + max(MARGIN, (width - text_width) / 2), top + above), static)

    def bar(self, x: int, width: int) -> tuple[int, int]:
        """Return left edge and width of the progress bar in a cell at `x` that is `width` wide, in pixels."""
        return x + MARGIN, max(4, width - 2 * MARGIN)

    def _frames_drawn(self, job_id: str, shown: bytes, width: int) -> QImage:
        """Return the frame bar of a job, one pixel high; cached until its states or width change."""
        known = self._bars_of_frames.get(job_id)
        if known is not None and known[1] == width and (known[0] is shown or known[0] == shown):
            return known[2]
        image = QImage(width, 1, QImage.Format.Format_ARGB32)
        image.fill(0)
        for x, pixel in enumerate(pixels(shown, width)):
            if pixel is None:
                continue
            colour = state_colour(pixel.state, self._palette)
            if pixel.state != TaskState.FAILED:
                colour = faded(colour, _FRAME_OPACITY)
            if pixel.share < 1.0:
                colour = _mixed(self._groove, colour, pixel.share)
            image.setPixelColor(x, 0, colour)
        if len(self._bars_of_frames) >= MAX_FRAME_BARS:
            self._bars_of_frames.popitem(last=False)
        self._bars_of_frames[job_id] = (shown, width, image)
        return image

    def _bar_colour(self, state: ShownState) -> QColor:
        if state not in self._bars:
            alpha = 0.55 if is_dark(self._palette) else 0.4
            self._bars[state] = faded(state_colour(state, self._palette), alpha)
        return self._bars[state]

    def _paint_picture(self, record: Record, x: int, top: int, width: int) -> None:
        if record.picture:
            pixmap = self._pictures.thumbnail(record.picture, self._ratio)
        elif isinstance(record, JobRecord):
            pixmap = self._pictures.unsaved_thumbnail(record.id, self._ratio)
        else:
            return
        if pixmap is None:
            return
        size = pixmap.deviceIndependentSize()
        left, above = x + (width - size.width()) / 2, top + (self._height - size.height()) / 2
        painter = self._painter
        painter.drawPixmap(QPointF(left, above), pixmap)
        painter.setPen(faded(self._text, 0.25))
        painter.setBrush(_NO_BRUSH)
        painter.drawRect(QRectF(left, above, size.width() - 1, size.height() - 1))


def _mixed(nothing: QColor, all_of_it: QColor, share: float) -> QColor:
    """Return the colour between two, opacity included; `share` is the part of the second, 0 to 1."""

    def part(a: float, b: float) -> float:
        return a + (b - a) * share

    return QColor.fromRgbF(
        part(nothing.redF(), all_of_it.redF()),
        part(nothing.greenF(), all_of_it.greenF()),
        part(nothing.blueF(), all_of_it.blueF()),
        part(nothing.alphaF(), all_of_it.alphaF()),
    )
