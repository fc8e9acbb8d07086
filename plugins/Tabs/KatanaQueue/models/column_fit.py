"""Fits columns to the width of the jobs list, as long as the artist has sized none. Pure; no Qt."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from .columns import COLUMNS, Column

__all__ = ["fitted_widths"]

_HIDE_ORDER = (
    Column.LOG_FILE,
    Column.MEMORY,
    Column.COMPLETED,
    Column.SUBMITTED,
    Column.AGENT,
    Column.FARM,
    Column.ELAPSED,
    Column.REMAINING,
    Column.PICTURE,
)
"""Columns to hide when there is too little room, in this order. *Reason* stays: it explains failures."""


def fitted_widths(
    room: int,
    scale: float,
    titles: Mapping[Column, int],
    chosen: Mapping[Column, bool] | None = None,
    absent: Collection[Column] = (),
) -> dict[Column, int]:
    """Return the columns to show, with their widths in pixels. If possible, they fill the list's width.

    Args:
        room: the width of the list, in pixels.
        scale: the height of its font, relative to USUAL_FONT_HEIGHT.
        titles: the width of each column's title, in pixels.
        chosen: for each column that the artist has shown or hidden, whether it is shown.
        absent: columns that do not exist in this session.
    """
    chosen = chosen or {}
    shown = [
        column for column in Column if column not in absent and chosen.get(column, not COLUMNS[column].hidden)
    ]
    least = {column: max(round(COLUMNS[column].least * scale), titles.get(column, 0)) for column in shown}
    for column in _HIDE_ORDER:
        if sum(least.values()) <= room:
            break
        if not chosen.get(column):
            least.pop(column, None)
    widths = dict(least)
    wanted = {column: max(0, round(COLUMNS[column].width * scale) - width) for column, width in least.items()}
    left, total = room - sum(least.values()), sum(wanted.values())
    if left > 0:
        for column, extra in wanted.items():
            widths[column] += extra if total <= left else extra * left // total
        widths[Column.REASON if Column.REASON in widths else Column.NAME] += room - sum(widths.values())
    return widths
