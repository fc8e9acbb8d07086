"""Which columns the jobs list shows in a given width, until the artist sizes them. Pure; no Qt."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from .columns import COLUMNS, Column

__all__ = ["fitted_widths"]

_GIVE_WAY = (
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
"""Without room for all, these leave, the first first: *Reason* is what an artist needs when a job fails."""


def fitted_widths(
    room: int,
    scale: float,
    titles: Mapping[Column, int],
    chosen: Mapping[Column, bool] | None = None,
    absent: Collection[Column] = (),
) -> dict[Column, int]:
    """The columns to show, each with its width in pixels; together as wide as the list, where that can be.

    Args:
        room: the width of the list, in pixels.
        scale: the height of its font, as a multiple of the usual.
        titles: the width of each column's title, in pixels.
        chosen: columns that an artist has shown or hidden: whether each is shown.
        absent: columns that there are not in this session.
    """
    chosen = chosen or {}
    shown = [
        column for column in Column if column not in absent and chosen.get(column, not COLUMNS[column].hidden)
    ]
    least = {column: max(round(COLUMNS[column].least * scale), titles.get(column, 0)) for column in shown}
    for column in _GIVE_WAY:
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
