"""Draws the cells of the jobs list: state, progress, thumbnail, texts. Knows no queue and loads no file."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any

from PySide6.QtCore import (
    QAbstractItemModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPointF,
    QRect,
    QRectF,
    QSize,
    Qt,
)
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPalette, QPolygonF
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from kq.api import JobRecord, TaskRecord

from ..models.columns import COLUMNS, Column
from ..models.jobs import JobsModel
from ..models.pictures import PictureLoader
from .look import ROW_HEIGHT, faded, is_dark, state_colour, state_pixmap

__all__ = ["ARROW_WIDTH", "JobDelegate"]

ARROW_WIDTH = 18
_INDENT = 34
_MARGIN = 6
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_CENTRE = int(Qt.AlignmentFlag.AlignCenter)
# As numbers: Qt's enums cost a microsecond at each look, and a cell looks several times.
_SELECTED: int = QStyle.StateFlag.State_Selected.value
_FOCUS: int = QStyle.StateFlag.State_HasFocus.value
_MIDDLE = Qt.TextElideMode.ElideMiddle
_END = Qt.TextElideMode.ElideRight


class JobDelegate(QStyledItemDelegate):
    """Reads records from the model itself: asking it role by role would cost most of a frame."""

    def __init__(self, pictures: PictureLoader, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pictures = pictures
        self.stale_since_s: float | None = None
        """Since when nothing is heard of the queue: what is shown is drawn faint, and no time goes on."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """One height for all rows; the width that the text wants."""
        model = index.model()
        width = COLUMNS[index.column()].width
        if isinstance(model, JobsModel):
            text = model.text(index.row(), index.column(), time.time())
            width = max(48, _text_width(option.fontMetrics, text[:300]) + 2 * _MARGIN + 2)
            if index.column() == Column.NAME:
                width += ARROW_WIDTH
            elif index.column() == Column.STATE:
                width += 22
            elif index.column() in (Column.PROGRESS, Column.PICTURE):
                width = COLUMNS[index.column()].width
        return QSize(width, ROW_HEIGHT)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Draw one cell."""
        model: QAbstractItemModel | JobsModel = index.model()
        if not isinstance(model, JobsModel):
            return
        row, column = index.row(), index.column()
        record = model.record(row)
        rect: QRect = option.rect
        palette: QPalette = option.palette
        state: int = option.state.value
        selected = bool(state & _SELECTED)
        if selected:
            painter.fillRect(rect, palette.brush(QPalette.ColorRole.Highlight))
        is_task = model.task(row) is not None
        stale = self.stale_since_s is not None
        if is_task and not selected:
            painter.fillRect(rect, faded(palette.color(QPalette.ColorRole.Text), 0.035))
        role = QPalette.ColorRole.HighlightedText if selected else QPalette.ColorRole.Text
        colour = palette.color(role)
        if stale:
            painter.setOpacity(0.5)
        if column == Column.STATE and record is not None:
            self._paint_state(painter, option, record, selected)
        elif column == Column.PROGRESS and record is not None:
            self._paint_progress(painter, option, record, model.text(row, column, 0.0), colour)
        elif column == Column.PICTURE and record is not None:
            self._paint_picture(painter, rect, record, colour)
        else:
            text = model.text(row, column, self.stale_since_s or time.time())
            inner = rect.adjusted(_MARGIN, 0, -_MARGIN, 0)
            if column == Column.NAME:
                inner.setLeft(
                    inner.left() + ARROW_WIDTH - _MARGIN + (_INDENT - ARROW_WIDTH if is_task else 0)
                )
                if isinstance(record, JobRecord) and record.tasks > 1:
                    self._paint_arrow(painter, rect, model.is_open(record.id), faded(colour, 0.75))
            elif column == Column.REASON and record is not None and not selected:
                if record.state == "Failed":
                    colour = state_colour("Failed", palette)
                elif record.warning and text == record.warning:
                    colour = state_colour("warning", palette)
            elif column not in (Column.REASON, Column.AGENT) and not selected:
                colour = faded(colour, 0.82)
            self._paint_text(painter, option, inner, text, column, colour)
        if stale:
            painter.setOpacity(1.0)
        if state & _FOCUS:
            painter.setPen(faded(palette.color(QPalette.ColorRole.Text), 0.6))
            painter.drawRect(rect.adjusted(0, 0, -1, -1))

    def _paint_text(
        self, painter: QPainter, option: Any, rect: QRect, text: str, column: int, colour: QColor
    ) -> None:
        if not text:
            return
        mode = _MIDDLE if column == Column.LOG_FILE else _END
        painter.setPen(colour)
        text = _elided(option.fontMetrics, text, mode, rect.width())
        painter.drawText(rect, _RIGHT if COLUMNS[column].right else _LEFT, text)

    def _paint_arrow(self, painter: QPainter, rect: QRect, is_open: bool, colour: QColor) -> None:
        x, y = rect.left() + 9.5, rect.center().y() + 0.5
        points = (
            [QPointF(x - 4, y - 2), QPointF(x + 4, y - 2), QPointF(x, y + 3)]
            if is_open
            else [QPointF(x - 2, y - 4), QPointF(x + 3, y), QPointF(x - 2, y + 4)]
        )
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        painter.drawPolygon(QPolygonF(points))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _paint_state(
        self, painter: QPainter, option: Any, record: JobRecord | TaskRecord, selected: bool
    ) -> None:
        stopping = isinstance(record, JobRecord) and record.stopping
        state = "Stopping" if stopping else str(record.state)
        palette, rect = option.palette, option.rect
        pixmap = state_pixmap(state, palette, painter.device().devicePixelRatioF())
        painter.drawPixmap(rect.left() + _MARGIN, rect.center().y() - 6, pixmap)
        colour = (
            palette.color(QPalette.ColorRole.HighlightedText) if selected else state_colour(state, palette)
        )
        inner = rect.adjusted(_MARGIN + 20, 0, -2, 0)
        painter.setPen(colour)
        painter.drawText(inner, _LEFT, _elided(option.fontMetrics, state, _END, inner.width()))

    def _paint_progress(
        self, painter: QPainter, option: Any, record: JobRecord | TaskRecord, text: str, colour: QColor
    ) -> None:
        progress = record.progress
        many = isinstance(record, JobRecord) and record.tasks > 1
        if progress is None and not many:
            return
        if progress is None and isinstance(record, JobRecord):
            progress = record.tasks_completed / record.tasks
        palette, rect = option.palette, option.rect
        bar = QRectF(rect.left() + _MARGIN, rect.center().y() - 7.5, rect.width() - 2 * _MARGIN, 16)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(faded(palette.color(QPalette.ColorRole.Text), 0.13))
        painter.drawRoundedRect(bar, 3, 3)
        done = min(max(progress or 0.0, 0.0), 1.0)
        if done > 0:
            fill = state_colour(str(record.state), palette)
            painter.setBrush(faded(fill, 0.55 if is_dark(palette) else 0.4))
            painter.drawRoundedRect(
                QRectF(bar.left(), bar.top(), max(4.0, bar.width() * done), bar.height()), 3, 3
            )
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        if many:
            text = f"{text}  ({int(done * 100)}%)" if rect.width() > 110 else text
        painter.setPen(colour)
        painter.drawText(rect, _CENTRE, text)

    def _paint_picture(
        self, painter: QPainter, rect: QRect, record: JobRecord | TaskRecord, colour: QColor
    ) -> None:
        if not record.picture:
            return
        pixmap = self._pictures.thumbnail(record.picture, painter.device().devicePixelRatioF())
        if pixmap is None:
            return
        size = pixmap.deviceIndependentSize()
        left = rect.left() + (rect.width() - size.width()) / 2
        top = rect.top() + (rect.height() - size.height()) / 2
        painter.drawPixmap(QPointF(left, top), pixmap)
        painter.setPen(faded(colour, 0.25))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(QRectF(left, top, size.width() - 1, size.height() - 1))


_metrics: dict[str, QFontMetrics] = {}


def _elided(metrics: QFontMetrics, text: str, mode: Qt.TextElideMode, width: int) -> str:
    # A short text in a wide cell needs no measuring: no letter is wider than the em.
    if len(text) * metrics.height() < width:
        return text
    key = f"{metrics.height()}/{metrics.averageCharWidth()}/{metrics.xHeight()}"
    _metrics.setdefault(key, QFontMetrics(metrics))
    return _elided_cached(key, text, mode, width)


@lru_cache(maxsize=8192)
def _elided_cached(key: str, text: str, mode: Qt.TextElideMode, width: int) -> str:
    return _metrics[key].elidedText(text, mode, width)


def _text_width(metrics: QFontMetrics, text: str) -> int:
    return metrics.horizontalAdvance(text)
